# %% [markdown]
# # 04 · Definitions of GPU memory usage and GPU utilisation
# **GPU显存占用和GPU利用率的定义**
#
# "Memory is 95 % full and utilisation is 100 %, so the GPU is well used." This is said in many review meetings, and it follows from neither number.
# Part of the first may be memory that a framework only keeps for later. The second says that something ran, not how much of the GPU it filled.
# After this chapter you can say whose bytes they are, why memory can run out with gigabytes "free", and what each of the two numbers can tell you.
#
# About 100 minutes: 74 for the five exercises, the rest to read, measure and explain. No earlier chapter is needed. Chapters 05 (what training keeps in memory) and 44 (memory bandwidth) go deeper, and 49 takes up the utilisation and the heading that stands above it in `nvidia-smi`.

# %% setup
import re

# %% [markdown]
# ## The short answer
#
# > **Memory usage is a level**: the bytes of device memory that all processes hold right now.
# > `nvidia-smi` shows the tensors, the cache (freed memory that the framework keeps), and the CUDA context of each process (the driver's data for it).
# > In PyTorch `torch.cuda.memory_allocated` counts the tensors alone. `memory_reserved` adds the cache.
# >
# > **Utilisation is a share of time**: the part of the last sample period, 1/6 to 1 s, in which at least one kernel (a program on the GPU) was running.
# > It does not say how many of the GPU's processors were at work, nor how hard.
# >
# > The two are independent. A loaded model that waits has a full memory and 0 %. A tiny kernel in a loop has an almost empty memory and 100 %.
# >
# > For efficiency I look at other metrics: the share of processors at work (SM activity), how busy the tensor cores (the units for matrix products) and the memory are, power, or the achieved share of the peak arithmetic (MFU).

# %% [markdown]
# ## How it works
#
# ### One table, two GPUs
#
# `nvidia-smi` comes with NVIDIA's driver. It prints what NVML knows, the driver's library for monitoring.
# Here is an output in the layout of driver 570 (an example: the layout is real, the values are made up).

# %%
from utils.hardware.gpu_monitor import sample_text

print(sample_text("570"))

# %% [markdown]
# Each GPU has three lines, and so has the header. A value has its name at the same place of the header.
# On the second line `20824MiB / 23028MiB` stands under `Memory-Usage`, and `0%` under `GPU-Util`. MIG, on the third, splits one GPU into several.
# `Volatile Uncorr. ECC` belongs to the first line: it counts memory errors. It stands right above `GPU-Util`, so people read "volatile utilisation", which does not exist (chapter 49).
#
# The tool's manual warns that this text changes between versions. A parser has to look at what a cell holds, and not at its column.
# Ours reads the layouts of sixteen outputs, from driver 340 to 610:

# %%
from utils.hardware.gpu_monitor import parse_nvidia_smi_table, sample_names
from utils.widgets.ch04_gpu_memory_vs_utilization import gpu_table

drivers = [parse_nvidia_smi_table(sample_text(name))[0]["driver"] for name in sample_names()]
print("drivers read:", *drivers)
gpu_table(parse_nvidia_smi_table(sample_text("570")))

# %% [markdown]
# GPU 0 has 90 % of its memory in use and does nothing. GPU 1 has 3 % in use and is busy all the time. Nothing is wrong with either:
# GPU 0 holds a model that waits for requests. GPU 1 runs one tiny kernel after the other.
#
# So two questions remain. What is in the memory? And what does 100 % mean?
#
# ### Utilisation: is anybody there?
#
# A **kernel** is a program that the host starts on the GPU. It runs on one or more **SMs** (streaming multiprocessors), the processors of which a large GPU has about a hundred.
# Three kernels run on a GPU with 108 SMs: the first from 0 to 400 ms on 1 SM, the second from 300 to 600 ms on 2, the third from 900 to 1,100 ms on all 108. The window ends at 1,000 ms.

# %%
from utils.widgets.ch04_gpu_memory_vs_utilization import presence

presence()

# %% [markdown]
# NVML's definition of `utilization.gpu`: percent of time over the past sample period during which one or more kernels was executing.
# From 0 to 600 ms some kernel runs, and from 900 to 1,000. That makes 700 of 1,000 ms, so 70 %.
# The 100 ms in which the first two overlap count once.

# %%
from utils.hardware.gpu_monitor import utilization

