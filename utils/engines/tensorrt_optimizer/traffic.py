"""Bytes that layers move between the processor and its DRAM, one kernel each or fused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from utils.cost.checks import positive
from utils.engines.tensorrt_optimizer.layers import FusedLayer, Layer


def layer_bytes(layer: Layer | FusedLayer, shapes: Mapping[str, Sequence[int]], dtype_bytes: int = 4) -> int:
    """What one kernel reads (activations and constants, each once) and writes, in bytes.

    Nothing is taken to stay in a cache between two kernels. Raises KeyError for a tensor without a shape.
    """
    names = [*dict.fromkeys(name for name in layer.inputs if name), layer.output]
    return sum(math.prod(shapes[name]) for name in names) * dtype_bytes


def fused_traffic_bytes(
    chain: Sequence[Layer], shapes: Mapping[str, Sequence[int]], dtype_bytes: int = 4
) -> tuple[int, int]:
    """Bytes of a chain of layers: (a kernel for each, one kernel for all).

    Unfused, each tensor between two layers is written by one and read by the next. Raises ValueError for no layer.
    """
    positive(layers=len(chain), dtype_bytes=dtype_bytes)
    unfused = sum(layer_bytes(layer, shapes, dtype_bytes) for layer in chain)
    return unfused, layer_bytes(FusedLayer(tuple(chain)), shapes, dtype_bytes)


def fusion_traffic(
    in_elems: int, weight_elems: int, out_elems: int, pointwise_ops: int, dtype_bytes: int
) -> tuple[int, int]:
    """DRAM bytes of a convolution and the elementwise layers behind it: (one kernel each, one kernel for all).

    >>> fusion_traffic(200704, 36864, 200704, 2, 4)
    (4964352, 1753088)
    """
    conv = in_elems + weight_elems + out_elems
    return (conv + pointwise_ops * 2 * out_elems) * dtype_bytes, conv * dtype_bytes
