# %% [markdown]
# # 16 · What is model pruning?
# **什么是模型剪枝？**
#
# Somebody sets 80 % of a model's weights to zero. The file is as large as before, and the model as slow.
# This chapter prunes a real network, keeps it pruned while it trains on, and then makes it smaller for good.
#
# About 90 minutes. It helps to know chapters 01 (why compress), 11 (counting parameters) and 12 (FLOPs).

# %% setup
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

# %% [markdown]
# ## The short answer
#
# > Pruning removes the parameters whose removal raises the loss least.
# >
# > Unstructured pruning zeroes single weights. It reaches the highest sparsity at a given accuracy.
# > But a zero takes as many bytes as any number, and a dense kernel, a routine that visits every entry, multiplies it like any number. Only a sparse format or a sparse kernel profits.
# >
# > Structured pruning deletes neurons, channels, heads or layers. What is left is a smaller dense model, which every runtime runs faster.
# > N:M sparsity lies in between and needs hardware support. In 2:4 at least two of every four consecutive weights are zero, no matter which two.
# >
# > The recipe: train, score the weights, prune at once or in steps, and fine-tune with the mask held after every step.
# > The score is the magnitude, a Taylor estimate (weight times gradient), or of second order (from the curvature of the loss).
# > For language models, second-order methods such as SparseGPT reach 50 % at once, without retraining.
# > To ship a smaller language model, NVIDIA's Minitron prunes the structure of a large model and distils: the pruned model learns to match the large one's outputs.
# >
# > I always compare with a smaller dense network that was trained for the same budget.

# %% [markdown]
# ## How it works
#
# ### Zeros that save nothing
#
# Here is a small network for handwritten digits: 64 pixels, two hidden layers of 128 and 64 neurons, 10 classes. It takes a few seconds to train.
# We set the 80 % of its weights that are closest to zero to exactly zero.

# %%
from utils.compression.pruning import granularity_masks, pruned_copy, size_report
from utils.networks.digits import accuracy, load_digits_split, trained_digits

X_train, X_test, y_train, y_test = load_digits_split()
model = trained_digits()
masks = granularity_masks(model, 0.8, "global", "magnitude")
zeros = pruned_copy(model, masks)
for name, network in (("dense", model), ("80 % zeros", zeros)):
    size = size_report(network)
    print(f"{name:10}: {size.nonzeros:6,} numbers are not zero, {size.dense_bytes:,} bytes, accuracy {accuracy(network, X_test, y_test):.3f}")

# %% [markdown]
# The bytes did not move, and the accuracy fell by 10 points. The test set has 540 images, so one point (1 % of them) is about 5 images.
# Three things are missing: a format that notices zeros, fine-tuning, and a better unit to remove.
#
# ### Which weights?
#
# A **mask** says for each weight whether it stays. The simplest score is **magnitude**: small weights go.

# %%
from utils.compression.pruning import magnitude_mask as our_magnitude_mask

weight = np.array([[0.5, -0.1, 0.3], [0.1, -2.0, 0.05]])
print(our_magnitude_mask(weight, 0.5).astype(int))

# %% [markdown]
# Three of six stay: 0.5, 0.3 and −2.0. The sign plays no part.
#
# Does the score matter, and does it matter whether all layers share one threshold? Accuracy without any further training:

# %%
from utils.compression.pruning import sparsity_curve

levels = (0.5, 0.7, 0.8, 0.9)
print(f"{'':22}" + "".join(f"{level:>8.0%}" for level in levels))
for name, unit, score in (("random", "global", "random"), ("magnitude, each layer", "per_layer", "magnitude"),
                          ("magnitude, all layers", "global", "magnitude")):
    curve = sparsity_curve(model, (X_test, y_test), levels, unit, score)
    print(f"{name:22}" + "".join(f"{value:8.3f}" for value in curve))

# %% [markdown]
# At 80 %, random removal leaves 0.241, magnitude within each layer 0.646, and one threshold for all 0.874.
#
# Why does it hurt to take 80 % from each layer? Prune one layer at a time. This is called **sensitivity analysis**.

# %%
from utils.compression.pruning import prunable, sensitivity_scan

