"""Chapter 47's measurements: real files, modules, threads and clocks on the CPU."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from utils.serving.model_cache.cache import CacheStats, ModelCache
from utils.serving.model_cache.page_cache import cached_share, drop_from_page_cache, read_into_page_cache
from utils.serving.model_cache.replay import SimResult, simulate_cache, zipf_trace
from utils.serving.model_cache.weights import MODES, LoadTiming, Mode, load_model, save_weights, timed_once

if TYPE_CHECKING:
    import torch
    from torch import nn

WATCHDOG_S = 60.0


def mlp(width: int = 1024, layers: int = 6) -> nn.Module:
    """A fully connected network with ReLU between its layers; 25.2 MB in float32 by default."""
    from torch import nn

    blocks = [module for _ in range(layers) for module in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*blocks[:-1])


def infer(m: nn.Module, width: int = 1024) -> torch.Tensor:
    """One forward pass on a fixed input of batch 1."""
    import torch

    with torch.inference_mode():
        return m(torch.linspace(-1, 1, width)[None])  # (1, width)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside the block, so that rows can be compared on any machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class LoadRow:
    """Loads of one mode from one state of the page cache: median times, and the file's cached share (None: not told)
    before a load, after it, and after the first inference."""

    mode: Mode
    cold: bool
    timing: LoadTiming
    before: float | None
    after_load: float | None
    after_infer: float | None

    @property
    def name(self) -> str:
        """Mode and state, as "meta, cold"."""
        return f"{self.mode}, {'cold' if self.cold else 'warm'}"


@dataclass(frozen=True)
class LoadBench:
    """All rows, the bytes of the file, and the median of a further inference (ms). `can_drop`: whether the file could
    be dropped from the page cache, without which there are no cold rows."""

    rows: tuple[LoadRow, ...]
    nbytes: int
    infer_ms: float
    can_drop: bool

    def row(self, mode: str, cold: bool) -> LoadRow:
        """The row of a mode. KeyError where there is none."""
        for row in self.rows:
            if (row.mode, row.cold) == (mode, cold):
                return row
        raise KeyError(f"{mode}, {'cold' if cold else 'warm'}")


def load_bench(folder: str | Path, repeats: int = 5, factory: Callable[[], nn.Module] = mlp,
               forward: Callable[[nn.Module], object] = infer) -> LoadBench:
    """Load one file in all modes, from a warm and (where the system allows) a cold page cache, in turns.

    Cold: none of the file's pages is in this kernel's page cache when the clock starts. What a virtual machine's host
    or the disk itself keeps is not known here.
    """
    path = Path(folder) / "weights.pt"
    with one_thread():
        save_weights(factory(), path)
        can_drop = drop_from_page_cache(path)
        kinds = [(mode, cold) for mode in MODES for cold in ((False, True) if can_drop else (False,))]
        timed_once(factory, path, "meta", forward)  # torch's own first call imports and allocates
        shares = {kind: _watched_load(path, *kind, factory, forward) for kind in kinds}
        times: dict[tuple[Mode, bool], list[tuple]] = {kind: [] for kind in kinds}
        for _ in range(repeats):
            for mode, cold in kinds:
                _prepare(path, cold)
                times[mode, cold].append(timed_once(factory, path, mode, forward))
        again = _infer_ms(load_model(factory, path, "plain"), forward)
    rows = tuple(LoadRow(*kind, LoadTiming(*map(median, zip(*times[kind]))), *shares[kind]) for kind in kinds)
    return LoadBench(rows, path.stat().st_size, again, can_drop)


def _watched_load(path: Path, mode: Mode, cold: bool, factory: Callable, forward: Callable) -> tuple:
    """The file's cached share before a load, between load and first inference, and after it. Looking takes time, so
    this load is not timed."""
    before = _prepare(path, cold)
    m = load_model(factory, path, mode)
    after_load = cached_share(path)
    forward(m)
    return before, after_load, cached_share(path)


def _prepare(path: Path, cold: bool) -> float | None:
    """Bring the page cache into the wanted state; the file's cached share."""
    gc.collect()  # a module that still maps the file would keep its pages
    if cold:
        drop_from_page_cache(path)
    else:
        read_into_page_cache(path)
    return cached_share(path)


def _infer_ms(m: nn.Module, forward: Callable, repeats: int = 15) -> float:
    from utils.cost.latency import time_callable

    return float(np.median(time_callable(partial(forward, m), warmup=3, repeats=repeats)))


