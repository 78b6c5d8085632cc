# %% [markdown]
# # 34 · Exporting a model to ONNX and optimising the graph
# **ONNX模型转换及优化**
#
# The export ran without an error. The file gives the right scores for one image. In production eight images arrive together, and the engine refuses them.
# Most accidents of deployment happen here: a batch size baked into a constant, a version that the target does not know, a file that nobody compared with the original.
#
# About 90 minutes: 65 for the five exercises, the rest to read, measure and explain. It helps to know chapter 23 (what is in an ONNX file) and 33 (tracing). Chapter 35 goes on from here.

# %% setup
import numpy as np
import onnx
from onnx import numpy_helper

# %% [markdown]
# ## The short answer
#
# > `torch.onnx.export` goes through torch.export (it records the network as a graph) by default since PyTorch 2.9. I pass `dynamic_shapes`, not `dynamic_axes`: which sizes may change. Then I read from the file which opset (the version of the operator definitions) was really written.
# >
# > Then I optimise the graph. First the checker (is the file valid?) and shape inference (the size of every tensor). Then constant folding (compute once what depends on no input), and dead nodes go (no output needs them). I compare with PyTorch on several batch sizes and real inputs. For FP32 I allow a relative tolerance of 1e-3 to 1e-4, and an absolute one of about 1e-5 for values near zero.
# >
# > A file is one protobuf message (the encoding of ONNX files) and must stay below 2 GiB. Beyond that the weights go into a second file (external data), and I use the functions that take paths.
# >
# > Two quirks of the framework I solve before the export: an `if` or a loop that depends on the data, and custom operators (outside the ONNX standard). What the target does not know I solve with the right opset.

# %% [markdown]
# ## How it works
#
# ### What an export writes
#
# **ONNX** is a file format for networks. A file holds a graph: **nodes** (an operator, the names of its inputs and outputs) and **initializers** (constants, mostly weights).
# This is a small CNN, written by torch's older exporter. It runs the network once on an example, here one image of 3 × 8 × 8, and writes down what happened. That is **tracing**. Of an `if` that depends on the data, only the branch that was taken gets into the file.

# %%
from utils.graphs.onnx_tools import graph_stats
from utils.graphs.optimize import export_route

model = export_route("legacy")
for node in model.graph.node:
    print(f"{node.op_type:9} {', '.join(name.split('/')[-1] for name in node.input)} -> {node.output[0].split('/')[-1]}")
stats = graph_stats(model)
print(f"opset {stats.opset}, IR version {stats.ir_version}, input {stats.inputs}, output {stats.outputs}")

# %% [markdown]
# The **opset** says which definitions of the operators are meant. The **IR version** is that of the file format itself (IR: intermediate representation). An engine that is older than either of them refuses the file.
#
# The network has a batch norm, and the file has none. The exporter computed it into the weights of the convolution. That is possible in evaluation mode only.
#
# ### Where the batch size hides
#
# The input has shape (1, 3, 8, 8). Let us give its first axis a name, "N", in input and output. Any batch should run then.
# ONNX Runtime, an engine for ONNX files, is the judge: it runs the edited file on the whole batch, and the original on each image alone. The rows must agree:

# %%
import onnx
from utils.graphs.optimize import export_route, judge_batches

model = export_route("legacy")
renamed = onnx.ModelProto()
renamed.CopyFrom(model)
for value in (*renamed.graph.input, *renamed.graph.output):
    value.type.tensor_type.shape.dim[0].dim_param = "N"
for verdict in judge_batches(model, renamed, [1, 3]):
    print(f"batch {verdict.batch}:", "agrees with the original" if verdict.ok else verdict.reason)

# %% [markdown]
# At batch 3 the matrix product (Gemm) gets rows of 384 values instead of 128. The culprit stands before it: a Reshape with the constant target [1, -1].
# In a target, -1 means "infer this size", and 0 means "copy the size of the data's own axis". So the 1 says: everything into one row, here 3 · 128 values.
#
# In PyTorch the line was `x.reshape(x.shape[0], -1)`. While tracing, `x.shape[0]` was the number 1, and it became a constant.
#
# ### Say at the export that the batch is dynamic
#
# A **dynamic axis** has a symbol instead of a number. torch has two routes. The older one (`dynamo=False`, `dynamic_axes`) then traces the shape arithmetic as well.
# The newer one is the default since PyTorch 2.9 (`dynamic_shapes`). It gets the graph from torch.export, which calculates with symbols.
#
# One network with 7 steps of work (Sub, Div, Conv, Relu, MaxPool, Reshape, Gemm), exported four times:
# - `dynamo`: the newer route, with a dynamic batch. It needs the package onnxscript; without it the row says so.
# - `legacy`: the older route, static.
# - `legacy without folding`: the same, but the exporter computes nothing in advance.
# - `legacy dynamic`: the older route with a dynamic batch.

