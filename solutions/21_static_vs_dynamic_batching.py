# %% [markdown]
# # 21 · Static versus dynamic multi-batch on edge devices
# **端侧静态多Batch和动态多Batch的区别**
#
# A model was exported for 6 pictures at a time. Today the camera sees 2 faces. Does the model take them? What do they cost? And what if 2 more come a moment later?
# Three different things are called "dynamic batch", and interviewers like to mix them.
#
# About 110 minutes: 81 for the five exercises, the rest to read, measure and explain. It helps to know chapter 48 (latency and throughput).

# %% setup
from collections.abc import Callable

import numpy as np

# %% [markdown]
# ## The short answer
#
# > A **static batch** fixes the first dimension of the input when the model is built. Memory is planned once, and the routines that compute it (*kernels*) are chosen for that size. Fewer inputs are padded, and cost the same.
# >
# > A **dynamic batch** leaves that dimension open, and the cost follows the real n. But it is not free of bounds. A TensorRT engine (NVIDIA's compiled model) needs an *optimisation profile*: a smallest size (min), a largest (max), and one for which it is made fast (opt). It refuses sizes outside, and by default reserves memory for the largest size of all its profiles.
# >
# > Both are properties of the *model*. **Dynamic batching** is a property of the *server*: it merges requests, and may wait for a bounded time. **Continuous batching** is its relative for language models: requests join and leave at every token.
# >
# > On an edge device with a steady n I use a static batch, or a few sizes (*buckets*). With a varying n I use a dynamic batch where the chip takes one. With many small requests I put a batcher in front, with a delay that the latency limit can spare. First I measure whether a batch pays at all: how long does a batch of n take?

# %% [markdown]
# ## How it works
#
# ### Six, and only six
#
# Here is a small network of two convolutions for pictures of 48 × 48. We write it twice in ONNX, the common file format for models: once with a batch of 6, once with a free batch called "N".
# ONNX Runtime executes such files. What does it do with 2 pictures?

# %%
import tempfile

from utils.serving.batching import export_pair, make_run, small_cnn
from utils.serving.batching.experiment import SAMPLE, cnn_inputs

folder = tempfile.TemporaryDirectory()  # goes away with the kernel
static_path, dynamic_path = export_pair(small_cnn(), SAMPLE, 6, folder.name)
static6, dynamic = make_run(static_path), make_run(dynamic_path)

x = cnn_inputs(2)
print("dynamic:", x.shape, "→", dynamic(x).shape)
try:
    static6(x)
except Exception as error:
    print("static: ", type(error).__name__, "-", " ".join(str(error).split())[-110:])

# %% [markdown]
# The fixed dimension is a contract. So the caller has to **pad**: fill up to 6 rows, run, and drop the rows that nobody asked for.

# %%
from utils.serving.batching import FixedBatchRunner

for n in (1, 2, 6, 7):
    runner = FixedBatchRunner(static6, 6)
    y = runner.run(cnn_inputs(n))
    same = np.abs(y - dynamic(cnn_inputs(n))).max()
    print(f"{n} picture{'s' * (n > 1)}: {runner.calls} call{'s' * (runner.calls > 1)}, {runner.padded_rows} padded rows, largest difference from the dynamic model {same:.0e}")

# %% [markdown]
# The numbers are right, and 7 pictures cost two full runs. With n of B rows in use the share (B − n)/B of the work is waste: 2 of 6 waste 67 %.
#
# Why would anyone want this? Because many edge chips take nothing else. Their compiler lays out all memory beforehand. A model with a free dimension can be turned into a fixed one:

# %%
from utils.serving.batching import fix_batch

fixed = fix_batch(dynamic_path, f"{folder.name}/fixed.onnx", 6)  # as onnxruntime.tools.make_dynamic_shape_fixed does
print("input:", [d.dim_value for d in fixed.graph.input[0].type.tensor_type.shape.dim])
print("same as the exported one:", np.array_equal(make_run(f"{folder.name}/fixed.onnx")(cnn_inputs(6)), static6(cnn_inputs(6))))

# %% [markdown]
# ### Buckets
#
# Between one size and every size there is a middle: a few fixed sizes, **buckets**. Each request takes the smallest that holds it.
# Say that 100 frames were logged (an invented log): 50 had 1 face, 20 had 2, 5 had 3, 15 had 4, 8 had 6 and 2 had 8.

