"""Preprocessing, and the silent ways of getting it wrong: train/serve skew raises no exception."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

SKEW_ATOL = 1e-4


def preprocess(raw_hwc: np.ndarray, mean: Sequence[float], std: Sequence[float], scale: float = 1 / 255) -> np.ndarray:
    """(raw * scale - mean) / std, float32: (H, W, C) gives (C, H, W), and (N, H, W, C) gives (N, C, H, W).

    `mean` and `std` have C entries. Raises ValueError for another number of axes or entries, or a std of 0.
    """
    raw = np.asarray(raw_hwc)
    mean, std = _channels(raw, mean, std)
    x = (raw.astype(np.float64) * scale - mean) / std  # (..., H, W, C)
    return np.ascontiguousarray(np.moveaxis(x, -1, -3), np.float32)


def _channels(raw: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    if raw.ndim not in (3, 4):
        raise ValueError(f"raw must have the axes (H, W, C) or (N, H, W, C), got shape {raw.shape}")
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    for name, values in (("mean", mean), ("std", std)):
        if values.shape != raw.shape[-1:]:
            raise ValueError(f"{name} must have {raw.shape[-1]} entries, got {values.size}")
    if (std == 0).any():
        raise ValueError("std must not contain 0")
    return mean, std


def skew_variants(raw: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> dict[str, np.ndarray]:
    """The right tensor of an image (H, W, C) in float64, and those of seven faults, in the order of `diagnose_skew`.

    ok · bgr (channels reversed before normalising) · bgr_late (after) · no_scale (0 to 255 kept) · no_normalize
    (only / 255) · double_scale (/ 255 twice) · std_first (x / std - mean) · hwc (right values, not transposed).
    """
    raw = np.asarray(raw)
    mean, std = _channels(raw, mean, std)
    x = raw.astype(np.float64)
    right = (x / 255 - mean) / std
    hwc = {
        "ok": right,
        "bgr": (x[..., ::-1] / 255 - mean) / std,
        "bgr_late": right[..., ::-1],
        "no_scale": (x - mean) / std,
        "no_normalize": x / 255,
        "double_scale": (x / 255 / 255 - mean) / std,
        "std_first": x / 255 / std - mean,
    }
    return {**{name: np.moveaxis(value, -1, -3) for name, value in hwc.items()}, "hwc": right}


def diagnose_skew(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
    """The first of `skew_variants` that `deployed` equals within 1e-4, or "unknown".

    raw: uint8 (H, W, 3), RGB. NaN and another shape never match.

    >>> diagnose_skew(np.full((1, 1, 3), 255, np.uint8), np.ones((3, 1, 1)), (0.5, 0.4, 0.3), (0.5, 0.25, 0.2))
    'no_normalize'
    """
    deployed = np.asarray(deployed, np.float64)
    for name, expected in skew_variants(raw, mean, std).items():
        if deployed.shape == expected.shape and bool((np.abs(deployed - expected) <= SKEW_ATOL).all()):
            return name
    return "unknown"


def camera_faults(mean: float, std: float) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What a camera app may do to grey images (N, H, W, 1), uint8, instead of `preprocess`; none of it raises.

    The first entry is right. Each gives float32 (N, 1, H, W).
    """

    def made(rule: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda raw: np.ascontiguousarray(np.moveaxis(rule(raw.astype(np.float64)), -1, 1), np.float32)

    return {
        "as trained": made(lambda x: (x / 255 - mean) / std),
        "std before mean": made(lambda x: x / 255 / std - mean),
        "no normalisation": made(lambda x: x / 255),
        "no scale": made(lambda x: (x - mean) / std),
        "rows and columns swapped": made(lambda x: (x.swapaxes(1, 2) / 255 - mean) / std),
        "scaled twice": made(lambda x: (x / 255 / 255 - mean) / std),
        "inverted": made(lambda x: ((255 - x) / 255 - mean) / std),
    }
