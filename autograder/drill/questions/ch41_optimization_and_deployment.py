"""Drill questions of chapter 41: optimisation and deployment."""

from __future__ import annotations

from utils.cost.edge_metrics import mcnemar_p, usd_per_million
from utils.cost.roofline.speedup import amdahl

from ..question import Choice, Numeric, Open


def _draw_amdahl(rng):
    return {"share": int(rng.choice([20, 30, 40, 60, 75, 80, 90])), "factor": int(rng.choice([2, 3, 4, 5, 8, 10]))}


def _draw_required(rng):
    rest, model = int(rng.integers(4, 20)), int(rng.integers(20, 80))
    return {"rest": rest, "model": model, "target": rest + int(rng.integers(2, model // 2))}


def _draw_price(rng):
    return {"usd": float(rng.choice([0.4, 0.8, 1.2, 2.0, 3.5])), "rate": int(rng.choice([50, 120, 200, 400, 900])),
            "busy": int(rng.choice([30, 40, 60, 75]))}


def _draw_flips(rng):
    """Counts whose p-value is neither tiny nor 1, and not near the drop."""
    while True:
        lost, gained, n = int(rng.integers(0, 13)), int(rng.integers(0, 13)), int(rng.choice([500, 1000, 2000]))
        p = mcnemar_p(lost, gained)
        if lost != gained and 0.005 < p < 1 and abs(p - (lost - gained) / n) > 0.003:
            return {"lost": lost, "gained": gained, "n": n}


QUESTIONS = [
    Numeric(
        "41.amdahl_overall", 1,
        "The network takes {share} % of a pipeline's time. A new engine makes it {factor} times as fast. How many times as fast is the whole pipeline?",
        _draw_amdahl, lambda v: amdahl(v["share"] / 100, v["factor"]),
        "1 / (1 − s + s/f) with s = {share} % and f = {factor}: {answer} times.",
        unit="times", rtol=0.01,
        traps=((lambda v: v["factor"], "That is the network alone. The other stages take as long as before."),
               (lambda v: 1 / (1 - v["share"] / 100), "That is the limit for an infinitely fast network."),
               (lambda v: 1 / amdahl(v["share"] / 100, v["factor"]), "That is the share of the time that is left. The speed-up is its inverse."),
               (lambda v: amdahl(1 - v["share"] / 100, v["factor"]), "You accelerated the other stages."))),
    Numeric(
        "41.required_factor", 2,
        "A pipeline takes {model} ms in the network and {rest} ms elsewhere. The target is {target} ms. By which factor must the network alone get faster?",
        _draw_required, lambda v: v["model"] / (v["target"] - v["rest"]),
        "{target} − {rest} ms are left for the network's {model} ms: a factor of {answer}.",
        unit="times", rtol=0.01,
        traps=((lambda v: (v["model"] + v["rest"]) / v["target"], "That would do if every stage became faster."),
               (lambda v: v["model"] / v["target"], "The other stages need their share of the target first."),
               (lambda v: (v["target"] - v["rest"]) / v["model"], "That is the share that is left. The factor is its inverse."))),
    Numeric(
        "41.usd_per_million", 2,
        "A machine costs {usd} USD an hour and does {rate} inferences a second when busy. It is busy {busy} % of the time. What do a million inferences cost, in USD?",
        _draw_price, lambda v: usd_per_million(v["usd"], v["rate"], v["busy"] / 100),
        "{usd} USD / 3600 s over {rate} · {busy} % a second, times a million: {answer} USD.",
        unit="USD", rtol=0.01,
        traps=((lambda v: usd_per_million(v["usd"], v["rate"]), "That assumes a machine that is always busy. You pay for the idle time too."),
               (lambda v: usd_per_million(v["usd"], v["rate"]) * v["busy"] / 100, "A lower utilisation makes an inference dearer, not cheaper."),
               (lambda v: usd_per_million(v["usd"], v["rate"], v["busy"] / 100) * 60, "An hour has 3,600 seconds."))),
    Numeric(
        "41.mcnemar_exact", 3,
        "A candidate and the model in service see the same {n} samples. Lost (only the old one has them right): {lost}; gained: {gained}. "
        "What is the exact two-sided McNemar p-value?",
        _draw_flips, lambda v: mcnemar_p(v["lost"], v["gained"]),
        "2 · P(X ≤ the smaller count) for {lost} + {gained} throws of a fair coin: {answer}. The other samples do not matter.",
        atol=1e-3,
        traps=((lambda v: mcnemar_p(v["lost"], v["gained"]) / 2, "That is one side. Two-sided is twice as much."),
               (lambda v: (v["lost"] - v["gained"]) / v["n"], "That is the drop of the accuracy, not a probability."))),
    Choice(
        "41.p95_missed", 1, "A service misses its p95 target. What do you do first?",
        "profile the request end to end",
        (("quantise the model to INT8", "If the model is not the bottleneck, nothing is won. And it may cost accuracy."),
         ("rent a bigger GPU", "Queueing, decoding and pre-processing do not get faster by it. Find out where the time goes."),
         ("raise the batch size", "That helps throughput. A single request then waits longer.")),
        "Without the shares you cannot know the gain of any knob: Amdahl's law needs them."),
    Choice(
        "41.int8_slower", 2, "After quantisation to INT8 a small model is slower than in FP32 on a CPU. What is the likely reason?",
        "quantise/dequantise steps and the fixed cost of a call outweigh the small arithmetic",
        (("the calibration set was too small", "Calibration decides about accuracy. It does not change which kernels run."),
         ("the weights no longer fit into the cache", "They are a quarter of the size: they fit better than before."),
         ("INT8 needs more multiply-accumulates", "It needs as many, only narrower ones.")),
        "Where a layer takes microseconds, conversions and calls dominate. A CPU without 8-bit dot products has no faster kernel to offer either."),
    Choice(
        "41.small_drop", 2, "A candidate is 0.4 points less accurate on 500 images than the model in service. What do you conclude?",
        "It is a net 2 images: within noise; test the flips in pairs, and get more data",
        (("reject it, it is worse", "A net 2 of 500 images is no evidence. Look at how many flipped in each direction."),
         ("release it, the difference is not significant", "Not significant on 500 images is not equal. The allowance has to be settled before."),
         ("train again until it is not worse", "On the same 500 images that selects for luck.")),
        "The set is too small for the question: to notice a true loss of 0.4 points with 3 % of the images flipping takes some 15,000 images."),
    Open(
        "41.camera_plan", 3, "Design the optimisation plan for an app that reads text with a phone's camera.",
        ("Constraints with numbers: p95 end to end, memory, file size, energy or heat, an accuracy floor, supported operators and phones",
         "A baseline measured on the target phones, with warm-up and percentiles, and a profile of all stages",
         "Knobs in the order of gain over effort on the bottleneck, with a stop rule",
         "A gate: the same samples, a paired test, an allowance fixed beforehand, and the loss in each slice (language, light, phone)",
         "Roll-out in steps: shadow or canary, monitoring of latency and quality in the field",
         "A way back: the old model stays on the device until the new one has proved itself"),
        "Say p95 below 100 ms from shutter to text, 20 MB of files, 150 MB of memory, no throttling in five minutes, at most 0.5 points fewer "
        "words right. Measure ten phones; if cropping takes half of the time, start there. Then INT8, then a distilled model. Each passes the gate on "
        "20,000 crops, paired, and in each language with at least 1,000. One per cent of the users first, watch p95 and the share of corrected words, "
        "then all. The last version can be switched back remotely."),
]
