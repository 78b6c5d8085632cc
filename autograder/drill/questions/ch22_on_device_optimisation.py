"""Drill questions of chapter 22: performance on a device."""

from __future__ import annotations

import itertools

from ..question import Choice, Numeric, Open


def _draw_map(rng):
    return {"side": int(rng.choice([28, 56, 112, 160])), "c": int(rng.choice([16, 32, 64, 96, 128]))}


def _draw_chain(rng):
    return {k: int(v) for k, v in zip("abcde", rng.choice([20, 40, 60, 80, 120, 150, 200, 240], 5, replace=False))}


def _chain_peak(v):
    sizes = [v[k] for k in "abcde"]
    return max(p + q for p, q in itertools.pairwise(sizes))


def _draw_models(rng):
    return {"w1": int(rng.integers(2, 20)), "w2": int(rng.integers(2, 20)), "w3": int(rng.integers(2, 20)), "a1": int(rng.integers(3, 40)), "a2": int(rng.integers(3, 40)), "a3": int(rng.integers(3, 40))}


QUESTIONS = [
    Numeric(
        "22.map_mib", 1, "An activation has {side} × {side} pixels and {c} channels in FP16. How many MiB is it?",
        _draw_map, lambda v: 2 * v["side"] ** 2 * v["c"] / 2**20, "{side} · {side} · {c} · 2 bytes / 2^20 = {answer} MiB.", unit="MiB", rtol=0.01,
        traps=((lambda v: 4 * v["side"] ** 2 * v["c"] / 2**20, "FP16 has 2 bytes."), (lambda v: v["side"] ** 2 * v["c"] / 2**20, "An element of FP16 has 2 bytes."))),
    Numeric(
        "22.chain_peak", 2, "Five tensors of a chain have {a}, {b}, {c}, {d} and {e} KiB. Each lives while it is made and while the next operator reads it. What is the peak, in KiB?",
        _draw_chain, _chain_peak, "Two neighbours live at a time: the largest sum of neighbours is {answer} KiB.", unit="KiB",
        traps=((lambda v: sum(v.values()), "Tensors that are no longer needed are freed."), (lambda v: max(v.values()), "While an operator runs, its input and its output live."),
               (lambda v: sum(sorted(v.values())[-2:]), "The two largest need not be neighbours."))),
    Numeric(
        "22.three_models", 2, "Three models run one after the other. Weights: {w1}, {w2} and {w3} MB; arenas: {a1}, {a2} and {a3} MB. How many MB in all, with a shared arena?",
        _draw_models, lambda v: v["w1"] + v["w2"] + v["w3"] + max(v["a1"], v["a2"], v["a3"]), "All weights stay; the arenas take turns: {w1} + {w2} + {w3} + max({a1}, {a2}, {a3}) = {answer} MB.", unit="MB",
        traps=((lambda v: sum(v.values()), "The arenas can be shared, as only one model runs at a time."), (lambda v: max(v["w1"] + v["a1"], v["w2"] + v["a2"], v["w3"] + v["a3"]), "All weights stay resident."))),
    Numeric(
        "22.channel_ratio", 3, "A convolution with stride {s}, on a map whose sides {s} divides, has a fixed number of multiply-accumulates. At which ratio c_out / c_in does it touch the fewest elements of input and output?",
        lambda rng: {"s": int(rng.choice([2, 3, 4]))}, lambda v: v["s"] ** 2, "Input elements go with c_in, output elements with c_out / {s}²; at a fixed product the sum is smallest where both are equal: ratio {answer}.",
        traps=((lambda v: 1, "Equal channels are best only if the maps are equal, that is at stride 1."), (lambda v: v["s"], "The output has fewer pixels by the square of the stride."), (lambda v: 1 / v["s"] ** 2, "That is c_in / c_out."))),
    Choice(
        "22.mobilenet_peak", 2, "What sets the peak of MobileNetV1's activations?",
        "The first pointwise layer",
        (("The classifier", "Its input has 1,024 values."), ("The layer with the largest weights", "Weights don't lie in the arena."), ("The deepest layer", "The maps are small there.")),
        "It reads 112 × 112 × 32 and writes 112 × 112 × 64 values: 4.6 MiB in FP32. Making late layers smaller does not help."),
    Choice(
        "22.share_when", 2, "When may two models share one arena for their activations?",
        "When they never run at the same time",
        (("When their inputs have the same size", "The arena only has to be large enough for either."), ("When they use the same framework", "That makes it easier, and is not enough."), ("When both are quantised", "Types don't matter for sharing bytes.")),
        "The arena's content is worthless between two runs. If both run at once they overwrite each other, silently."),
    Choice(
        "22.equal_channels", 2, "“Equal input and output channels make a convolution fast.” When does that hold?",
        "At a fixed number of MACs, at stride 1, and if memory is the limit",
        (("Always", "With stride 2 the fewest elements are touched at c_out = 4 · c_in, and a compute-bound layer does not care."), ("For depthwise convolutions", "Their channels are equal by nature."), ("On GPUs only", "It is a statement about elements that are touched; it holds on any device where memory is the limit.")),
        "ShuffleNet V2's guideline compares layers of equal arithmetic. It says how to spend MACs, not how many."),
    Choice(
        "22.fusion_gain", 2, "Fusing a batch norm and a ReLU into a convolution saves what?",
        "Reads and writes of whole maps",
        (("Half of the MACs", "A batch norm has one multiply-add for each value, a 3 × 3 convolution hundreds."), ("Weights", "A few values for each channel."), ("Accuracy", "The result is the same up to rounding.")),
        "Two element-wise operators read and write the map twice more. In a kernel of its own each of them waits for memory."),
    Open(
        "22.over_budget", 3, "Your model is 30 % over the latency budget on an NPU. What are your next five steps?",
        ("A profile for each operator, on the device, warm", "Operators that fall back to the CPU, and their copies", "Fusion and layout: what stands between the convolutions", "INT8, and channel counts that fit the array", "Clock and temperature, pre- and post-processing, zero copy", "Only then a smaller model or resolution, with its accuracy"),
        "First I profile every operator on the device at its steady temperature, because the sum in the report rarely is where one thinks. Second I list what falls back to the CPU; one unsupported operator in the middle costs two copies and a synchronisation. "
        "Third I look between the convolutions: batch norms, activations and additions should be fused, and layouts not converted back and forth. Fourth INT8, if it is not there yet, with channel counts rounded to what the array needs. "
        "Fifth the rest of the pipeline: resize and colour conversion on the 2-D engine, buffers without copies, pre-processing of the next frame during inference. "
        "If that is not enough, the resolution goes down before the network does, and both only with the accuracy beside it."),
]
