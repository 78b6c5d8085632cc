"""Bounds and shortlists: against hand arithmetic, a brute force, and laws."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.chips import (
    MEASURED,
    PLATFORMS,
    WORKLOADS,
    dense_tops,
    fps_on,
    owned_usd_per_million,
    plain_row,
    platform_front,
    platform_points,
    roofline_ms,
    shortlist,
    tops_per_watt,
    used_share,
    verdicts,
)

TABLE = [plain_row(p) for p in PLATFORMS.values()]


def test_roofline_by_hand():
    # 2 · 300.8e6 / (6e12 · 0.3) = 0.33422 ms, 10e6 / 33.8e9 = 0.29586 ms
    assert roofline_ms(300.8e6, 10e6, 6, 33.8) == pytest.approx(0.334222, rel=1e-5)
    assert roofline_ms(300.8e6, 10e6, 6, 33.8, 0.6) == pytest.approx(0.295858, rel=1e-5)  # memory now
    assert fps_on(300.8e6, 10e6, 6, 33.8, 0.3) == pytest.approx(2992.02, rel=1e-5)
    assert fps_on(300.8e6, 10e6, 6, None, 0.6) == pytest.approx(2 * 2992.02, rel=1e-5)


@given(st.floats(1e6, 1e11), st.floats(0, 1e10), st.floats(0.1, 500), st.floats(1, 500), st.floats(0.01, 1))
def test_roofline_is_the_longer_of_two(macs, nbytes, tops, gb_s, util):
    both = roofline_ms(macs, nbytes, tops, gb_s, util)
    compute = roofline_ms(macs, nbytes, tops, None, util)
    assert both == pytest.approx(max(compute, 1e3 * nbytes / (gb_s * 1e9)), rel=1e-12)  # a few roundings
    assert both * fps_on(macs, nbytes, tops, gb_s, util) == pytest.approx(1000, rel=1e-12)


@pytest.mark.parametrize("util", [0, -0.1, 1.0001, math.nan])
def test_utilization_is_a_share(util):
    with pytest.raises(ValueError, match="util"):
        fps_on(1e9, 1e6, 6, 33.8, util)


def test_used_share_of_the_hailo():
    row = MEASURED[0]
    # 2434 fps · 0.6016 G operations = 1.464 T, of 26
    assert used_share(row.macs, row.per_s, row.tops) == pytest.approx(1.4643 / 26, rel=1e-3)


def test_tops_per_watt_takes_the_top_mode():
    assert tops_per_watt(PLATFORMS["Jetson Orin Nano Super 8GB"]) == 67 / 25
    assert tops_per_watt(PLATFORMS["RK3588"]) is None and tops_per_watt(PLATFORMS["Myriad X"]) is None


def test_shortlist_of_the_table():
    need = {"min_tops": 15, "max_watts": 15}
    assert shortlist(TABLE, need) == ["Hailo-8", "Ascend 310"]
    assert shortlist(TABLE, need, allow_unknown=True) == ["Hailo-8", "Ascend 310", "AX650N", "BM1684X"]
    assert shortlist(TABLE, {"min_tops": 1000}) == []
    assert "CV22" not in shortlist(TABLE, {}, True) and len(shortlist(TABLE, {})) == 12


def test_verdicts_tell_failed_from_unknown():
    by_name = {v.name: v for v in verdicts(TABLE, {"min_tops": 10, "min_gb_s": 50, "max_watts": 30})}
    assert by_name["RK3588"].failed == ("min_tops", "min_gb_s") and by_name["RK3588"].unknown == ("max_watts",)
    assert by_name["Hailo-8"].failed == () and by_name["Hailo-8"].unknown == ("min_gb_s",)
    assert by_name["Jetson Orin Nano Super 8GB"].ok and not by_name["Jetson AGX Orin 64GB"].ok
    with pytest.raises(ValueError, match="need"):
        verdicts(TABLE, {"max_tops": 3})


rows = st.builds(
    lambda name, headline, bits, sparse, gb_s, watts: {
        "name": name, "headline": headline, "bits": bits, "sparse": sparse, "dram_gb_s": gb_s,
        "watts": watts and (watts / 2, watts)},
    st.text("abcdef", min_size=1, max_size=4), st.none() | st.sampled_from([4, 8, 16, 32]), st.sampled_from([4, 8]),
    st.booleans(), st.none() | st.sampled_from([10, 20, 30]), st.none() | st.sampled_from([2, 4, 8]))


@given(st.lists(rows, max_size=8, unique_by=lambda r: r["name"]), st.booleans(),
       st.fixed_dictionaries({}, optional={"min_tops": st.sampled_from([2, 4, 8]), "min_gb_s": st.just(20),
                                           "max_watts": st.sampled_from([2, 4])}))
def test_shortlist_against_a_plain_reading(table, allow, need):
    def tops(r):
        return r["headline"] / (2 if r["sparse"] else 1) / (2 if r["bits"] == 4 else 1)

    def fits(r):
        known = {"min_tops": tops(r), "min_gb_s": r["dram_gb_s"], "max_watts": r["watts"] and r["watts"][1]}
        checks = [known[k] for k in need]
        if None in checks:
            return allow and all(v is None or (v <= need[k] if k == "max_watts" else v >= need[k])
                                 for k, v in ((k, known[k]) for k in need))
        return all(known[k] <= need[k] if k == "max_watts" else known[k] >= need[k] for k in need)

    left = [r for r in table if r["headline"] is not None and fits(r)]
    with_power = sorted((r for r in left if r["watts"]), key=lambda r: (-tops(r) / r["watts"][1], r["name"]))
    without = sorted(r["name"] for r in left if not r["watts"])
    assert shortlist(table, need, allow) == [r["name"] for r in with_power] + without


def test_front_by_brute_force():
    rows = [{"name": p.name, "tops": dense_tops(p), "w": p.watts and p.watts[1]} for p in PLATFORMS.values()]
    front, unknown = platform_front(rows, maximize=["tops"], minimize=["w"])
    known = [r for r in rows if None not in (r["tops"], r["w"])]
    beaten = {b["name"] for a, b in itertools.permutations(known, 2)
              if a["tops"] >= b["tops"] and a["w"] <= b["w"] and (a["tops"], a["w"]) != (b["tops"], b["w"])}
    assert front == [r["name"] for r in known if r["name"] not in beaten]
    assert set(unknown) == {r["name"] for r in rows} - {r["name"] for r in known}


def test_owned_device_by_hand():
    # 2 years = 17,520 h; 10 W: 175.2 kWh, 35.04 USD at 0.2; 100 + 35.04 over 100/s for half of the time
    expected = 135.04 / (100 * 0.5 * 17_520 * 3600) * 1e6
    assert owned_usd_per_million(100, 2, 10, 0.2, 100, 0.5) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="duty"):
        owned_usd_per_million(100, 2, 10, 0.2, 100, 1.5)
    with pytest.raises(ValueError, match="per_s"):
        owned_usd_per_million(100, 2, 10, 0.2, 0, 0.5)


def test_points_say_why_a_platform_is_out():
    points = {p.name: p for p in platform_points(WORKLOADS["MobileNetV2"], min_per_s=1000, max_watts=10)}
    assert set(points) == {p.name for p in PLATFORMS.values() if p.headline_tops}
    assert points["Hailo-8"].reasons == () and points["RK3588"].reasons == ("power unknown",)
    assert points["Jetson Orin Nano Super 8GB"].reasons == ("25 W is above 10 W",)
    assert points["STM32MP25"].reasons == ("598/s is below 1000/s", "power unknown")  # 1.2e12 · 0.3 / 601.6e6
    assert points["AX650N"].tops == 18 and points["AX650N"].headline_tops == 72


def test_points_at_sixteen_bits_and_of_a_language_model():
    names = [p.name for p in platform_points(WORKLOADS["MobileNetV2"], bits=16)]
    assert "Edge TPU" not in names and "STM32MP25" not in names and "Ascend 310" in names
    llm = {p.name: p for p in platform_points(WORKLOADS["8 B LLM, 4 bit, one token"])}
    assert llm["Hailo-8"].reasons == ("no DRAM for 3,752 MB a run",)
    assert llm["Jetson Orin Nano Super 8GB"].per_s == pytest.approx(102.4 / 3.752, rel=1e-9)  # memory decides
    assert llm["RK3588"].per_s == pytest.approx(33.792 / 3.752, rel=1e-9)
