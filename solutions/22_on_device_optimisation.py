# %% [markdown]
# # 22 · Optimising a model's performance on the device
# **优化模型端侧性能的一些方法**
#
# "The model runs on the board, but the second model does not fit beside it." Both need 20 MiB for their activations, the board has 24. Yet each needs less than 5 MiB if its buffers are planned, and both can use the same 5.
# On a device a model competes for a little memory, one narrow bus, and an accelerator that dislikes small operators. This chapter plans the memory, finds the order of operators that needs least of it, and counts what fusion saves.
#
# About 120 minutes: 83 for the five exercises, the rest to read and try. It helps to know chapters 07 (what makes inference fast), 09 (shrinking memory) and 10 (lightweight networks). No special hardware is needed.

# %% setup
from functools import lru_cache

import numpy as np

# %% [markdown]
# ## The short answer
#
# > First I find the limit: arithmetic, memory traffic, memory size, or the cost of starting operators.
# >
# > For size I plan one *arena*, a block of memory that all activations share, by the times at which they are needed. MobileNetV1 in FP32 goes from 19.2 MiB of separate buffers to 4.6 MiB, the theoretical minimum for its order. Models that never run at the same time can share one arena. Their weights can't.
# >
# > For traffic I let element-wise operators run inside the convolution before them, and avoid branches and operators that the accelerator lacks. Equal input and output channels touch the fewest values only at stride 1, at a fixed number of multiply–accumulates; with stride 2 it is c_out = 4 · c_in.
# >
# > Then INT8, zero-copy input, and measurements on the warm device, with percentiles.

# %% [markdown]
# ## How it works
#
# ### When does a tensor live?
#
# Our source, the interview document that this course mirrors, lists four methods. Number two is "several models share memory". Before models can share, the tensors of one model should.
#
# A tensor is needed from the step in which an operator makes it to the last step in which one reads it. Both ends count: an operator reads its input while it writes its output. Finding both steps for every tensor is called **lifetime analysis**. Five tensors of a chain, as (bytes, first step, last step):

# %%
from utils.cost.arena import TensorUse
from utils.cost.arena import live_peak as our_live_peak

chain = [(16, 0, 1), (8, 1, 2), (64, 2, 3), (32, 3, 4), (8, 4, 5)]
for step in range(6):
    alive = [size for size, first, last in chain if first <= step <= last]
    print(f"step {step}: {' + '.join(map(str, alive))} = {sum(alive)}")
print("sum of all:", sum(size for size, _, _ in chain), " fullest step:", our_live_peak([TensorUse(*t) for t in chain]))

# %% [markdown]
# 128 bytes in separate buffers, and never more than 96 at a time. No plan can be smaller than the fullest step: it is the **lower bound**.
#
# ### One arena
#
# An **arena** is one block of memory. A plan gives every tensor an offset in it. Tensors whose lifetimes meet must not share a byte; others may.
#
# *Greedy by size* is what TensorFlow Lite's GPU delegate does. Place the largest tensor first. For each of the next ones look at the gaps between the placed tensors that live at the same time, and take the smallest gap that fits (**best fit**). If none fits, go on top.
# Why the largest first? Small tensors fit into gaps, large ones do not.

# %%
from utils.cost.arena import TensorUse
from utils.cost.arena import plan_arena as our_plan_arena

chain = [(16, 0, 1), (8, 1, 2), (64, 2, 3), (32, 3, 4), (8, 4, 5)]
nine = [(32, 0, 1), (32, 1, 4), (8, 2, 5), (16, 3, 5), (8, 4, 5), (64, 5, 7), (8, 6, 8), (8, 7, 8), (16, 8, 9)]
for tensors in (chain, nine):
    print(our_plan_arena([TensorUse(*t) for t in tensors]))

# %% [markdown]
# These are the two cases of TensorFlow Lite's own test, with its offsets. Greedy plans are not always the smallest. How far off are they? Against an exhaustive search:

# %%
import numpy as np

from utils.cost.arena import TensorUse, plan_optimal
from utils.cost.arena import plan_arena as our_plan_arena

rng, ratios = np.random.default_rng(0), []
for _ in range(300):
    firsts = rng.integers(0, 5, 6)
    uses = [TensorUse(int(rng.integers(1, 33)), int(f), int(f + rng.integers(0, 3))) for f in firsts]
    ratios.append(our_plan_arena(uses).total_bytes / plan_optimal(uses).total_bytes)
