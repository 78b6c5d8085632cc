"""What devices ask for: limits that hold exactly at the answer, and energy as the papers count it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.feasibility.necessity import (
    TARGET_DEVICES,
    decode_ceiling_tokens_s,
    dram_power_w,
    energy_breakdown,
    max_bits_per_weight,
    necessity_report,
    required_bits,
)
from utils.hardware.chips import PLATFORMS

sizes = st.floats(1e6, 1e12)
rates = st.floats(0.1, 1e4)


@given(sizes, sizes, st.floats(1, 1e4), rates)
def test_at_the_limit_both_conditions_hold_and_just_above_one_breaks(n, free, mem_gb_s, rate):
    limits = max_bits_per_weight(n, free, mem_gb_s, rate)
    stored = n * limits.required_bits / 8
    # a product and a quotient of floats: a few eps of 2.2e-16
    assert stored <= free * (1 + 1e-12) and stored * rate <= mem_gb_s * 1e9 * (1 + 1e-12)
    more = stored * 1.0001
    assert more > free or more * rate > mem_gb_s * 1e9
    assert limits.limiting == ("memory" if free <= mem_gb_s * 1e9 / rate else "bandwidth")
    assert required_bits(n, free, mem_gb_s * 1e9, rate) == pytest.approx(limits.required_bits, rel=1e-12)


@given(sizes, st.floats(1, 32), st.floats(1, 1e4))
def test_ceiling_is_the_rate_whose_bandwidth_limit_is_these_bits(n, bits, mem_gb_s):
    rate = decode_ceiling_tokens_s(n, bits, mem_gb_s)
    assert max_bits_per_weight(n, 1, mem_gb_s, rate).bandwidth_bits == pytest.approx(bits, rel=1e-12)


def test_eight_billion_weights_on_a_phone():
    assert [decode_ceiling_tokens_s(8e9, bits, 60) for bits in (32, 16, 8, 4)] == [1.875, 3.75, 7.5, 15.0]


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("bad", [0, -1.0, float("nan")])
def test_arguments_must_be_positive(at, bad):
    args = [8e9, 4e9, 60e9, 10]
    args[at] = bad
    with pytest.raises(ValueError, match="positive"):
        required_bits(*args)
    with pytest.raises(ValueError, match="positive"):
        max_bits_per_weight(*args)


def test_dram_power_of_deep_compression():
    # Han et al. 2015 and 2016: "(20 Hz)(1 G)(640 pJ) = 12.8 W just for DRAM access"
    assert dram_power_w(1e9, 32, 20, 640) == pytest.approx(12.8, rel=1e-12)
    assert dram_power_w(1e9, 32, 20) == dram_power_w(1e9, 32, 20, 640)
    assert dram_power_w(1e9, 4, 20) == pytest.approx(1.6, rel=1e-12)
    assert dram_power_w(1e9, 4, 0) == 0
    for args in ((0, 32, 20), (1e9, 0, 20), (1e9, 32, -1), (1e9, 32, 20, -1)):
        with pytest.raises(ValueError):
            dram_power_w(*args)


def test_energy_of_a_multiplication_layer():
    # 1,000 x 1,000 weights, one input: 1e6 multiplications (3.7 pJ) and additions (0.9 pJ), 1e6 DRAM words (640 pJ),
    # 2,000 activations (5 pJ)
    e = energy_breakdown(1e6, 4e6, 8e3)
    assert e.arithmetic_j == pytest.approx(4.6e-6) and e.weights_j == pytest.approx(640e-6)
    assert e.activations_j == pytest.approx(10e-9)
    assert e.as_dict()["total_j"] == pytest.approx(4.6e-6 + 640e-6 + 10e-9)
    assert energy_breakdown(1e6, 1e6, 2e3, mac_bits=8).as_dict()["arithmetic_j"] == pytest.approx(0.23e-6)
    with pytest.raises(ValueError, match="negative"):
        energy_breakdown(1, 1, -1)


def test_devices_are_rows_of_the_tables():
    with_memory = {name for name, p in PLATFORMS.items() if p.mem_gb and p.mem_gb_s}
    assert with_memory | {"H100 SXM"} == set(TARGET_DEVICES) and len(with_memory) >= 4
    for name, device in TARGET_DEVICES.items():
        assert device.name == name and device.free_bytes > 0 and device.mem_gb_s > 0 and device.source
    jetson = TARGET_DEVICES["Jetson Orin Nano Super 8GB"]
    assert (jetson.free_bytes, jetson.mem_gb_s, jetson.power_w) == (4e9, 102.4, 25.0)


def test_report():
    report = necessity_report(8e9, TARGET_DEVICES["Jetson Orin Nano Super 8GB"], 10)
    assert report.limits.capacity_bits == 4 and report.limits.bandwidth_bits == pytest.approx(10.24)
    assert report.required_ratio == 0.125 and report.must_shrink
    assert report.fp32_dram_w == pytest.approx(51.2) and report.required_dram_w == pytest.approx(6.4)
    assert report.as_dict()["limits"]["limiting"] == "memory" and report.as_dict()["must_shrink"] is True
    large = necessity_report(8e9, TARGET_DEVICES["H100 SXM"], 10)
    assert not large.must_shrink and large.required_dram_w == large.fp32_dram_w
