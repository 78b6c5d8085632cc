"""Exercise 24.pick_tactic: the fastest tactic within a limit on workspace, timed once for each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines.tensorrt_optimizer import TacticPicker as Reference

from ...compare import brief, exact, prop
from ...exercise import Case, Exercise, Misconception

Tactics = dict[str, tuple[Callable, int]]


def _judge(case: Case, expected: list, got: list) -> str | None:
    for number, (want, have, (key, tactics, limit)) in enumerate(zip(expected, got, case.kwargs["script"], strict=True), 1):
        where = f"choice {number} (key {key!r}, limit {limit})"
        if "error" in want:
            if "error" not in have:
                return f"{where}: returned {brief(have['choice'])} instead of raising ValueError"
            if "ValueError" not in have["error"]:
                return f"{where}: {have['error'][0]}, expected ValueError"
        elif "error" in have:
            return f"{where}: {have['error'][0]}, expected {want['choice']!r}"
        elif have["choice"] != want["choice"]:
            return f"{where}: {brief(have['choice'])}, expected {want['choice']!r}"
        above = [name for name in have["timed"] if tactics[name][1] > limit]
        if above:
            return f"{where}: {above[0]!r} was timed although it is above the limit"
        if have["calls"] > want["calls"]:
            return f"{where}: {have['calls']} timings so far, {want['calls']} are enough"
        if have["made"] != have["calls"]:
            return f"{where}: timings_made is {brief(have['made'])}, the timer was called {have['calls']} times"
    return None


def _picker(*, memo: Callable = lambda key, name: (key, name), obeys_limit: bool = True, keeps: str = "winner",
            admits: Callable = lambda size, limit: size <= limit, best: Callable = min, counts: bool = True,
            refuses: bool = True) -> type:
    """A picker with one rule replaced; with its defaults it is right.

    keeps: "winner" (the winner of each key), "times" (the time of each key and tactic), "nothing".
    """

    class TacticPicker:
        def __init__(self, timer: Callable) -> None:
            self.timer, self.timings_made, self.winners, self.times = timer, 0, {}, {}

        def choose(self, key: Any, tactics: Tactics, workspace_limit: int) -> str:
            known = self.winners.get(key)
            fits = known is not None and (not obeys_limit or tactics[known][1] <= workspace_limit)
            if keeps == "winner" and fits:
                return known
            allowed = [name for name, (_, size) in tactics.items() if admits(size, workspace_limit)]
            if not allowed:
                if refuses:
                    raise ValueError("no tactic fits")
                return None
            times = {name: self.measure(key, name, tactics) for name in allowed}
            self.winners[key] = best(sorted(allowed), key=times.get)
            return self.winners[key]

        def measure(self, key: Any, name: str, tactics: Tactics) -> float:
            at = memo(key, name)
            if keeps != "times" or at not in self.times:
                self.times[at] = self.timer(tactics[name][0])
                self.timings_made += counts
            return self.times[at]

    return TacticPicker


class _OverLimit:
    """Times everything, and filters afterwards."""

    def __init__(self, timer: Callable) -> None:
        self.timer, self.timings_made, self.times = timer, 0, {}

    def choose(self, key: Any, tactics: Tactics, workspace_limit: int) -> str:
        if key not in self.times:
            self.times[key] = {name: self.timer(fn) for name, (fn, _) in tactics.items()}
            self.timings_made += len(tactics)
        allowed = sorted(name for name, (_, size) in tactics.items() if size <= workspace_limit)
        if not allowed:
            raise ValueError("no tactic fits")
        return min(allowed, key=self.times[key].get)


class _Sorted:
    """Keeps all times of a key as a sorted list."""

    def __init__(self, timer: Callable) -> None:
        self.timer, self.timings_made, self.ranking = timer, 0, {}

    def choose(self, key: Any, tactics: Tactics, workspace_limit: int) -> str:
        if key in self.ranking:
            for _, name in self.ranking[key]:
                if tactics[name][1] <= workspace_limit:
                    return name
        pairs = []
        for name, (fn, size) in tactics.items():
            if size <= workspace_limit:
                self.timings_made += 1
                pairs.append((self.timer(fn), name))
        if not pairs:
            raise ValueError("no tactic fits")
        self.ranking[key] = sorted(pairs)
        return self.ranking[key][0][1]


def _draw(rng: np.random.Generator) -> Case:
    """Three keys with tactics of their own; the limits of a key only fall."""
    names = ["direct", "fft", "im2col", "winograd"]
    book, limits, script = {}, {}, []
    for key in ("conv a", "conv b", "conv c"):
        chosen = [names[i] for i in rng.permutation(4)[: int(rng.integers(2, 5))]]
        book[key] = {n: (float(rng.integers(1, 6)), int(rng.integers(0, 6)) * 100) for n in chosen}
        limits[key] = 600
    for _ in range(int(rng.integers(4, 10))):
        key = str(rng.choice(list(book)))
        if rng.random() < 0.5:
            limits[key] = int(rng.integers(0, limits[key] // 50 + 1)) * 50
        script.append([key, book[key], limits[key]])
    return Case(script=script, label=f"{len(script)} choices, 3 keys, falling limits")


def _show(value: Any) -> str:
    """The choices with the timings made so far."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(step, dict) and "made" in step for step in value):
        told = [f"{step.get('choice', step.get('error', ['?'])[0])} ({brief(step['made'])})" for step in value]
        return ", ".join(told[:8]) + (", …" if len(told) > 8 else "") + ", in brackets timings_made"
    return brief(value)


