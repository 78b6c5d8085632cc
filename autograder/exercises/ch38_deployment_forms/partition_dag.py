"""Exercise 38.partition_dag: which nodes of a branching network run on the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, product

import numpy as np

from utils.delivery import placement

from ...compare import prop
from ...exercise import Case, Exercise, Misconception

Edges = list[tuple[int, int]]
Answer = tuple[float, list[bool]]


def _ms(size: float, rate: float) -> float:
    return size * 8 / (1000 * rate)


def _once(out: list, edges: Edges, rate: float, here: tuple) -> float:
    return sum(_ms(out[u], rate) for u in {u for u, v in edges if here[u] and not here[v]})


def _each_arrow(out: list, edges: Edges, rate: float, here: tuple) -> float:
    return sum(_ms(out[u], rate) for u, v in edges if here[u] and not here[v])


def _either_way(out: list, edges: Edges, rate: float, here: tuple) -> float:
    return sum(_ms(out[u], rate) for u in {u for u, v in edges if here[u] != here[v]})


def _back_is_free(edges: Edges, here: tuple) -> bool:
    return True


def _one_way(edges: Edges, here: tuple) -> bool:
    return all(here[u] or not here[v] for u, v in edges)


def _prefix(edges: Edges, here: tuple) -> bool:
    return _one_way(edges, here) and list(here) == sorted(here, reverse=True)


def _all_or_nothing(edges: Edges, here: tuple) -> bool:
    return len(set(here[1:])) <= 1


def _search(transfer: Callable = _once, allowed: Callable = _one_way, sensor: tuple = (True,),
            compute: Callable = lambda e, c, here: e if here else c) -> Callable:
    """An answer that tries all assignments; right by default."""

    def answer(edge_ms: list, cloud_ms: list, out_bytes: list, edges: Edges, uplink_mbps: float) -> Answer:
        best, chosen = math.inf, ()
        for here in product(sensor, *[(True, False)] * (len(edge_ms) - 1)):
            if allowed(edges, here):
                total = sum(compute(e, c, h) for e, c, h in zip(edge_ms, cloud_ms, here)) + transfer(out_bytes, edges, uplink_mbps, here)
                if total < best - 1e-9:
                    best, chosen = total, here
        return best, list(chosen)

    return answer


def _input_is_free(out: list, edges: Edges, rate: float, here: tuple) -> float:
    """Forgets the sensor's bytes."""
    return _once([0, *out[1:]], edges, rate, here)


def _greedy(edge_ms: list, cloud_ms: list, out_bytes: list, edges: Edges, uplink_mbps: float) -> Answer:
    """Goes through the nodes and sends each to the cloud as soon as that looks better for it alone."""
    here = [True]
    for v in range(1, len(edge_ms)):
        before = [u for u, w in edges if w == v]
        send = sum(_ms(out_bytes[u], uplink_mbps) for u in before if here[u])
        here.append(all(here[u] for u in before) and edge_ms[v] <= cloud_ms[v] + send)
    return _cost(edge_ms, cloud_ms, out_bytes, edges, uplink_mbps, here), here


def _cost(edge_ms: list, cloud_ms: list, out_bytes: list, edges: Edges, uplink_mbps: float, here: list) -> float:
    return sum(e if h else c for e, c, h in zip(edge_ms, cloud_ms, here)) + _once(out_bytes, edges, uplink_mbps, here)


# --- right answers ------------------------------------------------------------------------------


def _subsets(edge_ms: list, cloud_ms: list, out_bytes: list, edges: Edges, uplink_mbps: float) -> Answer:
    """Sets of cloud nodes that hold all their successors, by size."""
    n = len(edge_ms)
    found = []
    for size in range(n):
        for cloud in combinations(range(1, n), size):
            if all(v in cloud for u, v in edges if u in cloud):
                here = [v not in cloud for v in range(n)]
                found.append((_cost(edge_ms, cloud_ms, out_bytes, edges, uplink_mbps, here), here))
    return min(found, key=lambda pair: pair[0])


