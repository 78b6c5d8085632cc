"""The median of nine values by 19 compare-exchanges (Smith, 1996; Paeth, 1990): no sorting, no branches."""

from __future__ import annotations

import numpy as np

# Each pair (i, j) puts the smaller value at i and the larger one at j; afterwards the median is at 4.
MEDIAN9_NETWORK: tuple[tuple[int, int], ...] = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3), (5, 8), (4, 7), (3, 6), (1, 4),
    (2, 5), (4, 7), (4, 2), (6, 4), (4, 2))


def median9(img: np.ndarray) -> np.ndarray:
    """The 3 x 3 median of an image (H, W), borders wrapped, by minimum and maximum of whole images. Keeps the dtype.

    Raises ValueError unless the image is 2-D.

    >>> median9(np.arange(9).reshape(3, 3)).tolist()
    [[4, 4, 4], [4, 4, 4], [4, 4, 4]]
    """
    if img.ndim != 2:
        raise ValueError(f"img must be 2-D, got {img.ndim} dimensions")
    planes = [np.roll(img, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    for i, j in MEDIAN9_NETWORK:
        planes[i], planes[j] = np.minimum(planes[i], planes[j]), np.maximum(planes[i], planes[j])
    return planes[4]
