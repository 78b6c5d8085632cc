"""A chain of layers cut in two: the first k on the device, the rest in the cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

from utils.delivery.placement.deadline import upload_ms


@dataclass(frozen=True)
class Cut:
    """One cut: k layers on the device, and the times (ms) of its parts; `network_ms` is transfer and round trip."""

    k: int
    edge_ms: float
    network_ms: float
    cloud_ms: float

    @property
    def total_ms(self) -> float:
        """The time of one inference."""
        return self.edge_ms + self.network_ms + self.cloud_ms

    def as_dict(self) -> dict[str, float]:
        """The fields and the total as plain data."""
        return asdict(self) | {"total_ms": self.total_ms}


def chain_cuts(edge_ms: Sequence[float], cloud_ms: Sequence[float], crossing_bytes: Sequence[float], uplink_mbps: float,
               rtt_ms: float) -> list[Cut]:
    """All n + 1 cuts of a chain of n layers.

    `crossing_bytes[k]` is what enters layer k (0 is the first one), so it is sent when k layers run on the device. With
    all of them there nothing is sent and there is no round trip. Raises ValueError if the lists differ in length.
    """
    n = len(edge_ms)
    if not n == len(cloud_ms) == len(crossing_bytes):
        raise ValueError(f"edge_ms, cloud_ms and crossing_bytes must have one length, got {n}, {len(cloud_ms)} and "
                         f"{len(crossing_bytes)}")
    before = list(accumulate(edge_ms, initial=0.0))  # (n + 1,)
    after = list(accumulate(reversed(cloud_ms), initial=0.0))[::-1]  # (n + 1,)
    network = [upload_ms(size, uplink_mbps) + rtt_ms for size in crossing_bytes] + [0.0]
    return [Cut(k, *parts) for k, parts in enumerate(zip(before, network, after))]


def best_cut(cuts: Sequence[Cut]) -> Cut:
    """The cut with the smallest total; among equals the one with more layers on the device."""
    return min(cuts, key=lambda cut: (cut.total_ms, -cut.k))


def best_split(edge_ms: Sequence[float], cloud_ms: Sequence[float], crossing_bytes: Sequence[float],
               uplink_mbps: float, rtt_ms: float) -> tuple[int, float]:
    """(k, ms) of the fastest cut: the first k layers run on the device, the rest in the cloud.

    Parameters and errors as in `chain_cuts`. Kang et al., Neurosurgeon, ASPLOS 2017, choose like this.

    >>> best_split([20, 30, 40, 60, 5], [1, 2, 2, 3, .5], [150528, 802816, 200704, 50176, 4096], 8, 10)
    (3, 153.676)
    """
    best = best_cut(chain_cuts(edge_ms, cloud_ms, crossing_bytes, uplink_mbps, rtt_ms))
    return best.k, best.total_ms


def crossover_mbps(edge_ms: Sequence[float], cloud_ms: Sequence[float], crossing_bytes: Sequence[float],
                   rates_mbps: Sequence[float], rtt_ms: float) -> list[tuple[float, int]]:
    """The best k at each of some rates, as (first rate at which it is the best, k) whenever it changes."""
    found: list[tuple[float, int]] = []
    for rate in rates_mbps:
        k, _ = best_split(edge_ms, cloud_ms, crossing_bytes, rate, rtt_ms)
        if not found or found[-1][1] != k:
            found.append((rate, k))
    return found
