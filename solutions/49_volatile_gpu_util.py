# %% [markdown]
# # 49 · What does Volatile GPU-Util mean on NVIDIA cards?
# **英伟达显卡中Volatile-GPU-Util代表什么含义？**
#
# "Our GPUs are at 100 %, we need more of them." Autoscalers, cost reports and budgets hang on one number in one box. The box is usually misread, and that begins with the number's name.
#
# About 80 minutes: 56 for the five exercises, the rest to read, measure and explain. It helps to know chapters 04 (GPU memory and GPU utilisation), 44 (memory bandwidth) and 51 (NVIDIA's architectures).

# %% setup
import math
import re
from itertools import pairwise

import numpy as np

# %% [markdown]
# ## The short answer
#
# > There is no metric called *Volatile GPU-Util*. The heading has two lines: "Volatile Uncorr. ECC" above, "GPU-Util" below. *Volatile* belongs to the counter of memory errors, which starts at zero whenever the driver loads.
# >
# > GPU-Util is the percentage of the last sample window, 1/6 to 1 second depending on the product, in which at least one kernel was executing. A kernel is a program that runs on the GPU.
# > 100 % can be one warp, 32 threads, on one of more than a hundred multiprocessors. So it shows that the GPU was not idle in that window, and nothing more.
# >
# > To judge efficiency I look at SM activity (how many multiprocessors, SMs, have work) and occupancy (how full they are), tensor activity (use of the matrix units), DRAM activity (use of the memory bandwidth) and power. In the end I look at MFU: the model's FLOPs over the peak.
# > A low GPU-Util says that there were gaps: the host, the input pipeline or the launches leave them, or there is too little work to do.

# %% [markdown]
# ## How it works
#
# ### Two lines of headings
#
# This is the box from the interview document that this course mirrors:

# %%
from utils.widgets.ch49_volatile_gpu_util import box

box()

# %% [markdown]
# Each cell has two lines of headings and two lines of values. The upper heading belongs to the upper value. So "Volatile Uncorr. ECC" is `N/A` here, and "GPU-Util" is 28 %.
#
# **ECC** is an error-correcting code in the memory. *Uncorr.* counts the errors that it could find and not repair. NVML, NVIDIA's library for monitoring, has two such counters:
# the **volatile** one is reset each time the driver loads, the **aggregate** one lasts for the life of the board. A GTX 1080 has no ECC, hence `N/A`. It is not zero errors: nobody counts. Data-centre GPUs such as an H100 do have it.
#
# A parser that returns both keeps them apart, whatever the layout. (The texts of drivers 525 and 550 are examples of later layouts. Most of their numbers were changed: they are no measurements.)

# %%
from utils.hardware.gpu_monitor import parse_nvidia_smi_table, sample_text

for name in ("470_gtx1080", "525", "550"):
    for row in parse_nvidia_smi_table(sample_text(name)):
        print(f"driver {row['driver']:11} {row['name']:19} GPU-Util {row['util_pct']:2.0f} %, volatile ECC errors {row['volatile_uncorr_ecc']}")
print(sample_text("470_gtx1080"), sample_text("550"), sep="\n")

# %% [markdown]
# The last two are the raw texts of the first and the third. Driver 550 prints `Off` for an ECC that is switched off. That is unknown as well.
#
# ### Presence, averaged over a window
#
# NVML defines GPU-Util: the percentage of time over the past sample period in which one or more kernels were executing. The period is between 1/6 and 1 second, by product.
#
# Let kernels run for the first 0.3 s of each second. What does a monitor read?

# %%
from utils.widgets.ch49_volatile_gpu_util import windows

pulses = [(i, i + 0.3) for i in range(3)]
windows(pulses, 3.0, (0.5, 1.0))

# %% [markdown]
# With windows of 1 s it reads 30 % each time. With windows of 0.5 s it reads 60, 0, 60, 0. Same work, different numbers.
#
# - *Which* part of the window was busy can't be told from one number.
# - Windows that together cover the whole trace have the same mean, whatever their length: 30 %.
# - `nvidia-smi -l 5` only sets how often the tool asks. The window does not become longer: 4 of every 5 seconds, or more, are never seen.
#
# That a reading depends on how window and workload fall together is called **aliasing**. Here the windows begin at other moments:

# %%
from utils.hardware.gpu_monitor import sample_series

