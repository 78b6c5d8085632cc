# %% [markdown]
# # 02 · How do x86 and ARM differ for deep learning?
# **X86和ARM架构在深度学习侧的区别？**
#
# An INT8 model was validated on a new server. On an older one it answers differently, and nobody changed it. On an Arm machine it is right again, at another price.
# This chapter looks at what decides that: not "x86 or Arm", but one instruction that multiplies and adds bytes. You will emulate it to the bit.
#
# About 100 minutes: 68 for the five exercises, the rest to read, measure and explain. It helps to know chapter 15 (what INT8 codes and scales are).

# %% setup
import numpy as np


def smmla(acc, a, b):
    """One SMMLA instruction: acc + a bᵀ. acc is (2, 2) int32, a and b are (2, 8) int8."""
    if acc.shape != (2, 2) or a.shape != (2, 8) or b.shape != (2, 8):
        raise ValueError(f"SMMLA takes (2, 2), (2, 8) and (2, 8), got {acc.shape}, {a.shape} and {b.shape}")
    return (acc + a.astype(np.int64) @ b.T.astype(np.int64)).astype(np.int32)

# %% [markdown]
# ## The short answer
#
# > The instruction set is a contract: which instructions a program may use. It decides neither speed nor power. Those come from the design of the core, its vector and matrix units, caches, memory bandwidth, clock and process.
# >
# > For inference I look at the extensions. x86 has AVX2, AVX-512 with VNNI (64 INT8 multiply–accumulates an instruction) and AMX (16,384). Arm has NEON with SDOT (16) and SMMLA (32), then SVE and SME. x86 exists at 6 W, and Arm runs in clouds and in supercomputers.
# >
# > What bites in practice is numbers. Without VNNI, x86 adds pairs of products in 16 bits and saturates. Weights of 7 bits avoid it. x86 wants unsigned times signed bytes, so signed activations are shifted by 128 and corrected. Arm multiplies signed bytes directly.
# >
# > Then: BF16 and FP16 support, which kernel library the runtime has for the chip, the weaker memory order of Arm, page sizes, container images.
# >
# > I choose by cost of a result within the latency limit. And often a GPU or NPU does the heavy part anyway.

# %% [markdown]
# ## How it works
#
# ### Four products, two answers
#
# Here is the smallest piece of an INT8 model: four activations (unsigned bytes) times four weights (signed bytes), summed. We ask two instructions of x86, emulated bit by bit.

# %%
import numpy as np

from utils.hardware import isa

a, w = np.uint8([255, 255, 255, 255]), np.int8([127, 127, 127, 127])
print("exact:     ", (a.astype(int) * w).sum())
print("VPDPBUSD:  ", isa.vpdpbusd(np.int32([0]), a, w)[0])
print("VPMADDUBSW:", isa.vpmaddubsw_dot(a, w))

# %% [markdown]
# One of them is off by a factor of two. Where did it go?

# %%
from utils.widgets.ch02_x86_vs_arm import lanes_picture

lanes_picture([255] * 4, [127] * 4)

# %% [markdown]
# VPMADDUBSW adds two products and has 16 bits for the sum. 64,770 does not fit, so the hardware returns the largest number that does: 32,767. That is **saturation**. No flag is set, and no error is raised.
# VPDPBUSD is newer; it belongs to the extension **VNNI**. It adds four products into 32 bits, where nothing is lost. VPMADDUBSW is what the older extension **AVX2** offers.
#
# Both instructions belong to x86. Which of them a processor has decides the result of the same model.
#
# ### The words
#
# - An **instruction set** (ISA) is the contract between software and processor: the instructions, the registers, how memory behaves. **x86-64** is that of Intel's and AMD's processors. **AArch64** is the 64-bit one of Arm; Arm designs it, and many companies build chips for it.
# - A **microarchitecture** is how one chip carries the contract out. Zen 4 and Haswell are microarchitectures of x86-64. Cortex-A76 and Neoverse V1 are two of AArch64.
# - **SIMD** (single instruction, multiple data): one instruction works on many numbers, the **lanes** of a vector register.
# - An **extension** adds instructions to a set. A program has to ask whether the chip has it.
# - x86 was called **CISC** (complex instructions, 1 to 15 bytes long) and Arm **RISC** (simple ones, 4 bytes each). Today an x86 core splits its instructions into **micro-operations** first, and Arm cores do so with some of theirs.
#
# Does a longer instruction do more? Count the multiply–accumulates (MACs: one product, added to a sum) of one instruction:

# %%
from utils.widgets.ch02_x86_vs_arm import instruction_table

instruction_table()

# %% [markdown]
# (u8 is an unsigned byte, s8 a signed one. Widths: SDOT and SMMLA 128 bits, VPMADDUBSW 256, VPDPBUSD 512. VPMADDUBSW leaves sums of two; adding them up takes two more instructions.) The extension decides, not the family: x86 spans 32 to 16,384, and Arm's SMMLA does 32 with an instruction of 4 bytes.
# How many of them start in a cycle is another matter. That belongs to the microarchitecture.
#
# ### A peak from a few numbers
#
# A Raspberry Pi 5 is a small board with four Arm cores at 2.4 GHz. Each core has two vector units of 128 bits. What can it do in FP32?

# %%
lanes = 128 // 32
flops_a_cycle = lanes * 2 * 2  # two units, and a fused multiply-add is two operations
print(f"{lanes} lanes, {flops_a_cycle} FLOP a cycle and core, {4 * 2.4 * flops_a_cycle:.1f} GFLOP/s for four cores")

# %% [markdown]
# $$\text{peak} = \text{cores} \cdot \text{GHz} \cdot \frac{\text{vector bits}}{\text{element bits}} \cdot \text{units} \cdot 2$$
#
# The same formula for seven processors of both kinds, from 6 W to 360 W. A **TDP** (thermal design power) is the power that the cooling is made for. The **ridge** is the number of FLOPs for each byte from memory above which arithmetic, not memory, is the limit (chapter 07).

# %%
from utils.widgets.ch02_x86_vs_arm import cpu_table

cpu_table()

# %% [markdown]
# Graviton3 is Amazon's own server chip. A64FX was built by Fujitsu for the supercomputer Fugaku. Does the formula hold? Top500, the list of the fastest supercomputers, states Fugaku's FP64 peak: 537,212 TFLOP/s with 158,976 chips.

# %%
from utils.hardware import isa

a64fx = isa.CPUS["A64FX"]
fp64 = isa.peak_gflops(a64fx.cores, a64fx.ghz, a64fx.vector_bits, 64, a64fx.fma_units)
print(f"{fp64:,.1f} GFLOP/s a chip, {fp64 * 158_976 / 1000:,.0f} TFLOP/s in all")

# %%
from utils.widgets.ch02_x86_vs_arm import peaks_picture

peaks_picture()

# %% [markdown]
# Three things to see:
#
# - In FP32, the largest chips of both kinds lie within 40 % of each other.
# - In INT8 the extension decides: AMX, a matrix unit, lifts one x86 chip to 229 TOPS (10^12 operations a second). The Arm server chip is ahead of the other x86 one.
# - "Not known" stays not known. A chip without a dot-product instruction needs several instructions for a product, and how fast those are was not confirmed.
#
# Where the figures come from:

# %%
from utils.widgets.ch02_x86_vs_arm import source_table

source_table()

# %% [markdown]
# ### How often do 16 bits overflow?
#
# Draw activations from 0 to 255 and weights from −128 to 127, and add two products:

# %%
from utils.widgets.ch02_x86_vs_arm import pair_sums_picture

pair_sums_picture(8)

# %% [markdown]
# 3.58 % of the pairs. Now take a bit from the weights:

# %%
from utils.hardware import isa

for bits in (8, 7, 6):
    low, high = isa.weight_range(bits)
    rate = isa.exact_saturation_rate(bits)
    print(f"{bits} bits, {low} to {high}: {rate:.2%} of pairs saturate; the sums lie from {510 * low:,} to {510 * high:,}")

