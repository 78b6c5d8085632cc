"""Exercise 03.pick_8bit: which of INT8 and FP8 E4M3 keeps more of a tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from utils.numerics import formats, noise

from ...compare import brief, close, exact, prop
from ...exercise import Case, Exercise, Misconception


@cache
def _grid(kind: str = "fn") -> np.ndarray:
    """The distinct finite values of E4M3, or of a wrong idea of it."""
    if kind == "ieee":
        return formats.all_values(formats.FloatFormat("E4M3 IEEE", 4, 3))
    values = formats.all_values(formats.E4M3)
    return values if kind == "fn" else values[(values == 0) | (np.abs(values) >= 2.0**-6)]


def _nearest(x: np.ndarray, grid: np.ndarray) -> np.ndarray:
    at = np.clip(np.searchsorted(grid, x), 1, grid.size - 1)
    low, high = grid[at - 1], grid[at]
    return np.where(np.abs(x - low) <= np.abs(high - x), low, high)


def _power_db(x: np.ndarray, got: np.ndarray) -> float:
    signal, lost = float(np.sum(x * x)), float(np.sum((x - got) ** 2))
    return math.inf if lost == 0 else 10 * math.log10(signal / lost)


def _half_db(x: np.ndarray, got: np.ndarray) -> float:
    return _power_db(x, got) / 2


def _absolute_db(x: np.ndarray, got: np.ndarray, factor: int = 10) -> float:
    lost = float(np.abs(x - got).sum())
    return math.inf if lost == 0 else factor * math.log10(float(np.abs(x).sum()) / lost)


def _peak_db(x: np.ndarray, got: np.ndarray) -> float:
    lost = float(np.abs(x - got).max())
    return math.inf if lost == 0 else 20 * math.log10(float(np.abs(x).max()) / lost)


def _pick(x: np.ndarray, *, top: float = 127, low: float = -127, high: float = 127, e4m3_top: float | None = 448,
          grid: str = "fn", db: Callable = _power_db, peak: bool = False, by: str = "db", overflow: bool = False,
          ) -> tuple[str, float, float]:
    """The comparison with one mistake; with its defaults it is right (an independent formulation)."""
    largest = float(x.max()) if peak else float(np.abs(x).max())
    largest = largest or 1.0
    int_scale, e4m3_scale = largest / top, largest / e4m3_top if e4m3_top else 1.0
    as_int = np.clip(np.rint(x / int_scale), low, high) * int_scale
    scaled = x / e4m3_scale
    as_e4m3 = _nearest(scaled, _grid(grid)) * e4m3_scale
    if overflow:
        as_e4m3 = np.where(np.abs(scaled) >= 464, np.nan, as_e4m3)
    int_db, e4m3_db = db(x, as_int), db(x, as_e4m3)
    if by == "max":
        wins = np.abs(x - as_int).max() <= np.abs(x - as_e4m3).max()
    else:
        wins = int_db >= e4m3_db
    return ("int8" if wins else "e4m3"), int_db, e4m3_db


def _pick_by_distance(x: np.ndarray) -> tuple[str, float, float]:
    """Builds the positive values from their fields and measures the distance to all of them."""
    subnormal = [m * 2.0**-9 for m in range(8)]
    normal = [(1 + m / 8) * 2.0 ** (e - 7) for e in range(1, 16) for m in range(8) if (e, m) != (15, 7)]
    values = np.array(subnormal + normal)
    flat = np.abs(x.ravel())
    peak = flat.max()
    scaled = flat * 448 / peak
    e4m3 = np.abs(scaled[:, None] - values[None]).min(axis=1) * peak / 448
    ints = np.abs(flat * 127 / peak - np.round(flat * 127 / peak)) * peak / 127
    found = []
    for error in (ints, e4m3):
        noise_power = (error**2).sum()
        found.append(math.inf if noise_power == 0 else float(10 * np.log10((flat**2).sum() / noise_power)))
    return ("e4m3" if found[1] > found[0] else "int8"), *found


def _pick_by_step(x: np.ndarray) -> tuple[str, float, float]:
    """Rounds to multiples of the step of each value's binade."""
    peak = np.abs(x).max()
    fine = x / (peak / 448)
    step = 2.0 ** np.maximum(np.floor(np.log2(np.maximum(np.abs(fine), 2.0**-6))) - 3, -9)
    pair = (np.round(x / (peak / 127)) * (peak / 127), np.round(fine / step) * step * (peak / 448))
    with np.errstate(divide="ignore"):
        a, b = (float(20 * np.log10(np.linalg.norm(x) / np.linalg.norm(x - y))) for y in pair)
    return ["e4m3", "int8"][a >= b], a, b


def _picks(case: Case, expected: Any, got: Any) -> str | None:
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        return f"{brief(got)}, expected (winner, sqnr_int8_db, sqnr_e4m3_db)"
    for name, want, have in zip(("INT8", "E4M3"), expected[1:], got[1:]):
        if close(0, 0.2)(float(want), have if isinstance(have, bool) else float(have)):
            return f"{name}: {have:.3f} dB, expected {want:.3f} dB"
    return None if got[0] == expected[0] else f"{brief(got[0])}, expected {brief(expected[0])}"


def _same_pick(expected: Any, got: Any, case: Case | None = None) -> str | None:
    if isinstance(expected, (tuple, list)) and len(expected) == 3:
        return _picks(case, expected, got)
    return exact()(expected, got)


