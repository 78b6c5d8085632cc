"""Exercise 42.capacity_mask: which assignments find a place in their expert."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.moe import numpy_layer

from ...compare import exact
from ...exercise import Case, Exercise, Misconception
from .routing import keep_by_cumsum, keep_by_sort, keep_by_visits


def _draw_indices(rng: np.random.Generator) -> Case:
    tokens, experts = int(rng.integers(1, 13)), int(rng.integers(2, 7))
    k = int(rng.integers(1, experts + 1))
    liked = rng.random((tokens, experts)) * rng.choice([1.0, 3.0], experts)
    return Case(np.argsort(-liked, axis=1)[:, :k], experts, int(rng.integers(1, 6)),
                label=f"{tokens} tokens, {experts} experts, k = {k}")


capacity_mask = Exercise(
    id="42.capacity_mask", points=4, difficulty=2, minutes=20, idea="a place in an expert goes to first choices first",
    reference=numpy_layer.capacity_mask,
    cases=[Case(np.array([[0], [0], [1], [0], [2], [0]]), 3, 2),
           Case(np.array([[0, 1], [0, 2], [0, 1]]), 3, 2),
           Case(np.array([[0, 1], [1, 0], [1, 2]]), 3, 1)],
    hidden=[
        Case(np.array([[0, 1], [1, 0], [2, 0]]), 3, 6, label="enough places for everything"),
        Case(np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1]]), 4, 2, label="4 tokens, 3 choices, one idle expert"),
        Case(np.array([[3], [3], [3], [3], [3]]), 4, 1, label="all tokens want one expert with one place"),
        Case(np.array([[0, 1], [0, 1], [0, 1], [0, 1]]), 2, 2, label="both experts are full after two tokens"),
        Case(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]), 2, 3, label="a late first choice against early second choices"),
    ],
    draw=_draw_indices, draws=40,
    raises=[Case(np.array([[0], [1]]), 2, 0, label="capacity 0"), Case(np.array([[0], [1]]), 2, -1, label="capacity -1")],
    compare=exact(),
    misconceptions=[
        Misconception(
            "token_major", partial(keep_by_visits, order="token"),
            "You serve token 0 with all its choices before token 1. All *first* choices come before any second choice, "
            "so a second choice of an early token can lose its place to a first choice of a late one.",
            "Second choices jump the queue.", also=(partial(keep_by_visits, order="token", checked=False),)),
        Misconception(
            "whole_token", partial(keep_by_visits, whole_token=True),
            "You drop a token from all its experts when one of them is full. Each assignment is decided alone: the "
            "other expert still takes the token.",
            "The whole token was dropped.", also=(partial(keep_by_visits, whole_token=True, checked=False),)),
        Misconception(
            "global_count", partial(keep_by_visits, count="global"),
            "`capacity` is the number of places of *each* expert. You gave that many places to all of them together.",
            "The places are counted for all experts together."),
        Misconception(
            "per_choice", partial(keep_by_visits, count="choice"),
            "First and second choices fill the same places. You started a new count for each column, so an expert can "
            "take k times its capacity.",
            "Each column has its own count.", also=(partial(keep_by_visits, count="choice", checked=False),)),
        Misconception(
            "keeps_last", partial(keep_by_visits, order="last"),
            "You kept the last tokens of the batch. Within one rank of choice, the earlier token has the better place.",
            "The last tokens were kept."),
        Misconception(
            "last_choice_first", partial(keep_by_visits, order="choice_reversed"),
            "You served the last choices first. The order of ranks is first choice, second choice, and so on.",
            "The ranks are the wrong way round."),
        Misconception(
            "reroutes", partial(keep_by_visits, reroute=True),
            "You sent the overflow to another expert, and it took a place there. That is another design. Here, as in "
            "Switch, what finds no place is dropped.",
            "Overflow was re-routed.", also=(partial(keep_by_visits, reroute=True, checked=False),)),
        Misconception(
            "one_more", partial(keep_by_visits, more=1),
            "An expert took one assignment more than its capacity. If you count places from 0, the last free one is "
            "capacity − 1.",
            "One place too many.", also=(partial(keep_by_visits, more=1, checked=False),)),
        Misconception(
            "capacity_unchecked", partial(keep_by_visits, checked=False),
            "The mask is right. A capacity below 1 has to be refused.",
            "The capacity is not checked."),
    ],
    alternatives=[keep_by_visits, keep_by_cumsum, keep_by_sort],
    hints=(
        "Write the queue down for the second example: (token 0, choice 0), (token 1, choice 0), (token 2, choice 0), then "
        "the second choices.",
        "Go through the columns of `indices`, and through the tokens inside a column. One counter for each expert says "
        "how many places are taken.",
        "The counters live on from column to column.",
    ),
    worth_knowing="In an array library the same queue is a cumulative sum of one-hot rows: `indices.T` laid flat is "
                  "the order of service.",
)
