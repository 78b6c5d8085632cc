"""Exercise 52.fold_shuffle: a channel shuffle absorbed by the weights that read it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import deploy

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _order(c: int, groups: int) -> np.ndarray:
    """Source channel of each shuffled channel."""
    return np.arange(c).reshape(groups, c // groups).T.ravel()


def _refuse(w: np.ndarray, groups: int) -> None:
    if w.shape[1] % groups:
        raise ValueError("channels are not divisible by groups")


def _by(pick: Callable[[np.ndarray, int], np.ndarray], check: bool = True) -> Callable:
    def answer(w: np.ndarray, groups: int) -> np.ndarray:
        if check:
            _refuse(w, groups)
        return pick(w, groups)

    return answer


def _pair(pick: Callable[[np.ndarray, int], np.ndarray]) -> tuple[Callable, ...]:
    return _by(pick), _by(pick, check=False)


# --- right in other ways ---------------------------------------------------------------------------


def _as_product(w: np.ndarray, groups: int) -> np.ndarray:
    _refuse(w, groups)
    c = w.shape[1]
    p = np.eye(c, dtype=w.dtype)[_order(c, groups)]
    return (w.reshape(len(w), c) @ p).reshape(w.shape)


def _reshaped(w: np.ndarray, groups: int) -> np.ndarray:
    _refuse(w, groups)
    return w.reshape(len(w), w.shape[1] // groups, groups, -1).swapaxes(1, 2).reshape(w.shape).copy()


def _argsorted(w: np.ndarray, groups: int) -> np.ndarray:
    if w.shape[1] % groups != 0:
        raise ValueError(f"{w.shape[1]} is not divisible by {groups}")
    return w[:, np.argsort(_order(w.shape[1], groups))]


def _by_columns(w: np.ndarray, groups: int) -> np.ndarray:
    _refuse(w, groups)
    per_group = w.shape[1] // groups
    columns = [w[:, j * groups + g] for g in range(groups) for j in range(per_group)]
    return np.stack(columns, axis=1)


# --- wrong -----------------------------------------------------------------------------------------


def _inverse(w: np.ndarray, groups: int) -> np.ndarray:
    return w[:, _order(w.shape[1] // groups * groups, groups)]


def _rows(w: np.ndarray, groups: int) -> np.ndarray:
    if len(w) % groups:
        return w.copy()
    return w[np.argsort(_order(len(w), groups))]


def _rows_forward(w: np.ndarray, groups: int) -> np.ndarray:
    return w.copy() if len(w) % groups else w[_order(len(w), groups)]


def _in_place(w: np.ndarray, groups: int) -> np.ndarray:
    _refuse(w, groups)
    w[:] = w[:, np.argsort(_order(w.shape[1], groups))]
    return w


def _unchanged(w: np.ndarray, groups: int) -> np.ndarray:
    return w.copy()


def _flattened(w: np.ndarray, groups: int) -> np.ndarray:
    c = w.shape[1]
    return w.reshape(len(w), c)[:, np.argsort(_order(c, groups))]


def _matrix_only(w: np.ndarray, groups: int) -> np.ndarray:
    _refuse(w, groups)
    if w.ndim != 2:
        raise ValueError("w must be a matrix")
    return w[:, np.argsort(_order(w.shape[1], groups))]


def _float(w: np.ndarray, groups: int) -> np.ndarray:
    folded = np.zeros(w.shape)
    folded[:, _order(w.shape[1], groups)] = w
    return folded


def _reversed(w: np.ndarray, groups: int) -> np.ndarray:
    parts = np.split(w, groups, axis=1)
    return np.concatenate(parts[::-1], axis=1)


def _permutation(w: np.ndarray, groups: int) -> np.ndarray:
    return np.eye(w.shape[1], dtype=w.dtype)[_order(w.shape[1], groups)]


def _left_product(w: np.ndarray, groups: int) -> np.ndarray:
    flat = w.reshape(len(w), w.shape[1])
    p = np.eye(len(w), dtype=w.dtype)[_order(len(w), groups)] if len(w) % groups == 0 else np.eye(len(w), dtype=w.dtype)
    return (p @ flat).reshape(w.shape)


def _truncating(w: np.ndarray, groups: int) -> np.ndarray:
    return w[:, np.argsort(_order(w.shape[1] // groups * groups, groups))]


# --- cases -----------------------------------------------------------------------------------------


def _weights(rows: int, c: int, dtype: str = "float64", four: bool = False) -> np.ndarray:
    w = np.arange(rows * c).reshape(rows, c).astype(dtype)
    return w[:, :, None, None] if four else w


def _draw(rng: np.random.Generator) -> Case:
    groups, per_group, rows = (int(v) for v in rng.integers(1, 7, 3))
    w = rng.integers(-99, 99, (rows, groups * per_group)).astype(str(rng.choice(["float32", "float64", "int8"])))
    if rng.random() < 0.4:
        w = w[:, :, None, None]
    return Case(w, groups, label=f"{w.dtype} of shape {w.shape}, groups={groups}")


fold_shuffle = Exercise(
    id="52.fold_shuffle", points=5, difficulty=3, minutes=16, idea="a permutation before a matrix is a permuted matrix",
    reference=deploy.fold_shuffle, compare=exact(), pure=True,
    cases=[Case(_weights(1, 8), 2, label="one row 0 … 7, groups=2"), Case(_weights(2, 6, "float32", True), 3, label="shape (2, 6, 1, 1), float32, groups=3")],
    hidden=[Case(_weights(3, 12), 3, label="shape (3, 12), groups=3"), Case(_weights(2, 5), 1, label="shape (2, 5), groups=1"),
            Case(_weights(2, 5), 5, label="shape (2, 5), groups=5"), Case(_weights(6, 12, "int8"), 2, label="int8 of shape (6, 12), groups=2"),
            Case(_weights(12, 12, "float32", True), 4, label="shape (12, 12, 1, 1), groups=4")],
    draw=_draw,
    raises=[Case(_weights(2, 6), 4, word="divisible", label="6 channels, groups=4"),
            Case(_weights(4, 7, "float32", True), 2, word="divisible", label="shape (4, 7, 1, 1), groups=2"),
            Case(_weights(8, 4), 8, word="divisible", label="4 channels, groups=8")],
    misconceptions=[
        Misconception("inverse", _pair(_inverse)[0],
                      "You shuffle the columns the way that the channels are shuffled. The weights have to go the opposite way: column i of w belongs to the "
                      "channel that the shuffle puts at place i. Both ways agree only where groups² = C.", "The permutation goes the other way.",
                      also=(_by(_inverse, check=False),)),
        Misconception("rows", _pair(_rows)[0],
                      "You permute rows. Rows are the outputs of the next layer. What the shuffle mixes are its inputs, the columns.", "Permute columns, not rows.",
                      also=(*_pair(_rows)[1:], *_pair(_rows_forward), *_pair(_left_product))),
        Misconception("in_place", _in_place,
                      "The values are right, but you wrote into `w`. Return a new array; another layer may share the old one.", "The input was changed."),
        Misconception("unchanged", _pair(_unchanged)[0],
                      "These are the old weights. The shuffle is to vanish from the run time, so its effect has to be in the weights.", "Nothing was folded.",
                      also=_pair(_unchanged)[1:]),
        Misconception("flattened", _pair(_flattened)[0],
                      "The columns are right, but the shape is not: a 1x1 convolution's weights stay (O, C, 1, 1).", "Keep the shape.", also=_pair(_flattened)[1:]),
        Misconception("matrix_only", _matrix_only,
                      "You refuse the weights of a 1x1 convolution. Their axis 1 holds the input channels, as in a matrix.", "Four axes are allowed."),
        Misconception("dtype_lost", _pair(_float)[0],
                      "The values are right, the dtype is not. `np.zeros(shape)` makes float64.", "The dtype changed.", also=_pair(_float)[1:]),
        Misconception("groups_reversed", _pair(_reversed)[0],
                      "You exchange whole groups. A shuffle interleaves them: channel 0 of each group comes first, then channel 1 of each.",
                      "Interleave, don't exchange.", also=_pair(_reversed)[1:]),
        Misconception("permutation", _pair(_permutation)[0],
                      "That is the permutation matrix itself. Combine it with `w`.", "The weights are missing.", also=_pair(_permutation)[1:]),
        Misconception("rest_dropped", _by(_truncating, check=False),
                      "C is not divisible by groups here, so there is no such shuffle. Refuse it instead of dropping channels.", "Bad input gets through."),
    ],
    alternatives=[_as_product, _reshaped, _argsorted, _by_columns],
    hints=("Take one row, w = 0 … 7, and x = the channels a … h. Write down shuffle(x), then which letter each weight multiplies.",
           "Weight i multiplies x[order[i]], where order lists the source of each shuffled channel. In which column of the new matrix must it stand?",
           "`new[:, order] = w` puts every column where its channel comes from. `np.argsort(order)` does the same from the other side."),
    worth_knowing="The same holds for any permutation before a dense layer: of pruned, sorted or reordered channels.",
)
