"""A model of a fixed batch must give what the rows give one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.serving.batching import FixedBatchRunner, run_fixed_batch


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 25), st.integers(1, 7), st.sampled_from([(), (3,), (2, 3)]), st.sampled_from(["f4", "f2", "i8", "u1"]))
def test_rows_come_back_in_order(n, batch, trailing, dtype):
    x = (np.arange(n * int(np.prod(trailing))) % 97).reshape(n, *trailing).astype(dtype)
    before, seen = x.copy(), []

    def run(z):
        assert len(z) == batch and z.dtype == x.dtype and z.shape[1:] == trailing
        seen.append(z)
        return (z.reshape(batch, -1).sum(1, keepdims=True) * np.ones(2)).astype("f4")  # another shape, another dtype

    runner = FixedBatchRunner(run, batch)
    got = runner.run(x)
    wanted = np.array([[row.sum()] * 2 for row in x], "f4").reshape(n, 2)
    assert got.shape == (n, 2) and got.dtype == np.float32 and np.array_equal(got, wanted)
    assert np.array_equal(x, before)
    assert runner.calls == len(seen) == max(1, -(-n // batch)) and runner.padded_rows == runner.calls * batch - n
    assert not any(z[len(x) - k * batch :].any() for k, z in enumerate(seen) if len(x) - k * batch < batch)  # zeros below


def test_a_batch_below_one_is_refused():
    with pytest.raises(ValueError, match="batch"):
        run_fixed_batch(lambda z: z, np.zeros((2, 1)), 0)
    with pytest.raises(ValueError, match="batch"):
        FixedBatchRunner(lambda z: z, -1)
