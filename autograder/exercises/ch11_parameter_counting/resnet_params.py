"""Exercise 11.resnet_params: a whole network from its table."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import partial

import numpy as np

from utils.cost.params import cnn as cnn_params

from ...exercise import Case, Exercise, Misconception

WIDTHS = (64, 128, 256, 512)


def _resnet(blocks: Sequence[int], bottleneck: bool, n_classes: int = 1000, *, norm: int = 2, counter: int = 0,
            conv_bias: bool = False, project: str = "needed", project_norm: bool = True, wide_head: bool = True,
            head_bias: bool = True, stem_norm: bool = True, kind: bool | None = None, expansion: int = 4) -> int:
    """The count with one mistake; with its defaults it is right (an independent formulation)."""
    bottleneck = bottleneck if kind is None else kind
    layers: list[tuple[int, int, int, bool]] = [(3, 64, 7, stem_norm)]  # c_in, c_out, kernel, batch norm
    channels = 64
    for stage, (width, depth) in enumerate(zip(WIDTHS, blocks)):
        out = expansion * width if bottleneck else width
        for block in range(depth):
            layers += ([(channels, width, 1, True), (width, width, 3, True), (width, out, 1, True)] if bottleneck
                       else [(channels, width, 3, True), (width, out, 3, True)])
            projects = {"needed": channels != out, "none": False, "strided": stage > 0 and block == 0,
                        "stages": block == 0, "all": True}[project]
            if projects:
                layers.append((channels, out, 1, project_norm))
            channels = out
    total = sum(a * b * k * k + b * conv_bias + (norm * b + counter) * has_norm for a, b, k, has_norm in layers)
    features = channels if wide_head else 512
    return total + features * n_classes + n_classes * head_bias


def _by_stages(blocks: Sequence[int], bottleneck: bool, n_classes: int = 1000) -> int:
    """A stage in closed form: the first block and the others."""
    total, before = 9408 + 128, 64
    for w, n in zip(WIDTHS, blocks):
        if bottleneck:
            inner = w * w * 9 + w * 4 * w + 2 * (w + w + 4 * w)
            total += n * inner + before * w + (n - 1) * 4 * w * w + before * 4 * w + 8 * w
            before = 4 * w
        else:
            total += (2 * n - 1) * 9 * w * w + 9 * before * w + n * 4 * w
            total += before * w + 2 * w if before != w else 0
            before = w
    return total + (before + 1) * n_classes


def _by_shapes(blocks: Sequence[int], bottleneck: bool, n_classes: int = 1000) -> int:
    """Lists every tensor and multiplies its shape out."""
    shapes: list[tuple[int, ...]] = []

    def conv(a: int, b: int, k: int) -> int:
        shapes.extend([(b, a, k, k), (b,), (b,)])
        return b

    c = conv(3, 64, 7)
    for stage in range(4):
        width = 64 * 2**stage
        for _ in range(blocks[stage]):
            entry = c
            for out, k in [(width, 1), (width, 3), (width * 4, 1)] if bottleneck else [(width, 3), (width, 3)]:
                c = conv(c, out, k)
            if entry != c:
                conv(entry, c, 1)
    shapes += [(n_classes, c), (n_classes,)]
    return int(sum(np.prod(shape) for shape in shapes))


def _draw(rng: np.random.Generator) -> Case:
    blocks = [int(n) for n in rng.integers(1, 7, 4)]
    args: list = [blocks, bool(rng.integers(2))]
    return Case(*args, int(rng.choice([1, 2, 10, 37, 100, 365]))) if rng.random() < 0.7 else Case(*args)


def no_torch(tree: ast.AST) -> str | None:
    """A sentence if the cell builds the network instead of counting it."""
    for node in ast.walk(tree):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        used = isinstance(node, ast.Name) and node.id in ("torch", "torchvision")
        built = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nn"
        if used or built or any(name.split(".")[0] in ("torch", "torchvision") for name in modules):
            return "Count, don't build: the text asks for arithmetic without torch. Build it beside your answer to compare."
    return None


resnet_params = Exercise(
    id="11.resnet_params", points=4, difficulty=2, minutes=15, idea="a network is the sum of its table",
    reference=cnn_params.resnet_params,
    cases=[Case([2, 2, 2, 2], False), Case([3, 4, 6, 3], True), Case([1, 1, 1, 1], False, 10)],
    hidden=[Case([3, 4, 6, 3], False, label="ResNet-34"), Case([3, 4, 23, 3], True, label="ResNet-101"),
            Case([2, 2, 2, 2], False, 10, label="ResNet-18 with 10 classes"), Case([1, 1, 1, 1], True, 1)],
    draw=_draw, draws=30, forbid=no_torch,
    misconceptions=[
        Misconception(
            "running_statistics", partial(_resnet, norm=4),
            "You counted four values a channel for batch norm. The running mean and variance are buffers: they are "
            "stored, but no gradient changes them. Only scale and shift are parameters.",
            "Buffers are no parameters.", also=(partial(_resnet, norm=4, counter=1),)),
        Misconception(
            "half_norm", partial(_resnet, norm=1),
            "A batch norm has a scale *and* a shift for each channel.",
            "Batch norm has two values a channel."),
        Misconception(
            "no_norm", partial(_resnet, norm=0),
            "You counted the convolutions and the linear layer. Every convolution here is followed by a batch norm.",
            "The batch norms are missing."),
        Misconception(
            "conv_biases", partial(_resnet, conv_bias=True),
            "The convolutions have no bias here: the shift of the batch norm behind them does that work.",
            "Convolutions without bias."),
        Misconception(
            "no_projection", partial(_resnet, project="none"),
            "The input of a block is added to its output. At a stage's entry the two have different widths, so a 1×1 "
            "projection with batch norm has to match them.",
            "The projections are missing."),
        Misconception(
            "projection_only_strided", partial(_resnet, project="strided"),
            "With basic blocks this is right. With bottlenecks the first stage changes the width as well: from 64 to "
            "256 channels. Look at widths, not at stage numbers.",
            "Stage 1 needs a projection too."),
        Misconception(
            "projection_every_stage", partial(_resnet, project="stages"),
            "With bottlenecks this is right. With basic blocks the first stage turns 64 channels into 64, and nothing "
            "needs to be matched there.",
            "A projection where no shape changes."),
        Misconception(
            "projection_every_block", partial(_resnet, project="all"),
            "Only a block that changes the shape has a projection. The others add their input as it is.",
            "Too many projections."),
        Misconception(
            "projection_without_norm", partial(_resnet, project_norm=False),
            "The projections are convolutions too, so a batch norm follows each of them.",
            "The projections' batch norms are missing."),
        Misconception(
            "narrow_head", partial(_resnet, wide_head=False),
            "The linear layer reads what the last block puts out. After bottlenecks these are 2,048 channels, not 512.",
            "The head is too narrow."),
        Misconception(
            "head_without_bias", partial(_resnet, head_bias=False),
            "The linear head has a bias for each class.",
            "The head's bias is missing."),
        Misconception(
            "stem_without_norm", partial(_resnet, stem_norm=False),
            "The 7×7 convolution at the start is followed by a batch norm, like every other.",
            "The stem's batch norm is missing."),
        Misconception(
            "always_basic", partial(_resnet, kind=False),
            "`bottleneck` changes the block: 1×1, 3×3, 1×1, where the last one has four times the width.",
            "Bottlenecks were counted as basic blocks."),
    ],
    alternatives=[_resnet, _by_stages, _by_shapes],
    hints=(
        "Write a helper for a convolution without bias and its batch norm: c_in·c_out·k² + 2·c_out.",
        "Carry one number from block to block: how many channels come in. After each block it is the block's output "
        "width (4·width for a bottleneck).",
        "A block needs a projection exactly when the channels that come in differ from those that go out.",
    ),
    worth_knowing="The stride does not appear: where a bottleneck has it (v1 or v1.5) changes MACs, not parameters.",
)
