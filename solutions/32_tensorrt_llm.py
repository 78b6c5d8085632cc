# %% [markdown]
# # 32 · A brief introduction to TensorRT-LLM
# **TensorRT-llm简单介绍**
#
# Most instructions on the web for TensorRT-LLM no longer run: convert the checkpoint, build an engine (the compiled model), run it. There is no engine any more.
# What lasts are four jobs that any such runtime has: cut the weights over several GPUs, divide the memory, decide which requests run, and check drafted tokens. You will write all four, and the 4-bit weights that go with them.
#
# About 90 minutes: 64 for the five exercises, the rest to read, measure and explain. It helps to know chapters 24 (TensorRT), 30 (frameworks for LLM inference), 44 (memory bandwidth) and 45 (PagedAttention).
# No GPU is needed. The shards, the 4-bit weights and the drafted tokens are real arithmetic. The scheduler is simulated, and says so.

# %% setup
from collections import deque
from math import ceil, floor

import numpy as np

# %% [markdown]
# ## The short answer
#
# > TensorRT-LLM is NVIDIA's open-source runtime for large language models on NVIDIA GPUs (Apache 2.0).
# > It brings tuned kernels (functions on the GPU) and weights in 8 bits (FP8, a float) or 4 (FP4, a float, or INT4, an integer).
# > The KV cache (keys and values of the tokens so far) is cut into blocks that requests with the same beginning share. Requests join and leave the batch at every step: in-flight batching.
# > A GPU can hold a slice of every matrix (tensor parallelism) or some of the layers (pipeline parallelism). In a mixture of experts, where a token uses a few of many sub-networks, it can hold some of those (expert parallelism).
# > A small model can draft tokens that the large one checks (speculative decoding). Reading the prompt (prefill) and writing the answer (decoding) can run on different machines.
# >
# > I use it through a Python API, `LLM`, or through `trtllm-serve`, a server that speaks OpenAI's API.
# >
# > Releases 0.x compiled a model to a TensorRT engine, a file for one kind of GPU. Since 1.0 (2025) PyTorch runs the model unless you say otherwise. In mid-2026 engines were removed from the main branch. Hugging Face checkpoints (files of weights) load directly.
# >
# > I take it when all my GPUs are NVIDIA's and a measurement on my model shows a gain. For a wider choice of hardware and models I take vLLM or SGLang, two other open runtimes.

# %% [markdown]
# ## How it works
#
# ### What happened to the engine

# %%
from utils.engines.tensorrt_llm import AS_OF, RELEASES

print(f"as of {AS_OF}")
for r in RELEASES:
    print(f"{r.version:>9}  {r.change}")

# %% [markdown]
# Each line stands in NVIDIA's own notes; section Sources says where. Old commands can be translated:

# %%
from utils.engines.tensorrt_llm import migrate_command

old = ["python", "build.py", "--model_dir", "./llama", "--dtype", "float16", "--use_inflight_batching",
       "--max_batch_size", "64", "--tp_size", "2", "--output_dir", "./engine"]
advice = migrate_command(old)
print("now:    ", *advice.command)
print("because:", advice.why)
for flag, reason in advice.dropped.items():
    print(f"  {flag} dropped: {reason}")

# %% [markdown]
# What the engine build did (choose kernels, fuse operations) is now done when the model is loaded and run. The numbers that are left on the command line say how the model is spread and how much may run at once.
# The rest of this chapter is about those.
#
# ### A model that does not fit

# %%
from utils.cost.params import LLAMA3_8B, LLAMA3_70B, decoder_params

for name, cfg in (("Llama-3-8B", LLAMA3_8B), ("Llama-3-70B", LLAMA3_70B)):
    print(f"{name}: {decoder_params(cfg).total:,} parameters, {2 * decoder_params(cfg).total / 1e9:.1f} GB in BF16, 2 bytes each")

# %% [markdown]
# 141 GB do not fit on a GPU of 80 GB. So the weights are shared out: **tensor parallelism** gives each GPU, called a **rank**, a slice of *every* matrix.
#
# Take the MLP of a layer, the part after attention. In the form called **SwiGLU** it is y = (silu(x · W_gate) ∘ (x · W_up)) · W_down, where silu(a) = `a / (1 + exp(-a))`, and ∘ multiplies element by element. How do you cut it?
# Cutting the first matrices by *rows* gives each rank a part of each sum. But silu comes before the parts are added:

# %%
from utils.engines.tensorrt_llm import silu

print(f"silu(1 + 2) = {silu(3.0):.3f}, silu(1) + silu(2) = {silu(1.0) + silu(2.0):.3f}")

# %% [markdown]
# So the first matrices are cut by **columns**. Then a rank has some of the hidden values, and has them completely. The second matrix is cut by **rows**: just those that its hidden values meet.

# %%
from utils.widgets.ch32_tensorrt_llm import shard_picture

shard_picture()

# %% [markdown]
# Each rank ends with a partial output of full size. Their sum is y. To add arrays over all ranks and give everybody the sum is called an **all-reduce**. One for each MLP is enough:

# %%
from utils.engines.tensorrt_llm import swiglu, tp_mlp

