"""What all tests share: no test touches the learner's own progress file; tests that go through the chapters.

A test with the argument `chapter_number` runs for every written chapter, one with `sampled_number` for some, spread
over the course: it takes minutes a chapter in stock nbgrader. AUTOGRADER_FULL=1 takes every chapter there too.
"""

from __future__ import annotations

import os
import signal
import sys

import pytest

from autograder.chapters import find_chapters

WRITTEN = [c.number for c in find_chapters()]
FULL = os.environ.get("AUTOGRADER_FULL", "") not in ("", "0")
SAMPLED = WRITTEN if FULL else WRITTEN[:: -(-len(WRITTEN) // 6)]

os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process that they start and
# interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc):
    for name, numbers in (("chapter_number", WRITTEN), ("sampled_number", SAMPLED)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, numbers)


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "data"))


@pytest.fixture(autouse=True, scope="module")
def only_the_course():
    """The chapters that benchmarks and grading tests measure with are gone when a module that added them is done."""
    yield
    if "reference_assignment" in sys.modules:
        sys.modules["reference_assignment"].unregister()
