"""scikit-learn judges the mutual information between experts and classes."""

import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from utils.moe.digits_moe import mutual_information_bits


@pytest.mark.parametrize("seed", range(20))
def test_mutual_information_equals_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, rng.integers(1, 9), 200)
    b = (a + rng.integers(0, rng.integers(1, 9), 200)) % 10
    # scikit-learn counts in nats
    assert mutual_information_bits(a, b) == pytest.approx(mutual_info_score(a, b) / math.log(2), abs=1e-12)
