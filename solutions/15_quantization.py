# %% [markdown]
# # 15 · What is model quantization?
# **什么是模型量化？**
#
# An engine's log says `scale 0.0157, zero_point 64`, and one layer of the INT8 model is wrong. Six lines of arithmetic decide what happened:
# scale, zero point, rounding, saturation, a 32-bit sum, and the way back to 8 bits. You will write them so that they agree with ONNX Runtime bit by bit.
#
# About 125 minutes: 77 for the five exercises, the rest to read, measure and explain. It helps to know chapters 03 (FP32, FP16 and INT8) and 23 (ONNX).

# %% setup
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > Quantization maps real numbers to a few evenly spaced levels: q = clamp(round(x / s) + z), and back x ≈ s · (q − z). s is the scale, z the zero point.
# > Zero must come back exactly, because padding and ReLU produce it all the time.
# > Weights are usually symmetric, with z = 0. One-sided activations are asymmetric: that is worth one bit.
# >
# > Matrix products then run in integers with an int32 accumulator. Zero points add correction terms. The sum is scaled by s_x · s_w / s_y, as an integer multiplication and a shift.
# >
# > Each bit is worth about 6 dB of signal-to-noise ratio. What shares a scale (tensor, channel or group) sets how well the range fits.
# >
# > It saves bytes on any machine. It saves compute only if activations are quantized too *and* the hardware has units for the format.
# > It is done after training (PTQ, the usual case) or during training (QAT).

# %% [markdown]
# ## How it works
#
# ### Two numbers in a log
#
# An activation lies between −1 and 3. The engine stores it as `uint8`, the integers 0 … 255. What are the two numbers of its log line?

# %%
from utils.compression.quantization import affine_qparams as our_affine_qparams

scale, zero_point = our_affine_qparams(-1.0, 3.0, 0, 255)
print(f"scale {scale:.4f}, zero point {zero_point}")
for code in (0, 64, 65, 255):
    print(f"code {code:3} stands for {scale * (code - zero_point):+.4f}")

# %% [markdown]
# The integer is the **code**. The **scale** s is the width of one step, 4 / 255. The **zero point** z is the code of 0.0. So a code q stands for
#
# $$x \approx s \cdot (q - z).$$
#
# The ends come back as −1.0039 and 2.9961, not as −1 and 3: the zero point had to be a whole number, 64 and not 63.75. That moved all levels by a quarter of a step.
# With `int8`, the integers −128 … 127, nothing changes but the zero point: it is −64.
#
# ### Zero is one of the levels
#
# Why not move the levels so that the ends are exact? Take an activation between 0.5 and 2, and spread the codes over just that:

# %%
step = (2.0 - 0.5) / 255
print(f"lowest level {0.5}: a padded 0.0 gets the code 0 and comes back as {0.5 + step * 0}")
print(f"nine padded zeros under a 3 × 3 filter of ones add {9 * 0.5} instead of 0")
scale, zero_point = our_affine_qparams(0.5, 2.0, 0, 255)
code = round(0.0 / scale) + zero_point
print(f"range widened to 0 … 2: 0.0 has the code {code} and comes back as {scale * (code - zero_point)}")

# %% [markdown]
# Padding, ReLU and empty slots are exactly 0. So the range is widened to contain 0, and the zero point is rounded to a code.
#
# ### Divide, round, shift, saturate
#
# From real numbers to codes there are four steps, and their order matters. Here int8 with scale 0.1 and zero point 3:

# %%
from utils.compression.quantization import quantize as our_quantize

x = np.array([-0.25, 0.05, 0.15, 0.25, 0.35, 100, -100], np.float32)
print("value:  ", "  ".join(f"{v:7.2f}" for v in x))
print("x / s:  ", "  ".join(f"{v:7.2f}" for v in x / np.float32(0.1)))
print("rounded:", "  ".join(f"{v:7.0f}" for v in np.rint(x / np.float32(0.1))))
print("code:   ", "  ".join(f"{v:7}" for v in our_quantize(x, 0.1, 3, -128, 127)))

