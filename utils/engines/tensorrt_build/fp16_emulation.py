"""What an FP16 model computes where FP16 is real: every stored tensor rounded to FP16, sums in FP32.

ONNX Runtime's CPU provider has FP16 kernels for few operators. It runs the others in FP32 and drops the casts that
it put between them itself, so an overflow inside an FP16 model does not show there. Casts that stand in the file
are kept: this module writes them in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto


def emulate_fp16(model: ModelProto) -> ModelProto:
    """An FP32 twin of an FP16 model (`to_fp16` with FP32 inputs and outputs) whose FP16 tensors are rounded to FP16.

    Tensor cores multiply FP16 numbers and add in FP32, and so does the twin. Raises ValueError for a model whose
    inputs or outputs are FP16.
    """
    import onnx

    half = onnx.TensorProto.FLOAT16
    if any(v.type.tensor_type.elem_type == half for v in (*model.graph.input, *model.graph.output)):
        raise ValueError("model must have FP32 inputs and outputs, got FP16 ones: convert with keep_io_types=True")
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(model).graph
    halves = {v.name for v in inferred.value_info if v.type.tensor_type.elem_type == half}
    halves |= {t.name for t in model.graph.initializer if t.data_type == half}
    nodes = [made for node in model.graph.node for made in _twin_nodes(node, halves)]
    del twin.graph.node[:], twin.graph.value_info[:]
    twin.graph.node.extend(nodes)
    for tensor in twin.graph.initializer:
        if tensor.data_type == half:
            tensor.CopyFrom(_widened(tensor))
    return twin


def _widened(tensor: TensorProto) -> TensorProto:
    from onnx import numpy_helper

    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float32"), tensor.name)


def _twin_nodes(node: NodeProto, halves: set[str]) -> list[NodeProto]:
    """The node in FP32, and two Casts behind each of its FP16 outputs."""
    from onnx import NodeProto, TensorProto, helper

    if node.op_type == "Cast" and node.input[0] in halves and node.output[0] not in halves:
        widens = any(a.name == "to" and a.i == TensorProto.FLOAT for a in node.attribute)
        if widens:
            return [helper.make_node("Identity", [node.input[0]], [node.output[0]])]
    twin = NodeProto()
    twin.CopyFrom(node)
    for attribute in twin.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
            attribute.i = TensorProto.FLOAT
        elif attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT16:
            attribute.t.CopyFrom(_widened(attribute.t))
    made = [twin]
    for position, name in enumerate(node.output):
        if name in halves:
            twin.output[position] = f"{name}__exact"
            made.append(helper.make_node("Cast", [f"{name}__exact"], [f"{name}__half"], to=TensorProto.FLOAT16))
            made.append(helper.make_node("Cast", [f"{name}__half"], [name], to=TensorProto.FLOAT))
    return made
