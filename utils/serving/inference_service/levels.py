"""The chapter's measurement: the real server under a bounded load of this machine, below capacity and above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from utils.cost.checks import positive
from utils.optional import EngineUnavailable
from utils.serving.inference_service.server import InferenceService
from utils.serving.load import LoadGenerator, LoadResult, closed_loop
from utils.serving.queueing import mg1_wait_s, poisson_arrivals

MAX_REQUESTS, MAX_THREADS, MAX_LEVEL_S = 600, 64, 4.0  # a notebook must not become an attack on its machine


@dataclass(frozen=True)
class ServiceLevel:
    """One run over HTTP at a share of the capacity.

    `answered` are the requests with code 200, their latencies counted from when they were due. `offered` counts all,
    `refused` those with 429 or 504. `services_s` are the times of the model's runs, measured in the server.
    """

    name: str
    share: float
    offered: int
    refused: int
    answered: LoadResult
    services_s: np.ndarray

    @property
    def utilization(self) -> float:
        """Busy share of the worker: time in the model over the time from the first due request to the last answer."""
        return float(self.services_s.sum() / self.answered.wall_s) if len(self.answered.ends_s) else 0.0

    @property
    def predicted_ms(self) -> float | None:
        """Mean latency by Pollaczek and Khinchine from the run's own rate and service moments; None if unstable."""
        if len(self.services_s) < 2 or self.utilization >= 1:
            return None
        mean = float(self.services_s.mean())
        rate = self.utilization / mean
        return 1e3 * (mg1_wait_s(rate, mean, float(self.services_s.var()) / mean**2) + mean)

    def good(self, within_ms: float) -> int:
        """Requests that were answered at most so many ms after they were due."""
        return int(np.sum(self.answered.latency_ms <= within_ms))


@dataclass(frozen=True)
class ServiceRun:
    """All levels, what one request needs when nothing else runs, and the deadline of the last level; both in ms."""

    alone_ms: float
    deadline_ms: float
    levels: tuple[ServiceLevel, ...]


def run_service_levels(model: bytes | Callable[[np.ndarray], np.ndarray], x: np.ndarray, *,
                       shares: Sequence[float] = (0.3, 0.6, 0.8, 1.2), seconds: float = 1.5,
                       deadline_services: float = 12.0, calls: int = 60, seed: int = 0) -> ServiceRun:
    """Serve `model` on one worker, measure one client alone, then Poisson arrivals at shares of that client's rate.

    The last share is run a second time with a deadline of `deadline_services` times a request alone, which the server
    enforces. A level is at most 600 requests from at most 64 threads in at most 4 s of schedule. Raises ValueError for
    shares or seconds that are not positive, or more seconds than that.
    """
    positive(seconds=seconds, deadline_services=deadline_services, calls=calls, shares=min(shares))
    if seconds > MAX_LEVEL_S:
        raise ValueError(f"seconds must not exceed {MAX_LEVEL_S:g}, got {seconds}")
    rng = np.random.default_rng(seed)
    with InferenceService({"net": model}) as service:
        with service.client() as client:
            alone = closed_loop(lambda: client.predict("net", x).status, 1, calls)
        alone_ms = float(np.median(alone.service_ms))
        deadline_ms = deadline_services * alone_ms
        levels = [_level(service, x, share, alone_ms, seconds, None, rng) for share in shares]
        levels.append(_level(service, x, shares[-1], alone_ms, seconds, deadline_ms, rng))
    return ServiceRun(alone_ms, deadline_ms, tuple(levels))


def _level(service: InferenceService, x: np.ndarray, share: float, alone_ms: float, seconds: float,
           deadline_ms: float | None, rng: np.random.Generator) -> ServiceLevel:
    rate = share * 1e3 / alone_ms
    offered = min(MAX_REQUESTS, max(2, int(rate * seconds)))
    before = service.metrics.runs
    with service.client() as client:
        load = LoadGenerator(lambda: client.predict("net", x, deadline_ms=deadline_ms).status, MAX_THREADS)
        result = load.open_loop(poisson_arrivals(rate, offered, rng))
    runs = service.metrics.runs - before
    services = np.array(service.service_times_s()[-runs:] if runs else [])
    name = f"{100 * share:.0f} %" + ("" if deadline_ms is None else " with a deadline")
    refused = sum(status in (429, 504) for status in result.answers)
    return ServiceLevel(name, share, offered, refused, result.only(lambda status: status == 200), services)


def cuda_runs(model: bytes, x: np.ndarray, *, requests: int = 400, clients: int = 32,
              providers: Sequence[str] = ("CUDAExecutionProvider",)) -> dict[str, float]:
    """Requests per second over HTTP with ONNX Runtime on a GPU, one at a time and in batches of up to 32.

    `clients` wait for their answers, so that there is always something to batch. Raises EngineUnavailable where ONNX
    Runtime has not all of the `providers`.
    """
    import onnxruntime

    from utils.serving.batching.live import LiveBatcher

    missing = set(providers) - set(onnxruntime.get_available_providers())
    if missing:
        raise EngineUnavailable(f"{', '.join(sorted(missing))} is not available: install onnxruntime-gpu on a machine "
                                "with an NVIDIA GPU")
    session = onnxruntime.InferenceSession(model, providers=list(providers))
    name = session.get_inputs()[0].name

    def run(rows: np.ndarray) -> np.ndarray:
        return session.run(None, {name: rows})[0]

    with LiveBatcher(run, 32, 1.0) as batcher:
        ways = {"one at a time": (run, 1), "batches of up to 32": (lambda rows: batcher(rows[0])[None], clients)}
        return {way: _closed_rate(call, workers, x, requests, clients) for way, (call, workers) in ways.items()}


def _closed_rate(call: Callable[[np.ndarray], np.ndarray], workers: int, x: np.ndarray, requests: int,
                 clients: int) -> float:
    with InferenceService({"net": call}, workers=workers) as service, service.client() as client:
        client.predict("net", x)
        return closed_loop(lambda: client.predict("net", x).status, clients, requests).summary().throughput_per_s
