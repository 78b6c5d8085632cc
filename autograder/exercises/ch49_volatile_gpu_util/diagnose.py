"""Exercise 49.diagnose: from six readings to a bottleneck."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware.gpu_monitor import plain
from utils.hardware.gpu_monitor.diagnosis import KEYS

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Rule = tuple[Callable[[dict], bool], str]
RULES: dict[str, Rule] = {
    "idle": (lambda m: m["gpu_util"] < 5, "idle"),
    "bus": (lambda m: m["pcie_pct"] >= 70, "communication-bound"),
    "host": (lambda m: m["gpu_util"] < 60 and m["cpu_util"] >= 80, "host-bound"),
    "launch": (lambda m: m["gpu_util"] < 60, "launch-bound"),
    "empty": (lambda m: m["sm_active"] < 30, "underfilled"),
    "memory": (lambda m: m["dram_active"] >= 60 and m["tensor_active"] < 40, "memory-bound"),
    "compute": (lambda m: m["tensor_active"] >= 40, "compute-bound"),
    "some_memory": (lambda m: m["dram_active"] >= 40, "memory-bound"),
    "rest": (lambda m: True, "underfilled"),
}


def _refuse(m: dict) -> None:
    for key in KEYS:
        if key not in m or not 0 <= m[key] <= 100:
            raise ValueError(f"{key} must be given, from 0 to 100")


def _by_rules(order: str = " ".join(RULES), check: Callable[[dict], None] | None = _refuse, **changed: Rule) -> Callable:
    """An answer: the named rules in this order, some of them changed; the first that fits decides."""
    rules = [(RULES | changed)[name] for name in order.split()]

    def answer(m: dict) -> str:
        if check:
            check(m)
        return next(label for fits, label in rules if fits(m))

    return answer


def _both(*args: str, **changed: Rule) -> tuple[Callable, Callable]:
    """The same mistake with bad input refused and not."""
    return _by_rules(*args, **changed), _by_rules(*args, check=None, **changed)


def _rule(name: str, fits: Callable[[dict], bool]) -> dict[str, Rule]:
    return {name: (fits, RULES[name][1])}


def _moved(name: str, before: str) -> str:
    order = [r for r in RULES if r != name]
    order.insert(order.index(before), name)
    return " ".join(order)


def _refuse_outside_only(m: dict) -> None:
    for key, value in m.items():
        if not 0 <= value <= 100:
            raise ValueError(f"{key} must be from 0 to 100")


def _refuse_missing_only(m: dict) -> None:
    for key in KEYS:
        if key not in m:
            raise ValueError(f"{key} is missing")


def _refuse_ends(m: dict) -> None:
    for key in KEYS:
        if key not in m or not 0 < m[key] < 100:
            raise ValueError(f"{key} must be given, from 0 to 100")


def _refuse_without_name(m: dict) -> None:
    if any(key not in m or not 0 <= m[key] <= 100 for key in KEYS):
        raise ValueError("a metric is missing or out of range")


_ALONE = (lambda m: "idle" if m["gpu_util"] < 5 else "launch-bound" if m["gpu_util"] < 60 else "compute-bound",
          lambda m: "idle" if m["gpu_util"] < 5 else "host-bound" if m["gpu_util"] < 60 else "compute-bound",
          lambda m: "compute-bound" if m["gpu_util"] >= 90 else "launch-bound")


def _if_chain(m: dict) -> str:
    for key in ("gpu_util", "sm_active", "tensor_active", "dram_active", "pcie_pct", "cpu_util"):
        if key not in m:
            raise ValueError("missing: " + key)
        if m[key] < 0 or m[key] > 100:
            raise ValueError("out of range: " + key)
    if m["gpu_util"] < 5:
        return "idle"
    if m["pcie_pct"] >= 70:
        return "communication-bound"
    if m["gpu_util"] < 60:
        return "host-bound" if m["cpu_util"] >= 80 else "launch-bound"
    if m["sm_active"] < 30:
        return "underfilled"
    if m["tensor_active"] >= 40:
        return "compute-bound"
    return "memory-bound" if m["dram_active"] >= 40 else "underfilled"


def _by_table(m: dict) -> str:
    """NumPy's choose-first over a table of conditions."""
    for key in KEYS:
        value = m.get(key)
        if value is None or value != min(max(value, 0), 100):
            raise ValueError(f"{key}?")
    util, sm, tensor, dram, bus, cpu = (m[key] for key in KEYS)
    conditions = [util < 5, bus >= 70, util < 60 and cpu >= 80, util < 60, sm < 30, tensor >= 40, dram >= 40]
    labels = ["idle", "communication-bound", "host-bound", "launch-bound", "underfilled", "compute-bound", "memory-bound", "underfilled"]
    return labels[int(np.argmax([*conditions, True]))]


