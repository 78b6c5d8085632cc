"""Exercise 43.array_utilisation: how much of an array does useful work."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from utils.hardware import systolic

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _util(*, tiles: Callable[..., float] = lambda k, n, r, c: math.ceil(k / r) * math.ceil(n / c),
          one_pass: Callable[..., float] = lambda m, k, n, r, c: r + m + r + c - 2, scale: float = 1.0) -> Callable:
    """An answer from the number of passes and the cycles of one; right by default."""

    def answer(m: int, k: int, n: int, rows: int, cols: int) -> float:
        return scale * m * k * n / (rows * cols * tiles(k, n, rows, cols) * one_pass(m, k, n, rows, cols))

    return answer


def _tile_by_tile(m: int, k: int, n: int, rows: int, cols: int) -> float:
    cycles = sum(2 * rows + cols + m - 2 for _ in range(0, k, rows) for _ in range(0, n, cols))
    return m * k * n / (rows * cols) / cycles


def _by_fractions(m: int, k: int, n: int, rows: int, cols: int) -> float:
    passes = -(-k // rows) * -(-n // cols)
    return float(Fraction(m * k * n, rows * cols * passes * (2 * rows + m + cols - 2)))


def _product_of_shares(m: int, k: int, n: int, rows: int, cols: int) -> float:
    filled = (k / (math.ceil(k / rows) * rows)) * (n / (math.ceil(n / cols) * cols))
    return filled * m / (2 * rows + cols + m - 2)


def _draw(rng: np.random.Generator) -> Case:
    side = [4, 8, 16, 32, 64, 128, 256]
    return Case(int(rng.integers(1, 4000)), int(rng.integers(1, 3000)), int(rng.integers(1, 1100)), int(rng.choice(side)), int(rng.choice(side)))


array_utilisation = Exercise(
    id="43.array_utilisation", points=5, difficulty=2, minutes=15, idea="a pass costs the same, full or not",
    reference=systolic.array_utilisation,
    cases=[Case(1, 2048, 1000, 256, 256), Case(256, 2048, 1000, 256, 256), Case(3136, 576, 64, 256, 256)],
    hidden=[Case(3136, 9, 1, 256, 256), Case(100, 16, 8, 16, 8), Case(100, 32, 16, 16, 8), Case(1, 1, 1, 1, 1), Case(5, 3, 4, 3, 4), Case(7, 17, 8, 16, 8), Case(7, 16, 9, 16, 8), Case(50, 4, 300, 4, 128), Case(1, 1, 1, 128, 4),
            Case(10**6, 256, 256, 256, 256)],
    draw=_draw, draws=30, compare=close(1e-9),
    misconceptions=[
        Misconception("ideal", _util(one_pass=lambda m, k, n, r, c: m),
                      "You count m cycles for a pass. Weights have to be loaded, and the array has to fill and to drain.", "Loading, filling and draining are missing.",
                      also=(lambda m, k, n, rows, cols: m * k * n / (rows * cols * m),)),
        Misconception("no_load", _util(one_pass=lambda m, k, n, r, c: m + r + c - 2),
                      "The loading of the weights is missing: `rows` cycles in each pass.", "The weights are not loaded."),
        Misconception("no_drain", _util(one_pass=lambda m, k, n, r, c: r + m),
                      "You count loading and the rows of x. The last sum still has to travel through the array.", "Filling and draining are missing."),
        Misconception("load_once", lambda m, k, n, rows, cols: m * k * n / (rows * cols * (rows + math.ceil(k / rows) * math.ceil(n / cols) * (m + rows + cols - 2))),
                      "You load weights once. Every pass has other weights.", "Each pass loads its own weights."),
        Misconception("floor", _util(tiles=lambda k, n, r, c: max(1, k // r) * max(1, n // c)),
                      "You leave out the last, partly filled tiles. They need a pass like any other: round up.", "Part of a tile is a pass."),
        Misconception("exact_tiles", _util(tiles=lambda k, n, r, c: (k / r) * (n / c)),
                      "You count parts of passes. A tile that fills a quarter of the array takes as long as a full one.", "A pass is a whole pass."),
        Misconception("one_tile", _util(tiles=lambda k, n, r, c: 1),
                      "You count one pass. Weights of k x n need a pass for each tile of rows x cols.", "One pass is not enough."),
        Misconception("tiles_twice", _util(tiles=lambda k, n, r, c: (math.ceil(k / r) * math.ceil(n / c)) ** 2),
                      "The number of passes is in your denominator twice: the cycles already hold it.", "The passes are counted twice."),
        Misconception("swapped", _util(tiles=lambda k, n, r, c: math.ceil(k / c) * math.ceil(n / r)),
                      "You cut k by the columns and n by the rows. The inner dimension k lies along the rows of the array.", "Rows and columns are swapped.",
                      also=(_util(one_pass=lambda m, k, n, r, c: c + m + r + c - 2), _util(tiles=lambda k, n, r, c: math.ceil(k / c) * math.ceil(n / r), one_pass=lambda m, k, n, r, c: c + m + r + c - 2))),
        Misconception("used_part", _util(one_pass=lambda m, k, n, r, c: min(k, r) + m + min(k, r) + min(n, c) - 2),
                      "You count the cycles of an array that is as large as the tile. Values travel through the idle cells as well.", "Idle cells are crossed too."),
        Misconception("two_ops", _util(scale=2.0),
                      "You count multiplications and additions on top, and cells below. A cell does both in one cycle.", "MACs over MAC slots."),
        Misconception("percent", _util(scale=100.0),
                      "These are percent. Asked is a fraction between 0 and 1.", "A fraction, not percent."),
    ],
    alternatives=[_tile_by_tile, _by_fractions, _product_of_shares],
    hints=(
        "How many tiles of rows x cols cover weights of k x n? Round up along each side.",
        "Cycles of one pass: rows to load, then m + rows + cols − 2.",
        "Useful work m · k · n, over cells times all cycles.",
    ),
    worth_knowing="Chips hide the loading behind the computing with a second set of weight registers. The fill and the empty cells remain.",
)
