"""Exercise 54.fake_quant_ste: rounding that lets a gradient through."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from utils.compression import quant_methods

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception


def _function(*, rounding: str = "even", mask: str = "rounded", clamp: bool = True, rescale: bool = True,
              gradients: int = 4, upstream: bool = True, gain: str = "", cast: bool = False) -> type:
    """An autograd function with one mistake; with its defaults it is right (an independent formulation)."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, scale: float, qmin: int, qmax: int) -> torch.Tensor:
            v = x / scale
            q = {"even": v.round, "up": lambda: (v + 0.5).floor(), "floor": v.floor, "trunc": v.trunc}[rounding]()
            ctx.mask = {"rounded": (qmin <= q) & (q <= qmax), "exact": (qmin <= v) & (v <= qmax),
                        "open": (qmin < q) & (q < qmax), "unit": x.abs() < 1, "all": torch.ones_like(x, dtype=torch.bool),
                        "upper": q <= qmax, "range": (qmin <= x) & (x <= qmax),
                        "clamped": (q.clamp(qmin, qmax) >= qmin) & (q.clamp(qmin, qmax) <= qmax),
                        "none": torch.zeros_like(x, dtype=torch.bool)}[mask]
            ctx.scale = scale
            q = q.clamp(qmin, qmax) if clamp else q
            y = q * scale if rescale else q
            return y.float() if cast else y

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> Any:
            passed = grad * ctx.mask if upstream else ctx.mask.to(grad.dtype)
            passed = {"": passed, "scale": passed * ctx.scale, "inverse": passed / ctx.scale}[gain]
            return passed if gradients == 1 else (passed, *[None] * (gradients - 1))

    return Wrong


class _Detached:
    """Not an autograd function at all: the forward pass is added as a constant."""

    @staticmethod
    def apply(x: torch.Tensor, scale: float, qmin: int, qmax: int) -> torch.Tensor:
        q = torch.round(x.detach() / scale)
        inside = (q >= qmin) & (q <= qmax)
        y = torch.clamp(q, qmin, qmax) * scale
        passing = torch.where(inside, x, x.detach())
        return y + (passing - passing.detach())


class _SetupContext(torch.autograd.Function):
    """The newer form, with the context in a function of its own."""

    @staticmethod
    def forward(x: torch.Tensor, scale: float, qmin: int, qmax: int) -> torch.Tensor:
        return torch.minimum(torch.maximum((x / scale).round(), x.new_tensor(qmin)), x.new_tensor(qmax)).mul(scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:
        x, ctx.scale, ctx.qmin, ctx.qmax = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple:
        (x,) = ctx.saved_tensors
        q = torch.round(x / ctx.scale)
        return torch.where((q < ctx.qmin) | (q > ctx.qmax), torch.zeros_like(grad), grad), None, None, None


class _PlainRound:
    """What one writes first: ordinary operations, which autograd differentiates."""

    @staticmethod
    def apply(x: torch.Tensor, scale: float, qmin: int, qmax: int) -> torch.Tensor:
        return torch.clamp(torch.round(x / scale), qmin, qmax) * scale


def _in_place() -> type:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, scale: float, qmin: int, qmax: int) -> torch.Tensor:
            q = torch.round(x / scale)
            ctx.mask = (q >= qmin) & (q <= qmax)
            x.copy_(q.clamp(qmin, qmax) * scale)
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> tuple:
            return grad * ctx.mask, None, None, None

    return Wrong


def _case(label: str, x: Any, scale: float, qmin: int, qmax: int, **more: Any) -> Case:
    return Case(label=label, x=np.asarray(x, dtype=np.float64), scale=scale, qmin=qmin, qmax=qmax, **more)


def _draw(rng: np.random.Generator) -> Case:
    shape = tuple(int(n) for n in rng.integers(1, 5, int(rng.integers(1, 4))))
    scale = float(rng.choice([0.25, 0.5, 1.0, 2.0]))
    qmin, qmax = -int(rng.integers(1, 9)), int(rng.integers(1, 9))
    # Quarter steps are exact in binary and bring ties, ends and values beyond the ends.
    x = rng.integers(4 * qmin - 8, 4 * qmax + 9, shape) * scale / 4
    dtype = str(rng.choice(["float32", "float64"]))
    upstream = rng.integers(-4, 5, shape) / 2
    return _case(f"{dtype} of shape {shape}, scale {scale:g}, q in [{qmin}, {qmax}]", x, scale, qmin, qmax, dtype=dtype,
                 upstream=upstream)


def _show(value: Any) -> str:
    if not isinstance(value, dict) or "gradient" not in value:
        return brief(value)
    return brief(f"{np.asarray(value['output']).ravel().tolist()}, gradient "
                 f"{None if value['gradient'] is None else np.asarray(value['gradient']).ravel().tolist()}", 110).strip("'\"")


_EXAMPLE = [-2.0, -0.24, 0.26, 0.9, 3.0]