for start in (0, 0.1, 0.2, 0.3):
    seen = sample_series(pulses, 0.5, start, start + 2)
    print(f"windows of 0.5 s that begin at {start:.1f} s:", *(f"{v:3.0f} %" for v in seen), f" mean {np.mean(seen):.0f} %")

# %% [markdown]
# ### How many SMs?
#
# A GPU consists of streaming multiprocessors (**SM**s): 132 in an H100. GPU-Util asks whether a kernel is there. It does not ask how many SMs it takes.
#
# Take a small GPU with 8 SMs, and 40 ms. Three kernels: 0 to 10 ms on 4 SMs, 5 to 15 ms on 4 SMs, 20 to 30 ms on all 8.

# %%
from utils.hardware.gpu_monitor import Kernel, kernel_utilization
from utils.hardware.gpu_monitor import sm_activity as activity

trace = [Kernel(0, 10, 4), Kernel(5, 15, 4), Kernel(20, 30, 8)]
print(f"GPU-Util    {kernel_utilization(trace, 0, 40)} %")
print(f"SM activity {activity(trace, 0, 40, num_sms=8)} %")

# %% [markdown]
# 25 of 40 ms have a kernel: 62.5 %. The SM time is 4·10 + 4·10 + 8·10 = 160 of 8·40 = 320 SM·ms: 50 %.
# This is **SM activity**: the share of time in which an SM has at least one warp, averaged over all SMs. A warp that waits for memory counts as well.
# Kernels that overlap add up, but never to more SMs than there are. (A simplification: they take different SMs as long as any are free. Real ones may share an SM.)

# %%
crowd = [Kernel(0, 10, 6), Kernel(5, 15, 6)]
print(f"6 + 6 SMs wanted of 8: SM activity {activity(crowd, 0, 20, num_sms=8)} %, and not 75 %")
print(f"one warp on one of 132 SMs: GPU-Util 100 %, SM activity {activity([Kernel(0, 1, 1)], 0, 1, num_sms=132):.2f} %")

# %% [markdown]
# ### How full is an SM?
#
# An SM holds many warps at once and switches between them: while one waits for memory, another computes. **Occupancy** is the number of resident warps over the maximum.
#
# What fits is decided by four stocks. A kernel comes in blocks of threads, and a block occupies warp slots, one block slot, registers and shared memory (a scratchpad). The stock that runs out first is the limit.
# The compute capability (CC) is the version of an SM: 7.5 is a T4, 8.0 an A100, 8.6 an RTX 3090, 9.0 an H100.

# %%
from utils.widgets.ch49_volatile_gpu_util import limits_table

limits_table()

# %%
from utils.hardware.gpu_arch import active_blocks

print("on an A100 (CC 8.0)")
for threads, regs, smem in ((256, 32, 0), (256, 64, 0), (128, 32, 48 * 1024), (32, 32, 0), (96, 40, 0), (1024, 65, 0)):
    fit = active_blocks("8.0", regs, smem, threads)
    print(f"  {threads:4} threads, {regs} registers, {smem // 1024:2} KiB: {fit.blocks:2} blocks, occupancy {fit.occupancy:7.2%},",
          "limit:", fit.limiter)

# %% [markdown]
# The last one can't start: 32 warps of 65 registers need more than the 65,536 registers that there are.
#
# Averaged over SMs and time, occupancy is a metric of the whole GPU. Of the three kernels above let the first have 32 resident warps per SM, the second 12, the third 64:

# %%
from utils.hardware.gpu_monitor import sm_occupancy as warps_resident

trace = [Kernel(0, 10, 4, warps_per_sm=32), Kernel(5, 15, 4, warps_per_sm=12), Kernel(20, 30, 8, warps_per_sm=64)]
print(f"occupancy   {warps_resident(trace, 0, 40, num_sms=8, max_warps=64):5.1f} %")
print(f"SM activity {activity(trace, 0, 40, num_sms=8):5.1f} %")
print(f"GPU-Util    {kernel_utilization(trace, 0, 40):5.1f} %")

