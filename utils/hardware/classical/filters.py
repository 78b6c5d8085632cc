"""Linear shift-invariant filters: exactly what a convolution layer with fixed weights can compute.

Borders wrap round, so that shifts are circular and the theory holds without exceptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from utils.cost.checks import positive

Filter = Callable[[np.ndarray], np.ndarray]
TOLERANCE = 1e-10  # of a singular value, relative to the largest

_GAUSS3 = np.outer([1, 2, 1], [1, 2, 1]) / 16
_GAUSS5 = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
KERNELS: Mapping[str, np.ndarray] = MappingProxyType({
    "Sobel x": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "Sobel y": np.array([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "Laplacian": np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]), "Gauss 3 × 3": _GAUSS3, "Gauss 5 × 5": _GAUSS5,
    "box 3 × 3": np.full((3, 3), 1 / 9), "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
})


def correlate_wrap(img: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlation of a 2-D image (H, W) with an odd kernel, borders wrapped; float64.

    Raises ValueError unless the image is 2-D and the kernel has odd sides.
    """
    if img.ndim != 2:
        raise ValueError(f"img must be 2-D, got {img.ndim} dimensions")
    if kernel.ndim != 2 or not (kernel.shape[0] % 2 and kernel.shape[1] % 2):
        raise ValueError(f"kernel must be an odd kernel, got sides {kernel.shape}")
    mid_y, mid_x = kernel.shape[0] // 2, kernel.shape[1] // 2
    out = np.zeros(img.shape)
    for (i, j), weight in np.ndenumerate(kernel):
        out += weight * np.roll(img, (mid_y - i, mid_x - j), (0, 1))
    return out


@dataclass(frozen=True)
class LsiReport:
    """Whether superposition and shift held, and the largest relative deviation of each."""

    superposition: bool
    shift: bool
    worst_superposition: float
    worst_shift: float

    @property
    def ok(self) -> bool:
        return self.superposition and self.shift


def is_linear_shift_invariant(fn: Filter, size: int = 16, trials: int = 5, seed: int = 0,
                              atol: float = 1e-6) -> LsiReport:
    """Test f(a p + b q) = a f(p) + b f(q) and f(shifted p) = shifted f(p) on drawn real images.

    Passing is no proof; failing is one. Deviations are relative to the largest value.
    """
    positive(size=size, trials=trials)
    rng = np.random.default_rng(seed)
    worst = [0.0, 0.0]
    for _ in range(trials):
        p, q = rng.normal(size=(2, size, size))
        a, b = rng.normal(size=2)
        shift = tuple(int(s) for s in rng.integers(1, size, 2))
        pairs = ((fn(a * p + b * q), a * fn(p) + b * fn(q)),
                 (fn(np.roll(p, shift, (0, 1))), np.roll(fn(p), shift, (0, 1))))
        for i, (got, want) in enumerate(pairs):
            worst[i] = max(worst[i], float(np.abs(got - want).max() / max(1.0, np.abs(want).max())))
    return LsiReport(worst[0] <= atol, worst[1] <= atol, *worst)


def is_lsi(fn: Filter, rng: np.random.Generator) -> bool:
    """Whether fn behaves like a linear shift-invariant filter on images drawn from rng."""
    return is_linear_shift_invariant(fn, seed=int(rng.integers(2**31))).ok


def impulse_kernel(fn: Filter, radius: int) -> np.ndarray:
    """The correlation kernel (2r + 1, 2r + 1) of a linear shift-invariant filter, read from a unit impulse.

    The response is the kernel turned by 180 degrees. Raises ValueError for a negative radius.
    """
    if radius < 0:
        raise ValueError(f"radius must not be negative, got {radius}")
    side = 4 * radius + 4
    img = np.zeros((side, side))
    middle = side // 2
    img[middle, middle] = 1.0
    near = slice(middle - radius, middle + radius + 1)
    return np.asarray(fn(img), float)[near, near][::-1, ::-1].copy()


def kernel_from_impulse(fn: Filter, k: int) -> np.ndarray:
    """The k x k correlation kernel of fn, k odd."""
    if k % 2 == 0 or k < 1:
        raise ValueError(f"k must be odd, got {k}")
    return impulse_kernel(fn, k // 2)


def separable_terms(kernel: np.ndarray, tol: float = TOLERANCE) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs (column, row) whose outer products add up to the kernel: as few as its rank (singular values)."""
    u, s, vt = np.linalg.svd(np.asarray(kernel, float))
    rank = int((s > tol * s.max(initial=0)).sum()) if s.max(initial=0) > 0 else 0
    return [(u[:, i] * s[i], vt[i]) for i in range(rank)]


def macs_per_pixel(kernel: np.ndarray, separable: bool) -> int:
    """Multiply-accumulates for a pixel: kh kw directly, rank (kh + kw) as passes of columns and rows."""
    kh, kw = np.shape(kernel)
    return len(separable_terms(kernel)) * (kh + kw) if separable else kh * kw


def separable_cost(kernel: np.ndarray) -> tuple[int, int]:
    """(rank, multiply-accumulates for a pixel of the cheaper form); (0, 0) for a kernel of zeros.

    >>> [separable_cost(KERNELS[n]) for n in ("Sobel x", "Laplacian")]
    [(1, 6), (2, 9)]
    """
    rank = len(separable_terms(kernel))
    return rank, min(macs_per_pixel(kernel, False), macs_per_pixel(kernel, True)) if rank else 0
