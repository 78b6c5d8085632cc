"""Exercise 34.compare_outputs: do two runtimes agree?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.graphs import optimize

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _strictly(distance: np.ndarray, ref: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    return distance <= atol + rtol * np.abs(ref)


def _answer(*, passes: Callable = _strictly, wide: bool = True, nan_equal: bool = True, inf_equal: bool = True, check: str = "both",
            relative: Callable | None = None, worst: str = "failing is inf", only_finite_counts: bool = False,
            inf_tolerance: bool = False, mean: bool = False, zero_default: float = 0.0, largest: str = "finite") -> Callable:
    """An answer with one mistake; with its defaults it is right."""

    def answer(ref: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> dict:
        ref, got = np.asarray(ref), np.asarray(got)
        if check in ("both", "shape") and ref.shape != got.shape:
            raise ValueError("shapes")
        if check in ("both", "dtype") and ref.dtype.kind != got.dtype.kind:
            raise ValueError("dtypes")
        if wide:
            ref, got = ref.astype(np.float64), got.astype(np.float64)
        if check != "both":
            ref, got = np.broadcast_arrays(ref, got)
        with np.errstate(all="ignore"):
            finite = np.isfinite(ref) & np.isfinite(got)
            distance = np.abs(np.where(finite, got, 0) - np.where(finite, ref, 0))
            good = np.where(finite, passes(distance, ref, got, rtol, atol), False)
            if nan_equal:
                good |= np.isnan(ref) & np.isnan(got)
            if inf_equal:
                good |= np.isinf(ref) & (ref == got)
            if inf_tolerance:
                good |= np.isinf(ref) & ~np.isnan(got)
            if only_finite_counts:
                good |= ~finite
            some = finite & (ref != 0)
            share = distance[some] / np.abs(ref[some]) if relative is None else relative(distance, ref, got, finite)
            far = np.where(finite, distance, 0.0 if worst == "finite" else np.where(good, 0.0, np.inf))
            far = np.where(good, 0, far) if worst == "failing only" else far
            if worst == "relative":
                far = np.where(finite, distance / np.where(ref == 0, 1, np.abs(ref)), far)
        ok = bool(good.all())
        if mean and finite.any():
            ok = bool(good[~finite].all()) and float(distance[finite].mean()) <= atol + rtol * float(np.abs(ref[finite]).mean())
        top = distance[finite].max() if finite.any() else zero_default
        if largest == "all" and not good[~finite].all():
            top = np.inf
        at = None
        if ref.size:
            index = far.argmax() if worst != "last" else far.size - 1 - far.ravel()[::-1].argmax()
            at = tuple(int(i) for i in np.unravel_index(index, far.shape))
        if worst == "flat" and at is not None:
            at = (int(far.argmax()),)
        return {"ok": ok, "max_abs": float(top), "max_rel": float(share.max()) if share.size else zero_default, "worst": at}

    return answer


def _same_shape_only(ref: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> dict:
    return _answer(check="shape")(ref, got, rtol, atol)


# --- right answers --------------------------------------------------------------------------------


def _with_isclose(ref: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> dict:
    if np.shape(ref) != np.shape(got) or ref.dtype.kind != got.dtype.kind:
        raise ValueError("not comparable")
    a, b = ref.astype(float), got.astype(float)
    good = np.isclose(b, a, rtol=rtol, atol=atol, equal_nan=True)
    with np.errstate(invalid="ignore"):
        off = np.asarray(np.abs(b - a))
    both = np.isfinite(a) & np.isfinite(b)
    scored = off.copy()
    scored[~both] = np.where(good[~both], 0.0, np.inf)
    with_ref = both & (a != 0)
    return {"ok": bool(np.all(good)), "max_abs": float(np.max(off[both], initial=0.0)),
            "max_rel": float(np.max(off[with_ref] / np.abs(a[with_ref]), initial=0.0)),
            "worst": np.unravel_index(int(np.argmax(scored)), scored.shape) if scored.size else None}


def _with_a_loop(ref: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> dict:
    if ref.shape != got.shape:
        raise ValueError("shape")
    if ref.dtype.kind != got.dtype.kind:
        raise ValueError("dtype")
    ok, top, share, far, worst = True, 0.0, 0.0, -1.0, None
    for index in np.ndindex(*ref.shape):
        r, g = float(ref[index]), float(got[index])
        if math.isfinite(r) and math.isfinite(g):
            d = abs(g - r)
            fine = d <= atol + rtol * abs(r)
            top = max(top, d)
            if r:
                share = max(share, d / abs(r))
        else:
            fine = r == g or (math.isnan(r) and math.isnan(g))
            d = 0.0 if fine else math.inf
        ok = ok and fine
        if d > far:
            far, worst = d, index
    return {"worst": worst, "max_rel": share, "max_abs": top, "ok": ok}


# --- cases ----------------------------------------------------------------------------------------


def _case(ref: Any, got: Any, rtol: float = 1e-3, atol: float = 1e-5, dtype: Any = np.float64, other: Any = None, label: str = "") -> Case:
    return Case(np.array(ref, dtype), np.array(got, other or dtype), rtol, atol, label=label)


def _draw(rng: np.random.Generator) -> tuple:
    """Deviations below, at the order of, and above the tolerance; sometimes NaN and infinities in either."""
    shape = [(6,), (2, 3), (2, 2, 3), (), (1, 4), (3, 0)][int(rng.choice(6, p=[0.3, 0.3, 0.2, 0.08, 0.07, 0.05]))]
    dtype = [np.float32, np.float64, np.float16][int(rng.integers(3))]
    ref = np.asarray(rng.normal(size=shape) * rng.choice([0.0, 0.01, 1.0, 50.0], size=shape), dtype)
    rtol, atol = float(rng.choice([0.0, 1e-3, 1e-2])), float(rng.choice([0.0, 1e-5, 1e-2]))
    factor = rng.choice([0.0, 0.3, 0.8, 1.3], size=shape, p=[0.25, 0.35, 0.3, 0.1])
    got = np.asarray(ref + factor * (atol + rtol * np.abs(ref)) * rng.choice([-1, 1], size=shape), dtype)
    if rng.random() < 0.4 and ref.size:
        values = [(np.nan, np.nan), (np.inf, np.inf), (-np.inf, -np.inf)]
        if rng.random() < 0.5:
            values += [(np.nan, 1.0), (1.0, np.nan), (np.inf, -np.inf), (np.inf, 2.0), (2.0, -np.inf)]
        ref, got = np.atleast_1d(ref).copy(), np.atleast_1d(got).copy()
        for _ in range(2):
            at = tuple(int(rng.integers(n)) for n in ref.shape)
            ref[at], got[at] = values[int(rng.integers(len(values)))]
    return ref, got, rtol, atol


_N, _I = np.nan, np.inf

compare_outputs = Exercise(
    id="34.compare_outputs", points=3, difficulty=2, minutes=10, idea="a comparison that can't hide an error",
    reference=optimize.compare_outputs,
    cases=[_case([1.0, 100.0, 0.0], [1.0005, 100.2, 1e-6]), _case([[1.0, _N], [_I, 2.0]], [[1.0, _N], [_I, _N]])],
    hidden=[
        _case([1.0, 100.0, 0.0], [1.0005, 100.05, 1e-6]), _case([100.0], [100.1005], rtol=1e-3, atol=0.0), _case([0.0], [1e-6], atol=0.0),
        _case([0.0, 2.0], [0.0, 2.0], 0.0, 0.0), _case([_N, 1.0], [_N, 1.0]), _case([_N, 1.0], [1.0, 1.0]), _case([1.0, 1.0], [_N, 1.0]),
        _case([_I, -_I, 3.0], [_I, -_I, 3.001]), _case([_I, 1.0], [-_I, 1.0]), _case([_I, 1.0], [5.0, 2.0]), _case([5.0, 1.0], [_I, 9.0]),
        _case([1.0, 7.0, _N], [1.5, 2.0, 0.0]), _case([_N, _N], [_N, _N]), _case([_N, _I], [0.0, 0.0]),
        _case(3.0, 3.5), _case(0.0, 0.0), _case(_N, 1.0), _case([], []), _case(np.zeros((2, 0)), np.zeros((2, 0))),
        _case([60000.0, 1.0], [-60000.0, 1.0], dtype=np.float16), _case([1.0], [1.0009765625], rtol=1e-4, dtype=np.float16),
        _case([0, 200], [255, 200], dtype=np.uint8), _case([3, 4], [3, 4], dtype=np.int64, other=np.int32), _case([5, -5], [5, -6], dtype=np.int64),
        _case([True, False], [True, True], dtype=bool), _case([1.0, 2.0], [1.0, 2.5], dtype=np.float32, other=np.float64),
        _case([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1.0, 2.0, 3.0], [4.0, 5.5, 6.25]]), _case([1.0, 2.0], [1.5, 2.5]),
        _case([-100.0, 100.0], [-100.05, 100.05]), _case([0.0, 0.0], [0.5, 0.25]), _case([0.001, 100.0], [0.002, 101.0]),
        _case([10.0] * 30, [10.0] * 29 + [10.2]), _case([1e-12, 1.0], [3e-12, 1.0]), _case([2.0, 1.0], [2.0, 1.3], 0.1, 0.0),
        _case([0.5, 1.0], [0.5, 1.5], rtol=0.4, atol=0.0), _case([1.0, 0.5], [0.5, 0.5], rtol=0.6, atol=0.0),
    ],
    raises=[_case([1.0, 2.0], [1.0], label="shapes (2,) and (1,)"), _case([[1.0, 2.0]], [1.0, 2.0], label="shapes (1, 2) and (2,)"),
            _case([[1.0], [2.0]], [[1.0, 2.0]], label="shapes (2, 1) and (1, 2)"),
            _case([1.0, 2.0], [1, 2], other=np.int64, label="float64 and int64"),
            _case([1, 2], [1, 2], dtype=np.int8, other=np.uint8, label="int8 and uint8"),
            _case([1, 0], [1, 0], dtype=np.int64, other=bool, label="int64 and bool")],
    draw=_draw, draws=40, compare=close(1e-9, 0.0), pure=True,
    misconceptions=[
        Misconception(
            "symmetric", _answer(passes=lambda d, ref, got, rtol, atol: d <= atol + rtol * np.maximum(np.abs(ref), np.abs(got))),
            also=(_answer(passes=lambda d, ref, got, rtol, atol: d <= atol + rtol * np.abs(got)),),
            message="Your tolerance depends on `got`. The reference is the yardstick: a wildly large result must not widen its own tolerance. "
                    "(np.isclose takes the yardstick as its second argument.)",
            title="The reference is the yardstick."),
        Misconception(
            "relative_only", _answer(passes=lambda d, ref, got, rtol, atol: d <= rtol * np.abs(ref)),
            message="Only the relative tolerance counts. Then an output near zero, say 1e-6 instead of 0, always fails. `atol` is added to the "
                    "tolerance.",
            title="Near zero everything fails."),
        Misconception(
            "absolute_only", _answer(passes=lambda d, ref, got, rtol, atol: d <= atol),
            message="Only the absolute tolerance counts. A result of 1,000 may deviate by more than one of 0.01: add `rtol` times the reference's "
                    "magnitude.",
            title="Large values need more room."),
        Misconception(
            "either_tolerance", _answer(passes=lambda d, ref, got, rtol, atol: d <= np.maximum(atol, rtol * np.abs(ref))),
            also=(_answer(passes=lambda d, ref, got, rtol, atol: (d <= atol) | (d <= rtol * np.abs(ref))),),
            message="You take the larger of the two tolerances. Their sum was asked, as NumPy and torch do.",
            title="Sum, not the larger one."),
        Misconception(
            "nan_differs", _answer(nan_equal=False),
            message="NaN in both places counts as a difference. `NaN == NaN` is false in floating point; here two NaNs agree.",
            title="NaN against NaN."),
        Misconception(
            "equal_infinities_differ", _answer(inf_equal=False),
            message="Two equal infinities count as a difference. inf - inf is NaN, and every comparison with NaN is false: treat them before.",
            title="Infinity minus infinity."),
        Misconception(
            "infinite_tolerance", _answer(inf_tolerance=True),
            message="A finite result passes against an infinite reference. The tolerance rtol * inf is infinite, so anything is within it: the "
                    "formula is for finite pairs only.",
            title="An infinite tolerance."),
        Misconception(
            "nonfinite_skipped", _answer(only_finite_counts=True),
            message="Pairs that are not finite are left out, so a NaN where the reference has a number goes unnoticed. That is the most important "
                    "failure of all.",
            title="NaN slips through."),
        Misconception(
            "mean", _answer(mean=True),
            message="You judge the mean deviation. One wrong class score hides in a mean over a thousand: every element has to pass.",
            title="Hidden in the mean."),
        Misconception(
            "narrow", _answer(wide=False),
            message="You subtract in the dtype of the arrays. float16 overflows at 65,504, uint8 wraps around at 255, and bools can't be "
                    "subtracted. Convert to float64 first.",
            title="Subtracted in the wrong dtype."),
        Misconception(
            "worst_among_finite", _answer(worst="finite"),
            message="`worst` looks at finite pairs only. A NaN against a number is farther off than any finite deviation: it counts as infinity.",
            title="The worst is not finite."),
        Misconception(
            "worst_relative", _answer(worst="relative"),
            message="`worst` is the place of the largest *relative* deviation. The largest |got - ref| was asked.",
            title="Worst by the wrong measure."),
        Misconception(
            "worst_among_failing", _answer(worst="failing only"),
            message="`worst` looks only at elements that fail. It names the largest deviation also when all of them pass.",
            title="The worst of those that pass."),
        Misconception(
            "worst_flat", _answer(worst="flat"),
            message="`worst` is a position in the flattened array. An index with one number an axis was asked: np.unravel_index.",
            title="A flat position."),
        Misconception(
            "relative_with_floor", _answer(relative=lambda d, ref, got, finite: d[finite] / (np.abs(ref[finite]) + 1e-12)),
            message="You add a little to the denominator, or divide where the reference is 0. `max_rel` only looks at finite pairs whose reference "
                    "is not 0, divided by exactly |ref|.",
            title="Where the reference is zero."),
        Misconception(
            "max_abs_infinite", _answer(largest="all"),
            message="`max_abs` is infinite. It is taken over finite pairs only; that something is not finite shows in `ok` and `worst`.",
            title="max_abs of finite pairs."),
        Misconception(
            "kinds_mixed", _same_shape_only,
            "Floats are compared with integers. That the kind of dtype changed is a finding of its own: raise ValueError.",
            "The dtype may differ."),
        Misconception(
            "broadcast", _answer(check="dtype"), also=(_answer(check="none"),),
            message="Arrays of different shapes are compared all the same, since NumPy stretches them. A missing axis is a bug of the export: "
                    "raise ValueError.",
            title="Broadcasting hides a bug."),
    ],
    alternatives=[_with_isclose, _with_a_loop, _answer()],
    hints=(
        "Convert both to float64, then split the pairs: those of which both are finite, and the rest.",
        "For the rest: two NaNs or two equal infinities pass. Everything else there fails, whatever the tolerance.",
        "np.where(finite, distance, np.where(passes, 0, np.inf)) has its largest element at `worst`.",
    ),
    worth_knowing="np.testing.assert_allclose(got, ref, rtol, atol) has the same rule; its message shows how many elements differ.",
)
