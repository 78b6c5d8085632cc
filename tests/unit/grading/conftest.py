"""A small course with chapter 12: its released notebook, and a gradebook that nbgrader's own library made."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.chapters import CHAPTERS
from autograder.grading.assignment import load_assignment
from autograder.grading.course import open_course
from autograder.grading.grade import grade_submission
from autograder.grading.submission import read_submission
from autograder.notebooks.build import build_chapter
from autograder.notebooks.master import read_master
from autograder.remote import OwnProcess

CHAPTER = CHAPTERS["12"]
NAME = CHAPTER.stem
CONFIG = "c = get_config()\nc.CourseDirectory.course_id = 'demo'\n"


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("template") / "course"
    (root / "release" / NAME).mkdir(parents=True)
    (root / "nbgrader_config.py").write_text(CONFIG)
    (root / ".course_seed").write_text("a secret of the tests\n")
    release = build_chapter(CHAPTER).release
    (root / "release" / NAME / f"{NAME}.ipynb").write_text(release)
    _into_gradebook(root / "gradebook.db", json.loads(release))
    return root


def _into_gradebook(path, notebook):
    """What `nbgrader generate_assignment` writes into a new gradebook."""
    from nbgrader.api import Gradebook

    before = os.environ["PATH"]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"  # nbgrader calls alembic
    try:
        with Gradebook(f"sqlite:///{path}", "demo") as book:
            book.add_assignment(NAME)
            book.add_notebook(NAME, NAME)
            for cell in notebook["cells"]:
                told = cell["metadata"].get("nbgrader", {})
                if told.get("grade"):
                    book.add_grade_cell(told["grade_id"], NAME, NAME, max_score=told["points"],
                                        cell_type=cell["cell_type"])
                if told.get("solution"):
                    book.add_solution_cell(told["grade_id"], NAME, NAME)
    finally:
        os.environ["PATH"] = before


@pytest.fixture
def root(template, tmp_path):
    """The folder of a fresh course."""
    return shutil.copytree(template, tmp_path / "course")


@pytest.fixture
def course(root):
    return open_course(root)


@pytest.fixture(scope="session")
def released_text(template):
    return (template / "release" / NAME / f"{NAME}.ipynb").read_text()


@pytest.fixture(scope="session")
def solutions():
    return {name: cell.solution for name, cell in read_master(CHAPTER.master).solutions.items()}


@pytest.fixture(scope="session")
def notebook_of(released_text):
    """Makes a learner's notebook: sources by exercise, and a written answer."""

    def make(sources, essay=None):
        book = nbformat.reads(released_text, as_version=4)
        for cell in book.cells:
            told = cell.metadata.get("nbgrader", {})
            if told.get("solution") and cell.cell_type == "code" and told["grade_id"] in sources:
                cell.source = sources[told["grade_id"]]
            elif told.get("solution") and cell.cell_type == "markdown" and essay is not None:
                cell.source = essay
        return nbformat.writes(book)

    return make


@pytest.fixture
def hand_in(root, notebook_of):
    """Hands in: a notebook's text, or answers by exercise."""

    def put(student, content=None, timestamp="2026-01-05 10:00:00 UTC", essay=None):
        folder = root / "submitted" / student / NAME
        folder.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else notebook_of(content or {}, essay)
        (folder / f"{NAME}.ipynb").write_text(text)
        if timestamp:
            (folder / "timestamp.txt").write_text(timestamp)
        return folder

    return put


@pytest.fixture(scope="session")
def grade_here(template, notebook_of, tmp_path_factory):
    """Grades a notebook in a plain process, without walls: what the grader makes of it, and the assignment."""
    assignment = load_assignment(open_course(template), NAME)

    def grade(sources, essay=None, student="ann"):
        folder = tmp_path_factory.mktemp("handed-in")
        (folder / f"{NAME}.ipynb").write_text(notebook_of(sources, essay))
        submission = read_submission(folder, NAME, student, [NAME])
        graded = grade_submission(assignment, submission, lambda seed: OwnProcess(), secret="x", wall_s=120, layers=[])
        return graded, assignment.notebooks[0]

    return grade
