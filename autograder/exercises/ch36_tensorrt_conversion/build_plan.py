"""Exercise 36.build_plan: the call sequence that builds an engine with 8.6, 10 and 11."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from onnx import helper

from utils.engines import tensorrt_build
from utils.graphs.onnx_tools import make_model

from ...compare import exact, prop
from ...exercise import Case, Exercise, Misconception

Ranges = dict[str, tuple]
RELEASES = tensorrt_build.RELEASES
MIB = 2**20


@cache
def _relus(shapes: tuple[tuple[str, tuple], ...]) -> bytes:
    """A model that applies Relu to each of its inputs."""
    nodes = [helper.make_node("Relu", [name], [f"{name}_out"]) for name, _ in shapes]
    inputs = dict(shapes)
    return make_model(nodes, inputs, {f"{n}_out": d for n, d in inputs.items()}).SerializeToString()


@cache
def _unknown_operators() -> bytes:
    nodes = [helper.make_node(op, [a], [b], domain="mine") for op, a, b in (("Foo", "x", "y"), ("Bar", "y", "z"))]
    ends = [[helper.make_tensor_value_info(name, 1, [1])] for name in "xz"]
    return helper.make_model(helper.make_graph(nodes, "g", *ends), opset_imports=[helper.make_opsetid("mine", 1)]).SerializeToString()


# --- answers, right and wrong -----------------------------------------------------------------------


def _build(trt: Any, onnx_bytes: bytes, profile: Ranges, workspace_bytes: int, fp16: bool, *, flags: str = "where known",
           workspace: str = "pool", parse: str = "all errors", add: str = "one profile", fp16_on: str = "asked",
           missing_fp16: str = "error", result: str = "bytes", none: str = "error", order: tuple = (0, 1, 2)) -> Any:
    """A parametrised builder; with its defaults it is right (an independent formulation)."""
    wanted = fp16 or fp16_on == "always"
    if fp16 and missing_fp16 == "error" and not hasattr(trt.BuilderFlag, "FP16"):
        raise ValueError("no FP16 flag: the model precision decides")
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(_flags(trt, flags))
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR))
    if not parser.parse(onnx_bytes) and parse != "ignored":
        errors = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        told = {"all errors": "; ".join(errors), "first": errors[0], "last": errors[-1], "none": "parsing failed"}[parse]
        raise RuntimeError(told)
    config = builder.create_builder_config()
    _profiles(builder, config, profile, add, order)
    _limit(trt, config, workspace_bytes, workspace)
    if wanted and (missing_fp16 == "attribute" or hasattr(trt.BuilderFlag, "FP16")):
        config.set_flag(trt.BuilderFlag.FP16)
    plan = builder.build_serialized_network(network, config)
    if plan is None and none == "error":
        raise RuntimeError("the builder returned None")
    if plan is None and none == "returned":
        return None
    if result == "detour":
        return bytes(trt.Runtime(trt.Logger()).deserialize_cuda_engine(plan).serialize())
    return plan if result == "as it is" else bytes(plan)


def _flags(trt: Any, which: str) -> int:
    names = trt.NetworkDefinitionCreationFlag
    if which == "always":
        return 1 << int(names.EXPLICIT_BATCH)
    if which == "strong" and hasattr(names, "STRONGLY_TYPED"):
        return 1 << int(names.STRONGLY_TYPED)
    if which == "unshifted":
        return int(names.EXPLICIT_BATCH) if hasattr(names, "EXPLICIT_BATCH") else 0
    known = names.__members__
    return 1 << int(known["EXPLICIT_BATCH"]) if "EXPLICIT_BATCH" in known and which != "never" else 0


def _profiles(builder: Any, config: Any, ranges: Ranges, add: str, order: tuple) -> None:
    profile = builder.create_optimization_profile()
    if add == "before":
        config.add_optimization_profile(profile)
    for name, shapes in ranges.items():
        profile.set_shape(name, *(shapes[k] for k in order))
        if add == "one each":
            config.add_optimization_profile(profile)
            profile = builder.create_optimization_profile()
    if add == "one profile" and ranges:
        config.add_optimization_profile(profile)


def _limit(trt: Any, config: Any, size: int, how: str) -> None:
    if how == "attribute":
        config.max_workspace_size = size
    elif how == "mib":
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size // MIB)
    elif how == "times mib":
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size * MIB)
    elif how == "pool":
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)


def _wrong(**changed: Any) -> Callable:
    return lambda trt, onnx_bytes, profile, workspace_bytes, fp16: _build(
        trt, onnx_bytes, profile, workspace_bytes, fp16, **changed)


def _by_version(trt: Any, onnx_bytes: bytes, profile: Ranges, workspace_bytes: int, fp16: bool) -> bytes:
    """Asks for the major version instead of names, and uses `with`."""
    major = int(trt.__version__.split(".")[0])
    if fp16 and major >= 11:
        raise ValueError("TensorRT 11 takes the model precision")
    logger = trt.Logger(trt.Logger.WARNING)
    with trt.Builder(logger) as builder, builder.create_builder_config() as config:
        network = builder.create_network(1 if major == 8 else 0)
        with trt.OnnxParser(network, logger) as parser:
            if parser.parse(onnx_bytes) is False:
                raise RuntimeError("\n".join(parser.get_error(k).desc() for k in range(parser.num_errors)))
        config.set_memory_pool_limit(pool=trt.MemoryPoolType.WORKSPACE, pool_size=workspace_bytes)
        if fp16:
            config.set_flag(trt.BuilderFlag.FP16)
        ranges = builder.create_optimization_profile()
        for name in sorted(profile):
            lo, opt, hi = profile[name]
            ranges.set_shape(name, min=lo, opt=opt, max=hi)
        if profile:
            config.add_optimization_profile(ranges)
        plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError("no plan")
    return bytes(plan)


# --- questions ------------------------------------------------------------------------------------


def _ask(release: str, model: bytes, profile: Ranges, workspace_mib: float = 256, fp16: bool = False, note: str = "",
         **case: Any) -> Case:
    told = ", ".join(f"{name} {lo}/{opt}/{hi}" for name, (lo, opt, hi) in profile.items()) or "no profile"
    label = f"TensorRT {release}: {note or told}, workspace {workspace_mib:g} MiB" + ", FP16" * fp16
    return Case(parts=tensorrt_build.stand_in_parts(release), onnx_bytes=model, profile=profile,
                workspace_bytes=int(workspace_mib * MIB), fp16=fp16, label=label, **case)


def _refused(release: str, model: bytes, profile: Ranges, note: str, words: tuple[str, ...] = ()) -> Case:
    """A build that must end in RuntimeError; which of the words its message holds is compared too."""
    return _ask(release, model, profile, note=note, words=list(words), probe="ch36_tensorrt_conversion.refusal", compare=exact())


_IMAGE = _relus((("x", ("N", 3, 8, 8)),))
_RANGE = {"x": ((1, 3, 8, 8), (4, 3, 8, 8), (8, 3, 8, 8))}
_PAIR = _relus((("ids", ("N", "T")), ("mask", ("N", "T"))))
_PAIRS = {"ids": ((1, 4), (2, 8), (4, 16)), "mask": ((1, 4), (2, 8), (4, 16))}
_STATIC = _relus((("x", (1, 3)),))
_AGAINST = {"x": ((1, 3, 4, 4), (1, 3, 8, 8), (1, 3, 8, 8))}


def _draw(rng: np.random.Generator) -> Case:
    release = str(rng.choice(RELEASES))
    shapes, ranges = [], {}
    for name in rng.permutation(["x", "ids", "mask:0"])[: int(rng.integers(1, 4))]:
        three = np.sort(rng.integers(1, 17, (3, int(rng.integers(1, 4)))), axis=0)
        shapes.append((str(name), tuple("N" if len(set(c)) > 1 else int(c[0]) for c in three.T)))
        ranges[str(name)] = tuple(tuple(int(n) for n in row) for row in three)
    distinct = tuple((n, tuple(f"{n}{i}" if d == "N" else d for i, d in enumerate(dims))) for n, dims in shapes)
    return _ask(release, _relus(distinct), ranges, int(rng.integers(1, 5000)), bool(rng.random() < 0.4) and release != "11.1")


def _same_plan(case: Case, expected: dict, got: Any) -> str | None:
    if got["type"] != expected["type"]:
        return f"a {got['type']}, expected bytes"
    if got["plan"] is None:
        return "these bytes are not the builder's plan"
    return next((f"{key}: {got['plan'].get(key)}, expected {value}" for key, value in expected["plan"].items()
                 if got["plan"].get(key) != value), None)


def _alike(expected: Any, got: Any, case: Any = None) -> str | None:
    return None if (expected["type"], expected["plan"]) == (got["type"], got["plan"]) else "another plan"


def _show(value: Any) -> str:
    if isinstance(value, dict) and "raised" in value:
        return f"{value['raised'] or 'no error'}" + (f" that names {', '.join(value['told'])}" if value["told"] else "")
    if not isinstance(value, dict) or "plan" not in value:
        return str(value)
    if value["plan"] is None:
        return f"{value['type']}, no plan"
    plan = value["plan"]
    shapes = " | ".join(", ".join(f"{n} {'/'.join(str(tuple(s)) for s in three)}" for n, three in p.items())
                        for p in plan["profiles"]) or "no profile"
    pools = ", ".join(f"{k} {v:,} B" for k, v in plan["pools"].items()) or "no limit"
    return f"plan: {shapes}; {pools}" + "".join(f"; {f}" for f in plan["flags"]) + f" ({value['type']})"


build_plan = Exercise(
    id="36.build_plan", points=5, difficulty=3, minutes=25, idea="one builder, three APIs",
    reference=tensorrt_build.build_plan, probe="ch36_tensorrt_conversion.build",
    cases=[
        _ask("11.1", _IMAGE, _RANGE, 1024),
        _ask("10.16", _IMAGE, _RANGE, 1024, fp16=True),
        _ask("8.6", _IMAGE, _RANGE, 1024, fp16=True),
    ],
    hidden=[
        *(_ask(release, _PAIR, _PAIRS, 300) for release in RELEASES),
        *(_ask(release, _STATIC, {}, 16) for release in RELEASES),
        *(_ask(release, _IMAGE, _RANGE, 0.5) for release in RELEASES),
        _ask("10.16", _IMAGE, _RANGE, 64), _ask("8.6", _IMAGE, _RANGE, 64),
        *(_refused(r, _unknown_operators(), {}, "a model with the unknown operators Foo and Bar", ("Foo", "Bar")) for r in RELEASES),
        *(_refused(r, _IMAGE, _AGAINST, "a profile against the static 8") for r in RELEASES),
        *(_refused(r, _IMAGE, {}, "a dynamic model without a profile") for r in RELEASES),
    ],
    draw=_draw, draws=24, time_limit_s=5,
    raises=[
        _ask("11.1", _IMAGE, _RANGE, fp16=True, word="model precision"),
        *(_ask(release, b"not a model", {}, note="bytes that are no model", error="RuntimeError") for release in RELEASES),
    ],
    compare=prop(_same_plan, same=_alike), show=_show,
    misconceptions=[
        Misconception(
            "explicit_batch_always", _wrong(flags="always"),
            "EXPLICIT_BATCH is gone from the enum in 11: the line raises AttributeError before anything is parsed. Only 8.6 "
            "needs it. How do you ask whether a name is there?",
            "The flag does not exist in 11."),
        Misconception(
            "explicit_batch_never", _wrong(flags="never"),
            "On 8.6 a network without the flag has an implicit batch, and the ONNX parser refuses it. Later releases have "
            "no other kind of network.",
            "8.6 still needs the flag.", also=(_wrong(flags="unshifted"),)),
        Misconception(
            "strongly_typed_by_choice", _wrong(flags="strong"),
            "STRONGLY_TYPED makes 10 follow the model's types, and then the FP16 flag is refused. It was not asked for; on "
            "8.6 the flag that is needed is another one.",
            "Nobody asked for strong typing."),
        Misconception(
            "max_workspace_size", _wrong(workspace="attribute"),
            "`max_workspace_size` ended with 8. In all three releases the limit is set on the config by "
            "`set_memory_pool_limit`, for the pool `trt.MemoryPoolType.WORKSPACE`.",
            "That attribute was removed in 10."),
        Misconception(
            "workspace_in_mib", _wrong(workspace="mib"),
            "The API takes bytes; trtexec is the one that takes MiB. With 1024 bytes of workspace nearly every kernel is "
            "skipped, and nothing says so.",
            "The limit is in bytes.", also=(_wrong(workspace="times mib"),)),
        Misconception(
            "no_workspace_limit", _wrong(workspace="none"),
            "Without a limit TensorRT may use the whole memory of the device. The argument `workspace_bytes` is not used.",
            "The workspace has no limit."),
        Misconception(
            "parse_ignored", _wrong(parse="ignored"),
            "`parse` returns False and raises nothing. A network that was not parsed builds to None, and the reason is lost: "
            "look at the return value at once.",
            "A failed parse goes unnoticed.", also=(_wrong(parse="ignored", none="bytes"), _wrong(parse="none"))),
        Misconception(
            "one_parser_error", _wrong(parse="first"),
            "The parser keeps a list: `num_errors`, and `get_error(i)` for each. Whoever reads your message should not have "
            "to run it once for every error.",
            "One error of several.", also=(_wrong(parse="last"),)),
        Misconception(
            "profile_not_added", _wrong(add="never"),
            "The config has no profile when the build starts. Either it was never added, or it was added before its shapes "
            "were set: an empty profile is not valid, and adding it returns -1 without an exception.",
            "The profile is not in the config.", also=(_wrong(add="before"),)),
        Misconception(
            "a_profile_for_each_input", _wrong(add="one each"),
            "A profile describes all inputs together, and each of yours lacks an input. One profile, one `set_shape` for "
            "each input, one `add_optimization_profile`.",
            "One profile holds all inputs."),
        Misconception(
            "opt_first", _wrong(order=(1, 0, 2)),
            "`set_shape` wants min, opt, max in this order, and the tuples in `profile` have it already.",
            "min comes first.", also=(_wrong(order=(0, 2, 1)),)),
        Misconception(
            "silent_fp32", _wrong(missing_fp16="silent"),
            "FP16 was asked for, and on 11 you build without it and say nothing. The engine follows the ONNX file, most "
            "often FP32, and somebody will wonder why it is slow. Refuse it.",
            "FP16 is dropped silently."),
        Misconception(
            "fp16_attribute_error", _wrong(missing_fp16="attribute"),
            "On 11 `trt.BuilderFlag.FP16` raises AttributeError, which tells the caller nothing about what to do. Ask for "
            "the name first, and raise ValueError with the reason.",
            "The flag is used without a look."),
        Misconception(
            "fp16_always", _wrong(fp16_on="always"),
            "The flag is set whatever `fp16` says. An FP32 build was asked for.",
            "FP16 is on although nobody asked."),
        Misconception(
            "none_not_checked", _wrong(none="bytes"),
            "The builder says no by returning None. `bytes(None)` is a TypeError about integers, far from the cause.",
            "None from the builder goes on.", also=(_wrong(none="returned"),)),
        Misconception(
            "serialize_detour", _wrong(result="detour"),
            "`build_serialized_network` has returned the plan already. Loading it to serialise it again needs a GPU and the "
            "memory of the whole engine; on a build server without a GPU it fails.",
            "The plan is already there."),
        Misconception(
            "not_bytes", _wrong(result="as it is"),
            "That object is memory of the library, not bytes. Copy it, and it lives on when the builder is gone.",
            "Return bytes."),
    ],
    alternatives=[_build, _by_version, _wrong(flags="where known", parse="all errors")],
    hints=(
        "`hasattr(trt.NetworkDefinitionCreationFlag, \"EXPLICIT_BATCH\")` decides about the flag; `1 << int(...)` makes the bit.",
        "Order: builder, network, parser, parse; then config, profile with all its shapes, add it, limit, flag; then build.",
        "Three things can say no without raising: `parse` returns False, `add_optimization_profile` returns -1, "
        "`build_serialized_network` returns None.",
    ),
    worth_knowing="The same code runs with the real library: on a machine with TensorRT pass `import tensorrt as trt`.",
)
