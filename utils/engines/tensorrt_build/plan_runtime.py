"""Running a plan: tensors by name, memory from torch, one call to enqueue. The calls exist in 8.6, 10 and 11."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from utils.engines.tensorrt_build.builder import HINT
from utils.optional import EngineUnavailable, require


class PlanRunner:
    """A plan on the GPU. `load` once, `infer` as often as needed; `profile` is the one that `infer` uses.

    `trt` is the `tensorrt` module, imported if it is None; `device` is where torch keeps the buffers.
    """

    def __init__(self, trt: Any = None, device: str = "cuda") -> None:
        self.trt = require("tensorrt", HINT) if trt is None else trt
        self.torch = require("torch", "`pip install torch`")
        if device == "cuda" and not self.torch.cuda.is_available():
            raise EngineUnavailable("tensorrt is not available: torch sees no NVIDIA GPU here")
        self.device = device
        self.engine = self.context = None

    def load(self, path: str | os.PathLike) -> PlanRunner:
        """Read a plan file. RuntimeError if it does not belong to this GPU and release."""
        with open(path, "rb") as file:
            plan = file.read()
        self.runtime = self.trt.Runtime(self.trt.Logger(self.trt.Logger.WARNING))
        self.engine = self.runtime.deserialize_cuda_engine(plan)
        if self.engine is None:
            raise RuntimeError(f"{path} could not be loaded: build it again for this GPU and "
                               f"TensorRT {self.trt.__version__}")
        self.context = self.engine.create_execution_context()
        return self

    def names(self, mode: str) -> list[str]:
        """The tensors of one kind, "INPUT" or "OUTPUT", in the engine's order."""
        wanted = getattr(self.trt.TensorIOMode, mode)
        every = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        return [name for name in every if self.engine.get_tensor_mode(name) == wanted]

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name. ValueError for a missing input, and for a shape that the profile does not admit."""
        torch, buffers = self.torch, {}
        for name in self.names("INPUT"):
            if name not in feeds:
                raise ValueError(f"feeds must hold every input, got none for {name!r}")
            buffers[name] = torch.from_numpy(np.ascontiguousarray(feeds[name])).to(self.device)
            if not self.context.set_input_shape(name, tuple(feeds[name].shape)):
                raise ValueError(f"the shape of {name!r} must lie inside the profile, got {feeds[name].shape}")
        for name in self.names("OUTPUT"):
            dtype = torch.from_numpy(np.empty(0, self.trt.nptype(self.engine.get_tensor_dtype(name)))).dtype
            buffers[name] = torch.empty(tuple(self.context.get_tensor_shape(name)), dtype=dtype, device=self.device)
        for name, buffer in buffers.items():
            self.context.set_tensor_address(name, buffer.data_ptr())
        stream = torch.cuda.current_stream().cuda_stream if self.device == "cuda" else 0
        if not self.context.execute_async_v3(stream):
            raise RuntimeError("TensorRT could not run the plan")
        return {name: buffers[name].cpu().numpy() for name in self.names("OUTPUT")}  # .cpu() waits for the stream
