"""Every master runs from top to bottom, twice, with equal numbers; the learner's notebook runs too."""

import pytest

from autograder.chapters import CHAPTERS
from autograder.exercises import chapter_exercises
from autograder.notebooks.run import comparable_outputs, run_chapter

pytestmark = pytest.mark.slow


def scores(run):
    """The number that each check cell shows, by exercise."""
    found = {}
    for cell in run.notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.startswith("check-"):
            results = [o for o in cell.outputs if o.output_type == "execute_result"]
            assert len(results) == 1, f"{grade_id}: {cell.outputs}"
            found[grade_id[6:]] = float(results[0].data["text/plain"])
    return found


def test_the_solved_notebook_runs_twice_with_equal_outputs(chapter_number):
    one, two = run_chapter(CHAPTERS[chapter_number]), run_chapter(CHAPTERS[chapter_number])
    assert not one.failures
    for a, b in zip(comparable_outputs(one.notebook), comparable_outputs(two.notebook), strict=True):
        assert a == b
    assert scores(one) == {e.name: e.points for e in chapter_exercises(chapter_number)}


def test_the_learners_notebook_runs_without_an_error(chapter_number):
    """All cells of an untouched notebook: the checks say "not written yet" and stop nothing."""
    run = run_chapter(CHAPTERS[chapter_number], solved=False)
    assert not run.failures
    assert set(scores(run).values()) == {0.0}
    assert sum("not written yet" in str(c.get("outputs")) for c in run.notebook.cells) == len(chapter_exercises(chapter_number))
