"""The differential test: generated submissions of every chapter through stock `nbgrader autograde` and through
`autograder grade` give the same score in every cell.

By default some of some chapters are graded, since stock nbgrader takes 5 to 20 s each; AUTOGRADER_FULL=1 grades all
of them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from class_tools import grade, hand_in, known, nbgrader, scores, solutions, write_course
from measuring.graders import differences
from submissions import write_submissions

pytestmark = pytest.mark.slow

EACH, SEED, SAMPLE = 34, 20260105, 4  # generated for a chapter; how many of them are graded by default
FULL = os.environ.get("AUTOGRADER_FULL", "") not in ("", "0")


def chosen(number, plan):
    """The students whose submissions are graded: one with an answer of each kind, the one with most right answers
    (so that the scores differ), others by chance."""
    students = sorted(plan)
    if FULL:
        return set(students)
    rng = random.Random(f"{SEED}/{number}")
    taken = {students[2], max(students, key=lambda s: list(plan[s].values()).count("right"))}
    return taken | set(rng.sample(sorted(plan.keys() - taken), SAMPLE - len(taken)))


def test_both_graders_give_the_same_scores(sampled_number, tmp_path):
    chapter = known([sampled_number])[0]
    course = write_course(tmp_path / "course", [chapter])
    plan = write_submissions(course, chapter, EACH)
    students = chosen(sampled_number, plan)
    for student in plan.keys() - students:
        shutil.rmtree(course / "submitted" / student)
    other = tmp_path / "other"
    shutil.copytree(course, other)

    nbgrader(course, "autograde", chapter.stem, limit_s=3600)
    grade(other, sampled_number, "--jobs", "2")

    stock, ours = (scores(folder / "gradebook.db", chapter.stem) for folder in (course, other))
    assert stock.keys() == ours.keys() == students
    cells = {cell for given in stock.values() for cell in given}
    assert len(cells) >= 5 and all(given.keys() == cells for given in stock.values())
    assert len({tuple(sorted(given.items(), key=str)) for given in stock.values()}) > 1, "all submissions are alike"
    found = differences(stock, ours)
    keep(chapter, plan, stock, found)
    assert not found, json.dumps([{**f, "kind": plan[f["student"]].get(f["cell"].removeprefix("check-"))}
                                  for f in found], indent=1)


def keep(chapter, plan, stock, found):
    """A line for a full run's report, where AUTOGRADER_REPORT names a file."""
    path = os.environ.get("AUTOGRADER_REPORT")
    if path:
        kinds = Counter(kind for student in stock for kind in plan[student].values())
        with Path(path).open("a") as file:
            cells = sum(map(len, stock.values()))
            told = [{**f, "kind": plan[f["student"]].get(f["cell"].removeprefix("check-"))} for f in found]
            file.write(json.dumps({"chapter": chapter.stem, "submissions": len(stock), "cells": cells,
                                   "kinds": kinds, "differences": told}) + "\n")


# --- where the two differ on purpose ---------------------------------------------------------------

FIRST = "conv_macs"
# What was handed in: the points of the first exercise (of 3) from stock nbgrader and from us; None is no grade at all.
DIFFERENCES = {
    "skips": (3.0, 0.0, "a test cell tagged skip-execution; the answer is blank"),
    "helper": (3.0, 0.0, "a right answer that calls a function of another cell: only the exercises' cells are run"),
    "moved": (0.0, 3.0, "a right answer below its test cell: cells are run in the order of the release"),
    "no_test": (None, 3.0, "a right answer without its test cell: the released one is used"),
    "exits": (None, 0.0, "an answer that ends the process: the others count"),
    "garbage": (None, 0.0, "no notebook: a row with the reason"),
    "z_twice": (None, 3.0, "a cell that is there twice: both are run; it ends stock nbgrader's whole run"),
}


def edited(course, chapter, student, sources, edit):
    hand_in(course, chapter, student, sources)
    path = course / "submitted" / student / chapter.stem / f"{chapter.stem}.ipynb"
    book = json.loads(path.read_text())
    named = {c["metadata"]["nbgrader"]["grade_id"]: c for c in book["cells"] if "nbgrader" in c["metadata"]}
    edit(book["cells"], named[FIRST], named[f"check-{FIRST}"])
    path.write_text(json.dumps(book))


def test_where_the_two_differ_on_purpose(course_of):
    course, other = course_of("12"), course_of("12", name="other")
    chapter = known(["12"])[0]
    right = {FIRST: solutions(chapter)[FIRST]}
    for folder in (course, other):
        edited(folder, chapter, "skips", {}, lambda cells, answer, test: test["metadata"].update(tags=["skip-execution"]))
        edited(folder, chapter, "moved", right, lambda cells, answer, test: (cells.remove(answer), cells.append(answer)))
        edited(folder, chapter, "helper", {FIRST: f"def {FIRST}(*a, **k):\n    return helper(*a, **k)\n"},
               lambda cells, answer, test: cells.insert(cells.index(answer), {
                   "cell_type": "code", "id": "mine", "metadata": {}, "outputs": [], "execution_count": None,
                   "source": f"{right[FIRST]}\n\nhelper = {FIRST}\n"}))
        edited(folder, chapter, "no_test", right, lambda cells, answer, test: cells.remove(test))
        edited(folder, chapter, "z_twice", right, lambda cells, answer, test: cells.insert(
            cells.index(answer), {**answer, "id": "another", "source": "x = 1"}))
        hand_in(folder, chapter, "exits", {FIRST: "import os\nos._exit(0)\n"})
        hand_in(folder, chapter, "garbage", {})
        (folder / "submitted" / "garbage" / chapter.stem / f"{chapter.stem}.ipynb").write_text("no notebook")
        hand_in(folder, chapter, "plain", right)
    assert nbgrader(course, "autograde", chapter.stem, check=False).returncode == 1
    grade(other, "12")
    stock, ours = (scores(folder / "gradebook.db", chapter.stem) for folder in (course, other))
    cell = f"check-{FIRST}"
    assert stock["plain"][cell] == ours["plain"][cell] == 3.0
    assert {s: (stock.get(s, {}).get(cell), ours[s][cell]) for s in DIFFERENCES} == {
        s: told[:2] for s, told in DIFFERENCES.items()}
    assert {s for s in ours if stock.get(s) != ours[s]} == set(DIFFERENCES)
