"""A download into submitted/: the right student, the right file, whole or not at all."""

import os
from datetime import UTC, datetime

import pytest
from nbgrader.coursedir import CourseDirectory

from autograder.classroom import ClassroomError, importing
from autograder.classroom.importing import import_zip
from autograder.classroom.naming import Format
from autograder.classroom.roster import Person, Roster

TASK = "12_flops"
ANSWER = {"macs": "def macs(n):\n    return n * n"}


def tree(course):
    top = course.submitted
    return sorted(str(p.relative_to(top)) for p in top.rglob("*") if p.is_file()) if top.exists() else []


def actions(found):
    return {h.student: h.action for h in found.students}


def test_canvas_without_a_roster(course, make_zip, text):
    newer = text(ANSWER)
    path = make_zip({"doejane_1001_50_12_flops.ipynb": text(), "doejane_1001_60_12_flops-1.ipynb": newer,
                     "roerick_LATE_1002_55_12_flops.ipynb": text(), "roerick_1002_55_notes.pdf": "x"})
    found = import_zip(course, TASK, path)
    assert found.kind == Format.canvas and actions(found) == {"doejane_1001": "imported", "roerick_1002": "imported"}
    assert tree(course) == [f"doejane_1001/{TASK}/{TASK}.ipynb", f"doejane_1001/{TASK}/timestamp.txt",
                            f"roerick_1002/{TASK}/{TASK}.ipynb", f"roerick_1002/{TASK}/timestamp.txt"]
    assert (course.submitted / "doejane_1001" / TASK / f"{TASK}.ipynb").read_text() == newer
    assert "took 12_flops-1.ipynb, not 12_flops.ipynb" in found.students[0].notes
    assert not list(course.root.rglob("*draft*"))


def test_the_number_of_the_upload_decides_not_the_suffix_nor_the_place(course, make_zip, text):
    path = make_zip({"a_1_90_12_flops.ipynb": text(ANSWER), "a_1_80_12_flops-7.ipynb": text()})
    import_zip(course, TASK, path)
    assert (course.submitted / "a_1" / TASK / f"{TASK}.ipynb").read_text() == text(ANSWER)


def test_a_newer_notebook_of_another_chapter_is_not_taken(course, make_zip, text):
    path = make_zip({"a_1_80_12_flops.ipynb": text(ANSWER), "a_1_90_scratch.ipynb": '{"cells": [], "nbformat": 4}',
                     "b_2_80_thing.ipynb": text(ANSWER), "c_3_80_12_flops.ipynb": '{"cells": []}'})
    found = import_zip(course, TASK, path)
    assert (course.submitted / "a_1" / TASK / f"{TASK}.ipynb").read_text() == text(ANSWER)
    assert (course.submitted / "b_2" / TASK / f"{TASK}.ipynb").read_text() == text(ANSWER)
    assert "holds no exercise of 12_flops" in found.students[2].notes[0] and found.students[2].action == "imported"


def test_moodle_needs_names_that_differ(course, make_zip, text):
    files = {f"{who}_{n}_assignsubmission_file/12_flops.ipynb": text() for who, n in (
        ("Jane Doe", 7), ("Jane Doe", 8), ("Zoë, Müller*", 9))}
    found = import_zip(course, TASK, make_zip(files))
    assert actions(found) == {"zoë_müller": "imported"}
    assert len(found.strays) == 2 and all("give --roster" in why for _, why in found.strays)
    roster = Roster([Person("j7", "Jane Doe", lms_id="7"), Person("j8", "Jane Doe", lms_id="8")])
    again = import_zip(course, TASK, make_zip(files), roster=roster)
    assert actions(again) == {"j7": "imported", "j8": "imported"} and "not in the roster" in again.strays[0][1]


def test_two_people_of_one_name_are_never_one_student(course, make_zip, text):
    """The roster knows one Jane Doe without a number; the zip has two of them."""
    roster = Roster([Person("jane", "Doe, Jane")])
    found = import_zip(course, TASK, make_zip({"doejane_1_5_12_flops.ipynb": text(), "doejane_2_6_12_flops.ipynb": text()}),
                       roster=roster)
    assert not found.students and len(found.strays) == 2 and tree(course) == []


