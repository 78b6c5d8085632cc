"""Exercise 34.make_batch_dynamic: surgery on a graph in which one batch size is baked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.graphs import optimize

from ...compare import prop
from ...exercise import Case, Exercise, Misconception
from . import batch_models as models
from .batch_models import shown, verdict


def _constants(graph: Any, initializers: bool = True, nodes: bool = True) -> dict[str, list[int]]:
    from onnx import numpy_helper

    found = {}
    if initializers:
        found |= {t.name: numpy_helper.to_array(t).tolist() for t in graph.initializer if t.data_type == 7 and len(t.dims) == 1}
    if nodes:
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t).tolist()
    return found


def _new_target(target: list[int], b: int) -> list[int]:
    return [0 if -1 in target else -1, *target[1:]]


def _fed(graph: Any) -> set[str]:
    weights = {t.name for t in graph.initializer}
    fed = {v.name for v in graph.input if v.name not in weights}
    for node in graph.node:
        if fed.intersection(node.input):
            fed.update(node.output)
    return fed


def _edit(*, copy: bool = True, target: Callable | None = _new_target, initializers: bool = True, nodes: bool = True, weights: bool = False,
          in_place: bool = False, ends: str = "both", listed: bool = False, value_info: bool = False, check: bool = True,
          fixed_symbol: str = "", every: bool = False, first_only: bool = False, all_axes: bool = False) -> Callable:
    """An editor with one mistake; with its defaults it is right."""

    def answer(model: Any, symbol: str = "N") -> Any:
        import onnx
        from onnx import numpy_helper

        edited = model
        if copy:
            edited = onnx.ModelProto()
            edited.CopyFrom(model)
        graph = edited.graph
        dim = graph.input[0].type.tensor_type.shape.dim[0]
        if check and not dim.HasField("dim_value"):
            raise ValueError("no static batch")
        b, fed, constants = dim.dim_value, _fed(graph), _constants(graph, initializers, nodes)
        weight_names = set() if listed else {t.name for t in graph.initializer}
        for value in [*(graph.input if ends != "outputs" else []), *(graph.output if ends != "inputs" else [])]:
            dims = value.type.tensor_type.shape.dim
            for d in dims if all_axes else dims[:1]:
                if value.name not in weight_names and d.dim_value == b and (not first_only or value is graph.input[0]):
                    d.dim_param = fixed_symbol or symbol
        for number, node in enumerate([n for n in graph.node if n.op_type == "Reshape"] if target else []):
            found = constants.get(node.input[1])
            if not found or (found[0] != b and not every) or (node.input[0] not in fed and not weights):
                continue
            tensor = numpy_helper.from_array(np.array(target(found, b), np.int64), node.input[1] if in_place else f"target_{number}")
            if not in_place:
                graph.initializer.append(tensor)
                node.input[1] = tensor.name
                continue
            for old in graph.initializer:
                if old.name == tensor.name:
                    old.CopyFrom(tensor)
            for old in graph.node:
                if old.op_type == "Constant" and old.output[0] == tensor.name:
                    old.attribute[0].t.CopyFrom(tensor)
        if not value_info:
            del graph.value_info[:]
        return edited

    return answer


def _both(**parts: Any) -> dict:
    return {"answer": _edit(**parts), "also": (_edit(check=False, **parts),)}


# --- right answers --------------------------------------------------------------------------------


def _at_run_time(model: Any, symbol: str = "N") -> Any:
    """The batch size is read from the first input while the graph runs: Shape, Slice, Concat."""
    import onnx
    from onnx import helper, numpy_helper

    result = onnx.load_from_string(model.SerializeToString())
    graph = result.graph
    weights = {t.name for t in graph.initializer}
    ends = [v for v in graph.input if v.name not in weights]
    if not ends[0].type.tensor_type.shape.dim[0].HasField("dim_value"):
        raise ValueError("dynamic already")
    b, fed, constants = ends[0].type.tensor_type.shape.dim[0].dim_value, _fed(graph), _constants(graph)
    nodes, first = [], ends[0].name
    for i, node in enumerate(graph.node):
        found = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if found and found[0] == b and node.input[0] in fed:
            graph.initializer.extend([numpy_helper.from_array(np.array(v, np.int64), f"{n}_{i}") for n, v in
                                      (("from", [0]), ("to", [1]), ("rest", found[1:]))])
            nodes += [helper.make_node("Shape", [first], [f"shape_{i}"]),
                      helper.make_node("Slice", [f"shape_{i}", f"from_{i}", f"to_{i}"], [f"size_{i}"]),
                      helper.make_node("Concat", [f"size_{i}", f"rest_{i}"], [f"goal_{i}"], axis=0)]
            node.input[1] = f"goal_{i}"
        nodes.append(node)
    copies = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    for value in [*ends, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        if len(dims) and dims[0].dim_value == b:
            dims[0].dim_param = symbol
    graph.ClearField("value_info")
    return result


def _with_new_nodes(model: Any, symbol: str = "N") -> Any:
    """Each edited Reshape gets a Constant node of its own, put before it."""
    import copy

    from onnx import helper, numpy_helper

    result = copy.deepcopy(model)
    graph = result.graph
    inputs = [v for v in graph.input if all(v.name != t.name for t in graph.initializer)]
    size = inputs[0].type.tensor_type.shape.dim[0]
    if size.dim_param or not size.dim_value:
        raise ValueError("no number on axis 0")
    b = size.dim_value
    known = _constants(graph)
    depends = {v.name for v in inputs}
    rebuilt = []
    for node in graph.node:
        if any(i in depends for i in node.input):
            depends |= set(node.output)
            if node.op_type == "Reshape" and known.get(node.input[1], [None])[0] == b:
                target = list(known[node.input[1]])
                target[0] = -1 if target.count(-1) == 0 else 0
                name = f"{node.output[0]}/target"
                value = numpy_helper.from_array(np.asarray(target, np.int64))
                rebuilt.append(helper.make_node("Constant", [], [name], value=value))
                node = helper.make_node("Reshape", [node.input[0], name], list(node.output))
        rebuilt.append(node)
    for value in inputs + list(graph.output):
        shape = value.type.tensor_type.shape
        if shape.dim and shape.dim[0].dim_value == b:
            shape.dim[0].CopyFrom(type(shape.dim[0])(dim_param=symbol))
    made = helper.make_graph(rebuilt, graph.name, list(graph.input), list(graph.output), list(graph.initializer))
    return helper.make_model(made, opset_imports=list(model.opset_import), ir_version=model.ir_version)


# --- cases ----------------------------------------------------------------------------------------


def _case(model: bytes, label: str, symbol: str | None = None, **more: Any) -> Case:
    return Case(label=label + (f", symbol {symbol!r}" if symbol else ""), model=model, symbol=symbol, **more)


def _draw(rng: np.random.Generator) -> Case:
    b = int(rng.choice([1, 1, 2, 3, 4]))
    kinds = "".join(rng.choice(list("fmstzgFMSTZG"), int(rng.integers(1, 4))))
    symbol = None if rng.random() < 0.5 else str(rng.choice(["N", "batch", "B"]))
    return _case(models.stages(b, kinds, int(rng.integers(1000))), f"batch {b}, {len(kinds)} Reshapes in a row", symbol)


def _alike(one: Any, other: Any, case: Case) -> str | None:
    """Two models are alike if the same thing is wrong with them; where none is asked for, any two are."""
    try:
        right = {"model": _expected(case.kwargs["model"], case.kwargs["symbol"])}
    except ValueError:
        return None
    return None if (verdict(case, right, one) or "") == (verdict(case, right, other) or "") else "another model"


def _expected(data: bytes, symbol: str | None) -> bytes:
    import onnx

    return optimize.with_dynamic_batch(onnx.load_from_string(data), symbol or "N").SerializeToString()


make_batch_dynamic = Exercise(
    id="34.make_batch_dynamic", points=6, difficulty=3, minutes=22, idea="a batch size hides in constants, not only in the inputs",
    reference=optimize.with_dynamic_batch, probe="ch34_onnx_export.edited", show=shown,
    cases=[
        _case(models.cnn(), "conv, relu, pool, x.reshape(x.shape[0], -1), linear; exported at batch 1"),
        _case(models.stages(2, "tm"), "batch 2: Reshape to [2, 2, 12] and to [2, -1]", "batch"),
    ],
    hidden=[
        _case(models.two_readers(1), "two Reshapes share the target [1, -1]: one of the data, one of weights"),
        _case(models.two_readers(3), "two Reshapes share the target [3, -1]: one of the data, one of weights"),
        _case(models.read_as_numbers(), "a Cast reads the target [2, 6] as well"),
        _case(models.weights_only(1), "a Reshape of weights to [1, 2, -1]"), _case(models.weights_only(3), "a Reshape of weights to [3, 2, -1]"),
        _case(models.listed_weight(), "a weight of shape (1, 6) is listed as an input"),
        _case(models.with_value_info(), "recorded shapes of intermediate tensors"),
        _case(models.two_inputs(), "three inputs, one of them without a batch; two outputs"),
        _case(models.computed_target(), "a target that is computed at run time"),
        _case(models.rows(2), "batch 2, Reshape to [-1, 6] and back to [2, 24]"),
        _case(models.stages(1, "F"), "batch 1, Constant node [1, 24]"), _case(models.stages(4, "s"), "batch 4, initializer [4, 12, -1]"),
        _case(models.stages(3, "Z"), "batch 3, Constant node [3, 0, -1]", "B"), _case(models.stages(1, "gM"), "batch 1, [1, -1, 2] and [1, -1]"),
        _case(models.stages(4, "tF"), "batch 4, [4, 2, 12] and [4, 24]"),
    ],
    raises=[_case(models.dynamic(), "a model whose axis 0 is \"N\" already"),
            _case(models.dynamic(), "a model whose axis 0 is \"N\" already", "batch")],
    draw=_draw, draws=16, compare=prop(verdict, same=_alike), time_limit_s=10,
    misconceptions=[
        Misconception(
            "renamed_only", **_both(target=None),
            message="You rename the axes of inputs and outputs, nothing more. The batch size is also baked into the targets of the Reshapes: at "
                    "batch 3 the flattened data then still has one row, three times as long.",
            title="The batch is in the constants too."),
        Misconception(
            "two_minus_ones", **_both(target=lambda t, b: [-1, *t[1:]]),
            message="A target that has a -1 already got a second one. Only one size of a Reshape can be inferred; what else can stand for \"the "
                    "size of the data's own axis 0\"?",
            title="Two sizes to infer."),
        Misconception(
            "always_zero", **_both(target=lambda t, b: [0, -1]), message="You flatten every tensor to two axes. Keep the other sizes of the target; only "
            "its first one changes.", title="The other sizes got lost."),
        Misconception(
            "shared_in_place", **_both(in_place=True),
            message="You change the constant where it is stored. Another node may read it: a Reshape of weights, or an operator that takes it as "
                    "numbers. Give the edited Reshape a constant of its own.",
            title="A shared constant was changed."),
        Misconception(
            "weights_reshaped", **_both(weights=True),
            message="You rewrite every Reshape whose target begins with the batch size. One of weights has nothing to do with the batch: its data "
                    "depends on no graph input. Follow what the inputs feed.",
            title="Weights have no batch."),
        Misconception(
            "listed_weights_renamed", **_both(listed=True),
            message="You also rename an axis of a weight. An initializer may be listed among the graph's inputs as well; it is a constant all the same.",
            title="A weight is no input."),
        Misconception(
            "only_initializers", **_both(nodes=False),
            message="Targets that come from a Constant node are left as they are. Exporters write constants in both ways: as initializers, and as "
                    "Constant nodes.",
            title="Constant nodes missed."),
        Misconception(
            "only_constant_nodes", **_both(initializers=False),
            message="Targets that are initializers are left as they are. Exporters write constants in both ways.",
            title="Initializers missed."),
        Misconception(
            "outputs_forgotten", **_both(ends="inputs"),
            message="The outputs still promise the old batch size. A caller, and the next converter, read it there.",
            title="The outputs are static."),
        Misconception(
            "first_input_only", **_both(first_only=True, ends="inputs"), message="You rename the first input only. Every input and every output whose axis 0 is "
            "the batch size gets the symbol.", title="Only the first input."),
        Misconception(
            "value_info_kept", **_both(value_info=True),
            message="The recorded shapes of intermediate tensors still hold the old batch size. They are a cache of an earlier inference: clear them.",
            title="Stale shapes."),
        Misconception(
            "every_reshape", **_both(every=True),
            message="You rewrite every Reshape with a constant target. Only those that begin with the batch size, on data that an input feeds, are meant.",
            title="Too many Reshapes."),
        Misconception(
            "symbol_ignored", **_both(fixed_symbol="N"),
            message="Your symbol is always \"N\". The second argument says which one to use.",
            title="Whose symbol?"),
        Misconception(
            "argument_changed", **_both(copy=False),
            message="You edit the model that was given. The caller still needs it: without the original nothing can be compared. Copy it first "
                    "(`CopyFrom`).",
            title="The original is gone."),
        Misconception(
            "unchecked", _edit(check=False),
            "A model whose axis 0 is a symbol already has no batch size to look for: raise ValueError.",
            "Dynamic already."),
    ],
    alternatives=[_at_run_time, _with_new_nodes, _edit()],
    hints=(
        "Copy the model with `copy = onnx.ModelProto()` and `copy.CopyFrom(model)`. Setting `dim.dim_param` of a dimension removes its `dim_value`.",
        "Collect the constants first: initializers, and nodes with op_type \"Constant\" (the tensor is `node.attribute[0].t`). "
        "`numpy_helper.to_array` reads them.",
        "Which tensors depend on an input? Walk over the nodes in order with a set that begins with the inputs that are no initializers.",
        "Don't change a constant: append a new initializer under a new name, and let the Reshape read that: `node.input[1] = name`.",
    ),
    worth_knowing="`utils.graphs.optimize.make_batch_dynamic` also lets ONNX Runtime judge its own edit, and refuses what it can't repair. Where axis 0 "
                  "holds several rows of each image, it turns [b, -1] into [-1, 24]: there a 0 would copy the rows.",
)
