# %% [markdown]
# # 54 · What are the mainstream quantization methods?
# **模型量化有哪些主流的方法？**
#
# A model runs in FP32 with an accuracy of 0.95. You call the quantizer, and it runs in INT8 with 0.95, in about a quarter of the bytes.
# Your colleague calls the same quantizer on the same function, and gets 0.10, which is guessing.
# This chapter shows what happened to her, and which of a dozen methods would have helped.
#
# About 160 minutes: 110 for the five exercises, the rest to read, measure and explain. It helps to know chapters 03 (number formats), 15 (what quantization is) and 23 (ONNX).

# %% setup
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

# %% [markdown]
# ## The short answer
#
# > I start with post-training quantization, PTQ: the trained model is rounded, nothing is trained again.
# >
# > **Static** PTQ fixes the ranges of the activations, which are what layers send on, from sample data. It gives the fastest integer graph, for convolutional networks, phones' neural accelerators (NPUs) and NVIDIA's runtime TensorRT.
# > **Dynamic** PTQ computes the ranges in each call. It needs no sample data, follows inputs that nobody has foreseen, and pays for a pass over the data.
# > **Weight-only** keeps the activations in 16 bits: 4-bit weights (W4A16), with one scale for a group of 32 to 128 of them, rounded by GPTQ or AWQ, which look at the layer's inputs. It is the default for language models that write token by token, which wait for bytes.
# >
# > If PTQ fails, I use finer scales, a scale a channel or a group. I equalise channels, or move activation outliers into the weights (SmoothQuant). I keep the sensitive layers in more bits.
# > Only then comes quantization-aware training, QAT: it trains with rounding in the forward pass, and with a gradient that ignores the rounding (straight-through) in the backward pass.
# >
# > On recent GPUs small floats take over: FP8 with 8 bits, and MXFP4 or NVFP4, 4-bit floats with a scale for each block of 32 or 16, for training as well.
# >
# > Accuracy is judged on the task. And I look into the optimised graph: are integer kernels really executed?

# %% [markdown]
# ## How it works
#
# ### One call, two results
#
# Here is a small convolutional network for handwritten digits. We build its ONNX graph, let it see 128 training images, and round weights and activations to INT8.
# Then we do the same with a second network. Its channels were multiplied by random factors between 0.01 and 100, and divided again in the next layer. In FP32 it is the same function.

# %%
from utils.compression.qdq import collect_ranges, digits_to_onnx, executed_ops, insert_qdq, onnx_bytes, run_onnx
from utils.compression.quant_methods import uglify
from utils.networks.digits import load_digits_split, trained_digits

X_train, X_test, y_train, y_test = load_digits_split()
cnn = trained_digits("cnn", epochs=12)
names = ["img", "r1", "r2", "r3", "logits"]

def right(logits):
    """How many of the 540 test images are recognised."""
    return int((logits.argmax(1) == y_test).sum())

for title, network in (("as trained", cnn), ("channels rescaled", uglify(cnn, 2.0))):
    graph = digits_to_onnx(network)
    int8 = insert_qdq(graph, collect_ranges(graph, X_train[:128], names))
    print(f"{title:17}: FP32 {right(run_onnx(graph, X_test))} of 540 right in {onnx_bytes(graph):,} bytes, "
          f"INT8 {right(run_onnx(int8, X_test))} in {onnx_bytes(int8):,} bytes")

# %% [markdown]
# 540 images are not many. The **95 % interval** of 514 right ones is 0.930 to 0.967 (Wilson's), so 514 and 513 are the same result, and 54 is not.
#
# ### Static: ranges from calibration
#
# INT8 needs a **scale**: real value = scale · (integer − zero point). The **zero point** is the integer that stands for the real 0. For a weight we look at its range. For an **activation**, what a layer sends on, we have to guess the range from sample data. That is **calibration**.

# %%
graph = digits_to_onnx(cnn)
for name, (lo, hi) in collect_ranges(graph, X_train[:128], names).items():
    print(f"{name:6} [{lo:7.3f}, {hi:6.3f}]  one step is {(hi - lo) / 255:.4f}")

# %% [markdown]
# Calibration covers every tensor that becomes an integer, not the input alone. It ran the float graph with its inner tensors as extra outputs.
#
# A single outlier widens the range for everybody. So there are rules that clip: a percentile, the smallest squared error (MSE), or the smallest Kullback–Leibler divergence between the histograms before and after rounding (entropy).

# %%
from utils.compression.quant_methods import calibrate_range as our_calibrate_range

values = np.append(np.random.default_rng(0).exponential(1.0, 20_000), 60.0)  # a ReLU's output with one outlier
for method in ("minmax", "percentile", "mse", "entropy"):
    found = [our_calibrate_range([values], method, bits=bits)[1] for bits in (8, 4)]
    print(f"{method:10}: range up to {found[0]:5.1f} at 8 bits, {found[1]:5.1f} at 4 bits")

# %% [markdown]
# Minmax always keeps the outlier, and a percentile cuts it whatever the bits. MSE nearly keeps it at 8 bits, because 256 steps are enough for both. At 4 bits clipping one value is cheaper than coarse steps for 20,000.
# Entropy compares shapes, where one value in 20,001 hardly counts: it clips both times.
#
# ### The graph: Q, DQ, and what really runs
#
# An ONNX file says where numbers are rounded with pairs of nodes: `QuantizeLinear` (Q) and `DequantizeLinear` (DQ). Between them stand the float operators. This is the **QDQ format**, which ONNX Runtime and TensorRT read.
# Taken literally it computes in float. A runtime recognises DQ → Conv → Q and puts one integer kernel there. Whether it did is visible in its optimised graph only.

