"""Folding against torch's convolution, canary intervals against scipy and by simulation, parity against scipy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine
from scipy.stats import binomtest

from utils.cost.edge_metrics import newcombe_diff
from utils.delivery.release import canary_decision, fold_normalization, parity


def conv(x, w, b, padding=0):
    return torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(w), torch.from_numpy(b), padding=padding).numpy()


@pytest.mark.parametrize("seed", range(6))
def test_a_folded_convolution_is_torchs_on_normalised_input(seed):
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    o, i, k = int(rng.integers(1, 5)), int(rng.integers(1, 5)), int(rng.choice([1, 3, 5]))
    w, b, mean, std = rng.normal(size=(o, i, k, k)), rng.normal(size=o), rng.uniform(0.1, 0.9, i), rng.uniform(0.1, 0.5, i)
    raw = rng.integers(0, 256, (2, i, 9, 9)).astype(np.float64)
    normal = (raw / 255 - mean[:, None, None]) / std[:, None, None]
    w2, b2, pad = fold_normalization(w, b, mean, std, 1 / 255)
    # sums of at most 100 products of size 10 in float64: 1e-12 is hundreds of roundings
    assert np.abs(conv(normal, w, b) - conv(raw, w2, b2)).max() < 1e-12
    p = k // 2
    framed = np.stack([np.pad(raw[:, c], ((0, 0), (p, p), (p, p)), constant_values=pad[c]) for c in range(i)], axis=1)
    assert np.abs(conv(normal, w, b, p) - conv(framed, w2, b2)).max() < 1e-12
    if p:
        assert np.abs(conv(normal, w, b, p) - conv(raw, w2, b2, p)).max() > 0.01  # zeros at the border are not enough


def test_the_decision_is_the_hybrid_score_interval_from_scipys_limits():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        n0, n1 = int(rng.choice([50, 1000, 20_000])), int(rng.choice([20, 500, 5000]))
        k0, k1 = int(rng.binomial(n0, 0.02)), int(rng.binomial(n1, rng.choice([0.0, 0.02, 0.08])))
        a, b = (binomtest(k, n).proportion_ci(method="wilson") for k, n in ((k0, n0), (k1, n1)))
        d = k1 / n1 - k0 / n0
        low = d - np.sqrt((k1 / n1 - b.low) ** 2 + (a.high - k0 / n0) ** 2)
        high = d + np.sqrt((b.high - k1 / n1) ** 2 + (k0 / n0 - a.low) ** 2)
        assert newcombe_diff(k0, n0, k1, n1) == pytest.approx((low, high), abs=1e-12)
        told = canary_decision(k0, n0, k1, n1, 0.01)
        assert told == ("rollback" if low > 0.01 else "promote" if high <= 0.01 else "continue")
        seen.add(told)
    assert seen == {"rollback", "promote", "continue"}


@pytest.mark.parametrize(("p0", "p1"), [(0.01, 0.01), (0.01, 0.03), (0.2, 0.25)])
def test_the_interval_covers_the_true_difference(p0, p1):
    rng, hits = np.random.default_rng(1), 0
    for _ in range(2000):
        low, high = newcombe_diff(int(rng.binomial(2000, p0)), 2000, int(rng.binomial(500, p1)), 500)
        hits += low <= p1 - p0 <= high
    assert hits / 2000 >= 0.93


def test_parity_is_scipys_cosine():
    rng = np.random.default_rng(2)
    ref = rng.normal(size=(20, 6))
    got = ref + 0.1 * rng.normal(size=ref.shape)
    report = parity(ref, got)
    assert report.min_cosine == pytest.approx(min(1 - cosine(a, b) for a, b in zip(ref, got)), abs=1e-12)
    assert report.sqnr_db == pytest.approx(20 * np.log10(np.linalg.norm(ref) / np.linalg.norm(ref - got)), abs=1e-9)
