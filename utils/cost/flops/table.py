"""Parameters and MACs of a sequential network from a list of layer descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from utils.cost.flops.layer_ops import conv_macs, conv_out_size
from utils.cost.params import conv2d_params, linear_params

Shape = tuple[int | None, int, int]  # channels (unknown before the first layer that names them), height, width


def network_table(layers: Sequence[Mapping], h: int, w: int) -> list[tuple[str, int, int]]:
    """Rows (name, params, macs) of `layers` on an input of h x w, in order.

    Operators: `conv` (c_in, c_out, k; stride 1, pad 0, groups 1, bias True, bn False), `pool` (k; stride k,
    pad 0), `gap`, `linear` (n_out; bias True) on the flattened shape. Batch norm adds its 2 * c_out
    parameters to the convolution's row and no arithmetic; pool and gap count nothing. Raises ValueError for
    an unknown operator or a c_in that is not what the layer before puts out.
    """
    shape: Shape = (None, h, w)
    rows = []
    for layer in layers:
        try:
            step = _STEPS[layer["op"]]
        except KeyError:
            raise ValueError(f"op must be one of {sorted(_STEPS)}, got {layer.get('op')!r}") from None
        shape, params, macs = step(layer, shape)
        rows.append((layer["name"], params, macs))
    return rows


def _conv(layer: Mapping, shape: Shape) -> tuple[Shape, int, int]:
    channels, h, w = shape
    c_in, c_out, k = layer["c_in"], layer["c_out"], layer["k"]
    stride, pad, groups = layer.get("stride", 1), layer.get("pad", 0), layer.get("groups", 1)
    if channels not in (None, c_in):
        raise ValueError(f"c_in must be {channels} after the layer before {layer['name']!r}, got {c_in}")
    params = conv2d_params(c_in, c_out, k, groups, layer.get("bias", True)) + 2 * c_out * layer.get("bn", False)
    macs = conv_macs(h, w, c_in, c_out, k, stride, pad, groups=groups)
    return (c_out, conv_out_size(h, k, stride, pad), conv_out_size(w, k, stride, pad)), params, macs


def _pool(layer: Mapping, shape: Shape) -> tuple[Shape, int, int]:
    channels, h, w = shape
    k, pad = layer["k"], layer.get("pad", 0)
    stride = layer.get("stride", k)
    return (channels, conv_out_size(h, k, stride, pad), conv_out_size(w, k, stride, pad)), 0, 0


def _gap(layer: Mapping, shape: Shape) -> tuple[Shape, int, int]:
    return (shape[0], 1, 1), 0, 0


def _linear(layer: Mapping, shape: Shape) -> tuple[Shape, int, int]:
    channels, h, w = shape
    n_in, n_out = (channels or 1) * h * w, layer["n_out"]  # a network without convolutions has one channel
    return (n_out, 1, 1), linear_params(n_in, n_out, layer.get("bias", True)), n_in * n_out


_STEPS = {"conv": _conv, "pool": _pool, "gap": _gap, "linear": _linear}
