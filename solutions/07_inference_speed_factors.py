# %% [markdown]
# # 07 · What determines inference speed?
# **影响模型inference速度的因素？**
#
# "Make it faster" is not a task yet. It needs a diagnosis first: is the arithmetic the limit, the memory, the start of each operator, or not the model at all?
# Three numbers of a device and the shape of a layer are enough to say which.
#
# About 80 minutes. It helps to know chapters 12 (FLOPs) and 44 (memory bandwidth).

# %% setup
import math

# %% [markdown]
# ## The short answer
#
# > An operator takes about max(FLOPs / peak, bytes / bandwidth), plus a fixed cost to launch it. The operators of a network run one after another, so their times add up. Pre- and post-processing come on top.
# >
# > So four things count: the FLOPs, the bytes moved (the memory access cost), the parallelism that is available at this batch size, and the platform with its number formats and the quality of its programs.
# >
# > FLOPs alone mislead. Depthwise convolutions, normalisation and LLMs that write token by token are bound by bandwidth. Small layers at small batches are bound by launches.
# >
# > My levers, in this order: measure; merge operators and remove launches; lower precision; a larger batch; a better layout; then change the architecture.
# > And Amdahl: if the model is 60 % of the request, making it 4 times faster makes the request 1.8 times faster.

# %% [markdown]
# ## How it works
#
# ### 256 times fewer FLOPs
#
# A 3 × 3 convolution has 256 channels in and out, on a 28 × 28 map, batch 32, in FP16. Each output channel is computed from all 256 input channels.
# We replace it by a **depthwise** one: each channel has a 3 × 3 filter of its own and sees no other channel. That needs 256 times fewer FLOPs.
# In code this is the argument `groups`: it splits the channels into so many groups, and an output channel sees the inputs of its group only. `groups=1` is the full convolution, `groups=256` the depthwise one.
#
# How much faster is it on an H100? We assume that starting an operator, its launch, costs 5 µs:

# %%
from utils.cost.roofline.op_costs import conv_op
from utils.cost.roofline import op_time_us
from utils.hardware.roofline_devices import roofline_devices

h100 = roofline_devices()["H100 SXM"]
for groups, name in ((1, "full"), (256, "depthwise")):
    op = conv_op(28, 28, 256, 256, 3, groups=groups, item_bytes=2, batch=32)
    t = op_time_us(op, h100, "fp16")
    print(f"{name:9} {op.flops / 1e9:6.3f} GFLOP {op.bytes_moved / 1e6:5.1f} MB: arithmetic {t.compute_us:6.2f} µs, memory {t.memory_us:.2f} µs, "
          f"in all {t.total_us:.1f} µs with an assumed launch of {t.launch_us:g} µs ({t.bound}-bound)")

# %% [markdown]
# About 3 times, not 256 times. (This is computed from data-sheet numbers and the assumed launch, not measured.) The arithmetic nearly vanished. But the same images still have to be read and written, and an operator still has to be started.
#
# ### A device in three numbers
#
# - **peak**: FLOPs per second, by number format. H100, FP16: 989 TFLOP/s. That is the dense rate (no zeros skipped) of its tensor cores, which multiply matrices. Elementwise operators, such as ReLU or an addition, run on other units and don't reach it. They wait for memory anyway, so this changes no prediction here.
# - **bandwidth**: bytes per second to and from its memory. H100: 3,350 GB/s.
# - **launch**: the fixed cost of starting an operator. Data sheets don't give it. We assume 5 µs for a GPU that is driven from Python, and say so each time.
#
# A GPU runs an operator as a program called a **kernel**, and a launch starts one. The k × k window of a convolution is often called a kernel as well. Here it is a filter.
#
# Here is the machine that you sit at, on one thread. Peak: a matrix product. Bandwidth: a copy. Launch: an addition of two single numbers.

# %% experiment
from utils.cost.roofline.experiment import host_device
from utils.widgets.ch07_inference_speed_factors import host_line

host = host_device(seconds=1.5)
print(host_line(host))

