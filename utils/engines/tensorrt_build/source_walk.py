"""The conversion script of the interview document, step by step, against any TensorRT or stand-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto

PASSED, FAILED, NOT_REACHED = "passed", "failed", "not reached"


@dataclass(frozen=True)
class Step:
    """One line of the script: what it is called here, how it ended, and what it said."""

    line: str
    status: str
    note: str = ""


def _create_network(trt: Any, s: dict[str, Any]) -> None:
    s["network"] = s["builder"].create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))


def _parse(trt: Any, s: dict[str, Any]) -> None:
    parser = trt.OnnxParser(s["network"], s["logger"])
    if not parser.parse_from_file(s["path"]):
        raise SystemExit(f"ONNX model parsing failed: {parser.get_error(0)}")


def _profile(trt: Any, s: dict[str, Any]) -> None:
    s["profile"] = s["builder"].create_optimization_profile()
    s["profile"].set_shape("input", (1, 3, 224, 224), (1, 3, 640, 640), (1, 3, 640, 640))


def _config(trt: Any, s: dict[str, Any]) -> None:
    s["config"] = s["builder"].create_builder_config()
    s["config"].add_optimization_profile(s["profile"])


def _preview(trt: Any, s: dict[str, Any]) -> None:
    s["config"].set_preview_feature(trt.PreviewFeature.DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805, True)


def _fp16(trt: Any, s: dict[str, Any]) -> None:
    s["config"].set_flag(trt.BuilderFlag.FP16)


def _build(trt: Any, s: dict[str, Any]) -> None:
    s["plan"] = s["builder"].build_serialized_network(s["network"], s["config"])
    if s["plan"] is None:
        raise SystemExit("Failed building engine: " + "; ".join(getattr(trt, "messages", ["see the log"])[-2:]))


def _save(trt: Any, s: dict[str, Any]) -> None:
    engine = trt.Runtime(s["logger"]).deserialize_cuda_engine(s["plan"])
    s["saved"] = bytes(engine.serialize())


STEPS: tuple[tuple[str, Callable[[Any, dict[str, Any]], None]], ...] = (
    ("create_network(1 << EXPLICIT_BATCH)", _create_network),
    ("parser.parse_from_file(...)", _parse),
    ("profile.set_shape(\"input\", ...)", _profile),
    ("config.add_optimization_profile(...)", _config),
    ("set_preview_feature(DISABLE_EXTERNAL_...)", _preview),
    ("set_flag(BuilderFlag.FP16)", _fp16),
    ("build_serialized_network(...)", _build),
    ("deserialize, then engine.serialize()", _save),
)


def source_model() -> ModelProto:
    """A network with the input of the document's export: "input", batch dynamic ("N"), 3 x 640 x 640 fixed."""
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    nodes = [helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
             helper.make_node("Flatten", ["pooled"], ["output"])]
    return make_model(nodes, {"input": ("N", 3, 640, 640)}, {"output": ("N", 3)})


def walk_source(trt: Any, onnx_path: str, keep_going: bool = False) -> list[Step]:
    """Run the script's steps on `trt` and tell how each ended; a step after the first failure is not reached.

    With `keep_going` a step that fails is left out and the next one is tried, as somebody would do who comments the
    line out. The network is then made without a flag if that was the line that failed.
    """
    logger = trt.Logger(trt.Logger.VERBOSE)
    state: dict[str, Any] = {"logger": logger, "builder": trt.Builder(logger), "path": onnx_path}
    told: list[Step] = []
    for line, run in STEPS:
        if not keep_going and any(step.status != PASSED for step in told):
            told.append(Step(line, NOT_REACHED))
            continue
        try:
            run(trt, state)
            told.append(Step(line, PASSED))
        except (AttributeError, SystemExit, ValueError, KeyError, TypeError) as error:
            told.append(Step(line, FAILED, _told(error)))
            state.setdefault("network", state["builder"].create_network())
    return told


def _told(error: BaseException) -> str:
    return f"AttributeError: {error}" if isinstance(error, AttributeError) else str(error)
