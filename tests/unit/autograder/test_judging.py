"""Judging: groups, points, diagnosis, and one verdict in the kernel and in another process."""

import numpy as np
import pytest

from autograder.cards import card_html, card_text
from autograder.check import judge
from autograder.compare import close, exact
from autograder.exercise import Case, Exercise, Misconception
from autograder.judging import NOT_ATTEMPTED, RIGHT, WRONG, judge_answer, seed_for
from autograder.probes.ask import ask
from autograder.remote import OwnProcess, judge_source


def mean(x):
    if len(x) == 0:
        raise ValueError("empty input")
    return float(np.sum(x) / len(x))


EXERCISE = Exercise(
    id="12.mean", points=6, reference=mean,
    cases=[Case([1.0, 2.0, 6.0]), Case([4.0])], draw=lambda rng: (rng.normal(size=5).tolist(),), draws=8,
    raises=[Case([], word="empty")], compare=close(1e-9), time_limit_s=4.0,
    misconceptions=[
        Misconception("median", lambda x: float(np.median(x)), "That is the median.", "The middle value."),
        Misconception("sum", lambda x: float(np.sum(x)), "Divide by how many there are.", "A sum.",
                      also=(lambda x: float(np.sum(x)) if len(x) else mean(x),)),
    ],
    alternatives=[np.mean], hints=("first", "second"))

GOOD = "def mean(x):\n    if not x:\n        raise ValueError('empty')\n    return sum(x) / len(x)\n"


def judged(source):
    space = {}
    exec(source, space)
    return judge_answer(EXERCISE, lambda q: ask(space.get("mean"), q), 1, source)


