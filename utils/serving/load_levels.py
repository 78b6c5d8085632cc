"""Chapter 48's measurements: one real network under rising load, in batches, and on a GPU that isn't waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from utils.cost.latency import percentile, time_callable, time_interleaved
from utils.serving.load import LoadResult, closed_loop, open_loop
from utils.serving.queueing import fifo_latencies


@dataclass(frozen=True)
class LoadLevel:
    """One run of the load generator: its share of the capacity, the result, and the queue's own prediction.

    `predicted_ms` are the latencies of a first-come-first-served queue that is fed with the run's schedule and its
    measured service times. They leave out what the machine adds: late wake-ups and the generator's own time.
    """

    name: str
    share: float
    result: LoadResult
    predicted_ms: np.ndarray  # (n,)

    @property
    def utilization(self) -> float:
        """Busy share of the server in this run."""
        return float(self.result.service_ms.sum() / 1e3 / self.result.wall_s)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside the block: one server is one core."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def mlp_server(width: int = 1024, layers: int = 8, batch: int = 1, device: str = "cpu") -> Callable[[], object]:
    """A function that runs one forward pass of a fully connected network (ReLU between layers) on a fixed input."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blocks = [module for _ in range(layers) for module in (nn.Linear(width, width), nn.ReLU())]
        net, x = nn.Sequential(*blocks).to(device).eval(), torch.randn(batch, width).to(device)

    def forward() -> object:
        with torch.inference_mode():
            return net(x)

    return forward


def run_load_levels(fn: Callable[[], object], shares: Sequence[float] = (0.3, 0.6, 0.85), seconds: float = 3.0,
                    seed: int = 0, warmup: int = 10) -> list[LoadLevel]:
    """A closed loop of one client, then open loops at shares of the rate that it reached, each for about `seconds`.

    One worker thread is the server. Runs on one torch thread.
    """
    rng = np.random.default_rng(seed)
    with one_thread():
        calibration = closed_loop(fn, 1, warmup + 20)
        per_s = 1e3 / float(np.median(calibration.service_ms[warmup:]))
        closed = closed_loop(fn, 1, max(30, int(per_s * seconds / 2)))
        capacity_per_s = closed.summary().throughput_per_s
        levels = [LoadLevel("closed loop, 1 client", 1.0, closed, closed.service_ms)]
        for share in shares:
            rate = share * capacity_per_s
            result = open_loop(fn, rate, max(20, int(rate * seconds)), rng=rng)
            predicted = fifo_latencies(result.arrivals_s, result.service_ms / 1e3) * 1e3
            levels.append(LoadLevel(f"open loop, {100 * share:.0f} %", share, result, predicted))
    return levels


def observed_in_flight(result: LoadResult, looks: int = 2000) -> tuple[float, float]:
    """Little's law from both sides: requests seen in the system at evenly spaced instants, and rate times latency."""
    instants = np.linspace(result.arrivals_s.min(), result.ends_s.max(), looks)
    rate_per_s = len(result.arrivals_s) / result.wall_s
    return float(result.in_flight(instants).mean()), rate_per_s * float(result.latency_ms.mean()) / 1e3


def batch_sweep(sizes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64), rounds: int = 12) -> dict[int, float]:
    """Fastest time in ms of a forward pass for each batch size, measured in turns on one thread.

    The fastest, because what other programs add to a pass is never negative.
    """
    with one_thread():
        samples = time_interleaved({str(b): mlp_server(batch=b) for b in sizes}, rounds, warmup=2)
    return {b: float(samples[str(b)].min()) for b in sizes}


def cuda_with_and_without_sync(repeats: int = 50) -> dict[str, float]:
    """Median time in ms of a forward pass on a GPU, timed with synchronisation and without.

    Raises RuntimeError where torch finds no GPU.
    """
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError("torch finds no GPU here")
    fn = mlp_server(width=4096, layers=8, batch=1024, device="cuda")
    timed = {}
    for name, sync in (("with synchronisation", torch.cuda.synchronize), ("without", None)):
        timed[name] = percentile(time_callable(fn, warmup=10, repeats=repeats, sync=sync), 50)
        torch.cuda.synchronize()
    return timed
