# %% [markdown]
# # 27 · What is an AI inference system?
# **AI 推理系统介绍**
#
# A trained network is a function. An inference *system* is that function under random arrivals, with a queue, replicas, deadlines and failures.
# The function takes 10 ms. Will the service answer within 100 ms at 95 requests per second? And what does it do at 110?
#
# About 120 minutes: 74 for the five exercises, the rest to read, measure and explain. It helps to know chapter 48 (latency and throughput) and chapter 21 (batching).

# %% setup
import heapq
import math
from collections import deque

import numpy as np

# %% [markdown]
# ## The short answer
#
# > An inference system turns models into long-running services. It manages versions and their life cycle, queues, batches and schedules requests, balances replicas,
# > and meets a latency objective under limits of memory, power and money. Only the forward pass runs, so precision and structure can be traded for speed.
# >
# > Utilisation is the key number. With random arrivals and service times the mean time in the system is s / (1 − ρ): going from 80 to 95 % busy makes it four times as long.
# > Replicas behind one line do better than replicas with a line each; Erlang's C says how likely a request waits.
# >
# > Above capacity a first-come-first-served queue drives goodput (the answers in time per second) to zero, because it works on requests whose users have left.
# > So I bound the queue, send deadlines along, and shed what can't be answered in time. Retries need a budget, a share of the traffic that they may not exceed, or the overload outlives its cause.
# >
# > I test with arrivals that do not wait for answers, and count latency from when a request was *due*.

# %% [markdown]
# ## How it works
#
# ### A function becomes a service
#
# Here is a real one, in this notebook: an HTTP server on this machine, with ONNX Runtime (a library that runs networks stored in the ONNX format) behind it.
# The network has ten fully connected layers of 1,024 × 1,024 with random weights, and one worker runs it.

# %%
from utils.serving.inference_service import InferenceService, stage_compute_model

model, x = stage_compute_model(), np.ones((1, 1024), np.float32)
with InferenceService({"net": model}) as service, service.client() as client:
    answer = client.predict("net", x)
    print("status", answer.status, "version", answer.version, "output", answer.output.shape, answer.output.dtype)
    print("no such model:", client.predict("other", x).status, "| wrong shape:", client.predict("net", x[:, :3]).status)
    for page in ("/healthz", "/readyz"):
        status, text = client.get(page)
        print(page, status, text.strip())
    print(*(line for line in client.get("/metrics")[1].splitlines() if line.startswith("inference_requests_total")), sep="\n")

# %% [markdown]
# `status` is an HTTP code: 200 for an answer, 404 for an unknown model, 400 for a request that does not fit. The server listens on 127.0.0.1, which only this machine can reach. It ends with its `with` block.
#
# What such a system owns, and a plain web server lacks:
#
# - **versions** of models, swapped while requests run
# - a **queue** in front of few, expensive workers, and rules for who waits, who is batched and who is refused
# - **readiness**: it takes requests only once its model is loaded and warm (a first run is slow, so the service makes one itself)
# - **measurements**: how many, how fast, how many refused (`/metrics`, in the text format that the monitoring system Prometheus reads)
#
# Compression (chapters 15 and 16) happens *before* serving.
#
# ### How busy may it be?
#
# **Utilisation** ρ is the busy share of a server: rate × service time. A service needs 10 ms on average, and both arrivals and service times are random.
# **Poisson arrivals** are independent of each other, and no moment is likelier than another. With exponential service times and one server, queueing theory calls this M/M/1. How long is a request in the system, wait and service together?

# %%
from utils.cost.latency import percentile
from utils.serving.queueing import fifo_latencies, mm1_time_s, poisson_arrivals

print("busy   formula (ms)   simulated (ms)   p99 (ms)")
for rate in (50, 80, 90, 95):
    rng = np.random.default_rng(1)
    arrivals, services = poisson_arrivals(rate, 200_000, rng), rng.exponential(0.010, 200_000)
    ms = 1e3 * fifo_latencies(arrivals, services)
    print(f"{rate} %   {1e3 * mm1_time_s(rate, 0.010):12.0f}   {ms.mean():14.1f}   {percentile(ms, 99):8.0f}")

