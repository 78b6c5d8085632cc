# %% [markdown]
# # 01 · Why is model compression necessary and feasible?
# **模型压缩的必要性与可行性？**
#
# "Put the 8 B model on the phone." The file has 32 GB, the phone leaves you 6. Before you choose a method, two numbers decide:
# how small the model *must* get, and how small it *can* get. You will compute the first for real devices, and measure the second on a real network.
#
# About 90 minutes: 47 for the five exercises, the rest to read, measure and explain. Nothing is needed before it; chapters 11 (how to count parameters) and 12 (how to count operations) help.

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > Compression is *necessary* because a device has limits: memory capacity, memory bandwidth, energy, download size, latency.
# > For one user, a language model reads all of its weights for every token, a piece of a word. So 8 billion weights of 32 bits (FP32) on 60 GB/s give at most 1.9 tokens/s, and 15 with 4 bits.
# > By the usual 45 nm figures, fetching 32 bits from DRAM, the main memory, costs as much energy as about 140 multiply–adds in FP32. Fewer bytes are fewer joules.
# >
# > It is *feasible* because training needs more parameters than the learned function does. Weights bear noise, so 4 to 8 bits are enough.
# > Many can be removed. Matrices have few strong directions. A small network can imitate a large one.
# > Evidence: in the best case more than 95 % of a network's weights were predicted from the rest; Deep Compression made VGG-16 49 times smaller; SparseGPT removed half of the weights of a 175 B model without training it again.
# >
# > But there is a cliff. It lies elsewhere for each method, layer and task, and the average accuracy hides classes that fall first.
# > So I compute the need, measure the tolerance, and check class by class.

# %% [markdown]
# ## How it works
#
# ### The file and the phone
#
# A **parameter** or **weight** is one learned number. In FP32 it takes 32 bits, 4 bytes. How large are 8 billion of them, and what has a phone?

# %%
from utils.compression.feasibility.necessity import TARGET_DEVICES

phone = TARGET_DEVICES["Snapdragon 8 Gen 3 phone 12GB"]
print(f"8 billion weights in FP32: {8e9 * 32 / 8 / 1e9:.0f} GB")
print(f"{phone.name}: {phone.free_bytes / 1e9:.0f} GB for weights, {phone.mem_gb_s:.1f} GB/s")

# %% [markdown]
# The 6 GB are an assumption of this chapter: half of the 12 GB. The system, other apps and the model's own working memory share the rest.
# The 76.8 GB/s are the **bandwidth** of its DRAM: the bytes that its memory can deliver in a second, at best.
#
# ### Limit one: capacity
#
# 6 GB for 8 billion weights. With 8 bits to a byte, that leaves each weight

# %%
print(6e9 * 8 / 8e9, "bits")

# %% [markdown]
# FP32 does not fit, nor FP16, nor 8 bits. It takes an average of at most 6 **bits per weight**.
#
# ### Limit two: bandwidth
#
# A language model writes one **token**, a piece of a word, after the other. For a single user nearly all of its weights take part in every token.
# They are far too many for the caches, so each token reads them from DRAM once. That bounds the speed, however fast the processor is:
#
# $$\text{tokens/s} \le \frac{\text{bandwidth}}{\text{bytes of all weights}}$$

# %%
from utils.compression.feasibility.necessity import decode_ceiling_tokens_s

for bits in (32, 16, 8, 4):
    print(f"8 B weights, {bits:2} bits, 60 GB/s: at most {decode_ceiling_tokens_s(8e9, bits, 60):6.3f} tokens/s")

# %% [markdown]
# Half the bits, twice the bound. Is a bound of use? In 2024 the authors of ExecuTorch measured Llama 2 7B on a phone with this chip (a OnePlus 12), at 11.55 tokens/s.
# Its weights had 4 bits, with one FP32 scale for every 128 of them. (6.6 billion are counted: all but the embedding table, of which a token reads one row.)

# %%
from utils.cost.params.decoder_config import LLAMA2_7B
from utils.cost.params.decoder import matmul_params
from utils.cost.params import effective_bits

bits = effective_bits(4, group_size=128, scale_bits=32)
ceiling = decode_ceiling_tokens_s(matmul_params(LLAMA2_7B), bits, phone.mem_gb_s)
print(f"{bits} bits a weight: at most {ceiling:.1f} tokens/s; 11.55 measured are {11.55 / ceiling:.0%}")