# %% [markdown]
# An operator needs FLOPs and bytes. Arithmetic and memory traffic run at the same time, so the longer one counts. The launch comes on top:
#
# $$t = t_\text{launch} + \max\left(\frac{\text{FLOPs}}{\text{peak}}, \frac{\text{bytes}}{\text{bandwidth}}\right)$$
#
# The largest of the three names the **bound**: the operator is compute-bound, memory-bound or launch-bound.
# You will write this in exercise 2.
#
# ### Intensity
#
# Divide the FLOPs of an operator by its bytes: that is its **arithmetic intensity**. Divide the peak of a device by its bandwidth: that is its **ridge**.
# An operator below the ridge waits for memory, one above waits for arithmetic, unless its launch is longer than both. Most ridges are high:

# %%
from utils.widgets.ch07_inference_speed_factors import device_table

device_table()

# %% [markdown]
# Which bytes? Each input, each weight and each output crosses memory once. If nothing stays in a cache, that is the best case: no kernel reads anything twice. A tensor that is found in a cache does not cross memory at all.

# %%
from utils.cost.roofline.op_costs import conv_op, linear_op
from utils.cost.roofline import intensity

print(f"3x3 convolution, 256 → 256, 28 × 28, FP32: {intensity(conv_op(28, 28, 256, 256, 3)):6.1f} FLOP/B")
print(f"1x1 convolution, the same                : {intensity(conv_op(28, 28, 256, 256, 1)):6.1f}")
print(f"depthwise 3x3, the same                  : {intensity(conv_op(28, 28, 256, 256, 3, groups=256)):6.1f}")
print(f"linear 4096 × 4096, batch 1              : {intensity(linear_op(1, 4096, 4096)):6.1f}")

# %% [markdown]
# Draw the rate that a device allows over the intensity, both on logarithmic axes. It looks like a roof: a slope of bandwidth, then a flat peak. That is the **roofline**.

# %%
from utils.widgets.ch07_inference_speed_factors import roof_picture

roof_picture()

# %% [markdown]
# Each point is an operator: its intensity, and the rate that its predicted time gives. Blue points are compute-bound, orange ones memory-bound. The shape says which operator it is, and the legend has its time.
#
# The points lie below the roof, by a factor of 1.2 to 1.7. That distance is the assumed launch of 5 µs: the linear layer of 4,096 × 4,096 at batch 1 takes 15 µs in place of 10.
# It gets 0.2 % of the peak. An LLM that writes for one user consists of such layers. No bug is involved.
#
# ### What a batch does
#
# A linear layer reads its weights once for the whole batch. So its intensity grows with the batch. Past the ridge the layer is compute-bound, and a larger batch gains no more, apart from sharing the launch. A depthwise layer has almost no weights to share:

# %%
from utils.cost.roofline.op_costs import conv_op, linear_op
from utils.cost.roofline import intensity

for batch in (1, 8, 64, 512):
    dense, thin = linear_op(batch, 4096, 4096, 2), conv_op(28, 28, 256, 256, 3, groups=256, item_bytes=2, batch=batch)
    print(f"batch {batch:3}: linear {intensity(dense):6.1f} FLOP/B, depthwise {intensity(thin):.2f} FLOP/B")

# %%
from utils.cost.roofline.op_costs import critical_batch_linear

for n in (590, 4096, 8192):
    print(f"n = {n}: smallest batch that is compute-bound on an H100 (ridge 295.2):", critical_batch_linear(n, n, 2, 295.2) or "never")

# %% [markdown]
# A layer of 590 × 590 never gets there: it has too few weights for its inputs and outputs. No batch lifts an n × n layer in FP16 to n / 2 FLOP/B, and 590 / 2 = 295 is just below the ridge.
#
# A batch also gives a wide device enough independent work. With one image most of its units have nothing to do. This **degree of parallelism** is not in our formula: it is a reason why small operators stay below the roof.
#
# ### A whole network
#
# ResNet-50 in FP16 on an H100. We let torch run it and note every operator that it calls, with the bytes of its real tensors. Each one gets its predicted time, with an assumed launch of 5 µs. The last three columns split the time by what bounds each operator:

# %%
from utils.widgets.roofline_points import roofline_points

