"""Chapter 21's measurements: a fixed batch against a free one, and a live batcher beside its simulation."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.cost.latency import time_interleaved
from utils.graphs.onnx_tools import make_session
from utils.optional import EngineUnavailable
from utils.serving.batching.batcher import Batch, BatcherResult, Service, simulate_batcher
from utils.serving.batching.fixed import Run, run_fixed_batch
from utils.serving.batching.live import LiveBatcher
from utils.serving.batching.models import export_pair, run_onnx, shrink_after_run, small_cnn
from utils.serving.batching.service import AffineService
from utils.serving.load import LoadGenerator, LoadResult
from utils.serving.queueing import poisson_arrivals

SAMPLE = (3, 48, 48)  # one input of the small CNN
# bounds of the local load
MOST_IN_FLIGHT = 256  # requests that wait or are in service; the sender pauses at this number
MOST_REQUESTS = 3_000  # of one run
GIVE_UP_S = 2.0  # a request whose turn to be sent comes later than this is dropped
PATIENCE_S = 30.0  # with so long a pause the run ends with an error


@contextmanager
def cnn_pair(static_batch: int = 6) -> Iterator[tuple[Path, Path]]:
    """The small CNN as two ONNX files, fixed and free batch, in a folder that goes away with the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield export_pair(small_cnn(), SAMPLE, static_batch, folder)


def cnn_inputs(n: int, seed: int = 0) -> np.ndarray:
    """Random inputs (n, 3, 48, 48) float32."""
    return np.random.default_rng(seed).standard_normal((n, *SAMPLE), np.float32)


def static_against_dynamic(static: Run, dynamic: Run, batch: int, rounds: int = 40) -> dict[int, tuple[float, float]]:
    """Time in ms of n inputs, n = 1 to `batch`, as {n: (padded to the fixed batch, free batch)}; measured in turns.

    The fastest of the rounds, because what other programs add is never negative.
    """
    x = cnn_inputs(batch)
    fns = {}
    for n in range(1, batch + 1):
        fns[f"static {n}"] = lambda n=n: run_fixed_batch(static, x[:n], batch)
        fns[f"dynamic {n}"] = lambda n=n: dynamic(x[:n])
    timed = time_interleaved(fns, rounds, warmup=3)
    return {n: (float(timed[f"static {n}"].min()), float(timed[f"dynamic {n}"].min())) for n in range(1, batch + 1)}


def time_sizes(run: Run, row: np.ndarray, sizes: Sequence[int], rounds: int = 40) -> dict[int, np.ndarray]:
    """Times (rounds,) in ms from handing n requests to a live batcher to the last answer, for each n; in turns.

    So the hand-over between threads is in it, as it is for a caller. Each batch is full, and starts at once.
    """
    with ExitStack() as stack:
        batchers = {n: stack.enter_context(LiveBatcher(run, n, max_delay_ms=1e3)) for n in sizes}

        def serve(n: int) -> None:
            for answer in [batchers[n].submit(row) for _ in range(n)]:
                answer.result()

        timed = time_interleaved({str(n): lambda n=n: serve(n) for n in sizes}, rounds, warmup=2)
    return {n: timed[str(n)] for n in sizes}


# --- memory -----------------------------------------------------------------------------------


