"""The film of a kernel ends at the closed form and visits every tile once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.attention.flash_trace import flash_trace
from utils.attention.hbm import attention_hbm_elements

SIZES = {"n": st.integers(1, 24), "br": st.integers(1, 26), "bc": st.integers(1, 26), "causal": st.booleans(),
         "algorithm": st.sampled_from(["flash1", "flash2"])}


@given(d=st.integers(1, 9), **SIZES)
def test_the_last_reading_is_the_closed_form(n, br, bc, causal, algorithm, d):
    events = flash_trace(n, br, bc, causal, algorithm, d)
    assert events[-1].reads + events[-1].writes == attention_hbm_elements(n, d, br, bc, algorithm, causal)
    assert events[-1].done_rows == n


@given(**SIZES)
def test_every_score_is_visited_once_and_only_hidden_ones_are_skipped(n, br, bc, causal, algorithm):
    events = flash_trace(n, br, bc, causal, algorithm)
    cells = [(i, j, e.skipped) for e in events for i in range(*e.rows) for j in range(*e.cols)]
    assert sorted((i, j) for i, j, _ in cells) == [(i, j) for i in range(n) for j in range(n)]
    assert all(causal and j > i for i, j, skipped in cells if skipped)
    if causal and algorithm == "flash2":  # a tile is skipped iff all of it is hidden
        assert all(e.skipped == (e.cols[0] > e.rows[1] - 1) for e in events)
    assert [e.step for e in events] == list(range(len(events)))


@given(**SIZES)
def test_the_meter_never_runs_back_and_skipped_tiles_do_not_move_it(n, br, bc, causal, algorithm):
    before = (0, 0, 0)
    for e in flash_trace(n, br, bc, causal, algorithm):
        now = (e.reads, e.writes, e.done_rows)
        assert all(b <= a for a, b in zip(now, before))
        if e.skipped:
            assert now[:2] == before[:2]
        before = now


def test_flash1_rewrites_o_every_step_and_flash2_once():
    def writing_steps(algorithm):
        events = flash_trace(8, 2, 2, False, algorithm)
        return sum(b.writes > a.writes for a, b in pairwise(events)) + (events[0].writes > 0)

    assert writing_steps("flash1") == 16
    assert writing_steps("flash2") == 4


def test_refused():
    with pytest.raises(ValueError, match="algorithm"):
        flash_trace(4, 2, 2, False, "standard")
    with pytest.raises(ValueError, match="block sizes"):
        flash_trace(4, 0, 2, False, "flash1")
    assert flash_trace(1, 1, 1, False, "flash2")[0].as_dict()["rows"] == (0, 1)
