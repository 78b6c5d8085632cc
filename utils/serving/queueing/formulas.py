"""What queueing theory says about one line: means, tails and the share that waits.

M/M/c: Poisson arrivals, exponential service times, c servers that share a line. M/D/1: constant service, one server.
M/G/1: any service, known by its mean and its squared coefficient of variation (scv), variance over mean squared.
Sources: A. K. Erlang 1917; L. Kleinrock, Queueing Systems I, 1975.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from utils.cost.checks import non_negative, positive


def mg1_wait_s(rate_per_s: float, service_s: float, scv: float) -> float:
    """Mean wait in s of Poisson arrivals at one server: rho s (1 + scv) / (2 (1 - rho)), Pollaczek and Khinchine.

    Raises ValueError "unstable" at a utilisation rho = rate * service of 1 or more.

    >>> round(mg1_wait_s(80, 0.01, 0), 6)
    0.02
    """
    positive(rate_per_s=rate_per_s, service_s=service_s)
    non_negative(scv=scv)
    utilization = rate_per_s * service_s
    if utilization >= 1:
        raise ValueError(f"rate_per_s must stay below 1 / service_s, got utilisation {utilization:.3g} >= 1: unstable")
    return utilization * service_s * (1 + scv) / (2 * (1 - utilization))


def md1_time_s(rate_per_s: float, service_s: float) -> float:
    """Mean latency in s, wait plus service, with a constant service time. ValueError "unstable" as in `mg1_wait_s`."""
    return mg1_wait_s(rate_per_s, service_s, 0.0) + service_s


def mm1_time_s(rate_per_s: float, service_s: float, quantile: float | None = None) -> float:
    """Latency in s with exponential service: the mean s / (1 - rho), or a quantile, -ln(1 - quantile) times it.

    The latency of M/M/1 is exponential itself (Kleinrock, Queueing Systems I, 1975). ValueError "unstable" as in
    `mg1_wait_s`, and for a quantile that does not lie between 0 and 1.

    >>> round(mm1_time_s(80, 0.01, 0.99), 3)
    0.23
    """
    mean_s = mg1_wait_s(rate_per_s, service_s, 1.0) + service_s
    if quantile is None:
        return mean_s
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
    return float(-np.log1p(-quantile)) * mean_s


# --- several servers --------------------------------------------------------------------------


@dataclass(frozen=True)
class QueueMetrics:
    """Long-run means of an M/M/c queue: busy share, share that waits, wait and latency in s, waiting requests."""

    utilization: float
    p_wait: float
    wait_s: float
    time_s: float
    queue_len: float


def erlang_b(servers: int, offered: float) -> float:
    """Share of requests that find all servers busy when nobody may wait; `offered` = rate * service, in Erlang.

    The recursion B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1)) needs neither powers nor factorials, so 10,000 servers are
    no trouble. Raises ValueError for fewer than 0 servers or a negative load.
    """
    non_negative(servers=servers, offered=offered)
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked


def erlang_c(servers: int, offered: float) -> float:
    """Probability that a request has to wait in M/M/c with `servers` servers and `offered` Erlang of load.

    B / (1 - rho (1 - B)) with Erlang's B and rho = offered / servers. Raises ValueError for servers < 1, a negative
    load, and "unstable" for offered >= servers.

    >>> round(erlang_c(2, 1.5), 6)
    0.642857
    """
    if servers < 1:
        raise ValueError(f"servers must be at least 1, got {servers}")
    non_negative(offered=offered)
    if offered >= servers:
        raise ValueError(f"offered must stay below {servers} servers, got {offered}: unstable")
    blocked = erlang_b(servers, offered)
    return blocked / (1 - offered / servers * (1 - blocked))


def mmc_metrics(rate_per_s: float, service_s: float, servers: int) -> QueueMetrics:
    """The long-run means of M/M/c. Raises ValueError as `erlang_c` does."""
    positive(rate_per_s=rate_per_s, service_s=service_s)
    offered = rate_per_s * service_s
    p_wait = erlang_c(servers, offered)
    wait_s = p_wait * service_s / (servers - offered)
    return QueueMetrics(offered / servers, p_wait, wait_s, wait_s + service_s, rate_per_s * wait_s)


def mmc_time_tail(rate_per_s: float, service_s: float, servers: int, t_s: float) -> float:
    """P(latency > t_s) in M/M/c: e^(-m) (1 + C (1 - e^(-m d)) / d) with m = t / service, d = servers - 1 - offered.

    At d = 0 the fraction is its limit m. Raises ValueError as `erlang_c` does, and for a negative time.
    """
    positive(rate_per_s=rate_per_s, service_s=service_s)
    non_negative(t_s=t_s)
    offered = rate_per_s * service_s
    return _tail(erlang_c(servers, offered), t_s / service_s, servers - 1 - offered)


def _tail(p_wait: float, m: float, d: float) -> float:
    if abs(d * m) < 1e-9:
        return math.exp(-m) * (1 + p_wait * m)
    if d < 0:  # both exponents stay negative, so nothing overflows
        return math.exp(-m) + p_wait * (math.exp(-m * (1 + d)) - math.exp(-m)) / -d
    return math.exp(-m) * (1 - p_wait * math.expm1(-m * d) / d)


def two_choices_tail(utilization: float, length: int) -> float:
    """Share of servers with `length` requests or more, when each request picks the shorter of two random queues.

    rho^(2^length - 1) for very many servers with exponential service; one random choice has rho^length
    (M. Mitzenmacher, IEEE TPDS 12(10), 2001). Raises ValueError for a load outside [0, 1) or a negative length.
    """
    if not 0 <= utilization < 1:
        raise ValueError(f"utilization must lie in [0, 1), got {utilization}")
    non_negative(length=length)
    return utilization ** (2.0**length - 1)


# --- many parts, many tries -------------------------------------------------------------------


def any_slow(fan_out: int, p_slow: float) -> float:
    """Probability that at least one of `fan_out` independent answers is slow: 1 - (1 - p)^n."""
    if not 0 <= p_slow <= 1:
        raise ValueError(f"p_slow must lie in [0, 1], got {p_slow}")
    non_negative(fan_out=fan_out)
    return 1 - (1 - p_slow) ** fan_out


def retry_amplification(p_fail: float, max_retries: int) -> float:
    """Tries a request makes on average if each fails with `p_fail` and is tried again up to `max_retries` times.

    (1 - p^(r+1)) / (1 - p), and r + 1 for p = 1. Raises ValueError for p outside [0, 1] or negative retries.
    """
    if not 0 <= p_fail <= 1:
        raise ValueError(f"p_fail must lie in [0, 1], got {p_fail}")
    non_negative(max_retries=max_retries)
    return float(sum(p_fail**k for k in range(max_retries + 1)))