def test_folders_and_their_hostile_names(course, make_zip, text):
    path = make_zip({"ann/12_flops.ipynb": text(), "a*/12_flops.ipynb": text(), "../../evil/12_flops.ipynb": text(),
                     "/abs/12_flops.ipynb": text(), ".hidden/12_flops.ipynb": text(), "x" * 200 + "/12_flops.ipynb": text()})
    found = import_zip(course, TASK, path, kind=Format.folder)
    assert actions(found) == {"ann": "imported"} and len(found.strays) == 5
    assert tree(course) == [f"ann/{TASK}/{TASK}.ipynb", f"ann/{TASK}/timestamp.txt"]
    assert not list(course.root.parent.rglob("evil"))


def test_what_is_there_stays_and_force_keeps_it_beside(course, make_zip, hand_in, text):
    folder = hand_in("ann", "old work")
    (folder / "data.csv").write_text("1")
    path = make_zip({"ann/12_flops.ipynb": text(ANSWER), "bob/12_flops.ipynb": text()})
    before = tree(course)
    assert actions(import_zip(course, TASK, path, dry_run=True)) == {"ann": "kept", "bob": "imported"}
    assert tree(course) == before
    assert actions(import_zip(course, TASK, path)) == {"ann": "kept", "bob": "imported"}
    assert (folder / f"{TASK}.ipynb").read_text() == "old work"
    assert actions(import_zip(course, TASK, path, force=True)) == {"ann": "replaced", "bob": "unchanged"}
    assert (folder / f"{TASK}.ipynb").read_text() == text(ANSWER) and not (folder / "data.csv").exists()
    [kept] = [p for p in folder.parent.iterdir() if p != folder]
    assert {p.name for p in kept.iterdir()} == {f"{TASK}.ipynb", "data.csv", "timestamp.txt"}
    assert kept.name.startswith(".") and sorted(course.submissions(TASK)) == ["ann", "bob"]
    assert actions(import_zip(course, TASK, path, force=True)) == {"ann": "unchanged", "bob": "unchanged"}


@pytest.mark.parametrize("how", ["student", "assignment"])
def test_nothing_is_written_through_a_link(course, make_zip, text, tmp_path, how):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    student = course.submitted / "ann"
    student.parent.mkdir()
    if how == "student":
        student.symlink_to(elsewhere)
    else:
        student.mkdir()
        (student / TASK).symlink_to(elsewhere)
    found = import_zip(course, TASK, make_zip({"ann/12_flops.ipynb": text(), "bob/12_flops.ipynb": text()}), force=True)
    assert actions(found) == {"ann": "refused", "bob": "imported"} and not list(elsewhere.iterdir())


@pytest.mark.parametrize("broken", ["write", "first rename", "second rename"])
def test_a_full_disk_leaves_the_old_or_nothing(course, make_zip, hand_in, text, monkeypatch, broken):
    folder = hand_in("ann", "old work")
    renames, real = [], os.rename

    def fail(*args):
        raise OSError(28, "No space left on device")

    def rename(old, new):
        renames.append(new)
        if broken == ("first rename" if len(renames) == 1 else "second rename") and len(renames) < 3:
            fail()
        real(old, new)

    monkeypatch.setattr(importing.os, "rename", rename)
    if broken == "write":
        monkeypatch.setattr(importing.Path, "write_bytes", fail)
    found = import_zip(course, TASK, make_zip({"ann/12_flops.ipynb": text()}), force=True)
    assert actions(found) == {"ann": "refused"} and "No space left" in found.students[0].notes[-1]
    assert (folder / f"{TASK}.ipynb").read_text() == "old work" and [p.name for p in folder.parent.iterdir()] == [TASK]


def nbgrader_time(course, student):
    """The time as nbgrader itself reads it."""
    return CourseDirectory().get_existing_timestamp(str(course.submitted / student / TASK))


def test_times_as_nbgrader_reads_them(course, make_zip, text):
    files = {"ann/12_flops.ipynb": text()}
    local = datetime(2026, 11, 25, 10).astimezone(UTC).replace(tzinfo=None)
    import_zip(course, TASK, make_zip(files))
    assert nbgrader_time(course, "ann") == local
    import_zip(course, TASK, make_zip({"bob/12_flops.ipynb": text()}), time="2026-11-20 13:30 +0200")
    assert nbgrader_time(course, "bob") == datetime(2026, 11, 20, 11, 30)
    import_zip(course, TASK, make_zip({"cid/12_flops.ipynb": text()}), time="none")
    assert nbgrader_time(course, "cid") is None
    import_zip(course, TASK, make_zip({"dan/12_flops.ipynb": text()}, when=(1980, 1, 1, 0, 0, 0)))
    assert nbgrader_time(course, "dan") is None


