"""Drill questions of chapter 03: FP32, FP16 and INT8."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open

_BYTES = {"FP32": 4, "BF16": 2, "FP16": 2, "INT8": 1, "FP8": 1}


def _draw_model(rng):
    billions, dtype = int(rng.integers(1, 71)), str(rng.choice(list(_BYTES)))
    return {"billions": billions, "dtype": dtype, "size": _BYTES[dtype]}


def _weight_bytes(v):
    return v["billions"] * 1e9 * v["size"]


def _gb(v):
    return _weight_bytes(v) / 1e9


def _gib(v):
    return _weight_bytes(v) / 2**30


def _draw_tensor(rng):
    rms = float(rng.choice([0.02, 0.05, 0.1, 0.5, 1.0, 2.0]))
    return {"rms": rms, "peak": float(f"{rms * rng.uniform(2, 80):.3g}")}


def _law(v):
    return 10 * math.log10(12) + 20 * math.log10(127) - 20 * math.log10(v["peak"] / v["rms"])


def _draw_word(rng):
    # Exponent fields 8 to 22: values from 2^-7 to 2^8, with mantissas that a person can divide.
    exponent, mantissa, sign = int(rng.integers(8, 23)), int(rng.integers(0, 16)) << 6, int(rng.integers(2))
    word = sign << 15 | exponent << 10 | mantissa
    return {"word": f"0x{word:04X}", "bits": f"{sign} {exponent:05b} {mantissa:010b}", "sign": sign, "exponent": exponent,
            "mantissa": mantissa}


def _fp16(v, bias=15, hidden=1.0):
    return (-1) ** v["sign"] * (hidden + v["mantissa"] / 1024) * 2.0 ** (v["exponent"] - bias)


def _draw_groups(rng):
    v = {"b": int(rng.choice([2, 3, 4, 8])), "g": int(rng.choice([16, 32, 64, 128])),
         "zero": str(rng.choice(["no zero point", "a zero point of as many bits as a weight"]))}
    return v | {"stored": f"16 + {v['b']}" if v["zero"].startswith("a") else "16"}


def _bits(v):
    return v["b"] + 16 / v["g"] + (v["b"] / v["g"] if v["zero"].startswith("a") else 0)


QUESTIONS = [
    Numeric(
        "03.weight_gb", 1, "A model has {billions} billion parameters in {dtype}. How many GB (1e9 bytes) do the weights take?",
        _draw_model, _gb, "{billions}e9 parameters × {size} B = {answer} GB.", unit="GB", rtol=0.01,
        traps=((_gib, "That is in GiB (2^30 bytes). The question asks for 1e9 bytes."),
               (lambda v: 8 * _gb(v), "Those are gigabits. A byte has 8 bits."))),
    Numeric(
        "03.weight_gib", 1, "A model has {billions} billion parameters in {dtype}. How many GiB (2^30 bytes) do the weights take?",
        _draw_model, _gib, "{billions}e9 × {size} B over 1,073,741,824 B: {answer} GiB. That is 7 % less than the number of GB.", unit="GiB", rtol=0.01,
        traps=((_gb, "That is in GB (1e9 bytes). A GiB is 7 % larger."),)),
    Numeric(
        "03.int8_sqnr", 2, "A tensor has the largest absolute value {peak} and the RMS {rms}. Which SQNR in dB do you expect from "
        "symmetric INT8 with one scale for the tensor?",
        _draw_tensor, _law,
        "The step is {peak} / 127, and errors spread evenly over a step have the power step² / 12. So the SQNR is "
        "52.87 dB − 20·log10({peak} / {rms}) = {answer} dB.",
        unit="dB", atol=0.3,
        traps=((lambda v: 52.87 - 10 * math.log10(v["peak"] / v["rms"]), "Peak and RMS are amplitudes: 20·log10 of their ratio."),
               (lambda v: 52.87 + 20 * math.log10(v["peak"] / v["rms"]), "A larger peak makes every step wider. It has to lower the "
                "SQNR."),
               (lambda v: 52.87, "The crest factor is missing: 52.87 dB is what errors spread evenly would leave if peak and RMS were "
                "equal. Subtract 20·log10 of peak over RMS."))),
    Numeric(
        "03.fp16_word", 2, "Which number is the FP16 word {word}? Its bits: {bits}.", _draw_word, _fp16,
        "The exponent field stands for 2^({exponent} − 15), the mantissa field for 1 + {mantissa}/1024 with the hidden one, and the sign "
        "bit is {sign}: {answer}.",
        rtol=1e-3,
        traps=((lambda v: _fp16(v, hidden=0.0), "The hidden one is missing in front of the mantissa."),
               (lambda v: _fp16(v, bias=16), "The bias of FP16 is 15."),
               (lambda v: _fp16(v, bias=127), "127 is the bias of FP32 and BF16. With 5 exponent bits it is 15."),
               (lambda v: -_fp16(v), "Look at the sign bit."))),
    Numeric(
        "03.bits_per_weight", 3, "Weights have {b} bits. Each group of {g} weights stores an FP16 scale and {zero}. How many bits does "
        "a weight take on average?",
        _draw_groups, _bits, "{b} bits, plus what the group stores, shared by {g}: {b} + ({stored}) / {g} = {answer} bits.", unit="bit", atol=0.01,
        traps=((lambda v: v["b"], "The scale is shared by the group, but it is not free."),
               (lambda v: v["b"] + 16 / v["g"] + (0 if v["zero"].startswith("a") else v["b"] / v["g"]),
                "Read again what a group stores beside the scale."),
               (lambda v: v["b"] + 32 / v["g"], "An FP16 scale has 16 bits."))),
    Choice(
        "03.accumulate", 1, "All values of a long sum fit into FP16. Why can the sum still be wrong where FP32 gets it right?",
        "An FP16 sum of ones stops at 2048: from there the step is 2",
        (("Fewer exponent bits make the addition slower", "Speed does not change a result. Look at the step between neighbours."),
         ("FP16 has no subnormals", "It has 1,023 of each sign. They matter near zero, not in a large sum."),
         ("FP16 rounds toward zero", "It rounds to nearest even, as FP32 does. The step is what differs.")),
        "With 11 significant bits every integer up to 2048 has a place. 2049 is a tie and goes back to 2048."),
    Choice(
        "03.worst_tensor", 2, "Which tensor suffers most from INT8 with one scale for the tensor?",
        "One with a few values far outside the rest",
        (("Uniform values", "Their crest factor is only 4.8 dB. With it INT8 reaches 48 dB."),
         ("Gaussian values with a large variance", "The scale follows the variance. The SQNR stays at about 40 dB for 200,000 values."),
         ("A constant", "The constant gets the code 127 or −127, and nothing is lost.")),
        "The scale follows the largest value, so a few outliers stretch the step for all the others."),
    Choice(
        "03.cpu_fp16", 2, "You convert a model to FP16 and run it on a CPU without FP16 arithmetic. What do you expect?",
        "Half the storage, and possibly a much slower model",
        (("Half the storage and half the time", "Time depends on the units that multiply. This CPU has none for FP16."),
         ("The same storage, because it is widened to FP32", "It is widened during the computation. In memory and in the file it stays "
          "at 2 bytes a number."),
         ("It does not run", "It does run. The numbers are converted, or computed in software.")),
        "Bytes shrink on any machine. Speed needs hardware: without it every operation converts or falls back to a slow kernel."),
    Open(
        "03.edge_detector", 3, "Choose a number format for an object detector on an edge device. How do you go about it?",
        ("Which types the hardware multiplies at full rate", "Weights, activations and accumulators are three decisions",
         "Outliers: one scale for each channel, look at the crest factor", "Calibrate on real images and validate on the task metric (mAP)",
         "Layers that suffer stay in a higher precision"),
        "First I look up which types the chip multiplies at full rate, often INT8 with 32-bit accumulators. Weights get a scale for each "
        "output channel, activations are calibrated on a few hundred real images. I compare mAP, not the weights' error. Layers that "
        "lose too much, often the first and the last, stay in FP16. Then I measure latency, because conversions cost time too."),
]
