# %% [markdown]
# # 37 · What are front-end and back-end compression techniques?
# **什么是前端压缩技术和后端压缩技术？**
#
# A firmware image has 5,000 bytes left, and the network for it takes 68,904. Some methods give you a smaller network. Others write the same network in fewer bytes.
# You will use both kinds, and end with a real file of 4,277 bytes that is read back into the same network.
#
# About 110 minutes: 74 for the five exercises, the rest to read, measure and explain. It helps to know chapters 15 (quantization), 16 (pruning) and 25 (distillation).

# %% setup
import heapq

import numpy as np

# %% [markdown]
# ## The short answer
#
# > I ask what a method changes.
# >
# > Front-end methods change the *network*. It stays an ordinary dense model, only smaller, and every runtime profits: compact architectures, structured pruning, distillation, low-rank factors.
# > Back-end methods change how a trained network is *written*: quantization, unstructured pruning with sparse storage, shared weights, binary and ternary weights, entropy coding.
# > They need a kernel that knows the format, or a decoder before the first layer runs.
# >
# > Many texts divide by the calendar instead, before or after training. Then several methods stand on both sides.
# > Factors usually come from an SVD *after* training. Quantization-aware training quantizes *during* it. So I say which definition I use.
# >
# > LoRA shares the mathematics of low rank, but it is fine-tuning: the served model is as large as before.
# >
# > Entropy coding helps storage and download. It does not save memory or time at run time, unless a kernel decodes on the fly.
# > DFloat11 does that: it takes about 30 % off BF16 weights without any loss.
# >
# > The kinds combine: prune, fine-tune, share or quantize, then code. Deep Compression brought AlexNet from 240 to 6.9 MB in this way.

# %% [markdown]
# ## How it works
#
# ### The network, and the goal
#
# Handwritten digits, 64 pixels in, two hidden layers of 128 and 64 neurons, 10 classes out. Each parameter is a float of 4 bytes (FP32).

# %%
from utils.compression.compression_chain import correct, pruned_digits, raw_bytes
from utils.networks.digits import load_digits_split, trained_digits

X_train, X_test, y_train, y_test = load_digits_split()
model = trained_digits()
print(f"{raw_bytes(model):,} bytes, {correct(model, X_test, y_test)} of {len(y_test)} test images right")

# %% [markdown]
# Can we zip it?

# %%
import lzma
import zlib

fp32_bytes = b"".join(p.detach().numpy().tobytes() for p in model.parameters())
print(f"zlib {len(zlib.compress(fp32_bytes, 9)) / len(fp32_bytes):.1%}, lzma {len(lzma.compress(fp32_bytes)) / len(fp32_bytes):.1%} of the bytes")

# %% [markdown]
# Hardly. zlib leaves 92.9 %, lzma 92.4 %. The low digits of trained weights look like noise, and noise does not compress.
# So the network has to change, or the way its weights are written.
#
# | method | what changes | who has to support it | kind here |
# |---|---|---|---|
# | compact architecture (chapter 10) | the network, before training | nobody | front-end |
# | distillation (25) | a smaller network learns from a large one | nobody | front-end |
# | structured pruning (16) | whole neurons or channels go | nobody | front-end |
# | low-rank factors | one layer becomes two thin ones | nobody | front-end |
# | quantization (15, 54) | fewer bits a number | integer kernels | back-end |
# | unstructured pruning (16) | single weights become 0 | a sparse kernel, or a decoder | back-end |
# | weight sharing | few distinct values, and an index for each weight | a decoder | back-end |
# | binary, ternary weights | 1 bit, or about 1.6 bits a weight | special kernels | back-end |
# | entropy coding | frequent symbols get short codes | a decoder | back-end |
#
# "Nobody" means: what is left is a dense network of ordinary layers. The course divides by what changes. Dividing by when it happens is as common: say which one you mean.
#
# ### Front-end: one layer as two
#
# A linear layer multiplies by a matrix W of m rows and n columns. Our second layer is 64 × 128: 8,192 weights.
# Replace it by two layers with 8 neurons between them: 8 × 128 and 64 × 8, together 1,536 weights.

# %%
from utils.compression.compression_chain import rank_snapshot

told = rank_snapshot(model, layer=1, rank=8)
print(f"{told['before']:,} → {told['after']:,} weights, {told['correct']} of {told['total']} right, error {told['error']:.0%} of the norm of W")

