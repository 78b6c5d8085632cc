"""What a class got right and which mistakes it made, as numbers and as a picture."""

import xml.etree.ElementTree as ET

import pytest

from autograder.classroom import ClassroomError
from autograder.classroom.plot import draw_statistics, write_plot
from autograder.classroom.statistics import FULL, NONE, PARTLY, WRONG, from_gradebook, from_results
from autograder.grading.results import FAILED, REFUSED, ExerciseResult, NotebookResult, Result

TASK = "12_flops"


def result(student, *exercises, status="graded"):
    made = Result(TASK, student, "", status)
    made.notebooks = [NotebookResult(TASK, [ExerciseResult(f"12.{name}", f"check-{name}", outcome, points, 4.0, tag, title,
                                                           wrong=list(wrong)) for name, outcome, points, tag, title, wrong in exercises])]
    return made


CLASS = [
    result("a", ("conv_macs", "right", 4.0, "", "", ()), ("x", "not attempted", 0.0, "", "", ())),
    result("b", ("conv_macs", "wrong", 2.0, "one_image", "Only one image was counted.", ("case 1", "case 1", "case 2"))),
    result("c", ("conv_macs", "wrong", 0.0, "one_image", "Only one image was counted.", ("case 1",))),
    result("d", ("conv_macs", "wrong", 1.0, "forgot_bias", "", ("case 3",))),
    result("e", ("conv_macs", "wrong", 0.0, "", "", ())),
    result("f", status=REFUSED), result("g", status=FAILED),
]


def test_shares_means_mistakes_and_hard_cases():
    made = from_results(TASK, CLASS)
    conv, other = made.exercises
    assert conv.shares == {FULL: 1, PARTLY: 2, WRONG: 2} and conv.students == 5 and conv.mean == 7.0 / 5
    assert conv.misconceptions == [("one_image", "Only one image was counted.", 2), ("forgot_bias", "forgot bias", 1)]
    assert conv.hardest == [("case 1", 2), ("case 2", 1), ("case 3", 1)], "a case counts once a student"
    assert other.shares == {NONE: 1} and made.unread == 2
    told = made.as_dict()["exercises"][0]
    assert (told["right"], told["partly"], told["wrong"], told["not attempted"]) == (1, 2, 2, 0)


def test_titles_come_from_the_course_when_the_result_has_none():
    from autograder.exercises import find_exercise

    known = find_exercise("12.conv_macs").misconceptions[0]
    made = from_results(TASK, [result("a", ("conv_macs", "wrong", 0.0, known.tag, "", ()))])
    assert made.exercises[0].misconceptions == [(known.tag, known.title, 1)]


def test_points_alone_tell_right_partly_wrong(course, gradebook):
    gradebook("a", {"macs": 3.0, "table": 0.0}, essay=5.0)
    gradebook("b", {"macs": 1.5, "table": 0.0})
    gradebook("c", {"macs": None, "table": None})
    made = from_gradebook(course, TASK)
    assert made.source == "gradebook" and {e.exercise: (dict(e.shares), e.mean) for e in made.exercises} == {
        "macs": ({FULL: 1, PARTLY: 1}, 2.25), "table": ({WRONG: 2}, 0.0)}


def test_the_picture_says_everything_without_colour():
    figure = draw_statistics([from_results(TASK, CLASS)])
    above, below = figure.axes
    bars = [p for p in above.patches if p.get_width() > 0]
    assert sorted(round(b.get_width()) for b in bars) == [20, 40, 40, 100]
    hatches = {name: c.patches[0].get_hatch() for c, name in zip(above.containers, [FULL, PARTLY, WRONG, NONE])}
    assert len(set(hatches.values())) == 4
    words = [t.get_text() for t in above.texts]
    assert "1.4 of 4" in words and words.count("2") == 2
    assert "(%)" in above.get_xlabel() and [t.get_text() for t in above.get_legend().get_texts()] == [FULL, PARTLY, WRONG, NONE]
    assert "Only one image was counted." in below.get_yticklabels()[0].get_text() and below.get_xlabel() == "students"


def test_pictures_are_written_whole_in_two_formats(tmp_path):
    made = [from_results(TASK, CLASS)]
    write_plot(tmp_path / "x.svg", made)
    write_plot(tmp_path / "x.PNG", made)
    assert ET.parse(tmp_path / "x.svg").getroot().tag.endswith("svg") and (tmp_path / "x.PNG").read_bytes()[:4] == b"\x89PNG"
    for path, told in ((tmp_path / "x.pdf", ".svg or .png"), (tmp_path / "no" / "x.svg", "no folder")):
        with pytest.raises(ClassroomError, match=told):
            write_plot(path, made)
    with pytest.raises(ClassroomError, match="nothing to draw"):
        write_plot(tmp_path / "y.svg", [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.PNG", "x.svg"]