print(f"{utilization([(0, 400), (300, 600), (900, 1100)], start=0, end=1000):.0f} %")
sm_time = 400 * 1 + 300 * 2 + 100 * 108  # SMs times milliseconds inside the window
print(f"SM activity: {sm_time} of {1000 * 108} SM·ms = {sm_time / (1000 * 108):.2%}")
print(f"one thread in an endless loop: utilisation 100 %, SM activity at most {1 / 108:.2%}")

# %% [markdown]
# The share of SMs at work is another metric. It is called **SM activity**, and here it is 10.9 % and not 70 %.
# One **warp** (32 threads that run together) makes its SM count as active, also while it waits for memory. So this metric too says that work is there, and not how much.
# **Occupancy** asks how many warps an SM holds, of those that it can hold. **Tensor activity** asks in which part of the time the **tensor cores** compute, the SM's units for matrix products.
#
# - DCGM, NVIDIA's monitor for data-centre GPUs, reads all three on the Volta generation and later. It also reads memory activity, power and the bytes over the bus.
# - GPM, a part of NVML, reads them on Hopper and later. A profiler shows them along a time axis.
# - **MFU** (model FLOPs utilisation) needs no counter: the operations per second that the model needs at the measured throughput, over the GPU's peak.
#
# The **sample period** is between 1/6 s and 1 s, depending on the product. Asking more often gives the same number again.
# A low utilisation tells you something for certain: there were gaps in which no kernel ran. And 100 % tells you only that there were none.
#
# ### A trap: two numbers called memory
#
# NVML has also `utilization.memory`. It is *not* the share of bytes in use. It is the share of the sample period in which device memory was read or written.
#
# This command prints the columns that you name, as CSV. In a script use it (or NVML), and not the table:
# `nvidia-smi --query-gpu=index,name,memory.used,memory.total,utilization.gpu,utilization.memory --format=csv`
# Its output, again an example:

# %%
from utils.hardware.gpu_monitor import parse_query_csv

text = """index, name, memory.used [MiB], memory.total [MiB], utilization.gpu [%], utilization.memory [%]
0, NVIDIA A10G, 20824 MiB, 23028 MiB, 0 %, 0 %
1, NVIDIA A10G, 618 MiB, 23028 MiB, 100 %, 1 %
2, NVIDIA GB10, [N/A], [N/A], 97 %, 0 %"""
for s in parse_query_csv(text):
    full = "unknown" if s.memory_used_mib is None else f"{s.memory_used_mib / s.memory_total_mib:.0%}"
    print(f"GPU {s.index}: {full:>7} of the bytes in use, memory touched in {s.mem_util_pct:g} % of the time")

# %% [markdown]
# The full and idle GPU 0 has a `utilization.memory` of 0 %: nobody reads the bytes that it holds.
# GPU 2 shares its memory with the CPU, and its driver does not say how much of it the GPU uses. `[N/A]` means unknown. It does not mean 0.
#
# ### Memory: blocks and segments
#
# Asking the driver for memory (`cudaMalloc`) is slow, and giving it back (`cudaFree`) waits until the GPU has finished its work. So PyTorch has a **caching allocator** in between.
# It takes large **segments** from the driver, cuts **blocks** for tensors out of them, and keeps what is freed for later.

# %%
from utils.cost.memory import human_bytes
from utils.hardware.caching_allocator import round_size, segment_size

print("asked for      block          segment taken from the driver, if nothing is cached")
for n in (1, 1_000_000, 1_048_577, 9_000_000, 25_000_000):
    print(f"{n:>10,} B  {round_size(n):>10,} B    {human_bytes(segment_size(n))}")

# %% [markdown]
# Blocks are multiples of 512 bytes. Blocks of up to 1 MiB come from segments of 2 MiB (the *small pool*). Larger ones come from the *large pool*:
# below 10 MiB they share segments of 20 MiB, and from 10 MiB on a segment is made to measure, rounded up to 2 MiB.
# (MiB is 2^20 bytes. These constants stand in a header that comes with PyTorch; a test of the course reads them there.)
#
# Now a tensor comes and goes, on a model of this allocator:

# %%
from utils.hardware.caching_allocator import MIB, CachingAllocator

a = CachingAllocator()
x = a.malloc(5 * MIB)
print(f"a tensor of 5 MiB:   allocated {a.allocated / MIB:.0f} MiB, reserved {a.reserved / MIB:.0f} MiB")
a.free(x)
print(f"deleted:             allocated {a.allocated / MIB:.0f} MiB, reserved {a.reserved / MIB:.0f} MiB")
a.empty_cache()
print(f"empty_cache:         allocated {a.allocated / MIB:.0f} MiB, reserved {a.reserved / MIB:.0f} MiB")

