"""Profiles: violations against a slow, obviously right version; the choice against a brute-force one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from utils.engines.tensorrt_build import (
    TensorRange,
    check_profile,
    choose_profile,
    profile_for,
    profile_violations,
    recording_tensorrt,
)
from utils.graphs.onnx_tools import make_model

dims = st.integers(-1, 4)
shapes = st.lists(st.one_of(st.just("N"), st.integers(0, 4)), max_size=4)


@given(shapes, st.data())
def test_an_empty_list_means_that_the_builder_accepts(model_shape, data):
    """The stand-in's builder is the oracle: it was written from NVIDIA's conditions on set_shape."""
    lo, opt, hi = (tuple(data.draw(st.lists(dims, min_size=len(model_shape), max_size=len(model_shape)))) for _ in range(3))
    node = helper.make_node("Relu", ["x"], ["y"])
    model = make_model([node], {"x": tuple(model_shape)}, {"y": tuple(model_shape)})
    trt = recording_tensorrt("11.1")
    builder = trt.Builder(trt.Logger())
    network, config, profile = builder.create_network(), builder.create_builder_config(), builder.create_optimization_profile()
    assert trt.OnnxParser(network, trt.Logger()).parse(model.SerializeToString())
    try:
        profile.set_shape("x", lo, opt, hi)
        config.add_optimization_profile(profile)
        accepted = builder.build_serialized_network(network, config) is not None
    except ValueError:
        accepted = False
    assert accepted == (check_profile(tuple(model_shape), lo, opt, hi) == [])


def test_every_rule_speaks_for_itself():
    assert check_profile((2,), (2,), (2,), (3,)) == ["static:0"]
    assert check_profile(("N",), (-1,), (2,), (1,)) == ["negative:0", "order:0"]
    assert check_profile((3, "N"), (-1, 5), (1, 4), (2, 4)) == ["negative:0", "order:1", "static:0"]
    assert check_profile(("N",), (0,), (0,), (0,)) == []
    for bad in (((1,), (1, 1), (1, 1)), ((1, 1), (1,), (1, 1)), ((1, 1), (1, 1), (1,)), ((1,), (1,), (1,))):
        assert check_profile(("N", 1), *bad) == ["rank"]
    assert check_profile(tuple("N" * 12), (2,) * 12, (1,) * 12, (3,) * 12)[:3] == ["order:0", "order:1", "order:10"]


def test_violations_of_several_inputs():
    inputs = {"ids": ("N", "T"), "mask": ("N", "T"), "k": (1,)}
    good = (TensorRange("ids", (1, 8), (4, 8), (8, 16)), TensorRange("mask", (1, 8), (4, 8), (8, 16)))
    assert profile_violations(inputs, good) == []  # k is static: it may be left out
    other = (good[0], TensorRange("mask", (1, 8), (2, 8), (8, 16)))
    assert len(profile_violations(inputs, other)) == 1 and "N must have one range" in profile_violations(inputs, other)[0]
    told = profile_violations(inputs, (good[0], TensorRange("z", (1,), (1,), (1,))))
    assert told == ["mask has no range", "z is no input of the model"]
    told = profile_violations(inputs, (*good, TensorRange("k", (1,), (2,), (1,)),))
    assert [t.split(":")[0] for t in told] == ["k[0]", "k[0]"]
    told = profile_violations({"x": ("?", "?")}, (TensorRange("x", (1, 5), (1, 5), (2, 6)),))
    assert told == []  # dimensions without a name need not agree
    assert "dimensions" in profile_violations({"x": ("N",)}, (TensorRange("x", (1, 5), (1, 5), (2, 6)),))[0]



sizes = st.integers(1, 9)
ranges = st.lists(st.tuples(sizes, sizes, sizes).map(sorted), min_size=1, max_size=3)


@given(st.lists(ranges, min_size=1, max_size=4), st.lists(st.integers(0, 9), min_size=1, max_size=3))
def test_the_choice_is_the_nearest_in_exact_arithmetic(all_ranges, shape):
    """Distances compared as exact fractions: |ln(a/b)| orders as max(a/b, b/a)."""
    from fractions import Fraction

    profiles = [tuple(zip(*r)) for r in all_ranges]
    volume = math.prod(shape) or 1
    ratios = {}
    for i, (lo, opt, hi) in enumerate(profiles):
        if len(lo) == len(shape) and all(a <= n <= b for a, n, b in zip(lo, shape, hi)):
            ratio = Fraction(math.prod(opt), volume)
            ratios[i] = max(ratio, 1 / ratio)
    if not ratios:
        with pytest.raises(ValueError, match="no profile admits"):
            choose_profile(profiles, tuple(shape))
    else:
        assert choose_profile(profiles, tuple(shape)) == min(ratios, key=lambda i: (ratios[i], i))


def test_the_tie_of_the_text():
    wide = [((1, 3, 224, 224), (n, 3, 224, 224), (m, 3, 224, 224)) for n, m in ((1, 4), (16, 32))]
    assert [choose_profile(wide, (b, 3, 224, 224)) for b in (2, 4, 5)] == [0, 0, 1]


def test_a_profile_for_several_inputs_multiplies_volumes():
    def profile(b, t):
        return (TensorRange("ids", (1, 1), (b, t), (64, 512)), TensorRange("mask", (1, 1), (b, t), (64, 512)))

    profiles = [profile(1, 512), profile(64, 512)]
    assert profile_for(profiles, {"ids": (1, 512), "mask": (1, 512)}) == 0
    assert profile_for(profiles, {"ids": (32, 512), "mask": (32, 512)}) == 1
    with pytest.raises(ValueError, match="no profile admits"):
        profile_for(profiles, {"ids": (1, 512)})
