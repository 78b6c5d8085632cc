# %% [markdown]
# # 10 · Which classic lightweight networks are there?
# **有哪些经典的轻量化网络？**
#
# SqueezeNet has 49 times fewer parameters than AlexNet, and needs more arithmetic. GhostNet needs the least arithmetic of the five networks that you will time, and may be the slowest of them on your CPU.
# "Light" has several meanings. A light network is small in bytes, in operations or in memory traffic, and each family has one trick for one of them. You will build these networks from their papers' tables, to the exact parameter, and see which trick buys what.
#
# About 110 minutes: 62 for the five exercises, the rest to read and try. It helps to know chapters 11 (parameters) and 12 (MACs and FLOPs). No GPU and no trained weights are needed.

# %% setup
import numpy as np
import torch
from torch import nn

# %% [markdown]
# ## The short answer
#
# > SqueezeNet (2016) saves parameters: its Fire modules squeeze the channels with a 1x1 convolution before 1x1 and 3x3 filters expand them. Xception and MobileNetV1 (2016, 2017) replace a k x k convolution by a depthwise and a pointwise one. That leaves 1/C_out + 1/k² of the multiply–accumulates, 8 to 9 times fewer for k = 3.
# >
# > MobileNetV2 adds inverted residuals with a linear bottleneck. ShuffleNet makes the 1x1 convolutions cheap with groups and mixes the groups by a channel shuffle; its second version splits the channels instead. GhostNet makes half of its maps with cheap depthwise filters.
# >
# > Xception does not belong in the list if light means mobile: 22.9 million parameters and 8.4 billion multiply–accumulates. It uses its parameters well.
# >
# > Today I would add MobileNetV3 and V4, EfficientNet-Lite, RepVGG, MobileOne and FasterNet. And I would choose by latency measured on the target, not by operations.

# %% [markdown]
# ## How it works
#
# A **backbone** is the part of a network that turns an image into features; a small head on top solves the task. Here are backbones with the head for ImageNet, a collection of photos in 1,000 classes.
# A **MAC** is a multiply–accumulate, one product added to a sum. **Top-1** is the share of images whose class is guessed first. It is cited, not measured here: there are no trained weights in this course, and recipes of training differ.

# %%
from utils.widgets.ch10_classic_lightweight_networks import published_table

published_table()

# %% [markdown]
# Compare SqueezeNet 1.0 with AlexNet: 1.2 against 61.1 million parameters, and 819 against 714 million MACs. AlexNet keeps most parameters in linear layers, where each is used once an image. A weight of a convolution is used once for each output pixel.
#
# So there are three prices. **Weights** take space on disk and in memory. **MACs** keep the arithmetic units busy. **Maps**, the tensors between the layers, are written and read again:

# %%
from utils.widgets.ch10_classic_lightweight_networks import three_prices

three_prices(["SqueezeNet 1.1", "MobileNetV1", "MobileNetV2", "ShuffleNetV2", "GhostNet"])

# %% [markdown]
# Three columns, three winners: SqueezeNet 1.1 has the fewest weights, GhostNet the fewest MACs, ShuffleNetV2 the smallest maps.
# (All at 224 x 224 pixels. Counted are the maps that convolutions and linear layers write. ReLU and batch norm, which scales and shifts each channel, are taken to be done on the way.)
#
# ### Six blocks

# %%
from utils.widgets.ch10_classic_lightweight_networks import blocks_picture

blocks_picture()

# %% [markdown]
# ### SqueezeNet: squeeze before you expand
#
# A 3x3 convolution from 96 to 128 channels has 9 · 96 · 128 = 110,592 weights. A **Fire module** first reduces the 96 channels to 16, with a 1x1 convolution. Then 64 filters of 1x1 and 64 of 3x3 read those 16, side by side, and their outputs are joined:

# %%
from utils.networks.blocks import Fire
from utils.networks.classic import count_parameters

fire = Fire(c_in=96, squeeze=16, expand1=64, expand3=64)
print("output:", tuple(fire(torch.zeros(1, 96, 54, 54)).shape))
print("parameters:", f"{count_parameters(fire):,}", "of a Fire module, biases included")
print("parameters:", f"{count_parameters(nn.Conv2d(96, 128, 3)):,}", "of the plain 3x3 convolution")

