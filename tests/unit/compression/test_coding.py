"""Entropy, Huffman's lengths and codes, and streams of bits that come back as they were."""

import itertools
import math
import zlib
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from utils.compression.coding import (
    bf16_exponent_entropy,
    canonical_codes,
    counts_entropy_bits,
    entropy_bits,
    huffman_decode,
    huffman_encode,
    huffman_lengths,
    pack_fixed,
    symbol_counts,
    unpack_fixed,
)

frequencies = st.dictionaries(st.integers(0, 40), st.integers(0, 60), min_size=1, max_size=12).filter(lambda f: any(f.values()))


@given(frequencies)
def test_entropy_agrees_with_scipy(freq):
    symbols = [s for s, n in freq.items() for _ in range(n)]
    assert entropy_bits(symbols) == pytest.approx(entropy(list(freq.values()), base=2), abs=1e-12)
    assert counts_entropy_bits(list(freq.values())) == pytest.approx(entropy_bits(symbols), abs=1e-12)


def test_entropy_edges():
    assert entropy_bits([5, 5, 5]) == 0.0 and math.copysign(1, entropy_bits([5])) == 1.0
    assert entropy_bits(np.arange(16).reshape(4, 4)) == 4.0
    for bad in ([], np.zeros((0, 3))):
        with pytest.raises(ValueError, match="empty"):
            entropy_bits(bad)
    for bad in ([], [0, 0], [3, -1]):
        with pytest.raises(ValueError, match="counts"):
            counts_entropy_bits(bad)


def gaussian_exponent_entropy():
    """The entropy of the binade of a standard normal, summed from its distribution function.

    Rounding to BF16 moves the border of a binade down by half of the step below it, which is 2^-9 of the border.
    """
    edges = [0.0] + [2.0**k * (1 - 2**-9) for k in range(-60, 8)]
    shares = [math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2)) for a, b in itertools.pairwise(edges)]
    return -sum(p * math.log2(p) for p in shares if p > 0)


def test_exponent_entropy_of_gaussian_weights():
    w = np.random.default_rng(0).standard_normal(400_000)
    exact = gaussian_exponent_entropy()
    assert exact == pytest.approx(2.545, abs=5e-3)  # the course's figure
    assert bf16_exponent_entropy(w) == pytest.approx(exact, abs=0.01)  # 400,000 samples: sd of the estimate below 0.003
    # a power of two moves every exponent by the same step and changes no share
    assert bf16_exponent_entropy(w * 2.0**-9) == bf16_exponent_entropy(w)


def test_exponent_entropy_takes_tensors_and_views():
    w = torch.randn(64, 33, generator=torch.Generator().manual_seed(1))
    expected = bf16_exponent_entropy(w.numpy())
    assert bf16_exponent_entropy(w.to(torch.bfloat16)) == expected
    assert bf16_exponent_entropy(torch.nn.Parameter(w)) == expected
    assert bf16_exponent_entropy(w.t()) == expected == bf16_exponent_entropy(w.numpy().T)
    assert bf16_exponent_entropy(np.ones(5)) == 0.0
    with pytest.raises(ValueError, match="empty"):
        bf16_exponent_entropy(np.zeros(0))


def cheapest_prefix_code(counts):
    """The cost of the best of all length vectors that satisfy Kraft's inequality.

    No length is above n - 1, and the rarer symbol never has the shorter code: sorted vectors are enough.
    """
    n = len(counts)
    return min(sum(c * length for c, length in zip(sorted(counts, reverse=True), lengths))
               for lengths in itertools.combinations_with_replacement(range(1, max(2, n)), n)
               if sum(2 ** (n - length) for length in lengths) <= 2**n)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_lengths_are_optimal(counts):
    lengths = huffman_lengths(dict(enumerate(counts)))
    assert sum(c * lengths[i] for i, c in enumerate(counts)) == cheapest_prefix_code(counts)


