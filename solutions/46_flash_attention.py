# %% [markdown]
# # 46 · What is FlashAttention?
# **什么是Flash-Attention？**
#
# Attention compares every token with every other one. Written down directly, it makes a matrix of N × N numbers, sends it to memory and fetches it back.
# FlashAttention computes the same result and never stores that matrix. Without it, long prompts would not fit on a GPU.
#
# About 140 minutes: 105 for the five exercises, the rest to read, measure and explain. It helps to know chapters 03 (bytes of a number), 12 (FLOPs) and 44 (memory bandwidth).

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > FlashAttention computes *exact* softmax attention, tile by tile, in the GPU's on-chip memory.
# > Softmax needs the maximum and the sum of a whole row. A running maximum m and a running sum l get around that: when a larger score appears, everything summed so far is rescaled.
# >
# > So the score matrix S and the weights P are never written to HBM, the GPU's main memory. Extra memory falls from O(N²) to O(N). The FLOPs stay at O(N²d).
# > HBM traffic falls from Θ(Nd + N²) to Θ(N²d²/M), where M is the number of elements that fit in one multiprocessor's on-chip memory.
# >
# > The backward pass keeps only the output and one number a row, the logarithm of its Σ exp(score) (log-sum-exp). It computes S again: 25 % more matrix products in backward, for far fewer bytes.
# >
# > Version 2 put the loop over queries outside, and so found more parallel work. Version 3 overlaps copying, products and softmax on the H100 and adds FP8.
# > Version 4 is for the B200, where exp and shared memory are the bottleneck.
# > Decoding gains little from tiles: one query reads the KV cache (the stored K and V of all earlier tokens) once anyway. There the keys are split over workers, and the parts are merged exactly.

# %% [markdown]
# ## How it works
#
# ### A matrix that nobody asked for
#
# Take one layer with 32 heads of 128 features, and a prompt of 8,192 tokens in FP16. How many bytes go in and out, and how many lie in between?

# %%
N, d, heads = 8_192, 128, 32
print(f"Q, K, V and O: {4 * heads * N * d * 2 / 1e9:5.2f} GB")
print(f"S, the scores: {heads * N * N * 2 / 1e9:5.2f} GB")
print(f"P, the weights:{heads * N * N * 2 / 1e9:5.2f} GB")

# %% [markdown]
# Nobody wants S or P. Each of them is 16 times as large as the three inputs and the output together. With twice the tokens it is 32 times.
#
# Does it cost time? A GPU has two limits: its arithmetic, and its memory. The slower of the two sets the least time; this is the **roofline** model.
# Work whose limit is the memory is **memory-bound**. Here is the least time of this layer on an A100 (312 TFLOP/s in FP16, 1,555 GB/s):

# %%
from utils.attention import hbm

standard = hbm.attention_hbm_elements(N, d, 1, 1, "standard")
for name, elements in (("with S and P in memory", standard), ("with Q, K, V, O alone", 4 * N * d)):
    roof = hbm.attention_roofline_ms(N, d, heads, elements, 2, 312, 1555)
    print(f"{name:23} memory {roof['memory_ms']:5.2f} ms, arithmetic {roof['compute_ms']:5.2f} ms: {roof['bound']}-bound")

# %% [markdown]
# The arithmetic needs 3.5 ms, the traffic 11.2 ms, and nearly all of it is S and P. Most of the time the tensor cores, the units for matrix products, wait for a matrix that is thrown away.
#
# ### Two kinds of memory
#
# What we call GPU memory is **HBM**: large, and outside the chip. On the chip there are smaller memories. Here are those of an A100:

# %%
from utils.widgets.ch46_flash_attention import memory_tiers

memory_tiers()

# %% [markdown]
# The 20 MB that are often quoted are the second row: 108 pieces of 192 KiB, one in each multiprocessor. A kernel can use at most 164 KiB of a piece as **shared memory**.
# In the FlashAttention papers "SRAM" means that piece. One head's S of our example has 134 MB. Only small tiles of it fit.
#
# ### The ledger of standard attention
#
# Let us count elements that cross the boundary between HBM and chip. The meter below counts every load and every store of an algorithm.

# %%
from utils.attention.standard import standard_attention

rng = np.random.default_rng(0)
q, k, v = rng.standard_normal((3, 8, 4))  # 8 tokens, 4 features
meter = hbm.HBM()
o = standard_attention(q, k, v, hbm=meter)
print(f"read {meter.reads}, written {meter.writes}, together {meter.elements}")
print(f"4·N² + 4·N·d = {4 * 8 * 8 + 4 * 8 * 4}")

# %% [markdown]
# Where does each term come from?
#
# | step | read | written |
# |---|---|---|
# | S = Q·Kᵀ / √d | 2·N·d | N² |
# | P = softmax(S) | N² | N² |
# | O = P·V | N² + N·d | N·d |
#
# The products take 4·N²·d FLOPs. So the **arithmetic intensity**, FLOPs per byte, has a ceiling, whatever N is:

