"""Exercise 29.agreement: do two engines give the same answer?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines import frameworks

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _require(ref: np.ndarray, out: np.ndarray) -> None:
    if ref.shape != out.shape or np.isnan(out).any():
        raise ValueError("another shape, or NaN")


def _largest(ref: np.ndarray, out: np.ndarray) -> float:
    return float(np.abs(ref - out).max())


def _cosine(ref: np.ndarray, out: np.ndarray) -> float:
    a, b = float(np.linalg.norm(ref)), float(np.linalg.norm(out))
    return float(a == b) if a == 0 or b == 0 else float((ref * out).sum()) / (a * b)


def _same_class(ref: np.ndarray, out: np.ndarray) -> float:
    best = np.sort(ref, axis=1)
    return float(np.mean((ref.argmax(1) == out.argmax(1)) | (best[:, -1] - best[:, -2] < 1e-6)))


def _report(*, largest: Callable = _largest, cosine: Callable = _cosine, top1: Callable = _same_class, check: Callable = _require) -> Callable:
    """An answer from its three numbers; with its defaults it is right."""

    def answer(ref: Any, out: Any) -> dict:
        check(ref, out)
        with np.errstate(all="ignore"):
            return {"max_abs": largest(ref, out), "cosine": cosine(ref, out), "top1": top1(ref, out)}

    return answer


def _both(**rules: Callable) -> dict:
    return {"answer": _report(**rules), "also": (_report(**rules, check=lambda ref, out: None),)}


def _plain_cosine(ref: np.ndarray, out: np.ndarray) -> float:
    return float((ref * out).sum() / (np.linalg.norm(ref) * np.linalg.norm(out)))


def _row_cosine(ref: np.ndarray, out: np.ndarray) -> float:
    return float(np.mean([_cosine(r, o) for r, o in zip(ref, out)]))


def _ties_strict(ref: np.ndarray, out: np.ndarray) -> float:
    return float(np.mean(ref.argmax(1) == out.argmax(1)))


def _ties_of_out(ref: np.ndarray, out: np.ndarray) -> float:
    best = np.sort(out, axis=1)
    return float(np.mean((ref.argmax(1) == out.argmax(1)) | (best[:, -1] - best[:, -2] < 1e-6)))


def _relative(ref: np.ndarray, out: np.ndarray) -> float:
    return float(np.max(np.abs(ref - out) / np.abs(ref)))


def _nan_blind(ref: np.ndarray, out: np.ndarray) -> dict:
    if ref.shape != out.shape:
        raise ValueError("another shape")
    return {"max_abs": float(np.nanmax(np.abs(ref - out))), "cosine": _cosine(np.nan_to_num(ref), np.nan_to_num(out)),
            "top1": _same_class(ref, np.nan_to_num(out))}


def _shape_blind(ref: np.ndarray, out: np.ndarray) -> dict:
    if np.isnan(out).any():
        raise ValueError("NaN")
    ref, out = np.broadcast_arrays(ref, out)
    return _report(check=lambda r, o: None)(ref, out)


def _by_rows(ref: np.ndarray, out: np.ndarray) -> dict:
    if ref.shape != out.shape:
        raise ValueError("another shape")
    if not np.all(out == out):
        raise ValueError("NaN")
    equal = 0
    for r, o in zip(ref.tolist(), out.tolist()):
        first, second = sorted(r, reverse=True)[:2]
        equal += first - second < 1e-6 or r.index(max(r)) == o.index(max(o))
    r, o = ref.ravel().astype(float), out.ravel().astype(float)
    rr, oo = float(r @ r), float(o @ o)
    cosine = float(r @ o) / (rr * oo) ** 0.5 if rr * oo else 1.0 if rr == oo else 0.0
    return {"max_abs": max(abs(a - b) for a, b in zip(r, o)), "cosine": cosine, "top1": equal / len(ref)}


def _with_partition(ref: np.ndarray, out: np.ndarray) -> dict:
    if ref.shape != out.shape or bool(np.isnan(out).sum()):
        raise ValueError("another shape, or NaN")
    second, first = np.partition(ref, -2, axis=1)[:, -2:].T
    same = np.where(first - second < 1e-6, True, np.argmax(ref, -1) == np.argmax(out, -1))
    norm = np.sqrt((ref**2).sum()), np.sqrt((out**2).sum())
    cosine = 1.0 if norm[0] == norm[1] == 0 else 0.0 if 0 in norm else np.vdot(ref, out) / norm[0] / norm[1]
    return {"max_abs": np.ptp([0.0, np.linalg.norm((ref - out).ravel(), np.inf)]), "cosine": cosine, "top1": same.mean()}


_ZERO = np.zeros((2, 3))
_REF, _OUT = np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([[1.0, 2.5], [1.0, 3.0]])
_TIED = np.array([[2.0, 2.0, 0.0], [1.0, 3.0, 3.0 + 2e-7], [0.0, 1.0, 5.0]])
_MOVED = np.array([[1.9, 2.1, 0.0], [0.0, 4.0, 2.0], [0.0, 6.0, 5.0]])


def _draw(rng: np.random.Generator) -> Case:
    rows, classes = int(rng.integers(1, 9)), int(rng.integers(2, 8))
    ref = rng.permuted(np.tile(np.arange(classes) * 0.5, (rows, 1)), axis=1) - 1.0  # gaps of 0.5 within a row
    if rng.random() < 0.3:
        ref[int(rng.integers(rows))] = 1.25  # a row that names no class
    kind = rng.integers(4)
    out = ref + rng.normal(scale=float(rng.choice([0.01, 0.4])), size=ref.shape)
    if kind == 0:
        out = ref * float(rng.choice([-2.0, 0.5, 3.0]))
    elif kind == 1:
        out = np.roll(ref, 1, axis=1)
    dtype = rng.choice([np.float32, np.float64])
    return Case(ref.astype(dtype), out.astype(dtype), label=f"drawn logits of {rows} rows and {classes} classes")


agreement = Exercise(
    id="29.agreement", points=2, difficulty=1, minutes=8, idea="one number does not tell whether outputs agree",
    reference=frameworks.agreement,
    cases=[Case(_REF, _OUT, label="agreement([[1, 2], [3, 1]], [[1, 2.5], [1, 3]])"), Case(_ZERO, _ZERO, label="agreement of zeros (2, 3) with zeros")],
    hidden=[
        Case(_ZERO, np.ones((2, 3)), label="zeros against ones"), Case(np.eye(3), np.zeros((3, 3)), label="an identity against zeros"),
        Case(_TIED, _MOVED, label="two rows that name no class"), Case(np.array([[1.0, 1.0 + 4e-6]]), np.array([[1.0, 0.0]]), label="a gap of 4e-6"),
        Case(np.array([[0.0, 1.0], [5.0, 2.0]]), np.array([[0.25, 1.0], [5.0, 2.0]]), label="a reference of 0"),
        Case(np.array([[100.0, 99.9, 0.0]]), np.array([[99.9, 100.0, 0.0]]), label="a cosine of 0.9999995, another class"),
        Case(np.array([[1.0, 0.0], [0.0, 1.0], [9.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [9.0, 0.0]]), label="the largest logit in row 3"),
        Case(np.array([[3.0, 1.0, 2.0]], np.float32), np.array([[-3.0, -1.0, -2.0]], np.float32), label="the sign flipped"),
        Case(np.array([[1.0, 0.0], [10.0, 0.0]]), np.array([[0.5, 0.5], [10.0, 0.0]]), label="rows of different size"),
        Case(np.array([[0.0, 2.0, 1.0]]), np.array([[1.0, 1.0, 0.0]]), label="a tie in out alone"),
    ],
    draw=_draw, draws=40, compare=close(1e-5, 1e-6, dtype="any"),
    raises=[Case(_REF, _OUT[:1], label="shapes (2, 2) and (1, 2)"), Case(np.ones((2, 3)), np.ones((3, 2)), label="shapes (2, 3) and (3, 2)"),
            Case(np.ones((2, 3)), np.ones((2, 1)), label="shapes (2, 3) and (2, 1)"),
            Case(_REF, np.array([[1.0, np.nan], [3.0, 1.0]]), label="NaN in out"), Case(_ZERO, np.full((2, 3), np.nan), label="out is all NaN")],
    misconceptions=[
        Misconception(
            "cosine_decides", **_both(top1=lambda ref, out: float(_cosine(ref, out) > 0.99)),
            message="You conclude from the cosine that the classes agree. At a cosine of 0.999 the two largest logits of a row may still have changed places: "
                    "compare the classes themselves.",
            title="A high cosine can flip a class."),
        Misconception(
            "one_argmax", **_both(top1=lambda ref, out: float(ref.argmax() == out.argmax())),
            message="You take one argmax over the whole batch. Every row is an image with a class of its own: argmax along the classes.",
            title="Each row has its own class."),
        Misconception(
            "wrong_axis", **_both(top1=lambda ref, out: float(np.mean(ref.argmax(0) == out.argmax(0)))),
            message="Your argmax runs down the rows: it finds the image with the largest logit for each class. The classes are along axis 1.",
            title="The argmax runs along the wrong axis."),
        Misconception(
            "relative", **_both(largest=_relative),
            message="You divide the difference by the reference. A logit of 0 makes that infinite, or NaN where both are 0. Asked is the absolute difference.",
            title="Relative errors divide by zero."),
        Misconception(
            "nan_ignored", _nan_blind,
            "You leave NaN out of the comparison. An engine that returns NaN is broken, and the other values hide it: refuse it with ValueError.",
            "NaN is not a missing value."),
        Misconception(
            "shape_ignored", _shape_blind,
            "You let NumPy broadcast one shape to the other. Outputs of another shape do not agree, even if they can be subtracted: refuse them.",
            "Broadcasting hides a wrong shape."),
        Misconception(
            "ties_count", _report(top1=_ties_strict),
            "A row whose two largest reference logits are equal names no class. Rounding decides which comes first, so such a row counts as equal.",
            "A tied row names no class.", also=(_report(top1=_ties_strict, check=lambda ref, out: None), _report(top1=_ties_of_out))),
        Misconception(
            "zero_vectors", **_both(cosine=_plain_cosine),
            message="For arrays of zeros your cosine is 0/0. Settle it by hand: 1.0 if both are zero, 0.0 if only one is.",
            title="The cosine of zeros needs a rule."),
        Misconception(
            "cosine_of_rows", **_both(cosine=_row_cosine),
            message="You average the cosines of the rows. Asked is one cosine of the whole arrays, flattened.",
            title="One cosine, not one a row."),
        Misconception(
            "signed", **_both(largest=lambda ref, out: float((out - ref).max())),
            message="You take the largest signed difference. A value that is far too small escapes it: take absolute values first.",
            title="The difference has a sign."),
        Misconception(
            "mean_abs", **_both(largest=lambda ref, out: float(np.abs(ref - out).mean())),
            message="You average the differences. A single broken channel disappears in the mean: the largest one is asked.",
            title="The mean hides the worst value."),
    ],
    alternatives=[_report(), _by_rows, _with_partition],
    hints=(
        "Refuse other shapes and NaN before anything else. Then compute the three numbers one by one.",
        "The cosine is the sum of the products over the product of the two norms; look at norms of zero first.",
        "For `top1`: sort each reference row. Where the last two are closer than 1e-6 the row counts, otherwise compare the argmax along axis 1.",
    ),
    worth_knowing="Chapter 34 compares backends with a tolerance a value; here you have what a release note can print.",
)
