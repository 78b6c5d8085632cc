"""The engine: its program, its arena, its cache, its file; refusals."""

import math

import numpy as np
import pytest
from onnx import helper

from utils.engines.tensorrt_optimizer import Options, TacticTimer, TimingCache, compile_model
from utils.engines.tensorrt_optimizer import selection as selection_module
from utils.engines.tensorrt_optimizer.blocks import inception_block, plain_chain, residual_block
from utils.engines.tensorrt_optimizer.measurements import arena_of_chain, inspector_names, named_groups, tensorrt_layers
from utils.engines.tensorrt_optimizer.mini_engine import MiniEngine
from utils.graphs.onnx_tools import make_model
from utils.optional import EngineUnavailable

QUICK = TacticTimer(repeats=1, warmup=0)
X = np.random.default_rng(0).standard_normal((1, 64, 8, 8), np.float32)


def test_kernels_of_the_inception_block_under_each_optimisation():
    steps = {o: len(compile_model(inception_block(), Options(*o)).steps)
             for o in ((False, False, False), (True, False, False), (True, True, False), (True, True, True))}
    assert list(steps.values()) == [20, 8, 6, 5]


def test_bytes_of_the_residual_block_by_hand():
    act, weights = 64 * 28 * 28, 9 * 64 * 64
    program = compile_model(residual_block())
    # two convolutions with folded biases; the second one also reads the residual
    assert program.dram_bytes() == 4 * (2 * act + weights + 64 + 3 * act + weights + 64)
    unfused = compile_model(residual_block(), Options(False, False, False))
    # Conv, BN, Relu twice, an Add of two tensors; each BN reads 4 vectors
    assert unfused.dram_bytes() == 4 * (2 * (2 * act + weights) + 2 * (2 * act + 256) + 2 * 2 * act + 3 * act)


def test_live_tensors_never_share_bytes_and_slices_lie_in_the_concatenation():
    engine = MiniEngine.build(inception_block(size=8), timer=QUICK)
    program = engine.program
    assert {program.root(name) for name in ("relu_1x1", "relu_3x3", "relu_5x5", "relu_pool")} == {
        ("concat", 0), ("concat", 16), ("concat", 48), ("concat", 64)}
    for name in program.inputs + program.outputs:
        assert np.shares_memory(engine._views[name], engine._arena)
    plan = engine.memory
    spans = [(plan.offsets[n], plan.offsets[n] + use.size, use) for n, use in plan.uses.items()]
    for i, (start, stop, use) in enumerate(spans):
        for other_start, other_stop, other in spans[:i]:
            assert not use.meets(other) or stop <= other_start or other_stop <= start


def test_report_and_run_do_not_depend_on_the_run_before():
    engine = MiniEngine.build(inception_block(size=8), timer=QUICK)
    first = engine.run({"x": X})["concat"]
    engine.run({"x": -X})
    np.testing.assert_array_equal(engine.run({"x": X})["concat"], first)
    rows = engine.plan_report()
    assert sum(row.layers for row in rows) == 19  # the concatenation is gone
    assert [math.isnan(row.ms) for row in rows].count(True) == 1  # the pool
    assert sum(row.dram_bytes for row in rows) == engine.program.dram_bytes()


def test_equal_layers_are_timed_once_and_a_cache_saves_all():
    cache = TimingCache()
    engine = MiniEngine.build(plain_chain(5, size=8), timer=QUICK, cache=cache)
    assert len(cache.times) == 1
    assert [c.from_cache for c in engine.choices.values()] == [False] + [True] * 4

    class Forbidden(TacticTimer):
        def time(self, fn, *args):
            raise AssertionError("timed again")

    MiniEngine.build(plain_chain(5, size=8), timer=Forbidden(), cache=cache)


def test_workspace_limit():
    engine = MiniEngine.build(plain_chain(2, size=8), workspace_limit_bytes=0, timer=QUICK)
    assert {c.name for c in engine.choices.values()} == {"direct"} and engine.workspace_bytes == 0
    with pytest.raises(ValueError, match="admit a tactic"):
        MiniEngine.build(plain_chain(2, size=8), workspace_limit_bytes=-1, timer=QUICK)


def test_file_keeps_options_and_choices_and_belongs_to_the_machine(monkeypatch):
    engine = MiniEngine.build(inception_block(size=8), timer=QUICK, options=Options(horizontal=False))
    data = engine.serialize()
    again = MiniEngine.deserialize(data)
    assert len(again.program.steps) == 7
    assert {n: c.name for n, c in again.choices.items()} == {n: c.name for n, c in engine.choices.items()}
    np.testing.assert_array_equal(again.run({"x": X})["concat"], engine.run({"x": X})["concat"])
    for broken in (b"", data[: len(data) // 2], b"PK" + data):
        with pytest.raises(ValueError, match="serialised engine"):
            MiniEngine.deserialize(broken)
    from utils.engines.tensorrt_optimizer import mini_engine
    monkeypatch.setattr(mini_engine, "device_and_library", lambda: "another machine")
    with pytest.raises(ValueError, match="build it again"):
        MiniEngine.deserialize(data)


def test_key_names_shape_type_and_library():
    key = selection_module.timing_key("Conv", (1, 2, 3))
    assert "(1, 2, 3)" in key and "float32" in key and "torch" in key


def test_refusals():
    node = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(ValueError, match="symbolic"):
        MiniEngine.build(make_model([node], {"x": ("N", 3)}, {"y": ("N", 3)}))
    with pytest.raises(ValueError, match="float32"):
        MiniEngine.build(make_model([node], {"x": (np.float64, (2, 3))}, {"y": (np.float64, (2, 3))}))
    split = helper.make_node("Split", ["x"], ["a", "b"], axis=1)
    with pytest.raises(ValueError, match="one used output"):
        MiniEngine.build(make_model([split], {"x": (1, 4)}, {"a": (1, 2), "b": (1, 2)}))
    engine = MiniEngine.build(make_model([node], {"x": (2, 3)}, {"y": (2, 3)}))
    with pytest.raises(ValueError, match="none for 'x'"):
        engine.run({})
    with pytest.raises(ValueError, match="shape"):
        engine.run({"x": np.zeros((3, 2), np.float32)})
    with pytest.raises(TypeError, match="float32"):
        engine.run({"x": np.zeros((2, 3))})


def test_arena_of_a_chain_is_two_buffers():
    found = arena_of_chain(20)
    assert found == {"tensors": 21, "sum": 21 * 4 * 16 * 28 * 28, "arena": 2 * 4 * 16 * 28 * 28, "bound": 2 * 4 * 16 * 28 * 28}


def test_names_of_tensorrt_layers():
    assert inspector_names('{"Layers": ["conv1 + relu1", "pool"], "Bindings": []}') == ["conv1 + relu1", "pool"]
    assert inspector_names('{"Layers": [{"Name": "conv1"}]}') == ["conv1"]
    names = ["conv1 + relu1 || conv2 + relu2", "Reformatting CopyNode for Input Tensor 0", "PWN(add, relu3)", "conv10"]
    assert named_groups(names, ["conv1", "relu1", "conv2", "relu2", "add", "relu3"]) == [
        ("conv1", "relu1", "conv2", "relu2"), ("add", "relu3")]


def test_tensorrt_absent_says_so(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineUnavailable, match="is not available"):
        tensorrt_layers(residual_block())
