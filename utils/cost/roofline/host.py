"""A device's three numbers from measurements: peak, bandwidth, launch; and layers timed to check the model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.bandwidth.streams import measure_gemm, stream
from utils.cost.checks import positive
from utils.cost.latency import time_callable
from utils.cost.roofline import Device, OpCost

if TYPE_CHECKING:
    import torch
    from torch import nn

COPY_ITEMS = 1 << 24  # float32: two buffers of 64 MiB, beyond the caches
GEMM_SIZE = 384  # about a millisecond: on a busy machine some of them run undisturbed


def measure_host(seconds: float = 3.0, *, clock: Callable[[], float] = time.perf_counter) -> Device:
    """This machine's CPU in FP32 with torch's threads: GEMM peak, copy bandwidth, time of an empty operator.

    Rounds repeat until `seconds` have passed, at least two; the best of each counts, because other programs can only
    slow a round down.
    """
    positive(seconds=seconds)
    end = clock() + seconds
    peak, bandwidth, launch_us = 0.0, 0.0, math.inf
    rounds = 0
    while rounds < 2 or clock() < end:
        peak = max(peak, measure_gemm(GEMM_SIZE, [GEMM_SIZE], 10, clock=clock)[0].gflop_s)
        bandwidth = max(bandwidth, stream("copy", COPY_ITEMS, repeats=1, clock=clock).gb_s_best)
        launch_us = min(launch_us, launch_cost_us(clock=clock))
        rounds += 1
    return Device("this machine", {"fp32": peak}, bandwidth, launch_us)


def launch_cost_us(calls: int = 500, *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Microseconds of an operator on one element: all of it is overhead."""
    import torch

    one, out = torch.ones(1), torch.empty(1)
    with torch.inference_mode():
        torch.add(one, one, out=out)
        start = clock()
        for _ in range(calls):
            torch.add(one, one, out=out)
        return (clock() - start) / calls * 1e6


def fit_device(samples: Sequence[tuple[OpCost, float]], dtype: str = "fp32") -> Device:
    """The device whose additive model, flops/peak + bytes/bandwidth + launch, fits measured times (us) best.

    Non-negative least squares of the relative errors, so that short operators count as much as long ones. A cost that
    comes out as 0 means an infinite rate. Raises ValueError for fewer than 3 samples or a time that is not positive.
    """
    from scipy.optimize import nnls

    if len(samples) < 3:
        raise ValueError(f"samples must hold at least 3 operators, got {len(samples)}")
    costs = np.array([[op.flops / 1e3, op.bytes_moved / 1e3, 1.0] for op, _ in samples])  # (n, 3)
    times_us = np.array([us for _, us in samples])
    positive(times_us=times_us.min())
    costs /= times_us[:, None]
    scale = costs.max(axis=0)
    scale[scale == 0] = 1  # a column of zeros has no say
    found, _ = nnls(costs / scale, np.ones(len(samples)))
    per_gflop_s, per_gb_s, launch_us = (found / scale).tolist()
    peak, bandwidth = (1 / cost if cost > 0 else math.inf for cost in (per_gflop_s, per_gb_s))
    return Device("fitted", {dtype: peak}, bandwidth, launch_us)


def time_layers(model: nn.Module, *inputs: torch.Tensor, repeats: int = 5) -> list[tuple[str, float]]:
    """(name, best ms of `repeats`) of every leaf module in order of its first call, by forward hooks.

    CUDA inputs are timed with events. The hooks cost a few microseconds each, which small layers feel.
    """
    import torch

    mark, elapsed_ms = _clock_for(inputs[0])
    best: dict[str, float] = {}
    started: dict[str, Any] = {}
    ended: list[tuple[str, Any, Any]] = []
    hooks = []
    for name, module in model.named_modules():
        if not list(module.children()):
            hooks.append(module.register_forward_pre_hook(
                lambda *_, name=name: started.__setitem__(name, mark())))
            hooks.append(module.register_forward_hook(
                lambda *_, name=name: ended.append((name, started[name], mark()))))
    try:
        with torch.inference_mode():
            for run in range(repeats + 1):
                ended.clear()
                model(*inputs)
                for name, start, end in ended if run else ():  # the first run warms up
                    best[name] = min(best.get(name, math.inf), elapsed_ms(start, end))
    finally:
        for hook in hooks:
            hook.remove()
    return list(best.items())


def _clock_for(x: torch.Tensor) -> tuple[Callable[[], Any], Callable[[Any, Any], float]]:
    """(take a mark, milliseconds between two marks) for the device that holds `x`."""
    if not x.is_cuda:
        return time.perf_counter, lambda start, end: 1e3 * (end - start)
    import torch

    def mark() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def elapsed_ms(start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        end.synchronize()
        return start.elapsed_time(end)

    return mark, elapsed_ms


def best_ms(fn: Callable[[], object], repeats: int = 7, warmup: int = 2) -> float:
    """Shortest time of a call in ms."""
    return float(time_callable(fn, warmup=warmup, repeats=repeats).min())
