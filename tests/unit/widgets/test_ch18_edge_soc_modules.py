"""Chapter 18's figures: the numbers in their sentences against arithmetic by hand, labelled axes, all knobs."""

import re

import pytest

from utils.hardware.soc import MODULES, SOCS, camera_chain
from utils.hardware.soc.live import LiveRun
from utils.hardware.soc.pipeline import simulate_pipeline
from utils.widgets import ch18_edge_soc_modules as ch


def test_the_chip():
    figure, told = ch.draw_budget()
    assert "A frame moves 19.6 MB; 8 streams move 4.70 GB/s, 14 % of the peak of 33.8 GB/s." in told
    assert "decoder 32, encoder 16, NPU 8, DDR bus 34. The NPU decides: 8 fit." in told
    bus, limits = figure.axes
    shown = [float(t.get_text()) for t in bus.texts if re.fullmatch(r"[\d.]+", t.get_text())]
    frame, tensor = 1920 * 1080 * 1.5 * 240 / 1e9, 3 * 640 * 640 * 240 / 1e9
    assert sorted(shown) == sorted(round(v, 2) for v in (frame, frame, tensor, tensor, 1.5 * frame, frame, frame))
    assert [t.get_text() for t in limits.get_yticklabels()] == ["decoder", "encoder", "NPU", "DDR bus"] and "streams" in limits.get_xlabel()
    assert "8 bottleneck" in " ".join(t.get_text() for t in limits.texts)


@pytest.mark.parametrize("npu_ms, streams, who", [(12, 8, "NPU"), (4, 16, "encoder"), (3, 16, "encoder")])
def test_the_bottleneck_moves(npu_ms, streams, who):
    told = ch.draw_budget(streams=streams, npu_ms=npu_ms)[1]
    assert f"The {who} decides: {streams} fit." in told
    assert f"The {who} decides: {streams + 1} do not fit." in ch.draw_budget(streams=streams + 1, npu_ms=npu_ms)[1]


def test_the_guess_of_the_chip():
    # three times as fast: 4 ms, 3 cores, 30 frames a second make 25 streams; 995.328 / 62.208 = 16
    report = ch.budget(SOCS["RK3588"], "1080p", 640, 4)[1]
    assert (report.limits["npu"], report.streams) == (25, 16)
    assert "DDR bus decides: 17 fit" in ch.draw_budget("fast NPU, narrow bus", 17, "1080p", 640, 2)[1]
    for chip in SOCS:
        for size in ch.SIZES:
            assert "decides" in ch.draw_budget(chip, 1, size, 1280, 40)[1]


def test_the_line():
    figure, told = ch.draw_line()
    times = ch.line_times(4, 6, 3, 16, 15)
    assert times[1][1] == 22 and times[0][4] == 20 and sum(times[0]) == 15 * 4 + 3 * 16
    assert "leaves after 171.0 ms, 89 frames a second" in told and "blocked for 42.0 ms in all" in told
    assert "leaves after 153.0 ms, 100 frames a second" in ch.draw_line(buffers=2)[1]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(ch.STAGES) and "(ms)" in figure.axes[0].get_xlabel()
    steady = [ch.draw_line(slow_ms=0, buffers=b, fps=250)[1] for b in (1, 4)]
    assert all("167 frames a second" in s and "leaves after 97.0 ms" in s for s in steady)  # 13 + 14 * 6; 1000 / 6


def test_tables():
    text = ch.passes_table(camera_chain(1920, 1080, 640, True, True)).text
    assert re.search(r"all +12\.12 +7\.45 +0\.587", text) and re.search(r"encoder +4\.67 +3\.11 +0\.233", text)
    assert {m.in_list for m in MODULES} == {"", *"1234567"} and "missing" in ch.modules_table().text


def test_live_table_and_picture():
    times = tuple(tuple(float(i + 1) for _ in range(4)) for i in range(4))
    run = LiveRun((0, 1, 2, 3), times, 40.0, 3, 8, simulate_pipeline(times, 4), (1,) * 4)
    text = ch.live_table([(1, run)]).text
    # 4 frames in 40 ms; the model: 1 + 2 + 3 + 4 + 3 * 4 = 22 ms; one by one 40 ms
    assert re.search(r"1 +100 +182 +100 +3 of 8 +yes", text)
    assert "NO" in ch.live_table([(1, LiveRun((1, 0), times, 40.0, 3, 8, simulate_pipeline(times, 4), ()))]).text
    figure, told = ch.draw_live(run)
    assert "camera 1.0 ms" in told and "100 frames a second" in told and figure.axes[0].get_ylabel().endswith("(ms)")
    assert "img" in ch.live_picture(run).html


def test_shells_and_picture():
    assert ch.static_picture().axes and ch.chip_budget() is not None and ch.stage_line() is not None
