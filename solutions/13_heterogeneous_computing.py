# %% [markdown]
# # 13 · What is heterogeneous computing?
# **什么是异构计算？**
#
# A camera box decodes video, finds objects and writes video again. One chip does it, with a CPU, an NPU (a processor for neural networks) and a video engine. Who should do what?
# More speed on paper may make it slower: work has to travel, and one engine waits for another. This chapter computes when an accelerator pays, where to cut a network, and who runs what, when.
#
# About 110 minutes: 80 for the five exercises, the rest to read, measure and explain. Nothing has to be known before. Chapter 07 (what makes inference fast or slow) helps. No accelerator is needed.

# %% setup
from fractions import Fraction

import numpy as np

# %% [markdown]
# ## The short answer
#
# > Heterogeneous computing means that processors of different kinds work on one task together, each on what it does best. A CPU is built for low latency and decisions, a GPU for throughput, an NPU for matrix products, a codec for video. Big and small cores of one instruction set count too.
# >
# > Two things bound the gain. One is Amdahl's law: what stays on the CPU takes as long as before. The other is moving data. So I keep crossings few, batch small kernels, and copy while something else computes.
# >
# > For one frame, the longest path through the graph counts, with its copies. For a stream of frames, the busiest engine sets the frame rate.
# >
# > Engines that share one DRAM can hand over buffers without copies, but they compete for its bandwidth.
# >
# > It is programmed with CUDA, OpenCL or SYCL, or left to a runtime: ONNX Runtime cuts the graph by what each execution provider supports, and the CPU runs the rest. Each piece in the middle that falls back costs two crossings, so I look at those first.

# %% [markdown]
# ## How it works
#
# ### Many processors, one chip
#
# Here are the engines of one chip for edge boards. (SoC, system on a chip, is the name for such a chip.)

# %%
from utils.widgets.ch13_heterogeneous_computing import chip_table

chip_table()

# %% [markdown]
# All of them read and write one DRAM. Three words for what follows:
#
# - The **host** is the CPU that controls the rest. A **device** is what it controls.
# - **Offloading** is moving work from the host to a device.
# - A **crossing** is the step of data from one processor to another: a copy, or at least a synchronisation.
#
# The two kinds of CPU cores run the same programs. Arm calls this **big.LITTLE**: fast cores, and slower ones that need less power. It matters what runs where, so this is heterogeneous too.
#
# ### Twenty times faster, and still not fast
#
# A frame takes 30 ms on the CPU. The network is 24 ms of it. An NPU runs the network 20 times faster. What do we get?

# %%
total_ms, network_ms, factor = 30, 24, 20
new_ms = (total_ms - network_ms) + network_ms / factor
print(f"new: {total_ms - network_ms} + {network_ms / factor:.1f} = {new_ms:.1f} ms, {total_ms / new_ms:.2f} times faster")
print(f"with 2 ms of copies: {new_ms + 2:.1f} ms, {total_ms / (new_ms + 2):.2f} times faster")

# %% [markdown]
# Not 20, but 4.17, because 6 ms stay. Copies bring it down to 3.26. Would a better NPU help?

# %%
from utils.hardware.heterogeneous import amdahl_limit, offload_time_ms

for factor in (20, 200, 2000):
    ms = offload_time_ms(30, accel_fraction=0.8, speedup=factor, transfer_bytes=8e6, link_gb_s=4)
    print(f"{factor:5} times: {ms:.3f} ms")
print(f"without copies and infinitely fast: {amdahl_limit(0.8):.0f} times faster")

# %% [markdown]
# This is **Amdahl's law**: the part that stays bounds the gain, here at 30 / 6 = 5. The 8 MB of copies over a link of 4 GB/s add 2 ms, whatever the factor.
#
# ### From which batch on?
#
# A device has costs that come once: waking it up, launching kernels (functions that run on the device), waiting for the end. They are shared by the items of a batch. Say the CPU needs 0.8 ms an item. The device needs 3 ms once, then 0.4 ms to compute an item and 0.1 ms to copy it.

# %%
from utils.widgets.ch13_heterogeneous_computing import break_even_picture

break_even_picture(cpu_ms=0.8, fixed_ms=3, dev_ms=0.4, copy_ms=0.1)

