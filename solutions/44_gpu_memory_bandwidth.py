# %% [markdown]
# # 44 · What is GPU memory bandwidth?
# **什么是GPU内存带宽？**
#
# A GPU multiplies far faster than its memory can bring it numbers. For decoding an LLM, for normalisation and for most small layers the memory is the limit.
# This chapter turns a line of a spec sheet into GB/s, asks how much of it a kernel gets, and turns GB/s into tokens per second.
#
# About 90 minutes. It helps to know chapters 03 (bytes of a number) and 11 (counting parameters).

# %% setup
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > Memory bandwidth is the number of bytes per second that a GPU moves to and from its DRAM, reads and writes together.
# > The peak is the data rate of one pin, times the number of pins, over 8.
# >
# > The data rate is a multiple of a clock, and the multiple depends on the memory and on which clock the tool shows.
# > GDDR6 moves 8 bits a pin per cycle of its command clock: 1750 MHz × 8 = 14 Gbit/s, times 256 pins over 8 is 448 GB/s.
# > HBM moves only 2 bits per cycle, on thousands of pins.
# >
# > A kernel comes near the peak only if the lanes of a warp share their 32-byte sectors.
# > An operation is memory-bound when its FLOPs per byte are below peak FLOP/s over bandwidth: 295 for BF16 on an H100.
# > Decoding one sequence reads every weight once per token. An 8B model in BF16 reads 15 GB, and an H100 moves 3,350 GB/s: at most 223 tokens/s.

# %% [markdown]
# ## How it works
#
# ### A number that does not fit
#
# You want to buy a card with GDDR6 at 1750 MHz on a 256-bit bus. Someone computes its bandwidth like this:

# %%
clock_mhz, bus_bits = 1750, 256
megabytes_per_s = clock_mhz * bus_bits * 2 / 8
print(f"{megabytes_per_s / 1000:.0f} GB/s")

# %% [markdown]
# The makers of three such cards (RTX 2070, RTX 2080, RX 5700 XT) publish 448 GB/s. The arithmetic above is right. One of its factors is not: it is off by exactly 4.
#
# ### What one pin does
#
# The bus is a bundle of wires. Each **data pin** carries one bit at a time, so 256 bits means 256 pins.
# How many bits pass in one cycle of the clock? That depends on the kind of memory.

# %%
from utils.widgets.ch44_gpu_memory_bandwidth import one_clock

one_clock()

# %% [markdown]
# "Double data rate" means 2 bits per cycle. DDR5 and HBM do that. GDDR6 moves 8 bits per cycle of the clock that spec databases quote.
# That clock is the **command clock** (CK). Micron's data sheet draws the same picture: a CK of 1.5 GHz, data at 12 Gbit/s.
#
# So look at the pin first, then at the width:

# %%
pin_gbit_s = 1750 * 8 / 1000
print(f"one pin carries {pin_gbit_s} Gbit/s")
print(f"256 pins carry {pin_gbit_s * 256:,.0f} Gbit/s = {pin_gbit_s * 256 / 8:.0f} GB/s")

# %% [markdown]
# As a formula, with $f$ the clock that is shown and $n$ the bits a pin moves in one of its cycles:
#
# $$\text{bandwidth} = \frac{f \cdot n \cdot \text{bus width}}{8}$$
#
# ### Does it hold?
#
# Here are 18 products. For each one: the clock, whose clock it is, the bus, and what the formula gives beside the published figure.

# %%
from utils.cost.bandwidth import SPECS, TRANSFERS_PER_CLOCK
from utils.widgets.ch44_gpu_memory_bandwidth import table

rows = []
for s in SPECS:
    n = TRANSFERS_PER_CLOCK[s.mem_type][s.convention]
    gb_s = s.clock_mhz * n * s.bus_bits / 8 / 1000
    rows.append((s.name, s.mem_type.upper(), s.clock_mhz, s.convention, n, s.bus_bits, f"{gb_s:,.1f}", f"{s.published_gb_s:,g}"))
