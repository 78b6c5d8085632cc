"""Three functions with branches on values, and the same functions as one graph for all values.

Nothing here needs to import torch: the functions use the methods of the tensor that they are given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LIMIT, ROWS = 6.0, 3


def branching_clipped(x: torch.Tensor) -> torch.Tensor:
    """x, scaled down to the norm 6 if its norm is larger. Branches on a value."""
    return x * (LIMIT / x.norm()) if x.norm() > LIMIT else x


def branching_penalty(x: torch.Tensor) -> torch.Tensor:
    """2 v for positive elements v, else -v/2. Branches once for each element."""
    values = [2.0 * v if v > 0 else -0.5 * v for v in x.flatten()]
    return x.new_tensor([float(v) for v in values]).reshape(x.shape)


def branching_first_k(x: torch.Tensor) -> torch.Tensor:
    """The first three rows with zeros below if the mean is positive, else x. Branches on a value."""
    if x.mean() > 0:
        kept = x.clone()
        kept[ROWS:] = 0.0
        return kept
    return x


def clipped(x: torch.Tensor) -> torch.Tensor:
    """`branching_clipped` without a branch: dividing by at least 6 leaves short vectors as they are.

    The limit is put on the norm before the division, so that nothing is divided by 0; the gradient stays finite.
    """
    return x * (LIMIT / x.norm().clamp(min=LIMIT))


def penalty(x: torch.Tensor) -> torch.Tensor:
    """`branching_penalty` without a branch."""
    return (2.0 * x).where(x > 0, -0.5 * x)


def first_k(x: torch.Tensor) -> torch.Tensor:
    """`branching_first_k` without a branch; x has the shape (rows, columns)."""
    kept = x.new_ones(x.shape[0]).cumsum(0) <= ROWS  # (rows,)
    return x.where((kept | ~(x.mean() > 0)).unsqueeze(1), x.new_zeros(()))


BRANCHLESS: dict[str, tuple[Callable, Callable]] = {
    "clipped": (branching_clipped, clipped),
    "penalty": (branching_penalty, penalty),
    "first_k": (branching_first_k, first_k),
}
