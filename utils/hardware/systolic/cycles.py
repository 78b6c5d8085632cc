"""Cycles of a matrix product on a weight-stationary array, pass after pass.

One pass of a tile: `rows` cycles to load weights from above, then m + rows + cols - 2 until the last sum has left.
That is 2 rows + cols + m - 2, the run time of SCALE-Sim's analytical model for this dataflow (Samajdar et al., 2020).
Real chips load the next weights while they compute; then only the first load is seen.
"""

from __future__ import annotations

import math

from utils.cost.checks import non_negative, positive

SLACK = 1e-6  # cycles; a limit that is a whole number up to floating point should be one


def ws_cycles(m: int, k: int, n: int, rows: int, cols: int, include_load: bool = True) -> int:
    """Cycles of (m, k) times (k, n): a pass for each tile of rows x cols weights, one after the other.

    >>> ws_cycles(1, 2048, 1000, 256, 256), ws_cycles(5, 3, 4, 3, 4, include_load=False)
    (24544, 10)
    """
    positive(m=m, k=k, n=n, rows=rows, cols=cols)
    return math.ceil(k / rows) * math.ceil(n / cols) * (rows * include_load + m + rows + cols - 2)


def ws_utilization(m: int, k: int, n: int, rows: int, cols: int, include_load: bool = True) -> float:
    """The share of multiply-accumulate slots that do useful work: m k n over cells times cycles."""
    return m * k * n / (rows * cols * ws_cycles(m, k, n, rows, cols, include_load))


def array_utilisation(m: int, k: int, n: int, rows: int, cols: int) -> float:
    """Array utilization of (m, k) times (k, n) with tiling and weight load: a fraction.

    >>> round(array_utilisation(256, 2048, 1000, 256, 256), 5)
    0.24462
    """
    return ws_utilization(m, k, n, rows, cols)


def best_batch(k: int, n: int, rows: int, cols: int, ghz: float, max_ms: float) -> int:
    """The largest m whose cycles, weight load included, fit into max_ms at `ghz`; 0 if not even one does.

    >>> best_batch(2048, 1000, 256, 256, 0.7, 0.05)
    327
    """
    positive(k=k, n=n, rows=rows, cols=cols, ghz=ghz)
    non_negative(max_ms=max_ms)
    tiles = math.ceil(k / rows) * math.ceil(n / cols)
    cycles = max_ms * ghz * 1e6 + SLACK
    return max(0, math.floor(cycles / tiles) - (2 * rows + cols - 2))
