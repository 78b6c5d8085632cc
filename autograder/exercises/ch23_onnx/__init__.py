"""Exercises of chapter 23: the ONNX format, its graph and its versions."""

from .choose_versions import choose_versions
from .decode_varint import decode_varint
from .mini_runtime import mini_runtime
from .read_graph import read_graph
from .topo_sort import topo_sort

EXERCISES = [decode_varint, read_graph, topo_sort, mini_runtime, choose_versions]