# %% [markdown]
# - **Round half to even**: the ties −2.5, 0.5, 1.5, 2.5 and 3.5 go to −2, 0, 2, 2 and 4. Ties that always went up would shift the mean.
# - The zero point is added *after* rounding. Added before, it would turn the tie 0.5 into 3.5, and 3.5 goes the other way.
# - **Saturation**: 1,000 and −1,000 become the last and the first code. A plain cast to int8 would keep the low 8 bits of 1,003 and give −21.
#
# Does an engine do the same? We build an ONNX model of one operator, QuantizeLinear, and let ONNX Runtime run it on 100,000 random values and 400 values at ties or right beside them.

# %%
from onnx import helper

from utils.graphs.onnx_tools import executed_ops, make_model, make_session

rng = np.random.default_rng(0)
random, near_ties = rng.standard_normal(100_000) * 6, (np.arange(-200, 200) + 0.5) * 0.1
many = np.append(random, near_ties).astype(np.float32)
model = make_model([helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"])],
                   {"x": ("N",)}, {"q": (np.int8, ("N",))}, {"s": np.float32(0.1), "z": np.int8(3)})
theirs = make_session(model).run(None, {"x": many})[0]
print(f"codes that differ: {np.count_nonzero(theirs != our_quantize(many, 0.1, 3, -128, 127))} of {many.size:,}")

# %% [markdown]
# ### Symmetric or asymmetric
#
# **Symmetric** quantization fixes the zero point at 0 and uses the codes −127 … 127. **Asymmetric** quantization moves it to fit the range.
# The **SQNR** (signal-to-quantization-noise ratio) compares the power of the values with the power of their errors, in dB. More is better; 6 dB more means errors half as large.

# %%
from utils.compression.quantization import quantizer_bench

normal = rng.standard_normal(20_000)
for name, data in (("normal values", normal), ("the same after ReLU", np.maximum(normal, 0))):
    both = [quantizer_bench(data, bits=8, symmetric=mode)["sqnr_db"] for mode in (True, False)]
    print(f"{name:20} symmetric {both[0]:.1f} dB, asymmetric {both[1]:.1f} dB")

# %% [markdown]
# After ReLU nothing is negative. Symmetric codes leave −127 … −1 unused, so 8 bits work like 7. The free zero point wins that bit back: 6 dB.
# Weights lie on both sides of 0. They gain next to nothing from a zero point, and without one the arithmetic below gets shorter. So weights are symmetric.
#
# ### Products of codes
#
# A layer multiplies activations a by weights b and adds up K products. The scales are the same for the whole sum and come out of it. Inside, four terms are left:
#
# $$\sum_k (a_k - z_a)(b_k - z_b) = \sum_k a_k b_k \;-\; z_a \sum_k b_k \;-\; z_b \sum_k a_k \;+\; K z_a z_b$$
#
# The first is a plain integer product. The second needs one sum for each column of the weights, which are known before the model runs. With $z_b = 0$ the other two vanish.

# %%
from utils.compression.quantization import int_matmul as our_int_matmul

a, b = np.array([[10, 20]], np.uint8), np.array([[1], [-2]], np.int8)
print("plain product:", (a.astype(int) @ b.astype(int)).item())
print(f"z_a = 5, z_b = 1: −30 − 5·({b.sum()}) − 1·{a.sum()} + 2·5·1 = {our_int_matmul(a, b, 5, 1).item()}")

# %% [markdown]
# ONNX calls this operator MatMulInteger. ONNX Runtime can write down the graph that it really executes after its own optimisations; `executed_ops` reads it.

# %%
a, b = rng.integers(0, 256, (64, 300)).astype(np.uint8), rng.integers(-64, 64, (300, 32)).astype(np.int8)
model = make_model([helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])], {"a": (np.uint8, (64, 300))},
                   {"y": (np.int32, (64, 32))}, {"b": b, "za": np.uint8(117), "zb": np.int8(-9)})
theirs = make_session(model, optimize=True).run(None, {"a": a})[0]
print("executed:", executed_ops(model), " entries that differ:", np.count_nonzero(theirs != our_int_matmul(a, b, 117, -9)))

# %% [markdown]
# ### The accumulator
#
# A product of two 8-bit codes needs up to 16 bits, a sum of them more. The **accumulator** that collects them has 32. How many products are always safe?

# %%
from utils.compression.quantization import max_safe_k, vpmaddubsw_pair

print(f"int8 × int8:  {max_safe_k(8, 8, True, True):,} products")
print(f"uint8 × int8: {max_safe_k(8, 8, False, True):,} products")
print(f"factors of 8 bits that reach ±255: {max_safe_k(8, 8, False, False):,} products")