# %% [markdown]
# With 7 bits the sums lie from −32,640 to 32,130, and 16 bits hold −32,768 to 32,767. So **no pair can ever saturate**. This is what `reduce_range` does in the quantizer of ONNX Runtime: weights get 7 bits. OpenVINO, Intel's inference engine, has the same cure under another name.
# It costs a bit of precision in the weights, and takes no extra memory: they are still stored in bytes.
#
# ### Signed bytes on an unsigned instruction
#
# The x86 instructions take unsigned bytes on the left and signed ones on the right. After a ReLU, activations are unsigned anyway. What if they are signed, say −3 and 5?
# Add 128 to each, and take off what that brought in:

# %%
from utils.hardware import isa

a, b = np.int8([[-3, 5]]), np.int8([[7], [-2]])
shifted = (a.astype(np.int16) + 128).astype(np.uint8)
product, correction = isa.gemm_u8s8(shifted, b, "vnni"), 128 * b.sum(axis=0, dtype=np.int32)
print(f"{shifted.tolist()} times b: {product.item()}")
print(f"minus 128 × {b.sum()}: {product.item() - correction.item()}, exact: {(a.astype(int) @ b).item()}")

# %% [markdown]
# $$\sum_k (a_k + 128)\, b_k = \sum_k a_k b_k + 128 \sum_k b_k$$
#
# The second part is the **compensation**. It depends on the weights only, so libraries compute it once and fold it into the bias.
# There is a catch on AVX2: a signed 0 became 128, so small values turn into large ones, and pairs saturate more often.
#
# Arm's SDOT and SMMLA take signed bytes on both sides, and have no such step. SMMLA multiplies small matrices: two rows of eight by two columns of eight.

# %%
from utils.hardware import isa

rng = np.random.default_rng(0)
rows, columns = rng.integers(-128, 128, (2, 8)).astype(np.int8), rng.integers(-128, 128, (2, 8)).astype(np.int8)
print(isa.smmla(np.zeros((2, 2), np.int32), rows, columns))
print(rows.astype(int) @ columns.T.astype(int))

# %% [markdown]
# Its second operand holds the *columns* of the right matrix as rows: bᵀ. AMX's tiles want a packed layout too. Rearranging weights for the instruction is called **packing**; runtimes do it when a model is loaded.
#
# ### What it does to a network
#
# A small network reads digits (chapter 15 quantizes such a one in detail). We run it in INT8 on both instructions, with different ways to quantize:

# %%
from utils.widgets.ch02_x86_vs_arm import scheme_table

scheme_table()

# %% [markdown]
# - With one scale for a layer's weights, most weights are small, few pairs saturate, and the answers hardly change. (An error can also turn a wrong answer into a right one.)
# - **A scale for each channel** is meant to be better: every channel uses the whole range of its 8 bits. That is why more pairs saturate. With shifted signed activations on top, several images are lost.
# - With 7 bits, both instructions agree exactly.
#
# So saturation is not always a disaster, and the scheme that is best on one machine may be the worst on another. A reported case was far worse: the mean squared error of one BERT layer in torch rose from 260 to 195,321 on a processor without VNNI (FBGEMM, issue 125).
# Nothing announces it. The way to find it is to run the same inputs on both kinds of machine and compare outputs.
#
# ### What else differs
#
# | | x86-64 | AArch64 |
# |---|---|---|
# | vectors | 128, 256 or 512 bits; the program names the width | NEON, in every chip: 128 bits. SVE, in newer ones: 128 to 2,048, the program asks the chip |
# | matrix units | AMX, in some server chips | SME (scalable matrix extension), in some chips since 2024 |
# | 16-bit floats | BF16 with AVX512-BF16 or AMX, FP16 arithmetic with AVX512-FP16 or AMX-FP16 | FP16 arithmetic in most cores since Armv8.2, BF16 in newer ones |
# | memory order | strong: stores are seen in order | weak: code with its own threads needs barriers (instructions that keep the order) in more places |
# | pages | 4 KiB | 4, 16 or 64 KiB, as the system was built |
# | kernels | oneDNN, MLAS (inside ONNX Runtime), FBGEMM | Arm Compute Library, KleidiAI, MLAS, XNNPACK |
#
# The last row is often the one that counts. An extension without a kernel is worth nothing.
#
# ### Does Arm need less power?
#
# Most Arm chips are designed for few watts, so they draw few. Is that the instruction set? Look at chips of one set only. For three of the four x86 chips the clock is the nominal one. For the N100 it is the highest turbo, so its last number is too good. (A TDP is what the cooling is made for, not what a chip draws, so this is a rough comparison.)