# %%
from utils.serving.batching import plan_buckets
from utils.widgets.ch21_static_vs_dynamic_batching import TRAFFIC

faces = TRAFFIC["mostly small"]
for k in (1, 2, 3, 6):
    plan = plan_buckets(faces, k)
    print(f"{k} bucket{'s' * (k > 1)} {plan.buckets}: {plan.rows} rows for {plan.useful} faces, {plan.waste:.1%} padding")

# %% [markdown]
# One model of size 8 wastes 71 %. A second size, well chosen, leaves 40 %; a third 21 %.
# The second is neither the most frequent size (1) nor half of the largest (4). Exercise 3 finds it.
#
# A bucket is not free. Each is one more compiled model in memory, and switching may cost time.
#
# ### Dynamic, within bounds
#
# TensorRT compiles a model for one GPU. For a free dimension (a *dynamic shape*) it asks for at least one **optimisation profile**: the smallest size, the largest, and the one (opt) for which it chooses its kernels.
# The numbers that it needs at run time, the activations, live in an **execution context**. Say that a sample needs 10 MB there:

# %%
from utils.serving.batching import Profile, context_bytes, select_profile

profiles = [Profile(1, 1, 1), Profile(2, 4, 8), Profile(1, 16, 32)]
for n in (1, 3, 20):
    i = select_profile(profiles, n)
    reserved = {s: context_bytes(profiles, 10_000_000, s, i) / 1e6 for s in ("STATIC", "ON_PROFILE_CHANGE")}
    print(f"n = {n:2}: profile {i} {(profiles[i].min_batch, profiles[i].opt_batch, profiles[i].max_batch)}, reserved in MB: {reserved}")
try:
    select_profile(profiles, 33)
except ValueError as error:
    print("n = 33:", error)

# %% [markdown]
# By default (STATIC) a context reserves for the largest size of *all* profiles, 320 MB here, also while it runs batches of 1. ON_PROFILE_CHANGE allocates what the selected profile needs, each time one is selected.
# TensorRT does not choose the profile. The application does, by a rule such as the one above. This arithmetic is a model: the real size depends on the network.
#
# What other products say, with the day on which we read it:

# %%
from utils.widgets.ch21_static_vs_dynamic_batching import facts_table

facts_table()

# %% [markdown]
# ### The server merges
#
# So far one caller had n inputs. Now n callers have one input each, and they don't know of each other. A **batcher** in the server collects them.
# A batch of n takes 4 + n ms here, at most 4 requests go together, and seven requests come, at 0, 1, 2, 3, 10, 11 and 30 ms:

# %%
from utils.widgets.ch21_static_vs_dynamic_batching import policies

policies()

# %% [markdown]
# - On the left only full batches start. Requests 5 and 6 wait for two more. Request 7 comes at 30 ms, an eighth never does (at the end of the list we let the rest go).
# - In the middle the oldest request waits for 5 ms at most. Request 7 waits in vain: nobody else comes, but the server can't know that.
# - On the right the server never waits on purpose. A batch is made of those who came while the one before ran.
#
# The rule of the middle, which is also that of the Triton inference server with `max_queue_delay_microseconds`:
#
# > When the server is free, a batch starts as soon as it is *full*, or as soon as its *oldest* request has waited for the delay (the *queue delay*).
#
# All of this is simulated from event to event: the clock jumps to the next start, nothing is rounded.
#
# ### Does a batch pay?
#
# Let a batch of n take a + b·n ms. The fixed part a is paid once for all: reading the weights, launching kernels. Full batches of B give B / (a + b·B) requests per ms.

# %%
from utils.serving.batching import AffineService, capacity_per_s

cost = AffineService(a_ms=4, b_ms=0.5)
for size in (1, 2, 4, 8, 16):
    print(f"batches of {size:2}: {cost(size):4.1f} ms each, {capacity_per_s(cost, size):5,.0f} requests/s at most")
print(f"with a = 0: {capacity_per_s(AffineService(0, 0.5), 1):,.0f}/s alone, {capacity_per_s(AffineService(0, 0.5), 16):,.0f}/s in batches of 16")

