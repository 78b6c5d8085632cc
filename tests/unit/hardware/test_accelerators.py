"""Peaks and energies against published figures and arithmetic by hand."""

import pytest

from utils.cost.edge_metrics import operation_energy_mj
from utils.hardware.accelerators import CHIP_KINDS, energy_uj, fpga_peak_tops, inference_uj, peak_tops


def test_published_peaks():
    assert round(peak_tops(256, 256, 0.7)) == 92  # Jouppi et al. 2017: 92 TOPS
    # Google Cloud, TPU v5e: 4 MXUs of 128 x 128 at 1.5 GHz, 197 TFLOP/s
    assert 4 * peak_tops(128, 128, 1.5) == pytest.approx(197, rel=0.003)
    assert fpga_peak_tops(6840, 2, 0.5) == pytest.approx(13.68)
    for bad in ((0, 1, 1), (1, -1, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="positive"):
            peak_tops(*bad)
        with pytest.raises(ValueError, match="positive"):
            fpga_peak_tops(*bad)


def test_energy():
    compute, memory = inference_uj(300.8e6, 3_504_872, 0.23, 160)
    assert (round(compute, 3), round(memory, 2)) == (69.184, 560.78)
    report = energy_uj(300.8e6, 0, 3_504_872)
    assert (report.compute_uj, report.dram_uj) == pytest.approx((compute, memory)) and report.sram_uj == 0
    assert report.total_uj == pytest.approx(1e3 * operation_energy_mj(300.8e6, 8, 3_504_872))
    assert energy_uj(0, 4, 4).sram_uj == pytest.approx(5e-6) and energy_uj(0, 4, 4).dram_uj == pytest.approx(640e-6)
    with pytest.raises(ValueError, match="negative"):
        energy_uj(-1, 0, 0)


def test_the_table_tells_edge_from_data_centre():
    places = {name: row.place for name, row in CHIP_KINDS.items()}
    assert {n for n, p in places.items() if p == "data centre"} == {"TPU v1", "TPU v5e", "TPU7x (Ironwood)", "Ascend 910", "Bow IPU"}
    assert all(row.source and row.programmed for row in CHIP_KINDS.values())
