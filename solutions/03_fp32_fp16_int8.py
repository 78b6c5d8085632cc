# %% [markdown]
# # 03 · How do FP32, FP16 and INT8 differ?
# **FP32，FP16以及Int8的区别？**
#
# Which number format runs on which device? Is a drop in accuracy a bug, or a law of arithmetic?
# Three facts answer both: how many values a format has, where they lie on the number line, and what the hardware multiplies at full rate.
#
# About 120 minutes. No other chapter is needed.

# %% setup
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > FP32 has 1 sign, 8 exponent and 23 mantissa bits. FP16 has 1, 5 and 10. INT8 is an 8-bit integer.
# > INT8 needs a scale, and maybe a zero point, which are stored beside the tensor.
# >
# > Floats have a *relative* grid: about the same relative error over a wide range. INT8 has an *even* grid: the same absolute error everywhere.
# > The largest value sets INT8's step, so outliers ruin it. The signal-to-noise ratio is about 52.9 dB minus the crest factor in dB.
# >
# > Against FP32, bytes shrink 2 times with FP16 and 4 times with INT8, on any machine. Speed is up to the hardware.
# > Units for the format make it faster. A CPU without FP16 arithmetic can be tens of times slower.
# >
# > Training today is mostly BF16, in some large runs FP8, with FP32 accumulators and **master weights**: the FP32 copy that the optimiser updates.
# > Inference uses FP16, BF16, INT8, FP8 or 4-bit blocks. I validate on the task's metric, not on the weights' error.

# %% [markdown]
# ## How it works
#
# ### One sum in FP32, FP16 and BF16
#
# A model counts the valid tokens of a batch by adding up its mask: 4,096 ones. The mask has the model's number format, and so has the sum.
# Here it is in FP32, FP16 and BF16, rounded to the format after each addition. BF16 has 16 bits too: 1 sign, 8 exponent and 7 mantissa bits.

# %%
from utils.numerics.formats import BF16, FORMATS, FP16, FP32, round_to_format, spacing
from utils.numerics.half import accumulate

for fmt in (FP32, FP16, BF16):
    print(f"{fmt.name}: {accumulate(np.ones(4_096), fmt, 'sequential'):,.0f}")

# %% [markdown]
# FP16 stops at 2,048 and BF16 at 256. No value is too large for either format: FP16 reaches 65,504.
# So a format is more than its range. Let us look inside.
#
# ### A float is a sign, an exponent and a mantissa
#
# The number 0.1 as FP16. `S` marks the sign bit, `E` the exponent field, `M` the mantissa field.

# %%
from utils.numerics.formats import encode, fields

word = int(encode(0.1, FP16))
f = fields(word, FP16)
print(f"word 0x{word:04X} = S {f.sign}  E {f.exponent}  M {f.mantissa}")
print(f"exponent field {int(f.exponent, 2)}, mantissa field {int(f.mantissa, 2)} of 1024")
print("value:", (1 + int(f.mantissa, 2) / 1024) * 2.0 ** (int(f.exponent, 2) - 15))

# %% [markdown]
# The last line is the rule. A **bias** of 15 is taken off the exponent field, and a **hidden one** stands in front of the mantissa.
# The result is 0.09998, not 0.1. FP16 has no closer number.
#
# In general, let $s$ be the sign bit, $e$ the exponent field and $m$ the mantissa field, all read as whole numbers.
# The two lengths are $E$ exponent bits and $M$ mantissa bits. Then the value is
#
# $$(-1)^s \times 2^{e - \text{bias}} \times \left(1 + \frac{m}{2^M}\right), \qquad \text{bias} = 2^{E-1} - 1$$
#
# Two exponent fields are special:
# - **All zeros**: there is no hidden one, and the exponent is that of field 1. These are zero and the **subnormal** numbers.
# - **All ones**: infinity if the mantissa is 0, otherwise NaN (not a number).
#
# Two formats of 8 bits, together called **FP8**, carry their lengths in their names.
# **E5M2** has 5 exponent and 2 mantissa bits, **E4M3** has 4 and 3.
#
# The two lengths E and M decide everything else. E4M3, marked with a star, is the one exception:

