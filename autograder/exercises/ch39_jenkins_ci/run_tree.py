"""Exercise 39.run_tree: statuses and times of all stages when some of them fail, with and without failFast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from utils.delivery import ci_pipeline as ci

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Log = dict[str, tuple[str, float, float]]
SEVERITY = ("SKIPPED", "SUCCESS", "UNSTABLE", "ABORTED", "FAILURE")


def _children(stage: dict) -> list[dict]:
    return stage.get("stages", stage.get("parallel", []))


def _walk(stage: dict) -> Iterator[dict]:
    yield stage
    for child in _children(stage):
        yield from _walk(child)


def _names(stage: dict) -> Iterator[str]:
    return (s["name"] for s in _walk(stage))


@dataclass(frozen=True)
class Rules:
    """The rules of a build, as parts that a wrong answer replaces. The defaults are right."""

    severity: tuple[str, ...] = SEVERITY
    stops: tuple[str, ...] = ("FAILURE", "ABORTED")  # statuses after which a sequence ends
    triggers: tuple[str, ...] = ("FAILURE",)         # statuses of a branch that make failFast act
    fail_fast: str = "flag"                          # "flag", "always", "never"
    joined: Callable[[list[tuple[str, float, float]], float], float] = lambda ends, start: max(e for _, _, e in ends)
    group: Callable[[list[str]], str] | None = None  # status of a group from its children's
    skip_minutes: bool = False
    same_instant_aborts: bool = False
    nested_unbuilt: bool = True
    unbuilt_at: Callable[[float, float], float] = lambda stopped, start: stopped
    cut_keeps_end: bool = False
    unbegun: str = "NOT_BUILT"                       # status at the abort of what has not begun
    aborted_group: Callable[[list[str]], str] = lambda below: "FAILURE" if "FAILURE" in below else "ABORTED"

    def __call__(self, stage: dict) -> Log:
        return self.run(stage, 0.0)

    def worst(self, statuses: list[str]) -> str:
        built = [s for s in statuses if s != "NOT_BUILT"]
        if not built:
            return "NOT_BUILT"
        found = (self.group or (lambda all_: max(all_, key=self.severity.index)))(built)
        return "SUCCESS" if found == "SKIPPED" else found

    def run(self, stage: dict, start: float) -> Log:
        if "stages" in stage:
            return self.sequence(stage, start)
        if "parallel" in stage:
            return self.branches(stage, start)
        if stage.get("when", True):
            return {stage["name"]: (stage.get("result", "SUCCESS"), start, start + stage["minutes"])}
        return {stage["name"]: ("SKIPPED", start, start + stage["minutes"] * self.skip_minutes)}

    def sequence(self, stage: dict, start: float) -> Log:
        log: Log = {}
        now, stopped = start, False
        for child in stage["stages"]:
            if stopped:
                at = self.unbuilt_at(now, start)
                log |= dict.fromkeys(_names(child) if self.nested_unbuilt else [child["name"]], ("NOT_BUILT", at, at))
                continue
            log |= self.run(child, now)
            status, _, now = log[child["name"]]
            stopped = status in self.stops
        status = self.worst([log[c["name"]][0] for c in stage["stages"]])
        return {stage["name"]: (status, start, now), **log}

    def branches(self, stage: dict, start: float) -> Log:
        log: Log = {}
        for child in stage["parallel"]:
            log |= self.run(child, start)
        ends = [log[c["name"]] for c in stage["parallel"]]
        end = self.joined(ends, start)
        bad = [e for status, _, e in ends if status in self.triggers]
        if bad and {"flag": stage.get("failFast", False), "always": True, "never": False}[self.fail_fast]:
            end = min(bad)
            for child in stage["parallel"]:
                if log[child["name"]][0] not in self.triggers or log[child["name"]][2] > end:
                    log |= self.cut(child, log, end)
        status = self.worst([log[c["name"]][0] for c in stage["parallel"]])
        return {stage["name"]: (status, start, end), **log}

    def cut(self, stage: dict, log: Log, at: float) -> Log:
        below: Log = {}
        for child in _children(stage):
            if child["name"] in log:
                below |= self.cut(child, log, at)
        status, start, end = log[stage["name"]]
        if end > at or (self.same_instant_aborts and end == at and start < at):
            if start >= at:
                status, start, end = self.unbegun, at, at
            else:
                statuses = [below[c["name"]][0] for c in _children(stage) if c["name"] in below]
                status, end = self.aborted_group(statuses), end if self.cut_keeps_end else at
        return {stage["name"]: (status, start, end), **below}


RIGHT = Rules()


def _wrong(*changes: dict) -> dict:
    first, *rest = [replace(RIGHT, **change) for change in changes]
    return {"answer": first, "also": tuple(rest)}


# --- right answers ------------------------------------------------------------------------------


def _with_deadline(stage: dict) -> Log:
    """One pass with a deadline: what an abort at that time leaves of a stage."""

    def go(node: dict, start: float, deadline: float) -> Log:
        name = node["name"]
        if "parallel" in node:
            free = [go(child, start, float("inf"))[child["name"]] for child in node["parallel"]]
            if node.get("failFast"):
                inner = min([deadline, *(end for status, _, end in free if status == "FAILURE")])
            else:
                inner = deadline
            log = {k: v for child in node["parallel"] for k, v in go(child, start, inner).items()}
            end = min(inner, max(end for _, _, end in free))
            finished = end < deadline or max(e for _, _, e in free) <= deadline or inner < deadline
        elif "stages" in node:
            log, now, going = {}, start, True
            for child in node["stages"]:
                if going and now < deadline:
                    log |= go(child, now, deadline)
                    status, _, now = log[child["name"]]
                    going = status not in ("FAILURE", "ABORTED")
                else:
                    log |= dict.fromkeys(_names(child), ("NOT_BUILT", now, now))
            free = go(node, start, float("inf"))[name] if deadline < float("inf") else ("", start, now)
            end, finished = min(now, free[2]), free[2] <= deadline
        elif not node.get("when", True):
            return {name: ("SKIPPED", start, start)}
        elif start >= deadline:
            return {name: ("NOT_BUILT", deadline, deadline)}
        elif start + node["minutes"] > deadline:
            return {name: ("ABORTED", start, deadline)}
        else:
            return {name: (node.get("result", "SUCCESS"), start, start + node["minutes"])}
        below = [log[c["name"]][0] for c in _children(node)]
        if "FAILURE" in below:
            status = "FAILURE"
        elif not finished:
            status = "ABORTED"
        else:
            status = next((s for s in ("UNSTABLE", "SUCCESS") if s in below), "SUCCESS" if "SKIPPED" in below else "NOT_BUILT")
        return {name: (status, start, end), **log}

    return go(stage, 0.0, float("inf"))


def _cut_afterwards(stage: dict) -> Log:
    """First everything without failFast, then the aborts, the innermost groups first."""
    log: Log = {}
    rank = {"SUCCESS": 0, "SKIPPED": 0, "UNSTABLE": 1, "ABORTED": 2, "FAILURE": 3}

    def leaves(node: dict) -> list[dict]:
        return [leaf for child in _children(node) for leaf in leaves(child)] if _children(node) else [node]

    def status_of(node: dict) -> str:
        found = [log[c["name"]][0] for c in _children(node)]
        top = max((rank[s] for s in found if s != "NOT_BUILT"), default=None)
        return "NOT_BUILT" if top is None else ("SUCCESS", "UNSTABLE", "ABORTED", "FAILURE")[top]

    def visit(node: dict, t: float) -> float:
        begin = t
        if "stages" in node:
            bad = False
            for child in node["stages"]:
                if bad:
                    for name in _names(child):
                        log[name] = ("NOT_BUILT", t, t)
                else:
                    t = visit(child, t)
                    bad = log[child["name"]][0] == "FAILURE"
        elif "parallel" in node:
            t = max([visit(child, begin) for child in node["parallel"]])
            failed = [log[c["name"]][2] for c in node["parallel"] if log[c["name"]][0] == "FAILURE"]
            if failed and node.get("failFast", False):
                t = min(failed)
                stop(node["parallel"], t)
        elif node.get("when") is False:
            log[node["name"]] = ("SKIPPED", t, t)
            return t
        else:
            t = begin + node["minutes"]
            log[node["name"]] = (node.get("result", "SUCCESS"), begin, t)
            return t
        log[node["name"]] = (status_of(node), begin, t)
        return t

    def stop(nodes: list[dict], t: float) -> None:
        for node in nodes:
            stop(_children(node), t)
            _, begin, end = log[node["name"]]
            if end > t and begin >= t:
                log[node["name"]] = ("NOT_BUILT", t, t)
            elif end > t:
                dead = any(log[c["name"]][0] == "FAILURE" for c in _children(node))
                log[node["name"]] = ("FAILURE" if dead else "ABORTED", begin, t)

    visit(stage, 0)
    return log


# --- cases --------------------------------------------------------------------------------------


def _leaf(name: str, minutes: float, **more: Any) -> dict:
    return {"name": name, "minutes": minutes, **more}


def _seq(name: str, *stages: dict) -> dict:
    return {"name": name, "stages": list(stages)}


def _par(name: str, *branches: dict, fast: bool | None = None) -> dict:
    return {"name": name, "parallel": list(branches)} | ({} if fast is None else {"failFast": fast})


def _tests(fast: bool | None) -> dict:
    tests = _par("tests", _leaf("unit", 6), _leaf("parity", 2, result="FAILURE"), _leaf("bench", 9), fast=fast)
    return _seq("ci", _leaf("build", 3), tests, _leaf("deploy", 1))


NAMED = {
    "a leaf alone": _leaf("x", 4, result="UNSTABLE"),
    "a skipped leaf alone": _leaf("x", 4, when=False),
    "all skipped": _seq("all", _leaf("a", 1, when=False), _par("p", _leaf("b", 2, when=False))),
    "nested stages inside a branch that is aborted": _par(
        "all", _seq("long", _leaf("a", 2), _leaf("b", 5), _seq("late", _leaf("c", 1), _leaf("d", 1))),
        _leaf("bad", 4, result="FAILURE"), fast=True),
    "a branch that would go on at the very instant": _par(
        "all", _seq("long", _leaf("a", 4), _leaf("b", 5)), _leaf("bad", 4, result="FAILURE"), fast=True),
    "a sibling that ends at the same instant": _seq("all", _par(
        "p", _leaf("good", 4), _leaf("bad", 4, result="FAILURE"), _seq("two", _leaf("x", 3), _leaf("y", 1, result="UNSTABLE")),
        fast=True), _leaf("after", 1)),
    "two failures at once": _par("p", _leaf("a", 3, result="FAILURE"), _seq("b", _leaf("c", 3, result="FAILURE"), _leaf("d", 2)),
                                 _leaf("e", 8), fast=True),
    "the second failure never comes": _par("p", _leaf("a", 3, result="FAILURE"), _leaf("b", 5, result="FAILURE"), fast=True),
    "a failure inside an aborted group": _par(
        "all", _par("inner", _leaf("p", 1, result="FAILURE"), _leaf("q", 9)), _leaf("bad", 4, result="FAILURE"), fast=True),
    "failFast inside a branch": _par(
        "all", _par("inner", _leaf("p", 2, result="FAILURE"), _leaf("q", 9), fast=True), _leaf("slow", 7)),
    "an inner failFast that the outer one forestalls": _par(
        "all", _seq("branch", _par("inner", _leaf("p", 6, result="FAILURE"), _leaf("q", 9), fast=True), _leaf("r", 1)),
        _leaf("bad", 3, result="FAILURE"), fast=True),
    "UNSTABLE goes on": _seq("all", _leaf("a", 2, result="UNSTABLE"), _par("p", _leaf("b", 1), _leaf("c", 3, result="UNSTABLE"),
                                                                             fast=True), _leaf("d", 1)),
    "UNSTABLE before an abort": _par("all", _seq("s", _leaf("a", 1, result="UNSTABLE"), _leaf("b", 9)),
                                     _leaf("bad", 3, result="FAILURE"), fast=True),
    "a skipped stage in a sequence": _seq("all", _leaf("a", 2), _leaf("docs", 5, when=False), _leaf("b", 1)),
    "a skipped branch": _seq("all", _par("p", _leaf("docs", 5, when=False), _leaf("a", 2), fast=True), _leaf("b", 1)),
    "groups that are not built": _seq("all", _leaf("a", 2, result="FAILURE"),
                                      _par("p", _leaf("b", 1), _seq("s", _leaf("c", 1), _leaf("d", 2))), _leaf("e", 1)),
    "a result that a skipped stage would have had": _seq("all", _leaf("a", 2, result="FAILURE", when=False), _leaf("b", 1, when=True)),
    "without failures": _seq("all", _par("p", _leaf("a", 2), _leaf("b", 5), _seq("s", _leaf("c", 3), _leaf("d", 3)), fast=True),
                             _leaf("e", 0.5)),
    "a failed sequence without failFast": _par("all", _seq("s", _leaf("a", 1, result="FAILURE"), _leaf("b", 5)), _leaf("c", 4)),
}


def _random(rng: np.random.Generator, depth: int, count: list[int]) -> dict:
    count[0] += 1
    name = f"s{count[0]}"
    if depth == 0 or (depth < 3 and rng.random() < 0.35):
        told = _leaf(name, int(rng.integers(1, 7)))
        kind = rng.random()
        if kind < 0.35:
            told["result"] = str(rng.choice(["FAILURE", "UNSTABLE", "SUCCESS"], p=[0.6, 0.3, 0.1]))
        elif kind < 0.45:
            told["when"] = bool(rng.random() < 0.3)
        return told
    inside = [_random(rng, depth - 1, count) for _ in range(int(rng.integers(1, 4)))]
    if rng.random() < 0.5:
        return _seq(name, *inside)
    return _par(name, *inside, fast=[True, True, True, False, None][int(rng.integers(5))])


def _settled(stage: dict, log: Log) -> bool:
    """Whether no skipped stage comes up at the very instant at which failFast acts, which the task leaves out.

    That instant also counts if nothing runs any more: whether the skipped stage has begun is open then too.
    """
    instants = {log[s["name"]][2] for s in _walk(stage) if s.get("failFast") and log[s["name"]][0] == "FAILURE"}
    return not any(status == "SKIPPED" and end in instants for status, _, end in log.values())


def _draw(rng: np.random.Generator) -> Case:
    while True:
        stage = _random(rng, 3, [0])
        log = RIGHT(stage)
        if _settled(stage, log):
            return Case(stage, label=_told(stage))


def _told(stage: dict) -> str:
    """A stage in short: a 3F; b 2; p[...]! for failFast."""
    if "stages" in stage:
        return f"{stage['name']}({' → '.join(map(_told, stage['stages']))})"
    if "parallel" in stage:
        return f"{stage['name']}[{' | '.join(map(_told, stage['parallel']))}]" + "!" * bool(stage.get("failFast"))
    mark = {"FAILURE": " F", "UNSTABLE": " U"}.get(stage.get("result"), "") + ("" if stage.get("when", True) else " skip")
    return f"{stage['name']} {stage['minutes']:g}{mark}"


def _show(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(v, (tuple, list)) and len(v) == 3 for v in value.values()):
        rows = [f"{name} {status} {start:g}-{end:g}" for name, (status, start, end) in value.items()]
        return "; ".join(rows[:5]) + ("; …" if len(rows) > 5 else "")
    return str(value)[:80]


run_tree = Exercise(
    id="39.run_tree", points=5, difficulty=3, minutes=25, idea="what a failure does to what runs beside it and after it",
    reference=ci.run_tree,
    cases=[Case(_tests(True), label="the example with failFast"), Case(_tests(None), label="the example without failFast"),
           Case(_seq("all", _leaf("a", 2, result="UNSTABLE"), _leaf("docs", 5, when=False), _leaf("b", 1)),
                label="the sequence of a, docs and b")],
    hidden=[Case(_tests(False), label="the example, failFast False"), *(Case(stage, label=label) for label, stage in NAMED.items())],
    draw=_draw, draws=60, compare=exact(), pure=True, show=_show,
    misconceptions=[
        Misconception(
            "branches_add_up", **_wrong({"joined": lambda ends, start: start + sum(e - s for _, s, e in ends)}),
            message="Your parallel group takes the sum of its branches. They run at the same time: it ends when the last of them ends.",
            title="Branches overlap."),
        Misconception(
            "always_fail_fast", **_wrong({"fail_fast": "always"}),
            message="You abort siblings without `failFast` as well. Without it a failed branch lets the others finish, and their results are "
                    "kept as evidence.",
            title="Only failFast aborts."),
        Misconception(
            "never_fail_fast", **_wrong({"fail_fast": "never"}),
            message="`failFast` has no effect. With it the first branch that ends in FAILURE ends all that still runs beside it, at that time.",
            title="failFast is missing."),
        Misconception(
            "goes_on_after_failure",
            **_wrong({"stops": ()}, {"group": lambda all_: min(all_, key=SEVERITY.index)}, {"group": lambda all_: all_[-1]},
                     {"group": lambda all_: "SUCCESS" if "SUCCESS" in all_ else max(all_, key=SEVERITY.index)}),
            message="A stage runs after one that failed, or a group counts as good because one of its children was. A group is as bad as its "
                    "worst child, and a sequence ends with a FAILURE.",
            title="One good branch is not enough."),
        Misconception(
            "aborted_wins", **_wrong({"severity": ("SKIPPED", "SUCCESS", "UNSTABLE", "FAILURE", "ABORTED")}),
            message="Your group is ABORTED although a child failed. The siblings were aborted *because* of that failure: the group's status is "
                    "FAILURE.",
            title="The failure is the news."),
        Misconception(
            "skipped_is_failed", **_wrong({"stops": ("FAILURE", "ABORTED", "SKIPPED")}, {"skip_minutes": True},
                                          {"severity": ("SUCCESS", "UNSTABLE", "SKIPPED", "ABORTED", "FAILURE")}),
            message="A skipped stage stops the sequence, takes time, or changes the group's status. A `when` that is false is no error: the "
                    "stage takes no time and counts as a success.",
            title="Skipped is no failure."),
        Misconception(
            "unstable_stops", **_wrong({"stops": ("FAILURE", "ABORTED", "UNSTABLE")}, {"triggers": ("FAILURE", "UNSTABLE")},
                                       {"stops": ("FAILURE", "ABORTED", "UNSTABLE"), "triggers": ("FAILURE", "UNSTABLE")}),
            message="UNSTABLE ends a sequence or sets off `failFast`. It only marks: some tests failed, and the build goes on.",
            title="UNSTABLE goes on."),
        Misconception(
            "unbuilt_without_children", **_wrong({"nested_unbuilt": False}),
            message="A group that is not built is there, but the stages inside it are missing. Every leaf and every group has a line in the "
                    "result.",
            title="Stages are missing."),
        Misconception(
            "unbuilt_at_another_time", **_wrong({"unbuilt_at": lambda stopped, start: 0.0}, {"unbuilt_at": lambda stopped, start: start}),
            message="The stages that are not built have another time. They start and end at the end of the stage that stopped the sequence.",
            title="When was it not built?"),
        Misconception(
            "same_instant_aborted", **_wrong({"same_instant_aborts": True}),
            message="A stage that ends at the very instant of the abort is ABORTED in your result. It has ended: its status stays.",
            title="Ended is ended."),
        Misconception(
            "aborted_runs_on", **_wrong({"cut_keeps_end": True}),
            message="Your aborted stages keep the end that they would have had. An abort ends them at its own time.",
            title="Aborted means ended."),
        Misconception(
            "unbegun_aborted", **_wrong({"unbegun": "ABORTED"}),
            message="A stage that had not begun when its branch was aborted is ABORTED in your result. Only what runs can be aborted. The rest "
                    "is NOT_BUILT.",
            title="It had not begun."),
        Misconception(
            "status_of_aborted_group", **_wrong({"aborted_group": lambda below: "ABORTED"},
                                                {"aborted_group": lambda below: max(
                                                    [s for s in below if s != "NOT_BUILT"] or ["ABORTED"], key=SEVERITY.index)}),
            message="A group that is aborted has the wrong status. It is ABORTED, even if all that had ended in it was good, unless a "
                    "FAILURE is in it already.",
            title="What an aborted group is."),
    ],
    alternatives=[_with_deadline, _cut_afterwards],
    hints=(
        "Write a recursive function of a stage and its start that returns the log of all below it. Forget failFast at first.",
        "For failFast: when all branches have been computed, find the earliest end of one in FAILURE, then go through all records of the "
        "group and cut them at that time.",
        "A cut has three cases: ended by then (leave it), begun before (ABORTED, ends then), the rest (NOT_BUILT, starts and ends then).",
    ),
    worth_knowing="The real plugin's test of failFast expects the same: the build FAILURE, the sibling ABORTED.",
)
