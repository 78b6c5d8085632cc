"""Vertical and horizontal fusion, and the bytes that they save."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.tensorrt_optimizer import (
    ConvParams,
    Layer,
    fuse_chain,
    fuse_vertical,
    fused_traffic_bytes,
    fusion_traffic,
    layers_of,
    merge_convs,
    merge_sibling_convs,
)
from utils.engines.tensorrt_optimizer.blocks import inception_block, residual_block

PATTERNS = [("Conv", "BN", "Relu"), ("Conv", "BN"), ("Conv", "Relu"), ("Conv", "Add"), ("Add", "Relu")]


@st.composite
def graphs(draw):
    """Layers in order, each reading one or two earlier tensors; any tensors may be outputs."""
    tensors, layers = ["x"], []
    for i in range(draw(st.integers(1, 10))):
        op = draw(st.sampled_from(["Conv", "BN", "Relu", "Add"]))
        count = 2 if op == "Add" else 1
        inputs = tuple(draw(st.sampled_from(tensors[-3:])) for _ in range(count))
        layers.append(Layer(f"l{i}", op, inputs, f"t{i}"))
        tensors.append(f"t{i}")
    outputs = draw(st.sets(st.sampled_from(tensors[1:]))) | {tensors[-1]}
    return layers, outputs


@given(graphs())
def test_each_layer_stands_in_one_group_and_inner_tensors_have_no_other_reader(graph):
    layers, outputs = graph
    groups = fuse_vertical(layers, outputs, PATTERNS)
    assert sorted(layer.name for g in groups for layer in g.layers) == sorted(layer.name for layer in layers)
    for group in groups:
        assert len(group.layers) == 1 or tuple(layer.op for layer in group.layers) in PATTERNS
        for before, after in zip(group.layers, group.layers[1:]):
            assert before.output not in outputs
            assert [layer.name for layer in layers if before.output in layer.inputs] == [after.name]


@given(graphs())
def test_no_group_could_have_begun_with_a_longer_free_chain(graph):
    """Slow statement of the rule: walk along single readers; the longest prefix that is a pattern is the group."""
    layers, outputs = graph
    taken, expected = set(), []
    for layer in layers:
        if layer.name in taken:
            continue
        walk = [layer]
        while walk[-1].output not in outputs:
            readers = [other for other in layers if walk[-1].output in other.inputs]
            if len(readers) != 1 or readers[0].name in taken:
                break
            walk.append(readers[0])
        size = max([n for n in range(2, len(walk) + 1) if tuple(step.op for step in walk[:n]) in PATTERNS], default=1)
        expected.append([step.name for step in walk[:size]])
        taken.update(expected[-1])
    found = fuse_vertical(layers, outputs, PATTERNS)
    assert [[layer.name for layer in g.layers] for g in found] == expected


def test_plain_data_form_and_bad_pattern():
    layers = [("conv", "Conv", ["x"], "a"), ("mul", "Mul", ["a", "a"], "y")]
    assert fuse_chain(layers, ["y"], [("Conv", "Mul")]) == [["conv", "mul"]]
    with pytest.raises(ValueError, match="two operators"):
        fuse_chain(layers, ["y"], [("Conv",)])


def test_blocks_have_the_documented_operators():
    assert len(layers_of(inception_block())) == 20
    assert len(layers_of(residual_block())) == 7
    assert [g.op for g in fuse_vertical(layers_of(residual_block()), ["relu2"])] == [
        "Conv+BatchNormalization+Relu", "Conv+BatchNormalization+Add+Relu"]


# -- siblings -------------------------------------------------------------------------------------


@settings(deadline=None)  # the first convolution of a process is slow
@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=4), st.sampled_from([(1, 1), (3, 3), (3, 1)]))
def test_merged_convolution_computes_each_branch(branches, kernel):
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((o, 3, *kernel)).astype(np.float64) for o, _ in branches]
    biases = [rng.standard_normal(o) if has else None for o, has in branches]
    weight, bias, ranges = merge_convs(weights, biases)
    x = torch.from_numpy(rng.standard_normal((2, 3, 6, 5)))
    whole = F.conv2d(x, torch.from_numpy(weight), torch.from_numpy(bias))
    for w, b, (start, stop) in zip(weights, biases, ranges):
        alone = F.conv2d(x, torch.from_numpy(w), None if b is None else torch.from_numpy(b))
        # float64, at most 27 products of order 1: a few eps
        torch.testing.assert_close(whole[:, start:stop], alone, rtol=0, atol=1e-13)


def test_merge_names_what_differs():
    one = ConvParams("x", np.zeros((2, 3, 1, 1), np.float32))
    for other, word in ((ConvParams("z", one.weight), "same x"), (ConvParams("x", np.zeros((2, 4, 1, 1), "f")), "input channels"),
                        (ConvParams("x", np.zeros((2, 3, 3, 3), "f")), "kernel"), (ConvParams("x", one.weight, stride=(2, 2)), "stride"),
                        (ConvParams("x", one.weight, pads=(1, 1, 1, 1)), "pads"), (ConvParams("x", one.weight, dilation=(2, 2)), "dilation"),
                        (ConvParams("x", one.weight, relu=True), "relu")):
        with pytest.raises(ValueError, match=word):
            merge_sibling_convs([one, other])
    grouped = ConvParams("x", one.weight, groups=3)
    with pytest.raises(ValueError, match="groups"):
        merge_sibling_convs([grouped, grouped])
    with pytest.raises(ValueError, match="empty"):
        merge_sibling_convs([])


@pytest.mark.parametrize("weights", [[], [np.zeros((1, 2, 1, 1)), np.zeros((1, 3, 1, 1))], [np.zeros((1, 2, 1, 3)), np.zeros((1, 2, 3, 1))]])
def test_merge_convs_refuses(weights):
    with pytest.raises(ValueError, match="weights"):
        merge_convs(weights, [None] * len(weights))


# -- bytes ----------------------------------------------------------------------------------------


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(1, 1000), st.integers(0, 5), st.sampled_from([1, 2, 4]))
def test_traffic_of_a_chain_agrees_with_the_formula(x, w, y, n, item):
    chain = [Layer("conv", "Conv", ("x", "w"), "t0")] + [Layer(f"p{i}", "Relu", (f"t{i}",), f"t{i + 1}") for i in range(n)]
    shapes = {"x": (x,), "w": (w,), **{f"t{i}": (y,) for i in range(n + 1)}}
    assert fused_traffic_bytes(chain, shapes, item) == fusion_traffic(x, w, y, n, item)


def test_traffic_of_the_worked_example():
    assert fusion_traffic(200704, 36864, 200704, 2, 4) == (4964352, 1753088)
    with pytest.raises(ValueError, match="layers"):
        fused_traffic_bytes([], {})
