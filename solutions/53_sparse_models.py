# %% [markdown]
# # 53 · What is a sparse model?
# **什么是稀疏模型？**
#
# One team calls its model sparse because 70 % of the weights are zero. Its file is as large as before, and its answers take as long.
# Another team's sparse model answers quickly and needs two large GPUs. The word means different things, and you will compute what each of them saves.
#
# About 75 minutes: 52 for the five exercises, the rest to read, measure and explain. It helps to know chapters 16 (pruning), 42 (mixture of experts) and 44 (memory bandwidth).

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > A sparse model uses only a part of its parameters or operations. Four different things are called so.
# >
# > Single weights are zero: *unstructured* sparsity. It saves nothing before a format leaves the zeros out and a kernel, the program that computes the product, skips them.
# > The usual format, CSR, stores a column index beside each value. With 4-byte indices its bytes break even at about 50 % zeros for FP32 and at 67 % for FP16.
# > In time, a CPU breaks even somewhere between 75 and 95 %.
# > The 2:4 pattern keeps at most two of each four neighbours. Sparse tensor cores, units for it in NVIDIA's GPUs since 2020, have twice the dense peak. FP16 weights take 9/16 of the bytes.
# >
# > Whole blocks are missing: *structured* sparsity. That is simply a smaller dense model, and it is faster everywhere.
# >
# > Activations are zero: ReLU does that. It depends on the input, so it has to be found at run time.
# >
# > Experts are not asked: a *mixture of experts* sends each token to a few of its feed-forward networks. FLOPs per token follow the parameters in use, while all experts stay in memory.
# >
# > So sparsity saves FLOPs easily, memory sometimes, and time only with a kernel for exactly that pattern. I measure at the batch that I serve, and I compare with INT8 and with a smaller dense model.

# %% [markdown]
# ## How it works
#
# ### A zero is a number like any other
#
# We take a weight matrix of 1,024 × 1,024 in FP16 and set half of it to zero.

# %%
from utils.compression.sparsity import CSR, density

rng = np.random.default_rng(0)
W = rng.standard_normal((1024, 1024)).astype(np.float16)
dense_bytes = W.nbytes
W[rng.random(W.shape) < 0.5] = 0
csr = CSR.from_dense(W)
print(f"density {density(W):.3f}: share of entries that are not zero")
print(f"the array takes {W.nbytes:,} bytes, before it took {dense_bytes:,}")
print(f"in a sparse format: {csr.nbytes:,} bytes, {csr.nbytes / W.nbytes:.2f} times as many")

# %% [markdown]
# The zeros saved nothing, and the sparse format made it worse. To see why, look inside the format.
#
# **Density** is the share of entries that are not zero. **Sparsity** is the share that are: 1 − density. Say which of them you mean.
#
# ### CSR: three arrays
#
# **CSR** (compressed sparse row) goes through the matrix row by row and keeps what is not zero.

# %%
small = np.array([[0, 5, 0],
                  [0, 0, 0],
                  [7, 0, 8]])
c = CSR.from_dense(small)
print("data   ", c.data, " the values")
print("indices", c.indices, " the column of each")
print("indptr ", c.indptr, "where each row begins in the two others, and the end")

# %% [markdown]
# Row 0 owns place 0. Row 1 begins where it ends: it is empty. Row 2 owns the places 1 and 2.
#
# A product reads the three arrays and nothing else. Here each row gathers the entries of *x* that it needs:

# %%
x = np.array([1, 2, 3])
for row in range(3):
    start, end = c.indptr[row], c.indptr[row + 1]
    print(f"row {row}: {c.data[start:end]} · {x[c.indices[start:end]]} = {c.data[start:end] @ x[c.indices[start:end]]}")

# %% [markdown]
# Three multiplications instead of nine. But each of them had to read an index first.
#
# ### What a format weighs
#
# In FP16 a value has 2 bytes and its column index 4. So CSR takes 6 bytes where a dense array takes 2: three times as much for each value.
# Half of the values remained, so the result was about 1.5 times as large. The row pointers come on top, 4 bytes each.
#
# Other formats pay a different price. **COO** stores the row as well. A **bitmap** has one bit for each entry and then the values. **2:4** is explained below.

# %%
from utils.compression.sparsity import FORMATS, format_break_even, sparsity_payoff

