"""Exercise 38.owning_intervals: at which volumes owned boxes are cheaper than the cloud."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.delivery import placement

from ...exercise import Case, Exercise, Misconception

Intervals = list[tuple[int, int]]


def _refuse(*values: float) -> None:
    if any(value <= 0 for value in values):
        raise ValueError("arguments must be positive")


def _ceil_boxes(n: np.ndarray, capacity: int) -> np.ndarray:
    return -(-n // capacity)


def _pro_rata(n: np.ndarray, per_1k: float) -> np.ndarray:
    return n * per_1k / 1000


def _scan(boxes: Callable = _ceil_boxes, cloud: Callable = _pro_rata, wins: Callable = np.less, check: bool = True,
          end: int = 0) -> Callable:
    """An answer that looks at every volume; right by default. `end` shifts the last volume of each interval."""

    def answer(fixed: float, cloud_per_1k: float, box_capacity: int, max_requests: int) -> Intervals:
        if check:
            _refuse(fixed, cloud_per_1k, box_capacity, max_requests)
        n = np.arange(1, max_requests + 1)
        won = wins(boxes(n, box_capacity) * fixed, cloud(n, cloud_per_1k))
        steps = np.diff(np.concatenate([[0], won.astype(int), [0]]))
        firsts, lasts = np.nonzero(steps == 1)[0] + 1, np.nonzero(steps == -1)[0]
        return [(int(a), int(b) + end) for a, b in zip(firsts, lasts)]

    return answer


def _one_break_even(fixed: float, cloud_per_1k: float, box_capacity: int, max_requests: int) -> Intervals:
    """The first box decides, for ever."""
    _refuse(fixed, cloud_per_1k, box_capacity, max_requests)
    first = math.floor(fixed / cloud_per_1k * 1000) + 1
    return [(first, max_requests)] if first <= max_requests else []


def _box_by_box(fixed: float, cloud_per_1k: float, box_capacity: int, max_requests: int) -> Intervals:
    """One interval a box, neighbours or not."""
    _refuse(fixed, cloud_per_1k, box_capacity, max_requests)
    found = []
    for first, last in _scan()(fixed, cloud_per_1k, box_capacity, max_requests):
        while first <= last:
            end = min(last, -(-first // box_capacity) * box_capacity)
            found.append((first, end))
            first = end + 1
    return found


# --- right answers ------------------------------------------------------------------------------


def _by_boxes(fixed: float, cloud_per_1k: float, box_capacity: int, max_requests: int) -> Intervals:
    _refuse(fixed, cloud_per_1k, box_capacity, max_requests)
    found: Intervals = []
    for start in range(0, max_requests, box_capacity):
        cost = (start // box_capacity + 1) * fixed
        low, high = start, min(start + box_capacity, max_requests)  # bisect: the wins are at the upper end
        while low < high:
            middle = (low + high + 1) // 2
            if cost < middle * cloud_per_1k / 1000:
                high = middle - 1
            else:
                low = middle
        last = min(start + box_capacity, max_requests)
        if low < last:
            if found and found[-1][1] == low:
                found[-1] = (found[-1][0], last)
            else:
                found.append((low + 1, last))
    return found


def _plain_loop(fixed: float, cloud_per_1k: float, box_capacity: int, max_requests: int) -> Intervals:
    if min(fixed, cloud_per_1k, box_capacity, max_requests) <= 0:
        raise ValueError("positive arguments, please")
    found, first = [], None
    for n in range(1, max_requests + 1):
        cheaper = ((n - 1) // box_capacity + 1) * fixed < n * cloud_per_1k / 1000
        if cheaper and first is None:
            first = n
        elif not cheaper and first is not None:
            found.append((first, n - 1))
            first = None
    return [*found, (first, max_requests)] if first is not None else found


def _ties(fixed: float, per_1k: float, capacity: int, most: int) -> bool:
    """Whether some volume costs the same both ways, or nearly so."""
    n = np.arange(1, most + 1)
    own = _ceil_boxes(n, capacity) * fixed
    return bool(np.any(np.abs(own - _pro_rata(n, per_1k)) < 1e-9 * own))


def _draw(rng: np.random.Generator) -> Case:
    while True:
        capacity = int(rng.integers(3, 120))
        per_1k = float(rng.integers(40, 4000)) / 4
        full_box = capacity * per_1k / 1000
        fixed = math.ceil(full_box * float(rng.uniform(0.3, 1.2)) * 64) / 64
        most = int(rng.integers(1, 9 * capacity))
        if not _ties(fixed, per_1k, capacity, most):
            return Case(fixed, per_1k, capacity, most)


owning_intervals = Exercise(
    id="38.owning_intervals", points=4, difficulty=2, minutes=12, idea="each further box resets the race",
    reference=placement.owning_intervals,
    cases=[Case(240, 0.80, 400_000, 1_000_000), Case(100, 1.00, 200_000, 500_000), Case(500, 1.00, 400_000, 1_000_000)],
    hidden=[
        Case(125, 250, 1000, 3000), Case(125, 250, 500, 2500), Case(1.0, 500, 2, 2), Case(1.0, 500, 3, 9), Case(2.0, 125, 16, 64),
        Case(0.5, 1000, 1, 5), Case(1.0, 1000, 1, 5), Case(3.0, 1500, 1, 1), Case(0.75, 250, 4, 16), Case(0.875, 250, 4, 20),
        Case(7.0, 1000, 10, 7), Case(7.0, 1000, 10, 8), Case(12.5, 250, 100, 100), Case(12.5, 250, 100, 101),
        Case(1e6, 1.0, 10, 1000), Case(64.0, 125, 1000, 1000), Case(10.0, 20.0, 1500, 2500),
    ],
    draw=_draw, draws=25,
    raises=[Case(0, 0.8, 10, 10), Case(-1.0, 0.8, 10, 10), Case(240, 0, 10, 10), Case(240, -0.5, 10, 10), Case(240, 0.8, 0, 10),
            Case(240, 0.8, -3, 10), Case(240, 0.8, 10, 0), Case(240, 0.8, 10, -1), Case(0.0, 1.0, 10, 10)],
    misconceptions=[
        Misconception(
            "one_break_even", _one_break_even,
            "You compute one break-even and let owning win from there on. One request above the capacity needs a second box, "
            "and its price has to be earned again. Look at the first volume that needs two boxes.",
            "The second box resets the race.",
            also=(_scan(boxes=lambda n, c: np.ones_like(n)),)),
        Misconception(
            "ties_win", _scan(wins=np.less_equal),
            "You count a volume at which both cost the same. The text asks for strictly less.",
            "A tie is not a win."),
        Misconception(
            "fractional_boxes", _scan(boxes=lambda n, c: n / c),
            "You buy parts of a box: n / box_capacity need not be whole. Half a server can't be bought. Then owning would win at "
            "every volume or at none.",
            "Boxes come whole.", also=(_scan(boxes=lambda n, c: np.maximum(n / c, 1)),)),
        Misconception(
            "one_box_too_many", _scan(boxes=lambda n, c: n // c + 1),
            "At a volume that fills its boxes exactly you buy one more. n = box_capacity still fits one box.",
            "A full box is enough."),
        Misconception(
            "full_boxes_only", _scan(boxes=lambda n, c: n // c),
            "You pay only for boxes that are full. A started box costs as much as a full one.",
            "A started box is a whole one.", also=(_scan(boxes=lambda n, c: np.maximum(n // c, 1)),
                                                   _scan(boxes=lambda n, c: np.round(n / c)))),
        Misconception(
            "not_merged", _box_by_box,
            "You return one interval for each number of boxes. Where one ends at n and the next begins at n + 1, they are one.",
            "Neighbours belong together."),
        Misconception(
            "started_thousands", _scan(cloud=lambda n, p: -(-n // 1000) * p),
            "You let the cloud bill started thousands. The text says pro rata: 500 requests cost half of `cloud_per_1k`.",
            "The cloud bills pro rata.", also=(_scan(cloud=lambda n, p: n // 1000 * p),)),
        Misconception(
            "per_request", _scan(cloud=lambda n, p: n * p),
            "You take the cloud's price as that of one request. It is the price of 1,000.",
            "The price is for 1,000."),
        Misconception(
            "half_open", _scan(end=1),
            "Your intervals end one volume too late, as Python's ranges do. Here the last volume belongs to the interval.",
            "Both ends count."),
        Misconception(
            "not_checked", _scan(check=False),
            "A price or a capacity of 0 or less makes no sense here. The text asks for a ValueError.",
            "Bad input gets through."),
    ],
    alternatives=[_scan(), _by_boxes, _plain_loop],
    hints=(
        "Go through the numbers of boxes 1, 2, 3, … Volumes that need b boxes are (b - 1) * box_capacity + 1 to b * box_capacity.",
        "Within one number of boxes owning costs the same, and the cloud's cost rises. So the wins are at the upper end.",
        "Append (first, last), and extend the interval before it when that one ends at first - 1.",
    ),
    worth_knowing="A need for 1.2 boxes costs two. Owned hardware is cheap only at volumes that keep it busy.",
)
