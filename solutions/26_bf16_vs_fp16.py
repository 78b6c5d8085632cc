# %% [markdown]
# # 26 · bfloat16 versus float16: what is the difference?
# **bfloat16 精度和 float16 精度的区别？**
#
# Both formats use 16 bits. One keeps the range of FP32, the other keeps more digits.
# That one choice decides whether training needs loss scaling, and whether a model that trained well returns NaN after export.
#
# About 90 minutes. It helps to know chapter 03 (how a float is laid out).

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > bfloat16 is FP32 with the lower half of the word rounded away. It has 8 exponent bits and 7 fraction bits, and it reaches 3.4e38.
# > float16 has 5 exponent bits and 10 fraction bits, and it ends at 65504.
# > From 2^-16 up to 65504 FP16 is finer, up to 8 times. Below 2^-17, about 7.6e-6, BF16 is finer. From 65520 on, FP16 gives infinity.
# >
# > Widening either one to FP32 is exact. Information is lost only when you narrow.
# >
# > Training in FP16 needs loss scaling, because small gradients become zero. BF16 does not need it.
# > But BF16 weights swallow small updates, so you keep FP32 master weights, or you round stochastically.
# >
# > Tensor cores run both at the same rate since NVIDIA's Ampere. BF16 is the default for training today.
# > FP16 is still common for inference, and on older and mobile chips.

# %% [markdown]
# ## How it works
#
# ### A bug to start with
#
# A model was trained in BF16 and works. Someone exports it to FP16, and it returns NaN.
# Here is the smallest version of that bug: one activation of 70,000.

# %%
from utils.numerics.formats import BF16, FP16, FP32, fields, round_to_format, spacing

activation = 70_000.0
in_bf16 = float(round_to_format(activation, BF16))
with np.errstate(over="ignore"):
    in_fp16 = float(np.float16(activation))
print(f"BF16 holds {in_bf16:,.0f}")
print(f"FP16 holds {in_fp16}, and {in_fp16} - {in_fp16} = {in_fp16 - in_fp16}")

# %% [markdown]
# BF16 stored 70,144: wrong by 0.2 %, but alive. FP16 stored infinity, and the next subtraction made a NaN of it.
#
# ### Where the 16 bits go
#
# The same number, 3.14, in three formats. `S` is the sign, `E` the exponent, `M` the fraction (mantissa).

# %%
def layout(word: int, fmt) -> str:
    f = fields(word, fmt)
    return f"{f.sign} {f.exponent} {f.mantissa}"


from utils.numerics.formats import encode

for fmt in (FP32, BF16, FP16):
    word = int(encode(3.14, fmt))
    digits = fmt.bits // 4
    print(f"{fmt.name:5} 0x{word:0{digits}X}  {layout(word, fmt):36} = {fields(word, fmt).value:.7f}")

# %% [markdown]
# Compare the first two rows. The BF16 word is the upper half of the FP32 word, rounded.
# FP16 has a shorter exponent with another bias (15 instead of 127), so its bits look different.
#
# A fraction of $m$ bits gives $m + 1$ significant bits, because normal numbers begin with a 1 that is not stored.

# %%
print(f"{'':6}{'largest':>12}{'smallest normal':>18}{'smallest at all':>18}{'step at 1.0':>14}")
for fmt in (FP32, BF16, FP16):
    print(f"{fmt.name:6}{fmt.max_finite:12.4g}{fmt.min_normal:18.3g}{fmt.min_subnormal:18.3g}{fmt.eps:14.3g}")

# %% [markdown]
# BF16 copies FP32's range almost exactly. FP16's step at 1.0 is 8 times smaller. Each format won one column.
#
# ### Which one is finer depends on the number
#
# The **step** (also called ulp) is the distance from a number to the next larger one in the format.
# Watch the steps as the numbers get smaller.

# %%
print(f"{'x':>8} {'FP16 step':>12} {'BF16 step':>12}   finer")
for exponent in (10, 0, -10, -14, -15, -16, -17, -18, -20, -24):
    x = 2.0**exponent
    a, b = float(spacing(x, FP16)), float(spacing(x, BF16))
    print(f"  2^{exponent:<4} {a:12.3g} {b:12.3g}   {'FP16, %gx' % (b / a) if a < b else 'BF16, %gx' % (a / b) if b < a else 'equal'}")

