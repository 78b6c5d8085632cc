"""Throughput and latency against the number of streams, on ONNX Runtime and, where present, on TensorRT."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.ortexec import Run, ortexec
from utils.engines.trtexec.flags import RELEASES
from utils.engines.trtexec.log import parse_log
from utils.engines.trtexec.migration import migrate
from utils.engines.trtexec.report import PerformanceSummary
from utils.optional import EngineUnavailable

if TYPE_CHECKING:
    from onnx import ModelProto


def four_layer_cnn(channels: Sequence[int] = (16, 32, 32, 32), size: int = 64, seed: int = 0) -> ModelProto:
    """Four 3x3 convolutions with ReLU, global average pooling and a linear layer to 10 classes.

    Input "x" of shape (N, 3, size, size) float32, output "y" of shape (N, 10); every second convolution
    halves the image. Weights are random (He), so the values mean nothing and stay finite.
    """
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    rng = np.random.default_rng(seed)
    nodes, weights, tensor, c_in = [], {}, "x", 3
    for k, c_out in enumerate(channels):
        scale = np.sqrt(2 / (9 * c_in))
        weights[f"w{k}"] = (rng.normal(size=(c_out, c_in, 3, 3)) * scale).astype(np.float32)
        stride = 1 + k % 2
        conv = helper.make_node(
            "Conv", [tensor, f"w{k}"], [f"c{k}"], kernel_shape=[3, 3], pads=[1] * 4, strides=[stride] * 2
        )
        nodes += [conv, helper.make_node("Relu", [f"c{k}"], [f"r{k}"])]
        tensor, c_in = f"r{k}", c_out
    weights["head"] = (rng.normal(size=(10, c_in)) / np.sqrt(c_in)).astype(np.float32)
    nodes += [
        helper.make_node("GlobalAveragePool", [tensor], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head"], ["y"], transB=1),
    ]
    return make_model(nodes, {"x": ("N", 3, size, size)}, {"y": ("N", 10)}, weights)


def sweep_streams(
    model: ModelProto | bytes | str | Path,
    shapes: dict[str, tuple[int, ...]],
    streams: Sequence[int] = (1, 2, 4),
    duration_s: float = 2.0,
    warm_up_ms: float = 200.0,
) -> list[Run]:
    """One run of ortexec for each number of streams, one thread of ONNX Runtime in each stream."""
    return [ortexec(model, shapes, duration_s=duration_s, warm_up_ms=warm_up_ms, streams=n) for n in streams]


def sweep_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What the figure draws: streams, throughput_qps, p50_ms, p99_ms and in_flight of each run."""
    return [
        {
            "streams": run.streams,
            "throughput_qps": run.summary.throughput_qps,
            "p50_ms": run.summary.latency.median_ms,
            "p99_ms": run.summary.latency.percentiles_ms[99.0],
            "in_flight": in_flight(run.summary),
        }
        for run in runs
    ]


def in_flight(summary: PerformanceSummary) -> float:
    """Mean number of queries in the system by Little's law: throughput times mean latency.

    A run whose streams are always busy has as many as streams; less is time between the queries.
    """
    return summary.throughput_qps * summary.latency.mean_ms / 1e3


# -- the real trtexec -----------------------------------------------------------------------------


def release_of_banner(text: str) -> str:
    """The table's release that stands for the version in trtexec's first line, "[TensorRT v101600]".

    Raises ValueError when there is no version, or one of a major release that the table does not have.
    """
    match = re.search(r"\[TensorRT v(\d+)\]", text)
    if not match:
        raise ValueError("text must hold trtexec's banner, got none")
    version = int(match[1])
    major = version // 10000 if version >= 100000 else version // 1000  # v101600 is 10.16, v8601 is 8.6.1
    release = next((r for r in RELEASES if int(r.split(".")[0]) == major), None)
    if release is None:
        raise ValueError(f"version must belong to one of {', '.join(RELEASES)}, got v{version}")
    return release


def run_trtexec(arguments: Sequence[str], *, timeout_s: float = 600.0) -> PerformanceSummary:
    """Run the installed trtexec, with the command line migrated to its release, and read its log.

    Raises EngineUnavailable when there is no trtexec on the PATH or it fails, for example without a GPU.
    """
    program = shutil.which("trtexec")
    if program is None:
        raise EngineUnavailable("trtexec is not available: it comes with TensorRT and must be on the PATH")
    banner = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=timeout_s, check=False)
    release = release_of_banner(banner.stdout + banner.stderr)
    command = list(arguments) if release == "8.6" else migrate(arguments, release, keep_measurement=True).argv
    done = subprocess.run([program, *command], capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-3:]
        raise EngineUnavailable(f"trtexec is not available: it ended with {done.returncode}: {' / '.join(last)}")
    return parse_log(done.stdout + done.stderr)
