# %% [markdown]
# # 30 · Introduction to LLM inference frameworks
# **大模型推理框架介绍**
#
# "We have a model of 70 billion parameters, two GPUs of 80 GB and forty users. Which framework?" Product names answer this for a year at most.
# The source, the interview document that this course mirrors, describes four: vLLM, TensorRT-LLM, DeepSpeed and Text Generation Inference (TGI). TGI has been archived since.
# The mechanisms behind the names stay: you will build three of them here.
#
# About 120 minutes: 73 for the five exercises, the rest to read, measure and explain. It helps to know chapters 44 (memory bandwidth) and 45 (PagedAttention).

# %% setup
from collections import deque

# %% [markdown]
# ## The short answer
#
# > I choose mechanisms first, and a product second. Does the model fit: its weights, and the KV cache (keys and values of the tokens so far) of all users? Then the bound: a step takes at least the bytes that it reads, divided by the bandwidth. Then the features that I need. Then a benchmark with my own traffic.
# >
# > vLLM is the default open server: from Berkeley, 2023, hosted by the PyTorch Foundation since May 2025. It brought PagedAttention, which keeps the KV cache in small blocks. It has continuous batching (a free slot takes the next request at once), prefix caching (the KV cache of a common beginning is reused) and many hardware back ends. SGLang finds common beginnings in a tree, and holds answers to a form such as JSON (structured output).
# >
# > TensorRT-LLM is for NVIDIA GPUs only. It runs on PyTorch by default since 1.0. In 2026 the older way was removed: a TensorRT engine, compiled ahead of time. Hugging Face's TGI went into maintenance mode in December 2025 and is archived now.
# >
# > llama.cpp serves laptops and CPUs with quantised weights, a few bits each, in its own file format GGUF. ZeRO-Inference and FlexGen read weights from CPU memory or disk in every step: for jobs where nobody waits.

# %% [markdown]
# ## How it works
#
# ### First: does it fit?
#
# A **token** is a piece of text, about a short word. A model that writes text, a large language model (LLM), makes one token per **step**, and each step reads all of its weights. Going on like this, token by token, is **decoding**.
# Beside the weights lies the **KV cache**: the keys and values of all tokens so far, so that they need not be computed again.
#
# 70 billion parameters, each stored with 16 bits, on two GPUs of 80 GB:

# %%
from utils.cost.params import DECODERS
from utils.cost.bandwidth import kv_bytes_per_token

cfg = DECODERS["Llama-3-70B"]
kv = kv_bytes_per_token(cfg.n_layers, cfg.n_kv_heads, cfg.head_dim)
print(f"weights: 70e9 · 16 / 8 = {70e9 * 16 / 8 / 1e9:.0f} GB of 2 · 80 GB")
print(f"KV cache: {kv:,} bytes a token; 40 users with 4,000 tokens each: {kv * 40 * 4000 / 1e9:.0f} GB")

# %% [markdown]
# 140 + 52 GB are more than 160 GB. (GB means 1e9 bytes in this chapter.) A few GB per GPU also go to activations, the intermediate results of a step, and to the driver.
#
# What now? There are three ways out: fewer bits a weight, more GPUs, or slower memory. Greedily, from the fastest memory to the slowest:

# %%
from utils.engines.llm_serving import memory_plan

tiers = [("GPUs", 160e9), ("CPU memory", 512e9), ("disk", 4e12)]
for bits in (16, 8, 4):
    plan = memory_plan(70e9, bits, 52e9, tiers, overhead=0.1)
    told = ", ".join(f"{name} {size / 1e9:.0f} GB" for name, size in plan.placement.items() if size)
    print(f"{bits:2} bits a weight: weights in {told}")

# %% [markdown]
# With `overhead=0.1` a tenth of the GPU memory stays free. The KV cache is placed on the GPUs first: every step reads it and writes to it.
# At 8 bits everything is on the GPUs. That already settles much of the choice: you need an engine with 8-bit weights on your hardware.
#
# ### Second: how fast can it be at best?
#
# Let a model have 7 billion parameters of 16 bits: 14 GB. An A100 of 40 GB reads 1,555 GB/s. No step can be faster than 14 / 1555 s = 9 ms.

# %%
from utils.engines.llm_serving import decode_bound_tokens_per_s

for batch in (1, 8, 64):
    print(f"14 GB on the GPU, batch {batch:2}: at most {decode_bound_tokens_per_s(14e9, 1.0, batch, 1555, 25):6,.0f} tokens/s")

# %% [markdown]
# The **batch** is the number of sequences that share a step. The tokens per second of all of them together are the **throughput**. The weights are read once a step, whatever the batch. That is why every server batches.
# (Reading the KV cache and computing are left out here. Chapter 44 adds them, and then the growth ends.)
#
# Now a model that does not fit: 175 billion parameters at 16 bits, 350 GB. A tenth, 35 GB, is **resident**: it stays on the same A100. The other 315 GB lie in CPU memory, and have to cross a link of 25 GB/s *in every step*. This is **offloading**.

# %%
from utils.engines.llm_serving import decode_bound_tokens_per_s

