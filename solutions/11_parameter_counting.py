# %% [markdown]
# # 11 · How do you count a model's parameters?
# **模型参数计算？**
#
# The number of parameters fixes the size of the download and the memory that a model needs at least.
# For a language model that answers one user it also sets the speed limit, because each token reads the weights once. (In a mixture of experts it reads the active ones only.)
# Here you count without running the model, find out what a count leaves out, and turn the question around: which width fits a given memory?
#
# About 100 minutes, 59 of them for the exercises. It helps to know chapter 03 (how many bytes a number takes).

# %% setup
import math

# %% [markdown]
# ## The short answer
#
# > A convolution has C_out × (C_in / groups) × k_h × k_w weights and C_out biases, whatever the size of the image.
# > A linear layer has in × out + out. An embedding has vocabulary × width.
# >
# > Batch norm trains two values a channel, scale and shift. It also stores two running statistics, which are buffers and not parameters.
# > At deployment it is folded into the convolution in front, and only a bias a channel remains.
# >
# > A transformer block has about 12·d² parameters: 4·d² in attention, 8·d² in the MLP. Grouped-query attention makes K and V narrower.
# > Embeddings count once if they are tied. In a mixture of experts I give two numbers: the total for memory, the active ones for compute and for what a token reads.
# >
# > Parameters do not predict latency. AlexNet has 61 million and needs 0.71 GMACs for an image, that is 0.71 billion multiply–accumulates (one multiply and one add each). ResNet-50 has 26 million and needs 4.09.

# %% [markdown]
# ## How it works
#
# ### Three counts of one network
#
# A paper gives 25.6 million parameters for ResNet-50. A script that adds up a checkpoint finds 25.61 million values. The deployed model, with its batch norms folded, holds 25.53 million. Who is wrong?
#
# On torch's `meta` device a network has shapes but no weights, so building it takes no memory.

# %%
import torch
from torch import nn

from utils.cost.params import count_module
from utils.networks.classic import resnet

with torch.device("meta"):
    resnet50 = resnet([3, 4, 6, 3], bottleneck=True)
counted = count_module(resnet50)
norm_channels = counted.by_type["BatchNorm2d"] // 2
print(f"parameters():          {counted.parameters:,}")
print(f"state_dict():          {counted.parameters + counted.buffers:,}")
print(f"after folding:         {counted.parameters - norm_channels:,}")
print(f"batch-norm channels:   {norm_channels:,}")

# %% [markdown]
# Nobody is. They count different things, and the difference is batch norm each time. We come back to it below. First a single layer.
#
# ### A convolution
#
# Ask torch for the shape of the weights. The count is the product of that shape.

# %%
layer = nn.Conv2d(64, 128, 3)
print("weights", tuple(layer.weight.shape), "=", f"{layer.weight.numel():,}")
print("biases ", tuple(layer.bias.shape), "=", layer.bias.numel())
for side in (56, 112):
    out = layer(torch.zeros(1, 64, side, side))
    print(f"input {side} × {side}: {out.numel():,} output values from the same {sum(p.numel() for p in layer.parameters()):,} parameters")

# %% [markdown]
# There are 128 filters (C_out), each 64 deep (C_in) and 3 × 3 large. A filter moves over the image, so its weights are shared by all positions.
# The size of the image decides how many values come out and how long it takes. It does not change the count.
#
# The values that come out are **activations**. They take batch × channels × height × width × bytes a value.
# So their memory depends on the batch, the size of the image and the data type, and not on the number of parameters.
#
# Now three variations: a rectangular kernel, groups, and no bias. The fourth line repeats the third without groups, for comparison.

# %%
from utils.cost.params import conv2d_params

for text, c_in, c_out, kernel, groups, bias in (
    ("3 × 5 kernel", 64, 32, (3, 5), 1, True),
    ("64 → 128, 32 groups", 64, 128, (3, 3), 32, True),
    ("depthwise, no bias", 32, 32, (3, 3), 32, False),
    ("the same without groups", 32, 32, (3, 3), 1, False),
):
    shape = tuple(nn.Conv2d(c_in, c_out, kernel, groups=groups, bias=bias).weight.shape)
    print(f"{text:24} weights {shape!s:16} {conv2d_params(c_in, c_out, kernel, groups, bias):7,} parameters")

