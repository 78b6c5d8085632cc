"""The array against NumPy's product, a slow model cell by cell, and counts of busy cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.systolic import SystolicArray, systolic_matmul, wavefront_state, ws_cycles

small = st.integers(1, 7)


@given(small, small, small, st.integers(0, 2**32 - 1))
def test_product_and_cycles(m, k, n, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.integers(-9, 10, (m, k)), rng.integers(-9, 10, (k, n))
    y, cycles = systolic_matmul(x, w)
    assert (y == x @ w).all() and y.dtype.kind == "i" and cycles == m + k + n - 2 == ws_cycles(m, k, n, k, n, include_load=False)


def test_floats_and_narrow_integers():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 3)), rng.normal(size=(3, 4))
    y, cycles = systolic_matmul(x, w)
    np.testing.assert_allclose(y, x @ w, rtol=1e-12, atol=1e-15)
    assert cycles == 10
    y, _ = systolic_matmul(np.full((2, 300), 127, np.int8), np.full((300, 1), 127, np.int8))
    assert y.tolist() == [[300 * 127 * 127]] * 2


@given(small, small, small, st.integers(0, 3), st.integers(0, 3))
def test_a_larger_array_pads_with_zeros_and_takes_longer(m, k, n, more_rows, more_cols):
    rng = np.random.default_rng(m)
    x, w = rng.integers(-9, 10, (m, k)), rng.integers(-9, 10, (k, n))
    y, cycles = SystolicArray(k + more_rows, n + more_cols).run(x, w)
    assert (y == x @ w).all() and cycles == ws_cycles(m, k, n, k + more_rows, n + more_cols, include_load=False)


def cell_by_cell(x, w):
    """Messages between cells in dicts: (cell, cycle) -> value; no arrays are shifted."""
    (m, k), n = x.shape, w.shape[1]
    right, down, out, last = {}, {}, np.zeros((m, n)), 0
    for cycle in range(m + k + n):
        for a in range(k):
            for b in range(n):
                act = (x[cycle - a, a] if 0 <= cycle - a < m else None) if b == 0 else right.get((a, b - 1, cycle - 1))
                total = 0.0 if a == 0 else down.get((a - 1, b, cycle - 1), 0.0)
                right[a, b, cycle] = act
                down[a, b, cycle] = total + (w[a, b] * act if act is not None else 0.0)
                if act is not None and a == k - 1:
                    out[cycle - a - b, b], last = down[a, b, cycle], cycle + 1
    return out, last


def test_against_messages_between_cells():
    rng = np.random.default_rng(3)
    for _ in range(20):
        m, k, n = (int(v) for v in rng.integers(1, 6, 3))
        x, w = rng.normal(size=(m, k)), rng.normal(size=(k, n))
        out, last = cell_by_cell(x, w)
        y, cycles = systolic_matmul(x, w)
        np.testing.assert_allclose(y, out, rtol=1e-12, atol=1e-15)
        assert cycles == last


def test_the_wavefront_is_what_the_registers_hold():
    m, k, n = 5, 3, 4
    x = np.arange(1, m * k + 1).reshape(m, k).astype(float)  # all different
    array = SystolicArray(k, n)
    array.load(np.ones((k, n)))
    busy = 0
    for cycle in range(m + k + n - 2):
        array.step(np.array([x[cycle - a, a] if 0 <= cycle - a < m else 0.0 for a in range(k)]))
        state = wavefront_state(m, k, n, cycle)
        for (a, b), row in np.ndenumerate(state):
            assert array.activations[a, b] == (x[row, a] if row >= 0 else 0.0)
        busy += int((state >= 0).sum())
    assert busy == m * k * n and (wavefront_state(m, k, n, m + k + n - 2) == -1).all()


def test_bad_shapes():
    with pytest.raises(ValueError, match="fits the array"):
        SystolicArray(2, 2).run(np.ones((1, 3)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="x and w"):
        SystolicArray(4, 4).run(np.ones((1, 2)), np.ones((3, 1)))
    for bad in ((0, 1), (1, -1)):
        with pytest.raises(ValueError, match="positive"):
            SystolicArray(*bad)