for batch in (1, 144):
    for overlap in (True, False):
        rate = decode_bound_tokens_per_s(350e9, 0.1, batch, 1555, 25, overlap)
        name = f"batch {batch:3}, {'with' if overlap else 'no  '} overlap"
        print(f"315 of 350 GB streamed, {name}: {rate:7.3f} tokens/s, {batch / rate:.2f} s a step")

# %% [markdown]
# A token every 13 seconds for a single user. With 144 sequences in a batch it makes 11 tokens/s, and each of them still waits 13 s for its next token.
# So offloading is for jobs that may take all night. **Overlap** means that the next layer travels while this one is computed. Here it gains 2 %: the link alone takes nearly all the time.
#
# The FlexGen paper reports 1 token/s for OPT-175B (Meta's model of this size) on one T4, a GPU of 16 GB. Its *effective batch* is 144: several smaller batches pass through a layer, one after the other, before the next layer is loaded.
# That is a tenth of our bound, although its weights have 4 bits. The bound leaves much out: reading prompts of 512 tokens for 32 new ones, a KV cache in CPU memory as well, unpacking 4-bit weights, a slower GPU on a slower link.
#
# ### Paging is not offloading
#
# The source says that vLLM keeps a part of the model in CPU memory or on disk. That mixes up two ideas. A GPU of 24 GB (RTX 4090, 1,008 GB/s), and two models at 16 bits.
# 200 requests wait. As in ShareGPT's recorded chats (chapter 45), prompts have 161 tokens and answers 338 on average, before both are cut at 1,024:

# %%
import numpy as np

from utils.attention.paging_sim import lognormal_lengths, simulate_paging
from utils.cost.bandwidth import kv_bytes_per_token
from utils.cost.params import DECODERS, decoder_params
from utils.engines.llm_serving import decode_bound_tokens_per_s

usable = 24e9 * 0.9
weights = {name: 2 * decoder_params(DECODERS[name]).total for name in ("Llama-2-7B", "Llama-2-13B")}
blocks = int((usable - weights["Llama-2-7B"]) / kv_bytes_per_token(32, 32, 128)) // 16
rng = np.random.default_rng(0)
lengths = lognormal_lengths(161, 200, 1024, rng), lognormal_lengths(338, 200, 1024, rng)
print(f"7 B: weights {weights['Llama-2-7B'] / 1e9:.1f} GB fit, {16 * blocks:,} tokens of KV cache beside them")
for policy, name in (("max", "2,048 tokens reserved for each"), ("paged", "paged: blocks of 16 on demand")):
    run = simulate_paging(*lengths, block_size=16, num_blocks=blocks, policy=policy, max_len=2048)
    print(f"     {name}: {run.mean_batch:.1f} requests at once (simulated)")
big = weights["Llama-2-13B"]
print(f"13 B: weights {big / 1e9:.1f} GB do not fit. {usable / big:.0%} resident, which leaves no room for a KV cache, the rest "
      f"over 25 GB/s: at most {decode_bound_tokens_per_s(big, usable / big, 1, 1008, 25):.1f} tokens/s")

# %% [markdown]
# **Paging** (vLLM's founding idea, chapter 45) hands out the KV cache in small blocks. It lets more requests run at once. The weights stay where they are.
# **Offloading** lets a model run that does not fit, slowly. Paging could not have helped the 13 B model, and offloading would only have hurt the 7 B model.
#
# ### Who shares a step?
#
# Four requests, and a server with two slots. They arrive at 0, 0, 1 and 2 s and generate 3, 8, 2 and 4 tokens. A step takes 1 s, and 0.5 s more for each sequence in it.
# (The numbers are simulated. Reading the prompts, the *prefill*, is left out.)
#
# **Static batching** fills the slots, and fills them again when the longest request has ended. Until then the finished ones stay in the batch and cost their 0.5 s. All answers are handed out at its end.
# **Continuous batching** looks at the slots before every step: a request with all of its tokens has left with its answer, and the next one enters.
#
# **Time to first token** (TTFT) ends when the first token is made, even if it is handed out later. **Latency** ends when the answer is handed out. Both count from a request's own arrival:

# %%
from utils.engines.llm_serving import simulate_serving

requests = [(0, 3), (0, 8), (1, 2), (2, 4)]  # arrival in s, tokens to generate
for policy in ("static", "continuous"):
    run = simulate_serving(requests, max_batch=2, step_base_s=1.0, step_per_seq_s=0.5, policy=policy)
    print(f"{policy:10}: TTFT {run.ttft_s} s, latency {run.latency_s} s, {run.steps} steps")

# %% [markdown]
# Look at the third request. It arrives at 1 s and wants 2 tokens. With static batching it waits for 8 tokens of somebody else, and has its answer after 23 s.
# With continuous batching a slot is free at 6 s, and its latency is 9 s. The second request is no slower for it: static batching computes the slot of the finished request along with it anyway.
#
# The gain comes from unequal lengths. 200 requests, all there at the start, 16 slots, lengths drawn around a mean of 90 tokens (these samples average 86 to 90):

# %%
import numpy as np

