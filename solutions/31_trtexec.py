# %% [markdown]
# # 31 · trtexec: build an engine, benchmark it, read the report
# **TensorRT之trtexec的简单使用介绍**
#
# trtexec is the program with which NVIDIA teams build engines and settle arguments about speed.
# Most command lines for it on the web no longer run. Some still run and measure something else than they did.
#
# About 90 minutes. It helps to know chapters 24 (TensorRT), 36 (conversion) and 48 (latency and throughput).
# No GPU is needed: the parser and the report are modelled in Python, and the experiment runs on the CPU.

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > trtexec is TensorRT's command-line program. It reads an ONNX file, builds an engine, can save it, and benchmarks it with random or given inputs.
# >
# > `--minShapes`, `--optShapes` and `--maxShapes` say for which shapes the engine is built. `--shapes` says which shape is run. A missing one of the three is copied from another.
# >
# > In the report, GPU Compute Time is the cost of the kernels. Latency is copy in + compute + copy out of one query. Throughput is queries over wall time.
# > With several `--infStreams` I read the throughput, not the latency.
# >
# > TensorRT 10 removed the implicit batch, the model formats Caffe and UFF, and `--workspace`. TensorRT 11 removed `--fp16`, `--int8` and `--best`: the precision goes into the ONNX model.
# > 11 also changed the defaults: no data transfers, CUDA graph on, spin wait on. So I compare numbers only when both sides measure the same.

# %% [markdown]
# ## How it works
#
# ### A command that no longer runs
#
# You find this line in an old deployment script. Will it run? `parse_command` is a Python model of NVIDIA's option parser. It was compared with the compiled original, and it needs no GPU.

# %%
from utils.engines.trtexec import RELEASES, parse_command

old = "trtexec --onnx=m.onnx --explicitBatch --saveEngine=m.trt --workspace=1024 --best"
for release in RELEASES:
    parsed = parse_command(old, release)
    print(f"{release:>6}: {'runs' if parsed.ok else 'refused, unknown ' + ' '.join(parsed.unknown)}")

# %% [markdown]
# It ran in 2023. TensorRT 10.16 does not know two of its flags, and 11.1 does not know three. trtexec then prints "Unknown option" and ends. Nothing is built.
#
# `--explicitBatch` made the batch an ordinary dimension of the input. Before it there was the **implicit batch**: the shapes left it out, and `--batch` gave it at run time.
#
# What the line asks for, in the order in which trtexec does it:
#
# 1. Read the ONNX file.
# 2. **Build** an engine. For each layer TensorRT times several kernels (*tactics*) on this GPU and keeps the fastest. This can take minutes. A *timing cache* keeps the times for the next build.
# 3. Save the engine to a file.
# 4. **Run** the engine in a loop with random inputs, and print a report.
#
# ### How trtexec reads its arguments
#
# All arguments go into a bag. For each option that it knows, trtexec takes one occurrence out.
# If anything is left in the bag, it refuses the command:

# %%
for command in ("--onnx=m --best --best", "--onnx m.onnx", "--onnx=m --fp16=false", "--onnx=m --workspce=1024"):
    parsed = parse_command(command, "10.16")
    taken = ", ".join(f"{name}={values[0]!r}" for name, values in parsed.options.items())
    print(f"{command:26} taken: {taken:24} left over: {' '.join(parsed.unknown) or '-'}")

# %% [markdown]
# - A second `--best` is an "unknown option", because the first one was taken and the second was left.
# - `--onnx m.onnx` is wrong in every release. The value must follow a `=` without a blank.
# - `--fp16=false` turns FP16 **on**. A switch is true whatever follows it.
# - There are no abbreviations. An argument is split at its first `=`, so a value may hold a `=` itself.
#
# ### Shapes: what is built, and what is run
#
# An engine with a dynamic batch is built for a range of shapes, the **optimization profile**:
# a smallest shape (min), a largest (max), and the one for which the kernels are chosen (opt).
# A shape is written `name:d0xd1x…`, and several tensors are separated by commas.

# %%
def profile(command: str) -> str:
    parsed = parse_command(f"--onnx=m {command}", "11.1")
    low, best, high = parsed.profiles[0]["x"]
    return f"min {low}  opt {best}  max {high}  runs {parsed.run_shapes['x']}"


for command in ("--minShapes=x:1x3 --optShapes=x:8x3 --maxShapes=x:16x3", "--minShapes=x:1x3 --maxShapes=x:16x3",
                "--maxShapes=x:16x3", "--minShapes=x:1x3 --optShapes=x:8x3", "--shapes=x:32x3"):
    print(f"{command:56} {profile(command)}")

# %% [markdown]
# You need not give all three. A missing flag is copied from another one, and trtexec warns:
#
# | missing | first choice | second choice |
# |---|---|---|
# | min | opt | max |
# | opt | max | min |
# | max | opt | min |
#
# Without `--shapes` the opt shape is run. With `--shapes` alone it becomes the whole profile: the last engine above can run batch 32 and nothing else.
#
# trtexec's reading is loose. It takes the number at the start of each dimension and ignores what follows:

