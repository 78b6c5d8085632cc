"""Exercise 11.decoder_params: a Llama-style decoder."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from utils.cost.flops import plain_counts

from ...exercise import Case, Exercise, Misconception


def _decoder(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, tied: bool, *, mlp: int = 3,
             kv: str = "grouped", tables: int | None = None, in_layer: int = 2, final: int = 1, norm: int = 1,
             biases: bool = False) -> int:
    """The count with one mistake; with its defaults it is right (an independent formulation)."""
    columns = {"grouped": d // heads * kv_heads, "full": d, "each": d * kv_heads, "one": d // heads}[kv]
    matrices = d * (2 * d + 2 * columns + mlp * d_ff)
    extra = 2 * d + 2 * columns + (mlp - 1) * d_ff + d if biases else 0
    vectors = norm * d * (layers * in_layer + final)
    if tables is None:
        tables = 1 if tied else 2
    return layers * (matrices + extra) + vectors + tables * vocab * d


def _rule_of_thumb(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, tied: bool, *,
                   tables: int = 0) -> int:
    return 12 * layers * d * d + tables * vocab * d


def _rule_with_tables(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, tied: bool) -> int:
    return _rule_of_thumb(vocab, d, layers, heads, kv_heads, d_ff, tied, tables=1 if tied else 2)


def _by_shapes(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, tied: bool) -> int:
    """Lists every tensor of the checkpoint."""
    head_dim = d // heads
    block = {"q": (heads * head_dim, d), "k": (kv_heads * head_dim, d), "v": (kv_heads * head_dim, d), "o": (d, d),
             "gate": (d_ff, d), "up": (d_ff, d), "down": (d, d_ff), "norm1": (d,), "norm2": (d,)}
    once = [(vocab, d), (d,), *([] if tied else [(vocab, d)])]
    return layers * sum(map(math.prod, block.values())) + sum(map(math.prod, once))


def _by_heads(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, tied: bool) -> int:
    """Head by head: a query head has Q and its rows of O, a key/value head has K and V."""
    one = d * (d // heads)
    total = vocab * d + d
    for _ in range(layers):
        total += 2 * one * heads + 2 * one * kv_heads
        total += d_ff * (d + d) + d_ff * d + d + d
    return total if tied else total + vocab * d


def _draw(rng: np.random.Generator) -> Case:
    kv_heads, group, head_dim = (int(rng.integers(1, n)) for n in (5, 5, 33))
    heads = kv_heads * group
    return Case(int(rng.integers(10, 5000)), heads * head_dim, int(rng.integers(1, 30)), heads, kv_heads,
                int(rng.integers(1, 600)), bool(rng.integers(2)))


decoder_params = Exercise(
    id="11.decoder_params", points=4, difficulty=2, minutes=10, idea="attention, MLP, norms, and one or two tables",
    reference=plain_counts.decoder_params,
    cases=[Case(32000, 4096, 32, 32, 32, 11008, False, label="Llama-2-7B"),
           Case(10, 8, 1, 4, 2, 16, True)],
    hidden=[Case(128256, 4096, 32, 32, 8, 14336, False, label="Llama-3-8B"),
            Case(128256, 8192, 80, 64, 8, 28672, False, label="Llama-3-70B"),
            Case(128256, 2048, 16, 32, 8, 8192, True, label="Llama-3.2-1B"),
            Case(10, 8, 1, 4, 4, 16, False), Case(7, 6, 2, 6, 1, 5, True)],
    draw=_draw, draws=30,
    misconceptions=[
        Misconception(
            "two_matrices", partial(_decoder, mlp=2),
            "The MLP is gated (SwiGLU): it has a gate, an up and a down matrix. You counted two.",
            "The gate matrix is missing."),
        Misconception(
            "full_kv", partial(_decoder, kv="full"),
            "The query heads share keys and values in groups. K and V have kv_heads·head_dim columns, not d.",
            "K and V are too wide.", also=(partial(_decoder, kv="each"),)),
        Misconception(
            "one_kv_head", partial(_decoder, kv="one"),
            "You gave K and V the width of a single head. There are `kv_heads` of them.",
            "K and V have more than one head."),
        Misconception(
            "rule_of_thumb", _rule_of_thumb,
            "12·d²·layers is a rule of thumb: 4 d² for attention and 8 d² for an MLP with d_ff = 4 d and two matrices. "
            "It leaves out the embeddings and the norms, and is 4.4 % low for Llama-2-7B. Count what is there.",
            "That is the rule of thumb.", also=(_rule_with_tables,)),
        Misconception(
            "tied_twice", partial(_decoder, tables=2),
            "A tied model uses one matrix twice: as embedding and as output head. It is stored once.",
            "A tied matrix was counted twice."),
        Misconception(
            "untied_once", partial(_decoder, tables=1),
            "An untied model has an output matrix of its own, as large as the embedding.",
            "The output matrix is missing."),
        Misconception(
            "no_tables", partial(_decoder, tables=0),
            "These are the blocks. The embedding (vocab × d) and, if it is not tied, the output matrix belong to the "
            "model as well.",
            "The embedding is missing."),
        Misconception(
            "no_final_norm", partial(_decoder, final=0),
            "You are off by exactly d. After the last block there is one more RMSNorm.",
            "The final norm is missing."),
        Misconception(
            "no_norms", partial(_decoder, norm=0),
            "An RMSNorm has a scale for each of d features. There are two in each block and one at the end.",
            "The norms are missing."),
        Misconception(
            "one_norm_a_block", partial(_decoder, in_layer=1),
            "A block normalises twice: before attention and before the MLP.",
            "A block has two norms."),
        Misconception(
            "layer_norms", partial(_decoder, norm=2),
            "You gave each norm 2·d values. That is a LayerNorm, with scale and shift. An RMSNorm has the scale only.",
            "RMSNorm has no shift."),
        Misconception(
            "biases", partial(_decoder, biases=True),
            "The matrices of this layout have no biases.",
            "There are no biases here."),
    ],
    alternatives=[_decoder, _by_shapes, _by_heads],
    hints=(
        "Q and O are d × d. K and V are d × (kv_heads·head_dim), where head_dim is d // heads.",
        "A block has four attention matrices, three MLP matrices of d × d_ff and two vectors of d.",
        "Once for the model: the embedding, a final vector of d, and the output matrix if `tied` is false.",
    ),
    worth_knowing="With the published configurations this gives the size of Llama 2 and Llama 3 checkpoints to the unit.",
)
