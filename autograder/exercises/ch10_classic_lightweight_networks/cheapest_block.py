"""Exercise 10.cheapest_block: the block with the fewest MACs whose weights fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from utils.networks import classic

from ...exercise import Case, Exercise, Misconception

KINDS = ("dense", "separable", "ghost")


def _half_up(c_out: int) -> int:
    return (c_out + 1) // 2


def _weights(c_in: int, c_out: int, k: int, half: Callable[[int], int] = _half_up, cheap: Callable[[int, int], int] = lambda p, k: 9 * p,
             mixed: bool = True, primary: Callable[[int], int] = lambda k: k * k) -> dict[str, int]:
    p = half(c_out)
    return {"dense": k * k * c_in * c_out, "separable": k * k * c_in + c_in * c_out * mixed, "ghost": primary(k) * c_in * p + cheap(p, k)}


def _pick(fits: Callable[[int, int], bool] = lambda w, budget: 4 * w <= budget,
          choose: Callable[[list[str], dict[str, int]], str] = lambda kinds, weights: min(kinds, key=lambda kind: weights[kind]),
          area: Callable[[int, int], int] = lambda h, w: h * w, refuse: bool = True, listed: Callable[[Sequence[str]], list[str]] = list,
          **count: Callable) -> Callable:
    """An answer in its parts; with its defaults it is right."""

    def answer(c_in: int, c_out: int, h: int, w: int, k: int, weight_bytes_budget: int, kinds: Sequence[str] = KINDS) -> tuple[str, int] | None:
        weights = _weights(c_in, c_out, k, **count)
        fitting = [kind for kind in listed(kinds) if fits(weights[kind], weight_bytes_budget)]
        if not fitting:
            if refuse:
                raise ValueError("no block fits")
            return None
        best = choose(fitting, weights)
        return best, weights[best] * area(h, w)

    return answer


def _smallest_anyway(c_in: int, c_out: int, h: int, w: int, k: int, weight_bytes_budget: int, kinds: Sequence[str] = KINDS) -> tuple[str, int]:
    try:
        return _pick()(c_in, c_out, h, w, k, weight_bytes_budget, kinds)
    except ValueError:
        return _pick()(c_in, c_out, h, w, k, 1 << 60, kinds)


def _last_of_equals(kinds: list[str], weights: dict[str, int]) -> str:
    return min(reversed(kinds), key=lambda kind: weights[kind])


def _alphabetical(kinds: list[str], weights: dict[str, int]) -> str:
    return min((weights[kind], kind) for kind in kinds)[1]


# --- right answers ------------------------------------------------------------------------------


def _sorted(c_in: int, c_out: int, h: int, w: int, k: int, weight_bytes_budget: int, kinds: Sequence[str] = KINDS) -> tuple[str, int]:
    weights = _weights(c_in, c_out, k)
    order = sorted((weights[kind] * h * w, i) for i, kind in enumerate(kinds) if weights[kind] <= weight_bytes_budget / 4)
    if not order:
        raise ValueError(f"no block fits into {weight_bytes_budget} bytes")
    macs, i = order[0]
    return kinds[i], macs


def _loop(c_in: int, c_out: int, h: int, w: int, k: int, weight_bytes_budget: int, kinds: Sequence[str] = KINDS) -> tuple[str, int]:
    best = None
    for kind in kinds:
        if kind == "dense":
            shapes = [(c_out, c_in, k, k)]
        elif kind == "separable":
            shapes = [(c_in, 1, k, k), (c_out, c_in, 1, 1)]
        else:
            p = -(-c_out // 2)
            shapes = [(p, c_in, k, k), (p, 1, 3, 3)]
        size = sum(int(np.prod(s)) for s in shapes)
        if size * 4 > weight_bytes_budget:
            continue
        if best is None or size * h * w < best[1]:
            best = (kind, size * h * w)
    if best is None:
        raise ValueError("no block fits the budget")
    return best


def _by_layers(c_in: int, c_out: int, h: int, w: int, k: int, weight_bytes_budget: int, kinds: Sequence[str] = KINDS) -> tuple[str, int]:
    import torch
    from torch import nn

    p = (c_out + c_out % 2) // 2
    with torch.device("meta"):
        blocks = {"dense": [nn.Conv2d(c_in, c_out, k, bias=False)],
                  "separable": [nn.Conv2d(c_in, c_in, k, groups=c_in, bias=False), nn.Conv2d(c_in, c_out, 1, bias=False)],
                  "ghost": [nn.Conv2d(c_in, p, k, bias=False), nn.Conv2d(p, p, 3, groups=p, bias=False)]}
    size = {kind: sum(layer.weight.numel() for layer in layers) for kind, layers in blocks.items()}
    rows = [(size[kind] * h * w, kind) for kind in kinds if 4 * size[kind] <= weight_bytes_budget]
    if not rows:
        raise ValueError("no block fits")
    macs, kind = min(rows, key=lambda row: row[0])
    return kind, macs


# --- cases --------------------------------------------------------------------------------------


def _draw(rng: np.random.Generator) -> Case:
    c_in, c_out = (int(v) for v in rng.integers(1, 130, 2))
    h, w = (int(v) for v in rng.integers(1, 60, 2))
    k = int(rng.choice([1, 2, 3, 5]))
    weights = _weights(c_in, c_out, k)
    kinds = tuple(str(kind) for kind in rng.permutation(KINDS)[: int(rng.integers(1, 4))])
    edge = 4 * weights[str(rng.choice(kinds))]
    least = 4 * min(weights[kind] for kind in kinds)
    budget = int(rng.choice([edge, max(edge - 1, least), 2 * edge, int(edge * rng.uniform(1, 4))]))
    return Case(c_in, c_out, h, w, k, max(budget, least), kinds) if rng.random() < 0.8 else Case(
        c_in, c_out, h, w, k, 4 * max(weights.values()))


cheapest_block = Exercise(
    id="10.cheapest_block", points=5, difficulty=2, minutes=15, idea="one table of weights gives bytes and MACs",
    reference=classic.cheapest_block,
    cases=[Case(64, 128, 56, 56, 3, 100_000), Case(64, 128, 56, 56, 1, 40_000), Case(9, 16, 7, 7, 1, 10_000, ("ghost", "dense"))],
    hidden=[Case(9, 16, 7, 7, 1, 10_000, ("dense", "ghost")), Case(9, 16, 7, 7, 1, 10_000),
            Case(8, 16, 5, 4, 1, 4 * 136, ("separable", "ghost")), Case(8, 16, 5, 4, 1, 4 * 136, ("ghost", "separable")),
            Case(64, 127, 14, 7, 1, 40_000), Case(3, 5, 9, 9, 1, 4 * 36, ("ghost",)), Case(8, 8, 6, 6, 3, 4 * 136), Case(8, 8, 6, 6, 3, 4 * 360, ("ghost", "dense")),
            Case(8, 8, 6, 6, 3, 4 * 576, ("dense",)), Case(64, 64, 8, 8, 3, 20_000, ("dense", "separable")), Case(32, 1, 3, 3, 3, 10_000),
            Case(64, 128, 28, 56, 5, 600_000, ("ghost", "dense")), Case(64, 128, 56, 56, 3, 100_000, ("dense", "ghost", "separable")),
            Case(2, 3, 4, 4, 3, 10_000, ("ghost", "dense")), Case(2, 3, 4, 4, 3, 10_000, ("dense", "ghost"))],
    draw=_draw, draws=30,
    raises=[Case(64, 128, 56, 56, 3, 35_071, word="no block fits"), Case(64, 128, 56, 56, 3, 30_000, word="no block fits"),
            Case(8, 8, 6, 6, 3, 4 * 576 - 1, ("dense",), word="no block fits"),
            Case(3, 5, 9, 9, 1, 4 * 36 - 1, ("ghost",), word="no block fits"), Case(4, 4, 2, 2, 3, 0, word="no block fits")],
    misconceptions=[
        Misconception("params_as_bytes", _pick(fits=lambda w, budget: w <= budget),
                      "You compare a number of weights with a number of bytes. An FP32 weight takes 4 bytes: 8,768 weights are 35,072 bytes.",
                      "Weights are not bytes.", also=(_pick(fits=lambda w, budget: 2 * w <= budget), _pick(fits=lambda w, budget: w <= 4 * budget))),
        Misconception("strict_budget", _pick(fits=lambda w, budget: 4 * w < budget),
                      "A block that uses exactly the budget is allowed.", "Exactly full still fits."),
        Misconception("ghost_floor", _pick(half=lambda c: c // 2),
                      "For an odd c_out the Ghost module computes one map more and slices it off: p is the ceiling of c_out/2.", "Round p up."),
        Misconception("ghost_half", _pick(half=lambda c: c / 2),
                      "p is a number of channels, so it is whole: for an odd c_out round it up.", "Half a channel does not exist."),
        Misconception("first_that_fits", _pick(choose=lambda kinds, weights: kinds[0]),
                      "You return the first block that fits. Among those that fit, take the one with the fewest MACs.", "The first is not the best."),
        Misconception("most_macs", _pick(choose=lambda kinds, weights: max(kinds, key=lambda kind: weights[kind])),
                      "You return the most expensive block that fits. Asked is the one with the fewest MACs.", "That is the most expensive."),
        Misconception("ghost_rest_only", _pick(cheap=lambda p, k: 0),
                      "The other half of the maps is cheap, but not free: each has a 3x3 depthwise filter.", "The cheap half costs something.",
                      also=(_pick(cheap=lambda p, k: p), _pick(cheap=lambda p, k: 3 * p))),
        Misconception("ghost_kernel_k", _pick(cheap=lambda p, k: k * k * p),
                      "The cheap filters are 3x3 for any k. k belongs to the primary convolution.", "The cheap filter is always 3x3."),
        Misconception("ghost_primary_1x1", _pick(primary=lambda k: 1),
                      "The Ghost module's primary convolution is k x k here. You count it as 1x1.", "The primary one is k x k."),
        Misconception("separable_no_pointwise", _pick(mixed=False),
                      "The separable block is depthwise and pointwise. Without the 1x1 convolution there are no c_out channels.",
                      "The pointwise step is missing."),
        Misconception("tie_last", _pick(choose=_last_of_equals),
                      "Two blocks have equal MACs. The one that comes first in `kinds` wins.", "Ties go to the first.",
                      also=(_pick(choose=_alphabetical),)),
        Misconception("fixed_order", _pick(listed=lambda kinds: [kind for kind in KINDS if kind in kinds]),
                      "You go through the kinds in an order of your own. A tie goes to the first in the caller's `kinds`.", "Whose order counts?"),
        Misconception("all_kinds", _pick(listed=lambda kinds: list(KINDS)),
                      "You look at all three blocks. Only those in `kinds` may be chosen.", "`kinds` is ignored."),
        Misconception("budget_ignored", _pick(fits=lambda w, budget: True),
                      "You return a block even where the weights of none fit. Then raise the ValueError.", "The budget is ignored.", also=(_smallest_anyway,)),
        Misconception("returns_weights", _pick(area=lambda h, w: 1),
                      "Your number is that of the weights. MACs are weights times the h · w output pixels.", "These are the weights.",
                      also=(_pick(area=lambda h, w: h * h), _pick(area=lambda h, w: w * w))),
        Misconception("none_instead", _pick(refuse=False),
                      "Where nothing fits you return None. A caller would stumble over it later: raise the ValueError.", "Nothing fits: say so."),
    ],
    alternatives=[_sorted, _loop, _by_layers],
    hints=(
        "All three blocks write h x w maps, so MACs = weights · h · w: one table of weights is enough.",
        "`p = -(-c_out // 2)` is the ceiling. Ghost has k·k·c_in·p + 9·p weights.",
        "Make the list of kinds that fit, in the order of `kinds`. `min` with a key returns the first of equals.",
    ),
    worth_knowing="In a real choice there is a third column, the bytes of the maps. The separable block writes c_in + c_out maps, dense and ghost about c_out.",
)