# %% [markdown]
# The last line is the trap. Where time grows in proportion to n there is nothing to share. Then a batch only makes its members wait for each other. You will measure both kinds below.
#
# ### What a delay brings
#
# 20,000 requests at random times (simulated), at most 8 in a batch, 4 + 0.5·n ms. Here is the delay at three loads:

# %%
from utils.cost.latency import percentile
from utils.serving.batching import AffineService, simulate_batcher
from utils.serving.queueing import poisson_arrivals

cost = AffineService(4, 0.5)
print("  per s  delay (ms)  per batch  busy   mean (ms)  p99 (ms)")
for rate in (50, 400, 950):
    arrivals_ms = 1e3 * poisson_arrivals(rate, 20_000, np.random.default_rng(0))
    for delay in (0, 8):
        run = simulate_batcher(arrivals_ms, 8, delay, cost)
        print(f"{rate:7}  {delay:10}  {run.mean_batch:9.2f}  {run.utilization:4.0%}  {run.latency_ms.mean():9.1f}  {percentile(run.latency_ms, 99):9.1f}")

# %% [markdown]
# (p99 is the latency that 99 % of the requests do not exceed.)
#
# - At 50 requests/s the delay more than doubles the mean latency, from 5 to 12 ms. Hardly anybody comes to share the batch.
# - At 950/s it changes hardly anything. The batches fill up while the server is busy: 7.3 requests each without any delay, 7.7 with it.
# - In between, at 400/s, it makes the server less busy: 59 % in place of 94 %. That is what a delay buys: not latency, but time for other models, or energy.
#
# What if the model behind the batcher has a fixed batch of 8? Every batch then costs as much as a full one:

# %%
from utils.cost.latency import percentile
from utils.serving.batching import AffineService, padded_service, simulate_batcher
from utils.serving.queueing import poisson_arrivals

cost = AffineService(4, 0.5)
arrivals_ms = 1e3 * poisson_arrivals(150, 20_000, np.random.default_rng(0))
for name, service in (("free batch", cost), ("fixed 8", padded_service(cost, [8])), ("buckets 1, 2, 4, 8", padded_service(cost, [1, 2, 4, 8]))):
    run = simulate_batcher(arrivals_ms, 8, 0, service)
    print(f"{name:18}: mean {run.latency_ms.mean():4.1f} ms, p99 {percentile(run.latency_ms, 99):4.1f} ms, busy {run.utilization:.0%}")

# %% [markdown]
# At 150 requests/s the fixed batch makes the latency almost twice as long. Four buckets come close to the free batch.
#
# ### Three words
#
# | word | whose property | what is decided, and when |
# |---|---|---|
# | dynamic batch (dynamic shape) | the model | how many rows one call may have; at build time |
# | dynamic batching | the server | which requests go together; when a batch starts |
# | continuous (in-flight) batching | an LLM server | who is in the batch; after each token (chapter 30) |

# %% [markdown]
# ## See it
#
# ![Simulated, 100 requests per second, batches of up to 8, a delay of at most 8 ms. Left: a Gantt chart in which most of each bar is waiting. Middle: the histogram of latencies with p50 at 12.5 ms and p99 at 14 ms. Right: p99 against the load; without batches it rises steeply before 222 requests per second, with batches of up to 8 before 1,000, and the curves with and without delay meet from about 700 on.](figure.svg)
#
# The picture shows 100 requests/s, batches of up to 8 and a delay of 8 ms, simulated: p50 (the median) is 12.5 ms and p99 14 ms. Without the delay they are 4.5 and 9.4 ms. On the right the curves with and without the delay meet near 700 requests/s. That is far beyond 222/s, where one request at a time reaches its saturation.
#
# **Batcher timeline.** Set a rate, the largest batch, the delay, and what a batch costs.

# %% figure
from utils.widgets.ch21_static_vs_dynamic_batching import timeline

timeline()

# %% [markdown]
# **Buckets.** How much padding do k fixed sizes leave, for three kinds of traffic?

# %% figure
from utils.widgets.ch21_static_vs_dynamic_batching import buckets

buckets()

# %% [markdown]
# **Three batchings of one load, simulated.** One request per second to an 8B language model on an L4. The upper lanes are requests: grey waits, orange computes the prompt, blue makes tokens, and the dotted boxes are answers that are complete and wait for their batch. Step times are roofline bounds, a real server is slower.

