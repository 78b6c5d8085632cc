"""Probe of chapter 37: two vectors of signs, with a look at what is packed and what goes over them value by value."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def packed(answer: Callable, n: int, seed: int = 0) -> dict[str, Any]:
    """Call `answer(a, b)` with n random signs each.

    Returns its value; how many entries went through np.packbits; and how many element-wise operations took an array
    of at least n entries from a together with one from b.
    """
    rng = np.random.default_rng(seed)
    a, b = (np.where(rng.random(n) < 0.5, 1, -1).view(Traced) for _ in range(2))
    a.origin, b.origin, told = frozenset("a"), frozenset("b"), {"long_pairs": 0}
    with _counted_packing(answer) as bits, _watching(n, told):
        value = answer(a, b)
    return {"value": value, "bits_packed": bits[0], "long_pairs": told["long_pairs"]}


class Traced(np.ndarray):
    """An array that knows from which of the two vectors it comes."""

    origin: frozenset = frozenset()
    watch: tuple[int, dict] | None = None

    def __array_finalize__(self, parent: Any) -> None:
        self.origin = getattr(parent, "origin", frozenset())

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        origins = [x.origin for x in inputs if isinstance(x, Traced)]
        if Traced.watch is not None:
            n, told = Traced.watch
            long = {x.origin for x in inputs if isinstance(x, Traced) and x.size >= n}
            told["long_pairs"] += len(long) > 1
        plain = [np.asarray(x) if isinstance(x, Traced) else x for x in inputs]
        if "out" in kwargs:
            kwargs["out"] = tuple(np.asarray(x) if isinstance(x, Traced) else x for x in kwargs["out"])
        result = getattr(ufunc, method)(*plain, **kwargs)
        if type(result) is not np.ndarray:
            return result
        traced = result.view(Traced)
        traced.origin = frozenset().union(*origins)
        return traced


@contextlib.contextmanager
def _watching(n: int, told: dict) -> Iterator[None]:
    Traced.watch = (n, told)
    try:
        yield
    finally:
        Traced.watch = None


@contextlib.contextmanager
def _counted_packing(answer: Callable) -> Iterator[list[int]]:
    """Count the entries that np.packbits takes, also under a name of its own in the answer's cell."""
    original, bits = np.packbits, [0]

    def packbits(a: Any, *args: Any, **kwargs: Any) -> Any:
        bits[0] += int(np.size(a))
        return original(a, *args, **kwargs)

    cell = getattr(answer, "__globals__", {})
    names = [name for name, value in cell.items() if value is original]
    np.packbits = packbits
    cell.update(dict.fromkeys(names, packbits))
    try:
        yield bits
    finally:
        np.packbits = original
        cell.update(dict.fromkeys(names, original))
