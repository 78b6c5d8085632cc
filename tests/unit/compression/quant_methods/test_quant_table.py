"""The table of methods and the experiments: real files, orderings that hold by construction, robust claims."""

import numpy as np
import pytest

from utils.compression.quant_methods.experiment import (
    SCHEMES,
    bit_sweep,
    channel_spread,
    contrast_curve,
    latency_by_width,
    layer_inputs,
    ptq_accuracy,
)
from utils.compression.quant_methods.table import SIMULATED, latency_ratios, method_table, mixed_bits, smoothed
from utils.networks.digits import accuracy, load_digits_split, predict, trained_digits


@pytest.fixture(scope="module")
def data():
    return load_digits_split()


@pytest.fixture(scope="module")
def table():
    return method_table()


def row(rows, method, weights):
    return next(r for r in rows if r.method == method and r.formats.startswith(weights))


def test_all_methods_are_there_and_say_what_runs(table):
    rows, built = table
    wanted = {"FP32", "static PTQ", "dynamic PTQ", "weight-only", "QAT", "mixed precision", "FP8 training",
              "SmoothQuant + static", "GPTQ", "AWQ", "FP8 (E4M3)", "MXFP4", "NVFP4"}
    assert {r.method for r in rows} == wanted and len(rows) == len(built)
    assert row(rows, "static PTQ", "INT8").kernel == "QGemm"
    assert row(rows, "dynamic PTQ", "INT8").kernel == "DynamicQuantizeMatMul"
    assert row(rows, "GPTQ", "INT4").kernel == row(rows, "QAT", "INT2").kernel == "MatMulNBits"
    assert {r.method for r in rows if r.kernel == SIMULATED} == {"FP8 (E4M3)", "FP8 training", "MXFP4", "NVFP4"}


def test_bytes_follow_the_formats(table):
    rows, _ = table
    # 17,024 weights and 202 biases of 4 bytes
    weights, biases = 17_024, 4 * 202
    assert row(rows, "FP32", "FP32").stored_bytes == 4 * weights + biases
    assert row(rows, "weight-only", "INT4").stored_bytes == weights // 2 + weights // 32 * 4 + biases
    assert row(rows, "weight-only", "INT2").stored_bytes == weights // 4 + weights // 32 * 4 + biases
    assert row(rows, "MXFP4", "MXFP4").stored_bytes == weights // 2 + weights // 32 + biases
    assert row(rows, "NVFP4", "NVFP4").stored_bytes == weights // 2 + weights // 16 + 3 * 4 + biases
    assert weights + biases < row(rows, "static PTQ", "INT8").stored_bytes < weights + biases + 100


def test_robust_claims(table):
    rows, _ = table
    assert row(rows, "FP32", "FP32").sqnr_db > 100
    for method in ("static PTQ", "dynamic PTQ", "SmoothQuant + static", "FP8 (E4M3)"):
        r = next(r for r in rows if r.method == method)
        assert abs(r.correct - row(rows, "FP32", "FP32").correct) <= 11  # 2 points
    assert row(rows, "dynamic PTQ", "INT8").sqnr_db > row(rows, "static PTQ", "INT8").sqnr_db
    assert row(rows, "GPTQ", "INT4").sqnr_db > row(rows, "weight-only", "INT4").sqnr_db + 3
    assert row(rows, "QAT", "INT2").correct > row(rows, "weight-only", "INT2").correct + 30
    assert row(rows, "SmoothQuant + static", "INT8").outlier_db > row(rows, "static PTQ", "INT8").outlier_db + 8
    assert row(rows, "AWQ", "INT4").outlier_db > row(rows, "weight-only", "INT4").outlier_db + 8
    assert row(rows, "FP8 (E4M3)", "FP8").outlier_db > row(rows, "static PTQ", "INT8").outlier_db + 8
    assert all((r.outlier_db is None) == (r.retrained or r.method == "FP32") for r in rows)


def test_only_what_runs_is_timed(table):
    rows, built = table
    ratios = latency_ratios(built, batch=4, rounds=3)
    assert set(ratios) == {i for i, r in enumerate(rows) if r.kernel != SIMULATED} and ratios[0] == 1
    assert all(v > 0 for v in ratios.values())


def test_smoothing_changes_no_function(data):
    model = trained_digits("mlp", 0, 3)
    np.testing.assert_allclose(predict(smoothed(model, data[0][:64]), data[1]), predict(model, data[1]), atol=1e-4)


def test_mixed_bits_spare_the_last_layer(data):
    bits = mixed_bits(trained_digits(), data[0][:128], data[2][:128])
    assert list(bits) == ["layer 1", "layer 2", "layer 3"]
    assert (8192 * bits["layer 1"] + 8192 * bits["layer 2"] + 640 * bits["layer 3"]) / 17_024 <= 3.25
    assert bits["layer 3"] > bits["layer 2"]