# %%
int8 = insert_qdq(graph, collect_ranges(graph, X_train[:128], names))
print("written: ", " ".join(node.op_type.replace("uantizeLinear", "").replace("De", "D") for node in int8.graph.node))
print("executed:", " ".join(executed_ops(int8)))

# %% [markdown]
# `QLinearConv` and `QGemm` multiply int8 by int8, add in int32, and round once at the end. The biases are int32, in units of scale of the input times scale of the weight: they are added to the same sum.
#
# Now we remove one kind of input that ONNX calls optional, the zero point of the weights' and biases' DQ:

# %%
broken = onnx.ModelProto()
broken.CopyFrom(int8)
for node in broken.graph.node:
    if node.op_type == "DequantizeLinear" and node.input[0] in ("W3_q", "b3_q", "W4_q", "b4_q"):
        del node.input[2]
print("executed:", " ".join(executed_ops(broken)))
print("still right:", right(run_onnx(broken, X_test)), "of 540")

# %% [markdown]
# The results are as good as before, and both matrix products run in FP32 (`Gemm`). No error, no warning. That is why one looks.
#
# ### Dynamic: ranges from the call itself
#
# Static ranges are those of the calibration images. What if the camera sends images with twice the contrast?

# %%
from utils.compression.quant_methods import contrast_curve

curve = contrast_curve(cnn, X_train[:128], X_test, y_test, (1, 2))
for kind in ("static", "static, float logits", "dynamic"):
    print(f"{kind:20}:", ", ".join(f"contrast {c}: {r.sqnr_db:4.1f} dB, {r.correct} right" for c, r in curve[kind].items()))
print(f"{'FP32':20}:", ", ".join(f"contrast {c}: {r.correct} right" for c, r in curve["FP32"].items()))

# %% [markdown]
# **SQNR** is the power of the signal over that of the rounding noise, here of the ten outputs against FP32, in decibels: 20 dB means that the noise has 1 % of the power.
# At contrast 1 dynamic is ahead only because it returns its logits as floats: a static graph that does so has the same 42.7 dB. At contrast 2 the fixed ranges clip. Dynamic has a range for each call.
# It pays with a minimum and a maximum over every activation, in every call.
#
# ### Weight-only
#
# A language model that writes one token reads every weight once. The multipliers wait for memory. So only the bytes of the weights count, and the activations may stay in 16 bits. W4A16 means 4-bit weights, 16-bit activations.
# One scale for a whole row is too coarse at 4 bits. So each **group** of 32 to 128 neighbours has its own, and the scales are stored too:

# %%
from utils.compression.quant_methods import BLOCK_FORMATS

for name, block in BLOCK_FORMATS.items():
    print(f"{name:12} {block.element_bits} bits + {block.scale_bits} bits for {block.block:6,} weights: {block.effective_bits:.3f} bits a weight")

# %% [markdown]
# ### Finer scales
#
# Back to the broken network. One channel of its second layer has weights up to 1,233, another one up to 0.17. With a single scale, one step is 1,233/127 = 9.7, and the small channel becomes zero.
# One scale for each output channel (**per-channel**) repairs the weights:

# %%
from utils.compression.quant_methods import SCHEMES, ptq_accuracy

for decades in (0.0, 1.0, 2.0):
    found = {s: ptq_accuracy(cnn, X_train[:128], X_test, y_test, decades, s, "minmax")[8] for s in SCHEMES}
    print(f"rescaled by up to {10**decades:5.0f}:", ", ".join(f"{s} {r.correct}" for s, r in found.items()))

# %% [markdown]
# Per-channel is not enough at 100, because the activations still have one scale a tensor. Only the last column survives: it rescales the channels again *before* anything is rounded.
# (Groups are simulated here; the other three run in ONNX Runtime.)
#
# ### Equalise the channels
#
# Multiply a row of one layer and its bias by 1/s. The ReLU lets a positive factor through. Multiply the next layer's column by s, and nothing has changed.

# %%
from utils.compression.quant_methods import equalize_pair as our_equalize_pair

W1, b1, W2 = np.array([[8.0, 0.0], [0.0, 0.5]]), np.array([4.0, 1.0]), np.array([[0.5, 0.0], [0.0, 2.0]])
x = np.array([1.0, -0.5])
print("before:", W2 @ np.maximum(W1 @ x + b1, 0))
W1, b1, W2 = our_equalize_pair(W1, b1, W2)
print("W1 =", W1.tolist(), " b1 =", b1.tolist(), " W2 =", W2.tolist())
print("after: ", W2 @ np.maximum(W1 @ x + b1, 0))

# %% [markdown]
# With s = √(range of the row / range of the column) both ranges become equal: 8 and 0.5 became 2 and 2. This is **cross-layer equalization**.
#
# **SmoothQuant** moves along the same line for another reason: in large language models a few channels of the *activations* are huge. It divides the activations by s and multiplies their column of weights by s, so the product stays the same. With s = √(range of the activation / range of the column) both ranges meet in between.
# **AWQ** does it for the weights alone. Columns that meet large activations are multiplied by s before rounding, so that they lose less, and those activations are divided by s.
#
# ### Let later weights pay
#
# Rounding to nearest treats every weight alone. But a layer's output is a sum, and inputs are correlated. When two inputs are nearly equal, 0.4 + 0.4 should not become 0 + 0.

