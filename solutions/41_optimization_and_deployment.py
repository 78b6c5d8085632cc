# %% [markdown]
# # 41 · How are performance optimisation and deployment related?
# **介绍一下模型性能优化与模型部署之间的关系**
#
# A team has made its network four times faster. The product feels as slow as before, and nobody can say whether the accuracy is still the same.
# Optimisation without a deployment target has no end and no proof. This chapter builds the loop that ties the two: limits, variants, measurement, choice, gate.
#
# About 75 minutes: 48 for the five exercises, the rest to read, measure and explain. It helps to know chapters 01 (why compression), 15 and 54 (quantisation), 16 (pruning), 25 (distillation) and 48 (latency).

# %% setup
import math
from collections.abc import Callable

import numpy as np

# %% [markdown]
# ## The short answer
#
# > Deployment supplies the **constraints**: a limit that, say, 95 % of the calls must meet (p95), throughput, memory, energy, cost, an accuracy floor, the operators that the device supports.
# > Optimisation is the search under these constraints, with knobs in the model, the numbers, the graph and the serving.
# >
# > First I **profile** the whole request: how long does each stage take? A network that gets 4 times faster, where it takes half of the time, gives 1.6 times in all (Amdahl's law).
# > Then I turn the knob on the slowest stage that promises most for its effort. I measure again on the target device, after a warm-up (calls that do not count), and look at p95.
# > I check the quality on the same samples for both models, in all and in each slice (a class, a camera). A gate, an automatic rule, decides. Then a canary: a few users first, with monitoring and a way back.
# >
# > Which variant wins depends on the target. INT8 may gain little on a tiny network or an old CPU, and a lot on a large one.
# > Parallel training, LAMB (an optimiser) or Optuna (a search for settings) change what *training* costs. Serving sees only the model that comes out.

# %% [markdown]
# ## How it works
#
# ### Where does the time go?
#
# An app reads digits from a camera. A frame passes three stages (an invented example). The product needs 10 ms. How much faster must the model get?

# %%
from utils.delivery.desk import STAGES
from utils.delivery.tradeoff import amdahl, pipeline_ms
from utils.delivery.tradeoff import required_speedup as needed

print(STAGES, "sum:", pipeline_ms(STAGES), "ms")
print(f"10 ms need a model that is {needed(STAGES, 'model', 10):g} times faster, 6 ms one that is {needed(STAGES, 'model', 6)} times faster")
print(f"model 4 times faster: {pipeline_ms(STAGES, {'model': 4}):g} ms, {amdahl(12 / 18, 4):g} times faster in all")
print(f"if the model took half of the time: {amdahl(0.5, 4):g} times")

# %% [markdown]
# The other stages take 6 ms, and no model makes them faster. That is **Amdahl's law**. If a share *s* of the time gets *f* times faster, the whole gets
#
# $$\frac{1}{(1-s) + s/f}$$
#
# times faster, and never more than 1/(1 − s) times.

# %%
from utils.widgets.ch41_optimization_and_deployment import amdahl_picture

amdahl_picture()

# %% [markdown]
# So the first step is a **profile** of the whole request: it finds the **bottleneck**, the stage with the largest share of the time. If that is not the model, optimising the model is the wrong work.
#
# ### Write the target down
#
# A **target** is a list of limits with numbers. Each of them is a **service-level objective**. "Fast" is none.
#
# A limit of the latency names a percentile: **p95** is what 95 of 100 calls do not exceed, p99 what 99 do not, and p50 is the median.
# In a data centre the limit is mostly a price, the **cost per million** inferences. The price is in USD an hour, the rate in inferences a second when busy, and idle time is paid too:
#
# $$\text{cost per million} = \frac{\text{price}}{3{,}600 \cdot \text{rate} \cdot \text{share of the time busy}} \cdot 10^6$$

# %%
from utils.delivery.desk import TARGETS
from utils.delivery.tradeoff import usd_per_million

print(f"1.20 USD an hour, 200 inferences/s, 60 % busy: {usd_per_million(1.20, 200, 0.6):.2f} USD a million; twice the speed: {usd_per_million(1.20, 400, 0.6):.2f} USD")
for target in TARGETS.values():
    print(target.as_dict())

