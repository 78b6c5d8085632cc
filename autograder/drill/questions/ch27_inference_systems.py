"""Drill questions of chapter 27: inference systems."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_little(rng):
    return {"rate": int(rng.choice([20, 40, 80, 120, 250, 400])), "ms": int(rng.choice([15, 25, 60, 150, 300]))}


def _draw_mm1(rng):
    return {"ms": int(rng.choice([5, 8, 10, 15, 20, 30, 50])), "pct": int(rng.choice([50, 60, 70, 75, 80, 90, 95]))}


def _mm1(v):
    return v["ms"] / (1 - v["pct"] / 100)


def _draw_fanout(rng):
    return {"n": int(rng.choice([20, 50, 100, 150, 200])), "pct": float(rng.choice([0.5, 1, 2]))}


def _fanout(v):
    return 100 * (1 - (1 - v["pct"] / 100) ** v["n"])


def _draw_scv(rng):
    return {"c2": float(rng.choice([0, 0.25, 0.5, 1.5, 2, 3, 4, 5, 9]))}


def _draw_retries(rng):
    return {"pct": int(rng.choice([40, 50, 60, 75, 80])), "r": int(rng.choice([2, 3, 4]))}


def _retries(v):
    p = v["pct"] / 100
    return (1 - p ** (v["r"] + 1)) / (1 - p)


def _draw_erlang(rng):
    return {"rate": int(rng.choice([30, 60, 90, 150, 240])), "ms": int(rng.choice([10, 20, 40, 80, 200]))}


QUESTIONS = [
    Numeric(
        "27.little", 1, "A service gets {rate} requests per second and each stays for {ms} ms on average, wait and service together. How many requests "
        "are inside at a time, on average?",
        _draw_little, lambda v: v["rate"] * v["ms"] / 1000,
        "Little's law: requests inside = rate × time = {rate}/s × {ms} ms = {answer}.",
        unit="requests", rtol=0.01,
        traps=((lambda v: v["rate"] * v["ms"], "The rate is per second and the time in milliseconds: one of them has to be converted."),
               (lambda v: v["rate"] / v["ms"], "Requests inside = rate × time. This is a quotient."))),
    Numeric(
        "27.mm1", 1, "One server, random arrivals, random (exponential) service times of {ms} ms on average, {pct} % busy. What is the mean time of a "
        "request in the system, wait and service, in ms?",
        _draw_mm1, _mm1,
        "The mean time is s / (1 − ρ) = {ms} / (1 − {pct}/100) = {answer} ms.",
        unit="ms", rtol=0.01,
        traps=((lambda v: _mm1(v) - v["ms"], "That is the wait alone. The time in the system has the service as well."),
               (lambda v: v["ms"] / (v["pct"] / 100), "Divide by the idle share 1 − ρ, not by the busy one."),
               (lambda v: v["ms"] * (1 + v["pct"] / 100 / (2 * (1 - v["pct"] / 100))), "That is a constant service time (M/D/1). With an exponential one the wait is twice as long."))),
    Numeric(
        "27.fanout", 2, "A request needs the answers of {n} servers. Each is slow with a probability of {pct} %, independently. How likely is it that at "
        "least one is slow, in %?",
        _draw_fanout, _fanout,
        "None is slow with probability (1 − {pct}/100)^{n}. The rest is {answer} %.",
        unit="%", rtol=0.01,
        traps=((lambda v: v["pct"] * v["n"], "Adding counts a request with two slow servers twice; the sum can pass 100 %."),
               (lambda v: v["pct"], "That is one server. The request waits for the slowest of them all."),
               (lambda v: 100 - _fanout(v), "That is the probability that none is slow."))),
    Numeric(
        "27.variability", 2, "Two servers are equally busy and have the same mean service time. Arrivals are random. In one the service times are "
        "exponential (scv 1, where scv is variance over mean squared), in the other the scv is {c2}. How many times as long is the mean wait (without the service) in the "
        "other one?",
        _draw_scv, lambda v: (1 + v["c2"]) / 2,
        "The wait is proportional to 1 + scv: (1 + {c2}) / (1 + 1) = {answer}. For constant times this is half.",
        rtol=0.01,
        traps=((lambda v: v["c2"], "The wait grows with 1 + scv: even constant services wait, because arrivals are random."),
               (lambda v: 1 + v["c2"], "Compare with the exponential queue, whose factor is 1 + 1."))),
    Numeric(
        "27.retries", 3, "Each try of a request fails with a probability of {pct} %, whatever happened before. The client retries at once; retries allowed: {r}. "
        "How many tries does the service see for each request, on average?",
        _draw_retries, _retries,
        "1 + p + … + p^r = (1 − p^(r+1)) / (1 − p) with p = {pct} % and r = {r}: {answer} tries. As p grows under load, so does the load.",
        rtol=0.01,
        traps=((lambda v: 1 + v["r"], "That is the most. A client that succeeds does not try again."),
               (lambda v: 1 / (1 - v["pct"] / 100), "That is without a limit on the retries."),
               (lambda v: 1 + v["pct"] / 100 * v["r"], "The second retry happens only if the first one failed too: its share is p²."))),
    Numeric(
        "27.erlang", 1, "{rate} requests per second come, each needs {ms} ms of one replica. What is the offered load in Erlang?",
        _draw_erlang, lambda v: v["rate"] * v["ms"] / 1000,
        "Rate × service time = {rate}/s × {ms} ms = {answer} Erlang: so many replicas are busy on average. Fewer than that can't carry it.",
        unit="Erlang", rtol=0.005,
        traps=((lambda v: 1000 / v["ms"], "That is what one replica can do in a second."),
               (lambda v: v["rate"] * v["ms"], "The service time has to be in seconds."))),
    Choice(
        "27.busy_gpu", 1, "A server is 95 % busy. Is that good?",
        "Fine for offline work, a risk for interactive requests",
        (("Always good: what is idle is wasted", "With random arrivals the mean time is 20 services at 95 % in M/M/1, against 2 at 50 %."),
         ("Impossible in practice", "An offline job that reads from a list keeps a server busy all the time."),
         ("A sign that memory is short", "Being busy says nothing about memory.")),
        "Without a deadline a full machine is a cheap machine. With one, the idle share is what keeps the queue short."),
    Choice(
        "27.jmeter", 2, "A load test with 10 threads reports a p99 of 20 ms. Users see 2 s. What do you suspect first?",
        "The threads wait for their answers: while the server stalls they send nothing",
        (("The network of the users alone", "It would add to every request, the median too, and rarely two seconds."),
         ("Garbage collection in the load generator", "That would make the test's numbers larger, not smaller."),
         ("A mistake in the percentile", "Nearest rank and interpolation differ by one sample, not by a factor of 100.")),
        "A closed loop of 10 clients has at most 10 requests inside. Count from when a request was due, with arrivals that do not wait."),
    Choice(
        "27.one_line", 2, "Four replicas. Which way to hand out the requests gives the shortest mean wait, if nothing is known about their length?",
        "One line; a replica takes the next when it is free",
        (("A random replica", "One replica's line can be long while another is idle."),
         ("Each replica in turn", "Better than random, and a request still waits behind a long one while another replica is idle."),
         ("Two random replicas, the shorter line of them", "Much better than random, and close to the best where a common line is not possible.")),
        "With one line no replica is idle while a request waits. Where lines must be separate, two choices get most of it."),
    Open(
        "27.never_recovers", 3, "A service runs at 70 % load and its p99 is fine. A database behind it stalls for 10 seconds. The stall ends, and the service "
        "never recovers. What happened, and what do you change?",
        ("The queue is full of requests whose clients have given up", "Retries multiply the load, above the capacity", "Deadlines: work that can't end in time is "
         "shed", "A bounded queue, newest first under overload", "Back-off with jitter, a budget for retries, a circuit breaker", "A test that causes the stall"),
        "During the stall requests pile up. When it ends the server works on requests whose clients have given up, and those clients have sent new ones. With one "
        "retry each the load is up to 140 %, so the queue never empties: a metastable failure. I send the deadline along and drop what can't end in time, bound "
        "the queue, take the newest first under overload, limit retries with a budget, back-off and jitter, and add a circuit breaker. And I rehearse the stall."),
]
