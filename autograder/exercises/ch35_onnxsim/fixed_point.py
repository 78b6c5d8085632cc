"""Exercise 35.fixed_point: passes in rounds, until a round changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.graphs import simplify

from ...exercise import Case, Exercise, Misconception

PROBE = "ch35_onnxsim.rewriting"
Passes = list[Callable]
NOOP = {"find": ["Identity"], "put": []}
FOLD = {"find": ["Constant", "Constant", "Add"], "put": ["Constant"]}
CANCEL = {"find": ["Transpose", "Transpose"], "put": []}
SCALE = {"find": ["Constant", "Mul", "Constant", "Mul"], "put": ["Constant", "Mul"]}
TWELVE = ["Conv", "Transpose", "Identity", "Transpose", "Relu", "Constant", "Constant", "Add", "Mul", "Constant", "Mul", "Gemm"]
ADDS = [["Constant", *["Constant", "Add"] * n] for n in (14, 15)]  # one addition folds in each round
SWAP, BACK = {"find": ["Mul", "Relu"], "put": ["Relu", "Mul"]}, {"find": ["Relu", "Mul"], "put": ["Mul", "Relu"]}


def _round(graph: Any, passes: Passes) -> tuple[Any, list[int]]:
    counts = []
    for apply in passes:
        graph, changes = apply(graph)
        counts.append(changes)
    return graph, counts


def _rounds(stop: Callable = lambda before, after, counts: not sum(counts), told: Callable = sum, last: bool = True,
            give_up: bool = True, check: bool = True, most: Callable = lambda n: n) -> Callable:
    """An answer in rounds: when it stops, what it tells of a round, and what it does at the end; right by default."""

    def answer(graph: Any, passes: Passes, max_rounds: int = 15) -> tuple[Any, list]:
        if check and max_rounds < 1:
            raise ValueError("max_rounds must be at least 1")
        per_round = []
        for _ in range(most(max_rounds)):
            before = graph
            graph, counts = _round(graph, passes)
            done = stop(before, graph, counts)
            if last or not done:
                per_round.append(told(counts) if counts else 0)
            if done:
                return graph, per_round
        if give_up:
            raise RuntimeError("did not converge")
        return graph, per_round

    return answer


def _one_sweep(graph: Any, passes: Passes, max_rounds: int = 15) -> tuple[Any, list[int]]:
    graph, counts = _round(graph, passes)
    return graph, [sum(counts)]


def _one_sweep_and_a_zero(graph: Any, passes: Passes, max_rounds: int = 15) -> tuple[Any, list[int]]:
    graph, counts = _round(graph, passes)
    return graph, [sum(counts), 0] if sum(counts) else [0]


def _first_zero(graph: Any, passes: Passes, max_rounds: int = 15) -> tuple[Any, list[int]]:
    """Stops in the middle of a round, at the first pass without changes."""
    if max_rounds < 1:
        raise ValueError("max_rounds must be at least 1")
    per_round = []
    for _ in range(max_rounds):
        total = 0
        for apply in passes:
            graph, changes = apply(graph)
            total += changes
            if not changes:
                return graph, [*per_round, total]
        per_round.append(total)
    raise RuntimeError("did not converge")


def _each_to_its_end(graph: Any, passes: Passes, max_rounds: int = 15) -> tuple[Any, list[int]]:
    """Repeats each pass until it changes nothing before it goes on to the next; once through."""
    if max_rounds < 1:
        raise ValueError("max_rounds must be at least 1")
    per_round = []
    for apply in passes:
        for _ in range(max_rounds):
            graph, changes = apply(graph)
            per_round.append(changes)
            if not changes:
                break
        else:
            raise RuntimeError("did not converge")
    return graph, per_round


def _drops_passes(graph: Any, passes: Passes, max_rounds: int = 15) -> tuple[Any, list[int]]:
    """A pass that found nothing is not tried again."""
    if max_rounds < 1:
        raise ValueError("max_rounds must be at least 1")
    left, per_round = list(passes), []
    for _ in range(max_rounds):
        total, useful = 0, []
        for apply in left:
            graph, changes = apply(graph)
            total += changes
            if changes:
                useful.append(apply)
        per_round.append(total)
        if not total:
            return graph, per_round
        left = useful
    raise RuntimeError("did not converge")


# --- right answers ------------------------------------------------------------------------------


def _recursive(graph: Any, passes: Passes, max_rounds: int = 15) -> tuple[Any, list[int]]:
    if max_rounds < 1:
        raise ValueError("max_rounds must be at least 1")
    graph, counts = _round(graph, passes)
    if sum(counts) == 0:
        return graph, [0]
    if max_rounds == 1:
        raise RuntimeError("did not converge")
    graph, rest = _recursive(graph, passes, max_rounds - 1)
    return graph, [sum(counts), *rest]


def _endless_loop(graph: Any, passes: Passes, max_rounds: int = 15) -> tuple[Any, list[int]]:
    if max_rounds <= 0:
        raise ValueError("max_rounds must be at least 1")
    history = [-1]
    while history[-1] != 0:
        if len(history) > max_rounds:
            raise RuntimeError("the passes did not converge")
        history.append(0)
        for apply in passes:
            graph, changes = apply(graph)
            history[-1] += changes
    return graph, history[1:]


def _case(graph: list[str], passes: list[dict], label: str = "", **more: Any) -> Case:
    told = label or f"{' '.join(graph)}; passes {', '.join(_tell(p) for p in passes)}"
    return Case(graph=graph, passes=passes, label=told, **more)


def _tell(rule: dict) -> str:
    return f"{' '.join(rule['find'])} → {' '.join(rule['put']) or 'nothing'}"


def _draw(rng: np.random.Generator) -> Case:
    rules = [NOOP, FOLD, CANCEL, SCALE]
    chosen = [rules[i] for i in rng.permutation(4)[: int(rng.integers(1, 5))]]
    words = ["Identity", "Identity", "Transpose", "Transpose", "Constant", "Constant", "Add", "Mul", "Relu"]
    graph = [str(rng.choice(words)) for _ in range(int(rng.integers(4, 14)))]
    if rng.random() < 0.6:
        at = int(rng.integers(len(graph)))
        graph[at:at] = ["Transpose"] * 3 + ["Identity"] + ["Transpose"] * 3
    return _case(graph, chosen, f"{len(graph)} nodes, {len(chosen)} passes")


fixed_point = Exercise(
    id="35.fixed_point", points=3, difficulty=2, minutes=10, idea="one rewrite makes room for another",
    reference=simplify.fixed_point, probe=PROBE,
    cases=[
        _case(["Transpose", "Identity", "Transpose", "Relu"], [CANCEL, NOOP]),
        _case(TWELVE, [FOLD, CANCEL, NOOP, SCALE], "the twelve nodes; passes fold, cancel, noop, scale"),
        _case(["Relu"], [NOOP]),
    ],
    hidden=[
        _case([], []), _case(["Relu"], []), _case(["Identity"] * 6, [NOOP]),
        _case(["Constant", "Constant", "Add", "Constant", "Add", "Constant", "Add"], [FOLD]),
        _case(["Mul", "Relu", "Relu"], [SWAP, NOOP]),
        _case(["Transpose"] * 4 + ["Identity"] + ["Transpose"] * 2, [NOOP, CANCEL]),
        _case(["Constant", "Constant", "Add", "Constant", "Add"], [FOLD], max_rounds=3),
        _case(["Relu"], [NOOP], max_rounds=1), _case(ADDS[0], [FOLD], "14 additions in a chain"),
        _case(["Transpose", "Transpose", "Identity", "Transpose", "Transpose"], [CANCEL, CANCEL, NOOP]),
        _case(["Identity", "Transpose", "Identity", "Transpose", "Identity"], [CANCEL, SCALE, NOOP]),
    ],
    draw=_draw,
    raises=[
        _case(["Mul", "Relu"], [SWAP, BACK], error="RuntimeError", word="converge"),
        _case(["Constant", "Constant", "Add", "Constant", "Add"], [FOLD], error="RuntimeError", word="converge", max_rounds=2),
        _case(["Identity"], [NOOP], error="RuntimeError", word="converge", max_rounds=1),
        _case(ADDS[1], [FOLD], "15 additions in a chain", error="RuntimeError", word="converge"),
        _case(["Identity"], [NOOP], max_rounds=0), _case(["Identity"], [NOOP], max_rounds=-3),
    ],
    misconceptions=[
        Misconception(
            "one_sweep", _one_sweep,
            "You go through the passes once. A later pass may make room for an earlier one: with the Identity gone, the two "
            "Transposes stand side by side. Sweep again.",
            "Once is not enough.", also=(_one_sweep_and_a_zero,)),
        Misconception(
            "stops_at_the_first_zero", _first_zero,
            "You stop as soon as one pass reports 0. Another pass of the same round may still find something. Only a whole "
            "round without changes is the end.",
            "One pass at rest is not all.", also=(_rounds(stop=lambda b, a, counts: 0 in counts or not counts),
                                                  _rounds(stop=lambda b, a, counts: not counts or counts[-1] == 0))),
        Misconception(
            "counts_nodes", _rounds(stop=lambda before, after, counts: len(before) == len(after)),
            "You look at the number of nodes. A rewrite may leave the count as it was, and still make room for the next one. "
            "The passes tell how many changes they made.",
            "The node count says too little.",
            also=(_rounds(stop=lambda before, after, counts: before == after),)),
        Misconception(
            "last_zero_missing", _rounds(last=False),
            "The last round, which changed nothing, belongs into the list: it is the proof that the end was reached.",
            "The final 0 is missing."),
        Misconception(
            "last_pass_only", _rounds(told=lambda counts: counts[-1]),
            "Your number of a round is that of one pass. Add up the changes of all passes.",
            "Sum over the passes.",
            also=(_rounds(told=lambda counts: counts[0]), _rounds(told=lambda counts: sum(c > 0 for c in counts)),
                  _rounds(told=max), _rounds(told=lambda counts: int(any(counts))))),
        Misconception(
            "gives_up_silently", _rounds(give_up=False),
            "After `max_rounds` rounds that all changed something you return as if all was well. Passes that undo each other "
            "never end; the caller has to hear of it.",
            "Not settled is an error."),
        Misconception(
            "off_by_one", _rounds(most=lambda n: n - 1),
            "You allow one round less or more than `max_rounds`. The round that changes nothing counts as one of them.",
            "One round off.", also=(_rounds(most=lambda n: n + 1),)),
        Misconception(
            "each_to_its_end", _each_to_its_end,
            "You repeat each pass until it rests, and never come back to it. What a later pass does can wake it up. And the "
            "numbers are those of single passes, not of rounds.",
            "Rounds go over all passes."),
        Misconception(
            "drops_passes", _drops_passes,
            "You don't try a pass again after it found nothing. A later pass may make work for it.",
            "A pass at rest can wake up."),
        Misconception(
            "no_rounds_allowed", _rounds(check=False),
            "With `max_rounds` below 1 nothing can be done and nothing can be proved. The text asks for a ValueError.",
            "max_rounds is not checked."),
    ],
    alternatives=[_rounds(), _recursive, _endless_loop],
    hints=(
        "Two loops: the outer one over rounds, the inner one over passes. Each pass gives a new graph and a number.",
        "Add up the numbers of a round and append the sum, also when it is 0. Then look whether it is 0.",
        "When the outer loop ends by itself, no round was without changes: `raise RuntimeError(\"did not converge\")`.",
    ),
    worth_knowing="onnxsim does the same: shape inference, optimiser and constant folding in turns, until the model stays as it is.",
)
