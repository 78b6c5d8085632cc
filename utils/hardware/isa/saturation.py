"""How often pair sums of 16 bits overflow, and what that does to a dot product and to a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from utils.hardware.isa.gemm import gemm_s8s8_x86, gemm_u8s8
from utils.hardware.isa.instructions import INT16, vpmaddubsw

U8_MAX = 255


def weight_range(bits: int) -> tuple[int, int]:
    """(lowest, highest) signed weight of so many bits, 2 to 8: (-64, 63) for 7. Raises ValueError "bits"."""
    if not 2 <= bits <= 8:
        raise ValueError(f"bits must be from 2 to 8, got {bits}")
    return -(1 << bits - 1), (1 << bits - 1) - 1


def saturation_rate(weight_bits: int, n: int, seed: int) -> float:
    """The share of `n` random pairs, each a sum of two u8 x s8 products, that VPMADDUBSW saturates.

    Activations are uniform on 0 to 255, weights on the range of `weight_bits`. Raises ValueError "bits", or for n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be positive, got {n}")
    rng = np.random.default_rng(seed)
    low, high = weight_range(weight_bits)
    a = rng.integers(0, U8_MAX + 1, (n, 2)).astype(np.uint8)
    b = rng.integers(low, high + 1, (n, 2)).astype(np.int8)
    return float(saturated_pairs(a, b).mean())


def exact_saturation_rate(weight_bits: int, a_max: int = U8_MAX) -> float:
    """The same share, counted over all pairs of products with activations from 0 to `a_max`.

    >>> round(exact_saturation_rate(8), 5), exact_saturation_rate(7)
    (0.03575, 0.0)
    """
    low, high = weight_range(weight_bits)
    products = np.sort(np.multiply.outer(np.arange(a_max + 1), np.arange(low, high + 1)), axis=None)
    n = products.size
    over = n - np.searchsorted(products, INT16.max - products, "right")  # partners that lift the sum above the top
    under = np.searchsorted(products, INT16.min - products, "left")
    return float((over.sum() + under.sum()) / n**2)


def saturated_pairs(a_u8: np.ndarray, b_s8: np.ndarray) -> np.ndarray:
    """Which pair sums VPMADDUBSW clamps: (..., 2n) uint8 and int8 -> bool (..., n)."""
    exact = (a_u8.astype(np.int32) * b_s8.astype(np.int32)).reshape(*a_u8.shape[:-1], -1, 2).sum(-1)
    return exact != vpmaddubsw(a_u8, b_s8)


def dot_scatter(isa: str, weight_bits: int, n: int, seed: int, a_max: int = U8_MAX,
                length: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`n` random dot products: exact, as the instruction gives them, and in which of them a pair saturated.

    isa: "AVX2" saturates; "VNNI", "SDOT" and "SMMLA" sum in 32 bits. SDOT and SMMLA take signed activations, so
    these are drawn from -a_max // 2 to a_max // 2. Returns int64, int64 and bool arrays of shape (n,).
    Raises ValueError for another `isa`, "bits", an `a_max` outside 1 to 255 or an odd length.
    """
    if isa not in ("AVX2", "VNNI", "SDOT", "SMMLA"):
        raise ValueError(f"isa must be AVX2, VNNI, SDOT or SMMLA, got {isa!r}")
    if not 1 <= a_max <= U8_MAX or length < 2 or length % 2:
        raise ValueError(f"a_max must be from 1 to 255 and length even, got {a_max} and {length}")
    rng, (low, high) = np.random.default_rng(seed), weight_range(weight_bits)
    b = rng.integers(low, high + 1, (n, length)).astype(np.int8)
    a = rng.integers(0, a_max + 1, (n, length))
    if isa in ("SDOT", "SMMLA"):
        a -= (a_max + 1) // 2
    exact = (a * b.astype(np.int64)).sum(1)
    if isa != "AVX2":
        return exact, exact.copy(), np.zeros(n, bool)
    a = a.astype(np.uint8)
    return exact, vpmaddubsw(a, b).sum(1, dtype=np.int64), saturated_pairs(a, b).any(1)


@dataclass(frozen=True)
class NetworkRun:
    """An INT8 network on emulated instructions: its outputs (n, classes), pairs that saturated, pairs in all."""

    outputs: np.ndarray
    saturated: int
    pairs: int

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


def int8_mlp(x: np.ndarray, layers: Sequence[tuple[np.ndarray, np.ndarray]], calibration: np.ndarray, *, isa: str,
             weight_bits: int = 8, per_channel: bool = False, signed: bool = False) -> NetworkRun:
    """Runs fully connected layers with a ReLU between them in INT8: activations (n, k) >= 0, isa "avx2" or "vnni".

    layers: (weights (n_out, n_in), bias (n_out,)) float. Weights get one symmetric scale, or one a row if
    `per_channel`. Activations get one scale a layer from the float network on `calibration`: uint8, or if `signed`
    int8, which x86 shifts by 128. Raises ValueError "bits", or for another `isa`.
    """
    high = weight_range(weight_bits)[1]
    saturated = total = 0
    for i, (w, bias) in enumerate(layers):
        largest = np.abs(w).max(axis=1, keepdims=True) if per_channel else np.abs(w).max()
        w_scale = largest / high
        qw = np.rint(w / w_scale).astype(np.int8).T  # (k, n)
        a_scale = calibration.max() / (127 if signed else U8_MAX)
        qa = np.clip(np.rint(x / a_scale), 0, 127 if signed else U8_MAX).astype(np.int8 if signed else np.uint8)
        acc = gemm_s8s8_x86(qa, qw, isa) if signed else gemm_u8s8(qa, qw, isa)
        found, count = _pairs_of(qa, qw)
        saturated, total = saturated + found, total + count
        x, calibration = acc * (a_scale * np.ravel(w_scale)) + bias, calibration @ w.T + bias
        if i < len(layers) - 1:
            x, calibration = np.maximum(x, 0), np.maximum(calibration, 0)
    return NetworkRun(x, saturated, total)


def _pairs_of(qa: np.ndarray, qw: np.ndarray) -> tuple[int, int]:
    """(pairs of a product that VPMADDUBSW would saturate, pairs), for uint8 or shifted int8 on the left."""
    a = qa.astype(np.int32) + (128 if qa.dtype == np.int8 else 0)
    found = 0
    for k in range(0, a.shape[1], 2):
        sums = a[:, k : k + 2] @ qw[k : k + 2].astype(np.int32)
        found += int(np.count_nonzero((sums > INT16.max) | (sums < INT16.min)))
    return found, a.shape[0] * qw.shape[1] * -(-a.shape[1] // 2)
