# %% [markdown]
# # 24 · TensorRT: what an inference optimiser does
# **TensorRT的相关知识**
#
# "TensorRT makes it faster" is not an explanation. Faster by what, and when not at all?
# You will meet four of its mechanisms on a CPU, with real kernels and real clocks, and build most of them: fusing layers, choosing kernels by timing them, leaving copies out, planning memory.
#
# About 100 minutes: 66 for the five exercises, the rest to read and measure. It helps to know chapters 23 (ONNX), 34 (ONNX export) and 07 (what makes inference slow).
# No GPU is needed. Everything that is timed here runs on your processor.

# %% setup
from collections.abc import Callable

import numpy as np

# %% [markdown]
# ## The short answer
#
# > TensorRT is an ahead-of-time compiler and a runtime for NVIDIA GPUs. It reads a network, usually from an ONNX file, and builds an *engine*: a plan of kernels (functions that run on the GPU) with their weights.
# >
# > It fuses layers. Vertically: a convolution takes the batch norm and the Relu behind it along. Horizontally: sibling convolutions of one input become one. Copies such as a concatenation often vanish.
# >
# > For each fused layer it times several kernels, called *tactics*, for the given shapes on this very GPU, and keeps the fastest. It plans one block of memory for all activations. The engine belongs to the GPU model and the TensorRT release with which it was built, unless you ask for more compatibility.
# >
# > Without further settings it computes in FP32, with TF32, a 19-bit format, on tensor cores, the GPU's units for small matrix products. Since TensorRT 11 the types come from the model alone: casts, and nodes that quantise (round to a few bits) and dequantise (scale back).
# >
# > It helps most where many small layers wait for memory or for their launch, and where shapes suit tensor cores. It helps little where a few large matrix products already run at full speed, and it is held back by operators that it does not know and by shapes that keep changing.

# %% [markdown]
# ## How it works
#
# ### Twenty operators, five kernels
#
# Here is an Inception block, the building block of GoogLeNet (2014). Four branches read one input, and their results are concatenated.
# It is an ONNX model of 20 operators: six times convolution, batch norm (BN) and Relu, one pool, one concatenation.
# `MiniEngine` is this chapter's own small engine. It compiles the block for your CPU:

# %%
import numpy as np

from utils.engines.tensorrt_optimizer.blocks import inception_block
from utils.engines.tensorrt_optimizer.mini_engine import MiniEngine
from utils.graphs.onnx_tools import make_session

model = inception_block()
engine = MiniEngine.build(model)
x = np.random.default_rng(0).standard_normal((1, 64, 28, 28), np.float32)
expected = make_session(model).run(None, {"x": x})[0]
got = engine.run({"x": x})["concat"]
for row in engine.plan_report():
    print(f"{row.layers} operators, {row.dram_bytes / 1024:4.0f} KiB moved   {row.name.replace(' || ', chr(10) + 26 * ' ' + '|| ')}")
print("equal to ONNX Runtime's result, up to rounding:", np.allclose(got, expected, rtol=1e-4, atol=1e-5))

# %% [markdown]
# Five kernels are left, and the results agree. (ONNX Runtime is a runtime of Microsoft's for ONNX files. It ran the block as written, operator by operator, with its own optimisers off.)
#
# Each of the sections below takes one mechanism apart.
#
# ### Vertical fusion: what is not written need not be read
#
# A kernel reads its input from the GPU's main memory, the **DRAM**, and writes its result back. Then the next kernel reads that again.
# Take one convolution with its BN and its Relu: 64 channels of 28 x 28 values, 4 bytes each.

# %%
from utils.engines.tensorrt_optimizer import fused_traffic_bytes, layers_of
from utils.engines.tensorrt_optimizer.blocks import residual_block
from utils.engines.tensorrt_optimizer.program import compile_model

model = residual_block()
layers, shapes = layers_of(model), compile_model(model).shapes
for n in (1, 2, 3):
    apart, together = fused_traffic_bytes(layers[:n], shapes)
    print(f"{' + '.join(layer.op for layer in layers[:n]):34} {apart / 1024:5.0f} KiB in {n} kernel(s), {together / 1024:4.0f} KiB in one")

# %% [markdown]
# Fusing alone leaves the arithmetic as it is. Only the two tensors in between are gone, each of which was written once and read once.
# BN can go a step further: at inference it scales and shifts each channel, so it moves into the convolution's weights and bias (chapter 35).
#
# Every kernel also has to be *launched*, which takes the host some microseconds. With small layers that alone can be most of the time.
# (A CUDA graph saves launches too: it records those of a whole run and replays them as one, chapter 07.)
#
# ### When is it allowed?
#
# A tensor inside a fused kernel is never stored. So nobody else may want it, and the engine must have a kernel for that chain, a *pattern*:

