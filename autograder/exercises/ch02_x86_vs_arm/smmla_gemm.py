"""Exercise 02.smmla_gemm: a product from Arm's 2 x 8 by 8 x 2 tiles, and how many it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import isa

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Answer = tuple[np.ndarray, int]


def _ceil(x: int, step: int) -> int:
    return -(-x // step)


def _exact(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.astype(np.int64) @ b.astype(np.int64)).astype(np.int32)


def _tiles(a: np.ndarray, b: np.ndarray) -> int:
    return _ceil(a.shape[0], 2) * _ceil(b.shape[1], 2) * _ceil(a.shape[1], 8)


def _from(value: Callable[[np.ndarray, np.ndarray], np.ndarray] = _exact,
          count: Callable[[np.ndarray, np.ndarray], int] = _tiles) -> Callable:
    """An answer from a rule for the values and one for the count; right by default."""

    def answer(a_s8: np.ndarray, b_s8: np.ndarray) -> Answer:
        return value(a_s8, b_s8), count(a_s8, b_s8)

    return answer


def _padded(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a to even rows and whole eights, bᵀ likewise."""
    pa = np.zeros((_ceil(a.shape[0], 2) * 2, _ceil(a.shape[1], 8) * 8), np.int8)
    pb = np.zeros((_ceil(b.shape[1], 2) * 2, pa.shape[1]), np.int8)
    pa[: a.shape[0], : a.shape[1]], pb[: b.shape[1], : b.shape[0]] = a, b.T
    return pa, pb


def _with_tiles(operand: Callable[[np.ndarray], np.ndarray] = lambda rows: rows, *, accumulate: bool = True, crop: bool = True) -> Callable:
    """The loop over tiles; `operand` is what is made of two rows of bᵀ before the instruction gets them."""

    def answer(a_s8: np.ndarray, b_s8: np.ndarray) -> Answer:
        a, bt = _padded(a_s8, b_s8)
        out, count = np.zeros((a.shape[0], bt.shape[0]), np.int32), 0
        for i in range(0, a.shape[0], 2):
            for j in range(0, bt.shape[0], 2):
                for k in range(0, a.shape[1], 8):
                    acc = out[i : i + 2, j : j + 2] if accumulate else np.zeros((2, 2), np.int32)
                    out[i : i + 2, j : j + 2] = isa.smmla(acc, a[i : i + 2, k : k + 8], operand(bt[j : j + 2, k : k + 8]))
                    count += 1
        return (out[: a_s8.shape[0], : b_s8.shape[1]] if crop else out), count

    return answer


