"""Exercise 35.equivalent: a check that cannot say yes without having looked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.graphs import simplify

from ...compare import exact, prop
from ...exercise import Case, Exercise, Misconception

PROBE = "ch35_onnxsim.two_models"


def _close(a: Any, b: Any) -> bool:
    return bool(np.allclose(b, a, rtol=1e-4, atol=1e-5, equal_nan=True))


def _agree(a: dict, b: dict, close: Callable = _close, shapes: bool = True) -> bool:
    if set(a) != set(b):
        return False
    return all((not shapes or np.shape(a[k]) == np.shape(b[k])) and close(a[k], b[k]) for k in a)


def _trials(agree: Callable = _agree, check: bool = True, draw: str = "once a trial", verdict: Callable = all,
            fewest: int = 1) -> Callable:
    """An answer with a rule for two sets of outputs and one for the trials; with its defaults it is right."""

    def answer(run_a: Callable, run_b: Callable, make_feeds: Callable, n: int, rng: np.random.Generator) -> bool:
        if check and n < fewest:
            raise ValueError("n must be at least 1")
        if draw == "once":
            feeds = make_feeds(rng)
            return bool(verdict([agree(run_a(feeds), run_b(feeds)) for _ in range(n)]))
        if draw == "for each":
            return bool(verdict([agree(run_a(make_feeds(rng)), run_b(make_feeds(rng))) for _ in range(n)]))
        trials = []
        for _ in range(n):
            feeds = make_feeds(rng)
            trials.append(agree(run_a(feeds), run_b(feeds)))
        return bool(verdict(trials))

    return answer


def _by(close: Callable) -> Callable:
    return _trials(lambda a, b: _agree(a, b, close))


def _mean(a: Any, b: Any) -> bool:
    with np.errstate(invalid="ignore"):
        off = np.abs(np.asarray(a, np.float64) - b)
        return bool(np.nanmean(off) <= 1e-5 + 1e-4 * np.nanmean(np.abs(a)))


def _first_output(a: dict, b: dict) -> bool:
    name = next(iter(a))
    return set(a) == set(b) and np.shape(a[name]) == np.shape(b[name]) and _close(a[name], b[name])


def _shared_names(a: dict, b: dict) -> bool:
    return all(np.shape(a[k]) == np.shape(b[k]) and _close(a[k], b[k]) for k in a if k in b)


def _in_order(a: dict, b: dict) -> bool:
    return all(np.shape(p) == np.shape(q) and _close(p, q) for p, q in zip(a.values(), b.values()))


# --- right answers ------------------------------------------------------------------------------


def _early_end(run_a: Callable, run_b: Callable, make_feeds: Callable, n: int, rng: np.random.Generator) -> bool:
    if n <= 0:
        raise ValueError("nothing would be compared")
    while n:
        feeds = make_feeds(rng)
        a, b = run_a(feeds), run_b(feeds)
        if sorted(a) != sorted(b):
            return False
        for name, x in a.items():
            x, y = np.asarray(x, np.float64), np.asarray(b[name], np.float64)
            if x.shape != y.shape:
                return False
            with np.errstate(invalid="ignore"):
                near = np.abs(x - y) <= 1e-5 + 1e-4 * np.abs(x)
            infinite = np.isinf(x) | np.isinf(y)
            same = np.where(infinite, x == y, near) | (np.isnan(x) & np.isnan(y))
            if not same.all():
                return False
        n -= 1
    return True


def _with_testing(run_a: Callable, run_b: Callable, make_feeds: Callable, n: int, rng: np.random.Generator) -> bool:
    if n < 1:
        raise ValueError("n must be at least 1")
    for feeds in [make_feeds(rng) for _ in range(n)]:
        a, b = run_a(feeds), run_b(feeds)
        try:
            assert a.keys() == b.keys()
            for name in a:
                assert np.asarray(a[name]).shape == np.asarray(b[name]).shape
                np.testing.assert_allclose(b[name], a[name], rtol=1e-4, atol=1e-5)
        except AssertionError:
            return False
    return True


def _judge(case: Case, expected: dict, got: dict) -> str | None:
    if type(got["answer"]) is not bool:
        return "the answer is neither True nor False"
    if got["answer"] != expected["answer"]:
        return f"{got['answer']}, expected {expected['answer']}"
    if got.get("drawn") != expected.get("drawn"):
        return f"{got['drawn']} inputs were drawn for n = {case.kwargs['n']} trials"
    return None


def _show(value: dict) -> str:
    drawn = f", {value['drawn']} inputs drawn" if "drawn" in value else ""
    return f"{value['answer']}{drawn}"


SABOTAGE = ("rare", "second output", "one element", "shape", "lost output", "extra output", "renamed", "nan in b", "other sign",
            "small and wrong", "large and wrong", "swapped")
HONEST = ("same", "rounding", "large", "small", "nan in both", "inf in both", "other order")


def _case(kind: str, n: int, seed: int = 0, **more: Any) -> Case:
    return Case(kind=kind, n=n, seed=seed, label=f"n={n}, two models: {kind}", **more)


def _draw(rng: np.random.Generator) -> Case:
    kind = str(rng.choice([*SABOTAGE, *HONEST]))
    return _case(kind, int(rng.integers(3, 7)), int(rng.integers(10_000)))


equivalent = Exercise(
    id="35.equivalent", points=2, difficulty=2, minutes=10, idea="a comparison of nothing proves nothing",
    reference=simplify.equivalent, probe=PROBE,
    cases=[_case("same", 3), _case("rounding", 3), _case("second output", 3), _case("rare", 3)],
    hidden=[_case(kind, 3, 1) for kind in (*SABOTAGE, *HONEST)] + [_case("same", 1), _case("one element", 1)],
    draw=_draw, draws=30, compare=prop(_judge, same=exact()), show=_show,
    raises=[_case("same", 0), _case("second output", 0), _case("same", -2)],
    misconceptions=[
        Misconception(
            "nothing_compared", _trials(check=False),
            "With n = 0 your answer is True: `all([])` is. That is exactly onnxsim's default check, which lets a sabotaged "
            "model pass. Refuse to answer instead.",
            "Nothing was compared.", also=(_trials(fewest=0),)),
        Misconception(
            "first_output_only", _trials(_first_output),
            "You compare one output. A detector has boxes and scores, and the mistake may sit in the second.",
            "There are more outputs."),
        Misconception(
            "nan_is_a_difference", _by(lambda a, b: bool(np.allclose(b, a, rtol=1e-4, atol=1e-5))),
            "NaN never equals itself, so a model that gives NaN differs from its own copy in your check. Where both are NaN "
            "they agree.",
            "NaN in both is agreement.",
            also=(_by(lambda a, b: bool(np.all(np.abs(np.asarray(a) - b) <= 1e-5 + 1e-4 * np.abs(a)))),)),
        Misconception(
            "same_input_again", _trials(draw="once"),
            "You draw one input and run it n times. That proves as much as one run. Draw a new one for each trial.",
            "A new input for each trial."),
        Misconception(
            "two_inputs", _trials(draw="for each"),
            "Each of the two models gets an input of its own, so that even equal models differ. Draw once and give both "
            "the same.",
            "Both need the same input."),
        Misconception(
            "mean_error", _by(_mean),
            "A mean over all elements hides a single wrong one. Every element has to be within the tolerance.",
            "A mean hides errors."),
        Misconception(
            "absolute_only", _by(lambda a, b: bool(np.allclose(b, a, rtol=0, atol=1e-5, equal_nan=True))),
            "With values in the millions float32 itself is off by more than 1e-5. The tolerance has a part that grows with "
            "the value: 1e-4 of it.",
            "The relative part is missing."),
        Misconception(
            "relative_only", _by(lambda a, b: bool(np.allclose(b, a, rtol=1e-4, atol=0, equal_nan=True))),
            "Near zero a relative tolerance allows almost nothing. 1e-5 is added to it.",
            "The absolute part is missing."),
        Misconception(
            "bit_for_bit", _by(lambda a, b: bool(np.array_equal(a, b, equal_nan=True))),
            "You ask for equal bits. Folding changes the order of rounding, so that a right simplification differs in the "
            "last digits.",
            "Rounding is no error."),
        Misconception(
            "broadcast_shapes", _trials(lambda a, b: _agree(a, b, shapes=False)),
            "NumPy broadcasts (1, 4) against (4,) and finds no difference. A caller who indexes the result does.",
            "The shapes differ."),
        Misconception(
            "names_ignored", _trials(_shared_names),
            "You compare the outputs that both have. An output that is missing, or is called something else, is a difference.",
            "The names belong to it.",
            also=(_trials(_in_order), _trials(lambda a, b: set(a) <= set(b) and _shared_names(a, b)))),
        Misconception(
            "one_agreement_is_enough", _trials(verdict=any),
            "One trial that agrees is enough for you. One that does not is enough to refuse.",
            "All trials, not one."),
    ],
    alternatives=[_trials(), _early_end, _with_testing],
    hints=(
        "First refuse n below 1. Then n times: draw, run both on the same feeds, compare.",
        "Compare the sets of names, then for each name the shapes, then the values.",
        "`np.allclose(b, a, rtol=1e-4, atol=1e-5, equal_nan=True)` measures the tolerance on its second argument.",
    ),
    worth_knowing="To compare two ONNX files, let run_a and run_b be ONNX Runtime sessions with optimisations switched off: "
                  "otherwise the runtime rewrites the original in the same way.",
)
