"""Exercise 52.islands: into how many pieces a device cuts a network."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np

from utils.networks import deploy

from ...compare import exact, kind_of, prop
from ...exercise import Case, Exercise, Misconception

Ops, Counts = list[str], tuple[int, int]


def _runs(flags: list[bool]) -> list[bool]:
    return [key for key, _ in groupby(flags)]


def _count(ops: Ops, supported: set[str]) -> Counts:
    runs = _runs([op in supported for op in ops])
    return sum(runs), len(runs) - sum(runs)


# --- right in other ways ---------------------------------------------------------------------------


def _by_starts(ops: Ops, supported: set[str]) -> Counts:
    """A segment starts wherever the operator before is of the other kind."""
    device = fallback = 0
    before = None
    for op in ops:
        now = op in supported
        if now != before:
            device, fallback = device + now, fallback + (not now)
        before = now
    return device, fallback


def _with_numpy(ops: Ops, supported: set[str]) -> Counts:
    flags = np.array([op in supported for op in ops], dtype=int)
    padded = np.concatenate([[0], flags, [0]])
    inverse = np.concatenate([[0], 1 - flags, [0]])
    return int((np.diff(padded) == 1).sum()), int((np.diff(inverse) == 1).sum())


def _by_text(ops: Ops, supported: set[str]) -> Counts:
    text = "".join("d" if op in supported else "f" for op in ops)
    return len([part for part in text.split("f") if part]), len([part for part in text.split("d") if part])


# --- wrong -----------------------------------------------------------------------------------------


def _operators(ops: Ops, supported: set[str]) -> Counts:
    return _count(ops, supported)[0], sum(op not in supported for op in ops)


def _all_operators(ops: Ops, supported: set[str]) -> Counts:
    inside = sum(op in supported for op in ops)
    return inside, len(ops) - inside


def _kinds(ops: Ops, supported: set[str]) -> Counts:
    return len(set(ops) & supported), len(set(ops) - supported)


def _switches(ops: Ops, supported: set[str]) -> Counts:
    flags = [op in supported for op in ops]
    device = sum(b and not a for a, b in pairwise(flags))
    return device, sum(a and not b for a, b in pairwise(flags))


def _switches_halved(ops: Ops, supported: set[str]) -> Counts:
    flags = [op in supported for op in ops]
    switches = sum(a != b for a, b in pairwise(flags))
    return (switches + 1) // 2, switches // 2


def _last_missing(ops: Ops, supported: set[str]) -> Counts:
    counts, before = [0, 0], None
    for op in ops:
        now = op in supported
        if before is not None and now != before:
            counts[not before] += 1
        before = now
    return counts[0], counts[1]


def _lower(ops: Ops, supported: set[str]) -> Counts:
    return _count([op.lower() for op in ops], {op.lower() for op in supported})


def _swapped(ops: Ops, supported: set[str]) -> Counts:
    return _count(ops, supported)[::-1]


def _total(ops: Ops, supported: set[str]) -> Counts:
    total = sum(_count(ops, supported))
    return total, total


def _by_name(ops: Ops, supported: set[str]) -> Counts:
    """Runs of equal operators instead of runs of equal placement."""
    names = [key for key, _ in groupby(ops)]
    return sum(name in supported for name in names), sum(name not in supported for name in names)


def _starts_on_device(ops: Ops, supported: set[str]) -> Counts:
    runs = [True, *_runs([op in supported for op in ops])]
    runs = _runs(runs)
    return sum(runs), len(runs) - sum(runs)


def _one_for_empty(ops: Ops, supported: set[str]) -> Counts:
    return _count(ops, supported) if ops else (1, 0)


def _first_empty(ops: Ops, supported: set[str]) -> Counts:
    ops[0]
    return _count(ops, supported)


def _judge(case: object, expected: tuple, got: object) -> str | None:
    if not isinstance(got, (tuple, list)):
        return f"{kind_of(got)}, expected two counts"
    return exact()(tuple(expected), tuple(got))


def _draw(rng: np.random.Generator) -> Case:
    names = ["Conv", "Relu", "Reshape", "Transpose", "Concat", "Slice", "Resize"]
    ops = [str(name) for name in rng.choice(names, int(rng.integers(1, 25)))]
    supported = [name for name in names if rng.random() < 0.6]
    return Case(ops, supported)


_NET = ["Conv", "Relu", "Reshape", "Transpose", "Reshape", "Conv", "Relu", "Conv"]

islands = Exercise(
    id="52.islands", points=3, difficulty=1, minutes=9, idea="borders cost, not operators",
    reference=deploy.islands, probe="ch52_deploying_lightweight_models.islands", compare=prop(_judge, same=exact()),
    cases=[Case(_NET, ["Conv", "Relu"], label="one shuffle, {Conv, Relu}")],
    hidden=[Case([], ["Conv"], label="no operators"), Case(["Conv", "Relu"], ["Conv", "Relu"], label="all supported"),
            Case(["Conv", "Relu"], [], label="nothing supported"),
            Case(["Resize", "Conv", "Resize", "Conv"], ["Conv"], label="alternating, starts with a fallback"),
            Case(["Conv", "Resize", "Conv", "Resize", "Conv"], ["Conv"], label="alternating, ends on the device"),
            Case(["Conv", "conv", "Conv"], ["Conv"], label="Conv, conv, Conv"),
            Case(["Conv", "Relu", "Conv", "MaxPool"], ["Conv", "Relu", "MaxPool"], label="four operators, all supported"),
            Case(["Sigmoid"], ["Conv"], label="one operator, a fallback")],
    draw=_draw, draws=30,
    misconceptions=[
        Misconception("operators", _operators,
                      "You count operators, not segments. Reshape, Transpose, Reshape in a row are one segment: the tensors are handed over once before and "
                      "once after.", "Count runs, not operators.", also=(_all_operators, _kinds)),
        Misconception("switches", _switches,
                      "You count the switches between device and host. A list that is not empty has one segment more than it has switches.",
                      "Switches are one fewer."),
        Misconception("last_run", _last_missing,
                      "A segment is counted only when the next one begins, so the final one is missing. Nothing follows it.", "The final segment is missing."),
        Misconception("halved", _switches_halved,
                      "You split the number of segments evenly, as if every network began on the device. Look at which kind the first operator is.",
                      "The first operator decides."),
        Misconception("starts_on_device", _starts_on_device,
                      "You assume that a network begins on the device. Here an unsupported operator comes first, and there is no device segment before it.",
                      "No segment before the first operator."),
        Misconception("lower_case", _lower,
                      "Operator names of ONNX are case-sensitive. `conv` is not `Conv`, and no runtime knows it.", "Names are case-sensitive."),
        Misconception("swapped", _swapped, "Both counts are right, in the wrong order. Device segments come first.", "The order is (device, fallback)."),
        Misconception("total", _total, "You return the number of all segments twice. Tell the two kinds apart.", "Two kinds, two counts."),
        Misconception("by_name", _by_name,
                      "You start a new segment at every new operator name. Conv and Relu in a row, both supported, run in one segment.",
                      "Neighbours of one kind belong together."),
        Misconception("empty", _first_empty, "An empty list has no segments: (0, 0).", "The empty list.", also=(_one_for_empty,)),
    ],
    alternatives=[_count, _by_starts, _with_numpy, _by_text],
    hints=("Write a 1 for each supported operator and a 0 for each other one. What does a segment look like in that row?",
           "A segment begins at every position whose value differs from the one before, and at the first.",
           "`itertools.groupby` makes runs. Its key is `op in supported`."),
    worth_knowing="Each fallback segment costs two copies and two starts, however small it is.",
)