# %%
from utils.widgets.ch34_onnx_export import export_table

export_table(opset=18)

# %% [markdown]
# `legacy dynamic` has 14 nodes: 7 of them only compute the shape [N, 128]. `legacy` has a single Constant in their place, [1, -1], and so 8 nodes.
# What its exporter computes in advance shows the row without folding: 23 nodes. The file of `dynamo` is larger, since it notes for each node which line of Python it came from.
#
# The calls, side by side:
#
# ```python
# torch.onnx.export(net, (x,), "model.onnx", dynamo=False, input_names=["input"],
#                   dynamic_axes={"input": {0: "N"}}, opset_version=13)                  # older route
# torch.onnx.export(net, (x,), "model.onnx", input_names=["input"],
#                   dynamic_shapes=({0: torch.export.Dim("N")},), opset_version=18)      # default since 2.9
# ```
#
# Give the newer route an example of at least 2 images. With 1 image `torch.export.export` refuses a dynamic axis ("your code specialized it to be a constant (1)"), while `torch.onnx.export` of torch 2.13 lets it pass.
#
# ### Read what was written
#
# The interview document that this course mirrors, *the document* from here on, asks for opset 13. Here is what the routes wrote (torch 2.13; on another version the table may differ):

# %%
from utils.widgets.ch34_onnx_export import export_table

export_table(opset=13)

# %% [markdown]
# The newer route implements its operators from opset 18 on. Asked for 13, it converts the finished graph down. Where that fails, it keeps 18, writes a line into the log, and raises nothing.
# So an export ends with a check. `export_torch` of this course raises when the file differs from the request:

# %%
from utils.graphs.optimize import export_route
from utils.optional import EngineUnavailable

try:
    export_route("dynamo", opset=13)
except (ValueError, EngineUnavailable) as error:
    print(error)

# %% [markdown]
# ### One file or two
#
# A **protobuf** message (the encoding of ONNX files) must be smaller than 2 GiB: at most 2,147,483,647 bytes. Larger weights go into a second file, as **external data**: the graph then holds a name, an offset and a length for each of them.
# The UNet of Stable Diffusion v1, which the document names, has weights of 3.44 GB in FP32 and 1.72 GB in FP16:

# %%
from utils.graphs.optimize import export_route, fits_protobuf, split_external

for name, size in (("FP32", 3.44e9), ("FP16", 1.72e9)):
    print(f"UNet in {name}: {size / 1e9:.2f} GB,", "fits into one file" if size <= 2**31 - 1 else "needs external data")
model = export_route("legacy")
plan = split_external(model, threshold_bytes=500)
for entry in plan.entries:
    print(f"{entry.name:14} {entry.length:5,} bytes at offset {entry.offset:,}")
print(f"the small CNN fits: {fits_protobuf(model)}; its data file would have {plan.total_bytes:,} bytes")

# %% [markdown]
# Offsets are multiples of 4,096 bytes here, a page of memory: so an engine can map a tensor straight from the file.
# Beware: with a path, torch's newer route writes two files by default, `model.onnx` and `model.onnx.data`, whatever the size. Who copies only the first one loses the weights.
#
# ### Mend a static file
#
# The best place to mend is the export. If there is only the file, edit the graph: name the axes, and rewrite the targets that hold the batch size.

# %%
from utils.graphs.optimize import export_route, judge_batches
from utils.graphs.optimize import make_batch_dynamic as with_any_batch

model = export_route("legacy")
edited, changes = with_any_batch(model)
print("; ".join(changes))
for verdict in judge_batches(model, edited, [1, 3, 8]):
    print(f"batch {verdict.batch}: agrees {verdict.ok}, largest difference {verdict.max_abs:.0e}")
try:
    with_any_batch(export_route("legacy without folding"))
except ValueError as error:
    print("unfolded:", error)

# %% [markdown]
# The judge was ONNX Runtime again. The second file was refused. Its batch size is a constant that goes through Unsqueeze and Concat before it reaches the Reshape. Folding first brings it into one place.
#
# ### What a compiler knows of a size
#
# With a dynamic batch an optimiser never sees "3 images". It sees N. **Shape inference** carries sizes and symbols from the inputs to every tensor:

# %%
from utils.graphs.optimize import export_route
from utils.graphs.runtime import infer_shapes

