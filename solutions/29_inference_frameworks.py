# %% [markdown]
# # 29 · Mainstream inference frameworks
# **常见推理框架介绍**
#
# "Our detector is trained. It has to run on servers, on kiosks and on phones. Which inference engine?" A list of slogans does not answer this: every project calls itself fast.
# Two things do: a measurement of your model, and a look at its graph. You will run one network on up to eight real engines, decide by statistics which is faster, and cut a graph in two the way ONNX Runtime does.
#
# About 100 minutes: 70 for the five exercises when they are new to you, 30 to read and measure. It helps to know chapters 23 (ONNX), 35 (simplifying a graph) and 48 (latency).

# %% setup
from datetime import date

import numpy as np

# %% [markdown]
# ## The short answer
#
# > I separate three layers. The **format**: ONNX, TFLite, a TensorRT plan (a network built for one kind of GPU). The **runtime** that reads it: ONNX Runtime, TensorRT, OpenVINO, LiteRT, ncnn, MNN. And the **hardware backend** that computes.
# >
# > ONNX Runtime is the portable default; its execution providers hand parts of the graph to CUDA, TensorRT, OpenVINO and others. TensorRT is for NVIDIA GPUs, at the price of a build for each GPU. OpenVINO is Intel's, for its CPUs, GPUs and NPUs (chips that run nothing but networks), and for Arm CPUs. LiteRT, which was called TensorFlow Lite until 2024, ncnn and MNN are for phones.
# >
# > I shortlist by hardware, operator coverage, precision, licence and signs of life. Then I measure my own model: the same threads, the same shapes, warmed up, engines in turns. Two medians are not enough, I want an interval of their ratio. I compare the outputs, value by value and class by class. And I count the subgraphs that fall back to the CPU, because each border costs a copy and a synchronisation: one device waits for the other.

# %% [markdown]
# ## How it works
#
# ### Eight engines, one network
#
# An **inference engine** is a program that loads a trained network and runs it. It does not train. For each operator it has *kernels*: compiled functions that compute it. These are the course's eight, and what this machine has of them:

# %%
from utils.widgets.ch29_inference_frameworks import engine_list

engine_list()

# %% [markdown]
# ONNX Runtime, PyTorch and NumPy are always here. "NumPy" is the course's own small executor, written in NumPy (chapter 23). OpenVINO, ncnn, MNN and LiteRT come with `pip install "model-deployment-course[engines]"`. TensorRT needs an NVIDIA GPU. What is missing is skipped below, with the reason.
#
# Each of them reads a **format**. ONNX is a file with the graph and the weights (chapter 23). OpenVINO reads ONNX or its own *intermediate representation* (IR). LiteRT reads `.tflite`, a FlatBuffer: a binary format that can be used without unpacking it. ncnn reads a text file with the layers and a binary one with the weights, MNN a file that its converter makes.
#
# Our network has seven nodes and takes images of 28 × 28 pixels. Does every engine compute the same?

# %%
import numpy as np

from utils.engines.frameworks import installed_engines, make_engine, race_cnn

model = race_cnn()
print([node.op_type for node in model.graph.node], f"{model.ByteSize():,} bytes")
x = np.random.default_rng(0).normal(size=(1, 1, 28, 28)).astype(np.float32)
outputs = {}
for name in installed_engines():
    if name != "TensorRT":
        engine = make_engine(name)
        engine.load(model, threads=1)
        outputs[name] = engine.run({"x": x})["y"]
        engine.close()
for name, y in outputs.items():
    print(f"{name:14} class {y.argmax()}, largest difference from ONNX Runtime {np.abs(y - outputs['ONNX Runtime']).max():.0e}")

# %% [markdown]
# A difference of 1e-7 is rounding: float32 has 24 bits, and every engine adds in another order. A wrong weight layout or a wrong padding makes a difference of 0.01 or more (chapter 20).
#
# Three numbers tell more than one. The largest difference finds a single broken value. The **cosine** of the two outputs, as one long vector each, finds a wrong direction and does not care about scale. **Top-1** is the share of images for which the class is the same:

# %%
import numpy as np

from utils.engines.frameworks import accuracy_report

reference = np.array([[9.0, 8.9, 0.0], [5.0, 1.0, 0.0]])
flipped = np.array([[8.9, 9.0, 0.0], [5.0, 1.0, 0.0]])
print(accuracy_report({"y": reference}, {"y": flipped})["y"])

# %% [markdown]
# The cosine is 0.99995, and one of two images has another class.
#
# ### Who is faster?
#
# The temptation is to run A, then run B, and compare two means. Four traps lie there:
#
# | trap | what the course's `benchmark` does |
# |---|---|
# | A machine that slows down makes the later engine look slow | the engines take turns, round by round |
# | The first calls allocate and compile (*warm-up*) | each engine is called until the medians of two windows agree within 10 % |
# | One engine uses more threads than another | every engine gets the same number; NumPy's matrix library too |
# | Some engines answer before they have finished | the clock stops when the outputs are arrays in memory |
#
# And one that no stopwatch solves: noise. These are latencies of two simulated engines, and B is 5 % slower. Their noise is 10 %:

