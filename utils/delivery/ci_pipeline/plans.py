"""From a parsed Jenkinsfile to something that can be run in simulated minutes, and to jobs that can be scheduled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .jenkinsfile import Pipeline, Stage
from .tree_run import children, leaves


def plan_of(pipeline: Pipeline, minutes: Mapping[str, float], *, results: Mapping[str, str] | None = None,
            skipped: frozenset[str] | set[str] = frozenset(), name: str = "pipeline") -> dict[str, Any]:
    """The pipeline as a stage of `run_tree`: one sequence with durations from `minutes`, by the stage's name.

    A matrix becomes one parallel branch a cell, with the cell's values in the names: "test (OS=linux)". `results` maps
    leaves to UNSTABLE or FAILURE, `skipped` names those whose `when` is false; both know a cell's stages by the plain
    name and by the full one. Raises KeyError for a leaf without minutes.
    """
    known = _Known(minutes, results or {}, skipped)
    return {"name": name, "stages": [known.stage(s, "") for s in pipeline.stages]}


class _Known:
    """What is told about the leaves, looked up by full name, then by plain name."""

    def __init__(self, minutes: Mapping, results: Mapping, skipped: Any) -> None:
        self.minutes, self.results, self.skipped = minutes, results, skipped

    def stage(self, stage: Stage, cell: str) -> dict[str, Any]:
        full = stage.name + cell
        if stage.kind == "leaf":
            return self.leaf(stage.name, full)
        if stage.kind == "matrix":
            cells = [f" ({', '.join(f'{k}={v}' for k, v in c.items())})" for c in stage.cells()]
            branches = [{"name": full + c, "stages": [self.stage(s, cell + c) for s in stage.children]} for c in cells]
            return {"name": full, "parallel": branches, "failFast": stage.fail_fast}
        inside = [self.stage(s, cell) for s in stage.children]
        if stage.kind == "parallel":
            return {"name": full, "parallel": inside, "failFast": stage.fail_fast}
        return {"name": full, "stages": inside}

    def leaf(self, name: str, full: str) -> dict[str, Any]:
        told: dict[str, Any] = {"name": full, "minutes": self.minutes[full if full in self.minutes else name]}
        result = self.results.get(full, self.results.get(name))
        if result is not None:
            told["result"] = result
        if name in self.skipped or full in self.skipped:
            told["when"] = False
        return told


def jobs_of(stage: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, list[str]]]:
    """(durations, deps) of the leaves of a stage of `run_tree`: a sequence makes each wait for the one before it.

    Skipped leaves are left out; who would have waited for them waits for what they would have waited for.
    """
    deps: dict[str, list[str]] = {}
    _link(stage, [], deps)
    return {leaf["name"]: leaf["minutes"] for leaf in leaves(stage) if leaf["name"] in deps}, deps


def _link(stage: Mapping[str, Any], before: list[str], deps: dict[str, list[str]]) -> list[str]:
    """Enter the leaves of `stage`, which waits for the leaves `before`; what comes next waits for those returned."""
    if "stages" in stage:
        for child in stage["stages"]:
            before = _link(child, before, deps)
        return before
    if "parallel" in stage:
        ends = [end for child in children(stage) for end in _link(child, before, deps)]
        return list(dict.fromkeys(ends)) or before
    if not stage.get("when", True):
        return before
    deps[stage["name"]] = list(before)
    return [stage["name"]]
