"""BF16 weights without their waste: Huffman for the exponent, the other eight bits as they are.

The idea of DFloat11 (Zhang et al., 2025, arXiv:2504.11651), without its GPU kernel: nothing is lost, and a
program has to decode before it can multiply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.compression.coding import (
    bf16_exponents,
    bf16_words,
    canonical_codes,
    huffman_decode,
    huffman_encode,
    huffman_lengths,
    symbol_counts,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Bf16Table:
    """What a decoder needs beside the bytes: code lengths of the exponents, and how many words and bits there are."""

    lengths: dict[int, int]
    n_words: int
    n_exponent_bits: int

    @property
    def bits_per_weight(self) -> float:
        """Bits for one weight in the stream, the table left out: 8 and the mean length of an exponent's code."""
        return 8 + self.n_exponent_bits / self.n_words


def huffman_bf16(w: np.ndarray | Tensor) -> tuple[bytes, Bf16Table]:
    """Code `w` in BF16 without loss: (one byte of sign and mantissa a word, then the exponents' codes; the table).

    A tensor that is BF16 already comes back bit for bit; anything else is rounded to BF16 first.
    Raises ValueError for an empty `w`.
    """
    words = bf16_words(w)
    exponents = bf16_exponents(words)
    lengths = huffman_lengths(symbol_counts(exponents))
    coded, n_bits = huffman_encode(exponents, canonical_codes(lengths))
    rest = ((words >> 8) & 0x80 | words & 0x7F).astype(np.uint8)  # sign, mantissa
    return rest.tobytes() + coded, Bf16Table(lengths, len(words), n_bits)


def unhuffman_bf16(data: bytes, table: Bf16Table) -> np.ndarray:
    """The BF16 words (uint16, flat) that `huffman_bf16` coded. ValueError when `data` is cut off or broken."""
    n = table.n_words
    if len(data) < n:
        raise ValueError(f"data must begin with {n} bytes of signs and mantissas, got {len(data)} bytes")
    rest = np.frombuffer(data[:n], np.uint8).astype(np.uint16)
    exponents = huffman_decode(data[n:], table.n_exponent_bits, canonical_codes(table.lengths))
    if len(exponents) != n:
        raise ValueError(f"data must hold {n} exponents, got {len(exponents)}")
    return (rest & 0x80) << 8 | np.array(exponents, np.uint16) << 7 | rest & 0x7F
