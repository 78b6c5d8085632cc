"""A TensorRT engine with optimisation profiles, where TensorRT (10 or later) and an NVIDIA GPU are present."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.optional import EngineUnavailable, require
from utils.serving.batching.profiles import Profile

DEVICE = "cuda"
HINT = "it needs an NVIDIA GPU and `pip install tensorrt`; the rest of the chapter runs without it"


def build_tensorrt_engine(onnx_path: str | Path, input_name: str, profiles: Sequence[Profile]) -> bytes:
    """Build an engine whose input has a free batch, with one optimisation profile for each of `profiles`.

    Raises EngineUnavailable "tensorrt is not available ...", KeyError for an unknown input, ValueError for no profile,
    a file that can't be parsed or a refused profile, RuntimeError if the build fails.
    """
    trt = require("tensorrt", HINT)
    if not profiles:
        raise ValueError("profiles must not be empty: a free dimension needs at least one")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx_path)):
        raise ValueError(f"onnx_path must be a model that TensorRT parses, got {parser.get_error(0).desc()}")
    inputs = {network.get_input(i).name: network.get_input(i) for i in range(network.num_inputs)}
    if input_name not in inputs:
        raise KeyError(f"input_name must be one of {', '.join(inputs)}, got {input_name!r}")
    sample = tuple(inputs[input_name].shape)[1:]
    config = builder.create_builder_config()
    for p in profiles:
        profile = builder.create_optimization_profile()
        profile.set_shape(input_name, *((n, *sample) for n in (p.min_batch, p.opt_batch, p.max_batch)))
        if config.add_optimization_profile(profile) < 0:
            raise ValueError(f"profiles must fit the network, got {p}")
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError("TensorRT could not build the engine; its log says why")
    return bytes(plan)


class TensorRTRunner:
    """An engine with one input and one output, and an execution context for it.

    `strategy` is "STATIC" (memory for the largest of all profiles) or "ON_PROFILE_CHANGE".
    Raises EngineUnavailable without TensorRT or a GPU.
    """

    def __init__(self, engine: bytes, strategy: str = "STATIC") -> None:
        trt = require("tensorrt", HINT)
        self._torch = require("torch", "pip install torch")
        if not self._torch.cuda.is_available():
            raise EngineUnavailable(f"a GPU is not available: {HINT}")
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        self._context = self._engine.create_execution_context(getattr(trt.ExecutionContextAllocationStrategy, strategy))
        self._stream = self._torch.cuda.Stream()
        self._profile = 0
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        modes = {self._engine.get_tensor_mode(name): name for name in names}
        self._input, self._output = modes[trt.TensorIOMode.INPUT], modes[trt.TensorIOMode.OUTPUT]

    def use_profile(self, index: int) -> None:
        """Select an optimisation profile. Raises ValueError if the engine has none of that index."""
        if not self._context.set_optimization_profile_async(index, self._stream.cuda_stream):
            raise ValueError(f"profile must be one of the engine's, got {index}")
        self._stream.synchronize()
        self._profile = index

    def run(self, x: np.ndarray) -> np.ndarray:
        """Output (n, ...) of x (n, ...) float32. Raises ValueError if the profile does not cover n."""
        if not self._context.set_input_shape(self._input, tuple(x.shape)):
            raise ValueError(f"x must fit the active optimisation profile {self._profile}, got {len(x)} rows")
        source = self._torch.as_tensor(np.ascontiguousarray(x), device=DEVICE)
        shape = tuple(self._context.get_tensor_shape(self._output))
        target = self._torch.empty(shape, dtype=self._torch.float32, device=DEVICE)
        self._context.set_tensor_address(self._input, source.data_ptr())
        self._context.set_tensor_address(self._output, target.data_ptr())
        self._torch.cuda.synchronize()  # the copy ran on torch's own stream
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            raise RuntimeError("TensorRT could not start the engine; its log says why")
        self._stream.synchronize()
        return target.cpu().numpy()

    def memory_bytes(self) -> dict[str, Any]:
        """Device memory of a context in bytes: over all profiles, and for each of them."""
        count = self._engine.num_optimization_profiles
        each = [self._engine.get_device_memory_size_for_profile_v2(i) for i in range(count)]
        return {"STATIC": self._engine.device_memory_size_v2, "ON_PROFILE_CHANGE": each}


def run_tensorrt(engine: bytes, x: np.ndarray, profile: int, strategy: str = "STATIC") -> np.ndarray:
    """Run one input through an engine under a profile. Raises what `TensorRTRunner` raises."""
    runner = TensorRTRunner(engine, strategy)
    runner.use_profile(profile)
    return runner.run(x)
