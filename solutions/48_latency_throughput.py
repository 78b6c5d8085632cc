# %% [markdown]
# # 48 · What are latency and throughput in AI systems?
# **什么是AI领域的延迟和吞吐量？**
#
# A service objective reads "p99 below 50 ms at 200 requests per second". Most home-made benchmarks can't say whether it is met.
# They print a mean, they count the slow first calls, and they let a slow server set its own pace.
#
# About 110 minutes: 64 for the five exercises, the rest to read, measure and explain. It helps to know chapter 07 (what makes inference fast or slow).

# %% setup
import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

# %% [markdown]
# ## The short answer
#
# > Latency is the time that one request waits and is served. I report p50, p95 and p99, counted from when the request was *due*, not from when it was sent.
# > Throughput is the number of requests, or tokens, completed per second. It means something only with a latency objective beside it.
# >
# > Two laws link them. Little's law: requests in flight = rate × latency. And queueing: with random arrivals the latency explodes as the utilisation comes near 1.
# > A server that needs 10 ms and is 80 % busy has a mean latency of 30 ms and a p99 of more than 110 ms.
# >
# > Throughput is 1 / latency only for one request at a time. Batching and pipelining raise throughput while the single request gets slower, or no faster. A faster kernel improves both.
# >
# > For LLMs I split latency: time to first token (TTFT), and time per output token (TPOT). MLPerf, the industry's common benchmark suite, allows 450 ms and 40 ms at p99 for Llama 2 70B Interactive.

# %% [markdown]
# ## How it works
#
# ### One number hides the accident
#
# 1,000 requests. 999 of them take 1 ms, and one takes a second. How fast is this service?

# %%
from utils.cost.latency import percentile, summarize

latencies_ms = [1.0] * 999 + [1000.0]
s = summarize(latencies_ms)
print(f"mean {s.mean_ms:.1f} ms, p50 {s.p50_ms:.0f} ms, p99 {s.p99_ms:.0f} ms, p99.95 {percentile(latencies_ms, 99.95):,.0f} ms, max {s.max_ms:,.0f} ms")

# %% [markdown]
# The mean is 2 ms. Nobody waited 2 ms. Even p99 looks perfect: 1 request in 1,000 lies beyond it.
#
# The **99th percentile** (p99) is the latency that 99 % of the requests do not exceed. We take it by **nearest rank**: sort the n samples and take number ceil(99·n/100).
# It is always a latency that somebody waited for. HdrHistogram, a widely used library for recording latencies, counts this way. NumPy's default does not: it interpolates.
# (A third rule: MLPerf's load generator takes the sorted sample at index int(0.99·n), counted from 0. Where 0.99·n is whole, that is one sample further up.)

# %%
from utils.cost.latency import percentile

ten = np.arange(1, 11)
print("p90 of 1, 2, … 10 by nearest rank:", percentile(ten, 90))
print("                  NumPy's default:", np.percentile(ten, 90).round(2))
print("      NumPy with inverted_cdf    :", np.percentile(ten, 90, method="inverted_cdf"))

# %% [markdown]
# ### How many samples
#
# The first calls, the **warm-up**, are slow because memory is allocated, caches are filled and code is compiled: drop them before you count.
#
# A p99 from 100 samples is decided by one or two of them. Here are ten runs of 100 requests to one service. Its true p99 is 46.1 ms.

# %%
from utils.cost.latency import percentile, percentile_ci

rng = np.random.default_rng(0)
print("p99 of ten runs:", *(f"{percentile(rng.exponential(10, 100), 99):.0f}" for _ in range(10)), "ms\n")
for n in (100, 1_000, 10_000, 100_000):
    x = rng.exponential(10, n)  # a mean of 10 ms, so the true p99 is 10·ln(100) ms
    low, high = percentile_ci(x, 99)
    print(f"{n:7,} samples: p99 {percentile(x, 99):5.1f} ms, 95 % interval {low:5.1f} … {high:5.1f} ms")

