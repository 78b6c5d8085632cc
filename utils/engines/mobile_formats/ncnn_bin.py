"""ncnn's .bin file: the weights, one blob after the other in the order of the layers, and nothing else.

A weight blob begins with four bytes that say how it is stored: 0 for float32, 0x01306B47 for float16. A float16 blob
is padded with zeros to a multiple of four bytes. A bias follows its weight as plain float32 without such a flag.
The file holds no sizes and no names: the .param text says how many numbers each layer reads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from utils.engines.mobile_formats.ncnn_text import NcnnLayer

FLAG_FP32, FLAG_FP16 = 0, 0x01306B47
FP16_MAX = 65504.0

# where a layer type says how many weights it reads, whether it has a bias, and how many outputs it has
WEIGHT_KEYS = {"Convolution": (6, 5, 0), "ConvolutionDepthWise": (6, 5, 0), "InnerProduct": (2, 1, 0)}

Weights = tuple[np.ndarray, np.ndarray | None]


def pack_weight(weight: np.ndarray, fp16: bool) -> bytes:
    """One weight blob: flag, then the numbers in C order, little-endian.

    Raises ValueError for values that float16 cannot hold.
    """
    if not fp16:
        return struct.pack("<I", FLAG_FP32) + np.asarray(weight, "<f4").tobytes()
    if np.abs(weight, dtype=np.float64).max(initial=0.0) > FP16_MAX:
        raise ValueError(f"weight must be within ±{FP16_MAX:g} for float16")
    halves = np.asarray(weight, "<f2").tobytes()
    return struct.pack("<I", FLAG_FP16) + halves + bytes(-len(halves) % 4)


def pack_bin(layers: Sequence[tuple[np.ndarray, np.ndarray | None, bool]]) -> bytes:
    """The .bin file of layers (weight, bias or None, whether the weight is stored as float16)."""
    data = bytearray()
    for weight, bias, fp16 in layers:
        data += pack_weight(weight, fp16)
        if bias is not None:
            data += np.asarray(bias, "<f4").tobytes()
    return bytes(data)


def pack_ncnn_weights(arrays: Sequence[Weights], fp16: Sequence[bool] | bool = False) -> bytes:
    """`pack_bin` of (weight, bias or None) pairs; `fp16` is one flag for all or one for each.

    Raises ValueError when the number of flags is another one.
    """
    flags = [fp16] * len(arrays) if isinstance(fp16, bool) else list(fp16)
    if len(flags) != len(arrays):
        raise ValueError(f"fp16 must have one flag for each weight, got {len(flags)} for {len(arrays)}")
    return pack_bin([(weight, bias, flag) for (weight, bias), flag in zip(arrays, flags)])


def unpack_ncnn_weights(layers: Sequence[NcnnLayer], data: bytes) -> dict[str, Weights]:
    """Weight and bias of each layer that has some, by the layer's name: flat float32 arrays.

    Raises ValueError when the file is cut off, has bytes left over, or holds an unknown flag.
    """
    found: dict[str, Weights] = {}
    at = 0
    for layer in layers:
        if layer.type not in WEIGHT_KEYS:
            continue
        size_key, bias_key, out_key = WEIGHT_KEYS[layer.type]
        weight, at = _read_weight(data, at, int(layer.params.get(size_key, 0)), layer.name)
        bias = None
        if layer.params.get(bias_key, 0):
            bias, at = _take(data, at, int(layer.params.get(out_key, 0)), "<f4", layer.name)
        found[layer.name] = weight, bias
    if at != len(data):
        raise ValueError(f"data must end after the last layer, got {len(data) - at} bytes left over")
    return found


def _read_weight(data: bytes, at: int, count: int, name: str) -> tuple[np.ndarray, int]:
    flag, at = _take(data, at, 1, "<u4", name)
    if flag[0] == FLAG_FP32:
        return _take(data, at, count, "<f4", name)
    if flag[0] != FLAG_FP16:
        raise ValueError(f"data must hold the flag 0 or 0x{FLAG_FP16:08X} before a weight, got 0x{flag[0]:08X}: {name}")
    halves, at = _take(data, at, count, "<f2", name)
    return halves.astype(np.float32), at + -at % 4


def _take(data: bytes, at: int, count: int, dtype: str, name: str) -> tuple[np.ndarray, int]:
    end = at + count * np.dtype(dtype).itemsize
    if count < 0 or end > len(data):
        raise ValueError(f"data must hold {count} numbers for {name}, got the end of the file")
    return np.frombuffer(data[at:end], dtype), end