print("batch  fused  graph  operators   µs a sample   launch  memory  compute")
for batch, fused, graph in ((1, False, False), (1, True, False), (1, True, True), (64, False, False), (64, True, False), (64, True, True)):
    p = roofline_points("ResNet-50", "H100 SXM", "fp16", batch, fused, graph)
    shares = [p["us_by_bound"][b] / p["total_us"] for b in ("launch", "memory", "compute")]
    print(f"{batch:5}  {'yes' if fused else 'no':>5}  {'yes' if graph else 'no':>5}  {len(p['names']):9}  {p['total_us'] / batch:12.1f}   "
          + "  ".join(f"{share:6.0%}" for share in shares))

# %% [markdown]
# Read it from the top. At batch 1 all of the 174 operators are launch-bound: a GPU with twice the FLOP/s would change almost nothing.
# **Fusion** merges normalisation, activation and addition into the convolution before them: 56 operators are left. Compilers for networks, such as `torch.compile`, do this.
# A **CUDA graph** is a recording of all launches of a run. Replaying it costs one launch.
# At batch 64 launches matter less, and memory dominates: operators that take 7 % of the time are launch-bound, 1 % when fused. The 174 launches of 5 µs still add up to 0.9 of 4.1 ms. Only 8 to 20 % of the time is bound by arithmetic.
#
# These are times at best. The third row is far from what a real GPU reaches, since a single image can't fill it. The *diagnosis* is right long before the numbers are.
#
# ### What fusion saves
#
# Bias, ReLU and a residual addition, each a kernel of its own, on 64 × 112 × 112 values in FP32. Count tensor passes: a pass reads or writes all the values once.
# The bias takes 2, one read and one write: its own 64 numbers, one for each channel, are too few to count. ReLU takes 2. The addition reads two tensors and writes one: 3.

# %%
from utils.cost.roofline.op_costs import conv_op, elementwise_op, fuse_elementwise

n = 64 * 112 * 112
conv = conv_op(112, 112, 64, 64, 3)
chain = [elementwise_op(n, operands) for operands in (1, 1, 2)]
(fused,) = fuse_elementwise([conv, *chain])
print(f"three kernels move {sum(op.bytes_moved for op in chain) / 1e6:.1f} MB; fused into the convolution they add {(fused.bytes_moved - conv.bytes_moved) / 1e6:.1f} MB")

# %% [markdown]
# The residual still has to be read. Everything else stays in registers, the few numbers that a processor holds beside its arithmetic units.
#
# ### What a change buys
#
# Five common changes, for three layers with different bounds and a chain of ten tiny ones, on an invented device of 1,000 GFLOP/s, 100 GB/s and 5 µs a launch. `graph` is a CUDA graph. The number is old time over new time, per sample:

# %%
from utils.cost.roofline.speedup import CHANGES
from utils.cost.roofline.speedup import explain_speedup as our_speedup

layers = {  # FLOPs, bytes of weights, bytes of activations
    "compute-bound": [(8e7, 1e5, 1e5)], "memory-bound, weights": [(1e6, 4e6, 1e4)], "memory-bound, activations": [(1e6, 1e4, 4e6)],
    "10 tiny layers": [(1e5, 1e4, 1e4)] * 10,
}
print(" " * 26 + "".join(f"{change:>16}" for change in CHANGES))
for name, network in layers.items():
    print(f"{name:26}" + "".join(f"{our_speedup(network, 1000, 100, 5, change):16.2f}" for change in CHANGES))

# %% [markdown]
# A higher peak helps one row of four. No lever is best in every row. Exercise 5 is this table.
#
# ### Amdahl's law
#
# Decoding an image takes 4 ms, the model 6 ms. The model is 60 % of the request. You make it 4 times faster:
#
# $$\text{speedup} = \frac{1}{(1 - f) + f / s}$$
#
# Here f is the share of the old time that becomes faster, 0.6, and s says how many times faster, 4. The rest, 1 − f, stays.

# %%
import math

from utils.cost.roofline.speedup import amdahl, amdahl_many

print(f"{amdahl(0.6, 4):.2f} times; with an infinitely fast model {amdahl(0.6, math.inf):.2f} times")
parts = {"decode": 0.3, "resize": 0.1, "model": 0.5, "post-processing": 0.1}
print(f"model 4 times, decode 3 times faster: {amdahl_many(parts, {'model': 4, 'decode': 3}):.2f} times")

