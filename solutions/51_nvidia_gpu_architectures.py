# %% [markdown]
# # 51 · What do NVIDIA's GPU architectures look like?
# **英伟达的GPU架构是什么样的？**
#
# "I made the matrix 8 % wider, and the product takes twice as long." "FP8 runs on my RTX 4090 and not on our A100." "The new card has more TFLOP/s than the old one, and generates text more slowly."
# A few numbers of a GPU generation answer all three. You will compute them: peaks from counts, what fits on a part of the chip, the last empty wave, and what a version number allows.
#
# About 120 minutes: 70 for the four exercises, the rest to read, try and explain. It helps to know chapters 19 (warps and sectors) and 44 (memory bandwidth). No GPU is needed.

# %% setup
import math

# %% [markdown]
# ## The short answer
#
# > A GPU is an array of *streaming multiprocessors*, SMs, that share an L2 cache and the DRAM, the large memory outside of the chip. Since Volta each SM has four quarters. A quarter has a warp scheduler, registers, lanes for FP32 and integers, and tensor cores, which multiply small matrices. The four share a block of L1 cache and shared memory.
# >
# > The generations that matter: Pascal (NVLink, HBM2, page faults for unified memory), Volta (tensor cores), Turing (INT8 and INT4 on tensor cores, RT cores for ray tracing), Ampere (BF16, TF32, 2:4 sparsity), Ada and Hopper (FP8; Hopper also TMA and clusters), Blackwell (FP4 with block scales). Rubin follows in 2026.
# >
# > For my kernel I ask four things. Does the compute capability have the number format and the instruction? Peak over bandwidth is the ridge point, 295 FLOP per byte for an H100: am I above or below? How many blocks fit on an SM? And does the last wave of blocks fill the chip?

# %% [markdown]
# ## How it works
#
# ### 8 % more work, twice the time
#
# A matrix product is cut into **tiles** of the result, say 128 × 128 elements. On a GPU each tile is computed by a **block**, a group of up to 1,024 threads. An A100 has 108 places for such blocks, if they are so large that one fills a place. Let the result grow by one column of tiles:

