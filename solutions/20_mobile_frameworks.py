# %% [markdown]
# # 20 · Open-source inference frameworks for mobile
# **现有的一些移动端开源框架？**
#
# "We trained it in PyTorch. On the phone it is five points worse than on the server. Is the framework broken?" Usually not. The file that it reads is.
# The source, the interview document that this course mirrors, answers the question with five names. Three of them have stood still for years, and one of these never was an engine.
# This chapter checks the names. Then it opens the files of two living engines, writes them byte by byte, and runs into the two classic mistakes of a conversion: layout and padding.
#
# About 80 minutes: 55 for the five exercises, the rest to read, measure and explain. It helps to know chapters 23 (ONNX) and 29 (inference frameworks).

# %% setup
import struct
from itertools import groupby

import numpy as np

# %% [markdown]
# ## The short answer
#
# > As of November 2026 the living choices are these. LiteRT is TensorFlow Lite under a new name, the usual choice on Android. Core ML belongs to Apple's systems. ExecuTorch runs models exported from PyTorch. ncnn and MNN are small engines for every platform, and ONNX Runtime has mobile packages. NPUs, processors made for neural networks, are reached through the vendors' kits, such as Qualcomm's QNN.
# >
# > MACE and Paddle Lite are dormant, without work for more than a year: the last commits that I know of are from March 2024. PocketFlow is not an engine at all. It compresses models, and stopped in May 2019.
# >
# > I choose by four things. Which hardware does the engine reach on my devices? Which share of my model's work does that hardware take, and how often does it hand back to the CPU? How large is the library? Is somebody maintaining it?
# >
# > Then I convert and compare layer by layer, with the same input. The usual causes of a loss are weights or images in the wrong layout, and padding that sits on the other side of the image.

# %% [markdown]
# ## How it works
#
# ### One network, three files
#
# An **inference engine** runs a trained network and does nothing else. Each mobile engine has a file format of its own, so a **model converter** has to rewrite the network.
# Here is a small one: two convolutions, two ReLUs, the mean of each channel, a dense layer. It reads grey images of 28 × 28 pixels and gives 10 numbers.

# %%
from utils.engines.mobile_formats import example_cnn, onnx_to_ncnn, onnx_to_tflite

model = example_cnn()
param, weights = onnx_to_ncnn(model)
tflite = onnx_to_tflite(model)
print(f"ONNX:   {len(model.SerializeToString()):,} bytes")
print(f"ncnn:   {len(param.encode()):,} bytes of text and {len(weights):,} bytes of weights")
print(f"TFLite: {len(tflite):,} bytes")

# %% [markdown]
# The network has 1,418 numbers of 4 bytes each, 5,672 bytes. All three formats hold them; the rest is the graph.
#
# ### ncnn: a text and a pile of numbers
#
# **ncnn** is Tencent's engine. Its graph is a text that you can read:

# %%
from utils.engines.mobile_formats import example_cnn, onnx_to_ncnn

param, weights = onnx_to_ncnn(example_cnn())
print(param, end="")

# %% [markdown]
# - Line 1 is a **magic number**, by which ncnn recognises its files. Line 2 counts the layers and the **blobs**, the tensors between layers.
# - Then comes a line for each layer: its type, its name, the number of inputs, the number of outputs, their names, and parameters as `key=value`.
# - The keys are numbers, and each type has its own list. For a convolution, 0 is the number of outputs, 1 the kernel size, 3 the stride, 4 the padding, 5 whether there is a bias, 6 the number of weights.
#
# A key of -23303 means: an array follows, under key 3. So `-23303=2,2.0,3.0` is `{3: [2.0, 3.0]}`; the first number is the array's length.
#
# The other file, `.bin`, holds numbers only. Each **weight blob** begins with a flag of four bytes: 0 for float32, `0x01306B47` for float16. A bias has no flag.

# %%
from utils.engines.mobile_formats import example_cnn, onnx_to_ncnn

for fp16 in (False, True):
    param, weights = onnx_to_ncnn(example_cnn(), fp16=fp16)
    print(f"{'float16' if fp16 else 'float32'}: {len(weights):,} bytes, the first four {weights[:4].hex(' ')}")

