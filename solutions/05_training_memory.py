# %% [markdown]
# # 05 · What occupies GPU memory when training a network?
# **神经网络的显存占用分析**
#
# "CUDA out of memory": the run stops, and the cure depends on who took the memory.
# You will count each consumer by hand, and then watch every live tensor of a training step, without a GPU.
#
# About 80 minutes: 51 for the five exercises, the rest to read, measure and explain. It helps to know chapters 03 (FP32, FP16 and INT8) and 11 (how to count parameters).

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > Model states cost 16 bytes a parameter with Adam: 4 for the weight, 4 for its gradient, 8 for the two moments.
# > With 16-bit weights and gradients it is 2 + 2 + 4 + 8, where the 4 is an FP32 master copy: 16 again.
# > With torch's autocast weights and gradients stay FP32, 4 + 4 + 8, and 16-bit casts come on top for a while.
# >
# > Activations are what the backward pass needs. They grow with batch, depth, and resolution or sequence length.
# > In CNNs they are usually the larger part. Mixed precision halves *them*.
# >
# > Inference keeps nothing for a backward pass. Beside the weights its peak is about the largest pair of neighbouring tensors.
# > In a language model the KV cache comes on top: the stored keys and values of all earlier tokens.
# >
# > The levers: a smaller batch with gradient accumulation; checkpointing, which needs about 2·√n layers instead of n for one more forward pass;
# > sharding the states over GPUs (ZeRO, FSDP); optimizers with 8-bit states; LoRA, which trains small added matrices only; offload to the host's memory.
# >
# > nvidia-smi shows more than the tensors: the CUDA context, cached blocks and fragmentation.

# %% [markdown]
# ## How it works
#
# ### A run that should fit
#
# ResNet-18 has 11.7 million parameters: 47 MB in FP32. You train it with Adam on 64 images of 224 × 224. How much memory does that take?

# %%
from utils.widgets.ch05_training_memory import memory_timeline

step = memory_timeline("ResNet-18", batch=64, bits=32, segments=1)
print(f"peak of one training step: {step['peak'] / 1e9:.2f} GB")

# %% [markdown]
# 35 times the weights. This number was found without a GPU and without the memory: torch's **meta** device runs a network on shapes alone.
# The rest of the chapter takes the 1.62 GB apart.
#
# ### One tensor
#
# A batch of 32 images with 3 × 128 × 128 values in FP32:

# %%
from utils.cost.memory import human_bytes, tensor_bytes

n = tensor_bytes((32, 3, 128, 128), bits=32)
print(f"{n:,} bytes = {human_bytes(n, binary=False)} = {human_bytes(n)}")

# %% [markdown]
# MB counts in powers of 1000, MiB in powers of 1024. Between GB and GiB there are already 7 %.
# nvidia-smi prints MiB. The "80 GB" in a GPU's name are close to 80 GiB: an H100 with 80 GB shows 81,559 MiB, which are 79.6 GiB or 85.5 GB.
#
# ### Model states: what belongs to the parameters
#
# Three things have the shape of the weights: the weights, their **gradients**, and the **optimizer states**.
# Adam keeps two: a running mean of the gradients and one of their squares. Let us count them in a live optimizer.

# %%
import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)  # the tensors here are small: a second thread would mostly wait
network = nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 50))
n_params = sum(p.numel() for p in network.parameters())
print(f"{n_params:,} parameters")
for name, optimizer in (("SGD", torch.optim.SGD(network.parameters(), 0.1)),
                        ("SGD with momentum", torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)),
                        ("Adam", torch.optim.Adam(network.parameters()))):
    network(torch.zeros(1, 100)).sum().backward()
    optimizer.step()
    states = optimizer.state_dict()["state"].values()
    held = [t.numel() for state in states for t in state.values() if torch.is_tensor(t)]
    print(f"{name:18} holds {sum(held):6,} values: {sum(held) / n_params:.4f} for each parameter")

# %% [markdown]
# Adam's 60,504 are two for each parameter, and 4 step counters (one for each of the 4 parameter tensors).
#
# **Mixed precision** has two common recipes. In the first, weights and gradients have 16 bits, and the optimizer keeps an FP32 copy of the weights, the **master weights**.
# Chapter 26 shows why, and what BF16 is: one of the two 16-bit formats. This chapter's tables, figure and exercise 1 mean this recipe.
#
# The second is `torch.autocast`. It leaves weights and `.grad` in FP32 and keeps no master copy: 4 + 4 + 8 bytes, also 16.
# Its layers work on 16-bit casts of the weights. These take up to 2 bytes a parameter more, until the backward pass has used them.
#
# The last row has an **8-bit optimizer**: Adam with both moments in 8 bits. Each block of values has one scale, which is left out here.

