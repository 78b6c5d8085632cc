"""The array register by register (Kung and Leiserson, 1978; the matrix unit of TPU v1 works so).

Every cell keeps one weight. In each cycle it takes an activation from its left neighbour and a partial sum from its
upper neighbour, adds weight times activation, and hands both on. Row k of the array gets its input k cycles late.
"""

from __future__ import annotations

import numpy as np

from utils.cost.checks import positive


class SystolicArray:
    """rows x cols cells. `load` puts the weights in, `step` is one cycle, `run` a whole matrix product.

    After each step `activations` and `sums` (rows, cols) hold what the cells' registers hold.
    """

    def __init__(self, rows: int, cols: int) -> None:
        positive(rows=rows, cols=cols)
        self.rows, self.cols = rows, cols
        self.load(np.zeros((rows, cols)))

    def load(self, w: np.ndarray) -> None:
        """Put w (K, N) into the upper left cells, zeros into the others. ValueError unless it fits the array."""
        k, n = w.shape
        if k > self.rows or n > self.cols:
            raise ValueError(f"w must be one that fits the array of {self.rows} x {self.cols}, got {k} x {n}")
        kind = np.result_type(w.dtype, np.int64) if w.dtype.kind in "biu" else w.dtype
        self.weights = np.zeros((self.rows, self.cols), kind)
        self.weights[:k, :n] = w
        self.activations = np.zeros_like(self.weights)
        self.sums = np.zeros_like(self.weights)

    def step(self, column: np.ndarray) -> np.ndarray:
        """One cycle: `column` (rows,) enters at the left; returns the sums (cols,) that leave at the bottom."""
        self.activations = np.column_stack([column, self.activations[:, :-1]])  # all move one cell to the right
        above = np.vstack([np.zeros((1, self.cols), self.sums.dtype), self.sums[:-1]])  # all move one cell down
        self.sums = above + self.weights * self.activations
        return self.sums[-1]

    def run(self, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, int]:
        """(x @ w, cycles until the array is empty) for x (M, K) and w (K, N), K <= rows, N <= cols.

        The cycles are M + rows + cols - 2; loading the weights is not counted. Raises ValueError for shapes that
        don't match, and unless w fits the array.
        """
        if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[0]:
            raise ValueError(f"x and w must be matrices (M, K) and (K, N), got {x.shape} and {w.shape}")
        self.load(w)
        m, k = x.shape
        y = np.zeros((m, w.shape[1]), np.result_type(x, self.weights))
        cycles = m + self.rows + self.cols - 2 if m else 0
        for cycle in range(cycles):
            column = np.zeros(self.rows, x.dtype)
            for row in range(k):
                if 0 <= cycle - row < m:  # row k is k cycles late
                    column[row] = x[cycle - row, row]
            out = self.step(column)
            for col in range(w.shape[1]):
                if 0 <= cycle - (self.rows - 1) - col < m:
                    y[cycle - (self.rows - 1) - col, col] = out[col]
        return y, cycles


def systolic_matmul(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, int]:
    """(x @ w, cycles) on an array of exactly K x N cells, for x (M, K) and w (K, N); M + K + N - 2 cycles.

    >>> systolic_matmul(np.ones((5, 3)), np.ones((3, 4)))[1]
    10
    """
    return SystolicArray(*w.shape).run(x, w)


def wavefront_state(m: int, k: int, n: int, cycle: int) -> np.ndarray:
    """Which row of x (m rows) each cell of a k x n array works on in `cycle` (from 0); -1 where it idles.

    Returns int64 of shape (k, n). Row i of x meets cell (a, b) in cycle i + a + b.
    """
    positive(m=m, k=k, n=n)
    row = cycle - np.add.outer(np.arange(k), np.arange(n))
    return np.where((row >= 0) & (row < m), row, -1)
