# %% [markdown]
# # 36 · Converting a model to a TensorRT engine
# **TensorRT模型转换**
#
# You find a conversion script on the web, install TensorRT 11, and it stops at the line that makes the network: `AttributeError: EXPLICIT_BATCH`. On TensorRT 10 it stops a few lines further on, and on 8 it fails in the build.
# TensorRT 8, 10 and 11 are three different Python APIs. In this chapter you write one builder that works with all three, and you find the mistakes of a build before it starts.
#
# About 120 minutes: 77 for the five exercises, the rest to read, measure and explain. It helps to know chapters 24 (what TensorRT does with a network) and 34 (ONNX export).
# No GPU and no TensorRT are needed. Where a cell uses a stand-in for TensorRT or a simulation, it says so. ONNX models, FP16 conversion and memory estimates are real.

# %% setup
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > I parse the ONNX file into a network and add optimization profiles: for each dynamic input a smallest, a typical and a largest shape. I set the workspace limit, build, and save the bytes that the builder returns. These bytes, the plan, are the engine on disk.
# >
# > A plan fits one TensorRT version and one GPU model, unless it was built to be version or hardware compatible. That can cost speed.
# >
# > Since TensorRT 10 every network has an explicit batch. Since 11 every network is strongly typed: the model says which tensor is FP16. So FP16 and BF16 come from casting the ONNX file, for example with AutoCast, NVIDIA's tool for that. INT8 and FP8 come from Q/DQ nodes (quantise and dequantise) in the graph. There are no precision flags any more.
# >
# > I keep a timing cache, a file with the measured times of the kernels. So the next build is faster and chooses the same kernels. And I compare the outputs with ONNX Runtime, for every profile and on real inputs.

# %% [markdown]
# ## How it works
#
# ### A script that no longer runs
#
# The interview document that this course mirrors, *the source* from here on, answers the question with a script. Its steps, shortened:
#
# 1. Make a **network**, an empty description of layers.
# 2. Let the **parser** read an ONNX file into it.
# 3. Make a **profile**: which shapes will come in?
# 4. Make a **config**: how may the builder work?
# 5. **Build.** TensorRT times several kernels (*tactics*) for each layer on this GPU and keeps the fastest. This can take minutes.
# 6. Save the **plan**, the serialised engine.
#
# Does the script still run? Three **stand-ins** answer that here: modules that look like `tensorrt` 8.6, 10.16 and 11.1 and have exactly the names that these releases have, as far as a build needs them.
# They check what the real builder checks, keep a log, and build nothing.

# %%
from utils.widgets.ch36_tensorrt_conversion import script_table

script_table()

# %% [markdown]
# Each release stops at another line. (These are the stand-ins' answers. Their names were read from NVIDIA's own packages.)
#
# - 11.1 has no `EXPLICIT_BATCH`.
# - 10.16 has no `DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805`. That was a *preview feature*, a switch for something new: it keeps kernels of the libraries cuDNN, cuBLAS and cuBLASLt out. In 8.6 it is on by default, so the line changes nothing. In 10 the name is gone: those kernels are out by default.
# - 8.6 knows all names. Its build refuses the profile and returns None.
#
# Somebody might comment out the lines that fail. What is left over?

# %%
from utils.widgets.ch36_tensorrt_conversion import script_table

script_table(keep_going=True)

# %% [markdown]
# The build fails in every release. The model that the source exports has a dynamic batch and a fixed size of 640 × 640, and the profile asks for 224 × 224 at least.
#
# ### Which names are there
#
# The table behind the stand-ins can be asked:

# %%
from utils.engines.tensorrt_build import AS_OF, where_is

print("as of", AS_OF)
for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED", "FP16", "VERSION_COMPATIBLE", "max_workspace_size", "set_memory_pool_limit",
             "build_engine", "build_serialized_network"):
    for owner, releases in where_is(name).items():
        print(f"{owner + '.' + name:46} {', '.join(releases)}")

# %% [markdown]
# - **Explicit batch** means that the batch is an ordinary dimension of each tensor. Before, it was *implicit*: shapes left it out. In 8.6 a network for ONNX needs the flag. 10 ignores it, and 11 has no other kind of network.
# - **Strongly typed** means that the types of the tensors come from the model and from nowhere else. In 10 it is a choice, in 11 the only way.
# - `max_workspace_size` and `build_engine` ended with 8. Their successors exist in all three.
#
# So the way to write for all three is: prefer names that all have, and ask for the others before you use them.

# %%
from utils.engines.tensorrt_build import recording_tensorrt

for release in ("8.6", "10.16", "11.1"):
    trt = recording_tensorrt(release)
    names = trt.NetworkDefinitionCreationFlag
    flags = 1 << int(names.EXPLICIT_BATCH) if hasattr(names, "EXPLICIT_BATCH") else 0
    print(f"{trt.__version__:12} create_network({flags})")

