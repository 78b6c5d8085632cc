"""Every engine against ONNX Runtime on the same networks; an engine that is not installed is skipped with its reason."""

import subprocess
import sys

import numpy as np
import pytest
from onnx import helper

from utils.engines.frameworks import ENGINES, available_engines, convert_to_mnn, make_engine, probe_operators, race_cnn
from utils.engines.frameworks.coverage import PROBES, has_layer, main
from utils.graphs.onnx_tools import make_model, make_session
from utils.optional import EngineUnavailable

OTHERS = [name for name in ENGINES if name != "ONNX Runtime"]
# float32 sums of up to 1152 products: every order of adding stays within 1152 * 2^-24 = 7e-5 of the sum of absolute
# values, and in practice far below; a wrong weight layout or padding moves outputs by 0.1 and more
TOLERANCE = 1e-5


def engine_or_skip(name):
    told = available_engines()[name]
    if "is not available" in told:
        pytest.skip(told)
    return make_engine(name)


def reference(model, feeds):
    session = make_session(model)
    return dict(zip([value.name for value in session.get_outputs()], session.run(None, feeds)))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("width, batch, threads", [(1, 1, 1), (3, 4, 2)])
def test_the_race_network(name, width, batch, threads):
    engine, model = engine_or_skip(name), race_cnn(width, batch, seed=width)
    x = np.random.default_rng(batch).normal(size=(batch, 1, 28, 28)).astype(np.float32)
    keep = x.copy()
    engine.load(model, threads)
    prepared = engine.prepare({"x": x})
    first, second = engine.infer(prepared), engine.infer(prepared)
    kept = {key: np.array(value) for key, value in first.items()}
    other = engine.run({"x": -x})
    engine.close()
    expected = reference(model, {"x": x})["y"]
    assert set(first) == {"y"} and kept["y"].shape == expected.shape == (batch, 10) and kept["y"].dtype == np.float32
    np.testing.assert_allclose(kept["y"], expected, atol=TOLERANCE, rtol=0)
    np.testing.assert_array_equal(kept["y"], np.array(second["y"]))
    np.testing.assert_allclose(other["y"], reference(model, {"x": -x})["y"], atol=TOLERANCE, rtol=0)
    np.testing.assert_array_equal(x, keep)  # nobody computes in the caller's array
    assert engine.model_bytes == 0 or engine.model_bytes > 4 * 1384 * width  # the weights at least


@pytest.mark.parametrize("name", list(ENGINES))
def test_threads_are_counted_from_one(name):
    with pytest.raises(ValueError, match="threads"):
        engine_or_skip(name).load(race_cnn(), 0)


@pytest.mark.parametrize("name", ["OpenVINO", "MNN", "NumPy", "PyTorch eager", "ncnn", "LiteRT"])
def test_an_unknown_operator_is_a_value_error(name):
    node = helper.make_node("Bogus", ["x"], ["y"], domain="none.such")
    model = make_model([node], {"x": (1, 4)}, {"y": (1, 4)}, opset={"": 17, "none.such": 1})
    with pytest.raises(ValueError):
        engine_or_skip(name).load(model, 1)


def test_onnxruntime_tells_what_it_refuses():
    node = helper.make_node("Bogus", ["x"], ["y"], domain="none.such")
    model = make_model([node], {"x": (1, 4)}, {"y": (1, 4)}, opset={"": 17, "none.such": 1})
    with pytest.raises(ValueError, match="ONNX Runtime accepts"):
        make_engine("ONNX Runtime").load(model, 1)


def torch_ops_model():
    node, w = helper.make_node, np.random.default_rng(0).normal(size=(6, 4, 3, 3)).astype(np.float32)
    nodes = [
        node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[0, 1, 1, 0], strides=[2, 1]),  # asymmetric
        node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2], pads=[0, 0, 1, 1]), node("Sigmoid", ["b"], ["c"]),
        node("AveragePool", ["c"], ["d"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]), node("Tanh", ["a"], ["e"]),
        node("Concat", ["c", "d"], ["f"], axis=1), node("GlobalAveragePool", ["f"], ["g"]), node("Flatten", ["g"], ["h"]),
        node("MatMul", ["h", "m"], ["i"]), node("Mul", ["i", "i"], ["j"]), node("Add", ["i", "j"], ["k"]), node("Gemm", ["k", "n", "o"], ["l"], alpha=0.5, beta=2.0),
        node("Softmax", ["l"], ["y"], axis=-1),
    ]
    rng = np.random.default_rng(1)
    weights = {"w": w, "m": rng.normal(size=(12, 5)).astype(np.float32), "n": rng.normal(size=(5, 3)).astype(np.float32), "o": rng.normal(size=3).astype(np.float32)}
    return make_model(nodes, {"x": (2, 4, 9, 8)}, {"y": (2, 3), "e": (2, 6, 5, 7)}, weights)