from utils.attention.paging_sim import lognormal_lengths
from utils.engines.llm_serving import simulate_serving

for sigma in (0.1, 0.5, 0.9):
    outputs = lognormal_lengths(90, 200, 1024, np.random.default_rng(0), sigma).tolist()
    steps = {p: simulate_serving([(0, n) for n in outputs], 16, 1, 0, p).steps for p in ("static", "continuous")}
    print(f"spread {sigma}: static {steps['static']:5,} steps, continuous {steps['continuous']:5,}, no schedule below {-(-sum(outputs) // 16):5,}")

# %% [markdown]
# The spread is the standard deviation of the logarithm of the lengths. With equal lengths both policies do the same.
# Orca (2022) introduced this as *iteration-level scheduling*. NVIDIA says *in-flight batching*. It is one idea, and today's servers all have it.
#
# Beware of the word "dynamic batching": that is a server in front of an ordinary model which waits a few milliseconds to fill a batch (chapter 21).
#
# ### What need not be computed again?
#
# Chats begin with the same system instructions, and every turn repeats the turns before. The keys and values of a token depend on itself and on all tokens *before* it.
# So two requests can share the cache of their common beginning, the **prefix**, and of nothing else. SGLang keeps the prefixes in a **radix tree**: a tree of tokens (a *trie*) whose unbranched chains are merged into one node. Here each token is a node, which changes no hit:

# %%
from utils.engines.llm_serving import RadixCache

cache = RadixCache(capacity_tokens=100)
for tokens in ([1, 2, 3, 4], [1, 2, 3, 5], [9, 9], [1, 2, 3, 4, 6], [2, 3, 4]):
    hits = cache.match_and_insert(tokens)
    print(f"{tokens!s:16} {hits} of {len(tokens)} tokens reused, {len(cache):2} tokens in the cache")

# %% [markdown]
# The last request consists of known tokens, and reuses none of them: it does not begin like any other.
# (If *all* tokens of a prompt are cached, a real server still computes the last one: its output, which the cache does not hold, gives the next token.)
#
# Now ten chats of four turns, after 400 common tokens:

# %%
from utils.engines.llm_serving import RadixCache

turns = [[*range(400), *(10_000 * chat + t for t in range(60 * (turn + 1)))] for turn in range(4) for chat in range(10)]
total = sum(map(len, turns))
for room in (10_000, 2_500, 1_200, 400):
    cache = RadixCache(room)
    reused = sum(cache.match_and_insert(tokens) for tokens in turns)
    print(f"room for {room:6,} tokens: {reused:6,} of {total:,} prompt tokens need no prefill ({reused / total:.0%}), {cache.evicted:,} evicted")

# %% [markdown]
# When the room runs out, the **least recently used leaf** goes: an end of a branch that nobody has touched for the longest time. An inner token must stay, for all that stands behind it would be lost with it.
# The common 400 tokens are touched by every request, so they stay to the end.
#
# ### The other words on a feature list
#
# | word | what it does |
# |---|---|
# | tensor parallelism | splits every weight matrix over GPUs that work on one step together (chapter 32) |
# | pipeline parallelism | gives each GPU some of the layers |
# | speculative decoding | a small model drafts tokens, the large one checks several in one step (chapter 32) |
# | chunked prefill | splits long prompts over steps, so that running requests are not held up (DeepSpeed-FastGen's *Dynamic SplitFuse*) |
# | structured output | lets only those tokens through that keep, say, JSON valid |
# | disaggregated serving | prefill and decoding on different machines |
# | fp8, fp4, int8, int4 | numbers of 8 or 4 bits, floating-point or whole (chapter 54) |
# | GGUF | llama.cpp's file format; quantised weights mostly have 1.5 to 8 bits, 16 and 32 are possible |
#
# ### Today's frameworks
#
# The column "as of" names the last day for which the sources confirm a row. Some months after it, check again before you quote it.
# Hardware: `cuda` is NVIDIA, `rocm` AMD, `metal` Apple, `gaudi` and `sycl` Intel, `ascend` Huawei, `tpu` Google, `inferentia` Amazon.

# %%
from utils.widgets.ch30_llm_inference_frameworks import framework_table

framework_table()

# %%
from utils.widgets.ch30_llm_inference_frameworks import mechanism_table

mechanism_table()

# %% [markdown]
# A dash means that the sources below do not name it. It does not prove that it is missing.
# "Quiet" means that the project is not archived, but its news has stopped: DeepSpeed-MII, the home of FastGen, reports nothing newer than January 2024.
#
# Write down what you need, and let every reason speak:

# %%
from utils.engines.llm_serving import Requirements, choose_framework

needs = Requirements(hardware="rocm", must=frozenset({"prefix cache", "tensor parallel"}), any_quant=frozenset({"fp8"}))
for verdict in choose_framework(needs):
    print(f"{verdict.name:18}", "fits" if verdict.ok else "; ".join(verdict.reasons))

