"""The four measurements: copy bandwidth, attention kernels, attention through a block table, GPU-Util.

Each takes a device and returns the rows of its table (`records.TABLES`). The sizes are arguments, so that a test
can run everything in small on the CPU.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from types import MappingProxyType
from typing import Any

from utils.hardware.measurements.device import Device

Row = dict[str, Any]
MIB = 1 << 20


def measure(name: str, device: Device, **sizes: Any) -> list[Row]:
    """The rows of the table `name`, measured now. Raises KeyError for an unknown name.

    A row that this device cannot run, because its memory is too small or torch has no such kernel for it, is left out.
    """
    if name not in MEASUREMENTS:
        raise KeyError(f"name must be one of {', '.join(MEASUREMENTS)}, got {name!r}")
    import torch

    with torch.no_grad():
        return MEASUREMENTS[name](device, **sizes)


def measure_copy(device: Device, mib: Sequence[float] = (1, 4, 16, 64, 256, 1024), repeats: int = 20) -> list[Row]:
    """Copies inside the device's memory; GB/s counts bytes read and bytes written. `mib` is the size of one array."""
    import torch

    rows: list[Row] = []
    for size in mib:
        with _may_be_impossible():
            source = torch.ones(int(size * MIB), dtype=torch.uint8, device=device.place)
            target = torch.empty_like(source)
            ms = median(device.times_ms(lambda s=source, t=target: t.copy_(s), repeats))
            rows.append({"mib": float(size), "ms": ms, "gb_s": 2 * source.numel() / ms / 1e6})
    return rows


def measure_sdpa(device: Device, ns: Sequence[int] = (1024, 4096, 8192, 16_384), heads: int = 16, d: int = 64,
                 block: int = 1024, repeats: int = 5) -> list[Row]:
    """torch's attention kernels and our tiles in plain torch, batch 1, no mask; memory is that of one call.

    TFLOP/s counts the two products of attention, 4 n² d operations for each head.
    """
    import torch

    from utils.attention.torch_kernels import tiled_attention

    rows: list[Row] = []
    for n in ns:
        q, k, v = (torch.randn(1, heads, n, d, dtype=device.dtype, device=device.place) for _ in range(3))
        calls: dict[str, Callable[[], object]] = {
            name: lambda b=name, x=(q, k, v): _with_backend(b, *x) for name in _BACKENDS}
        calls["tiles in torch"] = lambda x=(q, k, v): tiled_attention(*x, block, block)
        for kernel, call in calls.items():
            with _may_be_impossible():
                call()
                ms, peak = median(device.times_ms(call, repeats)), device.peak_bytes(call)
                rows.append({"kernel": kernel, "n": n, "ms": ms, "tflop_s": 4 * n * n * d * heads / ms / 1e9,
                             "peak_mb": peak / 1e6})
    return rows


_BACKENDS = {"math": "MATH", "mem-efficient": "EFFICIENT_ATTENTION", "flash": "FLASH_ATTENTION",
             "cudnn": "CUDNN_ATTENTION"}


def _with_backend(name: str, q: Any, k: Any, v: Any) -> Any:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    with sdpa_kernel(getattr(SDPBackend, _BACKENDS[name])):
        return scaled_dot_product_attention(q, k, v)


def measure_paged(device: Device, sequences: int = 64, tokens: int = 4096, heads: int = 8, d: int = 128,
                  block_sizes: Sequence[int] = (1, 16, 64, 256), repeats: int = 20) -> list[Row]:
    """A decode step's attention: over a contiguous cache, and over blocks in random order that are gathered first.

    GB/s counts the keys and values once, whatever a kernel moves; so it is the useful rate.
    """
    import torch

    from utils.attention.torch_kernels import gathered_attention

    kind = {"dtype": device.dtype, "device": device.place}
    useful = 2 * sequences * tokens * heads * d * torch.empty((), dtype=device.dtype).element_size()
    q = torch.randn(sequences, heads, d, **kind)
    rows: list[Row] = []

    def add(kernel: str, block_size: int, call: Callable[[], object]) -> None:
        ms = median(device.times_ms(call, repeats))
        rows.append({"kernel": kernel, "block_size": block_size, "sequences": sequences, "tokens": tokens, "ms": ms,
                     "gb_s": useful / ms / 1e6})

    with _may_be_impossible():
        slabs = [torch.randn(sequences, heads, tokens, d, **kind) for _ in range(2)]
        add("contiguous", tokens, lambda: torch.nn.functional.scaled_dot_product_attention(q[:, :, None], *slabs))
        slabs.clear()
    for block_size in block_sizes:
        with _may_be_impossible():
            blocks = sequences * -(-tokens // block_size)
            pools = [torch.randn(blocks, block_size, heads, d, **kind) for _ in range(2)]
            generator = torch.Generator().manual_seed(0)
            tables = torch.randperm(blocks, generator=generator).reshape(sequences, -1).to(device.place)
            add("gathered blocks", block_size, lambda p=pools, t=tables: gathered_attention(q, *p, t))
    return rows


AHEAD = 5  # bursts in the queue while GPU-Util is read: nvidia-smi may take a quarter of a second


def measure_util(device: Device, n: int = 8192, seconds: float = 4.0, burst_ms: float = 100.0) -> list[Row]:
    """GPU-Util while the GPU idles, while one block spins, and while a large product of n × n matrices runs.

    The first second of each load is not counted: the counter looks back over a window of up to a second.
    """
    import torch

    a = torch.randn(n, n, dtype=device.dtype, device=device.place)
    product_ms = max(median(device.times_ms(lambda: a @ a, 3)), 1e-3)
    together = max(1, int(burst_ms / product_ms))  # products in a burst as long as a spin

    def products() -> None:
        for _ in range(together):
            torch.matmul(a, a)

    loads: dict[str, Callable[[], object]] = {
        "idle": lambda: time.sleep(burst_ms / 1e3), "one block spins": lambda: device.spin(burst_ms),
        "matrix products": products}
    device.spin(1.0)  # the first call calibrates
    rows: list[Row] = []
    for load, start in loads.items():
        seen, bursts, took_s = _watch(device, start, seconds)
        rate = bursts * together * 2 * n**3 / took_s / 1e12 if load == "matrix products" else 0.0
        rows.append({"load": load, "samples": len(seen), "gpu_util_pct": float(median(seen)),
                     "lowest_pct": float(min(seen)), "tflop_s": rate})
    return rows


def _watch(device: Device, start: Callable[[], object], seconds: float) -> tuple[list[float], int, float]:
    """Keep the device busy with `start` and read GPU-Util meanwhile: readings, bursts, seconds taken."""
    device.finish()
    began, bursts = time.monotonic(), 0
    settled, end = began + min(1.0, seconds / 2), began + seconds
    seen: list[float] = []
    while time.monotonic() < end or not seen:
        for _ in range(AHEAD):
            start()
        bursts += AHEAD
        if time.monotonic() >= settled:
            seen.append(device.gpu_util_pct())
        device.finish()
    return seen, bursts, time.monotonic() - began


@contextlib.contextmanager
def _may_be_impossible() -> Iterator[None]:
    """Pass over a row for which memory or a kernel is missing; other errors are errors."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says at length why it has no kernel
            yield
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        if not any(words in str(error) for words in ("No available kernel", "No viable backend")):
            raise


MEASUREMENTS: Mapping[str, Callable[..., list[Row]]] = MappingProxyType({
    "copy_bandwidth": measure_copy, "sdpa_kernels": measure_sdpa, "paged_attention": measure_paged,
    "gpu_util": measure_util})
