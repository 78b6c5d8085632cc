"""Drill questions of chapter 11: how to count a model's parameters."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_conv(rng):
    groups = int(rng.choice([2, 4, 8, 16]))
    bias = bool(rng.integers(2))
    return {"c_in": int(rng.choice([16, 32, 64, 128, 256, 512])), "c_out": int(rng.choice([16, 32, 64, 128, 256, 512])),
            "k": int(rng.choice([1, 3, 5, 7])), "groups": groups, "bias": bias, "with": "with" if bias else "without"}


def _conv(v):
    return v["c_out"] * (v["c_in"] // v["groups"]) * v["k"] ** 2 + v["c_out"] * v["bias"]


def _draw_encoder(rng):
    heads = int(rng.choice([4, 6, 8, 12, 16]))
    return {"d": 64 * heads, "layers": int(rng.choice([4, 6, 12, 24])), "vocab": int(rng.choice([21128, 30522, 50265])),
            "d_ff": 256 * heads}


def _encoder(v, tables=1, mlp=8):
    d = v["d"]
    blocks = v["layers"] * (4 * d * d + mlp * d * d + 13 * d)  # biases: 4d + 4d + d, two layer norms of 2d
    return (tables * v["vocab"] * d + 512 * d + 2 * d + blocks) / 1e6


def _draw_attention(rng):
    head_dim = int(rng.choice([64, 128]))
    kv = int(rng.choice([2, 4, 8]))
    heads = kv * int(rng.choice([2, 4, 8]))
    return {"d": heads * head_dim, "heads": heads, "kv": kv, "head_dim": head_dim}


def _attention(v):
    return 2 * v["d"] ** 2 + 2 * v["d"] * v["kv"] * v["head_dim"]


def _draw_moe(rng):
    experts = int(rng.choice([8, 16, 32, 64]))
    return {"d": int(rng.choice([2048, 4096])), "layers": int(rng.choice([24, 32, 48])), "vocab": 32000,
            "d_ff": int(rng.choice([1408, 4096, 14336])), "experts": experts, "k": int(rng.choice([1, 2, 4]))}


def _moe(v):
    common = 2 * v["vocab"] * v["d"] + v["layers"] * 4 * v["d"] ** 2
    expert = v["layers"] * 3 * v["d"] * v["d_ff"]
    return 100 * (common + v["k"] * expert) / (common + v["experts"] * expert)


QUESTIONS = [
    Numeric(
        "11.conv_count", 1,
        "A {k} × {k} convolution turns {c_in} channels into {c_out}, with {groups} groups and {with} bias. How many "
        "parameters does it have?",
        _draw_conv, _conv,
        "{c_out} filters, each {c_in} / {groups} deep and {k} × {k} large; a bias, if there is one, for each of the {c_out} "
        "outputs: {answer}.",
        traps=((lambda v: v["c_out"] * v["c_in"] * v["k"] ** 2 + v["c_out"] * v["bias"],
                "The groups are missing: a filter sees only the input channels of its own group."),
               (lambda v: _conv(v) - v["c_out"] if v["bias"] else _conv(v) + v["c_out"],
                "Look at the bias again: one value for each output channel, if the layer has it."),
               (lambda v: v["c_out"] * v["c_in"] * v["k"] ** 2 // v["groups"] ** 2 + v["c_out"] * v["bias"],
                "You divided by the groups twice. All output channels exist."))),
    Numeric(
        "11.encoder_millions", 2,
        "A BERT-like encoder has {layers} layers of width {d}, a feed-forward width of {d_ff} with two matrices, a "
        "vocabulary of {vocab} and 512 learned positions. How many million parameters is that? Half a per cent is close "
        "enough; there is no pooler.",
        _draw_encoder, _encoder,
        "A layer has 4·d² in attention and 8·d² in the feed-forward part; the tables have ({vocab} + 512)·d. With biases "
        "and norms: {answer} million.",
        unit="million", rtol=0.005,
        traps=((lambda v: _encoder(v, tables=0), "The embedding table of vocabulary × width is missing."),
               (lambda v: _encoder(v, tables=2), "An encoder without an output head has one table of the vocabulary."),
               (lambda v: _encoder(v, mlp=12), "The feed-forward part has two matrices of d × 4d here, not three."),
               (lambda v: _encoder(v, mlp=4), "The feed-forward part has a matrix up and a matrix down: 8·d²."))),
    Numeric(
        "11.gqa_attention", 2,
        "A decoder of width {d} has {heads} query heads of {head_dim} and {kv} key/value heads. How many parameters have the "
        "attention projections of one layer? There are no biases.",
        _draw_attention, _attention,
        "Q and O have {d}² each, K and V {d} × {kv}·{head_dim} each: {answer}.",
        traps=((lambda v: 4 * v["d"] ** 2, "That is full attention. K and V have fewer columns here."),
               (lambda v: _attention(v) - v["d"] ** 2, "The output projection O is missing."),
               (lambda v: 2 * v["d"] ** 2 + v["d"] * v["kv"] * v["head_dim"], "K and V are two matrices."),
               (lambda v: 2 * v["d"] ** 2 + 2 * v["d"] * v["head_dim"], "That is one key/value head."))),
    Numeric(
        "11.active_share", 3,
        "A mixture of experts has {layers} layers of width {d} with full attention (4·d²), {experts} gated experts of width "
        "{d_ff} in each, {k} of them used by a token, and two tables of {vocab} × d. Which share of the parameters is active, "
        "in %? Leave out norms and routers, and count both tables as active.",
        _draw_moe, _moe,
        "An expert has 3·d·{d_ff}. Active are the tables, the attention and {k} of the {experts} experts of each layer; all of them are stored. "
        "The share is {answer} %.",
        unit="%", atol=0.1,
        traps=((lambda v: 100 * v["k"] / v["experts"], "Attention and tables count as active in full: only experts are idle."),
               (lambda v: 100 - _moe(v), "That is the idle share."))),
    Choice(
        "11.larger_image", 1, "You feed 448 × 448 images instead of 224 × 224. What happens to the convolutions' parameters?",
        "They stay the same",
        (("They double", "A filter slides over the image. It has the same weights at more positions."),
         ("They are four times as many", "The MACs and the activations are. The filters stay."),
         ("That depends on the stride", "The stride changes the number of positions, not the weights.")),
        "A convolution has c_out × (c_in / groups) × k × k weights. The image size is not in there."),
    Choice(
        "11.only_in_state_dict", 2, "Which of these is in a model's `state_dict` but not in its `parameters()`?",
        "The running mean of a batch norm",
        (("The bias of a convolution", "It is trained, so it is a parameter."),
         ("The scale gamma of a batch norm", "Scale and shift are trained. They are parameters."),
         ("The embedding matrix", "It is trained like any other matrix.")),
        "The running statistics are buffers: stored and loaded, but changed by no gradient."),
    Choice(
        "11.separable_ratio", 2, "A 3 × 3 convolution with 256 channels in and out is replaced by a depthwise 3 × 3 and a "
        "pointwise layer. How many times fewer weights are that?",
        "about 8.7 times",
        (("exactly 9 times", "The pointwise layer alone would be. The depthwise layer adds 9 × 256 weights."),
         ("256 times", "The depthwise layer alone would be. The pointwise layer mixes the channels and is far larger."),
         ("3 times", "The full layer has 9·256² weights, the pair 9·256 + 256².")),
        "589,824 weights become 2,304 + 65,536 = 67,840: 8.7 times fewer."),
    Open(
        "11.same_count", 2, "Two models have the same number of parameters. Why may their latency and their memory differ by "
        "a factor of ten?",
        ("Weights are reused: a convolution's at every position, a linear layer's once, so FLOPs differ",
         "Activations: their size depends on resolution, batch and depth, not on the count",
         "Memory traffic and arithmetic intensity: some layers wait for memory",
         "Operator support and parallelism: layers that fit the hardware badly",
         "Experts that a token does not use, or another number of bits a weight"),
        "The count says how many weights are stored. How often each is used is another matter: AlexNet has 61 million and "
        "0.7 GMACs, ResNet-50 has 26 million and 4.1. Activations depend on the resolution and the batch. Depthwise layers "
        "move many bytes for few operations, and a mixture of experts leaves most weights unused. The same count also takes "
        "4 bytes or half a byte a weight."),
]
