"""Chapter 51's figures: their numbers against counts by hand, labelled axes, every choice drawn once."""

import re
from types import SimpleNamespace

import pytest
from matplotlib.patches import Rectangle

from utils.hardware.gpu_arch import GPUS, SM_LIMITS, SM_UNITS, PoolRow
from utils.widgets import ch51_nvidia_gpu_architectures as ch


@pytest.mark.parametrize("chip", SM_UNITS)
def test_sm_draws_as_many_squares_as_there_are_units(chip):
    figure, told = ch.draw_sm(chip)
    units, gpu = SM_UNITS[chip], GPUS[SM_UNITS[chip].gpu]
    squares = [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and p.get_width() == p.get_height() == 0.62]
    int_only = units.int32 if units.sharing == "own lanes" else 0
    fp64 = units.fp64 if units.fp64 >= units.quarters else 0
    tensor = units.tensor * gpu.fma_per_tensor_clk // 16
    assert len(squares) == units.fp32 + int_only + fp64 + tensor
    assert figure.axes[0].get_title(loc="left").startswith(f"One of the {gpu.sms} SMs of the {gpu.name}")
    assert sum(int(n) for n in re.findall(r"(\d+) (?:FP32|FP32 or INT32)(?:,| lanes)", told)) == units.fp32
    xs = [p.get_x() + p.get_width() for p in squares]
    assert max(xs) <= 26.6  # nothing sticks out of the last quarter


@pytest.mark.parametrize("metric, part", [
    ("peak", "V100 125 TFLOP/s"), ("bandwidth", "H100 SXM 3,350 GB/s"), ("ridge", "V100 139 FLOP/byte"),
    ("ridge", "H100 SXM 295 FLOP/byte"), ("ridge", "H200 206 FLOP/byte"), ("efficiency", "H100 SXM 1.4 TFLOP/s per W")])
def test_timeline(metric, part):
    figure, told = ch.draw_timeline(metric)
    ax = figure.axes[0]
    assert part in told and "year" in ax.get_xlabel() and "log" in ax.get_ylabel() and ax.get_yscale() == "log"
    assert {t.get_text() for t in ax.texts} == set(GPUS)


def test_occupancy():
    figure, told = ch.draw_occupancy("8.0", 0, 65, 512)
    assert "1 block of 512 threads with 65 registers" in told and "16 of 64 warps, 25 %. The limit: registers." in told
    left, right = figure.axes
    assert left.get_xlabel() == "registers a thread" and right.get_ylabel() == "occupancy (%)"
    cut = dict(zip(*right.lines[0].get_data()))
    assert cut[128] == 43.75 and cut[928] == 0  # 7 blocks of 4 warps; 29 warps where 28 fit
    assert "7 blocks of 128" in ch.draw_occupancy("8.0", 0, 65, 128)[1]
    assert "3 blocks of 128 threads" in ch.draw_occupancy("8.0", 48, 32, 128)[1]
    assert "can't start. The limit: registers." in ch.draw_occupancy("8.0", 0, 65, 1024)[1]
    assert "can't start. The limit: shared memory." in ch.draw_occupancy("7.5", 96, 32, 64)[1]


def test_waves():
    figure, told = ch.draw_waves()
    assert "117 tiles. On 108 SMs they take 2 waves, and 54.2 %" in told
    left, right = figure.axes
    assert "SM" in left.get_xlabel() and left.get_ylabel() == "wave" and "(%)" in right.get_ylabel()
    assert left.images[0].get_array().sum() == 117 and left.images[0].get_array().shape == (2, 108)
    assert "1 wave, and 100.0 %" in ch.draw_waves(1536)[1] and "img" in ch.waves_picture(1536, 1152, 128, 108).html


def test_teeth():
    figure, told = ch.draw_teeth(40)
    assert told.startswith("12 capabilities give 4 different curves")
    named = ", ".join(t.get_text() for t in figure.axes[0].get_legend().get_texts())
    assert sorted(named.split(", ")) == sorted(SM_LIMITS)
    assert "img" in ch.teeth_picture(32).html and "img" in ch.sm_picture("GV100").html


def test_tables():
    assert re.search(r"H100 SXM +132 +128 +1\.98 +66\.9 +66\.9 +989\.4 +989", ch.peaks_table().text)
    assert re.search(r"GTX 980 .* - +-", ch.peaks_table().text)
    assert re.search(r"Rubin +2026 +not stated", ch.generations_table().text) and "2026-11" in ch.generations_table().text
    assert re.search(r"8\.6 +1536 +48 +16 +65,536 +100 +99 +1", ch.limits_rows().text)
    assert re.search(r"9 +2 +40\.0 +2\.00", ch.pool_table([PoolRow(8, 1, 0.02), PoolRow(9, 2, 0.04)]).text)


def test_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert ch.gpu_note().text.startswith("No CUDA GPU is here.")
    rows = ch.matmul_times((8, 16), m=8, k=8, device="cpu", repeats=2)
    assert [n for n, _ in rows] == [8, 16] and all(us > 0 for _, us in rows)
    props = SimpleNamespace(name="A100", major=8, minor=0, multi_processor_count=108, total_memory=1,
                            max_threads_per_multi_processor=2048)
    monkeypatch.setattr(ch, "live_device_props", lambda: ch_live(props))
    monkeypatch.setattr(ch, "matmul_times", lambda: [(1536, 10.0), (1664, 20.0)])
    told = ch.gpu_note().text
    assert "its limits agree with the table" in told and re.search(r"1664 +2 +20\.0", told)
    props.max_threads_per_multi_processor = 1
    assert "it differs from the table" in ch.gpu_note().text
    props.major = 6
    assert "not in the table" in ch.gpu_note().text


def ch_live(props):
    from utils.hardware.gpu_arch import live_device_props

    return live_device_props(props)


def test_shells_and_picture():
    assert ch.static_picture().axes
    assert all(view() is not None for view in (ch.sm_view, ch.timeline_view, ch.occupancy_view, ch.waves_view))