print(f"{'1,024 × 1,024, FP16':>22}{'50 % zeros':>12}{'80 %':>8}{'95 %':>8}   not larger than dense")
for fmt in FORMATS[1:]:
    ratios = [sparsity_payoff((1024, 1024), d, fmt, 2)["ratio"] for d in (0.5, 0.2, 0.05)]
    edge = format_break_even(fmt, (1024, 1024), 2)
    told = "always: it holds half of the values" if fmt == "nm" else f"up to density {edge:.3f} (from {100 * (1 - edge):.1f} % zeros)"
    print(f"{'2:4' if fmt == 'nm' else fmt:>22}{ratios[0]:12.2f}{ratios[1]:8.2f}{ratios[2]:8.2f}   {told}")

# %% [markdown]
# The numbers are bytes, with the dense array as 1. A bitmap saves from 6 % zeros on. It is slow to use: before you can find a value you have to count the bits before it.
#
# How much an index hurts depends on the value beside it:

# %%
for name, item_bytes in (("FP32", 4), ("FP16", 2), ("INT8", 1)):
    edge = format_break_even("csr", (1024, 1024), item_bytes)
    print(f"{name}: CSR pays below density {edge:.3f}, that is above {100 * (1 - edge):.0f} % zeros")

# %% [markdown]
# Quantization and this kind of sparsity work against each other: the smaller the value, the more its index weighs.
#
# ### Fewer multiplications, and not less time
#
# The program that computes a product on a given machine is a **kernel**. A dense one reads its weights in one stream and multiplies several at once.
# One for CSR reads an index with each value, and jumps in *x*.
# So the time crosses at another sparsity than the bytes do. A recorded run, one core of a shared cloud CPU, FP32, 1,024 × 1,024 weights, ms for a product with 64 columns:

# %%
from utils.compression.sparsity import crossing
from utils.widgets.ch53_sparse_models import RECORDED

print("zeros      " + "".join(f"{100 * level:7.0f} %" for level in RECORDED["levels"]))
print("dense      " + "".join(f"{ms:9.2f}" for ms in RECORDED["dense"]))
print("CSR, torch " + "".join(f"{ms:9.2f}" for ms in RECORDED["torch"]))
at = crossing(RECORDED["levels"], RECORDED["dense"], RECORDED["torch"])
print(f"CSR is faster from about {100 * at:.0f} % zeros on. In bytes FP32 breaks even at 50 %.")

# %% [markdown]
# The sparsity above which the sparse version wins is the **crossover**. It depends on the kernel, the machine and the batch. "Measure it" finds yours.
#
# ### 2:4: a pattern that hardware knows
#
# In **2:4** sparsity at most two of each four neighbours are not zero. The groups lie along the input of the layer, the dimension over which a product sums.
# So each group saves the same work, and a position needs two bits only. NVIDIA's GPUs have units for it since 2020 (Ampere): **sparse tensor cores**.
#
# Keep the two largest absolute values of each four:

# %%
from utils.compression.sparsity import compress_24 as our_compress_24
from utils.compression.sparsity import decompress_24, nm_mask

row = np.array([[0.1, -3, 2, 0.5, 1, 1, 1, 1]])
print("mask    ", nm_mask(row).astype(int))
compressed = our_compress_24(row)
print("values  ", compressed.values)
print("meta    ", [f"{byte:04b}" for byte in compressed.meta[0]], "=", compressed.meta)
print("restored", decompress_24(*compressed))

# %% [markdown]
# The **metadata** say where the two stood. In the first group these are the positions 1 and 2: in binary 01 and 10, and the first one stands in the low bits, `10 01`, which is 9.
# In a product *W* · *X* this group uses rows 1 and 2 of *X*, and never touches rows 0 and 3: half of the multiplications.
#
# For readability we store the metadata of a group in a byte of its own. Hardware packs two groups into a byte, and so do the counts below.

# %%
W16 = rng.standard_normal((512, 512)).astype(np.float16)
for matrix in (W16, (20 * W16).astype(np.int8)):
    size = our_compress_24(matrix).nbytes
    print(f"{matrix.dtype!s:8} {size:,} of {matrix.nbytes:,} bytes: {16 * size / matrix.nbytes:g}/16")

# %% [markdown]
# Two things are worth knowing before you use it.
#
# First, 2:4 is stricter than "half of the weights". It may have to drop a large weight because two larger ones stand beside it. In energy (the sum of squares), for Gaussian weights:

# %%
from utils.compression.sparsity import group_compliance, kept_energy

G = rng.standard_normal((512, 512))
free = np.abs(G) > np.median(np.abs(G))
print(f"the larger half, anywhere:   {kept_energy(G, free):.3f} of the energy is kept")
print(f"the larger two of each four: {kept_energy(G, nm_mask(G)):.3f}")
print("share of groups that have two or more zeros already, when zeros stand at random:")
print("  " + ", ".join(f"{100 * s:.0f} % zeros: {100 * group_compliance(s):.1f} %" for s in (0.5, 0.7, 0.8, 0.9)))

