"""Exercise 42.moe_sizing: parameters, bytes and experts touched of a real model."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from utils.moe import accounting

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _sizing(cfg: dict, batch: int, itemsize: int, hbm_gb_s: float, *, matrices: int = 3, gqa: bool = True,
            router: bool = True, norms: str = "all", whole: bool = False, active: str = "k", touched: str = "expected",
            step: str = "touched", embedding: bool = False, head: bool = True, gib: bool = False, tied: bool = False,
            rate: str = "steps") -> dict:
    """The sizes with one mistake; with its defaults it is right (an independent formulation)."""
    d, layers, experts, k = cfg["d_model"], cfg["layers"], cfg["experts"], cfg["k"]
    table = cfg["vocab"] * d
    width = d // cfg["heads"] * (cfg["kv_heads"] if gqa else cfg["heads"])
    expert = matrices * d * cfg["d_ff"]
    norm = {"all": 2 * d, "none": 0, "one": d}[norms]
    shared_layer = 2 * d * d + 2 * d * width + (d * experts if router else 0) + norm
    shared = layers * shared_layer + (1 if tied else 2) * table + (d if norms != "none" else 0)
    if whole:
        total = experts * (shared + layers * expert)
        used = k * (shared + layers * expert)
    else:
        total = shared + layers * experts * expert
        used = shared + layers * expert * {"k": k, "all": experts, "one": 1}[active]
        if active == "no_embedding":
            used = shared
    needed = {"expected": experts - experts * (1 - k / experts) ** batch, "no_overlap": k * batch,
              "min": min(experts, k * batch), "all": experts, "k": k,
              "rounded": round(experts * (1 - (1 - k / experts) ** batch))}[touched]
    read = shared - (0 if embedding else table) - (0 if head else table) + layers * needed * expert
    if step == "active_times_batch":
        read = (used - table) * batch
    elif step == "active_times_batch_full":
        read = used * batch
    read *= itemsize
    steps = hbm_gb_s * 1e9 / read
    return {"total_params": total, "active_params": used, "weight_gb": total * itemsize / (2**30 if gib else 1e9),
            "expected_bytes_per_step": float(read),
            "max_steps_per_s": {"steps": steps, "tokens": steps * batch, "giga": hbm_gb_s / read}[rate]}


def _sizing_by_layers(cfg: dict, batch: int, itemsize: int, hbm_gb_s: float) -> dict:
    """Adds up layer by layer, and the chance of each expert to be needed."""
    d, head_dim = cfg["d_model"], cfg["d_model"] // cfg["heads"]
    spared = math.prod([(cfg["experts"] - cfg["k"]) / cfg["experts"]] * batch)  # nobody wants a given expert
    total, active, read = d, d, d * 1.0
    for _ in range(cfg["layers"]):
        attention = d * head_dim * (2 * cfg["heads"] + 2 * cfg["kv_heads"])
        always = attention + d * cfg["experts"] + d + d
        one = d * cfg["d_ff"] * 3
        total += always + cfg["experts"] * one
        active += always + cfg["k"] * one
        read += always + cfg["experts"] * (1 - spared) * one
    total, active, read = total + 2 * cfg["vocab"] * d, active + 2 * cfg["vocab"] * d, read + cfg["vocab"] * d
    return {"max_steps_per_s": 1e9 * hbm_gb_s / (read * itemsize), "expected_bytes_per_step": read * itemsize,
            "weight_gb": total / 1e9 * itemsize, "active_params": active, "total_params": total}


_MIXTRAL = {"layers": 32, "d_model": 4096, "d_ff": 14336, "heads": 32, "kv_heads": 8, "vocab": 32000, "experts": 8, "k": 2}
_MIXTRAL_BIG = {"layers": 56, "d_model": 6144, "d_ff": 16384, "heads": 48, "kv_heads": 8, "vocab": 32768, "experts": 8,
                "k": 2}


def _draw_sizing(rng: np.random.Generator) -> Case:
    kv_heads = int(rng.choice([1, 2, 4]))
    heads = kv_heads * int(rng.choice([1, 2, 4]))
    experts = int(rng.choice([2, 4, 8, 16, 64]))
    cfg = {"layers": int(rng.integers(1, 40)), "d_model": heads * int(rng.choice([16, 32, 64])),
           "d_ff": int(rng.integers(8, 2000)), "heads": heads, "kv_heads": kv_heads, "vocab": int(rng.integers(100, 40000)),
           "experts": experts, "k": int(rng.integers(1, min(experts, 8) + 1))}
    return Case(cfg, int(rng.choice([1, 2, 4, 16, 64])), int(rng.choice([1, 2, 4])), float(rng.choice([900.0, 2039.0, 3350.0])))


moe_sizing = Exercise(
    id="42.moe_sizing", points=5, difficulty=3, minutes=30,
    idea="memory by total, FLOPs by active, bandwidth by experts touched",
    reference=accounting.moe_sizing,
    cases=[Case(_MIXTRAL, 1, 2, 3350.0, label="Mixtral-8x7B, batch 1, BF16, 3350 GB/s"),
           Case(_MIXTRAL, 16, 2, 3350.0, label="Mixtral-8x7B, batch 16, BF16, 3350 GB/s")],
    hidden=[
        Case(_MIXTRAL_BIG, 4, 2, 3350.0, label="Mixtral-8x22B, batch 4"),
        Case(_MIXTRAL, 4, 1, 2039.0, label="Mixtral-8x7B, batch 4, one byte a weight"),
        Case(_MIXTRAL, 4096, 2, 3350.0, label="Mixtral-8x7B, batch 4096"),
        Case({**_MIXTRAL, "k": 8}, 3, 2, 3350.0, label="k = all experts"),
        Case({**_MIXTRAL, "kv_heads": 32}, 2, 2, 3350.0, label="as many key/value heads as heads"),
    ],
    draw=_draw_sizing, draws=30, compare=close(1e-11),
    misconceptions=[
        Misconception(
            "eight_models", partial(_sizing, whole=True),
            "You multiplied the whole model by the number of experts: \"8 × 7 B = 56 B\". Attention, embeddings and norms "
            "exist once. Only the feed-forward part is there for each expert.",
            "The shared parts were multiplied."),
        Misconception(
            "two_matrices", partial(_sizing, matrices=2),
            "A SwiGLU expert has three matrices: gate, up and down. You counted two.",
            "An expert has three matrices."),
        Misconception(
            "no_gqa", partial(_sizing, gqa=False),
            "Keys and values have `kv_heads` heads, not `heads`. With 8 of 32 their projections are a quarter as wide.",
            "K and V are too wide."),
        Misconception(
            "no_router", partial(_sizing, router=False),
            "Each layer has a router of d_model × experts weights. It is small, but the count is exact.",
            "The router is missing."),
        Misconception(
            "no_norms", partial(_sizing, norms="none"),
            "The RMSNorm weights are missing: two vectors of d_model in each layer, and one before the output head.",
            "The norms are missing.", also=(partial(_sizing, norms="one"),)),
        Misconception(
            "tied", partial(_sizing, tied=True, embedding=True),
            "The input embedding and the output head are two tables here. You counted one.",
            "One table of the vocabulary is missing."),
        Misconception(
            "all_active", partial(_sizing, active="all"),
            "A token computes with k experts, not with all of them. All of them are in memory; that is the total.",
            "All experts are counted as active."),
        Misconception(
            "times_batch", partial(_sizing, step="active_times_batch"),
            "You read the active weights once for each sequence. A matrix that was read serves all tokens of the step. How "
            "many *different* experts does the batch need?",
            "Weights were read once for each token.", also=(partial(_sizing, step="active_times_batch_full"),)),
        Misconception(
            "no_overlap", partial(_sizing, touched="no_overlap"),
            "You count k new experts for every token, at batch 16 more than there are. Tokens share experts. What is the "
            "chance that one expert is chosen by none of them?",
            "More experts than there are.", also=(partial(_sizing, touched="min"),)),
        Misconception(
            "only_k", partial(_sizing, touched="k"),
            "Only k experts were read. That is right for a batch of 1. With more tokens, more experts are needed.",
            "The batch touches more than k experts."),
        Misconception(
            "all_read", partial(_sizing, touched="all"),
            "All experts were read. A small batch does not need all of them: one token needs k.",
            "A small batch reads fewer experts."),
        Misconception(
            "rounded", partial(_sizing, touched="rounded"),
            "An expected number need not be whole. Do not round the experts touched.",
            "The expectation was rounded."),
        Misconception(
            "embedding_read", partial(_sizing, embedding=True),
            "A step looks up one row of the input embedding for each sequence. The table itself is not read.",
            "The input embedding was read."),
        Misconception(
            "head_missing", partial(_sizing, head=False),
            "The output head is a matrix product like the others, so every step reads all of it.",
            "The output head was not read."),
        Misconception(
            "gib", partial(_sizing, gib=True),
            "You divided by 2³⁰. The text asks for GB: 1e9 bytes.",
            "GiB instead of GB."),
        Misconception(
            "tokens", partial(_sizing, rate="tokens"),
            "This is the bound of tokens per second, for all sequences together. The question is about steps: one step "
            "gives each sequence one token.",
            "Tokens instead of steps."),
        Misconception(
            "giga", partial(_sizing, rate="giga"),
            "Your rate is a billion times too small. `hbm_gb_s` is in GB/s, the step in bytes.",
            "GB/s and bytes were mixed."),
    ],
    alternatives=[_sizing, _sizing_by_layers],
    hints=(
        "Write down three lists: what a layer has once (attention, router, norms), what it has for each expert, and what "
        "the model has once (two tables, the final norm).",
        "The total has all experts in each layer, the active count k of them. Nothing else differs.",
        "One token leaves a given expert alone with the chance 1 − k / E. So the batch touches E·(1 − (1 − k / E)^batch) "
        "experts in each layer.",
    ),
    worth_knowing="Real routing is less even than independent draws, so a real batch touches somewhat fewer experts.",
)