# %%
from utils.engines.tensorrt_optimizer import Layer, fuse_vertical

chain = [Layer("conv", "Conv", ("x",), "a"), Layer("relu", "Relu", ("a",), "b")]
skip = [*chain, Layer("add", "Add", ("a", "b"), "y")]
for told, layers, outputs in (("a plain chain", chain, ["b"]), ("the Add reads a too", skip, ["y"]), ("a is an output", chain, ["a", "b"])):
    print(f"{told:20} {[group.name for group in fuse_vertical(layers, outputs, [('Conv', 'Relu')])]}")

# %% [markdown]
# The second case is called **fan-out**: one tensor, several readers.
#
# ### Horizontal fusion: read the input once
#
# In the Inception block three convolutions of size 1x1 read the same input. Output channel *j* of a convolution depends on row *j* of its weights and on nothing else.
# So the three weights can be stacked into one convolution:

# %%
import numpy as np
import torch
import torch.nn.functional as F

from utils.engines.tensorrt_optimizer import ConvParams, merge_sibling_convs

rng = np.random.default_rng(0)
convs = [ConvParams("x", rng.standard_normal((o, 64, 1, 1), np.float32)) for o in (16, 24, 8)]
merged, channels = merge_sibling_convs(convs)
x = torch.from_numpy(rng.standard_normal((1, 64, 28, 28), np.float32))
whole = F.conv2d(x, torch.from_numpy(merged.weight))
for conv, part in zip(convs, channels):
    alone = F.conv2d(x, torch.from_numpy(conv.weight))
    print(f"channels {part.start:2} to {part.stop - 1:2}: largest difference {(whole[:, part] - alone).abs().max():.0e}")
print(f"the input has {x.numel() * 4 / 1024:.0f} KiB; it is read once instead of three times")

# %% [markdown]
# ### A concatenation that costs nothing
#
# A concatenation copies its inputs side by side. If the producers write to the right place at once, nothing is left to copy.
# In NumPy such a place is a **view**: an array without memory of its own.

# %%
import numpy as np

for batch in (1, 2):
    concat = np.zeros((batch, 80, 28, 28), np.float32)
    branch = concat[:, 16:48]  # 32 of the 80 channels
    shares, whole = np.shares_memory(concat, branch), branch.flags["C_CONTIGUOUS"]
    print(f"batch {batch}: shares memory: {shares}, in one piece: {whole}, strides in bytes: {branch.strides}")

# %% [markdown]
# With batch 2 the slice is no longer in one piece, so the kernel must be able to write with a stride: a fixed distance in memory from one image to the next. (The stride of a convolution is another thing.)
# This is why a compiler cannot always leave a concatenation out. And a tensor that already has its place elsewhere, such as an input of the graph, has to be copied after all.
#
# In the Inception block both ideas meet: of the merged convolution's 48 channels, 16 go into the concatenation's buffer, 24 and 8 to places of their own. So that kernel writes to three places.
#
# ### Tactics: measure instead of guessing
#
# One convolution, four ways to compute it. (They are real, and `direct` is torch's own library. A convolution's window of weights is often called a kernel too; here it is the **filter**.)
#
# | tactic | idea |
# |---|---|
# | `direct` | one call into the library |
# | `im2col_gemm` | every window of the image becomes a column, then one matrix product (GEMM) |
# | `fft` | a convolution is a product of spectra: the fast Fourier transform of image and filter |
# | `winograd_2x2_3x3` | four outputs of a 3x3 filter with 16 multiplications instead of 36 |
#
# All give the same result up to rounding. Each has its own hunger for scratch memory, the **workspace**:

# %%
import torch

from utils.engines.tensorrt_optimizer.tactics import TACTICS, ConvShape

shape = ConvShape.same(n=1, c=8, h=56, w=56, o=8, k=3)
generator = torch.Generator().manual_seed(0)
x = torch.randn(1, 8, 56, 56, generator=generator)
w = torch.randn(8, 8, 3, 3, generator=generator) / 72**0.5
right = torch.nn.functional.conv2d(x.double(), w.double(), padding=1)
for name, tactic in TACTICS.items():
    print(f"{name:17} workspace {tactic.workspace_bytes(shape) / 1024:5.0f} KiB, largest error {(tactic(x, w) - right).abs().max():.0e}")

