"""Owned boxes against pay-per-request: what a month costs, and at which volumes which form is the cheapest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from utils.cost.checks import non_negative, positive


@dataclass(frozen=True)
class Tariff:
    """What a form costs in a month: `fixed` for each started `capacity` of requests, and `per_1k` for 1,000 requests.

    A cloud that bills by the request has no fixed part; an owned box has one, and a marginal cost for electricity. A
    capacity of None is without limit: the fixed part is paid once.
    """

    fixed: float = 0.0
    capacity: int | None = None
    per_1k: float = 0.0

    def monthly(self, requests: int) -> float:
        """Cost of a month with this many requests; without requests nothing is bought. ValueError if negative."""
        non_negative(requests=requests)
        boxes = min(requests, 1) if self.capacity is None else math.ceil(requests / self.capacity)
        return boxes * self.fixed + requests * self.per_1k / 1000


def own_cost(requests: int, fixed_per_box: float, box_capacity: int, marginal_per_1k: float = 0.0) -> float:
    """A month's cost of owned boxes; `box_capacity` requests fit one box, and a started box is a whole one.

    >>> own_cost(400_001, 240, 400_000)
    480.0
    """
    non_negative(fixed_per_box=fixed_per_box, marginal_per_1k=marginal_per_1k)
    positive(box_capacity=box_capacity)
    return Tariff(fixed_per_box, box_capacity, marginal_per_1k).monthly(requests)


def cloud_cost(requests: int, per_1k: float) -> float:
    """A month's cost of a cloud that bills `per_1k` for 1,000 requests, pro rata.

    >>> cloud_cost(500, 0.8)
    0.4
    """
    non_negative(per_1k=per_1k)
    return Tariff(per_1k=per_1k).monthly(requests)


def owning_intervals(fixed: float, cloud_per_1k: float, box_capacity: int, max_requests: int) -> list[tuple[int, int]]:
    """Monthly volumes 1...max_requests at which owning costs strictly less than the cloud, as inclusive intervals.

    n requests need ceil(n / box_capacity) boxes at `fixed`; the cloud costs n / 1000 * cloud_per_1k. The intervals are
    maximal and in order. Raises ValueError for an argument that is not positive.

    >>> owning_intervals(240, 0.80, 400_000, 1_000_000)
    [(300001, 400000), (600001, 800000), (900001, 1000000)]
    """
    positive(fixed=fixed, cloud_per_1k=cloud_per_1k, box_capacity=box_capacity, max_requests=max_requests)
    found: list[tuple[int, int]] = []
    for boxes in range(1, math.ceil(max_requests / box_capacity) + 1):
        start, last = (boxes - 1) * box_capacity + 1, min(boxes * box_capacity, max_requests)
        first = max(start, _first_above(boxes * fixed, cloud_per_1k))
        if first > last:
            continue
        if found and found[-1][1] == first - 1:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found


def _first_above(cost: float, per_1k: float) -> int:
    """The least n with n * per_1k / 1000 > cost."""
    n = max(0, math.floor(cost / per_1k * 1000) - 1)  # one below, whatever the division rounded to
    while n * per_1k / 1000 <= cost:
        n += 1
    return n


def cheapest_ranges(tariffs: Mapping[str, Tariff], volumes: Sequence[int]) -> list[tuple[int, int, str]]:
    """Which of several forms is the cheapest at each of the rising `volumes`: runs (first, last, name).

    Among equals the one named first. Raises ValueError for no tariff or volumes that do not rise.

    >>> cheapest_ranges({"cloud": Tariff(per_1k=1), "box": Tariff(100, 200_000)}, [1000, 50_000, 150_000])
    [(1000, 50000, 'cloud'), (150000, 150000, 'box')]
    """
    if not tariffs:
        raise ValueError("tariffs must not be empty, got none")
    if any(b <= a for a, b in pairwise(volumes)):
        raise ValueError("volumes must rise, got equal or falling ones")
    best = [(n, min(tariffs, key=lambda name: tariffs[name].monthly(n))) for n in volumes]
    runs = [list(run) for _, run in groupby(best, key=lambda pair: pair[1])]
    return [(run[0][0], run[-1][0], run[0][1]) for run in runs]


def break_even(owned: Tariff, cloud: Tariff, max_requests: int) -> int | None:
    """The least monthly volume at which `owned` costs strictly less than `cloud`; None if none up to the limit does.

    `cloud` must have no fixed part. Within a box the difference is linear, so one candidate a box is enough.
    Raises ValueError for a cloud with a fixed part or a limit below 1.

    >>> break_even(Tariff(240, 400_000), Tariff(per_1k=0.8), 1_000_000)
    300001
    """
    positive(max_requests=max_requests)
    if cloud.fixed:
        raise ValueError(f"cloud must have no fixed part, got {cloud.fixed}")
    saved_per_1k = cloud.per_1k - owned.per_1k
    if saved_per_1k <= 0:
        return None
    capacity = owned.capacity or max_requests
    for boxes in range(1, math.ceil(max_requests / capacity) + 1):
        first = max((boxes - 1) * capacity + 1, _first_above(boxes * owned.fixed, saved_per_1k))
        if first <= min(boxes * capacity, max_requests):
            return first
    return None
