"""The chain on the digits network: real bytes, and accuracies through the decoded network."""

import lzma
import zlib

import numpy as np
import pytest
import torch

from utils.compression import compression_chain as chain
from utils.compression.deep_compression import CompressedModel, deep_compress
from utils.networks.digits import DigitsMLP, accuracy, load_digits_split, trained_digits


@pytest.fixture(scope="module")
def pruned():
    return chain.pruned_digits(0.8)


def test_the_courses_numbers(pruned):
    _, X, _, y = load_digits_split()
    told = chain.chain_breakdown(pruned, 0.8, 16, 5, True)
    assert told["raw"] == 17_226 * 4 and told["raw"] / told["file"] >= 15
    assert told["correct"] >= chain.correct(trained_digits(), X, y) - 0.02 * 540
    data = deep_compress(pruned, 0.8, 16, 5).to_bytes()
    network = CompressedModel.from_bytes(data).load_into(DigitsMLP())
    assert len(data) == told["file"] == sum(told["parts"].values())
    assert told["correct"] / told["total"] == accuracy(network, X, y)
    kept = sum(n for _, n in told["shared"])
    assert kept == sum(int((m.weight != 0).sum()) for m in network.linears) == told["entries"] - told["padding"]
    coded = told["parts"]["values"] + told["parts"]["gaps"]
    assert told["entropy"] <= coded < 1.03 * told["entropy"]


def test_the_network_is_pruned_as_said(pruned):
    zeros = sum(int((m.weight == 0).sum()) for m in pruned.linears)
    assert zeros == round(0.8 * 17_024)
    assert chain.pruned_digits(0.8) is not chain.pruned_digits(0.8)  # a copy each, trained once


def test_steps_only_get_smaller():
    rows = chain.chain_steps()
    sizes = [size for _, size, _ in rows]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 68_904
    assert sizes[1] > 4 * 3_405 and all(500 < good <= 540 for _, _, good in rows)


def test_general_compressors_measure_what_they_say():
    rows = {name: sizes for name, *sizes in chain.general_compressors()}
    fp32 = b"".join(p.detach().numpy().tobytes() for p in trained_digits().parameters())
    assert rows["FP32"][0] == len(fp32) and rows["FP32"][2] == len(zlib.compress(fp32, 9))
    assert rows["FP32"][3] == len(lzma.compress(fp32))
    assert 0.9 < rows["FP32"][2] / rows["FP32"][0] < 0.95  # the course's 93 %
    assert rows["INT8"][0] == 17_226 + 6 * 4


def test_int8_bytes_are_the_weights_within_half_a_step():
    model = trained_digits()
    data, at = chain.int8_bytes(model), 0
    for p in model.parameters():
        scale = np.frombuffer(data[at:at + 4], np.float32)[0]
        q = np.frombuffer(data[at + 4:at + 4 + p.numel()], np.int8).reshape(p.shape)
        at += 4 + p.numel()
        # half a step, and float32 rounding of q * scale
        assert np.abs(q * scale - p.detach().numpy()).max() <= scale / 2 * (1 + 1e-5)
    assert at == len(data)


@pytest.mark.parametrize("aware", [False, True])
def test_a_layer_in_factors(aware):
    model = trained_digits()
    told = chain.rank_snapshot(model, 1, 8, aware)
    # 64 x 128: 8192 parameters, and 8 (64 + 128) = 1536 in factors
    assert (told["before"], told["after"], told["break_even"]) == (8192, 1536, 42)
    spectrum = np.linalg.svd(model.linears[1].weight.detach().double().numpy(), compute_uv=False)
    assert told["singular"] == pytest.approx(spectrum)
    best = np.sqrt(np.sum(spectrum[8:] ** 2) / np.sum(spectrum**2))
    assert told["error"] >= best - 1e-6 and (aware or told["error"] == pytest.approx(best, abs=1e-6))
    assert told["correct"] > 515
    # the curve cuts factors of full rank: the same numbers but for float32 rounding, which may turn a tie
    curve = chain.rank_curve(model, 1, [4, 8], aware)
    assert abs(curve[1] - told["correct"]) <= 1 and curve[0] < curve[1]


def test_at_full_rank_nothing_changes():
    _, X, _, y = load_digits_split()
    model = trained_digits()
    before = chain.correct(model, X, y)
    for layer, rank in ((0, 64), (2, 10)):
        assert abs(chain.rank_snapshot(model, layer, rank)["correct"] - before) <= 1  # float32 may turn one tie


@pytest.mark.parametrize("values", [2, 3])
def test_few_values(values):
    model = trained_digits()
    few = chain.few_valued(model, values)
    for a, b in zip(model.linears, few.linears):
        assert len(b.weight.unique()) == values and torch.equal(a.bias, b.bias)
    with pytest.raises(ValueError, match="2 or 3"):
        chain.few_valued(model, 4)