# %% [markdown]
# Second, the last line says that no randomly pruned matrix is ready for 2:4. Even at 90 % zeros one group in 270 breaks the pattern. It has to be pruned again, to 2:4.
#
# Which columns stand beside each other is free: the columns of a weight may be permuted if the input is permuted in the same way. That can save some of the loss.

# %%
from utils.compression.sparsity import permute_for_24
from utils.networks.digits import trained_digits

network = trained_digits()
M = network.net[2].weight.detach().numpy()
order = permute_for_24(M, tries=1500, seed=0)
P = M[:, order]
print(f"layer of {M.shape}: kept energy {kept_energy(M, nm_mask(M)):.3f}, with columns in a better order {kept_energy(P, nm_mask(P)):.3f}")
v = rng.standard_normal(128).astype(np.float32)
print("the same function:", np.allclose(P @ v[order], M @ v, atol=1e-4))

# %% [markdown]
# How much faster is it? The peaks say twice:

# %%
from utils.cost.roofline.speedup import amdahl
from utils.hardware.gpu_arch import GPUS

a100 = GPUS["A100 80GB"]
print(f"A100, FP16: {a100.peak_tflop_s['fp16']:.0f} TFLOP/s dense, {a100.sparse_factor * a100.peak_tflop_s['fp16']:.0f} with 2:4")
print(f"if 60 % of the latency is in such products, and they run 1.38 times faster: {amdahl(0.6, 1.38):.2f} times in all")

# %% [markdown]
# 1.38 is what the authors of PyTorch's tutorial on 2:4 saw on an A100, for one large product (October 2023). The tutorial now says that newer GPUs may not show such gains.
# Small batches gain nothing: for a weight of 4,096 × 4,096 and one column, a PyTorch developer measured 0.022 ms dense and 0.196 ms sparse (October 2023).
#
# ### Whole blocks: a smaller dense model
#
# If whole neurons or channels are gone, the rest is dense again. Chapter 16 cuts them out.
#
# A **grouped convolution** is built that way from the start. Each group of output channels sees its own input channels only. Written as an ordinary convolution it is full of zeros:

# %%
import torch

from utils.compression.sparsity import group_conv_as_dense

torch.manual_seed(0)
conv = torch.nn.Conv2d(8, 16, 3, groups=4, bias=False)
full = group_conv_as_dense(conv.weight.detach().numpy(), groups=4)
image = torch.randn(1, 8, 10, 10)
with torch.no_grad():
    same = torch.allclose(torch.nn.functional.conv2d(image, torch.from_numpy(full)), conv(image), atol=1e-5)
print(f"grouped: {conv.weight.numel()} weights. As an ordinary one: {full.size}, of which {100 * (1 - density(full)):.0f} % are zero")
print("the same function:", same)

# %% [markdown]
# Nobody stores those zeros, and no kernel meets them. That is why **structured sparsity** is the kind that works on every device.
#
# ### Activations
#
# ReLU turns negative values into exact zeros. A zero input makes a whole column of the next weight matrix useless. How many are there in our digits network?

# %%
from utils.compression.sparsity import skip_zero_linear, zero_fraction_by_layer
from utils.networks.digits import load_digits_split

X_train, X_test, y_train, y_test = load_digits_split()
for name, share in zero_fraction_by_layer(network, X_test).items():
    print(f"{name}: {type(network.get_submodule(name)).__name__:7} {100 * share:5.1f} % zeros in its output")
with torch.no_grad():
    hidden = network.net[:2](torch.tensor(X_test[:64])).numpy()  # (64, 128), behind the first ReLU
y, macs = skip_zero_linear(M, hidden[0])
print(f"second layer, one image: {macs:,} of {M.size:,} multiplications are needed")
print(f"64 images: {np.any(hidden, axis=0).sum()} of {M.shape[1]} columns are needed by at least one of them")

# %% [markdown]
# 19 and 29 % are far below any crossover. And the pattern changes with each image, so a batch needs nearly every column.
#
# Large language models with ReLU are another matter: more than 90 % zeros were reported in their feed-forward layers. But GELU and SiLU, which most of them use, give almost no exact zeros.
# **Activation sparsity** has to be found at run time, for each input. Deja Vu (2023) *predicts* which neurons, and which of attention's parallel parts (its heads), an input needs.
#
# ### Experts that are not asked
#
# A **mixture of experts** has several feed-forward networks in each layer, the experts. A small router sends each token to a few of them. Chapter 42 builds one.
# The weights of the others are not zero: they are not used for this token. This is **conditional computation**. One layer, 8 experts in BF16:

# %%
from utils.moe.accounting import CONFIGS, count_parameters, expected_experts_touched, moe_layer_cost

for top_k in (8, 2):
    cost = moe_layer_cost(d_model=4096, d_ff=14336, experts=8, top_k=top_k, item_bytes=2)
    print(f"{top_k} experts a token: {cost.flops_per_token / 1e6:6.0f} MFLOP a token, {cost.resident_bytes / 1e9:.2f} GB in memory")
for name in ("mixtral_8x7b", "deepseek_v3"):
    total, active = count_parameters(CONFIGS[name])
    print(f"{name}: {total / 1e9:.1f} B parameters, {2 * total / 1e9:.0f} GB in BF16, {active / 1e9:.1f} B active ({100 * active / total:.0f} %)")
touched = ", ".join(f"{batch}: {expected_experts_touched(8, 2, batch):.1f}" for batch in (1, 4, 16))
print(f"experts of 8 that are read on average, by tokens at once: {touched}")

# %% [markdown]
# **Active parameters** are those that one token uses. They set the FLOPs. The memory follows the total: the next token may choose any other expert.
# DeepSeek-AI states 671 B and 37 B. Both active counts above include the input embedding, of which a token reads one row: 0.1 B in Mixtral, 0.9 B in DeepSeek-V3.
#
# The time depends on the batch. A small batch waits for weights to be read, and reads few experts. 16 tokens read nearly all of them, so that saving is gone.
# The FLOPs shorten the time only when the batch is so large that the arithmetic takes longer than the reading.
#
# ### Quantization is something else
#
# Quantization gives each weight fewer bits. It does not aim at zeros. But coarse rounding makes some, because small weights round to zero:

# %%
from utils.compression.sparsity import rounded_zero_share

for bits in (8, 4, 2):
    shares = [rounded_zero_share(layer.weight.detach().numpy(), bits) for layer in network.linears]
    told = ", ".join(f"{100 * share:4.1f} %" for share in shares)
    print(f"{bits} bits, one scale a row: {told} of each layer's weights become zero")

# %% [markdown]
# At 8 bits there are next to none. At 2 bits, where a weight is −1, 0 or 1 times the scale, most weights are zero: that is a side effect, and a good network for 2 bits is trained for it.
#
# ### Side by side
#
# | what is missing | known when | bytes | FLOPs | time |
# |---|---|---|---|---|
# | single weights | before | less above the format's break-even | less | less above the crossover, with a sparse kernel |
# | two of four weights | before | 9/16 in FP16 | half | less on sparse tensor cores, for large products |
# | whole blocks | before | less | less | less, with ordinary kernels |
# | activations | at run time | as before | less | less if the kernel skips them, and there are many |
# | experts | at run time | as before, all of them | less | less at small batches, which read few experts, and where the arithmetic sets the time |

# %% [markdown]
# ## See it
#
# ![Three panels. Bytes against sparsity for FP16: CSR starts at 3 times the dense bytes and reaches 1 at 67 % zeros; a bitmap is below 1 from 6 % on; 2:4 takes 0.56. Time for 1,024 rows and batch 64, recorded: the dense product is flat at about 1.5 ms, CSR falls from 3.5 ms at 50 % zeros below it at 77 %. A grid of random weights in groups of four, with those marked that 2:4 would lose.](figure.svg)
#
# 1,024 × 1,024, FP16, 50 % zeros: CSR takes 1.50 times the dense bytes. It breaks even at 66.7 % zeros. In time, FP32 and batch 64, torch's CSR product wins above about 77 % on the recorded machine.
#
# **Does sparsity pay here?** Find three things: where CSR's bytes cross, and that it moves with the width of a value; that the time crosses elsewhere; and how few groups fit 2:4 at 30 % zeros.

# %% figure
from utils.widgets.ch53_sparse_models import payoff_explorer

payoff_explorer()

# %% [markdown]
# ## Exercises
#
# Only NumPy is set up, as `np`. Arrays are NumPy arrays.

