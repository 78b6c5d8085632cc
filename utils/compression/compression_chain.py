"""The chain on the digits network: what each step costs and saves, and what a general compressor makes of it."""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from utils.compression.binary import binarize, ternarize_optimal
from utils.compression.coding import entropy_bits
from utils.compression.deep_compression import CompressedModel, SharedTensor, deep_compress
from utils.compression.low_rank import break_even_rank, factorize_linear
from utils.compression.pruning.masks import global_masks
from utils.compression.pruning.report import finetuned_copy, prunable
from utils.networks.digits import Array, DigitsMLP, load_digits_split, predict, trained_digits
from utils.numerics.int8 import affine_qparams, quantize

_split = cache(load_digits_split)  # read many times while a knob is turned; nobody writes to it


@cache
def _pruned_state(sparsity: float, epochs: int) -> dict[str, Tensor]:
    X, _, y, _ = _split()
    model = trained_digits()
    weights = prunable(model)
    masks = dict(zip(weights, global_masks(list(weights.values()), sparsity)))
    return finetuned_copy(model, masks, X, y, epochs=epochs).state_dict()


def pruned_digits(sparsity: float, epochs: int = 6) -> DigitsMLP:
    """The trained digits network, pruned by magnitude with one threshold and fine-tuned; trained once a process."""
    model = DigitsMLP()
    model.load_state_dict(_pruned_state(sparsity, epochs))
    return model.eval()


def correct(model: nn.Module, X: Array, y: Array) -> int:
    """How many rows of X have their largest logit at the label y."""
    return int((predict(model, X).argmax(1) == torch.as_tensor(y)).sum())


def raw_bytes(model: nn.Module) -> int:
    """Bytes of all parameters as they are."""
    return sum(p.nbytes for p in model.parameters())


def entropy_bytes(model: CompressedModel) -> float:
    """Bytes below which no code that treats symbols one by one could bring the values and gaps, tables left out."""
    shared = [t for t in model.tensors if isinstance(t, SharedTensor) and len(t.index)]
    return sum(len(s) * entropy_bits(s) for t in shared for s in (t.index, t.gaps)) / 8


def chain_breakdown(model: nn.Module, sparsity: float, k: int, index_bits: int, huffman: bool) -> dict[str, Any]:
    """The chain on a digits network, through real bytes.

    raw, file: bytes before and after; parts: bytes of the file by part; entropy: `entropy_bytes`; entries, padding:
    how many were stored and how many of them bridge a gap; correct, total: test images that the *decoded* network
    gets right; shared: (value, how often) over all codebooks, padding left out.
    """
    compressed = deep_compress(model, sparsity, k, index_bits, huffman=huffman)
    data = compressed.to_bytes()
    decoded = CompressedModel.from_bytes(data)
    network = decoded.load_into(DigitsMLP(model.hidden))
    _, X, _, y = _split()
    shared = [t for t in decoded.tensors if isinstance(t, SharedTensor)]
    stored = [(float(value), int(np.sum(t.index == i))) for t in shared for i, value in enumerate(t.codebook) if value]
    return {
        "raw": raw_bytes(model), "file": len(data), "parts": compressed.breakdown(),
        "entropy": entropy_bytes(compressed), "entries": sum(len(t.index) for t in shared),
        "padding": sum(len(t.index) for t in shared) - sum(n for _, n in stored),
        "correct": correct(network, X, y), "total": len(y), "shared": sorted(stored),
    }


def chain_steps(sparsity: float = 0.8, k: int = 16, index_bits: int = 5) -> list[tuple[str, int, int]]:
    """(step, bytes, correct test images) of the digits network along the chain.

    The second row is computed: the third one's file with 4 bytes for each stored entry instead of an index and a
    codebook. The last two are files that were written and read back.
    """
    _, X, _, y = _split()
    dense, pruned = trained_digits(), pruned_digits(sparsity)
    fixed, coded = (chain_breakdown(pruned, sparsity, k, index_bits, huffman) for huffman in (False, True))
    sparse = fixed["file"] - fixed["parts"]["values"] - fixed["parts"]["codebooks"] + 4 * fixed["entries"]
    return [
        ("FP32, dense", raw_bytes(dense), correct(dense, X, y)),
        (f"{100 * sparsity:.0f} % pruned, FP32 values, {index_bits}-bit gaps", sparse, correct(pruned, X, y)),
        (f"{k} shared values", fixed["file"], fixed["correct"]),
        ("Huffman", coded["file"], coded["correct"]),
    ]


