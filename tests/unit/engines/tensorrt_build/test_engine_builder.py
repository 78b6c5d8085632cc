"""One builder, three APIs: the calls that each release sees, and what is refused before a build."""

import onnx
import pytest
from onnx import helper

from utils.engines.stream_sweep import four_layer_cnn
from utils.engines.tensorrt_build import (
    RELEASES,
    BuildSpec,
    TensorRange,
    build_engine,
    build_plan,
    read_plan,
    recording_tensorrt,
    save_plan,
)
from utils.optional import EngineUnavailable

SHAPES = ((1, 3, 16, 16), (4, 3, 16, 16), (8, 3, 16, 16))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "m.onnx"
    onnx.save(four_layer_cnn((4, 4), size=16), file)
    return str(file)


def spec(path, **changed):
    return BuildSpec(path, ((TensorRange("x", *SHAPES),),), workspace_bytes=1 << 28, **changed)


@pytest.mark.parametrize("release", RELEASES)
def test_the_calls_of_a_plain_build(path, release):
    trt = recording_tensorrt(release)
    plan = read_plan(build_engine(spec(path), trt))
    assert trt.calls == [
        ("create_network", 1 if release == "8.6" else 0), ("parse_from_file", path), ("create_builder_config",),
        ("create_optimization_profile",), ("set_shape", "x", *SHAPES), ("add_optimization_profile",), ("set_memory_pool_limit", "WORKSPACE", 1 << 28),
        ("builder_optimization_level", 3), ("build_serialized_network",)]
    assert plan["pools"] == {"WORKSPACE": 1 << 28} and plan["strongly_typed"] == (release == "11.1")


@pytest.mark.parametrize("release", RELEASES)
def test_the_exercise_function_builds_the_same(path, release):
    data = onnx.load(path).SerializeToString()
    plan = build_plan(recording_tensorrt(release), data, {"x": SHAPES}, 1 << 28, False)
    assert type(plan) is bytes
    assert read_plan(plan) == read_plan(build_engine(spec(path), recording_tensorrt(release)))


def test_every_option_reaches_the_builder(path, tmp_path):
    cache = tmp_path / "cache.bin"
    options = {"precision": "bf16", "version_compatible": True, "hardware": "sameComputeCapability", "optimization_level": 5,
                   "timing_cache": str(cache)}
    trt = recording_tensorrt("10.16")
    plan = read_plan(build_engine(spec(path, **options), trt, smoke_test=True))
    assert plan["flags"] == ["BF16", "VERSION_COMPATIBLE"] and plan["hardware"] == "SAME_COMPUTE_CAPABILITY"
    assert plan["optimization_level"] == 5 and plan["timing_cache"] is True
    assert ("create_timing_cache", 0) in trt.calls and ("set_timing_cache", False) in trt.calls
    assert cache.read_bytes() == b"CACHE" and trt.calls[-1][0] == "deserialize_cuda_engine"
    again = recording_tensorrt("10.16")
    build_engine(spec(path, timing_cache=str(cache)), again)
    assert ("create_timing_cache", 5) in again.calls


def test_two_profiles_are_two_calls(path):
    two = BuildSpec(path, tuple((TensorRange("x", (1, 3, 16, 16), (b, 3, 16, 16), (b, 3, 16, 16)),) for b in (2, 8)))
    assert [p["x"][2][0] for p in read_plan(build_engine(two, recording_tensorrt("11.1")))["profiles"]] == [2, 8]


def test_strong_typing_is_a_choice_in_10_only(path):
    flags = []
    for release in ("10.16", "11.1"):
        trt = recording_tensorrt(release)
        assert read_plan(build_engine(spec(path, strongly_typed=True), trt))["strongly_typed"] is True
        flags.append(trt.calls[0])
    assert flags == [("create_network", 2), ("create_network", 0)]
    with pytest.raises(ValueError, match="strongly_typed"):
        build_engine(spec(path, strongly_typed=True), recording_tensorrt("8.6"))


