"""Shared values against scikit-learn's k-means from the same start."""

import numpy as np
import pytest

from utils.compression.weight_sharing import kmeans_1d


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [2, 5, 8])  # few enough that no cluster is left empty: scikit-learn would move it, ours goes
def test_the_same_codebook_as_sklearn(seed, k):
    from sklearn.cluster import KMeans

    w = np.random.default_rng(seed).standard_normal(800).astype(np.float32).astype(np.float64)
    start = np.linspace(w.min(), w.max(), k)[:, None]
    theirs = KMeans(k, init=start, n_init=1, max_iter=1000, tol=0, algorithm="lloyd").fit(w[:, None])
    codebook, index = kmeans_1d(w, k, iterations=1000)
    # the codebook is rounded to float32
    assert codebook == pytest.approx(np.sort(theirs.cluster_centers_.ravel()), rel=2e-7, abs=1e-7)
    assert np.sum((w - codebook[index]) ** 2) == pytest.approx(theirs.inertia_, rel=1e-6)