THREE = {"direct": (3.0, 0), "fft": (1.0, 500), "im2col": (2.0, 100)}
OTHER = {"direct": (1.0, 0), "fft": (5.0, 500), "im2col": (2.0, 100)}

pick_tactic = Exercise(
    id="24.pick_tactic", points=4, difficulty=2, minutes=15, idea="measure instead of guessing, and measure once",
    names=("TacticPicker",), reference=Reference, probe="ch24_tensorrt.picker", show=_show,
    compare=prop(_judge, same=exact()),
    cases=[Case(script=[["conv", THREE, 1000], ["conv", THREE, 1000], ["conv", THREE, 200]],
                label="key \"conv\": limits 1000, 1000, 200"),
           Case(script=[["conv", THREE, 1000], ["other shape", OTHER, 1000]], label="two keys, limit 1000")],
    hidden=[
        Case(script=[["conv", THREE, 500]], label="a limit that is met exactly"),
        Case(script=[["conv", THREE, 499]], label="a limit that is missed by a byte"),
        Case(script=[["conv", {"b": (1.0, 10), "a": (1.0, 10), "c": (1.0, 10)}, 10]], label="three equal times"),
        Case(script=[["conv", {"a": (2.0, 10), "b": (2.0, 10)}, -1]], label="no tactic fits"),
        Case(script=[["conv", {"a": (1.0, 20), "b": (2.0, 10)}, 100], ["conv", {"a": (1.0, 20), "b": (2.0, 10)}, 5]],
             label="no tactic fits any more"),
        Case(script=[["conv", THREE, 1000], ["conv", THREE, 200], ["conv", THREE, 200], ["conv", THREE, 50], ["conv", THREE, 50]],
             label="limits 1000, 200, 200, 50, 50"),
        Case(script=[["conv", THREE, 1000], ["conv", THREE, 600], ["conv", THREE, 500]], label="falling limits that the winner meets"),
        Case(script=[["k1", THREE, 300], ["k2", OTHER, 300], ["k1", THREE, 300], ["k2", OTHER, 300]], label="two keys in turns"),
        Case(script=[["conv", {}, 100]], label="no tactics at all"),
        Case(script=[["conv", THREE, 0]], label="a limit of 0"),
    ],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception(
            "caches_by_name", _picker(keeps="times", memo=lambda key, name: name),
            "You remember a tactic's time under its name alone. For another shape another tactic wins: the key belongs into the cache.",
            "Another shape, another winner."),
        Misconception(
            "ignores_limit_on_hit", _picker(obeys_limit=False),
            "You return the cached winner although it needs more workspace than this limit allows. Compare before you trust the cache.",
            "The cache knows no limit."),
        Misconception(
            "ignores_limit", _picker(admits=lambda size, limit: True),
            "You choose among all tactics. Those whose workspace exceeds the limit are out, however fast they are.",
            "The limit was not obeyed."),
        Misconception(
            "times_inadmissible", _OverLimit,
            "You time tactics above the limit too. Their workspace does not exist: on a GPU that run would fail.",
            "Timed although not allowed."),
        Misconception(
            "times_again", _picker(keeps="nothing"),
            "You time the same key again. Timing is what makes a build slow: a known winner within the limit costs nothing.",
            "Timed twice."),
        Misconception(
            "strict_limit", _picker(admits=lambda size, limit: size < limit),
            "A tactic that needs exactly the limit is allowed.", "Exactly the limit is allowed."),
        Misconception(
            "slowest", _picker(best=max),
            "You take the largest time. Milliseconds: fewer are better.", "The slowest won."),
        Misconception(
            "no_count", _picker(counts=False),
            "`timings_made` stays 0. Add one for each call of the timer.", "Timings were not counted."),
        Misconception(
            "returns_none", _picker(refuses=False),
            "When no tactic fits you return None. Whoever asked would try to run it: raise ValueError.",
            "Nothing fits."),
    ],
    alternatives=[_picker(), _picker(keeps="times"), _Sorted],
    hints=(
        "Keep a dict from key to the name of its winner.",
        "A hit counts only if the winner's workspace is within the limit of this call.",
        "min over pairs (time, name) breaks ties by name.",
    ),
    worth_knowing="TensorRT's timing cache is such a dict on disk, with the times as values. Its key also holds the GPU and the releases of CUDA and TensorRT.",
)
