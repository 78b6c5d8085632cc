"""Where does a converted network leave the original? Tensor by tensor, whatever the layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from utils.graphs.optimize import compare_arrays

Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True)
class LayerDiff:
    """One tensor of the original beside the converted one; `max_abs` is inf where the sizes differ."""

    name: str
    got_name: str
    shape: tuple[int, ...]
    max_abs: float
    scale: float  # the original's largest magnitude
    ok: bool

    @property
    def relative(self) -> float:
        """The largest difference as a share of the original's largest magnitude (of 1 if that is 0)."""
        return self.max_abs / (self.scale or 1.0)

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def layerwise_diff(
    ref: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray], name_map: Mapping[str, str],
    layout: Layout = "NCHW", rtol: float = 1e-4, atol: float = 1e-5,
) -> list[LayerDiff]:
    """Compare tensors of two runs, in the order of `name_map` (name in `ref` -> name in `got`).

    Images (four axes) in `got` are in `layout`, those in `ref` are NCHW. Shapes that differ by axes of length 1 or by
    flattening, as ncnn's do, count as equal. The first line that is not `ok` is where a conversion went wrong.
    Raises KeyError for a tensor that is missing, ValueError for another layout.
    """
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout must be 'NCHW' or 'NHWC', got {layout!r}")
    return [_diff(name, got_name, ref[name], got[got_name], layout, rtol, atol)
            for name, got_name in name_map.items()]


def _diff(name: str, got_name: str, ref: np.ndarray, got: np.ndarray, layout: Layout, rtol: float,
          atol: float) -> LayerDiff:
    if layout == "NHWC" and got.ndim == 4:
        got = got.transpose(0, 3, 1, 2)
    scale = float(np.abs(ref).max(initial=0.0))
    if got.size != ref.size:
        return LayerDiff(name, got_name, ref.shape, float("inf"), scale, False)
    found = compare_arrays(ref, got.reshape(ref.shape), rtol, atol)
    max_abs = found.max_abs if found.finite else float("inf")
    return LayerDiff(name, got_name, ref.shape, max_abs, scale, found.ok)
