"""Layers timed on this machine's CPU, to hold against the roofline's predictions: all on one thread, in FP32."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from utils.cost.latency import time_interleaved
from utils.cost.roofline import Device, OpCost, OpTime, op_time_us
from utils.cost.roofline.host import measure_host
from utils.cost.roofline.op_costs import conv_op, elementwise_op, linear_op

Call = Callable[[], object]
SPLITS = ((128, 128), (64, 256), (32, 512), (16, 1024))  # c1 * c2 = 16,384: 51.4 million MACs at 56 x 56


@dataclass(frozen=True)
class MeasuredOp:
    """An operator, what the roofline predicts for it, and its shortest measured time in us."""

    op: OpCost
    predicted: OpTime
    measured_us: float

    @property
    def gflop_s(self) -> float:
        """Rate that was reached."""
        return self.op.flops / self.measured_us / 1e3


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread and without autograd, as before afterwards."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def host_device(seconds: float = 1.5) -> Device:
    """This machine's three numbers, on one thread."""
    with one_thread():
        return measure_host(seconds)


def layer_cases() -> list[tuple[OpCost, Call]]:
    """Twelve operators from compute-bound to launch-bound, each with a call that runs it."""
    import torch
    from torch.nn import functional as F

    gen = torch.Generator().manual_seed(0)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=gen)

    def conv(name: str, size: int, c_in: int, c_out: int, k: int, groups: int = 1) -> tuple[OpCost, Call]:
        x, w = rand(1, c_in, size, size), rand(c_out, c_in // groups, k, k)
        return (conv_op(size, size, c_in, c_out, k, groups=groups, name=name),
                lambda: F.conv2d(x, w, padding=k // 2, groups=groups))

    def linear(batch: int) -> tuple[OpCost, Call]:
        x, w = rand(batch, 2048), rand(2048, 2048)
        return linear_op(batch, 2048, 2048, name=f"linear 2048, batch {batch}"), lambda: F.linear(x, w)

    def add(n: int, name: str) -> tuple[OpCost, Call]:
        a, b, out = rand(n), rand(n), torch.empty(n)
        return elementwise_op(n, 2, name=name), lambda: torch.add(a, b, out=out)

    scores = rand(512, 4096)
    softmax = OpCost("softmax 512 × 4096", "softmax", 5 * scores.numel(), scores.nbytes, scores.nbytes)
    return [
        conv("3x3, 64 → 64, 56²", 56, 64, 64, 3), conv("3x3, 256 → 256, 14²", 14, 256, 256, 3),
        conv("1x1, 256 → 256, 28²", 28, 256, 256, 1), conv("1x1, 64 → 256, 56²", 56, 64, 256, 1),
        conv("depthwise 3x3, 256, 56²", 56, 256, 256, 3, 256), conv("depthwise 3x3, 64, 112²", 112, 64, 64, 3, 64),
        linear(1), linear(16), linear(128), (softmax, lambda: torch.softmax(scores, 1)),
        add(1 << 22, "add, 4 M values"), add(256, "add, 256 values"),
    ]


def _best_us(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Shortest time of each call in us, measured in turns."""
    with one_thread():
        return {name: 1e3 * float(ms.min()) for name, ms in time_interleaved(calls, rounds, warmup=2).items()}


def measure_layers(host: Device, rounds: int = 12,
                   cases: Sequence[tuple[OpCost, Call]] | None = None) -> list[MeasuredOp]:
    """Time operators in turns and predict them from `host`."""
    cases = layer_cases() if cases is None else cases
    best = _best_us({op.name: call for op, call in cases}, rounds)
    return [MeasuredOp(op, op_time_us(op, host, "fp32"), best[op.name]) for op, _ in cases]


def fragment_times(width: int = 256, pieces: int = 8, rounds: int = 300) -> tuple[float, float]:
    """(us of one linear layer, us of `pieces` small ones that together do the same work), batch 1."""
    import torch
    from torch.nn import functional as F

    x, w = torch.rand(1, width), torch.rand(width, width)
    parts = [part.contiguous() for part in w.chunk(pieces)]
    best = _best_us({"one": lambda: F.linear(x, w),
                     "many": lambda: torch.cat([F.linear(x, p) for p in parts], 1)}, rounds)
    return best["one"], best["many"]


def batch_times(batches: Sequence[int] = (1, 4, 16, 64, 128), width: int = 1024, layers: int = 4,
                rounds: int = 10) -> dict[int, float]:
    """Microseconds per sample of a chain of linear layers, by batch."""
    import torch

    weights = [torch.rand(width, width) / width for _ in range(layers)]

    def run(x: torch.Tensor) -> torch.Tensor:
        for w in weights:
            x = torch.relu(x @ w)
        return x

    inputs = {b: torch.rand(b, width) for b in batches}
    best = _best_us({str(b): lambda x=x: run(x) for b, x in inputs.items()}, rounds)
    return {b: best[str(b)] / b for b in batches}


def split_times(size: int = 56, splits: Sequence[tuple[int, int]] = SPLITS,
                rounds: int = 12) -> dict[tuple[int, int], float]:
    """Microseconds of 1x1 convolutions with equal MACs and different channel splits."""
    import torch
    from torch.nn import functional as F

    calls = {}
    for c1, c2 in splits:
        x, w = torch.rand(1, c1, size, size), torch.rand(c2, c1, 1, 1)
        calls[f"{c1}x{c2}"] = lambda x=x, w=w: F.conv2d(x, w)
    best = _best_us(calls, rounds)
    return {(c1, c2): best[f"{c1}x{c2}"] for c1, c2 in splits}


def layout_times(size: int = 56, channels: int = 64, rounds: int = 12) -> dict[str, float]:
    """Microseconds of one 3x3 convolution with its tensors in NCHW and in NHWC (torch's channels_last)."""
    import torch
    from torch.nn import functional as F

    calls = {}
    for name, layout in (("NCHW", torch.contiguous_format), ("NHWC", torch.channels_last)):
        x = torch.rand(1, channels, size, size).contiguous(memory_format=layout)
        w = torch.rand(channels, channels, 3, 3).contiguous(memory_format=layout)
        calls[name] = lambda x=x, w=w: F.conv2d(x, w, padding=1)
    return _best_us(calls, rounds)
