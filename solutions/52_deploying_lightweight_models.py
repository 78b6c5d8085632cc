# %% [markdown]
# # 52 · Lessons from deploying light models
# **轻量级模型部署经验分享**
#
# A team chose ShuffleNetV2 for a camera, because it has fewer operations than the other candidates. On the camera's chip it was three times slower than a network with nine times the operations. This chapter builds the checks that would have told them on day one: which operators run, how long it will take, and what INT8 will do.
#
# About 110 minutes: 65 for the five exercises, the rest to read, measure and explain. It helps to know chapters 10 (light networks), 50 (design of CNNs, convolutional networks) and 54 (quantization). No GPU is needed.

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > I choose the network from what the target is good at. On a CPU few operations and little traffic win: MobileNetV2 or V4, ShuffleNetV2. On an NPU, an accelerator for neural networks, every operator must run natively. I take channels in multiples of its array, and ReLU instead of Swish (x · sigmoid(x), which many NPUs read from a table). Depthwise convolutions only if the maker optimised them, as Horizon did for the X3. On a GPU I take dense 3x3 networks, such as RepVGG or ResNet.
# >
# > Before I train anything I make three checks. I cut the exported graph into what the device runs and what falls back to the CPU. I predict the time from a table of layers or blocks measured on the target. And I test INT8 early: plain quantization takes RepVGG-A0 from 72.4 to 52.2 percent.
# >
# > What falls back I rewrite if I can. A channel shuffle, for one, can become a 1x1 convolution, or vanish into the weights of the next layer. Then I train.

# %% [markdown]
# ## How it works
#
# ### Four processors
#
# Which light network is the fastest depends on who runs it. Here are four processors to try networks on. They are made up, so that each shows one trait of real ones. The CPU is slow at everything alike. The two NPUs are fast, but lack some operators; one is good at depthwise convolutions (each channel filtered by itself), the other is not. The GPU has matrix units.

# %%
from utils.widgets.ch52_deploying_lightweight_models import target_table

target_table()

# %% [markdown]
# GMAC/s are 1e9 multiply-accumulates a second. The **granule** is the number of channels that the hardware computes at a time; channels are padded to a multiple of it. **Start**, or **dispatch overhead**, is the fixed price of one operator. **Copies** go to the host and back; the host is the small CPU beside the accelerator.
#
# ### A first prediction
#
# Take a layer's multiply-accumulates (MACs) over the peak, and its bytes over the memory's speed. The two overlap, so the longer one counts. Add the start. One layer after another:

# %%
from utils.networks.deploy import predict_us as our_predict_us

layers = [("dense", 231_211_008, 1_900_000), ("depthwise", 1_806_336, 1_620_000)]  # kind, MACs, bytes
peaks = {"dense": 400, "depthwise": 20}  # GMAC/s
for layer in layers:
    print(f"{layer[0]:9} {our_predict_us([layer], peaks, bw_gb_s=10, dispatch_us=5):7.2f} us")
print(f"together  {our_predict_us(layers, peaks, bw_gb_s=10, dispatch_us=5):7.2f} us")

# %% [markdown]
# The depthwise layer has 1/128 of the MACs and takes more than 1/4 of the time. It waits for memory.
#
# With measured times of layers or blocks in place of the two bounds this becomes a **latency look-up table**, the tool of choice once a board is there.
#
# Now seven whole networks, exported to ONNX (the exchange format for networks) with random weights. No training is needed for this check. `predict_latency_us` applies the same rule to each operator of the graph, and adds two prices: channels are padded to the granule, and what the device can't run is copied to the host and back.

# %%
from utils.widgets.ch52_deploying_lightweight_models import prediction_table

prediction_table()

