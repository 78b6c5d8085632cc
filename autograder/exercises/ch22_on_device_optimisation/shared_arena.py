"""Exercise 22.shared_arena: several models, one arena."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from utils.cost import arena

from ...exercise import Case, Exercise, Misconception

Bytes = dict[str, int]


def _check(arenas: Bytes, concurrent: list) -> None:
    if any(name not in arenas for group in concurrent for name in group):
        raise ValueError("unknown name")


def _most(arenas: Bytes, concurrent: list) -> int:
    return max([*(sum(arenas[n] for n in g) for g in concurrent), *arenas.values()], default=0)


def _by_subsets(weights: Bytes, arenas: Bytes, concurrent: list) -> int:
    """Every set of models that may be alive together, from the empty one on."""
    _check(arenas, concurrent)
    allowed = [set(g) for g in concurrent] + [{n} for n in arenas]
    best = 0
    for group in allowed:
        for k in range(len(group) + 1):
            best = max([best, *(sum(arenas[n] for n in some) for some in combinations(sorted(group), k))])
    return sum(weights.values()) + best


def _with_numpy(weights: Bytes, arenas: Bytes, concurrent: list) -> int:
    names = sorted(arenas)
    if not {n for g in concurrent for n in g} <= set(names):
        raise ValueError("unknown name")
    rows = [[n in g for n in names] for g in [*concurrent, *({n} for n in names)]]
    together = np.array(rows, int).reshape(len(rows), len(names)) @ np.array([arenas[n] for n in names], int)
    return int(sum(weights.values()) + together.max(initial=0))


def _draw(rng: np.random.Generator) -> Case:
    names = [str(n) for n in rng.permutation(list("ABCDEF"))[: int(rng.integers(1, 6))]]
    groups = [[n for n in names if rng.random() < 0.5] for _ in range(int(rng.integers(0, 4)))]
    return Case({n: int(rng.integers(1, 100)) for n in names}, {n: int(rng.integers(1, 100)) for n in names}, groups)


_W, _A = {"A": 20, "B": 10, "C": 5}, {"A": 40, "B": 25, "C": 30}

shared_arena = Exercise(
    id="22.shared_arena", points=3, difficulty=1, minutes=8, idea="weights stay, activations take turns",
    reference=arena.shared_arena,
    cases=[Case(_W, _A, [["A", "B"]]), Case(_W, _A, [])],
    hidden=[Case({}, {}, []), Case(_W, _A, [[]]), Case(_W, _A, [["B"]]), Case(_W, _A, [["B", "C"]]), Case(_W, _A, [["A", "B"], ["B", "C"]]), Case(_W, _A, [["A", "B", "C"]]), Case(_W, {"A": 90, "B": 25, "C": 30}, [["B", "C"]]), Case(_W, _A, [["A", "B"], ["A", "C"], ["B", "C"]])],
    draw=_draw, draws=30,
    raises=[Case(_W, _A, [["A", "D"]]), Case(_W, _A, [["A"], ["X"]])],
    misconceptions=[
        Misconception("all_arenas", lambda w, a, c: _check(a, c) or sum(w.values()) + sum(a.values()),
                      "You add all arenas. Models that never run together can use the same bytes.", "Arenas can be shared."),
        Misconception("largest", lambda w, a, c: _check(a, c) or sum(w.values()) + max(a.values(), default=0),
                      "You take the largest arena. Models that run at the same time need theirs together.", "Concurrent models add up."),
        Misconception("shared_weights", lambda w, a, c: _check(a, c) or max(w.values(), default=0) + _most(a, c),
                      "You share the weights too. They stay in memory for every model, whether it runs or not.", "Weights can't be shared."),
        Misconception("group_weights", lambda w, a, c: _check(a, c) or max([*(sum(w[n] + a[n] for n in g) for g in c), *(w[n] + a[n] for n in a)], default=0),
                      "You count weights only of the models that run. All weights stay resident.", "All weights stay."),
        Misconception("adds_groups", lambda w, a, c: _check(a, c) or sum(w.values()) + max([sum(sum(a[n] for n in g) for g in c), *a.values()], default=0),
                      "You add the groups. They are alternatives in time: the largest one counts.", "Groups take turns."),
        Misconception("no_singles", lambda w, a, c: _check(a, c) or sum(w.values()) + max((sum(a[n] for n in g) for g in c), default=0),
                      "You look at the groups alone. A model outside of them runs too, by itself.", "Every model runs alone, too."),
        Misconception("left_over", lambda w, a, c: _check(a, c) or sum(w.values()) + max((sum(a[n] for n in g) for g in c), default=0) + sum(v for n, v in a.items() if not any(n in g for g in c)),
                      "You add the models that are in no group to the largest group. They never run together with it.", "Models outside run alone."),
        Misconception("union", lambda w, a, c: _check(a, c) or sum(w.values()) + max([sum(a[n] for n in set().union(*c)), *a.values()], default=0),
                      "You let everybody that is in some group run together. Groups that share a model are still groups of their own.", "Groups are not joined."),
        Misconception("no_weights", lambda w, a, c: _check(a, c) or _most(a, c),
                      "The weights are missing.", "The weights are missing."),
        Misconception("unchecked", lambda w, a, c: sum(w.values()) + max([*(sum(a.get(n, 0) for n in g) for g in c), *a.values()], default=0),
                      "A name that no model has passes. Raise ValueError: a typing mistake would otherwise make the arena too small.", "Unknown names are not refused."),
    ],
    alternatives=[_by_subsets, _with_numpy],
    hints=("All weights, and the arena of the worst moment.", "Worst moment: the largest sum over a group, or the largest single model."),
    worth_knowing="TensorFlow Lite Micro shares an arena between interpreters in this way. A race between two models is then a bug that corrupts results silently.",
)