# %% [markdown]
# The order never changes: where a slot is filled its SM is active, and where an SM is active a kernel is present.
#
# Occupancy counts warps that are *there*. It does not count instructions. A large matrix product keeps its tiles in registers, so few warps fit, and it still runs near the peak.
#
# ### The ladder
#
# After occupancy come two more questions, and one number that pays the bill:
#
# | rung | question | where to read it |
# |---|---|---|
# | GPU-Util | is a kernel running? | nvidia-smi, NVML `utilization.gpu` |
# | SM activity | how many SMs have work? | DCGM `SM_ACTIVE`, NVML GPM `SM_UTIL` |
# | occupancy | how many warps are resident? | DCGM `SM_OCCUPANCY`, GPM `SM_OCCUPANCY` |
# | tensor activity | are the matrix units in use? | DCGM `PIPE_TENSOR_ACTIVE`, GPM `ANY_TENSOR_UTIL` |
# | DRAM activity | how much of the memory bandwidth is used? | DCGM `DRAM_ACTIVE`, GPM `DRAM_BW_UTIL` |
# | MFU | what share of the peak FLOPs does the model get? | tokens/s and arithmetic |
#
# DCGM is NVIDIA's manager for data-centre GPUs. GPM is a newer part of NVML, for Hopper and later. NVIDIA lists them as different metrics because they are: DCGM's guide calls 80 % of SM activity necessary for good use, and not sufficient.
#
# Here are five workloads on an H100. They are models: how many warps or bytes a kernel takes was assumed, in the usual order of magnitude.

# %%
from utils.widgets.ch49_volatile_gpu_util import ladder_table

ladder_table()

# %% [markdown]
# Four of five read 100 %.
#
# MFU, model FLOPs utilisation, needs no counter. An LLM takes 2 FLOPs for each parameter and generated token. Llama-3-8B has 8.03 billion parameters, and an H100 has a peak of 989 TFLOP/s in BF16 (a 16-bit float) on dense matrices, those in which no zeros are skipped:

# %%
from utils.cost.flops import decode_mfu

for tokens_per_s in (200, 2500):
    print(f"{tokens_per_s:5} tokens/s: MFU {decode_mfu(8.03e9, tokens_per_s, 989e12):.2%}")

# %% [markdown]
# 200 tokens/s is one user and close to what the memory allows (chapter 44): each token reads all the weights. 2,500 tokens/s are many users together. In both cases the kernels follow each other without gaps, so GPU-Util should read about 100 %. (This is modelled, not measured.)
#
# ### Several numbers, one diagnosis
#
# No single number names a bottleneck. Six of them, asked in a fixed order, can. The thresholds are rules of thumb of this course:

# %%
from utils.hardware.gpu_monitor import diagnose as find_bottleneck

keys = ("gpu_util", "sm_active", "tensor_active", "dram_active", "pcie_pct", "cpu_util")
for values in ((97, 8, 1, 4, 3, 30), (99, 85, 6, 82, 2, 40), (98, 92, 71, 35, 2, 20), (40, 35, 20, 15, 5, 95), (25, 20, 10, 9, 85, 30)):
    found = find_bottleneck(dict(zip(keys, values)))
    print(f"{found.label:20} because {found.evidence}\n{'':20} next: {found.next_step}")

# %% [markdown]
# - *Host-bound*: the CPU is busy and can't prepare work fast enough.
# - *Launch-bound*: the host starts short kernels one by one, and the GPU waits between them.
# - *Communication-bound*: PCIe, the bus between the host and the GPU, is nearly full.
# - *Underfilled*: the kernels are too small to give all SMs work.
# - *Memory-bound*, *compute-bound*: the memory bandwidth or the arithmetic is used up.
#
# The rules of thumb have limits. Copies that run beside the kernels hold nothing back, and a full bus is still called communication-bound.

# %% [markdown]
# ## See it
#
# ![Left: a modelled trace of three seconds in which one of 132 SMs runs a kernel all the time; below it nvidia-smi reads 100 percent in each window of one second. Right: bars of the ladder: GPU-Util 100 percent, SM activity 0.76 percent, occupancy 0.012 percent, tensor activity, DRAM activity and MFU 0 percent.](figure.svg)
#
# One warp spins on one of the 132 SMs of an H100. GPU-Util reads 100 % in each of the three windows. SM activity is 0.76 %, occupancy 0.012 %, and nothing is computed.
#
# **One number, five GPUs.** Choose a workload, or make a kernel of your own. All of it is modelled.
# Then take "waiting for data" and windows of 1/2 s. Move the phase, which is how much later the windows begin: the orange line changes, the bars do not.

# %% figure
from utils.widgets.ch49_volatile_gpu_util import ladder

