# %% [markdown]
# # 47 · How to cache AI models in memory, and what is gained?
# **如何将AI模型缓存到内存中，这么做有什么好处？**
#
# A service has forty models and memory for ten. Each customer has a detector of their own, or each picture style its own adapter.
# Whoever asks for a model that is not in memory waits for seconds; the others wait for milliseconds. Which ten do you keep, and how do you load the rest?
#
# About 90 minutes: 65 for the five exercises, the rest to read, measure and explain. It helps to know chapters 04 (GPU memory) and 44 (memory bandwidth).

# %% setup
import math
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
from torch import nn

# %% [markdown]
# ## The short answer
#
# > I keep one master copy of the weights in host memory, page-locked if there is a GPU: the system may not move it, so copies run at full rate. I treat GPU memory as a **cache with a budget in bytes**.
# > I store a state dict (names and tensors), never a pickled module, which may run code when it is read.
# > `torch.load(weights_only=True, mmap=True)` maps the file instead of reading it, and a module built on the meta device (shapes without memory) takes over its tensors.
# >
# > A request marks its model as in use while it runs (a **pin**), so nobody evicts it. A miss is loaded **once**, however many threads ask. A load that fails reaches all who wait, and is not kept.
# > Eviction drops the copy on the GPU. Nothing is copied back: inference does not change weights.
# >
# > Evicting the least recently used model is the baseline. GreedyDual-Size keeps what saves most load time per byte, and adapts when the favourites change. While they stay, evicting the least *frequently* used can be better.
# > An idle model is worth keeping for reload cost / holding cost seconds. A timeout of exactly that length never pays more than twice what one pays who knows the future.
# >
# > And I say what "cold" means when I report a load time: a new process, or also a file that the operating system has no copy of in its memory.

# %% [markdown]
# ## How it works
#
# ### The recipe from the document
#
# This course mirrors an interview document, its *source*. Its recipe loads a whole model from a file, moves it to the GPU for each request, and moves it back.
# Let us run its steps, on the CPU, with a small module:

# %%
folder = tempfile.TemporaryDirectory()
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8)).eval()
torch.save(model, Path(folder.name) / "WeThinkIn.pth")  # the whole module, as the recipe expects it


def unload_model_from_gpu(model: nn.Module) -> None:
    model.to("cpu")  # the recipe's function: it ends here, and returns nothing


steps = {"model = torch.load('WeThinkIn.pth')": lambda: torch.load(Path(folder.name) / "WeThinkIn.pth", map_location="cpu"),
         "model.device": lambda: model.device,
         "model = unload_model_from_gpu(model)": lambda: unload_model_from_gpu(model)}
for name, step in steps.items():
    try:
        print(f"{name:38} gives {step()}")
    except Exception as error:
        print(f"{name:38} raises {type(error).__name__}: {str(error).splitlines()[0][:60]}")

# %% [markdown]
# Two of the three steps raise, and the third returns None. Since torch 2.6 `torch.load` reads tensors and plain containers only (`weights_only=True`): a pickled module may run any code when it is read.
# A module has no `device`. And after the last step the recipe's `model` is None, so the second request fails.
#
# ### What to save, and three ways to load it
#
# Save the **state dict**: names and tensors. The module itself is built in code.
# (safetensors, a file format of Hugging Face, holds the same and nothing else. It is not needed here.)

# %%
from utils.serving.model_cache import load_model, save_weights


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))


path = Path(folder.name) / "weights.pt"
save_weights(model, path)
x = torch.ones(1, 64)
for mode in ("plain", "mmap", "meta"):
    print(f"{mode:5}  same outputs, bit for bit: {torch.equal(load_model(build, path, mode)(x), model(x))}")

# %% [markdown]
# | mode | the file | the module | copies of the weights in memory while loading |
# |---|---|---|---|
# | plain | is read into new memory | is built with random weights, which are overwritten | two, one of them given up at the end |
# | mmap | is *mapped*: its bytes appear as memory and are read when touched | as above | one, and pages of the file |
# | meta | is mapped | is built on the **meta device**, where tensors have a shape and no memory; then it takes over the mapped tensors (`assign=True`) | none: pages of the file |
#
# The third way hardly does anything. Random weights are not drawn, nothing is copied, and not even the file is read: that happens when the first inference touches a page.
# It has a limit. A tensor that the file does not hold, a non-persistent buffer say, stays without memory. `load_model` refuses such a module.
#
# ### Two kinds of cold
#
# After a file has been read, the operating system keeps its bytes in memory that nobody else needs: the **page cache**. A second "load from disk" reads no disk.
# So a load can be cold for the process (the model is not built) and warm for the system. Benchmarks rarely say which they mean.
#
# On Linux two calls make the difference visible. `posix_fadvise` with `DONTNEED` asks the kernel to drop a file's pages, and `mincore` tells which pages are there.