# --- the experiments --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cnn():
    return trained_digits("cnn", 0, 12)


def ptq(cnn, data, decades, scheme, bits=8, calibration="minmax"):
    return ptq_accuracy(cnn, data[0][:128], data[1], data[3], decades, scheme, calibration, bits=(bits,))[bits]


def test_break_it_and_fix_it(cnn, data):
    exact = accuracy(cnn, data[1], data[3])
    assert abs(ptq(cnn, data, 0.0, "per tensor").accuracy - exact) < 0.02
    assert ptq(cnn, data, 2.0, "per tensor").accuracy < 0.5
    assert ptq(cnn, data, 2.0, "per channel").accuracy < 0.5  # the activations have one range a tensor
    assert abs(ptq(cnn, data, 2.0, "equalized, per tensor").accuracy - exact) < 0.01
    with pytest.raises(ValueError, match="scheme"):
        ptq(cnn, data, 0.0, "per pixel", bits=4)


@pytest.mark.parametrize("scheme", ["per tensor", "per channel"])
def test_the_simulation_is_what_onnx_runtime_executes(cnn, data, scheme, monkeypatch):
    from utils.compression.quant_methods import experiment as quant_experiment

    real = ptq(cnn, data, 0.5, scheme)
    kept = {}

    def simulated(model, X):
        return quant_experiment.simulate_ptq(kept["model"], X, kept["ranges"], 8, scheme)

    def remember(proto, ranges, **options):
        kept["ranges"] = ranges
        return proto

    kept["model"] = quant_experiment.uglify(cnn, 0.5, 0)
    monkeypatch.setattr(quant_experiment, "insert_qdq", remember)
    monkeypatch.setattr(quant_experiment, "run_onnx", simulated)
    same = ptq(cnn, data, 0.5, scheme)
    assert abs(same.correct - real.correct) <= 5 and abs(same.sqnr_db - real.sqnr_db) < 0.7


def test_more_bits_less_noise(cnn, data):
    for scheme in SCHEMES:
        found = ptq_accuracy(cnn, data[0][:128], data[1], data[3], 0.0, scheme, "minmax", bits=(3, 5, 7, 8))
        noise = [found[b].sqnr_db for b in (3, 5, 7, 8)]
        assert noise == sorted(noise) and noise[-1] > 30


def test_dynamic_survives_a_contrast_that_static_has_not_seen(cnn, data):
    found = contrast_curve(cnn, data[0][:128], data[1], data[3], (1.0, 2.0))
    assert found["static"][1.0].sqnr_db > 30 and found["static"][2.0].sqnr_db < 15 < 30 < found["dynamic"][2.0].sqnr_db
    assert found["static, float logits"][1.0].sqnr_db == pytest.approx(found["dynamic"][1.0].sqnr_db, abs=1.5)
    assert found["static, float logits"][1.0].sqnr_db > found["static"][1.0].sqnr_db + 2  # int8 logits cost that
    assert found["static, float logits"][2.0].sqnr_db < 15
    assert found["FP32"][2.0].accuracy == accuracy(cnn, data[1] * np.float32(2), data[3])


def test_bit_sweep(data):
    X, X_test, y, y_test = data
    found = bit_sweep(trained_digits(), (X[:400], y[:400]), (X_test, y_test), (4, 2), qat_epochs=2, qat_widths=(2,))
    # Golden: 0.150, 0.646 and 0.763 at 2 bits for this network and split, measured when the chapter was planned.
    assert [round(found[f"round, {n}"][2], 3) for n in ("per tensor", "per channel", "groups of 16")] == pytest.approx(
        [0.150, 0.646, 0.763], abs=0.02)
    assert found["GPTQ, per channel"][2] > 0.93 and all(v[4] > 0.95 for n, v in found.items() if "QAT" not in n)
    assert list(found["QAT, per channel"]) == [2] and found["QAT, per channel"][2] > found["round, per channel"][2]


def test_inputs_spread_and_widths(cnn, data):
    mlp = trained_digits("mlp", 0, 2)
    inputs = layer_inputs(mlp, data[1][:5])
    assert [h.shape for h in inputs] == [(5, 64), (5, 128), (5, 64)]
    W, b = (t.detach().numpy() for t in (mlp.linears[2].weight, mlp.linears[2].bias))
    np.testing.assert_allclose(inputs[2] @ W.T + b, predict(mlp, data[1][:5]), atol=1e-4)
    assert [len(v) for v in channel_spread(cnn).values()] == [8, 16, 32, 10]
    ratios = latency_by_width((32,), rounds=3)
    assert list(ratios) == ["static INT8", "dynamic INT8", "INT4 weights"] and all(v[32] > 0 for v in ratios.values())