# %% [markdown]
# A member of such an enum is a *position*, not a mask: `1 << int(flag)` makes the bit. And it is no int in Python, so `int()` is needed.
#
# ### A build, call by call
#
# `build_engine` takes a description and any of the three. Here is a small CNN (four convolutions) and the log of its build on the stand-in for 11.1:

# %%
import os
import tempfile

import onnx

from utils.engines.stream_sweep import four_layer_cnn
from utils.engines.tensorrt_build import BuildSpec, TensorRange, build_engine, recording_tensorrt

folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "cnn.onnx")
onnx.save(four_layer_cnn(), path)

images = TensorRange("x", min=(1, 3, 64, 64), opt=(8, 3, 64, 64), max=(16, 3, 64, 64))
spec = BuildSpec(path, profiles=((images,),), workspace_bytes=512 * 2**20)
trt = recording_tensorrt("11.1")
plan = build_engine(spec, trt)
for call in trt.calls:
    print(*(os.path.basename(str(part)) for part in call))
print("plan:", type(plan).__name__)

# %% [markdown]
# - The **workspace** is scratch memory for one kernel. Without the limit a kernel may use the whole memory of the device. The API takes **bytes**; trtexec, TensorRT's command-line tool (chapter 31), takes MiB.
# - The builder returns an object of its own type, which owns a block of host (CPU) memory. `bytes(plan)` is all that has to be saved.
# - `create_timing_cache` and `set_timing_cache` would be calls of the config, too. A **timing cache** keeps the measured times. A build that finds its kernels there need not time them again, and it chooses the same ones. It belongs to one TensorRT version and one GPU model. Another one's is refused: `set_timing_cache` returns False.
# - Three things say no without an exception: `parse` returns False, `add_optimization_profile` returns -1, `build_serialized_network` returns None. A script that does not look goes on with nothing.
#
# The same description gives the trtexec command. Chapter 31's parser, which was compared with NVIDIA's, reads it back:

# %%
from utils.engines.trtexec import parse_command
from utils.engines.tensorrt_build import BuildSpec, TensorRange, to_trtexec

small = TensorRange("x", (1, 3, 64, 64), (1, 3, 64, 64), (4, 3, 64, 64))
large = TensorRange("x", (1, 3, 64, 64), (16, 3, 64, 64), (32, 3, 64, 64))
argv = to_trtexec(BuildSpec("cnn.onnx", profiles=((small,), (large,))), "11.1")
print("trtexec", *argv, sep="\n  ")
parsed = parse_command(argv, "11.1")
print("accepted:", parsed.ok, " profiles:", [ranges["x"][1][0] for ranges in parsed.profiles], "(opt batch)")

# %% [markdown]
# ### Profiles
#
# An **optimization profile** gives for each input three shapes, min, opt and max. Everything from min to max can run. The kernels are timed at opt. Memory is reserved for max.
#
# The rules, as NVIDIA states them: all three have the rank of the model's input; 0 ≤ min ≤ opt ≤ max on each axis; where the model fixes a size, all three must equal it.
# Checking this takes a millisecond, a build can take minutes. For the source's profile:

# %%
from utils.engines.tensorrt_build import TensorRange, profile_violations, source_model
from utils.graphs.static_shapes import network_inputs

inputs = network_inputs(source_model())
print("the model:", inputs)
for sentence in profile_violations(inputs, (TensorRange("input", (1, 3, 224, 224), (1, 3, 640, 640), (1, 3, 640, 640)),)):
    print("-", sentence)

# %% [markdown]
# A second flaw is no violation: with 1 in all three places the batch can only be 1.
#
# With several profiles the application says which one a call uses. A good choice is the profile whose opt is nearest, because its kernels were chosen for about this much work.
# *Near* means as a factor: to batch 4, batches 1 and 16 are equally near, a factor of 4 each. Distance = |ln(volume of opt / volume of the shape)|, where the volume is the product of all dimensions.

# %%
from utils.engines.tensorrt_build import choose_profile as our_choose_profile

pair = [((1, 3, 224, 224), (1, 3, 224, 224), (4, 3, 224, 224)), ((1, 3, 224, 224), (16, 3, 224, 224), (32, 3, 224, 224))]
for batch in (2, 4, 5, 32, 33):
    try:
        print(f"batch {batch:2}: profile {our_choose_profile(pair, (batch, 3, 224, 224))}")
    except ValueError as error:
        print(f"batch {batch:2}: {error}")

# %% [markdown]
# ### Memory, before the build
#
# An engine needs its weights once. Each **execution context**, the state of one running instance, needs room for activations.
# Tensors that don't live at the same time share addresses (chapter 09). So the peak is far below the sum:

# %%
from utils.engines.stream_sweep import four_layer_cnn
from utils.engines.tensorrt_build import BuildSpec, TensorRange, activation_bytes, memory_budget

one = activation_bytes(four_layer_cnn(), {"x": (1, 3, 64, 64)})
print(f"batch 1: all activations {one.sum_bytes:,} B, peak {one.peak_bytes:,} B, weights {one.weights_bytes:,} B")

