"""Exercise 05.saved_bytes: what autograd keeps of a chain of layers."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.cost.memory import chain as chain_memory

from ...exercise import Case, Exercise, Misconception

ACTIVATIONS = ("relu", "tanh", "sigmoid")


def _saved(layers: list, batch: int, in_features: int, *, keeps: str = "output", shared: bool = True, mask_bytes: int = 4,
           weights: bool = False, the_input: bool = True, the_output: bool = False, everything: bool = False,
           drop: str = "mask") -> int:
    """The bytes with one mistake; with its defaults they are right (an independent formulation)."""
    widths = [in_features]  # of the tensors before, between and after the layers
    for layer in layers:
        widths.append(layer[1] if layer[0] == "linear" else widths[-1])
    kept, parameters, masks = [], 0, 0
    for i, (kind, *_) in enumerate(layers):
        if kind == "linear":
            kept.append(i)
            parameters += widths[i + 1] * (widths[i] + 1)
        elif kind == "dropout":
            masks += widths[i] if drop == "mask" else 0
            kept += [i + 1] if drop == "output" else []
        else:
            kept += {"output": [i + 1], "input": [i], "both": [i, i + 1]}[keeps]
    if everything:
        kept = list(range(len(widths)))
    kept += [len(layers)] if the_output else []
    tensors = sorted(set(kept)) if shared else kept
    values = sum(widths[i] for i in tensors if i > 0 or the_input)
    return batch * (4 * values + mask_bytes * masks) + 4 * parameters * weights


def _backwards(layers: list, batch: int, in_features: int) -> int:
    """From tensor to tensor: who needs the one between layer i - 1 and layer i?"""
    total, width = 0, in_features
    for before, after in zip([None, *layers], [*layers, None]):
        if before is not None and before[0] == "linear":
            width = before[1]
        if (after is not None and after[0] == "linear") or (before is not None and before[0] in ACTIVATIONS):
            total += width
        if after is not None and after[0] == "dropout":
            total += width
    return total * batch * 4


def _asks_torch(layers: list, batch: int, in_features: int) -> int:
    """Builds the chain and lets autograd say what it saves."""
    import torch
    from torch import nn

    made = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "dropout": nn.Dropout}
    modules, width = [], in_features
    for kind, *options in layers:
        modules.append(nn.Linear(width, options[0]) if kind == "linear" else made[kind](*options))
        width = options[0] if kind == "linear" else width
    model, seen = nn.Sequential(*modules), {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(t: torch.Tensor) -> torch.Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = storage
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        out = model(torch.zeros(batch, in_features, requires_grad=True))
    del out
    return sum(storage.nbytes() for storage in seen.values())


def _draw(rng: np.random.Generator) -> Case:
    layers: list[tuple] = []
    for _ in range(int(rng.integers(1, 9))):
        kind = str(rng.choice(["linear", "linear", "linear", "dropout", *ACTIVATIONS]))
        layers.append(("linear", int(rng.integers(1, 60))) if kind == "linear" else
                      ("dropout", 0.25) if kind == "dropout" else (kind,))
    return Case(layers, int(rng.integers(1, 40)), int(rng.integers(1, 60)))


saved_bytes = Exercise(
    id="05.saved_bytes", points=4, difficulty=2, minutes=15, idea="what the backward pass needs is kept, once",
    reference=chain_memory.saved_bytes,
    cases=[Case([("linear", 200), ("relu",), ("linear", 50)], 32, 100),
           Case([("linear", 6), ("dropout", 0.1), ("linear", 4)], 8, 10),
           Case([("linear", 64), ("tanh",)], 16, 32)],
    hidden=[
        Case([("relu",), ("linear", 5)], 3, 7), Case([("linear", 5)], 3, 7), Case([("sigmoid",)], 3, 7),
        Case([("dropout", 0.5)], 2, 9), Case([("linear", 8), ("linear", 3), ("relu",), ("relu",)], 4, 5),
        Case([("tanh",), ("dropout", 0.2), ("relu",), ("linear", 30), ("dropout", 0.2)], 5, 11),
        Case([("linear", 11), ("relu",), ("dropout", 0.3), ("linear", 2), ("sigmoid",), ("linear", 9)], 6, 4),
    ],
    draw=_draw, draws=30,
    misconceptions=[
        Misconception(
            "all_outputs", partial(_saved, everything=True, drop=""),
            "This adds up every tensor between the layers. But a linear layer does not need its own output, so that is kept "
            "only if the layer behind it asks for it. Go through the layers and note what each one needs.",
            "Not every output is kept.",
            also=(partial(_saved, everything=True), partial(_saved, everything=True, drop="", the_input=False),
                  partial(_saved, everything=True, the_input=False))),
        Misconception(
            "counted_twice", partial(_saved, shared=False),
            "An activation keeps its output, and the linear layer behind it keeps its input. That is one tensor with two "
            "readers, stored once. (If you took an activation's *input* instead, it gives this number too.)",
            "A tensor was counted twice.", also=(partial(_saved, keeps="input"),)),
        Misconception(
            "byte_mask", partial(_saved, mask_bytes=1),
            "A mask of one byte for each value is true of the fused kernel on a GPU. On the CPU the mask is a tensor of "
            "the same float type as the data.",
            "The dropout mask is wider."),
        Misconception(
            "no_mask", partial(_saved, drop=""),
            "To send gradients back through a dropout, one has to know which values were dropped. That is a tensor of its "
            "own.",
            "The dropout mask is missing."),
        Misconception(
            "dropout_output", partial(_saved, drop="output"),
            "A dropout keeps its mask, not its output. The output is kept only if the next layer needs it, and then it "
            "comes on top of the mask.",
            "A dropout keeps something else."),
        Misconception(
            "input_and_output", partial(_saved, keeps="both"),
            "You keep the input *and* the output of an activation. The derivatives of ReLU, tanh and sigmoid can be written "
            "with the output alone, so the input is free to go.",
            "An activation keeps one tensor."),
        Misconception(
            "counts_weights", partial(_saved, weights=True),
            "The weights were there before the forward pass, and they are counted with the model states. Saved activations "
            "come on top of them.",
            "Weights are not activations."),
        Misconception(
            "forgets_input", partial(_saved, the_input=False),
            "The first linear layer needs its input for the gradient of its weights, and that is the network's own input.",
            "The network's input is missing."),
        Misconception(
            "keeps_result", partial(_saved, the_output=True),
            "The network's result was counted although its last layer does not keep it. It is kept only if that layer is "
            "an activation.",
            "The last output is not always kept."),
    ],
    alternatives=[_saved, _backwards, _asks_torch],
    hints=(
        "Name the tensors: t0 is the input, t1 comes out of the first layer, and so on. Which layer needs which of them?",
        "Collect what is kept in a set of positions, so that a tensor with two readers is there once. Masks are extra.",
        "A layer keeps position i (its input) or position i + 1 (its output). Widths change in linear layers only.",
    ),
    time_limit_s=20,
    worth_knowing="Linear and ReLU together store one tensor, not two. That is why counting all layer outputs overestimates.",
)
