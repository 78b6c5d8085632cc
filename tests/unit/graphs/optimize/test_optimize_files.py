"""External data, the size limit, the stages and the exports."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from utils.graphs.onnx_tools import make_model, make_session
from utils.graphs.optimize import (
    ROUTES,
    available_exports,
    export_matrix,
    export_route,
    fits_protobuf,
    optimize_stages,
    optimizer_report,
    split_external,
    stored_bytes,
)
from utils.graphs.simplify import messy_cnn


def two_layers():
    rng = np.random.default_rng(0)
    values = {"w": rng.normal(size=(40, 30)).astype(np.float32), "v": rng.normal(size=(30, 20)).astype(np.float32),
              "b": np.ones(20, np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "v"], ["g"]),
             helper.make_node("Add", ["g", "b"], ["y"])]
    return make_model(nodes, {"x": ("N", 40)}, {"y": ("N", 20)}, values)


def test_external_data_round_trip(tmp_path):
    model = two_layers()
    plan = split_external(model, 1024)
    assert [(e.name, e.offset, e.length) for e in plan.entries] == [("w", 0, 4800), ("v", 8192, 2400)]
    assert plan.total_bytes == 8192 + 2400
    path = plan.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]
    assert path.stat().st_size < 1024 and (tmp_path / "model.onnx.data").stat().st_size == plan.total_bytes
    # onnx's own reader and ONNX Runtime both find the weights
    for ours, theirs in zip(model.graph.initializer, onnx.load(path).graph.initializer):
        np.testing.assert_array_equal(numpy_helper.to_array(ours), numpy_helper.to_array(theirs))
    x = np.ones((2, 40), np.float32)
    np.testing.assert_array_equal(make_session(path).run(None, {"x": x})[0], make_session(model).run(None, {"x": x})[0])


def test_the_threshold_is_inclusive_and_typed_tensors_move_too(tmp_path):
    model = make_model([helper.make_node("Add", ["x", "k"], ["y"])], {"x": (4,)}, {"y": (4,)}, {"k": np.zeros(4)})
    model.graph.initializer[0].CopyFrom(helper.make_tensor("k", TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0]))
    assert not split_external(model, 17).entries
    loaded = onnx.load(split_external(model, 16).save(tmp_path, "typed.onnx"))
    np.testing.assert_array_equal(numpy_helper.to_array(loaded.graph.initializer[0]), [1, 2, 3, 4])


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="threshold"):
        split_external(two_layers(), -1)
    with pytest.raises(ValueError, match="name"):
        split_external(two_layers()).save(tmp_path, "../model.onnx")


def models():
    typed = make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (3,)}, {"y": (3,)})
    typed.graph.initializer.append(helper.make_tensor("k", TensorProto.INT64, [3], [-1, -1, -1]))
    return [two_layers(), messy_cnn(), typed, *available_exports()[0].values(),
            onnx.shape_inference.infer_shapes(messy_cnn())]


def test_stored_bytes_is_a_bound():
    for model in models():
        graph = model.graph
        parts = sum(len(n.input) + len(n.output) + len(n.attribute) + len(n.metadata_props) + 2 for n in graph.node)
        parts += len(graph.initializer) + len(graph.value_info) + len(graph.input) + len(graph.output)
        # an allowance of some tens of bytes for each part, and no more
        assert model.ByteSize() <= stored_bytes(model) <= model.ByteSize() + 100 * (parts + 10)


@pytest.mark.parametrize(("count", "fits"), [(2**29 - 10_000, True), (2**29, False), (2**29 + 1, False)])
def test_the_limit_needs_no_memory(count, fits):
    model = make_model([helper.make_node("Identity", ["x"], ["y"])], {"x": (1,)}, {"y": (1,)})
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[count])
    tensor.raw_data = b""  # the elements themselves are not there: dtype and shape are enough
    model.graph.initializer.append(tensor)
    assert fits_protobuf(model) is fits
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    assert fits_protobuf(model)


def test_stages_of_the_messy_graph():
    model = messy_cnn()
    before = model.SerializeToString()
    rows = optimizer_report(model)
    assert model.SerializeToString() == before
    assert [row.stage for row in rows] == ["original", "cleanup", "fold constants", "shape inference", "finished"]
    original, clean, folded, shaped, finished = rows
    assert (original.nodes, clean.nodes) == (25, 23)  # the dead branch: Conv and Sigmoid
    assert folded.nodes < clean.nodes and shaped.nodes == folded.nodes and shaped.shaped > folded.shaped
    assert finished.initializers < folded.initializers
    assert rows[0].n_bytes == len(before)


def test_every_stage_computes_the_same():
    stages = optimize_stages(messy_cnn())
    x = np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32)
    first, *others = (make_session(model).run(None, {"x": x})[0] for _, model in stages)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5, atol=1e-6)  # folding moves no float32 sum


def test_matrix_of_exports():
    models_by_route, missing = available_exports()
    assert set(models_by_route) | set(missing) == set(ROUTES) and {"legacy", "legacy dynamic"} <= set(models_by_route)
    table = export_matrix(models_by_route, [1, 3])
    assert table["legacy"]["runs"][1] == "" and "invalid dimensions" in table["legacy"]["runs"][3]
    assert table["legacy dynamic"]["runs"] == {1: "", 3: ""} and table["legacy dynamic"]["input"] == ["N", 3, 8, 8]
    chain = [op for op in table["legacy dynamic"]["ops"] if op in ("Shape", "Gather", "Unsqueeze", "Concat")]
    assert chain == ["Shape", "Gather", "Unsqueeze", "Concat"]
    assert table["legacy without folding"]["nodes"] > table["legacy"]["nodes"]


def test_opset_13_on_the_old_route_only():
    assert export_matrix({"13": export_route("legacy", 13)}, [1])["13"]["opset"] == 13
    pytest.importorskip("onnxscript")
    with pytest.raises(ValueError, match="asked for opset 13, file has 18"):
        export_route("dynamo", 13)


def test_an_unknown_route():
    with pytest.raises(KeyError, match="route"):
        export_route("tensorflow")


def test_the_example_agrees_with_torch():
    torch = pytest.importorskip("torch")
    from utils.graphs.optimize import example_cnn

    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = example_cnn()(x).numpy()
    for route in ("legacy", "legacy without folding", "legacy dynamic"):
        got = make_session(export_route(route)).run(None, {"input": x.numpy()})[0]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_unfolded_exports_come_from_tracing_only():
    import logging

    torch = pytest.importorskip("torch")
    from utils.graphs.onnx_tools import export_torch

    x = torch.zeros(1, 4)
    ops = {fold: [n.op_type for n in export_torch(constant_sum(torch), x, fold=fold).graph.node] for fold in (True, False)}
    assert len(ops[False]) > len(ops[True])
    with pytest.raises(ValueError, match="fold"):
        export_torch(constant_sum(torch), x, route="dynamo", fold=False)
    before = logging.root.manager.disable
    pytest.importorskip("onnxscript")
    export_torch(constant_sum(torch), x, route="dynamo")
    assert logging.root.manager.disable == before


def constant_sum(torch):
    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("k", torch.arange(4.0))

        def forward(self, x):
            return x + self.k[None].transpose(0, 1).sum(1)

    return Module()
