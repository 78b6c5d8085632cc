"""Cycles against passes of the simulator, a published formula, and a search; layers against counts of chapter 12."""

import numpy as np
import pytest
import torch
from torch import nn

from utils.cost.flops import count_module_macs
from utils.hardware.systolic import (
    SystolicArray,
    array_utilisation,
    best_batch,
    conv_to_gemm,
    network_utilization,
    ws_cycles,
    ws_utilization,
)
from utils.networks.classic import mobilenet_v2, resnet


def test_a_tiled_product_on_the_simulator():
    rng = np.random.default_rng(0)
    for _ in range(20):
        m, k, n, rows, cols = (int(v) for v in rng.integers(1, 9, 5))
        x, w = rng.integers(-5, 6, (m, k)), rng.integers(-5, 6, (k, n))
        y, cycles = np.zeros((m, n), int), 0
        for a in range(0, k, rows):
            for b in range(0, n, cols):
                part, spent = SystolicArray(rows, cols).run(x[:, a : a + rows], w[a : a + rows, b : b + cols])
                y[:, b : b + cols] += part
                cycles += spent
        assert (y == x @ w).all() and cycles == ws_cycles(m, k, n, rows, cols, include_load=False)
        tiles = len(range(0, k, rows)) * len(range(0, n, cols))
        assert ws_cycles(m, k, n, rows, cols) == cycles + tiles * rows
        assert ws_utilization(m, k, n, rows, cols, False) == pytest.approx(m * k * n / (rows * cols * cycles))


def test_scale_sims_formula():
    # 2 S_R + S_C + T - 2 for one fold (SCALE-Sim, ISPASS 2020, equation 1)
    for rows, cols, t in ((8, 8, 100), (128, 32, 5), (1, 1, 1)):
        assert ws_cycles(t, rows, cols, rows, cols) == 2 * rows + cols + t - 2


def test_examples():
    assert array_utilisation(1, 2048, 1000, 256, 256) == pytest.approx(0.0012732, rel=1e-4)
    assert array_utilisation(256, 2048, 1000, 256, 256) == pytest.approx(0.24462, rel=1e-4)
    assert array_utilisation(3136, 576, 64, 256, 256) == pytest.approx(0.15069, rel=1e-4)
    assert array_utilisation(3136, 9, 1, 256, 256) == pytest.approx(1.1e-4, rel=0.01)
    assert best_batch(2048, 1000, 256, 256, 0.7, 0.05) == 327


def test_best_batch_by_search():
    rng = np.random.default_rng(1)
    for _ in range(100):
        k, n, rows, cols = (int(v) for v in rng.integers(1, 40, 4))
        limit = int(rng.integers(0, 4000))  # cycles; at 1 GHz a millionth of that in ms
        found = best_batch(k, n, rows, cols, 1.0, limit / 1e6)
        fits = [m for m in range(1, 4001) if ws_cycles(m, k, n, rows, cols) <= limit]
        assert found == max(fits, default=0)
    with pytest.raises(ValueError, match="positive"):
        best_batch(1, 1, 1, 1, 0, 1)


def test_convolutions_as_products():
    for groups in (1, 2, 4):
        x, layer = torch.randn(1, 4, 6, 5), nn.Conv2d(4, 8, 3, bias=False, groups=groups)
        products = conv_to_gemm(4, 3, 4, 8, 3, groups)
        assert len(products) == groups
        columns = nn.functional.unfold(x, 3)[0].T  # (pixels, 4 * 9), channel by channel
        for g, (m, k, n) in enumerate(products):
            got = columns[:, g * k : (g + 1) * k] @ layer.weight[g * n : (g + 1) * n].reshape(n, k).T
            assert got.shape == (m, n)
            torch.testing.assert_close(got, layer(x)[0, g * n : (g + 1) * n].reshape(n, m).T)
    with pytest.raises(ValueError, match="groups"):
        conv_to_gemm(1, 1, 3, 4, 1, 2)


@pytest.mark.parametrize("build", [mobilenet_v2, lambda: resnet((2, 2, 2, 2), False)])
def test_networks_have_the_macs_of_the_counter(build):
    with torch.device("meta"):
        model = build()
    found = network_utilization(model, (1, 3, 224, 224), 64, 64)
    assert found.macs == count_module_macs(model, (1, 3, 224, 224)).macs
    assert found.cycles == sum(layer.groups * ws_cycles(layer.m, layer.k, layer.n, 64, 64) for layer in found.layers)
    assert 0 < found.utilization < 1 and found.utilization == pytest.approx(found.macs / (64 * 64 * found.cycles))


def test_kinds_of_layers():
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, groups=2), nn.Conv2d(8, 2, 1), nn.Flatten(), nn.Linear(32, 3))
    layers = network_utilization(model, (2, 4, 10, 10), 4, 4).layers
    assert [(x.kind, x.m, x.k, x.n, x.groups) for x in layers] == [
        ("conv", 128, 36, 8, 1), ("depthwise", 72, 9, 1, 8), ("grouped", 32, 36, 4, 2), ("1x1", 32, 8, 2, 1), ("linear", 2, 32, 3, 1)]
    assert not any(m._forward_hooks for m in model.modules())
    with pytest.raises(ValueError, match="convolutions or linear"):
        network_utilization(nn.ReLU(), (1, 2), 4, 4)
