"""TensorRT's adapter without TensorRT: stand-ins that have only the names of 8.6, of 10 and of 11."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from utils.engines.frameworks import TensorRtEngine, race_cnn
from utils.graphs.onnx_tools import make_session
from utils.optional import EngineUnavailable


def stand_in(monkeypatch, *, version, parses=True, builds=True):
    """A module `tensorrt` whose plan is the ONNX file, run by ONNX Runtime on the addresses that it is given."""
    seen = {}

    class Network:
        pass

    class Builder:
        def __init__(self, logger):
            seen["logger"] = logger

        def create_network(self, flags):
            seen["flags"] = flags
            return Network()

        def create_builder_config(self):
            return SimpleNamespace(set_memory_pool_limit=lambda pool, size: seen.update({pool: size}))

        def build_serialized_network(self, network, config):
            return network.data if builds else None

    class OnnxParser:
        num_errors = 1

        def __init__(self, network, logger):
            self.network = network

        def parse(self, data):
            self.network.data = data
            return parses

        def get_error(self, index):
            said = {"node": 0, "file": "x.cpp", "line": 1, "func": "f", "desc": f"no importer for node {index}"}
            return SimpleNamespace(**{name: lambda value=value: value for name, value in said.items()})

    class Context:
        def __init__(self, data):
            self.session, self.shapes, self.addresses = make_session(data), {}, {}

        def set_input_shape(self, name, shape):
            self.shapes[name] = shape

        def get_tensor_shape(self, name):
            return self.shapes.get(name) or self.session.get_outputs()[0].shape

        def set_tensor_address(self, name, address):
            self.addresses[name] = address

        def execute_async_v3(self, stream):
            import ctypes

            def at(name, shape):
                count = int(np.prod(shape))
                return np.ctypeslib.as_array((ctypes.c_float * count).from_address(self.addresses[name])).reshape(shape)

            result = self.session.run(None, {name: at(name, shape) for name, shape in self.shapes.items()})[0]
            at("y", result.shape)[:] = result
            return seen.get("runs", True)

    class Runtime:
        def __init__(self, logger):
            pass

        def deserialize_cuda_engine(self, plan):
            return SimpleNamespace(create_execution_context=lambda: Context(plan))

    class Logger:
        ERROR, WARNING = 2, 1

        def __init__(self, level):
            assert level in (self.ERROR, self.WARNING)

    flags = SimpleNamespace() if version == "11.1" else SimpleNamespace(EXPLICIT_BATCH=0)
    module = SimpleNamespace(Logger=Logger, Builder=Builder, OnnxParser=OnnxParser, Runtime=Runtime, __version__=version,
                             NetworkDefinitionCreationFlag=flags, MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"))
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return seen


@pytest.mark.parametrize("version, flags", [("8.6", 1), ("10.13", 0), ("11.1", 0)])  # only 8.6 has to ask for it
def test_runs_on_three_apis(monkeypatch, version, flags):
    seen = stand_in(monkeypatch, version=version)
    model, engine = race_cnn(1, 2), TensorRtEngine(device="cpu")
    engine.load(model, 1)
    x = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype(np.float32)
    expected = make_session(model).run(None, {"x": x})[0]
    np.testing.assert_allclose(engine.run({"x": x})["y"], expected, atol=1e-6)
    assert seen["flags"] == flags and seen["workspace"] == 2**30 and engine.model_bytes == model.ByteSize()
    seen["runs"] = False
    with pytest.raises(RuntimeError, match="could not run"):
        engine.run({"x": x})
    engine.close()


def test_what_it_refuses(monkeypatch):
    stand_in(monkeypatch, version="11.1", parses=False)
    with pytest.raises(ValueError, match="no importer for node 0"):
        TensorRtEngine(device="cpu").load(race_cnn(), 1)
    stand_in(monkeypatch, version="11.1", builds=False)
    with pytest.raises(ValueError, match="build failed"):
        TensorRtEngine(device="cpu").load(race_cnn(), 1)


def test_without_library_or_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineUnavailable, match="tensorrt is not available"):
        TensorRtEngine().load(race_cnn(), 1)
    stand_in(monkeypatch, version="11.1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(EngineUnavailable, match="no NVIDIA GPU"):
        TensorRtEngine().load(race_cnn(), 1)
