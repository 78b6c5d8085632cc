# %% [markdown]
# # 38 · How many mainstream forms of model deployment are there?
# **在AI领域中模型一共有多少种主流部署形式？**
#
# "Cloud or on the device?" Many teams decide that by taste, and pay for it each month. It can be computed: how often the answer is in time, what a million of them cost, what the battery pays, and which data leave.
# This chapter computes these four, and then cuts a network in two, with one part on each side.
#
# About 100 minutes: 55 for the five exercises, the rest to read, measure and explain. It helps to know chapters 14 (edge metrics), 27 (inference systems) and 44 (memory bandwidth). No network and no GPU is needed: the server of the experiment runs in this notebook's own process.

# %% setup
import itertools
import math
from statistics import NormalDist

import numpy as np

# %% [markdown]
# ## The short answer
#
# > There is no canonical number. I sort by two axes. **Where** does it run: on the device (phone, PC, vehicle), on a server in the customer's building or one network hop away, in a cloud region, or split across them. **How** is it asked: one request and one answer, a stream, or a batch overnight.
# >
# > The device wins on offline operation, raw data that stay, cost for each further request, and a worst case that no network can spoil. The cloud wins on the size of the model, on sharing expensive machines, and on updates.
# >
# > Control loops of a vehicle close on board: at 120 km/h every 100 ms are 3.3 m. The cloud learns from the fleet, makes maps, and assists.
# >
# > I choose with four computed numbers: the share of answers within the deadline, the cost of a million requests at the real utilisation, the energy of a request with the radio's tail, and the data that leave the device. Hard limits first, then the price.
# >
# > Mixed forms are normal. A small model answers locally, and what it is unsure of goes up. Or one network is cut, and each side runs a part.

# %% [markdown]
# ## How it works
#
# ### Two axes instead of a list
#
# | where | one request, one answer | stream | batch |
# |---|---|---|---|
# | **on-device**: phone, PC, browser, vehicle | keyboard suggestions | lane keeping | sorting photographs while the phone charges |
# | **edge server**: shared, one network hop away; in the customer's own room it is called **on-premise** | document search in a hospital | cameras of a factory | nightly inspection of X-rays |
# | **cloud region**: a shared data centre, far from the user | chat with a large language model | live subtitles | embedding a whole archive |
# | **split**: part here, part there | a small model here, the hard cases there | first layers in the camera, the rest on the server | filter here, train there |
#
# Each cell is a form that exists. The source, the interview document that this course mirrors, lists six forms; they are some of these twelve.
# The columns say which limits count. One request has a deadline. A stream has one too, and the uplink must carry its rate. A batch can wait: its requests are sent together, and the price decides.
# The *edge* is a vague word: it may mean the device (no network at all) or a server nearby (one hop, shared). The two differ in cost, in privacy and in how they fail. So say which.
#
# Our example for what follows: small delivery vehicles photograph the pavement. A photograph has 150 kB. All prices, rates and times of the example are invented.
#
# ### In time, how often?
#
# In the cloud the model takes 20 ms. The vehicle's **uplink** (its connection upwards) carries 20 Mb/s, that is 20 · 10⁶ bits a second. How long does the photograph travel, and how many a second fit?

# %%
from utils.delivery.placement import upload_ms

print(f"150 kB at 20 Mb/s: 150,000 · 8 / 20,000,000 s = {upload_ms(150_000, 20):g} ms")
print(f"a stream of them: at most {1000 / upload_ms(150_000, 20):.1f} a second")

# %% [markdown]
# Then comes the **round-trip time** (RTT), the delay of the network there and back, whatever the size. It varies. Its median is 40 ms here, and its 99th percentile (p99) is 120 ms.
# A typical answer takes 60 + 20 + 40 = 120 ms. The deadline is 150 ms. Is all well?
#
# Payload and inference leave 150 − 60 − 20 = 70 ms for the round trip. So the question is: which share of the round trips takes at most 70 ms?
# Network delay is skewed: never below 0, with a long tail upwards. A common model is the **lognormal** distribution: the *logarithm* of the delay is normal.
# Two quantiles fix it. The logarithm keeps the order, so its median is ln 40 and its 99th percentile ln 120. The median of a normal variable is also its mean, and once in 100 it lies more than 2.3263 standard deviations above that. So
#
# $$\sigma = \frac{\ln(120) - \ln(40)}{2.3263} = 0.472$$

# %%
from utils.delivery.placement import deadline_hit_rate, lognormal_from_quantiles

mu, sigma = lognormal_from_quantiles(40, 120)
print(f"mean of the logarithm {mu:.4f}, sigma {sigma:.5f}")
print(f"share of round trips up to 70 ms: {NormalDist(mu, sigma).cdf(np.log(70)):.5f}")
for rate in (10, 20, 50, 100):
    print(f"uplink {rate:3} Mb/s: {deadline_hit_rate(150_000, rate, 20, 40, 120, 150):.1%} in time")

# %%
from utils.widgets.ch38_deployment_forms import deadline_picture

deadline_picture()

# %% [markdown]
# 88 % are in time, so one answer in eight is late. The typical 120 ms had hidden that.
#
# A vehicle shows what late means. How far does it travel while it waits?

# %%
from utils.delivery.placement import travelled_m

for wait_ms in (15, 100, 250):
    print(f"at 120 km/h, {wait_ms:3} ms: {travelled_m(120, wait_ms):.1f} m")

