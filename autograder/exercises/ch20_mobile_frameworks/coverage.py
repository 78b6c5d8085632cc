"""Exercise 20.coverage: what a delegate takes over, and what its borders cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby, pairwise

import numpy as np

from utils.engines import mobile_formats

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Layers = list[tuple[str, int]]
Answer = Callable[[Layers, set, float, float, float], tuple[float, float, float]]


def _require(layers: Layers, cpu_gmacs: float, npu_gmacs: float, sync_ms: float) -> None:
    if cpu_gmacs <= 0 or npu_gmacs <= 0 or sync_ms < 0 or any(macs < 0 for _, macs in layers):
        raise ValueError("an argument is out of its range")


def _runs(flags: list[bool]) -> int:
    """Maximal runs of True."""
    return sum(flag for flag, _ in groupby(flags))


def _crossings(flags: list[bool]) -> int:
    return 2 * _runs(flags)


def _macs_share(layers: Layers, flags: list[bool]) -> float:
    total = sum(macs for _, macs in layers)
    return sum(macs for (_, macs), flag in zip(layers, flags) if flag) / total if total else 0.0


def _coverage(*, node_share: Callable = lambda layers, flags: sum(flags) / len(flags) if flags else 0.0, macs_share: Callable = _macs_share,
              crossings: Callable[[list[bool]], float] = _crossings, per_ms: float = 1e6, speeds: Callable = lambda cpu, npu: (cpu, npu),
              check: bool = True) -> Answer:
    """An answer from its two shares, the number of changes of device, and how a speed becomes MACs a millisecond."""

    def answer(layers: Layers, supported: set[str], cpu_gmacs: float, npu_gmacs: float, sync_ms: float) -> tuple[float, float, float]:
        if check:
            _require(layers, cpu_gmacs, npu_gmacs, sync_ms)
        flags = [op in supported for op, _ in layers]
        cpu, npu = speeds(cpu_gmacs, npu_gmacs)
        time_ms = sum(macs / ((npu if flag else cpu) * per_ms) for (_, macs), flag in zip(layers, flags))
        return node_share(layers, flags), macs_share(layers, flags), time_ms + crossings(flags) * sync_ms

    return answer


def _both(**rules: object) -> dict:
    return {"answer": _coverage(**rules), "also": (_coverage(**rules, check=False),)}


def _seconds(layers: Layers, supported: set[str], cpu_gmacs: float, npu_gmacs: float, sync_ms: float) -> tuple[float, float, float]:
    nodes, macs, ms = _coverage()(layers, supported, cpu_gmacs, npu_gmacs, sync_ms)
    return nodes, macs, ms / 1e3


def _ops_as_two(layers: Layers, supported: set[str], cpu_gmacs: float, npu_gmacs: float, sync_ms: float) -> tuple[float, float, float]:
    return _coverage(per_ms=5e5)(layers, supported, cpu_gmacs, npu_gmacs, sync_ms)


def _state_machine(layers: Layers, supported: set[str], cpu_gmacs: float, npu_gmacs: float, sync_ms: float) -> tuple[float, float, float]:
    """Walks over the layers with a clock and remembers where it is."""
    if not (cpu_gmacs > 0 and npu_gmacs > 0 and sync_ms >= 0):
        raise ValueError("speeds must be positive")
    on_npu, ms, nodes, moved, total = False, 0.0, 0, 0, 0
    for op, macs in [*layers, (None, 0)]:
        if macs < 0:
            raise ValueError("MACs must not be negative")
        here = op in supported
        if here != on_npu:
            ms, on_npu = ms + sync_ms, here
        ms += macs / 1e6 / (npu_gmacs if here else cpu_gmacs)
        nodes, moved, total = nodes + here, moved + macs * here, total + macs
    return nodes / max(len(layers), 1), moved / total if total > 0 else 0.0, ms


def _letters(layers: Layers, supported: set[str], cpu_gmacs: float, npu_gmacs: float, sync_ms: float) -> tuple[float, float, float]:
    """Writes the devices as a string and finds the runs in it."""
    _require(layers, cpu_gmacs, npu_gmacs, sync_ms)
    where = "".join("N" if op in supported else "C" for op, _ in layers)
    macs = np.array([m for _, m in layers], np.float64)
    npu = np.array([c == "N" for c in where], bool)
    ms = macs[npu].sum() / npu_gmacs / 1e6 + macs[~npu].sum() / cpu_gmacs / 1e6 + 2 * len(re.findall("N+", where)) * sync_ms
    return (where.count("N") / len(where) if where else 0.0), (float(macs[npu].sum() / macs.sum()) if macs.any() else 0.0), float(ms)


# --- cases ----------------------------------------------------------------------------------------


def _case(layers: Layers, supported: str, cpu: float, npu: float, sync: float, label: str = "") -> Case:
    told = " ".join(f"{op}:{macs / 1e6:g}M" for op, macs in layers[:6]) + (" …" if len(layers) > 6 else "")
    return Case(layers=[list(layer) for layer in layers], supported=supported.split(), cpu_gmacs=cpu, npu_gmacs=npu, sync_ms=sync,
                label=label or f"[{told}], NPU: {supported or 'nothing'}; {cpu:g} and {npu:g} GMAC/s, {sync:g} ms")


EXAMPLE = [("Conv", 900_000_000), ("Act", 0), ("Resize", 50_000_000), ("Conv", 50_000_000)]
ALTERNATING = [("Conv", 10_000_000), ("Norm", 1_000)] * 10


def _draw(rng: np.random.Generator) -> Case:
    ops = ["Conv", "Act", "Resize", "Pool", "Norm"]
    layers = [(str(rng.choice(ops)), 0 if rng.random() < 0.2 else int(rng.integers(1, 2000)) * 100_000) for _ in range(int(rng.integers(1, 12)))]
    supported = " ".join(op for op in ops if rng.random() < 0.5)
    return _case(layers, supported, float(rng.integers(1, 40)), float(rng.integers(1, 400)), float(rng.integers(0, 20)) / 4)


def _show(value: object) -> str:
    if isinstance(value, (list, tuple)) and all(type(v) in (int, float) for v in value):
        return "(" + ", ".join(f"{v:.6g}" for v in value) + ")"
    return str(value)[:70]


coverage = Exercise(
    id="20.coverage", points=3, difficulty=2, minutes=11, idea="count the work that a delegate takes, and its borders",
    reference=mobile_formats.coverage, probe="ch20_mobile_frameworks.coverage", compare=close(1e-9), show=_show, time_limit_s=2,
    cases=[_case(EXAMPLE, "Conv Act", 10, 100, 1), _case(EXAMPLE, "", 10, 100, 1), _case([("Act", 0), ("Act", 0)], "Act", 10, 100, 1)],
    hidden=[
        _case(EXAMPLE, "Conv Act Resize", 10, 100, 1), _case([], "Conv", 10, 100, 1, label="no layers"), _case([("Act", 0), ("Norm", 0)], "", 10, 100, 1),
        _case(ALTERNATING, "Conv", 10, 100, 1, label="Conv and Norm in turns, 10 times"), _case(ALTERNATING, "Norm", 10, 100, 0.5, label="the same, but the NPU takes Norm"),
        _case([("Conv", 5_000_000)], "Conv", 2, 50, 0), _case([("Norm", 1), ("Conv", 3), ("Norm", 4)], "Conv", 0.5, 0.25, 0.125), _case(EXAMPLE, "Resize", 10, 5, 2),
        _case([("Conv", 1_000_000), ("Conv", 2_000_000), ("Pool", 0), ("Conv", 3_000_000)], "Conv", 1, 10, 0.25), _case([("Pool", 0), ("Pool", 10)], "Conv Act", 4, 8, 3),
    ],
    draw=_draw, draws=40,
    raises=[
        _case(EXAMPLE, "Conv", 0, 100, 1), _case(EXAMPLE, "Conv", -1, 100, 1), _case(EXAMPLE, "Conv", 10, 0, 1), _case(EXAMPLE, "", 10, -5, 1), _case(EXAMPLE, "Conv", 10, 100, -1),
        _case([("Conv", -1)], "Conv", 10, 100, 1, label="-1 MACs on the NPU"), _case([("Conv", 10), ("Norm", -1)], "Conv", 10, 100, 1, label="-1 MACs on the CPU"),
        _case([], "Conv", 0, 100, 1, label="no layers, a CPU of 0 GMAC/s"),
    ],
    misconceptions=[
        Misconception(
            "nodes_for_work", **_both(macs_share=lambda layers, flags: sum(flags) / len(flags) if flags else 0.0),
            message="Both of your shares count nodes. Three of four nodes can hold 95 % of the work, or none of it. The second share has to count MACs.",
            title="Nodes are not work."),
        Misconception(
            "shares_swapped", **_both(node_share=_macs_share, macs_share=lambda layers, flags: sum(flags) / len(flags) if flags else 0.0),
            message="The shares of nodes and of MACs changed places.",
            title="The two shares are swapped."),
        Misconception(
            "one_way", **_both(crossings=_runs),
            message="You count one synchronisation for each visit to the NPU. The data have to go there and to come back: that makes two.",
            title="In and out are two."),
        Misconception(
            "starts_and_ends_anywhere", **_both(crossings=lambda flags: sum(a != b for a, b in pairwise(flags))),
            message="You count the borders between layers only. The input comes from the CPU and the result goes back to it, so a run at the start or the end "
                    "has a border there too.",
            title="Start and end are on the CPU."),
        Misconception(
            "one_visit", **_both(crossings=lambda flags: 2 * any(flags)),
            message="You count one visit for the whole network. An unsupported layer in the middle sends the data back to the CPU: every maximal run of supported layers "
                    "is a visit of its own.",
            title="The unsupported layer in the middle is forgotten."),
        Misconception(
            "every_layer_synchronises", **_both(crossings=lambda flags: 2 * sum(flags)),
            message="You synchronise at each supported layer. Neighbours on the same device pass their data on without leaving it.",
            title="Neighbours share a visit."),
        Misconception(
            "thousand", **_both(per_ms=1e9),
            message="Your compute time is in seconds. 1 GMAC/s are 1e9 MACs a second: how many are that in a millisecond?",
            title="A factor of a thousand.", ),
        Misconception(
            "result_in_seconds", _seconds,
            "The third number has to be in milliseconds, as `sync_ms` is.",
            "That is a time in seconds."),
        Misconception(
            "two_operations_a_mac", _ops_as_two,
            "You count two operations a MAC. The speeds are given in GMAC/s, so a MAC counts once.",
            "MACs were doubled."),
        Misconception(
            "speeds_swapped", **_both(speeds=lambda cpu, npu: (npu, cpu)),
            message="Supported layers run at the CPU's speed in your answer, and the others at the NPU's.",
            title="The speeds are swapped."),
        Misconception(
            "everything_on_the_npu", **_both(speeds=lambda cpu, npu: (npu, npu)),
            message="You compute all layers at the NPU's speed. What is not supported runs on the CPU.",
            title="The rest runs on the CPU."),
        Misconception(
            "no_work_divides_by_zero", _coverage(macs_share=lambda layers, flags: sum(m for (_, m), f in zip(layers, flags) if f) / sum(m for _, m in layers)),
            "A network without any MACs has nothing to share: the text asks for 0.0 there.",
            "Zero MACs are divided by.",
            also=(_coverage(macs_share=lambda layers, flags: sum(m for (_, m), f in zip(layers, flags) if f) / sum(m for _, m in layers), check=False),)),
    ],
    alternatives=[_state_machine, _letters, _coverage()],
    hints=(
        "Make a list of booleans first: which layers are supported? `groupby` gives its runs.",
        "1 GMAC/s is 1e6 MACs a millisecond.",
        "Each run of supported layers costs `2 * sync_ms`. Guard both shares against dividing by zero.",
    ),
    worth_knowing="LiteRT's delegates work this way: one unsupported operator in the middle splits a network into two visits.",
)