# %% [markdown]
# Which one is fastest depends on shape, processor and library, so the builder tries. Three rules:
#
# - A tactic that needs more workspace than the limit is out.
# - The fastest of the others wins.
# - A **timing cache** remembers the times (the exercise below keeps only the winner). Its key holds all that a time depends on. A network with the same layer ten times pays once.
#
# To make the example repeatable, this timer has a clock of its own, which makes up the times:

# %%
from utils.engines.tensorrt_optimizer import TimingCache, select_tactic


class FakeTimer:
    def time(self, fn):
        return fn()


candidates = {"direct": (lambda: 3.0, 0), "fft": (lambda: 1.0, 500), "im2col": (lambda: 2.0, 100)}  # ms, workspace in bytes
cache = TimingCache()
for limit in (1000, 200, 200):
    choice = select_tactic("conv 1x8x56x56", candidates, limit, FakeTimer(), cache)
    print(f"limit {limit:4}: {choice.name:7} {choice.ms} ms, timed now: {choice.timed or 'nothing'}, out: {dict(choice.skipped)}")

# %% [markdown]
# Timing is noisy. When two tactics are nearly equal, two builds of one model may choose differently, and their results differ in the last digits.
# A saved timing cache makes builds repeatable, and much quicker.
#
# TensorRT times at the **opt** shape. With changing shapes an engine gets an *optimization profile*: a smallest shape, a largest, and opt, the one for which tactics are timed. At batch 32 an engine with opt = 1 works, if its largest shape allows it, with kernels chosen for batch 1.
#
# ### One arena
#
# Allocating memory while a network runs costs time. A compiler knows every tensor's size and **liveness**, the steps from its first write to its last read. So it places them all in one block beforehand, the **arena**.
# Tensors that never live at the same time may share bytes:

# %%
from utils.engines.tensorrt_optimizer import plan_memory

tensors = {"a": (1024, 0, 1), "b": (512, 1, 2), "c": (1024, 2, 3), "d": (256, 1, 3)}  # bytes, first step, last step
plan = plan_memory(tensors)
for name, use in plan.uses.items():
    print(f"{name}: {use.size:4} bytes, steps {use.first} to {use.last}, from byte {plan.offsets[name]:4} on")
print(f"arena {plan.peak_bytes} bytes; all tensors together {plan.sum_bytes}; no plan can do with less than {plan.lower_bound_bytes}")

# %% [markdown]
# a and c have the same bytes: a is dead when c is born. The rule is simple. Place the largest tensor first, each into the smallest gap that is free in *all* of its steps.
# A **residual** connection, which adds an early tensor to a late one, keeps its bytes occupied in between.
#
# Offsets are multiples of 64 bytes, a line of most CPUs' caches. GPUs want aligned addresses too.
#
# ### The engine as a file
#
# The result is saved: graph, weights, chosen tactics. Loading it times nothing.

# %%
import numpy as np

from utils.engines.tensorrt_optimizer.blocks import inception_block
from utils.engines.tensorrt_optimizer.mini_engine import MiniEngine
from utils.engines.tensorrt_optimizer.selection import device_and_library

engine = MiniEngine.build(inception_block())
data = engine.serialize()
again = MiniEngine.deserialize(data)
x = np.random.default_rng(0).standard_normal((1, 64, 28, 28), np.float32)
print(f"{len(data) / 1024:.0f} KiB; same result: {np.array_equal(engine.run({'x': x})['concat'], again.run({'x': x})['concat'])}")
print("made on:", device_and_library())

# %% [markdown]
# The last line stands in the file as well. `deserialize` refuses an engine that was made with another kind of processor or another version of the library: the times that decided are not true there.
# TensorRT refuses an engine of another release or GPU model in the same spirit. There are options for more portable engines, which may be slower.
#
# ### What ours does not do
#
# - It generates no code. TensorRT compiles chains of elementwise layers into new kernels.
# - It does not change layouts. TensorRT also tries tensors with the channels last or in blocks, and adds a *reformat* where two neighbours disagree.
# - It chooses no precision. Until release 10, options let TensorRT pick FP16 or INT8 kernels. In 11 they are gone:

# %%
from utils.engines.trtexec import FLAGS, RELEASES
from utils.engines.trtexec.flags import AS_OF

for release in RELEASES:
    has = [name for name in ("fp16", "bf16", "int8", "fp8", "int4", "calib", "noTF32") if release in FLAGS[name].releases]
    print(f"trtexec of TensorRT {release:5}: {' '.join('--' + name for name in has)}")
