"""Class lists of Canvas, of Moodle and of one's own."""

import pytest

from autograder.classroom import ClassroomError
from autograder.classroom.roster import is_student_id, read_roster, squeezed

CANVAS = '''Student,ID,SIS User ID,SIS Login ID,Section,12_flops (4711)
    Points Possible,,,,,23
"Doe, Jane",101,S1,jane,Lab 1,
"Müller, Zoë",102,S2,zoe,"Lab 1, Lab 2",7
"Student, Test",103,,,Lab 1,
'''
WORKSHEET = '''Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments
Participant 900,Jane Doe,jane@uni.edu,Submitted for grading,,23.00,Yes,"Friday, 20 November 2026, 9:00 AM",-,
Participant 901,Zoë Müller,zoe@uni.edu,Submitted for grading,,23.00,Yes,"Friday, 20 November 2026, 9:30 AM",-,
'''


@pytest.fixture
def roster(tmp_path):
    def read(text, column="", encoding="utf-8"):
        path = tmp_path / "roster.csv"
        path.write_bytes(text.encode(encoding))
        return read_roster(path, column)

    return read


def test_canvas(roster):
    found = roster(CANVAS)
    assert found.is_canvas and not found.is_moodle_worksheet
    assert [(p.student, p.lms_id, p.last, p.first, p.has("section")) for p in found.people] == [
        ("jane", "101", "Doe", "Jane", "Lab 1"), ("zoe", "102", "Müller", "Zoë", "Lab 1, Lab 2")]
    assert found.find(number="102").student == "zoe" and found.find(name="doejane").student == "jane"
    assert [p.student for p in roster(CANVAS, "SIS User ID").people] == ["S1", "S2"]


def test_canvas_with_first_and_last_names_apart(roster):
    found = roster("LastName,FirstName,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,,\nDoe,Jane,101,S1,jane,Lab\n")
    assert [(p.student, p.lms_id, p.last, p.first, p.name) for p in found.people] == [("jane", "101", "Doe", "Jane", "Jane Doe")]
    assert found.find(name="doejane").student == "jane"


def test_a_name_never_stands_in_for_another_number(roster):
    """Another Jane Doe, with a number of her own, is not the Jane Doe of the list."""
    found = roster(CANVAS)
    assert found.find(number="999", name="doejane") is None
    assert found.find(number="999", name="doejane", lasting=False).student == "jane"
    twins = roster(CANVAS + '"Doe, Jane",104,S4,jane4,Lab 1,\n')
    assert twins.find(name="doejane") is None and twins.find(number="104").student == "jane4"


def test_moodle(roster):
    found = roster(WORKSHEET)
    assert found.is_moodle_worksheet and [(p.student, p.lms_id, p.email) for p in found.people] == [
        ("jane@uni.edu", "900", "jane@uni.edu"), ("zoe@uni.edu", "901", "zoe@uni.edu")]
    assert found.find(number="901", lasting=False).name == "Zoë Müller" and found.find(name="Jane Doe").student == "jane@uni.edu"


@pytest.mark.parametrize("text, encoding", [
    (CANVAS, "utf-8-sig"), (CANVAS, "utf-16"), (CANVAS.replace('"Lab 1, Lab 2"', "Lab 1").replace(", ", "#").replace(",", ";")
     .replace("#", ", "), "utf-8")])
def test_spreadsheets_write_csv_in_several_ways(roster, text, encoding):
    assert [p.student for p in roster(text, encoding=encoding).people] == ["jane", "zoe"]


def test_a_list_of_ones_own(roster):
    found = roster("student_id,first_name,last_name,email,lms_user_id\nann,Ann,Lee,a@x.y,55\n")
    [ann] = found.people
    assert (ann.student, ann.first, ann.last, ann.email, ann.lms_id) == ("ann", "Ann", "Lee", "a@x.y", "55")


@pytest.mark.parametrize("text, column, told", [
    ("", "", "is empty"), ("Student,ID\n", "", "lists nobody"), ("name\nAnn\n", "", "add one called student_id"),
    (CANVAS, "login", "no column 'login'"), ("student_id\na\na\n", "", "more than once"),
    ("student_id\n../a\n", "student_id", "can't be a student's id"), ("student_id,name\nann,A\n,B\n", "", "no column"),
])
def test_lists_that_cant_be_used_are_one_sentence(roster, text, column, told):
    with pytest.raises(ClassroomError, match=told):
        roster(text, column)


def test_what_is_no_text_is_one_sentence(tmp_path):
    (tmp_path / "r.csv").write_bytes(b"Student,ID\n\xff\xfa\x00")
    for path in (tmp_path / "r.csv", tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(ClassroomError, match="save it as CSV"):
            read_roster(path)


@pytest.mark.parametrize("name, fine", [
    ("ann", True), ("jane@uni.edu", True), ("李小明", True), ("a b", True), ("o'hara", True), ("", False), (".", False), ("..", False),
    (".ann", False), ("ann.", False), (" ann", False), ("a/b", False), ("a\\b", False), ("a\0b", False), ("a*", False),
    ("a?", False), ("a[b]", False), ("a,b", False), ("a\nb", False), ("x" * 128, True), ("x" * 129, False), ("李" * 86, False),
])
def test_ids_are_what_nbgrader_takes_as_a_folder(name, fine):
    assert is_student_id(name) is fine


def test_names_are_squeezed_as_canvas_does():
    assert squeezed("O'Brien-Smith, Mary Ann") == "obriensmithmaryann" == squeezed("obriensmithmaryann")
    assert squeezed("Zoe\u0308") == squeezed("Zoë")
