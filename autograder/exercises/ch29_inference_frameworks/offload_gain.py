"""Exercise 29.offload_gain: which groups are worth a trip to the accelerator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.engines import frameworks

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Lists = list[float]


def _require(groups: list, lists: tuple, link: float) -> None:
    if any(len(values) != len(groups) for values in lists) or link <= 0:
        raise ValueError("lists of another length, or no link")


def _gain(*, away: Callable[..., float] = lambda accel, launch, into, out, link: accel + launch + (into + out) / (link * 1e6),
          wins: Callable[[float, float], bool] = lambda away, cpu: away < cpu, compared: Callable[..., float] | None = None,
          stays: Callable[..., float] = lambda cpu, into, out, link: cpu, may: Callable[[str], bool] = lambda device: device == "accel",
          check: bool = True) -> Callable:
    """An answer from the cost of going, what is compared with the CPU's time, and the cost of staying; right by default."""

    def answer(groups: list, cpu_ms: Lists, accel_ms: Lists, in_bytes: Lists, out_bytes: Lists, link_gb_s: float, launch_ms: float) -> tuple[list[bool], float]:
        if check:
            _require(groups, (cpu_ms, accel_ms, in_bytes, out_bytes), link_gb_s)
        decisions, total = [], 0.0
        for (device, _), cpu, accel, into, out in zip(groups, cpu_ms, accel_ms, in_bytes, out_bytes):
            going = away(accel, launch_ms, into, out, link_gb_s)
            seen = (compared or away)(accel, launch_ms, into, out, link_gb_s)
            decisions.append(may(device) and bool(wins(seen, cpu)))
            total += going if decisions[-1] else stays(cpu, into, out, link_gb_s) if device == "cpu" else cpu
        return decisions, total

    return answer


def _both(**rules: Callable) -> dict:
    return {"answer": _gain(**rules), "also": (_gain(**rules, check=False),)}


def _per_ms(accel: float, launch: float, into: float, out: float, link: float) -> float:
    return accel + launch + (into + out) / (link * 1e9)


def _gib(accel: float, launch: float, into: float, out: float, link: float) -> float:
    return accel + launch + (into + out) / (link * 2**30 / 1e3)


def _no_launch(accel: float, launch: float, into: float, out: float, link: float) -> float:
    return accel + (into + out) / (link * 1e6)


def _inputs_only(accel: float, launch: float, into: float, out: float, link: float) -> float:
    return accel + launch + into / (link * 1e6)


def _outputs_only(accel: float, launch: float, into: float, out: float, link: float) -> float:
    return accel + launch + out / (link * 1e6)


def _compute(accel: float, launch: float, into: float, out: float, link: float) -> float:
    return accel


def _compute_and_launch(accel: float, launch: float, into: float, out: float, link: float) -> float:
    return accel + launch


def _all_or_nothing(groups: list, cpu_ms: Lists, accel_ms: Lists, in_bytes: Lists, out_bytes: Lists, link_gb_s: float, launch_ms: float) -> tuple[list[bool], float]:
    _require(groups, (cpu_ms, accel_ms, in_bytes, out_bytes), link_gb_s)
    offered = [device == "accel" for device, _ in groups]
    away = [a + launch_ms + (i + o) / (link_gb_s * 1e6) if go else c for go, c, a, i, o in zip(offered, cpu_ms, accel_ms, in_bytes, out_bytes)]
    return (offered, sum(away)) if sum(away) < sum(cpu_ms) else ([False] * len(groups), float(sum(cpu_ms)))


def _with_numpy(groups: list, cpu_ms: Lists, accel_ms: Lists, in_bytes: Lists, out_bytes: Lists, link_gb_s: float, launch_ms: float) -> tuple[list[bool], float]:
    _require(groups, (cpu_ms, accel_ms, in_bytes, out_bytes), link_gb_s)
    cpu = np.array(cpu_ms, float)
    away = np.array(accel_ms, float) + launch_ms + (np.array(in_bytes, float) + np.array(out_bytes, float)) / (link_gb_s * 1e6)
    go = np.array([device == "accel" for device, _ in groups], bool) & (away < cpu)
    return go.tolist(), float(np.where(go, away, cpu).sum())