# %% [markdown]
# No training, and no image fewer is right. (One more or less is chance: the 95 % interval of 526 of 540 is 95.7 to 98.4 %.)
# Yet the product of the two differs from W by 45 % of W's norm. How was it chosen?
#
# The **singular value decomposition** (SVD) writes any matrix as a sum of simple ones: a column times a row, times a **singular value** that says how much it weighs.
# Sorted by weight, the first r of them are the best approximation of **rank** r. No other product of an m × r and an r × n matrix is nearer to W (Eckart and Young, 1936).

# %%
from utils.compression.low_rank import svd_factor

W = np.array([[3.0, 0.0], [0.0, 1.0]])
A, B = svd_factor(W, rank=1)
print("singular values", np.linalg.svd(W, compute_uv=False))
print("A·B =", (A @ B).round(10).tolist(), f"squared error {np.sum((W - A @ B) ** 2):.1f} of {np.sum(W**2):.0f}")

# %% [markdown]
# The squared error is the sum of the squared singular values that are left out: here 1² of 3² + 1².
#
# In our layer about 10 singular values stand out, as many as there are digits:

# %%
singular = told["singular"]
print("1 to 6:  ", singular[:6].round(2), "\n7 to 12: ", singular[6:12].round(2), "\nthe last:", singular[-1:].round(2))

# %% [markdown]
# Factors cost r·m + r·n parameters, the matrix m·n. They save something only while
#
# $$r\,(m + n) < m\,n .$$

# %%
from utils.compression.low_rank import break_even_rank

for m, n in ((1024, 1024), (512, 128), (64, 128), (64, 10)):
    print(f"{m:4} × {n:4}: full rank {min(m, n):4}, saves up to rank {break_even_rank(m, n)}")

# %% [markdown]
# A square matrix has to give up half of its rank before the first byte is saved. A rank that is right for the error may be wrong for the budget.
#
# The SVD treats all inputs alike, but a layer sees only some. Factors may be fitted to its *outputs* instead, by keeping the r directions in which these are largest on the training images:

# %%
from utils.compression.compression_chain import rank_curve

ranks = (2, 4, 6, 8, 12)
for aware in (False, True):
    row = rank_curve(model, 1, ranks, data_aware=aware)
    print(f"fitted to the {'outputs' if aware else 'weights'}:", ", ".join(f"rank {r} {good} right" for r, good in zip(ranks, row)))

# %% [markdown]
# At rank 4 that helps (424 against 403 right), at rank 2 it hurts. The smallest error of a layer's output is not the smallest error of the network's answer. Fine-tuning follows in practice.
#
# ### LoRA is not compression
#
# **LoRA** fine-tunes a large model: the weights W0 stay frozen, and only a product B·A of rank r is trained beside them. To serve the model, (alpha/r)·B·A is added to W0; alpha is a chosen scale, here 8.
# The letters are LoRA's own: A is r × n and B is m × r, the other way round than above.

# %%
from utils.compression.low_rank import lora_merge

rng = np.random.default_rng(0)
W0, A_lora, B_lora = rng.normal(size=(64, 128)), rng.normal(size=(4, 128)), rng.normal(size=(64, 4))
merged = lora_merge(W0, A_lora, B_lora, alpha=8, r=4)
print(f"trained {A_lora.size + B_lora.size:,} of {W0.size:,} numbers; rank of the update {np.linalg.matrix_rank(merged - W0)}")
print(f"served: {merged.size:,} numbers of rank {np.linalg.matrix_rank(merged)}")

# %% [markdown]
# Low rank is in the update, not in what is served. LoRA saves gradients and optimizer states in training (chapter 05).
#
# ### Back-end, step 1: zeros that are not stored
#
# Prune 80 % of the weights by magnitude and fine-tune for 6 epochs with the zeros held (chapter 16).

# %%
pruned = pruned_digits(0.8)
zeros = sum(int((m.weight == 0).sum()) for m in pruned.linears)
print(f"{zeros:,} of 17,024 weights are 0, {correct(pruned, X_test, y_test)} of {len(y_test)} right")

# %% [markdown]
# A decoder must know where the others stand. An absolute position among 17,024 takes 15 bits. The **gap**, the number of zeros since the previous stored weight, is mostly small.
# Give it 2 bits, so it can say 0 to 3:

# %%
from utils.compression.weight_sharing import gap_decode
from utils.compression.weight_sharing import gap_encode as our_gap_encode

