"""Channel shuffles without a transpose: as a 1x1 convolution, or folded into the weights that come next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

SWAP_GROUPS = [0, 2, 1, 3, 4]  # (N, groups, C / groups, H, W) with the two channel axes exchanged


def shuffle_order(c: int, groups: int) -> np.ndarray:
    """Source channel (C,) int64 of each channel after a shuffle. Raises ValueError when C is not divisible by groups.

    >>> shuffle_order(6, 2).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    if groups < 1 or c % groups:
        raise ValueError(f"channels must be divisible by groups, got {c} and {groups}")
    return np.arange(c).reshape(groups, c // groups).T.ravel()


def shuffle_matrix(c: int, groups: int) -> np.ndarray:
    """The permutation matrix P (C, C) float64 with P @ x == shuffle(x). Raises ValueError as `shuffle_order` does."""
    return np.eye(c)[shuffle_order(c, groups)]


def fold_shuffle(w: np.ndarray, groups: int) -> np.ndarray:
    """New weights with `new @ x == w @ shuffle(x)`: the input columns of w, put where the channels come from.

    w: (O, C) or a 1x1 convolution's (O, C, 1, 1); shape and dtype are kept, w stays unchanged. Raises ValueError
    when C is not divisible by groups.
    """
    folded = np.empty_like(w)
    folded[:, shuffle_order(w.shape[1], groups)] = w
    return folded


@dataclass(frozen=True)
class _Shuffle:
    """Three nodes of a graph that are a channel shuffle."""

    nodes: tuple[NodeProto, NodeProto, NodeProto]
    source: str
    result: str
    channels: int
    groups: int


def replace_shuffles(model: ModelProto, fold: bool = True) -> ModelProto:
    """A copy of the model without channel shuffles: same inputs, outputs, function.

    Every Reshape-Transpose-Reshape that is a channel shuffle becomes one 1x1 Conv with one-hot weights. With `fold` it
    costs nothing where its only reader is a dense 1x1 Conv: that one's weights are permuted. Shapes must be known
    to ONNX's inference; triples with unknown shapes stay. The result passes onnx.checker.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in (*inferred.input, *inferred.value_info, *inferred.output)}
    for shuffle in _find(model, shapes):
        reader = _dense_1x1_reader(result, shuffle.result) if fold else None
        if reader is not None:
            _fold_into(result, reader, shuffle)
            at, new = None, []
        else:
            at, new = [n.name for n in graph.node].index(shuffle.nodes[0].name), [_one_hot(result, shuffle)]
        for node in shuffle.nodes:
            graph.node.remove(next(n for n in graph.node if n.output[0] == node.output[0]))
        for node in new:
            graph.node.insert(at, node)
    _drop_unused_initializers(result)
    del graph.value_info[:]
    onnx.checker.check_model(result)
    return result


def _readers(model: ModelProto, name: str) -> list[NodeProto]:
    return [node for node in model.graph.node if name in node.input]


def _find(model: ModelProto, shapes: dict[str, list[int]]) -> list[_Shuffle]:
    outputs = {v.name for v in model.graph.output}
    found = []
    for first in model.graph.node:
        if first.op_type != "Reshape":
            continue
        chain = [first]
        while len(chain) < 3:
            tensor = chain[-1].output[0]
            readers = _readers(model, tensor)
            if len(readers) != 1 or tensor in outputs:
                break
            chain.append(readers[0])
        if [n.op_type for n in chain] != ["Reshape", "Transpose", "Reshape"] or _perm(chain[1]) != SWAP_GROUPS:
            continue
        before, cut, after = (shapes.get(t, []) for t in (first.input[0], first.output[0], chain[2].output[0]))
        if len(before) == 4 and len(cut) == 5 and before == after and all(before) and cut[1] * cut[2] == before[1]:
            found.append(_Shuffle(tuple(chain), first.input[0], chain[2].output[0], before[1], cut[1]))
    return found


def _perm(node: NodeProto) -> list[int]:
    return next((list(a.ints) for a in node.attribute if a.name == "perm"), [])


def _dense_1x1_reader(model: ModelProto, tensor: str) -> NodeProto | None:
    """The Conv that alone reads the tensor, if it is 1x1 and without groups."""
    readers = _readers(model, tensor)
    if len(readers) != 1 or readers[0].op_type != "Conv" or tensor in {v.name for v in model.graph.output}:
        return None
    groups = next((a.i for a in readers[0].attribute if a.name == "group"), 1)
    weight = next((t for t in model.graph.initializer if t.name == readers[0].input[1]), None)
    fits = weight is not None and groups == 1 and len(weight.dims) == 4 and list(weight.dims[2:]) == [1, 1]
    return readers[0] if fits else None


def _fold_into(model: ModelProto, reader: NodeProto, shuffle: _Shuffle) -> None:
    weight = next(t for t in model.graph.initializer if t.name == reader.input[1])
    name = f"{weight.name}_unshuffled_{shuffle.groups}"  # a new tensor: another node may share the old one
    if all(t.name != name for t in model.graph.initializer):
        folded = fold_shuffle(numpy_helper.to_array(weight), shuffle.groups)
        model.graph.initializer.append(numpy_helper.from_array(folded, name))
    reader.input[0], reader.input[1] = shuffle.source, name


def _one_hot(model: ModelProto, shuffle: _Shuffle) -> NodeProto:
    name = f"shuffle_{shuffle.channels}_{shuffle.groups}"
    if all(t.name != name for t in model.graph.initializer):
        matrix = shuffle_matrix(shuffle.channels, shuffle.groups).astype(np.float32)[:, :, None, None]
        model.graph.initializer.append(numpy_helper.from_array(matrix, name))
    return helper.make_node("Conv", [shuffle.source, name], [shuffle.result], name=f"{shuffle.nodes[0].name}_one_hot",
                            kernel_shape=[1, 1])


def _drop_unused_initializers(model: ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input} | {v.name for v in model.graph.output}
    kept = [t for t in model.graph.initializer if t.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