ANSWERS = {
    "right": GOOD,
    "no refusal": "def mean(x):\n    return sum(x) / max(len(x), 1)\n",
    "wrong word": "def mean(x):\n    if not x:\n        raise ValueError('nothing')\n    return sum(x) / len(x)\n",
    "sum": "def mean(x):\n    return float(sum(x))\n",
    "sum with refusal": "def mean(x):\n    if not x:\n        raise ValueError('empty')\n    return sum(x) * 1.0\n",
    "median": "import statistics\ndef mean(x):\n    return float(statistics.median(x))\n",
    "first": "def mean(x):\n    return x[0]\n",
    "hard coded": "def mean(x):\n    return {3: 3.0, 1: 4.0}.get(len(x), 0.0)\n",
    "always raises": "def mean(x):\n    raise ValueError('empty')\n",
    "stub": "def mean(x):\n    raise NotImplementedError()\n",
    "none": "def mean(x):\n    pass\n",
    "prints": "def mean(x):\n    print(sum(x) / len(x))\n",
    "prints and returns": "def mean(x):\n    print('x' * 5000)\n    import warnings; warnings.warn('w')\n" + GOOD[12:],
    "generator": "def mean(x):\n    yield 1\n",
    "endless": "def mean(x):\n    while True:\n        pass\n",
    "crash": "def mean(x):\n    return x.mean()\n",
    "exits": "import sys\ndef mean(x):\n    sys.exit(0)\n",
    "not a function": "mean = 3\n",
    "nan": "def mean(x):\n    return float('nan')\n",
    "array": "import numpy as np\ndef mean(x):\n    return np.array(x)\n",
    "long list": "def mean(x):\n    return [0] * 1_000_000\n",
    "string": "def mean(x):\n    return '3.0'\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_both_ways_give_the_same_verdict(name):
    here, there = judged(ANSWERS[name]), judge_source(EXERCISE, ["import math", ANSWERS[name]], 1)
    assert (here.outcome, here.points, here.misconception, here.title) == (
        there.outcome, there.points, there.misconception, there.title)
    assert here.groups == there.groups
    assert [(r.input, r.got, r.ok) for r in here.rows] == [(r.input, r.got, r.ok) for r in there.rows]


@pytest.mark.parametrize("name, outcome, points, tag", [
    ("right", RIGHT, 6, None), ("prints and returns", RIGHT, 6, None), ("no refusal", WRONG, 4, None),
    ("wrong word", WRONG, 4, None), ("sum", WRONG, 0, "sum"), ("sum with refusal", WRONG, 0, "sum"),
    ("median", WRONG, 0, "median"), ("hard coded", WRONG, 0, None), ("always raises", WRONG, 0, None),
    ("stub", NOT_ATTEMPTED, 0, None), ("none", WRONG, 0, None), ("endless", WRONG, 0, None),
])
def test_points_and_diagnosis(name, outcome, points, tag):
    told = judged(ANSWERS[name])
    assert (told.outcome, told.points, told.misconception) == (outcome, points, tag)


@pytest.mark.parametrize("name, part", [
    ("none", "returns None"), ("prints", "prints its result"), ("generator", "a generator"), ("crash", "AttributeError"),
    ("endless", "does not come to an end"), ("exits", "SystemExit"), ("not a function", "cannot be checked"),
    ("wrong word", "must contain “empty”"), ("string", "a string"), ("no refusal", "instead of raising ValueError"),
])
def test_the_message_names_what_happened(name, part):
    told = judged(ANSWERS[name])
    assert part in f"{told.title} {told.message} {told.rows}"


@pytest.mark.parametrize("name", ANSWERS)
def test_every_judgement_has_a_card_and_a_text(name):
    told = judged(ANSWERS[name])
    page, text = card_html(told, EXERCISE, attempt=2, solution="def …"), card_text(told, EXERCISE, attempt=2)
    assert page.count("<section") == page.count("</section>") == 1
    assert EXERCISE.id in text and ("✓" in text or "✗" in text or "○" in text)
    if told.outcome == NOT_ATTEMPTED:
        assert "Hint" not in page and "<table" not in page


def test_a_card_escapes_what_the_answer_returns():
    told = judged("def mean(x):\n    print('<script>a</script>')\n    return '<script>alert(1)</script>'\n")
    assert "<script>" not in card_html(told, EXERCISE)


def test_seeds_differ_by_course_and_exercise():
    assert len({seed_for("12.a", None), seed_for("12.b", None), seed_for("12.a", "x"), seed_for("12.a", "y")}) == 4


def test_hints_come_in_order_and_the_solution_last():
    page = card_html(judged(ANSWERS["sum"]), EXERCISE, solution="return sum(x) / len(x)")
    assert page.index("Hint 1 of 2") < page.index("Hint 2 of 2") < page.index("Show a solution")
    assert "Show a solution" not in card_html(judged(ANSWERS["sum"]), EXERCISE)


def test_a_pure_exercise_notices_a_changed_argument():
    from dataclasses import replace

    def changing(x):
        x.sort()
        return sum(x) / len(x) if x else mean(x)

    pure = replace(EXERCISE, id="12.pure", names=("mean",), pure=True)
    told = judge_answer(pure, lambda q: ask(changing, q), 1)
    assert told.outcome == WRONG and any("argument 1 was changed" in r.note for r in told.rows)
    assert judge_answer(pure, lambda q: ask(mean, q), 1).passed


def test_counts_earn_nothing_where_values_are_wrong():
    from dataclasses import replace

    limited = replace(EXERCISE, id="12.limited", names=("mean",), limits=[Case([1.0])])
    told = judge_answer(limited, lambda q: ask(lambda x: 1.0, q), 1)
    assert told.groups["limits"] and told.points == 0


def test_two_names_are_one_answer():
    with OwnProcess() as process:
        assert process.run("def up(x): return x + 1\ndef down(x): return x - 1") is None
        outcome = process.ask(("up", "down"), {"probe": "common.source", "params": {}, "time_limit_s": 5.0})
        assert "error" not in outcome
        assert "missing" in process.ask(("up", "sideways"), {"probe": "common.source", "params": {}, "time_limit_s": 5.0})


def test_the_other_process_can_import_neither_utils_nor_exercises():
    for name in ("utils", "autograder", "autograder.exercises", "exercises", "utils.numerics"):
        told = judge_source(EXERCISE, [f"import {name}\n{GOOD}"], 1)
        assert told.outcome == WRONG and "ModuleNotFoundError" in told.title + told.message, name


@pytest.mark.parametrize("source", [
    "import os\nos._exit(0)", "import os\ndef mean(x):\n    os._exit(0)", "import os, signal\nos.kill(os.getpid(), 9)",
    "import sys\ndef mean(x):\n    sys.stdout.write('junk')\n    import os\n    os.write(1, b'junk' * 99)\n    return 0.0",
    "def mean(x:\n    pass", "while True: pass" if False else "raise RuntimeError('no')", "",
    "import threading\ndef mean(x):\n    threading.Thread(target=lambda: 1/0).start()\n    return 0.0",
])
def test_a_process_that_misbehaves_is_a_wrong_answer(source):
    told = judge_source(EXERCISE, [source], 1)
    assert told.outcome == WRONG and told.points == 0


def test_replies_of_an_impossible_form_are_errors():
    from autograder.remote import checked

    for reply in (None, 3, {}, {"error": 1}, {"error": {"types": 3, "message": "", "where": "", "text": "", "line": 1}},
                  {"value": 1, "seconds": "x"}, []):
        assert "error" in checked(reply)
    assert checked({"value": None})["value"] is None


def test_a_mistake_on_bad_input_alone_does_not_explain_a_wrong_value():
    from dataclasses import replace

    blind = Misconception("no_refusal", lambda x: sum(x) / max(len(x), 1), "Refuse an empty input.")
    exercise = replace(EXERCISE, id="12.blind", names=("mean",), misconceptions=[blind])
    judged_as = lambda f: judge_answer(exercise, lambda q: ask(f, q), 1).misconception
    assert judged_as(lambda x: sum(x) / max(len(x), 1)) == "no_refusal"
    assert judged_as(lambda x: 7.0) is None


def test_exact_ids():
    with pytest.raises(ValueError):
        Exercise(id="12.empty", points=1, reference=mean, cases=[], compare=exact())


def test_a_pure_exercise_tells_what_was_returned_instead_of_an_error():
    def loses_the_rest(x, groups):
        c = x.shape[1] // groups * groups
        n, _, h, w = x.shape
        return x[:, :c].reshape(n, groups, c // groups, h, w).swapaxes(1, 2).reshape(n, c, h, w)

    rows = judge("10.channel_shuffle_np", loses_the_rest).rows
    told = [row.note + row.got for row in rows if not row.ok]
    assert told and not any("changed" in text or "{" in text for text in told)
