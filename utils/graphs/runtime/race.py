"""One graph, several runtimes: do they agree, and what do they cost?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import time_interleaved
from utils.graphs.runtime.interpreter import NumpyRuntime

if TYPE_CHECKING:
    from onnx import ModelProto

Feeds = Mapping[str, np.ndarray]
Runner = Callable[[Feeds], list[np.ndarray]]
AS_WRITTEN = "ONNX Runtime, graph as written"
GPU_PROVIDERS = ("CUDAExecutionProvider", "TensorrtExecutionProvider")


@dataclass(frozen=True)
class RuntimeRow:
    """One runtime beside the others: largest difference of any output element from ONNX Runtime's, share of samples
    with the same largest output, median time of one call in ms."""

    name: str
    max_diff: float
    agreement: float
    p50_ms: float

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def runners(model: ModelProto) -> dict[str, Runner]:
    """The runtimes on this machine that can run `model`: two interpreters in Python, ONNX Runtime without and with
    its optimisations, and on its GPU providers where they are installed."""
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    from utils.graphs.onnx_tools import make_session

    mine, reference = NumpyRuntime(model), ReferenceEvaluator(model)
    found: dict[str, Runner] = {
        "NumPy runtime of this course": lambda feeds: list(mine.run(feeds).values()),
        "onnx.reference": lambda feeds: reference.run(None, dict(feeds)),
        AS_WRITTEN: _session_runner(make_session(model)),
        "ONNX Runtime, optimised": _session_runner(make_session(model, optimize=True)),
    }
    for provider in (p for p in GPU_PROVIDERS if p in onnxruntime.get_available_providers()):
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=[provider, "CPUExecutionProvider"])
        if provider in session.get_providers():  # the library may lack its driver: then it falls back silently
            found[f"ONNX Runtime, {provider.removesuffix('ExecutionProvider')}"] = _session_runner(session)
    return found


def _session_runner(session: Any) -> Runner:
    return lambda feeds: session.run(None, dict(feeds))


def race(model: ModelProto, many: Feeds, one: Feeds, rounds: int = 15) -> list[RuntimeRow]:
    """Compare the runtimes on `many` (agreement of the first output) and time them in turns on `one`.

    Raises ValueError for rounds < 1.
    """
    found = runners(model)
    expected = found[AS_WRITTEN](many)
    times = time_interleaved({name: (lambda run=run: run(one)) for name, run in found.items()}, rounds)
    rows = []
    for name, run in found.items():
        got = run(many)
        difference = max(float(np.abs(g - e).max()) for g, e in zip(got, expected))
        same = got[0].reshape(len(got[0]), -1).argmax(1) == expected[0].reshape(len(expected[0]), -1).argmax(1)
        rows.append(RuntimeRow(name, difference, float(same.mean()), float(np.median(times[name]))))
    return rows


def tensor_differences(model: ModelProto, feeds: Feeds) -> dict[str, float]:
    """For each tensor that a node makes, in order: the largest difference between the NumPy runtime and ONNX Runtime.

    This is how one finds the first operator on which two runtimes part. Tensors of no elements give 0.
    """
    from utils.graphs.onnx_tools import expose_outputs, make_session

    exposed = expose_outputs(model)
    names = [v.name for v in exposed.graph.output]
    theirs = dict(zip(names, make_session(exposed).run(names, dict(feeds))))
    mine = NumpyRuntime(exposed).run(feeds)
    made = [name for node in model.graph.node for name in node.output if name]
    return {
        name: float(np.abs(mine[name].astype(np.float64) - theirs[name].astype(np.float64)).max(initial=0.0))
        for name in made
    }
