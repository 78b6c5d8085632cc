# %% [markdown]
# # 45 · What is PagedAttention?
# **什么是Page-Attention？**
#
# A server for language models remembers keys and values for every token of every running request. That memory, not the weights, decides how many users fit on a card.
# PagedAttention is a way to hand it out: an allocator, a table, and a kernel that reads through the table. You will build all three.
#
# About 150 minutes: 122 for the five exercises, the rest to read, measure and explain. It helps to know chapter 44 (why decoding waits for memory) and chapter 46 (how softmax is merged block by block).

# %% setup
from itertools import chain, count
from math import ceil

import numpy as np

# %% [markdown]
# ## The short answer
#
# > The KV cache of a request grows by one token at a time, to a length that nobody knows in advance.
# > If you reserve the maximum length as one piece, most of it stays empty.
# >
# > PagedAttention cuts the cache into blocks of equal size, 16 tokens in the paper. A block table for each sequence says where its blocks lie.
# > What is wasted is the empty end of the last block: (B − 1)/2 tokens a sequence on average.
# >
# > Blocks have reference counts. So several answers to one prompt share them, and a write to a shared block makes a copy first (copy-on-write).
# > Requests with the same beginning share full blocks by hash, which is called prefix caching.
# >
# > The kernel reads keys and values through the table. That made it 20–26 % slower in the paper. But more requests fit, and throughput rose 2–4 times at the same latency.
# > It does not make attention cheaper for a token. It makes the batch bigger.
# >
# > When the pool is empty, the scheduler preempts the newest request and recomputes it later, or moves its cache to CPU memory (swapping).

# %% [markdown]
# ## How it works
#
# ### How many users fit?
#
# You serve OPT-13B on an A100 with 40 GB. The weights take 26 GB and 12 GB are left for the cache. (These are the numbers of the PagedAttention paper.)
# Each token keeps a key and a value for each layer and each key/value head.

# %%
from utils.attention.kv_cache import kv_bytes_per_token

token = kv_bytes_per_token(layers=40, kv_heads=40, head_dim=128)
print(f"a token:                 {token:,} bytes")
print(f"2,048 tokens:            {2048 * token / 1e9:.2f} GB")
print(f"requests in 12 GiB:      {int(12 * 2**30 // (2048 * token))}")
print(f"a token in Llama-3-8B:   {kv_bytes_per_token(layers=32, kv_heads=8, head_dim=128):,} bytes (8 KV heads instead of 40)")

# %% [markdown]
# Seven requests, if each gets the maximum of 2,048 tokens. The paper measured 7.0 at once for that policy.
# But a chat of its ShareGPT trace (recorded conversations) has 161 prompt tokens and 338 answer tokens on average. Even at its end it fills only 24 % of its 2,048 slots.
# With PagedAttention the paper measured 30.4 at once on the same card.
#
# ### Two phases
#
# Here is a real decoder, small enough for a CPU. **Prefill** runs the whole prompt through it in one pass. **Decode** then adds one token a step.

# %%
import torch

from utils.attention.paged import PagedKVCache
from utils.networks.tiny_gpt import TinyGPT, greedy_cached, greedy_full

torch.set_num_threads(1)
model = TinyGPT(vocab=85, d_model=64, n_heads=4, n_kv_heads=4, n_layers=2)
prompt = list(range(10, 20))


def new_cache(num_blocks, block_size):
    return PagedKVCache(layers=2, num_blocks=num_blocks, block_size=block_size, kv_heads=4, head_dim=16)


cache = new_cache(8, 4)
cache.add("at once")
cache.add("one by one")
at_once = model.prefill(cache, "at once", prompt)
one_by_one = torch.cat([model.decode(cache, ["one by one"], [t]) for t in prompt])
print(f"largest difference of the logits: {(at_once - one_by_one).abs().max():.0e}")
print("same next token:", at_once[-1].argmax().item() == one_by_one[-1].argmax().item())

# %% [markdown]
# Both give the same logits up to rounding. Prefill is one pass over the weights, the ten decode steps were ten passes.
#
# ### What a slab wastes
#
# Now give a request of 24 + 34 tokens one piece of memory, a **slab**, for the longest request that is allowed. Beside it, the same request in blocks of 16.

# %%
from utils.widgets.ch45_paged_attention import slab_picture

slab_picture()

# %% [markdown]
# Memory inside an allocation that stays empty is called **internal fragmentation**. Gaps between allocations that are too small for the next one are **external fragmentation**.
# Blocks of one size have no such gaps: each free block fits.
#
# ### The block table
#
# A pool of blocks, and two sequences that grow in turn. Each takes a block when it needs one.

