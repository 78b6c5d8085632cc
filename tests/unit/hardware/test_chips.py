"""The edge table: bandwidths follow from buses, and every row says where it comes from."""

import pytest

from utils.hardware.chips import PLATFORMS, Platform, lpddr_gb_s


@pytest.mark.parametrize(("bus_bits", "mega_transfers", "published"), [
    (64, 4224, 33.8),   # RK3588, LPDDR4X-4224
    (256, 6400, 204.8),  # Jetson AGX Orin data sheet
    (256, 8533, 273.1),  # Jetson Thor data sheet prints 273
    (32, 4267, 17.0),   # BCM2712 documentation: "up to 17GB/s"
])
def test_bandwidth_of_a_bus_is_what_makers_print(bus_bits, mega_transfers, published):
    assert lpddr_gb_s(bus_bits, mega_transfers) == pytest.approx(published, rel=0.005)  # printed with three digits


@pytest.mark.parametrize("bad", [(0, 4224), (64, 0), (-64, 4224)])
def test_a_bus_must_be_positive(bad):
    with pytest.raises(ValueError, match="positive"):
        lpddr_gb_s(*bad)


def test_rows_are_complete():
    assert len(PLATFORMS) >= 4 and {p.kind for p in PLATFORMS.values()} >= {"phone", "laptop", "module", "board"}
    for name, row in PLATFORMS.items():
        assert isinstance(row, Platform) and row.name == name and len(row.source) > 20
        assert row.mem_gb is None or 0 < row.mem_gb < 1000
        assert row.mem_gb_s is None or 1 < row.mem_gb_s < 1000
        assert row.watts is None or 0 < row.watts[0] <= row.watts[1]
        assert row.headline_tops is not None or not row.sparse