shapes = infer_shapes(export_route("legacy dynamic"))
for name, tensor in shapes.items():
    if name.startswith("/") and "Constant" not in name:
        print(f"{name.split('/')[-1]:20} {tensor.shape}")

# %% [markdown]
# Where two tensors meet in an Add, their shapes **broadcast**: aligned at the last axis, a 1 is stretched. With symbols some answers are certain, and some are not:

# %%
from utils.graphs.optimize import broadcast_dims as broadcast

for a, b in ((["N", 3], [1, 3]), (["N", 3], [4, 3]), (["N", 3], ["M", 3]), (["N", 1, 5], [7, 1])):
    print(f"{a} + {b} -> {broadcast(a, b)}")

# %% [markdown]
# N against 4 is 4: if N were anything but 1 or 4, the runtime would refuse. N against M stays unknown (None).
#
# ### The stages of an optimiser
#
# The document optimises with a class `Optimizer`. It uses two tools of NVIDIA: onnx_graphsurgeon (`gs`, edits graphs) and polygraphy (folds and compares). Its steps, shortened:
#
# ```python
# graph.cleanup().toposort()                                       # cleanup: take out what no output needs, sort
# graph = gs.import_onnx(fold_constants(gs.export_onnx(graph)))    # fold: compute once what depends on no input
# graph = gs.import_onnx(infer_shapes(gs.export_onnx(graph)))      # shape inference
# graph.cleanup().toposort()                                       # cleanup again
#
# def select_outputs(graph, keep, names):                          # a further method, not called
#     graph.outputs = [graph.outputs[i] for i in keep]
#     for output, name in zip(graph.outputs, names):
#         output.name = name
# ```
#
# Here onnx and NumPy are enough. A graph of 25 nodes, as exporters leave it, with a branch that leads nowhere:

# %%
from utils.graphs.optimize import optimizer_report
from utils.graphs.simplify import messy_cnn
from utils.widgets.ch34_onnx_export import stages_table

stages_table(optimizer_report(messy_cnn()))

# %% [markdown]
# Cleanup finds 2 dead nodes. Folding takes 6 more: (2 + 3) / 5 is computed, and so is the shape, since the batch is static here. Shape inference changes no node: it only writes down what it found, and that makes the file larger.
# 17 nodes are left, of which 7 do the work: Conv and Relu twice, a pool, Reshape, Gemm. Eight of the others change nothing: 2 Identity, Dropout, Cast to the type that is there, 2 Transposes that undo each other, 2 products with 1.
# The last two are batch norms, which could be *fused*: computed into the convolution before them. That is chapter 35.
#
# Three traps of folding: a node that draws random numbers has no inputs, so "all inputs constant" holds, and yet it must stay. A small node can make a huge constant, and the file grows. And a graph output must keep its name.
#
# ### Is it still the same network?
#
# Run both, on several feeds, and compare every output. An element passes if |got - ref| ≤ atol + rtol · |ref|. The reference, here PyTorch, is the yardstick.
# Two looser measures are often used instead. The *cosine* of the angle between two outputs is 1 if they point in the same direction. *Top-1* asks only whether both give the highest score to the same class.
# Four candidates: ONNX Runtime; this course's NumPy runtime; the same network in training mode; and ONNX Runtime with one bias changed by 0.01:

# %%
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from utils.graphs.onnx_tools import make_session
from utils.graphs.optimize import compare_backends, example_cnn, export_route
from utils.graphs.runtime import NumpyRuntime
from utils.widgets.ch34_onnx_export import backend_table

torch.set_num_threads(1)
model, net, training = export_route("legacy dynamic"), example_cnn(), example_cnn().train()
damaged = onnx.ModelProto()
damaged.CopyFrom(model)
bias = next(t for t in damaged.graph.initializer if t.name == "fc.bias")
bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.01) * (np.arange(10) == 7), "fc.bias"))


def by_torch(module):
    return lambda feed: {"output": module(torch.from_numpy(feed["input"])).detach().numpy()}


def by_ort(graph):
    session = make_session(graph)
    return lambda feed: {"output": session.run(None, dict(feed))[0]}


runtime = NumpyRuntime(model)
candidates = {"ONNX Runtime": by_ort(model), "NumPy runtime": lambda feed: runtime.run(dict(feed)),
              "training mode": by_torch(training), "one bias + 0.01": by_ort(damaged)}
rng = np.random.default_rng(0)
feeds = [{"input": rng.random((n, 3, 8, 8), dtype=np.float32)} for n in (1, 3, 8)]
backend_table(compare_backends(by_torch(net), candidates, feeds))

