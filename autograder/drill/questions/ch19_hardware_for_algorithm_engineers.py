"""Drill questions of chapter 19: hardware for algorithm engineers."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_peak(rng):
    return {"lanes": int(rng.choice([128, 1024, 2048, 5120, 6912, 10752])), "ghz": float(rng.choice([1.126, 1.41, 1.53, 1.7, 2.2]))}


def _draw_stride(rng):
    return {"stride": int(rng.choice([2, 3, 4, 5, 6, 8, 12, 16, 32]))}


def _useful(v):
    return 100 * 4 * 32 / (32 * min(32, 4 * v["stride"]))


def _draw_latency(rng):
    return {"latency": int(rng.choice([400, 450, 520, 600, 720, 800])), "every": int(rng.choice([8, 12, 16, 20, 25]))}


def _draw_power(rng):
    return {"f": int(rng.choice([50, 60, 70, 80, 90])), "v": int(rng.choice([75, 80, 85, 90, 95]))}


QUESTIONS = [
    Numeric(
        "19.peak", 1, "A GPU has {lanes} FP32 lanes at {ghz} GHz. What is its FP32 peak in GFLOP/s?",
        _draw_peak, lambda v: 2 * v["lanes"] * v["ghz"], "A fused multiply-add is two operations: 2 · {lanes} · {ghz} = {answer} GFLOP/s.", unit="GFLOP/s", rtol=0.01,
        traps=((lambda v: v["lanes"] * v["ghz"], "A fused multiply-add counts two operations."), (lambda v: 2 * v["lanes"] * v["ghz"] / 1000, "These are TFLOP/s."))),
    Numeric(
        "19.stride", 2, "The 32 threads of a warp read 4-byte floats with a stride of {stride} floats, starting at an aligned address. Which share of the bytes that are moved is useful, in percent? Memory moves in sectors of 32 bytes.",
        _draw_stride, _useful, "The warp touches the smaller one of 4 · {stride} and 32 sectors; 128 of their bytes are useful: {answer} %.", unit="%", rtol=0.01,
        traps=((lambda v: 100 / v["stride"], "A sector holds 8 floats: from a stride of 8 on the share stays the same."), (lambda v: _useful(v) / 100, "In percent, please."))),
    Numeric(
        "19.warps", 2, "A load takes {latency} cycles. Every {every} cycles a load is to be issued, and a warp has one load under way at a time. How many warps hide the latency?",
        _draw_latency, lambda v: math.ceil(v["latency"] / v["every"]), "Little's law: {latency} / {every}, rounded up, is {answer} warps.",
        traps=((lambda v: math.floor(v["latency"] / v["every"]), "Round up: with one warp less there is a gap."), (lambda v: v["latency"] * v["every"], "Divide: so many loads are under way at any time."))),
    Numeric(
        "19.power", 2, "A chip's clock is lowered to {f} % and its voltage to {v} %. Which share of its dynamic power is left, in percent?",
        _draw_power, lambda v: v["f"] * v["v"] ** 2 / 1e4, "Dynamic power goes with f · V²: {f} % · ({v} %)² = {answer} %.", unit="%", rtol=0.01,
        traps=((lambda v: v["f"] * v["v"] / 100, "The voltage counts squared."), (lambda v: v["f"], "The voltage fell as well, and counts squared."), (lambda v: 100 - v["f"] * v["v"] ** 2 / 1e4, "That is what was saved."))),
    Choice(
        "19.cores", 2, "A GPU has 2,048 “CUDA cores”, a CPU 8 cores. What does that tell about their speed?",
        "Nothing without lanes, clocks and bandwidth",
        (("The GPU is 256 times as fast", "A CUDA core is one lane. A CPU core has 16 or more of them, at a higher clock."), ("The GPU is 128 times as fast", "That divides lanes by hardware threads."), ("The GPU is 16 times as fast", "That divides lanes by lanes, without the clocks.")),
        "Count FP32 lanes on both sides, times the clock, and compare the bandwidths too. For GTX 980 and i7-5960X that gives 6 for compute and 3.3 for memory."),
    Choice(
        "19.clock", 2, "A kernel is bound by arithmetic. You halve the GPU's clock. What happens to its speed?",
        "It falls to about a half",
        (("Nothing, a GPU has enough cores", "Every lane does half as many operations a second."), ("It falls to a quarter", "Time is proportional to cycles. Power falls more than proportionally if the voltage falls too."), ("That depends on the number of cores", "It holds for any number of them.")),
        "Throughput of compute-bound work is lanes times clock. What many cores change is how much power a clock costs: f · V²."),
    Choice(
        "19.divergence", 2, "Half of the threads of every warp take a branch. What would help most?",
        "Order the work so that the threads of a warp agree",
        (("More threads", "Every warp still issues both sides."), ("Smaller blocks", "Warps have 32 threads whatever the block."), ("A faster clock", "It helps everything equally, and the waste remains.")),
        "A side costs as soon as one thread takes it. Sorted work leaves one mixed warp at most."),
    Choice(
        "19.maxwell", 1, "On which of these GPUs do L1 cache and shared memory use the same storage?",
        "V100",
        (("GTX 980", "Maxwell has 96 KB of shared memory of its own for each SM; L1 is joined with the texture cache."), ("P100", "Pascal keeps them apart, as Maxwell did."), ("All of them", "It changed from generation to generation.")),
        "Kepler and, since Volta, all generations share them; Maxwell and Pascal do not. Ask for the generation."),
    Open(
        "19.one_week", 2, "You have one week to evaluate a new edge box. What do you do?",
        ("Own model converted, first day", "Accuracy after quantisation on own data", "p99 latency and throughput at batch 1, warm", "Power at the supply and temperature after an hour", "List of operators that fall back", "Tool chain: versions, errors, documentation, support", "Requirements written down before; a decision with reasons"),
        "Before it arrives I write down limits for accuracy, p99, memory, watts and operator coverage. Day one: convert our own network; a tool chain that fails here tells most. Days two and three: quantise, compare accuracy on our own data, list every operator "
        "that falls back to the CPU and what it costs. Day four: latency at batch 1 with percentiles, throughput with all streams, memory. Day five: an hour under load in a warm box, with watts at the supply and the clock logged. "
        "I also note driver versions, licence, how long the maker supports the chip, and who answers questions. The result is a table of limits and measurements; what was not measured counts as not met."),
]