row = np.array([0, 3.4, 0, 0, 0, 0, 0, 0.9, 0, 1.7])
entries = our_gap_encode(row, index_bits=2)
print("entries:", entries)
print("decoded:", gap_decode(entries, size=10).tolist())

# %% [markdown]
# The first entry, (1, 3.4): one zero, then 3.4. Then five zeros follow, too many for 2 bits. So a **padding entry** (3, 0.0) stores one of these zeros: 3 zeros are skipped and the fourth is written.
# One zero is left for the gap of 0.9. Each entry stands at *previous position + gap + 1*, where previous is −1 at the start. Padding entries need no rule of their own.
#
# ### Step 2: few values
#
# The kept weights are still floats of 4 bytes. **Weight sharing** replaces them by few values: a **codebook** holds at most 16 floats a layer, and each weight stores the 4 bits of an index.
# **k-means** finds the codebook: assign each weight to its nearest value, move each value to the mean of its weights, repeat.
#
# Where to start? "Density" puts the first values where most weights are, "linear" spreads them evenly between the smallest and the largest.

# %%
from utils.compression.deep_compression import deep_compress
from utils.networks.digits import DigitsMLP

for k in (4, 8, 16):
    good = {init: correct(deep_compress(pruned, 0.8, k, 5, init=init).load_into(DigitsMLP()), X_test, y_test)
            for init in ("linear", "density")}
    print(f"{k:2} values a layer: " + ", ".join(f"{init} {count} of 540 right" for init, count in good.items()))

# %% [markdown]
# Four values a layer cost a few images, eight cost nothing here. Where padding is needed, one of them is its 0.0.
# Deep Compression prefers the linear start, which keeps the few large weights apart. On this network the two differ little.
#
# What does a weight cost now? Each *stored* weight takes 4 bits of index and 5 bits of gap, and one in five is stored:
#
# $$\text{bits per original weight} = \text{density} \cdot (\text{value bits} + \text{gap bits}) = 0.2 \cdot (4 + 5) = 1.8$$
#
# against 32 before. Padding, codebooks and biases come on top.
#
# ### Step 3: frequent symbols get short codes
#
# The indices are not equally frequent, and neither are the gaps. How few bits would do?
# A symbol of probability p carries log2(1/p) bits. The average is the **entropy**:
#
# $$H = \sum p \log_2 \frac{1}{p}$$
#
# No code that gives each symbol a code of its own can take fewer bits on average.

# %%
from utils.compression.coding import entropy_bits
from utils.compression.deep_compression import SharedTensor

compressed = deep_compress(pruned, sparsity=0.8, k=16, index_bits=5)
for t in compressed.tensors:
    if isinstance(t, SharedTensor):
        print(f"{t.name:13} {len(t.index):5,} entries: values {entropy_bits(t.index):.2f} of 4 bits, gaps {entropy_bits(t.gaps):.2f} of 5 bits")

# %% [markdown]
# **Huffman's code** comes within one bit of the entropy, and no code for single symbols is shorter. It is a **prefix code**: no code is the beginning of another, so a stream needs no separators.
#
# Take five symbols with frequencies 8, 4, 2, 1 and 1. Merge the two rarest into a group of 2, then that group with the next 2, and so on. Each merge puts its symbols one level deeper.

# %%
from utils.compression.coding import canonical_codes, huffman_decode, huffman_encode
from utils.compression.coding import huffman_lengths as our_huffman_lengths

freq = {0: 8, 1: 4, 2: 2, 3: 1, 4: 1}
lengths = our_huffman_lengths(freq)
codes = canonical_codes(lengths)
symbols = [s for s, count in freq.items() for _ in range(count)]
stream, n_bits = huffman_encode(symbols, codes)
print("lengths", lengths, "codes", codes)
print(f"{n_bits} bits for {len(symbols)} symbols; entropy {entropy_bits(symbols)} bits each, {entropy_bits(symbols) * len(symbols):.0f} in all")
print("decoded again:", huffman_decode(stream, n_bits, codes) == symbols)

# %% [markdown]
# Here the probabilities are powers of one half, and the code meets the entropy exactly. A file stores the lengths alone: both sides make the same **canonical codes** from them.
#
# Now everything goes into one file: header, biases as they are, and for each layer its codebook, the code lengths, the coded indices and the coded gaps.

# %%
from utils.compression.deep_compression import CompressedModel