small = TensorRange("x", (1, 3, 64, 64), (1, 3, 64, 64), (4, 3, 64, 64))
large = TensorRange("x", (1, 3, 64, 64), (16, 3, 64, 64), (32, 3, 64, 64))
budget = memory_budget(four_layer_cnn(), BuildSpec("cnn.onnx", ((small,), (large,)), workspace_bytes=64 * 2**20))
for name, share in budget.parts().items():
    print(f"{name:10} {share:6.1%}")
for name in ("total_bytes", "static_bytes", "limit_bytes"):
    print(f"{name:13} {budget.as_dict()[name] / 2**20:7.1f} MiB")

# %% [markdown]
# One context for each profile. `total_bytes` sizes each context for its own profile. By default TensorRT sizes every context for the largest one: `static_bytes`.
# `limit_bytes` adds the workspace limit for each context to `static_bytes`, which most kernels do not use up. This estimate knows nothing of fusions, so TensorRT itself usually needs less.
#
# ### Precision moves into the model
#
# In 8 and 10 `set_flag(BuilderFlag.FP16)` allowed FP16 kernels and left the choice to the builder (**weak typing**). It is deprecated since 10.12, and gone in 11.0.
# As trtexec commands, for the same description with `precision="fp16"`:

# %%
from utils.engines.tensorrt_build import BuildSpec
from utils.widgets.ch36_tensorrt_conversion import commands_table

commands_table(BuildSpec("cnn.onnx", precision="fp16"))

# %% [markdown]
# What remains in 11 is a rewrite of the graph: weights become FP16, and a Cast node stands where FP32 and FP16 meet. A weight that is too large becomes ±65504; that is **saturation**.
# A node goes by the name of the tensor that it makes, counted from 0: `c0` is the first convolution and `r0` the ReLU behind it, then come `c1`, `r1` and so on.

# %%
from utils.engines.stream_sweep import four_layer_cnn
from utils.engines.tensorrt_build import to_fp16

before = four_layer_cnn()
for title, keep in (("all in FP16", ()), ("c1 stays in FP32", ("c1",))):
    after = to_fp16(before, keep_fp32_nodes=keep)
    print(f"{title:17} {before.ByteSize():,} B -> {after.ByteSize():,} B:", *(node.op_type for node in after.graph.node))

# %% [markdown]
# FP16 has three limits that matter here (chapter 26 derives them):
#
# | magnitude | becomes |
# |---|---|
# | 65520 and more | infinity. 65504 is the largest number; what lies less than half a step above it still rounds to it |
# | between 2^-25 and 2^-14, about 3e-8 and 6.1e-5 | a *subnormal* number, with fewer bits |
# | 2^-25 and less | 0. (The smallest number is 2^-24, and 2^-25 is a tie, which goes to the even neighbour 0) |
#
# Which layers are in danger is seen on real inputs, in FP32, before the cast. `scan_activations` counts for every tensor which fractions of its values fall into these classes. The experiment below uses it.

# %% [markdown]
# ## See it
#
# ![Left: 60 simulated requests with batches from 1 to 21. Profile 0, with opt 1, serves 28 of them; profile 1, with opt 16, serves 32. Right: two stacked bars. Reserved are 1,490 MiB, used are at most 1,050 MiB.](figure.svg)
#
# The picture shows 60 requests and two profiles (simulated). Profile 0 serves 28 requests, profile 1 serves 32. Their contexts reserve 1,440 MiB beside 50 MiB of weights, because profile 1 goes up to batch 32. The largest batch that came was 21. The second bar counts for each profile the largest batch that it served: 50 + 40 · 4 + 40 · 21 = 1,050 MiB.
#
# **Profile explorer.** Move the ranges, the tuning points and the traffic. The model is a made-up detector: 40 MiB of activations per sample, 50 MiB of weights. An opt outside of its range counts as the nearer end. *Burstiness* spreads the batch sizes: at 0 all are equal.

# %% figure
from utils.widgets.ch36_tensorrt_conversion import profile_explorer

profile_explorer()

# %% [markdown]
# Try three things. Lower profile 1's max to 8: 12 requests are rejected, and 960 MiB are free.
# Put it back and set profile 1's opt to 6: it serves 48 requests instead of 32, and the average distance from opt falls from a factor of 2.5 to 1.7. Memory stays the same.
# Then raise the burstiness to 1.5: a request comes that no range admits. How many MiB would you reserve to admit it?
#
# **A tensor against FP16.** The slider multiplies a tensor by a power of two. Where does FP16 lose something?

# %% figure
from utils.widgets.ch36_tensorrt_conversion import range_explorer

range_explorer()

# %% [markdown]
# ## Exercises