print("as of", AS_OF)

# %% [markdown]
# (trtexec is TensorRT's command-line program, chapter 31. `--calib` reads the ranges for INT8 that a *calibration* run found. `--noTF32` switches off TF32, which is on by default.)

# %% [markdown]
# ## See it
#
# ![Two rows. Above, the Inception block as written: 20 kernels read and write 3.45 MiB, and its arena has 588 KiB for 1,666 KiB of tensors. Below, with all three optimisations: 5 kernels, 1.25 MiB, and an arena of 637 KiB for 735 KiB of tensors, of which the output of the concatenation lives from the first step to the last.](figure.svg)
#
# The Inception block at batch 1 in float32. As written, 20 kernels move 3.45 MiB; compiled, 5 kernels move 1.25 MiB. The arena grew from 588 to 637 KiB: without a concatenation, its whole output is occupied from the first branch on.
#
# **Compiler view.** Switch the three optimisations on one by one. In the residual block, watch how long x lies in the arena.

# %% figure
from utils.widgets.ch24_tensorrt import compiler_view

compiler_view()

# %% [markdown]
# **Tactic map.** Each move of a slider times the four tactics again, on your machine.

# %% figure
from utils.widgets.ch24_tensorrt import tactic_map

tactic_map()

# %% [markdown]
# ## Exercises
#
# `np` and `Callable` (for annotations) are there from the set-up cell. Arguments of other types than the text names are not tested.

# %% [markdown] about="fusion_traffic"
# Count the bytes that a convolution and the elementwise layers behind it move to and from DRAM.
#
# - The convolution reads `in_elems` input elements and `weight_elems` weights and writes `out_elems` elements, each 0 or more.
# - `pointwise_ops` (0 or more) elementwise layers follow in a chain. Each reads one tensor of `out_elems` elements and writes one of the same size. Their own parameters are neglected.
# - An element has `dtype_bytes` bytes. All arguments are whole numbers. No tensor stays in a cache from one kernel to the next.
# - Return a pair of whole numbers: (bytes when every layer is a kernel of its own, bytes when all layers are one fused kernel).
# - The fused kernel reads the convolution's input and weights, and writes the last layer's result.
#
# For example `fusion_traffic(200704, 36864, 200704, 2, 4)` gives `(4964352, 1753088)`: a 3x3 convolution from 64 to 64 channels on 56x56 values in float32, with BN and Relu.
# And `fusion_traffic(200704, 36864, 200704, 0, 4)` gives `(1753088, 1753088)`.

# %% exercise="fusion_traffic"
def fusion_traffic(
    in_elems: int, weight_elems: int, out_elems: int, pointwise_ops: int, dtype_bytes: int
) -> tuple[int, int]:
    """DRAM bytes of a convolution and the elementwise layers behind it: (one kernel each, one kernel for all)."""
    ### BEGIN SOLUTION
    fused = in_elems + weight_elems + out_elems
    unfused = fused + pointwise_ops * 2 * out_elems
    return unfused * dtype_bytes, fused * dtype_bytes
    ### END SOLUTION

# %% check="fusion_traffic"
check("24.fusion_traffic", fusion_traffic)

# %% [markdown] about="fuse_chain"
# Group layers that can run as one kernel.
#
# - `layers` is a list of tuples (name, op, inputs, output) in an order in which they can run: `inputs` is a list of tensor names, `output` is one tensor name. Layer names are unique, and each tensor is made by at most one layer.
# - `outputs` is a list of the graph's output tensors. `patterns` is a list of tuples of ops, each of two or more ops; no pattern is listed twice.
# - Go through the layers in order. A layer that has no group yet begins one, and takes followers along if a pattern fits. A pattern fits if
#   - the layer's op is the pattern's first op;
#   - its output tensor has exactly one **consumer** (a layer that reads it; a layer that reads it twice, like `Mul(a, a)`, is one consumer) and is not in `outputs`;
#   - that consumer has no group yet, and its op is the pattern's next op;
#   - and so on, from layer to layer, until the pattern's last op. Nothing is asked of the last layer's output.
# - If several patterns fit, take the longest. If none fits, the layer is a group of its own.
# - Return a list of groups. A group is the list of its layers' names, in the pattern's order. Groups stand in the order of their first layers, which is not always one in which they can run. Any list may be empty.
#
# For example, with `patterns = [("Conv", "BN", "Relu"), ("Conv", "BN"), ("Conv", "Add")]`:
#
# ```python
# layers = [("conv1", "Conv", ["x"], "a"), ("bn1", "BN", ["a"], "b"), ("relu1", "Relu", ["b"], "c"),
#           ("conv2", "Conv", ["c"], "d"), ("add", "Add", ["d", "x"], "y")]
# ```
#
# and `outputs = ["y"]` give `[["conv1", "bn1", "relu1"], ["conv2", "add"]]`. In the second example another layer wants to read b:
#
# ```python
# layers = [("conv", "Conv", ["x"], "a"), ("bn", "BN", ["a"], "b"), ("relu", "Relu", ["b"], "c"), ("pool", "Pool", ["b"], "y")]
# ```
#
# With `outputs = ["c", "y"]` the result is `[["conv", "bn"], ["relu"], ["pool"]]`.