@given(frequencies)
def test_lengths_lie_within_one_bit_of_the_entropy(freq):
    lengths, total = huffman_lengths(freq), sum(freq.values())
    assert set(lengths) == {s for s, n in freq.items() if n}
    mean, bound = sum(freq[s] * b for s, b in lengths.items()) / total, counts_entropy_bits(list(freq.values()))
    if len(lengths) > 1:
        assert bound <= mean + 1e-9 and mean < bound + 1
        assert sum(Fraction(1, 2**b) for b in lengths.values()) == 1
    else:
        assert list(lengths.values()) == [1]


def test_lengths_of_fibonacci_counts_make_the_deepest_tree():
    fibonacci = {0: 1, 1: 1, 2: 2, 3: 3, 4: 5, 5: 8, 6: 13}
    assert sorted(huffman_lengths(fibonacci).values()) == [1, 2, 3, 4, 5, 6, 6]
    for bad in ({}, {3: 0}):
        with pytest.raises(ValueError, match="positive"):
            huffman_lengths(bad)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_what_was_encoded_comes_back(symbols):
    codes = canonical_codes(huffman_lengths(symbol_counts(symbols)))
    assert not any(a != b and b.startswith(a) for a in codes.values() for b in codes.values())
    data, n_bits = huffman_encode(symbols, codes)
    assert n_bits == sum(len(codes[s]) for s in symbols) and len(data) == -(-n_bits // 8)
    assert huffman_decode(data, n_bits, codes) == symbols
    assert huffman_encode(np.array(symbols), codes) == (data, n_bits)


def test_canonical_codes_follow_deflate():
    # RFC 1951, section 3.2.2: lengths (3, 3, 3, 3, 3, 2, 4, 4) of ABCDEFGH and the codes printed there
    lengths = dict(zip("ABCDEFGH", (3, 3, 3, 3, 3, 2, 4, 4)))
    assert canonical_codes(lengths) == {"F": "00", "A": "010", "B": "011", "C": "100", "D": "101", "E": "110", "G": "1110", "H": "1111"}


def test_broken_streams_and_codes_are_refused():
    codes = {1: "0", 2: "10"}
    with pytest.raises(KeyError):
        huffman_encode([3], codes)
    with pytest.raises(ValueError, match="9 bits"):
        huffman_decode(b"\0", 9, codes)
    with pytest.raises(ValueError, match="at bit 1"):
        huffman_decode(b"\x60", 3, codes)  # 0, then 11, which is no code
    with pytest.raises(ValueError, match="at bit 0"):
        huffman_decode(b"\x80", 1, codes)  # half a code
    for bad, word in (({1: 1, 2: 1, 3: 1}, "Kraft"), ({1: 0}, "at least 1")):
        with pytest.raises(ValueError, match=word):
            canonical_codes(bad)
    assert huffman_decode(b"", 0, codes) == []


def test_huffman_beats_zlib_on_independent_symbols():
    """Where there are no repeats to find, zlib has its own Huffman code and its overhead to pay."""
    symbols = np.random.default_rng(0).choice(16, 20_000, p=np.arange(1, 17) / 136).astype(np.uint8)
    data, n_bits = huffman_encode(symbols, canonical_codes(huffman_lengths(symbol_counts(symbols))))
    assert 20_000 * entropy_bits(symbols) <= n_bits < 20_000 * (entropy_bits(symbols) + 0.1)
    assert len(data) < len(zlib.compress(symbols.tobytes(), 9))


@given(st.integers(1, 16), st.lists(st.integers(0, 2**16 - 1), max_size=40))
def test_fixed_width_round_trip(width, values):
    values = [v % 2**width for v in values]
    data = pack_fixed(values, width)
    assert len(data) == -(-width * len(values) // 8) and unpack_fixed(data, width, len(values)).tolist() == values


def test_fixed_width_refusals():
    for bad in ([4], [-1]):
        with pytest.raises(ValueError, match="2 bits"):
            pack_fixed(bad, 2)
    with pytest.raises(ValueError, match="10 bits"):
        unpack_fixed(b"\0", 5, 2)