# %% [markdown] about="check_profile"
# Check the range of one input before a build: return the sorted list of all violations. An empty list means that the range is valid.
#
# `model_shape` is a tuple. A string in it is a dynamic dimension, an int (0 or more) is static. `lo`, `opt` and `hi` are tuples of ints: the min, opt and max shape.
#
# - If any of the three has another length than `model_shape`, return `["rank"]` and nothing else.
# - Otherwise check these rules on **every** axis, each on its own:
#   - `static:<axis>`: the model's dimension is an int, and `lo`, `opt` and `hi` are not all equal to it there.
#   - `order:<axis>`: not lo ≤ opt ≤ hi there. (Equal is fine.)
#   - `negative:<axis>`: any of the three is below 0 there. (0 is allowed.)
# - Return the codes as a list of strings, sorted by Python's `sorted()`.
#
# | model_shape, lo, opt, hi | result |
# |---|---|
# | `("N", 3, 640, 640), (1, 3, 224, 224), (1, 3, 640, 640), (1, 3, 640, 640)` | `["static:2", "static:3"]` |
# | `("N", 8), (1, 8), (4, 8), (16, 8)` | `[]` |
# | `("N", "T"), (1, 64), (8, 32), (4, 128)` | `["order:0", "order:1"]` |
# | `("N", 3), (1, 3, 1), (1, 3), (1, 3)` | `["rank"]` |

# %% exercise="check_profile"
def check_profile(model_shape: tuple, lo: tuple, opt: tuple, hi: tuple) -> list[str]:
    """Sorted violations of one input's range: "rank", or "static:<axis>", "order:<axis>", "negative:<axis>".

    A string in `model_shape` is a dynamic dimension, an int must equal lo, opt and hi there. An empty list means
    that the range is valid; dimensions of size 0 are allowed.
    """
    ### BEGIN SOLUTION
    if not len(model_shape) == len(lo) == len(opt) == len(hi):
        return ["rank"]
    found = []
    for axis, (size, a, b, c) in enumerate(zip(model_shape, lo, opt, hi)):
        if not isinstance(size, str) and not a == b == c == size:
            found.append(f"static:{axis}")
        if not a <= b <= c:
            found.append(f"order:{axis}")
        if min(a, b, c) < 0:
            found.append(f"negative:{axis}")
    return sorted(found)
    ### END SOLUTION

# %% check="check_profile"
check("36.check_profile", check_profile)

# %% [markdown] about="choose_profile"
# Return the index of the optimization profile that should serve a shape.
#
# `profiles` is a list of tuples `(lo, opt, hi)`, each of them a tuple of ints of 0 or more. `shape` is a tuple of ints.
#
# - A profile **admits** the shape if `lo`, `opt` and `hi` all have the shape's length, and lo ≤ shape ≤ hi on every axis.
# - Among those that admit it, take the one with the smallest distance |ln(volume of `opt` / volume of `shape`)|. The volume is the product of all dimensions (1 for an empty tuple). A volume of 0 counts as 1.
# - Every distance less than 1e-9 above the smallest is a tie with it. A tie goes to the lowest index.
# - If no profile admits the shape (also for an empty list), raise `ValueError`. Its message must contain `no profile admits`.
#
# The set-up cell brings `math` and NumPy as `np`. With the two profiles
# `[((1, 3, 224, 224), (1, 3, 224, 224), (4, 3, 224, 224)), ((1, 3, 224, 224), (16, 3, 224, 224), (32, 3, 224, 224))]`:
#
# | shape | result |
# |---|---|
# | `(2, 3, 224, 224)` | `0` |
# | `(4, 3, 224, 224)` | `0` (a factor of 4 either way: a tie) |
# | `(5, 3, 224, 224)` | `1` (only this one admits it) |
#
# And `choose_profile([((1,), (64,), (64,)), ((1,), (2,), (64,))], (8,))` is `1`: from 8 it is a factor of 4 to 2, and of 8 to 64.

# %% exercise="choose_profile"
def choose_profile(profiles: list[tuple], shape: tuple) -> int:
    """Index of the profile (lo, opt, hi) that admits `shape` and whose opt is nearest in logarithmic volume.

    A distance less than 1e-9 above the smallest is a tie with it; a tie goes to the lowest index. Raises ValueError
    "no profile admits" when the shape lies outside of all of them.
    """
    ### BEGIN SOLUTION
    def volume(dims):
        return max(math.prod(dims), 1)

    distances = {}
    for index, (lo, opt, hi) in enumerate(profiles):
        same_rank = len(lo) == len(opt) == len(hi) == len(shape)
        if same_rank and all(a <= n <= c for a, n, c in zip(lo, shape, hi)):
            distances[index] = abs(math.log(volume(opt) / volume(shape)))
    if not distances:
        raise ValueError(f"no profile admits {shape}")
    least = min(distances.values())
    return min(index for index, distance in distances.items() if distance < least + 1e-9)
    ### END SOLUTION

# %% check="choose_profile"
check("36.choose_profile", choose_profile)