def _in_seconds(groups: list, cpu_ms: Lists, accel_ms: Lists, in_bytes: Lists, out_bytes: Lists, link_gb_s: float, launch_ms: float) -> tuple[list[bool], float]:
    _require(groups, (cpu_ms, accel_ms, in_bytes, out_bytes), link_gb_s)
    going = [a + launch_ms + 1e3 * (i + o) / (link_gb_s * 1e9) for a, i, o in zip(accel_ms, in_bytes, out_bytes)]
    decisions = [group[0] == "accel" and go < stay for group, go, stay in zip(groups, going, cpu_ms)]
    return decisions, sum(go if yes else stay for yes, go, stay in zip(decisions, going, cpu_ms))


def _draw(rng: np.random.Generator) -> Case:
    """Devices in turns. Times in 1/64 ms; a cost of going that equals staying moves no bytes, so it is exact."""
    n, first = int(rng.integers(1, 8)), int(rng.integers(2))
    groups = [(("accel", "cpu")[(first + k) % 2], [k]) for k in range(n)]
    launch, link = int(rng.integers(0, 33)) / 64, float(rng.choice([1.5, 3, 12, 16, 25, 50]))
    accel = rng.integers(1, 129, n) / 64
    into, out = (rng.integers(0, 4_000_000, n).astype(float) for _ in range(2))
    away = accel + launch + (into + out) / (link * 1e6)
    cpu = np.round(away * rng.choice([0.4, 0.8, 1.3, 3.0, 8.0], n), 4)
    for k in range(n):
        if rng.random() < 0.2:
            into[k] = out[k] = 0.0
            cpu[k] = accel[k] + launch + float(rng.choice([-1, 0, 1])) / 64
    return Case(groups, np.maximum(cpu, 1 / 64).tolist(), accel.tolist(), into.tolist(), out.tolist(), link, launch, label=f"{n} drawn groups")


_ONE = [("accel", [0])]
_THREE = [("accel", [0, 1, 3]), ("cpu", [2]), ("accel", [4, 5])]