# %% [markdown]
# **Allocated** is what tensors use, **reserved** is what the driver has handed out. Their difference is the cache.
# Deleting a tensor changes the first and not the second. This is why `nvidia-smi` does not move after `del`.
#
# ### Which block, and how much of it?
#
# Three tensors of 6, 4 and 5 MiB share a segment of 20 MiB. Follow its blocks from left to right, in MiB:

# %%
def show(what):
    blocks = a.snapshot()[0]["blocks"]
    print(f"{what:19}", *(f"{b['size'] // MIB:2} {'free' if b['handle'] is None else 'used'}" for b in blocks), sep=" | ")


a = CachingAllocator()
x, y, z = (a.malloc(n * MIB) for n in (6, 4, 5))
show("6, 4 and 5 MiB")
a.free(x)
show("the first is freed")
a.malloc(4 * MIB)
show("4 MiB more")
a.free(y)
show("the second is freed")

# %% [markdown]
# - **Best fit**: the new tensor of 4 MiB gets the smallest free block that is large enough. That is the one of 5, not the one of 6.
# - **Splitting**: a request gets the front of the block, and the rest is cut off. Here the rest would be 1 MiB. In the large pool only *more* than 1 MiB is cut off, so the tensor keeps all 5. (In the small pool 512 bytes are enough.)
# - **Merging**: free neighbours become one block. 6 and 4 make 10.
#
# ### Fragmentation: free, but in pieces
#
# Four tensors a, b, c, d of 8 MiB are allocated, two to a segment. a and c are freed. Then e asks for 20 MiB.

# %%
from utils.widgets.ch04_gpu_memory_vs_utilization import memory_map

memory_map([("malloc", name, 8 * MIB) for name in "abcd"] + [("free", "a"), ("free", "c"), ("malloc", "e", 20 * MIB)])

# %% [markdown]
# Before e came, 24 of 40 MiB were free. But the largest free block had 8 MiB, so e got a segment of its own.
# `empty_cache` would have changed nothing: only a *wholly* free segment can be given back, and b and d each pin one.
# This is **fragmentation**. On a device that holds only 40 MiB it ends the program:

# %%
from utils.hardware.caching_allocator import OutOfMemory

a = CachingAllocator(capacity_bytes=40 * MIB)
handles = [a.malloc(8 * MIB) for _ in "abcd"]
a.free(handles[0])
a.free(handles[2])
try:
    a.malloc(20 * MIB)
except OutOfMemory as error:
    print(error)

# %% [markdown]
# This is an **OOM**, an out-of-memory error. PyTorch's message names the same numbers: what was asked for, what is allocated, and what is "reserved by PyTorch but unallocated". Here the last is 24 MiB, more than the 20 that were asked for.
# (The allocator gives back everything that it can before it raises the error. So calling `empty_cache` yourself would not have helped.)
#
# What helps: the same sizes again and again instead of varying ones, large tensors first, a smaller batch, or expandable segments
# (`PYTORCH_ALLOC_CONF=expandable_segments:True`; older versions call the variable `PYTORCH_CUDA_ALLOC_CONF`), which let one segment grow in place of many fixed ones.
#
# ### What nvidia-smi adds
#
# Each process that uses CUDA has a **CUDA context**: the driver's data for it, and the code of the libraries that are loaded.
# It exists from the first CUDA call to the end of the process. A PyTorch user once saw 723 MiB appear for a tensor of one number; how much it is depends on GPU, driver and libraries.
#
# `memory_report` sums up one process that is alone on its GPU:

# %%
from utils.hardware.gpu_monitor import memory_report

for name, mib in memory_report(context_mib=450, reserved_mib=4200, allocated_mib=3100, smi_used_mib=4700).items():
    print(f"{name:12} {mib:5} MiB")

# %% [markdown]
# Unexplained are 50 MiB. They may belong to a library that takes memory from the driver by itself, around PyTorch. Such a number should be small, and it should not grow.
#
# What are the tensors? In a service mostly weights, and in language models the KV cache (the keys and values of all tokens so far). In training also gradients, optimiser state and the activations that the backward pass needs: chapter 05.
# Servers for language models reserve most of the memory for the KV cache when they start. A **leak** looks different: under the same load `memory_allocated` keeps growing.
#
# On the CPU you can count the tensors here. The numbers of a tensor lie in its **storage**. A **view** is a tensor that shares the storage of another one, and a storage counts once:

