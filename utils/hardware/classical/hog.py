"""Histograms of oriented gradients (Dalal and Triggs, 2005) for small images."""

from __future__ import annotations

import numpy as np

from utils.cost.checks import positive


def hog(images: np.ndarray, cell: int = 4, bins: int = 8, stride: int = 2) -> np.ndarray:
    """Features (N, cells * bins) of images (N, H, W): overlapping cells, signed orientation, bilinear in angle.

    Every cell's histogram is divided by the length of the whole feature. Raises ValueError unless images is 3-D.
    """
    if images.ndim != 3:
        raise ValueError(f"images must be 3-D, got {images.ndim} dimensions")
    positive(cell=cell, bins=bins, stride=stride)
    gy, gx = np.gradient(np.asarray(images, float), axis=(1, 2))
    size = np.hypot(gy, gx)
    at = (np.arctan2(gy, gx) / (2 * np.pi) % 1.0) * bins
    low = np.floor(at).astype(int)
    part = at - low
    votes = np.zeros((*images.shape, bins))
    for shift, weight in ((0, 1 - part), (1, part)):
        votes += np.eye(bins)[(low + shift) % bins] * (size * weight)[..., None]
    corners = [range(0, n - cell + 1, stride) for n in images.shape[1:]]
    cells = [votes[:, y : y + cell, x : x + cell].sum((1, 2)) for y in corners[0] for x in corners[1]]
    features = np.concatenate(cells, axis=1)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
