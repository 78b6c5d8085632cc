"""Rendered clips without PyAV: JPEGs, and what is said where H.264 is missing."""

import sys
from itertools import pairwise

import numpy as np
import pytest

from utils.delivery import streaming as ds
from utils.optional import EngineUnavailable

SIZE = (160, 112)


@pytest.fixture(scope="module")
def clip():
    return ds.render_clip(6, 30, SIZE, 3, "mjpeg")


def test_mjpeg_round_trip(clip):
    rendered, decoded = ds.render_frames(6, SIZE, 3), list(ds.decode(clip))
    assert [f.pts_us for f in decoded] == [0, 33333, 66667, 100000, 133333, 166667]
    assert all(f.key and f.pict_type == "I" and f.array.shape == (112, 160) and f.array.dtype == np.uint8 for f in decoded)
    for frame, source in zip(decoded, rendered):  # JPEG of quality 85 changes noise, not the picture
        assert np.abs(frame.array.astype(int) - source).mean() < 4
    assert ds.codec_of(clip) == "mjpeg" and ds.frame_types(clip) == "IIIIII" and sum(p.size_bytes for p in ds.packets(clip)) < len(clip)


def test_a_jpeg_that_is_lost_hurts_no_other(clip):
    fates = ds.decode_with_loss(clip, {2})
    assert [f.fate for f in fates] == ["ok", "ok", "missing", "ok", "ok", "ok"]
    assert [f.fate == "ok" for f in fates] == ds.predicted_good(clip, {2}) and np.isnan(fates[2].error)


def test_rendering_is_reproducible_and_the_digit_moves():
    assert ds.render_clip(2, 30, SIZE, 1, "mjpeg") == ds.render_clip(2, 30, SIZE, 1, "mjpeg") != ds.render_clip(2, 30, SIZE, 2, "mjpeg")
    boxes = ds.digit_boxes(200, SIZE, 5)
    assert all(0 <= left < right <= 160 and 0 <= top < bottom <= 112 for left, top, right, bottom in boxes)
    assert all(3 <= abs(a[0] - b[0]) <= 4 and 3 <= abs(a[1] - b[1]) <= 4 for a, b in pairwise(boxes))


def test_without_pyav(monkeypatch, clip):
    monkeypatch.setitem(sys.modules, "av", None)
    assert ds.best_codec() == "mjpeg" and len(list(ds.decode(clip))) == 6
    for call in (lambda: ds.render_clip(2, 30, SIZE, 0), lambda: list(ds.decode(b"0000ftyp")), lambda: ds.decode_on_gpu(b"")):
        with pytest.raises(EngineUnavailable, match="av is not available: pip install av"):
            call()


@pytest.mark.parametrize("call", [
    lambda: ds.render_clip(2, 30, SIZE, 0, "vp9"), lambda: ds.render_clip(0, 30, SIZE, 0, "mjpeg"), lambda: ds.render_clip(2, 30, (100, 112), 0, "mjpeg"),
    lambda: ds.render_clip(2, 30, (48, 112), 0, "mjpeg"), lambda: ds.render_clip(2, 0, SIZE, 0, "mjpeg"), lambda: ds.render_clip(2, 30, SIZE, 0, gop=0),
])
def test_bad_clips(call):
    with pytest.raises(ValueError, match="must"):
        call()


def test_the_detector_finds_the_digit():
    detect, frames = ds.digit_detector(SIZE), ds.render_frames(12, SIZE, 4)
    alone = [detect([frame])[0] for frame in frames]
    assert detect(frames) == alone  # a batch changes nothing
    for found, (left, top, right, bottom) in zip(alone, ds.digit_boxes(12, SIZE, 4)):
        assert len(found) == 1
        a, b, c, d = found[0]  # within the digit's square, give or take a tile of 8 pixels at each edge
        assert left - 8 < a < c < right + 8 and top - 8 < b < d < bottom + 8
    assert detect([np.full((112, 160), 60, np.uint8)]) == [[]]