# %% [markdown]
# A median of 40 ms is not the problem. The problem is that no mobile network promises its p99, and in a tunnel it is infinite.
# Steering, braking and watching the road, in real time, are called the **dynamic driving task** (SAE J3016, the standard of the levels of driving automation). It has to work without the network.
#
# ### What does a million cost?
#
# A machine that is rented by the hour costs money while it waits. **Utilisation** is the share of the paid time in which it works.

# %%
from utils.delivery.placement import usd_per_million

for busy in (0.9, 0.5, 0.05):
    print(f"2 USD an hour, 100 requests/s at full load, {busy:4.0%} busy: {usd_per_million(2, 100, busy):6.2f} USD a million")

# %% [markdown]
# A cloud that bills by the request spreads idle time over all its customers. Owned boxes don't. Suppose a box costs 240 USD a month and takes up to 400,000 requests; the cloud takes 0.80 USD for 1,000. From which volume on is the box cheaper?
#
# 240 / 0.80 = 300 thousand. But 400,001 requests need a second box, and it starts to lose again:

# %%
from utils.widgets.ch38_deployment_forms import cost_picture

cost_picture()

# %% [markdown]
# So the answer is not one number but intervals. The volume at which two options cost the same is a **break-even**, and there may be several.
#
# Now four forms for the fleet, with what they cost in USD a month:
#
# - *cloud*: 0.80 for 1,000 requests.
# - *edge server*, a box in the depot: 240 for each started 400,000 requests, and 0.05 for 1,000 (electricity).
# - *device*, a chip that each vehicle has anyway: 900 for the whole fleet, for fitting the model to the chip (the port) and keeping it working. A request is free.
# - *vehicle*, an extra computer on board: 38 each, and 0.02 for 1,000 requests. One vehicle makes up to 50,000 requests a month, and the next one goes on the road when the others are full: 220,000 requests are five computers.

# %%
from utils.widgets.ch38_deployment_forms import break_even_table

break_even_table()

# %%
from utils.delivery.placement import cheapest_ranges
from utils.delivery.placement.examples import TARIFFS

volumes = (1_000, 10_000, 50_000, 125_000, 220_000, 400_000, 800_000, 1_000_000, 1_300_000, 2_000_000)
for first, last, name in cheapest_ranges(TARIFFS, volumes):
    print(f"{name:11} is the cheapest at {first:9,}" + (f" to {last:9,}" if last > first else ""))

# %% [markdown]
# Each form has its volumes (only the ten of `volumes` were looked at). The cloud is good for the start: no request, no cost. Vehicle and cloud take turns, since each further computer on board pays only when it is nearly full. The port to the device pays at a large volume only, and then it wins for ever.
#
# ### What does the battery pay?
#
# A mobile radio does not sleep as soon as the bytes are gone. It stays in a state of high power for some seconds, in case more comes: the **radio tail**. A study of 4G phones found it to be a key reason for their energy use (Huang et al., 2012).
# Take a transmission of 0.1 s at 1.2 W, and a tail of 11.6 s at 1.06 W (an example). Requests come at 0, 5 and 60 s:

# %%
from utils.widgets.ch38_deployment_forms import radio_picture

radio_picture()

# %%
from utils.delivery.placement import merged, radio_energy_j
from utils.delivery.placement.examples import RADIO

print(f"one request: {radio_energy_j([0], **RADIO):.3f} J")
print(f"50 ms of an NPU (a processor for neural networks) with 3 W: {3 * 0.05:.2f} J")
every_20_s = [20.0 * i for i in range(30)]
kept = merged(every_20_s, 60)
print(f"30 requests, one every 20 s: {radio_energy_j(every_20_s, **RADIO):.0f} J")
print(f"kept until the minute ends: {len(kept)} transmissions, {radio_energy_j(kept, **RADIO):.0f} J")

# %% [markdown]
# The tail dominates, and computing on the device would have taken about an eightieth. Requests that can wait, as those of a batch, are sent together. Here they leave at the end of each minute: of 30 transmissions 10 remain, and a request waits for up to a minute.
# (Fewer transmissions carry more bytes each. We leave the sending time at 0.1 s here.)
#
# ### Which data leave?
#
# On the device the raw data stay. The device still sends telemetry (figures about its use) and crash reports and loads updates over the air (OTA), and the model's file lies in the user's hands.
# A split sends activations on purpose. They are not harmless: from the deep layers of an image network, even from its class probabilities, colours and rough contours of the image can be reconstructed (Dosovitskiy and Brox, 2016).
# And **data residency**, a rule on where data may be stored or processed, may forbid a region altogether. No price buys that back.
#
# ### Cut a chain
#
# A network has five layers. The phone takes 155 ms for all of them, the server 8.5 ms. The input is a photograph of 150,528 bytes. The early layers make the data larger, the late ones small. (In names, `edge` means the device here, not the edge server.)

# %%
from utils.delivery.placement.examples import CLOUD_MS, CROSSING_BYTES, EDGE_MS

print("layer    on the phone (ms)   on the server (ms)   bytes that enter it")
for layer, row in enumerate(zip(EDGE_MS, CLOUD_MS, CROSSING_BYTES)):
    print(f"{layer:5} {row[0]:19g} {row[1]:20g} {row[2]:21,.0f}")

# %% [markdown]
# A **cut** k leaves the first k layers on the phone. It takes their time, the transfer of what enters layer k, a round trip of 10 ms, and the server's time for the rest. With k = 5 nothing is sent, and there is no round trip.
# The answer's way back is a few bytes: its time is in the round trip.

# %%
from utils.delivery.placement import chain_cuts

