"""Drill questions of chapter 25: what is model distillation?"""

from __future__ import annotations

import numpy as np

from ..question import Choice, Numeric, Open


def _softmax(z, T=1.0):
    e = np.exp((np.asarray(z, float) - max(z)) / T)
    return e / e.sum()


def _draw_soft(rng):
    while True:
        a, b, c = (int(v) for v in rng.choice(np.arange(-3, 7), 3, replace=False))
        values = {"a": a, "b": b, "c": c, "T": int(rng.choice([2, 3, 4, 5]))}
        if 0.05 < _soft(values) < 0.9:  # beyond, mistakes come too close to the answer
            return values


def _soft(v, T=None):
    return _softmax((v["a"], v["b"], v["c"]), v["T"] if T is None else T)[0]


def _power(v):
    return _soft(v, 1) ** (1 / v["T"])


def _draw_kl(rng):
    t = (int(rng.integers(2, 6)), int(rng.integers(0, 2)))
    s = (int(rng.integers(0, 2)), int(rng.integers(2, 5)))
    return {"t0": t[0], "t1": t[1], "s0": s[0], "s1": s[1], "T": int(rng.choice([1, 2, 3]))}


def _kl(v, T=None, reverse=False):
    T = v["T"] if T is None else T
    p, q = _softmax((v["t0"], v["t1"]), T), _softmax((v["s0"], v["s1"]), T)
    p, q = (q, p) if reverse else (p, q)
    return float((p * np.log(p / q)).sum())


def _entropy(v):
    p = _softmax((v["t0"], v["t1"]), v["T"])
    return float(-(p * np.log(p)).sum())


def _draw_times(rng):
    low = int(rng.choice([10, 15, 20]))
    return {"low": low, "high": low * int(rng.choice([2, 3, 4]))}


