"""Winograd's F(2x2, 3x3) on a tile and on a whole image (Lavin and Gray, CVPR 2016)."""

from __future__ import annotations

import numpy as np

from utils.cost.flops.winograd import winograd_f2x2_3x3, winograd_multiplies


def winograd_tile(d: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, int]:
    """(2x2 outputs as float64, multiplications of the elementwise product) of a 4x4 tile d and a 3x3 kernel g.

    The outputs are correlations, as in CNNs. Raises ValueError when the shapes are not (4, 4) and (3, 3).
    """
    d, g = np.asarray(d, np.float64), np.asarray(g, np.float64)
    return winograd_f2x2_3x3(d, g), winograd_multiplies(2, 3)


def winograd_conv(x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, int]:
    """(valid 3x3 correlation of an image as float64, multiplications), by 2x2 tiles of outputs.

    An odd output size is padded to an even one and cropped, and its multiplications count. (H, W) -> (H - 2, W - 2)
    Raises ValueError for an image that is not two-dimensional or smaller than the kernel.
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or min(x.shape) < 3:
        raise ValueError(f"x must be an image of at least 3 x 3, got shape {x.shape}")
    rows, cols = x.shape[0] - 2, x.shape[1] - 2
    padded = np.pad(x, ((0, rows % 2), (0, cols % 2)))
    y, spent = np.empty((padded.shape[0] - 2, padded.shape[1] - 2)), 0
    for i in range(0, y.shape[0], 2):
        for j in range(0, y.shape[1], 2):
            y[i : i + 2, j : j + 2], count = winograd_tile(padded[i : i + 4, j : j + 4], g)
            spent += count
    return y[:rows, :cols], spent
