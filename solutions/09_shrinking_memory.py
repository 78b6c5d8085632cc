# %% [markdown]
# # 09 · What are the ways to shrink a model's memory use?
# **减小模型内存占用有哪些办法？**
#
# "It does not fit" has four different causes, and a method that shrinks one of them may not touch the others.
# You will compute which method helps which cause, reorder a graph, and plan its memory as the runtimes do.
#
# About 100 minutes: 73 for the five exercises, the rest to read, measure and explain. It helps to know chapters 01 (why models are compressed), 05 (what occupies memory in training) and 11 (how to count parameters).

# %% setup
from functools import cache

# %% [markdown]
# ## The short answer
#
# > Split the footprint first. There are four pools: weights, activations, the KV cache of a language model (keys and values of earlier tokens), and workspace with the runtime.
# >
# > Weights shrink by quantization (fewer bits), structured pruning (whole rows and columns go), tied embeddings (one table in two places), or a smaller network, often taught by the large one (distillation).
# > Memory mapping (the file's pages are loaded when read) and offload (weights wait in a slower memory) keep only a part of them resident.
# >
# > Activations count at their peak: the largest sum of tensors that live at once. A smaller batch or resolution lowers it. So do the order of the operators, buffers planned by lifetime, operators that write over their input or are fused into one, 8-bit activations, and on microcontrollers execution in patches, piece by piece.
# >
# > The KV cache shrinks with fewer KV heads (GQA), with one short vector a token from which keys and values are computed (MLA), with 8 bits, or a shorter context. Paging gives it memory block by block, as tokens come.
# >
# > Two things that free nothing: zeros in dense arrays, and a mixture of experts. It computes with a few of its sub-networks for each token, and stores all of them.
# >
# > Then measure the peak of resident memory on the device. The size of the file is one pool only.

# %% [markdown]
# ## How it works
#
# ### Four pools
#
# Llama-3-8B serves 8 sequences of 8,192 tokens in 16 bits, on a card of 24 GB. It does not fit. What should shrink?

# %%
from utils.compression.memory_planner import apply_technique, llm_footprint
from utils.cost.params import LLAMA3_8B

before = llm_footprint(LLAMA3_8B, context=8_192, batch=8)
for pool, size in before.as_dict().items():
    print(f"{pool:17} {size / 1e9:6.2f} GB")

# %% [markdown]
# - **Weights** are the parameters. They are there once, whatever the batch is.
# - **Activations** are the tensors that operators make and read while the network runs. The number is a peak, the moment with the most live bytes. Here it is one step over 2,048 prompt tokens, 256 of each sequence, so half of the batch halves it.
# - The **KV cache** holds the keys and values of all earlier tokens of every sequence. It grows with context and batch.
# - **Workspace** is what kernels and the runtime take for themselves. The 1 GB is an assumption, the other three follow from the shapes.
#
# A technique shrinks *its* pools:

# %%
for name, options in (("quantize_weights", {"bits": 4.15625}), ("quantize_kv", {"bits": 8}), ("halve_batch", {}),
                      ("unstructured_prune", {"sparsity": 0.5}), ("structured_prune", {"keep": 0.5})):
    after = apply_technique(before, name, **options)
    print(f"{name:19} weights {after.weights_bytes / 1e9:5.2f}  activations {after.activation_bytes / 1e9:4.2f}  "
          f"KV cache {after.kv_bytes / 1e9:4.2f}  together {after.total_bytes / 1e9:5.2f} GB")

# %% [markdown]
# Four of the five fit into 24 GB. Setting half of the weights to zero changes nothing. We go through the pools one by one.
#
# ### Weights: fewer bits
#
# Where do 4.15625 bits come from? Weights are quantized in **groups**, here of 128. A group shares one **scale**, the number that its small integers are multiplied with, in 16 bits.
# It also shares a **zero point** of 4 bits, the integer that stands for 0. Both are stored beside the weights:

# %%
from utils.cost.params import effective_bits as our_effective_bits
from utils.cost.params import weight_bytes

bits_of_a_group = 128 * 4 + 16 + 4
print(f"{bits_of_a_group} bits for 128 weights: {bits_of_a_group / 128} bits a weight")
for group in (32, 64, 128):
    bits = our_effective_bits(4, group, scale_bits=16, zero_bits=4)
    print(f"groups of {group:3}: {bits:.5f} bits, {16 / bits:.2f} times smaller than FP16")
