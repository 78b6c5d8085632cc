"""What the class got right, exercise by exercise, and which mistakes it made.

The results of `autograder grade` know the outcome, the misconception and the cases that went wrong. Where it never
ran, the points in the gradebook still tell right, partly and wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..exercises import find_exercise
from ..grading.course import Course
from ..grading.results import FAILED, GRADED, ExerciseResult, Result
from ..judging import NOT_ATTEMPTED, RIGHT
from .book import Book, open_gradebook

FULL, PARTLY, WRONG, NONE = "right", "partly", "wrong", "not attempted"
SHARES = (FULL, PARTLY, WRONG, NONE)
HARDEST = 3


@dataclass
class ExerciseStatistics:
    """One exercise over a class.

    shares: how many students by outcome; "partly" earned some of the points. points: their sum.
    misconceptions: (tag, title, how many), the most frequent first. hardest: (case, how many missed it).
    """

    exercise: str
    max_points: float
    shares: Counter = field(default_factory=Counter)
    points: float = 0.0
    misconceptions: list[tuple[str, str, int]] = field(default_factory=list)
    hardest: list[tuple[str, int]] = field(default_factory=list)

    @property
    def students(self) -> int:
        return sum(self.shares.values())

    @property
    def mean(self) -> float:
        return self.points / self.students if self.students else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {"exercise": self.exercise, "students": self.students, "max_points": self.max_points, "mean": self.mean,
                **{name: self.shares[name] for name in SHARES},
                "misconceptions": [{"tag": t, "title": title, "students": n} for t, title, n in self.misconceptions],
                "hardest": [{"case": case, "students": n} for case, n in self.hardest]}


@dataclass
class AssignmentStatistics:
    """One assignment. source: "results", or "gradebook" where only points are known. unread: submissions that could
    not be graded; each of their exercises is missing from the shares."""

    assignment: str
    exercises: list[ExerciseStatistics]
    source: str = "results"
    unread: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {"assignment": self.assignment, "source": self.source, "unread": self.unread,
                "exercises": [e.as_dict() for e in self.exercises]}


def from_results(assignment: str, results: Iterable[Result]) -> AssignmentStatistics:
    """Statistics of an assignment from what the grader found."""
    results = list(results)
    by_exercise: dict[str, list[ExerciseResult]] = {}
    for result in results:
        if result.status == GRADED:
            for notebook in result.notebooks:
                for exercise in notebook.exercises:
                    by_exercise.setdefault(exercise.exercise, []).append(exercise)
    unread = sum(r.status != GRADED or any(n.problem for n in r.notebooks) for r in results if r.status != FAILED)
    unread += sum(r.status == FAILED for r in results)
    return AssignmentStatistics(assignment, [_one(name, found) for name, found in by_exercise.items()], unread=unread)


def _one(name: str, found: list[ExerciseResult]) -> ExerciseStatistics:
    made = ExerciseStatistics(name, max(e.max_points for e in found), Counter(map(outcome, found)),
                              sum(e.points for e in found))
    tags = Counter(e.misconception for e in found if e.misconception)
    titles = {e.misconception: e.title for e in found if e.title}
    made.misconceptions = [(tag, titles.get(tag) or _title(name, tag), n) for tag, n in _ranked(tags)]
    # Random cases are others for each student; what many miss are the visible and the fixed ones.
    made.hardest = _ranked(Counter(case for e in found for case in set(e.wrong)))[:HARDEST]
    return made


def outcome(result: ExerciseResult) -> str:
    """One of SHARES. "Partly" is a wrong answer that earned points."""
    if result.outcome == RIGHT:
        return FULL
    if result.outcome == NOT_ATTEMPTED:
        return NONE
    return PARTLY if result.points > 0 else WRONG


def _ranked(counted: Counter) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _title(exercise: str, tag: str) -> str:
    """The misconception's title as the course has it, else its tag in words."""
    try:
        found = {m.tag: m.title for m in find_exercise(exercise).misconceptions}
    except KeyError:
        found = {}
    return found.get(tag) or tag.replace("_", " ")


def from_gradebook(course: Course, assignment: str) -> AssignmentStatistics:
    """Statistics from points alone: of automatically graded cells, whoever graded them."""
    from nbgrader.api import Assignment, BaseCell, Grade, GradeCell, Notebook

    with open_gradebook(course) as gradebook:
        rows = (gradebook.db.query(GradeCell.name, GradeCell.max_score, Grade.score)
                .join(Grade, Grade.cell_id == GradeCell.id).join(Notebook, Notebook.id == BaseCell.notebook_id)
                .join(Assignment, Assignment.id == Notebook.assignment_id)
                .filter(Assignment.name == assignment, GradeCell.cell_type == "code", Grade.auto_score.is_not(None))
                .order_by(Notebook.name, GradeCell.name).all())
    found: dict[str, ExerciseStatistics] = {}
    for name, worth, score in rows:
        made = found.setdefault(name, ExerciseStatistics(name.removeprefix("check-"), worth))
        made.points += score
        made.shares[FULL if score >= worth else PARTLY if score > 0 else WRONG] += 1
    return AssignmentStatistics(assignment, list(found.values()), source="gradebook")


def class_statistics(course: Course, book: Book, assignments: Iterable[str] = ()) -> list[AssignmentStatistics]:
    """Statistics of the assignments (all, if none is named) that anybody handed in."""
    from .status import results_of

    made = []
    for assignment in assignments or book.assignments:
        results = results_of(course, assignment)
        one = from_results(assignment, results) if results else from_gradebook(course, assignment)
        if one.exercises or one.unread:
            made.append(one)
    return made