# %%
for n in (1_024, 8_192, 65_536):
    intensity = 4 * n * n * 64 / (2 * hbm.attention_hbm_elements(n, 64, 1, 1, "standard"))
    print(f"N = {n:6,}, d = 64: {intensity:.1f} FLOP per byte in FP16")
print(f"an A100 needs {312e12 / 1555e9:.0f} FLOP per byte to be busy")

# %% [markdown]
# It tends to d/2 = 32. The 201 FLOP per byte at which both limits are equal are the **ridge** of the A100. So the layer is memory-bound at every length.
#
# ### Why it can't just be fused
#
# The usual cure is **kernel fusion**: load, do all steps on chip, store once. Softmax stands in the way. Its first output needs the maximum and the sum of the whole row.
#
# $$P_{ij} = \frac{e^{s_{ij} - m_i}}{l_i}, \qquad m_i = \max_j s_{ij}, \qquad l_i = \sum_j e^{s_{ij} - m_i}$$
#
# Can m and l be found in one pass, with a block of the row at a time? Watch the scores 1, 3, 2, 5 in blocks of two:

# %%
from utils.attention.merge import online_softmax_states

for m, l in online_softmax_states(np.array([1.0, 3.0, 2.0, 5.0]), block=2):
    print(f"m = {m}, l = {l:.4f}")
print(f"old sum, seen from the new maximum: 1.1353 · exp(3 − 5) = {1.1353 * np.exp(3 - 5):.4f}")
print(f"the new block adds exp(2 − 5) + exp(5 − 5) = {np.exp(2 - 5) + 1:.4f}")

# %% [markdown]
# When the maximum moves from m to m′, the old sum is multiplied by exp(m − m′). This is **online softmax** (Milakov and Gimelshein, 2018).
#
# ### The output grows along
#
# O is a sum with the same weights, so it can be rescaled by the same factor. There is a second way to say it.
# Attend to some of the keys, and keep the output o with its **log-sum-exp**, lse = m + log l. exp(lse) is the **mass** of a part. Two parts over different keys can be merged, weighted by their masses:
#
# $$o = \frac{\sum_i e^{lse_i}\, o_i}{\sum_i e^{lse_i}}, \qquad lse = \log \sum_i e^{lse_i}$$

# %%
from utils.attention.merge import merge_pair

o_merged, lse = merge_pair(np.array([[1.0]]), np.array([0.0]), np.array([[3.0]]), np.array([np.log(3)]))
print(f"masses exp(0) = 1 and exp(ln 3) = 3, so weights 1/4 and 3/4: o = {o_merged.item():.4f}, lse = {lse.item():.4f} = ln 4")

# %% [markdown]
# The merge is exact and its order does not matter. Keep it in mind: split-KV decoding, below, rests on it.
#
# ### Tiles
#
# Now all the pieces are there. Take a tile of queries. Go through the keys tile by tile, with m, l and an accumulator on chip. Divide by l at the end, and write O once.

# %%
from utils.attention import flash

q, k, v = rng.standard_normal((3, 1_024, 64))
exact = standard_attention(q, k, v)
for block_q, block_k in ((128, 64), (100, 7), (1_024, 1_024)):
    o, lse = flash.flash_forward(q, k, v, block_q, block_k)
    print(f"tiles of {block_q:4} × {block_k:4}: largest difference {np.abs(o - exact).max():.0e}")

# %% [markdown]
# The differences are rounding: the additions come in another order. Nothing is approximated.
#
# How much crosses the boundary? The meter again, and a closed form beside it. `flash1` is the algorithm of 2022, `flash2` that of 2023.

# %%
runs = (("standard", (1, 1), lambda m: standard_attention(q, k, v, hbm=m)),
        ("flash1", (64, 384), lambda m: flash.flash_forward_v1(q, k, v, 64, 384, m)),
        ("flash2", (128, 64), lambda m: flash.flash_forward(q, k, v, 128, 64, hbm=m)))
for name, tile, run in runs:
    meter = hbm.HBM()
    run(meter)
    formula = hbm.attention_hbm_elements(1_024, 64, *tile, name)
    print(f"{name:8} measured {meter.elements:9,}, formula {formula:9,}, {meter.bytes(2) / 1e6:.2f} MB in FP16")

# %% [markdown]
# N = 1,024 and d = 64 are GPT-2's sizes. The traffic falls by a factor of 3.8 to 5.6.
#
# ### Which loop is outside
#
# The two versions visit the tiles in another order. The picture shows a causal grid: a token sees no later one, so nothing is visible in the tiles above the diagonal.

# %%
from utils.widgets.ch46_flash_attention import two_orders