# %% [markdown]
# Those were three targets. A real list also names the memory, the energy, the operators that the device supports, and the slices that must not get worse.
#
# ### Variants of one model
#
# A **variant** is one optimised form of a model. Five of them, all of one digits network, and all run by ONNX Runtime:
#
# - *wide FP32*: 64 → 1,024 → 1,024 → 10, the model in service;
# - *wide INT8*: the same with 8-bit weights and activations (chapter 54);
# - *pruned FP32*: a quarter of the neurons of each hidden layer is kept, then tuned for 4 epochs (chapter 16);
# - *pruned INT8*: both;
# - *tiny FP32*: one hidden layer of 16 neurons, distilled from the wide network (chapter 25).
#
# You will build them below. This is a recorded run on a server's CPU with 8-bit dot products, first one image at a time. The 95 % interval holds the accuracies that fit such a count of right answers (Wilson's, chapter 14).

# %%
from utils.widgets.ch41_optimization_and_deployment import recorded_table

recorded_table(batch=1)

# %% [markdown]
# Read the speeds. INT8 makes the wide network 2.22 times faster. Pruning makes it 4.81 times faster. Both together: 5.4 times, and not 2.22 × 4.81 = 10.7.
# After pruning a call takes 15 µs, and much of that is not arithmetic: the tiny network has 70 times fewer weights than the pruned one, and still takes 7.5 µs. INT8 makes only the arithmetic faster, and adds conversions.
# On a CPU without 8-bit dot products INT8 may even be slower; the documentation of ONNX Runtime says so itself. Now 64 images at a time:

# %%
from utils.widgets.ch41_optimization_and_deployment import recorded_table

recorded_table(batch=64)

# %% [markdown]
# Here INT8 after pruning doubles the speed (0.141 → 0.069 ms): a larger batch holds more arithmetic for the same fixed cost.
# Whether a knob helps is a property of the knob *and* of the deployment. So it has to be measured there.
#
# ### What is left after comparing
#
# The wide FP32 network is as accurate as wide INT8 here, and slower. Nobody needs it. One variant **dominates** another if it is no worse in both metrics and better in one.
# The **Pareto front** holds those that nothing dominates:

# %%
from utils.delivery.desk import RECORDED
from utils.delivery.tradeoff import variant_front

for metric in ("p95_ms", "bytes"):
    print(f"{metric} and accuracy:", ", ".join(v.name for v in variant_front(RECORDED[1], minimize=[metric])))

# %% [markdown]
# A front is not yet a choice. The choice is made by the target: leave out whatever breaks a limit, and of the rest take the most accurate.
# The times are those of the server's CPU. The limits of the phone and the gateway are applied to them only as an illustration.

# %%
from utils.delivery.desk import RECORDED
from utils.widgets.ch41_optimization_and_deployment import choice_table

choice_table(RECORDED)

# %% [markdown]
# Three targets, three different winners, from the same five files. That is the relation which the question asks about.
#
# ### Measure like this
#
# The first calls pay for allocation and cold caches: a **warm-up** that is not counted. Then every single call is timed, since the **tail latency** (p95, p99), the slow calls, is what users notice.
# The variants are timed in turns, so that a disturbance meets all of them. The same network, the same machine, in the same minute:

# %%
from utils.delivery.desk import ALONE_MS, SHARED_MS

for name, (p50, p95) in (("nobody else on the core", ALONE_MS), ("a core shared with other programs", SHARED_MS)):
    print(f"wide FP32, batch 64, {name:34} p50 {p50:5.2f} ms, p95 {p95:5.2f} ms")

# %% [markdown]
# The median is 4 times larger and p95 11 times. No variant has changed. Say where you measured, repeat, and distrust a difference that is smaller than the spread of the repetitions.
#
# ### May it replace the model in service?
#
# The pruned network has 523 of 540 test images right, the wide one 527. Is it worse? Both saw the same images, so look at those on which they differ.
# **Lost**: only the old one is right. **Gained**: only the new one is right. If both were equally good, each of these images would be the throw of a fair coin.
# The chance of such a split or a more lopsided one, in either direction, is the p-value of **McNemar's test**, a **paired test** (chapter 14 builds it up).