# %% [markdown]
# FP16's step stops shrinking at 2^-14. Below that its exponent field is 0, and it lives on **subnormal** numbers:
# a grid with the fixed step 2^-24. BF16's step keeps shrinking, by half with each **binade** (all numbers that share one exponent).
# At 2^-17 the two steps are equal. That is where the ranking flips.
#
# ### Widening loses nothing
#
# Going from 16 bits to FP32 is often blamed for losing precision. There are only 65,536 words, so we can try them all.

# %%
from utils.numerics.half import f32_bits_from_bf16, f32_bits_from_fp16

all_words = np.arange(65_536, dtype=np.uint16)
back = f32_bits_from_fp16(all_words).view(np.float32).astype(np.float16).view(np.uint16)
is_nan = (all_words & 0x7FFF) > 0x7C00
print("FP16 words that survive the round trip:", np.count_nonzero((back == all_words) | is_nan), "of 65536")
values = f32_bits_from_bf16(all_words).view(np.float32)
again = encode(values, BF16)
is_nan = (all_words & 0x7FFF) > 0x7F80
print("BF16 words that survive the round trip:", np.count_nonzero((again == all_words) | is_nan), "of 65536")

# %% [markdown]
# For BF16 it is a shift by 16 bits. For FP16 the exponent moves by 112 (127 − 15), and subnormals are renormalised.
# That is more work, but it is exact. You will write it in exercise 2.
#
# ### Narrowing rounds
#
# FP32 to BF16 is *not* cutting off the lower half. Cutting always goes toward zero, so the errors add up.
# Hardware and frameworks round to the nearest word, and a tie goes to the even one.

# %%
from utils.numerics.half import bf16_from_f32_bits

rng = np.random.default_rng(0)
x = rng.uniform(1, 2, 200_000).astype(np.float32)
for rounding in ("rtz", "rne"):
    y = f32_bits_from_bf16(bf16_from_f32_bits(x.view(np.uint32), rounding)).view(np.float32)
    print(f"{rounding}: mean relative error {np.mean((y.astype(np.float64) - x) / x):+.1e}")

# %% [markdown]
# `rtz` (round toward zero) is the cut. Its bias of −0.27 % is more than 1,000 times that of `rne` (round to nearest even).
#
# What happens to *every* BF16 number when it is narrowed to FP16? A census:

# %%
from utils.numerics.half import conversion_census

for source, target in ((BF16, FP16), (FP16, BF16)):
    print(f"{source.name} to {target.name}: {conversion_census(source, target)}")

# %% [markdown]
# BF16 has the larger **dynamic range** (largest over smallest number), so most of its words have no place in FP16:
# 28,672 overflow and 26,112 become zero.
# In the other direction nothing overflows and nothing vanishes. Most words only lose digits.
#
# ### Sums that stop growing
#
# Add ones, and round to the format after each addition.

# %%
from utils.numerics.half import accumulate

ones = np.ones(3_000)
for fmt in (FP16, BF16):
    print(f"{fmt.name}: 3,000 ones add up to {accumulate(ones, fmt, 'sequential'):,.0f}")
print(f"with an FP32 accumulator: {accumulate(ones, BF16, 'fp32'):,.0f}")

# %% [markdown]
# At 2048 FP16's step becomes 2, so adding 1 is a tie, and the even neighbour is 2048 itself. BF16 is stuck at 256.
# This is why matrix units accumulate in FP32. (The last line is 3,008, not 3,000: the exact sum is rounded once, at the end.)
#
# ### Weight updates that vanish
#
# A training step adds a small update to a weight. Let the weight be 1.0 and the update 0.001.

# %%
w = np.float32(1.0)
for step in range(1_000):
    w = np.float32(round_to_format(w + np.float32(0.001), BF16))
print("after 1,000 updates of 0.001:", w)