# %% [markdown]
# Nine times fewer. Eight such modules, a **stem** (the first layer, which reads the image) and a 1x1 classifier are SqueezeNet:

# %%
from utils.networks.classic import count_macs, count_parameters, squeezenet

for version in ("1_0", "1_1"):
    net = squeezenet(version)
    print(f"SqueezeNet {version}: {count_parameters(net):,} parameters, {count_macs(net, (1, 3, 224, 224)):,} MACs")

# %% [markdown]
# Version 1.1 has a smaller stem and pools (shrinks the maps) earlier, so its Fire modules work on smaller maps: 2.35 times fewer MACs, with about as many parameters.
#
# ### MobileNetV1: space first, then channels
#
# A dense convolution does two things at once. It looks at neighbouring pixels, and it mixes channels. A **depthwise separable convolution** does them one after the other:
#
# - **depthwise**: one k x k filter for each channel, no mixing;
# - **pointwise**: a 1x1 convolution, which mixes channels and looks at one pixel only.
#
# From 64 to 128 channels on 56 x 56 pixels, k = 3:

# %%
pixels = 56 * 56
dense = 3 * 3 * 64 * 128 * pixels
depthwise = 3 * 3 * 64 * pixels
pointwise = 64 * 128 * pixels
print(f"dense {dense:,}   depthwise {depthwise:,}   pointwise {pointwise:,}")
print(f"what is left: {(depthwise + pointwise) / dense:.4f} = 1/128 + 1/9 = {1 / 128 + 1 / 9:.4f}")

# %% [markdown]
# In general (k²·C_in + C_in·C_out) / (k²·C_in·C_out) = **1/C_out + 1/k²**. The map's size and the input channels cancel. Most of what is left is the pointwise part.
# With k = 1 the ratio is above 1: splitting a 1x1 convolution is a loss.
#
# MobileNetV1 is a stem, 13 such blocks and a classifier. Its **width multiplier** scales every channel count:

# %%
from utils.networks.blocks import make_divisible
from utils.networks.classic import count_macs, count_parameters, mobilenet_v1

whole = count_macs(mobilenet_v1(), (1, 3, 224, 224))
for width in (1.0, 0.75, 0.5, 0.25):
    net = mobilenet_v1(width)
    macs = count_macs(net, (1, 3, 224, 224))
    print(f"width {width:4}: {count_parameters(net):9,} parameters, {macs:11,} MACs, {macs / whole:6.1%} of the whole; {width}² = {width**2:.1%}")
print("32 channels at width 0.3:", 32 * 0.3, "becomes", make_divisible(32 * 0.3))

# %% [markdown]
# Nearly the square of the width. Pointwise layers lose input *and* output channels, but the stem and the depthwise layers shrink with the width itself.
# `make_divisible` rounds to a multiple of 8, because the compute routines work on blocks of channels, and never below 90 % of the wanted number. 9.6 would round to 8, which is less than 90 % of it; so it becomes 16.
#
# ### MobileNetV2: wide in the middle, linear at the end
#
# A residual block (as in ResNet) adds its input to its output; the path of the input is the **skip**. ResNet is wide, narrow, wide. An **inverted residual** is narrow, wide, narrow: a 1x1 convolution widens 24 channels to 144, a depthwise 3x3 filters them, a 1x1 projects them to 24 again.
# The skip joins the narrow ends, so little has to be kept. It is there only where stride and channels allow an addition.

# %%
from utils.networks.blocks import InvertedResidual
from utils.networks.classic import count_macs, count_parameters, mobilenet_v2

print(f"(24 -> 144 -> 24): {count_parameters(InvertedResidual(24, 24, stride=1, expand_ratio=6)):,} parameters")
print(f"(32 -> 16), ratio 1: {count_parameters(InvertedResidual(32, 16, stride=1, expand_ratio=1)):,} parameters, no expansion")
print(f"MobileNetV2: {count_parameters(mobilenet_v2()):,} parameters, {count_macs(mobilenet_v2(), (1, 3, 224, 224)):,} MACs")