# %%
from utils.widgets.ch02_x86_vs_arm import efficiency_table

efficiency_table()

# %% [markdown]
# Within x86 the ratio of peak to TDP varies by more than a factor of three, even without the N100. What changed between 2014 and 2023 is the process and the core, not the set.
# Blem, Menon and Sankaralingam measured four cores of both sets in 2013 (Cortex-A8 and A9, Atom, Sandy Bridge). They found design points for different levels of performance, and nothing fundamentally more efficient in either set.
#
# ### So how do you choose?
#
# By what a result costs, among the machines that are fast enough. Three offers with made-up prices:

# %%
offers = {"x86": (9, 900, 1.53, 180), "arm": (12, 800, 1.16, 110), "edge": (80, 40, 0.02, 6)}
for name, (p99_ms, per_s, usd_per_hour, watts) in offers.items():
    usd = usd_per_hour / 3600 / per_s * 1e6
    print(f"{name:5} p99 {p99_ms:2} ms, {usd:.4f} USD for a million inferences, {1000 * watts / per_s:.1f} mJ each")

# %% [markdown]
# (The **p99** is the latency that 99 of 100 requests stay below.) With a limit of 20 ms it is the Arm server, with 100 ms the edge box, with 10 ms the x86 server. The name of the instruction set appears nowhere in this computation.

# %% [markdown]
# ## See it
#
# ![Left: 500 random dot products of length 64, exact against what VPMADDUBSW gives with 8-bit weights; 346 hold a saturated pair and lie off the line, by up to 40,817. Right: multiply–accumulates of one instruction on a log scale: SDOT 16, VPMADDUBSW 32, SMMLA 32, VPDPBUSD 64, TDPBUSD 16,384.](figure.svg)
#
# 346 of 500 dot products hold a saturated pair on AVX2 with 8-bit weights, and the largest error is 40,817. One instruction does 16 to 16,384 multiply–accumulates.
#
# **Exact and hardware.** Choose the instruction, the bits of the weights, the largest activation and the length. For SDOT and SMMLA the activations are signed: half of the range lies below 0.

# %% figure
from utils.widgets.ch02_x86_vs_arm import play_with_dots

play_with_dots()

# %% [markdown]
# Try three things. Go to 7 bits: the crosses vanish at once. Go back to 8 and lower the largest activation to 128: they vanish too, because −2 × 128 × 128 = −32,768 just fits. Then shorten the vector to 2: one pair, 3.6 % of crosses.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports NumPy as `np` and defines `smmla(acc, a, b)`: one SMMLA instruction, acc + a bᵀ with shapes (2, 2), (2, 8) and (2, 8). An answer may use those, Python's own modules, and nothing from other exercises.

# %% [markdown] about="peak_gflops"
# The peak of a CPU from what its cores do in a cycle.
#
# - `cores` is the number of cores, `ghz` the clock in GHz, `vector_bits` the width of a vector, `elem_bits` the width of an element, `units` the number of vector units in a core. `ops_per_lane` is how many operations a lane does with one instruction: 2 for a fused multiply–add.
# - Each unit starts one vector instruction in every cycle.
# - Return operations a second of the whole CPU, in units of 10^9 (GFLOP/s, for integers GOP/s). A relative 1e-9 is near enough.
# - All arguments are ints or floats. Raise `ValueError` with the word "positive" in its message when any of the six is 0 or negative.
#
# | call | result |
# |---|---|
# | `peak_gflops(4, 2.4, 128, 32, 2)` | 153.6 |
# | `peak_gflops(4, 2.4, 128, 16, 2)` | 307.2 |
# | `peak_gflops(64, 2.6, 256, 32, 2)` | 5324.8 |
# | `peak_gflops(1, 3.0, 512, 64, 1, 1)` | 24.0 |