rng = np.random.default_rng(0)
x, gate, up, down = (rng.standard_normal(shape) for shape in ((3, 16), (16, 64), (16, 64), (64, 16)))
whole = swiglu(x, gate, up, down)
for tp in (1, 2, 4, 8):
    shared = tp_mlp(x, gate, up, down, tp)
    error = np.abs(shared.y - whole).max()
    print(f"tp = {tp}: largest difference {error:.0e}, each rank sends {shared.bytes_per_rank} bytes")

# %% [markdown]
# Attention is cut the same way, by heads: Q, K and V by columns, the output projection by rows. That is the second all-reduce of a layer.
# With **grouped-query attention** several query heads share one key/value head. A rank needs the KV heads that its queries read. With more ranks than KV heads some get copies:

# %%
from utils.engines.tensorrt_llm import tp_attention

rng = np.random.default_rng(0)
x, heads, kv_heads, size = rng.standard_normal((3, 16)), 8, 2, 4
wq, wo = rng.standard_normal((16, heads * size)), rng.standard_normal((heads * size, 16))
wk, wv = rng.standard_normal((2, 16, kv_heads * size))
one = tp_attention(x, wq, wk, wv, wo, heads, kv_heads, tp=1).y
for tp in (2, 4, 8):
    many = tp_attention(x, wq, wk, wv, wo, heads, kv_heads, tp)
    error, own = np.abs(many.y - one).max(), max(1, kv_heads // tp)
    print(f"tp = {tp}: largest difference {error:.0e}, KV heads on a rank: {own}")

# %% [markdown]
# ### What an all-reduce costs
#
# In a **ring** each rank sends only to its neighbour. The array is cut into P chunks, one for each of P ranks. In P − 1 rounds every chunk travels on and collects its sum. In P − 1 more everybody gets a copy. A rank sends one chunk a round: in all 2 · (P − 1)/P of the array's bytes.

# %%
from utils.engines.tensorrt_llm import all_reduce_bytes, ring_all_reduce

sums, sent = ring_all_reduce([np.full(8, 10.0**rank) for rank in range(4)])
print("rank 0 now has", sums[0][:3], "…, and sent", sent, "bytes: 2 · (P − 1)/P ·", 8 * 8, "=", 2 * 3 * 8 * 8 // 4)
for tokens in (1, 1000):
    mb = all_reduce_bytes(tokens, d_model=8192, layers=80, tp=8) / 1e6
    print(f"Llama-3-70B on 8 GPUs, {tokens:5,} tokens in a step: {mb:,.1f} MB from each GPU, in 160 all-reduces")

# %% [markdown]
# For one token 4.6 MB are little. But they come in 160 all-reduces of 14 rounds each, one after another, and all ranks wait for the slowest.
# What is gained is that each GPU reads an eighth of the weights for a token. Over PCIe the waiting can take more than that, and eight GPUs are slower than two.
# NVIDIA's runtime uses fast links (NVLink) and all-reduce kernels of its own against it.
#
# ### How many tokens fit
#
# When the weights are loaded, the runtime takes a fraction of the memory that is still *free* for the KV cache: 0.9 unless you say otherwise (`free_gpu_memory_fraction`). It is cut into blocks of 32 tokens, as in chapter 45.

# %%
from utils.cost.params import LLAMA3_70B
from utils.engines.tensorrt_llm import kv_pool_of

for tp in (2, 4, 8, 16):
    pool = kv_pool_of(LLAMA3_70B, gpu_bytes=80e9, weight_bytes=141.1e9, activation_bytes=4e9, tp=tp)
    token = pool.block_bytes // 32
    print(f"{tp:2} GPUs: {pool.weight_bytes / 1e9:5.1f} GB of weights on each, pool {pool.pool_bytes / 1e9:4.1f} GB, "
          f"{token:7,} bytes a token and GPU, {pool.tokens:9,} tokens")

# %% [markdown]
# (4 GB for activations and buffers are an assumption.) Each rank keeps *its heads* of all tokens, so the last column counts for the whole deployment.
# From 4 to 8 GPUs the tokens grow by a factor of 2.9: the pool of a GPU is bigger, and a token takes half of the bytes. From 8 to 16 they grow by 15 % only. The 8 KV heads are used up, and copied.
#
# ### Which requests run
#
# A request has a prompt and a limit, `max_new_tokens`. How long its answer will be is known when it has ended. The **capacity scheduler** decides at each step who may run:
#
# - `GUARANTEED_NO_EVICT`, the default, counts prompt + limit for each request. Whoever starts will finish.
# - `MAX_UTILIZATION` counts what a request holds now and its next token. More run at once. When the pool is full, the newest are **paused**: they give up their blocks, wait at the front of the queue, and later compute their keys and values again.
# - `STATIC_BATCH` starts a new batch when the old one has ended. NVIDIA calls it a legacy mode.

# %%
from utils.widgets.ch32_tensorrt_llm import gantt

gantt()

# %% [markdown]
# (Simulated: five requests on 10 blocks of 4 tokens; each gains one token a step.) Every prompt has 4 tokens, and every client asked for up to 12. The guarantee counts 16 tokens, so 4 blocks. Two requests take 8 blocks; a third would make it 12.
# The other policy starts all five, and pauses one before step 5.
#
# ### Drafted tokens
#
# A decode step reads all weights to give one token (chapter 44). For five tokens it reads them once too, if the five are known in advance. They aren't. But a small **draft model** can guess γ of them, and the large **target model** checks all in one pass. That is **speculative decoding**.
#
# At one place the draft model has the probabilities *p*, the target *q*:

# %%
from utils.engines.tensorrt_llm import acceptance_rate

p, q = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.5, 0.3])
print("accepted with min(1, q/p):", np.minimum(1, q / p).round(3))
print("comes through as a draft: ", np.minimum(p, q), "in sum", round(acceptance_rate(p, q), 3))
print("missing to q:             ", np.maximum(0, q - p).round(3))