# %%
print(f"{'':6}{'E':>2}{'M':>4}{'bits':>6}{'bytes':>6}{'largest':>12}{'smallest normal':>17}{'smallest':>10}{'step at 1.0':>13}"
      f"{'whole numbers to':>18}")
for key in ("fp32", "fp16", "bf16", "e5m2", "e4m3"):
    fmt = FORMATS[key]
    name = fmt.name + "*" * (key == "e4m3")
    print(f"{name:6}{fmt.exp_bits:2}{fmt.man_bits:4}{fmt.bits:6}{fmt.storage_bits // 8:6}{fmt.max_finite:12.5g}{fmt.min_normal:17.3g}"
          f"{fmt.min_subnormal:10.2g}{fmt.eps:13.3g}{fmt.max_consecutive_int:18,}")

# %% [markdown]
# The last column explains the sums above. From 2,048 on FP16's step is 2, so 2,049 lies halfway between 2,048 and 2,050: a tie.
# Hardware **rounds to nearest even**: the nearest number wins, and in a tie the one whose last mantissa bit is 0.
# Here that is 2,048, and the sum never moves again. BF16 is stuck in the same way at 256.
# That is why products in FP16 are summed in an FP32 **accumulator**.
#
# The star: E4M3 gives its top exponent back to numbers and keeps one mantissa pattern there for NaN.
# It has no infinity, and it reaches 448. The rule above would end at 240.
#
# ### A float's error is relative
#
# The **step** (also called ulp) is the distance to the next number. Compare it with the number itself.

# %%
for x in (0.01, 1.0, 100.0, 10_000.0):
    step = float(spacing(x, FP16))
    print(f"at {x:8g} FP16's step is {step:10.3g}, which is {step / x:.3%} of the number")

# %% [markdown]
# The step grows with the number, so the share stays between 0.05 % and 0.1 %. That is a *relative* grid.
# It holds for normal numbers. Below 0.000061 FP16's numbers are subnormal: the step stays the same, and the share grows.
#
# The **dynamic range** is the largest magnitude over the smallest one above zero. It is 65,504 / 6.0e-8 = 1.1e12 for FP16.
# The next format has far less.
#
# ### INT8 is an integer and a scale
#
# INT8 has 256 codes and no exponent. A real number is written as $x \approx \text{scale} \times (q - \text{zero point})$.
# The scale is a real number. It is stored once for a whole tensor, or once for each **channel**: a slice of the tensor,
# such as the weights that make one output.

# %%
from utils.numerics.int8 import affine_quantize as our_affine_quantize

x = np.array([-1.0, 0.0, 0.5, 3.0])
q, scale, zero_point = our_affine_quantize(x)
print("scale", scale, " zero point", zero_point)
print("codes", q, " back", scale * (q.astype(int) - zero_point))

# %% [markdown]
# The range −1 … 3 is spread over 255 steps of 4 / 255 = 0.0157. The code −64 stands for 0.0.
# The step is the same everywhere. So the limit of the *absolute* error is the same everywhere too: half a step, 0.0078.
# A value beyond the range gets the first or the last code. This is **saturation**; without it the code would wrap around.
#
# Zero must come back as exactly 0.0, because padding and ReLU produce it all the time. That is what the zero point is for.
# **Symmetric** quantization does without one: it uses the codes −127 … 127 and the zero point 0.
# Its dynamic range is 127 steps over 1 step, so 127 for any scale.
#
# ### One outlier
#
# Here are 200,000 Gaussian numbers. Then one of them becomes 100. The **SQNR** (signal-to-quantization-noise ratio)
# compares the power of the numbers with the power of their errors. 20 dB more means errors a tenth as large.

