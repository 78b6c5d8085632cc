"""Three widths of one CNN in FP32 and INT8, as ONNX files: candidates that differ in all that an edge report lists."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from utils.cost.edge_metrics.device_run import Candidate, measure_candidate, onnx_statements, peak_rss_mb
from utils.cost.edge_metrics.energy import operation_energy_mj
from utils.graphs.onnx_tools import export_torch, make_session
from utils.graphs.static_int8 import static_int8
from utils.networks.digits import DigitsCNN, load_digits_split, seeded, train_classifier

TEST_IMAGES = 497  # of 1,797; accuracies belong to this split
WIDTHS = {"full": ((32, 64), 128), "half": ((16, 32), 64), "quarter": ((8, 16), 32)}
Precision = Literal["FP32", "INT8"]


def cnn_macs(width: str) -> int:
    """Multiply-accumulates of one 8 x 8 image in the CNN of this width."""
    (c1, c2), hidden = WIDTHS[width]
    return 64 * 9 * c1 + 64 * 9 * c1 * c2 + 16 * c2 * hidden + hidden * 10


@dataclass(frozen=True)
class Variant:
    """A network of one width and precision as the bytes of an ONNX file."""

    width: str
    precision: Precision
    onnx: bytes

    @property
    def name(self) -> str:
        """ "INT8, half width" """
        return f"{self.precision}, {self.width} width"

    @property
    def modelled_mj(self) -> float:
        """First-order energy of one image at 45 nm: its operations, and the file read once from DRAM."""
        return operation_energy_mj(cnn_macs(self.width), 8 if self.precision == "INT8" else 32, len(self.onnx))


@cache
def fp32_variant(width: str = "full", epochs: int = 4, seed: int = 0) -> Variant:
    """Train the CNN of this width on the 1,300 training digits and export it; done once a process.

    KeyError for an unknown width.
    """
    import torch

    channels, hidden = WIDTHS[width]
    X, _, y, _ = load_digits_split(TEST_IMAGES)
    model = train_classifier(seeded(lambda: DigitsCNN(channels, hidden), seed), X, y, epochs=epochs, lr=4e-3,
                             batch_size=32, seed=seed)
    exported = export_torch(model, torch.zeros(1, 64), dynamic_batch="N", opset=17)
    return Variant(width, "FP32", exported.SerializeToString())


@cache
def int8_variant(width: str = "full", epochs: int = 4, seed: int = 0, calibration: int = 128) -> Variant:
    """The same network with static INT8 by ONNX Runtime's quantizer, calibrated on the first training images."""
    feeds = [{"input": load_digits_split(TEST_IMAGES)[0][:calibration]}]
    model = onnx.load_model_from_string(fp32_variant(width, epochs, seed).onnx)
    quantized = static_int8(model, feeds, per_channel=True, activations="uint8", reduce_range=True)
    return Variant(width, "INT8", quantized.SerializeToString())


def predictions(variant: Variant) -> tuple[np.ndarray, np.ndarray]:
    """(predicted labels, true labels) of the 497 test images, int64 of shape (497,)."""
    _, X, _, y = load_digits_split(TEST_IMAGES)
    session = make_session(variant.onnx, optimize=True)
    return session.run(None, {"input": X})[0].argmax(1), y


def measure_variant(variant: Variant, repeats: int = 500, memory: bool = True) -> Candidate:
    """Accuracy, single-image latency, file size, peak memory in a process of its own, energy (measured or modelled)."""
    _, X, _, y = load_digits_split(TEST_IMAGES)
    session = make_session(variant.onnx, optimize=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(variant.onnx)
        peak_mb = peak_rss_mb(onnx_statements(path, (1, 64))) if memory else None
    return measure_candidate(variant.name, lambda x: session.run(None, {"input": x})[0], X, y,
                             storage_bytes=len(variant.onnx), repeats=repeats, peak_mb=peak_mb,
                             modelled_mj=variant.modelled_mj)


def runtime_peak_mb() -> float | None:
    """Peak memory of a process that loads ONNX Runtime and no model."""
    return peak_rss_mb(onnx_statements())


def latency_runs(variant: Variant, counts: Sequence[int], seed: int = 0) -> dict[int, np.ndarray]:
    """Single-image latencies in ms: for each count a run of that many calls on random test images."""
    from utils.cost.latency import time_callable

    _, X, _, _ = load_digits_split(TEST_IMAGES)
    session = make_session(variant.onnx, optimize=True)
    rng = np.random.default_rng(seed)
    told = {}
    for count in counts:
        rows = iter(rng.integers(0, len(X), count + 20))
        told[count] = time_callable(lambda rows=rows: session.run(None, {"input": X[(i := next(rows)):i + 1]}),
                                    warmup=20, repeats=count)
    return told