@pytest.mark.parametrize(("release", "precision"), [("11.1", "fp16"), ("11.1", "bf16"), ("8.6", "bf16")])
def test_a_precision_without_a_flag_is_refused_before_the_build(path, release, precision):
    trt = recording_tensorrt(release)
    with pytest.raises(ValueError, match="model precision"):
        build_engine(spec(path, precision=precision), trt)
    assert trt.calls == []


def test_8_6_has_one_hardware_level(path):
    with pytest.raises(ValueError, match="hardware"):
        build_engine(spec(path, hardware="sameComputeCapability"), recording_tensorrt("8.6"))
    plan = build_engine(spec(path, hardware="ampere+"), recording_tensorrt("8.6"))
    assert read_plan(plan)["hardware"] == "AMPERE_PLUS"


@pytest.mark.parametrize("profiles", [(), ((TensorRange("x", (1, 3, 8, 8), (1, 3, 16, 16), (1, 3, 16, 16)),),),
                                      ((TensorRange("input", *SHAPES),),)])
def test_a_profile_that_does_not_fit_costs_no_build(path, profiles):
    trt = recording_tensorrt("11.1")
    with pytest.raises(ValueError, match="profile 0 must fit the model"):
        build_engine(BuildSpec(path, profiles), trt)
    assert trt.calls == []


def unparsable():
    nodes = [helper.make_node(op, [a], [b], domain="mine") for op, a, b in (("First", "x", "y"), ("Second", "y", "z"))]
    graph = helper.make_graph(nodes, "g", *[[helper.make_tensor_value_info(n, 1, [1])] for n in "xz"])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("mine", 1)])


def test_all_parser_errors_are_told():
    with pytest.raises(RuntimeError, match=r"node 0 .*First; node 1 .*Second"):
        build_plan(recording_tensorrt("11.1"), unparsable().SerializeToString(), {}, 1, False)


@pytest.mark.parametrize("release", RELEASES)
def test_none_from_the_builder_is_an_error(path, release):
    data = onnx.load(path).SerializeToString()
    against = {"x": ((1, 3, 8, 8), (1, 3, 16, 16), (1, 3, 16, 16))}
    with pytest.raises(RuntimeError, match="None"):
        build_plan(recording_tensorrt(release), data, against, 1 << 20, False)
    with pytest.raises(RuntimeError, match="None"):
        build_plan(recording_tensorrt(release), data, {}, 1 << 20, False)


def test_a_smoke_test_without_a_gpu_fails(path):
    with pytest.raises(RuntimeError, match="cannot be loaded"):
        build_engine(spec(path), recording_tensorrt("11.1", gpu=False), smoke_test=True)
    assert build_engine(spec(path), recording_tensorrt("11.1", gpu=False))


@pytest.mark.parametrize("changed", [{"precision": "int8"}, {"hardware": "turing"}, {"optimization_level": 6},
                                     {"strongly_typed": True, "precision": "fp16"}])
def test_a_spec_refuses_what_no_release_takes(path, changed):
    with pytest.raises(ValueError, match=next(iter(set(changed) - {"strongly_typed"}))):
        spec(path, **changed)
    for size in (0, 1.5):
        with pytest.raises(ValueError, match="workspace_bytes"):
            BuildSpec(path, workspace_bytes=size)


def test_without_tensorrt_the_error_says_how_to_get_it(path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineUnavailable, match=r"is not available: .*pip install tensorrt"):
        build_engine(spec(path))


def test_a_plan_is_saved_whole(path, tmp_path):
    plan = build_engine(spec(path), recording_tensorrt("11.1"))
    save_plan(plan, tmp_path / "m.plan")
    assert (tmp_path / "m.plan").read_bytes() == plan and [f.name for f in tmp_path.iterdir()] == ["m.plan"]
    assert spec(path).plan_path == path[:-5] + ".plan"