# %%
from utils.serving.model_cache import cached_share, drop_from_page_cache, read_into_page_cache


def told(share: float | None) -> str:
    return "not told by this system" if share is None else f"{share:.0%} of the file is in the page cache"


print("written just now:", told(cached_share(path)))
print("dropped:         ", told(cached_share(path)) if drop_from_page_cache(path) else "this system or file system does not drop it")
read_into_page_cache(path)
print("read:            ", told(cached_share(path)))

# %% [markdown]
# Pages that were not written to the disk yet, or that a living module has mapped, stay. And this is one kernel's page cache: the host of a virtual machine, or the disk itself, may still hold the bytes.
# You will measure both kinds below.
#
# ### What a model occupies
#
# A budget in bytes needs the bytes of each model. They belong to its **storages**: the blocks of memory behind the tensors. Tied weights are two names for one storage, and a slice keeps its whole storage alive.
# `tensor.untyped_storage()` gives the storage, and its `nbytes()` the bytes. Tensors that share memory give one and the same storage object:

# %%
from utils.serving.model_cache import module_bytes, module_device

embed, head = nn.Embedding(1000, 64), nn.Linear(64, 1000, bias=False)
untied = module_bytes(nn.Sequential(embed, head))
head.weight = embed.weight
print(f"embedding and output layer: {untied:,} bytes; tied: {module_bytes(nn.Sequential(embed, head)):,} bytes")
first = embed.weight[0]
print(f"a row of it has {first.nbytes} bytes, its storage {first.untyped_storage().nbytes():,}; shared: {first.untyped_storage() is head.weight.untyped_storage()}")
print(f"BatchNorm1d(64), with its buffers: {module_bytes(nn.BatchNorm1d(64)):,} bytes, on {module_device(nn.BatchNorm1d(64))}")

# %% [markdown]
# ### The price of a swap
#
# 7 billion parameters in FP16 are 14 GB. Assume 25 GB/s to the GPU (PCIe 4.0 with 16 lanes has 31.5 GB/s on paper), and 6 GB/s from a fast NVMe disk:

# %%
from utils.widgets.ch47_caching_models_in_memory import swap_table

swap_table(14e9, gpu_gb_s=25, disk_gb_s=6)

# %% [markdown]
# The recipe pays "in and back out" from host memory at every request, 1.12 s: it copies in, and it copies back what has not changed.
# With a master copy in the host's memory eviction is free: forget the copy on the GPU. (Its blocks go back to PyTorch's allocator, which gives them to the next model. `empty_cache()` would hand them on to the driver, for other programs.)
#
# `PinnedMaster` holds such a copy. With a GPU it lies in **pinned** memory, pages that the system may not move, from which the copy runs at the full rate of the link. (A request's pin, below, is something else.) Here the "device" is the CPU:

# %%
from utils.serving.model_cache import PinnedMaster

master = PinnedMaster(model)
copied = master.to_device("cpu")
with torch.no_grad():
    copied[0].weight.zero_()  # whatever happens to the copy
print("the master still answers as before:", torch.equal(master.module(x), model(x)), "· pinned here:", master.pinned)

# %% [markdown]
# ### A budget in bytes
#
# Four models A, B, C, D have 4, 3, 2 and 5 GB, and there are 9 GB. Requests come for A B C A D A B. Least recently used (**LRU**) evicts the model whose last use is longest ago, until there is room:

# %%
from utils.serving.model_cache import cache_timeline

gb = {"A": 4, "B": 3, "C": 2, "D": 5}
for step in cache_timeline("ABCADAB", gb, gb, 9, "lru"):
    print(f"{step.name}: {'hit ' if step.hit else 'load'}  evicts {' '.join(step.evicted) or '-':4} in memory {' '.join(step.resident)}")

# %% [markdown]
# D needs 5 GB, so two models have to go: B and C, although A is larger. The hit just before has made A the most recent.
#
# ### Whom to evict
#
# Now A and D are large (3 GB), B and C small (1 GB). Each costs 3 s to load, because the small ones are compiled first. There are 5 GB:

# %%
from utils.widgets.ch47_caching_models_in_memory import policy_costs

policy_costs("BCADBCADBCAD", {"A": 3, "B": 1, "C": 1, "D": 3}, {"A": 3, "B": 3, "C": 3, "D": 3}, 5)