# %% [markdown]
# The mean time is s / (1 − ρ), with s the mean service time. At 50 % a request takes 2 services, at 80 % it takes 5, at 95 % it takes 20.
# p99 is the **99th percentile**: the latency that 99 % of the requests do not exceed. It is more than four times the mean here.
# A **service-level objective** (SLO) is a bound for such a percentile, such as "p99 within 100 ms".
#
# How random the services are counts too. The mean wait grows with 1 + scv, where scv is the variance of the service time over its mean squared. Constant services (scv 0) wait half as long as exponential ones (scv 1).
#
# So the answer to the question at the top is no. At 95 requests per second and 10 ms the mean alone is 200 ms, and still 105 ms where every service takes exactly 10 ms.
#
# ### Replicas: one line or many
#
# A **replica** is an identical copy of the service. Four of them, each 80 % busy, and a request takes 20 ms on average. (Simulated.) Does it matter how requests are handed out?

# %%
from utils.cost.latency import percentile
from utils.serving.queueing import poisson_arrivals, simulate_fifo, simulate_split

rng = np.random.default_rng(3)
arrivals, services = poisson_arrivals(160, 100_000, rng), rng.exponential(0.020, 100_000)
ways = {"a line each, at random": "random", "a line each, in turn": "round_robin",
        "the shorter of two random lines": "two_choices", "the shortest line": "jsq"}
for name, policy in ways.items():
    ms = 1e3 * (simulate_split(arrivals, services, 4, policy, rng=np.random.default_rng(4)) + services)
    print(f"{name:32} mean {ms.mean():5.1f} ms, p99 {percentile(ms, 99):4.0f} ms")
ms = 1e3 * (simulate_fifo(arrivals, services, 4) + services)
print(f"{'one line for all':32} mean {ms.mean():5.1f} ms, p99 {percentile(ms, 99):4.0f} ms")

# %% [markdown]
# It does. With a line each, one replica's line can be long while another replica is idle. With one line that can't happen. One line and c replicas, with the same random arrivals and services, are called **M/M/c**.
# Where lines must be separate, say on different machines, looking at **two random ones** and taking the shorter gets most of the gain.
#
# How likely does a request have to wait in one line? The **offered load** a = rate × service time counts how many replicas are busy on average; its unit is the Erlang. Here a = 160/s × 0.020 s = 3.2 Erlang on 4 replicas.
# It is *not* (a/c)^c with c replicas: they are not independent, a burst fills all of them together. A. K. Erlang solved it in 1917. It takes two steps, B and C:
#
# $$B_0 = 1, \qquad B_k = \frac{a\,B_{k-1}}{k + a\,B_{k-1}}, \qquad C = \frac{B_c}{1 - \rho\,(1 - B_c)}, \qquad \rho = \frac{a}{c}$$
#
# B is the share that would be turned away if nobody could wait. C is the probability of waiting where everybody may. It needs a < c. The mean wait is C · s / (c − a).

# %%
from utils.serving import queueing

for c, a in ((1, 0.8), (4, 3.2), (16, 12.8), (64, 51.2)):
    q = queueing.mmc_metrics(a / 0.020, 0.020, c)
    print(f"replicas {c:2}, {a:4} Erlang, {q.utilization:.0%} busy: {q.p_wait:5.1%} of the requests wait, mean wait {1e3 * q.wait_s:5.2f} ms")
rng = np.random.default_rng(5)
waits = queueing.simulate_fifo(queueing.poisson_arrivals(160, 200_000, rng), rng.exponential(0.020, 200_000), 4)
print(f"simulated with 4: {np.mean(waits > 0):.1%} wait, mean {1e3 * waits.mean():.2f} ms")

# %% [markdown]
# The same 80 % are frightening for one replica and harmless for 64. Large pools can run hotter.
#
# ### How many replicas?
#
# **Stable is not fast.** 120 requests/s of 20 ms are 2.4 Erlang, so 3 replicas carry them. The objective is p99 within 100 ms. The share of requests that take longer than t is (M/M/c, wait and service)
#
# $$P(T > t) = e^{-m} + C\,\frac{e^{-m} - e^{-m(1 + d)}}{d}, \qquad m = \frac{t}{s}, \qquad d = c - 1 - a$$
#
# and where d = 0 the fraction is m · e^(−m). 1 + d = c − a is positive, so both powers lie between 0 and 1.

