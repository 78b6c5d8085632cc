"""Courses of the class tests. They are made once by nbgrader's own command, and each test works on a copy."""

from __future__ import annotations

import shutil

import pytest
from class_tools import known, write_course


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """A released course of some chapters, without submissions; made when it is first asked for."""
    made = {}

    def of(*numbers):
        if numbers not in made:
            made[numbers] = write_course(tmp_path_factory.mktemp("template") / "course", known(numbers))
        return made[numbers]

    return of


@pytest.fixture
def course_of(templates, tmp_path):
    """Makes a fresh copy of a course with these chapters."""

    def make(*numbers, name="course"):
        return shutil.copytree(templates(*numbers), tmp_path / name)

    return make
