"""Through nbgrader's exchange and back: released, fetched, submitted, collected, graded by us, feedback fetched."""

from __future__ import annotations

import getpass
import os

import nbformat
import pytest
from class_tools import answered, graded, known, nbgrader, scores, write_course

pytestmark = pytest.mark.slow

ASSIGNMENT = "91_light"


def test_a_submission_comes_and_its_feedback_goes_through_the_exchange(tmp_path):
    exchange, home = tmp_path / "exchange", tmp_path / "learner"
    for folder in (exchange, home):
        folder.mkdir()
    exchange.chmod(0o777)
    chapter = known(["91"])[0]
    course = write_course(tmp_path / "course", [chapter])
    for folder in (course, home):
        with (folder / "nbgrader_config.py").open("a") as config:
            config.write(f'\nc = get_config()\nc.Exchange.root = "{exchange}"\n'
                         'c.CourseDirectory.course_id = "model_deployment"\n')
    nbgrader(course, "release_assignment", chapter.stem)
    nbgrader(home, "fetch_assignment", chapter.stem)
    mine = home / chapter.stem / f"{chapter.stem}.ipynb"
    nbformat.write(answered(nbformat.read(mine, 4), {"double": "def double(x):\n    return x + x\n"}), mine)
    nbgrader(home, "submit", chapter.stem)
    nbgrader(course, "collect", chapter.stem)

    report = graded(course, "91")

    me = getpass.getuser()
    assert [(r["student"], r["status"]) for r in report["results"]] == [(me, "graded")]
    assert scores(course / "gradebook.db", chapter.stem)[me]["check-double"] > 0

    nbgrader(course, "release_feedback", chapter.stem)
    nbgrader(home, "fetch_feedback", chapter.stem)
    pages = list((home / chapter.stem / "feedback").rglob("*.html"))
    assert len(pages) == 1 and "check-double" not in os.fspath(pages[0])
    assert pages[0].read_bytes() == (course / "feedback" / me / chapter.stem / f"{chapter.stem}.html").read_bytes()
