# %% [markdown]
# # 12 · How do you compute a model's FLOPs?
# **模型FLOPs怎么算？**
#
# FLOPs count the arithmetic of a model. They are the first number of every capacity plan: how long at least, how many chips, how well used.
# The count is easy to get wrong by a factor of two, and tools get it wrong in ways that you should know.
#
# About 90 minutes. It helps to know chapter 11 (how to count parameters).

# %% setup
import statistics

import numpy as np

# %% [markdown]
# ## The short answer
#
# > For a convolution I count the output values, and then the work behind one of them.
# > MACs = batch × height × width of the *output* × C_out × (C_in / groups) × K_h × K_w.
# >
# > A MAC is one multiply and one add, so FLOPs are twice the MACs. With a bias that is exact. Without one there is one addition less for each output.
# > The tables that say "ResNet-50: 4.1 GFLOPs" count MACs. The real number is 8.2 GFLOPs.
# >
# > A decoder language model needs about 2 FLOPs for each matrix weight and token. Attention adds 4 × layers × context × width.
# > Training costs three times the forward pass: 6 × parameters × tokens.
# >
# > FLOPS with a capital S is a rate. I write FLOP/s.
# > FLOPs bound the compute time only. Depthwise convolutions, normalisation and decoding are limited by memory traffic, so fewer FLOPs may save no time.

# %% [markdown]
# ## How it works
#
# ### Two tools, two numbers
#
# Here is the first layer of ResNet-50. A table of networks and a profiler disagree about it. Who is wrong?

# %%
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from utils.cost.flops import conv_macs as our_conv_macs

layer = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
with FlopCounterMode(display=False) as counter, torch.no_grad():
    layer(torch.zeros(1, 3, 224, 224))
print(f"torch's FLOP counter: {counter.get_total_flops():,}")
print(f"the table's formula:  {our_conv_macs(224, 224, 3, 64, 7, stride=2, padding=3):,}")

# %% [markdown]
# Nobody is. The table counts **MACs** (multiply–accumulates): one multiply and one add together. The profiler counts both.
# Before you compare two numbers, ask which of the two they are.
#
# ### One output value
#
# Now count from the ground up. The next cell convolves with numbers that count what is done to them.
# One window of 3 × 3 over 2 channels gives one output value.

# %%
from utils.cost.flops.counting_float import naive_conv2d
from utils.cost.flops import count_by_execution

image, filters, bias = (2, 3, 3), (1, 2, 3, 3), (1,)
print("without bias:", count_by_execution(naive_conv2d, image, filters))
print("with bias:   ", count_by_execution(naive_conv2d, image, filters, bias))

# %% [markdown]
# 18 products need 17 additions to become one number. The bias is one more term, so one more addition.
# In general: C·K·K products, and C·K·K − 1 additions, or C·K·K with bias.
#
# This course mirrors an interview document, its *source*. The source writes the additions with bias as (C·K·K − 1) + (C − 1) + 1
# and says that this is C·K·K. Is it? Take C = 64 and K = 3.

# %%
C, K = 64, 3
print("as printed:  (C·K·K − 1) + (C − 1) + 1   =", (C * K * K - 1) + (C - 1) + 1)
print("as explained: C·(K·K − 1) + (C − 1) + 1  =", C * (K * K - 1) + (C - 1) + 1)
print("executed:                                 ", count_by_execution(naive_conv2d, (C, K, K), (1, C, K, K), (1,)).adds)

# %% [markdown]
# The printed bracket is wrong, its total is right. Within a channel there are K·K − 1 additions, so C·(K·K − 1) in all. Then C − 1 across the channels.
#
# ### A whole layer
#
# A layer repeats this for each value of its output: height × width × C_out of them. They are called its **feature map**. The size that counts is the *output's*:
#
# $$n_{out} = \left\lfloor \frac{n + 2p - d\,(K - 1) - 1}{s} \right\rfloor + 1$$
#
# with padding *p* on both sides, dilation *d* and stride *s*. A window that would hang over the edge is not computed.