# %% [markdown]
# The last step is a benchmark with your own traffic (chapter 48). Up to which rate of requests do TTFT and the time per output token (TPOT) meet your service-level objective (SLO), the bound that you promise?
#
# Then the result in money, at an assumed 3 US dollars an hour for the GPU. 111 tokens/s are the bound of the 14 GB above at batch 1; 2,000 are assumed for a batched server:

# %%
from utils.cost.edge_metrics import usd_per_million

for per_s, busy in ((111, 1.0), (2_000, 1.0), (2_000, 0.3)):
    print(f"{per_s:5,} tokens/s, busy {busy:.0%} of the time: {usd_per_million(3, per_s, busy):5.2f} USD for a million tokens")

# %%
from utils.engines.llm_serving import list_installed_engines

print("installed here:", list_installed_engines() or "none of them; the chapter needs none")

# %% [markdown]
# ## See it
#
# ![Two timelines of the same 24 requests on four slots, simulated. Above static batching: 2.45 seconds, with long hatched stretches where finished requests are kept until the longest of their batch ends; in 44 percent of the slots' steps no token is made. Below continuous batching: 1.55 seconds, with slots refilled at once; 14 percent, nearly all of it at the end.](figure.svg)
#
# Simulated: 24 requests, all there at the start, four slots. Lengths are drawn around a mean of 12 tokens with spread 0.9; these average 9.5. A step takes 20 ms, and 1 ms more for each occupied slot. Static batching takes 102 steps and 2.45 s, continuous 66 steps and 1.55 s. The mean time to first token falls from 0.95 to 0.55 s.
#
# **Serving timeline.** Change the spread of the lengths, the slots and the arrival rate. With few arrivals a server is mostly empty, and the gain lies in the waiting, not in the total time.

# %% figure
from utils.widgets.ch30_llm_inference_frameworks import serving_timeline

serving_timeline()

# %% [markdown]
# **Fit map.** Each cell is a model size at a number of bits, with the size of its weights. The first two servers are those of the source.

# %% figure
from utils.widgets.ch30_llm_inference_frameworks import fit_map

fit_map()

# %% [markdown]
# **Static and continuous batching, simulated.** 96 requests wait for an 8B model on an A100, 16 at a time. The lanes show each request: orange computes the prompt, blue makes tokens, dotted boxes are finished answers that keep their place in the batch. Step times are roofline bounds, a real server is slower.

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("30")

# %% [markdown]
# What to notice: when all answers are equally long, both take 7.0 s. With a spread of 0.8 the static batches take 17.6 s and continuous batching 8.6 s, for the same number of tokens on average.

# %% [markdown]
# ## Exercises
#
# Floating-point results may differ from the exact value by rounding (a relative 1e-9). Arguments of other types than the text names are not tested. `deque` is there from the imports at the top.

# %% [markdown] about="memory_verdict"
# Say where a model has to live.
#
# - `params` is the number of parameters, `bits` the bits of each. The weights take `params`·`bits`/8 bytes. A GB is 1e9 bytes.
# - Of the GPU memory `gpu_gb` the share `gpu_reserve` has to stay free; the rest is *usable*. The CPU memory `cpu_gb` can be filled to the end.
# - The KV cache of `kv_gb` lies on the GPU. If it alone exceeds the usable part, return `"impossible"`, whatever the sizes of weights and CPU memory. (Invalid arguments raise before that.)
# - Else return `"gpu"` if the weights fit beside it into the usable part.
# - Else return `"offload"` if the weights fit into what the KV cache leaves of the usable part *plus* the CPU memory.
# - Else return `"disk"`.
# - What fits exactly, fits. (Where two sides are equal, all numbers are exact in binary.)
# - Raise `ValueError` for `params` or `bits` that are not positive, for a negative `gpu_gb`, `cpu_gb` or `kv_gb`, and for a `gpu_reserve` below 0 or not below 1. A memory of 0 GB is allowed.
#
# For example `memory_verdict(175e9, 16, 160, 96)` → `"disk"`, `memory_verdict(175e9, 8, 160, 96)` → `"offload"`, `memory_verdict(6e12, 4, 640, 1500)` → `"disk"`,
# and `memory_verdict(7e9, 16, 24, 64, 4)` → `"gpu"`.

# %% exercise="memory_verdict"
def memory_verdict(params: float, bits: float, gpu_gb: float, cpu_gb: float, kv_gb: float = 0.0,
                   gpu_reserve: float = 0.1) -> str:
    """Where a model has to live: "gpu", "offload", "disk" or "impossible"; sizes in GB of 1e9 bytes."""
    ### BEGIN SOLUTION
    if params <= 0 or bits <= 0:
        raise ValueError("params and bits must be positive")
    if min(gpu_gb, cpu_gb, kv_gb) < 0:
        raise ValueError("sizes must not be negative")
    if not 0 <= gpu_reserve < 1:
        raise ValueError("gpu_reserve must be in [0, 1)")
    weights_gb = params * bits / 8 / 1e9
    free_gb = gpu_gb * (1 - gpu_reserve) - kv_gb
    if free_gb < 0:
        return "impossible"
    if weights_gb <= free_gb:
        return "gpu"
    return "offload" if weights_gb <= free_gb + cpu_gb else "disk"
    ### END SOLUTION

