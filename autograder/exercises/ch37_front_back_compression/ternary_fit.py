"""Exercise 37.ternary_fit: the best scale and the best three values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.compression import binary

from ...compare import close, prop
from ...exercise import Case, Exercise, Misconception

Fit = tuple[float, np.ndarray]


def _answer(keep: Callable[[np.ndarray], np.ndarray], alpha: Callable[[np.ndarray, np.ndarray], float] | None = None, *,
            check: bool = True) -> Callable[[np.ndarray], Fit]:
    """Keeps |w| by a mask of |w|; alpha(|w|, mask) is the mean of the kept ones unless given."""

    def answer(w: np.ndarray) -> Fit:
        if check and w.size == 0:
            raise ValueError("w must not be empty")
        size = np.abs(w)
        if not np.any(size > 0):
            return 0.0, np.zeros(len(w), np.int8)
        kept = keep(size)
        scale = (alpha or (lambda s, mask: s[mask].mean() if mask.any() else 0.0))(size, kept)
        return float(scale), np.where(kept, np.sign(w), 0).astype(np.int8)

    return answer


def _both(keep: Callable, alpha: Callable | None = None, *others: Callable) -> dict:
    """`answer` and `also` of a misconception: with and without the refusal; `others` are whole answers."""
    return {"answer": _answer(keep, alpha), "also": (_answer(keep, alpha, check=False), *others)}


def _largest(size: np.ndarray, k: int) -> np.ndarray:
    mask = np.zeros(len(size), bool)
    mask[np.argsort(-size, kind="stable")[:k]] = True
    return mask


def _by_score(score: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Keeps the k largest with the best score(S_k, k)."""

    def keep(size: np.ndarray) -> np.ndarray:
        sums = np.cumsum(-np.sort(-size))
        return _largest(size, 1 + int(np.argmax(score(sums, np.arange(1, len(size) + 1)))))

    return keep


_best = _by_score(lambda sums, k: sums**2 / k)


def _binary(w: np.ndarray) -> Fit:
    if w.size == 0:
        raise ValueError("w must not be empty")
    return float(np.abs(w).mean()), np.where(w >= 0, 1, -1)


def _ones_for_zeros(w: np.ndarray) -> Fit:
    alpha, t = binary.ternary_fit(w)
    return (alpha, t) if alpha else (0.0, np.ones(len(w), np.int8))


def _nan_for_zeros(w: np.ndarray) -> Fit:
    alpha, t = binary.ternary_fit(w)
    return (alpha, t) if alpha else (float("nan"), t)


def _signs_lost(w: np.ndarray) -> Fit:
    alpha, t = binary.ternary_fit(w)
    return alpha, np.abs(t)


def _sorts_signed(w: np.ndarray) -> Fit:
    """Keeps the k largest signed values: negative ones hardly ever."""
    if w.size == 0:
        raise ValueError("w must not be empty")
    order = np.argsort(-w, kind="stable")
    sums, k = np.cumsum(w[order]), np.arange(1, len(w) + 1)
    best = int(np.argmax(sums**2 / k))
    t = np.zeros(len(w), np.int8)
    t[order[: best + 1]] = 1
    return (float(sums[best] / k[best]), t) if np.any(w) else (0.0, np.zeros(len(w), np.int8))


def _absmean(w: np.ndarray) -> Fit:
    """BitNet b1.58's rule: divide by the mean of |w|, round, clip."""
    if w.size == 0:
        raise ValueError("w must not be empty")
    alpha = float(np.abs(w).mean())
    return (alpha, np.clip(np.round(w / alpha), -1, 1).astype(np.int8)) if alpha else (0.0, np.zeros(len(w), np.int8))


def _absmax(w: np.ndarray) -> Fit:
    """An integer grid with qmax = 1: round w / max |w|."""
    if w.size == 0:
        raise ValueError("w must not be empty")
    alpha = float(np.abs(w).max())
    return (alpha, np.round(w / alpha).astype(np.int8)) if alpha else (0.0, np.zeros(len(w), np.int8))


# --- right in other ways --------------------------------------------------------------------------


def _every_size(w: np.ndarray) -> Fit:
    """Tries each size of the support and measures the error itself."""
    if len(w) == 0:
        raise ValueError("w is empty")
    best = (float(np.sum(w**2)), 0.0, np.zeros(len(w)))
    for k in range(1, len(w) + 1):
        kept = _largest(np.abs(w), k)
        alpha = float(np.abs(w[kept]).mean())
        t = np.sign(w) * kept
        error = float(np.sum((w - alpha * t) ** 2))
        if error < best[0] and alpha > 0:
            best = (error, alpha, t)
    return best[1], best[2]