# %%
from utils.engines.trtexec import parse_shape_spec

for text in ("x:1x3x224x224", "x:1X3x224", "images:0:1x3", "x:scalar"):
    print(f"{text:16} -> {parse_shape_spec(text)}")

# %% [markdown]
# `1X3` became the single number 1, without a word. And the name is what stands before the **last** colon. Nothing checks that min ≤ opt ≤ max. The builder refuses that later.
#
# ### What three releases know

# %%
import textwrap

from utils.engines.trtexec import FLAGS, known_flags

print("options:", {release: len(known_flags(release)) for release in RELEASES})
for earlier, later in (("8.6", "10.16"), ("10.16", "11.1")):
    gone = sorted(name for name, flag in FLAGS.items() if earlier in flag.releases and later not in flag.releases)
    print(textwrap.fill(f"in {earlier}, not in {later} ({len(gone)}): {', '.join(gone)}", 110, subsequent_indent="  "))

# %% [markdown]
# Two breaks. Release 10 removed the implicit batch, `--workspace`, and the readers of two model formats from before ONNX: **Caffe** (`--deploy`) and **UFF** (`--uff`, exported from TensorFlow).
# Release 11 removed precision and calibration. Every network is **strongly typed** there: the ONNX model says which tensor is FP16 or INT8.
#
# ### The same command, another measurement
#
# TensorRT 11.0 changed three defaults of trtexec:
#
# | | 10.x | 11.x | to get 10.x back |
# |---|---|---|---|
# | copies of inputs and outputs | on | off | `--includeDataTransfers` |
# | CUDA graph (the launches are recorded once and replayed) | off | on | `--noCudaGraph` |
# | spin wait (the host polls instead of sleeping) | off | on | `--noSpinWait` |
#
# (A fourth matters only with `--dumpProfile`: the layers are timed in a run of their own, which is what `--separateProfileRun` asked for in 10.x.)
#
# Here is one model of a device under both defaults. The copies take 0.8 ms each, the kernels 1.0 ms, and the enqueue call 0.2 ms. (This is a simulation.)

# %%
from utils.engines.trtexec import simulate_timeline, summarize

stages = {"streams": 1, "h2d_ms": 0.8, "compute_ms": 1.0, "d2h_ms": 0.8, "enqueue_ms": 0.2, "queries": 60}
for name, options in (("10.x", {}), ("11.x", {"cuda_graph": True, "data_transfers": False})):
    summary = summarize(simulate_timeline(**stages, **options), warmup_ms=0)
    print(f"{name} defaults: Latency {summary.latency.mean_ms:.1f} ms, {summary.throughput_qps:,.0f} queries/s")

# %% [markdown]
# The reported latency fell from 2.6 to 1.0 ms. The device is the same, and no kernel became faster.
#
# ### Reading the report
#
# A **query** is one run of the engine, with whatever batch it has. At batch 32, 100 queries/s are 3,200 images/s.
# Each query has four phases. The host enqueues it (**Enqueue**), the inputs are copied to the GPU (**H2D**, host to device), the kernels run (**GPU Compute**), and the outputs are copied back (**D2H**).
#
# Take six queries, with the start and end of every phase in ms. The first two are slow, because the device was cold. (Made-up numbers.)

# %%
from utils.widgets.ch31_trtexec import six_queries

six = six_queries()
print("query 3, in ms:", ", ".join(f"{key[:-2]} {six[2][key]}" for key in list(six[2])[:4]), "…")
for number, q in enumerate(six, 1):
    print(f"query {number}: enqueue from {q['startEnqMs']:4}, H2D {q['endH2dMs'] - q['startH2dMs']:.1f}, "
          f"compute from {q['startComputeMs']:4} to {q['endComputeMs']:4}, D2H ends {q['endD2hMs']:4}")

# %% [markdown]
# trtexec warms up for 200 ms by default; here we take 20 ms. The first query whose compute starts at or after that time is the first that counts: query 3. The warm-up ends before it.
#
# Four queries are left. Their wall time runs from the first H2D start (20.5 ms) to the last D2H end (37.0 ms): 16.5 ms.

# %%
from utils.engines.trtexec import format_report

print(f"4 queries / 16.5 ms = {4 / 16.5e-3:.3f} queries/s\n")
print(format_report(summarize(six, warmup_ms=20, percentiles=(90, 99))))

# %% [markdown]
# - **Throughput** = queries / wall time. The gaps between the queries count.
# - **Latency** = H2D + compute + D2H of one query. The waits between its phases do *not* count.
# - The mean latency is 3.75 ms, and 1000 / 3.75 would be 267 queries/s. The device had pauses, so it did 242.
# - The last line warns when the **coefficient of variation** of the compute times, their standard deviation / their mean, is above 2.5 % (1 % in release 8.6). Lock the GPU's clocks and measure again.
# - Another warning comes when enqueueing takes more than 0.8 of the compute time (both as medians). Then the host is the bottleneck. A CUDA graph or a larger batch helps.
#
# The loop runs until it has made 10 queries after the warm-up **and** 3 s have passed (`--iterations`, `--duration`, `--warmUp`).
#
# ### A p99 that is the maximum
#
# To find percentile `p` of `n` queries, trtexec sorts the latencies and leaves out `int((1 - p/100) * n)` of them from the top.
# It computes that in 32-bit floats. For 99 % of 100 queries:

