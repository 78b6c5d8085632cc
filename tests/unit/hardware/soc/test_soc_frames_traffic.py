"""Bytes of frames against real buffers, and traffic against sums by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.soc import (
    camera_chain,
    chain_gb_s,
    ddr_gb_s,
    ddr_utilization,
    frame_bytes,
    frame_traffic,
    nv12_bytes,
    raw10_bytes,
    rgb_bytes,
)

sizes, aligns = st.integers(1, 300), st.sampled_from([1, 2, 16, 64, 100])


@given(sizes, sizes, aligns)
def test_nv12_is_what_the_planes_take(half_w, half_h, align):
    w, h = 2 * half_w, 2 * half_h
    stride = next(s for s in range(w, w + align) if s % align == 0)
    assert nv12_bytes(w, h, align) == np.zeros((h, stride), np.uint8).nbytes + np.zeros((h // 2, stride), np.uint8).nbytes


@given(sizes, sizes, aligns)
def test_rgb_and_raw10_rows(w, h, align):
    row = (3 * w + align - 1) // align * align
    assert rgb_bytes(w, h, align) == np.zeros((h, row), np.uint8).nbytes
    packed = np.packbits(np.zeros(10 * w, np.uint8)).nbytes  # 10 w bits, in whole bytes
    assert raw10_bytes(w, h, align) == h * next(s for s in range(packed, packed + align) if s % align == 0)


def test_decoders_that_write_whole_blocks():
    assert nv12_bytes(1920, 1080, height_align=16) == 1920 * (1088 + 544)


def test_frame_bytes_by_name():
    assert [frame_bytes(1920, 1080, f) for f in ("nv12", "rgb24", "raw10")] == [3_110_400, 6_220_800, 2_592_000]
    with pytest.raises(ValueError, match="fmt must be one of nv12, rgb24, raw10"):
        frame_bytes(2, 2, "yuyv")
    for w, h in ((3, 2), (2, 3)):
        with pytest.raises(ValueError, match="even"):
            frame_bytes(w, h, "nv12")
    with pytest.raises(ValueError, match="positive"):
        frame_bytes(0, 2, "rgb24")


def test_the_chain_of_a_camera():
    frame, tensor = 1920 * 1080 * 3 // 2, 640 * 640 * 3
    passes = camera_chain(1920, 1080, 640, encode=True, display=True)
    assert [p.module for p in passes] == ["ISP", "scaler", "NPU", "encoder", "display"]
    # ISP 1, scaler 1, encoder 1 + 1.5 of references, display 1, and the tensor written and read
    assert frame_traffic(passes) == 5.5 * frame + 2 * tensor == 19_564_800
    assert ddr_gb_s(passes, 30) == pytest.approx(0.586944) and ddr_gb_s(passes, 30, 16) == pytest.approx(9.391104)
    assert frame_traffic(camera_chain(1920, 1080, 640)) == 16_454_400
    assert frame_traffic(camera_chain(1920, 1080, 640, encode=False)) == 2 * frame + 2 * tensor
    assert frame_traffic(camera_chain(1920, 1080, 640, spill_bytes=1000)) == 16_454_400 + 2000
    assert ddr_utilization(passes, 30, 16, 33.8) == pytest.approx(0.2778, abs=1e-4)
    with pytest.raises(ValueError, match="even"):
        camera_chain(1921, 1080, 640)


def test_pairs():
    assert chain_gb_s([], 30) == 0 and chain_gb_s([(10**9, 0), (0, 10**9)], 1, 3) == 6
    with pytest.raises(ValueError, match="negative"):
        chain_gb_s([(1, 1)], -1)
