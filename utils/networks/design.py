"""Memory access of convolutions, and the channel split that keeps it small (Ma et al., ShuffleNet V2, ECCV 2018).

The paper abbreviates memory access cost as MAC; here it is called access, because `macs` are multiply–accumulates.
"""

from __future__ import annotations

import math

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


def shuffle_access_elements(h: int, w: int, c1: int, c2: int) -> int:
    """Elements that a 1x1 convolution from c1 to c2 channels touches: hw (c1 + c2) + c1 c2.

    >>> shuffle_access_elements(56, 56, 16, 1024)
    3277824
    """
    return access_elements(h, w, h, w, c1, c2, 1)


def shuffle_access_bound(h: int, w: int, macs: int) -> float:
    """Lower bound on the elements of a 1x1 convolution with `macs`: 2 sqrt(hw B) + B / hw (equation 2)."""
    positive(h=h, w=w, macs=macs)
    return 2 * math.sqrt(h * w * macs) + macs / (h * w)


def best_channel_split(h: int, w: int, macs: int) -> tuple[int, int]:
    """Channels c1 <= c2 of the 1x1 convolution on h x w with exactly `macs` and the fewest elements.

    Raises ValueError when macs is not a multiple of h * w.
    """
    positive(h=h, w=w, macs=macs)
    product, rest = divmod(macs, h * w)
    if rest:
        raise ValueError(f"macs must be a multiple of h * w = {h * w}, got {macs}")
    c1 = next(c for c in range(math.isqrt(product), 0, -1) if product % c == 0)  # the smallest sum is nearest the root
    return c1, product // c1


def best_split(h: int, w: int, macs: int) -> tuple[int, int, int]:
    """(c1, c2, elements) of the 1x1 convolution with exactly `macs` that touches the fewest elements, c1 <= c2.

    >>> best_split(56, 56, 51_380_224)
    (128, 128, 819200)
    """
    c1, c2 = best_channel_split(h, w, macs)
    return c1, c2, shuffle_access_elements(h, w, c1, c2)