def _grow(edge_ms: list, cloud_ms: list, out_bytes: list, edges: Edges, uplink_mbps: float) -> Answer:
    """All sets on the device that can be grown from the sensor, node by node."""
    n = len(edge_ms)
    states, seen = [frozenset([0])], {frozenset([0])}
    for state in states:
        for v in range(1, n):
            grown = state | {v}
            if v not in state and all(u in state for u, w in edges if w == v) and grown not in seen:
                seen.add(grown)
                states.append(grown)
    options = [[v in state for v in range(n)] for state in states]
    costs = [_cost(edge_ms, cloud_ms, out_bytes, edges, uplink_mbps, here) for here in options]
    i = int(np.argmin(costs))
    return costs[i], options[i]


def _branch_and_bound(edge_ms: list, cloud_ms: list, out_bytes: list, edges: Edges, uplink_mbps: float) -> Answer:
    """Places the nodes in order, and gives up where it is already too expensive."""
    n, best = len(edge_ms), [math.inf, []]
    before = [[u for u, w in edges if w == v] for v in range(n)]

    def place(v: int, here: list[bool], sent: frozenset, spent: float) -> None:
        if spent >= best[0]:
            return
        if v == n:
            best[:] = [spent, here]
            return
        if all(here[u] for u in before[v]):
            place(v + 1, [*here, True], sent, spent + edge_ms[v])
        new = {u for u in before[v] if here[u]} - sent
        place(v + 1, [*here, False], sent | new, spent + cloud_ms[v] + sum(_ms(out_bytes[u], uplink_mbps) for u in new))

    place(1, [True], frozenset(), 0.0)
    return best[0], best[1]


# --- judging ------------------------------------------------------------------------------------


def _judge(case: Case, expected: Answer, got: object) -> str | None:
    if not isinstance(got, (list, tuple)) or len(got) != 2:
        return "not a pair (total, on_edge)"
    total, here = got
    here = here.tolist() if isinstance(here, np.ndarray) else here
    if type(total) not in (int, float) or not math.isfinite(total):
        return "the total is not a finite number"
    edges, n = case.args[3], len(case.args[0])
    if not isinstance(here, (list, tuple)) or len(here) != n or any(type(h) is not bool for h in here):
        return f"on_edge is not a list of {n} bools"
    if not here[0]:
        return "node 0 is not on the edge"
    if not _one_way(edges, here):
        return "a node on the edge reads from the cloud"
    tolerance = 1e-6 + 1e-9 * abs(expected[0])
    if abs(total - expected[0]) > tolerance:
        return f"total {total:.6g} ms, expected {expected[0]:.6g} ms"
    cost = _cost(*case.args, here)
    return None if abs(cost - total) <= tolerance else f"this assignment takes {cost:.6g} ms, not {total:.6g}"


DAG = ([0, 8, 10, 40, 5], [0, 1, 1, 3, 0.5], [150_000, 20_000, 5_000, 10_000, 40], [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)])
FAN = ([0, 4, 30, 30, 30, 2], [0, 1, 1, 1, 1, 1], [100_000, 30_000, 100, 100, 100, 10],
       [(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 5), (4, 5)])
DEEP = ([0, 2, 2, 2, 60], [0, 1, 1, 1, 1], [80_000, 70_000, 2_000, 90_000, 10], [(0, 1), (1, 2), (0, 3), (2, 4), (3, 4)])
BACK = ([0, 1, 40, 1, 40], [0, 1, 1, 30, 1], [50_000, 2_000, 2_000, 2_000, 10], [(0, 1), (1, 2), (2, 3), (3, 4)])
BRANCHES = ([0, 40, 3, 3], [0, 1, 30, 30], [4_000, 1_000, 1_000, 10], [(0, 1), (0, 2), (2, 3)])  # node 1 alone in the cloud


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(2, 9))
    edges = sorted({(int(rng.integers(v)), v) for v in range(1, n)} |
                   {(u, v) for v in range(1, n) for u in range(v) if rng.random() < 0.25})
    edge = [0.0, *(float(rng.integers(1, 120)) / 2 for _ in range(n - 1))]
    cloud = [0.0, *(float(rng.integers(0, 12)) / 2 for _ in range(n - 1))]
    out = [int(rng.integers(1, 200)) * 500, *(int(2 ** rng.uniform(9, 16)) for _ in range(n - 1))]
    return Case(edge, cloud, out, edges, float(rng.choice([4, 8, 10, 20, 40])))


