"""What still succeeds, each with the mechanism and where it would be mended. A test that begins to pass says so."""

from __future__ import annotations

import os

import attack_tools as tools
import pytest

from autograder.chapters import CHAPTERS
from autograder.exercises import find_exercise
from autograder.grading.course import open_course
from autograder.grading.gradebook import current_results
from autograder.grading.run import parse_timestamp
from autograder.judging import WRONG, judge_answer
from autograder.probes.ask import ask

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00 +1400", "9999-12-31 23:59:59.999999 -2300"])
def test_a_time_at_the_end_of_all_time_is_no_time(text):
    """In UTC it has no date."""
    assert parse_timestamp(text) is None


def test_a_student_folder_that_is_no_unicode_ends_no_run(town, tmp_path):
    """The whole run ends at that student, whatever name collecting gave to the folder."""
    course = tools.copy_course(town.course, tmp_path / "course")
    for student in (os.fsdecode(b"b\xff\xfe"), "anna", "zoe"):
        for number in tools.ATTACKED:
            tools.making.write_submission(course, CHAPTERS[number], student, tools.making.released(course, CHAPTERS[number]))
    tools.attacked(tools.Town(course, town.home, town.port, town.word))
    rows = current_results(open_course(course).db_url, CHAPTERS["12"].stem)
    assert {"anna", "zoe"} <= {r.student for r in rows}


@pytest.mark.parametrize("name", ["a b", "<script>", "x'; drop table grade; --", "名", "-rf", "%s%n", "$HOME", "a\nb", "nul\x01"])
def test_odd_names_of_students_do_no_harm(town, tmp_path, name):
    course = tools.copy_course(town.course, tmp_path / "course")
    for number in tools.ATTACKED:
        tools.making.write_submission(course, CHAPTERS[number], name, tools.making.released(course, CHAPTERS[number]))
    summary = tools.attacked(tools.Town(course, town.home, town.port, town.word)).summary
    assert [r.status for r in summary.results] == ["graded"] * 2 and {r.student for r in summary.results} == {name}
    page = (course / "feedback" / name / "12_flops" / "12_flops.html").read_text(encoding="utf-8")
    assert "<script" not in page


def test_an_honest_mistake_does_not_break_the_check():
    """Behind the walls remote.judge_cells makes a wrong answer of it; in a notebook the check itself raises."""
    exercise = find_exercise("03.pick_8bit")
    assert judge_answer(exercise, lambda q: ask(lambda *a, **k: ("INT8", None, None), q), 3).outcome == WRONG


def test_a_counted_number_can_be_forged_and_its_value_cannot(town):
    """A known limit of probes that count: it earns nothing where the values are wrong."""
    exercise = find_exercise("46.flash_forward")

    def forged(question):
        if question["probe"] != "common.call":
            return {"value": {"peak_bytes": 1, "largest_tensor_bytes": 1, "largest_product": 1, "used": 0, "tiles": 1}}
        return {"value": {"value": 0, "changed": []}, "printed": "", "seconds": 0.0}

    judgement = judge_answer(exercise, forged, 5)
    assert judgement.points == 0 and judgement.groups["limits"]