# %%
from utils.cost.memory import AMP_ADAM_MASTER, BF16_ADAM8BIT, FP32_ADAM, FP32_MOMENTUM, FP32_SGD, model_state_bytes

print(f"{'bytes for 1 parameter':22}{'weights':>8}{'grads':>7}{'master':>8}{'optimizer':>11}{'total':>7}")
for name, recipe in (("FP32, SGD", FP32_SGD), ("FP32, momentum", FP32_MOMENTUM), ("FP32, Adam", FP32_ADAM),
                     ("mixed, Adam", AMP_ADAM_MASTER), ("BF16, 8-bit Adam", BF16_ADAM8BIT)):
    s = model_state_bytes(1, recipe)
    print(f"{name:22}{s.weights:8}{s.grads:7}{s.master:8}{s.optimizer:11}{s.total:7}")
states = model_state_bytes(7_000_000_000, AMP_ADAM_MASTER)
print(f"\n7 billion parameters, mixed precision, Adam: {states.total / 1e9:.0f} GB")

# %% [markdown]
# Neither recipe of mixed precision shrinks the model states. And ResNet-18's are 0.19 GB, so they do not explain 1.62 GB either.
#
# ### Activations: what the backward pass needs
#
# To compute gradients, autograd keeps some tensors of the forward pass. It tells us which ones through its own hooks.

# %%
from utils.cost.memory.saved_tensors import saved_activation_bytes

report = saved_activation_bytes(network, torch.zeros(32, 100))
print(f"kept: {report.total:,} bytes; by layer: {report.by_module}")
print("input  32 × 100 × 4 bytes =", 32 * 100 * 4)
print("hidden 32 × 200 × 4 bytes =", 32 * 200 * 4)

# %% [markdown]
# Layer 0 (Linear) kept its input, 12,800 bytes. Layer 1 (ReLU) kept its output, 25,600 bytes. Layer 2 needs that same tensor as its input: it is stored once.
# Nobody kept the output of layer 0 or the final result. The rules, all from the derivatives:
#
# | layer | keeps | because |
# |---|---|---|
# | Linear, convolution | its input | the gradient of the weights is a product with it |
# | ReLU, tanh, sigmoid | its output | their derivatives can be written with the output |
# | dropout | a mask | it tells which values were dropped |
# | batch norm, layer norm | its input and two statistics | the normalised value is computed again from them |
#
# A small CNN, on 4 images of 32 × 32:

# %%
cnn = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3))
report = saved_activation_bytes(cnn, torch.zeros(4, 3, 32, 32))
for index, size in report.by_module.items():
    print(f"{type(cnn[int(index)]).__name__:12} {size:9,} bytes")
print(f"{'together':12} {report.total:9,} bytes")

# %% [markdown]
# The first convolution has 216 weights, 864 bytes. Its output of 131,072 bytes stays, because the batch norm behind it needs it.
# That is why activations dominate in CNNs.
#
# How wide a dropout mask is depends on the kernel. In CUDA's fused kernel it takes 1 byte a value. On the CPU it is a tensor as wide as the data:

# %%
with_dropout = nn.Sequential(nn.Linear(10, 6), nn.Dropout(0.1), nn.Linear(6, 4))
report = saved_activation_bytes(with_dropout, torch.zeros(8, 10))
print(report.by_module, "in all", report.total)

# %% [markdown]
# The dropout's 192 bytes are the mask, 8 × 6 values of 4 bytes. The other 192 bytes are its output, which the next Linear keeps.
#
# ### Gradients of activations come and go
#
# It is often said that each layer stores its feature map *and the gradient of it*. Then 32 layers would need 64 units, where a unit is one layer's output.
# We take 32 layers, each of them a Linear and its ReLU, and count every live tensor after each operator. Weights, their gradients (`.grad`) and the input are left out.

# %%
from utils.cost.memory.live_tensors import trace_inference, trace_training
from utils.networks.training_nets import mlp

