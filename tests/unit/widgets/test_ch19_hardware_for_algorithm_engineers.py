"""Chapter 19's figures: their numbers against counts by hand, labelled axes, knobs at their ends."""

import re

import pytest

from utils.cost.bandwidth import StrideRow
from utils.widgets import ch19_hardware_for_algorithm_engineers as ch

PAIR = {"GTX 980": {"lanes": 2048, "ghz": 1.126, "gb_s": 224}, "i7-5960X": {"lanes": 128, "ghz": 3.0, "gb_s": 68}}


def test_rooflines():
    figure, told = ch.draw_rooflines(PAIR)
    assert told.startswith("GTX 980 over i7-5960X: 3.3 where memory decides, 6.0 where lanes decide")  # 224 / 68; 4612 / 768
    assert all("FLOP/byte" in ax.get_xlabel() for ax in figure.axes) and figure.axes[1].get_ylabel() == "GTX 980 over i7-5960X"
    assert "img" in ch.rooflines_picture(PAIR).html


@pytest.mark.parametrize("pattern, share, sort, cycles, percent", [
    ("random", 0.5, False, 64, 50),  # every warp mixed: 4 * 16; 64 * 10 + 64 * 6 of 64 * 32
    ("blocked", 0.5, False, 32, 100), ("alternating", 1 / 32, False, 64, 38), ("alternating", 1 / 32, True, 34, 72), ("random", 1, False, 40, 100), ("random", 0, False, 24, 100)])
def test_divergence(pattern, share, sort, cycles, percent):
    figure, told = ch.draw_divergence(pattern, share, 10, 6, sort)
    assert f"{cycles} cycles over four warps, {percent} % of the lane slots" in told
    ax = figure.axes[0]
    spent = [int(re.search(r"(\d+) cycles", t.get_text())[1]) for t in ax.texts]
    assert sum(spent) == cycles and ax.get_ylabel() == "thread" and "cycle" in ax.get_xlabel()


@pytest.mark.parametrize("base, stride, access, asked, touched", [(0, 4, 4, 128, 4), (4, 4, 4, 128, 5), (0, 8, 4, 128, 8), (0, 0, 4, 4, 1), (0, 128, 4, 128, 32), (64, 128, 16, 512, 32)])
def test_sectors(base, stride, access, asked, touched):
    figure, told = ch.draw_sectors(base, stride, access)
    plural = "s" * (touched != 1)
    assert f"ask for {asked} distinct bytes, which lie in {touched} sector{plural}: {32 * touched} bytes are moved, {100 * asked / 32 / touched:.0f} %" in told
    assert sum(int(t.get_text()) for t in figure.axes[0].texts) == asked and len(figure.axes[0].texts) == touched


def test_counts_of_the_machine():
    rows = ch.issue_counts([("if_gt", 0), ("mul", 2), ("add", 1), ("else",), ("mul", -1), ("endif",)])
    assert rows[0] == (0.0, 4, 4) and rows[-1] == (1.0, 8, 8)  # all false: one instruction a warp; all true: two
    assert max(a for _, a, _ in rows) == 12 and all(b <= a for _, a, b in rows)
    figure, told = ch.draw_issues(rows)
    assert told.startswith("At most 12 instructions as the threads come, 9 when they are sorted; 4 when all")
    assert "issued" in figure.axes[0].get_ylabel() and "img" in ch.issues_picture(rows).html


def test_tables_and_gpu(monkeypatch):
    text = ch.stride_table([StrideRow(1, 8.0, 8.0), StrideRow(16, 0.5, 8.0)]).text
    assert re.search(r"16 +0\.50 +8\.00 +16\.0", text)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert ch.gpu_stride_note().text.startswith("No CUDA GPU is here.")
    rows = ch.gpu_strides((1, 4), n=4096, device="cpu", repeats=2)
    assert [s for s, _ in rows] == [1, 4] and all(rate > 0 for _, rate in rows)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(ch, "gpu_strides", lambda: rows)
    assert "Measured on this GPU" in ch.gpu_stride_note().text


def test_shells_and_picture():
    assert ch.static_picture().axes and ch.divergence_view() is not None and ch.sectors_view() is not None