for rate in (1, 8, 50):
    totals = [cut.total_ms for cut in chain_cuts(EDGE_MS, CLOUD_MS, CROSSING_BYTES, rate, 10)]
    told = "  ".join(f"k={k} {total:6.1f}" for k, total in enumerate(totals))
    print(f"{rate:2} Mb/s: {told}   best k = {totals.index(min(totals))}")

# %%
from utils.widgets.ch38_deployment_forms import example_split

example_split(8)

# %% [markdown]
# At 1 Mb/s everything stays on the phone, at 50 Mb/s everything goes up, and at 8 Mb/s a cut after three layers beats both. This is **split computing**.
# The Neurosurgeon paper (2017) chose such cuts for 8 applications: on average the latency was 3.1 times lower than with the cloud alone, and the phone took 59.5 % less energy.
#
# ### Cut a network with branches
#
# Real networks branch and join. Node 0 is the sensor, on the device. Nodes 1 and 2 read its picture, node 3 reads both of them, node 4 is the head:
#
# ```
# sensor 0 ──→ 1 ──┐
#        └───→ 2 ──┴─→ 3 ──→ 4
# ```
#
# Three rules. Everything adds up, nothing overlaps. What is in the cloud stays there: nothing comes back. And an output is sent **once**, even if two consumers in the cloud read it.
# The round trip is left out: it is the same for every assignment that sends something. Add it to the best one at the end, and compare with all on the device.

# %%
from utils.delivery.placement import assignment_ms
from utils.delivery.placement import partition_dag as by_minimum_cut
from utils.delivery.placement.examples import DAG

graph = (DAG["edge_ms"], DAG["cloud_ms"], DAG["out_bytes"], DAG["edges"], DAG["uplink_mbps"])
for on_device in (5, 1, 3):  # the first so many nodes
    here = [True] * on_device + [False] * (5 - on_device)
    print(f"nodes 0 to {on_device - 1} on the device: {assignment_ms(*graph, here):6.1f} ms")
print("the best:", by_minimum_cut(*graph))

# %% [markdown]
# With n nodes there are 2ⁿ⁻¹ assignments. For 12 nodes one can try them all (2,048), for 100 not.
# A trick solves it. Draw a graph with a source (the device) and a sink (the cloud). An assignment puts every node on one of the two sides. Each arrow has a price, its **capacity**. It is **cut**, and paid, when it leads from the source's side to the sink's. From the sink's side to the source's it is free.
# Choose the arrows so that the price of the cut is the time of the assignment. For the example, in ms at 10 Mb/s:
#
# | node | source → node, paid if it is in the cloud: its cloud time | node → sink, paid if it is on the device: its device time | node → its output, paid if the output crosses: its transfer |
# |---|---|---|---|
# | 0 | ∞: it can't go there | 0 | 120 |
# | 1 | 1 | 8 | 16 |
# | 2 | 1 | 10 | 4 |
# | 3 | 3 | 40 | 8 |
# | 4 | 0.5 | 5 | none: nobody reads it |
#
# The output is a vertex of its own. Infinite arrows lead from it to all consumers: one consumer in the cloud pulls it over, and the transfer is paid once.
# Infinite arrows lead from each consumer back to its producer. They would be cut if the consumer were on the device and the producer in the cloud, so nothing returns.
#
# With nodes 0, 1 and 2 on the device the cut costs 0 + 8 + 10, 16 + 4, and 3 + 0.5: 41.5 ms. The **minimum cut** is the best assignment, and there are fast algorithms for it. With a slower or faster uplink:

# %%
for rate in (1, 4, 10, 40, 100):
    total, on_edge = by_minimum_cut(**DAG | {"uplink_mbps": rate})
    print(f"{rate:3} Mb/s: {total:6.2f} ms, on the device: {[v for v, here in enumerate(on_edge) if here]}")

# %% [markdown]
# ### Cut a real model
#
# Now a real ONNX file: the course's small CNN for digits, for 8 images at once. Where can it be cut? At each tensor through which everything flows.

# %%
from utils.delivery.placement.halves import cut_points, digits_onnx, make_session, split_onnx
from utils.networks.digits import load_digits_split

model = digits_onnx(batch=8)
points = cut_points(model)  # the first is the model's input, the last its output: the cuts are between
print("cuts after:", ", ".join(point.after for point in points[1:-1]))
images = load_digits_split()[1][:8].reshape(8, 1, 8, 8)
whole = make_session(model).run(None, {"input": images})[0]
first_relu, pooled, last_relu = points[2], points[5], points[8]
for point in (first_relu, pooled, last_relu):
    head, tail = split_onnx(model, point.tensor)
    activation = make_session(head).run(None, {"input": images})[0]
    result = make_session(tail).run(None, {point.tensor: activation})[0]
    print(f"after {point.after:8} {activation.nbytes:6,} bytes cross, largest difference {np.abs(result - whole).max()}")

# %% [markdown]
# The two halves compute what the whole does, to the last bit. The activations can be sent as 8-bit integers with a scale and a lowest value: a quarter of the bytes, at the price of a small error.

# %%
from utils.delivery.placement.halves import dequantize_activation, quantize_activation

head, tail = split_onnx(model, last_relu.tensor)
activation = make_session(head).run(None, {"input": images})[0]
q, scale, low = quantize_activation(activation)
result = make_session(tail).run(None, {last_relu.tensor: dequantize_activation(q, scale, low)})[0]
print(f"{activation.nbytes:,} bytes become {q.nbytes}; the largest difference is below 0.1: {np.abs(result - whole).max() < 0.1}")
print(f"same digits: {(result.argmax(1) == whole.argmax(1)).all()}")