# --- replay -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReplayBench:
    """Load cost (s) of one trace under several orders and without a cache, the same for a trace whose favourites
    change halfway, and the hits where all models are alike."""

    cost_s: dict[str, float]
    shifted_cost_s: dict[str, float]
    unit: dict[str, SimResult]
    requests: int


def unequal_models(models: int, seed: int) -> tuple[list[int], list[float]]:
    """Sizes (GB, 1 to 8) and load costs (s): 0.2 s a GB, and 0 to 10 s of compiling and warming up."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, models)
    return sizes.tolist(), (0.2 * sizes + rng.integers(0, 41, models) / 4).tolist()


def shifted(trace: Sequence[int], models: int) -> list[int]:
    """The trace with its favourites changed halfway: from there on model k stands for model (models - 1 - k)."""
    half = len(trace) // 2
    return [*trace[:half], *(models - 1 - name for name in trace[half:])]


def replay_bench(models: int = 30, requests: int = 3000, s: float = 0.9, capacity_gb: float = 40,
                 seed: int = 0) -> ReplayBench:
    """Replay Zipf requests: unequal models under LRU, LFU and GreedyDual-Size, equal ones under LRU and Belady."""
    sizes, costs = unequal_models(models, seed)
    trace = zipf_trace(models, requests, s, seed)

    def paid(trace: Sequence[int]) -> dict[str, float]:
        found = {"no cache": sum(costs[name] for name in trace)}
        return found | {policy: simulate_cache(trace, sizes, costs, capacity_gb, policy).load_cost
                        for policy in ("lru", "lfu", "gds")}

    ones = [1] * models
    unit = {policy: simulate_cache(trace, ones, ones, models // 3, policy) for policy in ("lru", "belady")}
    return ReplayBench(paid(trace), paid(shifted(trace, models)), unit, requests)


# --- many threads -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class HammerResult:
    """What many threads did to one cache: its counters, distinct models asked for, answers that were wrong."""

    stats: CacheStats
    requests: int
    distinct: int
    wrong_answers: int
    budget_bytes: int

    def as_dict(self) -> dict:
        """The fields as plain data."""
        return asdict(self)


def hammer(folder: str | Path, threads: int = 8, requests: int = 40, models: int = 6, budget_models: int = 6,
           width: int = 64, seed: int = 0) -> HammerResult:
    """Let `threads` ask one cache for models from files, all starting at a barrier, and check every answer.

    Each thread makes `requests` requests. The budget is that of `budget_models` models; with fewer than `models` the
    cache has to evict. A request waits for a pin to go, if it must. Errors of a thread are raised here.
    """
    import torch

    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        files, wanted = _files(Path(folder), models, width)
        nbytes = 3 * (width * width + width) * 4
        loaders = {name: partial(load_model, partial(mlp, width, 3), path, "meta") for name, path in files.items()}
        cache = ModelCache(budget_models * nbytes, loaders, sizes=dict.fromkeys(files, nbytes), wait_s=WATCHDOG_S)
        wrong, asked = _run_threads(cache, wanted, threads, requests, width, seed)
    return HammerResult(cache.stats, threads * requests, len(asked), wrong, cache.budget_bytes)


def _files(folder: Path, models: int, width: int) -> tuple[dict[str, Path], dict[str, torch.Tensor]]:
    files, wanted = {}, {}
    for number in range(models):
        m, name = mlp(width, 3).eval(), f"model {number}"
        files[name] = folder / f"model{number}.pt"
        save_weights(m, files[name])
        wanted[name] = infer(m, width)
    return files, wanted


def _run_threads(cache: ModelCache, wanted: dict, threads: int, requests: int, width: int,
                 seed: int) -> tuple[int, set]:
    import torch

    barrier, stop = threading.Barrier(threads), threading.Event()
    wrong, asked, errors = [], set(), []

    def work(number: int) -> None:
        names = zipf_trace(len(wanted), requests, 0.8, seed + number)
        try:
            barrier.wait(WATCHDOG_S)
            for name in (f"model {k}" for k in names):
                if stop.is_set():
                    return
                asked.add(name)
                with cache.acquire(name) as m:
                    if not torch.equal(infer(m, width), wanted[name]):
                        wrong.append(name)
        except Exception as error:
            errors.append(error)
            barrier.abort()

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(WATCHDOG_S)
    finally:
        stop.set()
    if errors:
        raise errors[0]
    if any(worker.is_alive() for worker in workers):
        raise TimeoutError(f"a thread did not end within {WATCHDOG_S:g} s")
    return len(wrong), asked
