"""Measuring: a real child process, real arrays, a fake network whose numbers are known."""

import numpy as np
import pytest

from utils.cost.edge_metrics import device_run as edge_measure
from utils.cost.edge_metrics.device_run import (
    Candidate,
    deadline_miss_rate,
    measure_candidate,
    onnx_statements,
    peak_rss_mb,
)


def test_memory_of_a_child_is_its_own():
    ballast = np.ones(40_000_000)  # 320 MB here; a child's ru_maxrss would start from it
    empty = peak_rss_mb("pass")
    held = peak_rss_mb("x = b'1' * 64_000_000")
    assert ballast.nbytes == 320_000_000 and 1 < empty < 200
    assert held - empty == pytest.approx(64, abs=8)


def test_a_failing_child_tells_why():
    with pytest.raises(RuntimeError, match="no such thing"):
        peak_rss_mb("raise KeyError('no such thing')")


def test_statements_run_a_model(tmp_path):
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    model = make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": ("N", 3)}, {"y": ("N", 3)})
    path = tmp_path / "relu.onnx"
    path.write_bytes(model.SerializeToString())
    exec(onnx_statements(path, (2, 3)), {})
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):
        exec(onnx_statements(path, (2, 5)), {})
    assert "InferenceSession" not in onnx_statements()


def scores(x):
    """Right for all but label 3."""
    one_hot = np.eye(5)[x[:, 0]]
    one_hot[x[:, 0] == 3] = np.eye(5)[0]
    return one_hot


def test_a_candidate(monkeypatch):
    labels = np.array([0, 1, 2, 3, 4, 3])
    monkeypatch.setattr(edge_measure, "cpu_energy_mj", lambda fn, repeats: None)
    seen = []

    def run(x):
        seen.append(len(x))
        return scores(x)

    got = measure_candidate("net", run, labels[:, None], labels, storage_bytes=2_500_000, warmup=2, repeats=9,
                            modelled_mj=0.5)
    assert (got.correct, got.total, got.storage_mb) == (4, 6, 2.5) and got.accuracy == 4 / 6
    assert seen[0] == 6 and seen[1:12] == [1] * 11 and 0 < got.p50_ms <= got.p99_ms
    assert got.source == "modelled" and got.energy_mj == 0.5
    monkeypatch.setattr(edge_measure, "cpu_energy_mj", lambda fn, repeats: 7.0)
    again = measure_candidate("net", run, labels[:, None], labels, storage_bytes=1, repeats=3, modelled_mj=0.5)
    assert again.source == "measured" and again.energy_mj == 7.0
    assert again.as_dict()["accuracy"] == again.accuracy and Candidate(**{
        k: v for k, v in again.as_dict().items() if k != "accuracy"}) == again


def test_deadlines():
    assert deadline_miss_rate([10, 30, 33, 50], 33) == 0.25
    assert deadline_miss_rate(np.full(3, 34.0), 33) == 1


def test_errors():
    with pytest.raises(ValueError, match="y must have"):
        measure_candidate("a", scores, np.zeros((2, 1), int), np.zeros(3, int), storage_bytes=1)
    with pytest.raises(ValueError, match="samples"):
        measure_candidate("a", scores, np.zeros((0, 1), int), np.zeros(0, int), storage_bytes=1)
    with pytest.raises(ValueError, match="empty"):
        deadline_miss_rate([], 5)
    with pytest.raises(ValueError, match="deadline_ms"):
        deadline_miss_rate([1], 0)
