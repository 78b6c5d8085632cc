"""Drill questions of chapter 31: trtexec."""

from __future__ import annotations

import math

import numpy as np

from ..question import Choice, Numeric, Open


def _draw_throughput(rng):
    return {"n": int(rng.integers(100, 5001)), "t": round(float(rng.uniform(1, 5)), 2), "batch": int(rng.choice([4, 8, 16, 32]))}


def _draw_little(rng):
    return {"s": int(rng.integers(2, 9)), "l": round(float(rng.uniform(1, 12)), 1)}


def _draw_percentile(rng):
    """Percentiles that leave out about one latency at least: below, the answer is always the last one."""
    while True:
        v = {"p": int(rng.choice([90, 95, 99])), "n": int(rng.choice([10, 50, 100, 200, 1000]))}
        if _left_out(v) > 0.9:
            return v


def _left_out(v) -> float:
    return float((np.float32(1) - np.float32(v["p"]) / np.float32(100)) * np.float32(v["n"]))


def _index(v) -> int:
    return max(v["n"] - 1 - int(_left_out(v)), 0)


def _draw_percentile_shown(rng):
    v = _draw_percentile(rng)
    return v | {"left": f"{_left_out(v):.8g}", "dropped": int(_left_out(v))}


def _draw_choice(rng):
    """Four configurations: more work in flight takes longer; the fastest one misses the cap."""
    while True:
        base, growth = rng.uniform(0.8, 1.3), rng.uniform(0.35, 0.75)
        options = []
        for b, s in ((1, 1), (1, 4), (4, 1), (4, 2)):
            options.append((b, s, round(float(base * (b * s) ** growth * rng.uniform(0.95, 1.1)), 2)))
        rates = [1000 * b * s / l for b, s, l in options]
        order = np.argsort(rates)[::-1]
        cap = round(options[order[0]][2] * 0.9, 1)
        allowed = [i for i in range(4) if options[i][2] <= cap]
        if len(allowed) >= 2 and all(abs(l - cap) > 0.05 for _, _, l in options):
            best = sorted((rates[i] for i in allowed), reverse=True)
            if best[0] > 1.1 * best[1]:
                break
    slowest = min(allowed, key=lambda i: options[i][2])
    return {"cap": cap, **{f"l{k}": l for k, (_, _, l) in enumerate(options, 1)}, **{f"r{k}": r for k, r in enumerate(rates, 1)},
            "best": max(allowed, key=lambda i: rates[i]) + 1, "uncapped": int(order[0]) + 1, "quickest": slowest + 1}