# %% check="memory_verdict"
check("30.memory_verdict", memory_verdict)

# %% [markdown] about="offload_tokens_per_s"
# Bound the tokens per second of a server that streams a part of its weights.
#
# - The weights take `weight_gb` GB. The share `resident_fraction` of them, from 0 to 1, lies on the GPU. The rest has to cross the link to the CPU memory in every step.
# - In every step the GPU's memory (high-bandwidth memory, HBM) delivers *all* weights once, the streamed ones too. `hbm_gb_s` and `link_gb_s` are the bandwidths of memory and link in GB/s.
# - With `overlap` a step takes as long as the slower of the two, without it as long as both together.
# - Ignore everything else: KV cache, computing, latency of the link.
# - A step gives each of the `batch` sequences one token. Return the tokens per second of the whole batch, as a float.
# - Raise `ValueError` for a `resident_fraction` outside [0, 1], and for a `weight_gb`, `batch`, `hbm_gb_s` or `link_gb_s` that is not positive, even where it would not matter.
#
# For example `(350, 0.5, 1, 1555, 25, True)` → 0.142857…, the same with `False` → 0.138407…, and `(350, 1.0, 1, 1555, 25, True)` → 4.442857…

# %% exercise="offload_tokens_per_s"
def offload_tokens_per_s(weight_gb: float, resident_fraction: float, batch: int, hbm_gb_s: float, link_gb_s: float,
                         overlap: bool) -> float:
    """Tokens per second of the whole batch; weights in GB, bandwidths in GB/s."""
    ### BEGIN SOLUTION
    if not 0 <= resident_fraction <= 1:
        raise ValueError("resident_fraction must be in [0, 1]")
    if min(weight_gb, batch, hbm_gb_s, link_gb_s) <= 0:
        raise ValueError("sizes, batch and bandwidths must be positive")
    memory_s = weight_gb / hbm_gb_s
    link_s = weight_gb * (1 - resident_fraction) / link_gb_s
    return batch / (max(memory_s, link_s) if overlap else memory_s + link_s)
    ### END SOLUTION

# %% check="offload_tokens_per_s"
check("30.offload_tokens_per_s", offload_tokens_per_s)

# %% [markdown] about="serve_continuous"
# Serve requests with continuous batching.
#
# - Request i arrives at `arrivals[i]` (s, 0 or more, in any order) and generates `outputs[i]` tokens (1 or more). The lists have one length. Two empty lists give two empty lists.
# - The clock starts at 0. The server works in steps. Before each step, at the *boundary*, it admits requests that have arrived by then, up to `max_batch` (1 or more) running ones. A request that arrives exactly at a boundary has arrived by then. (All times are multiples of 0.25 s, so sums are exact.)
# - First come, first served: earlier arrivals enter first, equal arrivals in the order of the list.
# - A step lasts `step_base` + `step_per_seq`·(running requests) seconds. Both numbers are 0 or more, and at least one is positive.
# - At the end of a step every running request gains one token. A request with all of its tokens leaves then, and its slot is free at that boundary.
# - When nothing runs and nobody waits, the next step begins at the moment of the next arrival.
# - Return a tuple of two lists in the order of the arguments: the time to first token and the latency (until the last token), each counted from the request's own arrival.
#
# For example `serve_continuous([0, 0, 1, 2], [3, 8, 2, 4], 2, 1.0, 0.5)` → `([2, 2, 7, 10], [6, 16, 9, 15.5])`.
# And `serve_continuous([5, 0.5, 0.5], [2, 1, 3], 4, 0.25, 0.25)` → `([0.5, 0.75, 0.75], [1, 0.75, 1.75])`: the server is idle at the start, and between 2.25 and 5 s.

# %% exercise="serve_continuous"
def serve_continuous(arrivals: list[float], outputs: list[int], max_batch: int, step_base: float,
                     step_per_seq: float) -> tuple[list, list]:
    """Time to first token and latency of each request under continuous batching, both from its arrival."""
    ### BEGIN SOLUTION
    waiting = deque(sorted(range(len(arrivals)), key=lambda i: arrivals[i]))
    left, first, end = list(outputs), {}, {}
    running, now = [], 0.0
    while waiting or running:
        if not running:
            now = max(now, arrivals[waiting[0]])
        while waiting and len(running) < max_batch and arrivals[waiting[0]] <= now:
            running.append(waiting.popleft())
        now += step_base + step_per_seq * len(running)
        for i in running:
            left[i] -= 1
            first.setdefault(i, now)
            end[i] = now
        running = [i for i in running if left[i] > 0]
    order = range(len(arrivals))
    return [first[i] - arrivals[i] for i in order], [end[i] - arrivals[i] for i in order]
    ### END SOLUTION

# %% check="serve_continuous"
check("30.serve_continuous", serve_continuous)