# %% figure
from utils.widgets.serving_simulator import serving_simulator

serving_simulator("21")

# %% [markdown]
# What to notice: with dynamic batching half of the requests wait 7.8 s for the first token, and without its delay still 7.5 s. They wait for the batch before theirs. With continuous batching it is 74 ms.

# %% [markdown]
# ## Exercises
#
# The set-up cell has imported `Callable` and `numpy` as `np`. You may import more from Python's standard library.

# %% [markdown] about="run_fixed_batch"
# Serve any number of rows with a model of a fixed batch.
#
# - `run` is the model, a function. It takes an array of exactly `batch` rows, with the trailing shape and the dtype of `x`, and raises an error for anything else. It returns a new array of `batch` rows each time, and leaves its argument alone. Row i of its output depends on row i of its input alone.
# - `x` is an array of n ≥ 0 rows. It has one dimension or more; the first one counts the rows, the others are the *trailing shape*. `batch` is 1 or more.
# - Return an array with the n output rows in the order of `x`. Its trailing shape and dtype are those of `run`'s output, which may differ from x's. `run` may, for example, turn `(batch, 3, 2)` float32 into `(batch,)` bool.
# - Call `run` as rarely as possible: ceil(n / batch) times. What you pad with is up to you.
# - For n = 0 return an array of shape `(0, …)` with the output's trailing shape and dtype. Here one call on padding alone is allowed (and needed: only `run` knows its output).
# - Leave `x` unchanged.
#
# For example with `run = lambda z: z + z` (4 rows), and x the numbers 0 … 9 as float32 of shape (10, 1): 3 calls, and 0, 2, … 18 as float32 of shape (10, 1).
# With a `run` that adds up each row (6 rows), and x of shape (2, 3) with the numbers 0 … 5: 1 call, and 3, 12 as float32 of shape (2,).

# %% exercise="run_fixed_batch"
def run_fixed_batch(run: Callable[[np.ndarray], np.ndarray], x: np.ndarray, batch: int) -> np.ndarray:
    """Outputs (n, ...) of `x` (n, ...) from a `run` that accepts exactly `batch` rows, in as few calls as possible."""
    ### BEGIN SOLUTION
    outputs = []
    for i in range(0, max(len(x), 1), batch):
        rows = x[i : i + batch]
        chunk = np.zeros((batch, *x.shape[1:]), x.dtype)
        chunk[: len(rows)] = rows
        outputs.append(run(chunk))
    return np.concatenate(outputs)[: len(x)]
    ### END SOLUTION

# %% check="run_fixed_batch"
check("21.run_fixed_batch", run_fixed_batch)

# %% [markdown] about="padding_waste"
# How much of the work is padding?
#
# - `sizes` holds the rows of each request, `buckets` the fixed batch sizes; both are lists of whole numbers of 1 or more. The buckets come in any order and may repeat.
# - Each request runs alone, padded to the smallest bucket that is at least its size.
# - Return the padded rows divided by all rows that are processed (padding included), over all requests together: a fraction from 0 to below 1.
# - Raise `ValueError` if a size is larger than every bucket, or if one of the lists is empty.
#
# For example 50 × 1, 20 × 2, 5 × 3, 15 × 4, 8 × 6 and 2 × 8 rows: with buckets `[8]` → 0.71375, with `[1, 4, 8]` → 0.210345 (61 of 290 rows).
# A result may differ from the exact value by rounding (a relative 1e-9).

# %% exercise="padding_waste"
def padding_waste(sizes: list[int], buckets: list[int]) -> float:
    """Share of the processed rows that is padding when each request uses the smallest bucket that holds it."""
    ### BEGIN SOLUTION
    if not sizes:
        raise ValueError("there must be a request")
    processed = 0
    for n in sizes:
        fitting = [b for b in buckets if b >= n]
        if not fitting:
            raise ValueError("every size must fit a bucket")
        processed += min(fitting)
    return (processed - sum(sizes)) / processed
    ### END SOLUTION

# %% check="padding_waste"
check("21.padding_waste", padding_waste)

