"""Random graphs of operators, and live bytes by reference counting, for the exercises of this chapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...compare import brief


def peak_of(order: Sequence[str], inputs: Mapping, size: Mapping, outputs: Iterable[str], *, frees_first: bool = False,
            frees_outputs: bool = False, first_reader: bool = False, inputs_stay: bool = False,
            inputs_late: bool = False, unread_stays: bool = False, own_only: bool = False, checks: bool = True) -> int:
    """The peak of live bytes with one mistake; with its defaults it is right (an independent formulation)."""
    sources = {name for name in size if name not in inputs}
    made, held = set(sources), set() if inputs_late else set(sources)
    peak = sum(size[name] for name in held)
    for i, name in enumerate(order):
        read = set(inputs[name])
        if checks and not read <= made:
            raise ValueError(f"{name} runs too early")
        later = {r for other in order[i + 1 :] for r in inputs[other]}
        dead = read if first_reader else read - later
        if not frees_outputs:
            dead = dead - set(outputs)
        if inputs_stay:
            dead = dead - sources
        held |= read & sources if inputs_late else set()
        if frees_first:
            held -= dead
        held.add(name)
        made.add(name)
        counted = read | {name} if own_only else held
        peak = max(peak if not own_only or i else 0, sum(size[n] for n in counted))
        held -= dead
        if not unread_stays and name not in later and (frees_outputs or name not in outputs):
            held.discard(name)
    return peak


def random_order(rng: np.random.Generator, inputs: Mapping) -> list[str]:
    """Some order in which every operator runs after what it reads."""
    order: list[str] = []
    while len(order) < len(inputs):
        ready = [n for n, read in inputs.items() if n not in order and all(r in order or r not in inputs for r in read)]
        order.append(str(rng.choice(ready)))
    return order


def random_dag(rng: np.random.Generator, least: int, most: int) -> tuple[dict, dict, list]:
    """(inputs, size, outputs): operators that read one to three earlier tensors; every graph input has a reader."""
    sources = ["x", "z"][: int(rng.integers(1, 3))]
    n, names, inputs = int(rng.integers(least, most + 1)), list(sources), {}
    for i in range(n):
        weights = np.arange(1, len(names) + 1) ** 1.5 if rng.random() < 0.6 else np.ones(len(names))
        count = min(len(names), int(rng.choice([1, 1, 2, 2, 3])))
        read = [str(r) for r in rng.choice(names, size=count, replace=False, p=weights / weights.sum())]
        inputs["abcdefghijkl"[i]] = read
        names.append("abcdefghijkl"[i])
    used = {r for read in inputs.values() for r in read}
    last = names[-1]
    inputs[last] = [*inputs[last], *(s for s in sources if s not in used)]
    size = {name: int(rng.choice([rng.integers(1, 10), rng.integers(10, 60)])) for name in names}
    outputs = [last]
    if rng.random() < 0.4:
        outputs.append(str(rng.choice(list(inputs))))
    return inputs, size, sorted(set(outputs))


def branches(sizes: Sequence[Sequence[int]], source: int = 4, join: int = 0) -> tuple[dict, dict, list]:
    """(inputs, size, outputs): chains that all start from x; with `join` their ends meet in y, else they are outputs."""
    inputs, size, ends = {}, {"x": source}, []
    for b, chain in enumerate(sizes):
        at = "x"
        for i, bytes_ in enumerate(chain):
            name = f"{'pqrstu'[b]}{i}"
            inputs[name], size[name], at = [at], bytes_, name
        ends.append(at)
    if join:
        inputs["y"], size["y"], ends = ends, join, ["y"]
    return inputs, size, ends


def show_graph(value: Any) -> str:
    """Graphs as short text: `c ← a, b`; a list of names without quotes."""
    if isinstance(value, dict) and value and all(isinstance(v, (list, tuple)) for v in value.values()):
        return "{" + "; ".join(f"{name} ← {', '.join(map(str, read))}" for name, read in value.items()) + "}"
    if isinstance(value, dict) and value and all(isinstance(v, int) for v in value.values()):
        return "{" + ", ".join(f"{name} {size}" for name, size in value.items()) + "}"
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return "[" + ", ".join(value) + "]"
    if isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], list) and isinstance(value[1], int):
        return f"({show_graph(value[0])}, {value[1]})"
    return brief(value)
