"""Exercise 53.two_four: keep two of four, say where they stood, and multiply without rebuilding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from utils.compression import sparsity

from ...compare import brief, close, exact
from ...exercise import Case, Exercise, Misconception


def _compress(W: np.ndarray, *, rank: Callable = np.abs, ties: str = "low", order: str = "position", code: str = "pair",
              check: bool = True, keep: str = "group", meta_dtype: Any = np.uint8, smallest: bool = False,
              at_most: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Values and metadata with one mistake; with its defaults they are right (an independent formulation)."""
    rows, k = W.shape
    if check and k % 4:
        raise ValueError("the columns must be divisible by 4")
    k -= k % 4
    W = W[:, :k]
    if keep == "global":  # the larger half of the whole matrix, then two of each group
        W = np.where(np.abs(W) >= np.sort(np.abs(W), axis=None)[W.size // 2], W, 0).astype(W.dtype)
    values, meta = np.zeros((rows, k // 2), W.dtype), np.zeros((rows, k // 4), meta_dtype)
    for i in range(rows):
        for g in range(k // 4):
            group = W[i, 4 * g:4 * g + 4]
            sizes = [float(v) for v in rank(group)]
            ranked = sorted(range(4), key=lambda j: (sizes[j] if smallest else -sizes[j], j if ties == "low" else -j))[:2]
            a, b = sorted(ranked) if order == "position" else ranked
            values[i, 2 * g:2 * g + 2] = group[[a, b]]
            meta[i, g] = {"pair": a | b << 2, "mask": 1 << a | 1 << b, "swapped": a << 2 | b, "shift4": a | b << 4,
                          "sum": a + b}[code]
    return values, meta


def _half_of_each_row(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The larger half of each row, wherever it stands."""
    rows, k = W.shape
    if k % 4:
        raise ValueError("divisible")
    kept = np.sort(np.argsort(-np.abs(W), axis=1, kind="stable")[:, :k // 2], axis=1)
    at = (kept % 4).reshape(rows, k // 4, 2)
    return np.take_along_axis(W, kept, axis=1), (at[..., 0] | at[..., 1] << 2).astype(np.uint8)


def _along_outputs(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _compress(W.T)


def _along_outputs_back(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return tuple(a.T for a in _compress(W.T))


def _multiply(values: np.ndarray, meta: np.ndarray, X: np.ndarray, *, code: str = "pair", offset: bool = True,
              wide: bool = True) -> np.ndarray:
    """The product with one mistake; with its defaults it is right."""
    rows, groups = meta.shape
    Y = np.zeros((rows, X.shape[1]))
    for i in range(rows):
        for g in range(groups):
            byte = int(meta[i, g]) if wide else meta[i, g]
            first, second = {"pair": (byte & 3, byte >> 2), "swapped": (byte >> 2, byte & 3), "shift4": (byte & 15, byte >> 4),
                             "mask": tuple([j for j in range(4) if byte >> j & 1][:2])}[code]
            start = 4 * g if offset else 0
            Y[i] += values[i, 2 * g] * X[start + first] + values[i, 2 * g + 1] * X[start + second]
    return Y


def _forgets_metadata(values: np.ndarray, meta: np.ndarray, X: np.ndarray) -> np.ndarray:
    """As if the first two of each four had been kept."""
    kept = [4 * g + j for g in range(meta.shape[1]) for j in (0, 1)]
    return values @ X[kept]


def _by_patterns(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best of the six patterns of each group, the first of equal ones."""
    rows, k = W.shape
    if k % 4:
        raise ValueError("divisible")
    groups = W.reshape(rows, k // 4, 4)
    patterns = np.array(list(combinations(range(4), 2)))
    # sums may round: compare the larger of a pair first, then the smaller
    pairs = np.sort(np.abs(groups.astype(np.float64))[..., patterns], axis=-1)
    best = np.lexsort((np.arange(6) * np.ones_like(pairs[..., 0]), -pairs[..., 0], -pairs[..., 1]), axis=-1)[..., 0]
    at = patterns[best]
    return np.take_along_axis(groups, at, axis=2).reshape(rows, -1), (at[..., 0] + 4 * at[..., 1]).astype(np.uint8)


def _by_einsum(values: np.ndarray, meta: np.ndarray, X: np.ndarray) -> np.ndarray:
    start = 4 * np.arange(meta.shape[1])
    columns = np.stack([start + meta % 4, start + meta // 4], axis=-1).reshape(values.shape)
    return np.einsum("rk,rkn->rn", values, X[columns])


def _by_masks(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A value stays when fewer than two of its group come before it."""
    rows, k = W.shape
    if k % 4 != 0:
        raise ValueError("divisible")
    size = np.abs(W).reshape(-1, 4)
    before = (size[:, None, :] > size[:, :, None]).sum(axis=2)
    before += np.tril(size[:, None, :] == size[:, :, None], -1).sum(axis=2)
    mask = (before < 2).reshape(rows, k)
    column = np.nonzero(mask)[1].reshape(rows, k // 4, 2) & 3
    return W[mask].reshape(rows, k // 2), np.uint8(column[:, :, 0] + (column[:, :, 1] << 2))


def _by_rebuilding(values: np.ndarray, meta: np.ndarray, X: np.ndarray) -> np.ndarray:
    return sparsity.decompress_24(values, meta) @ X


def _c(W: Any, label: str, **options: Any) -> Case:
    return Case(W=np.asarray(W), probe="ch53_sparse_models.compress", label=f"compress_24: {label}", **options)


def _m(W: Any, X: Any, label: str) -> Case:
    values, meta = sparsity.compress_24(np.asarray(W))
    # sums of at most 512 products of order 1 in double
    return Case(values=values, meta=meta, X=np.asarray(X), probe="ch53_sparse_models.multiply", label=f"matmul_24: {label}",
                compare=close(rtol=1e-9, atol=1e-9, dtype="any"))


def _draw(rng: np.random.Generator) -> Case:
    rows, k = int(rng.integers(1, 9)), 4 * int(rng.integers(1, 6))
    W = rng.standard_normal((rows, k))
    if rng.random() < 0.4:
        W = np.round(W)  # ties and zeros
    if rng.random() < 0.5:
        W = W.astype(np.float32)
    if rng.random() < 0.5:
        return _c(W, f"random {W.dtype} of shape {W.shape}")
    n = int(rng.integers(1, 5))
    return _m(W.astype(np.float64), rng.standard_normal((k, n)), f"random {W.shape}, X of shape {(k, n)}")


def _show(value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(a, np.ndarray) and a.size <= 12 for a in value):
        return f"values {value[0].tolist()}, meta {value[1].tolist()}"
    return brief(value)


_ROW = [[0.1, -3, 2, 0.5, 1, 1, 1, 1]]
_TWO = [[4.0, 0, 0, -1, 0, 0, 0, 7], [0, 0, 0, 0, 1, 2, 3, 4]]
_RNG = np.random.default_rng(24)
_RIGHT = (_compress, _multiply)


def _pair(compress: Callable = _compress, multiply: Callable = _multiply) -> tuple[Callable, Callable]:
    return compress, multiply


two_four = Exercise(
    id="53.two_four", points=6, difficulty=3, minutes=20, idea="two of four values, two bits each for their places",
    names=("compress_24", "matmul_24"),
    reference=(sparsity.compress_24, sparsity.matmul_24), probe="ch53_sparse_models.compress",
    cases=[_c(_ROW, "[[0.1, −3, 2, 0.5, 1, 1, 1, 1]]"), _c(_TWO, "the 2 × 8 matrix with zeros"),
           _m(_ROW, np.arange(16.0).reshape(8, 2), "that row times X, X[i] = [2i, 2i + 1]")],
    hidden=[
        _c(np.zeros((2, 4)), "zeros"), _c(np.full((3, 8), -2.0, np.float32), "all equal, float32"),
        _c([[-1.0, 1, -1, 1]], "equal absolute values with signs"), _c([[1.0, 3, 2, 4]], "the larger ones last"),
        _c([[0.0, 0, 0, 5], [5, 0, 0, 0], [0, 5, 0, 0]], "one value in a group"),
        _c(_RNG.standard_normal((4, 4)), "a 4 × 4 matrix"), _c(_RNG.standard_normal((8, 16)), "8 × 16"),
        _c(np.asfortranarray(_RNG.standard_normal((4, 12))), "stored column by column"),
        _c(np.float16([[1, 2, 3, 4]]), "float16"),
        _c([[9.0, 8, 7, 6, 0.1, 0.2, 0.3, 0.4]], "large values in one group, small ones in the other"),
        _c([[9.0, 8, 7, 6], [0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1], [0, 0, 0, 0]], "large values in one row"),
        _m(_RNG.standard_normal((5, 16)), _RNG.standard_normal((16, 3)), "5 × 16 times 16 × 3"),
        _m(_RNG.standard_normal((2, 512)), _RNG.standard_normal((512, 2)), "2 × 512, so that 4 · group does not fit into a byte"),
        _m(_TWO, np.eye(8), "times the identity: the pruned matrix"), _m(np.ones((1, 4)), [[1.0], [10], [100], [1000]], "1 × 4"),
    ],
    raises=[_c(np.ones((2, 6)), "6 columns"), _c(np.ones((4, 3)), "3 columns"), _c(np.ones((8, 9)), "9 columns")],
    draw=_draw, draws=40, compare=exact(), show=_show, time_limit_s=10,
    misconceptions=[
        Misconception(
            "not_per_group", _pair(_half_of_each_row),
            "You kept the larger half of a whole row or matrix. The hardware looks at four neighbours at a time: exactly two from each "
            "group, not on average.",
            "Half on average is not 2:4.",
            also=(_pair(partial(_compress, keep="global")), _pair(partial(_compress, keep="global", check=False)))),
        Misconception(
            "output_dimension", _pair(_along_outputs),
            "Your groups run down the columns. A row of W is multiplied with a column of X: the groups must lie along that sum, in a "
            "row, so that a skipped weight skips a multiplication.",
            "The groups run the wrong way.", also=(_pair(_along_outputs_back),)),
        Misconception(
            "magnitude_order", _pair(partial(_compress, order="magnitude")),
            "The right two are kept, with the larger one first. The format wants them in the order of their positions, so that "
            "i0 < i1.",
            "Values are sorted by size.", also=(_pair(partial(_compress, order="magnitude", check=False)),)),
        Misconception(
            "bit_mask", _pair(partial(_compress, code="mask")),
            "Your metadata are a mask of four bits. The format wants two positions of two bits each: the first in the low bits, the "
            "second shifted by two.",
            "Metadata are positions, not a mask.",
            also=(_pair(partial(_compress, code="mask", check=False)),
                  _pair(partial(_compress, code="mask"), partial(_multiply, code="mask")))),
        Misconception(
            "swapped_positions", _pair(partial(_compress, code="swapped")),
            "The two positions are swapped: i0, the first one, belongs into the low two bits.",
            "The positions are swapped.",
            also=(_pair(partial(_compress, code="swapped", check=False)),
                  _pair(partial(_compress, code="swapped"), partial(_multiply, code="swapped")))),
        Misconception(
            "half_bytes", _pair(partial(_compress, code="shift4")),
            "You gave each position four bits. Two bits count to 3, and that is enough for a place in a group of four.",
            "A position has two bits.",
            also=(_pair(partial(_compress, code="shift4"), partial(_multiply, code="shift4")),)),
        Misconception(
            "signed", _pair(partial(_compress, rank=lambda group: group)),
            "You ranked signed values, so −3 counted as small. What a weight contributes is its absolute value.",
            "Signed values were ranked.", also=(_pair(partial(_compress, rank=lambda group: group, check=False)),)),
        Misconception(
            "smallest", _pair(partial(_compress, smallest=True)),
            "You kept the two smallest values of each group. Those are the ones to drop.",
            "The smallest were kept.", also=(_pair(partial(_compress, smallest=True, check=False)),)),
        Misconception(
            "ties_high", _pair(partial(_compress, ties="high")),
            "Among equal absolute values you kept the later ones. The task asks for the lower index; a sort that is reversed as a whole "
            "turns ties around.",
            "Ties go the other way.", also=(_pair(partial(_compress, ties="high", check=False)),)),
        Misconception(
            "wide_metadata", _pair(partial(_compress, meta_dtype=np.int64)),
            "The numbers are right, but the metadata take 8 bytes a group, as much as the four FP16 values that they describe. Make them "
            "uint8.",
            "The metadata are too wide.",
            also=(_pair(partial(_compress, meta_dtype=np.int64, check=False)), _pair(partial(_compress, meta_dtype=np.int32)))),
        Misconception(
            "no_offset", _pair(multiply=partial(_multiply, offset=False)),
            "The positions count within a group. In group g the first of its rows of X is number 4·g.",
            "The group's offset is missing."),
        Misconception(
            "metadata_unread", _pair(multiply=_forgets_metadata),
            "The product reads the first two rows of each four, whatever the metadata say. They tell which rows of X the values belong "
            "to.",
            "The metadata are not read."),
        Misconception(
            "byte_overflow", _pair(multiply=partial(_multiply, wide=False)),
            "The position of a value came out as a byte, and 4·g does not fit into one from group 64 on. Turn the byte into an int "
            "first, or add it to an array of wider integers.",
            "A byte is too narrow."),
        Misconception(
            "any_width", _pair(partial(_compress, check=False)),
            "The groups are right. A width that 4 does not divide has to be refused; yours loses the last columns.",
            "Any width is accepted."),
    ],
    alternatives=[_RIGHT, (_by_patterns, _by_einsum), (_by_masks, _by_rebuilding)],
    hints=(
        "Reshape W to (rows, k // 4, 4): then each group is the last axis.",
        "A stable `np.argsort` of the negated absolute values puts the largest first and keeps ties in order. Take two, and sort these "
        "two by position.",
        "For the product make an array of columns, 4·g + i0 and 4·g + i1, of the shape of `values`. Then row r of the result is "
        "`values[r] @ X[columns[r]]`.",
    ),
    worth_knowing="Hardware packs two groups into a byte: half of the values and four bits a group are 9/16 of FP16.",
)
