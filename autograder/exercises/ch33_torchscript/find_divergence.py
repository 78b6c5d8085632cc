"""Exercise 33.find_divergence: the first candidate at which a trace differs from its function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.graphs import torchscript

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

BRANCH, TRACED = "lambda x: x * 2 + 1 if x > 0 else 3 - x", "lambda x: x * 2 + 1"
NAN, INF = math.nan, math.inf


def _case(fn: str, traced: str, candidates: Sequence, label: str = "", **options: float) -> Case:
    told = "".join(f", {name}={value:g}" for name, value in options.items())
    shown = f"fn = {fn}; traced = {traced}; candidates {brief(list(candidates))}{told}"
    return Case(fn=fn, traced=traced, candidates=list(candidates), options=options, label=label or shown)


def _near(got: np.ndarray, want: np.ndarray, rtol: float, atol: float) -> bool:
    return bool(np.isclose(got, want, rtol, atol, equal_nan=True).all())


def _same_shape(got: np.ndarray, want: np.ndarray) -> bool:
    return got.shape == want.shape


def _search(*, near: Callable = _near, shapes: Callable = _same_shape, both_raise: bool = True, fn_raises: bool = False,
            traced_raises: bool = False, catch: bool = True, finish: Callable = lambda flags, xs: _first(flags)) -> Callable:
    """An answer with one rule replaced; with its defaults it is right. A rule that says True means agreement."""

    def outcome(f: Callable, x: Any) -> tuple[Any, bool]:
        if not catch:
            return f(x), False
        try:
            return f(x), False
        except Exception:
            return None, True

    def answer(fn: Callable, traced: Callable, candidates: list, rtol: float = 1e-5, atol: float = 1e-8) -> int | None:
        def agrees(x: Any) -> bool:
            (want, failed), (got, broke) = outcome(fn, x), outcome(traced, x)
            if failed or broke:
                return both_raise if failed and broke else fn_raises if failed else traced_raises
            want, got = np.asarray(want), np.asarray(got)
            return shapes(got, want) and near(got, want, rtol, atol)

        return finish(map(agrees, candidates), candidates)

    return answer


def _first(flags: Any) -> int | None:
    return next((i for i, ok in enumerate(flags) if not ok), None)


def _example_only(flags: Any, xs: Sequence) -> int | None:
    return 0 if next(iter(flags), True) is False else None


def _agrees_somewhere(flags: Any, xs: Sequence) -> int | None:
    found = list(flags)
    return None if any(found) else _first(found)


def _value(flags: Any, xs: Sequence) -> Any:
    found = _first(flags)
    return None if found is None else xs[found]


def _last(flags: Any, xs: Sequence) -> int | None:
    wrong = [i for i, ok in enumerate(flags) if not ok]
    return wrong[-1] if wrong else None


def _broadcasts(got: np.ndarray, want: np.ndarray) -> bool:
    try:
        np.broadcast_shapes(got.shape, want.shape)
    except ValueError:
        return False
    return True


def _by_hand(got: np.ndarray, want: np.ndarray, rtol: float, atol: float) -> bool:
    with np.errstate(all="ignore"):
        return bool(((np.abs(got - want) <= atol + rtol * np.abs(want)) | (np.isnan(got) & np.isnan(want))).all())


def _by_hand_infinities(got: np.ndarray, want: np.ndarray, rtol: float, atol: float) -> bool:
    """As `_by_hand`, with equal infinities accepted: an infinite tolerance still accepts every number."""
    with np.errstate(all="ignore"):
        near = (np.abs(got - want) <= atol + rtol * np.abs(want)) | (got == want) | (np.isnan(got) & np.isnan(want))
    return bool(near.all())


def _item_by_item(fn: Callable, traced: Callable, candidates: list, rtol: float = 1e-5, atol: float = 1e-8) -> int | None:
    """Flat lists of Python floats, compared one by one."""

    def told(f: Callable, x: Any) -> Any:
        try:
            value = f(x)
        except Exception as error:
            return type(error), None
        return np.shape(value), np.ravel(value).tolist()

    for i, x in enumerate(candidates):
        (shape, want), (other, got) = told(fn, x), told(traced, x)
        if want is None and got is None:
            continue
        if shape != other or want is None or got is None:
            return i
        for w, g in zip(want, got):
            equal = w == g or (w != w and g != g)
            if not equal and not (math.isfinite(w) and math.isfinite(g) and abs(w - g) <= atol + rtol * abs(w)):
                return i
    return None


def _by_testing(fn: Callable, traced: Callable, candidates: list, rtol: float = 1e-5, atol: float = 1e-8) -> int | None:
    """NumPy's own test assertion decides; it raises AssertionError where values or shapes differ."""
    for i, x in enumerate(candidates):
        results = []
        for f in (fn, traced):
            try:
                results.append([np.asarray(f(x))])
            except Exception:
                results.append([])
        want, got = results
        if len(want) != len(got) or (want and want[0].shape != got[0].shape):
            return i
        try:
            if want:
                np.testing.assert_allclose(got[0], want[0], rtol, atol)
        except AssertionError:
            return i
    return None


