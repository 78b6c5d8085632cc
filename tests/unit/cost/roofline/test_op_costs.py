"""Operators from shapes: against real tensors, against closed forms, fusion against simulated reads and writes."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.bandwidth.decode import kv_bytes_per_token
from utils.cost.flops.trace_ops import trace_ops
from utils.cost.params.decoder_config import LLAMA3_8B
from utils.cost.roofline import OpCost, intensity, op_costs
from utils.networks.classic import CLASSIFIERS

sizes = st.integers(1, 64)


def nbytes(*tensors):
    return sum(t.numel() * t.element_size() for t in tensors)


@settings(deadline=None, max_examples=60)
@given(st.integers(5, 20), st.integers(5, 20), st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 3, 5]),
       st.integers(1, 4), st.integers(1, 2), st.integers(1, 3))
def test_conv_bytes_are_those_of_real_tensors(h, w, c_in, c_out, k, groups, stride, batch):
    c_in, c_out = c_in * groups, c_out * groups
    with torch.device("meta"):
        layer = torch.nn.Conv2d(c_in, c_out, k, stride, k // 2, groups=groups, bias=False)
        x = torch.empty(batch, c_in, h, w)
    y = layer(x)
    op = op_costs.conv_op(h, w, c_in, c_out, k, stride, groups, 4, batch)
    assert op.bytes_read == nbytes(x, layer.weight)
    assert op.bytes_written == nbytes(y)
    (traced,) = trace_ops(layer, x)
    assert (traced.flops, traced.bytes_read, traced.bytes_written, traced.kind) == (
        op.flops, op.bytes_read, op.bytes_written, op.kind)


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, sizes)
def test_linear_bytes_are_those_of_real_tensors(batch, n_in, n_out):
    with torch.device("meta"):
        layer, x = torch.nn.Linear(n_in, n_out, bias=False, dtype=torch.float16), torch.empty(
            batch, n_in, dtype=torch.float16)
    op = op_costs.linear_op(batch, n_in, n_out, 2)
    assert op.bytes_read == nbytes(x, layer.weight)
    assert op.bytes_written == nbytes(layer(x))
    assert op.flops == trace_ops(layer, x)[-1].flops


def test_golden_intensities():
    # 3x3 256 -> 256 at 28 x 28 in FP32, by hand: 2 * 256 * 256 * 9 * 784 FLOPs; 2 * 784 * 256 + 9 * 256 * 256 elements
    op = op_costs.conv_op(28, 28, 256, 256, 3)
    assert (op.flops, op.bytes_moved) == (924_844_032, 3_964_928)
    for args, told in (((3,), 233.256), ((3, 256), 2.2372), ((1,), 55.018)):
        assert op_costs.conv_intensity(28, 28, 256, 256, *args) == pytest.approx(told, abs=5e-4)
    assert intensity(op_costs.linear_op(1, 4096, 4096)) == pytest.approx(0.49976, abs=5e-6)


def test_attention_reads_the_cache_once():
    op = op_costs.attention_decode_op(3, 32, 8, 128, 1000)
    cache = 3 * 1000 * kv_bytes_per_token(1, 8, 128)
    assert op.bytes_moved - cache == 2 * 3 * 32 * 128 * 2  # the query and the output
    assert op.flops == 3 * 32 * 1000 * (2 * 128 + 2 * 128)  # a score and a weighted sum a head and token


def test_decoder_step_reads_the_matmul_weights():
    ops = op_costs.decoder_step_ops(LLAMA3_8B, 1, 1)
    weights = sum(op.bytes_read for op in ops if op.kind == "linear")
    assert weights == pytest.approx(2 * 7_504_658_432, rel=1e-3)  # above it by the activations
    assert sum(op.flops for op in ops if op.kind == "linear") == 2 * 7_504_658_432


def test_fused_convolution_chain():
    # bias, ReLU and residual on 64 x 112 x 112 in FP32: 7 tensor passes unfused, one more read when fused
    n = 64 * 112 * 112
    conv = op_costs.conv_op(112, 112, 64, 64, 3)
    chain = [op_costs.elementwise_op(n, k) for k in (1, 1, 2)]
    assert sum(op.bytes_moved for op in chain) == 7 * 4 * n == 22_478_848
    (fused,) = op_costs.fuse_elementwise([conv, *chain])
    assert fused.bytes_moved - conv.bytes_moved == 4 * n == 3_211_264
    assert fused.flops == conv.flops + 3 * n
    assert fused.kind == "conv"


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 1000), st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sampled_from([1, 2, 4]))
def test_traffic_against_a_simulation(n, operands, item):
    unfused, fused = op_costs.fused_traffic(n, item, operands)
    one_by_one = [op_costs.elementwise_op(n, k, item) for k in operands]
    assert unfused == sum(op.bytes_moved for op in one_by_one)
    (merged,) = op_costs.fuse_elementwise(one_by_one)
    assert fused == merged.bytes_moved
    assert (unfused == fused) == (len(operands) == 1)


def test_an_operator_that_reads_something_smaller_is_left_alone():
    ops = [OpCost("a", "conv", 1, 10, 100), OpCost("b", op_costs.ELEMENTWISE, 1, 10, 10)]
    assert op_costs.fuse_elementwise(ops) == ops


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, st.sampled_from([1, 2, 4]), st.integers(1, 40))
def test_critical_batch_is_the_first(n_in, n_out, item, ridge):
    def reaches(batch):
        return Fraction(2 * batch * n_in * n_out) >= ridge * item * (n_in * n_out + batch * (n_in + n_out))

    found = op_costs.critical_batch_linear(n_in, n_out, item, ridge)
    assert found == next((b for b in range(1, 5000) if reaches(b)), found if found and found >= 5000 else None)
    if found:
        assert reaches(found) and not (found > 1 and reaches(found - 1))


def test_critical_batch_golden():
    assert [op_costs.critical_batch_linear(n, n, 2, 295.2) for n in (4096, 8192, 590)] == [345, 319, None]


@pytest.mark.parametrize("name", ["ResNet-18", "MobileNetV2"])
def test_trace_counts_what_the_hooks_count(name):
    from utils.cost.flops import count_module_macs

    with torch.device("meta"):
        model, x = CLASSIFIERS[name](), torch.empty(1, 3, 224, 224)
    ops = trace_ops(model, x)
    macs = sum(op.flops for op in ops if op.kind in ("conv", "depthwise", "linear")) / 2
    assert macs == count_module_macs(model, x).macs
    modules = [type(m).__name__ for m in model.modules()]
    assert sum(op.kind in ("conv", "depthwise") for op in ops) == modules.count("Conv2d")
    assert sum("batch_norm" in op.name for op in ops) == modules.count("BatchNorm2d")
    assert model.training  # as it was


@pytest.mark.parametrize("bad", [lambda: op_costs.linear_op(0, 1, 1), lambda: op_costs.fused_traffic(1, 4, []),
                                 lambda: op_costs.fused_traffic(1, 4, [0]), lambda: op_costs.conv_op(8, 8, 3, 4, 3, groups=2)])
def test_refused(bad):
    with pytest.raises(ValueError, match="must"):
        bad()