# %% [markdown]
# The last 1x1 has no activation: a **linear bottleneck**. Why? A ReLU sets negative values to 0, and what it cuts is lost, unless other channels still know it. Put points of a plane into m channels by a random matrix, apply ReLU, and reconstruct the points as well as a linear layer can. The relative error is the norm of what is missing over the norm of the points:

# %%
rng = np.random.default_rng(0)
points = rng.normal(size=(2000, 2))
for m in (2, 3, 5, 15, 30):
    errors = []
    for _ in range(20):
        cut = np.maximum(points @ rng.normal(size=(2, m)), 0)
        cut = np.column_stack([cut, np.ones(len(cut))])
        decoder, *_ = np.linalg.lstsq(cut, points, rcond=None)
        errors.append(np.linalg.norm(points - cut @ decoder) / np.linalg.norm(points))
    print(f"{m:2} channels: relative error {np.mean(errors):5.1%}")

# %% [markdown]
# With 2 channels the relative error is above one half, with 15 it is below 1 %. So ReLU belongs into the wide part, and the narrow end stays linear. (The networks use **ReLU6**, which cuts above 6 as well: a bounded range is easier to store in 8 bits.)
#
# ### ShuffleNet: groups, and a shuffle
#
# In MobileNets most MACs are in the 1x1 convolutions. A **group convolution** makes them cheaper: with g groups, each output sees 1/g of the inputs. But two in a row never mix the groups. Send a signal into channel 0 of 6, through two grouped 1x1 convolutions:

# %%
from utils.networks.blocks import channel_shuffle

torch.manual_seed(0)
first, second = (nn.Conv2d(6, 6, 1, groups=2, bias=False) for _ in range(2))
signal = torch.zeros(1, 6, 1, 1)
signal[0, 0] = 1
with torch.no_grad():
    plain = second(first(signal)).flatten() != 0
    mixed = second(channel_shuffle(first(signal), 2)).flatten() != 0
print("outputs that hear channel 0, no shuffle:  ", plain.int().tolist())
print("outputs that hear channel 0, with shuffle:", mixed.int().tolist())

# %% [markdown]
# A **channel shuffle** is a fixed transpose. Write the channels as a table with one row a group, and read it column by column: 0 1 2 / 3 4 5 becomes 0 3 1 4 2 5. Nothing is random, and there is nothing to learn.

# %% figure
from utils.widgets.ch10_classic_lightweight_networks import shuffle_figure

shuffle_figure()

# %% [markdown]
# That was ShuffleNet V1 (2017). Then some of the same authors measured, and found that many groups cost time in memory traffic. ShuffleNet V2 (2018) has no grouped 1x1 convolutions. It **splits** the channels: half pass by untouched, half are computed, and a shuffle mixes them.

# %%
from utils.networks.blocks import ShuffleV2Unit
from utils.networks.classic import count_macs, count_parameters, shufflenet_v2

unit = ShuffleV2Unit(8, 8, stride=1).eval()
x = torch.rand(1, 8, 4, 4)
with torch.no_grad():
    print("half of the output is the input's first half:", torch.equal(unit(x)[:, 0::2], x[:, :4]))
with torch.device("meta"):  # shapes only, no weights: counting needs none
    for scale in ("0.5", "1.0", "1.5", "2.0"):
        net = shufflenet_v2(scale)
        print(f"ShuffleNetV2 x{scale}: {count_parameters(net):9,} parameters, {count_macs(net, (1, 3, 224, 224)):11,} MACs")

# %% [markdown]
# ### GhostNet: cheap copies
#
# GhostNet's authors saw many maps that look alike in trained networks. A **Ghost module** computes half of the maps with a real convolution, and makes the others from them with one 3x3 depthwise filter each:

# %%
from utils.networks.blocks import GhostModule
from utils.networks.classic import count_macs, count_parameters, ghostnet

module = GhostModule(c_in=64, c_out=128)
print("weights of the 1x1 and of the cheap filters:", module.primary[0].weight.numel(), "+", module.cheap[0].weight.numel())
print("weights of a plain 1x1 convolution:", 64 * 128)
net = ghostnet()
print(f"GhostNet: {count_parameters(net):,} parameters, {count_macs(net, (1, 3, 224, 224)):,} MACs")