# %% [markdown]
# Read it by columns. On the CPU ShuffleNetV2 wins, and the order is that of the MACs, nearly. On the GPU RepVGG-A0 wins, with nine times the MACs. On the NPU without fast depthwise layers it beats MobileNetV2, on the other NPU it loses. No network is first everywhere.
#
# And ShuffleNetV2, with about the fewest MACs, is among the slowest three on both NPUs. Why?
#
# ### Fallbacks
#
# An operator that the device does not know runs on the host. This is **operator fallback**. The runtime cuts the graph into segments: as many neighbours as possible that run on the same side. That is **graph partition**. At each border tensors are copied.

# %%
from itertools import groupby

from utils.networks.deploy import TARGETS, onnx_op_sequence
from utils.networks.deploy.experiment import exported

npu = TARGETS["npu_dense"].supported_ops
nodes = onnx_op_sequence(exported("ShuffleNetV2"))
for where, run in groupby(nodes[:32], key=lambda node: "device" if node.op in npu else "HOST"):
    print(f"{where:6} {' '.join(node.op for node in run)}")

# %% [markdown]
# The NPU can do all but Transpose. Each of the 16 units has one, so there are 16 **islands**, segments on the host:

# %%
from utils.networks.deploy import TARGETS, predict_latency_us
from utils.networks.deploy import islands as our_islands

print("segments (device, host):", our_islands([node.op for node in nodes], npu))
report = predict_latency_us(nodes, TARGETS["npu_dense"])
print({place: round(us) for place, us in report.us_by_place.items()}, "us")

# %% [markdown]
# The work on the host takes 205 µs, 4 % of the time. The copies there and back take 65 %. A fallback costs because it is a border, not because its work is hard.
#
# RepVGG trains with three branches in each block and fuses them for deployment (chapter 50; more below). With its branches it falls back too, 17 times. The batch norms behind convolutions were folded into them at export. The one of an identity branch has no convolution before it, and this NPU has no batch norm. With fused branches there is no fallback.
#
# ### A channel shuffle is a matrix
#
# The **channel shuffle** of ShuffleNetV2 mixes two halves of the channels: first of the first half, first of the second half, second of the first half, and so on. Frameworks write it as reshape, transpose, reshape. But it only changes the order of channels. That is a permutation, and a permutation is a matrix of zeros and ones:

# %%
import numpy as np

from utils.networks.deploy import shuffle_matrix

x = np.arange(6)
matrix = shuffle_matrix(6, groups=2)
print(matrix.astype(int))
print("shuffled:", (matrix @ x).astype(int))

# %% [markdown]
# A 1x1 convolution multiplies the channels of each pixel by a matrix. So a shuffle can be written as a 1x1 convolution with these weights, "one-hot" because each row has one 1. Every NPU has 1x1 convolutions.
#
# It gets better when the next layer is itself a dense 1x1 convolution with weights W. Then W·(P·x) = (W·P)·x: compute W·P once, and the shuffle is gone. This is **permutation folding**. It is exact, since columns only change places:

# %%
from utils.networks.deploy import fold_shuffle as our_fold_shuffle
from utils.networks.deploy import shuffle_matrix

rng = np.random.default_rng(0)
W, x = rng.normal(size=(3, 6)), rng.normal(size=6)
folded = our_fold_shuffle(W, groups=2)
print("columns of W, in their new order:", [W[0].tolist().index(v) for v in folded[0]])
print("W·P and folded differ by", np.abs(W @ shuffle_matrix(6, 2) - folded).max())

# %% [markdown]
# Can all shuffles of ShuffleNetV2 be folded? A unit splits the shuffled channels: one half is computed on, the other half goes on unchanged to the next concatenation, shuffle and split. Only the very last shuffle has a 1x1 convolution as its only reader. So 15 become one-hot convolutions and one is free:

# %%
from collections import Counter

from utils.cost.flops import count_onnx_macs
from utils.networks.deploy import replace_shuffles