# %% [markdown]
# The bound holds, and half of it was reached. In FP16 the bound is 5.8 tokens/s, and its 13 GB do not fit into 12.
# The price stood beside it: the perplexity on WikiText (lower is better) rose from 9.16 to 10.2.
#
# Both limits at once are one question. How many bits may a weight have, if the weights must fit *and* be read `tokens/s` times a second?

# %%
from utils.compression.feasibility.necessity import max_bits_per_weight

limits = max_bits_per_weight(8e9, phone.free_bytes, phone.mem_gb_s, tokens_per_s=10)
print(f"memory allows {limits.capacity_bits:.1f} bits, bandwidth {limits.bandwidth_bits:.2f}: "
      f"at most {limits.required_bits:.1f}, and {limits.limiting} decides")

# %% [markdown]
# ### Limit three: energy
#
# What costs energy is moving data. The classical table (Horowitz 2014) is for 45 nm chips. Newer ones need less; use it for the order of magnitude.
# SRAM is the small memory on the chip, here a cache of 8 KiB.

# %%
from utils.cost.edge_metrics.energy import ENERGY_PJ_45NM

for name in ("int8_add", "int8_mul", "fp32_add", "fp32_mul", "sram_32bit", "dram_32bit"):
    pj = ENERGY_PJ_45NM[name]
    print(f"{name:11} {pj:7.2f} pJ; {ENERGY_PJ_45NM['dram_32bit'] / pj:6,.0f} of them cost one DRAM access")

# %% [markdown]
# A multiply and an add, together a **MAC** (multiply–accumulate), cost 4.6 pJ in FP32. The weight that they use costs 640 pJ.
# A matrix of 1,000 × 1,000 weights and one input vector are a million MACs. The **activations** are the 1,000 inputs and 1,000 outputs; each passes the SRAM once:

# %%
from utils.compression.feasibility.necessity import energy_breakdown

for mac_bits, weight_bytes in ((32, 4e6), (8, 1e6)):
    e = energy_breakdown(1e6, weight_bytes, 2000 * mac_bits / 8, mac_bits=mac_bits)
    print(f"{mac_bits:2} bits: arithmetic {e.arithmetic_j * 1e6:5.2f} µJ, weights {e.weights_j * 1e6:6.1f} µJ, "
          f"activations {e.activations_j * 1e6:.4f} µJ")

# %% [markdown]
# The arithmetic is below 1 %. So a model that reads its weights from DRAM needs, for each inference, the bits it moves times their energy. Times the inferences per second, that is its power.
# The paper Deep Compression opens with this estimate: a billion FP32 weights, 20 times a second.

# %%
from utils.compression.feasibility.necessity import dram_power_w as our_dram_power_w

for bits in (32, 8, 4):
    print(f"1 billion weights, {bits:2} bits, 20 Hz: {our_dram_power_w(1e9, bits, 20):5.1f} W for the DRAM")

# %% [markdown]
# 12.8 W for the memory alone is more than a phone can carry off as heat. (This is a model of a 45 nm system, not a measurement of yours. Chapter 14 measures.)
# Download size and start-up time add to the list: they grow with the bytes too.
#
# ### What devices ask for
#
# All limits for 8 billion weights at 10 tokens/s. On boards, phones and laptops half of the memory is for weights; on the GPU it is 90 %.

# %%
from utils.compression.feasibility.necessity import necessity_report

print(f"{'':30} memory  bandwidth   required   bytes / FP32")
for device in TARGET_DEVICES.values():
    r = necessity_report(8e9, device, tokens_per_s=10)
    print(f"{device.name:30} {r.limits.capacity_bits:6.1f} {r.limits.bandwidth_bits:10.1f} {r.limits.required_bits:8.1f} bits "
          f"{r.required_ratio:10.3f}", "" if r.must_shrink else "(FP32 is fine)")

# %% [markdown]
# That is the *necessity*, as a number per device. The Raspberry Pi asks for 1.7 bits: at 10 tokens/s an 8 B model is out of its reach, and a smaller model is the answer.
# On the H100 nothing has to shrink for one user. There compression buys something else: more users at a time, or fewer GPUs.
#
# ### Can it shrink? First: noise
#
# Now the *feasibility*, on a network that fits on your table: it reads digits of 8 × 8 pixels and has three weight matrices and 17,226 parameters.

# %%
import torch