# %%
from utils.serving import queueing

for c in (3, 4, 5):
    print(f"{c} replicas: {queueing.mmc_time_tail(120, 0.020, c, 0.100):.2%} take longer than 100 ms")
print(f"a service alone, without any wait: {math.exp(-0.100 / 0.020):.2%}")

# %% [markdown]
# Three replicas miss the objective by far, four meet it. The last line is the floor: replicas shorten the wait and never the service. With an objective of 40 ms, e^(−2) = 13.5 % of the services alone are too long, and no number of replicas helps.
#
# ### More than it can carry
#
# Now the load is twice the capacity: ten requests, one every 5 ms, and each needs 10 ms. An answer is worth something within 25 ms of its request's arrival. **Goodput** counts the answers in time.
#
# - `fifo` serves all of them in order.
# - `shed` looks at each when its turn comes, and skips it if it can't end in time. This is **load shedding**.
# - `lifo` takes the newest that waits.

# %%
from utils.widgets.ch27_inference_systems import deadlines

deadlines()

# %% [markdown]
# `fifo` answers four and then nobody: every later request has waited too long when its turn comes, and is served all the same. Does a longer run recover?
# 5,000 random arrivals at 110/s, services of 10 ms, a deadline of 100 ms (simulated):

# %%
from utils.serving.queueing import poisson_arrivals, simulate_goodput

arrivals = poisson_arrivals(110, 5000, np.random.default_rng(0))
for policy, room in (("fifo", None), ("fifo", 8), ("shed", None), ("lifo", None)):
    r = simulate_goodput(arrivals, 0.010, 0.100, policy, room)
    name = policy if room is None else f"{policy}, room for {room}"
    print(f"{name:16} {len(r.good) / arrivals[-1]:5.1f} in time per second, {r.completed} served, {r.rejected} not served")

# %% [markdown]
# The server is as busy with `fifo` as with the others. It collapses in goodput: nearly all of its work is late.
# A short **waiting room** does almost as well as looking at deadlines: whoever finds it full is refused at once (HTTP code 429).
# That answers the second question at the top: at 110 requests per second a plain queue answers 7 per second in time, and one that sheds 98.
#
# ### The overload that stays
#
# It gets worse when clients try again. A request whose deadline has passed comes a second time. If each try fails with probability p and r retries are allowed, there are (1 − p^(r+1)) / (1 − p) tries for each request; at p = 1 it is r + 1.

# %%
from utils.serving.queueing import retry_amplification

for p in (0.01, 0.5, 1.0):
    print(f"{p:4.0%} fail: {retry_amplification(p, 1):.2f} tries with 1 retry, {retry_amplification(p, 3):.2f} with 3 retries")

# %% [markdown]
# At 70 % load, one retry of everything makes 140 %. So a service can be healthy at 70 % and, after a short burst, stay overloaded for ever at the same 70 %. This is a **metastable failure**: the trigger is gone and the failure feeds itself. The second figure below shows one.
#
# What helps is a **retry budget**, such as one retry for every ten requests and not more. Pauses that grow with each try (and are random, so that clients do not come back together) help too.
#
# ### Change it while it runs
#
# A new version of the model comes. Four clients keep asking, and nothing may fail. This runs on the real server:

# %%
from concurrent.futures import ThreadPoolExecutor

from utils.serving.inference_service import InferenceService


def ask_until(client, wanted: int) -> list[tuple[int, int | None]]:
    """Ask until a version answers; (status, version) of each answer."""
    seen = [(0, None)]
    while seen[-1][1] != wanted and len(seen) < 20_000:
        answer = client.predict("net", np.ones(4))
        seen.append((answer.status, answer.version))
    return seen[1:]


with InferenceService({"net": lambda v: v + 1}) as service, service.client() as client, ThreadPoolExecutor(4) as pool:
    seen = ask_until(client, 1)
    clients = [pool.submit(ask_until, client, 2) for _ in range(4)]
    service.load("net", lambda v: v + 2)  # loads and warms up, and only then answers
    seen += [one for c in clients for one in c.result()]
    service.unload("net", 1)  # waits until no request holds it
    print("failed:", sum(status != 200 for status, _ in seen), "| versions that answered:", sorted({v for _, v in seen if v is not None}))
    service.drain()
    new = client.predict("net", np.ones(4))
    print("draining:", client.get("/readyz")[0], "| alive:", client.get("/healthz")[0], "| a new request:", new.status)

