"""export_torch: what the file says is what was asked, and it computes what torch computes."""

import sys

import numpy as np
import onnx
import pytest
import torch

from utils.graphs.onnx_tools import export_torch, graph_stats, make_session, write_atomically
from utils.optional import EngineUnavailable


class TwoHeads(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, a, b):
        h = self.drop(self.linear(a))
        return h + b, torch.relu(h)


@pytest.fixture(scope="module")
def linear():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_legacy_writes_the_opset_asked_for(linear, opset):
    stats = graph_stats(export_torch(linear, torch.zeros(1, 3), opset=opset))
    assert stats.opset == opset
    assert (stats.inputs, stats.outputs) == ({"input": (1, 3)}, {"output": (1, 4)})


def test_dynamic_batch_runs_at_other_batches(linear):
    model = export_torch(linear, torch.zeros(1, 3), dynamic_batch="N")
    assert graph_stats(model).inputs == {"input": ("N", 3)}
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    got = make_session(model).run(None, {"input": x})[0]
    with torch.no_grad():
        want = linear(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)  # float32, three products


def test_evaluation_mode_is_used_and_training_mode_restored():
    module = TwoHeads().train()
    model = export_torch(module, (torch.zeros(1, 3), torch.zeros(1, 2)))
    assert module.training
    stats = graph_stats(model)
    assert "Dropout" not in stats.op_counts
    assert list(stats.inputs) == ["input_0", "input_1"]
    assert list(stats.outputs) == ["output_0", "output_1"]


def test_file_is_written_whole(linear, tmp_path):
    model = export_torch(linear, torch.zeros(1, 3), tmp_path / "m.onnx")
    assert onnx.load(tmp_path / "m.onnx") == model
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_atomically(tmp_path / "f", b"old")
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "f", "not bytes")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_unknown_route(linear):
    with pytest.raises(ValueError, match="route"):
        export_torch(linear, torch.zeros(1, 3), route="fast")


def test_dynamo_route_without_its_package(linear, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(EngineUnavailable, match="onnxscript is not available"):
        export_torch(linear, torch.zeros(1, 3), route="dynamo")


@pytest.mark.slow
def test_dynamo_route(linear):
    pytest.importorskip("onnxscript")
    model = export_torch(linear, torch.zeros(2, 3), dynamic_batch="N", route="dynamo")
    stats = graph_stats(model)
    assert stats.opset == 18
    assert isinstance(stats.inputs["input"][0], str)
    assert not model.graph.value_info
    assert make_session(model).run(None, {"input": np.zeros((5, 3), np.float32)})[0].shape == (5, 4)
    # asked for 13 the exporter logs a warning and writes 18
    with pytest.raises(ValueError, match="asked for opset 13, file has 18"):
        export_torch(linear, torch.zeros(2, 3), opset=13, route="dynamo")
