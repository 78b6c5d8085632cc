"""Drill questions of chapter 47: caching models in memory."""

from __future__ import annotations

from collections import OrderedDict

from ..question import Choice, Numeric, Open

BYTES = {"FP32": 4, "FP16": 2, "INT8": 1}


def _draw_swap(rng):
    v = {"b": int(rng.choice([3, 7, 8, 13, 70])), "dtype": str(rng.choice(list(BYTES))), "link": int(rng.choice([6, 12, 25, 50]))}
    return v | {"item": BYTES[v["dtype"]]}


def _swap(v, item_bytes=None):
    return v["b"] * (item_bytes or BYTES[v["dtype"]]) / v["link"]


def _draw_even(rng):
    hold = int(rng.choice([2, 4, 5, 8]))
    return {"hold": hold, "reload": hold * int(rng.integers(2, 30)), "gap": int(rng.integers(2, 90))}


def _draw_trace(rng):
    """A trace on which one place less gives other hits."""
    while True:
        v = {"trace": " ".join(rng.choice(list("ABCD"), 8, p=[0.35, 0.3, 0.2, 0.15])), "k": int(rng.integers(2, 4))}
        if _hits(v, capacity=v["k"] - 1) < _hits(v):
            return v


def _hits(v, refresh=True, capacity=0):
    held: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for name in v["trace"].split():
        if name in held:
            hits += 1
            if refresh:
                held.move_to_end(name)
            continue
        if len(held) == (capacity or v["k"]):
            held.popitem(last=False)
        held[name] = None
    return hits


def _draw_share(rng):
    return {"load": int(rng.choice([2, 3, 4, 6, 8])), "ms": int(rng.choice([20, 40, 50, 80, 100])), "hit": int(rng.choice([80, 90, 95, 98]))}


def _mean_ms(v):
    return v["ms"] + (100 - v["hit"]) * 10 * v["load"]


QUESTIONS = [
    Numeric(
        "47.swap_time", 1, "A model of {b} billion parameters in {dtype} lies in host memory. The link to the GPU moves {link} GB/s (1e9 bytes). How long "
        "does it take to bring it in, in seconds?",
        _draw_swap, _swap,
        "{b}e9 parameters × {item} B, over {link}e9 B/s: {answer} s. Nothing has to be copied back: inference changes no weights.",
        unit="s", rtol=0.01,
        traps=((lambda v: 2 * _swap(v), "That copies the old model back as well. Its host copy is still there."),
               (lambda v: v["b"] / v["link"], "That is one byte a parameter."),
               (lambda v: 8 * _swap(v), "The link is given in bytes per second, not in bits."))),
    Numeric(
        "47.break_even", 2, "Holding a model in memory costs {hold} cents an hour. Reloading it, with the work that waits, costs {reload} cents. After "
        "how many idle hours has holding cost as much as a reload?",
        _draw_even, lambda v: v["reload"] / v["hold"],
        "reload / holding = {reload} / {hold} = {answer} hours. A timeout of this length never pays more than twice the optimum.",
        unit="hours",
        traps=((lambda v: v["hold"] / v["reload"], "That is the quotient the wrong way round."),
               (lambda v: v["reload"] * v["hold"], "Divide: how many hours of holding does a reload buy?"))),
    Numeric(
        "47.lru_hits", 2, "Room for {k} models of equal size, least recently used goes first, empty at the start. Requests: {trace}. How many hits?",
        _draw_trace, _hits,
        "Keep a list of {k} names, the last used at its end, and drop from the front. Hits: {answer}.",
        traps=((lambda v: _hits(v, refresh=False), "That is first in, first out: a hit has to refresh the order."),
               (lambda v: _hits(v, capacity=v["k"] - 1), "There is room for one more model than that."),
               (lambda v: 8 - _hits(v), "Those are the misses."))),
    Numeric(
        "47.mean_latency", 2, "An inference takes {ms} ms. A miss loads the model first, {load} s. {hit} % of the requests are hits. What is the mean latency in ms, "
        "without queueing?",
        _draw_share, _mean_ms,
        "Every request takes {ms} ms, and (100 − {hit}) % of them wait another {load} s: {answer} ms. The misses decide the mean.",
        unit="ms",
        traps=((lambda v: v["ms"] + 1000 * v["load"], "That is the latency of a miss."),
               (lambda v: v["hit"] / 100 * v["ms"] + (100 - v["hit"]) / 100 * 1000 * v["load"], "A miss runs the inference as well, after the load."))),
    Choice(
        "47.module_device", 1, "`model` is an `nn.Module` on a GPU. What does `model.device` give?",
        "AttributeError",
        (("`device(type='cuda', index=0)`", "Tensors have a device. A module's parameters may lie on several."),
         ("`device(type='cpu')`", "There is no default: the attribute does not exist."),
         ("`device(type='meta')`", "That is a device for tensors without memory, and it is the tensors' too.")),
        "`nn.Module` has no such attribute. Use `next(model.parameters()).device`, or keep the device in the cache's entry. (Some libraries add the "
        "attribute to their own classes.)"),
    Choice(
        "47.no_copy_back", 2, "A model is evicted from the GPU. Why need its weights not be copied back to the host?",
        "Inference leaves them unchanged, and the host copy still exists",
        (("GPU memory keeps them until the power goes off", "It is reused by the next model a moment later."),
         ("`empty_cache()` writes them back", "It returns unused blocks to the driver and copies nothing."),
         ("autograd has saved them", "Autograd saves what a backward pass needs, on the same device, and not at all in inference.")),
        "Keep one master copy in host memory. Then an eviction is free, and a load is one copy in one direction."),
    Choice(
        "47.whole_module_load", 2, "A file was written with `torch.save(model, path)`. What does `torch.load(path)` do in torch 2.6 or later?",
        "It raises UnpicklingError, unless `weights_only=False` is given",
        (("It returns the model", "It did so before 2.6. `weights_only` is True by default now."),
         ("It returns the state dict", "The file holds a pickled object of your class; torch does not take it apart."),
         ("It warns and returns the model", "Releases 2.4 and 2.5 warned. Now it is refused.")),
        "With `weights_only=False` unpickling may run any code that the file names. Save `state_dict()`, and build the module in code."),
    Choice(
        "47.mmap_first_call", 3, "A 14 GB model \"loads\" in 50 ms with mmap and the meta device. The first request takes 4 s, the second 40 ms. Why?",
        "The weights are read from the disk page by page when the first forward pass touches them",
        (("The weights are decompressed at the first use", "A state dict is stored without compression."),
         ("torch compiles the model", "An eager module is not compiled."),
         ("The page cache was full", "Then the second request would be slow as well.")),
        "Mapping a file reads nothing. The load time has moved into the first inference: run one before you call the model ready."),
    Open(
        "47.two_hundred_loras", 3, "You serve 200 LoRA adapters (small low-rank additions to the weights) of one base model on one GPU. How do you hold them in memory?",
        ("The base model once, shared by all", "Adapters are small: all of them in host memory, a cache of them on the GPU with a byte budget", "Requests for different "
         "adapters batched on the shared base", "Adapters in use are pinned; one load however many ask", "Prefetch while a request waits in the queue",
         "Eviction that knows recency and size (or cost)"),
        "The base model stays resident, once. The adapters, some tens of MB each, all lie in pinned host memory, so a miss costs milliseconds. On the GPU an LRU or "
        "GreedyDual-Size cache with a byte budget holds those in use. A request pins its adapter; concurrent misses share a load. The scheduler batches requests for "
        "several adapters on the shared base and loads the next adapter while its request waits."),
]
