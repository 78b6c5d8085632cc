"""MobileNetV2 as a graph: published totals to the unit, and patches against a slow count of dependencies."""

import itertools

import pytest
import torch
from torch import nn

from utils.compression.spatial_graph import (
    SpatialOp,
    map_sides,
    mobilenet_v2_ops,
    mobilenet_v2_tensor_graph,
    patch_peak_bytes,
    tensor_graph,
)
from utils.cost.arena import live_peak, order_bytes, order_peak, order_uses, plan_arena, ready_order
from utils.networks.classic import mobilenet_v2

SMALL = (SpatialOp("a", ("image",), 4, 3, 2, 27), SpatialOp("b", ("a",), 8, 1, 1, 4), SpatialOp("c", ("b",), 8, 3, 1, 9, True),
         SpatialOp("d", ("c",), 4, 1, 1, 8), SpatialOp("e", ("d", "a"), 4), SpatialOp("f", ("e",), 6, 5, 2, 100))


def peak(graph):
    return order_peak(ready_order(graph), graph)


def test_published_figures_of_mobilenet_v2():
    """TensorFlow blog, October 2020: about 26 MB. Lin et al., MCUNetV2 (2021), figure 1: 1372 kB, and 172 kB in patches."""
    fp32 = mobilenet_v2_tensor_graph(item_bytes=4)
    assert len(fp32.ops) == 64
    assert round(sum(op.out_bytes for op in fp32.ops) / 2**20, 1) == 26.3
    assert peak(mobilenet_v2_tensor_graph(inplace_depthwise=True)) == 1_404_928 == 1372 * 1024 == 112 * 112 * (16 + 96)
    assert peak(mobilenet_v2_tensor_graph()) == 1_505_280 == 1470 * 1024 == 112 * 112 * 96 + 56 * 56 * 96
    ops = mobilenet_v2_ops()
    graph = tensor_graph(ops, 224, inplace_depthwise=True, inplace_sums=True)
    order = ready_order(graph)
    rest = order.index("project 4") + 1
    assert max(order_bytes(order, graph)[rest:]) == 175_616 == 28 * 28 * (32 + 192)  # 171.5 KiB
    names = [op.name for op in ops]
    patched = patch_peak_bytes(ops[: names.index("project 4") + 1], 224, 4)
    assert patched.whole_bytes == 1_404_928 and patched.peak_bytes < 175_616


def test_the_planned_arena_reaches_the_lower_bound():
    uses = list(order_uses(ready_order(mobilenet_v2_tensor_graph()), mobilenet_v2_tensor_graph()).values())
    assert plan_arena(uses).total_bytes == live_peak(uses) == 1_505_280


@pytest.mark.parametrize("resolution", [224, 96])
def test_every_map_has_the_shape_that_torch_computes(resolution):
    shapes = []
    with torch.device("meta"):
        network = mobilenet_v2().eval()
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.AdaptiveAvgPool2d, nn.Linear)):
            module.register_forward_hook(lambda m, i, out: shapes.append(tuple(out.shape[1:])))
    network(torch.zeros(1, 3, resolution, resolution, device="meta"))
    sides = map_sides(mobilenet_v2_ops(), resolution)
    ours = [(op.channels, sides[op.name], sides[op.name]) for op in mobilenet_v2_ops() if len(op.inputs) == 1]
    assert [s if len(s) == 3 else (*s, 1, 1) for s in shapes] == ours


def test_multiply_accumulates_are_the_published_ones():
    sides = map_sides(mobilenet_v2_ops(), 224)
    assert sum(sides[op.name] ** 2 * op.channels * op.macs_per_value for op in mobilenet_v2_ops()) == 300_774_272


def test_batch_and_item_scale_everything():
    one, many = mobilenet_v2_tensor_graph(), mobilenet_v2_tensor_graph(item_bytes=2, batch=3)
    assert {name: 6 * size for name, size in one.size.items()} == many.size and peak(many) == 6 * peak(one)


def slow_needs(ops, sides, wanted):
    """Map -> the rows that the last map's rows `wanted` depend on, one row and tap at a time."""
    needs = {ops[-1].name: set(wanted)}
    for op in reversed(ops):
        for name in op.inputs:
            taps = {row * op.stride - op.kernel // 2 + tap for row in needs[op.name] for tap in range(op.kernel)}
            needs.setdefault(name, set()).update(taps & set(range(sides[name])))
    return needs


@pytest.mark.parametrize(("resolution", "patches"), [(32, 2), (32, 3), (33, 1), (40, 10), (48, 5)])
def test_patches_against_a_count_of_every_row(resolution, patches):
    sides = map_sides(SMALL, resolution)
    side = sides["f"]
    groups = [range(side * i // patches, side * (i + 1) // patches) for i in range(patches)]
    rows = [{n: max(r) + 1 - min(r) for n, r in slow_needs(SMALL, sides, group).items()} for group in groups]
    macs = working = 0
    for vertical, horizontal in itertools.product(rows, rows):
        area = {n: vertical[n] * horizontal[n] for n in vertical}
        macs += sum(area[op.name] * op.channels * op.macs_per_value for op in SMALL)
        size = {n: area[n] * c for n, c in (("image", 3), *((op.name, op.channels) for op in SMALL))}
        # by hand, the depthwise c in place of b, and e still needing a; f's result goes to the whole map
        working = max(working, size["image"] + size["a"], size["a"] + size["b"], size["a"] + size["c"] + size["d"],
                      size["a"] + size["d"] + size["e"])
    whole = sum(sides[op.name] ** 2 * op.channels * op.macs_per_value for op in SMALL)
    cost = patch_peak_bytes(SMALL, resolution, patches)
    assert cost.recompute_ratio == pytest.approx(macs / whole, rel=1e-12)
    assert cost.peak_bytes == working + side * side * 6
    assert cost.as_dict()["peak_bytes"] == cost.peak_bytes


def test_one_patch_recomputes_nothing_but_what_no_one_reads():
    ops = mobilenet_v2_ops()[:9]
    assert patch_peak_bytes(ops, 224, 1).recompute_ratio == 1
    ratios = [patch_peak_bytes(ops, 224, p).recompute_ratio for p in (1, 2, 4, 8)]
    assert ratios == sorted(ratios)


def test_what_is_refused():
    with pytest.raises(ValueError, match="global pooling"):
        patch_peak_bytes(mobilenet_v2_ops(), 224, 2)
    with pytest.raises(ValueError, match="at most the last map's 8 rows"):
        patch_peak_bytes(SMALL, 32, 9)
    with pytest.raises(ValueError, match="patches must be positive"):
        patch_peak_bytes(SMALL, 32, 0)
    with pytest.raises(ValueError, match="resolution must be positive"):
        mobilenet_v2_tensor_graph(0)