def _whole_only(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Edge rows and columns stay 0, and so does what their K remainder would add."""
    m, k, n = a.shape[0] // 2 * 2, a.shape[1] // 8 * 8, b.shape[1] // 2 * 2
    out = np.zeros((a.shape[0], b.shape[1]), np.int32)
    out[:m, :n] = _exact(a[:m, :k], b[:k, :n])
    return out


def _floor_tiles(a: np.ndarray, b: np.ndarray) -> int:
    return a.shape[0] // 2 * (b.shape[1] // 2) * (a.shape[1] // 8)


def _whole_k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    k = a.shape[1] // 8 * 8
    return _exact(a[:, :k], b[:k])


def _narrow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.astype(np.int64) @ b.astype(np.int64)).astype(np.int8).astype(np.int32)


def _floats(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a.astype(float) @ b.astype(float)


# --- right answers ------------------------------------------------------------------------------


def _by_einsum(a_s8: np.ndarray, b_s8: np.ndarray) -> Answer:
    """All tiles at once: block axes i, j, k and the axes inside a block."""
    a, bt = _padded(a_s8, b_s8)
    ta = a.reshape(a.shape[0] // 2, 2, -1, 8).astype(np.int32)  # (i, r, k, e)
    tb = bt.reshape(bt.shape[0] // 2, 2, -1, 8).astype(np.int32)  # (j, c, k, e)
    out = np.einsum("irke,jcke->irjc", ta, tb).reshape(a.shape[0], bt.shape[0])
    return out[: a_s8.shape[0], : b_s8.shape[1]].astype(np.int32), ta.shape[0] * tb.shape[0] * ta.shape[2]


def _cut_slices(a_s8: np.ndarray, b_s8: np.ndarray) -> Answer:
    """Slices that end at the edge instead of padding."""
    (m, depth), n = a_s8.shape, b_s8.shape[1]
    out, count = np.zeros((m, n), np.int32), 0
    for i in range(0, m, 2):
        for j in range(0, n, 2):
            for k in range(0, depth, 8):
                left, right = a_s8[i : i + 2, k : k + 8].astype(np.int32), b_s8[k : k + 8, j : j + 2].astype(np.int32)
                out[i : i + 2, j : j + 2] += left @ right
                count += 1
    return out, count


def _draw(rng: np.random.Generator) -> Case:
    m, k, n = int(rng.integers(1, 8)), int(rng.choice([1, 3, 7, 8, 9, 15, 16, 17, 24])), int(rng.integers(1, 8))
    return _case(rng.integers(-128, 128, (m, k)), rng.integers(-128, 128, (k, n)))


def _case(a: np.ndarray | list, b: np.ndarray | list, label: str = "") -> Case:
    a, b = np.array(a, np.int8), np.array(b, np.int8)
    shapes = f"({a.shape[0]}, {a.shape[1]}) by ({b.shape[0]}, {b.shape[1]})"
    return Case(a, b, label=label or f"int8 {shapes}")


_ONES = _case(np.ones((4, 16)), np.ones((16, 6)), "ones: (4, 16) by (16, 6)")

smmla_gemm = Exercise(
    id="02.smmla_gemm", points=5, difficulty=3, minutes=20, idea="tiles, edges, and bᵀ",
    reference=isa.smmla_gemm, pure=True,
    cases=[_ONES, _case([[1, 2, 3]], [[4], [5], [-6]], "a_s8 = [[1, 2, 3]], b_s8 = [[4], [5], [-6]]"),
           _case([[1, 0], [0, 1], [2, -1]], [[3, 4, 5], [6, 7, 8]], "a_s8 = [[1, 0], [0, 1], [2, -1]], b_s8 = [[3, 4, 5], [6, 7, 8]]")],
    hidden=[
        _case([[-128]], [[-128]]), _case([[127] * 33] * 5, [[-128] * 3] * 33), _case(np.arange(-8, 8).reshape(2, 8), np.arange(-8, 8).reshape(8, 2)),
        _case(np.arange(18).reshape(2, 9), np.arange(18).reshape(9, 2)), _case(np.arange(24).reshape(3, 8), np.arange(16).reshape(8, 2)),
        _case(np.arange(16).reshape(2, 8), np.arange(24).reshape(8, 3)),
    ],
    draw=_draw, draws=30, compare=exact(),
    misconceptions=[
        Misconception(
            "column_tiles", _with_tiles(lambda rows: rows.T),
            "You hand SMMLA a block of b that is eight high and two wide. It wants two rows of eight from each operand, "
            "so take the rows of bᵀ.",
            "The second operand lies the wrong way.",
            also=(_with_tiles(lambda rows: np.ascontiguousarray(rows.T).reshape(2, 8)),)),
        Misconception(
            "floor_count", _from(count=_floor_tiles),
            "You count whole tiles only. An edge that fills a tile in part still costs one instruction: round up.",
            "Edge tiles count."),
        Misconception(
            "counts_macs", _from(count=lambda a, b: 32 * _tiles(a, b)),
            "You count multiply–accumulates. Asked are instructions, of which each does 32.",
            "These are not instructions.",
            also=(_from(count=lambda a, b: a.shape[0] * a.shape[1] * b.shape[1]), _from(count=lambda a, b: 2 * 2 * 8 * _tiles(a, b) // 16),
                  _from(count=lambda a, b: a.shape[0] * b.shape[1] * _ceil(a.shape[1], 8)))),
        Misconception(
            "macs_over_32", _from(count=lambda a, b: _ceil(a.shape[0] * a.shape[1] * b.shape[1], 32)),
            "You divide all products by 32. That would be so if tiles could be shared; a tile at the edge is used in part "
            "and costs as much as a full one.",
            "Partly filled tiles are not shared.",
            also=(_from(count=lambda a, b: a.shape[0] * a.shape[1] * b.shape[1] // 32),)),
        Misconception(
            "drops_k", _from(_whole_k, lambda a, b: _ceil(a.shape[0], 2) * _ceil(b.shape[1], 2) * (a.shape[1] // 8)),
            "The end of K is missing. What is left over after whole eights needs a last tile, padded with zeros.",
            "The rest of K is lost.", also=(_from(_whole_k),)),
        Misconception(
            "drops_edges", _from(_whole_only, _floor_tiles),
            "Rows, columns and the end of K that don't fill a tile are left out. Pad both operands with zeros up to whole "
            "tiles.",
            "The edges are lost.", also=(_from(_whole_only),)),
        Misconception(
            "last_tile_wins", _with_tiles(accumulate=False),
            "Each tile along K overwrites the one before. SMMLA adds to its accumulator: hand it what is there already.",
            "The sums are overwritten."),
        Misconception(
            "not_cropped", _with_tiles(crop=False),
            "You return the padded result. The rows and columns that the padding added have to go again.",
            "The padding is still there."),
        Misconception(
            "transposed", _from(lambda a, b: np.ascontiguousarray(_exact(a, b).T)),
            "Your result is transposed: rows belong to `a_s8`, columns to `b_s8`.",
            "Rows and columns are swapped."),
        Misconception(
            "eight_bit_sums", _from(_narrow),
            "The sums have 8 bits somewhere. Products of int8 need 16 bits and their sums more: accumulate in int32.",
            "The accumulator is too narrow."),
        Misconception(
            "forgets_k_tiles", _from(count=lambda a, b: _ceil(a.shape[0], 2) * _ceil(b.shape[1], 2)),
            "You count the tiles of the result. For each of them one instruction is needed for every eight of K.",
            "K has tiles too."),
        Misconception(
            "float_result", _from(_floats),
            "The values are right, as floats. An integer product is int32.",
            "The dtype is not int32.", also=(_from(lambda a, b: _exact(a, b).astype(np.int64)), _from(lambda a, b: _exact(a, b).tolist()))),
    ],
    alternatives=[_by_einsum, _cut_slices, _with_tiles(), _from()],
    hints=(
        "How many tiles of two rows have m rows? `-(-m // 2)` rounds up.",
        "Pad `a_s8` to whole tiles, and bᵀ as well: `np.pad(x, ((0, more_rows), (0, more_columns)))`.",
        "Three loops, in steps of 2, 2 and 8. `out[i:i+2, j:j+2] = smmla(out[i:i+2, j:j+2], a[i:i+2, k:k+8], bt[j:j+2, k:k+8])`.",
    ),
    worth_knowing="A vector times a matrix has one row: half of every tile's work is on padding. Batches fill the tiles.",
)
