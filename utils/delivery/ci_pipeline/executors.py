"""The same simulated build as `run_tree`, moved from event to event on a limited number of executors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .jobs import remaining_paths
from .plans import jobs_of
from .tree_run import SEVERITY, Record


class _Node:
    """A stage in the making: `status` is None until it has ended."""

    def __init__(self, stage: dict, parent: _Node | None = None) -> None:
        self.name, self.parent = stage["name"], parent
        self.sequential, self.fail_fast = "stages" in stage, bool(stage.get("failFast"))
        self.leaf = not (self.sequential or "parallel" in stage)
        self.minutes, self.result = stage.get("minutes", 0.0), stage.get("result", "SUCCESS")
        self.skipped = not stage.get("when", True)
        self.children = [_Node(child, self) for child in stage.get("stages") or stage.get("parallel") or []]
        self.status: str | None = None
        self.begun = self.running = False
        self.start = self.end = 0.0

    def walk(self) -> Iterator[_Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    def close(self, status: str, now: float) -> None:
        """End it; what never began starts and ends now."""
        if not self.begun:
            self.start = now
        self.status, self.end, self.running = status, now, False


class _Build:
    """The state of one build: which leaves wait for an executor, and which run."""

    def __init__(self, stage: dict, executors: int) -> None:
        self.root, self.executors = _Node(stage), executors
        self.rank = remaining_paths(*jobs_of(stage))
        self.waiting: list[_Node] = []
        self.now = 0.0

    def run(self) -> None:
        self.begin(self.root)
        while self.root.status is None:
            self.give_executors()
            self.now = min(self.ends(n) for n in self.running())
            ended = [n for n in self.running() if self.ends(n) == self.now]
            for node in ended:
                node.close(node.result, self.now)
            # A failure may abort siblings, but nothing that has ended at the same instant: so failures come last.
            for node in sorted(ended, key=lambda n: n.result == "FAILURE"):
                self.report(node)

    def running(self) -> list[_Node]:
        return [n for n in self.root.walk() if n.running]

    def ends(self, node: _Node) -> float:
        return node.start + node.minutes

    def give_executors(self) -> None:
        self.waiting.sort(key=lambda n: (-self.rank[n.name], n.name))
        free = self.executors - len(self.running())
        for node in self.waiting[:free]:
            node.begun, node.running, node.start = True, True, self.now
        del self.waiting[:free]

    def begin(self, node: _Node) -> None:
        if node.leaf:
            if node.skipped:
                node.close("SKIPPED", self.now)
                self.report(node)
            else:
                self.waiting.append(node)
            return
        node.begun, node.start = True, self.now
        for child in node.children[:1] if node.sequential else node.children:
            if node.status is None:
                self.begin(child)

    def report(self, node: _Node) -> None:
        """Tell the group above that a stage has ended."""
        group = node.parent
        if group is None or group.status is not None:
            return
        bad = node.status in ("FAILURE", "ABORTED")
        if bad and (group.sequential or group.fail_fast):
            for child in group.children:
                self.abort(child)
        elif group.sequential and node is not group.children[-1]:
            self.begin(group.children[group.children.index(node) + 1])
        if all(child.status is not None for child in group.children):
            group.close(self.worst(group), self.now)
            self.report(group)

    def abort(self, node: _Node) -> None:
        if node.status is not None:
            return
        for child in node.children:
            self.abort(child)
        if node in self.waiting:
            self.waiting.remove(node)
        if not node.begun or node.start == self.now:  # what would begin at this very instant has not begun
            node.close("NOT_BUILT", self.now)
            return
        cut = node.leaf or any(child.status in ("ABORTED", "NOT_BUILT") for child in node.children)
        worst = self.worst(node)
        node.close("ABORTED" if cut and worst != "FAILURE" else worst, self.now)

    def worst(self, group: _Node) -> str:
        built = [c.status for c in group.children if c.status != "NOT_BUILT"]
        return max((s if SEVERITY[s] else "SUCCESS" for s in built), key=SEVERITY.__getitem__, default="NOT_BUILT")


def run_on_executors(stage: dict[str, Any], executors: int) -> dict[str, Record]:
    """(status, start, end) of every stage by name when at most `executors` leaves run at once.

    Stages are those of `run_tree`. Of the leaves that wait for an executor the one with the longest remaining path
    goes first, ties by name. A leaf that waits has not begun. Raises ValueError for executors below 1.
    """
    if executors < 1:
        raise ValueError(f"executors must be at least 1, got {executors}")
    build = _Build(stage, executors)
    build.run()
    return {node.name: (node.status, node.start, node.end) for node in build.root.walk()}
