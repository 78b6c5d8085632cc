"""Every master runs from top to bottom, a third of them twice with equal numbers; the learner's notebook runs too."""

from functools import cache

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


@cache
def solved(number):
    """One run of a chapter's master."""
    return run_chapter(CHAPTERS[number])


def test_the_solved_notebook_runs_and_earns_all_points(chapter_number):
    run = solved(chapter_number)
    assert not run.failures
    assert scores(run) == {e.name: e.points for e in chapter_exercises(chapter_number)}


def test_a_second_run_has_equal_outputs(third_number):
    two = run_chapter(CHAPTERS[third_number])
    for a, b in zip(comparable_outputs(solved(third_number).notebook), comparable_outputs(two.notebook), strict=True):
        assert a == b


def test_the_learners_notebook_runs_without_an_error(chapter_number):
    """All cells of an untouched notebook: the checks say "not written yet" and stop nothing."""
    run = run_chapter(CHAPTERS[chapter_number], solved=False)
    assert not run.failures
    assert set(scores(run).values()) == {0.0}
    assert sum("not written yet" in str(c.get("outputs")) for c in run.notebook.cells) == len(chapter_exercises(chapter_number))