def _draw_cache(rng):
    billions, vocab = int(rng.choice([1, 2, 5, 10])), int(rng.choice([32_000, 128_000, 152_000]))
    return {"billions": billions, "vocab": vocab, "k": int(rng.choice([16, 32, 64, 128])),
            "full_tb": billions * vocab * 2 // 1000}


def _cache_gb(v, item_bytes=6):
    return v["billions"] * v["k"] * item_bytes


QUESTIONS = [
    Numeric(
        "25.soft_label", 1,
        "A teacher's logits for three classes are {a}, {b} and {c}. What is the soft label of the first class at temperature {T}?",
        _draw_soft, _soft,
        "Divide the logits by {T}, then take the softmax: {answer}.",
        atol=1e-3,
        traps=((lambda v: _soft(v, 1), "That is at temperature 1. Divide the logits by T first."),
               (lambda v: _soft(v, 1 / v["T"]), "You multiplied the logits. A high temperature makes the gaps smaller."),
               (_power, "That is p^(1/T), with p the probability at temperature 1. The ratios are right, but the three powers have to be normalised again."),
               (lambda v: _soft(v, 1) / v["T"], "The temperature acts on logits, not on probabilities."))),
    Numeric(
        "25.kl", 2,
        "Two classes. The teacher's logits are {t0} and {t1}, the student's {s0} and {s1}. How large is KL(teacher‖student) at "
        "temperature {T}, in nats and without the factor T²?",
        _draw_kl, _kl,
        "Soften both by T = {T}, then add p·ln(p/q) over the two classes, with p the teacher's probabilities: {answer} nats.",
        atol=1e-3,
        traps=((lambda v: _kl(v, reverse=True), "That is KL(student‖teacher): the teacher's probabilities have to weigh."),
               (lambda v: _kl(v) / np.log(2), "That is in bits. Nats use the natural logarithm."),
               (lambda v: _kl(v) * v["T"] ** 2, "The question asks for the divergence without the factor T²."),
               (lambda v: _kl(v, 1), "That is at temperature 1."),
               (lambda v: _kl(v) + _entropy(v), "That is the cross-entropy. Subtract the teacher's entropy."))),
    Numeric(
        "25.gradient_scale", 2,
        "The soft loss is plain KL(teacher‖student) at temperature T, without the factor T², and T is large against all logits. "
        "T goes from {low} to {high}. By which factor does the gradient into the student's logits change?",
        _draw_times, lambda v: (v["low"] / v["high"]) ** 2,
        "One factor 1/T comes from the chain rule through s/T, another because the softened distributions differ in "
        "proportion to (s − t)/T. Together ({low}/{high})² = {answer}.",
        rtol=0.1,
        traps=((lambda v: v["low"] / v["high"], "That is the chain rule alone. The distributions come closer, too."),
               (lambda v: 1.0, "It would stay with the factor T² in the loss. Without it the gradient shrinks."),
               (lambda v: (v["high"] / v["low"]) ** 2, "It shrinks. This is the factor that T² gives back."),
               (lambda v: v["high"] / v["low"], "It shrinks, and by a square."))),
    Numeric(
        "25.cache", 2,
        "For each of {billions} billion tokens a teacher's {k} best of {vocab:,} words are stored, each as a 4-byte id and a 2-byte "
        "probability. "
        "How many GB (1 GB = 10⁹ B) is that?",
        _draw_cache, _cache_gb,
        "{billions}·10⁹ tokens × {k} × (4 + 2) bytes = {answer} GB. All {vocab:,} probabilities of 2 bytes "
        "would take {full_tb:,} TB.",
        unit="GB", rtol=0.01,
        traps=((lambda v: _cache_gb(v, 2), "The ids are missing: somebody has to know which words these are."),
               (lambda v: _cache_gb(v, 4), "Those are the ids alone."),
               (lambda v: v["billions"] * v["vocab"] * 2, "That is one probability for every word of the vocabulary."),
               (lambda v: _cache_gb(v, 8), "The probability takes 2 bytes, not 4."))),
    Choice(
        "25.t_squared", 1, "Why does the soft part of the distillation loss carry a factor T²?",
        "It gives back the 1/T² by which the soft gradient shrinks",
        (("It makes the softened probabilities add up to 1 again", "The softmax does that at every temperature."),
         ("It is a trick to raise the learning rate of the student", "It would raise it for the soft part only. The point is the balance of the two parts when T changes."),
         ("It undoes the softening when the student is deployed", "At inference the student runs at T = 1. The loss is not used any more.")),
        "Without it, raising a large T fourfold would weaken the soft part to about 1/16, and the labels would take over."),
    Choice(
        "25.reverse_kl", 2, "When would you distil a language model with the reverse KL, KL(student‖teacher)?",
        "When a small student learns from its own samples, which the teacher scores",
        (("Always, because the KL divergence is symmetric in its two arguments", "It is not. Forward KL covers modes, reverse KL seeks one."),
         ("When the teacher's answers are already stored as text",
          "Then there is nothing but samples of the teacher, and training on them is the forward direction."),
         ("When student and teacher have different vocabularies", "Neither direction is defined then.")),
        "Reverse KL punishes what the student says and the teacher would not. It needs the student's own samples, scored by the teacher."),
    Choice(
        "25.tokenizers", 2, "Teacher and student have different tokenizers. Which distillation still works as it is?",
        "Fine-tuning the student on texts that the teacher wrote",
        (("KL on logits, with the shorter vector padded", "Position 17 means different words in the two vocabularies."),
         ("KL on the 64 best logits, sent with their ids", "The ids still belong to the teacher's vocabulary, and tokens start at different places."),
         ("KL on logits at a high temperature", "No temperature makes two vocabularies one.")),
        "Text is what both have in common. DeepSeek's R1 distils were made so, on Qwen and Llama bases."),
    Choice(
        "25.all_labels", 2, "You have a million labelled images of exactly your task, and a small student that learns them well. A larger "
        "teacher is 0.5 points better. What should you expect from distillation?",
        "Little, because soft labels help most where labels are few",
        (("A student better than the teacher", "It happens, and it is nothing to expect."),
         ("The teacher's accuracy at the student's size", "The student's capacity and the data still decide."),
         ("A student that answers faster than one trained on labels", "Distillation changes the training. The student's architecture decides its speed.")),
        "In this chapter soft labels are worth 6 to 11 points with 50 labels, and nothing with all of them."),
    Open(
        "25.assistant", 3, "Distil a 70B assistant into a 7B model. How do you go about it?",
        ("Prompts that cover what the users ask, and filtered answers",
         "Off-policy first (teacher's texts), then on-policy (teacher scores the student's samples)",
         "The loss: text alone, top-k logits, forward or reverse KL; the tokenizers have to match for logits",
         "Evaluation beyond loss: task quality, safety, calibration, and a baseline fine-tuned on human data",
         "The licence of the teacher's outputs",
         "Combined with quantization, and serving cost measured"),
        "I collect prompts like those in production and let the teacher answer, several times each; bad answers are filtered out. The "
        "student is first fine-tuned on these texts. With the same tokenizer I add KL on the teacher's top-k logits. Then the student "
        "writes itself and the teacher scores its tokens, with reverse KL. I compare with the same student trained on human data, and I "
        "measure task quality, refusals, safety and calibration. I check that the licence allows training on the outputs. In the end the "
        "student is quantized and its serving cost measured."),
]
