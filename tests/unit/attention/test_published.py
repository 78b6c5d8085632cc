"""The paper's Figure 2 and the A100's on-chip memory."""

import pytest

from utils.attention.published import FIGURE_2, figure_2_computed, on_chip_mib


def test_figure_2_is_right_in_order_of_magnitude_only():
    ours = figure_2_computed()
    # 11 N^2 + 12 N d elements of 2 bytes for 1024 heads of N = 1024, d = 64
    assert ours["standard_hbm_gb"] == pytest.approx((11 * 1024**2 + 12 * 1024 * 64) * 1024 * 2 / 1e9)
    assert round(ours["standard_hbm_gb"], 1) == 25.2 < FIGURE_2["standard"]["hbm_gb"]
    assert 0.5 < ours["flash_hbm_gb"] / FIGURE_2["flash"]["hbm_gb"] < 2
    assert round(ours["standard_gflop"]) == 825  # printed: 66.6
    assert ours["flash_gflop"] * 6 == pytest.approx(ours["standard_gflop"] * 7)


def test_the_a100():
    # 108 SMs of 192 KiB L1 and shared memory, 164 KiB of it shared at most, 256 KiB of registers
    assert on_chip_mib() == {"l1_and_shared": 20.25, "shared_usable": 17.296875, "registers": 27.0, "l2": 40.0}
    with pytest.raises(ValueError, match="positive"):
        on_chip_mib(sms=0)