# %%
from utils.numerics.noise import absmax_scale, crest_factor_db, pick_8bit as our_pick_8bit, predicted_int8_sqnr_db

x = np.random.default_rng(0).standard_normal(200_000)
for name in ("Gaussian", "with one outlier"):
    winner, int8_db, e4m3_db = our_pick_8bit(x)
    print(f"{name:17} INT8 step {absmax_scale(x, 'int8'):.3f}   INT8 {int8_db:.1f} dB   FP8 (E4M3) {e4m3_db:.1f} dB   better: {winner}")
    x[0] = 100.0

# %% [markdown]
# The outlier stretched every step of INT8, from 0.037 to 0.787. FP8 did not notice: its small numbers keep their small steps.
#
# Two cures stay with INT8:
# - **Scales for each channel.** Say the largest absolute value is 0.5 in one channel and 8 in another. One scale gives both the step 8 / 127 = 0.063.
#   With a scale of its own the first channel has the step 0.5 / 127 = 0.0039. An outlier spoils only its own channel.
# - **Clipping.** Take a range that is smaller than the largest value. The few values beyond it saturate, all others get a finer step.
#
# Weights are known before the model runs, activations are not. **Calibration** runs sample inputs through the model
# and chooses the range of each activation from what it sees.
#
# ### A law for INT8
#
# Errors spread evenly over a step $\Delta$ have the power $\Delta^2 / 12$. With $\Delta = \max|x| / 127$ that gives
#
# $$\text{SQNR} = 10\log_{10} 12 + 20\log_{10} 127 - 20\log_{10}\frac{\max|x|}{\text{RMS}} = 52.9\ \text{dB} - \text{crest factor}$$
#
# The **crest factor** is the largest absolute value over the RMS (root of the mean square). So you can predict the noise before you quantize:

# %%
rng, n = np.random.default_rng(0), 200_000
tensors = {"uniform": rng.uniform(-1, 1, n), "Gaussian": rng.standard_normal(n), "Laplace": rng.laplace(size=n),
           "Student-t(3)": rng.standard_t(3, n)}
print(f"{'':14}{'crest':>9}{'predicted':>12}{'INT8':>10}{'E4M3':>10}")
for name, x in tensors.items():
    crest = crest_factor_db(x)
    _, int8_db, e4m3_db = our_pick_8bit(x)
    print(f"{name:14}{crest:6.1f} dB{predicted_int8_sqnr_db(crest):9.1f} dB{int8_db:7.1f} dB{e4m3_db:7.1f} dB")

# %% [markdown]
# The prediction is right to 0.5 dB. E4M3 stays near 31.6 dB whatever the shape, because its error is relative.
# So INT8 wins while the crest factor is below about 21 dB: a peak of 12 times the RMS.
#
# ### A product of INT8 tensors
#
# The scales are the same for the whole sum, so they come out of it. What is left are integers:
#
# $$\sum_k s_a (a_k - z_a)\, s_b (b_k - z_b) = s_a s_b \sum_k (a_k - z_a)(b_k - z_b)$$
#
# One product of two codes needs up to 16 bits, sign included: (−128)² = 16,384 = 2^14, one more than 15 bits hold.
# With zero points a factor can be as large as 255, and a product needs 17 bits. A sum needs more, so the accumulator is 32 bits wide.

# %%
a, b = np.array([[100, 100]], np.int8), np.array([[100], [100]], np.int8)
print("added up in int8:", (a @ b).item(), "  in int32:", (a.astype(np.int32) @ b.astype(np.int32)).item())

# %% [markdown]
# 20,000 became 32 in 8 bits. You will write the whole product in exercise 5.

