"""Will the answer be there in time? Payload over a link, inference, and a round trip that varies."""

from __future__ import annotations

import math
from statistics import NormalDist

from utils.cost.checks import non_negative, positive

Z_99 = NormalDist().inv_cdf(0.99)  # 2.3263: a normal variable stays below it 99 times in 100


def upload_ms(payload_bytes: float, uplink_mbps: float) -> float:
    """Time in ms to send `payload_bytes` at `uplink_mbps` (10^6 bits per second), without any round trip.

    Raises ValueError for a negative payload or a rate that is not positive.

    >>> upload_ms(150_000, 20)
    60.0
    """
    non_negative(payload_bytes=payload_bytes)
    positive(uplink_mbps=uplink_mbps)
    return 8 * payload_bytes / (1000 * uplink_mbps)


def lognormal_from_quantiles(p50: float, p99: float) -> tuple[float, float]:
    """(mu, sigma) of the lognormal variable with this median and this 99th percentile.

    Its logarithm is normal with mean mu and standard deviation sigma. Raises ValueError unless 0 < p50 < p99.

    >>> round(lognormal_from_quantiles(40, 120)[1], 5)
    0.47225
    """
    positive(p50=p50)
    if not p99 > p50:
        raise ValueError(f"p99 must be above p50, got {p99} and {p50}")
    return math.log(p50), math.log(p99 / p50) / Z_99


def deadline_hit_rate(payload_bytes: float, uplink_mbps: float, infer_ms: float, rtt_p50_ms: float, rtt_p99_ms: float,
                      deadline_ms: float) -> float:
    """Share of requests whose payload time + inference + round trip stays within `deadline_ms`.

    The round trip (RTT) is lognormal with the given median and 99th percentile; the other two parts are fixed. 0.0
    when they leave nothing for the round trip.
    Raises ValueError when rtt_p99_ms is not above rtt_p50_ms, whatever the deadline.

    >>> round(deadline_hit_rate(150_000, 20, 20, 40, 120, 150), 5)
    0.88199
    """
    mu, sigma = lognormal_from_quantiles(rtt_p50_ms, rtt_p99_ms)
    budget_ms = deadline_ms - upload_ms(payload_bytes, uplink_mbps) - infer_ms
    if budget_ms <= 0:
        return 0.0
    return NormalDist(mu, sigma).cdf(math.log(budget_ms))


def travelled_m(speed_kmh: float, latency_ms: float) -> float:
    """Metres that a vehicle travels at `speed_kmh` while it waits for `latency_ms`.

    >>> round(travelled_m(120, 250), 2)
    8.33
    """
    return speed_kmh / 3.6 * latency_ms / 1000
