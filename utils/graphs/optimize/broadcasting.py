"""Shapes of elementwise operators when some sizes are only known by a name."""

from __future__ import annotations

from collections.abc import Sequence

from utils.graphs.runtime.shape_rules import broadcast_dim

Dim = int | str | None


def broadcast_dims(a: Sequence[Dim], b: Sequence[Dim]) -> list[Dim]:
    """The shape of an elementwise result under ONNX's multidirectional broadcasting.

    A size is an int of at least 1, a symbol such as "N", or None when unknown. Axes are aligned at the end; a
    missing one counts as 1. What may differ at run time is None: "N" against "M", and None against a symbol.
    Raises ValueError naming the axis, counted from the end, when two sizes above 1 differ.

    >>> broadcast_dims(["N", 1, 5], [7, 1])
    ['N', 7, 5]
    """
    rank = max(len(a), len(b))
    left, right = ([1] * (rank - len(dims)) + list(dims) for dims in (a, b))
    joined: list[Dim] = []
    for axis, (x, y) in enumerate(zip(left, right)):
        try:
            joined.append(broadcast_dim(x, y))
        except ValueError as error:
            raise ValueError(f"a and b must agree or be 1 on axis {axis - rank}, got {x} and {y}") from error
    return joined
