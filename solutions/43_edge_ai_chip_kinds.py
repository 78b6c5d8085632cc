# %% [markdown]
# # 43 · What kinds of edge AI chips are there?
# **目前主流的端侧算力芯片有哪些种类？**
#
# "The chip has 92 TOPS, our network needs 0.6 billion operations an image, and we get a thousandth of the peak. Is it broken?"
# It is not. NPU, TPU, VPU, FPGA are names. What differs is how the chips move numbers to their multipliers. You will build the most common arrangement, register by register, and see why a large one may be slower than a small one.
#
# About 105 minutes: 71 for the five exercises, the rest to read and try. It helps to know chapters 12 (MACs and FLOPs), 17 (edge platforms) and 44 (memory bandwidth). No special hardware is needed.

# %% setup
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > For the edge there are NPUs, which are blocks inside SoCs; Google's Edge TPU; VPUs, vision processors of the Movidius line; DSPs; FPGAs; and dataflow chips such as Hailo's, which lay the whole network out over many small units. TPU v1 to v7, Ascend 910 and Graphcore's IPU are data-centre chips.
# >
# > Most of them are arrays of multiply–accumulate cells with memory close by. The peak is cells times two times the clock. TPU v1 has 65,536 cells for 8-bit integers at 700 MHz: 92 TOPS, integer operations, not floating-point ones.
# >
# > What you get is the peak times the *array utilisation*, the share of cells and cycles with work. Where every cell keeps its weight, it collapses at batch 1, for few channels, and above all for depthwise layers.
# >
# > Energy is mostly moving data: a byte from DRAM costs as much as hundreds of INT8 multiply–accumulates. So I ask for the array's shape, memory and bandwidth, and the supported operators. Then I measure my network, in frames a second and in watts.

# %% [markdown]
# ## How it works
#
# ### Names
#
# A **NPU** (neural processing unit) is any block that runs networks, mostly inside a system-on-chip (SoC). **TPU** (tensor processing unit) is Google's name for its data-centre chips. A **VPU** (vision processing unit) joins programmable DSPs (digital signal processors, which work on many values with one instruction) with a neural engine. Graphcore's **IPU** (intelligence processing unit) has over a thousand cores with memory of their own. An **FPGA** (field-programmable gate array) is logic that you wire up after it was made.
# Examples, with what their makers state (BF16 and FP8 are floating-point formats of 16 and 8 bits, chapters 26 and 54):

# %%
from utils.widgets.ch43_edge_ai_chip_kinds import chips_table

chips_table()

# %% [markdown]
# The names do not say what is inside. Look for one thing: multipliers need two operands each cycle. Where do they come from?
#
# ### One cell, one multiply–accumulate
#
# A CPU fetches both operands from its registers, and these from a cache. 65,536 multipliers cannot all do that: 131,072 reads each cycle. A **systolic array** lets neighbours pass the numbers on instead. The name compares the beat of data with that of a heart.
#
# In a **weight-stationary** array every cell keeps one weight. In each cycle it takes an activation from its left neighbour and a sum from the one above, adds weight times activation to the sum, and hands both on: the activation to the right, the sum downwards.
#
# Take `x` with M rows and K columns, and weights `w` with K rows and N columns, on an array of K × N cells. Follow two rows of x through 2 × 2 cells. Activations and sums are printed as they are *after* the cycle; what leaves is the bottom row of the sums:

# %%
import numpy as np

from utils.hardware.systolic import SystolicArray

x, w = np.array([[1, 2], [3, 4]]), np.array([[10, 0], [20, 1]])
array = SystolicArray(2, 2)
array.load(w)
for cycle, column in enumerate(([1, 0], [3, 2], [0, 4], [0, 0])):  # what enters rows 0 and 1 from the left
    bottom = array.step(np.array(column))
    print(f"cycle {cycle}: in {column}, activations {array.activations.tolist()}, sums {array.sums.tolist()}, out {bottom.tolist()}")
print("x @ w =", (x @ w).tolist())