def _draw_pick(rng: np.random.Generator) -> Case:
    n = int(rng.integers(100, 400))
    kind = str(rng.choice(["uniform", "Gaussian", "Laplace", "Student-t(3)", "outliers", "tiny and large"],
                          p=[0.1, 0.15, 0.1, 0.15, 0.2, 0.3]))
    if kind == "tiny and large":  # the large value is exact in both formats, the rest are subnormals of E4M3
        x = np.append(-448.0, rng.choice([-1, 1], 20) * 2.0 ** rng.uniform(-9, -5, 20))
    else:
        x = {"uniform": lambda: rng.uniform(-1, 1, n), "Gaussian": lambda: rng.standard_normal(n),
             "Laplace": lambda: rng.laplace(size=n), "Student-t(3)": lambda: rng.standard_t(3, n),
             "outliers": lambda: np.append(rng.standard_normal(n), -100.0)}[kind]()
    while abs(np.subtract(*noise.pick_8bit(x)[1:])) < 0.3:
        x = np.append(x, x.max() / 2)  # stay away from a draw
    return Case(x * 2.0 ** int(rng.integers(-12, 13)), label=f"{x.size} random values, {kind}")


pick_8bit = Exercise(
    id="03.pick_8bit", points=5, difficulty=3, minutes=25, idea="absolute against relative error",
    reference=noise.pick_8bit,
    cases=[Case(np.array([3.0, -2.9, 2.0, -1.7, 1.1])), Case(np.array([100.0, 1.0, 0.5, -0.25, 0.1]))],
    hidden=[
        Case(np.array([56896.0, -56896.0, 0.0]), label="[56896, -56896, 0]  127 × 448: nothing is lost in either"),
        Case(np.array([127.0, 64.0, -3.0]), label="[127, 64, -3]  exact in INT8"),
        Case(np.array([448.0, 3 * 2.0**-9, -(2.0**-9), 7 * 2.0**-9]), label="448 and three subnormals of E4M3"),
        Case(np.array([[-448.0, 0.01], [0.006, -0.0135]]), label="[[-448, 0.01], [0.006, -0.0135]]"),
        Case(np.array([-5.0, 1.0, 2.0, 0.3])), Case(np.array([1000.0, 900.0, -450.0, 3.0])),
        Case(np.array([-8.0, -7.3, -2.0])), Case(np.array([1.0])),
        Case(np.array([448.0, 17.03, -34.06, 8.515]), label="[448, 17.03, -34.06, 8.515]  just above ties of E4M3"),
    ],
    draw=_draw_pick, draws=40,
    compare=prop(_picks, same=_same_pick), time_limit_s=6,
    misconceptions=[
        Misconception(
            "to_128", partial(_pick, top=128),
            "Symmetric INT8 uses −127 … 127. Scaled to 128 the largest value has no code and is clipped, which costs "
            "more than it gains.",
            "The largest value was scaled to 128.",
            also=(partial(_pick, top=128, low=-128), partial(_pick, top=128, low=-128, high=128))),
        Misconception(
            "unscaled", partial(_pick, e4m3_top=None),
            "E4M3 ends at 448 and gets coarse below 2^-6. Like INT8 it needs a scale, which puts the largest absolute "
            "value on its largest number.",
            "E4M3 got no scale.", also=(partial(_pick, e4m3_top=None, overflow=True),)),
        Misconception(
            "ieee", partial(_pick, e4m3_top=240, grid="ieee"),
            "You gave the whole top exponent to infinity and NaN. In E4M3 only the word with all exponent and mantissa "
            "bits set is NaN. The numbers go on to 448.",
            "E4M3 was read as an IEEE format.", also=(partial(_pick, grid="ieee"),)),
        Misconception(
            "flushed", partial(_pick, grid="flushed"),
            "Your E4M3 has no numbers between 0 and 2^-6. It has seven there: the subnormals, multiples of 2^-9.",
            "E4M3's subnormals are missing."),
        Misconception(
            "amplitudes", partial(_pick, db=_half_db),
            "SQNR is a ratio of *powers*: 10·log10 goes with sums of squares. With amplitudes it would be 20·log10 of the "
            "ratio of their roots.",
            "Powers and amplitudes are mixed up.",
            also=(partial(_pick, db=_absolute_db), partial(_pick, db=partial(_absolute_db, factor=20)),
                  partial(_pick, db=lambda x, got: 2 * _power_db(x, got)))),
        Misconception(
            "largest_error", partial(_pick, by="max"),
            "You compare the largest single error. SQNR compares the power of all errors together, and the two can "
            "disagree.",
            "The largest error decides.", also=(partial(_pick, db=_peak_db),)),
        Misconception(
            "signed_max", partial(_pick, peak=True),
            "The scale comes from the largest *absolute* value. If the largest one is negative, `x.max()` misses it and "
            "it is clipped.",
            "A negative peak was missed."),
    ],
    alternatives=[_pick, _pick_by_distance, _pick_by_step],
    hints=(
        "List E4M3's values once: words 0 to 126 with your `decode_word`'s formula for 4/3, but without infinity and NaN; "
        "then add the negative ones. Word 126 is 448.",
        "For each format: scale = max|x| / largest; round x / scale; multiply by the scale. `np.abs(a[:, None] - grid)` "
        "and `argmin` find the nearest value.",
        "10·log10(Σx² / Σ(x̂ − x)²); infinity if the second sum is 0.",
    ),
    worth_knowing="The two break even at a crest factor (peak over RMS) of about 21 dB, a factor of 12.",
)
