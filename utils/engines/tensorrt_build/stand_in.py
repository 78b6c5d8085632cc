"""A module that looks like `tensorrt` of one release while an engine is built, and keeps a log. It builds nothing.

It exposes only the names that it is given for a release, so that a call which the release does not have fails here
as it would there: AttributeError. It reads the ONNX model for its inputs and operators, and refuses what the real
parser and builder refuse: a network with an implicit batch, operators that nobody knows, a profile that is missing,
out of order or against a static dimension. Kernels, GPUs and timings do not exist here.

Only the standard library and, to read a model, `onnx` are needed: the file is complete without the rest of `utils`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import SimpleNamespace
from typing import Any

NO_FLAG_CHECK = "8.6"  # the only release in which a network may still have an implicit batch


def make_module(release: str, version: str, names: Mapping[str, Sequence[str]], gpu: bool = True) -> Any:
    """The stand-in for `release`. `names` maps a class or enum to the names it has; `version` becomes __version__.

    `.calls` is the log, a list of (name, arguments ...); `.messages` what the real logger would print. Without
    `gpu` no engine can be deserialised: the runtime returns None, as TensorRT does where CUDA fails.
    """
    state = _State(release, gpu)
    module = SimpleNamespace(__name__="tensorrt", __version__=version, calls=state.calls, messages=state.messages)
    for owner, words in names.items():
        if owner in _CLASSES:
            setattr(module, owner, _with_only(owner, words, state))
        else:
            setattr(module, owner, _enum(owner, words))
    state.module = module
    return module


class _State:
    """What the classes of one module share: the log, the release, the enums."""

    def __init__(self, release: str, gpu: bool) -> None:
        self.release, self.gpu = release, gpu
        self.calls: list[tuple] = []
        self.messages: list[str] = []
        self.module: Any = None

    @property
    def major(self) -> int:
        return int(self.release.split(".")[0])

    def log(self, *call: Any) -> None:
        self.calls.append(call)

    def error(self, text: str) -> None:
        self.messages.append(f"[E] {text}")


class _Flag(Enum):
    """Like a pybind11 enum: int(flag) is its number, and it is no int itself."""

    def __int__(self) -> int:
        return self.value

    __index__ = __int__


# Names are what counts: the numbers are counted through, but for these, whose bits create_network reads here.
_NUMBERS = {"EXPLICIT_BATCH": 0, "EXPLICIT_PRECISION": 1, "STRONGLY_TYPED": 1}


def _enum(owner: str, words: Sequence[str]) -> Any:
    members, free = {}, iter(range(100))
    taken = {_NUMBERS[w] for w in words if w in _NUMBERS}
    for word in words:
        members[word] = _NUMBERS[word] if word in _NUMBERS else next(n for n in free if n not in taken)
    return _Flag(owner, members)


def _with_only(owner: str, words: Sequence[str], state: _State) -> type:
    """The class `owner` with the names in `words` and no other; its objects refuse attributes that it lacks."""
    base = _CLASSES[owner]
    body: dict[str, Any] = {word: vars(base)[word] for word in words}

    def refuse(self: Any, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in words:
            raise AttributeError(f"'tensorrt.tensorrt.{owner}' object has no attribute {name!r}")
        object.__setattr__(self, name, value)

    dunder = {name: value for name, value in vars(base).items() if name in ("__init__", "__str__", "__bool__")}
    body.update(dunder, __setattr__=refuse, __module__="tensorrt.tensorrt", __enter__=lambda self: self,
                __exit__=lambda self, *error: None, _state=state)
    return type(owner, (), body)


# --- logger, network, parser ----------------------------------------------------------------------


class _Logger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self, min_severity: int = 2) -> None:
        self.min_severity = min_severity

    min_severity = 2

    def log(self, severity: int, msg: str) -> None:
        self._state.messages.append(msg)


class _Tensor(SimpleNamespace):
    """An input or output: name, shape (-1 is dynamic), dtype."""


class _Network:
    def __init__(self, flags: int = 0) -> None:
        self._inputs: list[_Tensor] = []
        self._outputs: list[_Tensor] = []
        self._flags = flags

    num_inputs = property(lambda self: len(self._inputs))
    num_outputs = property(lambda self: len(self._outputs))

    def get_input(self, index: int) -> _Tensor:
        return self._inputs[index]

    def get_output(self, index: int) -> _Tensor:
        return self._outputs[index]


class _ParserError:
    def __init__(self, code: str, desc: str, node: int = -1) -> None:
        self._told = (code, desc, node)

    def code(self) -> str:
        return self._told[0]

    def desc(self) -> str:
        return self._told[1]

    def file(self) -> str:
        return "ModelImporter.cpp"

    def line(self) -> int:
        return 1

    def func(self) -> str:
        return "parseNode" if self._told[2] >= 0 else "parse"

    def node(self) -> int:
        return self._told[2]

    def __str__(self) -> str:
        code, desc, node = self._told
        return f"In node {node} ({'parseNode' if node >= 0 else 'parse'}): {code}: {desc}"


class _OnnxParser:
    def __init__(self, network: Any, logger: Any) -> None:
        trt = self._state.module
        if not isinstance(network, trt.INetworkDefinition) or not isinstance(logger, trt.Logger):
            raise TypeError("OnnxParser(): incompatible constructor arguments: expected a network and a logger")
        self._network, self._errors = network, []

    num_errors = property(lambda self: len(self._errors))

    def parse(self, model: bytes, path: str | None = None) -> bool:
        self._state.log("parse", len(memoryview(model)))
        return _read(self, bytes(model))

    def parse_from_file(self, model: str) -> bool:
        self._state.log("parse_from_file", model)
        try:
            with open(model, "rb") as file:
                return _read(self, file.read())
        except OSError:
            self._errors.append(self._state.module.ParserError("MODEL_DESERIALIZE_FAILED", f"cannot open {model}"))
            return False

    def get_error(self, index: int) -> Any:
        return self._errors[index]

    def clear_errors(self) -> None:
        self._errors.clear()

    def supports_model(self, model: bytes, path: str | None = None) -> tuple[bool, list]:
        return _read(self, bytes(model)), []

    def supports_model_v2(self, model: bytes, path: str | None = None) -> bool:
        return _read(self, bytes(model))


def _read(parser: Any, data: bytes) -> bool:
    """Read the model into the parser's network; False with errors, as the real parser does."""
    import onnx

    error = parser._state.module.ParserError
    if parser._state.release == NO_FLAG_CHECK and not parser._network._flags & 1:
        parser._errors.append(error("INVALID_VALUE", "only networks with an explicit batch dimension are supported"))
        return False
    try:
        model = onnx.load_from_string(data)
    except Exception:
        model = None
    if model is None or not model.graph.output:
        parser._errors.append(error("MODEL_DESERIALIZE_FAILED", "the model could not be read"))
        return False
    for index, node in enumerate(model.graph.node):
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type):
            parser._errors.append(error("UNSUPPORTED_NODE", f"no importer is registered for {node.op_type}", index))
    if parser._errors:
        return False
    weights = {tensor.name for tensor in model.graph.initializer}
    parser._network._inputs.extend(_tensor(v) for v in model.graph.input if v.name not in weights)
    parser._network._outputs.extend(_tensor(v) for v in model.graph.output)
    return True


