"""Exercise 27.min_replicas: the number of replicas for a percentile."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.serving import queueing

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

MOST = 3000  # where a wrong search ends


def _require(rate: float, service_ms: float, slo_ms: float, quantile: float) -> None:
    if not (rate > 0 and service_ms > 0 and slo_ms > 0 and 0 < quantile < 1):
        raise ValueError("bad input")


def _unreachable(service_ms: float, slo_ms: float, quantile: float) -> bool:
    return math.exp(-slo_ms / service_ms) >= 1 - quantile


def _search(meets: Callable[[int, float, float, float, float], bool], *, check: bool = True, told: bool = True) -> Callable:
    """An answer that returns the first number of servers for which `meets(c, offered, m, allowed, service_ms)` is true."""

    def answer(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
        if check:
            _require(rate, service_ms, slo_ms, quantile)
        if told and _unreachable(service_ms, slo_ms, quantile):
            raise ValueError("unreachable")
        offered = rate * service_ms / 1e3
        for c in range(1, MOST):
            if c > offered and meets(c, offered, slo_ms / service_ms, 1 - quantile, service_ms):
                return c
        raise ValueError("unreachable")

    return answer


def _both(meets: Callable[[int, float, float, float, float], bool]) -> dict:
    return {"answer": _search(meets), "also": (_search(meets, told=False), _search(meets, check=False, told=False))}


def _tail(c: int, offered: float, m: float) -> float:
    return queueing.mmc_time_tail(offered, 1.0, c, m)


def _ceil(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    return math.ceil(rate * service_ms / 1e3)


def _ceil_checked(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    _require(rate, service_ms, slo_ms, quantile)
    if _unreachable(service_ms, slo_ms, quantile):
        raise ValueError("unreachable")
    return _ceil(rate, service_ms, slo_ms, quantile)


def _above(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    _require(rate, service_ms, slo_ms, quantile)
    if _unreachable(service_ms, slo_ms, quantile):
        raise ValueError("unreachable")
    return math.floor(rate * service_ms / 1e3) + 1


def _never_unreachable(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    """Gives the largest number that it tries where no number suffices."""
    _require(rate, service_ms, slo_ms, quantile)
    if _unreachable(service_ms, slo_ms, quantile):
        return MOST
    return queueing.min_replicas(rate, service_ms, slo_ms, quantile)


def _forgets_bad_input(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    if slo_ms <= 0 or service_ms <= 0 or rate <= 0:
        return 1
    return queueing.min_replicas(rate, service_ms, slo_ms, quantile)


def _no_limit(share: Callable[[float, float, float], float]) -> Callable:
    """Divides by d, which can be 0. share(waits, m, d) is the part that takes longer."""

    def answer(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
        _require(rate, service_ms, slo_ms, quantile)
        if _unreachable(service_ms, slo_ms, quantile):
            raise ValueError("unreachable")
        offered, m = rate * service_ms / 1e3, slo_ms / service_ms
        c = math.floor(offered) + 1
        while share(queueing.erlang_c(c, offered), m, c - 1 - offered) > 1 - quantile:
            c += 1
        return c

    return answer


def _safe_share(waits: float, m: float, d: float) -> float:
    return math.exp(-m) + waits * (math.exp(-m) - math.exp(-m * (1 + d))) / d


def _factored_share(waits: float, m: float, d: float) -> float:
    """The same with e^(-m) taken out: e^(-m d) does not fit into a float where d is negative and m large."""
    return math.exp(-m) * (1 + waits * (1 - math.exp(-m * d)) / d)


def _overflowing(exp: Callable[[float], float]) -> Callable:
    """Right but for the e^(-m) that is taken out."""

    def meets(c: int, offered: float, m: float, allowed: float, service_ms: float) -> bool:
        d = c - 1 - offered
        with np.errstate(over="ignore", invalid="ignore"):
            return exp(-m) * (1 + queueing.erlang_c(c, offered) * (m if d == 0 else (1 - exp(-m * d)) / d)) <= allowed

    return _search(meets)


def _one_too_many(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    return queueing.min_replicas(rate, service_ms, slo_ms, quantile) + 1


def _bisection(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    _require(rate, service_ms, slo_ms, quantile)
    if _unreachable(service_ms, slo_ms, quantile):
        raise ValueError("unreachable")
    offered, m = rate * service_ms / 1e3, slo_ms / service_ms
    low = math.floor(offered)
    high = low + 1
    while _tail(high, offered, m) > 1 - quantile:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _tail(middle, offered, m) <= 1 - quantile else (middle, high)
    return high


def _log_terms(c: int, offered: float) -> float:
    """Erlang's C by sums of logarithms."""
    top = c * math.log(offered) - math.lgamma(c + 1)
    below = math.fsum(math.exp(k * math.log(offered) - math.lgamma(k + 1) - top) for k in range(c))
    return c / (c - offered) / (below + c / (c - offered))