# %%
import numpy as np

from utils.engines.frameworks import compare_latency

rng = np.random.default_rng(1)
a, b, c = (base + rng.exponential(0.1, 100) for base in (1.0, 1.05, 1.0))
for name, other in (("b", b), ("c", c)):
    print(f"a against {name}: medians {np.median(a):.3f} and {np.median(other):.3f} ms,", compare_latency(a, other))

# %% [markdown]
# The medians of `a` and `c` differ by 0.8 %, although both were drawn from one distribution. Noise always has a winner.
#
# The **bootstrap** asks how far a result moves when the samples are drawn again. It draws 100 of the 100 values *with replacement*, so some come twice and some not at all. From the draws of both engines it takes the ratio of the medians, a thousand times or more. The middle 95 % of the ratios are an interval.
# If the whole interval lies below 1, `a` is faster. If it holds 1, it is a **tie**. A tie means "not decided", not "equally fast": more runs may decide it.
#
# Why medians? Because a page fault of 50 ms is not the engine's:

# %%
import numpy as np

from utils.engines.frameworks import compare_latency

rng = np.random.default_rng(1)
a, b = (base + rng.exponential(0.1, 100) for base in (1.0, 1.05))  # as above
hiccup = a.copy()
hiccup[:4] = 50.0
print(f"four of 100 runs take 50 ms: mean {hiccup.mean():.2f} ms, median {np.median(hiccup):.3f} ms,",
      f"against b: {compare_latency(hiccup, b).winner!r}")

# %% [markdown]
# ### Which operators are missing?
#
# A network runs on an accelerator only as far as the accelerator knows its operators. In ONNX Runtime a backend is an **execution provider** (EP): a library that says which nodes it takes, and runs them. What no other provider takes falls back to the CPU's.
# In LiteRT the same thing is called a **delegate**.
#
# Which providers are there is settled when the package is built:

# %%
import onnxruntime

print("this package:", onnxruntime.get_available_providers())

# %% [markdown]
# The plain wheel has no CUDA in it, whatever GPU the machine has. That needs `onnxruntime-gpu`. Without it a session that asks for CUDA only warns, and runs on the CPU; a session that names no provider does not even warn.
#
# Now the graph. A detector ends with NMS (*non-maximum suppression*, which drops boxes that overlap), and an accelerator often lacks it. Here is a smaller graph, with the tensors that each node reads and makes:

# %%
nodes = [
    ("conv", ["x"], ["a"]), ("relu", ["a"], ["b"]), ("nms", ["b"], ["c"]),
    ("conv", ["b"], ["d"]), ("conv", ["c"], ["e"]), ("add", ["d", "e"], ["y"]),
]
for number, (op, reads, makes) in enumerate(nodes):
    print(f"{number} {op:5} {', '.join(reads):5} → {', '.join(makes)}")

# %% [markdown]
# The accelerator supports all but `nms`. Why not give it everything else as one group?
#
# A group runs as a whole: it starts when all of its inputs are there. Node 5 needs `e`, node 4 makes `e` from `c`, `nms` makes `c` from `b`, and `b` comes from the group. The group would wait for itself.
# A group must be **convex**: no path may leave it and come back. So there are three groups:

# %%
from utils.engines.frameworks import partition

parts = partition(nodes, {"conv", "relu", "add"}, outputs=["y"])  # `nodes` is from the cell above
for group in parts.groups:
    print(f"{group.device:5} nodes {group.nodes}, reads {', '.join(group.reads)}, hands on {', '.join(group.writes)}")

# %% [markdown]
# Node 3 stands behind `nms` in the list and still joins the first group, because it reads only `b`. Fewer groups mean fewer borders.
#
# **Levels** find such groups in one pass. Accelerated nodes get even levels, CPU nodes odd ones: an accelerated node starts at 0, a CPU node at 1. Then take the highest of this start and the levels of its predecessors, each plus 1 if that one is on the other device. Equal level, one group:
#
# | node | 0 conv | 1 relu | 2 nms | 3 conv | 4 conv | 5 add |
# |---|---|---|---|---|---|---|
# | level | 0 | 0 | 1 | 0 | 2 | 2 |
#
# Why is such a group convex? A level never falls along an arrow, and it rises at each change of device. A path that leaves a level cannot come back to it.
#
# Is this the fewest groups? Compare with the best schedule: run all that is ready on one device until nothing is, then switch. Try both starting devices and take the better.

# %%
import numpy as np

from utils.engines.frameworks import partition, run_until_stuck