# %% [markdown]
# An item gains 0.8 − 0.4 − 0.1 = 0.3 ms, and 3 ms have to come back. At 10 items both take 8 ms: the **break-even** point. From 11 on the device is faster. We call 11, the first batch that wins, the break-even batch.
# If an item gains nothing, no batch helps:

# %%
from utils.hardware.heterogeneous import break_even_batch

for link_gb_s in (8, 4, 2, 1):
    n = break_even_batch(0.8, 3, 0.4, bytes_per_item=400_000, link_gb_s=link_gb_s)
    print(f"0.4 MB an item over {link_gb_s} GB/s:", "never" if n is None else f"from {n} items on")

# %% [markdown]
# ### Where to cut a network
#
# A network of four layers, times in ms. The CPU is device 0, the NPU device 1. The NPU is good at all layers but the third. The image lies with the CPU, and the result has to return there.

# %%
cost = [(4, 1), (6, 1), (1, 4), (8, 2)]  # of each layer: (CPU, NPU)
move = [2, 1, 1, 1, 0.5]  # a crossing before layer 0, 1, 2, 3, and the way home

# %% [markdown]
# Each layer can run on either, so there are 2⁴ = 16 plans. The labels show the device of each layer.

# %%
from utils.widgets.ch13_heterogeneous_computing import plans_picture

plans_picture(cost, move)

# %% [markdown]
# The best plan crosses four times: over, back for the third layer, over again, home. With dearer moves it would stay on one side.
#
# Sixteen plans can be listed. 60 layers have 10¹⁸. But look at a plan from the middle: for what is still to come, only one thing matters about the past, the device where the data is now. So for each device keep the cheapest way to get there, and drop the rest. This is **dynamic programming**:

# %%
best = {0: (0.0, [])}  # device where the data is -> (time so far, plan so far)
for row, crossing in zip(cost, move):
    best = {
        d: min((time + (crossing if d != at else 0) + row[d], plan + [d]) for at, (time, plan) in best.items())
        for d in (0, 1)
    }
    print("   ".join(f"on {d}: {time:4} {plan}" for d, (time, plan) in best.items()))
print(f"on 1 it still has to go home: {best[1][0]} + {move[-1]} ms")

# %% [markdown]
# `min` compares pairs: times first, then plans, so a tie is settled too. "Neurosurgeon" (2017) cuts networks between a phone and the cloud by the same weighing, with one cut.
#
# ### Tasks that run at the same time
#
# A chain leaves all devices but one idle. Real work is a graph: after `resize`, one network looks for objects and another for lanes. Here is the camera as a graph of seven tasks. The times are made up, of a size that edge chips show. "video" is an engine that decodes, encodes and scales.

# %%
from utils.hardware.heterogeneous.examples import camera_graph

camera = camera_graph()
for name, task in camera.tasks.items():
    print(f"{name:8}", ", ".join(f"{device} {ms:g}" for device, ms in task.costs.items()), "ms")
print("a decoded frame to another engine:", round(camera.edges["decode", "resize"], 2), "ms")

# %% [markdown]
# A plan for such a graph is a **schedule**: for each task a device and a start. The end of the last task is the **makespan**. The obvious plan sends each task to its fastest device:

# %%
from utils.hardware.heterogeneous import fastest_device
from utils.widgets.ch13_heterogeneous_computing import gantt_picture

gantt_picture(camera, fastest_device)

# %% [markdown]
# Grey lines are results on their way. Objects and lanes both want the NPU, and one waits 9 ms. The GPU, which is slower for both, has nothing to do in that time.
#
# ### HEFT
#
# Finding the best schedule is hard: no fast method is known for large graphs. **List scheduling** decides task by task. Its best-known form is **HEFT** (heterogeneous earliest finish time, 2002), with two rules.
#
# **Rule 1: the most urgent task first.** Urgent is what has the longest way to the end. This length is the **upward rank**. A task without successors has its mean time over the devices. Any other has its mean time, plus the largest of (edge + rank) over its successors:

# %%
from utils.hardware.heterogeneous import upward_rank

