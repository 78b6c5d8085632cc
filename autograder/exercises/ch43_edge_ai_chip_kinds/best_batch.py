"""Exercise 43.best_batch: the largest batch within a time limit."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware import systolic

from ...exercise import Case, Exercise, Misconception


def _tiles(k: int, n: int, rows: int, cols: int) -> int:
    return math.ceil(k / rows) * math.ceil(n / cols)


def _batch(*, limit: Callable[[float, float], float] = lambda ghz, ms: ms * ghz * 1e6 + 1e-6, tiles: Callable[..., float] = _tiles,
           solve: Callable[..., float] = lambda budget, tiles, rows, cols: math.floor(budget / tiles) - (2 * rows + cols - 2), least: int = 0) -> Callable:
    """An answer from the limit in cycles, the passes, and how m follows; right by default."""

    def answer(k: int, n: int, rows: int, cols: int, ghz: float, max_ms: float) -> int:
        return max(least, int(solve(limit(ghz, max_ms), tiles(k, n, rows, cols), rows, cols)))

    return answer


def _binary_search(k: int, n: int, rows: int, cols: int, ghz: float, max_ms: float) -> int:
    budget, passes = max_ms * ghz * 1e6 + 1e-6, _tiles(k, n, rows, cols)
    low, high = 0, int(budget) + 1
    while low < high:
        middle = (low + high + 1) // 2
        if passes * (2 * rows + cols - 2 + middle) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def _by_steps(k: int, n: int, rows: int, cols: int, ghz: float, max_ms: float) -> int:
    """Doubles a step while it fits, then halves it."""
    def fits(m: int) -> bool:
        return _tiles(k, n, rows, cols) * (rows + m + rows + cols - 2) / (ghz * 1e9) <= max_ms / 1e3 * (1 + 1e-12) + 1e-16

    m, step = 0, 1
    while fits(m + step):
        m, step = m + step, 2 * step
    while step:
        if fits(m + step):
            m += step
        step //= 2
    return m


def _power_of_two(budget: float, tiles: int, rows: int, cols: int) -> int:
    m = math.floor(budget / tiles) - (2 * rows + cols - 2)
    return 2 ** int(math.log2(m)) if m >= 1 else 0


def _draw(rng: np.random.Generator) -> Case:
    """Half of the limits are a whole number of cycles that some m needs exactly."""
    k, n, rows, cols = int(rng.integers(1, 3000)), int(rng.integers(1, 1200)), int(rng.choice([8, 16, 64, 128, 256])), int(rng.choice([8, 16, 64, 128, 256]))
    ghz, m = float(rng.choice([0.25, 0.5, 0.7, 1.0, 1.5])), int(rng.integers(0, 600))
    cycles = _tiles(k, n, rows, cols) * (2 * rows + cols - 2 + m)
    if rng.random() < 0.5:
        cycles += float(rng.integers(-5, 200)) + 0.5
    return Case(k, n, rows, cols, ghz, cycles / (ghz * 1e6), label=f"k = {k}, n = {n}, {rows} x {cols} at {ghz:g} GHz, {cycles:g} cycles")


best_batch = Exercise(
    id="43.best_batch", points=4, difficulty=2, minutes=15, idea="latency limits the batch, the batch the utilisation",
    reference=systolic.best_batch,
    cases=[Case(2048, 1000, 256, 256, 0.7, 0.05), Case(2048, 1000, 256, 256, 0.7, 0.03), Case(4, 4, 4, 4, 1.0, 15e-6)],
    hidden=[Case(4, 4, 4, 4, 1.0, 11e-6), Case(4, 4, 4, 4, 1.0, 10e-6), Case(4, 4, 4, 4, 1.0, 0.0), Case(1, 1, 1, 1, 1.0, 1e-6), Case(1, 1, 1, 1, 1.0, 2e-6), Case(5, 4, 4, 4, 1.0, 30e-6), Case(4, 5, 4, 4, 1.0, 31e-6),
            Case(2048, 1000, 256, 256, 0.7, 0.035062857142857144, label="exactly 767 cycles a pass"), Case(100, 10, 128, 8, 0.5, 1.0), Case(10, 100, 8, 128, 0.5, 1.0), Case(64, 64, 64, 64, 2.0, 10.0), Case(4, 4, 4, 4, 0.7, 1.7142857142857142e-05, label="12 cycles at 0.7 GHz"), Case(4, 4, 4, 4, 1.5, 9.333333333333333e-06, label="14 cycles at 1.5 GHz")],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("one_tile", _batch(tiles=lambda k, n, r, c: 1),
                      "You count one pass. The weights need several, one after the other, and all of them have to fit into the time.", "The passes share the time."),
        Misconception("part_tiles", _batch(tiles=lambda k, n, r, c: (k / r) * (n / c)),
                      "You count parts of passes. A partly filled tile takes a whole pass: round up.", "A pass is a whole pass.",
                      also=(_batch(tiles=lambda k, n, r, c: max(1, k // r) * max(1, n // c)),)),
        Misconception("ceil", _batch(solve=lambda b, t, r, c: math.ceil((b - 1e-6) / t - 1e-9) - (2 * r + c - 2)),
                      "You round up, and the last row of the batch no longer fits into the time.", "Round down: the limit is a limit."),
        Misconception("seconds", _batch(limit=lambda g, ms: ms * g * 1e9 + 1e-6),
                      "You take milliseconds for seconds. A GHz is a million cycles in a millisecond.", "The limit is in ms."),
        Misconception("megahertz", _batch(limit=lambda g, ms: ms * g * 1e3 + 1e-6),
                      "Your clock is a thousand times too slow: the argument is in GHz.", "The clock is in GHz."),
        Misconception("no_load", _batch(solve=lambda b, t, r, c: math.floor(b / t) - (r + c - 2)),
                      "The loading of the weights is missing, `rows` cycles in each pass.", "The weights are not loaded."),
        Misconception("no_fill", _batch(solve=lambda b, t, r, c: math.floor(b / t)),
                      "You spend all cycles on rows of the batch. Loading, filling and draining take theirs in each pass.", "Only the rows are counted.",
                      also=(_batch(solve=lambda b, t, r, c: math.floor(b / t) - r),)),
        Misconception("overhead_once", _batch(solve=lambda b, t, r, c: math.floor((b - (2 * r + c - 2)) / t)),
                      "You take loading, filling and draining off once. Every pass has them.", "Every pass fills and drains."),
        Misconception("negative", _batch(least=-(10**12)),
                      "Your answer can be negative. If not even one row fits, it is 0.", "Nothing fits: 0."),
        Misconception("at_least_one", _batch(least=1),
                      "You always return at least 1. If not even one row fits, the answer is 0.", "Zero is possible."),
        Misconception("power_of_two", _batch(solve=_power_of_two),
                      "You return a power of two. Any batch size is allowed; the largest that fits is asked.", "Any size will do."),
        Misconception("plain_floor", _batch(limit=lambda g, ms: ms * g * 1e6),
                      "A product that should be a whole number of cycles came out a little smaller, such as 11.999999999999998, and you cut it. Leave room for rounding.", "Rounding took a cycle."),
        Misconception("strict", _batch(limit=lambda g, ms: ms * g * 1e6 - 1e-3),
                      "A batch that takes exactly `max_ms` is refused in your answer. At most means that it fits.", "Exactly the limit still fits.",
                      also=(lambda k, n, rows, cols, ghz, max_ms: max(0, math.ceil(max_ms * ghz * 1e6 / _tiles(k, n, rows, cols) - 1e-9) - 1 - (2 * rows + cols - 2)),)),
        Misconception("swapped", _batch(tiles=lambda k, n, r, c: math.ceil(k / c) * math.ceil(n / r)),
                      "You cut k by the columns and n by the rows. The inner dimension k lies along the rows of the array.", "Rows and columns are swapped.",
                      also=(_batch(solve=lambda b, t, r, c: math.floor(b / t) - (2 * c + r - 2)),)),
    ],
    alternatives=[_binary_search, _by_steps],
    hints=(
        "The limit in cycles: max_ms · ghz · 1e6. How many passes share it?",
        "Cycles a pass, rounded down, less what a pass takes beside the m rows: 2 · rows + cols − 2.",
    ),
    worth_knowing="TPU v1 served its networks at batches of up to 200, as large as the 99th percentile of the response time allowed.",
)