# %% [markdown]
# The interval comes from counting alone: how many of n samples fall below the true p99 is a binomial number, whatever the distribution.
# With 100 samples there is no upper end (`inf`). All 100 lie below the true p99 with a probability of 0.99^100 = 37 %.
#
# MLPerf asks for more: the share of samples below the reported p99 must be 99 % ± 0.05 %, with 99 % confidence.
# The share of n samples has the standard deviation sqrt(p(1 − p)/n). Setting z of these equal to the margin gives
#
# $$n = \frac{z^2 \, p\,(1-p)}{\text{margin}^2}, \qquad z \approx 2.5758 \text{ for } 99\,\%$$

# %%
from utils.cost.latency import mlperf_round, samples_for_percentile

for p in (0.90, 0.95, 0.97, 0.99):
    n = samples_for_percentile(p)
    print(f"p{100 * p:.0f} ± {(1 - p) / 20:.2%}: {n:8,} queries, in MLPerf's table {mlperf_round(n):8,}")

# %% [markdown]
# This is the table of the MLPerf Inference rules v0.5. Its last column is rounded up to multiples of 8,192.
#
# ### Waiting
#
# This course mirrors an interview document, its *source*. The source splits latency into network and processing.
# The largest part of a busy service is missing there: **queueing delay**, the wait before service.
#
# Three requests come at 0, 0.1 and 0.2 s. They need 0.5, 0.1 and 0.1 s. One server takes them in the order in which they come.

# %%
from utils.widgets.ch48_latency_throughput import three_requests

three_requests()

# %% [markdown]
# All three take 0.5 s. A request starts when it has come *and* the one before has ended. That is the whole rule, and you will write it in exercise 2.
#
# Now 200,000 requests. They come at random (Poisson arrivals: independent of each other), and the server needs exactly 10 ms for each. (All of this is simulated.)
# **Utilisation** is the busy share of the server: rate × service time.

# %%
from utils.cost.latency import percentile
from utils.serving.queueing import fifo_latencies, poisson_arrivals

service = np.full(200_000, 0.010)
print("rate (1/s)  busy   mean (ms)   p99 (ms)")
for rate in (10, 50, 80, 90, 95):
    arrivals = poisson_arrivals(rate, len(service), np.random.default_rng(0))
    ms = 1e3 * fifo_latencies(arrivals, service)
    print(f"{rate:10}  {rate / 100:4.0%}  {ms.mean():9.1f}  {percentile(ms, 99):9.1f}")
evenly = 1e3 * fifo_latencies(np.arange(200_000) / 99, service)
print(f"one every 1/99 s, 99 % busy: mean {evenly.mean():.1f} ms, p99 {percentile(evenly, 99):.1f} ms")

# %% [markdown]
# At 80 % a service of 10 ms has become 30 ms, and its p99 is above 110 ms. From 90 to 95 % it doubles again.
# The last line has the same server at 99 %, without any queue. The arrivals are scheduled there, and nobody comes early.
# So it is randomness that costs, and the more so the less slack there is.
#
# How random the *services* are counts too. Let the squared coefficient of variation (scv) be variance / mean²: 0 for constant, 1 for exponential times.
# The mean wait is (Pollaczek and Khinchine), with S the mean service time and ρ the utilisation,
#
# $$W = S \cdot \frac{\rho}{1-\rho} \cdot \frac{1 + \text{scv}}{2}$$
#
# Queues have short names: arrivals / service / number of servers. In M/D/1 the arrivals are random (M for Markov), the service is constant (D for deterministic), and there is 1 server.
# In M/M/1 the service times are random too: they are exponential.

# %%
from utils.cost.latency import percentile
from utils.serving.queueing import fifo_latencies, mg1_wait_s, poisson_arrivals, service_times

arrivals = poisson_arrivals(80, 200_000, np.random.default_rng(1))
for scv, name in ((0, "constant (M/D/1)"), (1, "exponential (M/M/1)"), (4, "1 % slow requests")):
    s = service_times(0.010, scv, 200_000, np.random.default_rng(2))
    ms = 1e3 * fifo_latencies(arrivals, s)
    print(f"{name:20} formula {1e3 * (mg1_wait_s(80, 0.010, scv) + 0.010):5.0f} ms, simulated {ms.mean():5.1f} ms, p99 {percentile(ms, 99):4.0f} ms")

