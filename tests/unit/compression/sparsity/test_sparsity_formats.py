"""CSR keeps what it is given, and every format weighs what its arrays weigh."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils.compression.sparsity import (
    CSR,
    FORMATS,
    break_even_density,
    csr_from_dense,
    csr_matvec,
    density,
    format_break_even,
    format_bytes,
    sparsity_payoff,
)

# half of the entries are zero, and rows without values are common
matrices = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6),
                      elements=st.sampled_from([0.0, 0.0, 0.0, -0.0, 1.0, -2.0, 0.5]))
filled = matrices.filter(lambda x: x.size)


def test_the_example_of_the_text():
    indptr, indices, data = csr_from_dense(np.array([[0, 5, 0], [0, 0, 0], [7, 0, 8]]))
    assert (indptr.tolist(), indices.tolist(), data.tolist()) == ([0, 1, 1, 3], [1, 0, 2], [5, 7, 8])
    assert csr_matvec(indptr, indices, data, np.array([1, 2, 3]), 3).tolist() == [10, 0, 31]


@given(matrices)
def test_round_trip(x):
    c = CSR.from_dense(x)
    assert np.array_equal(c.to_dense(), x) and c.to_dense().dtype == x.dtype
    assert c.indptr[0] == 0 and c.indptr[-1] == c.nnz == np.count_nonzero(x) and np.all(np.diff(c.indptr) >= 0)
    assert c.indices.dtype == c.indptr.dtype == np.int32 and np.array_equal(c.rows, np.nonzero(x)[0])


@given(matrices, st.integers(0, 3))
def test_products(x, n):
    c, rng = CSR.from_dense(x), np.random.default_rng(0)
    # small whole numbers: sums are exact in any order
    v, B = rng.integers(-4, 5, x.shape[1]), rng.integers(-4, 5, (x.shape[1], n))
    assert np.array_equal(c.matvec(v), x @ v) and np.array_equal(c.matmul(B), x @ B)


def test_dtypes_and_strides_do_not_matter():
    x = np.array([[0, 3, 0, 1], [2, 0, 0, 0]], np.int8)
    assert CSR.from_dense(x).data.dtype == np.int8
    for view in (x.T, x[:, ::2], np.asfortranarray(x)):
        assert np.array_equal(CSR.from_dense(view).to_dense(), view)
    assert CSR.from_dense(x, index_dtype=np.int64).indices.dtype == np.int64


@pytest.mark.parametrize("x", [np.ones(3), np.ones((1, 1, 1)), np.float64(1)])
def test_only_matrices(x):
    with pytest.raises(ValueError, match="2-D"):
        CSR.from_dense(x)


def test_an_index_type_too_narrow():
    with pytest.raises(ValueError, match="index_dtype must hold 299"):
        CSR.from_dense(np.eye(1, 300), index_dtype=np.int8)
    with pytest.raises(ValueError, match="index_dtype must hold 144"):
        CSR.from_dense(np.ones((12, 12)), index_dtype=np.int8)


def test_lengths_are_checked():
    c = CSR.from_dense(np.ones((2, 3)))
    for v in (np.ones(2), np.ones(4), np.ones((3, 1))):
        with pytest.raises(ValueError, match="x must have 3 entries"):
            c.matvec(v)
    for B in (np.ones((2, 3)), np.ones(3)):
        with pytest.raises(ValueError, match="B must have 3 rows"):
            c.matmul(B)


@given(filled, st.sampled_from([np.float16, np.float32, np.float64]))
def test_bytes_are_those_of_real_arrays(x, dtype):
    x = x.astype(dtype)
    c, width = CSR.from_dense(x), x.itemsize
    assert format_bytes(x.shape, c.nnz, fmt="csr", item_bytes=width) == c.nbytes
    assert format_bytes(x.shape, c.nnz, fmt="dense", item_bytes=width) == x.nbytes
    coo = c.rows.astype(np.int32).nbytes + c.indices.nbytes + c.data.nbytes
    assert format_bytes(x.shape, c.nnz, fmt="coo", item_bytes=width) == coo
    bitmap = np.packbits(x != 0).nbytes + c.data.nbytes
    assert format_bytes(x.shape, c.nnz, fmt="bitmap", item_bytes=width) == bitmap


def test_half_of_a_byte_and_other_groups():
    assert format_bytes((1, 8), 3, fmt="dense", item_bytes=0.5) == 4
    assert format_bytes((1, 8), 3, fmt="bitmap", item_bytes=0.5) == 2 + 1
    assert format_bytes((4, 16), 0, fmt="nm", item_bytes=2) == 32 * 2 + 32 * 2 // 8
    assert format_bytes((4, 16), 0, fmt="nm", item_bytes=2, n=1, m=8) == 8 * 2 + 8 * 3 // 8


def test_what_is_refused():
    with pytest.raises(ValueError, match="nnz must be at most rows"):
        format_bytes((2, 4), 9, fmt="dense", item_bytes=2)
    with pytest.raises(ValueError, match="at most 2 in 4"):
        format_bytes((2, 4), 5, fmt="nm", item_bytes=2)
    with pytest.raises(ValueError, match="divisible by m = 4"):
        format_bytes((2, 6), 1, fmt="nm", item_bytes=2)
    with pytest.raises(ValueError, match="n must be between"):
        format_bytes((2, 8), 1, fmt="nm", item_bytes=2, n=5)
    with pytest.raises(ValueError, match="fmt must be one of dense, coo"):
        format_bytes((2, 4), 1, fmt="ell", item_bytes=2)
    with pytest.raises(ValueError, match="fmt must be one of"):
        format_break_even("ell", (2, 4), 2)
    with pytest.raises(ValueError, match="density must be in"):
        sparsity_payoff((2, 4), 1.5, "csr", 2)
    with pytest.raises(ValueError, match="x must have entries"):
        density(np.zeros((0, 3)))


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 2, 4, 8]), st.sampled_from([2, 4, 8]))
def test_break_even_is_where_the_bytes_cross(rows, cols, width, index):
    dense = rows * cols * width
    for fmt in ("coo", "csr", "bitmap"):
        edge = format_break_even(fmt, (rows, cols), width, index)

        def weighs(nnz, fmt=fmt):
            return format_bytes((rows, cols), nnz, fmt=fmt, item_bytes=width, index_bytes=index)

        at = int(edge * rows * cols + 1e-9)  # the last whole count that is not larger than dense
        assert 0 <= edge < 1
        assert weighs(at + 1) > dense or (fmt == "bitmap" and at + 1 > rows * cols)
        # a bitmap is rounded up to a whole byte, which the real number does not know
        assert weighs(at) <= dense + (fmt == "bitmap") or (edge == 0 and weighs(0) > dense)


@pytest.mark.parametrize(("args", "expected"), [
    # 1024 x 1024 with int32 indices: (b - 4 * 1025 / 1024^2) / (b + 4), worked out by hand
    ((1024, 1024, 4, 4), 0.49951), ((1024, 1024, 2, 4), 0.33268), ((1024, 1024, 1, 4), 0.19922),
    ((1, 1, 1, 4), 0), ((2, 3, 2, 4), 0)])
def test_break_even_of_csr(args, expected):
    assert break_even_density(*args) == pytest.approx(expected, abs=5e-6)


def test_published_ratios():
    # pytorch/pytorch, torch/sparse/semi_structured.py: compression factors 9 (FP16, BF16) and 10 (INT8) sixteenths
    assert sparsity_payoff((1024, 1024), 0.5, "nm", 2)["ratio"] == 9 / 16
    assert sparsity_payoff((1024, 1024), 0.5, "nm", 1)["ratio"] == 10 / 16
    half = sparsity_payoff((1024, 1024), 0.5, "csr", 2)
    assert half["ratio"] == pytest.approx(1.50, abs=0.005) and not half["pays"]
    assert format_break_even("bitmap", (1024, 1024), 2) == 1 - 1 / 16
    assert sparsity_payoff((1024, 1024), 0.93, "bitmap", 2)["pays"]


def test_density_counts_what_is_not_zero():
    assert density(np.array([[0.0, -0.0], [np.nan, 1]])) == 0.5
    assert format_break_even("dense", (2, 2), 2) == 1 and format_break_even("nm", (2, 4), 2) == 0.5
    assert set(FORMATS) == {"dense", "coo", "csr", "bitmap", "nm"}
    assert format_break_even("nm", (2, 4), 0.25) == 0.5  # 2 bits a value: half of them and 2 bits each are as much
    assert format_break_even("nm", (2, 4), 0.125) == 0
