"""Exercise 51.peak_tflops: units and clock make the peak."""

from __future__ import annotations

import math

import numpy as np

from utils.hardware import gpu_arch

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _other_order(sms: int, lanes_per_sm: int, ghz: float, fma: bool = True) -> float:
    per_cycle = lanes_per_sm * sms
    return (per_cycle + per_cycle * bool(fma)) * (ghz * 1e9) / 1e12


def _with_prod(sms: int, lanes_per_sm: int, ghz: float, fma: bool = True) -> float:
    return math.prod((sms, lanes_per_sm, ghz, 1 + fma)) * 1e-3


def _by_time(sms: int, lanes_per_sm: int, ghz: float, fma: bool = True) -> float:
    """Seconds for 10^12 operations, turned over."""
    cycles = 1e12 / (sms * lanes_per_sm * (2.0 if fma else 1.0))
    return 1 / (cycles / (ghz * 1e9))


def _draw(rng: np.random.Generator) -> Case:
    args = int(rng.integers(8, 200)), int(rng.choice([64, 128, 192, 256, 512, 1024, 2048, 4096])), round(float(rng.uniform(0.6, 2.8)), 3)
    return Case(*args, fma=False) if rng.random() < 0.4 else Case(*args)


peak_tflops = Exercise(
    id="51.peak_tflops", points=3, difficulty=1, minutes=8, idea="a peak is units times clock times two",
    reference=gpu_arch.peak_tflops,
    cases=[Case(80, 64, 1.53), Case(80, 512, 1.53), Case(80, 64, 1.53, fma=False)],
    hidden=[Case(132, 2048, 1.83), Case(56, 64, 1.48), Case(1, 1, 1.0), Case(1, 1, 1.0, fma=False), Case(148, 128, 1.98, fma=True), Case(40, 64, 1.59, False)],
    draw=_draw, compare=close(1e-9),
    misconceptions=[
        Misconception("fma_once", lambda sms, lanes_per_sm, ghz, fma=True: sms * lanes_per_sm * ghz / 1000,
                      "Your result is half of what is printed on data sheets. A fused multiply-add multiplies and adds: vendors count two operations for it.", "A multiply-add counts two."),
        Misconception("always_two", lambda sms, lanes_per_sm, ghz, fma=True: 2 * sms * lanes_per_sm * ghz / 1000,
                      "You count two operations also where `fma` is False. Plain additions alone reach half of the peak.", "`fma` is ignored."),
        Misconception("reversed_fma", lambda sms, lanes_per_sm, ghz, fma=True: (1 if fma else 2) * sms * lanes_per_sm * ghz / 1000,
                      "The two cases have changed places: it is the fused multiply-add that does two operations.", "`fma` is the other way round."),
        Misconception("gflops", lambda sms, lanes_per_sm, ghz, fma=True: sms * lanes_per_sm * ghz * (2 if fma else 1),
                      "Your result is 1,000 times too high: units times GHz gives 10^9 operations a second. TFLOP/s are 10^12.", "These are GFLOP/s.",
                      also=(lambda sms, lanes_per_sm, ghz, fma=True: sms * lanes_per_sm * ghz * 1e9 * (2 if fma else 1), lambda sms, lanes_per_sm, ghz, fma=True: sms * lanes_per_sm * ghz * 1000 * (2 if fma else 1))),
        Misconception("mhz", lambda sms, lanes_per_sm, ghz, fma=True: sms * lanes_per_sm * ghz * (2 if fma else 1) / 1e6,
                      "Your result is 1,000 times too low, as if the clock were given in MHz. `ghz` is in GHz.", "The clock is in GHz."),
        Misconception("lanes_of_the_gpu", lambda sms, lanes_per_sm, ghz, fma=True: lanes_per_sm * ghz * (2 if fma else 1) / 1000,
                      "The number of SMs is missing. `lanes_per_sm` counts the lanes of one SM, not of the whole GPU.", "One SM is not the GPU.",
                      also=(lambda sms, lanes_per_sm, ghz, fma=True: lanes_per_sm / sms * ghz * (2 if fma else 1) / 1000,)),
        Misconception("sms_twice", lambda sms, lanes_per_sm, ghz, fma=True: sms * sms * lanes_per_sm * ghz * (2 if fma else 1) / 1000,
                      "The SMs are in it twice. `lanes_per_sm` is for one SM: multiply by `sms` once.", "The SMs count once."),
        Misconception("rounded", lambda sms, lanes_per_sm, ghz, fma=True: round(sms * lanes_per_sm * ghz * (2 if fma else 1) / 1000, 1),
                      "You round as data sheets do. The exact product is asked.", "Do not round.",
                      also=(lambda sms, lanes_per_sm, ghz, fma=True: round(sms * lanes_per_sm * ghz * (2 if fma else 1) / 1000, 3), lambda sms, lanes_per_sm, ghz, fma=True: round(sms * lanes_per_sm * ghz * (2 if fma else 1) / 1000))),
    ],
    alternatives=[_other_order, _with_prod, _by_time],
    hints=("How many operations does the whole GPU do in one cycle?", "Times cycles a second: GHz are 10^9. TFLOP/s are 10^12 operations a second."),
    worth_knowing="A tensor core fits in as well: as so many lanes as it does multiply-adds in a cycle.",
)
