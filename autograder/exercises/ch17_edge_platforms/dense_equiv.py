"""Exercise 17.dense_equiv: a headline as dense operations at a number of bits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware import chips

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Of = Callable[[float, int, bool, int, float], float]


def _refuse(bits: int, target_bits: int) -> None:
    if target_bits < bits:
        raise ValueError("fewer bits than the headline")


def _steps(bits: int, target_bits: int) -> int:
    return round(math.log2(target_bits / bits))


def _right(headline: float, bits: int, sparse: bool, target: int, ratio: float) -> float:
    return headline / (2 if sparse else 1) / ratio ** _steps(bits, target)


def _answer(of: Of, check: bool = True) -> Callable:
    """An answer that returns `of(headline, bits, sparse, target_bits, step_ratio)`."""

    def answer(headline: float, bits: int, sparse: bool, target_bits: int = 8, step_ratio: float = 2.0) -> float:
        if check:
            _refuse(bits, target_bits)
        return of(headline, bits, sparse, target_bits, step_ratio)

    return answer


def _told(of: Of) -> dict:
    return {"answer": _answer(of), "also": [_answer(of, check=False)]}


def _equal_refused(headline: float, bits: int, sparse: bool, target_bits: int = 8, step_ratio: float = 2.0) -> float:
    if target_bits <= bits:
        raise ValueError("fewer bits than the headline")
    return _right(headline, bits, sparse, target_bits, step_ratio)


# --- right answers ------------------------------------------------------------------------------


def _loop(headline: float, bits: int, sparse: bool, target_bits: int = 8, step_ratio: float = 2.0) -> float:
    if bits > target_bits:
        raise ValueError(f"{target_bits} are fewer bits than {bits}")
    value = headline * 0.5 if sparse else headline
    while bits < target_bits:
        bits, value = 2 * bits, value / step_ratio
    return value


def _logs(headline: float, bits: int, sparse: bool, target_bits: int = 8, step_ratio: float = 2.0) -> float:
    doublings = np.log2(target_bits) - np.log2(bits)
    if doublings < 0:
        raise ValueError("fewer bits")
    return float(headline / (1 + sparse) * np.float64(step_ratio) ** -doublings)


def _recursive(headline: float, bits: int, sparse: bool, target_bits: int = 8, step_ratio: float = 2.0) -> float:
    if target_bits < bits:
        raise ValueError("fewer bits")
    if sparse:
        return _recursive(headline, bits, False, target_bits, step_ratio) / 2
    return headline if bits == target_bits else _recursive(headline, bits, False, target_bits // 2, step_ratio) / step_ratio


def _draw(rng: np.random.Generator) -> Case:
    bits = int(rng.choice([1, 2, 4, 8, 16]))
    target = bits << int(rng.choice([0, 1, 2, 3], p=[0.2, 0.3, 0.3, 0.2]))
    ratio = float(rng.choice([1.0, 1.5, 2.0, 3.0, 4.0]))
    return Case(float(rng.integers(2, 4000)) / 2, bits, bool(rng.random() < 0.5), target, ratio)


dense_equiv = Exercise(
    id="17.dense_equiv", points=5, difficulty=1, minutes=10, idea="zeros and narrow numbers come out of the headline",
    reference=chips.dense_equiv,
    cases=[Case(67, 8, True), Case(2070, 4, True), Case(72, 4, False, 8, 4.0)],
    hidden=[Case(275, 8, True, 16), Case(2070, 4, True, 16), Case(16, 8, False, 8, 4.0), Case(123, 16, False, 16),
            Case(8, 1, False, 8, 3.0), Case(275, 8, False, 16, 1.0), Case(26, 8, False), Case(26, 8, False, 32), Case(5, 2, True, 8, 1.5)],
    draw=_draw, draws=40, compare=close(1e-9),
    raises=[Case(67, 8, True, 4, word="fewer bits"), Case(123, 16, False, word="fewer bits"), Case(6, 8, False, 1, 4.0, word="fewer bits")],
    misconceptions=[
        Misconception(
            "sparse_ignored", message="The sparse headline stays whole. Half of its operations multiply by zeros that the chip skips. A dense "
            "network has no such zeros.",
            title="Zeros count as work here.", **_told(lambda h, b, s, t, r: h / r ** _steps(b, t))),
        Misconception(
            "multiplies", message="More bits per number gave you more operations a second. Wider numbers need larger multipliers, so fewer of them fit: "
            "which way does the step go?",
            title="The step goes the other way.", **_told(lambda h, b, s, t, r: h / (2 if s else 1) * r ** _steps(b, t))),
        Misconception(
            "difference_of_bits", message="You divide by the difference of the bits. The step is paid per doubling: from 4 to 8 bits there is one.",
            title="Count doublings, not bits.", **_told(lambda h, b, s, t, r: h / (2 if s else 1) / max(t - b, 1))),
        Misconception(
            "halves_twice", message="You halve a second time. Sparsity doubles a headline once, whatever the number of bits.",
            title="Sparsity applies once.", **_told(lambda h, b, s, t, r: _right(h, b, s, t, r) / (2 if s else 1))),
        Misconception(
            "halves_for_int8", message="You halve the figure although its bits already are the target's. Without a doubling there is no step.",
            title="No doubling, no step.", **_told(lambda h, b, s, t, r: _right(h, b, s, t, r) / (2 if b == t else 1))),
        Misconception(
            "dense_halved", message="You halve every headline. Only one that counts skipped zeros (`sparse` is True) has to be halved.",
            title="Dense figures stay.", **_told(lambda h, b, s, t, r: h / 2 / r ** _steps(b, t))),
        Misconception(
            "step_of_two", message="You take 2 for each step. How much a chip loses is its own property, and `step_ratio` says it. It is 4 on the third example's chip.",
            title="Not every step is 2.", **_told(lambda h, b, s, t, r: h / (2 if s else 1) / 2 ** _steps(b, t))),
        Misconception(
            "one_step_only", message="You divide once, however far the bits are apart. From 4 to 16 bits there are two doublings, and each one costs.",
            title="A step for each doubling.", **_told(lambda h, b, s, t, r: h / (2 if s else 1) / (r if t > b else 1))),
        Misconception(
            "steps_added", message="You multiply the ratio by the number of doublings. The steps follow one another, so their factors multiply.",
            title="Factors multiply.", **_told(lambda h, b, s, t, r: h / (2 if s else 1) / max(r * _steps(b, t), 1))),
        Misconception(
            "bits_ignored", message="The bits play no part in your result. Operations on 4-bit numbers are not operations on 8-bit numbers.",
            title="The bits are missing.", **_told(lambda h, b, s, t, r: h / (2 if s else 1))),
        Misconception(
            "rounded", message="Your result is rounded. The comparison of two chips needs the fractions: 33.5, not 33 or 34.",
            title="Don't round.", answer=_answer(lambda *a: float(round(_right(*a)))), also=[_answer(lambda *a: float(int(_right(*a))))]),
        Misconception(
            "fewer_bits_scaled_up", _answer(_right, check=False),
            "The values are right. But going to fewer bits, your function scales up. A chip that states 8 bits may have no units for 4: refuse it.",
            "No scaling up."),
        Misconception(
            "equal_bits_refused", _equal_refused,
            "A target of as many bits as the headline has is no problem: there is no step to pay.",
            "Equal bits are allowed."),
    ],
    alternatives=[_loop, _logs, _recursive],
    hints=(
        "Two independent corrections: one for zeros, one for bits. Do the zeros first.",
        "How often must `bits` be doubled to reach `target_bits`? A while loop may count it.",
        "Divide by step_ratio once for each doubling.",
    ),
    worth_knowing="What remains is still a peak. Published rates of small networks use 4 to 13 % of it.",
)