# %% [markdown]
# The first two differ by some 1e-7: floating-point sums in another order. Training mode is far off, since batch norm then uses the batch's own mean.
# Yet both damaged networks name the same class for all 12 images ("same top-1"), and the changed bias keeps a cosine above 0.999. Only the comparison of every element finds it.

# %% [markdown]
# ## See it
#
# ![Left: 14 boxes in order, the nodes of the traced export with a dynamic batch. Seven of them, hatched, are constants and shape arithmetic, and feed one Reshape. Right: which batch sizes from 1 to 8 each of four files runs at. The two dynamic ones run at all, the two static ones at 1 only.](figure.svg)
#
# The traced export with a dynamic batch has 14 nodes, and 7 of them are constants and shape arithmetic. Asked for opset 18 it wrote 18. It runs at every batch from 1 to 8; the two static files run at batch 1 only.
#
# **Four exports, one network.** The files are exported and run while you look, nothing is simulated. Choose a route, the opset that is asked for, and a batch.

# %% figure
from utils.widgets.ch34_onnx_export import exports_figure

exports_figure()

# %% [markdown]
# ## Exercises
#
# From the set-up cell you have NumPy as `np`, `onnx`, and `numpy_helper` of onnx. Arguments must not be changed. A NumPy number or bool counts as a Python one.

# %% [markdown] about="broadcast_dims"
# The shape of `a + b`, as far as it can be known.
#
# - `a` and `b` are shapes: lists (perhaps empty) of sizes. A size is an int of at least 1, a symbol (a string such as "N"), or None for a size of which nothing is known. An empty list is the shape of a single number.
# - Align them at the last axis. Where one is shorter, the missing sizes in front count as 1.
# - For each pair of sizes: equal ones (also two Nones) give this size. An int 1 against anything gives the other one. An int above 1 against a symbol or None gives the int.
# - Two different symbols give None. So does None against a symbol.
# - Two different ints above 1: raise `ValueError`. Its message must name the axis, counted from the end, in the form `axis -1` (the last), `axis -2` and so on. (In the cases at most one axis clashes.)
# - Return a list.
#
# For example `broadcast_dims(["N", 1, 5], [7, 1])` → `["N", 7, 5]` and `broadcast_dims(["N", 3], ["M", 3])` → `[None, 3]`.

# %% exercise="broadcast_dims"
def broadcast_dims(a: list[int | str | None], b: list[int | str | None]) -> list[int | str | None]:
    """The shape of an elementwise result; None where it is unknown."""
    ### BEGIN SOLUTION
    rank = max(len(a), len(b))
    result = []
    for axis in range(-rank, 0):
        x = a[axis] if len(a) >= -axis else 1
        y = b[axis] if len(b) >= -axis else 1
        numbers = [size for size in (x, y) if isinstance(size, int)]
        if x == y or y == 1:
            result.append(x)
        elif x == 1:
            result.append(y)
        elif len(numbers) == 2:
            raise ValueError(f"axis {axis}: {x} against {y}")
        else:
            result.append(numbers[0] if numbers else None)
    return result
    ### END SOLUTION

# %% check="broadcast_dims"
check("34.broadcast_dims", broadcast_dims)

# %% [markdown] about="live_nodes"
# Which nodes does the result need?
#
# - `nodes` is a list of pairs (inputs, outputs), each a list of tensor names, in *any* order. "" stands for an absent input or output: it is not the name of a tensor. A tensor is made by at most one node, and there are no cycles.
# - `outputs` lists the names of the graph's outputs; it may be empty.
# - A node is live if a graph output depends on it: one of its outputs is a graph output, or is read by a live node. Return the indices of the live nodes in ascending order, as a list.
# - A name in `outputs` that no node makes, but some node reads, is an input of the graph: allowed, it needs no node. A name that no node makes and no node reads (so also ""): raise `ValueError`.
# - Thousands of nodes may stand in a row, so a function that calls itself for each of them will reach Python's limit.
#
# For example with `nodes = [(["x"], ["a"]), (["x"], ["b"]), (["a"], ["y"])]`, `live_nodes(nodes, ["y"])` → `[0, 2]`.

# %% exercise="live_nodes"
def live_nodes(nodes: list[tuple[list[str], list[str]]], outputs: list[str]) -> list[int]:
    """Ascending indices of the nodes on which `outputs` depend."""
    ### BEGIN SOLUTION
    maker = {name: index for index, (_, made) in enumerate(nodes) for name in made if name}
    read = {name for inputs, _ in nodes for name in inputs if name}
    for name in outputs:
        if name not in maker and name not in read:
            raise ValueError(f"there is no tensor {name!r}")
    live, waiting = set(), list(outputs)
    while waiting:
        index = maker.get(waiting.pop())
        if index is not None and index not in live:
            live.add(index)
            waiting += nodes[index][0]
    return sorted(live)
    ### END SOLUTION

