"""A fixed batch, a free one and PyTorch compute the same; ONNX Runtime refuses what a fixed model can't take."""

import numpy as np
import onnx
import pytest

from utils.graphs.onnx_tools import make_session
from utils.serving.batching import (
    FixedBatchRunner,
    export_pair,
    fix_batch,
    make_run,
    run_fixed_batch,
    run_onnx,
    shrink_after_run,
    small_cnn,
    wide_mlp,
)
from utils.serving.batching.experiment import SAMPLE, cnn_inputs


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return export_pair(small_cnn(), SAMPLE, 6, tmp_path_factory.mktemp("pair"))


@pytest.mark.parametrize("n", [0, 1, 5, 6, 13])
def test_padded_free_and_torch_agree(pair, n):
    import torch

    x = cnn_inputs(n)
    runner = FixedBatchRunner(make_run(pair[0]), 6)
    padded, free = runner.run(x), make_run(pair[1])(x) if n else np.zeros((0, 10), np.float32)
    with torch.no_grad():
        wanted = small_cnn()(torch.from_numpy(x)).numpy() if n else free
    # float32 sums of at most 576 products near 1, and a mean: far below 1e-5
    assert np.allclose(padded, wanted, rtol=0, atol=1e-5) and np.allclose(free, wanted, rtol=0, atol=1e-5)
    assert padded.shape == (n, 10) and runner.calls == max(1, -(-n // 6))


def test_a_fixed_model_refuses_other_sizes(pair):
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

    with pytest.raises(InvalidArgument, match="Got: 2 Expected: 6"):
        make_run(pair[0])(cnn_inputs(2))


def test_a_fixed_dimension_gives_the_exported_model(pair, tmp_path):
    fixed = fix_batch(pair[1], tmp_path / "fixed.onnx", 6)
    dims = [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in (fixed.graph.input[0], fixed.graph.output[0])]
    assert dims == [[6, *SAMPLE], [6, 10]]
    assert onnx.load(str(tmp_path / "fixed.onnx")).SerializeToString() == fixed.SerializeToString()
    x = cnn_inputs(9)
    assert np.array_equal(run_fixed_batch(make_run(tmp_path / "fixed.onnx"), x, 6), run_fixed_batch(make_run(pair[0]), x, 6))
    with pytest.raises(ValueError, match="free dimension"):
        fix_batch(pair[0], tmp_path / "again.onnx", 3)
    with pytest.raises(ValueError, match="batch"):
        fix_batch(pair[1], tmp_path / "zero.onnx", 0)


def test_shrinking_changes_memory_only(pair):
    session = make_session(pair[1], optimize=True)
    x = cnn_inputs(3)
    assert np.array_equal(run_onnx(session, shrink_after_run())(x), run_onnx(session)(x))


def test_the_wide_network_against_numpy():
    model = wide_mlp(16, 2)
    weights = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    x = np.random.default_rng(1).standard_normal((4, 16), np.float32)
    wanted = np.maximum(np.maximum(x @ weights["w0"], 0) @ weights["w1"], 0)
    assert np.allclose(make_run(model)(x), wanted, rtol=0, atol=1e-5)