original = exported("ShuffleNetV2")
for name, model in (("as exported", original), ("one-hot", replace_shuffles(original, fold=False)),
                    ("one-hot, last folded", replace_shuffles(original))):
    ops = Counter(node.op_type for node in model.graph.node)
    print(f"{name:21} {ops['Conv']} Conv, {ops['Transpose']:2} Transpose, {count_onnx_macs(model)['total']:,} MACs")

# %% [markdown]
# `replace_shuffles` rewrites the ONNX file; the outputs stay the same (*Measure it* compares them). The MACs more than double. Is that a good trade?

# %%
from utils.networks.deploy import TARGETS, onnx_op_sequence, predict_latency_us

rewritten = onnx_op_sequence(replace_shuffles(original))
for target in TARGETS.values():
    before, after = (predict_latency_us(n, target).total_us / 1e3 for n in (nodes, rewritten))
    print(f"{target.name:11} {before:6.2f} ms before, {after:6.2f} ms after")

# %% [markdown]
# On the NPUs it is a cure. On the CPU, which has no trouble with Transpose, it does harm. The same file is not the best for every target.
#
# ### What INT8 does to fused branches
#
# RepVGG fuses its three branches into one 3x3 kernel. In floating point nothing changes. In INT8 something does. Its quality is the **SQNR** (signal to quantization noise ratio): sum of squared weights over sum of squared errors, in decibels. 6 dB more means errors of half the size.
#
# A random 3x3 kernel of 32 channels, and the same with an identity branch fused in. That adds one number a channel, at its centre:

# %%
from utils.networks.deploy import identity_added
from utils.networks.deploy import weight_sqnr_db as our_sqnr

for gain in (0, 1, 5):
    kernel = identity_added(gain)
    print(f"identity gains up to {gain}: largest weight {np.abs(kernel).max():.2f}, {our_sqnr(kernel):.1f} dB with one scale,",
          f"{our_sqnr(kernel, per_channel=True):.1f} dB with a scale a channel")

# %% [markdown]
# The largest weight sets the step between the 255 levels, for all 9,216 weights. 32 large ones cost the kernel 13 to 17 dB. (They cost the small weights more: the large ones are part of the signal, too.) One scale for each output channel wins 5 dB back, and does not heal it: each channel has its own large weight.
#
# Outlier weights are half of the story. The outputs of three norms are added, so activations spread as well. Together they took RepVGG-A0 from 72.4 % to 52.2 % of ImageNet's images with standard **PTQ** (post-training quantization: without training again). QARepVGG, by the authors who found this out, leaves norms out of two branches and puts one behind the sum: it is **quantization-friendly**, and has 70.4 % in INT8.
#
# ### Depthwise layers on an array
#
# Many NPUs multiply matrices in an array of cells (chapter 43). A dense convolution fills it: its inner dimension is 9 · 256 for 256 channels. A depthwise one is 256 separate products with an inner dimension of 9 and a single output channel. On an array of 16 x 16:

# %%
from utils.hardware.systolic import conv_to_gemm, ws_utilization

for groups, name in ((1, "dense"), (256, "depthwise")):
    m, k, n = conv_to_gemm(28, 28, 256, 256, 3, groups)[0]
    print(f"{name:9} {groups:3} products of {m} x {k} x {n}: {min(k, 16)} of 16 rows, {min(n, 16)} of 16 columns,",
          f"{ws_utilization(m, k, n, 16, 16):.1%} of the cells busy")

# %% [markdown]
# So "NPUs are bad at depthwise" is true of this array. It is a matter of design: Horizon Robotics built its **BPU**, the accelerator in its X3 chip, with group and depthwise convolutions in mind, and its guide recommends MobileNetV2 for it.
#
# ### The choice
#
# Now put it together. First drop what does not run or breaks a limit, then take the most accurate. The times here are made up; the accuracies are published ones, the sizes those of INT8 weights. MobileNetV1 stands for a candidate that another one beats in accuracy, time and size:

# %%
from utils.networks.deploy import choose_backbone as our_choice
from utils.widgets.ch52_deploying_lightweight_models import front_table

