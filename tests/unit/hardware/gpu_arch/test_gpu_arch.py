"""The GPU table: units times clock give the printed peaks, memories agree with their clocks."""

import math

import pytest

from utils.cost.bandwidth import SPECS
from utils.cost.roofline import ridge
from utils.hardware.gpu_arch import (
    GPUS,
    arch_timeline,
    fp32_tflops,
    peak_tflops,
    ridge_flop_per_byte,
    tensor_fp16_tflops,
)

ROWS = list(GPUS.values())

# Printed by NVIDIA's whitepapers and data sheets, TFLOP/s dense: FP32 and fastest FP16 tensor rate.
PRINTED = {
    "GTX 980": (4.6, None), "P100": (10.6, None), "V100": (15.7, 125), "T4": (8.1, 65), "RTX 2070": (7.5, 59.7),
    "A100 40GB": (19.5, 312), "A100 80GB": (19.5, 312), "RTX 3090": (35.6, 142), "H100 SXM": (66.9, 989.4),
    "RTX 4090": (82.6, 330.3), "L4": (30.3, 121), "H200": (66.9, 989.4), "B200": (75, 2250), "RTX 5090": (104.8, 419),
}


@pytest.mark.parametrize("gpu", ROWS, ids=lambda g: g.name)
def test_units_times_clock_is_the_peak(gpu):
    fp32, fp16 = PRINTED[gpu.name]
    lanes = gpu.sms * gpu.fp32_per_sm * gpu.clock_ghz * 2 / 1e3
    # printed figures have two or three digits
    assert lanes == pytest.approx(fp32, rel=0.01)
    assert gpu.peak_tflop_s["fp32"] == pytest.approx(fp32, rel=2e-3)
    assert fp32_tflops(gpu) == pytest.approx(lanes)
    if fp16 is None:
        assert tensor_fp16_tflops(gpu) is None
        assert (gpu.tensor_per_sm, gpu.tensor_clock_ghz) == (0, None)
        return
    tensor = gpu.sms * gpu.tensor_per_sm * gpu.fma_per_tensor_clk * gpu.tensor_clock_ghz * 2 / 1e3
    assert tensor == pytest.approx(fp16, rel=0.01)
    assert tensor_fp16_tflops(gpu) == pytest.approx(tensor)
    assert gpu.peak_tflop_s.get("fp16_acc16", gpu.peak_tflop_s["fp16"]) == pytest.approx(fp16, rel=2e-3)


@pytest.mark.parametrize("gpu", ROWS, ids=lambda g: g.name)
def test_each_halving_of_the_format_doubles_the_rate(gpu):
    p = gpu.peak_tflop_s
    if "bf16" in p:
        assert p["bf16"] == p["fp16"]
    if "int8" in p:
        assert p["int8"] == pytest.approx(2 * p.get("fp16_acc16", p["fp16"]), rel=5e-3)
    if "fp8" in p:
        assert p["fp8"] == pytest.approx(2 * p["fp16"], rel=5e-3)
    if "tf32" in p:
        assert p["tf32"] == pytest.approx(p["fp16"] / 2, rel=0.025)  # B200 prints 2.2 for 2.25
    if "fp4" in p:
        assert p["fp4"] == pytest.approx(2 * p["int8"], rel=5e-3)
    for kind in ("fp16", "fp8"):
        if f"{kind}_acc16" in p:
            assert p[f"{kind}_acc16"] == pytest.approx(2 * p[kind], rel=5e-3)  # GeForce halves FP32 accumulation


@pytest.mark.parametrize("gpu", ROWS, ids=lambda g: g.name)
def test_rows_are_complete(gpu):
    assert GPUS[gpu.name] is gpu
    assert gpu.source
    assert gpu.sparse_factor == (2 if float(gpu.cc) >= 8 else 1)  # 2:4 sparse tensor cores since Ampere
    assert all(v > 0 and math.isfinite(v) for v in gpu.peak_tflop_s.values())
    with pytest.raises(TypeError):
        gpu.peak_tflop_s["fp32"] = 0  # the table is read-only


def test_memory_agrees_with_the_clock_table():
    specs = {s.name: s for s in SPECS}
    compared = [g.name for g in ROWS if g.name in specs]
    for name in compared:
        assert GPUS[name].mem_type == specs[name].mem_type
        # B200 was announced with 8 TB/s; the driver's clock and bus give 7.67
        assert GPUS[name].mem_gb_s == pytest.approx(specs[name].mem_gb_s, rel=0.045 if name == "B200" else 0.01)
    assert set(GPUS) - set(compared) == {"P100", "H200"}


def test_known_ridges():
    ridges = {name: ridge(1e3 * GPUS[name].peak_tflop_s["fp16"], GPUS[name].mem_gb_s)
              for name in ("H100 SXM", "T4", "V100", "A100 80GB")}
    assert {k: round(v) for k, v in ridges.items()} == {"H100 SXM": 295, "T4": 203, "V100": 139, "A100 80GB": 153}
    assert {name: ridge_flop_per_byte(GPUS[name], "fp16") for name in ridges} == pytest.approx(ridges)
    assert ridge_flop_per_byte(GPUS["B200"], "fp4") == 9e6 / 8000
    with pytest.raises(KeyError):
        ridge_flop_per_byte(GPUS["A100 80GB"], "fp8")


def test_peak_from_units():
    assert peak_tflops(80, 64, 1.53) == pytest.approx(15.6672) and peak_tflops(80, 512, 1.53) == pytest.approx(125.3376)
    assert peak_tflops(80, 64, 1.53, fma=False) == pytest.approx(7.8336)
    for bad in ((0, 64, 1.5), (80, -1, 1.5), (80, 64, 0)):
        with pytest.raises(ValueError, match="must be positive"):
            peak_tflops(*bad)


def test_timeline():
    rows = arch_timeline()
    assert [r.year for r in rows] == sorted(r.year for r in rows) and {r.name for r in rows} == set(GPUS)
    by_name = {r.name: r for r in rows}
    assert by_name["GTX 980"].tensor is by_name["P100"].tensor is False and by_name["V100"].tensor
    assert {r.name for r in rows if r.stacked} == {"P100", "V100", "A100 40GB", "A100 80GB", "H100 SXM", "H200", "B200"}
    assert by_name["T4"].tflop_s_per_w == pytest.approx(65 / 70)
    assert by_name["H100 SXM"].as_dict()["ridge"] == pytest.approx(989_000 / 3350)
