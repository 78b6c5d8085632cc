"""Exercise 09.peak_live_bytes: what an order of operators needs at its worst moment."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import memory_planner

from ...exercise import Case, Exercise, Misconception
from .graphs import branches, peak_of, random_dag, random_order, show_graph


def _sweep(order: list, inputs: dict, size: dict, outputs: list) -> int:
    """Bytes that appear and disappear, step by step."""
    step = {name: i for i, name in enumerate(order)}
    if any(step.get(r, -1) >= step[name] for name in order for r in inputs[name]):
        raise ValueError("an operator runs too early")
    change = [0] * (len(order) + 1)
    for name, n in size.items():
        first = step.get(name, 0)
        readers = [step[op] for op in order if name in inputs[op]]
        last = len(order) - 1 if name in outputs else max(readers, default=first)
        change[first] += n
        change[last + 1] -= n
    return int(max(np.cumsum(change)))


def _counting(order: list, inputs: dict, size: dict, outputs: list) -> int:
    """Reference counts, as an interpreter frees tensors."""
    left = dict.fromkeys(size, 0)
    for read in inputs.values():
        for name in set(read):
            left[name] += 1
    for name in outputs:
        left[name] += 1  # the caller
    live = peak = sum(n for name, n in size.items() if name not in inputs)
    exists = {name for name in size if name not in inputs}
    for name in order:
        if not exists.issuperset(inputs[name]):
            raise ValueError("too early")
        exists.add(name)
        live += size[name]
        peak = max(peak, live)
        for read in set(inputs[name]):
            left[read] -= 1
            live -= size[read] if left[read] == 0 else 0
        live -= size[name] if left[name] == 0 else 0
    return peak


def _sum(order: list, inputs: dict, size: dict, outputs: list) -> int:
    peak_of(order, inputs, size, outputs)
    return sum(size.values())


def _largest(order: list, inputs: dict, size: dict, outputs: list) -> int:
    peak_of(order, inputs, size, outputs)
    return max(size.values())


def _last_step(order: list, inputs: dict, size: dict, outputs: list) -> int:
    peak_of(order, inputs, size, outputs)
    return size[order[-1]] + sum(size[n] for n in {*inputs[order[-1]], *outputs} - {order[-1]})


def _draw(rng: np.random.Generator) -> Case:
    inputs, size, outputs = random_dag(rng, 2, 8)
    return Case(random_order(rng, inputs), inputs, size, outputs)


READS = {"a": ["x"], "b": ["x"], "c": ["a"], "d": ["b"], "y": ["c", "d"]}
SIZE = {"x": 4, "a": 10, "b": 10, "c": 1, "d": 1, "y": 2}
TWO = ({"a": ["x"], "b": ["z"], "y": ["a", "b"]}, {"x": 3, "z": 50, "a": 8, "b": 2, "y": 1}, ["y"])
_wide, _wide_size, _wide_out = branches([(9, 2), (30, 5), (7, 7)], 4, 3)

peak_live_bytes = Exercise(
    id="09.peak_live_bytes", points=4, difficulty=2, minutes=15, idea="free a tensor after its last reader",
    reference=memory_planner.peak_live_bytes, show=show_graph,
    cases=[Case(list("abcdy"), READS, SIZE, ["y"]), Case(list("acbdy"), READS, SIZE, ["y"]),
           Case(list("ab"), {"a": ["x"], "b": ["a"]}, {"x": 5, "a": 7, "b": 3}, ["a", "b"])],
    hidden=[
        Case(list("bdacy"), READS, SIZE, ["y"]), Case(list("aby"), *TWO), Case(list("bay"), *TWO),
        Case(["p0", "p1", "q0", "q1", "r0", "r1", "y"], _wide, _wide_size, _wide_out),
        Case(["p0", "q0", "r0", "p1", "q1", "r1", "y"], _wide, _wide_size, _wide_out),
        Case(list("abcd"), {"a": ["x"], "b": ["a"], "c": ["x"], "d": ["c"]}, {"x": 6, "a": 9, "b": 9, "c": 5, "d": 20}, ["d"],
             label="b is a result that nobody reads"),
        Case(list("ab"), {"a": ["x"], "b": ["x"]}, {"x": 1, "a": 40, "b": 30}, ["b"], label="a is never read, and is large"),
        Case(list("abc"), {"a": ["x"], "b": ["a"], "c": ["b", "a"]}, {"x": 30, "a": 10, "b": 1, "c": 1}, ["c"]),
        Case(["a"], {"a": ["x"]}, {"x": 0, "a": 0}, ["a"]),
        Case(list("abc"), {"a": ["x"], "b": ["a"], "c": ["b"]}, {"x": 9, "a": 1, "b": 2, "c": 9}, ["x", "c"],
             label="the graph hands its input x back"),
        Case(list("ab"), {"a": ["x"], "b": ["z", "a"]}, {"x": 60, "z": 10, "a": 1, "b": 5}, ["b"], label="z waits from the start"),
    ],
    raises=[Case(list("cabdy"), READS, SIZE, ["y"]), Case(list("abcyd"), READS, SIZE, ["y"]),
            Case(list("ba"), {"a": ["x"], "b": ["a"]}, {"x": 1, "a": 1, "b": 1}, ["b"])],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("sum_of_all", _sum,
            "That is a buffer of its own for every tensor. A tensor whose last reader has run is dead, and its bytes are free.",
            "Dead tensors count too.", also=(lambda order, inputs, size, outputs: sum(size.values()),)),
        Misconception("largest_tensor", _largest,
            "An operator reads its inputs while it writes its output, so they are live together. One tensor alone is never the "
            "peak.", "One tensor alone is not the peak.", also=(lambda order, inputs, size, outputs: max(size.values()),)),
        Misconception("own_tensors_only", partial(peak_of, own_only=True),
            "You add an operator's inputs and its output. Other tensors wait in memory meanwhile for readers that come later.",
            "Waiting tensors were left out.", also=(partial(peak_of, own_only=True, checks=False),)),
        Misconception("frees_first", partial(peak_of, frees_first=True),
            "The inputs were freed before the output got its memory. The operator reads them until its last value is written.",
            "The inputs are freed too soon.", also=(partial(peak_of, frees_first=True, checks=False),)),
        Misconception("first_reader", partial(peak_of, first_reader=True),
            "A tensor was freed after its *first* reader. Others may still come: it lives until the last of them has run.",
            "Freed after the first reader.", also=(partial(peak_of, first_reader=True, checks=False),)),
        Misconception("outputs_freed", partial(peak_of, frees_outputs=True),
            "An output of the graph was freed when no operator read it any more. The caller still needs it: it stays to the end.",
            "The graph's output was freed.", also=(partial(peak_of, frees_outputs=True, checks=False),)),
        Misconception("inputs_stay", partial(peak_of, inputs_stay=True),
            "Graph inputs stay to the end in your count. They die like any other tensor, after their last reader.",
            "Graph inputs are never freed.", also=(partial(peak_of, inputs_stay=True, checks=False),)),
        Misconception("inputs_late", partial(peak_of, inputs_late=True),
            "A graph input takes memory from the start, not from the step that reads it first: it was there before the run began.",
            "Graph inputs arrive too late.", also=(partial(peak_of, inputs_late=True, checks=False),)),
        Misconception("unread_stays", partial(peak_of, unread_stays=True),
            "A result that nobody reads, and that is no output of the graph, is dead as soon as it has been made. Yours stays to "
            "the end.", "Unread results stay.", also=(partial(peak_of, unread_stays=True, checks=False),)),
        Misconception("last_step", _last_step,
            "This is what the last operator needs. The peak is the largest moment of the whole run, often in its middle.",
            "Only the last step was counted."),
        Misconception("order_unchecked", partial(peak_of, checks=False),
            "The peaks are right. An order that runs an operator before its input exists has to be refused.",
            "The order is not checked."),
    ],
    alternatives=[peak_of, _sweep, _counting],
    hints=(
        "Find for each tensor the position of its last reader in `order`. For an output of the graph nobody is the last.",
        "Walk through `order` with a set of live tensors: add the output, look at the sum, then take out what is dead.",
        "Start with all graph inputs in the set: the names in `size` that are not in `inputs`.",
    ),
    worth_knowing="The operators and their results are the same in both orders of the example. Only the waiting differs: 24 against 15.",
)
