"""Chrome traces, read from text and from torch's profiler; workload models; threads as SMs."""

import json

import pytest
import torch

from utils.hardware.gpu_monitor import (
    WORKLOADS,
    Workload,
    measure_threads,
    metric_ladder,
    record_host_trace,
    trace_from_chrome,
    utilization,
)
from utils.hardware.gpu_monitor.workloads import GPU, LADDER

EVENTS = [
    {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 50.0, "dur": 400.0},
    {"ph": "X", "cat": "kernel", "name": "gemm", "ts": 300.0, "dur": 200.0,
     "args": {"grid": [12, 11, 1], "block": [384, 1, 1], "warps per SM": 12.0}},
    {"ph": "X", "cat": "kernel", "name": "relu", "ts": 100.0, "dur": 50.0, "args": {"grid": [4, 1, 1]}},
    {"ph": "i", "cat": "kernel", "name": "mark", "ts": 10.0},
]


def test_gpu_kernels_come_first(tmp_path):
    text = json.dumps({"traceEvents": EVENTS, "schemaVersion": 1})
    path = tmp_path / "trace.json"
    path.write_text(text, encoding="utf-8")
    for source in (text, path, str(path), json.dumps(EVENTS)):
        relu, gemm = trace_from_chrome(source)
        assert relu.interval == (0, pytest.approx(50e-6)) and relu.sms == 4 and relu.warps_per_sm == 0
        assert gemm.start_s == pytest.approx(200e-6) and gemm.seconds == pytest.approx(200e-6)
        assert gemm.sms == 132 and gemm.warps_per_sm == 12


def test_operators_where_no_gpu_ran():
    assert len(trace_from_chrome(json.dumps(EVENTS[:1]))) == 1
    assert len(trace_from_chrome(json.dumps(EVENTS), categories=("cpu_op", "kernel"))) == 3
    assert trace_from_chrome("[]") == []


@pytest.mark.parametrize("text", ["{", "{}", '{"traceEvents": 3}'])
def test_refuses_what_is_no_trace(text):
    with pytest.raises(ValueError, match="Chrome trace"):
        trace_from_chrome(text)


def test_a_recorded_trace_has_gaps(capfd):
    before = torch.get_num_threads()
    trace = trace_from_chrome(record_host_trace(seconds=0.2, burst_s=0.05, pause_s=0.1))
    assert torch.get_num_threads() == before
    end = max(k.end_s for k in trace)
    assert end >= 0.2 and trace[0].start_s == 0
    # at least one pause of 0.1 s lies inside, so the share is below what is left
    assert 0 < utilization([k.interval for k in trace], 0, end) <= 100 * (end - 0.1) / end
    assert "profiler" not in capfd.readouterr().err
    with pytest.raises(ValueError, match="pause_s"):
        record_host_trace(0.1, 0.1, 0)


def test_threads():
    before = torch.get_num_threads()
    load = measure_threads(1, seconds=0.05, n=64)
    assert torch.get_num_threads() == before
    assert load.threads == 1 and 0 < load.activity_pct <= 60 and 0 < load.util_pct <= 100 and load.gflop_s > 0
    with pytest.raises(ValueError, match="threads"):
        measure_threads(3, available=2)


def test_workloads_keep_their_totals_under_any_phase():
    """A second is their period (or they have none), so whole seconds hold the same work."""
    for load in WORKLOADS.values():
        ladders = [metric_ladder(load.trace(3.0, phase), 0, 3) for phase in (0, 0.15, 0.7)]
        for other in ladders[1:]:
            assert list(other.values()) == pytest.approx(list(ladders[0].values()), abs=1e-6)


def test_ladder_of_the_presets():
    spin = metric_ladder(WORKLOADS["spin kernel"].trace(3), 0, 3)
    assert tuple(spin) == LADDER and spin["GPU-Util"] == pytest.approx(100) and spin["MFU"] == 0
    assert spin["SM activity"] == pytest.approx(100 / 132) and spin["occupancy"] == pytest.approx(100 / 132 / 64)
    decode = metric_ladder(WORKLOADS["LLM decoding, batch 1"].trace(3), 0, 3)
    assert decode["MFU"] == pytest.approx(0.32, abs=0.005)  # 2 · 8.03e9 · 200 / 989e12
    assert decode["DRAM activity"] == pytest.approx(100 * 15.01 * 200 / GPU.mem_gb_s)
    assert metric_ladder(WORKLOADS["waiting for data"].trace(3), 0, 3)["GPU-Util"] == pytest.approx(30)


def test_bursts_and_gaps():
    load = Workload(0.02, 0.01, 4, 8, on_s=0.1, off_s=0.1)
    spans = [k.interval for k in load.trace(0.3)]
    assert spans[:4] == [pytest.approx((0.03 * i, min(0.03 * i + 0.02, 0.1))) for i in range(4)]
    assert all(a % 0.2 < 0.1 for a, _ in spans) and len(spans) == 8
    with pytest.raises(ValueError, match="kernel_s"):
        Workload(0, 0, 1, 1).trace(1)
    with pytest.raises(ValueError, match="phase_s"):
        Workload(1, 0, 1, 1).trace(1, -1)