ladder()

# %% [markdown]
# **What 98 % leaves free, simulated.** One request per second to Llama-3-8B on an L4. The last panel shows GPU-Util, MFU and the memory that is held. Step times are roofline bounds, a real server is slower.

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("49")

# %% [markdown]
# What to notice: GPU-Util is 98 % at one request per second and 98 % at eight. In between the server makes 3.4 times as many tokens per second, a token takes 60 ms instead of 52, and MFU goes from 4.1 % to 14 %.

# %% [markdown]
# ## Exercises
#
# Results in floating point may differ from the exact value by rounding (a relative 1e-6). `math`, `re`, `pairwise` (of `itertools`) and NumPy (`np`) are there from the set-up cell. An answer is run without the other exercises.

# %% [markdown] about="read_smi_cell"
# Read the box of nvidia-smi.
#
# - `table` is the whole output as a string, with one GPU. It has lines of rules and headings, then, after the first line that begins with `|=`, two lines of values for the GPU; mostly a third line follows (MIG, a partition of the GPU). Above the box there may be a line with the date. Below it a table of processes may follow: ignore it.
# - The columns are separated by `|`. Their widths differ between driver versions.
# - First line of values: index, name and the state of the persistence mode (`On` or `Off`) | bus and display | volatile uncorrected ECC errors.
# - Second line: fan, temperature, performance state, power `usage / cap` | memory `used / total` | GPU-Util and compute mode.
# - Return a dict with six keys. `name`: a string, as it is printed, without index and persistence state. `util_pct`: GPU-Util in percent. `mem_used_mib` and `mem_total_mib`: MiB. `volatile_uncorrected_ecc`: an int. `power_w`: the usage in watts, not the cap. Numbers may be ints or floats.
# - Where the tool prints `N/A`, and where it prints `Off` for an ECC that is switched off, the value is `None`. Memory is always printed as numbers.
#
# For example the box above → name `"GeForce GTX 1080"`, util_pct 28, mem_used_mib 0, mem_total_mib 8119, volatile_uncorrected_ecc `None`, power_w 42. The second visible case has these two lines of values, and gives
# `"NVIDIA A100-SXM4-80GB"`, 97, 60210, 81920, 0 and 301:
#
# ```
# |   0  NVIDIA A100-SXM4-80GB          On  | 00000000:01:00.0 Off |                    0 |
# | N/A   58C    P2             301W / 400W |  60210MiB / 81920MiB |     97%      Default |
# ```

# %% exercise="read_smi_cell"
def read_smi_cell(table: str) -> dict:
    """The readings of the one GPU in a boxed nvidia-smi output; None for N/A and for an ECC that is Off."""
    ### BEGIN SOLUTION
    lines = table.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|=")) + 1
    name, _, ecc = lines[first].strip("|").split("|")
    board, memory, load = lines[first + 1].strip("|").split("|")

    def number(text: str) -> int | None:
        digits = re.search(r"\d+", text)
        return int(digits[0]) if digits else None

    used, total = memory.split("/")
    return {"name": " ".join(name.split()[1:-1]), "util_pct": number(load.split()[0]), "mem_used_mib": number(used),
            "mem_total_mib": number(total), "volatile_uncorrected_ecc": number(ecc), "power_w": number(board.split()[3])}
    ### END SOLUTION

# %% check="read_smi_cell"
check("49.read_smi_cell", read_smi_cell)

# %% [markdown] about="windowed_util"
# What does a monitor read, window by window?
#
# - `intervals` is a list of (from, to) pairs in which kernels run, in any order. They may overlap, be nested, be empty (from = to), or lie outside of [`start`, `end`). The list may be empty. `end` is after `start`. All times are numbers in one unit, between −10 and 100.
# - Cut [`start`, `end`) into consecutive windows of length `period`: window i reaches from start + i·period to start + (i + 1)·period.
# - For each *whole* window give the percentage of it in which at least one kernel runs. Return a list of floats, in order. If not even one window is whole, return `[]`.
# - An incomplete window at the end is left out. One that is short only by rounding, by less than a millionth of a period, counts as whole: from 0 to 0.3 there are three windows of 0.1. (What is left out is short by a tenth of a period or more.)
# - Raise `ValueError` if `period` is 0 or negative.
#
# For example `windowed_util([(0, 0.2), (1.0, 1.5)], 0.5, 0, 2)` → `[40, 0, 100, 0]`
# and `windowed_util([(0.05, 0.15), (0.1, 0.2)], 0.1, 0, 0.3)` → `[50, 100, 0]`.

