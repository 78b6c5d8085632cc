"""Top-k targets with a bucket for the rest: between 0 and the full divergence, and stable."""

import warnings

import numpy as np
import pytest

from utils.compression import distillation as kd


@pytest.mark.parametrize("seed", range(500))
def test_the_bucket_never_adds_divergence(seed):
    rng = np.random.default_rng(seed)
    vocab = int(rng.integers(2, 30))
    s, t = rng.normal(0, rng.uniform(0.2, 6), (2, vocab))
    full = kd.kl_soft(s[None], t[None], 1)
    values = [kd.topk_kd(s, *kd.topk_targets(t, k)) for k in range(1, vocab + 1)]
    # A rest below 1e-12 counts as 0; its term is below 1e-12 times the largest log ratio, about 40.
    assert min(values) >= -1e-10 and max(values) <= full + 1e-10
    assert values[-1] == pytest.approx(full, abs=1e-10)
    assert (np.diff(values) >= -1e-10).all()  # a finer partition says more


def test_the_golden_example():
    # teacher softmax([4, 2, 1, 0]): top 2 and the two others in one bucket, by hand with the log of each ratio
    idx, prob = kd.topk_targets([4, 2, 1, 0], 2)
    assert idx.tolist() == [0, 1] and prob == pytest.approx([0.83095, 0.11246], abs=5e-6)
    q = np.exp([3, 2, 0, 0]) / np.exp([3, 2, 0, 0]).sum()
    p = np.array([*prob, 1 - prob.sum()])
    by_hand = sum(p * np.log(p / np.array([q[0], q[1], q[2] + q[3]])))
    assert kd.topk_kd([3, 2, 0, 0], idx, prob) == pytest.approx(by_hand, abs=1e-12) == pytest.approx(0.064391, abs=1e-6)
    assert kd.kl_soft([[3, 2, 0, 0]], [[4, 2, 1, 0]], 1) == pytest.approx(0.070670, abs=1e-6)


def test_a_tiny_rest_of_the_student_is_not_rounded_away():
    # 1 - sum of the named probabilities is 0 in float64; the rest has two classes of exp(-50) each
    got = kd.topk_kd(np.array([50.0, 0, 0]), np.array([0]), np.array([0.5]))
    assert got == pytest.approx(0.5 * np.log(0.5) + 0.5 * (np.log(0.5) + 50 - np.log(2)), rel=1e-12)


def test_zero_masses_contribute_nothing_and_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kd.topk_kd(np.zeros(4), np.array([2, 0]), np.array([1.0, 0.0])) == pytest.approx(np.log(4))
        assert kd.topk_kd(np.zeros(2), np.array([1, 0]), np.array([0.25, 0.75])) == pytest.approx(
            np.log(2) + 0.25 * np.log(0.25) + 0.75 * np.log(0.75))


def test_a_batch_is_its_rows():
    rng = np.random.default_rng(0)
    s, t = rng.normal(size=(2, 2, 3, 7))
    idx, prob = kd.topk_targets(t, 3)
    batch = kd.topk_kl(s, idx, prob)
    assert batch.shape == (2, 3)
    assert batch[1, 2] == pytest.approx(kd.topk_kd(s[1, 2], idx[1, 2], prob[1, 2]), abs=0)


def test_targets_are_sorted_and_ties_keep_the_lower_id():
    idx, prob = kd.topk_targets([1, 3, 3, 0], 3)
    assert idx.tolist() == [1, 2, 0] and (np.diff(prob) <= 0).all()


@pytest.mark.parametrize("k", [0, 5])
def test_k_outside_the_vocabulary(k):
    with pytest.raises(ValueError, match="k must be in"):
        kd.topk_targets(np.zeros(4), k)
    with pytest.raises(ValueError, match="k must be in"):
        kd.teacher_cache_bytes(10, 4, k)


def test_cache_of_a_teacher():
    # 1e9 tokens, 64 pairs of a 4-byte id and a 2-byte probability, against 128,000 probabilities of 2 bytes
    assert kd.teacher_cache_bytes(10**9, 128_000, 64) == 384 * 10**9
    assert kd.teacher_cache_bytes(10**9, 128_000) == 256 * 10**12
    assert kd.teacher_cache_bytes(3, 10, 10, prob_bytes=4, id_bytes=2) == 180