# %%
from utils.cost.flops import conv2d_ops, conv_out_size

print("224, K = 7, stride 2, padding 3  →", conv_out_size(224, 7, stride=2, pad=3))
print("  8, K = 3, stride 2             →", conv_out_size(8, 3, stride=2))
print(" 10, K = 3, dilation 2           →", conv_out_size(10, 3, dilation=2))
print()
print("64 → 128 channels, 3 × 3, padding 1, on 56 × 56:")
for has_bias in (True, False):
    ops = conv2d_ops(56, 56, 64, 128, 3, padding=1, bias=has_bias)
    print(f"  bias {has_bias!s:5}: {ops.muls:,} multiplications + {ops.adds:,} additions = {ops.flops:,} FLOPs")

# %% [markdown]
# ### Groups
#
# With *g* groups an output channel sees C_in / *g* input channels only. Depthwise is the extreme: one channel each.

# %%
print("256 → 256 channels on 28 × 28, million MACs:")
for name, kernel, groups in (("3 × 3", 3, 1), ("3 × 3, 4 groups", 3, 4), ("3 × 3 depthwise", 3, 256), ("1 × 1 pointwise", 1, 1)):
    print(f"  {name:16} {our_conv_macs(28, 28, 256, 256, kernel, padding=kernel // 2, groups=groups) / 1e6:7.2f}")

# %% [markdown]
# A depthwise and a pointwise layer together need 53.2 million instead of 462.4 million: 8.7 times fewer.
#
# ### Work on padding
#
# The formula counts products with padded zeros. Ordinary kernels do compute them: many write every window as a row of a matrix, zeros included
# (**im2col**, image to columns), and multiply that matrix by the filters. How many such products are there?

# %%
for side in (7, 14, 56, 224):
    all_taps = conv2d_ops(side, side, 1, 1, 3, padding=1).muls
    inside = conv2d_ops(side, side, 1, 1, 3, padding=1, skip_padding=True).muls
    print(f"3 × 3 on {side:3} × {side:<3}: {inside / all_taps:6.1%} of the products touch the image")

# %% [markdown]
# ### A whole network
#
# The sum over the layers is the network. A hook on each layer sees the shapes, so nothing has to be typed in.

# %%
from utils.cost.flops import count_module_macs

torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Linear(120, 10))
table = count_module_macs(network, (1, 1, 28, 28))
for row in table.rows:
    print(f"{row.name:2} {row.kind:8} → {row.out_shape!s:16} {row.params:7,} parameters {row.macs:9,} MACs")
print(f"{table.macs:,} MACs; layers without a rule: {table.unknown or 'none'}")

# %% [markdown]
# ### Where counters are blind
#
# A counter knows a list of operators. What is not on the list counts 0, and nobody tells you.

# %%
def flop_counter(module, *inputs):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return counter.get_total_flops()


lstm, x = nn.LSTM(8, 16), torch.zeros(5, 2, 8)
print(f"LSTM:      torch's counter {flop_counter(lstm, x):6,} FLOPs; by hooks {2 * count_module_macs(lstm, x).macs:,}")
q = torch.zeros(1, 4, 16, 8)
attention = torch.nn.functional.scaled_dot_product_attention
print(f"attention: torch's counter {flop_counter(attention, q, q, q):6,} FLOPs")
from torch.nn.attention import SDPBackend, sdpa_kernel
with sdpa_kernel(SDPBackend.MATH):
    print(f"attention: torch's counter {flop_counter(attention, q, q, q):6,} FLOPs when it is made of plain products")

# %% [markdown]
# On the CPU each of the two runs as one **fused operator**: a single call that does all the steps, so no plain product is seen. The counter has no rule for it. Compare a tool with a closed form once, before you trust it.
#
# ### Published tables
#
# He et al. give 3.8 billion for ResNet-50, torchvision's table says 4.089 (and 15.470 for VGG-16). There are two versions, both counted in MACs:
# the first has the stride of a block in its first 1 × 1 layer, the second (called v1.5) in its 3 × 3 layer.