# %% [markdown]
# In the last row 99 % of the requests need 8 ms, and 1 % need 209 ms.
# The mean service is the same 10 ms, and the mean latency is more than three times that of the first row: everyone waits behind the slow ones.
#
# ### Little's law
#
# Count the requests in the system, and average over time. For any queue that starts and ends empty, without any assumption:
#
# $$\text{in flight} = \text{rate} \times \text{latency}$$

# %%
from utils.serving.queueing import fifo_latencies, mean_in_flight, poisson_arrivals, service_times

arrivals = poisson_arrivals(80, 200_000, np.random.default_rng(1))
ms = 1e3 * fifo_latencies(arrivals, service_times(0.010, 4, 200_000, np.random.default_rng(2)))  # "1 % slow requests"
ends = arrivals + ms / 1e3
rate = len(arrivals) / (ends.max() - arrivals[0])
print(f"area under the count over time: {mean_in_flight(arrivals, ends):.3f} requests")
print(f"{rate:.2f} requests/s × {ms.mean():.2f} ms:      {rate * ms.mean() / 1e3:.3f} requests")

# %% [markdown]
# It makes a benchmark check itself: a tool that reports 100 requests/s, 50 ms and 20 clients in flight has made a mistake somewhere.
#
# ### Throughput is not 1 / latency
#
# It is, while one request follows the other. With a **batch**, a fixed cost is paid once for all. Let a batch of B cost 4 + 0.5·B ms:

# %%
print("  B   latency at least (ms)   requests/s   1 / latency")
for batch in (1, 4, 16, 32, 64):
    cost_ms = 4 + 0.5 * batch
    print(f"{batch:3}  {cost_ms:22.1f}  {batch / cost_ms * 1e3:11.0f}  {1e3 / cost_ms:12.0f}")

# %% [markdown]
# Throughput rises from 222 to 1,778 per second, and each request gets slower. This is the trade that people mean by "latency against throughput".
#
# A **pipeline** is another case. A video frame passes three stages of 30 ms each, which work on different frames at the same time:

# %%
from utils.cost.latency import pipeline_rate

for stages in ([30, 30, 30], [30, 30, 15], [90]):
    p = pipeline_rate(stages)
    print(f"stages {stages!s:13} ms: {p.throughput_per_s:4.1f} frames/s, latency {p.latency_ms} ms")

# %% [markdown]
# The slowest stage sets the frame rate. The latency is the sum. 33 frames/s and 90 ms are no contradiction.
#
# And a third case: there is no trade. Let the kernel need 20 % less time, at the same 80 requests/s:

# %%
from utils.serving.queueing import md1_time_s

for ms_each in (10, 8):
    print(f"service {ms_each:2} ms: capacity {1000 / ms_each:.0f}/s, mean latency at 80/s {1e3 * md1_time_s(80, ms_each / 1e3):.1f} ms")

# %% [markdown]
# Capacity rises by 25 %, and the mean latency falls from 30 to 15 ms. Both improve.
#
# ### Throughput needs an objective
#
# What is the throughput of this 10 ms server? "100 per second" is true, and useless: at 100 per second the queue never ends.
# So state a **service-level objective** (SLO), say p99 ≤ 50 ms. A contract that promises one is a service-level agreement (SLA).
# The largest rate of random arrivals that meets the SLO is the **goodput**. MLPerf's Server scenario reports exactly that. (Simulated here.)

# %%
from utils.cost.latency import percentile
from utils.serving.queueing import fifo_latencies, max_rate_under_slo, poisson_arrivals


def p99_ms(rate: float, seed: int = 0) -> float:
    arrivals = poisson_arrivals(rate, 40_000, np.random.default_rng(seed))
    return 1e3 * percentile(fifo_latencies(arrivals, np.full(40_000, 0.010)), 99)


for slo_ms in (20, 50, 100, 200):
    best = max_rate_under_slo(p99_ms, slo_ms, 1, 99, tol=0.5)
    print(f"p99 ≤ {slo_ms:3} ms: {best:.0f} requests/s")

# %% [markdown]
# ### The benchmark that looks away
#
# A client should send 100 requests per second. It sends one, waits for the answer, then sends the next. The server needs 1 ms, but once it stalls for a second.
# During that second the client sends nothing, so 99 requests that would have waited are never measured.
# This is **coordinated omission**: the load generator stops when the server does.

