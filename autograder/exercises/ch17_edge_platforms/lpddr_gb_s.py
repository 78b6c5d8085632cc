"""Exercise 17.lpddr_gb_s: bandwidth from bus and transfer rate."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from utils.hardware import chips

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _answer(of: Callable[[float, float], float], check: bool = True) -> Callable:
    def answer(bus_bits: int, mega_transfers: float) -> float:
        if check and not (bus_bits > 0 and mega_transfers > 0):
            raise ValueError("both must be positive")
        return of(bus_bits, mega_transfers)

    return answer


def _told(of: Callable[[float, float], float]) -> dict:
    return {"answer": _answer(of), "also": [_answer(of, check=False)]}


def _zero_passes(bus_bits: int, mega_transfers: float) -> float:
    if bus_bits < 0 or mega_transfers < 0:
        raise ValueError("both must be positive")
    return bus_bits / 8 * mega_transfers / 1000


def _one_argument(bus_bits: int, mega_transfers: float) -> float:
    if bus_bits <= 0:
        raise ValueError("bus_bits must be positive")
    return bus_bits / 8 * mega_transfers / 1000


def _other_argument(bus_bits: int, mega_transfers: float) -> float:
    if mega_transfers <= 0:
        raise ValueError("mega_transfers must be positive")
    return bus_bits / 8 * mega_transfers / 1000


# --- right answers ------------------------------------------------------------------------------


def _in_bytes(bus_bits: int, mega_transfers: float) -> float:
    if min(bus_bits, mega_transfers) <= 0:
        raise ValueError("need a bus and a rate above 0")
    bytes_a_transfer = bus_bits / 8
    return bytes_a_transfer * (mega_transfers * 1e6) / 1e9


def _exact(bus_bits: int, mega_transfers: float) -> float:
    if bus_bits <= 0 or mega_transfers <= 0:
        raise ValueError("not positive")
    return float(Fraction(bus_bits) * Fraction(mega_transfers) / 8000)


def _with_numpy(bus_bits: int, mega_transfers: float) -> np.float64:
    if not np.all(np.array([bus_bits, mega_transfers]) > 0):
        raise ValueError("not positive")
    return np.prod([bus_bits, mega_transfers, 0.125, 1e-3])


def _draw(rng: np.random.Generator) -> tuple:
    return int(rng.choice([16, 32, 64, 96, 128, 192, 256])), int(rng.choice([1600, 2133, 3200, 3733, 4224, 4267, 5500, 6400, 8533, 9600]))


lpddr_gb_s = Exercise(
    id="17.lpddr_gb_s", points=3, difficulty=1, minutes=6, idea="a bus has a width and a rate",
    reference=chips.lpddr_gb_s,
    cases=[Case(64, 4224), Case(128, 6400)],
    hidden=[Case(256, 8533), Case(16, 4267), Case(8, 1000), Case(1, 1), Case(256, 6400), Case(32, 1066.5)],
    draw=_draw, compare=close(1e-9),
    raises=[Case(0, 4224), Case(64, 0), Case(-64, 4224), Case(64, -1.0), Case(-64, -4224)],
    misconceptions=[
        Misconception(
            "clock_doubled", message="You double the rate. DDR does carry two transfers a clock, but `mega_transfers` counts transfers already, not clocks.",
            title="Transfers, not clocks.", **_told(lambda b, m: b * m * 2 / 8000)),
        Misconception(
            "rate_halved", message="You halve the rate. It counts transfers, and every one of them carries the full width of the bus.",
            title="Each transfer carries data.", **_told(lambda b, m: b * m / 16000)),
        Misconception(
            "gigabits", message="This is a number of gigabits. A byte has 8 bits, and a GB/s has 8 Gbit/s.",
            title="These are Gbit/s.", **_told(lambda b, m: b * m / 1000)),
        Misconception(
            "binary_giga", message="You divide by a power of 1024. Bandwidths are given in GB of 10⁹ bytes: 33.792, not 33.",
            title="GB are decimal here.", answer=_answer(lambda b, m: b * m / 8 / 1024),
            also=[_answer(lambda b, m: b * m * 1e6 / 8 / 2**30), _answer(lambda b, m: b * m / 8 / 1024, check=False)]),
        Misconception(
            "one_channel", message="You count one channel of 16 bits. `bus_bits` is the width of all channels together, and all of them work at once.",
            title="The whole bus counts.", **_told(lambda b, m: 16 * m / 8000)),
        Misconception(
            "channels_again", message="You multiply by the number of 16-bit channels. The width of the bus has them in it already.",
            title="Channels counted twice.", **_told(lambda b, m: b / 16 * b * m / 8000)),
        Misconception(
            "megabytes", message="This is a number of MB/s: millions of transfers times bytes. Asked are GB/s.",
            title="These are MB/s.", **_told(lambda b, m: b * m / 8)),
        Misconception(
            "rounded", message="Your result is rounded to whole GB/s. Small buses have only a few of them: keep the fraction.",
            title="Don't round.", answer=_answer(lambda b, m: float(round(b * m / 8000))), also=[_answer(lambda b, m: b * m // 8000)]),
        Misconception(
            "zero_passes", _zero_passes,
            "You refuse negative values, but 0 gets through. No bus has 0 bits, and 0 GB/s would look like a very slow chip.",
            "Zero is not positive."),
        Misconception(
            "one_is_checked", _one_argument,
            "You check one of the two arguments. The other can be wrong as well.",
            "Check both.", also=[_other_argument]),
        Misconception(
            "anything_goes", _answer(lambda b, m: b / 8 * m / 1000, check=False),
            "The values are right. But a bus without width, or a negative rate, is a slip of whoever filled in the table: refuse it.",
            "Bad input gets through."),
    ],
    alternatives=[_in_bytes, _exact, _with_numpy],
    hints=(
        "How many bytes does one transfer carry over the whole bus?",
        "Millions of transfers times bytes are MB/s; 1000 of them are a GB/s.",
    ),
    worth_knowing="The same two numbers give 102.4 GB/s for a Jetson Orin Nano Super and 273 GB/s for a Jetson T5000.",
)