rng, more = np.random.default_rng(0), []
for _ in range(1000):
    graph = []
    for i in range(rng.integers(1, 9)):
        graph.append((str(rng.choice(["A", "C"])), [f"t{j}" for j in range(i) if rng.random() < 0.35] or ["x"], [f"t{i}"]))
    fewest = min(len(run_until_stuck(graph, {"A"}, first)) for first in ("accel", "cpu"))
    more.append(len(partition(graph, {"A"}, []).groups) - fewest)
print(f"1,000 drawn graphs: the levels need {min(more)} to {max(more)} groups more than the minimum, in {np.mean(more):.0%} of them 1 more")

# %% [markdown]
# So levels need at most one group more. They are that schedule, begun on the accelerator; where a start on the CPU is better, it saves one.
#
# ### Is a group worth the trip?
#
# Its inputs have to be copied to the accelerator and its outputs back. Starting it, and waiting until it is done (the *synchronisation*), takes a fixed time too: the launch time, here "the start". A link of 12 GB/s moves 12e6 bytes in a millisecond. Take 6 MB in all, 0.5 ms of computing there, 0.02 ms for the start, and 5 ms on the CPU:
#
# 0.5 + 0.02 + 6 / 12 = 1.02 ms, against 5 ms. It is worth it. With 60 MB it would be 5.52 ms, and the accelerator, ten times as fast, would be useless.
#
# The same for a detector of twelve nodes. All times are modelled: 20 billion multiply-accumulates (GMAC) a second on a phone's CPU, 1,000 on the accelerator, a link of 2 GB/s, and 0.1 ms for a start:

# %%
from utils.engines.frameworks.detector import plan_detector

for unsupported in ((), ("NonMaxSuppression",), ("NonMaxSuppression", "Resize"), ("NonMaxSuppression", "Resize", "HardSwish")):
    cut, plan = plan_detector(unsupported, link_gb_s=2, launch_ms=0.1)
    print(f"{len(cut.groups):2} groups, {sum(plan.decisions)} offloaded: {plan.total_ms:5.2f} ms "
          f"({plan.cpu_only_ms:.2f} ms on the CPU alone); unsupported: {', '.join(unsupported) or 'nothing'}")

# %% [markdown]
# NMS at the end costs little. Resize in the middle takes 0.8 ms itself and adds about 6 ms. HardSwish, a cheap activation that stands behind every convolution, cuts the graph into ten.
# In the last line one group stays on the CPU although the accelerator supports it: it is too small for its copies. Engines have an option for that, a minimal size of a subgraph.
#
# The remedy is rarely another engine. Replace the operator in the model: HardSwish by ReLU, then train a little more.
#
# ### Today's engines
#
# "Last sign of work" is the newest dated release, merged change or commit that was found; "as of" the last day for which the sources confirm the row. Check again before you quote it some months later.

# %%
from utils.widgets.ch29_inference_frameworks import catalogue_table

catalogue_table()

# %% [markdown]
# Write down what you need, and let every reason speak. An app for phones, models that we can have as ONNX, ncnn or TFLite files, half precision, a project with some work in the last year:

# %%
from datetime import date

from utils.engines.frameworks import Requirements
from utils.widgets.ch29_inference_frameworks import selection_table

selection_table(Requirements(
    hardware=frozenset({"arm"}), formats=frozenset({"onnx", "ncnn", "tflite"}), precision=frozenset({"fp16"}),
    max_idle_days=365, today=date(2026, 11, 27), prefer=frozenset({"mobile", "small"}),
))

# %% [markdown]
# ## See it
#
# ![A detector's graph of twelve nodes, modelled. Resize in the middle and NMS at the end are hatched: they run on the CPU. The other ten are filled, in two groups: eight before and beside Resize, two after it. Each box carries the number of its group. Numbers at the arrows give the megabytes that cross: 1.2, 0.8, 3.3, 3.3 + 3.3 and 0.4. Bars below: 38.80 ms with everything on the CPU, 8.75 ms with this plan, 2.39 ms if every operator were supported.](figure.svg)
#
# Modelled: unsupported are NonMaxSuppression and Resize. The detector falls into 4 groups, numbered in the order in which they run; the accelerator could run 1 and 3, and gets both. 1.2 + 0.8 + 3.3 + 3.3 + 3.3 + 0.4 = 12.3 MB cross the link of 2 GB/s. The *skip connection*, a tensor that goes round some nodes and is added later, crosses twice (3.3 + 3.3): group 1 ends before Resize, so the tensor goes back to the CPU's memory and comes again. One image takes 8.75 ms, on the CPU alone 38.80 ms, with every operator supported 2.39 ms.
#
# **A graph cut in two.** Mark operators as unsupported, and change the link.

# %% figure
from utils.widgets.ch29_inference_frameworks import partition_view

partition_view()

# %% [markdown]
# **Engine race.** Measured on your machine each time you turn a knob: box plots of the runs, and who beats whom.

# %% figure
from utils.widgets.ch29_inference_frameworks import engine_race

engine_race()