table(("product", "memory", "MHz", "clock", "bits a cycle", "bus (bit)", "computed (GB/s)", "published (GB/s)"), rows)

# %% [markdown]
# All agree within 1 %. Vendors round: the V100 has 898 GB/s and is sold with 900. The B200 was announced with 8 TB/s. Its current data sheet prints 7.7 TB/s, and the clock and width that its driver reports give 7.67 TB/s.
#
# ### One memory, four clocks
#
# The column "clock" matters. The same 14 Gbit/s memory is shown with four different numbers:

# %%
from utils.cost.bandwidth import clock_card

for convention in ("ck", "amdgpu", "nvml", "effective"):
    card = clock_card("RX 5700 XT", convention)
    print(f"{convention:10} {card['clock_mhz']:7,.0f} MHz × {card['transfers_per_clock']:2} = {card['pin_rate_gbit_s']} Gbit/s a pin,"
          f" {card['gb_s']:.0f} GB/s; with × 2: {card['double_rate_gb_s']:.0f} GB/s")

# %% [markdown]
# - `ck` is the command clock of spec databases.
# - `amdgpu` is the memory-controller clock in Linux's sysfs (AMD cards before RDNA3): half the command clock for GDDR6.
# - `nvml` is what nvidia-smi and CUDA show: half the data rate, whatever the memory. With *this* clock the factor 2 is right.
# - `effective` is the data rate itself, called a clock by marketing.
#
# Orin modules quote a fifth one: the *write clock* of LPDDR5 (3200 MHz × 2). Its command clock is four times slower.
#
# So never ask "how many MHz". Ask "how many Gbit/s on a pin".
#
# ### Fast pins or many pins
#
# There are two ways to more bandwidth. GDDR drives few pins fast. HBM stacks the DRAM beside the GPU and drives very many pins slowly.

# %%
from utils.cost.bandwidth import pin_rate_gbit_s
from utils.hardware.gpu_arch import GPUS

for name, bus in (("RTX 2070", 256), ("RTX 5090", 512), ("V100", 4096), ("H100 SXM", 5120), ("H200", 6144)):
    gpu = GPUS[name]
    print(f"{name:10}{gpu.mem_type.upper():7}{bus:6} pins × {pin_rate_gbit_s(gpu.mem_gb_s, bus):5.2f} Gbit/s = {gpu.mem_gb_s:5,.0f} GB/s")
print(f"one HBM4 stack: 2048 pins × 8 Gbit/s = {2048 * 8 / 8:,.0f} GB/s (JEDEC's base figure)")

# %% [markdown]
# A pin of the RTX 5090 is 4.5 times as fast as a pin of the H200. The H200 has 12 times as many.
#
# One trap in the units: bandwidth is quoted in decimal GB, 10^9 bytes. In binary GiB the same memory looks 7 % slower.

# %%
print(f"448 GB/s = {448e9 / 2**30:.0f} GiB/s")

# %% [markdown]
# ### What a warp moves
#
# That was the ceiling. How much of it does a kernel get?
#
# A GPU runs 32 threads in step. They are called a **warp**, and each thread is a *lane*. When the lanes load, the memory does not deliver single bytes.
# It delivers whole **sectors** of 32 bytes. What counts is how many different sectors the 32 lanes touch together.

# %%
from utils.cost.bandwidth import warp_sectors

lane = np.arange(32)
print("neighbouring floats, from byte 0 on:", warp_sectors(4 * lane, 4), "sectors")
print("neighbouring floats, from byte 4 on:", warp_sectors(4 * lane + 4, 4), "sectors")
print("every eighth float:                 ", warp_sectors(32 * lane, 4), "sectors")

# %% [markdown]
# 128 bytes are asked for each time. They fit into 4 sectors, but only if they are packed and begin where a sector begins. More patterns:

# %%
from utils.widgets.ch44_gpu_memory_bandwidth import access_table

access_table()