# %% [markdown]
# With *g* **groups** a filter sees only C_in / *g* input channels. With as many groups as channels it sees one. That is a **depthwise** convolution, and it has 288 weights here instead of 9,216.
# In general:
#
# $$C_{out} \cdot \frac{C_{in}}{g} \cdot k_h \cdot k_w \;+\; C_{out}\ \text{biases}$$
#
# ### Other layers

# %%
from utils.cost.params import embedding_params, layernorm_params, linear_params, lstm_params, rmsnorm_params

print(f"linear 512·7·7 → 4096       {linear_params(512 * 7 * 7, 4096):12,}   in × out + out")
print(f"embedding 32,000 × 4096     {embedding_params(32_000, 4096):12,}   rows × width")
print(f"LayerNorm over 768          {layernorm_params(768):12,}   scale and shift")
print(f"RMSNorm over 4096           {rmsnorm_params(4096):12,}   scale only")
print(f"LSTM 128 → 256              {lstm_params(128, 256):12,}   4·h·(i + h + 2)")
print(f"torch's LSTM                {sum(p.numel() for p in nn.LSTM(128, 256).parameters()):12,}")

# %% [markdown]
# The first line is a single layer of VGG-16, and three quarters of that network.
# An RMSNorm divides by the root mean square and then scales. It subtracts nothing, so it has no shift. The LSTM's "+ 2" are two bias vectors for each of its four gates.
# One would do, since they are added. PyTorch keeps two, because cuDNN does.
#
# ### Batch norm: trained, stored, gone
#
# A batch norm over C channels trains a scale and a shift: 2·C **parameters**. It also keeps a running mean, a running variance and a step counter.
# These 2·C + 1 values are **buffers**: they are saved and loaded, but no gradient changes them.

# %%
from utils.cost.params import batchnorm2d_count

norm = nn.BatchNorm2d(64)
print("trained:", {name: p.numel() for name, p in norm.named_parameters()})
print("buffers:", {name: b.numel() for name, b in norm.named_buffers()})
print(batchnorm2d_count(64))

# %% [markdown]
# At inference the statistics are constants, so the layer only scales and shifts. A convolution in front of it can do that itself:
# multiply each filter by γ / √(σ² + ε), and use β − μ·γ / √(σ² + ε) as the bias. This is called **folding**.

# %%
torch.manual_seed(0)
conv, norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8).eval()
with torch.no_grad():
    for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        values.uniform_(0.5, 1.5)  # as if trained
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    folded = nn.Conv2d(3, 8, 3)
    folded.weight.copy_(conv.weight * scale[:, None, None, None])
    folded.bias.copy_(norm.bias - norm.running_mean * scale)
    image = torch.randn(1, 3, 16, 16)
    print("same output:", torch.allclose(norm(conv(image)), folded(image), atol=1e-5))
print("stored before:", sum(v.numel() for part in (conv, norm) for v in part.state_dict().values()), "values")
print("stored after: ", sum(v.numel() for v in folded.state_dict().values()), "values")

# %% [markdown]
# That explains the three counts. ResNet-50 has 26,560 channels in its 53 batch norms.
# The state dict holds 2 × 26,560 + 53 more values than `parameters()`. The folded model holds 26,560 fewer: two trained values a channel went away, one bias came.
#
# ### A network is the sum of its table
#
# Where do a network's parameters sit? The counter keeps them apart by the type of layer.

# %%
from utils.networks.classic import CLASSIFIERS

for name in ("VGG-16", "ResNet-50", "MobileNetV2", "SqueezeNet 1.0"):
    with torch.device("meta"):
        counted = count_module(CLASSIFIERS[name]())
    shares = ", ".join(f"{kind} {n / counted.parameters:.1%}" for kind, n in counted.by_type.items())
    print(f"{name:15} {counted.parameters:12,}   {shares}")

# %% [markdown]
# VGG-16 is a linear head with a small network in front. SqueezeNet has no linear layer at all, and a hundredth of the parameters.
# These are exactly the numbers that torchvision's table lists.
#
# ### What a count may miss
#
# Two names may stand for one tensor. A language model often uses its embedding matrix a second time as output head (**weight tying**). Then it is stored once.

