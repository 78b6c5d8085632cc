"""A build in simulated minutes: what becomes of every stage when some of them fail."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

# A group is as bad as its worst child. A branch that was aborted never hides the failure that aborted it.
SEVERITY = {"SKIPPED": 0, "SUCCESS": 0, "UNSTABLE": 1, "ABORTED": 2, "FAILURE": 3}
Record = tuple[str, float, float]


def run_tree(stage: dict) -> dict[str, Record]:
    """(status, start, end) of every stage by name, in minutes; the first stage starts at 0.

    A leaf has `name` and `minutes` (positive), perhaps `result` (SUCCESS, UNSTABLE or FAILURE) and `when` (a bool). A
    group has `name` and either `stages`, run one after another, or `parallel`, run at once, perhaps with `failFast`.
    There is an executor for every branch.

    >>> unit = {"name": "unit", "minutes": 6}
    >>> run_tree({"name": "all", "parallel": [unit, {"name": "lint", "minutes": 2, "result": "FAILURE"}],
    ...           "failFast": True})["unit"]
    ('ABORTED', 0.0, 2.0)
    """
    return _run(stage, 0.0)


def _run(stage: Mapping[str, Any], start: float) -> dict[str, Record]:
    if "stages" in stage:
        return _sequence(stage, start)
    if "parallel" in stage:
        return _branches(stage, start)
    if stage.get("when", True):
        return {stage["name"]: (stage.get("result", "SUCCESS"), start, start + stage["minutes"])}
    return {stage["name"]: ("SKIPPED", start, start)}


def _sequence(stage: Mapping[str, Any], start: float) -> dict[str, Record]:
    log: dict[str, Record] = {}
    now, stopped = start, False
    for child in stage["stages"]:
        if stopped:
            log |= dict.fromkeys(names(child), ("NOT_BUILT", now, now))
            continue
        log |= _run(child, now)
        status, _, now = log[child["name"]]
        stopped = status == "FAILURE"
    return {stage["name"]: (_worst(stage["stages"], log), start, now), **log}


def _branches(stage: Mapping[str, Any], start: float) -> dict[str, Record]:
    log: dict[str, Record] = {}
    for child in stage["parallel"]:
        log |= _run(child, start)
    ends = [log[child["name"]] for child in stage["parallel"]]
    end = max((e for _, _, e in ends), default=start)
    if stage.get("failFast"):
        end = min((e for status, _, e in ends if status == "FAILURE"), default=end)
        for child in stage["parallel"]:
            log |= _cut(child, log, end)
    return {stage["name"]: (_worst(stage["parallel"], log), start, end), **log}


def _cut(stage: Mapping[str, Any], log: Mapping[str, Record], at: float) -> dict[str, Record]:
    """The records of a branch and all below it after an abort at this time."""
    cut: dict[str, Record] = {}
    for child in children(stage):
        cut |= _cut(child, log, at)
    status, start, end = log[stage["name"]]
    if end > at:
        if start >= at:
            status, start, end = "NOT_BUILT", at, at
        else:
            failed = any(cut[child["name"]][0] == "FAILURE" for child in children(stage))
            status, end = "FAILURE" if failed else "ABORTED", at
    return {stage["name"]: (status, start, end), **cut}


def _worst(stages: list, log: Mapping[str, Record]) -> str:
    """The worst status of children that were built; SKIPPED counts as SUCCESS. NOT_BUILT if none was built."""
    built = [log[child["name"]][0] for child in stages if log[child["name"]][0] != "NOT_BUILT"]
    return max((s if SEVERITY[s] else "SUCCESS" for s in built), key=SEVERITY.__getitem__, default="NOT_BUILT")


def children(stage: Mapping[str, Any]) -> list:
    """The stages directly inside one; none for a leaf."""
    return stage.get("stages") or stage.get("parallel") or []


def names(stage: Mapping[str, Any]) -> Iterator[str]:
    """The name of a stage and of all below it."""
    yield stage["name"]
    for child in children(stage):
        yield from names(child)


def leaves(stage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The stages that do work."""
    if not ("stages" in stage or "parallel" in stage):
        yield stage
    for child in children(stage):
        yield from leaves(child)


def build_minutes(log: Mapping[str, Record]) -> float:
    """When the last stage ended."""
    return max((end for _, _, end in log.values()), default=-math.inf)
