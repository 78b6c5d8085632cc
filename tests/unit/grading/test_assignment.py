"""What was handed out: cells, points, and the digest under which results are kept."""

from __future__ import annotations

import json

import pytest

from autograder.exercises import chapter_exercises
from autograder.grading import assignment as module
from autograder.grading.assignment import exercises_digest, imports_of, load_assignment
from autograder.grading.course import CourseError

NAME = "12_flops"


def change(root, name, edit):
    path = root / "release" / NAME / f"{NAME}.ipynb"
    book = json.loads(path.read_text())
    edit({c["metadata"]["nbgrader"]["grade_id"]: c for c in book["cells"] if "nbgrader" in c["metadata"]}[name])
    path.write_text(json.dumps(book))


def test_a_released_notebook_is_read_whole(course):
    (released,) = load_assignment(course, NAME).notebooks
    exercises = chapter_exercises("12")
    assert [(a.exercise, a.answer, a.check, a.points) for a in released.asked] == [
        (e.id, e.name, f"check-{e.name}", float(e.points)) for e in exercises]
    assert all("NotImplementedError" in a.stub for a in released.asked)
    assert len(released.written) == 1 and released.written[0].points > 0
    assert released.setup and "numpy" in load_assignment(course, NAME).preload


def test_points_of_the_gradebook_win(course):
    points = {NAME: {"check-conv_macs": 17.0}}
    (released,) = load_assignment(course, NAME, points).notebooks
    told = {a.check: a.points for a in released.asked}
    assert told.pop("check-conv_macs") == 17.0
    assert told == {f"check-{e.name}": float(e.points) for e in chapter_exercises("12") if e.name != "conv_macs"}


def test_a_test_cell_that_is_no_check_of_the_course_is_refused(course, root):
    change(root, "check-conv_macs", lambda cell: cell.update(source="assert conv_macs(1) == 1"))
    with pytest.raises(CourseError, match=r"test cell 'check-conv_macs' is not a check .* `nbgrader autograde`"):
        load_assignment(course, NAME)


def test_a_check_without_its_answer_cell_is_refused(course, root):
    change(root, "conv_macs", lambda cell: cell["metadata"]["nbgrader"].update(grade_id="other"))
    with pytest.raises(CourseError, match="check-conv_macs"):
        load_assignment(course, NAME)


@pytest.mark.parametrize("content", ["", "{", "[]", "\ufeff{}", '{"cells": 3}', '{"cells": [{}]}'])
def test_a_release_that_cant_be_read_is_one_sentence(course, root, content):
    (root / "release" / NAME / f"{NAME}.ipynb").write_text(content)
    with pytest.raises(CourseError, match=r"12_flops.ipynb can't be read"):
        load_assignment(course, NAME)


def test_what_was_not_released(course):
    with pytest.raises(CourseError, match="nbgrader generate_assignment 13_none"):
        load_assignment(course, "13_none")


def test_the_digest_follows_every_source_that_decides_a_verdict(tmp_path, monkeypatch):
    for name in ("autograder/exercises/ch01_x/a.py", "autograder/probes/common.py", "utils/cost/flops.py",
                 "autograder/judging.py", "autograder/compare.py", "autograder/exercise.py", "autograder/cards.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    seen = {exercises_digest()}
    for path in sorted(tmp_path.rglob("*.py")):
        path.write_text("x = 2\n")
        if path.name == "cards.py":
            assert exercises_digest() in seen, "how a card looks decides nothing"
        else:
            assert exercises_digest() not in seen, path
            seen.add(exercises_digest())
    (tmp_path / "utils" / "cost" / "flops.py").rename(tmp_path / "utils" / "cost" / "flops2.py")
    assert exercises_digest() not in seen, "a name counts too"


@pytest.mark.parametrize("name, edit", [
    ("conv_macs", lambda c: c.update(source="# another stub")),
    ("check-conv_macs", lambda c: c["metadata"]["nbgrader"].update(points=9.0)),
])
def test_the_digest_follows_what_was_handed_out(course, root, name, edit):
    before = load_assignment(course, NAME).exercises_digest
    assert load_assignment(course, NAME).exercises_digest == before
    change(root, name, edit)
    assert load_assignment(course, NAME).exercises_digest != before


def test_the_imports_of_a_cell():
    source = "import numpy as np, os.path\nfrom torch.nn import functional\nfrom . import x\ndef f():\n    import math\n"
    assert imports_of(source) == {"numpy", "os.path", "torch.nn", "math"}
    assert imports_of("%matplotlib inline\nimport numpy") == set()