# %% [markdown]
# ### Equal FLOPs, unequal bytes
#
# A 1 × 1 convolution from c1 to c2 channels on h × w pixels needs h·w·c1·c2 multiply–accumulates. It touches h·w·(c1 + c2) + c1·c2 elements.
# Keep the first and minimise the second: c1 = c2 is best. This is guideline G1 of ShuffleNet V2. Its bound is 2·sqrt(h·w·B) + B / (h·w), for B multiply–accumulates.

# %%
from utils.networks.design import shuffle_access_bound, shuffle_access_elements

for c1, c2 in ((128, 128), (64, 256), (16, 1024)):
    print(f"{c1:4} → {c2:4}: {56 * 56 * c1 * c2:,} MACs, {shuffle_access_elements(56, 56, c1, c2):9,} elements (bound {shuffle_access_bound(56, 56, 56 * 56 * c1 * c2):,.0f})")

# %% [markdown]
# Time follows only where memory is the bound. The paper abbreviates memory access cost as MAC. Elsewhere the same letters mean multiply–accumulate.
#
# ### What the formula leaves out
#
# Caches (a tensor that was just written may still be there), the layout of the data (NCHW or NHWC), kernels that don't fit the shape, formats that have to be converted, a chip that gets hot and slows down, files and networks.
# A measurement far from the prediction tells you to look for one of these.

# %% [markdown]
# ## See it
#
# ![Roofline of an H100 in FP16 on logarithmic axes with a ridge at 295 FLOP per byte, and the 174 operators of ResNet-50 at batch 64. Most lie on the slope: 121 are memory-bound, 34 launch-bound, 19 compute-bound. The bar below shows 85 percent of 4.1 milliseconds as memory-bound.](figure.svg)
#
# The picture shows ResNet-50 at batch 64 in FP16 on an H100, predicted, each operator a kernel of its own: at best 4.1 ms a run, 85 % of it memory-bound, 8 % compute-bound and 7 % launch-bound. The launch is assumed to be 5 µs. The ridge is 295 FLOP/B.
#
# **Roofline explorer.** Choose a network, a device (yours is among them, in FP32), a number format and a batch. Watch how the batch moves linear layers to the right and leaves depthwise ones where they are, and how fusion removes dots.

# %% figure
from utils.cost.roofline.experiment import host_device
from utils.widgets.ch07_inference_speed_factors import roofline_explorer

roofline_explorer(host_device(seconds=1))

# %% [markdown]
# ## Exercises
#
# Floating-point results may differ from the exact value by rounding (a relative 1e-9).

# %% [markdown] about="conv_intensity"
# Compute the arithmetic intensity of a convolution, in FLOP per byte.
#
# - The input has `batch` images of `c_in` channels, `h` × `w` each. The filter is `k` × `k` and the padding is such that the output has the same height and width. The output has `c_out` channels. There is no bias.
# - `groups` divides both channel counts. Each output channel sees `c_in / groups` input channels.
# - Count 2 FLOPs for each multiply–accumulate, also at the border, where the padding is zero.
# - Input, weights and output cross memory once for the whole batch. Each element has `item_bytes` bytes (4, 2, 1, or 0.5 for packed 4-bit numbers).
#
# For example `conv_intensity(28, 28, 256, 256, 3)` → 233.256…, and with `groups=256` → 2.2371….
# `conv_intensity(14, 14, 64, 128, 1, item_bytes=2, batch=8)` → 41.536….

# %% exercise="conv_intensity"
def conv_intensity(h: int, w: int, c_in: int, c_out: int, k: int, groups: int = 1, item_bytes: float = 4,
                   batch: int = 1) -> float:
    """FLOP per byte of a convolution whose output is as large as its input (k odd, stride 1)."""
    ### BEGIN SOLUTION
    weights = k * k * c_in // groups * c_out
    flops = 2 * batch * h * w * weights
    elements = batch * h * w * (c_in + c_out) + weights
    return flops / (elements * item_bytes)
    ### END SOLUTION

