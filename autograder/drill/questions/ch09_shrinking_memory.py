"""Drill questions of chapter 09: what shrinks a model's memory."""

from __future__ import annotations

import itertools
import math

from ..question import Choice, Numeric, Open


def _draw_weights(rng):
    bits, zero = ((4, 4), (4, 0), (3, 4), (8, 8))[int(rng.integers(4))]
    return {"billions": int(rng.choice([3, 7, 8, 13, 34, 70])), "bits": bits, "zero": zero,
            "group": int(rng.choice([32, 64, 128])), "kind": f" and a zero point of {zero} bits" if zero else ""}


def _weights_gb(v, extra=1.0, zero=True):
    return v["billions"] * (v["bits"] + extra * (16 + (v["zero"] if zero else 0)) / v["group"]) / 8


def _draw_chain(rng):
    sizes = [int(s) for s in rng.integers(2, 60, int(rng.integers(5, 8)))]
    return {"sizes": sizes, "told": ", ".join(map(str, sizes))}


def _neighbours(v):
    return max(a + b for a, b in itertools.pairwise(v["sizes"]))


def _two_largest(v):
    return sum(sorted(v["sizes"])[-2:])


def _draw_kv(rng):
    layers, heads, kv, dim = ((32, 32, 8, 128), (80, 64, 8, 128), (28, 28, 4, 128), (32, 32, 32, 128))[int(rng.integers(4))]
    kind, item = (("FP16", 2), ("FP8", 1))[int(rng.integers(2))]
    v = {"layers": layers, "heads": heads, "kv": kv, "dim": dim, "kind": kind, "item": item,
         "context": int(rng.choice([2048, 4096, 8192, 32768])), "batch": int(rng.choice([2, 4, 8, 16]))}
    return v | {"total": f"{_kv(v):,}"}


def _kv(v, heads="kv", twice=2, batch=True, item=None):
    return (twice * v["layers"] * v[heads] * v["dim"] * v["context"] * (v["batch"] if batch else 1)
            * (v["item"] if item is None else item))


def _draw_group(rng):
    bits = int(rng.choice([3, 4]))
    zero = int(rng.choice([0, 4, 8]))
    room = float(rng.choice([0.125, 0.25, 0.5]))
    return {"bits": bits, "zero": zero, "target": bits + room, "room": room, "extra": 16 + zero,
            "kind": f" and a zero point of {zero} bits" if zero else ""}


