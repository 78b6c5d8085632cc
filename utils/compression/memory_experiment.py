"""Predictions against real files and real processes: weights on disk, an order of operators, an engine's arena."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.compression.memory_planner import peak_live_bytes
from utils.compression.resident import peak_rss_delta

if TYPE_CHECKING:
    from onnx import ModelProto

# --- weights on disk -----------------------------------------------------------------------------

CNNS: dict[str, tuple[tuple[int, int], int]] = {
    "digits CNN": ((8, 16), 32), "wide twin": ((64, 128), 512),
}


def file_rows(seed: int = 0) -> list[dict[str, Any]]:
    """For both networks the bytes of their ONNX files: FP32, 80 % zeros, half the channels, INT8 with Q/DQ.

    Each row also has the number of parameters, of the whole network and of the one with half the channels. The
    weights are random: what a file takes does not depend on how good they are.
    """
    from utils.cost.params import count_module
    from utils.networks.digits import DigitsCNN, seeded

    rows = []
    for name, (channels, hidden) in CNNS.items():
        whole, half = (seeded(lambda: DigitsCNN(c, h), seed) for c, h in (  # noqa: B023 - called here
            (channels, hidden), ((channels[0] // 2, channels[1] // 2), hidden // 2)))
        model = _exported(whole)
        rows.append({"name": name, "parameters": count_module(whole).trainable,
                     "half_parameters": count_module(half).trainable, "fp32": model.ByteSize(),
                     "zeros": _with_zeros(model, 0.8).ByteSize(), "half": _exported(half).ByteSize(),
                     "int8": _quantized_bytes(model)})
    return rows


def _exported(model: Any) -> ModelProto:
    import torch

    from utils.graphs.onnx_tools import export_torch

    return export_torch(model, torch.zeros(1, 64), opset=17)


def _with_zeros(model: ModelProto, sparsity: float) -> ModelProto:
    """A copy in which the smallest weights of every float tensor are zero."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            limit = np.quantile(np.abs(values), sparsity)
            kept = np.where(np.abs(values) < limit, 0, values).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(kept, tensor.name))
    return copy


def _quantized_bytes(model: ModelProto) -> int:
    """Bytes of the model after ONNX Runtime's static quantization to INT8, in the Q/DQ format."""
    from utils.graphs.static_int8 import static_int8

    rows = np.random.default_rng(0).random((8, 64), dtype=np.float32)  # noise: ranges set scales' values, not bytes
    return len(static_int8(model, [{"input": row[None]} for row in rows]).SerializeToString())


# --- an order of operators ------------------------------------------------------------------------

# The two-branch graph of the chapter as a network on `rows` rows: widths 4 -> 10 -> 1 twice, and a concatenation.
READS = {"a": ("x",), "b": ("x",), "c": ("a",), "d": ("b",), "y": ("c", "d")}
WIDTH = {"x": 4, "a": 10, "b": 10, "c": 1, "d": 1, "y": 2}
ORDERS = {"breadth first": "abcdy", "branch by branch": "acbdy"}
ROWS = 1_600_000  # a and b take 64 MB each in float32


def run_branches(order: Sequence[str], x: Any, weights: Mapping[str, Any], join: Callable[[list], Any]) -> Any:
    """The network's output, with every tensor freed after its last reader; arrays and torch tensors both work."""
    held, waiting = {"x": x}, list(order)
    while waiting:
        name = waiting.pop(0)
        read = [held[n] for n in READS[name]]
        held[name] = read[0] @ weights[name] if name in weights else join(read)
        del read
        for other in READS[name]:
            if other != "x" and not any(other in READS[later] for later in waiting):
                del held[other]
    return held[order[-1]]


def branch_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """The four matrices of the two branches."""
    rng = np.random.default_rng(seed)
    return {n: rng.standard_normal((WIDTH[READS[n][0]], WIDTH[n]), dtype=np.float32) for n in "abcd"}


def _branch_work(order: str, rows: int) -> Callable[[], object]:
    weights = branch_weights()
    x = np.ones((rows, WIDTH["x"]), np.float32)
    run_branches(order, x[:64], weights, np.hstack)  # the matrix library sets up its own buffers
    return lambda: run_branches(order, x, weights, np.hstack)


def traced_branch_bytes(order: str, rows: int = ROWS) -> int:
    """Peak of the network's tensors beside x when torch runs it, on the meta device."""
    import torch

    from utils.cost.memory.live_tensors import LiveTensorTracker

    x = torch.zeros(rows, WIDTH["x"], device="meta")
    weights = {name: torch.as_tensor(w).to("meta") for name, w in branch_weights().items()}
    with LiveTensorTracker((x, *weights.values())) as tracker:
        run_branches(order, x, weights, lambda parts: torch.cat(parts, 1))
    return tracker.peak_bytes


def order_rows(rows: int = ROWS) -> list[dict[str, Any]]:
    """For both orders the peak beside x: predicted, traced by torch on meta, and resident in a process of its own.

    The caller holds x all the time, so x counts nothing here.
    """
    size = {name: 4 * width * rows for name, width in WIDTH.items() if name != "x"}
    return [{"name": name, "order": order, "predicted": peak_live_bytes(order, READS, {"x": 0, **size}, ["y"]),
             "traced": traced_branch_bytes(order, rows), "resident": peak_rss_delta(_branch_work, order, rows)}
            for name, order in ORDERS.items()]


# --- an engine's arena ----------------------------------------------------------------------------

BATCH = 8


def early_mobilenet(batch: int = BATCH) -> ModelProto:
    """The stem and the first three blocks of MobileNetV2 as ONNX, for `batch` images of 224 x 224."""
    import torch

    from utils.graphs.onnx_tools import export_torch
    from utils.networks.classic import mobilenet_v2
    from utils.networks.digits import seeded

    return export_torch(seeded(mobilenet_v2, 0)[:4], torch.zeros(batch, 3, 224, 224), opset=17)


def _engine_work(model: bytes, batch: int, arena: bool) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = arena
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    image = np.ones((batch, 3, 224, 224), np.float32)
    return lambda: session.run(None, {"input": image})


def engine_rows(batch: int = BATCH) -> list[dict[str, Any]]:
    """Bytes beside weights and image for MobileNetV2's start: predicted by three rules, and measured twice.

    Predicted are separate buffers, the planned arena, the peak in place. Measured is the resident memory of ONNX
    Runtime's first run, with its arena and memory pattern on and off.
    """
    from utils.cost.arena import graph_from_onnx, named_uses_from_onnx, order_peak, plan_arena, plan_naive, ready_order

    model = early_mobilenet(batch)
    uses = named_uses_from_onnx(model)
    uses.pop("input")
    graph = replace(graph_from_onnx(model), inputs={"input": 0})  # the image is there before the run
    data = model.SerializeToString()
    return [
        {"name": "predicted: a buffer for every tensor", "bytes": plan_naive(list(uses.values())).total_bytes},
        {"name": "predicted: arena, nothing in place", "bytes": plan_arena(list(uses.values())).total_bytes},
        {"name": "predicted: live peak, activations in place", "bytes": order_peak(ready_order(graph), graph)},
        {"name": "measured: ONNX Runtime, arena off", "bytes": peak_rss_delta(_engine_work, data, batch, False)},
        {"name": "measured: ONNX Runtime, arena on", "bytes": peak_rss_delta(_engine_work, data, batch, True)},
    ]
