"""Elements through HBM: closed forms against the meter in the running algorithms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.attention.flash import flash_backward, flash_forward, flash_forward_v1
from utils.attention.hbm import (
    HBM,
    attention_hbm_elements,
    attention_roofline_ms,
    block_sizes,
    flash2_tiles,
    tiles,
    traffic_curves,
)
from utils.attention.standard import standard_attention, standard_backward, standard_forward

SIZES = {"n": st.integers(1, 40), "d": st.integers(1, 9), "br": st.integers(1, 45), "bc": st.integers(1, 45)}


def run(algorithm, n, d, br, bc, causal):
    q, k, v, do = np.random.default_rng(0).standard_normal((4, n, d))
    hbm = HBM()
    if algorithm == "standard":
        standard_attention(q, k, v, causal, hbm=hbm)
    elif algorithm == "standard_bwd":
        _, p = standard_forward(q, k, v, causal)
        standard_backward(q, k, v, p, do, hbm)
    elif algorithm == "flash1":
        flash_forward_v1(q, k, v, br, bc, hbm)
    elif algorithm == "flash2":
        flash_forward(q, k, v, br, bc, causal, hbm=hbm)
    else:
        o, lse = flash_forward(q, k, v, br, bc)
        flash_backward(q, k, v, o, do, lse, br, bc, hbm=hbm)
    return hbm


@settings(max_examples=60, deadline=None)
@given(algorithm=st.sampled_from(["standard", "standard_bwd", "flash1", "flash2", "flash2_bwd"]), causal=st.booleans(), **SIZES)
def test_closed_form_is_what_the_meter_reads(algorithm, causal, n, d, br, bc):
    hbm = run(algorithm, n, d, br, bc, causal)
    assert attention_hbm_elements(n, d, br, bc, algorithm, causal) == hbm.elements == hbm.reads + hbm.writes
    assert hbm.bytes(2) == 2 * hbm.elements


def test_examples():
    assert [attention_hbm_elements(8, 4, 2, 2, a) for a in ("standard", "flash1", "flash2")] == [384, 624, 328]
    assert attention_hbm_elements(8, 4, 2, 2, "flash2", causal=True) == 232
    assert attention_hbm_elements(1024, 64, 1, 1, "standard") == 4_456_448
    assert attention_hbm_elements(1024, 64, 128, 64, "flash2") == 1_180_672
    assert attention_hbm_elements(1024, 64, 128, 64, "flash2", causal=True) == 721_920
    assert attention_hbm_elements(1024, 64, 64, 384, "flash1") == 800_768
    # small tiles cost more than the naive algorithm
    assert attention_hbm_elements(67, 16, 16, 8, "flash1") == 34_706
    assert attention_hbm_elements(67, 16, 16, 8, "standard") == 22_244


@given(causal=st.booleans(), **SIZES)
def test_flash2_is_bounded_and_taller_tiles_never_move_more(causal, n, d, br, bc):
    moved = attention_hbm_elements(n, d, br, bc, "flash2", causal)
    assert moved >= 4 * n * d  # Q, K, V in, O out
    assert moved <= attention_hbm_elements(n, d, br, bc, "flash2")
    assert attention_hbm_elements(n, d, 2 * br, bc, "flash2", causal) <= moved
    assert attention_hbm_elements(n, d, br, 2 * bc, "flash1") <= attention_hbm_elements(n, d, br, bc, "flash1")


def test_the_gain_tends_to_two_br_over_d():
    n = 1 << 20
    for d, br in ((64, 128), (128, 128), (64, 64)):
        ratio = attention_hbm_elements(n, d, br, 64, "standard") / attention_hbm_elements(n, d, br, 64, "flash2")
        # both numerator and denominator have one more term of relative size max(d, br) / n
        assert ratio == pytest.approx(2 * br / d, rel=4 * max(d, br) / n)


@pytest.mark.parametrize("bad", [(0, 1), (1, 0), (-3, 4)])
@pytest.mark.parametrize("algorithm", ["standard", "flash1", "flash2"])
def test_empty_tiles_are_refused(bad, algorithm):
    with pytest.raises(ValueError, match="block sizes must be >= 1"):
        attention_hbm_elements(8, 4, *bad, algorithm)


def test_an_unknown_algorithm_is_told_the_known_ones():
    with pytest.raises(ValueError, match=r"standard, standard_bwd, flash1, flash2, flash2_bwd, got 'flash3'"):
        attention_hbm_elements(8, 4, 2, 2, "flash3")
    with pytest.raises(ValueError, match="positive"):
        attention_hbm_elements(0, 4, 2, 2, "flash2")


@given(n=st.integers(0, 50), block=st.integers(1, 60))
def test_tiles_cover_everything_once(n, block):
    covered = [i for part in tiles(n, block) for i in range(n)[part]]
    assert covered == list(range(n))
    assert all(part.stop - part.start == block for part in list(tiles(n, block))[:-1])


def test_block_sizes_of_the_paper():
    assert block_sizes(98304, 64) == (64, 384)  # 192 KiB of FP16
    assert block_sizes(1001, 100) == (3, 3)     # rounded up
    with pytest.raises(ValueError, match="positive"):
        block_sizes(0, 64)


def test_twice_the_sram_halves_what_depends_on_it():
    n, d = 4096, 64

    def per_key_tile(sram):
        return attention_hbm_elements(n, d, *block_sizes(sram, d), "flash1") - 3 * n * d - 2 * n

    for sram in (16 << 10, 32 << 10, 64 << 10):
        # Bc divides a power of two, so only the ceilings could disturb the factor of 2
        assert 1.8 <= per_key_tile(sram) / per_key_tile(2 * sram) <= 2.2


@given(sram=st.integers(1, 1 << 18), d=st.sampled_from([16, 64, 128]), block_k=st.integers(1, 128))
def test_flash2_tiles_fit_and_are_the_tallest(sram, d, block_k):
    if sram < 4 * d + 1:
        with pytest.raises(ValueError, match="tiles of one row"):
            flash2_tiles(sram, d, block_k)
        return
    br, bc = flash2_tiles(sram, d, block_k)

    def need(rows):
        return 2 * rows * d + 2 * bc * d + rows * bc

    assert br >= 1 and 1 <= bc <= block_k
    assert need(br) <= sram < need(br + 1)


def test_standard_attention_is_memory_bound_at_every_length():
    # A100 40GB, FP16: 4 N^2 d FLOP over 2 (4 N^2 + 4 N d) bytes tends to d / 2 = 32 against a ridge of 200.6
    for n in (256, 4096, 65536):
        roof = attention_roofline_ms(n, 64, 16, attention_hbm_elements(n, 64, 1, 1, "standard"), 2, 312, 1555)
        intensity = 4 * n * n * 64 * 16 / (roof["memory_ms"] * 1555e6)
        assert roof["bound"] == "memory" and intensity < 32
    assert intensity == pytest.approx(32, rel=64 / 65536 * 1.01)
    flash = attention_roofline_ms(65536, 64, 16, attention_hbm_elements(65536, 64, 512, 64, "flash2"), 2, 312, 1555)
    assert flash["bound"] == "compute"
    with pytest.raises(ValueError, match="positive"):
        attention_roofline_ms(1, 64, 16, 10, 2, 312, 0)


def test_traffic_curves():
    ns = [128, 1024, 8192]
    curves = traffic_curves(ns, 64, 192, 312, 1555)
    assert curves["n"].tolist() == ns
    assert curves["standard_bytes"][1] == 2 * 4_456_448
    assert (curves["flash2_bytes"] < curves["flash1_bytes"]).all() and (curves["flash1_bytes"] < curves["standard_bytes"]).all()
    assert curves["standard_bound"].tolist() == ["memory"] * 3
    assert (np.diff(curves["flash2_ms"]) > 0).all()
    fixed = traffic_curves(ns, 64, 192, 312, 1555, block_q=128)
    assert fixed["flash2_bytes"][1] == 2 * 1_180_672


def test_with_tiny_sram_the_lines_cross():
    curves = traffic_curves([64, 4096], 64, 2, 312, 1555)
    assert curves["flash2_bytes"][1] > curves["standard_bytes"][1]