# %% [markdown] about="best_buckets"
# Choose the bucket sizes.
#
# - `histogram` is a dict from size (a whole number of 1 or more) to the number of requests of that size, 0 or more, in any order. A size with count 0 does not occur.
# - Return at most `k` bucket sizes as a list of whole numbers, ascending, without repeats. Every size that occurs must be at most the largest bucket.
# - Each request is padded to the smallest bucket that holds it. The sum of these buckets over all requests is the number of processed rows. It must be as small as `k` buckets allow.
# - If several lists are equally good, any of them will do.
# - There may be 60 sizes and 12 buckets. Trying all subsets is too slow then: the check stops after 3 seconds.
# - Raise `ValueError` for `k` below 1, or if no count is positive.
#
# For example with `{1: 50, 2: 20, 3: 5, 4: 15, 6: 8, 8: 2}`: k = 1 → `[8]` (800 rows), k = 2 → `[2, 8]` (380 rows), k = 3 → `[1, 4, 8]` (290 rows).

# %% exercise="best_buckets"
def best_buckets(histogram: dict[int, int], k: int) -> list[int]:
    """At most k bucket sizes, ascending, that process the fewest rows for a histogram {size: requests}."""
    ### BEGIN SOLUTION
    sizes = sorted(size for size, count in histogram.items() if count > 0)
    if k < 1 or not sizes:
        raise ValueError("k and a count must be positive")
    # best[j]: fewest rows for the first j sizes with the buckets so far, and these buckets; at first there are none
    best = [(0, [])] + [(float("inf"), [])] * len(sizes)
    for _ in range(min(k, len(sizes))):
        longer = list(best)
        for j in range(1, len(sizes) + 1):
            requests = 0
            for i in range(j - 1, -1, -1):  # the last bucket takes sizes i to j - 1
                requests += histogram[sizes[i]]
                rows = best[i][0] + sizes[j - 1] * requests
                if rows < longer[j][0]:
                    longer[j] = (rows, [*best[i][1], sizes[j - 1]])
        best = longer
    return best[-1][1]
    ### END SOLUTION

# %% check="best_buckets"
check("21.best_buckets", best_buckets)

# %% [markdown] about="batcher_schedule"
# Simulate a dynamic batcher with one server.
#
# - `arrivals` are the times at which requests come, ascending, 0 or later. Equal times are different requests. Times may be fractional.
# - A batch holds at most `max_batch` requests (1 or more), the oldest first. `service(n)` is the time that a batch of n takes; ask it only for sizes from 1 to `max_batch`.
# - Look at the oldest waiting request, which came at a. On an idle server the batch would start at the earlier of two times: a + `max_delay` (0 or more), and the arrival of the request that fills the batch. That is the `max_batch`-th one, counted from the oldest as the first; if so many do not come any more, only a + `max_delay` counts.
# - If the server is still busy then, the batch starts when the server becomes free. It is idle at the beginning.
# - A batch takes all requests that have come by its start, those that come at the very start included, up to `max_batch`. The others wait for the next batch.
# - Return a list with a tuple for each batch, in order: its start, its size, and its finish (the start plus `service(size)`). Without arrivals return an empty list.
#
# For example arrivals 0, 1, 2, 3, 10, 11, 30 with `max_batch` 4, `max_delay` 5 and a service of 4 + n: `[(3, 4, 11), (15, 2, 21), (35, 1, 40)]`.
# With `max_delay` 0: `[(0, 1, 5), (5, 3, 12), (12, 2, 18), (30, 1, 35)]`. All times are such that floats hold them exactly.

# %% exercise="batcher_schedule"
def batcher_schedule(arrivals: list[float], max_batch: int, max_delay: float,
                     service: Callable[[int], float]) -> list[tuple[float, int, float]]:
    """Batches (start, size, finish) of one server that waits for at most `max_delay` to fill a batch."""
    ### BEGIN SOLUTION
    batches, free, first = [], 0.0, 0
    while first < len(arrivals):
        start = arrivals[first] + max_delay
        filler = first + max_batch - 1
        if filler < len(arrivals):
            start = min(start, arrivals[filler])
        start = max(start, free)
        size = sum(arrival <= start for arrival in arrivals[first : first + max_batch])
        free = start + service(size)
        batches.append((start, size, free))
        first += size
    return batches
    ### END SOLUTION