# %% [markdown] about="radix_cache_hits"
# Reuse prefixes from a cache of bounded size.
#
# - `requests` is a list of requests, each a list of whole numbers (tokens), possibly empty. They come one after the other and share one cache.
# - The cache is a tree of tokens, a *trie*. A cached token is known by the whole sequence from the first token of a request up to it: the 3 of [1, 2, 3] is not the 3 of [2, 3]. A token that several requests share is held once.
# - A request first *matches*: from its first token on, as long as its tokens are in the cache. The number of matched tokens is its result.
# - Then its other tokens are inserted one by one, in order, each behind the one before. At most `capacity_tokens` (0 or more) tokens are held at any time.
# - A request *touches* the tokens that it matches and those that it inserts. A *leaf* is a cached token with nothing cached behind it.
# - If the cache is full when a token is to be inserted, evict one leaf first: the one whose last touch is longest ago.
# - Never evict what the current request has touched. If no other leaf is left, stop inserting this request.
# - Evicting may turn the token before it into a leaf. (There is never a tie: of the leaves no two were last touched by the same request.)
# - Return the list of results.
#
# For example `[[1, 2, 3, 4], [1, 2, 3, 5], [9, 9], [1, 2, 3, 4, 6]]` gives `[0, 3, 0, 4]` with a capacity of 100, and `[0, 3, 0, 3]` with a capacity of 6: the second 9 evicts the 4.
# And `[[1, 2, 3], [1, 2, 3]]` gives `[0, 2]` with a capacity of 2: the 3 finds no room.

# %% exercise="radix_cache_hits"
def radix_cache_hits(requests: list[list[int]], capacity_tokens: int) -> list[int]:
    """Tokens that each request reuses from a token trie of bounded size that all of them share."""
    ### BEGIN SOLUTION
    touched, hits = {}, []  # a token's whole prefix: the number of the last request that touched it
    for now, tokens in enumerate(requests):
        prefixes = [tuple(tokens[:n]) for n in range(1, len(tokens) + 1)]
        hit = 0
        while hit < len(prefixes) and prefixes[hit] in touched:
            touched[prefixes[hit]] = now
            hit += 1
        hits.append(hit)
        for prefix in prefixes[hit:]:
            if len(touched) >= capacity_tokens:
                inner = {p[:-1] for p in touched}
                leaves = [p for p in touched if p not in inner and touched[p] != now]
                if not leaves:
                    break
                del touched[min(leaves, key=touched.get)]
            touched[prefix] = now
    return hits
    ### END SOLUTION

# %% check="radix_cache_hits"
check("30.radix_cache_hits", radix_cache_hits)

# %% [markdown] about="rank_frameworks"
# Judge a table of frameworks by what you need, with every reason.
#
# - `table` is a list of dicts, one a framework, with the keys `"name"` and `"status"` (strings) and `"hardware"`, `"mechanisms"` and `"quantisation"` (lists of strings). Names are unique. The table may be empty. No list here or in `needs` holds a string twice.
# - `needs` is a dict with some of these keys: `"hardware"` (a string that has to be in the framework's list), `"must"` (a list of mechanisms, all of them needed),
#   `"any_quant"` (a list of formats, one of them is enough) and `"allow_status"` (a list of allowed states).
# - A key that is absent, or has an empty string or list, demands nothing. Any other key raises `ValueError`, even when the table is empty.
# - Strings match only as a whole: `"cuda"` is not `"cuda-lite"`.
# - Reasons against a framework, in this order: `"status: …"` with its state; `"hardware"`; `"missing: …"` for each mechanism that it lacks, in alphabetical order; `"quantisation"`.
# - Return a list of pairs (name, list of reasons) for all frameworks: those without reasons first, then the others. Within both groups the table's order stays.
#
# For example:
#
# ```python
# table = [
#     {"name": "A", "status": "active", "hardware": ["cuda"], "mechanisms": ["paged"], "quantisation": ["fp8"]},
#     {"name": "B", "status": "archived", "hardware": ["cuda", "cpu"], "mechanisms": ["paged", "prefix"], "quantisation": ["int4"]},
#     {"name": "C", "status": "active", "hardware": ["cpu"], "mechanisms": [], "quantisation": ["int4"]},
# ]
# needs = {"hardware": "cuda", "must": ["paged", "prefix"], "any_quant": ["fp8"], "allow_status": ["active"]}
# ```
#
# The result is `[("A", ["missing: prefix"]), ("B", ["status: archived", "quantisation"]), ("C", ["hardware", "missing: paged", "missing: prefix", "quantisation"])]`.
# With `needs = {"hardware": "cpu"}` it is `[("B", []), ("C", []), ("A", ["hardware"])]`.

# %% exercise="rank_frameworks"
def rank_frameworks(table: list[dict], needs: dict) -> list[tuple[str, list[str]]]:
    """Every framework with its reasons for rejection, the accepted ones first, otherwise in the table's order."""
    ### BEGIN SOLUTION
    if set(needs) - {"hardware", "must", "any_quant", "allow_status"}:
        raise ValueError("needs has an unknown key")
    hardware, quant, allowed = needs.get("hardware"), needs.get("any_quant"), needs.get("allow_status")
    rated = []
    for row in table:
        reasons = []
        if allowed and row["status"] not in allowed:
            reasons.append(f"status: {row['status']}")
        if hardware and hardware not in row["hardware"]:
            reasons.append("hardware")
        reasons += [f"missing: {m}" for m in sorted(needs.get("must", [])) if m not in row["mechanisms"]]
        if quant and not set(quant) & set(row["quantisation"]):
            reasons.append("quantisation")
        rated.append((row["name"], reasons))
    return sorted(rated, key=lambda pair: bool(pair[1]))
    ### END SOLUTION

