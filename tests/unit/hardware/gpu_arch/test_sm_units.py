"""The units of an SM agree with the products' peaks and with the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.gpu_arch import GPUS, SM_UNITS, lane_cycles
from utils.hardware.sm_limits import SM_LIMITS

ROWS = list(SM_UNITS.values())


@pytest.mark.parametrize("units", ROWS, ids=lambda u: u.chip)
def test_units_agree_with_the_other_tables(units):
    gpu = GPUS[units.gpu]
    assert (units.fp32, units.tensor, units.arch) == (gpu.fp32_per_sm, gpu.tensor_per_sm, gpu.arch)
    if "fp64" in gpu.peak_tflop_s:  # printed with two digits
        assert gpu.sms * units.fp64 * gpu.clock_ghz * 2 / 1000 == pytest.approx(gpu.peak_tflop_s["fp64"], rel=0.02)
    if gpu.cc in SM_LIMITS:
        assert SM_LIMITS[gpu.cc].regs * 4 == units.registers_kib * 1024
        assert SM_LIMITS[gpu.cc].smem_bytes <= units.l1_shared_kib * 1024
    assert units.fp32 % units.quarters == units.tensor % units.quarters == 0 and units.source


def simulated(units, floats, ints):
    """Cycle by cycle: integers first on the lanes that can do them, floats on what is left."""
    cycles = 0
    while floats or ints:
        done_i = min(ints, units.int32)
        shared = 0 if units.sharing == "own lanes" else done_i
        floats, ints, cycles = floats - min(floats, units.fp32 - shared), ints - done_i, cycles + 1
    return cycles


@given(st.sampled_from([u for u in ROWS if u.int32]), st.integers(0, 3000), st.integers(0, 3000))
def test_lane_cycles_as_counted(units, floats, ints):
    # whole cycles are counted, and the last of either kind may be partly filled: less than two cycles of difference
    assert lane_cycles(units, floats, ints) <= simulated(units, floats, ints) < lane_cycles(units, floats, ints) + 2


def test_unknown_and_refused():
    assert lane_cycles(SM_UNITS["B200"], 10, 10) is None
    with pytest.raises(ValueError, match="must not be negative"):
        lane_cycles(SM_UNITS["GV100"], -1, 0)