print(f"70 billion weights: {weight_bytes(70_000_000_000, 4, 128, 16, 4) / 1e9:.2f} GB instead of "
      f"{weight_bytes(70_000_000_000, 16) / 1e9:.0f} GB")

# %% [markdown]
# Chapter 15 explains quantization, chapter 54 its methods. What matters here: only the weights shrink.
# With **weight-only** quantization they are expanded again before they are used, and activations and KV cache keep their 16 bits.
#
# ### Weights: zeros free nothing, smaller matrices do
#
# A network for 8 × 8 digits, 64 → 128 → 64 → 10. We prune it in two ways. (Chapter 16 shows how to choose what goes. Here only the bytes count.)

# %%
import torch

from utils.compression.pruning.structured import keep_neurons, shrink_mlp
from utils.cost.memory import module_storage_bytes
from utils.networks.digits import DigitsMLP, seeded

network = seeded(DigitsMLP, 0)
print(f"{'whole':21} {module_storage_bytes(network):6,} bytes")
zeroed = seeded(DigitsMLP, 0)
with torch.no_grad():
    for p in zeroed.parameters():
        p[p.abs() < p.abs().quantile(0.8)] = 0
zeros = sum(int((p == 0).sum()) for p in zeroed.parameters()) / sum(p.numel() for p in zeroed.parameters())
print(f"{f'{zeros:.0%} of it zero':21} {module_storage_bytes(zeroed):6,} bytes")
small = shrink_mlp(network, [keep_neurons(torch.arange(128), 0.5), keep_neurons(torch.arange(64), 0.5)])
print(f"{'half of the neurons':21} {module_storage_bytes(small):6,} bytes")

# %% [markdown]
# A zero takes the same four bytes as any other FP32 number. Where half of the neurons are *removed*, an inner matrix loses half of its rows and half of its columns: a quarter is left.
# The first and the last layer lose one side only, so the whole is above a quarter: 26,280 of 68,904 bytes.
#
# A sparse format such as CSR stores each kept value with its position. With 16-bit values and 32-bit positions it takes less than the dense array only above 67 % zeros. (The numbers that say where each row begins are not counted.) Chapter 53 goes into it.
#
# Three more ways leave every value as it is:
#
# - **Tied embeddings**: the table that turns tokens into vectors also serves as the last matrix. Llama-3.2-1B does so.
# - **Memory mapping**: the file is mapped into the address space, and a page is loaded when it is read. Only pages in use are resident. A pass that needs all weights then reads the missing ones from storage, at its speed.
# - **Offload**: some weights wait in a slower memory, such as the host's beside a GPU. They are copied each time their layer runs.

# %%
from utils.cost.params import LLAMA32_1B, decoder_params

tied = decoder_params(LLAMA32_1B).total
table = LLAMA32_1B.vocab * LLAMA32_1B.d_model
print(f"Llama-3.2-1B: {2 * tied / 1e9:.2f} GB tied, {2 * (tied + table) / 1e9:.2f} GB with a second table")

# %% [markdown]
# ### KV cache: heads, bits, tokens
#
# A token stores a key and a value in every layer and KV head. **Grouped-query attention** (GQA) lets several query heads share one KV head.

# %%
from utils.cost.bandwidth import kv_bytes_per_token

for heads, item_bytes, name in ((32, 2, "32 KV heads, 16 bits"), (8, 2, "8 KV heads, 16 bits"), (8, 1, "8 KV heads, 8 bits")):
    token = kv_bytes_per_token(32, heads, 128, item_bytes)
    print(f"{name:22} {token:7,} bytes a token, {token * 131_072 / 1e9:5.1f} GB for 131,072 tokens")

# %% [markdown]
# Llama-3-8B has 8 KV heads. At 131,072 tokens one sequence takes 17.2 GB, more than all its weights. With several such sequences the weights hardly matter any more.
# **Paging** (chapter 45) gives a sequence its cache in small blocks, when tokens come. It makes no entry smaller. It stops the cache from being reserved for tokens that never come.
#
# ### Activations: who is alive?
#
# Now a small graph. Input `x` has 4 MB. Operators `a` and `b` read it and make 10 MB each. `c` reads `a`, `d` reads `b`, each makes 1 MB. `y` reads both, 2 MB.
# An operator reads its inputs while it writes its output, so all of them are live. A tensor dies after its last reader. The caller keeps `y`.

# %%
from utils.cost.arena import TensorGraph, order_bytes

graph = TensorGraph.of(inputs={"a": ["x"], "b": ["x"], "c": ["a"], "d": ["b"], "y": ["c", "d"]},
                       size={"x": 4, "a": 10, "b": 10, "c": 1, "d": 1, "y": 2}, outputs=["y"])
