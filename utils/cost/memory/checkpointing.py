"""Gradient checkpointing of a chain of equal layers: memory against recomputation.

The unit is one layer's stored activation (Chen et al. 2016, arXiv:1604.06174).

>>> [checkpoint_forward_units(32, s) for s in (1, 2, 4, 8, 16, 32)]
[32, 17, 11, 11, 17, 32]
"""

from __future__ import annotations

from utils.cost.checks import positive


def divisors(n: int) -> list[int]:
    """All divisors of n, ascending."""
    positive(n=n)
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return sorted({*small, *(n // d for d in small)})


def checkpoint_forward_units(n_layers: int, segments: int) -> int:
    """Units live at the end of the forward pass: (segments - 1) inputs, and all n/segments layers of the last one.

    The last segment is not checkpointed, since its backward pass follows at once (as in torch's
    `checkpoint_sequential`). Raises ValueError when segments does not divide n_layers.
    """
    positive(n_layers=n_layers, segments=segments)
    if n_layers % segments:
        raise ValueError(f"segments must divide n_layers = {n_layers}, got {segments}")
    return (segments - 1) + n_layers // segments


def best_segments(n_layers: int) -> int:
    """The number of equal segments that needs the fewest units; the smaller one on a tie."""
    return min(divisors(n_layers), key=lambda s: (checkpoint_forward_units(n_layers, s), s))


def checkpoint_plan(n_layers: int, budget_units: int) -> int | None:
    """Smallest number of equal segments whose forward units fit the budget; None if there is none."""
    fitting = (s for s in divisors(n_layers) if checkpoint_forward_units(n_layers, s) <= budget_units)
    return next(fitting, None)