# %%
from utils.widgets.ch48_latency_throughput import stall

stall()

# %% [markdown]
# Both pictures show the same run: 1,000 requests in 10 s. On the left the clock starts when a request was sent, on the right when it was *due*. p99 is 1 ms or 910 ms.
# (In a longer run with one stall p99 on the right would be lower: the stall would hit a smaller share of the requests.)
#
# - In a **closed loop** each client waits for its answer. Arrivals depend on the server. Such a test can never overload it.
# - In an **open loop** the send times are fixed beforehand. Users behave like this: they don't know that others are waiting.
#
# If only closed-loop samples are left, HdrHistogram's correction estimates what is missing. For a sample of 35 ms at one request every 10 ms,
# the request due at 10 ms would have waited 25 ms, and the one due at 20 ms 15 ms. The one due at 30 ms is the client's own next request, sent at 35 ms:

# %%
from utils.cost.latency import hdr_backfill, percentile

print("[1, 35] at 10 ms becomes", hdr_backfill([1, 35], 10).tolist())
corrected = hdr_backfill([1.0] * 999 + [1000.0], 10)
print(f"999 × 1 ms and the stall become {len(corrected):,} samples, p99 {percentile(corrected, 99):.0f} ms")

# %% [markdown]
# 900 ms is an estimate of the 910 ms above. It ignores the requests that wait behind the stall while the backlog is worked off.
# Never correct samples that are timed from their schedule: that would count the waits twice.
#
# ### The tail gets worse when you fan out
#
# A search asks 100 shards and needs all their answers. Each is slow in 1 % of the cases, independently of the others.

# %%
from utils.cost.latency import fanout_tail

for shards in (1, 10, 100):
    print(f"{shards:3} shards: {fanout_tail(0.01, shards):.1%} of the requests meet a slow one")

# %% [markdown]
# One server's p99 is the typical case of 100 servers.
#
# ### Tokens
#
# An LLM answers in pieces. Prefill reads the prompt and yields the first token: **TTFT**. Then the tokens follow one by one.
# **TPOT** is their mean time in one request: the time from the first of n tokens to the last, divided by n − 1. **ITL** (inter-token latency) is each single gap, so its p99 shows a stutter that the mean hides. (Some tools call the mean ITL too.)
# 1,000 prompt tokens at 5,000 tokens/s, and 201 tokens of answer at 40 ms:

# %%
from utils.cost.latency import llm_latency, tpot_from_timestamps

a = llm_latency(1000, 201, 5000, 40)
print(f"TTFT {a.ttft_ms:.0f} ms, TPOT {a.tpot_ms} ms, total {a.total_ms:,.0f} ms, {a.tokens_per_s:.1f} tokens/s for this user")
times_ms = [200, 230, 300, 320]  # when four tokens came
print("four tokens: TPOT", tpot_from_timestamps(times_ms), "ms, ITL", *np.diff(times_ms), "ms")
print(f"64 users at this speed: {64 * a.tokens_per_s:,.0f} tokens/s for the system")

# %% [markdown]
# MLPerf Inference v5.0 bounds both at p99: 450 ms and 40 ms for Llama 2 70B Interactive, 6 s and 175 ms for Llama 3.1 405B.
# Always say whether tokens/s are those of a user or of the system.

# %% [markdown]
# ## See it
#
# ![Left: histogram of simulated latencies at 80 requests per second to one server of constant 10 ms, with p50 at 23 ms, p95 at 76 ms and p99 at 112 ms. Right: p99 against utilisation, rising gently up to 60 percent and steeply above 80 percent, below the curve of M/M/1.](figure.svg)
#
# The picture shows 80 requests/s to one server of constant 10 ms, simulated: it is 80 % busy, p50 is 23 ms, p95 76 ms and p99 112 ms. On the right the same p99 is 20 ms at 10 % and above 400 ms at 95 %.
#
# **Hockey stick.** Set a rate, a service time, its variability and the number of servers. Then tick "measure in a closed loop" and watch the tail vanish from the report, at the same load.
# The same load means: the same requests fall due at the same times, and each server has one client. A client that still waits for an answer sends its next request late, and starts the clock only then.