# %%
from utils.engines.trtexec import trtexec_percentile_index

share = np.float32(1) - np.float32(99) / np.float32(100)
print(f"float32: {share * np.float32(100):.8f} is left out, so int(…) = {int(share * np.float32(100))}")
for n in (10, 100, 101, 200, 1000):
    print(f"p99 of {n:4} queries: index {trtexec_percentile_index(99, n):3} of 0..{n - 1}")

# %% [markdown]
# For 100 queries nothing is left out: p99 is the slowest query. For 1,000 queries p99 is the tenth slowest.
# A p99 from 100 queries is one unlucky query, so let it run longer before you quote it.
#
# ### Several streams
#
# trtexec keeps at most two queries in flight on each stream, so that copies and kernels overlap. `--infStreams=N` gives it more to overlap.

# %%
for streams in (1, 2, 4):
    trace = simulate_timeline(**(stages | {"streams": streams}))
    summary = summarize(trace, warmup_ms=0)
    elapsed = np.mean([q["endD2hMs"] - q["startEnqMs"] for q in trace])
    print(f"streams={streams}: {summary.throughput_qps:4.0f} queries/s, Latency {summary.latency.mean_ms:.2f} ms, "
          f"from enqueue to result {elapsed:.2f} ms, on average {summary.throughput_qps * elapsed / 1e3:.1f} in flight   (simulated)")

# %% [markdown]
# The throughput rises from 759 to 993 queries/s. It can't pass 1,000, one per 1.0 ms of compute: no stage can do better than its own time.
# The Latency line does not move, because it leaves out the waiting. With 4 streams a user would wait 6.2 ms.
# On a real GPU the kernels of two streams also slow each other down. So trtexec itself warns that latencies are not accurate with several streams.
#
# **Little's law** ties it together: queries in flight = throughput × time in the system. With 4 streams 993 queries/s × 6.17 ms = 6.1 are in flight on average, of at most 8.
# On one stream at most 2 are in flight and take 2.6 ms each, so the throughput can't be above 2 / 2.6 ms = 769 queries/s. The first line comes close.
#
# ### Carrying a command over

# %%
from utils.engines.trtexec import migrate

for target in ("10.16", "11.1"):
    moved = migrate(old, target, keep_measurement=True)
    print(f"{target}: {' '.join(moved.argv)}")
    for line in moved.notes + [f"before: {step}" for step in moved.pre_steps]:
        print("   ", line)

# %% [markdown]
# Mind the lines about precision and the two steps before the build. Without them the new engine would be FP32, and nobody would know why it is slow.

# %% [markdown]
# ## See it
#
# ![Six queries on a time line in ms. Rows: host, copy in, compute, copy out. A dashed line at 20 ms ends the warm-up. An arrow marks the wall time of 16.5 ms.](figure.svg)
#
# The picture shows the six queries from above. Two are warm-up. Four count: 16.5 ms of wall time, 242.4 queries/s.
#
# **Anatomy of a query.** Change the stages and the streams. Below the chart stands what trtexec would print. (Simulated.)

# %% figure
from utils.widgets.ch31_trtexec import anatomy_of_a_query

anatomy_of_a_query()

# %% [markdown]
# Try three things. Raise the streams from 1 to 4: the throughput stops at the slowest stage. Raise the enqueue time above 0.8 of the compute time: the warning comes.
# Then tick "CUDA graph" and untick "data transfers": you have the defaults of 11.
#
# **Release by flag.** Type or paste any command line. Each cell says why.

# %% figure
from utils.widgets.ch31_trtexec import release_matrix

release_matrix()

# %% [markdown]
# ## Exercises

# %% [markdown] about="shape_spec"
# Parse a list of shapes, more strictly than trtexec does.
#
# - Items are separated by `,`. An item is `name:dims`; the name is everything before the **last** `:`.
# - The dimensions are separated by a small `x`. The word `scalar` stands for no dimensions: `()`.
# - A name in single quotes loses them. (A quote without its partner and a comma in quotes are not given.) A name that comes twice keeps its last shape.
# - Return a dict from name to a tuple of ints.
# - Raise `ValueError` for: an empty item (also the empty text), an item without `:`, an empty name (also an empty one in quotes),
#   and a dimension that is not made of the digits 0–9 only or is below 1. So `X`, signs, blanks, points and missing dimensions are refused.
#
# | text | result |
# |---|---|
# | `"images:0:1x3x224x224,mask:scalar"` | `{"images:0": (1, 3, 224, 224), "mask": ()}` |
# | `"a:8,b:4x3"` | `{"a": (8,), "b": (4, 3)}` |
# | `"'mask':1x77"` and `"a:1x3,a:2x3"` | `{"mask": (1, 77)}` and `{"a": (2, 3)}` |

