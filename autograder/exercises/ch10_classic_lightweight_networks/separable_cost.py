"""Exercise 10.separable_cost: what depthwise plus pointwise costs beside a dense convolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import classic

from ...compare import close, exact, prop
from ...exercise import Case, Exercise, Misconception

Rule = Callable[[int, int, int], int]  # weights from (c_in, c_out, k)


def _check(*values: int) -> None:
    if any(v < 1 for v in values):
        raise ValueError("every value must be at least 1")


def _no_check(*values: int) -> None:
    pass


def _check_channels(c_in: int, c_out: int, *rest: int) -> None:
    _check(c_in, c_out)


def _check_zero(*values: int) -> None:
    if not all(values):
        raise ValueError("no value may be 0")


def _share(dense: int, separable: int) -> float:
    return separable / dense if dense else 0.0


def _cost(separable: Rule = lambda i, o, k: k * k * i + i * o, dense: Rule = lambda i, o, k: k * k * i * o,
          ratio: Callable[[int, int], float] = _share, area: Callable[[int, int], int] = lambda h, w: h * w,
          check: Callable = _check) -> Callable:
    """An answer in its parts; with its defaults it is right."""

    def answer(c_in: int, c_out: int, k: int, h_out: int, w_out: int) -> tuple[int, int, float]:
        check(c_in, c_out, k, h_out, w_out)
        pixels = area(h_out, w_out)
        a, b = dense(c_in, c_out, k) * pixels, separable(c_in, c_out, k) * pixels
        return a, b, ratio(a, b)

    return answer


def _mistake(tag: str, message: str, title: str, *parts: dict) -> Misconception:
    """A wrong count, with and without the refusal of bad input."""
    answers = [_cost(**{**part, "check": check}) for part in parts for check in (_check, _no_check)]
    return Misconception(tag, answers[0], message, title, also=answers[1:])


# --- right answers ------------------------------------------------------------------------------


def _by_layers(c_in: int, c_out: int, k: int, h_out: int, w_out: int) -> tuple[int, int, float]:
    """Each weight of a real layer is used once for each output pixel."""
    import torch
    from torch import nn

    _check(c_in, c_out, k, h_out, w_out)
    with torch.device("meta"):
        dense = nn.Conv2d(c_in, c_out, k, bias=False)
        pair = [nn.Conv2d(c_in, c_in, k, groups=c_in, bias=False), nn.Conv2d(c_in, c_out, 1, bias=False)]
    a = dense.weight.numel() * h_out * w_out
    b = sum(layer.weight.numel() for layer in pair) * h_out * w_out
    return a, b, b / a


def _by_ratio(c_in: int, c_out: int, k: int, h_out: int, w_out: int) -> tuple[int, int, float]:
    if min(c_in, c_out, k, h_out, w_out) <= 0:
        raise ValueError("positive values only")
    dense, ratio = h_out * w_out * c_in * c_out * k**2, 1 / c_out + 1 / k**2
    return dense, round(dense * ratio), ratio


def _by_shapes(c_in: int, c_out: int, k: int, h_out: int, w_out: int) -> tuple[int, int, float]:
    _check(c_in, c_out, k, h_out, w_out)
    count = lambda *shape: int(np.prod(shape, dtype=np.int64))
    dense = count(h_out, w_out, c_out, c_in, k, k)
    parts = [count(h_out, w_out, c_in, k, k), count(h_out, w_out, c_out, c_in)]
    return dense, sum(parts), sum(parts) / dense


# --- the comparison -----------------------------------------------------------------------------


def _judge(case: Case, expected: tuple, got: object) -> str | None:
    """Counts exactly, the ratio to 1e-9."""
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        return "not a tuple of three numbers"
    if any(type(v) not in (int, float) for v in got):
        return "an item is no number"
    for name, want, have in zip(("dense MACs", "separable MACs"), expected, got):
        wrong = exact()(want, have)
        if wrong:
            return f"{name}: {wrong}"
    wrong = close(rtol=1e-9)(expected[2], got[2])
    return f"ratio: {wrong}" if wrong else None


def _draw(rng: np.random.Generator) -> Case:
    c_in, c_out = (int(v) for v in rng.integers(1, 300, 2))
    h, w = (int(v) for v in rng.integers(1, 60, 2))
    return Case(c_in, c_out, int(rng.choice([1, 2, 3, 5, 7])), h, w)


separable_cost = Exercise(
    id="10.separable_cost", points=3, difficulty=1, minutes=8, idea="split a convolution into space and channels",
    reference=classic.separable_cost,
    cases=[Case(64, 128, 3, 56, 56), Case(32, 16, 1, 7, 7)],
    hidden=[Case(64, 128, 3, 28, 14), Case(3, 8, 5, 10, 20), Case(1, 1, 1, 1, 1), Case(1, 64, 3, 9, 9), Case(512, 512, 7, 14, 14)],
    draw=_draw, compare=prop(_judge, same=close(1e-9, dtype="any")),
    raises=[Case(0, 4, 3, 7, 7), Case(4, 0, 3, 7, 7), Case(4, 4, 0, 7, 7), Case(4, 4, 3, 0, 7), Case(4, 4, 3, 7, 0), Case(-4, 4, 3, 7, 7),
            Case(4, 4, 3, -7, 7), Case(-4, -4, 3, 7, 7)],
    misconceptions=[
        _mistake("depthwise_all_channels", "A depthwise filter sees one channel: k²·C_in weights in all, not k²·C_in·C_out.",
                 "Depthwise means one channel a filter.", {"separable": lambda i, o, k: k * k * i * o + i * o},
                 {"separable": lambda i, o, k: k * k * i * i + i * o}),
        _mistake("depthwise_outputs", "The depthwise step comes first and keeps the channels: it has C_in filters, not C_out.",
                 "The depthwise step keeps the channels.", {"separable": lambda i, o, k: k * k * o + i * o}),
        _mistake("speedup", "You returned dense / separable, the speed-up (about 8.4 for the first example). Asked is separable / dense (about "
                 "0.119).", "The ratio is upside down.", {"ratio": lambda a, b: a / b if b else 0.0}),
        _mistake("no_pointwise", "After the depthwise step channels never mix: add the 1x1 convolution, C_in·C_out MACs a pixel.",
                 "The pointwise step is missing.", {"separable": lambda i, o, k: k * k * i}),
        _mistake("no_depthwise", "You count the 1x1 convolution only. Before it every channel is filtered in space.",
                 "The depthwise step is missing.", {"separable": lambda i, o, k: i * o}),
        _mistake("whole_ratio", "Your ratio is a whole number. The counts are whole, the ratio is not: use true division.",
                 "The ratio was rounded.", {"ratio": lambda a, b: b // a if a else 0}, {"ratio": lambda a, b: round(b / a) if a else 0}),
        _mistake("linear_kernel", "A k x k filter has k² weights. You use k.", "A kernel has two sides.",
                 {"separable": lambda i, o, k: k * i + i * o, "dense": lambda i, o, k: k * i * o},
                 {"separable": lambda i, o, k: k * i + i * o}, {"dense": lambda i, o, k: k * i * o}),
        _mistake("no_pixels", "You count weights. Each weight is used once for each of the h_out · w_out output pixels.",
                 "These are the weights.", {"area": lambda h, w: 1}),
        _mistake("square_maps", "You use one side of the map for both. It may be higher than wide.", "The map need not be square.",
                 {"area": lambda h, w: h * h}, {"area": lambda h, w: w * w}),
        _mistake("flops", "These are FLOPs, two for each multiply-accumulate. Asked are MACs. (The ratio is the same.)",
                 "MACs, not FLOPs.", {"area": lambda h, w: 2 * h * w}),
        _mistake("with_bias", "You add a bias to each output value. The task has none, and a bias is no multiply-accumulate.",
                 "There is no bias.", {"separable": lambda i, o, k: (k * k + 1) * i + (i + 1) * o,
                                       "dense": lambda i, o, k: (k * k * i + 1) * o}),
        Misconception("bad_input", _cost(check=_no_check),
                      "A value below 1 describes no layer, but your formula gives numbers for it. Refuse all five arguments.",
                      "Bad input gets through.", also=(_cost(check=_check_channels), _cost(check=_check_zero))),
    ],
    alternatives=[_by_layers, _by_ratio, _by_shapes],
    hints=(
        "MACs of a convolution: the weights of one filter, times the filters, times the output pixels.",
        "The dense layer has C_out filters of k·k·C_in weights. The depthwise layer has C_in filters of k·k weights, the pointwise one "
        "C_out filters of C_in weights.",
        "Write the area once: `area = h_out * w_out`. Then three products, one sum and one division.",
    ),
    worth_knowing="The ratio is 1/C_out + 1/k² for any map. With k = 3 and many channels it comes close to 1/9; with k = 1 it is above 1.",
)