# %% [markdown]
# LRU evicts B, C and A whenever D comes, and never hits. But A and D save 1 s for each GB that they occupy, and B and C save 3.
#
# **LFU** evicts the least *frequently* used, by the number of uses so far. Here all four are used equally often, and it does no better than LRU.
# **GreedyDual-Size** gives each model a value at every use, and evicts the smallest value:
#
# $$H = L + \frac{\text{cost}}{\text{size}}$$
#
# L starts at 0. After an eviction it is the H of the victim. So the value of a model that is not used falls behind the others, however precious it was: it grows old.
# Here A and D evict each other, and B and C stay.
#
# **Belady**'s rule evicts the model whose next use is farthest away. It has to know the future, so it is no policy but a yardstick: where all sizes and costs are equal, nobody has more hits. (Here they are not, and it pays more than GreedyDual-Size.)
#
# ### Many threads
#
# A server has many threads, and three things go wrong without care:
#
# 1. Eight requests miss at once, and the model is loaded eight times. Memory for eight copies is not there.
# 2. One thread evicts the model while another is in its forward pass.
# 3. A load fails, and those who wait for it hang, or get None.
#
# `ModelCache` answers with one load for all who ask (**single flight**), with **pins** (a count of the requests that use a model now), and by passing the exception on to all who wait.

# %%
from concurrent.futures import ThreadPoolExecutor

from utils.serving.model_cache import ModelCache

loads, eight = [], threading.Barrier(8)


def load_detector() -> nn.Module:
    loads.append("detector")
    return load_model(build, path, "meta")


cache = ModelCache(40_000, {"detector": load_detector})


def request() -> int:
    eight.wait(10)  # all eight begin together
    with cache.acquire("detector") as m:
        m(x)
        return id(m)


with ThreadPoolExecutor(8) as pool:
    seen = {f.result() for f in [pool.submit(request) for _ in range(8)]}
print(f"8 requests, {len(loads)} load, {len(seen)} module · {cache.used_bytes:,} of {cache.budget_bytes:,} bytes")

# %% [markdown]
# What it refuses is as important. A model in use is never evicted, a failure is not kept, and a model that can't fit is not loaded at all.
# A request that finds no room because all others are pinned waits for `wait_s` seconds, 0 by default, and then fails with `MemoryError`:

# %%
attempts = []


def flaky() -> nn.Module:
    attempts.append(1)
    if len(attempts) == 1:
        raise OSError("the network drive is gone")
    return build()


def outcome(name: str) -> str:
    try:
        cache.preload(name)
        return f"loaded, in memory {cache.resident()}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:64]}"


nbytes = module_bytes(model)
cache = ModelCache(nbytes + 1000, {"a": build, "b": build, "flaky": flaky, "huge": build}, sizes={"a": nbytes, "b": nbytes, "huge": 10**9})
with cache.acquire("a"):
    print("b while a is in use: ", outcome("b"))
print("b a moment later:    ", outcome("b"))
print("flaky, first time:   ", outcome("flaky"), "· in memory", cache.resident())
print("flaky, second time:  ", outcome("flaky"))
print("huge:                ", outcome("huge"))

# %% [markdown]
# One decision is hidden in there: make room before the load, or after it?
# If the size is known beforehand, `ModelCache` makes room first, and the budget holds at every moment. A loader that fails has cost the models that had to go.
# If the size is not known, it loads first, measures, and evicts then. A failing loader costs nothing, and for a moment both are in memory. (Above, "flaky" had no size, and b survived its failure.)
# On a full GPU only the first way works.
#
# ### How long to keep an idle model
#
# Memory has a price too: another model could use it. Let holding cost 1 per second, and a reload 5. Requests come with gaps of 1, 2, 30, 0.5 and 8 s. You drop the model after 5 idle seconds:

# %%
from utils.widgets.ch47_caching_models_in_memory import gaps_picture

gaps_picture()

# %% [markdown]
# Which timeout would have been best? 2 s, for a cost of 17.5: held for 7.5 s, and two reloads. But that depends on gaps which you don't know beforehand.
# Who knows them needs no timeout. For each gap it takes the cheaper of two: hold the model through it, or drop it at once. This **optimum** is 1 + 2 + 5 + 0.5 + 5 = 13.5.
#
# Not to know is the **ski-rental problem**: rent skis day by day, or buy them?
#
# Rent until you have paid the price of a pair, then buy. If the holiday ends before, you did what was best. If it goes on, you paid twice the price, and the best was to pay it once.
# Here: keep the model for reload cost / holding cost seconds, the **break-even**. The result is never more than twice the optimum, whatever the gaps are.