# %%
cache = new_cache(8, 4)
for seq in ("a", "b"):
    cache.add(seq)
for tokens in (3, 3, 3):
    for seq in ("a", "b"):
        cache.reserve(seq, tokens)
for seq in ("a", "b"):
    print(f"{seq}: {cache.length(seq)} tokens, block table {cache.block_table(seq)}")
print(cache.stats())

# %% [markdown]
# `a` owns the blocks 0, 2 and 4. Its tokens are in order in the table, not in memory.
#
# The kernel that stores a token needs its **slot**: the block's id times the block size, plus the place inside.

# %%
from utils.attention.paged import slot_mapping as our_slot_mapping

print("slots of the tokens 0 to 8 of a:", our_slot_mapping(cache.block_table("a"), 0, 9, 4))

# %% [markdown]
# From slot 3 it jumps to slot 8. An operating system does the same with pages: a page table maps the addresses of a process to frames of memory.
#
# ### Attention through the table
#
# Attention does not care where a key lies. It needs the keys of *this* sequence, and nothing else.
# Here the 9 tokens of `a` get keys and values, and every other slot of the pool gets garbage.

# %%
from utils.attention.paged import paged_attention as our_paged_attention

rng = np.random.default_rng(0)
k, v = rng.standard_normal((2, 9, 1, 8))
k_cache, v_cache = np.full((2, 8, 4, 1, 8), np.nan)
slots = our_slot_mapping(cache.block_table("a"), 0, 9, 4)
k_cache.reshape(-1, 1, 8)[slots], v_cache.reshape(-1, 1, 8)[slots] = k, v
q = rng.standard_normal((1, 8))

through_table = our_paged_attention(q, k_cache, v_cache, cache.block_table("a"), 9)
plain = torch.nn.functional.scaled_dot_product_attention(*(torch.from_numpy(x)[None] for x in (q, k[:, 0], v[:, 0])))
print(f"largest difference to plain attention: {np.abs(through_table - plain[0].numpy()).max():.0e}")

# %% [markdown]
# The kernel walks the table block by block. Each block gives a partial softmax, and they are merged with their weights, as chapter 46 explains.
# Of the last block it reads only the slots of tokens that exist.
#
# Does the text of a decoder change? It must not, whatever the block size.

# %%
expected = greedy_full(model, prompt, 30)
for block_size in (1, 3, 4, 16):
    written = greedy_cached(model, new_cache(48, block_size), "a", prompt, 30)
    print(f"blocks of {block_size:2}: the 30 tokens of full recomputation?", written == expected)

# %% [markdown]
# ### What blocks waste
#
# Only the end of the last block is empty. How much is that over the life of a request? It depends on how long requests are beside the block.

# %%
from utils.widgets.ch45_paged_attention import waste_chart

waste_chart()

# %% [markdown]
# With blocks of 16, a request of ShareGPT's mean lengths wastes 2.2 %, one of Alpaca's (short instructions, 19 + 58 tokens) 13.7 %. You will compute these in exercise 4. A rule of thumb:
#
# $$\text{waste} \approx \frac{(B - 1)/2}{\text{mean length held} + (B - 1)/2}$$
#
# ### Sharing
#
# Several answers to one prompt are called **parallel sampling**. The prompt's keys and values are equal in all of them. So a *fork* copies the table, not the blocks.

# %%
from utils.attention.paged import BlockManager as OurBlockManager

blocks = OurBlockManager(num_blocks=10, block_size=4)
blocks.add("a", 6)
blocks.fork("a", "b")
blocks.fork("a", "c")
print("after two forks:", {s: blocks.table(s) for s in "abc"}, "free:", blocks.num_free())
for seq in ("b", "c", "a"):
    copied = blocks.append(seq)
    print(f"{seq} writes a token: copied {copied}, table {blocks.table(seq)}, free: {blocks.num_free()}")

# %% [markdown]
# A block that several tables name has a **reference count** above 1. The first two writers copied the half-filled block 1 before they wrote. That is **copy-on-write**.
# The third was the last owner, so it wrote in place. Block 0 is full. Nobody writes to it again, so it stays shared.
#
# **Beam search** keeps the n best continuations at each step. Each has a parent among the n beams of the step before, so beams split and die.
# It shares more than sampling: a beam that splits at token 300 shares 300 tokens, not only the prompt.

# %%
from utils.attention.paged import beam_sharing as our_beam_sharing, random_beam_parents

