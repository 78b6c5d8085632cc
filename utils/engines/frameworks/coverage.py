"""Which ONNX operators does an engine really run? One-node models, each run and compared with ONNX Runtime.

    python -m utils.engines.frameworks.coverage OpenVINO

Native code may end the process on a model that it does not know. So each engine is asked in a process of its own,
which is started again behind the operator that killed it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from utils.engines.frameworks.registry import ENGINES, make_engine
from utils.engines.silence import muted
from utils.optional import EngineUnavailable, require

if TYPE_CHECKING:
    from onnx import ModelProto

Verdict = Literal["runs", "differs", "refused", "not written", "crashes"]
TOLERANCE = 1e-3  # float32 operators on values of size 1: rounding stays a hundred times below it
PATIENCE_S = 60


@dataclass(frozen=True)
class OperatorProbe:
    """What an engine made of one operator, with the first line of its complaint.

    "not written": the engine has a layer for it, but the writer of this course does not make it.
    """

    op: str
    verdict: Verdict
    note: str = ""


# --- the models -----------------------------------------------------------------------------------

IMAGE = (1, 8, 12, 12)
ROWS = (4, 16)
_CONV = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


def _w(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.3, size=shape).astype(np.float32)


def _positive(*shape: int) -> np.ndarray:
    return np.abs(_w(*shape)) + np.float32(0.5)


def _ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# name -> (operator, input shape, weights, attributes, output shape)
PROBES: dict[str, tuple[str, tuple[int, ...], list[np.ndarray], dict[str, Any], tuple[int | None, ...]]] = {
    "Conv": ("Conv", IMAGE, [_w(4, 8, 3, 3), _w(4)], _CONV, (1, 4, 12, 12)),
    "Conv, depthwise": ("Conv", IMAGE, [_w(8, 1, 3, 3), _w(8)], {**_CONV, "group": 8}, IMAGE),
    "Conv, 2 groups": ("Conv", IMAGE, [_w(4, 4, 3, 3), _w(4)], {**_CONV, "group": 2}, (1, 4, 12, 12)),
    "ConvTranspose": ("ConvTranspose", IMAGE, [_w(8, 4, 2, 2)], {"kernel_shape": [2, 2], "strides": [2, 2]},
                      (1, 4, 24, 24)),
    "BatchNormalization": ("BatchNormalization", IMAGE, [_w(8), _w(8), _w(8), _positive(8)], {}, IMAGE),
    "Relu": ("Relu", IMAGE, [], {}, IMAGE),
    "Sigmoid": ("Sigmoid", IMAGE, [], {}, IMAGE),
    "HardSwish": ("HardSwish", IMAGE, [], {}, IMAGE),
    "Softmax": ("Softmax", ROWS, [], {"axis": -1}, ROWS),
    "MaxPool": ("MaxPool", IMAGE, [], {"kernel_shape": [2, 2], "strides": [2, 2]}, (1, 8, 6, 6)),
    "AveragePool": ("AveragePool", IMAGE, [], {"kernel_shape": [2, 2], "strides": [2, 2]}, (1, 8, 6, 6)),
    "GlobalAveragePool": ("GlobalAveragePool", IMAGE, [], {}, (1, 8, 1, 1)),
    "Gemm": ("Gemm", ROWS, [_w(10, 16), _w(10)], {"transB": 1}, (4, 10)),
    "MatMul": ("MatMul", ROWS, [_w(16, 10)], {}, (4, 10)),
    "Add": ("Add", IMAGE, [_w(1, 8, 1, 1)], {}, IMAGE),
    "Resize, nearest": ("Resize", IMAGE, [np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32)],
                        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
                        (1, 8, 24, 24)),
    "LayerNormalization": ("LayerNormalization", ROWS, [_w(16), _w(16)], {}, ROWS),
    "Transpose": ("Transpose", ROWS, [], {"perm": [1, 0]}, (16, 4)),
    "ReduceMean": ("ReduceMean", IMAGE, [], {"axes": [2, 3], "keepdims": 1}, (1, 8, 1, 1)),
    "Gather": ("Gather", ROWS, [_ints(3, 0, 2)], {"axis": 0}, (3, 16)),
    "Einsum": ("Einsum", ROWS, [_w(16, 10)], {"equation": "ij,jk->ik"}, (4, 10)),
    "CumSum": ("CumSum", ROWS, [np.array(1, np.int64)], {}, ROWS),
    "LSTM": ("LSTM", (5, 1, 8), [_w(1, 16, 8), _w(1, 16, 4)], {"hidden_size": 4}, (5, 1, 1, 4)),
    "ScatterND": ("ScatterND", ROWS, [np.array([[1], [3]], np.int64), _w(2, 16)], {}, ROWS),
    "RoiAlign": ("RoiAlign", IMAGE, [np.array([[1, 1, 8, 8]], np.float32), _ints(0)],
                 {"output_height": 3, "output_width": 3, "sampling_ratio": 2}, (1, 8, 3, 3)),
    "Det": ("Det", (3, 4, 4), [], {}, (3,)),
    "Unique": ("Unique", (12,), [], {}, (None,)),
    "GridSample": ("GridSample", IMAGE, [np.clip(_w(1, 6, 6, 2), -0.9, 0.9)], {}, (1, 8, 6, 6)),
}


def probe_model(name: str) -> ModelProto:
    """The one-node model of a probe, opset 17. KeyError for an unknown name."""
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    op, shape, weights, attributes, out = PROBES[name]
    named = {f"w{i}": weight for i, weight in enumerate(weights)}
    node = helper.make_node(op, ["x", *named], ["y"], **attributes)
    return make_model([node], {"x": shape}, {"y": out}, named)


# what an engine with a format of its own calls the operator of a probe; "" if it has no single one
_NCNN_LAYERS = {
    "Conv": "Convolution", "Conv, depthwise": "ConvolutionDepthWise", "Conv, 2 groups": "ConvolutionDepthWise",
    "ConvTranspose": "Deconvolution", "BatchNormalization": "BatchNorm", "Relu": "ReLU", "MaxPool": "Pooling",
    "AveragePool": "Pooling", "GlobalAveragePool": "Pooling", "Gemm": "InnerProduct", "Add": "BinaryOp",
    "Resize, nearest": "Interp", "LayerNormalization": "LayerNorm", "Transpose": "Permute", "ReduceMean": "Reduction",
    "CumSum": "CumulativeSum", "RoiAlign": "ROIAlign",
}
_LITERT_OPERATORS = {
    "Conv": "CONV_2D", "Conv, depthwise": "DEPTHWISE_CONV_2D", "Conv, 2 groups": "CONV_2D",
    "ConvTranspose": "TRANSPOSE_CONV", "BatchNormalization": "", "Sigmoid": "LOGISTIC", "HardSwish": "HARD_SWISH",
    "MaxPool": "MAX_POOL_2D", "AveragePool": "AVERAGE_POOL_2D", "GlobalAveragePool": "MEAN", "Gemm": "FULLY_CONNECTED",
    "MatMul": "BATCH_MATMUL", "Resize, nearest": "RESIZE_NEAREST_NEIGHBOR", "LayerNormalization": "",
    "ReduceMean": "MEAN", "LSTM": "UNIDIRECTIONAL_SEQUENCE_LSTM", "ScatterND": "SCATTER_ND",
}


def has_layer(engine: str, name: str) -> bool:
    """Whether ncnn or LiteRT itself has a layer for a probe, asked of the installed package; True for the others.

    Raises EngineUnavailable if the package is missing.
    """
    if engine == "ncnn":
        ncnn = require("ncnn", ENGINES[engine].hint())
        with muted():  # names the layers that it does not know
            return ncnn.layer_to_index(_NCNN_LAYERS.get(name, name)) >= 0
    if engine == "LiteRT":
        schema = require("ai_edge_litert.schema_py_generated", ENGINES[engine].hint())
        return bool(layer := _LITERT_OPERATORS.get(name, name.upper())) and hasattr(schema.BuiltinOperator, layer)
    return True


# --- asking -----------------------------------------------------------------------------------------


def probe_here(engine: str, names: Iterable[str]) -> Iterable[OperatorProbe]:
    """Ask an engine in this process, one operator after the other. EngineUnavailable if it is not installed."""
    reference = make_engine("ONNX Runtime")
    for name in names:
        model, shape = probe_model(name), PROBES[name][1]
        feeds = {"x": np.random.default_rng(1).normal(size=shape).astype(np.float32)}
        reference.load(model, 1)
        wanted = reference.run(feeds)["y"]
        candidate = make_engine(engine)
        try:
            candidate.load(model, 1)
            found = candidate.run(feeds)["y"]
        except EngineUnavailable:
            raise
        except Exception as error:  # whatever an engine or a writer raises is its answer
            own_format = engine in ("ncnn", "LiteRT")
            verdict: Verdict = "not written" if own_format and has_layer(engine, name) else "refused"
            yield OperatorProbe(name, verdict, (str(error).splitlines() or [type(error).__name__])[0][:160])
            continue
        same = found.shape == wanted.shape and bool(np.allclose(found, wanted, atol=TOLERANCE, rtol=TOLERANCE))
        yield OperatorProbe(name, "runs" if same else "differs", "" if same else f"output of shape {found.shape}")


def probe_operators(engine: str, names: Sequence[str] = tuple(PROBES)) -> list[OperatorProbe]:
    """Ask an engine about operators in a process of its own; what kills it "crashes".

    Raises EngineUnavailable if the engine is not installed, KeyError for an unknown engine or operator.
    """
    if engine not in ENGINES:
        raise KeyError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    for name in names:
        if name not in PROBES:
            raise KeyError(f"names must be among the probes, got {name!r}")
    ENGINES[engine].version()
    found: list[OperatorProbe] = []
    while len(found) < len(names):
        rest = list(names[len(found):])
        found += _ask_apart(engine, rest)
        if len(found) < len(names):
            found.append(OperatorProbe(names[len(found)], "crashes", "the process ended"))
    return found


def _ask_apart(engine: str, names: list[str]) -> list[OperatorProbe]:
    words = [sys.executable, "-m", "utils.engines.frameworks.coverage", engine, *names]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
                              stdin=subprocess.DEVNULL)
        told = done.stdout
    except subprocess.TimeoutExpired as error:
        told = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
    return [OperatorProbe(**json.loads(line)) for line in told.splitlines() if line.startswith('{"op"')]


def missing_operators(engine: str, names: Sequence[str] = tuple(PROBES)) -> list[str]:
    """Names of the probes that an engine does not run rightly."""
    return [probe.op for probe in probe_operators(engine, names) if probe.verdict != "runs"]


def main(argv: Sequence[str] | None = None) -> int:
    """Print a JSON line for each operator. Status 2 for bad arguments, 1 without the engine."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in ENGINES or set(words[1:]) - set(PROBES):
        print(f"usage: python -m utils.engines.frameworks.coverage ENGINE [OPERATOR …]; engines: {', '.join(ENGINES)}; "
              f"operators: {'; '.join(PROBES)}", file=sys.stderr)
        return 2
    try:
        for probe in probe_here(words[0], words[1:] or list(PROBES)):
            print(json.dumps(probe.__dict__), flush=True)
    except EngineUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