from utils.cost.edge_metrics.proportions import wilson_interval
from utils.widgets.ch01_why_compression import digits_baseline, digits_model

torch.set_num_threads(1)
model = digits_model()
right, n = digits_baseline()
low, high = wilson_interval(right, n)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
print(f"{right} of {n} test images right: {right / n:.1%}, 95 % interval {low:.1%} … {high:.1%}")

# %% [markdown]
# The **95 % interval** is the range in which the share right of all possible images lies, by a rule (Wilson's, chapter 14) that is right in 95 % of all such tests.
#
# Now we add random noise to all weights. Its strength is given relative to the weights of each matrix: 0.1 means a tenth of their root mean square.

# %%
from utils.compression.feasibility.tolerance import tolerance_curve
from utils.networks.digits import load_digits_split

_, X_test, _, y_test = load_digits_split()
for strength, acc in tolerance_curve(model, X_test, y_test, "noise", [0.05, 0.1, 0.2, 0.4, 0.8, 1.6]):
    print(f"noise {strength:4}: {round(acc * n)} of {n} right")

# %% [markdown]
# A fifth of noise on every weight, and hardly an image is lost. The network sums over many weights, and independent errors partly cancel.
#
# Rounding is such a noise. **Quantization** to *b* bits stores integers and one scale for each row of a matrix. How strong is the error, and what does it do?

# %%
from utils.compression.feasibility.tolerance import rounding_noise

for bits, acc in tolerance_curve(model, X_test, y_test, "bits", [8, 6, 4, 3, 2]):
    print(f"{bits} bits: error {rounding_noise(model, bits):.3f} of the weights, {round(acc * n)} of {n} right")

# %% [markdown]
# 4 bits lose 2 images of 540. At 3 bits the price begins, at 2 bits the network breaks. Chapter 15 shows how rounding is done well.
#
# ### Second: most weights can go
#
# **Pruning** sets weights to zero. The share of zeros is the **sparsity**. Which weights go matters:

# %%
from utils.compression.pruning import sparsity_curve

levels = [0.5, 0.7, 0.8]
smallest = sparsity_curve(model, (X_test, y_test), levels, "global", "magnitude")
rows = [sparsity_curve(model, (X_test, y_test), levels, "global", "random", seed=seed) for seed in range(5)]
for i, level in enumerate(levels):
    randoms = sorted(round(row[i] * n) for row in rows)
    print(f"{level:.0%} zeros: smallest first {round(smallest[i] * n)} right, at random {randoms[0]} … {randoms[-1]} (5 draws)")

# %% [markdown]
# Without the smallest half 5 images are lost. Without a random half it is more than 100. So *redundant* does not mean *useless*:
# the weights share the work, and only some can be spared. After **fine-tuning**, here training on with the zeros held, even 80 % can go. You will see that below, and chapter 16 explains it.
#
# ### Third: few directions
#
# A matrix of m × n turns n inputs into m outputs. Its **singular values** say how strongly it stretches each of its min(m, n) directions.
# Their squares add up to the sum of all squared entries, the matrix's **energy**. If a few directions hold most of it, two thin matrices can replace the large one.

# %%
from utils.widgets.ch01_why_compression import spectra

spectra()

# %% [markdown]
# The orange lines are random matrices of the same shapes: no structure at all, and still they need fewer than 64 directions for 90 %.
# So compare with them, not with 64. Training has left 28 against 42, and 19 against 43.
#
# One more measure needs no threshold. The **effective rank** is exp of the entropy of the normalised singular values: *n* for *n* equal ones, 1 for a single one.

# %%
from utils.widgets.ch01_why_compression import spectrum_table

spectrum_table()

# %% [markdown]
# ### Fourth: bits that carry nothing
#
# Some redundancy lies in the number format. A float32 word is a sign *s*, 8 bits of exponent *e* and 23 of mantissa *m*. For *e* from 1 to 254 it stands for ± 1.m · 2^(e − 127), with m behind a binary point. Zero has only zeros in *e* and *m*.
# `view` reads the bits of an array as integers:

# %%
w = np.float32([[1, 1.5], [2, -0.02]])
for value, word in zip(w.ravel(), w.ravel().view(np.uint32)):
    digits = f"{word:032b}"
    print(f"{value:5.2f}: sign {digits[0]}, exponent {digits[1:9]} = {int(digits[1:9], 2)}, mantissa {digits[9:]}")

