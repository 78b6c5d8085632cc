"""Drill questions of chapter 15: what model quantization is."""

from __future__ import annotations

import math

from utils.numerics.int8 import affine_qparams, max_safe_k

from ..question import Choice, Numeric, Open


def _draw_range(rng):
    """A range whose zero point is not near a tie."""
    unsigned = bool(rng.integers(2))
    qmin, qmax = (0, 255) if unsigned else (-128, 127)
    while True:
        lo, hi = round(float(rng.uniform(-6, -0.2)), 1), round(float(rng.uniform(0.3, 9)), 1)
        place = -lo / (hi - lo) * 255
        if abs(place % 1 - 0.5) > 0.05:
            return {"lo": lo, "hi": hi, "qmin": qmin, "qmax": qmax, "kind": "uint8 (0 … 255)" if unsigned else "int8 (−128 … 127)",
                    "place": round(place, 2)}


def _zero_point(v):
    return affine_qparams(v["lo"], v["hi"], v["qmin"], v["qmax"])[1]


def _draw_value(rng):
    """A value that the grid does not hold, and that is not near a tie."""
    zero_point = int(rng.integers(-40, 40))
    while True:
        scale = round(float(rng.uniform(0.01, 0.09)), 3)
        x = round(float(rng.uniform(-1.5, 1.5)), 2)
        steps = x / scale
        q = round(steps) + zero_point
        back = round((q - zero_point) * scale, 6)
        if abs(steps % 1 - 0.5) > 0.05 and -128 < q < 127 and x not in (0, back):
            return {"x": x, "scale": scale, "z": zero_point, "q": q, "back": back}


def _draw_widths(rng):
    cases = ((8, 8, False, True, "uint8 activations and int8 weights", "255 · 128"),
             (8, 8, True, True, "int8 activations and int8 weights", "128 · 128"),
             (8, 8, False, False, "uint8 activations and uint8 weights", "255 · 255"),
             (8, 4, False, True, "uint8 activations and int4 weights (−8 … 7)", "255 · 8"),
             (16, 8, True, True, "int16 activations and int8 weights", "32,768 · 128"),
             (4, 4, True, True, "int4 activations and int4 weights (−8 … 7)", "8 · 8"),
             (4, 8, False, True, "uint4 activations and int8 weights", "15 · 128"),
             (8, 4, True, True, "int8 activations and int4 weights (−8 … 7)", "128 · 8"))
    a_bits, b_bits, a_signed, b_signed, kinds, product = cases[int(rng.integers(len(cases)))]
    return {"a_bits": a_bits, "b_bits": b_bits, "a_signed": a_signed, "b_signed": b_signed, "kinds": kinds, "product": product}


def _k(v, acc_bits=32, top=0):
    if top:
        a, b = (2 ** (v[f"{side}_bits"] - v[f"{side}_signed"]) - 1 for side in "ab")
        return (2**31 - 1) // (a * b)
    return max_safe_k(v["a_bits"], v["b_bits"], v["a_signed"], v["b_signed"], acc_bits)


def _draw_bits(rng):
    first, second = sorted(int(v) for v in rng.choice([4, 5, 6, 7, 8, 10, 12, 16], 2, replace=False))
    return {"first": first, "second": second}