# %%
from utils.compression.quant_methods import gptq_layer as our_gptq_layer
from utils.compression.quant_methods import output_error, quantize_weights_rtn

W = np.array([[0.4, 0.4, 3.0]])  # 3 bits: the levels are -3 … 3, in steps of 1
H = np.full((3, 3), 0.9) + 0.1 * np.eye(3)  # how the inputs go together: XᵀX / n
for name, W_hat in (("nearest", quantize_weights_rtn(W, 3)), ("GPTQ", our_gptq_layer(W, H, 3))):
    print(f"{name:8} {W_hat.tolist()}  output error {output_error(W, W_hat, H):.3f}")

# %% [markdown]
# **GPTQ** rounds column by column. After each one it moves the columns that are still open, so that they cancel as much of the error as they can:
#
# $$w_j \leftarrow w_j - \frac{w_i - q_i}{[G]_{ii}}\,[G]_{ij} \qquad (j > i), \qquad G = \big(H_{\text{open}}\big)^{-1}$$
#
# where $H_{\text{open}}$ holds the rows and columns of $H = X^{T}X$ that are still open, column *i* among them. (A factor such as the 1/n above cancels.)
# Here the error 0.4 of the first column moved the second one from 0.4 to 0.59, which rounds to 1. The third one went from 3 to 3.19, then to 2.82, and rounds to 3. It is the step of Optimal Brain Surgeon (chapter 16) with rounding instead of removal.
#
# ### Train with rounding: QAT
#
# At 2 bits, a weight of the symmetric grid is −1, 0 or 1 times the scale. Rounding a trained network to that is rough. **Quantization-aware training** rounds in every forward pass and trains on.
# The trouble is the gradient. A step function is flat:

# %%
from utils.compression.quant_methods import FakeQuant as our_FakeQuant

weights = torch.tensor([-2.0, -0.24, 0.26, 0.9, 3.0], requires_grad=True)
(torch.round(weights / 0.5).clamp(-2, 3) * 0.5).sum().backward()
print("plain rounding:    gradient", weights.grad.tolist())
weights.grad = None
rounded = our_FakeQuant.apply(weights, 0.5, -2, 3)
rounded.sum().backward()
print("straight-through:  gradient", weights.grad.tolist(), " value", (rounded + 0).tolist())

# %% [markdown]
# The **straight-through estimator** pretends that rounding is the identity, as long as nothing was clipped. The optimiser changes float weights behind the grid, until they tip over.

# %%
from utils.compression.quant_methods import qat, with_rounded_weights
from utils.networks.digits import accuracy

mlp = trained_digits("mlp")
at_once = with_rounded_weights(mlp, dict.fromkeys(range(3), lambda W: quantize_weights_rtn(W, 2)))
trained_on = qat(mlp, 2, X_train, y_train, epochs=8)
for name, network in (("FP32", mlp), ("2 bits, rounded", at_once), ("2 bits, 8 epochs of QAT", trained_on)):
    print(f"{name:24} accuracy {accuracy(network, X_test, y_test):.3f}")

# %% [markdown]
# The rounding error has not gone away. Training found weights that tolerate it.
#
# ### Bits where they count
#
# **Mixed precision** gives each layer its own number of bits. Which layer needs many has to be measured: round one alone, and see how much the loss rises on the calibration images.

# %%
from utils.compression.quant_methods import layer_sensitivity, mixed_bits

sensitivity = layer_sensitivity(mlp, X_train[:128], y_train[:128])
for (name, rises), layer in zip(sensitivity.items(), mlp.linears):
    print(f"{name}, {layer.weight.numel():5,} weights:", ", ".join(f"{bits} bits {rise:+.4f}" for bits, rise in rises.items()))
print("within 3.25 bits on average:", mixed_bits(mlp, X_train[:128], y_train[:128]))

# %% [markdown]
# The last layer is the sensitive one: 0.5 nats (units of cross-entropy) at 2 bits. The first layer loses a tenth of that. So "keep the first and the last layer" is half right here.
#
# ### Small floats
#
# A float carries an exponent, so small and large values get the same relative precision. Recent GPUs multiply **FP8** (E4M3: 4 exponent bits, 3 mantissa bits) and **FP4** (E2M1, whose values are 0, ½, 1, 1½, 2, 3, 4, 6, with either sign).
# Four bits do not go far, so neighbours share a scale: in **MXFP4** 32 share a power of two, in **NVFP4** 16 share an FP8 number, and the tensor has an FP32 scale.

# %%
from utils.compression.quant_methods import fp8_blocks, mxfp4, nvfp4
from utils.numerics.int8 import sqnr_db

row = np.array([[0.11, -0.42, 0.70, 1.30, -0.05]])
print("weights ", row[0].tolist())
for cast in (fp8_blocks, nvfp4, mxfp4):
    print(f"{cast.__name__.split('_')[0]:8}", [round(float(v), 4) + 0 for v in cast(row)[0]])
W = mlp.linears[1].weight.detach().double().numpy()
print("SQNR of a trained layer:", ", ".join(f"{c.__name__} {sqnr_db(W, c(W)):.1f} dB" for c in (fp8_blocks, nvfp4, mxfp4)))