# %%
from utils.serving.model_cache import break_even_seconds, offline_optimum, timeout_curve

gaps, even = [1, 2, 30, 0.5, 8], break_even_seconds(5, 1)
best, timeouts = offline_optimum(gaps, 1, 5), (0, 2, even, math.inf)
for timeout, cost in zip(timeouts, timeout_curve(gaps, 1, 5, timeouts)):
    print(f"timeout {timeout:3g} s: {cost:4}, {cost / best:.2f} times the optimum of {best}")

# %% [markdown]
# ## See it
#
# ![Left: which of 12 models an LRU cache of 20 GB holds during 80 requests; bars end when a model is evicted and begin with a load. Right: seconds spent loading over 400 requests: 2,804 without a cache, 1,559 with LRU, 1,495 with GreedyDual-Size, 1,456 with LFU, 1,095 for Belady, who knows the future.](figure.svg)
#
# The picture is simulated: 12 models of 50 GB together, 20 GB of memory, 400 requests whose popularity follows Zipf's law (the k-th model is asked for in proportion to 1/k^0.9).
# Without a cache 2,804 s are spent loading. LRU leaves 1,559 s, GreedyDual-Size 1,495 s, LFU 1,456 s, and Belady, who knows the future, 1,095 s.
#
# **Cache simulator.** Let the favourites change halfway: LFU still keeps yesterday's favourites, and GreedyDual-Size wins. Choose "cost follows size": each GB saves the same then, GreedyDual-Size has nothing to tell models by, and falls behind LRU.
# Set the exponent to 0 with models that are all alike: every model is equally likely, and 4 of the 12 fit. LRU, LFU and GreedyDual-Size all hit about one request in three.

# %% figure
from utils.widgets.ch47_caching_models_in_memory import cache_explorer

cache_explorer()

# %% [markdown]
# **Keep-alive.** The cost of a request against the timeout. With bursts a timeout of 6 s is nearly optimal, and the break-even of 60 s costs 1.59 times the optimum.
# With gaps like a clock, a second longer than the timeout, it costs twice: the worst case exists.

# %% figure
from utils.widgets.ch47_caching_models_in_memory import timeout_explorer

timeout_explorer()

# %% [markdown]
# **Weights that leave when nobody asks, simulated.** A request every 20 s on average to Llama-3-8B on an L4. The weights leave the GPU after 10 s without work, and loading them again takes 8 s (16 GB at 2 GB/s). Step times are roofline bounds, a real server is slower.

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("47")

# %% [markdown]
# What to notice: 18 loads for 40 requests, and the median first token comes after 7.6 s. With 30 s it is 7 loads and 58 ms, but still 8.1 s at the 99th percentile: those who meet the cold start pay all of it.

# %% [markdown]
# ## Exercises
#
# The set-up cell has `OrderedDict`, `math`, `threading`, `Future` (of `concurrent.futures`), `torch` and `nn`. Import what else you need inside the cell of your answer.

# %% [markdown] about="module_footprint"
# How many bytes does a module hold, and where?
#
# - `m` is an `nn.Module`. Count the parameters and buffers of the module and of all modules inside it.
# - Count *storages*: each distinct storage once, with its full size in bytes. So tied weights count once, a slice counts with the whole storage behind it, and two slices of one storage count it once.
# - This must also hold on the meta device, where tensors have no memory. A storage counts with the bytes that it would have (`untyped_storage().nbytes()` tells them), and every `data_ptr()` is 0: it tells nothing apart.
# - Buffers count whether they are persistent or not, and parameters whether they are frozen or not. Gradients don't count, nor do tensors in plain attributes or lists.
# - Return a tuple: the bytes (an int), and the name of the device, `str(tensor.device)`.
# - Raise `ValueError` when there is neither parameter nor buffer, and when they (buffers included) lie on more than one device.
#
# For example `nn.Linear(1024, 1024)` in float32 → `(4198400, 'cpu')`: 1,049,600 values of 4 bytes.
# An embedding of 100 × 16 and an output layer that shares its weight → `(6400, 'cpu')`.

# %% exercise="module_footprint"
def module_footprint(m: nn.Module) -> tuple[int, str]:
    """Bytes that a module's parameters and buffers hold, each storage once, and the name of their device."""
    ### BEGIN SOLUTION
    tensors = [*m.parameters(), *m.buffers()]
    devices = {str(t.device) for t in tensors}
    if len(devices) != 1:
        raise ValueError("the module must have tensors, all on one device")
    return sum(storage.nbytes() for storage in {t.untyped_storage() for t in tensors}), devices.pop()
    ### END SOLUTION

