"""Results in a real gradebook of nbgrader: each once, whatever is recorded again or killed; a person's work stays."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import shutil
import signal
import sqlite3
import threading
import time
from datetime import datetime

import pytest
import sqlalchemy as sa
from class_tools import intact, query, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.grading.assignment import load_assignment
from autograder.grading.course import open_course
from autograder.grading.gradebook import Gradebook, back_up, current_results
from autograder.grading.results import FAILED, REFUSED, ExerciseResult, NotebookResult, Result

pytestmark = pytest.mark.slow

NAME = "12_flops"
HANDED_IN = datetime(2026, 1, 5, 10)


@pytest.fixture(scope="module")
def empty(templates, tmp_path_factory):
    """A course with chapter 12 whose gradebook has our table and no result."""
    root = shutil.copytree(templates("12"), tmp_path_factory.mktemp("empty") / "course")
    with Gradebook(open_course(root)):
        pass
    return root


@pytest.fixture
def course(empty, tmp_path):
    return open_course(shutil.copytree(empty, tmp_path / "course"))


@pytest.fixture
def assignment(course):
    with Gradebook(course) as book:
        return load_assignment(course, NAME, book.points(NAME))


def result_of(assignment, student="ann", version=0, share=1.0, status="graded", essay=None, problem=""):
    """A result in which each exercise earned `share` of its points, and the written answer waits."""
    released = assignment.notebooks[0]
    told = NotebookResult(released.name, problem=problem)
    told.exercises = [ExerciseResult(a.exercise, a.check, "wrong", share * a.points, a.points) for a in released.asked]
    told.manual = {w.cell: essay for w in released.written}
    digest = hashlib.sha256(f"{student}/{version}".encode()).hexdigest()
    notebooks = [] if status == FAILED else [told]
    return Result(assignment.name, student, digest, status, "The grader failed." if status == FAILED else "", notebooks)


def grades_of(database, student):
    """cell -> (auto score, manual score, needs a person)."""
    return {r[3]: (r[4], r[5], r[7]) for r in tables(database)["grade"] if r[0] == student}


def database_of(course):
    return course.root / "gradebook.db"


# --- exactly once ---------------------------------------------------------------------------------


def record_in_child(course, assignment, result, statements):
    """Record in a process of its own, which kills itself before its SQL statement number `statements`, or instead of
    or after its commit; never for None. Whether it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with Gradebook(course) as book:
                if statements is not None:
                    _kill_after(book.engine, statements)
                book.record(assignment, result, HANDED_IN)
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WIFSIGNALED(status), f"the child failed: {status}"
    return status == 0


def _kill_after(engine, statements):
    left = [statements]

    def count(*_):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(engine, "before_cursor_execute", count)
    sa.event.listen(engine, "commit", count)


STEPS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 1), st.sampled_from([0.0, 0.5, 1.0]),
              st.one_of(st.none(), st.integers(0, 45))), min_size=1, max_size=7)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_each_result_is_recorded_once_whatever_is_recorded_again_or_killed(empty, tmp_path_factory, steps):
    course = open_course(shutil.copytree(empty, tmp_path_factory.mktemp("steps") / "course"))
    with Gradebook(course) as book:
        assignment = load_assignment(course, NAME, book.points(NAME))
    points = {a.check: a.points for a in assignment.notebooks[0].asked}
    first: dict[tuple[str, int], float] = {}  # what the first recording of a submission said
    shown: dict[str, float] = {}  # what the gradebook says of a student
    for student, version, share, statements in steps:
        ended = record_in_child(course, assignment, result_of(assignment, student, version, share), statements)
        assert intact(database_of(course))
        seen = dict(query(database_of(course), "select digest, count(*) from autograder_result group by digest"))
        fresh = (student, version) not in first
        digest = result_of(assignment, student, version).digest
        if fresh and digest in seen:
            first[student, version] = shown[student] = share
        elif not fresh and ended:
            shown[student] = first[student, version]
        assert not ended or digest in seen
        assert seen == {result_of(assignment, s, v).digest: 1 for s, v in first}
        found = {s: {c: g[0] for c, g in grades_of(database_of(course), s).items() if c in points} for s in shown}
        killed_again = not fresh and not ended  # it had or had not written the first scores anew
        if killed_again and found[student] == {c: first[student, version] * p for c, p in points.items()}:
            shown[student] = first[student, version]
        assert found == {s: {c: share * p for c, p in points.items()} for s, share in shown.items()}
    assert {r[0] for r in tables(database_of(course))["submitted_assignment"]} == set(shown)


