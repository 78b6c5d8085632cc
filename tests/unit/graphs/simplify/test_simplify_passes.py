"""Each pass alone: what it takes out, what it must leave, and that ONNX Runtime sees no difference."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from utils.graphs.onnx_tools import make_model, make_session
from utils.graphs.simplify import (
    cancel_transposes,
    eliminate_common_subexpressions,
    eliminate_dead,
    eliminate_noops,
    fold_constants,
    fuse_conv_bn,
    fuse_scales,
    open_reshape,
    rewrite_dynamic_reshape,
)

node = helper.make_node
RNG = np.random.default_rng(0)


def ops(model):
    return [n.op_type for n in model.graph.node]


def run(model, **feeds):
    return make_session(model).run(None, feeds)


def f32(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def same(before, after, **feeds):
    """The two models agree on `feeds`; float32 with a few re-associated operations: 1e-5 of the largest value."""
    for a, b in zip(run(before, **feeds), run(after, **feeds)):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5 * max(1, np.abs(a).max()))


# -- no-ops --------------------------------------------------------------------------------------------


def chain(*nodes, shape=(2, 3), out=None, weights=None, batch_out=None):
    return make_model(list(nodes), {"x": shape}, {"y": out or shape}, weights)


NOOPS = {
    "identity": ([node("Identity", ["a"], ["b"])], {}),
    "dropout": ([node("Dropout", ["a"], ["b"])], {}),
    "cast": ([node("Cast", ["a"], ["b"], to=TensorProto.FLOAT)], {}),
    "times one": ([node("Mul", ["one", "a"], ["b"])], {"one": np.float32(1)}),
    "divided by ones": ([node("Div", ["a", "ones"], ["b"])], {"ones": np.ones((1, 3), np.float32)}),
    "plus zero": ([node("Add", ["a", "zero"], ["b"])], {"zero": np.zeros(1, np.float32)}),
    "minus zero": ([node("Sub", ["a", "zero"], ["b"])], {"zero": np.float32(0)}),
    "transpose": ([node("Transpose", ["a"], ["b"], perm=[0, 1])], {}),
    "reshape": ([node("Reshape", ["a", "to"], ["b"])], {"to": np.array([2, -1], np.int64)}),
    "flatten": ([node("Flatten", ["a"], ["b"])], {}),
    "expand": ([node("Expand", ["a", "to"], ["b"])], {"to": np.array([1, 3], np.int64)}),
    "pad": ([node("Pad", ["a", "pads"], ["b"])], {"pads": np.zeros(4, np.int64)}),
    "concat": ([node("Concat", ["a"], ["b"], axis=0)], {}),
}


@pytest.mark.parametrize("name", NOOPS)
def test_noops_go_between_two_nodes_and_in_front_of_an_output(name):
    middle, weights = NOOPS[name]
    model = chain(node("Relu", ["x"], ["a"]), *middle, node("Tanh", ["b"], ["y"]), weights=weights)
    after = eliminate_noops(model)
    assert (ops(after.model), after.changes) == (["Relu", "Tanh"], 1)
    same(model, after.model, x=f32(2, 3))
    last = [onnx.NodeProto.FromString(n.SerializeToString()) for n in middle]
    last[-1].output[0] = "y"
    model = chain(node("Relu", ["x"], ["a"]), *last, weights=weights)
    after = eliminate_noops(model)
    assert ops(after.model) == ["Relu"] and after.model.graph.output[0].name == "y"
    same(model, after.model, x=f32(2, 3))


LOOKALIKES = {
    "enlarges": ([node("Mul", ["a", "c"], ["y"])], {"c": np.ones((4, 1, 1), np.float32)}, (4, 2, 3)),
    "divides one by x": ([node("Div", ["c", "a"], ["y"])], {"c": np.float32(1)}, (2, 3)),
    "zero minus x": ([node("Sub", ["c", "a"], ["y"])], {"c": np.float32(0)}, (2, 3)),
    "times two": ([node("Mul", ["a", "c"], ["y"])], {"c": np.float32(2)}, (2, 3)),
    "reverses": ([node("Transpose", ["a"], ["y"])], {}, (3, 2)),
    "reshapes": ([node("Reshape", ["a", "c"], ["y"])], {"c": np.array([3, -1], np.int64)}, (3, 2)),
    "repeats": ([node("Expand", ["a", "c"], ["y"])], {"c": np.array([2, 2, 3], np.int64)}, (2, 2, 3)),
    "pads": ([node("Pad", ["a", "c"], ["y"])], {"c": np.array([0, 0, 1, 0], np.int64)}, (3, 3)),
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_only_looks_like_a_noop_stays(name):
    middle, weights, out = LOOKALIKES[name]
    model = make_model([node("Tanh", ["x"], ["a"]), *middle], {"x": (2, 3)}, {"y": out}, weights)
    after = eliminate_noops(model)
    assert after.changes == 0
    same(model, after.model, x=f32(2, 3))


def test_a_cast_to_another_type_and_a_read_mask_stay():
    nodes = [node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("Dropout", ["x"], ["d", "mask"])]
    model = make_model(nodes, {"x": (2,)}, {"i": (np.int64, (2,)), "d": (2,), "mask": (bool, (2,))})
    assert eliminate_noops(model).changes == 0


@pytest.mark.parametrize("training", [False, True])
def test_dropout_with_a_training_flag(training):
    nodes = [node("Relu", ["x"], ["a"]), node("Dropout", ["a", "ratio", "flag"], ["b"]), node("Relu", ["b"], ["y"])]
    model = chain(*nodes, weights={"ratio": np.float32(0.5), "flag": np.bool_(training)})
    assert eliminate_noops(model).changes == (0 if training else 1)


def test_the_interface_keeps_its_names():
    wired = chain(node("Identity", ["x"], ["y"]))
    assert eliminate_noops(wired).changes == 0
    twice = make_model(
        [node("Relu", ["x"], ["a"]), node("Identity", ["a"], ["y"]), node("Identity", ["a"], ["z"])],
        {"x": (2,)}, {"y": (2,), "z": (2,)})  # fmt: skip
    after = eliminate_noops(twice)
    assert ops(after.model) == ["Relu", "Identity"] and [o.name for o in after.model.graph.output] == ["y", "z"]
    same(twice, after.model, x=f32(2))


def conditional(inner_reads):
    """y = If(c, inner + 1, inner - 1), where both bodies read a tensor of the outer graph."""
    def body(op):
        nodes = [node(op, [inner_reads, "k"], [f"{op}_out"])]
        return helper.make_graph(nodes, op, [], [helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, [2])])

    outer = [node("Relu", ["x"], ["a"]), node("Identity", ["a"], ["b"]),
             node("If", ["c"], ["y"], then_branch=body("Add"), else_branch=body("Sub"))]
    return make_model(outer, {"x": (2,), "c": (bool, ())}, {"y": (2,)}, {"k": np.float32(1)})


def test_bodies_that_read_from_outside_are_rewired_and_keep_their_tensors_alive():
    model = conditional("b")
    after = eliminate_noops(model)
    assert ops(after.model) == ["Relu", "If"]
    alive = eliminate_dead(after.model)
    assert alive.changes == 0
    for flag in (True, False):
        same(model, alive.model, x=f32(2), c=np.array(flag))


def test_arguments_are_never_changed():
    model = conditional("b")
    before = model.SerializeToString()
    for apply in (eliminate_noops, fold_constants, fuse_conv_bn, fuse_scales, cancel_transposes, open_reshape,
                  eliminate_common_subexpressions, rewrite_dynamic_reshape, eliminate_dead):
        apply(model)
    assert model.SerializeToString() == before


# -- folding -------------------------------------------------------------------------------------------


def test_a_chain_of_constants_folds_and_integers_truncate():
    nodes = [node("Div", ["a", "b"], ["q"]), node("Cast", ["q"], ["f"], to=TensorProto.FLOAT), node("Mul", ["x", "f"], ["y"])]
    model = chain(*nodes, weights={"a": np.int64(-7), "b": np.int64(2)})
    after = fold_constants(model)
    assert ops(after.model) == ["Mul"]
    assert run(after.model, x=np.ones((2, 3), np.float32))[0][0, 0] == -3  # ONNX truncates towards zero


def test_constant_nodes_become_initializers():
    value = numpy_helper.from_array(np.float32(3), "v")
    model = chain(node("Constant", [], ["c"], value=value), node("Mul", ["x", "c"], ["y"]))
    after = fold_constants(model).model
    assert ops(after) == ["Mul"] and numpy_helper.to_array(after.graph.initializer[0]) == 3


@pytest.mark.parametrize("batch, folds", [(2, True), ("N", False)])
def test_shape_folds_when_it_is_static(batch, folds):
    model = make_model([node("Shape", ["x"], ["s"]), node("ConstantOfShape", ["s"], ["z"]), node("Add", ["x", "z"], ["y"])],
                       {"x": (batch, 3)}, {"y": (batch, 3)})
    assert ("Shape" not in ops(fold_constants(model).model)) == folds


def test_known_dimensions_of_a_half_known_shape_fold():
    nodes = [node("Shape", ["x"], ["s"]), node("Gather", ["s", "one"], ["d"], axis=0), node("Cast", ["d"], ["f"], to=1),
             node("Mul", ["x", "f"], ["y"])]
    model = make_model(nodes, {"x": ("N", 3)}, {"y": ("N", 3)}, {"one": np.int64(1)})
    after = fold_constants(model).model
    assert ops(after) == ["Shape", "Mul"]
    same(model, after, x=f32(4, 3))
    unknown = make_model(nodes, {"x": ("N", "M")}, {"y": ("N", "M")}, {"one": np.int64(1)})
    assert fold_constants(unknown).changes == 0


def test_what_must_not_fold():
    random = node("RandomNormal", [], ["r"], shape=[2, 3])
    assert fold_constants(chain(random, node("Add", ["x", "r"], ["y"]))).changes == 0
    output = make_model([node("Add", ["a", "b"], ["y"])], {"x": (1,)}, {"y": ()}, {"a": np.float32(1), "b": np.float32(2)})
    assert fold_constants(output).changes == 0
    quantized = chain(node("DequantizeLinear", ["q", "s"], ["w"]), node("Mul", ["x", "w"], ["y"]),
                      weights={"q": np.ones((2, 3), np.int8), "s": np.float32(0.1)})
    assert fold_constants(quantized).changes == 0


def test_an_initializer_that_is_an_input_too_may_be_overridden():
    model = make_model([node("Mul", ["d", "d"], ["e"]), node("Add", ["x", "e"], ["y"])], {"x": (2,), "d": ()}, {"y": (2,)},
                       {"d": np.float32(3)})
    after = eliminate_dead(fold_constants(model).model).model
    assert ops(after) == ["Mul", "Add"]
    assert run(after, x=np.zeros(2, np.float32), d=np.array(2, np.float32))[0].tolist() == [4, 4]


def big(elements, dtype=np.float32):
    return make_model([node("ConstantOfShape", ["s"], ["z"]), node("Add", ["x", "z"], ["y"])],
                      {"x": (elements,)}, {"y": (elements,)}, {"s": np.array([elements], np.int64)})


def test_size_limits_and_their_notes():
    assert fold_constants(big(64), max_tensor_bytes=256).changes == 1
    refused = fold_constants(big(65), max_tensor_bytes=256)
    assert refused.changes == 0 and "260 bytes" in refused.notes[0]
    # 8 bytes of input: a factor of 200 allows 1,600 bytes, and 1,024 bytes are always free
    assert fold_constants(big(400), growth_limit=200).changes == 1
    assert fold_constants(big(401), growth_limit=200).changes == 0
    assert fold_constants(big(256), growth_limit=0).changes == 1
    with pytest.raises(ValueError, match="negative"):
        fold_constants(big(4), max_tensor_bytes=-1)


def test_a_terabyte_is_refused_without_being_made():
    assert fold_constants(big(10**12)).changes == 0


def test_a_large_result_folds_when_as_large_a_constant_goes_away():
    nodes = [node("Transpose", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"])]
    model = make_model(nodes, {"x": (2, 5)}, {"y": (2, 7)}, {"w": f32(7, 5)})
    assert fold_constants(model, max_tensor_bytes=16).changes == 1
    nodes.insert(1, node("MatMul", ["x2", "w"], ["unused"]))
    shared = make_model(nodes, {"x": (2, 5), "x2": (2, 7)}, {"y": (2, 7)}, {"w": f32(7, 5)})
    assert fold_constants(shared, max_tensor_bytes=16).changes == 0


# -- conv and batch norm -------------------------------------------------------------------------------


def conv_bn(op, w, b=None, dtype=np.float32, extra=(), outputs=None, var=None, **attributes):
    channels = w.shape[1] * attributes.get("group", 1) if op == "ConvTranspose" else w.shape[0]
    weights = {"w": w, "g": f32(channels), "o": f32(channels), "m": f32(channels),
               "v": RNG.uniform(0.5, 2, channels) if var is None else var} | ({} if b is None else {"b": b})
    weights = {name: np.asarray(value, dtype) for name, value in weights.items()}
    nodes = [node(op, ["x", "w", *(["b"] if b is not None else [])], ["c"], **attributes),
             node("BatchNormalization", ["c", "g", "o", "m", "v"], ["n"], epsilon=1e-2), node("Relu", ["n"], ["y"]), *extra]
    shape = [None] * w.ndim
    made = {"y": (dtype, shape)} | dict.fromkeys(outputs or (), (dtype, shape))
    channels_in = w.shape[0] if op == "ConvTranspose" else w.shape[1] * attributes.get("group", 1)
    return make_model(nodes, {"x": (dtype, [2, channels_in, *[7] * (w.ndim - 2)])}, made, weights)


@pytest.mark.parametrize("op, shape, bias, group", [
    ("Conv", (6, 4, 3, 3), True, 1), ("Conv", (6, 4, 3, 3), False, 1), ("Conv", (6, 2, 3, 3), True, 2),
    ("Conv", (4, 1, 3, 3), False, 4), ("Conv", (5, 4, 3), True, 1), ("ConvTranspose", (4, 6, 2, 2), True, 1),
    ("ConvTranspose", (4, 3, 2, 2), False, 2), ("ConvTranspose", (4, 1, 2, 2), True, 4)])  # fmt: skip
def test_batch_norm_moves_into_the_convolution(op, shape, bias, group):
    channels = shape[1] * group if op == "ConvTranspose" else shape[0]
    model = conv_bn(op, f32(*shape), f32(channels) if bias else None, group=group)
    after = fuse_conv_bn(model)
    assert (ops(after.model), after.changes) == ([op, "Relu"], 1)
    same(model, after.model, x=f32(*[d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]))
    assert {t.data_type for t in after.model.graph.initializer} == {TensorProto.FLOAT}


def test_half_precision_stays_half_and_an_overflow_is_left_alone():
    model = conv_bn("Conv", f32(6, 4, 3, 3), dtype=np.float16)
    after = fuse_conv_bn(model).model
    assert {t.data_type for t in after.graph.initializer} == {TensorProto.FLOAT16}
    huge = conv_bn("Conv", np.full((6, 4, 3, 3), 6e4), dtype=np.float16, var=np.full(6, 1e-4))
    assert fuse_conv_bn(huge).changes == 0


@pytest.mark.parametrize("extra, outputs", [
    ([node("Tanh", ["c"], ["z"])], ["z"]),  # a second reader
    ([], ["c"]),  # an output of the graph
])
def test_no_fusion_when_the_convolution_is_read_elsewhere(extra, outputs):
    assert fuse_conv_bn(conv_bn("Conv", f32(6, 4, 3, 3), extra=extra, outputs=outputs)).changes == 0


def test_no_fusion_in_training_mode_nor_with_negative_variance():
    model = conv_bn("Conv", f32(6, 4, 3, 3))
    model.graph.node[1].attribute.append(helper.make_attribute("training_mode", 1))
    assert fuse_conv_bn(model).changes == 0
    assert fuse_conv_bn(conv_bn("Conv", f32(6, 4, 3, 3), var=np.full(6, -1.0))).changes == 0


def test_weights_that_two_convolutions_share_are_not_changed():
    w = f32(4, 4, 1, 1)
    nodes = [node("Conv", ["x", "w"], ["c"]), node("BatchNormalization", ["c", "g", "o", "m", "v"], ["n"]),
             node("Conv", ["n", "w"], ["y"])]
    weights = {"w": w, "g": f32(4), "o": f32(4), "m": f32(4), "v": np.ones(4, np.float32)}
    model = make_model(nodes, {"x": (1, 4, 2, 2)}, {"y": (1, 4, 2, 2)}, weights)
    after = fuse_conv_bn(model).model
    assert ops(after) == ["Conv", "Conv"]
    same(model, after, x=f32(1, 4, 2, 2))


# -- factors -------------------------------------------------------------------------------------------


def conv_with(before=(), after=(), weights=None, out="c", **attributes):
    nodes = [*before, node("Conv", ["p" if before else "x", "w", "b"], ["c"], pads=[1, 1, 1, 1], **attributes), *after]
    weights = {"w": f32(3, 4, 3, 3), "b": f32(3)} | (weights or {})
    return make_model(nodes, {"x": (2, 4, 5, 5)}, {out: (None, None, None, None)}, weights)


@pytest.mark.parametrize("case", [
    conv_with(before=[node("Mul", ["k", "x"], ["p"])], weights={"k": np.float32(1.7)}),
    conv_with(after=[node("Mul", ["c", "k"], ["y"])], weights={"k": f32(1, 3, 1, 1)}, out="y"),
    conv_with(after=[node("Add", ["k", "c"], ["y"])], weights={"k": f32(3, 1, 1)}, out="y"),
    conv_with(after=[node("Mul", ["c", "k"], ["m"]), node("Add", ["m", "k"], ["y"])], weights={"k": np.float32(2)}, out="y"),
    conv_with(before=[node("Mul", ["x", "k"], ["q"]), node("Mul", ["q", "k"], ["p"])], weights={"k": np.float32(2)}),
])  # fmt: skip
def test_factors_and_offsets_move_into_the_convolution(case):
    after = eliminate_dead(fuse_scales(case).model).model
    assert ops(after) == ["Conv"]
    same(case, after, x=f32(2, 4, 5, 5))


@pytest.mark.parametrize("case", [
    conv_with(before=[node("Mul", ["x", "k"], ["p"])], weights={"k": f32(1, 4, 1, 1)}),  # one for each channel
    conv_with(before=[node("Add", ["x", "k"], ["p"])], weights={"k": np.float32(1)}),  # the padding would shift too
    conv_with(after=[node("Mul", ["c", "k"], ["y"])], weights={"k": f32(1, 3, 5, 1)}, out="y"),
    conv_with(after=[node("Mul", ["c", "k"], ["y"])], weights={"k": f32(1, 1, 1, 1, 1)}, out="y"),
    conv_with(after=[node("Mul", ["c", "c"], ["y"])], out="y"),
    conv_with(after=[node("Mul", ["c", "k"], ["y"])], weights={"k": np.float32(1e38), "b": np.full(3, 1e3, np.float32)},
              out="y"),
])  # fmt: skip
def test_what_does_not_fit_into_a_convolution_stays(case):
    if any(len(v.dims) == 5 for v in case.graph.initializer):
        case.graph.output[0].type.tensor_type.ClearField("shape")
    assert fuse_scales(case).changes == 0


def test_two_scalars_become_one_unless_the_product_vanishes():
    def scaled(a, b):
        return chain(node("Mul", ["x", "a"], ["t"]), node("Mul", ["t", "b"], ["y"]),
                     weights={"a": np.float32(a), "b": np.float32(b)})

    after = fuse_scales(scaled(3, 0.5)).model
    assert ops(after) == ["Mul"] and run(after, x=np.ones((2, 3), np.float32))[0][0, 0] == 1.5
    assert fuse_scales(scaled(1e-30, 1e-30)).changes == 0
    assert fuse_scales(scaled(1e30, 1e30)).changes == 0
    assert fuse_scales(scaled(0, 2)).changes == 1


# -- transposes ----------------------------------------------------------------------------------------


def test_transposes_that_undo_each_other_go_and_others_are_composed():
    def two(first, second, out):
        return make_model([node("Relu", ["x"], ["a"]), node("Transpose", ["a"], ["b"], perm=first),
                           node("Transpose", ["b"], ["c"], perm=second), node("Tanh", ["c"], ["y"])],
                          {"x": (2, 3, 4, 5)}, {"y": out})

    gone = eliminate_dead(cancel_transposes(two([0, 2, 3, 1], [0, 3, 1, 2], (2, 3, 4, 5))).model).model
    assert ops(gone) == ["Relu", "Tanh"]
    model = two([0, 2, 3, 1], [0, 2, 3, 1], (2, 5, 3, 4))
    one = eliminate_dead(cancel_transposes(model).model).model
    assert ops(one) == ["Relu", "Transpose", "Tanh"]
    same(model, one, x=f32(2, 3, 4, 5))


def test_three_in_a_row_without_perm_and_a_second_reader():
    nodes = [node("Transpose", ["x"], ["a"]), node("Transpose", ["a"], ["b"]), node("Transpose", ["b"], ["c"]),
             node("Tanh", ["c"], ["y"]), node("Abs", ["a"], ["z"])]
    model = make_model(nodes, {"x": (2, 3, 4)}, {"y": (4, 3, 2), "z": (4, 3, 2)})
    after = cancel_transposes(model)
    for _ in range(3):
        after = eliminate_dead(cancel_transposes(after.model).model)
    assert ops(after.model).count("Transpose") <= 2
    same(model, after.model, x=f32(2, 3, 4))


# -- dead nodes and doubles ----------------------------------------------------------------------------


def test_dead_nodes_and_unread_weights_go_but_inputs_stay():
    nodes = [node("Relu", ["x"], ["y"]), node("Mul", ["x", "k"], ["d"]), node("Abs", ["d"], ["e"])]
    model = make_model(nodes, {"x": (2,), "unused": (2,)}, {"y": (2,)}, {"k": np.float32(1), "z": np.float32(2)})
    after = eliminate_dead(model)
    assert (ops(after.model), len(after.model.graph.initializer), after.changes) == (["Relu"], 0, 4)
    assert [i.name for i in after.model.graph.input] == ["x", "unused"]


def test_equal_nodes_and_equal_weights_merge_but_random_ones_do_not():
    nodes = [node("Mul", ["x", "k"], ["a"]), node("Mul", ["x", "l"], ["b"]), node("Add", ["a", "b"], ["y"])]
    model = make_model(nodes, {"x": (2,)}, {"y": (2,)}, {"k": np.float32(3), "l": np.float32(3)})
    after = eliminate_common_subexpressions(model)
    assert (ops(after.model), len(after.model.graph.initializer), after.changes) == (["Mul", "Add"], 1, 2)
    same(model, after.model, x=f32(2))
    noisy = [node("RandomNormalLike", ["x"], ["a"]), node("RandomNormalLike", ["x"], ["b"]), node("Sub", ["a", "b"], ["y"])]
    assert eliminate_common_subexpressions(make_model(noisy, {"x": (2,)}, {"y": (2,)})).changes == 0
    differ = [node("Softmax", ["x"], ["a"], axis=0), node("Softmax", ["x"], ["b"], axis=1), node("Add", ["a", "b"], ["y"])]
    assert eliminate_common_subexpressions(make_model(differ, {"x": (2, 3)}, {"y": (2, 3)})).changes == 0
    outputs = make_model([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["z"])], {"x": (2,)}, {"y": (2,), "z": (2,)})
    assert eliminate_common_subexpressions(outputs).changes == 0


def test_nan_and_signed_zero_weights_are_merged_by_their_bytes():
    nodes = [node("Add", ["x", "k"], ["a"]), node("Div", ["a", "l"], ["y"])]
    model = make_model(nodes, {"x": (1,)}, {"y": (1,)}, {"k": np.float32(0.0), "l": np.float32(-0.0)})
    assert eliminate_common_subexpressions(model).changes == 0


# -- reshapes ------------------------------------------------------------------------------------------


def dynamic(axes, tail, in_dims=("N", 4, 6), out=None):
    """Reshape to the input's dimensions `axes`, followed by the constants `tail`."""
    nodes = [node("Shape", ["x"], ["s"]), node("Gather", ["s", "axes"], ["d"]), node("Concat", ["d", "tail"], ["t"], axis=0),
             node("Reshape", ["x", "t"], ["y"])]
    return make_model(nodes, {"x": in_dims}, {"y": out or [None] * (len(axes) + len(tail))},
                      {"axes": np.array(axes, np.int64), "tail": np.array(tail, np.int64)})


