"""A small course to work on: a configuration, one released notebook, and a real gradebook where a test asks for it."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from datetime import datetime, timedelta

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.classroom.book import open_gradebook, own_tools_on_path
from autograder.grading.course import open_course

TASK = "12_flops"
DUE = datetime(2026, 11, 20, 12)
CELLS = {"macs": 3.0, "table": 4.0}


def notebook_text(answers=None, essay="", name=TASK):
    """A notebook with two exercises and a written answer, as nbgrader marks them."""
    book = nbformat.v4.new_notebook()
    for key, points in CELLS.items():
        source = (answers or {}).get(key, f"def {key}(n):\n    # YOUR CODE HERE\n    raise NotImplementedError()")
        solution = nbformat.v4.new_code_cell(source, id=f"x-{key}")
        solution.metadata["nbgrader"] = {"grade": False, "grade_id": key, "locked": False, "schema_version": 3,
                                         "solution": True, "task": False}
        check = nbformat.v4.new_code_cell(f'check("12.{key}", {key})', id=f"c-{key}")
        check.metadata["nbgrader"] = {"grade": True, "grade_id": f"check-{key}", "locked": True, "points": points,
                                      "schema_version": 3, "solution": False, "task": False}
        book.cells += [solution, check]
    words = nbformat.v4.new_markdown_cell(essay or "YOUR ANSWER HERE", id="essay")
    words.metadata["nbgrader"] = {"grade": True, "grade_id": "essay", "locked": False, "points": 5.0,
                                  "schema_version": 3, "solution": True, "task": False}
    book.cells.append(words)
    return nbformat.writes(book)


@pytest.fixture
def text():
    return notebook_text


@pytest.fixture
def make_course(tmp_path):
    """Makes a course; `config` is more text for nbgrader_config.py."""

    def make(config="", name="course", release="release"):
        root = tmp_path / name
        folder = root / release / TASK
        folder.mkdir(parents=True)
        (root / "nbgrader_config.py").write_text(f"c = get_config()\nc.CourseDirectory.course_id = 'demo'\n{config}\n")
        (folder / f"{TASK}.ipynb").write_text(notebook_text())
        return open_course(root)

    return make


@pytest.fixture
def course(make_course):
    return make_course()


@pytest.fixture
def make_zip(tmp_path):
    """Makes a zip of {name: text or bytes}; `when` is the time of its files."""

    def make(files, name="download.zip", when=(2026, 11, 25, 10, 0, 0)):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for inner, content in files.items() if isinstance(files, dict) else files:
                info = zipfile.ZipInfo(inner, when)
                info.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(info, content)
        return path

    return make


@pytest.fixture
def hand_in(course):
    def put(student, content=None, timestamp="2026-11-19 10:00:00 UTC", to=course):
        folder = to.folder(to.submitted, student, TASK)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{TASK}.ipynb").write_text(notebook_text() if content is None else content)
        if timestamp:
            (folder / "timestamp.txt").write_text(timestamp)
        return folder

    return put


@pytest.fixture(scope="package")
def blank_gradebook(tmp_path_factory):
    """A gradebook that nbgrader made, empty. Making one starts alembic, which takes seconds; so it is copied."""
    path = tmp_path_factory.mktemp("blank") / "gradebook.db"
    with own_tools_on_path(), Gradebook(f"sqlite:///{path}", "demo"):
        pass
    return path


@pytest.fixture
def gradebook(course, blank_gradebook):
    """A real gradebook of nbgrader with the assignment in it, and a function that grades a student there."""
    shutil.copyfile(blank_gradebook, course.root / "gradebook.db")
    with open_gradebook(course) as book:
        book.add_assignment(TASK, duedate=DUE)
        book.add_notebook(TASK, TASK)
        for key, points in CELLS.items():
            book.add_grade_cell(f"check-{key}", TASK, TASK, max_score=points, cell_type="code")
            book.add_solution_cell(key, TASK, TASK)
        book.add_grade_cell("essay", TASK, TASK, max_score=5.0, cell_type="markdown")
        book.add_solution_cell("essay", TASK, TASK)

        def grade(student, scores=None, essay=None, extra=None, penalty=None, at=DUE - timedelta(hours=1), **who):
            book.update_or_create_student(student, **who)
            if scores is None:
                return
            with warnings.catch_warnings():
                # nbgrader 0.9 adds rows in an order that SQLAlchemy 2.1 warns about.
                warnings.simplefilter("ignore")
                book.update_or_create_submission(TASK, student, timestamp=at)
            notebook = book.find_submission_notebook(TASK, TASK, student)
            for given in notebook.grades:
                if given.name == "essay":
                    given.manual_score, given.extra_credit = essay, extra
                    given.needs_manual_grade = essay is None
                else:
                    given.auto_score = scores[given.name.removeprefix("check-")]
                    given.needs_manual_grade = False
            notebook.late_submission_penalty = penalty
            book.db.commit()

        grade.book = book
        yield grade


@pytest.fixture
def cells_of():
    def read(path):
        return {c["metadata"]["nbgrader"]["grade_id"]: c["source"] for c in json.loads(path.read_text())["cells"]}

    return read