# %% check="conv_intensity"
check("07.conv_intensity", conv_intensity)

# %% [markdown] about="bound_of"
# Say what bounds an operator, and how long it takes.
#
# - `flops` and `nbytes` are what it needs, 0 or more. The device does `peak_gflop_s` GFLOP/s (1e9 FLOPs per second) and moves `bw_gb_s` GB/s (1e9 bytes per second), both positive. A launch costs `launch_us` microseconds, 0 or more.
# - Arithmetic and memory overlap: the time is the launch plus the longer of the two, in microseconds.
# - The label is `"compute"`, `"memory"` or `"launch"`: the largest of the three times. Among equals compute goes before memory, and memory before launch.
# - Return a tuple: the label, the time.
#
# For example `bound_of(3_612_672, 1_614_848, 1000, 100, 5)` → `("memory", 21.148…)`, `bound_of(1000, 4000, 1000, 100, 5)` → `("launch", 5.04)`
# and `bound_of(924_844_032, 3_964_928, 1000, 100, 5)` → `("compute", 929.844…)`.

# %% exercise="bound_of"
def bound_of(flops: float, nbytes: float, peak_gflop_s: float, bw_gb_s: float, launch_us: float) -> tuple[str, float]:
    """(what bounds an operator, its time in us): launch + max(compute, memory)."""
    ### BEGIN SOLUTION
    compute_us = flops / (1000 * peak_gflop_s)
    memory_us = nbytes / (1000 * bw_gb_s)
    times = {"compute": compute_us, "memory": memory_us, "launch": launch_us}
    return max(times, key=times.get), launch_us + max(compute_us, memory_us)
    ### END SOLUTION

# %% check="bound_of"
check("07.bound_of", bound_of)

# %% [markdown] about="best_split"
# Find the 1 × 1 convolution that touches the fewest elements, for a fixed amount of work.
#
# - A 1 × 1 convolution from c1 to c2 channels on `h` × `w` pixels needs h·w·c1·c2 multiply–accumulates. It touches h·w·(c1 + c2) + c1·c2 elements.
# - Among all pairs of positive integers c1 ≤ c2 that need exactly `macs` multiply–accumulates, choose the one with the fewest elements.
# - Return a tuple `(c1, c2, elements)` of integers.
# - `h`, `w` and `macs` are positive integers; macs / (h·w) is at most a million. Raise `ValueError` when `macs` is not a multiple of h·w.
#
# For example `best_split(56, 56, 51_380_224)` → `(128, 128, 819200)` and `best_split(10, 10, 1200)` → `(3, 4, 712)`.

# %% exercise="best_split"
def best_split(h: int, w: int, macs: int) -> tuple[int, int, int]:
    """(c1, c2, elements) of the 1x1 convolution with exactly `macs` that touches the fewest elements, c1 <= c2."""
    ### BEGIN SOLUTION
    product, rest = divmod(macs, h * w)
    if rest:
        raise ValueError("macs must be a multiple of h * w")
    c1 = math.isqrt(product)
    while product % c1:
        c1 -= 1
    c2 = product // c1
    return c1, c2, h * w * (c1 + c2) + product
    ### END SOLUTION

# %% check="best_split"
check("07.best_split", best_split)

# %% [markdown] about="fused_traffic"
# Count the bytes that a chain of elementwise operators moves, before and after fusion.
#
# - All tensors have `n_elems` elements of `item_bytes` bytes.
# - `ops` is a list with one number for each operator, at least one: how many tensors it reads. The running value, which comes from the operator before, is one of them. So ReLU is 1, the addition of a residual is 2.
# - Unfused, every operator reads all its tensors and writes its result.
# - Fused, all of it is one kernel: the running value is read once at the start, every other tensor is read where it is used, and only the last result is written.
# - Return a tuple of integers: bytes unfused, bytes fused.
#
# For example `fused_traffic(802816, 4, [1, 2])` → `(16056320, 9633792)`, and `fused_traffic(1000, 2, [2])` → `(6000, 6000)`.