# %% [markdown]
# Token 0 is drafted in 60 % of the cases and accepted in a third of them: that makes the 20 % which the target wants. Tokens 1 and 2 come too rarely, by 20 % each. In 40 % of the cases a draft is rejected, and then one of those two is sampled.
# So the rule is: accept x with probability min(1, q(x)/p(x)); else sample from max(0, q − p), divided by its sum. The output has *exactly* the distribution q:

# %%
from utils.engines.tensorrt_llm import expected_tokens_per_step, simulate_speculation

p, q = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.5, 0.3])
run = simulate_speculation(p, q, gamma=4, steps=5000, rng=np.random.default_rng(0))
print("first tokens in 5,000 steps:", np.round(run.first_token, 3))
print(f"accepted: {run.accepted_share:.3f}")
print(f"tokens a step: {run.tokens_per_step:.2f}, expected {expected_tokens_per_step(0.6, 4):.2f}")

# %% [markdown]
# After a rejection the later drafts are worthless, because they continue a text that is no longer there. If all γ are accepted, the target's last distribution gives one token more.
# With the acceptance rate α a step yields 1 + α + … + α^γ tokens on average. Each draft costs something:

# %%
from utils.widgets.ch32_tensorrt_llm import speculation_chart

speculation_chart()

# %% [markdown]
# This is computed for small batches, where five tokens take as long as one. In a large batch the arithmetic is the limit, and rejected drafts cost time. NVIDIA's guide, too, promises a gain at low batch sizes only.
#
# ### Weights in four bits
#
# With **weight-only quantization** the weights are stored in 4 bits, and the kernel turns them back into BF16 before it multiplies. A scale says what the integer 1 stands for. Who shares a scale?

# %%
from utils.engines.tensorrt_llm import dequantize_weight_int4 as our_dequantize, quantize_weight_int4 as our_quantize

w = np.random.default_rng(0).standard_normal((64, 256)) * 0.02
w[:, 7] *= 30  # one column of outliers
for group in (256, 128, 32):
    error = our_dequantize(*our_quantize(w, group), group) - w
    relative = np.sqrt((error**2).mean() / (w**2).mean())
    print(f"one scale for {group:3} weights: error {relative:.1%} of the weights (RMS), {4 + 16 / group:.3f} bits each")

# %% [markdown]
# An outlier makes its whole group coarse. With small groups it spoils few neighbours. 128 is a common size. (The bits count scales of 16 bits.)
#
# ### When to take it
#
# - All GPUs are NVIDIA's, and latency or cost per token is worth tuning: measure it against vLLM on *your* model and traffic.
# - You run the newest GPUs with their newest formats (NVFP4 and MXFP4: 4-bit floats with a scale for each 16 or 32), and want NVIDIA's own kernels for them.
# - You want pieces around it from the same vendor: Triton (a model server, chapter 28), Dynamo (serving over many machines), NIM (containers with a ready server).
#
# Against it speak other hardware, a model that it does not support yet, and a team that has to read and change the code of the server.

# %% [markdown]
# ## See it
#
# ![Left: memory of a GPU for Llama-3-70B on 1 to 16 GPUs of 80 GB; one does not suffice, with 4 GPUs there are 35.3 GB of weights and 36.7 GB of KV pool on each. Right: tokens of the deployment, 30, 447, 1,282 and 1,476 thousand on 2, 4, 8 and 16 GPUs. Below: requests running at once over the steps of a simulated schedule, 552 steps under max utilization with 10 pauses, 1,284 under the guarantee.](figure.svg)
#
# Llama-3-70B in BF16 on 4 GPUs of 80 GB: 35.3 GB of weights, 4 GB of activations (assumed) and a pool of 36.7 GB on each GPU. That holds 447,392 tokens in 13,981 blocks.
# A request of 632 tokens (prompt 512, answer 120, the means here) takes 20 blocks: 699 fit. If each reserves 2,560 (prompt and a limit of 2,048), it takes 80: 174 fit.
# Below, 240 such chats are replayed on 2,048 of the blocks (simulated): 552 steps with 10 pauses under max utilization, 1,284 under the guarantee.
#
# **Deployment sizer.** Double the GPUs, from 4 to 8 to 16. Then take FP8 for the KV cache. Then raise the limit of an answer and watch the two policies part.

# %% figure
from utils.widgets.ch32_tensorrt_llm import sizer

sizer()

# %% [markdown]
# **Two capacity policies, simulated.** Requests come at 3 per second to Llama-3-8B on an L4, with 0.3 of the free memory as KV pool; they may make 2,048 tokens and make 150 on average. Step times are roofline bounds, a real server is slower.

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("32")

