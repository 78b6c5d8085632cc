"""The learner's notebooks: reproducible, up to date, without answers, with every exercise."""

import json
import re

import nbformat
import pytest

from autograder.chapters import CHAPTERS, ROOT
from autograder.exercises import chapter_exercises
from autograder.notebooks import interview, readme, start
from autograder.notebooks.build import build_chapter, is_stale
from autograder.notebooks.master import read_master

MOST_WORDS_ALIKE = ("### BEGIN", "### END", "HIDDEN TESTS", "course_seed")


def test_there_are_chapters(chapter_number):
    assert CHAPTERS[chapter_number].master.exists()


def test_the_committed_notebook_is_up_to_date(chapter_number):
    assert not is_stale(CHAPTERS[chapter_number]), "run `make notebooks`"


def test_a_build_is_the_same_byte_for_byte(chapter_number):
    one, two = build_chapter(CHAPTERS[chapter_number]), build_chapter(CHAPTERS[chapter_number])
    assert one == two


def test_no_answer_and_no_output_is_in_the_release(chapter_number):
    text = CHAPTERS[chapter_number].notebook.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    for word in MOST_WORDS_ALIKE:
        assert word not in text
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    master = read_master(CHAPTERS[chapter_number].master)
    for name, cell in master.solutions.items():
        stub = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)
        assert "raise NotImplementedError()" in stub.source
        inside = cell.source.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0]
        lines = [s.strip() for s in inside.split("\n") if len(s.strip()) > 25]
        assert not any(line in stub.source for line in lines)


def test_every_exercise_has_its_cells_and_points(chapter_number):
    notebook = nbformat.read(CHAPTERS[chapter_number].notebook, as_version=4)
    told = {c.metadata["nbgrader"]["grade_id"]: c.metadata["nbgrader"] for c in notebook.cells if "nbgrader" in c.metadata}
    for exercise in chapter_exercises(chapter_number):
        assert told[exercise.name]["solution"] and not told[exercise.name]["locked"]
        check = told[f"check-{exercise.name}"]
        assert check["points"] == exercise.points and check["locked"] and check["grade"]


def test_cell_ids_are_distinct_and_from_names(chapter_number):
    cells = nbformat.read(CHAPTERS[chapter_number].notebook, as_version=4).cells
    ids = [c.id for c in cells]
    assert len(set(ids)) == len(ids) and all(i.startswith(f"{chapter_number}-") for i in ids)


def test_the_first_line_says_where_it_comes_from(chapter_number):
    first = nbformat.read(CHAPTERS[chapter_number].notebook, as_version=4).cells[0].source.split("\n")[0]
    assert f"Generated from solutions/{CHAPTERS[chapter_number].stem}.py" in first


def test_the_start_notebook_is_up_to_date():
    assert not start.is_stale(), "run `make notebooks`"
    assert not interview.is_stale(), "run `make notebooks`"


def test_the_readme_lists_the_chapters_and_stays_short():
    assert not readme.is_stale(), "run `make notebooks`"
    text = readme.PATH.read_text(encoding="utf-8")
    assert len(text.split("\n")) < 200
    import re

    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / target).exists(), target


def test_links_of_the_start_notebook_lead_somewhere():
    import re

    text = start.notebook_text()
    links = re.findall(r"\]\(([^)]+\.ipynb)\)", json.loads(text) and text)
    assert links
    for link in links:
        assert (ROOT / "course" / link).exists(), link


@pytest.mark.parametrize("path_name", list(start.PATHS))
def test_the_paths_name_chapters_that_exist(path_name):
    assert all(n in CHAPTERS for n in start.PATHS[path_name][1])
    assert len(set(start.PATHS[path_name][1])) == len(start.PATHS[path_name][1])


def test_the_values_of_a_task_can_be_pasted(chapter_number):
    """A typographic minus before a digit, in code or in a list, is a SyntaxError in the learner's cell."""
    for cell in read_master(CHAPTERS[chapter_number].master).cells:
        if cell.role == "about":
            values = re.findall(r"`[^`\n]+`|\[[^\[\]\n]*\]", cell.source)
            assert not [v for v in values if re.search("\u2212\\.?\\d", v)], f"{chapter_number}.{cell.name}"
