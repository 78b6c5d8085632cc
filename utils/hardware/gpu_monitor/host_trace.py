"""A real trace without a GPU: torch's operators on the CPU, and threads that stand in for SMs. All of it measured."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from utils.cost.checks import positive

from .intervals import utilization


def record_host_trace(seconds: float = 3.0, burst_s: float = 0.25, pause_s: float = 0.45) -> str:
    """Profile a small network that computes for `burst_s` and then waits for `pause_s`, as for a data loader.

    Returns the Chrome trace that `torch.profiler` exports, as text; it spans a little more than `seconds`. One thread.
    Raises ValueError for times that are not positive.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    positive(seconds=seconds, burst_s=burst_s, pause_s=pause_s)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler reports its start and stop on stderr
    model = torch.nn.Sequential(torch.nn.Linear(1024, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 1024))
    x = torch.ones(128, 1024)
    with _threads(1), torch.no_grad():
        model(x)
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            began = time.perf_counter()
            while time.perf_counter() - began < seconds:
                stop = time.perf_counter() + burst_s
                while time.perf_counter() < stop:
                    model(x)
                time.sleep(pause_s)
            model(x)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(path))
        return path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class ThreadLoad:
    """Matrix products on some of the threads: time with a product running, CPU time over all threads, speed."""

    threads: int
    available: int
    util_pct: float
    activity_pct: float
    gflop_s: float


def measure_threads(threads: int, available: int = 2, seconds: float = 0.6, n: int = 768) -> ThreadLoad:
    """Run n × n products on `threads` threads for `seconds`: as an SM is to a GPU, a thread is to this process.

    activity_pct is the process's CPU time over seconds · available. Raises ValueError if threads is not from 1 to
    available, or for seconds that are not positive.
    """
    import torch

    if not 1 <= threads <= available:
        raise ValueError(f"threads must be from 1 to {available}, got {threads}")
    positive(seconds=seconds)
    x = torch.ones(n, n)
    with _threads(threads):
        x @ x
        intervals, began, began_cpu = [], time.perf_counter(), time.process_time()
        while not intervals or intervals[-1][1] - began < seconds:
            start = time.perf_counter()
            x @ x
            intervals.append((start, time.perf_counter()))
        spent, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    return ThreadLoad(threads, available, utilization(intervals, began, began + spent),
                      100.0 * cpu / (spent * available), 2 * n**3 * len(intervals) / spent / 1e9)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """torch with `count` threads inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
