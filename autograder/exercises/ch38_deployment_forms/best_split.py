"""Exercise 38.best_split: where to cut a chain of layers between a device and the cloud."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.delivery import placement

from ...compare import close
from ...exercise import Case, Exercise, Misconception

EDGE, CLOUD = [20, 30, 40, 60, 5], [1, 2, 2, 3, 0.5]
SIZES = [150528, 802816, 200704, 50176, 4096]
Split = tuple[int, float]


def _refuse(*lists: list) -> None:
    if len({len(values) for values in lists}) > 1:
        raise ValueError("the lists must have one length")


def _times(edge_ms: list, cloud_ms: list, sent: Callable, rtt: Callable) -> list[float]:
    n = len(edge_ms)
    return [sum(edge_ms[:k]) + sent(k) + rtt(k) + sum(cloud_ms[k:]) for k in range(n + 1)]


def _last_least(times: list[float]) -> Split:
    k = min(range(len(times)), key=lambda i: (times[i], -i))
    return k, times[k]


def _first_least(times: list[float]) -> Split:
    return times.index(min(times)), min(times)


def _local(times: list[float]) -> Split:
    """Stops when the next cut is slower."""
    k = 0
    while k + 1 < len(times) and times[k + 1] <= times[k]:
        k += 1
    return k, times[k]


def _answer(pick: Callable = _last_least, factor: float = 8, out: bool = False, rtt_at_end: bool = False, rtt_factor: float = 1,
            check: bool = True, cuts: Callable = lambda times: times) -> Callable:
    """An answer; right by default."""

    def answer(edge_ms: list, cloud_ms: list, crossing_bytes: list, uplink_mbps: float, rtt_ms: float) -> Split:
        if check:
            _refuse(edge_ms, cloud_ms, crossing_bytes)
        n = len(edge_ms)
        sizes = [*crossing_bytes[out:], 0.0, 0.0]
        times = _times(edge_ms, cloud_ms, lambda k: sizes[k] * factor / (1000 * uplink_mbps) if k < n else 0.0,
                       lambda k: rtt_factor * rtt_ms if k < n or rtt_at_end else 0.0)
        return pick(cuts(times))

    return answer


def _smallest_tensor(edge_ms: list, cloud_ms: list, crossing_bytes: list, uplink_mbps: float, rtt_ms: float) -> Split:
    """Cuts where least has to be sent."""
    _refuse(edge_ms, cloud_ms, crossing_bytes)
    if not crossing_bytes:
        return 0, 0.0
    k = crossing_bytes.index(min(crossing_bytes))
    return k, sum(edge_ms[:k]) + crossing_bytes[k] * 8 / (1000 * uplink_mbps) + rtt_ms + sum(cloud_ms[k:])


def _all_or_nothing(times: list[float]) -> Split:
    return (len(times) - 1, times[-1]) if times[-1] <= times[0] else (0, times[0])


# --- right answers ------------------------------------------------------------------------------


def _running(edge_ms: list, cloud_ms: list, crossing_bytes: list, uplink_mbps: float, rtt_ms: float) -> Split:
    """Moves one layer after the other from the cloud to the device."""
    if len(edge_ms) != len(cloud_ms) or len(edge_ms) != len(crossing_bytes):
        raise ValueError("lengths differ")
    best_k, best = 0, math.inf
    edge, cloud = 0.0, math.fsum(cloud_ms)
    for k, size in enumerate(crossing_bytes):
        total = edge + cloud + rtt_ms + size * 8 / (uplink_mbps * 1e6) * 1e3
        if total <= best:
            best_k, best = k, total
        edge, cloud = edge + edge_ms[k], cloud - cloud_ms[k]
    return (len(edge_ms), edge) if edge <= best else (best_k, best)


def _arrays(edge_ms: list, cloud_ms: list, crossing_bytes: list, uplink_mbps: float, rtt_ms: float) -> Split:
    if not len(edge_ms) == len(cloud_ms) == len(crossing_bytes):
        raise ValueError("lengths differ")
    edge = np.concatenate([[0], np.cumsum(edge_ms)])
    cloud = np.sum(cloud_ms) - np.concatenate([[0], np.cumsum(cloud_ms)])
    network = np.append(np.asarray(crossing_bytes, float) / 125 / uplink_mbps + rtt_ms, 0)
    total = edge + cloud + network
    k = len(total) - 1 - int(np.argmin(total[::-1]))
    return k, float(total[k])


def _seconds(edge_ms: list, cloud_ms: list, crossing_bytes: list, uplink_mbps: float, rtt_ms: float) -> Split:
    """Adds up seconds, and converts at the end."""
    n = len(edge_ms)
    if {len(cloud_ms), len(crossing_bytes)} != {n}:
        raise ValueError("lengths differ")
    seconds = [(sum(edge_ms[:k]) + sum(cloud_ms[k:])) / 1000 for k in range(n + 1)]
    for k, size in enumerate(crossing_bytes):
        seconds[k] += size * 8 / (uplink_mbps * 1e6) + rtt_ms / 1000
    k = max(range(n + 1), key=lambda i: (-seconds[i], i))
    return k, seconds[k] * 1000


def _draw(rng: np.random.Generator) -> Case:
    while True:
        n = int(rng.integers(1, 9))
        edge, cloud = ([float(rng.integers(lo, hi)) / 4 for _ in range(n)] for lo, hi in ((4, 240), (0, 16)))
        sizes = [int(2 ** rng.uniform(11, 20)) for _ in range(n)]
        rate, rtt = float(rng.choice([1, 2, 5, 8, 10, 20, 50])), float(rng.integers(0, 160)) / 4
        network = [size * 8 / (1000 * rate) + rtt for size in sizes] + [0.0]
        times = sorted(_times(edge, cloud, network.__getitem__, lambda k: 0.0))
        if times[1] - times[0] > 1e-3:
            return Case(edge, cloud, sizes, rate, rtt)


def _long() -> Case:
    rng = np.random.default_rng(5)
    edge, cloud = (np.round(rng.uniform(0, top, 2000) * 4).astype(int) / 4 for top in (3, 1))
    sizes = rng.integers(10_000, 2_000_000, 2000)
    return Case(edge.tolist(), cloud.tolist(), sizes.tolist(), 8, 12, label="2,000 layers")


best_split = Exercise(
    id="38.best_split", points=3, difficulty=2, minutes=10, idea="compute before, transfer, compute after",
    reference=placement.best_split, compare=close(1e-9),
    cases=[Case(EDGE, CLOUD, SIZES, 1, 10), Case(EDGE, CLOUD, SIZES, 8, 10), Case(EDGE, CLOUD, SIZES, 50, 10)],
    hidden=[
        Case([], [], [], 10, 5), Case([4.0], [1.0], [1000], 8, 2.0), Case([4.0], [1.0], [1000], 8, 2.5), Case([4.0], [1.0], [1000], 8, 1),
        Case([2.0, 2.0], [2.0, 2.0], [1000, 1000], 8, 0), Case([1.0, 1.0, 8.0], [1.0, 1.0, 1.0], [1000, 1000, 1000], 8, 0),
        Case([1.0, 1.0, 40.0], [0.5, 0.5, 1.0], [5000, 90_000, 1000], 8, 1), Case([5.0, 5.0], [1.0, 1.0], [8000, 100], 8, 3),
        Case([1.0, 1.0, 1.0, 30.0], [1.0, 1.0, 1.0, 1.0], [9000, 20_000, 30_000, 1000], 8, 0), Case([3.0], [0.0], [0], 8, 3.0),
        Case([0.0, 6.0], [0.0, 1.0], [4000, 4000], 8, 0), Case([10.0, 10.0], [1.0, 1.0], [1_000_000, 1_000_000], 1, 1),
        Case([1.0, 50.0], [2.0, 1.0], [3000, 3000], 8, 4), _long(),
    ],
    draw=_draw, draws=25,
    raises=[Case([1.0], [1.0, 2.0], [10], 8, 1), Case([1.0, 2.0], [1.0], [10, 20], 8, 1), Case([1.0, 2.0], [1.0, 2.0], [10], 8, 1),
            Case([1.0, 2.0], [1.0, 2.0], [10, 20, 30], 8, 1), Case([], [], [10], 8, 1), Case([1.0], [], [], 8, 1),
            Case([1.0], [1.0, 2.0], [10, 20], 8, 1)],
    misconceptions=[
        Misconception(
            "smallest_tensor", _smallest_tensor,
            "You cut where the fewest bytes cross. The layers before the cut run on the slow device, and they take time too. Add "
            "up all three parts for each cut.",
            "Compute counts too."),
        Misconception(
            "round_trip_at_the_end", _answer(rtt_at_end=True),
            "You charge a round trip when all layers run on the device. Nothing is sent then, so nobody is waited for.",
            "Nothing sent, no round trip."),
        Misconception(
            "output_of_the_next", _answer(out=True),
            "You send the wrong tensor. crossing_bytes[k] is what enters layer k, counted from 0. With k layers on the device that "
            "is the one that has to be sent.",
            "One tensor off."),
        Misconception(
            "first_local_minimum", _answer(pick=_local),
            "You stop as soon as one more layer on the device is slower. Early layers often make the data larger, and later "
            "ones make it small. Look at all cuts.",
            "A hill hides the valley."),
        Misconception(
            "smaller_k", _answer(pick=_first_least),
            "Among equal totals you take the first cut. The text asks for the larger k.",
            "Ties go to the device."),
        Misconception(
            "bits_and_bytes", _answer(factor=1),
            "Your transfers take an eighth of their time. Bytes are sent over a link that is given in bits per second.",
            "Bits, not bytes."),
        Misconception(
            "no_round_trip", _answer(rtt_factor=0),
            "You leave out the round trip. Each cut with something in the cloud pays it once.",
            "The round trip is missing.", also=(_answer(rtt_factor=0.5), _answer(rtt_factor=2))),
        Misconception(
            "all_or_nothing", _answer(pick=_all_or_nothing),
            "You compare the device alone with the cloud alone. A cut between two layers may beat both.",
            "There are cuts between."),
        Misconception(
            "never_all_on_the_device", _answer(cuts=lambda times: times[:-1] or times),
            "You try the cuts 0 to n - 1. With k = n all layers run on the device, and that is a choice too.",
            "One cut is missing."),
        Misconception(
            "always_something_on_the_device", lambda *a: (lambda split: (split[0] + 1, split[1]))(_answer(cuts=lambda t: t[1:])(*a))
            if a[0] else _answer()(*a),
            "You never send the input itself. k = 0, everything in the cloud, is a choice too.",
            "k = 0 is missing."),
        Misconception(
            "lengths_not_checked", _answer(check=False),
            "Lists of different lengths get through. The text asks for a ValueError.",
            "The lengths are not checked."),
    ],
    alternatives=[_answer(), _running, _arrays, _seconds],
    hints=(
        "There are n + 1 cuts. Write down the total of each: device part, transfer and round trip, cloud part.",
        "The device part of cut k is sum(edge_ms[:k]), the cloud part sum(cloud_ms[k:]). Only k = n sends nothing.",
        "`min(range(n + 1), key=lambda k: (total[k], -k))` takes the larger k among equals.",
    ),
    worth_knowing="Neurosurgeon (2017) chooses the cut like this, with times that it predicts for each layer on phone and server.",
)
