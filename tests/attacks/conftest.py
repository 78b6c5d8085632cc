"""The course that is attacked: made once, graded once with all attackers in it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace

import pytest

from autograder.chapters import ROOT

FOLDER = str(ROOT / "benchmarks")
if FOLDER not in sys.path:
    sys.path.append(FOLDER)

import attack_tools as tools  # noqa: E402

from autograder.exercises import chapter_exercises  # noqa: E402
from autograder.grading import grade  # noqa: E402
from autograder.grading.sandbox import possible_walls  # noqa: E402


def pytest_collection_modifyitems(items):
    missing = possible_walls()[1]
    for item in items:
        if missing and item.path.is_relative_to(tools.HERE):
            item.add_marker(pytest.mark.skip(reason=f"no sandbox holds on this machine: it lacks {' and '.join(missing)}"))


@pytest.fixture(scope="session")
def made_course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    yield tools.make_course(folder / "course")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def impatient(made_course):
    """The attacked exercises with short limits of time: what has to be ended is ended the same way, but sooner."""
    import reference_assignment

    reference_assignment.register()
    kept = [(e, e.time_limit_s) for number, name in tools.ATTACKED.items() for e in chapter_exercises(number) if e.name == name]
    for exercise, _ in kept:
        object.__setattr__(exercise, "time_limit_s", 1.0)
    cell_limit, grade.CELL_LIMIT_S = grade.CELL_LIMIT_S, 4.0
    yield
    grade.CELL_LIMIT_S = cell_limit
    for exercise, limit in kept:
        object.__setattr__(exercise, "time_limit_s", limit)


@pytest.fixture(scope="module")
def town(made_course, impatient, tmp_path_factory):
    with tools.town_of(made_course, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def patient():
    """Limits for what only has to end."""
    return replace(tools.LIMITS, wall_s=8)
