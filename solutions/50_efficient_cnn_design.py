# %% [markdown]
# # 50 · Which methods and lessons help design an efficient CNN?
# **有哪些设计高效CNN架构的方法与经验？**
#
# A convolution of 1x1 from 128 to 128 channels and one from 36 to 432 need about the same arithmetic. On a GPU a network of the second kind ran at half the speed. This chapter finds out why, and what else decides the speed of a CNN (a convolutional network) beside its operations.
#
# About 130 minutes: 70 for the five exercises, the rest to read, measure and explain. It helps to know chapters 10 (light networks), 11 (parameters) and 12 (FLOPs). No GPU is needed.

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > I optimise the latency that I measure on the target. FLOPs are only a first filter, because they leave out memory traffic, parallelism and how well a layer fits the hardware.
# >
# > ShuffleNet V2 gives four rules. Equal input and output channels move the least data in a 1x1 convolution, at fixed FLOPs and equal map sizes. Many groups move more. Many small operators leave a GPU idle. And elementwise operators have few FLOPs but full traffic; depthwise convolutions, with one filter for each channel, belong to them, at about 2 FLOP a byte in FP32.
# >
# > I pick channel counts that fill the hardware's tiles: multiples of 8, 16 or 32, as its maker says. In early layers, with few channels, a dense 3x3 is often faster on an accelerator than a separable one (a depthwise 3x3, then a 1x1).
# >
# > And I train with branches but deploy without: RepVGG folds a 3x3, a 1x1 and an identity branch into one kernel that computes the same. Then I check that INT8 still works, and measure again.

# %% [markdown]
# ## How it works
#
# ### Three costs, not one
#
# A layer has **parameters** (weights to store), **MACs** (multiply–accumulates, one multiplication and one addition each) and **memory access** (elements to read and write). A network can be small in one and large in another:

# %%
import torch

from utils.cost.flops import count_module_macs
from utils.cost.params import count_module
from utils.networks.classic import CLASSIFIERS

for name in ("AlexNet", "SqueezeNet 1.0", "ResNet-18", "MobileNetV2"):
    with torch.device("meta"):  # shapes only
        network = CLASSIFIERS[name]()
    params, macs = count_module(network).parameters, count_module_macs(network, (1, 3, 224, 224)).macs
    print(f"{name:15} {params / 1e6:5.1f} million parameters, {macs / 1e6:6.0f} million MACs")

# %% [markdown]
# SqueezeNet has 1/49 of AlexNet's parameters, and 115 % of its MACs. So these two must not be lumped together. The third cost is the one that is mostly forgotten.
#
# ### Memory access, counted
#
# A convolution reads its input and its weights and writes its output. Count each element once. That supposes a cache that holds the layer; a smaller cache makes it worse.
#
# The paper behind this chapter, ShuffleNet V2, writes "MAC" for **memory access cost**. This course says access, because MAC is taken.

# %%
from utils.networks.design import access_elements, output_macs

for c1, c2 in ((128, 128), (90, 180), (52, 312), (36, 432)):
    macs, moved = output_macs(56, 56, c1, c2, 1), access_elements(56, 56, 56, 56, c1, c2, 1)
    print(f"1x1, 56 x 56, {c1:3} -> {c2:3} channels: {macs / 1e6:.1f} million MACs, {moved:9,} elements")

# %% [markdown]
# From the first line to the last the MACs fall by 5 %, and the elements rise by 81 %.
#
# ### Rule 1: equal channels
#
# With MACs fixed, the product c1 · c2 is fixed, and so are the weights. Only h·w·(c1 + c2) is left, and a sum with a fixed product is smallest where both parts are equal. As a bound, with B the MACs of a 1x1 layer:
#
# access = h·w·(c1 + c2) + c1·c2 ≥ 2·√(h·w·B) + B / (h·w)
#
# Does it matter in practice? The paper's authors built networks of such layers, c1 → c2 and back, and ran them on a GTX 1080 Ti (a GPU of 2017). They did the same with a quarter of the channels on a Snapdragon 810 (a phone's ARM processor):

# %%
from utils.networks.design import G1_RUNS, access_elements

base = access_elements(56, 56, 56, 56, 128, 128, 1)
for ratio, ((c1, c2), gpu, _, arm) in G1_RUNS.items():
    traffic = access_elements(56, 56, 56, 56, c1, c2, 1) / base
    print(f"{ratio:5} GPU {gpu:5.0f} batches/s ({gpu / 1480:4.0%})   ARM {arm:4.1f} images/s ({arm / 76.2:4.0%})", end="")
    print(f"   1/traffic {1 / traffic:4.0%}")

# %% [markdown]
# The GPU follows the traffic: 51 % of the speed, where the traffic alone would allow 55 %. The phone does so less.
#
# **The rule has a condition.** Both maps must be equally large. At stride 2 the output map has a quarter of the elements, so an output channel is cheap:

# %%
from utils.networks.design import best_channels as our_best_channels
from utils.networks.design import best_ratio

print("stride 1:", our_best_channels(56, 56, 56, 56, 3, 65_536), "  best ratio c2/c1:", best_ratio(56, 56, 56, 56))
print("stride 2:", our_best_channels(56, 56, 28, 28, 3, 65_536), "  best ratio c2/c1:", best_ratio(56, 56, 28, 28))

# %% [markdown]
# ### Rule 2: groups cost traffic
#
# A convolution in g **groups** cuts the channels into g parts that don't see each other: 1/g of the weights and MACs. At equal MACs it can have more channels. But each channel has a map, and maps are traffic. The speeds are the paper's: batches per second on the GPU, and images per second on the phone, there with half the channels:

# %%
from utils.networks.design import G2_RUNS, access_elements, output_macs

for groups, (c, gpu, _, arm) in G2_RUNS.items():
    macs, moved = output_macs(56, 56, c, c, 1, groups), access_elements(56, 56, 56, 56, c, c, 1, groups)
    print(f"groups {groups}, {c} channels: {macs / 1e6:.1f} million MACs, {moved:9,} elements;", end="  ")
    print(f"paper: GPU {gpu:4}/s, ARM {arm}/s")

# %% [markdown]
# ### Rule 3: few large operators
#
# **Fragmentation**: many small operators in place of one large. Each needs a **launch**, the start of an operator, and a small one can't fill a GPU. The paper cut a 1x1 layer into pieces with the same FLOPs in all:

# %%
from utils.networks.design import G3_RUNS

for how, (gpu, arm) in G3_RUNS.items():
    print(f"{how:15} GPU {gpu:5} batches/s   ARM {arm:4.1f} images/s")

# %% [markdown]
# Four pieces side by side: the GPU falls to 28 %, the ARM core, which has little parallelism to lose, to 87 %.
#
# ### Rule 4: elementwise operators count
#
# **Elementwise** operators compute one output from one element of each input: ReLU, or the add of a shortcut (chapter 10 calls it a skip). ResNet's bottleneck block has three convolutions, three ReLUs and one add. Its first stage, 56 × 56 maps, 256 channels outside and 64 inside:

# %%
from utils.networks.design import bottleneck_traffic

parts = bottleneck_traffic(56, 56, 256, 64)
operations, elements = (sum(part[i] for part in parts.values()) for i in (0, 1))
for kind, (ops, moved) in parts.items():
    print(f"{kind:12} {ops / operations:6.1%} of the operations, {moved / elements:4.0%} of the elements moved")

# %% [markdown]
# Half a percent of the operations moves two thirds of the data, if nothing is fused. Inference engines fuse a ReLU into the convolution before it for this reason. What they can't fuse, such as an add whose other input comes from far, stays.
# The paper took ReLU and shortcut out of such a block with 32 channels: 2427 became 2842 batches per second on the GPU, 17 % more.
#
# ### Depthwise convolutions on the roofline
#
# **Arithmetic intensity** is FLOPs per byte moved. A device has a **ridge**: peak FLOP/s divided by bytes per second. Below it a layer waits for memory. The **roofline** is min(peak, intensity · bandwidth). Three kernels on a T4 (a GPU for inference, 8.1 TFLOP/s in FP32, 320 GB/s), 28 × 28 maps, 256 channels:

# %%
from utils.hardware.roofline_devices import roofline_devices
from utils.networks.design import place_convolutions

t4 = roofline_devices()["T4"]
for p in place_convolutions(size=28, channels=256, k=3, groups=1, item_bytes=4, device=t4):
    print(f"{p.name:14} {p.flops / 1e6:6.1f} MFLOP, {p.intensity:6.2f} FLOP/byte: {p.bound}-bound,", end=" ")
    print(f"at most {p.gflop_s:5,.0f} GFLOP/s, at least {p.us:6.2f} us")

# %% [markdown]
# The depthwise layer has 1/256 of the FLOPs of the dense one. By the roofline it takes 1/23 of the time, not 1/256. It is not slow in itself: it uses 9 % of the arithmetic that the GPU has.
# In FP16 the ridge of a T4 lies at 203 FLOP/byte, and the 1x1 layer is memory-bound too. The faster the arithmetic, the more layers wait for memory.
#
# ### Channels come in tiles
#
# Hardware computes channels in blocks, its **granule**. What does not fill one is padded with zeros, and the zeros are computed. **Channel alignment** means counts that fill the blocks. Here is what makers document:

# %%
from utils.widgets.ch50_efficient_cnn_design import granule_table

granule_table()

# %% [markdown]
# So "multiples of 16" is a fair guess, and the manual is better. NVIDIA's libraries run with any count, and run best with multiples of 16 bytes: 8 channels in FP16, 16 in INT8.
# On a granule of 32, a layer with 90 channels in and out costs what one with 96 does:

# %%
from utils.networks.design import output_macs, padded_macs

for c in (96, 90, 64):
    asked, spent = output_macs(28, 28, c, c, 3), padded_macs(28, 28, c, c, 3, 32, 32)
    print(f"{c} channels: {asked / 1e6:5.1f} million MACs asked, {spent / 1e6:5.1f} million spent")

# %% [markdown]
# ### Train with branches, deploy without
#
# Branches help training: a shortcut, for one, lets gradients through. In inference they cost launches, traffic and memory. **Structural re-parameterisation** takes both: train a network with branches, then compute from its weights another network without them that gives the same results.
#
# First, batch norm (BN) disappears. In inference it scales and shifts each channel with stored numbers, so it fits into the convolution before it:

# %%
import numpy as np

from utils.networks.reparam import fuse_conv_bn_np as our_fuse_conv_bn

one = np.ones(1)
weight = np.full((1, 1, 1, 1), 2.0)
w, b = our_fuse_conv_bn(weight, b=one, gamma=3 * one, beta=0.5 * one, mean=2 * one, var=4 * one, eps=0.0)
x = 10.0
print("conv, then BN:", 3 * ((2 * x + 1) - 2) / 4**0.5 + 0.5)
print(f"fused, weight {w.item()} and bias {b.item()}: {w.item() * x + b.item()}")

# %% [markdown]
# A RepVGG block adds three branches, each with its BN: a 3x3 convolution, a 1x1 convolution, and the input itself. Each is a 3x3 convolution in disguise. A 1x1 kernel is a 3x3 kernel with zeros around it, and the identity is a 1x1 kernel of ones on the diagonal of the channels. Convolutions of the same input that are added are one convolution, whose kernel is the sum:

# %%
from utils.widgets.ch50_efficient_cnn_design import fusing_picture

fusing_picture()

# %% [markdown]
# The picture has one channel and BNs that do nothing. A whole network, RepVGG-A0, with BNs that do something:

# %%
import torch
from torch import nn

from utils.cost.flops import count_module_macs
from utils.cost.params import count_module
from utils.networks.reparam import repvgg_a0

torch.manual_seed(0)
model = repvgg_a0(num_classes=1000).eval()
for module in model.modules():
    if isinstance(module, nn.BatchNorm2d):
        nn.init.uniform_(module.running_var, 0.5, 2)
        nn.init.uniform_(module.running_mean, -0.1, 0.1)
deployed = model.deploy()
images = torch.rand(1, 3, 64, 64)
with torch.inference_mode():
    before, after = model(images), deployed(images)
print(f"parameters: {count_module(model).parameters:,} in training, {count_module(deployed).parameters:,} deployed")
print(f"MACs at 224 x 224: {count_module_macs(deployed, (1, 3, 224, 224)).macs:,}")
print("outputs equal within 1e-5 of the largest:", bool((before - after).abs().max() < 1e-5 * before.abs().max()))

# %% [markdown]
# The paper gives 8.30 million parameters and 1.4 billion MACs. Two conditions:
#
# - **Evaluation mode.** In training mode BN uses the batch's own statistics, so there is no fixed kernel. `deploy()` refuses then.
# - **No ReLU inside a branch.** Only affine steps (a linear map plus a constant) add up.
#
# And one warning. Fused weights and activations can have outliers that INT8 handles badly. Chapter 52 measures that.
#
# ### Winograd: fewer multiplications for 3x3
#
# RepVGG's authors chose 3x3 because of a measurement. On a GTX 1080 Ti a 3x3 layer ran at 38.1 TFLOP/s, other sizes at about 10. But the peak of that card is 3,584 cores · 1.582 GHz · 2 = 11.3 TFLOP/s in FP32. What is wrong?

# %%
from utils.cost.flops import winograd_speedup
from utils.networks.design import REPVGG_DENSITY

peak = 3584 * 1.582e9 * 2 / 1e12
for k, rate in REPVGG_DENSITY.items():
    print(f"{k}x{k}: {rate:5.2f} TFLOP/s, {rate / peak:4.0%} of the peak")
for m in (2, 4):
    saving = winograd_speedup(m, 3)
    real = 38.1 / saving
    print(f"F({m}x{m}, 3x3) needs {saving:.2f} times fewer multiplications: really {real:5.2f} TFLOP/s, {real / peak:4.0%}")

# %% [markdown]
# The rate is FLOPs *of the direct form* over time. The library did fewer. **Winograd convolution** transforms a tile of input and the kernel, multiplies the two element by element, and transforms back. The transforms are additions (and halves). F(2x2, 3x3) makes 4 outputs from a 4x4 tile with 16 products in place of 36. A real rate of 149 % of the peak is impossible, so a form that saves more than F(2x2, 3x3) must have run, such as F(4x4, 3x3).
#
# On a whole image:

# %%
import numpy as np

from utils.networks.design import winograd_conv

rng = np.random.default_rng(0)
image, kernel = rng.normal(size=(9, 12)), rng.normal(size=(3, 3))
direct = np.array([[(image[i : i + 3, j : j + 3] * kernel).sum() for j in range(10)] for i in range(7)])
result, products = winograd_conv(image, kernel)
print("equal:", np.allclose(result, direct), "  products:", products, "instead of", 9 * direct.size)

# %% [markdown]
# 7 rows are padded to 8, so the saving is 1.97 here, not 2.25. This argument for 3x3 does not carry over to tensor cores or most NPUs (accelerators for neural networks): they multiply whole matrices, and so cheaply that there is little to save. Dense 3x3 layers suit them for another reason: their high intensity.
#
# ### Concatenate once
#
# DenseNet lets each layer read the outputs of *all* layers before it in its block. Few channels are made, but they are read again and again. VoVNet's **one-shot aggregation (OSA)** runs the layers in a row and concatenates once, at the end. A dense block and an OSA module with about equal MACs, 32 × 32 maps, 16 channels in, 160 out:

# %%
from utils.networks.design import densenet_access, osa_access

dense = densenet_access(32, 32, c_in=16, growth=12, layers=12)
osa = osa_access(32, 32, c_in=16, width=43, layers=5, c_out=160)
for name, block in (("dense block", dense), ("OSA module", osa)):
    print(f"{name:11} {block.macs / 1e6:.0f} million MACs, {block.access:9,} elements, input channels {block.inputs}")

# %% [markdown]
# 3 % more MACs, 27 % fewer elements. And by rule 1: 43 → 43 is balanced, 148 → 12 is not.
#
# **CSPNet** (cross-stage partial) goes another way: it splits the channels, sends one part through the stage, and joins the other part at the end. Its authors report 20 % fewer computations at equal accuracy on ImageNet.

# %% [markdown]
# ## See it
#
# ![Left, the roofline of a T4 in FP32: its ridge lies at 25 FLOP per byte. The depthwise 3x3 at 2.2 FLOP per byte stands on the slope, the 1x1 at 55 and the dense 3x3 at 233 under the flat roof. Right, the elements that a 1x1 layer moves against its input channels, for a fixed product of channels: at stride 1 the lowest point is 128 to 128, at stride 2 it is 64 to 256.](figure.svg)
#
# On a T4 in FP32 (ridge 25 FLOP/byte) the depthwise layer is memory-bound at 2.2 FLOP/byte, the other two are compute-bound at 55 and 233. At stride 1 the pair 128 → 128 moves 0.82 million elements, at stride 2 the pair 64 → 256 moves 0.42 million.
#
# **One layer, three kernels.** Raise the groups, change the format, and see which layers slide below the ridge.

# %% figure
from utils.widgets.ch50_efficient_cnn_design import roofline_figure

roofline_figure()

# %% [markdown]
# Try the NPU of the RK3588 (an edge chip; only its INT8 peak is in the course's table) with INT8, map side 56, 64 channels, 4 groups: the 3x3, its depthwise form and the 1x1 all take 12 µs. All three wait for memory, so the depthwise layer saves nothing.
#
# **Which channels move the least.** Change the stride and watch the lowest point.

# %% figure
from utils.widgets.ch50_efficient_cnn_design import channels_figure

channels_figure()

# %% [markdown]
# ## Exercises
#
# The set-up cell imports NumPy as `np`. An answer may use that, Python's own modules, and nothing from other exercises.

# %% [markdown] about="access_1x1"
# How many elements does a 1x1 convolution move?
#
# - Stride 1, no padding, no bias, one image. The input map is `h` x `w` with `c1` channels, the output has `c2` channels. All arguments are ints of at least 1.
# - Return an int: the elements of input, output and weights, each counted once. Elements, not bytes.
# - With `groups`, each group has c1/groups input and c2/groups output channels, and its outputs see its inputs only. Without groups (1, the default) every output sees every input.
# - Raise `ValueError`, with the word "divide" in its message, unless `groups` divides both `c1` and `c2`.
#
# | h, w, c1, c2, groups | elements |
# |---|---|
# | 56, 56, 128, 128 | 819200 |
# | 56, 56, 36, 432 | 1483200 |
# | 56, 56, 128, 128, 4 | 806912 |

# %% exercise="access_1x1"
def access_1x1(h: int, w: int, c1: int, c2: int, groups: int = 1) -> int:
    """Elements that a 1x1 convolution of stride 1 reads and writes: input, output and weights."""
    ### BEGIN SOLUTION
    if c1 % groups or c2 % groups:
        raise ValueError("groups must divide c1 and c2")
    return h * w * (c1 + c2) + c1 * c2 // groups
    ### END SOLUTION

