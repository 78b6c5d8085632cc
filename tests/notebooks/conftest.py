"""Helpers of the notebook tests: every written chapter."""

from __future__ import annotations

from autograder.chapters import find_chapters

WRITTEN = [c.number for c in find_chapters()]


def pytest_generate_tests(metafunc):
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", WRITTEN)