# %% [markdown]
# Some of its blocks have **squeeze-and-excitation**: each channel's mean goes through two small layers, which give a factor between 0 and 1 for that channel, its **gate**. That adds parameters and hardly any MACs.
#
# ### Xception: the ancestor that is not light
#
# Xception (2016) stacks separable convolutions with residuals, with 728 channels in most places, on images of 299 x 299 pixels:

# %%
from utils.networks.classic import PUBLISHED, count_macs, count_parameters, xception

with torch.device("meta"):
    net = xception()
    macs = count_macs(net, (1, 3, 299, 299))
print(f"Xception: {count_parameters(net):,} parameters, {macs:,} MACs, {macs / PUBLISHED['ResNet-50'].macs:.2f} times ResNet-50")

# %% [markdown]
# Its paper compares it with Inception V3, a network of the same size: it is more accurate with as many parameters. That is efficiency, but not a phone's.
#
# ### Two honest counts
#
# Keras prints 4,253,864 parameters for MobileNetV1, and 22,910,480 for Xception. Our counts are smaller:

# %%
from utils.networks.classic import build_light, count_buffers, count_parameters

with torch.device("meta"):
    for name, keras in (("MobileNetV1", 4_253_864), ("Xception", 22_910_480)):
        net = build_light(name)
        statistics = count_buffers(net)
        print(f"{name}: {keras:,} - {statistics:,} running statistics = {keras - statistics:,}; here {count_parameters(net):,}")

# %% [markdown]
# Batch norm keeps a running mean and a running variance for each channel. Keras counts them as parameters that are not trained. PyTorch keeps them as buffers. Say which count you mean.

# %% [markdown]
# ## See it
#
# ![Left, bars of the MACs of MobileNetV1 in each stage: 40.1 million at 112 pixels, 82.5 at 56, 79.8 at 28, 288 at 14, 77.7 at 7, and 1.02 in the head. Right, networks by parameters and MACs on logarithmic axes. SqueezeNet 1.0 is far left but above AlexNet's height; Xception and ResNet-101 are at the top right.](figure.svg)
#
# MobileNetV1 at width 1 on 224 x 224 pixels has 568.7 million MACs; 288 million of them, 51 %, are in the stage of 14 x 14 maps.
#
# **Where a light network spends.** Choose a network, a width, a resolution and a metric. A stage is what works on maps of one size; the diamond on the right is your choice among all networks.

# %% figure
from utils.widgets.ch10_classic_lightweight_networks import stages_figure

stages_figure()

# %% [markdown]
# Try three things. Look at MobileNetV1's parameters: most sit in the last stages and the classifier, the head. Look at its largest map: that is in the first stage. Go from 256 to 128 pixels: MACs and maps fall to about a quarter, parameters stay.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports NumPy as `np`, `torch`, and `nn` from torch. An answer may use these, Python's own modules, and nothing from other exercises. A convolution with a kernel of k x k pixels is called k x k.

# %% [markdown] about="separable_cost"
# Compare a dense convolution with its separable form.
#
# - All arguments are ints: input channels, output channels, kernel side, and the height and width of the *output* map. Stride and padding are already in these sizes, and both forms write a map of this size (the depthwise step too). There is no bias.
# - Return a tuple: (MACs of the dense k x k convolution, MACs of depthwise k x k plus pointwise 1x1, separable / dense). The two counts are ints, exact. The ratio is a float, within 1e-9 relative.
# - Raise `ValueError` if any of the five values is below 1.
#
# For example `separable_cost(64, 128, 3, 56, 56)` → (231211008, 27496448, 0.1189236…), and `separable_cost(32, 16, 1, 7, 7)` → (25088, 26656, 1.0625).

# %% exercise="separable_cost"
def separable_cost(c_in: int, c_out: int, k: int, h_out: int, w_out: int) -> tuple[int, int, float]:
    """(MACs of a dense k x k convolution, MACs of depthwise k x k and pointwise 1x1, separable / dense).

    Raises ValueError when a value is below 1.
    """
    ### BEGIN SOLUTION
    if min(c_in, c_out, k, h_out, w_out) < 1:
        raise ValueError("all values must be at least 1")
    area = h_out * w_out
    dense = k * k * c_in * c_out * area
    separable = (k * k * c_in + c_in * c_out) * area
    return dense, separable, separable / dense
    ### END SOLUTION