# %% [markdown]
# Row 1 of the array gets its numbers one cycle late: first 0, then 2, then 4. It has to. The sum 1 · 10 is made in cycle 0 in the upper cell; it comes to the lower cell in cycle 1, and there it must meet the 2 that belongs to it: 10 + 2 · 20 = 50.
# This delay, k cycles for row k, is the **skew**. The results leave at the bottom just as skewed: 50 in cycle 1, then 110 and 2, then 4.
#
# ### How long it takes
#
# The last row of x enters row 0 in cycle M − 1. It enters the last row of the array K − 1 cycles later, and reaches the last column N − 1 cycles after that. So M + K + N − 2 cycles in all: 4 here.
#
# The beginning is the **fill**, the end the **drain**. Some cells have no work then. With many rows of x that matters little, with one row it is everything:

# %%
from utils.hardware.systolic import ws_utilization

for m in (1, 16, 256, 4096):
    print(f"{m:5} rows on 256 x 256: {100 * ws_utilization(m, 256, 256, 256, 256, include_load=False):5.1f} % of the slots have work")

# %% [markdown]
# The share of slots with work is the **array utilisation**: useful multiply–accumulates over cells times cycles. Here the weights were there already; from now on the cycles of loading them count too.
#
# ### Weights that are larger than the array
#
# They are cut into **tiles** of rows × cols. Each tile is a *pass*: `rows` cycles to load its weights from above, then `m + rows + cols − 2` as before, because values cross idle cells too. A partly filled tile takes as long as a full one.
#
# Take the last layer of a classifier, 2,048 inputs and 1,000 outputs, at batch 1 on TPU v1's array of 256 × 256. That is 8 · 4 = 32 passes of 256 + 1 + 256 + 256 − 2 = 767 cycles:

# %%
from utils.widgets.ch43_edge_ai_chip_kinds import batch_table

batch_table(2048, 1000, side=256, ghz=0.7, batches=(1, 16, 256, 4096))

# %% [markdown]
# At batch 1 the array is used to 0.13 %, a thousandth of its peak. A batch of 256 takes only 33 % longer.
# (Our passes run one after the other. Real chips load the next weights while they compute, which saves a third at batch 1. Fill and drain remain. Memory is left out as well, for now.)
#
# ### A convolution is a matrix product
#
# Each output pixel is a row, with the values of its window; each output channel is a column. A 3 × 3 convolution from 64 to 64 channels on 56 × 56 pixels has m = 3136, k = 9 · 64 = 576, n = 64.
# In a **depthwise** convolution each channel has a filter of its own. So it is 64 products, each with k = 9 and *one* column:

# %%
from utils.hardware.systolic import conv_to_gemm, ws_utilization

for name, groups in (("ordinary", 1), ("depthwise", 64)):
    products = conv_to_gemm(56, 56, 64, 64, 3, groups)
    m, k, n = products[0]
    print(f"{name}: {len(products)} product(s) of ({m}, {k}) by ({k}, {n}), each uses "
          f"{100 * ws_utilization(m, k, n, 256, 256):.3g} % of the slots of 256 x 256 cells")

# %% [markdown]
# Nine cells of 65,536 hold a weight, and loading, fill and drain take their part. Compilers know this. They give such layers to a vector unit, or put several channels into one pass. Then those units' peak counts, and not the array's.
#
# Whole networks, layer by layer, computed with the formula above:

# %%
from utils.widgets.ch43_edge_ai_chip_kinds import arrays_table

arrays_table()

# %% [markdown]
# Read the first row. MobileNetV2 is the network of the question, with 0.6 billion operations: on 256 × 256 cells it gets less than a thousandth of the peak. From 64 × 64 to 256 × 256 the number of cells grows sixteenfold, and MobileNetV2 takes **twice as long**. ResNet-18, with six times the arithmetic, is 34 times faster than it on the large array. Networks and chips have to be chosen together.
#
# ### Energy
#
# Horowitz (2014) gives picojoules at 45 nm: 0.23 for an 8-bit multiply–accumulate, 640 for 32 bits from DRAM, so 160 a byte. MobileNetV2 in INT8 has 301 million of the first, and reads at least its 3.5 million weights:

# %%
from utils.hardware.accelerators import energy_uj

report = energy_uj(macs=300_774_272, sram_bytes=0, dram_bytes=3_504_872)
print(f"arithmetic {report.compute_uj:.1f} µJ, weights from DRAM {report.dram_uj:.1f} µJ: {report.dram_uj / report.compute_uj:.1f} times as much")
print(f"one byte from DRAM = {160 / 0.23:.0f} multiply-accumulates")