def _tensor(value: Any) -> _Tensor:
    kind = value.type.tensor_type
    dims = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
    return _Tensor(name=value.name, shape=dims, dtype=f"DataType.{_DTYPES.get(kind.elem_type, 'FLOAT')}")


_DTYPES = {1: "FLOAT", 2: "UINT8", 3: "INT8", 6: "INT32", 7: "INT64", 9: "BOOL", 10: "HALF", 16: "BF16"}


# --- profile, config, builder ---------------------------------------------------------------------


class _Profile:
    def __init__(self) -> None:
        self._shapes: dict[str, tuple] = {}

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:
        shapes = tuple(tuple(int(d) for d in s) for s in (min, opt, max))
        self._state.log("set_shape", input, *shapes)
        if len({len(s) for s in shapes}) > 1 or any(not 0 <= a <= b <= c for a, b, c in zip(*shapes)):
            raise ValueError("Shape provided for min/opt/max is inconsistent")
        self._shapes[input] = shapes

    def get_shape(self, input: str) -> list:
        return list(self._shapes.get(input, ()))

    def __bool__(self) -> bool:
        return bool(self._shapes)


class _TimingCache:
    def __init__(self, blob: bytes = b"") -> None:
        self._blob = bytes(blob)

    def serialize(self) -> bytearray:
        return _HostMemory(self._blob or b"CACHE")