def _two_exponentials(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    """The tail as a mixture: no wait, or the sum of two exponentials."""
    _require(rate, service_ms, slo_ms, quantile)
    if _unreachable(service_ms, slo_ms, quantile):
        raise ValueError("unreachable")
    offered, m = rate * service_ms / 1e3, slo_ms / service_ms
    c = math.floor(offered) + 1
    while True:
        waits, speed = _log_terms(c, offered), c - offered
        if abs(speed - 1) < 1e-9:
            both = math.exp(-m) * (1 + m)
        else:
            both = (speed * math.exp(-m) - math.exp(-speed * m)) / (speed - 1)
        if (1 - waits) * math.exp(-m) + waits * both <= 1 - quantile:
            return c
        c += 1


def _integral(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    """Integrates over the wait with Simpson's rule."""
    _require(rate, service_ms, slo_ms, quantile)
    if _unreachable(service_ms, slo_ms, quantile):
        raise ValueError("unreachable")
    offered, m = rate * service_ms / 1e3, slo_ms / service_ms
    for c in range(math.floor(offered) + 1, MOST):
        speed, waits = c - offered, queueing.erlang_c(c, offered)
        w = np.linspace(0, m, 4001)
        f = speed * np.exp(-speed * w) * np.exp(-(m - w))
        inside = float((f[0] + f[-1] + 4 * f[1::2].sum() + 2 * f[2:-1:2].sum()) * (w[1] - w[0]) / 3)
        if (1 - waits) * math.exp(-m) + waits * (inside + math.exp(-speed * m)) <= 1 - quantile:
            return c
    raise ValueError("unreachable")


def _clear(rate: float, service_ms: float, slo_ms: float, quantile: float) -> bool:
    """Whether no number of servers comes close to a tie."""
    if abs(math.exp(-slo_ms / service_ms) / (1 - quantile) - 1) < 0.02:
        return False
    offered = rate * service_ms / 1e3
    if _unreachable(service_ms, slo_ms, quantile):
        return True
    first = queueing.min_replicas(rate, service_ms, slo_ms, quantile)
    near = [c for c in (first - 1, first) if c > offered]
    return offered % 1 != 0 and all(abs(_tail(c, offered, slo_ms / service_ms) / (1 - quantile) - 1) > 1e-4 for c in near)


def _draw(rng: np.random.Generator) -> Case:
    while True:
        service_ms = int(rng.choice([5, 8, 10, 20, 25, 40]))
        rate = round(float(10 ** rng.uniform(0.5, 3)) + 0.3, 1)
        slo_ms, quantile = int(service_ms * rng.uniform(3.2, 9)), float(rng.choice([0.8, 0.9, 0.95]))
        if _clear(rate, service_ms, slo_ms, quantile) and not _unreachable(service_ms, slo_ms, quantile):
            return Case(rate, service_ms, slo_ms, quantile)


min_replicas = Exercise(
    id="27.min_replicas", points=4, difficulty=3, minutes=18, idea="stable is not fast",
    reference=queueing.min_replicas,
    cases=[Case(120, 20, 100, 0.99), Case(40, 50, 200, 0.95), Case(10, 50, 100, 0.99, error="ValueError", word="unreachable")],
    hidden=[
        Case(20, 50, 200, 0.85, label="20/s, 50 ms, 200 ms, 0.85: d = 0 at 2 servers"), Case(40, 50, 250, 0.97, label="40/s, 50 ms, 250 ms, 0.97: d = 0 at 3 servers"),
        Case(15_000, 20, 110, 0.99), Case(2, 50, 300, 0.99), Case(1, 10, 30, 0.9), Case(333.3, 30, 150, 0.99), Case(33, 100, 1000, 0.99),
        Case(19, 50, 10_000, 0.99, label="19/s, 50 ms, 10 s, 0.99"), Case(0.5, 1000, 4000, 0.9), Case(7, 200, 450, 0.8),
        Case(900, 1, 1000, 0.99), Case(5990, 1, 2000, 0.99),
    ],
    draw=_draw, draws=25, compare=exact(),
    raises=[Case(50, 20, 20, 0.9, word="unreachable"), Case(1, 30, 60, 0.95, word="unreachable"), Case(0, 20, 100, 0.9), Case(10, 0, 100, 0.9),
            Case(10, 20, 0, 0.9), Case(-1, 20, 100, 0.9), Case(10, -20, 100, 0.9), Case(10, 20, -100, 0.9), Case(10, 20, 100, 1.0), Case(10, 20, 100, 0.0),
            Case(10, 20, 100, 99), Case(10, 20, 100, -0.5)],
    misconceptions=[
        Misconception(
            "stable_is_enough", _ceil_checked,
            "You return the smallest number that carries the load. There the queue is stable, and its tail is long. The "
            "objective has to enter the answer.",
            "Stable is not fast.", also=(_ceil, _above)),
        Misconception(
            "mean", **_both(lambda c, a, m, allowed, s: queueing.mmc_metrics(a, 1.0, c).time_s <= m),
            message="You compare the *mean* time with the objective. The objective is a quantile: only 1 - `quantile` of the requests "
                    "may take longer.",
            title="The objective is a quantile."),
        Misconception(
            "wait_only", **_both(lambda c, a, m, allowed, s: queueing.erlang_c(c, a) * math.exp(-(c - a) * m) <= allowed),
            message="You look at the wait alone. The response is wait plus service, and a service is random too: it can be too "
                    "long by itself.",
            title="The service time is missing."),
        Misconception(
            "separate_queues", **_both(lambda c, a, m, allowed, s: math.exp(-(1 - a / c) * m) <= allowed),
            message="You divide the rate by the replicas and size one of them as M/M/1. That models a separate line for each replica, "
                    "where one can be idle while another's line is long. You buy more than you need.",
            title="One line needs fewer replicas."),
        Misconception(
            "wait_probability", **_both(lambda c, a, m, allowed, s: queueing.erlang_c(c, a) <= allowed),
            message="You ask that hardly anyone *waits*. A request may wait, as long as its whole response stays within the objective.",
            title="Waiting is allowed."),
        Misconception(
            "never_unreachable", _never_unreachable,
            "No number of replicas makes a single service shorter. Where the service alone misses the objective too often, "
            "raise ValueError with the word \"unreachable\".",
            "Replicas do not shorten a service."),
        Misconception(
            "quantile_reversed", **_both(lambda c, a, m, allowed, s: _tail(c, a, m) <= 1 - allowed),
            message="You let the share `quantile` take longer. It is the share that must be *in time*; the rest may be late.",
            title="The quantile is upside down."),
        Misconception(
            "divides_by_zero", _no_limit(_safe_share),
            "d is 0 where the load is exactly one less than the number of replicas, and your formula divides by it. The text "
            "gives the value that the fraction approaches.",
            "d can be 0.", also=(_no_limit(_factored_share),)),
        Misconception(
            "overflows", _overflowing(math.exp),
            "Your formula has e^(-m·d). Where d is negative and the objective is many services long, it is too large for a float. Multiply "
            "e^(-m) into the numerator first, as the text does: then no power is above 1.",
            "e^(-m·d) is too large.", also=(_overflowing(np.exp),)),
        Misconception(
            "one_too_many", _one_too_many,
            "Your number meets the objective, and one fewer does too. Test a number before you add to it.",
            "One replica too many."),
        Misconception(
            "bad_input_accepted", _forgets_bad_input,
            "A rate, a time or an objective that is not positive is a mistake of the caller: raise ValueError.",
            "Bad input was accepted."),
    ],
    alternatives=[_bisection, _two_exponentials, _integral],
    hints=(
        "First ask whether a single service meets the objective often enough. If not, no number of replicas helps.",
        "Start at the smallest number of replicas that is larger than the load. Compute the tail of the response, and add one until it is small enough.",
        "m is slo / service. d is c - 1 - a. Where d is 0 the fraction in the formula is m * exp(-m).",
    ),
    worth_knowing="Real services are rarely exponential. Constant ones need fewer replicas, those with rare slow requests need more: measure the variance, then simulate.",
)