def test_all_operators_of_the_torch_engine():
    import torch

    model, x = torch_ops_model(), np.random.default_rng(2).normal(size=(2, 4, 9, 8)).astype(np.float32)
    engine, before = make_engine("PyTorch eager"), torch.get_num_threads()
    engine.load(model, 2)
    found = engine.run({"x": x})
    for key, expected in reference(model, {"x": x}).items():
        np.testing.assert_allclose(found[key], expected, atol=TOLERANCE, rtol=0, err_msg=key)
    assert torch.get_num_threads() == before


# --- operators ------------------------------------------------------------------------------------------


def test_every_probe_runs_on_onnxruntime_itself():
    assert [p.verdict for p in probe_operators("ONNX Runtime")] == ["runs"] * len(PROBES)


@pytest.mark.parametrize("name", ["OpenVINO", "ncnn", "MNN", "LiteRT"])
def test_probes_find_what_runs_and_what_does_not(name):
    engine_or_skip(name)
    found = {p.op: p.verdict for p in probe_operators(name, ["Conv", "Gemm", "Det", "MaxPool"])}
    assert (found["Conv"], found["Gemm"], found["MaxPool"]) == ("runs",) * 3
    assert found["Det"] == ("runs" if name == "MNN" else "refused")


def test_layers_are_asked_of_the_engines():
    for name, has, lacks in (("ncnn", "Conv", "Unique"), ("LiteRT", "Conv", "GridSample")):
        engine_or_skip(name)
        assert has_layer(name, has) and not has_layer(name, lacks)
    assert has_layer("OpenVINO", "Det")  # only engines with a format of their own are asked


def test_a_process_that_dies_is_a_crash(monkeypatch):
    from utils.engines.frameworks import coverage

    told = iter(['{"op": "Conv", "verdict": "runs", "note": ""}\n', "", '{"op": "Add", "verdict": "runs", "note": ""}\n'])
    monkeypatch.setattr(coverage.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, -11, next(told), ""))
    found = coverage.probe_operators("ONNX Runtime", ["Conv", "Relu", "Gemm", "Add"])
    assert [(p.op, p.verdict) for p in found] == [("Conv", "runs"), ("Relu", "crashes"), ("Gemm", "crashes"), ("Add", "runs")]


def test_bad_names():
    for engine, names in (("Caffe", ["Conv"]), ("ONNX Runtime", ["Convolution"])):
        with pytest.raises(KeyError):
            probe_operators(engine, names)


def test_command_line(capsys):
    assert main(["ONNX Runtime", "Relu"]) == 0 and '"runs"' in capsys.readouterr().out
    assert main([]) == 2 and main(["Caffe"]) == 2 and main(["ONNX Runtime", "Nope"]) == 2
    assert "usage" in capsys.readouterr().err


# --- MNN's converter --------------------------------------------------------------------------------------


def test_mnn_is_converted_apart_and_without_its_tools_module():
    engine_or_skip("MNN")
    assert len(convert_to_mnn(race_cnn().SerializeToString())) > 5000
    with pytest.raises(ValueError, match="MNN's converter accepts"):
        convert_to_mnn(b"no model")
    # MNN.tools installs packages and contacts a server when it is imported
    code = ("import sys\nfrom utils.engines.frameworks import make_engine, race_cnn\ne = make_engine('MNN')\ne.load(race_cnn(), 1)\n"
            "sys.exit(any(name.startswith(('MNN.tools', 'aliyun')) for name in sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True).returncode == 0


def test_what_is_missing_says_how_to_get_it(monkeypatch):
    import importlib.metadata

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert all("is not available: `pip install" in told for told in available_engines().values())
    with pytest.raises(EngineUnavailable, match="MNN is not available"):
        convert_to_mnn(b"")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineUnavailable, match="pip install openvino"):
        make_engine("OpenVINO").load(race_cnn(), 1)
