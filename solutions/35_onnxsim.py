# %% [markdown]
# # 35 · onnxsim: simplifying an ONNX graph
# **onnxsim的介绍**
#
# An exported CNN has 25 nodes, and 7 of them do the work. The other 18 can go: nodes that return what they get, two batch norms that fit into the convolutions, two Transposes that cancel, arithmetic on shapes and constants, and a dead end.
# Converters for TensorRT, ncnn or MNN (engines for GPUs and phones) may stumble over such nodes. A simplifier takes them out. This chapter builds one, and shows where such tools make a model worse.
#
# About 105 minutes: 72 for the six exercises, the rest to read, measure and explain. It helps to know chapters 23 (ONNX) and 34 (export). No engine beyond ONNX Runtime is needed.

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > onnxsim simplifies an ONNX graph. It repeats three things until the graph stays as it is: shape inference (working out each tensor's shape without a run), rewrites (such as fusing Conv + BatchNorm into one node, or dropping identities and pairs of Transposes), and constant folding.
# >
# > Constant folding runs every node whose inputs are constants once, now, and stores the result as an initializer, a constant in the file. With static input shapes, whole Shape–Gather–Concat chains vanish. With a symbolic batch (a name such as N instead of a number), only part of them does.
# >
# > onnxsim returns the new model and a `check`. I don't trust it: by default it compares nothing. I run the original and the simplified file on random inputs, with the runtime's own optimisations switched off.
# >
# > I also look at the file size, because a folded constant may be large. And I don't expect much speed in ONNX Runtime, which does these rewrites itself. The sure gains are the converters, and the time to load.

# %% [markdown]
# ## How it works
#
# ### The mess
#
# `messy_cnn` builds a network as exporters leave it. A **node** is one operator with its inputs and outputs. An **initializer** is a constant in the file: weights, for example.

# %%
import textwrap

from utils.graphs.simplify import messy_cnn


def show(graph_model) -> None:
    names = [node.op_type for node in graph_model.graph.node]
    print(textwrap.fill(f"{len(names)} nodes: {' '.join(names)}", 100, subsequent_indent="  "))


model = messy_cnn()
show(model)
print(f"{model.ByteSize():,} bytes, {len(model.graph.initializer)} initializers")

# %% [markdown]
# What is too much here? 18 nodes:
#
# - 5 **no-ops**. They return what they get: two `Identity`, a `Dropout`, a `Cast` from float to float, and a `Mul` by 1.0.
# - 2 `BatchNormalization`. Each multiplies each channel by a number and adds another. The convolution before it could do that.
# - 2 `Transpose`. They turn the layout to NHWC (channels last) and back.
# - 4 nodes that compute a target for `Reshape`: `Shape Gather Unsqueeze Concat`. So `x.reshape(x.shape[0], -1)` was exported.
# - 3 nodes for a factor: `Add` and `Div` compute (2 + 3) / 5 at each run, and the other `Mul` multiplies by it.
# - 2 **dead** nodes: the last `Conv` and `Sigmoid` lead nowhere.
#
# ### One pass: take out no-ops
#
# A **pass** maps a graph to a new graph and a number of changes.

# %%
from utils.graphs.simplify import eliminate_noops

result = eliminate_noops(model)
print(result.changes, "changes")
show(result.model)

# %% [markdown]
# Five nodes are gone, and the nodes that read their results read the sources now. One trap hides in the last `Identity`: it made the output `y`, and callers ask for `y`.
# So the name must not go with the node. `Gemm` makes `y` now:

# %%
print([(node.op_type, list(node.output)) for node in result.model.graph.node if "y" in node.output])

# %% [markdown]
# The other `Mul` stayed: its factor is the result of `Div`, and this pass does not compute.
#
# ### Constant folding
#
# A node whose inputs are all constants gives the same result in every run. **Constant folding** computes it once and stores it. It can do more than arithmetic. **Shape inference** works out each tensor's shape from the shapes of the inputs, without a run. Where those are fixed, the result of `Shape` is a constant.

# %%
from utils.graphs.simplify import fold_constants

folded = fold_constants(result.model)
print(folded.changes, "changes")
show(folded.model)
before = {tensor.name for tensor in result.model.graph.initializer}
stored = [tensor.name for tensor in folded.model.graph.initializer if tensor.name not in before]
print("stored:", ", ".join(stored))

# %% [markdown]
# The whole shape chain is a constant now. And (2 + 3) / 5 is 1.0, so the second `Mul` has become a no-op. The first pass could take it out, if it came once more.
#
# What must **not** be folded: random generators (every run would get the same noise), the bodies of loops and branches, and the dequantisation of INT8 weights (the file would hold FP32 weights again).
# An initializer that is listed as an input too is only a default: callers may feed another value, so it is no constant.
#
# ### Conv + BatchNorm
#
# In inference, batch norm uses stored numbers for each channel: BN(z) = γ · (z − μ) / √(σ² + ε) + β. Here μ is the mean and σ² the variance, γ (gamma) scales, β (beta) shifts, and the small ε (eps) keeps the root above 0.
# Put z = conv(x; w) + b into it. The result is a convolution plus a constant again, so one node can do both (a **fusion**):
#
# - s = γ / √(σ² + ε)
# - w′ = s · w, and b′ = (b − μ) · s + β

# %%
from utils.graphs.simplify import fold_conv_bn

w, b = fold_conv_bn(w=np.array([[[[2.0]]]], np.float32), b=np.array([1.0]), gamma=np.array([3.0]),
                    beta=np.array([0.5]), mean=np.array([4.0]), var=np.array([0.25]), eps=0)
print("s = 3 / sqrt(0.25) = 6")
print(f"w' = 6 * 2 = {w.item()}, b' = (1 - 4) * 6 + 0.5 = {b.item()}")
x = 10.0
print("conv, then BN:", 3 * ((2 * x + 1) - 4) / 0.25**0.5 + 0.5, "  folded conv:", w.item() * x + b.item())

# %% [markdown]
# Two conditions are easily forgotten. Nothing else may read the convolution's result, and it must not be an output of the graph. A skip connection that reads it too would get normalised values.
#
# ### Transposes compose
#
# Two Transposes in a row are one. If that one is the identity, both can go.

# %%
from utils.graphs.simplify import compose_transposes as our_compose_transposes

print("NHWC and back:", our_compose_transposes([(0, 2, 3, 1), (0, 3, 1, 2)]))
print("NHWC twice:   ", our_compose_transposes([(0, 2, 3, 1), (0, 2, 3, 1)]))

# %% [markdown]
# ### Round after round
#
# Folding made a new no-op. So the passes run in rounds, until a round changes nothing: a **fixed point**.

# %%
from utils.graphs.simplify import simplify

report = simplify(model)
for step in report.log:
    if step.changes:
        print(f"round {step.round}  {step.name:10} {step.changes:2} changes  {step.nodes:2} nodes {step.size_bytes:7,} bytes")
print(f"{report.log[-1].round} rounds, the last one without changes")
show(report.model)

# %% [markdown]
# 25 nodes became 7. Two more passes did something: `cse` merges what is there twice (**common subexpressions**, here two folded constants that equal others), and `dead` drops what leads to no output.
# After `conv_bn` the model was larger for a while, because the old weights were still there. `dead` took them out.
#
# onnxsim 0.8.1 and OnnxSlim 0.1.98 give the same 7 nodes. The course's tests compare operator by operator, on this network, on 60 random graphs and on networks exported from torch.
#
# ### A symbolic batch
#
# Now the batch has a name, N, instead of the number 1. A dimension with a name is a **symbolic dimension**.

# %%
dynamic = simplify(messy_cnn(batch="N"))
show(dynamic.model)

# %% [markdown]
# The four nodes that compute the batch size stay, because N is no constant. onnxsim stops here too, at 11 nodes. You may leave it at that: the file is right for every batch size. Two ways lead to 7 nodes.
#
# **Fix the shape.** That gives a file for one batch size. onnxsim does it with the option `--overwrite-input-shape x:4,3,16,16`. Here:

# %%
fixed = simplify(messy_cnn(batch="N"), input_shapes={"x": (4, 3, 16, 16)})
print(fixed.nodes_after, "nodes; output", [d.dim_value for d in fixed.model.graph.output[0].type.tensor_type.shape.dim])

# %% [markdown]
# **Write the target down.** In a Reshape target, 0 copies the input's dimension at the same index, and −1 takes what is left over. Following the symbol N through `Gather`, `Unsqueeze` and `Concat` (**data propagation**) shows that the computed target is [N, −1]. The input is [N, 16, 1, 1], so [0, −1] says the same for every N:

# %%
from utils.graphs.simplify import DEFAULT_PASSES, rewrite_dynamic_reshape

rewritten = simplify(messy_cnn(batch="N"), (*DEFAULT_PASSES, rewrite_dynamic_reshape))
show(rewritten.model)

# %% [markdown]
# ### Is it still the same model?
#
# An **equivalence check** runs two models on the same inputs and compares their outputs. onnxsim's `check` claims to be one, and the script in the interview document (claim 5 below) ends with `assert check`.
# Let us sabotage a model and see what a check is worth. `with_doubled` doubles one weight matrix:

# %%
from utils.graphs.simplify import verify
from utils.graphs.simplify.examples import with_doubled

sabotaged = with_doubled(report.model, "wf")
print("a check of 0 runs:", all([]))
print("the honest model, 3 runs:", verify(model, report.model, n=3).ok)
print("the sabotaged one, 3 runs:", verify(model, sabotaged, n=3).reason)

# %% [markdown]
# `all([])` is True: nothing was compared, so nothing differed. onnxsim's `check_n` is 0 by default, and it returns True then. Our `verify` refuses 0 runs.
#
# Three things make a check worth something:
#
# 1. **The runtime's optimisations are off for both.** Otherwise ONNX Runtime folds the batch norm of the original in the same way, and may hide the same error.
# 2. **Several batch sizes**, if the batch is symbolic. A batch that was frozen at 1 shows at 3 only.
# 3. **A tolerance.** Folding changes the order of rounding, so the last bits differ:

# %%
honest = verify(model, report.model)
print(f"{honest.runs} runs; is the largest difference below 1e-6? {honest.max_abs < 1e-6}")

# %% [markdown]
# ### Fewer nodes, more bytes
#
# `ConstantOfShape` makes a tensor of 1024 × 1024 twos when the model runs. Folded, these are 4 MiB in the file. Our pass refuses results above 1 MiB and says so:

# %%
from utils.graphs.simplify.examples import constant_of_shape

small = constant_of_shape()
kept = simplify(small)
print(f"{kept.bytes_before} bytes become {kept.bytes_after}. {kept.notes[0]}.")

# %% [markdown]
# onnxsim's limit, `tensor_size_threshold`, is 1.5 GB by default, so it writes the 4 MiB.
#
# ### The tool
#
# All of this is a command. It checks before it writes, and writes the file whole or not at all. Exit status 0 means that the file was written. 1 means a finding: the outputs differ, the passes did not settle, or the file grew more than `--max-growth` allows. Then nothing is written, unless you add `--force`. 2 means bad arguments or a file that can't be used:

# %%
import io
import tempfile
from pathlib import Path

import onnx

from utils.graphs.simplify.cli import main as simplify_tool

with tempfile.TemporaryDirectory() as folder:
    source, target = Path(folder) / "model.onnx", Path(folder) / "simple.onnx"
    onnx.save(messy_cnn(batch="N"), source)
    status = simplify_tool([str(source), str(target), "--dynamic-reshape"], out=io.StringIO())
    print("python -m utils.graphs.simplify model.onnx simple.onnx --dynamic-reshape")
    print(f"exit status {status}; {len(onnx.load(target).graph.node)} nodes in the new file")

# %% [markdown]
# ## See it
#
# ![The 25 nodes of the messy CNN as a graph in three rows. Five are dashed, because the first pass takes them out: two Identity, Dropout, Cast and one Mul. Below, the nodes fall from 25 to 7 over seven steps, and the bytes rise to about 13,300 before they fall to 6,751.](figure.svg)
#
# Step 1 of 7: 25 nodes, 7,930 bytes. The first pass takes out five nodes. At the end there are 7 nodes and 6,751 bytes.
#
# **Watch it shrink.** Step through the passes. Switch one off, and see what it leaves behind and what the others can't do without it. (Left out are `scales`, `open_reshape` and `cse`, which took out no node in the run above.)

# %% figure
from utils.widgets.ch35_onnxsim import watch_it_shrink

watch_it_shrink()

# %% [markdown]
# Try three things. Switch constant folding off: 14 nodes stay. Set the batch to N: the four nodes that compute it stay. Then switch "dynamic Reshape" on: they go.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports NumPy as `np`. An answer may use that, Python's own modules, and nothing from other exercises.

# %% [markdown] about="fold_batchnorm"
# Fold a batch norm into the convolution before it.
#
# - `w` is a float32 array (out, in/groups, kh, kw), `b` a float32 array (out,) or None for no bias. `gamma`, `beta`, `mean`, `var` are float32 arrays (out,), `eps` is a float.
# - BN(z) = gamma · (z − mean) / sqrt(var + eps) + beta for each output channel of the convolution, with the stored `var` as it is.
# - Return `(w', b')`, two float32 arrays of shapes (out, in/groups, kh, kw) and (out,), such that conv(x; w′) + b′ = BN(conv(x; w) + b). Compute in float64 and round at the end. Leave the arguments unchanged.
# - Raise `ValueError` when `gamma`, `beta`, `mean`, `var` or `b` (if it is not None) has another shape than (out,), also where NumPy would broadcast it, and when `var + eps` is 0 or negative for a channel.
#
# | | w | b | gamma | beta | mean | var | eps | w′ | b′ |
# |---|---|---|---|---|---|---|---|---|---|
# | one channel | [[[[2]]]] | [1] | [3] | [0.5] | [4] | [0.25] | 0 | [[[[12]]]] | [-17.5] |
# | two channels | [[[[1]], [[2]]], [[[3]], [[4]]]] | None | [2, 6] | [0, 10] | [1, 3] | [3, 8] | 1 | [[[[1]], [[2]]], [[[6]], [[8]]]] | [-1, 4] |

# %% exercise="fold_batchnorm"
def fold_batchnorm(
    w: np.ndarray, b: np.ndarray | None, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, var: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """(w', b') as float32 such that conv(x; w') + b' = BN(conv(x; w) + b)."""
    ### BEGIN SOLUTION
    out = w.shape[0]
    b = np.zeros(out) if b is None else b
    if any(np.shape(v) != (out,) for v in (b, gamma, beta, mean, var)):
        raise ValueError("statistics and bias must have one value for each output channel")
    w, b, gamma, beta, mean, var = (np.asarray(a, np.float64) for a in (w, b, gamma, beta, mean, var))
    if np.any(var + eps <= 0):
        raise ValueError("var + eps must be positive")
    s = gamma / np.sqrt(var + eps)  # (out,)
    new_w, new_b = w * s[:, None, None, None], (b - mean) * s + beta
    return new_w.astype(np.float32), new_b.astype(np.float32)
    ### END SOLUTION

# %% check="fold_batchnorm"
check("35.fold_batchnorm", fold_batchnorm)

# %% [markdown] about="compose_transposes"
# Transposes in a row are one.
#
# - `perms` is a list of permutations, tuples of ints, in the order in which the Transposes are applied. As in `np.transpose`, axis i of a result is axis `perm[i]` of its input.
# - Return the one permutation that does the same, as a tuple of ints. Return None if that is the identity, and for an empty list.
# - Raise `ValueError` when a tuple does not hold each of 0, 1, …, rank − 1 once (negative axes are refused too), and when the tuples have different lengths.
# - Leave `perms` unchanged.
#
# | perms | result |
# |---|---|
# | `[(1, 2, 0), (1, 2, 0)]` | `(2, 0, 1)` |
# | `[(0, 2, 3, 1), (0, 3, 1, 2)]` | `None` |
# | `[(0, 2, 1), (1, 2, 0)]` | `(2, 1, 0)` |

# %% exercise="compose_transposes"
def compose_transposes(perms: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    """The one permutation that does what the Transposes in `perms` do one after another; None if that is nothing."""
    ### BEGIN SOLUTION
    if any(sorted(p) != list(range(len(p))) or len(p) != len(perms[0]) for p in perms):
        raise ValueError("perms must be permutations of one rank")
    if not perms:
        return None
    composed = tuple(range(len(perms[0])))
    for p in perms:
        composed = tuple(composed[axis] for axis in p)
    return None if composed == tuple(sorted(composed)) else composed
    ### END SOLUTION

# %% check="compose_transposes"
check("35.compose_transposes", compose_transposes)

# %% [markdown] about="remove_noops"
# Take no-ops out of a graph and rewire it.
#
# A graph is a list of nodes in an order in which they can run. A node is a tuple `(op, inputs, outputs)`: an operator's name, and two tuples of tensor names. `inputs` and `outputs` of the graph are tuples of names. Each tensor is made once, and no name is empty. A name that no node makes is an input of the graph or a constant.
#
# - No-ops are `"Identity"` and `"Dropout"` (in inference). Both give their **first input** as their first output. A Dropout may have further inputs, which do not matter, and a second output, its **mask**. No no-op reads a mask.
# - Go through the nodes in order. Drop every no-op, and let the readers of its first output read its first input. Chains may have any length, and a tensor may have several readers.
# - A Dropout whose mask is read by a node, or is an output of the graph, **stays**.
# - The graph's inputs and outputs keep their **names**. When a no-op makes an output of the graph, rename the output of the node that makes its source, and every other use of that name.
# - That is not possible when no node makes the source (it is an input of the graph or a constant), and when the source, after the earlier removals, has the name of another output of the graph. Then the no-op **stays**.
# - The nodes that are left keep their order. Return a new list of such tuples; leave the arguments unchanged. Names of tensors inside the graph are yours to choose: the answer is judged by what it computes and by how many no-ops are left.
#
# In all examples the graph's input is `x`. `Relu x → a` stands for `("Relu", ("x",), ("a",))`.
#
# | nodes | outputs | result |
# |---|---|---|
# | Relu x → a; Identity a → y | y | Relu x → y |
# | Identity x → a; Dropout a → b; Relu b → c; Neg b → d; Add c,d → y | y | Relu x → c; Neg x → d; Add c,d → y |
# | Identity x → y | y | Identity x → y |
# | Relu x → a; Neg a → b; Identity a → y | y, b | Relu x → y; Neg y → b |

# %% exercise="remove_noops"
def remove_noops(nodes: list[tuple], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> list[tuple]:
    """Drop Identity and Dropout nodes and rewire their readers; inputs and outputs of the graph keep their names."""
    ### BEGIN SOLUTION
    made = {name for _, _, outs in nodes for name in outs}
    read = {name for _, ins, _ in nodes for name in ins} | set(outputs)
    alias = {}  # a name that is gone -> the name that replaces it

    def current(name):
        while name in alias:
            name = alias[name]
        return name

    kept = []
    for op, ins, outs in nodes:
        if op == "Identity" or (op == "Dropout" and not read.intersection(outs[1:])):
            source, target = current(ins[0]), outs[0]
            if target not in outputs:
                alias[target] = source
                continue
            if source in made and source not in outputs:
                alias[source] = target
                continue
        kept.append((op, ins, outs))
    return [(op, tuple(map(current, ins)), tuple(map(current, outs))) for op, ins, outs in kept]
    ### END SOLUTION

# %% check="remove_noops"
check("35.remove_noops", remove_noops)

# %% [markdown] about="reshape_target"
# Write down the target of a Reshape that computes it at run time.
#
# In a Reshape target, a 0 copies the input's dimension at the same index, and a −1 takes what is left over. (For the 0 this is so with `allowzero=0`, ONNX's default. With `allowzero=1` a 0 would be a size.)
#
# - `in_shape` are the dimensions of its input: ints of 1 or more, and symbols (strings such as `"N"`). Equal symbols have equal values.
# - `target` are the dimensions that it computes: ints of 1 or more, symbols, and at most one −1. It may be longer or shorter than `in_shape`. Both lists may be empty.
# - Return a list of ints of the same length. An int, also −1, stays. A symbol becomes **0** when `in_shape` has the same symbol at the same index. One remaining symbol becomes **−1**.
# - Return None when more than one symbol remains (each occurrence counts, also of the same symbol), and when one remains although the target has a −1 already. Look for no cleverer way. (The product of the other dimensions might tell the −1 of the fourth example. That is not asked.)
# - Leave both lists unchanged.
#
# | in_shape | target | result |
# |---|---|---|
# | `["N", 16, 1, 1]` | `["N", -1]` | `[0, -1]` |
# | `["N", 16]` | `[16, "N"]` | `[16, -1]` |
# | `["N", "M"]` | `["M", "N"]` | `None` |
# | `["N", 4, 6]` | `[-1, "N", 4]` | `None` |

# %% exercise="reshape_target"
def reshape_target(in_shape: list[int | str], target: list[int | str]) -> list[int] | None:
    """A constant for ONNX Reshape (allowzero=0) that does what the computed `target` does, or None."""
    ### BEGIN SOLUTION
    constant, remaining = [], 0
    for i, dim in enumerate(target):
        if not isinstance(dim, str):
            constant.append(dim)
        elif i < len(in_shape) and in_shape[i] == dim:
            constant.append(0)
        else:
            constant.append(-1)
            remaining += 1
    return constant if remaining == 0 or constant.count(-1) == 1 else None
    ### END SOLUTION

# %% check="reshape_target"
check("35.reshape_target", reshape_target)

# %% [markdown] about="fixed_point"
# Run passes in rounds until a round changes nothing.
#
# - `passes` is a list of functions. Each takes a graph and returns `(new graph, number of changes)`, and leaves its argument as it is. What a graph is does not matter to you.
# - A round applies all passes in order, each to the graph that the one before it returned.
# - After the first round whose changes add up to 0, return the graph and a list: the changes of each round, summed over its passes, the final 0 included. Without passes that is the graph and `[0]`.
# - When `max_rounds` rounds (15 if not given) all changed something, raise `RuntimeError` with a message that contains `converge`. Raise `ValueError` when `max_rounds` is below 1.
#
# In the examples a graph is a list of operator names, a chain. A pass goes through it once from left to right and replaces a run of names by another; each replacement is one change.
#
# | graph | passes | result |
# |---|---|---|
# | Transpose Identity Transpose Relu | Transpose Transpose → nothing; Identity → nothing | Relu, `[1, 1, 0]` |
# | Conv Transpose Identity Transpose Relu Constant Constant Add Mul Constant Mul Gemm | Constant Constant Add → Constant; Transpose Transpose → nothing; Identity → nothing; Constant Mul Constant Mul → Constant Mul | Conv Relu Constant Mul Gemm, `[3, 1, 0]` |
# | Relu | Identity → nothing | Relu, `[0]` |

# %% exercise="fixed_point"
def fixed_point(graph, passes, max_rounds=15):
    """Apply the passes in order, round after round, until a round changes nothing."""
    ### BEGIN SOLUTION
    if max_rounds < 1:
        raise ValueError("max_rounds must be at least 1")
    per_round = []
    for _ in range(max_rounds):
        changed = 0
        for apply in passes:
            graph, changes = apply(graph)
            changed += changes
        per_round.append(changed)
        if changed == 0:
            return graph, per_round
    raise RuntimeError("the passes did not converge")
    ### END SOLUTION

# %% check="fixed_point"
check("35.fixed_point", fixed_point)

# %% [markdown] about="equivalent"
# Do two models compute the same? Answer by running both.
#
# - `run_a` and `run_b` take a dict {input name: array} and return a dict {output name: float array}. `make_feeds(rng)` draws such an input.
# - Do n trials: draw one input and give it to both models. Draw a new one for each trial, n in all when the models agree. You may stop at the first difference.
# - A trial agrees if both dicts have the same names (in any order), each output has the same shape in both, and each element b of `run_b` lies near its element a of `run_a`: |a − b| ≤ 1e-5 + 1e-4 · |a|. Two NaN agree. An infinity agrees only with the same infinity.
# - Return True if all n trials agree, else False, as a Python or NumPy bool.
# - Raise `ValueError` when n is below 1. Nothing would be compared.
#
# In the examples the models have the outputs `y` of shape (4,) and `z` of shape (), and n is 3: two equal models → True; `y` larger by a factor of 1.00002 → True; a doubled `z` → False; `y` wrong for the third input only → False.

# %% exercise="equivalent"
def equivalent(run_a, run_b, make_feeds, n: int, rng: np.random.Generator) -> bool:
    """Whether two models agree on n random inputs, within 1e-4 relative and 1e-5 absolute to run_a's outputs."""
    ### BEGIN SOLUTION
    if n < 1:
        raise ValueError("n must be at least 1")
    for _ in range(n):
        feeds = make_feeds(rng)
        a, b = run_a(feeds), run_b(feeds)
        if set(a) != set(b):
            return False
        for name in a:
            if np.shape(a[name]) != np.shape(b[name]):
                return False
            if not np.allclose(b[name], a[name], rtol=1e-4, atol=1e-5, equal_nan=True):
                return False
    return True
    ### END SOLUTION

# %% check="equivalent"
check("35.equivalent", equivalent)

# %% [markdown]
# ## Measure it
#
# Does ONNX Runtime run the 7 nodes faster than the 25? It has optimisations of its own, at five levels in version 1.32. We measure four: off, basic, extended, all. (The fifth, layout, lies between extended and all.)
# Before you run it: at which level will the gain be largest, and what happens to the time to create a session?

# %% experiment
from utils.graphs.simplify import measure_levels, messy_cnn, simplify
from utils.widgets.ch35_onnxsim import level_picture, level_table

models = {"25 nodes": messy_cnn(), "7 nodes": simplify(messy_cnn()).model}
times = measure_levels(models, runs=200, creations=10)
level_table(times)

# %% experiment
level_picture(times)

# %% [markdown]
# What to look for:
#
# - Without optimisations, the run time falls with the nodes.
# - From the basic level on the gap is smaller: the runtime has done the same rewrites itself. See "nodes run". What is left is the dead branch, which it keeps and runs. (At the last level it adds nodes that change the memory layout.)
# - Creating a session takes clearly less time at every level. That is paid once, or at each start of a phone app.
#
# The file sizes, folded with a limit of 8 MiB instead of 1 MiB:

# %% experiment
from utils.widgets.ch35_onnxsim import size_picture, size_rows

size_picture(size_rows())

# %% [markdown]
# With TensorRT you would compare build times and the layers of the engines:

# %% experiment
from utils.widgets.ch35_onnxsim import tensorrt_note

tensorrt_note()

# %% [markdown]
# Is onnxsim installed here? Then it can speak for itself. The course does not need it.

# %% experiment
from importlib.util import find_spec

from utils.graphs.simplify import messy_cnn, simplify

if find_spec("onnxsim") is None:
    print("onnxsim is not installed. With it, this cell would simplify the messy CNN and compare: pip install onnxsim")
else:
    import onnxsim

    theirs, check_result = onnxsim.simplify(messy_cnn())
    ours = simplify(messy_cnn()).model
    same = sorted(n.op_type for n in theirs.graph.node) == sorted(n.op_type for n in ours.graph.node)
    print(f"onnxsim {onnxsim.__version__}: {len(theirs.graph.node)} nodes; check = {check_result}")
    print("the same operators as ours:", same)
    notes = sum(entry.ByteSize() for entry in theirs.metadata_props) + sum(v.ByteSize() for v in theirs.graph.value_info)
    print(f"its file: {theirs.ByteSize():,} bytes, {notes:,} of them notes about its settings and about shapes")

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. State of the products: November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | onnxsim was developed by Huawei's Noah's Ark Lab | wrong | it began as the project of one developer, daquexian (the licence of daquexian/onnx-simplifier says "Copyright [2019] [daquexian]"), and is maintained by the onnxsim organisation today. Neither its licence nor its package metadata names Huawei |
# | 2 | it reduces size and complexity | depends | nodes fall, bytes may rise: 183 bytes become 4,194,421 when a ConstantOfShape is folded. Even the messy CNN grew under onnxsim 0.8.1, from 7,930 to 8,423 bytes, of which 1,539 are its notes in the file |
# | 3 | so it runs more efficiently | depends | ONNX Runtime applies such rewrites itself when it loads a model. Sure gains: loading, converters, and engines without an optimiser |
# | 4 | four functions: node fusion, removing redundancy, constant folding, optimising shapes and types | holds, imprecise | the rewrites come from onnx-optimizer; onnxsim adds the folding and the rounds. "Types" are not optimised: nothing becomes FP16 |
# | 5 | `model_simplified, check = simplify(model)`, then `assert check` proves it | wrong | `check_n` is 0 by default: nothing is run, and `check` is True, for a sabotaged model too |
# | 6 | `python -m onnxsim in.onnx out.onnx` | holds | so does `onnxsim in.onnx out.onnx 3`, and that one compares on 3 random inputs |
#
# Rows 2, 3 and 5, computed with the course's own passes:

# %%
from functools import partial

from utils.graphs.simplify import eliminate_dead, fold_constants, messy_cnn, simplify, verify
from utils.graphs.simplify.examples import constant_of_shape, with_doubled
from utils.graphs.simplify.levels import optimized_ops

blown_up = simplify(constant_of_shape(), [partial(fold_constants, max_tensor_bytes=1 << 23), eliminate_dead])
print(f"row 2: {blown_up.nodes_before} nodes become {blown_up.nodes_after},", end=" ")
print(f"{blown_up.bytes_before} bytes become {blown_up.bytes_after:,}")
original = messy_cnn()
left = len(optimized_ops(original.SerializeToString(), "ORT_ENABLE_BASIC"))
print(f"row 3: of the 25 nodes ONNX Runtime itself runs {left} at its basic level")
found = verify(original, with_doubled(simplify(original).model, "wf"), n=3).ok
print("row 5: no run at all says", all([]), "about the sabotaged model, 3 runs say", found)

# %% [markdown]
# Wrong results happened: in 2020 a user of onnxsim found other outputs after simplifying, and the author named a bug of the ONNX optimizer (issue 79).

# %% [markdown]
# ## Explain it
#
# A colleague writes: "I ran onnxsim on our detector with `--overwrite-input-shape images:1,3,640,640`. It went from 412 to 290 nodes, `check` was True, and one image gives the same boxes. The service runs batches of up to 8. I'll replace the model tonight." Answer in six sentences.
#
# A good answer names:
# 1. what `check` compared, and how to make it compare something;
# 2. what the option did to the batch, and two ways to keep it symbolic;
# 3. why the comparison is made with the runtime's optimisations off, output by output, with a tolerance;
# 4. which sizes and inputs to compare on;
# 5. the file size and the measured latency before and after, and that the original is kept.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# By default `check_n` is 0, so `check` was True without a single run; pass 3, or compare yourself.
# The option fixed the batch at 1: the shape arithmetic was folded for one image, and a batch of 8 will be refused, or reshaped wrongly where a 1 was baked in.
# Simplify without it and keep the few shape nodes, or rewrite the Reshape targets with 0 and −1, and the batch stays N.
# Then compare each output of both files, not only the boxes after thresholds, in ONNX Runtime with optimisations off, within about 1e-4 relative and 1e-5 absolute.
# Use real images, batches of 1, 3 and 8, and an empty scene.
# Look at the file size and at p95 on the service's machine, since the runtime does most of these rewrites itself, and keep the original file to go back to.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("35")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | constant folding | 常量折叠 | computing once, beforehand, what never changes |
# | dead node | 死节点 | a node that contributes to no output |
# | fusion | 算子融合 | several operators become one |
# | initializer | 初始化器/权重张量 | a constant that is stored in the graph |
# | fixed point | 不动点 | a state that a further round does not change |
# | no-op | 空操作/恒等操作 | a node that returns what it gets |
# | shape inference | 形状推断 | computing tensor shapes without running the model |
# | data propagation | 数据传播 | carrying known shape values through integer nodes |
# | symbolic dimension | 符号维度 | a dimension with a name instead of a number |
# | equivalence check | 等价性校验 | running two models on the same inputs and comparing |
# | common subexpression | 公共子表达式 | the same computation, there twice |
# | graph rewrite pass | 图优化遍 (pass) | a function from a graph to a better graph |

# %% [markdown]
# ## Sources
#
# - onnxsim/onnxsim (before: daquexian/onnx-simplifier), README.md, LICENSE, issue 79; onnxsim 0.8.1: package metadata, documentation of `simplify()`, `onnxsim --list-default-optimizers`. Read and run on 27 November 2026.
# - ONNX, *Operator Schemas*: Reshape (`allowzero`), BatchNormalization-15, Dropout-13. onnx/optimizer: its passes.
# - inisis, OnnxSlim 0.1.98, run on the same day.
# - Microsoft, *Graph Optimizations in ONNX Runtime*, ONNX Runtime documentation.
# - S. Ioffe and C. Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift*, ICML 2015.