# %% check="live_nodes"
check("34.live_nodes", live_nodes)

# %% [markdown] about="fold"
# Fold constants in a graph of plain tuples.
#
# - `nodes` is a list of tuples (op, inputs, output, attrs) in an order in which they can run: a string, a list of names, a name, a dict. `constants` maps names to NumPy arrays (float32 or int64), some of which may be without axes. Names that nobody makes are inputs of the graph.
# - A node whose inputs are all constants is computed now: it goes, and its result is a constant too. So chains fold.
# - A node stays if it makes a graph output (its name is in `outputs`), if its op is `RandomNormal`, or if its result has more than `max_bytes` bytes (by default 2**20). What a node that stays makes is not a constant.
# - Nodes that nobody needs are not taken out. The others keep their order.
# - Return (the nodes that stay, a dict of the constants that these nodes read).
#
# | op | what it computes |
# |---|---|
# | Add, Sub, Mul, Div | elementwise as in NumPy, of two arrays of one dtype, which the result keeps. Div of int64 rounds toward zero: -7 / 2 is -3. No divisor is 0 |
# | Concat | joins along the attribute `axis` (may be negative) |
# | Gather | takes the indices in its second input, along `axis` (0 if absent, may be negative); negative indices count from the end. With indices 2 an axis is gone, with [2] it has size 1 |
# | Unsqueeze | inserts axes of size 1 so that they stand at the places in the list `axes`, counted in the *result*; they may be negative and in any order |
# | Cast | to the dtype that the string `to` names in NumPy, "float32" or "int64"; from float to int the decimals are cut off, as by `astype` |
# | Reshape | to the target in its second input (int64): 0 copies the size at the same place, -1 (at most one) is inferred |
# | Transpose | by `perm`; without it the axes are reversed |
# | RandomNormal | no inputs; never folded |
#
# No other op occurs.
#
# For example with `c2` = 2.0 and `c3` = 3.0 (float32, no axes), the nodes `[("Add", ["c2", "c3"], "c5", {}), ("Mul", ["x", "c5"], "y", {})]` and the output `"y"`:
# the Mul stays, and the constants are `{"c5": 5.0}`. With int64 arrays `a` = [-7, 7, 6] and `b` = [2, -2, 3], `[("Div", ["a", "b"], "c", {}), ("Gather", ["x", "c"], "y", {})]` leaves the Gather and `c` = [-3, -3, 2].