# %% [markdown]
# ## See it
#
# ![Four rulers from −4 to 4. INT8 without an outlier: 251 even marks. E4M3: 251 marks, dense at zero. With an outlier at 100 INT8 keeps 11 marks, E4M3 177.](figure.svg)
#
# The picture shows where INT8 and FP8 have their numbers around 20,000 Gaussian values. One outlier at 100 leaves INT8 with 11 of its 251 marks, and E4M3 with 177.
# INT8's signal-to-noise ratio falls from 40.7 dB to 14.6 dB. E4M3's stays above 31 dB.
#
# **The bit painter.** Click a bit to flip it. From the keyboard: Tab to the bits, arrow keys to move, Space to flip, `+` and `-` for the next number.

# %% figure
from utils.widgets.bit_painter import bit_painter

bit_painter("fp16", 0.1)

# %% [markdown]
# **Number-line ruler.** Choose two formats and a tensor, and pull one value out of it.
# The marks show the numbers near zero, the steps how many there are at each magnitude, the last panel the errors.

# %% figure
from utils.widgets.ch03_fp32_fp16_int8 import ruler

ruler()

# %% [markdown]
# ## Exercises
#
# A *word* is the integer that holds a format's bits: sign, exponent, mantissa, from the top bit down.

# %% [markdown] about="format_limits"
# Compute the limits of a float format from its two lengths.
#
# - `exp_bits` is from 2 to 11, `man_bits` from 1 to 52. Fewer than 2 exponent bits raise a `ValueError`.
# - The format follows IEEE: the exponent field of all ones is kept for infinity and NaN. That holds for 4/3 too, so its largest number is 240.
# - Return a dict of floats with four keys:
#   - `max_finite`: the largest number;
#   - `min_normal`: the smallest positive number with a hidden one;
#   - `min_subnormal`: the smallest positive number at all;
#   - `eps`: the step from 1.0 to the next larger number.
#
# For example `format_limits(5, 10)` → 65504.0, 2^-14, 2^-24, 2^-10, and `format_limits(8, 7)` → 3.3895…e38, 2^-126, 2^-133, 2^-7. Results are exact, up to 11/52 (FP64).

# %% exercise="format_limits"
def format_limits(exp_bits: int, man_bits: int) -> dict[str, float]:
    """max_finite, min_normal, min_subnormal and eps of an IEEE-style format; ValueError for exp_bits < 2."""
    ### BEGIN SOLUTION
    if exp_bits < 2:
        raise ValueError(f"exp_bits must be >= 2, got {exp_bits}")
    bias = 2 ** (exp_bits - 1) - 1
    eps = 2.0**-man_bits
    min_normal = 2.0 ** (1 - bias)
    return {"max_finite": (2 - eps) * 2.0**bias, "min_normal": min_normal, "min_subnormal": min_normal * eps, "eps": eps}
    ### END SOLUTION

# %% check="format_limits"
check("03.format_limits", format_limits)

# %% [markdown] about="decode_word"
# Turn a word into its value.
#
# - The word has 1 sign bit, then `exp_bits` (2 to 11) exponent bits, then `man_bits` (1 to 52) mantissa bits. It is an `int`.
# - Zero keeps its sign: 0x8000 is −0.0. Exponent field 0 gives subnormal numbers.
# - An exponent field of all ones gives infinity with the sign, or NaN if the mantissa is not 0.
# - Raise `ValueError` unless `0 <= word < 2**(1 + exp_bits + man_bits)`.
# - The result is a `float`, exact for every word.
#
# For example with 5/10: 0x3555 → 0.333251953125, 0x0001 → 5.960464477539063e-08, 0xFC00 → −infinity, 0x7E00 → NaN.

# %% exercise="decode_word"
def decode_word(word: int, exp_bits: int, man_bits: int) -> float:
    """Value of one word of an IEEE-style format; ValueError unless 0 <= word < 2^(1 + exp_bits + man_bits)."""
    ### BEGIN SOLUTION
    if not 0 <= word < 2 ** (1 + exp_bits + man_bits):
        raise ValueError(f"word must fit into {1 + exp_bits + man_bits} bits, got {word}")
    mantissa = word % 2**man_bits
    exponent = (word >> man_bits) % 2**exp_bits
    sign = -1.0 if word >> (man_bits + exp_bits) else 1.0
    bias = 2 ** (exp_bits - 1) - 1
    if exponent == 2**exp_bits - 1:
        return math.nan if mantissa else sign * math.inf
    if exponent == 0:
        return sign * math.ldexp(mantissa, 1 - bias - man_bits)
    return sign * math.ldexp(2**man_bits + mantissa, exponent - bias - man_bits)
    ### END SOLUTION