# %% [markdown]
# The first two lines hold for the codes as they are. With its zero point taken off a factor can reach ±255, and if that happens on both sides the last line holds.
# Layers are rarely that wide: for a 3 × 3 convolution, 65,793 products are 7,310 input channels. But some processors have a narrower place on the way.
# The x86 instruction VPMADDUBSW multiplies uint8 by int8 and adds two neighbours in **16 bits**, with saturation.

# %%
pair, weights = np.array([255, 255], np.uint8), np.array([127, 127], np.int8)
print(f"weights 127: exact {2 * 255 * 127:,}, VPMADDUBSW {vpmaddubsw_pair(pair, weights).item():,}")
print(f"weights  63: exact {2 * 255 * 63:,}, VPMADDUBSW {vpmaddubsw_pair(pair, weights // 2).item():,}")

# %% [markdown]
# ONNX Runtime uses it for uint8 × int8 on processors with AVX2 or AVX-512 that lack the newer VNNI instructions. Then large sums are wrong on the old laptop and right on the server.
# Its quantizer's option `reduce_range` makes weights of 7 bits, which is why the cell above drew them below 64.
#
# ### Back to 8 bits
#
# The accumulator counts in steps of $s_x s_w$: input scale times weight scale. A **bias** is stored as int32 in the same steps and simply added.
# The output has steps of $s_y$. So the accumulator is multiplied by $M = s_x s_w / s_y$, rounded, shifted by the output's zero point and saturated: **requantization**.
#
# M is a real number, usually below 1. A chip without floats uses an integer m0 of 31 bits and a right shift instead:

# %%
from utils.compression.quantization import fixed_point_multiplier, requantize as our_requantize

m0, shift = fixed_point_multiplier(0.0003)
print(f"0.0003 = {m0:,} / 2^{shift}, off by {m0 / 2**shift / 0.0003 - 1:.1e} of itself")
acc = np.array([12345, -12345, 1_000_000], np.int32)
print("acc · 0.0003:", acc * 0.0003, " codes with zero point 5:", our_requantize(acc, m0, shift, 5, -128, 127))

# %% [markdown]
# 300.0 saturates at 127. If the lowest code allowed is the zero point, everything below 0.0 saturates there: that is a **ReLU**, and it costs nothing.
#
# ### One layer
#
# Two inputs, one output, all by hand: 2.0 · 1.0 + 3.0 · (−1.0) + 0.5 = −0.5.

# %%
from utils.compression.quantization import QParams, quantized_linear

x_qp, w_qp, y_qp = QParams(0.5, 10, 0, 255), QParams(0.25, 0, -127, 127), QParams(0.25, -3, -128, 127)
codes = quantized_linear(np.array([[14, 16]], np.uint8), x_qp, np.array([[4], [-4]], np.int8), w_qp, [4], y_qp)
print(f"code {codes.item()} stands for {0.25 * (codes.item() - (-3))}")

# %% [markdown]
# (14 − 10) · 4 + (16 − 10) · (−4) + 4 = −4 in steps of 0.5 · 0.25. Times M = 0.125 / 0.25 = 0.5 it is −2, and shifted by −3 it is −5. That stands for 0.25 · (−5 + 3) = −0.5.
# Under "Measure it" a whole network runs like that, in NumPy and in ONNX Runtime.
#
# ### Six decibels a bit
#
# One bit more halves the step. Half the error is 20 · log10(2) = 6.02 dB. For uniform values that is all there is to say:

# %%
uniform = rng.uniform(-1, 1, 100_000)
for bits in (4, 6, 8):
    print(f"{bits} bits: 6.02 · bits = {6.0206 * bits:.1f} dB, measured {quantizer_bench(uniform, bits)['sqnr_db']:.1f} dB")

# %% [markdown]
# The measured values lie 1.2, 0.3 and 0.1 dB below. The law cuts the range into 2^bits steps. Here one code is unused and the outer levels lie on the ends of the range.
# That leaves 2^bits − 2 steps: 14 instead of 16 at 4 bits.
#
# Normal values have tails. Covering the largest one makes every step wide. **Clipping** covers less: a few values saturate, all others get finer steps.
# The ranges are in units of σ, the standard deviation. Here it is 1.

# %%
from utils.compression.quantization import optimal_clip