# %% [markdown]
# Three ideas make this work. The new version is loaded and warmed up *beside* the old one. A request holds the version with which it began. And a **readiness probe** (`/readyz`) tells the **load balancer**, which hands the requests to the replicas, when to send some here: not yet during warm-up, no longer during a **graceful drain**, in which accepted work is finished and new work refused (503).
#
# ### The load test that lies
#
# A client should send a request every 10 ms. Each takes 1 ms, but the server stalls once, for a second. The client waits for each answer before it sends the next (a **closed loop**). What p99 does it report, over 1,000 requests?

# %%
from utils.cost.latency import percentile
from utils.serving.queueing import fifo_latencies

services = np.ones(1000)
services[500] = 1000
from_due = fifo_latencies(10.0 * np.arange(1000), services)  # ms
print(f"counted from when each was sent: p99 {percentile(services, 99):.0f} ms")
print(f"counted from when each was due:  p99 {percentile(from_due, 99):.0f} ms")

# %% [markdown]
# A factor of 910. During the stall the client sends nothing, so the requests that would have waited are missing from its report. This is **coordinated omission**.
# Users do not wait for each other. Either fix the send times beforehand (an **open loop**), or count each latency from when it was due.
#
# And one slow server in a hundred is enough to spoil most requests, if each needs many servers:

# %%
from utils.serving.queueing import any_slow

for fan_out in (1, 10, 100):
    print(f"{fan_out:3} servers, each slow in 1 % of the cases: {any_slow(fan_out, 0.01):.1%} of the requests meet a slow one")

# %% [markdown]
# MLPerf Inference, the industry's common benchmark, tests a system in four ways:
#
# | scenario | requests come | what counts |
# |---|---|---|
# | single stream | one after the other | a percentile of the latency |
# | multi-stream | several samples in each request | a percentile of the latency |
# | server | at random (Poisson) | the largest rate that meets a latency bound |
# | offline | all at once | throughput |

# %% [markdown]
# ## See it
#
# ![Left: p99 of four servers of 20 ms against utilisation, with one line 134 ms at 80 percent, with four random lines 492 ms. Right: answers in time through a burst of three minutes; fifo without retries recovers almost three minutes after it, fifo with one retry stays at zero, shed with one retry is hardly disturbed.](figure.svg)
#
# Both sides are simulated. Left: at 80 % busy, p99 is 134 ms with one line and 492 ms with four (460 by the formula: each line has a mean of 100 ms, and p99 is ln 100 times that). Right: after the burst, `fifo` without retries is back at 13.5 answers per second in time, `fifo` with one retry stays at 0, and `shed` with one retry is hardly disturbed.
#
# **Latency against utilisation.** Choose servers, service times and an objective. On the left, compare one line with a line each. On the right, the replicas that the objective needs.

# %% figure
from utils.widgets.ch27_inference_systems import latency_explorer

latency_explorer()

# %% [markdown]
# **A burst and its aftermath.** One server of 20 requests/s. Its load is 70 %, then 130 % for three minutes, then 70 % again. Clients try again when their deadline has passed; the server does not hear that they gave up.

# %% figure
from utils.widgets.ch27_inference_systems import overload_explorer

overload_explorer()

# %% [markdown]
# ## Exercises
#
# Floating-point results may differ from the exact value by rounding. Times are numbers, whole or not, in one unit unless the text names it. An answer may use what the set-up cell imports (`heapq`, `math`, `deque`, `np`), and not the functions of the other exercises.

# %% [markdown] about="fifo_waits"
# Simulate one line in front of several servers.
#
# - `arrivals` are the times at which requests come, 0 or more, ascending. Equal times are fine: the one earlier in the list is served first.
# - `services[i]` is how long request i needs, 0 or more, in the same unit. `servers` is how many servers there are. All are idle at the start.
# - Requests are begun in the order of `arrivals`. Each goes to the server that is free first, and starts as soon as it has come and that server is free.
# - Return a list with the wait of each request: its start minus its arrival, without the service. Two empty lists give an empty list.
# - Raise `ValueError` when the lists differ in length, when the arrivals are not ascending, or when `servers` is below 1.
#
# For example arrivals `[0, 1, 2, 3]` and services `[3, 3, 1, 1]`: one server → `[0, 2, 4, 4]`, two servers → `[0, 0, 1, 1]`.
# And arrivals `[0, 1, 1, 1, 2]` with services `[5, 3, 4, 1, 4]` and three servers → `[0, 0, 0, 3, 3]`: the fourth goes to the second server, which is free at 4.