candidates = [
    {"name": "shufflenet_v2", "top1": 69.36, "ms": 9, "mb": 2.3, "ops": {"Conv", "Relu", "Split", "Concat", "Reshape", "Transpose"}},
    {"name": "mobilenet_v1", "top1": 70.60, "ms": 16, "mb": 4.2, "ops": {"Conv", "Relu"}},
    {"name": "mobilenet_v2", "top1": 71.88, "ms": 11, "mb": 3.5, "ops": {"Conv", "Clip", "Add"}},
    {"name": "repvgg_a0", "top1": 72.41, "ms": 8, "mb": 8.3, "ops": {"Conv", "Relu"}},
]
supported = {"Conv", "Relu", "Clip", "Add", "Concat", "MaxPool"}
for limit_mb in (6, 10):
    print(f"at most 12 ms and {limit_mb} MB:", our_choice(candidates, 12, limit_mb, supported))
front_table(candidates)

# %% [markdown]
# The **Pareto front** holds what nothing else beats in all criteria at once. The criteria conflict, so it rarely has one member. The limits decide.

# %% [markdown]
# ## See it
#
# ![Two time lines of ShuffleNetV2 on a made-up NPU without Transpose. As exported, 5.31 ms: 17 stretches on the device, 1.68 ms in all, alternate with 16 short ones on the host, 0.20 ms, each between two copies, 3.43 ms. With the shuffles rewritten as 1x1 convolutions, one stretch on the device of 1.60 ms.](figure.svg)
#
# ShuffleNetV2 on `npu_dense`: 5.31 ms as exported, of which copies take 3.43 ms. 1.60 ms with the shuffles rewritten, though it computes twice as much.
#
# **Where the time goes.** The prediction for each network on each target. The targets are made up.

# %% figure
from utils.widgets.ch52_deploying_lightweight_models import timeline_figure

timeline_figure()

# %% [markdown]
# Tick "rewrite shuffles", then change to `cpu_small`. Look at RepVGG-A0 with and without branches. INT8 shortens the copies too: one byte a value, where the NPUs and the GPU otherwise take two (FP16) and the CPU four (FP32). The starts stay.
#
# **What an identity does to INT8.** On the left all weights. On the right some of the small ones, and the levels on which they must land.

# %% figure
from utils.widgets.ch52_deploying_lightweight_models import identity_figure

identity_figure()

# %% [markdown]
# ## Exercises
#
# The set-up cell imports NumPy as `np`. An answer may use that, Python's own modules, and nothing from other exercises.

# %% [markdown] about="islands"
# Into how many segments does a device cut a network?
#
# - `ops` is a list of ONNX operator names, in the order in which they run. `supported` is a set of the names that the device runs. Names are case-sensitive.
# - A segment is a maximal run of neighbours in the list that are all supported, or all not supported.
# - Return a tuple of two ints: the number of supported segments, and the number of the others. An empty list has none: `(0, 0)`.
#
# | ops | supported | segments |
# |---|---|---|
# | Conv, Relu, Reshape, Transpose, Reshape, Conv, Relu, Conv | Conv, Relu | (2, 1) |

# %% exercise="islands"
def islands(ops: list[str], supported: set[str]) -> tuple[int, int]:
    """(segments on the device, segments that fall back)."""
    ### BEGIN SOLUTION
    device = fallback = 0
    before = None
    for op in ops:
        runs_here = op in supported
        if runs_here != before:  # a new segment begins
            device += runs_here
            fallback += not runs_here
        before = runs_here
    return device, fallback
    ### END SOLUTION

# %% check="islands"
check("52.islands", islands)