# %% [markdown]
# There are no names and no sizes in it. If one byte is too many, everything behind it is read wrongly, and nothing in the file can tell.
#
# One more rule: an ncnn blob has *one* reader. Where two layers read the same tensor, a `Split` layer makes a blob for each.
#
# ### TFLite: a FlatBuffer
#
# **LiteRT**, until 2024 TensorFlow Lite, reads `.tflite` files. They are **FlatBuffers**: tables that point to each other by distances in bytes. Nothing is parsed on loading. The engine maps the file into memory and follows the pointers, and the weights are used where they lie.

# %%
from utils.engines.mobile_formats import example_cnn, onnx_to_tflite, read_tflite
from utils.widgets.ch20_mobile_frameworks import tflite_table

tflite = onnx_to_tflite(example_cnn())
print("the first eight bytes:", tflite[:8].hex(" "), "->", tflite[4:8])
tflite_table(read_tflite(tflite))

# %% [markdown]
# The first four bytes say where the root table begins, the next four are the format's identifier, `TFL3`. Compare the table with ncnn's text:
#
# - The shapes are turned: 1 × 28 × 28 × 1 where ONNX has 1 × 1 × 28 × 28.
# - The ReLUs are gone. They became a field of the convolution before them, a **fused activation**.
# - Before the second convolution stands a `PAD` that ONNX does not have.
#
# The first and the third point are where conversions go wrong.
#
# ### Layout: the same numbers in another order
#
# ONNX and PyTorch keep images as **NCHW**: image, channel, row, column. TFLite keeps **NHWC**: the channels of one pixel lie side by side. Two channels of 2 × 3 pixels:

# %%
import numpy as np

from utils.engines.mobile_formats import nchw_to_nhwc

x = np.arange(12).reshape(1, 2, 2, 3)  # (N, C, H, W)
print("NCHW in memory:", x.ravel())
print("NHWC in memory:", nchw_to_nhwc(x).ravel())

# %% [markdown]
# Pixel 0 has the values 0 and 6. In NHWC they are neighbours.
#
# A convolution weight has four axes too. ONNX says **OIHW**: output channel, input channel, row, column. TFLite says **OHWI**. (TensorFlow itself says HWIO, which is a third order.)
# In a **depthwise convolution** each input channel has filters of its own. ONNX stores it as (outputs, 1, H, W) with `group` equal to the number of channels; TFLite as 1HWC, one array with the output channels last.
#
# `reshape` gives the right *shape* and the wrong order:

# %%
import numpy as np

from utils.engines.mobile_formats import oihw_to_ohwi

w = np.arange(8).reshape(2, 2, 1, 2)  # (O, I, H, W)
print("as OIHW:         ", w.ravel())
print("transposed:      ", oihw_to_ohwi(w).ravel())
print("reshaped (wrong):", w.reshape(2, 1, 2, 2).ravel())

# %% [markdown]
# An engine can check a shape. It cannot check an order. So the wrong file loads, runs, and gives worse answers.
#
# ### Padding: what SAME means
#
# TFLite has two words for padding. `VALID` is none. `SAME` fixes the *output size*: ceil(size / stride) windows, and as much padding as the last of them needs. 28 pixels, a kernel of 3, stride 2:
# 14 windows begin at 0, 2, …, 26. The last one covers 26, 27 and 28, and the last pixel is number 27. So one pixel of padding is needed. SAME puts an odd pixel *after* the image: (0, 1).
# PyTorch's `padding=1` puts one on each side: (1, 1). Both give 14 outputs.

# %%
import torch
from torch.nn.functional import conv2d, pad

from utils.engines.mobile_formats import same_padding, window_positions

pads = same_padding(28, kernel=3, stride=2)
print("SAME:   ", pads, window_positions(28, 3, 2, pads)[:3], "…")
print("PyTorch:", (1, 1), window_positions(28, 3, 2, (1, 1))[:3], "…")

torch.set_num_threads(1)
rng = torch.Generator().manual_seed(0)
x, w = torch.randn(1, 16, 28, 28, generator=rng), torch.randn(8, 16, 3, 3, generator=rng)
ours, theirs = conv2d(pad(x, (0, 1, 0, 1)), w, stride=2), conv2d(x, w, stride=2, padding=1)
print(f"both {tuple(ours.shape)}; outputs of size {ours.std():.0f} differ by up to {(ours - theirs).abs().max():.0f}")