# %% exercise="peak_gflops"
def peak_gflops(cores: float, ghz: float, vector_bits: float, elem_bits: float, units: float,
                ops_per_lane: float = 2) -> float:
    """Peak of a CPU in GFLOP/s (GOP/s for integers) from what its cores do in one cycle."""
    ### BEGIN SOLUTION
    if min(cores, ghz, vector_bits, elem_bits, units, ops_per_lane) <= 0:
        raise ValueError("every argument must be positive")
    lanes = vector_bits / elem_bits
    return cores * ghz * lanes * units * ops_per_lane
    ### END SOLUTION

# %% check="peak_gflops"
check("02.peak_gflops", peak_gflops)

# %% [markdown] about="avx2_dot"
# A dot product as a processor with AVX2 and without VNNI computes it.
#
# - `a` is a 1-D uint8 array, `b` a 1-D int8 array of the same length, which is 1 or more.
# - Neighbours form pairs: positions 0 and 1, 2 and 3, and so on. For each pair, add its two exact products. A sum above 32767 becomes 32767, one below -32768 becomes -32768.
# - Return the sum of these results, as an int. It is not clamped again.
# - Raise `ValueError` with the word "even" in its message when the length is odd. Leave the arguments unchanged.
#
# | a | b | result |
# |---|---|---|
# | `[255, 255, 255, 255]` | `[127, 127, 127, 127]` | 65534 (exact: 129540) |
# | `[255, 255, 10, 20]` | `[-128, -128, 3, -4]` | -32818 |
# | `[1, 2, 3, 4]` | `[5, -6, 7, -8]` | -18 |

# %% exercise="avx2_dot"
def avx2_dot(a: np.ndarray, b: np.ndarray) -> int:
    """Dot product of uint8 and int8 as AVX2 computes it: pairs saturate at 16 bits."""
    ### BEGIN SOLUTION
    if len(a) % 2:
        raise ValueError("the length must be even")
    products = a.astype(np.int32) * b.astype(np.int32)
    pairs = np.clip(products[0::2] + products[1::2], -32768, 32767)
    return int(pairs.sum())
    ### END SOLUTION

# %% check="avx2_dot"
check("02.avx2_dot", avx2_dot)

# %% [markdown] about="s8_gemm_on_x86"
# A product of signed bytes, on hardware that multiplies unsigned by signed bytes.
#
# - `a_s8` is an int8 array of shape (M, K), `b_s8` an int8 array of shape (K, N); M, K and N are 1 or more. Any int8 value may occur, -128 included.
# - `u8s8(left, right)` is the hardware: left is uint8 (M, K), right is int8 (K, N), the result is their exact product as int32 (M, N). Other dtypes raise `TypeError`.
# - Return the exact product of `a_s8` and `b_s8` as an int32 array of shape (M, N).
# - Call `u8s8` **exactly once**. All products of a and b have to come from it: the operator `@`, `dot`, `matmul`, `einsum`, `inner`, `outer`, `tensordot`, `vdot` and `kron` are not allowed in this cell. Sums, and multiplying by a constant, are allowed.
#
# | a_s8 | b_s8 | result |
# |---|---|---|
# | `[[-3, 5]]` | `[[7], [-2]]` | `[[-31]]`: here `u8s8` gave 609 |
# | `[[-128, 127]]` | `[[1, -1], [2, 3]]` | `[[126, 509]]` |
# | `[[0, 0], [1, -1]]` | `[[4, 5], [6, -7]]` | `[[0, 0], [-2, 12]]` |

# %% exercise="s8_gemm_on_x86"
def s8_gemm_on_x86(a_s8, b_s8, u8s8):
    """int8 product (m, k) x (k, n) -> int32 by one call of `u8s8`, which multiplies uint8 by int8."""
    ### BEGIN SOLUTION
    shifted = (a_s8.astype(np.int16) + 128).astype(np.uint8)
    return u8s8(shifted, b_s8) - 128 * b_s8.sum(axis=0, dtype=np.int32)
    ### END SOLUTION