@pytest.mark.parametrize("words, hour", [
    ("2026-11-20 13:30", 13), ("2026-11-20 13:30 UTC", 13), ("2026-11-20T13:30Z", 13), ("2026-11-20 13:30 +0200", 11),
    ("2026-11-20T13:30:00-05:00", 18), ("yesterday", None), ("2026-11-20 13:30 CET", None), ("2026-13-01", None)])
def test_a_moment_is_read_with_its_zone_or_refused(words, hour):
    if hour is None:
        with pytest.raises(ClassroomError, match="is no time"):
            importing.parse_time(words)
    else:
        assert importing.parse_time(words) == datetime(2026, 11, 20, hour, 30, tzinfo=UTC)


def test_the_time_of_a_download_makes_nobody_late(course, make_zip, text, gradebook):
    """Due on the 20th, downloaded on the 25th; only what Canvas marks is late."""
    found = import_zip(course, TASK, make_zip({"a_1_5_12_flops.ipynb": text(), "b_LATE_2_6_12_flops.ipynb": text()}))
    assert nbgrader_time(course, "a_1") == datetime(2026, 11, 20, 12)
    assert nbgrader_time(course, "b_2") > datetime(2026, 11, 20, 12)
    assert "unknown time" in found.students[1].notes[0] and "time of the download" in found.notes[0]
    import_zip(course, TASK, make_zip({"Al_1_assignsubmission_file/12_flops.ipynb": text()}))
    assert nbgrader_time(course, "al") == datetime(2026, 11, 20, 12)


def test_names_go_into_the_gradebook_and_change_nothing_there(course, make_zip, text, gradebook):
    gradebook("jane", first_name="Janey")
    roster = Roster([Person("jane", "Doe, Jane", "Jane", "Doe", "j@x.y", "11"), Person("rick", "Roe, Rick", "Rick", "Roe", "", "12")])
    import_zip(course, TASK, make_zip({"doejane_11_5_12_flops.ipynb": text()}), roster=roster, dry_run=True)
    gradebook.book.db.expire_all()
    assert [s.id for s in gradebook.book.students] == ["jane"]
    import_zip(course, TASK, make_zip({"doejane_11_5_12_flops.ipynb": text()}), roster=roster)
    gradebook.book.db.expire_all()
    told = {s.id: (s.first_name, s.last_name, s.email, s.lms_user_id) for s in gradebook.book.students}
    assert told == {"jane": ("Janey", "Doe", "j@x.y", "11"), "rick": ("Rick", "Roe", None, "12")}
    later = import_zip(course, TASK, make_zip({"doejane_11_9_12_flops.ipynb": text(ANSWER)}), force=True)
    assert actions(later) == {"jane": "replaced"}, "a number that the gradebook knows names its student"


def test_other_folders_and_structures(make_course, make_zip, text):
    course = make_course("c.CourseDirectory.submitted_directory = 'in/box'\n"
                         "c.CourseDirectory.directory_structure = '{nbgrader_step}/{assignment_id}/{student_id}'", release="release")
    (course.root / "release" / TASK / f"{TASK}.ipynb").rename(course.root / "release" / TASK / "x.ipynb")
    inner = course.folder(course.release, ".", TASK)
    inner.mkdir(parents=True, exist_ok=True)
    (course.root / "release" / TASK / "x.ipynb").rename(inner / f"{TASK}.ipynb")
    import_zip(course, TASK, make_zip({"ann/whatever.ipynb": text()}))
    assert (course.root / "in" / "box" / TASK / "ann" / f"{TASK}.ipynb").read_text() == text()


def test_an_assignment_that_was_never_released(course, make_zip, text):
    with pytest.raises(ClassroomError, match="never released"):
        import_zip(course, "26_bf16_vs_fp16", make_zip({"ann/x.ipynb": text()}))
