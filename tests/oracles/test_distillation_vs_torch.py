"""The distillation loss, its gradient and the divergences against torch, autograd and SciPy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from torch.nn import functional as F

from utils.compression import distillation as kd

# Both sides compute in float64 over at most 40 classes: a few hundred roundings of 1.1e-16 stay far below 1e-10.
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


def drawn(seed):
    rng = np.random.default_rng(seed)
    n, c = int(rng.integers(1, 9)), int(rng.integers(2, 40))
    s, t = rng.normal(0, rng.uniform(0.1, 8), (2, n, c))
    return s, t, rng.integers(0, c, n), float(rng.uniform(0.3, 12)), float(rng.uniform(0, 1))


def torch_loss(s, t, y, T, alpha):
    soft = F.kl_div((s / T).log_softmax(1), (t / T).softmax(1), reduction="batchmean") * T**2
    return alpha * soft + (1 - alpha) * F.cross_entropy(s, y)


def test_the_golden_example():
    # Computed with torch 2.13: 0.7 * 4 * kl_div(batchmean) + 0.3 * cross_entropy.
    example = ([[2, 0, -1]], [[3, 1, -2]], [0], 2, 0.7)
    assert kd.kd_loss(*example) == pytest.approx(0.1523642619, abs=1e-10)
    assert kd.kd_grad(*example) == pytest.approx(np.array([[-0.13246, 0.00277, 0.12969]]), abs=5e-6)


@pytest.mark.parametrize("seed", range(40))
def test_loss_and_gradient_are_torchs(seed):
    s, t, y, T, alpha = drawn(seed)
    student = torch.tensor(s, requires_grad=True)
    loss = torch_loss(student, torch.tensor(t), torch.tensor(y), T, alpha)
    loss.backward()
    np.testing.assert_allclose(kd.kd_loss(s, t, y, T, alpha), loss.item(), **TOLERANCE)
    np.testing.assert_allclose(kd.kd_grad(s, t, y, T, alpha), student.grad.numpy(), **TOLERANCE)
    np.testing.assert_allclose(kd.softmax_t(s, T), (student / T).softmax(1).detach().numpy(), **TOLERANCE)


@pytest.mark.parametrize("seed", range(20))
def test_the_loss_to_train_with_is_the_same(seed):
    s, t, y, T, alpha = drawn(100 + seed)
    student = torch.tensor(s, requires_grad=True)
    teacher = torch.tensor(t, requires_grad=True)
    loss = kd.distillation_loss(student, teacher, torch.tensor(y), T=T, alpha=alpha)
    loss.backward()
    np.testing.assert_allclose(loss.item(), torch_loss(student, teacher, torch.tensor(y), T, alpha).item(), **TOLERANCE)
    np.testing.assert_allclose(student.grad.numpy(), kd.kd_grad(s, t, y, T, alpha), **TOLERANCE)
    assert teacher.grad is None


@pytest.mark.parametrize("seed", range(20))
def test_divergences_are_scipys(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(6, 0.5), 2)
    np.testing.assert_allclose(kd.forward_kl(p, q), entropy(p, q), **TOLERANCE)
    np.testing.assert_allclose(kd.reverse_kl(p, q), entropy(q, p), **TOLERANCE)
    np.testing.assert_allclose(kd.js_divergence(p, q), jensenshannon(p, q) ** 2, rtol=1e-7)  # a square of a root
    np.testing.assert_allclose(kd.dark_knowledge(np.log(p), 1)["entropy_bits"], entropy(p, base=2), **TOLERANCE)


@pytest.mark.parametrize("seed", range(10))
def test_gradient_norms_are_autograds(seed):
    s, t, y, *_ = drawn(seed)
    temperatures = (0.5, 1.0, 4.0, 16.0)
    found = kd.gradient_norms(s[0], t[0], int(y[0]), temperatures)
    for i, T in enumerate(temperatures):
        for name, alpha, factor in (("hard", 0, 1), ("soft", 1, 1 / T**2), ("soft, times T²", 1, 1)):
            student = torch.tensor(s[:1], requires_grad=True)
            (factor * torch_loss(student, torch.tensor(t[:1]), torch.tensor(y[:1]), T, alpha)).backward()
            np.testing.assert_allclose(found[name][i], student.grad.norm().item(), rtol=1e-8, atol=1e-12)