# %% check="s8_gemm_on_x86"
check("02.s8_gemm_on_x86", s8_gemm_on_x86)

# %% [markdown] about="smmla_gemm"
# A product of signed bytes from Arm's matrix instruction, tile by tile.
#
# - `a_s8` is an int8 array of shape (M, K), `b_s8` an int8 array of shape (K, N); M, K and N are 1 or more and need not fill whole tiles.
# - One instruction is `smmla(acc, a, b)` of the set-up cell: it returns acc + a bᵀ for an int32 acc of shape (2, 2) and int8 blocks of shape (2, 8). So it takes two rows of `a_s8`, two *columns* of `b_s8`, and eight steps along K. What is missing at the edges is filled with zeros.
# - Return a tuple: the exact product as an int32 array of shape (M, N), and the number of SMMLA instructions that it takes (an int). Every tile counts, also one that is filled in part. Tiles start at multiples of 2, 2 and 8.
# - Leave the arguments unchanged.
#
# | a_s8 | b_s8 | result |
# |---|---|---|
# | ones, (4, 16) | ones, (16, 6) | 16 everywhere, (4, 6), and 12 instructions |
# | `[[1, 2, 3]]` | `[[4], [5], [-6]]` | `[[-4]]` and 1 |
# | `[[1, 0], [0, 1], [2, -1]]` | `[[3, 4, 5], [6, 7, 8]]` | `[[3, 4, 5], [6, 7, 8], [0, 1, 2]]` and 4 |

# %% exercise="smmla_gemm"
def smmla_gemm(a_s8: np.ndarray, b_s8: np.ndarray) -> tuple[np.ndarray, int]:
    """int8 product (m, k) x (k, n) by SMMLA tiles: the int32 result and the number of instructions."""
    ### BEGIN SOLUTION
    (m, depth), n = a_s8.shape, b_s8.shape[1]
    a = np.pad(a_s8, ((0, -m % 2), (0, -depth % 8)))
    bt = np.pad(b_s8.T, ((0, -n % 2), (0, -depth % 8)))
    out = np.zeros((len(a), len(bt)), np.int32)
    count = 0
    for i in range(0, len(a), 2):
        for j in range(0, len(bt), 2):
            for k in range(0, a.shape[1], 8):
                out[i : i + 2, j : j + 2] = smmla(out[i : i + 2, j : j + 2], a[i : i + 2, k : k + 8], bt[j : j + 2, k : k + 8])
                count += 1
    return out[:m, :n], count
    ### END SOLUTION

# %% check="smmla_gemm"
check("02.smmla_gemm", smmla_gemm)

# %% [markdown] about="cheapest_host"
# Choose a machine.
#
# - `hosts` is a dict: name → (p99 latency in ms, inferences a second, US dollars an hour, watts). All numbers are above 0.
# - A host meets the limit when its latency is at most `p99_ms`. Equal is enough.
# - Among those, return the name of the one with the lowest cost in US dollars for a million inferences, at full load. Of hosts with an equal cost, take the one that needs fewer joules for an inference. (No two are equal in both. Compare with plain `==`, no tolerance is needed.)
# - Raise `ValueError` with the words "no host" in its message when none meets the limit, or when there are none. Leave the arguments unchanged.
#
# With `hosts = {"x86": (9, 900, 1.53, 180), "arm": (12, 800, 1.16, 110), "edge": (80, 40, 0.02, 6)}`:
#
# | p99_ms | result |
# |---|---|
# | 20 | `"arm"`: 0.4028 USD a million, x86 0.4722 |
# | 100 | `"edge"`: 0.1389 USD |
# | 9 | `"x86"` |
#
# And `cheapest_host({"a": (5, 100, 0.5, 50), "b": (5, 200, 1.0, 80)}, 5)` is `"b"`: equal costs, 0.4 J against 0.5 J.

