"""Stock nbgrader on some chapters: its real commands, its real database, real submissions.

What every chapter gives its learners is tested with our grader, in tests/class/test_every_chapter.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.chapters import CHAPTERS, ROOT
from autograder.exercises import chapter_exercises
from autograder.notebooks.build import build_chapter, write_text
from autograder.notebooks.master import read_master

pytestmark = pytest.mark.slow


def nbgrader(course, *words):
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=course, capture_output=True, text=True,
                          timeout=600, env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                                            "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(course / ".ipython")})
    assert done.returncode == 0, f"nbgrader {' '.join(words)}\n{done.stdout[-3000:]}{done.stderr[-5000:]}"
    return done.stdout + done.stderr


def solved_cells(chapter, names):
    """A learner's notebook in which the named exercises are solved."""
    master = read_master(chapter.master)
    notebook = nbformat.reads(build_chapter(chapter).release, as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in names and name in master.solutions:
            cell.source = master.solutions[name].solution
        if cell.cell_type == "markdown" and "nbgrader" in cell.metadata and names:
            cell.source = "An answer in words."
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    shutil.copyfile(ROOT / "nbgrader_config.py", folder / "nbgrader_config.py")
    return folder


def test_the_real_commands_on_a_perfect_an_empty_and_a_mixed_submission(sampled_number, course):
    chapter = CHAPTERS[sampled_number]
    built = build_chapter(chapter)
    source = course / "build" / "source" / chapter.stem / f"{chapter.stem}.ipynb"
    write_text(source, built.source)
    nbgrader(course, "generate_assignment", chapter.stem, "--force")
    released = course / "course" / chapter.stem / f"{chapter.stem}.ipynb"
    assert json.loads(released.read_text()) == json.loads(built.release), "nbgrader's own release differs from ours"

    names = [e.name for e in chapter_exercises(sampled_number)]
    wanted = {"perfect": set(names), "empty": set(), "mixed": set(names[::2])}
    for student, solved in wanted.items():
        write_text(course / "submitted" / student / chapter.stem / f"{chapter.stem}.ipynb",
                   nbformat.writes(solved_cells(chapter, solved)))
    nbgrader(course, "autograde", chapter.stem, "--force")
    nbgrader(course, "generate_feedback", chapter.stem, "--force")

    from nbgrader.api import Gradebook

    points = {e.name: e.points for e in chapter_exercises(sampled_number)}
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        for student, solved in wanted.items():
            notebook = book.find_submission_notebook(chapter.stem, chapter.stem, student)
            given = {g.cell.name: g.auto_score for g in notebook.grades if g.cell.name.startswith("check-")}
            assert given == {f"check-{n}": (p if n in solved else 0.0) for n, p in points.items()}, student
    page = course / "feedback" / "mixed" / chapter.stem / f"{chapter.stem}.html"
    assert "not written yet" in page.read_text(encoding="utf-8")


def test_validate_tells_a_solved_notebook_from_an_empty_one(sampled_number, tmp_path):
    chapter = CHAPTERS[sampled_number]
    names = {e.name for e in chapter_exercises(sampled_number)}
    for solved, told in ((names, "Success"), (set(), "failed")):
        path = tmp_path / f"{len(solved)}.ipynb"
        write_text(path, nbformat.writes(solved_cells(chapter, solved)))
        assert told in nbgrader(tmp_path, "validate", str(path)), told