# %% [markdown] about="fp16_risk"
# How much of a tensor can FP16 not hold? Return three fractions of **all** its elements, zeros included, as a tuple `(overflow, underflow, subnormal)`:
#
# - **overflow**: |x| ≥ 65520. Infinities count.
# - **underflow**: 0 < |x| ≤ 2^-25. An exact 0 does not count.
# - **subnormal**: 2^-25 < |x| < 2^-14.
#
# `x` is a list of numbers, or a NumPy array of any shape and of a float or integer dtype. Work in float64: one rounding to FP32 on the way can move a value over a limit.
# Decide from these limits, and convert nothing to FP16: no `np.float16` in any form.
# An empty `x` gives `(0.0, 0.0, 0.0)`. A NaN anywhere: `ValueError`. The fractions are compared to nine digits. The set-up cell brings NumPy as `np`.
#
# | x | result |
# |---|---|
# | `[0.0, 1e-8, 3e-8, 1e-5, 1.0, 65504, 65520, 1e6]` | `(0.25, 0.125, 0.25)` |
# | `[65504.0, 65519.0, -70000.0, 2.0]` | `(0.25, 0.0, 0.0)` |
# | `[2.0**-25, 2.0**-24, 2.0**-14, 1.0]` | `(0.0, 0.25, 0.25)` |
# | `[]` | `(0.0, 0.0, 0.0)` |

# %% exercise="fp16_risk"
def fp16_risk(x) -> tuple[float, float, float]:
    """Fractions (overflow, underflow, subnormal) of all elements of `x` under FP16's round to nearest even.

    Overflow |x| >= 65520, underflow 0 < |x| <= 2^-25, subnormal 2^-25 < |x| < 2^-14. Empty: zeros. NaN: ValueError.
    """
    ### BEGIN SOLUTION
    a = np.abs(np.asarray(x, dtype=np.float64))
    if np.isnan(a).any():
        raise ValueError("x must not hold NaN")
    if a.size == 0:
        return 0.0, 0.0, 0.0
    overflow = a >= 65520
    underflow = (a > 0) & (a <= 2.0**-25)
    subnormal = (a > 2.0**-25) & (a < 2.0**-14)
    return float(overflow.mean()), float(underflow.mean()), float(subnormal.mean())
    ### END SOLUTION

# %% check="fp16_risk"
check("36.fp16_risk", fp16_risk)

# %% [markdown] about="build_plan"
# Write the builder. `trt` is a module like `tensorrt`, of release 8.6, 10.16 or 11.1, and you must not import another one. In the check it is one of the stand-ins; the real one works the same.
#
# | argument | what it is |
# |---|---|
# | `onnx_bytes` | the ONNX file as bytes |
# | `profile` | a dict from input name to `(lo, opt, hi)`; all inputs belong in **one** optimization profile. `{}` means that no profile is needed |
# | `workspace_bytes` | limit of the pool `trt.MemoryPoolType.WORKSPACE`, in bytes |
# | `fp16` | whether FP16 kernels are allowed |
#
# Return the plan as `bytes`.
#
# - 8.6 needs a network with an explicit batch. 11.1 has no `EXPLICIT_BATCH`. On 10.16 the flag makes no difference.
# - If the model can't be parsed, raise `RuntimeError`. Its message must contain **every** error of the parser: the text `str(parser.get_error(i))`, or its `desc()`, for each `i` below `parser.num_errors`.
# - `fp16` sets the flag `FP16`. If the release has no such flag, raise `ValueError` whose message contains `model precision`. Without `fp16` no precision flag is set. Set no other flag and no other config setting.
# - If the builder returns None, raise `RuntimeError`. The same if `add_optimization_profile` returns -1 (the check has no such profile).
# - If FP16 is asked of 11.1 *and* the model can't be parsed, either error is right. The check does not ask for it.
# - The stand-ins of the check have no GPU: a plan can't be loaded there. It need not be.
#
# What you need of the API, the same in all three: `trt.Logger(trt.Logger.WARNING)`, `trt.Builder(logger)`, `trt.OnnxParser(network, logger)`, `parser.parse(bytes)`. The flags of a network are members of the enum `trt.NetworkDefinitionCreationFlag`; the bit of one is `1 << int(flag)`.
# From the builder: `create_network(flags)`, `create_builder_config()`, `create_optimization_profile()`, `build_serialized_network(network, config)`.
# Of a profile: `set_shape(name, lo, opt, hi)`. Of a config: `add_optimization_profile(profile)`, `set_memory_pool_limit(pool, bytes)`, `set_flag(trt.BuilderFlag.FP16)`.
#
# For a model with the input `x`, shape `("N", 3, 8, 8)`, and the range `{"x": ((1, 3, 8, 8), (4, 3, 8, 8), (8, 3, 8, 8))}`, without FP16, the log of 11.1 is:
# `create_network(0)`, `parse`, `create_builder_config`, `create_optimization_profile`, `set_shape`, `add_optimization_profile`, `set_memory_pool_limit(WORKSPACE, …)`, `build_serialized_network`. The order of calls that don't depend on each other is free.
# To try your answer, make a stand-in yourself: `from utils.engines.tensorrt_build import recording_tensorrt`, then `trt = recording_tensorrt("8.6")`; `trt.calls` is the log, `trt.messages` what it complains about.

