"""Light networks timed on this machine's CPU: one thread, one image, in torch and in ONNX Runtime, in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.cost.latency import time_interleaved
from utils.cost.roofline.experiment import one_thread
from utils.networks.classic.profile import build_light, count_macs

TIMED = ("SqueezeNet 1.1", "MobileNetV1", "MobileNetV2", "ShuffleNetV2", "GhostNet")


@dataclass(frozen=True)
class TimedNet:
    """A network: MACs of one image, its shortest times in ms, and the number of nodes in its ONNX graph."""

    name: str
    macs: int
    torch_ms: float
    onnx_ms: float
    nodes: int

    @property
    def torch_gmac_s(self) -> float:
        """Billion multiply-accumulates a second in torch."""
        return self.macs / self.torch_ms / 1e6

    @property
    def onnx_gmac_s(self) -> float:
        """Billion multiply-accumulates a second in ONNX Runtime."""
        return self.macs / self.onnx_ms / 1e6


def time_light(names: Sequence[str] = TIMED, resolution: int = 160, rounds: int = 10) -> list[TimedNet]:
    """Forward passes of one random image: `rounds` rounds in turns after 3 warm-ups, the minimum of each kept.

    Both engines use one thread. ONNX Runtime applies all its graph optimisations.
    """
    import torch

    from utils.graphs.onnx_tools import export_torch, make_session

    x = torch.rand(1, 3, resolution, resolution, generator=torch.Generator().manual_seed(0))
    feeds = {"input": x.numpy()}
    calls: dict[str, Callable[[], object]] = {}
    macs, nodes = {}, {}
    with one_thread():
        for name in names:
            net = build_light(name).eval()
            model = export_torch(net, x)
            session = make_session(model, optimize=True)
            macs[name], nodes[name] = count_macs(net, tuple(x.shape)), len(model.graph.node)
            calls[f"torch {name}"] = lambda net=net: net(x)
            calls[f"onnx {name}"] = lambda session=session: session.run(None, feeds)
        ms = {name: float(times.min()) for name, times in time_interleaved(calls, rounds, warmup=3).items()}
    return [TimedNet(name, macs[name], ms[f"torch {name}"], ms[f"onnx {name}"], nodes[name]) for name in names]


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's correlation: Pearson's on ranks, from -1 to 1. Values must be without ties.

    >>> rank_correlation([1, 2, 30], [5, 6, 7])
    1.0
    """
    first, second = (np.argsort(np.argsort(v)).astype(float) for v in (a, b))
    return float(np.corrcoef(first, second)[0, 1].round(12))


def time_on_gpu(names: Sequence[str] = TIMED, batches: Sequence[int] = (1, 64), resolution: int = 160,
                rounds: int = 10) -> Mapping[str, dict[int, float]] | None:
    """Shortest time of a forward pass in ms by network and batch on an NVIDIA GPU; None where there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    calls: dict[str, Callable[[], object]] = {}
    with torch.inference_mode():
        for batch in batches:
            x = torch.rand(batch, 3, resolution, resolution, device="cuda")
            for name in names:
                net = build_light(name).eval().cuda()
                calls[f"{name} {batch}"] = lambda net=net, x=x: net(x)
        times = time_interleaved(calls, rounds, warmup=3, sync=torch.cuda.synchronize)
    return {name: {batch: float(times[f"{name} {batch}"].min()) for batch in batches} for name in names}
