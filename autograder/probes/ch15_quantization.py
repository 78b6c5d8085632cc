"""Probes of chapter 15: two functions that belong together, and integers that notice when they become floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .ask import ProbeError
from .plain import to_plain


def pack(answer: Sequence[Callable], values: np.ndarray) -> Any:
    """What the first of the two functions makes of `values`."""
    return _pair(answer)[0](values.copy())


def unpack(answer: Sequence[Callable], data: np.ndarray, n: int) -> Any:
    """What the second of the two functions makes of `data` and `n`."""
    return _pair(answer)[1](data.copy(), n)


def _pair(answer: Any) -> Sequence[Callable]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2 or not all(map(callable, answer)):
        raise ProbeError("expected two functions, pack_int4 and unpack_int4")
    return answer


def integers_only(answer: Callable, acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> dict:
    """The codes, and in which operations the accumulators (or what was computed from them) became floats."""
    seen: list[str] = []
    watched = acc.copy().view(Watched)
    watched.seen = seen
    codes = to_plain(answer(watched, multiplier, zero_point, qmin, qmax))
    return {"codes": codes, "floats": list(dict.fromkeys(seen))}


class Watched(np.ndarray):
    """An integer array that notes the operations whose result is a float array; its results are watched too."""

    seen: list[str]

    def __array_finalize__(self, other: Any) -> None:
        self.seen = getattr(other, "seen", [])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(i) if isinstance(i, Watched) else i for i in inputs]
        outs = options.get("out", ())
        if outs:
            options["out"] = tuple(np.asarray(o) if isinstance(o, Watched) else o for o in outs)
        result = getattr(ufunc, method)(*plain, **options)
        if not isinstance(result, (np.ndarray, np.generic)):
            return result
        if np.asarray(result).dtype.kind == "f":
            self.seen.append(ufunc.__name__)
        return outs[0] if outs else self._watch(result)

    def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
        if np.dtype(dtype).kind == "f":
            self.seen.append("astype")
        return self._watch(np.asarray(self).astype(dtype, *args, **options))

    def __iter__(self) -> Iterator:
        rows = np.asarray(self)
        return iter([self._watch(row) if rows.ndim > 1 else self._number(row) for row in rows])

    def tolist(self) -> list:
        return [row.tolist() if isinstance(row, Watched) else row for row in self]

    def _watch(self, value: Any) -> Any:
        watched = np.asarray(value).view(Watched)
        watched.seen = self.seen
        return watched

    def _number(self, value: np.generic) -> Any:
        if value.dtype.kind not in "iu":
            return value
        number = WatchedInt(value)
        number.seen = self.seen
        return number


class WatchedInt(int):
    """An element of a watched array: a Python integer that notes when it meets a float or is divided."""

    seen: list[str]

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, (float, np.floating)):
            self.seen.append("multiply")
        return int(self) * other

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        self.seen.append("divide")
        return int(self) / other

    def __float__(self) -> float:
        self.seen.append("float")
        return float(int(self))