# %% check="batcher_schedule"
check("21.batcher_schedule", batcher_schedule)

# %% [markdown] about="profile_plan"
# Choose an optimisation profile, and say what it reserves.
#
# - `profiles` is a list of tuples (min, opt, max), whole numbers. A profile *covers* n if min ≤ n ≤ max.
# - Of the profiles that cover `n`, take the one with the smallest max. Of several take the one with the smallest distance between opt and n, to either side. Of several of these take the lowest index (from 0).
# - `bytes_per_sample` is the activation memory of one sample, a whole number. With `strategy` `"STATIC"` a context reserves it for the largest max of *all* profiles, with `"ON_PROFILE_CHANGE"` for the max of the chosen one.
# - Return a tuple: the index of the chosen profile, and the reserved bytes.
# - Raise `ValueError` if no profile covers `n`, if any profile in the list violates 1 ≤ min ≤ opt ≤ max (also one that is not chosen), or if `strategy` is any other string. That includes TensorRT's third strategy, `"USER_MANAGED"`, with which the caller brings the memory.
#
# For example with `[(1, 1, 1), (2, 4, 8), (1, 16, 32)]` and 10,000,000 bytes: n = 3 → `(1, 320000000)` for `"STATIC"` and `(1, 80000000)` for `"ON_PROFILE_CHANGE"`; n = 1 and `"STATIC"` → `(0, 320000000)`.

# %% exercise="profile_plan"
def profile_plan(profiles: list[tuple[int, int, int]], n: int, bytes_per_sample: int, strategy: str) -> tuple[int, int]:
    """Index of the profile for a batch of n, and the bytes that its execution context reserves."""
    ### BEGIN SOLUTION
    if strategy not in ("STATIC", "ON_PROFILE_CHANGE"):
        raise ValueError("unknown strategy")
    if not all(1 <= low <= opt <= high for low, opt, high in profiles):
        raise ValueError("a profile needs 1 <= min <= opt <= max")
    covering = [i for i, (low, opt, high) in enumerate(profiles) if low <= n <= high]
    if not covering:
        raise ValueError("no optimisation profile covers this batch")
    index = min(covering, key=lambda i: (profiles[i][2], abs(profiles[i][1] - n)))
    samples = max(high for low, opt, high in profiles) if strategy == "STATIC" else profiles[index][2]
    return index, bytes_per_sample * samples
    ### END SOLUTION

# %% check="profile_plan"
check("21.profile_plan", profile_plan)

# %% [markdown]
# ## Measure it
#
# First the two models of the beginning, on one thread of this machine. The cells below need the first code cell of "How it works", so run that one before. Each number of pictures is timed with both, in turns, and the fastest of 40 rounds counts.
# Before you run it: how long does the static model take for one picture, compared with six?

# %% experiment
from utils.serving.batching.experiment import static_against_dynamic
from utils.widgets.ch21_static_vs_dynamic_batching import static_table

cnn_ms = static_against_dynamic(static6, dynamic, 6)
static_table(cnn_ms)

# %% experiment
from utils.serving.batching import fit_service_time
from utils.widgets.ch21_static_vs_dynamic_batching import static_picture_measured

cnn_fit = fit_service_time(list(cnn_ms), [pair[1] for pair in cnn_ms.values()])
static_picture_measured(cnn_ms, cnn_fit)

# %% [markdown]
# What to look for:
#
# - The static line is flat: 6 rows are computed, whoever asked for them. For one picture it takes about five times as long as the dynamic model.
# - At n = 6 the two are about equal. On this runtime, dynamic does not mean slower.
# - The dynamic line goes almost through the origin. The fixed part a is small, so this network gains little from larger batches *on this CPU*.
#
# What does a free batch leave behind? ONNX Runtime takes memory from an **arena**, a store of its own. It grows with the largest batch. Then small batches follow:

# %% experiment
from utils.widgets.ch21_static_vs_dynamic_batching import arena_table

arena_table(dynamic_path)

# %% [markdown]
# The memory of one large batch stays until somebody asks for it back. On a device with little memory a single outlier can decide how much is left.
#
# ### A live batcher
#
# Now a network of the other kind: eight fully connected layers of 1,024 × 1,024. For one request the processor reads 33.6 MB of weights, and uses each of them once. For 16 requests it reads them once, too.
# Its time is measured *through* a batcher with real threads, hand-over included. The CNN was timed above without one, so the wide network's a looks a little too large beside it.
# The fastest of 40 rounds tells what the network can do, and the mean what this machine has left for it now.