# %% [markdown]
# What to notice: under GUARANTEED_NO_EVICT half of the requests wait 32.5 s for their first token, while at most 27 % of the blocks are in use. Under MAX_UTILIZATION they wait 81 ms. Then raise the rate to 6 per second: the pool fills up, and the triangles are requests that had to give their blocks back.

# %% [markdown]
# ## Exercises
#
# From the set-up cell there are NumPy as `np`, and `ceil`, `floor` and `deque`.

# %% [markdown] about="kv_pool_tokens"
# How many tokens of KV cache can a deployment hold?
#
# - `tp` GPUs serve one model together. Each has `gpu_gb` of memory, of which activations take `act_gb`. GB means 1e9 bytes.
# - The model has `params_b` · 1e9 parameters of `bytes_per_param` bytes. They are split evenly over the GPUs.
# - *Free* is what weights and activations leave on a GPU. The pool of the KV cache is `fraction` of that.
# - A token has a key and a value in each of the `layers`, for each KV head of a rank. Each of the two is `head_dim` numbers of `kv_itemsize` bytes. A rank has `kv_heads` / `tp` heads; with more GPUs than KV heads it has one, a copy.
# - The pool is cut into blocks of `block` tokens, and only whole blocks are used. Each rank holds its heads of *the same* tokens.
# - Return the number of tokens, an int: a multiple of `block`. If weights and activations fill a GPU exactly, that is 0.
# - Raise a ValueError if they exceed a GPU, if `fraction` is not in (0, 1], or if neither of `kv_heads` and `tp` divides the other. All other numbers are positive.
#
# For example Llama-3-8B, `(80, 8.03, 2, 2, 32, 8, 128)` → 425280. A model of 70 billion parameters, `(80, 70, 2, 4, 80, 8, 128, tp=4)` → 450432, and with `tp=16` → 1477632.

