"""Exercise 11.moe_params: total and active parameters of a mixture of experts."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.cost.flops import plain_counts

from ...exercise import Case, Exercise, Misconception


def _moe(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, experts: int, top_k: int, *,
         router: str = "full", active: str = "right", tables: int = 2, used_tables: int = 2, mlp: int = 3,
         kv: str = "grouped", norms: str = "all", check: bool = True) -> tuple[int, float]:
    """Both counts with one mistake; with its defaults they are right (an independent formulation)."""
    if check and top_k > experts:
        raise ValueError("a token cannot use more experts than there are")
    width = d // heads * (kv_heads if kv == "grouped" else heads)
    expert = mlp * d * d_ff
    vectors = {"all": 2 * layers * d + d, "none": 0, "no_final": 2 * layers * d}[norms]
    common = layers * (2 * d * d + 2 * d * width) + vectors
    gates = layers * d * (0 if router == "none" else experts)
    total = common + gates + tables * vocab * d + layers * experts * expert
    used = common + gates + (used_tables if tables == 2 else tables) * vocab * d + layers * top_k * expert
    if router == "active":
        used -= layers * d * (experts - top_k)
    share = total * top_k / experts if experts else 0
    chosen = {"right": used, "share": share, "floor": total * top_k // max(experts, 1), "total": total,
              "one": used - layers * (top_k - 1) * expert, "experts": layers * top_k * expert}[active]
    return total, chosen


def _whole_models(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, experts: int, top_k: int, *,
                  router: bool = True) -> tuple[int, int]:
    """Everything multiplied, attention and tables too."""
    dense, _ = _moe(vocab, d, layers, heads, kv_heads, d_ff, 1, 1, router="none")
    gates = layers * d * experts if router else 0
    return experts * dense + gates, top_k * dense + gates


def _from_dense(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, experts: int,
                top_k: int) -> tuple[int, int]:
    """The dense model, plus what the experts add."""
    if not top_k <= experts:
        raise ValueError("top_k must not be above experts")
    dense = plain_counts.decoder_params(vocab, d, layers, heads, kv_heads, d_ff, tied=False)
    routers, one_more = layers * d * experts, layers * 3 * d * d_ff
    return dense + routers + (experts - 1) * one_more, dense + routers + (top_k - 1) * one_more


def _by_layers(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, experts: int, top_k: int) -> list:
    """Adds up layer by layer, expert by expert."""
    if top_k > experts:
        raise ValueError("too many experts a token")
    head = d // heads
    total = active = 2 * vocab * d + d
    for _ in range(layers):
        always = d * head * 2 * (heads + kv_heads) + 2 * d + experts * d
        total, active = total + always, active + always
        for rank in range(experts):
            total += 3 * d_ff * d
            active += 3 * d_ff * d if rank < top_k else 0
    return [total, active]


def _draw(rng: np.random.Generator) -> Case:
    kv_heads, group, head_dim = (int(rng.integers(1, n)) for n in (4, 5, 33))
    heads, experts = kv_heads * group, int(rng.choice([1, 2, 4, 5, 8, 16]))
    return Case(int(rng.integers(10, 5000)), heads * head_dim, int(rng.integers(1, 30)), heads, kv_heads,
                int(rng.integers(1, 600)), experts, int(rng.integers(1, experts + 1)))


MIXTRAL = (32000, 4096, 32, 32, 8, 14336)

moe_params = Exercise(
    id="11.moe_params", points=4, difficulty=2, minutes=10, idea="memory by total, compute by active",
    reference=plain_counts.moe_params,
    cases=[Case(*MIXTRAL, 8, 2, label="Mixtral-8x7B"), Case(10, 8, 1, 4, 2, 16, 4, 2)],
    hidden=[Case(*MIXTRAL, 1, 1, label="one expert of Mixtral's size"), Case(*MIXTRAL, 8, 8, label="all experts used"),
            Case(*MIXTRAL, 8, 1, label="one expert a token"),
            Case(32768, 6144, 56, 48, 8, 16384, 8, 2, label="Mixtral-8x22B"),
            Case(10, 8, 3, 4, 4, 16, 4, 3), Case(7, 6, 2, 6, 1, 5, 3, 2)],
    draw=_draw, draws=30,
    raises=[Case(*MIXTRAL, 8, 9), Case(10, 8, 1, 4, 2, 16, 1, 2), Case(10, 8, 1, 4, 2, 16, 4, 400)],
    misconceptions=[
        Misconception(
            "whole_models", _whole_models,
            "You multiplied the whole model: \"8 × 7 B = 56 B\". Only the MLPs exist once for each expert. Attention, "
            "norms and embeddings are shared.",
            "The shared parts were multiplied.", also=(partial(_whole_models, router=False),)),
        Misconception(
            "share_of_total", partial(_moe, active="share"),
            "You took top_k / experts of everything. The attention, the embedding and the output head count in full for every "
            "token. Only the unused experts drop out.",
            "Not everything shrinks with top_k.", also=(partial(_moe, active="floor"),)),
        Misconception(
            "no_router", partial(_moe, router="none"),
            "You are off by layers·d·experts. Each layer has a router that scores all experts.",
            "The router is missing."),
        Misconception(
            "router_of_active", partial(_moe, router="active"),
            "You counted only the router's columns of the chosen experts. To choose, the router has to score all of "
            "them.",
            "The whole router is used."),
        Misconception(
            "all_active", partial(_moe, active="total"),
            "Both numbers are the same. A token computes with top_k experts in each layer, not with all of them.",
            "All experts are counted as active."),
        Misconception(
            "one_active", partial(_moe, active="one"),
            "A token uses top_k experts in each layer. You counted one.",
            "More than one expert is used."),
        Misconception(
            "experts_only", partial(_moe, active="experts"),
            "These are the experts that a token uses. Attention, norms, router, the embedding and the output head count as "
            "active too.",
            "The shared parts are active too."),
        Misconception(
            "table_not_active", partial(_moe, used_tables=1),
            "Your total is right. In the active count a matrix of vocab × d is missing: the text counts the whole embedding "
            "and the output head as active, as the published figure of 12.9 billion does.",
            "Embedding and head count as active.", also=(partial(_moe, used_tables=0),)),
        Misconception(
            "one_table", partial(_moe, tables=1),
            "The model is not tied: it has an embedding and an output matrix.",
            "The output matrix is missing."),
        Misconception(
            "two_matrices", partial(_moe, mlp=2),
            "Each expert is a gated MLP: gate, up and down. You counted two matrices.",
            "An expert has three matrices."),
        Misconception(
            "full_kv", partial(_moe, kv="full"),
            "K and V have kv_heads·head_dim columns, not d.",
            "K and V are too wide."),
        Misconception(
            "no_norms", partial(_moe, norms="none"),
            "The RMSNorms are missing: two vectors of d in each layer, one at the end.",
            "The norms are missing.", also=(partial(_moe, norms="no_final"),)),
        Misconception(
            "no_check", partial(_moe, check=False),
            "A token cannot use more experts than a layer has. The text asks for a ValueError then.",
            "Impossible numbers were counted."),
    ],
    alternatives=[_moe, _from_dense, _by_layers],
    hints=(
        "Start from exercise 3 with `tied=False`: that is a model with one expert and no router.",
        "Each further expert adds 3·d·d_ff in every layer. The router adds d·experts in every layer, to both counts.",
        "The active count is the total without (experts − top_k) experts in every layer.",
    ),
    worth_knowing="All 46.7 billion parameters of Mixtral-8x7B must be in memory, though a token uses 12.9 billion.",
)
