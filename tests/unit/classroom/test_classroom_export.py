"""Grades for a spreadsheet, for Canvas and for Moodle; read back by readers that follow the LMS's own code."""

import csv
import io
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.classroom import ClassroomError
from autograder.classroom.book import read_book
from autograder.classroom.export import Layout, as_text, cell, export_grades, state, write_table
from autograder.classroom.roster import read_roster

TASK = "12_flops"
FULL = {"macs": 3.0, "table": 4.0}


@pytest.fixture
def graded(course, gradebook):
    """Ann is graded by a person as well, Bob waits for one, Cy is late, Di handed nothing in."""
    gradebook("ann", FULL, essay=4.5, extra=0.25, first_name="Ann", last_name="Lee", email="ann@uni.edu", lms_user_id="11")
    gradebook("bob", {"macs": 1.5, "table": 0.0}, first_name="=HYPERLINK(\"x\")", last_name="Roe")
    gradebook("cy", FULL, essay=0.0, penalty=2.5)
    gradebook("di")
    return course


@pytest.fixture
def roster(tmp_path):
    def make(text, column=""):
        (tmp_path / "roster.csv").write_text(text, encoding="utf-8-sig")
        return read_roster(tmp_path / "roster.csv", column)

    return make


def table(course, layout, **more):
    made = export_grades(read_book(course), [TASK], layout, **more)
    return made, list(csv.reader(io.StringIO(as_text(made.rows), newline="")))


def canvas_import(rows, students):
    """The steps of gradebook_importer.rb: student columns, points, students by ID, SIS id, login or name; grades."""
    head = rows[0]
    assert len(head) > 3 and "Student" in head[0] and "ID" in head[1]
    assert "SIS User ID" in head[2] and "SIS Login ID" in head[3] and "Section" in head[4]
    assert "Points Possible" in rows[1][0]
    points, grades = dict(zip(head[5:], map(float, rows[1][5:]))), {}
    for row in rows[2:]:
        found = next((k for k, s in students.items() if s["id"] == row[1]), None) or next(
            (k for k, s in students.items() if row[2] and s["sis"] == row[2]), None) or next(
            (k for k, s in students.items() if row[3] and s["login"] == row[3]), None) or next(
            (k for k, s in students.items() if s["name"] == row[0]), None)
        grades[found] = dict(zip(head[5:], row[5:]))
    return points, grades


def test_csv_has_every_student_and_says_what_state_it_is(graded):
    made, rows = table(graded, Layout.csv)
    lines = {r["student_id"]: r for r in (dict(zip(rows[0], row)) for row in rows[1:])}
    told = {s: (r["points"], r["late_penalty"], r["score"], r["state"]) for s, r in lines.items()}
    assert told == {"ann": ("11.75", "0", "11.75", "graded"), "bob": ("1.5", "0", "1.5", "waiting"),
                    "cy": ("7", "2.5", "4.5", "graded"), "di": ("", "", "", "not handed in")}
    assert lines["bob"]["first_name"] == "'=HYPERLINK(\"x\")" and {r["max_score"] for r in lines.values()} == {"12"}
    assert made.waiting == [(TASK, "bob")] and lines["ann"]["handed_in"] == "2026-11-20 11:00:00 UTC"


def test_the_scores_are_those_of_nbgraders_own_export(graded, tmp_path):
    done = subprocess.run([sys.executable, "-m", "nbgrader", "export", "--to", str(tmp_path / "theirs.csv")], cwd=graded.root,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "theirs.csv", newline="") as file:
        theirs = {r[3]: (float(r[-4]), float(r[-3]), float(r[-2])) for r in list(csv.reader(file))[1:]}
    _, rows = table(graded, Layout.csv)
    ours = {r[1]: tuple(float(v or 0) for v in r[9:12]) for r in rows[1:]}
    assert ours == theirs


def test_canvas_takes_it_without_a_roster(graded):
    made, rows = table(graded, Layout.canvas)
    known = {"ann": {"id": "11", "sis": "", "login": "other", "name": ""}, "cy": {"id": "13", "sis": "", "login": "cy", "name": ""}}
    points, grades = canvas_import(rows, known)
    assert points == {TASK: 12.0} and grades == {"ann": {TASK: "11.75"}, "cy": {TASK: "4.5"}}
    assert made.waiting == [(TASK, "bob")] and "--roster" in made.notes[0]


def test_canvas_with_its_own_export_keeps_its_own_columns(graded, roster):
    known = roster("Student,ID,SIS User ID,SIS Login ID,Section,Attendance (9),12_flops (4711)\n    Points Possible,,,,,,12\n"
                   '"Lee, Ann",900,S9,ann,Lab 1,,\n"Roe, Bob",901,S8,bob,Lab 2,,\n')
    made, rows = table(graded, Layout.canvas, roster=known, provisional=True)
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "12_flops (4711)"]
    assert rows[1] == ["    Points Possible", "", "", "", "", "12"]
    assert rows[2] == ["Lee, Ann", "900", "S9", "ann", "Lab 1", "11.75"] and rows[3][-1] == "1.5"
    assert made.unmatched == ["cy"]