# %% exercise="fused_traffic"
def fused_traffic(n_elems: int, item_bytes: int, ops: list[int]) -> tuple[int, int]:
    """Bytes that a chain of elementwise operators moves: (one kernel each, one kernel for all)."""
    ### BEGIN SOLUTION
    size = n_elems * item_bytes
    unfused = sum(k + 1 for k in ops)
    fused = 1 + sum(k - 1 for k in ops) + 1
    return unfused * size, fused * size
    ### END SOLUTION

# %% check="fused_traffic"
check("07.fused_traffic", fused_traffic)

# %% [markdown] about="explain_speedup"
# Predict what a change buys.
#
# - `layers` is a list of tuples `(flops, weight_bytes, activation_bytes)`, at least one, for batch 1. `peak_gflop_s`, `bw_gb_s` and `launch_us` are as in exercise 2.
# - A layer takes the launch plus the longer of FLOPs / peak and (weight bytes + activation bytes) / bandwidth. The layers run one after another.
# - Return the old time divided by the new time, per sample. The times are positive.
# - `change` is one of these:
#   - `"half_precision"`: all bytes are halved, and the peak doubles;
#   - `"double_peak"`: the peak doubles;
#   - `"double_bw"`: the bandwidth doubles;
#   - `"graph"`: the launch is paid once for the whole network;
#   - `"batch2"`: two samples run together: FLOPs and activation bytes double, weight bytes and launches stay, and the new time is divided by 2.
# - Any other `change` raises `ValueError`.
#
# For example one layer `[(1e6, 4e6, 0)]` with 1,000 GFLOP/s, 100 GB/s and 5 µs takes 45 µs: `"double_peak"` → 1.0, `"half_precision"` → 1.8, `"double_bw"` → 1.8, `"batch2"` → 2.0.
# Two layers `[(1e6, 4e5, 0), (1e6, 4e5, 0)]` take 18 µs: `"graph"` → 18 / 13.

# %% exercise="explain_speedup"
def explain_speedup(layers: list[tuple[float, float, float]], peak_gflop_s: float, bw_gb_s: float, launch_us: float,
                    change: str) -> float:
    """Old time over new time per sample of a network of (flops, weight_bytes, activation_bytes) at batch 1."""
    ### BEGIN SOLUTION
    if change not in ("half_precision", "double_peak", "double_bw", "graph", "batch2"):
        raise ValueError("unknown change")

    def time_us(size=1.0, peak=peak_gflop_s, bw=bw_gb_s, graph=False, batch=1):
        total = launch_us if graph else len(layers) * launch_us
        for flops, weights, activations in layers:
            total += max(batch * flops / peak, size * (weights + batch * activations) / bw) / 1000
        return total / batch

    new = {
        "half_precision": {"size": 0.5, "peak": 2 * peak_gflop_s},
        "double_peak": {"peak": 2 * peak_gflop_s},
        "double_bw": {"bw": 2 * bw_gb_s},
        "graph": {"graph": True},
        "batch2": {"batch": 2},
    }[change]
    return time_us() / time_us(**new)
    ### END SOLUTION

# %% check="explain_speedup"
check("07.explain_speedup", explain_speedup)

# %% [markdown]
# ## Measure it
#
# Twelve operators on this machine, on one thread, in FP32. They are timed in turns, and the best of 12 rounds counts. Before you run it: which of them will be far from the prediction? The machine's three numbers are measured again first: it may be busier than before.

# %% experiment
from utils.cost.roofline.experiment import host_device, measure_layers
from utils.widgets.ch07_inference_speed_factors import host_line, measured_chart, measured_table, median_ratio

host = host_device(seconds=1.5)
print(host_line(host))
rows = measure_layers(host, rounds=12)
measured_table(rows)

# %% experiment
print(f"median of measured / predicted, operators of 1 ms and more: {median_ratio(rows):.2f}")
measured_chart(rows, host)