chain, x = mlp(width=128, depth=32).to("meta"), torch.zeros(256, 128, device="meta")
unit = x.nbytes
trace = trace_training(chain, x)
print(f"kept when the forward pass ends: {trace.kept_bytes / unit:.2f} units")
print(f"peak of the whole step:          {trace.peak_bytes / unit:.2f} units")
backward = np.array(trace.live_bytes[trace.forward_ops:]) / unit
print("live units in the backward pass: ", " ".join(f"{live:.1f}" for live in backward[8::60]))

# %% [markdown]
# 33.5, not 64. At the peak the backward pass stands in the last layer: 33.5 = 31 + 2 + ½.
#
# - 31 outputs are still kept. The last ReLU has used its own and freed it.
# - 2 gradients of activations are live, because the Linear turns the gradient of its output into that of its input.
# - ½ is the new gradient of that Linear's weights (128 × 128 values, and a unit is 256 × 128). It is freed as soon as it has been added to `.grad`.
#
# So a gradient of an activation lives for one layer only, and then it is freed as the activation is.
#
# Is our counter right? torch's profiler watches the allocator itself, on the CPU and with real memory:

# %%
from utils.cost.memory.live_tensors import profiled_peak_bytes

real, data = mlp(width=128, depth=32), torch.zeros(256, 128)
for p in real.parameters():
    p.grad = torch.zeros_like(p)
profiled = profiled_peak_bytes(lambda: real(data).sum().backward())
print(f"profiler {profiled:,} bytes, tracker on meta {trace.peak_bytes:,} bytes")

# %% [markdown]
# Equal to the byte.
#
# ### Inference
#
# Without a backward pass a tensor is free as soon as its last reader has run. The same 32 layers:

# %%
with_gradients, without = trace.peak_bytes / unit, trace_inference(chain, x).peak_bytes / unit
print(f"training {with_gradients:.1f} units, inference {without:.1f} units")

# %% [markdown]
# Two units: a layer's input and its output. Where the tensors differ in size, the largest *pair of neighbours* counts.
# A **skip connection** adds to that: it holds an early tensor until a later layer reads it. You will compute both in exercise 3.
#
# ### What the batch changes
#
# Model states do not know the batch. Data and activations are proportional to it. So memory over batch is a straight line (almost: in a large net the peak may move from one operator to another).

# %%
print(f"{'batch':>6} {'states':>9} {'the rest':>9} {'peak':>9}")
for batch in (16, 32, 64):
    step = memory_timeline("ResNet-18", batch, 32, 1)
    states, peak = step["states"] / 1e9, step["peak"] / 1e9
    print(f"{batch:6} {states:6.2f} GB {peak - states:6.2f} GB {peak:6.2f} GB")

# %% [markdown]
# Turned around, this tells the largest batch for a budget, before anything is launched:

# %%
from utils.cost.memory.live_tensors import max_batch
from utils.networks.training_nets import resnet18

print("8 GiB hold at most", max_batch(resnet18, (3, 224, 224), 8 * 2**30, FP32_ADAM), "images of 224 × 224")

# %% [markdown]
# That is a bound on paper. Leave room for what "What the trace does not count" lists below.
#
# If you need a larger batch than fits, split it: run several small batches, let the gradients add up, and step once. This is **gradient accumulation**.
# Its memory is that of the small batch. The price is time: the small batches run one after another, and each of them fills the GPU less. Batch norm sees the small batch only.
#
# ### Mixed precision halves the activations

# %%
for bits in (32, 16):
    step = memory_timeline("ResNet-18", 64, bits, 1)
    print(f"{bits} bits: states {step['states'] / 1e9:.2f} GB, kept activations {step['kept'] / 1e9:.2f} GB")

# %% [markdown]
# A little more than half remains: the max pooling keeps positions as 64-bit integers, 0.10 GB in both cases.
#
# ### Transformers
#
# In attention a **head** scores every token against every other, an *s* × *s* matrix. **Softmax** turns each row of scores into weights. Chapter 46 goes through both.
#
# For a GPT layer in 16 bits, with dropout masks of 1 byte a value, there is a closed form. With *s* tokens, batch *b*, width *h* and *a* heads it keeps
#
# $$s \cdot b \cdot h \cdot \left(34 + \frac{5\,a\,s}{h}\right) \text{ bytes.}$$
#
# | bytes in units of *s·b·h* | for |
# |---|---|
# | 8 · 2 = 16 | eight tensors of width *h*: input and output of both layer norms, Q, K, V, and the input of the projection behind them |
# | 2 · 4 · 2 = 16 | two of width 4 *h*, before and after the GELU |
# | 2 · 1 = 2 | two dropout masks |
#
# That is the 34. The 5 count bytes for each score: 2 for softmax, 1 for its dropout mask, 2 for the dropped-out copy. This part grows with the square of the sequence.
# FlashAttention (chapter 46) never stores it. We check the formula on a real layer, with masks 2 bytes wide as the CPU makes them.

