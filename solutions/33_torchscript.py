# %% [markdown]
# # 33 · PyTorch JIT, TorchScript and what replaced them
# **PytorchJIT和TorchScript介绍**
#
# A model is right in Python. Exported, it is wrong for some inputs, and the one warning was easy to miss. Another model can't be exported at all: the error speaks of a "data-dependent expression".
# Both have one cause. An exporter has to turn a Python program into a **graph**, a list of operations without Python. There are three ways to do that, and each loses something else.
#
# About 95 minutes: 60 for the four exercises, the rest to read and measure. It helps to know chapter 23 (ONNX). No GPU is needed.

# %% setup
import operator
from collections.abc import Callable

import numpy as np
import torch

# %% [markdown]
# ## The short answer
#
# > `torch.jit.trace` runs the model once and records its operations. Branches that depend on data, and loop counts, are frozen as the example had them. `torch.jit.script` compiles a subset of Python and keeps branches and loops, as the graph's operators `prim::If` and `prim::Loop`.
# >
# > Both give TorchScript, which LibTorch, PyTorch's C++ library, runs without Python. TorchScript is deprecated. The functions warn in current releases, and point to `torch.compile` for speed and to `torch.export` for capturing a graph.
# >
# > Deployment without Python is now AOTInductor on servers (it compiles an exported program ahead of time to a library) and ExecuTorch on phones. The ONNX exporter uses `torch.export` too.
# >
# > `torch.export` refuses branches on data, unless they are written as operators: `torch.cond` keeps both branches, `torch.where` computes both and selects. Whatever I use, I call `eval()` first, and test the graph on inputs from every branch: one example proves nothing.

# %% [markdown]
# ## How it works
#
# ### The trap
#
# PyTorch normally runs in **eager mode**: each operation is computed when Python reaches its line. Here is a model with a branch on a value, and its trace:

# %%
from utils.graphs.torchscript import quiet
from utils.graphs.torchscript.examples import Branch

model = Branch()  # x * 2 if x.sum() > 0, else x - 1
with quiet():  # torch's warnings come later in this chapter
    traced = torch.jit.trace(model, torch.ones(3))
for value in (1.0, -1.0, -2.0):
    x = torch.full((3,), value)
    print(f"x = {x.tolist()}: model {model(x).tolist()}, trace {traced(x).tolist()}")

# %% [markdown]
# At −2 the trace is wrong: it computes 2 · (−2) = −4 instead of −2 − 1 = −3. At −1 it looks right, but only because both branches give −2 there. **Agreement at one point proves nothing.**
#
# What went wrong? Let us build a tracer and see.
#
# ### A tracer in one idea
#
# **Tracing** gives the function a stand-in for its input, a **proxy**. It carries the example's value. Whatever is done to it, it does to the value, and writes the operation on a **tape**:

# %%
from utils.graphs.torchscript import trace


def two_sided(x):
    return x * 2 + 1 if x > 0 else 3 - x


recorded = trace(two_sided, 2.0)
print(recorded.graph_text())
print("at -2: function", two_sided(-2.0), " trace", recorded(-2.0))

# %% [markdown]
# The text is in the manner of TorchScript's **intermediate representation** (IR), the form in which a compiler holds a program. Each name is assigned once. That is called **static single assignment** (SSA), and it makes the origin of each value plain.
#
# Where is the comparison? `x > 0` asks the proxy, and the `if` of Python wants True or False. The proxy can only answer for its example. Python then runs one branch, and the tape never hears of the other.
#
# A loop is a branch at each turn, so its count is frozen too:

# %%
from utils.graphs.torchscript import trace


def doubled(x):
    while x < 100:
        x = x * 2
    return x


recorded = trace(doubled, 3.0)
print(recorded.ops, "at 50:", recorded(50.0), "instead of", doubled(50.0))

# %% [markdown]
# Sizes are frozen as well, if Python reads them. A mean that divides by `len(v)` keeps the example's length:

# %%
from utils.graphs.torchscript import trace

recorded = trace(lambda v: v.sum() / len(v), np.ones(4))
print(recorded.graph_text())
print("mean of eight ones:", recorded(np.ones(8)))