for bits in (4, 6, 8):
    best = optimal_clip(normal, bits)
    whole_db, best_db = (quantizer_bench(normal, bits, clip)["sqnr_db"] for clip in (None, best))
    print(f"{bits} bits: whole range ±{np.abs(normal).max():.1f} σ {whole_db:.1f} dB, best range ±{best:.1f} σ {best_db:.1f} dB")

# %% [markdown]
# At 4 bits clipping is worth more than half a bit, at 8 bits next to nothing.
#
# ### What shares a scale
#
# **Granularity** says how many values share one scale: a whole tensor, a **channel** (the weights of one output), or a **group** of neighbours.
# Here are 8 channels of 128 weights whose sizes differ by a factor of up to 33, in 4 bits. The last column counts the FP16 scales that have to be stored.

# %%
from utils.cost.params import effective_bits

weights = rng.standard_normal((8, 128)) * np.geomspace(0.03, 1, 8)[:, None]
for name, how, shared in (("tensor", {}, 1024), ("channel", {"axis": 0}, 128), ("group of 32", {"group_size": 32}, 32)):
    result = quantizer_bench(weights, 4, **how)
    error = np.abs(result["x_hat"][0] - weights[0]).mean() / np.abs(weights[0]).mean()
    print(f"one scale a {name:12} {result['sqnr_db']:5.1f} dB, smallest channel off by {error:4.0%},",
          f"{effective_bits(4, shared, 16):.3f} bits a weight")

# %% [markdown]
# With one scale for the tensor the smallest channel is rounded to zero: it is off by 100 %. The SQNR of the whole tensor hardly shows it, since the large channels hold the energy.
#
# ### Four bits
#
# No processor addresses 4 bits. Two codes share a byte: ONNX puts the first one into the low half.

# %%
from utils.compression.quantization import pack_int4 as our_pack_int4

print("1, -8, 7, -1, 3 become the bytes", our_pack_int4(np.array([1, -8, 7, -1, 3])).tobytes().hex(" "))

# %% [markdown]
# −8 is 0x8 and −1 is 0xF: the low 4 bits of **two's complement**, in which processors store negative integers.
#
# ### When, and of what
#
# | question | answers |
# |---|---|
# | when are the weights quantized? | **PTQ**, after training, from a finished model · **QAT**, during training: rounding is simulated, and the weights adapt to it |
# | where do the ranges of activations come from? | **static**: from sample inputs, once (**calibration**) · **dynamic**: from each input, while the model runs |
# | what is quantized? | **weights only**: fewer bytes, the same arithmetic · **weights and activations**: integer arithmetic |
#
# With weights only, the second question falls away. Apart from that the three are independent. Chapter 54 goes through the methods.

# %% [markdown]
# ## See it
#
# ![Three panels for 8,192 normal values in 4 bits. A staircase with steps of 0.557 σ. The histogram with its levels. The SQNR over the range: 15.8 dB for the whole range of 3.9 σ, at best 19.0 dB at 2.44 σ; with 5 bits at best 24.5 dB.](figure.svg)
#
# 8,192 normal values, 4 bits, one scale, whole range 3.9 σ: the step is 0.557 σ and the SQNR 15.8 dB. A range of 2.44 σ is best and gives 19.0 dB; with 5 bits the best is 24.5 dB.
#
# **Quantizer bench.** Look for three things. One outlier at 20 σ costs about two bits, unless each channel has its own scale. At 6 bits and fewer, clipping beats covering the whole range.
# After ReLU the free zero point is worth one bit.

# %% figure
from utils.widgets.ch15_quantization import bench

bench()

# %% [markdown]
# ## Exercises
#
# Codes are integers in [qmin, qmax]; both ends are included, and qmin < qmax. From the set-up you have `math` and `np`.

# %% [markdown] about="affine_qparams"
# Find scale and zero point of an asymmetric quantizer.
#
# - `lo` and `hi` are floats, `qmin` and `qmax` ints. Raise a `ValueError` if `lo > hi`, or if a bound is NaN or infinite.
# - First widen the range so that it contains 0.
# - The scale is (hi − lo) / (qmax − qmin), a float. It is checked to a relative 1e-9.
# - The zero point is qmin − lo / scale, rounded to the nearest integer; an exact tie goes to the even one. Clamp it to [qmin, qmax]. It is an `int`, not a float.
# - If lo and hi are both 0, return the scale 1.0 and the zero point 0, clamped to [qmin, qmax]. So `(0, 0, 5, 10)` gives (1.0, 5).
# - Return `(scale, zero_point)`.
#
# For example `(-1.0, 3.0, 0, 255)` → (0.01568627450980392, 64), `(-1.0, 3.0, -128, 127)` → (0.01568627450980392, −64),
# `(0.5, 2.0, 0, 255)` → (0.00784313725490196, 0), and `(0.0, 0.0, -128, 127)` → (1.0, 0).

