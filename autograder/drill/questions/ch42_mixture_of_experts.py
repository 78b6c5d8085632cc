"""Drill questions of chapter 42: mixture of experts."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_capacity(rng):
    while True:
        v = {"experts": int(rng.choice([8, 16, 64])), "k": int(rng.choice([1, 2, 4])),
             "tokens": int(rng.choice([500, 1000, 2000, 3000, 4096])), "cf": float(rng.choice([1.0, 1.25, 1.5, 2.0]))}
        if v["k"] > 1 or v["cf"] > 1:
            return v


def _places(v, k=None, rounding=math.ceil):
    return rounding(v["cf"] * v["tokens"] * (k or v["k"]) / v["experts"])


def _draw_layer(rng):
    heads = int(rng.choice([8, 16, 32]))
    return {"d": 128 * heads, "ff": int(rng.choice([2, 3, 4])) * 128 * heads, "experts": int(rng.choice([8, 16, 64])),
            "k": int(rng.choice([1, 2, 4])), "layers": int(rng.choice([24, 32, 48]))}


def _share(v, matrices=3, attention=4):
    expert, rest = matrices * v["d"] * v["ff"], attention * v["d"] ** 2
    return 100 * (rest + v["k"] * expert) / (rest + v["experts"] * expert)


def _draw_touched(rng):
    experts, k = (int(n) for n in rng.choice([[8, 2], [16, 2], [64, 6], [128, 8], [256, 8]]))
    # Batches that touch nearly all experts are left out: there the answer is hard to tell from "all of them".
    batches = [b for b in (2, 4, 8, 16, 32) if (1 - k / experts) ** b > 0.05]
    return {"experts": experts, "k": k, "batch": int(rng.choice(batches))}


def _touched(v):
    return v["experts"] * (1 - (1 - v["k"] / v["experts"]) ** v["batch"])


def _draw_exchange(rng):
    return {"tokens": int(rng.choice([1024, 4096, 8192])), "k": int(rng.choice([1, 2, 8])),
            "d": int(rng.choice([2048, 4096, 7168])), "ranks": int(rng.choice([2, 4, 8, 16]))}


def _exchange(v):
    return 2 * v["tokens"] * v["k"] * v["d"] * 2 * (v["ranks"] - 1) / v["ranks"] / 1e6


QUESTIONS = [
    Numeric(
        "42.capacity", 1,
        "A layer has {experts} experts with k = {k} and a capacity factor of {cf}. A batch has {tokens} tokens. How many "
        "assignments can one expert take, rounded up?",
        _draw_capacity, _places,
        "There are {tokens} × {k} assignments. The even share of one of {experts} experts, times {cf}, rounded up: {answer}.",
        traps=((lambda v: _places(v, rounding=math.floor), "The places are rounded up."),
               (lambda v: _places(v, k=1), "Each token makes k assignments, so there are k times as many to place."),
               (lambda v: math.ceil(v["tokens"] * v["k"] / v["experts"]), "That is the even share, without the factor."))),
    Numeric(
        "42.active_share", 2,
        "A decoder of {layers} layers has width {d}, full attention (four {d} × {d} matrices a layer), and {experts} SwiGLU "
        "experts of inner width {ff} a layer; a token uses k = {k} of them. Which share of these parameters is active, in "
        "percent? Leave out router, norms and embeddings.",
        _draw_layer, _share,
        "A layer has 4·d² outside the experts and 3·d·{ff} in each of them. With d = {d}: (4·d² + {k} · 3·d·{ff}) over "
        "(4·d² + {experts} · 3·d·{ff}) is {answer} %. The number of layers cancels.",
        unit="%", rtol=0.01,
        traps=((lambda v: 100 * v["k"] / v["experts"], "That is the share of the experts. Attention is always active."),
               (lambda v: _share(v, matrices=2), "A SwiGLU expert has three matrices."),
               (lambda v: 100 - _share(v), "That is the share that is idle."))),
    Numeric(
        "42.touched", 2,
        "A layer has {experts} experts and k = {k}. {batch} tokens choose uniformly and independently. How many different "
        "experts do they touch, on average?",
        _draw_touched, _touched,
        "One token leaves a given expert alone with the chance 1 − {k}/{experts}, all {batch} with that to the power of "
        "{batch}. So {experts}·(1 − (1 − {k}/{experts})^{batch}) = {answer}.",
        rtol=0.01,
        traps=((lambda v: v["k"] * v["batch"], "That counts every token's experts as new ones. Tokens share experts."),
               (lambda v: min(v["experts"], v["k"] * v["batch"]), "Tokens share experts long before all are taken."),
               (lambda v: v["experts"] - _touched(v), "Those are the experts that nobody needs."))),
    Numeric(
        "42.all_to_all", 3,
        "{tokens} tokens of width {d} in BF16 go to their experts (k = {k} for each token), spread evenly over {ranks} GPUs, and come back. How "
        "many MB (1e6 bytes) cross between GPUs for one layer, all GPUs together?",
        _draw_exchange, _exchange,
        "{tokens} × {k} vectors of {d} × 2 bytes. A share of ({ranks} − 1)/{ranks} leaves its GPU, and the way is made twice: "
        "{answer} MB.",
        unit="MB", rtol=0.01,
        traps=((lambda v: _exchange(v) / 2, "That is the way to the experts. The results travel back."),
               (lambda v: _exchange(v) * v["ranks"] / (v["ranks"] - 1), "With an even spread some vectors' experts are on their own GPU: these do not cross."),
               (lambda v: _exchange(v) / 2 / v["k"], "Each token is sent to k experts, and the results travel back."),
               (lambda v: _exchange(v) * 2, "BF16 has 2 bytes a value."))),
    Choice(
        "42.memory", 1, "An engine serves a model with 8 experts and k = 2. For how many experts of each layer does it need "
        "memory?",
        "8",
        (("2", "Two run for one token. The next token, or the next layer, chooses others."),
         ("4 on average", "The average says how many are read. The router may ask for any of them at any time."),
         ("2, and one as a cache", "Loading the others over a bus for each token would take far longer than the step.")),
        "Memory goes by the total, FLOPs by the active parameters."),
    Choice(
        "42.top_one", 2, "Why does a top-1 layer like Switch not rescale the weights of the chosen experts to a sum of 1?",
        "The single weight would be constant 1, so the router would get no gradient",
        (("To save the time of a division", "The division costs nothing beside the expert."),
         ("FP16 would overflow", "A weight of 1 fits every format."),
         ("The capacity would change", "The capacity depends on counts, not on weights.")),
        "The raw probability stays below 1 and depends on the logits. Through it the loss reaches the router."),
    Choice(
        "42.bias", 2, "DeepSeek-V3 adds a bias for each expert to balance the load. Where does it enter?",
        "In the selection of the experts only",
        (("In the weights of the outputs only", "Then it could not change which experts get the tokens."),
         ("In selection and weights", "Then balancing would distort the output. The weights come from the unbiased scores."),
         ("In the training loss", "The bias is moved by a rule after each step. It has no gradient.")),
        "It moves tokens between experts without pulling on the model's loss."),
    Choice(
        "42.decode_batch", 2, "At batch 1 a sparse model decodes several times faster than a dense one of the same total size. What "
        "happens to this lead at batch 64 with 8 experts and k = 2?",
        "In memory-bound decoding it nearly disappears",
        (("It stays, because k does not change", "k is for one token. 64 tokens together touch nearly all experts."),
         ("It grows with the batch", "A larger batch touches more experts, so each step reads more."),
         ("The sparse model becomes much slower", "It reads at most all of its weights, like the dense one.")),
        "64 tokens touch 8·(1 − 0.75^64), that is all 8 experts. The FLOPs stay lower, the bytes do not."),
    Open(
        "42.parallel", 3, "You serve a large MoE on several GPUs. Expert parallel or tensor parallel?",
        ("The number of tokens that an expert gets at your batch size",
         "Volume sent: all-to-all of k vectors a token, against all-reduces over all tokens",
         "Load imbalance: the fullest GPU is the straggler; copies of popular experts help",
         "Memory: all experts have to fit, in either split",
         "Small-batch decoding reads few experts, so some GPUs have little to do"),
        "Expert parallelism keeps experts whole and sends only chosen tokens, which pays at large batches with an even load. "
        "Tensor parallelism is even by construction, but makes thin matrices and all-reduces all tokens. Measure the load of "
        "the experts and the time of the collectives on your traffic, then choose; mixtures of both are common."),
]