# %%
from utils.delivery.desk import FLIPS
from utils.delivery.tradeoff import mcnemar_p

for name, (lost, gained) in FLIPS.items():
    print(f"{name:12} lost {lost:2}, gained {gained}: drop {(lost - gained) / 540:+.2%}, p = {mcnemar_p(lost, gained):.3f}")

# %% [markdown]
# A difference is **significant** if p is below a level *alpha* that was fixed before, here 0.05. *Tiny* lost 10 images and gained 1: significant. *Pruned* lost as many and gained 6: that may well be chance.
# Not significant does not mean equal, though. With 540 images a real loss can hide. How large might it be?

# %%
from utils.delivery.tradeoff import gate_release, noninferiority_bound, samples_to_see

base = np.array([True] * 10 + [False] * 6 + [True] * 517 + [False] * 7)  # 527 right
pruned = np.array([False] * 10 + [True] * 6 + [True] * 517 + [False] * 7)  # 523 right
gate = gate_release(base, pruned, max_drop=0.01, alpha=0.05)
print(f"drop {gate.drop:.2%}, p = {gate.p_value:.2f}, passed: {gate.passed}")
print(f"upper bound of the true drop (one-sided, 95 % confidence): {noninferiority_bound(base, pruned):.2%}")
print(f"a true drop of 4 in 540, 16 in 540 flip: {samples_to_see(4 / 540, 16 / 540):,} images find it significant (alpha 0.05) 8 times in 10")

# %% [markdown]
# A **release gate** is an automatic rule, fixed before anybody sees the numbers. This chapter's gate passes a candidate whose accuracy drops by at most 1 point (`max_drop`),
# unless it drops by more than half of that and the difference is significant. It lets *pruned* through and stops *tiny*.
# The bound beside it is the caution: up to 2.0 points are still possible. Such a gate stops plain losses with few images, and leaves the rest to the canary.
# Where 1 point matters, make the bound the gate: pass only if the *bound* is at most `max_drop`. Then 540 images are too few for *pruned*.
# (The bound comes from drawing the 540 images again and again, with replacement: a bootstrap. Its blind spot: if nothing was lost, nothing lost can be drawn. Then the rule of three gives the bound: 0 of *n* seen, at most 3/*n* with 95 % confidence, here 3/540 = 0.6 %.)
#
# Other chapters have other gates, on purpose: chapter 14 guards an absolute promise, this one the change from the model in service.
#
# A small drop overall can be a large one somewhere. So the gate also looks at **slices**: a class, a language, a camera.
#
# ### The loop
#
# Measure, find the bottleneck, turn the knob with the largest predicted gain for its effort, measure again, pass the gate.
# A knob that brings nothing, or that the gate refuses, is undone. The loop ends when the target is met, or when no knob promises more than the noise of the measurement.
# The effort (in days) is invented; the measured factors are those of the recorded run.

# %%
from utils.delivery.desk import STAGES
from utils.delivery.tradeoff import Knob, optimize_loop
from utils.widgets.ch41_optimization_and_deployment import loop_table

knobs = [
    Knob("INT8", "model", predicted=4, days=1, measured=2.2),
    Knob("prune to a quarter of the width", "model", predicted=13, days=3, measured=2.4),  # after INT8: 0.032 → 0.013 ms
    Knob("distil to 16 neurons", "model", predicted=900, days=2, measured=4.2, passes_gate=False),
    Knob("crop on the sensor", "capture and crop", predicted=2, days=2),
    Knob("send fewer bytes", "draw and send", predicted=1.5, days=2),
]
loop_table(optimize_loop(STAGES, knobs, target_ms=8, noise_ms=0.1))

# %% [markdown]
# INT8 gained 6.5 of the 9 ms that were predicted, in a day. The distilled network was fast enough and was refused. After pruning the bottleneck is no longer the model.
# The last knob was never touched: the target is met, and further work has no buyer.
#
# ### After the gate
#
# A **shadow** release answers real requests silently beside the old model. A **canary** serves a small share of the users. Both show what no test set holds: other inputs, other phones, other load.
# Latency and quality are monitored, and the old model stays ready to be switched back. What they show starts the loop anew.
#
# And training? Parallel training, LAMB or Optuna change what training costs. They touch deployment only through the model that they produce.
# But some knobs *need* training: quantisation-aware training, pruning with tuning, distillation. Whoever only gets a file from another team can't turn them.