# %% check="module_footprint"
check("47.module_footprint", module_footprint)

# %% [markdown] about="LRUBytesCache"
# Write a cache with a budget in bytes, for one thread.
#
# - `LRUBytesCache(budget, loaders, sizes)`: `budget` is in bytes. `loaders` is a dict from names to functions without arguments that return an object. `sizes` is a dict from the same names to bytes, positive ints.
# - `get(name)` returns the object. If it is resident, that is a *hit*, and its loader is not called. Otherwise it is a *miss*: call the loader, evict the least recently used until the new one fits (sizes may add up to the budget exactly), and keep it.
# - The object may be anything, also None, 0 or an empty list.
# - `resident()` returns a list of the names that are held, from least to most recently used. Hits and loads are uses.
# - Attributes: `hits` and `misses` (ints), and `evicted`, a list of all the names that were evicted, in order.
# - Three kinds of failure. An unknown name: `KeyError`. A size above the budget: `ValueError`, and the loader is not called. A loader that raises: its exception is passed on. In all three cases nothing changes: contents, order, counters, `evicted`.
#
# For example sizes A 4, B 3, C 2, D 5, a budget of 9 and requests A B C A D A B: `hits` 2, `evicted` `['B', 'C', 'D']`, `resident()` `['A', 'B']`.
# With A 4, B 3, a budget of 7 and a loader of B that raises `OSError` the first time, requests A B B A: the first `get('B')` raises, and at the end `hits` is 1, `misses` 2, `resident()` `['B', 'A']`.

# %% exercise="LRUBytesCache"
class LRUBytesCache:
    """Loaded objects by name, the least recently used evicted when their sizes would exceed the budget (bytes)."""

    def __init__(self, budget: int, loaders: dict[str, Callable[[], Any]], sizes: dict[str, int]) -> None:
        ### BEGIN SOLUTION
        self.budget, self.loaders, self.sizes = budget, loaders, sizes
        self.hits = self.misses = 0
        self.evicted: list[str] = []
        self._held: OrderedDict[str, Any] = OrderedDict()  # least recently used first
        ### END SOLUTION

    def get(self, name: str) -> Any:
        """The object called `name`, loaded if it is not resident."""
        ### BEGIN SOLUTION
        if name in self._held:
            self.hits += 1
            self._held.move_to_end(name)
            return self._held[name]
        if self.sizes[name] > self.budget:
            raise ValueError("larger than the budget")
        loaded = self.loaders[name]()
        self.misses += 1
        while self.sizes[name] + sum(self.sizes[held] for held in self._held) > self.budget:
            self.evicted.append(self._held.popitem(last=False)[0])
        self._held[name] = loaded
        return loaded
        ### END SOLUTION

    def resident(self) -> list[str]:
        """Names of what is held, from least to most recently used."""
        ### BEGIN SOLUTION
        return list(self._held)
        ### END SOLUTION

# %% check="LRUBytesCache"
check("47.LRUBytesCache", LRUBytesCache)

# %% [markdown] about="SingleFlight"
# Let many threads share one run.
#
# - `SingleFlight()` has one method, `do(key, fn)`. `fn` is a function without arguments. `key` is any hashable object; keys are the same when they are equal (`==`), as in a dict.
# - While `fn` runs for a key, further calls with an equal key do not run theirs. They wait, and return what the running one returns: the same object, also if it is None or false.
# - When `fn` raises an `Exception`, that exception is raised in the call that ran it and in all calls that waited for it. (`KeyboardInterrupt` and `SystemExit` are not asked about.)
# - Calls with different keys do not wait for each other: their functions may run at the same time. A function may itself call `do` with another key. (It never calls `do` with its own.)
# - Nothing is kept. A call that begins after the call that ran `fn` has returned or raised runs its own `fn`.
#
# For example, when eight threads call `do("m", slow)` at once, `slow` runs once, and all eight get the same object.
# When four threads call and the function raises `ValueError`, all four get that error. A call after that runs again.
# Two threads with the keys "a" and "b" run at the same time.
#
# The check starts threads and holds them up where races hide. An answer that gets stuck is given up after seconds. The first check of a wrong answer takes longest: about ten seconds.

