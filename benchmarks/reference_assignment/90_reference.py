# %% [markdown]
# # 90 · The reference assignment
#
# Five small exercises with NumPy and PyTorch. They measure a grader, not a learner.

# %% setup
import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)

# %% [markdown]
# ## The short answer
#
# Standardize the inputs, build a small network, store weights in 8 bits, turn scores into probabilities, train.
#
# ## How it works
#
# Each exercise is one step of that line. They do not depend on each other.
#
# ## See it
#
# A network with 4 inputs, 8 hidden units and 3 outputs has $4 · 8 + 8 + 8 · 3 + 3 = 67$ parameters.
#
# ## Exercises

# %% [markdown] about="standardize"
# Bring each column of `x` (shape `(n, d)`) to mean 0 and standard deviation 1.
# Divide by the standard deviation plus 1e-8.
# The result is float64. An array that does not have two axes is refused with `ValueError`.

# %% exercise="standardize"
def standardize(x):
    """Columns with mean 0 and standard deviation 1, in float64."""
    ### BEGIN SOLUTION
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"expected two axes, got {x.ndim}")
    return (x - x.mean(0)) / (x.std(0) + 1e-8)
    ### END SOLUTION

# %% check="standardize"

# %% [markdown] about="TinyNet"
# A module with a linear layer `a` from `d_in` to `d_h`, a ReLU, and a linear layer `b` from `d_h` to `d_out`.
# Make `a` before `b`, so that a seed gives the same weights.

# %% exercise="TinyNet"
class TinyNet(nn.Module):
    """Two linear layers with a ReLU between them."""

    def __init__(self, d_in, d_h, d_out):
        super().__init__()
        ### BEGIN SOLUTION
        self.a = nn.Linear(d_in, d_h)
        self.b = nn.Linear(d_h, d_out)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return self.b(torch.relu(self.a(x)))
        ### END SOLUTION

# %% check="TinyNet"

# %% [markdown] about="quantize_int8"
# Symmetric quantisation of a float32 array `w` with one scale. Return the int8 values and the scale.
# The largest magnitude becomes 127. Round to the nearest integer. An array of zeros has the scale 1.

# %% exercise="quantize_int8"
def quantize_int8(w):
    """(int8 values of the shape of w, scale as a float)."""
    ### BEGIN SOLUTION
    w = torch.as_tensor(w)
    scale = w.abs().max() / 127.0
    scale = scale if scale > 0 else torch.tensor(1.0)
    return torch.clamp(torch.round(w / scale), -127, 127).to(torch.int8), float(scale)
    ### END SOLUTION

# %% check="quantize_int8"

# %% [markdown] about="softmax"
# Softmax over the last axis of `x`. It must not overflow for scores in the thousands.

# %% exercise="softmax"
def softmax(x):
    """Probabilities along the last axis."""
    ### BEGIN SOLUTION
    z = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)
    ### END SOLUTION

# %% check="softmax"

# %% [markdown] about="train"
# Train a classifier with plain SGD on all rows of `X` (shape `(n, d)`, float32).
# The labels `y` have the shape `(n,)` and are integers.
# Call `torch.manual_seed(0)`, then build `nn.Sequential(nn.Linear(d, 8), nn.ReLU(), nn.Linear(8, 2))`.
# Take `steps` steps on the cross entropy with the learning rate `lr`.
# Return the loss of each step, measured before its update.

# %% exercise="train"
def train(X, y, steps=30, lr=0.5):
    """The losses of `steps` steps, as a list of floats."""
    ### BEGIN SOLUTION
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(X.shape[1], 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
    ### END SOLUTION

# %% check="train"

# %% [markdown]
# ## Measure it
#
# `benchmarks/grade_class.py` grades this notebook with two graders.
#
# ## What the source says
#
# Nothing: the document has 54 questions, and this is none of them.
#
# ## Explain it
#
# There is no written answer here.
#
# ## Practise
#
# There is no drill here.
#
# ## Glossary
#
# None.
#
# ## Sources
#
# None.