def resident_mib() -> float:
    """Memory of this process that is resident, in MiB. Raises EngineUnavailable where /proc does not tell it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError) as error:
        raise EngineUnavailable("/proc/self/statm is not available: this measurement needs Linux") from error
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def arena_steps(model: str | Path, large: int = 256) -> list[tuple[str, float]]:
    """What a free batch does to a session's memory: (step, growth in MiB since the session was loaded), in order.

    ONNX Runtime's arena grows with the largest batch and keeps what it has; a run option gives unused memory back.
    """
    session = make_session(model, optimize=True)
    run, shrinking = run_onnx(session), run_onnx(session, shrink_after_run())
    one, many = cnn_inputs(1), cnn_inputs(large)
    run(one)
    base, steps = resident_mib(), []
    for name, call, x in ((f"after a batch of {large}", run, many), ("after a batch of 1", run, one),
                          ("after a batch of 1 that shrinks the arena", shrinking, one)):
        call(x)
        steps.append((name, resident_mib() - base))
    return steps


# --- live -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LiveRun:
    """One open-loop run against a live batcher, and two simulations of the same requests.

    `predicted` knows the schedule and a service time that was measured before the run. `replayed` knows when the
    requests were really sent and how long this run's own batches took. Neither knows of threads.
    All latencies count from when a request was due.
    """

    name: str
    result: LoadResult
    batches: tuple[Batch, ...]
    predicted: BatcherResult
    replayed: BatcherResult

    @property
    def replayed_ms(self) -> np.ndarray:
        """Latencies (n,) of the replay in ms."""
        return self.replayed.finishes_ms - 1e3 * self.result.arrivals_s

    @property
    def mean_batch(self) -> float:
        """Requests per batch."""
        return sum(b.size for b in self.batches) / len(self.batches)

    @property
    def throughput_per_s(self) -> float:
        """Completed requests per second."""
        return len(self.result.ends_s) / self.result.wall_s


def run_live(name: str, run: Run, row: np.ndarray, *, rate_per_s: float, seconds: float, max_batch: int,
             max_delay_ms: float, service: Service, seed: int) -> LiveRun:
    """Send Poisson arrivals at `rate_per_s` to a live batcher for about `seconds`, and simulate the same arrivals.

    The load is bounded by the constants above. The threads are ended when this returns, or when it is interrupted.
    Raises the first error of `run`, and RuntimeError if it does not answer for `PATIENCE_S`.
    """
    n = max(20, min(int(rate_per_s * seconds), MOST_REQUESTS))
    schedule_s = poisson_arrivals(rate_per_s, n, np.random.default_rng(seed))
    with LiveBatcher(run, max_batch, max_delay_ms) as batcher:
        result = send_open_loop(batcher, row, schedule_s)
        batches = tuple(batcher.batches)
    return LiveRun(name, result, batches,
                   simulate_batcher(1e3 * result.arrivals_s, max_batch, max_delay_ms, service),
                   simulate_batcher(1e3 * result.starts_s, max_batch, max_delay_ms, observed_service(batches)))


def send_open_loop(batcher: LiveBatcher, row: np.ndarray, schedule_s: np.ndarray) -> LoadResult:
    """Submit a request at each time of the schedule, whatever the answers do; the ends are those of the answers.

    One thread of the load generator sends and does not wait for answers, so few threads compete for the cores. It
    pauses only while `MOST_IN_FLIGHT` requests are under way; latencies count from the schedule, pause or not.
    """
    room = threading.Semaphore(MOST_IN_FLIGHT)
    sent_s, ended_s, answers = [], {}, []

    def send() -> None:
        k = len(sent_s)
        sent_s.append(time.perf_counter())
        if not room.acquire(timeout=PATIENCE_S):
            raise RuntimeError(f"run must answer, got nothing for {PATIENCE_S:g} s")
        answer = batcher.submit(row)
        answers.append(answer)
        answer.add_done_callback(lambda _: (ended_s.__setitem__(k, time.perf_counter()), room.release()))

    sent = LoadGenerator(send, give_up_s=GIVE_UP_S).open_loop(schedule_s)
    for answer in answers:
        answer.result(PATIENCE_S)
    begin_s = sent_s[0] - sent.starts_s[0]  # the generator's zero on this clock
    ends_s = np.array([ended_s[k] for k in range(len(answers))]) - begin_s
    return LoadResult(sent.arrivals_s, sent.starts_s, ends_s, sent.dropped)


def live_levels(run: Run, row: np.ndarray, service: AffineService, shares: Sequence[float] = (0.5, 1.5, 2.5),
                seconds: float = 0.6, max_batch: int = 16, seed: int = 1) -> list[LiveRun]:
    """Live runs at shares of the capacity without batches, each with no delay and with a delay of 2 a."""
    alone_per_s = 1e3 / service(1)
    return [run_live(f"{100 * share:.0f} %, delay {delay:.1f} ms", run, row, rate_per_s=share * alone_per_s,
                     seconds=seconds, max_batch=max_batch, max_delay_ms=delay, service=service, seed=seed)
            for share in shares for delay in (0.0, 2 * service.a_ms)]


def observed_service(batches: Sequence[Batch]) -> Service:
    """The service time by size that a run showed: medians, joined by straight lines, flat outside the sizes seen."""
    took: dict[int, list[float]] = {}
    for b in batches:
        took.setdefault(b.size, []).append(b.finish_ms - b.start_ms)
    sizes = sorted(took)
    medians = [float(np.median(took[size])) for size in sizes]
    return lambda n: float(np.interp(n, sizes, medians))
