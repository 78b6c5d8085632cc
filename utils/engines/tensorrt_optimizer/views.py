"""What a compiler made of a block, as plain data for a picture, and as an ONNX model that another runtime can time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.tensorrt_optimizer.blocks import BLOCKS
from utils.engines.tensorrt_optimizer.program import ALL, Options, Program, Step, compile_model

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

FUSED_DOMAIN = "com.microsoft"  # of ONNX Runtime's own fused operators


def compile_view(block: str, options: Options = ALL) -> dict[str, Any]:
    """Kernels, DRAM bytes and arena of a block under some options.

    `kernels` holds (name, operators, how many of them, bytes moved); `arena` holds (tensor, offset, bytes, first step,
    last step). KeyError for an unknown block.
    """
    program = compile_model(BLOCKS[block](), options)
    plan = program.memory_plan()
    return {
        "layers": program.layers_before,
        "kernels": [(step.name, step.op, len(step.layers), program.step_bytes(step)) for step in program.steps],
        "dram_bytes": program.dram_bytes(),
        "arena": [(name, plan.offsets[name], use.size, use.first, use.last) for name, use in plan.uses.items()],
        "peak_bytes": plan.peak_bytes,
        "sum_bytes": plan.sum_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
    }


def as_onnx(program: Program, model: ModelProto) -> ModelProto:
    """The program's kernels as an ONNX model for ONNX Runtime: FusedConv where a Relu follows, Split after a merged
    convolution. Concatenations come back, for ONNX has no way to leave them out."""
    from utils.graphs.onnx_tools import make_model

    by_output = {node.output[0]: node for node in model.graph.node}
    nodes: list[NodeProto] = []
    constants = dict(program.constants)
    for step in program.steps:
        nodes += _conv_nodes(step, constants) if step.conv is not None else [by_output[step.outputs[0]]]
    dropped = {whole for whole, _ in program.places.values()}
    nodes += [by_output[name] for name in dropped]
    nodes = _in_order(nodes, [*program.inputs, *constants])
    used = {name for node in nodes for name in node.input}
    return make_model(nodes, {n: program.shapes[n] for n in program.inputs},
                      {n: program.shapes[n] for n in program.outputs},
                      {name: value for name, value in constants.items() if name in used},
                      opset={"": next(e.version for e in model.opset_import if not e.domain), FUSED_DOMAIN: 1})


def _in_order(nodes: Sequence[NodeProto], available: Sequence[str]) -> list[NodeProto]:
    from utils.graphs.order import topological_order

    return [nodes[i] for i in topological_order(nodes, available)]


def _conv_nodes(step: Step, constants: dict[str, np.ndarray]) -> list[NodeProto]:
    from onnx import helper

    conv, first = step.conv, step.outputs[0]
    names = [f"{first}/weight"] + ([f"{first}/bias"] if conv.bias is not None else [])
    constants.update(zip(names, (conv.weight, conv.bias)))
    out = first if len(step.outputs) == 1 else f"{first}/merged"
    attrs: dict[str, Any] = {"strides": conv.stride, "pads": conv.pads, "dilations": conv.dilation,
                             "group": conv.groups, "kernel_shape": conv.weight.shape[2:]}
    inputs = [conv.x, *names]
    if conv.relu and not step.residual:
        nodes = [helper.make_node("FusedConv", inputs, [out], domain=FUSED_DOMAIN, activation="Relu", **attrs)]
    elif step.residual:
        total = f"{first}/sum" if conv.relu else out
        nodes = [helper.make_node("Conv", inputs, [f"{first}/conv"], **attrs),
                 helper.make_node("Add", [f"{first}/conv", step.residual], [total])]
        nodes += [helper.make_node("Relu", [total], [out])] if conv.relu else []
    else:
        nodes = [helper.make_node("Conv", inputs, [out], **attrs)]
    if len(step.outputs) > 1:
        constants[f"{first}/split"] = np.array([part.stop - part.start for part in step.parts], np.int64)
        nodes.append(helper.make_node("Split", [out, f"{first}/split"], list(step.outputs), axis=1))
    return nodes
