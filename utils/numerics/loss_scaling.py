"""Loss scaling: keep FP16 gradients out of the underflow (Micikevicius et al., Mixed Precision Training, 2018)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from utils.numerics.formats import FP16, overflows
from utils.numerics.precision import fp16_risk


class DynamicLossScaler:
    """The scale of torch.amp.GradScaler: halve it when gradients overflow, double it after many good steps.

    Raises ValueError for init_scale <= 0, growth <= 1, backoff outside (0, 1), growth_interval < 1.

    >>> scaler = DynamicLossScaler(8.0, growth_interval=2)
    >>> [(scaler.update(bad), scaler.scale) for bad in (False, False, True, False)]
    [(True, 8.0), (True, 16.0), (False, 8.0), (True, 8.0)]
    """

    def __init__(self, init_scale: float = 65536.0, growth: float = 2.0, backoff: float = 0.5,
                 growth_interval: int = 2000) -> None:
        if not init_scale > 0:
            raise ValueError(f"init_scale must be positive, got {init_scale}")
        if not growth > 1:
            raise ValueError(f"growth must be > 1, got {growth}")
        if not 0 < backoff < 1:
            raise ValueError(f"backoff must be in (0, 1), got {backoff}")
        if growth_interval < 1:
            raise ValueError(f"growth_interval must be >= 1, got {growth_interval}")
        self._scale = float(init_scale)
        self._growth, self._backoff, self._interval = float(growth), float(backoff), int(growth_interval)
        self._good_steps = 0

    @property
    def scale(self) -> float:
        """The factor for the next loss."""
        return self._scale

    def update(self, found_nonfinite: bool) -> bool:
        """Take note of one backward pass; True when its step should be applied, False when it is skipped."""
        if found_nonfinite:
            self._scale *= self._backoff
            self._good_steps = 0
            return False
        self._good_steps += 1
        if self._good_steps == self._interval:
            grown = self._scale * self._growth
            if grown <= np.finfo(np.float32).max:  # as torch, which keeps the scale in FP32
                self._scale = grown
            self._good_steps = 0
        return True

    def state_dict(self) -> dict[str, float | int]:
        """Scale, settings and the number of good steps since the last change."""
        return {"scale": self._scale, "growth": self._growth, "backoff": self._backoff,
                "growth_interval": self._interval, "good_steps": self._good_steps}


class LossScaler:
    """Dynamic loss scaling on NumPy gradients: check, unscale, adapt `scale`."""

    def __init__(self, scale: float, growth: float, backoff: float, interval: int) -> None:
        self._scaler = DynamicLossScaler(scale, growth, backoff, interval)

    @property
    def scale(self) -> float:
        """The factor for the next loss."""
        return self._scaler.scale

    def step(self, grads: list[np.ndarray]) -> list[np.ndarray] | None:
        """float32 gradients divided by the scale that was in force, or None if a value is not finite.

        The division is done in float32: in FP16 it would underflow again.
        """
        scale = np.float32(self.scale)
        if not self._scaler.update(not all(np.isfinite(g).all() for g in grads)):
            return None
        return [np.asarray(g, dtype=np.float32) / scale for g in grads]


# Bins of log2 |gradient|: one a binade, wide enough for FP32 gradients under any useful scale.
LOG2_EDGES = np.arange(-80, 41)


def scaled_histogram(grads: ArrayLike, log2_scale: float) -> dict[str, object]:
    """Where the gradients lie on FP16's ruler after multiplication by 2^log2_scale.

    Keys: `log2_edges` (121,) and `counts` (120,) of log2 |scaled gradient| of the non-zero entries, those beyond
    the ruler in its end bins; `shares` of the non-zero entries that become zero, subnormal, normal, inf in FP16;
    `borders`, the log2 magnitudes where subnormal, normal and inf begin; `flushed_pct`; `n_nonzero`; `n_zero`.
    Raises ValueError for NaN.

    >>> scaled_histogram([1e-8, 1e-6, 1.0, 0.0], 0)["shares"]["zero"] == 1 / 3
    True
    """
    g = np.abs(np.asarray(grads, dtype=np.float64)).ravel()
    scaled = g[g != 0] * 2.0**log2_scale
    risk = fp16_risk(scaled)
    normal = (scaled >= FP16.min_normal) & ~overflows(scaled, FP16)
    log2 = np.clip(np.log2(scaled), LOG2_EDGES[0], LOG2_EDGES[-1])
    return {
        "log2_edges": LOG2_EDGES.astype(float),
        "counts": np.histogram(log2, LOG2_EDGES)[0],
        "shares": {"zero": risk["underflow"], "subnormal": risk["subnormal"],
                   "normal": int(normal.sum()) / max(scaled.size, 1), "inf": risk["overflow"]},
        "borders": {"subnormal": -25.0, "normal": -14.0, "inf": float(np.log2(65520.0))},
        "flushed_pct": 100 * risk["underflow"],
        "n_nonzero": int(scaled.size),
        "n_zero": int(g.size - scaled.size),
    }