def test_another_result_under_one_key_is_told_and_the_first_stands(course, assignment):
    with Gradebook(course) as book:
        told = book.record(assignment, result_of(assignment, share=1.0), HANDED_IN)
        assert told.fresh and not told.conflict
        before = tables(database_of(course))
        same = book.record(assignment, result_of(assignment, share=1.0), HANDED_IN)
        assert not same.fresh and not same.conflict
        other = book.record(assignment, result_of(assignment, share=0.5), HANDED_IN)
        assert not other.fresh
        check = assignment.notebooks[0].asked[0]
        assert f"{check.check}: {check.points} before, {check.points / 2} now" in other.conflict
        assert tables(database_of(course)) == before
        newer = book.record(assignment, result_of(assignment, version=1, share=0.5), HANDED_IN)
        assert newer.fresh and not newer.conflict
    assert [r.digest for r in current_results(course.db_url, NAME)] == [result_of(assignment, version=1).digest]
    assert grades_of(database_of(course), "ann")[check.check][0] == check.points / 2


def test_what_another_program_changed_is_put_right_by_recording_again(course, assignment):
    with Gradebook(course) as book:
        book.record(assignment, result_of(assignment), HANDED_IN)
        before = tables(database_of(course))
        with sqlite3.connect(database_of(course)) as db:
            db.execute("update grade set auto_score = 0.125")
        book.record(assignment, result_of(assignment), HANDED_IN)
    assert tables(database_of(course)) == before


def test_two_writers_at_a_time_wait_for_each_other(course, assignment):
    """Another program commits all the time: a reader that turns writer would be refused at once by SQLite."""
    stop, commits = threading.Event(), [0]

    def busy():
        with contextlib.closing(sqlite3.connect(database_of(course), timeout=60)) as db:
            while not stop.is_set():
                with db:
                    db.execute("insert or replace into student (id, first_name) values ('zoe', ?)", (str(commits[0]),))
                commits[0] += 1

    writer = threading.Thread(target=busy)
    writer.start()
    try:
        with Gradebook(course) as book:
            for version in range(60):
                assert book.record(assignment, result_of(assignment, version=version), HANDED_IN).fresh
    finally:
        stop.set()
        writer.join()
    assert commits[0] > 5
    assert query(database_of(course), "select count(*) from autograder_result") == [(60,)]


def test_a_locked_gradebook_is_waited_for(course, assignment):
    held, release = threading.Event(), threading.Event()

    def hold():
        with contextlib.closing(sqlite3.connect(database_of(course), isolation_level=None)) as db:
            db.execute("begin immediate")
            held.set()
            release.wait(30)
            db.execute("rollback")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(1.5, release.set).start()
    started = time.monotonic()
    with Gradebook(course) as book:
        assert book.record(assignment, result_of(assignment), HANDED_IN).fresh
    assert time.monotonic() - started > 1.2
    holder.join()


# --- a person's work ------------------------------------------------------------------------------


def scored_by_hand(course, student, scores, comment=""):
    """What formgrader's page does when a person scores and writes."""
    from nbgrader.api import Gradebook as Book

    with Book(course.db_url, course.course_id) as book:
        for cell, score in scores.items():
            grade = book.find_grade(cell, NAME, NAME, student)
            grade.manual_score, grade.needs_manual_grade = score, False
        if comment:
            essay = next(iter(scores))
            book.find_comment(essay, NAME, NAME, student).manual_comment = comment
        book.db.commit()


def test_scores_and_comments_of_a_person_stay(course, assignment):
    essay, check = assignment.notebooks[0].written[0].cell, assignment.notebooks[0].asked[0].check
    with Gradebook(course) as book:
        book.record(assignment, result_of(assignment, share=0.0), HANDED_IN)
        assert grades_of(database_of(course), "ann")[essay] == (None, None, 1)
        scored_by_hand(course, "ann", {essay: 2.5, check: 1.0}, "Well said.")
        by_hand = tables(database_of(course))
        book.record(assignment, result_of(assignment, share=0.0), HANDED_IN)
        assert tables(database_of(course)) == by_hand, "the same result again asks no person to look again"
        book.record(assignment, result_of(assignment, version=1, share=1.0), HANDED_IN)
        found = grades_of(database_of(course), "ann")
        assert found[essay] == (None, 2.5, 1) and found[check][1:] == (1.0, 1), "new work waits for her again"
        assert book.given(NAME, "ann")[NAME][essay] == {"manual_score": 2.5, "extra_credit": None,
                                                        "comment": "Well said."}
    assert all(row[7] == 0 for row in tables(database_of(course))["grade"] if row[3] not in (essay, check))


