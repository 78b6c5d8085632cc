"""Every chapter is graded as its learners deserve, without a line of its own in the grader."""

from __future__ import annotations

import nbformat
import pytest
from class_tools import graded, hand_in, known, released, scores, solutions, write_course

from autograder.exercises import chapter_exercises
from autograder.notebooks.build import build_chapter

pytestmark = pytest.mark.slow


def test_a_perfect_an_empty_and_a_mixed_submission(chapter_number, tmp_path):
    chapter = known([chapter_number])[0]
    course = write_course(tmp_path / "course", [chapter])
    ours = nbformat.reads(build_chapter(chapter).release, as_version=4)
    assert released(course, chapter) == ours, "nbgrader's own release differs from ours"
    points = {e.name: e.points for e in chapter_exercises(chapter_number)}
    right, names = solutions(chapter), list(points)
    wanted = {"perfect": names, "empty": [], "mixed": names[::2]}
    for student, solved in wanted.items():
        hand_in(course, chapter, student, {name: right[name] for name in solved})

    report = graded(course, chapter_number, "--jobs", "1")

    assert report["graded"] == len(wanted), report["results"]
    for student, given in scores(course / "gradebook.db", chapter.stem).items():
        checks = {cell: score for cell, score in given.items() if cell.startswith("check-")}
        assert checks == {f"check-{n}": (p if n in wanted[student] else 0.0) for n, p in points.items()}, student
    page = course / "feedback" / "mixed" / chapter.stem / f"{chapter.stem}.html"
    assert "not written yet" in page.read_text(encoding="utf-8")