# %% [markdown]
# BF16 is the upper half of the word: it keeps 7 bits of the mantissa. The exponents of weights are far from evenly spread.
#
# **Entropy** is the average number of bits that a perfect code needs: a symbol with the share p takes −log₂ p. Four equally frequent symbols need 2 bits, whatever width they are stored in.
# The bound below codes the exponents perfectly, and counts sign and mantissa as 8 full bits:

# %%
from utils.compression.coding import entropy_bits
from utils.compression.feasibility.redundancy import lossless_bound_bits

print("four symbols, equally often:", entropy_bits([0, 1, 2, 3]), "bits")
weights = np.concatenate([layer.weight.detach().numpy().ravel() for layer in model.linears])
print(f"digits network: {lossless_bound_bits(weights) - 8:.2f} of 8 exponent bits, {lossless_bound_bits(weights):.2f} of 16 in all")
for sigma in (0.001, 0.02, 1.0):
    drawn = np.random.default_rng(0).normal(0, sigma, 200_000).astype(np.float32)
    print(f"normal numbers, sigma {sigma}: {lossless_bound_bits(drawn) - 8:.2f} bits")

# %% [markdown]
# About 2.5 of 8 bits, at any scale: a bell curve spans few powers of two. Language models have about 2.6 (the DFloat11 paper).
# So BF16 weights shrink by up to a third without any loss, bit for bit; DFloat11 reaches 30 %. A real Huffman code comes close to the bound:

# %%
from utils.compression.bf16_coding import huffman_bf16

data, coding = huffman_bf16(weights)
print(f"{2 * len(weights):,} bytes in BF16, {len(data):,} coded: {coding.bits_per_weight:.2f} bits a weight")

# %% [markdown]
# ### What shrinks, and what does not
#
# Compression is more than "fewer parameters". For the middle matrix of our network, 64 × 128 = 8,192 weights, in bytes:

# %%
from utils.compression.sparsity.formats import format_bytes