# %% exercise="shape_spec"
def shape_spec(text: str) -> dict[str, tuple[int, ...]]:
    """Shapes of "name:d0xd1x...,...", strictly: every item is a name, a colon and positive dimensions.

    Names may hold colons and may stand in single quotes. Raises ValueError for an empty item or name,
    for a dimension that is not a positive decimal integer, and for an upper-case "X".
    """
    ### BEGIN SOLUTION
    shapes = {}
    for item in text.split(","):
        name, _, dims = item.rpartition(":")
        if len(name) >= 2 and name.startswith("'") and name.endswith("'"):
            name = name[1:-1]
        if not name:
            raise ValueError(f"an item must be name:dims, got {item!r}")
        parts = [] if dims == "scalar" else dims.split("x")
        for part in parts:
            if not (part.isascii() and part.isdigit()) or int(part) == 0:
                raise ValueError(f"a dimension must be a positive integer, got {part!r}")
        shapes[name] = tuple(int(part) for part in parts)
    return shapes
    ### END SOLUTION

# %% check="shape_spec"
check("31.shape_spec", shape_spec)

# %% [markdown] about="fill_profile"
# Fill in a profile as trtexec does, and check it as the builder will.
#
# - `lo`, `opt`, `hi` are what `--minShapes`, `--optShapes`, `--maxShapes` gave: dicts from tensor name to a tuple of ints, or `None` for an absent flag. An empty dict is not absent: it is a flag that names no tensor.
# - A missing min copies opt, else max. A missing opt copies max, else min. A missing max copies opt, else min.
# - Return a dict from tensor name to `(min, opt, max)`. With all three `None` return `{}`.
# - Raise `ValueError` when the given flags do not name the same tensors, when the shapes of a tensor differ in rank,
#   or when min ≤ opt ≤ max fails in some dimension. The message must contain the tensor's name; where the flags name different tensors, that of a tensor that is missing somewhere.
#
# | lo, opt, hi | result |
# |---|---|
# | `{"x": (1, 3)}, None, {"x": (8, 3)}` | `{"x": ((1, 3), (8, 3), (8, 3))}` |
# | `None, None, {"x": (8, 3)}` | `{"x": ((8, 3), (8, 3), (8, 3))}` |
# | `{"x": (1, 3)}, {"x": (4, 3)}, None` | `{"x": ((1, 3), (4, 3), (4, 3))}` |

# %% exercise="fill_profile"
def fill_profile(lo: dict | None, opt: dict | None, hi: dict | None) -> dict[str, tuple]:
    """tensor -> (min, opt, max) by trtexec's broadcast rules, checked as the builder will check it.

    None is an absent flag: min copies opt, else max; opt copies max, else min; max copies opt, else min.
    Raises ValueError naming the tensor when the given flags name different tensors, when ranks differ,
    or when min <= opt <= max fails in some dimension.
    """
    ### BEGIN SOLUTION
    def first(*flags):
        return next((flag for flag in flags if flag is not None), {})

    given = [flag for flag in (lo, opt, hi) if flag is not None]
    for name in {name for flag in given for name in flag}:
        if any(name not in flag for flag in given):
            raise ValueError(f"every flag must name {name!r}")
    low, best, high = first(lo, opt, hi), first(opt, hi, lo), first(hi, opt, lo)
    filled = {name: (low[name], best[name], high[name]) for name in low}
    for name, (a, b, c) in filled.items():
        if not len(a) == len(b) == len(c) or not all(p <= q <= r for p, q, r in zip(a, b, c)):
            raise ValueError(f"min <= opt <= max must hold for {name!r}, got {a}, {b}, {c}")
    return filled
    ### END SOLUTION

# %% check="fill_profile"
check("31.fill_profile", fill_profile)

# %% [markdown] about="lint_trtexec"
# Say what is wrong with a command line before trtexec does.
#
# - `argv` is a list of tokens. `known` is the set of a release's flags and `deprecated` a dict whose keys are flags; both are written with `--`.
# - The *flag* of a token is the part before its first `=`, with the dashes.
# - Return a list of `(kind, flag)` in the order of `argv`. Tokens without a fault are left out. One finding a token: the first kind that fits, in this order:
#   1. `"not-a-flag"`: the token does not begin with `--`. Report the whole token in place of the flag.
#   2. `"unknown"`: the flag is not in `known`.
#   3. `"duplicate"`: a token with the same flag came before. (Take every flag as one that must not be repeated.)
#   4. `"always-true"`: the flag is in `BOOL` (below: all flags of the three releases that take no value), and the token has a `=`, whatever follows it.
#   5. `"deprecated"`: the flag is a key of `deprecated`.
#
# | argv | known | result |
# |---|---|---|
# | `["--onnx=m", "--best", "--workspace=1", "--best"]` | `{"--onnx", "--best"}` | `[("unknown", "--workspace"), ("duplicate", "--best")]` |
# | `["--onnx", "m.onnx"]` | `{"--onnx"}` | `[("not-a-flag", "m.onnx")]` |
# | `["--onnx=m", "--fp16=false"]` | `{"--onnx", "--fp16"}` | `[("always-true", "--fp16")]` |
# | `["--onnx=m", "--streams=2"]` | `{"--onnx", "--streams"}`, deprecated `--streams` | `[("deprecated", "--streams")]` |