# %% [markdown] about="csr_from_dense"
# Turn a matrix into CSR.
#
# - `W` has shape (rows, cols) and holds floats or integers. If it is not 2-D, raise a ValueError. It may have no rows or no columns, and any memory order.
# - Store every entry that is not exactly zero, row by row, and from left to right within a row. −0.0 is a zero. Tiny numbers, infinity and NaN are not.
# - Return the arrays (indptr, indices, data), in this order. `indptr` has rows + 1 entries: row *i* owns the places `indptr[i]` up to, not including, `indptr[i + 1]`.
# - `indptr` and `indices` are of an integer dtype of your choice, also when they are empty. `data` has the dtype of `W`.
# - Write it without `scipy.sparse` and without torch's sparse tensors.
#
# For example [[0, 5, 0], [0, 0, 0], [7, 0, 8]] → [0, 1, 1, 3], [1, 0, 2] and [5, 7, 8].
# [[0.5, 0, -2, 0, 0, 1], [0, 0, 0, 3, 0, 0]] in float32 → [0, 3, 4], [0, 2, 5, 3] and [0.5, -2, 1, 3] in float32.

# %% exercise="csr_from_dense"
def csr_from_dense(W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(indptr, indices, data) of the entries of W that are not exactly zero, row by row.

    Raises ValueError unless W is 2-D.
    """
    ### BEGIN SOLUTION
    if W.ndim != 2:
        raise ValueError(f"W must be 2-D, got {W.ndim} axes")
    row, column = np.nonzero(W)
    counts = np.bincount(row, minlength=W.shape[0])
    indptr = np.zeros(W.shape[0] + 1, np.int64)
    indptr[1:] = np.cumsum(counts)
    return indptr, column, W[row, column]
    ### END SOLUTION

# %% check="csr_from_dense"
check("53.csr_from_dense", csr_from_dense)

# %% [markdown] about="csr_matvec"
# Multiply a CSR matrix with a vector.
#
# - `indptr`, `indices` and `data` are as in exercise 1. `n_cols` is the number of columns of the matrix, which CSR does not tell. `x` is 1-D.
# - Return an array with one entry for each row: the sum of `data · x` over the row's values. An empty row gives 0. There may be no values, or no rows.
# - `data` and `x` hold float64 or int64. If one of them holds integers and the other fractions, the result keeps the fractions. Results of integers fit int64.
# - If `x` does not have `n_cols` entries, raise a ValueError.
# - Do not build the dense matrix. One matrix of the check has 40 rows, 200,000 columns and 50 values; your call may allocate at most 16 MB there. Dense it would take 64 MB.
# - Write it without `scipy.sparse` and without torch's sparse tensors.
#
# For example the first matrix of exercise 1 times [1, 2, 3] gives [10, 0, 31].
# [[1, 2, 0, 0], [0, 0, 0, 4], [0, 0, 0, 0]] comes as [0, 2, 3, 3], [0, 1, 3] and [1, 2, 4]; times [1, 10, 100, 0.25] it gives [21, 1, 0].

# %% exercise="csr_matvec"
def csr_matvec(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, x: np.ndarray, n_cols: int) -> np.ndarray:
    """The product with x, one entry a row; a row without values gives 0.

    Raises ValueError unless x has n_cols entries.
    """
    ### BEGIN SOLUTION
    if len(x) != n_cols:
        raise ValueError(f"x must have {n_cols} entries, got {len(x)}")
    products = data * x[indices]
    y = np.zeros(len(indptr) - 1, products.dtype)
    for i in range(len(y)):
        y[i] = products[indptr[i]:indptr[i + 1]].sum()
    return y
    ### END SOLUTION

# %% check="csr_matvec"
check("53.csr_matvec", csr_matvec)

# %% [markdown] about="break_even_density"
# Up to which density is CSR not larger than the dense array?
#
# - The matrix has `rows` × `cols` entries, both at least 1. A value takes `value_bytes`, which may be a fraction (0.5 for 4 bits). An index or a pointer takes `index_bytes`.
# - CSR stores a value and a column index for each entry that is not zero, and rows + 1 pointers. The dense array stores all values.
# - Return the largest density, between 0 and 1, at which the bytes of CSR are at most those of the dense array. It is a real number: do not round to a whole count of values.
# - If even an empty CSR is larger, return 0.
#
# For example `(1024, 1024, 4, 4)` → 0.49951, `(1024, 1024, 2, 4)` → 0.33268, `(1024, 1024, 1, 4)` → 0.19922 (each rounded here), and `(2, 3, 2, 4)` → 0.

# %% exercise="break_even_density"
def break_even_density(rows: int, cols: int, value_bytes: float, index_bytes: int) -> float:
    """Largest density at which CSR is not larger than dense; 0.0 when even an empty CSR is larger."""
    ### BEGIN SOLUTION
    spare = rows * cols * value_bytes - (rows + 1) * index_bytes
    return max(spare, 0) / (rows * cols * (value_bytes + index_bytes))
    ### END SOLUTION

# %% check="break_even_density"
check("53.break_even_density", break_even_density)

# %% [markdown] about="two_four"
# Compress a matrix to 2:4, and multiply the compressed form. You write two functions.
#
# `compress_24(W)`:
# - `W` has shape (rows, k) and holds floats. k is at least 4. If 4 does not divide it, raise a ValueError.
# - Cut each row into groups of four consecutive columns. From each group keep the two entries with the largest absolute values. Of equal absolute values the lower index is kept, so a group of four zeros keeps the positions 0 and 1.
# - Return (values, meta). `values` has shape (rows, k/2) and the dtype of `W`: the kept entries, in the order in which they stood.
# - `meta` has shape (rows, k/4) and dtype uint8: for each group `i0 | i1 << 2`, with i0 < i1 the positions of the kept entries within the group (0 to 3).
#
# `matmul_24(values, meta, X)`:
# - `values` and `X` hold float64; `X` has shape (k, n). Return the product of the pruned matrix with `X`, of shape (rows, n). It is checked to a relative 1e-9.
# - You may rebuild the pruned matrix, or gather rows of `X`. k goes up to 512: a position in the row then no longer fits the uint8 of `meta`.
# - It is checked on its own, with values and metadata of this form, not with yours.
#
# For example [[0.1, -3, 2, 0.5, 1, 1, 1, 1]] → values [[-3, 2, 1, 1]] and meta [[9, 4]]. Its product with X, where row *i* of X is [2i, 2i + 1], is [[20, 21]].
# [[4, 0, 0, -1, 0, 0, 0, 7], [0, 0, 0, 0, 1, 2, 3, 4]] → values [[4, -1, 0, 7], [0, 0, 3, 4]] and meta [[12, 12], [4, 14]].

# %% exercise="two_four"
def compress_24(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values, meta) of the two largest absolute values of each four columns.

    Raises ValueError unless 4 divides the number of columns.
    """
    ### BEGIN SOLUTION
    rows, k = W.shape
    if k % 4:
        raise ValueError(f"the columns must be divisible by 4, got {k}")
    groups = W.reshape(rows, k // 4, 4)
    order = np.argsort(-np.abs(groups), axis=2, kind="stable")
    kept = np.sort(order[:, :, :2], axis=2)
    values = np.take_along_axis(groups, kept, axis=2).reshape(rows, k // 2)
    return values, (kept[:, :, 0] | kept[:, :, 1] << 2).astype(np.uint8)
    ### END SOLUTION


def matmul_24(values: np.ndarray, meta: np.ndarray, X: np.ndarray) -> np.ndarray:
    """The pruned matrix times X (k, n), from its compressed form."""
    ### BEGIN SOLUTION
    start = 4 * np.arange(meta.shape[1])
    columns = np.stack([start + (meta & 3), start + (meta >> 2)], axis=2).reshape(values.shape)
    return np.stack([v @ X[c] for v, c in zip(values, columns)])
    ### END SOLUTION

# %% check="two_four"
check("53.two_four", compress_24, matmul_24)

# %% [markdown] about="moe_cost"
# What does one mixture-of-experts layer cost?
#
# - Each of the `experts` experts is a gated feed-forward network: three matrices of `d_model` · `d_ff` weights each. There are no biases.
# - The router is a matrix of `d_model` · `experts` weights. It scores all experts for every token.
# - A token runs through `top_k` experts.
# - Return (resident_bytes, flops_per_token). All parameters of the layer are in memory, `bytes_per_param` bytes each, which may be a fraction. A token costs 2 FLOPs for each parameter that it uses.
# - If `top_k` is greater than `experts`, raise a ValueError. All numbers are above 0.
#
# For example `(4096, 14336, 8, 2, 2)` → (2,818,637,824, 704,708,608), and `(4, 8, 4, 1, 2)` → (800, 224).

# %% exercise="moe_cost"
def moe_cost(d_model: int, d_ff: int, experts: int, top_k: int, bytes_per_param: float) -> tuple[float, int]:
    """(bytes in memory, FLOPs a token) of a layer of gated experts with its router."""
    ### BEGIN SOLUTION
    if top_k > experts:
        raise ValueError(f"top_k must be at most experts = {experts}, got {top_k}")
    expert, router = 3 * d_model * d_ff, d_model * experts
    return (experts * expert + router) * bytes_per_param, 2 * (top_k * expert + router)
    ### END SOLUTION

# %% check="moe_cost"
check("53.moe_cost", moe_cost)

# %% [markdown]
# ## Measure it
#
# Random zeros in a 1,024 × 1,024 weight, FP32, on one thread of your machine. Dense, SciPy's CSR and torch's CSR are measured in turns; each number is the shortest of 15.
# Before you run it: does the crossover come earlier with 1 column or with 64?

# %% experiment
from utils.widgets.ch53_sparse_models import crossover_chart, crossover_table, measure_crossover

times = measure_crossover()
crossover_table(times)

# %% experiment
crossover_chart(times)

# %% [markdown]
# Expect CSR to be slower than dense at 50 % zeros, and faster at 99 %. The crossover lies in between, and not at the byte break-even of 50 %.
# (The recorded machine: torch's CSR wins above 77 % with 64 columns, and above 93 % with one. SciPy's wins above 82 and 89 %.)
#
# ### Half of the weights, chosen in three ways
#
# Now real training: the digits network keeps the larger half of its weights, wherever they stand; or the larger two of each four (2:4); or two of each four at random.
# Then it is fine-tuned for 4 epochs with the mask held. The network with all weights gets the same 4 epochs. The counts are correct answers of 540 test images.
# A count near 520 has a standard error of 4 to 5 images, so differences below 10 say little.

# %% experiment
from utils.widgets.ch53_sparse_models import measure_two_four, two_four_chart, two_four_table

counts = measure_two_four()
two_four_table(counts)

# %% experiment
two_four_chart(counts)

# %% [markdown]
# Expect 2:4 to cost about 24 images as cut: 502, against 526 with all weights. After fine-tuning nothing is missing: 524, against 521 with all weights.
# Two of each four at random leave 388 as cut. So it matters which two are kept, but much less after the training: 515.
#
# With a GPU of compute capability 8.0 or later, the next cell measures 2:4 products in FP16. Without one it says so.

# %% experiment
from utils.widgets.ch16_pruning import gpu_table

gpu_table()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | sparse models lower both compute and storage | depends | a mixture of experts lowers compute only. Random zeros lower neither without a format and a kernel: FP16 CSR at 50 % zeros takes 1.50 times the dense bytes |
# | 2 | quantization is a kind of parameter sparsification | wrong | it changes the bits of a weight. At 8 bits about 1 % of the weights here become zero. Only very few bits make many zeros, as a side effect |
# | 3 | static pruning happens after training, dynamic pruning during it | holds as usage | RigL (2020) regrows weights while it trains. But "dynamic sparsity" also names zeros that depend on the input: say which you mean |
# | 4 | ReLU makes activations sparse, which saves compute | depends | 19 and 29 % zeros in our two hidden layers, far below any crossover. ReLU language models were reported with more than 90 %; GELU and SiLU give almost no exact zeros |
# | 5 | a grouped convolution is structured sparsity | holds | its channel matrix is block-diagonal: with *g* groups a share of 1 − 1/*g* of the dense equivalent is zero |
# | 6 | sparse models need less GPU memory | depends, wrong for mixtures of experts | Mixtral-8x7B: 46.7 B parameters resident, 93 GB in BF16, although a token computes with 12.9 B |
# | 7 | compute does not grow linearly with the size | depends | with a fixed number of active experts it stays nearly the same. For pruning it grows with density · size |
# | 8 | hardware acceleration of sparsity is still developing | dated | 2:4 tensor cores ship since 2020: 624 against 312 TFLOP/s on an A100. What remains open is the gain: below 2, and PyTorch's tutorial warns about newer GPUs. Huawei's tools list products that do not support 2:4 |
# | 9 | too much sparsity harms accuracy | holds | of 540 images, without training: 526 dense, 472 at 80 % zeros, 134 at 95 % |
#
# Rows 1, 2, 4, 5 and 6 were computed above. Here are 7 and 9:

# %%
from utils.compression.pruning import granularity_masks, pruned_copy
from utils.networks.digits import predict

for experts in (2, 8, 64):
    cost = moe_layer_cost(4096, 14336, experts, 2, 2)
    print(f"row 7: {experts:2} experts, 2 a token: {cost.total_params / 1e9:5.2f} B parameters, {cost.flops_per_token / 1e9:.3f} GFLOP a token")
for level in (0, 0.8, 0.95):
    cut = pruned_copy(network, granularity_masks(network, level, "global", "magnitude"))
    right = int((predict(cut, X_test).argmax(1) == torch.as_tensor(y_test)).sum())
    print(f"row 9: {100 * level:3.0f} % zeros: {right} of {len(y_test)} correct")

# %% [markdown]
# ## Explain it
#
# A colleague pruned an FP16 language model to 60 % zeros, the smallest weights of each layer, wherever they stood. He stored the weights as CSR with 4-byte indices, for an A100.
# "It is sparse now. Why did the memory go up, and why is it slower? The data sheet says 624 TFLOP/s with sparsity."
# Answer in five or six sentences.
#
# A good answer names:
# 1. how many bytes CSR takes here against dense, and from which sparsity on it would pay;
# 2. why the 624 TFLOP/s do not apply to his zeros;
# 3. what he would have to do to use them, and what has to be checked afterwards;
# 4. why the batch matters for the gain;
# 5. an alternative that needs no sparse kernel, as a comparison.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# In FP16 a stored value takes 2 + 4 bytes, so 40 % of the values take about 1.2 times the dense bytes; CSR would pay above 67 % zeros only.
# The 624 TFLOP/s are the peak for the 2:4 pattern, two of each four along the input. His zeros stand anywhere, many groups hold three or four values, and so the sparse tensor cores cannot take this matrix.
# A general sparse product reads an index for each value and jumps in the input, so it is slower than the dense one at this sparsity.
# He should prune to 2:4 instead, fine-tune with the mask held, and measure the accuracy on the real task; the weights then take 9/16 of the bytes.
# The gain shows in large products: with one sequence at a time the overhead eats it, so the latency has to be measured at the served batch.
# As a comparison I would quantize to INT8, which halves the bytes at once, or take a smaller dense model of the same latency.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("53")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | sparse model | 稀疏模型 | uses only a part of its parameters or operations |
# | dense model | 密集模型 | uses all of them |
# | density | 稠密度 | share of entries that are not zero |
# | sparsity | 稀疏度 | share of entries that are zero |
# | kernel | 核函数 | the program that computes one operation on a given machine |
# | CSR | 压缩稀疏行 | row pointers, column indices and values |
# | COO | 坐标格式 | a row, a column and a value for each entry |
# | bitmap | 位图 | one bit for each entry, then the values |
# | 2:4 (N:M) sparsity | 2:4 结构化稀疏 | at most N values that are not zero in M neighbours |
# | metadata | 元数据 | the positions of the kept values |
# | structured sparsity | 结构化稀疏 | whole blocks are missing |
# | activation sparsity | 激活稀疏 | zeros that appear at run time |
# | conditional computation | 条件计算 | what is computed depends on the input |
# | mixture of experts | 专家混合模型 | a router chooses a few experts for each token |
# | active parameters | 激活参数量 | parameters that one token uses |
# | crossover | 盈亏平衡点 | the sparsity above which the sparse version wins |
# | sparse tensor core | 稀疏张量核 | a unit that skips the zeros of the 2:4 pattern |

# %% [markdown]
# ## Sources
#
# - A. Mishra et al., *Accelerating Sparse Deep Neural Networks*, 2021, arXiv:2104.08378: the 2:4 pattern, its format and training.
# - NVIDIA, *A100 Tensor Core GPU Architecture*, 2020, and the developer blog *Accelerating Inference with Sparsity Using the NVIDIA Ampere Architecture and NVIDIA TensorRT*, 2021.
# - PyTorch, `torch/sparse/semi_structured.py`: 9 and 10 sixteenths of the bytes; `torch/sparse/_semi_structured_conversions.py`, which our compressed values were compared with.
# - pytorch/tutorials, pull requests 2574 (2023: 0.870 ms dense, 0.630 ms sparse on an A100) and 3599 (2025: the note on newer GPUs).
# - pytorch/pytorch, issue 111339 (2023): no gain for a product with one column.
# - Huawei, CANN documentation 9.0, AMCT, "4选2结构化稀疏": which products do not support 2:4.
# - U. Evci et al., *Rigging the Lottery: Making All Tickets Winners*, ICML 2020: RigL.
# - Z. Liu et al., *Deja Vu: Contextual Sparsity for Efficient LLMs at Inference Time*, ICML 2023, arXiv:2310.17157.
# - I. Mirzadeh et al., *ReLU Strikes Back*, ICLR 2024, arXiv:2310.04564.
# - W. Fedus, B. Zoph and N. Shazeer, *Switch Transformers*, JMLR 2022, arXiv:2101.03961.
# - A. Jiang et al., *Mixtral of Experts*, 2024, arXiv:2401.04088; DeepSeek-AI, *DeepSeek-V3 Technical Report*, 2024, arXiv:2412.19437.
# - T. Hoefler et al., *Sparsity in Deep Learning*, JMLR 2021, arXiv:2102.00554.
# - E. Frantar and D. Alistarh, *SparseGPT*, ICML 2023, arXiv:2301.00774.
