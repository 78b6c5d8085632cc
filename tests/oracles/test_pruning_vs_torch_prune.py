"""torch.nn.utils.prune and NumPy's least squares judge the pruning functions."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from utils.compression.pruning import global_masks, magnitude_mask, obs_prune


def layer_of(weight):
    module = nn.Module()
    module.weight = nn.Parameter(weight.clone())
    return module


def test_magnitude_mask_equals_l1_unstructured():
    rng = np.random.default_rng(0)
    for _ in range(200):
        weight = torch.from_numpy(rng.standard_normal(tuple(rng.integers(1, 7, rng.integers(1, 5)))))
        sparsity = float(rng.random())
        module = prune.l1_unstructured(layer_of(weight), "weight", sparsity)
        assert torch.equal(magnitude_mask(weight, sparsity), module.weight_mask.bool())


def test_global_masks_equal_global_unstructured():
    rng = np.random.default_rng(1)
    for _ in range(100):
        weights = [torch.from_numpy(rng.standard_normal(tuple(rng.integers(1, 9, 2)))) for _ in range(rng.integers(1, 4))]
        sparsity = float(rng.random())
        modules = [layer_of(w) for w in weights]
        prune.global_unstructured([(m, "weight") for m in modules], prune.L1Unstructured, amount=sparsity)
        for ours, module in zip(global_masks(weights, sparsity), modules):
            assert torch.equal(ours, module.weight_mask.bool())


@pytest.mark.parametrize("seed", range(50))
def test_obs_equals_least_squares_on_the_remaining_columns(seed):
    rng = np.random.default_rng(seed)
    samples, n = 60, 6
    X, w = rng.standard_normal((samples, n)), rng.standard_normal(n)
    y = X @ w  # w is the minimum of 1/2 mean((X w - y)^2), whose Hessian is X'X / samples
    q = int(rng.integers(n))
    saliency, w_new = obs_prune(X.T @ X / samples, w, q)
    rest = np.delete(np.arange(n), q)
    fitted = np.linalg.lstsq(X[:, rest], y, rcond=None)[0]
    # condition numbers below 10 here
    np.testing.assert_allclose(w_new[rest], fitted, rtol=0, atol=1e-10)
    assert saliency == pytest.approx(0.5 * np.mean((X @ w_new - y) ** 2), rel=1e-10)