# %% figure
from utils.widgets.ch48_latency_throughput import hockey_stick

hockey_stick()

# %% [markdown]
# ## Exercises
#
# Floating-point results may differ from the exact value by rounding (a relative 1e-9). Lists hold numbers, whole or not.

# %% [markdown] about="summarise_latency"
# Summarise measured latencies.
#
# - `samples_ms` is a list of latencies in ms, in the order in which they were measured. `warmup` is a whole number, 0 or more.
# - Drop the first `warmup` samples. If nothing is left, raise `ValueError`.
# - Return a dict with the keys `"p50"`, `"p90"`, `"p99"`, `"mean"` and `"max"` of the n samples that are left.
# - The q-th percentile is by nearest rank: the ceil(q·n/100)-th smallest sample.
# - Leave `samples_ms` unchanged.
#
# For example the samples 1, 2, … 10 with `warmup` 0 give p50 5, p90 9, p99 10, mean 5.5, max 10.
# And `summarise_latency([250, 40, 9, 10, 11, 8, 12], 2)` gives p50 10, p90 12, p99 12, mean 10, max 12.

# %% exercise="summarise_latency"
def summarise_latency(samples_ms: list[float], warmup: int) -> dict:
    """Nearest-rank p50, p90, p99, mean and max of the samples after the first `warmup`, in the order measured."""
    ### BEGIN SOLUTION
    ordered = sorted(samples_ms[warmup:])
    n = len(ordered)
    if n == 0:
        raise ValueError("no samples are left after the warm-up")
    summary = {f"p{q}": ordered[math.ceil(q * n / 100) - 1] for q in (50, 90, 99)}
    return summary | {"mean": sum(ordered) / n, "max": ordered[-1]}
    ### END SOLUTION

# %% check="summarise_latency"
check("48.summarise_latency", summarise_latency)

# %% [markdown] about="fifo"
# Simulate a first-come-first-served queue with one server.
#
# - `arrivals` are the times at which the requests come, ascending; equal times are fine, and then the earlier in the list is served first. No time is negative.
# - `service[i]` is the time that request i needs, 0 or more, in the same unit. The server takes the requests in order, one at a time, and is idle at the start.
# - Return a list with the latency of each request, wait plus service, in the order of the arguments. Two empty lists give an empty list.
# - Raise `ValueError` when the arrivals are not sorted, or when the lists differ in length.
#
# For example `fifo([0, 0.1, 0.2], [0.5, 0.1, 0.1])` → `[0.5, 0.5, 0.5]` and `fifo([0, 1, 5], [2, 2, 1])` → `[2, 3, 1]`.

# %% exercise="fifo"
def fifo(arrivals: list[float], service: list[float]) -> list[float]:
    """Wait plus service of each request at one first-come-first-served server, in the order of the arguments."""
    ### BEGIN SOLUTION
    if len(arrivals) != len(service):
        raise ValueError("arrivals and service must have the same length")
    latencies, end, last = [], 0.0, 0.0
    for arrival, needs in zip(arrivals, service):
        if arrival < last:
            raise ValueError("arrivals must be sorted")
        last = arrival
        end = max(arrival, end) + needs
        latencies.append(end - arrival)
    return latencies
    ### END SOLUTION

# %% check="fifo"
check("48.fifo", fifo)

# %% [markdown] about="queries_needed"
# How many queries does a percentile need?
#
# - All three arguments are fractions: `percentile` 0.99 means p99; `margin` 0.0005 means that the share of queries below the reported value may be off by ± 0.05 %; `confidence` 0.99 means that this holds in 99 % of the experiments.
# - Use the normal approximation z²·p·(1 − p)/margin², where z is two-sided: the error 1 − `confidence` is split evenly between above and below.
# - Compute z with `NormalDist().inv_cdf(share)`: the value below which that share of a standard normal distribution lies. A rounded z such as 2.576 gives other integers.
# - Return the nearest integer. (Exact halves are not asked.)
# - Raise `ValueError` when an argument does not lie strictly between 0 and 1.
#
# For example `queries_needed(0.99, 0.0005, 0.99)` → 262742 and `queries_needed(0.9, 0.005, 0.99)` → 23886.

