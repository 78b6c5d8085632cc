"""The schedule, the report, and the check of a result; a sabotaged model must not get through."""

from functools import partial

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from utils.graphs.onnx_tools import make_model, make_session
from utils.graphs.simplify import (
    DEFAULT_PASSES,
    eliminate_dead,
    eliminate_noops,
    equivalent,
    fixed_point,
    fold_constants,
    infer_static_shapes,
    messy_cnn,
    pass_name,
    rewrite_dynamic_reshape,
    simplify,
    verify,
)
from utils.graphs.simplify.examples import constant_of_shape, large_expand, with_doubled
from utils.graphs.simplify.random_graphs import random_graph

node = helper.make_node
SEVEN = ["Conv", "Relu", "Conv", "Relu", "GlobalAveragePool", "Reshape", "Gemm"]


def ops(model):
    return [n.op_type for n in model.graph.node]


# -- the schedule --------------------------------------------------------------------------------------


def countdown(n):
    return max(n - 1, 0), int(n > 0)


def halve(n):
    return (n // 2, 1) if n and n % 2 == 0 else (n, 0)


def test_rounds_go_on_until_one_changes_nothing():
    # 6 -halve-> 3 -countdown-> 2 | 1, 0 | nothing
    assert fixed_point(6, [halve, countdown]) == (0, [2, 2, 0])
    assert fixed_point(0, [halve, countdown]) == (0, [0])
    assert fixed_point("graph", []) == ("graph", [0])


def test_passes_that_undo_each_other_do_not_converge():
    with pytest.raises(RuntimeError, match="did not converge"):
        fixed_point(0, [lambda g: (g + 1, 1), lambda g: (g - 1, 1)])
    with pytest.raises(RuntimeError, match="did not converge"):
        fixed_point(3, [countdown], max_rounds=3)
    assert fixed_point(3, [countdown], max_rounds=4) == (0, [1, 1, 1, 0])
    with pytest.raises(ValueError, match="max_rounds"):
        fixed_point(3, [countdown], max_rounds=0)


# -- simplify ------------------------------------------------------------------------------------------


def test_messy_cnn_is_what_it_says():
    model = messy_cnn()
    counts = {op: ops(model).count(op) for op in set(ops(model))}
    assert counts == {
        "Identity": 2, "Conv": 3, "BatchNormalization": 2, "Relu": 2, "Dropout": 1, "Transpose": 2, "Shape": 1,
        "GlobalAveragePool": 1, "Gather": 1, "Unsqueeze": 1, "Concat": 1, "Reshape": 1, "Cast": 1, "Mul": 2, "Add": 1,
        "Div": 1, "Gemm": 1, "Sigmoid": 1}  # fmt: skip
    assert len(model.graph.node) == 25
    assert messy_cnn(seed=1).SerializeToString() != messy_cnn().SerializeToString() == messy_cnn().SerializeToString()


def test_messy_cnn_becomes_seven_nodes_and_smaller():
    report = simplify(messy_cnn())
    assert ops(report.model) == SEVEN
    assert report.converged and report.notes == () and report.grew_bytes == 0
    assert (report.nodes_before, report.nodes_after) == (25, 7)
    assert report.bytes_after == len(report.model.SerializeToString()) < report.bytes_before
    assert report.log[-1].nodes == 7 and all(s.changes == 0 for s in report.log[-len(DEFAULT_PASSES):])
    assert [s.name for s in report.log[: len(DEFAULT_PASSES)]] == [pass_name(p) for p in DEFAULT_PASSES]
    assert report.as_dict()["log"][0] == {"round": 1, "pass": "noops", "changes": report.log[0].changes,
                                          "nodes": report.log[0].nodes, "bytes": report.log[0].size_bytes}


def test_a_symbolic_batch_leaves_the_four_nodes_that_compute_it():
    report = simplify(messy_cnn(batch="N"))
    assert ops(report.model) == [*SEVEN[:5], "Shape", "Gather", "Unsqueeze", "Concat", *SEVEN[5:]]
    assert ops(simplify(messy_cnn(batch="N"), (*DEFAULT_PASSES, rewrite_dynamic_reshape)).model) == SEVEN
    assert ops(simplify(messy_cnn(batch="N"), input_shapes={"x": [3, 3, 16, 16]}).model) == SEVEN


@given(st.integers(0, 10_000), st.sampled_from([1, 2, "N"]), st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_random_graphs_keep_their_meaning_and_settle(seed, batch, length):
    model = random_graph(np.random.default_rng(seed), length, batch)
    before = model.SerializeToString()
    report = simplify(model, (*DEFAULT_PASSES[:-1], rewrite_dynamic_reshape, DEFAULT_PASSES[-1]))
    assert model.SerializeToString() == before
    assert report.converged and report.nodes_after <= report.nodes_before
    assert verify(model, report.model, n=1, seed=seed).ok
    again = simplify(report.model)
    assert again.model.SerializeToString() == report.model.SerializeToString()  # a fixed point
    shuffled = simplify(model, (*DEFAULT_PASSES[::-1], rewrite_dynamic_reshape))
    assert shuffled.nodes_after == report.nodes_after  # the order of the passes does not matter


def test_growth_is_told_and_refused_above_the_limit():
    expand = simplify(large_expand())
    assert ops(expand.model) == ["Add"] and expand.grew_bytes == expand.bytes_after - expand.bytes_before > 500_000
    assert "grew from" in expand.notes[-1]
    refused = simplify(constant_of_shape())
    assert ops(refused.model) == ["ConstantOfShape", "Add"] and refused.grew_bytes == 0
    assert "4,194,304 bytes" in refused.notes[0]
    folded = simplify(constant_of_shape(), [partial(fold_constants, max_tensor_bytes=1 << 23), eliminate_dead])
    assert folded.bytes_after > 4_194_304 and "grew from" in folded.notes[-1]


def test_stale_shapes_in_the_file_are_not_believed():
    model = make_model([node("Relu", ["x"], ["r"]), node("Shape", ["r"], ["s"]), node("Cast", ["s"], ["f"], to=1),
                        node("Mul", ["r", "f"], ["y"])], {"x": ("N", 2)}, {"y": ("N", 2)})
    model.graph.value_info.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 2]))
    report = simplify(model)
    assert "Shape" in ops(report.model)
    assert verify(model, report.model).ok