# %% [markdown]
# Sharing sectors is called **coalescing**. Neighbouring lanes that read neighbouring floats need 4 sectors, all of them useful.
# A start that is off by 4 bytes costs a fifth sector. Reading down a column of a matrix costs 32 sectors, of which 1/8 is useful: 448 GB/s turn into 56.
#
# Beyond a stride of 8 floats nothing gets worse in this count. Each lane has a sector of its own already:

# %%
from utils.cost.bandwidth import coalescing_efficiency

print("stride (floats):", *(f"{s:>6}" for s in (1, 2, 4, 8, 16, 32)))
print("useful share:   ", *(f"{coalescing_efficiency(s, 4):6.1%}" for s in (1, 2, 4, 8, 16, 32)))

# %% [markdown]
# ### Peak and reality
#
# To measure what a kernel gets, count the bytes it must read and write, and divide by its time. STREAM is the classic set of four loops:
#
# | kernel | loop | arrays moved |
# |---|---|---|
# | copy | `c = a` | 2 |
# | scale | `b = 3 c` | 2 |
# | add | `c = a + b` | 3 |
# | triad | `a = b + 3 c` | 3 |
#
# Say a triad over 10 million float64 takes 24 ms at its best:

# %%
from utils.cost.bandwidth import effective_gb_s

n_bytes = 10_000_000 * 8
print(f"STREAM's count: {effective_gb_s(2 * n_bytes, n_bytes, 0.024):.1f} GB/s")
print(f"with the extra read of the store: {effective_gb_s(3 * n_bytes, n_bytes, 0.024):.1f} GB/s")

# %% [markdown]
# The second line is about CPUs. A store to a line that is not in the cache may first read that line (**write-allocate**). STREAM does not count it, the bus carries it.
#
# Even perfect access patterns miss the peak. DRAM must refresh, and the bus must turn between reading and writing.
# The roofline tables of PyTorch's torchao assume 92 % of the peak, after large pointwise kernels on an H100.
# NVIDIA's guide says that ECC on GDDR costs about another 20 % of the bandwidth; on HBM2 it costs none.
#
# ### Which work waits for memory
#
# An H100 does 989 TFLOP/s in BF16 and moves 3.35 TB/s. The quotient is the **ridge point**: the FLOPs per byte at which both take equally long.

# %%
from utils.cost.roofline import attainable_gflop_s, ridge

peak_gflop_s, mem_gb_s = 989_000, 3350
print(f"ridge: {ridge(peak_gflop_s, mem_gb_s):.0f} FLOP/byte\n")
n = 4096
work = {
    "add two vectors": (n, 3 * 2 * n),
    "matrix × vector": (2 * n * n, 2 * (n * n + 2 * n)),
    "matrix × matrix": (2 * n**3, 2 * 3 * n * n),
}
for name, (flops, moved) in work.items():
    intensity = flops / moved
    bound = attainable_gflop_s(intensity, peak_gflop_s, mem_gb_s)
    print(f"{name:16} {intensity:8.2f} FLOP/byte, at most {bound:9,.0f} GFLOP/s = {bound / peak_gflop_s:7.2%} of the peak")

# %% [markdown]
# FLOPs per byte are called **arithmetic intensity**. Below the ridge an operation is memory-bound, and more TFLOP/s would not help it.
# Only the large matrix product can use the arithmetic. That is why "more bandwidth is faster" holds for decoding and not for prefill or large batches.
#
# ### From bandwidth to tokens
#
# An LLM that generates a token multiplies one vector with every weight matrix. So each token reads all of these weights once.

# %%
from utils.cost.params import LLAMA3_8B, matmul_params

weights = matmul_params(LLAMA3_8B)
step_ms = weights * 2 / (3350e9) * 1e3
print(f"{weights:,} weights × 2 bytes = {weights * 2 / 1e9:.2f} GB; over 3,350 GB/s: {step_ms:.3f} ms = {1e3 / step_ms:.1f} tokens/s")

# %% [markdown]
# (The table of input embeddings is not read, only one row of it. So these are fewer weights than the 8.03 billion that are stored.)
#
# Two things change the bound. A **batch** of sequences shares the weights. And each sequence also reads its **KV cache**, the keys and values of all its tokens so far.

