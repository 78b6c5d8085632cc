"""Bandwidth measured: STREAM kernels, a ladder over working-set sizes, strided reads, the GPU's copy.

Everything runs on preallocated buffers whose pages were touched before the clock starts. `clock` returns
seconds and can be replaced in tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

import numpy as np

from utils.cost.checks import non_negative, positive

Kernel = Literal["copy", "scale", "add", "triad"]
Clock = Callable[[], float]

# Arrays that each kernel moves by STREAM's counting rule (McCalpin, 1995): reads plus one write.
STREAM_ARRAYS: dict[str, int] = {"copy": 2, "scale": 2, "add": 3, "triad": 3}


def effective_gb_s(bytes_read: float, bytes_written: float, seconds: float) -> float:
    """GB/s (1e9 bytes) of a kernel that read and wrote these bytes in `seconds`."""
    non_negative(bytes_read=bytes_read, bytes_written=bytes_written)
    positive(seconds=seconds)
    return (bytes_read + bytes_written) / seconds / 1e9


def stream_bytes(kernel: str, n: int, item_bytes: int, write_allocate: bool = False) -> int:
    """Bytes that a STREAM kernel moves for `n` items; `write_allocate` adds the read that a store causes.

    Raises KeyError for an unknown kernel.
    """
    positive(n=n, item_bytes=item_bytes)
    return (STREAM_ARRAYS[kernel] + write_allocate) * n * item_bytes


def stream_gb_s(kernel: str, n: int, item_bytes: int, seconds: Sequence[float], write_allocate: bool = False) -> float:
    """GB/s of the best repetition after the first, which is the warm-up.

    Raises ValueError when there are fewer than 2 repetitions.

    >>> stream_gb_s("triad", 10_000_000, 8, [0.9, 0.03, 0.024])
    10.0
    """
    if len(seconds) < 2:
        raise ValueError(f"seconds must hold at least 2 repetitions, got {len(seconds)}")
    return effective_gb_s(stream_bytes(kernel, n, item_bytes, write_allocate), 0, min(seconds[1:]))


@dataclass(frozen=True)
class StreamResult:
    """Bandwidth of one STREAM kernel and the times (warm-up excluded) that it comes from."""

    kernel: str
    n: int
    gb_s_best: float
    gb_s_median: float
    seconds: tuple[float, ...]

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


def _times(fn: Callable[[], object], repeats: int, clock: Clock) -> list[float]:
    """Seconds of `repeats` calls after one that is not counted."""
    positive(repeats=repeats)
    fn()
    seconds = []
    for _ in range(repeats):
        start = clock()
        fn()
        seconds.append(clock() - start)
    return seconds


def stream_kernel(kernel: Kernel, n: int, dtype: str = "float32") -> tuple[Callable[[], object], list]:
    """One STREAM kernel as a call without arguments on torch buffers, and the buffers [a, b, c].

    copy c = a, scale b = 3 c, add c = a + b, triad a = b + 3 c. Raises KeyError for an unknown kernel.
    """
    import torch

    positive(n=n)
    a, b, c = (torch.full((n,), value, dtype=getattr(torch, dtype)) for value in (1.0, 2.0, 0.5))
    calls: dict[str, Callable[[], object]] = {
        "copy": lambda: c.copy_(a),
        "scale": lambda: torch.mul(c, 3.0, out=b),
        "add": lambda: torch.add(a, b, out=c),
        "triad": lambda: torch.add(b, c, alpha=3.0, out=a),
    }
    return calls[kernel], [a, b, c]


def stream(kernel: Kernel, n: int, dtype: str = "float32", repeats: int = 10, *, write_allocate: bool = False,
           clock: Clock = time.perf_counter) -> StreamResult:
    """Measure one STREAM kernel on this machine's CPU with torch's threads."""
    run, buffers = stream_kernel(kernel, n, dtype)
    seconds = _times(run, repeats, clock)
    moved = stream_bytes(kernel, n, buffers[0].element_size(), write_allocate)
    return StreamResult(kernel, n, effective_gb_s(moved, 0, min(seconds)), effective_gb_s(moved, 0, median(seconds)),
                        tuple(seconds))


def bandwidth_ladder(sizes_bytes: Sequence[int], repeats: int = 5, *, pass_bytes: int = 1 << 25,
                     clock: Clock = time.perf_counter) -> list[tuple[int, float]]:
    """(working set in bytes, best GB/s) of copying half of the working set onto the other half.

    Small copies repeat until `pass_bytes` have moved, so that the clock's resolution does not matter; the call
    itself costs about 0.1 us, which is felt below 16 KiB.
    """
    rungs = []
    for size in sizes_bytes:
        half = size // 2
        positive(sizes_bytes=half)
        src, dst = memoryview(bytearray(b"\x01") * half), memoryview(bytearray(half))
        passes = max(1, pass_bytes // size)

        def copy(src: memoryview = src, dst: memoryview = dst, passes: int = passes) -> None:
            for _ in range(passes):
                dst[:] = src  # one memcpy: the cheapest call that Python has

        rungs.append((size, effective_gb_s(passes * half, passes * half, min(_times(copy, repeats, clock)))))
    return rungs


@dataclass(frozen=True)
class StrideRow:
    """One stride of the strided read: GB/s of the values used and of the cache lines moved."""

    stride: int
    useful_gb_s: float
    line_gb_s: float


def strided_read(n_bytes: int, strides: Sequence[int], repeats: int = 3, *,
                 clock: Clock = time.perf_counter) -> list[StrideRow]:
    """Sum every stride-th float32 of an array of `n_bytes` and report useful and 64-byte-line bandwidth."""
    positive(n_bytes=n_bytes)
    x = np.ones(n_bytes // 4, dtype=np.float32)
    rows = []
    for stride in strides:
        view = x[::stride]
        best = min(_times(view.sum, repeats, clock))
        lines = x.nbytes if stride <= 16 else 64 * view.size  # 16 floats share a 64-byte line
        rows.append(StrideRow(stride, effective_gb_s(view.size * 4, 0, best), effective_gb_s(lines, 0, best)))
    return rows


@dataclass(frozen=True)
class GemmPoint:
    """A matrix (n, n) times `columns` vectors in float32: where it lies on the roofline."""

    n: int
    columns: int
    intensity: float
    gflop_s: float
    gb_s: float


def gemm_point(n: int, columns: int, seconds: float) -> GemmPoint:
    """Intensity (FLOP per byte, each matrix crossing memory once), GFLOP/s and GB/s of one product."""
    positive(n=n, columns=columns, seconds=seconds)
    flops, moved = 2 * n * n * columns, 4 * (n * n + 2 * n * columns)
    return GemmPoint(n, columns, flops / moved, flops / seconds / 1e9, moved / seconds / 1e9)


def measure_gemm(n: int, columns: Sequence[int], repeats: int = 5, *,
                 clock: Clock = time.perf_counter) -> list[GemmPoint]:
    """Measure matrix–vector (1 column) to matrix–matrix products with torch on this machine's CPU."""
    import torch

    a = torch.rand(n, n)
    points = []
    for m in columns:
        b, out = torch.rand(n, m), torch.empty(n, m)
        best = min(_times(lambda b=b, out=out: torch.mm(a, b, out=out), repeats, clock))
        points.append(gemm_point(n, m, best))
    return points


def cuda_bandwidth(n_bytes: int = 1 << 30, repeats: int = 10) -> float | None:
    """Best GB/s of copying `n_bytes` inside the GPU's memory (read plus write), or None without CUDA."""
    import torch

    positive(n_bytes=n_bytes)
    if not torch.cuda.is_available():
        return None
    src = torch.ones(n_bytes, dtype=torch.uint8, device="cuda")
    dst = torch.empty_like(src)
    dst.copy_(src)
    times_ms = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        dst.copy_(src)
        end.record()
        end.synchronize()
        times_ms.append(start.elapsed_time(end))
    return effective_gb_s(n_bytes, n_bytes, min(times_ms) / 1e3)


def cuda_peak_gb_s() -> float | None:
    """Peak GB/s from the driver's memory clock (kHz, half the data rate) and bus width, or None if unknown."""
    import torch

    if not torch.cuda.is_available():
        return None
    device = torch.cuda.get_device_properties(0)
    clock_khz, bus_bits = getattr(device, "memory_clock_rate", 0), getattr(device, "memory_bus_width", 0)
    return 2 * clock_khz * bus_bits / 8 / 1e6 if clock_khz and bus_bits else None