# %% check="access_1x1"
check("50.access_1x1", access_1x1)

# %% [markdown] about="best_channels"
# Confirm the rule of equal channels by search, and find where it ends.
#
# - A convolution with a `k` x `k` kernel maps `c1` channels on an `h_in` x `w_in` map to `c2` channels on an `h_out` x `w_out` map. No groups, no bias. The output map may be smaller than the input map, equal or larger.
# - With the sizes fixed, c1 · c2 fixes its MACs. Return the pair `(c1, c2)` of positive ints with c1 · c2 = `product` that moves the fewest elements: input, output and weights, each counted once.
# - If several pairs move equally few, return the one with the smallest c1.
# - All arguments are ints; all but `product` are at least 1. Raise `ValueError` when `product` is below 1. `product` is at most 70,000.
#
# | h_in, w_in, h_out, w_out, k, product | pair |
# |---|---|
# | 56, 56, 56, 56, 1, 16384 | (128, 128) |
# | 56, 56, 28, 28, 3, 65536 | (128, 512) |
# | 7, 7, 7, 7, 1, 13 | (1, 13) |

# %% exercise="best_channels"
def best_channels(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> tuple[int, int]:
    """The pair (c1, c2) with c1 * c2 == product that moves the fewest elements; among equals the smallest c1."""
    ### BEGIN SOLUTION
    if product < 1:
        raise ValueError("product must be at least 1")
    pairs = [(c1, product // c1) for c1 in range(1, product + 1) if product % c1 == 0]
    # the weights, k * k * product, are the same for each pair; min keeps the first of equals
    return min(pairs, key=lambda pair: h_in * w_in * pair[0] + h_out * w_out * pair[1])
    ### END SOLUTION

# %% check="best_channels"
check("50.best_channels", best_channels)

# %% [markdown] about="fuse_conv_bn_np"
# Fold a batch norm into the convolution before it.
#
# - `w` is a float64 array (out, in/groups, kh, kw), `b` a float64 array (out,) or None for no bias. `gamma`, `beta`, `mean`, `var` are float64 arrays (out,), `eps` is a float with default 1e-5.
# - In inference BN(z) = gamma · (z − mean) / sqrt(var + eps) + beta, for each output channel of the convolution.
# - Return `(w', b')`, two float64 arrays of shapes (out, in/groups, kh, kw) and (out,), such that conv(x; w′) + b′ = BN(conv(x; w) + b) for every x. Groups, stride and padding stay, so you need not know them.
# - Leave the arguments unchanged. `var + eps` is always positive.
#
# | | w | b | gamma | beta | mean | var | eps | w′ | b′ |
# |---|---|---|---|---|---|---|---|---|---|
# | one filter | [[[[2]]]] | [1] | [3] | [0.5] | [2] | [4 - 1e-5] | left out | [[[[3]]]] | [-1] |
# | two channels | [[[[1]], [[2]]], [[[3]], [[4]]]] | None | [2, 6] | [0, 10] | [1, 3] | [3, 8] | 1 | [[[[1]], [[2]]], [[[6]], [[8]]]] | [-1, 4] |

# %% exercise="fuse_conv_bn_np"
def fuse_conv_bn_np(
    w: np.ndarray, b: np.ndarray | None, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, var: np.ndarray,
    eps: float = 1e-5,
) -> tuple[np.ndarray, np.ndarray]:
    """(w', b') such that conv(x; w') + b' = BN(conv(x; w) + b)."""
    ### BEGIN SOLUTION
    s = gamma / np.sqrt(var + eps)  # (out,)
    shift = -mean if b is None else b - mean
    return w * s[:, None, None, None], shift * s + beta
    ### END SOLUTION

# %% check="fuse_conv_bn_np"
check("50.fuse_conv_bn_np", fuse_conv_bn_np)

# %% [markdown] about="fuse_repvgg"
# Turn a RepVGG block into one 3x3 convolution.
#
# In inference the block computes BN3(conv(x; k3)) + BN1(conv(x; k1)) + BN_id(x), and a ReLU after that, which is not your concern. The 3x3 convolution has padding 1, the 1x1 convolution padding 0. Neither has a bias or groups.
#
# - `k3` is a float64 array (c_out, c_in, 3, 3), `k1` a float64 array (c_out, c_in, 1, 1).
# - Each norm is a tuple `(gamma, beta, mean, var, eps)` of four float64 arrays (c_out,) and a float: BN(z) = gamma · (z − mean) / sqrt(var + eps) + beta for each channel.
# - `bn_id` is None where the block has no third branch.
# - Return `(w, b)`, float64 arrays (c_out, c_in, 3, 3) and (c_out,), such that conv(x; w) + b, with padding 1, equals the sum of the branches for every x.
# - Leave the arguments unchanged. Raise `ValueError` when `bn_id` is given and c_in differs from c_out.
#
# In the examples there is one channel, `k3` is all zeros, `k1` is [[[[5]]]], and "unit" is a norm that does nothing: gamma 1, beta 0, mean 0, var 1, eps 0.
#
# | bn3 | bn1 | bn_id | middle of w | other weights | b |
# |---|---|---|---|---|---|
# | unit | unit | unit | 6 | 0 | [0] |
# | unit | unit | None | 5 | 0 | [0] |
# | unit | unit | gamma 3, beta 1, mean 2, var 4, eps 0 | 6.5 | 0 | [-2] |

# %% exercise="fuse_repvgg"
def fuse_repvgg(
    k3: np.ndarray, bn3: tuple, k1: np.ndarray, bn1: tuple, bn_id: tuple | None
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (c_out, c_in, 3, 3) and bias (c_out,) that equal the two or three branches of a RepVGG block."""
    ### BEGIN SOLUTION
    c_out, c_in = k3.shape[:2]
    padded = np.zeros(k3.shape)
    padded[:, :, 1, 1] = k1[:, :, 0, 0]
    branches = [(k3, bn3), (padded, bn1)]
    if bn_id is not None:
        if c_in != c_out:
            raise ValueError("an identity branch needs as many outputs as inputs")
        identity = np.zeros(k3.shape)
        identity[range(c_out), range(c_out), 1, 1] = 1
        branches.append((identity, bn_id))
    w, b = np.zeros(k3.shape), np.zeros(c_out)
    for kernel, (gamma, beta, mean, var, eps) in branches:
        s = gamma / np.sqrt(var + eps)
        w += kernel * s[:, None, None, None]
        b += beta - mean * s
    return w, b
    ### END SOLUTION

# %% check="fuse_repvgg"
check("50.fuse_repvgg", fuse_repvgg)

# %% [markdown] about="winograd_tile"
# Compute four outputs of a 3x3 kernel with 16 multiplications.
#
# - `d` is a float64 array (4, 4), a tile of the input; `g` is a float64 array (3, 3), the kernel.
# - The outputs are y[i, j] = Σ d[i + a, j + b] · g[a, b] over a and b from 0 to 2, for i and j in 0, 1. As in CNNs, the kernel is not turned round.
# - Compute them by Winograd's form: y = Aᵀ · [(G · g · Gᵀ) ⊙ (Bᵀ · d · B)] · A. Here · is the matrix product, ⊙ the elementwise product, and
#
# ```
# Bᵀ = [[1, 0, -1, 0],     G = [[1,    0,   0],     Aᵀ = [[1, 1,  1,  0],
#       [0, 1,  1, 0],          [1/2,  1/2, 1/2],         [0, 1, -1, -1]]
#       [0, -1, 1, 0],          [1/2, -1/2, 1/2],
#       [0, 1, 0, -1]]          [0,    0,   1]]
# ```
#
# - Return `(y, count)`: y as a float64 array (2, 2), and as an int how many multiplications the elementwise product ⊙ takes for the tile. Those of the transforms, by constants, are not counted. Leave the arguments unchanged.
# - The check also counts: it calls you once with numbers that notice when one made of `d` is multiplied by one made of `g`. More than 16 such products is too many.
#
# In the examples d is `np.arange(16.0).reshape(4, 4)`:
#
# | g | y | count |
# |---|---|---|
# | all ones | [[45, 54], [81, 90]] | 16 |
# | all zeros but g[1, 2] = 1 | [[6, 7], [10, 11]] | 16 |

# %% exercise="winograd_tile"
def winograd_tile(d: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, int]:
    """Four outputs of a 3x3 kernel on a 4x4 tile by Winograd's form, and the products that ⊙ takes."""
    ### BEGIN SOLUTION
    bt = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    gm = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    at = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
    m = (gm @ g @ gm.T) * (bt @ d @ bt.T)  # (4, 4)
    return at @ m @ at.T, m.size
    ### END SOLUTION

# %% check="winograd_tile"
check("50.winograd_tile", winograd_tile)

# %% [markdown]
# ## Measure it
#
# On this machine's CPU: one thread, FP32, one image. The variants run in turns and each keeps its shortest time, so that other work on the machine disturbs all alike.
#
# First rule 1. Guess before you run it: will this CPU follow the GPU of the paper, or the phone?

# %% experiment
from utils.networks.design.experiment import time_ratios
from utils.widgets.ch50_efficient_cnn_design import layer_table, ratio_picture

ratios = time_ratios()
layer_table(ratios, "Two 1x1 layers, c1 to c2 channels and back, 56 x 56: about equal MACs")

# %% experiment
ratio_picture(ratios)

# %% [markdown]
# On the machine where this was written (a server's x86 CPU) there is no trend. Its caches are large, one core computes slowly, and these layers are bound by arithmetic. The rule is about memory traffic. Where traffic does not limit, it says nothing. That is why one measures on the target.
#
# Next, the three kinds of convolution. Which share of the dense layer's GFLOP/s will the depthwise one reach?

# %% experiment
from utils.networks.design.experiment import time_kinds
from utils.widgets.ch50_efficient_cnn_design import layer_table

kinds = time_kinds()
print("depthwise below half of pointwise, in GFLOP/s:", kinds[2].gflop_s < kinds[1].gflop_s / 2)
layer_table(kinds, "28 x 28 maps, 256 channels")

# %% [markdown]
# RepVGG-A0 with its branches and deployed. It computes 10 % fewer MACs then. Is it 10 % faster?

# %% experiment
from utils.networks.design.experiment import time_repvgg
from utils.widgets.ch50_efficient_cnn_design import layer_table

forms = time_repvgg()
print(f"branches over deployed: {forms[0].macs / forms[1].macs:.2f} in MACs, {forms[0].ms / forms[1].ms:.2f} in time")
layer_table(forms, "RepVGG-A0, 128 x 128")

# %% [markdown]
# When this was written the ratio of times was about 1.27, that of the MACs 1.11. The rest is what branches cost beside arithmetic: in each of the 22 blocks a 1x1 convolution, two or three norms and one or two adds are gone. (On a busy machine even the shortest times vary. If yours is near 1, run the cell again.)
#
# Whole networks: if time were proportional to MACs, all of them would reach the same GFLOP/s.

# %% experiment
from utils.networks.design.experiment import time_networks
from utils.widgets.ch50_efficient_cnn_design import gpu_note, layer_table

networks = time_networks()
rates = [row.gflop_s for row in networks]
print(f"the fastest and the slowest differ by a factor of {max(rates) / min(rates):.1f} in GFLOP/s")
layer_table(networks, "224 x 224, torch without a compiler")

# %% [markdown]
# ResNet-18 has six times the MACs of MobileNetV2. When this was written it took not even three times as long: dense 3x3 layers kept this CPU twice as busy as depthwise and 1x1 layers did. So FLOPs rank networks of one kind, and mislead between kinds.

# %% experiment
gpu_note()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | deeper and wider is generally better; "resnet52" has 52 layers | wrong | there is no ResNet-52. ResNet-50 has 49 convolutions and one linear layer on its main path. Plain networks get worse when deeper: on CIFAR-10, 56 layers had a higher *training* error than 20 (He et al.). With shortcuts the gain shrinks with size, hence scaling depth, width and resolution together (EfficientNet) |
# | 2 | on the same platform and architecture, FLOPs speed-up and time speed-up are proportional | wrong as a rule | 96 channels cut to 90 save 12 % of the MACs, and nothing on a granule of 32. The source contradicts it itself two items later |
# | 3 | "FLOPs (parameters)" as one factor | wrong | SqueezeNet 1.0: 1/49 of AlexNet's parameters, 115 % of its MACs |
# | 4 | evaluate speed itself; low FLOPs are not low latency | holds | the thesis of ShuffleNet V2; see the last measurement above |
# | 5 | depthwise convolutions on GPUs: few FLOPs, much traffic | holds | 2.2 FLOP/byte against 233 for the dense layer |
# | 6 | multiples of 16 channels suit most edge hardware; HiSilicon's 351x wants 4 in, 16 out | depends | documented granules range from 4 to 64. The HiSilicon figures could not be confirmed |
# | 7 | with few channels, in early layers, a normal convolution beats a separable one on accelerators | holds as a rule | EfficientNetV2 uses dense 3x3 in its early stages for this reason. It calls them fused MBConv; MBConv is MobileNetV2's inverted residual (chapter 10). Qualcomm's guide for its NPU advises against activations with few channels |
# | 8 | ShuffleNet V2's four rules | holds, with limits | rule 1 needs equal maps: at stride 2 the best ratio is 1 : 4. It also needs traffic to be the limit |
# | 9 | 3x3 has up to 4 times the density of 1x1 and 5x5 on GPUs | holds, misread | 38.1 TFLOP/s is 336 % of the card's peak: Winograd saves multiplications in FP32. That does not carry over to tensor cores |
# | 10 | CSPNet removes redundant gradient information | holds | that is its authors' explanation; 20 % fewer computations is what they report |
# | 11 | VoVNet's OSA cures DenseNet's memory access | holds | 27 % fewer elements at 3 % more MACs in the example above |
#
# Rows 1, 2, 8 and 9, computed:

# %%
import torch
from torch import nn

from utils.networks.classic import CLASSIFIERS
from utils.networks.design import best_channels as our_best_channels
from utils.networks.design import padded_macs

with torch.device("meta"):
    resnet50 = CLASSIFIERS["ResNet-50"]()
convolutions = sum(isinstance(m, nn.Conv2d) for m in resnet50.modules())
shortcuts = sum(isinstance(m, nn.Conv2d) for n, m in resnet50.named_modules() if ".shortcut" in n)
main_path = convolutions - shortcuts
print(f"row 1: ResNet-50 has {convolutions} convolutions, {shortcuts} of them in shortcuts: {main_path} on the main path")
spent = {c: padded_macs(28, 28, c, c, 3, 32, 32) for c in (96, 90)}
print(f"row 2: 90 instead of 96 channels: {1 - (90 / 96) ** 2:.0%} fewer MACs,", end=" ")
print(f"{1 - spent[90] / spent[96]:.0%} less work on a granule of 32")
c1, c2 = our_best_channels(56, 56, 28, 28, 1, 16_384)
print(f"row 8: at stride 2 the best pair is {c1} -> {c2}, a ratio of 1 : {c2 // c1}")
print(f"row 9: 38.1 TFLOP/s is {38.1 / (3584 * 1.582e9 * 2 / 1e12):.0%} of the peak")

# %% [markdown]
# ## Explain it
#
# A colleague shows you a new backbone: "It has 40 % fewer FLOPs than our ResNet-18. I replaced every 3x3 by a depthwise and a 1x1 convolution with 8 groups, and split each block into four branches. On the NPU it is slower. Must be a driver bug." Answer in six sentences.
#
# A good answer names:
# 1. why fewer FLOPs need not mean less time, with the word arithmetic intensity or memory access;
# 2. what depthwise layers and groups do to the traffic;
# 3. what four branches do;
# 4. the channel counts and the NPU's granule;
# 5. what to measure first, and one change to try.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# FLOPs count arithmetic only; a layer also moves its maps and weights, and below the ridge of the NPU that movement sets the time.
# A depthwise 3x3 does about 18 FLOPs for each output and moves two elements for it, so it waits for memory however few FLOPs it has.
# 1x1 layers in 8 groups keep their full maps while their arithmetic falls by 8, so they too drop below the ridge, and the shuffles or copies between groups move more.
# Four branches mean many small operators, each with its own launch, and a concatenation or add that moves everything once more.
# I would look at the channels of each branch, too: if a group has 12 channels and the NPU computes 32 at a time, most of the work is padding.
# So first profile by layer on the NPU, then put dense 3x3 back in the early stages, drop the groups, train with branches but fold them for deployment, and measure again.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("50")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | memory access cost | 内存访问代价 (MAC) | elements that a layer reads and writes |
# | multiply–accumulate | 乘加 (MACs) | one multiplication plus one addition; not the MAC above |
# | arithmetic intensity | 计算强度 | FLOPs per byte moved |
# | roofline | 屋顶线模型 | min(peak, intensity · bandwidth) |
# | fragmentation | 碎片化 | many small operators instead of few large ones |
# | elementwise operation | 逐元素操作 | one output from one element of each input, such as ReLU or add |
# | structural re-parameterisation | 结构重参数化 | train with branches, deploy one merged kernel |
# | Winograd convolution | Winograd 卷积 | trades multiplications for additions in 3x3 convolutions |
# | channel alignment | 通道对齐 | channel counts as multiples of the hardware's tile |
# | CSP | 跨阶段部分连接 | process only a part of the channels, then concatenate |
# | OSA | 一次性聚合 | concatenate all features once, at the block's end |
# | fused MBConv | 融合 MBConv | a dense 3x3 in place of expansion and depthwise convolution |

# %% [markdown]
# ## Sources
#
# - N. Ma, X. Zhang, H.-T. Zheng, J. Sun, *ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design*, ECCV 2018: equation 1, tables 1 to 4.
# - X. Ding et al., *RepVGG: Making VGG-style ConvNets Great Again*, CVPR 2021: section 3, table 1. A. Lavin and S. Gray, *Fast Algorithms for Convolutional Neural Networks*, CVPR 2016.
# - K. He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016. M. Tan and Q. Le, *EfficientNet*, ICML 2019, and *EfficientNetV2*, ICML 2021.
# - C.-Y. Wang et al., *CSPNet*, 2019 (arXiv 1911.11929). Y. Lee et al., *An Energy and GPU-Computation Efficient Backbone Network for Real-Time Object Detection*, 2019 (arXiv 1904.09730).
# - S. Williams, A. Waterman, D. Patterson, *Roofline*, Communications of the ACM, 2009.
# - Granules: NVIDIA, *Matrix Multiplication Background User's Guide*, February 2023; Qualcomm, *HTP guidelines* (80-63442-10); AMD, *DPUCAHX8H Product Guide* (PG367), July 2021; Texas Instruments, *NPU Guidelines*. As of November 2026. NVIDIA's table and RepVGG's table 1 were checked in quotations, the makers' other rules in excerpts of their documents.
