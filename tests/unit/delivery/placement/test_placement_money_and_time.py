"""Deadlines, radio and costs: against brute force, simulation and each other."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from utils.delivery.placement import (
    Tariff,
    break_even,
    cheapest_ranges,
    cloud_cost,
    deadline_hit_rate,
    lognormal_from_quantiles,
    merged,
    own_cost,
    owning_intervals,
    radio_energy_j,
    travelled_m,
    upload_ms,
)
from utils.delivery.placement.examples import RADIO, TARIFFS


def volumes_where_owning_wins(fixed, per_1k, capacity, most):
    return [n for n in range(1, most + 1) if math.ceil(n / capacity) * fixed < n * per_1k / 1000]


@given(st.integers(1, 400), st.integers(1, 4000), st.integers(1, 40), st.integers(1, 300))
def test_owning_intervals_against_every_volume(fixed, per_1k, capacity, most):
    fixed, per_1k = fixed / 16, per_1k / 4
    intervals = owning_intervals(fixed, per_1k, capacity, most)
    assert [n for a, b in intervals for n in range(a, b + 1)] == volumes_where_owning_wins(fixed, per_1k, capacity, most)
    assert all(later > earlier + 1 for (_, earlier), (later, _) in pairwise(intervals))


def test_owning_intervals_of_the_chapter():
    assert owning_intervals(240, 0.80, 400_000, 1_000_000) == [(300_001, 400_000), (600_001, 800_000), (900_001, 1_000_000)]
    assert owning_intervals(100, 1.0, 200_000, 500_000) == [(100_001, 500_000)]
    assert owning_intervals(500, 1.0, 400_000, 1_000_000) == []
    assert owning_intervals(125, 250, 500, 500) == []  # a tie at 500 requests, exact in binary


@pytest.mark.parametrize("bad", [(0, 1, 1, 1), (1, -1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0), (float("nan"), 1, 1, 1)])
def test_owning_intervals_refuses(bad):
    with pytest.raises(ValueError, match="must be positive"):
        owning_intervals(*bad)


@given(st.integers(0, 200), st.integers(1, 30), st.integers(0, 40), st.integers(1, 60))
def test_break_even_is_the_first_volume(fixed, capacity, marginal, per_1k):
    owned, cloud = Tariff(fixed / 64, capacity, marginal * 8.0), Tariff(per_1k=per_1k * 8.0)
    close = [n for n in range(1, 200) if abs(owned.monthly(n) - cloud.monthly(n)) < 1e-9]
    assume(not close)  # float ties
    first = next((n for n in range(1, 200) if owned.monthly(n) < cloud.monthly(n)), None)
    assert break_even(owned, cloud, 199) == first


def test_break_even_of_cloud_edge_device_and_vehicle():
    found = {name: break_even(t, TARIFFS["cloud"], 5_000_000) for name, t in TARIFFS.items() if name != "cloud"}
    assert found == {"edge server": 320_001, "device": 1_125_001, "vehicle": 48_718}
    for name, first in found.items():
        assert TARIFFS[name].monthly(first) < TARIFFS["cloud"].monthly(first)
        assert TARIFFS[name].monthly(first - 1) >= TARIFFS["cloud"].monthly(first - 1)
    assert break_even(Tariff(1, None, 5), Tariff(per_1k=5), 10**6) is None
    with pytest.raises(ValueError, match="no fixed part"):
        break_even(Tariff(1), Tariff(1), 10)


def test_costs():
    assert own_cost(400_000, 240, 400_000) == 240 and own_cost(400_001, 240, 400_000) == 480 and own_cost(0, 240, 10) == 0
    assert own_cost(1000, 10, 1000, 0.5) == 10.5 and cloud_cost(500, 0.8) == pytest.approx(0.4)
    assert Tariff(5, None, 1).monthly(2000) == 7
    with pytest.raises(ValueError, match="negative"):
        cloud_cost(-1, 1)


def test_cheapest_ranges_cover_all_volumes():
    volumes = list(range(1000, 2_000_001, 1000))
    ranges = cheapest_ranges(TARIFFS, volumes)
    told = {n: name for a, b, name in ranges for n in range(a, b + 1, 1000)}
    assert sorted(told) == volumes and {name for _, _, name in ranges} == set(TARIFFS)
    for n in volumes[::37]:
        assert TARIFFS[told[n]].monthly(n) == min(t.monthly(n) for t in TARIFFS.values())
    assert all(a[2] != b[2] for a, b in pairwise(ranges))
    for bad in ([2, 1], [1, 1]):
        with pytest.raises(ValueError, match="must rise"):
            cheapest_ranges(TARIFFS, bad)
    with pytest.raises(ValueError, match="must not be empty"):
        cheapest_ranges({}, [1])


def test_deadline_against_a_simulation():
    rng = np.random.default_rng(0)
    mu, sigma = lognormal_from_quantiles(40, 120)
    rtt = rng.lognormal(mu, sigma, 200_000)
    assert np.quantile(rtt, 0.5) == pytest.approx(40, rel=0.01) and np.quantile(rtt, 0.99) == pytest.approx(120, rel=0.02)
    hits = np.mean(8 * 150 / 20 + 20 + rtt <= 150)  # standard error 0.0007
    assert deadline_hit_rate(150_000, 20, 20, 40, 120, 150) == pytest.approx(hits, abs=0.004)


@given(st.floats(0, 3e5), st.floats(0.1, 200), st.floats(0, 100), st.floats(1, 100), st.floats(1.01, 20), st.floats(1, 500))
def test_deadline_is_monotone(payload, rate, infer, p50, ratio, deadline):
    def share(**changed):
        args = {"payload_bytes": payload, "uplink_mbps": rate, "infer_ms": infer, "rtt_p50_ms": p50, "rtt_p99_ms": p50 * ratio,
                "deadline_ms": deadline} | changed
        return deadline_hit_rate(**args)

    assert 0 <= share() <= share(deadline_ms=deadline + 10) <= 1
    assert share() <= share(uplink_mbps=2 * rate) and share() <= share(infer_ms=infer / 2)


def test_deadline_edges():
    assert deadline_hit_rate(125_000, 1, 20, 40, 120, 1020) == 0.0  # nothing left
    assert deadline_hit_rate(0, 1, 0, 40, 120, 40) == pytest.approx(0.5) and deadline_hit_rate(0, 1, 0, 40, 120, 120) == pytest.approx(0.99)
    for p50, p99 in ((40, 40), (40, 30), (0, 10)):
        with pytest.raises(ValueError, match="must be"):
            deadline_hit_rate(150_000, 1, 20, p50, p99, 150)
    with pytest.raises(ValueError, match="uplink_mbps must be positive"):
        upload_ms(1, 0)
    assert travelled_m(120, 250) == pytest.approx(8.333, abs=1e-3) and travelled_m(36, 1000) == pytest.approx(10)


def energy_by_ticks(times_s, tx_s, p_tx_w, tail_s, p_tail_w, tick_s=0.125):
    """Adds up the power in the middle of each tick; all times are multiples of a tick."""
    end = max(times_s, default=0) + tx_s + tail_s + 1
    middles = np.arange(min(times_s, default=0), end, tick_s) + tick_s / 2
    power = np.zeros(len(middles))
    for i, t in enumerate(middles):
        since = [t - start for start in times_s if start <= t]
        if since and since[-1] < tx_s:
            power[i] = p_tx_w
        elif since and since[-1] < tx_s + tail_s:
            power[i] = p_tail_w
    return float(power.sum() * tick_s)


@given(st.lists(st.integers(0, 60), max_size=6), st.integers(1, 8), st.integers(0, 40), st.integers(0, 16), st.integers(0, 16))
def test_radio_against_ticks(gaps, tx, tail, p_tx, p_tail):
    tx, tail = tx / 8, tail / 8
    times, now = [], 0.0
    for gap in gaps:
        times.append(now)
        now += tx + gap / 8
    got = radio_energy_j(times, tx, p_tx / 4, tail, p_tail / 4)
    assert got == pytest.approx(energy_by_ticks(times, tx, p_tx / 4, tail, p_tail / 4), abs=1e-9)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8, unique=True), st.integers(0, 7), st.integers(0, 16), st.integers(0, 8))
def test_a_request_that_joins_another_never_costs_more(starts, which, tail, p_tail):
    """Sending it with a neighbour removes one transmission, provided that sending takes no less power than the tail."""
    times = sorted(float(t) for t in starts)
    fewer = [t for i, t in enumerate(times) if i != which]
    args = (0.25, 1.0, tail / 2, p_tail / 8)
    assert radio_energy_j(fewer, *args) <= radio_energy_j(times, *args) + 1e-9


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8, unique=True), st.integers(1, 40))
def test_merged_times_are_the_ends_of_their_windows(starts, every):
    times = sorted(starts)
    sent = merged(times, every)
    assert sent == sorted(set(sent)) and all(t % every == 0 for t in sent)
    assert [min(m for m in sent if m > t) - t <= every for t in times] == [True] * len(times)


def test_radio_of_the_chapter():
    assert radio_energy_j([0, 5, 60], **RADIO) == pytest.approx(30.146) and radio_energy_j([0], **RADIO) == pytest.approx(12.416)
    assert radio_energy_j([], **RADIO) == 0.0
    for bad in ([5, 0], [0, 0.05], [0, 9, 4]):
        with pytest.raises(ValueError, match="must be sorted"):
            radio_energy_j(bad, **RADIO)