QUESTIONS = [
    Numeric(
        "31.throughput", 1, "trtexec reports {n} queries and a Total Host Walltime of {t} s, at batch {batch}. Which throughput does "
        "it print, in queries/s?",
        _draw_throughput, lambda v: v["n"] / v["t"],
        "Queries over wall time: {n} / {t} s = {answer} queries/s. A query is one run of the engine, whatever its batch.",
        unit="queries/s", rtol=0.005,
        traps=((lambda v: v["n"] * v["batch"] / v["t"], "Those are images per second. trtexec counts queries, one per batch."),
               (lambda v: 1000 * v["t"] / v["n"], "That is the time per query in ms. Divide the other way round."))),
    Numeric(
        "31.little", 2, "{s} queries are in flight all the time, one on each stream, and a query takes {l} ms on average from start to "
        "end. Which throughput follows, in queries/s?",
        _draw_little, lambda v: 1000 * v["s"] / v["l"],
        "Little's law: in flight = throughput × time. {s} / {l} ms = {answer} queries/s.",
        unit="queries/s", rtol=0.01,
        traps=((lambda v: 1000 / v["l"], "That is one query at a time. Several are in flight."),
               (lambda v: v["s"] / v["l"], "The time is in ms. That is queries per ms."))),
    Numeric(
        "31.percentile", 2, "trtexec sorts {n} latencies and reports percentile({p}%). Which index (from 0) does it take? It leaves out "
        "int((1 − p/100) · n) from the top; in float32 the product is {left} here.",
        _draw_percentile_shown, _index,
        "{left} truncates to {dropped}. The index is {n} − 1 − {dropped} = {answer}.",
        traps=((lambda v: math.ceil(v["p"] * v["n"] / 100) - 1, "That is the nearest rank. In float32 the product can fall just below "
                "a whole number, and then one query less is left out."),
               (lambda v: max(v["n"] - 1 - int((1 - v["p"] / 100) * v["n"]), 0), "That is the index in float64. trtexec computes in "
                "float32."),
               (lambda v: math.ceil(v["p"] * v["n"] / 100), "That counts from 1, or leaves out too few: the largest index is n − 1."))),
    Numeric(
        "31.choose", 2, "You may use any configuration whose latency is at most {cap} ms: (1) batch 1, 1 stream: {l1:.2f} ms; "
        "(2) batch 1, 4 streams: {l2:.2f} ms; (3) batch 4, 1 stream: {l3:.2f} ms; (4) batch 4, 2 streams: {l4:.2f} ms. A configuration of batch b on s "
        "streams at l ms does b·s/l images per ms. Which one has the highest throughput under the cap? Answer with its number.",
        _draw_choice, lambda v: v["best"],
        "Images per second: (1) {r1:,.0f}, (2) {r2:,.0f}, (3) {r3:,.0f}, (4) {r4:,.0f}. Under the cap of {cap} ms number {answer} is the fastest.",
        traps=((lambda v: v["uncapped"], "It has the highest throughput of all, but its latency is above the cap."),
               (lambda v: v["quickest"], "It has the lowest latency. The question is throughput, and the cap leaves room."))),
    Choice(
        "31.false", 1, "What does `--fp16=false` do in trtexec 10.16?", "It turns FP16 on",
        (("It turns FP16 off", "A switch is true as soon as it is there. The text behind `=` is not read."),
         ("It is refused as an error", "The flag is known, so it is taken; its value is not looked at."),
         ("It is ignored with a warning", "The warning that comes is about weak typing. The switch itself takes effect.")),
        "Switches have no value: whatever follows, the switch is on. Leave the flag out to have FP16 off."),
    Choice(
        "31.upgrade", 2, "After an upgrade from TensorRT 10.16 to 11.1 the same command reports a lower latency. What do you suspect "
        "first?", "The defaults: copies are no longer measured, and CUDA graph is on",
        (("Faster kernels", "Possible, but first make both sides measure the same. Then compare GPU Compute Time."),
         ("TF32 was switched off", "That would make FP32 layers slower, not faster; and its default did not change."),
         ("The timing cache", "It speeds up the build. The engine that comes out is timed the same way.")),
        "Since 11.0 transfers are off, CUDA graph and spin wait on. `--includeDataTransfers --noCudaGraph --noSpinWait` restores the "
        "old measurement."),
    Choice(
        "31.profile", 2, "A command gives only --minShapes and --maxShapes. Which opt shape does trtexec use?", "The max shape",
        (("The min shape", "opt copies max first. min is taken only when max is missing too."),
         ("The middle of both", "Nothing is interpolated; a missing flag is a copy."),
         ("None: it is an error", "trtexec copies the missing one and prints a warning.")),
        "opt copies max. So the kernels are chosen for the largest batch; give --optShapes if you usually run a smaller one."),
    Open(
        "31.p99", 3, "A colleague shows a trtexec report: “p99 = 4.1 ms, 100 iterations, 4 streams.” What do you ask, and what would "
        "you report instead?",
        ("p99 of 100 queries is the maximum: one query", "With several streams the reported latencies are not accurate",
         "Warm-up of 200 ms and a duration of at least 3 s", "Are the transfers in the number or not (defaults changed in 11)?",
         "Throughput under a latency cap, with the coefficient of variation and locked clocks"),
        "p99 of 100 queries is simply the slowest of them, by trtexec's float32 rule. With four streams the queries overlap, and the "
        "latency line leaves out the waiting. I ask for the warm-up (200 ms by default), the duration (3 s), the release and whether the "
        "copies are in. Then I lock the clocks, run a thousand queries or more, look at the coefficient of variation, and report the "
        "highest throughput whose latency stays under the cap."),
]
