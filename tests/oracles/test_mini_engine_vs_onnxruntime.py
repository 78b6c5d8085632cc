"""The engine and its ONNX form against ONNX Runtime, which runs the graphs as written."""

import itertools
import os
import tempfile

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from utils.engines.tensorrt_optimizer import Options, TacticTimer, compile_model, fuse_vertical, layers_of, plan_memory
from utils.engines.tensorrt_optimizer.blocks import Graph, inception_block, plain_chain, residual_block
from utils.engines.tensorrt_optimizer.measurements import time_siblings
from utils.engines.tensorrt_optimizer.mini_engine import MiniEngine
from utils.engines.tensorrt_optimizer.views import as_onnx
from utils.graphs.onnx_tools import make_session

QUICK = TacticTimer(repeats=1, warmup=0)


def mixed_model(batch):
    """Strides, groups, an uneven pad, a branch that is also an output, nested concatenations, a head."""
    g = Graph(3)
    stem = g.conv_bn_relu("x", "_stem", 3, 8, 3)
    g.weights["down_w"] = g.rng.standard_normal((8, 8, 3, 3)).astype(np.float32) / 8
    down = g.node("Conv", [stem, "down_w"], "down", strides=[2, 2], pads=[0, 0, 1, 1])  # uneven: no tactic knows it
    g.weights["dw_w"] = g.rng.standard_normal((8, 1, 3, 3)).astype(np.float32) / 3
    depthwise = g.node("Relu", [g.node("Conv", [down, "dw_w"], "dw", group=8, pads=[1] * 4)], "dw_relu")
    inner = g.node("Concat", [g.conv(depthwise, "a", 8, 4, 1), g.conv(depthwise, "b", 8, 5, 1)], "inner", axis=1)
    outer = g.node("Concat", [inner, g.conv(depthwise, "c", 8, 3, 3)], "outer", axis=-3)
    twice = g.node("Concat", [outer, outer], "twice", axis=1)  # may not vanish: one tensor, two places
    pooled = g.node("Flatten", [g.node("GlobalAveragePool", [twice], "gap")], "flat")
    y = g.node("Gemm", [pooled, g.array("fc_w", 24, 7), g.array("fc_b", 7)], "y")
    from utils.graphs.onnx_tools import make_model
    return make_model(g.nodes, {"x": (batch, 3, 12, 12)}, {y: (batch, 7), "inner": (batch, 9, 6, 6)}, g.weights)


MODELS = {"inception": lambda batch: inception_block(8, batch=batch), "residual": lambda batch: residual_block(8, batch=batch),
          "chain": lambda batch: plain_chain(4, 7, batch=batch), "mixed": mixed_model}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("batch", [1, 2])
def test_engine_and_its_onnx_form_under_all_options(name, batch):
    model = MODELS[name](batch)
    shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    x = np.random.default_rng(1).standard_normal(shape, np.float32)
    names = [v.name for v in model.graph.output]
    expected = dict(zip(names, make_session(model).run(names, {"x": x})))
    for switches in itertools.product((False, True), repeat=3):
        options = Options(*switches)
        engine = MiniEngine.build(model, timer=QUICK, options=options)
        rewritten = make_session(as_onnx(engine.program, model)).run(names, {"x": x})
        got = engine.run({"x": x})
        for output, other in zip(names, rewritten):
            # float32 with sums of up to 600 products in other orders, and batch norm folded in float64
            np.testing.assert_allclose(got[output], expected[output], rtol=1e-4, atol=1e-5, err_msg=str(options))
            np.testing.assert_allclose(other, expected[output], rtol=1e-4, atol=1e-5, err_msg=str(options))


@pytest.mark.parametrize("tactic", ["im2col_gemm", "fft", "winograd_2x2_3x3"])
def test_engine_with_each_tactic_forced(tactic):
    class Favours(TacticTimer):
        """The tactic closes over its own object as the default of the first parameter."""

        def time(self, fn, *args):
            fn(*args)
            return 0.0 if fn.__defaults__[0].name == tactic else 1.0

    model = residual_block(9)
    engine = MiniEngine.build(model, timer=Favours())
    assert {c.name for c in engine.choices.values()} == {tactic}
    x = np.random.default_rng(1).standard_normal((1, 64, 9, 9), np.float32)
    expected = make_session(model).run(None, {"x": x})[0]
    np.testing.assert_allclose(engine.run({"x": x})["relu2"], expected, rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("model", [inception_block(8), plain_chain(6, 8)], ids=["inception", "chain"])
def test_as_many_fused_convolutions_as_onnx_runtime_makes(model):
    """At the level EXTENDED ONNX Runtime folds batch norm and makes FusedConv of Conv + Relu, like our groups."""
    ours = fuse_vertical(layers_of(model), [v.name for v in model.graph.output])
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = os.path.join(folder, "m.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        theirs = onnx.load(options.optimized_model_filepath).graph.node
    assert sum(node.op_type == "FusedConv" for node in theirs) == sum(group.op.endswith("Relu") for group in ours)


def test_merged_siblings_agree_to_the_last_bit_or_nearly():
    # 64 products each; a merged convolution may block its sums in another way
    assert time_siblings(rounds=1).max_difference < 1e-5


def test_greedy_plans_are_near_the_optimum():
    from utils.cost.arena import plan_optimal

    rng, optimal = np.random.default_rng(5), 0
    for _ in range(200):
        n = int(rng.integers(2, 7))
        tensors = {f"t{i}": (int(s) * 64, int(f), int(f + d)) for i, (s, f, d) in enumerate(zip(
            rng.integers(1, 40, n), rng.integers(0, n, n), rng.integers(0, 3, n)))}
        plan = plan_memory(tensors)
        best = plan_optimal(list(plan.uses.values()), 64).total_bytes
        assert plan.lower_bound_bytes <= best <= plan.peak_bytes <= 1.27 * best
        optimal += plan.peak_bytes == best
    assert optimal == 195  # the figure that exercise 24.plan_arena tells


def test_nodes_that_no_kernel_knows_are_named():
    node = helper.make_node("Einsum", ["x"], ["y"], equation="ij->ji")
    from utils.graphs.onnx_tools import make_model
    model = make_model([node], {"x": (2, 3)}, {"y": (3, 2)})
    try:
        engine = MiniEngine.build(model)
    except NotImplementedError as error:
        assert "Einsum" in str(error)
    else:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        np.testing.assert_array_equal(engine.run({"x": x})["y"], x.T)


def test_compiling_does_not_change_the_model():
    model = inception_block(8)
    before = model.SerializeToString()
    compile_model(model)
    MiniEngine.build(model, timer=QUICK)
    assert model.SerializeToString() == before
