"""One model on several engines: do they agree, how large are they, and who is faster?

Rules of fairness: every engine gets the same model and the same number of threads; inputs are prepared before the
clock starts; outputs are arrays in memory before it stops; each engine is warmed up until its median settles; the
engines take turns, round by round, so that a machine that slows down slows all of them; loading and the first call
are reported apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import time_interleaved
from utils.engines.frameworks.base import Arrays, Engine, input_shapes
from utils.engines.frameworks.registry import make_engine
from utils.engines.frameworks.verdicts import LatencyVerdict, accuracy_report, compare_latency
from utils.engines.silence import muted
from utils.optional import EngineUnavailable, require

if TYPE_CHECKING:
    from onnx import ModelProto

SETTLED = 0.10  # two medians of a window that differ by less than this share
WINDOW = 10


# --- the clock ------------------------------------------------------------------------------------


def benchmark(
    engine: Engine, feeds: Arrays, warmup: int = 20, repeats: int = 200, interleave_with: Sequence[Engine] = ()
) -> np.ndarray:
    """Latencies of `engine` in ms, `repeats` of them, one in each round with the engines of `interleave_with`.

    Raises ValueError for engines with different thread counts, and for counts below 1.
    """
    return benchmark_all([engine, *interleave_with], feeds, warmup, repeats)[0]


def benchmark_all(engines: Sequence[Engine], feeds: Arrays, warmup: int = 20, repeats: int = 200) -> list[np.ndarray]:
    """Latencies in ms of all engines, in the order given, measured in turns: a list of arrays (repeats,)."""
    counts = {engine.threads for engine in engines}
    if len(counts) > 1:
        raise ValueError(f"engines must have the same number of threads, got {sorted(counts)}")
    calls = {str(k): _timed_call(engine, engine.prepare(feeds)) for k, engine in enumerate(engines)}
    for call in calls.values():
        warm_up(call, at_least=warmup)
    timed = time_interleaved(calls, repeats)
    return [timed[key] for key in calls]


def _timed_call(engine: Engine, prepared: Any) -> Callable[[], None]:
    def call() -> None:
        for value in engine.infer(prepared).values():
            np.asarray(value)  # an engine that answers lazily has to finish before the clock stops

    return call


def warm_up(
    call: Callable[[], object], at_least: int = 20, at_most: int = 200,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> int:
    """Call until the medians of two windows of 10 calls in a row agree within 10 %; the number of calls made.

    At least `at_least` and at most `at_most` calls. Raises ValueError for `at_least` below 1.
    """
    if at_least < 1:
        raise ValueError(f"at_least must be at least 1, got {at_least}")
    times: list[int] = []
    while len(times) < max(at_least, at_most):
        start = clock()
        call()
        times.append(clock() - start)
        if len(times) >= max(at_least, 2 * WINDOW):
            last, before = np.median(times[-WINDOW:]), np.median(times[-2 * WINDOW:-WINDOW])
            if abs(last - before) <= SETTLED * before:
                break
    return len(times)


# --- the race -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EngineRow:
    """What one engine did with one model. `reason` is not empty where it did not run; then the rest is empty."""

    engine: str
    version: str = ""
    installed_bytes: int = 0
    model_bytes: int = 0
    load_ms: float = 0.0
    first_ms: float = 0.0
    samples_ms: tuple[float, ...] = ()
    max_abs: float = 0.0
    cosine: float = 0.0
    top1: float = 0.0
    reason: str = ""

    @property
    def median_ms(self) -> float:
        """Median latency in ms; NaN where the engine did not run."""
        return float(np.median(self.samples_ms)) if self.samples_ms else float("nan")


@dataclass(frozen=True)
class RaceResult:
    """All engines on one model, each compared with the first that ran (the baseline)."""

    model: str
    threads: int
    batch: int
    rows: tuple[EngineRow, ...]

    @property
    def ran(self) -> tuple[EngineRow, ...]:
        """The engines that ran."""
        return tuple(row for row in self.rows if not row.reason)

    def versus(self, a: str, b: str, seed: int = 0) -> LatencyVerdict:
        """Who of two engines is faster. KeyError for an engine that did not run."""
        samples = {row.engine: row.samples_ms for row in self.ran}
        return compare_latency(samples[a], samples[b], seed=seed)

    @property
    def spread(self) -> float:
        """The slowest median over the fastest one."""
        medians = [row.median_ms for row in self.ran]
        return max(medians) / min(medians)

    def ratios(self) -> dict[str, LatencyVerdict]:
        """Every engine that ran against the baseline: the ratio of the medians with its interval."""
        return {row.engine: self.versus(row.engine, self.ran[0].engine) for row in self.ran}


def race(
    models: Mapping[str, ModelProto], engines: Sequence[str], repeats: int = 100, *, threads: int = 1, warmup: int = 20,
    seed: int = 0, make: Callable[[str], Engine] = make_engine,
) -> list[RaceResult]:
    """Every model on every engine (by the names of `ENGINES`); the first that runs is the reference.

    The inputs are drawn from a normal distribution by `seed`. An engine that is not installed, or that refuses a
    model, becomes a row with its reason.
    """
    results = []
    for name, model in models.items():
        rng = np.random.default_rng(seed)
        feeds = {key: rng.normal(size=shape).astype(np.float32) for key, shape in input_shapes(model).items()}
        batch = next((len(value) for value in feeds.values()), 0)
        rows = _race_one(model, feeds, engines, repeats, threads, warmup, make)
        results.append(RaceResult(name, threads, batch, rows))
    return results


def _race_one(
    model: ModelProto, feeds: Arrays, names: Sequence[str], repeats: int, threads: int, warmup: int,
    make: Callable[[str], Engine],
) -> tuple[EngineRow, ...]:
    rows: dict[str, EngineRow] = {}
    loaded: dict[str, Engine] = {}
    reference: dict[str, np.ndarray] = {}
    for name in names:
        engine = make(name)
        try:
            rows[name], outputs = _load(engine, name, model, feeds, threads, reference)
        except (EngineUnavailable, ValueError) as error:
            rows[name] = EngineRow(name, reason=str(error).splitlines()[0])
            continue
        loaded[name], reference = engine, reference or outputs
    samples = benchmark_all(list(loaded.values()), feeds, warmup, repeats) if loaded else []
    for name, times in zip(loaded, samples):
        rows[name] = EngineRow(**{**rows[name].__dict__, "samples_ms": tuple(times.tolist())})
        loaded[name].close()
    return tuple(rows[name] for name in names)


def _load(
    engine: Engine, name: str, model: ModelProto, feeds: Arrays, threads: int, reference: Arrays
) -> tuple[EngineRow, dict[str, np.ndarray]]:
    with muted():
        require(engine.module, engine.hint())  # what a process pays once, whatever it loads, is not part of loading
    start = time.perf_counter()
    engine.load(model, threads)
    load_ms = (time.perf_counter() - start) * 1e3
    prepared = engine.prepare(feeds)
    start = time.perf_counter()
    outputs = {key: np.array(value) for key, value in engine.infer(prepared).items()}
    first_ms = (time.perf_counter() - start) * 1e3
    report = accuracy_report(reference or outputs, outputs).values()
    row = EngineRow(
        name, engine.version(), engine.installed_bytes(), engine.model_bytes, load_ms, first_ms,
        max_abs=max(r["max_abs"] for r in report), cosine=min(r["cosine"] for r in report),
        top1=min(r["top1"] for r in report))
    return row, outputs
