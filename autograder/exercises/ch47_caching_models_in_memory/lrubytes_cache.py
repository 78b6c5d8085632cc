"""Exercise 47.LRUBytesCache: least recently used, under a budget in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.serving import model_cache

from ...compare import brief, exact, prop
from ...exercise import Case, Exercise, Misconception

PROBE = "ch47_caching_models_in_memory.cache_story"
ABSENT = object()


class _Cache:
    """The pieces of a cache; subclasses get one of them wrong. `held` goes from least to most recently used."""

    def __init__(self, budget: int, loaders: dict[str, Callable], sizes: dict[str, int]) -> None:
        self.budget, self.loaders, self.sizes = budget, loaders, sizes
        self.held: dict[str, Any] = {}
        self.hits, self.misses, self.evicted = 0, 0, []

    def get(self, name: str) -> Any:
        if self.has(name):
            return self.hit(name)
        self.check(name)
        return self.load(name)

    def has(self, name: str) -> bool:
        return name in self.held

    def hit(self, name: str) -> Any:
        self.hits += 1
        self.refresh(name)
        return self.held[name]

    def refresh(self, name: str) -> None:
        self.held[name] = self.held.pop(name)

    def check(self, name: str) -> None:
        if self.sizes[name] > self.budget:
            raise ValueError("larger than the budget")

    def load(self, name: str) -> Any:
        loaded = self.loaders[name]()
        self.misses += 1
        self.make_room(name)
        self.held[name] = loaded
        return loaded

    def make_room(self, name: str) -> None:
        while self.held and self.too_much(name):
            self.drop(self.victim())

    def too_much(self, name: str) -> bool:
        return sum(self.sizes[n] for n in self.held) + self.sizes[name] > self.budget

    def victim(self) -> str:
        return next(iter(self.held))

    def drop(self, name: str) -> None:
        del self.held[name]
        self.evicted.append(name)

    def resident(self) -> list[str]:
        return list(self.held)


class _Fifo(_Cache):
    def refresh(self, name: str) -> None:
        pass


class _EvictsFirst(_Cache):
    """Makes room, then finds that the loader does not work."""

    def load(self, name: str) -> Any:
        self.make_room(name)
        loaded = self.loaders[name]()
        self.misses += 1
        self.held[name] = loaded
        return loaded


class _EvictsAndCountsFirst(_Cache):
    def load(self, name: str) -> Any:
        self.misses += 1
        self.make_room(name)
        self.held[name] = self.loaders[name]()
        return self.held[name]


class _CountsFirst(_Cache):
    """A load that fails is a miss already."""

    def load(self, name: str) -> Any:
        self.misses += 1
        loaded = self.loaders[name]()
        self.make_room(name)
        self.held[name] = loaded
        return loaded


class _CountsBeforeItChecks(_CountsFirst):
    def get(self, name: str) -> Any:
        if not self.has(name):
            self.misses += 1
            try:
                self.check(name)
                return super().get(name)
            finally:
                if name in self.held:
                    self.misses -= 1
        return super().get(name)


class _OneModelIsOne(_Cache):
    """The budget is taken for a number of models."""

    def check(self, name: str) -> None:
        _ = self.sizes[name]

    def too_much(self, name: str) -> bool:
        return len(self.held) + 1 > self.budget


class _OneModelIsOneChecked(_OneModelIsOne):
    def check(self, name: str) -> None:
        _Cache.check(self, name)


class _EvictsOne(_Cache):
    def make_room(self, name: str) -> None:
        if self.held and self.too_much(name):
            self.drop(self.victim())


class _MostRecent(_Cache):
    def victim(self) -> str:
        return list(self.held)[-1]


class _Largest(_Cache):
    """Evicts the largest, the least recently used of equals."""

    def victim(self) -> str:
        return max(self.held, key=self.sizes.get)


class _Falsy(_Cache):
    """Takes an object that is false for one that is not there."""

    def has(self, name: str) -> bool:
        return bool(self.held.get(name))

    def load(self, name: str) -> Any:
        loaded = self.loaders[name]()
        self.misses += 1
        self.held.pop(name, None)
        self.make_room(name)
        self.held[name] = loaded
        return loaded


class _NoneIsAbsent(_Falsy):
    def has(self, name: str) -> bool:
        return self.held.get(name) is not None


class _RoomForHits(_Cache):
    """Makes room before it looks whether the model is there."""

    def get(self, name: str) -> Any:
        self.check(name)
        kept, hit = self.held.get(name, ABSENT), self.has(name)
        loaded = kept if hit else self.loaders[name]()
        self.hits, self.misses = self.hits + hit, self.misses + (not hit)
        while self.held and self.too_much(name):
            self.drop(self.victim())
        self.held.pop(name, None)
        self.held[name] = loaded
        return loaded


class _EmptiesForTooLarge(_Cache):
    """Evicts everything and then finds that the model is larger than the budget."""

    def check(self, name: str) -> None:
        _ = self.sizes[name]

    def load(self, name: str) -> Any:
        loaded = self.loaders[name]()
        self.make_room(name)
        _Cache.check(self, name)
        self.misses += 1
        self.held[name] = loaded
        return loaded


class _LoadsBeforeItChecks(_Cache):
    """Calls the loader of a model that can never be kept."""

    def check(self, name: str) -> None:
        _ = self.sizes[name]

    def load(self, name: str) -> Any:
        loaded = self.loaders[name]()
        _Cache.check(self, name)
        self.misses += 1
        self.make_room(name)
        self.held[name] = loaded
        return loaded


class _ServesTooLarge(_Cache):
    """Hands out a model that is larger than the budget without keeping it."""

    def check(self, name: str) -> None:
        _ = self.sizes[name]

    def load(self, name: str) -> Any:
        if self.sizes[name] <= self.budget:
            return super().load(name)
        self.misses += 1
        return self.loaders[name]()


class _NotFull(_Cache):
    """Never fills the budget to its last byte."""

    def too_much(self, name: str) -> bool:
        return sum(self.sizes[n] for n in self.held) + self.sizes[name] >= self.budget


class _NotFullChecked(_NotFull):
    def check(self, name: str) -> None:
        if self.sizes[name] >= self.budget:
            raise ValueError("too large")


class _MostRecentFirst(_Cache):
    def resident(self) -> list[str]:
        return list(self.held)[::-1]


class _Swallows(_Cache):
    """A loader that fails gives None."""

    def load(self, name: str) -> Any:
        try:
            return super().load(name)
        except OSError:
            return None


class _CachesFailures(_Cache):
    def load(self, name: str) -> Any:
        try:
            loaded = self.loaders[name]()
        except OSError:
            loaded = None
        self.misses += 1
        self.make_room(name)
        self.held[name] = loaded
        return loaded


# --- other right answers ----------------------------------------------------------------------------


class _WithOrderedDict:
    def __init__(self, budget: int, loaders: dict, sizes: dict) -> None:
        self.budget, self.free, self.loaders, self.sizes = budget, budget, loaders, sizes
        self.table, self.hits, self.misses, self.evicted = OrderedDict(), 0, 0, []

    def get(self, name: str) -> Any:
        try:
            self.table.move_to_end(name)
            self.hits += 1
        except KeyError:
            need = self.sizes[name]
            if need > self.budget:
                raise ValueError(f"{name} needs {need} bytes") from None
            thing = self.loaders[name]()
            self.misses += 1
            while self.free < need:
                gone, _ = self.table.popitem(last=False)
                self.free += self.sizes[gone]
                self.evicted.append(gone)
            self.free -= need
            self.table[name] = thing
        return self.table[name]

    def resident(self) -> list[str]:
        return [*self.table]


class _WithTimestamps:
    def __init__(self, budget: int, loaders: dict, sizes: dict) -> None:
        self._budget, self._loaders, self._sizes = budget, loaders, sizes
        self._things, self._last, self._now = {}, {}, 0
        self.evicted = []
        self.hits = self.misses = 0

    def get(self, name: str) -> Any:
        if name not in self._last:
            if name not in self._loaders:
                raise KeyError(name)
            if self._sizes[name] > self._budget:
                raise ValueError(name)
            thing = self._loaders[name]()
            while sum(self._sizes[n] for n in self._last) > self._budget - self._sizes[name]:
                oldest = min(self._last, key=self._last.get)
                del self._last[oldest], self._things[oldest]
                self.evicted.append(oldest)
            self._things[name] = thing
            self.misses += 1
        else:
            self.hits += 1
        self._now += 1
        self._last[name] = self._now
        return self._things[name]

    def resident(self) -> list[str]:
        return sorted(self._last, key=self._last.get)


class _WithAList:
    def __init__(self, budget: int, loaders: dict, sizes: dict) -> None:
        self.queue: list[tuple[str, Any]] = []
        self.parts = budget, loaders, sizes
        self.evicted: list[str] = []
        self.asked = self.misses = 0

    @property
    def hits(self) -> int:
        return self.asked - self.misses

    def get(self, name: str) -> Any:
        budget, loaders, sizes = self.parts
        found = [pair for pair in self.queue if pair[0] == name]
        if not found:
            if sizes[name] > budget:
                raise ValueError
            found = [(name, loaders[name]())]
            keep, room = [], budget - sizes[name]
            for pair in reversed(self.queue):
                room -= sizes[pair[0]]
                if room < 0:
                    break
                keep.insert(0, pair)
            self.evicted += [n for n, _ in self.queue[: len(self.queue) - len(keep)]]
            self.queue = keep
            self.misses += 1
        self.asked += 1
        self.queue = [pair for pair in self.queue if pair[0] != name] + found
        return found[0][1]

    def resident(self) -> tuple[str, ...]:
        return tuple(n for n, _ in self.queue)


# --- cases ------------------------------------------------------------------------------------------


def _same_story(case: Case, expected: list[dict], got: list[dict]) -> str | None:
    """The first request after which two stories differ, in words."""
    told = {"loads": "loader calls so far", "resident": "resident()", "hits": "hits", "misses": "misses", "evicted": "evicted"}
    for number, (name, e, g) in enumerate(zip(case.kwargs["requests"], expected, got), 1):
        where = f"request {number}, get({name!r}): "
        if exact()(e["did"], g["did"]):
            return f"{where}{brief(g['did'])}, expected {brief(e['did'])}"
        for key, words in told.items():
            if exact()(e[key], g[key]):
                return f"{where}{words} is {brief(g[key])}, expected {brief(e[key])}"
    return None if len(expected) == len(got) else "the story is cut off"


def _case(requests: str, budget: int, sizes: dict[str, int], *, fails: dict | None = None, objects: dict | None = None,
          note: str = "") -> Case:
    table = " ".join(f"{n}{s}" for n, s in sizes.items())
    return Case(budget=budget, sizes=sizes, requests=list(requests), fails=fails or {}, objects=objects or {},
                label=f"sizes {table}, budget {budget}, requests {' '.join(requests)}{': ' + note if note else ''}")


def _draw(rng: np.random.Generator) -> Case:
    names = "ABCDEF"[: int(rng.integers(2, 7))]
    sizes = {n: int(rng.integers(1, 9)) for n in names}
    budget = int(rng.integers(max(1, max(sizes.values()) - 1), sum(sizes.values()) + 1))
    requests = "".join(rng.choice(list(names), int(rng.integers(4, 25))))
    fails = {n: rng.integers(1, 4, 2).tolist() for n in names if rng.random() < 0.25}
    objects = {n: str(rng.choice(["zero", "none", "empty", "no", "list"])) for n in names if rng.random() < 0.2}
    if rng.random() < 0.2:
        at = int(rng.integers(0, len(requests)))
        requests = requests[:at] + "X" + requests[at:]
    return _case(requests, budget, sizes, fails=fails, objects=objects, note=_note(fails, objects))


def _note(fails: dict, objects: dict) -> str:
    told = ["some loads fail"] * bool(fails) + ["some objects are falsy"] * bool(objects)
    return ", ".join(told)


def _show(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[-1], dict) and "resident" in value[-1]:
        end = value[-1]
        return f"hits {brief(end['hits'])}, evicted {brief(end['evicted'])}, resident {brief(end['resident'])}"
    return brief(value)


FOUR = {"A": 4, "B": 3, "C": 2, "D": 5}

lru_bytes_cache = Exercise(
    id="47.LRUBytesCache", points=5, difficulty=2, minutes=15, idea="a budget in bytes, and failures that leave no trace",
    reference=model_cache.LRUBytesCache, probe=PROBE, draw=_draw, draws=40, compare=prop(_same_story, same=exact()), show=_show,
    cases=[
        _case("ABCADAB", 9, FOUR),
        _case("ABBA", 7, {"A": 4, "B": 3}, fails={"B": [1]}, note="the first load of B raises OSError"),
    ],
    hidden=[
        _case("AAXAE", 4, {"A": 4, "E": 5}, note="X is unknown, E larger than the budget"),
        _case("ABCAB", 9, {"A": 4, "B": 5, "C": 9}), _case("ABCDE", 10, {"A": 1, "B": 2, "C": 3, "D": 4, "E": 10}),
        _case("ABAC", 6, {"A": 3, "B": 3, "C": 1}), _case("ABCAC", 4, {"A": 2, "B": 2, "C": 4}, fails={"C": [1]}, note="the first load of C fails"),
        _case("ABABAB", 5, {"A": 4, "B": 1}, objects={"A": "none", "B": "zero"}, note="A is None, B is 0"),
        _case("ABCABC", 3, {"A": 1, "B": 1, "C": 1}, objects={"A": "empty", "B": "no", "C": "list"}, note="all objects are falsy"),
        _case("AEBEA", 4, {"A": 3, "B": 1, "E": 9}, fails={"E": [1, 2]}, note="E is larger than the budget, and its loader fails"),
        _case("ABCDABCD", 5, {"A": 2, "B": 2, "C": 2, "D": 1}),
    ],
    misconceptions=[
        Misconception(
            "fifo", _Fifo,
            "A hit leaves the order as it was, so the model that was *loaded* first goes first. Least recently used looks at the last use.",
            "This is first in, first out."),
        Misconception(
            "evicts_before_loading", _EvictsFirst,
            "You evict before you know that the loader works. When it fails, models that were fine are gone for nothing. Load first, then make room.",
            "A failed load has cost residents.", also=(_EvictsAndCountsFirst,)),
        Misconception(
            "counts_failures", _CountsFirst,
            "A request that ends in an error has changed a counter. In all three error cases everything stays as it was, `misses` included.",
            "A failure was counted.", also=(_CountsBeforeItChecks,)),
        Misconception(
            "counts_models", _OneModelIsOne,
            "You compare the number of models with the budget. The budget is in bytes, and models differ in size.",
            "The budget is in bytes.", also=(_OneModelIsOneChecked,)),
        Misconception(
            "evicts_one", _EvictsOne,
            "You evict one model and go on. A large model may need the room of several small ones: evict until it fits.",
            "One eviction may not be enough."),
        Misconception(
            "most_recent", _MostRecent,
            "You evict from the wrong end: the model that was used last. It is the one most likely to be asked for again.",
            "The wrong end of the order."),
        Misconception(
            "largest", _Largest,
            "You evict the largest model. Asked is the least recently used, whatever its size.",
            "Size does not choose the victim."),
        Misconception(
            "falsy_objects", _Falsy,
            "An object that is 0, empty or None is loaded again at every request. Ask whether the *name* is in the table, not whether the object is true.",
            "Falsy is not absent.", also=(_NoneIsAbsent,)),
        Misconception(
            "room_for_hits", _RoomForHits,
            "You make room before you look whether the model is there already. A hit needs no room, and evicts nothing.",
            "A hit has evicted something."),
        Misconception(
            "empties_for_too_large", _EmptiesForTooLarge,
            "A model larger than the budget has emptied the cache before it was refused. Compare its size with the budget first.",
            "Evicted for a model that can never fit."),
        Misconception(
            "loads_too_large", _LoadsBeforeItChecks,
            "A model larger than the budget is loaded before it is refused. Its size is known beforehand: refuse it without calling its loader.",
            "The loader was called for nothing."),
        Misconception(
            "serves_too_large", _ServesTooLarge,
            "A model larger than the budget is handed out all the same. While it is in use the budget is exceeded: raise ValueError.",
            "The budget is a promise."),
        Misconception(
            "never_full", _NotFull,
            "You evict although the model fits to the byte. Sizes may add up to the budget exactly.",
            "Exactly full is allowed.", also=(_NotFullChecked,)),
        Misconception(
            "reversed_order", _MostRecentFirst,
            "`resident()` goes from the most to the least recently used. Asked is the other direction.",
            "The order is turned round."),
        Misconception(
            "swallows_errors", _Swallows,
            "When a loader fails, the caller gets None and learns nothing. Let the exception pass.",
            "The error was swallowed.", also=(_CachesFailures,)),
    ],
    alternatives=[_WithOrderedDict, _WithTimestamps, _WithAList],
    hints=(
        "A dict keeps the order of insertion. Take a name out and put it back in, and it stands at the end: most recently used.",
        "On a miss, in this order: name known? size at most the budget? call the loader. Only then change anything.",
        "`next(iter(table))` is the first name of a dict. Evict while the sizes of what is held, plus the new one, exceed the budget.",
    ),
    worth_knowing="Loading before evicting has a price: for a moment both are in memory. On a full GPU it is done the other way round.",
)
