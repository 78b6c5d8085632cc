# %% [markdown]
# # 14 · What are the core metrics of an edge deployment?
# **端侧部署时整个解决方案的核心指标？**
#
# A camera box is ready to ship. Somebody asks: is it good enough? The answer is a handful of measured numbers, and each of them has a trap.
# Differences in accuracy that are noise. A latency without its tail. A file size that is taken for memory. Watts that are taken for energy. A two-second benchmark that never gets warm.
#
# About 70 minutes: 52 for the five exercises, the rest to read, measure and explain. It helps to know chapters 03 (FP32, FP16 and INT8), 05 (what occupies memory), 07 (what makes inference fast or slow) and 48 (latency and throughput).

# %% setup
import math
from statistics import NormalDist

import numpy as np

# %% [markdown]
# ## The short answer
#
# > **Accuracy** on data from where the device will stand, with a confidence interval. Two models are compared on the same images, by the images on which they disagree.
# > **Latency** end to end, from the sensor to the result, at p50 and p99: 50 and 99 % of the frames take no longer. For video also the frame rate that the device sustains.
# > **Memory**: peak RAM (weights, activations and the runtime) and storage. They are different numbers.
# > **Power**, and **energy per inference**. A fast chip at high power can use less energy, because it goes back to sleep sooner.
# >
# > Beyond these four: start-up time, cost per unit, thermal behaviour over minutes, and accuracy after months in the field.
# >
# > They trade against each other. I filter by the hard limits, look at the Pareto front (the candidates that no other beats in everything), and choose by the objective of the product.
# > MLPerf Tiny, the benchmark for microcontrollers, standardises three of them: accuracy, latency, energy.

# %% [markdown]
# ## How it works
#
# ### Accuracy is a measurement
#
# A network reads digits. It has 950 of 1,000 test images right: 95 %. How many would it have right on all the images of the world?

# %%
from utils.cost.edge_metrics import wilson_interval

for correct, total in ((95, 100), (950, 1000), (9500, 10_000)):
    low, high = wilson_interval(correct, total)
    print(f"{correct:5,} of {total:6,}: 95 %, and the truth lies between {low:.1%} and {high:.1%}")

# %% [markdown]
# The same 95 % may be 89 % or 98 % in truth if only 100 images were tested. An accuracy without its number of images says little.
#
# The range is a **confidence interval**: a rule that catches the truth in 95 % of all such tests.
# This one is Wilson's. If the true share is *q*, the measured share *p* of *n* images varies with the standard deviation sqrt(q(1 − q)/n).
# The interval holds every *q* that lies within z = 1.96 such deviations of *p*. Solved for *q*, its ends are
#
# $$\frac{1}{1 + z^2/n}\left(p + \frac{z^2}{2n} \pm z\sqrt{\frac{p(1-p)}{n} + \frac{z^2}{4n^2}}\right)$$
#
# ### Two models, the same images
#
# A small CNN was trained at full width and at half width, with half of the channels. Both saw the same 497 test images (a recorded result; you will repeat it below).

# %%
from utils.cost.edge_metrics import mcnemar_p, wilson_interval

for name, correct in (("full width", 489), ("half width", 478)):
    low, high = wilson_interval(correct, 497)
    print(f"{name}: {correct} of 497, {low:.1%} to {high:.1%}")
print(f"only the full one is right on 12 images, only the half one on 1: p = {mcnemar_p(12, 1):.4f}")

# %% [markdown]
# The intervals overlap. Yet the difference is real, because the two measurements are **paired**: same images.
# On 477 images both are right and on 7 both are wrong. Those can't tell them apart. Only the 13 on which they disagree can.
#
# If the two were equally good, each of the 13 would go to one of them like the throw of a coin. 12 to 1, or something more lopsided, comes up in 0.3 % of such throws.
# This probability is the **p-value** of the **McNemar test**. It counts both sides, since either model might have won.

# %%
from utils.cost.edge_metrics import mcnemar_p

for a, b in ((18, 9), (30, 10), (1, 0)):
    print(f"only A right: {a:2}, only B right: {b:2}, p = {mcnemar_p(a, b):.4f}")

