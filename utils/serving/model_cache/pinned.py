"""The master copy stays in host memory; the device holds a copy that may be thrown away.

Inference changes no weights, so nothing is ever copied back. With a GPU the master lies in pinned memory (pages that
the operating system may not move), from which a copy runs at the link's full rate and beside other work.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from utils.optional import EngineUnavailable

if TYPE_CHECKING:
    import torch
    from torch import nn


class PinnedMaster:
    """A module in host memory that makes copies of itself on a device.

    `to_device` is a loader for `ModelCache`: evicting drops the copy, and the master stays. The module must be on the
    CPU; ValueError otherwise.
    """

    def __init__(self, module: nn.Module) -> None:
        import torch

        from utils.serving.model_cache.modules import module_device

        if module_device(module).type != "cpu":
            raise ValueError(f"the master must be on the CPU, got {module_device(module)}")
        self.module = module
        self.pinned = torch.cuda.is_available()
        if self.pinned:
            for tensor in self._tensors():
                tensor.data = tensor.data.pin_memory()

    def _tensors(self) -> list[torch.Tensor]:
        """Each parameter and buffer once."""
        return list({id(t): t for t in (*self.module.parameters(), *self.module.buffers())}.values())

    def to_device(self, device: str = "cuda") -> nn.Module:
        """A copy of the module whose tensors lie on `device`; tied tensors stay tied.

        On a GPU the copies are queued on a side stream, for which the current stream waits.
        """
        import torch

        if torch.device(device).type != "cuda":
            return self._copied(device, non_blocking=False)
        side = torch.cuda.Stream(device)
        with torch.cuda.stream(side):
            module = self._copied(device, non_blocking=self.pinned)
        torch.cuda.current_stream(device).wait_stream(side)
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.record_stream(torch.cuda.current_stream(device))
        return module

    def _copied(self, device: str, non_blocking: bool) -> nn.Module:
        """`deepcopy` copies everything but what its memo has already: the tensors' copies on the device."""
        import torch

        memo: dict[int, torch.Tensor] = {}
        for tensor in self._tensors():
            moved = tensor.detach().to(device, non_blocking=non_blocking, copy=True)
            is_parameter = isinstance(tensor, torch.nn.Parameter)
            memo[id(tensor)] = torch.nn.Parameter(moved, tensor.requires_grad) if is_parameter else moved
        return copy.deepcopy(self.module, memo)


def cuda_copy_rates(nbytes: int = 1 << 28, repeats: int = 5) -> dict[str, float]:
    """GB/s from pageable and from pinned host memory to a GPU, the best of `repeats` copies.

    Raises EngineUnavailable where torch finds no GPU.
    """
    import torch

    if not torch.cuda.is_available():
        raise EngineUnavailable("a CUDA device is not available: run this where torch finds an NVIDIA GPU")
    target = torch.empty(nbytes, dtype=torch.uint8, device="cuda")
    rates = {}
    for name, pinned in (("pageable", False), ("pinned", True)):
        host = torch.zeros(nbytes, dtype=torch.uint8, pin_memory=pinned)
        rates[name] = nbytes / min(_copy_seconds(target, host) for _ in range(repeats)) / 1e9
    return rates


def _copy_seconds(target: torch.Tensor, host: torch.Tensor) -> float:
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    target.copy_(host, non_blocking=True)
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3
