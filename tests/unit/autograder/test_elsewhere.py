"""check() warns of an answer that needs another cell: it would be wrong where a class is graded."""

import json
from types import SimpleNamespace

import pytest

import autograder.check
from autograder.check import elsewhere_notice
from autograder.exercises import find_exercise
from autograder.probes.ask import answer_file

CONV = find_exercise("12.conv_macs")


def cells(*sources):
    space = {"__name__": "__main__"}
    for number, source in enumerate(sources):
        exec(compile(source, answer_file(number, source), "exec"), space)
    return space


@pytest.mark.parametrize("other, own, name", [
    ("def area(h, w):\n    return h * w", "def conv_macs(h, w):\n    return area(h, w)", "area"),
    ("class Area:\n    def of(self, h, w):\n        return h * w", "def conv_macs(h, w):\n    return Area().of(h, w)", "Area"),
    ("def area(h, w):\n    return h * w", "def conv_macs(h, w):\n    return [area(h, k) for k in (w,)][0]", "area"),
    ("def area(h, w):\n    return h * w", "class conv_macs:\n    def f(self, h, w):\n        return area(h, w)", "area"),
    ("from utils.cost.params import conv2d_params", "def conv_macs(h, w):\n    return conv2d_params(h, w, 3)", "conv2d_params"),
])
def test_what_another_cell_brings_in_is_named(other, own, name):
    told = elsewhere_notice(CONV, (cells(other, own)["conv_macs"],))
    assert f"`{name}`" in told and "put what it needs into this cell" in told


@pytest.mark.parametrize("other, own", [
    ("import math", "def area(h, w):\n    return h * w\ndef conv_macs(h, w):\n    return math.prod((area(h, w), 1))"),
    ("import numpy as np\nfrom collections import Counter", "def conv_macs(h, w):\n    return np.prod([h, w]) + len(Counter())"),
    ("def additions_exact(h):\n    return h", "def conv_macs(h, w):\n    return additions_exact(h) * w"),  # an exercise
    ("def area(h):\n    return h", "def conv_macs(h, area):\n    return h * area"),  # an argument of that name
    ("", "conv_macs = 3"), ("", "conv_macs = len"), ("", "import functools\nconv_macs = functools.partial(max, 1)"),
])
def test_an_answer_that_stands_alone_is_not_warned_of(other, own):
    assert elsewhere_notice(CONV, (cells(other, own)["conv_macs"],)) == ""


def notebook(path, *sources):
    tags = {"metadata": {"tags": ["setup"]}, "cell_type": "code"}
    path.write_text(json.dumps({"cells": [{**tags, "source": source.splitlines(True)} for source in sources]}))
    return SimpleNamespace(notebook=path)


@pytest.mark.parametrize("set_up, warned", [("def area(h, w):\n    return h * w", False), ("area = 3", True), ("%%", True)])
def test_what_the_set_up_defines_is_there_when_a_class_is_graded(tmp_path, monkeypatch, set_up, warned):
    monkeypatch.setattr(autograder.check, "CHAPTERS", {"12": notebook(tmp_path / "12.ipynb", "import math", set_up)})
    own = "def conv_macs(h, w):\n    return area(h, w)"
    told = elsewhere_notice(CONV, (cells("def area(h, w):\n    return h * w", own)["conv_macs"],))
    assert bool(told) == warned