# %% [markdown]
# The weight never moved. BF16's step at 1.0 is 2^-7 = 0.0078, and an update below half a step rounds away. There are two cures:
#
# - **Master weights**: keep an FP32 copy that receives the updates; give the network its BF16 rounding.
# - **Stochastic rounding**: round up with a probability equal to the discarded fraction. Each step is noisier, the average is right.
#
# ### Gradients that vanish
#
# FP16 has the opposite trouble. Its numbers end at 6e-8, so small gradients become zero.
# **Loss scaling** multiplies the loss before the backward pass and divides the gradients after it.

# %%
from utils.numerics.half import underflow_fraction

gradients = (rng.standard_normal(100_000) * 1e-7).astype(np.float32)
for scale in (1, 64, 1024, 65536):
    lost16 = underflow_fraction(gradients, FP16, scale)
    lostbf = underflow_fraction(gradients, BF16, scale)
    print(f"loss scale {scale:6,}: FP16 loses {lost16:6.2%} of the gradients, BF16 {lostbf:.2%}")

# %% [markdown]
# A *dynamic* loss scaler finds the scale by itself. It halves the scale when a gradient overflows and skips that step.
# After many good steps it doubles the scale. You will write one in exercise 4.

# %% [markdown]
# ## See it
#
# ![The number 3.14159 as FP32, bfloat16 and float16 words: sign, exponent and fraction bits.](figure.svg)
#
# The picture shows π in three formats. BF16 stores 3.140625 (0x4049); FP16 stores 3.140625 as well (0x4248), by chance the same number.
# BF16's next number is 3.15625, FP16's is 3.142578: eight times closer.
#
# **The bit painter.** Click a bit to flip it. From the keyboard: Tab to the bits, arrow keys to move, Space to flip, `+` and `-` for the next number.

# %% figure
from utils.widgets.bit_painter import bit_painter

bit_painter("bf16", 3.14159265)

# %% [markdown]
# **Two rulers.** One slider moves a number over 50 powers of two. Watch the two staircases, the plateau and the wall.

# %% figure
from utils.widgets.ch26_bf16_vs_fp16 import two_rulers

two_rulers()

# %% [markdown]
# **Conversion map.** All 65,536 words of one format, coloured by what becomes of them in the other.

# %% figure
from utils.widgets.ch26_bf16_vs_fp16 import conversion_map_figure

conversion_map_figure()

# %% [markdown]
# **Loss-scale thermometer.** The gradients of a trained network on FP16's ruler. The slider is the loss scale.

# %% figure
from utils.widgets.ch26_bf16_vs_fp16 import thermometer

thermometer()

# %% [markdown]
# ## Exercises
#
# A *word* below is the integer that holds a format's bits: FP32 words are `uint32`, BF16 and FP16 words are `uint16`.

# %% [markdown] about="bf16_round"
# Round FP32 words to BF16 words.
#
# - `u32` is a `uint32` array of any shape. Return a `uint16` array of the same shape.
# - Round to the nearest BF16 number; a tie goes to the word whose last bit is 0.
# - Numbers that round past the largest BF16 number become infinity. Infinities stay, and the sign is always kept.
# - A NaN (exponent all ones, fraction not zero) becomes some NaN: any word with all exponent bits set and a non-zero fraction will do.
# - Leave `u32` unchanged.
#
# For example 0x3F808000 → 0x3F80, 0x3F818000 → 0x3F82, 0x3F808001 → 0x3F81, 0x7F7FFFFF → 0x7F80.

# %% exercise="bf16_round"
def bf16_round(u32: np.ndarray) -> np.ndarray:
    """FP32 words (uint32, any shape) to BF16 words (uint16, same shape), nearest even."""
    ### BEGIN SOLUTION
    u = u32.astype(np.uint64)  # room for the carry
    kept_last = (u >> 16) & 1
    rounded = (u + 0x7FFF + kept_last) >> 16
    is_nan = (u & 0x7FFFFFFF) > 0x7F800000
    return np.where(is_nan, (u >> 16) | 0x40, rounded).astype(np.uint16)
    ### END SOLUTION

# %% check="bf16_round"
check("26.bf16_round", bf16_round)

