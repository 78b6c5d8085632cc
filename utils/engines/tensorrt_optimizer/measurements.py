"""What the experiment measures: tactics against the kernel's size, three convolutions against one, the arena."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import time_interleaved
from utils.engines.tensorrt_optimizer.blocks import BLOCKS, Graph, plain_chain
from utils.engines.tensorrt_optimizer.program import Options, compile_model
from utils.engines.tensorrt_optimizer.views import as_onnx
from utils.optional import EngineUnavailable, require

if TYPE_CHECKING:
    from onnx import ModelProto


def time_tactics(shapes: Iterable[Any], rounds: int = 7, limit_bytes: int = 1 << 30) -> list[dict[str, float]]:
    """For every ConvShape the best milliseconds of each tactic that supports it, measured in turns on one thread."""
    import torch

    from utils.engines.tensorrt_optimizer.mini_engine import one_thread, tactic_candidates

    found = []
    with one_thread(), torch.no_grad():
        for shape in shapes:
            rng = np.random.default_rng(0)
            x = torch.from_numpy(rng.standard_normal((shape.n, shape.c, shape.h, shape.w), np.float32))
            w = torch.from_numpy(rng.standard_normal((shape.o, shape.c, shape.kh, shape.kw), np.float32))
            candidates = tactic_candidates(x, w, shape, limit_bytes)
            fns = {name: fn for name, (fn, size) in candidates.items() if size <= limit_bytes}
            times = time_interleaved(fns, rounds, warmup=2)
            found.append({name: float(ms.min()) for name, ms in times.items()})
    return found


def time_block(block: str, options: Sequence[Options], rounds: int = 30) -> list[float]:
    """Median ms of a block's kernels in ONNX Runtime under each of `options`, in turns, one thread, its optimisers off.

    Concatenations run in any case: ONNX cannot leave them out.
    """
    from utils.graphs.onnx_tools import make_session

    model = BLOCKS[block]()
    programs = [compile_model(model, o) for o in options]
    sessions = [make_session(as_onnx(program, model)) for program in programs]
    x = np.random.default_rng(1).standard_normal(programs[0].shapes["x"]).astype(np.float32)
    runs = {str(i): lambda s=s: s.run(None, {"x": x}) for i, s in enumerate(sessions)}
    return [float(np.median(ms)) for ms in time_interleaved(runs, rounds, warmup=3).values()]


@dataclass(frozen=True)
class SiblingTimes:
    """Sibling convolutions in ONNX Runtime, median ms: as they are, merged with a Split behind, merged without one.

    `max_difference` compares the results of the first two.
    """

    separate_ms: float
    merged_ms: float
    unsplit_ms: float
    max_difference: float


def time_siblings(
    channels: Sequence[int] = (16, 24, 8), c_in: int = 64, size: int = 28, rounds: int = 60
) -> SiblingTimes:
    """Sibling 1x1 convolutions as they are and merged, in turns, one thread, ONNX Runtime's own optimisers off."""
    from utils.graphs.onnx_tools import make_session

    model = sibling_model(channels, c_in, size)
    x = np.random.default_rng(1).standard_normal((1, c_in, size, size)).astype(np.float32)
    models = [as_onnx(compile_model(model, Options(horizontal=merged)), model) for merged in (False, True)]
    sessions = [make_session(m) for m in (*models, _without_split(models[1]))]
    separate, merged, _ = (s.run(None, {"x": x}) for s in sessions)
    times = time_interleaved({str(i): lambda s=s: s.run(None, {"x": x}) for i, s in enumerate(sessions)}, rounds,
                             warmup=5)
    return SiblingTimes(*(float(np.median(ms)) for ms in times.values()),
                        max(float(np.abs(a - b).max()) for a, b in zip(separate, merged)))


def _without_split(model: ModelProto) -> ModelProto:
    """The merged convolution alone: its output as one tensor."""
    import onnx

    from utils.graphs.onnx_tools import make_model

    conv = model.graph.node[0]
    shapes = {v.name: v for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name in conv.input}
    return make_model([conv], list(model.graph.input), [shapes[conv.output[0]]], weights)


def sibling_model(channels: Sequence[int], c_in: int, size: int) -> ModelProto:
    """1x1 convolutions with `channels` outputs each, all of the input x."""
    from utils.graphs.onnx_tools import make_model

    g = Graph(0)
    names = [g.conv("x", f"branch{i}", c_in, c, 1) for i, c in enumerate(channels)]
    outputs = {name: (1, c, size, size) for name, c in zip(names, channels)}
    return make_model(g.nodes, {"x": (1, c_in, size, size)}, outputs, g.weights)


def arena_of_chain(depth: int = 20) -> dict[str, int]:
    """Bytes of a network of `depth` equal layers: the sum of its activations, the arena, and the lower bound."""
    plan = compile_model(plain_chain(depth)).memory_plan()
    return {"tensors": len(plan.uses), "sum": plan.sum_bytes, "arena": plan.peak_bytes, "bound": plan.lower_bound_bytes}


# -- TensorRT, where there is one -----------------------------------------------------------------


def tensorrt_layers(model: ModelProto) -> list[str]:
    """Names of the layers of the engine that TensorRT builds from `model` on this machine.

    Raises EngineUnavailable without the library or without a GPU.
    """
    import torch

    trt = require("tensorrt", "`pip install tensorrt` on a machine with an NVIDIA GPU")
    if not torch.cuda.is_available():
        raise EngineUnavailable("tensorrt is not available: torch sees no NVIDIA GPU here")
    from utils.engines.tensorrt_build import BuildSpec, build_engine

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        with open(path, "wb") as file:
            file.write(model.SerializeToString())
        plan = build_engine(BuildSpec(path), trt)
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
    told = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    return inspector_names(told)


def inspector_names(told: str) -> list[str]:
    """Layer names in the inspector's JSON, whose layers are strings or, with more verbosity, objects with a Name."""
    layers = json.loads(told).get("Layers", [])
    return [layer if isinstance(layer, str) else layer.get("Name", "") for layer in layers]


def named_groups(names: Iterable[str], layers: Iterable[str]) -> list[tuple[str, ...]]:
    """For each of TensorRT's layer names those of our `layers` that occur in it as a whole word; layers that it added
    itself, such as copies between layouts, are left out."""
    layers = list(layers)
    found = [tuple(n for n in layers if re.search(rf"(?<![\w]){re.escape(n)}(?![\w])", name)) for name in names]
    return [group for group in found if group]
