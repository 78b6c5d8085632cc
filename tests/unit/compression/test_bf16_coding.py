"""BF16 words come back bit for bit, and take about 10.6 bits each."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.bf16_coding import huffman_bf16, unhuffman_bf16
from utils.compression.coding import bf16_exponent_entropy


def tensor_of(words):
    return torch.tensor(np.array(words, np.uint16).view(np.int16)).view(torch.bfloat16)


def is_number(word):
    return word & 0x7FFF <= 0x7F80  # NaN payloads may be quieted on the way through float32


@given(st.lists(st.integers(0, 0xFFFF).filter(is_number), min_size=1, max_size=60))
def test_every_word_comes_back(words):
    data, table = huffman_bf16(tensor_of(words))
    assert unhuffman_bf16(data, table).tolist() == words


def test_gaussian_weights_shrink_by_a_third():
    w = torch.randn(100, 100, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    data, table = huffman_bf16(w)
    assert np.array_equal(unhuffman_bf16(data, table), w.flatten().view(torch.int16).numpy().view(np.uint16))
    entropy = bf16_exponent_entropy(w)
    assert 8 + entropy <= table.bits_per_weight < 8 + entropy + 0.15
    assert len(data) == 10_000 + -(-table.n_exponent_bits // 8)
    assert len(data) / w.nbytes == pytest.approx(0.67, abs=0.01)


def test_cut_and_changed_data_is_refused():
    data, table = huffman_bf16(np.linspace(-3, 3, 50))
    for bad in (data[:49], data[:-1]):
        with pytest.raises(ValueError, match="data must"):
            unhuffman_bf16(bad, table)
    with pytest.raises(ValueError, match="49 exponents"):
        unhuffman_bf16(data[:49] + data[50:], dataclasses.replace(table, n_words=49))
    with pytest.raises(ValueError):
        huffman_bf16(np.zeros(0))
