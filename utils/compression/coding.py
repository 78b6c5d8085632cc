"""Entropy coding: how few bits a stream of symbols needs, and Huffman's code that comes close.

Nothing here knows about networks: symbols in, bytes out, and back. What the symbols are is decided in
`weight_sharing` (shared weights and gaps), `bf16_coding` (exponents) and `deep_compression` (a whole model).
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from utils.numerics.half import bf16_from_f32_bits

if TYPE_CHECKING:
    from torch import Tensor


def entropy_bits(symbols: ArrayLike) -> float:
    """Bits per symbol below which no code that treats symbols one by one can go: -sum p log2 p (Shannon 1948).

    `symbols` is an array of any shape, or a sequence, of values that can be compared; p are their shares.
    Raises ValueError for no symbols.

    >>> entropy_bits([0] * 8 + [1] * 4 + [2] * 2 + [3, 4])
    1.875
    """
    values = np.asarray(symbols).ravel()
    if values.size == 0:
        raise ValueError("symbols must not be empty, got 0 of them")
    return counts_entropy_bits(np.unique(values, return_counts=True)[1])


def counts_entropy_bits(counts: ArrayLike) -> float:
    """`entropy_bits` of symbols that are already counted; zero counts add nothing.

    Raises ValueError unless some count is positive and none is negative.
    """
    counts = np.asarray(counts, np.float64).ravel()
    if not np.any(counts > 0) or np.any(counts < 0):
        raise ValueError(f"counts must have a positive entry and no negative one, got {counts.tolist()[:8]}")
    p = counts[counts > 0] / counts.sum()
    return float(max(0.0, -np.sum(p * np.log2(p))))  # max: one symbol gives -0.0


def bf16_words(w: np.ndarray | Tensor) -> np.ndarray:
    """The uint16 words of `w` in BF16, flat: a torch bfloat16 tensor as it is, anything else rounded to nearest."""
    if hasattr(w, "detach"):  # a tensor, without importing torch here
        w = w.detach().cpu().float().numpy()  # exact: every BF16 value is an FP32 value
    bits = np.ascontiguousarray(w, np.float32).ravel().view(np.uint32)
    return bf16_from_f32_bits(bits)


def bf16_exponent_entropy(w: np.ndarray | Tensor) -> float:
    """Entropy in bits of the 8-bit exponent field of `w` in BF16.

    Gaussian weights of any scale need about 2.55 bits of the 8, and language models about 2.6 (Zhang et al.,
    DFloat11, arXiv:2504.11651). With sign and mantissa that is 10.6 bits of 16: a third could go without any loss,
    and DFloat11 reports 30 %.
    `w` is an array or a tensor of any shape. Raises ValueError for an empty one.
    """
    return entropy_bits(bf16_exponents(bf16_words(w)))


def bf16_exponents(words: np.ndarray) -> np.ndarray:
    """The exponent fields (uint8) of BF16 words (uint16)."""
    return ((words >> 7) & 0xFF).astype(np.uint8)


# --- Huffman's code ---------------------------------------------------------------------------


def huffman_lengths(freq: dict[int, int]) -> dict[int, int]:
    """Code length in bits per symbol of an optimal prefix code (Huffman 1952).

    `freq` maps symbols to counts. Symbols of frequency 0 get no entry, a single symbol gets length 1.
    The two rarest groups are merged until one is left; on equal counts the group that was made first goes first,
    so that the lengths are the same on every machine. Raises ValueError when no frequency is positive.

    >>> huffman_lengths({0: 8, 1: 4, 2: 2, 3: 1, 4: 1})
    {0: 1, 1: 2, 2: 3, 3: 4, 4: 4}
    """
    used = {symbol: count for symbol, count in freq.items() if count > 0}
    if not used:
        raise ValueError("freq must have a symbol with a positive frequency, got none")
    lengths = dict.fromkeys(used, 0 if len(used) > 1 else 1)
    heap = [(count, made, [symbol]) for made, (symbol, count) in enumerate(used.items())]
    heapq.heapify(heap)
    made = len(heap)
    while len(heap) > 1:
        (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:  # each of them moves one level down the tree
            lengths[symbol] += 1
        heapq.heappush(heap, (a + b, made, left + right))
        made += 1
    return lengths


def symbol_counts(symbols: ArrayLike) -> dict[int, int]:
    """How often each integer occurs, in ascending order of the integers."""
    values, counts = np.unique(np.asarray(symbols).ravel(), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist()))


def canonical_codes(lengths: Mapping[int, int]) -> dict[int, str]:
    """The codes, as text of 0 and 1, that follow from their lengths alone.

    Symbols are taken by length and then by value, and each code is the one before it plus one, so a file stores
    lengths and no codes. Raises ValueError for a length below 1, or for lengths that no prefix code has.

    >>> canonical_codes({7: 2, 3: 1, 5: 2})
    {3: '0', 5: '10', 7: '11'}
    """
    codes: dict[int, str] = {}
    code, before = 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        if length < 1:
            raise ValueError(f"lengths must be at least 1 bit, got {length} for symbol {symbol}")
        code <<= length - before
        if code >> length:
            raise ValueError("lengths must satisfy Kraft's inequality: no prefix code has these")
        codes[symbol] = f"{code:0{length}b}"
        code, before = code + 1, length
    return codes


def huffman_encode(symbols: Sequence[Hashable] | np.ndarray, codes: Mapping[Any, str]) -> tuple[bytes, int]:
    """The codes of the symbols one after another: (bytes, number of bits); the last byte is filled with zeros.

    The first bit is the highest of the first byte. Raises KeyError for a symbol without a code.

    >>> huffman_encode([3, 7, 3], {3: "0", 5: "10", 7: "11"})
    (b'`', 4)
    """
    values = symbols.ravel().tolist() if isinstance(symbols, np.ndarray) else symbols
    return _packed("".join([codes[s] for s in values]))


def huffman_decode(data: bytes, n_bits: int, codes: Mapping[Any, str]) -> list:
    """The symbols whose codes fill the first `n_bits` bits of `data`.

    Raises ValueError when `data` is shorter than that, or when its bits are no sequence of codes.

    >>> huffman_decode(b"`", 4, {3: "0", 5: "10", 7: "11"})
    [3, 7, 3]
    """
    bits = _unpacked(data, n_bits)
    symbol_of = {code: symbol for symbol, code in codes.items()}
    widths = sorted({len(code) for code in symbol_of})
    found, at = [], 0
    while at < n_bits:
        for width in widths:  # no code begins another: the first that fits is the right one
            symbol = symbol_of.get(bits[at:at + width], symbol_of)
            if symbol is not symbol_of:
                break
        else:
            raise ValueError(f"data must be a sequence of codes, got none at bit {at}")
        found.append(symbol)
        at += width
    return found


def pack_fixed(values: ArrayLike, width: int) -> bytes:
    """Integers of `width` bits each, one after another, highest bit first; the last byte is filled with zeros.

    Raises ValueError for a value that does not fit.
    """
    values = np.asarray(values, np.int64).ravel()
    if np.any(values < 0) or np.any(values >> width):
        raise ValueError(f"values must be in 0 … {2**width - 1} to fit into {width} bits")
    bits = (values[:, None] >> np.arange(width - 1, -1, -1)) & 1  # (n, width)
    return np.packbits(bits.astype(np.uint8)).tobytes()


def unpack_fixed(data: bytes, width: int, n: int) -> np.ndarray:
    """The `n` integers of `width` bits that `pack_fixed` wrote (int64). ValueError when `data` is too short."""
    if 8 * len(data) < n * width:
        raise ValueError(f"data must have {n * width} bits, got {8 * len(data)}")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=n * width).reshape(n, width).astype(np.int64)
    return bits @ (1 << np.arange(width - 1, -1, -1))  # (n,)


def _packed(bits: str) -> tuple[bytes, int]:
    return np.packbits(np.frombuffer(bits.encode(), np.uint8) - ord("0")).tobytes(), len(bits)


def _unpacked(data: bytes, n_bits: int) -> str:
    if 8 * len(data) < n_bits:
        raise ValueError(f"data must have {n_bits} bits, got {8 * len(data)}")
    return (np.unpackbits(np.frombuffer(data, np.uint8), count=n_bits) + ord("0")).tobytes().decode()
