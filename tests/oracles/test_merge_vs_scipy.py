"""One-pass and merged normalisers against scipy's log-sum-exp."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from utils.attention.merge import merge_partials, online_softmax


@pytest.mark.parametrize("block", [1, 3, 64, 1000])
@pytest.mark.parametrize("scale", [1, 1e4])
def test_online_softmax(block, scale):
    x = scale * np.random.default_rng(block).standard_normal(100)
    m, l = online_softmax(x, block)
    # absolute: l lies in [1, 100] and carries at most a few hundred roundings
    assert m + np.log(l) == pytest.approx(logsumexp(x), rel=1e-15, abs=1e-12)


def test_merge_partials():
    rng = np.random.default_rng(0)
    s, v = 5 * rng.standard_normal((6, 4, 3)), rng.standard_normal((6, 3, 2))   # 6 parts of 4 rows and 3 keys
    outs, lses = softmax(s, axis=-1) @ v, logsumexp(s, axis=-1)
    o, lse = merge_partials(outs, lses)
    rows = s.transpose(1, 0, 2).reshape(4, 18)
    np.testing.assert_allclose(o, softmax(rows, axis=-1) @ v.reshape(18, 2), atol=1e-13)
    np.testing.assert_allclose(lse, logsumexp(rows, axis=-1), atol=1e-13)
