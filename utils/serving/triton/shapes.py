"""Shapes: what a configuration says about a tensor, and whether a request's tensor fits."""

from __future__ import annotations

from collections.abc import Sequence


def full_shape(max_batch_size: int, dims: Sequence[int]) -> tuple[int, ...]:
    """The shape that a request must have, -1 for an axis of any size; the batch axis is there if batching is on.

    Raises ValueError for a negative `max_batch_size`, or a dim that is neither -1 nor at least 1.

    >>> full_shape(8, [3, 224, 224]), full_shape(0, [3, 224, 224])
    ((-1, 3, 224, 224), (3, 224, 224))
    """
    if max_batch_size < 0:
        raise ValueError(f"max_batch_size must be non-negative, got {max_batch_size}")
    for dim in dims:
        if dim < 1 and dim != -1:
            raise ValueError(f"dims must be integers >= 1, or -1, got {dim}")
    return ((-1,) if max_batch_size else ()) + tuple(dims)


def request_error(max_batch_size: int, dims: list[int], shape: list[int]) -> str | None:
    """Why a request's tensor is refused: "rank", "batch" or "dim"; None if it is accepted.

    Raises what `full_shape` raises.
    """
    expected = full_shape(max_batch_size, dims)
    if len(shape) != len(expected):
        return "rank"
    if max_batch_size and not 1 <= shape[0] <= max_batch_size:
        return "batch"
    fits = all(want in (-1, got) for want, got in zip(expected, shape))
    return None if fits else "dim"
