"""Drill questions of chapter 07: what determines inference speed."""

from __future__ import annotations

import math

import numpy as np

from ..question import Choice, Numeric, Open


def _draw_device(rng):
    return {"peak": int(rng.choice([8, 20, 40, 65, 121, 250, 312, 500, 989])), "bw": int(rng.choice([100, 200, 320, 600, 936, 1555, 2039, 3350]))}


def _draw_op(rng):
    """Neither the launch nor the shorter time is so small that leaving it out would not show."""
    while True:
        v = {"mflop": int(rng.choice([5, 20, 80, 300, 1200])), "mb": int(rng.choice([1, 2, 5, 8, 20])), "peak": int(rng.choice([1, 5, 10, 40])),
             "bw": int(rng.choice([50, 100, 200, 400])), "launch": int(rng.choice([3, 5, 8, 10]))}
        if min(v["launch"], *_times(v), abs(np.subtract(*_times(v)))) > 0.04 * _op_us(v):
            return v


def _times(v):
    return v["mflop"] / v["peak"], v["mb"] * 1000 / v["bw"]  # µs


def _op_us(v):
    return v["launch"] + max(_times(v))


def _draw_amdahl(rng):
    return {"pct": int(rng.choice([30, 40, 50, 60, 75, 80, 90])), "s": int(rng.choice([2, 3, 4, 5, 8, 10, 20]))}


def _amdahl(v):
    return 1 / (1 - v["pct"] / 100 + v["pct"] / 100 / v["s"])


def _draw_batch(rng):
    return {"n": int(rng.choice([2048, 4096, 5120, 8192])), "ridge": int(rng.choice([100, 153, 203, 295]))}


def _batch(v, item=2):
    n, r = v["n"], v["ridge"] * item
    return math.ceil(r * n * n / (2 * n * n - 2 * r * n))


QUESTIONS = [
    Numeric(
        "07.ridge", 1, "A device does {peak} TFLOP/s at best and reads {bw} GB/s. From how many FLOP per byte on is an operator compute-bound?",
        _draw_device, lambda v: 1000 * v["peak"] / v["bw"],
        "The ridge is peak over bandwidth: {peak}e12 / {bw}e9 = {answer} FLOP per byte.",
        unit="FLOP/B", rtol=0.01,
        traps=((lambda v: v["peak"] / v["bw"], "Tera over giga leaves a factor of 1,000."),
               (lambda v: v["bw"] / v["peak"] / 1000, "That is bytes per FLOP. Turn it over."))),
    Numeric(
        "07.op_time", 2, "An operator needs {mflop} MFLOP and moves {mb} MB. The device does {peak} TFLOP/s and {bw} GB/s; a launch costs {launch} µs. "
        "How long does it take, in µs, when arithmetic and memory overlap?",
        _draw_op, _op_us,
        "Arithmetic: {mflop} / {peak} µs. Memory: 1000 · {mb} / {bw} µs. The longer of the two plus {launch} µs is {answer} µs.",
        unit="µs", rtol=0.02,
        traps=((lambda v: v["launch"] + sum(_times(v)), "Arithmetic and memory overlap. The longer one counts."),
               (lambda v: max(_times(v)), "The launch is missing."),
               (lambda v: max(*_times(v), v["launch"]), "In this model the launch does not overlap with the work: add it."),
               (lambda v: v["launch"] + min(_times(v)), "The shorter one is hidden behind the longer."))),
    Numeric(
        "07.amdahl", 2, "The model takes {pct} % of a request's time. You make it {s} times as fast and leave the rest as it is. How many times as fast is the request?",
        _draw_amdahl, _amdahl,
        "Amdahl: 1 / (1 − {pct}/100 + {pct}/100/{s}) = {answer}.",
        rtol=0.01,
        traps=((lambda v: v["s"], "Only a part became faster. The rest takes as long as before."),
               (lambda v: 1 + (v["s"] - 1) * v["pct"] / 100, "Times add up, speeds don't. Add the time that is left of both parts."),
               (lambda v: 1 / _amdahl(v), "That is the share of the time that is left."),
               (lambda v: 1 / (1 - v["pct"] / 100), "That is the limit for an infinitely fast model."))),
    Numeric(
        "07.critical_batch", 3, "A linear layer of {n} x {n} weights in FP16 on a device with a ridge of {ridge} FLOP per byte. Each tensor crosses memory once. "
        "What is the smallest batch that makes it compute-bound?",
        _draw_batch, _batch,
        "Intensity = 2·B·n² / (2·(n² + 2·B·n)) = B / (1 + 2·B/n). Set it to {ridge}: B = {ridge} / (1 − 2·{ridge}/{n}), rounded up: {answer}.",
        atol=1.0,
        traps=((lambda v: v["ridge"], "That counts the weights only. Input and output move as well."),
               (lambda v: _batch(v, 4), "FP16 has two bytes."),
               (lambda v: math.ceil(v["ridge"] / 2), "A weight of two bytes does two FLOPs for each sample: one FLOP per byte."))),
    Choice(
        "07.decode_bound", 1, "One user, an LLM writes token after token (batch 1). What limits the speed?",
        "The bandwidth that brings the weights",
        (("The peak FLOP/s", "At batch 1 each weight of 2 bytes does 2 FLOPs: 1 FLOP per byte, far below any GPU's ridge."),
         ("PCIe", "The weights stay in the GPU's memory. A token crosses PCIe, no more."),
         ("The size of the vocabulary", "The output head is one more matrix: 7 % of the weights read in Llama-3-8B.")),
        "Each token needs all weights once, and does two FLOPs with each. Memory sets the pace."),
    Choice(
        "07.busy_but_slow", 2, "A GPU shows 100 % utilisation and reaches 5 % of its peak FLOP/s. What is the likely reason?",
        "Its kernels are memory-bound, or tiny",
        (("The measurement is wrong", "GPU-Util says that some kernel ran, not that it calculated much. Both numbers can be right."),
         ("It is too hot", "Throttling lowers the clock by a part of it, not by 95 %."),
         ("All the FLOPs run on the CPU", "Then the GPU would be idle, and show it.")),
        "GPU-Util counts the time in which a kernel was running. A kernel that waits for memory runs as well."),
    Choice(
        "07.memory_bound_fix", 2, "A layer is memory-bound. Which change makes it faster?",
        "Fusing it with its neighbour, or numbers with fewer bytes",
        (("A device with a higher peak and the same memory", "The arithmetic already waits for the bytes."),
         ("More processors at the same bandwidth", "They share the same memory."),
         ("Leaving out FLOPs on the same tensors", "The bytes stay, and they take the time.")),
        "Only fewer bytes, or more bytes per second, help: fusion, lower precision, a better layout, a larger batch for the same weights."),
    Open(
        "07.twice_the_tops", 3, "Latency went from 8 to 20 ms after porting to another chip with twice the TOPS. What do you do?",
        ("Profile layer by layer, on both chips", "Look for unsupported operators that fall back to the CPU, and the copies around them",
         "Compare bandwidth and ridge, not TOPS alone", "Check precision and layout: inserted casts and transposes",
         "Check clocks, heat, power mode, and the batch"),
        "I time every layer on both chips, in the same precision and batch. First I look for operators that the new chip does not support: they "
        "run on the CPU, with a copy on either side. Then I compare bandwidth: a memory-bound network does not notice TOPS, and a higher peak moves "
        "the ridge to the right. I look for casts and layout changes that the compiler inserted, and for TOPS that hold in INT8 or with sparsity only. "
        "At last I read clocks and temperature under load, and whether the launches or the pre-processing dominate."),
]
