"""Contracts, preprocessing, folding, parity, drift, chain."""

import numpy as np
import pytest

from utils.delivery.release import (
    DeploymentChain,
    TensorContract,
    Tolerance,
    accept,
    camera_faults,
    diagnose_skew,
    first_divergence,
    fold_normalization,
    parity,
    parity_report,
    preprocess,
    psi,
    sine_sqnr_db,
    skew_variants,
)

RAW = TensorContract("raw", "uint8", (None, 8, 8, 1), "NHWC", (0, 255))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_a_contract_names_what_is_broken():
    assert RAW.check(np.zeros((3, 8, 8, 1), np.uint8)) == []
    assert RAW.check(np.zeros((3, 1, 8, 8), np.uint8)) == ["raw has shape (3, 1, 8, 8), expected (any, 8, 8, 1)"]
    told = RAW.check(np.full((8, 8, 1), np.nan, np.float32))
    assert [word in line for word, line in zip(("dtype float32", "shape", "64 values"), told)] == [True] * 3
    narrow = TensorContract("x", "float32", (2,), "C", (-1, 1))
    assert narrow.check(np.array([0.5, 1.5], np.float32)) == ["x ranges from 0.5 to 1.5, expected -1 to 1"]
    with pytest.raises(ValueError, match="layout"):
        TensorContract("x", "float32", (2, 2), "C", (0, 1))


def test_preprocess_one_pixel_by_hand():
    raw = np.array([[[255, 0, 51]]], np.uint8)
    x = preprocess(raw, (0.5, 0.4, 0.3), (0.5, 0.25, 0.2))
    assert x.shape == (3, 1, 1) and x.dtype == np.float32
    assert x.ravel() == pytest.approx([1, -1.6, -0.5], abs=1e-6)
    assert np.array_equal(preprocess(raw[None], (0.5, 0.4, 0.3), (0.5, 0.25, 0.2))[0], x)
    for mean, std, word in (((0.5,), (0.5,) * 3, "mean"), ((0.5,) * 3, (0.5,), "std"), ((0.5,) * 3, (0.5, 0, 1), "0")):
        with pytest.raises(ValueError, match=word):
            preprocess(raw, mean, std)
    with pytest.raises(ValueError, match="axes"):
        preprocess(raw[0], MEAN, STD)


def test_each_fault_is_diagnosed_as_itself_and_nothing_else_is():
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (3, 3, 3)).astype(np.uint8)
    made = skew_variants(raw, MEAN, STD)
    assert np.allclose(made["ok"], preprocess(raw, MEAN, STD), atol=1e-6)
    for name, tensor in made.items():
        assert diagnose_skew(raw, tensor.astype(np.float32), MEAN, STD) == name
    assert diagnose_skew(raw, made["ok"] + 1e-3, MEAN, STD) == "unknown"
    assert diagnose_skew(raw, made["ok"] * np.nan, MEAN, STD) == "unknown"
    assert diagnose_skew(raw, made["ok"][None], MEAN, STD) == "unknown"


def test_the_camera_faults_differ_from_the_right_tensor():
    raw = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1)).astype(np.uint8)
    faults = camera_faults(0.3, 0.4)
    right = faults.pop("as trained")(raw)
    assert np.array_equal(right, preprocess(raw, [0.3], [0.4]))
    for fault in faults.values():
        x = fault(raw)
        assert x.shape == right.shape and x.dtype == np.float32 and np.abs(x - right).max() > 0.1


def test_folding_by_hand_and_its_refusals():
    w = np.array([[[[2.0]], [[1.0]]]])
    w2, b2, pad = fold_normalization(w, np.array([0.5]), (0.5, 0.2), (0.25, 0.5), 1 / 255)
    assert w2.ravel() == pytest.approx([0.03137255, 0.00784314], abs=1e-8)
    assert b2 == pytest.approx([-3.9]) and pad == pytest.approx([127.5, 51])
    assert w.ravel().tolist() == [2, 1]
    for mean, std in (((0.5,), (0.5, 0.5)), ((0.5, 0.5), (0.5,)), ((0.5, 0.5), (0.5, 0.0))):
        with pytest.raises(ValueError, match=r"mean|std"):
            fold_normalization(w, np.zeros(1), mean, std, 1)


def test_parity_of_the_worked_example():
    ref, got = np.array([[1, 2, 3], [0, 0, 5]], float), np.array([[1, 2, 2.5], [0, 1, 5]], float)
    found = parity_report(ref, got)
    assert found["max_abs"] == 1 and found["top1_agreement"] == 1 and found["finite"] is True
    assert found["min_cosine"] == pytest.approx(5 / np.sqrt(26), rel=1e-12)
    assert found["sqnr_db"] == pytest.approx(10 * np.log10(39 / 1.25), rel=1e-12)
    assert parity_report(ref, ref)["sqnr_db"] == np.inf
    assert parity_report(ref * 0, got)["sqnr_db"] == -np.inf
    assert parity_report(ref * 0, ref * 0)["min_cosine"] == 1.0
    broken = parity_report(ref, np.where(got == 1, np.nan, got))
    assert broken.pop("finite") is False and all(np.isnan(v) for v in broken.values())
    with pytest.raises(ValueError, match="shape"):
        parity(ref, got[:1])
    with pytest.raises(ValueError, match="finite"):
        parity(ref * np.nan, got)