# %% [markdown]
# ## See it
#
# ![Left: accuracy against p95 of five variants at batch 1. Only wide INT8, with 97.6 percent and 0.059 ms, lies within the limits of the phone. Middle: the pipeline's time against the speed-up of its model falls from 18 ms towards a floor of 6 ms; 4 times gives 9 ms. Right: cost of a million images, from 0.039 USD for wide FP32 to 0.0042 USD for tiny FP32.](figure.svg)
#
# The phone allows a p95 of 0.1 ms, a file of 2,000 kB and no less than 97 % accuracy. One of five variants fits: wide INT8, with 527 of 540 right, p95 0.059 ms and 1,134 kB. The times come from one thread of an AMD EPYC, a server's CPU: on a phone they would be others. A model that is 4 times faster makes the pipeline of 18 ms 2 times faster.
#
# **Deployment desk.** The variants are measured (the recorded run); pipeline, targets and price are examples. Change the target, and another variant wins. Then choose "custom" and move the limits until nothing fits.

# %% figure
from utils.widgets.ch41_optimization_and_deployment import desk

desk()

# %% [markdown]
# ## Exercises
#
# `math`, `Callable` and NumPy as `np` are there from the set-up cell. Results in floating point may differ from the exact value by rounding. A NumPy number or bool counts as a Python one.

# %% [markdown] about="required_speedup"
# By which factor must one stage get faster?
#
# - `stages` is a dict from names to times in ms, at least one, all positive. The stages run one after another, so the pipeline takes their sum. `target_ms` is positive.
# - Return the factor by which the stage called `stage` must get faster, it alone, for the sum to become `target_ms`.
# - If the target is met already, return 1.0: a factor is never below 1.
# - If the other stages leave nothing for this one (they take exactly `target_ms` or more), return `math.inf`. All times of the check are multiples of 0.25 ms, which floats hold exactly: you need no tolerance.
# - An unknown `stage` raises `KeyError` or `ValueError`. Leave `stages` unchanged.
#
# For example with `{"pre": 4, "model": 12, "post": 2}` and the stage `"model"`: target 10 → 3.0, target 6 → inf, target 20 → 1.0.

# %% exercise="required_speedup"
def required_speedup(stages: dict[str, float], stage: str, target_ms: float) -> float:
    """Factor by which `stage` alone must get faster for the sum of the stages to be `target_ms`."""
    ### BEGIN SOLUTION
    own = stages[stage]
    left = target_ms - sum(ms for name, ms in stages.items() if name != stage)
    return max(1.0, own / left) if left > 0 else math.inf
    ### END SOLUTION

# %% check="required_speedup"
check("41.required_speedup", required_speedup)

# %% [markdown] about="measure"
# Measure the latency of a function, with a clock that is handed to you.
#
# - `fn()` takes no argument; its result does not matter. `clock()` returns the time in whole *nanoseconds*.
# - Call `fn` `warmup` times (0 or more) without timing, then `repeats` times with timing. So it is called `warmup` + `repeats` times.
# - Read the clock just before and just after each timed call, and at no other time. The order of calls (c for the clock, f for `fn`) with a warm-up of 1 and 2 repeats is `fcfccfc`.
# - Return a dict in *milliseconds* with the keys `"p50"`, `"p95"`, `"p99"` and `"mean"` of the timed calls, and `"n"`, their number.
# - Percentiles by linear interpolation between sorted samples, NumPy's default (this course's usual rule is nearest rank; here it is not). With one sample every percentile is that sample.
# - Keep every timed call, however slow.
# - Raise `ValueError` when `repeats` is below 1.
#
# For example a warm-up call of 50 ms and then calls of 1, 2, 3, 4 and 100 ms → p50 3, p95 80.8, p99 96.16, mean 22, n 5. Without a warm-up, calls of 2 and 4 ms → p50 3, p95 3.9, p99 3.98, mean 3, n 2.