# %% [markdown]
# 18 against 9 looks like twice as good, and happens by chance in 12 % of the cases. By custom a p below 5 % is called **significant**.
#
# ### Latency: from the sensor to the result
#
# One frame of a camera passes several steps. The network is only one of them (an example).
# NMS, non-maximum suppression, keeps the best of boxes that overlap:

# %%
steps_ms = {"capture": 4, "decode": 3, "resize": 2, "network": 12, "boxes and NMS": 5}
print(f"network {steps_ms['network']} ms, end to end {sum(steps_ms.values())} ms")

# %% [markdown]
# A vendor's figure is mostly the network alone. MLPerf Tiny also leaves pre- and post-processing untimed, so its numbers compare chips and do not describe a product.
#
# A mean hides the slow frames. Give p50 and p99, as in chapter 48, and for video the share of frames that come after their **deadline**, the latest moment at which they are useful.
# Here are simulated latencies: 26 ms and some jitter, and 2 % of the frames meet another task.

# %%
from utils.cost.edge_metrics import deadline_miss_rate
from utils.cost.latency import percentile

rng = np.random.default_rng(0)
frames_ms = 26 + rng.exponential(1.5, 5000) + np.where(rng.random(5000) < 0.02, 30, 0)
print(f"mean {frames_ms.mean():.1f} ms, p50 {percentile(frames_ms, 50):.1f} ms, p99 {percentile(frames_ms, 99):.1f} ms")
print(f"later than 33.3 ms, the period at 30 fps: {deadline_miss_rate(frames_ms, 33.3):.1%} of the frames")

# %% [markdown]
# And the first inference after power-on, the **cold start**, is slower than all that follow: memory is allocated, weights are read from storage. Report it on its own.
#
# ### Memory: at least two numbers
#
# - **Storage** (flash): the file of the model, the runtime, the program.
# - **Peak RAM**: weights that were loaded, the **arena** in which the activations of neighbouring layers live, and the runtime itself.
#
# The file of our full-width CNN has 607 kB in FP32. Its activations, for one image, are much smaller:

# %%
print(f"outputs of the two convolutions: 8 · 8 · (32 + 64) values of 4 bytes = {8 * 8 * 96 * 4:,} bytes")

# %% [markdown]
# A microcontroller can read the weights from flash as it computes. Then its RAM holds little more than these 25 kB, less than the file.
# On Linux the process that ran this file peaked at 60 MB when it was recorded, a hundred times the file. 48 MB of it are Python and ONNX Runtime without any model.
# So the file size bounds the RAM neither from below nor from above.
#
# The third memory metric is bandwidth, the bytes moved per second. It mostly shows up as latency and energy; chapter 44 is about it.
#
# ### Power is not energy
#
# A **watt** is a joule per second. The battery and the electricity bill count joules; the power supply and the heat sink feel watts.
#
# A device draws 6 W for 40 ms while it computes a frame, and 1.5 W while it idles. It runs 5 frames per second, so a period has 200 ms.

# %%
from utils.cost.edge_metrics import average_power_w, battery_hours, energy_per_inference_mj

e = energy_per_inference_mj(active_w=6, latency_ms=40, idle_w=1.5, period_ms=200)
print(f"while computing: 6 W × 40 ms = {e.active_mj} mJ")
print(f"in the whole period: {e.total_mj:.0f} mJ, of which the frame costs {e.marginal_mj:.0f} mJ on top of idling")
mean_w = average_power_w(6, 1.5, 40, 5)
print(f"mean power: {mean_w} W; 10 Wh last {battery_hours(10, mean_w, usable=1.0):.2f} h")
print(f"if only 90 % of them can be used: {battery_hours(10, mean_w, usable=0.9):.2f} h")

# %% [markdown]
# One watt for one millisecond is one millijoule, so no factor is needed. 40 ms of 200 ms are a **duty cycle** of 20 %: the share of time in which the device computes.
# 300 of the 480 mJ would be drawn without any frame. A better network can't save those.
#
# Now two chips. The sprinter needs 10 W for 20 ms, the walker 4 W for 60 ms. Which one is more economical at 10 fps, over an idle floor of 1 W?

# %%
from utils.widgets.ch14_edge_metrics import race