for name, parameters, size in (
        ("FP32", 8192, 4 * 8192),
        ("4 bits and a scale a row", 8192, 8192 // 2 + 4 * 64),
        ("80 % zeros, stored as they are", 8192, 4 * 8192),
        ("80 % zeros, bitmap and values", 1638, format_bytes((64, 128), 1638, fmt="bitmap", item_bytes=4)),
        ("two factors of rank 10", 10 * (64 + 128), 4 * 10 * (64 + 128))):
    print(f"{name:31} {parameters:6,} parameters {size:7,} bytes")

# %% [markdown]
# Quantization keeps every parameter and makes it narrower. Zeros save nothing until a sparse format is used, and they save *time* only with hardware or a library that skips them.
# Low rank, removed channels and a smaller student network (**distillation**, chapter 25) make the arithmetic smaller for every machine.
#
# ### The cliff, and what an average hides
#
# Between "free" and "broken" lies a **knee**: the last level before the accuracy falls below what you allow. Is a fall real? A measured accuracy is itself uncertain.
# The **standard error** of a share p of n images is √(p (1 − p) / n):

# %%
from utils.compression.feasibility.tolerance import accuracy_standard_error

print(f"{right / n:.1%} of {n}: ± {accuracy_standard_error(right / n, n):.1%} (one standard error)")

# %% [markdown]
# 527 instead of 526 right after rounding to 6 bits is no improvement. It is noise. In this chapter we allow 2 points, at most 10 images.
# (The standard error is that of one accuracy. Two levels saw the same images: to compare them, count the images that only one of them has right, as in chapter 14.)
#
# And now 70 % of the weights removed, without training on: 4 points lost on average. By digit:

# %%
from utils.widgets.ch01_why_compression import class_table

class_table("sparsity", 0.7)

# %% [markdown]
# Four digits lost nothing, and three of these even gained. The 1 lost 8 images and the 9 lost 11 of its 54. For a product that mostly reads nines that is a fifth, not 4 %.
# On large image networks pruning does the same to rare classes (Hooker et al. 2019). That is why a release looks at groups, and not at one number.

# %% [markdown]
# ## See it
#
# ![Left: bits a weight over tokens per second for 8 billion weights on a Jetson Orin Nano Super. Memory allows 4 bits, bandwidth 10.2 bits at 10 tokens/s. Right: accuracy of the digits network over bytes relative to FP32. Fewer bits stay within 2 points down to 0.116, lower rank to 0.272, pruning without training to 0.438. The required 0.125 is met by fewer bits only.](figure.svg)
#
# 8 billion weights on a Jetson Orin Nano Super at 10 tokens/s: at most 4 bits a weight, and memory decides. That is 0.125 of FP32's bytes.
# Within 2 points the digits network allows 0.116 by fewer bits (3 bits, scales and biases included; 4 bits would be 0.147), 0.272 by lower rank and 0.438 by pruning without training on. So only fewer bits get there.
#
# **Need against can.** The necessity is a vertical line, the feasibility a cliff: it works if the line comes before the cliff.
# The limits are computed from data sheets. The curves are measured on the digits network; a language model has others, so read the argument and not its numbers.
# Try the Raspberry Pi with 0.5 billion weights, and look for the rate at which bandwidth takes over from memory.

# %% figure
from utils.widgets.ch01_why_compression import need_vs_can_explorer

need_vs_can_explorer()

# %% [markdown]
# ## Exercises
#
# GB and GB/s count in powers of ten. Only NumPy is imported (`np`).

# %% [markdown] about="required_bits"
# How many bits may a weight have on average?
#
# - The model has `n_params` weights. They must fit into `free_bytes` bytes.
# - It must write `tokens_per_s` tokens a second, and each token reads all weights once, at `bandwidth_bytes_s` bytes a second.
# - Return the largest average number of bits for which both hold, as a float. Do not round it. Nothing but the weights counts.
# - All arguments are numbers. Raise a ValueError if any of them is zero or negative.
#
# For example `(8e9, 4e9, 60e9, 10)` → 4.0: memory allows 4 bits, bandwidth 6. With 20 tokens/s, `(8e9, 4e9, 60e9, 20)` → 3.0.

# %% exercise="required_bits"
def required_bits(n_params: float, free_bytes: float, bandwidth_bytes_s: float, tokens_per_s: float) -> float:
    """Largest average bits per weight that fit the free memory and keep the decode rate."""
    ### BEGIN SOLUTION
    if min(n_params, free_bytes, bandwidth_bytes_s, tokens_per_s) <= 0:
        raise ValueError("all arguments must be positive")
    capacity = 8 * free_bytes / n_params
    bandwidth = 8 * bandwidth_bytes_s / (n_params * tokens_per_s)
    return min(capacity, bandwidth)
    ### END SOLUTION

# %% check="required_bits"
check("01.required_bits", required_bits)

# %% [markdown] about="dram_power_w"
# How many watts does it take to fetch the weights?
#
# - Each inference reads all `n_params` weights of `bits` bits from DRAM once, and there are `rate_hz` inferences a second.
# - Reading 32 bits costs `pj_per_32bit` picojoules (1 pJ = 1e-12 J).
# - The weights are packed without gaps, so the energy is proportional to the bits: a fraction of 32 bits costs that fraction. `bits` may be fractional.
# - Return the average power in watts as a float. A rate of 0 gives 0. No argument is negative, and `n_params` and `bits` are above 0.
#
# For example `(1e9, 32, 20, 640)` → 12.8 and `(1e9, 4, 20, 640)` → 1.6.

# %% exercise="dram_power_w"
def dram_power_w(n_params: float, bits: float, rate_hz: float, pj_per_32bit: float) -> float:
    """Average watts of reading all weights from DRAM once per inference, `rate_hz` inferences a second."""
    ### BEGIN SOLUTION
    accesses = n_params * bits / 32
    joules = accesses * pj_per_32bit * 1e-12
    return joules * rate_hz
    ### END SOLUTION

# %% check="dram_power_w"
check("01.dram_power_w", dram_power_w)

# %% [markdown] about="energy_rank"
# How many directions of a matrix hold a given share of its energy?
#
# - `W` is a float64 array of shape (m, n), with m and n at least 1 and finite entries.
# - The energy is the sum of the squared singular values. Return the smallest r, an int, for which the r largest of them hold at least the share `energy` of it.
# - Allow for rounding: compare the sum with `energy` · total · (1 − 1e-12). So a share of 1.0 does not count directions that are only rounding errors.
# - A matrix of zeros has r = 0.
# - Raise a ValueError if `energy` is not above 0 and at most 1.
#
# For example `(np.diag([3.0, 4.0]), 0.6)` → 1, because 16 of 25 is a share of 0.64, and with 0.65 it is 2.
# `(np.array([[0.0, 5.0], [0.0, 0.0]]), 1.0)` → 1.

# %% exercise="energy_rank"
def energy_rank(W: np.ndarray, energy: float) -> int:
    """Smallest r whose r largest squared singular values hold at least the share `energy` of their sum."""
    ### BEGIN SOLUTION
    if not 0 < energy <= 1:
        raise ValueError("energy must be in (0, 1]")
    squares = np.linalg.svd(W, compute_uv=False) ** 2
    if squares.sum() == 0:
        return 0
    held = np.cumsum(squares)
    return int(np.argmax(held >= energy * squares.sum() * (1 - 1e-12))) + 1
    ### END SOLUTION

# %% check="energy_rank"
check("01.energy_rank", energy_rank)

# %% [markdown] about="exponent_entropy"
# How many bits do the exponents of some weights really need?
#
# - `w` is a float32 array of any shape with finite values. Do not change it.
# - Round every value to bfloat16, to nearest with ties to even. A bfloat16 is the upper half of a float32 word: 1 bit of sign, 8 of exponent, 7 of mantissa.
# - Return the Shannon entropy, in bits, of the 8-bit exponent fields over all entries: −Σ p · log₂ p, where p are the shares of the fields that occur. It is a float.
# - A zero counts like any value. Its field is 0. The sign does not matter.
# - Raise a ValueError if `w` is empty.
#
# In magnitude no value is so large that it rounds to infinity, and none but zero is smaller than 1e-37.
#
# For example `[1, 1.5, 2, 4]` → 1.5: the fields are 127, 127, 128, 129. `[0, 1.9999999, 2, -2]` → 0.811278, because 1.9999999 rounds to 2.
# `[0.5, 0.75, 0.3, 0.2]` → 1.5.

# %% exercise="exponent_entropy"
def exponent_entropy(w: np.ndarray) -> float:
    """Shannon entropy in bits of the 8-bit exponent field of `w` in bfloat16."""
    ### BEGIN SOLUTION
    if w.size == 0:
        raise ValueError("w must not be empty")
    words = np.ascontiguousarray(w).view(np.uint32).ravel()
    rounded = (words + 0x7FFF + ((words >> 16) & 1)) >> 16  # half of the lower part, a little less where it is even
    fields = (rounded >> 7) & 0xFF
    p = np.unique(fields, return_counts=True)[1] / fields.size
    return float(-np.sum(p * np.log2(p)))
    ### END SOLUTION

# %% check="exponent_entropy"
check("01.exponent_entropy", exponent_entropy)

# %% [markdown] about="knee"
# How far may one go before the cliff?
#
# - `levels` lists what was tried, from mild to aggressive. They may be any numbers: bits fall, sparsity rises. `accuracies` has the accuracy at each level.
# - A level passes if its accuracy is at least `baseline` − `max_drop` − 1e-12. The 1e-12 is for rounding, so a level exactly at the limit passes. `max_drop` is 0 or more, in the unit of the accuracies.
# - Return the most aggressive level *before the first one that does not pass*. A level behind a failure does not count, even if it passes.
# - If already the first level fails, return None. If all pass, return the last one.
# - Raise a ValueError if the two lists differ in length. They have at least one entry.
#
# For example `([2, 4, 8, 16], [0.97, 0.96, 0.90, 0.965], 0.97, 0.02)` → 4, `([8, 4, 2], [0.972, 0.970, 0.646], 0.974, 0.02)` → 4,
# and `([0.5, 0.8], [0.90, 0.85], 0.97, 0.02)` → None.

# %% exercise="knee"
def knee(levels: list, accuracies: list[float], baseline: float, max_drop: float):
    """Most aggressive level before the first one whose accuracy is below baseline - max_drop; None if it is the first."""
    ### BEGIN SOLUTION
    if len(levels) != len(accuracies):
        raise ValueError("levels and accuracies must have one length")
    last = None
    for level, accuracy in zip(levels, accuracies):
        if accuracy < baseline - max_drop - 1e-12:
            break
        last = level
    return last
    ### END SOLUTION

# %% check="knee"
check("01.knee", knee)

# %% [markdown]
# ## Measure it
#
# Five ways to spoil the digits network, on one axis of bytes. Nothing is trained again except in the last one: there the pruned network trains for 6 more passes over its data, its zeros held.
# "Noise" is random noise exactly as strong as the rounding; it saves nothing and shows what the rounding *should* do.
# Before you run it: which method stays flat longest? Does a rounding error hurt more or less than noise of its size?

# %% experiment
from utils.widgets.ch01_why_compression import digits_curves, finetuned_curve, tolerance_picture

curves = {**digits_curves(), "fine-tuned": finetuned_curve()}
tolerance_picture(curves)

# %% [markdown]
# Down to 3 bits the network does not care whether it is noise or rounding. At 2 bits rounding is worse: with three values left, the errors are no longer independent of the weights.
# Six passes of training move the cliff of pruning from 60 % to 80 % zeros. Which methods combine, and in which order, is the subject of chapter 37.
#
# All levels with their intervals:

# %% experiment
from utils.widgets.ch01_why_compression import tolerance_table

tolerance_table(curves)

# %% [markdown]
# Look at the widths of the intervals: about 3 points where the network is good. Differences of one or two images are not findings.
#
# And the digit by digit account of 2 bits, where the average says 65 %:

# %% experiment
class_table("bits", 2)

# %% [markdown]
# All 54 images of a 1 that were read correctly are now wrong, and three digits got better.
#
# Last, the bandwidth. A matrix times a vector in FP32 uses each weight once, as a language model does for one token.
# Small matrices stay in the processor's cache, the large one comes from DRAM in every pass. The numbers belong to this machine and this moment.

# %% experiment
from utils.widgets.ch01_why_compression import gemv_table

gemv_table()

# %% [markdown]
# The arithmetic per weight is the same in all rows: 2 FLOPs, a multiplication and an addition. What differs is where the weights come from. "passes/s" of the last row is what a one-matrix model of that size could reach.
# With a CUDA device the next cell measures its bandwidth and computes the bound for 8 billion weights. Without one it says so.

# %% experiment
from utils.widgets.ch01_why_compression import gpu_ceiling

gpu_ceiling()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | compression yields a light model with comparable performance | depends | up to a knee: the digits network has 526 of 540 images right in FP32, 524 at 4 bits and 349 at 2 bits; 526 with 80 % zeros after fine-tuning, and 472 without it |
# | 2 | a compressed model has a smaller structure and fewer parameters | wrong in general | quantization, weight sharing and entropy coding keep all 17,226 parameters; zeros keep the shape |
# | 3 | it lowers compute and storage, which helps on edge devices | depends | every method saves storage, except zeros that are stored as they are. Smaller matrices save compute on every machine, narrow numbers only where kernels for them exist. Energy is data movement, 640 pJ against 4.6 for the arithmetic |
# | 4 | real-time needs and memory make it important, on devices and online | holds | 8 B weights on 60 GB/s: at most 1.9, 3.75, 7.5 and 15 tokens/s with 32, 16, 8 and 4 bits |
# | 5 | not all parameters play a role; some are redundant | holds, needs care | in the best case 95 % were predictable from the rest; but after 80 % are removed at random, less than a quarter of the images is right |
# | 6 | redundant parameters may even lower performance | depends | 527 instead of 526 at 6 bits is noise. Larger networks mostly generalise *better*, beyond the size that fits the training data (double descent) |
# | 7 | the number of parameters expresses complexity to some extent | holds | it gives the bytes, and says little about time: chapters 07 and 12 |
# | 8 | (left out) lossless redundancy | gap | BF16 exponents carry about 2.6 of 8 bits: up to a third for nothing, bit for bit |
# | 9 | (left out) what the average hides | gap | 4 points lost overall at 70 % zeros, and a fifth of the nines |
#
# Rows 3, 4, 5, 8 and 9 were computed above, and the measurements of rows 1 and 6 too. Here is row 2 in numbers:

# %%
from utils.compression.feasibility.tolerance import relative_bytes, spoiled
from utils.widgets.ch01_why_compression import digits_model

for bits in (8, 4, 2):
    count = sum(p.numel() for p in spoiled(digits_model(), "bits", bits).parameters())
    print(f"row 2: {bits} bits, {count:,} parameters, {relative_bytes(digits_model(), 'bits', bits):.3f} of the bytes")

# %% [markdown]
# ## Explain it
#
# A product manager asks you: "The model works on our server. Why should we spend four weeks on compressing it for the Jetson?"
# The model has 8 billion weights in FP16, the Jetson Orin Nano Super 8 GB and 102.4 GB/s, and 10 tokens/s are wanted. Answer in six or seven sentences.
#
# A good answer names:
# 1. the limit that decides, with a number, and which limit does not;
# 2. what the user gets from it;
# 3. a method that reaches the number, and why a network bears it;
# 4. the risk, and how you would measure it;
# 5. what happens without it.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The weights have 16 GB in FP16, and the Jetson has 8 for everything. If half of that is for weights, each may have 4 bits. Bandwidth is not the problem at 10 tokens/s: it would allow 10 bits.
# With 4 bits the model runs on the device: no network, no server bill for each answer, and the data stay with the user.
# Rounding to 4 bits is a well-known step. It works because a trained network sums over many weights and bears noise on each of them.
# The scales of the groups cost a little more than 4 bits, so I would check early whether a slightly smaller model is the safer choice.
# The risk is a cliff and uneven losses: I measure before and after on our own tasks, for each group of users and for rare cases, with intervals.
# Most of the four weeks go into that. Without compression the model does not run on this device at all, and we ship a larger box or a server.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("01")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | model compression | 模型压缩 | fewer bytes or operations at similar quality |
# | necessity, feasibility | 必要性、可行性 | the limits of the device; the redundancy of the model |
# | redundancy | 冗余 | what can be left out without loss |
# | over-parameterisation | 过参数化 | more parameters than the learned function needs |
# | memory bandwidth | 内存带宽 | bytes that DRAM delivers in a second |
# | token | 词元 | the piece of text that a language model writes in one step |
# | bits per weight | 每权重比特数 | average storage of a weight, with scales and indices |
# | compression ratio | 压缩比 | original bytes over compressed bytes |
# | quantization | 量化 | integers and a scale instead of floats |
# | pruning, sparsity | 剪枝、稀疏度 | setting weights to zero; the share of zeros |
# | distillation | 蒸馏 | training a small network to imitate a large one |
# | singular value | 奇异值 | how strongly a matrix stretches one of its directions |
# | effective rank | 有效秩 | number of directions, by the entropy of the singular values |
# | entropy | 熵 | average bits of a perfect code |
# | lossless compression | 无损压缩 | every bit comes back |
# | accuracy cliff, knee | 精度拐点 | where quality breaks; the last level before it |
# | standard error | 标准误 | the noise of a measured accuracy |
# | 95 % interval | 95 % 置信区间 | plausible range of the true share |
# | fine-tuning | 微调 | training a trained network on |
# | MAC | 乘加运算 | a multiplication and an addition |

# %% [markdown]
# ## Sources
#
# - M. Horowitz, *Computing's Energy Problem (and what we can do about it)*, ISSCC 2014, figure 1.1.9: energies at 45 nm. The 640 pJ for 32 bits of DRAM are as quoted by Han et al.
# - S. Han, H. Mao, W. Dally, *Deep Compression*, ICLR 2016, arXiv:1510.00149: 12.8 W, VGG-16 49 times smaller.
# - M. Denil et al., *Predicting Parameters in Deep Learning*, NIPS 2013, arXiv:1306.0543: more than 95 % of the weights predicted in the best case.
# - E. Frantar, D. Alistarh, *SparseGPT*, 2023, arXiv:2301.00774: 50 to 60 % of OPT-175B's weights removed in one shot.
# - T. Zhang et al., *70% Size, 100% Accuracy: Lossless LLM Compression (DFloat11)*, 2025, arXiv:2504.11651: 2.6 bits of exponent, 30 % smaller.
# - O. Roy, M. Vetterli, *The Effective Rank*, EUSIPCO 2007.
# - Y. LeCun, J. Denker, S. Solla, *Optimal Brain Damage*, NIPS 1989: removing weights of a trained network.
# - M. Belkin et al., *Reconciling Modern Machine-Learning Practice and the Classical Bias–Variance Trade-off*, PNAS 2019: double descent.
# - S. Hooker et al., *What Do Compressed Deep Neural Networks Forget?*, 2019, arXiv:1911.05248: losses concentrate on rare and hard images.
# - pytorch/executorch, examples/models/llama2/README.md, April 2024: Llama 2 7B in 4 bits, 11.55 tokens/s on a OnePlus 12; WikiText perplexity 9.16 and 10.2.
# - Devices: Raspberry Pi documentation, BCM2712; Qualcomm, Snapdragon 8 Gen 3 (LPDDR5X at 4,800 MHz; a 64-bit bus as others report); Apple, MacBook Air (M2); NVIDIA, Jetson Orin Nano Super Developer Kit and H100 data sheets.
