"""Probes of chapter 46: scores that can be read once, and a watch over memory, products and tiles."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import common


class ReadTwice(RuntimeError):
    """A score was asked for again."""


class TooManyAtOnce(RuntimeError):
    """A slice is longer than a block."""


class OnePass:
    """Scores that know `len` and slices: left to right, each score once, at most `block` at a time."""

    def __init__(self, scores: np.ndarray, block: int) -> None:
        self._scores, self._block, self._next = scores, block, 0

    def __len__(self) -> int:
        return len(self._scores)

    def __getitem__(self, key: Any) -> np.ndarray:
        if not isinstance(key, slice) or key.step not in (None, 1):
            raise TypeError("x knows len(x) and slices like x[0:4], nothing else")
        start, stop, _ = key.indices(len(self._scores))
        if stop > start < self._next:
            raise ReadTwice(f"x[{start}:{stop}] was asked for, but the scores before {self._next} were read already")
        if stop - start > self._block:
            raise TooManyAtOnce(f"x[{start}:{stop}] holds {stop - start} scores, at most {self._block} are allowed")
        self._next = max(self._next, stop)
        return self._scores[start:stop].copy()


def one_pass(answer: Callable, x: np.ndarray, block: int) -> Any:
    """Call the answer with scores that can be read in one pass only."""
    return answer(OnePass(np.asarray(x, np.float64), block), block)


# --- memory -----------------------------------------------------------------------------------


def peak_memory(answer: Callable, args: Sequence = ()) -> dict:
    """`common.peak_memory` with one torch thread: thousands of small tiles would wait for each other."""
    with _one_thread():
        return common.peak_memory(answer, args)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# --- products ---------------------------------------------------------------------------------

_PRODUCTS = ("matmul", "mm", "bmm", "mv", "dot", "inner", "tensordot", "einsum", "vecdot", "matvec", "vecmat", "addmm",
             "addbmm", "baddbmm", "linear", "__matmul__", "__rmatmul__", "__imatmul__")


def products(answer: Callable, n_q: int, n_k: int, d: int, dv: int, block_q: int, block_k: int, causal: bool = False,
             seed: int = 0) -> dict[str, int]:
    """Call a forward pass on random inputs; how many numbers its largest product of matrices holds.

    Products of NumPy arrays are seen where they descend from q, k or v, torch's everywhere. Choose d and dv
    below both block sizes, so that a tile of scores is the largest product that is needed.
    """
    rng = np.random.default_rng(seed)
    inputs = [rng.standard_normal(shape) for shape in ((n_q, d), (n_k, d), (n_k, dv))]
    largest = [0]
    watched = _watching(largest)
    with _one_thread(), _watched_torch(largest):
        answer(*(a.view(watched) for a in inputs), block_q, block_k, causal)
    return {"largest_product": largest[0]}


def _watching(largest: list[int]) -> type[np.ndarray]:
    """An array type whose products note their size in `largest`; everything made of it is of the type again."""

    def plain(value: Any) -> Any:
        return np.asarray(value) if isinstance(value, Watched) else value

    def noted(result: Any) -> Any:
        largest[0] = max(largest[0], int(np.size(result)))
        return result

    class Watched(np.ndarray):
        def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
            out = kwargs.pop("out", None)
            if out is not None:
                kwargs["out"] = tuple(map(plain, out))
            kwargs = {name: plain(value) for name, value in kwargs.items()}
            result = getattr(ufunc, method)(*map(plain, inputs), **kwargs)
            if ufunc.__name__ in _PRODUCTS:
                noted(result)
            if out is not None:
                return out[0] if len(out) == 1 else out
            return result.view(Watched) if type(result) is np.ndarray else result

        def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
            result = super().__array_function__(func, types, args, kwargs)
            return noted(result) if func.__name__ in _PRODUCTS else result

        def dot(self, other: Any, out: Any = None) -> Any:
            return noted(np.ndarray.dot(plain(self), plain(other))).view(Watched)

    return Watched


@contextlib.contextmanager
def _watched_torch(largest: list[int]) -> Iterator[None]:
    if "torch" not in sys.modules:
        yield
        return
    from torch.overrides import TorchFunctionMode

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if getattr(func, "__name__", "") in _PRODUCTS and hasattr(result, "numel"):
                largest[0] = max(largest[0], result.numel())
            return result

    with Watch():
        yield


# --- tiles ------------------------------------------------------------------------------------


def tiles_used(answer: Callable, n: int, d: int, block_q: int, block_k: int, causal: bool = True,
               seed: int = 0) -> dict[str, int]:
    """How many tiles of an n x n forward pass take part in its result.

    One key tile after another has NaN for its values. A tile that is skipped cannot bring it into its rows;
    one that is computed does, also where all its weights are 0 (0 times NaN is NaN).
    """
    rng = np.random.default_rng(seed)
    q, k, v = rng.standard_normal((3, n, d))
    used = tiles = 0
    for j in range(0, n, block_k):
        poisoned = v.copy()
        poisoned[j:j + block_k] = np.nan
        with _one_thread():
            o = np.asarray(answer(q.copy(), k.copy(), poisoned, block_q, block_k, causal)[0])
        hit = np.isnan(o).any(axis=1)
        for i in range(0, n, block_q):
            used, tiles = used + bool(hit[i:i + block_q].any()), tiles + 1
    return {"tiles": tiles, "used": used}
