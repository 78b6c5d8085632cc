"""Configurations and shapes: what is refused, beside a table that Triton 2.51.0 decided; instance plans."""

import itertools

import pytest

from utils.serving.triton import (
    ModelConfig,
    config_request_error,
    explain_config,
    full_shape,
    plan_instances,
    request_error,
    validate,
)
from utils.serving.triton.verdicts import ACCEPTED, CLAIMS, NOT_LOADED, REFUSED, echo_config, told_verdict

# What the real server (nvidia-pytriton 0.7.0, Triton 2.51.0, no GPU) did with verdicts.CLAIMS on 2026-11-27;
# test_triton_real_server.py asks it again where it is installed.
RECORDED = {"fixed": REFUSED, "fixed_ok": ACCEPTED, "wild": ACCEPTED, "four": ACCEPTED, "too_many": REFUSED, "vector": ACCEPTED, "nchw_two": NOT_LOADED, "npu": NOT_LOADED,
            "misnamed": NOT_LOADED, "gpu_one": NOT_LOADED, "auto_gpu": NOT_LOADED, "three": ACCEPTED}


def test_our_verdicts_are_those_of_the_real_server():
    assert {claim.name: told_verdict(claim) for claim in CLAIMS} == RECORDED


@pytest.mark.parametrize("config, accepted", [  # loaded or not by the same server, on the same day
    (echo_config("[ 2, 3, 4 ]", form="format: FORMAT_NCHW "), True), (echo_config("[ 0, 3 ]"), False), (echo_config("[ -2 ]"), False), (echo_config("[ ]"), False),
    (echo_config("[ 3 ]", 4, "dynamic_batching { preferred_batch_size: [ 8 ] }"), False), (echo_config("[ 3 ]", -1), False), (echo_config("[ 3 ]", more="dynamic_batching { }"), True),
    (echo_config("[ 3 ]").replace('backend: "python"', 'platform: "tensorflow_cc"'), False), (echo_config("[ 3 ]", more="instance_group [ { kind: KIND_CPU gpus: [ 0 ] } ]"), False),
    (echo_config("[ 3 ]", more="instance_group [ { kind: KIND_GPU } ]"), False), (echo_config("[ 3 ]", more="instance_group [ { kind: KIND_MODEL gpus: [ 0 ] } ]"), False),
    (echo_config("[ 3 ]", more="instance_group [ { count: -1 } ]"), True), (echo_config("[ 3 ]").replace("TYPE_FP32", "TYPE_FLOAT", 1), False), (echo_config("[ 3 ]", more="foo: 3"), False),
    (echo_config("[ 3 ]", more="max_batch_size: 3"), True), ('backend: "python"\nmax_batch_size: 0', True),
])
def test_more_configurations_of_the_recorded_run(config, accepted):
    assert (explain_config(config, 0).errors == ()) == accepted


def test_a_scalar_that_comes_twice_has_its_last_value():
    assert ModelConfig.from_text("max_batch_size: 1 max_batch_size: 3").max_batch_size == 3


def test_all_fields_are_read():
    cfg = ModelConfig.from_text('name: "d" platform: "onnxruntime_onnx" max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 format: FORMAT_NHWC dims: [ 4, 4, 3 ] } '
                                "instance_group { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] } dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }")
    assert (cfg.name, cfg.backend_name, cfg.max_batch_size) == ("d", "onnxruntime", 8)
    assert cfg.input[0].dims == (4, 4, 3) and cfg.input[0].format == "FORMAT_NHWC" and cfg.instance_group[0].gpus == (0, 1)
    assert cfg.dynamic_batching.preferred == (4, 8) and cfg.dynamic_batching.max_queue_delay_us == 100
    assert validate(cfg, visible_gpus=2) == [] and len(validate(cfg, visible_gpus=1)) == 1
    assert "directory" in validate(cfg, visible_gpus=2, directory="e")[0]


@pytest.mark.parametrize("text, words", [
    ("instance_group { kind: KIND_NPU }", ("KIND_NPU", "KIND_CPU")), ("input { data_type: FP32 }", ("FP32", "TYPE_FP32")), ("input { format: NCHW }", ("NCHW", "FORMAT_NCHW")),
    ("colour: 3", ("colour",)), ("max_batch_size: 'x'", ("max_batch_size", "int")), ("name: 3", ("name", "str")), ("input: 3", ("message",)), ("instance_group { kind: 3 }", ("kind",)),
])
def test_what_cannot_be_read_says_what_is_legal(text, words):
    with pytest.raises(ValueError) as told:
        ModelConfig.from_text(text)
    assert all(word in str(told.value) for word in words)


