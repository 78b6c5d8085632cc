"""Drill questions of chapter 54: the mainstream quantization methods."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_range(rng):
    return {"lo": -int(rng.integers(1, 30)) / 10, "hi": int(rng.integers(5, 90)) / 10}


def _scale(v):
    return (v["hi"] - v["lo"]) / 255


def _draw_zero(rng):
    while True:
        v = _draw_range(rng)
        exact = -128 - v["lo"] / _scale(v)
        if abs(exact - math.floor(exact) - 0.5) > 0.05:  # no ties
            return v


def _draw_bits(rng):
    return {"bits": int(rng.choice([2, 3, 4])), "group": int(rng.choice([16, 32, 64, 128])),
            "scale": int(rng.choice([8, 16, 32])), "zero": int(rng.choice([0, 4, 8]))}


def _effective(v):
    return v["bits"] + (v["scale"] + v["zero"]) / v["group"]


def _draw_bias(rng):
    while True:
        v = {"sx": int(rng.integers(2, 50)) / 1000, "sw": int(rng.integers(2, 50)) / 1000, "b": int(rng.integers(-300, 300)) / 100}
        exact = v["b"] / (v["sx"] * v["sw"])
        if abs(v["b"]) > 0.2 and abs(exact - math.floor(exact) - 0.5) > 0.05:
            return v | {"exact": f"{exact:.2f}"}


def _draw_equalize(rng):
    r1, r2 = int(rng.integers(2, 100)), int(rng.integers(2, 100)) / 100
    return {"r1": r1, "r2": r2}


def _cle(v):
    return math.sqrt(v["r1"] / v["r2"])


QUESTIONS = [
    Numeric(
        "54.scale", 1,
        "An activation lies in [{lo}, {hi}] and becomes int8, asymmetric. What is the scale?",
        _draw_range, _scale,
        "({hi} − {lo}) / 255 = {answer}: 256 integers have 255 steps between them.",
        rtol=1e-4,
        traps=((lambda v: (v["hi"] - v["lo"]) / 256, "256 integers have 255 steps between the first and the last."),
               (lambda v: max(v["hi"], -v["lo"]) / 127, "That is the symmetric scale. Asymmetric spends all codes on the range."),
               (lambda v: v["hi"] / 255, "The range begins at its lower end, not at 0."))),
    Numeric(
        "54.zero_point", 1,
        "An activation lies in [{lo}, {hi}] and becomes int8 (−128 … 127), asymmetric. Which integer stands for 0, rounded to the nearest?",
        _draw_zero, lambda v: round(-128 - v["lo"] / _scale(v)),
        "With the scale s = ({hi} − {lo}) / 255 it is −128 − {lo} / s, rounded: {answer}.",
        traps=((lambda v: round(-v["lo"] / _scale(v)), "That is for uint8. int8 begins at −128."),
               (lambda v: round(-128 + v["lo"] / _scale(v)), "The sign: {lo} has to land on −128, and 0 lies above it."))),
    Numeric(
        "54.effective_bits", 2,
        "Weights have {bits} bits. Each group of {group} also stores {scale} bits for its scale and {zero} bits for its zero point (0 means that it has none). How "
        "many bits does a weight take on average?",
        _draw_bits, _effective,
        "{bits} + ({scale} + {zero}) / {group} = {answer}. For MXFP4 it is 4 + 8/32 = 4.25, for NVFP4 4 + 8/16 = 4.5.",
        unit="bit", atol=0.005,
        traps=((lambda v: v["bits"], "The scales are stored too."),
               (lambda v: v["bits"] + v["scale"] + v["zero"], "One scale serves the whole group."),
               (lambda v: v["bits"] + v["scale"] / v["group"] if v["zero"] else -1.0, "The zero points are stored too."))),
    Numeric(
        "54.bias", 2,
        "The scales are s_x = {sx} for the input and s_w = {sw} for the weights. The bias {b} is added to the int32 accumulator. Which "
        "integer is stored, rounded to the nearest?",
        _draw_bias, lambda v: round(v["b"] / (v["sx"] * v["sw"])),
        "The accumulator counts in units of s_x · s_w = {sx} · {sw}, so {b} becomes {exact}, rounded: {answer}.",
        traps=((lambda v: round(v["b"] / v["sw"]), "That is in units of s_w. A product of input and weight has the unit s_x · s_w."),
               (lambda v: round(v["b"] / v["sx"]), "That is in units of s_x. A product of input and weight has the unit s_x · s_w."),
               (lambda v: round(v["b"] * v["sx"] * v["sw"]), "Divide by the scale to get an integer."))),
    Numeric(
        "54.equalize", 3,
        "A channel has the range {r1} in its row of the first layer and {r2} in its column of the second. By which factor does cross-layer "
        "equalization divide the row?",
        _draw_equalize, _cle,
        "√({r1} / {r2}) = {answer}. Both ranges become √({r1} · {r2}).",
        rtol=1e-4,
        traps=((lambda v: v["r1"] / v["r2"], "Without the root the two ranges change places."),
               (lambda v: math.sqrt(v["r2"] / v["r1"]), "Upside down: the larger range has to shrink."),
               (lambda v: math.sqrt(v["r1"] * v["r2"]), "That is the range that both end up with."))),
    Choice(
        "54.static_dynamic", 1, "Which is usually more accurate, static or dynamic INT8?",
        "Dynamic: each call has the range of its own data",
        (("Static: the ranges are known beforehand", "Known from other data. What this input holds, static cannot know."),
         ("They are equal", "They share the weights. The activations' ranges differ."),
         ("Static, if there is enough calibration data", "More data make the range wider or clip more, never as close as the call's own.")),
        "ONNX Runtime's documentation says so too. Static is there for its speed, and for hardware that wants an integer-only graph."),
    Choice(
        "54.decode", 2, "A language model decodes at batch 1 on a GPU. What speeds it up more, W8A8 or W4A16?",
        "W4A16: a quarter of the bytes of FP16 are read",
        (("W8A8: integers are multiplied faster", "At batch 1 the multipliers wait for memory. Half of the bytes are read."),
         ("Both the same", "They read one byte and half a byte a weight."),
         ("Neither: decoding is bound by the KV cache", "At short contexts the weights are far more bytes than the cache.")),
        "Each weight is read once for one token, so the time is bytes over bandwidth."),
    Choice(
        "54.slower", 2, "The INT8 model is slower than FP32 on the laptop. What do you look at first?",
        "Which operators the optimised graph executes",
        (("More calibration data", "That changes the ranges, not the kernels."),
         ("Quantization-aware training", "That changes the weights, not the kernels."),
         ("A larger clip range", "The same kernel runs with another number.")),
        "Is it QGemm, or Gemm between DequantizeLinear nodes? Then: does the processor have VNNI, and are the layers wide enough to pay "
        "for quantizing at the borders?"),
    Choice(
        "54.outliers", 2, "Some channels of the activations are 100 times larger than the rest. W8A8 fails, with one scale a channel for the "
        "weights as well. Why, and what helps?",
        "The activations have one scale a tensor; move the outliers into the weights (SmoothQuant)",
        (("The weights are too coarse; take groups of 32", "The weights are not the problem: the small channels of the activations are rounded to 0."),
         ("INT8 is too small; take INT16 weights", "Finer weights change nothing about the activations."),
         ("Calibration saw too few images; take more", "They would show the same outliers.")),
        "A channel may be divided before the product if its column of weights is multiplied by the same factor."),
    Open(
        "54.plan", 3, "Post-training quantization of your vision model costs 4 points of accuracy. What is your plan?",
        ("Same pre-processing and the same metric on both sides; is the difference more than the test set's noise?",
         "Which layers: SQNR of each layer, or one layer at a time in INT8",
         "Finer scales, another calibration, cross-layer equalization, bias correction",
         "Leave the few sensitive layers in higher precision, and measure what that costs",
         "Then quantization-aware training, with a budget, from the trained weights",
         "A paired test on the same images before the change is released"),
        "First I make sure that both models see the same pre-processing, and compare them image by image: 4 points of 500 images are about 20. "
        "Then I measure the noise layer by layer to find the ones that break. One scale a channel, percentile or MSE calibration and "
        "equalization cost nothing at run time, so they come first. If one or two layers remain, they stay in FP16. Only then I train with "
        "fake quantization, a few epochs from the trained weights. In the end a McNemar test on the same images says whether the rest is noise."),
]