# %% [markdown] about="fold_shuffle"
# Make a channel shuffle disappear into the weights that read it.
#
# - The shuffle cuts C channels into `groups` equal groups of neighbours, and interleaves them: the first of each group, then the second of each, and so on. With C = 6 and 2 groups the channels a b c d e f become a d b e c f.
# - `w` is an array (O, C), or the weights (O, C, 1, 1) of a 1x1 convolution. Any numeric dtype.
# - Return a new array w′ of the same shape and dtype such that w′ · x equals w · shuffle(x) for every vector x of C channels. Its numbers are those of `w`, in other places, so the comparison is exact.
# - Leave `w` unchanged. `groups` is at least 1. Raise `ValueError`, with the word "divisible" in its message, when C is not divisible by `groups`.
#
# | w | groups | w′ |
# |---|---|---|
# | [[0, 1, 2, 3, 4, 5, 6, 7]] | 2 | [[0, 2, 4, 6, 1, 3, 5, 7]] |
# | shape (2, 6, 1, 1), float32, 0 to 11 in order | 3 | the rows [0, 3, 1, 4, 2, 5] and [6, 9, 7, 10, 8, 11], in the same shape |

# %% exercise="fold_shuffle"
def fold_shuffle(w: np.ndarray, groups: int) -> np.ndarray:
    """New weights that give without the shuffle what w gives with it."""
    ### BEGIN SOLUTION
    c = w.shape[1]
    if c % groups:
        raise ValueError(f"{c} channels are not divisible by {groups}")
    order = np.arange(c).reshape(groups, c // groups).T.ravel()  # source of each shuffled channel
    folded = np.empty_like(w)
    folded[:, order] = w
    return folded
    ### END SOLUTION

# %% check="fold_shuffle"
check("52.fold_shuffle", fold_shuffle)

# %% [markdown] about="predict_us"
# Predict a network's time from a table of its layers.
#
# - `layers` is a list of tuples `(kind, macs, bytes)`: a string, multiply-accumulates (int), bytes moved (int).
# - `peak_gmacs` is a dict from kind to 1e9 multiply-accumulates a second. `bw_gb_s` is the memory's speed in 1e9 bytes a second. `dispatch_us` is the time in µs to start a layer. All are positive, but `dispatch_us` may be 0.
# - Within a layer arithmetic and memory overlap: the longer one counts. Layers run one after another, and each pays its dispatch before it begins.
# - Return the total in µs, a float within a relative 1e-9. No layers take 0.
# - Raise `ValueError` when a layer's kind has no peak. Kinds are case-sensitive.
#
# With peaks dense 400 and depthwise 20, 10 GB/s and a dispatch of 5 µs:
#
# | layers | µs |
# |---|---|
# | ("dense", 231211008, 1900000), ("depthwise", 1806336, 1620000) | 750.02752 |

# %% exercise="predict_us"
def predict_us(
    layers: list[tuple[str, int, int]], peak_gmacs: dict[str, float], bw_gb_s: float, dispatch_us: float
) -> float:
    """Time of all layers in microseconds."""
    ### BEGIN SOLUTION
    total = 0.0
    for kind, macs, moved in layers:
        if kind not in peak_gmacs:
            raise ValueError(f"no peak for {kind!r}")
        total += max(macs / peak_gmacs[kind], moved / bw_gb_s) / 1e3 + dispatch_us  # 1e9 a second are 1e3 a microsecond
    return total
    ### END SOLUTION

# %% check="predict_us"
check("52.predict_us", predict_us)

# %% [markdown] about="weight_sqnr_db"
# How well does a kernel survive quantization?
#
# - `w` is a float64 array of at least one axis with finite values; axis 0 counts output channels. It is not empty.
# - Quantize symmetrically: scale = max|w| / (2^(bits-1) - 1), so 127 for 8 bits. `bits` is at least 2. Each weight becomes its nearest integer multiple of the scale.
# - One scale for the whole tensor; with `per_channel` one for each output channel, from that channel's own maximum. A channel of zeros has no error.
# - Return 10 · log10(Σ w² / Σ error²) as a float, both sums over the whole tensor, also with `per_channel`. Without any error return `inf`. A difference of 0.001 dB is allowed.
#
# | w | per_channel | dB |
# |---|---|---|
# | [[1.0, 0.5, -0.25]] | left out | 48.309 |
# | [[100.0, 50.0], [0.5, 0.2]] | True | 49.066 |

# %% exercise="weight_sqnr_db"
def weight_sqnr_db(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
    """Signal to quantization noise ratio of symmetric weights, in dB."""
    ### BEGIN SOLUTION
    rows = w.reshape(len(w), -1) if per_channel else w.reshape(1, -1)
    scale = np.abs(rows).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    scale[scale == 0] = 1.0  # zeros stay zeros with any scale
    error = rows - np.rint(rows / scale) * scale
    if not error.any():
        return float("inf")
    return float(10 * np.log10(np.sum(rows**2) / np.sum(error**2)))
    ### END SOLUTION

# %% check="weight_sqnr_db"
check("52.weight_sqnr_db", weight_sqnr_db)

# %% [markdown] about="choose_backbone"
# Choose the network that goes on the device.
#
# - `cands` is a list of dicts with the keys `name` (str), `top1` (accuracy in %), `ms` (latency), `mb` (size) and `ops` (a set of operator names). Names are unique.
# - Drop each candidate with an operator that is not in the set `supported`, with `ms` above `max_ms`, or with `mb` above `max_mb`. Exactly at a limit is allowed.
# - Of those left return the name of the one with the highest `top1`. Among equals the one with the lowest `ms` wins, then the alphabetically first name.
# - Raise `ValueError`, with the words "no candidate" in its message, when none is left.
#
# With limits of 12 ms and 6 MB and the operators Conv, Relu, Clip, Add, Concat, MaxPool the answer is "mobilenet_v2":
#
# | name | top1 | ms | mb | ops |
# |---|---|---|---|---|
# | shufflenet_v2 | 69.36 | 9 | 2.3 | Conv, Relu, Split, Concat, Reshape, Transpose |
# | mobilenet_v2 | 71.88 | 11 | 3.5 | Conv, Clip, Add |
# | ghostnet | 73.98 | 14 | 5.2 | Conv, Relu, Concat, Slice, Mul, HardSigmoid, Add |
# | repvgg_a0 | 72.41 | 8 | 8.3 | Conv, Relu |
# | squeezenet_1_1 | 58.18 | 6 | 1.2 | Conv, Relu, Concat, MaxPool |

# %% exercise="choose_backbone"
def choose_backbone(cands: list[dict], max_ms: float, max_mb: float, supported: set[str]) -> str:
    """Name of the most accurate candidate that the device can run within both limits."""
    ### BEGIN SOLUTION
    left = [c for c in cands if c["ops"] <= supported and c["ms"] <= max_ms and c["mb"] <= max_mb]
    if not left:
        raise ValueError("no candidate within the limits")
    return min(left, key=lambda c: (-c["top1"], c["ms"], c["name"]))["name"]
    ### END SOLUTION

# %% check="choose_backbone"
check("52.choose_backbone", choose_backbone)

# %% [markdown]
# ## Measure it
#
# First the rewritten ShuffleNetV2, really run: ONNX Runtime (an engine for ONNX files) on this machine's CPU, two threads, one image of 160 x 160, in turns. `cpu_small` predicted that the rewrite does not pay on a CPU.

# %% experiment
from utils.networks.deploy.experiment import time_twins
from utils.widgets.ch52_deploying_lightweight_models import twin_table

twins = time_twins()
assert [t.transposes for t in twins] == [16, 0, 0] and max(t.max_abs for t in twins) < 1e-4
twin_table(twins)

# %% [markdown]
# The outputs agree. When this was written the rewritten forms took about 1.5 times as long, at 2.1 times the MACs: the prediction had the right sign.
#
# Now a RepVGG in INT8. A small one, with five blocks, learns scikit-learn's digits (1,257 images to train, 540 to test). Then its branches are fused, and ONNX Runtime's quantizer makes INT8 of it, calibrated on 128 training images. Will the accuracy fall as on ImageNet?

# %% experiment
from utils.networks.deploy.experiment import int8_forms
from utils.widgets.ch52_deploying_lightweight_models import form_table

form_table(int8_forms())

# %% [markdown]
# It does not fall. Ten digits are told apart with large margins, so errors in the outputs do no harm. But the errors are there: the output's SQNR is about 25 dB. What the network would lose on a hard task shows in its kernels:

# %% experiment
from utils.networks.deploy import reparam_sqnr
from utils.networks.deploy.experiment import digits_repvgg
from utils.widgets.ch52_deploying_lightweight_models import sqnr_picture

sqnr_picture([reparam_sqnr(block) for block in digits_repvgg().net.features])

# %% [markdown]
# Blocks 3 and 5 have an identity branch. Each of their branches alone has more than 40 dB; fused they have 28 and 26. The other blocks lose less. So the effect of the random kernel above is there in a trained network, too.
#
# With an NVIDIA GPU one would go on with RepVGG-A0 in TensorRT, NVIDIA's engine, in FP16 and in INT8. Chapters 31 and 36 do that with other networks; up to trtexec 10 a flag chooses the precision, from 11 on the model brings it along.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | weak devices such as phone CPUs: MobileNetV1 or ShuffleNetV2 | dated | good in 2018. MobileNetV2 has fewer parameters and about half of V1's MACs at a higher accuracy. MobileNetV4 was searched for many targets together: CPU, DSP (signal processor), GPU, and Google's EdgeTPU |
# | 2 | channel_shuffle may not be supported | holds, with a cure | 16 fallbacks in ShuffleNetV2. As 1x1 convolutions the outputs are the same; the MACs go from 144.9 to 303.2 million |
# | 3 | NPUs (Horizon X3, HiSilicon 3519, Ambarella CV22): CSPNet or RepVGG for detection | depends | true for arrays that want dense convolutions. Horizon's guide for the X3 recommends MobileNetV2, EfficientNet-Lite (EfficientNet without gates and Swish) and its own VarGNet, made of group convolutions |
# | 4 | RepVGG may lose accuracy when quantized | holds | A0 falls from 72.4 to 52.2 %; QARepVGG has 70.4 %, within 2 points of its floating-point form |
# | 5 | RepVGG's parallelism suits the GPU, said of NPUs | confused | what helps an NPU is the simple graph: 3x3 convolutions and ReLU alone, in a **single path** without branches. The GPU is the next item |
# | 6 | NVIDIA GPUs such as the T4: RepVGG, fast, and a single path saves memory | holds | 4.6 MiB of maps at the peak, 6.9 MiB with branches. The paper's reason for speed, Winograd's cheaper 3x3 (chapter 50), does not hold on the T4's tensor cores (65 TFLOP/s FP16, 130 TOPS INT8): they are fast at dense layers anyway |
# | 7 | MobileNet blocks are inefficient on accelerators, unless the maker optimised them, as for the X3 | holds | 3.3 % of a 16 x 16 array are busy in a depthwise layer, 94.5 % in a dense one. Horizon's guide says that its architecture was made for group and depthwise convolutions |
# | 8 | CSPNet, VoVNet, MobileDets are light models | depends | CSPNet and VoVNet are structures, used in large networks as well: timm, a collection of vision models, lists a CSPResNet-50 with 21.6 million parameters |
#
# Rows 1, 6 and 8, computed as far as they can be:

# %%
import onnx

from utils.cost.arena import live_peak, uses_from_onnx
from utils.networks.classic import build_light, count_macs, count_parameters
from utils.networks.deploy.experiment import exported

for name in ("MobileNetV1", "MobileNetV2"):
    network = build_light(name)
    print(f"row 1: {name} has {count_parameters(network):,} parameters, {count_macs(network, (1, 3, 224, 224)) / 1e6:.0f} million MACs")
for name in ("RepVGG-A0", "RepVGG-A0 with branches"):
    model = onnx.shape_inference.infer_shapes(exported(name))
    print(f"row 6: {name}: at most {live_peak(uses_from_onnx(model)) / 2**20:.2f} MiB of maps alive, FP32, 224 x 224")
print(f"row 8: 21,616,168 parameters are {21_616_168 / count_parameters(build_light('MobileNetV2')):.1f} times MobileNetV2's")

# %% [markdown]
# ## Explain it
#
# A colleague writes: "We ported our detector with a GhostNet backbone to the new NPU, 141 million MACs instead of 301. It became three times slower than with MobileNetV2. The vendor says that the NPU is fine. Should we go to INT8?" Answer in five or six sentences. (GhostNet's operators stand in the table of exercise 5; chapter 10 builds it.)
#
# A good answer names:
# 1. which operators of GhostNet this NPU may lack, and how to find out;
# 2. why a few small fallbacks cost more than MACs;
# 3. what INT8 would and would not change;
# 4. one rewrite or another backbone to try;
# 5. what to check before training next time.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Before INT8, partition the exported graph by the NPU's operator list: GhostNet's squeeze-and-excitation uses HardSigmoid and a multiplication by a factor for each channel, and both may be missing.
# Each segment that falls back is copied to the host and back and started twice, so seven of them can take longer than the 160 million MACs that were saved.
# INT8 halves the bytes of those copies and the arithmetic, but the borders and their starts stay, so it treats the symptom.
# If HardSigmoid is the problem, replace the gate by operators that the NPU has (HardSigmoid is a clipped straight line: a multiplication, an addition and a Clip), or drop the gates and train again, or take MobileNetV2, which has no fallback here.
# Next time export the candidates with random weights, count the islands and predict the time from a table measured on the target, and test INT8 on a pretrained checkpoint, all before training.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("52")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | operator fallback | 算子回退 | an unsupported operator runs on the host |
# | graph partition | 子图划分 | cutting a graph into segments for device and host |
# | channel shuffle | 通道混洗 | interleaving the channels of groups |
# | permutation folding | 置换折叠 | absorbing a shuffle into the next layer's weights |
# | dispatch overhead | 调度开销 | fixed price of starting an operator |
# | latency look-up table | 时延查找表 | block times measured on a target, to predict a network |
# | quantization-friendly | 量化友好 | weights and activations without extreme outliers |
# | PTQ | 训练后量化 | quantization without training again |
# | SQNR | 信号量化噪声比 | signal power over quantization error power, in dB |
# | single-path network | 单路网络 | no branches or shortcuts at inference |
# | Pareto front | 帕累托前沿 | options that no other beats in every criterion |
# | BPU | 地平线 BPU | the neural accelerator of Horizon Robotics |

# %% [markdown]
# ## Sources
#
# - Horizon Robotics, *XJ3 Open Explorer*, section 6.2, guide to efficient models: group and depthwise convolutions, recommended backbones, operators by look-up table. As of November 2026.
# - X. Chu, L. Li, B. Zhang, *Make RepVGG Greater Again: A Quantization-Aware Approach*, AAAI 2024 (arXiv 2212.01593): figure 1. Its accuracies were checked in quotations.
# - X. Ding et al., *RepVGG: Making VGG-style ConvNets Great Again*, CVPR 2021. N. Ma et al., *ShuffleNet V2*, ECCV 2018. D. Qin et al., *MobileNetV4*, 2024 (arXiv 2404.10518).
# - NVIDIA, *T4 Tensor Core GPU*, data sheet. timm 1.0.31 for the parameters of `cspresnet50`. ONNX Runtime, documentation of quantization.
# - Published top-1: weights of torchvision, timm and the papers, as in chapter 10. The four targets and the times of the candidates are made up.