# %% exercise="SingleFlight"
class SingleFlight:
    """Runs a function once for all the calls that come with the same key while it is running."""

    def __init__(self) -> None:
        ### BEGIN SOLUTION
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Future] = {}
        ### END SOLUTION

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        """The result of `fn()`, or of the run that another call with an equal key has begun and not ended."""
        ### BEGIN SOLUTION
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if leads:
                flight = self._flights[key] = Future()
        if leads:
            try:
                result, error = fn(), None
            except Exception as caught:
                result, error = None, caught
            with self._lock:
                del self._flights[key]
            if error is None:
                flight.set_result(result)
            else:
                flight.set_exception(error)
        return flight.result()
        ### END SOLUTION

# %% check="SingleFlight"
check("47.SingleFlight", SingleFlight)

# %% [markdown] about="keep_alive_cost"
# What does a timeout cost?
#
# - `gaps` is a list of times between one request and the next, in seconds, 0 or more. It may be empty. `timeout` is in seconds; it may be 0 or `math.inf`.
# - In a gap g the model is held for min(g, timeout) seconds, at `hold_cost` for each second. If g is longer than `timeout` (not equal), it was dropped, and has to be reloaded for `reload_cost`.
# - Return the sum over all gaps. No gaps cost 0. The first load, and the time after the last request, are not counted.
# - Raise `ValueError` when a gap, `timeout`, `hold_cost` or `reload_cost` is negative.
#
# For example gaps of 1, 2, 30, 0.5 and 8 s with holding 1 and reload 5: timeout 0 → 25, timeout 5 → 23.5, `math.inf` → 41.5.