# %%
import torch

from utils.hardware.gpu_monitor import tensor_bytes_live

before = tensor_bytes_live()
big = torch.zeros(1000, 1000)
corner = big[:10, :10]
print(f"a tensor and a view of it: {tensor_bytes_live() - before:,} bytes")
del big
print(f"the tensor deleted:        {tensor_bytes_live() - before:,} bytes, though the view shows 400")
del corner
print(f"the view deleted as well:  {tensor_bytes_live() - before:,} bytes")

# %% [markdown]
# A small view kept in a list holds the whole tensor. So does a variable in an earlier notebook cell, and so does an exception's traceback.

# %% [markdown]
# ## See it
#
# ![Modelled memory and utilisation of one process over 14 seconds. nvidia-smi shows 450 MiB for the CUDA context, 1,350 MiB after loading the model, 1,930 MiB after two batches, the same after del, 1,410 MiB after empty_cache. GPU-Util is 90 percent during the batches, 0 while idle with 1,410 MiB, and 100 percent during tiny requests with 1,412 MiB.](figure.svg)
#
# A modelled process: it loads 900 MiB of weights, runs two batches, deletes their outputs, empties the cache, waits, and then answers tiny requests.
# After the batches `nvidia-smi` shows 1,930 MiB, after `del` still 1,930 MiB, and after `empty_cache()` 1,410 MiB.
# Of these, 1,350 are the context and the weights. The other 60 are three segments of 20 MiB, and in each an output of 9 MiB is still held. While it waits the utilisation is 0 %; with tiny requests it is 100 %, and the memory has grown by 2 MiB.
#
# **Memory staircase.** Move the time from left to right and compare the black line with the blue area. Then switch off splitting (each tensor takes a whole free block) or the merging of free neighbours, and see what the same script costs. The size of the context, 450 MiB, is an example.

# %% figure
from utils.widgets.ch04_gpu_memory_vs_utilization import staircase

staircase()

# %% [markdown]
# **A server for a language model, simulated.** An 8B model on an A100 with 80 GB answers one request in ten seconds; step times are roofline bounds, a real server is slower. The last panel shows the memory that is held, GPU-Util, and MFU (the share of the peak FLOPs that does useful work).

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("04")

# %% [markdown]
# What to notice: with eight times the requests GPU-Util goes from 11 % to 58 %, and the memory stays at 73.7 GB. The server took its pool for keys and values at the start; the tokens of all requests fill less than 1 % of it.

# %% [markdown]
# ## Exercises
#
# The second code cell of this notebook imports `re`. What else you want from the standard library or NumPy, import it in the cell of your answer. An answer is run without the other exercises.

# %% [markdown] about="parse_gpu_csv"
# Read the CSV output of `nvidia-smi`.
#
# - `text` is a string. Its first line that is not blank is the header: names of columns, separated by commas. Every further line that is not blank is one GPU, with a cell for each column. Lines end with `\n` or `\r\n`, and blank lines may stand anywhere.
# - The columns come in any order. `index` is always there. `memory.used [MiB]`, `memory.total [MiB]` and `utilization.gpu [%]` may be there. All others are ignored, also `utilization.memory [%]`.
# - A cell of these columns is a whole number with or without its unit (`2048 MiB`, `2048`, `35 %`, `35`), or `[N/A]` or `[Not Supported]`. The index is always a number. No cell holds a comma.
# - Return a list with a dict for each GPU, in the order of the lines: `index`, `used_mib`, `total_mib`, `util_pct` (numbers) and `used_frac` (used / total, a fraction).
# - What is not told, or has no column, is `None`. `used_frac` is `None` when either memory value is `None`, or when the total is 0. With no GPUs the list is empty.
#
# For example `index, memory.used [MiB], memory.total [MiB], utilization.gpu [%]` and on the next line `0, 2048 MiB, 8192 MiB, 35 %`
# → `[{'index': 0, 'used_mib': 2048.0, 'total_mib': 8192.0, 'util_pct': 35.0, 'used_frac': 0.25}]`.
# A second example has the header `index, utilization.memory [%], memory.total [MiB], memory.used [MiB]` and the lines `0, 12 %, 8192 MiB, [N/A]` and `1, 7 %, 8192 MiB, 6144 MiB`.
# `util_pct` is `None` for both GPUs. `used_frac` is `None` for the first and 0.75 for the second.