offload_gain = Exercise(
    id="29.offload_gain", points=4, difficulty=2, minutes=10, idea="the gain has to pay for the copies",
    reference=frameworks.offload_gain,
    cases=[Case(_ONE, [5.0], [0.5], [4e6], [2e6], 12, 0.02), Case(_THREE, [4.0, 1.0, 0.6], [0.4, 0.1, 0.1], [1.2e6, 4e6, 4e6], [4e6, 4e6, 0.8e6], 8, 0.1)],
    hidden=[
        Case([], [], [], [], [], 12, 0.02), Case([("cpu", [0])], [3.0], [0.1], [8e6], [8e6], 16, 0.0), Case(_ONE, [1.5], [1.0], [0], [0], 16, 0.5),
        Case(_ONE, [1.5], [1.0], [0.0], [0.0], 16, 0.25), Case(_ONE, [0.25], [0.125], [0], [0], 4, 0.5), Case(_ONE, [2.0], [0.5], [16e6], [0], 16, 0.0),
        Case(_ONE, [2.0], [0.5], [0], [40e6], 16, 0.0), Case(_ONE, [3.0], [0.25], [15e6], [15e6], 12, 0.0), Case(_ONE, [5.3], [0.25], [30e6], [30e6], 12, 0.0),
        Case([("cpu", [0]), ("accel", [1]), ("cpu", [2])], [2.0, 9.0, 4.0], [0.5, 1.0, 0.5], [1e6, 2e6, 3e6], [2e6, 2e6, 1e6], 4, 0.25),
        Case(_THREE, [9.0, 1.0, 0.5], [0.5, 0.5, 0.25], [1e6, 1e6, 4e6], [1e6, 1e6, 4e6], 2, 0.25), Case(_ONE, [1.0], [0.0], [1e6], [0.0], 2, 0.0),
        Case(_ONE, [9.0], [0.5], [1e6], [1e6], 1, 0.25), Case(_ONE, [9.0], [0.5], [1e6], [1e6], 0.5, 0.25),
    ],
    draw=_draw, draws=40, compare=close(1e-9, 1e-12),
    raises=[Case(_THREE, [1.0, 2.0], [1.0, 1.0, 1.0], [0, 0, 0], [0, 0, 0], 12, 0.1), Case(_ONE, [1.0], [1.0, 2.0], [0], [0], 12, 0.1),
            Case(_ONE, [1.0], [1.0], [], [0], 12, 0.1), Case(_ONE, [1.0], [1.0], [0], [0, 0], 12, 0.1), Case(_ONE, [5.0], [1.0], [1e6], [1e6], 0, 0.1),
            Case(_ONE, [5.0], [1.0], [1e6], [1e6], -12, 0.1), Case([], [], [], [], [], 0, 0.1)],
    misconceptions=[
        Misconception(
            "gb_per_ms", **_both(away=_per_ms),
            message="Your copies are a thousand times too fast. A link of 12 GB/s moves 12e9 bytes in a *second*, and you count in milliseconds.",
            title="GB/s were taken per millisecond."),
        Misconception(
            "gib", **_both(away=_gib),
            message="You count 2^30 bytes to a GB. Links are given in decimal GB/s: 1e9 bytes a second.",
            title="GiB are not GB."),
        Misconception(
            "cpu_copies", **_both(stays=lambda cpu, into, out, link: cpu + (into + out) / (link * 1e6)),
            message="You charge copies to groups that run on the CPU anyway. Their tensors are in host memory already.",
            title="CPU groups copy nothing."),
        Misconception(
            "no_launch", **_both(away=_no_launch),
            message="The start of a group is missing. `launch_ms` is what makes tiny groups stay on the CPU.",
            title="A group has to be started."),
        Misconception(
            "one_way", _gain(away=_inputs_only),
            "You count one direction. The inputs go there and the outputs come back.",
            "There and back.", also=(_gain(away=_inputs_only, check=False), _gain(away=_outputs_only))),
        Misconception(
            "compute_only", _gain(compared=_compute),
            "You decide by the computing time alone, and pay for the copies afterwards. The decision needs the whole cost of going.",
            "The decision leaves out the copies.", also=(_gain(compared=_compute, check=False), _gain(compared=_compute_and_launch))),
        Misconception(
            "ties_go", **_both(wins=lambda away, cpu: away <= cpu),
            message="At equal cost you go. Staying is simpler: offload only if it takes less time.",
            title="Equal cost stays."),
        Misconception(
            "always", **_both(wins=lambda away, cpu: True),
            message="You offload whatever the accelerator supports. For small groups the copies cost more than they save.",
            title="Supported is not worthwhile."),
        Misconception(
            "cpu_groups_too", **_both(may=lambda device: True),
            message="You send groups of the CPU to the accelerator. Their operators are not supported there, however cheap it would be.",
            title="CPU groups cannot go."),
        Misconception(
            "all_or_nothing", _all_or_nothing,
            "You compare two totals: everything goes, or nothing does. Each group decides for itself.",
            "Each group decides alone."),
        Misconception(
            "copies_hidden", _gain(away=_compute_and_launch, compared=None),
            "The copies are missing altogether. Divide the bytes of both directions by what the link moves in a millisecond.",
            "Copies take time.", also=(_gain(away=_compute_and_launch, check=False),)),
        Misconception(
            "no_refusal", _gain(check=False),
            "You compute with lists of different lengths, or a link that moves nothing. `zip` stops at the shortest list without a word: refuse with ValueError.",
            "Bad arguments are accepted."),
    ],
    alternatives=[_gain(), _with_numpy, _in_seconds],
    hints=(
        "How many bytes does a link of 1 GB/s move in 1 ms?",
        "For each group compute the cost of going. Offload if the group is \"accel\" *and* this is below `cpu_ms`.",
        "The total takes the cost of going where you offload, and `cpu_ms` everywhere else.",
    ),
    worth_knowing="TensorRT's and other providers' option of a minimal subgraph size is this decision by a rule of thumb: the number of nodes instead of milliseconds.",
)
