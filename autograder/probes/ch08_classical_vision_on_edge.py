"""Probes of chapter 8: image functions, which can't be sent as data, are made here by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def _correlate(kernel: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A filter with wrapping borders that leaves its argument alone."""
    mid_y, mid_x = kernel.shape[0] // 2, kernel.shape[1] // 2

    def fn(img: np.ndarray) -> np.ndarray:
        img = np.asarray(img, float)
        shifted = [weight * np.roll(img, (mid_y - i, mid_x - j), (0, 1)) for (i, j), weight in np.ndenumerate(kernel)]
        return np.sum(shifted, axis=0)

    return fn


def _neighbours(img: np.ndarray) -> np.ndarray:
    return np.stack([np.roll(img, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)])


def _equalised(img: np.ndarray) -> np.ndarray:
    order = np.argsort(img, axis=None, kind="stable")
    ranks = np.empty(img.size)
    ranks[order] = np.arange(img.size)
    return ranks.reshape(img.shape) / img.size


_SOBEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
_UNEVEN = np.array([[0.1, 0.2, 0.3], [0.4, -0.7, 0.6], [0.7, 0.8, -0.9]])
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Sobel": _correlate(_SOBEL), "an uneven kernel": _correlate(_UNEVEN), "zero": lambda img: np.zeros(np.shape(img)),
    "a shift": lambda img: np.roll(np.asarray(img, float), (2, -1), (0, 1)),
    "identity": lambda img: np.array(img, float),
    "times -3": lambda img: -3.0 * np.asarray(img, float), "a large blur": _correlate(np.full((7, 7), 1 / 49)),
    "3 x 3 median": lambda img: np.median(_neighbours(np.asarray(img, float)), axis=0),
    "x + 1": lambda img: np.asarray(img, float) + 1, "absolute value": lambda img: np.abs(np.asarray(img, float)),
    "gamma": lambda img: np.sign(img) * np.abs(np.asarray(img, float)) ** 0.5,
    "gradient magnitude": lambda img: np.hypot(_correlate(_SOBEL)(img), _correlate(_SOBEL.T)(img)),
    "histogram equalisation": lambda img: _equalised(np.asarray(img, float)),
    "a gain for each column": lambda img: np.asarray(img, float) * np.linspace(0.5, 2, np.shape(img)[1]),
    "a vignette": lambda img: np.asarray(img, float) * np.outer(*(np.hanning(n + 2)[1:-1] for n in np.shape(img))),
    "a mirror": lambda img: np.asarray(img, float)[:, ::-1].copy(),
    "rounding": lambda img: np.round(np.asarray(img, float)),
    "3 x 3 maximum": lambda img: _neighbours(np.asarray(img, float)).max(0),
    "clipping": lambda img: np.clip(np.asarray(img, float), 0, None),
    "a faint vignette": lambda img: np.asarray(img, float) * (1 - 0.1 * np.linspace(-1, 1, len(img))[:, None] ** 2),
    "a little of its square": lambda img: np.asarray(img, float) + 0.05 * np.asarray(img, float) ** 2,
    "less its mean": lambda img: np.asarray(img, float) - np.mean(img),
    "Sobel with zeros outside": lambda img: _correlate(_SOBEL)(np.pad(np.asarray(img, float), 2))[2:-2, 2:-2],
}


def lsi(answer: Callable, name: str, seed: int = 0) -> Any:
    """Is the function called `name` linear and shift-invariant?"""
    return answer(FUNCTIONS[name], np.random.default_rng(seed))


def impulse(answer: Callable, kernel: Sequence, k: int, gain: float = 1.0) -> Any:
    """The kernel of a filter that is known by its responses alone."""
    fn = _correlate(gain * np.asarray(kernel, float))
    return answer(fn, k)
