"""One network in three formats on every engine that is here: do they agree, how large are the files, who is fast?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.frameworks import Engine, benchmark_all, make_engine
from utils.engines.mobile_formats.example import example_cnn
from utils.engines.mobile_formats.layouts import nchw_to_nhwc
from utils.engines.mobile_formats.ncnn_numpy import interpret_ncnn
from utils.engines.mobile_formats.ncnn_writer import onnx_to_ncnn
from utils.engines.mobile_formats.tflite_numpy import interpret_tflite
from utils.engines.mobile_formats.tflite_writer import onnx_to_tflite
from utils.optional import EngineUnavailable

if TYPE_CHECKING:
    from onnx import ModelProto

REAL = ("ONNX Runtime", "ncnn", "MNN", "LiteRT")


class NumpyNcnn(Engine):
    """ncnn's files, interpreted in NumPy from the bytes on."""

    name, distribution, module = "NumPy reads ncnn", "numpy", "numpy"

    def load(self, model: ModelProto, threads: int) -> None:
        self._files = onnx_to_ncnn(model)
        self.threads, self.model_bytes = threads, len(self._files[0].encode()) + len(self._files[1])

    def infer(self, prepared: Any) -> dict[str, np.ndarray]:
        return {"y": interpret_ncnn(*self._files, prepared)["y"]}


class NumpyTflite(Engine):
    """A .tflite file, interpreted in NumPy from the bytes on."""

    name, distribution, module = "NumPy reads TFLite", "numpy", "numpy"

    def load(self, model: ModelProto, threads: int) -> None:
        self._data = onnx_to_tflite(model)
        self.threads, self.model_bytes = threads, len(self._data)

    def prepare(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: nchw_to_nhwc(value) for name, value in feeds.items()}

    def infer(self, prepared: Any) -> dict[str, np.ndarray]:
        return {"y": interpret_tflite(self._data, prepared)["y"]}


@dataclass(frozen=True)
class FormatRace:
    """Engines that ran, their outputs for one image, file sizes and latencies; and why the others did not run."""

    outputs: dict[str, np.ndarray]
    model_bytes: dict[str, int]
    samples_ms: dict[str, np.ndarray]
    missing: dict[str, str]

    def differences(self) -> dict[tuple[str, str], float]:
        """Largest absolute difference of the outputs of every two engines."""
        return {(a, b): float(np.abs(x.astype(np.float64) - y).max())
                for a, x in self.outputs.items() for b, y in self.outputs.items()}

    def ratios(self) -> dict[str, float]:
        """Median latency of each engine as a multiple of ONNX Runtime's."""
        base = float(np.median(self.samples_ms["ONNX Runtime"]))
        return {name: float(np.median(times)) / base for name, times in self.samples_ms.items()}


def race_formats(repeats: int = 200, seed: int = 0, real: Sequence[str] = REAL) -> FormatRace:
    """The example CNN on every engine of `real` that is installed and on both NumPy readings; one thread, in turns."""
    model = example_cnn()
    x = np.random.default_rng(seed).standard_normal((1, 1, 28, 28)).astype(np.float32)
    engines, missing = [], {}
    for engine in [*map(make_engine, real), NumpyNcnn(), NumpyTflite()]:
        try:
            engine.load(model, 1)
            engines.append(engine)
        except (EngineUnavailable, ValueError) as error:
            missing[engine.name] = str(error).splitlines()[0]
    outputs = {engine.name: np.array(engine.run({"x": x})["y"]).reshape(1, -1) for engine in engines}
    samples = benchmark_all(engines, {"x": x}, repeats=repeats)
    race = FormatRace(outputs, {engine.name: engine.model_bytes for engine in engines},
                      {engine.name: times for engine, times in zip(engines, samples)}, missing)
    for engine in engines:
        engine.close()
    return race
