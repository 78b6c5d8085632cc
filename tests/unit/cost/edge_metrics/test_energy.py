"""Energy: balances over a simulated hour, the table's figures, counters read from real files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.edge_metrics.energy import (
    ENERGY_PJ_45NM,
    average_power_w,
    battery_hours,
    cpu_energy_mj,
    energy_from_samples_j,
    energy_per_inference_mj,
    frame_energy,
    operation_energy_mj,
    read_cpu_energy_j,
    usd_per_million,
)


def test_golden():
    assert frame_energy(6, 1.5, 40, 5) == {"avg_w": 2.4, "total_mj": 480.0, "marginal_mj": 180.0}
    assert battery_hours(10, 2.4, usable=1.0) == pytest.approx(4.17, abs=0.005) and battery_hours(10, 2.4) == 3.75
    assert average_power_w(10, 1, 20, 10) == average_power_w(4, 1, 60, 10) == 2.8  # the break-even of race to idle
    # MobileNetV1 at 224: 568.74 M multiply-accumulates
    assert operation_energy_mj(568.74e6, 8, 0) == pytest.approx(0.131, abs=5e-4)
    assert operation_energy_mj(568.74e6, 32, 0) / operation_energy_mj(568.74e6, 8, 0) == pytest.approx(20)


def test_table_figures():
    # Horowitz, ISSCC 2014, as cited in Frontiers in Neurology 2022 (PMC8934428), table 3
    cited = {"int32_add": 0.1, "int32_mul": 3.1, "fp32_add": 0.9, "fp32_mul": 3.7, "sram_32bit": 5}
    assert {name: ENERGY_PJ_45NM[name] for name in cited} == cited
    with pytest.raises(TypeError):
        ENERGY_PJ_45NM["fp32_add"] = 0  # shared by four chapters: nobody may change it


@given(st.floats(0.1, 20), st.floats(0, 5), st.integers(1, 100), st.integers(1, 10))
def test_an_hour_balances(active_w, idle_w, latency_ms, fps):
    """Millisecond by millisecond against the closed form."""
    period_ms = 1000 // fps
    if latency_ms > period_ms or 1000 % fps:
        return
    one_second = [active_w if t % period_ms < latency_ms else idle_w for t in range(1000)]
    energy_j = sum(one_second) / 1000
    got = frame_energy(active_w, idle_w, latency_ms, fps)
    assert got["avg_w"] == pytest.approx(energy_j)
    assert got["total_mj"] * fps == pytest.approx(1000 * energy_j)
    assert got["marginal_mj"] * fps + 1000 * idle_w == pytest.approx(1000 * energy_j)
    told = energy_per_inference_mj(active_w, latency_ms, idle_w, period_ms)
    assert (told.total_mj, told.marginal_mj) == pytest.approx((got["total_mj"], got["marginal_mj"]))
    assert told.active_mj == active_w * latency_ms and told.as_dict()["total_mj"] == told.total_mj


def test_back_to_back_there_is_no_idling():
    told = energy_per_inference_mj(6, 40, 1.5)
    assert told.active_mj == told.total_mj == 240
    assert average_power_w(6, 1.5, 40, 25) == 6  # exactly full


def test_dram_dominates():
    weights = 4 * 4.2e6  # MobileNetV1 in FP32
    assert operation_energy_mj(0, 32, weights) == pytest.approx(4.2e6 * 640e-9)
    assert operation_energy_mj(10, 16, 0) == pytest.approx(10 * 1.5e-9)


def test_money():
    assert usd_per_million(3.6, 1000) == 1 and usd_per_million(3.6, 1000, 0.25) == 4
    assert usd_per_million(0, 5) == 0


def test_power_samples():
    times = [0.0, 0.5, 1.5, 2.0]
    watts = [3 + 2 * t for t in times]  # a straight line: the trapezoid rule is exact, integral 3 t + t^2
    assert energy_from_samples_j(times, watts) == pytest.approx(3 * 2 + 2**2)
    assert energy_from_samples_j(times, watts, idle_w=3) == pytest.approx(4)


def counter(root, name, microjoules):
    (root / name).mkdir(exist_ok=True)
    (root / name / "energy_uj").write_text(f"{microjoules}\n")


def test_rapl_counters_from_files(tmp_path):
    assert read_cpu_energy_j(tmp_path) is None and read_cpu_energy_j(tmp_path / "missing") is None
    counter(tmp_path, "intel-rapl:0", 2_500_000)
    counter(tmp_path, "intel-rapl:1", 500_000)
    counter(tmp_path, "intel-rapl:0:0", 9_000_000)  # a part of package 0: counted there already
    assert read_cpu_energy_j(tmp_path) == 3.0
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("broken")
    assert read_cpu_energy_j(tmp_path) is None


def test_measured_energy_of_a_call():
    state = {"joules": 1.0, "calls": 0}

    def burn():
        state["joules"] += 0.25
        state["calls"] += 1

    assert cpu_energy_mj(burn, 4, lambda: state["joules"]) == 250 and state["calls"] == 4
    assert cpu_energy_mj(burn, 4, lambda: None) is None and state["calls"] == 4
    readings = iter([5.0, 1.0])
    assert cpu_energy_mj(burn, 1, lambda: next(readings)) is None  # the counter wrapped


@pytest.mark.parametrize(("call", "word"), [
    (lambda: energy_per_inference_mj(1, 50, 0, 40), "latency exceeds period"),
    (lambda: energy_per_inference_mj(1, 0), "latency_ms"),
    (lambda: energy_per_inference_mj(-1, 5), "active_w"),
    (lambda: average_power_w(1, 0, 30, 34), "load above 100 %"),
    (lambda: frame_energy(1, 0, 10, 0), "fps"),
    (lambda: battery_hours(1, 0), "avg_w"),
    (lambda: battery_hours(1, 1, 1.5), "usable"),
    (lambda: operation_energy_mj(1, 4, 0), "mac_bits"),
    (lambda: operation_energy_mj(-1, 8, 0), "macs"),
    (lambda: usd_per_million(1, 0), "peak_per_s"),
    (lambda: usd_per_million(1, 1, 2), "utilization"),
    (lambda: energy_from_samples_j([0], [1]), "two times"),
    (lambda: energy_from_samples_j([0, 0], [1, 1]), "rise"),
    (lambda: cpu_energy_mj(lambda: None, 0), "repeats"),
])
def test_errors(call, word):
    with pytest.raises(ValueError, match=word):
        call()
