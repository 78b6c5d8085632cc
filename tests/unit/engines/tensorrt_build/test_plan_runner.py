"""Running a plan, against a library of our own that reads and writes raw memory as TensorRT would."""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from utils.engines.tensorrt_build import PlanRunner
from utils.optional import EngineUnavailable


class Context:
    """y = 2 x of up to four rows of three numbers."""

    def __init__(self):
        self.shapes, self.addresses, self.ok = {}, {}, True

    def set_input_shape(self, name, shape):
        self.shapes[name] = shape
        return shape[0] <= 4

    def get_tensor_shape(self, name):
        return self.shapes["x"]

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        shape = self.shapes["x"]
        x, y = (np.frombuffer((ctypes.c_float * int(np.prod(shape))).from_address(self.addresses[n]), np.float32) for n in "xy")
        y[:] = 2 * x
        return self.ok


class FakeEngine:
    num_io_tensors = 2
    context = None

    def get_tensor_name(self, i):
        return "xy"[i]

    def get_tensor_mode(self, name):
        return {"x": "in", "y": "out"}[name]

    def get_tensor_dtype(self, name):
        return "FLOAT"

    def create_execution_context(self):
        self.context = Context()
        return self.context


def library(engine):
    logger = type("Logger", (), {"WARNING": 2, "__init__": lambda self, level: None})
    runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: engine)
    return SimpleNamespace(__version__="11.1", Logger=logger, Runtime=runtime, nptype=lambda t: np.float32,
                           TensorIOMode=SimpleNamespace(INPUT="in", OUTPUT="out"))


def runner(tmp_path, engine):
    (tmp_path / "m.plan").write_bytes(b"plan")
    return PlanRunner(library(engine), device="cpu").load(tmp_path / "m.plan")


def test_shapes_follow_the_input(tmp_path):
    run = runner(tmp_path, FakeEngine())
    for rows in (1, 4):
        x = np.arange(3 * rows, dtype=np.float32).reshape(rows, 3)
        assert np.array_equal(run.infer({"x": x})["y"], 2 * x)
    assert run.names("OUTPUT") == ["y"]


def test_what_goes_wrong_is_told(tmp_path):
    engine = FakeEngine()
    run = runner(tmp_path, engine)
    with pytest.raises(ValueError, match="profile"):
        run.infer({"x": np.zeros((5, 3), np.float32)})
    with pytest.raises(ValueError, match="'x'"):
        run.infer({})
    engine.context.ok = False
    with pytest.raises(RuntimeError, match="could not run"):
        run.infer({"x": np.zeros((1, 3), np.float32)})
    with pytest.raises(RuntimeError, match="build it again"):
        runner(tmp_path, None)


def test_without_a_gpu_or_the_library(monkeypatch):
    import sys

    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineUnavailable, match="is not available"):
        PlanRunner(library(None))
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineUnavailable, match="is not available"):
        PlanRunner()