# --- shapes ---------------------------------------------------------------------------------------


def fits_by_enumeration(size, dims, shape):
    """Whether `shape` is among all shapes that a configuration allows, with axes up to 5."""
    axes = [range(6) if d == -1 else [d] for d in dims]
    if size:
        axes.insert(0, range(1, size + 1))
    return tuple(shape) in set(itertools.product(*axes))


def test_request_error_against_enumeration():
    for size in (0, 1, 3):
        for dims in ([2], [-1], [2, -1], [-1, 3]):
            for rank in (0, 1, 2, 3):
                for shape in itertools.product(range(5), repeat=rank):
                    wrong = request_error(size, dims, list(shape))
                    assert (wrong is None) == fits_by_enumeration(size, dims, shape), (size, dims, shape, wrong)
                    assert (wrong == "rank") == (rank != len(dims) + (size > 0))


def test_the_batch_is_looked_at_before_the_dims():
    assert request_error(2, [3], [9, 4]) == "batch" and request_error(2, [3], [2, 4]) == "dim"


@pytest.mark.parametrize("size, dims", [(0, [0]), (4, [3, -2]), (-1, [3])])
def test_bad_configurations_are_refused_whatever_the_shape(size, dims):
    for shape in ([], [1], [1, 2, 3]):
        with pytest.raises(ValueError):
            request_error(size, dims, shape)
    with pytest.raises(ValueError, match=r"dims|max_batch_size"):
        full_shape(size, dims)


def test_requests_with_two_inputs_are_compared_whole():
    cfg = ModelConfig.from_text(echo_config("[ 3 ]", 4, 'input { name: "z" data_type: TYPE_FP32 dims: [ 1 ] }'))
    assert config_request_error(cfg, {"x": (2, 3), "z": (2, 1)}) is None
    assert "same batch size" in config_request_error(cfg, {"x": (2, 3), "z": (1, 1)})
    assert "expected the inputs" in config_request_error(cfg, {"x": (2, 3)})
    assert "batch-size" in config_request_error(cfg, {"x": (5, 3), "z": (5, 1)})
    assert "Expected [-1, 3], got [2, 4]" in config_request_error(cfg, {"x": (2, 4), "z": (2, 1)})


# --- instances ------------------------------------------------------------------------------------


def test_plans_of_the_documentation():
    groups = [{"kind": "KIND_GPU", "count": 1, "gpus": [0]}, {"kind": "KIND_GPU", "count": 2, "gpus": [1, 2]}]
    assert plan_instances(groups, 3, "tensorrt") == [("gpu", 0), ("gpu", 1), ("gpu", 1), ("gpu", 2), ("gpu", 2)]
    assert plan_instances([], 0, "onnxruntime") == [("cpu", None)] * 2 and plan_instances([], 0, "python") == [("cpu", None)]
    assert plan_instances([], 2, "onnxruntime") == [("gpu", 0), ("gpu", 1)]
    assert plan_instances([{"kind": "KIND_MODEL", "count": 0}], 2, "pytorch") == [("model", None)]


@pytest.mark.parametrize("group, gpus, word", [({"kind": "KIND_NPU"}, 1, "kind"), ({"kind": "KIND_GPU", "gpus": [1]}, 1, "gpu id 1"), ({"kind": "KIND_GPU"}, 0, "no GPUs"),
                                               ({"kind": "KIND_CPU", "gpus": [0]}, 1, "gpus"), ({"gpus": [3]}, 1, "KIND_CPU"), ({"kind": "KIND_MODEL", "gpus": [0]}, 1, "KIND_MODEL")])
def test_groups_that_are_refused(group, gpus, word):
    with pytest.raises(ValueError, match=word):
        plan_instances([group], gpus, "python")


def test_explanations_never_raise():
    good = explain_config(echo_config("[ -1 ]", 4, "instance_group { kind: KIND_CPU count: 2 }"), 0)
    assert good.errors == () and good.shapes == {"x": (-1, -1), "y": (-1, -1)} and good.instances == (("cpu", None),) * 2
    for text in ("", "{", "input {", "a: 1", 'backend: "x" input { name: "x" }'):
        assert explain_config(text, 0).errors