# %% [markdown]
# Newer processes use less for both. The ratio is what explains the chips: the Edge TPU keeps weights in 8 MB on the chip, and Hailo-8 has no DRAM at all. A systolic array reads each activation once and uses it N times.
#
# ### Memory is a limit, too
#
# TPU v1 read its weights with 34 GB/s. At 92 TOPS it needs 2,700 operations for each byte of weights, or 1,350 multiply–accumulates. A fully connected layer at batch b does b of them for each weight byte. Below a batch of 1,350 such a layer waits for memory, whatever the array does (chapter 07 draws this as a roofline). The layer of 2048 × 1000 from above has 2.05 MB of weights: 60 µs at 34 GB/s, at every batch. Both limits hold, and the later one counts.
#
# ### FPGAs
#
# An FPGA has fixed multipliers too, which its makers call DSP slices. A Xilinx VU9P has 6,840; two 8-bit multiplications with a common operand fit into one. At 500 MHz that is 6840 · 2 · 2 · 0.5 / 1000 = 13.7 TOPS. What you pay for is freedom: any word width, any arrangement, fixed latency.

# %% [markdown]
# ## See it
#
# ![Left: an array of 4 by 6 cells in cycle 6 of 0 to 12. Diagonals of cells work on the same row of x: x4 in the upper left, then x3, x2, x1 and x0 towards the lower right; six cells idle in the corners. Below it results y3[0], y2[1], y1[2] and y0[3] leave. Right: bars with the number of cells that have work, rising from 1 to 18 in cycle 6 and falling to 1, below the line of all 24.](figure.svg)
#
# x has 5 rows; the array has 4 × 6 cells. In cycle 6 18 of the 24 cells have work, and that is the most. Over all 13 cycles 120 of 312 slots are used, 38 %.
#
# **Cycle by cycle.** Move the slider and follow one row of x through the array. Then raise M.

# %% figure
from utils.widgets.ch43_edge_ai_chip_kinds import wavefront

wavefront()

# %% [markdown]
# **Layers on an array.** The same formula for every layer of a network. Hatching and colour tell the kind of layer.

# %% figure
from utils.widgets.ch43_edge_ai_chip_kinds import layers_on_array

layers_on_array()

# %% [markdown]
# MobileNetV2 on 64 × 64 cells: depthwise layers have 7 % of the multiply–accumulates and 92 % of the cycles. Try ResNet-18, then a batch of 16.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports `math` and NumPy as `np`; an answer may use these and Python's own modules. Sizes are whole numbers of at least 1 unless a text says otherwise.

# %% [markdown] about="peak_tops"
# What is the peak of an array of multiply–accumulate cells?
#
# - `rows` and `cols` are the sides of the array, `ghz` is its clock in GHz. Every cell does one multiply–accumulate in each cycle.
# - Return the peak in TOPS, 1e12 operations a second, as a float. A multiply–accumulate counts as two operations.
# - Raise `ValueError` with the word "positive" in its message if any of the three is 0 or negative.
#
# For example: (256, 256, 0.7) → 91.7504; (32, 16, 1.0) → 1.024.

# %% exercise="peak_tops"
def peak_tops(rows: int, cols: int, ghz: float) -> float:
    """Peak of rows x cols multiply-accumulate cells at `ghz` in TOPS."""
    ### BEGIN SOLUTION
    if min(rows, cols, ghz) <= 0:
        raise ValueError(f"rows, cols and ghz must be positive, got {rows}, {cols} and {ghz}")
    return rows * cols * 2 * ghz / 1000
    ### END SOLUTION

# %% check="peak_tops"
check("43.peak_tops", peak_tops)

# %% [markdown] about="systolic_matmul"
# Simulate a weight-stationary array, register by register.
#
# - `x` (M, K) and `w` (K, N) are float64 arrays; M, K and N are at least 1. Do not change them.
# - The array has exactly K × N cells. Cell (i, j) holds the weight `w[i, j]` from the beginning: loading takes no cycles here.
# - In every cycle each cell (i, j) takes the *old* activation of its left neighbour, or, in column 0, what enters row i from outside. It takes the *old* sum of the neighbour above, or 0 in row 0. Its new activation is what it took; its new sum is the sum that it took plus weight times new activation. All cells change at the same moment.
# - Row i of the array gets `x[m, i]` in cycle m + i, counted from 0, and 0 when there is no such m.
# - Return a tuple: the product (M, N) as an array, read from the sums of the bottom row in the cycles in which they are ready, and the number of cycles from the first input to the last output, as an int.
# - `@`, `np.dot`, `np.matmul`, `einsum` and other ready-made products are refused.
#
# For example: `x = [[1, 2], [3, 4]]`, `w = [[1, 0], [2, 1]]` → `[[5, 2], [11, 4]]` and 4 cycles. For M = 5, K = 3, N = 4 there are 10 cycles.

