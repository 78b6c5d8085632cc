"""What all tests share: no test touches the learner's own progress file."""

from __future__ import annotations

import os
import sys

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "data"))


@pytest.fixture(autouse=True, scope="module")
def only_the_course():
    """The chapters that benchmarks and grading tests measure with are gone when a module that added them is done."""
    yield
    if "reference_assignment" in sys.modules:
        sys.modules["reference_assignment"].unregister()
