"""Peak memory of attention, measured: NumPy by tracemalloc, torch's own kernels by its profiler."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

import numpy as np

from utils.attention.flash import flash_forward
from utils.attention.standard import standard_attention
from utils.cost.checks import positive


def traced_peak_bytes(call: Callable[[], object]) -> int:
    """Largest number of bytes that Python and NumPy held during `call()` beyond those held before it."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()


def attention_peaks(ns: Sequence[int], d: int = 64, block: int = 64, seed: int = 0) -> dict[str, list[int]]:
    """Peak bytes of standard and flash attention in float64 for each N: keys "standard", "flash"."""
    positive(d=d, block=block)
    rng = np.random.default_rng(seed)
    peaks: dict[str, list[int]] = {"standard": [], "flash": []}
    for n in ns:
        q, k, v = rng.standard_normal((3, n, d))
        peaks["standard"].append(traced_peak_bytes(lambda: standard_attention(q, k, v)))  # noqa: B023 - called here
        peaks["flash"].append(traced_peak_bytes(lambda: flash_forward(q, k, v, block, block)))  # noqa: B023
    return peaks


def loglog_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Exponent a of the power law y ~ x^a that fits best on logarithmic axes.

    >>> round(loglog_slope([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


@dataclass(frozen=True)
class KernelRun:
    """One torch attention kernel: bytes allocated during a call and the median time of a call."""

    backend: str
    n: int
    device: str
    allocated_bytes: int
    ms: float

    def as_dict(self) -> dict[str, str | int | float]:
        """The fields as a plain dict."""
        return asdict(self)


def run_sdpa(n: int, backend: Literal["math", "flash", "cudnn"], *, heads: int = 4, d: int = 64, repeats: int = 3,
             device: str = "cpu", seed: int = 0) -> KernelRun:
    """Run torch's scaled-dot-product attention over n tokens with one of its kernels.

    float32 on the CPU, where allocations are summed by the profiler; float16 on CUDA, where they are the peak
    of the caching allocator. Raises KeyError for an unknown kernel and RuntimeError where torch has none.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    kernels = {"math": SDPBackend.MATH, "flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
    cuda = torch.device(device).type == "cuda"
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(1, heads, n, d, generator=generator)
               .to(device, torch.float16 if cuda else torch.float32) for _ in range(3))

    def call() -> None:
        scaled_dot_product_attention(q, k, v)
        if cuda:
            torch.cuda.synchronize()

    times_ms = []
    with torch.no_grad(), sdpa_kernel(kernels[backend]):
        call()
        allocated = _cuda_peak_bytes(call) if cuda else _cpu_allocated_bytes(call)
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            times_ms.append((time.perf_counter() - start) * 1e3)
    return KernelRun(backend, n, device, allocated, median(times_ms))


def _cpu_allocated_bytes(call: Callable[[], None]) -> int:
    """Sum of all allocations of torch operators, as the profiler saw them."""
    from torch.profiler import ProfilerActivity, profile

    from utils.cost.memory.live_tensors import quiet_stderr

    with quiet_stderr(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
        call()
    return sum(max(0, event.self_cpu_memory_usage) for event in prof.events())


def _cuda_peak_bytes(call: Callable[[], None]) -> int:
    import torch

    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return torch.cuda.max_memory_allocated() - before
