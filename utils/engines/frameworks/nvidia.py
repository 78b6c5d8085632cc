"""TensorRT behind the same calls, for a machine with an NVIDIA GPU. Its calls exist in TensorRT 8.6, 10 and 11."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.frameworks.base import Arrays, Engine, output_names, require_threads
from utils.engines.tensorrt_build import build_plan
from utils.optional import EngineUnavailable, require

if TYPE_CHECKING:
    from onnx import ModelProto

WORKSPACE_BYTES = 1 << 30  # scratch memory that a kernel may ask for


class TensorRtEngine(Engine):
    """Builds a plan for this GPU when the model is loaded, which takes seconds to minutes, and runs it.

    `device` is where torch keeps the buffers. The thread count has no meaning on a GPU and is only kept.
    """

    name, distribution, module, converts = "TensorRT", "tensorrt", "tensorrt", "TensorRT's builder"

    def __init__(self, device: str = "cuda") -> None:
        super().__init__()
        self._device = device

    @classmethod
    def hint(cls) -> str:
        return "`pip install tensorrt` on a machine with an NVIDIA GPU"

    def load(self, model: ModelProto, threads: int) -> None:
        trt, torch = require(self.module, self.hint()), require("torch", "`pip install torch`")
        if self._device == "cuda" and not torch.cuda.is_available():
            raise EngineUnavailable("tensorrt is not available: torch sees no NVIDIA GPU here")
        logger = trt.Logger(trt.Logger.ERROR)
        try:
            plan = build_plan(trt, model.SerializeToString(), {}, WORKSPACE_BYTES, fp16=False)
        except RuntimeError as error:
            raise ValueError(f"model must be one that TensorRT can build: {error}") from error
        self._runtime = trt.Runtime(logger)
        self._plan = self._runtime.deserialize_cuda_engine(plan)
        self._context, self._names = self._plan.create_execution_context(), output_names(model)
        self.threads, self.model_bytes = require_threads(threads), len(plan)

    def prepare(self, feeds: Arrays) -> Any:
        import torch

        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in feeds.items()}

    def infer(self, prepared: Any) -> dict[str, np.ndarray]:
        """Copies to the GPU and back belong to the run, as they do in a service."""
        import torch

        buffers = {name: value.to(self._device) for name, value in prepared.items()}
        for name, value in buffers.items():
            self._context.set_input_shape(name, tuple(value.shape))
        outputs = {name: torch.empty(tuple(self._context.get_tensor_shape(name)), device=self._device)
                   for name in self._names}
        for name, value in {**buffers, **outputs}.items():
            self._context.set_tensor_address(name, value.data_ptr())
        stream = torch.cuda.current_stream().cuda_stream if self._device == "cuda" else 0
        if not self._context.execute_async_v3(stream):
            raise RuntimeError("TensorRT could not run the plan")
        return {name: value.cpu().numpy() for name, value in outputs.items()}  # .cpu() waits for the stream

    def close(self) -> None:
        super().close()
        self._context = self._plan = self._runtime = None