# %% exercise="fuse_chain"
def fuse_chain(
    layers: list[tuple[str, str, list[str], str]], outputs: list[str], patterns: list[tuple[str, ...]]
) -> list[list[str]]:
    """Names of the layers (name, op, inputs, output) in groups: chains whose operators spell a pattern, or one layer."""
    ### BEGIN SOLUTION
    readers = {}
    for index, (_, _, inputs, _) in enumerate(layers):
        for tensor in set(inputs):
            readers.setdefault(tensor, []).append(index)
    grouped = set()

    def match(start, pattern):
        chain = [start]
        for op in pattern[1:]:
            tensor = layers[chain[-1]][3]
            reading = readers.get(tensor, [])
            if tensor in outputs or len(reading) != 1 or reading[0] in grouped or layers[reading[0]][1] != op:
                return [start]
            chain.append(reading[0])
        return chain

    groups = []
    for index, layer in enumerate(layers):
        if index not in grouped:
            chains = [match(index, pattern) for pattern in patterns if pattern[0] == layer[1]]
            chain = max(chains, key=len, default=[index])
            grouped.update(chain)
            groups.append([layers[i][0] for i in chain])
    return groups
    ### END SOLUTION

# %% check="fuse_chain"
check("24.fuse_chain", fuse_chain)

# %% [markdown] about="merge_convs"
# Merge parallel convolutions of one input into one convolution.
#
# - `weights` is a list of arrays of shape (O, I, kH, kW), all of one floating-point dtype. O, the number of output channels, may differ from one to the next; it is 1 or more.
# - `biases` is a list of the same length: an array of shape (O,) in the dtype of the weights, or None for a convolution without bias.
# - The convolutions' stride, padding and dilation agree, and `groups` is 1: each output channel reads all input channels.
# - Return a tuple (weight, bias, ranges): `weight` of the merged convolution; its `bias`, a 1-D array in the dtype of the weights with zeros where a convolution had none (also if all had none); and `ranges`, a list with a pair of ints (start, stop) for each convolution: its output channels are start to stop - 1 of the merged output, in the order of the list.
# - An empty list raises `ValueError`. So do weights that differ in I, kH or kW.
#
# For example, weights of shape (16, 64, 1, 1), (24, 64, 1, 1) and (8, 64, 1, 1) give a weight of shape (48, 64, 1, 1) and the ranges `[(0, 16), (16, 40), (40, 48)]`.
# And weights `np.ones((2, 1, 1, 1), np.float32)` and `np.full((1, 1, 1, 1), 2, np.float32)` with the biases `[np.array([5, 6], np.float32), None]` give the bias `[5, 6, 0]` and the ranges `[(0, 2), (2, 3)]`.