# %% exercise="lint_trtexec"
SWITCHES = """
--adjustForDLA --allowGPUFallback --allowWeightStreaming --asyncFileReader --best --bf16 --buildDLAStandalone --buildOnly
--consistency --continue --cpuOnly --directIO --distributiveIndependence --dryRun --dumpKernelText --dumpLayerInfo
--dumpOptimizationProfile --dumpOutput --dumpProfile --dumpRawBindingsToFile --dumpRefit --enablePluginOverride
--errorOnTimingCacheMiss --excludeLeanRuntime --explicitBatch --explicitPrecision --exposeDMA --fp16 --fp8
--getPlanVersionOnly --help --heuristic --ignoreParsedPluginLibs --includeDataTransfers --int4 --int8
--markUnfusedTensorsAsDebugTensors --monitorMemory --noBuilderCache --noCompilationCache --noCudaGraph --noDataTransfers
--noSpinWait --noTF32 --pi --pluginInstanceNorm --refit --reportCapabilityDLA --restricted --safe --saveAllEngines
--separateProfileRun --skipInference --stripAllWeights --stripWeights --stronglyTyped --threads --timeDeserialize
--timeRefit --uffNHWC --uint8AsymmetricQuantizationDLA --useCudaGraph --useManagedMemory --useSpinWait --vc --verbose
--versionCompatible --weightless
"""
BOOL = set(SWITCHES.split())


def lint_trtexec(argv: list[str], known: set[str], deprecated: dict[str, str]) -> list[tuple[str, str]]:
    """(kind, flag) for every argument at fault, in the order of `argv`, one finding an argument.

    Kinds, the first that fits: "not-a-flag" (no "--"), "unknown" (not in `known`), "duplicate" (a known flag
    seen before), "always-true" (a switch with "=value"), "deprecated" (a key of `deprecated`).
    """
    ### BEGIN SOLUTION
    findings, seen = [], set()
    for token in argv:
        flag, equals, _ = token.partition("=")
        if not token.startswith("--"):
            findings.append(("not-a-flag", token))
        elif flag not in known:
            findings.append(("unknown", flag))
        elif flag in seen:
            findings.append(("duplicate", flag))
        elif flag in BOOL and equals:
            findings.append(("always-true", flag))
        elif flag in deprecated:
            findings.append(("deprecated", flag))
        seen.add(flag)
    return findings
    ### END SOLUTION

# %% check="lint_trtexec"
check("31.lint_trtexec", lint_trtexec)

# %% [markdown] about="summarize_trace"
# Compute trtexec's summary from a trace.
#
# - `trace` is a list of dicts with the eight times in ms that you saw above: `startEnqMs`, `endEnqMs`, `startH2dMs`, `endH2dMs`, `startComputeMs`, `endComputeMs`, `startD2hMs`, `endD2hMs`.
#   Take the records in the order given. With several streams they overlap.
# - Drop everything before the first record with `startComputeMs >= warmup_ms`. Keep that record and all after it.
# - Wall time = `endD2hMs` of the last record − `startH2dMs` of the first kept one.
# - The latency of a query = its H2D + compute + D2H durations (end − start of each).
# - Percentile `p` (0 to 100) of `n` sorted latencies is the one at index `max(n - 1 - int((1 - p/100) * n), 0)`.
#   Compute `(1 - p/100) * n` in float32 at each of the three steps: divide, subtract, multiply.
# - No query left: `ValueError`.
#
# Return a dict with these keys:
# `queries` and `warmups` (counts of kept and dropped records), `throughput_qps` (queries per second of wall time),
# `latency` (a dict in ms with `min`, `max`, `mean`, `median`, and one key `f"p{p:g}"` per percentile, such as `p90`),
# `compute_cv_pct` (population standard deviation / mean of the compute durations, in percent; divide by n, not n − 1),
# `enqueue_bound` (True if the median enqueue duration is more than 0.8 times the median compute duration).
# The median of an even count is the mean of the middle two. Numbers are compared to 6 digits.
#
# For the six queries above (`six`) and `warmup_ms=20`: 4 queries, 2 warm-ups, 242.424 qps, latency mean 3.75, median 3.5, p90 4.5 ms, cv 19.245 %, not enqueue bound.
# With `warmup_ms=0` all 6 count, in 36.5 ms.