for order in ("abcdy", "acbdy"):
    steps = order_bytes(order, graph)
    print(f"order {order}: " + "  ".join(f"{op} {live:2}" for op, live in zip(order, steps)) + f"   peak {max(steps)} MB")

# %% [markdown]
# 24 MB or 15 MB, 37.5 % less, for the same operators with the same results. In the second order `a` is dead before `b` is made.
#
# This is **liveness**: for every tensor the first and the last step in which it is needed. How to find the best order? Trying all of them fails soon: 12 independent operators have 479 million orders.
# But what is live after some operators have run depends on *which* have run, not on their order. There are at most 2^12 = 4,096 such sets. Exercise 5 uses this.
#
# ### From lifetimes to addresses
#
# Live bytes are a count. A real buffer needs an address, and the tensors of a step must not overlap. Runtimes plan this before the first run:
# all activations go into one block, the **arena**, and each gets an offset. Two tensors may share bytes if no step sees them both.

# %%
from utils.cost.arena import live_peak, order_uses, plan_naive
from utils.cost.arena import plan_arena as our_plan_arena

uses = order_uses("acbdy", graph)
plan = our_plan_arena(list(uses.values()))
for (name, use), at in zip(uses.items(), plan.offsets):
    print(f"{name}: steps {use.first}–{use.last}, MB {at:2} to {at + use.size:2}")
print(f"arena {plan.total_bytes} MB; one buffer for each tensor {plan_naive(list(uses.values())).total_bytes} MB; "
      f"live at the fullest step {live_peak(list(uses.values()))} MB")

# %% [markdown]
# No plan can be smaller than the fullest step, and this one reaches it. The rule is that of TensorFlow Lite's GPU delegate, **greedy by size**:
# take the largest tensor first, and put each into the smallest gap that holds it. It is quick and usually good. It is not always optimal:

# %%
from utils.cost.arena import TensorUse, plan_optimal

chain = [TensorUse(size, first=i, last=i + 1) for i, size in enumerate((3, 2, 2, 3))]
print("greedy ", our_plan_arena(chain))
print("optimal", plan_optimal(chain))

# %% [markdown]
# The two tensors of 3 never meet, so greedy puts both at 0. Then the two of 2 must lie above them, one on the other. The best plan moves the last tensor up instead.
# Finding the best plan is NP-hard in general. The exhaustive search above takes at most 8 tensors.
#
# ### A real network: MobileNetV2
#
# Its main part consists of blocks: a 1 × 1 convolution expands the channels six times, a **depthwise** 3 × 3 convolution filters each channel by itself, and a 1 × 1 convolution projects them back.
# Where input and output have one shape, the block adds its input to its output: a **residual sum**. The way of the input around the block is the **shortcut**.
# We read the 64 operators off the network, with batch norm and activation fused into the convolutions: a fused tensor never exists.

# %%
from utils.compression.spatial_graph import mobilenet_v2_tensor_graph
from utils.cost.arena import order_bytes, order_peak, ready_order

fp32 = mobilenet_v2_tensor_graph(resolution=224, item_bytes=4)
print(f"{len(fp32.ops)} tensors in FP32, a buffer for each: {sum(op.out_bytes for op in fp32.ops) / 2**20:.1f} MiB")
order = ready_order(fp32)
print(f"live at the fullest step: {order_peak(order, fp32) / 2**20:.2f} MiB")
for in_place in (False, True):
    int8 = mobilenet_v2_tensor_graph(item_bytes=1, inplace_depthwise=in_place)
    print(f"INT8, depthwise {'in place' if in_place else 'apart   '}: {order_peak(order, int8):9,} bytes = "
          f"{order_peak(order, int8) / 1024:,.0f} KiB")
steps = order_bytes(order, int8)
print(f"the peak is at “{order[steps.index(max(steps))]}”: 112 · 112 · (16 + 96) = {112 * 112 * (16 + 96):,}")

