"""Where a class stands: with our results, and in a course that only nbgrader has ever touched."""

import json
import os
import shutil
from datetime import datetime, timedelta

import pytest

from autograder.classroom import ClassroomError
from autograder.classroom.book import open_gradebook
from autograder.classroom.status import course_status
from autograder.grading import gradebook as ours
from autograder.grading.course import open_course
from autograder.grading.results import FAILED, REFUSED, Result
from autograder.grading.submission import read_submission

TASK = "12_flops"
FULL = {"macs": 3.0, "table": 4.0}


def standing(course, **words):
    [one] = course_status(course, **words)
    return one, {h.student: h for h in one.students}


@pytest.fixture
def keep(course):
    """Puts results of ours into the gradebook's table, as the grader does."""

    def put(*results):
        engine = ours.open_engine(course.db_url)
        ours.RESULTS.metadata.create_all(engine)
        with engine.begin() as db:
            for k, r in enumerate(results):
                db.execute(ours.RESULTS.insert().values(
                    key=f"{k} {r.digest}"[:64], assignment=r.assignment, student=r.student, digest=r.digest,
                    exercises_digest="", grader_version="1", status=r.status, finished=datetime(2026, 11, 21),
                    result=r.to_json()))
        engine.dispose()

    return put


def digest(course, student):
    return read_submission(course.submissions(TASK)[student], TASK, student, [TASK]).digest


def test_a_course_that_nobody_has_used_yet(course):
    one, students = standing(course)
    assert one.assignment == TASK and students == {} and one.mean is None and not (course.root / "gradebook.db").exists()


def test_folders_and_gradebook_together(course, gradebook, hand_in):
    gradebook("ann", FULL, essay=5.0, first_name="Ann", last_name="Lee")
    gradebook("bob", {"macs": 1.0, "table": 0.0}, penalty=0.5, at=datetime(2026, 11, 20, 14))
    gradebook("cy")
    hand_in("ann")
    hand_in("bob", timestamp="2026-11-20 14:00:00 UTC")
    hand_in("new", timestamp="")
    one, students = standing(course)
    assert {s: (h.handed_in, h.graded, h.manual, h.score) for s, h in students.items()} == {
        "ann": (True, True, 0, 12.0), "bob": (True, True, 1, 0.5), "cy": (False, False, 0, None), "new": (True, False, 0, None)}
    assert students["bob"].late_s == 7200 and students["bob"].penalty == 0.5 and students["ann"].name == "Lee, Ann"
    assert students["ann"].at == datetime(2026, 11, 19, 10) and students["new"].at is None
    told = one.as_dict()
    assert {k: told[k] for k in ("students", "handed_in", "late", "graded", "manual", "to_grade", "mean")} == {
        "students": 4, "handed_in": 3, "late": 1, "graded": 2, "manual": 1, "to_grade": 1, "mean": 6.25}
    assert json.loads(json.dumps(told))["each"][1]["at"] == "2026-11-20T14:00:00+00:00"


def test_changed_since_is_a_matter_of_content(course, gradebook, hand_in, keep):
    for student in ("same", "changed"):
        gradebook(student, FULL, essay=1.0)
        hand_in(student)
    keep(*(Result(TASK, s, digest(course, s)) for s in ("same", "changed")))
    hand_in("changed", "another text", timestamp="2026-11-01 00:00:00 UTC")
    os.utime(course.submissions(TASK)["same"] / f"{TASK}.ipynb")
    one, students = standing(course)
    assert not students["same"].changed and students["changed"].changed and one.to_grade == 1


def test_the_newest_result_counts_and_problems_are_named(course, gradebook, hand_in, keep):
    for student in ("ann", "bob", "cy"):
        hand_in(student)
        gradebook(student)
    keep(Result(TASK, "ann", digest(course, "ann"), FAILED, "out of memory"), Result(TASK, "ann", digest(course, "ann")),
         Result(TASK, "bob", digest(course, "bob"), REFUSED, "12_flops.ipynb is a link."),
         Result(TASK, "cy", digest(course, "cy"), FAILED, "the sandbox died"))
    one, students = standing(course)
    assert {s: h.problem for s, h in students.items()} == {
        "ann": "", "bob": "refused: 12_flops.ipynb is a link.", "cy": "failed: the sandbox died"}
    assert students["bob"].graded and not students["cy"].graded and one.count("problem") == 2


@pytest.mark.parametrize("before, now, changed", [
    ("2026-11-19 10:00:00 UTC", "2026-11-19 10:00:01 UTC", True), ("2026-11-19 10:00:00 UTC", "2026-11-19 10:00:00 UTC", False),
    ("", "", None)])
def test_a_course_of_nbgrader_alone_compares_times(course, gradebook, hand_in, before, now, changed):
    gradebook("ann", FULL, essay=1.0)
    folder = hand_in("ann", timestamp=now)
    graded = course.folder(course.autograded, "ann", TASK)
    graded.mkdir(parents=True)
    (graded / f"{TASK}.ipynb").write_text("{}")
    if before:
        (graded / "timestamp.txt").write_text(before)
        assert standing(course)[1]["ann"].changed is changed
        return
    for seconds in (-10, 10):
        at = (graded / f"{TASK}.ipynb").stat().st_mtime + seconds
        os.utime(folder / f"{TASK}.ipynb", (at, at))
        assert standing(course)[1]["ann"].changed is (seconds > 0)


@pytest.mark.parametrize("text", ["not a time", "\xff\xfe", "2026-99-99", "9" * 150])
def test_a_broken_timestamp_is_no_time(course, hand_in, text):
    hand_in("ann", timestamp=text)
    assert standing(course)[1]["ann"].at is None


def test_filters_and_unknown_names(course, gradebook, hand_in):
    gradebook("ann", FULL, essay=1.0, at=datetime(2026, 11, 20) + timedelta(days=2))
    hand_in("bob")
    assert list(standing(course, students=["bob"])[1]) == ["bob"] and list(standing(course, assignments=[TASK])[1]) == ["ann", "bob"]
    with pytest.raises(ClassroomError, match="no student 'zed'"):
        course_status(course, students=["zed"])
    with pytest.raises(ClassroomError, match="no assignment '13_x'"):
        course_status(course, assignments=["13_x"])


def test_a_relative_database_lies_in_the_course(make_course, blank_gradebook, tmp_path, monkeypatch):
    course = make_course("c.CourseDirectory.db_url = 'sqlite:///grades.sqlite'", name="other")
    shutil.copyfile(blank_gradebook, course.root / "grades.sqlite")
    monkeypatch.chdir(tmp_path)
    with open_gradebook(course) as book:
        book.add_assignment(TASK)
        book.update_or_create_student("ann")
    assert not (tmp_path / "grades.sqlite").exists()
    assert list(standing(course)[1]) == ["ann"]


@pytest.mark.parametrize("url", ["no address", "sqlite:///{root}/broken.db", "postgresql+nothing://x/y"])
def test_a_gradebook_that_cant_be_opened_is_one_sentence(make_course, url):
    course = make_course(name="other")
    (course.root / "broken.db").write_bytes(b"this is no database" * 100)
    (course.root / "nbgrader_config.py").write_text(f"c = get_config()\nc.CourseDirectory.db_url = '{url.format(root=course.root)}'\n")
    with pytest.raises(ClassroomError, match=r"database address|can't be used"):
        course_status(open_course(course.root))