def _every_threshold(w: np.ndarray) -> Fit:
    """Each |w| as the threshold, highest explained energy first."""
    if w.size < 1:
        raise ValueError("nothing to fit")
    size = np.abs(w)
    fits = [(size[size >= edge].sum() ** 2 / np.sum(size >= edge), edge) for edge in np.unique(size) if edge > 0]
    if not fits:
        return 0.0, np.zeros(w.shape, int)
    _, edge = max(fits)
    return size[size >= edge].mean().item(), np.sign(w).astype(int) * (size >= edge)


def _alternating(w: np.ndarray) -> Fit:
    """From every size of the support: alpha is the mean of the kept, kept are those above alpha / 2."""
    if w.size == 0:
        raise ValueError("w must not be empty")
    size, found = np.abs(w), []
    for k in range(1, len(w) + 1):
        kept = _largest(size, k)
        for _ in range(20):
            alpha = size[kept].mean() if kept.any() else 0.0
            kept = size > alpha / 2
        alpha = size[kept].mean() if kept.any() else 0.0
        found.append((float(np.sum((size - alpha * kept) ** 2)), float(alpha), kept))
    _, alpha, kept = min(found, key=lambda f: f[0])
    return alpha, np.sign(w) * kept if alpha else np.zeros(len(w))


def _exhaustive(w: np.ndarray) -> Fit:
    """All signs of all supports for short vectors, the sorted rule for long ones."""
    if w.size == 0:
        raise ValueError("w must not be empty")
    if len(w) > 6:
        return binary.ternary_fit(w)
    best = (float(w @ w), 0.0, np.zeros(len(w)))
    for t in itertools.product((-1, 0, 1), repeat=len(w)):
        t = np.array(t)
        alpha = float(w @ t / max(t @ t, 1))
        error = float(np.sum((w - alpha * t) ** 2))
        if alpha > 0 and error < best[0]:
            best = (error, alpha, t)
    return best[1], best[2]


# --- cases ------------------------------------------------------------------------------------------


def _judge(case: Case, expected: Any, got: Any) -> str | None:
    w = case.args[0]
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        return "this is no pair (alpha, t)"
    alpha, t = got
    if isinstance(alpha, np.ndarray) and alpha.size == 1:
        alpha = alpha.item()
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
        return f"alpha is {alpha!r}, expected a number"
    t = np.asarray(t)
    if t.shape != w.shape:
        return f"t has shape {t.shape}, expected {w.shape}"
    if not np.all((t == -1) | (t == 0) | (t == 1)):
        return "t holds other values than −1, 0 and 1"
    if not np.any(w):
        return None if alpha == 0 and not np.any(t) else "expected (0.0, zeros) for zeros"
    if not alpha > 0:
        return f"alpha is {alpha:g}, expected above 0"
    error, best = np.sum((w - alpha * t) ** 2), np.sum((w - expected[0] * expected[1]) ** 2)
    # sums of at most 2,000 squares in float64
    return None if error <= best + 1e-9 * np.sum(w**2) else f"the squared error is {error:.6g}, the least is {best:.6g}"


def _same(one: Any, other: Any, case: Any = None) -> str | None:
    return close(1e-9, 1e-12, dtype="any")(one, other, case)


def _case(*values: float, label: str = "") -> Case:
    return Case(np.array(values, np.float64), label=label or f"[{', '.join(f'{v:g}' for v in values)}]")


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(1, 13))
    kind = int(rng.integers(4))
    w = rng.standard_normal(n)
    if kind == 1:
        w = w**3
    elif kind == 2:
        w = rng.choice([-2, -1, -0.5, 0, 0, 0.5, 1, 2], n).astype(float)
    elif kind == 3:
        w = w * rng.choice([1.0, 0.02], n)
    w = np.round(w * 10.0 ** int(rng.integers(-2, 3)), 4)
    return Case(w, label=f"{n} weights: {', '.join(f'{v:g}' for v in w[:6])}{', …' if n > 6 else ''}")


def _long(seed: int) -> Case:
    return Case(np.random.default_rng(seed).standard_normal(2_000), label="2,000 Gaussian weights")