# %% [markdown]
# ## Exercises
#
# `np` (NumPy) and `date` (from `datetime`) are there from the imports at the top. Floating-point results may differ from the exact value by rounding. Arguments of other types than the text names are not tested.

# %% [markdown] about="faster_engine"
# Decide which of two engines is faster, or that the data do not tell.
#
# - `a_ms` and `b_ms` are lists of latencies in ms. The runs are independent: run 7 of one engine has nothing to do with run 7 of the other, and the order in a list means nothing. The lists may have different lengths.
# - Bootstrap the ratio median(a) / median(b): in each of `n_boot` rounds draw as many values from `a_ms` as it has, with replacement, do the same for `b_ms` on its own, and take the ratio of the two medians.
# - The interval lies between the quantiles `alpha`/2 and 1 - `alpha`/2 of these ratios (`np.quantile` with its defaults).
# - Return `"a"` if the whole interval lies below 1, `"b"` if it lies above 1, else `"tie"`, which means "not decided", not "equal".
# - `rng` is a NumPy generator for your draws. In which order you use it is free: your verdict is judged where it is clear, and otherwise by how often it is right over many comparisons, with several values of `alpha`. Another test of the same question with the same error rate is fine too.
# - Raise `ValueError` for fewer than 5 samples on either side, and for a sample that is 0 or negative.
#
# For example: draw `a = 1 + rng.exponential(0.1, 100)`, then `b = 1.05 + rng.exponential(0.1, 100)`, then `c = 1 + rng.exponential(0.1, 100)` from `rng = np.random.default_rng(1)`. `faster_engine(a, b, np.random.default_rng(0))` → `"a"`: the ratio is 0.940, its interval about 0.92 to 0.96. And `faster_engine(a, c, np.random.default_rng(0))` → `"tie"`.

# %% exercise="faster_engine"
def faster_engine(a_ms: list[float], b_ms: list[float], rng: np.random.Generator, n_boot: int = 1000,
                  alpha: float = 0.05) -> str:
    """Which of two engines is faster, "a", "b" or "tie": a bootstrap of the ratio of their medians."""
    ### BEGIN SOLUTION
    a, b = np.asarray(a_ms, float), np.asarray(b_ms, float)
    if min(a.size, b.size) < 5 or min(a.min(), b.min()) <= 0:
        raise ValueError("5 or more positive samples are needed on each side")

    def medians(samples: np.ndarray) -> np.ndarray:
        rows = rng.integers(0, samples.size, (n_boot, samples.size))
        return np.median(samples[rows], axis=1)

    low, high = np.quantile(medians(a) / medians(b), [alpha / 2, 1 - alpha / 2])
    return "a" if high < 1 else "b" if low > 1 else "tie"
    ### END SOLUTION

# %% check="faster_engine"
check("29.faster_engine", faster_engine)

# %% [markdown] about="agreement"
# Compare the outputs of an engine with a reference.
#
# - `ref` and `out` are NumPy arrays of logits (a network's scores for the classes, before the softmax), floating-point, of shape (rows, classes), with at least one row and two classes. They hold no infinities.
# - Return a dict with three floats. `"max_abs"`: the largest absolute difference.
# - `"cosine"`: the sum of the products of all elements, divided by the product of the two Euclidean norms of the whole arrays. If both arrays are all zero it is 1.0, if only one is, 0.0.
# - `"top1"`: the share of rows in which `ref` and `out` have the same argmax (of equal logits the first counts, as in `np.argmax`). A row whose two largest *reference* logits differ by less than 1e-6 names no class, and counts as equal.
# - Raise `ValueError` if the shapes are not equal, or if `out` holds NaN. (`ref` holds none.)
#
# For example `ref = [[1, 2], [3, 1]]` and `out = [[1, 2.5], [1, 3]]` → `{"max_abs": 2.0, "cosine": 0.746…, "top1": 0.5}`. Two arrays of zeros → `{"max_abs": 0.0, "cosine": 1.0, "top1": 1.0}`.

# %% exercise="agreement"
def agreement(ref: np.ndarray, out: np.ndarray) -> dict:
    """How far logits `out` (rows, classes) are from `ref`: largest difference, cosine, share of equal top classes."""
    ### BEGIN SOLUTION
    if ref.shape != out.shape or np.isnan(out).any():
        raise ValueError("out must have the shape of ref and hold no NaN")
    norm_ref, norm_out = np.linalg.norm(ref), np.linalg.norm(out)
    if norm_ref == 0 or norm_out == 0:
        cosine = float(norm_ref == norm_out)
    else:
        cosine = float((ref * out).sum() / (norm_ref * norm_out))
    best = np.sort(ref, axis=1)
    same = ref.argmax(axis=1) == out.argmax(axis=1)
    same |= best[:, -1] - best[:, -2] < 1e-6
    return {"max_abs": float(np.abs(ref - out).max()), "cosine": cosine, "top1": float(same.mean())}
    ### END SOLUTION

