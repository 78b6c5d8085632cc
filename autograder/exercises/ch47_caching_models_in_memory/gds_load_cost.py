"""Exercise 47.gds_load_cost: GreedyDual-Size."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from utils.serving import model_cache

from ...compare import close
from ...exercise import Case, Exercise, Misconception

H = Callable[[float, float, float], float]


def _gds(*, h: H = lambda L, cost, size: L + cost / size, refresh: bool = True, least: Callable = min,
         raise_l: Callable[[float, list[float], dict], float] = lambda L, gone, left: gone[-1], h_first: bool = False,
         too_large: str = "skip", start: float = 0.0, paid: str = "misses", tie: int = 1) -> Callable:
    """GreedyDual-Size with one mistake; with its defaults it is right.

    h: the value of an item, of (L, cost, size). raise_l: the new L, of the old one, the values of the evicted in
    order and what is left. h_first: H is computed before room is made.
    """

    def answer(trace: list[str], size: dict, cost: dict, capacity: float) -> float:
        held: dict[str, float] = {}
        L, total = start, 0.0
        for name in trace:
            if name in held:
                total += cost[name] if paid == "all" else 0
                held[name] = h(L, cost[name], size[name]) if refresh else held[name]
                continue
            total += {"misses": cost[name], "all": cost[name], "count": 1, "bytes": size[name]}[paid]
            value, gone = h(L, cost[name], size[name]), []
            if size[name] > capacity and too_large == "skip":
                continue
            while held and sum(size[n] for n in held) + size[name] > capacity:
                _, victim = least((v, _Ordered(n, tie)) for n, v in held.items())
                gone.append(held.pop(victim.name))
            if gone:
                L = raise_l(L, gone, held)
            if size[name] <= capacity:
                held[name] = value if h_first else h(L, cost[name], size[name])
        return total

    return answer


class _Ordered:
    """A name whose order can be turned round."""

    def __init__(self, name: str, sign: int) -> None:
        self.name, self.sign = name, sign

    def __lt__(self, other: _Ordered) -> bool:
        return self.name < other.name if self.sign > 0 else self.name > other.name

    def __gt__(self, other: _Ordered) -> bool:
        return other < self


def _with(policy: str) -> Callable:
    def answer(trace: list[str], size: dict, cost: dict, capacity: float) -> float:
        return model_cache.simulate_cache(trace, size, cost, capacity, policy).load_cost

    return answer


# --- other right answers ----------------------------------------------------------------------------


def _heap(trace: Sequence[str], size: Mapping[str, float], cost: Mapping[str, float], capacity: float) -> float:
    """A heap that keeps old entries and skips them when they come up."""
    current: dict[str, float] = {}
    heap: list[tuple[float, str]] = []
    used = L = total = 0
    for name in trace:
        if name not in current:
            total += cost[name]
            if size[name] > capacity:
                continue
            while used + size[name] > capacity:
                value, victim = heapq.heappop(heap)
                if current.get(victim) == value:
                    L = value
                    used -= size[victim]
                    del current[victim]
            used += size[name]
        current[name] = L + cost[name] / size[name]
        heapq.heappush(heap, (current[name], name))
    return total


def _subtracting(trace: Sequence[str], size: Mapping[str, float], cost: Mapping[str, float], capacity: float) -> float:
    """The form without L: at an eviction everyone left loses the victim's value."""
    value: dict[str, float] = {}
    total = 0.0
    for name in trace:
        if name not in value:
            total += cost[name]
            if size[name] > capacity:
                continue
            while sum(map(size.get, value)) > capacity - size[name]:
                victim = min(value, key=lambda n: (value[n], n))
                least = value.pop(victim)
                for other in value:
                    value[other] -= least
        value[name] = cost[name] / size[name]
    return total


def _sorted_list(trace: Sequence[str], size: Mapping[str, float], cost: Mapping[str, float], capacity: float) -> float:
    held: list[tuple[float, str]] = []
    L, paid = 0.0, []
    for name in trace:
        there = next((item for item in held if item[1] == name), None)
        if there is not None:
            held.remove(there)
        else:
            paid.append(cost[name])
            if size[name] > capacity:
                continue
            held.sort()
            while held and sum(size[n] for _, n in held) + size[name] > capacity:
                L = held.pop(0)[0]
        held.append((L + cost[name] / size[name], name))
    return float(sum(paid))


# --- cases ------------------------------------------------------------------------------------------


def _case(trace: str, size: dict, cost: dict, capacity: float) -> Case:
    told = f"{trace if len(trace) <= 24 else trace[:24] + '…'}, sizes {_told(size)}, costs {_told(cost)}, capacity {capacity:g}"
    return Case(list(trace), size, cost, capacity, label=told)


def _told(table: dict) -> str:
    return " ".join(f"{name}{value:g}" for name, value in table.items())


def _draw(rng: np.random.Generator) -> Case:
    """Sizes that are powers of two and whole costs: every H is exact, so ties are ties."""
    names = "ABCDEF"[: int(rng.integers(3, 7))]
    size = {n: int(rng.choice([1, 2, 4])) for n in names}
    cost = {n: int(rng.integers(1, 13)) for n in names}
    weights = rng.dirichlet(np.ones(len(names)))
    trace = "".join(rng.choice(list(names), int(rng.integers(8, 40)), p=weights))
    return _case(trace, size, cost, int(rng.integers(0, sum(size.values()) + 1)))


