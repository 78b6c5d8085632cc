"""Measurements of chapter 11: the latency of networks with known counts, and what folding leaves of a model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.cost.flops.counter import count_module_macs
from utils.cost.latency import time_interleaved
from utils.cost.params.counter import count_module, count_onnx
from utils.networks.classic import CLASSIFIERS

if TYPE_CHECKING:
    import onnx
    from torch import nn

NETWORKS = ("AlexNet", "ResNet-18", "ResNet-50", "SqueezeNet 1.0", "SqueezeNet 1.1", "MobileNetV1", "MobileNetV2")


@dataclass(frozen=True)
class TimedNetwork:
    """One network: parameters, MACs of one image, and the median latency of that image."""

    name: str
    params: int
    macs: int
    ms: float


def time_networks(names: Sequence[str] = NETWORKS, rounds: int = 5, size: int = 224) -> list[TimedNetwork]:
    """Time one image of size x size through each network on one CPU thread: the median of `rounds`, in turns."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        image = torch.zeros(1, 3, size, size)
        nets = {name: CLASSIFIERS[name]().eval() for name in names}
        with torch.inference_mode():
            fns = {name: (lambda net=net: net(image)) for name, net in nets.items()}
            samples_ms = time_interleaved(fns, rounds, warmup=1)
    finally:
        torch.set_num_threads(threads)
    return [TimedNetwork(name, *_counts(name, size), float(np.median(samples_ms[name]))) for name in names]


def _counts(name: str, size: int) -> tuple[int, int]:
    """Parameters, and MACs of one image, from shapes alone."""
    import torch

    with torch.device("meta"):
        net = CLASSIFIERS[name]()
    return count_module(net).parameters, count_module_macs(net, (1, 3, size, size)).macs


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's coefficient: the correlation of the ranks, ties sharing their mean rank. NaN for constant input."""
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    x = np.asarray(values, float)
    below, above = (x[:, None] > x).sum(1), (x[:, None] < x).sum(1)
    return (below + len(x) - 1 - above) / 2


@dataclass(frozen=True)
class StoredValues:
    """What one form of a model stores: float values, and how many batch-norm nodes or layers it has."""

    form: str
    values: int
    batch_norms: int
    bytes: int


def folding_stages(name: str = "ResNet-18", size: int = 64) -> list[StoredValues]:
    """The same network as torch parameters, as a state dict, as an ONNX file, and after ONNX Runtime's basic passes.

    Its batch norms get random values, as if trained: the exporter stores equal tensors once, and fresh norms are
    all equal. The state dict's integer step counters are left out. The image's `size` changes no count.
    """
    import torch

    net = CLASSIFIERS[name]().eval()
    rng = torch.Generator().manual_seed(0)
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                values.uniform_(0.5, 1.5, generator=rng)
    counted, exported = count_module(net), export_unfolded(net, size)
    floats = counted.parameters + counted.buffers_float
    rows = [StoredValues("torch: parameters()", counted.parameters, len(norms), 4 * counted.parameters),
            StoredValues("torch: state_dict(), floats", floats, len(norms), 4 * floats)]
    for form, model in (("ONNX as exported", exported), ("ONNX Runtime, basic passes", basic_passes(exported))):
        nodes = sum(node.op_type == "BatchNormalization" for node in model.graph.node)
        rows.append(StoredValues(form, count_onnx(model).elements, nodes, len(model.SerializeToString())))
    return rows


def export_unfolded(net: nn.Module, size: int) -> onnx.ModelProto:
    """An ONNX export that keeps each batch norm as a node (torch's default for evaluation mode folds them itself)."""
    import io
    import warnings

    import onnx
    import torch

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation of the fast route
        torch.onnx.export(net, (torch.zeros(1, 3, size, size),), buffer, dynamo=False, opset_version=17,
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    return onnx.load_from_string(buffer.getvalue())


def basic_passes(model: onnx.ModelProto) -> onnx.ModelProto:
    """What ONNX Runtime's basic graph optimisations make of a model (they fold a batch norm into its convolution)."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3  # errors only
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = os.path.join(folder, "basic.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def cuda_bytes(name: str) -> tuple[int, int]:
    """(4 bytes x values of the state dict, bytes that torch's CUDA allocator handed out for the network).

    The allocator rounds each tensor up to 512 bytes. Needs a CUDA device.
    """
    import torch

    before = torch.cuda.memory_allocated()
    net = CLASSIFIERS[name]().cuda()
    taken = torch.cuda.memory_allocated() - before
    floats = count_module(net).parameters + count_module(net).buffers_float
    return 4 * floats, taken