# %%
from utils.cost.bandwidth import decode_plan as our_decode_plan, kv_bytes_per_token

kv = kv_bytes_per_token(layers=32, kv_heads=8, head_dim=128)
print(f"one token adds {kv:,} bytes to the cache\n")
print("bits  context  batch   memory ms  compute ms   tokens/s  bound")
for bits, context, batch in ((16, 0, 1), (16, 8192, 1), (4.5, 0, 1), (16, 0, 64), (16, 8192, 64), (16, 0, 512)):
    p = our_decode_plan(weights, bits, kv, context, batch, 3350, 989)
    print(f"{bits:4}  {context:7}  {batch:5}  {p['memory_ms']:10.3f}  {p['compute_ms']:10.3f}  {p['tokens_per_s']:9,.1f}  {p['bound']}")

# %% [markdown]
# - 8,192 tokens of context cost 7 % at batch 1: 208 tokens/s instead of 223.
# - Weights of 4.5 bits (4-bit values with their scales) are 3.6 times smaller, so decoding is 3.6 times faster.
# - Batch 64 yields 64 times the tokens at an empty cache. With 8,192 tokens each, the caches of the batch weigh more than four times as much as the weights.
# - At batch 296 arithmetic takes over, where the cache is empty. That is the ridge again, rounded up.
#
# These are upper bounds. Attention's own arithmetic, the launches and everything that does not overlap come on top.

# %% [markdown]
# ## See it
#
# ![The memory of the RX 5700 XT in four ways of counting its clock: 1,750 MHz times 8, 875 MHz times 16, 7,000 MHz times 2, 14,000 MHz times 1. With the right factor 1,750 MHz on 256 bit give the published 448 GB/s; with the factor 2 they give 112 GB/s.](figure.svg)
#
# The picture shows one memory with four clocks: 1,750 MHz × 8, 875 MHz × 16, 7,000 MHz × 2 and 14,000 MHz × 1. All are 14 Gbit/s a pin and 448 GB/s. The factor 2 on the first one gives 112 GB/s.
#
# **One memory, four clocks.** Choose a card and the clock that a tool shows. Then look for the tool with which the factor 2 is right.

# %% figure
from utils.widgets.ch44_gpu_memory_bandwidth import clock_figure

clock_figure()

# %% [markdown]
# **Warp microscope.** 32 lanes above the sectors that they touch. Try an offset of 4 bytes, then strides 2, 8 and 16, then the presets.

# %% figure
from utils.widgets.ch44_gpu_memory_bandwidth import warp_figure

warp_figure()

# %% [markdown]
# **Bandwidth to tokens.** Bounds for six GPUs, computed from data sheets. A star marks the batch from which arithmetic takes longer than memory.
# Make the context longer and watch the stars disappear: the cache keeps the memory busy at every batch.

# %% figure
from utils.widgets.ch44_gpu_memory_bandwidth import tokens_figure

tokens_figure()

# %% [markdown]
# ## Exercises
#
# All rates are decimal: 1 GB/s is 10^9 bytes a second, 1 Gbit/s is 10^9 bits a second. Results may differ from the exact value by rounding of floats (a relative 1e-9).

# %% [markdown] about="peak_gb_s"
# The peak bandwidth behind a clock.
#
# - `clock_mhz` is the clock that is shown, in MHz. `bus_bits` is the width of the bus in bits. `transfers_per_clock` is the number of bits that one pin moves in one cycle of that clock.
# - Return the bandwidth in GB/s.
# - Raise `ValueError` when one of the three is not positive, or when `bus_bits` is not a multiple of 8.
#
# For example `peak_gb_s(1750, 256, 8)` → 448.0 and `peak_gb_s(877, 4096, 2)` → 898.048.