SIZE, COST = {"A": 4, "B": 1, "C": 1, "D": 1}, {"A": 4, "B": 3, "C": 3, "D": 1}
ONES = {"A": 1, "B": 1, "C": 1, "D": 1}

gds_load_cost = Exercise(
    id="47.gds_load_cost", points=4, difficulty=3, minutes=14, idea="keep what saves most per byte, and let the rest grow old",
    reference=model_cache.gds_load_cost,
    cases=[_case("BCABCABCADBC", SIZE, COST, 5), _case("ABABCA", {"A": 2, "B": 2, "C": 2}, {"A": 6, "B": 2, "C": 4}, 4)],
    hidden=[
        _case("", SIZE, COST, 5), _case("ABCD", SIZE, COST, 0), _case("ABAB", SIZE, COST, 3), _case("BABAB", SIZE, COST, 3),
        _case("ABCABDABCD", ONES, ONES, 3), _case("DCBADCBA", ONES, ONES, 2), _case("CBADABC", ONES, ONES, 3),
        _case("BCDABCDABCD", SIZE, COST, 6), _case("AABBCCDD" * 3, SIZE, COST, 5), _case("A" + "BCD" * 8, ONES, {"A": 8, "B": 1, "C": 1, "D": 1}, 2),
        _case("A" + "BCDB" * 6 + "A", ONES, {"A": 5, "B": 1, "C": 2, "D": 1}, 3),
        _case("BCDABCDA", {"A": 4, "B": 2, "C": 1, "D": 1}, {"A": 1, "B": 8, "C": 2, "D": 1}, 4),
    ],
    draw=_draw, draws=60, compare=close(1e-9),
    misconceptions=[
        Misconception(
            "no_aging", _gds(raise_l=lambda L, gone, left: L),
            "L stays 0, so an item with a large cost per byte is never evicted, however long ago it was used. Raising L at every eviction is what "
            "lets it grow old.",
            "Nothing grows old."),
        Misconception(
            "cost_times_size", _gds(h=lambda L, cost, size: L + cost * size),
            "You multiply the cost by the size. An item that takes much room should have to save more to stay: the value is per byte.",
            "Large items look precious."),
        Misconception(
            "no_size", _gds(h=lambda L, cost, size: L + cost),
            "The size is missing from H. A small item that saves as much as a large one is the better one to keep.",
            "The size does not matter to you."),
        Misconception(
            "no_cost", _gds(h=lambda L, cost, size: L + 1 / size),
            "The cost is missing from H: that is GreedyDual-Size with cost 1, which raises the hit rate. Asked is the load cost.",
            "All loads cost the same to you."),
        Misconception(
            "no_refresh", _gds(refresh=False),
            "A hit leaves H as it was. The item has been used just now: it gets a fresh H from the L of this moment.",
            "A hit refreshes H."),
        Misconception(
            "largest_h_as_l", _gds(raise_l=lambda L, gone, left: max([*gone, *left.values()])),
            "L becomes the largest H. It is the H of the item that was evicted: everything below it has gone.",
            "L is the H of the victim."),
        Misconception(
            "first_victims_h", _gds(raise_l=lambda L, gone, left: gone[0]),
            "When several items have to go, L is the H of the last one. You keep that of the first.",
            "L follows every eviction."),
        Misconception(
            "adds_h_to_l", _gds(raise_l=lambda L, gone, left: L + sum(gone)),
            "You add the victim's H to L. The old L is already contained in it: set L to it.",
            "L is counted twice."),
        Misconception(
            "h_before_room", _gds(h_first=True),
            "The new item's H is computed with the L from before the evictions. Make room first; the item comes in at today's L.",
            "H comes after the evictions."),
        Misconception(
            "evicts_for_too_large", _gds(too_large="evict"),
            "An item larger than the capacity empties the cache, and does not fit even then. Load it, and leave the others alone.",
            "Nothing is gained by this eviction."),
        Misconception(
            "lru", _with("lru"),
            "You evict the least recently used. Asked is the smallest H, which knows cost and size.",
            "This is LRU."),
        Misconception(
            "largest_name_first", _gds(tie=-1),
            "Of equal H the smallest name is evicted. You evict the largest, or the one that came first or last.",
            "Ties go by name."),
        Misconception(
            "pays_for_hits", _gds(paid="all"),
            "You add the cost of every request. A hit costs nothing.",
            "Hits are free."),
        Misconception(
            "counts_loads", _gds(paid="count"),
            "You count the loads. Asked is the sum of their costs.",
            "Loads differ in cost."),
    ],
    alternatives=[_heap, _subtracting, _sorted_list],
    hints=(
        "Keep a dict from resident names to their H, and one number L.",
        "On a miss: add the cost; if it fits at all, evict `min((h, name))` until there is room and set L to each victim's H.",
        "On a hit and on a load alike: H = L + cost / size, with the L of that moment.",
    ),
    worth_knowing="With equal sizes and costs every H is L plus one constant. Recency is then told only by L, which is coarser than LRU.",
)