# %% exercise="windowed_util"
def windowed_util(intervals: list[tuple[float, float]], period: float, start: float, end: float) -> list[float]:
    """Percent of each whole window of `period` in [start, end) in which at least one interval runs."""
    ### BEGIN SOLUTION
    if period <= 0:
        raise ValueError("the period must be positive")
    readings = []
    for i in range(math.floor((end - start) / period + 1e-6)):
        busy, reached, stop = 0.0, start + i * period, start + (i + 1) * period
        for a, b in sorted(intervals):
            a, b = max(a, reached), min(b, stop)
            if b > a:
                busy, reached = busy + b - a, b
        readings.append(100 * busy / period)
    return readings
    ### END SOLUTION

# %% check="windowed_util"
check("49.windowed_util", windowed_util)

# %% [markdown] about="sm_activity"
# How many of the SMs have work?
#
# - `kernels` is a list of (from, to, SMs) in any order; it may be empty. Each has `to` after `from`, and at least 1 SM. Kernels may overlap, stick out of the window [`start`, `end`), or lie outside of it.
# - At each moment the SMs of all running kernels add up, to at most `num_sms`. (A simplification: kernels take different SMs as long as any are free.)
# - Return the average of the busy SMs over the window, in percent of `num_sms`.
# - Raise `ValueError` if `end` is not after `start`, or `num_sms` is below 1.
#
# For example `sm_activity([(0, 10, 4), (5, 15, 4), (20, 30, 8)], 0, 40, 8)` → 50.0
# and `sm_activity([(0, 10, 6), (5, 15, 6)], 0, 20, 8)` → 62.5.

# %% exercise="sm_activity"
def sm_activity(kernels: list[tuple[float, float, int]], start: float, end: float, num_sms: int) -> float:
    """Time-average share of the SMs that run a kernel, in percent; kernels are (start, end, SMs)."""
    ### BEGIN SOLUTION
    if end <= start or num_sms < 1:
        raise ValueError("end must be after start, and num_sms at least 1")
    inside = [(max(a, start), min(b, end), sms) for a, b, sms in kernels if b > start and a < end]
    times = sorted({t for k in inside for t in k[:2]})
    busy = 0.0
    for left, right in pairwise(times):
        running = sum(sms for a, b, sms in inside if a <= left and right <= b)
        busy += min(running, num_sms) * (right - left)
    return 100 * busy / (num_sms * (end - start))
    ### END SOLUTION

# %% check="sm_activity"
check("49.sm_activity", sm_activity)

# %% [markdown] about="sm_occupancy"
# How many of the warp slots are filled?
#
# - `kernels` is a list of (from, to, SMs, threads per block, registers per thread, bytes of shared memory per block), in any order, as before; it may be empty.
# - `limits` describes an SM: a dict that `blocks_per_sm` understands. `limits["max_threads"]` is the most threads that one SM holds, not one block. Divided by 32 it is the number of warp slots of an SM (64 on an A100).
# - `blocks_per_sm(limits, threads, regs, smem)` is given, at the top of the cell: how many blocks of a kernel fit on one SM, by NVIDIA's rules. Call it and leave it as it is. It does not check the limits of a single block: 1,024 threads, and 255 registers a thread. All kernels here keep to them. A block of t threads has t / 32 warps, rounded up.
# - While a kernel runs, each of its SMs holds all the blocks that fit. A kernel of which not even one block fits counts nothing.
# - At each moment the resident warps of all running kernels add up, to at most `num_sms` · warp slots: the same simplification as in the exercise before.
# - Return the average of the resident warps over the window [`start`, `end`), in percent of `num_sms` · warp slots.
# - Raise `ValueError` if `end` is not after `start`, or `num_sms` is below 1.
#
# For example on 8 SMs of an A100, from 0 to 40: `[(0, 10, 4, 256, 64, 0), (5, 15, 4, 128, 32, 49152), (20, 30, 8, 256, 32, 0)]` → 33.59375. They have 32, 12 and 64 resident warps per SM.
# And from 0 to 20: `[(0, 10, 6, 256, 32, 0), (5, 15, 6, 256, 32, 0)]` → 62.5.

