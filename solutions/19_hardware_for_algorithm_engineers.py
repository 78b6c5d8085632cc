# %% [markdown]
# # 19 · How should an algorithm engineer see hardware?
# **算法工程师该如何看待硬件侧知识？**
#
# "The GPU has 2,048 cores and the CPU has 8, so it should be 256 times as fast." It is 6 times as fast at best, for some work 3 times, and your kernel makes it slower than that.
# You need not design chips. But four small models explain most surprises: fair ratios, warps that diverge, sectors of memory, and a list of limits that turns measurements into a decision.
#
# About 100 minutes: 70 for the five exercises, the rest to read and try. It helps to know chapters 04 (GPU memory and utilisation) and 07 (what makes inference fast). No special hardware is needed.

# %% setup
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > I don't design chips, but I have to predict and to verify. Peak is lanes times clock times two. Beside it stand bandwidth, memory, power, the operators and number formats that are supported, and how mature the tool chain is.
# >
# > A GPU runs *warps* of 32 threads: one instruction for all of them. It hides the latency of memory behind other warps. It is slow when the threads of a warp take different branches, or when they read far apart. A "CUDA core" is one lane of arithmetic, not a core like a CPU's.
# >
# > I choose a device by measuring my own converted model: accuracy, 99th percentile of the latency, memory, power. The limits I write down before. And I carry the device's limits back into the model: supported operators, channel counts, INT8.

# %% [markdown]
# ## How it works
#
# ### A fair ratio
#
# Our source, the interview document that this course mirrors, compares NVIDIA's GTX 980 with Intel's i7-5960X, two chips of 2014 and of similar size. It divides 2,048 by 16 and gets a factor of 128. But 2,048 counts lanes, and 16 counts the CPU's hardware *threads*.
#
# A **lane** is a circuit that does one multiply–add in a cycle, here of 32-bit floats (FP32). A floating-point operation is a FLOP, and a multiply–add counts two. A core of this CPU has two units of 256 bits, so 2 · 8 lanes for 32-bit floats. Count the same thing on both sides:

# %%
from utils.hardware.gpu_arch import GPUS
from utils.hardware.isa import CPUS
from utils.hardware.simt import peak_gflop_s

