"""Engines that read ONNX files themselves: ONNX Runtime, OpenVINO, and the NumPy runtime of this course."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from utils.engines.frameworks.base import Arrays, Engine, require_threads
from utils.optional import require

if TYPE_CHECKING:
    from onnx import ModelProto


class OrtEngine(Engine):
    """ONNX Runtime's CPU provider with all graph optimisations.

    Its threads do not spin between two runs: they would take the cores from the next engine of a round.
    """

    name, distribution, module = "ONNX Runtime", "onnxruntime", "onnxruntime"

    def load(self, model: ModelProto, threads: int) -> None:
        ort = require(self.module, self.hint())
        options = ort.SessionOptions()
        options.intra_op_num_threads = require_threads(threads)
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        data = model.SerializeToString()
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common class of their own
            raise ValueError(f"model must be one that ONNX Runtime accepts: {error}") from error
        self._names = [value.name for value in self._session.get_outputs()]
        self.threads, self.model_bytes = threads, len(data)

    def infer(self, prepared: Arrays) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self._session.run(None, prepared)))

    def close(self) -> None:
        super().close()
        self._session = None


class OpenVinoEngine(Engine):
    """OpenVINO's CPU plug-in in float32, set for latency: one request at a time."""

    name, distribution, module = "OpenVINO", "openvino", "openvino"

    def load(self, model: ModelProto, threads: int) -> None:
        ov = require(self.module, self.hint())
        data = model.SerializeToString()
        settings = {"INFERENCE_NUM_THREADS": require_threads(threads), "INFERENCE_PRECISION_HINT": "f32",
                    "PERFORMANCE_HINT": "LATENCY"}
        try:
            core = ov.Core()
            compiled = core.compile_model(core.read_model(model=data, weights=b""), "CPU", settings)
        except RuntimeError as error:
            raise ValueError(f"model must be one that OpenVINO accepts: {_complaint(str(error))}") from error
        self._request = compiled.create_infer_request()
        self._names = [output.get_any_name() for output in compiled.outputs]
        self.threads, self.model_bytes = threads, len(data)

    def infer(self, prepared: Arrays) -> dict[str, np.ndarray]:
        found = self._request.infer(prepared)  # copies the inputs in and the outputs out
        return {name: found[name] for name in self._names}

    def close(self) -> None:
        super().close()
        self._request = None


def _complaint(report: str) -> str:
    """The line of OpenVINO's report that names what is missing, or its last one."""
    lines = [line.strip() for line in report.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("-- ")), lines[-1] if lines else "no reason given")


class NumpyEngine(Engine):
    """The interpreter of chapter 23: one NumPy call or a few for every node, no fusion, no plan.

    The thread count is that of NumPy's matrix library (BLAS).
    """

    name, distribution, module = "NumPy", "numpy", "numpy"

    def load(self, model: ModelProto, threads: int) -> None:
        from threadpoolctl import ThreadpoolController

        from utils.graphs.runtime import NumpyRuntime

        self._pools = ThreadpoolController()
        try:
            self._runtime = NumpyRuntime(model)
        except NotImplementedError as error:
            raise ValueError(f"model must be one that the NumPy runtime knows: {error}") from error
        self.threads, self.model_bytes = require_threads(threads), model.ByteSize()

    def infer(self, prepared: Arrays) -> dict[str, np.ndarray]:
        with self._pools.limit(limits=self.threads, user_api="blas"):
            return self._runtime.run(prepared)

    def close(self) -> None:
        super().close()
        self._runtime = None
