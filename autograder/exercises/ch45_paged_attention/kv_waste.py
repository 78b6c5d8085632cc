"""Exercise 45.kv_waste: the share of its slots that a request leaves empty over its life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.attention import paging_waste

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _waste(rule: Callable[[int, int, int], float], *, check: bool = True) -> Callable[[int, int, int], float]:
    def answer(prompt_len: int, output_len: int, block_size: int) -> float:
        if check and (prompt_len < 1 or output_len < 0 or block_size < 1):
            raise ValueError("out of range")
        return rule(prompt_len, output_len, block_size)

    return answer


def _waste_both(*rules: Callable[[int, int, int], float]) -> dict:
    return {"answer": _waste(rules[0]),
            "also": (*(_waste(r) for r in rules[1:]), *(_waste(r, check=False) for r in rules))}


def _held(n: int, size: int) -> int:
    return -(-n // size) * size


def _over(lengths: Sequence[int], size: int) -> float:
    held = sum(_held(n, size) for n in lengths)
    return (held - sum(lengths)) / held if held else 0.0


def _mean_ratio(p: int, o: int, b: int) -> float:
    return sum((_held(n, b) - n) / _held(n, b) for n in range(p, p + o + 1)) / (o + 1)


def _waste_block_by_block(prompt_len: int, output_len: int, block_size: int) -> float:
    """Walks over the numbers of blocks held instead of the lengths."""
    if prompt_len < 1 or output_len < 0 or block_size < 1:
        raise ValueError("out of range")
    last, empty, held = prompt_len + output_len, 0, 0
    for blocks in range((prompt_len - 1) // block_size + 1, (last - 1) // block_size + 2):
        low, high = max(prompt_len, (blocks - 1) * block_size + 1), min(last, blocks * block_size)
        steps = high - low + 1
        held += steps * blocks * block_size
        empty += steps * (2 * blocks * block_size - low - high) / 2
    return empty / held


def _waste_by_numpy(prompt_len: int, output_len: int, block_size: int) -> Any:
    if min(prompt_len - 1, output_len, block_size - 1) < 0:
        raise ValueError("out of range")
    n = np.arange(prompt_len, prompt_len + output_len + 1)
    held = np.ceil(n / block_size) * block_size
    return 1 - n.sum() / held.sum()


def _draw_waste(rng: np.random.Generator) -> Case:
    return Case(int(rng.integers(1, 300)), int(rng.integers(0, 300)), int(rng.choice([1, 2, 3, 4, 7, 8, 16, 32, 64, 128])))


kv_waste = Exercise(
    id="45.kv_waste", points=3, difficulty=2, minutes=12, idea="a request holds memory during its whole life",
    reference=paging_waste.kv_waste,
    cases=[Case(10, 6, 4), Case(19, 58, 16), Case(161, 338, 16)],
    hidden=[Case(19, 58, 128), Case(161, 338, 128), Case(1, 0, 1), Case(1, 0, 16), Case(5, 20, 1), Case(16, 0, 16), Case(17, 0, 16),
            Case(8, 8, 8), Case(1, 15, 16), Case(1, 1, 2)],
    draw=_draw_waste,
    raises=[Case(0, 5, 4), Case(-3, 5, 4), Case(5, -1, 4), Case(5, 5, 0), Case(5, 5, -4)],
    compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception(
            "final_length", **_waste_both(lambda p, o, b: _over([p + o], b)),
            message="This is the waste at the end. A request holds memory during its whole life, and the share that is empty changes from step to "
                    "step. Add up all of them.",
            title="Only the final length was counted."),
        Misconception(
            "half_a_block", **_waste_both(lambda p, o, b: (b - 1) / (2 * (p + o)),
                                          lambda p, o, b: (b - 1) / 2 / (p + o + (b - 1) / 2)),
            message="Half a block is the right guess for what is empty on average. But you divide by the final length: during its life a request holds "
                    "about prompt + output / 2 tokens. The exact sums are asked for, not the rule of thumb.",
            title="The final length stands for the mean."),
        Misconception(
            "rule_of_thumb", **_waste_both(lambda p, o, b: (b - 1) / 2 / (p + o / 2 + (b - 1) / 2),
                                           lambda p, o, b: (b - 1) / 2 / (p + o / 2)),
            message="This is the rule of thumb: half a block, over the mean length. It is close for long requests and off for short ones. The "
                    "exact sums over the life of this request are asked for.",
            title="An estimate instead of the sums."),
        Misconception(
            "mean_of_ratios", **_waste_both(_mean_ratio),
            message="You took the share of each step and averaged the shares. A step that holds 10 blocks counts ten times as much as one that holds 1: "
                    "divide the sum of the empty slots by the sum of the held ones.",
            title="A mean of shares, not a share of sums."),
        Misconception(
            "zero_at_multiples", **_waste_both(lambda p, o, b: 0.0 if (p + o) % b == 0 else _over(range(p, p + o + 1), b)),
            message="When the final length fills its blocks you call the waste 0. It is 0 in that last step only; the request had half-empty blocks "
                    "before.",
            title="A full last block does not undo the waste."),
        Misconception(
            "one_length_short", **_waste_both(lambda p, o, b: _over(range(p, p + o), b), lambda p, o, b: _over(range(p + 1, p + o + 1), b)),
            message="One length is missing. The request begins with prompt_len tokens and ends with prompt_len + output_len, so there are output_len + 1 "
                    "lengths, both ends included.",
            title="One length is missing."),
        Misconception(
            "over_filled", **_waste_both(lambda p, o, b: sum(_held(n, b) - n for n in range(p, p + o + 1)) / sum(range(p, p + o + 1))),
            message="You divide by the filled slots. The share of the *held* slots is asked for: filled and empty ones together.",
            title="The wrong denominator."),
    ],
    alternatives=[_waste(lambda p, o, b: _over(range(p, p + o + 1), b)), _waste_block_by_block, _waste_by_numpy],
    hints=(
        "A request with n tokens holds ceil(n / block_size) blocks.",
        "Loop n from prompt_len to prompt_len + output_len, both included. Add up the held slots and the tokens.",
        "The answer is (sum of held − sum of tokens) / sum of held.",
    ),
    worth_knowing="The “under 4 %” of the announcement is true for long chats. With Alpaca's short requests, blocks of 16 waste 13.7 %.",
)
