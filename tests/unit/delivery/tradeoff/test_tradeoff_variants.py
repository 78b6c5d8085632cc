"""The registry: ONNX Runtime against torch, real integer kernels, sizes and accuracies in their order."""

import numpy as np
import pytest
import torch

from utils.compression.qdq import executed_ops, run_onnx
from utils.delivery.tradeoff import variants as registry
from utils.networks.digits import load_digits_split, predict


@pytest.fixture(scope="module")
def data():
    return load_digits_split()


@pytest.fixture(scope="module")
def models():
    return registry.digits_variants()


@pytest.fixture(scope="module")
def measured(models, data):
    return {v.name: v for v in registry.evaluate_variants(models, data[1], data[3], rounds=40)}


def test_float_models_compute_what_torch_computes(monkeypatch, data):
    """Trained for an epoch each: the export does not depend on the training."""
    for name in ("WIDE_EPOCHS", "TUNE_EPOCHS", "TINY_EPOCHS"):
        monkeypatch.setattr(registry, name, 1)
    X, X_test, y, _ = data
    networks, models = registry.build_networks(X, y, 3), registry.build_variants(X, y, 3)
    for name, network in networks.items():
        # sums of up to 1,024 float32 products of order 1 in another order
        assert np.abs(run_onnx(models[f"{name} FP32"], X_test) - predict(network, X_test).numpy()).max() < 1e-4
    assert [p.numel() for p in networks["pruned"].linears[1].parameters()] == [256 * 256, 256]
    assert not any(network.training for network in networks.values())


def test_five_models_with_their_kernels(models):
    assert list(models) == list(registry.NAMES)
    for name, model in models.items():
        ops = executed_ops(model)
        assert ops.count("QGemm") == (3 if "INT8" in name else 0), name
        assert any(op.endswith("Gemm") and op != "QGemm" for op in ops) == ("FP32" in name), name


def test_sizes_and_accuracies(measured):
    wide, wide8, pruned, pruned8, tiny = (measured[name] for name in registry.NAMES)
    assert wide.bytes > wide8.bytes > pruned.bytes > pruned8.bytes > tiny.bytes
    # four bytes a parameter, and less than 2 kB for the graph
    for v, parameters in ((wide, 1_126_410), (pruned, 85_002), (tiny, 1_210)):
        assert 4 * parameters < v.bytes < 4 * parameters + 2_000
    assert abs(wide.right - wide8.right) <= 5 and abs(pruned.right - pruned8.right) <= 5  # within 1 point of 540
    assert all(v.right >= 500 for v in measured.values())
    assert wide.p50_ms > tiny.p50_ms  # 900 times the arithmetic
    assert all(int(v.correct.sum()) == v.right and v.total == 540 for v in measured.values())


def test_batches_and_errors(models, data):
    few = {name: models[name] for name in ("tiny FP32", "pruned INT8")}
    found = registry.evaluate_variants(few, data[1], data[3], batch=64, rounds=3)
    assert [v.batch for v in found] == [64, 64] and all(0 < v.p50_ms <= v.p95_ms for v in found)
    for batch in (0, 541):
        with pytest.raises(ValueError):
            registry.evaluate_variants(few, data[1], data[3], batch=batch)
    with pytest.raises(ValueError, match="X must have"):
        registry.evaluate_variants(few, data[1], data[3][:-1])


def test_another_session_may_be_given(models, data):
    opened = []

    def open_session(model):
        opened.append(model)
        return registry.make_session(model, threads=1)

    few = {"tiny FP32": models["tiny FP32"]}
    assert registry.evaluate_variants(few, data[1], data[3], rounds=2, open_session=open_session)[0].right > 500
    assert opened == [models["tiny FP32"]]
    if not torch.cuda.is_available():
        assert registry.cuda_session(models["tiny FP32"]) is None