EDGES = (0, 4, 5, 29, 30, 39, 40, 41, 59, 60, 61, 69, 70, 79, 80, 100)


def _draw(rng: np.random.Generator) -> Case:
    """Values on and beside the thresholds; three of four draws pass the first rules, so that the later ones matter."""
    m = {key: int(rng.choice(EDGES)) if rng.random() < 0.7 else int(rng.integers(0, 101)) for key in KEYS}
    if rng.random() < 0.75:
        m["gpu_util"] = int(rng.choice([60, 61, 85, 97, 100]))
        m["pcie_pct"] = int(rng.choice([0, 10, 69]))
        m["sm_active"] = int(rng.choice([5, 29, 30, 30, 31, 60, 95]))
    return _m(*m.values())


def _m(*values: float) -> Case:
    return Case(dict(zip(KEYS, values)), label=f"{', '.join(f'{v:g}' for v in values)}, in the order of the keys")


def _without(key: str) -> Case:
    return Case({k: 50 for k in KEYS if k != key}, word=key, label=f"{key} is missing")


def _outside(key: str, value: float) -> Case:
    return Case(dict.fromkeys(KEYS, 50) | {key: value}, word=key, label=f"{key} = {value:g}")


diagnose = Exercise(
    id="49.diagnose", points=5, difficulty=3, minutes=12, idea="one number cannot name a bottleneck, six in order can",
    reference=plain.diagnose,
    cases=[_m(97, 8, 1, 4, 3, 30), _m(99, 85, 6, 82, 2, 40), _m(40, 35, 20, 15, 5, 95)],
    hidden=[_m(4, 0, 0, 0, 100, 100), _m(5, 0, 0, 0, 70, 100), _m(5, 0, 0, 0, 69, 80), _m(59, 100, 100, 100, 69, 79),
            _m(60, 29, 100, 100, 0, 100), _m(97, 10, 5, 80, 0, 0), _m(20, 10, 5, 80, 0, 0), _m(60, 30, 40, 60, 0, 100), _m(60, 30, 39, 60, 0, 0), _m(100, 100, 39, 59, 0, 0),
            _m(100, 100, 39, 40, 0, 0), _m(100, 100, 39, 39, 0, 0), _m(100, 100, 90, 90, 100, 0), _m(30, 20, 10, 80, 10, 20),
            _m(99.5, 30.5, 39.5, 59.5, 69.5, 79.5), _m(0, 0, 0, 0, 0, 0), _m(100, 100, 100, 100, 0, 100),
            Case(dict(zip(KEYS, (97, 80, 55, 30, 3, 30))) | {"temperature_c": 900}, label="97, 80, 55, 30, 3, 30, and temperature_c = 900")],
    draw=_draw, draws=120, compare=exact(),
    raises=[*(_without(key) for key in KEYS), _outside("gpu_util", 101), _outside("sm_active", -1), _outside("tensor_active", 100.5),
            _outside("dram_active", 400), _outside("pcie_pct", -0.5), _outside("cpu_util", 250)],
    misconceptions=[
        Misconception(
            "gpu_util_alone", _ALONE[0],
            "You decide on GPU-Util alone. 97 % with 8 % of the SMs at work is a GPU that is almost empty: presence says nothing about "
            "what limits.",
            "One number is not enough.", also=_ALONE[1:]),
        Misconception(
            "wrong_order", _by_rules(_moved("bus", "idle")),
            "Your rules are right, but not in the order of the task. The first that fits decides, so a rule that comes too early hides "
            "others.",
            "The order of the rules.",
            also=(*_both(_moved("empty", "host")), *_both(_moved("memory", "empty")), *_both(_moved("bus", "empty")),
                  *_both(_moved("compute", "empty")), *_both(_moved("empty", "idle")), *_both(_moved("bus", "rest")),
                  *_both(_moved("memory", "idle")), _by_rules(_moved("bus", "idle"), check=None))),
        Misconception(
            "boundaries", _by_rules(**_rule("idle", lambda m: m["gpu_util"] <= 5)),
            "A value exactly on a threshold ends on the wrong side. “< 5” excludes 5, and “≥ 70” includes 70. Go through the rules once "
            "more.",
            "On the threshold.",
            also=(*_both(**_rule("bus", lambda m: m["pcie_pct"] > 70)), *_both(**_rule("empty", lambda m: m["sm_active"] <= 30)),
                  *_both(**_rule("host", lambda m: m["gpu_util"] < 60 and m["cpu_util"] > 80)),
                  *_both(**_rule("compute", lambda m: m["tensor_active"] > 40),
                         **_rule("memory", lambda m: m["dram_active"] >= 60 and m["tensor_active"] <= 40)),
                  *_both(**_rule("some_memory", lambda m: m["dram_active"] > 40)),
                  *_both(**_rule("host", lambda m: m["gpu_util"] <= 60 and m["cpu_util"] >= 80),
                         **_rule("launch", lambda m: m["gpu_util"] <= 60)))),
        Misconception(
            "host_and_launch", _by_rules(host=(RULES["host"][0], "launch-bound"), launch=(RULES["launch"][0], "host-bound")),
            "Host-bound and launch-bound are exchanged. A CPU at 80 % or more cannot keep up with its work; one that is not busy leaves "
            "gaps between short kernels.",
            "Is the CPU busy?",
            also=(*_both("idle bus launch empty memory compute some_memory rest"),
                  *_both("idle bus host empty memory compute some_memory rest"),
                  _by_rules(host=(RULES["host"][0], "launch-bound"), launch=(RULES["launch"][0], "host-bound"), check=None))),
        Misconception(
            "resident_is_busy", _by_rules("idle bus host launch memory compute some_memory rest"),
            "You pass over SM activity. Readings of the whole GPU are diluted by idle SMs: below 30 % it is underfilled, whatever the "
            "other metrics say.",
            "SM activity is missing.",
            also=(_by_rules("idle bus host launch memory compute some_memory rest", check=None),
                  *_both(**_rule("empty", lambda m: m["tensor_active"] < 30)),
                  *_both(**_rule("empty", lambda m: m["sm_active"] * m["gpu_util"] / 100 < 30)))),
        Misconception(
            "last_resort", _by_rules("idle bus host launch empty memory compute rest"),
            "Where neither the tensor pipes nor the memory is above its first threshold there is one more question: DRAM at 40 % or "
            "more is still memory-bound. Only what is left then is underfilled.",
            "The last rule.",
            also=(*_both(rest=(RULES["rest"][0], "compute-bound")), *_both(rest=(RULES["rest"][0], "memory-bound")),
                  _by_rules("idle bus host launch empty memory compute rest", check=None))),
        Misconception(
            "unchecked", _by_rules(check=None),
            "The rules are right. What is not refused is bad input: a missing key, or a percentage below 0 or above 100. Check all six "
            "keys first, also those that no rule would look at, and name the key in the ValueError.",
            "Bad input passes.",
            also=(_by_rules(check=_refuse_outside_only), _by_rules(check=_refuse_missing_only),
                  _by_rules(check=_refuse_without_name))),
        Misconception(
            "ends_refused", _by_rules(check=_refuse_ends),
            "0 and 100 are valid percentages, and you refuse them.",
            "0 and 100 are allowed."),
    ],
    alternatives=[_if_chain, _by_table],
    hints=(
        "Check all six keys in a loop before the first rule, and put the key's name into the message.",
        "Write the rules as one chain of `if … return …`, in the order of the task. What comes later may rely on the earlier ones.",
        "After the rule for underfilled only three are left: memory-bound, compute-bound, and the last one.",
    ),
    worth_knowing="The order matters because the metrics depend on each other: an idle GPU has low everything, so idle is asked first.",
)
