"""Channel splits against brute force, access against real tensors, tiles and blocks against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv2d

from utils.cost.flops import conv_macs
from utils.cost.roofline import Device
from utils.networks import design
from utils.networks.design import experiment

small = st.integers(1, 12)


@settings(deadline=None, max_examples=60)
@given(small, small, st.integers(1, 400))
def test_best_split_against_all_pairs(h, w, product):
    macs = h * w * product
    pairs = [(a, b) for a in range(1, product + 1) for b in range(a, product + 1) if a * b == product]
    elements = {(a, b): h * w * (a + b) + a * b for a, b in pairs}
    c1, c2, least = design.best_split(h, w, macs)
    assert least == elements[c1, c2] == min(elements.values())
    assert least >= design.shuffle_access_bound(h, w, macs) * (1 - 1e-12)
    assert (least == pytest.approx(design.shuffle_access_bound(h, w, macs), rel=1e-12)) == (c1 == c2)


def test_golden():
    # 51.4 million MACs on 56 x 56 (Ma et al., equation 1)
    assert [design.shuffle_access_elements(56, 56, a, b) for a, b in ((128, 128), (64, 256), (16, 1024))] == [
        819_200, 1_019_904, 3_277_824]
    assert design.shuffle_access_bound(56, 56, 51_380_224) == pytest.approx(819_200)


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 9), st.integers(3, 9), small, small, st.sampled_from([1, 3]), st.integers(1, 3))
def test_access_is_the_elements_of_real_tensors(h, w, c_in, c_out, k, groups):
    c_in, c_out = c_in * groups, c_out * groups
    with torch.device("meta"):
        layer, x = torch.nn.Conv2d(c_in, c_out, k, 2, k // 2, groups=groups, bias=False), torch.empty(1, c_in, h, w)
    y = layer(x)
    told = design.access_elements(h, w, *y.shape[2:], c_in, c_out, k, groups)
    assert told == x.numel() + y.numel() + layer.weight.numel()


@pytest.mark.parametrize("bad", [lambda: design.best_split(7, 7, 50), lambda: design.best_split(7, 7, 0),
                                 lambda: design.access_elements(4, 4, 4, 4, 3, 4, 1, 2)])
def test_refused(bad):
    with pytest.raises(ValueError, match="must"):
        bad()


@settings(deadline=None, max_examples=60)
@given(*[st.integers(1, 40)] * 4, st.sampled_from([1, 3, 5]), st.integers(1, 600))
def test_best_channels_against_all_pairs(h_in, w_in, h_out, w_out, k, product):
    pairs = [(a, b) for a in range(1, product + 1) for b in [product // a] if a * b == product]
    moved = [h_in * w_in * a + h_out * w_out * b + k * k * a * b for a, b in pairs]
    assert design.best_channels(h_in, w_in, h_out, w_out, k, product) == pairs[moved.index(min(moved))]


def test_best_channels_golden():
    assert design.best_channels(56, 56, 56, 56, 1, 16_384) == (128, 128)
    assert design.best_channels(56, 56, 28, 28, 3, 65_536) == (128, 512)  # four times as many where the map shrinks
    assert design.best_channels(7, 7, 7, 7, 1, 13) == (1, 13)  # a tie with (13, 1)
    assert design.best_ratio(56, 56, 28, 28) == 4


@pytest.mark.parametrize("shape", [(56, 56, 56, 56, 1, 16_384), (56, 56, 28, 28, 3, 65_536), (14, 14, 7, 7, 3, 900)])
def test_the_curve_has_its_lowest_point_at_the_ratio(shape):
    c_in, moved = design.g1_curve(*shape)
    at = int(moved.argmin())
    assert at == len(c_in) // 2
    assert shape[-1] / c_in[at] ** 2 == pytest.approx(design.best_ratio(*shape[:4]))
    exact = [design.access_elements(*shape[:4], round(c), round(shape[-1] / c), shape[4])
             for c in c_in if abs(c - round(c)) < 1e-9 and shape[-1] % round(c) == 0]
    near = [m for c, m in zip(c_in, moved) if abs(c - round(c)) < 1e-9 and shape[-1] % round(c) == 0]
    assert near == pytest.approx(exact) and len(exact) >= 1


@settings(deadline=None, max_examples=40)
@given(st.integers(5, 9), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]), st.integers(1, 2), st.integers(1, 3))
def test_macs_of_outputs(size, c_in, c_out, k, stride, groups):
    c_in, c_out = c_in * groups, c_out * groups
    out = (size + 2 * (k // 2) - k) // stride + 1
    want = conv_macs(size, size, c_in, c_out, k, stride, k // 2, groups=groups)
    assert design.output_macs(out, out, c_in, c_out, k, groups) == want


def test_access_1x1_golden():
    # Ma et al., table 1: 128:128 against 36:432, 94.9 % of the multiply-accumulates and 1.81 times the elements
    even, uneven = design.access_1x1(56, 56, 128, 128), design.access_1x1(56, 56, 36, 432)
    assert (even, uneven) == (819_200, 1_483_200)
    assert round(uneven / even, 2) == 1.81 and round(36 * 432 / 128**2, 3) == 0.949
    assert design.access_1x1(56, 56, 128, 128, 4) == 2 * 56 * 56 * 128 + 4 * 32 * 32


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(3, 9), st.integers(3, 9))
def test_winograd_on_images_against_torch(seed, h, w):
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=(h, w)), rng.normal(size=(3, 3))
    want = conv2d(torch.from_numpy(x)[None, None], torch.from_numpy(g)[None, None])[0, 0].numpy()
    got, spent = design.winograd_conv(x, g)
    np.testing.assert_allclose(got, want, atol=1e-12)  # float64, sums of 16 products of numbers near 1
    assert spent == 16 * ((h - 1) // 2) * ((w - 1) // 2)


def test_winograd_tile_golden():
    d = np.arange(16).reshape(4, 4)
    got, spent = design.winograd_tile(d, np.ones((3, 3)))
    assert got.tolist() == [[45, 54], [81, 90]] and spent == 16
    g = np.zeros((3, 3))
    g[1, 2] = 1
    assert design.winograd_tile(d, g)[0].tolist() == [[6, 7], [10, 11]]


@given(st.integers(1, 300), st.integers(1, 64))
def test_alignment_against_real_padding(c, granule):
    padded = len(range(0, c, granule)) * granule
    assert design.channel_utilisation(c, granule) == c / padded
    assert design.padded_macs(3, 5, c, 2, 3, granule, 1) == 15 * 9 * padded * 2


def test_granules_have_a_source_and_a_date():
    for row in design.GRANULES:
        assert row.c_in > 0 and row.c_out > 0 and row.source and row.as_of[:2] == "20"


def test_blocks_against_torch_modules():
    """A dense block and an OSA module, built and run: elements of every convolution's input, output and weights."""
    def counted(shapes):
        with torch.device("meta"):
            layers = [torch.nn.Conv2d(a, b, k, padding=k // 2, bias=False) for a, b, k in shapes]
            maps = [(torch.empty(1, layer.in_channels, 32, 32), layer) for layer in layers]
        return sum(x.numel() + layer(x).numel() + layer.weight.numel() for x, layer in maps)

    dense = design.densenet_access(32, 32, 16, 12, 12)
    osa = design.osa_access(32, 32, 16, 43, 5, 160)
    assert dense.access == counted([(16 + 12 * i, 12, 3) for i in range(12)])
    assert osa.access == counted([(16, 43, 3), *[(43, 43, 3)] * 4, (16 + 5 * 43, 160, 1)])
    assert osa.macs / dense.macs == pytest.approx(1.03, abs=0.01) and osa.access < 0.75 * dense.access


def test_a_bottleneck_moves_most_of_its_elements_in_relu_and_add():
    parts = design.bottleneck_traffic(56, 56, 256, 64)
    area = 56 * 56
    assert parts["ReLU"] == (area * 384, 2 * area * 384) and parts["add"] == (area * 256, 3 * area * 256)
    operations, moved = (sum(p[i] for p in parts.values()) for i in (0, 1))
    assert parts["convolution"][0] / operations > 0.99
    assert round(1 - parts["convolution"][1] / moved, 2) == 0.66


def test_places_under_a_roofline():
    device = Device("test", {"fp32": 1000.0, "fp16": 8000.0}, 100.0)
    dense, depthwise, pointwise = design.place_convolutions(28, 256, 3, 1, 4, device)
    # by hand for 28 x 28 x 256 in FP32: 233, 2.24 and 55 FLOP per byte
    assert [round(p.intensity, 2) for p in (dense, depthwise, pointwise)] == [233.26, 2.24, 55.02]
    assert [p.bound for p in (dense, depthwise, pointwise)] == ["compute", "memory", "compute"]
    assert depthwise.gflop_s == pytest.approx(223.7, abs=0.1) and dense.gflop_s == 1000
    assert depthwise.us == pytest.approx(4 * (2 * 28 * 28 * 256 + 9 * 256) / 100e3)
    assert design.place_convolutions(28, 256, 3, 32, 2, device)[0].flops == dense.flops // 32
    for bad in ((28, 256, 3, 3, 4), (28, 256, 3, 1, 8), (28, 256, 3, 1, 1), (0, 256, 3, 1, 4)):
        with pytest.raises(ValueError, match="must"):
            design.place_convolutions(*bad, device)


def test_published_runs_are_ordered_as_the_papers_say():
    gpu = [row[1] for row in design.G1_RUNS.values()]
    assert gpu == sorted(gpu, reverse=True)
    macs = [row[0][0] * row[0][1] for row in design.G1_RUNS.values()]
    assert max(macs) / min(macs) < 1.06  # "equal" multiply-accumulates, up to rounding of the channels
    assert max(design.REPVGG_DENSITY, key=design.REPVGG_DENSITY.get) == 3


def test_the_experiment_names_what_it_timed():
    rows = experiment.time_ratios(size=6, rounds=1)
    assert [r.name for r in rows] == ["128:128", "90:180", "52:312", "36:432"]
    assert rows[0].macs == 2 * 36 * 128 * 128 and rows[0].access == 2 * (36 * 256 + 128 * 128)
    kinds = experiment.time_kinds(size=6, channels=4, rounds=1)
    assert [k.macs for k in kinds] == [36 * 9 * 16, 36 * 16, 36 * 9 * 4]
    assert all(r.ms > 0 and r.gflop_s > 0 for r in (*rows, *kinds))


@pytest.mark.parametrize("bad", [
    lambda: design.best_channels(7, 7, 7, 7, 1, 0), lambda: design.access_1x1(7, 7, 4, 6, 4), lambda: design.output_macs(0, 1, 1, 1, 1),
    lambda: design.output_macs(1, 1, 3, 4, 1, 2), lambda: design.winograd_conv(np.zeros((2, 5)), np.zeros((3, 3))),
    lambda: design.winograd_tile(np.zeros((3, 3)), np.zeros((3, 3))), lambda: design.channel_utilisation(0, 8),
    lambda: design.osa_access(4, 4, 4, 4, 0, 4)])
def test_refused_too(bad):
    with pytest.raises(ValueError, match="must"):
        bad()
