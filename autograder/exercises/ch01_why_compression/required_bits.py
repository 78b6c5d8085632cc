"""Exercise 01.required_bits: memory and bandwidth set the bits of a weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from utils.compression import feasibility

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Join = Callable[[float, float], float]


def _bits(n_params: float, free_bytes: float, bandwidth_bytes_s: float, tokens_per_s: float, *, join: Join = min,
          per_byte: int = 8, rate: str = "divides", checks: bool = True, final: Callable[[float], float] = float) -> float:
    """The bits with one mistake; with its defaults it is right (bytes first, converted once)."""
    if checks and min(n_params, free_bytes, bandwidth_bytes_s, tokens_per_s) <= 0:
        raise ValueError("every argument must be positive")
    a_token = {"divides": lambda: bandwidth_bytes_s / tokens_per_s, "missing": lambda: bandwidth_bytes_s,
               "multiplies": lambda: bandwidth_bytes_s * tokens_per_s}[rate]()
    return final(per_byte * join(free_bytes, a_token) / n_params)


def _two_limits(n_params: float, free_bytes: float, bandwidth_bytes_s: float, tokens_per_s: float) -> float:
    for value in (n_params, free_bytes, bandwidth_bytes_s, tokens_per_s):
        if not value > 0:
            raise ValueError("must be positive")
    capacity = free_bytes * 8 / n_params
    speed = bandwidth_bytes_s / (n_params * tokens_per_s / 8)
    return capacity if capacity < speed else speed


def _by_numpy(n_params: float, free_bytes: float, bandwidth_bytes_s: float, tokens_per_s: float) -> float:
    args = np.array([n_params, free_bytes, bandwidth_bytes_s, tokens_per_s], float)
    if (args <= 0).any():
        raise ValueError("positive")
    return np.min(args[1:3] / [1.0, args[3]]) / args[0] * 8


def _wrong(**how) -> tuple:
    """(the mistake, the mistake without refusing anything)."""
    return partial(_bits, **how), partial(_bits, checks=False, **how)


def _misconception(tag: str, message: str, title: str, *hows: dict) -> Misconception:
    answers = [answer for how in hows for answer in _wrong(**how)]
    return Misconception(tag, answers[0], message, title, also=tuple(answers[1:]))


def _draw(rng: np.random.Generator) -> Case:
    """Either limit decides, by a factor of at least 1.3; the bits lie between 0.3 and 60."""
    n = float(rng.choice([0.5, 1, 3, 7, 8, 13, 30, 70]) * 1e9)
    rate = float(rng.choice([0.5, 2, 5, 10, 20, 40, 100]))
    decides, other = rng.uniform(0.3, 20), rng.uniform(1.3, 3)
    capacity, speed = (decides, decides * other) if rng.random() < 0.5 else (decides * other, decides)
    return Case(int(n), float(round(capacity * n / 8)), float(round(speed * n / 8 * rate)), rate)


required_bits = Exercise(
    id="01.required_bits", points=2, difficulty=1, minutes=7, idea="two limits, and the tighter one decides",
    reference=feasibility.required_bits,
    cases=[Case(8e9, 4e9, 60e9, 10), Case(8e9, 4e9, 60e9, 20)],
    hidden=[Case(8e9, 16e9, 60e9, 1), Case(1, 1, 1, 1), Case(3e9, 6e9, 17e9, 9), Case(70e9, 24e9, 936e9, 40),
            Case(1e9, 72e9, 3350e9, 5), Case(7e9, 6e9, 77e9, 0.5)],
    draw=_draw,
    raises=[Case(0, 4e9, 60e9, 10), Case(8e9, 0, 60e9, 10), Case(8e9, 4e9, 0, 10), Case(8e9, 4e9, 60e9, 0),
            Case(8e9, -4e9, 60e9, 10), Case(-8e9, 4e9, 60e9, 10), Case(8e9, 4e9, -60e9, 10), Case(8e9, 4e9, 60e9, -10)],
    compare=close(1e-9, dtype="any"),
    misconceptions=[
        _misconception(
            "adds_up", "The limits are added or averaged. Each of them has to hold by itself, so the answer can't be above "
            "either one.", "Both limits must hold.",
            {"join": lambda a, b: a + b}, {"join": lambda a, b: (a + b) / 2}, {"join": max}),
        _misconception(
            "one_limit", "Only one of the two limits is in your answer. Memory decides on some devices and bandwidth on "
            "others: compare both.", "One limit is missing.",
            {"join": lambda a, b: a}, {"join": lambda a, b: b}),
        _misconception(
            "bytes_for_bits", "Your numbers are an eighth of what they should be. Memory and bandwidth come in bytes, and the "
            "answer is asked in bits.", "Bytes are not bits.", {"per_byte": 1}),
        _misconception(
            "ignores_rate", "The rate of the tokens is missing in the bandwidth limit. Every token reads all weights once: how "
            "many bytes may be read for one token?", "Each token reads the weights.", {"rate": "missing"}),
        _misconception(
            "multiplies_rate", "More tokens a second leave fewer bytes for each of them. In your formula they leave more.",
            "The rate works in the wrong direction.", {"rate": "multiplies"}),
        _misconception(
            "rounds_up", "You round up. Then the weights are larger than the limit that you just computed.",
            "Rounding up breaks the limit.", {"final": math.ceil}, {"final": round}),
        _misconception(
            "whole_bits", "You round down to whole bits. An average may be a fraction: 4-bit weights with scales, or layers "
            "with different widths.", "An average may be a fraction.", {"final": math.floor}, {"final": lambda b: float(int(b))}),
        Misconception(
            "accepts_anything", partial(_bits, checks=False),
            "The numbers are right, but something that is not positive must end in a ValueError.",
            "Bad input is accepted."),
    ],
    alternatives=[_bits, _two_limits, _by_numpy],
    hints=(
        "Start with bytes. How many bytes may all weights take at most, and how many may be read for one token?",
        "The smaller of the two, in bits, over the number of weights.",
        "Check all four arguments before you divide.",
    ),
    worth_knowing="8 billion weights in 4 GB: 4 bits. At 20 tokens/s from 60 GB/s it would be 3 bits, and the bandwidth decides.",
)