# %% check="decode_word"
check("03.decode_word", decode_word)

# %% [markdown] about="affine_quantize"
# Quantize a tensor to signed integers with a scale and a zero point. Compute in float64.
#
# - `x` is a float64 array of any shape, not empty, without infinities. A NaN raises `ValueError` with "NaN" in the message.
# - Codes go from −2^(bits − 1) to 2^(bits − 1) − 1, for `bits` from 2 to 16. That is −128 … 127 for 8 bits.
# - The range goes from the smallest to the largest value of `x`. Widen it first so that it contains 0.
# - The scale spreads the range over all codes: the lowest code is for its lower end, the highest for its upper end.
# - `zero_point` is the code of 0.0: an integer among the codes.
# - `q` = x / scale, rounded to the nearest integer (a tie goes to the even one), plus `zero_point`, clipped to the codes.
# - Return `(q, scale, zero_point)`: `q` an array of a signed integer type with the shape of `x`, then a float and an int.
#
# Then every value comes back (`scale * (q - zero_point)`) no more than half a step away, the two ends included, and 0.0 comes back as 0.0.
# The check takes the difference `q - zero_point` in a wider type than int8, so `q` may be int8 itself where the codes fit.
# For a tensor of zeros the scale is 1.0, with any zero point among the codes. Where rounding leaves two zero points that fulfil all this, either one will do.
#
# For example [-1, 0, 0.5, 3] → codes [-128, -64, -32, 127], scale 0.01568627450980392 (4 / 255), zero point −64.
# With `bits=4`, [2, 4, 8] → codes [-4, 0, 7], scale 0.5333 (8 / 15), zero point −8. [-1, 0.25, 1] → scale 2 / 255; the highest code is 127.

# %% exercise="affine_quantize"
def affine_quantize(x: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float, int]:
    """(q, scale, zero_point) of signed quantization over the range of x and 0; ValueError "NaN" for a NaN."""
    ### BEGIN SOLUTION
    if np.isnan(x).any():
        raise ValueError("x must not hold NaN")
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    lo, hi = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (hi - lo) / (high - low)
    if scale == 0:
        return np.zeros(x.shape, np.int32), 1.0, 0
    zero_point = round(low - lo / scale)
    q = np.clip(np.rint(x / scale) + zero_point, low, high)
    return q.astype(np.int32), scale, zero_point
    ### END SOLUTION

# %% check="affine_quantize"
check("03.affine_quantize", affine_quantize)

# %% [markdown] about="pick_8bit"
# Which 8-bit format keeps more of a tensor: INT8 or FP8 E4M3?
#
# - `x` is a float64 array of any shape, finite and not all zero.
# - Both formats get one scale for the tensor, which puts the largest absolute value on the format's largest number: 127 for INT8, 448 for E4M3.
#   Divide by the scale, round to the nearest value of the format, multiply by the scale.
#   Ties do not matter: both neighbours have the same error.
# - INT8 is symmetric: the integers −127 … 127.
# - E4M3 has 1 sign, 4 exponent (bias 7) and 3 mantissa bits, and subnormals. Only the words 0x7F and 0xFF (all exponent and mantissa bits set) are NaN.
#   There is no infinity: the other words with the top exponent are numbers like any. That leaves 253 distinct values from −448 to 448.
# - SQNR in dB = 10·log10(sum of squares of `x` / sum of squares of the errors), and infinity if all errors are 0.
# - Return `(winner, sqnr_int8_db, sqnr_e4m3_db)`. The winner has the higher SQNR: `"int8"` or `"e4m3"`. Equal SQNRs count as `"int8"`.
#   The dB are checked to 0.2.
#
# For example [3.0, -2.9, 2.0, -1.7, 1.1] → ("int8", 51.105, 31.993).
#
# [100, 1, 0.5, -0.25, 0.1] → ("e4m3", 46.98, 85.00). Look at the second number: INT8 rounds the last four values to one step or to zero, and still gets 47 dB.
# SQNR measures energy, and nearly all of it is in the 100.