# %% exercise="fifo_waits"
def fifo_waits(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """Waits of each request before its service, for one line and several servers."""
    ### BEGIN SOLUTION
    if len(arrivals) != len(services) or servers < 1:
        raise ValueError("arrivals and services must have one length, and servers must be at least 1")
    if any(arrivals[i] < arrivals[i - 1] for i in range(1, len(arrivals))):
        raise ValueError("arrivals must be ascending")
    free, waits = [0] * servers, []  # when each server is free
    for arrival, service in zip(arrivals, services):
        start = max(arrival, free[0])
        heapq.heapreplace(free, start + service)
        waits.append(start - arrival)
    return waits
    ### END SOLUTION

# %% check="fifo_waits"
check("27.fifo_waits", fifo_waits)

# %% [markdown] about="erlang_c"
# How likely does a request have to wait in M/M/c (Poisson arrivals, exponential services, one line)?
#
# - `servers` is c. `offered` is the load a in Erlang: rate × service time of the whole service. It is not divided by the servers.
# - Erlang's B: B(0) = 1 and B(k) = a·B(k-1) / (k + a·B(k-1)), up to k = c. Then C = B(c) / (1 - ρ·(1 - B(c))) with ρ = a/c.
# - Any other way to C is fine too. It must work for 500 servers: powers and factorials of that size do not fit into a float.
# - Return C, a float from 0 to 1. A load of 0 gives 0.
# - Raise `ValueError` when `servers` is below 1, when `offered` is negative, or when `offered` is `servers` or more (then the queue grows without end).
#
# For example `erlang_c(1, 0.8)` → 0.8, `erlang_c(2, 1.5)` → 0.642857…, `erlang_c(100, 90)` → 0.216940…. Differences up to a relative 1e-8 are accepted.

# %% exercise="erlang_c"
def erlang_c(servers: int, offered: float) -> float:
    """Probability that a request has to wait in M/M/c with `servers` servers and `offered` Erlang of load."""
    ### BEGIN SOLUTION
    if servers < 1 or offered < 0 or offered >= servers:
        raise ValueError("servers must be at least 1, and offered must lie in [0, servers): otherwise unstable")
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))
    ### END SOLUTION

# %% check="erlang_c"
check("27.erlang_c", erlang_c)

# %% [markdown] about="min_replicas"
# How many replicas does an objective need?
#
# - `rate` is in requests per second. `service_ms` is the mean service time and `slo_ms` the objective, both in ms. `quantile` is a fraction: 0.99 means that 99 % of the requests must be answered within `slo_ms`, wait and service together.
# - The model is M/M/c: one line, c replicas. With a = `rate` · `service_ms` / 1000, m = `slo_ms` / `service_ms` and d = c - 1 - a, the share that takes longer is e^(-m) + C · (e^(-m) - e^(-m·(1+d))) / d. Where d is 0, the fraction is m · e^(-m). (Don't take e^(-m) out of the numerator: e^(-m·d) overflows where d is negative and m large.) C is the one of the exercise before: B(0) = 1, B(k) = a·B(k-1) / (k + a·B(k-1)), C = B(c) / (1 - (a/c)·(1 - B(c))).
# - Return the smallest whole c, larger than a, whose share is at most 1 - `quantile`.
# - Raise `ValueError` with the word "unreachable" in its message when e^(-m) is 1 - `quantile` or more: then no number suffices.
# - Raise `ValueError` when `rate`, `service_ms` or `slo_ms` is not positive, or when `quantile` does not lie strictly between 0 and 1.
# - Values where the share equals 1 - `quantile` up to rounding are not asked. The answer can be several hundred.
#
# For example `min_replicas(120, 20, 100, 0.99)` → 4 (3 leave a share of 0.0764, 4 leave 0.0098). `min_replicas(40, 50, 200, 0.95)` → 4 (3 leave 0.0509).
# `min_replicas(10, 50, 100, 0.99)` is unreachable: e^(-2) is 0.135.