# %% exercise="summarize_trace"
def summarize_trace(trace: list[dict], warmup_ms: float, percentiles=(90.0, 95.0, 99.0)) -> dict:
    """The summary as plain data: queries, warmups, throughput_qps, latency (min, max, mean, median, p90, ...),
    compute_cv_pct, enqueue_bound.

    Raises ValueError for a trace without a query after the warm-up.
    """
    ### BEGIN SOLUTION
    warmups = next((i for i, query in enumerate(trace) if query["startComputeMs"] >= warmup_ms), None)
    if warmups is None:
        raise ValueError("trace must hold a query after the warm-up")
    kept = trace[warmups:]
    n = len(kept)
    enqueue, h2d, compute, d2h = (np.array([query[f"end{phase}Ms"] - query[f"start{phase}Ms"] for query in kept])
                                  for phase in ("Enq", "H2d", "Compute", "D2h"))
    total = np.sort(h2d + compute + d2h)
    latency = {"min": total.min(), "max": total.max(), "mean": total.mean(), "median": np.median(total)}
    for p in percentiles:
        left_out = int((np.float32(1) - np.float32(p) / np.float32(100)) * np.float32(n))
        latency[f"p{p:g}"] = total[max(n - 1 - left_out, 0)]
    wall_ms = kept[-1]["endD2hMs"] - kept[0]["startH2dMs"]
    return {
        "queries": n,
        "warmups": warmups,
        "throughput_qps": n / wall_ms * 1000,
        "latency": {key: float(value) for key, value in latency.items()},
        "compute_cv_pct": float(compute.std() / compute.mean() * 100),
        "enqueue_bound": bool(np.median(enqueue) > 0.8 * np.median(compute)),
    }
    ### END SOLUTION

# %% check="summarize_trace"
check("31.summarize_trace", summarize_trace)

# %% [markdown] about="migrate_trtexec"
# Carry a command line over to TensorRT 10 or 11, so that it measures what it measured. Return `(arguments, notes)`, two lists of strings.
# Names below are written without their `--`. A flag is the part before the first `=`. `workspace`, `batch` and `nvtxMode` always come with a value, `heuristic` without.
#
# | old | new |
# |---|---|
# | `explicitBatch`, `explicitPrecision`, `minTiming` | dropped |
# | `workspace=N` (MiB) | `memPoolSize=workspace:NM` |
# | `buildOnly`, `streams`, `plugins` | `skipInference`, `infStreams`, `staticPlugins`; a value stays |
# | `nvtxMode=V` | `profilingVerbosity=V`, where `verbose` becomes `detailed` |
# | `heuristic` | `builderOptimizationLevel=2` |
# | `batch=B` | `shapes=<input_name>:B`, followed by `x<d>` for each `d` of `input_dims`; dropped if `shapes` is anywhere in `argv` |
# | `deploy`, `model`, `uff`, `output` | `ValueError` whose message contains `convert to ONNX` |
# | anything else, also tokens without `--` | unchanged |
#
# - Then drop duplicates: of each flag (after the renaming) keep the first occurrence. Not for the flags in `REPEATABLE`, not for `profile`, `minShapes`, `optShapes`, `maxShapes` when `profile` is in `argv`, and not for tokens without `--`.
# - Only for 11: drop every flag in `PRECISION`, and then at least one note must contain the word `precision` (in any case). Drop every flag in `NO_OPS`.
# - Only for 11: add at the end, in this order, `--includeDataTransfers` unless `noDataTransfers` was in `argv`, `--noCudaGraph` unless `useCudaGraph` was, `--noSpinWait` unless `useSpinWait` was. Add none that is there already.
# - What survives keeps its place, and a rewritten argument takes the place of the old one. Other notes are yours to choose. Another `target`: `ValueError`.
#
# | arguments of the call | arguments that come back |
# |---|---|
# | `["--onnx=m", "--explicitBatch", "--workspace=1024", "--best"], 10` | `["--onnx=m", "--memPoolSize=workspace:1024M", "--best"]` |
# | the same list, 11 (with a note about precision) | `["--onnx=m", "--memPoolSize=workspace:1024M", "--includeDataTransfers", "--noCudaGraph", "--noSpinWait"]` |
# | `["--loadEngine=e", "--batch=8", "--streams=2"], 10, "data", (3, 224, 224)` | `["--loadEngine=e", "--shapes=data:8x3x224x224", "--infStreams=2"]` |
# | `["--onnx=m", "--useCudaGraph"], 11` | `["--onnx=m", "--includeDataTransfers", "--noSpinWait"]` |

# %% exercise="migrate_trtexec"
REPEATABLE = {"staticPlugins", "dynamicPlugins", "setPluginsToSerialize"}
NO_OPS = {"noDataTransfers", "useSpinWait", "useCudaGraph", "separateProfileRun"}
PRECISION = {"best", "fp16", "bf16", "fp8", "int8", "int4", "calib", "calibProfile", "layerPrecisions", "layerOutputTypes",
             "precisionConstraints", "minShapesCalib", "optShapesCalib", "maxShapesCalib"}


