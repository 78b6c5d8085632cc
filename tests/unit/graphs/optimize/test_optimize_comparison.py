"""compare_arrays: properties on drawn arrays, and the rules for NaN, infinities, empty arrays and dtypes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils.graphs.optimize import compare_arrays, compare_outputs

VALUES = st.sampled_from([0.0, -0.0, 1.0, 1.0005, -2.0, 100.0, 100.2, 1e-6, 1e300, -1e300, np.inf, -np.inf, np.nan])
PAIRS = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float64, shape, elements=VALUES)] * 2))


@given(PAIRS)
@settings(max_examples=200, deadline=None)
def test_ok_is_what_numpys_assert_allclose_says(pair):
    ref, got = pair
    try:
        # NumPy's tolerance is on the side of its second argument
        np.testing.assert_allclose(got, ref, rtol=1e-3, atol=1e-5, equal_nan=True)
        agree = True
    except AssertionError:
        agree = False
    assert compare_arrays(ref, got, 1e-3, 1e-5).ok is agree


@given(PAIRS)
@settings(max_examples=100, deadline=None)
def test_against_a_loop_over_elements(pair):
    ref, got = pair
    largest, relative, worst, far = 0.0, 0.0, None, -1.0
    for index in np.ndindex(ref.shape):
        r, g = float(ref[index]), float(got[index])
        if np.isfinite(r) and np.isfinite(g):
            distance = abs(g - r)
            largest = max(largest, distance)
            relative = max(relative, distance / abs(r)) if r else relative
        else:
            distance = 0.0 if r == g or (r != r and g != g) else np.inf
        if distance > far:
            worst, far = index, distance
    found = compare_arrays(ref, got)
    assert (found.max_abs, found.max_rel, found.worst) == (largest, relative, worst)
    assert found.finite is bool(np.isfinite(got).all())
    assert compare_outputs(ref, got, 1e-3, 1e-5) == {
        "ok": found.ok, "max_abs": largest, "max_rel": relative, "worst": worst}


def test_the_example():
    found = compare_arrays(np.array([1.0, 100.0, 0.0]), np.array([1.0005, 100.2, 1e-6]), 1e-3, 1e-5)
    assert not found.ok and found.worst == (1,)
    assert compare_arrays(np.array([1.0, 100.0, 0.0]), np.array([1.0005, 100.1, 1e-6]), 1e-3, 1e-5).ok


def test_a_finite_value_is_never_near_an_infinity():
    assert not compare_arrays(np.array([np.inf]), np.array([1.0])).ok
    assert not compare_arrays(np.array([np.inf]), np.array([-np.inf])).ok
    assert compare_arrays(np.array([np.inf, np.nan]), np.array([np.inf, np.nan]), 0, 0).ok


def test_float16_is_compared_without_overflow():
    found = compare_arrays(np.float16([60000]), np.float16([-60000]))
    assert found.max_abs == 2 * float(np.float16(60000))


def test_unsigned_numbers_do_not_wrap():
    assert compare_arrays(np.uint8([0]), np.uint8([255])).max_abs == 255


def test_cosine_and_top1_by_sample():
    rng = np.random.default_rng(0)
    ref, got = rng.normal(size=(6, 5)), rng.normal(size=(6, 5))
    cosines = [r @ g / np.sqrt((r @ r) * (g @ g)) for r, g in zip(ref, got)]
    found = compare_arrays(ref, got)
    assert found.min_cosine == pytest.approx(min(cosines), abs=1e-12)
    assert found.top1 == np.mean([list(r).index(max(r)) == list(g).index(max(g)) for r, g in zip(ref, got)])
    # the same numbers as a feature map: a sample is axis 0
    assert compare_arrays(ref.reshape(6, 5, 1), got.reshape(6, 5, 1)).min_cosine == found.min_cosine


@pytest.mark.parametrize(("ref", "got", "cosine"), [
    ([[0.0, 0.0]], [[0.0, 0.0]], 1.0), ([[0.0, 0.0]], [[0.0, 1.0]], 0.0), ([[1e200, 1e200]], [[1e200, 1e200]], 1.0),
    ([[1.0, np.nan]], [[2.0, 5.0]], 1.0), ([1.0, 0.0], [-1.0, 0.0], -1.0)])
def test_cosine_of_special_samples(ref, got, cosine):
    assert compare_arrays(np.array(ref), np.array(got)).min_cosine == pytest.approx(cosine, abs=1e-12)


def test_equal_scores_count_the_first():
    assert compare_arrays(np.array([[1.0, 1.0]]), np.array([[1.0, 0.0]])).top1 == 1.0
    assert compare_arrays(np.array([[1.0, 1.0]]), np.array([[0.0, 1.0]])).top1 == 0.0


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
def test_empty_arrays_agree(shape):
    found = compare_arrays(np.zeros(shape), np.zeros(shape))
    assert found.as_dict() == {"ok": True, "max_abs": 0.0, "max_rel": 0.0, "min_cosine": 1.0, "top1": 1.0,
                               "worst": None, "finite": True}


def test_a_number_is_an_array_without_axes():
    assert compare_arrays(np.float32(1), np.float32(2)).worst == ()


@pytest.mark.parametrize(("ref", "got", "word"), [
    (np.zeros(3), np.zeros(1), "shape"), (np.zeros((2, 3)), np.zeros((3, 2)), "shape"),
    (np.zeros(2), np.zeros(2, np.int64), "dtype"), (np.zeros(2, np.uint8), np.zeros(2, np.int8), "dtype"),
    (np.zeros(2, complex), np.zeros(2, complex), "dtype"), (np.array(["a"]), np.array(["a"]), "dtype")])
def test_unlike_arrays_are_refused(ref, got, word):
    with pytest.raises(ValueError, match=word):
        compare_arrays(ref, got)


@pytest.mark.parametrize("tolerance", [-1e-9, np.nan, np.inf])
def test_tolerances_must_be_tolerances(tolerance):
    with pytest.raises(ValueError, match="rtol"):
        compare_arrays(np.zeros(1), np.zeros(1), rtol=tolerance)
    with pytest.raises(ValueError, match="atol"):
        compare_arrays(np.zeros(1), np.zeros(1), atol=tolerance)


def test_bfloat16_is_a_float():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    assert compare_arrays(np.ones(3, np.float32), np.ones(3, bfloat16)).ok