# %%
model = nn.ModuleDict({"embed": nn.Embedding(1000, 64), "body": nn.Linear(64, 64), "head": nn.Linear(64, 1000, bias=False)})
model["head"].weight = model["embed"].weight
model["body"].bias.requires_grad_(False)
counted = count_module(model)
print(f"adding up the state dict: {sum(v.numel() for v in model.state_dict().values()):,}")
print(f"each tensor once:         {counted.parameters:,}, of which {counted.trainable:,} trainable and {counted.frozen} frozen")
print(f"shared, so not counted:   {counted.shared:,}")

# %% [markdown]
# The state dict lists the shared matrix under both names. A **frozen** parameter is not trained, but it is stored and downloaded like the others.
# A `LazyLinear` has no size before its first input. Our counter refuses it instead of counting 0.
#
# ### Transformers
#
# Take one block of Llama-3-8B apart. Its width d is 4096. It has 32 query heads, and 8 heads for keys and values.
#
# Q, K and V make queries, keys and values of the input. O mixes the outputs of the heads.
# In the MLP, gate and up widen from d to d_ff = 14,336. The gate's output passes through an activation function and is multiplied with up's, value by value. Down leads the product back to d.

# %%
from utils.cost.params import LLAMA3_8B

d, d_ff, d_kv = LLAMA3_8B.d_model, LLAMA3_8B.d_ff, LLAMA3_8B.n_kv_heads * LLAMA3_8B.head_dim
block = {"Q": (d, d), "K": (d, d_kv), "V": (d, d_kv), "O": (d, d), "gate": (d, d_ff), "up": (d, d_ff), "down": (d_ff, d),
         "2 norms": (2, d)}
for name, shape in block.items():
    print(f"{name:8} {shape!s:14} {math.prod(shape):12,}")
print(f"a block of {sum(map(math.prod, block.values())):,}; there are {LLAMA3_8B.n_layers}")

# %% [markdown]
# Two things to know:
#
# - **Grouped-query attention** lets four query heads share one key/value head here. So K and V are a quarter as wide as Q.
# - The MLP is **gated** (SwiGLU): it has three matrices, not two.
#
# The rule of thumb is **12·d²** a block. It adds two parts:
#
# - Attention without groups: Q, K, V and O have d² each. That makes 4·d².
# - A classic MLP: two matrices, d × 4·d and 4·d × d. That makes 8·d².
#
# The gated MLP of Llama-2-7B is narrower, to match. Each of its three matrices has about 2.7·d², and 3 × 2.7 ≈ 8.
#
# Add the embedding, the output head and the last norm, and you have the model:

# %%
from utils.cost.params import DECODERS
from utils.cost.params import decoder_params as our_decoder_params

print(f"{'':14}{'total':>16}{'12·d²·layers':>16}{'attention':>11}{'MLP':>7}{'embedding and head':>20}")
for name in ("GPT-2 small", "Llama-2-7B", "Llama-3-8B", "Llama-3.2-1B"):
    cfg = DECODERS[name]
    p = our_decoder_params(cfg)
    rule = 12 * cfg.d_model**2 * cfg.n_layers
    print(f"{name:14}{p.total:16,}{rule:16,}{p.attention / p.total:11.0%}{p.mlp / p.total:7.0%}"
          f"{(p.embedding + p.head) / p.total:20.0%}")

# %% [markdown]
# The rule is only 4.4 % low for Llama-2-7B. Its blocks have 12.06·d², and the embedding and head are most of the rest (3.9 %).
# For Llama-3.2-1B it is 35 % low: the gated MLP alone has 12·d² there (3 matrices, d_ff = 4·d), and a fifth of the model is its embedding, although that is tied and counted once.
#
# An encoder or a vision transformer is counted the same way. BERT's **pooler** is one more linear layer, d → d, for the first token's output.

# %%
from utils.cost.params import BERT_BASE, VIT_B16, encoder_params, vit_params

print(f"BERT-base with pooler {encoder_params(BERT_BASE).total:12,}")
print(f"ViT-B/16              {vit_params(VIT_B16).total:12,}")

# %% [markdown]
# ### Experts: two numbers
#
# A **mixture of experts** replaces the MLP of each block by several, and a small router sends each token to a few of them.

