"""Figures and tables of chapter 52."""

import re

import pytest
import torch

from utils.networks.deploy import TARGETS, identity_added, reparam_sqnr, weight_sqnr_db
from utils.networks.deploy.experiment import NETWORKS, Form, Twin
from utils.networks.reparam import RepVGGBlock
from utils.widgets import ch52_deploying_lightweight_models as w


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", text)]


@pytest.mark.parametrize("rewrite,int8", [(False, False), (True, True)])
def test_the_time_line_adds_up(rewrite, int8):
    figure, sentence = w.draw_timeline("ShuffleNetV2", "npu_dense", rewrite, int8)
    report = w.deploy_timeline("ShuffleNetV2", "npu_dense", rewrite, int8)
    ends = [bar.start_us + bar.us for bar in report.bars]
    assert ends[-1] == pytest.approx(report.total_us) and ends[:-1] == pytest.approx([b.start_us for b in report.bars[1:]])
    assert f"{report.total_us / 1e3:.2f} ms, {0 if rewrite else 16} segments on the host" in sentence
    shares = [int(n) for n in re.findall(r"(\d+)%", sentence)]
    assert abs(sum(shares) - 100) <= 1 and ("INT8" in sentence) == int8
    assert figure.axes[0].get_xlabel() == "time (ms)"
    assert len(figure.axes[0].patches) == len(report.bars) + len(shares)  # each bar, and one for each entry of the legend


def test_every_network_runs_on_every_target():
    for network in NETWORKS:
        for target in TARGETS:
            assert w.deploy_timeline(network, target).total_us > 0



def test_the_identity_in_numbers():
    figure, sentence = w.draw_identity(5, True)
    plain, kernel = identity_added(0), identity_added(5)
    assert f"{weight_sqnr_db(kernel, True):.1f} dB, {weight_sqnr_db(plain, True):.1f} dB without" in sentence
    assert f"{abs(kernel).max():.2f}" in sentence and "a scale for each channel" in sentence
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    assert "one scale for the tensor" in w.draw_identity(0, False)[1]


def test_the_predictions_texts_agree_with_the_figure():
    report = w.deploy_timeline("ShuffleNetV2", "npu_dense")
    outside = report.us_by_place["copy"] + report.us_by_place["host"]
    assert 0.65 < outside / report.total_us < 0.72  # "about 70 %"
    assert round(report.us_by_place["device"] / 1e3, 1) == 1.7 and round(report.total_us / 1e3, 1) == 5.3


def test_tables():
    text = str(w.prediction_table(("ShuffleNetV2", "RepVGG-A0")))
    rows = [line for line in text.splitlines() if line.startswith(("Shuffle", "RepVGG"))]
    assert numbers(rows[0].removeprefix("ShuffleNetV2"))[:2] == [145, 16] and numbers(rows[1].removeprefix("RepVGG-A0"))[:2] == [1361, 0]
    assert "made up" in text.lower() and "made-up" in str(w.target_table()).lower()
    front = str(w.front_table([{"name": "a", "top1": 70, "ms": 9, "mb": 2}, {"name": "b", "top1": 69, "ms": 9, "mb": 3}])).splitlines()
    assert front[-2].split()[-1] == "yes" and front[-1].split()[-1] == "no"
    assert "1.5e-10" in str(w.twin_table([Twin("x", 0, 10**6, 1.5e-10, 2.0)]))
    assert "538" in str(w.form_table([Form("x", 538, 25.0, 83_000)])) and "83" in str(w.form_table([Form("x", 538, 25.0, 83_000)]))


def test_the_picture_of_branches_tells_blocks_with_an_identity_apart():
    torch.manual_seed(0)
    blocks = [reparam_sqnr(block.eval()) for block in (RepVGGBlock(4, 8), RepVGGBlock(8, 8))]
    text = str(w.sqnr_picture(blocks))
    assert f"{blocks[1]['fused']:.1f} dB; of the others {blocks[0]['fused']:.1f}" in text


def test_static_picture_has_both_time_lines():
    figure = w.static_picture()
    assert [ax.get_ylabel() for ax in figure.axes] == ["as exported", "rewritten"]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_shells():
    pytest.importorskip("ipywidgets")
    assert w.timeline_figure() is not None and w.identity_figure() is not None
