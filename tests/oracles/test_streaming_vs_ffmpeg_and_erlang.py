"""Damage against FFmpeg's H.264 decoder (through PyAV), losses against Erlang's formula, a batch of 1 against Lindley."""

import re

import numpy as np
import pytest

from utils.delivery import streaming as ds
from utils.serving.queueing import poisson_arrivals, simulate_fifo

SIZE = (320, 240)


@pytest.fixture(scope="module")
def av():
    return pytest.importorskip("av")


@pytest.mark.usefixtures("av")
@pytest.mark.parametrize("seed", range(3))
def test_one_lost_packet_spoils_exactly_what_the_references_say(seed):
    """Packet 10 of 60 with a GOP of 30: frame 10 missing, 11 to 29 damaged, 30 clean."""
    clip = ds.render_clip(60, 30, SIZE, seed)
    assert ds.frame_types(clip) == ("I" + 29 * "P") * 2
    fates = [f.fate for f in ds.decode_with_loss(clip, {10})]
    assert fates == ["ok"] * 10 + ["missing"] + ["damaged"] * 19 + ["ok"] * 30
    assert len(list(ds.decode(clip, keyframes_only=True))) == 2


@pytest.mark.usefixtures("av")
@pytest.mark.parametrize("b_frames", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", [1, 4])
def test_prediction_equals_the_decoder(b_frames, seed):
    clip = ds.render_clip(48, 30, SIZE, seed, gop=16 + seed, b_frames=b_frames)
    rng = np.random.default_rng(seed)
    for lost in ({0}, {4}, {5}, {47}, {16 + seed}, {int(v) for v in rng.integers(0, 48, 3)}):
        assert [f.fate == "ok" for f in ds.decode_with_loss(clip, lost)] == ds.predicted_good(clip, lost), lost


@pytest.mark.usefixtures("av")
def test_b_frames_are_marked_as_not_needed_and_come_late():
    """The bitstream's own flag nal_ref_idc is 0 for B frames only; packets do not come in the order of showing."""
    import io

    import av

    clip = ds.render_clip(31, 30, SIZE, 0, b_frames=2)
    types = ds.frame_types(clip)
    assert types.startswith("IPBBPBB")
    with av.open(io.BytesIO(clip)) as container:
        annexb = av.BitStreamFilterContext("h264_mp4toannexb", container.streams.video[0])
        data = [bytes(p) for packet in container.demux(video=0) for p in annexb.filter(packet if packet.size else None)]
    headers = [[d[m.end()] for m in re.finditer(b"\x00\x00\x01", d)] for d in data]
    slices = [next(h for h in hs if h & 31 in (1, 5)) for hs in headers if hs]
    assert [h >> 5 & 3 == 0 for h in slices] == [kind == "B" for kind in types]
    shown = [p.pts_us for p in ds.packets(clip)]
    assert shown[:4] == [0, 100_000, 33_333, 66_667] and shown != sorted(shown)
    assert [f.pts_us for f in ds.decode(clip)] == sorted(shown)


@pytest.mark.usefixtures("av")
def test_h264_is_smaller_than_jpegs_and_close_to_the_picture():
    h264, mjpeg = ds.render_clip(30, 30, SIZE, 2), ds.render_clip(30, 30, SIZE, 2, "mjpeg")
    assert 3 * len(h264) < len(mjpeg) and ds.best_codec() == "h264" and ds.codec_of(h264) == "h264"
    for frame, source in zip(ds.decode(h264), ds.render_frames(30, SIZE, 2)):
        assert np.abs(frame.array.astype(int) - source).mean() < 6
    assert ds.render_clip(5, 30, SIZE, 2)[-200:] == ds.render_clip(5, 30, SIZE, 2)[-200:]


@pytest.mark.usefixtures("av")
def test_a_real_pipeline_plays_h264():
    clips = [ds.render_clip(12, 60, SIZE, seed) for seed in range(2)]
    report = ds.StreamPipeline(clips, ds.digit_detector(SIZE), batch_size=2, timeout_ms=50, leaky="no").run()
    assert report.done == 24 and len(report.metadata) == 24 and {m.track for m in report.metadata} == {0}


def test_no_room_is_erlangs_loss():
    """M/D/1/1: rho / (1 + rho). 200,000 arrivals: standard error below 0.15 %, tolerance 2 % of the value."""
    for rho in (0.3, 1.0, 2.5):
        arrivals = np.round(1e6 * poisson_arrivals(100, 200_000, np.random.default_rng(1))).astype(int).tolist()
        result = ds.simulate_leaky_queue(arrivals, round(1e6 * rho / 100), 0, "upstream")
        assert result.drop_rate == pytest.approx(ds.no_room_loss(100, rho / 100), rel=0.02)
        assert ds.no_room_loss(100, rho / 100) == pytest.approx(rho / (1 + rho))


def test_an_unbounded_queue_is_the_recursion_of_the_queueing_room():
    arrivals = np.round(1e6 * poisson_arrivals(50, 2000, np.random.default_rng(2))).astype(int)
    waits = simulate_fifo(arrivals / 1e6, np.full(2000, 0.015))
    result = ds.simulate_leaky_queue(arrivals.tolist(), 15_000, 3, "no")
    np.testing.assert_allclose(result.latencies / 1e6, waits + 0.015, atol=1e-9)
