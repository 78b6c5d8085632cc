"""The whole chain: what is written is what is read, down to the bit, and nothing else can be read."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from utils.compression.coding import entropy_bits
from utils.compression.deep_compression import CompressedModel, RawTensor, SharedTensor, deep_compress, value_bits
from utils.networks.digits import DigitsCNN, seeded


def network(seed=0):
    return seeded(lambda: nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 7)), seed)


OPTIONS = list(itertools.product((0.0, 0.5, 0.93, 1.0), (2, 5, 16, 256), (1, 3, 8), (True, False)))


@pytest.mark.parametrize("sparsity, k, bits, huffman", OPTIONS)
def test_the_file_gives_the_same_network(sparsity, k, bits, huffman):
    model = network()
    compressed = deep_compress(model, sparsity, k, bits, huffman=huffman)
    data = compressed.to_bytes()
    decoded = CompressedModel.from_bytes(data)
    assert decoded.to_bytes() == data and sum(compressed.breakdown().values()) == len(data)
    before, after = compressed.state_dict(), decoded.state_dict()
    assert list(before) == list(after) == list(model.state_dict())
    for name, tensor in before.items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, after[name])
    loaded = decoded.load_into(network(1))
    x = torch.randn(5, 20, generator=torch.Generator().manual_seed(2))
    assert torch.equal(loaded(x), compressed.load_into(network(3))(x))


@pytest.mark.parametrize("sparsity, k, bits, huffman", OPTIONS)
def test_what_the_chain_promises_of_the_weights(sparsity, k, bits, huffman):
    model = network()
    state, told = model.state_dict(), deep_compress(model, sparsity, k, bits, huffman=huffman)
    decoded = told.state_dict()
    zeros = sum(int((decoded[name] == 0).sum()) for name in ("0.weight", "2.weight"))
    assert zeros >= round(sparsity * 810)  # a shared value may be 0.0 itself, never fewer
    for t in told.tensors:
        if isinstance(t, RawTensor):
            assert torch.equal(decoded[t.name], state[t.name])
            continue
        assert len(t.codebook) <= k and np.all(t.gaps < 2**bits) and (t.index < max(len(t.codebook), 1)).all()
        assert len(torch.unique(decoded[t.name])) <= len(t.codebook) + 1
        kept = decoded[t.name] != 0
        away = (state[t.name][kept] - decoded[t.name][kept]).abs()
        for value in t.codebook[t.codebook != 0].tolist():  # no other shared value is nearer
            assert torch.all(away <= (state[t.name][kept] - value).abs() + 1e-6)


def test_pruned_weights_are_pruned_no_further():
    model = network()
    once = deep_compress(model, 0.5, 256, 4)
    again = deep_compress(once.load_into(network()), 0.5, 256, 4)
    for a, b in zip(once.state_dict().values(), again.state_dict().values()):
        assert torch.equal(a == 0, b == 0)


def test_convolutions_and_their_biases():
    model = seeded(DigitsCNN, 0)
    compressed = deep_compress(model, 0.6, 8, 4)
    loaded = CompressedModel.from_bytes(compressed.to_bytes()).load_into(DigitsCNN())
    assert {t.name for t in compressed.tensors if isinstance(t, SharedTensor)} == {n for n, p in model.named_parameters() if p.ndim > 1}
    for (name, p), q in zip(model.named_parameters(), loaded.parameters()):
        assert torch.equal(p, q) if p.ndim == 1 else len(q.unique()) <= 9, name


def test_sizes_by_hand_at_fixed_width():
    model = nn.Linear(64, 64, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([1.0, -1.0, 2.0, -2.0]).repeat(1024).reshape(64, 64))
    parts = deep_compress(model, 0.0, 4, 3, huffman=False).breakdown()
    assert parts["values"] == 4096 * 2 // 8 and parts["gaps"] == 4096 * 3 // 8 and parts["codebooks"] == 16
    coded = deep_compress(model, 0.0, 4, 3).breakdown()
    assert coded["values"] == 1024 and coded["gaps"] == 512  # uniform values gain nothing; one gap alone takes 1 bit


def test_huffman_streams_stay_within_a_bit_of_the_entropy():
    compressed = deep_compress(network(), 0.8, 16, 4)
    parts = compressed.breakdown()
    shared = [t for t in compressed.tensors if isinstance(t, SharedTensor)]
    bound = sum(len(s) * entropy_bits(s) for t in shared for s in (t.index, t.gaps)) / 8
    entries = sum(len(t.index) for t in shared)
    assert bound <= parts["values"] + parts["gaps"] < bound + 2 * entries / 8 + 4  # 4 bytes: each stream ends a byte


@pytest.mark.parametrize("huffman", [True, False])
def test_nothing_but_a_whole_file_is_read(huffman):
    data = deep_compress(network(), 0.9, 4, 3, huffman=huffman).to_bytes()
    for end in range(len(data)):
        with pytest.raises(ValueError, match="data must"):
            CompressedModel.from_bytes(data[:end])
    with pytest.raises(ValueError, match="1 bytes more"):
        CompressedModel.from_bytes(data + b"\0")
    with pytest.raises(ValueError, match="must begin with"):
        CompressedModel.from_bytes(b"PK\3\4" + data)


@pytest.mark.parametrize("huffman", [True, False])
def test_a_changed_byte_is_refused_or_gives_a_model(huffman):
    """Never another error than ValueError: a file comes from outside."""
    data, rng = deep_compress(network(), 0.9, 5, 2, huffman=huffman).to_bytes(), np.random.default_rng(0)
    refused = 0
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= int(rng.integers(1, 256))
        try:
            CompressedModel.from_bytes(bytes(bad))
        except ValueError:
            refused += 1
    assert refused > 20


def test_a_changed_count_cannot_ask_for_memory():
    """One shared value takes 0 bits, so the number of entries alone would decide how much is allocated."""
    model = nn.Linear(8, 4, bias=False)
    nn.init.ones_(model.weight)
    data = deep_compress(model, 0.0, 4, 3, huffman=False).to_bytes()
    at = data.index(np.float32(1).tobytes()) - 4  # the count stands before the codebook
    assert int.from_bytes(data[at:at + 4], "little") == 32
    with pytest.raises(ValueError, match="do not fit"):
        CompressedModel.from_bytes(data[:at] + b"\xff\xff\xff\x7f" + data[at + 4:])


def test_another_architecture_is_refused():
    with pytest.raises(ValueError, match="model must have the tensors"):
        deep_compress(network(), 0.5, 4, 4).load_into(nn.Linear(20, 30))


def test_bad_arguments():
    model = network()
    for sparsity, k, bits, word in ((0.5, 1, 4, "k must"), (0.5, 257, 4, "k must"), (0.5, 4, 0, "index_bits"), (0.5, 4, 17, "index_bits"),
                                    (1.5, 4, 4, "sparsity")):
        with pytest.raises(ValueError, match=word):
            deep_compress(model, sparsity, k, bits)
    with pytest.raises(TypeError, match="float32"):
        deep_compress(network().double(), 0.5, 4, 4)
    with torch.no_grad():
        model[0].bias[3] = float("nan")
    with pytest.raises(ValueError, match="finite"):
        deep_compress(model, 0.5, 4, 4)
    broken = SharedTensor("w", (2, 2), np.float32([1.0]), np.zeros(2, np.int64), np.array([1, 2]))
    with pytest.raises(ValueError, match="within 4 positions"):
        broken.dense()


def test_width_of_an_index():
    assert [value_bits(k) for k in (0, 1, 2, 3, 4, 5, 16, 17, 256)] == [0, 0, 1, 2, 2, 3, 4, 5, 8]