# %% [markdown]
# What multiplies in FP8 can also train in it. The three products of a layer (forward, gradient of the inputs, gradient of the weights) take FP8 operands, while the optimiser keeps its weights in FP32.
# NVIDIA's Transformer Engine offers E4M3 forward and E5M2 (5 exponent bits, 2 mantissa bits: more range) for gradients. DeepSeek-V3 trained in FP8 and ships weights in E4M3, with one scale for 128 × 128 weights.
# Here the whole training is **simulated**: the operands are rounded to FP8, and the products are computed in FP32.

# %%
from utils.compression.quant_methods import trained_in_fp8

fp8_trained = trained_in_fp8()
print(f"trained in FP8: accuracy {accuracy(fp8_trained, X_test, y_test):.3f}, trained in FP32: {accuracy(mlp, X_test, y_test):.3f}")

# %% [markdown]
# ## See it
#
# ![Four panels. Channel ranges of the layers spread 5 to 175 times. Accuracy bars at 8 bits: 0.707 with one scale a tensor, 0.935 with one a channel, 0.950 with groups and with equalised channels; FP32 has 0.952. A histogram of one activation with its range. Output SQNR rises with the bits, highest for equalised channels.](figure.svg)
#
# With channels rescaled by up to 10 times, INT8 with one scale a tensor has the accuracy 0.707 (95 % interval 0.668–0.744) and 4.2 dB. Equalised it has 0.950 and 36.8 dB.
#
# **Break it and fix it.** Choose the spread of the channels, the granularity, the calibration and the bits, and see the error move. At 8 bits ONNX Runtime executes the model (except for groups, which are simulated, like all other bits). A new spread takes about a second.
# Find the fewest bits at which a network with the spread 0 keeps 0.93. Then set it to 2 decades, which are factors of up to 100, and see which knob still helps.

# %% figure
from utils.widgets.ch54_quantization_methods import break_explorer

break_explorer()

# %% [markdown]
# **Where the error goes.** Two weights on a grid. Move the correlation through 0, and find a place where compensation misses the best point.

# %% figure
from utils.widgets.ch54_quantization_methods import compensate_explorer

compensate_explorer()

# %% [markdown]
# ## Exercises
#
# The set-up cell has imported `numpy as np`, `onnx`, `torch`, and `TensorProto`, `helper` and `numpy_helper` from `onnx`.

# %% [markdown] about="calibrate_range"
# Compute the range of an activation from calibration data.
#
# - `batches` is a list of NumPy arrays of floats, of any shapes. Some may be empty.
# - With the method "minmax" take the smallest and the largest value of *all* batches.
# - With "percentile" pool the values of all batches. The ends are the (100 − p)-th and the p-th percentile of the pooled values, with p = `percentile` and linear interpolation (NumPy's default). p is above 50 and at most 100.
# - Then widen the range so that it contains 0.
# - Return (lo, hi) as two floats. Infinite values do not occur.
# - Raise a ValueError for any other method, when no batch holds a value, and when there is a NaN.
# - Leave the batches unchanged.
#
# For example `calibrate_range([np.array([1., 2.]), np.array([5., 3.])], "minmax")` → `(0.0, 5.0)`. The values 0, 1, …, 100 with "percentile" and 90 → `(0.0, 90.0)`.
# The batches [9, -3] and [[1, 2], [0.5, -0.5]] with "minmax" → `(-3.0, 9.0)`.

# %% exercise="calibrate_range"
def calibrate_range(batches: list[np.ndarray], method: str, percentile: float = 99.9) -> tuple[float, float]:
    """The range (lo, hi) of all values in all batches, with 0 in it; method is "minmax" or "percentile"."""
    ### BEGIN SOLUTION
    if method not in ("minmax", "percentile"):
        raise ValueError(f"method must be minmax or percentile, got {method!r}")
    values = np.concatenate([np.zeros(0), *(np.ravel(batch) for batch in batches)])
    if values.size == 0 or np.isnan(values).any():
        raise ValueError("batches must hold numbers")
    p = 100 if method == "minmax" else percentile
    lo, hi = np.percentile(values, [100 - p, p])
    return min(float(lo), 0.0), max(float(hi), 0.0)
    ### END SOLUTION

# %% check="calibrate_range"
check("54.calibrate_range", calibrate_range)

# %% [markdown] about="fake_quant_ste"
# Write fake quantization as a class `FakeQuant`, with a straight-through gradient.
#
# - It is used as `FakeQuant.apply(x, scale, qmin, qmax)`. `x` is a float tensor of any shape (float32, float64 or bfloat16), `scale` a positive float, `qmin` and `qmax` are integers.
# - The result is scale · q, where q = x / scale rounded to the nearest integer (halves to the even one) and clamped to [qmin, qmax]. It has the dtype and the shape of x.
# - In the backward pass the gradient that arrives is passed on where the rounded integer, *before* it is clamped, lies in [qmin, qmax], both ends included. Elsewhere the gradient is 0.
# - `scale`, `qmin` and `qmax` have no gradient.
# - x is not changed. It may be empty, and need not be contiguous.
#
# For example x = [-2, -0.24, 0.26, 0.9, 3] with scale 0.5, qmin −2 and qmax 3 → `[-1, 0, 0.5, 1, 1.5]`. With a gradient of ones from above, x gets `[0, 1, 1, 1, 0]`; with [1, 2, 3, 4, 5] it gets `[0, 2, 3, 4, 0]`.
# Ties: [0.25, 0.75, -0.25, 1.25] with scale 0.5 and [-4, 4] → `[0, 1, 0, 1]`.
# Just beyond the ends, [1.7, 1.8, -1.1, -1.3] with scale 0.5 and [-2, 3] → `[1.5, 1.5, -1, -1]`, gradient `[1, 0, 1, 0]`: 1.7/0.5 = 3.4 still rounds to 3.