# %% [markdown]
# These are published numbers. The TensorFlow blog gives about 26 MB for MobileNetV2's intermediate tensors (65 of them; the blog does not list which). The paper MCUNetV2 gives a peak of 1372 kB, which are our KiB.
# There the depthwise convolution works **in place**: channel by channel, its result is written over its input. Without that, input and output live together, and the peak is 1,470 KiB.
#
# The peak sits in the second block, where 16 channels of 112 × 112 become 96. A microcontroller with 256 KiB of SRAM cannot hold this peak, though the weights could come from flash.
#
# ### Patches
#
# The early maps are large because they are wide and high. MCUNetV2 computes that part in **patches**. It cuts the last map of the part into 4 × 4 pieces, and computes one after the other, each from the piece of the image that it depends on.
# These pieces of earlier maps overlap, because a 3 × 3 kernel reads one row beyond its piece on each side. What overlaps is computed again. Here is the part up to the first 28 × 28 map, in INT8:

# %%
from utils.widgets.ch09_shrinking_memory import patch_table

patch_table()

# %%
from utils.compression.spatial_graph import mobilenet_v2_ops, tensor_graph
from utils.cost.arena import order_bytes, ready_order

ops = mobilenet_v2_ops()
for sums in (False, True):
    whole = tensor_graph(ops, 224, inplace_depthwise=True, inplace_sums=sums)
    order = ready_order(whole)
    first = order.index("project 4") + 1  # "project 4" makes the first 28 x 28 map, where the patches end
    rest = order_bytes(order, whole)[first:]
    print(f"the rest of the network, residual sums {'in place' if sums else 'apart   '}: {max(rest) / 1024:.1f} KiB")

# %% [markdown]
# So with 4 × 4 patches the later blocks decide: 171.5 KiB instead of 1,372, eight times less, as the paper says. That needs one more trick: the convolution before a residual sum adds its result onto the shortcut's buffer.
# Weights and results do not change. The price is 31 % more multiply-accumulates in the first part.
#
# ### Batch, resolution, type
#
# All activations are proportional to the batch and to the bytes of a value. Halving the side of the image divides them by four.

# %%
for batch, side, item, name in ((8, 224, 4, "FP32"), (1, 224, 4, "FP32"), (1, 112, 4, "FP32"), (1, 112, 1, "INT8")):
    g = mobilenet_v2_tensor_graph(side, item_bytes=item, batch=batch)
    print(f"batch {batch}, {side} × {side}, {name}: {order_peak(ready_order(g), g) / 2**20:6.2f} MiB")

# %% [markdown]
# ### Which technique for which pool?
#
# | technique | weights | activations | KV cache | price |
# |---|---|---|---|---|
# | weight-only quantization | fewer bits | – | – | some accuracy |
# | W8A8 (weights and activations in 8 bits) | half of 16 bits | half | – | some accuracy, calibration |
# | zeros in dense arrays | – | – | – | accuracy, for nothing |
# | structured pruning, smaller student | fewer rows and columns | fewer channels | fewer heads, if those go | training |
# | GQA, 8-bit keys and values | – (GQA: a little) | – | a fraction | training for GQA, some accuracy |
# | smaller batch | – | in proportion | in proportion | throughput |
# | operator order, arena, in place, fusion | – | lower peak | – | none in accuracy |
# | patches | – | lower peak | – | recomputation |
# | memory mapping, offload | a part is resident | – | possible too | speed |
#
# During **distillation** two models are in memory, teacher and student. Only afterwards is it one, and the small one.
# A **mixture of experts** has many sub-networks in a layer, the experts. It reads few of them for a token, and stores all.

# %% [markdown]
# ## See it
#
# ![Two plans of the same five operators. Left, both large tensors are made first: a, b and x live together and the arena takes 96 KiB. Right, one branch is finished before the other begins: a and b share the same addresses and the arena takes 60 KiB.](figure.svg)
#
# The graph from above, with 1 MB replaced by 4 KiB: in the order a, b, c, d, y the arena takes 96 KiB, in the order a, c, b, d, y it takes 60 KiB. Both plans reach the fullest step.
#
# **Memory tetris.** Turn the order first, then the planner. Then take the three branches: the greedy *order* gives 184 KiB at the fullest step, the best one 144 KiB. The greedy order always runs the operator that leaves the fewest live bytes behind.
# In MobileNetV2 compare the planners, and tick "in place".

# %% figure
from utils.widgets.ch09_shrinking_memory import tetris_explorer

tetris_explorer()

# %% [markdown]
# **Pools.** Take 2,048 tokens and one sequence: the weights are the large pool. Then 131,072 tokens: the cache is.

# %% figure
from utils.widgets.ch09_shrinking_memory import pools_explorer

pools_explorer()

# %% [markdown]
# ## Exercises
#
# The set-up cell has imported `cache` from `functools`; other imports go into the cell of the answer that needs them.
# Steps, sizes and offsets are whole numbers, `int`.