# %% exercise="affine_qparams"
def affine_qparams(lo: float, hi: float, qmin: int, qmax: int) -> tuple[float, int]:
    """Scale and zero point that map [lo, hi], widened to contain 0, to the integers [qmin, qmax]; asymmetric."""
    ### BEGIN SOLUTION
    if not (math.isfinite(lo) and math.isfinite(hi)) or lo > hi:
        raise ValueError(f"lo and hi must be finite and in order, got {lo} and {hi}")
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if lo == hi:
        return 1.0, min(max(0, qmin), qmax)
    scale = (hi - lo) / (qmax - qmin)
    zero_point = round(qmin - lo / scale)
    return scale, min(max(zero_point, qmin), qmax)
    ### END SOLUTION

# %% check="affine_qparams"
check("15.affine_qparams", affine_qparams)

# %% [markdown] about="quantize"
# Turn real numbers into codes.
#
# - `x` is a float32 array of any shape; it may be empty, and it holds no NaN. `scale` is a float. Raise a `ValueError` if it is 0 or less.
# - Divide in float32: take `scale` as float32 too. Round the quotient to the nearest integer; an exact tie goes to the even one.
# - Add `zero_point`, an int in [qmin, qmax]. Then saturate: codes below qmin become qmin, codes above qmax become qmax. Infinities and huge values saturate as well.
# - Return an array of integers with the shape of `x`. Any integer dtype that holds all codes will do.
#
# For example [-0.25, 0.05, 0.15, 0.25, 0.35, 100, -100] with scale 0.1, zero point 3 and [-128, 127] → [1, 3, 5, 5, 7, 127, -128].
# [[0.5, 1.5], [2.5, -3.0]] with scale 1.0, zero point 0 and [0, 15] → [[0, 2], [2, 0]].