# %% [markdown]
# Every window of PyTorch's begins one pixel earlier. On a photograph that is a small shift, so a network keeps working, a few points worse. That is why this mistake reaches production.
#
# A converter has two honest ways out: an explicit `PAD` operator with `VALID` behind it, as in the table above, or a network that was trained with SAME.
#
# ### Compare layer by layer
#
# Do not look at the top-1 accuracy, look at tensors. Here a converter wrote SAME where one pixel on each side was meant. The first line that is off names the layer:

# %%
import numpy as np

from utils.engines.mobile_formats import (
    example_cnn, interpret_tflite, layerwise_diff, nchw_to_nhwc, onnx_to_tflite, with_same_padding,
)
from utils.graphs.onnx_tools import expose_outputs, make_session

model = example_cnn()
x = np.random.default_rng(0).standard_normal((1, 1, 28, 28)).astype(np.float32)
session = make_session(expose_outputs(model))
ref = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"x": x})))
got = interpret_tflite(onnx_to_tflite(with_same_padding(model)), {"x": nchw_to_nhwc(x)})
for diff in layerwise_diff(ref, got, {name: name for name in ("r1", "r2", "gap", "y")}, layout="NHWC"):
    print(f"{diff.name:4} {diff.shape!s:16} off by {diff.max_abs:.1e}, a share of {diff.relative:.1e}", "" if diff.ok else "<- wrong")

# %% [markdown]
# `r1` and `r2` are the outputs of the two convolutions with their ReLUs. `gap` is the mean over each channel's pixels, `y` the ten outputs. `r1` is right to the last bits. The second convolution has stride 2, and from there on everything is off.
# The wrong file was read by this course's own reader, in NumPy, so this works without any engine. Now the right files, on the real engines if they are installed:

# %%
import numpy as np

from utils.engines.mobile_formats import example_cnn, nchw_to_nhwc, onnx_to_ncnn, onnx_to_tflite, run_litert, run_ncnn
from utils.graphs.onnx_tools import make_session
from utils.optional import EngineUnavailable

x = np.random.default_rng(0).standard_normal((1, 1, 28, 28)).astype(np.float32)
print(f"{'ONNX Runtime':12}", make_session(example_cnn()).run(None, {"x": x})[0][0, :4].round(4), "…")
for name, run in (("ncnn", lambda: run_ncnn(*onnx_to_ncnn(example_cnn()), {"x": x})),
                  ("LiteRT", lambda: run_litert(onnx_to_tflite(example_cnn()), {"x": nchw_to_nhwc(x)}))):
    try:
        print(f"{name:12}", run()["y"][0, :4].round(4), "…")
    except EngineUnavailable as error:
        print(f"{name:12} {error}")

# %% [markdown]
# ### Delegates: how much of the work leaves the CPU?
#
# A **delegate** takes the operators that other hardware supports, and hands the rest back to the CPU. ONNX Runtime calls the same idea an execution provider.
# **Operator coverage** is often told as a share of nodes. What counts is the share of the work, in **MACs** (multiply-accumulates), and the number of changes of device.
#
# Four layers. The NPU takes `Conv` and `Act` at 100 GMAC/s (1 GMAC/s is 1e9 MACs a second), the CPU does 10 GMAC/s, and each change of device costs 1 ms. (The numbers are a model: assumed, not measured.)

# %%
from utils.engines import mobile_formats

layers = [("Conv", 900_000_000), ("Act", 0), ("Resize", 50_000_000), ("Conv", 50_000_000)]
for supported in (set(), {"Conv", "Act"}, {"Conv", "Act", "Resize"}):
    nodes, macs, ms = mobile_formats.coverage(layers, supported, cpu_gmacs=10, npu_gmacs=100, sync_ms=1)
    print(f"{nodes:4.0%} of the nodes, {macs:4.0%} of the MACs: {ms:5.1f} ms", sorted(supported))

# %% [markdown]
# Now the same work in more and smaller pieces: 40 million MACs of `Conv` for the NPU, split by a small `Norm` that stays on the CPU. 99.8 % of the MACs are covered in every line.

# %%
from utils.engines import mobile_formats