# %% [markdown] about="effective_bits"
# Compute how many bits a quantized weight takes when everything is counted that is stored.
#
# - Each weight has `weight_bits` bits.
# - Every group of `group_size` weights shares one scale of `scale_bits` bits and one zero point of `zero_bits` bits (0 means that there is none).
# - The number of weights is a multiple of `group_size`.
# - Return the stored bits for each weight, as a float. If `group_size` is 0 or negative, raise a ValueError.
#
# For example `(4, 128, 16, 4)` → 4.15625, `(4, 16, 8)` → 4.5 and `(4, 32, 16, 0)` → 4.5.

# %% exercise="effective_bits"
def effective_bits(weight_bits: float, group_size: int, scale_bits: float, zero_bits: float = 0) -> float:
    """Stored bits a weight when each group of `group_size` shares one scale and one zero point."""
    ### BEGIN SOLUTION
    if group_size <= 0:
        raise ValueError(f"group_size must be positive, got {group_size}")
    return weight_bits + (scale_bits + zero_bits) / group_size
    ### END SOLUTION

# %% check="effective_bits"
check("09.effective_bits", effective_bits)

# %% [markdown] about="pool_after"
# Tell how large every pool is after one technique. The model is in 16 bits before it.
#
# | `technique` | what it does |
# |---|---|
# | `"w4_g128"` | weights from 16 to 4.15625 bits; nothing else |
# | `"w8a8"` | weights and activations from 16 to 8 bits; the KV cache stays in 16 |
# | `"prune50_dense"` | half of the weights become zero, in the same dense arrays |
# | `"prune50_channels"` | every inner layer keeps half of its channels: a quarter of the weights is left, and half of the activations. The KV cache stays |
# | `"gqa4"` | the number of KV heads is divided by 4 (the few weights that go with them are not counted) |
# | `"batch_half"` | half as many samples, or sequences, at a time |
#
# - `pools` maps names to bytes, as floats. It has `"weights"`, `"activations"` and `"kv"`, and perhaps other pools, which no technique touches.
# - Return a *new* dict with the same names and the bytes afterwards. Do not change `pools`.
# - For any other technique raise a ValueError.
#
# For example, with `{"weights": 14e9, "activations": 1e9, "kv": 8e9}`: `"gqa4"` leaves 2e9 in `"kv"` and the rest as it is.
# `"w4_g128"` leaves 3.63671875e9 in `"weights"` and the rest as it is, and `"prune50_dense"` changes no pool.

# %% exercise="pool_after"
def pool_after(pools: dict[str, float], technique: str) -> dict[str, float]:
    """Bytes of every pool after one technique, starting from a 16-bit model."""
    ### BEGIN SOLUTION
    factors = {
        "w4_g128": {"weights": 4.15625 / 16},
        "w8a8": {"weights": 0.5, "activations": 0.5},
        "prune50_dense": {},
        "prune50_channels": {"weights": 0.25, "activations": 0.5},
        "gqa4": {"kv": 0.25},
        "batch_half": {"activations": 0.5, "kv": 0.5},
    }
    if technique not in factors:
        raise ValueError(f"technique must be one of {', '.join(factors)}, got {technique!r}")
    return {name: size * factors[technique].get(name, 1) for name, size in pools.items()}
    ### END SOLUTION

# %% check="pool_after"
check("09.pool_after", pool_after)

# %% [markdown] about="peak_live_bytes"
# Find how many bytes are live at the worst moment of a run.
#
# - `inputs` maps every operator to the list of tensors that it reads, each named once. An operator is named like the one tensor that it makes.
# - `size` maps every tensor to its bytes. The names in `size` that are not in `inputs` are the *graph inputs*. Each of them is read by at least one operator.
# - `order` lists every operator once: the order in which they run.
# - `outputs` lists the graph's outputs: tensors that the caller still needs.
#
# What is live:
# - Graph inputs live from the start.
# - While an operator runs, its output has its bytes already, and its inputs are still live.
# - A tensor dies when its last reader has run. A result that nobody reads dies right after its operator has run.
# - Tensors in `outputs` never die.
#
# Return the largest sum of live bytes. If `order` runs an operator before one of its inputs exists, raise a ValueError.
#
# For example, with `inputs = {"a": ["x"], "b": ["x"], "c": ["a"], "d": ["b"], "y": ["c", "d"]}`, `size = {"x": 4, "a": 10, "b": 10, "c": 1, "d": 1, "y": 2}` and `outputs = ["y"]`:
# the order a, b, c, d, y gives 24, and a, c, b, d, y gives 15.
# With `{"a": ["x"], "b": ["a"]}`, `{"x": 5, "a": 7, "b": 3}` and both as outputs, the order a, b gives 12.

