"""The functions on plain data: folding of batch norm, permutations, reshape targets, rewiring of tuples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from utils.graphs.onnx_tools import make_model, make_session
from utils.graphs.simplify import compose_transposes, fold_conv_bn, remove_noops, reshape_target

# -- batch norm ----------------------------------------------------------------------------------------


def test_the_example_by_hand():
    # s = 3 / sqrt(0.25) = 6: w' = 2 * 6, b' = (1 - 4) * 6 + 0.5
    w, b = fold_conv_bn(np.array([[[[2.0]]]], np.float32), np.array([1.0]), *map(np.array, ([3.0], [0.5], [4.0], [0.25])), 0)
    assert (w.item(), b.item()) == (12.0, -17.5) and w.dtype == b.dtype == np.float32 and w.shape == (1, 1, 1, 1)


@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([1, 2, 4]), st.sampled_from([1e-5, 1e-3, 2.0]))
@settings(max_examples=30, deadline=None)
def test_against_torch(seed, bias, groups, eps):
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    conv, norm = nn.Conv2d(4, 8, 3, groups=groups, bias=bias).double(), nn.BatchNorm2d(8, eps=eps).double().eval()
    with torch.no_grad():
        for p in (norm.weight, norm.bias, norm.running_mean):
            p.normal_()
        norm.running_var.uniform_(0.1, 3)
        x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
        b = conv.bias.numpy() if bias else None
        parts = [t.detach().numpy() for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]
        w, b = fold_conv_bn(conv.weight.detach().numpy(), None if b is None else b, *parts, eps)
        got = nn.functional.conv2d(x, torch.from_numpy(w).double(), torch.from_numpy(b).double(), groups=groups)
        want = norm(conv(x))
    # w' and b' are rounded to float32 once: 36 products and a bias, each off by at most 2^-24 relative
    bound = 2.0**-23 * (36 * np.abs(w).max() * x.abs().max().item() + np.abs(b).max())
    assert (got - want).abs().max() < bound


def test_bad_statistics_and_shapes_are_refused():
    w, one = np.ones((3, 2, 1, 1), np.float32), np.ones(3)
    for changed in ({"gamma": np.ones(2)}, {"beta": np.ones(4)}, {"mean": np.ones((3, 1))}, {"b": np.ones(2)}):
        arguments = {"b": one, "gamma": one, "beta": one, "mean": one, "var": one} | changed
        with pytest.raises(ValueError, match="shape"):
            fold_conv_bn(w, **arguments, eps=0)
    for var, eps in ((0, 0), (-1, 0.5), (np.nan, 1e-5)):
        with pytest.raises(ValueError, match="positive"):
            fold_conv_bn(w, None, one, one, one, np.array([1, var, 1]), eps)


# -- permutations --------------------------------------------------------------------------------------


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.permutations(range(n)), max_size=5)))
def test_one_transpose_does_what_the_chain_does(perms):
    composed = compose_transposes([tuple(p) for p in perms])
    shape = (2, 3, 5, 7, 11)[: len(perms[0]) if perms else 3]  # all different: a wrong order shows in the shape
    array = want = np.arange(np.prod(shape)).reshape(shape)
    for p in perms:
        want = want.transpose(p)
    assert np.array_equal(array if composed is None else array.transpose(composed), want)
    assert composed is None or composed != tuple(range(len(composed)))


def test_all_pairs_of_rank_three_and_bad_input():
    for p, q in itertools.product(itertools.permutations(range(3)), repeat=2):
        got = compose_transposes([p, q]) or (0, 1, 2)
        assert np.arange(24).reshape(2, 3, 4).transpose(p).transpose(q).shape == tuple((2, 3, 4)[i] for i in got)
    assert compose_transposes([]) is None and compose_transposes([(0, 2, 3, 1), (0, 3, 1, 2)]) is None
    for bad in ([(0, 0)], [(1, 2)], [(0, 1), (0, 1, 2)], [(0, -1)]):
        with pytest.raises(ValueError, match="permutations"):
            compose_transposes(bad)


# -- reshape targets -----------------------------------------------------------------------------------


def random_case(rng):
    """An input shape of numbers and symbols, and a target with the same product for all values of the symbols."""
    dims = [str(rng.choice(["N", "M"])) if rng.random() < 0.5 else int(rng.integers(1, 5)) for _ in range(rng.integers(1, 5))]
    target = [dims[i] for i in rng.permutation(len(dims))] if rng.random() < 0.5 else list(dims)
    if rng.random() < 0.4:
        target[int(rng.integers(len(target)))] = -1
    elif rng.random() < 0.5:
        target.insert(int(rng.integers(len(target) + 1)), 1)
    return dims, target


def test_200_random_targets_in_onnx_runtime():
    rng, answers = np.random.default_rng(0), []
    for _ in range(200):
        dims, target = random_case(rng)
        constant = reshape_target(dims, target)
        answers.append(constant)
        if constant is None:
            continue
        model = make_model([helper.make_node("Reshape", ["x", "t"], ["y"])], {"x": dims}, {"y": [None] * len(target)},
                           {"t": np.array(constant, np.int64)})
        session = make_session(model)
        for values in ({"N": 2, "M": 3}, {"N": 5, "M": 7}):
            x = np.zeros([values.get(d, d) for d in dims], np.float32)
            computed = [values.get(d, d) for d in target]
            assert session.run(None, {"x": x})[0].shape == x.reshape(computed).shape
    assert 20 < answers.count(None) < 120


@pytest.mark.parametrize("in_shape, target, constant", [
    (["N", 16, 1, 1], ["N", -1], [0, -1]), (["N", 16], [16, "N"], [16, -1]), (["N", "M"], ["M", "N"], None),
    (["N", 4, 6], [-1, "N", 4], None), (["N"], [1, "N"], [1, -1]), ([2, "N"], ["N", 2], [-1, 2]), ([], [], []),
    (["N", 2], ["N", "K"], [0, -1]), (["N", "N"], ["N", "N"], [0, 0]), ([6], [2, 3], [2, 3])])  # fmt: skip
def test_targets_by_hand(in_shape, target, constant):
    assert reshape_target(in_shape, target) == constant


@pytest.mark.parametrize("in_shape, target", [(["N"], [-1, -1]), (["N"], [0]), (["N", 0], ["N"]), ([-1], [1]), ([2], [-2])])
def test_numbers_below_one_are_refused(in_shape, target):
    with pytest.raises(ValueError, match="1 or more"):
        reshape_target(in_shape, target)


# -- tuples --------------------------------------------------------------------------------------------


def meaning(nodes, inputs, outputs):
    """Each output as a nested expression in which no-ops do not show: a semantics of its own."""
    values = {name: name for name in inputs}
    for op, ins, outs in nodes:
        args = tuple(values[name] for name in ins)
        for i, name in enumerate(outs):
            transparent = op in ("Identity", "Dropout") and i == 0
            values[name] = args[0] if transparent else (op, i, args)
    return [values[name] for name in outputs]


def random_tuples(rng):
    names, nodes = ["x"], []
    for k in range(int(rng.integers(1, 10))):
        op = str(rng.choice(["Identity", "Identity", "Dropout", "Relu", "Add"]))
        sources = [n for n in names if not n.startswith("mask")] if op in ("Identity", "Dropout") else names
        ins = tuple(str(rng.choice(sources)) for _ in range(2 if op == "Add" else 1))
        outs = (f"t{k}", f"mask{k}") if op == "Dropout" and rng.random() < 0.5 else (f"t{k}",)
        nodes.append((op, ins, outs))
        names += outs
    made = [n for n in names[1:] if not n.startswith("mask")]
    outputs = tuple(dict.fromkeys([made[-1], *(str(rng.choice(made)) for _ in range(int(rng.integers(3))))]))
    return nodes, ("x",), outputs


@given(st.integers(0, 100_000))
@settings(max_examples=150, deadline=None)
def test_rewiring_keeps_the_meaning_and_removes_all_it_may(seed):
    nodes, inputs, outputs = random_tuples(np.random.default_rng(seed))
    before = list(nodes)
    got = remove_noops(nodes, inputs, outputs)
    assert nodes == before
    assert meaning(got, inputs, outputs) == meaning(nodes, inputs, outputs)
    assert [op for op, _, _ in got if op not in ("Identity", "Dropout")] == [
        op for op, _, _ in nodes if op not in ("Identity", "Dropout")]  # fmt: skip
    made = {n: i for i, (_, _, outs) in enumerate(got) for n in outs}
    read = {n for _, ins, _ in got for n in ins} | set(outputs)
    for op, ins, outs in got:
        if op == "Identity" or (op == "Dropout" and not read & set(outs[1:])):
            assert outs[0] in outputs and (ins[0] not in made or ins[0] in outputs)
    assert remove_noops(got, inputs, outputs) == got


def test_the_examples_by_hand():
    assert remove_noops([("Relu", ("x",), ("a",)), ("Identity", ("a",), ("y",))], ("x",), ("y",)) == [("Relu", ("x",), ("y",))]
    wired = [("Identity", ("x",), ("y",))]
    assert remove_noops(wired, ("x",), ("y",)) == wired
    assert remove_noops([("Identity", ("w",), ("y",))], ("x",), ("y",)) == [("Identity", ("w",), ("y",))]