print(f"300 drawn sets of six tensors: greedy is optimal in {np.mean(np.array(ratios) == 1):.0%}, at worst {max(ratios):.2f} times the optimum")

# %% [markdown]
# And on real networks, with batch norm and activation fused into their convolution:

# %%
from utils.widgets.ch22_on_device_optimisation import draw_arena
from utils.widgets.style import shown_figure

shown_figure(*draw_arena("MobileNetV2"))

# %% [markdown]
# Both MobileNets reach the lower bound. Look where it comes from: one or two early layers. Making the late layers smaller changes nothing.
#
# ### Several models
#
# Between two runs the content of an arena is worthless. So models that never run at the same time can use one arena, as large as the largest needs. Models that do run at the same time need theirs side by side. A model's arena may lie elsewhere in the shared block in each run. Weights are different: they stay, for every model.
#
# Models A, B, C with weights of 20, 10 and 5 MB and arenas of 40, 25 and 30 MB; A and B run at the same time. The weights take 35. The worst moment is A with B: 40 + 25 = 65. In all 100 MB, where separate arenas would take 130.
# If somebody later starts C in another thread, results become wrong without an error. So the condition belongs into the code, as a lock or a check.
#
# ### The order of operators
#
# An order in which every operator comes after those that it reads is a **topological order**. A graph with branches has several of them. Two branches, each with a large first tensor (8) and a small second one (1), joined at the end:

# %%
from utils.cost.arena import TensorGraph, order_bytes

reads = {"in": [], "a1": ["in"], "a2": ["a1"], "b1": ["in"], "b2": ["b1"], "cat": ["a2", "b2"]}
graph = TensorGraph.of(reads, {"in": 2, "a1": 8, "a2": 1, "b1": 8, "b2": 1, "cat": 2}, ["cat"])
for order in (["in", "a1", "b1", "a2", "b2", "cat"], ["in", "a1", "a2", "b1", "b2", "cat"]):
    print(order, "bytes in each step:", order_bytes(order, graph), "peak", max(order_bytes(order, graph)))

# %% [markdown]
# Side by side the two large tensors live together: 18. One branch after the other: 11. That is what the source's "fewer branches" is about, among others. A better order is free.
#
# How do you find the best one? There are up to n! orders. But which tensors live depends only on the *set* of operators that have run. So keep the lowest peak for each set, 2ⁿ of them: 1,024 for ten operators, against 3.6 million orders. This is **dynamic programming**.
#
# ### Fusion
#
# An **element-wise operation**, such as ReLU or an addition, does one or two operations for each value. It reads and writes whole maps, and memory decides its time. **Fused** into the kernel that makes its input, it works on values in registers, and the map is written once.
#
# x → conv → batch norm → relu → + x → relu, 1,000 elements each, 2 bytes. Maps are counted, weights are not:

# %%
from utils.cost.fusion import fused_groups, traffic_bytes

ops = [("c", "conv", ["x"], 1000), ("b", "elementwise", ["c"], 1000), ("r", "elementwise", ["b"], 1000),
       ("s", "elementwise", ["r", "x"], 1000), ("y", "elementwise", ["s"], 1000)]
print("groups:", fused_groups(ops))
for fused in (False, True):
    print(f"fused: {fused}, {traffic_bytes(ops, {'x': 1000}, 2, fused=fused):,} bytes (no cache between kernels)")

# %% [markdown]
# Five and a half times less. In our model a tensor with a second reader breaks the chain: it has to be written anyway. That is the other half of "fewer branches".
#
# ### Equal channels?
#
# The source says that a convolution is fastest with equal input and output channels, because "MAC" is smallest. In the paper behind this (ShuffleNet V2) MAC stands for *memory access cost*, not for multiply–accumulate. And it compares layers of **equal arithmetic**.
#
# Elements that are touched: input h·w·c_in, output h'·w'·c_out, weights k²·c_in·c_out. With the arithmetic fixed, c_in · c_out is fixed too, and so are the weights. At stride 1 the sum of the first two is smallest at c_in = c_out. At stride 2 the output has a quarter of the pixels:

# %%
from utils.networks.design import access_elements

for c_in, c_out in ((512, 128), (256, 256), (128, 512), (64, 1024)):
    print(f"{c_in:4} to {c_out:4} channels, 3 x 3, 56 x 56 to 28 x 28: {access_elements(56, 56, 28, 28, c_in, c_out, 3):,} elements")

