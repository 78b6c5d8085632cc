"""Exercise 38.deadline_hit: how often an answer over a network is in time."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from utils.delivery import placement

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Z = NormalDist().inv_cdf(0.99)


def _upload(payload_bytes: float, uplink_mbps: float) -> float:
    return payload_bytes * 8 / (uplink_mbps * 1000)


def _lognormal(budget: float, p50: float, p99: float, z: float = Z) -> float:
    return NormalDist(math.log(p50), math.log(p99 / p50) / z).cdf(math.log(budget))


def _budget_ms(upload: float, infer: float, deadline: float) -> float:
    return deadline - upload - infer


def _answer(share: Callable = _lognormal, upload: Callable = _upload, budget_of: Callable = _budget_ms, check: str = "first",
            floor: bool = True) -> Callable:
    """An answer; right by default. `check` is "first", "late" (only with a budget) or "never"."""

    def answer(payload_bytes, uplink_mbps, infer_ms, rtt_p50_ms, rtt_p99_ms, deadline_ms):
        wrong = rtt_p99_ms <= rtt_p50_ms
        if check == "first" and wrong:
            raise ValueError("p99 must be above p50")
        budget = budget_of(upload(payload_bytes, uplink_mbps), infer_ms, deadline_ms)
        if floor and budget <= 0:
            return 0.0
        if check == "late" and wrong:
            raise ValueError("p99 must be above p50")
        return share(budget, rtt_p50_ms, rtt_p99_ms)

    return answer


def _mean(budget: float, p50: float, p99: float) -> float:
    mu, sigma = math.log(p50), math.log(p99 / p50) / Z
    return 1.0 if math.exp(mu + sigma**2 / 2) <= budget else 0.0


def _normal(budget: float, p50: float, p99: float) -> float:
    return NormalDist(p50, (p99 - p50) / Z).cdf(budget)


def _no_logarithm(budget: float, p50: float, p99: float) -> float:
    return NormalDist(math.log(p50), p99 / p50 / Z).cdf(math.log(budget))


def _any_sigma(budget: float, p50: float, p99: float) -> float:
    """Standardises by hand, so that a sigma of 0 or below goes through."""
    sigma = math.log(p99 / p50) / Z or 1e-9
    return NormalDist().cdf(math.log(budget / p50) / sigma)


def _with_z(z: float) -> Callable:
    return _answer(share=lambda budget, p50, p99: _lognormal(budget, p50, p99, z))


# --- right answers ------------------------------------------------------------------------------


def _by_erf(payload_bytes, uplink_mbps, infer_ms, rtt_p50_ms, rtt_p99_ms, deadline_ms):
    if not rtt_p99_ms > rtt_p50_ms:
        raise ValueError("the 99th percentile must be above the median")
    left = deadline_ms - infer_ms - 8e-3 * payload_bytes / uplink_mbps
    if left <= 0:
        return 0.0
    sigma = math.log(rtt_p99_ms / rtt_p50_ms) / 2.3263
    return 0.5 * (1 + math.erf(math.log(left / rtt_p50_ms) / (sigma * math.sqrt(2))))


def _seconds(payload_bytes, uplink_mbps, infer_ms, rtt_p50_ms, rtt_p99_ms, deadline_ms):
    if rtt_p99_ms <= rtt_p50_ms:
        raise ValueError("p99")
    left_s = deadline_ms / 1e3 - infer_ms / 1e3 - payload_bytes * 8 / (uplink_mbps * 1e6)
    if left_s <= 1e-12:
        return 0
    ratio = np.log(1e3 * left_s / rtt_p50_ms) / np.log(rtt_p99_ms / rtt_p50_ms)
    return NormalDist().cdf(float(ratio) * Z)


def _draw(rng: np.random.Generator) -> Case:
    payload = int(rng.integers(1, 400)) * 1000
    rate = float(rng.choice([1, 2, 5, 10, 20, 50, 100]))
    infer, p50 = float(rng.integers(1, 80)), float(rng.integers(5, 80))
    p99 = p50 * float(rng.choice([1.25, 1.5, 2, 3, 5, 8]))
    upload = payload * 8 / (rate * 1000)
    deadline = round(upload + infer + p50 * float(rng.uniform(-0.2, 3.0)), 2)
    return Case(payload, rate, infer, p50, p99, deadline)


deadline_hit = Exercise(
    id="38.deadline_hit", points=3, difficulty=2, minutes=10, idea="a deadline is met by a share of requests, not by a mean",
    reference=placement.deadline_hit_rate, compare=close(rtol=0, atol=1e-4),
    cases=[Case(150_000, 20, 20, 40, 120, 150), Case(150_000, 5, 20, 40, 120, 150), Case(0, 20, 10, 40, 120, 50)],
    hidden=[
        Case(125_000, 1, 20, 40, 120, 1020), Case(125_000, 1, 20, 40, 120, 1019), Case(0, 1, 0, 10, 20, 0), Case(0, 10, 0, 40, 120, 120),
        Case(0, 10, 0, 40, 41, 40.5), Case(0, 10, 0, 1, 10_000, 3), Case(0, 10, 0, 1, 10_000, 0.5), Case(0, 10, 0, 40, 120, 1e6), Case(0, 10, 0, 40, 120, 1e-6),
        Case(1_000_000, 100, 5, 20, 300, 125), Case(150_000, 20, 20, 40, 400, 150), Case(150_000, 20, 20, 40, 120, 120),
        Case(150_000, 20, 20, 40, 120, 81),
    ],
    draw=_draw, draws=25,
    raises=[Case(150_000, 20, 20, 40, 40, 150), Case(150_000, 20, 20, 40, 30, 150), Case(150_000, 1, 20, 40, 40, 150),
            Case(150_000, 1, 20, 40, 20, 150)],
    misconceptions=[
        Misconception(
            "typical_time", _answer(share=lambda budget, p50, p99: 1.0 if p50 <= budget else 0.0),
            "You compare one typical time with the deadline: it fits, so all requests are in time. The round trip varies, and "
            "what lies above the budget is late. Ask which share of the round trips fits into what is left.",
            "One number for all requests.", also=(_answer(share=_mean),)),
        Misconception(
            "normal", _answer(share=_normal),
            "You take the round trip as normally distributed. It is skewed: never below 0, with a long tail upwards. Its "
            "*logarithm* is normal here.",
            "Network delay is skewed."),
        Misconception(
            "bits_and_bytes", _answer(upload=lambda size, rate: size / (rate * 1000)),
            "Your payload takes an eighth of its time. The link is given in bits per second, the payload in bytes.",
            "Bits, not bytes."),
        Misconception(
            "binary_mega", _answer(upload=lambda size, rate: size * 8 / (rate * 1.048576 * 1000)),
            "You take a megabit as 2^20 bits. Links are sold in 10^6.",
            "A megabit is 10^6 bits.", also=(_answer(upload=lambda size, rate: size * 8 / (rate * 1.024 * 1000)),)),
        Misconception(
            "no_logarithm", _answer(share=_no_logarithm),
            "Your sigma comes from p99 / p50 without the logarithm. mu and sigma belong to the logarithm of the round trip, so "
            "both quantiles have to be taken there too.",
            "Sigma lives on the log scale.",
            also=(_answer(share=lambda b, p50, p99: NormalDist(math.log(p50), (p99 - p50) / Z).cdf(math.log(b))),)),
        Misconception(
            "wrong_z", _with_z(2.0),
            "The 99th percentile of a normal variable does not lie 2 standard deviations above its median. Look up which "
            "z is exceeded once in 100, on one side.",
            "The wrong z.", also=(_with_z(1.6449), _with_z(2.5758), _with_z(3.0), _with_z(1.96))),
        Misconception(
            "no_inference", _answer(budget_of=lambda upload, infer, deadline: deadline - upload),
            "You leave out the inference itself. It takes its part of the deadline too.",
            "The model takes time too."),
        Misconception(
            "no_payload", _answer(budget_of=lambda upload, infer, deadline: deadline - infer),
            "You leave out the time that the payload takes on the link. 150 kB at 20 Mb/s are 60 ms.",
            "The payload takes time."),
        Misconception(
            "no_budget", _answer(floor=False),
            "When payload and inference take the whole deadline, nothing is left for the round trip, and the logarithm of "
            "that is not defined. No request is in time then.",
            "Nothing left is not handled."),
        Misconception(
            "checks_late", _answer(check="late"),
            "You look at p99 and p50 only when there is a budget. The text asks for the ValueError whatever the budget.",
            "The check comes too late."),
        Misconception(
            "not_checked", _answer(share=_any_sigma, check="never"),
            "A 99th percentile at or below the median is no lognormal variable. The text asks for a ValueError.",
            "p99 is not checked."),
    ],
    alternatives=[_answer(), _by_erf, _seconds],
    hints=(
        "First the budget: the deadline minus the payload's time minus the inference. What must the round trip be at most?",
        "ln(RTT) is normal with mean ln(p50). Its standard deviation sigma follows from ln(p99) = ln(p50) + 2.3263 sigma.",
        "`NormalDist(mu, sigma).cdf(math.log(budget))`, after the check of p99 and of the budget.",
    ),
    worth_knowing="With 88 % in time, a user who asks ten times sees a late answer in about seven visits of ten, if the delays are independent.",
)
