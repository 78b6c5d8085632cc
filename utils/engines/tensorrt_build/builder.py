"""Building an engine with whichever TensorRT is there: 8.6, 10 or 11.

Every step asks for the name that it needs, so one function serves three APIs. What a release cannot do is refused
in a sentence before the builder has run for minutes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from utils.engines.tensorrt_build.build_spec import BuildSpec, Shape
from utils.engines.tensorrt_build.profiles import profile_violations
from utils.graphs.static_shapes import network_inputs
from utils.optional import require

HINT = "`pip install tensorrt` on Linux with an NVIDIA GPU, or pass recording_tensorrt(\"11.1\") as trt"
_HARDWARE = {"none": "NONE", "ampere+": "AMPERE_PLUS", "sameComputeCapability": "SAME_COMPUTE_CAPABILITY"}


def build_plan(trt: Any, onnx_bytes: bytes, profile: dict[str, tuple], workspace_bytes: int, fp16: bool) -> bytes:
    """Plan bytes of an ONNX model, built by the `tensorrt` module that is passed (8.6, 10 or 11).

    `profile` maps an input to (lo, opt, hi), all in one optimization profile; {} adds none. Raises ValueError
    "model precision" when FP16 is asked of a release without that flag, RuntimeError with every parser error when
    the model is not parsed, and RuntimeError when the profile is refused or the builder returns None.
    """
    flag = _precision_flag(trt, "fp16") if fp16 else None
    builder, network, parser = _start(trt, trt.Logger(trt.Logger.WARNING), strongly_typed=False)
    _parsed(parser, parser.parse(onnx_bytes))
    config = builder.create_builder_config()
    if profile:
        _add_profile(builder, config, profile)
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    if flag is not None:
        config.set_flag(flag)
    return _built(builder.build_serialized_network(network, config))


def build_engine(spec: BuildSpec, trt: Any = None, logger: Any = None, smoke_test: bool = False) -> bytes:
    """Plan bytes of `spec`. `trt` is the `tensorrt` module, imported if it is None.

    The profiles are checked against the model first. `smoke_test` loads the plan once, which needs the GPU.
    Raises EngineUnavailable without TensorRT, ValueError for a profile that the model does not allow and for what
    the release does not have, RuntimeError with all parser errors, or "build failed".
    """
    trt = require("tensorrt", HINT) if trt is None else trt
    _refuse_bad_profiles(spec)
    flag = None if spec.precision == "model" else _precision_flag(trt, spec.precision)
    logger = trt.Logger(trt.Logger.WARNING) if logger is None else logger
    builder, network, parser = _start(trt, logger, bool(spec.strongly_typed))
    _parsed(parser, parser.parse_from_file(spec.onnx_path))  # a path, so that external weights are found
    config = builder.create_builder_config()
    for profile in spec.profiles:
        _add_profile(builder, config, {r.name: r.shapes for r in profile})
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, spec.workspace_bytes)
    if flag is not None:
        config.set_flag(flag)
    _set_options(trt, config, spec)
    cache = _use_cache(config, spec.timing_cache)
    plan = _built(builder.build_serialized_network(network, config))
    if cache is not None:
        _write(spec.timing_cache, bytes(cache.serialize()))
    if smoke_test and trt.Runtime(logger).deserialize_cuda_engine(plan) is None:
        raise RuntimeError("the plan was built but cannot be loaded here: see the logger's messages")
    return plan


def save_plan(plan: bytes, path: str | os.PathLike) -> None:
    """Write plan bytes to a file, whole or not at all. They are complete: loading and serialising them adds nothing."""
    _write(path, plan)


def _refuse_bad_profiles(spec: BuildSpec) -> None:
    inputs = network_inputs(spec.onnx_path)
    for number, profile in enumerate(spec.profiles or ((),)):
        for violation in profile_violations(inputs, profile):
            raise ValueError(f"profile {number} must fit the model: {violation}")


def _start(trt: Any, logger: Any, strongly_typed: bool) -> tuple[Any, Any, Any]:
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt, strongly_typed))
    return builder, network, trt.OnnxParser(network, logger)


def _network_flags(trt: Any, strongly_typed: bool) -> int:
    """Explicit batch where it is still a choice (8.6 only); strongly typed where it is one (10) and was asked for."""
    names, major = trt.NetworkDefinitionCreationFlag, int(trt.__version__.split(".")[0])
    flags = 1 << int(names.EXPLICIT_BATCH) if major < 10 else 0
    if strongly_typed and not hasattr(names, "STRONGLY_TYPED"):
        raise ValueError(f"strongly_typed must not be set for TensorRT {trt.__version__}, which has no such networks")
    if strongly_typed and major < 11:
        flags |= 1 << int(names.STRONGLY_TYPED)
    return flags


def _precision_flag(trt: Any, precision: str) -> Any:
    flag = getattr(trt.BuilderFlag, precision.upper(), None)
    if flag is None:
        raise ValueError(f"precision must be 'model' for TensorRT {trt.__version__}, got {precision!r}: it has no flag "
                         "for it, the model precision decides (cast the ONNX file)")
    return flag


def _parsed(parser: Any, success: bool) -> None:
    if success:
        return
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    told = [f"node {e.node()} ({e.file()}:{e.line()}, {e.func()}): {e.desc()}" for e in errors]
    raise RuntimeError("the model could not be parsed: " + ("; ".join(told) or "the parser gives no reason"))


def _add_profile(builder: Any, config: Any, ranges: Mapping[str, tuple[Shape, Shape, Shape]]) -> None:
    profile = builder.create_optimization_profile()
    for name, shapes in ranges.items():
        profile.set_shape(name, *shapes)
    if config.add_optimization_profile(profile) < 0:  # -1, and no exception
        raise RuntimeError(f"the profile of {', '.join(ranges)} was refused")


def _set_options(trt: Any, config: Any, spec: BuildSpec) -> None:
    config.builder_optimization_level = spec.optimization_level
    if spec.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if spec.hardware != "none":
        level = getattr(trt.HardwareCompatibilityLevel, _HARDWARE[spec.hardware], None)
        if level is None:
            raise ValueError(f"hardware must be 'none' or 'ampere+' for TensorRT {trt.__version__}, "
                             f"got {spec.hardware!r}")
        config.hardware_compatibility_level = level


def _use_cache(config: Any, path: str | None) -> Any:
    """The timing cache of `path`, empty if there is no such file yet; None without a path."""
    if path is None:
        return None
    blob = b""
    if os.path.exists(path):
        with open(path, "rb") as file:
            blob = file.read()
    cache = config.create_timing_cache(blob)
    if not config.set_timing_cache(cache, False):  # False: a cache of another GPU or release is refused
        raise RuntimeError(f"timing_cache must fit this GPU and release, got {path}: delete it and build again")
    return cache


def _built(plan: Any) -> bytes:
    if plan is None:
        raise RuntimeError("build failed: the builder returned None, see the logger's messages")
    return bytes(plan)


def _write(path: str | os.PathLike | None, data: bytes) -> None:
    from utils.graphs.onnx_tools import write_atomically

    write_atomically(path, data)