# %% [markdown]
# ### Ask upstairs only when unsure
#
# A **cascade** is the other mixed form. A small model answers at once when it is confident, and the rest goes to a big one elsewhere. With costs of 2 and 10 units for a request: everybody pays 2, and the share p that goes up pays 10 more, 2 + 10·p together:

# %%
from utils.delivery.placement import cascade_break_even, cascade_cost

print("30 % escalated:", cascade_cost(2, 10, 0.3), "units; the big model alone: 10")
print(f"a cascade pays up to a share of {cascade_break_even(2, 10):.0%}")

# %% [markdown]
# ### The choice
#
# Hard limits come first: offline, data, deadline (here 95 % of the answers have to be in time), energy. A form that breaks one is out, at any price. Among the rest the cheapest wins. ("Photographs stay" forbids raw data alone. A stricter rule would also refuse the split, whose activations tell something.)
#
# The model computes for 90 ms on the device, 15 on the vehicle's computer, 20 in the cloud and 25 on the edge server (200 Mb/s, a median round trip of 3 ms, p99 12 ms).
# The **split** is a fifth form. Its device runs the first layers and its server the rest, in 45 ms together. It sends an activation of a third of the photograph's bytes, 50 kB. It costs 300 USD a month for the port of the first layers, and 0.30 USD for 1,000 requests in the cloud. All these numbers are assumed, none is measured.
#
# From the battery a request takes 0.3 J on the device and 0.6 J on the vehicle's computer. A form that sends takes one transmission with its tail, 12.4 J.

# %%
from dataclasses import replace

from utils.delivery.placement import choose_form
from utils.delivery.placement.examples import example_forms, example_workload

sending_j = radio_energy_j([0], **RADIO)
for told, workload, uplink in (
        ("150 ms, 220,000 a month", example_workload(), 20),
        ("a batch instead: within a day", example_workload(deadline_ms=86_400_000), 20),
        ("150 ms, at most 0.5 J a request", replace(example_workload(), max_energy_j=0.5), 20),
        ("400,000 a month", example_workload(monthly_requests=400_000), 20),
        ("1,000,000, photographs stay, 50 Mb/s", example_workload(monthly_requests=1_000_000, raw_data_may_leave=False), 50),
        ("2,000,000 a month", example_workload(monthly_requests=2_000_000), 20),
        ("10 ms, offline", example_workload(deadline_ms=10, offline=True), 20)):
    forms = [replace(form, energy_j=sending_j) if form.link else form for form in example_forms(uplink)]
    chosen, rejected = choose_form(forms, workload)
    print(f"{told:37} → {chosen or 'nothing fits':12} rejected: {', '.join(rejected) or 'none'}")

# %% [markdown]
# Each of the five forms wins once or twice, and the last workload needs a faster model first. In a batch no deadline counts, so the price decides. The battery leaves the dearest form only.

# %% [markdown]
# ## See it
#
# ![Left: five forms by the share of requests in time and the cost a month. Vehicle, 194 USD and 100 percent in time, is chosen; edge server with 251 USD and device with 900 USD are allowed; cloud with 88 percent and split with 94.5 percent in time are rejected. Right: the six cuts of the five-layer example at 8 Mb/s. The cut after one layer takes 840 ms, the best one, after three layers, 153.7 ms, all on the device 155 ms.](figure.svg)
#
# With a deadline of 150 ms, 20 Mb/s and 220,000 requests a month the vehicle form is chosen, for 5 · 38 + 220 · 0.02 = 194 USD a month. The edge server takes 240 + 220 · 0.05 = 251 USD, the device 900. The cloud would cost 220 · 0.80 = 176 USD, but only 88.2 % of its answers are in time. At 8 Mb/s the best cut of the five layers takes 153.7 ms, all in the cloud 169 ms, all on the device 155 ms.
#
# **Which form fits.** Move the deadline, the uplink and the volume until each form has won once.

# %% figure
from utils.widgets.ch38_deployment_forms import form_map

form_map()

# %% [markdown]
# **Where to cut.** The times of the pieces were recorded once (one thread of an AMD EPYC); the slower device and the link are computed from them. Switch uint8 on at 1 Mb/s.

# %% figure
from utils.widgets.ch38_deployment_forms import split_curve

split_curve()

# %% [markdown]
# The best cut jumps from one end to the other. With uint8 activations a quarter of the bytes is sent, so the jump comes at about a quarter of the rate.

# %% [markdown]
# ## Exercises
#
# The set-up cell brings `itertools`, `math`, `NormalDist` and NumPy as `np`. An answer may use those, Python's own modules, and nothing from other exercises.
# Throughout, an uplink of 1 Mb/s carries 10⁶ bits a second, and a byte has 8 bits. Numbers are ints or floats.
# In names, `edge` means the device here, not the edge server. Only `edges` means something else: the arrows of a graph.