# %% check="agreement"
check("29.agreement", agreement)

# %% [markdown] about="partition_graph"
# Split a graph over an accelerator and the CPU.
#
# - `nodes` is a list of tuples (operator, inputs, outputs): a string and two lists of tensor names. It is sorted: a node comes after those whose outputs it reads. Every tensor is made by one node at most; a name that no node makes (also `""`, an absent input) comes from outside. The list may be empty.
# - `supported` is the set of operators that the accelerator runs. These nodes are for `"accel"`, all others for `"cpu"`.
# - Return a list of groups (device, node indices), each group not empty, the indices ascending, every node in one group.
# - The groups can be executed in the order of the list: all that a node reads is made in an earlier group, or in its own.
# - Use levels. Start from 0 for an accelerated node and from 1 for a CPU node. The level is the maximum of this start and, for each predecessor (a node whose output it reads), that one's level, plus 1 if the two are on different devices. Nodes of equal level form a group, and the levels give the order.
# - Any other valid answer with no more groups than this one is accepted too.
#
# For example, with `supported = {"conv", "relu", "add"}`:
#
# ```python
# [("conv", ["x"], ["a"]), ("relu", ["a"], ["b"]), ("nms", ["b"], ["c"]), ("conv", ["b"], ["d"]), ("conv", ["c"], ["e"]), ("add", ["d", "e"], ["y"])]
# ```
#
# gives `[("accel", [0, 1, 3]), ("cpu", [2]), ("accel", [4, 5])]`. With `supported = {"conv", "add"}`,
#
# ```python
# [("conv", ["x"], ["a"]), ("sort", ["x"], ["b"]), ("conv", ["a"], ["c"]), ("sort", ["b"], ["d"]), ("add", ["c", "d"], ["y"])]
# ```
#
# gives `[("accel", [0, 2]), ("cpu", [1, 3]), ("accel", [4])]`.

# %% exercise="partition_graph"
def partition_graph(nodes: list[tuple[str, list[str], list[str]]], supported: set[str]) -> list[tuple[str, list[int]]]:
    """Groups ("accel" or "cpu", node indices) in an order in which they can run, by levels."""
    ### BEGIN SOLUTION
    maker, device, levels = {}, [], []
    for index, (op, inputs, outputs) in enumerate(nodes):
        device.append("accel" if op in supported else "cpu")
        level = 0 if device[index] == "accel" else 1
        for name in inputs:
            if name in maker:
                before = maker[name]
                level = max(level, levels[before] + (device[before] != device[index]))
        levels.append(level)
        for name in outputs:
            maker[name] = index
    groups = {}
    for index, level in enumerate(levels):
        groups.setdefault(level, (device[index], []))[1].append(index)
    return [groups[level] for level in sorted(groups)]
    ### END SOLUTION

# %% check="partition_graph"
check("29.partition_graph", partition_graph)

# %% [markdown] about="offload_gain"
# Decide which groups are worth a trip to the accelerator.
#
# - `groups` is a list of groups as `partition_graph` returns them: (`"accel"` or `"cpu"`, node indices). `cpu_ms`, `accel_ms`, `in_bytes` and `out_bytes` are lists with one number a group: its time on the CPU and on the accelerator (ms), and the bytes that it reads and hands on. A tensor from one offloaded group to another goes back to the CPU and is copied again, so it counts in both.
# - For each `"accel"` group decide on its own: going costs `accel_ms` + `launch_ms` + (`in_bytes` + `out_bytes`) / link. The link moves `link_gb_s` GB/s, and a GB is 1e9 bytes. Offload the group if going takes less time than its `cpu_ms`. At equal cost it stays. (Where two sides are equal, no bytes are moved and all numbers are exact in binary.)
# - `"cpu"` groups always stay, and nothing is copied for a group that stays.
# - Return the decisions, a list of bools with one for each group, and the time of all groups together in ms, as a tuple. Without groups it is `([], 0)`.
# - Raise `ValueError` if one of the four lists has another length than `groups`, and for a `link_gb_s` that is 0 or negative.
#
# For example one group with 5.0 ms on the CPU, 0.5 ms on the accelerator, 4e6 bytes in and 2e6 bytes out, a link of 12 GB/s and a start of 0.02 ms → `([True], 1.02)`.
# And the groups `[("accel", [0, 1, 3]), ("cpu", [2]), ("accel", [4, 5])]` with `cpu_ms = [4.0, 1.0, 0.6]`, `accel_ms = [0.4, 0.1, 0.1]`, `in_bytes = [1.2e6, 4e6, 4e6]`, `out_bytes = [4e6, 4e6, 0.8e6]`, 8 GB/s and 0.1 ms → `([True, False, False], 2.75)`.

