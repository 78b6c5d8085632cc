"""Exercise 43.inference_uj: arithmetic against memory, in microjoules."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from utils.hardware import accelerators

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _with_numpy(macs: float, dram_bytes: float, pj_mac: float, pj_dram_byte: float) -> tuple[float, float]:
    return tuple((np.array([macs, dram_bytes], float) * [pj_mac, pj_dram_byte] * 1e-6).tolist())


def _by_joules(macs: float, dram_bytes: float, pj_mac: float, pj_dram_byte: float) -> tuple[float, float]:
    joules = macs * (pj_mac * 1e-12), dram_bytes * (pj_dram_byte * 1e-12)
    return joules[0] * 1e6, joules[1] * 1e6


def _decimals(macs: float, dram_bytes: float, pj_mac: float, pj_dram_byte: float) -> tuple[float, float]:
    return float(Decimal(macs) * Decimal(pj_mac) / 10**6), float(Decimal(dram_bytes) * Decimal(pj_dram_byte) / 10**6)


def _draw(rng: np.random.Generator) -> Case:
    return Case(int(rng.integers(1, 10**10)), int(rng.integers(0, 10**9)), round(float(rng.uniform(0.01, 5)), 3), round(float(rng.uniform(1, 400)), 1))


inference_uj = Exercise(
    id="43.inference_uj", points=3, difficulty=1, minutes=6, idea="moving a byte costs hundreds of MACs",
    reference=accelerators.inference_uj,
    cases=[Case(300.8e6, 3_504_872, 0.23, 160)],
    hidden=[Case(10**9, 0, 0.23, 160), Case(0, 10**6, 0.23, 160), Case(0, 0, 1.0, 1.0), Case(10**6, 10**6, 4.6, 32.5)],
    draw=_draw, draws=20, compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception("per_word", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (macs * pj_mac / 1e6, dram_bytes / 4 * pj_dram_byte / 1e6),
                      "You count words of 32 bits. The energy is given for a byte.", "The figure is for a byte."),
        Misconception("bits", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (macs * pj_mac / 1e6, 8 * dram_bytes * pj_dram_byte / 1e6),
                      "You count bits. The energy is given for a byte.", "Bytes, not bits."),
        Misconception("nano", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (macs * pj_mac / 1e9, dram_bytes * pj_dram_byte / 1e9),
                      "Your result is in millijoules. A picojoule is 1e-12 J, a microjoule 1e-6 J: there are a million of one in the other.", "These are millijoules."),
        Misconception("milli", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (macs * pj_mac / 1e3, dram_bytes * pj_dram_byte / 1e3),
                      "Your result is in nanojoules. There are a million picojoules in a microjoule.", "These are nanojoules."),
        Misconception("joules", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (macs * pj_mac / 1e12, dram_bytes * pj_dram_byte / 1e12),
                      "Your result is in joules. Asked are microjoules.", "These are joules."),
        Misconception("pico", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (macs * pj_mac, dram_bytes * pj_dram_byte),
                      "Your result is in picojoules. Asked are microjoules.", "These are picojoules."),
        Misconception("sum", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (macs * pj_mac + dram_bytes * pj_dram_byte) / 1e6,
                      "You return the sum. Asked are two numbers, so that one sees which is larger.", "Two numbers, not their sum."),
        Misconception("doubled", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (2 * macs * pj_mac / 1e6, dram_bytes * pj_dram_byte / 1e6),
                      "You count two operations for each multiply-accumulate. `pj_mac` is for the whole of it.", "The energy is for a whole MAC."),
        Misconception("swapped", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (dram_bytes * pj_dram_byte / 1e6, macs * pj_mac / 1e6),
                      "The two numbers have changed places: arithmetic first, then memory.", "The order is swapped."),
        Misconception("crossed", lambda macs, dram_bytes, pj_mac, pj_dram_byte: (macs * pj_dram_byte / 1e6, dram_bytes * pj_mac / 1e6),
                      "You multiply operations by the price of a byte, and bytes by the price of an operation.", "The prices are crossed."),
    ],
    alternatives=[_with_numpy, _by_joules, _decimals],
    hints=("Count times price for each of the two.", "1e6 pJ are 1 µJ."),
    worth_knowing="Horowitz's figures (45 nm, 2014) have shrunk since, but the gap between a MAC and a DRAM access has not closed.",
)