# %% [markdown]
# All four have the same 462 million multiply–accumulates. Fewest elements at c_out = 4 · c_in. And if arithmetic is the limit, none of this matters.
#
# ### What the list leaves out
#
# - **INT8** (chapter 15): a quarter of the bytes of FP32, and the units that accelerators have most of.
# - **Channel counts** that are multiples of what the accelerator's array takes at a time (chapter 43).
# - **Zero copy**: camera, scaler and network pass on a buffer's *handle*, a number by which the next one finds the same memory (chapter 18).
# - **Overlap**: prepare the next frame while this one is in the network (chapter 13).
# - **Heat**: a phone that is warm lowers its clock, *thermal throttling*. Measure after ten minutes, and look at percentiles (chapters 14 and 48).

# %% [markdown]
# ## See it
#
# ![MobileNetV1 in FP32, planned greedily. Rectangles are tensors: width is the steps in which they live, height their bytes. In step 2 two of them, 3.06 and 1.53 MiB, fill the arena of 4.594 MiB; the line of the fullest step coincides with it. From step 11 on everything lies below 1 MiB.](figure.svg)
#
# MobileNetV1, FP32, 224 × 224: the arena takes 4.59 MiB, separate buffers would take 19.82 MiB with the image, 4.3 times as much. The fullest step is at 4.59 MiB too.
#
# **The arena.** Choose a network and a planner. "Two branches" is the graph from above, in both orders.

# %% figure
from utils.widgets.ch22_on_device_optimisation import arena_map

arena_map()

# %% [markdown]
# **Channels.** Every point has the same arithmetic. Change the stride.

# %% figure
from utils.widgets.ch22_on_device_optimisation import channel_curve

channel_curve()

# %% [markdown]
# ## Exercises
#
# The set-up cell imports `lru_cache` and NumPy as `np`; an answer may use these and Python's own modules. Sizes are whole numbers of bytes, 0 or more.

# %% [markdown] about="live_peak"
# How many bytes live at the fullest step?
#
# - `uses` is a list of tuples (size, first, last), in any order, perhaps empty: a tensor of `size` bytes lives in the steps from `first` to `last`, both included.
# - Return the largest sum of sizes that live in one step, as an int; 0 for an empty list.
# - Steps go up to 10⁹, so don't go through all of them.
# - Raise `ValueError` with "last before first" in its message if a tensor's `last` is smaller than its `first`.
#
# For example `[(4, 0, 1), (3, 1, 2), (2, 2, 3), (5, 3, 4)]` → 7; `[(4, 0, 3), (9, 1, 1), (6, 2, 2)]` → 13.

# %% exercise="live_peak"
def live_peak(uses: list[tuple[int, int, int]]) -> int:
    """Largest sum of sizes that live in one step, for (size, first, last)."""
    ### BEGIN SOLUTION
    for size, first, last in uses:
        if last < first:
            raise ValueError(f"last before first: {last} < {first}")
    peak = 0
    for step in {first for _, first, _ in uses}:
        peak = max(peak, sum(size for size, first, last in uses if first <= step <= last))
    return peak
    ### END SOLUTION

# %% check="live_peak"
check("22.live_peak", live_peak)

# %% [markdown] about="plan_arena"
# Plan an arena, greedily by size.
#
# - `uses` is a list of tuples (size, first, last) as before, perhaps empty; every `last` is at least its `first`.
# - Place the tensors from the largest to the smallest; of equal sizes the one with the smaller `first` goes first, then the one that is listed first.
# - For each tensor consider the tensors that are placed already and whose lifetimes meet its own (touching in one step is enough). They leave gaps between address 0 and each other. Put the tensor at the beginning of the smallest gap that is large enough, of equal gaps into the lowest. If there is none, put it on top of the highest of them, or at 0 if there are none.
# - Return the tuple (list of offsets in the order of `uses`, size of the arena). The arena reaches to the highest end of a tensor; it is 0 for an empty list.
# - Another valid plan is accepted if its arena is not larger. In a valid plan no two tensors of more than 0 bytes share a byte while both live.
#
# The chain of five, `[(16, 0, 1), (8, 1, 2), (64, 2, 3), (32, 3, 4), (8, 4, 5)]` → `([0, 64, 0, 64, 0], 96)`.
# The nine tensors, `[(32, 0, 1), (32, 1, 4), (8, 2, 5), (16, 3, 5), (8, 4, 5), (64, 5, 7), (8, 6, 8), (8, 7, 8), (16, 8, 9)]` → `([0, 32, 80, 64, 88, 0, 64, 72, 0], 96)`.