print("saved by sharing, requests of the traces' mean lengths, blocks of 16 (replayed, parents of beams drawn at random):")
for name, (p, o) in {"ShareGPT": (161, 338), "Alpaca": (19, 58)}.items():
    for n in (2, 4, 6):
        _, parallel = our_beam_sharing(p, [list(range(n))] * o, 16)
        _, beams = our_beam_sharing(p, random_beam_parents(n, o, np.random.default_rng(n)), 16)
        print(f"  {name:9} {n} sequences: parallel sampling {parallel:4.0%}, beam search {beams:4.0%}")

# %% [markdown]
# ### Sharing between requests
#
# Requests often begin with the same system prompt. vLLM gives each *full* block a hash over its tokens and the hash before it.
# Equal hashes mean equal beginnings (a collision of SHA-256 aside), so the block can be used again. This is **prefix caching**.

# %%
from utils.attention.paged import PrefixCache

prefixes = PrefixCache(4, blocks.allocator)
first = list(range(11))
blocks.add("first", 11)
prefixes.insert(first, blocks.table("first"))
print("table of the first request:  ", blocks.table("first"))
print("found for 9 equal tokens:    ", prefixes.match([*first[:9], 77, 78]))
print("found if token 0 is different:", prefixes.match([99, *first[1:]]))

# %% [markdown]
# Nine equal tokens are two full blocks and one token more, and only the two are shared. One different token at the start changes all hashes.
#
# Since its version 1, vLLM shares in this way only. Block tables just grow (they are **append-only**), no partly filled block is shared, and so nothing has to be copied.
#
# ### When the pool is empty
#
# With **continuous batching** requests join and leave the batch at every decode step. A scheduler admits one when its *prompt* fits. Later the pool may run out. Then the newest request is **preempted**: its blocks are freed.
# It starts again later, and a prefill over prompt and written tokens recomputes its cache. (The paper could also swap it to CPU memory.)
#
# The next cell simulates such a scheduler: 15.7 thousand slots as in the paper, 400 requests of ShareGPT-like lengths (lognormal: many short ones, few very long; made up from the trace's means).

# %%
from utils.attention.paged import lognormal_lengths, simulate_paging
from utils.attention.published import TOKEN_STATES

rng = np.random.default_rng(0)
lengths = lognormal_lengths(161, 400, 1024, rng), lognormal_lengths(338, 400, 1024, rng)
print("simulated:")
for policy, name in (("max", "2,048 slots reserved"), ("paged", "blocks of 16")):
    run = simulate_paging(*lengths, block_size=16, num_blocks=980, policy=policy, max_len=2048)
    print(f"  {name:20}: {run.mean_batch:4.1f} requests at once, {run.utilization:.1%} of the held slots filled "
          f"(paper: {TOKEN_STATES[policy]:.1%}), {run.preemptions} preemptions, {run.recomputed_tokens:,} tokens recomputed")

# %% [markdown]
# Preemption is common here, because all 400 requests wait from the start and the scheduler admits as many as it can.
# It is less bad than it looks: a prefill recomputes hundreds of tokens in one pass. But the user waits, so servers watch this number.
#
# Why does a bigger batch help? Each decode step reads all weights once, however many requests share it (chapter 44).
#
# ### What it costs
#
# - The kernel looks into a table and reads scattered blocks. The paper measured 20–26 % more time for attention than the contiguous kernel of FasterTransformer, NVIDIA's inference library of that time. Other layers are not affected.
# - Small blocks make that worse, large blocks waste more. The paper found 16 to 128 good on ShareGPT, 16 and 32 on Alpaca, and took 16.
# - Every attention kernel has to know the table. vAttention (2024) avoids that: it keeps the cache contiguous in *virtual* memory and lets CUDA map physical memory when it is needed.
#
# What of the paper is still there in the engine that came from it?

# %%
from utils.widgets.ch45_paged_attention import then_and_now

then_and_now()

# %% [markdown]
# ## See it
#
# ![Three block tables above a pool of ten blocks of 4 slots. Tables a, b and c name block 0 together; a also has block 1, b block 2 and c block 3, each with 3 of 4 slots filled. Six blocks are free.](figure.svg)
#
# A prompt of 6 tokens was sampled three times, and each sample has written one token. Block 0 is shared by all three (×3). Two blocks were copied, from block 1 to blocks 2 and 3.
# 4 of 10 blocks are held, with 3 of their 16 slots empty. Without sharing 6 blocks would be held.
#
# **Block-pool theatre.** Move the slider through the operations, or add your own with the buttons. Free `a` while others still read its blocks. Make the blocks larger.

