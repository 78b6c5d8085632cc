"""Evidence for the quality gate, from ONNX files that are really run. Imports onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.cost.latency import time_interleaved
from utils.graphs.onnx_tools import make_session

from .release_rule import Evidence


def evidence_from_onnx(base: str | Path, candidate: str | Path, x: np.ndarray, y: np.ndarray, *, rounds: int = 40,
                       batch: int = 64, providers: tuple[str, ...] = ("CPUExecutionProvider",)
                       ) -> tuple[Evidence, Evidence]:
    """Evidence of the model in production and of a candidate, on the same samples and in the same minute.

    x (n, ...) holds the inputs, y (n,) the labels; the first output is logits (n, classes). The latencies are those of
    the first `batch` samples, one round after another, the two models in turns (A B, B A, ...): whatever disturbs the
    machine meets both. One thread, ONNX Runtime's optimisations on.
    """
    paths = {"base": Path(base), "candidate": Path(candidate)}
    sessions = {name: _session(path, providers) for name, path in paths.items()}
    runs = {name: _runner(session, x[:batch]) for name, session in sessions.items()}
    taken = time_interleaved(runs, rounds, warmup=3)
    found = [Evidence(_runner(session, x)()[0].argmax(1) == y, taken[name], paths[name].stat().st_size,
                      signature_of(session)) for name, session in sessions.items()]
    return found[0], found[1]


def _session(path: Path, providers: tuple[str, ...]):
    if providers == ("CPUExecutionProvider",):
        return make_session(path.read_bytes(), optimize=True)
    import onnxruntime

    return onnxruntime.InferenceSession(path.read_bytes(), providers=list(providers))


def _runner(session, x: np.ndarray):
    feeds = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feeds)


def signature_of(session) -> tuple:
    """Names, types and shapes of a session's inputs and outputs; a symbolic axis stands by its name."""
    return tuple((v.name, v.type, tuple(v.shape)) for v in (*session.get_inputs(), *session.get_outputs()))