# %% exercise="systolic_matmul"
def systolic_matmul(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, int]:
    """(product, cycles) of x (M, K) and w (K, N) on an array of K x N cells."""
    ### BEGIN SOLUTION
    (m, k), n = x.shape, w.shape[1]
    activations, sums = np.zeros((k, n)), np.zeros((k, n))
    y = np.zeros((m, n))
    cycles = m + k + n - 2
    for cycle in range(cycles):
        old_activations, old_sums = activations.copy(), sums.copy()
        for i in range(k):
            for j in range(n):
                if j > 0:
                    activations[i, j] = old_activations[i, j - 1]
                else:
                    row = cycle - i
                    activations[i, j] = x[row, i] if 0 <= row < m else 0.0
                above = old_sums[i - 1, j] if i > 0 else 0.0
                sums[i, j] = above + w[i, j] * activations[i, j]
        for j in range(n):
            row = cycle - (k - 1) - j
            if 0 <= row < m:
                y[row, j] = sums[k - 1, j]
    return y, cycles
    ### END SOLUTION

# %% check="systolic_matmul"
check("43.systolic_matmul", systolic_matmul)

# %% [markdown] about="array_utilisation"
# Which share of an array's slots does useful work?
#
# - A matrix (m, k) is multiplied by weights (k, n) on a weight-stationary array of `rows` × `cols` cells. All five are whole numbers of at least 1.
# - The weights are cut into tiles of at most rows × cols: k along the rows, n along the columns. Every tile is one pass, and the passes run one after the other.
# - A pass takes `rows` cycles to load the weights, then `m + rows + cols - 2`, also if its tile is smaller than the array.
# - Return m · k · n over (cells times all cycles), as a float between 0 and 1.
#
# | m, k, n | rows, cols | result |
# |---|---|---|
# | 1, 2048, 1000 | 256, 256 | 0.0012732… |
# | 256, 2048, 1000 | 256, 256 | 0.24462… |
# | 3136, 576, 64 | 256, 256 | 0.15069… |

# %% exercise="array_utilisation"
def array_utilisation(m: int, k: int, n: int, rows: int, cols: int) -> float:
    """Useful multiply-accumulates over slots for (m, k) times (k, n) on rows x cols cells, weight load included."""
    ### BEGIN SOLUTION
    passes = math.ceil(k / rows) * math.ceil(n / cols)
    cycles = passes * (rows + m + rows + cols - 2)
    return m * k * n / (rows * cols * cycles)
    ### END SOLUTION

# %% check="array_utilisation"
check("43.array_utilisation", array_utilisation)

# %% [markdown] about="inference_uj"
# Arithmetic against memory: what does an inference cost?
#
# - `macs` is the number of multiply–accumulates, `pj_mac` the energy of a whole one in picojoules. `dram_bytes` is what is read from DRAM, `pj_dram_byte` the energy of a byte in picojoules. All are 0 or more.
# - Return the tuple (energy of the arithmetic, energy of the memory) in microjoules, as floats. 1 pJ is 1e-12 J.
#
# For example MobileNetV2 in INT8: (300.8e6, 3504872, 0.23, 160) → (69.184, 560.77952).

# %% exercise="inference_uj"
def inference_uj(macs: float, dram_bytes: float, pj_mac: float, pj_dram_byte: float) -> tuple[float, float]:
    """(compute, memory) in microjoules."""
    ### BEGIN SOLUTION
    return macs * pj_mac / 1e6, dram_bytes * pj_dram_byte / 1e6
    ### END SOLUTION

# %% check="inference_uj"
check("43.inference_uj", inference_uj)