# %% [markdown]
# `torch.jit.trace` works the same way. On functions without control flow it records the same operations as our tracer; the course's tests compare them. It freezes `len(v)` too. `v.shape[0]` and `v.size(0)` it records as operations, so a mean written with them stays right.
#
# ### Scripting: compile the source
#
# **Scripting** reads the source code of the function instead of running it. So it sees both branches:

# %%
from utils.graphs.torchscript import control_flow_summary, quiet
from utils.graphs.torchscript.examples import Branch

with quiet():
    scripted = torch.jit.script(Branch())
print(scripted.code)
print(control_flow_summary(scripted))

# %% [markdown]
# `prim::If` is the branch, with both sides as blocks inside it. `prim` are TorchScript's own operators, `aten` is the name of PyTorch's library of tensor operations.
# The price: only a subset of Python is understood. Types are fixed, and most libraries are out of reach. The error does not always say what was wrong:

# %%
from utils.graphs.torchscript import quiet


class WithNumPy(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(np.sqrt(2.0))


with quiet():
    try:
        torch.jit.script(WithNumPy())
    except Exception as error:
        print(type(error).__name__, "-", str(error).strip().splitlines()[0])

# %% [markdown]
# ### torch.export: refuse what can't be captured
#
# `torch.export` traces too, with tensors that have shapes but no values. If Python asks such a tensor for a bool, nobody can answer: an error, and not a wrong graph.
# All three ways, on four modules with the branch or the loop from above (the first input is the example):

# %%
from utils.graphs.torchscript import capture_table
from utils.graphs.torchscript.examples import Branch, Cond, Doubling, Where
from utils.widgets.ch33_torchscript import capture_shown

inputs = [torch.ones(3), -torch.ones(3), -2 * torch.ones(3)]
positive = [torch.ones(3), torch.full((3,), 30.0)]
capture_shown({
    "Branch": capture_table(Branch(), inputs), "Cond": capture_table(Cond(), inputs), "Where": capture_table(Where(), inputs),
    "Doubling": capture_table(Doubling(), positive),
})

# %% [markdown]
# "Branches and loops" counts those in the graph. Read it row by row:
#
# - **trace** of `Branch` and `Doubling` gives a wrong graph. Its only sign is a `TracerWarning`, which is muted here.
# - **script** of them is right.
# - **export** of them stops with `GuardOnDataDependentSymNode`: the graph would depend on data.
# - `Cond` says the same with `torch.cond(condition, true_fn, false_fn, inputs)`. That is a **higher-order operator**: its arguments are functions, and both become part of the graph. Only export takes it.
# - `Where` computes both sides and chooses element by element. There is no control flow left, so all three are right. Both sides are differentiated as well: an infinity in the side that is not chosen, times 0, is NaN in the gradient.
# - For `Doubling` export the body of the loop, one step, and keep the loop in the program that calls it. Decoders of language models are deployed so.
#
# ### Guards: many small graphs
#
# There is a fourth way: keep the trace, and remember for which inputs it is right. A **guard** is a check that a specialised graph is still valid:

# %%
from utils.graphs.torchscript import GuardedFunction


def two_sided(x):
    return x * 2 + 1 if x > 0 else 3 - x


safe = GuardedFunction(two_sided)
print([safe(x) for x in (2, -2, 5, -7)], f"{safe.traces} traces, {safe.hits} hits")
for tape in safe.tapes:
    print(tape.graph_text())

# %% [markdown]
# A call goes through the tapes. It replays the first one whose guards all hold; if there is none, it traces anew. So the result is the function's, as long as that depends on its arguments alone.
#
# This is the idea behind TorchDynamo, the part of `torch.compile` that captures graphs. Its guards are on Python values, types and shapes. Where a branch depends on a *tensor's* value it does not guard. It ends the graph, lets Python decide, and starts another graph behind the branch: a **graph break**.

# %%
from utils.graphs.torchscript import quiet
from utils.graphs.torchscript.examples import Branch

graphs = []


def count_graphs(graph, example_inputs):
    graphs.append(graph)
    return graph.forward


with quiet():
    torch._dynamo.reset()
    compiled = torch.compile(Branch(), backend=count_graphs)
    results = [compiled(torch.full((3,), value)).tolist() for value in (1.0, -1.0, -2.0)]
print(results, f"{len(graphs)} graphs")

# %% [markdown]
# Right at every input. One graph computes the condition, and there is one for each side.
#
# A cache of graphs needs a limit. The doubling loop takes a path of its own for each count:

# %%
from utils.graphs.torchscript import GuardedFunction


def doubled(x):
    while x < 100:
        x = x * 2
    return x


for limit in (2, 8):
    safe = GuardedFunction(doubled, max_entries=limit)
    results = [safe(x) for x in (3, 50, 60, 3.5, 200, 13, 26, 90)]
    print(f"at most {limit} tapes: {safe.traces} traces, {safe.hits} hits, {safe.fallbacks} calls of the function itself")
print("the recompile limit of TorchDynamo here:", torch._dynamo.config.recompile_limit)

# %% [markdown]
# ### What is in the file
#
# `torch.jit.save` writes a zip archive. A model with two weights, tanh(x · w + b); the files that only map code to source lines (`debug_pkl`) are left out:

# %%
import tempfile
from pathlib import Path

from utils.graphs.torchscript import archive_listing, archive_text, quiet
from utils.graphs.torchscript.examples import Straight

with tempfile.TemporaryDirectory() as folder, quiet():
    path = Path(folder) / "model.pt"
    torch.jit.save(torch.jit.script(Straight()), path)
    for name, size in archive_listing(path):
        if not name.endswith("debug_pkl"):
            print(f"{size:6,} bytes  {name}")
    print(archive_text(path, ".py"))

# %% [markdown]
# `data/0` and `data/1` are the tensors: six and two float32 numbers. Under `code/__torch__` lies the program, as readable text.
# So a `.pt` file is a **program**. PyTorch's security policy says to treat a TorchScript model like locally executable code: load it only from somebody whom you trust.
#
# No Python is needed to run it. LibTorch reads the archive and interprets the code in C++, without Python's global interpreter lock (GIL), which lets only one thread run Python at a time.
#
# ### Freezing
#
# **Freezing** makes weights and attributes constants of the graph. Then batch norm in evaluation mode can be folded into the convolution before it (chapter 35 does the same on ONNX):

# %%
from utils.graphs.torchscript import control_flow_summary, fold_batchnorm_module, quiet
from utils.graphs.torchscript.examples import small_cnn

x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
with quiet(), torch.no_grad():
    model = small_cnn()
    traced = torch.jit.trace(model, x)
    frozen = torch.jit.freeze(traced)
    for name, graph in (("traced", traced), ("frozen", frozen)):
        print(name, control_flow_summary(graph).get("aten::batch_norm", 0), "batch norms")
    for name, other in (("frozen", frozen), ("folded by hand", fold_batchnorm_module(model))):
        print(f"{name}: within 1e-6 of the model?", bool((other(x) - model(x)).abs().max() < 1e-6))

# %% [markdown]
# The model has to be in evaluation mode when it is captured. In training mode batch norm uses the statistics of the batch, and a trace freezes that too:

# %%
from utils.graphs.torchscript import quiet
from utils.graphs.torchscript.examples import small_cnn

batch = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
for mode in ("eval", "train"):
    with quiet(), torch.no_grad():
        traced = torch.jit.trace(getattr(small_cnn(), mode)(), batch, check_trace=False)
        alone, together = traced(batch[:1])[0], traced(batch)[0]
    same = bool((alone - together).abs().max() < 1e-5)
    print(f"{mode:5} mode: is the first image's result the same alone and in a batch of four? {same}")

# %% [markdown]
# ### What replaced it
#
# Which calls warn in your release? The table is made now:

# %%
from utils.widgets.ch33_torchscript import deprecation_table

deprecation_table()

# %% [markdown]
# | you used | for | today (as of November 2026) |
# |---|---|---|
# | `torch.jit.trace`, `script` | speed in Python | `torch.compile`: TorchDynamo captures, the compiler Inductor generates code |
# | | a graph for exporters and tools | `torch.export`; saved as `.pt2`, a zip archive of graph and weights |
# | LibTorch with a `.pt` | servers without Python | AOTInductor: compiles an exported program **ahead of time** into a library for C++ |
# | PyTorch Mobile | phones | ExecuTorch; PyTorch Mobile's pages say "no longer actively supported" |
# | `torch.onnx.export(dynamo=False)` | ONNX | `dynamo=True`, based on torch.export; the default since 2.9 |

# %% [markdown]
# ## See it
#
# ![Left: the recorded graph, a multiplication by 2 and an addition of 1. Right: over x from -10 to 10 the function falls to 3 at 0 and rises as 2x + 1 behind it. The trace made at 2 is the straight line 2x + 1 everywhere; left of 0 it is wrong, at -4 it gives -7 instead of 7. The guarded curve lies on the function.](figure.svg)
#
# Traced at 2, the graph multiplies and adds. At −4 the function gives 7, the trace −7. Over 81 points the trace is wrong at 41, the guarded function at none, with 2 tapes.
#
# **Where tracing lies.** Choose a function, where it is traced and where it is tested. "shape" is the mean of a vector: it has round(|x|) elements (at least one), each of them x.

# %% figure
from utils.widgets.ch33_torchscript import where_tracing_lies

where_tracing_lies()

# %% [markdown]
# The traced curve goes on along the example's branch. Try "loop" traced at 10 and at 0.5, and "shape": its ten lengths do not fit into 8 tapes, and the rest is computed by the function itself.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports `operator`, `Callable`, NumPy as `np` and `torch`. An answer may use these, Python's own modules, and nothing from other exercises.

# %% [markdown] about="find_divergence"
# Find the first input at which a trace lies.
#
# - `fn` and `traced` are functions of one argument. `candidates` is a list of arguments (numbers or NumPy arrays), perhaps empty. A result is a number or a NumPy array of floats.
# - Return the index of the first candidate at which the two do **not agree**, as an int. Return None if they agree at all of them.
# - An exception is a result too (any `Exception`). If both raise, they agree, whatever they raise. If only one of them raises, they do not.
# - Results of different shapes do not agree; a plain number has the shape `()`, so 1.0 and `np.array([1.0])` do not agree.
# - Otherwise compare element by element: got and want are close if |got − want| ≤ `atol` + `rtol` · |want|, where want is `fn`'s. NaN agrees with NaN only, and an infinity with the same infinity only. All elements have to be close.
#
# Let `fn = lambda x: x * 2 + 1 if x > 0 else 3 - x` and `traced = lambda x: x * 2 + 1`. For candidates `[2.0, -2.0]` the result is 1, because 5.0 was expected and −3.0 came.
# With `x * 2 if x > 0 else x - 1` and its trace `x * 2`, `[1.0, -1.0, -2.0]` gives 2: at −1 both are −2.
# `x / 0.1` and `x * 10` agree at 0.3 and 0.7, up to rounding: None. `x - x` and `0 * x` agree at `[1.0, inf, nan]`: None.

# %% exercise="find_divergence"
def find_divergence(fn: Callable, traced: Callable, candidates: list, rtol: float = 1e-5, atol: float = 1e-8) -> int | None:
    """Index of the first candidate at which `traced` does not agree with `fn`, or None."""
    ### BEGIN SOLUTION
    def outcome(function, x):
        try:
            return np.asarray(function(x))
        except Exception:
            return None

    for i, x in enumerate(candidates):
        want, got = outcome(fn, x), outcome(traced, x)
        if want is None and got is None:
            continue
        if want is None or got is None or want.shape != got.shape:
            return i
        if not np.isclose(got, want, rtol, atol, equal_nan=True).all():
            return i
    return None
    ### END SOLUTION

# %% check="find_divergence"
check("33.find_divergence", find_divergence)

# %% [markdown] about="tiny_tracer"
# Write a tracer: the class `TinyTracer` with the method `trace(self, fn, *examples)`. `TinyTracer()` takes no arguments.
#
# - `fn` takes as many arguments as there are examples, and returns one value. Examples are Python numbers (int or float). `trace` calls `fn` **exactly once**, with proxies.
# - Proxies know `+`, `-`, `*` and unary `-`. The other operand may be a proxy or a Python number, on either side.
# - The comparisons `<`, `<=`, `>`, `>=`, `==`, `!=` between proxies, or with a number on either side, return a plain bool (True or False) for the example's values. They record nothing.
# - `trace` returns a function, the *replay*. Called with new inputs, as many as there were examples, it does the recorded operations on them, without calling `fn`, and returns the result. Inputs may be numbers or NumPy arrays.
# - Numbers that occur in `fn` stay as they are. If `fn` returns a number that it computed without its arguments, the replay returns that; if it returns an argument, the replay returns that input.
# - The replay's attribute `ops` is the list of the operations' names in the order in which they happened: `"add"`, `"sub"`, `"mul"`, `"neg"`. Each that happened is listed once, also if its result is used twice or never.
# - A tracer may trace several functions; replays made before keep working.
#
# | function | traced at | ops | replay |
# |---|---|---|---|
# | `x * 2 + 1 if x > 0 else 3 - x` | 2.0 | `["mul", "add"]` | at 5.0: 11.0; at -2.0: -3.0 |
# | `while x < 100: x = x * 2`, then return x | 3.0 | six times `"mul"` | at 50.0: 3200.0 |
# | `3 - x * y - 2` | 1.0, 1.0 | `["mul", "sub", "sub"]` | at 2.0, 5.0: -9.0 |
# | `7` | 1.0 | `[]` | at 3.0: 7 |

# %% exercise="tiny_tracer"
class TinyTracer:
    """Records the operations of one run of a function of numbers."""

    def trace(self, fn: Callable, *examples: float) -> Callable:
        """A function that does these operations on other numbers or arrays; `.ops` has their names in order."""
        ### BEGIN SOLUTION
        tape = []  # (name, function, operands); an operand is a proxy or a number

        class Proxy:
            def __init__(self, place, value):
                self.place, self.value = place, value

        def value_of(operand):
            return operand.value if isinstance(operand, Proxy) else operand

        def recorded(name, function, swap=False):
            def method(*operands):
                operands = operands[::-1] if swap else operands
                tape.append((name, function, operands))
                return Proxy(len(examples) + len(tape) - 1, function(*map(value_of, operands)))

            return method

        for name in ("add", "sub", "mul"):
            setattr(Proxy, f"__{name}__", recorded(name, getattr(operator, name)))
            setattr(Proxy, f"__r{name}__", recorded(name, getattr(operator, name), swap=True))
        Proxy.__neg__ = recorded("neg", operator.neg)
        for name in ("lt", "le", "gt", "ge", "eq", "ne"):
            compare = getattr(operator, name)
            setattr(Proxy, f"__{name}__", lambda a, b, compare=compare: compare(a.value, value_of(b)))

        result = fn(*[Proxy(place, value) for place, value in enumerate(examples)])

        def replay(*inputs):
            values = list(inputs)  # then the result of each operation

            def read(operand):
                return values[operand.place] if isinstance(operand, Proxy) else operand

            for _, function, operands in tape:
                values.append(function(*map(read, operands)))
            return read(result)

        replay.ops = [name for name, _, _ in tape]
        return replay
        ### END SOLUTION

# %% check="tiny_tracer"
check("33.tiny_tracer", TinyTracer)

# %% [markdown] about="branchless"
# Rewrite three functions without Python branches on values. The three originals, for float32 tensors:
#
# ```python
# def clipped(x):    # any shape; norm() is the square root of the sum of all squares
#     return x * (6.0 / x.norm()) if x.norm() > 6.0 else x
#
# def penalty(x):    # any shape; for each element v
#     ...            # 2.0 * v if v > 0 else -0.5 * v
#
# def first_k(x):    # shape (rows, columns): rows 0 to 2 stay, the rest is zero,
#     ...            # if x.mean() > 0; else x unchanged. There may be fewer than 4 rows
# ```
#
# - Return a tensor of x's shape, float32, with the original's values for every input. In first_k an element may be infinite.
# - `torch.jit.trace` at **one** input must be right at all inputs of that shape, and `torch.export.export` must succeed and be right. (`torch.cond` is no way out: export takes it, trace does not.)
# - The gradient of `f(x).sum()` must be the original's. It is asked for away from the borders between two sides (norm 6, element 0, mean 0). For clipped that includes an x of zeros, where each element's gradient is 1.
#
# A fourth function as an example: `leaky(x)`, which is `x if x.sum() > 0 else 0.1 * x`, becomes `torch.where(x.sum() > 0, x, 0.1 * x)`.
#
# | call | traced at | result |
# |---|---|---|
# | `clipped` of [3, 4], [6, 8] and [0, 0] | [3, 4] | [3, 4], [3.6, 4.8] and [0, 0] |
# | `penalty` of [1, -2, 0] and [-3, 4, 2] | [1, 2, 3] | [2, 1, 0] and [1.5, 8, 4] |
# | `first_k` of four rows [1], and of four rows [-1] | four rows [1] | [1], [1], [1], [0], and four rows [-1] |

# %% exercise="branchless"
def clipped(x: torch.Tensor) -> torch.Tensor:
    """x, scaled down to the norm 6 if its norm is larger."""
    ### BEGIN SOLUTION
    return x * (6.0 / x.norm().clamp(min=6.0))
    ### END SOLUTION


def penalty(x: torch.Tensor) -> torch.Tensor:
    """2 v for each positive element v, else -v/2."""
    ### BEGIN SOLUTION
    return torch.where(x > 0, 2.0 * x, -0.5 * x)
    ### END SOLUTION


def first_k(x: torch.Tensor) -> torch.Tensor:
    """The first three rows with zeros below if the mean of x is positive, else x."""
    ### BEGIN SOLUTION
    kept = (torch.arange(x.shape[0]) < 3) | ~(x.mean() > 0)  # (rows,)
    return torch.where(kept[:, None], x, 0.0)
    ### END SOLUTION

# %% check="branchless"
check("33.branchless", clipped, penalty, first_k)

# %% [markdown] about="guarded"
# Make tracing right: the class `Guarded(fn, max_entries=8)`, called like `fn` itself.
#
# - `fn` takes Python numbers (int or float), every time equally many, and returns one value. It depends on its arguments alone and catches no exceptions. Its proxies know `+`, `-`, `*`, `/`, unary `-` and the six comparisons, with a proxy or a number on either side. (Copy the proxy of `TinyTracer` into your cell and extend it.)
# - While it is traced, a comparison returns a plain bool for the example's values, and puts a **guard** on the tape: the comparison, and its outcome.
# - A call with numbers replays the tape whose guards all hold for them. It computes step by step, comparisons included, and stops at the first guard that does not hold: nothing behind it is computed on this tape. A replay does not call `fn`.
# - If no tape fits and there are fewer than `max_entries` (0 or more), trace anew: call `fn` **exactly once**, on proxies; keep the tape, and return the result, which is a number.
# - If no tape fits and there are `max_entries`, call `fn` once on the numbers themselves. Nothing is traced and no tape is thrown out.
# - The attribute `traces` is the number of tapes so far, 0 at the start.
# - If an operation fails (a division by zero), its exception goes on to the caller. A call that fails while it is traced leaves no tape.
#
# | function | calls | results | traces |
# |---|---|---|---|
# | `x * 2 + 1 if x > 0 else 3 - x` | 2, -2, 5, -7 | 5, 5, 11, 10 | 2 |
# | `while x < 100: x = x * 2`, then return x | 3, 50, 60, 3.5, 200 | 192, 100, 120, 112, 200 | 4 (60 fits the tape of 50) |
# | `1 / x if x != 0 else 0` | 2, 0, 4, 0 | 0.5, 0, 0.25, 0 | 2 |
# | the loop, with `max_entries=2` | 3, 50, 25, 60, 4 | 192, 100, 100, 120, 128 | 2 (25 and 4 run the function; 60 fits the tape of 50) |

# %% exercise="guarded"
class Guarded:
    """Equal to fn, through one tape for each path of decisions that has been met, `max_entries` at most."""

    def __init__(self, fn: Callable, max_entries: int = 8) -> None:
        ### BEGIN SOLUTION
        self.fn, self.max_entries, self.traces = fn, max_entries, 0
        self.tapes = []  # (steps, result); a step is (function, operands, outcome of a comparison or None)
        ### END SOLUTION

    def __call__(self, *xs: float) -> float:
        """fn(*xs)."""
        ### BEGIN SOLUTION
        def read(operand, values):  # ("place", i) or ("number", value)
            return values[operand[1]] if operand[0] == "place" else operand[1]

        for steps, result in self.tapes:
            values = list(xs)
            for function, operands, outcome in steps:
                values.append(function(*[read(o, values) for o in operands]))
                if outcome is not None and values[-1] != outcome:
                    break
            else:
                return read(result, values)
        if self.traces >= self.max_entries:
            return self.fn(*xs)

        steps, values = [], list(xs)

        class Proxy:
            def __init__(self, place):
                self.place = place

        def reference(operand):
            return ("place", operand.place) if isinstance(operand, Proxy) else ("number", operand)

        def recorded(function, swap=False, compares=False):
            def method(*operands):
                operands = [reference(o) for o in (operands[::-1] if swap else operands)]
                values.append(function(*[read(o, values) for o in operands]))
                steps.append((function, operands, values[-1] if compares else None))
                return values[-1] if compares else Proxy(len(values) - 1)

            return method

        for name in ("add", "sub", "mul", "truediv"):
            setattr(Proxy, f"__{name}__", recorded(getattr(operator, name)))
            setattr(Proxy, f"__r{name}__", recorded(getattr(operator, name), swap=True))
        Proxy.__neg__ = recorded(operator.neg)
        for name in ("lt", "le", "gt", "ge", "eq", "ne"):
            setattr(Proxy, f"__{name}__", recorded(getattr(operator, name), compares=True))

        result = reference(self.fn(*[Proxy(place) for place in range(len(xs))]))
        self.tapes.append((steps, result))
        self.traces += 1
        return read(result, values)
        ### END SOLUTION

# %% check="guarded"
check("33.guarded", Guarded)

# %% [markdown]
# ## Measure it
#
# One small network (two convolutions with batch norm, input 1 × 3 × 16 × 16) in six forms, on one thread. Before you run it: which one is the slowest, and is TorchScript always faster than eager mode?

# %% experiment
from utils.graphs.torchscript import jit_race
from utils.widgets.ch33_torchscript import race_table

forms = jit_race(rounds=200)
assert all(form.max_abs < 1e-5 for form in forms), "all forms compute the same"
assert next(form for form in forms if form.name == "freeze").batch_norms == 0
race_table(forms)

# %% experiment
from utils.widgets.ch33_torchscript import race_picture

race_picture(forms)

# %% [markdown]
# What to look at:
#
# - A network this small spends much of its time between operators. TorchScript's interpreter is quicker there than Python's, and a frozen graph has fewer operators.
# - `export().module()` is a graph that Python interprets. It is not meant as a runtime.
# - `optimize_for_inference` changes the layout of tensors for oneDNN, Intel's library of kernels (`mkldnn` in the graph). For small ones that may cost more than it saves.
# - The first calls of traced and scripted forms are slow. TorchScript's **profiling executor** first runs the graph to see types and shapes, then specialises it. A service should make these calls before it takes requests.
#
# A compiler can do more. This cell is off by default because it takes long:

# %% experiment
from utils.widgets.ch33_torchscript import compiled_note

compiled_note(run=False)

# %% [markdown]
# On a GPU the time between operators weighs more. This cell says what there is here:

# %% experiment
from utils.widgets.ch33_torchscript import gpu_note

gpu_note()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. Checked with torch 2.13 and its documents, as of November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | PyTorch has two modes: eager for research, script for deployment | dated | TorchScript is deprecated. Each of its functions warns and names `torch.compile` or `torch.export` (table above) |
# | 2 | the JIT switches seamlessly between dynamic and static graphs | wrong | a trace freezes control flow with no more than a warning; script refuses Python that it does not know (shown above) |
# | 3 | the JIT converts models to other frameworks, such as ONNX | wrong | the older ONNX exporter *used* a TorchScript graph; converting is the exporter's work. Since 2.9 the default is based on torch.export |
# | 4 | the IR is optimised at run time, with what is seen there | holds | the profiling executor: first calls are slow, then specialised (measured above) |
# | 5 | it fuses, quantises and sparsifies automatically, so it is faster than PyTorch | wrong in part | nothing is quantised or sparsified unless you do it (counted below). Faster depends: see the measurement |
# | 6 | it runs without Python and its GIL, from C++ | holds | LibTorch; the archive holds the code as text and the tensors beside it |
# | 7 | it is suited to embedded devices | dated | PyTorch Mobile "is no longer actively supported"; ExecuTorch follows it |
# | 8 | example: trace with `rand(1, 3, 640, 640)` and save | incomplete | call `eval()` first; compare on several inputs from all branches; batch and size may be frozen |
#
# Row 5, computed: which operators does the most optimised TorchScript form of the network have?

# %%
from utils.graphs.torchscript import control_flow_summary, quiet
from utils.graphs.torchscript.examples import small_cnn

x = torch.zeros(1, 3, 16, 16)
with quiet(), torch.no_grad():
    optimised = torch.jit.optimize_for_inference(torch.jit.trace(small_cnn(), x))
    found = control_flow_summary(optimised)
for kind in ("quant", "sparse"):
    print(f"operators with {kind!r} in their name:", sum(n for name, n in found.items() if kind in name))
print("type of the result:", optimised(x).dtype)

# %% [markdown]
# ## Explain it
#
# A product has twelve TorchScript models. They run on servers from C++ and on phones. Four of them are scripted, because they loop over a decoder until a stop token comes. After an update of PyTorch the build is full of warnings. Your manager asks: is it urgent, and what is the plan? Answer in six to eight sentences.
#
# A good answer names:
# 1. what deprecated means here, and what still works;
# 2. how you find out which models are easy and which are not;
# 3. what each kind is captured with, and what happens to the loops;
# 4. the runtime on servers and on phones;
# 5. how you prove that a new graph is right, and when the old file may go.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Nothing breaks today: the functions warn and work, and saved files still load, but no new features come and the phone runtime is no longer supported, so I plan it and don't hurry it.
# First an inventory: for each model whether it was traced or scripted, its shapes, and whether control flow depends on data; I try torch.export on all twelve, for it refuses what it can't capture.
# The eight traced ones should export as they are, with dynamic dimensions for batch and length; I expect to find one whose trace was silently wrong.
# In the scripted ones I take the loop out: one decoder step is exported, and the loop over tokens stays in the application; small branches become torch.where or torch.cond.
# On servers the exported programs are compiled with AOTInductor and run from C++, or go through ONNX to the engine that we have; on phones they go to ExecuTorch.
# Each model passes a gate on recorded inputs from every branch, with a tolerance, and a latency test that counts the first call.
# The .pt file stays in the release until the new one has passed on every device type, and can be switched back on for a month after.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("33")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | tracing | 跟踪（追踪） | recording the operations of one run |
# | scripting | 脚本编译 | compiling the source code of a subset of Python |
# | intermediate representation (IR) | 中间表示 | the form in which a compiler holds a program |
# | eager mode | 即时执行模式 | each operation runs when Python reaches it |
# | guard | 守卫条件 | a check that a specialised graph is still valid |
# | graph break | 图中断 | a place where capture stops and Python goes on |
# | data-dependent control flow | 数据依赖的控制流 | branches and loops that ask for a tensor's values |
# | freezing | 冻结（常量化） | weights and attributes become constants of the graph |
# | SSA | 静态单赋值 | each name is assigned once |
# | profiling executor | 性能分析执行器 | runs a graph first to see types and shapes, then specialises it |
# | ahead-of-time compilation | 预先编译 | compiling before deployment instead of at the first call |
# | LibTorch | PyTorch 的 C++ 运行库 | PyTorch's C++ library |
# | higher-order operator (torch.cond) | 高阶算子 | an operator whose arguments are functions |

# %% [markdown]
# ## Sources
#
# - PyTorch documentation 2.13: TorchScript (the notice "TorchScript is deprecated, please use torch.export instead"), torch.export, torch.compiler, torch.onnx ("Changed in version 2.9: dynamo is now True by default").
# - PyTorch documentation, AOTInductor: ahead-of-time compilation for exported models; ExecuTorch documentation.
# - pytorch.org/mobile: "PyTorch Mobile is no longer actively supported. Please check out ExecuTorch".
# - pytorch/tutorials, pull request 3453, merged July 2025: removes the TorchScript tutorials.
# - pytorch/pytorch, `SECURITY.md`, section on TorchScript models; `torch/csrc/jit/OVERVIEW.md`, on executing programs.
# - J. Ansel et al., *PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph Compilation*, ASPLOS 2024.