class _Config:
    def __init__(self) -> None:
        self._profiles, self._flags, self._preview, self._pools = [], set(), set(), {}
        self._level, self._hardware, self._cache, self._calibrator = 3, "NONE", None, None

    num_optimization_profiles = property(lambda self: len(self._profiles))

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        if not isinstance(pool, self._state.module.MemoryPoolType):
            raise TypeError("set_memory_pool_limit(): incompatible function arguments: pool is no MemoryPoolType")
        if type(pool_size) is not int or pool_size < 0:
            raise TypeError("set_memory_pool_limit(): incompatible function arguments: pool_size is no size in bytes")
        self._state.log("set_memory_pool_limit", pool.name, pool_size)
        self._pools[pool.name] = pool_size

    def get_memory_pool_limit(self, pool: Any) -> int:
        return self._pools.get(pool.name, 0)

    def add_optimization_profile(self, profile: Any) -> int:
        self._state.log("add_optimization_profile")
        if not isinstance(profile, self._state.module.IOptimizationProfile):
            raise TypeError("add_optimization_profile(): incompatible function arguments")
        if not profile:
            self._state.error("the optimization profile is not valid: no shape was set")
            return -1
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def set_flag(self, flag: Any) -> None:
        if not isinstance(flag, self._state.module.BuilderFlag):
            raise TypeError("set_flag(): incompatible function arguments")
        self._state.log("set_flag", flag.name)
        self._flags.add(flag.name)

    def get_flag(self, flag: Any) -> bool:
        return flag.name in self._flags

    def clear_flag(self, flag: Any) -> None:
        self._flags.discard(flag.name)

    def set_preview_feature(self, feature: Any, enable: bool) -> None:
        self._state.log("set_preview_feature", feature.name, bool(enable))
        (self._preview.add if enable else self._preview.discard)(feature.name)

    def get_preview_feature(self, feature: Any) -> bool:
        return feature.name in self._preview

    def create_timing_cache(self, serialized_timing_cache: bytes) -> Any:
        self._state.log("create_timing_cache", len(serialized_timing_cache))
        return self._state.module.ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        self._state.log("set_timing_cache", bool(ignore_mismatch))
        self._cache = cache
        return True

    def get_timing_cache(self) -> Any:
        return self._cache

    def _set_level(self, level: int) -> None:
        self._state.log("builder_optimization_level", level)
        self._level = level

    def _set_hardware(self, level: Any) -> None:
        self._state.log("hardware_compatibility_level", level.name)
        self._hardware = level.name

    def _set_workspace(self, size: int) -> None:
        self._state.log("max_workspace_size", size)
        self._pools["WORKSPACE"] = size

    builder_optimization_level = property(lambda self: self._level, _set_level)
    hardware_compatibility_level = property(lambda self: self._hardware, _set_hardware)
    max_workspace_size = property(lambda self: self._pools.get("WORKSPACE", 0), _set_workspace)
    int8_calibrator = property(lambda self: self._calibrator, lambda self, c: setattr(self, "_calibrator", c))


class _Builder:
    def __init__(self, logger: Any) -> None:
        if not isinstance(logger, self._state.module.Logger):
            raise TypeError("Builder(): incompatible constructor arguments: expected a Logger")

    max_batch_size = 1
    platform_has_tf32 = platform_has_fast_fp16 = platform_has_fast_int8 = True

    def create_network(self, flags: int = 0) -> Any:
        if type(flags) is not int:
            raise TypeError("create_network(): incompatible function arguments: flags is no int")
        self._state.log("create_network", flags)
        return self._state.module.INetworkDefinition(flags)

    def create_builder_config(self) -> Any:
        self._state.log("create_builder_config")
        return self._state.module.IBuilderConfig()

    def create_optimization_profile(self) -> Any:
        self._state.log("create_optimization_profile")
        return self._state.module.IOptimizationProfile()

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        trt = self._state.module
        if not isinstance(network, trt.INetworkDefinition) or not isinstance(config, trt.IBuilderConfig):
            raise TypeError("build_serialized_network(): incompatible function arguments")
        self._state.log("build_serialized_network")
        problems = list(_problems(self._state, network, config))
        for text in problems:
            self._state.error(text)
        return None if problems else _HostMemory(b"PLAN" + json.dumps(_plan(self._state, network, config)).encode())

    def build_engine(self, network: Any, config: Any) -> Any:
        plan = self.build_serialized_network(network, config)
        return None if plan is None else self._state.module.ICudaEngine(plan)