def migrate_trtexec(
    argv: list[str], target: int, input_name: str = "input", input_dims: tuple = ()
) -> tuple[list[str], list[str]]:
    """(arguments, notes) of a command line for TensorRT 10 or 11 that measures what the old one measured.

    Surviving arguments keep their place, additions go last. `input_name` and `input_dims` (without the
    batch) are used for --batch. Raises ValueError for another target, and "convert to ONNX" for the
    options of Caffe and UFF models.
    """
    ### BEGIN SOLUTION
    def name_of(arg):
        return arg.split("=", 1)[0].removeprefix("--") if arg.startswith("--") else ""

    def rewritten(arg):
        name, equals, value = name_of(arg), "=" in arg, arg.partition("=")[2]
        if name in ("explicitBatch", "explicitPrecision", "minTiming"):
            return None
        if name == "workspace":
            return f"--memPoolSize=workspace:{value}M"
        if name in renamed:
            return f"--{renamed[name]}" + (f"={value}" if equals else "")
        if name == "nvtxMode":
            return "--profilingVerbosity=" + ("detailed" if value == "verbose" else value)
        if name == "heuristic":
            return "--builderOptimizationLevel=2"
        if name == "batch":
            return None if "shapes" in present else f"--shapes={input_name}:" + "x".join(map(str, (value, *input_dims)))
        return arg

    if target not in (10, 11):
        raise ValueError(f"target must be 10 or 11, got {target}")
    present = {name_of(arg) for arg in argv}
    if present & {"deploy", "model", "uff", "output"}:
        raise ValueError("only ONNX models are read: convert to ONNX")
    renamed = {"buildOnly": "skipInference", "streams": "infStreams", "plugins": "staticPlugins"}
    free = REPEATABLE | {""} | ({"profile", "minShapes", "optShapes", "maxShapes"} if "profile" in present else set())
    kept, notes, seen = [], [], set()
    for arg in argv:
        new = rewritten(arg)
        name = name_of(new or "")
        if new != arg:
            notes.append(f"{arg} became {new or 'nothing'}")
        if new is None or (name in seen and name not in free):
            continue
        seen.add(name)
        if target == 11 and name in PRECISION:
            notes.append(f"{arg} dropped: put the precision into the ONNX model, or the engine will be FP32")
        elif not (target == 11 and name in NO_OPS):
            kept.append(new)
    if target == 11:
        for extra, opposite in (("includeDataTransfers", "noDataTransfers"), ("noCudaGraph", "useCudaGraph"),
                                ("noSpinWait", "useSpinWait")):
            if opposite not in present and extra not in present:
                kept.append(f"--{extra}")
    return kept, notes
    ### END SOLUTION

# %% check="migrate_trtexec"
check("31.migrate_trtexec", migrate_trtexec)

# %% [markdown]
# ## Measure it
#
# `ortexec` has trtexec's loop, its options and its report, and runs on ONNX Runtime's CPU provider.
# Each stream is a thread with a session of its own and one ONNX Runtime thread. The model has four convolutions, and the input is 1×3×64×64.
#
# Before you run it: your machine has a few cores. What do 2 and 4 streams do to the throughput, and what to p99?

# %% experiment
import os

from utils.widgets.ch31_trtexec import run_sweep, sweep_picture, sweep_summary

runs = run_sweep(streams=(1, 2, 4), duration_s=2.0)
print("cores:", os.cpu_count())
sweep_summary(runs)

# %% experiment
sweep_picture(runs)

# %% [markdown]
# With two free cores the throughput nearly doubles from 1 to 2 streams. With 4 streams on 2 cores it hardly grows, and p99 grows several times: the streams take turns on the cores.
# On a machine with more cores the bend comes later. When other programs run, it comes earlier.
# The last column is Little's law. The streams are always busy, so throughput × mean latency is close to the number of streams.
#
# Now the exported trace. trtexec writes it without the warm-up queries, and so does `ortexec`. Does it give the printed report again?

# %% experiment
import json
import tempfile
from pathlib import Path

from utils.engines.ortexec import ortexec
from utils.engines.stream_sweep import four_layer_cnn

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "trace.json"
    run = ortexec(four_layer_cnn(), {"x": (1, 3, 64, 64)}, duration_s=0.5, warm_up_ms=100, percentile=(99,), export_times=file)
    again = summarize(json.loads(file.read_text()), warmup_ms=100, percentiles=(99,))
print(format_report(run.summary))
print("\nthe trace gives the same throughput and latencies:",
      (again.throughput_qps, again.latency) == (run.summary.throughput_qps, run.summary.latency))

# %% [markdown]
# With TensorRT and a GPU, the next cell runs the real trtexec on the same model and reads its log. Without them it says so.

# %% experiment
from utils.widgets.ch31_trtexec import real_trtexec

