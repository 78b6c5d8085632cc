"""A run: what it grades and skips, how it tells its progress, what it leaves."""

from __future__ import annotations

import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.grading import run
from autograder.grading.course import CourseError, open_course
from autograder.grading.gradebook import GradebookError
from autograder.grading.run import Summary, course_secret, grade_course, parse_timestamp, rewrite_feedback
from autograder.grading.workers import Settings

NAME = "12_flops"


@pytest.fixture
def graded(course):
    """Grades the course in plain processes, one at a time, and says how it went."""

    def grade(**options):
        told = []
        settings = Settings("x", trusted=True)
        summary = grade_course(course, [NAME], settings, **{"jobs": 1, "listener": told.append, **options})
        return summary, told

    return grade


def rows(root, sql):
    with sqlite3.connect(f"file:{root / 'gradebook.db'}?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def test_a_dry_run_says_what_would_be_graded_and_changes_nothing(graded, hand_in, root):
    for student in ("bob", "ann"):
        hand_in(student)
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    summary, told = graded(dry_run=True)
    assert summary.planned == [(NAME, "ann"), (NAME, "bob")] and not told and not summary.results
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_a_run_is_resumed_by_running_it_again(graded, hand_in, root, solutions):
    first = next(iter(solutions))
    for student in ("ann", "bob"):
        hand_in(student)
    summary, told = graded(students=["bob"])
    assert [r.student for r in summary.results] == ["bob"] and summary.skipped == 0
    assert [(t.assignment, t.done, t.total, t.last.student) for t in told] == [(NAME, 1, 1, "bob")]
    assert summary.seconds >= summary.first_result_s > 0

    hand_in("cid")
    summary, told = graded()
    assert sorted(r.student for r in summary.results) == ["ann", "cid"] and summary.skipped == 1
    assert told[-1].done == told[-1].total == 3 and [t.done for t in told] == sorted(t.done for t in told)
    assert graded()[0].skipped == 3

    hand_in("bob", {first: solutions[first]})  # she hands in anew
    summary, told = graded()
    assert [r.student for r in summary.results] == ["bob"] and summary.skipped == 2 and summary.results[0].points > 0
    assert told[-1].done == 3, "what was skipped after the last one counts, too"
    assert rows(root, "select student, count(*) from autograder_result group by student") == [
        ("ann", 1), ("bob", 2), ("cid", 1)]

    summary, _ = graded(again=True)
    assert len(summary.results) == 3 and summary.skipped == 0 and not summary.conflicts
    assert rows(root, "select count(*) from autograder_result") == [(4,)]


def test_a_student_who_handed_in_nothing(graded, hand_in):
    hand_in("ann")
    with pytest.raises(CourseError, match="eve, zed handed in nothing for 12_flops"):
        graded(students=["eve", "ann", "zed"])


def test_another_result_than_before_is_told(graded, hand_in, root, course):
    hand_in("ann")
    graded()
    row = json.loads(rows(root, "select result from autograder_result")[0][0])
    row["notebooks"][0]["exercises"][0]["points"] = 2.5
    with sqlite3.connect(root / "gradebook.db") as db:
        db.execute("update autograder_result set result = ?", (json.dumps(row),))
    page = root / "feedback" / "ann" / NAME / f"{NAME}.html"
    page.write_text("as it was")
    summary, _ = graded(again=True)
    assert page.read_text() == "as it was", "the first one stands, on its page too"
    cell = row["notebooks"][0]["exercises"][0]["cell"]
    assert summary.conflicts == [f"{NAME}, ann: {cell}: 2.5 before, 0.0 now"]
    assert summary.as_dict()["conflicts"] == summary.conflicts


def test_json_has_all_that_a_program_needs(graded, hand_in):
    hand_in("ann")
    hand_in("bob", "no notebook")
    told = json.loads(json.dumps(graded()[0].as_dict()))
    assert (told["graded"], told["refused"], told["failed"], told["skipped"]) == (1, 1, 0, 0)
    assert told["layers"] == ["none: all submissions are trusted"] and told["conflicts"] == [] == told["planned"]
    by_student = {r["student"]: r for r in told["results"]}
    assert by_student["ann"]["status"] == "graded" and by_student["ann"]["max_points"] > by_student["ann"]["points"] == 0
    assert by_student["bob"]["status"] == "refused" and "not a notebook" in by_student["bob"]["reason"]
    assert json.loads(json.dumps(Summary().as_dict()))["results"] == []


def test_files_and_time_of_handing_in(graded, hand_in, root):
    (root / "release" / NAME / "figure.svg").write_text("<svg/>")
    hand_in("ann", timestamp="2026-01-05 10:00:00 UTC")
    hand_in("bob", timestamp="some day")
    hand_in("cid", timestamp="")
    graded()
    for student in ("ann", "bob", "cid"):
        assert (root / "autograded" / student / NAME / "figure.svg").read_text() == "<svg/>"
        assert (root / "feedback" / student / NAME / f"{NAME}.html").stat().st_size > 1000
    assert (root / "feedback" / "ann" / NAME / "timestamp.txt").read_text() == "2026-01-05 10:00:00 UTC"
    assert not (root / "feedback" / "cid" / NAME / "timestamp.txt").exists()
    assert rows(root, "select student_id, timestamp from submitted_assignment order by 1") == [
        ("ann", "2026-01-05 10:00:00.000000"), ("bob", None), ("cid", None)]
    assert not list(root.rglob("*.draft"))


def test_feedback_is_written_anew_with_what_a_person_gave(graded, hand_in, root, course):
    from nbgrader.api import Gradebook

    hand_in("ann", essay="An answer in words.")
    hand_in("bob")
    graded()
    with Gradebook(course.db_url, course.course_id) as book:
        essay = next(g.cell.name for g in book.find_submission_notebook(NAME, NAME, "ann").grades
                     if g.needs_manual_grade)
        grade = book.find_grade(essay, NAME, NAME, "ann")
        grade.manual_score, grade.needs_manual_grade = 3.5, False
        book.find_comment(essay, NAME, NAME, "ann").manual_comment = "Nearly *there*."
        book.db.commit()
    page = root / "feedback" / "ann" / NAME / f"{NAME}.html"
    before = (root / "feedback" / "bob" / NAME / f"{NAME}.html").read_text()
    assert "waits for a person" in page.read_text()
    assert rewrite_feedback(course, [NAME], ["ann"]) == 1 and rewrite_feedback(course, [NAME]) == 2
    told = page.read_text()
    assert "waits for a person" not in told and "Nearly <em>there</em>." in told and "3.5 of " in told
    assert "An answer in words." in told
    assert (root / "feedback" / "bob" / NAME / f"{NAME}.html").read_text() == before


def test_an_assignment_that_the_gradebook_lacks(course, root, hand_in):
    (root / "release" / "13_other").mkdir()
    with pytest.raises(GradebookError, match="13_other is not in the gradebook: run `nbgrader generate_assignment 13"):
        grade_course(course, ["13_other"], Settings("x", trusted=True), jobs=1)


# --- the secret, and time -------------------------------------------------------------------------


def test_a_secret_is_made_once_and_for_its_owner(course, root):
    assert course_secret(course) == ("a secret of the tests", False)
    (root / ".course_seed").unlink()
    made, new = course_secret(open_course(root))
    assert new and len(made) == 32 and (root / ".course_seed").stat().st_mode & 0o777 == 0o600
    assert course_secret(open_course(root)) == (made, False) and not list(root.glob("*.draft"))
    (root / ".course_seed").unlink()
    assert course_secret(open_course(root))[0] != made


def test_a_secret_that_cant_be_kept_is_one_sentence(course, root):
    (root / ".course_seed").unlink()
    (root / ".course_seed").mkdir()
    with pytest.raises(CourseError, match=r"\.course_seed can't be written .*make the course's folder writable"):
        course_secret(open_course(root))
    assert [p.name for p in root.iterdir() if "draft" in p.name] == []


ZONES = ["UTC", "CET", "EST", "Europe/Berlin", "Asia/Tokyo", ""]


@given(st.datetimes(min_value=run.datetime.datetime(1980, 1, 1), max_value=run.datetime.datetime(2100, 1, 1)),
       st.sampled_from(ZONES), st.booleans())
def test_times_are_read_as_nbgrader_reads_them(moment, zone, fraction):
    from nbgrader.utils import parse_utc

    text = f"{moment:%Y-%m-%d %H:%M:%S}{f'.{moment.microsecond:06d}' if fraction else ''} {zone}".strip()
    assert parse_timestamp(text) == parse_utc(text)


def test_a_zone_in_hours_is_read_in_hours():
    """nbgrader 0.9 reads "+0200" as 200 seconds."""
    from nbgrader.utils import parse_utc

    assert parse_timestamp("2026-01-05 12:00:00 +0200") == run.datetime.datetime(2026, 1, 5, 10)
    assert parse_utc("2026-01-05 12:00:00 +0200") == run.datetime.datetime(2026, 1, 5, 11, 56, 40)


@pytest.mark.parametrize("text", ["", "some day", "9999999999999999999", "2026-13-45", "\0", "2026-01-05 10:00:00 +9999999"])
def test_what_is_no_time_is_none(text):
    assert parse_timestamp(text) is None