# %% exercise="build_plan"
def build_plan(trt, onnx_bytes: bytes, profile: dict[str, tuple], workspace_bytes: int, fp16: bool) -> bytes:
    """Plan bytes of an ONNX model, built by the `tensorrt` module that is passed (8.6, 10 or 11).

    `profile` maps an input to (lo, opt, hi), all in one optimization profile; {} adds none. Raises ValueError
    "model precision" when FP16 is asked of a release without that flag, RuntimeError with every parser error when
    the model is not parsed, and RuntimeError when the profile is refused or the builder returns None.
    """
    ### BEGIN SOLUTION
    if fp16 and not hasattr(trt.BuilderFlag, "FP16"):
        raise ValueError("this release has no FP16 flag: the model precision decides, cast the ONNX file")
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    names = trt.NetworkDefinitionCreationFlag
    flags = 1 << int(names.EXPLICIT_BATCH) if hasattr(names, "EXPLICIT_BATCH") else 0
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx_bytes):
        errors = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        raise RuntimeError("the model was not parsed: " + "; ".join(errors))
    config = builder.create_builder_config()
    if profile:
        ranges = builder.create_optimization_profile()
        for name, (lo, opt, hi) in profile.items():
            ranges.set_shape(name, lo, opt, hi)
        if config.add_optimization_profile(ranges) < 0:
            raise RuntimeError("the profile was refused: see the log")
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    if fp16:
        config.set_flag(trt.BuilderFlag.FP16)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError("the builder returned None: see its log")
    return bytes(plan)
    ### END SOLUTION

# %% check="build_plan"
check("36.build_plan", build_plan)

# %% [markdown] about="spec_to_trtexec"
# Write the trtexec command that builds what the dict `spec` describes: a list of arguments, each a string such as `"--onnx=m.onnx"`. `release` is `"8.6"`, `"10.16"` or `"11.1"`; any other raises `ValueError`.
#
# | key of `spec` | value | arguments |
# |---|---|---|
# | `onnx` | file name | `--onnx=<name>` |
# | `save` | file name | `--saveEngine=<name>` |
# | `profiles` | list of dicts, input name to `(lo, opt, hi)` | see below |
# | `workspace_mib` | whole MiB, an int N | `--memPoolSize=workspace:N` for 8.6, `--memPoolSize=workspace:NM` for later ones |
# | `fp16` | bool | `--fp16` if true; for 11.1 raise `ValueError` |
# | `version_compatible` | bool | `--versionCompatible` if true |
#
# - Always add `--skipInference`. Nothing else.
# - A profile is `--minShapes=…`, `--optShapes=…` and `--maxShapes=…`. The text behind `=` lists the inputs, **sorted by name** and separated by commas: `name:d0xd1x…`.
# - An input without dimensions, `()` in all three places, is written `name:scalar`. 8.6 does not know that word: `ValueError`.
# - No profile: no shape arguments. One profile: just its three. Several: each is opened by `--profile=i`, counted from 0, with its own three **directly behind** it. 8.6 can't do that: `ValueError`.
# - Apart from that, the order of the arguments is free.
# - Each dict names at least one input. Names hold no comma and no quote; a colon is fine. You need not check shapes.
#
# With `onnx="m.onnx"`, `save="m.plan"`, and `fp16` and `version_compatible` false unless the table says so:
#
# | spec, release | result (in any order) |
# |---|---|
# | one profile `{"x": ((1, 3), (2, 3), (8, 3))}`, 1024 MiB, `"10.16"` | `--onnx=m.onnx --saveEngine=m.plan --minShapes=x:1x3 --optShapes=x:2x3 --maxShapes=x:8x3 --memPoolSize=workspace:1024M --skipInference` |
# | the same profile, 512 MiB, fp16, `"8.6"` | the same, with `--memPoolSize=workspace:512` and `--fp16` |
# | two profiles, `{"x": ((1,), (1,), (4,))}` and `{"x": ((1,), (16,), (32,))}`, 2048 MiB, version_compatible, `"11.1"` | `--onnx=m.onnx --saveEngine=m.plan --profile=0 --minShapes=x:1 --optShapes=x:1 --maxShapes=x:4 --profile=1 --minShapes=x:1 --optShapes=x:16 --maxShapes=x:32 --memPoolSize=workspace:2048M --versionCompatible --skipInference` |
# | one profile `{"mask": ((), (), ()), "ids:0": ((1, 8), (2, 8), (4, 16))}`, 1024 MiB, `"11.1"` | `… --minShapes=ids:0:1x8,mask:scalar --optShapes=ids:0:2x8,mask:scalar --maxShapes=ids:0:4x16,mask:scalar …` |

