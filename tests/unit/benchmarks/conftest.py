"""The benchmarks are scripts in a folder of their own; the measured assignments are taken out after each module."""

from __future__ import annotations

import sys

import pytest

from autograder.chapters import ROOT

FOLDER = str(ROOT / "benchmarks")
if FOLDER not in sys.path:
    sys.path.append(FOLDER)


@pytest.fixture(scope="module")
def measured():
    """The assignments 90 and 91, registered."""
    import reference_assignment

    reference_assignment.register()
    yield {chapter.number: chapter for chapter in reference_assignment.MEASURED}
    reference_assignment.unregister()
