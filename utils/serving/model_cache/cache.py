"""A model cache for many threads: a budget in bytes, pins while a model is in use, one load however many ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from utils.cost.checks import non_negative, positive
from utils.serving.model_cache.modules import module_bytes
from utils.serving.model_cache.orders import eviction_order
from utils.serving.model_cache.single_flight import told_to_others

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class CacheStats:
    """What a cache has done: `misses` began a load, `joined` waited for one that was under way.

    load_seconds: of loads that succeeded. peak_bytes: most bytes held at a time, a model that was just loaded and for
    which room is still to be made included.
    """

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    load_seconds: float = 0.0
    peak_bytes: int = 0
    joined: int = 0
    loads: int = 0
    failed_loads: int = 0

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


@dataclass
class _Entry:
    module: Any
    nbytes: int
    seconds: float
    pins: int


@dataclass
class _Load:
    """A load under way: who runs it, how many pins are waiting for it, what room is reserved."""

    leader: int
    pins: int
    reserved: int = 0
    admitted: bool = False
    future: Future = field(default_factory=Future)


class ModelCache:
    """Modules by name under a budget in bytes.

    loaders: a function for each name that returns a fresh module, on whatever device the budget is meant for.
    policy: "lru", or "gds" with measured seconds as the cost of a load.
    sizes: bytes by name, where they are known beforehand. Room is then made *before* the loader runs, so that the
    budget holds at every moment, and a loader that fails has cost the models that had to go. A size that is not known
    is measured after the load: a failing loader then costs nothing, and `peak_bytes` tells by how much the new model
    stood above the budget. A measured size is remembered for the next load.
    wait_s: how long a request waits for pins to go before it gives up with MemoryError.

    >>> cache = ModelCache(1000, {"a": lambda: "module a"}, measure=len)
    >>> with cache.acquire("a") as module:
    ...     module, cache.resident()
    ('module a', ['a'])
    """

    def __init__(self, budget_bytes: int, loaders: Mapping[str, Callable[[], nn.Module]], policy: str = "lru",
                 clock: Callable[[], float] = time.monotonic, *, sizes: Mapping[str, int] | None = None,
                 measure: Callable[[Any], int] = module_bytes, wait_s: float = 0.0) -> None:
        positive(budget_bytes=budget_bytes)
        non_negative(wait_s=wait_s)
        self.budget_bytes, self._loaders, self._measure, self._clock = budget_bytes, dict(loaders), measure, clock
        self._order, self._wait_s, self._sizes = eviction_order(policy), wait_s, dict(sizes or {})
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}
        self._loads: dict[str, _Load] = {}
        self._used = 0  # bytes of entries and of reservations
        self._stats = CacheStats()

    @property
    def stats(self) -> CacheStats:
        """The counters at this moment."""
        with self._changed:
            return self._stats

    @property
    def used_bytes(self) -> int:
        """Bytes of resident models and of room that is reserved for loads."""
        with self._changed:
            return self._used

    def resident(self) -> list[str]:
        """Names of the models in memory, in the order in which they were loaded."""
        with self._changed:
            return list(self._entries)

    @contextmanager
    def acquire(self, name: str) -> Iterator[nn.Module]:
        """The module called `name` for the length of a `with` block; it is not evicted inside.

        Loads it if needed; calls that come meanwhile wait for the same load. Raises KeyError for an unknown name,
        ValueError for a model larger than the budget, MemoryError if no room can be made because all resident models
        are pinned or being loaded, RuntimeError if a loader asks for its own model, and what the loader raises: in
        every call that waited for it. A failure is not kept.
        """
        module = self._get(name, pins=1)
        try:
            yield module
        finally:
            self._unpin(name)

    def preload(self, name: str) -> None:
        """Load `name` if it is not resident, without pinning it. Raises what `acquire` raises."""
        self._get(name, pins=0)

    def evict(self, name: str) -> bool:
        """Drop `name` from memory; False if it is not resident or is pinned. KeyError for an unknown name."""
        self._loader(name)
        with self._changed:
            entry = self._entries.get(name)
            if entry is None or entry.pins:
                return False
            self._order.forget(name)
            self._drop(name)
            return True

    # --- inside -----------------------------------------------------------------------------------

    def _loader(self, name: str) -> Callable[[], nn.Module]:
        if name not in self._loaders:
            raise KeyError(f"there is no model {name!r}: the loaders are {', '.join(map(repr, self._loaders))}")
        return self._loaders[name]

    def _count(self, **more: float) -> None:
        self._stats = replace(self._stats, **{key: getattr(self._stats, key) + n for key, n in more.items()})

    def _get(self, name: str, pins: int) -> nn.Module:
        loader, me = self._loader(name), threading.get_ident()
        with self._changed:
            entry, load = self._entries.get(name), self._loads.get(name)
            if entry is not None:
                self._count(hits=1)
                entry.pins += pins
                self._order.use(name, entry.nbytes, entry.seconds)
                return entry.module
            leads = load is None
            if leads:
                self._check_size(name, self._sizes.get(name, 0))
                self._count(misses=1)
                load = self._loads[name] = _Load(me, pins)
            elif load.leader == me:
                raise RuntimeError(f"the loader of {name!r} must not ask for {name!r} itself")
            else:
                self._count(joined=1)
                load.pins += pins
        return self._lead(name, loader, load) if leads else self._wait(name, load, pins)

    def _lead(self, name: str, loader: Callable[[], nn.Module], load: _Load) -> nn.Module:
        """Run a load for all who wait for it."""
        try:
            with self._changed:
                self._reserve(load, self._sizes.get(name, 0))
            started = self._clock()
            module = loader()
            seconds = self._clock() - started
            nbytes = self._measure(module)
            with self._changed:
                self._admit(name, load, _Entry(module, nbytes, seconds, 0))
        except BaseException as error:
            with self._changed:
                self._loads.pop(name, None)
                self._used -= load.reserved
                self._count(failed_loads=1)
                self._changed.notify_all()
            load.future.set_exception(told_to_others(error))
            raise
        load.future.set_result(module)
        return module

    def _admit(self, name: str, load: _Load, entry: _Entry) -> None:
        self._sizes[name] = entry.nbytes
        self._check_size(name, entry.nbytes)
        held = self._used - load.reserved + entry.nbytes
        self._stats = replace(self._stats, peak_bytes=max(self._stats.peak_bytes, held))
        self._reserve(load, entry.nbytes)
        # Who waits is pinned here, in one step with the model's arrival: no one can evict it before they wake.
        entry.pins, load.admitted = load.pins, True
        self._entries[name] = entry
        del self._loads[name]
        self._order.use(name, entry.nbytes, entry.seconds)
        self._count(loads=1, load_seconds=entry.seconds)
        self._changed.notify_all()

    def _wait(self, name: str, load: _Load, pins: int) -> nn.Module:
        try:
            return load.future.result()
        except BaseException:
            with self._changed:  # a wait that is broken off gives its pin back
                if load.admitted and pins:
                    self._unpin(name)
                elif not load.admitted:
                    load.pins -= pins
            raise

    def _unpin(self, name: str) -> None:
        with self._changed:
            self._entries[name].pins -= 1
            self._changed.notify_all()

    def _check_size(self, name: str, nbytes: int) -> None:
        if nbytes > self.budget_bytes:
            raise ValueError(f"{name!r} has {nbytes:,} bytes, larger than the budget of {self.budget_bytes:,} bytes")

    def _reserve(self, load: _Load, nbytes: int) -> None:
        """Make the reservation of a load `nbytes` large, evicting what is not pinned."""
        more = nbytes - load.reserved
        if not self._changed.wait_for(lambda: self._used + more - self._evictable() <= self.budget_bytes, self._wait_s):
            raise MemoryError("all resident models are pinned or being loaded: release one, or raise the budget")
        while more > 0 and self._used + more > self.budget_bytes:
            self._drop(self._order.victim([name for name, entry in self._entries.items() if not entry.pins]))
            self._count(evictions=1)
        self._used, load.reserved = self._used + more, nbytes

    def _evictable(self) -> int:
        return sum(entry.nbytes for entry in self._entries.values() if not entry.pins)

    def _drop(self, name: str) -> None:
        self._used -= self._entries.pop(name).nbytes
        self._changed.notify_all()