# %% exercise="sm_occupancy"
def blocks_per_sm(limits: dict, threads: int, regs: int, smem: int) -> int:
    """Blocks of a kernel that fit on one SM; 0 if not even one does."""
    def up(value: int, unit: int) -> int:
        return -(-value // unit) * unit

    warps = up(threads, 32) // 32
    parts = limits["subpartitions"]  # each has its own part of the registers
    by_regs = limits["regs"] // parts // up(32 * regs, limits["reg_alloc_unit"]) * parts // warps
    shared = up(smem + limits["smem_reserved_block_bytes"], limits["smem_alloc_unit"])
    by_smem = limits["smem_bytes"] // shared if shared else limits["max_blocks"]
    return min(limits["max_threads"] // 32 // warps, limits["max_blocks"], by_regs, by_smem)


def sm_occupancy(kernels: list[tuple[float, float, int, int, int, int]], start: float, end: float, num_sms: int,
                 limits: dict) -> float:
    """Time-average share of the warp slots that hold a warp, in percent.

    Kernels are (start, end, SMs, threads a block, registers a thread, shared bytes a block)."""
    ### BEGIN SOLUTION
    if end <= start or num_sms < 1:
        raise ValueError("end must be after start, and num_sms at least 1")
    slots = num_sms * limits["max_threads"] // 32
    events = []
    for a, b, sms, threads, regs, smem in kernels:
        warps = sms * blocks_per_sm(limits, threads, regs, smem) * math.ceil(threads / 32)
        if b > start and a < end:
            events += [(max(a, start), warps), (min(b, end), -warps)]
    filled, resident, now = 0.0, 0, start
    for time, change in sorted(events):
        filled += min(resident, slots) * (time - now)
        resident, now = resident + change, time
    return 100 * filled / (slots * (end - start))
    ### END SOLUTION

# %% check="sm_occupancy"
check("49.sm_occupancy", sm_occupancy)

# %% [markdown] about="diagnose"
# Name the bottleneck.
#
# `m` is a dict with six numbers in percent: `gpu_util`, `sm_active`, `tensor_active`, `dram_active`, `pcie_pct` and `cpu_util`. It may have other keys: ignore them.
#
# Raise `ValueError` if one of the six is missing, or is below 0 or above 100; 0 and 100 are allowed. The message must contain the name of that key. (At most one is wrong.) All six are checked, also where the rules would not look at them.
#
# Otherwise return a string by the first rule that fits:
#
# 1. `gpu_util` < 5: `"idle"`
# 2. `pcie_pct` ≥ 70: `"communication-bound"`
# 3. `gpu_util` < 60: `"host-bound"` if `cpu_util` ≥ 80, else `"launch-bound"`
# 4. `sm_active` < 30: `"underfilled"`
# 5. `dram_active` ≥ 60 and `tensor_active` < 40: `"memory-bound"`
# 6. `tensor_active` ≥ 40: `"compute-bound"`
# 7. `dram_active` ≥ 40: `"memory-bound"`
# 8. else `"underfilled"`
#
# For example, with the values in the order of the keys: 97, 8, 1, 4, 3, 30 → `"underfilled"`; 99, 85, 6, 82, 2, 40 → `"memory-bound"`; 40, 35, 20, 15, 5, 95 → `"host-bound"`.

# %% exercise="diagnose"
def diagnose(m: dict) -> str:
    """The bottleneck that six readings in percent point to; the first rule that fits decides."""
    ### BEGIN SOLUTION
    for key in ("gpu_util", "sm_active", "tensor_active", "dram_active", "pcie_pct", "cpu_util"):
        if key not in m or not 0 <= m[key] <= 100:
            raise ValueError(f"{key} must be given, from 0 to 100")
    if m["gpu_util"] < 5:
        return "idle"
    if m["pcie_pct"] >= 70:
        return "communication-bound"
    if m["gpu_util"] < 60:
        return "host-bound" if m["cpu_util"] >= 80 else "launch-bound"
    if m["sm_active"] < 30:
        return "underfilled"
    if m["tensor_active"] >= 40:
        return "compute-bound"
    return "memory-bound" if m["dram_active"] >= 40 else "underfilled"
    ### END SOLUTION

# %% check="diagnose"
check("49.diagnose", diagnose)

# %% [markdown]
# ## Measure it
#
# Now a real trace. There may be no GPU here, so the operators of a small network on the CPU stand in for kernels: the network computes for a quarter of a second, then "waits for data" for 0.45 s, and so on for 3 s.
# `torch.profiler` records it, and exports a Chrome trace: the file format that also holds the kernels of a GPU. Which windows will scatter most, those of 1/6, 1/2 or 1 s?

# %% experiment
from utils.hardware.gpu_monitor import record_host_trace, trace_from_chrome
from utils.widgets.ch49_volatile_gpu_util import windows

operators = trace_from_chrome(record_host_trace(seconds=3.0))
busy = [k.interval for k in operators]
print(f"{len(operators):,} operators, nested ones included")
windows(busy, 3.0, (1 / 6, 0.5, 1.0), what="an operator runs on the CPU (measured)")

# %% [markdown]
# The mean is the same for all three, because each set of windows covers the same 3 s. The spread never rises from one length to the next: 1/2 s is three windows of 1/6 s, and 1 s is two of 1/2 s, so a long reading is the average of whole shorter ones. This holds for every trace, and is checked here:

# %% experiment
series = [sample_series(busy, period, 0, 3.0) for period in (1 / 6, 0.5, 1.0)]
means, spreads = [v.mean() for v in series], [v.std() for v in series]
assert max(means) - min(means) < 1 and spreads[0] + 1e-6 >= spreads[1] >= spreads[2] - 1e-6
print("equal means, and a spread that does not rise with the window")

# %% [markdown]
# Second, threads as SMs. A process has two threads at its disposal. It runs matrix products on one of them, then on both:

# %% experiment
from utils.hardware.gpu_monitor import measure_threads
from utils.widgets.ch49_volatile_gpu_util import threads_table

threads_table([measure_threads(1), measure_threads(2)])

# %% [markdown]
# A product is running nearly all the time in both rows: that is what GPU-Util would show. On a quiet machine with two cores or more the threads at work tell the rows apart: about 50 against nearly 100 %.
# (Where other programs want the same cores, both are lower. A CPU is shared by time, which GPU-Util would not show either.)
#
# On a GPU the same is done with one block that spins, and with large matrix products:

# %% experiment
from utils.widgets.gpu_measurements import gpu_measurement

gpu_measurement("gpu_util")

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | there is a metric "Volatile GPU Util" | wrong | two lines of headings were read as one. *Volatile* is the ECC counter since the driver was loaded; the source's own table prints `N/A` there, since a GTX 1080 has no ECC |
# | 2 | it shows how utilisation fluctuates; volatile means momentary | wrong | it is the average over a window, so fluctuations inside of it are lost. *Volatile* says nothing about it (row 1) |
# | 3 | the sample period is "a few seconds"; later: 1/6 to 1 s | contradicts itself | 1/6 to 1 s, by product (NVML). How often a tool asks is another thing |
# | 4 | it is not the share of compute units at work, only of time with a kernel | holds | one warp on one of 132 SMs: 100 % and 0.76 %. This corrects the document's own answer to its question 4 (chapter 04) |
# | 5 | 50 % means busy for half of the window | holds | which half is invisible: 0.3 s of each second reads 30 % with windows of 1 s, and 60, 0 with windows of 0.5 s |
# | 6 | near 100 % the GPU is the bottleneck, limited by its compute | wrong inference | it may wait for memory, or be nearly empty. Decoding with an 8 B model on an H100 has kernels without gaps, about 100 % (modelled), at an MFU of 0.32 % (200 tokens/s) or 4.06 % (2,500) |
# | 7 | low utilisation is a bottleneck or waste | depends | true for jobs that want throughput. A service that must answer fast keeps headroom on purpose |
# | 8 | it helps to choose fast GPUs | wrong | it depends on the workload: on the same load a faster GPU shows *less* |
# | 9 | it shows which task uses the GPU | incomplete | the box is per device. `nvidia-smi pmon` (a list of running processes) and the accounting mode (a record that is kept after they end) are per process; with MIG on, the box prints `N/A` |
# | 10 | the sample output: 28 % with 0 MiB in use | odd, but possible | a process with kernels has a CUDA context (the driver's data for it), which takes memory. So no job runs now. But the 28 % are of a past window: the job may just have ended. A driver that is being loaded reads busy as well, on a GPU with ECC, which this one is not |
#
# Rows 8 and 10, computed:

# %%
from utils.hardware.gpu_monitor import consistency_warnings, kernel_utilization

for speed in (1, 2, 4):
    requests = [Kernel(0.1 * i, 0.1 * i + 0.08 / speed, 8) for i in range(10)]
    print(f"row 8: 10 requests/s on a GPU that is {speed} times as fast: GPU-Util {kernel_utilization(requests, 0, 1):.0f} %")
for warning in consistency_warnings(parse_nvidia_smi_table(sample_text("470_gtx1080"))[0]):
    print("row 10:", warning)

# %% [markdown]
# ## Explain it
#
# A team lead writes: "The dashboard shows Volatile GPU-Util at 99 % on all eight H100s of our chat service, so they are used to the full. We need four more. The ECC value is N/A on the dashboard, that is fine." Throughput is 300 tokens/s per GPU with an 8 B model. Answer in five or six sentences.
#
# A good answer names:
# 1. what GPU-Util measures, what "Volatile" belongs to, and whether that N/A is fine on an H100;
# 2. an estimate of how far from full the GPUs are;
# 3. which metrics to look at next, and what each would tell;
# 4. which changes come before more GPUs;
# 5. what to scale on instead.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# "Volatile" belongs to the counter of uncorrected ECC errors; an H100 has ECC, so N/A there is a fault of the dashboard or ECC is off, and worth a look.
# 99 % GPU-Util says that a kernel was present during 99 % of the sample window, and nothing about how much of the GPU it used.
# 300 tokens/s with 8 billion parameters are 2 · 8e9 · 300 = 4.8 TFLOP/s, or 0.5 % of 989 TFLOP/s.
# At about 15 GB of weights a step, one sequence alone could make some 220 tokens/s, so the server hardly batches.
# I would read SM activity, tensor activity and DRAM activity with DCGM: DRAM high and tensor low means memory-bound, and continuous batching, a quantised model or more sequences per step multiply the throughput.
# Only then would I count GPUs, and scale on queue length and on the latency that users see, not on GPU-Util.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("49")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | GPU-Util | GPU利用率 | share of a sample window with at least one kernel |
# | volatile (ECC) counter | 易失性（ECC）计数器 | memory errors since the driver was loaded |
# | aggregate counter | 累计计数器 | memory errors in the life of the board |
# | sampling window | 采样窗口 | the 1/6 to 1 s that a reading averages over |
# | SM | 流式多处理器 | streaming multiprocessor: one of the GPU's independent processors |
# | SM activity | SM活跃度 | share of SM time with a resident warp |
# | warp | 线程束 | 32 threads that run together |
# | occupancy | 占用率 | resident warps over the maximum |
# | tensor-pipe activity | 张量核活跃度 | share of time in which the matrix units work |
# | DRAM activity | 显存带宽活跃度 | memory traffic over the peak |
# | MFU | 模型算力利用率 | FLOPs of the model over the peak |
# | aliasing | 混叠 | a reading that depends on how windows and workload fall together |
# | launch-bound | 启动开销受限 | short kernels with gaps, which the host leaves |
# | NVML | NVIDIA管理库 | NVIDIA's library for monitoring |
# | DCGM | 数据中心GPU管理器 | NVIDIA's monitoring for data centres |
# | MIG | 多实例GPU | one GPU, cut into independent parts |

# %% [markdown]
# ## Sources
#
# - NVIDIA, *NVML API Reference*: `nvmlUtilization_t` (sample period, GPU and memory utilisation), `nvmlDeviceGetUtilizationRates` (busy while a driver with ECC is loaded), `nvmlEccCounterType_t` (volatile and aggregate), `nvmlGpmMetricId_t` (read 2026-11).
# - NVIDIA, *nvidia-smi* manual page: ECC counters, `pmon`, accounting mode.
# - NVIDIA, *DCGM User Guide*, feature overview: profiling metrics.
# - NVIDIA, `cuda_occupancy.h` (CUDA runtime 13.5) and `cuda/__device/arch_traits.h` (CCCL): the rules and limits of occupancy. Ours agree with the header on 60,000 random configurations of 12 compute capabilities.
# - NVIDIA, H100 data sheet and whitepaper: 132 SMs, 989 TFLOP/s dense BF16, 3.35 TB/s.
# - A. Chowdhery et al., *PaLM: Scaling Language Modeling with Pathways*, 2022: model FLOPs utilisation.