QUESTIONS = [
    Numeric(
        "09.weights_gb", 1,
        "A model of {billions} billion weights is stored in {bits} bits, in groups of {group}. Each group has a scale of 16 bits"
        "{kind}. How many GB (10^9 bytes) do the weights take?",
        _draw_weights, _weights_gb,
        "({bits} + (16 + {zero}) / {group}) bits a weight, times {billions} billion, over 8: {answer} GB.",
        unit="GB", rtol=0.01,
        traps=((lambda v: _weights_gb(v, extra=0), "That leaves out what each group stores beside its weights."),
               (lambda v: 8 * _weights_gb(v), "Those are gigabits."),
               (lambda v: 2.0 * v["billions"], "That is FP16."),
               (lambda v: _weights_gb(v, extra=v["group"]), "That gives every weight a scale of its own."))),
    Numeric(
        "09.chain_peak", 2,
        "A chain of layers without skips passes tensors of {told} MB from one to the next, the input first. Every tensor is freed as "
        "early as possible. How many MB live at the peak?",
        _draw_chain, _neighbours,
        "A layer needs its input and its output: the largest sum of two neighbours is {answer} MB.",
        unit="MB",
        traps=((lambda v: sum(v["sizes"]), "That keeps everything. A tensor is free once its reader has run."),
               (lambda v: max(v["sizes"]), "That is the largest tensor alone. Its neighbour lives with it."),
               (_two_largest, "These two tensors need not be neighbours."))),
    Numeric(
        "09.kv_bytes", 2,
        "A decoder has {layers} layers, {heads} query heads and {kv} KV heads of width {dim}. Its KV cache is {kind}. How many bytes "
        "does the cache take for {batch} sequences of {context} tokens?",
        _draw_kv, _kv,
        "2 (keys and values) · {layers} · {kv} · {dim} · {context} · {batch} · {item} B = {total} B.",
        unit="B",
        traps=((lambda v: _kv(v, heads="heads"), "That counts the query heads. Only the KV heads are stored."),
               (lambda v: _kv(v, twice=1), "That is the keys alone. The values are as large."),
               (lambda v: _kv(v, batch=False), "That is one sequence. Each has a cache of its own."),
               (lambda v: _kv(v, item=1), "That is the number of values. Multiply by the bytes of each."),
               (lambda v: _kv(v, item=2), "Look at the type of the cache: FP8 takes one byte."))),
    Numeric(
        "09.group_size", 3,
        "Weights of {bits} bits share a scale of 16 bits{kind} in each group. At most {target} bits a weight may be stored, all "
        "included. What is the smallest group that keeps to it?",
        _draw_group, lambda v: math.ceil(v["extra"] / v["room"]),
        "{extra} bits a group may add {room} bits a weight: {extra} / {room} = {answer} weights.",
        unit="",
        traps=((lambda v: math.ceil(16 / v["room"]), "That leaves out the zero point."),
               (lambda v: math.ceil(v["extra"] / v["target"]), "Only what is left above the weight's own bits pays for the group."),
               (lambda v: v["extra"] * v["room"], "Divide: a small allowance needs a large group."))),
    Choice(
        "09.frees_nothing", 1, "Which of these leaves the resident memory as it is?",
        "setting half of the weights to zero in their dense arrays",
        (("storing the weights in INT8", "From FP16 that halves the weights."),
         ("grouped-query attention with a quarter of the KV heads", "That leaves a quarter of the KV cache."),
         ("half of the batch size", "That halves activations and KV cache.")),
        "A zero takes as many bytes as any other number. Remove rows and columns, or use a sparse format above its break-even."),
    Choice(
        "09.long_context", 2, "The weights are in INT4 already. With a context of 128 k tokens the GPU runs out of memory. What next?",
        "quantize the KV cache or page it, or take a model with fewer KV heads",
        (("weights in INT3", "The weights are not the large pool any more. One bit of four saves a few GB and costs accuracy."),
         ("magnitude pruning of the weights", "Zeros in dense arrays free nothing, and the weights are not the problem."),
         ("weight tying", "That saves one embedding matrix. The cache grows with every token.")),
        "At long context the KV cache is the largest pool. Attack the pool that is large."),
    Choice(
        "09.mcu", 2, "On a microcontroller, where do weights and activations live?",
        "weights in flash, activations in SRAM",
        (("both in SRAM", "SRAM is the small one, some hundred KiB. Weights do not change, so they can be read from flash."),
         ("weights in SRAM, activations in flash", "Flash cannot be written as often and as fast as activations change."),
         ("both in flash", "Activations are written in every layer. Flash is read-mostly.")),
        "So there are two budgets. MobileNetV2 in INT8 asks 3.5 MB of the flash, and 1,372 KiB of the SRAM at the peak."),
    Open(
        "09.two_gb_model", 3, "A model takes 2 GB, and the device has 1 GB. What do you do?",
        ("Measure the pools first: weights, activations, KV cache, workspace and runtime",
         "Choose by the largest pool: quantization or a smaller architecture for weights",
         "Batch, resolution, operator order, in-place and planned buffers for activations",
         "Say what each step costs in accuracy, and how that is checked",
         "Memory mapping or streaming of weights: it fits, and the speed falls to that of the storage",
         "Verify the peak of resident memory on the device, not the size of the file"),
        "First I split the 2 GB into pools. If they are FP16 weights, 8 bits leave 1 GB, which is not enough with anything beside "
        "it; 4 bits in groups leave about 0.52 GB, at a loss of accuracy that I measure. If they are activations, I lower "
        "batch or resolution, plan the buffers and reorder operators, which costs no accuracy. Memory mapping is the last resort, "
        "because every pass then reads from storage. In the end I measure the peak on the device."),
]