ternary_fit = Exercise(
    id="37.ternary_fit", points=5, difficulty=3, minutes=20, idea="which weights to keep, and the scale that fits them",
    reference=binary.ternary_fit,
    cases=[_case(0.9, -0.3, 0.1, -1.1), _case(2, -1, 1, 0.1), _case(0, 0, 0)],
    hidden=[
        _case(0.5), _case(-3), _case(1, 1, 1, 1), _case(5, 1, 1, 1, 1), _case(9, -8, 2, 2, 2, 2), _case(0, 0, -4, 0), _case(1, -1, 0, 0),
        _case(10, 6, 5, 4, 1), _case(0.001, -0.002, 0.0015), _case(1000, -300, 20), _case(-1, -2, -3, -4), _case(3, -2.9, 2.8, -2.7, 0.1),
        _case(0.0), _case(-0.0, 0.0), _long(0), _case(1, 0.42, 0.4, 0.4, 0.4, 0.4),
    ],
    draw=_draw, draws=40, raises=[Case(np.zeros(0), label="no weights")],
    compare=prop(_judge, same=_same),
    misconceptions=[
        Misconception(
            "mean_of_all", **_both(_best, lambda size, kept: size.mean()),
            message="alpha is the mean of all |w|. The zeroed weights get 0 whatever alpha is, so they should have no say: average over "
                    "the kept ones.",
            title="The dropped weights pull alpha down."),
        Misconception(
            "twn_rule", **_both(lambda size: size > 0.7 * size.mean()),
            message="0.7 · mean|w| is the rule of Ternary Weight Networks. It comes from an assumption about the distribution, and it is "
                    "near the optimum at best. The optimum is found by trying every number of kept weights.",
            title="A rule of thumb is not the optimum."),
        Misconception(
            "top_half", **_both(lambda size: _largest(size, -(-len(size) // 2)), None,
                                _answer(lambda size: _largest(size, max(1, len(size) // 2))), _answer(lambda size: size >= np.median(size))),
            message="You keep half of the weights, whatever they are. How many to keep depends on the data: one large weight among small "
                    "ones is best kept alone.",
            title="Half is not always best."),
        Misconception(
            "above_the_mean", **_both(lambda size: size >= size.mean()),
            message="You keep what is above the mean. The best border lies at half of alpha: a weight is kept when alpha is nearer to it "
                    "than 0 is.",
            title="The border is not the mean."),
        Misconception(
            "keeps_all", **_both(lambda size: size > 0, None, _answer(_by_score(lambda sums, k: sums)), _binary),
            message="Every weight that is not zero is kept. That is binarisation. Small weights lose less when they become 0 than when "
                    "they become alpha.",
            title="Nothing is set to zero."),
        Misconception(
            "keeps_the_largest", **_both(_by_score(lambda sums, k: sums / k)),
            message="You keep only the weights of the largest magnitude: a mean is highest with the fewest members. Ask how much *squared* "
                    "error each choice of k saves.",
            title="Only the largest survives."),
        Misconception(
            "largest_as_scale", **_both(_best, lambda size, kept: size.max(), _absmax),
            message="alpha is the largest |w|. The kept weights lie below it, so all errors have one sign. The mean of the kept has the "
                    "least squared error.",
            title="alpha is too large."),
        Misconception(
            "median_as_scale", **_both(_best, lambda size, kept: np.median(size[kept])),
            message="alpha is the median of the kept |w|. The median has the least sum of absolute errors, and asked is the least sum of "
                    "*squared* errors.",
            title="The median fits another error."),
        Misconception(
            "root_mean_square", **_both(_best, lambda size, kept: np.sqrt(np.mean(size[kept] ** 2))),
            message="alpha is the root of the mean square of the kept weights. That keeps the energy, not the least error. Set the "
                    "derivative of the error by alpha to zero.",
            title="The energy is kept, the error is not least."),
        Misconception(
            "absmean_rounding", _absmean,
            "You divide by the mean of |w| and round, as BitNet b1.58 does. That is a rule for training, where the weights adapt to "
            "it. For given weights neither this scale nor this border is the best.",
            "A training rule, not a fit."),
        Misconception(
            "signed_order", _sorts_signed,
            "You sort by w and not by |w|. Large negative weights then come last, although −1 would serve them as well as +1 serves "
            "the positive ones.",
            "The order has to ignore the sign."),
        Misconception(
            "signs_lost", _signs_lost,
            "t has no −1. A kept weight keeps its sign.",
            "The signs are lost."),
        Misconception(
            "zeros_become_ones", _ones_for_zeros,
            "For an all-zero w your t is not zero. Exact zeros stay 0: for them the pair is (0.0, zeros).",
            "Zeros stay zero.", also=(_nan_for_zeros,)),
        Misconception(
            "no_refusal", _answer(_best, check=False),
            "Without weights there is nothing to fit. Raise a ValueError.",
            "An empty w."),
    ],
    alternatives=[_every_size, _every_threshold, _alternating, _exhaustive],
    hints=(
        "Suppose you know which weights are kept, and alpha is the mean of their |w|. How large is the error then?",
        "With the k largest |w| kept, S their sum and alpha = S / k, the error is ‖w‖² − S² / k. So only one thing matters for k.",
        "Sort |w| downwards, take cumulative sums, and look for the k with the largest S² / k.",
    ),
    worth_knowing="For Gaussian weights the best fit keeps 54 % of them and leaves 19 % of the energy as error; one bit leaves 36 %.",
)