# %% exercise="peak_live_bytes"
def peak_live_bytes(order: list[str], inputs: dict[str, list[str]], size: dict[str, int], outputs: list[str]) -> int:
    """Largest number of live bytes while the operators run in this order."""
    ### BEGIN SOLUTION
    live = {name for name in size if name not in inputs}
    exists, peak = set(live), 0
    for step, name in enumerate(order):
        if not exists.issuperset(inputs[name]):
            raise ValueError(f"order must run {name!r} after what it reads")
        exists.add(name)
        live.add(name)
        peak = max(peak, sum(size[tensor] for tensor in live))
        wanted = {tensor for later in order[step + 1 :] for tensor in inputs[later]} | set(outputs)
        live &= wanted
    return peak
    ### END SOLUTION

# %% check="peak_live_bytes"
check("09.peak_live_bytes", peak_live_bytes)

# %% [markdown] about="plan_arena"
# Give every tensor a place in one block of memory.
#
# - `tensors` maps each name to `(first, last, bytes)`. The tensor lives from step `first` to step `last`, *both included*, with 0 ≤ first ≤ last. `bytes` may be 0.
# - Return `(offsets, arena_bytes)`: a dict with an offset of 0 or more for every name, and the size of the arena. That is the maximum over all tensors of offset + bytes, and 0 without tensors.
# - Tensors whose lifetimes share a step must not share a byte. Others may.
# - The arena must be at most 1.5 times the largest sum of bytes that live at one step. Any plan that keeps to this is right. Offsets need not be aligned.
#
# For example `{"a": (0, 1, 10), "b": (1, 2, 20), "c": (2, 3, 10), "d": (3, 4, 5)}` can have an arena of 30, and of 45 at most.
# `{"x": (0, 3, 8), "h": (1, 2, 24), "g": (2, 3, 24), "y": (3, 4, 8)}` can have one of 56, and of 84 at most. `{}` gives `({}, 0)`.
#
# Greedy by size keeps to the bound in every checked set. It has no guarantee: of other sets, a few go beyond 1.5.
# Placing tensors in the order of time, each at the lowest free offset, goes beyond it in some checked sets.

# %% exercise="plan_arena"
def plan_arena(tensors: dict[str, tuple[int, int, int]]) -> tuple[dict[str, int], int]:
    """An offset for every tensor (first step, last step, bytes), and the size of the arena."""
    ### BEGIN SOLUTION
    offsets = {}
    for name in sorted(tensors, key=lambda n: -tensors[n][2]):
        first, last, size = tensors[name]
        met = [(at, at + tensors[n][2]) for n, at in offsets.items() if tensors[n][0] <= last and first <= tensors[n][1]]
        at = 0
        for start, end in sorted(met):
            if start - at >= size:
                break
            at = max(at, end)
        offsets[name] = at
    return offsets, max((at + tensors[n][2] for n, at in offsets.items()), default=0)
    ### END SOLUTION

# %% check="plan_arena"
check("09.plan_arena", plan_arena)

# %% [markdown] about="best_order"
# Find the order of operators with the smallest peak.
#
# - `inputs`, `size` and `outputs` mean the same as in `peak_live_bytes`, and so does the peak. There are 1 to 12 operators, and there is an order in which all can run.
# - Return `(order, peak)`: a list with every operator once, each after what it reads, and the peak of that order, which must be the smallest that any order has. Where several orders reach it, each of them is right.
# - Every call must end within 5 seconds. With 12 operators there can be more than a million orders, too many to try.
#
# For example, with the graph of `peak_live_bytes`, `(["a", "c", "b", "d", "y"], 15)` is right, and `(["b", "d", "a", "c", "y"], 15)` too.
# `{"a": ["x"], "b": ["x"], "c": ["b"], "y": ["a", "c"]}` with the sizes x 1, a 5, b 20, c 6, y 1 and the output y has the smallest peak 27.
# `{"a": ["x"], "b": ["a"]}` with x 5, a 7, b 3, both outputs, has 12.
#
# An answer is checked alone: if you want `peak_live_bytes` here, write what you need of it into this cell.

