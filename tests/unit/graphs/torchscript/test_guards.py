"""The specialising cache: always equal to the function, one tape for each path of decisions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.graphs.torchscript import Guarded, GuardedFunction

INTEGERS = st.lists(st.integers(-20, 120), min_size=1, max_size=25)


class Paths:
    """Wraps a function whose decisions go through `ask`; counts the different sequences of answers."""

    def __init__(self, fn):
        self.fn, self.seen, self.now = fn, set(), []

    def ask(self, answer):
        self.now.append(bool(answer))
        return answer

    def __call__(self, *xs):
        self.now = []
        value = self.fn(self.ask, *xs)
        self.seen.add(tuple(self.now))
        return value


def doubling(ask, x):
    while ask(x < 100) and ask(x > 0):
        x = x * 2
    return x


def nested(ask, x):
    if ask(x > 10):
        return x - 1 if ask(x * 2 > 90) else -x
    return x * x + 3 if ask(x != 0) else 1 / (x + 4)


def piecewise(ask, x):
    total = 0
    for limit in (-10, 0, 7, 30):
        total = total + x if ask(x > limit) else total - limit
    return total


@pytest.mark.parametrize("fn", [doubling, nested, piecewise])
@pytest.mark.parametrize("make", [GuardedFunction, Guarded])
@given(xs=INTEGERS)
def test_equal_to_the_function_with_a_tape_for_each_path(fn, make, xs):
    plain, guarded = Paths(fn), make(lambda x: fn(lambda b: b, x), max_entries=1000)
    for x in xs:
        assert guarded(x) == plain(x)
    assert guarded.traces == len(plain.seen)
    assert guarded.hits == len(xs) - guarded.traces and guarded.fallbacks == 0


@given(xs=INTEGERS, limit=st.integers(0, 4))
def test_the_limit_holds_and_nothing_is_wrong_beyond_it(xs, limit):
    plain, guarded = Paths(doubling), GuardedFunction(lambda x: doubling(lambda b: b, x), limit)
    for x in xs:
        assert guarded(x) == plain(x)
    assert guarded.traces == min(limit, len(plain.seen))
    assert guarded.traces + guarded.hits + guarded.fallbacks == len(xs)


def test_the_examples():
    guarded = Guarded(lambda x: x * 2 + 1 if x > 0 else 3 - x)
    assert [guarded(x) for x in (2, -2, 5, -7)] == [5, 5, 11, 10] and guarded.traces == 2
    guarded = Guarded(lambda x: doubling(lambda b: b, x))
    assert [guarded(x) for x in (3, 50, 60, 3.5, 200)] == [192, 100, 120, 112, 200] and guarded.traces == 4


def test_nothing_is_computed_behind_a_guard_that_fails():
    guarded = GuardedFunction(lambda x: 1 / x if x != 0 else 0.0)
    assert [guarded(x) for x in (2.0, 0.0, 4.0)] == [0.5, 0.0, 0.25]
    assert (guarded.traces, guarded.hits, guarded.guard_failures) == (2, 1, 1)


def test_errors_are_those_of_the_function_and_leave_no_tape():
    guarded = GuardedFunction(lambda x: 1 / x)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            guarded(0)
    assert guarded.traces == 0 and guarded(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        guarded(0)


def test_shapes_are_guarded_when_they_are_read():
    mean = GuardedFunction(lambda v: v.sum() / len(v))
    total = GuardedFunction(lambda v: v.sum())
    for n in (2, 3, 2, 5):
        assert mean(np.ones(n)) == 1.0 and total(np.ones(n)) == n
    assert (mean.traces, total.traces) == (3, 1)


def test_arrays_guard_at_the_truth_value_alone():
    chosen = GuardedFunction(lambda v: np.where(v > 0, v, 0.0))
    branching = GuardedFunction(lambda v: v * 2 if v.sum() > 0 else v - 1)
    for v in (np.array([1.0, -2.0]), np.array([3.0, 2.0]), np.array([0.0, 0.0])):
        np.testing.assert_array_equal(chosen(v), np.where(v > 0, v, 0.0))
        np.testing.assert_array_equal(branching(v), v * 2 if v.sum() > 0 else v - 1)
    assert (chosen.traces, branching.traces) == (1, 2)


def test_a_number_as_a_condition():
    guarded = GuardedFunction(lambda x: x + 1 if x else 9)
    assert [guarded(x) for x in (2, 0, 3)] == [3, 9, 4] and guarded.traces == 2


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="max_entries must be at least 0, got -1"):
        GuardedFunction(abs, -1)
