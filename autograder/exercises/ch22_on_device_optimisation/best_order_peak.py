"""Exercise 22.best_order_peak: the order of execution with the lowest peak."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import numpy as np

from utils.cost import arena

from ...exercise import Case, Exercise, Misconception

Graph = dict[str, tuple[int, list[str]]]


def _check(graph: Graph) -> list[str]:
    """A topological order; ValueError for a cycle."""
    done: list[str] = []
    while len(done) < len(graph):
        ready = [n for n in graph if n not in done and all(t in done for t in graph[n][1])]
        if not ready:
            raise ValueError("cycle")
        done += ready
    return done


def _peak(order: list[str], graph: Graph, *, free_first: bool = False, sinks_die: bool = False, largest: bool = False, inputs_stay: bool = False,
          free_inputs: bool = False) -> int:
    left = {n: sum(n in ins for _, ins in graph.values()) for n in graph}
    alive: dict[str, int] = {}
    peak = 0
    for name in order:
        def release(name: str = name) -> None:
            for t in set(graph[name][1]):
                left[t] -= 1
                if not left[t] and not (inputs_stay and not graph[t][1]):
                    alive.pop(t, None)

        if free_first:
            release()
        if not (free_inputs and not graph[name][1]):
            alive[name] = graph[name][0]
        peak = max(peak, max(alive.values(), default=0) if largest else sum(alive.values()))
        if not free_first:
            release()
        if sinks_die and not left[name]:
            alive.pop(name, None)
    return peak


def _orders(graph: Graph):
    names = list(graph)
    for order in permutations(names):
        at = {n: i for i, n in enumerate(order)}
        if all(at[t] < at[n] for n in names for t in graph[n][1]):
            yield list(order)


def _best(graph: Graph, **rules: bool) -> int:
    """Depth first over orders with the rules of `_peak`, with a memo over the set of nodes that have run."""
    _check(graph)
    names = list(graph)
    reads = {n: set(graph[n][1]) for n in names}
    readers = {n: {m for m in names if n in reads[m]} for n in names}
    inputs_stay, sinks_die, free_first, free_inputs = (rules.get(k, False) for k in ("inputs_stay", "sinks_die", "free_first", "free_inputs"))

    def alive(done: frozenset) -> list[int]:
        return [graph[n][0] for n in done if not (free_inputs and not reads[n])
                and ((not readers[n] and not sinks_die) or (readers[n] - done) or (inputs_stay and not reads[n]))]

    @lru_cache(None)
    def cost(done: frozenset) -> int:
        if len(done) == len(names):
            return 0
        found = []
        for n in names:
            if n in done or not reads[n] <= done:
                continue
            after = done | {n}
            during = alive(after if free_first else done)
            now = during if free_first and n in done else [*during]
            if free_first:
                kept = [*alive(after)] + ([graph[n][0]] if not readers[n] and sinks_die else [])
                level = max(kept, default=0) if rules.get("largest") else sum(kept)
            else:
                sizes = [*now, *([] if free_inputs and not reads[n] else [graph[n][0]])]
                level = max(sizes, default=0) if rules.get("largest") else sum(sizes)
            found.append(max(level, cost(after)))
        return min(found)

    return cost(frozenset())


def _one_order(graph: Graph) -> int:
    return _peak(_check(graph), graph)


def _depth_first(graph: Graph) -> int:
    _check(graph)
    order: list[str] = []

    def visit(n: str) -> None:
        if n not in order:
            for t in graph[n][1]:
                visit(t)
            order.append(n)

    for n in graph:
        visit(n)
    return _peak(order, graph)


def _smallest_next(graph: Graph) -> int:
    """Always runs the node that leaves the fewest bytes."""
    _check(graph)
    order: list[str] = []
    while len(order) < len(graph):
        ready = [n for n in graph if n not in order and all(t in order for t in graph[n][1])]

        def after(n: str) -> int:
            done = {*order, n}
            return sum(graph[t][0] for t in done if any(t in graph[m][1] and m not in done for m in graph) or not any(t in graph[m][1] for m in graph))

        order.append(min(ready, key=after))
    return _peak(order, graph)


def _worst(graph: Graph) -> int:
    order = _check(graph)
    return max((_peak(o, graph) for o in _orders(graph)), default=0) if len(order) <= 7 else _peak(order, graph)


def _brute_force(graph: Graph) -> int:
    """Backtracking with a bound."""
    _check(graph)
    names, best = list(graph), [sum(size for size, _ in graph.values())]
    readers = {n: [m for m in names if n in graph[m][1]] for n in names}

    def go(done: tuple[str, ...], peak: int) -> None:
        if peak >= best[0]:
            return
        if len(done) == len(names):
            best[0] = peak
            return
        for n in names:
            if n in done or any(t not in done for t in graph[n][1]):
                continue
            alive = [t for t in done if not readers[t] or any(m not in done for m in readers[t])]
            go((*done, n), max(peak, graph[n][0] + sum(graph[t][0] for t in alive)))

    go((), 0)
    return best[0] if graph else 0


def _bitmask(graph: Graph) -> int:
    names = list(graph)
    index = {n: i for i, n in enumerate(names)}
    need = [sum(1 << index[t] for t in set(graph[n][1])) for n in names]
    use = [sum(1 << index[m] for m in names if n in graph[m][1]) for n in names]
    best = {0: 0}
    for _ in names:
        after: dict[int, int] = {}
        for done, peak in best.items():
            level = sum(graph[n][0] for i, n in enumerate(names) if done >> i & 1 and (not use[i] or use[i] & ~done))
            for i, n in enumerate(names):
                if not done >> i & 1 and need[i] & ~done == 0:
                    key, value = done | 1 << i, max(peak, level + graph[n][0])
                    after[key] = min(after.get(key, value), value)
        best = after
        if not best:
            raise ValueError("cycle")
    return next(iter(best.values()))


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(2, 9))
    names = [f"n{i}" for i in range(n)]
    graph = {}
    for i in range(n):
        chosen = [names[j] for j in range(i) if rng.random() < 0.35]
        graph[names[i]] = (int(rng.choice([1, 2, 3, 5, 8, 12])), chosen or ([names[int(rng.integers(0, i))]] if i and rng.random() < 0.85 else []))
    return Case({names[i]: graph[names[i]] for i in rng.permutation(n)} if rng.random() < 0.3 else graph)


_TWO = {"in": (2, []), "a1": (8, ["in"]), "a2": (1, ["a1"]), "b1": (8, ["in"]), "b2": (1, ["b1"]), "cat": (2, ["a2", "b2"])}
_THREE = {"x": (1, []), "p": (6, ["x"]), "q": (2, ["p"]), "r": (5, ["x"]), "s": (1, ["r"]), "t": (4, ["x"]), "u": (3, ["t"]), "y": (1, ["q", "s", "u"])}
_TRAP = {"x": (2, []), "a": (5, ["x"]), "b": (3, ["x"]), "c": (9, ["b"]), "d": (1, ["c"]), "e": (1, ["a", "d"])}

best_order_peak = Exercise(
    id="22.best_order_peak", points=5, difficulty=3, minutes=25, idea="the order of branches decides the peak",
    reference=arena.best_order_peak,
    cases=[Case(_TWO), Case({"x": (3, []), "a": (5, ["x"]), "b": (2, ["a"]), "y": (1, ["b", "x"])})],
    hidden=[Case({}), Case({"a": (7, [])}), Case({"a": (4, []), "b": (6, ["a"]), "c": (2, ["b"])}), Case({"a": (4, []), "b": (1, ["a"]), "c": (2, ["a"]), "d": (3, ["b", "c"])}), Case({"a": (4, []), "b": (9, ["a"]), "c": (1, ["a"])}), Case(_THREE), Case(_TRAP),
            Case({"c": (2, ["b"]), "b": (6, ["a"]), "a": (4, [])}, label="a chain, listed backwards"), Case({"a": (4, []), "b": (5, []), "c": (1, ["a", "b"])}), Case({"a": (4, []), "b": (3, ["a", "a"])}, label="an input that is read twice"), Case({"a": (0, []), "b": (5, ["a"]), "c": (5, ["a"]), "d": (0, ["b"]), "e": (0, ["c"]), "f": (0, ["d", "e"])}),
            Case({"x": (8, []), "a": (1, ["x"]), "y": (8, []), "b": (1, ["y"]), "c": (1, ["a", "b"])}, label="two inputs that need not be loaded together")],
    raises=[Case({"a": (1, ["b"]), "b": (1, ["a"])}, word="cycle"), Case({"x": (1, []), "a": (1, ["x", "b"]), "b": (1, ["a"])}, word="cycle"), Case({"a": (1, ["a"])}, word="cycle")],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("one_order", _one_order,
                      "You take one order. Run the branches one after the other, or the small one first: another order may need less. Search over the orders.", "Only one order is tried.",
                      also=(_depth_first,)),
        Misconception("greedy", _smallest_next,
                      "You always run what leaves the fewest bytes next. A step that looks expensive may free more later: search, and keep the best for each set of nodes that have run.", "Greedy is not the best."),
        Misconception("worst", _worst,
                      "You return the peak of the worst order. Asked is the lowest peak.", "The lowest, not the highest."),
        Misconception("free_first", lambda graph: _best(graph, free_first=True),
                      "You free the inputs before the output is there. While an operator runs, its inputs and its output are in memory together.", "Inputs live while they are read."),
        Misconception("sinks_die", lambda graph: _best(graph, sinks_die=True),
                      "Outputs that nobody reads are freed at once. They are the graph's results and stay to the end.", "Results stay."),
        Misconception("inputs_stay", lambda graph: _best(graph, inputs_stay=True),
                      "You keep the nodes without inputs to the end. Here they are freed after their last reader, like all others.", "Inputs are freed, too."),
        Misconception("inputs_free", lambda graph: _best(graph, free_inputs=True),
                      "Nodes without inputs take no bytes in your answer. They are tensors like all others.", "Inputs take memory."),
        Misconception("largest", lambda graph: _best(graph, largest=True),
                      "You take the largest tensor of each step. All that live at the same time add up.", "Add what lives together."),
        Misconception("sum", lambda graph: (_check(graph) and sum(size for size, _ in graph.values())) or 0,
                      "You add all tensors. Those that are no longer needed are freed.", "Tensors are freed."),
    ],
    alternatives=[_brute_force, _bitmask],
    hints=(
        "Which tensors live depends only on the set of nodes that have run, not on their order.",
        "For a set: the live tensors are those with a reader outside of the set, and those without readers.",
        "best(set) = the smallest, over the nodes that can run next, of max(live + its output, best(set with it)). Keep the results in a dict.",
    ),
    worth_knowing="With n nodes there are up to 2^n sets but n! orders: 1,024 against 3,628,800 for ten.",
)
