"""How much a service can take, and how many replicas it needs, to keep a latency objective."""

from __future__ import annotations

import math
from collections.abc import Callable

from utils.cost.checks import positive
from utils.serving.queueing.formulas import _tail


def max_rate_under_slo(simulate: Callable[[float], float], slo_ms: float, lo: float, hi: float, tol: float) -> float:
    """The largest rate in [lo, hi] whose latency `simulate(rate)` in ms stays within `slo_ms`, to within `tol`.

    Bisection, as MLPerf's load generator does it: `simulate` should not fall with the rate. Raises ValueError if the
    objective is missed at `lo`, or for lo > hi or a tolerance that is not positive.
    """
    positive(tol=tol)
    if lo > hi:
        raise ValueError(f"lo must not exceed hi, got {lo} and {hi}")
    at_lo = simulate(lo)
    if at_lo > slo_ms:
        raise ValueError(f"lo must meet the objective, got {at_lo:.3g} ms at {lo:g}/s against {slo_ms:g} ms")
    if simulate(hi) <= slo_ms:
        return float(hi)
    while hi - lo > tol:
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if simulate(middle) <= slo_ms else (lo, middle)
    return float(lo)


def replicas_for(rate_per_s: float, service_s: float, slo_s: float, quantile: float,
                 max_servers: int = 10_000) -> int:
    """The smallest number of servers behind one line for which P(latency <= slo) reaches `quantile` in M/M/c.

    Erlang's recursion is carried along from one number of servers to the next. Raises ValueError "unreachable" if a
    single service is too long already, e^(-slo / service) >= 1 - quantile, or if `max_servers` don't suffice; and for
    values that are not positive, or a quantile that does not lie between 0 and 1.
    """
    positive(rate_per_s=rate_per_s, service_s=service_s, slo_s=slo_s)
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
    m, offered, allowed = slo_s / service_s, rate_per_s * service_s, 1 - quantile
    if math.exp(-m) >= allowed:
        raise ValueError(f"slo_s is unreachable: {math.exp(-m):.3g} of the services alone take longer than {slo_s:g} s")
    blocked = 1.0
    for servers in range(1, max_servers + 1):
        blocked = offered * blocked / (servers + offered * blocked)
        if offered >= servers:
            continue
        p_wait = blocked / (1 - offered / servers * (1 - blocked))
        if _tail(p_wait, m, servers - 1 - offered) <= allowed:
            return servers
    raise ValueError(f"slo_s is unreachable with {max_servers} servers")


def min_replicas(rate: float, service_ms: float, slo_ms: float, quantile: float) -> int:
    """The smallest number of replicas for which P(latency <= slo_ms) is at least `quantile` in M/M/c.

    `rate` in requests per second, the mean service time and the objective in ms. Raises ValueError "unreachable" where
    no number suffices, and for values that are not positive or a quantile that does not lie between 0 and 1.

    >>> min_replicas(120, 20, 100, 0.99)
    4
    """
    return replicas_for(rate, service_ms / 1e3, slo_ms / 1e3, quantile)