# %% exercise="offload_gain"
def offload_gain(groups: list[tuple[str, list[int]]], cpu_ms: list[float], accel_ms: list[float],
                 in_bytes: list[float], out_bytes: list[float], link_gb_s: float,
                 launch_ms: float) -> tuple[list[bool], float]:
    """Which groups to offload, and the time of all groups together in ms."""
    ### BEGIN SOLUTION
    if any(len(values) != len(groups) for values in (cpu_ms, accel_ms, in_bytes, out_bytes)) or link_gb_s <= 0:
        raise ValueError("the lists need one entry a group, and the link has to move something")
    decisions, total_ms = [], 0.0
    for (device, _), cpu, accel, into, out in zip(groups, cpu_ms, accel_ms, in_bytes, out_bytes):
        away_ms = accel + launch_ms + (into + out) / (link_gb_s * 1e6)
        go = device == "accel" and away_ms < cpu
        decisions.append(go)
        total_ms += away_ms if go else cpu
    return decisions, total_ms
    ### END SOLUTION

# %% check="offload_gain"
check("29.offload_gain", offload_gain)

# %% [markdown] about="shortlist"
# Choose from a table of engines.
#
# - `catalogue` is a list of dicts, one an engine. `"name"` (a string, unique) is always there. `"hardware"`, `"formats"`, `"precision"` and `"tags"` are lists of strings, `"licence"` is a string, `"last_commit"` a date as text like `"2026-7-1"`, zero-padded or not, or None. Each of these may be missing: a missing list counts as empty, a missing licence as none of the allowed ones, a missing date as None.
# - `need` is a dict. Each of its keys may be absent, and one whose value is an empty list or None demands nothing:
#   `"hardware"` (the engine has to have *all* of it), `"formats"` and `"precision"` (one of them is enough), `"licences"` (the allowed ones), `"max_idle_days"` (a whole number, 0 or more; 0 is a demand), and `"prefer"`, a list of tags.
#   `"today"` is a date as text; it is there whenever `"max_idle_days"` is.
# - Drop the engines that miss a demand. With `"max_idle_days"`, drop an engine whose last commit is *more* days before today than that, and one without a date. No commit lies after today.
# - Return the names of the others, those first that have more of the tags in `"prefer"`; among equals the newest last commit first, without a date last; among these the name in alphabetical order.
# - No list holds a string twice. `"prefer"` drops nobody. Without any demand everybody stays.
#
# For example:
#
# ```python
# catalogue = [
#     {"name": "Tengine", "hardware": ["arm"], "formats": ["tmfile"], "precision": ["fp32", "fp16"], "licence": "Apache-2.0", "last_commit": "2023-5-18", "tags": ["mobile", "small"]},
#     {"name": "ncnn", "hardware": ["arm", "x86", "vulkan"], "formats": ["ncnn"], "precision": ["fp32", "fp16", "int8"], "licence": "BSD-3", "last_commit": "2026-7-22", "tags": ["mobile", "small"]},
#     {"name": "OpenVINO", "hardware": ["x86", "arm"], "formats": ["onnx", "ir"], "precision": ["fp32", "int8"], "licence": "Apache-2.0", "last_commit": "2026-9-4", "tags": ["server"]},
#     {"name": "TensorRT", "hardware": ["nvidia"], "formats": ["onnx", "plan"], "precision": ["fp32", "fp16", "int8"], "licence": "proprietary", "last_commit": "2026-11-18", "tags": ["server"]},
# ]
# need = {"hardware": ["arm"], "precision": ["fp16"], "max_idle_days": 365, "today": "2026-11-22"}
# ```
#
# gives `["ncnn"]`. With `need = {"prefer": ["mobile"]}` it is `["ncnn", "Tengine", "TensorRT", "OpenVINO"]`. (The rows are an example; the catalogue above has more and sourced fields.)

# %% exercise="shortlist"
def shortlist(catalogue: list[dict], need: dict) -> list[str]:
    """Names of the engines that meet `need`, most preferences met first, then the newest commit, then the name."""
    ### BEGIN SOLUTION
    def day(text: str | None) -> date:
        return date(*map(int, text.split("-"))) if text else date.min

    def fits(row: dict) -> bool:
        if not set(need.get("hardware") or []) <= set(row.get("hardware", [])):
            return False
        for key in ("formats", "precision"):
            if need.get(key) and not set(need[key]) & set(row.get(key, [])):
                return False
        if need.get("licences") and row.get("licence") not in need["licences"]:
            return False
        if need.get("max_idle_days") is None:
            return True
        last = row.get("last_commit")
        return last is not None and (day(need["today"]) - day(last)).days <= need["max_idle_days"]

    def rank(row: dict) -> tuple:
        met = set(need.get("prefer") or []) & set(row.get("tags", []))
        return -len(met), -day(row.get("last_commit")).toordinal(), row["name"]

    return [row["name"] for row in sorted(filter(fits, catalogue), key=rank)]
    ### END SOLUTION