# %% figure
from utils.widgets.ch45_paged_attention import block_theatre

block_theatre()

# %% [markdown]
# **Three ways to reserve.** A simulated scheduler serves the same short chats with slabs, with reservations rounded up to a power of two, and with blocks.

# %% figure
from utils.widgets.ch45_paged_attention import policies_figure

policies_figure()

# %% [markdown]
# **The pool under load, simulated.** Two requests per second to Llama-3-8B on an L4 whose pool has only 600 blocks. Their prompts have 512 tokens of instructions, which eight of ten share with others, and some 100 of their own. The blocks and the prefix cache are the ones you have met above; the step times are roofline bounds, a real server is slower.

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("45")

# %% [markdown]
# What to notice: without prefix sharing the pool is nearly full for half of the run, 13 requests are preempted, and the median first token comes after 3.9 s. With it 57 % of the prompt tokens come from the cache, 4 are preempted, and the first token comes after 93 ms.

# %% [markdown]
# ## Exercises
#
# A *slot* holds one token. A *block* is `block_size` slots, and its id counts blocks from 0.

# %% [markdown] about="slot_mapping"
# Find the physical slots of some tokens of a sequence.
#
# - `block_table` lists the sequence's block ids: tokens 0 to `block_size` − 1 lie in the first block, the next ones in the second, and so on.
# - Block b holds the slots b·`block_size` to (b + 1)·`block_size` − 1.
# - Return a list: the slot of each token position from `start` up to, but not including, `stop`. If `start` equals `stop` the list is empty.
# - Raise a ValueError unless 0 ≤ `start` ≤ `stop`, and also if the table is too short: `stop` > `len(block_table)`·`block_size`.
#
# For example `([7, 2, 5], 3, 6, 4)` → [31, 8, 9], and `([7, 2, 5], 9, 10, 4)` → [21].