# %% exercise="quantize"
def quantize(x: np.ndarray, scale: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """clip(round(x / scale) + zero_point, qmin, qmax), divided in float32, ties to even: integers of x's shape."""
    ### BEGIN SOLUTION
    if scale <= 0:
        raise ValueError(f"scale must be above 0, got {scale}")
    steps = np.rint(x / np.float32(scale))
    return np.clip(steps + zero_point, qmin, qmax).astype(np.int32)
    ### END SOLUTION

# %% check="quantize"
check("15.quantize", quantize)

# %% [markdown] about="int_matmul"
# Multiply two matrices of codes exactly.
#
# - `a_q` (m × k) and `b_q` (k × n) are uint8 or int8 arrays, with any strides; the two types may differ. m may be 0, k and n are at least 1.
# - `a_zero` and `b_zero` are ints, each in the range of its array's type.
# - Return (a_q − a_zero) @ (b_q − b_zero) as an **int32** array (m × n). It has to be exact. k can be 4,096, and every result fits int32.
# - Raise a `ValueError` if the inner sizes differ, also if one of them is 1.
# - Leave the arguments unchanged.
#
# For example [[10, 20]] (uint8) with zero point 5, times [[1], [-2]] (int8) with zero point 1 → [[-45]].
# [[100, 100]] times [[100], [100]] (both int8, zero points 0) → [[20000]].
# [[0, 255], [7, 3]] with zero point 128, times [[255, 1], [2, 0]] with zero point 3 (both uint8) → [[-32383, -125], [-30367, 617]].

# %% exercise="int_matmul"
def int_matmul(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int) -> np.ndarray:
    """(a_q - a_zero) @ (b_q - b_zero) as int32; a_q (m, k) and b_q (k, n) are uint8 or int8."""
    ### BEGIN SOLUTION
    k = a_q.shape[1]
    if k != b_q.shape[0]:
        raise ValueError(f"inner sizes must agree, got {a_q.shape} and {b_q.shape}")
    a, b = a_q.astype(np.int32), b_q.astype(np.int32)
    rows, columns = a.sum(axis=1, keepdims=True), b.sum(axis=0)
    return (a @ b - a_zero * columns - b_zero * rows + k * a_zero * b_zero).astype(np.int32)
    ### END SOLUTION

# %% check="int_matmul"
check("15.int_matmul", int_matmul)

# %% [markdown] about="requantize"
# Bring an accumulator back to codes, without floats.
#
# - `acc` is an int32 array of any shape; it may be empty.
# - `multiplier` is a float, the M of the text. Raise a `ValueError` unless 0 < multiplier < 1 (NaN too is refused). The checks use no valid one below 3e-7.
# - The `our_requantize` above is given m0 and shift. Yours finds them itself, from the multiplier.
# - Compute acc · multiplier, rounded **once** to the nearest integer. Ties may go either way; the checks avoid them.
# - Add `zero_point`, an int, and saturate to [qmin, qmax]. Here qmin and qmax can be as wide as ±2^20.
# - Return an array of integers with the shape of `acc`.
# - The data stay integers: `acc` and what is computed from it never become floats. The multiplier is a float; you may take it apart with `math.frexp` and round it once.
#   A part of the points is for this.
#
# `math.frexp(m)` returns (fraction, exponent) with m = fraction · 2^exponent and 0.5 ≤ fraction < 1. A multiplier of 31 bits is exact enough.
#
# For example [12345, -12345, 1000000] with 0.0003, zero point 5 and [-128, 127] → [9, 1, 127] (the multiplier is 1,319,413,953 / 2^42).
# [[1, -1], [3, 10]] with 0.3, zero point 0 and [-128, 127] → [[0, 0], [1, 3]].

# %% exercise="requantize"
def requantize(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """clip(round(acc * multiplier) + zero_point, qmin, qmax) with integer arithmetic on the data; acc's shape."""
    ### BEGIN SOLUTION
    if not 0 < multiplier < 1:
        raise ValueError(f"multiplier must be in (0, 1), got {multiplier}")
    fraction, exponent = math.frexp(multiplier)
    m0, shift = round(fraction * 2**31), 31 - exponent
    half = 1 << (shift - 1)
    steps = (acc.astype(np.int64) * m0 + half) >> shift
    return np.clip(steps + zero_point, qmin, qmax)
    ### END SOLUTION

# %% check="requantize"
check("15.requantize", requantize)

# %% [markdown] about="pack_int4"
# Pack signed 4-bit values into bytes, and unpack them. Write both functions.
#
# `pack_int4(values)`:
# - `values` is a one-dimensional array of any signed integer dtype; it may be empty. A value outside −8 … 7 raises a `ValueError`.
# - Two neighbours share a byte: the first in the low 4 bits, the second in the high 4 bits, both in two's complement (−1 is 0xF, −8 is 0x8).
# - An odd last value gets a 0 as its neighbour. Return a **uint8** array; an empty array gives an empty one.
#
# `unpack_int4(data, n)`:
# - `data` is a one-dimensional uint8 array in the same layout. Return the first `n` values as an **int8** array. `n` is at most twice the length of `data`.
#
# For example [1, -8, 7, -1, 3] → the bytes 81 f7 03, and [-1, 2] → 2f. Back: 81 f7 03 with n = 5 → [1, -8, 7, -1, 3], and 2f with n = 2 → [-1, 2].

# %% exercise="pack_int4"
def pack_int4(values: np.ndarray) -> np.ndarray:
    """Signed 4-bit values as uint8, first value in the low nibble; ValueError outside [-8, 7]."""
    ### BEGIN SOLUTION
    if values.size and (values.min() < -8 or values.max() > 7):
        raise ValueError("values must be in [-8, 7]")
    nibbles = (values & 15).astype(np.uint8)
    if nibbles.size % 2:
        nibbles = np.append(nibbles, np.uint8(0))
    return nibbles[0::2] | (nibbles[1::2] << 4)
    ### END SOLUTION

def unpack_int4(data: np.ndarray, n: int) -> np.ndarray:
    """The first n 4-bit values of packed bytes as int8."""
    ### BEGIN SOLUTION
    nibbles = np.stack([data & 15, data >> 4], axis=1).ravel()[:n].astype(np.int8)
    return np.where(nibbles > 7, nibbles - 16, nibbles).astype(np.int8)
    ### END SOLUTION

# %% check="pack_int4"
check("15.pack_int4", pack_int4, unpack_int4)

# %% [markdown]
# ## Measure it
#
# The digits CNN has 9,802 parameters and is trained in FP32. Each tensor of weights gets one scale and the zero point 0. Each tensor of activations gets one scale and a free zero point; the ranges come from 128 training images.
# Before you run it: how many bits can it lose before the 540 test images show it?

# %% experiment
from utils.widgets.ch15_quantization import bits_chart, measure_bits

bits_rows = measure_bits()
bits_chart(bits_rows)

# %% experiment
for row in bits_rows:
    print(f"{row.bits} bits: weights {row.weight_sqnr_db:5.1f} dB (law {row.law_db:5.1f}),",
          f"activations {row.activation_sqnr_db:4.1f} dB;",
          f"right of {row.total}: {row.weights_correct} with weights only, {row.correct} with both")

# %% [markdown]
# Left: 6 dB a bit, as the law says, from 4 bits on. (The law is chapter 03's: errors spread evenly over a step. At 2 bits most weights are rounded to zero, and it does not hold.)
# Right: accuracy does not go down in steps. From 8 bits to 4 it stays inside the 95 % interval of FP32 (530 of 540 right). At 3 bits it falls, and at 2 bits it is gone.
# One of ten digits is right by chance.
#
# Now INT8 in a real engine. We write the network as ONNX with QuantizeLinear and DequantizeLinear around each layer, and ONNX Runtime fuses them into integer kernels.
# The last column is read from the graph that it executed.

# %% experiment
from utils.widgets.ch15_quantization import integer_rows, integer_table, integer_verdict

networks = integer_rows()
integer_table(networks)

# %% experiment
print(integer_verdict(networks))

# %% [markdown]
# Three things to see. QLinearConv and QGemm multiply integers. The file with INT8 *weights only* is as small, but its FusedConv and Gemm are FP32: smaller, not faster.
# The last network is nothing but this chapter's `quantized_linear` in NumPy.
# (On a processor with AVX2 and without VNNI some codes may differ: that is the 16-bit pair sum from above.)
#
# Is integer arithmetic faster? One product, three implementations, one thread each:

# %% experiment
from utils.compression.quantization.integer_speed import speed_rows
from utils.widgets.ch15_quantization import speed_table

speed_table(speed_rows())

# %% [markdown]
# ONNX Runtime's MatMulInteger has a kernel for the processor's integer instructions. NumPy has a fast library for float matrices and a plain loop for integers.
# The arithmetic is the same. Integers are fast where somebody wrote a kernel, and the hardware has instructions for it.
#
# With a CUDA device the next cell measures FP32, FP16, INT8 and more at 8192 × 8192. Without one it says so.

# %% experiment
from utils.widgets.ch03_fp32_fp16_int8 import gpu_table

gpu_table()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | the parameters of a model are usually FP32 | dated | true of classic vision models; today's large language models are mostly released in BF16, some in FP8 (DeepSeek-V3) or in MXFP4, 4-bit floats with a scale for each 32 (gpt-oss) |
# | 2 | quantization stores parameters in FP16, INT8 or INT4 | depends | FP16 is a *cast* to another float: no scale, no calibration. Quantization has a scale. ONNX's QuantizeLinear knows integers of 16, 8, 4 and 2 bits, FP8 and FP4 |
# | 3 | it reduces compute and memory | depends | memory always, by a little less than the bits say. Compute only with integer kernels; with weights alone the products stay floating-point |
# | 4 | the loss of accuracy stays acceptable | depends | nothing guarantees it. The digits MLP gets 526 of 540 images right at 8 bits, 525 at 4, 500 at 3, and 81 at 2 |
# | 5 | there are two kinds, online (in training) and offline (at conversion) | terminology | these are QAT and PTQ. "Online" and "dynamic" usually mean that *ranges of activations* are found at run time, which is another question |
# | 6 | industry mostly quantizes offline | holds | PTQ is the default of the engines' tools; QAT where PTQ loses too much, or for released 4-bit language models such as Google's Gemma 3 (2025) |
#
# Rows 2, 3 and 4 in numbers. The digits MLP has its weights rounded, one scale a tensor; the interval is Wilson's 95 %:

# %%
import onnx

from utils.compression.quantization.bits_sweep import weights_at
from utils.cost.edge_metrics import wilson_interval
from utils.networks.digits import load_digits_split, trained_digits

constraints = onnx.defs.get_schema("QuantizeLinear", 25).type_constraints
kinds = next(c.allowed_type_strs for c in constraints if "tensor(int8)" in c.allowed_type_strs)
print("row 2: QuantizeLinear writes", ", ".join(sorted(k[7:-1] for k in kinds)))
print(f"row 3: 4 bits, an FP16 scale and a 4-bit zero point for 128 weights: {effective_bits(4, 128, 16, 4):.3f} bits a weight")
_, x_test, _, y_test = load_digits_split()
mlp = trained_digits("mlp")
for bits in (8, 4, 3, 2):
    right = weights_at(mlp, x_test, y_test, bits)
    low, high = wilson_interval(right, 540)
    print(f"row 4: {bits} bits: {right} of 540 right, {low:.1%} to {high:.1%}")

# %% [markdown]
# ## Explain it
#
# A colleague quantized a model's weights to INT8. The file is a quarter of the size, but the model is exactly as slow as before. And one layer's output is shifted by a constant wherever the image is padded.
# Explain both in seven or eight sentences.
#
# A good answer names:
# 1. why the bytes shrink, and what the engine does with INT8 weights when activations are FP32;
# 2. what is missing for integer arithmetic, and how to see which kernels ran;
# 3. that hardware must have units, or the engine kernels, for the format;
# 4. what padding must contain, and what a wrong zero point does to a padded position;
# 5. one way to check the layer's parameters.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The weights take 1 byte instead of 4, so the file shrinks on any machine. But the activations are FP32: the engine turns the weights back into floats and multiplies as before.
# For integer arithmetic the activations need scales and zero points too, from calibration or at run time.
# I would write out the executed graph and look for QLinearConv or QGemm; if it shows Conv and Gemm, nothing runs in integers.
# Even then it is faster only if the processor has integer instructions and the engine has kernels that use them.
# The padded border must hold the code that stands for 0.0, the zero point. If it holds the code 0, or the zero point was computed wrongly, every padded position adds s · (0 − z) times its weight: a constant shift.
# I would check that dequantizing the zero point gives exactly 0.0, and run the layer with an input of zeros: its output has to be the bias everywhere, at the border too.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("15")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | quantization | 量化 | mapping real values to few levels |
# | code | 量化值 | the integer that stands for a level |
# | scale | 缩放因子 | real width of one step |
# | zero point | 零点 | integer that represents 0.0 |
# | symmetric, asymmetric | 对称、非对称 | zero point fixed at 0, or free |
# | saturation | 饱和截断 | clamping to the integer range |
# | round half to even | 四舍六入五成双 | ties go to the even integer |
# | accumulator | 累加器 | wide integer that sums products |
# | bias | 偏置 | constant that a layer adds to each output; here int32, in steps of s_x · s_w |
# | requantization | 重量化 | int32 accumulator to 8-bit output |
# | granularity | 量化粒度 | what shares one scale: tensor, channel, group |
# | clipping | 截断范围 | covering less than the whole range |
# | SQNR | 信号量化噪声比 | signal power over error power, in dB |
# | PTQ, QAT | 训练后量化、量化感知训练 | after or during training |
# | static, dynamic | 静态、动态 | ranges of activations from samples, once, or from each input |
# | calibration | 校准 | estimating the ranges of activations from samples |
# | two's complement | 补码 | how negative integers are stored |

# %% [markdown]
# ## Sources
#
# - B. Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, CVPR 2018, arXiv:1712.05877: the scheme, the integer multiplier.
# - ONNX operators: QuantizeLinear (opset 25), MatMulInteger, QLinearMatMul.
# - ONNX Runtime documentation, "Quantize ONNX models": U8S8, VPMADDUBSW and `reduce_range`; PTQ first, then QAT.
# - gemmlowp, `doc/quantization.md`: the four terms, requantization.
# - W. R. Bennett, *Spectra of Quantized Signals*, Bell System Technical Journal, 1948: errors spread evenly over a step.
# - A. Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*, 2021, arXiv:2103.13630.
# - M. Nagel et al., *A White Paper on Neural Network Quantization*, 2021, arXiv:2106.08295.
# - Google Developers Blog, "Gemma 3 QAT models", April 2025; OpenAI, gpt-oss model card, 2025, arXiv:2508.10925; DeepSeek-AI, *DeepSeek-V3 Technical Report*, 2024, arXiv:2412.19437.
