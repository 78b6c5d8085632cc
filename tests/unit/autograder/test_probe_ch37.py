"""Chapter 37's probe: it sees what is packed and what goes over both vectors, and leaves NumPy as it was."""

import numpy as np
import pytest

from autograder.probes.ch37_front_back_compression import Traced, packed


def by_attribute(a, b):
    return len(a) - 2 * int(np.bitwise_count(np.packbits(a == 1) ^ np.packbits(b == 1)).sum())


def test_packing_is_counted_and_the_value_is_right():
    rng = np.random.default_rng(3)
    a, b = (np.where(rng.random(100) < 0.5, 1, -1) for _ in range(2))
    assert packed(by_attribute, 100, seed=3) == {"value": int(a @ b), "bits_packed": 200, "long_pairs": 0}


def test_a_name_of_its_own_is_seen_too():
    cell = {}
    exec("from numpy import packbits as p\ndef answer(a, b):\n    p(a > 0)\n    return p(b > 0)[0]", cell)
    before = cell["p"]
    assert packed(cell["answer"], 24)["bits_packed"] == 48
    assert cell["p"] is before is np.packbits


def test_numpy_is_put_back_when_the_answer_fails():
    before = np.packbits

    def broken(a, b):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        packed(broken, 16)
    assert np.packbits is before and Traced.watch is None


@pytest.mark.parametrize("answer, pairs", [
    (lambda a, b: int((a == b).sum()), 1),
    (lambda a, b: int(np.multiply(a, b).sum()), 1),
    (lambda a, b: int(np.sum((a > 0) & (b > 0))), 1),
    (lambda a, b: int(np.add(a, b, out=np.zeros(40, a.dtype)).sum()), 1),
    (lambda a, b: int(np.all((a == 1) | (a == -1)) and np.all((b == 1) | (b == -1))), 0),  # each by itself
    (lambda a, b: int((a[:3] == b[:3]).sum()), 0),                                         # not the whole vectors
    (by_attribute, 0),
])
def test_what_goes_over_both_vectors(answer, pairs):
    assert packed(answer, 40)["long_pairs"] == pairs
