"""Answers that say nothing, each of which every exercise must refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..exercise import Exercise
from ..probes.plain import to_plain


def fillers(exercise: Exercise) -> dict[str, Any]:
    """The stub, `pass`, `None`, the identity, zeros and noise of the right shape, as answers."""
    reference = exercise.reference
    parts = reference if isinstance(reference, tuple) else (reference,)
    made: dict[str, Any] = {
        "stub": [_always(part, _not_written) for part in parts],
        "pass": [_always(part, lambda *a, **k: None) for part in parts],
        "identity": [_always(part, _identity) for part in parts],
        "zeros": [_mapped(part, zeros_like) for part in parts],
        "noise": [_mapped(part, noise_like) for part in parts],
    }
    found = {name: tuple(p) if isinstance(reference, tuple) else p[0] for name, p in made.items()}
    return {**found, "None": None}


def _not_written(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError


def _identity(*args: Any, **kwargs: Any) -> Any:
    return args[0] if args else None


def _always(part: Any, behaviour: Callable) -> Any:
    """A function, or a class all of whose public methods behave so."""
    if not isinstance(part, type):
        return lambda *args, **kwargs: behaviour(*args, **kwargs)
    body: dict[str, Any] = {"__init__": lambda self, *a, **k: None}
    for name in _public(part):
        body[name] = lambda self, *args, **kwargs: behaviour(*args, **kwargs)
    body["__getattr__"] = lambda self, name: behaviour()
    return type(part.__name__, (), body)


def _mapped(part: Any, mapping: Callable[[Any], Any]) -> Any:
    """The reference with its results replaced by others of the same form."""
    if not isinstance(part, type):
        return lambda *args, **kwargs: mapping(part(*args, **kwargs))
    body: dict[str, Any] = {"__init__": lambda self, *a, **k: setattr(self, "_right", part(*a, **k))}
    for name in _public(part):
        body[name] = lambda self, *args, _name=name, **kwargs: mapping(getattr(self._right, _name)(*args, **kwargs))
    body["__getattr__"] = lambda self, name: mapping(getattr(self.__dict__["_right"], name))
    return type(part.__name__, (), body)


def _public(part: type) -> list[str]:
    keep = ("__call__", "__len__", "__iter__", "forward")
    return [n for n in dir(part) if callable(getattr(part, n, None)) and (not n.startswith("_") or n in keep)]


def zeros_like(value: Any) -> Any:
    """Plain data of the same form with nothing in it."""
    return _fill(to_plain(value), lambda: 0.0)


def noise_like(value: Any) -> Any:
    """Plain data of the same form filled with noise (seeded)."""
    rng = np.random.default_rng(0)
    return _fill(to_plain(value), lambda: float(rng.normal()) * 3)


def _fill(value: Any, number: Callable[[], float]) -> Any:
    if isinstance(value, bool):
        return number() > 0.5
    if isinstance(value, (int, float, complex)):
        return type(value)(round(number()) if isinstance(value, int) else number())
    if isinstance(value, np.ndarray):
        flat = np.array([number() for _ in range(min(value.size, 4096))] or [0.0])
        return np.resize(flat, value.shape).astype(value.dtype)
    if isinstance(value, (list, tuple)):
        return type(value)(_fill(v, number) for v in value)
    if isinstance(value, dict):
        return {k: _fill(v, number) for k, v in value.items()}
    if isinstance(value, str):
        return "x" * len(value) if number() else ""
    return None