# %% [markdown] about="best_batch"
# How large may a batch be if its time is limited?
#
# - Weights (k, n) lie on an array of `rows` × `cols` cells at `ghz` GHz. A batch of m rows takes the cycles of the exercise `array_utilisation`: passes of `rows + m + rows + cols - 2`, one for each tile, one after the other. Memory is not counted.
# - Return the largest whole number m for which all cycles take at most `max_ms` milliseconds, as an int, and 0 if not even one row fits. `max_ms` is 0 or more.
# - Floating-point products may miss a whole number of cycles by a little: a batch that is too long by less than 1e-6 of a cycle fits.
#
# | k, n | rows, cols, ghz | max_ms | cycles in that time | result |
# |---|---|---|---|---|
# | 2048, 1000 | 256, 256, 0.7 | 0.05 | 35,000 | 327 |
# | 2048, 1000 | 256, 256, 0.7 | 0.03 | 21,000 | 0 |
# | 4, 4 | 4, 4, 1.0 | 15e-6 | 15 | 5 |

# %% exercise="best_batch"
def best_batch(k: int, n: int, rows: int, cols: int, ghz: float, max_ms: float) -> int:
    """The largest batch whose cycles, weight load included, fit into max_ms."""
    ### BEGIN SOLUTION
    passes = math.ceil(k / rows) * math.ceil(n / cols)
    cycles = max_ms * ghz * 1e6 + 1e-6
    return max(0, math.floor(cycles / passes) - (2 * rows + cols - 2))
    ### END SOLUTION

# %% check="best_batch"
check("43.best_batch", best_batch)

# %% [markdown]
# ## Measure it
#
# The simulator counts cycles; nothing is timed here. Before you run it: at how many rows of x does an array of 16 × 16 reach half of its peak?

# %% experiment
from utils.hardware.systolic import ws_cycles
from utils.widgets.ch43_edge_ai_chip_kinds import growing_picture, simulated_utilization

rows = simulated_utilization(16, 16, (1, 2, 4, 8, 16, 32, 64, 128, 256))
assert all(cycles == ws_cycles(m, 16, 16, 16, 16, include_load=False) for m, cycles, _ in rows), "formula and simulator agree"
growing_picture(rows, 16, 16)

# %% [markdown]
# At 30 rows: m / (m + 30) is one half. The formula is exact, because the array does nothing else. Real chips add stalls of memory, and save loads with a second set of weight registers.
#
# There is no GPU part in this chapter. A GPU's tensor cores are small matrix units as well (chapter 51).

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; these are the claims of its answer. As of November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | NPU, TPU, VPU and FPGA exceed CPUs and GPUs by far in performance and efficiency | depends | per watt on supported INT8 layers, often. In absolute speed and in flexibility GPUs lead |
# | 2 | the TPU is a device for the edge | wrong | a data-centre chip; for the edge there is the Edge TPU, 4 TOPS in INT8 |
# | 3 | it mainly accelerates TensorFlow | dated | JAX and PyTorch/XLA; vLLM serves language models on it. TPU7x does not support TensorFlow any more |
# | 4 | TPU v1: 92 TFLOPS, floating-point | wrong | 92 TOPS of 8-bit integers (computed below) |
# | 5 | TPU v2 180, v3 420 TFLOPS | misleading | of a board with four chips, in BF16: about 46 for a chip of v2, 123 for one of v3, so 493 for four |
# | 6 | TPU v4 is the newest | dated | v5e, v5p, v6e and TPU7x (Ironwood: 2,307 TFLOP/s in BF16, 4,614 in FP8) followed |
# | 7 | Ascend 910 and Graphcore's IPU as edge chips | wrong | both are for data centres; the small Ascend is the 310. Graphcore belongs to SoftBank since July 2024 |
# | 8 | an FPGA has low latency and high efficiency | depends | fixed latency, yes; 13.7 TOPS for 6,840 DSP slices at 0.5 GHz (computed below), at more energy than fixed logic |
# | 9 | an IPU is good at sparse and dynamic work | depends | its cores run programs of their own from on-chip memory, which helps irregular work; a maker's claim in general |
#
# Rows 4, 5 and 8, computed:

# %%
from utils.hardware.accelerators import fpga_peak_tops
from utils.hardware.accelerators import peak_tops as our_peak

