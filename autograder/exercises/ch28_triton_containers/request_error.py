"""Exercise 28.request_error: does a request's tensor fit the configuration?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.serving.triton import shapes

from ...exercise import Case, Exercise, Misconception

Dims = list[int]


def _answer(*, batched: Callable[[int], bool] = lambda size: size > 0, off: Callable[[Dims, Dims], bool] = lambda dims, shape: False,
            batch_fits: Callable[[int, int], bool] = lambda n, size: 1 <= n <= size, fits: Callable[[int, int], bool] = lambda want, got: want in (-1, got),
            legal: Callable[[int], bool] = lambda dim: dim >= 1 or dim == -1, negative: bool = True, order: str = "batch dim") -> Callable:
    """An answer from its rules; with its defaults it is right."""

    def answer(max_batch_size: int, dims: Dims, shape: Dims) -> str | None:
        if (negative and max_batch_size < 0) or not all(map(legal, dims)):
            raise ValueError("bad configuration")
        if max_batch_size == 0 and off(dims, shape):
            return None
        axes = list(shape)
        if len(axes) != len(dims) + batched(max_batch_size):
            return "rank"
        n = axes.pop(0) if batched(max_batch_size) else None
        wrong = {"batch": n is not None and not batch_fits(n, max_batch_size), "dim": not all(map(fits, dims, axes))}
        return next((name for name in order.split() if wrong[name]), None)

    return answer


def _never_batched(max_batch_size: int, dims: Dims, shape: Dims) -> str | None:
    """Compares with dims alone."""
    shapes.full_shape(max_batch_size, dims)
    if len(shape) != len(dims):
        return "rank"
    return None if all(want in (-1, got) for want, got in zip(dims, shape)) else "dim"


def _dims_hold_the_batch(max_batch_size: int, dims: Dims, shape: Dims) -> str | None:
    """Takes the first of dims for the batch axis."""
    shapes.full_shape(max_batch_size, dims)
    if len(shape) != len(dims):
        return "rank"
    if max_batch_size and shape and not 1 <= shape[0] <= max_batch_size:
        return "batch"
    start = 1 if max_batch_size else 0
    return None if all(want in (-1, got) for want, got in zip(dims[start:], shape[start:])) else "dim"


def _shape_first(max_batch_size: int, dims: Dims, shape: Dims) -> str | None:
    """Looks at the dims only when the rank is right."""
    if len(shape) != len(dims) + (max_batch_size > 0):
        return "rank"
    return shapes.request_error(max_batch_size, dims, shape)


def _zipped(max_batch_size: int, dims: Dims, shape: Dims) -> str | None:
    """Ranges of allowed sizes for each axis."""
    if max_batch_size < 0 or any(d == 0 or d < -1 for d in dims):
        raise ValueError("a dimension must be -1 or at least 1")
    allowed = [("dim", (0, float("inf")) if d == -1 else (d, d)) for d in dims]
    if max_batch_size:
        allowed.insert(0, ("batch", (1, max_batch_size)))
    if len(allowed) - len(shape):
        return "rank"
    return next((word for (word, (low, high)), n in zip(allowed, shape) if n < low or n > high), None)


def _with_numpy(max_batch_size: int, dims: Dims, shape: Dims) -> str | None:
    wanted = np.array(dims, dtype=int)
    if max_batch_size < 0 or ((wanted < 1) & (wanted != -1)).any():
        raise ValueError("bad dims")
    got = np.array(shape, dtype=int)
    rest = got[1:] if max_batch_size > 0 else got
    if got.size - (1 if max_batch_size else 0) != wanted.size:
        return "rank"
    if max_batch_size and (got[0] > max_batch_size or got[0] < 1):
        return "batch"
    return "dim" if ((rest != wanted) & (wanted >= 0)).any() else None


def _draw(rng: np.random.Generator) -> Case:
    """Mostly shapes that nearly fit."""
    size = int(rng.choice([0, 0, 1, 2, 4, 8]))
    dims = [int(d) for d in rng.choice([-1, 1, 2, 3, 5], int(rng.integers(1, 4)))]
    shape = [int(rng.integers(0, 6)) if d == -1 else d for d in dims]
    if size:
        shape.insert(0, int(rng.integers(1, size + 1)))
    if rng.random() < 0.6:  # one thing, or two, goes wrong
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.integers(0, len(shape))) if shape else 0
            change = rng.random()
            if change < 0.2:
                shape = shape[1:]
            elif change < 0.4:
                shape = [int(rng.integers(1, 4)), *shape]
            elif shape:
                shape[at] = int(rng.choice([0, 1, shape[at] + 1, size + 1]))
    return Case(size, dims, shape)


request_error = Exercise(
    id="28.request_error", points=3, difficulty=1, minutes=10, idea="max_batch_size prepends an axis; -1 is a wildcard",
    reference=shapes.request_error,
    cases=[Case(4, [3], [5, 3]), Case(0, [-1, 3], [7, 3]), Case(4, [3], [3])],
    hidden=[
        Case(0, [2, 3], [4, 3]), Case(0, [2, 3], [2, 3]), Case(4, [3], [4, 3]), Case(4, [3], [1, 3]), Case(4, [3], [0, 3]), Case(0, [-1, 3], [0, 3]), Case(8, [-1], [8, 0]),
        Case(0, [-1, -1], [3, 3, 3]), Case(4, [3, 4], [5, 3]), Case(4, [3, 4], [9, 3, 5]), Case(4, [3, 4], [2, 4, 3]), Case(1, [1], [1]), Case(1, [1], [1, 1]),
        Case(0, [-1], []), Case(2, [-1], []), Case(4, [5], [5, 5]), Case(0, [1, 3, 224, 224], [2, 3, 224, 224]), Case(4, [1, 3], [1, 3]), Case(2, [2], [2, 1, 2]),
        Case(3, [2, 2], [3, 2, 1]), Case(3, [2, 2], [3, 1, 2]),
    ],
    draw=_draw, draws=40, pure=True,
    raises=[Case(0, [0], [0]), Case(4, [3, -2], [1, 3, 2]), Case(-1, [3], [3]), Case(4, [0], [1]), Case(0, [3, 0, 2], [1]), Case(-4, [-1], [1, 1]), Case(0, [-1, -3], [1, 2])],
    misconceptions=[
        Misconception(
            "zero_means_anything", _answer(off=lambda dims, shape: True),
            "You accept every shape when `max_batch_size` is 0. Zero does not mean that anything goes: it switches batching off, and then `dims` is the full "
            "shape, to be compared axis by axis.",
            "0 is not a wildcard.", also=(_answer(off=lambda dims, shape: len(dims) == len(shape)),)),
        Misconception(
            "never_prepends", _never_batched,
            "You always compare the shape with `dims` alone. With batching on, Triton puts one axis in front of `dims`.",
            "The batch axis is missing.", also=(_dims_hold_the_batch,)),
        Misconception(
            "always_prepends", _answer(batched=lambda size: True),
            "You expect a batch axis even when `max_batch_size` is 0. Then there is none: `dims` is the full shape.",
            "There is no batch axis at 0."),
        Misconception(
            "full_batches_only", _answer(batch_fits=lambda n, size: n == size),
            "You accept full batches only. `max_batch_size` is a maximum: a request may have fewer rows.",
            "It is a maximum."),
        Misconception(
            "minus_one_is_a_size", _answer(fits=lambda want, got: want == got),
            "You compare -1 with the size itself, so no request can match it. In `dims`, -1 is a wildcard: any size fits.",
            "-1 is a wildcard."),
        Misconception(
            "wildcard_needs_one", _answer(fits=lambda want, got: got >= 1 if want == -1 else want == got),
            "You refuse size 0 where `dims` says -1. A variable axis may be empty; only the batch axis needs at least 1.",
            "An empty axis is allowed."),
        Misconception(
            "dims_are_maxima", _answer(fits=lambda want, got: want == -1 or got <= want),
            "You treat a fixed dim as a maximum. Only the batch axis has a maximum; every other fixed size has to be met exactly.",
            "A fixed dim is exact."),
        Misconception(
            "empty_batch", _answer(batch_fits=lambda n, size: n <= size),
            "You accept a batch of 0 rows. A request has to bring at least one.",
            "A batch has at least one row."),
        Misconception(
            "limit_excluded", _answer(batch_fits=lambda n, size: 1 <= n < size),
            "A batch of exactly `max_batch_size` rows is refused. The limit itself is allowed.",
            "The limit itself is allowed."),
        Misconception(
            "dim_before_batch", _answer(order="dim batch"),
            "You look at the other axes before the batch axis. The text asks for rank, then batch, then dims.",
            "The order of the checks."),
        Misconception(
            "accepts_dim_zero", _answer(legal=lambda dim: dim >= -1),
            "You take 0 as a size in `dims`. The server refuses a configuration with a dimension below 1 that is not -1.",
            "A dim of 0 is refused.", also=(_answer(legal=lambda dim: dim >= 0 or dim == -1),)),
        Misconception(
            "no_checks", _answer(legal=lambda dim: True, negative=False),
            "Some configurations are impossible whatever the request is: a dim of 0 or below -1, a negative `max_batch_size`. They are a ValueError.",
            "A bad configuration is an error.", also=(_answer(negative=False), _answer(legal=lambda dim: True), _shape_first,
                                                      _answer(legal=lambda dim: dim != 0), _answer(legal=lambda dim: dim >= 0 or dim == -1, negative=False))),
    ],
    alternatives=[_zipped, _with_numpy, _answer()],
    hints=(
        "Write down the full shape first: one more axis in front of `dims` if `max_batch_size` is above 0, otherwise `dims` itself.",
        "Check the configuration before you look at the shape: the error comes even when the rank is wrong, too.",
        "The batch axis is a range, from 1 to `max_batch_size`. All other axes are equal, or -1.",
    ),
    worth_knowing="The real server answers HTTP 400 to the shapes that you refuse. The chapter compares both below, where the server is installed.",
)