# %% exercise="plan_arena"
def plan_arena(uses: list[tuple[int, int, int]]) -> tuple[list[int], int]:
    """(offsets in the order of uses, bytes of the arena) for (size, first, last), greedy by size."""
    ### BEGIN SOLUTION
    offsets = {}
    for i in sorted(range(len(uses)), key=lambda i: (-uses[i][0], uses[i][1], i)):
        size, first, last = uses[i]
        taken = sorted((at, at + uses[j][0]) for j, at in offsets.items() if first <= uses[j][2] and uses[j][1] <= last)
        best, end = None, 0
        for start, stop in taken:
            if start - end >= size and (best is None or start - end < best[0]):
                best = (start - end, end)
            end = max(end, stop)
        offsets[i] = end if best is None else best[1]
    arena = max((at + uses[i][0] for i, at in offsets.items()), default=0)
    return [offsets[i] for i in range(len(uses))], arena
    ### END SOLUTION

# %% check="plan_arena"
check("22.plan_arena", plan_arena)

# %% [markdown] about="shared_arena"
# How much memory do several models need together?
#
# - `weights` and `arenas` are dicts with the same model names, perhaps empty; the values are bytes.
# - `concurrent` is a list of groups, perhaps empty. A group is a list of different names: these models run at the same time. Models that are in no group together never do. Three pairs of A, B and C don't mean that all three may run at once. Every model also runs alone at some time.
# - All weights stay in memory. The arenas share one block. A model's arena may lie elsewhere in it in each run, so the block has to be large enough for the worst moment, and no larger.
# - Return the bytes of all weights and of that block, as an int.
# - Raise `ValueError` if a group holds a name that no model has.
#
# With `weights = {"A": 20, "B": 10, "C": 5}` and `arenas = {"A": 40, "B": 25, "C": 30}`: `[["A", "B"]]` → 100; `[]` → 75.

# %% exercise="shared_arena"
def shared_arena(weights: dict[str, int], arenas: dict[str, int], concurrent: list[list[str]]) -> int:
    """Bytes of all weights, which stay resident, and of one shared arena."""
    ### BEGIN SOLUTION
    moments = [[name] for name in arenas] + concurrent
    for group in moments:
        unknown = set(group) - arenas.keys()
        if unknown:
            raise ValueError(f"unknown models: {unknown}")
    worst = max((sum(arenas[name] for name in group) for group in moments), default=0)
    return sum(weights.values()) + worst
    ### END SOLUTION

# %% check="shared_arena"
check("22.shared_arena", shared_arena)

# %% [markdown] about="best_order_peak"
# What is the lowest peak over all orders of a graph?
#
# - `graph` is a dict from a node to the tuple (bytes of its output, list of the nodes whose outputs it reads), in any order, with at most 12 nodes, perhaps empty. The graph's inputs are nodes with an empty list; they run, and take memory, when the order comes to them.
# - A node may run when all nodes that it reads have run. While it runs, its output and everything that lives are in memory. An output lives until its last reader has run; an output that nobody reads lives to the end.
# - Return the smallest possible peak, an int; 0 for an empty graph.
# - Raise `ValueError` with the word "cycle" in its message if the graph has a cycle.
#
# `{"in": (2, []), "a1": (8, ["in"]), "a2": (1, ["a1"]), "b1": (8, ["in"]), "b2": (1, ["b1"]), "cat": (2, ["a2", "b2"])}` → 11. (One branch at a time, in the order in which they are listed here: 2, 10, 11, 11, 10 and 4 bytes live in the six steps.)
# `{"x": (3, []), "a": (5, ["x"]), "b": (2, ["a"]), "y": (1, ["b", "x"])}` → 10.

