"""Memory access of convolutions, and the channels that keep it small (Ma et al., ShuffleNet V2, ECCV 2018)."""

from __future__ import annotations

import math

import numpy as np

from utils.cost.checks import positive


def access_elements(h_in: int, w_in: int, h_out: int, w_out: int, c_in: int, c_out: int, k: int,
                    groups: int = 1) -> int:
    """Elements of input, output and weights of a convolution, each counted once.

    Raises ValueError when groups does not divide both channel counts.
    """
    positive(h_in=h_in, w_in=w_in, h_out=h_out, w_out=w_out, c_in=c_in, c_out=c_out, k=k, groups=groups)
    if c_in % groups or c_out % groups:
        raise ValueError(f"groups must divide c_in and c_out, got {groups} for {c_in} and {c_out}")
    return h_in * w_in * c_in + h_out * w_out * c_out + k * k * (c_in // groups) * c_out


def output_macs(h_out: int, w_out: int, c_in: int, c_out: int, k: int, groups: int = 1) -> int:
    """Multiply–accumulates of a convolution whose output is h_out x w_out.

    Raises ValueError when groups does not divide both channel counts.
    """
    positive(h_out=h_out, w_out=w_out, c_in=c_in, c_out=c_out, k=k, groups=groups)
    if c_in % groups or c_out % groups:
        raise ValueError(f"groups must divide c_in and c_out, got {groups} for {c_in} and {c_out}")
    return h_out * w_out * k * k * (c_in // groups) * c_out


def access_1x1(h: int, w: int, c1: int, c2: int, groups: int = 1) -> int:
    """Elements that a 1x1 convolution of stride 1 moves: hw (c1 + c2) + c1 c2 / groups.

    Raises ValueError when groups does not divide both channel counts.

    >>> access_1x1(56, 56, 128, 128)
    819200
    """
    return access_elements(h, w, h, w, c1, c2, 1, groups)


def shuffle_access_elements(h: int, w: int, c1: int, c2: int) -> int:
    """Elements that a 1x1 convolution from c1 to c2 channels touches: hw (c1 + c2) + c1 c2.

    >>> shuffle_access_elements(56, 56, 16, 1024)
    3277824
    """
    return access_elements(h, w, h, w, c1, c2, 1)


def shuffle_access_bound(h: int, w: int, macs: int) -> float:
    """Lower bound on the elements of a 1x1 convolution with `macs`: 2 sqrt(hw B) + B / hw (equation 1)."""
    positive(h=h, w=w, macs=macs)
    return 2 * math.sqrt(h * w * macs) + macs / (h * w)


def best_channels(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> tuple[int, int]:
    """The pair (c_in, c_out) with c_in * c_out == product that moves least; among equals the smaller c_in.

    The weights are k² * product elements for each pair, so only the two maps decide.
    Raises ValueError for arguments that are not positive.

    >>> best_channels(56, 56, 56, 56, 1, 16_384)
    (128, 128)
    """
    positive(h_in=h_in, w_in=w_in, h_out=h_out, w_out=w_out, k=k, product=product)
    low = [c for c in range(1, math.isqrt(product) + 1) if product % c == 0]
    pairs = sorted({(c, product // c) for c in low} | {(product // c, c) for c in low})
    return min(pairs, key=lambda pair: access_elements(h_in, w_in, h_out, w_out, *pair, k))  # min keeps the first


def best_ratio(h_in: int, w_in: int, h_out: int, w_out: int) -> float:
    """c_out / c_in at which a convolution with fixed MACs moves least, channels taken as real numbers.

    h_in w_in c_in + h_out w_out c_out with a fixed product is least where both terms are equal.

    >>> best_ratio(56, 56, 28, 28)
    4.0
    """
    positive(h_in=h_in, w_in=w_in, h_out=h_out, w_out=w_out)
    return h_in * w_in / (h_out * w_out)


def best_channel_split(h: int, w: int, macs: int) -> tuple[int, int]:
    """Channels c1 <= c2 of the 1x1 convolution on h x w with exactly `macs` and the fewest elements.

    Raises ValueError when macs is not a multiple of h * w.
    """
    positive(h=h, w=w, macs=macs)
    product, rest = divmod(macs, h * w)
    if rest:
        raise ValueError(f"macs must be a multiple of h * w = {h * w}, got {macs}")
    return best_channels(h, w, h, w, 1, product)


def best_split(h: int, w: int, macs: int) -> tuple[int, int, int]:
    """(c1, c2, elements) of the 1x1 convolution with exactly `macs` that touches the fewest elements, c1 <= c2.

    >>> best_split(56, 56, 51_380_224)
    (128, 128, 819200)
    """
    c1, c2 = best_channel_split(h, w, macs)
    return c1, c2, shuffle_access_elements(h, w, c1, c2)


def g1_curve(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int,
             points: int = 121) -> tuple[np.ndarray, np.ndarray]:
    """(c_in, elements) over a logarithmic range of real c_in at a fixed product c_in * c_out.

    The range reaches a factor 16 to both sides of the lowest point. Raises ValueError for arguments that are not
    positive.
    """
    positive(k=k, product=product, points=points)
    lowest = math.sqrt(product / best_ratio(h_in, w_in, h_out, w_out))
    c_in = lowest * np.geomspace(1 / 16, 16, points)
    return c_in, h_in * w_in * c_in + h_out * w_out * product / c_in + k * k * product


def bottleneck_traffic(h: int, w: int, channels: int, width: int) -> dict[str, tuple[int, int]]:
    """(operations, elements moved) of a ResNet bottleneck on h x w maps, by kind: convolution, ReLU, add.

    1x1 channels -> width, 3x3, 1x1 width -> channels, a ReLU after each layer, and the shortcut's add; batch norm is
    folded, nothing else is fused. A multiply–accumulate counts two operations.
    """
    positive(h=h, w=w, channels=channels, width=width)
    shapes = ((channels, width, 1), (width, width, 3), (width, channels, 1))
    area, activated = h * w, 2 * width + channels
    macs, moved = sum(output_macs(h, w, *s) for s in shapes), sum(access_elements(h, w, h, w, *s) for s in shapes)
    return {
        "convolution": (2 * macs, moved),
        "ReLU": (area * activated, 2 * area * activated),
        "add": (area * channels, 3 * area * channels),
    }
