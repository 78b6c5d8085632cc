"""Exercise 10.channel_shuffle_np: mix the groups of a grouped convolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import blocks

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Order = Callable[[int, int], np.ndarray]  # source channel of each output channel, from (C, groups)


def _interleaved(c: int, g: int) -> np.ndarray:
    return np.arange(c).reshape(g, c // g).T.ravel()


def _refuse(c: int, g: int) -> None:
    if c % g:
        raise ValueError(f"{c} channels are not divisible by {g}")


def _by(order: Order = _interleaved, after: Callable = lambda x: x, check: bool = True) -> Callable:
    """An answer that picks channels in an order; with its defaults it is right."""

    def answer(x: np.ndarray, groups: int) -> np.ndarray:
        c = x.shape[1]
        if check:
            _refuse(c, groups)
        return after(x[:, order(c, groups)])

    return answer


def _inverse(c: int, g: int) -> np.ndarray:
    return np.arange(c).reshape(c // g, g).T.ravel()


def _random(c: int, g: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(c)


def _groups_reversed(c: int, g: int) -> np.ndarray:
    return np.arange(c).reshape(g, c // g)[::-1].ravel()


def _interleaved_backwards(c: int, g: int) -> np.ndarray:
    return np.arange(c).reshape(g, c // g)[::-1].T.ravel()


def _rolled(c: int, g: int) -> np.ndarray:
    return np.roll(np.arange(c), c // g)


def _in_place(x: np.ndarray, groups: int) -> np.ndarray:
    _refuse(x.shape[1], groups)
    x[:] = x[:, _interleaved(x.shape[1], groups)]
    return x


def _whole_tensor(x: np.ndarray, groups: int) -> np.ndarray:
    """Forgets the axis of the batch: groups are cut from the flat tensor."""
    _refuse(x.shape[1], groups)
    return x.reshape(groups, -1).T.reshape(x.shape)


def _batch_as_well(x: np.ndarray, groups: int) -> np.ndarray:
    n, c, h, w = x.shape
    _refuse(c, groups)
    return x.reshape(n, groups, c // groups, h, w).transpose(2, 1, 0, 3, 4).reshape(n, c, h, w)


def _pixels_too(x: np.ndarray, groups: int) -> np.ndarray:
    n, c, h, w = x.shape
    _refuse(c, groups)
    return x.reshape(n, groups, c // groups, h, w).transpose(0, 2, 1, 4, 3).reshape(n, c, h, w)


def _last_axis(x: np.ndarray, groups: int) -> np.ndarray:
    """Takes the layout for NHWC."""
    _refuse(x.shape[3], groups)
    return x[..., _interleaved(x.shape[3], groups)]


def _float_copy(x: np.ndarray, groups: int) -> np.ndarray:
    _refuse(x.shape[1], groups)
    y = np.zeros(x.shape)
    y[:] = x[:, _interleaved(x.shape[1], groups)]
    return y


def _identity(x: np.ndarray, groups: int) -> np.ndarray:
    _refuse(x.shape[1], groups)
    return x.copy()


def _no_flatten(x: np.ndarray, groups: int) -> np.ndarray:
    n, c, h, w = x.shape
    _refuse(c, groups)
    return x.reshape(n, groups, c // groups, h, w).swapaxes(1, 2)


def _drop_rest(x: np.ndarray, groups: int) -> np.ndarray:
    c = x.shape[1] // groups * groups
    return x[:, :c][:, _interleaved(c, groups)]


def _no_transpose(x: np.ndarray, groups: int) -> np.ndarray:
    n, c, h, w = x.shape
    _refuse(c, groups)
    return x.reshape(n, c // groups, groups, h, w).reshape(n, c, h, w).copy()


# --- right answers ------------------------------------------------------------------------------


def _strided(x: np.ndarray, groups: int) -> np.ndarray:
    """Position j of every group, for each j."""
    c = x.shape[1]
    _refuse(c, groups)
    per_group = c // groups
    return np.concatenate([x[:, j::per_group] for j in range(per_group)], axis=1)


def _filled(x: np.ndarray, groups: int) -> np.ndarray:
    _refuse(x.shape[1], groups)
    per_group = x.shape[1] // groups
    y = np.empty_like(x)
    for group in range(groups):
        y[:, group::groups] = x[:, group * per_group : (group + 1) * per_group]
    return y


def _einsum(x: np.ndarray, groups: int) -> np.ndarray:
    n, c, h, w = x.shape
    if c % groups != 0:
        raise ValueError("not divisible")
    return np.einsum("ngjhw->njghw", x.reshape(n, groups, c // groups, h, w)).reshape(n, c, h, w)


# --- cases --------------------------------------------------------------------------------------


def _channels(c: int, dtype: str = "float32", n: int = 1, h: int = 1, w: int = 1) -> np.ndarray:
    """Every value tells its channel: 0, 1, 2, … for one pixel."""
    return np.arange(n * c * h * w).reshape(n, c, h, w).astype(dtype)


def _show(value: object) -> str:
    if isinstance(value, dict) and set(value) == {"value", "changed"}:
        value = value["value"]
    if isinstance(value, np.ndarray) and value.ndim == 4 and value.shape[0] == 1 and value.shape[2:] == (1, 1):
        return f"channels {value.ravel().tolist()} ({value.dtype})"
    raise ValueError("shown as it is")


def _draw(rng: np.random.Generator) -> Case:
    groups, per_group = (int(v) for v in rng.integers(1, 7, 2))
    n, h, w = (int(v) for v in rng.integers(1, 4, 3))
    dtype = str(rng.choice(["float32", "float64", "int8", "uint8", "int64", "float16"]))
    x = rng.integers(0, 100, (n, groups * per_group, h, w)).astype(dtype)
    return Case(x, groups, label=f"{dtype} of shape {x.shape}, groups={groups}")


channel_shuffle_np = Exercise(
    id="10.channel_shuffle_np", points=4, difficulty=2, minutes=12, idea="a shuffle is a transpose",
    reference=blocks.channel_shuffle_np,
    cases=[Case(_channels(6), 2, label="channels 0 … 5 of one pixel, groups=2"), Case(_channels(6), 3, label="channels 0 … 5 of one pixel, groups=3")],
    hidden=[Case(_channels(12, "int16", 2, 2, 3), 3, label="int16 of shape (2, 12, 2, 3), groups=3"),
            Case(_channels(8, "uint8", 1, 3, 3), 2, label="uint8 of shape (1, 8, 3, 3), groups=2"),
            Case(_channels(5, "float32", 2, 2, 2), 1, label="shape (2, 5, 2, 2), groups=1"),
            Case(_channels(5, "float32", 2, 2, 2), 5, label="shape (2, 5, 2, 2), groups=5"),
            Case(_channels(6) > 2, 3, label="booleans of shape (1, 6, 1, 1), groups=3")],
    draw=_draw, compare=exact(), pure=True, show=_show,
    raises=[Case(_channels(6), 4, word="divisible", label="6 channels, groups=4"), Case(_channels(7), 2, word="divisible", label="7 channels, groups=2"),
            Case(_channels(4), 8, word="divisible", label="4 channels, groups=8"),
            Case(_channels(3, "float32", 2, 2, 2), 2, word="divisible", label="shape (2, 3, 2, 2), groups=2")],
    misconceptions=[
        Misconception("inverse", _by(_inverse),
                      "That is the inverse shuffle. It agrees only where groups² = C. Cut the channels into `groups` groups first, each of C/groups.",
                      "That is the way back.", also=(_by(_inverse, check=False),)),
        Misconception("random_order", _by(_random),
                      "Channel shuffle is a fixed transpose, the same for every call. Nothing about it is random.", "Nothing is random here.",
                      also=(_by(_random, check=False),)),
        Misconception("pixels_moved", _pixels_too,
                      "Pixels must stay in place: only the channel axis is permuted. Your rows and columns changed places.", "The pixels moved."),
        Misconception("groups_reversed", _by(_groups_reversed),
                      "Groups are interleaved, not reversed: expected 0, 3, 1, 4, 2, 5.", "Interleave, don't reverse.",
                      also=(_by(_interleaved_backwards), _by(_rolled), _by(_groups_reversed, check=False))),
        Misconception("flat_groups", _whole_tensor,
                      "You cut the whole tensor into groups, pixels and images together. The groups are made of channels: keep the batch axis and the "
                      "two axes of the pixels.", "Only channels form groups.", also=(_batch_as_well,)),
        Misconception("wrong_axis", _last_axis,
                      "You shuffle the last axis. The layout is NCHW: channels are axis 1.", "Channels are axis 1."),
        Misconception("no_change", _identity,
                      "Your channels are in the order in which they came. Two reshapes without a transpose between them do nothing.",
                      "Nothing was shuffled.", also=(_no_transpose, _by(lambda c, g: np.arange(c), check=False))),
        Misconception("dtype_lost", _float_copy,
                      "The order is right, but the dtype changed. `np.zeros(shape)` makes float64; a shuffle keeps what it gets.", "The dtype changed."),
        Misconception("in_place", _in_place,
                      "The order is right, but you wrote into `x`. The skip connection may still need it.", "The input was changed."),
        Misconception("not_flattened", _no_flatten,
                      "The result still has five axes. Join the two that hold the channels again.", "Five axes instead of four."),
        Misconception("rest_dropped", _drop_rest,
                      "6 channels in 4 groups can't be shuffled. You drop or copy what is left over: refuse it instead.", "Bad input gets through."),
    ],
    alternatives=[_by(), _strided, _filled, _einsum],
    hints=(
        "Write the six channels as a table with a row for each group: 0 1 2 / 3 4 5. Now read it column by column.",
        "Reshape axis 1 into two axes: (groups, C // groups). Which two axes have to change places?",
        "After the exchange reshape to (N, C, H, W) again.",
    ),
    worth_knowing="No weight and no multiply is involved, but every element moves. On a GPU or in a phone's memory, that is not free.",
)
