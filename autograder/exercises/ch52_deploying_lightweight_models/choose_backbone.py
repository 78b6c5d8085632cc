"""Exercise 52.choose_backbone: what runs, then what fits, then what is best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import deploy

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Cand = dict


def _choose(runs: Callable[[Cand, set], bool] = lambda c, ops: c["ops"] <= ops, fits: Callable[[Cand, float, float], bool] = lambda c, ms, mb: c["ms"] <= ms and c["mb"] <= mb,
            key: Callable[[Cand], tuple] = lambda c: (-c["top1"], c["ms"], c["name"]), empty: object = ValueError) -> Callable:
    """An answer in its parts; with its defaults it is right."""

    def answer(cands: list[Cand], max_ms: float, max_mb: float, supported: set[str]) -> str:
        left = [c for c in cands if runs(c, supported) and fits(c, max_ms, max_mb)]
        if not left:
            if empty is ValueError:
                raise ValueError("no candidate")
            return empty
        return min(left, key=key)["name"]

    return answer


# --- right in other ways ---------------------------------------------------------------------------


def _sorted(cands: list[Cand], max_ms: float, max_mb: float, supported: set[str]) -> str:
    order = sorted(cands, key=lambda c: c["name"])
    order.sort(key=lambda c: c["ms"])
    order.sort(key=lambda c: c["top1"], reverse=True)
    for c in order:
        if not c["ops"] - supported and not (c["ms"] > max_ms or c["mb"] > max_mb):
            return c["name"]
    raise ValueError("no candidate within the limits")


def _looped(cands: list[Cand], max_ms: float, max_mb: float, supported: set[str]) -> str:
    best = None
    for c in cands:
        if any(op not in supported for op in c["ops"]) or c["ms"] > max_ms or c["mb"] > max_mb:
            continue
        if best is None or c["top1"] > best["top1"] or (c["top1"] == best["top1"] and (c["ms"], c["name"]) < (best["ms"], best["name"])):
            best = c
    if best is None:
        raise ValueError("no candidate is feasible")
    return best["name"]


def _by_rounds(cands: list[Cand], max_ms: float, max_mb: float, supported: set[str]) -> str:
    left = [c for c in cands if c["ops"].issubset(supported) and c["ms"] <= max_ms and c["mb"] <= max_mb]
    if len(left) == 0:
        raise ValueError("no candidate")
    top = max(c["top1"] for c in left)
    left = [c for c in left if c["top1"] == top]
    quick = min(c["ms"] for c in left)
    return sorted(c["name"] for c in left if c["ms"] == quick)[0]


# --- wrong -----------------------------------------------------------------------------------------


def _any_op(c: Cand, ops: set) -> bool:
    return bool(c["ops"] & ops)


def _last_of_equals(cands: list[Cand], max_ms: float, max_mb: float, supported: set[str]) -> str:
    return _choose(key=lambda c: -c["top1"])(cands[::-1], max_ms, max_mb, supported)


def _first_feasible(cands: list[Cand], max_ms: float, max_mb: float, supported: set[str]) -> str:
    return _choose(key=lambda c: 0)(cands, max_ms, max_mb, supported)


def _choose_first(cands: list[Cand], max_ms: float, max_mb: float, supported: set[str]) -> str:
    """The most accurate of all, refused if it does not fit."""
    if not cands:
        raise ValueError("no candidate")
    best = min(cands, key=lambda c: (-c["top1"], c["ms"], c["name"]))
    if not (best["ops"] <= supported and best["ms"] <= max_ms and best["mb"] <= max_mb):
        raise ValueError("no candidate")
    return best["name"]


def _row(cands: list[Cand], max_ms: float, max_mb: float, supported: set[str]) -> Cand:
    name = _choose()(cands, max_ms, max_mb, supported)
    return {"name": name}


# --- cases -----------------------------------------------------------------------------------------


def _cand(name: str, top1: float, ms: float, mb: float, *ops: str) -> Cand:
    return {"name": name, "top1": top1, "ms": ms, "mb": mb, "ops": list(ops)}


_FIVE = [_cand("shufflenet_v2", 69.36, 9.0, 2.3, "Conv", "Relu", "Split", "Concat", "Reshape", "Transpose"),
         _cand("mobilenet_v2", 71.88, 11.0, 3.5, "Conv", "Clip", "Add"),
         _cand("ghostnet", 73.98, 14.0, 5.2, "Conv", "Relu", "Concat", "Slice", "Mul", "HardSigmoid", "Add"),
         _cand("repvgg_a0", 72.41, 8.0, 8.3, "Conv", "Relu"), _cand("squeezenet_1_1", 58.18, 6.0, 1.2, "Conv", "Relu", "Concat", "MaxPool")]
_OPS = ["Conv", "Relu", "Clip", "Add", "Concat", "MaxPool"]
_TIED = [_cand("b", 70.0, 9.0, 2.0, "Conv"), _cand("c", 70.0, 8.0, 3.0, "Conv"), _cand("a", 70.0, 8.0, 4.0, "Conv"), _cand("z", 65.0, 1.0, 1.0, "Conv")]

_NEAR = [_cand("a", 74.5, 12.0, 5.0, "Conv"), _cand("b", 68.0, 10.0, 4.0, "Conv"), _cand("c", 72.0, 10.5, 4.2, "Conv")]


def _draw(rng: np.random.Generator) -> Case:
    names = [str(n) for n in rng.permutation(["alpha", "beta", "gamma", "delta", "eta", "iota", "kappa"])[: int(rng.integers(2, 8))]]
    ops = ["Conv", "Relu", "Transpose", "Mul"]
    cands = [_cand(name, float(rng.choice([68.0, 70.5, 72.0, 74.5])), float(rng.integers(4, 13)), float(rng.choice([1.5, 3.0, 4.5, 8.0])),
                   *[op for op in ops if op == "Conv" or rng.random() < 0.3]) for name in names]
    cands.append(_cand("omega", 60.0, 4.0, 1.5, "Conv"))
    at = int(rng.integers(len(cands)))
    return Case([cands[i] for i in rng.permutation(len(cands))], max(4.0, cands[at]["ms"]), max(1.5, cands[at]["mb"]), ["Conv", "Relu"], label=f"{len(cands)} candidates")


choose_backbone = Exercise(
    id="52.choose_backbone", points=4, difficulty=2, minutes=12, idea="filter, then rank",
    reference=deploy.choose_backbone, probe="ch52_deploying_lightweight_models.choose", compare=exact(),
    cases=[Case(_FIVE, 12.0, 6.0, _OPS, label="five networks, 12 ms, 6 MB")],
    hidden=[Case(_FIVE, 11.0, 3.5, _OPS, label="limits met exactly"), Case(_FIVE[::-1], 12.0, 6.0, _OPS, label="five networks in another order"),
            Case(_FIVE, 20.0, 20.0, [*_OPS, "Slice", "Mul", "HardSigmoid"], label="more operators, wide limits"),
            Case(_FIVE, 8.0, 8.3, _OPS, label="8 ms, 8.3 MB, met exactly"), Case(_TIED, 10.0, 5.0, ["Conv"], label="three of equal top-1"),
            Case(_NEAR, 12.0, 6.0, ["Conv"], label="three of nearly equal latency"), Case(_TIED[::-1], 10.0, 5.0, ["Conv"], label="three of equal top-1, reversed")],
    draw=_draw, draws=30,
    raises=[Case(_FIVE, 5.0, 6.0, _OPS, word="no candidate", label="5 ms: none is so fast"), Case(_FIVE, 12.0, 6.0, ["Relu"], word="no candidate", label="Conv is not supported"),
            Case([], 12.0, 6.0, _OPS, word="no candidate", label="an empty list"), Case(_FIVE, 12.0, 1.0, _OPS, word="no candidate", label="1 MB: none is so small")],
    misconceptions=[
        Misconception("fastest", _choose(key=lambda c: (c["ms"], -c["top1"], c["name"])),
                      "You take the fastest. All that are left are fast enough; accuracy decides among them, and latency only breaks ties.", "Accuracy decides.",
                      also=(_choose(key=lambda c: c["ms"]),)),
        Misconception("smallest", _choose(key=lambda c: (c["mb"], -c["top1"], c["name"])),
                      "You take the smallest. Size is a limit here, not a goal.", "Size is only a limit."),
        Misconception("strict_limits", _choose(fits=lambda c, ms, mb: c["ms"] < ms and c["mb"] < mb),
                      "A model exactly at a limit is feasible. You use `<` where `<=` is meant.", "A limit may be met exactly.",
                      also=(_choose(fits=lambda c, ms, mb: c["ms"] < ms and c["mb"] <= mb), _choose(fits=lambda c, ms, mb: c["ms"] <= ms and c["mb"] < mb))),
        Misconception("operators_ignored", _choose(runs=lambda c, ops: True),
                      "You don't look at the operators. A network with an unsupported one falls back to the host, and its time is no longer true.",
                      "Check the operators.", also=(_choose(runs=_any_op), _choose(runs=lambda c, ops: c["ops"] >= ops or _any_op(c, ops)))),
        Misconception("operators_reversed", _choose(runs=lambda c, ops: ops <= c["ops"]),
                      "You ask whether the network uses every operator of the target. It must be the other way round: the target must know every operator of the network.",
                      "The subset is the wrong way round.", also=(_choose(runs=lambda c, ops: ops == c["ops"]),)),
        Misconception("ratio", _choose(key=lambda c: -c["top1"] / c["ms"]),
                      "You maximise accuracy per millisecond. The task has limits, not an exchange rate: take the highest top-1 within them.", "There is no exchange rate.",
                      also=(_choose(key=lambda c: -c["top1"] / c["mb"]),)),
        Misconception("one_limit", _choose(fits=lambda c, ms, mb: c["ms"] <= ms),
                      "One of the two limits is not checked.", "Both limits count.",
                      also=(_choose(fits=lambda c, ms, mb: c["mb"] <= mb), _choose(fits=lambda c, ms, mb: c["ms"] <= ms or c["mb"] <= mb))),
        Misconception("no_limits", _choose(fits=lambda c, ms, mb: True),
                      "Neither limit is checked: the most accurate network that runs is too slow or too large.", "The limits are missing."),
        Misconception("tie_by_order", _choose(key=lambda c: -c["top1"]),
                      "Networks of equal top-1 are told apart by their place in the list. Take the one with the lower latency, then the first by name.", "Ties go by latency, then name.",
                      also=(_last_of_equals, _choose(key=lambda c: (-c["top1"], c["ms"])), _choose(key=lambda c: (-c["top1"], c["name"])),
                            _choose(key=lambda c: (-c["top1"], -c["ms"], c["name"])), _choose(key=lambda c: (-c["top1"], c["mb"], c["name"])))),
        Misconception("least_accurate", _choose(key=lambda c: (c["top1"], c["ms"], c["name"])),
                      "You take the least accurate one. `min` over top-1 needs a minus sign.", "The highest top-1 wins."),
        Misconception("first_feasible", _first_feasible,
                      "You return the first candidate that fits. Look at all of them: the order of the list means nothing.", "Compare all that fit."),
        Misconception("no_second_best", _choose_first,
                      "You pick the most accurate of all and then check whether it fits. Filter first: the second best may fit.", "Filter before you rank."),
        Misconception("none_left", _choose(empty=None), "When nothing fits, a ValueError has to say \"no candidate\". An empty or a wrong answer would be deployed.",
                      "Nothing fits: say so.", also=(_choose(empty=""),)),
        Misconception("whole_row", _row, "Return the name alone, as a string.", "Only the name."),
    ],
    alternatives=[_choose(), _sorted, _looped, _by_rounds],
    hints=("Cross out first: which of the five can't run at all, which break a limit? Only then look at top-1.",
           "`a <= b` asks whether the set a is a subset of b.",
           "`min` with the key (-top1, ms, name) ranks by three criteria at once."),
    worth_knowing="The latency in the table must come from the target itself, with all operators on the device.",
)
