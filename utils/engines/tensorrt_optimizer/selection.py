"""Choosing a tactic by timing it, under a limit on scratch memory, and remembering what was timed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.cost.latency import time_callable


@dataclass
class TacticTimer:
    """Median milliseconds of `repeats` calls after `warmup` calls; `clock` returns nanoseconds."""

    repeats: int = 9
    warmup: int = 2
    clock: Callable[[], int] = time.perf_counter_ns

    def time(self, fn: Callable[..., object], *args: object) -> float:
        """Median time of fn(*args) in ms."""
        samples = time_callable(lambda: fn(*args), warmup=self.warmup, repeats=self.repeats, clock=self.clock)
        return float(np.median(samples))


@dataclass
class TimingCache:
    """Measured milliseconds by key and tactic. A key names everything that a time depends on: see `timing_key`."""

    times: dict[str, dict[str, float]] = field(default_factory=dict)

    def get(self, key: str) -> dict[str, float]:
        """Times of the tactics that were measured for `key`; empty if none was."""
        return dict(self.times.get(key, {}))

    def put(self, key: str, tactic: str, ms: float) -> None:
        """Remember one measurement."""
        self.times.setdefault(key, {})[tactic] = ms

    def save(self, path: str | Path) -> None:
        """Write the cache as JSON, whole or not at all."""
        from utils.graphs.onnx_tools import write_atomically

        write_atomically(path, json.dumps(self.times, indent=1, sort_keys=True).encode())

    @classmethod
    def load(cls, path: str | Path) -> TimingCache:
        """Read a cache. ValueError for a file that is none."""
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls({key: {name: float(ms) for name, ms in times.items()} for key, times in raw.items()})
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"path must be a timing cache, got {path}: {error}") from error


def timing_key(op: str, shape: object, dtype: str = "float32") -> str:
    """Operator, shape, type, processor and library: a time measured under another of these says nothing."""
    return f"{op} | {shape} | {dtype} | {device_and_library()}"


def device_and_library() -> str:
    """This processor and the kernels' library with its version."""
    import platform

    import torch

    return f"{torch.backends.cpu.get_cpu_capability()} {platform.machine()} | torch {torch.__version__}"


@dataclass(frozen=True)
class Choice:
    """The chosen tactic, its time, what was timed now, and what was not allowed (name -> workspace bytes)."""

    name: str
    ms: float
    workspace_bytes: int
    timed: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def from_cache(self) -> bool:
        return not self.timed


def select_tactic(
    key: str,
    candidates: Mapping[str, tuple[Callable[[], object], int]],
    workspace_limit_bytes: int,
    timer: TacticTimer,
    cache: TimingCache,
) -> Choice:
    """The fastest of `candidates` (name -> (function, workspace bytes)) that stays within the limit, ties by name.

    What the cache knows for `key` is not timed again. Raises ValueError when no tactic fits the limit.
    """
    admissible = {name: pair for name, pair in candidates.items() if pair[1] <= workspace_limit_bytes}
    if not admissible:
        least = min((size for _, size in candidates.values()), default=0)
        raise ValueError(f"workspace_limit_bytes must admit a tactic, got {workspace_limit_bytes} for {key!r}, "
                         f"which needs at least {least}")
    known, timed = cache.get(key), []
    for name, (fn, _) in admissible.items():
        if name not in known:
            known[name] = timer.time(fn)
            cache.put(key, name, known[name])
            timed.append(name)
    best = min(admissible, key=lambda name: (known[name], name))
    skipped = {name: size for name, (_, size) in candidates.items() if size > workspace_limit_bytes}
    return Choice(best, known[best], admissible[best][1], tuple(timed), skipped)


class TacticPicker:
    """Chooses tactics with `timer(fn)` (ms), and times no key twice unless its winner exceeds a smaller limit."""

    def __init__(self, timer: Callable[[Callable], float]) -> None:
        self.timer = timer
        self.timings_made = 0
        self._winners: dict[str, str] = {}

    def choose(self, key: str, tactics: dict[str, tuple[Callable, int]], workspace_limit: int) -> str:
        """Name of the fastest tactic whose workspace (bytes) is at most the limit; ValueError if there is none."""
        winner = self._winners.get(key)
        if winner is not None and tactics[winner][1] <= workspace_limit:
            return winner
        admissible = [name for name, (_, size) in tactics.items() if size <= workspace_limit]
        if not admissible:
            raise ValueError(f"workspace_limit must admit a tactic, got {workspace_limit}")
        times = {name: self.timer(tactics[name][0]) for name in admissible}
        self.timings_made += len(times)
        self._winners[key] = min(admissible, key=lambda name: (times[name], name))
        return self._winners[key]
