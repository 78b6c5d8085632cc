"""The TensorRT path against a stand-in that records the documented calls and keeps the rules of profiles."""

import sys
import types

import numpy as np
import pytest

from utils.optional import EngineUnavailable
from utils.serving.batching import Profile, build_tensorrt_engine, run_tensorrt
from utils.serving.batching.trt import TensorRTRunner

PROFILES = [Profile(1, 1, 1), Profile(2, 4, 8)]


class Fake:
    """TensorRT's objects in one: a network with input "input" (-1, 3), and an engine that doubles it."""

    def __init__(self):
        self.profiles, self.active, self.shape, self.pointers = [], 0, None, {}
        self.num_inputs, self.num_io_tensors, self.device_memory_size_v2 = 1, 2, 80
        self.cuda_stream, self.refuses, self.strategy = 7, False, None

    num_optimization_profiles = property(lambda self: len(self.profiles))

    def create_network(self, flags):
        assert flags == 0
        return self

    def parse_from_file(self, path):
        return path.endswith(".onnx")

    def get_error(self, i):
        return types.SimpleNamespace(desc=lambda: "no such file")

    def get_input(self, i):
        return types.SimpleNamespace(name="input", shape=(-1, 3))

    def create_builder_config(self):
        return self

    def create_optimization_profile(self):
        return types.SimpleNamespace(set_shape=lambda name, *shapes: self.profiles.append((name, *shapes)))

    def add_optimization_profile(self, profile):
        return -1 if self.refuses else len(self.profiles) - 1

    def build_serialized_network(self, network, config):
        return bytearray(b"plan")

    def deserialize_cuda_engine(self, plan):
        assert plan == b"plan"
        return self

    def create_execution_context(self, strategy):
        self.strategy = strategy
        return self

    def get_tensor_name(self, i):
        return ("input", "output")[i]

    def get_tensor_mode(self, name):
        return {"input": "IN", "output": "OUT"}[name]

    def set_optimization_profile_async(self, index, stream):
        assert stream == 7
        self.active = index
        return index < len(self.profiles)

    def set_input_shape(self, name, shape):
        _, low, _, high = self.profiles[self.active]
        self.shape = shape
        return low[0] <= shape[0] <= high[0]

    def get_tensor_shape(self, name):
        return self.shape

    def set_tensor_address(self, name, pointer):
        self.pointers[name] = pointer

    def execute_async_v3(self, stream):
        import ctypes

        count = int(np.prod(self.shape))
        source, target = ((ctypes.c_float * count).from_address(self.pointers[n]) for n in ("input", "output"))
        for i in range(count):
            target[i] = 2 * source[i]
        return True

    def synchronize(self):
        pass

    def get_device_memory_size_for_profile_v2(self, i):
        return 10 * self.profiles[i][3][0]


@pytest.fixture
def fake(monkeypatch):
    import torch

    fake = Fake()
    module = types.SimpleNamespace(
        Logger=type("Logger", (), {"ERROR": 1, "__init__": lambda self, level: None}), Builder=lambda logger: fake, Runtime=lambda logger: fake,
        OnnxParser=lambda network, logger: fake, TensorIOMode=types.SimpleNamespace(INPUT="IN", OUTPUT="OUT"),
        ExecutionContextAllocationStrategy=types.SimpleNamespace(STATIC="s", ON_PROFILE_CHANGE="o"))
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: fake)
    monkeypatch.setattr("utils.serving.batching.trt.DEVICE", "cpu")
    return fake


def test_profiles_reach_the_builder(fake):
    assert build_tensorrt_engine("model.onnx", "input", PROFILES) == b"plan"
    assert fake.profiles == [("input", (1, 3), (1, 3), (1, 3)), ("input", (2, 3), (4, 3), (8, 3))]


def test_builder_errors(fake):
    with pytest.raises(ValueError, match="at least one"):
        build_tensorrt_engine("model.onnx", "input", [])
    with pytest.raises(ValueError, match="no such file"):
        build_tensorrt_engine("model.txt", "input", PROFILES)
    with pytest.raises(KeyError, match="input_name"):
        build_tensorrt_engine("model.onnx", "x", PROFILES)
    fake.refuses = True
    with pytest.raises(ValueError, match="fit the network"):
        build_tensorrt_engine("model.onnx", "input", PROFILES)
    fake.refuses, fake.build_serialized_network = False, lambda network, config: None
    with pytest.raises(RuntimeError, match="could not build"):
        build_tensorrt_engine("model.onnx", "input", PROFILES)


def test_a_profile_bounds_the_batch(fake):
    plan = build_tensorrt_engine("model.onnx", "input", PROFILES)
    x = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert np.array_equal(run_tensorrt(plan, x, 1), 2 * x) and fake.strategy == "s"
    runner = TensorRTRunner(plan, "ON_PROFILE_CHANGE")
    assert fake.strategy == "o" and runner.memory_bytes() == {"STATIC": 80, "ON_PROFILE_CHANGE": [10, 80]}
    runner.use_profile(0)
    with pytest.raises(ValueError, match="profile 0, got 3 rows"):
        runner.run(x)
    with pytest.raises(ValueError, match="got 5"):
        runner.use_profile(5)
    fake.execute_async_v3 = lambda stream: False
    with pytest.raises(RuntimeError, match="could not start"):
        run_tensorrt(plan, x, 1)


def test_without_tensorrt_or_a_gpu_it_says_how_to_get_it(monkeypatch, fake):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(EngineUnavailable, match="is not available"):
        TensorRTRunner(b"plan")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    for call in (lambda: build_tensorrt_engine("m.onnx", "input", PROFILES), lambda: run_tensorrt(b"", np.zeros((1, 3)), 0)):
        with pytest.raises(EngineUnavailable, match="tensorrt is not available: it needs an NVIDIA GPU"):
            call()
