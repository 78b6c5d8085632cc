"""Probe of chapter 50: how many products of input by kernel an answer forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Traced:
    """A number made from the input, from the kernel, or from both.

    Products of two such numbers are counted where both input and kernel have a part in them; products with constants
    are not.
    """

    __array_priority__ = 1000

    def __init__(self, value: float, made_of: frozenset, products: list[int]) -> None:
        self.value, self.made_of, self.products = value, made_of, products

    def _joined(self, value: float, other: Any) -> Traced:
        more = other.made_of if isinstance(other, Traced) else frozenset()
        return Traced(value, self.made_of | more, self.products)

    def __add__(self, other: Any) -> Traced:
        return self._joined(self.value + _value(other), other)

    def __sub__(self, other: Any) -> Traced:
        return self._joined(self.value - _value(other), other)

    def __rsub__(self, other: Any) -> Traced:
        return self._joined(_value(other) - self.value, other)

    def __mul__(self, other: Any) -> Traced:
        if isinstance(other, Traced) and len(self.made_of | other.made_of) > 1:
            self.products[0] += 1
        return self._joined(self.value * _value(other), other)

    def __truediv__(self, other: Any) -> Traced:
        return self._joined(self.value / _value(other), other)

    def __neg__(self) -> Traced:
        return Traced(-self.value, self.made_of, self.products)

    def __float__(self) -> float:
        return float(self.value)

    __radd__, __rmul__ = __add__, __mul__


def _value(number: Any) -> float:
    return number.value if isinstance(number, Traced) else float(number)


def counted_products(answer: Callable, seed: int) -> dict:
    """Call the answer with a 4x4 input and a 3x3 kernel of traced numbers; how many of their products it formed.

    An answer that turns them into ordinary floats first, or can't work with them, gives what was counted until then.
    """
    rng, products = np.random.default_rng(seed), [0]

    def traced(shape: tuple[int, int], made_of: str) -> np.ndarray:
        numbers = np.empty(shape, object)
        for at in np.ndindex(shape):
            numbers[at] = Traced(float(rng.integers(1, 9)), frozenset([made_of]), products)
        return numbers

    try:
        answer(traced((4, 4), "input"), traced((3, 3), "kernel"))
    except Exception:
        return {"products": products[0]}
    return {"products": products[0]}