two_orders()

# %% [markdown]
# - 2022: the keys are outside. K and V are read once, but O, l and m of *every* row come in and go out again for every key tile.
# - 2023: the queries are outside. O stays on chip until it is final. K and V are read again for every query tile.
#
# | algorithm | elements (Tr query tiles, Tc key tiles) |
# |---|---|
# | standard | 4N² + 4Nd |
# | flash1 | 3Nd + 2N + Tc·(3Nd + 4N) |
# | flash2 | 2Nd + N + Tr·2Nd |
#
# By this count version 2 does not always move less. What it gains is **parallel work**, and fewer operations that are no matrix products.
# A query tile needs no other query tile, so each can have a multiprocessor of its own. Count them for batch 1:

# %%
print(f"2022: {heads} heads = {heads} independent workers for the 108 multiprocessors of an A100")
print(f"2023: {heads} heads × {N // 128} query tiles of 128 rows = {heads * N // 128:,} workers")

# %% [markdown]
# On a real GPU, query tiles that run at the same time share K and V through the L2 cache. So HBM sees even less than this count.
#
# ### The causal mask
#
# In a language model a token sees no later one. FlashAttention-2 skips tiles in which nothing is visible, the hatched ones in the picture of both orders.
# It loads the tiles on the diagonal whole, and masks inside them. The saving is less than half:

# %%
for causal in (False, True):
    print(f"flash2, causal {causal!s:5}: {hbm.attention_hbm_elements(1_024, 64, 128, 64, 'flash2', causal):9,} elements")

# %% [markdown]
# Where is the diagonal when there are more keys than queries, as with a KV cache? FlashAttention since 2.1 aligns the last query with the last key (**bottom right**).
# PyTorch's `is_causal=True` aligns the first with the first (**top left**). One new query behind 10 keys shows the difference:

# %%
import torch
from torch.nn.functional import scaled_dot_product_attention

q1, k10, v10 = rng.standard_normal((1, 4)), rng.standard_normal((10, 4)), np.arange(10.0)[:, None]
torch_o = scaled_dot_product_attention(*(torch.from_numpy(a)[None, None] for a in (q1, k10, v10)), is_causal=True)
print(f"top left (torch):     o = {torch_o.item():.4f}, which is the value of key 0 alone")
print(f"bottom right (flash): o = {flash.flash_forward(q1, k10, v10, 1, 4, causal=True)[0].item():.4f}, from all ten")

# %% [markdown]
# ### The backward pass
#
# The gradients need P. Storing it would bring the N² numbers back. Instead the forward pass saves one number a row, lse, and backward rebuilds each tile:
#
# $$P = e^{S - lse}, \qquad dV = P^T dO, \qquad dP = dO\,V^T, \qquad D_i = \sum_c dO_{ic}\,O_{ic}$$
#
# $$dS = P \circ (dP - D), \qquad dQ = \frac{dS\,K}{\sqrt d}, \qquad dK = \frac{dS^T Q}{\sqrt d}$$
#
# Here S = Q·Kᵀ / √d, already divided by √d, and ∘ multiplies element by element.
# D is there because softmax couples a row: a larger score makes all other weights of its row smaller.

# %%
q, k, v, do = rng.standard_normal((4, 67, 16))
o, lse = flash.flash_forward(q, k, v, 16, 8, causal=True)
mine = flash.flash_backward(q, k, v, o, do, lse, 16, 8, causal=True)
leaves = [torch.from_numpy(a).requires_grad_() for a in (q, k, v)]
theirs = torch.autograd.grad(scaled_dot_product_attention(*(t[None] for t in leaves), is_causal=True), leaves, torch.from_numpy(do)[None])
for name, a, b in zip(("dq", "dk", "dv"), mine, theirs):
    print(f"{name}: largest difference to autograd {np.abs(a - b.numpy()).max():.0e}")
print(f"saved for backward: {lse.size} numbers instead of {67 * 67:,}")

# %% [markdown]
# Without recomputation the backward pass has 4 products of N²·d (for dV, dP, dQ, dK). With S again it has 5: 25 % more. It is still faster, because bytes were the limit.
#
# ### One query, many keys
#
# In decoding there is one new query. A single query offers no tiles to run side by side, so the *keys* are divided: **split-KV**, or Flash-Decoding. The merge puts the parts together.

# %%
keys, values = rng.standard_normal((2, 100_000, 64))
query = rng.standard_normal(64)
whole = flash.split_kv_decode(query, keys, values, 1)
print(f"64 workers against one: largest difference {np.abs(flash.split_kv_decode(query, keys, values, 64) - whole).max():.0e}")
cache, scores = 2 * 100_000 * 64, 4 * 100_000
print(f"read K and V: {cache:,} elements; S and P, if stored: {scores:,}, or {scores / (cache + scores):.0%} of all")