for name, rank in sorted(upward_rank(camera).items(), key=lambda item: -item[1]):
    print(f"{name:8} {rank:6.2f} ms to the end, on average")

# %% [markdown]
# Means are a guess, because nobody knows yet where a task will run. `objects` comes before `lanes`.
#
# **Rule 2: where it ends first.** For each device, when could the task end there? Its inputs have to arrive: a result that was made on the same device is there already, another one pays its edge. Then it needs a free slot, and that may be a gap between tasks that were placed before (**insertion**).

# %%
from utils.hardware.heterogeneous import heft

gantt_picture(camera, heft)

# %% [markdown]
# The lanes go to the GPU: 12 ms there at once beat 8 ms on the NPU after a wait of 9. From 34.5 to 29.1 ms.
#
# The paper has an example of ten tasks on three processors, with a makespan of 80. Our HEFT gives the same start and end for every task (the course's tests compare them with a published implementation):

# %%
from utils.hardware.heterogeneous import brute_force_schedule, single_device
from utils.hardware.heterogeneous.examples import published_graph, scaled

published = published_graph()
print("HEFT:", heft(published).makespan_ms)
print("one device:", [single_device(published, d).makespan_ms for d in published.devices])
print("the best there is:", brute_force_schedule(published).makespan_ms)

# %% [markdown]
# 80 is good, and not the best. HEFT never takes a decision back. It can even lose to a single device, when links are slow:

# %%
slow = scaled(published, link=0.25)  # every edge takes four times as long
print("HEFT:", heft(slow).makespan_ms, " one device:", single_device(slow).makespan_ms)
print("the best there is:", brute_force_schedule(slow).makespan_ms)

# %% [markdown]
# It decided for a crossing that looked good for one task, and paid for it later. So compare HEFT's plan with "all on one device", always.
#
# ### A stream of frames
#
# One frame takes 29.1 ms. How many frames per second is that? More than 1000 / 29.1 = 34, because the engines can work on different frames: **pipeline parallelism**. While the NPU looks at frame 7, the video engine decodes frame 8.
# Then the busiest engine sets the pace. Copies between engines are left out here:

# %%
from utils.hardware.heterogeneous import busy_ms, pipeline

placed = heft(camera).by_task
for change in ({}, {"draw": "CPU"}):
    engines = [change.get(name, p.device) for name, p in placed.items()]
    stage_ms = [camera.tasks[name].costs[engine] for name, engine in zip(placed, engines)]
    busy = ", ".join(f"{engine} {ms:g}" for engine, ms in busy_ms(stage_ms, engines).items())
    report = pipeline(stage_ms, engines)
    print("drawing on the CPU:" if change else "HEFT's plan:")
    print(f"  ms a frame: {busy}. {report.frames_per_s:.1f} frames/s, bound by the {report.bottleneck}")

# %% [markdown]
# HEFT plans one frame and does not look at the rate. It put the drawing on the GPU, which is the busiest engine. On the CPU the drawing alone takes 0.5 ms longer, and 12 more frames come through each second.
# Latency and rate are two questions. Decide first which one you ask.
#
# ### One memory for all
#
# On an SoC the engines share one DRAM. A frame can be handed over by its address: **zero copy**. But every engine still reads and writes that DRAM. Say the image signal processor (ISP), which turns the sensor's raw values into a picture, moves 60 MB a frame in 10 ms and the NPU 60 MB in 8 ms:

# %%
from utils.hardware.heterogeneous import shared_memory

for mem_gb_s in (20, 14, 8):
    told = shared_memory({"ISP": 10, "NPU": 8}, {"ISP": 60e6, "NPU": 60e6}, mem_gb_s)
    print(f"DRAM of {mem_gb_s:2} GB/s: a frame every {told.frame_ms:g} ms, bound by {told.bound} ({told.asked_gb_s:g} GB/s asked for by both at full speed)")