race()

# %% [markdown]
# They are even: (10 − 1) · 20 = (4 − 1) · 60. The blue area is narrow and tall, the orange one wide and flat.
# With a lower idle floor the sprinter wins: at 0.5 W it takes 240 mJ a frame, the walker 260. To finish fast and then sleep is called **race to idle**.
#
# The same with measured chips. In MLPerf Tiny v1.1 two boards with Cortex-M processors ran one person-detection network (MobileNet) with the same software:

# %%
print("board                     frames/s   energy a frame   mean power while running")
for board, per_s, microjoules in (("NUCLEO-L4R5ZI (M4)", 4.446, 16_536), ("NUCLEO-H7A3ZI (M7)", 19.838, 7_811)):
    print(f"{board:22}  {per_s:9.1f}   {microjoules / 1e3:11.1f} mJ   {per_s * microjoules / 1e3:19.0f} mW")

# %% [markdown]
# The faster board draws twice the power and takes less than half of the energy. (The last column is the product of the first two. It assumes that speed and energy were measured at the same clock.)
#
# ### Where the energy goes
#
# At the level of circuits (45 nm, Horowitz 2014) a multiplication takes 3.7 pJ in FP32 and 0.2 pJ in INT8, an addition 0.9 and 0.03 pJ. Reading 32 bits from DRAM takes about 640 pJ.
# MobileNetV1 has 4.2 million weights and 569 million multiply-accumulates (MACs): a multiplication and an addition each. A first-order model:

# %%
from utils.cost.edge_metrics import operation_energy_mj

macs, weights = 568.74e6, 4.23e6
for name, bits in (("FP32", 32), ("INT8", 8)):
    arithmetic = operation_energy_mj(macs, bits, 0)
    memory = operation_energy_mj(0, bits, weights * bits / 8)
    print(f"{name}: arithmetic {arithmetic:.3f} mJ, weights once from DRAM {memory:.2f} mJ (modelled)")

# %% [markdown]
# The arithmetic differs by a factor of 20: 4.6 against 0.23 pJ for a MAC. (Real INT8 units add up in 32 bits, at 0.1 pJ. That makes 0.3 pJ for a MAC, and a factor of 15.)
# The weights from DRAM differ by 4, as their bytes do. In FP32 both parts are about equal; in INT8 the weights take five times as much as the arithmetic (0.68 against 0.13 mJ).
# A real device adds instructions, caches and leakage: it takes many times as much. The model orders designs, and predicts none.
#
# ### Heat takes minutes
#
# Every watt ends as heat. A device at constant power settles at ambient + power × R, where R is its **thermal resistance** in kelvins per watt.
# It gets there slowly: the gap to the final temperature shrinks by a factor of e = 2.718 in each **time constant** τ.
#
# Our box has R = 5 K/W, τ = 120 s and stands in 25 °C. At 85 °C it lowers its clocks: **thermal throttling**.

# %%
from utils.widgets.ch14_edge_metrics import heat

heat()

# %% [markdown]
# 15 W would settle at 100 °C, and reach the limit after 193 s. A benchmark of ten seconds sees nothing of it. 12 W can be sustained forever, here: at 45 °C ambient it is only 8 W.

# %%
from utils.cost.edge_metrics import ThermalModel, sustained_fps

for ambient in (25, 35, 45):
    box = ThermalModel(r_k_per_w=5, tau_s=120, ambient_c=ambient, limit_c=85)
    fps = sustained_fps(latency_ms=25, thermal=box, active_w=15, idle_w=3)
    print(f"{ambient} °C: {box.sustained_power_w():.0f} W sustained, and of 40 fps in the lab {fps:.1f} remain")

# %% [markdown]
# (The model lets the device rest between frames. Real chips lower clock and voltage instead, and lose fewer frames.)
#
# ### Choosing
#
# Four candidates. Which of them deserve a closer look?

# %%
from utils.cost.edge_metrics import pareto_front

four = [{"name": "A", "acc": 0.97, "ms": 20}, {"name": "B", "acc": 0.96, "ms": 25},
        {"name": "C", "acc": 0.95, "ms": 9}, {"name": "D", "acc": 0.97, "ms": 20}]