# %% exercise="peak_gb_s"
def peak_gb_s(clock_mhz: float, bus_bits: int, transfers_per_clock: float) -> float:
    """Peak bandwidth in decimal GB/s."""
    ### BEGIN SOLUTION
    if clock_mhz <= 0 or bus_bits <= 0 or transfers_per_clock <= 0 or bus_bits % 8:
        raise ValueError("all must be positive and bus_bits a multiple of 8")
    return clock_mhz * transfers_per_clock * bus_bits / 8 / 1000
    ### END SOLUTION

# %% check="peak_gb_s"
check("44.peak_gb_s", peak_gb_s)

# %% [markdown] about="identify_clock"
# A tool shows some clock. The vendor publishes a bandwidth. Which clock is it?
#
# - `shown_mhz` (MHz), `bus_bits` (bits) and `published_gb_s` (GB/s) are positive.
# - Find the transfers per cycle of the shown clock that fit the published figure best: a power of two from 1 to 32, the nearest on a log scale.
# - Return a tuple: these transfers (a whole number), and the data rate of one pin in Gbit/s. Take the pin's rate from the *published* figure, not from the clock.
# - Raise `ValueError` when the bandwidth computed with these transfers differs from the published one by more than 3 % of the published one.
#
# For example `identify_clock(875, 256, 448)` → (16, 14.0) and `identify_clock(7000, 256, 448)` → (2, 14.0).
# Published figures are rounded: `identify_clock(3996, 8192, 8000)` → (2, 7.8125), though the clock gives 8,184 GB/s.

# %% exercise="identify_clock"
def identify_clock(shown_mhz: float, bus_bits: int, published_gb_s: float) -> tuple[int, float]:
    """(transfers per shown clock, Gbit/s per pin) behind a published bandwidth."""
    ### BEGIN SOLUTION
    with_one = shown_mhz * bus_bits / 8000
    power = round(math.log2(published_gb_s / with_one))
    transfers = 2 ** min(max(power, 0), 5)
    if abs(with_one * transfers - published_gb_s) > 0.03 * published_gb_s:
        raise ValueError("no power of two fits")
    return transfers, published_gb_s * 8 / bus_bits
    ### END SOLUTION

# %% check="identify_clock"
check("44.identify_clock", identify_clock)

# %% [markdown] about="sectors_touched"
# Count the sectors that one warp moves.
#
# - `addresses` is a list of 1 to 32 byte addresses, one for each lane: non-negative integers in any order, some of them perhaps equal.
# - Each lane reads `item_bytes` consecutive bytes from its address on. An item may be longer than a sector.
# - Sector number 0 holds the bytes from 0 to `sector` − 1, and so on.
# - Return the number of different sectors that hold at least one of these bytes.
#
# For example, with items of 4 bytes: 32 consecutive floats from address 0 on → 4; the same from address 4 on → 5;
# every second float → 8; every eighth float → 32; all lanes at one address → 1.

# %% exercise="sectors_touched"
def sectors_touched(addresses: list[int], item_bytes: int, sector: int = 32) -> int:
    """Distinct sectors that contain a requested byte of one warp."""
    ### BEGIN SOLUTION
    touched = set()
    for address in addresses:
        first, last = address // sector, (address + item_bytes - 1) // sector
        touched.update(range(first, last + 1))
    return len(touched)
    ### END SOLUTION

# %% check="sectors_touched"
check("44.sectors_touched", sectors_touched)

# %% [markdown] about="stream_gb_s"
# From measured times to a bandwidth, by STREAM's rule.
#
# - `kernel` is `"copy"` (`c = a`), `"scale"` (`b = 3 c`), `"add"` (`c = a + b`) or `"triad"` (`a = b + 3 c`). Each array has `n` items of `item_bytes` bytes.
# - Count every array that the loop reads or writes: 2, 2, 3 and 3. With `write_allocate=True` one more array is read for each kernel.
# - `seconds` are the times of the repetitions in order. The first is a warm-up and is dropped, whatever it is. Take the fastest of the others.
# - Return GB/s. Raise `ValueError` when there are fewer than 2 repetitions.
#
# For example `stream_gb_s("triad", 10_000_000, 8, [0.9, 0.03, 0.024])` → 10.0, and `stream_gb_s("copy", 10_000_000, 4, [0.5, 0.02, 0.016], True)` → 7.5.

