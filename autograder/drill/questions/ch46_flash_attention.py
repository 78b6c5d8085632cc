"""Drill questions of chapter 46: FlashAttention."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_scores(rng):
    return {"n": int(rng.choice([1024, 2048, 4096, 8192, 16384, 32768])), "heads": int(rng.choice([16, 32, 64])),
            "batch": int(rng.choice([1, 2, 4, 8]))}


def _draw_ratio(rng):
    """A query tile as tall as the head is wide at least: flatter ones would save nothing."""
    d = int(rng.choice([64, 128]))
    return {"d": d, "br": int(rng.choice([br for br in (64, 96, 128, 192, 256) if br >= d]))}


def _draw_block(rng):
    return {"kib": int(rng.choice([48, 64, 100, 164, 192, 228])), "d": int(rng.choice([48, 64, 80, 96, 128]))}


def _draw_merge(rng):
    lse1 = round(float(rng.uniform(-2, 3)), 1)
    return {"o1": int(rng.integers(1, 10)), "lse1": lse1, "o2": int(rng.integers(11, 20)),
            "lse2": round(lse1 + float(rng.choice([-1, 1]) * rng.uniform(0.5, 2.5)), 1)}


def _merged(v):
    w = 1 / (1 + math.exp(v["lse2"] - v["lse1"]))
    return w * v["o1"] + (1 - w) * v["o2"]


QUESTIONS = [
    Numeric(
        "46.score_bytes", 1, "Batch {batch}, {heads} heads, {n} tokens. How many GB (10^9 bytes) does the score matrix S of "
        "one layer take in FP16, if it is stored?",
        _draw_scores, lambda v: v["batch"] * v["heads"] * v["n"] ** 2 * 2 / 1e9,
        "Each head has N × N scores of 2 bytes: {batch} · {heads} · {n}² · 2 bytes = {answer} GB.",
        unit="GB", rtol=0.01,
        traps=((lambda v: v["batch"] * v["heads"] * v["n"] ** 2 / 1e9, "That counts elements. An FP16 number has 2 bytes."),
               (lambda v: v["batch"] * v["n"] ** 2 * 2 / 1e9, "Each head has a score matrix of its own."),
               (lambda v: v["batch"] * v["heads"] * v["n"] ** 2 * 2 / 2**30, "That is GiB. Asked is GB, 10^9 bytes."),
               (lambda v: 2 * v["batch"] * v["heads"] * v["n"] ** 2 * 2 / 1e9, "That is S and P together. Asked is S alone."))),
    Numeric(
        "46.traffic_ratio", 2, "Head size d = {d}, query tiles of Br = {br} rows, a very long sequence, no mask. By what factor "
        "does FlashAttention-2 (forward) lower the HBM traffic of standard attention?",
        _draw_ratio, lambda v: 2 * v["br"] / v["d"],
        "Standard moves about 4N², FlashAttention-2 about 2Nd for each of N/Br query tiles. 4N² / (2N²d/Br) = 2·Br/d = {answer}.",
        rtol=0.01,
        traps=((lambda v: v["br"] / v["d"], "S and P are both written and read back: 4N², not 2N²."),
               (lambda v: 4 * v["br"] / v["d"], "Each query tile reads K and V, so 2Nd elements."),
               (lambda v: v["d"] / v["br"], "Upside down: a taller query tile reads K and V less often."))),
    Numeric(
        "46.block_columns", 2, "The 2022 paper chooses Bc = ceil(M / 4d), with M the SRAM's size, counted in elements. What is Bc for "
        "{kib} KiB of SRAM, FP16 and d = {d}?",
        _draw_block, lambda v: math.ceil(v["kib"] * 512 / (4 * v["d"])),
        "M = {kib} · 1024 / 2 elements. Four tiles of about d columns share it (Q, K, V and O), so Bc = ceil(M / 4d) = {answer}.",
        traps=((lambda v: math.ceil(v["kib"] * 1024 / (4 * v["d"])), "M counts elements: an FP16 number takes 2 bytes."),
               (lambda v: v["kib"] * 512 // (4 * v["d"]), "Round up: the paper takes the ceiling."),
               (lambda v: math.ceil(v["kib"] * 512 / v["d"]), "Q, K, V and O share the SRAM, hence the 4."))),
    Numeric(
        "46.merge", 3, "Two workers share the keys of one query. The first has o = {o1}, lse = {lse1}; the second o = {o2}, "
        "lse = {lse2}. What is the combined o?",
        _draw_merge, _merged,
        "Weights are exp({lse1}) and exp({lse2}), divided by their sum: ({o1} · exp({lse1}) + {o2} · exp({lse2})) / (exp({lse1}) + exp({lse2})) = {answer}.",
        rtol=1e-3,
        traps=((lambda v: (v["o1"] + v["o2"]) / 2, "The plain mean ignores how much softmax mass each half holds: exp(lse)."),
               (lambda v: v["o1"] + v["o2"] - _merged(v), "The weights are swapped: the larger lse has the larger weight."),
               (lambda v: v["o1"] * math.exp(v["lse1"]) + v["o2"] * math.exp(v["lse2"]),
                "That sum still has to be divided by exp(lse1) + exp(lse2)."))),
    Choice(
        "46.what_falls", 1, "What does FlashAttention lower?", "HBM traffic and extra memory",
        (("The number of FLOPs", "FLOPs stay at O(N²d). The backward pass even computes S a second time."),
         ("The precision of the result", "It is exact: the same softmax, with the additions in another order."),
         ("The size of the KV cache", "The cache is as large as before. GQA, quantisation and paging work on it.")),
        "S and P stay on chip, so nothing of size N × N is written or read."),
    Choice(
        "46.decode", 2, "One new query attends to 100,000 keys, batch 1. What keeps all parts of the GPU busy?",
        "Splitting the keys over workers, and a merge",
        (("Parallel over batch and heads, as in the first version", "With batch 1 that gives one worker for each head: far "
          "fewer than a GPU has multiprocessors."),
         ("A taller query tile", "There is only one query, so there is nothing to put into a taller tile."),
         ("Fusing dropout into the kernel", "Inference has no dropout, and fusing it adds no parallel work.")),
        "Flash-Decoding: each worker attends to some of the keys, and the log-sum-exps say how to merge the parts exactly."),
    Choice(
        "46.save_lse", 2, "Why does the forward pass save lse, and not P, for the backward pass?",
        "P has N² numbers, lse N, and P can be rebuilt from it exactly",
        (("P is no longer valid after dropout", "P could be saved with its mask. It is left out because of its size."),
         ("lse is needed for the next token", "The next token has a query of its own and a log-sum-exp of its own."),
         ("exp costs nothing on a GPU", "It does cost: on Blackwell exp limits the forward kernel. Moving N² numbers costs more.")),
        "P = exp(S − lse), and S is one matrix product. The recomputation is cheaper than writing and reading N² numbers."),
    Open(
        "46.no_help", 3, "When does FlashAttention not help?",
        ("Short sequences, or tiles too small", "Decoding: K and V are read once anyway, so cache size counts (GQA, quantised KV)",
         "Layers where the large matrix products dominate", "Kernels limited by exp or shared memory, as on Blackwell",
         "Masks or biases for which no kernel exists (FlexAttention generates them)"),
        "The gain is bytes, so it is small where N × N is small, and negative where tiles are tiny. A decode step reads the KV "
        "cache once whatever the kernel: there a smaller cache helps. At short contexts the projections and the MLP take most of "
        "the time. On Blackwell the fast tensor cores wait for exp and shared memory. And each mask needs a kernel."),
]