# %%
from utils.cost.memory import transformer_activation_bytes
from utils.networks.training_nets import GptLayer

for s, b, h, a in ((128, 2, 256, 4), (64, 4, 128, 2), (256, 1, 256, 8)):
    layer = GptLayer(h, a).bfloat16()
    measured = saved_activation_bytes(layer, torch.zeros(b, s, h, dtype=torch.bfloat16)).total
    formula = transformer_activation_bytes(s, b, h, a, layers=1, mask_bytes=2)
    print(f"s={s:3} b={b} h={h} a={a}: formula {formula:9,} bytes, measured {measured:9,}", end=", ")
    print(f"difference {measured - formula:,} = {(measured - formula) / (s * b):g}·s·b")

# %% [markdown]
# The difference is the statistics of two layer norms: two numbers of 2 bytes for each token, together 8·s·b.
#
# Now at full size, with 32 layers, *h* = 4,096 and *a* = 32. The last column keeps each layer's input only, and the backward pass runs the layer once more.
# This is **full recomputation**, an extreme case of the checkpointing that the next part explains.

# %%
for s in (1_024, 4_096, 16_384):
    stored, flash, full = (transformer_activation_bytes(s, 1, 4096, 32, 32, **how) / 1e9
                           for how in ({}, {"flash": True}, {"recompute": "full"}))
    print(f"{s:6,} tokens: {stored:7.1f} GB with stored scores, {flash:5.1f} GB with FlashAttention", end=", ")
    print(f"{full:4.1f} GB kept for full recomputation")
print(f"one layer alone, {s:,} tokens: {stored / 32:.1f} GB with stored scores, {flash / 32:.1f} GB with FlashAttention")

# %% [markdown]
# The 4.3 GB are not the peak. While a layer runs once more, its own full set comes on top: 45 GB with stored scores, 2.3 GB with FlashAttention.
#
# ### Gradient checkpointing
#
# You may also keep less and compute it again. Cut the layers into *s* equal segments. Of each segment keep its input only.
# In the backward pass run the segment once more. The last segment keeps its layers, since its turn comes at once. When the forward pass ends, that leaves
#
# $$(s - 1) + \frac{n}{s} \text{ units.}$$
#
# The network's own input is not counted.

# %%
from utils.cost.memory import checkpoint_forward_units

for segments in (1, 4, 8, 32):
    traced = trace_training(chain, x, segments=segments)
    predicted = checkpoint_forward_units(32, segments)
    print(f"{segments:2} segments: predicted {predicted:2}, traced {traced.kept_bytes / unit:4.1f} units")

# %% [markdown]
# More segments are not always better: with 32 of them every input is stored, as without checkpointing. The best number is near √n, and then about 2·√n units are left.
#
# ### Frozen and sharded states
#
# A frozen parameter has no gradient and no optimizer state: it costs its weight only. The last line below trains 1 % of a network's own parameters and freezes the rest.
# **LoRA** freezes all of them and adds small matrices, which it trains. Each added parameter costs the full 16 bytes, so the sum is about the same. The price: what it can learn is limited to these matrices.
#
# **ZeRO** (also FSDP) divides the states among GPUs that hold the same model. Stage 1 divides optimizer states and master weights, stage 2 the gradients too, stage 3 also the weights.
# The price is traffic between the GPUs. Stages 1 and 2 send as much as plain data parallelism, stage 3 up to half as much again.
# **Offload** keeps states in the host's memory instead. Then they cross the bus to the GPU in every step, and the step waits for them.

# %%
from utils.cost.memory import zero_bytes_per_gpu

for stage in range(4):
    each = zero_bytes_per_gpu(7_500_000_000, AMP_ADAM_MASTER, n_gpus=64, stage=stage)
    print(f"7.5 B parameters on 64 GPUs, stage {stage}: {each / 1e9:6.2f} GB a GPU")