scan = sensitivity_scan(model, X_test, y_test, (0.5, 0.8, 0.9))
for name, values in scan.items():
    shape = tuple(prunable(model)[name].shape)
    print(f"{name} {shape!s:10}: " + ", ".join(f"{v:.3f}" for v in values))

# %% [markdown]
# The last layer is the smallest and the most sensitive: 0.813 at 80 %, against 0.965 for the middle one. One threshold spares it, because its weights are large.
#
# ### From zeros to bytes
#
# **CSR** (compressed sparse row) stores each non-zero weight with its column: 4 + 4 bytes in FP32 with int32 indices.
# It also stores where each row begins, 4 bytes a row and 4 for the end. The biases stay dense. Where does that pay?

# %%
for sparsity in (0.3, 0.5, 0.52, 0.8, 0.95):
    size = size_report(pruned_copy(model, granularity_masks(model, sparsity, "global", "magnitude")))
    print(f"{sparsity:4.0%} zeros: dense {size.dense_bytes:,} bytes, CSR {size.csr_bytes:6,}, zlib {size.zipped_bytes:6,}")

# %% [markdown]
# Below about half zeros, CSR is *larger*. zlib finds the zeros without being told, but it helps the download only: the file is unpacked before it is used.
#
# ### Keep them at zero
#
# A pruned network has to train on to recover. Pruned weights must stay at zero meanwhile. It seems enough to set their gradients to zero.
# Two weights, Adam, one step behind us. The second weight is pruned now, and its gradient is zero from here on.

# %%
w = torch.tensor([1.0, 1.0], requires_grad=True)
adam, mask = torch.optim.Adam([w], lr=0.1), torch.tensor([1.0, 0.0])
w.sum().backward()
adam.step()
with torch.no_grad():
    w.mul_(mask)
print("pruned:             ", [f"{v:.3f}" for v in w])
adam.zero_grad()
w.sum().backward()
w.grad.mul_(mask)
adam.step()
print("after one more step:", [f"{v:.3f}" for v in w])
with torch.no_grad():
    w.mul_(mask)
print("mask after the step:", [f"{abs(v):.3f}" for v in w])

# %% [markdown]
# Adam steps along a running mean of earlier gradients. That **momentum** moved the pruned weight to −0.067. SGD's momentum moves weights in the same way. Weight decay alone does not: it scales a weight, and a zero stays a zero.
# So the mask is applied to the *weights*, after *every* step.

# %%
from utils.compression.pruning import finetuned_copy

for epochs in (0, 1, 6):
    tuned = finetuned_copy(model, masks, X_train, y_train, epochs=epochs) if epochs else zeros
    print(f"80 % zeros, epochs: {epochs}, accuracy {accuracy(tuned, X_test, y_test):.3f}, {size_report(tuned).nonzeros:,} non-zeros")

# %% [markdown]
# Six epochs bring back all of the 10 points.
#
# ### In steps
#
# **Iterative** or **gradual pruning** prunes a little, trains, and prunes again. A common schedule is cubic: fast while the network has slack, slow near the end.

# %%
from utils.compression.pruning import sparsity_at as our_sparsity_at

print([round(our_sparsity_at(t, initial=0, final=0.8, begin=2, steps=4), 4) for t in range(8)])

# %% [markdown]
# Between `begin` and the end the sparsity is final + (initial − final)·(1 − t)³, with *t* the share of the way.
# Whether steps pay off is measured below. It is not a law.
#
# ### Remove a neuron
#
# A **structured** pruner removes whole neurons. A neuron is a row of one matrix, an entry of that layer's bias, and a column of the next matrix.
# Take a neuron whose row is zero and whose bias is 0.5. It sends relu(0.5) = 0.5 for every input. May we drop it?

# %%
W1, b1 = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]]), np.array([0.0, 0.5, 0.0])
W2, b2 = np.array([[1.0, 2.0, 3.0]]), np.array([0.1])
x = np.array([1.0, -2.0])
keep = [0, 2]
print("before:  ", W2 @ np.maximum(W1 @ x + b1, 0) + b2)
print("dropped: ", W2[:, keep] @ np.maximum(W1[keep] @ x + b1[keep], 0) + b2)
print("folded:  ", W2[:, keep] @ np.maximum(W1[keep] @ x + b1[keep], 0) + b2 + W2[:, 1] * max(b1[1], 0))