# %% check="rank_frameworks"
check("30.rank_frameworks", rank_frameworks)

# %% [markdown]
# ## Measure it
#
# Two engines compute the same network: 12 layers, 101 MB of float32 weights. One keeps them in RAM. The other reads every layer from its file in every step.
# The files are in the operating system's page cache, so the "link" is a copy in RAM. The results are equal to the last bit.
# Before you run it: by how much does streaming slow down a batch of 1, and by how much a batch of 64?

# %% experiment
from utils.engines.llm_serving import measure_offload
from utils.widgets.ch30_llm_inference_frameworks import engine_table

measured = measure_offload(batches=(1, 4, 16, 64), rounds=5)
engine_table(measured)

# %% experiment
from utils.widgets.ch30_llm_inference_frameworks import engine_picture

engine_picture(measured)

# %% [markdown]
# Reading the weights costs the same for every batch. So its share falls as the batch grows, and the streamed throughput grows with the batch. It can never pass the other engine, for it does the same work and the reading besides.
# This is why FlexGen and ZeRO-Inference batch as much as they can.
#
# On a machine with a GPU, this is the link that the weights would have to cross:

# %% experiment
from utils.widgets.ch30_llm_inference_frameworks import gpu_link

gpu_link()

# %% [markdown]
# And the scheduler: 200 requests with skewed lengths on 16 slots, step by step. (Simulated, so it is the same everywhere.)

# %% experiment
import numpy as np

from utils.attention.paging_sim import lognormal_lengths
from utils.engines.llm_serving import simulate_serving
from utils.widgets.ch30_llm_inference_frameworks import batching_picture

outputs = lognormal_lengths(90, 200, 1024, np.random.default_rng(0)).tolist()
runs = {policy: simulate_serving([(0, n) for n in outputs], 16, 1, 0, policy) for policy in ("static", "continuous")}
batching_picture(runs)

# %% [markdown]
# Static batching begins its batches with 16 sequences (the last one with 8) and ends them with one. Continuous batching stays at 16 until the queue is empty.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. Sources and dates are from November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | vLLM means "Virtual Large Language Model" and was open-sourced by NVIDIA | wrong | it comes from UC Berkeley's Sky Computing Lab (June 2023); PyTorch Foundation since May 2025. No official long form was found |
# | 2 | its core idea is to keep part of the model in CPU memory or on disk | wrong | that is offloading: ZeRO-Inference, FlexGen. vLLM pages the KV cache; offloading weights came in 2024 as an option (`--cpu-offload-gb`) |
# | 3 | it supports PyTorch and FasterTransformer back ends | wrong | it runs on PyTorch; in its paper FasterTransformer is a baseline |
# | 4 | with 96 GB of RAM and "440GB A100" it runs 175 B, with 1.5 TB and "880GB A100" 6 trillion | wrong | a "×" is lost: 4 × 40 and 8 × 80 GB. 175 B fit at 8 bits, not at 16. 6 T fit at 2 bits only (computed below) |
# | 5 | TensorRT-LLM: quantisation-aware training is a feature | wrong | its formats (FP8, FP4, INT4 by AWQ, INT8 by SmoothQuant; both scale channels before rounding, chapter 54) are applied after training; training with simulated rounding is a matter of training tools |
# | 6 | TensorRT-LLM is up to 32 times faster with OPT-30B on A100 | unconfirmed | NVIDIA's launch post (September 2023) says 8× for GPT-J 6B and 4.6× for Llama 2 70B: H100 *with* it against A100. H100 without it had 4× and 2.6× |
# | 7 | DeepSpeed is for training, DeepSpeed-Inference adds inference | holds, dated | its successor, DeepSpeed-FastGen, is of November 2023; the news of its home DeepSpeed-MII ends in January 2024 |
# | 8 | DeepSpeed is 7.7 times faster than PyTorch on GPT-NeoX | unconfirmed | the paper says up to 7.3× (arXiv) or 6.4× (SC22) lower latency, and 1.5× throughput, over the state of the art |
# | 9 | one GPU serves models of tens of billions of parameters | depends | 30 B at 4 bits are 15 GB and fit on 24 GB; 70 B at 16 bits are 140 GB and fit on no 80 GB GPU (computed below) |
# | 10 | Text Generation Inference is "TextGen" for short | wrong | TGI. "TextGen" usually means another project, text-generation-webui |
# | 11 | TGI is a leading framework, 17 times faster on OPT-175B | dated, unconfirmed | maintenance mode since 2025-12-11, archived 2026-03-21. In June 2023 vLLM's authors measured up to 3.5× TGI's throughput |
# | 12 | TensorRT-LLM and TGI serve trillions of parameters | depends | at 8 bits a trillion is 1 TB: several machines of 8 × 80 GB. At 4 bits it is 500 GB, and one is enough (computed below). TGI's README names parallelism over GPUs, none over machines |
#
# Rows 4, 9 and 12, computed without any reserve, in the source's favour:

