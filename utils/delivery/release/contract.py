"""The contract of a tensor: what both sides of an interface rely on, checked on real data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TensorContract:
    """Name, dtype ("uint8"), shape (None: any size), layout ("NHWC") and range of values (lowest, highest).

    >>> TensorContract("image", "uint8", (None, 8, 8, 1), "NHWC", (0, 255)).check(np.zeros((2, 8, 8, 1), np.uint8))
    []
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    layout: str
    value_range: tuple[float, float]

    def __post_init__(self) -> None:
        if len(self.layout) != len(self.shape):
            raise ValueError(f"layout must have one letter an axis, got {self.layout!r} for {len(self.shape)} axes")
        if not self.value_range[0] <= self.value_range[1]:
            raise ValueError(f"value_range must be (lowest, highest), got {self.value_range}")

    def check(self, x: np.ndarray) -> list[str]:
        """What breaks the contract, a sentence each; empty if nothing does. The layout can't be seen in the data."""
        x = np.asarray(x)
        found = []
        if x.dtype.name != self.dtype:
            found.append(f"{self.name} has dtype {x.dtype.name}, expected {self.dtype}")
        if x.ndim != len(self.shape) or any(w is not None and w != n for w, n in zip(self.shape, x.shape)):
            told = ", ".join("any" if n is None else str(n) for n in self.shape)
            found.append(f"{self.name} has shape {x.shape}, expected ({told})")
        if x.dtype.kind not in "biuf":
            return found
        broken = ~np.isfinite(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
        if broken.any():
            found.append(f"{self.name} holds {int(broken.sum())} values that are not finite")
        kept = x[~broken].astype(np.float64)
        if kept.size and (kept.min() < self.value_range[0] or kept.max() > self.value_range[1]):
            found.append(f"{self.name} ranges from {kept.min():g} to {kept.max():g}, expected {self.value_range[0]:g} "
                         f"to {self.value_range[1]:g}")
        return found

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data that JSON can hold."""
        return {**asdict(self), "shape": list(self.shape), "value_range": list(self.value_range)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TensorContract:
        """The contract that `as_dict` wrote."""
        return cls(**{**data, "shape": tuple(data["shape"]), "value_range": tuple(data["value_range"])})
