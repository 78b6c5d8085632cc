"""Exercise 54.calibrate_range: the range that an activation's integers have to cover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from utils.compression import quant_methods

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Batches = Sequence[np.ndarray]


def _percentiles(values: np.ndarray, p: float, rule: str = "linear") -> tuple[float, float]:
    return tuple(np.percentile(values, [100 - p, p], method=rule))


def _range(batches: Batches, method: str, percentile: float = 99.9, *, join: str = "pool", zero: bool = True,
           symmetric: bool = False, one_sided: bool = False, magnitude: bool = False, rule: str = "linear",
           known: bool = True, empty: bool = True, nan: str = "refuse", swap: bool = False,
           percent: bool = True) -> tuple[float, float]:
    """The range with one mistake; with its defaults it is right (an independent formulation)."""
    if known and method not in ("minmax", "percentile"):
        raise ValueError("unknown method")
    parts = [np.asarray(b, dtype=float).reshape(-1) for b in batches if np.size(b)]
    if not parts:
        if empty:
            raise ValueError("no data")
        return 0.0, 0.0
    if nan == "refuse" and any(np.isnan(p).any() for p in parts):
        raise ValueError("NaN")
    if nan == "drop":
        parts = [p[~np.isnan(p)] for p in parts]
    parts = {"pool": [np.concatenate(parts)], "last": parts[-1:], "first": parts[:1], "mean": parts, "widest": parts}[join]
    p = percentile if percent else 100 * percentile

    def one(values: np.ndarray) -> tuple[float, float]:
        if method == "minmax":
            return values.min(), values.max()
        if magnitude:
            top = _percentiles(np.abs(values), p, rule)[1]
            return max(values.min(), -top), min(values.max(), top)
        if swap:
            return tuple(np.percentile(values, [100 - p / 2 - 50, p / 2 + 50]))
        lo, hi = _percentiles(values, p, rule)
        return (values.min() if one_sided else lo), hi

    ranges = np.array([one(v) for v in parts])
    lo, hi = (ranges[:, 0].min(), ranges[:, 1].max()) if join == "widest" else ranges.mean(axis=0)
    if symmetric:
        lo, hi = -max(abs(lo), abs(hi)), max(abs(lo), abs(hi))
    return (float(min(lo, 0)), float(max(hi, 0))) if zero else (float(lo), float(hi))


def _streaming(batches: Batches, method: str, percentile: float = 99.9) -> tuple[float, float]:
    """A running range for minmax; interpolation by hand on the sorted values for percentile."""
    if method == "minmax":
        lo = hi = 0.0
        seen = False
        for batch in batches:
            for value in np.asarray(batch, float).flat:
                if value != value:
                    raise ValueError("NaN in the data")
                seen, lo, hi = True, min(lo, value), max(hi, value)
        if not seen:
            raise ValueError("no data")
        return float(lo), float(hi)
    if method != "percentile":
        raise ValueError(method)
    values = sorted(float(v) for batch in batches for v in np.ravel(batch))
    if not values or any(v != v for v in values):
        raise ValueError("no data, or NaN")

    def at(share: float) -> float:
        place = share * (len(values) - 1)
        left = min(int(place), len(values) - 1)
        right = min(left + 1, len(values) - 1)
        return values[left] + (place - left) * (values[right] - values[left])

    return min(at(1 - percentile / 100), 0.0), max(at(percentile / 100), 0.0)


def _by_quantile(batches: Batches, method: str, percentile: float = 99.9) -> tuple[float, float]:
    p = {"minmax": 100.0, "percentile": percentile}.get(method)
    if p is None:
        raise ValueError("method")
    values = np.hstack([np.ravel(b) for b in batches]) if len(batches) else np.empty(0)
    if values.size == 0 or np.isnan(np.sum(values)):
        raise ValueError("empty or NaN")
    values = values.astype(np.float64)
    lo, hi = np.quantile(values, 1 - p / 100), np.quantile(values, p / 100)
    return float(np.minimum(lo, 0)), float(np.maximum(hi, 0))


def _draw(rng: np.random.Generator) -> Case:
    batches = []
    for _ in range(int(rng.integers(2, 6))):
        shape = tuple(int(n) for n in rng.integers(1, 6, int(rng.integers(1, 4))))
        values = rng.normal(rng.uniform(-1, 3), rng.uniform(0.5, 4), shape)
        batches.append(values.astype(np.float32) if rng.random() < 0.3 else values)
    if rng.random() < 0.25:
        batches.insert(int(rng.integers(0, len(batches) + 1)), np.zeros(0))
    sign = rng.random()
    if sign < 0.2:
        batches = [np.abs(b) for b in batches]
    elif sign < 0.4:
        batches = [-np.abs(b) - 1 for b in batches]
    method = "minmax" if rng.random() < 0.4 else "percentile"
    more = {"percentile": round(float(rng.uniform(70, 100)), 1)} if method == "percentile" else {}
    return Case(batches, method, label=f"{len(batches)} batches, {method} {more.get('percentile', '')}".strip(), **more)


_FALLING = [np.array([9.0, -3.0]), np.array([[1.0, 2.0], [0.5, -0.5]])]


def _variants(wrong: Callable, **fixed: object) -> tuple[Callable, Callable]:
    """The mistake with bad input refused, and without."""
    return partial(wrong, **fixed), partial(wrong, known=False, empty=False, nan="keep", **fixed)


def _mistake(tag: str, message: str, title: str, **fixed: object) -> Misconception:
    first, second = _variants(_range, **fixed)
    return Misconception(tag, first, message, title, also=(second,))


calibrate_range = Exercise(
    id="54.calibrate_range", points=3, difficulty=1, minutes=12, idea="one range over all batches, with 0 in it",
    reference=quant_methods.simple_range,
    cases=[
        Case([np.array([1.0, 2.0]), np.array([5.0, 3.0])], "minmax"),
        Case([np.arange(0.0, 60.0), np.arange(60.0, 101.0)], "percentile", 90, label="values 0 … 100 in two batches, percentile 90"),
        Case(_FALLING, "minmax"),
    ],
    hidden=[
        Case([np.array([-3.0, -1.0]), np.array([-2.0])], "minmax", label="all values negative, minmax"),
        Case([np.array([-3.0, -1.0]), np.array([-2.0])], "percentile", 75, label="all values negative, percentile 75"),
        Case([np.array([4.0]), np.zeros((0, 3)), np.array([2.0, 6.0])], "minmax", label="an empty batch between two others"),
        Case([np.linspace(-1, 4, 30).reshape(5, 6)[:, ::2].T], "percentile", 80.0, label="a strided batch, percentile 80"),
        Case([np.arange(2001.0) - 500], "percentile", label="2001 values, the default percentile"),
        Case([np.array([0.0, 0.0])], "minmax", label="only zeros"),
        Case([np.array([1.0, 2.0, 4.0]), np.array([3.0])], "percentile", 100, label="percentile 100"),
    ],
    raises=[
        Case([np.array([1.0])], "max", label='method "max"'), Case([np.array([1.0])], "", label='method ""'),
        Case([], "minmax", label="no batches"), Case([], "percentile", label="no batches, percentile"),
        Case([np.zeros(0), np.zeros((2, 0))], "minmax", label="two empty batches"),
        Case([np.zeros((0, 4))], "percentile", label="an empty batch, percentile"),
        Case([np.array([1.0, np.nan])], "minmax", label="a NaN, minmax"),
        Case([np.array([1.0]), np.array([[np.nan]])], "percentile", 90.0, label="a NaN in the second batch, percentile"),
    ],
    draw=_draw, draws=40, pure=True, compare=close(1e-5, 1e-9),  # float32 batches may be pooled as float32
    misconceptions=[
        _mistake("averages", "You averaged the ranges of the batches. An average is narrower than the widest batch, so "
                 "values that calibration has seen are clipped. Take the range over all calibration data.",
                 "The ranges were averaged.", join="mean"),
        _mistake("no_zero", "The range has to contain 0. Padding and ReLU produce 0 all the time, and it must be one of "
                 "the integers' values exactly.", "Zero is left out.", zero=False),
        _mistake("last_batch", "Only the last batch counts in your result. Keep a running range, or pool the values first.",
                 "Earlier batches are forgotten.", join="last"),
        _mistake("first_batch", "Only the first batch counts in your result. The range is over all of them.",
                 "Later batches are ignored.", join="first"),
        _mistake("symmetric", "You made the range symmetric. An asymmetric one was asked: on the output of a ReLU a "
                 "symmetric range wastes half of the codes.", "The range is symmetric.", symmetric=True),
        _mistake("one_sided", "The upper end is right. The percentile method cuts both tails: the lower end is the "
                 "(100 − p)-th percentile, not the minimum.", "Only one tail is cut.", one_sided=True),
        _mistake("magnitude", "You took the percentile of absolute values. The task asks for two percentiles of the values "
                 "themselves, one for each end.", "Signs were dropped.", magnitude=True),
        _mistake("central", "You kept the central p percent, which cuts (100 − p)/2 from each end. The task cuts 100 − p "
                 "from each end: the p-th and the (100 − p)-th percentile.", "The cut is halved.", swap=True),
        _mistake("widest_percentile", "Minmax is right. For percentiles you took each batch's own and then the widest: a "
                 "small batch with one outlier decides. Pool all values, then take the percentiles.",
                 "Percentiles of single batches.", join="widest"),
        _mistake("nearest", "You rounded to a sample that was observed. The task asks for linear interpolation between the "
                 "two neighbours, NumPy's default.", "No interpolation.", rule="nearest"),
        Misconception(
            "unknown_method", partial(_range, known=False),
            "The ranges are right. A method that nobody knows has to be refused: a typing error would silently choose "
            "another range.", "Any method is accepted."),
        Misconception(
            "nan", partial(_range, nan="drop"),
            "The ranges are right. NaN among the activations means that the network is broken: refuse it instead of "
            "leaving it out.", "NaN is accepted.",
            also=(partial(_range, nan="keep"),)),
        Misconception(
            "no_data", partial(_range, empty=False),
            "The ranges are right. Without a single value there is no range: refuse it.", "No data is accepted."),
    ],
    alternatives=[_range, _streaming, _by_quantile],
    hints=(
        "`values = np.concatenate([np.ravel(b) for b in batches])` pools batches of any shape; an empty list needs a test first.",
        "`np.percentile(values, [100 - percentile, percentile])` gives both ends.",
        "At the end: `min(lo, 0.0)` and `max(hi, 0.0)`.",
    ),
    worth_knowing="ONNX Runtime's calibrators are called MinMax, Entropy and Percentile; its default is MinMax.",
)
