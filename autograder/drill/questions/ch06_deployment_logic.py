"""Drill questions of chapter 06: the logic of deploying a model."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_clean(rng):
    return {"n": int(rng.choice([60, 75, 100, 150, 200, 300, 500, 1000, 1500, 3000]))}


def _draw_canary(rng):
    share = int(rng.choice([1, 2, 5, 10, 25]))
    return {"n": int(rng.choice([1200, 1800, 2400, 6000, 9000])), "rate": int(rng.choice([5, 20, 50, 200])), "pct": share}


def _draw_fold(rng):
    return {"w": float(rng.choice([-3, -2, -1.5, 0.5, 2, 4])), "b": float(rng.choice([-1, 0.5, 1, 2])),
            "mean": float(rng.choice([0.25, 0.4, 0.5, 0.6])), "std": float(rng.choice([0.2, 0.25, 0.5]))}


def _draw_bits(rng):
    return {"bits": int(rng.integers(3, 13))}


QUESTIONS = [
    Numeric(
        "06.rule_of_three", 1,
        "A new release has answered {n} requests without an error. What is the upper limit of its error rate, in %, with 95 % confidence? (The rule "
        "of thumb is enough.)",
        _draw_clean, lambda v: 300 / v["n"],
        "With 0 errors of n the limit is about 3/n: 3/{n} = {answer} %. It comes from 0.05 = (1 - p)^n.",
        unit="%", rtol=0.03,
        traps=((lambda v: 100 / v["n"], "With a true rate of 1/n you would see no error in 37 % of the cases: too often for 95 %."),
               (lambda v: 3 / v["n"], "That is a share. In % it is a hundred times that number."),
               (lambda v: 0.0, "No error seen is not an error rate of 0."))),
    Numeric(
        "06.canary_seconds", 2,
        "The canary's arm needs {n} requests. {rate} requests arrive a second in all, and {pct} % of them go to the canary. How many seconds does that take?",
        _draw_canary, lambda v: v["n"] / (v["rate"] * v["pct"] / 100),
        "{n} / ({rate} · {pct} %) = {answer} s.",
        unit="s", rtol=0.001,
        traps=((lambda v: v["n"] / v["rate"], "Only a share of the traffic reaches the canary."),
               (lambda v: v["n"] / (v["rate"] * (1 - v["pct"] / 100)), "That is how long the base takes. The canary has the smaller share."),
               (lambda v: v["n"] / (v["rate"] * v["pct"]), "The share is in %: divide it by 100."))),
    Numeric(
        "06.folded_bias", 2,
        "A 1 x 1 convolution with one channel has weight {w} and bias {b}. Its input is normalised as (x - {mean}) / {std}. Mean and std are folded into it. "
        "What is the new bias?",
        _draw_fold, lambda v: round(v["b"] - v["w"] * v["mean"] / v["std"], 9),
        "w (x - m)/s + b = (w/s) x + (b - w m/s): {b} − {w} · {mean} / {std} = {answer}.",
        rtol=0.005,
        traps=((lambda v: v["b"] - v["mean"] / v["std"], "What the mean takes away goes through the weight."),
               (lambda v: v["b"] - v["w"] * v["mean"], "The mean is divided by std as well."),
               (lambda v: v["b"] + v["w"] * v["mean"] / v["std"], "The mean is subtracted."),
               (lambda v: v["b"] / v["std"] - v["w"] * v["mean"] / v["std"], "The bias is added after the weights: std does not touch it."))),
    Numeric(
        "06.sine_sqnr", 3,
        "A sine that fills the whole range is quantised uniformly to {bits} bits. What is its SQNR (signal to quantisation noise ratio) in dB?",
        _draw_bits, lambda v: 10 * math.log10(1.5 * 4 ** v["bits"]),
        "20·log10(2) · {bits} + 10·log10(3/2), about 6.02 · {bits} + 1.76: {answer} dB. Each bit halves the step, so the noise power falls by 4: 6.02 dB.",
        unit="dB", rtol=0.01,
        traps=((lambda v: 6.02 * v["bits"], "A sine has 1.76 dB more power against the noise of its full range than an even distribution: 3/2."),
               (lambda v: 3.01 * v["bits"] + 1.76, "Each bit halves the amplitude of the noise: 6.02 dB, not 3.01."))),
    Choice(
        "06.first_look", 1, "The accuracy has dropped after the conversion. What do you compare first?",
        "the exact input tensors of both pipelines",
        (("the training curves", "The training is over, and the reference network still has its accuracy."),
         ("the learning rate", "It does not exist any more at serving time."),
         ("the version of the GPU driver", "Possible, but rare. The input is wrong far more often, and it takes minutes to compare.")),
        "Dump one preprocessed tensor on each side and subtract. If they agree, go on with parity, tensor by tensor, to the first that differs."),
    Choice(
        "06.why_in_the_bundle", 2, "Why does the preprocessing belong to the bundle?",
        "because train/serve skew raises no exception",
        (("because it makes the file smaller", "A few nodes or lines change nothing about the size."),
         ("because the licence asks for it", "No licence of the usual frameworks does."),
         ("because it runs faster there", "Sometimes it does. That is a gain, not the reason.")),
        "A wrong scale or channel order gives a tensor of the right shape and type. Only the answers get worse, and nobody sees why."),
    Choice(
        "06.padded_fold", 3, "The subtraction of the mean is folded into a 3 x 3 convolution with zero padding. Which outputs change?",
        "only those at the border",
        (("none: the algebra is exact", "It is exact where every tap of the kernel meets a pixel. At the border some meet padding."),
         ("all of them", "Inside the image every tap meets a pixel, and there the new bias is right."),
         ("those of the first channel", "All output channels see the border.")),
        "Before, the padding was a zero after the subtraction: a pixel of mean brightness. Now it is a raw zero: black. Pad with the mean, or leave the Sub in front."),
    Open(
        "06.factory_camera", 2, "Walk me through the deployment of a defect detector to a camera in a factory.",
        ("The interface first: names, shapes, dtypes, layout and range of the tensors, preprocessing and postprocessing, as a contract",
         "Export, and parity with the training framework on real images, then accuracy; all that again after quantisation",
         "Latency, memory and power measured on the camera itself",
         "A bundle with model, preprocessing, labels and environment under a content hash, from which data and code it was made",
         "Staged rollout (shadow, one line, all), a rule that decides, a rollback that is one pointer",
         "Afterwards: health checks, drift of the inputs, a sample that is labelled by hand"),
        "I write down the contract with the camera team: raw uint8 of this size and layout in, boxes in pixels out. Preprocessing goes into the graph. I export, and "
        "compare every output with the training framework on recorded images, first in FP32, then in INT8, then the accuracy by defect class. On the camera I "
        "measure p99, memory and power over an hour. Model, labels, contract and versions become one bundle, named by its hash. It runs in the shadow of the old "
        "one first, then on one line, then on all, and a rule on counted errors promotes or rolls back. Brightness and score histograms are watched for drift, and "
        "some images a day are checked by hand."),
]