# %% [markdown]
# What to look for:
#
# - The labels sort the operators well: compute-bound ones reach a large part of the peak, the others are far below.
# - Depthwise layers get few GFLOP/s, as predicted, or fewer: their kernels are written less carefully than a matrix product.
# - A point may lie *above* the sloped roof: its data came from a cache, which is faster than memory. A point above the flat roof says that the machine was busier when its peak was measured. Then measure again.
# - The smallest addition takes several times its prediction. The launch was measured in a tight loop. Here other operators ran in between, and its code and data have left the caches.
#
# Other programs on this machine make single numbers jump. A model like this is right if it is within a factor of 3.
#
# We can also go backwards: fit the three numbers to the measured times. The fit makes the relative errors small, so that a short operator counts as much as a long one.
# This model adds arithmetic and memory in place of overlapping them. That pushes the rates up for the same times. Kernels below the roof push them down.

# %% experiment
from utils.cost.roofline.host import fit_device

fitted = fit_device([(m.op, m.measured_us) for m in rows])
print(f"fitted: {fitted.peak('fp32'):.1f} GFLOP/s, {fitted.mem_gb_s:.1f} GB/s, launch {fitted.launch_us:.1f} µs")

# %% [markdown]
# **Fragmentation.** One linear layer of 256 × 256 at batch 1, against eight of 256 × 32 whose outputs are joined. The FLOPs are equal.

# %% experiment
from utils.cost.roofline.experiment import fragment_times

one, many = fragment_times()
print(f"one layer {one:.1f} µs, eight pieces {many:.1f} µs: {many / one:.1f} times slower")

# %% [markdown]
# **Batch.** Four linear layers of 1,024 × 1,024 with ReLU:

# %% experiment
from utils.cost.roofline.experiment import batch_times
from utils.widgets.ch07_inference_speed_factors import batch_table

batch_table(batch_times())

# %% [markdown]
# **Channels and layout.** 1 × 1 convolutions with 51.4 million multiply–accumulates each, then one 3 × 3 convolution in two layouts:

# %% experiment
from utils.cost.roofline.experiment import layout_times, split_times
from utils.widgets.ch07_inference_speed_factors import layout_line, split_table

split_table(split_times())

# %% experiment
print(layout_line(layout_times()))

# %% [markdown]
# On a CPU most of these 1 × 1 layers are compute-bound, so moderate splits cost about the same. 16 → 1,024 is clearly slower: it has four times the elements.
#
# On a GPU, if there is one: 50 small layers, launched one by one, and as a CUDA graph.

# %% experiment
from utils.widgets.ch07_inference_speed_factors import gpu_graph

print(gpu_graph())

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | FLOPs, the model's multiply-adds | depends | they set the time of compute-bound operators only: a depthwise layer with 256 times fewer FLOPs is predicted to be about 3 times faster. And "multiply-adds" are MACs, half as many as FLOPs |
# | 2 | MAC, the memory access cost | holds | but the abbreviation is ambiguous: elsewhere MAC is a multiply–accumulate. This course writes `macs` for these, and bytes for traffic |
# | 3 | the more parallelism, the faster | depends | up to saturation. Batching shares weights and launches, and fragmentation costs both: see the measurements above |
# | 4 | the platform: GPU, AI coprocessor, CPU | holds | two numbers explain most of it. H100, BF16: 989 TFLOP/s over 3.35 TB/s, a ridge of 295 FLOP/B. T4, FP16: 65 over 0.32, 203 |
# | 5 | (these four are all) | incomplete | missing: precision, fusion, layout, launches, batch, pre- and post-processing, heat, input and output. Bias + ReLU + residual move 22.5 MB unfused, and 3.2 MB when fused into the convolution |
# | 6 | (from its question 22) equal channels in and out minimise memory access | holds with conditions | for 1 × 1 convolutions of equal MACs. 128 → 128 touches 819,200 elements, 16 → 1,024 touches 3,277,824. Time follows only where memory is the bound |
# | 7 | (implied by the list) the factors are independent | wrong | they trade against each other: groups lower the FLOPs and the FLOPs per byte; a batch raises parallelism, and past the ridge latency grows almost as fast as the batch |
#
# Rows 1, 5 and 6 were computed above. Here is row 7: first `groups` in a 3 × 3 convolution, then the batch of a linear layer of 4,096 × 4,096 on an H100, with an assumed launch of 5 µs:

# %%
from utils.cost.roofline.op_costs import conv_op, linear_op
from utils.cost.roofline import intensity, op_time_us
from utils.hardware.roofline_devices import roofline_devices