print(real_trtexec(four_layer_cnn()))

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | trtexec has three uses: benchmark, save an engine, write a timing cache | holds, incomplete | since 11.1 it also searches build routes and checks their accuracy (`--tuneBuildRoutes`, `--accuracyThreshold`) |
# | 2 | a static engine: `--explicitBatch --workspace=1024 --best` | dated | 8.6 runs it and calls two flags deprecated; 10.16 does not know these two; 11.1 does not know `--best` either |
# | 3 | a dynamic engine: the same with `--best … --best` | wrong in every release | the second `--best` is left over and refused, in 8.6 too |
# | 4 | min, opt and max must all be given, as NCHW | wrong | a missing one is copied; the form is `name:d0xd1x…` with any rank and layout |
# | 5 | there is a static run and a run with a given shape | wrong | both listings are the same command; a static model needs no `--shapes` |
# | 6 | `--loadEngine=… --batch=1` | dated | `--batch` was for implicit-batch engines; the batch is the first number of `--shapes` |
# | 7 | `--deploy=….prototxt --output=prob` | dated | Caffe and UFF are gone; 10.16 and 11.1 find no model in this command |
# | 8 | `--buildOnly` | dated | deprecated in 8.6 for `--skipInference`, unknown in 10 |
# | 9 | `--exportTimes` collects *and prints* the trace | wrong | it writes JSON, without the warm-up; NVIDIA's `tracer.py` prints it |
# | 10 | several `--streams` raise throughput at some cost in latency | holds, renamed | `--infStreams` since 8.6; the reported latencies are not accurate then |
# | 11 | (implied) numbers of two releases can be compared | wrong | 11.0 changed three defaults: transfers off, CUDA graph on, spin wait on |
#
# Here are the source's own command lines in three releases (file names shortened, example shapes filled in).

# %%
from utils.widgets.ch31_trtexec import source_verdicts

source_verdicts()

# %% [markdown]
# Row 4 and row 11 were computed above. Of the eleven commands, two still run in 11.1. NVIDIA's README at tag 11.1 still shows `--int8`, `--best` and `--fp16` in examples 2 and 5, and that release's parser refuses them.

# %% [markdown]
# ## Explain it
#
# The nightly benchmark went from TensorRT 10.16 to 11.1. To make it run, a colleague deleted `--fp16` from the script.
# The report now says Latency 1.9 ms instead of 2.6 ms, and she writes: "11 is 27 % faster." Answer in six or seven sentences.
#
# A good answer names:
# 1. the three defaults that changed, and which of them is not in the Latency line any more;
# 2. the flags that restore the old measurement;
# 3. what deleting `--fp16` does to the engine, and where the precision belongs now;
# 4. which line is disturbed least (GPU Compute Time), and why even that one can differ;
# 5. that the engine has to be rebuilt, and how to make the numbers stable (locked clocks, enough queries, coefficient of variation).

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The two numbers measure different things. In 11 trtexec copies no inputs and outputs by default, so H2D and D2H have left the Latency line; CUDA graph and spin wait are on as well.
# With `--includeDataTransfers --noCudaGraph --noSpinWait` the old measurement comes back.
# Deleting `--fp16` made the command run, but the network is strongly typed now. If the ONNX file is FP32, so is the engine, and it may well be slower.
# The precision goes into the model first, with AutoCast for FP16 or Q/DQ nodes for INT8.
# Until then GPU Compute Time says most, but only for engines of one precision, and a CUDA graph can shorten it by closing the gaps between kernels.
# Both engines are built anew by their own release. I lock the clocks, run some thousand queries, look at the coefficient of variation, and then compare medians and throughput.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("31")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | optimization profile | 优化配置 | min, opt and max shapes that an engine is built for |
# | explicit batch | 显式批 | the batch is an ordinary dimension of the input |
# | workspace | 工作区 | scratch memory that a tactic may use |
# | tactic | 策略 | one of several kernels that can compute a layer |
# | timing cache | 计时缓存 | stored kernel times that later builds reuse |
# | enqueue time | 入队时间 | host time to submit a query |
# | warm-up | 预热 | first queries, which are not counted |
# | H2D, D2H | 主机到设备/设备到主机拷贝 | copies of the inputs and the outputs |
# | CUDA graph | CUDA 图 | a recorded sequence of launches, replayed with one call |
# | stream | 流 | an independent queue of GPU work |
# | percentile | 百分位数 | a value that a given share of the samples does not exceed |
# | spin wait | 自旋等待 | polling instead of sleeping until the GPU is done |
# | strongly typed network | 强类型网络 | the model fixes the type of each tensor |

# %% [markdown]
# ## Sources
#
# - NVIDIA, TensorRT OSS (Apache-2.0), `samples/common/sampleOptions.{cpp,h}`, `sampleReporting.cpp`, `sampleInference.cpp`, `samples/trtexec/{README.md,trtexec.cpp}`, tags v8.6.1, v9.3.0, v10.0.1, v10.16, v11.0, v11.1. The option table was read in November 2026; newer releases may differ.
# - NVIDIA, *Migrating trtexec Usage from TensorRT 8.x to 10.x* and *… from 10.x to 11.x*, TensorRT documentation.
# - NVIDIA, *Command-Line Programs*, TensorRT documentation: the two queries in flight, and the meaning of each metric.
# - J. D. C. Little, *A Proof for the Queuing Formula L = λW*, Operations Research, 1961.