# %% [markdown] about="fp16_widen"
# Turn FP16 words into FP32 words, with integer or float32 arithmetic on the bits.
#
# - `h` is a `uint16` array of any shape. Return a `uint32` array of the same shape.
# - Every word must come out exact: both zeros, subnormals, infinities. A NaN keeps its sign and its fraction bits (they become the top 10 of FP32's 23).
# - Do not use a float16 type. `np.float16`, `ml_dtypes`, torch's `half` and `struct` fail the exercise: the check reads your code.
#
# FP16 has 5 exponent bits with bias 15 and 10 fraction bits. FP32 has 8 with bias 127, and 23.
# For example 0x3C00 → 0x3F800000, 0x0001 → 0x33800000, 0x7BFF → 0x477FE000.

# %% exercise="fp16_widen"
def fp16_widen(h: np.ndarray) -> np.ndarray:
    """FP16 words (uint16, any shape) to FP32 words (uint32, same shape), exactly."""
    ### BEGIN SOLUTION
    h = h.astype(np.uint32)
    sign, exponent, fraction = h >> 15, (h >> 10) & 31, h & 1023
    normal = ((exponent + 112) << 23) | (fraction << 13)
    special = (255 << 23) | (fraction << 13)
    subnormal = (fraction.astype(np.float32) * np.float32(2.0**-24)).view(np.uint32)
    magnitude = np.where(exponent == 31, special, np.where(exponent == 0, subnormal, normal))
    return (magnitude | (sign << 31)).astype(np.uint32)
    ### END SOLUTION

# %% check="fp16_widen"
check("26.fp16_widen", fp16_widen)

# %% [markdown] about="finer_format"
# Which format comes closer to a number?
#
# - `x` is a finite Python float of either sign that FP32 holds exactly.
# - Round `x` to FP16 and to BF16, to nearest even. The format with the smaller absolute error is finer.
# - A value that rounds to infinity has an infinite error. Equal errors are a tie, also when both are zero or both infinite.
# - Return `"fp16"`, `"bf16"` or `"tie"`. Here `np.float16` is allowed.
#
# For example 0.1 → `"fp16"`, 3e-6 → `"bf16"`, 1e-5 → `"tie"`, 70000.0 → `"bf16"`, 0.5 → `"tie"`.

# %% exercise="finer_format"
def finer_format(x: float) -> str:
    """Which of "fp16" and "bf16" has the nearest value closer to x; "tie" if both are equally close."""
    ### BEGIN SOLUTION
    with np.errstate(over="ignore"):
        fp16 = float(np.float16(x))
    word = np.array([x], np.float32).view(np.uint32)
    bf16 = float(((word + 0x7FFF + (word >> 16 & 1)) >> 16 << 16).view(np.float32)[0])
    error16, errorbf = abs(fp16 - x), abs(bf16 - x)
    if error16 == errorbf:
        return "tie"
    return "fp16" if error16 < errorbf else "bf16"
    ### END SOLUTION

# %% check="finer_format"
check("26.finer_format", finer_format)

# %% [markdown] about="LossScaler"
# Write a dynamic loss scaler.
#
# - `LossScaler(scale, growth, backoff, interval)` keeps the current factor in its attribute `scale`.
# - `step(grads)` gets a list of `float16` or `float32` arrays: gradients of the *scaled* loss.
#   - If any value in any array is not finite (infinity or NaN): multiply `scale` by `backoff` and return `None`. The step is skipped.
#   - Otherwise return a list of `float32` arrays: each gradient divided, in float32, by the scale that was in force when `step` was called.
# - After `interval` good steps in a row, multiply `scale` by `growth`. Count anew after a growth and after a skip.
#
# For example with `LossScaler(8, 2, 0.5, 2)` the outcomes ok, ok, inf, ok leave the scale at 8, 16, 8, 8.

# %% exercise="LossScaler"
class LossScaler:
    """Dynamic loss scaling: skip and back off on overflow, grow after `interval` good steps."""

    def __init__(self, scale: float, growth: float, backoff: float, interval: int) -> None:
        ### BEGIN SOLUTION
        self.scale, self.growth, self.backoff, self.interval = scale, growth, backoff, interval
        self.good = 0
        ### END SOLUTION

    def step(self, grads: list[np.ndarray]) -> list[np.ndarray] | None:
        """Unscaled float32 gradients, or None if the step must be skipped."""
        ### BEGIN SOLUTION
        if not all(np.isfinite(g).all() for g in grads):
            self.scale *= self.backoff
            self.good = 0
            return None
        unscaled = [g.astype(np.float32) / np.float32(self.scale) for g in grads]
        self.good += 1
        if self.good == self.interval:
            self.scale *= self.growth
            self.good = 0
        return unscaled
        ### END SOLUTION