# %% experiment
from utils.serving.batching import fit_service_time, make_run, wide_mlp
from utils.serving.batching.experiment import time_sizes
from utils.widgets.ch21_static_vs_dynamic_batching import batching_pays

mlp = make_run(wide_mlp())
row = np.random.default_rng(0).standard_normal(1024).astype(np.float32)
mlp_ms = time_sizes(mlp, row, (1, 2, 4, 8, 16))
mlp_best = fit_service_time(list(mlp_ms), [ms.min() for ms in mlp_ms.values()])
mlp_mean = fit_service_time(list(mlp_ms), [ms.mean() for ms in mlp_ms.values()])
batching_pays({"CNN, 48 × 48": cnn_fit, "wide network": mlp_best, "wide network, mean": mlp_mean}, batch=6)

# %% [markdown]
# One network gains several times from a batch of 6, the other little. Both run in the same engine on the same core. So measure a + b·n before you build a batcher. (If the last two rows differ much, other programs are busy.)
#
# Then the load. Requests come at random, in an open loop: they are sent on schedule, whether or not the answers keep up (chapter 48). A batcher with a worker thread merges up to 16 of them and runs them in ONNX Runtime.
# The rates are 50, 150 and 250 % of what the server manages one at a time by the mean, each with no delay and with a delay of 2·a. The load is bounded: 0.6 seconds a run, at most 256 requests under way, and whoever is sent more than 2 seconds late is given up.
#
# Beside each run stand two simulations of *the same requests*. "Predicted" knows the schedule, and a + b·n from before the run. "Replayed" knows when the requests were really sent, and how long batches of each size really took in this run. Neither knows of threads. All latencies count from when a request was due.

# %% experiment
from utils.serving.batching.experiment import live_levels
from utils.widgets.ch21_static_vs_dynamic_batching import live_table

live = live_levels(mlp, row, mlp_mean)
live_table(live)

# %% experiment
from utils.widgets.ch21_static_vs_dynamic_batching import live_picture

live_picture(live)

# %% [markdown]
# What to look for:
#
# - 250 % of the capacity without batches is served. One at a time the queue would grow without end.
# - At 50 % the delay makes the predicted median almost three times as long, if b is small beside a. It almost doubles the batches, which the idle server did not need. At 250 % the batches grow either way.
# - On a quiet machine live and simulated batches lie close together, and the medians about a millisecond apart. The live tail is longer. (In the short first runs one or two requests decide p99.)
# - What the prediction does not know is the machine. Threads are woken late, and other programs get the core. The last column tells how late requests were sent. Where it shows many milliseconds the machine is busy, and the prediction can be far off. The replay then explains part of the difference: it has the late requests and the slow batches, but not the worker that waits for its turn.
#
# Finally TensorRT, where a GPU is present: an engine with two profiles, its time for each batch, and its context memory under both strategies. Without one the cell measures nothing and prints one sentence that says so.

# %% experiment
from utils.widgets.ch21_static_vs_dynamic_batching import tensorrt_cell

tensorrt_cell(dynamic_path)

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | with a static batch of 6, an input of 2 or 4 still uses the resources of 6 | holds, incomplete | and the caller has to pad: ONNX Runtime raises InvalidArgument for any other n. Measured above: the same time for every n |
# | 2 | a dynamic batch needs no batch size beforehand | depends | true for ONNX Runtime and PyTorch; a TensorRT engine can't be built without a profile (min, opt, max), and refuses sizes outside it |
# | 3 | it adapts its resources to the real input | depends | the time, yes. Memory: TensorRT's default reserves for the largest size of all profiles; ONNX Runtime's arena grows and stays, as measured above |
# | 4 | "because of its high performance" it takes more time and memory than a static batch | contradicts itself | at the *same* n a dynamic engine can be slower, since its kernels are chosen for opt, and it reserves for max. Below max it is faster. Measured above at n = 1: about five times, not six, since the fixed part a stays. At n = 6 they are equal |
# | 5 | it makes the device more efficient in practice | depends | some edge chips and their runtimes take fixed shapes only (table above); buckets are the way out: 71 → 21 % padding with three sizes |
# | 6 | dynamic batch and dynamic batching are one thing (many readers conclude this) | wrong | one belongs to the model, the other to the server. A batcher in front of a fixed batch pays for full batches: 11.2 in place of 6.0 ms on average in the simulation above |
#
# Claims 1 to 3 and 6 were measured, simulated or looked up above. Here are the computed numbers of claims 4 and 5:

