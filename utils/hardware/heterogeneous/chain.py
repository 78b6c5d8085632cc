"""A chain of layers over several devices: the cheapest plan, with crossings paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product

from utils.cost.checks import non_negative


@dataclass(frozen=True)
class Split:
    """A plan: the total in ms and the device index of each layer."""

    total_ms: float
    devices: tuple[int, ...]

    @property
    def crossings(self) -> int:
        """How often consecutive layers run on different devices (start and end are not counted)."""
        return sum(a != b for a, b in zip(self.devices, self.devices[1:]))

    def as_dict(self) -> dict[str, float | tuple[int, ...]]:
        """The fields as plain data."""
        return asdict(self)


def split_chain(cost_ms: Sequence[Sequence[float]], move_ms: Sequence[float], start: int = 0, end: int = 0) -> Split:
    """The cheapest device for each layer of a chain, by dynamic programming over the device of the latest layer.

    `cost_ms[i][d]` is layer i on device d, math.inf where the device can't run it. `move_ms[i]` is paid when
    layer i runs on another device than layer i−1; the data starts on device `start`, and `move_ms[n]` brings
    the result to device `end` when the last layer ran elsewhere. Of equal plans the lexicographically smallest
    list of devices wins. Neurosurgeon (Kang et al., ASPLOS 2017) asks the same for a phone and the cloud, with
    one crossing.
    Raises ValueError "length" for a wrong number of moves or ragged rows, "device" for no device or no layer,
    and for a device out of range.

    >>> split_chain([(4, 1), (6, 1), (1, 4), (8, 2)], [2, 1, 1, 1, 0.5])
    Split(total_ms=9.5, devices=(1, 1, 0, 1))
    """
    n_devices = _check_chain(cost_ms, move_ms, start, end)
    best = {start: (0.0, ())}  # device of the latest layer -> the cheapest way there: (total, devices)
    for row, move in zip(cost_ms, move_ms):
        best = {
            d: min((total + (move if before != d else 0) + row[d], (*devices, d))
                   for before, (total, devices) in best.items())
            for d in range(n_devices)
        }
    home = move_ms[len(cost_ms)]
    return Split(*min((total + (home if d != end else 0), devices) for d, (total, devices) in best.items()))


def plan_ms(cost_ms: Sequence[Sequence[float]], move_ms: Sequence[float], devices: Sequence[int], start: int = 0,
            end: int = 0) -> float:
    """What a given plan costs, in ms. Raises ValueError as `split_chain` does, "length" for a plan of another length.

    >>> plan_ms([(4, 1), (6, 1), (1, 4), (8, 2)], [2, 1, 1, 1, 0.5], [1, 1, 1, 1])
    10.5
    """
    n_devices = _check_chain(cost_ms, move_ms, start, end)
    if len(devices) != len(cost_ms):
        raise ValueError(f"devices must have the length of cost_ms, {len(cost_ms)}, got {len(devices)}")
    if not all(0 <= d < n_devices for d in devices):
        raise ValueError(f"each device must be one of 0 to {n_devices - 1}, got {list(devices)}")
    places = [start, *devices, end]
    return sum(row[d] for row, d in zip(cost_ms, devices)) + sum(
        move for move, a, b in zip(move_ms, places, places[1:]) if a != b)


def all_plans(cost_ms: Sequence[Sequence[float]], move_ms: Sequence[float]) -> list[Split]:
    """Every plan from and to device 0, cheapest first: n_devices to the power of the layers, so for short chains.

    >>> len(all_plans([(4, 1), (6, 1), (1, 4), (8, 2)], [2, 1, 1, 1, 0.5]))
    16
    """
    n_devices = _check_chain(cost_ms, move_ms, 0, 0)
    plans = product(range(n_devices), repeat=len(cost_ms))
    return sorted((Split(plan_ms(cost_ms, move_ms, p), p) for p in plans), key=lambda s: (s.total_ms, s.devices))


def best_split(cost: Sequence[Sequence[float]], move: Sequence[float]) -> tuple[float, list[int]]:
    """The smallest total time of a chain that starts and ends on device 0, and the device of each layer.

    >>> best_split([(4, 1), (6, 1), (1, 4), (8, 2)], [2, 1, 1, 1, 0.5])
    (9.5, [1, 1, 0, 1])
    """
    split = split_chain(cost, move)
    return split.total_ms, list(split.devices)


def _check_chain(cost_ms: Sequence[Sequence[float]], move_ms: Sequence[float], start: int, end: int) -> int:
    """The number of devices."""
    if not cost_ms or not cost_ms[0]:
        raise ValueError("cost_ms must have at least one layer and one device, got none")
    n_devices = len(cost_ms[0])
    if any(len(row) != n_devices for row in cost_ms):
        raise ValueError(f"the rows of cost_ms must have one length, got {sorted({len(row) for row in cost_ms})}")
    if len(move_ms) != len(cost_ms) + 1:
        raise ValueError(f"move_ms must have the length {len(cost_ms) + 1}, layers + 1, got {len(move_ms)}")
    if not (0 <= start < n_devices and 0 <= end < n_devices):
        raise ValueError(f"start and end must be a device from 0 to {n_devices - 1}, got {start} and {end}")
    for value in (*move_ms, *(c for row in cost_ms for c in row)):
        non_negative(cost_ms_and_move_ms=value)
    return n_devices
