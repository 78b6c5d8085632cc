"""Engines for phones, run on the CPU of this machine: ncnn, MNN and LiteRT. Each has a model format of its own.

ncnn and LiteRT get what the writers of `mobile_formats` make of an ONNX model. MNN brings a converter; it runs in a
process of its own, because it may end its process on a model that it does not know. The converter is called
directly: importing the module around it, MNN.tools.mnnconvert (MNN 3.6.1), calls `pip install` for a logging client
and contacts a server.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from utils.engines.frameworks.base import (
    Arrays,
    Engine,
    input_shapes,
    output_names,
    output_shapes,
    require_threads,
)
from utils.engines.silence import muted
from utils.optional import require

if TYPE_CHECKING:
    from onnx import ModelProto

CONVERSION_LIMIT_S = 60


class _Mobile(Engine):
    """What the three share: a runner of `mobile_formats` does the work."""

    converts: ClassVar[str] = "course's writer"

    def infer(self, prepared: Any) -> dict[str, np.ndarray]:
        return self._runner.run(prepared)

    def close(self) -> None:
        if self.threads:
            self._runner.close()
        super().close()


class NcnnEngine(_Mobile):
    """ncnn in float32 on the CPU. Its tensors have no batch axis, so a batch is run image by image."""

    name, distribution, module = "ncnn", "ncnn", "ncnn"

    def load(self, model: ModelProto, threads: int) -> None:
        require(self.module, self.hint())
        from utils.engines.mobile_formats import NcnnRunner, onnx_to_ncnn

        param, weights = onnx_to_ncnn(model)
        self._runner = NcnnRunner(param, weights, threads=require_threads(threads))
        self._shapes = output_shapes(model)
        self.threads, self.model_bytes = threads, len(param.encode()) + len(weights)

    def infer(self, prepared: Any) -> dict[str, np.ndarray]:
        """ncnn drops axes of size 1: the outputs get the shapes that the ONNX model states."""
        return {name: value.reshape(self._shapes[name]) for name, value in super().infer(prepared).items()}


class MnnEngine(_Mobile):
    """MNN's session API on the CPU with precision "high" (float32)."""

    name, distribution, module, converts = "MNN", "MNN", "MNN", "MNN's converter"

    def load(self, model: ModelProto, threads: int) -> None:
        with muted():
            require(self.module, self.hint())  # tells the features of the CPU when it is imported
        from utils.engines.mobile_formats import MnnRunner

        data = convert_to_mnn(model.SerializeToString())
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.mnn")
            with open(path, "wb") as file:
                file.write(data)
            try:
                self._runner = MnnRunner(path, threads=require_threads(threads))
            except Exception as error:  # the bindings raise bare exceptions
                raise ValueError(f"model must be one that MNN can run: {error}") from error
        self.threads, self.model_bytes = threads, len(data)


def convert_to_mnn(onnx_bytes: bytes) -> bytes:
    """An .mnn file made by MNN's own converter, in a process of its own.

    Raises ValueError with the converter's last words, EngineUnavailable if the package is missing.
    """
    MnnEngine.version()
    code = "import sys, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "model.onnx"), os.path.join(folder, "model.mnn")
        with open(source, "wb") as file:
            file.write(onnx_bytes)
        words = ["-f", "ONNX", "--modelFile", source, "--MNNModel", target, "--bizCode", "course"]
        try:
            done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False,
                                  timeout=CONVERSION_LIMIT_S, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"model must convert within {CONVERSION_LIMIT_S} s, MNN's converter did not") from error
        if done.returncode or not os.path.isfile(target) or "Converted Success" not in done.stdout:
            said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            end = f" (its process ended with {done.returncode})" if done.returncode else ""
            raise ValueError(f"model must be one that MNN's converter accepts{end}: {said[-1] if said else 'no word'}")
        with open(target, "rb") as file:
            return file.read()


class LiteRtEngine(_Mobile):
    """LiteRT (TensorFlow Lite) with XNNPACK's kernels. Images are NHWC there: `prepare` turns them, outside the clock.

    Outputs are matched by their order, and turned back if they are images.
    """

    name, distribution, module = "LiteRT", "ai-edge-litert", "ai_edge_litert"

    def load(self, model: ModelProto, threads: int) -> None:
        require(self.module, self.hint())
        from utils.engines.mobile_formats import LiteRtRunner, onnx_to_tflite

        data = onnx_to_tflite(model)
        self._runner = LiteRtRunner(data, threads=require_threads(threads))
        self._images = {name for name, shape in input_shapes(model).items() if len(shape) == 4}
        self._names = output_names(model)
        self.threads, self.model_bytes = threads, len(data)

    def prepare(self, feeds: Arrays) -> Any:
        return {name: np.ascontiguousarray(value.transpose(0, 2, 3, 1) if name in self._images else value)
                for name, value in feeds.items()}

    def infer(self, prepared: Any) -> dict[str, np.ndarray]:
        found = dict(zip(self._names, super().infer(prepared).values()))
        return {name: value.transpose(0, 3, 1, 2) if value.ndim == 4 else value for name, value in found.items()}