# %% exercise="best_order_peak"
def best_order_peak(graph: dict[str, tuple[int, list[str]]]) -> int:
    """The lowest peak over all orders of node -> (output bytes, inputs)."""
    ### BEGIN SOLUTION
    readers = {node: {other for other, (_, inputs) in graph.items() if node in inputs} for node in graph}

    def live(done):
        return sum(graph[node][0] for node in done if not readers[node] or readers[node] - done)

    @lru_cache(None)
    def best(done):
        if len(done) == len(graph):
            return 0
        ready = [node for node in graph if node not in done and set(graph[node][1]) <= done]
        if not ready:
            raise ValueError("the graph has a cycle")
        return min(max(live(done) + graph[node][0], best(done | {node})) for node in ready)

    return best(frozenset())
    ### END SOLUTION

# %% check="best_order_peak"
check("22.best_order_peak", best_order_peak)

# %% [markdown] about="fused_traffic"
# How many bytes are moved after fusion?
#
# - `ops` is a list of tuples (name, kind, inputs, out_elems) in an order in which they can run, perhaps empty. `name` is also the name of the operator's output, a tensor of `out_elems` elements. `inputs` is a list of at least one tensor name. `kind` is `"elementwise"` or anything else (`"conv"`, `"pool"`, …).
# - `sizes` has the elements of the tensors that no operator makes, the graph's inputs. An element has `elem_bytes` bytes. Weights are not counted.
# - Groups: an `"elementwise"` operator joins the group of the operator that makes its *first* input, if no other operator reads that tensor. Otherwise, and for every other kind, it begins a group of its own.
# - Each group is one kernel. It reads every tensor once that its members read and that none of them makes. It writes each tensor made in it that an operator outside of the group reads, or that nobody reads.
# - Return the bytes that all groups read and write, as an int.
#
# The chain, `[("c", "conv", ["x"], 1000), ("b", "elementwise", ["c"], 1000), ("r", "elementwise", ["b"], 1000), ("s", "elementwise", ["r", "x"], 1000), ("y", "elementwise", ["s"], 1000)]` with `{"x": 1000}` → 4000.
# The graph with a pool, `[("c", "conv", ["x"], 100), ("r", "elementwise", ["c"], 100), ("d", "conv", ["r"], 50), ("s", "elementwise", ["d"], 50), ("p", "pool", ["r"], 25)]` with `{"x": 100}` → 950.

# %% exercise="fused_traffic"
def fused_traffic(ops: list[tuple[str, str, list[str], int]], sizes: dict[str, int], elem_bytes: int = 2) -> int:
    """Bytes that are moved after fusion."""
    ### BEGIN SOLUTION
    readers = {}
    for name, _, inputs, _ in ops:
        for tensor in inputs:
            readers.setdefault(tensor, set()).add(name)
    group = {}  # operator -> the first member of its group
    for name, kind, inputs, _ in ops:
        joins = kind == "elementwise" and inputs[0] in group and readers[inputs[0]] == {name}
        group[name] = group[inputs[0]] if joins else name
    elements = {**sizes, **{name: count for name, _, _, count in ops}}
    moved = 0
    for first in set(group.values()):
        inside = {name for name in group if group[name] == first}
        moved += sum(elements[t] for t in {t for name, _, inputs, _ in ops if name in inside for t in inputs} - inside)
        moved += sum(elements[t] for t in inside if t not in readers or readers[t] - inside)
    return moved * elem_bytes
    ### END SOLUTION

# %% check="fused_traffic"
check("22.fused_traffic", fused_traffic)

# %% [markdown]
# ## Measure it
#
# Six times conv 3 × 3, multiply, add (a batch norm written out) and ReLU, 64 channels, 56 × 56: 24 nodes. ONNX Runtime runs it as it is written, and optimised, in turns. Before you run it: how many nodes remain, and how much faster is it?

# %% experiment
from utils.networks.on_device import fusable_blocks, run_fused
from utils.widgets.ch22_on_device_optimisation import fusion_table

run = run_fused(fusable_blocks())
assert run.nodes[0] == 24 and run.nodes[1] <= 8 and run.max_abs < 1e-4
fusion_table(run)

# %% [markdown]
# What to look at:
#
# - Multiply and add go into the convolution's weights and bias, ReLU into its kernel. Six convolutions remain, with two nodes that change the layout of the data and back.
# - The arithmetic is that of the convolutions, and it has not changed. What went are 18 passes over maps of 0.8 MB. Each pass reads such a map and writes one.
# - On a device with a narrower bus the gain is larger, on one with a large cache smaller.

# %% experiment
from utils.widgets.ch22_on_device_optimisation import engine_note

engine_note()