def _draw(rng: np.random.Generator) -> Case:
    """A branch at a limit, traced on one of its sides; at some candidates both sides agree."""
    a, b, c = (int(v) for v in rng.integers(-4, 5, 3))
    limit = int(rng.integers(-3, 4))
    sides = f"x * {a} + {b}", f"{c} - x"
    fn = f"lambda x: {sides[0]} if x > {limit} else {sides[1]}"
    traced = f"lambda x: {sides[int(rng.integers(2))]}"
    noise = int(rng.integers(0, 4))
    if noise == 0:
        traced += " + x * 1e-7"
    elif noise == 1:
        fn, traced = (source.replace("lambda x: ", "lambda x: 1 / (x - 1) * 0 + (") + ")" for source in (fn, traced))
    candidates = [float(v) / 2 for v in rng.integers(-8, 9, int(rng.integers(0, 7)))]
    if rng.random() < 0.3:
        candidates.append(NAN)
    return _case(fn, traced, candidates)


A12 = np.array([1.0, 2.0])

find_divergence = Exercise(
    id="33.find_divergence", points=2, difficulty=1, minutes=8, idea="one test point is no test",
    reference=torchscript.find_divergence, probe="ch33_torchscript.divergence", compare=exact(),
    cases=[_case(BRANCH, TRACED, [2.0, -2.0]), _case("lambda x: x * 2 if x > 0 else x - 1", "lambda x: x * 2", [1.0, -1.0, -2.0]),
           _case("lambda x: x / 0.1", "lambda x: x * 10", [0.3, 0.7]), _case("lambda x: x - x", "lambda x: 0 * x", [1.0, INF, NAN])],
    hidden=[
        _case(BRANCH, TRACED, []), _case(BRANCH, TRACED, [-2.0, 2.0]), _case(BRANCH, TRACED, [2.0, 3.0, -1.0, -2.0, 4.0]),
        _case("lambda x: x + nan", "lambda x: x * nan", [1.0, 2.0]), _case("lambda x: x", "lambda x: 0.0", [0.0, NAN]),
        _case("lambda x: 0.0", "lambda x: x", [0.0, NAN]), _case("lambda x: x", "lambda x: x", [INF, -INF]),
        _case("lambda x: x", "lambda x: -x", [0.0, INF]), _case("lambda x: x", "lambda x: 1.0", [1.0, INF]),
        _case("lambda x: 1.0", "lambda x: x", [1.0, -INF]),
        _case("lambda x: 1 / x", "lambda x: 1 / x", [0, 2]), _case("lambda x: 1 / x", "lambda x: 1 // x", [0, 1, 2]),
        _case("lambda x: 1 / x", "lambda x: 0.5", [2, 0]), _case("lambda x: 0.5", "lambda x: 1 / x", [2, 0]),
        _case("lambda x: [1, 2][x]", "lambda x: 1 / (x - 5)", [5]),
        _case("lambda x: x * 2", "lambda x: x + x", [A12, -A12]), _case("lambda x: x * 2", "lambda x: x * np.array([2.0, 2.5])", [0 * A12, A12]),
        _case("lambda x: x.sum()", "lambda x: x", [A12]), _case("lambda x: x.reshape(2, 1)", "lambda x: x", [A12 * 0]),
        _case("lambda x: x", "lambda x: x.reshape(1, 2)", [A12]), _case("lambda x: x", "lambda x: np.array([x])", [3.0]),
        _case("lambda x: x[:1] * 0", "lambda x: x * 0", [A12]), _case("lambda x: np.array([x, nan])", "lambda x: np.array([x, nan])", [1.0]),
        _case("lambda x: np.array([x, nan])", "lambda x: np.array([nan, x])", [1.0]),
        _case("lambda x: 100.0", "lambda x: x", [90.5, 109.5, 111.0], rtol=0.1, atol=0.0),
        _case("lambda x: x", "lambda x: 100.0", [109.0, 91.5, 90.5], rtol=0.1, atol=0.0),
        _case("lambda x: -8.0", "lambda x: x", [-9.0, -9.5], rtol=0.125, atol=0.25),
        _case("lambda x: -8.0", "lambda x: x", [-9.25, -8.0], rtol=0.125, atol=0.25),
        _case("lambda x: 1.0", "lambda x: x", [1.000009, 1.00002]), _case("lambda x: 0.0", "lambda x: x", [9e-9, 2e-8]),
        _case("lambda x: 0.0", "lambda x: x", [0.5, 0.75], rtol=0.0, atol=0.5),
    ],
    draw=_draw, draws=30,
    misconceptions=[
        Misconception(
            "exact_equality", _search(near=lambda g, w, r, a: bool(((g == w) | (np.isnan(g) & np.isnan(w))).all())),
            "You ask for equality to the last bit. A graph may compute the same in another order, as x * 10 for x / 0.1, and then the last bit "
            "differs. Where is your tolerance?", "Rounding is not divergence.",
            also=(_search(near=lambda g, w, r, a: bool((g == w).all())),)),
        Misconception(
            "example_only", _search(finish=_example_only),
            "You look at the first candidate only. If that is the one that was traced, the trace is right there by construction. Go on to the others.",
            "You test where it was traced."),
        Misconception(
            "agrees_somewhere", _search(finish=_agrees_somewhere),
            "You are content when they agree at one candidate. Two branches may meet at a point: x * 2 and x - 1 are both -2 at -1. Agreement at "
            "one point proves nothing.", "One point is no proof."),
        Misconception(
            "nan_differs", _search(near=lambda g, w, r, a: bool(np.isclose(g, w, r, a).all())),
            "Your comparison takes NaN for a difference, because NaN != NaN. Here both sides computed NaN, so they agree.", "NaN equals NaN here.",
            also=(_search(near=lambda g, w, r, a: not (np.abs(g - w) > a + r * np.abs(w)).any() and not np.isnan(g).any() and not np.isnan(w).any()),)),
        Misconception(
            "swapped_tolerance", _search(near=lambda g, w, r, a: bool(np.isclose(w, g, r, a, equal_nan=True).all())),
            "Your relative tolerance is a share of the traced result. The function is what is right: take a share of |fn(x)|.",
            "The tolerance is on the wrong side."),
        Misconception(
            "infinite_tolerance", _search(near=_by_hand_infinities),
            "Your tolerance is rtol * |fn(x)|. Where fn gives an infinity it is infinite too, and accepts every number.", "Infinity accepts all.",
            also=(_search(near=_by_hand),)),
        Misconception(
            "broadcasts", _search(shapes=_broadcasts),
            "You compare values without comparing shapes. NumPy stretches the smaller result, so (2,) looks equal to (2, 1).", "Shapes count too."),
        Misconception(
            "not_caught", _search(catch=False),
            "An exception of fn or traced ends your search. It is a result like any other: catch it, and compare who raised.",
            "Exceptions are results."),
        Misconception(
            "any_exception_differs", _search(both_raise=False),
            "You take every exception for a divergence. Where both raise, they agree.", "Both raising is agreement."),
        Misconception(
            "any_exception_agrees", _search(fn_raises=True, traced_raises=True),
            "You skip a candidate as soon as one of the two raises. If only one of them does, they differ.", "One raised, the other did not.",
            also=(_search(fn_raises=True), _search(traced_raises=True))),
        Misconception(
            "returns_the_candidate", _search(finish=_value),
            "You return the candidate itself. Asked is its index in the list.", "The index is asked."),
        Misconception(
            "returns_the_last", _search(finish=_last),
            "You return the last index at which they differ. Asked is the first: stop there.", "The first one is asked."),
    ],
    alternatives=[_search(), _item_by_item, _by_testing],
    hints=(
        "For each candidate there are two outcomes: a value or an exception. Get both before you compare.",
        "`np.shape` works for floats and arrays. Compare shapes first, then values.",
        "`np.isclose(got, want, rtol, atol, equal_nan=True)` takes its relative tolerance of its second argument.",
    ),
    worth_knowing="torch.jit.trace compares its trace with the function too (check_trace), but at the example that was traced.",
)