# %% exercise="spec_to_trtexec"
def spec_to_trtexec(spec: dict, release: str) -> list[str]:
    """Arguments of trtexec that build what a dict describes.

    Keys: onnx, save, profiles (a list of dicts name -> (lo, opt, hi)), workspace_mib, fp16, version_compatible.
    Raises ValueError for an unknown release and for what the release cannot express.
    """
    ### BEGIN SOLUTION
    if release not in ("8.6", "10.16", "11.1"):
        raise ValueError(f"release must be 8.6, 10.16 or 11.1, got {release}")
    old, profiles = release == "8.6", spec["profiles"]
    if spec["fp16"] and release == "11.1":
        raise ValueError("11.1 has no --fp16: cast the ONNX file")
    if old and len(profiles) > 1:
        raise ValueError("8.6 builds with one profile")

    def written(name, dims):
        if old and not dims:
            raise ValueError("8.6 has no word for a scalar")
        return f"{name}:" + ("x".join(map(str, dims)) or "scalar")

    argv = [f"--onnx={spec['onnx']}", f"--saveEngine={spec['save']}"]
    for i, ranges in enumerate(profiles):
        if len(profiles) > 1:
            argv.append(f"--profile={i}")
        for k, flag in enumerate(("minShapes", "optShapes", "maxShapes")):
            argv.append(f"--{flag}=" + ",".join(written(name, ranges[name][k]) for name in sorted(ranges)))
    argv.append(f"--memPoolSize=workspace:{spec['workspace_mib']}" + ("" if old else "M"))
    if spec["fp16"]:
        argv.append("--fp16")
    if spec["version_compatible"]:
        argv.append("--versionCompatible")
    argv.append("--skipInference")
    return argv
    ### END SOLUTION

# %% check="spec_to_trtexec"
check("36.spec_to_trtexec", spec_to_trtexec)

# %% [markdown]
# ## Measure it
#
# ### What FP16 does to a network
#
# The four-layer CNN is cast to FP16 and compared with FP32 on four images. Then the same with an *unbalanced* twin: its second convolution is multiplied by 2^17, and its third divided by it. In FP32 that changes no output.
#
# Each is run twice. Once as it is, in ONNX Runtime on the CPU. Once with every stored tensor rounded to FP16, as on a GPU that adds in FP32.
# Before you run it: in which of the four runs will the error be large? (The table has a fifth row, a repair that is explained below it.)

# %% experiment
from utils.widgets.ch36_tensorrt_conversion import fp16_experiment, fp16_table

found = fp16_experiment()
full, half = found["bytes"]
print(f"file: {full:,} B in FP32, {half:,} B in FP16, ratio {half / full:.2f}")
fp16_table(found)

# %% [markdown]
# The file shrinks to about half. The plain CNN loses about 1e-3.
# For the unbalanced one the CPU reports a small error, and the run that rounds every tensor gives values that are not finite. **The CPU hides it**: it has few FP16 kernels, computes in FP32, and never stores the large values as FP16.
# (Its error of about 1e-2 comes from the third layer's weights, which the division made subnormal in FP16.)
#
# So an FP16 model that agrees with FP32 on a CPU is no proof. Where is the overflow? The scan of the FP32 model, on the same images:

# %% experiment
from utils.widgets.ch36_tensorrt_conversion import scan_table

scan_table(found["scan"])

# %% [markdown]
# `c1` and `r1` leave the range of FP16. They stay in FP32, and so does the node that reads them, `c2`: its input would overflow in the Cast. With these three kept, the last row of the first table is back to about 1e-3.
#
# ### Memory against batch and resolution

# %% experiment
from utils.widgets.ch36_tensorrt_conversion import memory_curves, memory_picture

memory_picture(memory_curves())

# %% [markdown]
# The peak grows in proportion to the batch, and with the square of the resolution. From 224 to 640 pixels it is 8.2 times as much. So a profile whose max is twice as high and twice as wide takes four times the memory; twice the batch takes two times.
#
# ### With TensorRT and a GPU
#
# The next cell builds real engines where it can. Each plan should win at the batch that it was tuned for, and the build with a warm timing cache should be shorter.

# %% experiment
from utils.widgets.ch36_tensorrt_conversion import real_builds

print(real_builds())

# %% [markdown]
# ## What the source says
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | `create_network(1 << EXPLICIT_BATCH)` starts the network | dated | 8.6 needs it for ONNX; 10 ignores it; 11 has no such name. From 10 on `create_network()` is right |
# | 2 | that flag makes the model support batching | wrong | it makes the batch an ordinary dimension; other sizes come from a dynamic dimension and a profile |
# | 3 | the preview feature `DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805` has to be set | dated | a name of 8.6, on by default there; 10 leaves those libraries out by default, and the line raises AttributeError |
# | 4 | `set_flag(BuilderFlag.FP16)` gives FP16 | dated | weak typing is deprecated since 10.12, its flags were removed in 11.0; cast the model |
# | 5 | deserialise the plan, then save `engine.serialize()` | works, wasteful | `build_serialized_network` has returned these bytes already; the detour needs a GPU and memory for the whole engine |
# | 6 | the profile (1, 3, 224, 224), (1, 3, 640, 640), (1, 3, 640, 640) for "input" | wrong for its own model | its export fixes 640 × 640, so the build refuses it and returns None; and the batch stays at 1 |
# | 7 | (left out) memory | incomplete | without a limit the workspace may take the whole device memory |
# | 8 | (left out) where the plan runs | incomplete | the same TensorRT version and GPU model, unless it was built with VERSION_COMPATIBLE or a hardware compatibility level |
#
# Claims 1, 3, 4 and 6 were run above. Claim 5, on a stand-in with a GPU and on one without:

# %%
from utils.engines.tensorrt_build import recording_tensorrt

saved = b"PLAN{}"
for gpu in (True, False):
    trt = recording_tensorrt("10.16", gpu=gpu)
    engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(saved)
    print(f"GPU {gpu!s:5}:", "the same bytes" if engine and bytes(engine.serialize()) == saved else f"no engine. {trt.messages[0]}")

# %% [markdown]
# Claim 8: 8.6 knows two levels of hardware compatibility, `NONE` and `AMPERE_PLUS` (Ampere and newer GPUs). 10.16 and 11.1 also have `SAME_COMPUTE_CAPABILITY`. (The compute capability is the version of a GPU's architecture, such as 8.9.) NVIDIA says of both, and of version compatibility, that the engine can be slower: fewer kernels are left to choose from.

# %% [markdown]
# ## Explain it
#
# A team has a script for TensorRT 8.6 with `--fp16` on its command line and two input sizes. On 11 it stopped with an AttributeError, so somebody removed the line with the flag. It builds again, the accuracy is perfect, and it is half as fast. They ask what happened, and what to do. Answer in six or seven sentences.
#
# A good answer names:
# 1. what the removed line did, and what decides about precision in 11;
# 2. why the accuracy is perfect;
# 3. how to bring FP16 back, and how to find the layers that must not take part;
# 4. why a comparison on a CPU is not enough;
# 5. how to serve the two sizes: profiles, and what each of the three shapes means;
# 6. that plans and timing caches have to be built anew.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The line allowed FP16 kernels. In 11 every network is strongly typed, so the types of the ONNX file decide, and that file is FP32. Without the line the engine is an FP32 engine: as exact as before, and slower.
# FP16 comes back when the ONNX file is cast, with AutoCast or a converter of one's own, and Cast nodes stand where the types meet.
# Before that I run the FP32 model on real inputs and look at the range of every activation. What reaches 65520 stays in FP32 together with the nodes that read it, and so do weights that would become 0.
# A comparison on a CPU does not show overflows, because the CPU computes in FP32 in between; so the gate runs on the GPU, for each profile.
# For the two sizes I give two profiles. Each has min and max around its size, opt at the size that really comes, and a context whose memory is sized for max.
# Plans and timing caches of 8.6 are worthless under 11, so everything is built once more, on each kind of GPU, and then the two releases are compared with the same settings.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("36")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | engine, plan | 引擎/计划文件 | the compiled network; the plan is its serialised form |
# | optimization profile | 优化配置 | admitted shapes and tuning point of dynamic inputs |
# | workspace | 工作区 | limit of scratch memory for a kernel |
# | tactic | 策略 | one of several kernels that can compute a layer |
# | strongly typed network | 强类型网络 | types come from the model alone |
# | implicit, explicit batch | 隐式/显式批 | the batch is left out of the shapes, or an ordinary dimension |
# | Q/DQ nodes | 量化/反量化节点 | quantisation written into the graph |
# | parser | 解析器 | reads an ONNX file into a network |
# | preview feature | 预览特性 | a switch for something that may become the default |
# | timing cache | 计时缓存 | measured kernel times that a later build reuses, on the same GPU model and TensorRT version |
# | version compatibility | 版本兼容 | a plan that later TensorRT versions can load |
# | execution context | 执行上下文 | activation memory and state of one running instance |
# | saturation | 饱和 | clamping to the largest number instead of infinity |
# | compute capability | 计算能力 | the version of a GPU's architecture, such as 8.9 |

# %% [markdown]
# ## Sources
#
# - NVIDIA, binding packages `tensorrt-bindings` 8.6.1, `tensorrt-cu12-bindings` 10.16.1.11, `tensorrt-cu13-bindings` 11.1.0.106 and 11.4.0.106: names and docstrings, read in November 2026. The conditions on a profile and the default of the workspace are in these docstrings.
# - NVIDIA, TensorRT OSS (Apache-2.0), `python/src/infer/pyCore.cpp`, `python/src/parsers/pyOnnx.cpp`, `samples/common/sampleOptions.cpp`, `tools/Polygraphy/tests/backend/trt/test_util.py` (preview features that are on by default; for claim 3 the docstring of 8.6.1 still says off).
# - NVIDIA, TensorRT documentation 11.4: *Migrating from TensorRT 10.x to 11.x*, *Removed Python APIs and Replacements*, *Engine Compatibility*; release notes 10.12.0 (weak typing deprecated).
# - NVIDIA, Model Optimizer, guide *AutoCast (ONNX)*.
# - Microsoft, `onnxruntime.transformers.float16`, with which the cast of this chapter was compared.
# - IEEE 754-2019, binary16.
