"""The files of this house on the real ncnn, LiteRT and MNN, against ONNX Runtime. Each is skipped where it is absent."""

import struct
import subprocess
import sys

import numpy as np
import pytest
from onnx import helper

from utils.engines.mobile_formats import (
    LiteRtRunner,
    NcnnRunner,
    example_cnn,
    layerwise_diff,
    nchw_to_nhwc,
    onnx_to_ncnn,
    onnx_to_tflite,
    pack_bin,
    run_litert,
    run_mnn,
    run_ncnn,
    same_padding,
    try_bugs,
)
from utils.engines.mobile_formats import runners as runners_module
from utils.engines.mobile_formats.zoo import TOLERANCE, ZOO, zoo_feeds
from utils.graphs.onnx_tools import expose_outputs, make_model, make_session
from utils.optional import EngineUnavailable


def reference(model, feeds):
    session = make_session(expose_outputs(model))
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, feeds)))


def as_nhwc(feeds):
    return {name: nchw_to_nhwc(value) if value.ndim == 4 else value for name, value in feeds.items()}


@pytest.mark.parametrize("name", ZOO)
def test_ncnn_agrees_layer_by_layer(name):
    pytest.importorskip("ncnn")
    model = ZOO[name]()
    feeds = zoo_feeds(model)
    expected = reference(model, feeds)
    files = onnx_to_ncnn(model)
    names = [k for k in expected if f" {k} " in files[0] or f" {k}\n" in files[0]]
    with NcnnRunner(*files) as engine:
        got = engine.run(feeds, names)
    for diff in layerwise_diff(expected, got, {k: k for k in names}, **TOLERANCE):
        assert diff.ok, diff
    assert set(run_ncnn(*files, feeds)) == {"y"}


