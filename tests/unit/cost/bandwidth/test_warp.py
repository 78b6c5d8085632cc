"""Sectors of a warp against a count of single bytes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.bandwidth.warp import WARP_PRESETS, coalescing_efficiency, sectors_touched, warp_picture, warp_sectors

addresses = st.lists(st.integers(0, 5000), min_size=1, max_size=32)


def byte_by_byte(addresses, item_bytes, sector):
    return len({(a + i) // sector for a in addresses for i in range(item_bytes)})


@given(addresses, st.integers(1, 100), st.sampled_from([1, 7, 32, 128]))
def test_sectors_against_single_bytes(lanes, item_bytes, sector):
    got = sectors_touched(lanes, item_bytes, sector)
    assert got == byte_by_byte(lanes, item_bytes, sector)
    assert got <= len(lanes) * math.ceil((item_bytes + sector - 1) / sector)
    assert got == sectors_touched(lanes[::-1] + lanes[:1], item_bytes, sector)  # order and duplicates do not matter


# CUDA C++ Best Practices Guide 12.9, coalesced access: aligned 4 sectors, misaligned 5, stride 2 half useful.
def test_the_guides_statements():
    floats = np.arange(32) * 4
    assert [warp_sectors(a, 4) for a in (floats, floats + 4, 2 * floats, 8 * floats, 32 * floats, 0 * floats)] == [4, 5, 8, 32, 32, 1]
    assert [coalescing_efficiency(s, 4) for s in (1, 2, 8, 32)] == [1.0, 0.5, 0.125, 0.125]
    assert coalescing_efficiency(1, 4, offset_bytes=4) == 0.8


@given(st.integers(0, 40), st.sampled_from([1, 2, 4, 8, 16]), st.integers(0, 64), st.integers(1, 32))
def test_efficiency_is_distinct_bytes_over_moved_bytes(stride, item_bytes, offset, lanes):
    touched = [offset + lane * stride * item_bytes + i for lane in range(lanes) for i in range(item_bytes)]
    want = len(set(touched)) / (32 * len({b // 32 for b in touched}))
    assert coalescing_efficiency(stride, item_bytes, offset, lanes) == pytest.approx(want, rel=1e-15)
    assert 0 < want <= 1


@pytest.mark.parametrize(("stride", "item", "offset"), [(0, 4, 0), (1, 4, 4), (3, 16, 8), (32, 1, 5)])
def test_the_picture_is_the_count(stride, item, offset):
    picture = warp_picture(stride, item, offset)
    assert picture["n_sectors"] == warp_sectors(np.array(picture["lane_address"]), item) == len(picture["sectors"])
    assert set(picture["lane_sector"]) <= set(picture["sectors"])
    assert picture["moved_bytes"] == 32 * picture["n_sectors"]
    assert picture["efficiency"] == coalescing_efficiency(stride, item, offset)


def test_presets():
    counts = {name: sectors_touched(lanes, 4) for name, lanes in WARP_PRESETS.items()}
    gather = counts.pop("random gather from 4 KiB")
    assert list(counts.values()) == [4, 5, 8, 32, 1]
    assert 16 < gather <= 32


def test_refused():
    for bad, word in [([], "empty"), ([-1], "negative address")]:
        with pytest.raises(ValueError, match=word):
            sectors_touched(bad, 4)
    with pytest.raises(ValueError, match="item_bytes must be positive"):
        sectors_touched([0], 0)
    with pytest.raises(ValueError, match="lanes"):
        coalescing_efficiency(1, 4, lanes=33)