# %%
from utils.engines.llm_serving import max_bits_that_fit

for row, name, params, memory_gb in (
    ("4", "175 B on 4 × 40 GB + 96 GB", 175e9, 256), ("4", "6 T on 8 × 80 GB + 1.5 TB", 6e12, 2140), ("9", "30 B on one GPU of 24 GB", 30e9, 24),
    ("9", "70 B on one GPU of 48 GB", 70e9, 48), ("9", "70 B on one GPU of 80 GB", 70e9, 80), ("12", "1 T on 8 × 80 GB", 1e12, 640),
):
    print(f"row {row:2} {name:27}: 16 bits take {params * 2 / 1e9:6,.0f} GB; the most bits that fit: {max_bits_that_fit(params, memory_gb * 1e9)}")

# %% [markdown]
# ## Explain it
#
# Your team has eight A100 of 80 GB (2,039 GB/s each, and a link of 25 GB/s). It wants to serve a model of 70 B parameters, shaped like Llama-3-70B, to 100 users at once. Their chats begin with the same 2,000 tokens of instructions and have 2,000 more tokens each. A colleague proposes DeepSpeed ZeRO-Inference, "because it can run any model on one GPU". Answer in six to eight sentences.
#
# A good answer names:
# 1. whether the model fits, with numbers for weights and KV cache;
# 2. what ZeRO-Inference is for, and the bound that it meets here;
# 3. which mechanisms this workload needs, and why each;
# 4. two frameworks that have them, with the date up to which you know that;
# 5. how you would decide between these two.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# 70 B parameters at 16 bits are 140 GB, and eight A100 have 640 GB: the weights fit four times over, and about 430 GB of the usable part are left for the KV cache.
# At 0.33 MB a token, 100 users with 4,000 tokens each need 131 GB, and 66 GB when the common 2,000 are held once.
# ZeRO-Inference streams weights over a link because they do not fit. With 140 GB over 25 GB/s a step takes 5.6 s, where eight GPUs that hold the weights need about 9 ms.
# It is right for a job over night, not for users who wait.
# We need tensor parallelism to use the GPUs together, continuous batching because chats differ in length, a paged KV cache so that many fit, and prefix caching: 2,000 common tokens need no prefill after the first request.
# vLLM and SGLang have all of these, as of September 2026; TensorRT-LLM is a third, as the GPUs are NVIDIA's.
# I would run the candidates with recorded traffic of our own, at the arrival rate that we expect, and compare the rate at which p99 of the time to first token and the time per token still meet our objective.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("30")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | continuous (in-flight) batching | 连续批处理 | the batch is put together anew before every step |
# | static batching | 静态批处理 | a batch waits for its longest request |
# | KV cache | KV 缓存 | keys and values of the tokens so far |
# | paged KV cache | 分页 KV 缓存 | the KV cache in blocks that need not be adjacent |
# | offloading | 卸载（到 CPU / 磁盘） | weights in slower memory, streamed in every step |
# | prefix (radix) caching | 前缀（基数树）缓存 | the KV cache of common beginnings is kept and reused |
# | tensor, pipeline parallelism | 张量 / 流水线并行 | matrices, or layers, split over GPUs |
# | prefill, decoding | 预填充 / 解码 | reading the prompt in one go, then one token a step |
# | TTFT | 首 token 延迟 | time to first token |
# | TPOT | 每 token 延迟 | time per output token |
# | throughput | 吞吐量 | tokens or requests completed per second |
# | SLO | 服务等级目标 | service-level objective: the bound aimed at |
# | speculative decoding | 投机解码 | a small model drafts, the large one checks |
# | GGUF | llama.cpp 的权重格式 | llama.cpp's file format for weights |
# | disaggregated serving | 预填充 / 解码分离部署 | prefill and decoding on different machines |

# %% [markdown]
# ## Sources
#
# - G.-I. Yu et al., *Orca*, OSDI 2022: iteration-level scheduling.
# - W. Kwon et al., *Efficient Memory Management for Large Language Model Serving with PagedAttention*, SOSP 2023. vLLM's announcement, blog of vLLM, 2023-06-20.
# - L. Zheng et al., *SGLang: Efficient Execution of Structured Language Model Programs*, arXiv 2312.07104: RadixAttention.
# - Y. Sheng et al., *FlexGen*, arXiv 2303.06865, and the benchmark tables of its repository. R. Y. Aminabadi et al., *DeepSpeed Inference*, arXiv 2207.00032 and SC22.
# - NVIDIA, *TensorRT-LLM Supercharges Large Language Model Inference on NVIDIA H100 GPUs*, September 2023.
# - PyTorch Foundation, press release of 2025-05-07: vLLM and DeepSpeed join.
# - The rows of the table of frameworks:

# %%
from utils.widgets.ch30_llm_inference_frameworks import source_list

source_list()
