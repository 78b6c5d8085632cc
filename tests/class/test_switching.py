"""A course that was begun with stock nbgrader goes over to `autograder grade` and back in the middle of a term: each
step's scores are right, and nbgrader's own tools read everything."""

from __future__ import annotations

import csv

import pytest
from class_tools import grade, graded, hand_in, known, nbgrader, scores, solutions, tables

from autograder.exercises import chapter_exercises

pytestmark = pytest.mark.slow


@pytest.fixture
def mixed(course_of):
    """A course in which three students handed in: what each has right, by check cell."""
    root, chapter = course_of("12"), known(["12"])[0]
    right = solutions(chapter)
    first = next(iter(right))
    given = {"s1": right, "s2": {first: right[first]}, "s3": {first: f"def {first}(*args, **kwargs):\n    return 0\n"}}
    for student, sources in given.items():
        hand_in(root, chapter, student, sources, essay=None if student != "s3" else "YOUR ANSWER HERE")
    points = {e.name: float(e.points) for e in chapter_exercises("12")}
    wanted = {s: {f"check-{n}": points[n] if s == "s1" or (s == "s2" and n == first) else 0.0 for n in points}
              for s in given}
    return root, chapter.stem, wanted


def checked(root, name, wanted, students):
    """The scores of exactly these students are right; their written answers wait, unless nothing was written."""
    found = scores(root / "gradebook.db", name)
    assert found.keys() == set(students)
    for student in students:
        essays = {c: s for c, s in found[student].items() if not c.startswith("check-")}
        assert {c: s for c, s in found[student].items() if c not in essays} == wanted[student], student
        assert set(essays.values()) == {0.0 if student == "s3" else None}, student


def read_by_nbgrader(root, name, wanted, students):
    """Formgrader's API, `nbgrader export` and `nbgrader generate_feedback` on these students."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    from autograder.grading.course import open_course

    course = open_course(root)
    config = Config(course.config)
    config.CourseDirectory.root, config.CourseDirectory.db_url = str(root), course.db_url
    api = NbGraderAPI(config=config)
    told = {s["student"]: s for s in api.get_submissions(name)}
    assert {s for s, row in told.items() if row["autograded"]} == set(students)
    for student in students:
        assert told[student]["score"] == sum(wanted[student].values())
        assert told[student]["needs_manual_grade"] == (student != "s3")
        (notebook,) = api.get_student_notebook_submissions(student, name)
        assert notebook["code_score"] == sum(wanted[student].values())
    nbgrader(root, "export")
    with (root / "grades.csv").open() as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file) if row["timestamp"]}
    assert rows == {s: sum(wanted[s].values()) for s in students}
    nbgrader(root, "generate_feedback", name, "--force")
    for student in students:
        page = (root / "feedback" / student / name / f"{name}.html").read_text()
        assert f"Score: {sum(wanted[student].values()):g}" in page.replace(".0 ", " "), student


def test_over_and_back_in_the_middle_of_a_term(mixed):
    root, name, wanted = mixed
    nbgrader(root, "autograde", name, "--student", "s1")
    checked(root, name, wanted, ["s1"])
    by_stock = [row for row in tables(root / "gradebook.db")["grade"] if row[0] == "s1"]

    report = graded(root, "12", "--student", "s2")
    assert [r["student"] for r in report["results"]] == ["s2"]
    checked(root, name, wanted, ["s1", "s2"])
    assert [row for row in tables(root / "gradebook.db")["grade"] if row[0] == "s1"] == by_stock
    read_by_nbgrader(root, name, wanted, ["s1", "s2"])

    nbgrader(root, "autograde", name, "--student", "s1", "--force")
    checked(root, name, wanted, ["s1", "s2"])

    assert {r["student"] for r in graded(root, "12")["results"]} == {"s1", "s3"}
    checked(root, name, wanted, ["s1", "s2", "s3"])
    ours = tables(root / "gradebook.db")
    read_by_nbgrader(root, name, wanted, ["s1", "s2", "s3"])

    nbgrader(root, "autograde", name, "--force")
    checked(root, name, wanted, ["s1", "s2", "s3"])
    stock = tables(root / "gradebook.db")
    assert stock["grade"] == ours["grade"] and stock["comment"] == ours["comment"]
    assert stock["submitted_assignment"] == ours["submitted_assignment"]

    assert graded(root, "12")["skipped"] == 3
    done = grade(root, "12", "--again")
    assert "another result" not in done.stdout
    assert tables(root / "gradebook.db") == stock
