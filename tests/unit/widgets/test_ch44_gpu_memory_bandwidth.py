"""Chapter 44's figures: the numbers in their sentences against independent arithmetic, labelled axes, all knobs."""

import re
import subprocess
import xml.etree.ElementTree as ET

import pytest
import torch

from autograder.notebooks.pictures import figure_svg
from utils.cost.bandwidth.streams import GemmPoint, StrideRow
from utils.hardware.gpu_arch import GPUS
from utils.widgets import ch44_gpu_memory_bandwidth as ch


def numbers(sentence):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", sentence)]


def test_one_cycle_of_1750_mhz():
    figure, told = ch.draw_beats(1750)
    assert [f"{1.75 * n:g} Gbit/s" in told for n in (2, 4, 8, 16)] == [True] * 4
    assert "cycles" in figure.axes[0].get_xlabel()
    assert ch.one_clock()._repr_html_().startswith("<img")


@pytest.mark.parametrize(("convention", "clock", "times_two"), [
    ("ck", 1750, 112), ("amdgpu", 875, 56), ("nvml", 7000, 448), ("effective", 14_000, 896)])
def test_one_memory_has_448_gb_s_however_it_is_counted(convention, clock, times_two):
    figure, told = ch.draw_clock("RX 5700 XT", convention)
    assert f"{clock:,} MHz × {14_000 // clock} = 14 Gbit/s" in told
    assert "= 448 GB/s (published: 448 GB/s)" in told
    assert f"would give {times_two} GB/s" in told
    left, right = figure.axes
    assert "MHz" in left.get_xlabel()
    assert "GB/s" in right.get_xlabel()
    assert sum("▸" in t.get_text() for t in left.get_yticklabels()) == 1
    shown = [t.get_text() for t in left.texts]
    assert [s.strip() for s in shown] == ["1,750 MHz × 8", "875 MHz × 16", "7,000 MHz × 2", "14,000 MHz × 1"]


def test_overclocking_and_another_bus():
    told = ch.draw_clock("T4", "ck", overclock_pct=20, bus_bits=192)[1]
    assert "1,500.3 MHz × 8" in told
    assert f"× 192 bit / 8 = {1250.25 * 1.2 * 8 * 192 / 8 / 1000:,.5g} GB/s" in told


def test_a_clock_that_a_memory_does_not_have():
    picture, told = ch.draw_clock("RTX 3090", "wck")
    assert isinstance(picture, str)
    assert "GDDR6X" in told
    assert "command clock" in told


@pytest.mark.parametrize(("stride", "item", "offset", "sectors"), [
    (1, 4, 0, 4), (1, 4, 4, 5), (2, 4, 0, 8), (8, 4, 0, 32), (16, 4, 0, 32), (0, 4, 0, 1), (32, 16, 24, 64), (32, 1, 0, 32)])