# %%
def resnet50_macs(stride_in_3x3: bool) -> int:
    macs, side, c_in = our_conv_macs(224, 224, 3, 64, 7, stride=2, padding=3), 56, 64  # a max pool makes 56 of 112
    for width, blocks, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            out = side // stride
            middle = side if stride_in_3x3 else out
            macs += our_conv_macs(side, side, c_in, width, 1, stride=side // middle)
            macs += our_conv_macs(middle, middle, width, width, 3, stride=middle // out, padding=1)
            macs += our_conv_macs(out, out, width, 4 * width, 1)
            if block == 0:
                macs += our_conv_macs(side, side, c_in, 4 * width, 1, stride=stride)  # the shortcut
            side, c_in = out, 4 * width
    return macs + 2048 * 1000


for name, late in (("v1  ", False), ("v1.5", True)):
    macs = resnet50_macs(late)
    print(f"ResNet-50 {name}: {macs / 1e9:6.3f} GMACs, {2 * macs / 1e9:5.2f} GFLOPs")

macs, side, c_in = 512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * 1000, 224, 3  # the three linear layers
for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
    for _ in range(depth):
        macs += our_conv_macs(side, side, c_in, width, 3, padding=1)
        c_in = width
    side //= 2  # a max pool
print(f"VGG-16        : {macs / 1e9:6.3f} GMACs, {2 * macs / 1e9:5.2f} GFLOPs")

# %% [markdown]
# ### Language models
#
# A token passes through each weight matrix once: one MAC a weight, 2 FLOPs. The input embedding is a lookup and costs nothing.
# Attention has no weights. A new token is compared with each position of its context, and then sums up their values:
# 4 × layers × context × width FLOPs.
#
# To turn FLOPs into time you divide by a peak. Take the **dense** one, for ordinary matrices. Data sheets often print the **sparse** peak in front.
# It is twice as high and holds only where two of every four weights are zero.

# %%
from utils.cost.flops import decoder_flops_per_token, prefill_flops
from utils.cost.params import LLAMA3_8B
from utils.hardware.gpu_arch import GPUS

for context in (1, 2_048, 8_192, 28_628, 131_072):
    flops = decoder_flops_per_token(LLAMA3_8B, context)
    print(f"Llama-3-8B, context {context:7,}: {flops.total / 1e9:6.1f} GFLOPs a token, attention {flops.attention / flops.total:5.1%}")
peak = GPUS["H100 SXM"].peak_tflop_s["bf16"]
prompt = prefill_flops(LLAMA3_8B, 2_000).total
print(f"a prompt of 2,000 tokens: {prompt / 1e12:.1f} TFLOPs, at least {prompt / peak / 1e9:.0f} ms on an H100 ({peak:.0f} TFLOP/s dense)")

# %% [markdown]
# The matrices cost 15.0 GFLOPs, whatever the context. Attention catches up at 28,628 tokens.
#
# ### Training, and how well the chips are used
#
# The backward pass computes gradients for activations and for weights. Each costs as much as the forward pass, so training is three times the forward pass: 6 FLOPs a weight and token.
# Attention triples as well: 4 × layers × context × width becomes 12·L·d_attn·T a token. *L* is the number of layers and *T* the length of a training sequence.
# *d_attn* is the width of all heads together: n_heads · head_dim, in PaLM 48 · 256 = 12,288.
# A causal token sees half of the sequence on average. By convention the full *T* is used all the same, not the causal half.
#
# **MFU** (model FLOPs utilisation) divides what the model needs by what the chips could do. Here is Google's PaLM, from its paper:

# %%
from utils.cost.flops import mfu, training_flops

print(f"6·N·D = {training_flops(540.35e9, 780e9) / 1e21:,.0f} ZFLOPs (the paper says 2,527)")
share = mfu(238.3e3, 540.35e9, n_layers=118, n_heads=48, head_dim=256, seq_len=2048, n_chips=6144, peak_flop_s=275e12)
print(f"MFU = {share:.1%} (the paper says 46.2 %)")

# %% [markdown]
# 780 billion is a rounded number of tokens: with 779.5 billion the product is 2,527.
#
# Some trainings compute activations a second time to save memory. MFU leaves that out: wasted work must not raise it.
# **HFU** (hardware FLOPs utilisation) counts it. PaLM's is 57.8 %.
#
# ### What FLOPs do not tell
#
# First: the bytes. **Arithmetic intensity** is FLOPs per byte moved. Where it is low, memory sets the time, not arithmetic.

# %%
from utils.cost.flops.figures import cost_point

for name, kernel, groups in (("3 × 3", 3, 1), ("3 × 3 depthwise", 3, 256), ("1 × 1 pointwise", 1, 1)):
    point = cost_point(256, 256, kernel, groups=groups, resolution=28)
    print(f"{name:16} {point['macs'] / 1e6:6.1f} million MACs, {point['intensity']:6.1f} FLOP per byte (FP32)")

# %% [markdown]
# Second: the algorithm. Winograd's method computes four outputs of a 3 × 3 convolution with 16 multiplications instead of 36.

# %%
from utils.cost.flops.winograd import winograd_f2x2_3x3, winograd_tile

rng = np.random.default_rng(0)
d, g = rng.standard_normal((4, 4)), rng.standard_normal((3, 3))
direct = np.array([[np.sum(d[i:i + 3, j:j + 3] * g) for j in range(2)] for i in range(2)])
print("same result:", np.allclose(winograd_f2x2_3x3(d, g), direct))
print("direct:  ", count_by_execution(naive_conv2d, (1, 4, 4), (1, 1, 3, 3)))
print("Winograd:", count_by_execution(winograd_tile, (4, 4), (4, 4)), "(with the filter transformed beforehand)")

# %% [markdown]
# If a profiler divides the *formula's* FLOPs by the time, a Winograd kernel may come out above the peak. It did not break physics: it did less.

# %% [markdown]
# ## See it
#
# ![A 3 × 3 window on a padded 5 × 5 image with two channels. 9 products in each channel become one value by 8 + 8 + 1 + 1 = 18 additions. The counted tally lies on the exact formula, below the source's printed sum.](figure.svg)
#
# After 8 of 25 windows the filter did 144 multiplications and 144 additions. The exact formula says 144, the source's printed sum 152: one too many in each window.
#
# **Counting microscope.** Move the window with the slider (arrow keys work). Each operation is really executed and counted.

# %% figure
from utils.widgets.ch12_flops import counting_microscope

counting_microscope()

# %% [markdown]
# **Counter court.** The same small network before six counters. Where they disagree, the cause stands beside it.

# %% figure
from utils.widgets.ch12_flops import counter_court

counter_court()

# %% [markdown]
# **Cost explorer.** One convolution, and the depthwise-separable pair that could replace it.

# %% figure
from utils.widgets.ch12_flops import cost_explorer

cost_explorer()

# %% [markdown]
# ## Exercises
#
# In all of them a MAC is one multiply and one add, and a FLOP is one of the two.

# %% [markdown] about="conv_macs"
# Count the MACs of a convolution.
#
# - `h` and `w` are the size of the *input*, `c_in` and `c_out` the channels.
# - `kernel` is an int or a pair (height, width). `stride`, `padding`, `dilation` and `groups` are ints. Padding is added on all four sides.
# - `groups` divides both channel counts.
# - With `batch` images the count is multiplied by `batch`.
# - Count the products with padded zeros as well. Biases are no MACs.
# - If the window does not fit into the padded input, on either axis, raise a ValueError.
#
# For example `conv_macs(224, 224, 3, 64, 7, stride=2, padding=3)` → 118,013,952 (the output is 112 × 112),
# and `conv_macs(10, 12, 3, 5, (3, 1), dilation=2)` → 3,240 (the output is 6 × 12).

# %% exercise="conv_macs"
def conv_macs(h: int, w: int, c_in: int, c_out: int, kernel: int | tuple[int, int], stride: int = 1,
              padding: int = 0, dilation: int = 1, groups: int = 1, batch: int = 1) -> int:
    """Multiply–accumulates of a convolution from its *input* size.

    Raises ValueError when the window does not fit into the padded input.
    """
    ### BEGIN SOLUTION
    k_h, k_w = (kernel, kernel) if isinstance(kernel, int) else kernel
    h_out = (h + 2 * padding - dilation * (k_h - 1) - 1) // stride + 1
    w_out = (w + 2 * padding - dilation * (k_w - 1) - 1) // stride + 1
    if h_out < 1 or w_out < 1:
        raise ValueError("the window does not fit into the padded input")
    return batch * c_out * h_out * w_out * (c_in // groups) * k_h * k_w
    ### END SOLUTION

# %% check="conv_macs"
check("12.conv_macs", conv_macs)

# %% [markdown] about="additions_exact"
# Count the additions behind *one* output value of a convolution.
#
# - The window is `kernel` × `kernel` over `c_in` channels: `c_in`·`kernel`² products.
# - `padding_taps` of these products (0 up to all of them) meet padding and are skipped. They are not computed and not added.
# - If `bias` is true, a bias is added to what the products give. If no product is left, there is nothing to add, with or without bias.
#
# First work out the source's (C·K·K − 1) + (C − 1) + 1 for C = 64, K = 3 on paper. It is not the answer.
#
# For example `(64, 3, True)` → 576, `(64, 3, False)` → 575, `(3, 3, False, padding_taps=15)` → 11.

# %% exercise="additions_exact"
def additions_exact(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    """Additions behind one output value when `padding_taps` of its c_in * kernel^2 products are skipped."""
    ### BEGIN SOLUTION
    products = c_in * kernel * kernel - padding_taps
    if products == 0:
        return 0
    return products if bias else products - 1
    ### END SOLUTION

# %% check="additions_exact"
check("12.additions_exact", additions_exact)

# %% [markdown] about="network_table"
# Make the table of a whole network: one row (name, parameters, MACs) for each layer, in order.
#
# `h` and `w` are the input's size. The first layer is a convolution, and every layer's window fits. Each layer is a dict with `name` and `op`:
#
# - `"conv"` has `c_in`, `c_out` and `k` (square). It may have `stride` (default 1), `pad` (0), `groups` (1), `bias` (True) and `bn` (False).
#   With `bn` a batch norm follows: its 2·c_out parameters belong into this row, and its arithmetic is not counted.
# - `"pool"` has `k`, and may have `stride` (default `k`) and `pad` (0). Its row is (name, 0, 0). The size follows the same rule as for a convolution.
# - `"gap"` (global average pool) leaves 1 × 1. Its row is (name, 0, 0).
# - `"linear"` has `n_out`, and may have `bias` (True). Its inputs are all values of the current shape, flattened.
#
# A bias adds parameters, not MACs.
# For example LeNet on 28 × 28 (conv 1 → 6, k 5, pad 2; pool 2; conv 6 → 16, k 5; pool 2; linear 120; linear 10) has the rows
# ("conv1", 156, 117600), ("pool1", 0, 0), ("conv2", 2416, 240000), ("pool2", 0, 0), ("fc1", 48120, 48000), ("fc2", 1210, 1200).

# %% exercise="network_table"
def network_table(layers: list[dict], h: int, w: int) -> list[tuple[str, int, int]]:
    """Rows (name, params, macs) of `layers` on an input of h x w, in order."""
    ### BEGIN SOLUTION
    rows, c = [], 0
    for layer in layers:
        op, params, macs = layer["op"], 0, 0
        if op in ("conv", "pool"):
            k, pad = layer["k"], layer.get("pad", 0)
            stride = layer.get("stride", 1 if op == "conv" else k)
            h, w = ((n + 2 * pad - k) // stride + 1 for n in (h, w))
        if op == "conv":
            c = layer["c_out"]
            weights = c * (layer["c_in"] // layer.get("groups", 1)) * k * k
            params = weights + c * layer.get("bias", True) + 2 * c * layer.get("bn", False)
            macs = weights * h * w
        elif op == "gap":
            h = w = 1
        elif op == "linear":
            n_out = layer["n_out"]
            macs = c * h * w * n_out
            params = macs + n_out * layer.get("bias", True)
            c, h, w = n_out, 1, 1
        rows.append((layer["name"], params, macs))
    return rows
    ### END SOLUTION

# %% check="network_table"
check("12.network_table", network_table)

# %% [markdown] about="decoder_step_flops"
# Count the FLOPs of one new token in a Llama-style decoder.
#
# - Each of `layers` blocks has the projections Q, K, V, O and a gated MLP: three matrices of `d` × `d_ff`. There are no biases.
# - There are `heads` query heads of size d / heads, and `kv_heads` key/value heads of the same size. K and V have `kv_heads`·(d / heads) columns.
# - The new token attends to `context` positions, itself included.
# - After the blocks comes the output head, `d` × `vocab`.
# - A MAC is 2 FLOPs. The embedding lookup, normalisation and softmax count 0.
#
# Return a dict: `"linear"` (all matrices, head included), `"attention"` (the products with the context), `"total"`.
#
# For example Llama-3-8B, `(128256, 4096, 32, 32, 8, 14336, 8192)`, gives linear 15,009,316,864, attention 4,294,967,296 and total 19,304,284,160.

# %% exercise="decoder_step_flops"
def decoder_step_flops(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int,
                       context: int) -> dict[str, int]:
    """FLOPs of one new token of a Llama-style decoder; the head counts as linear."""
    ### BEGIN SOLUTION
    d_kv = d // heads * kv_heads
    block = 2 * d * d + 2 * d * d_kv + 3 * d * d_ff
    linear = 2 * (layers * block + d * vocab)
    attention = 2 * 2 * layers * context * d
    return {"linear": linear, "attention": attention, "total": linear + attention}
    ### END SOLUTION

# %% check="decoder_step_flops"
check("12.decoder_step_flops", decoder_step_flops)

# %% [markdown] about="mfu_from_log"
# Compute a training's MFU from its log.
#
# - `step_seconds` are the times of the steps, in order. Leave out the first `warmup` of them. If none is left, raise a ValueError.
# - Take the *median* of the rest as the time of a step (of an even number: the mean of the two in the middle). A step trains on `tokens_per_step` tokens.
# - A token needs 6·`n_params` + 12·`n_layers`·`d_attn`·`seq_len` model FLOPs, whatever is recomputed. `d_attn` is n_heads · head_dim.
# - `peak_flops` is the dense peak of one chip in FLOP/s, and there are `n_chips`.
# - Return model FLOPs per second over what all chips could do: a fraction.
# - If it is above 1, raise a ValueError whose message contains the words `above peak`: the peak must be wrong, or MACs and FLOPs are mixed up. Exactly 1 is allowed.
#
# For example 8 steps of 17.6 s with 4,194,304 tokens each, 540.35e9 parameters, 118 layers, `d_attn` 12,288, sequences of 2,048,
# on 6,144 chips of 275e12 FLOP/s, give 0.4623 (PaLM's numbers; the step time follows from its published 238.3 thousand tokens per second).

# %% exercise="mfu_from_log"
def mfu_from_log(step_seconds: list[float], tokens_per_step: int, n_params: float, n_layers: int, d_attn: int,
                 seq_len: int, n_chips: int, peak_flops: float, warmup: int = 3) -> float:
    """Training utilization from a log of step times: the median step after the first `warmup`.

    Model FLOPs are 6 N + 12 L d_attn T a token whatever is recomputed. Raises ValueError when no step is
    left, or when the result is above 1.
    """
    ### BEGIN SOLUTION
    kept = step_seconds[warmup:]
    if not kept:
        raise ValueError(f"no step is left after a warm-up of {warmup}")
    flops_per_token = 6 * n_params + 12 * n_layers * d_attn * seq_len
    flop_s = tokens_per_step / statistics.median(kept) * flops_per_token
    share = flop_s / (n_chips * peak_flops)
    if share > 1:
        raise ValueError(f"{share:.3f} is above peak: a wrong peak (sparse?) or a mix-up of MACs and FLOPs")
    return share
    ### END SOLUTION

# %% check="mfu_from_log"
check("12.mfu_from_log", mfu_from_log)

# %% [markdown]
# ## Measure it
#
# Five layers of the same width on the same map, on one CPU thread, timed in turns. The shortest of 15 times is kept.
# Before you run it: the depthwise and pointwise pair has 8.7 times fewer MACs than the full 3 × 3. How much faster will it be?

# %% experiment
from utils.widgets.ch12_flops import layer_table, separable_verdict, time_layers

rows = time_layers()
layer_table(rows)

# %% experiment
print(separable_verdict(rows))

# %% [markdown]
# Expect the depthwise layer to reach at most a third of the full convolution's GFLOP/s, so the gain in time stays below the gain in MACs.
# (One recorded run, one core of an AMD EPYC: 6.0 times less time instead of 8.7 times; 12 against 107 GFLOP/s.)
# The column "FLOP per byte" shows why: a layer with little arithmetic for each byte waits for memory.
#
# The same operator has no fixed rate either. Square matrix products, one thread:

# %% experiment
from utils.widgets.ch12_flops import matmul_chart, time_matmuls

matmul_chart(time_matmuls())

# %% [markdown]
# A product of 16 × 16 has about 8,000 FLOPs, and the call around it takes longer than they do. With growing n that fixed cost disappears in the n³ of the work.
#
# With a GPU the next cell also measures the five layers in FP16 and in FP32, with and without **TF32**. (TF32 rounds the factors of an FP32 product
# to 10 fraction bits, so that the faster matrix units can take them.) Without a GPU it says so.

# %% experiment
from utils.widgets.ch12_flops import gpu_table

gpu_table()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | FLOPS are operations per second, FLOPs a number of operations | holds | both spellings are used for both; FLOP/s leaves no doubt |
# | 2 | convolutions are most of a model's arithmetic | depends | in CNNs. In Llama-3-8B matrix products are, and attention is 22 % at a context of 8,192 tokens and 82 % at 131,072 |
# | 3 | multiplications = H·W·M·C·K·K | holds | H × W is the *output*, for one image and no groups; products with padding are included: on 7 × 7 only 81.9 % touch the image, on 224 × 224 99.4 % |
# | 4 | additions of an output with bias: (C·K·K − 1) + (C − 1) + 1 = C·K·K | wrong on the left | C·(K·K − 1) + (C − 1) + 1 is C·K·K. The printed sum is 10.9 % too high for C = 64, K = 3 |
# | 5 | with bias: 2·H·W·M·C·K·K in all | holds | 462,422,016 for 64 → 128 channels, 3 × 3 on 56 × 56 |
# | 6 | without bias: H·W·M·(2·C·K·K − 1) | holds | 462,020,608; torch's counter and most tools say 2 × MACs in both cases |
# | 7 | FLOPs measure a model's complexity | depends | they bound compute time only; layers reach very different rates, see the experiment above |
# | 8 | (left out) stride, padding, dilation, groups, batch | gap | the output size has a formula, groups divide the MACs, the batch multiplies them |
# | 9 | (left out) MACs or FLOPs | gap | tables of CNNs list MACs: ResNet-50 3.858 G (v1) and 4.089 G (v1.5), VGG-16 15.470 G |
# | 10 | (left out) the algorithm | gap | Winograd needs 16 multiplications where the formula counts 36, so a rate computed from the formula may exceed the peak |
#
# Rows 3, 4, 9 and 10 were computed above. Here are 2 and 4 to 6 in numbers:

# %%
for context in (8_192, 131_072):
    flops = decoder_flops_per_token(LLAMA3_8B, context)
    print(f"row 2: attention at {context:,} tokens: {flops.attention / flops.total:.0%}")
outputs = 56 * 56 * 128
exact, printed = outputs * 64 * 9, outputs * ((64 * 9 - 1) + (64 - 1) + 1)
print(f"row 4: {printed:,} additions by the printed sum, {exact:,} in truth: {printed / exact - 1:+.1%}")
print(f"row 5: 2·H·W·M·C·K·K = {2 * outputs * 64 * 9:,}; counted {conv2d_ops(56, 56, 64, 128, 3, padding=1).flops:,}")
print(f"row 6: H·W·M·(2·C·K·K − 1) = {outputs * (2 * 64 * 9 - 1):,}; counted {conv2d_ops(56, 56, 64, 128, 3, padding=1, bias=False).flops:,}")

# %% [markdown]
# ## Explain it
#
# A planner reads "ResNet-50: 4.1 GFLOPs" in a table and "8.2 TFLOP/s" on a data sheet. She concludes: "One chip serves 2,000 images a second."
# Answer in five or six sentences.
#
# A good answer names:
# 1. that the table counts MACs, and what that does to the 2,000;
# 2. that the peak is an upper bound (dense or sparse, which number format), and that a real share of it has to be measured;
# 3. that some layers are limited by memory traffic, with an example;
# 4. one more thing that the count leaves out (pre-processing, launch overhead, batch size);
# 5. what to measure before the promise is made.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The table counts multiply–accumulates, so an image needs 8.2 GFLOPs and the bound is 1,000 images a second, not 2,000.
# That bound would need the full peak. I would first ask for which number format it is, and whether it is dense or sparse.
# Convolutions with many channels reach a good share of the dense peak. Normalisation and small or depthwise layers do not: they move many bytes for few operations.
# FLOPs also leave out decoding and scaling the images, the launch of each kernel, and the waiting for a full batch.
# So I would measure images per second with the real model, format and batch size, and the time layer by layer, before we promise anything.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("12")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | FLOP, FLOPs | 浮点运算（次数） | one floating-point multiply or add; a count |
# | FLOP/s, FLOPS | 每秒浮点运算次数 | a rate |
# | MAC | 乘加运算 | one multiply and one add; elsewhere also "memory access cost" (内存访问成本) |
# | feature map | 特征图 | a layer's output values, height × width × channels |
# | stride, padding, dilation | 步长、填充、空洞 | step of the window, border of zeros, gap between its taps |
# | groups, depthwise | 分组、逐通道 | each output channel sees a part of the input channels, or one |
# | im2col | 图像转列 | writing a convolution as a matrix product |
# | Winograd convolution | Winograd快速卷积 | the same result with fewer multiplications |
# | arithmetic intensity | 计算强度 | FLOPs for each byte moved |
# | prefill, decode | 预填充、解码 | the pass over the prompt; the step for one new token |
# | MFU | 模型算力利用率 | model FLOPs over the chips' peak |
# | HFU | 硬件算力利用率 | the same with recomputed work |
# | peak | 峰值算力 | the data sheet's highest rate, dense or sparse |

# %% [markdown]
# ## Sources
#
# - K. He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016: 3.8 billion for ResNet-50.
# - pytorch/vision, `torchvision/models`: the field `_ops` of the weights lists GMACs (ResNet-50 4.089).
# - K. Simonyan and A. Zisserman, *Very Deep Convolutional Networks*, 2014; A. Howard et al., *MobileNets*, 2017, arXiv:1704.04861.
# - N. Ma et al., *ShuffleNet V2*, ECCV 2018: equal FLOPs, different speed.
# - A. Lavin and S. Gray, *Fast Algorithms for Convolutional Neural Networks*, CVPR 2016.
# - J. Kaplan et al., *Scaling Laws for Neural Language Models*, 2020, arXiv:2001.08361: 6·N·D.
# - A. Chowdhery et al., *PaLM*, 2022, arXiv:2204.02311, appendix B: MFU.
# - Llama Team, *The Llama 3 Herd of Models*, 2024, arXiv:2407.21783.
# - PyTorch, `torch/utils/flop_counter.py`; PyTorch documentation, `torch.nn.Conv2d` (output size).