def test_weights_of_old_files_are_constants_too():
    weights = {"k": np.float32(2), "l": np.float32(3)}
    inputs = {"x": (2,), "k": (), "l": ()}
    model = make_model([node("Mul", ["k", "l"], ["m"]), node("Mul", ["x", "m"], ["y"])], inputs, {"y": (2,)}, weights,
                       ir_version=3, opset=8)
    report = simplify(model)
    assert ops(report.model) == ["Mul"] and report.model.ir_version == 4
    assert [i.name for i in report.model.graph.input] == ["x"] and "IR version 3" in report.notes[0]
    assert verify(model, report.model).ok


def test_unusable_models_and_shapes_are_refused():
    broken = messy_cnn()
    broken.graph.node[0].input[0] = "nowhere"
    with pytest.raises(ValueError, match="valid"):
        simplify(broken)
    with pytest.raises(ValueError, match="opset"):
        simplify(make_model([node("Relu", ["x"], ["y"])], {"x": (1,)}, {"y": (1,)}, opset=6))
    for shapes, word in (({"q": [1]}, "inputs"), ({"x": [1, 3, 16]}, "rank"), ({"x": [1, 4, 16, 16]}, "fixed"),
                         ({"x": [0, 3, 16, 16]}, "1 or more")):
        with pytest.raises(ValueError, match=word):
            infer_static_shapes(messy_cnn(batch="N"), shapes)


def test_static_shapes_are_inferred_through_the_graph():
    fixed = infer_static_shapes(messy_cnn(batch="N"), {"x": (5, 3, 16, 16)})
    known = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in fixed.graph.value_info}
    assert known["c2"] == [5, 16, 8, 8] and known["target"] == [2]
    assert [d.dim_value for d in fixed.graph.output[0].type.tensor_type.shape.dim] == [5, 10]
    wrong = make_model([node("Add", ["x", "w"], ["y"])], {"x": ("N",)}, {"y": ("N",)}, {"w": np.ones(3, np.float32)})
    with pytest.raises(ValueError, match="fit the graph"):
        infer_static_shapes(wrong, {"x": [4]})


# -- verify: sabotage ----------------------------------------------------------------------------------


def sabotaged(change):
    model = simplify(messy_cnn(batch="N")).model
    change(model)
    return model


def double(name):
    def change(model):
        tensor = next(t for t in model.graph.initializer if t.name == name)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, name))
    return change


def other_op(model):
    model.graph.node[1].op_type = "Abs"


def frozen_batch(model):
    name = next(n for n in model.graph.node if n.op_type == "Reshape")
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 16], np.int64), "frozen"))
    name.input[1] = "frozen"


def other_stride(model):
    conv = [n for n in model.graph.node if n.op_type == "Conv"][1]
    next(a for a in conv.attribute if a.name == "pads").ints[:] = [0, 0, 2, 2]


def renamed_output(model):
    model.graph.node[-1].output[0] = model.graph.output[0].name = "other"


@pytest.mark.parametrize("change", [double("wf"), double("bf"), other_op, frozen_batch, other_stride, renamed_output])
def test_sabotage_is_caught(change):
    original = messy_cnn(batch="N")
    assert verify(original, simplify(original).model).ok
    report = verify(original, sabotaged(change))
    assert not report.ok and report.reason


