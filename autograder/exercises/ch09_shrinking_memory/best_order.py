"""Exercise 09.best_order: the order of operators with the smallest peak."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np

from utils.compression import memory_planner

from ...compare import brief, prop
from ...exercise import Case, Exercise, Misconception
from .graphs import branches, peak_of, random_dag, show_graph


def fault(case: Case, expected: Any, got: Any) -> tuple[str, str] | None:
    """What is wrong with an answer: a kind and a phrase; None if it is a best order with its peak."""
    inputs, size, outputs = case.args
    if not isinstance(got, (list, tuple)) or len(got) != 2 or not isinstance(got[0], (list, tuple)):
        return "form", f"{brief(got)} is not a pair (order, peak)"
    order, peak = list(got[0]), got[1]
    if isinstance(peak, bool) or not isinstance(peak, (int, float)):
        return "form", f"the peak {brief(peak)} is not a number"
    if not all(isinstance(n, str) for n in order) or sorted(order) != sorted(inputs):
        return "form", "the order does not list every operator once"
    try:
        real = peak_of(order, inputs, size, outputs)
    except ValueError as error:
        return "order", f"{error} in {show_graph(order)}"
    if real != peak:
        return "told", f"the peak of {show_graph(order)} is {real}, you say {brief(peak)}"
    return None if peak == expected[1] else ("larger", f"a peak of {brief(peak)}, but {expected[1]} can be reached")


def _judge(case: Case, expected: Any, got: Any) -> str | None:
    found = fault(case, expected, got)
    return found and found[1]


def _same(one: Any, other: Any, case: Case) -> str | None:
    """Two answers are alike when they tell the same peak."""
    return None if one[1] == other[1] else "another peak"


# --- searches ------------------------------------------------------------------------------------


def _ready(done: Iterable[str], inputs: Mapping) -> list[str]:
    return [n for n, read in inputs.items() if n not in done and all(r in done or r not in inputs for r in read)]


def _live(done: frozenset, inputs: Mapping, size: Mapping, outputs: Iterable[str]) -> int:
    """Bytes between two operators, when `done` have run."""
    wanted = {r for n, read in inputs.items() if n not in done for r in read} | set(outputs)
    return sum(n for name, n in size.items() if (name in done or name not in inputs) and name in wanted)


def _over_sets(inputs: dict, size: dict, outputs: list) -> tuple[list, int]:
    """Dynamic programming backward over the sets of operators that have run."""
    @cache
    def rest(done: frozenset) -> tuple[int, tuple]:
        if len(done) == len(inputs):
            return 0, ()
        held, found = _live(done, inputs, size, outputs), []
        for name in _ready(done, inputs):
            peak, order = rest(done | {name})
            found.append((max(peak, held + size[name]), (name, *order)))
        return min(found)

    peak, order = rest(frozenset())
    return list(order), peak


def _layer_by_layer(inputs: dict, size: dict, outputs: list) -> tuple[list, int]:
    """All sets of one operator, then of two, ... with the best way to each."""
    layer: dict[frozenset, tuple[int, list]] = {frozenset(): (0, [])}
    for _ in inputs:
        found: dict[frozenset, tuple[int, list]] = {}
        for done, (peak, order) in layer.items():
            for name in _ready(done, inputs):
                more = max(peak, _live(done, inputs, size, outputs) + size[name])
                key = done | {name}
                if key not in found or more < found[key][0]:
                    found[key] = more, [*order, name]
        layer = found
    (peak, order), = layer.values()
    return order, peak


def _cheapest_set_first(inputs: dict, size: dict, outputs: list) -> tuple[list, int]:
    queue: list[tuple[int, list]] = [(0, [])]
    seen: set[frozenset] = set()
    while True:
        peak, order = heapq.heappop(queue)
        done = frozenset(order)
        if len(order) == len(inputs):
            return order, peak
        if done not in seen:
            seen.add(done)
            for name in _ready(done, inputs):
                heapq.heappush(queue, (max(peak, _live(done, inputs, size, outputs) + size[name]), [*order, name]))


class TimeLimit(Exception):
    """What the clock says of a search that does not end; raised at once, so that nobody waits for it."""


def _all_permutations(inputs: dict, size: dict, outputs: list) -> tuple[list, int]:
    if len(inputs) > 9:
        raise TimeLimit("10! orders and more")
    best: tuple[int, list] | None = None
    for order in permutations(inputs):
        made = set(size) - set(inputs)
        for name in order:
            if not made.issuperset(inputs[name]):
                break
            made.add(name)
        else:
            peak = peak_of(order, inputs, size, outputs)
            if best is None or peak < best[0]:
                best = peak, list(order)
    return best[1], best[0]


def _greedy(key: Callable) -> Callable:
    """Always the ready operator with the smallest key(name, done, inputs, size, outputs); the peak is told rightly."""
    def answer(inputs: dict, size: dict, outputs: list) -> tuple[list, int]:
        order: list[str] = []
        while len(order) < len(inputs):
            order.append(min(_ready(order, inputs), key=lambda n: key(n, frozenset(order), inputs, size, outputs)))
        return order, peak_of(order, inputs, size, outputs)

    return answer


_smallest_first = _greedy(lambda n, done, inputs, size, outputs: size[n])
_least_left = _greedy(lambda n, done, inputs, size, outputs: _live(done | {n}, inputs, size, outputs))
_as_listed = _greedy(lambda n, done, inputs, size, outputs: list(inputs).index(n))
_largest_first = _greedy(lambda n, done, inputs, size, outputs: -size[n])


def _depth_first(inputs: dict, size: dict, outputs: list) -> tuple[list, int]:
    """Follow a branch to its end before the next one begins."""
    order: list[str] = []
    while len(order) < len(inputs):
        ready = _ready(order, inputs)
        order.append(next((n for n in ready if order and order[-1] in inputs[n]), ready[0]))
    return order, peak_of(order, inputs, size, outputs)


def _by_total(inputs: dict, size: dict, outputs: list, told: str = "peak") -> tuple[list, int]:
    """The order whose live bytes have the smallest sum over all steps."""
    layer: dict[frozenset, tuple[int, list]] = {frozenset(): (0, [])}
    for _ in inputs:
        found: dict[frozenset, tuple[int, list]] = {}
        for done, (total, order) in layer.items():
            for name in _ready(done, inputs):
                more = total + _live(done, inputs, size, outputs) + size[name]
                key = done | {name}
                if key not in found or more < found[key][0]:
                    found[key] = more, [*order, name]
        layer = found
    (total, order), = layer.values()
    return order, peak_of(order, inputs, size, outputs) if told == "peak" else total


def _last_step_only(inputs: dict, size: dict, outputs: list) -> tuple[list, int]:
    order, _ = _depth_first(inputs, size, outputs)
    return order, _live(frozenset(order[:-1]), inputs, size, outputs) + size[order[-1]]


def _frees_first(inputs: dict, size: dict, outputs: list) -> tuple[list, int]:
    """Searches well with a wrong cost: the inputs are gone before the output is there."""
    layer: dict[frozenset, tuple[int, list]] = {frozenset(): (_live(frozenset(), inputs, size, outputs), [])}
    for _ in inputs:
        found: dict[frozenset, tuple[int, list]] = {}
        for done, (peak, order) in layer.items():
            for name in _ready(done, inputs):
                key = done | {name}
                more = max(peak, _live(key, inputs, size, outputs))
                if key not in found or more < found[key][0]:
                    found[key] = more, [*order, name]
        layer = found
    (peak, order), = layer.values()
    return order, peak


# --- cases ---------------------------------------------------------------------------------------


def _draw(rng: np.random.Generator) -> Case:
    """Mostly graphs on which the order matters: branches of random sizes, and random graphs."""
    if rng.random() < 0.6:
        chains = [[int(rng.integers(1, 40)) for _ in range(int(rng.integers(1, 4)))] for _ in range(int(rng.integers(2, 4)))]
        while sum(map(len, chains)) > 6:
            chains.pop()
        return Case(*branches(chains, int(rng.integers(1, 20)), int(rng.integers(0, 2)) * int(rng.integers(1, 9))))
    return Case(*random_dag(rng, 3, 6))


READS = {"a": ["x"], "b": ["x"], "c": ["a"], "d": ["b"], "y": ["c", "d"]}
SIZE = {"x": 4, "a": 10, "b": 10, "c": 1, "d": 1, "y": 2}
UNLOCKS = ({"a": ["x"], "b": ["x"], "c": ["b"], "y": ["a", "c"]}, {"x": 1, "a": 5, "b": 20, "c": 6, "y": 1}, ["y"])
DEEP = branches([(20, 12, 9), (30, 2)], 3, 4)
WIDE = branches([(40, 3), (25, 9), (60, 1), (12, 8), (33, 5), (50, 2)], 4)

best_order = Exercise(
    id="09.best_order", points=6, difficulty=3, minutes=25, idea="remember sets of operators, not orders",
    reference=memory_planner.best_order, show=show_graph,
    cases=[Case(READS, SIZE, ["y"]), Case(*UNLOCKS),
           Case({"a": ["x"], "b": ["a"]}, {"x": 5, "a": 7, "b": 3}, ["a", "b"])],
    hidden=[
        Case(*DEEP), Case(*branches([(20, 12, 9), (30, 2)], 3)),
        Case({"a": ["x"]}, {"x": 3, "a": 4}, ["a"]), Case({"a": ["x"], "b": ["a"]}, {"x": 0, "a": 0, "b": 0}, ["b"]),
        Case({"a": ["x"], "b": ["x"], "c": ["x"]}, {"x": 30, "a": 8, "b": 6, "c": 1}, ["a", "b"], label="c is a result that nobody reads"),
        Case({"y": ["c", "d"], "d": ["b"], "c": ["a"], "b": ["x"], "a": ["x"]}, SIZE, ["y"], label="the first graph, listed backward"),
        Case(*branches([(9, 30, 1), (8, 1), (7, 15)], 2, 1)),
        Case({"a": ["x"], "b": ["z"], "c": ["a"], "d": ["b"]}, {"x": 40, "z": 10, "a": 12, "b": 30, "c": 11, "d": 1}, ["c", "d"]),
        Case(*WIDE, label="12 operators: six branches of two from one input"),
    ],
    draw=_draw, draws=40, compare=prop(_judge, same=_same), time_limit_s=5,
    misconceptions=[
        Misconception("all_permutations", _all_permutations,
            "Twelve operators have 12! = 479 million orders. What is live after some operators have run depends on *which* have "
            "run, not on their order: there are at most 4,096 such sets. Keep the best peak for each.",
            "Too many orders to try."),
        Misconception("smallest_first", _smallest_first,
            "You always run the operator with the smallest output. A large one can be worth it at once, when it unlocks an "
            "operator that leaves little behind.", "The smallest output is not always first."),
        Misconception("least_left_first", _least_left,
            "You always take the step that leaves the fewest bytes. A step that looks bad now can make all later ones cheap, so "
            "no choice can be made for good before its consequences are known.", "Greedy steps are not enough."),
        Misconception("depth_first", _depth_first,
            "Finishing one branch before the next is a good rule of thumb. *Which* branch goes first matters too: what it leaves "
            "behind waits during all others.", "Depth first is a rule of thumb."),
        Misconception("as_listed", _as_listed,
            "This is the order of the dictionary, with its peak. Another order of the same operators may need less.",
            "The order was left as it is."),
        Misconception("largest_first", _largest_first,
            "The largest output first gets the worst over early in some graphs and piles everything up in others. The peak of a "
            "whole order decides.", "The largest output is not always first."),
        Misconception("smallest_total", _by_total,
            "Your order has the smallest *sum* of live bytes over the steps. The device runs out of memory at the largest single "
            "step: carry the maximum along, not the sum.", "The sum is not the peak.",
            also=(lambda inputs, size, outputs: _by_total(inputs, size, outputs, "total"),)),
        Misconception("last_step_only", _last_step_only,
            "The number is what lives in the last step. Along the way more may have lived: keep the maximum over all steps.",
            "Only the last step was counted."),
        Misconception("frees_first", _frees_first,
            "Your cost of a step counts what lives *after* it. While the operator runs, its inputs and its output are both there.",
            "The inputs are freed too soon."),
    ],
    alternatives=[_over_sets, _layer_by_layer, _cheapest_set_first],
    hints=(
        "Write a function of a *set* of operators that have run: which bytes are live then? It needs no order.",
        "Running operator n after a set S costs live(S) + size[n] at that moment. The peak of a path is the maximum of its costs.",
        "For every set keep the smallest peak with which it can be reached, and how. Go from the empty set to the full one, or "
        "recursively with a memo.",
    ),
    worth_knowing="The general problem is NP-hard. 2^n sets are fine for one block of a network; runtimes use heuristics for whole graphs.",
)
