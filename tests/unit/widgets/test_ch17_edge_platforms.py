"""Figures of chapter 17: the numbers of their sentences against computations of their own, axes, and the shell."""

import re

import pytest

from utils.hardware.chips import MEASURED, PLATFORMS, WORKLOADS
from utils.widgets import ch17_edge_platforms as figures
from utils.widgets import edge_measurements
from utils.widgets.edge_measurements import CpuRun

MOBILENET = WORKLOADS["MobileNetV2"]


def rates(sentence):
    """{platform: runs a second} of a map's sentence."""
    told = re.search(r"Runs a second: (.*?)\. \(", sentence)[1]
    return {name: float(value.replace(",", "")) for name, value in re.findall(r"([\w .-]+?) (?:≤ )?([\d,]+)(?:, |$)", told)}


def test_the_map_with_a_power_limit():
    figure, told = figures.draw_map(max_watts=15)
    assert "4 of 12 platforms are left" in told and "at most 15 W" in told
    # 26 and 4 TOPS without DRAM; 16 and 8 without a known one: 0.3 of the peak over 2 · 300.8e6
    assert rates(told) == {name: round(tops * 0.3e12 / 601.6e6) for name, tops in
                           (("Hailo-8", 26), ("Ascend 310", 16), ("MLU220-M.2", 8), ("Edge TPU", 4))}
    scatter, side = figure.axes
    assert (scatter.get_xlabel(), scatter.get_ylabel()) == ("highest power mode (W)", "dense TOPS at 8 bits")
    listed = [t.get_text() for t in side.texts]
    assert "✗ AX650N" in listed and listed.count("power unknown") == 5 and "25 W is above 15 W" in listed
    assert sum(t.startswith(("✓", "✗")) for t in listed) == 12


def test_the_map_of_a_language_model_across_bandwidth():
    figure, told = figures.draw_map("8 B LLM, 4 bit, one token", "DRAM bandwidth", min_per_s=10, max_watts=30)
    assert rates(told)["Orin Nano Super"] == round(102.4e9 / 3.752e9)  # the memory decides
    assert "≤ 320" in told and figure.axes[0].get_xlabel() == "DRAM bandwidth (GB/s)"
    assert any("no DRAM" in t.get_text() for t in figure.axes[1].texts)
    assert "none" in figures.draw_map("8 B LLM, 4 bit, one token", min_per_s=5000)[1]


def test_the_numbers_of_the_text():
    assert rates(figures.draw_map(utilization_pct=6)[1])["Hailo-8"] == 2593
    names = figures.draw_map(bits=16)[1]
    assert "Edge TPU" not in names and "STM32MP25" not in names and "10 of 10" in names
    listed = [p for p in PLATFORMS.values() if p.kind in figures.KINDS]
    unknown = sum(p.watts is None for p in listed) + sum(p.mem_gb_s is None and not p.on_chip for p in listed)
    assert (len(listed), unknown) == (16, 18)
    assert (26 / 2, round(2434 / 433, 1)) == (13, 5.6)  # Hailo-8 against one core of the RK3588


def test_headlines_and_power_modes():
    figure, told = figures.draw_headlines()
    assert told.endswith("Dense at 8 bits: Orin Nano Super 33.5, BM1684X 32, Hailo-8 26, AX650N 18, Ascend 310 16, RK3588 6 TOPS.")
    heads, dense = [], []
    for bar in figure.axes[0].patches:
        (heads if bar.get_hatch() else dense).append(bar.get_width())
    assert heads == [72, 67, 32, 26, 16, 6] and dense == [18, 33.5, 32, 26, 16, 6]
    figure, told = figures.draw_power_modes()
    assert "MAXN 276, 50 W 201, 30 W 131, 15 W 54" in told and figure.axes[0].get_xlabel() == "sparse INT8 TOPS"


def test_tables_have_every_row_and_a_date():
    text = repr(figures.platform_table())
    assert "November 2026" in text and len(text.splitlines()) == 2 + 16 and "2070 at 4 bit, sparse" in text
    assert "November 2026" in repr(figures.source_table()) and "HiSilicon newsroom" in repr(figures.source_table())
    delivered = repr(figures.delivered_table())
    assert len(delivered.splitlines()) == 2 + len(MEASURED)
    # 2 · 300.8e6 · 2434 / 26e12; 2 · 3.49e9 · 1394 / 26e12; 19.14 tokens of 3.752 GB over 102.4 GB/s
    assert "5.6%" in delivered and "37.4%" in delivered and "70%" in delivered


def test_shares_say_for_whom_the_answer_changes():
    figure, told = figures.draw_shares()
    bars = {figures.short(p.name): p for p in PLATFORMS.values()}
    changes = re.search(r"changes for (.*?); it is", told)[1].split(", ")
    for name, p in bars.items():
        if p.headline_tops is None:
            continue
        dense = p.headline_tops / (2 if p.sparse else 1) / (p.step_ratio if p.bits == 4 else 1)
        low, high = (min(dense * share * 1e12 / (2 * MOBILENET.macs), (p.mem_gb_s or 1e9) * 1e9 / MOBILENET.nbytes)
                     for share in (0.1, 0.6))
        assert (name in changes) == (low < 1920 <= high)
    assert "no throughout for STM32MP25" in told and figure.axes[0].get_xscale() == "log"
    with_mine = figures.draw_shares(measured=CpuRun(10.0, 100.0))[0].axes[0]
    assert with_mine.get_yticklabels()[-1].get_text() == "this machine, one thread"


def test_the_run_of_this_machine_is_converted():
    run = CpuRun(ms=6.016, gemm_gflop_s=200.0)
    assert run.gflop_s == pytest.approx(100) and run.share == pytest.approx(0.5)  # 601.6e6 operations in 6.016 ms
    text = repr(figures.cpu_table(run))
    assert "166 fps" in text and "100.0" in text and "50%" in text
    assert "<img" in figures.share_picture(measured=run)._repr_html_()


def test_mobilenet_runs_here():
    run = edge_measurements.measure_mobilenet(rounds=1)
    assert 0 < run.ms < 10_000 and run.gemm_gflop_s > 0
    assert figures.gpu_note().text.startswith(("No GPU", "Measured"))


def test_the_shell_asks_first_and_redraws():
    view = figures.explore_map()
    question, row, told, figure = view.children
    assert "AX650N" in question.value and figure.layout.display == "none"
    row.children[0].click()
    assert "It is: Orin Nano Super" in told.value and figure.layout.display == ""
    knobs = figure.children[1].children
    assert [k.description for k in knobs] == ["workload", "across", "bits", "share of the peak (%)", "runs a second needed",
                                              "power at most"]
    knobs[5].value = 15
    assert "4 of 12" in figure.children[3].value


def test_the_static_picture_is_the_map_at_15_watts():
    scatter, side = figures.static_picture().axes
    assert sum(t.get_text().startswith("✓") for t in side.texts) == 4 and scatter.get_yscale() == "log"
    for picture in (figures.headline_picture(), figures.power_mode_picture()):
        assert "<img" in picture.html and picture.text
