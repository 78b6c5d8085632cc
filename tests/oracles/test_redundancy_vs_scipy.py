"""Exponent entropy against ml_dtypes' bfloat16 and SciPy's entropy; spectra against SciPy's SVD."""

import ml_dtypes
import numpy as np
import pytest
from scipy.linalg import svdvals
from scipy.stats import entropy

from utils.compression.feasibility.redundancy import effective_rank, energy_rank, exponent_entropy


@pytest.mark.parametrize("seed", range(20))
def test_exponent_entropy(seed):
    rng = np.random.default_rng(seed)
    w = (rng.normal(size=rng.integers(1, 2000)) * 10.0 ** rng.integers(-6, 6)).astype(np.float32)
    w[rng.random(w.size) < 0.1] = 0
    words = w.astype(ml_dtypes.bfloat16).view(np.uint16)
    counts = np.bincount((words >> 7) & 0xFF)
    assert exponent_entropy(w) == pytest.approx(entropy(counts, base=2), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_spectra(seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(rng.integers(1, 30), rng.integers(1, 30)))
    S = svdvals(W)
    assert effective_rank(W) == pytest.approx(np.exp(entropy(S)), rel=1e-9)
    share = rng.uniform(0.1, 0.99)
    assert energy_rank(W, share) == 1 + int(np.searchsorted(np.cumsum(S**2) / np.sum(S**2), share))