def test_accept_names_each_broken_limit():
    ref = np.array([[1.0, 2.0], [2.0, 1.0]])
    report = parity(ref, np.array([[1.0, 2.0], [1.0, 2.0]]))
    assert accept(report, Tolerance()) == []
    told = accept(report, Tolerance(max_abs=0.1, min_cosine=0.99, min_sqnr_db=30, min_top1=0.9))
    assert [line.split()[0] for line in told] == ["largest", "smallest", "SQNR", "top-1"]
    assert accept(report, Tolerance(max_abs=1.0, min_top1=0.5)) == []  # at the limit is allowed
    assert accept(parity(ref, ref * np.inf), Tolerance()) == ["4 values are not finite"]


def test_the_first_divergence_is_the_cause():
    ref = {"a": np.ones(3), "b": np.full(3, 2.0), "c": np.zeros(3)}
    assert first_divergence(ref, ref, "abc", 1e-6) is None
    assert first_divergence(ref, {**ref, "b": np.full(3, 2.1), "c": np.ones(3)}, "abc", 1e-3) == "b"
    assert first_divergence(ref, {**ref, "b": np.full(3, 2.1)}, "abc", 0.06) is None
    assert first_divergence(ref, {"a": ref["a"]}, "abc", 1) == "b"
    assert first_divergence(ref, {**ref, "a": np.array([1, np.nan, 1])}, "abc", 1) == "a"
    assert first_divergence(ref, {**ref, "a": np.ones(2)}, "abc", 1) == "a"


def test_bisecting_a_real_graph_finds_the_damaged_layer():
    import onnx
    from onnx import helper, numpy_helper

    from utils.graphs.onnx_tools import expose_outputs, make_model, make_session

    rng = np.random.default_rng(0)
    nodes = [helper.make_node("MatMul", [f"h{i}", f"w{i}"], [f"h{i + 1}"]) for i in range(4)]
    weights = {f"w{i}": rng.normal(size=(3, 3)).astype(np.float32) for i in range(4)}
    model = make_model(nodes, {"h0": ("N", 3)}, {"h4": ("N", 3)}, weights)
    damaged = onnx.ModelProto()
    damaged.CopyFrom(model)
    tensor = next(t for t in damaged.graph.initializer if t.name == "w2")
    tensor.CopyFrom(numpy_helper.from_array(weights["w2"] + np.float32(0.01), "w2"))
    names = [node.output[0] for node in model.graph.node]
    x = rng.normal(size=(5, 3)).astype(np.float32)
    values = [dict(zip(names, make_session(expose_outputs(m)).run(names, {"h0": x}))) for m in (model, damaged)]
    assert first_divergence(*values, names, 1e-4) == "h3"


def test_a_quantised_sine_has_the_sqnr_of_the_formula():
    for bits in (6, 8, 10):
        assert sine_sqnr_db(bits) == pytest.approx(6.02 * bits + 1.76, abs=0.01)
        x = np.sin(np.linspace(0, 2 * np.pi * 97, 200_001))
        step = 2 / 2**bits
        q = (np.floor(x / step) + 0.5) * step
        measured = 10 * np.log10((x**2).mean() / ((x - q) ** 2).mean())
        assert measured == pytest.approx(sine_sqnr_db(bits), abs=0.3)  # the error is not quite uniform at the crests


def test_psi_is_zero_for_equal_symmetric_in_kind_and_large_for_a_shift():
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)
    assert psi(x, x) == 0
    assert 0 < psi(x, rng.normal(size=5000)) < 0.02 < psi(x, x + 0.3) < psi(x, x + 1)
    # two bins, split at the median 1.5: shares (1/2, 1/2) against (1/4, 3/4)
    assert psi(np.array([0, 1, 2, 3]), np.array([0, 2, 2, 3]), 2) == pytest.approx(0.5 * np.log(3) / 2, rel=1e-12)
    assert np.isfinite(psi(x, x + 100))
    for bad in (([], x, 10), (x, [], 10), (x, [np.nan], 10), (x, x, 1)):
        with pytest.raises(ValueError, match="must"):
            psi(*bad)


def test_a_chain_stops_at_the_first_broken_contract():
    seen = []

    def hop(name, *violations):
        def run(state):
            seen.append(name)
            state[name] = len(state)
            return {"n": len(state)}, list(violations)
        return run

    chain = DeploymentChain({"a": hop("a"), "b": hop("b", "too far"), "c": hop("c")})
    reports = chain.run()
    assert seen == ["a", "b"] and [r.ok for r in reports] == [True, False, False] and not chain.ok
    assert chain.to_table() == [("a", "passed", "n 1"), ("b", "stopped", "too far"), ("c", "not run", "")]
    assert DeploymentChain({"a": hop("a")}).ok is False  # nothing has run
    with pytest.raises(ValueError, match="hops"):
        DeploymentChain({})
