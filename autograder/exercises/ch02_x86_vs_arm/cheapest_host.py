"""Exercise 02.cheapest_host: the latency limit filters, the cost of a result decides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import isa

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Row = tuple[float, float, float, float]  # ms, inferences a second, US dollars an hour, watts
Key = Callable[[str, Row], object]


def _by(key: Key, *, fits: Callable[[float, float], bool] = lambda ms, limit: ms <= limit, check: bool = True) -> Callable:
    """An answer that takes the smallest `key` of the hosts that fit."""

    def answer(hosts: dict[str, Row], p99_ms: float) -> str | None:
        names = [name for name, row in hosts.items() if fits(row[0], p99_ms)]
        if not names:
            if check:
                raise ValueError("no host meets the limit")
            return None
        return min(names, key=lambda name: key(name, hosts[name]))

    return answer


def _cost(name: str, row: Row) -> float:
    return row[2] / row[1]


def _energy(row: Row) -> float:
    return row[3] / row[1]


def _key(name: str, row: Row) -> tuple[float, float]:
    return _cost(name, row), _energy(row)


def _likes(word: str) -> Key:
    return lambda name, row: (word not in name.lower(), *_key(name, row))


# --- right answers ------------------------------------------------------------------------------


def _sorted(hosts: dict[str, Row], p99_ms: float) -> str:
    rows = sorted((usd / 3600 / per_s * 1e6, watts / per_s, name) for name, (ms, per_s, usd, watts) in hosts.items() if ms <= p99_ms)
    if not rows:
        raise ValueError("no host is fast enough")
    return rows[0][2]


def _one_pass(hosts: dict[str, Row], p99_ms: float) -> str:
    best = None
    for name, (ms, per_s, usd, watts) in hosts.items():
        if ms > p99_ms:
            continue
        per_usd = 3600 * per_s / usd  # inferences for a dollar
        if best is None or per_usd > best[1] or (per_usd == best[1] and watts / per_s < best[2]):
            best = (name, per_usd, watts / per_s)
    if best is None:
        raise ValueError("no host")
    return best[0]


_NAMES = ("arm-large", "x86-large", "edge-arm", "edge-x86", "graviton", "xeon", "epyc", "ARM box", "x86 box", "axion")


def _draw(rng: np.random.Generator) -> Case:
    """Names that say nothing; sometimes a second host of exactly equal cost (twice the price, twice the rate)."""
    n = int(rng.integers(1, 6))
    hosts = {}
    for name in rng.permutation(_NAMES)[:n]:
        hosts[str(name)] = (int(rng.integers(2, 60)), int(rng.integers(20, 1000)), round(float(rng.uniform(0.02, 3)), 2), int(rng.integers(5, 300)))
    if rng.random() < 0.35:
        ms, per_s, usd, watts = hosts[next(iter(hosts))]
        better = 2 * watts - 3 if rng.random() < 0.5 else 2 * watts + 3
        hosts["twin"] = (ms, 2 * per_s, 2 * usd, better)
        if rng.random() < 0.5:
            hosts = dict(reversed(hosts.items()))
    limits = sorted({row[0] for row in hosts.values()})
    return Case(hosts, limits[int(rng.integers(len(limits)))] + (0 if rng.random() < 0.5 else 0.5))


_HOSTS = {"x86": (9, 900, 1.53, 180), "arm": (12, 800, 1.16, 110), "edge": (80, 40, 0.02, 6)}
_RENAMED = {"arm": (9, 900, 1.53, 180), "x86": (12, 800, 1.16, 110), "edge arm": (80, 40, 0.02, 6)}
_TIE = {"a": (5, 100, 0.5, 50), "b": (5, 200, 1.0, 80)}

cheapest_host = Exercise(
    id="02.cheapest_host", points=4, difficulty=2, minutes=12, idea="cost of a result, within the latency limit",
    reference=isa.cheapest_host, pure=True,
    cases=[Case(_HOSTS, 20), Case(_HOSTS, 100), Case(_HOSTS, 9), Case(_TIE, 5)],
    hidden=[
        Case(_RENAMED, 20), Case(_RENAMED, 100), Case(_HOSTS, 12), Case(_HOSTS, 80), Case(dict(reversed(_TIE.items())), 5),
        Case({"a": (5, 200, 1.0, 110), "b": (5, 100, 0.5, 50)}, 6), Case({"b": (5, 100, 0.5, 50), "a": (5, 200, 1.0, 110)}, 6),
        Case({"only": (7, 3, 9.0, 400)}, 7), Case({"slow": (30, 100, 0.1, 5), "fast": (3, 100, 3.0, 200)}, 29),
        Case({"big": (10, 1000, 3.0, 300), "small": (10, 20, 0.08, 8)}, 10), Case({"frugal": (10, 100, 1.0, 5), "cheap": (10, 100, 0.9, 250)}, 10),
    ],
    draw=_draw, draws=40,
    raises=[Case(_HOSTS, 8.9, word="no host"), Case({"one": (5, 100, 1.0, 10)}, 4, word="no host"), Case({}, 100, word="no host")],
    compare=exact(),
    misconceptions=[
        Misconception(
            "cheapest_hour", _by(lambda name, row: (row[2], _energy(row))),
            "You take the lowest price of an hour. An hour of a slow host is cheap and yields little: compare what a "
            "million inferences cost.",
            "An hour is not a result.", also=(_by(lambda name, row: row[2]), _by(lambda name, row: row[2], check=False))),
        Misconception(
            "most_throughput", _by(lambda name, row: (-row[1], _energy(row))),
            "You take the highest throughput. The latency limit filters; among what is left the cost decides.",
            "Speed is not the question.", also=(_by(lambda name, row: -row[1]), _by(lambda name, row: -row[1], check=False))),
        Misconception(
            "fastest", _by(lambda name, row: (row[0], *_key(name, row))),
            "You take the lowest latency. A host that meets the limit meets it: being faster than that earns nothing here.",
            "Faster than needed.", also=(_by(lambda name, row: row[0]),)),
        Misconception(
            "least_energy", _by(lambda name, row: (_energy(row), _cost(name, row))),
            "You take the fewest joules an inference. That decides only between equal costs.",
            "Energy comes second.", also=(_by(lambda name, row: _energy(row)), _by(lambda name, row: row[3]))),
        Misconception(
            "prefers_arm", _by(_likes("arm")),
            "You look at the name. The instruction set is no criterion: the hidden cases give the names to other hosts.",
            "The name decides nothing.", also=(_by(_likes("x86")), _by(_likes("arm"), check=False))),
        Misconception(
            "no_limit", _by(_key, fits=lambda ms, limit: True),
            "You leave the latency limit out: some host above it was chosen.",
            "The limit is not used.", also=(_by(_cost, fits=lambda ms, limit: True),)),
        Misconception(
            "strictly_below", _by(_key, fits=lambda ms, limit: ms < limit),
            "A host whose latency equals the limit meets it.",
            "The limit itself is allowed.", also=(_by(_key, fits=lambda ms, limit: ms < limit, check=False),)),
        Misconception(
            "upside_down", _by(lambda name, row: (row[1] / row[2], _energy(row))),
            "Your quotient is upside down: you take the fewest inferences for a dollar.",
            "Inferences for a dollar, not dollars for inferences.",
            also=(_by(lambda name, row: row[2] * row[1]), _by(lambda name, row: (-_cost(name, row), _energy(row))))),
        Misconception(
            "first_of_equals", _by(_cost),
            "Two hosts cost the same for an inference, and you take the one that comes first. The text asks for the one "
            "with fewer joules an inference.",
            "A tie is decided by energy.", also=(_by(_cost, check=False),)),
        Misconception(
            "tie_by_watts", _by(lambda name, row: (_cost(name, row), row[3])),
            "You settle a tie by watts. Watts are energy a second: a host that does twice the work may draw more and "
            "still need fewer joules for each inference.",
            "Watts are not joules."),
        Misconception(
            "tie_the_other_way", _by(lambda name, row: (_cost(name, row), -_energy(row))),
            "Among equal costs you take the host with more joules an inference. Fewer are asked.",
            "The tie goes the other way."),
        Misconception(
            "none_returned", _by(_key, check=False),
            "The choice is right. When no host meets the limit, the text asks for an error and not for a value.",
            "Nothing fits, and no error."),
    ],
    alternatives=[_sorted, _one_pass, _by(_key)],
    hints=(
        "First throw out every host whose latency is above the limit. Is anything left?",
        "Dollars an hour over inferences an hour: usd / (3600 · per second). For a comparison the constants don't matter.",
        "`min(names, key=lambda n: (cost, energy))` compares tuples: energy counts only when the costs are equal.",
    ),
    worth_knowing="Which of the three wins depends on the limit. The instruction set never entered.",
)
