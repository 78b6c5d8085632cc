"""Drill questions of chapter 52: fallbacks, shuffles, INT8 of re-parameterised networks, and the choice."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_islands(rng):
    return {"n": int(rng.integers(4, 25)), "kb": int(rng.choice([20, 40, 80, 150])), "bw": int(rng.choice([2, 4, 8])),
            "dispatch": int(rng.choice([10, 20, 40]))}


def _islands(v):
    return v["n"] * (2 * v["kb"] / v["bw"] + 2 * v["dispatch"])


def _draw_identity(rng):
    before = float(rng.choice([0.2, 0.25, 0.3]))
    return {"before": before, "after": float(rng.choice([0.9, 1.2, 1.8, 2.4])), "power": float(rng.choice([1.2, 1.5, 2.0, 3.0]))}


def _draw_latency(rng):
    return {"mmacs": int(rng.choice([145, 300, 570, 1360, 1800])), "gmac": int(rng.choice([50, 200, 500, 1000])), "use": int(rng.choice([10, 20, 25, 40, 50]))}


QUESTIONS = [
    Numeric(
        "52.island_overhead", 2, "An NPU can't run {n} small operators, so the network falls back {n} times. Each time {kb} kB go to the host and {kb} kB come "
        "back, at {bw} GB/s. Each copy costs {dispatch} µs to start. How many µs do the copies take?",
        _draw_islands, _islands, "{n} · (2 · {kb} kB / {bw} GB/s + 2 · {dispatch} µs) = {answer} µs. One kB at 1 GB/s takes 1 µs.", unit="µs", rtol=0.01,
        traps=((lambda v: v["n"] * (v["kb"] / v["bw"] + v["dispatch"]), "The tensor comes back too: two copies a segment."),
               (lambda v: 2 * v["kb"] / v["bw"] + 2 * v["dispatch"], "That is one segment."),
               (lambda v: v["n"] * 2 * v["kb"] / v["bw"], "Each copy has to be started as well."),
               (lambda v: v["n"] * (2 * v["kb"] / v["bw"] + v["dispatch"]), "Two copies, two starts."))),
    Numeric(
        "52.identity_loss", 3, "A kernel's largest weight grows from {before} to {after} when an identity branch is fused in. The sum of its squared weights grows "
        "{power}-fold. By how many dB does the SQNR of INT8 with one scale for the tensor fall?",
        _draw_identity, lambda v: 20 * math.log10(v["after"] / v["before"]) - 10 * math.log10(v["power"]),
        "The step grows as max|w|: 20·log10({after} / {before}) dB more noise. The signal gains 10·log10({power}) dB. The difference is {answer} dB.",
        unit="dB", atol=0.5,
        traps=((lambda v: 20 * math.log10(v["after"] / v["before"]), "The fused kernel also has more power: subtract that."),
               (lambda v: 10 * math.log10(v["after"] / v["before"]), "Noise power goes with the square of the step: 20·log10."),
               (lambda v: 20 * math.log10(v["after"] / v["before"]) + 10 * math.log10(v["power"]), "A stronger signal helps: subtract it."))),
    Numeric(
        "52.utilised", 1, "A network has {mmacs} million multiply-accumulates. The target peaks at {gmac} GMAC/s and reaches {use} % of that. How many ms does the "
        "arithmetic take?",
        _draw_latency, lambda v: v["mmacs"] / (v["gmac"] * v["use"] / 100),
        "{mmacs} million / ({gmac} GMAC/s · {use} %) = {answer} ms.", unit="ms", rtol=0.01,
        traps=((lambda v: v["mmacs"] / v["gmac"], "That is at the peak, which no network reaches."),
               (lambda v: v["mmacs"] / v["gmac"] * v["use"] / 100, "A lower utilisation takes longer: divide by it."),
               (lambda v: 2 * v["mmacs"] / (v["gmac"] * v["use"] / 100), "Both sides are MACs here. No factor 2."))),
    Choice(
        "52.repvgg_int8", 2, "RepVGG-A0 falls from 72.4 % to 52.2 % with standard INT8 quantization after training. Why?",
        "The fused kernels and the activations have outliers",
        (("A 3x3 convolution can't be quantized", "It is the layer that INT8 hardware likes best."),
         ("No batch norm is left to quantize", "Folding batch norm is usual, and good for INT8."),
         ("ReLU clips negative values", "ReLU makes activations easier to quantize, not harder.")),
        "The identity branch puts a few large weights on the diagonal, and the sum of three norms widens the activations. QARepVGG changes the norms and has 70.4 % in INT8."),
    Choice(
        "52.shuffle_cure", 2, "ShuffleNetV2 is slow on an NPU that has no Transpose. What is the cheapest cure that keeps the trained weights?",
        "Rewrite each shuffle as a 1x1 convolution with one-hot weights",
        (("A larger batch", "Every batch falls back 16 times as well."), ("FP32 in place of INT8", "The operator is missing in every format."),
         ("Leave the shuffles out", "That is another function: the network would have to be trained again.")),
        "A shuffle is a permutation, and a 1x1 convolution can permute. The output is the same. The price is MACs: 144.9 million become 313.7."),
    Choice(
        "52.depthwise_x3", 1, "How does the BPU of Horizon's X3 treat depthwise convolutions?",
        "It was optimised for them, and its guide recommends MobileNetV2",
        (("It does not support them", "Its guide recommends networks made of them."), ("It runs them slowly, as every NPU does", "Many NPUs do. Look at the maker's guide, not at the kind of chip."),
         ("It hands them to the CPU", "They run on the BPU.")),
        "Whether depthwise is slow depends on the array. Horizon's guide names group and depthwise convolutions as what its architecture was made for."),
    Choice(
        "52.fold_or_not", 3, "Why can't all 16 shuffles of ShuffleNetV2 be folded into the next layer at no cost?",
        "In 15 of the 16 units the shuffled channels are split, or read by more than one layer",
        (("The next convolution has a bias", "A bias is added afterwards. It does not mind."), ("Folding is only approximate", "It is exact: columns change places."),
         ("One-hot weights can't be quantized", "0 and 1 are exact in INT8.")),
        "Half of the channels go on unchanged, and they are read in the next unit, and the next. Only the last shuffle has a dense 1x1 convolution as its only reader."),
    Choice(
        "52.order_of_checks", 2, "You compare five backbones for a new NPU. What do you check first?",
        "Whether every operator runs on the device",
        (("The number of parameters", "It says little about time."), ("ImageNet accuracy", "The best network is no use if it does not run there."),
         ("The number of MACs", "16 small fallbacks can cost more than 160 million MACs.")),
        "Coverage costs a minute and needs no trained weights. Then predicted or measured latency, then an early INT8 test, then training."),
    Open(
        "52.detector_choice", 3, "Pick a detector backbone for an NPU of 5 TOPS and defend the choice.",
        ("The list of supported operators, partition of the exported graph", "A plan for INT8 accuracy, tested early", "Channels that fill the array's granule",
         "Latency measured on the device, not from TOPS", "A plan for fallbacks, and the licence"),
        "I export three candidates with random weights and partition them by the vendor's operator list: whatever falls back is rewritten or thrown out. "
        "For those left I measure latency on the board, as 5 TOPS say nothing about depthwise layers or memory. I set widths to multiples of the granule, and "
        "take ReLU where Swish would go through a table. Then I quantize a pretrained checkpoint: if plain calibration loses more than a point, I look at scales "
        "per channel, then at quantization-aware training, and I would rather take MobileNetV2 or a QARepVGG than a RepVGG that loses 20. Last I write down what "
        "remains on the CPU, such as decoding of boxes, its share of the budget, and the licence of the code."),
]