# %% check="separable_cost"
check("10.separable_cost", separable_cost)

# %% [markdown] about="fire_params"
# Count the parameters of a Fire module.
#
# - Three convolutions: 1x1 from `c_in` to `squeeze` channels; then, side by side on the squeezed channels, 1x1 to `expand1` and 3x3 to `expand3` channels. All sizes are ints of at least 1.
# - With `bias` each convolution has one bias for each of its output channels; without it there is none. There is no batch norm.
# - Return an int.
#
# For example `fire_params(96, 16, 64, 64)` → 11920, `fire_params(96, 16, 64, 64, bias=False)` → 11776, and `fire_params(10, 2, 3, 5)` → 126.

# %% exercise="fire_params"
def fire_params(c_in: int, squeeze: int, expand1: int, expand3: int, bias: bool = True) -> int:
    """Parameters of a Fire module: 1x1 squeeze, then 1x1 and 3x3 expansions side by side."""
    ### BEGIN SOLUTION
    weights = c_in * squeeze + squeeze * expand1 + 9 * squeeze * expand3
    return weights + (squeeze + expand1 + expand3 if bias else 0)
    ### END SOLUTION

# %% check="fire_params"
check("10.fire_params", fire_params)

# %% [markdown] about="channel_shuffle_np"
# Shuffle channels, with NumPy.
#
# - `x` is an array of shape (N, C, H, W): images, channels, rows, columns. It may have any dtype. `groups` is an int of at least 1.
# - The channels are cut into `groups` groups of neighbours, C / groups in each. The result has the first channel of every group, then the second of every group, and so on. Pixels and images stay in place.
# - The result has the shape and the dtype of `x`. Leave `x` unchanged.
# - Raise `ValueError` with the word "divisible" in its message if `groups` does not divide C.
#
# For example the channels 0, 1, 2, 3, 4, 5 of one pixel become 0, 3, 1, 4, 2, 5 with `groups=2`, and 0, 2, 4, 1, 3, 5 with `groups=3`.