# %% exercise="keep_alive_cost"
def keep_alive_cost(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    """Cost of dropping a model after `timeout` idle seconds, over the gaps (s) between its requests."""
    ### BEGIN SOLUTION
    if min([timeout, hold_cost, reload_cost, *gaps]) < 0:
        raise ValueError("gaps, timeout and costs must not be negative")
    return sum(min(g, timeout) * hold_cost + (reload_cost if g > timeout else 0) for g in gaps)
    ### END SOLUTION

# %% check="keep_alive_cost"
check("47.keep_alive_cost", keep_alive_cost)

# %% [markdown] about="gds_load_cost"
# Replay a trace under GreedyDual-Size.
#
# - `trace` is a list of names (strings), which may be empty. `size` and `cost` are dicts from names to positive numbers. `capacity` is 0 or more, in the unit of the sizes. The cache is empty at the start, and L is 0.
# - A request for a resident is a hit: it costs nothing, and sets H = L + cost / size of that name, with the L of this moment.
# - Any other request costs `cost[name]`. If its size is above `capacity`, it is not cached, and nothing is evicted.
# - Otherwise make room: while the sizes of the residents and the new one exceed `capacity`, evict the resident with the smallest H (of equals the smallest name), and set L to its H. Then the new one comes in with H = L + cost / size.
# - Return the sum of the costs of all loads.
#
# For example trace B C A B C A B C A D B C with sizes A 4, B 1, C 1, D 1, costs A 4, B 3, C 3, D 1 and capacity 5 → 34.
# Trace A B A B C A with all sizes 2, costs A 6, B 2, C 4 and capacity 4 → 12.
#
# Sizes in the checks are 1, 2 or 4 and costs are whole, so every H is exact.

# %% exercise="gds_load_cost"
def gds_load_cost(trace: list[str], size: dict[str, float], cost: dict[str, float], capacity: float) -> float:
    """Total cost of the loads that a trace needs under GreedyDual-Size."""
    ### BEGIN SOLUTION
    h: dict[str, float] = {}
    L = total = 0.0
    for name in trace:
        if name not in h:
            total += cost[name]
            if size[name] > capacity:
                continue
            while sum(size[n] for n in h) + size[name] > capacity:
                L, victim = min((value, n) for n, value in h.items())
                del h[victim]
        h[name] = L + cost[name] / size[name]
    return total
    ### END SOLUTION

# %% check="gds_load_cost"
check("47.gds_load_cost", gds_load_cost)

# %% [markdown]
# ## Measure it
#
# A network of six layers of 1,024 × 1,024, 25 MB in float32, on one thread. It is loaded in all three modes, with its file in the page cache ("warm") and dropped from it ("cold"), in turns, five times each.
# Before you run it: which part of a plain load takes longest, reading the file or building the module? And how much of the file has a mapped load read when it returns?

# %% experiment
from utils.serving.model_cache import load_bench
from utils.widgets.ch47_caching_models_in_memory import load_picture, load_table

with tempfile.TemporaryDirectory() as scratch:
    bench = load_bench(scratch, repeats=5)
load_table(bench)

# %% experiment
load_picture(bench)

# %% [markdown]
# What to look for:
#
# - In a plain load the *build* is the largest part on most machines: millions of random numbers are drawn, and overwritten a moment later. The disk is not the bottleneck here.
# - meta with a warm page cache is the quickest: nothing is drawn, read or copied.
# - meta with a cold page cache returns after a few milliseconds too. But only a small share of the file has been read (column "after load"). The disk is read during the first inference, which takes several times as long as the next one.
#   A health check that asks "is it loaded?" would have said yes. Run one inference before you call a model ready.
# - A plain load costs many inferences, and the cache saves it.
#
# "Cold" here means cold for this kernel's page cache. A virtual machine's host, or the memory of the disk, may have answered all the same, so a disk that is cold in every sense is slower. Where a system can't drop the file, there are no cold rows.
#
# Now 3,000 simulated requests for 30 models of 1 to 8 GB, with load costs between 0.2 and 11.6 s, and 40 GB of memory. The second column lets the favourites change halfway:

# %% experiment
from utils.serving.model_cache import replay_bench
from utils.widgets.ch47_caching_models_in_memory import replay_table

replayed = replay_bench()
assert replayed.cost_s["gds"] < replayed.cost_s["lru"] < replayed.cost_s["no cache"]
assert replayed.unit["belady"].hits >= replayed.unit["lru"].hits  # a theorem for models of equal size
print(f"equal models, room for 10 of 30: LRU {replayed.unit['lru'].hits:,} hits, Belady {replayed.unit['belady'].hits:,} of {replayed.requests:,}")
replay_table(replayed)

# %% [markdown]
# As long as the favourites stay, counting uses is the best of the three: LFU. When they change, its old counts are in the way, and GreedyDual-Size is the best. LRU is behind in both, because it does not look at sizes and costs.
#
# Last, eight threads hammer one cache: 320 requests for six models from files, all answers compared with the right ones. Once there is room for all six, once for three.

# %% experiment
from utils.serving.model_cache import hammer
from utils.widgets.ch47_caching_models_in_memory import hammer_table

with tempfile.TemporaryDirectory() as scratch:
    hammered = {"all six models": hammer(scratch), "three models": hammer(scratch, budget_models=3)}
roomy = hammered["all six models"]
assert roomy.stats.loads == roomy.distinct and roomy.stats.evictions == 0
assert all(h.wrong_answers == 0 and h.stats.peak_bytes <= h.budget_bytes for h in hammered.values())
hammer_table(hammered)

# %% [markdown]
# With room for all, each model is loaded once, whatever the threads do; "joined" counts the requests that waited for a load of somebody else. With room for three, models come and go, the budget is kept, and no answer is wrong: nobody lost a model in use. A request that found all three in use waited until one was let go (`wait_s` is 60 s here).
#
# On a machine with a GPU the next cell measures the link, from ordinary memory (*pageable*: the system may move its pages) and from pinned memory. Without one it prints a sentence.

# %% experiment
from utils.widgets.ch47_caching_models_in_memory import gpu_copies

gpu_copies()

# %% [markdown]
# ## What the source says
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | caching avoids repeated load time | holds | measured above: a plain load takes as long as many inferences, even when the file is in the page cache |
# | 2 | `torch.load('WeThinkIn.pth')` returns a model | wrong since torch 2.6 | `weights_only` is True by default, and a pickled module raises UnpicklingError (shown above). With False, reading the file may run any code. Save a state dict |
# | 3 | `input_data.to(model.device)` | wrong | a module has no `.device`: AttributeError (shown above). Use the device of a parameter, or keep it in the cache's entry |
# | 4 | `model = unload_model_from_gpu(model)` | wrong | the function returns nothing: `model` is None, and the next request fails |
# | 5 | `model.to(device)`, then `return model` | holds | `Module.to` works in place and returns the module. A *tensor's* `.to` returns another tensor: a common confusion |
# | 6 | moving the model back frees GPU memory | depends | the weights' blocks become free, when nobody refers to them any more. Input and output stay on the GPU in the source's flow |
# | 7 | `empty_cache()` clears the CUDA cache to free resources | imprecise | it returns unoccupied memory to the driver, for other programs. PyTorch itself gets no more memory, and later allocations have to ask the driver again |
# | 8 | move it back by `.to('cpu')` | wasteful | copies what has not changed: 0.56 s for 14 GB at 25 GB/s. With a master copy in the host's memory, dropping is enough |
# | 9 | this uses GPU memory best and keeps performance | wrong as stated | a swap at each request adds 1.12 s for 14 GB (in and back out), or 2.89 s where it comes from a fast disk and is dropped after use. It pays only for models that are asked for rarely |
# | 10 | several tasks: allocate sensibly | missing | locks, pins and single flight: a second thread may move the model during the first one's forward pass |
# | 11 | `torch.no_grad()` for inference | holds | `torch.inference_mode()` saves a little more, and is stricter: its tensors can't be used in autograd later |
#
# Row 9 in numbers. How rare must requests be, so that dropping is right? Let a GPU cost 2 per hour; the model occupies 14 of 80 GB, and a waiting user is worth 0.001 per second (made-up prices):

# %%
from utils.serving.model_cache import break_even_seconds, swap_seconds

hold_per_s = 2 / 3600 * 14 / 80
to_gpu, from_disk = swap_seconds(14e9, 25), swap_seconds(14e9, 6)
for name, seconds in (("host memory", to_gpu), ("disk", from_disk + to_gpu)):
    reload_cost = 0.001 * seconds
    print(f"row 9: from {name}: a reload costs {reload_cost:.5f}, keep the model for {break_even_seconds(reload_cost, hold_per_s):.0f} s after a request")

# %% [markdown]
# ## Explain it
#
# A colleague shows a benchmark: "I load the model in 5 ms with mmap, so we need no cache. We load it for every request." The service has 20 models of 14 GB, a GPU with 80 GB and a host with 512 GB of memory. Answer in five or six sentences.
#
# A good answer names:
# 1. what the 5 ms contain, and what they do not;
# 2. what "cold" would have to mean in this benchmark, and how to make it so;
# 3. what still happens at each request on the way to the GPU, with a number;
# 4. what you would keep where, and what is evicted when;
# 5. what many threads need.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Mapping a file reads nothing: the 5 ms open it and build a module without memory, and the weights are read at the first inference.
# The file was probably in the page cache as well. I would drop it from there (or reboot), and time until the first answer, not until the call returns.
# Even then each request copies 14 GB to the GPU: 0.56 s at 25 GB/s.
# All 20 models are 280 GB, so I keep a master copy of each in pinned host memory, and a cache of up to five on the GPU, with a byte budget that leaves room for activations.
# Evicting drops the GPU copy and copies nothing back. If load costs and sizes differ I use GreedyDual-Size, else LRU.
# Requests pin their model, a miss is loaded once however many ask, and a failed load reaches everyone who waits and is not kept.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("47")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | cold start, warm start | 冷启动 / 热启动 | the model has to be loaded first / is in memory |
# | page cache | 页缓存 | memory in which the operating system keeps parts of files |
# | state dict | 权重字典 | names and tensors of a module, no code |
# | pickle safety | 反序列化安全 | reading a pickle may run code; tensors alone do not |
# | memory-mapped file | 内存映射 | a file whose bytes appear as memory and are read when touched |
# | meta device | 元设备 | tensors with a shape and no memory |
# | storage | 存储块 | the block of memory behind one or several tensors |
# | pinned memory | 锁页内存 | host memory that may not be moved; copies to the GPU are fast |
# | PCIe | 外设总线 | the link between host and GPU |
# | eviction | 淘汰 | dropping a model from memory to make room |
# | LRU, LFU | 最近最少使用 / 最不经常使用 | evict by the last use / by the number of uses |
# | GreedyDual-Size | 贪心对偶 | evict the smallest L + cost / size |
# | pin, reference count | 固定 / 引用计数 | a mark that a model is in use and must stay |
# | single flight | 合并并发加载 | one load for all who ask at the same time |
# | ski-rental problem | 租滑雪板问题 | rent or buy, without knowing for how long |

# %% [markdown]
# ## Sources
#
# - PyTorch documentation: `torch.load`, `torch.cuda.memory.empty_cache`, `torch.inference_mode`, `torch.nn.Module.to`.
# - PyTorch Developer Mailing List, *torch.load is being flipped to use weights_only=True by default in the nightlies after #137602*: versions 2.6 and later.
# - Linux manual pages `posix_fadvise(2)` and `mincore(2)`.
# - P. Cao and S. Irani, *Cost-Aware WWW Proxy Caching Algorithms*, USENIX Symposium on Internet Technologies and Systems, 1997: GreedyDual-Size.
# - L. A. Belady, *A Study of Replacement Algorithms for a Virtual-Storage Computer*, IBM Systems Journal 5, 1966.
# - A. R. Karlin, M. S. Manasse, L. Rudolph and D. D. Sleator, *Competitive Snoopy Caching*, Algorithmica 3, 1988: the factor of two.
# - Hugging Face, safetensors README.