# %% exercise="pick_8bit"
def pick_8bit(x: np.ndarray) -> tuple[str, float, float]:
    """(winner, SQNR of INT8, SQNR of E4M3) in dB, each with max|x| scaled to its largest value, 127 and 448."""
    ### BEGIN SOLUTION
    positive = [math.ldexp((word & 7) + (8 if word > 7 else 0), max(word >> 3, 1) - 10) for word in range(127)]
    grid = np.array(positive)

    def sqnr(got: np.ndarray) -> float:
        noise = np.sum((got - x) ** 2)
        return math.inf if noise == 0 else float(10 * np.log10(np.sum(x**2) / noise))

    peak = np.abs(x).max()
    as_int8 = np.rint(x / (peak / 127)) * (peak / 127)
    scaled = x / (peak / 448)
    nearest = np.abs(np.abs(scaled)[..., None] - grid).argmin(-1)
    as_e4m3 = np.sign(x) * grid[nearest] * (peak / 448)
    int8_db, e4m3_db = sqnr(as_int8), sqnr(as_e4m3)
    return "int8" if int8_db >= e4m3_db else "e4m3", int8_db, e4m3_db
    ### END SOLUTION

# %% check="pick_8bit"
check("03.pick_8bit", pick_8bit)

# %% [markdown] about="int8_gemm"
# Multiply two quantized matrices with integer arithmetic.
#
# - `qa` (m × k) and `qb` (k × n) are int8 arrays, with any strides. `sa`, `sb` are positive floats. `za`, `zb` are ints from −128 to 127.
# - A code q of `qa` stands for `sa * (q - za)`; the same for `qb` with `sb` and `zb`.
# - Return the product of the two matrices that they stand for, as a float32 array (m × n). It must be exact but for the last rounding (relative 1e-6).
# - The idea is to sum integers in 32 bits and to scale once at the end, without turning the operands into floats. Only results are checked.
# - k can be 4,096. All sums, zero points included, fit into int32.
# - Raise `ValueError` when the inner sizes differ, also if one of them is 1.
#
# For example [[10, 20]] with 0.5 and 5, times [[1], [-2]] with 0.25 and 1 → [[-5.625]]: the integer sum is −45. With zero points 0 it is [[-3.75]].

