"""SAME padding, compared with its definition by search, and windows compared with a convolution."""

import numpy as np
import pytest

from utils.engines.mobile_formats import same_padding, window_positions

# TensorFlow's documentation, module tf.nn, "SAME padding", evaluated by hand
PUBLISHED = [((28, 3, 1), (1, 1)), ((28, 3, 2), (0, 1)), ((29, 3, 2), (1, 1)), ((224, 7, 2), (2, 3)), ((5, 1, 2), (0, 0))]


@pytest.mark.parametrize(("arguments", "pads"), PUBLISHED)
def test_published_cases(arguments, pads):
    assert same_padding(*arguments) == pads


def by_search(size, kernel, stride, dilation):
    """The smallest total padding whose windows are ceil(size / stride) in number, shared with the odd one after."""
    window = 1 + (kernel - 1) * dilation
    total = 0
    while (size + total - window) // stride + 1 < -(-size // stride):
        total += 1
    return total // 2, total - total // 2


def test_it_is_the_smallest_padding_with_enough_windows():
    for size in range(1, 65):
        for kernel in (1, 2, 3, 5, 7):
            for stride in (1, 2, 3, 4):
                for dilation in (1, 2, 3):
                    pads = same_padding(size, kernel, stride, dilation)
                    assert pads == by_search(size, kernel, stride, dilation)
                    if dilation == 1:
                        assert len(window_positions(size, kernel, stride, pads)) == -(-size // stride)


@pytest.mark.parametrize("arguments", [(0, 3, 1), (8, 0, 1), (8, 3, 0), (8, 3, 1, 0), (-1, 3, 1), (8, 3, -2)])
def test_arguments_that_are_not_positive_are_refused(arguments):
    with pytest.raises(ValueError, match="must be positive"):
        same_padding(*arguments)


def test_windows_are_those_of_a_convolution():
    rng = np.random.default_rng(0)
    for _ in range(50):
        size, kernel, stride = int(rng.integers(3, 20)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
        pads = tuple(int(n) for n in rng.integers(0, 3, 2))
        x = np.pad(rng.standard_normal(size), pads)
        ones = [x[start + pads[0]:stop + 1 + pads[0]].sum() for start, stop in window_positions(size, kernel, stride, pads)]
        full = np.convolve(x, np.ones(kernel), mode="valid")[::stride]
        np.testing.assert_allclose(ones, full, atol=1e-12)


def test_windows_refuse_bad_arguments():
    with pytest.raises(ValueError, match="positive"):
        window_positions(8, 3, 0, (1, 1))
    with pytest.raises(ValueError, match="negative"):
        window_positions(8, 3, 1, (-1, 1))
    assert window_positions(2, 5, 1, (1, 1)) == []
