"""Vertical fusion: a layer and the one that reads its result become one kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from utils.engines.tensorrt_optimizer.layers import FusedLayer, Layer, consumers

Pattern = tuple[str, ...]

# What a convolution kernel can take along on its way out: the scale of a batch norm, another tensor, a Relu.
DEFAULT_PATTERNS: tuple[Pattern, ...] = (
    ("Conv", "BatchNormalization", "Add", "Relu"),
    ("Conv", "BatchNormalization", "Relu"),
    ("Conv", "BatchNormalization", "Add"),
    ("Conv", "Add", "Relu"),
    ("Conv", "BatchNormalization"),
    ("Conv", "Relu"),
    ("Conv", "Add"),
)


def fuse_vertical(
    layers: Sequence[Layer],
    outputs: Iterable[str],
    patterns: Sequence[Pattern] = DEFAULT_PATTERNS,
    admits: Callable[[tuple[Layer, ...]], bool] = lambda chain: True,
) -> list[FusedLayer]:
    """Chains of layers whose operators spell a pattern, the longest pattern first, from the first free layer on.

    Every tensor inside a chain has one reader (a layer that reads it twice is one) and is no graph output, so nobody
    misses it when it is never stored. `admits` may refuse a chain that the operators' names allow. Each layer stands
    in exactly one chain; chains come in the order of their first layers. Raises ValueError for a pattern of fewer
    than two operators.
    """
    for pattern in patterns:
        if len(pattern) < 2:
            raise ValueError(f"patterns must hold at least two operators each, got {pattern}")
    readers, kept = consumers(layers), set(outputs)
    by_length = sorted(patterns, key=len, reverse=True)
    taken: set[int] = set()
    fused = []
    for index in range(len(layers)):
        if index in taken:
            continue
        matches = (_match(index, pattern, layers, readers, kept, taken) for pattern in by_length)
        chains = (chain for chain in matches if chain and admits(tuple(layers[i] for i in chain)))
        chain = next(chains, [index])
        taken.update(chain)
        fused.append(FusedLayer(tuple(layers[i] for i in chain)))
    return fused


def _match(start: int, pattern: Pattern, layers: Sequence[Layer], readers: dict[str, list[int]], kept: set[str],
           taken: set[int]) -> list[int]:
    """Indices of the chain from `start` that spells `pattern`; empty if there is none."""
    if layers[start].op != pattern[0]:
        return []
    chain = [start]
    for op in pattern[1:]:
        tensor = layers[chain[-1]].output
        reading = readers.get(tensor, [])
        if tensor in kept or len(reading) != 1 or reading[0] in taken or layers[reading[0]].op != op:
            return []
        chain.append(reading[0])
    return chain


def fuse_chain(
    layers: list[tuple[str, str, list[str], str]], outputs: list[str], patterns: list[tuple[str, ...]]
) -> list[list[str]]:
    """Names of the layers (name, op, inputs, output) in groups: chains whose operators spell a pattern, or one layer.

    >>> fuse_chain([("c", "Conv", ["x"], "a"), ("r", "Relu", ["a"], "y")], ["y"], [("Conv", "Relu")])
    [['c', 'r']]
    """
    made = [Layer(name, op, tuple(inputs), output) for name, op, inputs, output in layers]
    return [[layer.name for layer in group.layers] for group in fuse_vertical(made, outputs, patterns)]
