"""Exercise 10.build_inverted_residual: MobileNetV2's block."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from utils.networks import blocks

from ...compare import close, prop
from ...exercise import Case, Exercise, Misconception

SKIPS: dict[str, Callable[[int, int, int], bool]] = {
    "both": lambda c_in, c_out, stride: stride == 1 and c_in == c_out, "stride": lambda c_in, c_out, stride: stride == 1,
    "channels": lambda c_in, c_out, stride: c_in == c_out, "never": lambda c_in, c_out, stride: False,
}


class _Block(nn.Module):
    """The block with one thing to change; with its defaults it is right."""

    def __init__(self, c_in: int, c_out: int, stride: int, expand_ratio: int, *, act: type[nn.Module] = nn.ReLU6,
                 last: type[nn.Module] | None = None, after: type[nn.Module] | None = None, skip: str = "both", grouped: bool = True,
                 always: bool = False, stride_first: bool = False, from_outputs: bool = False, bias: bool = False, norm: bool = True,
                 padding: int = 1, k: int = 3, never: bool = False, norm_last: bool = True, depthwise_act: bool = True) -> None:
        super().__init__()
        wide = (c_out if from_outputs else c_in) * expand_ratio
        first, second = (stride, 1) if stride_first else (1, stride)
        layers: list[nn.Module] = []
        if (expand_ratio != 1 or always) and not never:
            layers += [nn.Conv2d(c_in, wide, 1, first, bias=bias), *self._norm(wide, norm), act()]
        else:
            wide, second = c_in, stride
        layers += [nn.Conv2d(wide, wide, k, second, padding, groups=wide if grouped else 1, bias=bias), *self._norm(wide, norm)]
        layers += [act()] if depthwise_act else []
        layers += [nn.Conv2d(wide, c_out, 1, bias=bias), *self._norm(c_out, norm and norm_last), *([last()] if last else [])]
        self.layers, self.after, self.skip = nn.Sequential(*layers), after, SKIPS[skip](c_in, c_out, stride)

    @staticmethod
    def _norm(channels: int, norm: bool) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels)] if norm else []

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.layers(x) if self.skip else self.layers(x)
        return self.after()(y) if self.after else y


def _with(**change: object) -> Callable[[int, int, int, int], nn.Module]:
    return lambda c_in, c_out, stride, expand_ratio: _Block(c_in, c_out, stride, expand_ratio, **change)


class _Projected(nn.Module):
    """ResNet's habit: a 1x1 convolution on the shortcut where shapes differ."""

    def __init__(self, c_in: int, c_out: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        self.body = _Block(c_in, c_out, stride, expand_ratio, skip="never")
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


# --- right answers ------------------------------------------------------------------------------


class _Plain(nn.Module):
    """Layer by layer, with functional activations."""

    def __init__(self, c_in: int, c_out: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        wide = c_in * expand_ratio
        self.expand = nn.Conv2d(c_in, wide, 1, bias=False) if expand_ratio > 1 else None
        self.norm1 = nn.BatchNorm2d(wide) if expand_ratio > 1 else None
        self.depthwise = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.norm2, self.norm3 = nn.BatchNorm2d(wide), nn.BatchNorm2d(c_out)
        self.project = nn.Conv2d(wide, c_out, (1, 1), bias=False)
        self.add = (stride, c_in) == (1, c_out)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expand is not None:
            y = self.norm1(self.expand(y)).clamp(0, 6)
        y = nn.functional.relu6(self.norm2(self.depthwise(y)))
        y = self.norm3(self.project(y))
        return y + x if self.add else y


class _AddInput(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.body(x), x)


def _sequential(c_in: int, c_out: int, stride: int, expand_ratio: int) -> nn.Module:
    """A plain nn.Sequential, wrapped only where the input is added."""
    def conv(i: int, o: int, k: int, **options: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, k, padding="same" if options.get("stride", 1) == 1 else k // 2, bias=False, **options), nn.BatchNorm2d(o)]

    wide = round(c_in * expand_ratio)
    body = [] if expand_ratio == 1 else [*conv(c_in, wide, 1), nn.Hardtanh(0, 6)]
    body += [*conv(wide, wide, 3, stride=stride, groups=wide), nn.Hardtanh(0, 6), *conv(wide, c_out, 1)]
    layers = nn.Sequential(*body)
    return _AddInput(layers) if stride == 1 and c_in == c_out else layers


# --- the comparison -----------------------------------------------------------------------------


def _judge(case: Case, expected: dict, got: dict) -> str | None:
    if type(got.get("parameters")) is not int:
        return "the parameters could not be counted"
    if got["parameters"] != expected["parameters"]:
        return f"{got['parameters']:,} parameters, expected {expected['parameters']:,}"
    for key in ("output", "bare"):
        if not isinstance(got[key], np.ndarray):
            return "the output is no tensor"
        if got[key].shape != expected[key].shape:
            return f"output of shape {got[key].shape}, expected {expected[key].shape}"
        if got[key].dtype != np.float32:
            return f"output of dtype {got[key].dtype}, expected float32"
    if not np.array_equal(got["bare"], expected["bare"]):
        added = bool(expected["bare"].any())
        return "with all weights at 0 the output must be " + ("the input" if added else "0: nothing is added here")
    # float32 sums of at most 144 products of size 10: errors below 1e-4
    if not np.allclose(got["output"], expected["output"], rtol=1e-4, atol=2e-4, equal_nan=False):
        return f"right shape and size, other values: {_first(got['output'])}, expected {_first(expected['output'])}"
    return None


def _first(array: np.ndarray) -> str:
    return ", ".join(f"{v:.3f}" for v in array.ravel()[:3]) + ", …"


def _show(value: object) -> str:
    if isinstance(value, dict) and "parameters" in value and isinstance(value.get("output"), np.ndarray):
        return f"{value['parameters']:,} parameters, output {value['output'].shape}"
    raise ValueError("shown as it is")


def _case(c_in: int, c_out: int, stride: int, expand_ratio: int, size: tuple[int, int] = (7, 7), seed: int = 0) -> Case:
    return Case(label=f"({c_in}, {c_out}, {stride}, {expand_ratio}), image of {size[0]} x {size[1]}", c_in=c_in, c_out=c_out, stride=stride,
                expand_ratio=expand_ratio, size=list(size), seed=seed)


def _draw(rng: np.random.Generator) -> Case:
    c_in = int(rng.integers(2, 20))
    c_out = c_in if rng.random() < 0.5 else int(rng.integers(2, 20))
    size = tuple(int(v) for v in rng.integers(4, 10, 2))
    return _case(c_in, c_out, int(rng.choice([1, 1, 2])), int(rng.choice([1, 2, 3, 4, 6])), size, int(rng.integers(0, 1000)))


def _both(**change: object) -> dict:
    """The mistake alone, and together with a 1x1 convolution at ratio 1, which often comes with it."""
    return {"answer": _with(**change), "also": (_with(**change, always=True),)}


build_inverted_residual = Exercise(
    id="10.build_inverted_residual", points=5, difficulty=3, minutes=20, idea="narrow, wide, narrow, and linear at the end",
    reference=blocks.build_inverted_residual, probe="ch10_classic_lightweight_networks.block",
    cases=[_case(24, 24, 1, 6), _case(32, 16, 1, 1), _case(24, 32, 2, 6)],
    hidden=[_case(16, 16, 1, 1), _case(8, 8, 2, 3, (8, 8)), _case(6, 12, 1, 4, (5, 9)), _case(5, 5, 1, 2), _case(8, 24, 1, 1),
            _case(10, 10, 2, 1, (9, 6)), _case(12, 12, 1, 6, (4, 4)), _case(3, 3, 1, 3)],
    draw=_draw, draws=12, compare=prop(_judge, same=close(1e-4, 2e-4, dtype="any")), show=_show, time_limit_s=20,
    misconceptions=[
        Misconception("relu_after_projection", message="The bottleneck is linear. Your block clips what the projection gives: negative outputs become 0. "
                      "In few channels a ReLU destroys what it cuts.", title="The projection is linear.",
                      **{**_both(last=nn.ReLU6), "also": (_with(last=nn.ReLU), _with(last=nn.ReLU6, always=True))}),
        Misconception("relu_after_sum", message="You clip after the addition, as ResNet does. Here nothing follows the sum.", title="Nothing follows the sum.",
                      answer=_with(after=nn.ReLU6), also=(_with(after=nn.ReLU),)),
        Misconception("skip_by_stride", message="Input and output have other channel counts there, so the tensors can't be added: also require "
                      "c_in == c_out.", title="Stride 1 alone is not enough.", **_both(skip="stride")),
        Misconception("skip_by_channels", message="At stride 2 the output is smaller than the input, so they can't be added: also require stride == 1.",
                      title="Equal channels alone are not enough.", **_both(skip="channels")),
        Misconception("no_skip", message="The layers are right, but the input is never added. Where shapes agree it is.", title="The skip is missing.",
                      **_both(skip="never")),
        Misconception("projected_skip", message="You send the input through a convolution where shapes differ, as ResNet does. This block has no shortcut "
                      "there.", title="No projection on the shortcut.", answer=_Projected),
        Misconception("dense_3x3", message="Far too many parameters: the 3x3 must have as many groups as channels, one filter a channel.",
                      title="The 3x3 is not depthwise.", **_both(grouped=False)),
        Misconception("expansion_at_one", message="At ratio 1 there is no expansion: neither the 1x1 convolution nor its norm. With it the published count, "
                      "3,504,872 for the whole network, can't be reached.", title="Nothing to expand at ratio 1.", answer=_with(always=True)),
        Misconception("no_expansion", message="The 1x1 convolution that widens to c_in · expand_ratio channels is missing.", title="The expansion is missing.",
                      answer=_with(never=True)),
        Misconception("relu_not_six", message="ReLU cuts below 0 only. The text asks for ReLU6, which cuts above 6 too.", title="ReLU is not ReLU6.",
                      **_both(act=nn.ReLU)),
        Misconception("stride_in_expansion", message="The stride belongs to the depthwise convolution. In the 1x1 it drops pixels that nobody has looked at.",
                      title="The stride is in the wrong layer.", **_both(stride_first=True)),
        Misconception("wide_from_outputs", message="The wide part has c_in · expand_ratio channels. You multiply c_out.", title="Which channels are expanded?",
                      answer=_with(from_outputs=True)),
        Misconception("conv_bias", message="Your convolutions have biases. The norm after each would take them away again: bias=False.",
                      title="No bias before a norm.", **_both(bias=True)),
        Misconception("no_norm", message="Each convolution is followed by a batch norm, before the activation.", title="The norms are missing.",
                      answer=_with(norm=False), also=(_with(norm=False, bias=True), _with(norm=False, always=True))),
        Misconception("no_last_norm", message="The projection has no activation, but it does have a norm.", title="The last norm is missing.",
                      **_both(norm_last=False)),
        Misconception("no_depthwise_act", message="Only the projection is linear. After the depthwise convolution and its norm comes ReLU6.",
                      title="An activation is missing.", **_both(depthwise_act=False)),
        Misconception("no_padding", message="Without padding a 3x3 convolution loses a border of one pixel on each side.", title="The padding is missing.",
                      **_both(padding=0)),
    ],
    alternatives=[_Plain, _sequential, _with()],
    hints=(
        "Make a list of layers, append what is there, and wrap it: `nn.Sequential(*layers)`. At ratio 1 the first three are left out.",
        "Depthwise: `nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False)` with wide = c_in · expand_ratio.",
        "A class of your own, derived from nn.Module, keeps the layers and a flag; its `forward` adds `x` where the flag is True.",
    ),
    worth_knowing="Seventeen of these, a stem, a last 1x1 and a classifier are MobileNetV2: 3,504,872 parameters.",
)