def test_an_essay_that_was_left_as_handed_out_gets_0_and_waits_for_nobody(course, assignment):
    essay = assignment.notebooks[0].written[0].cell
    result = result_of(assignment, essay=0.0)
    result.notebooks[0].blank = [essay]
    with Gradebook(course) as book:
        book.record(assignment, result, HANDED_IN)
    assert grades_of(database_of(course), "ann")[essay] == (0.0, None, 0)
    comments = {r[3]: r[4] for r in tables(database_of(course))["comment"]}
    assert comments[essay] == "No response." and set(comments.values()) == {"No response.", None}


def test_a_failed_result_waits_for_a_person_until_a_run_succeeds(course, assignment):
    with Gradebook(course) as book:
        book.record(assignment, result_of(assignment, status=FAILED), HANDED_IN)
        assert {g[0::2] for g in grades_of(database_of(course), "ann").values()} == {(None, 1)}
        assert {r[4] for r in tables(database_of(course))["comment"]} == {"The grader failed."}
        key = query(database_of(course), "select key from autograder_result")[0][0]
        book.record(assignment, result_of(assignment, status=FAILED), HANDED_IN)
        assert query(database_of(course), "select key from autograder_result") == [(key,)]
        assert book.record(assignment, result_of(assignment), HANDED_IN).fresh, "its key is not the failure's"
        graded = grades_of(database_of(course), "ann")
        assert all(g == (a.points, None, 0) for a in assignment.notebooks[0].asked for g in [graded[a.check]])
        assert {r[4] for r in tables(database_of(course))["comment"]} == {None}
        book.record(assignment, result_of(assignment, version=1, status=FAILED), HANDED_IN)
        assert grades_of(database_of(course), "ann") == graded, "a failure takes no grade away"
    statuses = [r.status for r in current_results(course.db_url, NAME)]
    assert statuses == [FAILED]


def test_a_refused_result_gives_0_everywhere_and_says_why(course, assignment):
    why = "12_flops.ipynb was not handed in."
    result = result_of(assignment, share=0.0, status=REFUSED, essay=0.0, problem=why)
    with Gradebook(course) as book:
        book.record(assignment, result, HANDED_IN)
    assert set(grades_of(database_of(course), "ann").values()) == {(0.0, None, 0)}
    assert {r[4] for r in tables(database_of(course))["comment"]} == {why}


def test_a_regrade_under_other_points_is_a_new_result(course, assignment):
    """An instructor who changes the points gets other scores, not a conflict with those of before."""
    from nbgrader.api import Gradebook as Book

    with Gradebook(course) as book:
        book.record(assignment, result_of(assignment), HANDED_IN)
    with Book(course.db_url, course.course_id) as book:
        cell = assignment.notebooks[0].asked[0].check
        book.find_grade_cell(cell, NAME, NAME).max_score = 50.0
        book.db.commit()
    with Gradebook(course) as book:
        changed = load_assignment(course, NAME, book.points(NAME))
        assert changed.exercises_digest != assignment.exercises_digest
        assert book.record(changed, result_of(changed), HANDED_IN).fresh
    assert grades_of(database_of(course), "ann")[cell][0] == 50.0


# --- the backup -----------------------------------------------------------------------------------


def dump(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return list(db.iterdump())


def test_a_backup_is_made_before_our_table_is_added_and_never_again(course_of):
    root = course_of("12")
    course, before = open_course(root), dump(root / "gradebook.db")
    with Gradebook(course, read_only=True) as book:
        assert book.keys(NAME) == set() and book.points(NAME)
    assert dump(root / "gradebook.db") == before and not list(root.glob("*.bak"))
    with Gradebook(course):
        pass
    (backup,) = root.glob("gradebook.db.*.bak")
    assert intact(backup) and dump(backup) == before
    assert "autograder_result" in "".join(dump(root / "gradebook.db"))
    with Gradebook(course):
        pass
    assert list(root.glob("gradebook.db.*.bak")) == [backup]


def test_no_backup_takes_the_place_of_another(course_of):
    root = course_of("12")
    url = open_course(root).db_url
    made = {back_up(url) for _ in range(5)}
    assert len(made) == 5 and all(intact(path) for path in made)


def test_a_backup_of_a_gradebook_in_use_is_whole(course, assignment):
    """What stands in the write-ahead log, which a copy of the file alone would lack, is in the backup."""
    with Gradebook(course) as book:
        book.record(assignment, result_of(assignment), HANDED_IN)
        assert (course.root / "gradebook.db-wal").stat().st_size > 0
        copied = back_up(course.db_url)
        assert query(copied, "select student from autograder_result") == [("ann",)]


def test_results_survive_json(assignment):
    result = result_of(assignment)
    assert Result.from_json(result.to_json()) == result
    newer = copy.deepcopy(result).to_json().replace('"status"', '"of_a_later_version":1,"status"')
    assert Result.from_json(newer) == result
