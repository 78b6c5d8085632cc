# %% [markdown]
# # 42 · Introduce the Mixture-of-Experts technique
# **介绍一下MoE技术**
#
# A model with 671 billion parameters may compute with 37 billion of them for each token. Such models are sparse mixtures of experts (MoE).
# They break the rule "parameters = compute", so memory, arithmetic and bandwidth have to be counted apart.
# Here you size such a model, write its router and its dispatch, and watch on real data how experts lose their tokens and get some again.
#
# About 150 minutes: 110 for the five exercises, the rest to read, measure and explain. It helps to know chapters 11 (parameters), 12 (FLOPs) and 44 (memory bandwidth).

# %% setup
import math

import numpy as np
import torch

# %% [markdown]
# ## The short answer
#
# > A sparse MoE replaces a feed-forward block by E experts and a small linear router. The experts are feed-forward networks.
# > Each token runs only its k best experts, at each layer anew. Their outputs are summed with the router's weights.
# > The parameters grow with E, the FLOPs only with k.
# >
# > The price: all experts must sit in memory. Mixtral-8x7B stores 46.7 billion parameters and computes with 12.9 billion.
# > Routing must be kept even, or a few experts take everything. One cure is an auxiliary loss that grows when the load is uneven. Another is DeepSeek-V3's bias, which only affects the selection.
# > With a fixed number of places for each expert, overflow is dropped.
# > With experts on different GPUs (expert parallelism) tokens travel to them and back: two exchanges among all GPUs (all-to-alls) for each layer.
# >
# > For decoding, count the experts that the *batch* touches. A small batch reads few and is fast.
# > A large batch touches nearly all of them. Then the bandwidth advantage is gone, and only the FLOP advantage remains.

# %% [markdown]
# ## How it works
#
# ### Two numbers for one model
#
# Here are three published models. What is stored is the total. What one token computes with is active.

# %%
from utils.moe.accounting import CONFIGS, count_parameters

for name, config in CONFIGS.items():
    total, active = count_parameters(config)
    print(f"{name:14} total {total / 1e9:7.2f} billion, active {active / 1e9:6.2f} billion ({active / total:5.1%})")

# %% [markdown]
# "8x7B" is not 56 billion. Attention, embeddings and norms exist once. Only the feed-forward part exists eight times.
#
# ### One token, three experts
#
# The router is one matrix: a logit for each expert. Take the two largest, and a softmax over these two.

# %%
from utils.moe.numpy_layer import route_topk as reference_route

logits = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
indices, weights = reference_route(logits, k=2)
print("experts:", indices.tolist())
print("weights:", weights.round(4).tolist())
everything = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
print("softmax over all experts:", everything.round(4).tolist())

# %% [markdown]
# Experts are counted from 0. Expert 2 does not run for token 0. That is the saving.
# For token 1 experts 0 and 1 are tied at 0. In this chapter the lower index wins, so expert 0 is its second.
# In the full softmax the two chosen probabilities of token 0 are 0.6652 and 0.2447. Divided by their sum, 0.9100, they are 0.7311 and 0.2689: the same weights.
#
# Switch keeps the full softmax with k = 1, and for a reason. A single weight that is made to sum to 1 is constant, so the router could not learn:

# %%
from utils.moe.routing import route_topk as torch_route

for renormalize in (True, False):
    leaf = torch.tensor([[2.0, 1.0, 0.0]], requires_grad=True)
    torch_route(leaf, 1, renormalize).weights.sum().backward()
    print(f"k = 1, weights sum to 1: {renormalize!s:5}  gradient at the router's logits: {[round(g, 3) for g in leaf.grad[0].tolist()]}")

# %% [markdown]
# ### The layer
#
# For each expert: gather its tokens, run it, weight the output, add it to the right rows. Does this equal the obvious way, in which all experts run on all tokens?

# %%
from utils.moe.layer import MoELayer, dense_reference

