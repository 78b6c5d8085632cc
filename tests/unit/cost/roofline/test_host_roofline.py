"""Measuring a device: a planted one is found again; clocks are told, never timed."""

import itertools
import math

import numpy as np
import pytest
import torch

from utils.cost.roofline import OpCost
from utils.cost.roofline import host as host_roofline


def planted(peak, bandwidth, launch, n=12):
    rng = np.random.default_rng(0)
    for _ in range(n):
        flops, read, written = (float(v) for v in 10 ** rng.uniform(3, 9, 3))
        op = OpCost("op", "conv", flops, read, written)
        yield op, flops / (1e3 * peak) + (read + written) / (1e3 * bandwidth) + launch


@pytest.mark.parametrize(("peak", "bandwidth", "launch"), [(95.0, 19.0, 0.9), (989_000.0, 3350.0, 5.0), (5.0, 700.0, 0.0)])
def test_fit_finds_the_planted_device(peak, bandwidth, launch):
    device = host_roofline.fit_device(list(planted(peak, bandwidth, launch)), "fp16")
    assert device.peak("fp16") == pytest.approx(peak, rel=1e-6)
    assert device.mem_gb_s == pytest.approx(bandwidth, rel=1e-6)
    assert device.launch_us == pytest.approx(launch, rel=1e-6, abs=1e-6)


def test_fit_without_a_cost():
    device = host_roofline.fit_device([(OpCost("op", "copy", 0, n, n), 2 * n / 1e5) for n in (1e6, 2e6, 5e6)])
    assert device.peak("fp32") == math.inf
    assert device.mem_gb_s == pytest.approx(100)
    with pytest.raises(ValueError, match="samples"):
        host_roofline.fit_device([])


def test_host_with_a_told_clock(monkeypatch):
    monkeypatch.setattr(host_roofline, "COPY_ITEMS", 1 << 10)
    monkeypatch.setattr(host_roofline, "GEMM_SIZE", 16)
    ticks = itertools.count()
    device = host_roofline.measure_host(1e-9, clock=lambda: next(ticks))
    assert device.peak("fp32") == pytest.approx(2 * 16**3 / 1e9)  # every measured interval is one second
    assert device.mem_gb_s == pytest.approx(2 * 4 * 1024 / 1e9)
    assert device.launch_us == pytest.approx(1e6 / 500)


def test_layers_in_order_of_their_call():
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(8, 2)))
    rows = host_roofline.time_layers(model, torch.zeros(1, 4), repeats=2)
    assert [name for name, _ in rows] == ["0", "1.0", "1.1"]
    assert all(ms > 0 for _, ms in rows)
    assert not model[0]._forward_hooks