def _strongly_typed(state: _State, network: Any) -> bool:
    """Chosen by a flag in 10, always on in 11, unknown in 8.6."""
    return state.major >= 11 or (state.major == 10 and bool(network._flags >> 1 & 1))


def _problems(state: _State, network: Any, config: Any) -> Iterator[str]:
    """Why the real builder would return None."""
    if not network._outputs:
        yield "the network has no outputs"
    dynamic = {t.name for t in network._inputs if -1 in t.shape}
    if dynamic and not config._profiles:
        yield "the network has dynamic inputs, but no optimization profile has been defined"
    weak = config._flags & {"FP16", "BF16", "INT8", "FP8", "INT4", "FP4"}
    if weak and _strongly_typed(state, network):
        yield f"{sorted(weak)[0]} cannot be set in a strongly typed network"
    known = {t.name: t.shape for t in network._inputs}
    for number, profile in enumerate(config._profiles):
        for name in sorted(dynamic - profile._shapes.keys()):
            yield f"profile {number} has no shapes for the dynamic input {name}"
        for name, shapes in profile._shapes.items():
            if name not in known:
                yield f"profile {number}: the network has no input {name}"
            elif len(shapes[0]) != len(known[name]):
                yield f"profile {number}: {name} has {len(known[name])} dimensions"
            else:
                yield from _static(number, name, known[name], shapes)


def _static(number: int, name: str, model: tuple, shapes: tuple) -> Iterator[str]:
    for axis, size in enumerate(model):
        got = [s[axis] for s in shapes]
        if size != -1 and got != [size] * 3:
            yield f"profile {number}: dimension {axis} of {name} is static ({size}), got min, opt, max {got}"


def _plan(state: _State, network: Any, config: Any) -> dict[str, Any]:
    """What would have been built, as far as the caller decided it."""
    return {
        "release": state.release,
        "inputs": {t.name: list(t.shape) for t in network._inputs},
        "profiles": [{name: [list(s) for s in shapes] for name, shapes in sorted(p._shapes.items())}
                     for p in config._profiles],
        "pools": dict(sorted(config._pools.items())),
        "flags": sorted(config._flags),
        "preview": sorted(config._preview),
        "strongly_typed": _strongly_typed(state, network),
        "optimization_level": config._level,
        "hardware": config._hardware,
        "timing_cache": config._cache is not None,
    }


# --- what is built --------------------------------------------------------------------------------


class _HostMemory(bytearray):
    """Host memory of the library: bytes(memory) copies it."""

    nbytes = property(len)


class _Runtime:
    def __init__(self, logger: Any) -> None:
        if not isinstance(logger, self._state.module.Logger):
            raise TypeError("Runtime(): incompatible constructor arguments: expected a Logger")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
        if serialized_engine is None:
            raise TypeError("deserialize_cuda_engine(): incompatible function arguments: got None")
        self._state.log("deserialize_cuda_engine", len(serialized_engine))
        if not self._state.gpu:
            self._state.error("CUDA initialization failure: no device")
            return None
        return self._state.module.ICudaEngine(serialized_engine)


class _Engine:
    def __init__(self, plan: bytes) -> None:
        self._plan = bytes(plan)

    def serialize(self) -> Any:
        self._state.log("serialize")
        return _HostMemory(self._plan)


_CLASSES: dict[str, type] = {
    "Logger": _Logger, "Builder": _Builder, "INetworkDefinition": _Network, "OnnxParser": _OnnxParser,
    "ParserError": _ParserError, "IOptimizationProfile": _Profile, "IBuilderConfig": _Config,
    "ITimingCache": _TimingCache, "Runtime": _Runtime, "ICudaEngine": _Engine,
}