# %% exercise="min_replicas"
def min_replicas(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    """The smallest number of replicas for which P(latency <= slo_ms) is at least `quantile` in M/M/c."""
    ### BEGIN SOLUTION
    if min(rate, service_ms, slo_ms) <= 0 or not 0 < quantile < 1:
        raise ValueError("rate, service_ms and slo_ms must be positive, and quantile must lie between 0 and 1")
    load, m = rate * service_ms / 1000, slo_ms / service_ms
    if math.exp(-m) >= 1 - quantile:
        raise ValueError("unreachable: a single service takes too long too often")
    blocked, c = 1.0, 0
    while True:
        c += 1
        blocked = load * blocked / (c + load * blocked)
        if c <= load:
            continue
        waits, d = blocked / (1 - load / c * (1 - blocked)), c - 1 - load
        late = m * math.exp(-m) if d == 0 else (math.exp(-m) - math.exp(-m * (1 + d))) / d
        if math.exp(-m) + waits * late <= 1 - quantile:
            return c
    ### END SOLUTION

# %% check="min_replicas"
check("27.min_replicas", min_replicas)

# %% [markdown] about="goodput"
# Which requests are answered in time, at one server?
#
# - `arrivals` are times, 0 or more, ascending; equal times are possible. Every request needs `service`, and is in time if it *ends* at most `deadline` after its arrival. `service` and `deadline` are positive. All times are whole numbers, in one unit.
# - The server is idle at the start. It never interrupts a request that it has begun. What comes at time t is queued before the server picks at t.
# - `policy` is `"fifo"`: serve all, in the order of `arrivals`. `"shed"`: in the same order, but when a request's turn comes and it can't end in time, skip it. Skipping takes no time: the next one is looked at in the same instant.
# - `"lifo"`: serve all, and take the newest that waits; of equal arrivals the later index. Nothing is skipped, late or not.
# - Return the indices of the requests in time, as a list in ascending order.
# - Raise `ValueError` for any other policy, also when `arrivals` is empty. With a valid policy and no arrivals the list is empty.
#
# For example `arrivals` `[0, 5, 10, 15, 20, 25, 30, 35, 40, 45]`, `service` 10, `deadline` 25: fifo → `[0, 1, 2, 3]`, shed → `[0, 1, 2, 3, 5, 7, 9]`, lifo → `[0, 2, 4, 6, 8, 9]`.

# %% exercise="goodput"
def goodput(arrivals: list[int], service: int, deadline: int, policy: str) -> list[int]:
    """Indices, ascending, of the requests that end within `deadline` of their arrival, at one server."""
    ### BEGIN SOLUTION
    if policy not in ("fifo", "shed", "lifo"):
        raise ValueError("policy must be fifo, shed or lifo")
    waiting, in_time, i, now = deque(), [], 0, 0
    while waiting or i < len(arrivals):
        if not waiting:
            now = max(now, arrivals[i])
        while i < len(arrivals) and arrivals[i] <= now:
            waiting.append(i)
            i += 1
        k = waiting.pop() if policy == "lifo" else waiting.popleft()
        good = now + service <= arrivals[k] + deadline
        if good:
            in_time.append(k)
        if good or policy != "shed":
            now += service
    return sorted(in_time)
    ### END SOLUTION

# %% check="goodput"
check("27.goodput", goodput)

# %% [markdown] about="corrected_latency"
# Time one client in two ways.
#
# - The client should send request k (counted from 0) at time k · `period`. It sends it then, or as soon as the answer to the request before it has come, whichever is later.
# - `services[k]` is the time from sending request k to its answer, 0 or more, in the same unit as `period`.
# - Return a tuple of two lists, each with one entry for each request. First the latencies from when each request was *sent*. Then those from when it was *due*, k · `period`.
# - No services give `([], [])`.
# - Raise `ValueError` when `period` is not positive (also without services), or when a service is negative.
#
# For example `corrected_latency(10, [1, 35, 1, 1, 1, 1])` → `([1, 35, 1, 1, 1, 1], [1, 35, 26, 17, 8, 1])`. The request due at 20 was sent at 45 and answered at 46.
# And `corrected_latency(10, [4, 4, 4])` → `([4, 4, 4], [4, 4, 4])`.

# %% exercise="corrected_latency"
def corrected_latency(period: float, services: list[float]) -> tuple[list[float], list[float]]:
    """Latencies of a client on a schedule: from when each request was sent, and from when it was due."""
    ### BEGIN SOLUTION
    if period <= 0 or any(service < 0 for service in services):
        raise ValueError("period must be positive and no service negative")
    answered, from_due = 0, []
    for k, service in enumerate(services):
        answered = max(k * period, answered) + service
        from_due.append(answered - k * period)
    return list(services), from_due
    ### END SOLUTION

# %% check="corrected_latency"
check("27.corrected_latency", corrected_latency)

# %% [markdown]
# ## Measure it
#
# Now the real server under real load: HTTP, ONNX Runtime on one thread, one worker. The network has 16 layers here, not ten, so that a request takes longer. First one client asks 60 times alone; its rate is the capacity.
# Then an open loop sends Poisson arrivals at 30, 60, 80 and 120 % of it, for about 1.5 seconds each. The load is bounded: at most 600 requests and 64 threads a level.
# The last level runs again with a deadline in every request. The server then refuses (504) what it can't answer in time.
# Before you run it: what will p99 be at 120 %, with and without the deadline?

# %% experiment
from utils.serving.inference_service import stage_compute_model
from utils.serving.inference_service.levels import run_service_levels
from utils.widgets.ch27_inference_systems import level_picture, level_table

run = run_service_levels(stage_compute_model(layers=16), np.ones((1, 1024), np.float32), seconds=1.5, seed=0)
level_table(run)

# %% experiment
level_picture(run)

# %% [markdown]
# What to look for:
#
# - p99 rises with the load, and at 120 % latency grows for as long as the run lasts. There is no steady state to report.
# - The mean by formula is that of one queue (Pollaczek and Khinchine), from the run's own rate and service times. It leaves out HTTP and the load generator, which share the two sides of one Python process: the measured mean lies above it.
# - With the deadline some requests are refused, and most of the others are answered in time. Latency counts from when a request was *due*, the server's deadline from when it *arrived*, so a few are later than the line.
# - "worker busy" is measured. On a machine with other work it can differ from the share that was asked for, and so can the order of the rows.
#
# With a GPU the same server runs the network there. One at a time wastes it; batches (chapter 21) do not. Without one the cell prints one sentence.

# %% experiment
from utils.serving.inference_service import stage_compute_model
from utils.widgets.ch27_inference_systems import gpu_batching

gpu_batching(stage_compute_model(), np.ones((1, 1024), np.float32))

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | an inference system deploys models and serves predictions, much like a web service | holds | with differences: milliseconds to seconds of a scarce device for each request, requests can be batched, answers are approximately right |
# | 2 | it must provide compression, load balancing, scheduling, acceleration, replicas, life cycle | holds loosely | compression happens before serving; missing are admission control (who gets in), measurements and roll-back |
# | 3 | its goals are low latency, high throughput, reliability | holds, but they conflict | M/M/1: at 50, 80, 95 % busy the mean time is 2, 5, 20 services |
# | 4 | Internet services have explicit latency limits to protect the users' experience | holds | the limit should be a percentile: with a fan-out of 100 and 1 % slow servers, 63 % of the requests are slow |
# | 5 | it must absorb explosive growth with high throughput | misleading | bursts are absorbed by idle capacity, by more replicas (minutes later), or by refusing; a plain queue at 110 % answers 7 requests/s in time, one that sheds 98 |
# | 6 | only the forward pass runs, so some precision can be given up | holds | gradients and optimiser state are gone too; but a language model keeps keys and values of all its tokens, the KV cache, and this grows with every token (chapter 45) |
# | 7 | inference has tighter limits: less memory, less power | depends | true for phones; in data centres the limits are money and power. MLPerf Inference has a division for each: datacenter and edge |
# | 8 | servers solve their environment with Docker (containers); phones are harder | holds, incomplete | a container does not carry the kernel driver of the GPU (chapter 28) |
# | 9 | (how to test it is not mentioned) | gap | MLPerf's four scenarios, an open loop, latency from when a request was due |
#
# Rows 3, 4 and 5 were computed above. Here they are once more, from the formulas and the simulation:

# %%
from utils.serving import queueing

print("row 3:", *(f"{rho:.0%} busy: {queueing.mm1_time_s(rho, 1.0):.0f} services;" for rho in (0.5, 0.8, 0.95)))
print(f"row 4: {queueing.any_slow(100, 0.01):.1%} of the requests are slow")
arrivals = queueing.poisson_arrivals(110, 5000, np.random.default_rng(0))
for policy in ("fifo", "shed"):
    good = queueing.simulate_goodput(arrivals, 0.010, 0.100, policy).good
    print(f"row 5: {policy} answers {len(good) / arrivals[-1]:.0f} requests/s in time")

# %% [markdown]
# ## Explain it
#
# A service runs at 70 % load and its p99 is fine. A database behind it stalls for ten seconds. The stall ends, and the service never recovers: it is busy all the time, and nearly every request times out. Explain in five or six sentences what happens, and what you would change.
#
# A good answer names:
# 1. what fills the queue when the stall ends;
# 2. what retries do to the load, with a number;
# 3. why the overload stays although its cause is gone;
# 4. deadlines and shedding, or a bounded queue;
# 5. what limits the retries (a budget, growing pauses, a circuit breaker that stops calling a failing service), and how you would test it.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# During the stall ten seconds of requests pile up, and most of their clients have given up by the time they are served.
# The server works on them all the same, so new requests wait longer than their deadline too, and their clients try again.
# With one retry each, a load of 70 % becomes up to 140 % of the capacity: the queue can't empty, although the database is well again. This is a metastable failure.
# I would send the deadline along with each request and skip what can't end in time, and bound the queue so that the rest is refused at once.
# Retries get a budget and growing, random pauses, and a circuit breaker stops them while the service fails.
# Then I would rehearse the stall in a load test with an open loop, and check that goodput comes back by itself.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("27")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | inference system | 推理系统 | a model as a long-running service |
# | service-level objective | 服务等级目标 (SLO) | a bound for a percentile of the latency |
# | utilisation | 利用率 | busy share of a server, ρ |
# | offered load | 负载强度 | rate × service time, in Erlang |
# | tail latency | 尾延迟 | a high percentile, such as p99 |
# | load shedding | 负载削减 | refusing early what can't be answered in time |
# | goodput | 有效吞吐 | answers in time per second |
# | replica | 副本 | identical copy of a service |
# | load balancer | 负载均衡器 | hands the requests to the replicas |
# | retry budget | 重试预算 | the share of the traffic that retries may not exceed |
# | open loop, closed loop | 开环 / 闭环 | arrivals independent of the answers / tied to them |
# | coordinated omission | 协同遗漏 | slow periods are measured too rarely, because the client waits |
# | metastable failure | 亚稳态故障 | overload that outlives its trigger |
# | readiness probe | 就绪探针 | may this copy get requests now? |
# | graceful drain | 优雅下线 | finish accepted work, accept no more |
# | power of two choices | 二选一均衡 | send to the shorter of two random lines |

# %% [markdown]
# ## Sources
#
# - A. K. Erlang, *Solution of some Problems in the Theory of Probabilities of Significance in Automatic Telephone Exchanges*, 1917.
# - L. Kleinrock, *Queueing Systems I*, 1975: M/M/1, M/M/c, the formula of Pollaczek and Khinchine.
# - M. Mitzenmacher, *The Power of Two Choices in Randomized Load Balancing*, IEEE TPDS 12(10), 2001.
# - J. Dean and L. A. Barroso, *The Tail at Scale*, CACM 2013: the 63 %.
# - N. Bronson, A. Aghayev, A. Charapko, T. Zhu, *Metastable Failures in Distributed Systems*, HotOS 2021.
# - D. Crankshaw et al., *Clipper: A Low-Latency Online Prediction Serving System*, NSDI 2017; C. Olston et al., *TensorFlow-Serving*, 2017.
# - B. Maurer, *Fail at Scale*, ACM Queue 2015: newest first under overload.
# - V. J. Reddi et al., *MLPerf Inference Benchmark*, ISCA 2020: the four scenarios.
# - G. Tene, README of wrk2 (giltene/wrk2): coordinated omission.