# %%
for n in (1536, 1664):
    tiles = (1152 // 128) * (n // 128)
    rounds = -(-tiles // 108)  # rounded up
    print(f"1152 x {n}: {tiles} tiles on 108 places: {rounds} round{'s' * (rounds > 1)}, {tiles / (108 * rounds):.0%} of the places have work")

# %% [markdown]
# 9 tiles more, and a second round begins in which 99 places stay empty. What are these places?
#
# ### One SM
#
# A place is a **streaming multiprocessor**, an **SM**. It is what comes closest to a CPU's core. (Our source, the interview document that this course mirrors, calls it a *streaming processor*. That was NVIDIA's word for one lane of it.) This is one of the 132 SMs of an H100:

# %%
from utils.widgets.ch51_nvidia_gpu_architectures import sm_picture

sm_picture("GH100")

# %% [markdown]
# - Threads run in **warps** of 32. In each cycle the **scheduler** of a quarter picks a warp that is ready and issues its next instruction (chapter 19).
# - A **lane** does one operation in a cycle. An FP32 lane is what NVIDIA calls a **CUDA core**.
# - A **tensor core** multiplies small matrices. Here each one does 512 **FMA** a cycle: fused multiply–adds, a · b + c.
# - **Registers** hold the variables of the threads. All resident warps have theirs at the same time, so that switching costs nothing.
# - **Shared memory** is a scratchpad that the threads of a block share and the program manages. It lies in one block with the **L1 cache**.
#
# Not drawn: units for loads and stores, special functions such as sine (SFU), textures. Outside of the SMs there is an **L2 cache** for all of them, and the DRAM.
#
# ### Peaks are counts times clock
#
# Data sheets print TFLOP/s, 10^12 operations a second. An FMA counts two. For the H100 that is:

# %%
sms = 132
print(f"FP32:        {sms} SMs x 128 lanes x 1.98 GHz x 2 = {sms * 128 * 1.98 * 2 / 1000:.1f} TFLOP/s")
print(f"FP16 tensor: {sms} SMs x 4 cores x 512 FMA x 1.83 GHz x 2 = {sms * 4 * 512 * 1.83 * 2 / 1000:.1f} TFLOP/s")

# %% [markdown]
# NVIDIA states a lower clock for the tensor cores. The same for 14 products, beside what NVIDIA prints:

# %%
from utils.widgets.ch51_nvidia_gpu_architectures import peaks_table

peaks_table()

# %% [markdown]
# All agree within 1 %. Two traps:
#
# - **Sparse figures.** From Ampere on, tensor cores skip the zeros of weights in which 2 of every 4 are zero (*2:4 sparsity*). Data sheets print that doubled figure first. A dense model gets half: 312 TFLOP/s on an A100, not 624.
# - **Accumulation.** GeForce cards add up FP16 products in FP32 at half of the tensor rate. The RTX 4090 has 330 TFLOP/s with sums in FP16, and 165 with sums in FP32, which is what frameworks use.
#
# ### Who computes the integers?
#
# The source says that CUDA cores execute integers and floats. How they do it changed several times. Take work with one integer operation (an address, a loop counter) for every two of FP32, 6,400 and 3,200 for one SM:

# %%
from utils.hardware.gpu_arch import SM_UNITS, lane_cycles

for chip, u in SM_UNITS.items():
    cycles = lane_cycles(u, fp32_ops=6400, int32_ops=3200)
    told = "not known" if cycles is None else f"{cycles:5.1f} cycles"
    print(f"{u.gpu:10} {u.arch:10} {u.fp32:4} FP32 lanes, {u.int32 or '?':>3} INT32; {u.sharing:18} {told}")

# %% [markdown]
# On Pascal both take turns. Volta, Turing, the A100 and the H100 have lanes for integers alone. On GA10x (the chips of the RTX 30 cards) and Ada, half of the FP32 lanes also do integers. On the RTX 50 cards all of them do. So "128 CUDA cores" of an RTX 3090 are 64 when the other half computes addresses. (Issue slots and memory are left out of this count.)
#
# ### The roof: memory
#
# An SM can only compute what arrives. Peak over bandwidth is the **ridge point**, the operations for each byte from DRAM at which both take equally long (chapter 44):

# %%
from utils.hardware.gpu_arch import arch_timeline

for row in arch_timeline():
    kind = "tensor" if row.tensor else "lanes"
    memory = "HBM" if row.stacked else "GDDR"
    print(f"{row.year}  {row.name:10} FP16, {kind:6} {row.fp16_tflop_s:7,.1f} TFLOP/s {row.mem_gb_s:6,.0f} GB/s {memory:4}",
          f"ridge {row.ridge:4.0f} FLOP/byte")

# %% [markdown]
# (The GTX 980 has no fast FP16; its row is FP32.) From V100 to H100 the peak grew 7.9 times and the bandwidth 3.7 times, so the ridge rose from 139 to 295. A layer that does 200 operations a byte was bound by arithmetic on a V100, and is bound by memory on an H100. The H200 has the same SMs with faster memory, and its ridge is 206.
#
# **HBM** is DRAM in stacks beside the GPU, with thousands of wires. **GDDR** are fast chips on the board. An RTX 5090 has more FP32 TFLOP/s than an H100, 105 to 67, and about half of its bandwidth: it decodes a language model more slowly (chapter 44). The two cards side by side:

# %%
from utils.hardware.gpu_arch import GPUS

for name in ("H100 SXM", "RTX 5090"):
    g = GPUS[name]
    peaks = ", ".join(f"{kind.upper()} {g.peak_tflop_s[kind]:,g}" for kind in ("fp32", "fp16", "fp8"))
    link = f"NVLink {g.nvlink_gb_s:g} GB/s" if g.nvlink_gb_s else "no NVLink"
    print(f"{name:8}  {peaks} TFLOP/s, {g.mem_gb_s:,.0f} GB/s, {link}")

# %% [markdown]
# FP16 and FP8 are dense, on the tensor cores, with sums in FP32. **NVLink** is NVIDIA's link between GPUs; the figure is for both directions together. Cards without it exchange data over **PCIe**, the bus of the computer.
#
# ### What fits on an SM
#
# While one warp waits for memory, another one computes. So an SM keeps many warps at once. **Occupancy** is the number of *resident* warps over the most that it can keep. Four stocks decide how many blocks fit: slots for warps, registers, shared memory and slots for blocks.

# %%
from utils.widgets.ch51_nvidia_gpu_architectures import limits_rows

limits_rows(("7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0"))

# %% [markdown]
# The first column is the **compute capability**, the version of an SM: 7.0 is a V100, 8.0 an A100, 8.6 an RTX 3090, 8.9 an RTX 4090 or L4, 9.0 an H100, 10.0 a B200, 12.0 an RTX 5090.
#
# Now a kernel with blocks of 320 threads and 37 registers a thread, on a V100. The quick formula, and then what the hardware does:

# %%
threads, regs = 320, 37
print("quick:", 65536 // (threads * regs), "blocks")

warps = -(-threads // 32)  # of a block, rounded up
cost = -(-regs * 32 // 256) * 256  # registers come in units of 256 for a warp
in_a_quarter = 65536 // 4 // cost  # each quarter has its own, and a warp is not split
blocks = 4 * in_a_quarter // warps
print(f"hardware: {warps} warps a block, {cost} registers a warp, so {in_a_quarter} warps in a quarter")
print(f"{4 * in_a_quarter} warps in the SM: {blocks} blocks")
print(f"occupancy: {blocks * warps} of 64 warps, {blocks * warps / 64:.1%}")

# %% [markdown]
# 4 blocks, not 5. Registers are handed out in units, warp by warp, quarter by quarter. NVIDIA's guide has the same example. Shared memory has rules of its own: from 8.0 on, each block also pays 1 KiB that the system keeps.

# %%
from utils.hardware.gpu_arch import active_blocks

kernels = [("8.0", 64, 0, 512), ("8.0", 65, 0, 512), ("8.0", 65, 0, 128), ("8.0", 32, 48 * 1024, 128),
           ("8.6", 32, 0, 1024), ("8.0", 32, 0, 32), ("8.0", 65, 0, 1024)]
for cc, r, smem, t in kernels:
    fit = active_blocks(cc, r, smem, t)
    print(f"CC {cc}, {t:4} threads, {r} registers, {smem // 1024:2} KiB: {fit.blocks:2} blocks, {fit.occupancy:7.2%},",
          "limit:", fit.limiter)

# %% [markdown]
# One register more, 65 instead of 64, and half of the warps are gone: 65 is rounded to 72, and the second block of 512 threads no longer fits. With blocks of 128 threads the same kernel keeps 43.75 %. The last one can't start at all.
#
# Is low occupancy slow? Not by itself. A large matrix product keeps its tiles in registers, has a few warps with many independent FMA each, and can run near the peak. Occupancy is a means against waiting. Little's law (chapter 48) says how much of it is needed.
#
# ### Waves
#
# A GPU takes as many blocks at a time as fit on all SMs. That is a **wave**. When blocks take equally long, a new wave begins as a whole, and the last one is paid in full however few blocks are left. This is called **wave quantisation**. Here each SM takes one tile at a time, of either size. (Where several small blocks fit on an SM, a wave is larger.)

# %%
from utils.hardware.gpu_arch import wave_quantization

for sms, name in ((80, "V100"), (108, "A100"), (132, "H100")):
    for tile in (128, 64):
        w = wave_quantization(1152, 1664, tile, tile, sms)
        print(f"{name}, tiles of {tile:3}: {w.tiles:3} tiles, {w.waves} waves, {w.utilization:.1%} of the slots have work")

# %% [markdown]
# The same product fills 89 % of an H100, and 54 % of an A100. Small tiles often fill the last wave better, as on the A100 and the V100 here, but read their operands more often (chapter 44). Libraries weigh the two.
#
# ### What a version allows
#
# A compute capability is two whole numbers, major and minor. Written as text, or as a decimal number, they are easy to compare wrongly:

# %%
print('"10.0" < "8.9" as text:', "10.0" < "8.9", "  as pairs:", (10, 0) < (8, 9))

# %% [markdown]
# For most features newer includes older. But the newest matrix instructions belong to one **family**, and are gone in the next:

# %%
from utils.hardware.gpu_arch import FEATURES, supports

ccs = ("6.0", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0")
print(f"{'':22}", *(f"{cc:>5}" for cc in ccs))
for name, feature in FEATURES.items():
    print(f"{name:22}", *(f"{'yes' if supports(cc, name) else '-':>5}" for cc in ccs), "  one family" if feature.family_specific else "")

# %% [markdown]
# (*dp4a* adds four INT8 products in one instruction of a lane. *TMA*, the tensor memory accelerator, copies tiles by itself. *Clusters* are blocks on neighbouring SMs that share their memories. *wgmma* and *tcgen05* are the matrix instructions of Hopper and of the B200's family.)
#
# A kernel built for Hopper's `wgmma` (target `sm_90a`) does not run on a B200. One built for the B200's `tcgen05` does not run on an RTX 5090, though both are called Blackwell, and though 12.0 is greater than 10.0.
#
# And supported does not mean fast. Blackwell Ultra (10.3) gave up most of its INT8 units for FP4: reports in 2025 and 2026 give about 0.15 · 10^15 INT8 operations a second, against 4.5 · 10^15 for the B200. Ask for the rate of your number format, not only whether it exists.
#
# ### The generations
#
# "Unified memory" in this table is no part of the chip. It is one address space for CPU and GPU. The programming model came with CUDA 6 in 2014 and runs from Kepler on. Since Pascal the GPU can fetch single pages when they are touched: touching a page that is elsewhere raises a *page fault*, which stops the access until the page is there.
#
# Three more words of the table. *ECC* is an error-correcting code, which repairs flipped bits in the memory. With *dynamic parallelism* a kernel starts kernels. *Hyper-Q* gives the GPU several queues of work in place of one.

# %%
from utils.widgets.ch51_nvidia_gpu_architectures import generations_table

generations_table()

# %% [markdown]
# Rubin's capability is not in the documents that we read, so its cell says so.

# %% [markdown]
# ## See it
#
# ![Left: a map of occupancy on an A100 for 16 to 248 registers a thread and 32 to 1,024 threads a block. Warps are the limit up to about 32 registers, registers beyond, blocks for the smallest blocks; large blocks with many registers can't start. Right: a cut at 65 registers shows saw teeth: 43.75 percent at 128 threads, 25 percent at 512, 0 above 896 threads.](figure.svg)
#
# An A100 and a kernel with 65 registers a thread. With 512 threads a block, one block fits: 16 of 64 warps, 25 %. With 128 threads seven fit: 28 warps, 43.75 %. Above 896 threads, which are these 28 warps, no block can start.
#
# **What fits on an SM.** Move the registers first, then the block size, and watch the saw teeth. Then choose 8.6 and 1,024 threads.

# %% figure
from utils.widgets.ch51_nvidia_gpu_architectures import occupancy_view

occupancy_view()

# %% [markdown]
# **Waves of tiles.** Make the result wider, step by step. Then change the tile and the GPU.

# %% figure
from utils.widgets.ch51_nvidia_gpu_architectures import waves_view

waves_view()

# %% [markdown]
# **One SM, generation by generation.** The units as counts, from NVIDIA's whitepapers. Look for the integers, the FP64 lanes of the gaming cards, and the tensor cores.

# %% figure
from utils.widgets.ch51_nvidia_gpu_architectures import sm_view

sm_view()

# %% [markdown]
# **Ten years of products.** Four quantities, all on a logarithmic axis. In "ridge" look at the pairs A100 40 GB and 80 GB, H100 and H200: the same SMs with other memories.

# %% figure
from utils.widgets.ch51_nvidia_gpu_architectures import timeline_view

timeline_view()

# %% [markdown]
# ## Exercises
#
# The set-up cell imports `math`; an answer may use it and Python's other modules. Floats may differ from the exact value by rounding (a relative 1e-9).

# %% [markdown] about="peak_tflops"
# The peak of a GPU, from its counts.
#
# - `sms` is the number of SMs, `lanes_per_sm` the number of lanes in *one* SM, both ints. A tensor core that does 64 multiply–adds in a cycle counts as 64 lanes. `ghz` is the clock at which they run, in GHz. All are positive.
# - With `fma` true every lane does a fused multiply–add in each cycle, which counts as two operations. With `fma` false it does one operation.
# - Return TFLOP/s, 10^12 operations a second, as a float, not rounded.
#
# For a V100: `peak_tflops(80, 64, 1.53)` → 15.6672 for FP32; `peak_tflops(80, 512, 1.53)` → 125.3376 for its 8 tensor cores of 64; `peak_tflops(80, 64, 1.53, fma=False)` → 7.8336.

# %% exercise="peak_tflops"
def peak_tflops(sms: int, lanes_per_sm: int, ghz: float, fma: bool = True) -> float:
    """Peak in TFLOP/s; a fused multiply-add counts two operations."""
    ### BEGIN SOLUTION
    return sms * lanes_per_sm * ghz * (2 if fma else 1) / 1000
    ### END SOLUTION

# %% check="peak_tflops"
check("51.peak_tflops", peak_tflops)

# %% [markdown] about="occupancy"
# How many blocks fit on one SM, and how full is it then?
#
# `regs` is the number of registers a thread, 1 to 255. `smem` is the shared memory that a block asks for in bytes, 0 or more. `threads` is the number of threads in a block, 1 to 1,024. All are ints. `limits` describes the SM; do not change it. Those of 7.0, 8.0 and 9.0 are:
#
# | key | 7.0 | 8.0 | 9.0 |
# |---|---|---|---|
# | `"cc"` (a string, not needed) | "7.0" | "8.0" | "9.0" |
# | `"max_threads"`, threads on the SM, a multiple of 32 | 2048 | 2048 | 2048 |
# | `"max_blocks"`, blocks on the SM | 32 | 32 | 32 |
# | `"regs"`, registers of the SM | 65536 | 65536 | 65536 |
# | `"subpartitions"`, equal parts of the SM | 4 | 4 | 4 |
# | `"reg_alloc_unit"`, registers of a warp come in multiples of it | 256 | 256 | 256 |
# | `"smem_bytes"`, shared memory of the SM | 98304 | 167936 | 233472 |
# | `"smem_optin_block_bytes"`, the most that a block may ask for | 98304 | 166912 | 232448 |
# | `"smem_reserved_block_bytes"`, kept by the system for each block | 0 | 1024 | 1024 |
# | `"smem_alloc_unit"`, shared memory of a block comes in multiples of it | 256 | 128 | 128 |
#
# Other capabilities have other values. Some of the checked ones belong to an SM that does not exist, so use the keys.
#
# 1. **Warps.** A block has `threads` / 32 warps, rounded up. The SM has `limits["max_threads"]` / 32 slots for warps.
# 2. **Registers.** A warp needs 32 · `regs` registers (the argument), rounded up to a multiple of `limits["reg_alloc_unit"]`. Each of the `limits["subpartitions"]` equal parts of the SM has `limits["regs"]` / `limits["subpartitions"]` registers and takes whole warps only. The warps of a block may lie in different parts: add up the warps that fit into all parts, and see how many whole blocks they make.
# 3. **Shared memory.** A block needs `smem` (the argument) plus `limits["smem_reserved_block_bytes"]`, rounded up to a multiple of `limits["smem_alloc_unit"]`. If that is more than `limits["smem_optin_block_bytes"]` plus `limits["smem_reserved_block_bytes"]`, the block can't start. Otherwise `limits["smem_bytes"]` has to do for all blocks. If a block needs 0 bytes, shared memory is no limit.
# 4. **Blocks.** At most `limits["max_blocks"]`.
#
# Return the tuple (blocks on the SM as an int, warps of these blocks over the slots for warps as a float). A block that does not fit gives `(0, 0.0)`.
#
# | capability, regs, smem, threads | result |
# |---|---|
# | 7.0, 37, 0, 128 | (12, 0.75) |
# | 7.0, 37, 0, 320 | (4, 0.625) |
# | 9.0, 128, 0, 256 | (2, 0.25) |
# | 8.0, 64, 0, 512 | (2, 0.5) |
# | 8.0, 65, 0, 512 | (1, 0.25) |
# | 8.0, 32, 49152, 128 | (3, 0.1875) |

# %% exercise="occupancy"
def occupancy(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
    """(blocks on one SM, resident warps over the maximum); sizes in bytes."""
    ### BEGIN SOLUTION
    warps = -(-threads // 32)
    slots = limits["max_threads"] // 32
    unit = limits["reg_alloc_unit"]
    warp_regs = -(-32 * regs // unit) * unit
    warps_in_part = limits["regs"] // limits["subpartitions"] // warp_regs
    fits = [slots // warps, warps_in_part * limits["subpartitions"] // warps, limits["max_blocks"]]
    reserved, unit = limits["smem_reserved_block_bytes"], limits["smem_alloc_unit"]
    need = -(-(smem + reserved) // unit) * unit
    if need > limits["smem_optin_block_bytes"] + reserved:
        fits.append(0)
    elif need:
        fits.append(limits["smem_bytes"] // need)
    blocks = min(fits)
    return blocks, blocks * warps / slots
    ### END SOLUTION

# %% check="occupancy"
check("51.occupancy", occupancy)

# %% [markdown] about="wave_efficiency"
# How well does a matrix product fill a GPU?
#
# - The result has `m` rows and `n` columns. It is cut into square tiles of `tile` × `tile` elements. A tile at the edge may be partly empty, and counts as a whole one. All four arguments are ints.
# - Each of the `sms` SMs works on one tile at a time, and every tile takes equally long. So the tiles run in waves of `sms`, one list for the whole result, and the last wave may have idle SMs.
# - Return the share of the slots of all waves (waves times `sms`) that have a tile, as a float. What is empty *inside* a tile does not matter.
# - Raise `ValueError` if one of the four is less than 1.
#
# For example `wave_efficiency(1152, 1536, 128, 108)` → 1.0, `wave_efficiency(1152, 1664, 128, 108)` → 0.541666… (117 of 216) and `wave_efficiency(100, 300, 128, 8)` → 0.375.

# %% exercise="wave_efficiency"
def wave_efficiency(m: int, n: int, tile: int, sms: int) -> float:
    """Share of the SM slots of all waves that have a tile."""
    ### BEGIN SOLUTION
    if min(m, n, tile, sms) < 1:
        raise ValueError("m, n, tile and sms must be at least 1")
    tiles = math.ceil(m / tile) * math.ceil(n / tile)
    return tiles / (math.ceil(tiles / sms) * sms)
    ### END SOLUTION

# %% check="wave_efficiency"
check("51.wave_efficiency", wave_efficiency)

# %% [markdown] about="best_dtype"
# Which number format should a matrix product use on a given GPU?
#
# - `cc` is a compute capability as a string, two whole numbers with a point between: "8.6". The second one may have two digits: "8.10" would come after "8.9".
# - `allowed` is a list of names from the table, without repetition, perhaps empty. Do not change it.
#
# | name | bits | from capability |
# |---|---|---|
# | "fp32" | 32 | any |
# | "tf32" | 19 | 8.0 |
# | "fp16" | 16 | 7.0 |
# | "bf16" | 16 | 8.0 |
# | "int8" | 8 | 7.2 |
# | "fp8" | 8 | 8.9 |
# | "fp4" | 4 | 10.0 |
#
# - A type is supported from its capability on, and by all later ones. Take the supported type of `allowed` with the fewest bits. Among types with equally many, take the one that comes first in `allowed`.
# - Return its name. Raise `ValueError` with the words "no supported type" in its message if nothing in `allowed` is supported.
#
# (TF32 is stored in 32 bits, and a tensor core multiplies 19 of them.)
#
# For example `best_dtype("8.6", ["fp8", "bf16", "fp32"])` → `"bf16"`, `best_dtype("10.0", ["bf16", "fp8", "fp32"])` → `"fp8"`, `best_dtype("7.5", ["bf16", "fp16"])` → `"fp16"` and `best_dtype("8.9", ["int8", "fp8"])` → `"int8"`.

# %% exercise="best_dtype"
def best_dtype(cc: str, allowed: list[str]) -> str:
    """The supported type with the fewest bits; among equals the first in `allowed`."""
    ### BEGIN SOLUTION
    bits = {"fp32": 32, "tf32": 19, "fp16": 16, "bf16": 16, "int8": 8, "fp8": 8, "fp4": 4}
    first = {"fp32": (0, 0), "tf32": (8, 0), "fp16": (7, 0), "bf16": (8, 0), "int8": (7, 2), "fp8": (8, 9), "fp4": (10, 0)}
    version = tuple(int(part) for part in cc.split("."))
    supported = [name for name in allowed if version >= first[name]]
    if not supported:
        raise ValueError(f"no supported type for {cc} in {allowed}")
    return min(supported, key=lambda name: bits[name])
    ### END SOLUTION

# %% check="best_dtype"
check("51.best_dtype", best_dtype)

# %% [markdown]
# ## Measure it
#
# First the saw teeth of all twelve capabilities, computed. Before you look: how many different curves do they make for a kernel with 40 registers?

# %% experiment
from utils.widgets.ch51_nvidia_gpu_architectures import teeth_picture

teeth_picture(40)

# %% [markdown]
# Without shared memory only threads, blocks and registers of an SM matter, and the last are the same for all. So the twelve make four curves: 2,048 threads and 32 blocks, 1,024 and 16, 1,536 and 16, 1,536 and 24. What to look at: with 1,024 threads a block a capability of 1,536 threads keeps at most one block, 67 %.
#
# Now waves that really take time. A pool of 8 threads stands in for 8 SMs. Each tile sleeps for 20 ms, so the CPU's cores do not matter:

# %% experiment
from utils.hardware.gpu_arch import pool_waves
from utils.widgets.ch51_nvidia_gpu_architectures import pool_table

pool_table(pool_waves(8, (1, 8, 9, 16, 17, 24), tile_s=0.02))

# %% [markdown]
# Eight tiles take as long as one, and the ninth costs as much as eight. A busy machine adds a few milliseconds, and never takes any away.
#
# The same on a GPU, and its limits beside the table:

# %% experiment
from utils.widgets.ch51_nvidia_gpu_architectures import gpu_note

gpu_note()

# %% [markdown]
# ## What the source says
#
# Claims of the interview document's answer, checked in November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | an SM is a "streaming processor" (流处理器) | wrong term | a streaming *multi*processor (流式多处理器). A streaming processor is one lane, a CUDA core |
# | 2 | CUDA cores execute integers and floats | depends | on the same lanes in Pascal and the RTX 50 cards; on separate ones in Volta, Turing, A100 and H100; on half of them in GA10x and Ada (computed above) |
# | 3 | unified memory is a part of the GPU | wrong category | one address space for CPU and GPU, a programming model; pages move by faults since Pascal |
# | 4 | Tesla was the first, and brought CUDA cores | holds | the chip G80, 2006 |
# | 5 | Fermi: ECC, more registers, L1 and L2, better FP64 | holds | 32,768 registers an SM |
# | 6 | Kepler: dynamic parallelism and Hyper-Q | depends | only from capability 3.5 on (the chip GK110), not on the first Kepler chips, 3.0 |
# | 7 | Maxwell brought unified memory and NVLink | wrong, twice | unified memory: CUDA 6 on Kepler. NVLink: Pascal's P100, 4 links, 160 GB/s in both directions together |
# | 8 | Pascal: mixed precision and HBM2 | depends | the P100: FP16 at twice the FP32 rate, HBM2. Capability 6.1 (GTX 1080, P4, P40): GDDR5 or GDDR5X, FP16 at 1/64, and INT8 by dp4a |
# | 9 | Volta brought tensor cores | holds | 640 in a V100: 125 TFLOP/s in FP16 |
# | 10 | Ampere is the newest | dated | Ada and Hopper (2022), Blackwell (2024), Blackwell Ultra (2025), Rubin (2026) |
# | 11 | Ampere has more CUDA cores in an SM | depends | A100: 64, as V100 and T4 before. GA10x: 128 (computed below) |
# | 12 | Ampere uses GDDR6X, a high-bandwidth memory, with lower latency | wrong | the A100 has HBM2 or HBM2e. GDDR6X is on cards such as the RTX 3090; it is not HBM, and its gain is bandwidth |
# | 13 | Ampere has third-generation NVLink and PCIe 4.0 | depends | A100: 600 GB/s. Most GA10x cards have no NVLink. PCIe 4.0 holds for all |
#
# Rows 7, 9 and 11 to 13, from the table of products:

# %%
from utils.hardware.gpu_arch import GPUS

for name in ("GTX 980", "P100", "V100", "T4", "A100 40GB", "A100 80GB", "RTX 3090"):
    g = GPUS[name]
    link = f"NVLink {g.nvlink_gb_s:g} GB/s" if g.nvlink_gb_s else "no NVLink"
    print(f"{name:10} {g.arch:8} {g.fp32_per_sm:3} FP32 lanes an SM, {g.sms * g.tensor_per_sm:3} tensor cores, {g.mem_type.upper():7}{g.mem_gb_s:6,.0f} GB/s, {link}")

# %% [markdown]
# ## Explain it
#
# A colleague wants to move a service from an H100 to two RTX 5090 cards: "Blackwell is newer than Hopper, 12.0 is greater than 9.0, so all our FP8 kernels run. And it has 105 TFLOP/s against 67." The kernels use `wgmma`, and tiles with 160 KiB of shared memory a block. What do you answer? Six to eight sentences.
#
# A good answer names:
# 1. which of the kernels run at all, and why the version number does not say it;
# 2. what the tiles do not fit into, with a number;
# 3. which peak counts for matrices, with both numbers;
# 4. the memory bandwidth, and the link between the cards;
# 5. what to measure before deciding.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# FP8 as a number format is there on 12.0, but the kernels are built for `wgmma`, an instruction of the 9.x family alone, so they don't run on 12.0, and neither would kernels for the B200's `tcgen05`.
# They have to be rewritten or replaced by library kernels for this family.
# A block of 160 KiB cannot start either: an SM of 12.0 has 100 KiB of shared memory, of which one block may take 99, against 227 on an H100.
# Smaller tiles fit, but they read their operands more often.
# The 105 and 67 TFLOP/s are for FP32 on the lanes; for matrices the tensor cores count, in dense FP16 with sums in FP32 about 210 TFLOP/s a card against 989, and in FP8 419 against 1,979.
# The bandwidth is 1,792 GB/s a card against 3,350, so decoding is slower on one card, and two cards have no NVLink: what they exchange goes over PCIe.
# I would measure tokens per second and latency at our batch sizes on one rented card, with library kernels in FP8, and compare the cost per token.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("51")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | SM | 流式多处理器 | schedulers, registers, lanes, tensor cores and L1: the GPU's core |
# | CUDA core | CUDA 核心 | one FP32 lane |
# | tensor core | 张量核心 | a unit that multiplies small matrices |
# | warp | 线程束 | 32 threads that are issued together |
# | block | 线程块 | up to 1,024 threads that share an SM's memory |
# | occupancy | 占用率 | resident warps over the maximum |
# | compute capability | 计算能力 | the version of an SM's features |
# | register file | 寄存器文件 | 65,536 32-bit registers an SM since Kepler |
# | shared memory | 共享内存 | on-chip memory that the program manages |
# | NVLink | NVLink 互连 | a link between GPUs, first in the P100 |
# | HBM | 高带宽显存 | stacked DRAM beside the GPU |
# | unified memory | 统一内存 | one address space; pages move |
# | structured sparsity | 结构化稀疏 | 2 of 4 weights are zero |
# | wave quantisation | 波次量化 | a last, partly empty wave takes as long as a full one |
# | ridge point | 屋脊点 | peak over bandwidth, in FLOP per byte |

# %% [markdown]
# ## Sources
#
# - NVIDIA, `cuda_occupancy.h` (CUDA runtime 13.5): the rules of occupancy; `cuda/__device/arch_traits.h` (CCCL, CUDA 13): the limits by capability. The course's tests hold 300 results of the former, recorded on a CPU.
# - NVIDIA, *CUDA C++ Best Practices Guide*: 37 registers on capability 7.0. *CUDA C++ Programming Guide*: features by capability, dynamic parallelism from 3.5 on. *PTX ISA* 9: targets of wgmma and tcgen05.
# - NVIDIA whitepapers: *GeForce GTX 980*, *Tesla P100*, *Tesla V100*, *Turing*, *A100*, *GA102*, *H100*, *Ada*, *RTX Blackwell*. *Blackwell Tuning Guide*. Data sheets of T4, L4, H200, B200.
# - NVIDIA technical blog, *Inside Pascal* (2016) and *Unified Memory in CUDA 6* (2013).
# - INT32 and FP64 lanes of an H100 and the shared lanes of Blackwell: A. Jarmusch et al., arXiv (July 2025), as reported.
# - Blackwell Ultra: Tom's Hardware on Hot Chips 2025, and a comparison of B200, B300 and GB300 by Verda. Rubin: NVIDIA at CES and Computex 2026, as reported.
