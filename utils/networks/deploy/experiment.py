"""What the chapter measures: a rewritten network beside the original, and a re-parameterised one in INT8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from onnx import ModelProto
from torch import Tensor, nn

from utils.cost.flops import count_onnx_macs
from utils.cost.latency import time_interleaved
from utils.graphs.onnx_tools import export_torch, make_session
from utils.graphs.simplify import simplify
from utils.graphs.static_int8 import static_int8
from utils.networks.classic import ghostnet, mobilenet_v2, resnet, shufflenet_v2, squeezenet
from utils.networks.deploy.shuffles import replace_shuffles
from utils.networks.digits import load_digits_split, seeded, train_classifier
from utils.networks.reparam import RepVGG, deployed, repvgg_a0
from utils.numerics.noise import sqnr_db

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "ShuffleNetV2": shufflenet_v2,
    "MobileNetV2": mobilenet_v2,
    "GhostNet": ghostnet,
    "SqueezeNet 1.1": lambda: squeezenet("1_1"),
    "RepVGG-A0": lambda: deployed(repvgg_a0().eval()),
    "RepVGG-A0 with branches": repvgg_a0,
    "ResNet-18": lambda: resnet([2, 2, 2, 2], bottleneck=False),
}


@cache
def exported(name: str, resolution: int = 224) -> ModelProto:
    """A network of NETWORKS with random weights as a simplified ONNX model of one image; KeyError for another name."""
    torch.manual_seed(0)
    return simplify(export_torch(NETWORKS[name]().eval(), torch.zeros(1, 3, resolution, resolution))).model


@dataclass(frozen=True)
class Twin:
    """One form of a network: its operators by count, MACs, largest difference of its outputs, shortest time in ms."""

    name: str
    transposes: int
    macs: int
    max_abs: float
    ms: float


def time_twins(resolution: int = 160, rounds: int = 20, threads: int = 2) -> list[Twin]:
    """ShuffleNetV2 as exported, with shuffles as 1x1 convolutions, and with the last one folded; timed in turns."""
    original = exported("ShuffleNetV2", resolution)
    forms = {"as exported": original, "one-hot 1x1": replace_shuffles(original, fold=False),
             "one-hot, last folded": replace_shuffles(original)}
    x = np.random.default_rng(0).random((1, 3, resolution, resolution), dtype=np.float32)
    sessions = {name: make_session(model, threads=threads, optimize=True) for name, model in forms.items()}
    answers = {name: session.run(None, {"input": x})[0] for name, session in sessions.items()}
    calls = {name: (lambda s=session: s.run(None, {"input": x})) for name, session in sessions.items()}
    times = time_interleaved(calls, rounds, warmup=3)
    return [Twin(name, sum(n.op_type == "Transpose" for n in model.graph.node), count_onnx_macs(model)["total"],
                 float(np.abs(answers[name] - answers["as exported"]).max()), float(times[name].min()))
            for name, model in forms.items()]


class DigitsRepVGG(nn.Module):
    """A RepVGG for 8 x 8 digits: 16 channels, then 2 + 2 blocks of 32 and 64. Input (B, 64) or (B, 1, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = RepVGG((2, 2), (32, 64), 10, stem=16, in_channels=1, stem_stride=1, strides=(1, 2))

    def forward(self, x: Tensor) -> Tensor:  # (B, 10)
        return self.net(x.reshape(-1, 1, 8, 8))


@cache
def digits_repvgg(epochs: int = 6, seed: int = 0) -> nn.Module:
    """The network, trained on the 1,257 training digits, in evaluation mode; once a process, one thread."""
    X, _, y, _ = load_digits_split()
    return train_classifier(seeded(DigitsRepVGG, seed), X, y, epochs=epochs, lr=4e-3, batch_size=32, seed=seed).eval()


@dataclass(frozen=True)
class Form:
    """A form of the trained network: correct answers of 540, SQNR of its outputs in dB, size of its file in bytes."""

    name: str
    correct: int
    sqnr_db: float
    bytes: int


def int8_forms(calibration: int = 128) -> list[Form]:
    """Branches and fused in FP32; fused in INT8 with one weight scale a tensor, and one a channel.

    The quantizer is ONNX Runtime's, calibrated on the first training images. SQNR is that of the outputs against
    the branch form's.
    """
    X, X_test, _, y_test = load_digits_split()
    branches = digits_repvgg()
    images = torch.zeros(1, 1, 8, 8)
    models = {"branches, FP32": export_torch(branches.net, images, dynamic_batch="N"),
              "fused, FP32": export_torch(deployed(branches).net, images, dynamic_batch="N")}
    feeds = [{"input": X[:calibration].reshape(-1, 1, 8, 8)}]
    for name, per_channel in (("fused, INT8, a scale per tensor", False), ("fused, INT8, a scale per channel", True)):
        models[name] = static_int8(models["fused, FP32"], feeds, per_channel=per_channel, activations="uint8",
                                   reduce_range=True)
    answers = {name: make_session(model, optimize=True).run(None, {"input": X_test.reshape(-1, 1, 8, 8)})[0]
               for name, model in models.items()}
    return [Form(name, int((y.argmax(1) == y_test).sum()), sqnr_db(answers["branches, FP32"], y),
                 len(models[name].SerializeToString())) for name, y in answers.items()]