# %% exercise="queries_needed"
def queries_needed(percentile: float, margin: float, confidence: float) -> int:
    """Queries that a percentile needs, by the normal approximation; all three arguments are fractions."""
    ### BEGIN SOLUTION
    if not all(0 < value < 1 for value in (percentile, margin, confidence)):
        raise ValueError("all arguments must lie between 0 and 1")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return round(z**2 * percentile * (1 - percentile) / margin**2)
    ### END SOLUTION

# %% check="queries_needed"
check("48.queries_needed", queries_needed)

# %% [markdown] about="undo_omission"
# Put in the requests that a stall kept from being sent.
#
# - `samples_ms` are the latencies that a waiting client has measured, in ms. It should have sent one request every `interval_ms` (positive).
# - For every sample v above `interval_ms` add v − `interval_ms`, v − 2·`interval_ms`, … as long as the value is at least `interval_ms`.
# - Do not add a value below `interval_ms`: that request is not missing. With 35 ms at one request every 10 ms, the one due at 30 is the client's own next request, sent at 35.
# - Return a list with all the samples, duplicates included, and all the added values, in any order. Added values are not corrected again.
# - Leave `samples_ms` unchanged. It may be empty.
#
# For example `undo_omission([1, 35], 10)` → 1, 35, 25, 15 and `undo_omission([4, 4, 20], 10)` → 4, 4, 20, 10, in any order.
# The numbers are such that floats hold every step exactly.

# %% exercise="undo_omission"
def undo_omission(samples_ms: list[float], interval_ms: float) -> list[float]:
    """The samples with those that a stall kept from being sent, as a list in any order."""
    ### BEGIN SOLUTION
    filled = list(samples_ms)
    for v in samples_ms:
        missing = v - interval_ms
        while missing >= interval_ms:
            filled.append(missing)
            missing -= interval_ms
    return filled
    ### END SOLUTION

# %% check="undo_omission"
check("48.undo_omission", undo_omission)

# %% [markdown] about="capacity"
# Choose the batch size of a server with a latency objective.
#
# - `batch_cost_ms(b)` is a function: the time in ms that a batch of `b` requests takes. Ask it only for whole sizes from 1 to `max_batch`. The times are positive, but they need not grow with the size.
# - The server runs batches of one size B back to back. In the worst case a request has just missed a batch: it waits for that batch, and is then served in the next. Its latency is 2·`batch_cost_ms(B)`.
# - Assume that never more than B requests wait (no queue beyond one batch); random arrivals would wait longer.
# - A size meets the objective when this latency is at most `slo_ms`.
# - Of the sizes from 1 to `max_batch` (1 or more) that meet it, choose the one with the largest throughput, B requests in every `batch_cost_ms(B)`. Of equal throughputs choose the smaller size.
# - Throughputs that are equal on paper but differ by rounding are not asked: for the choice it makes no difference whether you divide by milliseconds or by seconds.
# - Return a tuple: the size, and its throughput in requests per *second*. If no size meets the objective, return `(0, 0.0)`.
#
# For example with a cost of 4 + 0.5·B ms, `max_batch` 64 and an objective of 40 ms: `(32, 1600.0)`.
# With costs of 10, 12, 20 and 18 ms for 1 to 4 requests and an objective of 36 ms: `(4, 222.2…)`.

# %% exercise="capacity"
def capacity(batch_cost_ms: Callable[[int], float], max_batch: int, slo_ms: float) -> tuple[int, float]:
    """The best batch size under a latency objective, and its throughput in requests per second."""
    ### BEGIN SOLUTION
    best = (0, 0.0)
    for batch in range(1, max_batch + 1):
        cost_ms = batch_cost_ms(batch)
        per_s = batch / cost_ms * 1000
        if 2 * cost_ms <= slo_ms and per_s > best[1]:
            best = (batch, per_s)
    return best
    ### END SOLUTION

# %% check="capacity"
check("48.capacity", capacity)

