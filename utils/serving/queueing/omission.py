"""Coordinated omission: a client that waits for its answers sends less while the server stalls, and sees less of it."""

from __future__ import annotations

from utils.cost.checks import non_negative, positive


def corrected_latency(period: float, services: list[float]) -> tuple[list[float], list[float]]:
    """Latencies of one client that should send request k at k * period, and sends after the answer before it.

    The first list counts from when each request was sent, the second from when it was due. Times in one unit. Raises
    ValueError for a period that is not positive or a negative service.

    >>> corrected_latency(10, [1, 35, 1, 1])
    ([1, 35, 1, 1], [1, 35, 26, 17])
    """
    positive(period=period)
    if services:
        non_negative(services=min(services))
    free, corrected = 0, []
    for k, service in enumerate(services):
        free = max(k * period, free) + service
        corrected.append(free - k * period)
    return list(services), corrected