torch.manual_seed(0)
layer, x = MoELayer(d_model=16, d_ff=32, num_experts=8, k=2), torch.randn(100, 16)
with torch.no_grad():
    difference = float((layer(x) - dense_reference(layer, x)).abs().max())
print("largest difference below 1e-5:", difference < 1e-5)
print(f"rows computed: {int(layer.stats.load.sum())} instead of {100 * 8}")

# %% [markdown]
# ### Full experts
#
# Hardware likes fixed sizes. So an expert gets a fixed number of places, the **capacity**: factor × tokens × k / E, rounded up.
# Who gets a place? All first choices in token order, then all second choices. The rest is **dropped**: it contributes 0, and the residual around the layer carries the token.

# %%
from utils.moe.numpy_layer import capacity_mask as reference_mask
from utils.moe.routing import expert_capacity

print("places for 512 tokens, 8 experts, k = 2, factor 1.25:", expert_capacity(512, 8, 2, 1.25))
wishes = np.array([[0, 1], [0, 2], [0, 1]])
for wish, kept in zip(wishes, reference_mask(wishes, num_experts=3, capacity=2)):
    print("wishes", wish.tolist(), " kept", kept.tolist())

# %% [markdown]
# ### Keeping the load even
#
# A router that likes one expert trains it more, so it likes it better still. Nothing stops that. The **load-balancing loss** does:
#
# $$L = E \sum_i f_i P_i$$
#
# *f* is the share of assignments that expert *i* got, *P* its mean probability. A count has no gradient, P has one.
# It is also called the **auxiliary loss**: λ·L is added to the training loss, with a small coefficient λ. Below λ is 0.02 unless a figure says otherwise.

# %%
from utils.moe.numpy_layer import load_balancing_loss as reference_loss

uniform, collapsed = np.full((8, 4), 0.25), np.eye(4)[np.zeros(8, int)]
print("uniform:  ", reference_loss(uniform, np.arange(8)[:, None] % 4, 4))
print("collapsed:", reference_loss(collapsed, np.zeros((8, 1), int), 4))
odd = np.array([[.4, .3, .3], [.4, .3, .3], [.02, .5, .48]])
print(f"a split choice with other probabilities: {reference_loss(odd, np.array([[0], [0], [1]]), 3):.4f}")

# %% [markdown]
# 1 is the value of uniform routing. E is that of a complete collapse: k = 1, and every token picks the same expert with probability 1.
# The last line shows that 1 is not the minimum.
#
# An expert that gets no tokens is called **dead** here. Its weights then get no gradient, so only the router or a selection bias can bring it back.
#
# DeepSeek-V3 does most of the work without a loss. After each step it raises a bias of the experts below the mean load and lowers that of the others.
# The bias is added for the *selection* only. Weights and gradients do not see it.
#
# A router's logits may also grow without bound. The **z-loss**, the mean of logsumexp², keeps them small.
#
# ### Two variants: shared experts and upcycling
#
# A **shared expert** runs for every token beside the chosen ones.
#
# **Upcycling** starts from a dense model: each expert is a copy of its feed-forward block.
# The new layer first computes the same as the block, if the k weights of a token sum to 1 and nothing is dropped.
#
# ### What a batch touches
#
# Decoding reads weights. One token needs k experts of a layer. Several tokens share some. With uniform, independent choices, a given expert is left alone by all T tokens with the chance (1 − k/E)^T. So T tokens touch
#
# $$E\,\bigl(1 - (1 - k/E)^T\bigr)$$
#
# experts. Check it by drawing:

# %%
from utils.moe.accounting import expected_experts_touched

rng = np.random.default_rng(0)
for E, k in ((8, 2), (256, 8)):
    for T in (1, 4, 16, 64):
        drawn = np.mean([len(np.unique(np.argpartition(rng.random((T, E)), k, axis=1)[:, :k])) for _ in range(200)])
        print(f"{E:3} experts, k = {k}, {T:2} tokens: {expected_experts_touched(E, k, T):6.2f} expected, {drawn:6.2f} in 200 draws")