def test_warp_sentence_against_single_bytes(stride, item, offset, sectors):
    figure, told = ch.draw_warp(ch.SLIDERS, stride, item, offset, "H100 SXM")
    asked = {offset + lane * stride * item + i for lane in range(32) for i in range(item)}
    moved = 32 * len({b // 32 for b in asked})
    n, _, bytes_moved, requested, percent, *_, useful = numbers(told)
    assert (n, bytes_moved, requested) == (sectors, moved, len(asked))
    assert percent == pytest.approx(100 * len(asked) / moved, abs=0.06)
    assert useful == pytest.approx(GPUS["H100 SXM"].mem_gb_s * len(asked) / moved, rel=1e-3)
    assert "sectors" in figure.axes[0].get_xlabel()
    (dark,) = figure.axes[0].collections
    widths = [path.get_extents().width for path in dark.get_paths()]
    assert 32 * sum(widths) == pytest.approx(len(asked))  # a thirty-second of a sector for each requested byte


def test_presets_ignore_the_sliders():
    gather = "random gather from 4 KiB"
    assert ch.draw_warp(gather, 7, 16, 3)[1] == ch.draw_warp(gather, 1, 4, 0)[1]
    assert "1 sector of 32 bytes" in ch.draw_warp("broadcast", 1, 4, 0)[1]
    rows = repr(ch.access_table()).splitlines()
    assert len(rows) == 1 + len(ch.WARP_PRESETS)
    assert rows[2].split()[-4:] == ["B", "128", "B", "80.0%"]


def test_tokens_sentence():
    figure, told = ch.draw_tokens(8, 16, 0, 1, "H100 SXM")
    assert f"memory needs {16e9 / 3350e9 * 1e3:.3g} ms" in told
    assert "at most 209 tokens/s" in told
    assert "From batch 296 on" in told
    ax = figure.axes[0]
    assert "batch" in ax.get_xlabel()
    assert "tokens/s" in ax.get_ylabel()
    assert "B200 (8 TB/s, as announced): 500" in [t.get_text() for t in ax.get_legend().get_texts()]
    stars = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "*"]
    assert len(stars) == 6


def test_a_long_context_has_no_stars():
    figure, told = ch.draw_tokens(70, 4, 131_072, 16, "L4")
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    assert "However large the batch" in told
    cache = 131_072 * 131_072 * 16
    assert f"{(70e9 / 2 + cache) / 300e9 * 1e3:,.0f} ms" in told


def test_shells_show_a_question_first():
    for shell in (ch.clock_figure, ch.warp_figure, ch.tokens_figure):
        view = shell()
        assert "Guess first" in view.children[0].value
        assert view.children[-1].layout.display == "none"


def test_static_picture_is_an_svg_with_its_labels():
    svg = figure_svg(ch.static_picture())
    text = " ".join(ET.fromstring(svg).itertext())
    for word in ("875 MHz × 16", "448 GB/s", "112 GB/s", "clock shown (MHz)"):
        assert word in text


# --- the experiment, with rates that are told -----------------------------------------------------


def test_ladder_keeps_the_best_round_of_each_size():
    rounds = iter([[(8, 10.0), (16, 2.0)], [(8, 7.0), (16, 5.0)]])
    rungs = ch.measure_ladder([8, 16], 2, ladder=lambda sizes, repeats: next(rounds))
    assert rungs == [(8, 10.0), (16, 5.0)]
    told = repr(ch.ladder_plot([(1 << 13, 100.0), (1 << 28, 20.0)]))
    assert "100 GB/s; at 256 MiB, in DRAM, it is 20.0 GB/s, 5.0 times" in told


def test_strides_keep_the_best_round():
    def read(n_bytes, strides, repeats):
        return [StrideRow(s, 16 / s, 16.0) for s in strides]

    rows = ch.measure_strides(1 << 10, 2, read=read)
    assert [row.stride for row in rows] == list(ch.STRIDES)
    assert "16.0 GB/s at stride 1 to 1.00 GB/s at stride 16" in repr(ch.stride_plot(rows))


def test_roofline_sentence():
    points = (GemmPoint(4096, 1, 0.5, 5.0, 10.0), GemmPoint(4096, 256, 113.0, 90.0, 0.8))
    told = repr(ch.roofline_plot(ch.MeasuredRoofline(points, 100.0, 20.0)))
    assert "10.0 GB/s, 50% of the memory roof" in told
    assert "90 GFLOP/s, 90% of the compute roof" in told


def test_measured_points_stay_under_the_roofs(monkeypatch):
    monkeypatch.setattr(ch, "stream", lambda kernel, n, repeats: type("R", (), {"gb_s_best": 3.0}))
    threads = torch.get_num_threads()
    run = ch.measure_roofline(64)
    assert torch.get_num_threads() == threads
    assert [p.columns for p in run.points] == list(ch.COLUMNS)
    assert max(p.gflop_s for p in run.points) <= run.peak_gflop_s
    assert run.points[0].gb_s <= run.mem_gb_s


def test_stream_table_adds_one_array():
    rows = [line.split() for line in repr(ch.stream_table(1 << 12, 2)).splitlines()[1:]]
    assert [row[0] for row in rows] == ["copy", "scale", "add", "triad"]
    for (_, best, more), arrays in zip(rows, (2, 2, 3, 3)):
        assert float(more) == pytest.approx(float(best) * (arrays + 1) / arrays, abs=0.15)


def test_gpu_cell_with_and_without_one(monkeypatch):
    monkeypatch.setattr(ch, "cuda_bandwidth", lambda: None)
    assert "is not available" in ch.gpu_bandwidth()
    monkeypatch.setattr(ch, "cuda_bandwidth", lambda: 3000.0)
    monkeypatch.setattr(ch, "cuda_peak_gb_s", lambda: 3352.0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Some GPU")
    monkeypatch.setattr(ch.shutil, "which", lambda tool: None)
    assert ch.gpu_bandwidth() == ("Some GPU: copying 1 GiB moves 3,000 GB/s, 89% of the 3,352 GB/s from the driver's clock "
                                  "and bus width.")
    monkeypatch.setattr(ch.shutil, "which", lambda tool: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(ch.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, "2619 MHz, 2619 MHz\n"))
    assert ch.gpu_bandwidth().endswith("(now, highest): 2619 MHz, 2619 MHz. Take it times 2.")
    monkeypatch.setattr(ch, "cuda_peak_gb_s", lambda: None)
    assert "%" not in ch.gpu_bandwidth()