file_bytes = compressed.to_bytes()
decoded = CompressedModel.from_bytes(file_bytes).load_into(DigitsMLP())
print(f"{len(file_bytes):,} bytes instead of {raw_bytes(model):,}: {raw_bytes(model) / len(file_bytes):.1f} times smaller")
print("where they are:", compressed.breakdown())
print(f"decoded from the bytes: {correct(decoded, X_test, y_test)} of {len(y_test)} right")

# %% [markdown]
# It fits into 5,000 bytes. The decoded network is a dense one again: in memory it takes 68,904 bytes, and the same kernels multiply as many numbers as before.
# The codebooks' 164 bytes are 41 floats: k-means drops a value that no weight is nearest to, and of 16 a layer 14, 14 and 13 are left. Two of the 41 are the 0.0 of padding; the figure below shows the other 39.
#
# ### BF16: bits that are hardly used
#
# The same coding helps large models, and there it is lossless. A BF16 number has 1 sign bit, 8 exponent bits and 7 mantissa bits (chapter 26). Trained weights use few exponents.

# %%
from utils.widgets.ch37_front_back_compression import exponent_picture

exponent_picture()

# %%
import torch

from utils.compression.bf16_coding import huffman_bf16, unhuffman_bf16

weights = torch.cat([m.weight.detach().flatten() for m in model.linears]).to(torch.bfloat16)
stream, code_table = huffman_bf16(weights)
same = np.array_equal(unhuffman_bf16(stream, code_table), weights.view(torch.int16).numpy().view(np.uint16))
print(f"{weights.nbytes:,} → {len(stream):,} bytes ({len(stream) / weights.nbytes:.0%}), {code_table.bits_per_weight:.1f} bits a weight")
print("the same bits again:", same)

# %% [markdown]
# DFloat11 reports much the same for language models: about 2.6 bits of entropy in the exponent, about 11 bits a weight, about 30 % less. Its GPU kernel decodes the weights just before they are used.
#
# ### One bit, or three values
#
# Push sharing to the end: two values a layer, +α and −α. The best α for the squared error is the mean of |w|. The sign takes 1 bit.
# With a third value, 0, there is a choice: which weights become 0? The best α is the mean of |w| over those that are kept.

# %%
from utils.compression.binary import binarize, relative_error, ternarize_optimal, ternarize_twn

w = np.array([0.9, -0.3, 0.1, -1.1])
gaussian = np.random.default_rng(0).normal(size=100_000)
for name, fit in (("binary", binarize), ("ternary, best", ternarize_optimal), ("ternary, TWN's rule", ternarize_twn)):
    alpha, t = fit(w)
    print(f"{name:20} alpha {alpha:.2f}, t {t.tolist()!s:15} error left: {relative_error(w, alpha, t):.1%};", end=" ")
    print(f"of Gaussian weights: {relative_error(gaussian, *fit(gaussian)):.1%}")

# %% [markdown]
# "Error left" is the squared error as a share of ‖w‖². One bit leaves 36 % for Gaussian weights, three values 19 %. **TWN** (Ternary Weight Networks) keeps the weights whose |w| is above 0.7 · mean|w|, which is close to the best.
#
# Both are harsh when they come after training:

# %%
from utils.compression.compression_chain import few_valued

for values in (2, 3):
    good = correct(few_valued(model, values), X_test, y_test)
    print(f"{values} values a layer, no further training: {good} of {len(y_test)} right (before: {correct(model, X_test, y_test)})")

# %% [markdown]
# Networks of this kind are trained with the few values in the loop.
#
# Three values carry log2 3 = 1.585 bits. Two bits each would waste a pattern. Five of them fit into one byte, because 3⁵ = 243 ≤ 256: 1.6 bits each.

# %%
from utils.compression.binary import pack_trits, unpack_trits

t = np.array([1, 0, -1, -1, 1, 1, 0, 0, 1, -1])
packed = pack_trits(t)
print(f"{len(t)} values in {len(packed)} bytes {list(packed)}; unpacked again: {np.array_equal(unpack_trits(packed, len(t)), t)}")

# %% [markdown]
# Fewer bits are not faster by themselves. But if *inputs and weights* are signs, a dot product needs no multiplication. Write +1 as bit 1 and −1 as bit 0.
# Where the bits agree the product is +1, where they differ −1:
#
# $$a \cdot b = (n - d) - d = n - 2d,\qquad d = \text{popcount}(a \oplus b)$$
#
# ⊕ (xor) marks the bits that differ, and **popcount** counts ones. A CPU does 64 positions with one instruction of each.