# %% [markdown]
# This is **contention**: with 8 GB/s both engines are fast enough, and the memory is not. The numbers are lower bounds; a real memory controller loses some more. Chapter 18 draws up such a budget for a whole chip.
#
# ### Who cuts the graph for you
#
# You rarely write a scheduler. Four ways to program all this:
#
# - **CUDA**: NVIDIA's C++ for its GPUs. You start kernels and copies yourself.
# - **OpenCL**: an open standard. A host program drives devices of many kinds.
# - **SYCL**: an open standard too, host and device code in one C++ file.
# - A runtime. ONNX Runtime has an **execution provider** for each kind of device. Each provider says which nodes it can run, ONNX Runtime cuts the graph into pieces by that, and its CPU provider runs what nobody else takes.
#
# The cuts are what to look at. A detector of nine operators, and an NPU without two of them: Mish, an activation function, and NonMaxSuppression, which picks boxes.

# %%
from utils.graphs.optimize.support import support_runs

ops = ["Conv", "Relu", "Conv", "Mish", "Conv", "Relu", "Conv", "Sigmoid", "NonMaxSuppression"]
for name, supported in (("as exported", {"Conv", "Relu", "Sigmoid"}), ("Mish replaced", {"Conv", "Relu", "Sigmoid", "Mish"})):
    runs = support_runs(ops, supported)
    pieces = [f"{'NPU' if run.supported else 'CPU'} {run.stop - run.start}" for run in runs]
    print(f"{name:13} {' | '.join(pieces)}")

# %% [markdown]
# One activation in the middle costs two crossings in every frame. The NonMaxSuppression at the end costs the one that the result needs anyway.

# %% [markdown]
# ## See it
#
# ![Gantt chart of the ten tasks of the HEFT paper on three processors. P3 runs tasks 1, 3, 5 and 7 from 0 to 49. P2 runs 4 and 6 from 18 to 42, then 9 and 10, the last of which ends at 80. P1 runs 2 and 8. Nine results cross between processors.](figure.svg)
#
# HEFT's schedule of the published graph: the last task ends after 80 ms, and nine results cross. One processor alone would need 127 ms, and the best schedule takes 73.
#
# **Who runs what, when.** Choose a graph, a scheduler, and how fast link and accelerator are. "Greedy" sends each task to its fastest device. "MobileNet" is the chain of MobileNetV1's layers, with counted operations and made-up rates. The times of the last two graphs are simulated.

# %% figure
from utils.widgets.ch13_heterogeneous_computing import play_with_schedules

play_with_schedules()

# %% [markdown]
# Try three things. In the camera graph, make the NPU 10 times faster: 29.1 ms become 18.8, because other engines are left. In MobileNet, slow the link down to × 0.1: HEFT never leaves the CPU (23.4 ms), because no single layer pays for a crossing, while the best plan takes 12.5 ms. In the published graph, go from × 0.25 to × 16 with "optimal": faster links spread the tasks.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports `Fraction` (exact fractions, from Python's `fractions`) and NumPy as `np`. An answer may use those, Python's own modules, and nothing from other exercises.

# %% [markdown] about="offload_speedup"
# A part of a job moves to an accelerator. How many times faster is the job?
#
# - `total_ms` is the time of the whole job before, above 0. `accel_ms` is the part of it that moves. `factor` is how many times faster that part becomes: above 0, perhaps below 1, perhaps infinite (`math.inf`). `copy_ms` is the time of the copies, 0 or more. All are ints or floats.
# - Return the old time over the new time, a float. A result below 1 is a slow-down, and is returned as it is. The new time is never 0.
# - Raise `ValueError` with a message that contains `accel` unless 0 ≤ `accel_ms` ≤ `total_ms`.
#
# | total_ms | accel_ms | factor | copy_ms | result |
# |---|---|---|---|---|
# | 30 | 24 | 20 | 0 | 4.1667 |
# | 30 | 24 | 20 | 2 | 3.2609 |

# %% exercise="offload_speedup"
def offload_speedup(total_ms: float, accel_ms: float, factor: float, copy_ms: float) -> float:
    """Old time over new time when `accel_ms` of `total_ms` run `factor` times faster and copies are paid."""
    ### BEGIN SOLUTION
    if not 0 <= accel_ms <= total_ms:
        raise ValueError("accel_ms must lie between 0 and total_ms")
    new_ms = total_ms - accel_ms + accel_ms / factor + copy_ms
    return total_ms / new_ms
    ### END SOLUTION

# %% check="offload_speedup"
check("13.offload_speedup", offload_speedup)

