"""Winograd's minimal filtering F(2x2, 3x3): the same 3x3 convolution with 16 instead of 36 multiplications.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.1.
"""

from __future__ import annotations

import numpy as np

from utils.cost.checks import positive


def winograd_filter(g: np.ndarray) -> np.ndarray:
    """U = G g G^T: a 3x3 filter in the transform domain, computed once per filter. (3, 3) -> (4, 4)"""

    def columns(g: np.ndarray) -> np.ndarray:  # (3, n) -> (4, n)
        ends = g[0] + g[2]
        return np.stack([g[0], (ends + g[1]) / 2, (ends - g[1]) / 2, g[2]])

    return columns(columns(g).T).T


def winograd_tile(d: np.ndarray, u: np.ndarray) -> np.ndarray:
    """A^T [U * (B^T d B)] A: four outputs of one 4x4 input tile; B and A hold only 0 and +-1. -> (2, 2)"""

    def spread(d: np.ndarray) -> np.ndarray:  # B^T d, (4, n) -> (4, n)
        return np.stack([d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]])

    def gather(m: np.ndarray) -> np.ndarray:  # A^T m, (4, n) -> (2, n)
        return np.stack([m[0] + m[1] + m[2], m[1] - m[2] - m[3]])

    v = spread(spread(d).T).T  # (4, 4)
    return gather(gather(u * v).T).T


def winograd_f2x2_3x3(d: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Valid 3x3 correlation of a 4x4 tile `d` with the filter `g`, as (2, 2).

    Raises ValueError when the shapes are not (4, 4) and (3, 3).
    """
    d, g = np.asarray(d), np.asarray(g)
    if d.shape != (4, 4):
        raise ValueError(f"d must have shape (4, 4), got {d.shape}")
    if g.shape != (3, 3):
        raise ValueError(f"g must have shape (3, 3), got {g.shape}")
    return winograd_tile(d, winograd_filter(g))


def winograd_multiplies(m: int, r: int) -> int:
    """Multiplications of F(m x m, r x r) for its m x m outputs: (m + r - 1)^2, transforms left out."""
    positive(m=m, r=r)
    return (m + r - 1) ** 2


def winograd_speedup(m: int, r: int) -> float:
    """Multiplications of the direct form over Winograd's: (m r)^2 / (m + r - 1)^2.

    >>> winograd_speedup(2, 3), winograd_speedup(4, 3)
    (2.25, 4.0)
    """
    return (m * r) ** 2 / winograd_multiplies(m, r)