# %% exercise="cheapest_host"
def cheapest_host(hosts: dict[str, tuple[float, float, float, float]], p99_ms: float) -> str:
    """The name of the host that serves a million inferences for the fewest US dollars within a latency limit."""
    ### BEGIN SOLUTION
    found = []
    for name, (ms, per_s, usd_per_hour, watts) in hosts.items():
        if ms <= p99_ms:
            found.append((usd_per_hour / per_s, watts / per_s, name))
    if not found:
        raise ValueError("no host meets the limit")
    return min(found)[2]
    ### END SOLUTION

# %% check="cheapest_host"
check("02.cheapest_host", cheapest_host)

# %% [markdown]
# ## Measure it
#
# **1. What is this machine?**

# %% experiment
from utils.hardware.isa import detect_host
from utils.widgets.ch02_x86_vs_arm import host_table

host = detect_host()
host_table(host)

# %% [markdown]
# **2. FP32 against INT8.** ONNX Runtime multiplies two matrices of 512 × 512 with two threads, in FP32 and in INT8, in turns; the best time of each counts. The orange lines are ceilings: two cores at 5 GHz with the widest vectors that were found. (A chip with a higher clock can pass them.) Before you run it: how many times faster is INT8 here?

# %% experiment
from utils.widgets.ch02_x86_vs_arm import measure_products, products_picture

measured = measure_products(host)
assert measured.equal, "ONNX Runtime and the emulated VNNI must give the same integers"
products_picture(measured)

# %% [markdown]
# INT8 peak over FP32 peak is 4 with VNNI or SDOT, 8 on Graviton3 with SMMLA, 32 with AMX, and 2 or less with AVX2, which needs three instructions for its sums. Measured ratios scatter around that: a busy machine, memory and packing take their share. Whether INT8 is faster is a property of the instruction *and* of the kernel.
#
# **3. The same processor, another instruction.** FBGEMM is the library that torch uses for quantized layers on x86. An environment variable tells it which instructions to use. So one machine can play the old server and the new one. We ask it for one layer with random values, in two processes:

# %% experiment
from utils.widgets.ch02_x86_vs_arm import kernel_rows, kernel_table

kernels = kernel_rows(host)
assert all(row.as_emulated and row.wrong_7bit == 0 for row in kernels), "the emulation gives the hardware's bytes, and 7 bits never saturate"
kernel_table(kernels)

# %% [markdown]
# Where there is an AVX2 row, these are real instructions with real saturation, and the emulation of this chapter gives the same bytes. The random weights here are wide; the digits network above shows what trained weights do.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | AI servers and PCs use x86 for performance, edge devices use ARM for low power | dated | AWS says that for three years more than half of the CPU capacity it added was Graviton (December 2025). An Arm executive puts Arm above 50 % of the hyperscale cloud (Nikkei Asia, June 2026; a company's claim). Fugaku led the Top500 from June 2020 to November 2021. An Intel N100 has a TDP of 6 W |
# | 2 | an x86 instruction is long and does much; ARM needs several short ones | misleading | A64 instructions have 4 bytes, and one SMMLA does 32 MACs. VPMADDUBSW does 32 as well, VPDPBUSD 64, AMX 16,384. The extension decides |
# | 3 | x86 aims at performance because of complex instructions, ARM at low power because of simple ones | wrong | measured in 2013 on four cores: neither set is fundamentally more efficient. Both are built for a few watts and for hundreds |
# | 4 | (missing) results can differ | gap | VPMADDUBSW saturates 3.58 % of random pairs; weights of 7 bits never do. VNNI, SDOT and SMMLA don't saturate |
#
# Rows 2 to 4 in numbers:

# %%
from utils.hardware import isa

for instruction in sorted(isa.INSTRUCTIONS.values(), key=lambda i: i.macs):
    print(f"row 2: {instruction.name:10} {instruction.isa:7} {instruction.macs:6,} MACs")
large = [c for c in isa.CPUS.values() if isa.peak_gflops_fp32(c) > 5000]
print("row 3, TFLOP/s in FP32:", ", ".join(f"{c.name} ({c.isa}) {isa.peak_gflops_fp32(c) / 1000:.1f}" for c in large))
exact, sampled = isa.exact_saturation_rate(8), isa.saturation_rate(8, 200_000, seed=0)
print(f"row 4: {exact:.2%} with 8 bits (sampled: {sampled:.2%}), {isa.exact_saturation_rate(7):.0%} with 7")