@pytest.mark.parametrize("operator", ["Relu", "Sigmoid", "Softmax"])
def test_a_first_layer_that_works_in_place_leaves_the_input_alone(operator):
    """ncnn frees what it works on in place; run elsewhere, since a mistake ends the process."""
    pytest.importorskip("ncnn")
    code = """if True:
        import sys
        import numpy as np
        from onnx import TensorProto, helper
        from utils.engines.mobile_formats import onnx_to_ncnn, run_ncnn
        from utils.graphs.onnx_tools import make_model, make_session
        io = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 6]) for n in "xy"]
        model = make_model([helper.make_node(sys.argv[1], ["x"], ["y"])], io[:1], io[1:], [])
        x = np.linspace(-2, 3, 6, dtype=np.float32)[None]
        kept = x.copy()
        got = run_ncnn(*onnx_to_ncnn(model), {"x": x})["y"].reshape(1, 6)
        expected = make_session(model).run(None, {"x": kept})[0]
        sys.exit(not (np.array_equal(x, kept) and np.abs(got - expected).max() < 1e-5))"""
    assert subprocess.run([sys.executable, "-c", code, operator], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("optimized", [True, False])
@pytest.mark.parametrize("name", ZOO)
def test_litert_agrees_layer_by_layer(name, optimized):
    pytest.importorskip("ai_edge_litert")
    model = ZOO[name]()
    feeds = zoo_feeds(model)
    expected = reference(model, feeds)
    with LiteRtRunner(onnx_to_tflite(model), optimized=optimized, keep_all=True) as engine:
        names = [k for k in expected if k in engine.tensor_names]
        got = engine.run(as_nhwc(feeds), names)
    for diff in layerwise_diff(expected, got, {k: k for k in names}, "NHWC", **TOLERANCE):
        assert diff.ok, diff
    assert "y" in names


def test_the_examples_error_is_rounding():
    pytest.importorskip("ncnn")
    pytest.importorskip("ai_edge_litert")
    model = example_cnn()
    feeds = zoo_feeds(model)
    y = reference(model, feeds)["y"]
    assert np.abs(run_ncnn(*onnx_to_ncnn(model), feeds)["y"] - y).max() < 1e-6
    assert np.abs(run_litert(onnx_to_tflite(model), as_nhwc(feeds))["y"] - y).max() < 1e-6


def test_mnn_runs_what_its_converter_makes(tmp_path):
    pytest.importorskip("MNN")
    from utils.engines.frameworks import convert_to_mnn

    model = example_cnn()
    feeds = zoo_feeds(model)
    (tmp_path / "model.mnn").write_bytes(convert_to_mnn(model.SerializeToString()))
    got = run_mnn(tmp_path / "model.mnn", feeds)["y"]
    assert np.abs(got - reference(model, feeds)["y"]).max() < 1e-5
    with pytest.raises(ValueError, match="inputs"):
        run_mnn(tmp_path / "model.mnn", {"z": feeds["x"]})


def test_ncnn_runs_a_batch_image_by_image():
    pytest.importorskip("ncnn")
    files = onnx_to_ncnn(example_cnn())
    x = np.random.default_rng(0).standard_normal((3, 1, 28, 28)).astype(np.float32)
    with NcnnRunner(*files) as engine:
        together = engine.run({"x": x})["y"]
        alone = [engine.run({"x": x[i:i + 1]})["y"][0] for i in range(3)]
    assert together.shape == (3, 10) and np.array_equal(together, np.stack(alone))


INNER_PRODUCT = "7767517\n2 2\nInput x 0 1 x 0=5\nInnerProduct fc 1 1 x y 0=3 1=1 2=15\n"


def test_ncnn_reads_float16_weights_as_we_write_them():
    """A 3x5 dense layer: the flag 0x01306B47, 15 halves, two bytes of padding, then a bias without a flag."""
    pytest.importorskip("ncnn")
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((3, 5)).astype(np.float32), rng.standard_normal(3).astype(np.float32)
    x = rng.standard_normal((1, 5)).astype(np.float32)
    rounded = weight.astype(np.float16).astype(np.float64)
    got = run_ncnn(INNER_PRODUCT, pack_bin([(weight, bias, True)]), {"x": x})["y"][0]
    # five products of size about 1 in float32: a few times 2^-24 from the exact sum of the rounded weights
    np.testing.assert_allclose(got, rounded @ x[0] + bias, atol=1e-6)
    assert np.abs(got - (weight.astype(np.float64) @ x[0] + bias)).max() > 1e-5


def test_ncnn_reads_a_flagged_bias_as_numbers():
    """Four bytes too many before the bias: ncnn takes them for its first number and never complains."""
    pytest.importorskip("ncnn")
    weight, bias = np.zeros((3, 5), np.float32), np.array([1, 2, 3], np.float32)
    data = pack_bin([(weight, None, False)]) + struct.pack("<I", 0) + bias.tobytes()
    got = run_ncnn(INNER_PRODUCT, data, {"x": np.ones((1, 5), np.float32)})["y"][0]
    assert got.tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_each_bug_shows_or_is_refused(seed):
    results = {r.name: r for r in try_bugs(seed)}
    right = [r for name, r in results.items() if name.startswith("no mistake")]
    wrong = [r for name, r in results.items() if not name.startswith("no mistake")]
    assert len(right) == 2 and len(wrong) == 5
    assert all(r.max_abs < 1e-5 for r in right)
    assert all(r.max_abs is None or r.max_abs > 1e-2 for r in wrong)


def test_same_padding_is_litert_and_onnx_runtime():
    """Both engines pad by themselves here: an odd pixel before instead of after would change the outputs."""
    pytest.importorskip("ai_edge_litert")
    rng = np.random.default_rng(0)
    for size, kernel, stride, dilation in [(28, 3, 2, 1), (29, 3, 2, 1), (8, 5, 3, 1), (9, 2, 2, 1), (12, 3, 2, 2), (7, 1, 3, 1)]:
        weight = rng.standard_normal((1, 1, kernel, kernel)).astype(np.float32)
        x = {"x": rng.standard_normal((1, 1, size, size)).astype(np.float32)}
        attributes = {"strides": [stride] * 2, "dilations": [dilation] * 2, "kernel_shape": [kernel] * 2}
        outputs = []
        before, after = same_padding(size, kernel, stride, dilation)
        # ONNX Runtime refuses SAME_UPPER with a dilation
        for padding in ({"pads": [before, before, after, after]}, {"auto_pad": "SAME_UPPER"})[:1 + (dilation == 1)]:
            node = helper.make_node("Conv", ["x", "w"], ["y"], name="c", **attributes, **padding)
            model = make_model([node], {"x": x["x"].shape}, {"y": (1, 1, None, None)}, {"w": weight})
            outputs.append(make_session(model).run(None, x)[0])
            outputs.append(run_litert(onnx_to_tflite(model), as_nhwc(x))["y"].transpose(0, 3, 1, 2))
        for other in outputs[1:]:
            np.testing.assert_allclose(other, outputs[0], **TOLERANCE)


def test_bad_files_and_names_are_refused_in_words():
    pytest.importorskip("ncnn")
    pytest.importorskip("ai_edge_litert")
    files, data = onnx_to_ncnn(example_cnn()), onnx_to_tflite(example_cnn())
    x = np.zeros((1, 1, 28, 28), np.float32)
    with pytest.raises(ValueError, match="param must"):
        run_ncnn("7767517\n2 2\nInput x 0 1 x\nNoSuchLayer n 1 1 x y\n", files[1], {"x": x})
    with pytest.raises(ValueError, match="magic"):
        run_ncnn("1\n", files[1], {"x": x})
    with pytest.raises(ValueError, match="shape"):
        run_ncnn(*files, {"x": x[:, :, :20]})
    with pytest.raises(ValueError, match="bin must"):
        run_ncnn(files[0], files[1][:100], {"x": x})
    with pytest.raises(ValueError, match="inputs"):
        run_ncnn(*files, {"z": x})
    with pytest.raises(ValueError, match="data must"):
        run_litert(b"not a model", {"x": x})
    with pytest.raises(ValueError, match="inputs"):
        run_litert(data, {"z": x})
    with LiteRtRunner(data) as engine, pytest.raises(ValueError, match="keep_all"):
        engine.run({"x": nchw_to_nhwc(x)}, ["r1"])


def test_a_missing_engine_says_how_to_get_it(monkeypatch):
    def missing(package, hint):
        raise EngineUnavailable(f"{package} is not available: {hint}")

    monkeypatch.setattr(runners_module, "require", missing)
    for call in (lambda: run_ncnn("", b"", {}), lambda: run_litert(b"", {}), lambda: run_mnn("x.mnn", {})):
        with pytest.raises(EngineUnavailable, match="pip install"):
            call()
    assert {r.engine for r in try_bugs()} == {"NumPy"}


def test_the_engines_stay_silent():
    code = ("import numpy as np\nfrom utils.engines.mobile_formats import *\nm = example_cnn(); x = np.zeros((1, 1, 28, 28), np.float32)\n"
            "run_ncnn(*onnx_to_ncnn(m), {'x': x}); run_litert(onnx_to_tflite(m), {'x': nchw_to_nhwc(x)})\n")
    pytest.importorskip("ncnn")
    pytest.importorskip("ai_edge_litert")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
