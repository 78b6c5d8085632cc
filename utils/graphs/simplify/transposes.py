"""Transposes in a row are one Transpose, or none."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import ModelProto, NodeProto, helper

from utils.graphs.simplify.rewriting import (
    PassResult,
    Renames,
    attribute,
    copy_of,
    is_standard,
    producers,
    tensor_types,
)


def compose_transposes(perms: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    """The one permutation that does what the Transposes in `perms` do one after another; None if that is nothing.

    As in np.transpose: axis i of the result is axis perm[i] of the input. None for an empty list too. Raises
    ValueError for what is no permutation of 0, 1, ..., and for different ranks.

    >>> compose_transposes([(1, 2, 0), (1, 2, 0)])
    (2, 0, 1)
    """
    for perm in perms:
        if sorted(perm) != list(range(len(perm))) or len(perm) != len(perms[0]):
            raise ValueError(f"perms must be permutations of one rank, got {perms}")
    if not perms:
        return None
    composed: Sequence[int] = range(len(perms[0]))
    for perm in perms:
        composed = [composed[axis] for axis in perm]
    return None if list(composed) == list(range(len(composed))) else tuple(composed)


def cancel_transposes(model: ModelProto) -> PassResult:
    """Compose each Transpose with the one that it reads, and drop it where the two undo each other."""
    model = copy_of(model)
    types, made_by = tensor_types(model), producers(model.graph)
    renames, removed, changes = Renames(model.graph), [], 0
    for node in model.graph.node:
        before = made_by.get(node.input[0]) if is_standard(node, "Transpose") else None
        if before is None or not is_standard(before, "Transpose"):
            continue
        perms = [_perm(before, types), _perm(node, types)]
        if None in perms:
            continue
        composed = compose_transposes(perms)
        if composed is not None:
            _set_perm(node, before.input[0], composed)
        elif renames.bypass(node.output[0], before.input[0]):
            removed.append(node)
        else:
            continue
        changes += 1
    renames.apply(removed)
    return PassResult(model, changes)


def _perm(node: NodeProto, types) -> tuple[int, ...] | None:
    """The node's permutation; without the attribute the axes are reversed, for which the rank must be known."""
    perm = attribute(node, "perm")
    if perm is not None:
        return tuple(perm)
    known = types.get(node.input[0])
    return None if known is None or known.dims is None else tuple(range(len(known.dims)))[::-1]


def _set_perm(node: NodeProto, source: str, perm: tuple[int, ...]) -> None:
    node.input[0] = source
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("perm", list(perm)))
