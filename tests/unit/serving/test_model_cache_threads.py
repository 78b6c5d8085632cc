"""The cache and single flight under many threads: barriers and events, never elapsed time. Watchdogs end a hang."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from utils.serving.model_cache import ModelCache, SingleFlight, hammer

WATCHDOG_S = 20


class Gate:
    """A loader that tells when it has begun, and waits until it may go on."""

    def __init__(self, value="module", error=None):
        self.value, self.error, self.calls = value, error, 0
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self):
        self.calls += 1
        self.begun.set()
        assert self.go.wait(WATCHDOG_S)
        if self.error is not None:
            raise self.error
        return self.value


def run(*work):
    """Futures of functions that start at one barrier."""
    pool, barrier = ThreadPoolExecutor(len(work)), threading.Barrier(len(work))

    def started(fn):
        barrier.wait(WATCHDOG_S)
        return fn()

    futures = [pool.submit(started, fn) for fn in work]
    pool.shutdown(wait=False)
    return futures


def until(condition):
    """Wait for what other threads do to become visible."""
    tick = threading.Event()
    for _ in range(WATCHDOG_S * 200):
        if condition():
            return
        tick.wait(0.005)
    raise AssertionError("it did not come about")


def cache_of(budget, table, **options):
    """A cache of strings whose size stands in a table, which the cache is told unless `sizes` says otherwise."""
    loaders = {name: (lambda name=name: f"{name} loaded") for name in table} | options.pop("loaders", {})
    return ModelCache(budget, loaders, **{"sizes": table, "measure": lambda module: table[module.split()[0]]} | options)


# --- one load for all -------------------------------------------------------------------------------


def held(cache, name):
    with cache.acquire(name) as module:
        return module


def test_sixteen_threads_load_once():
    gate = Gate("a loaded")
    cache = cache_of(10, {"a": 4}, loaders={"a": gate})
    futures = run(*[lambda: held(cache, "a")] * 16)
    until(lambda: cache.stats.joined == 15)
    gate.go.set()
    assert {f.result(WATCHDOG_S) for f in futures} == {"a loaded"} and gate.calls == 1
    stats = cache.stats
    assert (stats.hits, stats.misses, stats.joined, stats.loads) == (0, 1, 15, 1) and stats.peak_bytes == 4
    assert held(cache, "a") == "a loaded" and cache.stats.hits == 1 and gate.calls == 1


def test_different_models_load_at_the_same_time():
    both = threading.Barrier(2, timeout=WATCHDOG_S)  # only two loaders at once get past it

    def loader(name):
        both.wait()
        return f"{name} loaded"

    cache = cache_of(10, {"a": 4, "b": 4}, loaders={n: (lambda n=n: loader(n)) for n in "ab"})
    assert [f.result(WATCHDOG_S) for f in run(lambda: held(cache, "a"), lambda: held(cache, "b"))] == ["a loaded", "b loaded"]


@pytest.mark.parametrize("known", [True, False])
def test_a_failed_load_reaches_every_waiter_and_is_forgotten(known):
    gate = Gate(error=OSError("the disk is gone"))
    loads = [gate, lambda: "a loaded"]
    cache = cache_of(10, {"a": 4}, loaders={"a": lambda: loads.pop(0)()}, **({} if known else {"sizes": None}))
    futures = run(*[lambda: held(cache, "a")] * 5)
    until(lambda: cache.stats.joined == 4)
    gate.go.set()
    assert {f.exception(WATCHDOG_S) for f in futures} == {gate.error}
    assert cache.used_bytes == 0 and cache.resident() == []
    assert held(cache, "a") == "a loaded" and cache.used_bytes == 4
    assert (cache.stats.failed_loads, cache.stats.loads) == (1, 1)


def test_a_stopped_leader_does_not_stop_the_waiters_with_it():
    gate = Gate(error=KeyboardInterrupt())
    cache = cache_of(10, {"a": 4}, loaders={"a": gate})
    futures = run(*[lambda: held(cache, "a")] * 3)
    until(lambda: cache.stats.joined == 2)
    gate.go.set()
    kinds = sorted(type(f.exception(WATCHDOG_S)).__name__ for f in futures)
    assert kinds == ["KeyboardInterrupt", "RuntimeError", "RuntimeError"]


def test_waiters_are_pinned_before_they_wake():
    """The model arrives for two waiters; a third thread that needs the room must not take it from under them."""
    gate = Gate("a loaded")
    cache = cache_of(4, {"a": 4, "b": 4}, loaders={"a": gate})
    inside, leave = threading.Barrier(3, timeout=WATCHDOG_S), threading.Event()

    def hold():
        with cache.acquire("a") as module:
            inside.wait()
            assert leave.wait(WATCHDOG_S)
            return module

    futures = run(hold, hold)
    until(lambda: cache.stats.joined == 1)
    gate.go.set()
    until(lambda: cache.resident() == ["a"])
    with pytest.raises(MemoryError, match="all resident models are pinned"):
        cache.preload("b")
    assert not cache.evict("a")
    inside.wait()
    leave.set()
    assert [f.result(WATCHDOG_S) for f in futures] == ["a loaded"] * 2
    cache.preload("b")
    assert cache.resident() == ["b"] and cache.stats.evictions == 1


def test_a_loader_may_ask_for_another_model_but_not_for_its_own():
    cache = cache_of(10, {"base": 4, "pipe": 4})
    cache._loaders["pipe"] = lambda: held(cache, "base") and "pipe loaded"
    assert held(cache, "pipe") == "pipe loaded" and set(cache.resident()) == {"base", "pipe"}
    cache._loaders["self"] = lambda: held(cache, "self")
    with pytest.raises(RuntimeError, match="itself"):
        cache.preload("self")
    assert set(cache.resident()) == {"base", "pipe"}


# --- budget and pins --------------------------------------------------------------------------------


def test_least_recently_used_goes_first_and_pins_protect():
    cache = cache_of(9, {"a": 4, "b": 3, "c": 2, "d": 5})
    for name in "abca":
        held(cache, name)
    with cache.acquire("b"):
        held(cache, "d")  # c is 2 bytes and not enough; b is pinned; so a goes too, though it was used last
        assert set(cache.resident()) == {"b", "d"}
    assert cache.stats.evictions == 2 and cache.used_bytes == 8 and cache.stats.peak_bytes == 9


def test_nothing_is_evicted_for_a_request_that_can_not_be_served():
    cache = cache_of(9, {"a": 4, "b": 3, "c": 8})
    held(cache, "b")
    with cache.acquire("a"), pytest.raises(MemoryError, match="pinned"):
        cache.preload("c")
    assert set(cache.resident()) == {"a", "b"} and cache.used_bytes == 7
    cache.preload("c")
    assert cache.resident() == ["c"]


def test_a_request_waits_for_a_pin_to_go():
    cache = cache_of(4, {"a": 4, "b": 4}, wait_s=WATCHDOG_S)
    with cache.acquire("a"):
        (future,) = run(lambda: held(cache, "b"))
        until(lambda: cache.stats.misses == 2)
        assert not future.done() and cache.resident() == ["a"]
    assert future.result(WATCHDOG_S) == "b loaded" and cache.resident() == ["b"]


@pytest.mark.parametrize("known", [True, False])
def test_larger_than_the_budget(known):
    loads = []
    cache = cache_of(4, {"a": 3, "big": 5}, loaders={"big": lambda: loads.append(1) or "big loaded"},
                     **({} if known else {"sizes": None}))
    held(cache, "a")
    for _ in range(2):
        with pytest.raises(ValueError, match="larger than the budget"):
            cache.preload("big")
        assert cache.resident() == ["a"] and cache.used_bytes == 3
    assert len(loads) == (0 if known else 1)  # a measured size is remembered


def test_unknown_sizes_are_measured_and_the_overshoot_is_told():
    cache = cache_of(5, {"a": 4, "b": 3}, sizes=None)
    held(cache, "a")
    held(cache, "b")
    assert cache.resident() == ["b"] and cache.stats.peak_bytes == 7
    held(cache, "a")  # now both sizes are known: room is made first
    assert cache.stats.peak_bytes == 7 and cache.used_bytes == 4


def test_a_failing_loader_costs_nothing_where_the_size_is_not_known():
    def fails():
        raise OSError("disk")

    for sizes, left in ((None, ["a"]), ({"b": 4}, [])):
        cache = cache_of(5, {"a": 4, "b": 4}, sizes=sizes, loaders={"b": fails})
        held(cache, "a")
        with pytest.raises(OSError, match="disk"):
            cache.preload("b")
        assert cache.resident() == left and cache.used_bytes == 4 * len(left)


def test_greedy_dual_size_keeps_what_is_slow_to_load():
    now = [0.0]
    seconds = {"slow": 9.0, "quick": 1.0, "new": 1.0}

    def loader(name):
        now[0] += seconds[name]
        return f"{name} loaded"

    sizes = dict.fromkeys(seconds, 4)
    loaders = {n: (lambda n=n: loader(n)) for n in seconds}
    for policy, kept in (("lru", {"quick", "new"}), ("gds", {"slow", "new"})):
        cache = cache_of(8, sizes, loaders=loaders, policy=policy, clock=lambda: now[0])
        for name in seconds:
            held(cache, name)
        assert set(cache.resident()) == kept and cache.stats.load_seconds == 11


def test_names_arguments_and_counters():
    cache = cache_of(9, {"a": 4})
    with pytest.raises(KeyError, match="'a'"):
        held(cache, "x")
    with pytest.raises(KeyError):
        cache.evict("x")
    assert not cache.evict("a")
    cache.preload("a")
    assert cache.evict("a") and cache.used_bytes == 0 and cache.stats.as_dict()["evictions"] == 0
    for bad, word in (({"budget_bytes": 0}, "budget_bytes"), ({"wait_s": -1}, "wait_s"), ({"policy": "belady"}, "policy")):
        with pytest.raises(ValueError, match=word):
            ModelCache(**{"budget_bytes": 9, "loaders": {}} | bad)
    with pytest.raises(OSError, match="inside"), cache.acquire("a"):
        raise OSError("inside")
    assert cache.evict("a"), "an error in the block must give the pin back"


@pytest.mark.parametrize("seed", range(4))
def test_nothing_breaks_under_load(seed):
    """Random requests of 6 threads with failing loaders and a tight budget: the books balance at every look."""
    sizes = {"a": 4, "b": 3, "c": 2, "d": 5}
    in_use, lock, gone = dict.fromkeys(sizes, 0), threading.Lock(), []
    cache = cache_of(9, sizes, wait_s=WATCHDOG_S)

    def loader(name, rng=np.random.default_rng(seed)):  # noqa: B008
        with lock:
            fails = rng.random() < 0.2
        if fails:
            raise OSError(name)
        return f"{name} loaded"

    cache._loaders = {n: (lambda n=n: loader(n)) for n in sizes}

    def work(number):
        failures = 0
        for name in np.random.default_rng(100 * seed + number).choice(list(sizes), 80).tolist():
            try:
                with cache.acquire(name) as module:
                    with lock:
                        in_use[name] += 1
                    if module != f"{name} loaded" or name not in cache.resident() or cache.used_bytes > 9:
                        gone.append(name)
                    with lock:
                        in_use[name] -= 1
            except OSError:
                failures += 1
        return failures

    failures = [f.result(WATCHDOG_S) for f in run(*[lambda k=k: work(k) for k in range(6)])]
    stats = cache.stats
    assert gone == [] and set(in_use.values()) == {0} and sum(failures) >= stats.failed_loads > 0
    assert stats.misses == stats.loads + stats.failed_loads and stats.hits + stats.misses + stats.joined == 480
    assert stats.loads - stats.evictions == len(cache.resident()) and stats.peak_bytes <= 9
    assert cache.used_bytes == sum(sizes[n] for n in cache.resident())
    assert all(cache.evict(n) for n in cache.resident()), "a pin was left behind"


def test_hammer_with_real_models(tmp_path):
    result = hammer(tmp_path, threads=8, requests=12, models=4, budget_models=4, width=16)
    assert result.stats.loads == result.distinct == 4 and result.wrong_answers == 0 and result.stats.evictions == 0
    tight = hammer(tmp_path, threads=8, requests=12, models=4, budget_models=2, width=16)
    assert tight.wrong_answers == 0 and tight.stats.evictions > 0 and tight.stats.peak_bytes <= tight.budget_bytes
    assert tight.as_dict()["requests"] == 96


# --- single flight ----------------------------------------------------------------------------------


class Key:
    """Equal to other keys of its label; tells when a lookup of another thread has found it."""

    found = 0

    def __init__(self, label):
        self.label = label

    def __hash__(self):
        return hash(self.label)

    def __eq__(self, other):
        Key.found += 1
        return self.label == other.label


@pytest.mark.parametrize("error", [None, ValueError("corrupt")])
def test_one_run_for_all(error):
    flight, gate, thing = SingleFlight(), Gate(error=error), object()
    gate.value, Key.found = thing, 0
    futures = run(*[lambda: flight.do(Key("m"), gate)] * 8)
    until(lambda: Key.found >= 7)
    gate.go.set()
    told = [f.exception(WATCHDOG_S) or f.result() for f in futures]
    assert all(t is (error or thing) for t in told) and gate.calls == 1
    assert flight.do(Key("m"), lambda: 5) == 5, "nothing is kept"


def test_keys_do_not_wait_for_each_other():
    both = threading.Barrier(2, timeout=WATCHDOG_S)
    flight = SingleFlight()
    assert {f.result(WATCHDOG_S) for f in run(*[lambda k=k: flight.do(k, both.wait) for k in (1, "1")])} == {0, 1}
    assert flight.do("outer", lambda: flight.do("inner", lambda: 3)) == 3
    with pytest.raises(RuntimeError, match="itself"):
        flight.do("m", lambda: flight.do("m", lambda: 3))
    assert flight.do("m", lambda: None) is None