# %% [markdown]
# Models have become sparser: more experts, of which a smaller share runs. Here are some that anybody can download:

# %%
from utils.widgets.ch42_mixture_of_experts import models_of_today

models_of_today()

# %% [markdown]
# The share that is active fell from 28 % to below 5 %. The last column says why this does not save bandwidth at a large batch: 64 tokens touch all experts of Mixtral, and two thirds of the 896 in Kimi K3.
#
# ### From experts to tokens per second
#
# Read once: attention, norms, router, output head, and the experts touched. An H100 reads 3,350 GB/s from its memory.
# The KV cache, the stored keys and values of earlier tokens, is left out here; chapter 45 is about it.
# So is the input embedding, a table of 32,000 × 4,096 weights: a step looks up one row for each sequence and does not read the rest.

# %%
from utils.cost.params import MIXTRAL_8X7B
from utils.moe.accounting import decode_bytes_per_step

embedding = 32000 * 4096  # the input table: vocabulary × width
dense_bytes = 2 * (count_parameters(MIXTRAL_8X7B)[0] - embedding)
for batch in (1, 4, 16, 64):
    read = decode_bytes_per_step(MIXTRAL_8X7B, batch, 2)
    print(f"batch {batch:2}: {read / 1e9:5.1f} GB a step, at most {3350e9 / read:5.1f} steps/s; all weights: {3350e9 / dense_bytes:4.1f} steps/s")

# %% [markdown]
# At batch 1 the sparse model may decode 131 tokens/s, a dense model of its size 36. At batch 16 the two bounds nearly meet: only the arithmetic is still smaller.
# These are bounds from bandwidth alone. Whether the 93.4 GB of all weights fit, the input embedding included, is another question: one H100 has 80 GB.
#
# ### Experts on many GPUs
#
# With **expert parallelism** each GPU holds some experts. Tokens travel to their experts and back: two **all-to-alls** for each layer.
# The bytes are counted here, nothing is sent. The 4,096 tokens belong to all GPUs together, and the MB are the sum over all GPUs. Routing is taken as uniform.

# %%
from utils.moe.accounting import all_to_all_bytes

for ranks in (2, 8, 64):
    sent = all_to_all_bytes(tokens=4096, k=2, d_model=4096, item_bytes=2, ranks=ranks)
    print(f"4,096 tokens, k = 2, width 4,096, BF16, {ranks:2} GPUs: {sent / 1e6:6.1f} MB a layer, both ways, all GPUs together")

# %% [markdown]
# The other split is **tensor parallelism**: each GPU holds a slice of every expert. It then has a partial sum for every token.
# An **all-reduce** adds up these partial sums and gives every GPU the result.

# %% [markdown]
# ## See it
#
# ![Left: handwritten digits in a plane, coloured and marked by the expert that the router chose. Middle: assignments per expert against the capacity line; without balancing four of eight experts take all 600 tokens. The share dropped stays between 37 % and 40 % over 100 training steps.](figure.svg)
#
# Here k = 1, so 600 tokens make 600 assignments. After 100 steps without balancing 4 of 8 experts get tokens; the other 4 are dead.
# The fullest one is asked for 277 assignments and has 94 places. Over all experts 37.3 % of the 600 assignments find no place.
#
# **Router playground.** A recorded training run: a small classifier of real digits. Each image is reduced to two numbers. Move the step, the capacity and the cure.
# With the loss at 0.02, expert 0 is dead at step 10 and has tokens again at step 70. In all runs the capacity is applied afterwards, to count; the training itself drops nothing.

# %% figure
from utils.widgets.ch42_mixture_of_experts import router_playground

router_playground()

# %% [markdown]
# **Experts touched.** How many experts of a layer a batch needs, and what that does to the bound of decoding. The right chart is a bound from memory traffic and peak arithmetic, not a measurement.

# %% figure
from utils.widgets.ch42_mixture_of_experts import touched_explorer

