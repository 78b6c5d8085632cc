"""What the race needs of an engine, and silence for libraries that talk on standard output."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from utils.optional import EngineUnavailable

if TYPE_CHECKING:
    from onnx import ModelProto

Arrays = Mapping[str, np.ndarray]


class Engine(ABC):
    """One inference engine behind the three calls of every engine: load a model, run it, let it go.

    `load` reads an ONNX model for a number of threads; what the engine's own format needs, it converts. `prepare`
    turns arrays (by input name, in ONNX's layout) into what the engine takes, outside of any clock. `infer` runs
    once and returns arrays by output name, in ONNX's layout, whole: nothing is left to be computed later.
    """

    name: ClassVar[str]
    distribution: ClassVar[str]  # what pip calls the package
    module: ClassVar[str]  # what Python calls it
    converts: ClassVar[str] = ""  # by what the ONNX model becomes the engine's own format; "" if it reads ONNX

    def __init__(self) -> None:
        self.threads = 0
        self.model_bytes = 0  # size of the file that the engine reads

    @abstractmethod
    def load(self, model: ModelProto, threads: int) -> None:
        """Read `model`. EngineUnavailable without the package, ValueError for a model that it can't run."""

    @abstractmethod
    def infer(self, prepared: Any) -> dict[str, np.ndarray]:
        """Run once on what `prepare` returned."""

    def prepare(self, feeds: Arrays) -> Any:
        """The inputs in the engine's own form; contiguous arrays by name unless an engine wants another one."""
        return {name: np.ascontiguousarray(value) for name, value in feeds.items()}

    def run(self, feeds: Arrays) -> dict[str, np.ndarray]:
        """`prepare` and `infer` in one call."""
        return self.infer(self.prepare(feeds))

    def close(self) -> None:
        """Let go of the model."""
        self.__dict__.update(threads=0)

    @classmethod
    def hint(cls) -> str:
        """How to get the engine."""
        return f"`pip install {cls.distribution}`"

    @classmethod
    def version(cls) -> str:
        """The installed version. EngineUnavailable if there is none."""
        try:
            return importlib.metadata.version(cls.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise EngineUnavailable(f"{cls.module} is not available: {cls.hint()}") from None

    @classmethod
    def installed_bytes(cls) -> int:
        """Bytes of the package's own files on this disk, without what it depends on."""
        return _package_bytes(cls.distribution, cls.version())


@functools.cache  # PyTorch alone has ten thousand files
def _package_bytes(distribution: str, version: str) -> int:
    """Bytes of a distribution's files without compiled Python; a file with two names counts once."""
    found: dict[tuple[int, int], int] = {}
    for file in importlib.metadata.files(distribution) or []:
        if file.suffix == ".pyc":
            continue
        with contextlib.suppress(OSError):  # listed, but removed since
            told = os.stat(str(file.locate()))
            if stat.S_ISREG(told.st_mode):
                found[told.st_dev, told.st_ino] = told.st_size
    return sum(found.values())


def require_threads(threads: int) -> int:
    """`threads`, if it is a count. ValueError if it is below 1."""
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    return threads



def output_names(model: ModelProto) -> list[str]:
    """Names of the graph's outputs."""
    return [value.name for value in model.graph.output]


def input_shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the graph's inputs that are no weights. ValueError for a dimension that is not a number."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return _shapes(value for value in model.graph.input if value.name not in weights)


def output_shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the graph's outputs. ValueError for a dimension that is not a number."""
    return _shapes(model.graph.output)


def _shapes(values: Iterable[Any]) -> dict[str, tuple[int, ...]]:
    shapes = {value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim) for value in values}
    for name, dims in shapes.items():
        if min(dims, default=1) < 1:
            raise ValueError(f"model must have fixed shapes, got {name!r} with an open dimension")
    return shapes