print(f"row 4: 256 x 256 cells at 0.7 GHz: {our_peak(256, 256, 0.7):.2f} TOPS")
print(f"row 5: a chip of TPU v2 has two arrays of 128 x 128 at 0.7 GHz: {2 * our_peak(128, 128, 0.7):.1f} TFLOP/s, four chips {8 * our_peak(128, 128, 0.7):.0f}")
print(f"       a chip of TPU v3 has four at 0.94 GHz: {4 * our_peak(128, 128, 0.94):.1f}, four chips {16 * our_peak(128, 128, 0.94):.0f}")
print(f"row 8: 6,840 DSP slices, two MACs each, at 0.5 GHz: {fpga_peak_tops(6840, 2, 0.5):.1f} TOPS")

# %% [markdown]
# ## Explain it
#
# A product manager compares two chips for a battery camera: one with 26 TOPS and one with 4 TOPS, at the same price. The network is a small detector of the MobileNet family, at batch 1, with 2 W in all. "26 is more than 4, so we take the first, don't we?" Answer in six to eight sentences.
#
# A good answer names:
# 1. what a peak in TOPS is, and what it leaves out;
# 2. why depthwise layers and batch 1 matter;
# 3. where the energy goes;
# 4. what else decides: operators, tool chain, memory;
# 5. what you would measure before you choose.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The TOPS say how many operations the chip could do if all of its multipliers had work in every cycle; they say nothing about our network.
# A detector of the MobileNet family has depthwise layers, which use a tiny part of a large array, and at batch 1 the array spends its time on filling and draining: I have computed cases in which a larger array takes twice the cycles.
# So 4 TOPS at 20 % may beat 26 TOPS at 1 %.
# At 2 W the energy of memory counts more than that of arithmetic, since a byte from DRAM costs as much as hundreds of 8-bit multiply-accumulates: I ask whether weights and activations fit on the chip, and what the DRAM beside it draws.
# Then I ask whether every operator of our detector runs on the accelerator, because a fallback to the CPU costs copies and watts, and whether the compiler's INT8 keeps our accuracy.
# Before we choose I run our own network on both evaluation boards: frames a second at batch 1, watts at the supply, milliseconds of the slowest percent, and accuracy after quantisation.
# I also try a variant of the network that suits each chip, because network and chip are one choice.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("43")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | NPU | 神经网络处理器 | a block that runs networks, mostly in an SoC |
# | TPU | 张量处理器 | Google's data-centre accelerator |
# | VPU | 视觉处理器 | vision DSPs with a neural engine |
# | FPGA | 现场可编程门阵列 | logic that is wired up after it was made |
# | systolic array | 脉动阵列 | a grid of cells that pass data to their neighbours |
# | weight stationary | 权重固定 | weights stay in the cells, activations and sums move |
# | dataflow | 数据流 | which operand stays and which move |
# | array utilisation | 阵列利用率 | useful multiply–accumulates over slots |
# | fill, drain | 填充、排空 | cycles in which the wave of data enters and leaves |
# | MAC unit | 乘加单元 | a multiplier and an adder |
# | pJ per operation | 每操作皮焦 | energy of one operation |
# | TOPS/W | 能效比 | operations a second for each watt |

# %% [markdown]
# ## Sources
#
# - N. P. Jouppi et al., *In-Datacenter Performance Analysis of a Tensor Processing Unit*, ISCA 2017: 65,536 8-bit MACs, 700 MHz, 92 TOPS, 34 GB/s. N. P. Jouppi et al., *A Domain-Specific Supercomputer for Training Deep Neural Networks*, CACM 2020: v2 and v3, arrays and clocks.
# - Google Cloud documentation on TPU v5e and TPU7x (seen November 2026); Google Coral documentation on the Edge TPU.
# - H. T. Kung and C. E. Leiserson, *Systolic Arrays for VLSI*, 1978.
# - A. Samajdar et al., *SCALE-Sim*, arXiv 1811.02883 (2018), and *A Systematic Methodology for Characterizing Scalability of DNN Accelerators using SCALE-Sim*, ISPASS 2020: cycles of a pass, 2 rows + cols + m − 2 (formula read in a secondary description).
# - M. Horowitz, *Computing's Energy Problem*, ISSCC 2014; the 640 pJ for 32 bits from DRAM as in S. Han et al., *EIE*, ISCA 2016.
# - Graphcore, press release of 12 July 2024; CNX Software on Hailo-8 (2020); Xilinx, white paper WP486 (2017) on INT8 in DSP slices. The makers' figures for Ascend are those of 2018. The number of DSP slices of the VU9P is from Xilinx's product table.
