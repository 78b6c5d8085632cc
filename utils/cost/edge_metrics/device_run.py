"""Measuring a candidate: accuracy counts, latency percentiles, file size, and peak memory in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import positive
from utils.cost.edge_metrics.energy import cpu_energy_mj
from utils.cost.latency import percentile, time_callable

MB = 1e6

# A child's ru_maxrss starts at its parent's peak on Linux, so a small process under a large notebook reports the
# notebook. VmHWM belongs to the new address space alone.
_CHILD = """
import sys
def peak_kb():
    try:
        lines = open("/proc/self/status").read().splitlines()
        return int(next(l for l in lines if l.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
exec(sys.argv[1])
print(peak_kb())
"""
_RUN_ONNX = """
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
{session}
"""
_SESSION = """
session = onnxruntime.InferenceSession({path!r}, options, providers=["CPUExecutionProvider"])
feed = {{session.get_inputs()[0].name: numpy.zeros({shape!r}, numpy.float32)}}
for _ in range(3):
    session.run(None, feed)
"""


@dataclass(frozen=True)
class Candidate:
    """One row of a report. Energy says in `source` whether it was measured or modelled; None is unknown.

    `correct` of `total` samples are right. MB are 10^6 bytes.
    """

    name: str
    correct: int
    total: int
    p50_ms: float
    p99_ms: float
    peak_mb: float | None
    storage_mb: float
    energy_mj: float | None
    source: Literal["measured", "modelled"] = "modelled"

    @property
    def accuracy(self) -> float:
        """The share of samples that are right."""
        return self.correct / self.total

    def as_dict(self) -> dict:
        """The fields as plain data, and the accuracy."""
        return asdict(self) | {"accuracy": self.accuracy}


def peak_rss_mb(statements: str, *, timeout_s: float = 60.0) -> float | None:
    """Peak resident memory (MB) of a fresh Python process that runs `statements`; None where it can't be read.

    A process of its own: in this one the peak would belong to whatever ran before. Raises RuntimeError with the
    child's last line when the statements fail.
    """
    done = subprocess.run([sys.executable, "-c", _CHILD, statements], capture_output=True, text=True, timeout=timeout_s)
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"the measuring process failed: {told}")
    try:
        return int(done.stdout.split()[-1]) * 1024 / MB
    except (IndexError, ValueError):
        return None


def onnx_statements(path: str | Path | None = None, input_shape: tuple[int, ...] = ()) -> str:
    """Statements for `peak_rss_mb`: load ONNX Runtime, and (with a path) run the model three times on zeros."""
    session = "" if path is None else _SESSION.format(path=str(path), shape=tuple(input_shape))
    return _RUN_ONNX.format(session=session)


def measure_candidate(name: str, run: Callable[[np.ndarray], ArrayLike], x: np.ndarray, y: np.ndarray, *,
                      storage_bytes: int, warmup: int = 20, repeats: int = 500, peak_mb: float | None = None,
                      modelled_mj: float | None = None) -> Candidate:
    """Measure `run(x) -> scores (n, classes)`: right answers on all of x, latency of single rows, energy if readable.

    Latency is that of `repeats` calls with one row each, taken in turn, after `warmup` calls. Where the CPU has no
    energy counter, `modelled_mj` is reported and marked as modelled. x has shape (n, ...), y shape (n,).
    Raises ValueError for no samples or lengths that differ.
    """
    positive(samples=len(x), storage_bytes=storage_bytes)
    if len(x) != len(y):
        raise ValueError(f"y must have one label for each of the {len(x)} samples, got {len(y)}")
    correct = int(np.count_nonzero(np.asarray(run(x)).argmax(1) == np.asarray(y)))
    at = iter(range(warmup + repeats))

    def one() -> None:
        i = next(at) % len(x)
        run(x[i:i + 1])

    latencies_ms = time_callable(one, warmup=warmup, repeats=repeats)
    measured_mj = cpu_energy_mj(lambda: run(x[:1]), repeats)
    energy_mj, source = (measured_mj, "measured") if measured_mj is not None else (modelled_mj, "modelled")
    p50, p99 = (percentile(latencies_ms, q) for q in (50, 99))
    return Candidate(name, correct, len(y), p50, p99, peak_mb, storage_bytes / MB, energy_mj, source)


def deadline_miss_rate(latencies_ms: ArrayLike, deadline_ms: float) -> float:
    """Share of the latencies that are longer than the deadline.

    Raises ValueError for no latencies, or a deadline that is not positive.

    >>> deadline_miss_rate([10, 30, 33, 50], 33)
    0.25
    """
    positive(deadline_ms=deadline_ms)
    found = np.asarray(latencies_ms, dtype=np.float64)
    if found.size == 0:
        raise ValueError("latencies_ms must not be empty, got no latency")
    return float(np.mean(found > deadline_ms))