frozen = model_state_bytes(7_000_000_000, AMP_ADAM_MASTER, trainable_fraction=0.01)
print(f"7 B parameters, 1 % of them trained: {frozen.total / 1e9:.1f} GB instead of 112 GB")

# %% [markdown]
# The ZeRO paper prints 120, 31.4, 16.6 and 1.9 GB.
#
# ### What the trace does not count
#
# Our trace counts the tensors of the forward and the backward pass. A GPU holds more. Some of it comes from torch's allocator and is in `memory_allocated`:
#
# - temporaries of the optimizer: torch's Adam on CUDA may take as much as all parameters once more during its step (`foreach`);
# - **workspace**: what a kernel takes for itself while it runs, a convolution of cuDNN for example;
# - rounding: a tensor takes a multiple of 512 bytes.
#
# The rest belongs to no tensor, and only `memory_reserved` or nvidia-smi shows it:
#
# - the **caching allocator** takes memory from the driver in segments of 2 MiB and more, and keeps what is freed;
# - **fragmentation**: free pieces that are too small for the next tensor;
# - the **CUDA context** of each process: driver state and loaded kernels, before the first tensor.
#
# So `memory_allocated` ≤ `memory_reserved` (with cache and fragments) ≤ nvidia-smi (with the context). Chapter 04 goes through them.

# %% [markdown]
# ## See it
#
# ![Live memory of one training step of ResNet-18 on 64 images in FP32. It rises through the forward pass to 1.62 GB and falls in the backward pass. Inference stays below 0.50 GB. At the peak 0.19 GB are model states, 1.42 GB activations and data, and 0.02 GB temporaries (each rounded).](figure.svg)
#
# ResNet-18, batch 64, FP32: the peak is 1.62 GB, of which 0.19 GB are model states, 1.42 GB activations and data, and 0.02 GB come on top (each rounded). Inference peaks at 0.50 GB.
#
# **Memory timeline.** Look for three shapes: the hill that rises forward and *falls* backward, the low line of inference, and the saw-tooth of checkpointing.
# Then take the GPT: its sharp tip is the loss over the 50,257 entries of the vocabulary.

# %% figure
from utils.widgets.ch05_training_memory import timeline_explorer

timeline_explorer()

# %% [markdown]
# ## Exercises
#
# Bytes are whole numbers, `int`. FP32 values have 4 bytes.

# %% [markdown] about="training_bytes"
# Count the model states of a training run.
#
# - `n_params` is the number of parameters, `optimizer` is `"sgd"`, `"momentum"` or `"adam"`. For any other name raise a ValueError.
# - If `mixed` is false, weights and gradients are FP32 and there is no master copy.
# - If `mixed` is true, weights and gradients have 16 bits, and there is a master copy of the weights in FP32.
# - Optimizer states are FP32 in both cases: no tensor for `sgd`, one for `momentum`, two for `adam`. Each has `n_params` values.
# - Return a dict with the bytes under `"weights"`, `"grads"`, `"master"`, `"optimizer"` and `"total"`.
#
# For example `(1_500_000_000, "adam", True)` and `(1_500_000_000, "adam", False)` both have the total 24,000,000,000,
# and `(1_000, "momentum", True)` gives weights 2,000, grads 2,000, master 4,000, optimizer 4,000, total 12,000.

# %% exercise="training_bytes"
def training_bytes(n_params: int, optimizer: str, mixed: bool) -> dict[str, int]:
    """Bytes of the model states: weights, grads, master, optimizer, total."""
    ### BEGIN SOLUTION
    tensors = {"sgd": 0, "momentum": 1, "adam": 2}
    if optimizer not in tensors:
        raise ValueError(f"optimizer must be sgd, momentum or adam, got {optimizer!r}")
    each = 2 if mixed else 4
    told = {"weights": each * n_params, "grads": each * n_params, "master": 4 * n_params if mixed else 0,
            "optimizer": 4 * tensors[optimizer] * n_params}
    told["total"] = sum(told.values())
    return told
    ### END SOLUTION

# %% check="training_bytes"
check("05.training_bytes", training_bytes)

