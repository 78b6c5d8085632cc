"""The cheapest plan for a chain, against every plan there is, priced by a loop of its own."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.hardware.heterogeneous import all_plans, best_split, plan_ms, split_chain

QUARTERS = st.integers(0, 40).map(lambda n: n / 4)  # sums of quarters are exact, so ties are ties


@st.composite
def chains(draw, most_layers=6):
    n, d = draw(st.integers(1, most_layers)), draw(st.integers(1, 3))
    cost = [[draw(QUARTERS) for _ in range(d)] for _ in range(n)]
    move = [draw(QUARTERS) for _ in range(n + 1)]
    return cost, move, draw(st.integers(0, d - 1)), draw(st.integers(0, d - 1))


def price(cost, move, plan, start, end):
    total, at = 0.0, start
    for i, device in enumerate(plan):
        if device != at:
            total += move[i]
        total += cost[i][device]
        at = device
    return total + (move[-1] if at != end else 0)


@settings(deadline=None)
@given(chains())
def test_it_is_the_best_of_all_plans(chain):
    cost, move, start, end = chain
    plans = itertools.product(range(len(cost[0])), repeat=len(cost))
    best = min((price(cost, move, plan, start, end), plan) for plan in plans)
    split = split_chain(cost, move, start, end)
    assert (split.total_ms, split.devices) == best
    assert plan_ms(cost, move, split.devices, start, end) == split.total_ms


def test_the_example_of_the_chapter():
    cost, move = [(4, 1), (6, 1), (1, 4), (8, 2)], [2, 1, 1, 1, 0.5]
    # 2 + 1 + 1, back for 1 + 1, over again for 1 + 2, home for 0.5
    assert best_split(cost, move) == (9.5, [1, 1, 0, 1])
    assert plan_ms(cost, move, [1, 1, 1, 1]) == 10.5 and plan_ms(cost, move, [0, 0, 0, 0]) == 19
    plans = all_plans(cost, move)
    assert len(plans) == 16 and plans[0].devices == (1, 1, 0, 1)
    assert plans[0].total_ms <= plans[-1].total_ms and plans[0].crossings == 2
    assert split_chain(cost, move).as_dict() == {"total_ms": 9.5, "devices": (1, 1, 0, 1)}


def test_long_chains_need_no_list_of_plans():
    rng = np.random.default_rng(0)
    cost = rng.integers(1, 40, (200, 3)).tolist()
    assert split_chain(cost, [0] * 201).total_ms == np.min(cost, axis=1).sum()
    assert split_chain(cost, [10**6] * 201).devices == (0,) * 200


def test_a_device_that_cannot_run_a_layer_costs_infinity():
    assert split_chain([(3, 1), (2, math.inf), (5, 1)], [1, 1, 1, 1]).devices == (0, 0, 1)


@pytest.mark.parametrize("cost, move, ends, word", [
    ([], [0], (0, 0), "device"), ([[]], [0, 0], (0, 0), "device"), ([(1, 2)], [0], (0, 0), "length"),
    ([(1, 2), (1,)], [0, 0, 0], (0, 0), "length"), ([(1, 2)], [0, 0], (2, 0), "device"), ([(1, 2)], [0, 0], (0, -1), "device"),
    ([(1, -2)], [0, 0], (0, 0), "negative"), ([(1, 2)], [0, math.nan], (0, 0), "negative")])  # fmt: skip
def test_refusals(cost, move, ends, word):
    with pytest.raises(ValueError, match=word):
        split_chain(cost, move, *ends)


def test_plans_are_checked_too():
    with pytest.raises(ValueError, match="length"):
        plan_ms([(1, 2)], [0, 0], [0, 0])
    with pytest.raises(ValueError, match="device"):
        plan_ms([(1, 2)], [0, 0], [2])
