"""CPUs as data, their peaks, this host, and the choice of one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware import isa
from utils.hardware.isa import hosts

# GFLOP/s as the formula gives them for cores, clock and vector units, computed by hand.
FP32 = {"Raspberry Pi 5": 153.6, "Intel N100": 217.6, "Core i7-5960X": 768.0, "Graviton3": 5324.8, "A64FX": 6758.4,
        "EPYC 9654": 7372.8, "Xeon Platinum 8480+": 7168.0}


def test_peaks_of_the_table():
    assert {name: round(isa.peak_gflops_fp32(row), 6) for name, row in isa.CPUS.items()} == FP32
    assert isa.peak_int8_gops(isa.CPUS["Xeon Platinum 8480+"]) == 56 * 2.0 * 2048  # 229 TOPS
    assert isa.peak_int8_gops(isa.CPUS["Core i7-5960X"]) is None
    assert isa.ridge_flop_per_byte(isa.CPUS["Core i7-5960X"]) == pytest.approx(768 / 68)


def test_rows_are_whole_and_say_where_they_come_from():
    assert {row.isa for row in isa.CPUS.values()} == {"x86-64", "AArch64"}
    for name, row in isa.CPUS.items():
        assert row.name == name and len(row.source) > 40 and row.as_of == isa.AS_OF
        assert row.vector_bits in (128, 256, 512) and row.cores > 0 and row.mem_gb_s > 0
        assert row.tdp_w is None or row.tdp_w > 0
        assert row.int8_ops_per_cycle_core is None or row.int8_ops_per_cycle_core % 2 == 0


def test_fugaku_s_published_peak():
    """Top500, November 2020: Fugaku has 158,976 A64FX and an FP64 peak of 537,212 TFLOP/s."""
    a64fx = isa.CPUS["A64FX"]
    fp64 = isa.peak_gflops(a64fx.cores, a64fx.ghz, a64fx.vector_bits, 64, a64fx.fma_units)
    assert fp64 * 158_976 / 1e3 == pytest.approx(537_212, abs=0.5)


positive = st.floats(1e-3, 1e6)


@given(st.tuples(*[positive] * 6), st.integers(0, 5), positive)
def test_the_peak_is_proportional(args, which, factor):
    scaled = [a * factor if i == which else a for i, a in enumerate(args)]
    power = -1 if which == 3 else 1
    assert isa.peak_gflops(*scaled) == pytest.approx(isa.peak_gflops(*args) * factor**power, rel=1e-12)


@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize("bad", [0, -1, math.nan])
def test_the_peak_refuses(which, bad):
    args = [4, 2.4, 128, 32, 2, 2]
    args[which] = bad
    with pytest.raises(ValueError, match="positive"):
        isa.peak_gflops(*args)


HOSTS = {"x86": (9, 900, 1.53, 180), "arm": (12, 800, 1.16, 110), "edge": (80, 40, 0.02, 6)}


def test_the_cheapest_host_in_numbers():
    assert isa.cheapest_host(HOSTS, 20) == "arm" and isa.cheapest_host(HOSTS, 100) == "edge"
    assert isa.cheapest_host(HOSTS, 9) == "x86" and isa.cheapest_host(HOSTS, 12) == "arm"  # the limit itself is met
    with pytest.raises(ValueError, match="no host"):
        isa.cheapest_host(HOSTS, 8.9)
    tie = {"a": (5, 100, 0.5, 50), "b": (5, 200, 1.0, 80)}
    assert isa.cheapest_host(tie, 5) == "b"


@given(st.integers(0, 2**32 - 1))
def test_names_are_no_criterion(seed):
    rng = np.random.default_rng(seed)
    rows = [(float(rng.integers(1, 50)), float(rng.integers(10, 900)), float(rng.uniform(0.01, 3)), float(rng.uniform(5, 300)))
            for _ in range(5)]
    limit = sorted(r[0] for r in rows)[2]
    best = isa.cheapest_host({str(i): r for i, r in enumerate(rows)}, limit)
    assert isa.cheapest_host({f"arm {4 - i}": r for i, r in enumerate(rows)}, limit) == f"arm {4 - int(best)}"
    fitting = [r for r in rows if r[0] <= limit]
    assert rows[int(best)][2] / rows[int(best)][1] == min(r[2] / r[1] for r in fitting)


def test_this_host_is_described_and_never_fails(tmp_path, monkeypatch):
    here = isa.detect_host()
    assert here.cores >= 1 and here.isa in ("x86-64", "AArch64", "other") and here.as_dict()["machine"] == here.machine
    nothing = isa.detect_host("riscv64", tmp_path / "none")
    assert (nothing.isa, nothing.flags, nothing.saturates) == ("other", (), None)
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni sse2\n\nprocessor\t: 1\nflags\t\t: none\n")
    vnni = isa.detect_host("AMD64", listing)
    assert (vnni.isa, vnni.flags, vnni.saturates) == ("x86-64", ("avx2", "avx512_vnni"), False)
    listing.write_text("Features\t: fp asimd asimddp i8mm\n")
    assert isa.detect_host("arm64", listing).flags == ("asimd", "asimddp", "i8mm")
    assert isa.detect_host("arm64", listing).saturates is False
    assert isa.detect_host("x86_64", tmp_path / "none").saturates is None
    monkeypatch.delattr(hosts.os, "sched_getaffinity", raising=False)
    assert isa.detect_host().cores >= 1


def host(*flags, kind="x86-64"):
    return isa.HostInfo("x", kind, "", flags, 2)


def test_bounds_of_a_host():
    assert isa.peak_bounds_gops(host("avx2"), 2) == {"fp32": 320, "int8": 640}  # 2 x 5 GHz x 8 lanes x 2 x 2
    assert isa.peak_bounds_gops(host("avx2", "avx512f", "avx512_vnni"), 2) == {"fp32": 640, "int8": 2560}
    assert isa.peak_bounds_gops(host("avx2", "avx512f", "avx512_vnni", "amx_int8"), 1, 2.0) == {"fp32": 128, "int8": 4096}
    assert isa.peak_bounds_gops(host(), 2) is None and isa.peak_bounds_gops(host("i8mm", kind="AArch64"), 2) is None
