"""How long one matrix product takes in each number format on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class MatmulKernel:
    """A product (n, n) @ (n, n) as a call without arguments, and the bytes of its two operands."""

    name: str
    operand_bytes: int
    run: Callable[[], Any]


def matmul_kernels(n: int, device: str = "cpu", seed: int = 0) -> dict[str, MatmulKernel]:
    """torch's product of two n x n matrices by format: fp32, bf16, fp16, and int8 and fp8 where torch has them.

    int8 accumulates in int32 (`torch._int_mm`); fp8 is E4M3 with one scale a tensor (`torch._scaled_mm`, CUDA
    compute capability 8.9 or newer, n a multiple of 16). TF32 is whatever torch is set to, off by default.
    """
    import torch

    if n < 1:
        raise ValueError(f"n must be positive, got {n}")
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(n, n, generator=generator).to(device) for _ in "ab")
    calls: dict[str, tuple[int, Callable[[], Any]]] = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)):
        pair = a.to(dtype), b.to(dtype)
        calls[name] = (pair[0].element_size(), lambda pair=pair: torch.mm(*pair))
    integers = [(127 * m).round().to(torch.int8) for m in (a, b)]
    calls["int8"] = (1, lambda: torch._int_mm(*integers))
    if device.startswith("cuda") and torch.cuda.get_device_capability(device) >= (8, 9):
        calls["fp8"] = (1, _fp8_product(a, b))
    return {name: MatmulKernel(name, 2 * n * n * item_bytes, run)
            for name, (item_bytes, run) in calls.items() if _works(run)}


def _fp8_product(a: torch.Tensor, b: torch.Tensor) -> Callable[[], Any]:
    import torch

    a8 = a.to(torch.float8_e4m3fn)
    b8 = b.t().contiguous().to(torch.float8_e4m3fn).t()  # the kernel wants its second operand column by column
    one = torch.ones((), device=a.device)
    return lambda: torch._scaled_mm(a8, b8, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)


def _works(run: Callable[[], Any]) -> bool:
    """Whether this build and device can run the call; also its warm-up."""
    try:
        run()
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    return True


def matmul_times(kernels: Mapping[str, MatmulKernel], rounds: int = 5, *,
                 clock: Callable[[], float] = time.perf_counter,
                 sync: Callable[[], object] = lambda: None) -> list[dict[str, object]]:
    """Rows name, operand_bytes, ms (best of `rounds` interleaved rounds), relative (time over that of fp32).

    `clock` returns seconds, `sync` waits for the device (torch.cuda.synchronize). Raises ValueError when rounds
    < 1 or "fp32" is missing.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be >= 1, got {rounds}")
    if "fp32" not in kernels:
        raise ValueError(f"kernels must hold fp32 to compare with, got {sorted(kernels)}")
    best = dict.fromkeys(kernels, float("inf"))
    for _ in range(rounds):
        for name, kernel in kernels.items():
            sync()
            start = clock()
            kernel.run()
            sync()
            best[name] = min(best[name], clock() - start)
    return [{"name": name, "operand_bytes": kernel.operand_bytes, "ms": 1e3 * best[name],
             "relative": best[name] / best["fp32"]} for name, kernel in kernels.items()]
