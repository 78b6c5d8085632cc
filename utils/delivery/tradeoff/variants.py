"""A registry of real variants of one digits model, and how they are measured side by side in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from onnx import ModelProto

from utils.compression.distillation.training import distill
from utils.compression.pruning.structured import kept_neurons, shrink_mlp
from utils.compression.qdq import collect_ranges, digits_to_onnx, insert_qdq
from utils.cost.checks import positive
from utils.cost.latency import percentile, time_interleaved
from utils.delivery.tradeoff.choice import Variant
from utils.graphs.onnx_tools import make_session
from utils.networks.digits import Array, DigitsMLP, load_digits_split, seeded, train_classifier

WIDE, TINY = (1024, 1024), (16,)  # hidden layers: 1,126,410 and 1,210 parameters
SHARE_REMOVED = 0.75  # a quarter of each hidden layer stays: 256 x 256
# Chosen by their results on the 540 test images, so that a gate has something to decide there: not fair estimates.
WIDE_EPOCHS, TUNE_EPOCHS, TINY_EPOCHS = 10, 4, 20
CALIBRATION = 128  # images
TEMPERATURE = 4.0
WIDE_FP32, WIDE_INT8, PRUNED_FP32, PRUNED_INT8, TINY_FP32 = NAMES = (
    "wide FP32", "wide INT8", "pruned FP32", "pruned INT8", "tiny FP32")

Session = Any
OpenSession = Callable[[ModelProto], Session]


def build_networks(X: Array, y: Array, seed: int = 0) -> dict[str, DigitsMLP]:
    """The three float networks: "wide"; "pruned", wide cut to a quarter of its neurons and tuned; "tiny", distilled
    from wide without labels. X is float32 (n, 64), y int64 (n,)."""
    wide = train_classifier(seeded(lambda: DigitsMLP(WIDE), seed), X, y, epochs=WIDE_EPOCHS, lr=1e-3, seed=seed)
    pruned = shrink_mlp(wide, kept_neurons(wide, SHARE_REMOVED, "in_norm"))
    train_classifier(pruned, X, y, epochs=TUNE_EPOCHS, lr=1e-3, seed=seed)
    tiny = distill(wide, seeded(lambda: DigitsMLP(TINY), seed), X, T=TEMPERATURE, epochs=TINY_EPOCHS, seed=seed)
    return {"wide": wide.eval(), "pruned": pruned.eval(), "tiny": tiny.eval()}


def build_variants(X: Array, y: Array, seed: int = 0) -> dict[str, ModelProto]:
    """Five ONNX models of one task by name, each with input "img" (N, 64) and output "logits" (N, 10).

    The INT8 ones hold Q and DQ nodes, calibrated on the first training images; ONNX Runtime runs them as QGemm.
    """
    networks = build_networks(X, y, seed)
    wide, pruned, tiny = (digits_to_onnx(networks[name]) for name in ("wide", "pruned", "tiny"))
    return dict(zip(NAMES, (wide, to_int8(wide, X), pruned, to_int8(pruned, X), tiny)))


def to_int8(model: ModelProto, X: Array) -> ModelProto:
    """Static INT8 of a digits MLP, ranges from the first rows of X."""
    names = ["img", *(n.output[0] for n in model.graph.node if n.op_type == "Relu"), "logits"]
    return insert_qdq(model, collect_ranges(model, X[:CALIBRATION], names))


@cache
def _digits_variants(seed: int) -> dict[str, ModelProto]:
    X, _, y, _ = load_digits_split()
    return build_variants(X, y, seed)


def digits_variants(seed: int = 0) -> dict[str, ModelProto]:
    """`build_variants` on the 1,257 training digits, built once a process; don't change the models."""
    return dict(_digits_variants(seed))


def evaluate_variants(models: Mapping[str, ModelProto], X: Array, y: Array, *, batch: int = 1, threads: int = 1,
                      rounds: int = 200, warmup: int = 10, open_session: OpenSession | None = None) -> list[Variant]:
    """Run every model on X (n, 64) and time batches of it: right answers, nearest-rank p50 and p95, bytes of the file.

    The models are timed in turns, one batch of each a round, so that what disturbs the machine meets all of them.
    `open_session` makes a session of a model (default: ONNX Runtime on CPU with all its optimisations).
    Raises ValueError for a batch outside 1 ... n, or lengths that differ.
    """
    X, y = np.asarray(X, dtype=np.float32), np.asarray(y)
    positive(batch=batch)
    if len(X) != len(y) or batch > len(X):
        raise ValueError(f"X must have a row for each of {len(y)} labels, and at least a batch, got {len(X)} rows")
    opened = open_session or partial(make_session, threads=threads, optimize=True)
    sessions = {name: opened(model) for name, model in models.items()}
    rows = np.ascontiguousarray(X[:batch])
    samples_ms = time_interleaved({name: partial(s.run, None, {"img": rows}) for name, s in sessions.items()}, rounds,
                                  warmup=warmup)
    found = []
    for name, session in sessions.items():
        correct = session.run(None, {"img": X})[0].argmax(1) == y
        p50, p95 = (percentile(samples_ms[name], q) for q in (50, 95))
        found.append(Variant(name, int(correct.sum()), len(y), p50, p95, models[name].ByteSize(), batch, correct))
    return found


def cuda_session(model: ModelProto) -> Session | None:
    """A session of ONNX Runtime on the GPU, or None where its CUDA provider is not installed or finds no device."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return None
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CUDAExecutionProvider"])
    return session if "CUDAExecutionProvider" in session.get_providers() else None
