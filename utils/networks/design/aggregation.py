"""Dense connections against one-shot aggregation: how often a block reads what it has already made.

DenseNet: Huang et al., CVPR 2017. OSA: Lee et al., An Energy and GPU-Computation Efficient Backbone Network for
Real-Time Object Detection (VoVNet), CVPR workshops 2019.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from utils.cost.checks import positive
from utils.networks.design.access import access_elements, output_macs


@dataclass(frozen=True)
class BlockCost:
    """Multiply–accumulates, elements moved, and the input channels of each convolution of a block."""

    macs: int
    access: int
    inputs: tuple[int, ...]

    def as_dict(self) -> dict[str, object]:
        """The fields as plain data."""
        return asdict(self)


def densenet_access(h: int, w: int, c_in: int, growth: int, layers: int, k: int = 3) -> BlockCost:
    """A dense block of k x k layers: each reads the input and all outputs before it, and adds `growth` channels.

    >>> densenet_access(32, 32, 16, 12, 12).inputs[:3]
    (16, 28, 40)
    """
    positive(h=h, w=w, c_in=c_in, growth=growth, layers=layers, k=k)
    return _block(h, w, ((c_in + i * growth, growth, k) for i in range(layers)))


def osa_access(h: int, w: int, c_in: int, width: int, layers: int, c_out: int, k: int = 3) -> BlockCost:
    """An OSA module: k x k layers in a row, then one 1x1 layer over the input and all outputs together.

    The copies of the concatenation are not counted, neither here nor for the dense block.
    """
    positive(h=h, w=w, c_in=c_in, width=width, layers=layers, c_out=c_out, k=k)
    chain = [(c_in if i == 0 else width, width, k) for i in range(layers)]
    return _block(h, w, [*chain, (c_in + layers * width, c_out, 1)])


def _block(h: int, w: int, layers: Iterable[tuple[int, int, int]]) -> BlockCost:
    shapes = list(layers)
    return BlockCost(sum(output_macs(h, w, *s) for s in shapes), sum(access_elements(h, w, h, w, *s) for s in shapes),
                     tuple(c for c, _, _ in shapes))