# %%
from utils.compression.binary import pack_bits, packed_dot, xnor_operation_ratio

a, b = (np.where(np.random.default_rng(seed).random(1_000) < 0.5, 1, -1) for seed in (0, 1))
print(f"multiplied: {a @ b}, from {len(pack_bits(a))} bytes each: {packed_dot(pack_bits(a), pack_bits(b), 1_000)}")
print(f"operations of a 3 × 3 convolution over 256 channels: {xnor_operation_ratio(256, 3):.0f} times fewer")

# %% [markdown]
# That is a count of operations, in the way XNOR-Net counts. No clock was read.
#
# ## See it
#
# ![The file of the digits network in bytes. Huffman coding: values 1,496, gaps 1,500, codebooks 164, code tables 138, biases 808, headers 171, in all 4,277. With codes of fixed width it is 5,019. At the right, how many weights use each of the 39 shared values.](figure.svg)
#
# 80 % of the weights pruned, 16 values a layer, gaps of 5 bits: 4,277 bytes with Huffman coding, 5,019 with codes of fixed width, 68,904 before. The decoded network gets 525 of 540 test images right.
#
# **Compression chain.** Pruning saves most. Sharing comes next, and Huffman takes almost a quarter off values and gaps. Give the gaps 1 bit and count the padding entries.

# %% figure
from utils.widgets.ch37_front_back_compression import chain_explorer

chain_explorer()

# %% [markdown]
# **Rank.** The shaded singular values are kept. The dashed line is where factors stop saving. Look at the last layer: how much rank can it give up?

# %% figure
from utils.widgets.ch37_front_back_compression import rank_explorer

rank_explorer()

# %% [markdown]
# ## Exercises
#
# The set-up imports `heapq` and `numpy as np`.

# %% [markdown] about="compress_linear"
# Replace a weight matrix by two factors within a budget of parameters.
#
# - `W` is a float64 array of shape (m, n), finite, with at least one entry. `budget_ratio` is a float.
# - A has the shape (m, r) and B has (r, n). r is the largest whole number with r·(m + n) ≤ `budget_ratio`·m·n, and never above min(m, n).
# - Return the pair (A, B) of that r for which ‖W − A·B‖ (the root of the sum of squares) is as small as possible. How the singular values are split between A and B is up to you.
# - If r is 0, return None. If `budget_ratio` is 0 or below, raise a ValueError.
#
# For example W = diag(3, 1) with budget 1.0 gives r = 1 and A·B = diag(3, 0).
# `[[2, 0], [0, 2], [1, 1]]` with budget 1.0 also gives r = 1, and ‖W − A·B‖ = 2. The 4 × 4 identity with budget 0.4 gives None.

