"""Filters against scipy and ONNX Runtime, the median against all 512 inputs, and rank against NumPy."""

from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from utils.graphs.onnx_tools import make_session
from utils.hardware.classical import (
    KERNELS,
    MEDIAN9_NETWORK,
    correlate_wrap,
    impulse_kernel,
    is_linear_shift_invariant,
    is_lsi,
    kernel_from_impulse,
    macs_per_pixel,
    median9,
    separable_cost,
    separable_terms,
)
from utils.hardware.classical.onnx_filters import filters_to_onnx, median_to_onnx


def scipy_filter(kernel):
    return lambda img: ndimage.correlate(img, kernel, mode="wrap")


def test_kernels_come_back():
    rng = np.random.default_rng(0)
    for kernel in (*KERNELS.values(), rng.normal(size=(3, 3)), rng.normal(size=(5, 5)), rng.normal(size=(3, 5)), np.eye(3)[::-1]):
        side = max(kernel.shape)
        padded = np.zeros((side, side))
        top, left = (side - kernel.shape[0]) // 2, (side - kernel.shape[1]) // 2
        padded[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
        np.testing.assert_allclose(kernel_from_impulse(scipy_filter(kernel), side), padded, atol=1e-12)
        img = rng.normal(size=(9, 12))
        np.testing.assert_allclose(correlate_wrap(img, kernel), scipy_filter(kernel)(img), atol=1e-12)
    assert impulse_kernel(lambda img: img, 0).tolist() == [[1.0]]


def test_gaussian_of_scipy():
    kernel = impulse_kernel(lambda img: ndimage.gaussian_filter(img, 0.8, mode="wrap", truncate=2.5), 2)
    img = np.random.default_rng(1).normal(size=(16, 16))
    np.testing.assert_allclose(correlate_wrap(img, kernel), ndimage.gaussian_filter(img, 0.8, mode="wrap", truncate=2.5), atol=1e-12)


@pytest.mark.parametrize("fn, superposition, shift", [
    (scipy_filter(KERNELS["Sobel x"]), True, True), (lambda x: 0 * x, True, True), (lambda x: np.roll(x, 2, 1), True, True),
    (median9, False, True), (np.abs, False, True), (lambda x: x + 1, False, True), (lambda x: x * np.arange(x.shape[1]), True, False),
    (lambda x: x[:, ::-1], True, False), (lambda x: (x > 0) * np.arange(x.shape[1]), False, False), (lambda x: ndimage.correlate(x, KERNELS["Sobel x"], mode="constant"), True, False)])
def test_linear_shift_invariance(fn, superposition, shift):
    report = is_linear_shift_invariant(fn)
    assert (report.superposition, report.shift) == (superposition, shift) and report.ok == (superposition and shift) == is_lsi(fn, np.random.default_rng(0))


def test_rank_and_cost():
    assert [separable_cost(KERNELS[n]) for n in ("Sobel x", "Laplacian", "box 3 × 3", "Gauss 5 × 5")] == [(1, 6), (2, 9), (1, 6), (1, 10)]
    rng = np.random.default_rng(2)
    for rank, h, w in ((1, 7, 7), (2, 7, 7), (3, 7, 7), (2, 3, 9), (3, 3, 3)):
        kernel = rng.normal(size=(h, rank)) @ rng.normal(size=(rank, w))
        assert separable_cost(kernel) == (np.linalg.matrix_rank(kernel), min(h * w, rank * (h + w)))
        np.testing.assert_allclose(sum(np.outer(c, r) for c, r in separable_terms(kernel)), kernel, atol=1e-12)
    assert separable_cost(np.zeros((3, 3))) == (0, 0) and macs_per_pixel(np.ones((3, 5)), True) == 8
    assert separable_cost(1e-12 * KERNELS["Laplacian"]) == (2, 9)


def test_the_median_network_by_the_zero_one_principle():
    for bits in product((0, 1), repeat=9):
        wires = list(bits)
        for i, j in MEDIAN9_NETWORK:
            wires[i], wires[j] = min(wires[i], wires[j]), max(wires[i], wires[j])
        assert wires[4] == sorted(bits)[4]
    assert len(MEDIAN9_NETWORK) == 19


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_the_median_of_images(dtype):
    rng = np.random.default_rng(3)
    for img in (rng.integers(0, 5, (7, 9)).astype(dtype), rng.integers(0, 255, (3, 3)).astype(dtype), np.full((4, 5), 7, dtype)):
        got = median9(img)
        assert got.dtype == dtype and (got == ndimage.median_filter(img, 3, mode="wrap")).all()


def test_graphs_in_onnx_runtime():
    rng = np.random.default_rng(4)
    img = rng.normal(size=(11, 13)).astype(np.float32)
    out = make_session(filters_to_onnx(KERNELS)).run(None, {"image": img[None, None]})[0][0]
    for got, kernel in zip(out, KERNELS.values(), strict=True):
        np.testing.assert_allclose(got, ndimage.correlate(img, kernel, mode="constant"), atol=1e-5)
    model = median_to_onnx(11, 13)
    assert {n.op_type for n in model.graph.node} == {"Pad", "Slice", "Min", "Max", "Identity"}
    got = make_session(model).run(None, {"image": img[None, None]})[0][0, 0]
    assert (got == ndimage.median_filter(img, 3, mode="constant")).all()


def test_bad_input():
    with pytest.raises(ValueError, match="2-D"):
        median9(np.zeros(9))
    with pytest.raises(ValueError, match="2-D"):
        correlate_wrap(np.zeros(9), np.ones((3, 3)))
    with pytest.raises(ValueError, match="odd kernel"):
        correlate_wrap(np.zeros((4, 4)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="odd"):
        kernel_from_impulse(abs, 4)
    with pytest.raises(ValueError, match="radius"):
        impulse_kernel(abs, -1)
    with pytest.raises(ValueError, match="odd kernel"):
        filters_to_onnx({})