# %% check="LossScaler"
check("26.LossScaler", LossScaler)

# %% [markdown] about="stochastic_bf16"
# Round to BF16 at random, so that the average is right.
#
# - `x` is a `float32` array of any shape whose values are finite and below 3e38 in magnitude; `rng` is a `np.random.Generator`.
# - Return a `float32` array of the same shape whose values BF16 can hold (the low 16 bits of each word are 0).
# - Each element becomes one of its two BF16 neighbours. The neighbour farther from zero comes with a probability equal to the discarded fraction:
#   the low 16 bits of the word, divided by 65,536. Elements that BF16 holds already stay as they are.
# - Draw for each element independently, from `rng`.
#
# For example 1.001 lies between 1.0 and 1.0078125, at 12.8 % of the way. So 1.0078125 comes in 12.8 % of the draws.

# %% exercise="stochastic_bf16"
def stochastic_bf16(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 values on the BF16 grid (float32, same shape), rounded up with the discarded fraction as probability."""
    ### BEGIN SOLUTION
    words = x.astype(np.float32).view(np.uint32)
    noise = rng.integers(0, 65_536, x.shape, dtype=np.uint32)
    return ((words + noise) & np.uint32(0xFFFF0000)).view(np.float32)
    ### END SOLUTION

# %% check="stochastic_bf16"
check("26.stochastic_bf16", stochastic_bf16)

# %% [markdown]
# ## Measure it
#
# A real two-layer network on scikit-learn's digits, trained with plain SGD for 20 epochs in four ways.
# Before you run it: which one will stall, and by how much?

# %% experiment
from utils.widgets.ch26_bf16_vs_fp16 import policy_table, run_policies

runs = run_policies(lr=1e-2, epochs=20, seed=0)
policy_table(runs)

# %% [markdown]
# With BF16 weights and nearest rounding nearly nine in ten non-zero updates change nothing, and the loss stays far behind.
# With stochastic rounding most updates change nothing either. But the few that do are right on average, and the loss keeps up with FP32.
#
# The other half of the story: which share of the gradients would FP16 flush to zero after 150 epochs with Adam?

# %% experiment
from utils.widgets.ch26_bf16_vs_fp16 import underflow_table

underflow_table()

# %% [markdown]
# With a GPU the next cell also measures the rate of a matrix product in each format. Without one it says so.

# %% experiment
from utils.widgets.ch26_bf16_vs_fp16 import gpu_rates

print(gpu_rates())

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | BF16 has 1 sign, 8 exponent and 7 fraction bits, made by Google for TPUs | holds | 1.0 is 0x3F80: the layout above |
# | 2 | FP16 has 1, 5 and 10 bits and is an IEEE format | holds | binary16 since IEEE 754-2008 |
# | 3 | BF16 has the exponent range of FP32 | holds, with fine print | the same smallest normal; the largest is 3.39e38 against 3.40e38; subnormals end at 9.2e-41, and some hardware flushes them |
# | 4 | BF16 to FP32 loses nothing | holds | a shift, tried for all 65,536 words |
# | 5 | FP16 to FP32 may lose precision | wrong | all 65,536 words survive; only the way there is longer. Loss happens on narrowing |
# | 6 | FP32 to BF16 is cutting off | wrong | round to nearest even; cutting is biased by −0.27 % |
# | 7 | BF16 is less precise than FP16 | depends | 8 times coarser between 6.1e-5 and 65504, 4 and 2 times in the two binades below, equal in [2^-17, 2^-16), finer below that |
# | 8 | FP16's range makes gradients vanish or explode | wrong words | those belong to the network; FP16 makes them *underflow* or *overflow*, and loss scaling cures both |
# | 9 | BF16 reduces precision loss in mixed precision | wrong | it removes range problems; its rounding error is 8 times larger, and updates below half a step vanish |
# | 10 | BF16 is for TPUs, FP16 for NVIDIA | dated | BF16 runs on TPU v2 and later, NVIDIA Ampere and later, AMD CDNA, Intel AVX512_BF16 and AMX, Armv8.6-A |
# | 11 | FP16 is faster on hardware that supports it | holds | and BF16 equally: 989 TFLOP/s dense for both on H100 SXM |
# | 12 | FP16 suits high-precision computing | depends | 11 bits are 3.3 decimal digits; a sum of ones stops at 2048 |
#
# Rows 5, 6, 7 and 12 were computed above. Here are rows 3 and 7 in numbers:

# %%
print(f"row 3: BF16 max {BF16.max_finite:.4e}, FP32 max {FP32.max_finite:.4e}")
print(f"       smallest normal: {BF16.min_normal:.3e} and {FP32.min_normal:.3e}; subnormal {BF16.min_subnormal:.2e} and {FP32.min_subnormal:.2e}")
for x in (1.0, 2.0**-15, 2.0**-16, 2.0**-17, 2.0**-18):
    print(f"row 7: at {x:.2e} BF16's step is {float(spacing(x, BF16)) / float(spacing(x, FP16)):g} times FP16's")

# %% [markdown]
# ## Explain it
#
# A colleague says: "BF16 is simply worse than FP16, it has fewer digits." Answer in five or six sentences.
#
# A good answer names:
# 1. the trade: three bits from the fraction to the exponent;
# 2. a magnitude at which FP16 is finer, and one at which BF16 is;
# 3. what happens above 65504 in each;
# 4. why FP16 training needs loss scaling and BF16 training does not;
# 5. what BF16 needs in return (FP32 master weights or stochastic rounding, FP32 accumulation).

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# BF16 moves three bits from the fraction to the exponent. So it keeps FP32's range and gives up digits.
# Near 1.0 FP16 is 8 times finer; below 2^-17 BF16 is finer, because FP16 is down to its subnormals.
# Above 65504 FP16 gives infinity, while BF16 goes on to 3.4e38.
# Gradients often lie below 1e-7, so FP16 training has to scale the loss; BF16 holds them as they are.
# The price is that small updates to BF16 weights round away. You keep FP32 master weights or round stochastically, and you accumulate in FP32.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("26")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | bfloat16, brain floating point | 脑浮点 | FP32 with a 7-bit fraction |
# | half precision | 半精度 | IEEE binary16, float16 |
# | round to nearest even | 向最近偶数舍入 | ties go to the word whose last bit is 0 |
# | truncation | 截断 | dropping the low bits |
# | stochastic rounding | 随机舍入 | rounding up with the discarded fraction as probability |
# | subnormal | 非规格化数 | numbers below the smallest normal, on a grid of fixed step |
# | step, ulp | 最小间距 | distance to the next larger number of the format |
# | loss scaling | 损失缩放 | multiplying the loss to lift the gradients |
# | master weights | 主权重 | the FP32 copy that receives the updates |
# | underflow | 下溢 | a result too small for the format becomes zero |
# | overflow | 上溢 | a result too large becomes infinity |
# | binade | 二进区间 | all numbers that share one exponent |
# | dynamic range | 动态范围 | ratio of the largest to the smallest number |

# %% [markdown]
# ## Sources
#
# - IEEE 754-2019, binary16 and binary32.
# - Google Cloud TPU documentation, "Improve your model's performance with bfloat16": rounding to nearest even, overflow to infinity.
# - D. Kalamkar et al., *A Study of BFLOAT16 for Deep Learning Training*, 2019, arXiv:1905.12322.
# - P. Micikevicius et al., *Mixed Precision Training*, ICLR 2018, arXiv:1710.03740.
# - Intel Software Developer's Manual, VDPBF16PS: denormals are flushed, rounding to nearest even.
# - PyTorch documentation, `torch.amp.GradScaler`: 65536, 2, 0.5 and 2000 are its defaults.
# - NVIDIA H100 data sheet: 989 TFLOP/s dense for BF16 and FP16 (SXM).
