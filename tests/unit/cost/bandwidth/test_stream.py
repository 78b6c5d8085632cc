"""Bandwidth bookkeeping with a clock that ticks as told; nothing is timed for real."""

import itertools

import pytest
import torch

from utils.cost.bandwidth.streams import (
    bandwidth_ladder,
    cuda_bandwidth,
    cuda_peak_gb_s,
    effective_gb_s,
    gemm_point,
    measure_gemm,
    stream,
    stream_bytes,
    stream_gb_s,
    stream_kernel,
    strided_read,
)


def ticks(seconds):
    """A clock whose readings are `seconds` apart, pair by pair: start, start + s, ..."""
    now, readings = 0.0, []
    for s in seconds:
        readings += [now, now + s]
        now += s + 1
    return iter(readings).__next__


def steady(seconds):
    return ticks(itertools.repeat(seconds, 1000))


@pytest.mark.parametrize(("kernel", "arrays"), [("copy", 2), ("scale", 2), ("add", 3), ("triad", 3)])
def test_stream_counts_arrays(kernel, arrays):
    assert stream_bytes(kernel, 10, 8) == arrays * 80
    assert stream_gb_s(kernel, 10**9, 1, [9.0, 1.0]) == arrays
    assert stream_gb_s(kernel, 10**9, 1, [9.0, 1.0], write_allocate=True) == arrays + 1


def test_stream_takes_the_best_after_the_warm_up():
    assert stream_gb_s("triad", 10_000_000, 8, [0.9, 0.03, 0.024]) == 10.0
    assert stream_gb_s("copy", 10**9, 1, [0.001, 2.0, 1.0]) == 2.0
    with pytest.raises(ValueError, match="at least 2"):
        stream_gb_s("copy", 10, 4, [1.0])
    with pytest.raises(KeyError):
        stream_gb_s("dot", 10, 4, [1.0, 1.0])


def test_stream_kernels_compute_what_their_names_say():
    for kernel, (target, want) in {"copy": (2, 1.0), "scale": (1, 1.5), "add": (2, 3.0), "triad": (0, 3.5)}.items():
        run, buffers = stream_kernel(kernel, 5, "float64")  # a = 1, b = 2, c = 0.5
        pointers = [b.data_ptr() for b in buffers]
        run()
        assert buffers[target].tolist() == [want] * 5
        assert [b.data_ptr() for b in buffers] == pointers  # in place: no hidden allocation
    with pytest.raises(KeyError):
        stream_kernel("dot", 5)


def test_stream_result_is_best_and_median():
    result = stream("add", 1000, repeats=3, clock=ticks([4e-6, 1e-6, 2e-6]))
    assert result.seconds == pytest.approx((4e-6, 1e-6, 2e-6))
    assert result.gb_s_best == pytest.approx(12.0)  # 3 arrays of 4000 bytes in 1 us
    assert result.gb_s_median == pytest.approx(6.0)
    assert result.as_dict()["kernel"] == "add"


def test_ladder_counts_reads_and_writes_of_all_passes():
    rungs = bandwidth_ladder([64, 4096], repeats=2, pass_bytes=1024, clock=steady(1e-6))
    assert [size for size, _ in rungs] == [64, 4096]
    assert [gb_s for _, gb_s in rungs] == pytest.approx([1.024, 4.096])  # 16 passes of 64 bytes, one of 4096
    with pytest.raises(ValueError, match="sizes_bytes must be positive"):
        bandwidth_ladder([1])


def test_strided_reads_use_less_of_each_line():
    rows = strided_read(1 << 16, [1, 4, 16, 32], clock=steady(1e-6))
    assert [r.useful_gb_s for r in rows] == pytest.approx([65.536 / s for s in (1, 4, 16, 32)])
    assert [r.line_gb_s for r in rows] == pytest.approx([65.536, 65.536, 65.536, 32.768])


def test_gemm_points_lie_between_vector_and_matrix():
    assert gemm_point(100, 1, 1e-6).intensity == pytest.approx(2 * 100 * 100 / (4 * (100 * 100 + 200)))
    vector, matrix = measure_gemm(64, [1, 64], repeats=1, clock=steady(1e-6))
    assert vector.gflop_s == pytest.approx(2 * 64 * 64 * 1e-3)
    assert matrix.intensity == pytest.approx(2 * 64 / 12)  # 2 n^3 over 3 matrices of 4 n^2 bytes
    assert vector.intensity < 0.5 < matrix.intensity
    for point in (vector, matrix):
        assert point.gflop_s == pytest.approx(point.intensity * point.gb_s)


def test_effective_bandwidth():
    assert effective_gb_s(3e9, 1e9, 2) == 2.0
    with pytest.raises(ValueError, match="seconds must be positive"):
        effective_gb_s(1, 1, 0)
    with pytest.raises(ValueError, match="bytes_read"):
        effective_gb_s(-1, 1, 1)


def test_without_a_gpu_there_is_no_figure(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cuda_bandwidth(1024) is None
    assert cuda_peak_gb_s() is None


def test_gpu_copy_counts_both_directions_by_events(monkeypatch):
    class Event:
        made = 0

        def __init__(self, enable_timing):
            assert enable_timing
            Event.made += 1

        def record(self):
            pass

        def synchronize(self):
            pass

        def elapsed_time(self, end):
            return 2.0  # ms

    real = torch.ones
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "ones", lambda n, dtype, device: real(n, dtype=dtype))
    assert cuda_bandwidth(10**6, repeats=3) == pytest.approx(1.0)  # 2 MB in 2 ms
    assert Event.made == 6


@pytest.mark.parametrize(("clock_khz", "bus", "want"), [(1_215_000, 5120, 1555.2), (9_751_000, 384, 936.096), (0, 384, None)])
def test_gpu_peak_from_the_drivers_properties(monkeypatch, clock_khz, bus, want):
    properties = type("P", (), {"memory_clock_rate": clock_khz, "memory_bus_width": bus})()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    assert cuda_peak_gb_s() == (want and pytest.approx(want))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: object())
    assert cuda_peak_gb_s() is None