# %% [markdown]
# So tiles save next to nothing here: the KV cache is read once in any case. What helps is a smaller cache (fewer KV heads, quantisation), and workers for all multiprocessors.
#
# ### When tiles are too small
#
# The gain comes from the size of the tiles. For long N the factor of `flash2` tends to 2·Br/d, where Br = `block_q`, the queries in a tile. Here it is for d = 64, and then a small case in which `flash1` loses to standard attention:

# %%
for br in (16, 32, 64, 128, 256):
    ratio = hbm.attention_hbm_elements(65_536, 64, 1, 1, "standard") / hbm.attention_hbm_elements(65_536, 64, br, 64, "flash2")
    print(f"Br = {br:3}: {ratio:.2f} times less traffic; 2·Br/d = {2 * br / 64:g}")
print("N = 67, d = 16, tiles of 16 × 8:")
for name in ("standard", "flash1", "flash2"):
    print(f"  {name:8} {hbm.attention_hbm_elements(67, 16, 16, 8, name):,} elements")

# %% [markdown]
# ### Four versions
#
# Each version was made for the newest GPU of its time. Here are the papers' own best speeds. The *dense* peak is the rate without the doubling that data sheets state for sparse matrices.

# %%
from utils.widgets.ch46_flash_attention import version_table

version_table()

# %% [markdown]
# The B200 has twice the tensor cores' rate of the H100, and units for exp that are hardly faster. So the bottleneck moved.
# In PyTorch you rarely choose a version: `scaled_dot_product_attention` picks one of the kernels that it has for your GPU, your dtype and your mask.

# %% [markdown]
# ## See it
#
# ![A 16 × 16 score grid in tiles of 4 × 4 after ten tiles of a causal pass: 5 tiles computed, 5 hatched ones skipped, 8 rows finished. Beside it the traffic, 208 elements read and 40 written, and the scores of row 9 with the running maximum 2.15.](figure.svg)
#
# After 10 of 16 tiles, 208 elements were read and 40 written. 8 rows are final. Row 9 has seen 8 of its 10 keys: m = 2.15, l = 2.511. In the end 464 elements move; standard attention would move 1,280.
#
# **Tile theatre.** A small head of 4 features, so that small tiles pay. Step through the tiles (arrow keys work), and compare the two algorithms.

# %% figure
from utils.widgets.ch46_flash_attention import tile_theatre

tile_theatre()

# %% [markdown]
# **Traffic map.** Bytes and least time of one head against N, computed from the closed forms (nothing is measured, and the L2 cache is left out).

# %% figure
from utils.widgets.ch46_flash_attention import traffic_map

traffic_map()

# %% [markdown]
# **What FlashAttention does for a server, simulated.** Prompts of 16,000 tokens to Llama-3-8B on an A100. Standard attention also writes and reads back two N × N arrays for each head; their memory is not counted here, only their traffic. Step times are roofline bounds, a real server is slower.

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("46")

# %% [markdown]
# What to notice: the median first token comes after 0.92 s with FlashAttention and after 1.74 s without it. With prompts of 500 tokens it is 23 and 24 ms. Then limit a step to 1,024 tokens: prompts come in chunks, and the longest pause of the answers that are being written shrinks from 2.0 s to about 0.1 s.

# %% [markdown]
# ## Exercises
#
# One head throughout: `q` is (Nq, d), `k` is (Nk, d), `v` is (Nk, dv), arrays of floats. Scores are q·kᵀ / √d. Results may differ from the expected ones by 1e-9, where the inputs are float32 by 5e-3.

# %% [markdown] about="online_softmax"
# Find m = max(x) and l = Σ exp(x − m) in one pass.
#
# - `x` is annotated as an array, but it is not a full one. It knows two things only: `len(x)`, and slices like `x[0:4]`. A slice is a float64 array.
# - The last slice may run past the end, as with a list; it is then shorter.
# - Read left to right, at most `block` scores at a time, and each score once. A second look raises an error, and so does a longer slice.
# - Scores may be −inf (hidden keys), also whole blocks of them, also the first. Not all of them are −inf. Others may be as large as ±10,000.
# - Return the pair (m, l).
# - Raise a ValueError if `block` is below 1 or `x` is empty.
#
# For example the scores 1, 3, 2, 5 with `block=2` give (5.0, 1.2034379904932107). After the first block the state is m = 3, l = 1.1353.

# %% exercise="online_softmax"
def online_softmax(x: np.ndarray, block: int) -> tuple[float, float]:
    """m = max(x) and l = sum of exp(x - m) in one pass over x, at most `block` scores at a time.

    Raises ValueError for block < 1 or an empty x.
    """
    ### BEGIN SOLUTION
    if block < 1 or len(x) == 0:
        raise ValueError("block must be >= 1 and x must not be empty")
    m, l = -np.inf, 0.0
    for start in range(0, len(x), block):
        scores = x[start:start + block]
        m_new = max(m, scores.max())
        if m_new > -np.inf:
            l = l * np.exp(m - m_new) + np.exp(scores - m_new).sum()
            m = m_new
    return float(m), float(l)
    ### END SOLUTION