# %% [markdown]
# Its constant 2 · 0.5 = 1 has to move into the next bias. Then the smaller network computes exactly the same.
#
# Now half of the neurons of each hidden layer, ranked by the norm of their incoming weights. They are silenced first, bias included, and then cut out.
# The rows of these neurons are not zero: what they send changes with the input. So no constant can be folded, and silencing them does change the function. Cutting out what is silent does not.

# %%
from utils.compression.pruning import kept_neurons, neuron_masks, shrink_mlp

keep = kept_neurons(model, 0.5, "in_norm")
silent, small = pruned_copy(model, neuron_masks(model, keep)), shrink_mlp(model, keep)
with torch.no_grad():
    difference = (silent(torch.tensor(X_test)) - small(torch.tensor(X_test))).abs().max().item()
print(f"{sum(p.numel() for p in model.parameters()):,} → {sum(p.numel() for p in small.parameters()):,} parameters")
print(f"{size_report(silent).dense_bytes:,} → {size_report(small).dense_bytes:,} bytes")
print("silenced and cut are the same function:", difference < 1e-4, f"· accuracy before fine-tuning {accuracy(small, X_test, y_test):.3f}")

# %% [markdown]
# Removing half of the neurons removes more than half of the weights: a matrix between two halved layers keeps a quarter.
#
# ### Let the others compensate
#
# Magnitude asks how large a weight is. The loss asks something else. Near a minimum it rises by ½·δᵀHδ for a change δ of the weights, where H (the **Hessian**) holds the curvatures.
# Two weights 0.5 and 1, with curvatures 10 and 0.1:

# %%
from utils.compression.pruning import obs_step as our_obs_step

H, w = np.diag([10.0, 0.1]), np.array([0.5, 1.0])
for q in (0, 1):
    print(f"removing weight {q} of size {w[q]}: the loss rises by {0.5 * w[q] ** 2 * H[q, q]:.2f}")

# %% [markdown]
# The larger weight is the cheaper one: 0.05 against 1.25. This estimated rise of the loss is called the **saliency** of a weight.
#
# When inputs are correlated, the remaining weights can take over. **Optimal Brain Surgeon** (1993) computes their best move and the cost after it:
#
# $$\text{cost}_q = \frac{w_q^2}{2\,[H^{-1}]_{qq}} \qquad \delta = -\frac{w_q}{[H^{-1}]_{qq}}\,H^{-1} e_q$$
#
# where $e_q$ is 1 at position *q* and 0 elsewhere.

# %%
H, w = np.array([[2.0, 1.0], [1.0, 1.0]]), np.array([1.0, 2.0])
q, compensated, cost = our_obs_step(H, w)
print(f"held:        removing weight {q} costs {0.5 * w[q] ** 2 * H[q, q]:.2f}")
print(f"compensated: it costs {cost:.2f}, and the weights become {compensated.tolist()}")

# %% [markdown]
# SparseGPT (2023) builds on this step, layer by layer, for models of up to 176 billion parameters.

# %% [markdown]
# ## See it
#
# ![Three weight matrices with their pruned cells white: 22 %, 17 % and 38 % of the cells are kept. Beside them accuracy falls with the share removed, latest for single weights with fine-tuning. Bars: 68.9 kB dense, 28.9 kB as CSR.](figure.svg)
#
# With 80 % of the weights removed and 4 epochs of fine-tuning the accuracy is 0.978. The dense array still has 68,904 bytes, CSR 28,868.
#
# **Prune me.** Every point is a network that was really pruned, and trained on if you tick the box (the first time takes a second or two).
# Watch the grey bar, and find the sparsity below which the orange bar is the longest.

# %% figure
from utils.widgets.ch16_pruning import prune_explorer

prune_explorer()

# %% [markdown]
# **What a removal costs.** Two weights sit at the minimum of a quadratic loss. This is a model of a loss, not a trained network.

# %% figure
from utils.widgets.ch16_pruning import compensation_explorer

compensation_explorer()