def test_doubling_changes_one_initializer_of_a_copy():
    model = messy_cnn()
    before = model.SerializeToString()
    pairs = zip(model.graph.initializer, with_doubled(model, "wf").graph.initializer, strict=True)
    factor = {a.name: 2 if a.name == "wf" else 1 for a in model.graph.initializer}
    assert all(b.name == a.name and np.array_equal(numpy_helper.to_array(b), factor[a.name] * numpy_helper.to_array(a))
               for a, b in pairs)
    assert model.SerializeToString() == before
    with pytest.raises(ValueError, match=r"wf.*got 'nowhere'"):
        with_doubled(model, "nowhere")


def test_a_batch_frozen_at_one_shows_at_batch_three_only():
    report = verify(messy_cnn(batch="N"), sabotaged(frozen_batch), n=2)
    assert "input 3" in report.reason  # two inputs of batch 1 agreed
    assert verify(messy_cnn(), sabotaged(frozen_batch), shapes={"x": [1, 3, 16, 16]}).ok


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        verify(messy_cnn(), messy_cnn(), n=0)
    with pytest.raises(ValueError, match="at least 1"):
        equivalent(lambda f: f, lambda f: f, lambda rng: {}, 0, np.random.default_rng(0))


def test_unknown_names_and_an_original_that_does_not_run():
    for options in ({"ranges": {"q": (0, 1)}}, {"shapes": {"q": [1]}}):
        with pytest.raises(ValueError, match="name inputs"):
            verify(messy_cnn(), messy_cnn(), **options)
    with pytest.raises(ValueError, match="the original"):
        verify(messy_cnn(batch="N"), messy_cnn(batch="N"), shapes={"x": [1, 4, 16, 16]})


def test_integers_booleans_and_ranges_are_drawn():
    nodes = [node("Gather", ["table", "ids"], ["g"]), node("Where", ["c", "g", "k"], ["y"])]
    model = make_model(nodes, {"ids": (np.int64, (5,)), "c": (bool, (5,))}, {"y": (5,)},
                       {"table": np.arange(9, dtype=np.float32), "k": np.float32(-1)})
    assert verify(model, simplify(model).model, ranges={"ids": (0, 8)}).ok
    with pytest.raises(ValueError, match="ranges"):
        verify(model, model, ranges={"ids": (9, 9)})


def test_a_symbol_has_one_value_in_all_inputs():
    model = make_model([node("MatMul", ["a", "b"], ["y"])], {"a": ("N", 3), "b": (3, "N")}, {"y": ("N", "N")})
    square = make_model([node("MatMul", ["a", "b"], ["m"]), node("Identity", ["m"], ["y"])],
                        {"a": ("N", "T"), "b": ("T", "N")}, {"y": ("N", "N")})
    assert verify(model, model).runs == verify(square, simplify(square).model).runs == 6
    assert verify(square, square, n=2, shapes={"a": [2, 5], "b": [5, 7]}).runs == 2


def test_a_default_that_was_folded_in_is_caught():
    model = make_model([node("Mul", ["x", "d"], ["y"])], {"x": (2,), "d": ()}, {"y": (2,)}, {"d": np.float32(3)})
    frozen = onnx.ModelProto.FromString(model.SerializeToString())
    frozen.graph.node[0].input[1] = "k"
    frozen.graph.initializer.append(numpy_helper.from_array(np.float32(3), "k"))
    assert verify(model, frozen, n=1).ok  # only the default was fed
    assert not verify(model, frozen, n=2).ok
    assert verify(model, simplify(model).model, n=2).ok


def test_nan_equals_nan_and_random_graphs_are_named():
    nan = make_model([node("Log", ["x"], ["y"])], {"x": (4,)}, {"y": (4,)})
    assert verify(nan, nan, ranges={"x": (-2, -1)}).ok
    noisy = make_model([node("RandomNormalLike", ["x"], ["r"]), node("Add", ["x", "r"], ["y"])], {"x": (4,)}, {"y": (4,)})
    quiet = make_model([node("Identity", ["x"], ["y"])], {"x": (4,)}, {"y": (4,)})
    assert "random" in verify(noisy, quiet).reason


def test_an_error_of_a_pass_is_not_taken_for_a_graph_that_never_settles():
    def failing(model):
        raise RecursionError("too deep")

    with pytest.raises(RecursionError):
        simplify(messy_cnn(), [failing])


def test_equivalent_with_real_sessions():
    model, result = messy_cnn(), simplify(messy_cnn()).model

    def runner(m):
        session = make_session(m)
        return lambda feeds: {"y": session.run(None, feeds)[0]}

    def draw(rng):
        return {"x": rng.normal(size=(1, 3, 16, 16)).astype(np.float32)}

    rng = np.random.default_rng(0)
    assert equivalent(runner(model), runner(result), draw, 3, rng)
    assert not equivalent(runner(model), runner(sabotaged(double("wf"))), draw, 3, rng)


def test_no_pass_adds_annotations():
    report = simplify(infer_static_shapes(messy_cnn()), [eliminate_noops])
    assert len(report.model.graph.value_info) == 0