# %% exercise="measure"
def measure(fn: Callable[[], object], clock: Callable[[], int], warmup: int, repeats: int) -> dict:
    """p50, p95, p99 (linear interpolation) and mean in ms of `repeats` calls after `warmup` untimed ones."""
    ### BEGIN SOLUTION
    if repeats < 1:
        raise ValueError("repeats must be at least 1")
    for _ in range(warmup):
        fn()
    samples_ms = []
    for _ in range(repeats):
        start = clock()
        fn()
        samples_ms.append((clock() - start) / 1e6)
    p50, p95, p99 = np.percentile(samples_ms, [50, 95, 99])
    return {"p50": p50, "p95": p95, "p99": p99, "mean": np.mean(samples_ms), "n": repeats}
    ### END SOLUTION

# %% check="measure"
check("41.measure", measure)

# %% [markdown] about="pareto_front"
# Which variants does no other one dominate?
#
# - `points` is a list of tuples (name, latency, accuracy). A lower latency is better, and a higher accuracy. All names are different. The list may be empty.
# - A point dominates another if it is no worse in both numbers and better in at least one.
# - Return the list of the names that no other point dominates, in the order of `points`. Points with identical numbers do not dominate each other.
# - Raise `ValueError` when a latency or an accuracy is NaN. Leave `points` unchanged.
#
# For example `pareto_front([("a", 10, 0.97), ("b", 4, 0.965), ("c", 4, 0.95), ("d", 2, 0.90), ("e", 12, 0.97)])` → `["a", "b", "d"]`,
# and `pareto_front([("x", 5, 0.9), ("y", 5, 0.9), ("z", 9, 0.8)])` → `["x", "y"]`.

# %% exercise="pareto_front"
def pareto_front(points: list[tuple[str, float, float]]) -> list[str]:
    """Names of the (name, latency, accuracy) points that no other dominates, in the order given."""
    ### BEGIN SOLUTION
    if any(math.isnan(latency) or math.isnan(accuracy) for _, latency, accuracy in points):
        raise ValueError("latencies and accuracies must be numbers, got NaN")

    def dominates(p: tuple, q: tuple) -> bool:
        return p[1] <= q[1] and p[2] >= q[2] and p[1:] != q[1:]

    return [q[0] for q in points if not any(dominates(p, q) for p in points)]
    ### END SOLUTION

# %% check="pareto_front"
check("41.pareto_front", pareto_front)

# %% [markdown] about="choose_variant"
# Choose a variant for a target.
#
# - `variants` is a list of dicts with the keys `name` (a string), `accuracy` (a share), `p50_ms`, `p95_ms` and `bytes`. It may be empty. No rule uses `p50_ms`.
# - `target` is a dict that may have the keys `max_p95_ms`, `max_bytes` and `min_accuracy`. A key that is absent, or whose value is None, sets no limit. At the limit is allowed.
# - A variant is feasible if it breaks no limit.
# - Of the feasible variants take the one with the highest accuracy; among equals the lowest `p95_ms`, then the fewest `bytes`, then the first in the list.
# - Return its name, or None when nothing is feasible. Leave both arguments unchanged.
#
# For example (invented) with
#
# | name | accuracy | p50_ms | p95_ms | bytes |
# |---|---|---|---|---|
# | A | 0.9722 | 0.094 | 0.197 | 1162000 |
# | B | 0.963 | 0.021 | 0.046 | 340000 |
# | C | 0.9611 | 0.012 | 0.014 | 5000 |
#
# the target `{"max_p95_ms": 0.1, "min_accuracy": 0.96}` → "B". With `"max_bytes": 50000` added → "C". With `{"max_p95_ms": 0.1, "min_accuracy": 0.97}` → None.

# %% exercise="choose_variant"
def choose_variant(variants: list[dict], target: dict) -> str | None:
    """Name of the most accurate variant within the limits, then by lowest p95, fewest bytes, first; or None."""
    ### BEGIN SOLUTION
    def feasible(v: dict) -> bool:
        p95, size, floor = (target.get(key) for key in ("max_p95_ms", "max_bytes", "min_accuracy"))
        return ((p95 is None or v["p95_ms"] <= p95) and (size is None or v["bytes"] <= size)
                and (floor is None or v["accuracy"] >= floor))

    left = [v for v in variants if feasible(v)]
    return min(left, key=lambda v: (-v["accuracy"], v["p95_ms"], v["bytes"]))["name"] if left else None
    ### END SOLUTION

