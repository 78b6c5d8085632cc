"""Probes of chapter 03: one call for many words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def all_words(answer: Callable, exp_bits: int, man_bits: int) -> np.ndarray:
    """The values that a decoder gives to every word of a format, in the order of the words."""
    return np.array([float(answer(word, exp_bits, man_bits)) for word in range(2 ** (1 + exp_bits + man_bits))])
