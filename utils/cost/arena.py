"""When tensors live and how many bytes that takes at the worst moment.

>>> live_peak([TensorUse(10, 0, 1), TensorUse(40, 1, 2), TensorUse(20, 2, 2)])
60
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TensorUse:
    """A tensor of `size` bytes that lives from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size must not be negative, got {self.size}")
        if self.last < self.first:
            raise ValueError(f"last must not lie before first = {self.first}, got {self.last}")


def live_peak(uses: Sequence[TensorUse]) -> int:
    """Largest sum of sizes (bytes) that live in one step; 0 for no tensors."""
    # The sum only grows where a tensor begins, so those steps are enough.
    return max((sum(u.size for u in uses if u.first <= step <= u.last) for step in {u.first for u in uses}), default=0)