# %% exercise="best_order"
def best_order(inputs: dict[str, list[str]], size: dict[str, int], outputs: list[str]) -> tuple[list[str], int]:
    """An order with the smallest peak of live bytes, and that peak."""
    ### BEGIN SOLUTION
    sources = [name for name in size if name not in inputs]

    @cache
    def rest(done):  # of the operators that are not in `done`: the smallest peak, and the order that has it
        wanted = {tensor for op, read in inputs.items() if op not in done for tensor in read} | set(outputs)
        live = sum(size[tensor] for tensor in (*sources, *done) if tensor in wanted)
        best = None
        for op, read in inputs.items():
            if op not in done and all(tensor in done or tensor in sources for tensor in read):
                peak, order = rest(done | {op})
                found = max(peak, live + size[op]), [op, *order]
                best = found if best is None else min(best, found)
        return best or (0, [])

    peak, order = rest(frozenset())
    return order, peak
    ### END SOLUTION

# %% check="best_order"
check("09.best_order", best_order)

# %% [markdown]
# ## Measure it
#
# ### Weights on disk
#
# The digits CNN with 9,802 parameters and a wide twin with 1,128,714, as ONNX files. “Q/DQ” is the usual form of an INT8 file: 8-bit weights, and nodes that quantize and dequantize. Before you run it: which of the eight files is furthest from what its parameters predict?

# %% experiment
from utils.compression.memory_experiment import file_rows
from utils.widgets.ch09_shrinking_memory import files_table

rows = file_rows()
files_table(rows)

# %% [markdown]
# The wide twin obeys: INT8 is 4 times smaller, within 10 %. In the small network the INT8 file also holds names, scales, zero points and the nodes that quantize, about as much as the weights.
# Zeros change no file. (The weights are random: the size of a file does not depend on how good they are.)
#
# ### The order, in a real process
#
# The two-branch graph as a network on 1.6 million rows, so that `a` and `b` take 64 MB each. `c` and `d` are products with a matrix, `y` joins them.
# The input belongs to the caller and stays all the time, so it is left out: the peaks are 21 and 12 units of 6.4 MB.
# "Resident" is the peak of a fresh process, as Linux counts it.

# %% experiment
from utils.widgets.ch09_shrinking_memory import orders_table

orders_table()

# %% [markdown]
# ### What a runtime does
#
# The **stem** (the first convolution) and the first three blocks of MobileNetV2 in FP32, on 8 images. The prediction comes from the ONNX file: shapes by shape inference, lifetimes from the order of its nodes.
# The measurement is ONNX Runtime's first run in a fresh process. Its **memory arena** is another thing of the same name: it takes memory from the system in large pieces and keeps it, and its **memory pattern** remembers the allocations of one run for the next.

# %% experiment
from utils.widgets.ch09_shrinking_memory import engine_chart

engine_chart()

# %% [markdown]
# With the arena off, the runtime comes close to our in-place prediction, so it must reuse dead buffers and write activation functions over their inputs. With its arena on it takes more, and keeps it for the next run.
# So a runtime plans already. What is left to you are order, resolution, batch, types, and the choice of the network.
#
# With a CUDA device the next cell compares MobileNetV2's traced peak with the allocator's, for batches from 1 to 64. Without one it says so.

# %% experiment
from utils.widgets.ch09_shrinking_memory import gpu_numbers

gpu_numbers()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors. Its answer is a list of four ways: pruning, distillation, quantization, a changed structure.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | four ways shrink the memory | incomplete | all four begin with the weights. Operator order, planned buffers, in-place work, patches, and everything about the KV cache are missing. In MobileNetV2 on a microcontroller the activations break the limit: 1,372 KiB, with 256 KiB there |
# | 2 | pruning does | depends | only if rows and columns go, or in a sparse format above its break-even. 80 % zeros leave the digits MLP at 68,904 bytes; half of the neurons leave 26,280 |
# | 3 | distillation does | holds | because the student is smaller. During training two models are in memory |
# | 4 | quantization does | holds for its pool | 4 bits in groups of 128 are 3.85 times smaller than FP16. Weight-only leaves activations and KV cache as they are, and in small files the overhead counts |
# | 5 | another structure does | depends | fewer weights may come with larger activations: MobileNetV2's blocks expand six times, and its peak sits there |
# | 6 | (left out) planning and order | gap | the same operators peak at 24 or at 15, without any loss of accuracy |
#
# Rows 1, 2, 4 and 6 were computed above. Row 5 in numbers, against MobileNetV1, which has no expansion:

# %%
import torch

from utils.cost.memory.live_tensors import trace_inference
from utils.networks.classic import mobilenet_v1, mobilenet_v2