# %% check="choose_variant"
check("41.choose_variant", choose_variant)

# %% [markdown] about="release_gate"
# May the candidate replace the model in service?
#
# - `base_ok` and `cand_ok` are boolean NumPy arrays of shape (N,), N at least 1: on which of the same N samples the model in service and the candidate are right. `max_drop` is a share, 0 or more; `alpha` lies between 0 and 1.
# - `lost`: how many samples only the model in service has right. `gained`: how many only the candidate has right.
# - `drop`: accuracy of the model in service minus that of the candidate, so (`lost` − `gained`) / N. Negative if the candidate is better.
# - `p_value`: the exact two-sided McNemar p. With n = `lost` + `gained` and k the smaller of the two it is min(1, 2·P(X ≤ k)), where X counts the heads in n throws of a fair coin: P(X = i) = C(n, i)/2ⁿ. For n = 0 it is 1. No approximation; n is at most 100.
# - `passed`: True unless `drop` is above `max_drop`, or `p_value` is below `alpha` *and* `drop` is above `max_drop`/2.
# - A drop counts as above a limit only if it exceeds it by more than 1e-12, so that rounding does not decide. You need not expect a p-value that equals `alpha`.
# - Return a dict with these five keys. Raise `ValueError` when the shapes differ. Leave the arrays unchanged.
#
# For example with 540 samples, `alpha` 0.05:
# 9 lost, 4 gained, `max_drop` 0.01 → drop 0.009259, p 0.26685, passed;
# 8 lost, 2 gained, `max_drop` 0.012 → drop 0.011111, p 0.109375, passed;
# 10 lost, 1 gained, `max_drop` 0.02 → drop 0.016667, p 0.01172, not passed: the loss is significant, and more than half of `max_drop`.

# %% exercise="release_gate"
def release_gate(base_ok: np.ndarray, cand_ok: np.ndarray, max_drop: float, alpha: float) -> dict:
    """lost, gained, drop, p_value and passed of a candidate against the model in service, on the same samples."""
    ### BEGIN SOLUTION
    if base_ok.shape != cand_ok.shape:
        raise ValueError("both models must be judged on the same samples")
    lost, gained = int(np.sum(base_ok & ~cand_ok)), int(np.sum(cand_ok & ~base_ok))
    n = lost + gained
    p_value = min(1.0, 2 * sum(math.comb(n, i) for i in range(min(lost, gained) + 1)) / 2**n)
    drop = (lost - gained) / base_ok.size
    real_loss = p_value < alpha and drop > max_drop / 2 + 1e-12
    passed = drop <= max_drop + 1e-12 and not real_loss
    return {"lost": lost, "gained": gained, "drop": drop, "p_value": p_value, "passed": passed}
    ### END SOLUTION

# %% check="release_gate"
check("41.release_gate", release_gate)

# %% [markdown]
# ## Measure it
#
# Now build the registry yourself: train the wide network, prune it, distil it, and quantise two of them. It takes a few seconds.
# The trainings are short on purpose: here the differences should be visible. With three times the epochs the tiny network had 524 of 540 right.
# Their lengths were chosen by looking at these 540 test images, so that the gate has something to decide. That makes the p-values below an illustration. A product chooses on other images than those of its gate.
# Before you run it: will INT8 after pruning help on your CPU, for one image and for 64?

# %% experiment
from utils.delivery.tradeoff.variants import digits_variants, evaluate_variants
from utils.networks.digits import load_digits_split
from utils.widgets.ch41_optimization_and_deployment import variant_table

_, X_test, _, y_test = load_digits_split()
registry = digits_variants(seed=0)
measured = {1: evaluate_variants(registry, X_test, y_test, batch=1, rounds=300),
            64: evaluate_variants(registry, X_test, y_test, batch=64, rounds=50)}
variant_table(measured[1], "your machine, one thread")