# %% exercise="stream_gb_s"
def stream_gb_s(kernel: str, n: int, item_bytes: int, seconds: list[float], write_allocate: bool = False) -> float:
    """GB/s of the best repetition after the first, which is the warm-up."""
    ### BEGIN SOLUTION
    if len(seconds) < 2:
        raise ValueError("at least two repetitions are needed")
    arrays = {"copy": 2, "scale": 2, "add": 3, "triad": 3}[kernel]
    if write_allocate:
        arrays += 1
    return arrays * n * item_bytes / min(seconds[1:]) / 1e9
    ### END SOLUTION

# %% check="stream_gb_s"
check("44.stream_gb_s", stream_gb_s)

# %% [markdown] about="decode_plan"
# Bound the speed of LLM decoding before you buy the GPU.
#
# In one decode step each of `batch` sequences produces one token.
#
# - Memory: all `n_matmul_params` weights of `bits_per_weight` bits are read once per step, whatever the batch; the bits may be fractional, such as 4.5.
#   Each sequence also reads the cache of its `context` tokens, `kv_bytes_per_token` bytes for each. Those bytes do not depend on `bits_per_weight`.
# - Arithmetic: 2 FLOPs for each weight and sequence. Attention's own arithmetic is left out.
# - The GPU moves `bw_gb_s` GB/s and computes `peak_tflop_s` TFLOP/s (10^12). Both overlap, so a step lasts as long as the longer of the two.
# - Return a dict with exactly these keys: `"memory_ms"` and `"compute_ms"` of a step, `"tokens_per_s"` of the whole batch, and `"bound"`, the one that takes longer: `"memory"` or `"compute"`. (Exact ties are not asked.)
#
# For example `decode_plan(7_504_658_432, 16, 131_072, 0, 1, 3350, 989)` gives 4.480 ms of memory, 0.0152 ms of compute, 223.2 tokens/s, bound `"memory"`.
# With a context of 8192 it is 208.3 tokens/s. With a context of 1024 and a batch of 64 it is 9,092.8 tokens/s.

# %% exercise="decode_plan"
def decode_plan(n_matmul_params: int, bits_per_weight: float, kv_bytes_per_token: float, context: int, batch: int,
                bw_gb_s: float, peak_tflop_s: float) -> dict:
    """Bound the tokens/s of decoding: keys memory_ms, compute_ms, tokens_per_s, bound."""
    ### BEGIN SOLUTION
    moved = n_matmul_params * bits_per_weight / 8 + batch * context * kv_bytes_per_token
    memory_ms = moved / (bw_gb_s * 1e6)
    compute_ms = 2 * n_matmul_params * batch / (peak_tflop_s * 1e9)
    step_ms = max(memory_ms, compute_ms)
    return {
        "memory_ms": memory_ms,
        "compute_ms": compute_ms,
        "tokens_per_s": batch / step_ms * 1000,
        "bound": "memory" if memory_ms > compute_ms else "compute",
    }
    ### END SOLUTION

# %% check="decode_plan"
check("44.decode_plan", decode_plan)

# %% [markdown]
# ## Measure it
#
# Your CPU has a memory bandwidth too, and it obeys the same rules. Everything below runs on one thread; other programs on the machine make the numbers smaller, so the best of several rounds is kept.
#
# **1. Where the caches end.** A copy whose source and target together take 8 KiB to 256 MiB. Before you run it: how many times faster is the best size than the largest?

# %% experiment
from utils.widgets.ch44_gpu_memory_bandwidth import ladder_plot, measure_ladder

ladder_plot(measure_ladder())

# %% [markdown]
# Small copies run in a cache. (The very smallest also pay for the call itself.) The largest can't, so the right end is the DRAM of this machine, read plus write.
# This is why a benchmark must use arrays well beyond the last cache.
#
# **2. What a stride costs.** Summing every stride-th float of a 128 MiB array. A CPU moves 64-byte lines, so the useful share falls until the stride is 16.