touched_explorer()

# %% [markdown]
# **A mixture of experts under load, simulated.** Mixtral-8x7B on two H100; a step reads the weights of the experts that its tokens choose, independently and evenly. Step times are roofline bounds, a real server is slower.

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("42")

# %% [markdown]
# What to notice: at 0.2 requests per second a token takes 4.8 ms, at 16 per second 15.1 ms, because 13 requests at once touch nearly all experts. Choose Llama-2-13B, a dense model of about as many active parameters: 4.9 ms and 5.3 ms.

# %% [markdown]
# ## Exercises
#
# T is the number of tokens, E that of experts, k that of experts a token. `math`, NumPy and torch are there from the set-up cell.

# %% [markdown] about="route_topk"
# Write Mixtral's gate.
#
# - `logits` has shape (T, E). It is a NumPy array or a torch tensor of floats.
# - For each token choose the k experts with the largest logits. Equal logits: the lower expert index first, also with many experts: not every sort keeps the order of equals.
# - The weights are the softmax over the k chosen logits.
# - Return `(indices, weights)`, both of shape (T, k). The largest weight of a token stands first. Arrays and tensors are both accepted, also arrays for a tensor.
# - Logits may be as large as ±10,000 in any row. The weights must still be right.
# - If k is below 1 or above E, raise a ValueError.
#
# For example [[2, 1, 0], [0, 0, 3]] with k = 2 gives indices [[0, 1], [2, 0]] and weights [[0.7311, 0.2689], [0.9526, 0.0474]].
# [[1, 1, 0, 1]] gives [[0, 1]] and [[0.5, 0.5]]. [[10000, 9999, -10000]] gives [[0, 1]] and [[0.7311, 0.2689]].

