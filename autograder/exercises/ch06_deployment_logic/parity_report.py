"""Exercise 06.parity_report: how far is the converted network from the reference?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.delivery import release

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _max_abs(ref: np.ndarray, got: np.ndarray) -> Any:
    return np.abs(ref - got).max()


def _cosine(ref: np.ndarray, got: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(ref, axis=1) * np.linalg.norm(got, axis=1)
    zero = (np.linalg.norm(ref, axis=1) == 0) & (np.linalg.norm(got, axis=1) == 0)
    return np.where(lengths > 0, (ref * got).sum(1) / np.where(lengths > 0, lengths, 1), zero)


def _min_cosine(ref: np.ndarray, got: np.ndarray) -> Any:
    return _cosine(ref, got).min()


def _flat_cosine(ref: np.ndarray, got: np.ndarray) -> Any:
    return _cosine(ref.reshape(1, -1), got.reshape(1, -1)).min()


def _zero_is_nan(ref: np.ndarray, got: np.ndarray) -> Any:
    return ((ref * got).sum(1) / (np.linalg.norm(ref, axis=1) * np.linalg.norm(got, axis=1))).min()


def _zero_is_zero(ref: np.ndarray, got: np.ndarray) -> Any:
    return ((ref * got).sum(1) / (np.linalg.norm(ref, axis=1) * np.linalg.norm(got, axis=1) + 1e-12)).min()


def _db(signal: float, noise: float, factor: float = 10.0) -> float:
    if noise == 0:
        return math.inf
    return factor * math.log10(signal / noise) if signal else -math.inf


def _sqnr(ref: np.ndarray, got: np.ndarray) -> Any:
    return _db(float((ref**2).sum()), float(((ref - got) ** 2).sum()))


def _top1(ref: np.ndarray, got: np.ndarray) -> Any:
    return (ref.argmax(1) == got.argmax(1)).mean()


def _top1_last(ref: np.ndarray, got: np.ndarray) -> Any:
    return (ref[:, ::-1].argmax(1) == got[:, ::-1].argmax(1)).mean()


def _top1_tied(ref: np.ndarray, got: np.ndarray) -> Any:
    """A tie counts if any of the largest values coincide."""
    return ((ref == ref.max(1, keepdims=True)) & (got == got.max(1, keepdims=True))).any(1).mean()


def _report(*, largest: Callable = _max_abs, cosine: Callable = _min_cosine, sqnr: Callable = _sqnr, top1: Callable = _top1,
            wide: bool = True, check: bool = True, nan: str = "all NaN") -> Callable:
    """An answer from its parts; with the defaults it is right."""

    def answer(ref: np.ndarray, got: np.ndarray) -> dict:
        if check and ref.shape != got.shape:
            raise ValueError("the shapes differ")
        if wide:
            ref, got = ref.astype(np.float64), got.astype(np.float64)
        finite = bool(np.isfinite(got).all())
        with np.errstate(all="ignore"):
            if not finite and nan == "all NaN":
                return {"max_abs": math.nan, "min_cosine": math.nan, "sqnr_db": math.nan, "top1_agreement": math.nan, "finite": False}
            if not finite and nan == "left out":
                keep = np.isfinite(got).all(1)
                ref, got = (ref[keep], got[keep]) if keep.any() else (ref * 0, ref * 0)
            return {"max_abs": float(largest(ref, got)), "min_cosine": float(cosine(ref, got)), "sqnr_db": float(sqnr(ref, got)),
                    "top1_agreement": float(top1(ref, got)), "finite": finite or nan == "unseen"}

    return answer


def _both(**parts: Any) -> dict:
    return {"answer": _report(**parts), "also": (_report(**parts, check=False),)}


def _verdict(ref: np.ndarray, got: np.ndarray) -> bool:
    if ref.shape != got.shape:
        raise ValueError("shape")
    return bool(np.allclose(got.astype(float), ref.astype(float), rtol=1e-3, atol=1e-5))


def _wrong_word(ref: np.ndarray, got: np.ndarray) -> dict:
    if ref.shape != got.shape:
        raise ValueError("they are not alike")
    return _report()(ref, got)


# --- right answers --------------------------------------------------------------------------------


def _with_einsum(ref: np.ndarray, got: np.ndarray) -> dict:
    if np.shape(ref) != np.shape(got):
        raise ValueError(f"shape {np.shape(ref)} against shape {np.shape(got)}")
    a, b = np.asarray(ref, float), np.asarray(got, float)
    if not np.all(np.isfinite(b)):
        return dict.fromkeys(["max_abs", "min_cosine", "sqnr_db", "top1_agreement"], float("nan")) | {"finite": False}
    aa, bb, ab = (np.einsum("nc,nc->n", p, q) for p, q in ((a, a), (b, b), (a, b)))
    cosines = [1.0 if x == y == 0 else 0.0 if x == 0 or y == 0 else z / np.sqrt(x * y) for x, y, z in zip(aa, bb, ab)]
    error = np.einsum("nc,nc->", a - b, a - b)
    with np.errstate(divide="ignore"):
        sqnr = np.inf if error == 0 else 10 * np.log10(aa.sum() / error)
    return {"finite": True, "top1_agreement": np.mean(np.argmax(a, axis=1) == np.argmax(b, axis=1)), "sqnr_db": sqnr,
            "min_cosine": min(cosines), "max_abs": np.linalg.norm((a - b).ravel(), np.inf)}


def _with_loops(ref: np.ndarray, got: np.ndarray) -> dict:
    if ref.shape != got.shape:
        raise ValueError("wrong shape")
    largest = signal = noise = 0.0
    lowest, same = math.inf, 0
    for r, g in zip(ref.astype(np.float64).tolist(), got.astype(np.float64).tolist()):
        if not all(map(math.isfinite, g)):
            return {"max_abs": math.nan, "min_cosine": math.nan, "sqnr_db": math.nan, "top1_agreement": math.nan, "finite": False}
        largest = max(largest, *(abs(x - y) for x, y in zip(r, g)))
        signal += math.fsum(x * x for x in r)
        noise += math.fsum((x - y) ** 2 for x, y in zip(r, g))
        a, b = math.hypot(*r), math.hypot(*g)
        lowest = min(lowest, 1.0 if a == b == 0 else 0.0 if a == 0 or b == 0 else sum(x * y for x, y in zip(r, g)) / a / b)
        same += r.index(max(r)) == g.index(max(g))
    return {"max_abs": largest, "min_cosine": lowest, "sqnr_db": _db(signal, noise), "top1_agreement": same / len(ref), "finite": True}


# --- cases ----------------------------------------------------------------------------------------


def _case(ref: Any, got: Any, dtype: Any = np.float64, label: str = "") -> Case:
    return Case(np.array(ref, dtype), np.array(got, dtype), label=label)


def _draw(rng: np.random.Generator) -> tuple:
    """Scores with small and large errors, sometimes tied, with a zero row, or with a value that is not finite."""
    shape = (int(rng.integers(1, 6)), int(rng.integers(2, 6)))
    dtype = [np.float32, np.float64, np.float16][int(rng.integers(3))]
    ref = rng.normal(size=shape) * float(rng.choice([1.0, 20.0, 300.0]))
    if rng.random() < 0.3:
        ref = np.round(ref)
    got = ref * (1 + float(rng.choice([0.0, 1e-3, 0.1, 1.0])) * rng.normal(size=shape))
    if rng.random() < 0.25:
        ref[0] = 0
        got[0] *= int(rng.integers(2))
    ref, got = ref.astype(dtype), got.astype(dtype)
    if rng.random() < 0.2:
        got[int(rng.integers(shape[0])), int(rng.integers(shape[1]))] = float(rng.choice([np.nan, np.inf, -np.inf]))
    return ref, got


_N, _I = np.nan, np.inf

parity_report = Exercise(
    id="06.parity_report", points=3, difficulty=2, minutes=12, idea="four numbers that find a bad conversion without labels",
    reference=release.parity_report,
    cases=[_case([[1, 2, 3], [0, 0, 5]], [[1, 2, 2.5], [0, 1, 5]]), _case([[1, 2], [3, 4]], [[1, _N], [3, 4]])],
    hidden=[
        _case([[1, 2], [3, 4]], [[1, 2], [3, 4]]), _case([[0, 0], [1, 2]], [[0, 0], [1, 2.5]]), _case([[0, 0], [1, 2]], [[0, 1], [1, 2]]),
        _case([[3, 1], [1, 2]], [[0, 0], [1, 2]]), _case([[0, 0]], [[0, 0]]), _case([[0, 0]], [[0, 3]]), _case([[1, 1, 0]], [[1, 0.5, 0]]),
        _case([[1, 1, 0]], [[0.5, 1, 0]]), _case([[2, 2], [1, 3]], [[2, 2], [3, 1]]), _case([[300, 400]], [[300, 400.25]], np.float16),
        _case([[60000, 1]], [[-60000, 1]], np.float16), _case([[1, 2]], [[-1, -2]]), _case([[1, 2], [2, 1]], [[_I, 2], [2, 1]]),
        _case([[1, 2], [2, 1]], [[1, 2], [-_I, 1]]), _case([[5, 1]], [[_N, _N]]),
        _case([[4, 3], [100, 0]], [[4, -3], [100, 0]]), _case([[1, 2, 3]], [[10, 20, 30]]), _case([[1], [2]], [[1], [-2]]),
        _case([[16777217.0, 1.0]], [[16777216.0, 1.0]]), _case([[2048.0, 1.0]], [[2050.0, 1.0]], np.float16), _case([[1, 2]], [[1.5, 2]], np.float32),
    ],
    raises=[Case(np.ones((2, 3)), np.ones((3, 2)), label="shapes (2, 3) and (3, 2)", word="shape"),
            Case(np.ones((2, 3)), np.ones((1, 3)), label="shapes (2, 3) and (1, 3)", word="shape"),
            Case(np.ones((2, 3)), np.ones((2, 1)), label="shapes (2, 3) and (2, 1)", word="shape"),
            Case(np.ones((2, 3)), np.full((2, 1), np.nan), label="shapes (2, 3) and (2, 1) with NaN", word="shape")],
    draw=_draw, draws=40, compare=close(1e-9, 1e-9), pure=True,
    misconceptions=[
        Misconception(
            "mean_not_max", **_both(largest=lambda ref, got: np.abs(ref - got).mean()),
            message="max_abs is a mean of yours. One wrong class hides in the mean over a thousand scores: take the largest difference.",
            title="Hidden in the mean."),
        Misconception(
            "signed_max", _report(largest=lambda ref, got: (got - ref).max()), also=(_report(largest=lambda ref, got: (ref - got).max()),),
            message="Your largest difference has a sign, so an error to the other side does not count. Take absolute values.",
            title="The sign of the difference."),
        Misconception(
            "flat_cosine", **_both(cosine=_flat_cosine),
            message="This is the cosine of the whole matrix. One row may be garbage while the sum over all rows looks fine: one cosine a row, and "
                    "the smallest of them.",
            title="One row can be garbage."),
        Misconception(
            "mean_cosine", **_both(cosine=lambda ref, got: _cosine(ref, got).mean()),
            message="You average the cosines of the rows. The smallest one was asked: it names the worst image.",
            title="The average row."),
        Misconception(
            "verdict_only", _verdict,
            message="You return whether the arrays are close. A verdict without sizes says neither how far off they are nor what kind of error it is.",
            title="A verdict without a size."),
        Misconception(
            "nan_unseen", _report(nan="unseen"), also=(_report(nan="numbers"),),
            message="With a NaN or an infinity in `got` you still report numbers, or call it finite. argmax takes a NaN for the largest value, and "
                    "every sum is NaN: report finite False, and NaN for the rest.",
            title="Numbers out of NaN."),
        Misconception(
            "nan_left_out", _report(nan="left out"),
            message="You leave out the rows that are not finite and report on the others. These rows are the finding.",
            title="The broken rows are left out."),
        Misconception(
            "signal_and_noise_swapped", **_both(sqnr=lambda ref, got: -_sqnr(ref, got)),
            message="Signal and noise are exchanged: a good conversion can't have a negative ratio. The reference is the signal, the error the noise.",
            title="Signal and noise."),
        Misconception(
            "twenty_log", _report(sqnr=lambda ref, got: 2 * _sqnr(ref, got)), also=(_report(sqnr=lambda ref, got: _sqnr(ref, got) / 10),
                                                                              _report(sqnr=lambda ref, got: _sqnr(ref, got) / 10 * math.log(10))),
            message="The sums of squares are powers already, and 10 times their decimal logarithm is in dB. 20 is for amplitudes.",
            title="Decibels of a power."),
        Misconception(
            "signal_from_got", **_both(sqnr=lambda ref, got: _db(float((got**2).sum()), float(((ref - got) ** 2).sum()))),
            message="Your signal is the converted network's output. The reference is the yardstick: a blown-up output must not look better for it.",
            title="The wrong signal."),
        Misconception(
            "equal_is_not_inf", _report(sqnr=lambda ref, got: _db(float((ref**2).sum()), float(((ref - got) ** 2).sum()) + 1e-12)),
            also=(_report(sqnr=lambda ref, got: 10 * np.log10((ref**2).sum() / ((ref - got) ** 2).sum())),),
            message="Look at the two ends of the ratio: for equal arrays it is inf (also if both are zero), and for a reference of zeros -inf. "
                    "Nothing is added to the denominator.",
            title="No noise at all."),
        Misconception(
            "zero_rows", _report(cosine=_zero_is_nan), also=(_report(cosine=_zero_is_zero),),
            message="A row of zeros has no direction, and the division by its length fails. Two zero rows agree (1.0), one alone does not (0.0).",
            title="Rows of zeros."),
        Misconception(
            "last_of_equals", _report(top1=_top1_last), also=(_report(top1=_top1_tied),),
            message="Among equal largest values the first one is the answer of the row, in `ref` and in `got`.",
            title="Which of the equals?"),
        Misconception(
            "narrow", _report(wide=False),
            message="You compute in the dtype of the arrays. Squares of float16 overflow above 255, and its differences are rounded. Convert to "
                    "float64 first.",
            title="Computed in the narrow type."),
        Misconception(
            "shapes_stretched", _report(check=False),
            "Arrays of other shapes are compared all the same: NumPy stretches them. Raise ValueError with the word \"shape\" in it, before you look "
            "at the values.", "NumPy stretches the arrays."),
        Misconception(
            "no_word", _wrong_word,
            "You refuse other shapes, but the message does not say the word \"shape\". Whoever reads the log should know what is wrong.",
            "The message does not say what is wrong."),
    ],
    alternatives=[_with_einsum, _with_loops],
    hints=(
        "Shapes first, then float64, then NaN and infinity. After that the four numbers are one line each.",
        "The cosine of two rows is their dot product over the product of their lengths, `np.linalg.norm(x, axis=1)`. Treat rows of length 0 before.",
        "SQNR: 10 * log10 of sum(ref**2) / sum((ref - got)**2). Ask for the two special cases before you divide.",
    ),
    worth_knowing="Cosine and SQNR say how large an error is, top-1 whether anybody notices. A scale that is wrong by 10 has cosine 1.0.",
)