gpu, cpu = GPUS["GTX 980"], CPUS["Core i7-5960X"]
lanes = {"GTX 980": gpu.sms * gpu.fp32_per_sm, "i7-5960X": cpu.cores * cpu.fma_units * cpu.vector_bits // 32}
peaks = {"GTX 980": peak_gflop_s(lanes["GTX 980"], gpu.clock_ghz), "i7-5960X": peak_gflop_s(lanes["i7-5960X"], cpu.ghz)}
print("lanes:", lanes)
print("peak in GFLOP/s:", {name: round(p) for name, p in peaks.items()})
print(f"ratio of the peaks {peaks['GTX 980'] / peaks['i7-5960X']:.1f}, of the bandwidths {gpu.mem_gb_s / cpu.mem_gb_s:.1f}")

# %% [markdown]
# A factor of 6.0, not 128. And only for work that does enough arithmetic for each byte. **Intensity** is that number: operations for each byte from memory. What a device can reach is the lower one of two limits, its peak and intensity times bandwidth: the *roofline* of chapter 07.

# %%
from utils.widgets.ch19_hardware_for_algorithm_engineers import rooflines_picture

rooflines_picture({"GTX 980": {"lanes": 2048, "ghz": 1.126, "gb_s": 224}, "i7-5960X": {"lanes": 128, "ghz": 3.0, "gb_s": 68}})

# %% [markdown]
# ### Does the clock matter?
#
# The source says that a GPU's clock matters little, as there are so many cores. For work that is bound by arithmetic the rate is lanes · clock · 2. Half the clock is half the rate, for any number of lanes.
#
# What many lanes change is the price. Dynamic power goes with f · V², the clock times the voltage squared. At 70 % of the clock, 85 % of the voltage may do: 0.7 · 0.85² = 0.51. So the rate falls by 30 %, and the power by half. Twice the lanes at 70 % of the clock give 1.4 times the rate at the old power. That is why GPUs have many slow lanes.
# Changing clock and voltage while running is called **DVFS** (dynamic voltage and frequency scaling).
#
# ### Warps
#
# The lanes of a GPU do not fetch instructions. An SM (*streaming multiprocessor*, the GPU's core) has schedulers, four of them in the GTX 980, each with 32 lanes. A scheduler takes one instruction and issues it for a **warp**, 32 threads. So 128 lanes are four groups of 32, not 128 little CPUs. (A thread's place in its warp is called a lane, too.) NVIDIA calls it **SIMT**: single instruction, multiple threads.
#
# What happens at a branch? Here is a machine with two lanes, and a program that doubles what is larger than 3, and else adds 10:

# %%
import numpy as np

from utils.hardware.simt import SimtMachine

program = [("if_gt", 3), ("mul", 2), ("else",), ("add", 10), ("endif",)]
for x in ([1.0, 5.0], [5.0, 6.0]):
    machine = SimtMachine(np.array(x))
    print(x, "->", machine.run(program).tolist())
    for issue in machine.issues:
        print("   issued:", issue.op, "for lanes", [lane for lane, on in enumerate(issue.mask) if on])

# %% [markdown]
# The machine keeps a **mask**: which lanes take part. In the first run the lanes disagree, and *both* sides are issued, one after the other, each for some lanes. That is **divergence**. In the second run they agree, and one side is skipped.
#
# A branch inside a branch needs a **stack**. `if_gt` saves the mask, `endif` restores it, and a lane that is off outside stays off inside.
# (GPUs up to Pascal had such a stack in hardware. Since Volta, 2017, every thread has a program counter of its own. The threads of a warp still share an issue slot, so the cost is the same.)
#
# For 64 threads with sides of 10 and 6 cycles:

# %%
import numpy as np

from utils.hardware.simt import warp_issue_cycles

index = np.arange(64)
for name, pred in (("alternating", index % 2 == 0), ("the first 32 true", index < 32), ("the first 40 true", index < 40)):
    cycles, share = warp_issue_cycles(pred, cost_true=10, cost_false=6)
    print(f"{name:18} {cycles} cycles, {100 * share:.0f} % of the lane slots have work")

# %% [markdown]
# A side costs its full length as soon as *one* thread of the warp takes it. How many take it does not matter.
#
# ### Latency
#
# A load from memory takes hundreds of cycles. A CPU would wait, or guess. A GPU issues another warp. If a load takes 400 cycles, and a load is to be issued every 10 cycles, then 400 / 10 = 40 loads are under way at any time. With one load a warp that takes 40 warps. This is Little's law: things under way = rate · time (chapter 48). How many warps fit depends on the registers and the shared memory that the kernel takes, its *occupancy* (chapter 51). With 16 warps it waits.
#
# ### Sectors
#
# Memory answers in **sectors** of 32 bytes. The loads of a warp are joined, or *coalesced*: each sector that at least one lane needs is moved once. 32 lanes that read neighbouring floats need 128 bytes, so 4 sectors:

# %%
import numpy as np

from utils.hardware.simt import bus_efficiency, strided_sectors

for name, base, stride in (("neighbours", 0, 4), ("shifted by 4 bytes", 4, 4), ("every second float", 0, 8), ("a column, 128 bytes apart", 0, 128), ("all the same", 0, 0)):
    share = bus_efficiency(base + stride * np.arange(32))
    print(f"{name:26} {strided_sectors(base, stride):2} sectors, {100 * share:5.1f} % of the bytes are useful")

# %% [markdown]
# Reading a column instead of a row costs eight times the traffic, on the same chip, for the same numbers. (In the last line only four bytes are asked for, by everybody.)
#
# ### The memories on the chip
#
# Each SM has registers, an **L1** cache, and **shared memory**, which the program manages itself. The source says that L1 and shared memory use the same storage. That depends on the generation: Fermi and Kepler, and all since Volta, yes; Maxwell and Pascal, no. The source's own example, the GTX 980, is a Maxwell: 96 KB of shared memory for itself, L1 joined with the texture cache.
#
# ### A decision
#
# Write the limits down *before* you measure. Then compare, and treat what was not measured as not met:

# %%
from utils.hardware.simt import go_no_go

required = {"p99_ms": 30, "watts": 10, "memory_mb": 900, "accuracy_drop": 0.5, "op_coverage": 1.0}
measured = {"p99_ms": 28.1, "watts": 10, "accuracy_drop": 0.7, "op_coverage": 0.97}
decision = go_no_go(required, measured)
print("go" if decision.ok else "no go")
for reason in decision.reasons:
    print(" ", reason)

# %% [markdown]
# The accuracy drop is in percentage points. A coverage of 0.97 looks harmless. It means that 3 % of the operators run on the CPU, and each may break the graph in two (chapter 29).

# %% [markdown]
# ## See it
#
# ![128 threads in four warps over 16 cycles. In the first ten cycles the threads of the true path have work, in the next six those of the false path; the others wait. Every warp takes 16 cycles, because both kinds of threads are mixed in all of them.](figure.svg)
#
# 64 of 128 threads, at random places, take the true path of 10 cycles, the others the false one of 6. All four warps issue both, 16 cycles each and 64 in all, and half of the slots have work. Sorted by branch it would be 32 cycles.
#
# **At a branch.** Change the pattern and the share; then sort.

# %% figure
from utils.widgets.ch19_hardware_for_algorithm_engineers import divergence_view

divergence_view()

# %% [markdown]
# **In memory.** Move the base and the stride of a warp's loads.

# %% figure
from utils.widgets.ch19_hardware_for_algorithm_engineers import sectors_view

sectors_view()

# %% [markdown]
# Up to a stride of 32 bytes each step costs sectors. Beyond it, for aligned loads of 4 bytes, the count stays at 32: every lane has a sector of its own, and 4 of its 32 bytes are used.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports `math` and NumPy as `np`; an answer may use these and Python's own modules.

# %% [markdown] about="fair_speedup"
# How much faster can one device be than another?
#
# - `gpu` and `cpu` are dicts with the keys `"lanes"` (FP32 lanes), `"ghz"` and `"gb_s"` (bandwidth in 1e9 bytes a second). All values are positive.
# - `intensity` is the work's operations for each byte from memory, positive.
# - A lane does one multiply–add, two operations, in a cycle. Each device reaches the lower one of its peak and of intensity times bandwidth, both in GFLOP/s.
# - Return the GPU's rate over the CPU's, as a float.
#
# With `gpu = {"lanes": 2048, "ghz": 1.126, "gb_s": 224.0}` and `cpu = {"lanes": 128, "ghz": 3.0, "gb_s": 68.0}`: intensity 1000 → 6.0053…; intensity 1 → 3.2941…; intensity 15 → 4.375.

# %% exercise="fair_speedup"
def fair_speedup(gpu: dict, cpu: dict, intensity: float) -> float:
    """How much faster `gpu` can be than `cpu` for work of `intensity` FLOP per byte from memory."""
    ### BEGIN SOLUTION
    def attainable(device: dict) -> float:
        return min(2 * device["lanes"] * device["ghz"], intensity * device["gb_s"])

    return attainable(gpu) / attainable(cpu)
    ### END SOLUTION

# %% check="fair_speedup"
check("19.fair_speedup", fair_speedup)

# %% [markdown] about="divergence_cycles"
# What does a branch cost?
#
# - `pred` is a NumPy array of booleans, one for each thread, perhaps empty. Threads 0 to `warp` − 1 are the first warp, and so on; the last warp may have fewer threads.
# - A warp pays `a` cycles if at least one of its threads is true, and `b` cycles if at least one is false. `a` and `b` are whole numbers, 0 or more; `warp` is at least 1.
# - Return the cycles of all warps together, as an int.
#
# For 64 threads with a = 10 and b = 6: alternating → 32; the first 32 true → 16; the first 40 true → 26.

# %% exercise="divergence_cycles"
def divergence_cycles(pred: np.ndarray, a: int, b: int, warp: int = 32) -> int:
    """Cycles of all warps: each pays `a` if any of its threads is true, and `b` if any is false."""
    ### BEGIN SOLUTION
    total = 0
    for start in range(0, len(pred), warp):
        threads = pred[start : start + warp]
        if threads.any():
            total += a
        if not threads.all():
            total += b
    return total
    ### END SOLUTION

# %% check="divergence_cycles"
check("19.divergence_cycles", divergence_cycles)

# %% [markdown] about="sectors"
# How many sectors does a warp's load touch?
#
# - Lane i, for i from 0 to `lanes` − 1, reads `access_bytes` bytes (both are at least 1) from the address `base_bytes + i * stride_bytes`. The stride may be 0 or negative; all addresses are 0 or more.
# - A sector is 32 bytes: addresses 0 to 31, 32 to 63, and so on. An access may lie in two of them. (A real GPU refuses loads that are not aligned; this model does not.)
# - Return the number of different sectors that hold at least one byte that is read, as an int.
#
# | base, stride | result | |
# |---|---|---|
# | 0, 4 | 4 | neighbouring floats |
# | 4, 4 | 5 | shifted by one float |
# | 0, 8 | 8 | every second float |
# | 0, 128 | 32 | a column |
# | 0, 0 | 1 | all the same |
# | 2, 4 | 5 | not aligned: some accesses lie in two sectors |

# %% exercise="sectors"
def sectors(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> int:
    """Distinct 32-byte sectors that lanes touch, lane i reading access_bytes from base + i * stride."""
    ### BEGIN SOLUTION
    touched = set()
    for lane in range(lanes):
        address = base_bytes + lane * stride_bytes
        for sector in range(address // 32, (address + access_bytes - 1) // 32 + 1):
            touched.add(sector)
    return len(touched)
    ### END SOLUTION

# %% check="sectors"
check("19.sectors", sectors)

# %% [markdown] about="simt_run"
# Run a program on the lanes of one warp.
#
# - `x` is a float64 array with one value for each lane, at least one. Do not change it.
# - `program` is a list of tuples, perhaps empty: `("mul", c)` and `("add", c)` multiply by or add the number c; `("if_gt", c)` begins a branch for lanes whose value is greater than c; `("else",)` and `("endif",)` belong to it. A branch has at most one else, and may have none. Branches may be nested.
# - Only active lanes change. At the beginning all are active. A branch's condition is decided once, at its `if_gt`, for the lanes that are active then; a lane that is not active outside a branch is not active inside, on either side. After `endif` the lanes are active that were so before the branch.
# - Return the tuple (values at the end as an array, number of issued instructions as an int). A `mul` or `add` is issued once if at least one lane is active, and not at all otherwise. Branches are not counted.
# - Raise `ValueError` with the word "unbalanced" in its message if `if_gt`, `else` and `endif` don't match: an `else` or `endif` without its `if_gt`, a second `else` in a branch, or an `endif` that is missing at the end.
#
# | program | x | values, issued |
# |---|---|---|
# | `[("if_gt", 3), ("mul", 2), ("else",), ("add", 10), ("endif",)]` | [1, 5] | [11, 10], 2 |
# | the same | [5, 6] | [10, 12], 1 |
# | `[("if_gt", 0), ("add", 1), ("if_gt", 4), ("mul", 10), ("else",), ("mul", 2), ("endif",), ("else",), ("add", -1), ("endif",), ("add", 100)]` | [-2, 2, 6] | [97, 106, 170], 5 |

# %% exercise="simt_run"
def simt_run(program: list, x: np.ndarray) -> tuple[np.ndarray, int]:
    """(values, issued instructions) of a program on the lanes x of one warp."""
    ### BEGIN SOLUTION
    values, active, issued = x.copy(), np.ones(len(x), bool), 0
    stack = []  # (lanes active outside, condition, whether else was seen)
    for op, *args in program:
        if op == "if_gt":
            condition = values > args[0]
            stack.append((active, condition, False))
            active = active & condition
        elif op == "else":
            if not stack or stack[-1][2]:
                raise ValueError("unbalanced: else without if_gt")
            outside, condition, _ = stack.pop()
            stack.append((outside, condition, True))
            active = outside & ~condition
        elif op == "endif":
            if not stack:
                raise ValueError("unbalanced: endif without if_gt")
            active = stack.pop()[0]
        elif active.any():
            issued += 1
            values[active] = values[active] * args[0] if op == "mul" else values[active] + args[0]
    if stack:
        raise ValueError("unbalanced: endif is missing")
    return values, issued
    ### END SOLUTION

# %% check="simt_run"
check("19.simt_run", simt_run)

# %% [markdown] about="decide"
# Go or no go?
#
# - `req` is a dict of limits, perhaps empty. Its keys are among `"p99_ms"`, `"watts"`, `"memory_mb"` and `"accuracy_drop"`, which are upper limits, and `"op_coverage"`, a lower limit. Values are numbers.
# - `meas` is a dict of measurements. A key may be missing, and a value may be None or NaN: then it was not measured, and a limit on it is not met. Keys that `req` does not have are ignored.
# - A measurement equal to its limit meets it.
# - Return the tuple (True if all limits are met, list of the keys of `req` that are not met, in alphabetical order).
#
# For example `req = {"p99_ms": 30, "watts": 10, "op_coverage": 1.0}` and `meas = {"p99_ms": 28, "watts": 10, "op_coverage": 0.97}` → `(False, ["op_coverage"])`.
# `{"watts": 10, "accuracy_drop": 0.5}` and `{"watts": 9.5, "memory_mb": 900}` → `(False, ["accuracy_drop"])`.

# %% exercise="decide"
def decide(req: dict, meas: dict) -> tuple[bool, list[str]]:
    """(all met, the failing keys in alphabetical order)."""
    ### BEGIN SOLUTION
    failed = []
    for key, limit in req.items():
        value = meas.get(key)
        unknown = value is None or math.isnan(value)
        if unknown or (value < limit if key == "op_coverage" else value > limit):
            failed.append(key)
    return not failed, sorted(failed)
    ### END SOLUTION

# %% check="decide"
check("19.decide", decide)

# %% [markdown]
# ## Measure it
#
# A CPU has its sectors too: *cache lines* of 64 bytes. Sum every float of an array of 256 MiB, then every second one, and so on. Before you run it: at which stride does a value cost most?

# %% experiment
from utils.cost.bandwidth import strided_read
from utils.widgets.ch19_hardware_for_algorithm_engineers import stride_table

stride_table(strided_read(1 << 28, (1, 2, 4, 8, 16, 32)))

# %% [markdown]
# What to look at:
#
# - From stride 1 to 16 nearly the same lines are moved, for fewer and fewer useful values. The last column shows what a value costs.
# - From 16 floats on, 64 bytes, each value has a line of its own: there a value costs most, and it stays so.
# - At small strides the adding itself may take longer than the memory, so the first rows can be close together.
#
# And divergence, counted by the little machine. A branch with two instructions on one side and one on the other, over 128 threads in four warps:

# %% experiment
from utils.widgets.ch19_hardware_for_algorithm_engineers import issue_counts, issues_picture

issues_picture(issue_counts([("if_gt", 0), ("mul", 2), ("add", 1), ("else",), ("mul", -1), ("endif",)]))

# %% [markdown]
# What to look at: as the threads come, all four warps are mixed already at small shares, and pay for both sides. Sorted, at most one warp is mixed.
#
# The same strides on a GPU, if there is one:

# %% experiment
from utils.widgets.ch19_hardware_for_algorithm_engineers import gpu_stride_note

gpu_stride_note()

# %% [markdown]
# ## What the source says
#
# Claims of the interview document's answer, checked in November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | a GPU works as a coprocessor of the CPU | holds | programs start kernels from the CPU (chapter 13) |
# | 2 | a GPU is SIMD | imprecise | SIMT: scalar threads in warps of 32, which may diverge at a cost (counted above) |
# | 3 | GTX 980: 16 SMs with 128 units each, 2,048 in all | holds | 4.61 TFLOP/s at the base clock of 1.126 GHz |
# | 4 | 128 times the speed of an i7-5960, which has only 16 such units | wrong | lanes over threads. 6.0 in peak, 3.3 in bandwidth (computed above) |
# | 5 | a CUDA core resembles a CPU, with a control unit | wrong | it is one lane; instructions are fetched and issued for a warp, by the SM |
# | 6 | CPUs clock higher; more clock does little for a GPU | half wrong | the first holds. Compute-bound work is proportional to the clock, on any number of lanes |
# | 7 | shared memory and L1 use the same storage | depends | Fermi, Kepler, and Volta and later: yes. Maxwell, like the GTX 980, and Pascal: no |
# | 8 | CUDA and cuDNN are NVIDIA's, OpenCL was begun by Apple | holds | the Khronos Group has kept the OpenCL standard since 2008 |
# | 9 | an edge device is an Arm CPU, a coprocessor, power, interfaces, a tool chain | holds, incomplete | add DRAM bandwidth, video engines, operator coverage, heat, price, years of support (chapters 17, 18) |
#
# Row 6, computed: the rate and the power of a compute-bound kernel on 2,048 lanes, when clock and voltage fall:

# %%
from utils.hardware.simt import dynamic_power_ratio, peak_gflop_s

for clock, voltage in ((1.0, 1.0), (0.85, 0.92), (0.7, 0.85), (0.5, 0.75)):
    rate = peak_gflop_s(2048, 1.126 * clock) / peak_gflop_s(2048, 1.126)
    power = dynamic_power_ratio(clock, voltage)
    print(f"clock {clock:.0%}, voltage {voltage:.0%} (assumed): rate {rate:.0%}, dynamic power {power:.0%}, rate per watt {rate / power:.2f}")

# %% [markdown]
# ## Explain it
#
# A colleague has ported post-processing to the GPU. Each thread handles one candidate box: 5 % of the boxes take a long branch, the others return at once. The boxes are stored as rows of 85 floats, and every thread reads its score, the fifth float of its row. The kernel is slower than the CPU. What do you tell the colleague? Six to eight sentences.
#
# A good answer names:
# 1. what the rows of 85 floats mean for the loads of a warp, with a number;
# 2. what 5 % of long branches mean for the warps, with a number;
# 3. one change for each of the two;
# 4. what else could be the reason (too few boxes, copies, the time to start a kernel: chapters 07 and 13);
# 5. how you would verify it.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Neighbouring threads read scores that are 85 floats, 340 bytes, apart, so each lane touches a sector of its own: 32 sectors with 4 useful bytes of 32, an eighth of the traffic is used.
# Store the scores as an array of their own, or transpose once, and the warp reads 4 sectors.
# With 5 % of long branches at random places, 1 - 0.95^32 = 81 % of the warps have at least one such box, and all of their lanes wait for it.
# First a small kernel should write the indices of the boxes that need the long branch, then a second one runs over these alone: its warps are full.
# If there are only a few thousand boxes, the GPU has too few warps to hide the latency, and the time of the launch and of the copies may be the whole story; then the CPU is right.
# I would verify with a profiler: sectors for each request, branch efficiency, and the share of copies, before and after each change.
# And I would time both versions on real frames, with the copies included.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("19")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | SIMT | 单指令多线程 | scalar threads that are issued in groups |
# | warp | 线程束 | 32 threads that are issued together |
# | divergence | 分支发散 | both sides of a branch are issued |
# | coalescing | 合并访存 | the loads of a warp are joined to few sectors |
# | sector | 扇区 | 32 bytes, the unit of memory traffic |
# | latency hiding | 延迟隐藏 | another warp is issued while one waits |
# | ALU lane | 运算通道 | what NVIDIA calls a CUDA core |
# | roofline | 屋顶线 | the lower one of peak and intensity times bandwidth |
# | cuDNN | 深度网络加速库 | NVIDIA's library of deep-learning kernels |
# | OpenCL | 开放计算语言 | a standard for computing on many kinds of devices |
# | DVFS | 动态调频调压 | changing clock and voltage at run time |
# | tool chain | 工具链 | converter, compiler, runtime, profiler |

# %% [markdown]
# ## Sources
#
# - NVIDIA, *GeForce GTX 980 whitepaper* (2014): 16 SMMs, 2,048 cores, base clock, 224 GB/s; page 9: 96 KB of shared memory for itself, L1 with the texture cache.
# - NVIDIA, *CUDA C++ Programming Guide* and *Best Practices Guide*: warps, divergence, transactions of 32 bytes; *Volta Tuning Guide*: independent thread scheduling, unified L1 and shared memory; *Maxwell Tuning Guide*.
# - Intel Core i7-5960X (2014) as reviews quote it: 8 cores at 3.0 GHz, 17.6 × 20.2 mm, 68 GB/s, AVX2 and FMA3. Its two FMA units of 256 bits are those of the Haswell core.
# - S. Williams, A. Waterman, D. Patterson, *Roofline*, CACM 2009. J. D. C. Little, Operations Research 1961.
# - Khronos Group, history of OpenCL: version 1.0, 2008.