# %% exercise="parse_gpu_csv"
def parse_gpu_csv(text: str) -> list[dict]:
    """One dict a GPU: index, used_mib, total_mib, util_pct, used_frac; None where the tool tells nothing."""
    ### BEGIN SOLUTION
    def number(cell: str) -> float | None:
        found = re.match(r"\d+", cell)
        return float(found[0]) if found else None

    header, *rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    names = [cell.split()[0] for cell in header]
    told = []
    for row in rows:
        cells = dict(zip(names, row))
        used, total, util = (number(cells.get(name, "")) for name in ("memory.used", "memory.total", "utilization.gpu"))
        frac = used / total if used is not None and total else None
        told.append({"index": int(cells["index"]), "used_mib": used, "total_mib": total, "util_pct": util,
                     "used_frac": frac})
    return told
    ### END SOLUTION

# %% check="parse_gpu_csv"
check("04.parse_gpu_csv", parse_gpu_csv)

# %% [markdown] about="busy_percent"
# Compute the utilisation from the kernels.
#
# - `intervals` is a list of tuples (start, end) of numbers with start ≤ end, one for each kernel; it may be empty. A kernel covers the time from its start up to, and without, its end. So one with start = end covers nothing.
# - Return the share of the window from `start` up to, and without, `end` that is covered by at least one kernel, in percent (a float from 0 to 100).
# - Kernels may come in any order, overlap, be equal, lie inside each other, touch, begin before the window or end after it, or lie outside. Times may be fractions or negative. There may be thousands of kernels.
# - Raise `ValueError` if `end` ≤ `start`.
#
# For example `busy_percent([(0, 400), (300, 700), (900, 1300)], 0, 1000)` → `80.0`, and `busy_percent([(0, 400), (100, 200), (300, 600)], 0, 800)` → `75.0`.
# Without kernels, `busy_percent([], 0, 10)` → `0.0`.

# %% exercise="busy_percent"
def busy_percent(intervals: list[tuple[float, float]], start: float, end: float) -> float:
    """Percent of [start, end) in which at least one kernel runs."""
    ### BEGIN SOLUTION
    if end <= start:
        raise ValueError("end must be after start")
    busy, covered_to = 0.0, start
    for a, b in sorted(intervals):
        a, b = max(a, covered_to), min(b, end)
        if b > a:
            busy += b - a
            covered_to = b
    return 100 * busy / (end - start)
    ### END SOLUTION

# %% check="busy_percent"
check("04.busy_percent", busy_percent)

# %% [markdown] about="segment_for"
# What does one request take from the driver, when nothing is cached?
#
# - `nbytes` is an int. The **block** is `nbytes` rounded up to a multiple of 512 bytes. A request of 0 bytes counts as 512. (So in our model. PyTorch takes nothing for it.)
# - A block of up to 1 MiB (1,048,576 bytes) gets a **segment** of 2 MiB. A larger block below 10 MiB gets one of 20 MiB. From 10 MiB on the segment is the block rounded up to a multiple of 2 MiB.
# - Return a tuple of two ints: the size of the block and that of the segment, in bytes.
# - Raise `ValueError` if `nbytes` is negative.
#
# For example `segment_for(1)` → `(512, 2097152)`, `segment_for(1048577)` → `(1049088, 20971520)` and `segment_for(25000000)` → `(25000448, 25165824)`.