def int8_bytes(model: nn.Module) -> bytes:
    """Each parameter tensor as symmetric INT8 (per tensor), one after another, each with its FP32 scale."""
    pieces = []
    for p in model.parameters():
        w = p.detach().numpy()
        scale, zero = affine_qparams(float(w.min()), float(w.max()), -127, 127, symmetric=True)
        pieces += [np.float32(scale).tobytes(), quantize(w, scale, zero, -127, 127).astype(np.int8).tobytes()]
    return b"".join(pieces)


def general_compressors(sparsity: float = 0.8) -> list[tuple[str, int, int, int, int]]:
    """(what, bytes as they are, npz, zlib, lzma) of the digits network as FP32, INT8 and pruned FP32."""
    dense, pruned = trained_digits(), pruned_digits(sparsity)
    rows = []
    for name, data in (("FP32", _fp32(dense)), ("INT8", int8_bytes(dense)), ("FP32, pruned", _fp32(pruned)),
                       ("INT8, pruned", int8_bytes(pruned))):
        file = io.BytesIO()
        np.savez_compressed(file, np.frombuffer(data, np.uint8))
        rows.append((name, len(data), len(file.getvalue()), len(zlib.compress(data, 9)),
                     len(lzma.compress(data))))
    return rows


def _fp32(model: nn.Module) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())


# --- one layer, and one bit -------------------------------------------------------------------


def rank_snapshot(model: DigitsMLP, layer: int, rank: int, data_aware: bool = False) -> dict[str, Any]:
    """One linear layer of a digits network in factors of a rank.

    singular: its singular values; break_even: the largest rank that saves parameters; before, after: parameters of
    the layer's matrix; error: ||W - A B|| / ||W||; correct, total: test images of the network with the factors.
    data_aware fits the factors to the layer's outputs on the training images.
    """
    linear = model.linears[layer]
    factors = _factors(model, layer, rank, data_aware)
    W = linear.weight.detach().double().numpy()  # (m, n)
    product = factors[1].weight.detach().double().numpy() @ factors[0].weight.detach().double().numpy()
    m, n = W.shape
    _, X_test, _, y_test = _split()
    return {
        "singular": np.linalg.svd(W, compute_uv=False), "break_even": break_even_rank(m, n), "before": m * n,
        "after": rank * (m + n), "error": float(np.linalg.norm(W - product) / np.linalg.norm(W)),
        "correct": correct(_with_layer(model, linear, factors), X_test, y_test), "total": len(y_test),
    }


def rank_curve(model: DigitsMLP, layer: int, ranks: Sequence[int], data_aware: bool = False) -> list[int]:
    """Correct test images at each rank of one layer.

    One decomposition serves them all: the factors of a rank are the first columns and rows of those of full rank.
    """
    _, X_test, _, y_test = _split()
    linear = model.linears[layer]
    full = _factors(model, layer, min(linear.weight.shape), data_aware)
    return [correct(_with_layer(model, linear, _first(full, rank)), X_test, y_test) for rank in ranks]


def _factors(model: DigitsMLP, layer: int, rank: int, data_aware: bool) -> nn.Sequential:
    """The layer in factors; data_aware: fitted to its outputs on the training images."""
    position = [i for i, m in enumerate(model.net) if isinstance(m, nn.Linear)][layer]
    inputs = predict(model.net[:position], _split()[0]).numpy() if data_aware else None  # (samples, n)
    return factorize_linear(model.linears[layer], rank, inputs)


def _first(factors: nn.Sequential, rank: int) -> nn.Sequential:
    """The factors cut to a rank."""
    first, second = factors
    cut = nn.Sequential(nn.Linear(first.in_features, rank, bias=False), nn.Linear(rank, second.out_features))
    cut.load_state_dict({"0.weight": first.weight[:rank], "1.weight": second.weight[:, :rank], "1.bias": second.bias})
    return cut


def _with_layer(model: DigitsMLP, old: nn.Module, new: nn.Module) -> nn.Sequential:
    """The network with one layer replaced."""
    return nn.Sequential(*(new if m is old else m for m in model.net))


def few_valued(model: DigitsMLP, values: int) -> DigitsMLP:
    """A copy whose matrices have 2 or 3 values each, fitted after training. ValueError for other counts."""
    if values not in (2, 3):
        raise ValueError(f"values must be 2 or 3, got {values}")
    fit = binarize if values == 2 else ternarize_optimal
    copy = DigitsMLP(model.hidden)
    state = dict(model.state_dict())
    for name, w in prunable(model).items():
        alpha, t = fit(w.numpy())
        state[name] = torch.from_numpy((alpha * t).astype(np.float32))
    copy.load_state_dict(state)
    return copy.eval()
