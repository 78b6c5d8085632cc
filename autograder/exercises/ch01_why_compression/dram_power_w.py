"""Exercise 01.dram_power_w: the watts of reading the weights."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from utils.compression import feasibility

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _power(n_params: float, bits: float, rate_hz: float, pj_per_32bit: float, *, pico: float = 1e-12, word: float = 32,
           packed: bool = True, rate: bool = True, factor: float = 1, whole_words: bool = False) -> float:
    """The watts with one mistake; with its defaults it is right (joules a pass, times the rate)."""
    words = n_params * bits / word if packed else n_params
    joules = (math.ceil(words) if whole_words else words) * pj_per_32bit * pico * factor
    return joules * rate_hz if rate else joules


def _bits_a_second(n_params: float, bits: float, rate_hz: float, pj_per_32bit: float) -> float:
    return (n_params * bits * rate_hz) * (pj_per_32bit / 32) / 10**12


def _by_bytes(n_params: float, bits: float, rate_hz: float, pj_per_32bit: float) -> float:
    total_bytes = bits / 8 * n_params
    pj_per_byte = pj_per_32bit / 4
    return float(np.prod([total_bytes, pj_per_byte, 1e-12, rate_hz]))


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.choice([rng.integers(1, 50), rng.integers(10**6, 10**9), 10**9 * rng.integers(1, 100)]))
    return Case(n, float(rng.choice([1.58, 2, 3, 4, 4.5, 6, 8, 12, 16, 24])), float(rng.choice([0.1, 0.5, 5, 20, 30, 60])),
                float(rng.choice([50, 100, 160, 640, 1300])))


dram_power_w = Exercise(
    id="01.dram_power_w", points=2, difficulty=1, minutes=5, idea="energy follows the bits that move",
    reference=feasibility.dram_power_w,
    cases=[Case(1e9, 32, 20, 640), Case(1e9, 4, 20, 640)],
    hidden=[Case(1e9, 4, 0, 640), Case(3, 4, 1, 640), Case(1e9, 16, 0.5, 100), Case(5, 32, 1e12, 1), Case(70e9, 4.5, 10, 160),
            Case(1e9, 8, 20, 0)],
    draw=_draw,
    compare=close(1e-9, dtype="any"),
    misconceptions=[
        Misconception(
            "nano", partial(_power, pico=1e-9),
            "Your power is a power of ten too high. A picojoule is 1e-12 J: micro is 1e-6, nano 1e-9.",
            "Pico is 1e-12.", also=(partial(_power, pico=1e-6), partial(_power, pico=1e-3), partial(_power, pico=1))),
        Misconception(
            "a_word_a_weight", partial(_power, packed=False),
            "You charge a whole 32-bit access for every weight. Packed weights share it: how many 4-bit weights come with "
            "32 bits?",
            "Packed weights share an access."),
        Misconception(
            "joules", partial(_power, rate=False),
            "This is the energy of one inference, in joules. Watts are joules a second.",
            "That is energy, not power."),
        Misconception(
            "two_operations", partial(_power, factor=2),
            "The result is twice too large. Two operations a weight is how FLOPs are counted. Here every weight is *moved* once.",
            "This is data movement, not FLOPs."),
        Misconception(
            "energy_of_a_byte", partial(_power, word=8),
            "`pj_per_32bit` is charged for every byte. It is the energy of four bytes.",
            "An access is 32 bits wide."),
        Misconception(
            "energy_of_a_bit", partial(_power, word=1),
            "`pj_per_32bit` is charged for every bit. It is the energy of 32 of them.",
            "An access is 32 bits wide."),
        Misconception(
            "whole_accesses", partial(_power, whole_words=True),
            "You round up to whole accesses. The task counts fractions of one in proportion.",
            "Fractions of an access count in proportion."),
    ],
    alternatives=[_power, _bits_a_second, _by_bytes],
    hints=(
        "How many bits does one inference read? How many times 32 bits is that?",
        "That many times `pj_per_32bit`, in joules, is the energy of one inference.",
        "How many inferences run in a second?",
    ),
    worth_knowing="12.8 W in FP32 and 1.6 W in 4 bits. A phone stays cool with a few watts for everything.",
)