# %% exercise="segment_for"
def segment_for(nbytes: int) -> tuple[int, int]:
    """(bytes of the block, bytes of its new segment) for a request of `nbytes`."""
    ### BEGIN SOLUTION
    mib = 2**20
    if nbytes < 0:
        raise ValueError("nbytes must not be negative")
    block = max(1, -(-nbytes // 512)) * 512
    if block <= mib:
        return block, 2 * mib
    if block < 10 * mib:
        return block, 20 * mib
    return block, -(-block // (2 * mib)) * 2 * mib
    ### END SOLUTION

# %% check="segment_for"
check("04.segment_for", segment_for)

# %% [markdown] about="reserved_after"
# Build the caching allocator, and replay what a program does.
#
# - `ops` is a list of tuples: `("malloc", name, nbytes)`, `("free", name)` or `("empty_cache",)`. `name` is a string, `nbytes` an int of 0 or more. At the start nothing is reserved.
# - Return a tuple of two ints, in bytes: *allocated* (the sizes of all blocks in use) and *reserved* (the sizes of all segments).
# - **malloc** rounds `nbytes` up to a block and knows the size of a new segment by the rules of the exercise before (`segment_for`; write them into this cell). Blocks of up to 1 MiB belong to the small pool, others to the large one. A segment belongs to the pool of the request that made it.
# - It takes the smallest free block of its pool that is large enough. Among equal ones it takes the one in the older segment, and in one segment the one at the lower offset. If there is none, it makes a new segment, which is one free block.
# - Then it cuts the block. The request gets the front (lower offsets). The rest behind it stays free if it is 512 bytes or more (small pool), or *more* than 1 MiB (large pool). A smaller rest is not cut off: the whole block counts as allocated.
# - **free** makes the block free, and merges it with the free blocks right before and right after it in the same segment.
# - **empty_cache** removes the segments in which nothing is in use. Nothing else ever removes a segment.
# - Raise `ValueError` for a malloc of a name that is in use, and for a free of a name that is not. A freed name may be used again.
#
# First example (M = 2^20): malloc a 1000 bytes; malloc b 5·M; malloc c 12·M + 1; free b; empty_cache; malloc d 15·M → `(29361664, 39845888)`.
# b's hole of 5 MiB is too small for d, c keeps its segment alive, and the rest of d's 16 MiB is not more than 1 MiB.
# Second example: malloc a, b, c, d of 8·M each; free a; free c → `(16777216, 41943040)`.

# %% exercise="reserved_after"
def reserved_after(ops: list[tuple]) -> tuple[int, int]:
    """(allocated, reserved) bytes of a caching allocator after a list of operations."""
    ### BEGIN SOLUTION
    mib = 2**20
    segments = []  # each: {"small": bool, "blocks": [[size, name or None], ...]}
    live = set()

    def malloc(name, nbytes):
        size = max(1, -(-nbytes // 512)) * 512
        small = size <= mib
        free = [(block[0], s, b) for s, segment in enumerate(segments) if segment["small"] == small
                for b, block in enumerate(segment["blocks"]) if block[1] is None and block[0] >= size]
        if not free:
            whole = 2 * mib if small else 20 * mib if size < 10 * mib else -(-size // (2 * mib)) * 2 * mib
            segments.append({"small": small, "blocks": [[whole, None]]})
            free = [(whole, len(segments) - 1, 0)]
        whole, s, b = min(free)
        blocks, rest = segments[s]["blocks"], whole - size
        if rest > 0 if small else rest > mib:
            blocks[b : b + 1] = [[size, name], [rest, None]]
        else:
            blocks[b][1] = name

    def release(name):
        for segment in segments:
            merged = []
            for size, owner in segment["blocks"]:
                owner = None if owner == name else owner
                if merged and owner is None and merged[-1][1] is None:
                    merged[-1][0] += size
                else:
                    merged.append([size, owner])
            segment["blocks"] = merged

    for op, *args in ops:
        if op == "malloc":
            if args[0] in live:
                raise ValueError(f"{args[0]} is in use")
            live.add(args[0])
            malloc(*args)
        elif op == "free":
            if args[0] not in live:
                raise ValueError(f"{args[0]} is not in use")
            live.remove(args[0])
            release(args[0])
        else:
            segments = [s for s in segments if any(owner is not None for _, owner in s["blocks"])]
    blocks = [block for segment in segments for block in segment["blocks"]]
    return sum(size for size, owner in blocks if owner is not None), sum(size for size, _ in blocks)
    ### END SOLUTION

# %% check="reserved_after"
check("04.reserved_after", reserved_after)

# %% [markdown] about="explain_gap"
# Why does `nvidia-smi` show more than the tensors?
#
# - All arguments are numbers in MiB, 0 or more: what `nvidia-smi` shows for the device, what PyTorch has reserved in this process and what of it is allocated, the CUDA context of this process, and all that other processes hold.
# - Return a dict with `tensors` (allocated), `cache` (reserved but not allocated), `context`, `other` (other processes) and `unexplained`. They add up to `smi_used_mib`. Round nothing.
# - Readings are rounded, so `unexplained` may be as low as −2. Return it as it is.
# - Raise `ValueError` with a message that contains the word *inconsistent* if `unexplained` is below −2, or if less is reserved than allocated.
#
# For example `explain_gap(6000, 4200, 3100, 450, 1200)` → tensors 3100, cache 1100, context 450, other 1200, unexplained 150.
# `explain_gap(1023, 574, 574, 450)` → 574, 0, 450, 0, −1. And `explain_gap(6000, 3000, 3100, 450)` raises.

# %% exercise="explain_gap"
def explain_gap(smi_used_mib: float, reserved_mib: float, allocated_mib: float, context_mib: float,
                other_processes_mib: float = 0) -> dict:
    """Components of nvidia-smi's used memory (MiB); they add up to it, and nothing is rounded."""
    ### BEGIN SOLUTION
    unexplained = smi_used_mib - reserved_mib - context_mib - other_processes_mib
    if reserved_mib < allocated_mib or unexplained < -2:
        raise ValueError("inconsistent readings")
    return {"tensors": allocated_mib, "cache": reserved_mib - allocated_mib, "context": context_mib,
            "other": other_processes_mib, "unexplained": unexplained}
    ### END SOLUTION

# %% check="explain_gap"
check("04.explain_gap", explain_gap)

# %% [markdown]
# ## Measure it
#
# Without a GPU the same can be seen on the CPU. Four loops run for 0.6 s each, on one thread: additions in Python, a matrix product, an addition over 80 MB, and sleep.
# The **CPU utilisation** of a process is its CPU time per second of wall-clock time. **Resident memory** is what it holds in RAM.
# Before you run it: which of the three that work will look busiest?

# %% experiment
from utils.hardware.gpu_monitor.four_loops import run_loops
from utils.widgets.ch04_gpu_memory_vs_utilization import loop_table

loops = run_loops(seconds=0.6)
loop_table(loops)

# %% experiment
from utils.widgets.ch04_gpu_memory_vs_utilization import loop_chart

loop_chart(loops)

# %% [markdown]
# What to look for:
#
# - The three loops look alike in utilisation. All of them keep the thread busy. (On a machine that has other work to do, all three show less.)
# - Their work differs by powers of ten. When this was written, the matrix product did some 2,000 to 4,000 times as many operations per second as the Python loop. (Gop/s: 10^9 additions and multiplications per second.)
# - The addition over 80 MB has the most resident memory, and still does little arithmetic: it waits for the memory most of the time. Chapter 44 is about that.
# - Memory says nothing about work either: during sleep the process works not at all, and still holds what Python and its libraries take.
#
# The same on a GPU, with the driver's own readings beside what PyTorch reports. This cell needs an NVIDIA GPU; without one it only says so.
# Compare the work of the loops that look equally busy. And compare `nvidia-smi` with reserved: the difference is the context, and what other processes hold.

# %% experiment
from utils.widgets.ch04_gpu_memory_vs_utilization import gpu_loops_measured

gpu_loops_measured()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors. Rows 5 and 6 are not in its answer, but they are what people often conclude from it.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | the two indicators matter in training | incomplete | they matter in inference just as much, and they are not enough: SM activity, memory-bandwidth activity, power and transfers over the bus are needed to find a cause |
# | 2 | GPU memory is its space, and holds model and data | incomplete | also gradients, optimiser state, saved activations, workspaces (scratch memory of library calls), KV cache, the allocator's cache and a CUDA context a process. `nvidia-smi` shows reserved + context, not tensors |
# | 3 | utilisation is the share of the sample period in which kernels execute | holds | NVML: one or more kernels, over a past period of 1/6 to 1 s depending on the product |
# | 4 | it can be understood as the usage rate of the compute units | wrong | it contradicts row 3. The trace above has 70 % utilisation and 10.93 % SM activity; one thread on one of 108 SMs gives 100 % and at most 0.93 % |
# | 5 | `utilization.memory` is the share of memory in use (assumed) | wrong | the share of time in which device memory was read or written. A full idle GPU reads 0 % |
# | 6 | memory in use means that somebody works (assumed) | wrong | 90 % and 0 % is a loaded model that waits; 3 % and 100 % is a tiny kernel in a loop |
#
# The document's table of another question, a GTX 1080 with 28 % utilisation and 0 MiB in use, can be checked for what does not fit together:

# %%
gpu_table(parse_nvidia_smi_table(sample_text("470_gtx1080")))

# %% [markdown]
# A process that runs kernels has a CUDA context, and it takes memory. So this is no reading of a running job.
# It can be read just after a job has ended: memory is what is held now, and utilisation looks back up to a second. It can also be read while a driver that has just been loaded clears a memory with error correction (ECC). A GTX 1080 has no ECC.
#
# Row 4 once more, turned around: what does the same 100 % look like with more SMs?

# %%
for sms in (1, 27, 54, 108):
    print(f"one kernel all the time on {sms:3} of 108 SMs: utilisation {utilization([(0, 1)], 0, 1):.0f} %, SM activity {sms / 108:.1%}")

# %% [markdown]
# ## Explain it
#
# A colleague shows a dashboard of a service: "Memory is at 92 % and GPU-Util at 97 % on all eight GPUs. After `torch.cuda.empty_cache()` memory hardly falls, so there must be a leak. And at 97 % we need more GPUs." Answer in five or six sentences.
#
# A good answer names:
# 1. what the 92 % consist of, and which two numbers of PyTorch to compare with it;
# 2. why `empty_cache` gives back little, and how a leak would look different;
# 3. what 97 % utilisation means, and what it does not;
# 4. which other metrics tell whether a GPU is really full;
# 5. what you would look at before buying.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# 92 % is a level: weights, KV cache, the allocator's cache and a context for every process; compare `memory_allocated` and `memory_reserved` with it.
# Servers reserve their cache on purpose, and `empty_cache` returns only segments in which nothing is live, so little movement is what I expect; a leak would be `memory_allocated` that rises from hour to hour under the same load.
# 97 % says that in 97 % of the last sample period some kernel was running, even if it used one SM of a hundred.
# So it shows that the GPU seldom waits for the host, and nothing about how much room it has.
# I would look at SM activity, tensor and memory-bandwidth activity and power, and at tokens per second against what the card can do.
# Before buying I would raise the batch size in a test: if throughput grows while latency stays within its limit, the GPUs were not full.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("04")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | device memory (VRAM) | 显存 | the memory on the GPU |
# | utilisation | 利用率 | share of time with at least one kernel running |
# | kernel | 核函数 | a program that the host starts on the GPU |
# | SM | 流式多处理器 | one of the GPU's processors |
# | warp | 线程束 | 32 threads that run together on an SM |
# | SM activity | SM活跃度 | share of SMs with at least one warp, averaged over time |
# | occupancy | 占用率 | warps that an SM holds, of those that it can hold |
# | tensor core | 张量核心 | a unit for matrix products in an SM |
# | MFU | 模型算力利用率 | model FLOPs utilisation: the model's operations per second over the peak |
# | sample period | 采样周期 | the time over which a reading is averaged, 1/6 to 1 s |
# | caching allocator | 缓存分配器 | keeps freed memory for later requests |
# | allocated, reserved | 已分配 / 已保留 | used by tensors; taken from the driver |
# | segment, block | 显存段 / 块 | one piece from the driver; a part of it for a tensor |
# | fragmentation | 碎片 | free memory in pieces that are too small |
# | storage, view | 存储 / 视图 | the bytes of a tensor; a tensor that shares those of another |
# | KV cache | KV缓存 | keys and values of all tokens so far |
# | CUDA context | CUDA上下文 | the driver's data of one process |
# | OOM | 显存不足 | out of memory |
# | resident memory (RSS) | 常驻内存 | what a process holds in RAM |
# | NVML | 英伟达管理库 | the driver's library for monitoring |
# | DCGM | 数据中心GPU管理器 | NVIDIA's monitoring for data centres |
# | ECC | 纠错码 | error-correcting memory |

# %% [markdown]
# ## Sources
#
# - NVIDIA, *NVML API Reference Guide* (vR590, read November 2026): `nvmlUtilization_t` (definition and sample period), `nvmlDeviceGetUtilizationRates` (readings while ECC memory is cleared; not on MIG devices), `nvmlGpmMetricId_t` (SM_UTIL, SM_OCCUPANCY, ANY_TENSOR_UTIL).
# - NVIDIA, *DCGM User Guide*, feature overview: profiling metrics; a maintainer's word on Volta in github.com/NVIDIA/dcgm-exporter, issue 395 (read November 2026).
# - NVIDIA, *nvidia-smi* manual page: the output of the tool is not guaranteed to stay the same.
# - PyTorch, header `c10/core/AllocatorConfig.h` in the installed wheel (2.13): the constants; `c10/cuda/CUDACachingAllocator.cpp`: best fit, `should_split`, merging, `release_cached_blocks`; `allocate` (nothing for 0 bytes).
# - PyTorch documentation: `torch.cuda.memory.empty_cache` and the note on CUDA memory management.
# - discuss.pytorch.org, topic 73021: 723 MiB for a tensor of one number.
# - `utils/hardware/gpu_monitor/samples/index.csv` says where each layout of nvidia-smi was seen. The values in these texts were changed.