# %% exercise="fake_quant_ste"
class FakeQuant(torch.autograd.Function):
    """scale * clamp(round(x / scale), qmin, qmax), with a straight-through gradient inside [qmin, qmax]."""

    @staticmethod
    def forward(ctx, x, scale, qmin, qmax):
        ### BEGIN SOLUTION
        q = torch.round(x / scale)
        ctx.save_for_backward((q >= qmin) & (q <= qmax))
        return q.clamp(qmin, qmax) * scale
        ### END SOLUTION

    @staticmethod
    def backward(ctx, grad):
        ### BEGIN SOLUTION
        (inside,) = ctx.saved_tensors
        return grad * inside, None, None, None
        ### END SOLUTION

# %% check="fake_quant_ste"
check("54.fake_quant_ste", FakeQuant)

# %% [markdown] about="equalize_pair"
# Equalise the channels of two layers, y = W2·relu(W1·x + b1).
#
# - `W1` has shape (h, d), `b1` (h,), `W2` (o, h). All are float64.
# - Channel i has the factor s_i = √(r1 / r2), where r1 is the largest absolute value in row i of W1, and r2 that in column i of W2. Divide the row and the bias by it, and multiply the column.
# - A channel whose row or column is all zero has s_i = 1.
# - Return (W1, b1, W2). The network must compute the same y for every x.
# - Leave the arguments unchanged.
#
# For example W1 = [[8, 0], [0, 0.5]], b1 = [4, 1], W2 = [[0.5, 0], [0, 2]] have s = [4, 0.5] and give W1 = [[2, 0], [0, 1]], b1 = [1, 2] and W2 = [[2, 0], [0, 1]].
# W1 = [[-4, 1], [0.5, 0.25]], b1 = [1, -1], W2 = [[1, -0.5]] have s = [2, 1] and give W1 = [[-2, 0.5], [0.5, 0.25]], b1 = [0.5, -1], W2 = [[2, -0.5]].
# W1 = [[2, 0], [0, 0]], b1 = [1, 3], W2 = [[0.5, 7], [-0.125, 1]] have s = [2, 1] and give W1 = [[1, 0], [0, 0]], b1 = [0.5, 3], W2 = [[1, 7], [-0.25, 1]].