# %% experiment
from utils.widgets.ch44_gpu_memory_bandwidth import measure_strides, stride_plot

stride_plot(measure_strides())

# %% [markdown]
# The moved bytes stay about level up to stride 16, while the useful ones fall as 1/stride. It is the microscope's picture with 64 bytes in place of 32.
# At stride 32 every second line is skipped. Then the moved bytes often drop as well: lines that are no neighbours are harder to fetch ahead.
#
# **3. STREAM.** Four loops, in torch. The right column assumes that each store reads its line first; whether it does depends on the machine and the library.

# %% experiment
from utils.widgets.ch44_gpu_memory_bandwidth import stream_table

stream_table()

# %% [markdown]
# **4. Two kinds of work.** A matrix times one vector, and the same matrix times many. The two roofs are the best rates that this machine reached.

# %% experiment
from utils.widgets.ch44_gpu_memory_bandwidth import measure_roofline, roofline_plot

roofline_plot(measure_roofline())

# %% [markdown]
# The product with one vector is decoding at batch 1, the product with many is a large batch or prefill. The same weights are read in both cases.
#
# **5. The same on a GPU.** A copy inside its memory, read plus write. Where there is no GPU the cell shows what was recorded on one, or says that nothing was.
# Before you run it: which share of the peak on the data sheet will a large copy reach?

# %% experiment
from utils.widgets.ch44_gpu_memory_bandwidth import gpu_bandwidth
from utils.widgets.gpu_measurements import gpu_measurement

gpu_measurement("copy_bandwidth", also=gpu_bandwidth)

# %% [markdown]
# Expect 80 to 95 %, and more than the peak for arrays that fit into the L2 cache: those copies hardly touch the memory.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | bandwidth is the rate at which a GPU reads or writes its memory, in GB/s | holds | decimal GB; reads and writes share the peak. 448 GB/s are 417 GiB/s |
# | 2 | bandwidth = frequency × bus width × transfers | holds, with care | over 8, and with the factor of the clock that is shown: 18 products within 1 % |
# | 3 | memory with double data rate moves 2 per clock, so GDDR6 has the factor 2 | wrong | of the command clock: DDR5 and HBM 2, GDDR5 4, GDDR6 8; GDDR6X and GDDR7 16, as spec databases quote them |
# | 4 | GDDR6 at 1750 MHz on 256 bit has 112 GB/s | wrong | 448 GB/s. A GDDR5 card with 128 bit at 1750 MHz, the RX 460, has 112 |
# | 5 | a memory clock is one number (implied) | wrong | the same memory is 875, 1750, 7000 or 14,000 MHz, depending on the tool |
# | 6 | newer memory has a higher frequency and a wider bus | depends | HBM is slower per pin and far wider; the RTX 3090 and 4090 have the same 384 bit, and the B200's driver reports 7680 bit, not the 8192 of its announcement |
# | 7 | bus widths are typically 256 or 384 bit | dated | true for mid-range and large graphics cards; 512 on the RTX 5090, 4096 to 7680 in data-centre GPUs |
# | 8 | high bandwidth speeds up training and inference | depends | the memory-bound part: decoding at small batch, yes; large matrix products and prefill, no |
# | 9 | the peak is what one gets (not discussed) | gap | a stride of 8 floats leaves 12.5 % of each sector useful; ECC on GDDR costs about 20 % |
#
# Rows 1, 2, 6, 8 and 9 were computed above. Rows 3, 4, 5 and 7 in numbers:

# %%
from utils.cost.bandwidth import memory_spec, peak_bandwidth_gb_s

print("row 3:", {t.upper(): clocks["ck"] for t, clocks in TRANSFERS_PER_CLOCK.items()})
print("row 4:", peak_bandwidth_gb_s(1750, 256, 8), "GB/s; RX 460:", memory_spec("RX 460").mem_gb_s, "GB/s")
print("row 5:", [clock_card("RX 5700 XT", c)["clock_mhz"] for c in ("amdgpu", "ck", "nvml", "effective")], "MHz")
print("row 7:", sorted({s.bus_bits for s in SPECS}), "bit")

