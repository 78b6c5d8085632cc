"""Occupancy's refusals and laws; its numbers are compared with NVIDIA's in tests/oracles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware import gpu_arch
from utils.hardware.sm_limits import LIMITERS, SM_LIMITS, SmLimits, active_blocks, occupancy, occupancy_grid

CCS = st.sampled_from(sorted(SM_LIMITS))


@given(CCS, st.integers(1, 254), st.integers(0, 100_000), st.integers(1, 1024))
def test_more_of_anything_never_fits_better(cc, regs, smem, threads):
    here = active_blocks(cc, regs, smem, threads)
    assert 0 <= here.occupancy <= 1 and here.warps <= SM_LIMITS[cc].max_warps
    assert active_blocks(cc, regs + 1, smem, threads).blocks <= here.blocks
    assert active_blocks(cc, regs, smem + 128, threads).blocks <= here.blocks
    if threads < 1024:
        assert active_blocks(cc, regs, smem, threads + 1).blocks <= here.blocks


def test_refusals():
    for cc, regs, smem, threads, word in (("6.9", 32, 0, 32, "unknown compute capability"), ("8.0", 32, 0, 0, "threads_per_block"),
                                          ("8.0", 32, 0, 1025, "threads_per_block"), ("8.0", 0, 0, 32, "regs_per_thread"),
                                          ("8.0", 256, 0, 32, "regs_per_thread"), ("8.0", 32, -1, 32, "smem_per_block_bytes")):
        with pytest.raises(ValueError, match=word):
            active_blocks(cc, regs, smem, threads)


def test_limits_are_plain_and_reachable_from_gpu_arch():
    assert gpu_arch.SM_LIMITS is SM_LIMITS and gpu_arch.active_blocks is active_blocks
    for limits in SM_LIMITS.values():
        assert SmLimits(**limits.as_dict()) == limits
        assert limits.smem_optin_block_bytes + limits.smem_reserved_block_bytes <= limits.smem_bytes


@given(CCS, st.integers(1, 255), st.integers(0, 240_000), st.integers(1, 1024))
def test_plain_form_agrees(cc, regs, smem, threads):
    found = active_blocks(cc, regs, smem, threads)
    assert occupancy(SM_LIMITS[cc].as_dict(), regs, smem, threads) == (found.blocks, found.occupancy)


@given(CCS, st.integers(1, 255), st.integers(1, 1024))
def test_the_launch_check_never_refuses_what_fits(cc, regs, threads):
    """The check of cuda_occupancy.h, written out: warps rounded up to the quarters have to find registers."""
    limits = SM_LIMITS[cc]
    rounded_warps = -(-threads // 128) * 4
    refused = rounded_warps * -(-32 * regs // 256) * 256 > limits.regs
    assert (active_blocks(cc, regs, 0, threads).blocks == 0) == refused


def test_grid():
    grid = occupancy_grid("8.0", 0, threads=(32, 512, 1024), regs=(32, 64, 65))
    assert grid.occupancy.tolist() == [[0.5, 0.5, 0.4375], [1.0, 0.5, 0.25], [1.0, 0.5, 0.0]]
    assert [[LIMITERS[i] for i in row] for row in grid.limiter] == [
        ["blocks", "blocks", "registers"], ["warps", "registers", "registers"], ["warps", "registers", "registers"]]
    assert occupancy_grid("8.0").occupancy.shape == (32, 30)