for pieces in (1, 2, 4, 8, 16):
    layers = [("Conv", 40_000_000 // pieces), ("Norm", 100_000 // pieces)] * pieces
    times = [mobile_formats.coverage(layers, ops, 10, 100, sync_ms=0.5)[2] for ops in ({"Conv"}, set())]
    print(f"{pieces:2} pieces: {times[0]:5.2f} ms with the NPU, {times[1]:.2f} ms on the CPU alone")

# %% [markdown]
# From four pieces on, the NPU makes the network slower than the CPU alone. One unsupported operator, repeated in every block, is enough.
#
# ### The size of the library
#
# An app carries its engine. A **reduced build** leaves out the kernels (here: the routines that compute an operator) that no model needs; ONNX Runtime reads the list from a file that a script makes from your models. The kernel sizes below are assumed:

# %%
from utils.engines.mobile_formats import example_cnn, op_footprint

kernel_kb = {"Conv": 420, "Gemm": 180, "Relu": 12, "GlobalAveragePool": 20, "Flatten": 4,
             "LSTM": 260, "Einsum": 310, "Resize": 150, "Attention": 640}
found = op_footprint([example_cnn()], {op: 1000 * kb for op, kb in kernel_kb.items()})
print(f"needed: {', '.join(found.operators)}")
print(f"{found.needed_bytes / 1000:,.0f} of {found.full_bytes / 1000:,.0f} KB of kernels, {found.share:.0%}")

# %% [markdown]
# The price: the next model may need an operator that is not there, and then the app needs an update.
#
# ### Who is alive?
#
# These are the five projects that the source names. "First seen" is the first public release or announcement for which a source was found, for Paddle Lite the first discussion of it under its old name. For ncnn only the month is known.

# %%
from utils.widgets.ch20_mobile_frameworks import project_table

project_table()

# %% [markdown]
# And these are engines for phones with news in 2026, out of chapter 29's catalogue. The words under "hardware": `mobile-gpu` is a phone's GPU, `apple-npu` is Apple's Neural Engine.

# %%
from utils.widgets.ch20_mobile_frameworks import mobile_table

mobile_table()

# %% [markdown]
# Check such a table again before you rely on it: the column "as of" says how old it is.
#
# Android's own interface to accelerators, **NNAPI**, is left out: Google deprecated it in Android 15, and points to LiteRT instead, with its GPU delegate where hardware is wanted.

# %% [markdown]
# ## See it
#
# ![Two rows of the same ten pixels. Above, TFLite's SAME: one pixel of padding after the image, five windows of three pixels with their centres on 1, 3, 5, 7 and 9. Below, PyTorch's padding of one on each side: five windows with their centres on 0, 2, 4, 6 and 8.](figure.svg)
#
# Ten pixels, a kernel of 3, stride 2. SAME pads (0, 1), PyTorch (1, 1). Both give five outputs, but PyTorch's windows begin one pixel earlier.
#
# **Padding microscope.** Keep a kernel of 3. At stride 2 an odd size makes the two rows agree, and so does stride 1 at any size. With an even size and stride 2 they are one pixel apart.

# %% figure
from utils.widgets.ch20_mobile_frameworks import padding_microscope

padding_microscope()

# %% [markdown]
# **The five projects of the source.** When is a project dormant? Move the limit and see who falls.

# %% figure
from utils.widgets.ch20_mobile_frameworks import project_timeline

project_timeline()

# %% [markdown]
# ## Exercises
#
# `struct`, `groupby` and `np` are there from the set-up cell. Arguments of other types than the text names are not tested.

# %% [markdown] about="same_pads"
# Compute the padding that TFLite's SAME stands for, along one axis.
#
# - `size` is the number of pixels, `kernel` the number of taps (the kernel's weights along this axis), `stride` the step from window to window, `dilation` the step from tap to tap (1: neighbouring pixels; 2: every second one). All are ints.
# - There are ceil(size / stride) windows. A window reaches over (kernel - 1) · dilation + 1 pixels.
# - The total padding is what the last window reaches beyond the image, and 0 if it does not.
# - Half of the total, rounded down, goes before the image, the rest after it. So an odd pixel goes *after*.
# - Return a tuple of two ints (before, after).
# - Raise `ValueError` for an argument below 1.
#
# For example `same_pads(28, 3, 2)` → `(0, 1)`, `same_pads(224, 7, 2)` → `(2, 3)`, `same_pads(5, 1, 2)` → `(0, 0)` and `same_pads(28, 3, 1, 2)` → `(2, 2)`.

# %% exercise="same_pads"
def same_pads(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Padding (before, after) of TFLite's SAME along one axis, in pixels."""
    ### BEGIN SOLUTION
    if min(size, kernel, stride, dilation) < 1:
        raise ValueError("all arguments must be positive")
    outputs = -(-size // stride)
    window = (kernel - 1) * dilation + 1
    total = max((outputs - 1) * stride + window - size, 0)
    return total // 2, total - total // 2
    ### END SOLUTION

# %% check="same_pads"
check("20.same_pads", same_pads)

# %% [markdown] about="to_tflite_layout"
# Lay out a convolution weight as TFLite stores it.
#
# - `w` is an array of four axes OIHW: output channels, input channels of a group, rows, columns. It may have any numeric dtype and any strides.
# - `groups` is ONNX's attribute `group`. With `groups` = 1 the result is OHWI, also where I is 1.
# - Otherwise the convolution is depthwise: `groups` is the number of input channels, and I is 1. The result has the shape (1, H, W, O); its output channels keep ONNX's order. O may be a multiple of `groups`.
# - The result has the dtype of `w` and is C-contiguous: the last axis lies side by side in memory. (`result.flags.c_contiguous` is True.)
# - Raise `ValueError` for `groups` below 1, and for `groups` above 1 where I is not 1 or `groups` does not divide O.
#
# For example a weight of shape (8, 3, 5, 7) becomes (8, 5, 7, 3). One of shape (6, 1, 3, 3) becomes (1, 3, 3, 6) with `groups=6`, and (6, 3, 3, 1) with `groups=1`.

# %% exercise="to_tflite_layout"
def to_tflite_layout(w: np.ndarray, groups: int = 1) -> np.ndarray:
    """A weight OIHW in TFLite's layout: OHWI for one group, (1, H, W, O) for a depthwise convolution."""
    ### BEGIN SOLUTION
    if groups == 1:
        return np.ascontiguousarray(w.transpose(0, 2, 3, 1))
    if groups < 1 or w.shape[1] != 1 or w.shape[0] % groups:
        raise ValueError("groups must be 1 or the number of input channels")
    return np.ascontiguousarray(w.transpose(1, 2, 3, 0))
    ### END SOLUTION

# %% check="to_tflite_layout"
check("20.to_tflite_layout", to_tflite_layout)

# %% [markdown] about="parse_param"
# Read ncnn's `.param` text.
#
# - Lines that are blank (empty or only white space) do not count, wherever they stand. Of the others, the first is the magic number `7767517`, the second holds the layer count and the blob count, and each further one is a layer.
# - A layer's words are separated by white space: type, name, number of inputs, number of outputs, the inputs' names, the outputs' names, then pairs `key=value`. Names are found by their number: a name may be anything without white space, also `a=1`.
# - Keys are whole numbers. A key above -23300 has one number as its value. A key of -23300 or below means an array: -23303 is an array under key 3, that is, under -23300 - key. Its value is `count,v1,v2,…` with `count` numbers behind the count, possibly none.
# - A number with `.` or `e` becomes a float, any other an int. This holds for single values and for each array element. (`E`, `inf` and `nan` are not tested.)
# - Return a list of tuples (type, name, list of inputs, list of outputs, dict of parameters), in the order of the lines.
# - Raise `ValueError` when the first non-blank line is not the magic number (or there is none), when the layer count is not the number of layers, and when an array holds more or fewer numbers than its count says. The blob count is not checked. The count line is always there, lines have no other faults, and no two keys of a line stand for the same parameter.
#
# For example
#
# ```python
# text = """7767517
# 3 3
# Input x 0 1 x 0=28 1=28 2=1
# Convolution c1 1 1 x c1 0=8 1=3 3=1 4=1 5=1 6=72
# BinaryOp add 2 1 c1 x y 0=0 2=1e-3 -23303=2,2.0,3.0
# """
# ```
#
# gives `[("Input", "x", [], ["x"], {0: 28, 1: 28, 2: 1}), ("Convolution", "c1", ["x"], ["c1"], {0: 8, 1: 3, 3: 1, 4: 1, 5: 1, 6: 72}), ("BinaryOp", "add", ["c1", "x"], ["y"], {0: 0, 2: 0.001, 3: [2.0, 3.0]})]`.
# The text `"7767517\n1 9\nSplit s 1 3 a a0 a1 a2\n"` gives `[("Split", "s", ["a"], ["a0", "a1", "a2"], {})]`.

# %% exercise="parse_param"
def parse_param(text: str) -> list[tuple[str, str, list[str], list[str], dict]]:
    """The layers of an ncnn .param text: (type, name, inputs, outputs, parameters by number)."""
    ### BEGIN SOLUTION
    def number(word):
        return float(word) if "." in word or "e" in word else int(word)

    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != ["7767517"]:
        raise ValueError("the magic number is missing")
    layers = []
    for kind, name, *words in lines[2:]:
        first = 2 + int(words[0])
        last = first + int(words[1])
        params = {}
        for pair in words[last:]:
            key, _, value = pair.partition("=")
            values = [number(v) for v in value.split(",")]
            if int(key) > -23300:
                params[int(key)] = values[0]
                continue
            if values[0] != len(values) - 1:
                raise ValueError("an array has another length than it says")
            params[-23300 - int(key)] = values[1:]
        layers.append((kind, name, words[2:first], words[first:last], params))
    if int(lines[1][0]) != len(layers):
        raise ValueError("the layer count is wrong")
    return layers
    ### END SOLUTION

# %% check="parse_param"
check("20.parse_param", parse_param)

# %% [markdown] about="pack_bin"
# Write ncnn's `.bin` file.
#
# - `layers` is a list of tuples (weight, bias, fp16). `weight` is a float32 array of any shape and any strides with at least one element, `bias` a float32 array of one axis or None, `fp16` a bool. The list may be empty.
# - The file holds the layers in order: for each the weight blob, then the bias if there is one. Everything is little-endian, arrays are in C order.
# - A weight blob begins with its flag, an unsigned 32-bit number: 0, or `0x01306B47` where `fp16` is True.
# - After the flag come the numbers, as float32; where `fp16` is True as float16 (rounded to nearest, ties to even, as NumPy's `astype` does), and then zero bytes until their size is a multiple of 4.
# - A bias is written as float32, without a flag and without padding, also where `fp16` is True.
# - Raise `ValueError` if an element of a weight with `fp16` True is above 65504 or below -65504. (NaN is not tested.) Other weights and biases may be as large as they like.
# - Return the file as `bytes`.
#
# For example a weight of shape (3, 5) with a bias of 3 gives 4 + 60 + 12 = 76 bytes as float32, and 4 + 30 + 2 + 12 = 48 bytes as float16; the first four are then `47 6b 30 01`.

# %% exercise="pack_bin"
def pack_bin(layers: list[tuple[np.ndarray, np.ndarray | None, bool]]) -> bytes:
    """The .bin file of layers (weight, bias or None, whether the weight is stored as float16)."""
    ### BEGIN SOLUTION
    data = bytearray()
    for weight, bias, fp16 in layers:
        if fp16:
            if np.abs(weight).max() > 65504:
                raise ValueError("a weight is out of float16's range")
            halves = weight.astype("<f2").tobytes()
            data += struct.pack("<I", 0x01306B47) + halves + bytes(-len(halves) % 4)
        else:
            data += struct.pack("<I", 0) + weight.astype("<f4").tobytes()
        if bias is not None:
            data += bias.astype("<f4").tobytes()
    return bytes(data)
    ### END SOLUTION

# %% check="pack_bin"
check("20.pack_bin", pack_bin)

# %% [markdown] about="coverage"
# Say what a delegate takes over, and how long the network takes with it.
#
# - `layers` is a list of tuples (operator, MACs) in the order in which they run; MACs are whole numbers, 0 or more. `supported` is the set of operators that the NPU takes.
# - Every layer whose operator is supported runs on the NPU at `npu_gmacs` GMAC/s, every other one on the CPU at `cpu_gmacs` GMAC/s. 1 GMAC/s is 1e9 MACs a second.
# - Input and output of the network are on the CPU. Each change of device costs `sync_ms` milliseconds, the first and the last one included. A maximal run of supported layers is therefore one visit with two changes, also where its layers have no MACs.
# - Return a tuple of three floats: the share of layers that are supported, the share of MACs in supported layers, and the total time in ms.
# - A share is 0.0 if there are no layers, or no MACs. Without layers the time is 0.0.
# - Raise `ValueError` for a speed that is not positive, a negative `sync_ms`, or negative MACs, also where it would not matter.
#
# For example `[("Conv", 900_000_000), ("Act", 0), ("Resize", 50_000_000), ("Conv", 50_000_000)]` with `{"Conv", "Act"}`, a CPU of 10 and an NPU of 100 GMAC/s and 1 ms a change gives `(0.75, 0.95, 18.5)`: 9 + 5 + 0.5 ms of computing and 4 changes.
# With nothing supported it is `(0.0, 0.0, 100.0)`. Two layers `("Act", 0)` with `{"Act"}` give `(1.0, 0.0, 2.0)`.

# %% exercise="coverage"
def coverage(layers: list[tuple[str, int]], supported: set[str], cpu_gmacs: float, npu_gmacs: float,
             sync_ms: float) -> tuple[float, float, float]:
    """(share of layers supported, share of MACs supported, total time in ms) with a delegate for an NPU."""
    ### BEGIN SOLUTION
    if cpu_gmacs <= 0 or npu_gmacs <= 0 or sync_ms < 0 or any(macs < 0 for _, macs in layers):
        raise ValueError("speeds must be positive, sync_ms and MACs not negative")
    nodes = sum(op in supported for op, _ in layers)
    total = sum(macs for _, macs in layers)
    on_npu = sum(macs for op, macs in layers if op in supported)
    visits = sum(key for key, _ in groupby(layers, key=lambda layer: layer[0] in supported))
    time_ms = on_npu / (npu_gmacs * 1e6) + (total - on_npu) / (cpu_gmacs * 1e6) + 2 * visits * sync_ms
    return nodes / len(layers) if layers else 0.0, on_npu / total if total else 0.0, time_ms
    ### END SOLUTION

# %% check="coverage"
check("20.coverage", coverage)

# %% [markdown]
# ## Measure it
#
# The same network in three formats, on every engine that is installed here, and on two readings of the files in NumPy. One thread, 200 rounds, the engines take turns.
# Before you run it: which reading will be slowest, and by what factor: 10, 100 or 1,000?

# %% experiment
from utils.engines.mobile_formats.experiment import race_formats
from utils.widgets.ch20_mobile_frameworks import race_table

race = race_formats(repeats=200)
race_table(race)

# %% [markdown]
# An engine that is not installed tells how to get it; nothing in this chapter depends on it. The last two lines are Python: they read the bytes anew in every run, and show what an engine is for.
# At this size the times say more about the overhead of a call than about the engines' routines. Chapter 29 races larger networks.

# %% experiment
from utils.widgets.ch20_mobile_frameworks import difference_table

difference_table(race)

# %% [markdown]
# All differences are rounding: float32 has about seven digits, and each engine adds in its own order. Every larger difference has a cause.
#
# Now five mistakes, one at a time. In TFLite: SAME for one pixel on each side, weights reshaped instead of transposed, and weights in the order HWIO. In ncnn: the dense weight transposed, and a flag before the bias too. Each bar is the error of the ten outputs, whose largest is about 1.3 in the right run.

# %% experiment
from utils.engines.mobile_formats import try_bugs
from utils.widgets.ch20_mobile_frameworks import bug_picture

bug_picture(try_bugs())

# %% [markdown]
# The right files are six orders of magnitude better than any wrong one. The real engines refuse none of these files: a transposed weight has the right size, and the four bytes too many before a bias are numbers like any other.
# Where ncnn is not installed, the course's own reading refuses the last file. It looks at every flag.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question names. Dates are those of the table above, as of 2026-11-27.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | NCNN is a mobile framework | holds | active: the wheel of 2026-10-20 runs above. CPU, and GPU through Vulkan (a graphics interface). Since August 2024 its author recommends the converter `pnnx` over the older one for ONNX |
# | 2 | Paddle Lite, with a link to `paddle-mobile` | dated | the project is called Paddle Lite since August 2019; the old code was removed in September 2020. Last commit seen: 2024-03-28 |
# | 3 | MACE (Xiaomi) | dated | open since 2018-06-28, for TensorFlow, Caffe and ONNX models. Last commit seen: 2024-03-11 |
# | 4 | TensorFlow Lite | renamed | LiteRT since September 2024. `.tflite` files stay; the Python package `tflite-runtime` became `ai-edge-litert`; new features come to LiteRT only |
# | 5 | PocketFlow is a mobile framework | wrong | it compresses models: pruning, quantisation, distillation. It does not run them (see its files below). Last commit seen: 2019-05-28 |
# | 6 | "and so on" | incomplete | missing: MNN, Core ML, ExecuTorch, ONNX Runtime, and the vendors' kits for NPUs, which is most of what is chosen today |
#
# Rows 1 to 5, recomputed from the dates; and row 5 by what the projects' files are called:

# %%
from utils.engines.mobile_formats import AS_OF, PROJECTS

for project in PROJECTS:
    age = (project.last - project.first).days / 365.25
    state = "dormant" if project.is_dormant(AS_OF) else "active"
    print(f"{project.name:25} {age:4.1f} years of work, idle for {project.idle_days(AS_OF):5,} days: {state}, {project.role}")

# %%
from utils.widgets.ch20_mobile_frameworks import file_table

file_table()

# %% [markdown]
# ## Explain it
#
# A colleague converted a detector from PyTorch to TFLite with a converter of your company. On the test set, mean average precision (a detector's accuracy) fell from 41 to 36 %. Nothing was quantised. He suggests changing the engine. Answer in six to eight sentences.
#
# A good answer names:
# 1. why rounding, threads or the engine are unlikely causes;
# 2. two likely causes, and how each shows in the tensors;
# 3. how you would find the layer, step by step;
# 4. how the converter would be mended;
# 5. what test would have caught it.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Rounding in float32 changes the seventh digit, threads change the time, and another engine would read the same file: none of these costs five points.
# The network still works, so its weights are mostly right. I suspect padding at the layers with stride 2: SAME pads (0, 1) where PyTorch pads (1, 1), and every window moves by a pixel, which hurts the boxes of a detector first.
# The second suspect is the input: RGB and BGR swapped, another scaling, or NCHW bytes read as NHWC, although the last one usually destroys the result.
# I run one image through both, with the same preprocessed input, and compare tensor by tensor, after turning NHWC back to NCHW.
# If the first tensors agree to six digits and the first layer with stride 2 does not, it is the padding; if already the first layer is off, it is the input or the layout of the weights.
# The converter has to write a PAD operator and VALID wherever the padding is not what SAME means for that size.
# A test that converts a network with strides, even sizes and a depthwise layer, and compares every tensor with ONNX Runtime within 1e-4, would have failed on the first day.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("20")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | on-device inference | 端侧推理 | the network runs on the phone, not on a server |
# | LiteRT (TensorFlow Lite) | LiteRT | Google's engine for phones; reads `.tflite` |
# | FlatBuffer | 扁平缓冲序列化格式 | a file of tables that is read in place, without parsing |
# | delegate | 委托（硬件后端） | the part of an engine that hands operators to other hardware |
# | layout NCHW / NHWC | 数据布局 | the order of axes in memory |
# | depthwise convolution | 深度可分离卷积中的逐通道卷积 | each input channel has filters of its own |
# | SAME padding | SAME 填充 | padding for ceil(size / stride) outputs; an odd pixel goes after |
# | operator coverage | 算子覆盖率 | the share of a network that an engine or a delegate takes |
# | model converter | 模型转换器 | rewrites a network into an engine's format |
# | reduced build | 裁剪编译 | an engine with only the operators that the models need |
# | weight blob | 权重数据块 | one weight in ncnn's `.bin`, with its flag |
# | dormant project | 停止维护的项目 | no sign of work for a long time, here more than a year |

# %% [markdown]
# ## Sources
#
# - Tencent, ncnn: *param and model file structure* (wiki), `src/modelbin.cpp`; issue 214 (2024-08-05) for `pnnx`.
# - Google: *LiteRT, migration from TensorFlow Lite*, ai.google.dev; *NNAPI migration guide*, developer.android.com; the schema of `.tflite` as shipped in ai-edge-litert 2.3.0. The month of the renaming: aiwiki.ai, *TensorFlow Lite* (2026-06-23).
# - FlatBuffers: *FlatBuffer Internals*. TensorFlow: module `tf.nn`, notes on padding.
# - Microsoft: *Reduced operator config file*, onnxruntime.ai.
# - Tencent, PocketFlow: README and file list.
# - Written and run here on 2026-11-27: ncnn 1.0.20261020, ai-edge-litert 2.3.0, MNN 3.6.1, onnxruntime 1.32.0.
# - The rows about projects and engines:

# %%
from utils.widgets.ch20_mobile_frameworks import source_list

source_list()
