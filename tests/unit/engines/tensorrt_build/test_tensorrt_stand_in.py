"""The stand-ins: they have the names of their release and no other, and refuse what the real builder refuses."""

import json

import numpy as np
import pytest
from onnx import helper

from utils.engines.tensorrt_build import RELEASES, api_names, read_plan, recording_tensorrt, stand_in_parts, where_is
from utils.graphs.onnx_tools import make_model


def model(dims=("N", 3, 8, 8), *, op="Relu", domain=""):
    node = helper.make_node(op, ["x"], ["y"], domain=domain)
    if domain:  # make_model's checker knows the standard operators only
        graph = helper.make_graph([node], "g", *[[helper.make_tensor_value_info(n, 1, list(dims))] for n in "xy"])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)])
    return make_model([node], {"x": dims}, {"y": dims})


def build(trt, data, shapes=None, flags=0, configure=lambda config: None):
    builder = trt.Builder(trt.Logger(trt.Logger.WARNING))
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, trt.Logger())
    ok = parser.parse(data)
    config = builder.create_builder_config()
    if shapes is not None:
        profile = builder.create_optimization_profile()
        for name, three in shapes.items():
            profile.set_shape(name, *three)
        config.add_optimization_profile(profile)
    configure(config)
    return ok, parser, builder.build_serialized_network(network, config)


RANGE = {"x": ((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))}


@pytest.mark.parametrize("release", RELEASES)
def test_every_class_exposes_exactly_the_names_of_its_release(release):
    trt = recording_tensorrt(release)
    for owner, names in api_names(release).items():
        thing = getattr(trt, owner)
        members = getattr(thing, "__members__", None)
        public = set(members) if members is not None else {n for n in vars(thing) if not n.startswith("_")}
        assert public == set(names), owner


@pytest.mark.parametrize(("owner", "name", "releases"), [
    ("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH", ("8.6", "10.16")),
    ("PreviewFeature", "DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805", ("8.6",)),
    ("BuilderFlag", "FP16", ("8.6", "10.16")), ("BuilderFlag", "BF16", ("10.16",)),
    ("BuilderFlag", "VERSION_COMPATIBLE", RELEASES), ("IBuilderConfig", "max_workspace_size", ("8.6",)),
])
def test_names_come_and_go(owner, name, releases):
    assert where_is(name)[owner] == releases
    for release in RELEASES:
        assert hasattr(getattr(recording_tensorrt(release), owner), name) == (release in releases)


def test_an_unknown_release_and_an_unknown_name_are_refused():
    with pytest.raises(ValueError, match="release"):
        recording_tensorrt("9.0")
    with pytest.raises(KeyError):
        where_is("FP17")


def test_setting_an_attribute_that_is_gone_fails_as_it_does_on_a_compiled_class():
    config = recording_tensorrt("10.16")
    config = config.Builder(config.Logger()).create_builder_config()
    with pytest.raises(AttributeError, match="max_workspace_size"):
        config.max_workspace_size = 1
    config.builder_optimization_level = 5
    assert config.builder_optimization_level == 5


def test_8_6_needs_the_explicit_batch_flag_and_the_others_do_not():
    for release in RELEASES:
        ok, parser, plan = build(recording_tensorrt(release), model().SerializeToString(), RANGE)
        assert ok == (release != "8.6") == (plan is not None)
        if not ok:
            assert "explicit batch" in parser.get_error(0).desc()
    assert build(recording_tensorrt("8.6"), model().SerializeToString(), RANGE, flags=1)[0]


def test_a_flag_is_a_number_only_through_int():
    flag = recording_tensorrt("8.6").NetworkDefinitionCreationFlag.EXPLICIT_BATCH
    assert 1 << int(flag) == 1
    with pytest.raises(TypeError):
        1 << flag
    with pytest.raises(TypeError, match="create_network"):
        trt = recording_tensorrt("8.6")
        trt.Builder(trt.Logger()).create_network(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)


@pytest.mark.parametrize("shapes", [
    None,  # the batch is dynamic
    {}, {"z": RANGE["x"]},
    {"x": ((1, 3, 4, 4), (2, 3, 8, 8), (4, 3, 8, 8))},  # against a static dimension
    {"x": ((1, 3, 8), (1, 3, 8), (1, 3, 8))},
])
def test_the_builder_returns_none_for_a_profile_that_does_not_fit(shapes):
    trt = recording_tensorrt("11.1")
    ok, _, plan = build(trt, model().SerializeToString(), shapes)
    assert ok and plan is None and trt.messages


