"""Streams a chip serves, against fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from utils.hardware.chips import lpddr_gb_s
from utils.hardware.soc import LIMITS, SOCS, max_streams, stream_budget

RK = {"decode_mpix_s": 1990.656, "encode_mpix_s": 995.328, "npu_cores": 3, "ddr_gb_s": 33.8, "ddr_derate": 0.6}


def test_the_example():
    report = stream_budget(SOCS["RK3588"], 1920, 1080, 30, 12, 19_564_800)
    assert dict(report.limits) == {"decode": 32, "encode": 16, "npu": 8, "ddr": 34}
    assert (report.streams, report.bottleneck) == (8, "npu") == max_streams(RK, 30, 1920, 1080, 12, 19_564_800)


def test_sources_of_the_table():
    assert SOCS["RK3588"].decode_mpix_s == RK["decode_mpix_s"] and SOCS["RK3588"].encode_mpix_s == RK["encode_mpix_s"]
    assert SOCS["RK3588"].ddr_gb_s <= lpddr_gb_s(64, 4267)  # 64 bit of LPDDR4X-4267, 34.1 GB/s
    assert all(s.source.startswith("illustrative") for name, s in SOCS.items() if name != "RK3588")


def test_the_bottleneck_moves():
    chip = SOCS["RK3588"]
    seen = [stream_budget(chip, 1920, 1080, 30, ms, 19_564_800).bottleneck for ms in (24, 12, 6, 5, 1)]
    assert seen == ["npu", "npu", "encode", "encode", "encode"]
    assert stream_budget(chip, 1920, 1080, 30, 1, 19_564_800, encode=False).bottleneck == "decode"
    assert stream_budget(chip, 1920, 1080, 30, 1, 60_000_000, encode=False).bottleneck == "ddr"


def test_against_fractions():
    rng = np.random.default_rng(0)
    for _ in range(300):
        cores, fps, ms = int(rng.integers(1, 9)), int(rng.integers(1, 121)), int(rng.integers(1, 2000)) / 100
        w, h, size = int(rng.integers(1, 4000)), int(rng.integers(1, 3000)), int(rng.integers(1, 10**8))
        soc = {"decode_mpix_s": int(rng.integers(0, 4000)), "encode_mpix_s": int(rng.integers(0, 4000)), "npu_cores": cores,
               "ddr_gb_s": int(rng.integers(1, 200)), "ddr_derate": 0.6}
        hundredths = Fraction(round(100 * ms), 100)
        exact = [Fraction(soc["decode_mpix_s"] * 10**6, w * h * fps), Fraction(soc["encode_mpix_s"] * 10**6, w * h * fps),
                 Fraction(1000 * cores) / (hundredths * fps), Fraction(soc["ddr_gb_s"] * 10**9 * 6, 10 * size * fps)]
        limits = [floor(x) for x in exact]
        assert max_streams(soc, fps, w, h, ms, size) == (min(limits), LIMITS[limits.index(min(limits))])


def test_exact_multiples_survive_rounding():
    # 0.1 ms is no binary number: 3 cores, 0.1 ms, 1000/3 fps make 90 up to rounding
    assert max_streams(RK | {"npu_cores": 3}, 29.97, 2, 2, 1000 / 29.97 / 7 * 3, 1)[0] == 7


def test_bad_values():
    for bad in ({"npu_ms": 0}, {"fps": -1}, {"width": 0}, {"bytes_per_frame": 0}):
        with pytest.raises(ValueError, match="positive"):
            stream_budget(SOCS["RK3588"], **{"width": 2, "height": 2, "fps": 1, "npu_ms": 1, "bytes_per_frame": 1, **bad})