QUESTIONS = [
    Numeric(
        "15.zero_point", 1,
        "Activations lie between {lo} and {hi}. They are quantized asymmetrically to {kind}. What is the zero point, rounded to the nearest integer?",
        _draw_range, _zero_point,
        "The scale is ({hi} − {lo}) / 255. From lo, which lands on {qmin}, it is {place} steps to zero. {qmin} + {place}, rounded: {answer}.",
        traps=((lambda v: round(-v["lo"] / (v["hi"] - v["lo"]) * 255) + (0 if v["qmin"] else -128),
                "That is the zero point for codes that begin at the other end. Where does lo land?"),
               (lambda v: math.floor(v["qmin"] - v["lo"] / (v["hi"] - v["lo"]) * 255), "Round to the nearest integer."),
               (lambda v: round(v["qmin"] + v["hi"] / (v["hi"] - v["lo"]) * 255), "The steps are counted from lo, not from hi."))),
    Numeric(
        "15.scale", 1,
        "Activations lie between {lo} and {hi}. They are quantized asymmetrically to {kind}. What is the scale?",
        _draw_range, lambda v: (v["hi"] - v["lo"]) / 255,
        "256 codes have 255 steps: ({hi} − {lo}) / 255 = {answer}.", rtol=5e-4,
        traps=((lambda v: (v["hi"] - v["lo"]) / 256, "256 codes have 255 steps between them."),
               (lambda v: 2 * max(-v["lo"], v["hi"]) / 255, "That covers a range that is symmetric around zero."))),
    Numeric(
        "15.round_trip", 2,
        "A tensor has the scale {scale} and the zero point {z} (int8). Which value comes back for x = {x}?",
        _draw_value, lambda v: v["back"],
        "{x} / {scale} rounds to q − z = {q} − {z}. Times the scale: {answer}.",
        traps=((lambda v: round(v["q"] * v["scale"], 6), "Take the zero point off before you multiply."),
               (lambda v: float(v["q"]), "That is the code. The question asks for the value that it stands for."),
               (lambda v: round(math.trunc(v["x"] / v["scale"]) * v["scale"], 6), "You truncated. Round to the nearest code."),
               (lambda v: v["x"], "That is x itself. Only multiples of the scale come back."))),
    Numeric(
        "15.longest_sum", 2,
        "{kinds}, zero points 0, a signed 32-bit accumulator. What is the largest number of products that can never overflow it?",
        _draw_widths, _k,
        "The largest product is {product} in magnitude. 2^31 − 1 over that, rounded down: {answer}.",
        traps=((lambda v: _k(v, 33), "The accumulator is signed: its largest value is 2^31 − 1."),
               (lambda v: _k(v, 16), "That is for a 16-bit accumulator."),
               (lambda v: _k(v, top=1), "The most negative code is one larger in magnitude than the most positive one."))),
    Numeric(
        "15.sqnr_gain", 2,
        "A tensor is quantized evenly, with fine steps and without saturation, to {second} bits instead of {first}. By how many dB does the SQNR rise?",
        _draw_bits, lambda v: 20 * math.log10(2) * (v["second"] - v["first"]),
        "Each bit halves the step, and half the amplitude is 6.02 dB less noise: {answer} dB.", unit="dB", atol=0.1,
        traps=((lambda v: 10 * math.log10(2) * (v["second"] - v["first"]), "The step is an amplitude: 20·log10."),
               (lambda v: 6.02 * v["second"], "That is the whole SQNR of a uniform signal, not the gain."),
               (lambda v: float(v["second"] - v["first"]), "Those are bits. Each is worth about 6 dB."))),
    Choice(
        "15.exact_zero", 1, "Why must the real number 0 have a code of its own?",
        "Padding, ReLU and empty slots are exactly 0, and an error there would repeat in every sum",
        (("It saves memory", "The zero point takes bytes, it saves none."),
         ("It avoids a division by zero", "The scale is what is divided by, and it is never 0. The zero point is only added."),
         ("The hardware can't add otherwise", "Integer units add any codes. It is the meaning of the padding that would be wrong.")),
        "If 0 came back as 0.007, every padded position and every dead ReLU would add 0.007 times its weight to the sum."),
    Choice(
        "15.old_laptop", 2,
        "An INT8 model with uint8 activations and int8 weights gives right results on a server with VNNI, and wrong ones on an old laptop "
        "with AVX2 only. What is the likely reason?",
        "VPMADDUBSW adds two products with 16-bit saturation: 255 · 127 · 2 = 64,770 does not fit",
        (("The laptop rounds ties differently", "That would change single codes by one. Here sums of two products are cut off."),
         ("The laptop stores bytes in the other order", "Both are x86 and little-endian, and a single byte has no order."),
         ("Its int32 accumulator is too short", "It takes 65,793 such products before int32 can overflow. The 16 bits come before that.")),
        "The instruction multiplies unsigned by signed bytes and saturates each pair's sum at 32,767. Weights of 7 bits "
        "(reduce_range) or other operand types avoid it; VNNI adds into 32 bits."),
    Choice(
        "15.weight_only", 2, "A language model's weights go from FP16 to INT4; the activations stay FP16. What shrinks to about a quarter?",
        "the bytes of the weights, and with them the traffic that loads them",
        (("the multiply–accumulates", "Each weight is still multiplied once. It is dequantized first, and the product is in 16 bits."),
         ("the KV cache", "It holds activations, which were not touched."),
         ("the time of every step", "Only steps that wait for the weights' bytes get faster: decoding with a small batch. A long prompt "
          "is bound by arithmetic, which is the same.")),
        "Weight-only quantization saves bytes. The arithmetic, and the activations, are as before."),
    Choice(
        "15.dynamic", 2, "What does “dynamic” mean in dynamic quantization?",
        "the ranges of the activations are found while the model runs",
        (("the model is quantized during training", "That is quantization-aware training. Dynamic quantization happens after training."),
         ("the number of bits changes from layer to layer", "That is mixed precision. Dynamic is about when the ranges are known."),
         ("the weights are quantized anew for each input", "Weights never change. They are quantized once, when the file is made.")),
        "Static uses ranges from calibration data. Dynamic computes them for each input, which costs time and needs no calibration."),
    Open(
        "15.one_convolution", 3, "Walk through one INT8 convolution, from its input codes to its output codes.",
        ("Input uint8 or int8 with one scale and a zero point, weights int8 with a scale for each output channel and zero point 0",
         "Padding with the code of zero, not with the code 0",
         "Products are accumulated in int32; the input's zero point is a constant for each channel and goes into the bias",
         "The bias is int32 in units of s_x · s_w",
         "Requantization by s_x · s_w / s_y: an integer multiplier and a shift for each channel, rounding, the output's zero point",
         "Saturation; with the lower end at the zero point this is the ReLU"),
        "The input is uint8 with a scale and a zero point, the weights are int8 with a scale for each output channel. The border is "
        "padded with the input's zero point. Products go into an int32 accumulator. The zero point's correction is a constant for each "
        "channel and is added with the bias, which is stored in units of s_x s_w. The sum is scaled by s_x s_w / s_y, as an integer "
        "multiplication and a rounding shift for each channel. Then the output's zero point is added and the result is "
        "saturated. If the lower end is the zero point, the ReLU is done as well."),
]