for groups in (1, 4, 16, 256):
    op = conv_op(28, 28, 256, 256, 3, groups=groups, item_bytes=2)
    print(f"row 7: {groups:3} groups: {op.flops / 1e6:6.1f} MFLOP, {intensity(op):6.1f} FLOP/B")
for batch in (1, 16, 256, 2048, 4096):
    t = op_time_us(linear_op(batch, 4096, 4096, 2), roofline_devices()["H100 SXM"], "fp16").total_us
    print(f"row 7: batch {batch:4}: latency {t:5.1f} µs, {t / batch:6.3f} µs a sample")

# %% [markdown]
# ## Explain it
#
# A request takes 10 ms: 4 ms to decode and resize an image, 6 ms for MobileNetV2 at batch 1 in PyTorch on a large GPU. A colleague wants to buy a GPU with twice the TFLOP/s, "to halve the latency". Answer in five or six sentences.
#
# A good answer names:
# 1. what Amdahl's law leaves of a faster model;
# 2. why a small network at batch 1 is probably launch-bound, and its layers memory-bound behind that;
# 3. which measurement would show it;
# 4. the levers that fit this diagnosis, in a sensible order;
# 5. what should be done about the other 4 ms.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Even a model that is twice as fast would bring 10 ms to 7 ms, since 4 ms are not the model: at best 1.43 times.
# And it won't be twice as fast. MobileNetV2 at batch 1 has about 150 small operators, and each costs a launch that has nothing to do with TFLOP/s. Its depthwise layers have a few FLOP per byte, so memory would be next.
# A profile shows it: time by operator, gaps between kernels, and the reached FLOP/s and GB/s against the two roofs.
# I would first compile the network, which fuses normalisation and activation into the convolutions, and replay it as a CUDA graph. Then FP16 or INT8, in channels-last layout. If several requests arrive together, a batch.
# The 4 ms go to a faster decoder, a smaller image, or overlap with the model in a pipeline.
# After that I measure again, and only then talk about hardware, by bandwidth as well as by peak.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("07")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | roofline model | 屋顶线模型 | rate ≤ min(peak, intensity × bandwidth) |
# | arithmetic intensity | 计算强度 | FLOPs per byte that crosses memory |
# | ridge | 脊点 | the intensity where both roofs meet: peak / bandwidth |
# | memory access cost | 内存访问成本（MAC） | bytes or elements moved |
# | compute-bound, memory-bound | 计算受限 / 访存受限 | which roof limits |
# | kernel launch overhead | 内核启动开销 | fixed cost of each operator |
# | kernel | 核函数 | the program that a GPU runs for an operator |
# | depthwise convolution | 逐通道卷积 | one filter for each channel: `groups` equals the channels |
# | operator fusion | 算子融合 | one kernel for several operators, no tensors in between |
# | degree of parallelism | 并行度 | independent work that is available |
# | fragmentation | 碎片化 | many small operators in place of one |
# | data layout (NCHW, NHWC) | 数据排布 | order of the dimensions in memory |
# | Amdahl's law | 阿姆达尔定律 | the part that stays limits the speedup |
# | coprocessor | 协处理器 | NPU or DSP beside the CPU |
# | CUDA graph | CUDA图 | many launches recorded once and replayed as one |

# %% [markdown]
# ## Sources
#
# - S. Williams, A. Waterman, D. Patterson, *Roofline: An Insightful Visual Performance Model for Multicore Architectures*, CACM 2009.
# - N. Ma, X. Zhang, H.-T. Zheng, J. Sun, *ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design*, ECCV 2018 (arXiv:1807.11164): G1 to G4, equation 2.
# - G. M. Amdahl, *Validity of the Single Processor Approach to Achieving Large Scale Computing Capabilities*, AFIPS 1967.
# - NVIDIA, *GPU Performance Background* (Deep Learning Performance documentation): arithmetic intensity, waves, batch.
# - NVIDIA data sheets and whitepapers: H100, A100, L4, T4, Ada; *Jetson AGX Orin Series Technical Brief*.
# - PyTorch documentation: channels-last memory format, CUDA graphs, `torch.utils.benchmark`.