# %% [markdown] about="saved_bytes"
# Count what autograd keeps of a chain of layers for the backward pass.
#
# - `layers` is a list of tuples: `("linear", out_features)`, `("relu",)`, `("tanh",)`, `("sigmoid",)` or `("dropout", p)` with 0 < p < 1. There is at least one.
# - The input has the shape `batch` × `in_features`. It needs a gradient itself, as if a layer stood before it. All is FP32, in training mode. Linears have a bias.
# - A linear keeps its input. ReLU, tanh and sigmoid keep their output. A dropout keeps a mask of the tensor's own width (4 bytes a value), as on the CPU.
# - A tensor that two layers keep is stored once. Weights and biases do not count.
# - Return the bytes.
#
# For example `([("linear", 200), ("relu",), ("linear", 50)], 32, 100)` → 38,400,
# `([("linear", 6), ("dropout", 0.1), ("linear", 4)], 8, 10)` → 704, and `([("linear", 64), ("tanh",)], 16, 32)` → 6,144.

# %% exercise="saved_bytes"
def saved_bytes(layers: list[tuple], batch: int, in_features: int) -> int:
    """Bytes that autograd keeps of a float32 chain for the backward pass."""
    ### BEGIN SOLUTION
    width, kept, masks = in_features, {}, 0  # kept: position of a tensor -> its width
    for i, (kind, *options) in enumerate(layers):
        if kind == "linear":
            kept[i] = width
            width = options[0]
        elif kind == "dropout":
            masks += width
        else:
            kept[i + 1] = width
    return 4 * batch * (sum(kept.values()) + masks)
    ### END SOLUTION

# %% check="saved_bytes"
check("05.saved_bytes", saved_bytes)

# %% [markdown] about="chain_peak"
# Find the peak of *inference* over a chain of tensors x0 → x1 → x2 → …
#
# - `sizes` holds the sizes of x0, x1, …, at least one, in any unit. Step 1 makes x1 from x0, step 2 makes x2 from x1, and so on. Input and output are both live in that step.
# - `skips` holds pairs (i, j) of positions with i < j: step *j* reads tensor *i* as well. So tensor *i* stays live up to and including step *j*.
# - Every tensor is freed as early as possible. A tensor counts once, however many reasons keep it. A pair may occur twice.
# - Return the largest sum of live sizes in a step. A chain of one tensor peaks at its size.
#
# For example `([10, 40, 20])` → 60, `([10, 40, 20], [(0, 2)])` → 70 and `([7])` → 7.

# %% exercise="chain_peak"
def chain_peak(sizes: list[int], skips: list[tuple[int, int]] = ()) -> int:
    """Peak of inference over a chain x0 -> x1 -> ..., in the unit of `sizes`."""
    ### BEGIN SOLUTION
    peak = sizes[0]
    for step in range(1, len(sizes)):
        live = {step - 1, step} | {i for i, j in skips if i < step <= j}
        peak = max(peak, sum(sizes[k] for k in live))
    return peak
    ### END SOLUTION

# %% check="chain_peak"
check("05.chain_peak", chain_peak)

# %% [markdown] about="checkpoint_plan"
# Plan a checkpointed training of `n_layers` equal layers, at least one.
#
# - They are cut into *s* equal segments, so *s* divides `n_layers`. One segment means no checkpointing.
# - When the forward pass ends, (s − 1) + n_layers / s units are live, as derived above.
# - Return the *smallest* s whose units are at most `budget_units`, an int that may be 0. If there is none, return None.
#
# For example `(32, 11)` → 4, `(32, 10)` → None, `(32, 32)` → 1 and `(32, 20)` → 2.

# %% exercise="checkpoint_plan"
def checkpoint_plan(n_layers: int, budget_units: int) -> int | None:
    """Smallest number of equal segments whose forward units fit the budget; None if there is none."""
    ### BEGIN SOLUTION
    for s in range(1, n_layers + 1):
        if n_layers % s == 0 and (s - 1) + n_layers // s <= budget_units:
            return s
    return None
    ### END SOLUTION

# %% check="checkpoint_plan"
check("05.checkpoint_plan", checkpoint_plan)