# %% [markdown]
# ## Measure it
#
# Now with a real network: eight fully connected layers of 1,024 × 1,024 in torch, on one thread. One worker thread is the server.
# The load generator first runs a closed loop with 1 client, which sends the next request as soon as the answer is there. Its rate is the capacity.
# Then it sends in an open loop, with Poisson arrivals, at 30, 60 and 85 % of it, 1.6 seconds each.
# Before you run it: where will p99 of the closed loop lie?

# %% experiment
from utils.serving.load_levels import mlp_server, run_load_levels
from utils.widgets.ch48_latency_throughput import level_picture, level_table

levels = run_load_levels(mlp_server(), shares=(0.3, 0.6, 0.85), seconds=1.6, seed=0)
level_table(levels)

# %% experiment
level_picture(levels)

# %% [markdown]
# What to look for:
#
# - p99 rises with the load, most of all towards 85 %.
# - The closed loop keeps the server busier than any of the other runs. Yet its p99 lies far below that of 85 %: nobody is ever seen waiting.
# - Dotted lines are the recursion of exercise 2, fed with the schedule and the measured service times. It explains nearly all of the latency. What is left is the machine: late wake-ups, a busy core.
# - The interval of p99 is wide. A question mark means that the run has too few samples to bound p99 from above. That is what a few seconds can tell.
# - The last column is Little's law: requests seen at 2,000 instants, and rate × latency.
#
# On a machine with other work the capacity moves while we measure, so a "60 %" may be 40 or 80, and a thread that slept may be woken late.
# That is why the busy share and the queue's own p99 are printed too. If two rows are out of order, compare these.
#
# Next, the batch. All sizes are timed in turns, and the fastest of 8 rounds counts:

# %% experiment
from utils.serving.load_levels import batch_sweep
from utils.widgets.ch48_latency_throughput import batch_table

sweep_ms = batch_sweep(rounds=8)
batch_table(sweep_ms)

# %% [markdown]
# A batch of 64 takes longer than a batch of 1, but nowhere near 64 times as long: the weights are read once for all. Throughput rises, and so does the latency of each request (with dents where other programs ran).
#
# So which batch size would you deploy, if a request may take 20 times as long as a single one? This is exercise 5, with measured costs:

# %% experiment
from utils.cost.latency import capacity as best_batch

measured = [sweep_ms.get(b, float("inf")) for b in range(1, 65)]  # sizes that were not measured are out
slo = 20 * sweep_ms[1]
batch, per_s = best_batch(lambda b: measured[b - 1], 64, slo)
print(f"objective {slo:.1f} ms: batch {batch}, {per_s:,.0f} requests/s; one at a time {1e3 / sweep_ms[1]:,.0f} requests/s")

# %% [markdown]
# Finally the most common mistake on a GPU. A kernel launch returns at once, and a clock that does not wait measures the launch.
# The cell times one forward pass with and without waiting. Without a GPU it measures nothing and prints one sentence that says so; no later cell needs its numbers.

# %% experiment
from utils.widgets.ch48_latency_throughput import gpu_sync

gpu_sync()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | latency is the time from input to output of one request, in ms | holds | but it is a distribution, not a number: 999 × 1 ms and 1 × 1 s have a mean of 2 ms, a p99 of 1 ms and a p99.95 of 1 s |
# | 2 | its kinds are network, processing and total | incomplete | waiting in a queue is missing, and under load it dominates: at 80 % busy 10 ms become 30 ms, and p99 is above 110 ms |
# | 3 | ping measures latency | depends | it measures the round trip of the network, not the application |
# | 4 | throughput is requests per unit of time | holds | with a latency objective beside it; MLPerf's Server scenario reports the largest Poisson rate that meets one |
# | 5 | throughput is also measured in bit/s or MB/s | depends | these are units of networks and disks; for AI use samples/s, frames/s, tokens/s |
# | 6 | a load test finds the largest capacity, a stress test the behaviour at the limit | holds roughly | only an open loop can go beyond the limit (overload): closed-loop clients slow down with the server |
# | 7 | low latency and high throughput must be balanced | depends | true for batching; a faster kernel improves both, and an idle server has a low latency and a low throughput |
# | 8 | low-latency systems have low utilisation | depends | true for random arrivals: M/D/1 waits 0.5 services at 50 % and 4.5 at 90 %; scheduled arrivals can run near 100 % without a queue |
# | 9 | video: latency per frame, throughput in frames/s | holds | and the two differ by pipelining: 3 × 30 ms are 33 frames/s and 90 ms |
# | 10 | NLP: throughput in sentences per second | dated | for LLMs: TTFT, TPOT, and tokens/s per user and per system |
#
# Rows 1, 2, 7 and 9 were computed above. Here is row 8:

# %%
from utils.serving.queueing import mg1_wait_s

for busy in (0.5, 0.8, 0.9, 0.95):
    print(f"row 8: {busy:.0%} busy: a constant service waits {mg1_wait_s(busy, 1.0, 0):.1f} times its length, an exponential one {mg1_wait_s(busy, 1.0, 1):.1f} times")

# %% [markdown]
# ## Explain it
#
# A colleague reports: "I ran 10 clients in a loop for a minute. 480 requests/s, mean 20.8 ms, p99 31 ms. So we can promise 50 ms at 450 requests/s." Answer in five or six sentences.
#
# A good answer names:
# 1. that this is a closed loop, and what it cannot see;
# 2. from which moment a latency must be counted;
# 3. what random arrivals do at the utilisation that the promise implies;
# 4. how the promise should be tested instead (arrivals, warm-up, number of samples);
# 5. Little's law as a check of the reported numbers.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Ten clients that wait for their answers are a closed loop: there are never more than 10 requests in the system, and during a stall nobody sends.
# The numbers agree with each other, since 480/s × 20.8 ms is 10 in flight, but that only confirms the loop.
# Users do not wait for each other, so a latency counts from when a request was due.
# 450/s is 94 % of the measured capacity. With random arrivals the queue is long there, and p99 is many times the service time.
# I would send Poisson arrivals at 450/s in an open loop, drop the warm-up, and take tens of thousands of samples, with an interval for p99.
# Then I would lower the rate until p99 stays below 50 ms, and promise that rate.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("48")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | latency | 延迟 | time one request takes: wait and service |
# | throughput | 吞吐量 | requests or tokens completed per second |
# | tail latency, p99 | 尾延迟 / 99分位 | latency that only the slowest 1 % exceed |
# | nearest rank | 最近秩 | the percentile is a sample: number ceil(q·n/100) |
# | queueing delay | 排队延迟 | waiting before service |
# | utilisation | 利用率 | busy share of the server |
# | Little's law | 利特尔法则 | in flight = rate × latency, L = λW |
# | open loop, closed loop | 开环 / 闭环 | arrivals independent of answers / tied to them |
# | coordinated omission | 协同遗漏 | stalls hidden because the load generator waits too |
# | SLO, SLA | 服务等级目标 / 协议 | the bound aimed at / the contract that promises one |
# | goodput | 有效吞吐 | throughput that meets the SLO |
# | TTFT | 首令牌时延 | time to first token |
# | TPOT | 每令牌时延 | time per output token, the mean of one request |
# | ITL | 令牌间时延 | inter-token latency: each gap between two tokens |
# | warm-up | 预热 | slow calls at the start: allocation, caches, compilation |

# %% [markdown]
# ## Sources
#
# - J. D. C. Little, *A Proof for the Queuing Formula L = λW*, Operations Research 9, 1961.
# - L. Kleinrock, *Queueing Systems I*, 1975: M/M/1, and the formula of Pollaczek and Khinchine.
# - J. Dean and L. A. Barroso, *The Tail at Scale*, CACM 2013.
# - G. Tene, README of wrk2 (giltene/wrk2): coordinated omission, latency from the planned time; HdrHistogram, `recordValueWithExpectedInterval`.
# - MLPerf Inference Rules v0.5 (mlcommons/inference_policies, `inference_rules.adoc`): scenarios, number of queries.
# - V. J. Reddi et al., *MLPerf Inference Benchmark*, ISCA 2020.
# - NVIDIA, on MLPerf Inference v5.0, April 2025: TTFT and TPOT of Llama 2 70B Interactive (450 ms, 40 ms) and Llama 3.1 405B (6 s, 175 ms).