# %% exercise="kv_pool_tokens"
def kv_pool_tokens(gpu_gb: float, params_b: float, bytes_per_param: float, act_gb: float, layers: int, kv_heads: int,
                   head_dim: int, tp: int = 1, fraction: float = 0.9, block: int = 32, kv_itemsize: float = 2) -> int:
    """Tokens of KV cache that one deployment of `tp` GPUs holds, in whole blocks.

    Raises ValueError when weights and activations exceed a GPU, fraction is outside (0, 1], or neither of kv_heads
    and tp divides the other.
    """
    ### BEGIN SOLUTION
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be in (0, 1], got {fraction}")
    if kv_heads % tp and tp % kv_heads:
        raise ValueError(f"neither of kv_heads = {kv_heads} and tp = {tp} divides the other")
    free = gpu_gb - params_b * bytes_per_param / tp - act_gb
    if free < 0:
        raise ValueError("weights and activations do not fit")
    token_bytes = 2 * layers * max(1, kv_heads // tp) * head_dim * kv_itemsize
    return floor(fraction * free * 1e9 / (block * token_bytes)) * block
    ### END SOLUTION

# %% check="kv_pool_tokens"
check("32.kv_pool_tokens", kv_pool_tokens)

# %% [markdown] about="tp_mlp_rank"
# Compute one rank's part of an MLP of the form SwiGLU.
#
# - The layer is (silu(x · `w_gate`) ∘ (x · `w_up`)) · `w_down`, with silu(a) = `a / (1 + exp(-a))` and ∘ element by element. All arrays are float64.
# - T is the number of tokens, d the length of a token's vector, d_ff the number of hidden values of a token. `x` is (T, d), `w_gate` and `w_up` are (d, d_ff), `w_down` is (d_ff, d).
# - `tp` ranks share the layer. Return the partial output of rank `rank` (0 to `tp - 1`), an array (T, d). The sum over all ranks is the layer's output.
# - Every rank gets the whole `x`. Of the weights it may read its own d_ff / `tp` columns of `w_gate` and `w_up`, and the same rows of `w_down`. The check puts NaN everywhere else.
# - The shards may be contiguous (rank 0 has the first columns) or strided (rank 0 has columns 0, `tp`, 2 · `tp`, …).
# - Raise a ValueError if `tp` does not divide d_ff.
#
# For example with `x = [[1, 2]]`, `w_gate = [[1, 0, 2, -1], [0, 1, 0, 1]]`, `w_up = [[1, 1, 0, 1], [0, 0, 1, 1]]` and `w_down = [[1, 0], [0, 1], [1, 1], [0, 2]]`: the layer gives `[[4.254, 9.671]]`.
# With `tp` = 2 and contiguous shards rank 0 gives `[[0.731, 1.762]]` and rank 1 `[[3.523, 7.910]]`.

# %% exercise="tp_mlp_rank"
def tp_mlp_rank(x: np.ndarray, w_gate: np.ndarray, w_up: np.ndarray, w_down: np.ndarray, rank: int,
                tp: int) -> np.ndarray:
    """This rank's part of a SwiGLU layer before the all-reduce; the sum over all ranks is the layer.

    x (T, d), w_gate and w_up (d, d_ff), w_down (d_ff, d) -> (T, d). Raises ValueError unless tp divides d_ff.
    """
    ### BEGIN SOLUTION
    d_ff = w_gate.shape[1]
    if d_ff % tp:
        raise ValueError(f"tp = {tp} does not divide d_ff = {d_ff}")
    own = slice(rank * d_ff // tp, (rank + 1) * d_ff // tp)
    g = x @ w_gate[:, own]
    return (g / (1 + np.exp(-g)) * (x @ w_up[:, own])) @ w_down[own]
    ### END SOLUTION

# %% check="tp_mlp_rank"
check("32.tp_mlp_rank", tp_mlp_rank)

# %% [markdown] about="capacity_schedule"
# Simulate a capacity scheduler over a pool of `blocks` blocks of `block_size` tokens.
#
# - Request i has `prompts[i]` prompt tokens, may write up to `max_new[i]` tokens, and will stop after `actual_new[i]` (1 ≤ actual_new ≤ max_new). All wait at the start, in the order of the lists.
# - The *context* of a request is its prompt and the tokens that it has written. n tokens need ceil(n / `block_size`) blocks; that is rounded up for each request, then added.
# - `policy` "guaranteed" counts prompt + max_new for a request; "max_utilization" counts context + 1. There are no other policies. The scheduler does not know `actual_new`.
# - Each step has three parts:
#   1. Pause. While the sum over the running requests is more than `blocks`, the one that was admitted last stops running and goes to the *front* of the queue. It loses its blocks and keeps its tokens. To compute their keys and values again takes no extra step here. (This happens under "max_utilization" only.)
#   2. Admit. While the head of the queue fits as well (the sum with it is at most `blocks`), it starts running. A paused request that starts again counts as newly admitted. If the head does not fit, nobody behind it is admitted.
#   3. Every running request writes one token, and leaves if that was its last one.
# - Return (steps until all have left, the most requests that ran in one step, the number of pauses). Each request that is paused counts, each time. For empty lists that is (0, 0, 0).
# - Raise a ValueError, under both policies, if for any request prompt + max_new needs more than `blocks` blocks.
#
# For example `([4, 4, 4, 4], [12, 12, 12, 12], [2, 4, 12, 3], 8, 4, policy)` gives (14, 2, 0) for "guaranteed" and (12, 4, 0) for "max_utilization". `([2, 2], [6, 6], [6, 6], 3, 3, "max_utilization")` → (11, 2, 1).

# %% exercise="capacity_schedule"
def capacity_schedule(prompts: list[int], max_new: list[int], actual_new: list[int], blocks: int, block_size: int,
                      policy: str) -> tuple[int, int, int]:
    """(steps, peak running, pauses) of a first-come-first-served schedule over a pool of `blocks` KV blocks.

    policy: "guaranteed" or "max_utilization". Raises ValueError when a request can never fit.
    """
    ### BEGIN SOLUTION
    if any(ceil((p + m) / block_size) > blocks for p, m in zip(prompts, max_new)):
        raise ValueError(f"a request can never fit into {blocks} blocks")
    written = [0] * len(prompts)
    queue, running = deque(range(len(prompts))), []
    steps = peak = pauses = 0

    def need(i):
        tokens = max_new[i] if policy == "guaranteed" else written[i] + 1
        return ceil((prompts[i] + tokens) / block_size)

    while queue or running:
        while sum(need(i) for i in running) > blocks:
            queue.appendleft(running.pop())
            pauses += 1
        while queue and sum(need(i) for i in running) + need(queue[0]) <= blocks:
            running.append(queue.popleft())
        steps += 1
        peak = max(peak, len(running))
        for i in running:
            written[i] += 1
        running = [i for i in running if written[i] < actual_new[i]]
    return steps, peak, pauses
    ### END SOLUTION

# %% check="capacity_schedule"
check("32.capacity_schedule", capacity_schedule)

# %% [markdown] about="speculative_accept"
# Check the drafts of one step of speculative decoding.
#
# - `draft_tokens` is a list of γ token ids (γ ≥ 1). Token i was sampled from row i of `p_draft`, an array (γ, V), where V is the number of tokens in the vocabulary. `p_target` is (γ + 1, V): row i is what the target model says at the place of draft i, row γ what it says after all of them. Each row sums to 1. A drafted token has a probability above 0 in its row of `p_draft`.
# - `u` holds γ numbers from [0, 1). Accept draft i, the token x, if `u[i]` < min(1, `p_target[i, x]` / `p_draft[i, x]`).
# - At the first draft that is not accepted: sample a token from max(0, `p_target[i] - p_draft[i]`), divided by its sum, and stop. The drafts behind it are dropped.
# - If all are accepted, sample one token more from row γ of `p_target`.
# - Use `rng`, a NumPy Generator, for the sampling, in any way you like. Return the list of emitted tokens: the accepted drafts, then the sampled one.
#
# For example with `p_draft = [[.5, .3, .2]]`, `draft_tokens = [0]` and `u = [.5]`: if `p_target[0]` is `[.2, .3, .5]`, the ratio is 0.4. The draft is rejected, and what is missing is `[0, 0, .3]`: the result is `[2]`.
# With equal distributions every draft is accepted: drafts `[1, 0]` and `u = [.99, .99]` give `[1, 0]` and a sampled token; if row γ is `[0, 1]` that is 1. Over many steps, rows `[.6, .3, .1]` in `p_draft` and `[.2, .5, .3]` in `p_target` must give the first tokens 0, 1 and 2 in 20, 50 and 30 % of the cases.

# %% exercise="speculative_accept"
def speculative_accept(draft_tokens: list[int], p_draft: np.ndarray, p_target: np.ndarray, u: np.ndarray,
                       rng: np.random.Generator) -> list[int]:
    """The tokens that one verification step emits: accepted drafts, then one of the target's own.

    draft_tokens: gamma ids. p_draft (gamma, V), p_target (gamma + 1, V): distributions. u: gamma numbers in [0, 1).
    """
    ### BEGIN SOLUTION
    for i, x in enumerate(draft_tokens):
        if u[i] >= p_target[i, x] / p_draft[i, x]:
            missing = np.maximum(p_target[i] - p_draft[i], 0)
            return [*draft_tokens[:i], int(rng.choice(len(missing), p=missing / missing.sum()))]
    return [*draft_tokens, int(rng.choice(p_target.shape[1], p=p_target[-1]))]
    ### END SOLUTION

# %% check="speculative_accept"
check("32.speculative_accept", speculative_accept)

# %% [markdown] about="quantize_weight_int4"
# Store weights in 4 bits, with one scale for each group. Write two functions.
#
# `quantize_weight_int4(w, group)`:
#
# - `w` is a float64 array (rows, cols). Each row is cut into groups of `group` neighbouring weights. Raise a ValueError if `group` is odd or does not divide cols; it is positive.
# - The scale of a group is its largest absolute value divided by 7; of a group of zeros it is 1.0. The code of a weight is weight / scale, rounded to the nearest integer, ties to the even one. So it lies between -7 and 7.
# - Two codes share a byte: those of the columns 2i and 2i + 1 are in the low and the high 4 bits of byte i. A negative code is stored in two's complement: -1 is 0xF, -7 is 0x9.
# - Return the pair (packed, scales): a uint8 array (rows, cols / 2), and a float64 array (rows, cols / `group`).
#
# `dequantize_weight_int4(packed, scales, group)` returns code · scale as a float64 array (rows, cols). Here `packed` may hold any bytes, so the code -8 (0x8) occurs too; `group` fits.
#
# For example `w = [[7, -7, 3.5, 0.5]]` with `group` 2 gives the bytes `[[0x97, 0x17]]` and the scales `[[1.0, 0.5]]`. These two give back `[[7, -7, 3.5, 0.5]]`.

# %% exercise="quantize_weight_int4"
def quantize_weight_int4(w: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """(packed, scales) of w (rows, cols): symmetric 4-bit codes, one scale for each `group` columns of a row.

    packed (rows, cols / 2) uint8, element 2i in the low nibble, two's complement. scales (rows, cols / group)
    float64. Raises ValueError unless group is even and divides cols.
    """
    ### BEGIN SOLUTION
    rows, cols = w.shape
    if group % 2 or cols % group:
        raise ValueError(f"group = {group} must be even and divide {cols} columns")
    groups = w.reshape(rows, -1, group)
    scales = np.abs(groups).max(axis=2) / 7
    scales[scales == 0] = 1.0
    codes = np.rint(groups / scales[:, :, None]).astype(np.int8).reshape(rows, cols)
    nibbles = (codes & 15).astype(np.uint8)
    return nibbles[:, 0::2] | nibbles[:, 1::2] << 4, scales
    ### END SOLUTION


def dequantize_weight_int4(packed: np.ndarray, scales: np.ndarray, group: int) -> np.ndarray:
    """The weights (rows, cols) float64 that packed (rows, cols / 2) and scales (rows, cols / group) stand for."""
    ### BEGIN SOLUTION
    codes = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(packed), -1).astype(np.int8)
    codes[codes > 7] -= 16
    return codes * np.repeat(scales, group, axis=1)
    ### END SOLUTION

# %% check="quantize_weight_int4"
check("32.quantize_weight_int4", quantize_weight_int4, dequantize_weight_int4)

# %% [markdown]
# ## Measure it
#
# ### What a limit costs
#
# 100 chats, with prompts and answers of some 120 tokens (lognormal), meet a pool of 200 blocks of 32 tokens. Every client sends the same limit; in the runs named "exact" each sends the true length of its answer. Simulated, with one token a step.
#
# Before you run it: the answers stay the same when the limit goes from 512 to 4,096. How many times as many steps will the guaranteed policy take?

# %% experiment
from utils.widgets.ch32_tensorrt_llm import sweep_chart, sweep_limits, sweep_table

runs = sweep_limits(seed=0)
assert len({run.steps for run in runs["MAX_UTILIZATION"].values()}) == 1
assert all(run.pauses == 0 for run in runs["GUARANTEED_NO_EVICT"].values())
sweep_table(runs)

# %% experiment
sweep_chart(runs)

# %% [markdown]
# Eight times. With a limit of 4,096 the pool has room for one reservation, so the requests run one after another: 10,861 steps, the tokens of all answers.
# With 512 a reservation takes 20 blocks on average, so 8 to 10 requests run, until the queue is empty. The last ones run out alone, and the mean is 8.0. (That the limit grows eight times too is chance.)
# Under max utilization it takes 590 steps, with 39 pauses and 5,550 tokens computed again.
# Even in the exact run the guarantee needs 728 steps: it holds blocks that will be filled later.
#
# Steps are not seconds. A step with 18 requests takes longer than one with 1, though far from 18 times, since all share one pass over the weights. And a paused user waits.
# So a sensible limit is worth as much as the policy. `max_new_tokens` should say what the client needs, not what the model can do.
#
# ### Two real ranks
#
# The next cell starts two processes. Each loads its own half of an MLP (d = 512, d_ff = 2,048, 64 tokens, float32), and PyTorch's `all_reduce` adds the halves. Both processes are gone when the cell ends, also if you interrupt it.

# %% experiment
from utils.widgets.ch32_tensorrt_llm import two_ranks

two_ranks()

# %% [markdown]
# The output is that of one process, up to rounding in float32. Each rank holds 6.3 of the 12.6 MB of weights, and 131 kB are summed.
# The times and the share of communication depend on your machine. (Half a layer may take less than half of the time: smaller arrays suit caches and allocator better.)
# A GPU computes a thousand times faster than a CPU core. Messages between GPUs do not get a thousand times faster, so the share grows there.
#
# ### The library itself
#
# Write the folder of a Hugging Face checkpoint between the parentheses, as a string. TensorRT-LLM then loads it, writes 16 tokens, and the cell shows its version and KV pool. Without a folder, the library or a GPU it says in one sentence what is missing.

# %% experiment
from utils.widgets.ch32_tensorrt_llm import real_library

real_library()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors. It describes release 0.5 of October 2023. Facts as of August 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | NVIDIA's official tool for LLM inference on its GPUs | holds | NVIDIA/TensorRT-LLM, Apache 2.0 |
# | 2 | it builds LLMs into TensorRT engines | dated | engines until 0.x; PyTorch the default since 1.0; the engine backend was removed in mid-2026, and `LLM(backend="tensorrt")` raises ValueError |
# | 3 | models are built by `build.py` and run by `run.py` of each example | dated | 0.5 to 0.7. From 0.8 on `convert_checkpoint.py` and `trtllm-build`. Now `trtllm-serve <hf_model>` or the LLM API |
# | 4 | one GPU, several GPUs (NCCL), several machines; 8 and 4 bits | holds | today also FP8, NVFP4 and MXFP4; besides NCCL, NVIDIA's communication library, there are all-reduce kernels of its own, and DeepEP, a library that sends tokens to experts |
# | 5 | the runtime has the modes chat and stream | imprecise | streaming is an option of the output, and "chat" a template of the prompt. The mechanism beneath is in-flight batching |
# | 6 | runtime in Python and C++, or C++ through "bybind" | dated | pybind11, which makes C++ callable from Python, was meant; nanobind, which does the same, came with 1.0. The executor is Python now (`PyExecutor`), over C++ and CUDA |
# | 7 | KV cache, PagedAttention, FlashAttention, MHA, MQA and GQA | holds | and MLA (all four: see the glossary). The pool takes 0.9 of the free memory, and blocks are reused between requests by default |
# | 8 | git-lfs has to fetch static batch-manager libraries | dated | they were closed source until 0.19 (2025) opened the C++ runtime. To build from source you still need git-lfs |
# | 9 | the build needs no GPU, running does; 20 GB of image, 50 GB of disk | depends | it means the library, whose image is compiled from source. Building an *engine* timed kernels and needed a GPU. NVIDIA states 63 GB of disk. Today: `pip install tensorrt_llm` on Linux, or the container `nvcr.io/nvidia/tensorrt-llm/release` |
# | 10 | there is a static library for Windows | dated | Windows was deprecated with 0.18 (2025). GeForce cards ran under WSL from 0.17 on |
#
# Rows 4 and 7 can be computed: what 4 bits and grouped queries buy.

# %%
from utils.cost.bandwidth.decode import kv_bytes_per_token
from utils.cost.params import LLAMA3_70B, decoder_params, weight_bytes
from utils.engines.tensorrt_llm import kv_pool

total = decoder_params(LLAMA3_70B).total
weights = {"BF16": 2 * total, "INT4, groups of 128": weight_bytes(total, 4, group_size=128)}
print("Llama-3-70B on 2 GPUs of 80 GB, 4 GB of activations on each (assumed):")
for name, size in weights.items():
    for kv, heads in (("GQA, 8 KV heads", 8), ("MHA, 64 KV heads", 64)):
        token = kv_bytes_per_token(layers=80, kv_heads=heads, head_dim=128, item_bytes=2, tp=2)  # on one GPU
        pool = kv_pool(80e9, size, 4e9, token, tp=2)
        print(f"  {name:19} {size / 1e9:6.1f} GB, {kv:16}: {pool.tokens:8,} tokens")

# %% [markdown]
# (Embeddings are counted with 4 bits too; in practice they stay in 16, which costs some 3 GB more.) From 30 thousand tokens to over 300 thousand: 4-bit weights are not only about speed. They make room.

# %% [markdown]
# ## Explain it
#
# A colleague reports: "I moved our 8B model from one GPU to eight with tensor parallelism, over PCIe. It answers *slower* than before. And with `max_new_tokens` at 8,192 only a few users run at once, though the answers are short." Explain both in six to eight sentences, and say what to do.
#
# A good answer names:
# 1. what tensor parallelism exchanges, and how often (two all-reduces a layer, at each token);
# 2. what is saved (each GPU reads 2 GB of weights for a token instead of 16), and why many small messages over PCIe eat that up;
# 3. that an 8B model fits on one GPU, so that eight replicas serve more;
# 4. what the default policy reserves, and why the limit matters although answers are short;
# 5. two remedies: a sensible limit, or MAX_UTILIZATION with its price.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Tensor parallelism cuts every matrix, so each layer ends twice in an all-reduce: 64 of them for each token of a model with 32 layers.
# In decoding each carries a few kilobytes, so what counts is the latency: a ring of eight makes 14 rounds one after another, and all ranks wait for the slowest.
# What is saved is reading weights: 2 GB on each GPU instead of 16, at 2 TB/s 1 ms a token instead of 8.
# If a round over PCIe takes 10 µs, the all-reduces take 64 · 140 µs = 9 ms, more than the 7 ms saved.
# The model fits on one GPU, so I would run eight replicas behind a load balancer, or tensor parallelism of 2 over a fast link if latency matters.
# The few users come from the scheduler: GUARANTEED_NO_EVICT reserves blocks for the prompt and 8,192 tokens, because nobody knows how long an answer will be.
# So I would first send limits that clients really need, say 512.
# If that is not possible, MAX_UTILIZATION counts only what is in use, but it may pause the newest requests and compute their cache again, which their users notice.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("32")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | engine | 引擎 | a model compiled by TensorRT for one kind of GPU |
# | checkpoint conversion | 权重转换 | weights rewritten into a runtime's own format |
# | tensor parallelism | 张量并行 | each rank holds a slice of every matrix |
# | pipeline parallelism | 流水线并行 | each rank holds some of the layers |
# | mixture of experts | 混合专家 | a layer with many MLPs, of which each token uses a few |
# | expert parallelism | 专家并行 | each rank holds some of the experts |
# | rank | 进程编号 | one of the processes that compute together, one a GPU |
# | all-reduce | 全归约 | all ranks get the sum of what all had |
# | MHA | 多头注意力 | multi-head attention: each query head has a key/value head |
# | GQA, MQA, MLA | 分组、多查询、多头潜在注意力 | ways to keep fewer keys and values: a head for a group of queries, one for all, or a short code of them |
# | prefill, decoding | 预填充、解码 | reading the whole prompt in one pass; writing the answer token by token |
# | KV cache | KV缓存 | keys and values of the tokens so far |
# | KV-cache reuse | KV缓存复用 | requests with the same beginning share blocks |
# | in-flight batching | 动态（在途）批处理 | requests join and leave the batch at each step; also called continuous batching |
# | capacity scheduler | 容量调度器 | decides which requests the pool has room for |
# | pause, preempt | 暂停、抢占 | a running request gives up its blocks |
# | speculative decoding | 投机解码 | draft several tokens, check them in one pass |
# | draft model, target model | 草稿模型、目标模型 | the cheap one that guesses, the one whose text is wanted |
# | acceptance rate | 接受率 | share of drafts that the check lets through |
# | weight-only quantization | 仅权重量化 | few bits for weights, activations unchanged |
# | disaggregated serving | 分离式部署 | prefill and decoding on different machines |

# %% [markdown]
# ## Sources
#
# All of the repository NVIDIA/TensorRT-LLM unless named; read in August 2026.
#
# - `docs/source/release-notes.md`, releases 0.7.1 to 1.2; `docs/source/legacy/tensorrt-backend-removal.md`; pull requests 15763, 15767, 15918 and 16369 (removal of the engine backend, begun in June 2026).
# - Release 0.5.0: `examples/llama/README.md` and `build.py`. Issues 1135, 2174 and 2569 (batch manager closed), pull request 2873 (opened); issue 1523 (an engine build needs a GPU).
# - `docs/source/features/kvcache.md` and `KvCacheConfig` (fraction 0.9, blocks of 32, reuse); `SchedulerConfig` and "Useful Runtime Options" (capacity scheduler policies); `docs/source/features/paged-attention-ifb-scheduler.md`; `docs/source/features/speculative-decoding.md`; `docs/source/installation/linux.md` and `build-from-source-linux.md` (63 GB); `tensorrt_llm/commands/serve.py` (options).
# - M. Shoeybi et al., *Megatron-LM*, 2019, arXiv:1909.08053: section 3, figure 3.
# - P. Patarasuk and X. Yuan, *Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations*, 2009.
# - Y. Leviathan et al., *Fast Inference from Transformers via Speculative Decoding*, ICML 2023, arXiv:2211.17192; C. Chen et al., *Accelerating Large Language Model Decoding with Speculative Sampling*, 2023, arXiv:2302.01318.
# - J. Ainslie et al., *GQA*, 2023, arXiv:2305.13245. The config.json of Meta's Llama 3 checkpoints.
