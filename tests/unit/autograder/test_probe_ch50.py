"""Probe of chapter 50: products of input by kernel are counted, constants and other sums are not."""

import numpy as np
import pytest
import torch

from autograder.check import judge
from autograder.exercises.ch50_efficient_cnn_design import winograd_tile
from autograder.probes.ch50_efficient_cnn_design import counted_products

# Lavin and Gray, CVPR 2016, section 4.1
BT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], float)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
AT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], float)


def direct(d, g):
    return np.array([[(d[i : i + 3, j : j + 3] * g).sum() for j in range(2)] for i in range(2)])


@pytest.mark.parametrize("answer, count", [
    (lambda d, g: direct(d, g), 36),
    (lambda d, g: np.tensordot(d[:3, :3], g), 9),
    (lambda d, g: 2 * d + d * 0.5 - 1, 0),  # constants
    (lambda d, g: (d + 1)[0, 0] * -g[0, 0], 1),
    (lambda d, g: d[:3, :3] @ g, 27),
    (lambda d, g: np.asarray(d, float)[:3, :3] * g, 0),  # ordinary floats can't be followed
    (lambda d, g: torch.from_numpy(d), 0),  # nor can what raises
    (lambda d, g: d[0, 0] * d[0, 1], 0)])
def test_what_is_counted(answer, count):
    assert counted_products(answer, 0) == {"products": count}


@pytest.mark.parametrize("answer", winograd_tile.alternatives)
def test_right_answers_need_16_at_most(answer):
    assert counted_products(answer, 3)["products"] in (0, 16)


def test_the_direct_form_is_named_and_loses_the_limit():
    judged = judge("50.winograd_tile", lambda d, g: (direct(d, g), 16))
    assert not judged.passed and judged.misconception == "direct_form"
    assert judged.groups == {"visible": True, "random": True, "limits": False}


def test_torch_answers_pass():
    def with_torch(d, g):
        d, g = torch.as_tensor(np.asarray(d, float)), torch.as_tensor(np.asarray(g, float))
        b, a, h = (torch.as_tensor(m) for m in (BT, AT, G))
        m = (h @ g @ h.T) * (b @ d @ b.T)
        return (a @ m @ a.T).numpy(), m.numel()

    assert judge("50.winograd_tile", with_torch).passed
    assert not judge("50.winograd_tile", lambda d, g: None).passed
