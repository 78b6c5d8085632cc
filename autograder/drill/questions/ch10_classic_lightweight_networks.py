"""Drill questions of chapter 10: separable convolutions, Fire modules, widths, shuffles, and who is light."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_separable(rng):
    k = int(rng.choice([3, 5, 7]))
    return {"c_out": int(rng.choice([32, 64, 128, 256, 512])), "k": k, "k2": k * k}


def _draw_fire(rng):
    return {"c": int(rng.choice([64, 96, 128, 256, 384])), "s": int(rng.choice([16, 24, 32, 48, 64])),
            "a": int(rng.choice([64, 96, 128, 192])), "b": int(rng.choice([64, 80, 128, 256]))}


def _fire(v):
    return v["c"] * v["s"] + v["s"] + v["s"] * v["a"] + v["a"] + 9 * v["s"] * v["b"] + v["b"]


def _draw_ghost(rng):
    c_in, c_out = int(rng.choice([16, 32, 64, 128])), int(rng.choice([32, 64, 128, 256]))
    return {"c_in": c_in, "c_out": c_out, "p": c_out // 2}


def _draw_residual(rng):
    c, ratio = int(rng.choice([16, 24, 32, 64, 96])), int(rng.choice([3, 4, 6]))
    return {"c": c, "ratio": ratio, "wide": c * ratio}


QUESTIONS = [
    Numeric(
        "10.separable_ratio", 1, "A dense {k}x{k} convolution with {c_out} output channels is replaced by a depthwise {k}x{k} and a pointwise 1x1 one. "
        "Which fraction of the multiply-accumulates is left?",
        _draw_separable, lambda v: 1 / v["c_out"] + 1 / v["k2"],
        "1 / {c_out} + 1 / {k2} = {answer}. The input channels and the map cancel.", rtol=0.01,
        traps=((lambda v: 1 / (1 / v["c_out"] + 1 / v["k2"]), "That is the speed-up in MACs. What is left is its inverse."),
               (lambda v: 1 / v["k2"], "The depthwise step is missing: it adds 1 / c_out."),
               (lambda v: 1 / v["c_out"], "The pointwise step is missing: it adds 1 / k²."),
               (lambda v: 1 / v["c_out"] + 1 / v["k"], "A kernel has k² weights."))),
    Numeric(
        "10.fire", 2, "A Fire module reads {c} channels, squeezes them to {s}, and expands to {a} by 1x1 and to {b} by 3x3 filters, all with biases. How many "
        "parameters has it?",
        _draw_fire, _fire, "{c} · {s} + {s}, then {s} · {a} + {a}, then 9 · {s} · {b} + {b}: {answer}.",
        traps=((lambda v: _fire(v) - v["s"] - v["a"] - v["b"], "The biases are missing: one for each output channel of the three layers."),
               (lambda v: v["c"] * v["s"] + v["s"] + v["c"] * v["a"] + v["a"] + 9 * v["c"] * v["b"] + v["b"], "The expand layers read the squeezed channels."),
               (lambda v: _fire(v) - 8 * v["s"] * v["b"], "One expand layer is 3x3: nine weights a pair of channels."))),
    Numeric(
        "10.width", 2, "MobileNetV1 is built at width multiplier {alpha}: all channel counts are multiplied by it. Which fraction of its MACs does a pointwise "
        "layer in the middle keep?",
        lambda rng: {"alpha": float(rng.choice([0.125, 0.25, 0.3125, 0.375, 0.5, 0.625, 0.75, 0.875]))}, lambda v: v["alpha"] ** 2,
        "Inputs and outputs both shrink: {alpha}² = {answer}. Stem and depthwise layers keep {alpha}, so the whole network at 0.5 keeps 26.3 %, not 25 %.",
        rtol=0.01,
        traps=((lambda v: v["alpha"], "Input and output channels both shrink."),
               (lambda v: 1 - v["alpha"] ** 2, "That is what is saved."))),
    Numeric(
        "10.ghost_weights", 2, "A Ghost module of ratio 2 makes {c_out} maps from {c_in} channels with a 1x1 primary convolution and 3x3 cheap filters. How many "
        "weights has it, without biases and norms?",
        _draw_ghost, lambda v: v["c_in"] * v["p"] + 9 * v["p"],
        "The 1x1 makes {p} maps: {c_in} · {p} weights. Each of them gets one 3x3 filter: 9 · {p}. Together {answer}.",
        traps=((lambda v: v["c_in"] * v["c_out"], "That is the plain 1x1 convolution."),
               (lambda v: v["c_in"] * v["p"], "The cheap maps have filters too."),
               (lambda v: v["c_in"] * v["p"] + 9 * v["p"] * v["p"], "The cheap filters are depthwise: one map each."),
               (lambda v: v["c_in"] * v["p"] + 9 * v["c_out"], "Only half of the maps are made by cheap filters."))),
    Numeric(
        "10.inverted_residual", 3, "An inverted residual maps {c} to {c} channels with expansion ratio {ratio}, 3x3 depthwise, no biases. How many weights have its "
        "convolutions, norms not counted?",
        _draw_residual, lambda v: 2 * v["c"] * v["wide"] + 9 * v["wide"],
        "{c} · {wide} to widen, 9 · {wide} depthwise, {wide} · {c} to project: {answer}.",
        traps=((lambda v: 2 * v["c"] * v["wide"] + 9 * v["wide"] ** 2, "The 3x3 is depthwise: nine weights a channel."),
               (lambda v: v["c"] * v["wide"] + 9 * v["wide"], "The projection back is missing."),
               (lambda v: 2 * v["c"] * v["wide"], "The depthwise layer is missing."),
               (lambda v: 2 * v["c"] * v["c"] + 9 * v["c"], "The block widens to ratio times the channels first."))),
    Choice(
        "10.most_macs", 1, "Which has the most multiply-accumulates at its standard resolution?",
        "Xception",
        (("GhostNet", "141 million, the fewest of the four."), ("MobileNetV1", "569 million. Not all in the usual list are mobile networks: look again."),
         ("SqueezeNet 1.0", "819 million: few parameters, but not few MACs. One in the list has ten times as many.")),
        "8,357 million at 299 × 299, twice ResNet-50. It spends its 22.9 million parameters well, and was made for accuracy, not for phones."),
    Choice(
        "10.linear_bottleneck", 2, "Why does the projection of an inverted residual have no activation?",
        "A ReLU in few channels destroys information",
        (("It is faster", "A ReLU costs next to nothing, and is often fused."), ("Batch norm forbids it", "Norm and ReLU stand together everywhere else in the block."),
         ("Quantization needs it", "ReLU6 makes INT8 easier, if anything.")),
        "What a ReLU cuts can be recovered from other channels where there are many. In the narrow end there are few, so it stays linear."),
    Choice(
        "10.why_shuffle", 2, "What is channel shuffle for?",
        "Without it, stacked grouped convolutions never mix their groups",
        (("It regularises", "It is the same fixed order in every call."), ("It augments the data", "It works on channels, and pixels stay where they are."),
         ("It saves parameters", "The groups save them. The shuffle has none and saves none.")),
        "Each group would be a small network of its own. The shuffle hands each new group members of all the old ones."),
    Choice(
        "10.two_counts", 3, "Keras prints 4,253,864 parameters for MobileNetV1, PyTorch 4,231,976. Why?",
        "Keras counts the running means and variances of batch norm",
        (("The convolutions of one have biases", "Neither has them; the norms bring a shift."), ("The classifiers differ in width", "Both have 1,000 classes and 1,024 inputs."),
         ("One of them is rounded", "Both are exact. The difference, 21,888, is twice the number of channels that have a norm.")),
        "10,944 channels with a norm, two statistics each: 21,888. PyTorch keeps them as buffers. Both counts are right."),
    Choice(
        "10.fewest_macs_slow", 2, "Five light networks were timed in PyTorch on one CPU core. GhostNet has the fewest MACs of them, and was the slowest. What explains it best?",
        "Many small operators: depthwise filters, joins and gates move data and do little arithmetic",
        (("It has the most parameters", "5.2 million parameters are 21 MB. Reading them once takes a few milliseconds at most, and a linear layer of AlexNet is larger."),
         ("Its maps are the largest", "Its largest map has 1.15 MiB, less than SqueezeNet's."), ("Its kernels are 5x5", "Only some of the depthwise ones; their arithmetic is in the MACs.")),
        "Time follows the bytes moved and the operators launched as well. In ONNX Runtime, which fuses some of them, the order changes."),
    Open(
        "10.one_megabyte", 2, "You need a model of 1 MB for a microcontroller with 512 KB of RAM. Walk through the choice.",
        ("Bytes of weights, MACs and peak activation are three limits", "Quantization to INT8: about a million parameters",
         "Operator support of the runtime on that chip", "Width and resolution multipliers", "Latency and energy measured on the target"),
        "1 MB of flash holds about a million INT8 weights, so I look at MobileNetV1 or V2 at a width of 0.25 to 0.35, or a network searched for such chips, and not at SqueezeNet, whose maps are large. "
        "512 KB of RAM must hold the largest pair of maps, so the resolution goes down to 96 or 128 pixels: activations fall with its square. "
        "Then I check that the runtime has each operator in INT8, with fast depthwise kernels. "
        "I train two or three widths and resolutions, quantise them, and measure accuracy, latency and energy on the chip itself, because MACs alone don't order them."),
]