fake_quant_ste = Exercise(
    id="54.fake_quant_ste", points=4, difficulty=2, minutes=18, idea="a gradient for a function that has none",
    names=("FakeQuant",), reference=quant_methods.FakeQuant, probe="ch54_quantization_methods.fake_quant", show=_show,
    cases=[
        _case("x = [−2, −0.24, 0.26, 0.9, 3], scale 0.5, q in [−2, 3]", _EXAMPLE, 0.5, -2, 3),
        _case("the same with the upstream gradient [1, 2, 3, 4, 5]", _EXAMPLE, 0.5, -2, 3, upstream=[1.0, 2, 3, 4, 5]),
        _case("ties: x = [0.25, 0.75, −0.25, 1.25], scale 0.5, q in [−4, 4]", [0.25, 0.75, -0.25, 1.25], 0.5, -4, 4),
        _case("just beyond the ends: x = [1.7, 1.8, −1.1, −1.3], scale 0.5, q in [−2, 3]", [1.7, 1.8, -1.1, -1.3], 0.5, -2, 3),
    ],
    hidden=[
        _case("a 2 × 3 float64 matrix", [[0.1, -4.0, 2.0], [7.0, -0.6, 0.0]], 0.5, -3, 3, dtype="float64"),
        _case("a bfloat16 vector", [0.5, -0.75, 3.0, 100.0], 0.25, -8, 7, dtype="bfloat16"),
        _case("a transposed matrix", [[0.1, -4.0, 2.0], [7.0, -0.6, 0.0]], 0.5, -3, 3, transpose=True),
        _case("a negative upstream gradient", [0.5, 9.0, -9.0], 1.0, -2, 2, upstream=[-2.0, -3.0, -4.0]),
        _case("an empty tensor", np.zeros((0, 4)), 1.0, -2, 2),
    ],
    draw=_draw, draws=30, compare=close(1e-6, 1e-7), time_limit_s=20,
    misconceptions=[
        Misconception("passes_everything", _function(mask="all"),
                      "You return the upstream gradient unchanged. Outside the clip range the output is constant: nothing "
                      "that the weight does changes it, so its gradient there is 0.", "The gradient passes everywhere.",
                      also=(_function(mask="clamped"),)),
        Misconception("plain_round", _PlainRound,
                      "Rounding has zero gradient almost everywhere: nothing trains. The backward pass has to be written "
                      "by hand, as if the rounding were not there.", "The gradient is zero.", also=(_function(mask="none"),)),
        Misconception("unit_mask", _function(mask="unit"),
                      "The range is [scale·qmin, scale·qmax], not [−1, 1]. What lies in it can be told from the integer.",
                      "The mask compares x with 1."),
        Misconception("range_mask", _function(mask="range"),
                      "You compared x with qmin and qmax. These bound the integers, x is scale times larger.",
                      "x is not the integer."),
        Misconception("unrounded_mask", _function(mask="exact"),
                      "You compared x/scale before it is rounded. 1.7/0.5 = 3.4 rounds to 3, which is still inside [−2, 3], "
                      "so its gradient passes. Compare the rounded integer.", "The mask is half a step too narrow."),
        Misconception("open_ends", _function(mask="open"),
                      "The ends qmin and qmax belong to the range: an integer there was not clipped.",
                      "The ends are left out."),
        Misconception("one_end", _function(mask="upper"),
                      "The gradient is stopped above the range only. Below qmin the output is just as constant.",
                      "Only one end clips."),
        Misconception("one_gradient", _function(gradients=1),
                      "backward must return one entry for each argument of forward: x, scale, qmin and qmax. Those "
                      "without a gradient get None.", "Too few gradients."),
        Misconception("ignores_upstream", _function(upstream=False),
                      "You return 1 and 0. The gradient that arrives from above has to be multiplied in: that is the chain rule.",
                      "The upstream gradient is lost."),
        Misconception("scaled_gradient", _function(gain="scale"),
                      "The output is scale · round(x/scale): the two scales cancel. Straight-through means a slope of 1.",
                      "The scale is in the gradient.", also=(_function(gain="inverse"),)),
        Misconception("half_up", _function(rounding="up"),
                      "You round halves up. torch.round, ONNX and this task round them to the even neighbour: 0.5 → 0, 1.5 → 2.",
                      "Ties go the wrong way."),
        Misconception("truncates", _function(rounding="floor"),
                      "You cut the fraction off. Quantization rounds to the nearest integer.", "You are truncating.",
                      also=(_function(rounding="trunc"),)),
        Misconception("no_clamp", _function(clamp=False),
                      "The integers leave [qmin, qmax]. A 3-bit weight cannot hold 6.", "Nothing is clamped."),
        Misconception("integers", _function(rescale=False),
                      "You return the integers. Fake quantization returns them times the scale: real numbers on the grid.",
                      "The scale is missing."),
        Misconception("float32", _function(cast=True),
                      "The values are right. The output has to keep the type of x.", "The type changed."),
        Misconception("in_place", _in_place(),
                      "The result is right, but x was overwritten. The float weights behind the grid must survive: the "
                      "optimiser changes them by less than a step.", "x was changed."),
    ],
    alternatives=[_function(), _Detached, _SetupContext],
    hints=(
        "Keep the mask in forward: `ctx.save_for_backward((q >= qmin) & (q <= qmax))` with q = round(x / scale).",
        "forward returns `q.clamp(qmin, qmax) * scale`.",
        "backward returns `grad * mask, None, None, None`.",
    ),
    worth_knowing="torch.fake_quantize_per_tensor_affine does the same, with a zero point.",
)
