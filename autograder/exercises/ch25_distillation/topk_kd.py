"""Exercise 25.topk_kd: a divergence from the k classes that the teacher sends."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import distillation

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _topk(z: np.ndarray, idx: np.ndarray, prob: np.ndarray, *, over: str = "all", rest: str = "bucket",
          teacher: str = "as sent", kl: str = "teacher", zero: bool = True, stable: bool = True, empty: bool = True,
          base: float = np.e) -> float:
    """The divergence with one mistake; with its defaults it is right (an independent formulation)."""
    with np.errstate(all="ignore"):
        z = z.astype(float)
        shifted = z - z.max()
        named = shifted[idx]
        others = np.delete(shifted, idx)
        log_total = np.log(np.exp(named if over == "named" else shifted).sum())
        log_q = named - log_total
        p = prob / prob.sum() if teacher == "renormalised" else prob
        if rest == "bucket":
            mass = 1 - prob.sum()
            if stable:
                top = others.max() if len(others) else 0.0
                log_rest = top + np.log(np.exp(others - top).sum()) - log_total
            else:
                log_rest = np.log(1 - np.exp(log_q).sum())
            if empty and mass < 1e-12:
                mass = 0.0
            p, log_q = np.append(p, mass), np.append(log_q, log_rest)
        if rest == "spread":
            mass, left = 1 - prob.sum(), len(others)
            p = np.append(p, np.full(left, mass / max(left, 1)))
            log_q = np.append(log_q, others - log_total)
        if zero:
            p, log_q = p[p > 0], log_q[p > 0]
        q = np.exp(log_q)
        terms = {"teacher": p * (np.log(p) - log_q), "student": q * (log_q - np.log(p)), "cross": -p * log_q,
                 "teacher alone": p * np.log(p)}[kl]
        return float(terms.sum() / np.log(base))


def _by_logsumexp(z: np.ndarray, idx: np.ndarray, prob: np.ndarray) -> float:
    from scipy.special import logsumexp, xlogy

    keep = np.isin(np.arange(len(z)), idx)
    log_q = z - logsumexp(z)
    total = xlogy(prob, prob).sum() - prob @ log_q[idx]
    mass = max(1 - prob.sum(), 0.0)
    if mass > 1e-12:
        total += mass * (np.log(mass) - logsumexp(log_q[~keep]))
    return float(total)


def _by_loop(z: np.ndarray, idx: np.ndarray, prob: np.ndarray) -> float:
    """Scores of the k classes and of the bucket, added up one by one."""
    chosen = {int(i): float(p) for i, p in zip(idx, prob)}
    total = np.logaddexp.reduce(z)
    divergence = sum(p * (np.log(p) - (z[i] - total)) for i, p in chosen.items() if p > 0)
    left, mass = [v for i, v in enumerate(z) if i not in chosen], 1 - sum(chosen.values())
    if left and mass > 1e-12:
        divergence += mass * (np.log(mass) - (np.logaddexp.reduce(left) - total))
    return float(divergence)


def _by_torch(z: np.ndarray, idx: np.ndarray, prob: np.ndarray) -> float:
    import torch

    z, p = torch.tensor(z, dtype=torch.float64), torch.tensor(prob, dtype=torch.float64)
    mask = torch.zeros(len(z), dtype=torch.bool)
    mask[torch.tensor(idx)] = True
    log_q = z.log_softmax(0)
    rest = (1 - p.sum()).clamp(min=0)
    value = (torch.special.xlogy(p, p) - p * log_q[torch.tensor(idx)]).sum()
    if rest > 1e-12:
        value = value + rest * (rest.log() - log_q[~mask].logsumexp(0))
    return value.item()


def _draw(rng: np.random.Generator) -> Case:
    vocab = int(rng.integers(3, 12))
    t = rng.normal(0, rng.uniform(0.5, 4), vocab)
    k = int(rng.integers(1, vocab + 1))
    p = np.exp(t - np.logaddexp.reduce(t))
    idx = np.argsort(-p)[:k]
    z = np.round(rng.normal(0, rng.uniform(0.5, 4), vocab), 3)
    return Case(z, idx, p[idx], label=f"random logits, {vocab} classes, k = {k}")


def _sent(logits: list[float], k: int) -> tuple[np.ndarray, np.ndarray]:
    p = np.exp(np.array(logits) - np.logaddexp.reduce(logits))
    idx = np.argsort(-p, kind="stable")[:k]
    return idx, p[idx]


_Z = np.array([3.0, 2.0, 0.0, 0.0])

topk_kd = Exercise(
    id="25.topk_kd", points=4, difficulty=3, minutes=15, idea="what k classes of a vocabulary still say",
    reference=distillation.topk_kd,
    cases=[
        Case(_Z, np.array([0, 1]), np.array([0.83095, 0.11246]), label="logits [3, 2, 0, 0], the example"),
        Case(_Z, np.array([2]), np.array([1.0]), label="logits [3, 2, 0, 0], idx = [2], prob = [1]"),
        Case(np.zeros(4), np.array([1, 0]), np.array([0.5, 0.0]), label="logits [0, 0, 0, 0], idx = [1, 0], prob = [0.5, 0]"),
    ],
    hidden=[
        Case(_Z, *_sent([4.0, 2.0, 1.0, 0.0], 4), label="k is the vocabulary"),
        Case(_Z, *_sent([3.0, 2.0, 0.0, 0.0], 2), label="student and teacher agree"),
        Case(np.array([50.0, 0.0, 0.0]), np.array([0]), np.array([0.5]), label="logits [50, 0, 0], prob = [0.5]"),
        Case(np.array([1000.0, 0.0, -1000.0]), np.array([0, 1]), np.array([0.5, 0.25]),
             label="logits [1000, 0, −1000], prob = [0.5, 0.25]"),
        Case(np.array([0.0, 5.0, 1.0, 1.0]), np.array([3, 0]), np.array([0.25, 0.5]), label="classes in no order"),
        Case(_Z, np.array([0, 1, 2, 3]), np.array([0.25, 0.25, 0.25, 0.25]), label="a teacher that knows nothing, k = 4"),
        Case(_Z, np.array([3, 1]), np.array([0.75, 0.25]), label="no mass for the rest"),
    ],
    draw=_draw, draws=40, pure=True,
    compare=close(1e-7, 1e-9),  # a bucket of 1e-12 counts as nothing: below 1e-12 times a log ratio of about 40
    misconceptions=[
        Misconception(
            "renormalised", partial(_topk, over="named", rest="none", teacher="renormalised"),
            "You made the k classes add up to 1 on both sides. That hides all the mass that the student spends on other "
            "classes. Put what is left into one more class, on both sides.",
            "The top k were renormalised."),
        Misconception(
            "no_rest", partial(_topk, rest="none"),
            "You summed over the k classes and left out all others. Without a bucket for the rest the two sides are not "
            "distributions, and the value may even be negative.",
            "The rest is missing."),
        Misconception(
            "softmax_over_k", partial(_topk, over="named", rest="none"),
            "The student's softmax ran over the k logits only. Its probabilities belong to the whole vocabulary; take the "
            "softmax first and choose afterwards.",
            "The student's softmax saw k classes.", also=(partial(_topk, over="named"),)),
        Misconception(
            "teacher_renormalised", partial(_topk, teacher="renormalised", rest="none"),
            "You made the teacher's k probabilities add up to 1. They are right as they come: what is missing to 1 belongs "
            "to the other classes.",
            "The teacher was renormalised."),
        Misconception(
            "teacher_alone", partial(_topk, kl="teacher alone"),
            "p·log(p) is the teacher's part only. A divergence compares: the student's logarithm has to be subtracted.",
            "The student's term is missing.", also=(partial(_topk, kl="teacher alone", rest="none"),)),
        Misconception(
            "cross_entropy", partial(_topk, kl="cross"),
            "This is the cross-entropy. The divergence is smaller by the teacher's own entropy, over k classes and bucket.",
            "The teacher's entropy is still in it.", also=(partial(_topk, kl="cross", rest="none"),)),
        Misconception(
            "student_first", partial(_topk, kl="student"),
            "You computed KL(student‖teacher). Here the teacher's probabilities weigh the logarithms.",
            "The direction is reversed.", also=(partial(_topk, kl="student", zero=False),)),
        Misconception(
            "spread", partial(_topk, rest="spread"),
            "You shared the rest evenly among the other classes. The teacher did not say that. One bucket, with the sum of "
            "the student's probabilities in it, claims nothing about how the rest is divided.",
            "The rest was made up."),
        Misconception(
            "unstable_rest", partial(_topk, stable=False),
            "1 − sum of the student's named probabilities loses a small rest to rounding: a true rest of 1e-21 comes out as "
            "0, and its logarithm as −inf. Add up the other classes instead, in logarithms.",
            "A small rest was rounded away."),
        Misconception(
            "zero_times_log", partial(_topk, zero=False),
            "0·log(0) is NaN in floating point, and 0 in a divergence: what has no teacher mass contributes nothing. Also, "
            "1 − sum(prob) may be a rounding error where 0 is meant.",
            "0 times log 0.", also=(partial(_topk, zero=False, empty=False),)),
        Misconception(
            "bits", partial(_topk, base=2.0),
            "Your logarithm has base 2. The answer is asked in nats.",
            "This is in bits."),
    ],
    alternatives=[_topk, _by_logsumexp, _by_loop, _by_torch],
    hints=(
        "`log_q = z - logsumexp(z)` over the whole vocabulary, with the maximum taken out first. Then choose `log_q[idx]`.",
        "The student's bucket is the sum of exp(log_q) over the classes not in idx. A boolean mask finds them.",
        "`np.logaddexp.reduce(v)` is a stable log(sum(exp(v))). Leave out every term whose teacher mass is 0.",
    ),
    worth_knowing="Merging classes never raises a KL divergence, so this is at most the full one.",
)