# %%
from utils.cost.params import MIXTRAL_8X7B

p = our_decoder_params(MIXTRAL_8X7B)
print(f"total  {p.total:,}   must be in memory")
print(f"active {p.active:,}   one token computes with these ({p.active / p.total:.0%})")

# %% [markdown]
# "8x7B" is not 56 billion: attention, norms and embeddings exist once.
#
# ### From parameters to bytes, and to a speed limit
#
# Bytes are parameters × bits / 8, plus the scales of a quantized format. A scale takes 2 bytes (FP16) below, and 128 weights share it.
# Only the 4-bit line has scales.
#
# To decode one token for one user, a GPU reads all matrices once. In a mixture of experts it reads the active ones only: of Mixtral's 46.7 billion parameters 12.7 billion (of the embedding one row).
# Memory bandwidth divided by the bytes read bounds the tokens per second.

# %%
from utils.cost.params import matmul_params, weight_bytes

read = matmul_params(LLAMA3_8B)  # all matrices, the output head included; of the embedding only one row is read
for text, bits, group in (("16 bits", 16, None), ("8 bits", 8, None), ("4 bits, a scale for 128", 4, 128)):
    stored = weight_bytes(our_decoder_params(LLAMA3_8B).total, bits, group)
    limit = 3350e9 / weight_bytes(read, bits, group)  # an H100 reads at most 3350 GB/s
    print(f"Llama-3-8B, {text:24} {stored / 1e9:6.2f} GB stored, at most {limit:4.0f} tokens/s on an H100")

# %% [markdown]
# ### The other way round
#
# A count grows with the width, so **bisection** finds the largest width that fits: try the middle of the range, keep the half that holds the answer, repeat. Here: 32 layers of 12·d² and two tables of 32,000 rows, 16 bits, on a card of 24 GB.

# %%
from utils.cost.params import width_for_budget

def needed_bytes(d: int) -> int:
    return 2 * (32 * 12 * d * d + 2 * 32_000 * d)

width = width_for_budget(needed_bytes, budget=24_000_000_000, step=128, max_width=16_384)
print(f"width {width:,}: {needed_bytes(width) / 1e9:.2f} GB; the next one, {width + 128:,}: {needed_bytes(width + 128) / 1e9:.2f} GB")

# %% [markdown]
# This leaves no room for activations and caches, so a real budget has to be smaller. You will do the same for a microcontroller in exercise 5.

# %% [markdown]
# ## See it
#
# ![Shares of the stored values by part. AlexNet and VGG-16: linear layers 96 and 89 per cent. ResNet-50: convolutions 44, pointwise 48. MobileNetV2: pointwise 61, linear 37. Llama-3.2-1B: embedding 21, MLP 65. Mixtral-8x7B: idle experts 72. Beside them the bytes in 16 bits, from 2.5 MB for SqueezeNet to 93.4 GB for Mixtral.](figure.svg)
#
# Linear layers hold 89 % of VGG-16, pointwise (1 × 1) convolutions 61 % of MobileNetV2, and the embedding 21 % of Llama-3.2-1B.
# The nine models are AlexNet, VGG-16, ResNet-50, SqueezeNet 1.0, MobileNetV2, BERT-base, Llama-3.2-1B, Llama-3-8B and Mixtral-8x7B. In 16 bits none of them fits the 256 KiB of flash of a typical microcontroller (exercise 5).
#
# **Where do the parameters live?** Choose a model, what is counted, and how many bits a value takes. The white hatched part of Mixtral's bar shows the experts that a token does not use.

# %% figure
from utils.widgets.ch11_parameter_counting import parameter_explorer

parameter_explorer()

# %% [markdown]
# ## Exercises
#
# All counts are exact integers.
#
# The cells above import the course's own functions. Answers are graded without the course's packages: these functions do not exist there.
# So write each count yourself, even where the check in your notebook would accept a call.

# %% [markdown] about="conv_params"
# Count the parameters of a convolution.
#
# - `kernel` is an int (a square) or a pair (height, width).
# - With `groups` each filter sees `c_in` / `groups` input channels.
# - With `bias` there is one bias for each output channel.
# - Raise a ValueError if `groups` does not divide both channel counts, or if any size is not positive: the channels, the groups, each side of the kernel.
#
# For example `conv_params(64, 128, 3)` → 73,856, `conv_params(32, 32, 3, groups=32, bias=False)` → 288
# and `conv_params(64, 32, (3, 5))` → 30,752.