# %% [markdown]
# ## What the source says
#
# Checked in November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | design structures that use the accelerator fully | holds, vague | made concrete: supported operators only, channel counts that fit the array, maps and weights that fit its memory. Horizon's guide for its XJ3 chips gives such a list |
# | 2 | several models share memory | holds, with a condition | activations only, and only of models that never run at the same time (computed in exercise 3) |
# | 3 | fewer branches, fewer element-wise operators | holds | they cost traffic (22,000 against 4,000 bytes above) and memory (18 against 11) |
# | 4 | equal input and output channels make "MAC" smallest and the layer fast | depends | memory access, not multiply–accumulates; at equal arithmetic, stride 1, and where memory is the limit. Stride 2: c_out = 4 · c_in |
# | 5 | (not in the list) | missing | INT8, planning order and arena, zero copy, layout, overlap, heat |
#
# Row 4, computed for three strides: the ratio with the fewest elements, by trying all powers of two.

# %%
from utils.networks.design import access_elements

for stride in (1, 2, 4):
    pairs = [(2**a, 2 ** (16 - a)) for a in range(3, 14)]
    c_in, c_out = min(pairs, key=lambda p: access_elements(56, 56, 56 // stride, 56 // stride, *p, 3))
    print(f"stride {stride}: {c_in} to {c_out} channels, ratio {c_out // c_in}")

# %% [markdown]
# ## Explain it
#
# A door camera runs a person detector on every frame, and a face recogniser when there is a person. Both together do not fit: the vendor's report says 31 MiB of activations and 9 MiB of weights, the chip has 24 MiB for both. A colleague wants to halve the detector's resolution. What do you propose first? Six to eight sentences.
#
# A good answer names:
# 1. why the sum of activations says little, and what to compute instead;
# 2. whether the two models can share, and what has to be guaranteed;
# 3. what the order of operators can do;
# 4. what quantisation brings, in numbers;
# 5. what stays for the resolution, and how you prove the result.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The report adds the buffers of all tensors, but few of them live at the same time, so first I compute the fullest step of each model and plan an arena; MobileNets come down to a quarter by that.
# The recogniser runs after the detector on the same frame, so the two never run at once, and one arena as large as the larger of them is enough; a lock has to guarantee that, because two runs at once would corrupt results silently.
# The weights cannot be shared: 9 MiB stay.
# If one model's peak is still high I look where it is: usually one or two early layers, and in a graph with branches another order may lower it for free.
# INT8 quarters activations and weights that are in FP32: about 2.3 MiB of weights, and an arena of perhaps 1 or 2 MiB.
# After that 24 MiB are plenty, and the resolution, which costs accuracy for small faces, can stay.
# I prove it with the planner's map and a validity check, with the runtime's own report of its arena, and with accuracy and 99th percentile on the device over a night.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("22")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | memory arena | 内存池 | one block that holds all activations |
# | lifetime analysis | 生命周期分析 | first and last step that needs a tensor |
# | memory planning | 内存规划 | offsets so that live tensors don't overlap |
# | operator fusion | 算子融合 | several operators in one kernel |
# | element-wise operation | 逐元素操作 | one output value for each input value |
# | peak memory | 峰值内存 | the largest sum of what lives at one step |
# | DRAM traffic | 访存量 | bytes that cross the bus to external memory |
# | thermal throttling | 温控降频 | a lower clock because the chip is hot |
# | zero copy | 零拷贝 | engines pass on a buffer's handle, not its content |
# | multi-model sharing | 多模型共享内存 | one arena for models that never run together |
# | best fit | 最佳适配 | the smallest gap that is large enough |
# | topological order | 拓扑序 | an order in which operators can run |

# %% [markdown]
# ## Sources
#
# - tensorflow/tensorflow, `tensorflow/lite/delegates/gpu/common/memory_management_test.cc`: the chain of five and the nine tensors, with their offsets.
# - Y. Pisarchyk and J. Lee, *Efficient Memory Management for Deep Neural Net Inference*, arXiv 2001.03288 (2020): greedy by size.
# - N. Ma et al., *ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design*, ECCV 2018: memory access cost at equal arithmetic, fragmentation, element-wise operators.
# - Horizon Robotics, documentation of the XJ3 tool chain: design of efficient models. ONNX Runtime documentation: graph optimisations.
# - TensorFlow Lite Micro documentation: sharing an arena between interpreters that do not run concurrently.