# %% [markdown] about="largest_batch"
# Find the largest batch that fits into a budget.
#
# - The model states take `n_params` · `recipe_bytes_per_param` bytes, and `overhead_bytes` are lost to context and workspace. Both count as they are.
# - `act_bytes_per_sample` lists the activation tensors: how many bytes (an int above 0) one sample adds to each. There is at least one.
# - A batch of *b* samples makes every tensor *b* times as large. Then the allocator rounds *each tensor* up to a multiple of 512 bytes.
# - States, overhead and rounded activations together may be at most `budget_bytes`.
# - The batch must be a multiple of `micro`. Return the largest one that fits, in samples, or 0 if none does.
#
# For example `(1000, 16, [300, 700], 40_000, 1_000)` → 22. With 23 samples the rounding would exceed the budget. With `micro=4` it is 20.
# ResNet-18 with four large tensors and 2 GiB, `(11_689_512, 16, [3_211_264, 3_211_264, 802_816, 602_112], 2 * 2**30, 300 * 2**20, 8)`, gives 208.
# `(1000, 16, [300], 17_000, 1_000)` gives 0: states and overhead fill the budget. In the checks the answer is at most 10,000 steps of `micro`.

# %% exercise="largest_batch"
def largest_batch(n_params: int, recipe_bytes_per_param: int, act_bytes_per_sample: list[int], budget_bytes: int,
                  overhead_bytes: int, micro: int = 1) -> int:
    """Largest multiple of `micro` samples whose training step fits the budget; 0 if none does."""
    ### BEGIN SOLUTION
    room = budget_bytes - n_params * recipe_bytes_per_param - overhead_bytes
    batch = 0
    while sum(-(-(batch + micro) * size // 512) * 512 for size in act_bytes_per_sample) <= room:
        batch += micro
    return batch
    ### END SOLUTION

# %% check="largest_batch"
check("05.largest_batch", largest_batch)

# %% [markdown]
# ## Measure it
#
# 32 layers of width 128 with real data on the CPU. The peak is what torch's profiler saw; the lines are the tracker's prediction on the meta device.
# Before you run it: by which factor is the slope of training steeper than that of inference?

# %% experiment
from utils.widgets.ch05_training_memory import batch_chart, batch_peaks

batch_chart(batch_peaks())

# %% [markdown]
# The slope is in bytes a sample. One sample's output of a layer has 128 values, 512 bytes.
# In training a sample costs 33 times that: 31 kept outputs and 2 gradients. The ½ of above is missing, because a weight's gradient has the same size for every batch.
# In inference it costs 2 times 512 bytes. The slopes differ by a factor of 16.5.
#
# Now checkpointing, with what it costs. Memory and matrix products are counted. The time is the shortest of three runs on one thread.

# %% experiment
from utils.widgets.ch05_training_memory import checkpoint_rows, checkpoint_table

checkpoint_table(checkpoint_rows())

# %% [markdown]
# The memory has its minimum at 4 and 8 segments. The matrix products grow from 95 to 126, by a third at most: one more forward pass.
# The time grows by more here, because saving and replaying a segment has a fixed cost, and these layers are small.
#
# With a CUDA device the next cell trains ResNet-18 for two steps and sets the prediction beside the allocator's numbers. Without one it says so.

# %% experiment
from utils.widgets.ch05_training_memory import gpu_numbers

gpu_numbers()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | float32 is the most used type in deep learning | dated | it is the frameworks' default; large models train in BF16 or FP8 and keep FP32 for their states |
# | 2 | a float32 takes 4 bytes | holds | 32 bits |
# | 3 | 32 × 3 × 128 × 128 floats are 6.3 M | holds, the unit is missing | 6,291,456 bytes = 6.29 MB = 6.00 MiB |
# | 4 | memory in training goes to data, parameters and outputs | incomplete | model states, saved activations, temporaries and workspace, the allocator's cache, the CUDA context |
# | 5 | layers with parameters, their gradients and the optimizer's values take memory | holds | Adam holds two values a parameter, momentum one, plain SGD none |
# | 6 | on the output side: every feature map *and its gradient* | wrong as a sum | a gradient of an activation lives for one layer: 33.5 units for 32 layers, not 64. And not every output is kept: Linear and ReLU together store one |
# | 7 | (left out) inference | gap | nothing is kept: 2 units instead of 33.5 |
# | 8 | (left out) the batch | gap | data and activations scale with it, model states do not |
#
# Rows 3, 5, 6 and 7 were computed above. Here are rows 4 and 8 in numbers:

# %%
small, large = (memory_timeline("ResNet-18", batch, 32, 1) for batch in (32, 64))
print("row 4: states {:.2f}, data {:.2f}, kept activations {:.2f}, on top at the peak {:.2f} GB (rounded)".format(
    *(large[part] / 1e9 for part in ("states", "data", "kept", "temporaries"))))
for part in ("states", "data", "kept"):
    print(f"row 8: batch 32 to 64 multiplies {part:6} by {large[part] / small[part]:.2f}")

# %% [markdown]
# ## Explain it
#
# A colleague's training stops with "CUDA out of memory" after he doubled the image size. He says: "I switch to mixed precision, then everything is half as large."
# Answer in five or six sentences.
#
# A good answer names:
# 1. what twice the side does to the activations, and what it does to the model states;
# 2. what mixed precision halves, and what it does not;
# 3. whether that is enough here, with a number;
# 4. two other levers, each with its price;
# 5. how to predict the peak before the next launch.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Twice the side means four times as many positions, so the activations of a CNN grow by a factor of four. The model states do not change, because the filters are the same.
# Mixed precision with Adam stays at 16 bytes a parameter. It halves the activations only.
# So after both changes the activations are still twice what they were before, and the run may fail again.
# He can take half the batch and accumulate gradients over two passes; they run one after another, and batch norm sees smaller batches.
# He can checkpoint the early layers, which hold the large maps, for up to one more forward pass.
# I would trace one step on the meta device, add the context and a margin for the allocator, and launch only then.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("05")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | GPU memory footprint | 显存占用 | bytes held on the device |
# | activation, feature map | 激活、特征图 | a layer's output; saved ones wait for the backward pass |
# | gradient | 梯度 | derivative of the loss, with the shape of its tensor |
# | optimizer state | 优化器状态 | what the optimizer remembers for each parameter |
# | 8-bit optimizer | 8位优化器 | keeps its states in 8 bits, with a scale for each block of values |
# | model states | 模型状态 | weights, gradients, master weights and optimizer states |
# | master weights | 主权重 | the FP32 copy beside 16-bit weights |
# | workspace | 工作区 | a kernel's own temporary buffer |
# | caching allocator | 缓存分配器 | keeps freed blocks for the next tensor |
# | fragmentation | 显存碎片 | free memory in pieces too small to use |
# | gradient checkpointing | 梯度检查点（重计算） | compute again instead of storing |
# | gradient accumulation | 梯度累积 | several small batches for one step of the optimizer |
# | sharding (ZeRO, FSDP) | 分片 | each GPU holds a part of the states |
# | LoRA | 低秩适配 | small trained matrices beside frozen weights |
# | offload | 卸载 | states kept in the host's memory, sent over the bus when they are needed |
# | KV cache | KV缓存 | stored keys and values of all earlier tokens |
# | CUDA context | CUDA上下文 | a fixed cost for each process |
# | meta device | 元设备 | torch's device of shapes without data |

# %% [markdown]
# ## Sources
#
# - S. Rajbhandari et al., *ZeRO: Memory Optimizations Toward Training Trillion Parameter Models*, SC 2020, arXiv:1910.02054: model states, figure 1.
# - V. Korthikanti et al., *Reducing Activation Recomputation in Large Transformer Models*, MLSys 2023, arXiv:2205.05198.
# - T. Chen et al., *Training Deep Nets with Sublinear Memory Cost*, 2016, arXiv:1604.06174.
# - P. Micikevicius et al., *Mixed Precision Training*, ICLR 2018, arXiv:1710.03740.
# - DeepSeek-AI, *DeepSeek-V3 Technical Report*, 2024, arXiv:2412.19437: training in FP8.
# - D. Kalamkar et al., *A Study of BFLOAT16 for Deep Learning Training*, 2019, arXiv:1905.12322.
# - E. Hu et al., *LoRA*, ICLR 2022, arXiv:2106.09685; T. Dettmers et al., *QLoRA*, 2023, arXiv:2305.14314.
# - T. Dettmers et al., *8-bit Optimizers via Block-wise Quantization*, ICLR 2022, arXiv:2110.02861.
# - K. He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016.
# - PyTorch documentation: `torch.autograd.graph.saved_tensors_hooks`, `torch.utils.checkpoint`, "CUDA semantics: memory management", `torch.optim.Adam` (`foreach`), `torch.amp`.
# - PyTorch, `c10/core/AllocatorConfig.h`: blocks of 512 bytes, segments of 2 MiB.