def test_nobody_loses_a_grade_through_an_empty_cell(graded):
    """Canvas and Moodle take an empty cell for "no grade" and take away one that is there."""
    for layout in (Layout.canvas, Layout.moodle):
        made, rows = table(graded, layout)
        assert "" not in [row[-1] for row in rows] and made.grades == made.students == 2


def test_moodles_gradebook(graded, roster):
    _, rows = table(graded, Layout.moodle)
    assert rows == [["ID number", "Email address", "First name", "Last name", TASK], ["ann", "ann@uni.edu", "Ann", "Lee", "11.75"],
                    ["cy", "", "", "", "4.5"]]
    known = roster("First name,Last name,ID number,Email address\nAnn,Lee,ann,ann@uni.edu\nCy,Poe,cy,cy@uni.edu\n")
    _, rows = table(graded, Layout.moodle, roster=known)
    assert rows[2] == ["cy", "cy@uni.edu", "Cy", "Poe", "4.5"]


def test_moodles_worksheet_comes_back_as_it_was(graded, roster):
    head = ("Identifier,Full name,ID number,Status,Grade,Maximum Grade,Grade can be changed,Last modified (submission),"
            "Last modified (grade),Feedback comments\n")
    known = roster(head + 'Participant 900,Ann Lee,ann,Submitted,,100.00,Yes,"Friday, 20 November 2026, 9:00 AM",-,"=1+1"\n'
                   "Participant 901,Bob Roe,bob,Submitted,,100.00,Yes,-,-,\n", "ID number")
    made, rows = table(graded, Layout.moodle, roster=known)
    assert rows[0] == head.strip().split(",")[:-1], "feedback is left out: Moodle would save a changed text"
    assert rows[1:] == [["Participant 900", "Ann Lee", "ann", "Submitted", "11.75", "100.00", "Yes",
                         "Friday, 20 November 2026, 9:00 AM", "'-"]]
    assert made.unmatched == ["cy"] and "Maximum grade" in made.notes[0]


def test_what_cant_be_exported_is_one_sentence(graded, roster):
    book = read_book(graded)
    with pytest.raises(ClassroomError, match="26_x is not in the gradebook: it has 12_flops"):
        export_grades(book, ["26_x"], Layout.csv)
    with pytest.raises(ClassroomError, match="no student 'zed'"):
        export_grades(book, [TASK], Layout.csv, students=["zed"])
    known = roster("Identifier,Full name,ID number,Grade\nParticipant 1,Ann Lee,ann,\n")
    with pytest.raises(ClassroomError, match="set to English"):
        export_grades(book, [TASK], Layout.moodle, roster=known)
    with pytest.raises(ClassroomError, match="belongs to one assignment"):
        export_grades(book, [TASK, TASK], Layout.moodle, roster=known)


@pytest.mark.parametrize("value, shown", [
    (None, ""), (0.0, "0"), (-1.5, "-1.5"), (7, "7"), (1 / 3, "0.3333"), (100000.0, "100000"), ("=1+1", "'=1+1"), ("+1", "'+1"),
    ("-1", "'-1"), ("@SUM", "'@SUM"), ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("  =1", "'  =1"), ("\uff1d1", "'\uff1d1"),
    ("Ann", "Ann"), ("a=b", "a=b"), ("    Points Possible", "    Points Possible"), ("a\0b", "ab")])
def test_cells(value, shown):
    assert cell(value) == shown


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12), min_size=2,
                         max_size=4), min_size=1, max_size=4))
def test_any_text_comes_back_and_none_starts_a_formula(rows):
    back = list(csv.reader(io.StringIO(as_text(rows), newline="")))
    assert [[v.removeprefix("'") for v in row] for row in back] == [[v.removeprefix("'") for v in row] for row in rows]
    assert not any(v.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")) for row in back for v in row)


def test_files_are_whole_private_and_marked_for_excel(tmp_path):
    path = tmp_path / "grades.csv"
    path.write_text("old")
    write_table(path, [["é", 1.5]], bom=True)
    assert path.read_bytes() == b"\xef\xbb\xbf" + "é,1.5\r\n".encode() and stat.S_IMODE(path.stat().st_mode) == 0o600

    class Broken:
        def __str__(self):
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        write_table(path, [["x"], [Broken()]])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf") and [p.name for p in tmp_path.iterdir()] == ["grades.csv"]
    with pytest.raises(ClassroomError, match="is a folder"):
        write_table(tmp_path, [])
    with pytest.raises(ClassroomError, match="is no folder"):
        write_table(tmp_path / "no" / "x.csv", [])


def test_an_extension_moves_the_due_date(course, gradebook):
    gradebook("ann", FULL, essay=1.0, at=gradebook.book.find_assignment(TASK).duedate.replace(hour=20))
    entry = read_book(course).entry(TASK, "ann")
    assert entry.late_s == 8 * 3600 and state(entry) == "graded"
    gradebook.book.grant_extension(TASK, "ann", hours=6)
    assert read_book(course).entry(TASK, "ann").late_s == 2 * 3600


def test_a_submission_that_nobody_graded_has_no_score(course, gradebook):
    gradebook("ann", {"macs": None, "table": None})
    assert state(read_book(course).entry(TASK, "ann")) == "not graded"
    made, rows = table(course, Layout.csv)
    assert rows[1][9:] == ["", "", "", "12", "not graded"] and made.grades == 0 and not made.waiting
