"""Parameters, weights and MACs of light blocks from their shapes alone."""

from __future__ import annotations

from collections.abc import Sequence

from utils.cost.params import conv2d_params

FP32_BYTES = 4


def separable_cost(c_in: int, c_out: int, k: int, h_out: int, w_out: int) -> tuple[int, int, float]:
    """(MACs of a dense k x k convolution, MACs of depthwise k x k and pointwise 1x1, separable / dense).

    Raises ValueError when a value is below 1.
    """
    if min(c_in, c_out, k, h_out, w_out) < 1:
        raise ValueError(f"all values must be at least 1, got {(c_in, c_out, k, h_out, w_out)}")
    area = h_out * w_out
    dense = conv2d_params(c_in, c_out, k, bias=False) * area
    separable = separable_weights(c_in, c_out, k) * area
    return dense, separable, separable / dense


def separable_weights(c_in: int, c_out: int, k: int) -> int:
    """Weights of a depthwise k x k convolution and the pointwise one after it, no bias."""
    return conv2d_params(c_in, c_in, k, groups=c_in, bias=False) + conv2d_params(c_in, c_out, 1, bias=False)


def ghost_weights(c_in: int, c_out: int, k: int) -> int:
    """Weights of a Ghost module of ratio 2: k x k to ceil(c_out / 2) channels, a 3x3 depthwise filter on each."""
    real = -(-c_out // 2)
    return conv2d_params(c_in, real, k, bias=False) + conv2d_params(real, real, 3, groups=real, bias=False)


def fire_params(c_in: int, squeeze: int, expand1: int, expand3: int, bias: bool = True) -> int:
    """Parameters of a Fire module: 1x1 squeeze, then 1x1 and 3x3 expansions side by side."""
    return (conv2d_params(c_in, squeeze, 1, bias=bias) + conv2d_params(squeeze, expand1, 1, bias=bias)
            + conv2d_params(squeeze, expand3, 3, bias=bias))


def cheapest_block(c_in: int, c_out: int, h: int, w: int, k: int, weight_bytes_budget: int,
                   kinds: Sequence[str] = ("dense", "separable", "ghost")) -> tuple[str, int]:
    """(kind, MACs) of the block with the fewest MACs among those whose FP32 weights fit into the budget.

    Raises ValueError "no block fits" when there is none.
    """
    rules = {"dense": lambda: conv2d_params(c_in, c_out, k, bias=False),
             "separable": lambda: separable_weights(c_in, c_out, k), "ghost": lambda: ghost_weights(c_in, c_out, k)}
    weights = {kind: rules[kind]() for kind in kinds}
    fitting = [kind for kind in kinds if FP32_BYTES * weights[kind] <= weight_bytes_budget]
    if not fitting:
        raise ValueError(f"no block fits into weight_bytes_budget, got {weight_bytes_budget} bytes")
    best = min(fitting, key=weights.get)  # all run on the same h x w outputs; min keeps the first of equals
    return best, weights[best] * h * w