with torch.device("meta"):
    networks, image = {"MobileNetV1": mobilenet_v1(), "MobileNetV2": mobilenet_v2()}, torch.zeros(1, 3, 224, 224)
for name, model in networks.items():
    print(f"{name}: {sum(p.numel() for p in model.parameters()):9,} parameters, peak of the tensors that torch makes "
          f"{trace_inference(model.eval(), image).peak_bytes / 2**20:.2f} MiB")

# %% [markdown]
# Fewer parameters, and a larger peak. (torch makes a tensor of its own for every batch norm and activation function; a runtime that fuses them needs less in both networks.)
#
# ## Explain it
#
# A colleague runs Llama-3-8B on a card of 24 GB. With weights in 4 bits it serves 8 sequences of 8,192 tokens. At 32,768 tokens it runs out of memory. He wants to try weights in 3 bits.
# Answer in five or six sentences.
#
# A good answer names:
# 1. the size of the weights, and of the KV cache at both lengths;
# 2. what 3 bits would save, and whether that is enough;
# 3. one technique that is enough, with a number;
# 4. another way, with its price;
# 5. what to measure before it goes into service.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The weights take about 4.2 GB. The cache takes 131,072 bytes a token, so 8 sequences of 8,192 tokens are 8.6 GB, and of 32,768 tokens 34.4 GB.
# Three bits save about 1 GB, and more than 10 GB are missing, so the weights are the wrong pool.
# Keys and values in 8 bits halve the cache to 17.2 GB; with 4.2 GB of weights, 0.2 GB of activations and about 1 GB for the runtime that is 22.5 GB, which fits barely.
# Or he serves 4 sequences at a time: the same cache, without a loss of accuracy, at the price of throughput.
# Paging helps if most sequences end early, because the cache is then not reserved for tokens that never come.
# Before it goes into service I would check the accuracy with 8-bit keys and values on long inputs, and measure the peak on the card at full length and batch.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("09")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | footprint | 内存占用 | bytes that are resident while the model runs |
# | peak memory | 峰值内存 | the largest footprint over time |
# | resident memory | 常驻内存 | pages that really are in RAM |
# | activation | 激活值 | tensor that an operator makes and another reads |
# | liveness | 活跃区间 | from the step that makes a tensor to the last that reads it |
# | memory arena | 内存池 | one block, planned by lifetimes |
# | workspace | 工作区 | a kernel's own temporary buffer |
# | in-place | 原地操作 | the output is written over the input |
# | operator fusion | 算子融合 | several operators in one kernel, without the tensors between them |
# | depthwise convolution | 深度卷积 | filters each channel by itself |
# | patch-based inference | 分块推理 | computing a map piece by piece |
# | group scale, zero point | 分组缩放因子、零点 | what a group of low-bit weights shares |
# | weight tying | 权重共享 | one table used in two places |
# | memory mapping | 内存映射 | pages of a file are loaded on demand |
# | KV cache | 键值缓存 | stored keys and values of earlier tokens |
# | grouped-query attention (GQA) | 分组查询注意力 | several query heads share a KV head |
# | structured pruning | 结构化剪枝 | whole neurons or channels go |

# %% [markdown]
# ## Sources
#
# - Y. Pisarchyk, J. Lee, *Efficient Memory Management for Deep Neural Net Inference*, 2020, arXiv:2001.03288: greedy by size.
# - TensorFlow blog, *Optimizing TensorFlow Lite Runtime Memory*, 2 October 2020: about 26 MB of intermediate tensors in MobileNetV2.
# - TensorFlow, `tensorflow/lite/delegates/gpu/common/memory_management_test.cc`: the planner's own examples, which our planner reproduces.
# - J. Lin et al., *MCUNetV2: Memory-Efficient Patch-based Inference for Tiny Deep Learning*, NeurIPS 2021, arXiv:2110.15352: figure 1.
# - M. Sandler et al., *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, CVPR 2018.
# - E. Liberis, N. Lane, *Neural networks on microcontrollers: saving memory at inference via operator reordering*, 2019, arXiv:1910.05110.
# - J. Ainslie et al., *GQA*, EMNLP 2023, arXiv:2305.13245.
# - Open Compute Project, *OCP Microscaling Formats (MX) Specification*, v1.0, 2023; ggml, `ggml-common.h` (block formats).
# - ONNX Runtime documentation: `SessionOptions.enable_cpu_mem_arena`, `enable_mem_pattern`. Linux manual: proc(5), `VmHWM` and `clear_refs`.
