"""Grade one submission: run its cells behind the walls, ask, judge outside."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..exercises import find_exercise
from ..judging import NOT_ATTEMPTED, WRONG, Judgement, tree_of
from ..remote import Remote, judge_cells
from .assignment import Asked, Assignment, Released
from .results import GRADED, REFUSED, ExerciseResult, NotebookResult, Result
from .submission import Answers, Refused, Submission, parse_notebook, take_answers

Opener = Callable[[int], Remote]  # a seed for the learner's generators -> a fresh, empty sandbox
MAX_WRONG = 5
CELL_LIMIT_S = 20.0
VARIANTS = 8  # sets of hidden cases; references are computed once for each


@dataclass
class Graded:
    """A result, and what its pages are made of: answers and judgements by notebook."""

    result: Result
    answers: dict[str, Answers]
    judgements: dict[str, dict[str, Judgement]]


def seed_of(secret: str, digest: str, exercise: str) -> int:
    """The seed of an exercise's random cases: one of VARIANTS of the course's secret, chosen by the submission's
    digest; so the same when it is graded again, and not to be known beforehand."""
    variant = int(digest[-8:], 16) % VARIANTS
    return int.from_bytes(hashlib.sha256(f"{secret}/{variant}/{exercise}".encode()).digest()[:6], "big")


def grade_submission(assignment: Assignment, submission: Submission, open_box: Opener, *, secret: str,
                     wall_s: float, layers: list[str]) -> Graded:
    """Grade a submission. Raises SandboxLost when the grader itself failed; for nothing that is in the submission."""
    started = time.monotonic()
    result = Result(assignment.name, submission.student, submission.digest, layers=list(layers),
                    seed=hashlib.sha256(f"{secret}/{submission.digest}".encode()).hexdigest()[:16])
    graded = Graded(result, {}, {})
    for released in assignment.notebooks:
        told = NotebookResult(released.name)
        answers, judgements = Answers(), {}
        content = submission.notebooks.get(released.name, f"{released.name}.ipynb was not handed in.")
        try:
            if isinstance(content, str):
                raise Refused(content)
            answers = take_answers(parse_notebook(content, released.name), released)
            told.notes = answers.notes
            run = _Run(released, answers, open_box, secret, submission.digest, started + wall_s)
            judgements = run.judge_all()
            result.cpu_seconds += run.cpu_s
            result.peak_mb = max(result.peak_mb, run.peak_mb)
        except Refused as error:
            told.problem = str(error)
        told.exercises = [_exercise_result(a, judgements.get(a.check), told.problem) for a in released.asked]
        told.manual = {w.cell: _written_score(w.text, answers.text.get(w.cell), told.problem) for w in released.written}
        told.blank = [a.answer for a in released.asked if _is_blank(a, answers)]
        told.blank += [w.cell for w in released.written if told.manual[w.cell] is not None]
        graded.answers[released.name], graded.judgements[released.name] = answers, judgements
        result.notebooks.append(told)
    problems = [n.problem for n in result.notebooks if n.problem]
    result.status = REFUSED if len(problems) == len(result.notebooks) else GRADED
    result.reason = " ".join(problems)
    result.seconds = time.monotonic() - started
    return graded


def _is_blank(asked: Asked, answers: Answers) -> bool:
    return all(source.strip() == asked.stub.strip() for source in answers.code.get(asked.answer, []))


def _written_score(released: str, given: str | None, problem: str) -> float | None:
    """nbgrader's rule: an answer that was left as it was handed out gets 0, any other waits for a person."""
    return 0.0 if problem or given is None or given.strip() == released.strip() else None


def _exercise_result(asked: Asked, judgement: Judgement | None, problem: str) -> ExerciseResult:
    if judgement is None:
        return ExerciseResult(asked.exercise, asked.check, NOT_ATTEMPTED, 0.0, asked.points, message=problem)
    share = judgement.points / judgement.max_points if judgement.max_points else 0.0
    return ExerciseResult(
        asked.exercise, asked.check, judgement.outcome, round(share * asked.points, 2), asked.points,
        judgement.misconception or "", judgement.title, judgement.message, judgement.groups,
        [row.input[:200] for row in judgement.rows if not row.ok][:MAX_WRONG], judgement.seconds)


class _Run:
    """The exercises of one notebook, in their order, in one sandbox; in a new one after an answer has ended it."""

    def __init__(self, released: Released, answers: Answers, open_box: Opener, secret: str, digest: str,
                 end: float) -> None:
        self.released, self.answers, self.open_box = released, answers, open_box
        self.secret, self.digest, self.end = secret, digest, end
        self.box: Remote | None = None
        self.culprits: set[str] = set()
        self.cpu_s = self.peak_mb = 0.0

    def judge_all(self) -> dict[str, Judgement]:
        """A judgement for each check cell."""
        found = {}
        try:
            for index, asked in enumerate(self.released.asked):
                found[asked.check] = self._judge(index, asked)
        finally:
            self._close()
        return found

    def _judge(self, index: int, asked: Asked) -> Judgement:
        exercise = find_exercise(asked.exercise)
        if _is_blank(asked, self.answers):
            if self.box is not None:
                self._run_cell(asked)
            return Judgement(exercise.id, NOT_ATTEMPTED, 0.0, exercise.points, message="Not written yet.")
        if time.monotonic() > self.end:
            return Judgement(exercise.id, WRONG, 0.0, exercise.points, title="There was no time left.",
                             message="The exercises before this one had used up the time of the whole submission.")
        if self.box is None:
            self._open(index)
        error = self._run_cell(asked)
        parts = self.answers.code[asked.answer]
        source = "\n\n".join(part for part in parts if len(parts) == 1 or tree_of(part) is not None)
        seed = seed_of(self.secret, self.digest, asked.exercise)
        judgement = judge_cells(self.box, exercise, error, source, seed)
        if self.box.gone is not None:
            self.culprits.add(asked.answer)
            self._close()
        return judgement

    def _open(self, index: int) -> None:
        """A sandbox in which everything before exercise `index` has run, but for what ended one before."""
        self.box = self.open_box(int(self.digest[:12], 16))
        for number, source in enumerate(self.released.setup):
            self.box.run(source, number)
        for asked in self.released.asked[:index]:
            if asked.answer not in self.culprits:
                self._run_cell(asked)
                if self.box.gone is not None:  # it ended the process this time: leave it out from now on
                    self.culprits.add(asked.answer)
                    self._close()
                    return self._open(index)
        return None

    def _run_cell(self, asked: Asked) -> dict | None:
        """Run an exercise's cell; the error of the last of its parts."""
        error = None
        for part, source in enumerate(self.answers.code.get(asked.answer, [])):
            number = len(self.released.setup) + self.released.asked.index(asked) + 1000 * part
            error = self.box.run(source, number, max(1.0, min(CELL_LIMIT_S, self.end - time.monotonic())))
        return error

    def _close(self) -> None:
        if self.box is not None:
            report = self.box.close()
            self.cpu_s += getattr(report, "cpu_s", 0.0)
            self.peak_mb = max(self.peak_mb, getattr(report, "peak_mb", 0.0))
        self.box = None
