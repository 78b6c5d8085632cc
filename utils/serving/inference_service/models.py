"""The models of a service: several versions under one name, swapped while requests run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

Feeds = Mapping[str, np.ndarray]
Function = Callable[[np.ndarray], np.ndarray]


class BadInput(ValueError):
    """The request's tensors do not fit the model: the client's mistake, answered with 400."""


@dataclass
class ModelVersion:
    """One loaded model: `run(feeds) -> outputs`, both by name. `users` counts the requests that hold it."""

    name: str
    version: int
    inputs: tuple[str, ...]
    run: Callable[[Feeds], dict[str, np.ndarray]]
    warm_up: Callable[[], None] | None
    users: int = 0
    service_s: float = 0.0  # an estimate of one run, in s; 0 before the first
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, seconds: float) -> None:
        """Let the estimate of one run follow what was measured (an exponential average, 1/8 a run)."""
        with self._lock:
            self.service_s = seconds if not self.service_s else self.service_s + (seconds - self.service_s) / 8


def make_version(name: str, version: int, model: ModelProto | bytes | str | Path | Function) -> ModelVersion:
    """Build a version from an ONNX model (bytes, path, ModelProto) or from a function array -> array.

    A function has one input "input" and one output "output"; it may be called from several threads at once, and has no
    warm-up unless it brings one as its attribute `warm_up`.
    """
    if callable(model) and not hasattr(model, "SerializeToString"):
        def call(feeds: Feeds) -> dict[str, np.ndarray]:
            return {"output": np.asarray(model(feeds["input"]))}

        return ModelVersion(name, version, ("input",), call, getattr(model, "warm_up", None))
    return _onnx_version(name, version, model)


def _onnx_version(name: str, version: int, model: ModelProto | bytes | str | Path) -> ModelVersion:
    from utils.graphs.onnx_tools import make_session

    session = make_session(model, threads=1, optimize=True)
    specs = {i.name: (_dtype(i.type), [d if isinstance(d, int) else None for d in i.shape])
             for i in session.get_inputs()}
    outputs = [o.name for o in session.get_outputs()]

    def run(feeds: Feeds) -> dict[str, np.ndarray]:
        fitted = {n: _fit(n, feeds[n], *specs[n]) for n in specs}
        return dict(zip(outputs, session.run(outputs, fitted)))

    def warm_up() -> None:
        run({n: np.ones([d or 1 for d in shape], dtype) for n, (dtype, shape) in specs.items()})

    return ModelVersion(name, version, tuple(specs), run, warm_up)


def _dtype(onnx_type: str) -> np.dtype:
    names = {"float": "float32", "double": "float64", "bool": "bool", "float16": "float16"}
    word = onnx_type.removeprefix("tensor(").removesuffix(")")
    return np.dtype(names.get(word, word if word.startswith(("int", "uint")) else "O"))


def _fit(name: str, array: np.ndarray, dtype: np.dtype, shape: list[int | None]) -> np.ndarray:
    """The array in the model's dtype, if its shape fits."""
    if array.ndim != len(shape) or any(want is not None and want != got for want, got in zip(shape, array.shape)):
        raise BadInput(f"input {name!r} must have the shape {shape}, got {list(array.shape)}")
    return np.ascontiguousarray(array, dtype)


class ModelStore:
    """All versions by name. The default version of a name is the one that was loaded last."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[int, ModelVersion]] = {}
        self._default: dict[str, int] = {}
        self._changed = threading.Condition()

    def next_version(self, name: str) -> int:
        with self._changed:
            return max(self._versions.get(name, {0: None})) + 1

    def add(self, made: ModelVersion) -> None:
        """Make a version answer. From this instant it is the default of its name."""
        with self._changed:
            self._versions.setdefault(made.name, {})[made.version] = made
            self._default[made.name] = made.version

    def set_default(self, name: str, version: int) -> None:
        """Let another loaded version answer the requests that name none. KeyError for one that is not loaded."""
        with self._changed:
            self._find(name, version)
            self._default[name] = version

    def remove(self, name: str, version: int, timeout_s: float) -> None:
        """Take a version away once no request holds it. ValueError for the default; TimeoutError."""
        with self._changed:
            gone = self._find(name, version)
            if self._default[name] == version:
                raise ValueError(f"version must not be the one that answers, got {version} of {name!r}")
            del self._versions[name][version]
            if not self._changed.wait_for(lambda: gone.users == 0, timeout_s):
                raise TimeoutError(f"version {version} of {name!r} is still in use after {timeout_s:g} s")

    def listing(self) -> dict[str, dict]:
        with self._changed:
            return {n: {"versions": sorted(v), "default": self._default[n]} for n, v in self._versions.items()}

    @contextmanager
    def hold(self, name: str, version: int | None) -> Iterator[ModelVersion]:
        """A version (None: the default) that stays loaded inside the block. KeyError if there is none."""
        with self._changed:
            held = self._find(name, version)
            held.users += 1
        try:
            yield held
        finally:
            with self._changed:
                held.users -= 1
                self._changed.notify_all()

    def _find(self, name: str, version: int | None) -> ModelVersion:
        versions = self._versions.get(name, {})
        wanted = self._default.get(name) if version is None else version
        if wanted not in versions:
            raise KeyError(f"model {name!r} has no version {version}" if versions else f"no model {name!r}")
        return versions[wanted]
