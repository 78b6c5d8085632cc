"""Exercise 43.systolic_matmul: an array register by register."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np

from utils.hardware import systolic

from ...compare import close
from ...exercise import Case, Exercise, Misconception

_BANNED = {"dot", "matmul", "einsum", "inner", "tensordot", "vdot", "vecdot", "matvec", "vecmat"}


def no_product(tree: ast.AST) -> str | None:
    """A sentence if a ready-made matrix product is used."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.MatMult):
            return "The operator @ is not allowed here: let the cells multiply and add."
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else node.name if isinstance(node, ast.alias) else ""
        if name in _BANNED:
            return f"`{name}` is not allowed here: let the cells multiply and add."
    return None


def _array(*, delay: Callable[[int], int] = lambda row: row, in_place: bool = False, count: Callable[[int, int, int], int] = lambda m, k, n: m + k + n - 2,
           early: int = 0, keep_sums: bool = False, hold: bool = False) -> Callable:
    """The simulation with its rules exchangeable; right by default.

    in_place: cells see what their neighbours have just become. early: outputs are read this many cycles too soon.
    keep_sums: a cell adds to its own old sum. hold: the activation of a cell is not replaced by nothing.
    """

    def answer(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, int]:
        (m, k), n = x.shape, w.shape[1]
        act, total = np.zeros((k, n)), np.zeros((k, n))
        y = np.zeros((m, n))
        for cycle in range(m + k + n - 2):
            old_act, old_total = (act, total) if in_place else (act.copy(), total.copy())
            for i in range(k):
                for j in range(n):
                    at = cycle - delay(i)
                    fed = x[at, i] if 0 <= at < m else (act[i, 0] if hold else 0.0)
                    act[i, j] = old_act[i, j - 1] if j else fed
                    above = old_total[i - 1, j] if i else 0.0
                    total[i, j] = (old_total[i, j] if keep_sums else above) + w[i, j] * act[i, j]
            for j in range(n):
                row = cycle - (k - 1) - j + early
                if 0 <= row < m:
                    y[row, j] = total[k - 1, j]
        return y, count(m, k, n)

    return answer


def _backwards(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, int]:
    """In place, from the lower right cell to the upper left one."""
    (m, k), n = x.shape, w.shape[1]
    act = [[0.0] * n for _ in range(k)]
    total = [[0.0] * n for _ in range(k)]
    y, cycle, left = np.zeros((m, n)), 0, m * n
    while left:
        for i in reversed(range(k)):
            for j in reversed(range(n)):
                act[i][j] = act[i][j - 1] if j else (x[cycle - i, i] if 0 <= cycle - i < m else 0.0)
                total[i][j] = (total[i - 1][j] if i else 0.0) + w[i, j] * act[i][j]
        for j in range(n):
            row = cycle - (k - 1) - j
            if 0 <= row < m:
                y[row, j] = total[k - 1][j]
                left -= 1
        cycle += 1
    return y, cycle


def _wavefront(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, int]:
    """Whole diagonals at once: in each cycle, which row of x meets which cell."""
    (m, k), n = x.shape, w.shape[1]
    i, j = np.indices((k, n))
    y, cycle = np.zeros((m, n)), 0
    while True:
        row = cycle - i - j
        busy = (row >= 0) & (row < m)
        if cycle and not busy.any():
            return y, cycle
        np.add.at(y, (row[busy], j[busy]), x[row[busy], i[busy]] * w[busy])
        cycle += 1


def _shifted(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, int]:
    """Skewed input, np.roll for the registers."""
    (m, k), n = x.shape, w.shape[1]
    cycles = m + k + n - 2
    skewed = np.zeros((cycles + k, k))
    for i in range(k):
        skewed[i : i + m, i] = x[:, i]
    act, total, out = np.zeros((k, n)), np.zeros((k, n)), np.zeros((cycles, n))
    for c in range(cycles):
        act = np.roll(act, 1, axis=1)
        act[:, 0] = skewed[c]
        total = np.roll(total, 1, axis=0)
        total[0] = 0
        total = total + w * act
        out[c] = total[-1]
    return np.column_stack([out[k - 1 + j : k - 1 + j + m, j] for j in range(n)]), cycles


