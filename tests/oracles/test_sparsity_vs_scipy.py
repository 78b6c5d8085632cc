"""SciPy's CSR and torch's own 2:4 compression judge ours."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, random_array

from utils.compression.sparsity import CSR, compress_24, nm_mask


def random_csr(rng, dtype=np.float64):
    shape = tuple(int(n) for n in rng.integers(1, 40, 2))
    return random_array(shape, density=float(rng.random()), format="csr", dtype=dtype, rng=rng)


@pytest.mark.parametrize("seed", range(40))
def test_csr_arrays_are_scipys(seed):
    rng = np.random.default_rng(seed)
    theirs = random_csr(rng, rng.choice([np.float32, np.float64]))
    theirs.sort_indices()
    ours = CSR.from_dense(theirs.toarray())
    for name in ("indptr", "indices", "data"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    assert ours.data.dtype == theirs.data.dtype
    assert ours.nbytes == theirs.data.nbytes + 4 * (len(theirs.indices) + len(theirs.indptr))


@pytest.mark.parametrize("seed", range(40))
def test_products_are_scipys(seed):
    rng = np.random.default_rng(100 + seed)
    theirs = random_csr(rng)
    ours = CSR.from_dense(theirs.toarray())
    v, B = rng.standard_normal(theirs.shape[1]), rng.standard_normal((theirs.shape[1], 5))
    # sums of at most 40 products of order 1 in double
    np.testing.assert_allclose(ours.matvec(v), theirs @ v, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ours.matmul(B), theirs @ B, rtol=1e-12, atol=1e-13)


def test_scipy_reads_our_arrays():
    x = np.diag([1.0, 0, 2, 0])
    c = CSR.from_dense(x)
    assert np.array_equal(csr_matrix((c.data, c.indices, c.indptr), c.shape).toarray(), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_values_and_bytes_are_those_of_torchs_cutlass_format(dtype):
    # the pure-torch conversion that PyTorch keeps beside its CUDA kernels; its metadata are the same four bits a
    # group in an order that suits the tensor cores, so the values and the bytes are compared, and its round trip
    from torch.sparse._semi_structured_conversions import (
        sparse_semi_structured_from_dense_cutlass,
        sparse_semi_structured_to_dense_cutlass,
    )

    W = torch.from_numpy(np.random.default_rng(7).standard_normal((64, 128))).to(dtype).float().numpy()
    masked = torch.from_numpy(np.where(nm_mask(W), W, 0)).to(dtype)
    values, meta = sparse_semi_structured_from_dense_cutlass(masked)
    ours = compress_24(W)
    assert np.array_equal(values.float().numpy(), ours.values)
    assert torch.equal(sparse_semi_structured_to_dense_cutlass(values, meta), masked)
    stored = compress_24(W.astype(np.float16)).nbytes  # NumPy has no bfloat16; it is as wide
    assert stored == values.nbytes + meta.nbytes == masked.nbytes * 9 // 16
