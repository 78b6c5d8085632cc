"""Chapter 36's probes: the stand-in is made from what the question carries, and refusals come back as data."""

import json

import pytest
from onnx import helper

from autograder.probes.ch36_tensorrt_conversion import build, refusal
from utils.engines.tensorrt_build import RELEASES, build_plan, stand_in_parts
from utils.graphs.onnx_tools import make_model

MODEL = make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": ("N", 3)}, {"y": ("N", 3)}).SerializeToString()


def question(release, **changed):
    parts = json.loads(json.dumps(stand_in_parts(release)))  # as it comes out of the pipe
    return {"parts": parts, "onnx_bytes": MODEL, "profile": {"x": [[1, 3], [2, 3], [4, 3]]}, "workspace_bytes": 2**20,
            "fp16": False} | changed


@pytest.mark.parametrize("release", RELEASES)
def test_a_plan_comes_back_as_data(release):
    told = build(build_plan, **question(release))
    assert told["type"] == "bytes" and told["plan"]["release"] == release and told["plan"]["pools"] == {"WORKSPACE": 2**20}
    assert told["calls"][0] == "create_network" and told["calls"][-1] == "build_serialized_network"


@pytest.mark.parametrize("value, kind", [(b"ELF", "bytes"), (b"PLAN{", "bytes"), (None, "NoneType"), ("PLAN{}", "str")])
def test_what_is_no_plan_is_told_as_none(value, kind):
    assert build(lambda *a: value, **question("11.1")) == {"type": kind, "plan": None, "calls": []}


def test_refusals():
    def fails(error):
        def answer(*args):
            raise error

        return answer

    asked = question("11.1", words=["Foo", "Bar"])
    assert refusal(fails(RuntimeError("Bar and Baz")), **asked) == {"raised": "RuntimeError", "told": ["Bar"]}
    assert refusal(fails(RecursionError("Foo")), **asked) == {"raised": "RuntimeError", "told": ["Foo"]}
    assert refusal(fails(TypeError()), **asked) == {"raised": "TypeError", "told": []}
    assert refusal(lambda *a: b"", **asked) == {"raised": None, "told": []}
    with pytest.raises(NotImplementedError):
        refusal(fails(NotImplementedError()), **asked)