# %% exercise="merge_convs"
def merge_convs(
    weights: list[np.ndarray], biases: list[np.ndarray | None]
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Weight, bias and channel ranges (start, stop) of one convolution that stands for several of the same input."""
    ### BEGIN SOLUTION
    weight = np.concatenate(weights)  # it refuses an empty list, and other axes that differ
    bias = np.zeros(len(weight), weight.dtype)
    ranges, start = [], 0
    for w, b in zip(weights, biases):
        stop = start + len(w)
        if b is not None:
            bias[start:stop] = b
        ranges.append((start, stop))
        start = stop
    return weight, bias, ranges
    ### END SOLUTION

# %% check="merge_convs"
check("24.merge_convs", merge_convs)

# %% [markdown] about="pick_tactic"
# Write the class `TacticPicker`, which chooses tactics and remembers its choices.
#
# - `TacticPicker(timer)`: `timer(fn)` runs `fn` and returns milliseconds (a float).
# - `choose(key, tactics, workspace_limit)` returns the name of a tactic. `tactics` is a dict from a name to a pair (function, workspace in bytes). `key` is a string that stands for a layer with its shapes; a key always comes with the same tactics. `workspace_limit` is in bytes.
# - A tactic is *admissible* if its workspace is at most the limit. If none is, raise `ValueError`.
# - For a new key, call `timer` once for each admissible tactic and for no other, and return the fastest. Equal times: the name that comes first in alphabetical order.
# - Remember the winner of the key. If the key comes again and its winner is admissible, return it and time nothing.
# - If it is not, because the limit is smaller now, choose among those that are admissible. You may time them once more, and the new winner is remembered. (In the checks the limits of one key never grow from call to call.)
# - `timings_made` is an attribute: how often `timer` has been called so far, 0 at the start.
#
# For example, let the times be 3.0, 1.0 and 2.0 ms for `"direct"`, `"fft"` and `"im2col"`, with workspaces of 0, 500 and 100 bytes.
# For the key `"conv"` a limit of 1000 gives `"fft"`, with three timings; the same call again gives `"fft"`, still three. A limit of 200 then gives `"im2col"`, with five at most (three if you kept the times).
# For the key `"other shape"` with times 1.0, 5.0 and 2.0 ms a limit of 1000 gives `"direct"`.

# %% exercise="pick_tactic"
class TacticPicker:
    """Chooses tactics with `timer(fn)` (ms), and times no key twice unless its winner exceeds a smaller limit."""

    def __init__(self, timer: Callable[[Callable], float]) -> None:
        ### BEGIN SOLUTION
        self.timer, self.timings_made, self.winners = timer, 0, {}
        ### END SOLUTION

    def choose(self, key: str, tactics: dict[str, tuple[Callable, int]], workspace_limit: int) -> str:
        """Name of the fastest tactic whose workspace (bytes) is at most the limit; ValueError if there is none."""
        ### BEGIN SOLUTION
        admissible = [name for name, (_, size) in tactics.items() if size <= workspace_limit]
        if not admissible:
            raise ValueError("no tactic fits the limit")
        if self.winners.get(key) not in admissible:
            times = {name: self.timer(tactics[name][0]) for name in admissible}
            self.timings_made += len(times)
            self.winners[key] = min(admissible, key=lambda name: (times[name], name))
        return self.winners[key]
        ### END SOLUTION

# %% check="pick_tactic"
check("24.pick_tactic", TacticPicker)

# %% [markdown] about="plan_arena"
# Place tensors in one block of memory.
#
# - `tensors` is a dict from a name to (bytes, first, last): a size of 0 or more, and the first and the last step in which the tensor lives, **both included**, first <= last. The dict may be empty, and it has no particular order.
# - `alignment` is a whole number of at least 1, 64 if it is left out.
# - Return a pair: a dict from each name to its offset in bytes, and the peak, a whole number.
# - Offsets are multiples of `alignment`, 0 or more. A tensor lies at bytes offset to offset + size - 1. Every tensor gets an offset, also one of 0 bytes, whose offset may be any multiple.
# - Tensors that live in a common step must not share a byte.
# - The peak is the largest offset + size of all tensors, not rounded; 0 without tensors.
# - Any valid plan counts, if its peak is at most 1.10 times what placing by size needs. Placing by size means: largest first, each where it shares no byte with a placed block that lives in a common step: in the smallest gap that holds it, measured from an aligned offset, or above all of these if none does. Of equal sizes the one that begins first goes first.
#
# For example `{"a": (1024, 0, 1), "b": (512, 1, 2), "c": (1024, 2, 3), "d": (256, 1, 3)}` needs a peak of 1792; c may have a's bytes.
# `{"a": (100, 0, 1), "b": (100, 1, 2)}` gives a peak of 228: both live at step 1, so one of them begins at byte 128.
# `{"x": (800, 0, 3), "h": (2400, 1, 2), "g": (2400, 2, 3), "y": (800, 3, 4)}` with an alignment of 64 needs 5664 by size. And `{}` gives `({}, 0)`.

# %% exercise="plan_arena"
def plan_arena(tensors: dict[str, tuple[int, int, int]], alignment: int = 64) -> tuple[dict[str, int], int]:
    """Offsets by name and the end of the highest tensor, for tensors given as name -> (bytes, first, last)."""
    ### BEGIN SOLUTION
    offsets = {}
    for name in sorted(tensors, key=lambda n: -tensors[n][0]):
        size, first, last = tensors[name]
        neighbours = [n for n in offsets if tensors[n][1] <= last and first <= tensors[n][2]]
        at = 0
        for other in sorted(neighbours, key=offsets.get):
            if offsets[other] - at >= size:
                break
            end = offsets[other] + tensors[other][0]
            at = max(at, -(-end // alignment) * alignment)
        offsets[name] = at
    return offsets, max((offsets[n] + tensors[n][0] for n in tensors), default=0)
    ### END SOLUTION

# %% check="plan_arena"
check("24.plan_arena", plan_arena)

# %% [markdown]
# ## Measure it
#
# One channel of 128 x 128 values, filters from 1 x 1 to 31 x 31, one thread. Before you run it: from which size on will the Fourier transform be faster than torch's own convolution?

# %% experiment
from utils.engines.tensorrt_optimizer.measurements import time_tactics
from utils.engines.tensorrt_optimizer.tactics import ConvShape
from utils.widgets.ch24_tensorrt import sweep_picture, tactic_table

widths = (1, 3, 5, 7, 11, 15, 21, 31)
rows = time_tactics([ConvShape.same(1, 1, 128, 128, 1, k) for k in widths], rounds=5)
tactic_table(widths, rows)

# %% experiment
sweep_picture(widths, rows)

# %% [markdown]
# No rule of thumb would have told you where, if at all, the lines cross on your machine. That is why builders measure.
#
# Now three sibling convolutions against one (64 channels to 16, 24 and 8, 1x1, 28 x 28), both in ONNX Runtime, one thread, with its own optimisers off:

# %% experiment
from utils.engines.tensorrt_optimizer.measurements import time_siblings
from utils.widgets.ch24_tensorrt import sibling_table

sibling_table(time_siblings())

# %% [markdown]
# Two things limit the gain here. The input fits into the CPU's cache, so reading it three times is cheap. And in ONNX a merged convolution needs a Split behind it, which copies.
# An engine that plans memory itself reads the three parts as slices, the last row. On a GPU two launches less count as well.
#
# The arena of a network of 20 equal convolutions (16 channels of 28 x 28 values in float32):

# %% experiment
from utils.engines.tensorrt_optimizer.measurements import arena_of_chain

found = arena_of_chain(20)
print(f"{found['tensors']} tensors of together {found['sum']:,} bytes; arena {found['arena']:,} bytes, 1/{found['sum'] / found['arena']:.1f} of that; lower bound {found['bound']:,}")

# %% [markdown]
# Two buffers are enough for a chain: one is read while the other is written.
#
# With TensorRT and a GPU, compare what it fuses with what we do. Elsewhere the cell says what it would show:

# %% experiment
from utils.widgets.ch24_tensorrt import tensorrt_groups

tensorrt_groups()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. Sources were read in November 2026, when TensorRT 11.4 was the newest release.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | TensorRT is a high-performance inference optimiser and runtime engine | holds | NVIDIA's documentation says the same |
# | 2 | building an engine is like compiling: the best operator for each layer, and structure, weights and kernels in one binary | holds, imprecise | "best" means fastest when timed, on that GPU and at that shape; how hard the builder searches is an option (level 0 to 5). The weights can be left out (`--stripWeights`, computed below) and put in later (refit) |
# | 3 | three official parsers: ONNX, Caffe, TensorFlow | dated | the Caffe parser was announced for removal in 8.0; trtexec 10.16 reads neither Caffe nor UFF, TensorFlow's format (computed below). TensorFlow models come through ONNX |
# | 4 | it merges layers (with a picture) | holds | the picture shows an Inception block with vertical and horizontal fusion, as in an early blog post of NVIDIA's; `MiniEngine` does both above |
# | 5 | it removes needless operations such as concat | depends | producers write into slices of one buffer, if strides allow it and no input has another place already; it can cost memory (637 against 588 KiB above) |
# | 6 | it optimises for different hardware | holds, one-sided | for NVIDIA GPUs, and for the DLA, a fixed accelerator for networks on NVIDIA's Jetson boards. By default an engine runs on the GPU model for which it was built |
# | 7 | it supports INT8 and FP16, to trade precision for speed | dated | also TF32, BF16, FP8, INT4 and FP4. In 11 the builder's options for them are gone, and so is its INT8 calibration: types come from casts and quantise/dequantise nodes in the model |
#
# Rows 2, 3 and 7, from the options that trtexec knows:

# %%
from utils.engines.trtexec import FLAGS, RELEASES

for row, name, told in (("2", "stripWeights", "engine without weights"), ("3", "onnx", "reads ONNX"), ("3", "deploy", "reads Caffe"), ("3", "uff", "reads UFF"),
                        ("7", "fp16", "FP16 by option"), ("7", "int8", "INT8 by option"), ("7", "calib", "INT8 calibration")):
    print(f"row {row}: {told:23}", ", ".join(f"{r}: {'yes' if r in FLAGS[name].releases else 'no':3}" for r in RELEASES))

# %% [markdown]
# ## Explain it
#
# Your network takes 4.0 ms in PyTorch at batch 1, in 180 kernels. A profile says: 1.2 ms are waiting for launches, 1.6 ms are BN, Relu and concatenations, 1.2 ms are convolutions that already run on tensor cores; the three parts do not overlap. A colleague says: "TensorRT will make it three times faster, it always does." Answer in six to eight sentences.
#
# A good answer names:
# 1. which part each mechanism can shrink, and why;
# 2. a bound in ms, computed from the profile, what it assumes about launches and convolutions, and what it says about "three times";
# 3. what could keep you above that bound;
# 4. what has to be equal on both sides of the comparison (chapters 29 and 48);
# 5. what the engine is tied to, and what that means for your deployment.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Vertical fusion takes BN and Relu into the convolutions, and a concatenation vanishes when the branches write into one buffer: at best the 1.6 ms go.
# Fewer kernels mean fewer launches. If 180 become 45, the 1.2 ms fall to 0.3 ms; a CUDA graph can do much the same.
# The 1.2 ms of convolutions are on tensor cores already: choosing tactics may gain a little, lower precision more, at a price in accuracy.
# So the bound is about 0.3 + 1.2 = 1.5 ms, a factor of 2.7, if the convolutions stay as they are; without any wait for launches it would be 1.2 ms, 3.3 times. "Three times" needs nearly that, or faster convolutions.
# Unknown operators that fall out of the engine, fan-out that blocks fusions, reformats between layouts, and a profile whose opt shape is not ours keep us above it.
# Both sides must be measured warm, at the same batch and precision, with or without the copies to the GPU, and against torch.compile rather than eager mode.
# The engine belongs to the GPU model and to the TensorRT release: we build it per target, keep the timing cache, and check its accuracy after each build.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("24")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | layer fusion (vertical, horizontal) | 层融合（纵向 / 横向） | a chain of layers, or siblings of one input, as one kernel |
# | tactic | 策略 / 内核实现 | one of several kernels for the same layer |
# | auto-tuning | 自动调优 | choosing among tactics by timing them |
# | timing cache | 计时缓存 | measured times, kept for the next build |
# | engine (plan) | 推理引擎 | the compiled network: kernels, weights, memory plan |
# | workspace | 工作区 | scratch memory of a kernel while it runs |
# | liveness | 生命周期（活跃区间） | the steps from a tensor's first write to its last read |
# | arena | 内存池 | one block that holds all activations |
# | calibration | 校准 | finding the ranges of activations for INT8 with sample data |
# | kernel launch overhead | 核函数启动开销 | time to start a kernel, whatever it computes |
# | concat elimination | 拼接消除 | producers write into slices of the result |
# | DLA | 深度学习加速器 | fixed accelerator for networks on NVIDIA's boards |
# | refit, stripped plan | 权重重装 / 剥离权重的计划 | putting new weights into an engine; an engine without weights |
# | optimization profile | 优化配置文件 | smallest shape of an input, the one for which tactics are timed, and the largest |

# %% [markdown]
# ## Sources
#
# - NVIDIA, TensorRT documentation 10.16 to 11.4, read in November 2026: *Optimizing Builder Performance* (timing cache), *Layer Fusion Catalog*, *Engine Compatibility*, *Refitting an Engine*, migration from 10.x to 11.x.
# - NVIDIA/TensorRT on GitHub (Apache-2.0): `samples/common/sampleOptions.cpp` at the tags v8.6.1, v10.16 and v11.1; release list, 11.4 of October 2026. NVIDIA developer blog, *Deploying Deep Neural Networks with NVIDIA TensorRT* (TensorRT's former name was GPU Inference Engine): vertical and horizontal fusion. API reference 8.0 and 8.2, list of deprecated members (Caffe parser).
# - C. Szegedy et al., *Going Deeper with Convolutions*, 2014: the Inception block.
# - A. Lavin and S. Gray, *Fast Algorithms for Convolutional Neural Networks*, 2015: Winograd's F(2x2, 3x3).
# - Y. Pisarchyk and J. Lee, *Efficient Memory Management for Deep Neural Net Inference*, 2020: placing by size.