# %% [markdown]
# ## Exercises
#
# Arrays are NumPy arrays in float32 or float64, except in the fourth exercise, which trains a torch model.

# %% [markdown] about="magnitude_mask"
# Make the mask of a weight array.
#
# - Prune exactly `round(sparsity * weight.size)` weights (Python's `round`): those with the smallest absolute values in the whole array.
# - Among equal absolute values the one with the lower flat index is pruned first.
# - Return a boolean array of the same shape. True means keep.
# - `sparsity` is a fraction. 0 and 1 are allowed. Outside [0, 1] raise a ValueError.
# - Leave `weight` unchanged. It may have any number of axes.
#
# For example `magnitude_mask(np.array([[0.5, -0.1, 0.3], [0.1, -2.0, 0.05]]), 0.5)` → `[[True, False, True], [False, True, False]]`.
# Six equal weights in two rows, half of them pruned → `[[False, False, False], [True, True, True]]`.

# %% exercise="magnitude_mask"
def magnitude_mask(weight: np.ndarray, sparsity: float) -> np.ndarray:
    """True where a weight is kept: all but the round(sparsity * size) smallest absolute values.

    On equal values the lower flat index is pruned first. Raises ValueError unless sparsity is in [0, 1].
    """
    ### BEGIN SOLUTION
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must be in [0, 1], got {sparsity}")
    pruned = round(sparsity * weight.size)
    smallest = np.argsort(np.abs(weight), axis=None, kind="stable")[:pruned]
    mask = np.ones(weight.size, bool)
    mask[smallest] = False
    return mask.reshape(weight.shape)
    ### END SOLUTION

# %% check="magnitude_mask"
check("16.magnitude_mask", magnitude_mask)

# %% [markdown] about="sparsity_at"
# Compute the sparsity of a gradual schedule at a step (steps count from 0).
#
# - Up to step `begin` it is `initial`. From step `begin` + `steps` on it is `final`.
# - Between them it is final + (initial − final)·(1 − t)³ with t = (step − begin) / steps.
# - If `steps` is 0 or negative, raise a ValueError, whatever `step` is.
#
# For example `[sparsity_at(t, 0, 0.8, 2, 4) for t in range(8)]` → `[0, 0, 0, 0.4625, 0.7, 0.7875, 0.8, 0.8]`.