def test_a_static_model_needs_no_profile():
    assert build(recording_tensorrt("11.1"), model((1, 3, 8, 8)).SerializeToString())[2] is not None


def test_a_range_that_is_out_of_order_is_refused_at_once():
    trt = recording_tensorrt("11.1")
    profile = trt.Builder(trt.Logger()).create_optimization_profile()
    for three in (((2,), (1,), (3,)), ((-1,), (1,), (3,)), ((1,), (1, 1), (3,)), ((1,), (4,), (3,))):
        with pytest.raises(ValueError, match="inconsistent"):
            profile.set_shape("x", *three)
    profile.set_shape("x", (0,), (0,), (0,))


def test_an_empty_profile_is_refused_by_a_number():
    trt = recording_tensorrt("11.1")
    builder = trt.Builder(trt.Logger())
    assert builder.create_builder_config().add_optimization_profile(builder.create_optimization_profile()) == -1


def test_unknown_operators_and_broken_bytes_are_errors_of_the_parser():
    two = model(op="MyOp", domain="mine")
    two.graph.node.append(helper.make_node("Other", ["y"], ["z"], domain="mine"))
    ok, parser, plan = build(recording_tensorrt("11.1"), two.SerializeToString())
    assert not ok and plan is None and parser.num_errors == 2
    assert [parser.get_error(i).node() for i in range(2)] == [0, 1] and "Other" in str(parser.get_error(1))
    assert not build(recording_tensorrt("11.1"), b"no model")[0]


def test_precision_flags_and_strong_typing_exclude_each_other():
    trt = recording_tensorrt("10.16")
    data, strong = model().SerializeToString(), 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    fp16 = lambda config: config.set_flag(trt.BuilderFlag.FP16)
    assert build(trt, data, RANGE, strong, fp16)[2] is None
    assert read_plan(build(trt, data, RANGE, 0, fp16)[2])["flags"] == ["FP16"]
    assert read_plan(build(trt, data, RANGE, strong)[2])["strongly_typed"] is True


def test_the_plan_is_host_memory_that_bytes_copies():
    plan = build(recording_tensorrt("11.1"), model().SerializeToString(), RANGE)[2]
    assert type(plan) is not bytes and read_plan(bytes(plan))["profiles"] == [
        {"x": [list(s) for s in RANGE["x"]]}]
    with pytest.raises(ValueError, match="stand-in"):
        read_plan(b"ELF")


def test_without_a_gpu_a_plan_cannot_be_loaded():
    for gpu in (True, False):
        trt = recording_tensorrt("10.16", gpu=gpu)
        engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(b"PLAN{}")
        assert (engine is not None) == gpu
    assert bytes(recording_tensorrt("10.16").ICudaEngine(b"PLAN{}").serialize()) == b"PLAN{}"


def test_memory_pools_take_bytes_and_a_pool():
    trt = recording_tensorrt("11.1")
    config = trt.Builder(trt.Logger()).create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 30)
    assert trt.calls[-1] == ("set_memory_pool_limit", "WORKSPACE", 1 << 30)
    for bad in ((trt.MemoryPoolType.WORKSPACE, 1.5), (trt.MemoryPoolType.WORKSPACE, -1), ("WORKSPACE", 1)):
        with pytest.raises(TypeError):
            config.set_memory_pool_limit(*bad)


def test_the_parts_make_the_same_stand_in_without_utils():
    for release in RELEASES:
        parts = json.loads(json.dumps(stand_in_parts(release)))
        space = {"__name__": "alone"}
        exec(compile(parts["source"], "<stand-in>", "exec"), space)
        assert "utils" not in "".join(line for line in parts["source"].splitlines() if "import" in line)
        there = space["make_module"](parts["release"], parts["version"], parts["names"])
        here = recording_tensorrt(release)
        data = model().SerializeToString()
        plans = [bytes(build(trt, data, RANGE, flags=int(release == "8.6"))[2]) for trt in (there, here)]
        assert plans[0] == plans[1] and there.calls == here.calls and there.__version__ == here.__version__


def test_arrays_are_no_models():
    with pytest.raises(TypeError):
        trt = recording_tensorrt("11.1")
        trt.OnnxParser(np.zeros(1), trt.Logger())


def test_the_door_is_light():
    import subprocess
    import sys

    code = ("import sys, utils.engines.tensorrt_build\n"
            "print([m for m in ('torch', 'onnx', 'onnxruntime', 'matplotlib', 'tensorrt') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