# %% exercise="compress_linear"
def compress_linear(W: np.ndarray, budget_ratio: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Best factors A (m, r) and B (r, n) of W (m, n) within a share of its parameters; None if r would be 0."""
    ### BEGIN SOLUTION
    if budget_ratio <= 0:
        raise ValueError(f"budget_ratio must be positive, got {budget_ratio}")
    m, n = W.shape
    r = min(int(budget_ratio * m * n / (m + n)), m, n)
    if r == 0:
        return None
    U, S, Vt = np.linalg.svd(W)
    return U[:, :r] * S[:r], Vt[:r]
    ### END SOLUTION

# %% check="compress_linear"
check("37.compress_linear", compress_linear)

# %% [markdown] about="huffman_lengths"
# Find the code lengths of an optimal prefix code.
#
# - `freq` maps symbols (ints) to their frequencies (ints, 0 or more).
# - Return a dict from symbol to the length of its code in bits (an int).
# - The sum of frequency · length over all symbols must be the least that a prefix code can have. Often several codes have it: any of them is right.
# - A symbol of frequency 0 gets no entry. If only one symbol is left, its length is 1.
# - If no symbol has a positive frequency, raise a ValueError.
#
# For example `{0: 8, 1: 4, 2: 2, 3: 1, 4: 1}` → `{0: 1, 1: 2, 2: 3, 3: 4, 4: 4}`, 30 bits in all. `{0: 3, 1: 3, 2: 2, 3: 2, 4: 2}` takes 28 bits: three of the symbols get 2 bits, and two get 3.
# `{7: 5, 9: 0}` → `{7: 1}`.

# %% exercise="huffman_lengths"
def huffman_lengths(freq: dict[int, int]) -> dict[int, int]:
    """Code length in bits per symbol of an optimal prefix code."""
    ### BEGIN SOLUTION
    used = {symbol: count for symbol, count in freq.items() if count > 0}
    if not used:
        raise ValueError("freq must have a positive frequency")
    if len(used) == 1:
        return dict.fromkeys(used, 1)
    lengths = dict.fromkeys(used, 0)
    heap = [(count, symbol, [symbol]) for symbol, count in used.items()]
    heapq.heapify(heap)
    while len(heap) > 1:
        (a, _, left), (b, tie, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:
            lengths[symbol] += 1
        heapq.heappush(heap, (a + b, tie, left + right))
    return lengths
    ### END SOLUTION

# %% check="huffman_lengths"
check("37.huffman_lengths", huffman_lengths)

# %% [markdown] about="gap_encode"
# Store the non-zero values of an array with relative positions of a fixed width.
#
# - `flat` is a one-dimensional float64 array. It may be empty. `index_bits` is an int, called b here.
# - Return a list of pairs (gap, value): gap is an int from 0 to 2^b − 1, value a float. An entry stands at position *previous + gap + 1*. Previous is the position of the entry before it, and −1 at the start.
# - Every non-zero value has its entry, in order. Where a gap would be above 2^b − 1, put padding entries (2^b − 1, 0.0) before it. Each uses up 2^b positions: 2^b − 1 skipped zeros and the 0.0 that it stores itself.
# - Use as few entries as possible. Nothing but padding stores 0.0, and zeros after the last value emit nothing.
# - If `index_bits` is below 1, raise a ValueError, whatever `flat` is.
#
# For example `[0, 3.4, 0, 0, 0, 0, 0, 0.9, 0, 1.7]` with 2 bits → `[(1, 3.4), (3, 0.0), (1, 0.9), (1, 1.7)]`,
# and `[5, 0, 0, 0, 0, 2, 0, 0]` with 2 bits → `[(0, 5.0), (3, 0.0), (0, 2.0)]`.

# %% exercise="gap_encode"
def gap_encode(flat: np.ndarray, index_bits: int) -> list[tuple[int, float]]:
    """The non-zero values of `flat` as (gap, value), gaps of `index_bits` bits."""
    ### BEGIN SOLUTION
    if index_bits < 1:
        raise ValueError(f"index_bits must be at least 1, got {index_bits}")
    span = 2**index_bits
    entries, previous = [], -1
    for position in np.flatnonzero(flat):
        bridges, gap = divmod(int(position) - previous - 1, span)
        entries += [(span - 1, 0.0)] * bridges
        entries.append((gap, float(flat[position])))
        previous = int(position)
    return entries
    ### END SOLUTION

# %% check="gap_encode"
check("37.gap_encode", gap_encode)

# %% [markdown] about="ternary_fit"
# Fit three values to given weights.
#
# - `w` is a one-dimensional float64 array of finite numbers.
# - Return (alpha, t). alpha is a float, t an array of w's shape with the values −1, 0 and 1. Its dtype is up to you.
# - The squared error, the sum of (w − alpha·t)², must be the least possible over all alpha and t. Where several pairs have it, any of them is right.
# - alpha is above 0, unless w has zeros only: then return (0.0, zeros).
# - If `w` is empty, raise a ValueError.
#
# For example `[0.9, -0.3, 0.1, -1.1]` → (1.0, [1, 0, 0, -1]) with the error 0.12. `[2, -1, 1, 0.1]` → (1.333…, [1, -1, 1, 0]). `[0, 0, 0]` → (0.0, [0, 0, 0]).
#
# A step on the way: suppose you knew which weights are kept. How large would the error be with the best alpha for them?

# %% exercise="ternary_fit"
def ternary_fit(w: np.ndarray) -> tuple[float, np.ndarray]:
    """(alpha, t) with the least squared error of w - alpha * t, where t has -1, 0 and 1."""
    ### BEGIN SOLUTION
    if w.size == 0:
        raise ValueError("w must not be empty")
    order = np.argsort(-np.abs(w))
    sums = np.cumsum(np.abs(w)[order])
    sizes = np.arange(1, w.size + 1)
    best = np.argmax(sums**2 / sizes)
    t = np.zeros(w.size)
    t[order[: best + 1]] = np.sign(w[order[: best + 1]])
    return float(sums[best] / sizes[best]), t
    ### END SOLUTION

# %% check="ternary_fit"
check("37.ternary_fit", ternary_fit)

# %% [markdown] about="xnor_dot"
# Compute a dot product of signs without multiplying them.
#
# - `a` and `b` are one-dimensional arrays, integers or floats, with at least one value each. All values should be +1 or −1.
# - Return their dot product as an int.
# - Pack both with `np.packbits`, and get the result from the packed bytes. Products of the vectors (`*`, `@`, `np.dot` and the like) and comparing a with b value by value are not allowed. A number times a count is fine, and so is comparing each vector with a number.
# - `np.packbits` takes integers and booleans. It turns 0 and False into bit 0, anything else into bit 1, and fills the last byte with zeros.
# - `np.bitwise_count` (NumPy 2.0 or later) counts the ones in each byte. Its results are unsigned: make an int of their sum before you subtract.
# - If a or b holds any other value than +1 and −1, or if they differ in length, raise a ValueError.
#
# For example `[1, 1, -1]` and `[1, -1, -1]` → 1, and `[1, -1, 1, -1, 1, -1, 1, -1, 1, 1]` with `[1, 1, 1, 1, 1, 1, 1, 1, 1, -1]` → 0.

# %% exercise="xnor_dot"
def xnor_dot(a: np.ndarray, b: np.ndarray) -> int:
    """Dot product of two vectors of +1 and -1, computed on packed bits."""
    ### BEGIN SOLUTION
    if len(a) != len(b):
        raise ValueError("a and b must have one length")
    for v in (a, b):
        if not np.all((v == 1) | (v == -1)):
            raise ValueError("a and b must hold +1 and -1 alone")
    differ = np.packbits(a == 1) ^ np.packbits(b == 1)
    return len(a) - 2 * int(np.bitwise_count(differ).sum())
    ### END SOLUTION

# %% check="xnor_dot"
check("37.xnor_dot", xnor_dot)

# %% [markdown]
# ## Measure it
#
# The chain once more. Before you run it: by which factor does each step shrink the bytes?

# %% experiment
from utils.widgets.ch37_front_back_compression import waterfall

waterfall()

# %% [markdown]
# "80 % pruned" is computed: it is "16 shared values" with 4 bytes in place of each index, and without codebooks. "16 shared values" and "Huffman" are the bytes of whole files.
#
# Now write the last one to the disk, read it in again, and compare every weight bit for bit:

# %% experiment
from utils.widgets.ch37_front_back_compression import written_and_read

written_and_read()

# %% [markdown]
# Huffman's code lies 1.3 % above the entropy bound. The biases, left as they are, take a fifth of the file.
#
# Could a general compressor have done that? NumPy's `savez_compressed`, zlib and lzma get the same network as FP32, as symmetric INT8 with a scale for each tensor, and both pruned:

# %% experiment
from utils.widgets.ch37_front_back_compression import compressor_table

compressor_table()

# %% [markdown]
# A general compressor finds the zeros without being told. On pruned INT8 weights lzma comes to 5,648 bytes, a third more than the chain, and needs no code of your own. That is a fair first step.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | compression is divided into front-end (before or during training) and back-end (after it) | one definition of two | the calendar puts SVD and quantization-aware training on the other side; dividing by what changes tells who has to support it |
# | 2 | unstructured pruning removes single weights *at random* | wrong | unstructured means without a pattern; which ones go is decided by a score. Random choice is far worse (below) |
# | 3 | low-rank factorisation is done before training | depends | usually an SVD of trained weights, then fine-tuning. It saves only for r < mn/(m + n): up to 511 for 1024 × 1024, 42 for 64 × 128 |
# | 4 | low rank is the core idea of LoRA, listed as compression | the idea yes, compression no | the update has low rank; the served matrix is full and as large as before (computed above) |
# | 5 | binary weights take 1 bit, ternary 2 | depends | three values carry 1.585 bits, and five fit into a byte: 1.6 bits. Trained Ternary Quantization stores 2 bits; BitNet b1.58 is named after log2 3 |
# | 6 | binarisation raises the speed a lot | depends | XNOR-Net's 58× counts high-precision operations, and needs binary *inputs* too. Its loss for binary weights alone in AlexNet: 2.9 points of top-1 in arXiv's abstract (2016), none in the article of 2020 |
# | 7 | Huffman coding shrinks the model file | holds, with limits | zlib leaves 93 % of FP32 weights. After pruning and sharing, Huffman's code takes 23 % off values and gaps. Nothing is gained once the file is decoded |
# | 8 | combining both kinds works well | holds | Deep Compression: AlexNet 240 → 6.9 MB, VGG-16 552 → 11.3 MB without loss of accuracy. Digits: 68,904 → 4,277 bytes, 526 → 525 of 540 |
#
# Row 2 in numbers, 80 % of the weights removed and no training afterwards:

# %%
from utils.compression.pruning import sparsity_curve

for score in ("random", "magnitude"):
    share = sparsity_curve(model, (X_test, y_test), (0.8,), "global", score)[0]
    print(f"{score:9}: {round(share * len(y_test))} of {len(y_test)} right")

# %% [markdown]
# ## Explain it
#
# A colleague Huffman-codes the FP32 weights of a model for a phone. The file shrinks by 7 %, and the app is neither faster nor smaller in memory. He asks what to do instead.
# Answer in five or six sentences.
#
# A good answer names:
# 1. why FP32 weights hardly compress;
# 2. what a decoder leaves in memory, and so why nothing got faster;
# 3. a method that makes the network itself smaller, and who has to support it;
# 4. a method that changes how weights are written, and who has to support it;
# 5. an order in which to combine them, with fine-tuning, and how to check the result.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The low mantissa bits of trained weights look random, so their entropy is close to the full width, and no lossless code gains much.
# Before the first layer runs the weights are decoded to FP32 again: memory, traffic and kernels are what they were.
# To be faster everywhere he has to change the network: structured pruning, distillation or low-rank factors leave a smaller dense model, which every runtime executes.
# Quantization to INT8 changes how weights are written: a quarter of the bytes, and faster where the phone's runtime has integer kernels.
# I would make the network smaller first, fine-tune, then quantize, and code the file last, for the download.
# After each step I would measure accuracy on held-out data with its interval, the file, the peak memory and the latency on the phone.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("37")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | front-end compression | 前端压缩 | changes the network; what is left is dense and ordinary |
# | back-end compression | 后端压缩 | changes how a trained network is written |
# | low-rank factorisation | 低秩分解 | W ≈ A·B with few columns in A |
# | singular value decomposition | 奇异值分解 | a matrix as a weighted sum of columns times rows; its first terms are the best of their rank |
# | weight sharing | 权值共享 | few distinct values, and an index for each weight |
# | codebook | 码本 | the table of shared values |
# | gap, padding entry | 相对索引、填充项 | zeros since the previous entry; a stored zero that bridges a long gap |
# | entropy | 信息熵 | average of log2(1/p): the bound in bits per symbol |
# | prefix code | 前缀码 | no code begins another one |
# | Huffman coding | 霍夫曼编码 | the optimal prefix code for single symbols |
# | canonical code | 范式霍夫曼 | the code that follows from the lengths alone |
# | binarisation | 二值化 | weights in {−α, +α} |
# | ternarisation | 三值化 | weights in {−α, 0, +α} |
# | popcount | 位计数 | the number of ones in a word |
# | LoRA | 低秩适配 | a trained low-rank update of a frozen weight |

# %% [markdown]
# ## Sources
#
# - S. Han, H. Mao, W. Dally, *Deep Compression*, ICLR 2016, arXiv:1510.00149: the chain, and the sizes of AlexNet and VGG-16.
# - C. Eckart, G. Young, *The Approximation of One Matrix by Another of Lower Rank*, Psychometrika, 1936.
# - E. Denton et al., *Exploiting Linear Structure Within Convolutional Networks for Efficient Evaluation*, NIPS 2014.
# - E. Hu et al., *LoRA*, ICLR 2022, arXiv:2106.09685.
# - C. Shannon, *A Mathematical Theory of Communication*, 1948; D. Huffman, *A Method for the Construction of Minimum-Redundancy Codes*, 1952.
# - T. Zhang et al., *70% Size, 100% Accuracy: Lossless LLM Compression … via Dynamic-Length Float (DFloat11)*, 2025, arXiv:2504.11651.
# - M. Rastegari et al., *XNOR-Net*, 2016, arXiv:1603.05279, and *Enabling AI at the Edge with XNOR-Networks*, Communications of the ACM, December 2020.
# - F. Li, B. Liu, *Ternary Weight Networks*, 2016, arXiv:1605.04711; C. Zhu et al., *Trained Ternary Quantization*, ICLR 2017.
# - S. Ma et al., *The Era of 1-bit LLMs: All Large Language Models are in 1.58 Bits*, 2024, arXiv:2402.17764.