# %% exercise="slot_mapping"
def slot_mapping(block_table: list[int], start: int, stop: int, block_size: int) -> list[int]:
    """Flat physical slot, block * block_size + offset, of each token position in [start, stop).

    Raises ValueError when the table is too short or not 0 <= start <= stop.
    """
    ### BEGIN SOLUTION
    if not 0 <= start <= stop:
        raise ValueError(f"start and stop must satisfy 0 <= start <= stop, got {start} and {stop}")
    if stop > len(block_table) * block_size:
        raise ValueError(f"the table is too short for {stop} tokens")
    return [block_table[pos // block_size] * block_size + pos % block_size for pos in range(start, stop)]
    ### END SOLUTION

# %% check="slot_mapping"
check("45.slot_mapping", slot_mapping)

# %% [markdown] about="paged_attention"
# Compute the attention of one new token over a paged cache.
#
# - `q` has the shape (Hq, D): one query for each query head. `k_cache` and `v_cache` have the shape (blocks, block_size, Hkv, D). All are float32.
# - Hq is a multiple of Hkv. Query heads are grouped (grouped-query attention, GQA): with 8 query heads on 2 KV heads, query heads 0 to 3 read KV head 0, and 4 to 7 read KV head 1.
# - The sequence's tokens lie in the blocks of `block_table`, in its order. Attend to the first `length` tokens, at least 1. The last block that is needed may be partly filled.
# - The table may be longer than needed, and may name a block twice.
# - Scores are q·k / √D, and their softmax weights the values. Scores (after the division) may reach ±10,000, so subtract the maximum before you exponentiate. float32 is enough.
# - All slots that are not the sequence's first `length` hold garbage, possibly nan. It must not reach the result.
# - Return a float array (Hq, D), right to a relative 1e-4.
#
# For example one head with D = 2, blocks of 2: q = [1, 0], block 2 has the keys [1, 0] and [0, 1] with the values [1, 0] and [0, 1], block 0 has the key [2, 0]
# with the value [1, 1] and then garbage. Table [2, 0] and length 3 give [[0.8600, 0.7160]].

# %% exercise="paged_attention"
def paged_attention(q: np.ndarray, k_cache: np.ndarray, v_cache: np.ndarray, block_table: list[int],
                    length: int) -> np.ndarray:
    """Attention of one query q (Hq, D) over the first `length` tokens of a block table: (Hq, D)."""
    ### BEGIN SOLUTION
    (q_heads, d), kv_heads = q.shape, k_cache.shape[2]
    k, v = (cache[block_table].reshape(-1, kv_heads, d)[:length] for cache in (k_cache, v_cache))  # (length, Hkv, D)
    k, v = (np.repeat(x, q_heads // kv_heads, axis=1) for x in (k, v))  # (length, Hq, D)
    scores = np.einsum("hd,thd->ht", q, k) / np.sqrt(d)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("ht,thd->hd", weights, v)
    ### END SOLUTION

# %% check="paged_attention"
check("45.paged_attention", paged_attention)

# %% [markdown] about="BlockManager"
# Write the bookkeeping of a block pool: tables, reference counts, copy-on-write. No keys and values are involved.
#
# - `BlockManager(num_blocks, block_size)` starts with all blocks free. `num_free()` tells how many are.
# - `add(seq, n_tokens)` starts a sequence of `n_tokens` tokens (0 or more) in as many new blocks as it needs.
# - `table(seq)` returns the list of the ids of its blocks, in order. Ids are integers; which ones you hand out is up to you.
# - `fork(parent, child)` starts `child` with the parent's tokens, *sharing* all blocks. It takes no new block.
# - `append(seq)` adds one token.
#   - If the last block is full, or there is none, it takes a new block and returns None. A full block is never copied.
#   - If the last block is partly filled and other sequences share it, it is replaced in this table by a new block. Return the pair (old id, new id): the caller copies the contents.
#   - If the last block is partly filled and this sequence alone has it, return None.
# - `free(seq)` forgets a sequence. A block becomes free when no table names it any more.
#
# Errors: KeyError for a sequence that is not in use (for `fork`: the parent, looked at first). ValueError if `add` or `fork` is to start a sequence that is in use. A freed one is not in use and may be started again.
# MemoryError if a call needs more blocks than are free. A call that raises changes nothing.
#
# For example with `BlockManager(6, 4)`: `add("a", 6)` leaves 4 free; `fork("a", "b")` 4; `append("a")` returns a pair and leaves 3; `append("b")` returns None (it is the sole owner now) and leaves 3;
# `free("a")` leaves 4; `free("b")` leaves 6.

# %% exercise="BlockManager"
class BlockManager:
    """Block tables of many sequences over one pool: growth, sharing by fork, copy-on-write."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        ### BEGIN SOLUTION
        self.block_size = block_size
        self.pool = list(range(num_blocks))
        self.refs = [0] * num_blocks
        self.tables, self.lengths = {}, {}

    def _take(self, n: int) -> list[int]:
        if n > len(self.pool):
            raise MemoryError(f"out of KV blocks: {n} needed, {len(self.pool)} free")
        taken = [self.pool.pop() for _ in range(n)]
        for block in taken:
            self.refs[block] = 1
        return taken

    def _drop(self, block: int) -> None:
        self.refs[block] -= 1
        if self.refs[block] == 0:
            self.pool.append(block)

    def _check_new(self, seq: str) -> None:
        if seq in self.tables:
            raise ValueError(f"{seq!r} is in use")
        ### END SOLUTION

    def add(self, seq: str, n_tokens: int) -> None:
        """Start a sequence of n_tokens tokens."""
        ### BEGIN SOLUTION
        self._check_new(seq)
        self.tables[seq] = self._take(ceil(n_tokens / self.block_size))
        self.lengths[seq] = n_tokens
        ### END SOLUTION

    def append(self, seq: str) -> tuple[int, int] | None:
        """Add one token; (old block, new block) when that took a copy-on-write, else None."""
        ### BEGIN SOLUTION
        table, event = self.tables[seq], None
        if self.lengths[seq] % self.block_size == 0:
            table += self._take(1)
        elif self.refs[table[-1]] > 1:
            event = (table[-1], *self._take(1))
            self._drop(table[-1])
            table[-1] = event[1]
        self.lengths[seq] += 1
        return event
        ### END SOLUTION

    def fork(self, parent: str, child: str) -> None:
        """Let `child` continue `parent`: all blocks are shared, none is copied."""
        ### BEGIN SOLUTION
        table = self.tables[parent]
        self._check_new(child)
        for block in table:
            self.refs[block] += 1
        self.tables[child], self.lengths[child] = list(table), self.lengths[parent]
        ### END SOLUTION

    def free(self, seq: str) -> None:
        """Forget the sequence; blocks that nobody else references return to the pool."""
        ### BEGIN SOLUTION
        for block in self.tables.pop(seq):
            self._drop(block)
        ### END SOLUTION

    def num_free(self) -> int:
        """Blocks in the pool that nobody references."""
        ### BEGIN SOLUTION
        return len(self.pool)
        ### END SOLUTION

    def table(self, seq: str) -> list[int]:
        """Ids of the sequence's blocks in order."""
        ### BEGIN SOLUTION
        return list(self.tables[seq])
        ### END SOLUTION

# %% check="BlockManager"
check("45.BlockManager", BlockManager)

# %% [markdown] about="kv_waste"
# Compute which share of its slots a request leaves empty over its whole life.
#
# - The request holds `prompt_len` tokens at first, then one more each step, up to `prompt_len` + `output_len`. These are `output_len` + 1 lengths, each for one step.
# - With n tokens it holds as many blocks of `block_size` slots as n tokens need. Nothing is shared.
# - Return the sum of its empty slots over the sum of its held slots (empty and filled), both taken over all these lengths.
# - Raise a ValueError for `prompt_len` < 1, `output_len` < 0 or `block_size` < 1.
#
# For example `(10, 6, 4)` → 0.09, `(19, 58, 16)` → 0.136585…, `(161, 338, 16)` → 0.022389….

# %% exercise="kv_waste"
def kv_waste(prompt_len: int, output_len: int, block_size: int) -> float:
    """Share of held slots that is empty over the life of a request: sum of empty slots over sum of held slots.

    Raises ValueError for a prompt or block below 1 or a negative output.
    """
    ### BEGIN SOLUTION
    if prompt_len < 1 or output_len < 0 or block_size < 1:
        raise ValueError("prompt_len and block_size must be positive, output_len not negative")
    lengths = range(prompt_len, prompt_len + output_len + 1)
    held = sum(ceil(n / block_size) * block_size for n in lengths)
    return (held - sum(lengths)) / held
    ### END SOLUTION

# %% check="kv_waste"
check("45.kv_waste", kv_waste)

# %% [markdown] about="beam_sharing"
# Count the physical blocks of a beam search.
#
# - `n` beams start from one prompt of `prompt_len` tokens (at least 1), and share all its blocks. `n` is the length of each row of `parents`.
# - In step t beam i continues beam `parents[t][i]` of the step before: it forks it, sharing all its blocks. Beams of the step before that nobody continues release theirs.
# - Then each beam appends one token of its own. A partly filled last block that it shares is copied first, as in exercise 3.
# - Return a pair. First a list: the number of different physical blocks that the n beams hold after each step.
# - Second the saving, a float: 1 − (sum of that list) / (sum over all steps of n·ceil(length / `block_size`)). The length after the first step is `prompt_len` + 1.
# - `parents` has at least one row, and all its rows have n entries. Raise a ValueError for any parent outside 0 … n − 1.
#
# Parallel sampling is the special case in which each row is [0, 1, …, n − 1].
#
# For example `(3, [[0, 0], [0, 0], [0, 1], [1, 1], [0, 1]], 2)` → `([3, 4, 4, 5, 5], 0.34375)`. Without new parents `(3, [[0, 1]] * 5, 2)` → `([3, 5, 5, 7, 7], 0.15625)`.

# %% exercise="beam_sharing"
def beam_sharing(prompt_len: int, parents: list[list[int]], block_size: int) -> tuple[list[int], float]:
    """Distinct physical blocks after each step and the share that sharing saves over all steps.

    Raises ValueError for a parent outside 0 ... n - 1.
    """
    ### BEGIN SOLUTION
    n, length, fresh = len(parents[0]), prompt_len, count()
    if not all(0 <= p < n for row in parents for p in row):
        raise ValueError(f"a parent must lie within 0 and {n - 1}")
    tables = [[next(fresh) for _ in range(ceil(prompt_len / block_size))]] * n
    physical, logical = [], 0
    for row in parents:
        shared = length // block_size  # full blocks; the tail, after this step, is each beam's own
        tables = [[*tables[p][:shared], next(fresh)] for p in row]
        length += 1
        physical.append(len(set(chain.from_iterable(tables))))
        logical += n * ceil(length / block_size)
    return physical, 1 - sum(physical) / logical
    ### END SOLUTION

# %% check="beam_sharing"
check("45.beam_sharing", beam_sharing)

# %% [markdown]
# ## Measure it
#
# The decoder from above serves 64 requests of random tokens. Prompts have 24 tokens on average and outputs 34 (lognormal). The cache has 2,048 slots:
# 5 slabs of 384, or blocks of 1, 16 or 64. A request is admitted when its *final* length fits, so nobody is preempted. A last run admits on the prompt alone.
#
# Before you run it: by how much will the number of decode steps fall?

# %% experiment
from utils.widgets.ch45_paged_attention import run_serving, same_texts, serving_table

runs = run_serving(seed=0)
assert runs["paged 16"].steps < runs["contiguous"].steps / 2
assert runs["paged 1"].waste < runs["paged 16"].waste < runs["paged 64"].waste < runs["contiguous"].waste
serving_table(runs)

# %% experiment
print("all caches led to the same text:", same_texts(runs))

# %% [markdown]
# Blocks of 16 need 136 steps instead of 440, with 15.6 requests in a step instead of 4.8. The slabs left 87 % of their slots empty.
# Blocks of 64 waste 40 %, since most requests need only one or two blocks. Blocks of 1 waste nothing and gain no step over 16.
#
# The factor depends on the draw of the lengths: seeds 0, 1 and 2 gave 3.2, 2.2 and 2.0 times fewer steps. The last run had to preempt 6 requests and recompute 137 tokens.
#
# Fewer steps are not as much less time on a CPU, where a bigger batch costs more. On a GPU that waits for its weights a step hardly gets longer.

# %% experiment
from utils.widgets.ch45_paged_attention import wall_chart

wall_chart(runs)

# %% [markdown]
# With a GPU the next cell runs the loop in float16 with 16 times the requests and slots. Without one it says so.

# %% experiment
from utils.widgets.ch45_paged_attention import gpu_serving

gpu_serving()

# %% [markdown]
# Last, a decode step's attention alone on a GPU: 64 sequences of 4,096 tokens. Once the cache is contiguous. Once it lies in blocks in random order, and plain torch gathers them before torch's own kernel runs.
# Before you run it: how much longer will the second way take? Count how often the cache crosses the memory's boundary.

# %% experiment
from utils.widgets.gpu_measurements import gpu_measurement

gpu_measurement("paged_attention")

# %% [markdown]
# Expect about 3 times: the gather reads the cache and writes a copy, and attention reads the copy. A paged kernel reads *through* the table instead, once. That is why it costs 20–26 %, and not 200 %.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | prefill computes the whole prompt at once and fills the cache; decode adds a token a step | holds | the same logits up to rounding, computed above |
# | 2 | decode usually takes longer, because it is sequential | depends | each decode step reads all weights and the cache again. With a prompt of 30,000 tokens and a short answer, prefill takes longer |
# | 3 | the cache grows with requests and length, and the output's length is unknown | holds | OPT-13B: 819,200 bytes a token, 1.68 GB for 2,048. Llama-3-8B: 131,072 bytes, thanks to grouped-query attention |
# | 4 | virtual memory is simulated from physical memory and cut into the same pages | imprecise | two address spaces; page tables map pages to frames. It ends *external* fragmentation, the last page's empty end stays |
# | 5 | block = page, token = byte, sequence = process | holds | an analogy: nothing is loaded from disk on demand, and no hardware walks the table; the kernel does |
# | 6 | only the last block is wasted, under 4 % | depends | 2.2 % for ShareGPT's mean lengths, 13.7 % for Alpaca's (blocks of 16). 96.3 % filled is one measured set-up (the paper, figure 2) |
# | 7 | systems before it waste memory | holds | 20.4 % (maximum reserved), 26.8 % (power of two) and 38.2 % (length known) of the cache held tokens |
# | 8 | in *parallel sampling* sharing saves 55 % of memory and gives 2.2 times the throughput | wrong | 55 % is *beam search* with 6 beams on Alpaca; on ShareGPT it reached 66.3 %. Parallel sampling saved 6.1–9.8 % on Alpaca, 16.2–30.5 % on ShareGPT. The announcement says "up to" for both figures, and means both methods |
# | 9 | reference counts and copy-on-write make sharing safe | dated | true for the paper. vLLM's version 1 shares full blocks by hash, its tables only grow, nothing is copied (November 2026) |
# | 10 | (left out) what paging costs | gap | 20–26 % more time in the attention kernel; vAttention keeps virtual memory contiguous instead |
#
# Rows 1, 3 and 7, and the shares of row 6, were computed above. Here are rows 2, 8 and 9.

# %%
from utils.attention.kv_cache import request_phases_ms
from utils.hardware.gpu_arch import GPUS

h100 = GPUS["H100 SXM"]
weight_bytes = flops_per_token = 15.01e9  # 7.5 billion weights in matrix products: 2 bytes and 2 FLOPs each
print("row 2: Llama-3-8B in BF16 alone on an H100, least times (arithmetic of attention left out)")
for prompt_len, output_len in ((100, 500), (1_000, 100), (8_000, 200), (30_000, 20)):
    ms = request_phases_ms(prompt_len, output_len, weight_bytes, 131_072, flops_per_token, h100.mem_gb_s, h100.peak_tflop_s["bf16"])
    print(f"  {prompt_len:6,} + {output_len:3} tokens: prefill {ms['prefill_ms']:6.1f} ms, decode {ms['decode_ms']:7.1f} ms")

print("row 8: saved by sharing on Alpaca (published, then replayed for mean lengths with random parents)")
published = {2: (0.0609, 0.3756), 4: (0.0853, 0.5313), 6: (0.0979, 0.5516)}
for n, (parallel, beams) in published.items():
    ours = (our_beam_sharing(19, [list(range(n))] * 58, 16)[1],
            our_beam_sharing(19, random_beam_parents(n, 58, np.random.default_rng(n)), 16)[1])
    print(f"  {n} sequences: parallel {parallel:5.1%} and {ours[0]:5.1%}; beam search {beams:5.1%} and {ours[1]:5.1%}")

p, n, size = 170, 4, 16
print(f"row 9: {n} samples of a prompt of {p} tokens, blocks of {size}: {p // size} full blocks are shared in both designs")
print(f"  copy-on-write copies {n - 1} tails of {p % size} tokens; by hash {n - 1} × {p % size} = {(n - 1) * (p % size)} tokens are computed again")

# %% [markdown]
# For beam search the replay gives the size of the effect. For parallel sampling it comes out more than twice too high:
# every request of the replay has mean lengths, while the real trace mixes long answers, which share nothing, with short ones.

# %% [markdown]
# ## Explain it
#
# A product manager asks: "We switched to a paged KV cache and throughput doubled. So attention is twice as fast now?" Answer in five or six sentences.
#
# A good answer names:
# 1. what limited the number of requests before, and why (unknown length, reserved maximum);
# 2. what a block table does, and what is still wasted;
# 3. why a bigger batch raises throughput (each step reads the weights once);
# 4. that the attention kernel got slower, not faster, and by how much;
# 5. what happens when the pool runs out.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# No. Attention for a token costs the same arithmetic, and its kernel is 20–26 % slower in the paper, because it reads through a table.
# Before, each request reserved memory for the longest answer possible, since nobody knows how long it gets. Most of that stayed empty, so few requests fit.
# Now the cache is cut into blocks of 16 tokens, and a block table for each request says where they are. Only the end of its last block is empty.
# So more requests run at once. A decode step reads all weights once for all of them, and that reading was the cost: more tokens come out of each step.
# If the pool runs out, the newest request is stopped and recomputed later, so watch the number of preemptions.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("45")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | KV cache | KV缓存 | keys and values of the tokens so far |
# | prefill, decode | 预填充、解码 | the prompt in one pass; then one token a step |
# | block, page | 块、页 | a fixed number of token slots |
# | block table | 块表 | maps a sequence's logical blocks to physical ones |
# | slab | 连续预留区 | one piece of memory for a whole request |
# | internal fragmentation | 内部碎片 | unused space inside an allocation |
# | external fragmentation | 外部碎片 | gaps between allocations that fit nothing |
# | reference count | 引用计数 | how many tables name a block |
# | copy-on-write | 写时复制 | a shared block is copied when someone writes to it |
# | parallel sampling | 并行采样 | several answers to one prompt |
# | beam search | 束搜索 | keeps the n best continuations at each step |
# | prefix caching | 前缀缓存 | requests with equal beginnings share full blocks |
# | preemption | 抢占 | a running request gives up its blocks |
# | recompute, swap | 重算、换出 | two ways to bring its cache back |
# | continuous batching | 连续批处理 | requests enter and leave the batch at each step |
# | grouped-query attention (GQA) | 分组查询注意力 | several query heads share one key/value head |

# %% [markdown]
# ## Sources
#
# - W. Kwon et al., *Efficient Memory Management for Large Language Model Serving with PagedAttention*, SOSP 2023, arXiv:2309.06180: sections 4 and 6.3, 7.1 and 7.2, figures 2, 11, 13, 15 and 18, table 1.
# - The vLLM team, *vLLM: Easy, Fast, and Cheap LLM Serving with PagedAttention*, 20 June 2023, vllm.ai (repository vllm-project/vllm-project.github.io).
# - vLLM documentation (stable and latest, read in November 2026): "Automatic Prefix Caching" (design), `vllm.v1.core.block_pool` (append-only block tables), `vllm.config.cache` (defaults), "Optimization and Tuning" (preemption by recomputation).
# - R. Prabhu et al., *vAttention: Dynamic Memory Management for Serving LLMs without PagedAttention*, 2024, arXiv:2405.04437.
# - G.-I. Yu et al., *Orca: A Distributed Serving System for Transformer-Based Generative Models*, OSDI 2022: scheduling at each step.
