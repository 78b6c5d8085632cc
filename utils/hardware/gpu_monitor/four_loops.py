"""Four loops that look alike in a utilisation graph and do very different amounts of work: on the CPU, and on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from utils.cost.checks import positive
from utils.hardware.gpu_monitor.host import ProcessSample, sample_process
from utils.hardware.gpu_monitor.live import TimedSample, poll_nvml

LOOP_ADDS, SIDE, ELEMENTS = 20_000, 512, 10_000_000
GPU_SIDE, GPU_ELEMENTS = 4096, 200_000_000
NAP_S = 0.02

Loop = tuple[str, Callable[[], Callable[[], object]], int]  # name, what makes the function, operations of one call


@dataclass(frozen=True)
class LoopRow:
    """One loop, measured: what the process looked like, and the work that it did (additions and multiplications)."""

    name: str
    sample: ProcessSample
    gop_s: float


@dataclass(frozen=True)
class GpuLoopRow:
    """One loop on a GPU: mean readings while it ran, memory in MiB at its end, and its work. None is not told."""

    name: str
    gpu_util_pct: float | None
    smi_used_mib: float | None
    reserved_mib: float
    allocated_mib: float
    gop_s: float


def _python_loop() -> Callable[[], object]:
    def run() -> int:
        total = 0
        for i in range(LOOP_ADDS):
            total += i
        return total

    return run


def _matmul(side: int, device: str) -> Callable[[], object]:
    import torch

    a, b = torch.ones(side, side, device=device), torch.ones(side, side, device=device)
    return lambda: torch.mm(a, b)


def _add(elements: int, dtype: str, device: str) -> Callable[[], object]:
    import torch

    x = torch.ones(elements, dtype=getattr(torch, dtype), device=device)
    return lambda: x.add_(1.0)


def _nap() -> Callable[[], object]:
    return lambda: time.sleep(NAP_S)


CPU_LOOPS: tuple[Loop, ...] = (
    ("integer loop in Python", _python_loop, LOOP_ADDS),
    (f"matrix product {SIDE} × {SIDE}", lambda: _matmul(SIDE, "cpu"), 2 * SIDE**3),
    ("addition over 80 MB", lambda: _add(ELEMENTS, "float64", "cpu"), ELEMENTS),
    ("sleep", _nap, 0),
)


def run_loops(seconds: float = 0.6, loops: Sequence[Loop] = CPU_LOOPS) -> list[LoopRow]:
    """Run each loop for `seconds` on one thread. Raises ValueError for seconds that are not positive."""
    from utils.networks.digits import one_thread

    positive(seconds=seconds)
    rows = []
    with one_thread():
        for name, make, operations in loops:
            fn = make()
            fn()  # warm up
            sample = sample_process(fn, seconds)
            rows.append(LoopRow(name, sample, operations * sample.calls_per_s / 1e9))
            del fn  # its arrays must not count for the next loop
    return rows


def gpu_loops(device: str = "cuda") -> tuple[Loop, ...]:
    """The four loops for a GPU: a tiny kernel takes the place of Python's loop."""
    return (
        ("tiny kernel (32 numbers)", lambda: _add(32, "float32", device), 32),
        (f"matrix product {GPU_SIDE} × {GPU_SIDE}", lambda: _matmul(GPU_SIDE, device), 2 * GPU_SIDE**3),
        (f"addition over {GPU_ELEMENTS * 4 // 10**6} MB", lambda: _add(GPU_ELEMENTS, "float32", device), GPU_ELEMENTS),
        ("sleep", _nap, 0),
    )


def run_gpu_loops(seconds: float = 2.0, loops: Sequence[Loop] | None = None,
                  poll: Callable[[float], list[TimedSample]] = poll_nvml, cuda: Any = None,
                  clock: Callable[[], float] = time.perf_counter) -> list[GpuLoopRow]:
    """Run each loop for `seconds` while NVML is polled beside it; `cuda` stands for torch.cuda.

    The first half of the readings is dropped: the driver's sample period is up to 1 s. Raises EngineUnavailable
    without a GPU that can be read.
    """
    import torch

    cuda, rows = cuda or torch.cuda, []
    for name, make, operations in gpu_loops() if loops is None else loops:
        cuda.empty_cache()
        fn = make()
        with ThreadPoolExecutor(1) as beside:
            calls, began = 0, clock()
            polled = beside.submit(poll, seconds)
            while not polled.done():
                fn()
                calls += 1
                if calls % 20 == 0:
                    cuda.synchronize()  # or the queue of launches grows without end
            cuda.synchronize()
            spent = clock() - began
        late = [reading.sample for reading in polled.result()[len(polled.result()) // 2 :]]
        rows.append(GpuLoopRow(
            name, _mean([s.gpu_util_pct for s in late]), _mean([s.memory_used_mib for s in late]),
            cuda.memory_reserved() / 2**20, cuda.memory_allocated() / 2**20, operations * calls / spent / 1e9))
        del fn
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None