# %% [markdown] about="owning_intervals"
# At which monthly volumes is owning cheaper than the cloud?
#
# - A box costs `fixed` a month and takes up to `box_capacity` requests (an int). n requests need the whole number of boxes ⌈n / box_capacity⌉, and each costs `fixed`.
# - The cloud takes `cloud_per_1k` for 1,000 requests, pro rata: compute its cost as `n * cloud_per_1k / 1000`.
# - Owning wins at n if it costs strictly less. A tie is not a win.
# - Return the volumes n from 1 to `max_requests` (an int, at most 1,000,000 in the check) at which owning wins, as a list of tuples (first, last), both included, in rising order. Intervals are as long as possible: where one ends at n, the next does not begin at n + 1. If owning never wins, return `[]`.
# - Raise `ValueError` when an argument is 0 or negative.
#
# | fixed, cloud_per_1k, box_capacity, max_requests | intervals |
# |---|---|
# | 240, 0.80, 400000, 1000000 | [(300001, 400000), (600001, 800000), (900001, 1000000)] |
# | 100, 1.00, 200000, 500000 | [(100001, 500000)] |
# | 500, 1.00, 400000, 1000000 | [] |

# %% exercise="owning_intervals"
def owning_intervals(fixed: float, cloud_per_1k: float, box_capacity: int, max_requests: int) -> list[tuple[int, int]]:
    """Monthly volumes 1...max_requests at which owning costs strictly less than the cloud, as inclusive intervals."""
    ### BEGIN SOLUTION
    if min(fixed, cloud_per_1k, box_capacity, max_requests) <= 0:
        raise ValueError("arguments must be positive")
    n = np.arange(1, max_requests + 1)
    wins = np.ceil(n / box_capacity) * fixed < n * cloud_per_1k / 1000
    found = []
    for start, stop in zip(*(np.flatnonzero(np.diff(np.concatenate([[0], wins, [0]])) == step) for step in (1, -1))):
        found.append((int(start) + 1, int(stop)))
    return found
    ### END SOLUTION

# %% check="owning_intervals"
check("38.owning_intervals", owning_intervals)

# %% [markdown] about="deadline_hit"
# Which share of the requests is in time?
#
# - The latency is the time of the payload on the uplink, plus `infer_ms`, plus the round trip. `payload_bytes` are bytes (0 or more), `uplink_mbps` is in Mb/s and positive, all times are in ms.
# - The payload's time and the inference are fixed. The round trip is lognormal: ln(RTT) is normal. The median of the RTT is `rtt_p50_ms` (positive), its 99th percentile `rtt_p99_ms`. A normal variable stays below its mean plus 2.3263479 standard deviations 99 times in 100.
# - Return the share of requests whose latency is at most `deadline_ms`, a float from 0 to 1. It may be off by 0.0001.
# - If payload and inference leave nothing for the round trip (0 ms or less), return 0.0.
# - Raise `ValueError` when `rtt_p99_ms` is not above `rtt_p50_ms`, also where nothing would be left.
#
# | payload, uplink, infer, p50, p99, deadline | share |
# |---|---|
# | 150000, 20, 20, 40, 120, 150 | 0.88199 |
# | 150000, 5, 20, 40, 120, 150 | 0.0 |
# | 0, 20, 10, 40, 120, 50 | 0.5 |

# %% exercise="deadline_hit"
def deadline_hit(
    payload_bytes: float, uplink_mbps: float, infer_ms: float, rtt_p50_ms: float, rtt_p99_ms: float, deadline_ms: float
) -> float:
    """Share of requests whose payload time + inference + lognormal round trip is at most deadline_ms."""
    ### BEGIN SOLUTION
    if rtt_p99_ms <= rtt_p50_ms:
        raise ValueError("rtt_p99_ms must be above rtt_p50_ms")
    budget_ms = deadline_ms - payload_bytes * 8 / (uplink_mbps * 1000) - infer_ms
    if budget_ms <= 0:
        return 0.0
    sigma = math.log(rtt_p99_ms / rtt_p50_ms) / 2.3263479
    return NormalDist(math.log(rtt_p50_ms), sigma).cdf(math.log(budget_ms))
    ### END SOLUTION

# %% check="deadline_hit"
check("38.deadline_hit", deadline_hit)

# %% [markdown] about="best_split"
# Where to cut a chain of n layers?
#
# - `edge_ms` and `cloud_ms` hold the time of each layer in ms on the device and in the cloud. `crossing_bytes[k]` is the size of what enters layer k, counted from 0.
# - With cut k the first k layers run on the device and the others in the cloud. For k from 0 to n − 1, `crossing_bytes[k]` is sent over an uplink of `uplink_mbps` (positive): compute its transfer as `bytes * 8 / (uplink_mbps * 1000)` ms. One round trip of `rtt_ms` (0 or more) is added. For k = n nothing is sent, and there is no round trip.
# - The total is the sum of all parts, in ms. Return `(k, total)` for the smallest total. The total may be off by 1e-9 of itself. Among equal totals take the larger k. (In the check, times that tie are multiples of 0.25 ms, and so are their transfers by that formula: floats hold them exactly.)
# - The lists may be empty: then the result is `(0, 0.0)`. Raise `ValueError` when the three lists differ in length.
#
# With `edge_ms = [20, 30, 40, 60, 5]`, `cloud_ms = [1, 2, 2, 3, 0.5]`, `crossing_bytes = [150528, 802816, 200704, 50176, 4096]` and a round trip of 10 ms: 1 Mb/s → (5, 155.0); 8 Mb/s → (3, 153.676); 50 Mb/s → (0, 42.58448).