# %% exercise="equalize_pair"
def equalize_pair(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(W1, b1, W2) of W2 relu(W1 x + b1) with equal ranges in every channel, computing the same."""
    ### BEGIN SOLUTION
    r1, r2 = np.abs(W1).max(axis=1), np.abs(W2).max(axis=0)
    used = (r1 > 0) & (r2 > 0)
    s = np.ones(len(r1))
    s[used] = np.sqrt(r1[used] / r2[used])
    return W1 / s[:, None], b1 / s, W2 * s
    ### END SOLUTION

# %% check="equalize_pair"
check("54.equalize_pair", equalize_pair)

# %% [markdown] about="quantize_linear_onnx"
# Write one linear layer, y = x·Wᵀ + b, as a quantized ONNX model that ONNX Runtime executes with an integer kernel.
#
# - `W` has shape (out, in) and `b` (out,), in float32 or float64. `x_range` and `y_range` are pairs (lo, hi). If lo ≥ hi in one of them, raise a ValueError.
# - The model has one input "x" of shape (n, in) and one output "y" of shape (n, out), both float32. The first axis is a symbol: pass the string "n" as the dimension.
# - The graph: x → Q → DQ → Gemm with `transB=1` → Q → DQ → y. The Gemm's weight and bias come from a DQ each, which reads a constant. Use no other operators.
# - Activations are int8. Each range is first widened to contain 0. Then scale = (hi − lo)/255 and zero point = round(−128 − lo/scale).
# - The weight is stored as int8 in W's shape, with scale max|W|/127 and zero point 0. (One scale for each row with `axis=0` is accepted too.) A weight or row that is all zero gets the scale 1, because it also sets the step of the bias.
# - The bias is stored as int32 with the scale s_x·s_w and zero point 0. None here is too large for int32.
# - Round half to even, everywhere. At a tie the check accepts both neighbours: in the first example −128 − lo/scale is −0.5.
# - Every Q and DQ has three inputs: a zero point that is left out leaves the Gemm in FP32. A scale is float32, a zero point has the type of its integers.
# - W must not be stored as floats.
# - Return `helper.make_model(…, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)`: newer versions than a runtime knows are refused.
#
# What the check does: `onnx.checker`, the constants, the operators of the optimised graph (`QGemm` must be there), and results on random x in the range, compared with x·Wᵀ + b.
# For example W = [[1, -2], [0.5, 0.25]], b = [0.1, -0.2], x_range (−1, 1), y_range (−3.1, 3.1): x = [[0.5, -0.5]] gives [[1.6047, -0.0729]] (in float [[1.6, -0.075]]), and QuantizeLinear, QGemm, DequantizeLinear are executed.
# A second visible case has W = [[0.5, 1, -0.25]], b = [2], x_range (0.5, 2) and y_range (1, 5): both ranges have to be widened. There x = [[1, 1, 2]] gives [[3]].

# %% exercise="quantize_linear_onnx"
def quantize_linear_onnx(W: np.ndarray, b: np.ndarray, x_range: tuple[float, float],
                         y_range: tuple[float, float]) -> onnx.ModelProto:
    """y = x @ W.T + b as a QDQ model: float input "x" (n, in), float output "y" (n, out), int8 inside."""
    ### BEGIN SOLUTION
    constants, nodes = [], []

    def parameters(name, scale, zero):
        constants.append(numpy_helper.from_array(np.asarray(scale, np.float32), f"{name}_scale"))
        constants.append(numpy_helper.from_array(zero, f"{name}_zero"))

    def add(op, source, name, made):
        nodes.append(helper.make_node(op, [source, f"{name}_scale", f"{name}_zero"], [made]))

    scales = {}
    for name, (lo, hi) in (("x", x_range), ("y", y_range)):
        if lo >= hi:
            raise ValueError(f"{name}_range must not be empty, got ({lo}, {hi})")
        lo, hi = min(lo, 0.0), max(hi, 0.0)
        scales[name] = np.float32((hi - lo) / 255)
        zero = np.clip(np.rint(-128 - lo / scales[name]), -128, 127)
        parameters(name, scales[name], zero.astype(np.int8))
    s_w = np.float32(np.abs(W).max() / 127 or 1.0)
    s_b = scales["x"] * s_w
    for name, values, scale, kind in (("W", W, s_w, np.int8), ("b", b, s_b, np.int32)):
        parameters(name, scale, np.array(0, kind))
        constants.append(numpy_helper.from_array(np.rint(np.asarray(values) / scale).astype(kind), f"{name}_q"))
    add("QuantizeLinear", "x", "x", "x_q")
    add("DequantizeLinear", "x_q", "x", "x_dq")
    add("DequantizeLinear", "W_q", "W", "W_dq")
    add("DequantizeLinear", "b_q", "b", "b_dq")
    nodes.append(helper.make_node("Gemm", ["x_dq", "W_dq", "b_dq"], ["y_float"], transB=1))
    add("QuantizeLinear", "y_float", "y", "y_q")
    add("DequantizeLinear", "y_q", "y", "y")
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])]
            for name, size in (("x", W.shape[1]), ("y", W.shape[0]))]
    graph = helper.make_graph(nodes, "linear", *ends, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    ### END SOLUTION

# %% check="quantize_linear_onnx"
check("54.quantize_linear_onnx", quantize_linear_onnx)

# %% [markdown] about="gptq_layer"
# Round a weight matrix with GPTQ.
#
# - `W` has shape (out, in). `H` (in, in) is XᵀX / n of the layer's inputs, symmetric and positive definite: half the Hessian (second derivatives) of the mean squared output error. `bits` is 2 or more.
# - Each row has a scale, max|row| / (2^(bits−1) − 1), from the original W. It stays fixed. The levels are the integers −(2^(bits−1) − 1) … 2^(bits−1) − 1. Round half to even.
# - Go through the columns from left to right. Round column i to its level (values beyond the last level saturate). Then change only the columns to the right of it: with G = the inverse of H for the columns i, i+1, …, subtract (w_i − q_i)/G[0, 0] · G[0, j] from the column j places further on.
# - Return the dequantized weights, level times scale, as a float64 array. A row of zeros stays zero.
# - Leave W and H unchanged.
#
# For example W = [[0.4, 0.4, 3]] with 1 on the diagonal of H, 0.9 elsewhere, and 3 bits → `[[0, 1, 3]]`, where rounding to nearest gives [[0, 0, 3]].
# W = [[0.9, -0.3, 0.55, 0.2], [0.12, 0.4, -0.33, -0.07]] with H = [[2, 1.5, 0.3, 0], [1.5, 3, 1, 0.2], [0.3, 1, 1, -0.4], [0, 0.2, -0.4, 1.5]] and 3 bits, rounded here to four digits → `[[0.9, -0.3, 0.6, 0.3], [0.1333, 0.4, -0.4, -0.1333]]`.
# With a diagonal H nothing is correlated, so every weight is rounded to nearest: W = [[0.9, -0.3, 0.55]], H = diag(1, 2, 5), 3 bits → `[[0.9, -0.3, 0.6]]`.

# %% exercise="gptq_layer"
def gptq_layer(W: np.ndarray, H: np.ndarray, bits: int) -> np.ndarray:
    """W (out, in) rounded column by column, each error spread over the later columns through the inverse Hessian."""
    ### BEGIN SOLUTION
    qmax = 2 ** (bits - 1) - 1
    W = W.astype(float)
    scale = np.abs(W).max(axis=1) / qmax
    scale[scale == 0] = 1
    for i in range(W.shape[1]):
        G = np.linalg.inv(H[i:, i:])
        q = np.clip(np.rint(W[:, i] / scale), -qmax, qmax) * scale
        W[:, i + 1:] -= np.outer((W[:, i] - q) / G[0, 0], G[0, 1:])
        W[:, i] = q
    return W
    ### END SOLUTION

# %% check="gptq_layer"
check("54.gptq_layer", gptq_layer)

# %% [markdown]
# ## Measure it
#
# ### One network, all methods
#
# The digits MLP (64 → 128 → 64 → 10) meets every method. Where ONNX Runtime has a kernel, the row is a real ONNX model, and its file's numbers are counted.
# The other rows are simulated in float32, have no time, and say so. The second SQNR belongs to a twin with outlier channels: the same function, hidden channels rescaled by up to ten times. Language models have such channels by nature.
# The times are measured now, on this machine, relative to FP32: below 1 is faster.
# Before you run it: which method keeps the most of the twin, at 8 bits and at 4?

# %% experiment
from utils.widgets.ch54_quantization_methods import measured_methods, methods_chart, methods_table

rows, built = measured_methods()
methods_table(rows, built)

# %% experiment
methods_chart(rows)

# %% [markdown]
# Three things to see. The intervals overlap almost everywhere: 540 images cannot tell most of these methods apart. The SQNR can.
# GPTQ is worth 10 dB over rounding at the same bytes, and makes 2 bits usable without training.
# With outlier channels one scale a tensor falls from 42 to 10 dB. Most of the twin keeps FP8 at 8 bits (29.8 dB, then SmoothQuant with 25.1) and AWQ at 4 (26.5), for three different reasons: the numbers have an exponent, the outliers were moved, or the columns were scaled.
#
# QAT's 8.6 dB are no defect. Its weights have moved to other values, so its outputs differ from FP32's, and its accuracy is the best of the table.
#
# The times: expect little at batch 1, because the network is so small that starting a kernel takes most of the time. At batch 256 INT8 should win on a processor with VNNI (int8 dot products): 0.5 to 0.7 in recorded runs.
# Four-bit weights need about as long as FP32 here, because even FP32's 69 kB lie in the cache: nothing waits for memory. At 2 bits ONNX Runtime 1.32 was 3 to 5 times slower than FP32 at batch 1.
# Fewer bytes are faster only where a good kernel exists and bytes were the problem.
#
# ### From which width on?

# %% experiment
from utils.widgets.ch54_quantization_methods import width_chart

width_chart()

# %% [markdown]
# One recorded run at batch 1, on a shared cloud CPU with VNNI: static INT8 took 1.19 of FP32's time at width 128 and 0.31 at width 2048. Four-bit weights took 1.27 and 0.50.
# At width 2048 FP32 reads 17 MB in every call, which no longer fits the cache. That is the case of a language model, and there the bytes decide.
#
# ### By hand against the library
#
# Is our QDQ graph a toy? The same network by ONNX Runtime's own tools:

# %% experiment
from utils.widgets.ch54_quantization_methods import graph_table

graph_table()

# %% [markdown]
# It is no toy: both have the same integer kernels, the same accuracy, and the same bytes of numbers within ten. Their file is 2 kB longer, for the graph around them.
#
# ### Down in bits

# %% experiment
from utils.widgets.ch54_quantization_methods import bits_table

bits_table()

# %% [markdown]
# At 4 bits everything works. At 2 bits rounding with one scale a tensor is nearly guessing, groups help a little, and GPTQ or QAT bring almost everything back.
#
# ### Brighter than the calibration

# %% experiment
from utils.widgets.ch54_quantization_methods import contrast_chart

contrast_chart()

# %% [markdown]
# The noise warns long before the accuracy does. At twice the contrast static has lost 28 dB, and the intervals of the accuracies still overlap. At five times it recognises 480 images, FP32 502.
#
# ### With TensorRT
#
# TensorRT's parser accepts the zero point 0 only, and its DequantizeLinear reads INT8, FP8, INT4 and FP4 but no int32 bias. So its graph is made with `symmetric_activations=True, quantize_bias=False`.
# TensorRT 11 has removed the calibrators and the precision flags: Q and DQ are the only way to INT8.

# %% experiment
from utils.widgets.ch54_quantization_methods import tensorrt_report

tensorrt_report()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | static quantization is more accurate, because the ranges are known beforehand | wrong | known from other data. With float logits both have 42.7 dB on images like those of the calibration; at twice the contrast it is 9.4 dB against 42.6. ONNX Runtime's documentation, too, calls dynamic usually the more accurate. Static gains speed |
# | 2 | calibration collects statistics of the model's input | wrong | of every activation that becomes an integer: img, r1, r2, r3 and logits in the CNN |
# | 3 | dynamic quantization suits low latency | depends | it adds a pass for the range to each call. Its virtue is that it needs no calibration. What is faster is measured above |
# | 4 | in dynamic quantization weights are quantized when the model is loaded | depends | ONNX Runtime does it before, in `quantize_dynamic`, and writes a file |
# | 5 | weight-only speeds up less than full quantization | depends | true where computing is the limit (batch 256 above). Decoding at batch 1 waits for bytes, and there 4 bits are a quarter of FP16 |
# | 6 | QAT avoids the quantization error | wrong | the error stays. Training finds weights that tolerate it, with a gradient that ignores the rounding |
# | 7 | QAT markedly reduces the loss of accuracy | holds | 2 bits, one scale a row: 0.646 rounded, 0.954 after 8 epochs. torchao, PyTorch's library for it, reports that 66.9 % of the loss of INT4 came back for Gemma3-4B |
# | 8 | mixed precision keeps the first and the last layer in float | depends | a heuristic. Measured here: the last layer is the sensitive one, the first is not |
# | 9 | quantization during training is a more aggressive QAT, entirely in low precision | dated | today it means FP8 or FP4 products with FP32 master weights. It saves training time. Here: 0.972 against 0.974 |
# | 10 | the methods are PTQ, QAT, mixed precision and quantization in training | dated | missing are GPTQ, AWQ, SmoothQuant, FP8, MXFP4, NVFP4 and quantized KV caches (the keys and values of earlier tokens), which is what serves language models today |
# | 11 | (implied) the runtime calibrates by itself | dated | TensorRT 11 has no calibrators: the graph carries Q and DQ |
# | 12 | (implied) PyTorch's `torch.ao.quantization` is the tool | dated | deprecated in favour of torchao |
#
# Rows 1, 2, 3 and 5 to 9 rest on what was computed or measured above; torchao's and ONNX Runtime's words, and rows 4, 10, 11 and 12 are quoted. Row 8 again, with accuracies: one layer at 2 bits, the others in float.

# %%
for i in range(3):
    one = with_rounded_weights(mlp, {i: lambda W: quantize_weights_rtn(W, 2)})
    print(f"layer {i + 1} at 2 bits, one scale a row: {accuracy(one, X_test, y_test):.3f}")

# %% [markdown]
# ## Explain it
#
# "We quantized our detector to INT8 with 100 calibration images. The accuracy fell by 4 points, and it got slower on the laptop. INT8 is not for us."
# Answer your colleague in six or seven sentences.
#
# A good answer names:
# 1. how to find out whether integer kernels run at all, and why INT8 can be slower;
# 2. whether 4 points are more than the noise of the test set;
# 3. how to find the layers that cause the loss;
# 4. two repairs that cost no time at inference, and when which helps;
# 5. what to do with layers that stay sensitive, and when QAT is worth it.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# First I would look into the optimised graph: if Gemm and Conv stand between DequantizeLinear nodes there, the model computes in float and pays for the conversions on top. Without VNNI, or with narrow layers, INT8 gains little even then.
# Then I would compare the two models image by image on the same pre-processing, with an interval: 4 points of 500 images are 20, which is more than noise, but not by much.
# Next I would measure the SQNR of each layer's output, or quantize one layer at a time, and find the ones that break.
# If the channels of a layer have very different ranges, one scale a channel repairs the weights, and equalising the channels repairs the activations too. If a few outliers widen a range, a percentile or MSE calibration clips them. None of this costs time at inference.
# What still breaks stays in FP16, often the last layer.
# Only if that is too slow or still too bad would I train a few epochs with fake quantization, because that needs data and a training set-up.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("54")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | post-training quantization (PTQ) | 训练后量化 | rounding a trained model without further training |
# | quantization-aware training (QAT) | 量化感知训练 | training with simulated rounding in the forward pass |
# | static quantization | 静态量化 | activation scales fixed beforehand from calibration data |
# | dynamic quantization | 动态量化 | activation scales computed in each call |
# | weight-only quantization | 仅权重量化 | low-bit weights, 16-bit activations |
# | calibration | 校准 | choosing activation ranges from sample data |
# | straight-through estimator (STE) | 直通估计器 | treats rounding as the identity in the backward pass |
# | QDQ format | 量化/反量化节点对 | a graph with QuantizeLinear and DequantizeLinear around float operators |
# | per-channel | 逐通道 | one scale for each output channel |
# | group (block) scale | 分组（块）缩放 | one scale for 16 to 128 neighbouring weights |
# | cross-layer equalization | 跨层均衡 | rescaling channels of neighbouring layers to equal ranges |
# | SmoothQuant | 平滑量化 | moves activation outliers into the weights |
# | GPTQ | 二阶误差补偿量化 | rounds column by column and compensates with the inverse Hessian |
# | AWQ | 激活感知权重量化 | scales up the columns that meet large activations |
# | mixed precision | 混合精度 | here: another number of bits for each layer |
# | microscaling (MX) | 微缩放格式 | small floats that share a power-of-two scale |

# %% [markdown]
# ## Sources
#
# - B. Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, CVPR 2018, arXiv:1712.05877.
# - M. Nagel et al., *Data-Free Quantization Through Weight Equalization and Bias Correction*, ICCV 2019; *A White Paper on Neural Network Quantization*, 2021.
# - Y. Bengio et al., *Estimating or Propagating Gradients Through Stochastic Neurons*, 2013.
# - E. Frantar et al., *GPTQ*, 2022. J. Lin et al., *AWQ*, 2023. G. Xiao et al., *SmoothQuant*, 2022.
# - S. Migacz, *8-bit Inference with TensorRT*, GTC 2017: entropy calibration.
# - Open Compute Project, *OCP Microscaling Formats (MX) Specification v1.0*, 2023.
# - microsoft/onnxruntime, `docs/performance/model-optimizations/quantization.md`: static and dynamic, VNNI, saturation.
# - NVIDIA, *Working with Quantized Types* and *Migrating from TensorRT 10.x to 11.x*; NVIDIA/TensorRT's ONNX parser ("TRT only supports symmetric quantization"); microsoft/onnxruntime issue 14229 for the bias.
# - NVIDIA, *Transformer Engine documentation*: E4M3 and E5M2, MXFP8, NVFP4. deepseek-ai/DeepSeek-V3, `README.md` and `README_WEIGHTS.md`.
# - PyTorch blog, *Quantization-Aware Training in TorchAO (II)*: 66.9 %.
