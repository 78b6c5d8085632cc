"""What grading a submission gives: plain dataclasses that travel between processes and into the gradebook."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

GRADED, REFUSED, FAILED = "graded", "refused", "failed"


@dataclass
class ExerciseResult:
    """What came of one exercise of a submission.

    outcome: "right", "wrong" or "not attempted" (see `judging`). points: as given in the gradebook.
    misconception: the tag that fits, "" if none does. wrong: descriptions of the cases that differ.
    cell: the grade id of the check cell that earns the points.
    """

    exercise: str
    cell: str
    outcome: str
    points: float
    max_points: float
    misconception: str = ""
    title: str = ""
    message: str = ""
    groups: dict[str, bool] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class NotebookResult:
    """One notebook of a submission. `manual`: grade ids of written answers, with 0 for an unanswered one and
    None for one that waits for a person. `blank`: solution cells left as they were handed out.
    `notes`: what was changed in the submission and had no effect, one sentence each."""

    name: str
    exercises: list[ExerciseResult] = field(default_factory=list)
    manual: dict[str, float | None] = field(default_factory=dict)
    blank: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass
class Result:
    """What came of one submission.

    status: "graded"; "refused" (no notebook could be read: every automatic grade is 0, `reason` tells its
    author why); "failed" (the grader itself failed: nothing is recorded as a grade, the run may be repeated).
    digest: SHA-256 of the submission's files. layers: the walls that were up. peak_mb: largest resident set.
    """

    assignment: str
    student: str
    digest: str
    status: str = GRADED
    reason: str = ""
    notebooks: list[NotebookResult] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    seed: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0

    @property
    def points(self) -> float:
        return sum(e.points for n in self.notebooks for e in n.exercises)

    @property
    def max_points(self) -> float:
        """Points of the exercises, written answers not counted."""
        return sum(e.max_points for n in self.notebooks for e in n.exercises)

    def scores(self) -> dict[str, Any]:
        """What a regrade must give again: points by notebook and cell."""
        return {n.name: {**{e.cell: e.points for e in n.exercises}, **n.manual} for n in self.notebooks}

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Result:
        data = json.loads(text)
        for notebook in data["notebooks"]:
            notebook["exercises"] = [ExerciseResult(**known(ExerciseResult, e)) for e in notebook["exercises"]]
        data["notebooks"] = [NotebookResult(**known(NotebookResult, n)) for n in data["notebooks"]]
        return cls(**known(cls, data))


def known(kind: type, data: dict) -> dict:
    """The entries of `data` that `kind` has as fields: a newer grader's results can be read by an older one."""
    names = {f.name for f in fields(kind)}
    return {k: v for k, v in data.items() if k in names}
