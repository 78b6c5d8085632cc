"""2:4: the best pattern of each group, the metadata, and the product that gathers."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils.compression.sparsity import (
    compress_24,
    decompress_24,
    group_compliance,
    kept_columns,
    kept_energy,
    matmul_24,
    nm_mask,
    packed_meta,
    permute_for_24,
)

# few distinct values: ties and zeros are common
shapes = st.tuples(st.integers(0, 4), st.integers(0, 3)).map(lambda s: (s[0], 4 * s[1]))
weights = shapes.flatmap(lambda s: hnp.arrays(np.float64, s, elements=st.sampled_from([0.0, 1.0, -1.0, 2.0, -0.5])))


def brute_force(group):
    """The first of the six patterns, in the order of their positions, that keeps the most."""
    return max(combinations(range(4), 2), key=lambda pair: sum(abs(group[i]) for i in pair))


@given(weights)
def test_mask_is_the_best_of_six_patterns(W):
    mask = nm_mask(W)
    assert mask.shape == W.shape and mask.dtype == bool
    for row, kept in zip(W, mask):
        for start in range(0, W.shape[1], 4):
            # combinations come in lexical order and max takes the first: lower indices win ties
            assert tuple(np.flatnonzero(kept[start:start + 4])) == brute_force(row[start:start + 4])


def test_other_groups_and_axes():
    W = np.random.default_rng(0).standard_normal((8, 6, 5))
    assert np.all(nm_mask(W, 1, 2, axis=1).reshape(8, 3, 2, 5).sum(axis=2) == 1)
    assert np.array_equal(nm_mask(W, 2, 4, axis=0), np.moveaxis(nm_mask(np.moveaxis(W, 0, 2), axis=2), 2, 0))
    assert nm_mask(W, 3, 3, axis=1).all()


def test_the_smallest_integer_has_a_size():
    assert nm_mask(np.array([[-128, 127, 1, 2]], np.int8)).tolist() == [[True, True, False, False]]


@given(weights)
def test_compress_keeps_the_masked_matrix(W):
    c = compress_24(W)
    assert c.values.shape == (W.shape[0], W.shape[1] // 2) and c.meta.shape == (W.shape[0], W.shape[1] // 4)
    assert c.meta.dtype == np.uint8 and np.array_equal(decompress_24(*c), np.where(nm_mask(W), W, 0))
    assert np.all((c.meta & 3) < (c.meta >> 2)) and np.all(c.meta < 16)


@given(weights, st.integers(0, 3))
def test_product_gathers(W, n):
    X = np.random.default_rng(1).integers(-4, 5, (W.shape[1], n)).astype(float)  # exact in any order
    assert np.array_equal(matmul_24(*compress_24(W), X), np.where(nm_mask(W), W, 0) @ X)


def test_the_example_of_the_text():
    values, meta = compress_24(np.array([[0.1, -3, 2, 0.5, 1, 1, 1, 1]]))
    assert values.tolist() == [[-3, 2, 1, 1]] and meta.tolist() == [[9, 4]]
    assert kept_columns(meta).tolist() == [[1, 2, 4, 5]]


def test_a_mask_of_ones_own():
    W = np.arange(1.0, 9).reshape(1, 8)
    mask = np.array([[1, 0, 0, 1, 0, 1, 1, 0]], bool)
    assert decompress_24(*compress_24(W, mask)).tolist() == [[1, 0, 0, 4, 0, 6, 7, 0]]
    for bad in (np.ones((1, 8), bool), np.zeros((1, 8), bool), np.ones((1, 4), bool)):
        with pytest.raises(ValueError, match="two of each four"):
            compress_24(W, bad)


def test_strides_do_not_matter():
    W = np.random.default_rng(2).standard_normal((8, 16))
    for view in (W.T, W[::-1, ::2], np.asfortranarray(W)):
        assert np.array_equal(compress_24(view).values, compress_24(view.copy()).values)


def test_what_is_refused():
    with pytest.raises(ValueError, match="divisible"):
        compress_24(np.ones((2, 6)))
    with pytest.raises(ValueError, match="divisible"):
        permute_for_24(np.ones((2, 6)), 1, 0)
    with pytest.raises(ValueError, match="2-D"):
        compress_24(np.ones(4))
    with pytest.raises(ValueError, match="X must have 4 rows"):
        matmul_24(*compress_24(np.ones((2, 4))), np.ones((3, 1)))
    with pytest.raises(ValueError, match="not zero"):
        kept_energy(np.zeros((2, 4)), np.ones((2, 4), bool))


@given(st.integers(0, 5), st.integers(0, 9))
def test_packed_metadata_holds_two_groups_a_byte(rows, groups):
    meta = np.random.default_rng(3).integers(0, 16, (rows, groups)).astype(np.uint8)
    packed = packed_meta(meta)
    assert packed.shape == (rows, (groups + 1) // 2)
    unpacked = np.stack((packed & 15, packed >> 4), axis=-1).reshape(rows, 2 * packed.shape[1])[:, :groups]
    assert np.array_equal(unpacked, meta)


def test_bytes_are_nine_and_ten_sixteenths():
    W = np.random.default_rng(4).standard_normal((32, 64))
    assert compress_24(W.astype(np.float16)).nbytes == 32 * 64 * 2 * 9 // 16
    assert compress_24((20 * W).astype(np.int8)).nbytes == 32 * 64 * 10 // 16


def test_energy_of_gaussian_weights():
    # 2:4 keeps 0.868 of the energy, the best half anywhere 0.929: order statistics of a squared Gaussian, +-0.005
    # covers the 512 x 512 sample (65,536 groups; the standard error of the share is below 0.001)
    W = np.random.default_rng(5).standard_normal((512, 512))
    free = np.abs(W) > np.median(np.abs(W))
    assert kept_energy(W, nm_mask(W)) == pytest.approx(0.868, abs=0.005)
    assert kept_energy(W, free) == pytest.approx(0.929, abs=0.005)


@pytest.mark.parametrize("sparsity", [0, 0.3, 0.5, 0.7, 0.9, 1])
def test_compliance_is_a_frequency(sparsity):
    zero = np.random.default_rng(6).random((200_000, 4)) < sparsity
    # 200,000 groups: three standard errors are at most 0.0034
    assert group_compliance(sparsity) == pytest.approx(np.mean(zero.sum(axis=1) >= 2), abs=0.0034)
    assert group_compliance(sparsity, 4, 4) == pytest.approx(1)


def test_compliance_of_the_text():
    assert [round(group_compliance(s), 4) for s in (0.5, 0.7, 0.8, 0.9)] == [0.6875, 0.9163, 0.9728, 0.9963]
    with pytest.raises(ValueError, match="sparsity must be in"):
        group_compliance(1.1)


@given(st.integers(0, 20))
def test_permutation_preserves_the_function_and_never_loses(seed):
    rng = np.random.default_rng(seed)
    W, x = rng.standard_normal((6, 16)), rng.standard_normal(16)
    order = permute_for_24(W, 60, seed)
    assert sorted(order) == list(range(16))
    np.testing.assert_allclose(W[:, order] @ x[order], W @ x, rtol=1e-12, atol=1e-12)

    def kept(M):
        return np.abs(M)[nm_mask(M)].sum()

    assert kept(W[:, order]) >= kept(W) - 1e-12
    assert np.array_equal(permute_for_24(W, 0, seed), np.arange(16))


def test_permutation_finds_the_obvious():
    W = np.zeros((1, 8))
    W[0, :4] = 1  # four in the first group, none in the second: two would be lost
    order = permute_for_24(W, 200, 0)
    assert np.abs(W[:, order])[nm_mask(W[:, order])].sum() == 4