# %% exercise="route_topk"
def route_topk(logits: np.ndarray | torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Mixtral's gate: the k best experts of each token (T, k), best first, and the softmax over their logits.

    logits is (T, E). On ties the lower index wins. Raises ValueError unless 1 <= k <= E.
    """
    ### BEGIN SOLUTION
    logits = np.asarray(logits, np.float64)
    if not 1 <= k <= logits.shape[1]:
        raise ValueError(f"k must be between 1 and the number of experts, got {k}")
    indices = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    chosen = np.take_along_axis(logits, indices, axis=1)
    powers = np.exp(chosen - chosen[:, :1])
    return indices, powers / powers.sum(axis=1, keepdims=True)
    ### END SOLUTION

# %% check="route_topk"
check("42.route_topk", route_topk)

# %% [markdown] about="capacity_mask"
# Decide which assignments find a place.
#
# - `indices` is an integer array (T, k): column 0 holds the first choices, column 1 the second, and so on. No token names an expert twice.
# - Each expert takes at most `capacity` assignments, whatever their rank.
# - All first choices come first, in token order. Then all second choices in token order, and so on.
# - What finds no place is dropped. It is not sent to another expert, and the token's other choices are not affected.
# - Return a boolean array (T, k), True where the assignment is accepted. If `capacity` is below 1, raise a ValueError.
#
# For example [[0], [0], [1], [0], [2], [0]] with 3 experts and capacity 2 gives [[T], [T], [T], [F], [T], [F]].
# [[0, 1], [0, 2], [0, 1]] with capacity 2 gives [[T, T], [T, T], [F, T]]. [[0, 1], [1, 0], [1, 2]] with capacity 1 gives [[T, F], [T, F], [F, T]].

# %% exercise="capacity_mask"
def capacity_mask(indices: np.ndarray, num_experts: int, capacity: int) -> np.ndarray:
    """(T, k) bool: which assignments find a place when each expert takes at most `capacity`.

    All first choices come first, in token order, then all second choices, and so on.
    Raises ValueError for capacity < 1.
    """
    ### BEGIN SOLUTION
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, got {capacity}")
    keep = np.zeros(indices.shape, bool)
    taken = np.zeros(num_experts, int)
    for choice in range(indices.shape[1]):
        for token, expert in enumerate(indices[:, choice]):
            keep[token, choice] = taken[expert] < capacity
            taken[expert] += 1
    return keep
    ### END SOLUTION

# %% check="capacity_mask"
check("42.capacity_mask", capacity_mask)

# %% [markdown] about="load_balancing_loss"
# Compute the load-balancing loss E·Σ f·P.
#
# - `probs` (T, E) are the router's probabilities, `indices` (T, k) the chosen experts. They need not be the most probable ones.
# - f of an expert is its number of assignments over all T·k assignments, before anything is dropped. P is the mean of its probability over the tokens.
# - Both inputs are NumPy arrays, or both are torch tensors. For arrays return a float.
# - For tensors return a 0-d tensor. Its gradient must reach `probs`, through P. f is a count and has none.
#
# For example probs [[.9, .1], [.8, .2], [.7, .3], [.2, .8]] with indices [[0], [0], [0], [1]] give 1.15: f = [.75, .25], P = [.65, .35].
# Probs [[.4, .3, .3], [.4, .3, .3], [.02, .5, .48]] with indices [[0], [0], [1]] give 0.9133.

# %% exercise="load_balancing_loss"
def load_balancing_loss(probs: np.ndarray | torch.Tensor, indices: np.ndarray | torch.Tensor,
                        num_experts: int) -> float | torch.Tensor:
    """E * sum(f_i * P_i) with f_i the share of all assignments and P_i the mean probability of expert i.

    probs is (T, E), indices (T, k). A tensor of probabilities gives a 0-d tensor, whose gradient flows through
    P alone.
    """
    ### BEGIN SOLUTION
    count = np.bincount(np.ravel(indices), minlength=num_experts)
    f = count / count.sum()
    if isinstance(probs, torch.Tensor):
        return num_experts * (probs.new_tensor(f) * probs.mean(0)).sum()
    return float(num_experts * (f * probs.mean(0)).sum())
    ### END SOLUTION

# %% check="load_balancing_loss"
check("42.load_balancing_loss", load_balancing_loss)

# %% [markdown] about="moe_forward"
# Run the whole layer. An answer is run without the other exercises, so write what you need of them into this cell, too.
#
# - `x` is (T, d), `router_w` is (d, E), both float64 arrays. The logits are `x @ router_w`. Gate and priorities are those of the two first exercises; logits may be as large as ±10,000 here, too.
# - `experts` is a list of E functions. Each takes an array (n, d) and returns an array (n, d). They are not linear.
# - Without a `capacity_factor` every assignment is accepted. With one, each expert has max(1, ceil(`capacity_factor`·T·k / E)) places. Compute in this order, from left to right; the cases avoid borders where rounding would decide. The max is a safeguard: an expert has one place at least.
# - y (T, d) is the sum of the outputs of a token's accepted experts, each times its weight. A dropped assignment contributes 0, and the other weights stay as they are. No residual is added.
# - Return `(y, dropped_fraction)`: the share of the T·k assignments that were dropped.
# - Hand each expert its own accepted tokens only, each once. The check counts the rows. An expert without tokens may be left out, or called with 0 rows.
#
# For example x = [[1]], `router_w` = [[1, 0]], experts 2x and −x and k = 2 give ([[1.1932]], 0): 0.7311·2 − 0.2689·1.
# x = [[1], [2], [3]], k = 1 and factor 1 give ([[2], [4], [0]], 0.3333): each expert has 2 places, and all three tokens want the first.

# %% exercise="moe_forward"
def moe_forward(x: np.ndarray, router_w: np.ndarray, experts: list, k: int,
                capacity_factor: float | None = None) -> tuple[np.ndarray, float]:
    """(y, dropped_fraction) of a sparse layer under Mixtral's gate; y (T, d) has no residual added.

    x (T, d), router_w (d, E); expert e takes its own accepted tokens (n, d) and no others, and returns (n, d).
    Assignments beyond an expert's capacity contribute 0, and the weights of the others stay as they are.
    """
    ### BEGIN SOLUTION
    tokens, num_experts = len(x), len(experts)
    logits = x @ router_w
    indices = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    chosen = np.take_along_axis(logits, indices, axis=1)
    powers = np.exp(chosen - chosen[:, :1])
    weights = powers / powers.sum(axis=1, keepdims=True)
    keep = np.ones(indices.shape, bool)
    if capacity_factor is not None:
        capacity = max(1, math.ceil(capacity_factor * tokens * k / num_experts))
        wishes = indices.T.reshape(-1, 1) == np.arange(num_experts)  # (k·T, E), all first choices first
        keep = (np.cumsum(wishes, axis=0)[wishes] <= capacity).reshape(k, tokens).T
    y = np.zeros(x.shape)
    for e, expert in enumerate(experts):
        rows, choices = np.nonzero((indices == e) & keep)
        y[rows] += weights[rows, choices, None] * expert(x[rows])
    return y, 1 - keep.mean()
    ### END SOLUTION

# %% check="moe_forward"
check("42.moe_forward", moe_forward)

# %% [markdown] about="moe_sizing"
# Size a model like Mixtral.
#
# `cfg` has the keys `layers`, `d_model`, `d_ff`, `heads`, `kv_heads`, `vocab`, `experts` and `k`. There are no biases. Count:
#
# - in each layer: projections Q and O (d_model × d_model), K and V (d_model × `kv_heads`·(d_model / `heads`)), a router (d_model × `experts`), two RMSNorm vectors of d_model (the scales of a norm), and `experts` experts of three d_model × d_ff matrices (SwiGLU: a gate, an up and a down projection);
# - once: an input embedding and an output head (each `vocab` × d_model, not shared), and one RMSNorm vector.
#
# Return a dict with five keys:
#
# - `total_params`: everything. `active_params`: the same with k experts a layer; the router keeps all its columns.
# - `weight_gb`: bytes of all weights at `itemsize` bytes each, in GB (1e9 bytes).
# - `expected_bytes_per_step`: bytes of weights that one decode step of `batch` sequences reads. Each weight is read once at most. In every layer the experts touched are read, by the formula for uniform, independent routing, not rounded. The input embedding is ignored, the output head is included. There is no KV cache.
# - `max_steps_per_s`: steps per second (not tokens) if only these bytes count, at `hbm_gb_s` GB/s (1e9 bytes).
#
# For example Mixtral-8x7B, in the order of the keys (32, 4096, 14336, 32, 8, 32000, 8, 2), with batch 1, 2 bytes and 3350 GB/s gives total 46,702,792,704, active 12,879,925,248,
# 93.41 GB, 25,497,706,496 bytes and 131.4 steps/s. Batch 16 gives 92,239,460,267 bytes (rounded) and 36.32 steps/s.

# %% exercise="moe_sizing"
def moe_sizing(cfg: dict[str, int], batch: int, itemsize: int, hbm_gb_s: float) -> dict[str, float]:
    """Size a Mixtral-like model: total_params, active_params, weight_gb, expected_bytes_per_step, max_steps_per_s.

    cfg has layers, d_model, d_ff, heads, kv_heads, vocab, experts, k; experts are gated, embeddings untied.
    """
    ### BEGIN SOLUTION
    d, layers, experts, k = (cfg[name] for name in ("d_model", "layers", "experts", "k"))
    d_kv = d // cfg["heads"] * cfg["kv_heads"]
    shared = layers * (2 * d * d + 2 * d * d_kv + d * experts + 2 * d) + d
    table = cfg["vocab"] * d
    expert = layers * 3 * d * cfg["d_ff"]
    total = shared + 2 * table + experts * expert
    touched = experts * (1 - (1 - k / experts) ** batch)
    step_bytes = itemsize * (shared + table + touched * expert)
    return {"total_params": total, "active_params": total - (experts - k) * expert, "weight_gb": total * itemsize / 1e9,
            "expected_bytes_per_step": step_bytes, "max_steps_per_s": hbm_gb_s * 1e9 / step_bytes}
    ### END SOLUTION

# %% check="moe_sizing"
check("42.moe_sizing", moe_sizing)

# %% [markdown]
# ## Measure it
#
# Three ways of training, two real runs each, one for each seed: without balancing, with the auxiliary loss (λ = 0.02), with the selection bias.
# All see 1,400 digits: eight experts, k = 1, capacity factor 1.25, 100 steps, one thread.
# This is another set-up than the playground: all 64 pixels of an image, batches of 128, and the training itself drops what finds no place. So other shares will be dropped.
# Before you run it: which share of the assignments will be dropped without balancing? And how much accuracy will that cost?

# %% experiment
from utils.widgets.ch42_mixture_of_experts import balance_table, balance_verdict, load_heatmap, train_all

runs = train_all()
balance_table(runs)

# %% experiment
load_heatmap(runs)

# %% experiment
print(balance_verdict(runs))

# %% [markdown]
# Without balancing most of the load goes to few experts, and more than half of the assignments find no place. Both cures change that.
# The accuracy hardly moves. All intervals overlap, so this table shows no difference. (A paired test on the same images, as in chapter 14, would notice smaller ones.) The digits are so easy that the residual path alone does well, so this experiment says nothing about the quality of a large model.
#
# The last column of the table is the mutual information between the expert of an image and its digit. With k = 1 each image has one expert. A perfect code of ten digits would have 3.3 bits; eight experts can give 3 bits at most.
# Experts do specialise here, in part.
#
# With a GPU the next cell times two ways of running 64 experts: a loop of products, and one grouped product. Without one it says so.

# %% experiment
from utils.widgets.ch42_mixture_of_experts import gpu_table

gpu_table()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | MoE is ensemble learning with several sub-models | dated | right for Jacobs et al. (1991). In a language model an expert is a feed-forward network inside a layer, trained together with the rest |
# | 2 | experts may be trees or support vector machines | depends | in the classical mixture. A sparse layer needs differentiable experts; equal input and output widths are enough |
# | 3 | the output is Σ α·y over all K experts, Σα = 1 | wrong for sparse MoE | only k terms are computed. The weights sum to 1 in Mixtral, not in Switch |
# | 4 | the gate assigns each input sample | wrong | each token, at each layer |
# | 5 | experts specialise, and the gate can be interpreted | depends | Mixtral's authors found no clear topics, rather syntax. On the digits above, with k = 1, the chosen expert tells a part of the class |
# | 6 | efficient where compute is limited | holds for FLOPs, wrong for memory | Mixtral-8x7B: 12.88 of 46.70 billion are active, and 93.4 GB of BF16 weights stay in memory |
# | 7 | in Switch a token picks a few experts | wrong | exactly one; before it, k > 1 was believed to be necessary |
# | 8 | every Transformer layer has experts | depends | in Mixtral yes. DeepSeek-V3 keeps its first 3 of 61 layers dense |
# | 9 | (left out) balance, capacity, communication, memory | gap | they decide whether such a model can be trained and served |
#
# Row 5 was measured above. Rows 3, 6 and 8 in numbers:

# %%
logits = np.array([[2.0, 1.0, 0.0]])  # token 0 from above
chosen, gate = reference_route(logits, k=2)
full = np.exp(logits) / np.exp(logits).sum()
print(f"row 3: Mixtral's two weights of token 0 sum to {gate.sum():.4f}, their full probabilities to {full[0, chosen[0]].sum():.4f}")
torch.manual_seed(0)
x = torch.randn(100, 16)
with torch.no_grad():
    mixture = MoELayer(d_model=16, d_ff=32, num_experts=8, k=8)
    gates = mixture.router(x).softmax(-1)
    classical = sum(gates[:, e, None] * expert(x) for e, expert in enumerate(mixture.experts))
    print(f"row 3: with k = E the sparse layer is the source's formula: {torch.allclose(mixture(x), classical, atol=1e-5)}")
total, active = count_parameters(MIXTRAL_8X7B)
print(f"row 6: {active / total:.1%} active, {2 * total / 1e9:.1f} GB in BF16")
deepseek = CONFIGS["deepseek_v3"]
print(f"row 8: {deepseek.dense_layers} of DeepSeek-V3's {deepseek.n_layers} layers are dense")

# %% [markdown]
# ## Explain it
#
# Your team wants to serve a large MoE on eight GPUs. One colleague proposes expert parallelism, another tensor parallelism. Answer in five or six sentences.
#
# A good answer names:
# 1. how many tokens an expert gets, for small and for large batches;
# 2. what is sent for each layer: all-to-all against all-reduce;
# 3. what an uneven load does, and what helps against it;
# 4. that all experts must fit into the memory of all GPUs together;
# 5. what to measure before deciding.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# All experts have to fit into the eight memories together, with either split.
# Tensor parallelism cuts every expert into eight slices. The load is even by construction, but the slices are thin, and each layer needs an all-reduce over all tokens.
# Expert parallelism keeps experts whole. It sends only the chosen token vectors, k a token, in two all-to-alls for each layer.
# At a large batch an expert then gets enough tokens for an efficient product. At a small one it gets few or none, and GPUs wait.
# The fullest GPU sets the time of the step, so an uneven router costs throughput. Copies of popular experts help.
# I would measure the load of each expert on our own traffic, the time of the collectives, and tokens per second at our batch sizes.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("42")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | expert | 专家 | one of several feed-forward networks in a layer |
# | router, gate | 路由器、门控网络 | the small matrix that scores the experts for each token |
# | top-k routing | Top-k路由 | only the k best experts run |
# | sparse activation | 稀疏激活 | a token uses a part of the parameters |
# | active parameters | 激活参数量 | what one token computes with |
# | capacity factor | 容量因子 | slack over the even share of an expert |
# | token dropping | 丢弃token | an assignment without a place contributes 0 |
# | load-balancing loss | 负载均衡损失 | E·Σ f·P, added to the training loss |
# | expert collapse | 专家坍缩 | few experts get nearly all tokens |
# | shared expert | 共享专家 | an expert that always runs |
# | expert parallelism | 专家并行 | different experts on different GPUs |
# | all-to-all | 全交换通信 | every GPU sends a part to every other |
# | z-loss | z损失 | keeps the router's logits small |
# | upcycling | 稠密转稀疏初始化 | experts start as copies of a dense block |

# %% [markdown]
# ## Sources
#
# - R. Jacobs et al., *Adaptive Mixtures of Local Experts*, 1991.
# - N. Shazeer et al., *Outrageously Large Neural Networks*, 2017, arXiv:1701.06538.
# - D. Lepikhin et al., *GShard*, 2020, arXiv:2006.16668: top-2 routing with capacity.
# - W. Fedus, B. Zoph, N. Shazeer, *Switch Transformers*, JMLR 23, 2022, arXiv:2101.03961: top-1, the auxiliary loss.
# - B. Zoph et al., *ST-MoE*, 2022, arXiv:2202.08906: the z-loss.
# - A. Jiang et al., *Mixtral of Experts*, 2024, arXiv:2401.04088, and the model's `config.json`.
# - DeepSeek-AI, *DeepSeek-V3 Technical Report*, 2024, arXiv:2412.19437, and the model's `config.json`.
# - Model sizes, read in November 2026: NVIDIA's documentation of NeMo AutoModel, NeMo microservices and Megatron Bridge (Qwen3-MoE, GPT-OSS, Kimi K2, DeepSeek-V4, Kimi K3), the vLLM recipes (DeepSeek-V4-Pro), and FlashInfer's documentation (Kimi K3).
# - L. Wang et al., *Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts*, 2024, arXiv:2408.15664.
