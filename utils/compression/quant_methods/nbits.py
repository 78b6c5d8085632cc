"""Weight-only models that really run: ONNX Runtime's MatMulNBits, which reads packed 2-, 4- or 8-bit weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, helper

from utils.compression.quant_methods.ste import symmetric_levels
from utils.compression.quant_methods.weights import weight_scales
from utils.graphs.onnx_tools import make_model

GROUP = 32  # MatMulNBits wants a power of two, 16 or more


@dataclass(frozen=True, eq=False)
class PackedLayer:
    """A weight matrix as integers q (out, in) in [-qmax, qmax] with a scale for each group of inputs, and a bias."""

    q: np.ndarray
    scales: np.ndarray  # (out, groups)
    bias: np.ndarray
    bits: int
    group_size: int

    @property
    def weights(self) -> np.ndarray:
        """The dequantized weights, float32 (out, in)."""
        spread = np.repeat(self.scales, self.group_size, axis=1)[:, :self.q.shape[1]]
        return self.q.astype(np.float32) * spread.astype(np.float32)


def pack_layer(W: np.ndarray, W_hat: np.ndarray, bias: np.ndarray, bits: int, group_size: int = GROUP) -> PackedLayer:
    """Integers and scales of the dequantized W_hat, which lies on the grid of W's groups.

    `W` gives the scales, which round to nearest, GPTQ and AWQ all fix beforehand. Raises ValueError if W_hat is off
    this grid by more than a thousandth of a step.
    """
    scale = weight_scales(W, bits, group_size=group_size)
    steps, qmax = np.asarray(W_hat, dtype=np.float64) / scale, symmetric_levels(bits)
    q = np.clip(np.rint(steps), -qmax, qmax)
    if np.abs(steps - q).max() > 1e-3:
        raise ValueError(f"W_hat must lie on the grid of W, got {np.abs(steps - q).max():.3f} of a step beside it")
    return PackedLayer(q.astype(np.int8), scale[:, ::group_size].astype(np.float32), np.asarray(bias, np.float32), bits,
                       group_size)


def pack_codes(q: np.ndarray, bits: int, group_size: int) -> np.ndarray:
    """Signed integers (out, in) as MatMulNBits stores them: + 2^(bits - 1), low bits first, (out, groups, bytes) uint8.

    Raises ValueError for other widths than 2, 4 and 8. The last group is filled up with zeros.
    """
    if bits not in (2, 4, 8):
        raise ValueError(f"bits must be 2, 4 or 8, got {bits}")
    padded = np.pad(q.astype(np.int16), [(0, 0), (0, -q.shape[1] % group_size)]) + 2 ** (bits - 1)
    per_byte = 8 // bits
    parts = padded.reshape(len(q), -1, group_size // per_byte, per_byte).astype(np.uint8)
    shifts = (np.arange(per_byte) * bits).astype(np.uint8)
    return np.bitwise_or.reduce(parts << shifts, axis=-1)


def nbits_onnx(layers: Sequence[PackedLayer]) -> ModelProto:
    """A network of packed linear layers with ReLUs between them: "img" (N, in) -> "logits" (N, out).

    Activations stay in float32 (accuracy_level 1); the kernel unpacks the weights as it reads them.
    """
    nodes, initializers, current = [], {}, "img"
    for i, layer in enumerate(layers, 1):
        n_out, n_in = layer.q.shape
        initializers |= {f"W{i}_packed": pack_codes(layer.q, layer.bits, layer.group_size),
                         f"W{i}_scales": layer.scales.ravel(), f"b{i}": layer.bias}
        nodes.append(helper.make_node("MatMulNBits", [current, f"W{i}_packed", f"W{i}_scales"], [f"m{i}"],
                                      domain="com.microsoft", K=n_in, N=n_out, bits=layer.bits,
                                      block_size=layer.group_size, accuracy_level=1))
        last = i == len(layers)
        current = "logits" if last else f"a{i}"
        nodes.append(helper.make_node("Add", [f"m{i}", f"b{i}"], [current]))
        if not last:
            nodes.append(helper.make_node("Relu", [current], [f"r{i}"]))
            current = f"r{i}"
    ends = {"img": ("N", layers[0].q.shape[1])}, {"logits": ("N", len(layers[-1].bias))}
    return make_model(nodes, *ends, initializers, opset={"": 17, "com.microsoft": 1})
