"""Exercise 12.decoder_step_flops: the FLOPs of one decoded token."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from utils.cost.flops import llm as llm_flops

from ...exercise import Case, Exercise, Misconception


def _step(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, context: int, *,
          embeddings: int = 1, norms: bool = False, products: int = 2, attended: str = "heads", power: int = 1,
          flops: int = 2, full_kv: bool = False, mlp: int = 3) -> dict[str, int]:
    """FLOPs with one mistake; with its defaults it is right (an independent formulation)."""
    head_dim = d // heads
    width = {"heads": heads, "kv": kv_heads}[attended] * head_dim
    columns = d + 2 * (heads if full_kv else kv_heads) * head_dim
    weights = layers * (d * columns + d * d + mlp * d * d_ff) + embeddings * vocab * d
    weights += (2 * layers + 1) * d if norms else 0
    linear_flops = flops * weights
    attention = flops * products * layers * context**power * width
    return {"linear": linear_flops, "attention": attention, "total": linear_flops + attention}


def _step_by_matmuls(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, context: int) -> dict:
    """Lists every product (rows, inner, columns) of one token."""
    d_head = d // heads
    weights = [(1, d, d), (1, d, kv_heads * d_head), (1, d, kv_heads * d_head), (1, d, d), (1, d, d_ff), (1, d, d_ff),
               (1, d_ff, d)] * layers + [(1, d, vocab)]
    scores = [(1, d_head, context), (1, context, d_head)] * (heads * layers)
    parts = [sum(2 * n * m * k for n, m, k in shapes) for shapes in (weights, scores)]
    return dict(zip(("linear", "attention", "total"), (*parts, sum(parts))))


def _step_by_matrices(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, context: int) -> dict:
    """Sums the sizes of empty matrices."""
    kv = d // heads * kv_heads
    block = sum(math.prod(s) for s in [(d, d + 2 * kv), (d, d), (d, 2 * d_ff), (d_ff, d)])
    linear_flops, attention = (layers * block + math.prod((d, vocab))) * 2, 4 * d * context * layers
    return {"total": linear_flops + attention, "attention": attention, "linear": linear_flops}


def _draw_step(rng: np.random.Generator) -> Case:
    kv_heads, group, head_dim = (int(rng.integers(1, n)) for n in (5, 5, 33))
    heads = kv_heads * group
    return Case(int(rng.integers(100, 5000)), heads * head_dim, int(rng.integers(1, 20)), heads, kv_heads,
                int(rng.integers(10, 500)), int(rng.integers(1, 3000)))


LLAMA3_8B = (128256, 4096, 32, 32, 8, 14336)

decoder_step_flops = Exercise(
    id="12.decoder_step_flops", points=4, difficulty=2, minutes=20, idea="2 FLOPs a weight, plus attention by context",
    reference=llm_flops.decoder_step_flops,
    cases=[Case(*LLAMA3_8B, 8192, label="Llama-3-8B, context 8,192"),
           Case(10, 8, 1, 4, 2, 16, 5)],
    hidden=[
        Case(*LLAMA3_8B, 1, label="Llama-3-8B, the first token"),
        Case(*LLAMA3_8B, 28628, label="Llama-3-8B, context 28,628"),
        Case(128256, 4096, 32, 32, 32, 14336, 8192, label="the same with 32 key/value heads"),
        Case(32000, 4096, 32, 32, 32, 11008, 2048, label="Llama-2-7B, context 2,048"),
    ],
    draw=_draw_step, draws=40,
    misconceptions=[
        Misconception(
            "two_n", partial(_step, embeddings=2),
            "2 FLOPs for every parameter is close, but the input embedding is a table from which one row is read. A "
            "lookup is not a matrix product: 16.06 G is 7 % too high here.",
            "The embedding lookup was counted.", also=(partial(_step, embeddings=2, norms=True),)),
        Misconception(
            "one_product", partial(_step, products=1),
            "Attention has two products with the context: the scores Q·Kᵀ, and the scores times V. You have one of "
            "them.",
            "Attention multiplies twice."),
        Misconception(
            "kv_heads_attend", partial(_step, attended="kv"),
            "Grouped queries share keys and values, which saves memory and the K and V projections. Each of the query "
            "heads still computes its own scores with them.",
            "All query heads attend."),
        Misconception(
            "context_squared", partial(_step, power=2),
            "One new token attends to `context` positions, once. The square is the work of the whole prompt, where "
            "every position attends to all before it.",
            "That is the prompt, not one step."),
        Misconception(
            "counts_macs", partial(_step, flops=1),
            "These are multiply–accumulates. The task asks for FLOPs, two for each of them.",
            "These are MACs, not FLOPs."),
        Misconception(
            "full_kv_projections", partial(_step, full_kv=True),
            "The K and V projections have only kv_heads·head_dim columns. You gave them one for every query head.",
            "K and V are too wide."),
        Misconception(
            "two_mlp_matrices", partial(_step, mlp=2),
            "A gated MLP has three matrices: gate, up and down. You have two.",
            "The gate matrix is missing."),
        Misconception(
            "no_head", partial(_step, embeddings=0),
            "The output head is a matrix product of d by vocab, and it runs for every new token.",
            "The output head is missing."),
    ],
    alternatives=[_step, _step_by_matmuls, _step_by_matrices],
    hints=(
        "List the matrices of one block: Q and O are d × d, K and V are d × (kv_heads·head_dim), the MLP has three of "
        "d × d_ff.",
        "One token times a matrix of n weights costs n MACs. Add the output head of d × vocab.",
        "For each layer and head: head_dim·context MACs for the scores, and as many for the weighted sum of V. "
        "heads·head_dim is d.",
    ),
    worth_knowing="For Llama-3-8B attention costs as much as all matrices together from a context of 28,628 tokens on.",
)