front = pareto_front(four, maximize=["acc"], minimize=["ms"])
print("on the front:", *(four[i]["name"] for i in front))

# %% [markdown]
# A **dominates** B: it is more accurate and faster. C is the least accurate and the fastest, so nothing dominates it. A and D are equal, and neither beats the other.
# What nobody dominates is the **Pareto front**.
#
# A front is not yet a decision. The order of a decision is:
#
# 1. Hard limits: whoever breaks one is out, however good the rest. For accuracy compare the *lower end* of the interval: a promise needs the pessimistic value.
# 2. The objective of the product: least energy, lowest price, shortest p99. Where it is not settled yet, look at the front of those that are left: it shows what each gain costs.
# 3. A rule for ties, so that the same data give the same choice.
#
# Other chapters have other release rules, on purpose: this one protects an absolute promise. Chapter 41 compares a candidate with the network in service, and so uses a paired test.

# %% [markdown]
# ## See it
#
# ![Left: accuracy against energy of a frame for 18 candidates at 20 frames per second. Two survive the limits: the fast NPU with INT8 at 77 mJ and the slow chip with INT8 at 120 mJ, both with 98.2 percent. Right: modelled temperature of the fast NPU over ten minutes, 48 degrees at 20 frames per second, close to the limit of 85 degrees without a pause.](figure.svg)
#
# Six networks on three devices, at 20 fps in 35 °C. The limits: accuracy 95 % (lower end of its interval), p99 60 ms, 128 MB of memory, 64 MB of storage, 4 W on average. Two of the 18 survive.
# The fast NPU (a neural processing unit, built for networks) of 6 W takes 77 mJ a frame, the slow chip of 2.5 W takes 120 mJ.
# At 20 fps the NPU draws 1.5 W on average. With R = 9 K/W and τ = 250 s it is at 48 °C after ten minutes.
#
# **Edge cockpit.** The networks are measured: digit CNNs of three widths in FP32 and INT8 (497 images). The three devices are invented, and so are their prices; heat is modelled. A camera frame has 2,000 windows to classify.
# Lower the accuracy limit from 95 to 94 %: now the half-width network passes. Set it back, raise the ambient and the frame rate, and watch when the choice throttles.

# %% figure
from utils.widgets.ch14_edge_metrics import cockpit

cockpit()

# %% [markdown]
# ## Exercises
#
# Results in floating point may differ from the exact value by rounding. In each exercise NumPy, `math` and `NormalDist` are there from the set-up cell.

# %% [markdown] about="frame_energy"
# What does one frame cost?
#
# - A device draws `active_w` watts while it computes a frame, and `idle_w` watts (0 or more, at most `active_w`) at all other times. A frame takes `latency_ms` milliseconds, and `fps` frames are computed per second. All arguments are numbers, `latency_ms` and `fps` are positive.
# - Return a dict with three numbers. `"avg_w"`: the mean power in watts. `"total_mj"`: all the energy that the device draws in one period, from the start of a frame to the start of the next, in millijoules. `"marginal_mj"`: what the frame costs on top of idling for as long, in millijoules.
# - Raise `ValueError` when the load exceeds 100 %: `fps` frames of `latency_ms` would need more than one second a second. Exactly 100 % is allowed. Such a load comes only with numbers like 25 ms at 40 fps, which multiply exactly.
#
# For example `frame_energy(6, 1.5, 40, 5)` → avg_w 2.4, total_mj 480, marginal_mj 180,
# and `frame_energy(10, 1, 20, 10)` → 2.8, 280, 180.

# %% exercise="frame_energy"
def frame_energy(active_w: float, idle_w: float, latency_ms: float, fps: float) -> dict:
    """Average power (W), and energy of one frame (mJ): all of it, and what it costs on top of idling."""
    ### BEGIN SOLUTION
    period_ms = 1000 / fps
    if latency_ms > period_ms:
        raise ValueError("a frame takes longer than its period")
    marginal_mj = (active_w - idle_w) * latency_ms
    total_mj = marginal_mj + idle_w * period_ms
    return {"avg_w": total_mj / period_ms, "total_mj": total_mj, "marginal_mj": marginal_mj}
    ### END SOLUTION