# %%
from utils.serving.batching import plan_buckets
from utils.widgets.ch21_static_vs_dynamic_batching import TRAFFIC

print("claim 4: rows computed for n = 1 … 6 by a fixed batch of 6, over those of a free one:", *(f"{6 / n:.1f}" for n in range(1, 7)))
print("claim 5: padding with one to three buckets:", *(f"{plan_buckets(TRAFFIC['mostly small'], k).waste:.1%}" for k in (1, 2, 3)))

# %% [markdown]
# ## Explain it
#
# A colleague writes: "We exported the model with a dynamic batch and switched dynamic batching on with a delay of 10 ms. So we get the throughput of batch 32, and memory only for what we really use." Single requests come, about 40 per second. A batch of n takes 5 + 0.2·n ms. Answer in five or six sentences.
#
# A good answer names:
# 1. that these are two properties, of the model and of the server;
# 2. how many requests come within the delay, and so how large the batches get;
# 3. what the delay does to the latency at this load;
# 4. what is reserved or kept, for which batch size;
# 5. what should be measured or set instead.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The dynamic batch is a property of the model: one call may have any n, within a profile if it is TensorRT. Dynamic batching is the server's: it merges requests.
# At 40 requests/s one comes every 25 ms on average. Within 10 ms a first request meets 0.4 others, so the batches hold one or two requests, and never 32.
# The server needs 5.2 ms for a single request and is busy for about 20 % of the time. It has no throughput problem, and the delay turns about 5 ms into 15 ms.
# Memory follows the largest size, not the mean: a TensorRT context reserves for the largest max of all profiles by default, and ONNX Runtime's arena keeps what its largest batch needed.
# I would set the delay to 0: batches then form by themselves when the load rises. I would choose max from the rate that we expect at the peak, and measure p99 there in an open loop.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("21")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | static batch | 静态批 | the number of rows is fixed when the model is built |
# | dynamic batch | 动态批 | the first dimension is free, within bounds |
# | dynamic shape | 动态形状 | any dimension that is known only at run time |
# | padding | 填充 | rows that fill up a batch, and whose outputs are dropped |
# | bucket | 分桶 | one of a few fixed sizes; a request takes the smallest that holds it |
# | optimisation profile | 优化配置 | min, opt and max of a free dimension in TensorRT |
# | execution context | 执行上下文 | the memory and state that one running engine needs |
# | arena | 内存池 | a store of memory that a runtime keeps for itself |
# | dynamic batcher | 动态批处理器 | the part of a server that merges requests |
# | queue delay | 排队延迟 | how long a batcher may wait to fill a batch |
# | continuous batching | 连续批处理 | requests join and leave at every token |
# | service time | 服务时间 | how long a batch takes: here a + b·n |
# | saturation | 饱和 | the load at which full batches no longer keep up |
# | p99 latency | 99分位延迟 | latency that 99 % of the requests do not exceed |

# %% [markdown]
# ## Sources
#
# - NVIDIA, TensorRT 11.4 Python API: IOptimizationProfile, ExecutionContextAllocationStrategy; TensorRT documentation, *Working with Dynamic Shapes*.
# - NVIDIA, Triton Inference Server user guide, *Batchers*.
# - ONNX Runtime: *Making dynamic input shapes fixed*; ORTCoreMLExecutionProviderOptions; `onnxruntime_run_options_config_keys.h`; issue 11627 (the CPU arena).
# - Apple, coremltools guide, *Flexible Input Shapes*. Axis, ARTPEC-7 optimization tips (Edge TPU).
# - D. V. Lindley, *The theory of queues with a single server*, 1952: the recursion that the batcher becomes with batches of 1.
# - K. He et al., *Delving Deep into Rectifiers*, ICCV 2015: the scale of the wide network's random weights.
