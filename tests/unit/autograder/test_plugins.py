"""AUTOGRADER_PLUGINS: chapters that live outside the course, in a process of their own."""

import os
import subprocess
import sys

import pytest

from autograder.chapters import ROOT

PLUGIN = """
import sys, types
from autograder.chapters import CHAPTERS, Chapter
from autograder.exercise import Case, Exercise

calls = []

def register():
    calls.append(1)
    CHAPTERS["91"] = Chapter("91", "tiny", "A", "Tiny", "Tiny", "小", 1)
    module = types.ModuleType("autograder.exercises.ch91_tiny")
    module.EXERCISES = [Exercise(id="91.double", points=1, reference=lambda x: 2 * x, cases=[Case(3)])]
    sys.modules[module.__name__] = module
"""
ASK = """
from autograder.exercises import find_exercise
print(find_exercise("91.double").points)
find_exercise("91.double")
import sys
print(len(sys.modules["a_plugin"].calls))
"""


def run(folder, plugins):
    done = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", "AUTOGRADER_PLUGINS": plugins})
    return done.stdout.split(), done.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a_plugin.py").write_text(PLUGIN)
    (tmp_path / "no_register.py").write_text("x = 1\n")
    return tmp_path


@pytest.mark.parametrize("plugins", ["a_plugin", " a_plugin , ", "a_plugin,a_plugin"])
def test_a_plugin_is_registered_once_before_the_first_lookup(folder, plugins):
    assert run(folder, plugins)[0] == ["1", "1"]


def test_without_the_variable_nothing_is_loaded(folder):
    told, error = run(folder, "")
    assert not told and "has no exercises yet" in error


@pytest.mark.parametrize("plugins", ["not_there", "no_register", "a_plugin,not_there"])
def test_a_plugin_that_cannot_be_used_is_named(folder, plugins):
    told, error = run(folder, plugins)
    assert not told and f"AUTOGRADER_PLUGINS names '{plugins.split(',')[-1]}'" in error and "PYTHONPATH" in error
