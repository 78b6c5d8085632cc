"""`autograder audit`: one row a chapter, with what falls short of the contract."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from typing import Any

from ..chapters import CHAPTERS, Chapter
from ..drill.question import Numeric
from ..drill.questions import chapter_questions
from ..exercise import Exercise
from ..exercises import chapter_exercises
from ..judging import Judgement, judge_answer, seed_for
from ..notebooks.master import Master, read_master
from ..probes.ask import ask
from .fillers import fillers
from .mutants import answer_from, fates

MASTER_LINES, RUN_LIMIT_S, KILL_RATE = 700, 30.0, 0.95


@dataclass
class Row:
    """What was found in one chapter."""

    exercises: int = 0
    points: float = 0
    misconceptions: int = 0
    rejected: int = 0
    diagnosed: int = 0
    alternatives: int = 0
    accepted: int = 0
    fillers: int = 0
    fillers_rejected: int = 0
    mutants: int = 0
    killed: int = 0
    equivalent: int = 0
    questions: int = 0
    figures: int = 0
    claims: int = 0
    seconds: float = 0.0
    shortfalls: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)


def audit(chapters: list[Chapter], *, mutants: bool = False, run: bool = True, jobs: int = 2) -> dict[str, Any]:
    """The report: rows by chapter number, and how much was examined."""
    tasks = [(c.number, mutants, run) for c in chapters]
    if len(tasks) == 1 or jobs == 1:
        rows = [audit_chapter(*task) for task in tasks]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            rows = list(pool.map(audit_chapter, *zip(*tasks))) if tasks else []
    examined = {"chapters": len(rows)}
    for name in ("exercises", "misconceptions", "alternatives", "fillers", "mutants", "questions", "figures"):
        examined[name] = sum(getattr(row, name) for row in rows)
    return {"chapters": {c.number: asdict(row) for c, row in zip(chapters, rows)}, "examined": examined}


def audit_chapter(number: str, mutants: bool = False, run: bool = True) -> Row:
    """Examine one chapter against the contract."""
    chapter, row = CHAPTERS[number], Row()
    master = read_master(chapter.master)
    exercises = chapter_exercises(number)
    row.exercises, row.points = len(exercises), sum(e.points for e in exercises)
    _form(chapter, master, exercises, row)
    for exercise in exercises:
        _self_proof(exercise, master, row)
        if mutants:
            _mutants(exercise, master, row)
    _questions(number, row)
    if run:
        _run(chapter, row)
    return row


def _form(chapter: Chapter, master: Master, exercises: list[Exercise], row: Row) -> None:
    short = row.shortfalls.append
    row.figures, row.claims = master.count("figure"), _claims(master)
    lines = len(chapter.master.read_text(encoding="utf-8").split("\n"))
    if lines > MASTER_LINES:
        short(f"the master has {lines} lines, more than {MASTER_LINES}")
    if not 4 <= len(exercises) <= 6:
        short(f"{len(exercises)} exercises, expected 4 or 5")
    if not row.figures:
        short("no figure")
    if not master.count("experiment"):
        short("no experiment")
    if not row.claims:
        short("no claims with verdicts under 'What the source says'")
    if not master.count("task"):
        short("no written answer under 'Explain it'")
    for exercise in exercises:
        if len(exercise.misconceptions) < 4:
            short(f"{exercise.name}: {len(exercise.misconceptions)} misconceptions, expected 4 or more")
        if len(exercise.alternatives) < 2:
            short(f"{exercise.name}: {len(exercise.alternatives)} alternatives, expected 2 or more")
        if not exercise.hints:
            short(f"{exercise.name}: no hints")
        tags = [m.tag for m in exercise.misconceptions]
        if len(tags) != len(set(tags)):
            short(f"{exercise.name}: two misconceptions share a tag")


def _claims(master: Master) -> int:
    """Rows of the table of claims: lines `| 3 | … |` between its heading and the next."""
    text, inside = 0, False
    for cell in master.cells:
        if cell.kind != "markdown" or cell.lang != "en":
            continue
        for line in cell.source.split("\n"):
            if line.startswith("## "):
                inside = line[3:].strip() == "What the source says"
            text += inside and bool(re.match(r"\|\s*\d+\s*\|", line))
    return text


def _self_proof(exercise: Exercise, master: Master, row: Row) -> None:
    short = row.shortfalls.append
    solution = answer_from(master.cells_for(exercise.name), exercise.names)
    told = _judge(exercise, solution, source=master.solutions[exercise.name].solution)
    if not told.passed:
        short(f"{exercise.name}: the solution is judged {told.outcome}: {told.title} {told.message}")
    for misconception in exercise.misconceptions:
        row.misconceptions += 1
        all_told = [_judge(exercise, variant) for variant in misconception.variants]
        row.rejected += all(not told.passed for told in all_told)
        row.diagnosed += all(told.misconception == misconception.tag for told in all_told)
        for variant, told in enumerate(all_told):
            which = f"{exercise.name}: the misconception {misconception.tag!r}" + (f" ({variant})" if variant else "")
            if told.passed:
                short(f"{which} is accepted")
            elif told.misconception != misconception.tag:
                short(f"{which} is diagnosed as {told.misconception!r}")
    for number, alternative in enumerate(exercise.alternatives, 1):
        row.alternatives += 1
        told = _judge(exercise, alternative)
        row.accepted += told.passed
        if not told.passed:
            short(f"{exercise.name}: alternative {number} is refused: {told.title} {told.message}")
    for name, filler in fillers(exercise).items():
        row.fillers += 1
        told = _judge(exercise, filler)
        row.fillers_rejected += not told.passed
        if told.passed:
            short(f"{exercise.name}: the filler {name!r} is accepted")
        elif told.points > 0:
            short(f"{exercise.name}: the filler {name!r} earns {told.points:g} points")


def _judge(exercise: Exercise, answer: Any, source: str = "") -> Judgement:
    return judge_answer(exercise, lambda question: ask(answer, question), seed_for(exercise.id, None), source)


def _mutants(exercise: Exercise, master: Master, row: Row) -> None:
    found = fates(exercise, master)
    killed = sum(f.fate == "killed" for f in found)
    same = [f for f in found if f.fate == "equivalent"]
    escaped = [f for f in found if f.fate == "escaped"]
    row.mutants, row.killed, row.equivalent = (
        row.mutants + len(found), row.killed + killed, row.equivalent + len(same))
    row.survivors += [f"{exercise.name}: same on {f.draws} draws: {f.mutant}" for f in same]
    row.survivors += [f"{exercise.name}: escaped: {f.mutant}" for f in escaped]
    if killed < KILL_RATE * (len(found) - len(same)):
        row.shortfalls.append(f"{exercise.name}: {killed} of {len(found) - len(same)} non-equivalent mutants killed")


def _questions(number: str, row: Row) -> None:
    try:
        questions = chapter_questions(number)
    except KeyError:
        questions = []
    row.questions = len(questions)
    numeric = sum(isinstance(q, Numeric) for q in questions)
    if len(questions) < 6:
        row.shortfalls.append(f"{len(questions)} drill questions, expected 6 or more")
    if numeric < 3:
        row.shortfalls.append(f"{numeric} numeric drill questions, expected 3 or more")


def _run(chapter: Chapter, row: Row) -> None:
    from ..notebooks.run import run_chapter

    done = run_chapter(chapter)
    row.seconds = round(done.seconds, 1)
    for index, error in done.failures:
        row.shortfalls.append(f"cell {index} of the solved notebook fails: {error[:200]}")
    if done.seconds > RUN_LIMIT_S:
        row.shortfalls.append(f"the master runs {done.seconds:.0f} s, more than {RUN_LIMIT_S:.0f}")