def _twelve() -> Case:
    rng = np.random.default_rng(12)
    edges = [(v - 1, v) for v in range(1, 12)] + [(0, 5), (2, 7), (3, 9), (1, 4)]
    edge, cloud = [0, *rng.integers(2, 40, 11).tolist()], [0, *rng.integers(0, 5, 11).tolist()]
    return Case(edge, cloud, (rng.integers(1, 60, 12) * 1000).tolist(), edges, 10, label="12 nodes, 15 arrows")


partition_dag = Exercise(
    id="38.partition_dag", points=5, difficulty=2, minutes=15, idea="branches are cut at different depths",
    reference=placement.partition_dag, compare=prop(_judge),
    cases=[Case(*DAG, 1), Case(*DAG, 10), Case(*DAG, 100)],
    hidden=[
        Case([0], [0], [1000], [], 10), Case([0, 5], [0, 1], [1000, 10], [(0, 1)], 8),
        Case([0, 5], [0, 1], [8000, 10], [(0, 1)], 8), Case(*FAN, 10), Case(*FAN, 20), Case(*DEEP, 10), Case(*DEEP, 40), Case(*BACK, 10),
        Case(*BACK, 4), Case(*BRANCHES, 8), Case([0, 5, 5], [0, 1, 1], [2000, 10, 10], [(0, 1), (0, 2)], 8), _twelve(),
    ],
    draw=_draw, draws=25, time_limit_s=5,
    misconceptions=[
        Misconception(
            "pays_each_arrow", _search(transfer=_each_arrow),
            "You send an output once for each arrow. Two consumers in the cloud can share one upload. Count nodes that cross, not "
            "arrows.",
            "One upload serves all."),
        Misconception(
            "cut_of_the_order", _search(allowed=_prefix),
            "You cut the numbering in two, as if the network were a chain. With branches one may stay on the device while the "
            "other leaves early. Try sets of nodes, not prefixes.",
            "Branches have their own depth."),
        Misconception(
            "back_for_free", _search(allowed=_back_is_free),
            "You let a node on the device read what the cloud computed. Nothing comes back: once a node is in the cloud, all that "
            "depend on it are there too.",
            "There is no way back.", also=(_search(transfer=_either_way, allowed=_back_is_free),)),
        Misconception(
            "input_is_free", _search(transfer=_input_is_free),
            "You don't pay for the sensor's own bytes. Node 0 is on the device, and whoever reads it in the cloud needs an "
            "upload first.",
            "The input has to be sent.",
            also=(_search(sensor=(False, True)),)),
        Misconception(
            "node_by_node", _greedy,
            "You decide for each node alone. A node may be worth sending only because those behind it follow for nothing. "
            "Compare whole assignments.",
            "The parts don't decide alone."),
        Misconception(
            "all_or_nothing", _search(allowed=_all_or_nothing),
            "You compare only the device alone with the cloud alone. In the example an assignment between them takes 41.5 ms.",
            "There is something between."),
        Misconception(
            "bits_and_bytes", _search(transfer=lambda out, edges, rate, here: _once(out, edges, rate, here) / 8),
            "Your transfers take an eighth of their time. Bytes are sent over a link that is given in bits per second.",
            "Bits, not bytes."),
        Misconception(
            "no_cloud_time", _search(compute=lambda e, c, here: e if here else 0.0),
            "You leave out the time in the cloud. It is short, but it adds up.",
            "The cloud takes time too."),
    ],
    alternatives=[_search(), _subsets, _grow, _branch_and_bound],
    hints=(
        "With at most 12 nodes there are at most 2^11 assignments. `itertools.product([True, False], repeat=n - 1)` lists them.",
        "Throw out the assignments in which a node on the device reads from one in the cloud.",
        "What crosses is the set of all u with an arrow (u, v), u on the device and v in the cloud. As a set, each u counts once.",
    ),
    worth_knowing="For large networks this is a minimum cut of a flow network: an extra vertex for each output makes it pay once.",
)