# %% exercise="channel_shuffle_np"
def channel_shuffle_np(x: np.ndarray, groups: int) -> np.ndarray:
    """Interleave the channels of `groups` groups: the first of each, then the second of each, and so on.

    Raises ValueError when the channels are not divisible by `groups`.
    """
    ### BEGIN SOLUTION
    n, c, h, w = x.shape
    if c % groups:
        raise ValueError("channels must be divisible by groups")
    return x.reshape(n, groups, c // groups, h, w).swapaxes(1, 2).reshape(n, c, h, w)
    ### END SOLUTION

# %% check="channel_shuffle_np"
check("10.channel_shuffle_np", channel_shuffle_np)

# %% [markdown] about="build_inverted_residual"
# Build MobileNetV2's block, as an `nn.Module` that maps a float32 tensor (N, c_in, H, W) to (N, c_out, H', W').
#
# - Expansion: a 1x1 convolution to c_in · expand_ratio channels, batch norm, ReLU6. All three are absent when `expand_ratio` is 1.
# - Depthwise: a 3x3 convolution with `stride` (1 or 2) and padding 1, one group a channel; batch norm, ReLU6.
# - Projection: a 1x1 convolution to `c_out` channels, batch norm, and no activation.
# - The input is added to the result only if `stride` is 1 and c_in equals c_out. Nothing follows the addition.
# - No convolution has a bias. Batch norm is `nn.BatchNorm2d` with its default settings. All arguments are ints of at least 1.
#
# Names and structure are yours. The check fills your block with weights of its own, by the shapes of your tensors, and runs it in eval mode. It counts the parameters too: (24, 24, 1, 6) has 8,832, (32, 16, 1, 1) has 896, and (24, 32, 2, 6) has 10,000.

# %% exercise="build_inverted_residual"
def build_inverted_residual(c_in: int, c_out: int, stride: int, expand_ratio: int) -> nn.Module:
    """MobileNetV2's block: 1x1 expansion (absent at ratio 1), 3x3 depthwise, linear 1x1 projection, skip if it fits."""
    ### BEGIN SOLUTION
    wide = c_in * expand_ratio
    layers = []
    if expand_ratio != 1:
        layers += [nn.Conv2d(c_in, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
    layers += [nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
    layers += [nn.Conv2d(wide, c_out, 1, bias=False), nn.BatchNorm2d(c_out)]

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.layers(x)
            return x + y if stride == 1 and c_in == c_out else y

    return Block()
    ### END SOLUTION

# %% check="build_inverted_residual"
check("10.build_inverted_residual", build_inverted_residual)

# %% [markdown] about="cheapest_block"
# Choose the cheapest block that fits into the memory for weights.
#
# All blocks write maps of the same size here, so the MACs of a block are its weights times h · w. The block with the fewest MACs also has the fewest bytes. The budget decides only whether any block is allowed.
#
# - Three kinds of block, all from `c_in` to `c_out` channels, all without biases and norms:
#   - `"dense"`: a k x k convolution;
#   - `"separable"`: a depthwise k x k convolution, then a pointwise 1x1 one;
#   - `"ghost"`: a k x k convolution to p channels, then one 3x3 depthwise filter on each of these p. Here p is c_out / 2, rounded up. For an odd `c_out` one map more is computed than needed, and counted.
# - `h` and `w` are the size of the output; every convolution in a block writes maps of this size. All sizes are ints of at least 1.
# - Weights are FP32, 4 bytes each. A block fits if its weights take at most `weight_bytes_budget` bytes (an int, 0 or more).
# - Of the blocks in `kinds` (a sequence of one to three of these names, each once) that fit, return the one with the fewest MACs: a tuple (kind, MACs), a string and an int. In a tie the one that comes first in `kinds` wins.
# - If none fits, raise `ValueError` with the words "no block fits" in its message.
#
# | call | result |
# |---|---|
# | `cheapest_block(64, 128, 56, 56, 3, 100_000)` | ("separable", 27496448) |
# | `cheapest_block(64, 128, 56, 56, 1, 40_000)` | ("ghost", 14651392) |
# | `cheapest_block(9, 16, 7, 7, 1, 10_000, ("ghost", "dense"))` | ("ghost", 7056), a tie |

# %% exercise="cheapest_block"
def cheapest_block(c_in: int, c_out: int, h: int, w: int, k: int, weight_bytes_budget: int,
                   kinds: tuple[str, ...] = ("dense", "separable", "ghost")) -> tuple[str, int]:
    """(kind, MACs) of the block with the fewest MACs among those whose FP32 weights fit into the budget.

    Raises ValueError "no block fits" when there is none.
    """
    ### BEGIN SOLUTION
    p = -(-c_out // 2)
    weights = {"dense": k * k * c_in * c_out, "separable": k * k * c_in + c_in * c_out, "ghost": k * k * c_in * p + 9 * p}
    fitting = [kind for kind in kinds if 4 * weights[kind] <= weight_bytes_budget]
    if not fitting:
        raise ValueError("no block fits")
    best = min(fitting, key=lambda kind: weights[kind])
    return best, weights[best] * h * w
    ### END SOLUTION

# %% check="cheapest_block"
check("10.cheapest_block", cheapest_block)

# %% [markdown]
# ## Measure it
#
# Five networks with random weights, one random image of 160 x 160 pixels, one thread. The speed does not depend on what the weights are. First in PyTorch, operator by operator (eager mode), then exported to ONNX, an exchange format, and run by ONNX Runtime, an engine that fuses operators. After three warm-ups come ten rounds in turns, and the shortest time is kept.

# %% experiment
from utils.networks.classic.experiment import time_light
from utils.widgets.ch10_classic_lightweight_networks import timing_picture, timing_table

rows = time_light()
timing_table(rows)

# %% experiment
timing_picture(rows)

# %% [markdown]
# What to look for:
#
# - In PyTorch the order of the times is not that of the MACs. The rate in GMAC/s (billion MACs a second) differs several times between the networks.
# - Depthwise layers, joins, shuffles and gates move many bytes and do little arithmetic. And each operator has a start-up cost.
# - In the ONNX file batch norms are folded into the convolutions, and ONNX Runtime fuses the activations too. All networks gain, each by another factor, and the order may change again.
#
# In our runs the network of dense convolutions had about twice the rate of the one that is cut into small pieces. And on this machine?

# %% experiment
rate = {row.name: row.torch_gmac_s for row in rows}
ratio = rate["SqueezeNet 1.1"] / rate["ShuffleNetV2"]
print(f"SqueezeNet 1.1 reaches {ratio:.1f} times ShuffleNetV2's GMAC/s in torch")

# %% [markdown]
# On a GPU one image is too little work, and the time is mostly that of starting the operators. A batch of 64 tells another story:

# %% experiment
from utils.widgets.ch10_classic_lightweight_networks import gpu_note

gpu_note()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors. Its answer to the question is a list of five names.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | SqueezeNet is a classic light network | holds | few bytes: 1,248,424 parameters, 49 times fewer than AlexNet. But 819 million MACs, more than AlexNet's 714 million; version 1.1 needs 2.35 times fewer |
# | 2 | MobileNet is one network | depends | V1, V2, V3 and V4 are different designs: 569, 301, 217 and 186 million MACs in their usual form (V3-Large, V4-Conv-S) |
# | 3 | ShuffleNet is one network | depends | V1 has grouped 1x1 convolutions and a shuffle, V2 a channel split. V2 x1.0: 2,278,604 parameters, 145 million MACs |
# | 4 | Xception is lightweight | wrong, in the usual sense | 22,855,952 parameters and 8.36 billion MACs at 299 x 299 pixels, twice ResNet-50 at 224. It is efficient in its parameters, and the ancestor of the separable family |
# | 5 | GhostNet belongs in the list | holds | 5,182,508 parameters, 141 million MACs: the most parameters and the fewest MACs of MobileNetV1, V2, ShuffleNetV2 x1.0 and itself |
# | 6 | the list is complete (it says nothing else) | dated | it ends in 2020. MobileNetV3 and V4, EfficientNet-Lite, RepVGG, MobileOne, FasterNet and small vision transformers came after or beside it |
#
# Rows 1 to 6, computed. Networks that the course builds are counted here; MobileNetV3 and V4 and FasterNet come from the table above.

# %%
import torch

from utils.networks.classic import AS_OF, CLASSIFIERS, PUBLISHED, build_light, count_macs, count_parameters

params, macs = {}, {}
with torch.device("meta"):
    networks = {name: CLASSIFIERS[name]() for name in ("AlexNet", "ResNet-50", "SqueezeNet 1.0", "SqueezeNet 1.1")}
    networks |= {name: build_light(name) for name in ("MobileNetV1", "MobileNetV2", "ShuffleNetV2", "Xception", "GhostNet")}
    for name, net in networks.items():
        side = 299 if name == "Xception" else 224
        params[name], macs[name] = count_parameters(net), count_macs(net, (1, 3, side, side))


def ratio(counts: dict, one: str, other: str) -> str:
    return f"{one} / {other} = {counts[one] / counts[other]:.2f}"


print("row 1: parameters", ratio(params, "AlexNet", "SqueezeNet 1.0"))
print("row 1: MACs", ratio(macs, "SqueezeNet 1.0", "AlexNet"), "and", ratio(macs, "SqueezeNet 1.0", "SqueezeNet 1.1"))
mobile = {"MobileNetV1": macs["MobileNetV1"], "MobileNetV2": macs["MobileNetV2"],
          **{name: PUBLISHED[name].macs for name in ("MobileNetV3-Large", "MobileNetV4-Conv-S")}}
print("row 2: MACs (M)", {name: round(count / 1e6) for name, count in mobile.items()})
print(f"row 3: ShuffleNetV2 x1.0: {params['ShuffleNetV2']:,} parameters, {macs['ShuffleNetV2'] / 1e6:.1f} M MACs")
print("row 4: MACs", ratio(macs, "Xception", "ResNet-50"))
four = ("MobileNetV1", "MobileNetV2", "ShuffleNetV2", "GhostNet")
print("row 5: most parameters:", max(four, key=params.get), "- fewest MACs:", min(four, key=macs.get))
late = ", ".join(f"{name} ({net.year})" for name, net in PUBLISHED.items() if net.year > 2020)
print(f"row 6: in our table (as of {AS_OF}) and later than 2020: {late}")

# %% [markdown]
# ## Explain it
#
# A product manager writes: "GhostNet has only 141 million MACs, SqueezeNet 1.1 has 349 million. So GhostNet is 2.5 times faster, and since SqueezeNet is known for its size, it must be the worse choice everywhere. Please switch our camera's model this week." Answer in about six sentences.
#
# A good answer names:
# 1. that MACs, bytes of weights and bytes of maps are three prices with three winners;
# 2. which of the two has fewer weights, with numbers;
# 3. why fewer MACs need not be faster: depthwise layers, small operators, the runtime;
# 4. accuracy: what the published figures say, and why they do not settle it;
# 5. what you would measure, where, before switching.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# MACs are one of three prices; weights and maps are the others, and no network wins all three.
# SqueezeNet 1.1 has 1.24 million parameters, 5 MB in FP32, and GhostNet 5.18 million, 21 MB, so in flash or in a download SqueezeNet is four times smaller.
# 2.5 times fewer MACs do not make GhostNet 2.5 times faster: its depthwise filters, joins and gates move bytes and start many small operators, and when this chapter's measurement was run on a CPU, GhostNet was slower than SqueezeNet 1.1 in PyTorch and in ONNX Runtime.
# How an NPU would order them depends on whether it supports these operators and how well it runs depthwise layers.
# GhostNet's published top-1 is 73.9 % against 58.2 %, a large difference, but recipes differ and our task is not ImageNet.
# So I would train both on our data, quantise them as we ship, and measure latency (p95), memory and energy on the camera before we switch.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("10")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | depthwise convolution | 深度卷积 | one k x k filter for each channel, no mixing |
# | pointwise convolution | 逐点卷积 | a 1x1 convolution, which mixes channels only |
# | depthwise separable convolution | 深度可分离卷积 | depthwise, then pointwise |
# | stem | 起始层 | the first layer or layers, which read the image |
# | Fire module | Fire 模块 | a 1x1 squeeze, then 1x1 and 3x3 filters side by side |
# | inverted residual | 倒残差结构 | a narrow–wide–narrow block with the skip on the narrow ends |
# | linear bottleneck | 线性瓶颈 | no activation after the last projection |
# | group convolution | 分组卷积 | channels in groups that do not see each other |
# | channel shuffle | 通道混洗 | a fixed transpose that mixes the groups |
# | Ghost module | Ghost 模块 | some maps by a real convolution, the others by cheap filters on them |
# | width multiplier | 宽度因子 | a factor on every channel count |
# | squeeze-and-excitation | 通道注意力 (SE) | a factor for each channel, computed from the channels' means |
# | backbone | 主干网络 | the part that extracts features, shared by task heads |

# %% [markdown]
# ## Sources
#
# - F. Iandola et al., *SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size*, arXiv 1602.07360, 2016.
# - F. Chollet, *Xception: Deep Learning with Depthwise Separable Convolutions*, arXiv 1610.02357, 2016.
# - A. Howard et al., *MobileNets*, arXiv 1704.04861, 2017; *Searching for MobileNetV3*, arXiv 1905.02244, 2019.
# - M. Sandler et al., *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, arXiv 1801.04381, 2018.
# - X. Zhang et al., *ShuffleNet*, arXiv 1707.01083, 2017; N. Ma et al., *ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design*, arXiv 1807.11164, 2018.
# - K. Han et al., *GhostNet: More Features from Cheap Operations*, arXiv 1911.11907, 2020; the authors' released weights report a top-1 error of 26.066 %.
# - D. Qin et al., *MobileNetV4: Universal Models for the Mobile Ecosystem*, arXiv 2404.10518, 2024.
# - torchvision 0.29: metadata of the weights in `torchvision/models` (parameters, GMACs, top-1). timm 1.0.31: constructors `ghostnet_100`, `legacy_xception`, `mobilenetv4_conv_small`, `fasternet_t0`, `efficientnet_lite0`, counted. Keras Applications: parameters and top-1 of MobileNet and Xception. Read and run in November 2026.