# %% check="shortlist"
check("29.shortlist", shortlist)

# %% [markdown]
# ## Measure it
#
# First the operators. Four engines get 28 networks of a single node. ONNX Runtime is what they are compared with; PyTorch and NumPy are left out, as they have just the operators that this course wrote for them. "Runs" means: the same output as ONNX Runtime within 1e-3.
# For ncnn and LiteRT it is this course's writer that makes the file. "Not written" means that the engine has such a layer, and our writer does not make it. "Refused" means that the engine did not take the model, or has no single layer for it.
# Each engine is asked in a process of its own, as native code may end its process on what it does not know ("crashes"). MNN's converter, which gets a process of its own too, ended so on LSTM when this was written (version 3.6.1): it counts as "refused".

# %% experiment
from utils.widgets.ch29_inference_frameworks import ask_operators, operator_table

probes = ask_operators(("OpenVINO", "ncnn", "MNN", "LiteRT"))
operator_table(probes)

# %% [markdown]
# Now the race. The same network once as it is and once eight times as wide, with 64 times as many multiply-accumulates in the larger convolution. One thread, 40 rounds, engines in turns. The next cell needs `probes` from the one above; the two after it need its `results`.
# Before you run it: by which factor will the slowest engine be behind the fastest, in the small network and in the wide one?

# %% experiment
from utils.engines.frameworks import race, race_cnn
from utils.widgets.ch29_inference_frameworks import RACERS, count_missing, race_table

results = race({"1x": race_cnn(1), "8x": race_cnn(8)}, RACERS, repeats=40)
race_table(results[0], count_missing(probes))

# %% experiment
race_table(results[1])

# %% experiment
from utils.widgets.ch29_inference_frameworks import spread_picture

spread_picture(results)

# %% [markdown]
# On a quiet machine the five compiled engines lay within a factor of about 7 in the small network, and of 1.3 to 1.6 in the wide one. What differs most is not the kernels for convolution but the fixed cost of a call, some 20 to 200 µs, and that does not grow with the network.
# So never choose by a toy. And the order may change between the two tables.
#
# "Installed" is what the Python package takes on this disk. For an app, libraries are built with only the operators that it needs (chapter 20).
#
# How much do threads and a careless library matter? NumPy's matrix library takes all cores unless told otherwise. With other engines beside it, the wide network took 20 ms that way when this chapter was written, and 1 ms with one thread. Same code, same machine: that is why the thread count is a rule of fairness.
#
# With an NVIDIA GPU and TensorRT the next cell adds it to the race:

# %% experiment
from utils.engines.frameworks import race, race_cnn

(with_gpu,) = race({"8x": race_cnn(8)}, ["ONNX Runtime", "TensorRT"], repeats=20)
for row in with_gpu.rows:
    print(row.engine, f"{row.median_ms * 1e3:.0f} µs" if not row.reason else row.reason)

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. Sources and dates are from November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | ONNX Runtime is Microsoft's and runs ONNX on CPU, GPU, TensorRT, DML (DirectML, any GPU on Windows) and others | holds | each provider has to be compiled in: the plain wheel has the CPU's, and on some systems Azure's (printed above) |
# | 2 | TensorRT supports TensorFlow, Caffe, MXNet, PyTorch, nearly all frameworks | dated | its parsers for Caffe and for UFF (NVIDIA's own format for TensorFlow graphs) were deprecated in 8.x for removal in 9; ONNX's is left, beside the API. MXNet has retired, its repository is read-only since 2023-11-17 |
# | 3 | OpenVINO is Intel's toolkit, and on Intel hardware faster than most open libraries | depends | on our network of seven nodes it was the slowest compiled engine when this was written, at eight times the width it took 1.3 to 1.5 times as long as ONNX Runtime (see the two tables). Its converter, the Model Optimizer, is discontinued: it reads ONNX directly. Arm CPUs and Intel's NPUs are supported too |
# | 4 | Tengine by OPEN AI LAB is for AIoT (artificial intelligence in connected things) | dated | the last commit in the public repository is of 2023-05-18; a question of March 2024 whether it is still maintained had no answer from its authors by January 2025 |
# | 5 | ncnn has no third-party dependency, is cross-platform | holds | CPUs and, through Vulkan (a programming interface for GPUs of all makers), GPUs; release 20261020 runs here |
# | 6 | on phone CPUs ncnn is faster than all known open-source frameworks | unconfirmed | the sentence is from the project's own README, without a date or a measurement. No independent ranking was found, and a ranking would hold for one model, one phone and one version |
# | 7 | MNN does inference and training, and is used in 20+ Alibaba apps, 70+ scenarios | holds in part, dated | "more than 20 apps" is from an early README; no source for the 70 scenarios was found. Version 3.6 (June 2026) also runs language models |
# | 8 | TensorFlow Lite was released by Google in May 2017 | imprecise, renamed | announced in May 2017, developer preview on 2017-11-14. Its name is LiteRT now, and new features come to LiteRT only |
# | 9 | TFLite has pre-fused activations and quantised kernels | holds | pre-fused: the activation, say ReLU, is a field of the convolution's options in the file, and one kernel computes both (printed below) |
# | 10 | (left out) compilers and vendors' engines | incomplete | ExecuTorch, TVM, Core ML and ONNX Runtime's mobile builds are missing; see the catalogue |
#
# Row 9, from the file that chapter 20's writer makes of our network:

# %%
from utils.engines.frameworks import race_cnn

try:
    from ai_edge_litert import schema_py_generated as schema

    from utils.engines.mobile_formats import onnx_to_tflite
except ImportError:
    print("ai_edge_litert is not available: `pip install ai-edge-litert`. With it this cell prints each operator's fused activation.")
else:
    graph = schema.ModelT.InitFromPackedBuf(onnx_to_tflite(race_cnn()), 0)
    names = {value: key for key, value in vars(schema.BuiltinOperator).items() if key.isupper()}
    fused = {value: key for key, value in vars(schema.ActivationFunctionType).items() if key.isupper()}
    for operator in graph.subgraphs[0].operators:
        code = graph.operatorCodes[operator.opcodeIndex]
        activation = getattr(operator.builtinOptions, "fusedActivationFunction", None)
        print(f"{names[max(code.builtinCode, code.deprecatedBuiltinCode)]:16} fused activation: {fused.get(activation, '–')}")

# %% [markdown]
# ## Explain it
#
# A colleague has timed your detector once on each of three engines on her laptop, and writes: "B takes 9.7 ms, A 10.0, C 10.4. So we ship B on all our phones." Answer in six to eight sentences.
#
# A good answer names:
# 1. why a single run of each says nothing about A and B, and what to do instead;
# 2. two conditions of a fair measurement that she has not mentioned;
# 3. what besides the time has to be equal or checked;
# 4. why a laptop does not tell about phones;
# 5. what on the list of engines may matter more than 3 %.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# One run of each engine says nothing, because two runs of the same engine differ by more than 3 %.
# I would run the three in turns, some hundred rounds after a warm-up, and look at the bootstrap interval of the ratio of the medians; if it holds 1, A and B are tied.
# All three need the same number of threads and the same shapes, the inputs have to be prepared before the clock starts, and the outputs have to be there before it stops.
# Before any time counts I compare the outputs with ONNX Runtime, value by value and class by class, since a wrong layout can be fast.
# A laptop has another instruction set, other caches and no NPU, and an engine's strength is often in kernels for one of these; so I measure on the phones that our users have.
# There I count which operators the delegate does not take, because one of them in the middle of the detector costs two copies and may cost more than the whole difference between A and B.
# And I look at the size of the library, the licence and the date of the last commit: an engine that is 3 % faster and without maintenance since 2023 is not a bargain.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("29")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | inference engine | 推理引擎 | a program that loads a trained network and runs it |
# | backend | 后端 | the part of an engine that computes on one kind of hardware |
# | kernel | 算子内核 | a compiled function that computes one operator |
# | NPU | 神经网络处理器 | a chip that runs nothing but networks |
# | execution provider (EP) | 执行提供者 | ONNX Runtime's word for a backend that takes nodes of the graph |
# | delegate (LiteRT) | 委托 | LiteRT's word for the same |
# | IR (OpenVINO) | 中间表示 | intermediate representation: OpenVINO's own file format |
# | graph partitioning | 图划分 | splitting a graph over devices |
# | convex subgraph | 凸子图 | no path leaves it and comes back |
# | fallback | 回退（到 CPU） | what the accelerator does not support runs on the CPU |
# | operator coverage | 算子覆盖率 | the share of the operators (or better, of the work) that a device supports |
# | bootstrap | 自助法 | drawing from the samples again, to see how sure a result is |
# | warm-up | 预热 | calls before the measurement, until times settle |
# | maintenance status | 维护状态 | whether anybody still works on a project |

# %% [markdown]
# ## Sources
#
# - Microsoft, ONNX Runtime documentation: *Execution Providers* (GetCapability).
# - B. Efron and R. Tibshirani, *An Introduction to the Bootstrap*, 1993: percentile intervals.
# - NVIDIA, TensorRT 8.4 API documentation, deprecated members (`createCaffeParser`), and release notes of 11.0 and 11.5.
# - Intel, OpenVINO documentation 2025: *Legacy Features and Components*, *Supported Devices*.
# - Google, *Migrate to LiteRT from TensorFlow Lite*; *Announcing TensorFlow Lite*, 2017-11-14. The Register, 2017-11-15 (announced in May).
# - apache/mxnet, banner of the repository; mxnet.apache.org ("This project has retired").
# - Tencent, PocketFlow, README.
# - The rows of the catalogue:

# %%
from utils.widgets.ch29_inference_frameworks import source_list

source_list()
