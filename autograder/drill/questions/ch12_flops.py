"""Drill questions of chapter 12: how to compute a model's FLOPs."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _out(v, stride=None):
    return (v["n"] + 2 * v["pad"] - v["k"]) // (stride or v["stride"]) + 1


def _draw_conv(rng):
    k = int(rng.choice([3, 5, 7]))
    return {"n": int(rng.choice([56, 112, 128, 224, 256])), "k": k, "stride": 2, "pad": k // 2,
            "c_in": int(rng.choice([3, 32, 64, 128])), "c_out": int(rng.choice([32, 64, 96, 128, 256]))}


def _gmacs(v):
    return _out(v) ** 2 * v["c_out"] * v["c_in"] * v["k"] ** 2 / 1e9


def _draw_prefill(rng):
    return {"billions": int(rng.choice([7, 8, 13, 34, 70])), "tflop_s": int(rng.choice([65, 121, 312, 989])),
            "percent": int(rng.choice([30, 40, 50, 60])), "n": int(rng.choice([1000, 2000, 4000, 8000]))}


def _prefill(v):
    return 2 * v["billions"] * 1e9 * v["n"] / (v["percent"] / 100 * v["tflop_s"] * 1e12)


def _draw_training(rng):
    return {"billions": int(rng.choice([1, 3, 7, 13, 70])), "trillions": int(rng.choice([1, 2, 5, 10])),
            "chips": int(rng.choice([256, 512, 1024, 2048])), "tflop_s": int(rng.choice([312, 989])),
            "percent": int(rng.choice([35, 40, 45, 50]))}


def _days(v):
    flops = 6 * v["billions"] * 1e9 * v["trillions"] * 1e12
    return flops / (v["chips"] * v["tflop_s"] * 1e12 * v["percent"] / 100) / 86400


def _draw_separable(rng):
    return {"k": int(rng.choice([3, 5, 7])), "c_in": int(rng.choice([16, 32, 64])), "c_out": int(rng.choice([32, 64, 128, 256]))}


def _ratio(v):
    return v["c_out"] * v["k"] ** 2 / (v["c_out"] + v["k"] ** 2)


QUESTIONS = [
    Numeric(
        "12.conv_gmacs", 1,
        "A {k} × {k} convolution with stride {stride} and padding {pad} turns {c_in} channels of {n} × {n} into {c_out} "
        "channels. How many GMACs (1e9 MACs) for one image?",
        _draw_conv, _gmacs,
        "The output side is floor(({n} + 2·{pad} − {k}) / {stride}) + 1, half of {n}. MACs = side² × {c_out} × {c_in} × {k}²: "
        "{answer} GMAC.",
        unit="GMAC", rtol=0.005,
        traps=((lambda v: 4 * _gmacs(v), "That uses the input size. With stride 2 there are a quarter as many output positions."),
               (lambda v: 2 * _gmacs(v), "That is the number of FLOPs. The question asks for MACs."),
               (lambda v: _gmacs(v) / v["c_in"], "That is a depthwise layer. Here every output channel sees all input channels."))),
    Numeric(
        "12.prefill", 2,
        "A language model with {billions} billion matmul weights runs on a chip of {tflop_s} TFLOP/s, which it uses to "
        "{percent} %. How many seconds does a prompt of {n} tokens take? Leave attention out.",
        _draw_prefill, _prefill,
        "2 FLOPs a weight and token: 2 × {billions}e9 × {n}, over {percent} % of {tflop_s}e12 FLOP/s. That is {answer} s.",
        unit="s", rtol=0.02,
        traps=((lambda v: _prefill(v) / 2, "Each weight is a multiply and an add: 2 FLOPs."),
               (lambda v: _prefill(v) * v["percent"] / 100, "That is the time at 100 % of the peak."),
               (lambda v: _prefill(v) * 3, "6 FLOPs a weight is training. A prompt needs the forward pass only."))),
    Numeric(
        "12.training_days", 2,
        "You train {billions} billion parameters on {trillions} trillion tokens with {chips} chips of {tflop_s} TFLOP/s at "
        "{percent} % MFU. How many days does it take? Leave attention out.",
        _draw_training, _days,
        "6·N·D = 6 × {billions}e9 × {trillions}e12 FLOPs, over {chips} × {tflop_s}e12 FLOP/s × {percent} %, over 86,400 s a day: {answer} days.",
        unit="days", rtol=0.02,
        traps=((lambda v: _days(v) / 3, "2·N·D is the forward pass. The backward pass costs twice as much again."),
               (lambda v: _days(v) * v["percent"] / 100, "That assumes 100 % of the peak. Divide by the MFU."),
               (lambda v: _days(v) * 24, "Those are hours."),
               (lambda v: _days(v) * 8 / 6, "8·N·D counts recomputation. MFU does not."))),
    Numeric(
        "12.separable", 3,
        "A {k} × {k} convolution, {c_in} to {c_out} channels, stride 1, is replaced by a depthwise {k} × {k} and a pointwise "
        "1 × 1 one. By which factor do the MACs shrink?",
        _draw_separable, _ratio,
        "A position costs {c_in}·{c_out}·{k}² before and {c_in}·{k}² + {c_in}·{c_out} after. The ratio is "
        "1 / (1/{c_out} + 1/{k}²) = {answer}. The number of input channels cancels.",
        rtol=0.01,
        traps=((lambda v: v["k"] ** 2, "That leaves out the depthwise layer, which is not free."),
               (lambda v: v["c_out"], "That leaves out the pointwise layer, which mixes the channels."),
               (lambda v: 1 / _ratio(v), "That is the new cost over the old one. The question asks for the factor of shrinking."))),
    Choice(
        "12.factor_two", 1, "A paper gives 4.1 GFLOPs for ResNet-50. Your profiler says 8.2 GFLOPs. What is the likeliest reason?",
        "The paper counts multiply–accumulates, the profiler both operations",
        (("The profiler ran a batch of two", "It might, but the factor of two between MACs and FLOPs is there at batch 1 too."),
         ("The paper used FP16, the profiler FP32", "The number of operations does not depend on the format."),
         ("The profiler counted training", "A training step costs about three times the forward pass, not twice.")),
        "ResNet-50 needs 4.09 G multiply–accumulates at 224 × 224. Counted as multiplications and additions that is 8.2 G."),
    Choice(
        "12.double_side", 2, "You double height and width of the input image of a convolutional network. By how much do the "
        "convolutions' parameters and MACs grow?",
        "parameters × 1, MACs × 4",
        (("parameters × 2, MACs × 4", "The filters do not know the size of the image. Their number of weights stays."),
         ("parameters × 1, MACs × 2", "Both sides double, so there are four times as many positions."),
         ("parameters × 4, MACs × 4", "Only a linear layer on the flattened image would grow like that.")),
        "The same filters are applied at four times as many positions."),
    Choice(
        "12.zero_attention", 3, "A FLOP counter reports 0 for the attention of a model that clearly computes it. Why?",
        "A fused operator ran for which the counter has no rule",
        (("Softmax costs nothing", "It is cheap, not free. And the two matrix products around it are the larger part."),
         ("The device was idle", "A FLOP counter counts operators from their shapes. It measures no device."),
         ("A causal mask removes the work", "It removes half of it at most, and counters do not even take that off.")),
        "Counters look up a formula by operator. What they have no formula for counts 0, so compare with a closed form."),
    Open(
        "12.no_faster", 3, "Model B has 8 times fewer FLOPs than model A and is no faster. Explain, and say what you would do.",
        ("FLOPs bound compute time only: low arithmetic intensity means memory traffic sets the time (roofline)",
         "Some operators reach a small share of the peak: depthwise convolutions, normalisation, elementwise layers",
         "Launch overhead and batch size: many small layers cost time each",
         "Layout and data type: conversions, channels that fit the hardware badly",
         "Measure layer by layer before redesigning"),
        "FLOPs give a lower bound on time, and only where arithmetic is the limit. Depthwise layers move many bytes for few "
        "operations, and small layers pay a fixed cost for each launch. Time each layer, put it on the roofline, and then fuse, "
        "batch, change the layout, or use fewer and denser layers."),
]