# %% check="frame_energy"
check("14.frame_energy", frame_energy)

# %% [markdown] about="is_better"
# Is classifier A better than B, or was it luck?
#
# - `pred_a`, `pred_b` and `y` are one-dimensional NumPy arrays of integer labels, of the same length: what A says, what B says, what is true.
# - Count the images that only A has right and those that only B has right. Let n be their sum and k the smaller of the two.
# - The p-value is min(1, 2·P(X ≤ k)), where X is the number of heads in n throws of a fair coin: P(X = i) = C(n, i) / 2ⁿ. Compute it exactly, with no approximation by a bell curve. For n = 0 it is 1.
# - Return a tuple: the p-value (a float), and `True` if A is significantly more accurate (p is below `alpha`, and A is the better one), otherwise `False`.
# - You need not expect a p-value that equals `alpha`. n is at most 100.
#
# For example with y = [0, 1, 2, 3, 4, 5], A saying [0, 1, 2, 3, 9, 9] and B saying [9, 9, 9, 3, 4, 9] only A is right on 3 images and only B on 1: `(0.625, False)`.
# With 18 and 9 such images the result is (0.1221, False), and with 30 and 10 it is (0.00222, True), however many both have right or wrong.

# %% exercise="is_better"
def is_better(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    """Exact two-sided McNemar p-value of two classifiers, and whether a is significantly more accurate than b."""
    ### BEGIN SOLUTION
    right_a, right_b = pred_a == y, pred_b == y
    only_a = int(np.sum(right_a & ~right_b))
    only_b = int(np.sum(right_b & ~right_a))
    n = only_a + only_b
    tail = sum(math.comb(n, i) for i in range(min(only_a, only_b) + 1)) / 2**n
    p = min(1.0, 2 * tail)
    return p, p < alpha and only_a > only_b
    ### END SOLUTION

# %% check="is_better"
check("14.is_better", is_better)

# %% [markdown] about="pareto"
# Find the points that no other point dominates.
#
# - `points` is a list of dicts, which may be empty. `maximize` and `minimize` are lists of keys, at least one key together, and no key is in both. Every point has a number for each of these keys. Other keys are ignored.
# - A point is *dominated* when another point is at least as good in every listed metric and better in at least one. In `maximize` larger is better, in `minimize` smaller.
# - Return the indices of the points that are not dominated, in ascending order, as a list of ints. Equal points do not dominate each other.
#
# For example four points with acc 0.97, 0.96, 0.95, 0.97 and ms 20, 25, 9, 20:
# with `["acc"]` to maximise and `["ms"]` to minimise → `[0, 2, 3]`; with `[]` and `["ms"]` → `[2]`.

# %% exercise="pareto"
def pareto(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    """Indices of the points that no other dominates, in input order; equal points are all kept."""
    ### BEGIN SOLUTION
    costs = [[-p[m] for m in maximize] + [p[m] for m in minimize] for p in points]

    def dominates(a: list, b: list) -> bool:
        return a != b and all(x <= y for x, y in zip(a, b))

    return [i for i, b in enumerate(costs) if not any(dominates(a, b) for a in costs)]
    ### END SOLUTION

# %% check="pareto"
check("14.pareto", pareto)

# %% [markdown] about="time_to_throttle"
# How long until a device reaches its temperature limit?
#
# - The device starts at `start_c` (°C; `None` means at the ambient temperature `ambient_c`). At a constant `power_w` it tends to `ambient_c` + `power_w` · `r_k_per_w`, and the gap to that temperature shrinks by a factor of e in each `tau_s` seconds.
# - `power_w` is 0 or more, `r_k_per_w` and `tau_s` are positive. Temperatures may be 0 or negative, and `start_c` may be warmer than where the device settles.
# - Return the seconds until it reaches `limit_c`. If it starts at the limit or above, return 0, whatever the power. If it never crosses the limit, return `math.inf`. Settling exactly *at* the limit is never crossing it.
# - 0.5 % of error is allowed, so you may also step through time, if you step finely.
#
# For example 15 W with R = 5 K/W, tau = 120 s, ambient 25 °C and limit 85 °C: `time_to_throttle(15, 5, 120, 25, 85)` → 193.13.
# From a start of 60 °C it takes 117.7 s. With 9 W it is `inf`.

# %% exercise="time_to_throttle"
def time_to_throttle(power_w: float, r_k_per_w: float, tau_s: float, ambient_c: float, limit_c: float,
                     start_c: float | None = None) -> float:
    """Seconds until the limit is reached at a constant power; inf if never, 0 if it starts there."""
    ### BEGIN SOLUTION
    start = ambient_c if start_c is None else start_c
    if start >= limit_c:
        return 0.0
    settles = ambient_c + power_w * r_k_per_w
    if settles <= limit_c:
        return math.inf
    return tau_s * math.log((settles - start) / (settles - limit_c))
    ### END SOLUTION

# %% check="time_to_throttle"
check("14.time_to_throttle", time_to_throttle)

# %% [markdown] about="ship_it"
# Decide which candidate ships.
#
# - Each of `cands` (a list, possibly empty) is a dict with the keys `name` (a string, different for each), `accuracy` (the fraction right, measured on `samples_n` images), `p99_ms`, `peak_mb`, `storage_mb`, `active_w`, `idle_w`, `latency_ms`, and perhaps others with numbers.
# - `limits` is a dict. `p99_ms`, `peak_mb`, `storage_mb` and `avg_w` are upper limits: a candidate passes when it is at most as large. `fps` is the required frame rate. `accuracy` is a lower limit.
# - `avg_w` limits the mean power at the required rate, as in exercise 1. A candidate whose load would exceed 100 % at that rate fails.
# - The *lower end* of the 95 % Wilson interval must be at least `limits["accuracy"]`. Use the formula from above with p = `accuracy`, n = `samples_n` and z = `NormalDist().inv_cdf(0.975)`.
# - Of the candidates that pass everything, return the name of the one with the *smallest* objective. `objective` is a key of the candidates, or `"energy_mj"`: the `total_mj` of exercise 1 at the required rate.
# - Where the objective is equal, the higher accuracy wins; where that is equal too, the name that comes first alphabetically. If nobody passes, return `None`.
# - An answer is run without the other exercises, so write the formulas of exercise 1 into this cell. You need not expect a power, an interval or a load that equals its limit, nor two energies that differ only by rounding.
#
# For example take `limits` p99_ms 50, peak_mb 64, storage_mb 8, avg_w 4, fps 10, accuracy 0.93, and two candidates with accuracy 0.95, p99_ms 40, peak_mb 50, storage_mb 5 and idle_w 1:
# the *walker* has active_w 4, latency_ms 60 and usd 15, the *sprinter* active_w 9, latency_ms 20 and usd 40.
# With `samples_n` = 1000 the objective `"energy_mj"` gives `"sprinter"` (260 against 280 mJ), and `"usd"` gives `"walker"`. With `samples_n` = 100 it is `None`.

# %% exercise="ship_it"
def ship_it(cands: list[dict], limits: dict, objective: str, samples_n: int) -> str | None:
    """Name of the candidate to ship: within all hard limits, with the smallest objective; None if nobody is."""
    ### BEGIN SOLUTION
    fps, n = limits["fps"], samples_n
    z = NormalDist().inv_cdf(0.975)

    def mean_power(c: dict) -> float:
        return c["idle_w"] + (c["active_w"] - c["idle_w"]) * c["latency_ms"] * fps / 1000

    def lower_end(p: float) -> float:
        half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (p + z**2 / (2 * n) - half) / (1 + z**2 / n)

    def passes(c: dict) -> bool:
        return (all(c[key] <= limits[key] for key in ("p99_ms", "peak_mb", "storage_mb"))
                and c["latency_ms"] * fps <= 1000 and mean_power(c) <= limits["avg_w"]
                and lower_end(c["accuracy"]) >= limits["accuracy"])

    def rank(c: dict) -> tuple:
        value = mean_power(c) / fps * 1000 if objective == "energy_mj" else c[objective]
        return value, -c["accuracy"], c["name"]

    left = [c for c in cands if passes(c)]
    return min(left, key=rank)["name"] if left else None
    ### END SOLUTION

# %% check="ship_it"
check("14.ship_it", ship_it)

# %% [markdown]
# ## Measure it
#
# Now a real report. The CNN is trained at full and half width for 4 epochs, exported to ONNX, and quantised to INT8. All of it takes a few seconds.
# ONNX Runtime runs each of them on one thread. Latency is that of 500 single images.
# Before you run it: which of the numbers will differ by a factor of four between FP32 and INT8?

# %% experiment
from utils.networks.edge_variants import fp32_variant, int8_variant, measure_variant, runtime_peak_mb
from utils.widgets.ch14_edge_metrics import report_table

variants = [fp32_variant("full"), int8_variant("full"), fp32_variant("half")]
report_table([measure_variant(v) for v in variants], runtime_peak_mb())

# %% [markdown]
# What to look for:
#
# - The INT8 file is about a quarter of the FP32 file. The peak memory hardly changes: almost all of it is Python and the runtime.
#   It is read in a process of its own. In this one it would be the peak of everything that ran before.
# - Compare p99 with p50. On a machine that runs other programs p99 can be many times p50. That is why a mean is not reported.
# - Whether INT8 is faster depends on the CPU and on the width. This table says so for your machine only.
# - The energy says where it comes from. *measured*: the counter of the CPU (RAPL), which Linux offers on bare machines to users with permission. *modelled*: MACs and bytes times the table of Horowitz. A model is not a measurement, so the word stays beside the number.
#
# Are the accuracies different? Count the images on which only one of two networks is right:

# %% experiment
from utils.networks.edge_variants import predictions
from utils.widgets.ch14_edge_metrics import paired_table

right = {}
for v in variants:
    predicted, labels = predictions(v)
    right[v.name] = predicted == labels
paired_table(right)

# %% [markdown]
# INT8 costs this network next to nothing. The half width costs something real. The three intervals above, read alone, do not show that.
#
# How much do 50 runs say about a tail? The same network, three runs of different length:

# %% experiment
from utils.networks.edge_variants import latency_runs
from utils.widgets.ch14_edge_metrics import tail_picture

tail_picture(latency_runs(variants[0], (50, 200, 1000)))

# %% [markdown]
# A p99 is uncertain too: the line is its 95 % interval, counted from the samples as in chapter 48.
# With 50 or 200 samples this interval has no upper end: all of them may lie below the true p99. (Exactly: with probability 0.99^50 = 61 % and 0.99^200 = 13 %.) 1,000 samples bound it from both sides.
#
# On a GPU the power can be sampled. Without one this cell measures nothing and says so; no later cell needs it.

# %% experiment
from utils.widgets.ch14_edge_metrics import gpu_energy

gpu_energy()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors. Its answer is a list of four words: accuracy, time, memory, power. Rows 6 and 7 are assumed so often that they are checked here as well.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | accuracy is a core metric | holds | with its uncertainty: 950 of 1,000 right are 93.5 to 96.2 %; 18 against 9 disagreements may be chance (p = 0.12), 30 against 10 are not (p = 0.002) |
# | 2 | time is a core metric | holds, too coarse | latency (p50, p99, cold start, missed deadlines) and throughput are different metrics, and both count end to end. MLPerf Tiny times the network alone |
# | 3 | memory is a core metric | holds, too coarse | storage, peak RAM and bandwidth are three metrics; a file of 0.6 MB ran in a process of 60 MB |
# | 4 | power is a core metric | holds, incomplete | energy per inference is power × time, idling included: 6 W for 40 ms at 5 fps over 1.5 W are 480 mJ a frame and 2.4 W on average |
# | 5 | there are exactly four core metrics | incomplete | storage, cost, start-up, sustained performance and drift decide as well; MLPerf Tiny has three: accuracy, latency, energy |
# | 6 | lower power means lower energy (assumed) | depends | 10 W × 20 ms and 4 W × 60 ms are even over an idle floor of 1 W; below it the faster chip wins |
# | 7 | benchmark figures hold in operation (assumed) | wrong | 15 W into 5 K/W from 25 °C reach 85 °C after 193 s; 12 W can be sustained |
#
# Most of these were computed above. Here are rows 6 and 7 once more, turned around:

# %%
from utils.cost.edge_metrics import ThermalModel, average_power_w

for idle in (0.25, 1.0, 2.0):
    sprinter, walker = average_power_w(10, idle, 20, 10), average_power_w(4, idle, 60, 10)
    print(f"row 6: idle {idle:4} W: sprinter {sprinter:.2f} W, walker {walker:.2f} W on average")
for resistance in (5, 4, 3):
    seconds = ThermalModel(resistance, 120, 25, 85).time_to_throttle_s(15)
    print(f"row 7: 15 W into {resistance} K/W:", f"limit after {seconds:.0f} s" if seconds < math.inf else "never at the limit")

# %% [markdown]
# ## Explain it
#
# A colleague reports on a new camera: "The INT8 model has 94.6 %, the FP32 model 95.0 %, on our 500 images, so quantisation costs accuracy. It runs in 12 ms, measured over 20 runs. The model needs 3 MB of memory. We took the 2.5 W chip, because it saves battery." Answer in five or six sentences.
#
# A good answer names:
# 1. what 500 images can tell about a difference of 2 of them, and which test to use;
# 2. what is missing in the latency (tail, number of runs, the other steps, warm-up and heat);
# 3. the difference between file size and peak memory;
# 4. why watts do not decide about the battery;
# 5. what you would measure next, and at which frame rate and temperature.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# 95.0 and 94.6 % of 500 are a difference of 2 images, and each share has an interval of about ± 2 points, so this shows nothing yet.
# Both models saw the same images: count those that only one of them has right, and run McNemar's exact test.
# 12 ms over 20 runs is no tail: I want p99 from a thousand runs or more, end to end with capture, resize and post-processing, and again after half an hour at 50 °C.
# 3 MB is the file; the peak RAM has the activations and the runtime in it, and is read in a process of its own.
# The battery counts joules: idle power and duty cycle belong to it, and a faster chip of 6 W may take less per frame because it sleeps sooner.
# So I would measure average power at the frame rate of the product for both chips, apply the hard limits, and then choose by energy per frame.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("14")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | edge device | 端侧设备 | runs the model near the sensor |
# | accuracy | 精度 | quality of the task, the share of right answers ("numeric precision" is 数值精度) |
# | latency | 耗时（延迟） | time per inference |
# | memory footprint | 内存占用 | peak RAM |
# | power, energy | 功耗 / 能耗 | watts / joules |
# | duty cycle | 占空比 | share of time in which the device computes |
# | thermal throttling | 热降频 | clocks drop at the temperature limit |
# | sustained performance | 持续性能 | what remains after heating up |
# | Pareto front | 帕累托前沿 | candidates that no other beats in all metrics |
# | confidence interval | 置信区间 | plausible range of the true value |
# | McNemar test | 麦克尼马尔检验 | paired comparison of two classifiers |
# | race to idle | 快速完成后休眠 | finish fast, sleep long |
# | deadline | 实时截止期 | latest moment at which a result is useful |
# | cold start | 冷启动 | first inference after power-on |

# %% [markdown]
# ## Sources
#
# - C. Banbury et al., *MLPerf Tiny Benchmark*, NeurIPS Datasets and Benchmarks 2021.
# - MLPerf Tiny Inference Rules v1.2 (mlcommons/tiny, `benchmark/MLPerfTiny_Rules.adoc`): quality targets of 80, 85 and 90 % top-1 and 0.85 AUC; pre- and post-processing is untimed.
# - MLPerf Tiny v1.1 results (mlcommons/tiny_results_v1.1, closed division, Krai, X-CUBE-AI 7.3.0): the two boards.
# - M. Horowitz, *Computing's Energy Problem (and What We Can Do About It)*, ISSCC 2014: energy of operations at 45 nm.
# - S. Han et al., *EIE: Efficient Inference Engine on Compressed Deep Neural Network*, ISCA 2016: 640 pJ for 32 bits from DRAM.
# - E. B. Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, JASA 1927.
# - Q. McNemar, *Note on the Sampling Error of the Difference Between Correlated Proportions*, Psychometrika 1947.
# - Linux kernel documentation, *Power Capping Framework* (powercap): the energy counters under `/sys/class/powercap`.
