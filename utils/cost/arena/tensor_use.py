"""When a tensor lives, and how many bytes live at the worst moment."""

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

    def meets(self, other: TensorUse) -> bool:
        """Whether both live in some common step."""
        return self.first <= other.last and other.first <= self.last


def live_peak(uses: Sequence[TensorUse]) -> int:
    """Largest sum of sizes (bytes) that live in one step; 0 for no tensors."""
    # The sum only grows where a tensor begins, so those steps are enough.
    return max((sum(u.size for u in uses if u.first <= step <= u.last) for step in {u.first for u in uses}), default=0)