# %% exercise="best_split"
def best_split(
    edge_ms: list[float], cloud_ms: list[float], crossing_bytes: list[float], uplink_mbps: float, rtt_ms: float
) -> tuple[int, float]:
    """(k, ms) of the fastest cut: the first k layers run on the device, the rest in the cloud."""
    ### BEGIN SOLUTION
    n = len(edge_ms)
    if len(cloud_ms) != n or len(crossing_bytes) != n:
        raise ValueError("the lists must have one length")
    device, cloud = 0.0, sum(cloud_ms)
    best = (0, math.inf)
    for k in range(n + 1):
        network = crossing_bytes[k] * 8 / (1000 * uplink_mbps) + rtt_ms if k < n else 0.0
        total = device + network + (cloud if k < n else 0.0)
        if total <= best[1]:
            best = (k, total)
        if k < n:
            device, cloud = device + edge_ms[k], cloud - cloud_ms[k]
    return best
    ### END SOLUTION

# %% check="best_split"
check("38.best_split", best_split)

# %% [markdown] about="radio_energy"
# What does the radio take?
#
# - A transmission begins at each of `times_s` and lasts `tx_s` (positive), all in seconds. It takes the power `p_tx_w` (watts).
# - When it ends, the radio stays in a state of `p_tail_w` for `tail_s` (0 or more), or until the next transmission begins, whichever comes first. During a transmission only `p_tx_w` counts. Otherwise the radio takes nothing.
# - The last transmission has its whole tail. Without any request the result is 0.0.
# - Return the energy in joules (watts times seconds). It may be off by 1e-9 of itself plus 1e-12 J.
# - Raise `ValueError` when the times are not sorted, or when a transmission begins before the one before it ends. It may begin exactly when that one ends. (The check uses times that floats hold exactly there.)
# - Leave `times_s` unchanged.
#
# With `tx_s = 0.1`, `p_tx_w = 1.2`, `tail_s = 11.6`, `p_tail_w = 1.06`: the times [0, 5, 60] → 30.146; [0] → 12.416; [] → 0.0.

# %% exercise="radio_energy"
def radio_energy(times_s: list[float], tx_s: float, p_tx_w: float, tail_s: float, p_tail_w: float) -> float:
    """Energy in joules of transmissions at times_s, with a tail after each that the next one may cut short."""
    ### BEGIN SOLUTION
    energy = 0.0
    for i, start in enumerate(times_s):
        gap = times_s[i + 1] - (start + tx_s) if i + 1 < len(times_s) else math.inf
        if gap < 0:
            raise ValueError("times_s must be sorted and at least tx_s apart")
        energy += tx_s * p_tx_w + min(gap, tail_s) * p_tail_w
    return energy
    ### END SOLUTION

# %% check="radio_energy"
check("38.radio_energy", radio_energy)

# %% [markdown] about="partition_dag"
# Divide a network with branches between the device (the *edge*) and the cloud.
#
# - There are n nodes, 1 to 12: trying all assignments is enough. `edge_ms[v]` and `cloud_ms[v]` are the times of node v on the two sides in ms, `out_bytes[v]` the size of its output. `edges` is a list of arrows (u, v), without repetitions: v reads the output of u, and u < v. Every node but 0 has an arrow that ends at it.
# - Node 0 is the sensor's input. It is on the edge, and both of its times are 0.
# - A node on the edge can't read from a node in the cloud. The result may stay on either side.
# - The output of a node on the edge that at least one node in the cloud reads is sent **once**, over an uplink of `uplink_mbps` (positive). That is true of node 0 too. There is no round trip.
# - The total is the sum of the times of all nodes, each on its side, and of all transfers. Return `(total, on_edge)`: the smallest total in ms, and a list of n bools, True for the nodes on the edge. Where several assignments have it, any of them is right.
# - The total may be off by 1e-6 ms plus 1e-9 of itself, both from the smallest total and from the time of your assignment.
#
# With `edge_ms = [0, 8, 10, 40, 5]`, `cloud_ms = [0, 1, 1, 3, 0.5]`, `out_bytes = [150000, 20000, 5000, 10000, 40]` and `edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]`:
#
# | uplink_mbps | total | on_edge |
# |---|---|---|
# | 1 | 63.0 | [True, True, True, True, True] |
# | 10 | 41.5 | [True, True, True, False, False] |
# | 100 | 17.5 | [True, False, False, False, False] |

# %% exercise="partition_dag"
def partition_dag(
    edge_ms: list[float], cloud_ms: list[float], out_bytes: list[float], edges: list[tuple[int, int]], uplink_mbps: float
) -> tuple[float, list[bool]]:
    """(ms, on_edge): which nodes of a graph run on the device so that compute and transfers together take least."""
    ### BEGIN SOLUTION
    best = (math.inf, [])
    for rest in itertools.product([True, False], repeat=len(edge_ms) - 1):
        here = [True, *rest]
        if any(here[v] and not here[u] for u, v in edges):
            continue
        sent = {u for u, v in edges if here[u] and not here[v]}
        total = sum(e if h else c for e, c, h in zip(edge_ms, cloud_ms, here))
        total += sum(out_bytes[u] * 8 / (1000 * uplink_mbps) for u in sent)
        best = min(best, (total, here))
    return best
    ### END SOLUTION

# %% check="partition_dag"
check("38.partition_dag", partition_dag)

# %% [markdown]
# ## Measure it
#
# Split inference for real: the head runs in ONNX Runtime here, the tail behind an HTTP server on this machine's loopback address, with a free port. The server is part of this notebook's process: it ends with its `with` block, and with the kernel.
#
# Two things are emulated, and only they: the uplink (a **token bucket** lets through so many bytes a second, and a wait stands for the round trip of 2 ms), and the slow device (the head waits until 200 times its own time is over).
# Before you run it: at 1, 10 and 100 Mb/s, which cut will be the fastest? And which will be the slowest at 1 Mb/s?

