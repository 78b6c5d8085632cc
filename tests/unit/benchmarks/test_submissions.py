"""A course by the real `nbgrader generate_assignment`, and submissions to it that are the same on every run."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import nbformat
import pytest
import submissions
from measuring.answers import KINDS
from nbgrader.api import Gradebook
from nbgrader.utils import parse_utc

NAMES = ["a", "b", "c", "d", "e", "f"]


@pytest.fixture(scope="module")
def course(tmp_path_factory, measured):
    return submissions.write_course(tmp_path_factory.mktemp("class") / "course", [measured["91"]])


def handed_in(course):
    return {p.relative_to(course / "submitted").as_posix(): p.read_bytes()
            for p in sorted((course / "submitted").rglob("*")) if p.is_file()}


def test_the_course_is_one_that_nbgrader_knows(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        notebook = book.find_notebook("91_light", "91_light")
        assert [(c.name, c.max_score) for c in notebook.grade_cells] == [("check-double", 1.0)]
    assert (course / ".course_seed").read_text().strip() == submissions.SEED
    with pytest.raises(FileExistsError, match="not empty"):
        submissions.write_course(course, [])


def test_the_same_seed_gives_the_same_files_whatever_the_count(course, measured):
    plan = submissions.write_submissions(course, measured["91"], 12, seed=5)
    first = handed_in(course)
    assert submissions.write_submissions(course, measured["91"], 9, seed=5) == dict(list(plan.items())[:9])
    assert handed_in(course) == first
    submissions.write_submissions(course, measured["91"], 12, seed=6)
    assert handed_in(course) != first


def test_only_answers_differ_from_what_was_released(course, measured):
    plan = submissions.write_submissions(course, measured["91"], 25)
    release = submissions.released(course, measured["91"])
    assert sorted(p.name for p in (course / "submitted").iterdir()) == sorted(plan)
    for student, kinds in plan.items():
        folder = course / "submitted" / student / "91_light"
        assert parse_utc((folder / "timestamp.txt").read_text().strip()).year == 2026
        notebook = nbformat.read(folder / "91_light.ipynb", as_version=4)
        nbformat.validate(notebook)
        changed = [c.metadata["nbgrader"]["grade_id"] for c, r in zip(notebook.cells, release.cells, strict=True)
                   if c.source != r.source]
        assert changed == ([] if kinds["double"] == "blank" else ["double"])
        for c, r in zip(notebook.cells, release.cells, strict=True):
            assert c.metadata == r.metadata and c.id == r.id


def test_any_twenty_in_a_row_have_every_kind_of_notebook():
    plan = [submissions.planned(i, NAMES, random.Random(i)) for i in range(400)]
    for at in range(0, 380, 7):
        some = plan[at : at + 20]
        assert sum(set(kinds.values()) == {"blank"} for kinds in some) >= 1
        assert any(sorted(kinds.values()) == sorted(KINDS) for kinds in some)
        assert sum(set(kinds.values()) == {"right"} for kinds in some) >= 5
    found = Counter(kind for kinds in plan for kind in kinds.values())
    assert set(found) == set(KINDS) and found["right"] > 0.5 * sum(found.values())


def test_written_answers_are_given_with_any_answer():
    release = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_code_cell("stub", metadata={"nbgrader": {"grade_id": "f", "solution": True}}),
        nbformat.v4.new_code_cell("check", metadata={"nbgrader": {"grade_id": "check-f", "solution": False}}),
        nbformat.v4.new_markdown_cell("write", metadata={"nbgrader": {"grade_id": "explain", "solution": True}}),
    ])
    assert [c.source for c in submissions.answered(release, {"f": "mine"}).cells] == [
        "mine", "check", "An answer in words."]
    assert submissions.answered(release, {"f": None}) == release


def test_the_command_says_what_it_wrote_and_what_is_wrong(tmp_path):
    def run(*words):
        return subprocess.run([sys.executable, submissions.HERE / "submissions.py", *words], capture_output=True,
                              text=True, timeout=120)

    told = run()
    assert told.returncode == 0 and "printing" in told.stdout
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    told = run(str(tmp_path / "full"))
    assert told.returncode == 2 and "is not empty" in told.stderr
    told = run(str(tmp_path / "new"), "--chapters", "77")
    assert told.returncode == 2 and "chapter '77' is not written" in told.stderr and not (tmp_path / "new").exists()