def _draw(rng: np.random.Generator) -> Case:
    m, k, n = (int(v) for v in rng.integers(1, 7, 3))
    return Case(np.round(rng.normal(size=(m, k)), 2), np.round(rng.normal(size=(k, n)), 2), label=f"drawn, M = {m}, K = {k}, N = {n}")


def _case(m: int, k: int, n: int, label: str = "") -> Case:
    return Case(np.arange(1.0, m * k + 1).reshape(m, k), np.arange(1.0, k * n + 1).reshape(k, n) % 7 - 3, label=label or f"M = {m}, K = {k}, N = {n}")


systolic_matmul = Exercise(
    id="43.systolic_matmul", points=6, difficulty=3, minutes=30, idea="data meet at the right cell in the right cycle",
    reference=systolic.systolic_matmul,
    cases=[Case(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [2.0, 1.0]])), _case(5, 3, 4, "five rows, an array of 3 x 4")],
    hidden=[_case(1, 1, 1), _case(6, 1, 1), _case(1, 4, 4), _case(7, 2, 6), _case(2, 6, 1), _case(2, 1, 6), _case(3, 5, 5), Case(np.zeros((3, 2)), np.ones((2, 3)), label="zeros")],
    draw=_draw, draws=25, compare=close(1e-9, 1e-9, dtype="any"), forbid=no_product, pure=True,
    misconceptions=[
        Misconception("no_skew", _array(delay=lambda row: 0),
                      "All rows of the array get their input in the same cycle. A partial sum needs a cycle to get to the next row: input for that row has to come a cycle later, or sums of different inputs mix.",
                      "The rows are fed at the same time."),
        Misconception("skew_back", _array(delay=lambda row: -row),
                      "Lower rows get their input earlier. Partial sums move down, so lower rows have to be later.", "The skew goes the wrong way."),
        Misconception("in_place", _array(in_place=True),
                      "A cell of yours reads what its neighbour became in this very cycle, so values run through the whole array at once. "
                      "All registers change at the same moment: read the old values, from a copy or in an order that has not overwritten them yet.", "Neighbours are read too late."),
        Misconception("late_count", _array(count=lambda m, k, n: m + k + n - 1),
                      "The product is right, and you count one cycle too many. The last input enters its row in cycle M + K − 2 (from 0) and needs N − 1 more to the last column.", "One cycle too many.",
                      also=(_array(count=lambda m, k, n: m + k + n),)),
        Misconception("early_count", _array(count=lambda m, k, n: m + k + n - 3),
                      "The product is right, and you return the number of the last cycle, counted from 0. Asked is how many cycles there were.", "Cycles are counted, not numbered."),
        Misconception("work", _array(count=lambda m, k, n: m * k * n),
                      "You return the number of multiplications. K · N cells work at the same time.", "Work is not time.",
                      also=(_array(count=lambda m, k, n: m * n), _array(count=lambda m, k, n: m * k))),
        Misconception("no_drain", _array(count=lambda m, k, n: m),
                      "You count a cycle for each row of x. The array has to fill and to drain as well.", "Filling and draining are missing.",
                      also=(_array(count=lambda m, k, n: m + k - 1), _array(count=lambda m, k, n: m + n - 1))),
        Misconception("with_load", _array(count=lambda m, k, n: m + 2 * k + n - 2),
                      "You count the loading of the weights. Here they are in the cells before the first cycle.", "The weights are there already."),
        Misconception("accumulates", _array(keep_sums=True),
                      "Your cells add to their own sum. In this array the weight stays, and the sums move: a cell adds to what comes from above.", "The sums have to move."),
        Misconception("read_early", _array(early=1),
                      "You read the outputs in the wrong cycle: column j of the product's row i leaves the bottom at cycle i + (K − 1) + j, counted from 0.", "The outputs are read in the wrong cycle.",
                      also=(_array(early=-1),)),
    ],
    alternatives=[_backwards, _wavefront, _shifted],
    hints=(
        "Two arrays of K x N registers, activations and sums. In a cycle all of them take their new values at once.",
        "Row i of the array gets x[c - i, i] in cycle c, if there is such a row of x, else 0. A cell: new activation from the left, new sum = sum from above + weight * new activation.",
        "After the update of cycle c, the sum at the bottom of column j belongs to row c - (K - 1) - j of the product.",
    ),
    worth_knowing="Nobody addresses memory inside the array: each value is read once and passed on. That is where the energy is saved.",
)