# %% experiment
from utils.delivery.placement import chain_cuts
from utils.delivery.placement.halves import digits_onnx, make_session, time_onnx_prefixes
from utils.delivery.placement.link import EmulatedLink
from utils.delivery.placement.remote import SplitService, sweep_cuts
from utils.networks.digits import load_digits_split
from utils.widgets.ch38_deployment_forms import sweep_picture

model = digits_onnx(batch=8)
images = load_digits_split()[1][:8].reshape(8, 1, 8, 8)
whole = make_session(model).run(None, {"input": images})[0]
pieces = time_onnx_prefixes(model, images, repeats=50)
cloud_ms = [piece.ms for piece in pieces[1:]]
device_ms = [200 * ms for ms in cloud_ms]
crossing = [piece.out_bytes for piece in pieces[:-1]]

sweeps, predicted = {}, {}
for rate in (1, 10, 100):
    with SplitService(model, EmulatedLink(rate, rtt_ms=2), device_ms=device_ms) as service:
        sweeps[rate] = sweep_cuts(service, images, whole, rounds=3)
    predicted[rate] = chain_cuts(device_ms, cloud_ms, crossing, rate, 2)

exact = all(run.max_abs == 0 for runs in sweeps.values() for run in runs)
bytes_match = all([run.payload_bytes for run in runs] == [*crossing, 0] for runs in sweeps.values())
print(f"outputs equal those of the whole model: {exact}; payloads have the predicted bytes: {bytes_match}")
names = ["all in\ncloud", *(piece.name for piece in pieces[1:-1]), "all on\ndevice"]
sweep_picture(sweeps, predicted, names)

# %% [markdown]
# What to look for:
#
# - At 1 Mb/s the slowest cuts are those after the second convolution: 32,768 bytes take 262 ms. When this was written all on the device was the fastest; on a slow machine it may be all in the cloud.
# - At 10 and 100 Mb/s all in the cloud is the fastest. The best cut jumps over the middle.
# - The measured times lie a little above the predicted ones. The HTTP exchange and the waits' granularity are not in the model; on a busy machine they are larger.
#
# The same with uint8 activations at 1 Mb/s:

# %% experiment
with SplitService(model, EmulatedLink(1, rtt_ms=2), quantize=True, device_ms=device_ms) as service:
    small = sweep_cuts(service, images, whole, rounds=3)
print(f"all in the cloud, bytes: {small[0].payload_bytes} instead of {crossing[0]:,}")
print(f"all in the cloud, time: {small[0].total_ms:.1f} ms instead of {sweeps[1][0].total_ms:.1f} ms")
print(f"all on the device: {small[-1].total_ms:.1f} ms")
print(f"largest error of an output: {max(run.max_abs for run in small):.3f}")
print(f"same digits at every cut: {all(run.same_labels for run in small)}")

# %% [markdown]
# Now the cascade. The small model is a logistic regression (one linear layer) that was trained on 100 images only. The big one is the CNN. The 540 test images are the same for both.
# Each point is a threshold: an image goes up when the small model's highest probability is below it.

# %% experiment
from utils.delivery.placement import cascade_curve, digits_cascade
from utils.widgets.ch38_deployment_forms import cascade_picture

both = digits_cascade()
print(f"small model {both['small_bytes']:,} bytes, big model {both['big_bytes']:,} bytes")
thresholds = [0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01]
cascade_picture(cascade_curve(both["confidence"], both["small_ok"], both["big_ok"], thresholds))

# %% [markdown]
# The first uploads help most. Most of the small model's mistakes are among the cases that it is unsure of. With an NVIDIA GPU the tails can run there:

# %% experiment
from utils.widgets.ch38_deployment_forms import gpu_note

gpu_note()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. State of the products: November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | three directions (generated content, classical deep learning, driving) with two forms each | depends | a list of six in which the cloud appears three times. Two axes, where and how, give these and the missing ones: on-premise, batch, split, and the browser as one more device |
# | 2 | example of a cloud model: GPT-4 as an API | dated | right in 2023. API models end: OpenAI's page of deprecations lists a shutdown date for each retired one, after which requests fail. Open-weight language models run on PCs and phones too |
# | 3 | example on the client: Photoshop's content-aware tool | wrong example | it is right that it computes locally. But Content-Aware Fill was built on PatchMatch, a search for similar patches, and not on a generative network. Of Photoshop's AI tools many let you choose between device and cloud, and some have no local mode (March 2026) |
# | 4 | client and edge reduce latency | depends | only if the device's compute takes less than network plus cloud. Five layers: at 50 Mb/s the cloud takes 42.6 ms and the device 155; at 1 Mb/s 1,223 and 155 |
# | 5 | edge means phone, IoT device or local server | imprecise | no hop and one hop differ in cost, privacy and failures. Telecoms call the second multi-access edge computing (ETSI MEC) |
# | 6 | on the device, privacy is protected | depends | raw data stay. Telemetry and updates move, and a split sends activations from which images can be reconstructed in part |
# | 7 | Tesla's Autopilot processes cameras, radar and other sensors | dated | Tesla removed the radar from Model 3 and Y from 2021 and from S and X in 2022, the ultrasonic sensors in 2022 and 2023: cameras only, in most regions |
# | 8 | some control functions of vehicles run in the cloud and adjust the driving in real time | wrong, unsafe | the cloud may monitor, dispatch, update maps and assist. 250 ms at 120 km/h are 8.3 m, and no mobile network promises its p99. SAE J3016 (2021) keeps remote assistance apart from the dynamic driving task |
# | 9 | the cloud scales and is easy to maintain | holds, at a price | the cost of a request goes with 1 / utilisation: 11 USD a million at 50 % load become 111 at 5 % |
# | 10 | (missing) parts on both sides | gap | cuts between layers: latency 3.1 times lower on average (up to 40.7) and 59.5 % less energy on the phone (up to 94.7 %) than with the cloud alone, for 8 applications (Neurosurgeon, 2017) |
#
# Rows 4, 8 and 9, computed:

# %%
from utils.delivery.placement import chain_cuts, travelled_m, usd_per_million
from utils.delivery.placement.examples import CLOUD_MS, CROSSING_BYTES, EDGE_MS

for rate in (50, 8, 1):
    cuts = chain_cuts(EDGE_MS, CLOUD_MS, CROSSING_BYTES, rate, 10)
    best = min(cuts, key=lambda cut: cut.total_ms)
    print(f"row 4: {rate:2} Mb/s: cloud {cuts[0].total_ms:6.1f} ms, device {cuts[-1].total_ms:.1f} ms", end=", ")
    print(f"best cut k = {best.k} with {best.total_ms:.1f} ms")
print(f"row 8: {travelled_m(120, 250):.1f} m in 250 ms at 120 km/h")
print(f"row 9: {usd_per_million(2, 100, 0.5):.0f} USD a million at 50 %, {usd_per_million(2, 100, 0.05):.0f} at 5 %")

# %% [markdown]
# ## Explain it
#
# A colleague writes: "Our driver-monitoring model takes 90 ms on the car's chip and 20 ms on a cloud GPU. The network's median is 40 ms, so the cloud is faster: 60 ms. At 50 % load the GPU costs 11 USD a million, and on the device we would have to pay for the port. Let us move it to the cloud." Answer in six sentences.
#
# A good answer names:
# 1. the payload's time and the p99, and the share in time instead of the median;
# 2. what happens without a network, and whether the function may depend on one;
# 3. raw pictures of the driver, and where they may go;
# 4. the utilisation that is really reached, and the volume at which the port pays;
# 5. a mixed form, with the limits under which it would be right.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The 60 ms leave out the picture itself, 60 ms for 150 kB at 20 Mb/s, and they are a median: what counts is the share within the deadline, and with a p99 of 120 ms only 88 % meet 150 ms.
# In a tunnel the answer never comes, and a warning to a sleeping driver must not depend on a network, so offline operation is a hard limit and decides alone.
# The pictures show a person in her car; they may not be allowed to leave it, and no price buys that back.
# 11 USD a million is the price at 50 % load: driving happens at rush hours, at 5 % it is 111 USD, and an uplink in each car is paid too.
# The port costs a fixed sum, so I compute the volume from which it is cheaper; for a fleet that is asked every second this is reached soon.
# I would run the small model in the car, make it faster there, and send only consented, uncertain cases later over Wi-Fi to improve the model, with signed updates coming back.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("38")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | on-device | 端侧 | runs where the data arise |
# | edge server | 边缘服务器 | one network hop away, shared |
# | cloud region | 云端 | shared data centre far from the user |
# | on-premise | 本地私有部署 | an edge server in the customer's own server room |
# | split computing | 协同推理/模型切分 | part of a network on each side |
# | cascade | 级联 | uncertain cases go to a bigger model |
# | round-trip time | 往返时延 (RTT) | network delay there and back |
# | uplink | 上行链路 | the connection from the device upwards |
# | radio tail | 射频拖尾 | state of high power after sending |
# | utilisation | 利用率 | share of the paid time that works |
# | data residency | 数据驻留 | rule on where data may be stored or processed |
# | break-even | 盈亏平衡点 | volume at which two options cost the same |
# | minimum cut | 最小割 | the cheapest set of arrows that separates source and sink |
# | token bucket | 令牌桶 | lets through bytes at a fixed mean rate |
# | dynamic driving task | 动态驾驶任务 | real-time steering, braking and monitoring (SAE J3016) |
# | OTA update | 空中升级 | remote replacement of model or firmware |

# %% [markdown]
# ## Sources
#
# - Y. Kang et al., *Neurosurgeon: Collaborative Intelligence Between the Cloud and Mobile Edge*, ASPLOS 2017, abstract.
# - C. Hu et al., *Dynamic Adaptive DNN Surgery for Inference Acceleration on the Edge*, INFOCOM 2019. J. Edmonds and R. M. Karp, *Theoretical improvements in algorithmic efficiency for network flow problems*, JACM 1972.
# - J. Huang et al., *A Close Examination of Performance and Power Characteristics of 4G LTE Networks*, MobiSys 2012, abstract.
# - A. Dosovitskiy and T. Brox, *Inverting Visual Representations with Convolutional Networks*, CVPR 2016.
# - C. Barnes et al., *PatchMatch*, SIGGRAPH 2009; D. Goldman, who led Content-Aware Fill, on Stack Overflow, 2014 (question 2530449). BMCC OpenLab, *AI-assisted tools in Photoshop*, 9 March 2026.
# - Tesla, support page *Tesla Vision Update: Replacing Ultrasonic Sensors with Tesla Vision*. OpenAI, *Deprecations*, documentation of the API. Both looked up in November 2026.
# - SAE International, *J3016: Taxonomy and Definitions for Terms Related to Driving Automation Systems*, 2021. ETSI, *Multi-access Edge Computing*, group specification MEC 002.
