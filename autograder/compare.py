"""Comparators: does a plain value agree with the expected one, and if not, how does it differ?

A comparator is called as `compare(expected, got, case)` with plain data and returns None for
agreement or a short phrase for the table ("shape (3,), expected (2, 3)"). Numbers compare by value
(`3` equals `np.int64(3)` and `3.0`), booleans only with booleans, lists and tuples alike; arrays by
shape, dtype and value; NaN equals NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .probes.plain import Opaque

Comparator = Callable[[Any, Any, Any], "str | None"]


def exact(*, dtype: bool = True, signed_zero: bool = False) -> Comparator:
    """Equal values. `dtype=False` ignores the width of an array's dtype (its kind must still agree);
    `signed_zero=True` tells 0.0 from -0.0."""

    def compare(expected: Any, got: Any, case: Any = None) -> str | None:
        return _walk(expected, got, lambda e, g: _equal_numbers(e, g, signed_zero), "same" if dtype else "kind")

    return _with_same(compare, compare)


def close(rtol: float = 1e-9, atol: float = 0.0, *, dtype: str = "kind") -> Comparator:
    """Numbers within `atol + rtol * abs(expected)`; everything else equal.

    dtype: "same" (arrays must have the expected dtype), "kind" (float with float, integers with
    integers) or "any" (an array of integers may stand for one of floats, a list for an array).
    """

    def compare(expected: Any, got: Any, case: Any = None) -> str | None:
        return _walk(expected, got, lambda e, g: _near_numbers(e, g, rtol, atol), dtype)

    return _with_same(compare, compare)


def prop(
    judge: Callable[[Any, Any, Any], str | bool | None], same: Comparator | None = None
) -> Comparator:
    """A property instead of a value: `judge(case, expected, got)` returns None or True when it holds,
    a phrase (or False) when it does not. Exceptions inside it count as "not of the expected form".

    same: says whether two answers agree (a learner's with a misconception's); values within 1e-6
    by default."""

    def compare(expected: Any, got: Any, case: Any = None) -> str | None:
        try:
            verdict = judge(case, expected, got)
        except Exception:
            return f"{brief(got)} is not of the expected form"
        if verdict is False:
            return "the property does not hold"
        return None if verdict is True or verdict is None else str(verdict)

    return _with_same(compare, same or close(1e-6, 1e-9, dtype="any"))


def _with_same(compare: Comparator, same: Comparator) -> Comparator:
    compare.same = same
    return compare


# --- walking two plain values side by side ----------------------------------------------------


def _walk(expected: Any, got: Any, numbers: Callable, dtype: str) -> str | None:
    if isinstance(got, Opaque):
        return f"a {got.type_name}" + (f" ({got.note})" if got.note else "") + ", expected " + kind_of(expected)
    if isinstance(expected, np.ndarray):
        return _arrays(expected, got, numbers, dtype)
    if isinstance(expected, (list, tuple)):
        return _sequences(expected, got, numbers, dtype)
    if isinstance(expected, dict):
        return _dicts(expected, got, numbers, dtype)
    if isinstance(got, np.ndarray) and got.ndim == 0 and isinstance(expected, (int, float, complex)):
        got = got.item()
    if isinstance(expected, bool) or isinstance(got, bool):
        if isinstance(expected, bool) and isinstance(got, bool) and expected == got:
            return None
        return _other(expected, got)
    if _is_number(expected) and _is_number(got):
        return None if numbers(expected, got) else f"{brief(got)}, expected {brief(expected)}"
    if type(expected) is type(got) and expected == got:
        return None
    return _other(expected, got)


def _other(expected: Any, got: Any) -> str:
    if type(expected) is type(got) or (_is_number(expected) and _is_number(got)):
        return f"{brief(got)}, expected {brief(expected)}"
    return f"{kind_of(got)} ({brief(got)}), expected {kind_of(expected)}"


def _sequences(expected: Any, got: Any, numbers: Callable, dtype: str) -> str | None:
    if isinstance(got, np.ndarray):
        got = got.tolist()
    if not isinstance(got, (list, tuple)):
        return f"{kind_of(got)}, expected {kind_of(expected)}"
    if len(expected) != len(got):
        return f"{len(got)} items, expected {len(expected)}"
    for i, (e, g) in enumerate(zip(expected, got)):
        found = _walk(e, g, numbers, dtype)
        if found:
            return f"item {i}: {found}"
    return None


def _dicts(expected: dict, got: Any, numbers: Callable, dtype: str) -> str | None:
    if not isinstance(got, dict):
        return f"{kind_of(got)}, expected a dict"
    missing = [k for k in expected if k not in got]
    extra = [k for k in got if k not in expected]
    if missing:
        return f"key {missing[0]!r} is missing"
    if extra:
        return f"key {extra[0]!r} is not asked for"
    for k, e in expected.items():
        found = _walk(e, got[k], numbers, dtype)
        if found:
            return f"{k!r}: {found}"
    return None


def _arrays(expected: np.ndarray, got: Any, numbers: Callable, dtype: str) -> str | None:
    if isinstance(got, (list, tuple, int, float)) and (dtype == "any" or expected.ndim == 0):
        try:
            got = np.asarray(got)
        except ValueError:
            return "a ragged list, expected an array"
    if not isinstance(got, np.ndarray):
        return f"{kind_of(got)}, expected an array of shape {expected.shape}"
    if got.shape != expected.shape:
        return f"shape {got.shape}, expected {expected.shape}"
    if dtype == "same" and got.dtype != expected.dtype:
        return f"dtype {got.dtype}, expected {expected.dtype}"
    if dtype == "kind" and _kind(got) != _kind(expected):
        return f"dtype {got.dtype}, expected {expected.dtype}"
    if got.dtype.kind not in "biufc":
        return f"dtype {got.dtype}, expected {expected.dtype}"
    wrong = ~np.asarray(numbers(expected, got))
    count = int(np.count_nonzero(wrong))
    if count == 0:
        return None
    if expected.size == 1:
        return f"{brief(got.item())}, expected {brief(expected.item())}"
    at = tuple(int(i[0]) for i in np.nonzero(wrong))
    place = at[0] if len(at) == 1 else at
    first = f"at {place}: {brief(got[at].item())}, expected {brief(expected[at].item())}"
    return f"{count:,} of {expected.size:,} differ; {first}"


def _equal_numbers(e: Any, g: Any, signed_zero: bool) -> Any:
    if isinstance(e, np.ndarray):
        same = e == g
        if e.dtype.kind in "fc" or g.dtype.kind in "fc":
            same |= np.isnan(e) & np.isnan(g)
            if signed_zero:
                same &= (np.signbit(np.real(e)) == np.signbit(np.real(g))) | np.isnan(np.real(e))
        return same
    if e != e or g != g:
        return e != e and g != g
    if signed_zero and e == 0 == g:
        return math.copysign(1, e) == math.copysign(1, g)
    return e == g


def _near_numbers(e: Any, g: Any, rtol: float, atol: float) -> Any:
    if isinstance(e, np.ndarray):
        if e.dtype.kind == "b":
            return e == g
        e, g = (np.asarray(a, np.complex128 if a.dtype.kind == "c" else np.float64) for a in (e, g))
        with np.errstate(invalid="ignore", over="ignore"):
            return np.isclose(g, e, rtol=rtol, atol=atol, equal_nan=True)
    if e != e or g != g:
        return e != e and g != g
    try:
        if abs(e) == math.inf or abs(g) == math.inf:
            return e == g
        return abs(e - g) <= atol + rtol * abs(e)
    except OverflowError:
        return False


def _is_number(value: Any) -> bool:
    return type(value) in (int, float, complex)


def _kind(array: np.ndarray) -> str:
    return {"b": "b", "i": "i", "u": "i", "f": "f", "c": "c"}.get(array.dtype.kind, "?")


# --- telling a value ---------------------------------------------------------------------------


def kind_of(value: Any) -> str:
    """A value's kind in words: "a list of 3", "an array of shape (2, 3)", "None"."""
    if value is None:
        return "None"
    if isinstance(value, Opaque):
        return f"a {value.type_name}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    names = {bool: "a bool", int: "an int", float: "a float", str: "a string", dict: "a dict", bytes: "bytes"}
    return names.get(type(value), f"a {type(value).__name__}")


def brief(value: Any, limit: int = 70) -> str:
    """A value on one line, at most `limit` characters."""
    if isinstance(value, float):
        text = f"{value:.10g}"
        text = text if any(c in text for c in ".ein") else text + ".0"
    elif isinstance(value, np.ndarray):
        text = _brief_array(value)
    elif isinstance(value, (list, tuple)):
        inner = ", ".join(brief(v, limit) for v in value[:12]) + (", …" if len(value) > 12 else "")
        if isinstance(value, tuple):
            text = f"({inner},)" if len(value) == 1 else f"({inner})"
        else:
            text = f"[{inner}]"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{k!r}: {brief(v, limit)}" for k, v in list(value.items())[:12]) + "}"
    elif isinstance(value, Opaque):
        text = f"<{value.type_name}>"
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 100_000:
        text = f"{value:_}" if abs(value) < 10**30 else "an int of more than 30 digits"
    else:
        text = repr(value) if not isinstance(value, (str, bytes)) or len(value) < 200 else repr(value[:200])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _brief_array(value: np.ndarray) -> str:
    if value.size > 16:
        return f"array of shape {value.shape}, {value.dtype}"
    return np.array2string(value, separator=", ", precision=6, threshold=16).replace("\n", "")
