"""Figures of chapter 10: the numbers of their sentences counted in other ways, axes, and the answers to the guesses."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from utils.networks.classic import LIGHTWEIGHT, PUBLISHED, build_light
from utils.networks.classic.experiment import TimedNet
from utils.widgets import ch10_classic_lightweight_networks as figures


def numbers(pattern, text):
    return [float(n.replace(",", "")) for n in re.search(pattern, text).groups()]


def maps_by_hooks(name, width, resolution):
    """(MACs, MiB of all maps, MiB of the largest) by hooks of our own."""
    sizes, macs = [], []

    def seen(layer, inputs, out):
        sizes.append(4 * out.numel())
        macs.append(layer.weight.numel() * out.numel() // out.shape[1])

    with torch.device("meta"):
        net = build_light(name, width).eval()
        for layer in net.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.register_forward_hook(seen)
        net(torch.zeros(1, 3, resolution, resolution))
    return sum(macs), sum(sizes) / 2**20, max(sizes) / 2**20


@pytest.mark.parametrize(("name", "width", "resolution"), [("MobileNetV1", 1.0, 224), ("GhostNet", 0.5, 160),
                                                           ("Xception", 1.0, 299), ("ShuffleNetV2", 2.0, 128)])
@pytest.mark.parametrize("metric", figures.METRICS)
def test_the_sentence_counts_the_network(name, width, resolution, metric):
    figure, told = figures.draw_stages(name, width, resolution, metric)
    bars, cloud, _ = figure.axes
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in (bars, cloud))
    macs, maps, largest = maps_by_hooks(name, width, resolution)
    got = numbers(r"parameters, ([\d.e+]+) M MACs, ([\d.]+) MiB of maps written, the largest ([\d.]+) MiB", told)
    assert got == [pytest.approx(macs / 1e6, rel=1e-3), pytest.approx(maps, rel=6e-3), pytest.approx(largest, rel=6e-3)]
    heights = [patch.get_height() for patch in bars.patches]
    wanted = {"MACs": macs / 1e6, "all maps": maps, "parameters": None}.get(metric)
    if wanted:
        assert sum(heights) == pytest.approx(wanted)
    if metric == "largest map":
        assert max(heights) == pytest.approx(largest)


def test_where_mobilenet_v1_spends():
    """11 of its 13 blocks' pixels: 14 x 14 holds blocks 6 to 11."""
    _, told = figures.draw_stages("MobileNetV1", 1.0, 224, "MACs")
    area = 14 * 14
    macs = area * (9 * 256 + 256 * 512 + 5 * (9 * 512 + 512 * 512))
    assert f"Most MACs: the stage of 14 × 14 maps, {macs / 1e6:.3g} M ({macs / 568_740_352:.0%})." in told


def test_a_width_that_does_not_exist_is_said():
    _, told = figures.draw_stages("SqueezeNet 1.0", 0.5, 224, "parameters")
    assert told.endswith("SqueezeNet 1.0 has no width 0.5: 1 is shown.") and told.startswith("SqueezeNet 1.0, width 1,")
    assert figures.usable_width("ShuffleNetV2", 0.25) == 0.5 and figures.usable_width("GhostNet", 0.25) == 0.25


@pytest.mark.parametrize("name", LIGHTWEIGHT)
def test_every_network_is_drawn_at_the_extremes(name):
    for width, resolution in ((0.25, 96), (2.0, 299)):
        _, told = figures.draw_stages(name, width, resolution, "all maps")
        assert told.startswith(name)


def test_the_guess_about_squeezenet():
    squeeze, alex = PUBLISHED["SqueezeNet 1.0"], PUBLISHED["AlexNet"]
    assert round(alex.params / squeeze.params) == 49 and 1 < squeeze.macs / alex.macs < 1.2


@pytest.mark.parametrize(("groups", "per_group"), [(2, 3), (3, 3), (1, 4), (6, 1), (6, 6)])
def test_the_shuffle_is_torchs(groups, per_group):
    _, told = figures.draw_shuffle(groups, per_group)
    c = groups * per_group
    order = torch.channel_shuffle(torch.arange(c).view(1, c, 1, 1), groups).flatten().tolist()
    assert f"is {', '.join(map(str, order))}." in told
    met = len({channel // per_group for channel in order[:per_group]})
    assert told.endswith("come from group 0 only." if met == 1 else f"come from {met} groups.")


def test_the_blocks_picture_names_all_six():
    figure, told = figures.draw_blocks()
    assert len(figure.axes) == 6 and told.count(".") >= 7
    for word in ("Fire", "separable", "inverted residual", "ShuffleNetV2", "Ghost", "Xception"):
        assert word in told


def test_tables_say_what_is_published():
    told = repr(figures.published_table(["Xception", "FasterNet-T0"]))
    assert "22,855,952" in told and "8,357.4" in told and "2026-11" in told and told.count("\n") == 3
    prices = repr(figures.three_prices(["ShuffleNetV2"]))
    _, maps, _ = maps_by_hooks("ShuffleNetV2", 1.0, 224)
    assert prices.split("\n")[1].split() == ["ShuffleNetV2", "9.11", "144.9", f"{maps * 2**20 / 1e6:.1f}"]


def test_the_experiments_picture():
    rows = [TimedNet("a", 10**8, 5.0, 1.0, 9), TimedNet("b", 2 * 10**8, 4.0, 2.0, 9), TimedNet("c", 3 * 10**8, 3.0, 3.0, 9)]
    shown = figures.timing_picture(rows)
    assert "is -1.00 in torch and 1.00 in ONNX Runtime" in shown.text and "<img" in shown.html
    assert repr(figures.timing_table(rows)).split("\n")[1].split() == ["a", "100.0", "5.00", "20.0", "1.00", "100.0", "9"]
    assert np.isfinite(rows[0].torch_gmac_s)
    if not torch.cuda.is_available():
        assert figures.gpu_note().text.startswith("No NVIDIA GPU here.")