# %% check="online_softmax"
check("46.online_softmax", online_softmax)

# %% [markdown] about="merge_partials"
# Two workers attended to different halves of the keys, for the same N queries. Merge their results.
#
# - `o1` and `o2` are (N, d): each half's output, normalised within the half. `lse1` and `lse2` are (N,): the log of each half's Σ exp(score).
# - Return the pair (o, lse) of the attention over all keys, arrays of shape (N, d) and (N,).
# - An lse of −inf means that the row saw no key in that half. Its o is 0 there, and the half contributes nothing. If both are −inf, return o = 0 and lse = −inf for that row, never NaN.
# - An lse may be as large as ±800. exp(800) overflows.
# - Leave the arguments unchanged.
#
# For example o1 = [[1.0]], lse1 = [0.0], o2 = [[3.0]], lse2 = [ln 3] give o = [[2.5]] and lse = [1.3862943611].

# %% exercise="merge_partials"
def merge_partials(o1: np.ndarray, lse1: np.ndarray, o2: np.ndarray, lse2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """o (N, d) and lse (N,) over all keys, from those of two disjoint halves."""
    ### BEGIN SOLUTION
    lse = np.logaddexp(lse1, lse2)
    finite = np.where(np.isneginf(lse), 0, lse)  # -inf - (-inf) would be nan
    w1, w2 = np.exp(lse1 - finite), np.exp(lse2 - finite)
    return w1[:, None] * o1 + w2[:, None] * o2, lse
    ### END SOLUTION

# %% check="merge_partials"
check("46.merge_partials", merge_partials)

# %% [markdown] about="flash_forward"
# Write the forward pass, tile by tile.
#
# - Return the pair (o, lse): o (Nq, dv) = softmax(q·kᵀ / √d)·v, and lse (Nq,) = the log of each row's Σ exp(score), natural logarithm.
# - A tile has at most `block_q` queries and `block_k` keys. Block sizes need not divide Nq and Nk, and may be larger. dv may differ from d, and Nq from Nk.
# - With `causal` there are at least as many keys as queries, aligned bottom right: query i stands at position Nk − Nq + i and sees the keys 0 to there. Tiles in which no key is visible must be skipped. (The check puts NaN into the values of one key tile after another. A query tile that sees none of those keys must stay free of NaN.)
# - No product of matrices may form more than `block_q` × `block_k` scores at once. `p @ v` does not count as scores (the check takes d and dv below both block sizes).
# - Memory: with N = 1,500, d = dv = 4 and tiles of 8 × 256, 256 × 8 or 64 × 64, at most 1 MB may be allocated at the peak. All scores would take 18 MB.
#   With NumPy this includes the returned arrays, and not the inputs. With torch the largest single tensor counts.
# - Inputs are float64 or float32 (for float32 you may return either), and scores may reach ±10,000. Leave the inputs unchanged.
# - NumPy or torch, as you like. Ready-made attention (such as `scaled_dot_product_attention`) fails the exercise: the check reads your code.
#
# For example q = [[1, 0], [0, 1], [1, 1]], k = [[1, 0], [0, 1], [0, 0]], v = [[1, 0], [0, 1], [1, 1]] with tiles of 2 × 2 give
# o = [[.7517, .4965], [.4965, .7517], [.5989, .5989]] and lse = [1.3933, 1.3933, 1.6206];
# causal: o = [[1, 0], [.3302, .6698], [.5989, .5989]] and lse = [.7071, 1.1079, 1.6206].

# %% exercise="flash_forward"
def flash_forward(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int,
                  causal: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """o (Nq, dv) and lse (Nq,) of exact attention, one tile of scores at a time."""
    # 1. for each tile of queries: m, l and an accumulator
    # 2. for each tile of keys that some query of the tile may see: scores, mask, new maximum
    # 3. rescale l and the accumulator, add the tile's share
    # 4. after the last key tile: divide once, and put lse together
    ### BEGIN SOLUTION
    offset = len(k) - len(q)
    o, lse = np.empty((len(q), v.shape[1])), np.empty(len(q))
    for i in range(0, len(q), block_q):
        qi = q[i:i + block_q] / np.sqrt(q.shape[1])
        positions = offset + np.arange(i, i + len(qi))
        m, l = np.full(len(qi), -np.inf), np.zeros(len(qi))
        acc = np.zeros((len(qi), v.shape[1]))
        for j in range(0, len(k), block_k):
            if causal and j > positions[-1]:
                break
            s = qi @ k[j:j + block_k].T
            if causal:
                s[np.arange(j, j + s.shape[1]) > positions[:, None]] = -np.inf
            m_new = np.maximum(m, s.max(axis=1))
            p, keep = np.exp(s - m_new[:, None]), np.exp(m - m_new)
            l = keep * l + p.sum(axis=1)
            acc = keep[:, None] * acc + p @ v[j:j + block_k]
            m = m_new
        o[i:i + block_q] = acc / l[:, None]
        lse[i:i + block_q] = m + np.log(l)
    return o, lse
    ### END SOLUTION

# %% check="flash_forward"
check("46.flash_forward", flash_forward)

# %% [markdown] about="attention_hbm_elements"
# Count the elements (reads plus writes) that one head moves through HBM. There are n queries and n keys of d features, and values of d features too.
#
# - `"standard"`: reads Q, K and V, writes O. S and P are each written once and read back once.
# - `"flash1"`: writes the initial O, l and m (n·d, n and n elements). Then, over the whole pass, K and V are read once, and *for every key tile* all of Q is read, and all of O, l and m is read and written.
# - `"flash2"`: Q is read once, O and lse are written once. K and V are read *for every query tile*.
# - A tile has `block_q` queries or `block_k` keys; the last one may be shorter, and a block may be larger than n.
# - `causal` matters for `"flash2"` only; the other two ignore it. A query tile then loads no key tile in which all its queries see nothing. A key tile that is visible in part is loaded whole. Query i sees the keys 0 to i.
# - Raise a ValueError for a block size below 1 (whatever the algorithm), and for any other name of an algorithm. n and d are at least 1.
#
# For example n = 8, d = 4, tiles of 2 × 2: standard 384, flash1 624, flash2 328, causal flash2 232.
# n = 1,024, d = 64: standard 4,456,448; flash2 (128, 64) 1,180,672 and causal 721,920; flash1 (64, 384) 800,768.

# %% exercise="attention_hbm_elements"
def attention_hbm_elements(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> int:
    """Elements read plus written by one attention head over n queries and n keys of d features.

    Raises ValueError for a block size below 1 or an unknown algorithm.
    """
    ### BEGIN SOLUTION
    if block_q < 1 or block_k < 1:
        raise ValueError(f"block sizes must be >= 1, got {block_q} and {block_k}")
    if algorithm == "standard":
        return 4 * n * n + 4 * n * d
    if algorithm == "flash1":
        k_tiles = -(-n // block_k)  # rounded up
        return 3 * n * d + 2 * n + k_tiles * (3 * n * d + 4 * n)
    if algorithm != "flash2":
        raise ValueError(f"algorithm must be standard, flash1 or flash2, got {algorithm!r}")
    total = 0
    for start in range(0, n, block_q):
        rows, keys = min(block_q, n - start), n
        if causal:
            keys = min(n, -(-(start + rows) // block_k) * block_k)
        total += 2 * rows * d + rows + 2 * keys * d
    return total
    ### END SOLUTION

# %% check="attention_hbm_elements"
check("46.attention_hbm_elements", attention_hbm_elements)

# %% [markdown] about="flash_backward"
# A challenge: the backward pass, tile by tile. The formulas stand above under "The backward pass".
#
# - `do` is the gradient of `o`, both (N, dv). `o` and `lse` come from the forward pass, which was causal if `causal` is set. There are as many queries as keys.
# - Return the tuple (dq, dk, dv), arrays of the shapes of `q`, `k` and `v`, float64 as the inputs.
# - A tile has at most `block_q` queries and `block_k` keys, and block sizes need not divide N.
# - Memory: with N = 1,500, d = dv = 4 and tiles of 8 × 256, 256 × 8 or 64 × 64, at most 1 MB may be allocated at the peak, counted as in `flash_forward`.
# - Leave the arguments unchanged. NumPy or torch, but no ready-made attention.
#
# For example q = k = v = do = [[1, 0], [0, 1]], tiles of 1 × 1, not causal: o = [[.669762, .330238], [.330238, .669762]], lse = [1.107940, 1.107940]
# give dq = dk = [[.156399, -.156399], [-.156399, .156399]] and dv = o.

# %% exercise="flash_backward"
def flash_backward(q: np.ndarray, k: np.ndarray, v: np.ndarray, o: np.ndarray, do: np.ndarray, lse: np.ndarray,
                   block_q: int, block_k: int, causal: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dq, dk, dv) from o, its gradient do and lse: P is computed again, tile by tile."""
    ### BEGIN SOLUTION
    n, scale = len(q), 1 / np.sqrt(q.shape[1])
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    delta = (o * do).sum(axis=1)
    for j in range(0, n, block_k):
        for i in range(0, n, block_q):
            rows, cols = slice(i, i + block_q), slice(j, j + block_k)
            s = q[rows] @ k[cols].T * scale
            if causal:
                s[np.arange(j, j + s.shape[1]) > np.arange(i, i + len(s))[:, None]] = -np.inf
            p = np.exp(s - lse[rows, None])
            ds = p * (do[rows] @ v[cols].T - delta[rows, None]) * scale
            dq[rows] += ds @ k[cols]
            dk[cols] += ds.T @ q[rows]
            dv[cols] += p.T @ do[rows]
    return dq, dk, dv
    ### END SOLUTION

# %% check="flash_backward"
check("46.flash_backward", flash_backward)

# %% [markdown]
# ## Measure it
#
# Two measurements on your CPU. First the peak memory of the two NumPy versions above, for N from 256 to 2,048. Then torch: its CPU version ships a real tiled kernel.
# Before you run it: N doubles. How does the peak memory of each version grow?

# %% experiment
from utils.widgets.ch46_flash_attention import growth_chart, kernel_table, measure_numpy, measure_torch, numpy_slopes

peaks, kernels = measure_numpy(), measure_torch()
growth_chart(peaks, kernels)

# %% experiment
print(numpy_slopes(peaks))

# %% [markdown]
# The exponent is near 2 for standard attention. For tiles it is below 1: the tile itself has a fixed size, and only O and lse grow.
# On the right, `math` is standard attention and `flash` the tiled kernel. The times on one thread, the median of three calls:

# %% experiment
kernel_table(kernels)

# %% [markdown]
# The CPU's caches play the part of the SRAM here. At N = 2,048 expect less than a fifth of the memory, and a tiled kernel that is 2 to 5 times as fast..
#
# Last, a GPU: torch's own kernels in FP16, and our tiles written in plain torch operators. Before you run it: what do such tiles save, memory or time?

# %% experiment
from utils.widgets.gpu_measurements import gpu_measurement

gpu_measurement("sdpa_kernels")

# %% [markdown]
# Expect memory, and no time. Each torch operator is a kernel of its own: it reads its tile from HBM and writes it back. A tile pays in bytes only when *one* kernel does all steps on chip.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | an A100 40GB has 108 × 192 KB = 20.25 MB of SRAM | holds, with fine print | 20.25 MiB of L1 and shared memory together; at most 164 KiB of a piece is shared memory (17.30 MiB in all). 40 MiB of L2 and 27 MiB of registers are left out |
# | 2 | SRAM does 19 TB/s and HBM 1.5 TB/s, less than a tenth | depends | 8.2 % on the A100 40GB. The 19 TB/s are an estimate in the paper. H100, H200 and B200 have 3.35, 4.8 and 8 TB/s of HBM bandwidth |
# | 3 | SRAM "computes fast", HBM "computes slowly" | wrong words | memories do not compute. They differ in bandwidth, latency and size |
# | 4 | standard attention is memory-bound because N × N is read and written | holds | 4N² + 4Nd elements: at most d/2 FLOP per byte in FP16, against a ridge of 201 FLOP per byte |
# | 5 | approximate attention lowers FLOPs and not the time | depends | true where the bytes stay. Sliding windows, block-sparse FlashAttention and shared KV heads lower both |
# | 6 | kernel fusion: load, compute on chip, store | holds | but fusion alone is not enough: softmax needs whole rows, hence online softmax |
# | 7 | two extra statistics m and l decouple the softmax | holds | version 2 stores one of them, m + log l |
# | 8 | blocks are computed in parallel, not one after another | depends | version 1: heads and batch in parallel, key tiles in turn. Version 2: query tiles as well. Keys of one query in parallel only in split-KV, with a merge |
# | 9 | memory falls from O(N²) to O(N) | holds, incomplete | *extra* memory. FLOPs stay O(N²d), and with tiny tiles more bytes move than before |
#
# Rows 1, 4, 7 and 9 were shown or computed above. Here are 2 and 5 in numbers, row 5 against causal attention without a window:

# %%
from utils.hardware.gpu_arch import GPUS

sram_tb_s = 19
for name in ("A100 40GB", "A100 80GB", "H100 SXM", "H200", "B200"):
    print(f"row 2: {name:9} HBM {GPUS[name].mem_gb_s / 1000:.3f} TB/s")
print(f"row 2: {GPUS['A100 40GB'].mem_gb_s / 1000 / sram_tb_s:.1%} of {sram_tb_s} TB/s on the A100 40GB")

# %%
n, window, br = 16_384, 1_024, 128
full = hbm.attention_hbm_elements(n, 64, br, 64, "flash2", causal=True)
mean_keys = (n + br) / 2  # what a causal query tile visits on average
keys_per_tile = window + br  # a query tile and the window before it
sliding = 2 * n * 64 + n + 2 * 64 * keys_per_tile * (n // br)
print(f"row 5: a window of {window:,} at N = {n:,}: {mean_keys / keys_per_tile:.1f} times fewer FLOPs, {full / sliding:.1f} times fewer elements")

# %% [markdown]
# The paper's own table (Figure 2: GPT-2 medium, forward and backward, A100) is a good occasion to check a figure before quoting it:

# %%
from utils.attention.published import FIGURE_2, figure_2_computed

told, ours = FIGURE_2, figure_2_computed()
print(f"standard: {told['standard']['hbm_gb']} GB of HBM traffic printed, {ours['standard_hbm_gb']:.1f} GB counted without mask and dropout")
print(f"flash:    {told['flash']['hbm_gb']} GB printed, {ours['flash_hbm_gb']:.1f} GB counted with tiles of 128 × 128")
print(f"GFLOPs:   {told['standard']['gflop']} printed, {ours['standard_gflop']:.0f} follow from the shapes in the caption")
print(f"time:     {told['standard']['ms']} ms and {told['flash']['ms']} ms: {told['standard']['ms'] / told['flash']['ms']:.1f} times faster")

# %% [markdown]
# Use that table as an order of magnitude. The count for standard attention is below the printed figure, because mask and dropout are passes of their own.
# The count for flash is above it: it follows the loops of version 2 and knows no L2 cache. The printed GFLOPs do not fit the caption's batch of 64.

# %% [markdown]
# ## Explain it
#
# A colleague says: "FlashAttention approximates attention to save FLOPs. Let us switch it on, our chatbot will decode faster." Answer in five or six sentences.
#
# A good answer names:
# 1. that the result is exact, and which two numbers make that possible;
# 2. what happens to the FLOPs, in forward and in backward;
# 3. what falls instead: HBM traffic, and extra memory from O(N²) to O(N);
# 4. why a decode step gains little, and what helps there (split-KV, fewer KV heads, a quantised cache);
# 5. where the chatbot does gain: the prompt.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# FlashAttention is exact: a running maximum and a running sum for each row let it rescale partial results, so only the rounding differs.
# It saves no FLOPs. Forward stays at O(N²d), and backward computes S again, 25 % more matrix products there.
# What falls is traffic: S and P stay on chip, so extra memory goes from O(N²) to O(N), and the kernel no longer waits for HBM.
# A decode step has one query and reads the KV cache once in any case, so there is little to save. There we need split-KV for parallel work and a smaller cache: fewer KV heads, or a quantised one.
# The gain is in the prompt, and it grows with its length. So measure the time to the first token and the time per token separately, before and after.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("46")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | HBM | 高带宽显存 | the GPU's memory outside the chip |
# | SRAM, shared memory | 片上存储、共享内存 | the small memory of one multiprocessor |
# | tiling | 分块 | working on blocks that fit on chip |
# | online softmax | 在线softmax | softmax in one pass, with a running maximum |
# | log-sum-exp (lse) | 对数和指数 | m + log l, the log of a row's Σ exp(score) |
# | IO-aware | IO感知 | made to move little between memories |
# | kernel fusion | 算子融合 | several operations in one kernel |
# | recomputation | 重计算 | P is built again in the backward pass |
# | arithmetic intensity | 计算强度 | FLOPs per byte moved |
# | memory-bound | 访存受限 | limited by bytes, not by FLOPs |
# | causal mask | 因果掩码 | no look at later tokens |
# | split-KV, Flash-Decoding | KV切分解码 | workers share the keys of one query and merge |
# | prefill, decode | 预填充、解码 | the pass over the prompt; the step for one new token |

# %% [markdown]
# ## Sources
#
# - T. Dao et al., *FlashAttention*, NeurIPS 2022, arXiv:2205.14135: algorithms 0 to 4, theorem 2, proposition 3 (no exact algorithm moves less for all SRAM sizes), figure 2.
# - T. Dao, *FlashAttention-2*, 2023, arXiv:2307.08691.
# - J. Shah et al., *FlashAttention-3*, 2024, arXiv:2407.08608: up to 740 TFLOP/s in FP16.
# - T. Zadouri et al., *FlashAttention-4*, 5 March 2026, arXiv:2603.05451: up to 1,613 TFLOP/s in BF16 on a B200 (the repository's PDF says 1,605).
# - M. Milakov and N. Gimelshein, *Online normalizer calculation for softmax*, 2018, arXiv:1805.02867.
# - T. Dao, D. Haziza, F. Massa and G. Sizov, *Flash-Decoding for long-context inference*, 2023.
# - Dao-AILab/flash-attention, README: the causal mask is aligned bottom right since 2.1. PyTorch documentation, `scaled_dot_product_attention` and `torch.nn.attention.bias`.
# - NVIDIA A100 whitepaper, 2020; CUDA programming guide (compute capability 8.0).