# %% [markdown]
# ## Explain it
#
# A colleague wants to serve an 8B model for one user at a time. He compares two GPUs by TFLOP/s and concludes that the one with twice as many will be twice as fast. Answer in five or six sentences.
#
# A good answer names:
# 1. what a decode step reads and computes, with FLOPs per byte (about 1 in BF16);
# 2. the ridge point, and on which side of it decoding at batch 1 lies;
# 3. the bound: bandwidth over bytes of weights, with one number;
# 4. what would change it: fewer bits a weight, a larger batch;
# 5. the part for which TFLOP/s do count: prefill, large batches.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Decoding one token reads every weight once and does two FLOPs with it. In BF16 that is about 1 FLOP per byte.
# An H100 needs about 295 FLOPs per byte before its arithmetic is the limit, so decoding at batch 1 waits for memory.
# The bound is bandwidth over bytes of weights: 3,350 GB/s over 15 GB are 223 tokens/s, whatever the TFLOP/s.
# So compare the two GPUs by their GB/s. Weights of 4 bits make it nearly four times faster on either of them.
# Serving several users together helps as well, because they share the reading of the weights, until caches or arithmetic take over.
# TFLOP/s count for the prompt (prefill) and for large batches.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("44")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | memory bandwidth | 内存带宽 | bytes per second to and from DRAM |
# | bus width | 总线位宽 | number of data pins in parallel |
# | data rate per pin | 单引脚数据速率 | Gbit/s on one wire |
# | command clock (CK) | 命令时钟 | the slow clock that commands follow |
# | double / quad / octal data rate | 双倍 / 四倍 / 八倍数据速率 | 2, 4 or 8 bits a pin per cycle |
# | GDDR | 图形双倍速率显存 | graphics DRAM: chips on the board, few fast pins |
# | HBM | 高带宽内存 | DRAM stacked beside the GPU, very many slow pins |
# | warp, lane | 线程束, 通道 | 32 threads that run in step; one of them |
# | coalescing | 合并访存 | lanes share sectors |
# | sector | 扇区 | the 32-byte unit of transfer |
# | write-allocate | 写分配 | a store first reads its line |
# | arithmetic intensity | 计算强度 | FLOPs per byte of memory traffic |
# | ridge point | 屋脊点 | the intensity at which both limits meet |
# | KV cache | 键值缓存 | keys and values of the tokens so far |

# %% [markdown]
# ## Sources
#
# - Linux kernel, drm/amdgpu, commit ccda42a4629a (A. Deucher, 2020): HBM × 2, GDDR5 × 4, GDDR6 × 8, and the doubled controller clock of GDDR6, with RX 460 and RX 5600 as examples.
# - Micron, 8Gb GDDR6 SGRAM data sheet (2018), figure "Clocking and Interface Relationship": CK 1.5 GHz, data 12 Gb/s.
# - NVIDIA developer forum, thread 198730: nvidia-smi's memory clock of the RTX 3090 and the A100.
# - JEDEC, announcement of JESD270-4 (HBM4), 16 April 2025: up to 8 Gb/s on 2048 bit, up to 2 TB/s.
# - NVIDIA, *CUDA C++ Best Practices Guide* 12.9: theoretical and effective bandwidth, ECC, coalesced access.
# - PyTorch, pytorch/ao: pull request 4002 (B200: 3996 MHz, 7680 bit) and `roofline_utils.py` (92 % of the peak).
# - J. D. McCalpin, *Memory Bandwidth and Machine Balance in Current High Performance Computers*, 1995: STREAM.
# - S. Williams, A. Waterman, D. Patterson, *Roofline*, Communications of the ACM, 2009.
# - NVIDIA, data sheets and whitepapers of V100, A100, H100, H200, HGX B200, T4, L4, RTX 5090 and Jetson Orin.