# %% exercise="int8_gemm"
def int8_gemm(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """(sa (qa - za)) @ (sb (qb - zb)) as float32, with int32 accumulation."""
    ### BEGIN SOLUTION
    a, b = qa.astype(np.int32), qb.astype(np.int32)
    total = a @ b - zb * a.sum(axis=1, keepdims=True) - za * b.sum(axis=0) + a.shape[1] * za * zb
    return (total * (sa * sb)).astype(np.float32)
    ### END SOLUTION

# %% check="int8_gemm"
check("03.int8_gemm", int8_gemm)

# %% [markdown]
# ## Measure it
#
# The same matrix product, 384 × 384, in four formats on one CPU thread. The shortest of 5 times is kept.
# Before you run it: order FP32, BF16, FP16 and INT8 by time.

# %% experiment
from utils.widgets.ch03_fp32_fp16_int8 import matmul_chart, matmul_verdict, time_matmuls

rows = time_matmuls()
matmul_chart(rows)

# %% experiment
print(matmul_verdict(rows))

# %% [markdown]
# The bytes are the same on any machine: a half and a quarter. The order of the times is not.
# A format is fast where the processor has instructions for it: AVX512_BF16 or AMX for BF16, VNNI for INT8, AVX512_FP16 for FP16.
# Where it has none, the library converts the numbers or falls back to a slow loop.
# (One recorded run on this course's server: BF16 and INT8 were 1.7 and 3.1 times faster than FP32, FP16 took 57 times as long.)
#
# With a GPU the next cell measures the products at 8192 × 8192, FP8 included where the card has it. Without one it says so.

# %% experiment
from utils.widgets.ch03_fp32_fp16_int8 import gpu_table

gpu_table()

# %% [markdown]
# Now a whole network. A small CNN learns scikit-learn's digits for 2 epochs in FP32 and is exported to ONNX.
# ONNX Runtime turns it into INT8 in two ways:
# - **static**: the scales of the activations are measured before, by calibration on 128 training images;
# - **dynamic**: the scales of the activations are computed anew for each input.
#
# Which file is smallest, and which is fastest?

# %% experiment
from utils.widgets.ch03_fp32_fp16_int8 import digits_table, measure_digits, quantize_digits

digits = measure_digits(quantize_digits())
digits_table(digits)

# %% experiment
for row in digits:
    print(f"{row.name:13} {row.file_bytes / digits[0].file_bytes:.2f} of FP32's bytes, accuracy {row.accuracy - digits[0].accuracy:+.1%}, "
          f"{row.p50_ms / digits[0].p50_ms:.1f} times FP32's time")

# %% [markdown]
# Both INT8 files have about a quarter of the bytes, and their accuracy lies inside FP32's 95 % confidence interval. A difference of one or two images is chance.
# The column of operators proves that integer kernels ran. Without that check an "INT8 model" may be FP32 arithmetic with a small file.
# Dynamic INT8 pays for finding the range of each activation at run time. On a network this small that can cost more than the integers save.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | FP32 takes 4 bytes, FP16 2, INT8 1 | holds | and INT8 has a scale: one FP32 scale for 32 weights is 1 bit more for each, 9 bits |
# | 2 | INT8 is an 8-bit fixed-point integer | depends | quantized INT8 is scale × (q − zero point) with a real scale; fixed point is the case of a power of two |
# | 3 | mixed precision means FP32 and FP16 | dated | the recipe of 2018. Today usually BF16 and FP32; DeepSeek-V3, with 671 billion parameters, was trained in FP8 |
# | 4 | FP16 halves the memory of a model | depends | of the weights at inference. Mixed-precision training keeps an FP32 copy: 2 + 4 bytes a weight, 1.5 times FP32 |
# | 5 | some parameters must stay in FP32 | holds, loosely | above all accumulators, master weights, softmax and norms; sums of ones stop at 2,048 and 256 |
# | 6 | INT8: less data, less energy, faster | depends | less data always. Time and energy are saved only where the chip has integer units for it |
# | 7 | quantization error cannot be avoided | wrong as it stands | it is zero when all values lie on the grid: whole numbers to 2,048 in FP16, every FP16 number in FP32 |
# | 8 | training needs FP32 or more | dated | only accumulators and master weights do |
# | 9 | FP16 and INT8 hardly change the accuracy of inference | depends | FP16 almost always. INT8 with one scale depends on outliers |
# | 10 | lower precision is faster (implied) | wrong in general | see the matrix products under Measure it: FP16 can be many times slower |
#
# Row 5 was computed by the first sums of this chapter, row 10 by the matrix products under Measure it. Here are 1, 4, 7 and 9 in numbers:

# %%
print(f"row 1: {8 + 32 / 32:g} bits a weight with one FP32 scale for 32 weights")
weights = 8e9
print(f"row 4: 8e9 weights: FP32 {4 * weights / 1e9:g} GB; FP16 {2 * weights / 1e9:g} GB for inference; "
      f"FP16 with an FP32 copy {6 * weights / 1e9:g} GB")
whole = np.arange(-2048, 2049)
print("row 7: whole numbers to 2,048 that FP16 changes:", np.count_nonzero(round_to_format(whole, FP16) != whole))
halves = np.arange(65_536, dtype=np.uint16).view(np.float16).astype(np.float64)
finite = halves[np.isfinite(halves)]
print(f"       FP16's {finite.size:,} finite words that FP32 changes:", np.count_nonzero(round_to_format(finite, FP32) != finite))
x = np.random.default_rng(1).standard_normal(200_000)
x[:20] *= 100
_, int8_db, e4m3_db = our_pick_8bit(x)
print(f"row 9: Gaussian with 20 of 200,000 values times 100: crest factor {crest_factor_db(x):.0f} dB, "
      f"INT8 {int8_db:.0f} dB, E4M3 {e4m3_db:.0f} dB")

# %% [markdown]
# ## Explain it
#
# A colleague converted a model to INT8 with one scale for each tensor. The file is a quarter of the size, but the accuracy fell by 6 points, and it is no faster.
# "INT8 is just too coarse," she says. Answer in five or six sentences.
#
# A good answer names:
# 1. what sets INT8's step, and why outliers matter;
# 2. how to find the tensors that suffer (crest factor, SQNR, layer by layer);
# 3. a cure: scales for each channel, calibration that clips, or a higher precision (FP16, FP8) for some layers;
# 4. why the file shrinks without the time: which kernels ran, and what the hardware supports;
# 5. how to validate: on the task's metric, with enough data.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# With one scale the largest value of a tensor sets the step of all its values, so a few outliers make it coarse.
# I would compute the crest factor of weights and activations: the SQNR is 52.9 dB minus that, and the worst layers show at once.
# Weights get a scale for each output channel. Activations are calibrated with clipping, and the layers that still suffer stay in FP16.
# The file shrinks on any machine, the time only where integer kernels run. So I would list the operators that the runtime really executed, and check that the chip has INT8 units.
# Dynamic quantization also pays for finding ranges at run time.
# In the end I compare the task's metric on a set large enough to tell 6 points from chance.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("03")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | single precision | 单精度 | FP32, IEEE binary32 |
# | half precision | 半精度 | FP16, IEEE binary16 |
# | mantissa, significand | 尾数 | the fraction bits, with the hidden one in front |
# | exponent bias | 指数偏置 | what is taken off the exponent field |
# | subnormal | 非规格化数 | numbers below the smallest normal, with a fixed step |
# | ulp, step | 末位单位 | distance to the next number |
# | quantization error | 量化误差 | a value's distance from its place on the grid |
# | scale, zero point | 缩放因子、零点 | the map from integers to real numbers |
# | dynamic range | 动态范围 | the largest magnitude over the smallest one above zero |
# | crest factor | 峰均比（峰值因子） | the largest absolute value over the RMS |
# | SQNR | 信号量化噪声比 | power of the signal over power of the errors |
# | saturation | 饱和截断 | clipping to the first or last code instead of wrapping around |
# | accumulator | 累加器 | the wider register that holds a sum |

# %% [markdown]
# ## Sources
#
# - IEEE 754-2019: binary16 and binary32.
# - P. Micikevicius et al., *Mixed Precision Training*, ICLR 2018, arXiv:1710.03740.
# - P. Micikevicius et al., *FP8 Formats for Deep Learning*, 2022, arXiv:2209.05433.
# - Open Compute Project, *8-bit Floating Point Specification (OFP8)* 1.0, 2023: E4M3 and E5M2.
# - B. Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, CVPR 2018, arXiv:1712.05877.
# - T. Dettmers et al., *LLM.int8()*, NeurIPS 2022, arXiv:2208.07339: outliers in activations.
# - DeepSeek-AI, *DeepSeek-V3 Technical Report*, 2024, arXiv:2412.19437: training in FP8.
# - ONNX operator documentation, `QuantizeLinear`: rounding half to even, saturation.
