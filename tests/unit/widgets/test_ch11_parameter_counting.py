"""Chapter 11's figures: parts add up to independent counts, and the sentences say what is drawn."""

import math
import re

import numpy as np
import onnxruntime
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from utils.cost.params import DECODERS, ENCODERS, EncoderConfig, count_onnx, decoder_params, encoder_params, vit_params
from utils.networks.classic import CLASSIFIERS
from utils.widgets import ch11_parameter_counting as figures
from utils.widgets import param_measurements as measured
from utils.widgets.param_bars import BUDGETS, CNNS, PARTS, TRANSFORMERS, param_bars, parameter_parts


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?", text)]


def built(name):
    with torch.device("meta"):
        return CLASSIFIERS[name]()


@pytest.mark.parametrize("name", CNNS)
def test_parts_of_a_classifier_are_its_floats(name):
    net = built(name)
    everything = sum(v.numel() for v in net.state_dict().values() if v.is_floating_point())
    channels = sum(m.num_features for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    assert sum(parameter_parts(name, False).values()) == everything
    assert sum(parameter_parts(name, True).values()) == everything - 3 * channels
    assert list(parameter_parts(name, True)) == [p for p in PARTS if p in parameter_parts(name, True)]


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_parts_of_a_transformer_add_up(name):
    if name in ENCODERS:
        cfg = ENCODERS[name]
        total = (encoder_params(cfg) if isinstance(cfg, EncoderConfig) else vit_params(cfg)).total
        assert sum(parameter_parts(name, True).values()) == sum(parameter_parts(name, False).values()) == total
        return
    cfg = DECODERS[name]
    p, stored = decoder_params(cfg), parameter_parts(name, True)
    assert sum(stored.values()) == p.total
    assert sum(stored.values()) - stored.get("idle experts", 0) == p.active
    again = sum(parameter_parts(name, False).values()) - p.total
    assert again == (cfg.vocab * cfg.d_model if cfg.tied else 0)


def test_known_shares():
    # AlexNet's and VGG's linear layers: 9216, 25088 -> 4096 -> 4096 -> 1000, biases included
    for name, first in (("AlexNet", 9216), ("VGG-16", 25088)):
        assert parameter_parts(name, True)["linear"] == 4096 * (first + 1) + 4096 * 4097 + 1000 * 4097
    assert parameter_parts("MobileNetV2", True)["batch norm"] == 17_056
    assert "linear" not in parameter_parts("SqueezeNet 1.0", True)
    with pytest.raises(KeyError):
        parameter_parts("LeNet", True)


@pytest.mark.parametrize("bits", [2, 4, 32])
def test_bars_are_bytes(bits):
    parts = parameter_parts("ResNet-50", True)
    assert param_bars("ResNet-50", True, bits) == {part: n * bits / 8 for part, n in parts.items()}


@pytest.mark.parametrize(("args", "told"), [
    (("VGG-16", True, 32), [138_357_544, 553.4, 32, 89.4, 8, 24, 80]),
    (("ResNet-50", True, 16), [25_530_472, 51.1, 16, 47.5, 8, 24, 80, 106_240, 26_560]),
    (("ResNet-50", False, 16), [25_610_152, 51.2, 16, 47.4, 8, 24, 80, 106_240]),
    (("Mixtral-8x7B", True, 4), [46_702_792_704, 23.4, 4, 72.4, 24, 80, 12_879_925_248]),
    (("Llama-3.2-1B", False, 16), [1_498_482_688, 3.0, 16, 53.7, 8, 24, 80, 262_668_288]),
])
def test_the_sentence_has_its_numbers(args, told):
    figure, sentence = figures.where_parameters_live(*args)
    assert numbers(sentence.split(":", 1)[1]) == told
    assert all(ax.get_xlabel() and ax.get_title(loc="left") for ax in figure.axes)
    assert any(text.get_text() == f"▸ {args[0]}" for text in figure.axes[0].get_yticklabels())


def test_the_sentence_knows_what_fits():
    assert "none of the four devices" in figures.where_parameters_live("Llama-3-70B", True, 16)[1]
    assert BUDGETS["256 KiB MCU"] == 262_144
    small = figures.where_parameters_live("SqueezeNet 1.0", True, 2)[1]
    assert "312.1 kB" in small and "MCU" not in small


def test_bars_fill_the_row_and_the_static_picture_has_nine_models():
    figure = figures.static_picture()
    bars, sizes = figure.axes
    widths = {}
    for patch in bars.patches:
        row = round(patch.get_y() + patch.get_height() / 2)
        widths[row] = widths.get(row, 0) + patch.get_width()
    assert len(widths) == 9 and all(math.isclose(w, 100) for w in widths.values())
    assert sizes.get_xscale() == "log" and [t.get_text() for t in sizes.texts if "GB" in t.get_text()][-1] == "80 GB GPU"


def test_the_figure_asks_before_it_shows():
    question, row, told, picture = figures.parameter_explorer().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[0].click()
    assert "about 90 %" in told.value and picture.layout.display == ""


@pytest.mark.parametrize("n", [3, 7, 20])
def test_rank_correlation_is_scipys(n):
    rng = np.random.default_rng(n)
    a, b = rng.integers(0, n, n), rng.standard_normal(n)
    assert measured.rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert math.isnan(measured.rank_correlation([1, 1, 1], [1, 2, 3]))


def test_timed_networks_carry_their_counts():
    threads = torch.get_num_threads()
    rows = measured.time_networks(("SqueezeNet 1.1", "MobileNetV2"), rounds=1, size=64)
    assert torch.get_num_threads() == threads
    assert [(r.name, r.params) for r in rows] == [("SqueezeNet 1.1", 1_235_496), ("MobileNetV2", 3_504_872)]
    assert all(r.ms > 0 and r.macs > 0 for r in rows)


def timed(*rows):
    return [measured.TimedNetwork(*row) for row in rows]


def test_latency_is_told_with_both_correlations():
    rows = timed(("a", 60_000_000, 700_000_000, 5.0), ("b", 2_000_000, 900_000_000, 6.0), ("c", 9_000_000, 4_000_000_000, 40.0))
    told = figures.latency_verdict(rows)
    assert "1.00 for MACs, -0.50 for parameters" in told and "a has most parameters, and 2 of the other 2" in told
    shown = figures.latency_chart(rows)
    assert "<img" in shown.html and repr(shown) == told
    assert [line.split()[0] for line in repr(figures.latency_table(rows)).split("\n")[1:]] == ["a", "b", "c"]


def test_folding_stages_of_a_network():
    stages = measured.folding_stages("MobileNetV1", size=32)
    n, channels = 4_231_976, 10_944
    assert [s.values for s in stages] == [n, n + 2 * channels, n + 2 * channels, n - channels]
    assert [s.batch_norms for s in stages] == [27, 27, 27, 0]
    assert all(s.bytes >= 4 * s.values for s in stages)


def test_folding_changes_no_output():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for values in (net[1].weight, net[1].bias, net[1].running_mean, net[1].running_var):
            values.uniform_(0.5, 1.5, generator=rng)
    kept = measured.export_unfolded(net, 8)
    basic = measured.basic_passes(kept)
    assert count_onnx(kept).elements - count_onnx(basic).elements == 3 * 4
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    outputs = []
    for model in (kept, basic):
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        outputs.append(session.run(None, {session.get_inputs()[0].name: x})[0])
    # 27 products of about 1 and a few roundings more: some units of 2^-23
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


def test_gpu_table_says_when_there_is_no_gpu():
    if torch.cuda.is_available():
        assert len(repr(figures.gpu_table(("SqueezeNet 1.1",))).split("\n")) == 3
    else:
        assert "No CUDA device" in repr(figures.gpu_table())
