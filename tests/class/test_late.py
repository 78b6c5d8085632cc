"""Late penalties: what `nbgrader autograde` stores with its plugins, due dates and extensions, we store too."""

from __future__ import annotations

import shutil

import pytest
from class_tools import grade, hand_in, known, nbgrader, scores, tables

from autograder.grading.course import CourseError, open_course
from autograder.grading.run import late_penalty

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")]

RIGHT = {"double": "def double(x):\n    return x + x\n"}
ZERO = "c.LateSubmissionPlugin.penalty_method = 'zero'"
CUSTOM = "c.AssignLatePenalties.plugin_class = 'late_rules.PerHour'"
# In the course's own folder, as nbgrader's documentation has it.
RULES = '''
from nbgrader.plugins import BasePlugin

class PerHour(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        if student_id == "forgiven":
            return None
        if student_id == "rewarded":
            return -3.0
        return 0.125 * total_seconds_late / 3600

class Failing(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 1 / 0
'''
# student: what she handed in, when
STUDENTS = {
    "early": (RIGHT, "2026-01-05 09:59:59 UTC"),
    "late": (RIGHT, "2026-01-05 12:00:00.000000 UTC"),
    "very_late": (RIGHT, "2026-01-07 10:00:00 UTC"),
    "late_and_blank": ({}, "2026-01-05 12:00:00 UTC"),
    "extended": (RIGHT, "2026-01-06 09:00:00 UTC"),
    "beyond_extension": (RIGHT, "2026-01-06 13:00:00 UTC"),
    "forgiven": (RIGHT, "2026-01-05 12:00:00 UTC"),
    "rewarded": (RIGHT, "2026-01-05 12:00:00 UTC"),
    "no_time": (RIGHT, ""),
}


def due(root, name):
    """A due date, and two students with an extension of a day, as formgrader's database has them."""
    from nbgrader.api import Gradebook

    course = open_course(root)
    with Gradebook(course.db_url, course.course_id) as book:
        book.update_or_create_assignment(name, duedate="2026-01-05 10:00:00 UTC")
        for student in ("extended", "beyond_extension"):
            book.update_or_create_student(student)
            book.add_submission(name, student)
            book.grant_extension(name, student, days=1)


# Those who show what is particular to the method; the whole class, ten at a second or more each, to the other.
SOME = ("early", "late", "late_and_blank", "beyond_extension", "no_time")


def late_class(root, line, students):
    """Put a line of configuration, the rules, due dates and these students' work into a course; its assignment."""
    chapter = known(["91"])[0]
    with (root / "nbgrader_config.py").open("a") as file:
        file.write(line + "\n")
    (root / "late_rules.py").write_text(RULES)
    due(root, chapter.stem)
    for student in students:
        sources, moment = STUDENTS[student]
        hand_in(root, chapter, student, sources, moment)
        if not moment:
            (root / "submitted" / student / chapter.stem / "timestamp.txt").unlink()
    return chapter.stem


@pytest.mark.parametrize("line, students", [(ZERO, SOME), (CUSTOM, tuple(STUDENTS))], ids=["zero", "custom"])
def test_penalties_are_those_of_nbgrader(course_of, line, students, tmp_path):
    root = course_of("91")
    name = late_class(root, line, students)
    other = shutil.copytree(root, tmp_path / "other")
    nbgrader(root, "autograde", name)
    grade(other, "91")
    stock, ours = tables(root / "gradebook.db"), tables(other / "gradebook.db")
    for table in ("submitted_notebook", "submitted_assignment", "grade"):
        assert ours[table] == stock[table], table
    penalty = {row[0]: row[4] for row in ours["submitted_notebook"]}
    assert penalty.keys() >= set(students)
    assert {s for s, points in penalty.items() if points} == {"late", "beyond_extension"} | ({"very_late"} & penalty.keys())
    if line == CUSTOM:
        assert penalty["late"] == 0.25 and penalty["very_late"] == 1.0 and penalty["rewarded"] == 0.0
        assert penalty["forgiven"] is None
        page = (other / "feedback" / "late" / name / f"{name}.html").read_text()
        assert "0.25 points off for lateness" in page


def test_without_a_method_nobody_loses_points(course_of):
    root = course_of("91")
    name = late_class(root, "c.LateSubmissionPlugin.penalty_method = 'none'", ["late"])
    assert late_penalty(open_course(root)) is None
    grade(root, "91")
    assert {r[0]: r[4] for r in tables(root / "gradebook.db")["submitted_notebook"]}["late"] is None
    assert "lateness" not in (root / "feedback" / "late" / name / f"{name}.html").read_text()


def test_a_plugin_that_fails_is_one_sentence(course_of):
    root = course_of("91")
    late_class(root, "c.AssignLatePenalties.plugin_class = 'late_rules.Failing'", ["late"])
    done = grade(root, "91", check=False)
    assert done.returncode == 2 and "ZeroDivisionError" in done.stderr and done.stderr.strip().count("\n") == 0
    assert "plugin failed on late" in done.stderr and "late" not in scores(root / "gradebook.db", "91_light")


@pytest.mark.parametrize("line", ["c.AssignLatePenalties.plugin_class = 'nowhere.Rules'",
                                  "c.LateSubmissionPlugin.penalty_method = 'half'"])
def test_a_plugin_that_cant_be_loaded_is_one_sentence(course_of, line):
    root = course_of("91")
    with (root / "nbgrader_config.py").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CourseError, match="late penalty plugin"):
        late_penalty(open_course(root))
    hand_in(root, known(["91"])[0], "ann", RIGHT)
    done = grade(root, "91", check=False)
    assert done.returncode == 2 and "late penalty plugin" in done.stderr and "Traceback" not in done.stderr