# %% exercise="conv_params"
def conv_params(c_in: int, c_out: int, kernel: int | tuple[int, int], groups: int = 1, bias: bool = True) -> int:
    """Parameters of a 2-D convolution; `kernel` is a side or a pair (height, width).

    Raises ValueError when a size is not positive or groups does not divide both channel counts.
    """
    ### BEGIN SOLUTION
    k_h, k_w = (kernel, kernel) if isinstance(kernel, int) else kernel
    if min(c_in, c_out, k_h, k_w, groups) <= 0:
        raise ValueError("every size must be positive")
    if c_in % groups or c_out % groups:
        raise ValueError("groups must divide c_in and c_out")
    return c_out * (c_in // groups) * k_h * k_w + (c_out if bias else 0)
    ### END SOLUTION

# %% check="conv_params"
check("11.conv_params", conv_params)

# %% [markdown] about="resnet_params"
# Count the parameters of a ResNet from its table.
#
# | part | `bottleneck` False | `bottleneck` True |
# |---|---|---|
# | stem | 7 × 7, 3 → 64 | the same |
# | four stages, width w = 64, 128, 256, 512 | `blocks[i]` times: 3 × 3 to w, 3 × 3 to w | `blocks[i]` times: 1 × 1 to w, 3 × 3 to w, 1 × 1 to 4·w |
# | head | linear, 512 → `n_classes` | linear, 2048 → `n_classes` |
#
# - Each convolution reads what the layer before it puts out. No convolution has a bias, and a batch norm follows each one (2 parameters a channel).
# - A block adds its input to its output. If the two have different numbers of channels, a **projection** makes them equal: a 1 × 1 convolution from the block's input channels to its output channels, also with batch norm. Other blocks have no projection.
# - The head has a bias.
# - `blocks` has four entries, each at least 1. Strides and pooling have no parameters.
# - Count with arithmetic. An answer that uses torch to build the network is refused.
#
# For example `resnet_params([2, 2, 2, 2], False)` → 11,689,512, `resnet_params([3, 4, 6, 3], True)` → 25,557,032
# and `resnet_params([1, 1, 1, 1], False, 10)` → 4,910,922.

# %% exercise="resnet_params"
def resnet_params(blocks: list[int], bottleneck: bool, n_classes: int = 1000) -> int:
    """Parameters of a ResNet with `blocks` residual blocks in its four stages."""
    ### BEGIN SOLUTION
    def conv_bn(c_in: int, c_out: int, k: int) -> int:
        return c_in * c_out * k * k + 2 * c_out

    total, c_in = conv_bn(3, 64, 7), 64
    for width, depth in zip((64, 128, 256, 512), blocks):
        c_out = 4 * width if bottleneck else width
        for _ in range(depth):
            if c_in != c_out:
                total += conv_bn(c_in, c_out, 1)  # the projection
            if bottleneck:
                total += conv_bn(c_in, width, 1) + conv_bn(width, width, 3) + conv_bn(width, c_out, 1)
            else:
                total += conv_bn(c_in, width, 3) + conv_bn(width, width, 3)
            c_in = c_out
    return total + c_in * n_classes + n_classes
    ### END SOLUTION

# %% check="resnet_params"
check("11.resnet_params", resnet_params)

# %% [markdown] about="decoder_params"
# Count the parameters of a language model in the layout of Llama.
#
# - The embedding has `vocab` rows of `d`.
# - Each of `layers` blocks has Q and O (`d` × `d`), K and V (`d` × `kv_heads`·head_dim), a gated MLP (three matrices of `d` × `d_ff`) and two RMSNorms (`d` values each).
# - head_dim is `d` / `heads`; it is a whole number.
# - After the blocks comes one more RMSNorm.
# - If `tied` is true, the output head is the embedding matrix, which is stored once. Otherwise it has a `vocab` × `d` matrix of its own.
# - There are no biases and no position embeddings.
#
# For example Llama-2-7B, `(32000, 4096, 32, 32, 32, 11008, False)`, → 6,738,415,616, and `(10, 8, 1, 4, 2, 16, True)` → 680.

# %% exercise="decoder_params"
def decoder_params(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, tied: bool) -> int:
    """Parameters of a Llama-style decoder: no biases, a gated MLP, RMSNorm."""
    ### BEGIN SOLUTION
    d_kv = d // heads * kv_heads
    attention = 2 * d * d + 2 * d * d_kv
    block = attention + 3 * d * d_ff + 2 * d
    tables = vocab * d if tied else 2 * vocab * d
    return tables + layers * block + d
    ### END SOLUTION

# %% check="decoder_params"
check("11.decoder_params", decoder_params)

# %% [markdown] about="moe_params"
# Now with experts. The layout is that of exercise 3, not tied, with two changes in each layer:
#
# - There are `experts` gated MLPs instead of one.
# - A router of `d` × `experts` without bias chooses `top_k` of them for each token.
#
# Return a pair: the total, and the parameters that are active for one token. Active is everything but the experts that the token does not use.
# The embedding, the output head and the whole router count as active (by convention the whole embedding, though only one row of it is read).
#
# `experts` and `top_k` are whole numbers. Both are at least 1.
#
# If `top_k` is larger than `experts`, raise a ValueError.
#
# For example Mixtral-8x7B, `(32000, 4096, 32, 32, 8, 14336, 8, 2)`, → (46702792704, 12879925248), and `(10, 8, 1, 4, 2, 16, 4, 2)` → (1944, 1176).

# %% exercise="moe_params"
def moe_params(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, experts: int,
               top_k: int) -> tuple[int, int]:
    """(total, active per token) parameters of a Llama-style decoder with `experts` gated MLPs in each layer.

    Raises ValueError when top_k is above experts.
    """
    ### BEGIN SOLUTION
    if top_k > experts:
        raise ValueError(f"top_k must be at most experts = {experts}, got {top_k}")
    d_kv = d // heads * kv_heads
    shared = layers * (2 * d * d + 2 * d * d_kv + d * experts + 2 * d) + d + 2 * vocab * d
    expert = layers * 3 * d * d_ff
    return shared + experts * expert, shared + top_k * expert
    ### END SOLUTION

# %% check="moe_params"
check("11.moe_params", moe_params)

# %% [markdown] about="largest_width"
# A small image classifier has to fit the flash memory of a microcontroller. How wide can it be? Its layers, for width w:
#
# | layer | from → to channels |
# |---|---|
# | stem, 3 × 3 | 1 → w |
# | block 1: 3 × 3 depthwise, then 1 × 1 pointwise | w → w, w → 2·w |
# | block 2: the same | 2·w → 2·w, 2·w → 2·w |
# | block 3: the same | 2·w → 2·w, 2·w → 4·w |
# | block 4: the same | 4·w → 4·w, 4·w → 4·w |
# | linear | 4·w → `n_classes` |
#
# - A depthwise layer has one 3 × 3 filter for each channel.
# - Each weight takes 1 byte (INT8).
# - Each output channel of *every* layer, depthwise and linear included, has a bias of 4 bytes (INT32) and a scale of 4 bytes (FP32).
# - The batch norms are folded: nothing of them is stored.
#
# Return the largest multiple of 8 for w whose bytes are at most `flash_bytes`, or None if not even 8 fits. `flash_bytes` may be 0, and it may be large: there is no upper bound for w. `n_classes` is at least 1.
#
# For example 65,536 bytes → 40 (60,320 bytes are used), 262,144 → 88 (259,328 bytes), 4,448 → 8 (an exact fit) and 4,447 → None.

# %% exercise="largest_width"
def largest_width(flash_bytes: int, n_classes: int = 10) -> int | None:
    """The largest multiple of 8 for which the net fits into `flash_bytes` in INT8; None if not even 8 does."""
    ### BEGIN SOLUTION
    def needed(w: int) -> int:
        weights, channels, c_in = 9 * w, w, w  # the stem
        for c_out in (2 * w, 2 * w, 4 * w, 4 * w):
            weights += 9 * c_in + c_in * c_out
            channels += c_in + c_out
            c_in = c_out
        return weights + c_in * n_classes + 8 * (channels + n_classes)

    width = 0
    while needed(width + 8) <= flash_bytes:
        width += 8
    return width or None
    ### END SOLUTION

# %% check="largest_width"
check("11.largest_width", largest_width)

# %% [markdown]
# ## Measure it
#
# Seven networks, one image of 224 × 224 each, one CPU thread, timed in turns. The median of five times is kept.
# Before you run it: AlexNet has the most parameters, 61 million. Will it be the slowest?

# %% experiment
from utils.widgets.ch11_parameter_counting import latency_chart, latency_table, time_networks

rows = time_networks()
latency_table(rows)

# %% experiment
latency_chart(rows)

# %% experiment
from utils.widgets.ch11_parameter_counting import latency_verdict

print(latency_verdict(rows))

# %% [markdown]
# Expect the MACs to rank the networks much better than the parameters do.
# The **rank correlation** with latency says how alike two orders are: 1 is the same order, 0 is no relation.
# In one recorded run, on one core of a server CPU, it was 0.96 for the MACs against 0.61 for the parameters. Three of the other six networks were slower than AlexNet.
# AlexNet's 61 million are almost all in linear layers, where each weight is used once for an image. A weight of a convolution is used at every position.
# The MACs are no perfect guide either, as chapter 12 shows.
#
# The second experiment follows one network on its way to deployment. ResNet-18 is exported to ONNX with its batch norms, and ONNX Runtime then applies its basic optimisations.

# %% experiment
from utils.widgets.ch11_parameter_counting import folding_table

folding_table()

# %% [markdown]
# The ONNX file holds the running statistics, but not the step counters. After the optimisation there is no batch norm left, and 14,400 values fewer are stored: four for each of the 4,800 channels went away, one came.
# As a size that saves nothing to speak of. What it saves is 20 passes over the activations.
#
# With a GPU, the next cell compares 4 bytes × values with what torch's allocator really hands out. The allocator rounds each tensor up to a multiple of 512 bytes, and may leave more unused at the end of a large block.
# Without a GPU the cell prints one line that says so. By arithmetic, the rounding (of step counters too) adds 0.57 % for MobileNetV2 (314 tensors) and less than 0.001 % for AlexNet (16 tensors).

# %% experiment
from utils.widgets.ch11_parameter_counting import gpu_table

gpu_table()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. It writes M for C_out, C for C_in and K for the side of a kernel.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | a convolution has M·C·K·K weights | depends | for square kernels without groups. In general M·(C / groups)·k_h·k_w: a depthwise 3 × 3 layer of 32 channels has 288, not 9,216 |
# | 2 | it has M biases | depends | if it has any. In ResNet and MobileNet a batch norm follows, whose shift replaces the bias |
# | 3 | together M·C·K·K + M | depends | as 1 and 2: 64 → 128 channels, 3 × 3: 73,856 with bias, 73,728 without, 2,432 with 32 groups and bias |
# | 4 | the parameters are mainly in convolutions, linear layers and batch norms | dated | true of CNNs, where batch norms hold next to nothing. In transformers they are in attention, MLPs and embeddings: 1.05 of Llama-3-8B's 8.03 billion are its two tables |
# | 5 | (by the way) the height H and width W of a feature map are among the variables | misleading | they appear in no parameter count, only in MACs and activations |
# | 6 | (left out) how to count batch norm | gap | 2·C trained values and 2·C + 1 buffers. ResNet-50 has 25,557,032 parameters and 53,173 buffer values besides |
# | 7 | (left out) deployment changes the count | gap | folding 53 batch norms with 26,560 channels leaves 25,530,472 stored values of ResNet-50 |
#
# In numbers:

# %%
print("row 1:", conv2d_params(32, 32, 3, groups=32, bias=False), "against", conv2d_params(32, 32, 3, bias=False))
biased = sum(m.bias is not None for m in resnet50.modules() if isinstance(m, nn.Conv2d))
print("row 2:", biased, "of", sum(isinstance(m, nn.Conv2d) for m in resnet50.modules()), "convolutions of ResNet-50 have a bias")
print("row 3:", [conv2d_params(64, 128, 3), conv2d_params(64, 128, 3, bias=False), conv2d_params(64, 128, 3, 32)])
p, counted = our_decoder_params(LLAMA3_8B), count_module(resnet50)
print(f"row 4: {(p.embedding + p.head) / 1e9:.2f} of {p.total / 1e9:.2f} billion; batch norms hold "
      f"{counted.by_type['BatchNorm2d'] / counted.parameters:.1%} of ResNet-50")
print(f"row 6: {counted.parameters:,} parameters, {counted.buffers:,} buffer values")
norms = [m.num_features for m in resnet50.modules() if isinstance(m, nn.BatchNorm2d)]
print(f"row 7: {len(norms)} batch norms, {sum(norms):,} channels, {counted.parameters - sum(norms):,} values after folding")

# %% [markdown]
# ## Explain it
#
# A colleague compares two image models: "B has half the parameters of A. So it needs half the memory and runs twice as fast. Let us ship B."
# Answer in five or six sentences.
#
# A good answer names:
# 1. what half the parameters do halve (download, flash or weight memory, at the same number of bits);
# 2. that a weight is used a different number of times in different layers, so MACs and latency need not follow, with an example;
# 3. that activations take memory too, and what their size depends on;
# 4. what the two counts may have included or not (buffers, folded batch norms, tied or frozen weights, idle experts);
# 5. what to measure before the decision.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Half the parameters at the same number of bits mean half the download and half the memory for weights, and that is all that follows.
# The time depends on how often each weight is used: AlexNet has more than twice the parameters of ResNet-50 and less than a fifth of its MACs.
# So B may well be slower, for instance if it swaps linear layers for convolutions on large maps.
# The peak of memory also holds activations, which grow with resolution, batch size and bytes a value, and not with the count.
# I would check that both counts are of the same kind: trained values only, or buffers too, before or after folding, tied matrices once.
# Then I would measure latency and peak memory of both on the target device with the real input size, and their accuracy, before we ship one.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("11")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | parameter | 参数 | a trained value |
# | bias | 偏置 | an offset for each output |
# | convolution kernel | 卷积核 | the window of weights that all positions share |
# | grouped convolution | 分组卷积 | channels split into independent groups |
# | depthwise convolution | 深度卷积 | as many groups as channels |
# | pointwise convolution | 逐点卷积 | a 1 × 1 convolution |
# | fully connected layer | 全连接层 | a dense matrix, with a bias for each output |
# | batch normalisation | 批归一化 | 2·C trained values, 2·C statistics |
# | MAC, GMAC | 乘加运算，十亿次乘加 | one multiply and one add; a billion of them |
# | buffer | 缓冲（非训练状态） | stored, but not trained |
# | BN folding | BN融合 | taking a batch norm into the weights and bias before it |
# | weight tying | 权重共享 | one matrix used twice |
# | grouped-query attention | 分组查询注意力 | fewer heads for keys and values than for queries |
# | mixture of experts | 混合专家 | several MLPs of which a token uses a few; total and active parameters |

# %% [markdown]
# ## Sources
#
# - K. He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016, arXiv:1512.03385, table 1.
# - A. Howard et al., *MobileNets*, 2017, arXiv:1704.04861; M. Sandler et al., *MobileNetV2*, CVPR 2018, arXiv:1801.04381.
# - A. Krizhevsky, *One weird trick for parallelizing convolutional neural networks*, 2014, arXiv:1404.5997: the AlexNet that libraries ship.
# - K. Simonyan and A. Zisserman, *Very Deep Convolutional Networks*, 2014, arXiv:1409.1556; F. Iandola et al., *SqueezeNet*, 2016, arXiv:1602.07360.
# - A. Vaswani et al., *Attention Is All You Need*, 2017, arXiv:1706.03762; J. Devlin et al., *BERT*, 2018, arXiv:1810.04805.
# - H. Touvron et al., *Llama 2*, 2023, arXiv:2307.09288; Llama Team, *The Llama 3 Herd of Models*, 2024, arXiv:2407.21783.
# - A. Jiang et al., *Mixtral of Experts*, 2024, arXiv:2401.04088.
# - pytorch/vision, `torchvision/models`: the field `num_params` of the weights.
# - PyTorch documentation: `torch.nn.Conv2d`, `torch.nn.BatchNorm2d`, `torch.nn.LSTM`.
