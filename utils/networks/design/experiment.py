"""Convolutions and networks timed on this machine's CPU: one thread, in turns, each variant's shortest time kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from utils.cost.latency import time_interleaved
from utils.cost.roofline.experiment import one_thread
from utils.networks.design.access import access_elements, output_macs

G1_PAIRS = ((128, 128), (90, 180), (52, 312), (36, 432))  # Ma et al., table 1
NETWORKS = ("ResNet-18", "MobileNetV1", "SqueezeNet 1.1", "MobileNetV2")


@dataclass(frozen=True)
class TimedLayer:
    """A layer or a network: MACs, elements moved (0 where they were not counted), and its shortest time in ms."""

    name: str
    macs: int
    access: int
    ms: float

    @property
    def gflop_s(self) -> float:
        """Rate that was reached, at two operations a multiply–accumulate."""
        return 2 * self.macs / self.ms / 1e6


def shortest_ms(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Shortest time of each call in ms on one thread, measured in turns."""
    with one_thread():
        return {name: float(ms.min()) for name, ms in time_interleaved(calls, rounds, warmup=2).items()}


def time_ratios(size: int = 56, rounds: int = 25) -> list[TimedLayer]:
    """Pairs of 1x1 convolutions, c1 -> c2 and back, with about equal MACs and four ratios of channels."""
    import torch
    from torch.nn.functional import conv2d

    gen, calls = torch.Generator().manual_seed(0), {}
    for c1, c2 in G1_PAIRS:
        x, there, back = (torch.rand(*s, generator=gen) for s in ((1, c1, size, size), (c2, c1, 1, 1), (c1, c2, 1, 1)))
        calls[f"{c1}:{c2}"] = lambda x=x, there=there, back=back: conv2d(conv2d(x, there), back)
    ms = shortest_ms(calls, rounds)
    return [TimedLayer(f"{a}:{b}", 2 * output_macs(size, size, a, b, 1), 2 * access_elements(*[size] * 4, a, b, 1),
                       ms[f"{a}:{b}"]) for a, b in G1_PAIRS]


def time_kinds(size: int = 28, channels: int = 256, rounds: int = 40) -> list[TimedLayer]:
    """A dense 3x3, a 1x1 and a depthwise 3x3 convolution on the same maps."""
    import torch
    from torch.nn.functional import conv2d

    gen = torch.Generator().manual_seed(0)
    x, calls, shapes = torch.rand(1, channels, size, size, generator=gen), {}, {}
    for name, k, groups in (("3x3 dense", 3, 1), ("1x1 pointwise", 1, 1), ("3x3 depthwise", 3, channels)):
        w = torch.rand(channels, channels // groups, k, k, generator=gen)
        calls[name] = lambda w=w, k=k, groups=groups: conv2d(x, w, padding=k // 2, groups=groups)
        shapes[name] = channels, channels, k, groups
    ms = shortest_ms(calls, rounds)
    return [TimedLayer(name, output_macs(size, size, *shape), access_elements(*[size] * 4, *shape), ms[name])
            for name, shape in shapes.items()]


def time_repvgg(size: int = 128, rounds: int = 20) -> list[TimedLayer]:
    """RepVGG-A0 with three branches and deployed, both in eval mode on one image."""
    from utils.networks.reparam import repvgg_a0

    branches = repvgg_a0().eval()
    return _time_networks({"three branches": branches, "deployed": branches.deploy()}, size, rounds)


def time_networks(size: int = 224, rounds: int = 10) -> list[TimedLayer]:
    """Four classic networks in torch, one image, random weights: which one is fast for its MACs?"""
    from utils.networks.classic import CLASSIFIERS

    return _time_networks({name: CLASSIFIERS[name]().eval() for name in NETWORKS}, size, rounds)


def _time_networks(networks: Mapping[str, Any], size: int, rounds: int) -> list[TimedLayer]:
    import torch

    from utils.cost.flops import count_module_macs

    x = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with one_thread():
        macs = {name: count_module_macs(network, tuple(x.shape)).macs for name, network in networks.items()}
    ms = shortest_ms({name: lambda network=network: network(x) for name, network in networks.items()}, rounds)
    return [TimedLayer(name, macs[name], 0, ms[name]) for name in networks]
