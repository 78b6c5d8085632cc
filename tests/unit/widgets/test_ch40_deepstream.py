"""Chapter 40's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import re
import sys

import numpy as np
import pytest

from utils.delivery.streaming import PipelineReport, StreamPipeline, render_clip, simulate_leaky_queue
from utils.optional import EngineUnavailable
from utils.widgets import ch40_deepstream as ch

SIZE = (96, 96)


@pytest.fixture(scope="module")
def clip():
    return render_clip(6, 30, SIZE, 2, "mjpeg")


def number(pattern, told):
    return float(re.search(pattern, told)[1].replace(",", ""))


def test_the_muxer_tells_its_numbers():
    """Four cameras, a frame every 8.333 ms, rounded to us; batches that never fill wait for 33 ms."""
    figure, told = ch.draw_mux(4, "all 30 fps", 8, 33, 4, 1.5)
    waits = [33 - 25 * i / 3 for i in range(4)]
    assert number(r"hold ([\d.]+) frames", told) == 4.0 and number(r"waits ([\d.]+) ms", told) == pytest.approx(np.mean(waits), abs=0.051)
    assert number(r"busy ([\d.]+) %", told) == pytest.approx(100 * 10 / 33.333, abs=0.6)
    assert number(r"latency is ([\d.]+) ms", told) == 43.0  # 33 + 4 + 4 * 1.5
    ax = figure.axes[0]
    assert "(ms)" in ax.get_xlabel() and [t.get_text() for t in ax.get_yticklabels()] == ["camera 0", "camera 1", "camera 2", "camera 3", "model"]
    assert "20.5 ms" in told and "12.5 ms" in ch.draw_mux(4, "all 30 fps", 4, 33, 4, 1.5)[1]
    assert "hold 2.0 frames" in ch.draw_mux(4, "all 30 fps", 8, 10, 4, 1.5)[1]


def test_the_muxer_with_other_rates_and_overload():
    told = ch.draw_mux(3, "30, 15 and 5 fps", 3, 20, 1, 1)[1]
    assert "3 cameras with 30, 15, 5 fps" in told and "keep up" not in told
    assert "keep up" in ch.draw_mux(2, "all 30 fps", 1, 0, 40, 1)[1] and "1 camera with" in ch.draw_mux(1, "all 30 fps", 1, 0, 1, 1)[1]


@pytest.mark.parametrize(("pattern", "packet", "second", "spoiled", "lost"), [
    ("P only", 3, -1, 9, 1), ("P only", 12, -1, 12, 1), ("P only", 3, 11, 9, 2), ("two B frames", 2, -1, 1, 1), ("two B frames", 4, -1, 8, 1),
    ("every frame a keyframe", 5, -1, 1, 1), ("P only", -1, -1, 0, 0),
])
def test_loss_counts(pattern, packet, second, spoiled, lost):
    figure, told = ch.draw_loss(pattern, packet, second)
    assert f"{spoiled} of 24 frames are spoiled by {lost} lost packet" in told and f"{spoiled - lost} of them arrived" in told
    assert figure.axes[0].get_xlabel() == "frame, in decode order" and len(figure.axes[0].patches) == 24
    assert sum(patch.get_hatch() in ("xx", "//") for patch in figure.axes[0].patches) == spoiled


def test_a_strip_and_errors_of_jpegs(clip):
    strip = ch.damage_strip(clip, {2}, [1, 2, 3])
    assert strip.text.endswith("frame 1 differs by 0.0 levels; frame 2 is missing; frame 3 differs by 0.0 levels.") and strip.html.startswith("<img")
    figure, told = ch.draw_errors(clip, {2})
    assert "1 of 6 frames are missing or differ" in told and "Predicted from the references: 1, the same frames" in told
    assert "(levels of 255)" in figure.axes[0].get_ylabel() and ch.errors_picture(clip, {2}).text == told


def test_errors_of_h264():
    pytest.importorskip("av")
    coded = render_clip(40, 30, (160, 112), 1)
    told = ch.draw_errors(coded, {10})[1]
    assert "20 of 40 frames are missing or differ" in told and "references: 20, the same frames" in told
    assert "frame 30 differs by 0.0" in ch.damage_strip(coded, {10}, [30]).text


def test_queues():
    """One worker of 80 ms, a frame every 40 ms: the i-th frame is 80 + 40 i ms old without a leak."""
    results = {mode: simulate_leaky_queue(range(0, 400, 40), 80, 1, mode) for mode in ("no", "downstream")}
    figure, told = ch.draw_queues(results)
    assert "no: 10 served, 0 dropped, mean latency 260 ms" in told and "(ms)" in figure.axes[0].get_ylabel()
    done, dropped = (int(number(rf"downstream:.*?(\d+) {word}", told)) for word in ("served", "dropped"))
    assert done + dropped == 10 and min(figure.axes[0].get_yticks()) >= 0 and ch.queues_picture(results).text == told


@pytest.fixture
def report():
    stamps = {"capture": np.array([0.0, 10, 20]), "decoded": np.array([1.0, 11, 21]), "muxed": np.array([4.0, np.nan, 24]),
              "inferred": np.array([9.0, np.nan, 39]), "out": np.array([10.0, np.nan, 40])}
    return PipelineReport(stamps, np.array([0, 1, 0]), 1, (1, 1), 2, (), 0.5)


def test_measured_tables(report):
    cells = [c for c in repr(ch.pipeline_table({"r": report})).splitlines()[1].split("  ") if c.strip()]
    assert [c.strip() for c in cells] == ["r", "3", "1", "1.0", "2", "4", "15.0", "19.5"]
    cells = [c.strip() for c in repr(ch.stage_table({"r": report})).splitlines()[1].split("  ") if c.strip()]
    assert cells == ["r", "1.0", "3.0", "14.5", "1.0", "19.5", "19.5", "33 %"]
    figure, told = ch.draw_latencies({"r": report, "s": report})
    assert "r: 1 of 3 frames dropped, the last frame is 20 ms old" in told and "(ms)" in figure.axes[0].get_ylabel()
    assert ch.latencies_picture({"r": report}).html.startswith("<img")


def test_a_real_report_fits_the_tables(clip):
    run = StreamPipeline([clip], lambda frames: [[] for _ in frames], batch_size=1, timeout_ms=1, leaky="no").run()
    assert repr(ch.pipeline_table({"live": run})).splitlines()[1].split()[:3] == ["live", "6", "0"] and "0 %" in repr(ch.stage_table({"live": run}))


def test_tables_of_facts_and_elements():
    lines = repr(ch.facts_table()).splitlines()
    assert len(lines) == 6 and all(line.rstrip().replace(ch.NO_BREAK, "-").endswith("2026-11-27") for line in lines[1:])
    told = repr(ch.launch_table())
    assert told.count("nvurisrcbin") == 1 and "batched-push-timeout=33333" in told and "TensorRT engine" in told


def test_optional_engines(monkeypatch, clip):
    def absent(*args):
        raise EngineUnavailable("it is not available: get it")

    monkeypatch.setattr(ch, "run_gst_launch", absent)
    assert "it is not available: get it. Where it runs, this cell plays: gst-launch-1.0 videotestsrc" in repr(ch.gst_cell())
    monkeypatch.setattr(ch, "run_gst_launch", lambda line: "")
    assert "ran to its end" in repr(ch.gst_cell())
    assert "An H.264 clip is not available: pip install av. There" in repr(ch.gpu_cell(clip))
    monkeypatch.setattr(ch, "codec_of", lambda clip: "h264")
    monkeypatch.setattr(ch, "decode_on_gpu", absent)
    assert "decodes the clip on the GPU" in repr(ch.gpu_cell(clip))
    frames = [f.array for f in ch.decode(clip)]
    monkeypatch.setattr(ch, "decode_on_gpu", lambda clip: [*frames[:5], 255 - frames[5]])
    assert "decoded 6 frames; 5 of them equal" in repr(ch.gpu_cell(clip))


def test_the_gpus_decoder_is_refused_without_a_gpu():
    pytest.importorskip("av")
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert "The GPU's decoder is not available" in repr(ch.gpu_cell(render_clip(2, 30, SIZE, 0)))


def test_shells_and_static_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # figures need no video
    for figure, knob, value, wanted in ((ch.muxer(), "batch-size", 4, "12.5 ms"), (ch.loss(), "frames", "two B frames", "1 of 24")):
        *_, view = figure.children
        knobs = {k.description: k for k in view.children[1].children}
        knobs[knob].value = value
        assert wanted in view.children[3].value
    assert len(ch.static_picture().axes) == 1
