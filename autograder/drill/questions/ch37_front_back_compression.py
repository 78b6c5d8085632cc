"""Drill questions of chapter 37: front-end and back-end compression."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_shape(rng):
    m, n = (int(rng.choice([64, 96, 128, 256, 384, 512, 768, 1024])) for _ in range(2))
    return {"m": m, "n": n}


def _break_even(v):
    return (v["m"] * v["n"] - 1) // (v["m"] + v["n"])


def _draw_counts(rng):
    a, b, c, d = (int(x) for x in sorted(rng.choice([40, 60, 90, 150, 240, 400, 700, 1200], 4, replace=False), reverse=True))
    return {"a": a, "b": b, "c": c, "d": d, "n": a + b + c + d}


def _ideal_bytes(v, log=math.log2):
    return sum(v[s] * log(v["n"] / v[s]) for s in "abcd") / 8


def _draw_density(rng):
    return {"sparsity": int(rng.choice([60, 75, 80, 90, 92])), "k": int(rng.choice([4, 8, 16, 32, 64])), "gap": int(rng.integers(3, 9))}


def _bits(v, density=None, index=True, value=True):
    density = 1 - v["sparsity"] / 100 if density is None else density
    return density * (value * math.log2(v["k"]) + index * v["gap"])


def _draw_vector(rng):
    while True:
        w = [int(x) / 10 for x in rng.choice([-20, -15, -12, -9, -6, -4, 3, 5, 8, 11, 14, 18], 4, replace=False)]
        size = [abs(x) for x in w]
        if max(size) > 1.5 * min(size):
            return {"w": ", ".join(f"{x:g}" for x in w), "size": size}


def _binary_error(v):
    size = v["size"]
    return 1 - sum(size) ** 2 / (len(size) * sum(x * x for x in size))


def _binary_error_with(v, alpha):
    return sum((x - alpha) ** 2 for x in v["size"]) / sum(x * x for x in v["size"])


QUESTIONS = [
    Numeric(
        "37.break_even", 1,
        "A weight matrix of {m} × {n} is to be replaced by two factors. What is the largest rank at which they have fewer parameters?",
        _draw_shape, _break_even,
        "r ({m} + {n}) < {m} · {n} holds up to r = {answer}.",
        traps=((lambda v: min(v["m"], v["n"]), "That is the full rank. The two factors have r (m + n) entries."),
               (lambda v: min(v["m"], v["n"]) - 1, "One below the full rank still has almost twice the parameters of a square matrix."),
               (lambda v: min(v["m"], v["n"]) // 2, "Half of the full rank is right for square matrices only, and not quite there."),
               (lambda v: _break_even(v) + 1, "At this rank the factors have as many parameters or more."),
               (lambda v: (v["m"] + v["n"]) // 2, "The sum belongs into the denominator: r < m n / (m + n)."))),
    Numeric(
        "37.entropy_bytes", 2,
        "A stream holds four symbols {a}, {b}, {c} and {d} times. Below how many bytes can no code go that treats the symbols one by one?",
        _draw_counts, _ideal_bytes,
        "Each symbol carries log2({n} / count) bits. Summed over the stream and divided by 8: {answer} bytes.",
        unit="B", rtol=0.001,
        traps=((lambda v: v["n"] * 2 / 8, "That is a fixed width of 2 bits. The frequencies are unequal, so less is enough."),
               (lambda v: _ideal_bytes(v) * 8, "Those are bits."),
               (lambda v: _ideal_bytes(v) * 8 / v["n"], "That is the entropy of one symbol in bits. Asked are the bytes of the stream."),
               (lambda v: _ideal_bytes(v, math.log), "The logarithm is to base 2 when the result is in bits."))),
    Numeric(
        "37.bits_per_weight", 2,
        "{sparsity} % of the weights are pruned, the rest shares {k} values, and each stored weight has a gap of {gap} bits. Without "
        "padding and Huffman: how many bits does each weight take on average, the pruned ones counted too?",
        _draw_density, _bits,
        "The share that is left, times the bits of a value and of a gap: (1 − {sparsity} %) · (log2({k}) + {gap}) = {answer} bits.",
        unit="bit", rtol=0.001,
        traps=((lambda v: _bits(v, density=1.0), "Those are the bits of a weight that is stored. The pruned ones take none."),
               (lambda v: _bits(v, index=False), "The gaps are missing: a decoder has to know where the values stand."),
               (lambda v: _bits(v, density=v["sparsity"] / 100), "Stored are the weights that were not pruned."),
               (lambda v: (1 - v["sparsity"] / 100) * (v["k"] + v["gap"]), "k values need log2(k) bits of index."),
               (lambda v: 32 / _bits(v), "That is the ratio to FP32."))),
    Numeric(
        "37.binary_error", 3,
        "The weights {w} are replaced by alpha · sign, with the best alpha. Which share of ‖w‖² is left as squared error?",
        _draw_vector, _binary_error,
        "alpha is the mean of |w|, and the share is 1 − (Σ|w|)² / (n Σw²) = {answer}.",
        rtol=0.001,
        traps=((lambda v: sum(v["size"]) / 4, "That is alpha. Asked is the error that it leaves."),
               (lambda v: _binary_error_with(v, max(v["size"])), "alpha is the mean of |w|, not its maximum."),
               (lambda v: math.sqrt(_binary_error(v)), "That is the ratio of the norms. The squared error was asked."),
               (lambda v: 1 - _binary_error(v), "That is the share which is kept."))),
    Choice(
        "37.huffman_speed", 1, "The weights in a model file are Huffman coded. What does that do to inference?",
        "nothing, or it costs: the weights are decoded before they are used, unless a special kernel decodes on the fly",
        (("it gets faster, because fewer bytes are always faster", "Fewer bytes are faster to download. The multiplication reads decoded weights, as many bytes as before."),
         ("it needs less memory while it runs", "Decoded weights take their full size. Only a kernel that decodes on the fly keeps the coded form in memory."),
         ("it loses some accuracy", "Huffman's code is lossless: the same weights come back.")),
        "Entropy coding helps storage and transfer. DFloat11 shows the exception: its GPU kernel decodes BF16 weights block by block."),
    Choice(
        "37.lora_size", 2, "A 7 B model was fine-tuned with LoRA of rank 16, and the adapters are merged. How large is the served model?",
        "as large as before",
        (("a few per cent of it, since only the adapters are stored", "The adapters alone are small, but they mean nothing without the frozen weights."),
         ("half of it", "Nothing was removed. W0 + B·A has the shape of W0."),
         ("smaller, because the merged matrices have rank 16", "The update has rank 16. W0 plus the update has full rank in general.")),
        "LoRA saves gradients and optimizer states in training. W0 + (alpha / r) B·A is a full matrix."),
    Choice(
        "37.trits", 2, "Weights of −1, 0 and 1 are packed into whole bytes, each byte decodable on its own. How many fit into one byte?",
        "5",
        (("4", "That is 2 bits each, which wastes one of four patterns. 3^5 = 243 still fits into 256."),
         ("8", "8 fit with one bit each. Three values need log2 3 = 1.585 bits."),
         ("6", "3^6 = 729 patterns do not fit into the 256 of a byte.")),
        "3^5 = 243 ≤ 256: five to a byte, 1.6 bits each. The bound is log2 3 = 1.585 bits."),
    Choice(
        "37.low_rank_or_pruning", 2, "Which of these makes a model smaller that any runtime executes without a decoder or a special kernel?",
        "low-rank factors in place of each linear layer",
        (("unstructured pruning stored as gaps", "The gaps have to be expanded before a dense kernel can multiply."),
         ("16 shared values with a codebook", "An index is no weight: something has to look it up."),
         ("ternary weights, five to a byte", "The bytes have to be unpacked, by a kernel that knows the format.")),
        "Two smaller linear layers are ordinary layers. The other three change the representation."),
    Open(
        "37.classify", 2, "Classify eight compression methods as front-end or back-end.",
        ("States the definition used: what is changed (the network or its representation), or when",
         "Front-end: compact architectures, structured pruning, distillation, low-rank factors",
         "Back-end: quantization, unstructured pruning, weight sharing, binary or ternary weights, entropy coding",
         "Names some that stand on both sides: QAT quantizes during training, SVD factorises after it",
         "Says who has to support each: any runtime, a special kernel, or a decoder at load time",
         "An order: distil or prune, fine-tune, quantize, code; fine-tune in between"),
        "I ask what a method changes. Compact design, structured pruning, distillation and low-rank factors leave an ordinary, smaller "
        "network: front-end. Quantization, unstructured pruning, shared or ternary weights and Huffman coding change how the weights are "
        "written: back-end, and they need a kernel or a decoder. By the calendar some stand on both sides: SVD comes after training, "
        "quantization-aware training during it. In a chain I prune, fine-tune, quantize and code, in this order."),
]