@pytest.mark.parametrize("axes, tail, opened, rewritten", [
    ([0], [24], [-1, 24], [0, 24]), ([0], [-1], None, [0, -1]), ([0, 1], [6], [-1, 4, 6], [0, 4, 6]),
    ([1], [-1, 6], [4, -1, 6], [4, -1, 6])])  # fmt: skip
def test_computed_targets_become_constants(axes, tail, opened, rewritten):
    model = dynamic(axes, tail)
    for apply, target in ((open_reshape, opened), (rewrite_dynamic_reshape, rewritten)):
        after = eliminate_dead(apply(model).model).model
        if target is None:
            assert apply(model).changes == 0
            continue
        assert ops(after) == ["Reshape"]
        assert numpy_helper.to_array(after.graph.initializer[0]).tolist() == target
        for batch in (1, 3):
            same(model, after, x=f32(batch, 4, 6))


def test_two_unknown_dimensions_and_unnamed_ones():
    assert open_reshape(dynamic([0, 1], [6], ("N", "M", 6))).changes == 0
    both = rewrite_dynamic_reshape(dynamic([0, 1], [6], ("N", "M", 6)))
    assert both.changes == 1  # copied, each at its own place
    assert rewrite_dynamic_reshape(dynamic([1, 0], [6], ("N", "M", 6))).changes == 0
    assert rewrite_dynamic_reshape(dynamic([0, 1], [6], (None, None, 6))).changes == 1


@pytest.mark.parametrize("start, end, step", [(0, 2, 1), (-3, -1, 1), (0, 3, 2)])
def test_slices_of_a_shape_are_read(start, end, step):
    nodes = [node("Shape", ["x"], ["s"]), node("Slice", ["s", "a", "b", "axis", "c"], ["d"]),
             node("Concat", ["d", "tail"], ["t"], axis=0), node("Reshape", ["x", "t"], ["y"])]
    weights = {"a": np.array([start]), "b": np.array([end]), "axis": np.array([0]), "c": np.array([step])}
    kept = [4, 5, 6][slice(start, end, step)]
    rest = 120 // int(np.prod(kept))
    model = make_model(nodes, {"x": ("N", 5, 6)}, {"y": [None] * (len(kept) + 1)}, weights | {"tail": np.array([rest])})
    after = eliminate_dead(rewrite_dynamic_reshape(model).model).model
    assert ops(after) == ["Reshape"]
    same(model, after, x=f32(4, 5, 6))