# %% experiment
variant_table(measured[64], "your machine, one thread")

# %% [markdown]
# What to look for:
#
# - The file sizes fall from row to row: to about a quarter by INT8, and further by fewer neurons. That holds on every machine.
# - The column "faster" belongs to your CPU. Compare INT8 with FP32 on the wide and on the pruned network, at both batches.
# - Compare p95 with p50. On a machine that runs other programs p95 can be many times p50.
# - Two variants whose 95 % intervals overlap widely may still differ, because the images are the same. The gate below looks at that.
#
# Does ONNX Runtime really compute with integers? Its optimised graph tells: `QGemm` is the integer kernel.

# %% experiment
from utils.graphs.onnx_tools import executed_ops

for name in ("wide FP32", "wide INT8"):
    print(f"{name}: {', '.join(executed_ops(registry[name]))}")

# %% [markdown]
# Three targets, on your measurements. Does each of them still choose what the recorded run chose?

# %% experiment
from utils.widgets.ch41_optimization_and_deployment import choice_table

choice_table(measured)

# %% [markdown]
# "Nothing fits" is a result: on a slow or busy machine the price or p95 may be out of reach, and the loop goes on.
#
# And now the gate, against the wide FP32 network:

# %% experiment
from utils.widgets.ch41_optimization_and_deployment import gate_table

gate_table(measured[1], y_test, max_drop=0.01, alpha=0.05)

# %% [markdown]
# In the recorded run INT8 alone flips two images. The pruned networks lose as many as the tiny one, 10, but they gain 6. Read the bound beside the verdict: what passed is not proved to be as good.
# The last column is the worst of ten slices, the ten digits. Each has 52 to 55 images, so 3 more errors are almost 6 points: a slice of this size can only warn.
#
# With a GPU the same table can have further rows. Without one this cell measures nothing and says so; no later cell needs it.

# %% experiment
from utils.widgets.ch41_optimization_and_deployment import gpu_rows

gpu_rows(registry, X_test, y_test)

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. Row 9 is what it leaves out.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | performance optimisation has a training side and an inference side | holds, mixed up | parallel training, LAMB and Optuna change the cost of training; they touch serving only through the model that they produce. What links the two: quantisation-aware training, pruning and distillation need access to training |
# | 2 | mixed-precision training uses FP16 and FP32 | dated | BF16 is the usual 16-bit format since Ampere and the TPUs, and needs no loss scaling (chapter 26) |
# | 3 | the inference side is pruning, quantisation, distillation and compilers | incomplete | gains in serving are missing: batching, caching, paging of the KV cache, concurrency, pre- and post-processing. For LLM services these are often the larger ones (chapters 45 and 48) |
# | 4 | quantisation turns weights and activations into integers and lowers compute and storage | depends | file 4.0 times smaller; speed, one image: 2.2 times on the wide network, 1.1 times after pruning; 64 images: 3.5 and 2.0 times |
# | 5 | local deployment, for privacy or low latency, is a third kind beside cloud and edge | overlapping | on-premise, on-device and edge overlap. Choose by where the data, the compute and the failures are |
# | 6 | in the cloud one can rely on distributed compute and strong hardware | depends | cost is the limit there: 1.20 USD an hour, 200 inferences/s, 60 % busy are 2.78 USD a million |
# | 7 | optimisation and deployment improve each other iteratively | holds | with a stop rule: end when the target is met, or no knob promises more than the noise |
# | 8 | TensorFlow Serving and ONNX Runtime are tools that automate compilation and deployment | wrong label | the first is a model server, the second an inference engine. Automation is CI/CD, Olive (a search over optimisations of ONNX models), Triton's Model Analyzer (a search over server settings) |
# | 9 | (how much quality may be lost is not said) | missing | MLPerf Inference v0.5: ResNet must keep 99 % of 76.46 %, MobileNet 98 % of 71.68 %. For your own product a paired test: of 540 samples 9 lost and 4 gained are p = 0.27, not significant; yet the true drop may be up to 2.0 points (one-sided, 95 %), so 540 do not settle it |
#
# Rows 4, 6 and 9, computed:

# %%
from utils.delivery.desk import RECORDED
from utils.delivery.tradeoff import mcnemar_p, noninferiority_bound, usd_per_million

for batch, (wide, wide8, pruned_fp32, pruned8, _) in RECORDED.items():
    print(f"row 4: batch {batch:2}: INT8 is {wide.p50_ms / wide8.p50_ms:.1f} times faster wide, {pruned_fp32.p50_ms / pruned8.p50_ms:.1f} times pruned; file {wide.bytes / wide8.bytes:.1f} times smaller")
print(f"row 6: {usd_per_million(1.20, 200, 0.6):.2f} USD a million")
print(f"row 9: ResNet at least {0.99 * 76.46:.2f} %, MobileNet {0.98 * 71.68:.2f} %; 9 lost, 4 gained: p = {mcnemar_p(9, 4):.2f}", end=", ")
print(f"drop at most {noninferiority_bound(np.arange(540) >= 4, np.arange(540) < 531):.1%} (one-sided, 95 %)")

# %% [markdown]
# ## Explain it
#
# A colleague writes: "The model is now INT8 and pruned. On my laptop it is 5 times faster, and on 500 images the accuracy went from 97.6 to 97.0 %, which is not significant. Let us ship it to the phones tonight." Answer in six sentences.
#
# A good answer names:
# 1. that the whole request counts, and what the other stages leave of the factor 5;
# 2. that it has to be measured on the phones, with a warm-up and percentiles, against the target;
# 3. why "not significant" on 500 images is not "equal", and what to look at instead;
# 4. slices;
# 5. a roll-out in steps, monitoring, and the way back.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Before we talk about 5 times, let us profile the whole request: if the model takes half of it, a factor of 5 is 1.7 in all.
# A laptop is not a phone: INT8 and small networks gain or lose by the kernels of the device, so we measure p95 there after a warm-up, against the written target.
# 0.6 points on 500 images are a net 3 images; that proves neither a loss nor equality, since 500 images can hide a loss of 2 points.
# Count the images that only one of the two has right, fix the allowance beforehand, and take a few thousand images, so that the bound of the drop is below it.
# Look at the loss in each slice too, say dim light or a rare digit, where a small average hides a large loss.
# Then one per cent of the phones as a canary, with latency and quality monitored, and the old model still on the device to switch back.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("41")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | service-level objective | 服务等级目标 | one limit of a target, such as a p95 latency |
# | bottleneck | 瓶颈 | stage with the largest share of the time |
# | profiling | 性能剖析 | measuring where the time goes |
# | Amdahl's law | 阿姆达尔定律 | limit of what accelerating one part can bring |
# | variant | 模型变体 | one optimised form of a model |
# | Pareto front | 帕累托前沿 | the variants that no other dominates |
# | tail latency | 尾延迟 | high percentiles, such as p95 and p99 |
# | paired test | 配对检验 | comparison on the same samples, by those that differ |
# | significant | 显著 | p below a level that was fixed before |
# | release gate | 发布门禁 | automatic rule that accepts or refuses a candidate |
# | slice | 数据切片 | part of the samples that is judged on its own |
# | shadow / canary | 影子发布 / 灰度发布 | silent release beside the old model / release to a small share |
# | cost per million | 百万次推理成本 | price of a million inferences, idle time included |

# %% [markdown]
# ## Sources
#
# - G. M. Amdahl, *Validity of the single processor approach to achieving large scale computing capabilities*, AFIPS 1967.
# - Q. McNemar, *Note on the sampling error of the difference between correlated proportions or percentages*, Psychometrika 1947.
# - R. J. Connor, *Sample size for testing differences in proportions for the paired-sample design*, Biometrics 1987.
# - V. J. Reddi et al., *MLPerf Inference Benchmark*, ISCA 2020 (arXiv:1911.02549); mlcommons/inference_policies, `submission_checklist.md` of v0.5: accuracy targets.
# - ONNX Runtime, *Quantize ONNX models*, FAQ "Why am I not seeing performance improvements?".
# - Documentation of microsoft/Olive, of triton-inference-server/model_analyzer, and of TensorFlow Serving.
# - J. Dean and L. A. Barroso, *The Tail at Scale*, CACM 2013.