# %% [markdown]
# ## Explain it
#
# A colleague writes: "Our INT8 model passed on my new laptop, 97.2 %. In the old cluster it has 95.7 %. The files are identical, so the cluster has broken memory. And anyway we should move to ARM, RISC is more efficient." Answer in six sentences.
#
# A good answer names:
# 1. the instruction, and what happens to pair sums in it;
# 2. why the same file gives other numbers, and how to prove it (same inputs, both machines, or one with the instructions restricted);
# 3. the cure, and what it costs;
# 4. why signed activations or a scale a channel make it more likely;
# 5. what decides efficiency, and how to decide about a move.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The memory is probably fine: the old processors have no VNNI, so their INT8 kernels use VPMADDUBSW, which adds two products in 16 bits and clamps the sum at 32,767 without telling anyone.
# The laptop adds four products in 32 bits, so the same file gives other integers; run the same inputs on both and compare layer outputs, or restrict the library on the laptop to AVX2, and the cluster's numbers should appear.
# Quantize the weights with 7 bits (reduce_range): no sum is beyond 255 × 64 × 2 = 32,640, so no pair can saturate, at the price of one bit of the weights.
# Per-channel scales fill the 8 bits of every channel, and signed activations are shifted by 128, which makes small values large; both bring more pairs to the limit.
# RISC does not decide efficiency: measured cores of both sets are designs for different levels of performance, and extensions, process and design matter more.
# For the move I would compare US dollars for a million inferences at our p99 limit on both, after checking that our runtime has kernels for that chip and that the outputs agree.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("02")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | ISA | 指令集架构 | contract between software and processor |
# | CISC / RISC | 复杂指令集 / 精简指令集 | historical design styles of x86 and Arm |
# | micro-operation | 微指令 | internal operation that an instruction is decoded into |
# | microarchitecture | 微架构 | how a given chip carries out the ISA |
# | SIMD | 单指令多数据 | one instruction on several lanes |
# | VNNI | 矢量神经网络指令 | x86: dot products of four unsigned and signed bytes into 32 bits |
# | AMX | 高级矩阵扩展 | x86: tile registers and a matrix instruction |
# | NEON / SVE | Arm 向量扩展 | vectors of 128 bits / of a length that the chip chooses |
# | dot-product instruction | 点积指令 | SDOT, SMMLA, VPDPBUSD |
# | saturation | 饱和 | clamping to the type's range on overflow |
# | compensation | 补偿项 | the correction −128 · Σb after signed data was shifted |
# | packing | 权重重排 | laying out weights as an instruction wants them |
# | TDP | 热设计功耗 | power that the cooling is designed for |

# %% [markdown]
# ## Sources
#
# - E. Blem, J. Menon and K. Sankaralingam, *Power Struggles: Revisiting the RISC vs. CISC Debate on Contemporary ARM and x86 Architectures*, HPCA 2013.
# - Intel, *64 and IA-32 Architectures Software Developer's Manual* (PMADDUBSW, VPDPBUSD, TDPBUSD). Arm, *Architecture Reference Manual for A-profile* (SDOT, SMMLA).
# - oneDNN, *Nuances of int8 Computations*. OpenVINO, *Saturation (overflow) Issue Workaround*. ONNX Runtime: issues 5849, 6004 and 14642 (other results without VNNI). pytorch/FBGEMM issue 125; pytorch issue 103646.
# - PyTorch, *Leverage Intel Advanced Matrix Extensions*: 2,048 INT8 operations a cycle with AMX, 256 with VNNI, after Intel.
# - LLVM, scheduling models of Neoverse V1 and Neoverse N1, made from Arm's software optimization guides.
# - Top500, lists of June 2020 to November 2021 (Fugaku). AWS re:Invent, December 2025, as MBI Deep Dives quotes it (Graviton). Nikkei Asia, 25 June 2026, as AI Weekly reports it. Read in November 2026.