# %% exercise="sparsity_at"
def sparsity_at(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    """The sparsity at `step`: from `initial` to `final` over `steps` steps from `begin` on."""
    ### BEGIN SOLUTION
    if steps <= 0:
        raise ValueError(f"steps must be positive, got {steps}")
    t = min(max((step - begin) / steps, 0), 1)
    return final + (initial - final) * (1 - t) ** 3
    ### END SOLUTION

# %% check="sparsity_at"
check("16.sparsity_at", sparsity_at)

# %% [markdown] about="remove_neurons"
# Cut dead neurons out of a two-layer network y = W2·relu(W1·x + b1) + b2.
#
# - `W1` has shape (h, d), `b1` (h,), `W2` (o, h), `b2` (o,), and `dead` is a boolean array (h,).
# - A pruner has zeroed the rows of W1 that `dead` flags, and left b1 alone.
# - Return (W1, b1, W2, b2) without these neurons. The new network must compute the same y for every x. The remaining neurons keep their order.
# - A row that is zero but not flagged stays. All neurons may be flagged: then W1 has shape (0, d) and W2 (o, 0).
# - If a flagged row of W1 has any entry that is not exactly 0, raise a ValueError.
# - Leave the arguments unchanged.
#
# For example W1 = [[1, 0], [0, 0], [0, -1]], b1 = [0, 0.5, 0], W2 = [[1, 2, 3]], b2 = [0.1] and dead = [False, True, False]
# give W1 = [[1, 0], [0, -1]], b1 = [0, 0], W2 = [[1, 3]] and b2 = [1.1]. At x = [1, -2] both networks give 8.1.

# %% exercise="remove_neurons"
def remove_neurons(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray,
                   dead: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y = W2 relu(W1 x + b1) + b2 without the neurons flagged in `dead`, computing the same y.

    Raises ValueError when a flagged row of W1 is not all zero.
    """
    ### BEGIN SOLUTION
    if np.any(W1[dead]):
        raise ValueError("dead must flag only all-zero rows of W1")
    constant = W2[:, dead] @ np.maximum(b1[dead], 0)
    return W1[~dead], b1[~dead], W2[:, ~dead], b2 + constant
    ### END SOLUTION

# %% check="remove_neurons"
check("16.remove_neurons", remove_neurons)

# %% [markdown] about="finetune_pruned"
# Train a pruned model on, and keep it pruned.
#
# - `masks` maps some parameter names of `model` (as in `model.named_parameters()`) to tensors of the parameter's shape. They hold True and False, or 1 and 0 in any numeric dtype. True or 1 means keep.
# - The masks have already been applied: you start from masked weights.
# - `batches` gives pairs (x, y); it may be a generator. For each batch take exactly one step of `optimizer` along the gradient of `loss_fn(model(x), y)`. Call `loss_fn` once for each batch.
# - Gradients of earlier training may still be stored when you begin. They must not count.
# - After each step every masked weight is exactly 0, whatever the optimiser remembers. The other weights, and parameters without a mask, are trained as usual. Keep the optimiser's state.
# - The parameters keep their dtype.
# - Return the losses as a list of floats, one for each batch, as they were before the batch's step.
#
# For example Adam with lr 0.1 has taken a step with unit gradients, so that the weights [1, 1] became [0.9, 0.9], and the mask [1, 0] made them [0.9, 0].
# One more batch with unit gradients must give [0.8, 0]; its loss, the sum of the weights here, is 0.9. (With masked gradients only, it would be [0.8, -0.067].)

# %% exercise="finetune_pruned"
def finetune_pruned(model: nn.Module, masks: Mapping[str, Tensor], optimizer: torch.optim.Optimizer,
                    batches: Iterable[tuple[Tensor, Tensor]],
                    loss_fn: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
    """One optimizer step a batch, after each of which every masked weight is exactly 0.0; the batches' losses."""
    ### BEGIN SOLUTION
    parameters, losses = dict(model.named_parameters()), []
    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for name, mask in masks.items():
                parameters[name][mask == 0] = 0
        losses.append(loss.item())
    return losses
    ### END SOLUTION

# %% check="finetune_pruned"
check("16.finetune_pruned", finetune_pruned)

# %% [markdown] about="obs_step"
# Take one step of Optimal Brain Surgeon.
#
# - A change δ of the weights `w` (n,) raises the loss by ½·δᵀHδ. `H` has shape (n, n).
# - Choose the weight whose removal costs least *when all others may move*, and move them in the best way.
# - Return (index as an int, the new weights as an array, the cost as a float). The removed entry of the new weights is exactly 0.
# - The cost of removing weight *q* is w_q² / (2·[H⁻¹]_qq), and the change is δ = −w_q / [H⁻¹]_qq · H⁻¹e_q.
# - If H is not symmetric, or not positive definite, raise a ValueError. An entry H_ij and its mirror image H_ji may differ by up to 1e-9 of their own size: that is rounding, not asymmetry. The check tries a difference of 1e-13 of the entry, which must be accepted, and differences of half the entry and more, which must be refused.
# - Two equal lowest costs do not occur in the check. If they did, the lower index would be removed.
# - Leave the arguments unchanged.
#
# For example H = [[2, 1], [1, 1]] and w = [1, 2] → `(0, [0, 3], 0.5)`. H = diag(10, 0.1) and w = [0.5, 1] → `(1, [0.5, 0], 0.05)`.

# %% exercise="obs_step"
def obs_step(H: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray, float]:
    """(index, compensated weights, cost) of the weight whose removal costs least.

    Raises ValueError unless H is symmetric positive definite.
    """
    ### BEGIN SOLUTION
    if not np.allclose(H, H.T, rtol=1e-9, atol=0):
        raise ValueError("H must be symmetric")
    np.linalg.cholesky(H)  # LinAlgError, a ValueError, unless positive definite
    inverse = np.linalg.inv(H)
    costs = w**2 / (2 * np.diag(inverse))
    q = int(np.argmin(costs))
    compensated = w - w[q] / inverse[q, q] * inverse[:, q]
    compensated[q] = 0
    return q, compensated, float(costs[q])
    ### END SOLUTION

# %% check="obs_step"
check("16.obs_step", obs_step)

# %% [markdown]
# ## Measure it
#
# All of this runs now, on one thread: real training, real files, real latency. Seeds are fixed.
# Before you run it: at 90 % sparsity, how much of the loss in accuracy do six epochs of fine-tuning bring back?

# %% experiment
from utils.widgets.ch16_pruning import curve_chart, curve_table, measure_curves

curves = measure_curves()
curve_table(curves)

# %% experiment
curve_chart(curves)

# %% [markdown]
# Expect 0.472 without training and 0.941 with it: most of the way back. At 80 % nothing is lost.
#
# ### At once or in steps?
#
# 90 % of the weights go, with twelve epochs of fine-tuning in all: at once, or in four rounds on the cubic schedule.

# %% experiment
from utils.widgets.ch16_pruning import measure_recipes, recipe_table

recipe_table(measure_recipes())

# %% [markdown]
# Expect 0.959 at once and 0.970 in rounds. Is that a law? Two more networks were recorded (`measure_recipes((1, 2))` repeats it):
#
# | 90 % removed | no fine-tuning | at once, 12 epochs | in 4 rounds of 3 epochs |
# |---|---|---|---|
# | seed 1 | 0.563 | 0.969 | 0.969 |
# | seed 2 | 0.550 | 0.961 | 0.954 |
#
# Fine-tuning is worth 40 to 50 points. The order of pruning is worth about one, some 5 images, and it goes either way.
#
# ### Neurons, and the honest baseline
#
# The same share of neurons is cut out of both hidden layers. The last column trains the small shape from scratch.

# %% experiment
from utils.widgets.ch16_pruning import measure_neurons, neuron_table

neuron_table(measure_neurons())

# %% [markdown]
# Expect the network from scratch to be at least as good as the pruned one. It trained for 30 epochs. The pruned one trained for 30 as a large network, and for 6 more. So the baseline had less training and still won.
# What pruning found here is a size, not a set of precious weights.
# For single weights the **lottery ticket** hypothesis (2019) claims more: a large network holds sparse parts that train as well alone, if they start from their own initial weights. We do not test it here.
#
# ### Files and time

# %% experiment
from utils.widgets.ch16_pruning import file_chart, measure_files

file_chart(measure_files())

# %% experiment
from utils.widgets.ch16_pruning import model_table

model_table()

# %% [markdown]
# Expect the same time for the dense network and the one with 80 % zeros, and clearly less for the one with half of its neurons.
# (One recorded run, one core of a shared cloud CPU: 96, 96 and 44 µs.) The file shrinks like the number of parameters: 27,161 of 69,790 bytes. In both, a little under 900 bytes are the file's header and the description of the graph. The rest is 4 bytes a parameter.
#
# With a GPU of compute capability 8.0 or later, the next cell measures 2:4 sparsity in FP16, where the hardware skips the zeros. Without one it says so.

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
# | 1 | pruning has the granularities synapse, neuron and weight matrix | dated | today: single weights (unstructured), N:M, blocks, channels or neurons, heads, layers. "The most important part of each layer" is no standard term |
# | 2 | unimportant weights become 0, and sparse matrices store and compute them | depends | zeros in a dense array save nothing: 69,790 bytes before and after. CSR pays above about 50 % zeros in FP32. Structured pruning needs no sparse matrix |
# | 3 | pruning has to be iterative to keep the accuracy | depends | what is needed is fine-tuning. With twelve epochs in all, steps gained 1 point, nothing, and lost 1 point on three networks. SparseGPT reaches 50 % at once without retraining |
# | 4 | pruning a neuron zeroes a row and a column | holds, incomplete | the bias belongs to it. If it is left, relu(bias) is a constant that has to be folded into the next bias |
# | 5 | pruning whole matrices compresses far more than the finer kinds | wrong | at equal accuracy the finest unit reaches the highest sparsity: 80 % of the weights cost nothing here, 75 % of the neurons 2 points, and a whole matrix everything |
# | 6 | (implied) the inherited weights make a pruned network good | depends | for structured pruning the same shape from scratch does as well: 0.974 against 0.967 with half of the neurons |
#
# Rows 2, 4 and 6 were computed above. In row 3 the first network was; the other two (seeds 1 and 2) were recorded, and SparseGPT's result is quoted.
# In row 5 the weights and the neurons come from the tables above. Here is its last part: all weights of the middle matrix go, and the rest trains on.

# %%
whole = {"net.2.weight": torch.zeros(64, 128, dtype=torch.bool)}
without = finetuned_copy(model, whole, X_train, y_train, epochs=6)
print(f"without its middle matrix, 6 epochs: accuracy {accuracy(without, X_test, y_test):.3f}")
print("A network that passes nothing on sees no image. A layer can only go where a shortcut leads past it.")

# %% [markdown]
# ## Explain it
#
# A colleague zeroed 80 % of a model's weights with `torch.nn.utils.prune`. "The accuracy is fine after fine-tuning, but neither the file nor the latency changed. Pruning does not work."
# Answer in five or six sentences.
#
# A good answer names:
# 1. why zeros in a dense array change neither bytes nor time;
# 2. what would turn these zeros into bytes, and from which sparsity on;
# 3. which granularity would make the model faster on ordinary hardware, and what it costs;
# 4. how to check that the weights really stayed pruned during the fine-tuning;
# 5. which baseline the result has to beat.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The zeros stand in the same dense arrays, so the file has as many bytes, and the dense kernel multiplies them like any number.
# For a smaller file we can compress it, or store CSR: with FP32 values and int32 columns that pays above about 50 % zeros, so 80 % would take about 42 % of the bytes.
# For a shorter time we should remove whole channels or neurons and build the smaller model. That keeps less accuracy at the same share removed, so we prune less of it and fine-tune. On an NVIDIA GPU 2:4 is another way.
# I would also count the zeros after the training: a mask on the gradients alone lets momentum revive weights, the mask has to be applied after each step.
# In the end we compare with a dense model of the small size that trained for the same budget, and with INT8. If those are as good, we need no pruning.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("16")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | pruning | 剪枝 | removing parameters from a network |
# | sparsity | 稀疏度 | share of zero weights |
# | unstructured pruning | 非结构化剪枝 | removing single weights |
# | structured pruning | 结构化剪枝 | removing neurons, channels, heads or layers |
# | granularity | 剪枝粒度 | size of the unit that is removed together |
# | mask | 掩码 | keep or remove, a flag for each weight |
# | saliency | 显著性 | estimated rise of the loss by a removal |
# | sensitivity analysis | 敏感度分析 | pruning one layer at a time |
# | fine-tuning | 微调 | training after pruning to recover accuracy |
# | iterative pruning | 迭代剪枝 | several rounds of pruning and training |
# | Optimal Brain Surgeon | 最优脑外科 | second-order pruning, the other weights compensate |
# | lottery ticket | 彩票假设 | a sparse part of a network that can be trained from its initial weights |

# %% [markdown]
# ## Sources
#
# - Y. LeCun, J. Denker and S. Solla, *Optimal Brain Damage*, NIPS 1989.
# - B. Hassibi and D. Stork, *Second Order Derivatives for Network Pruning: Optimal Brain Surgeon*, NIPS 1992 (published 1993).
# - S. Han, H. Mao and W. Dally, *Deep Compression*, ICLR 2016.
# - M. Zhu and S. Gupta, *To Prune, or Not to Prune*, 2017, arXiv:1710.01878: the cubic schedule.
# - Z. Liu et al., *Rethinking the Value of Network Pruning*, ICLR 2019, arXiv:1810.05270.
# - J. Frankle and M. Carbin, *The Lottery Ticket Hypothesis*, ICLR 2019.
# - E. Frantar and D. Alistarh, *SparseGPT*, ICML 2023, arXiv:2301.00774: at least 50 % at once, OPT-175B and BLOOM-176B.
# - S. Sreenivas et al., *LLM Pruning and Distillation in Practice: The Minitron Approach*, 2024, arXiv:2408.11796.
# - PyTorch, `torch/nn/utils/prune.py` and `torch/sparse/semi_structured.py`.