# %% [markdown] about="break_even"
# From which batch on is the accelerator faster?
#
# - A batch of n items takes n · `cpu_ms` on the CPU. On the device it takes `fixed_ms` + n · (`dev_ms` + `copy_ms`).
# - Return the smallest whole n ≥ 1 for which the device is **strictly** faster, an int, or None if there is none.
# - All four are ints or floats, 0 or more, in ms. They mean decimals, exactly: 0.8 is 8/10. So 0.8 − 0.4 − 0.1 is 0.3, and the first example has a tie at n = 10. In binary floats it is 0.30000000000000004, and the tie is lost. `Fraction(str(x))` is the exact number.
# - n may be above ten million, so counting up takes too long.
#
# | cpu_ms | fixed_ms | dev_ms | copy_ms | result |
# |---|---|---|---|---|
# | 0.8 | 3 | 0.4 | 0.1 | 11 |
# | 5 | 3 | 0.4 | 0.1 | 1 |
# | 0.4 | 3 | 0.4 | 0.1 | None |

# %% exercise="break_even"
def break_even(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
    """The smallest batch n with n·cpu > fixed + n·(dev + copy), or None if there is none."""
    ### BEGIN SOLUTION
    cpu, fixed, dev, copy = (Fraction(str(x)) for x in (cpu_ms, fixed_ms, dev_ms, copy_ms))
    gain = cpu - dev - copy  # of each item
    return fixed // gain + 1 if gain > 0 else None
    ### END SOLUTION

# %% check="break_even"
check("13.break_even", break_even)

# %% [markdown] about="best_split"
# Run each layer of a chain on the device where the whole is cheapest.
#
# - `cost[i][d]` is the time of layer i on device d. There is at least one layer, and two or more devices. `cost` is a list of tuples.
# - `move` is a list with one entry more than `cost`. `move[i]` is paid when layer i runs on another device than layer i − 1. Before layer 0 the data is on device 0. `move[n]` (n layers) is paid when the last layer ran on another device than 0: the result has to end on device 0. The price does not depend on which two devices they are.
# - Return `(total, devices)`: the smallest total time, and a list of ints with the device of each layer. Of plans with an equal total take the smallest list, as Python compares lists.
# - Times are multiples of 1/4, 0 or more, so float sums are exact. There may be 60 layers: trying all plans would take too long. Leave the arguments unchanged.
#
# | cost | move | result |
# |---|---|---|
# | `[(4, 1), (6, 1), (1, 4), (8, 2)]` | `[2, 1, 1, 1, 0.5]` | `(9.5, [1, 1, 0, 1])` |
# | `[(2, 1), (2, 1)]` | `[3, 1, 3]` | `(4, [0, 0])` |
# | `[(5, 3), (5, 3)]` | `[1, 2, 3]` | `(10, [0, 0])`: a tie with `[1, 1]` |

# %% exercise="best_split"
def best_split(cost: list[tuple[float, ...]], move: list[float]) -> tuple[float, list[int]]:
    """The smallest total time of a chain that starts and ends on device 0, and the device of each layer."""
    ### BEGIN SOLUTION
    best = {0: (0.0, [])}  # device of the latest layer -> (total, devices)
    for i, row in enumerate(cost):
        best = {
            d: min((total + (move[i] if d != at else 0) + row[d], devices + [d]) for at, (total, devices) in best.items())
            for d in range(len(row))
        }
    return min((total + (move[-1] if d != 0 else 0), devices) for d, (total, devices) in best.items())
    ### END SOLUTION

# %% check="best_split"
check("13.best_split", best_split)

# %% [markdown] about="heft_ranks"
# The upward rank of each task: the time from its start to the end of the graph, along the longest way.
#
# - `costs` is a dict: task id → list of its times, one for each device. Ids are ints in any order. There is at least one task, and all lists have one length.
# - `edges` is a dict: (u, v) → time that u's result takes to v, 0 or more. It may be empty. v starts after u, and there is no cycle. An edge may lead to a lower id.
# - The rank of a task is the mean of its times, plus the maximum over its successors v of (edge (task, v) + rank of v). Without successors it is the mean alone. The edge counts as it is.
# - Return a dict: task id → rank, a float, within a relative 1e-9, for all tasks. Leave the arguments unchanged.
#
# Two examples. The first: `costs = {1: [4, 2], 2: [6, 6], 3: [1, 3]}`, `edges = {(1, 2): 1, (1, 3): 7}` gives `{1: 12.0, 2: 6.0, 3: 2.0}`. Task 1 has a mean of 3, and 7 + 2 is more than 1 + 6. The second is the published graph:
#
# ```python
# costs = {1: [14, 16, 9], 2: [13, 19, 18], 3: [11, 13, 19], 4: [13, 8, 17], 5: [12, 13, 10],
#          6: [13, 16, 9], 7: [7, 15, 11], 8: [5, 11, 14], 9: [18, 12, 20], 10: [21, 7, 16]}
# edges = {(1, 2): 18, (1, 3): 12, (1, 4): 9, (1, 5): 11, (1, 6): 14, (2, 8): 19, (2, 9): 16, (3, 7): 23,
#          (4, 8): 27, (4, 9): 23, (5, 9): 13, (6, 8): 15, (7, 10): 17, (8, 10): 11, (9, 10): 13}
# # ranks: 1: 108, 2: 77, 3: 80, 4: 80, 5: 69, 6: 63.33, 7: 42.67, 8: 35.67, 9: 44.33, 10: 14.67
# ```

# %% exercise="heft_ranks"
def heft_ranks(costs: dict[int, list[float]], edges: dict[tuple[int, int], float]) -> dict[int, float]:
    """The upward rank of each task, in ms."""
    ### BEGIN SOLUTION
    ranks = {}

    def rank(task):
        if task not in ranks:
            after = [comm + rank(v) for (u, v), comm in edges.items() if u == task]
            ranks[task] = sum(costs[task]) / len(costs[task]) + max(after, default=0)
        return ranks[task]

    return {task: rank(task) for task in costs}
    ### END SOLUTION

# %% check="heft_ranks"
check("13.heft_ranks", heft_ranks)

# %% [markdown] about="heft_makespan"
# HEFT: when does the last task end?
#
# - `costs` and `edges` are as in the exercise before, with whole numbers of ms; times of tasks are 1 or more. Each list in `costs` has `n_devices` entries, for devices 0 to `n_devices` − 1.
# - Take the tasks by falling upward rank (as defined above, computed here again), the lower id first among equals.
# - Place each on the device where it **ends** first, the lower number among equals. It starts at the earliest time that fits: all its inputs are there, and the device is free from its start to its end. An input from task u is there when u ends if u ran on the same device, else after the cost of the edge as well. A gap before a task that was placed earlier may be used. A task may start at the moment when another one ends, and end when another one starts. All devices are free from 0 on.
# - Return the time at which the last task ends, an int or float. Leave the arguments unchanged.
# - Ranks that are equal may differ in the last bits of a float, as 3 and 4 do in the published graph. There, either order gives 80; no other case depends on it.
#
# Examples: the published graph above on 3 devices gives 80. `costs = {1: [4, 2], 2: [6, 7]}`, `edges = {(1, 2): 3}` on 2 devices gives 9. The second graph gives 59 on 2 devices, and 63 to those who don't use gaps:
#
# ```python
# costs_2 = {0: [15, 3], 1: [14, 20], 2: [15, 3], 3: [7, 16], 4: [4, 10], 5: [7, 16], 6: [18, 17]}
# edges_2 = {(0, 3): 2, (0, 5): 15, (0, 6): 14, (1, 2): 3, (1, 4): 1, (2, 3): 7, (2, 4): 1, (3, 5): 20,
#            (4, 6): 6, (5, 6): 13}
# ```

# %% exercise="heft_makespan"
def heft_makespan(costs: dict[int, list[float]], edges: dict[tuple[int, int], float], n_devices: int) -> float:
    """When the last task ends in the HEFT schedule with insertion, in ms."""
    ### BEGIN SOLUTION
    ranks = {}

    def rank(task):
        if task not in ranks:
            after = [comm + rank(v) for (u, v), comm in edges.items() if u == task]
            ranks[task] = sum(costs[task]) / n_devices + max(after, default=0)
        return ranks[task]

    def earliest_end(task, device):
        ready = max([end[u] + (comm if where[u] != device else 0) for (u, v), comm in edges.items() if v == task], default=0)
        start, cost = ready, costs[task][device]
        for begin, finish in sorted(busy[device]):
            if start + cost <= begin:
                break
            start = max(start, finish)
        return start + cost

    busy = [[] for _ in range(n_devices)]  # of each device: (start, end) of its tasks
    where, end = {}, {}
    for task in sorted(costs, key=lambda t: (-rank(t), t)):
        end[task], where[task] = min((earliest_end(task, d), d) for d in range(n_devices))
        busy[where[task]].append((end[task] - costs[task][where[task]], end[task]))
    return max(end.values())
    ### END SOLUTION

# %% check="heft_makespan"
check("13.heft_makespan", heft_makespan)

# %% [markdown]
# ## Measure it
#
# A real pipeline of three stages on this machine. A frame of 1280 × 720 is shrunk with NumPy, a small network runs in ONNX Runtime, and boxes are picked by sorting. First one frame after the other, then with a thread for each stage and queues between them, 40 frames each.
# Threads in Python run at the same time only while they are inside NumPy's or ONNX Runtime's own code. These stages mostly are.
#
# The engines here are CPU cores, all of one kind. Before you run it: three stages of about 5 ms on two cores. How many frames per second can there be?

# %% experiment
import os

from utils.hardware.heterogeneous import RealPipeline
from utils.hardware.heterogeneous.camera_stages import STAGE_NAMES, make_frames, stages
from utils.widgets.ch13_heterogeneous_computing import pipeline_picture, pipeline_table

frames = make_frames(8) * 5
chain = RealPipeline(stages())
chain.run(frames[:4])  # warm up
sequential, threaded = chain.run_sequential(frames), chain.run(frames)
same = all(np.array_equal(a, b) for a, b in zip(sequential.outputs, threaded.outputs, strict=True))
assert same, "threads must not change results or their order"
print("40 results, the same and in the same order:", same)
pipeline_table(STAGE_NAMES, sequential, threaded)

# %% experiment
pipeline_picture(sequential, threaded, cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())

# %% [markdown]
# What to look for:
#
# - With two free cores the rate rises clearly, on a busy machine hardly. A single frame does not get faster: in threads each stage takes as long as before or longer.
# - The slowest stage alone would allow more. Three engines could reach that. Two cores can't, because the sum of all stages has to fit on them: 15 ms a frame on two cores is 133 frames per second.
# - What is missing below that bound is Python between the large operations, waiting in queues, and whatever else this machine does.
#
# With a GPU the middle stage would be a real second engine, and copies would come in:

# %% experiment
from utils.widgets.ch13_heterogeneous_computing import cuda_note

cuda_note()

# %% [markdown]
# **Pinned** memory is memory that the system may not move or swap out. A GPU can fetch from it directly and while other work goes on. NVIDIA's guide quotes about 12 GB/s from pinned memory over PCIe x16 of the third generation.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | heterogeneity means that platforms differ in hardware (cores and memory), instruction set and low-level software | holds, incomplete | cores of one instruction set differ too: the RK3588 has four Cortex-A76 and four Cortex-A55. The same program runs on both, at another speed and power |
# | 2 | heterogeneous computing is the joint use of two or more computing platforms | holds, imprecise | mostly they are processors of one chip or one machine, under one host; OpenCL's model is a host with devices. Many equal machines on a network are distributed computing, another topic |
# | 3 | examples: CPU + GPU, TPU + GPU, TPU + GPU + CPU | unusual | (a TPU is Google's chip for tensor computations.) A host CPU is nearly always there; the second example leaves it out. On the edge the usual mix is CPU, NPU or GPU, ISP and video codec |
# | 4 | (missing) what it costs to cross | missing | 24 of 30 ms made 20 times faster give 4.2, with 2 ms of copies 3.3. Below the break-even batch the device is slower |
#
# Row 4, and what the fastest device for each task is worth, computed:

# %%
from utils.hardware.heterogeneous import fastest_device, offload_time_ms, single_device
from utils.hardware.heterogeneous.examples import published_graph, scaled

for n_bytes in (0, 8e6):
    print(f"row 4: {n_bytes / 1e6:g} MB over 4 GB/s: {30 / offload_time_ms(30, 0.8, 20, n_bytes, 4):.1f} times faster")
for link in (4, 1, 0.25):
    graph = scaled(published_graph(), link=link)
    print(f"published graph, link × {link}: fastest device for each task {fastest_device(graph).makespan_ms:g} ms, "
          f"one device for all {single_device(graph).makespan_ms:g} ms")

# %% [markdown]
# ## Explain it
#
# A colleague writes: "Our box runs detection on the CPU, 40 ms a frame, 25 frames/s. The new board has an NPU with 6 TOPS, 30 times what the CPU does, so we will reach 750 frames/s. Decode and encode are on the CPU too, 8 ms together, but that is nothing." Answer in six sentences.
#
# A good answer names:
# 1. what stays on the CPU, and the bound that follows from it;
# 2. copies and fixed costs, and that TOPS don't tell the factor;
# 3. operators that the NPU can't run, and what each gap costs;
# 4. the difference between latency and frame rate, and which engine sets the rate;
# 5. what to move next, and what to measure.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# If the 40 ms hold the whole frame, 8 ms of decoding and encoding stay, so the frame can't get more than 40 / 8 = 5 times faster, however fast the NPU is.
# To this come copies and the fixed cost of each call, and TOPS are a peak: depthwise layers or a batch of 1 may use a small part of it, so the factor has to be measured on our network.
# Operators that the NPU lacks fall back to the CPU, and each gap in the middle costs two crossings a frame; I would look at the partition first.
# One frame after the other we would get at most 1000 / 8 = 125 frames/s; with engines overlapping on different frames the busiest one sets the rate, and that is the CPU with the same 8 ms.
# The next step is therefore the video engine for decode and encode, with buffers that are handed over without copies.
# Then I measure the time of each engine for a frame, the rate with all running, because they share one DRAM, and the latency from camera to result.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("13")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | heterogeneous computing | 异构计算 | processors of different kinds on one task |
# | host, device | 主机、设备 | the controlling CPU, and what it controls |
# | offloading | 卸载 | moving work to an accelerator |
# | execution provider | 执行后端 | ONNX Runtime's back end for one kind of device |
# | big.LITTLE | 大小核 | fast and efficient cores of one instruction set |
# | break-even | 盈亏平衡点 | the size from which offloading pays |
# | list scheduling | 列表调度 | tasks by priority, each to the device that is best for it then |
# | makespan | 总完工时间 | the end of the last task |
# | upward rank | 向上秩 | the longest way from a task to the end, copies included |
# | insertion | 插入策略 | using a gap before tasks that were placed earlier |
# | pipeline parallelism | 流水并行 | engines work on different frames at the same time |
# | zero copy | 零拷贝 | a buffer is handed over by its address |
# | pinned memory | 锁页内存 | memory that may not be moved or swapped out |
# | contention | 争用 | engines compete for one memory |

# %% [markdown]
# ## Sources
#
# - H. Topcuoglu, S. Hariri and M.-Y. Wu, *Performance-Effective and Low-Complexity Task Scheduling for Heterogeneous Computing*, IEEE TPDS 13(3), 2002. Its example graph and schedule were compared with the data and test of github.com/mackncheesiest/heft.
# - G. M. Amdahl, *Validity of the Single Processor Approach to Achieving Large Scale Computing Capabilities*, AFIPS 1967.
# - Y. Kang et al., *Neurosurgeon: Collaborative Intelligence Between the Cloud and Mobile Edge*, ASPLOS 2017.
# - A. G. Howard et al., *MobileNets*, arXiv:1704.04861, 2017 (the blocks of the MobileNet chain).
# - Rockchip, *RK3588 Brief Datasheet*, 2022; Linux kernel, *accel/rocket*. Read in November 2026.
# - Khronos, *The OpenCL Specification* (platform model) and *SYCL 2020*. ONNX Runtime documentation, *Execution Providers* and *ONNX Runtime Architecture*. NVIDIA, *CUDA C++ Best Practices Guide*, data transfer between host and device.
