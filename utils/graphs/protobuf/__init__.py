"""Reading ONNX files byte by byte: wire format, messages, tensors. Needs neither onnx nor a protobuf library."""

from utils.graphs.protobuf.layout import byte_map
from utils.graphs.protobuf.model import (
    AttributeRef,
    RawFunction,
    RawGraph,
    RawModel,
    RawNode,
    RawValue,
    parse_model,
    read_graph,
    read_model,
)
from utils.graphs.protobuf.schema import SCHEMA, decode_message
from utils.graphs.protobuf.tensors import DTYPE_NAMES, RawTensor, numpy_dtype, tensor_to_numpy
from utils.graphs.protobuf.wire import decode_varint, encode_field, encode_varint, iter_fields, iter_spans

__all__ = [
    "DTYPE_NAMES",
    "SCHEMA",
    "AttributeRef",
    "RawFunction",
    "RawGraph",
    "RawModel",
    "RawNode",
    "RawTensor",
    "RawValue",
    "byte_map",
    "decode_message",
    "decode_varint",
    "encode_field",
    "encode_varint",
    "iter_fields",
    "iter_spans",
    "numpy_dtype",
    "parse_model",
    "read_graph",
    "read_model",
    "tensor_to_numpy",
]
