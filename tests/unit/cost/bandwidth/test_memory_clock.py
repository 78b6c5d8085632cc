"""Clocks, conventions and published bandwidths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.bandwidth.memory_clock import (
    SPECS,
    TRANSFERS_PER_CLOCK,
    clock_card,
    identify_clock,
    infer_transfers_per_clock,
    memory_spec,
    peak_bandwidth_gb_s,
    peak_gb_s,
    pin_rate_gbit_s,
)


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
def test_clock_and_bus_give_the_published_bandwidth(spec):
    assert spec.mem_gb_s == pytest.approx(spec.published_gb_s, rel=0.01)  # vendors print three digits
    assert spec.source


# Published 4.8 TB/s on six stacks of 1024 bit (H200 data sheet): HBM3E at 6.25 Gb/s a pin.
def test_h200_pin_rate():
    assert pin_rate_gbit_s(4800, 6144) == 6.25


def test_peak_examples():
    assert peak_gb_s(1750, 256, 8) == 448.0
    assert peak_gb_s(877, 4096, 2) == 898.048
    assert peak_gb_s(1750, 256, 2) == 112.0  # the document's factor


@given(clock=st.floats(1, 1e5), width=st.integers(1, 1024).map(lambda n: 8 * n), transfers=st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_pin_rate_times_width_is_the_bandwidth(clock, width, transfers):
    gb_s = peak_bandwidth_gb_s(clock, width, transfers)
    # five roundings of half an ulp
    assert pin_rate_gbit_s(gb_s, width) == pytest.approx(clock * transfers / 1000, rel=1e-15)
    assert infer_transfers_per_clock(clock, width, gb_s) == transfers


@given(off=st.floats(-0.028, 0.028), transfers=st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_a_published_figure_may_be_three_percent_off(off, transfers):
    published = peak_bandwidth_gb_s(1000, 64, transfers) * (1 + off)
    assert infer_transfers_per_clock(1000, 64, published) == transfers


@pytest.mark.parametrize("convention", ["ck", "nvml", "amdgpu", "effective"])
@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
def test_the_convention_is_recovered_from_every_row(spec, convention):
    transfers = TRANSFERS_PER_CLOCK[spec.mem_type].get(convention)
    if transfers:
        shown = spec.data_rate_gbit_s * 1e3 / transfers
        assert identify_clock(shown, spec.bus_bits, spec.published_gb_s)[0] == transfers


def test_identify_clock_examples():
    assert identify_clock(875, 256, 448) == (16, 14.0)
    assert identify_clock(7000, 256, 448) == (2, 14.0)
    assert identify_clock(3996, 8192, 8000)[0] == 2  # B200 as announced; 2.3 % off
    with pytest.raises(ValueError, match="no power of two fits"):
        identify_clock(1000, 64, 24)  # halfway between 16 and 32 GB/s
    with pytest.raises(ValueError, match="no power of two fits"):
        identify_clock(1, 64, 1000)  # 125,000 transfers


@pytest.mark.parametrize(("args", "word"), [((0, 256, 8), "positive"), ((1750, 0, 8), "positive"), ((1750, 256, -2), "positive"),
                                            ((1750, 260, 8), "multiple of 8")])
def test_refused(args, word):
    with pytest.raises(ValueError, match=word):
        peak_gb_s(*args)


def test_one_memory_four_clocks():
    shown = {c: clock_card("RX 5700 XT", c) for c in ("ck", "amdgpu", "nvml", "effective")}
    assert {c: card["clock_mhz"] for c, card in shown.items()} == {"ck": 1750, "amdgpu": 875, "nvml": 7000, "effective": 14000}
    assert {card["gb_s"] for card in shown.values()} == {448.0}
    assert [card["double_rate_gb_s"] for card in shown.values()] == [112, 56, 448, 896]
    assert shown["ck"]["pin_rate_gbit_s"] == 14.0


def test_the_sliders_replace_clock_and_bus():
    card = clock_card("T4", "ck", clock_mhz=1500, bus_bits=192)
    assert (card["gb_s"], card["published_gb_s"]) == (288.0, 320)
    with pytest.raises(KeyError, match="GTX 1"):
        memory_spec("GTX 1")
    with pytest.raises(KeyError):
        clock_card("RTX 3090", "amdgpu")  # AMD never shipped GDDR6X