# %% exercise="fold"
def fold(nodes: list[tuple[str, list[str], str, dict]], constants: dict[str, np.ndarray], outputs: list[str],
         max_bytes: int = 1 << 20) -> tuple[list, dict[str, np.ndarray]]:
    """The nodes that stay, and the constants that they read."""
    ### BEGIN SOLUTION
    def compute(op, values, attrs):
        first = values[0]
        if op == "Div":
            a, b = values
            return a / b if a.dtype.kind == "f" else np.trunc(a / b).astype(a.dtype)
        if op in ("Add", "Sub", "Mul"):
            return {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[op](*values)
        if op == "Concat":
            return np.concatenate(values, axis=attrs["axis"])
        if op == "Gather":
            return np.take(first, values[1], axis=attrs.get("axis", 0))
        if op == "Unsqueeze":
            return np.expand_dims(first, tuple(attrs["axes"]))
        if op == "Cast":
            return first.astype(attrs["to"])
        if op == "Reshape":
            return first.reshape([first.shape[i] if size == 0 else size for i, size in enumerate(values[1])])
        return np.transpose(first, attrs.get("perm"))

    known, kept = dict(constants), []
    for node in nodes:
        op, inputs, output, attrs = node
        if op != "RandomNormal" and output not in outputs and all(name in known for name in inputs):
            value = compute(op, [known[name] for name in inputs], attrs)
            if value.nbytes <= max_bytes:
                known[output] = value
                continue
        kept.append(node)
    read = {name for _, inputs, _, _ in kept for name in inputs}
    return kept, {name: value for name, value in known.items() if name in read}
    ### END SOLUTION

# %% check="fold"
check("34.fold", fold)

# %% [markdown] about="compare_outputs"
# Do two arrays agree, and where do they differ most?
#
# - `ref` (the yardstick) and `got` are NumPy arrays of any shape, perhaps empty or without axes; floats, integers or bools. `rtol` and `atol` are 0 or more. Compute in float64.
# - A pair is *finite* if both its elements are (no NaN, no infinity). A finite pair passes if |got - ref| ≤ `atol` + `rtol`·|ref|. Another pair passes if both are NaN, or both are the same infinity, and else fails.
#
# Return a dict:
# - `ok`: whether all pairs pass (True for empty arrays);
# - `max_abs`: the largest |got - ref| of the finite pairs; `max_rel`: the largest |got - ref| / |ref| of the finite pairs whose `ref` is not 0. Each 0.0 where there is no such pair;
# - `worst`: the index, a tuple with one int an axis, of the largest |got - ref|. Here a pair that is not finite counts as 0 if it passes and as infinity if it fails. Of equals the first in C order (the order of `ravel`). None for empty arrays.
#
# Raise `ValueError` if the shapes differ, or the kinds of dtype do (`dtype.kind`: float32 and float64 are one kind, int8 and uint8 are two).
#
# For example `ref` = [1.0, 100.0, 0.0], `got` = [1.0005, 100.2, 1e-6], `rtol` 1e-3, `atol` 1e-5: `ok` False, since 0.2 > 0.10001, and `worst` (1,). `max_abs` is 0.2 and `max_rel` 0.002.
# With `ref` = [[1, NaN], [inf, 2]] and `got` = [[1, NaN], [inf, NaN]]: `ok` False, `worst` (1, 1), both maxima 0.0.

# %% exercise="compare_outputs"
def compare_outputs(ref: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> dict:
    """ok, max_abs, max_rel and worst of two arrays, element by element."""
    ### BEGIN SOLUTION
    if ref.shape != got.shape or ref.dtype.kind != got.dtype.kind:
        raise ValueError("the arrays must have one shape and one kind of dtype")
    ref, got = ref.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(ref) & np.isfinite(got)
    distance = np.abs(np.where(finite, got, 0) - np.where(finite, ref, 0))
    same = (np.isnan(ref) & np.isnan(got)) | (ref == got)
    passes = np.where(finite, distance <= atol + rtol * np.abs(np.where(finite, ref, 0)), same)
    far = np.where(finite, distance, np.where(passes, 0, np.inf))
    share = finite & (ref != 0)
    return {
        "ok": bool(passes.all()),
        "max_abs": float(distance[finite].max(initial=0.0)),
        "max_rel": float((distance[share] / np.abs(ref[share])).max(initial=0.0)),
        "worst": tuple(int(i) for i in np.unravel_index(far.argmax(), far.shape)) if far.size else None,
    }
    ### END SOLUTION

# %% check="compare_outputs"
check("34.compare_outputs", compare_outputs)

# %% [markdown] about="make_batch_dynamic"
# Make a static model dynamic, by surgery.
#
# - `model` is an `onnx.ModelProto`. Its *inputs* are those in `model.graph.input` that are not initializers as well. The batch size b is the number on axis 0 of the first one. If there is no number, raise `ValueError`: the batch is dynamic already.
# - On axis 0 of every input and every output, where it is the number b, put `symbol` instead. An initializer that is also listed in `graph.input` keeps its shape.
# - Rewrite each Reshape whose data depends on an input and whose target is a constant (int64, one axis) that begins with b: if there is a -1 among the other sizes, b becomes 0 (copy the data's own axis 0); else b becomes -1. The other sizes stay. So [b, 2, -1] becomes [0, 2, -1], and [b, 24] becomes [-1, 24].
# - A constant is either an initializer, or a node with op_type "Constant" with the tensor in its one attribute `value`. Its other readers must still find the old numbers. If it has none, it may stay, unread.
# - Leave alone: a Reshape of weights (its data depends on no input), a target that is computed by other nodes, a target that doesn't begin with b.
# - Empty `graph.value_info`, the recorded shapes of tensors between the nodes. Return a new model; `model` itself must not change.
#
# Nodes stand in an order in which they can run. No Reshape has the attribute `allowzero`, and there are no subgraphs. If the data of a Reshape depends on an input, its axis 0 is the batch, or several rows of each image, in order. Where the target begins with b and has a -1, axis 0 is exactly the batch.
# The IR version is 8: from 4 on, a new initializer need not be listed in `graph.input`.
# onnx.checker has to accept your model. It is run at several batch sizes and compared with the original. It may also compute the targets at run time, by added Constant, Shape, Gather, Slice, Squeeze, Unsqueeze, Concat, Cast or Identity nodes (for each Reshape at most four Constant, two Shape, and one of each of the others).
#
# The two visible models: a CNN of batch 1 whose Reshape takes [1, -1] from a Constant node; and a model of batch 2, symbol "batch", with Reshapes to [2, 2, 12] and [2, -1].

# %% exercise="make_batch_dynamic"
def make_batch_dynamic(model: onnx.ModelProto, symbol: str = "N") -> onnx.ModelProto:
    """A copy of a static model that runs at any batch size; axis 0 is called `symbol`."""
    ### BEGIN SOLUTION
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    first = inputs[0].type.tensor_type.shape.dim[0]
    if not first.HasField("dim_value"):
        raise ValueError("axis 0 of the first input is dynamic already")
    b = first.dim_value

    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    fed = {value.name for value in inputs}
    for number, node in enumerate(graph.node):
        if not fed.intersection(node.input):
            continue
        fed.update(node.output)
        if node.op_type != "Reshape" or node.input[0] not in fed or node.input[1] not in constants:
            continue
        target = numpy_helper.to_array(constants[node.input[1]]).tolist()
        if target[0] == b:
            new = [0 if -1 in target else -1, *target[1:]]
            node.input[1] = f"dynamic_target_{number}"
            graph.initializer.append(numpy_helper.from_array(np.array(new, np.int64), node.input[1]))

    for value in [*inputs, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].dim_value == b:
            dims[0].dim_param = symbol
    del graph.value_info[:]
    return result
    ### END SOLUTION

# %% check="make_batch_dynamic"
check("34.make_batch_dynamic", make_batch_dynamic)

# %% [markdown]
# ## Measure it
#
# The stages again, on the export without folding (23 nodes). The exporter's own folding gave 8 nodes, with the batch norm computed into the convolution. Before you run it: how many nodes do these stages leave, and is the batch norm among them?

# %% experiment
from utils.graphs.optimize import export_route, optimize_stages
from utils.widgets.ch34_onnx_export import stages_picture

unfolded = export_route("legacy without folding")
print(*(node.op_type for node in optimize_stages(unfolded)[-1][1].graph.node))
stages_picture(unfolded)

# %% [markdown]
# Also 8, but other ones: the Constant became an initializer, and the batch norm is still there. It reads the image, so folding can't compute it.
#
# Is a finished graph faster? ONNX Runtime optimises each graph when it loads it, unless told not to. So the graph of 25 nodes and its finished form (17 nodes) are timed in turns, first without and then with ONNX Runtime's own optimisations:

# %% experiment
from utils.graphs.simplify import messy_cnn
from utils.widgets.ch34_onnx_export import stage_times

stage_times(messy_cnn())

# %% [markdown]
# Each ratio is the original's time over the finished one's. On the machine where this was written they were 1.15 (off) and 1.3 (on); a busy one may say anything. With its optimisations on, ONNX Runtime folds as well, but leaves the dead branch in: its Conv runs every time.
# What lasts: less work at each start, and a graph that other converters understand.
#
# TensorRT is NVIDIA's inference engine, with an ONNX parser of its own. Where it is installed, this cell asks which of the four exports it accepts:

# %% experiment
from utils.widgets.ch34_onnx_export import tensorrt_table

tensorrt_table()

# %% [markdown]
# ## What the source says
#
# These are the claims of the interview document. Row 8 is what it leaves out.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | `torch.onnx.export` with `dynamic_axes` and `opset_version=13` | dated | with torch 2.13's default route the small CNN's file says opset 18, and only the log tells. `dynamic_axes` draws two warnings: use `dynamic_shapes`. `dynamo=False` still writes 13, with a deprecation warning |
# | 2 | for a dynamic batch it is enough to name the batch axis | depends | at the export, yes; on the older route 7 nodes of shape arithmetic replace one Constant (14 nodes instead of 8). In a finished file, no: the Reshape holds the batch too |
# | 3 | optimise when the model is large, such as Stable Diffusion's UNet | depends | the steps help a graph of any size. What grows with the size is another problem: 3.44 GB of FP32 weights don't fit into one protobuf message |
# | 4 | too large means `ByteSize() > 2147483648`, a TypeError | wrong | the limit is below 2 GiB, so 2,147,483,648 bytes are already one too many. And by then the whole model has been built in memory. A TypeError is for wrong types. Better: functions that take paths, and external data |
# | 5 | `infer_shapes_path(path, path)`, then load | holds, risky | it overwrites the only copy, and so does leaving out the second path. Write to a new one |
# | 6 | polygraphy folds, onnx_graphsurgeon cleans up and sorts | holds | both are NVIDIA's tools. onnx with a few dozen lines does these steps as well, as above |
# | 7 | `select_outputs(keep, names)` renames outputs | risky | the nodes that read the output follow, but nothing checks that the new name is free. If another tensor has it, the graph is invalid |
# | 8 | (no word of verification) | missing | no checker, no comparison. The changed bias above shows what they find |
#
# Rows 4 and 7, computed:

# %%
import onnx
from onnx import helper
from utils.graphs.onnx_tools import make_model

size = 2**31
for name, limit in (("the document's test", 2147483648), ("the limit", 2**31 - 1)):
    print(f"row 4: {size:,} bytes: {name} says", "too large" if size > limit else "fits")
for new in ("scores", "hidden"):  # a tensor of onnx_graphsurgeon is one object: its maker and its readers share the new name
    nodes = [helper.make_node("Relu", ["x"], ["hidden"]), helper.make_node("Neg", ["hidden"], [new]),
             helper.make_node("Abs", [new], ["z"])]
    try:
        model = make_model(nodes, {"x": ("N", 3)}, {new: ("N", 3), "z": ("N", 3)})  # onnx.checker looks at it
        print(f"row 7: y renamed to {new}: valid, Abs reads {model.graph.node[2].input[0]}")
    except onnx.checker.ValidationError as error:
        print(f"row 7: y renamed to {new}:", str(error).strip().splitlines()[0][:110])

# %% [markdown]
# ## Explain it
#
# A colleague writes: "I exported our detector with `dynamic_axes` and `opset_version=13`, as in the tutorial. There was a warning, but the file works: I ran one picture, and the boxes look the same. I also ran a simplifier over it (a tool that folds and fuses, chapter 35). Can it go to the vehicles?" Answer in six sentences.
#
# A good answer names:
# 1. that the opset has to be read from the file, and what the vehicle's engine accepts;
# 2. which call replaces `dynamic_axes`, and why one picture says nothing about other batch sizes;
# 3. a comparison of every output with PyTorch, with both tolerances, on several batches and real pictures;
# 4. what can be baked in: the batch in a Reshape, training mode, a branch of an if;
# 5. that the simplified file is another file, to be compared again, and the original kept;
# 6. all of this as an automatic check after each export.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Please read the opset from the file first: today's exporter writes 18 where 13 was asked, with a line in the log, and the vehicle's engine may know only 17.
# Export with `dynamic_shapes` and `torch.export.Dim`, since one picture can't show whether the batch size is baked into a Reshape.
# Compare all outputs with PyTorch at batch 1, 3 and 8 on recorded pictures: absolute 1e-5 plus relative 1e-3, every element, not the look of the boxes.
# If something differs, look for batch norm in training mode, an if that tracing decided once, or a constant with the batch size in it.
# The simplified file is a different program: compare it again, with the runtime's own optimisations off, and keep the original.
# Then put these steps into the pipeline, so that no export leaves it without them.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("34")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | export | 导出 | writing a framework's network as a file for other engines |
# | tracing | 跟踪 | recording the operations of one run |
# | opset | 算子集版本 | version of the operator definitions |
# | IR version | 中间表示版本 | version of the file format |
# | dynamic axis / dynamic shape | 动态轴 / 动态形状 | a size that is a symbol until the model runs |
# | initializer | 初始化器 | constant stored in the graph, mostly a weight |
# | external data | 外部数据 | tensors stored beside the protobuf file |
# | value_info | 中间张量信息 | recorded types and shapes of intermediate tensors |
# | shape inference | 形状推断 | carrying sizes and symbols from the inputs to all tensors |
# | graph surgeon | 图编辑工具 | tool that edits nodes and tensors of a graph |
# | topological sort | 拓扑排序 | an order in which every node comes after those that it reads |
# | dead node | 死节点 | a node on which no output depends |
# | constant folding | 常量折叠 | computing once what depends on no input |
# | relative / absolute tolerance | 相对 / 绝对误差容限 | allowed deviation as a share of the reference / as a number |
# | custom operator | 自定义算子 | operator outside the standard, which the target has to bring along |

# %% [markdown]
# ## Sources
#
# - PyTorch, documentation of `torch.onnx` (2.9 to 2.13) and the source of `torch/onnx/_internal/exporter/_compat.py` in 2.13; the exports of this chapter are run with the installed version.
# - ONNX documentation: *External Data*, `onnx.shape_inference`, *Broadcasting in ONNX*, operators Reshape, Div, Gather and Unsqueeze.
# - Protocol Buffers documentation, *Proto Limits*: a serialised message must be smaller than 2 GiB.
# - CompVis, stable-diffusion-v1-2, folder `unet`: `diffusion_pytorch_model.bin`, 3.44 GB in FP32 and 1.72 GB in FP16.
# - NVIDIA/TensorRT, `tools/onnx-graphsurgeon` and `tools/Polygraphy`.
# - NumPy documentation, `numpy.isclose` and `numpy.testing.assert_allclose`.
