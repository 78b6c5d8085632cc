"""Exercise 35.compose_transposes: Transposes in a row are one, or none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.graphs import simplify

from ...exercise import Case, Exercise, Misconception

Perm = tuple[int, ...]


def _refuse(perms: list[Perm]) -> None:
    if any(sorted(p) != list(range(len(p))) or len(p) != len(perms[0]) for p in perms):
        raise ValueError("not permutations of one rank")


def _chained(step: Callable[[Perm, Perm], Perm], check: bool = True, finish: Callable = lambda p: p) -> Callable:
    """An answer that joins two permutations at a time by `step`."""

    def answer(perms: list[Perm]) -> Perm | None:
        if check:
            _refuse(perms)
        if not perms:
            return None
        joined = tuple(perms[0])
        for p in perms[1:]:
            joined = step(joined, p)
        joined = finish(tuple(joined))
        return None if joined == tuple(range(len(joined))) else joined

    return answer


def _then(p: Perm, q: Perm) -> Perm:
    return tuple(p[a] for a in q)


def _inverse(p: Perm) -> Perm:
    return tuple(sorted(range(len(p)), key=p.__getitem__))


def _both(*arguments, **options) -> list[Callable]:
    return [_chained(*arguments, check=check, **options) for check in (True, False)]


def _pairs_vanish(perms: list[Perm]) -> Perm | None:
    """Any two Transposes in a row cancel."""
    _refuse(perms)
    return _chained(_then)(perms[-1:]) if len(perms) % 2 else None


def _equal_pairs_vanish(perms: list[Perm]) -> Perm | None:
    """The same permutation twice cancels, whichever it is."""
    _refuse(perms)
    left: list[Perm] = []
    for p in perms:
        if left and left[-1] == p:
            left.pop()
        else:
            left.append(p)
    return _chained(_then)(left)


def _identity_returned(perms: list[Perm]) -> Perm | None:
    _refuse(perms)
    joined = perms[0] if perms else ()
    for p in perms[1:]:
        joined = _then(joined, p)
    return tuple(joined) if perms else None


def _empty_tuple(perms: list[Perm]) -> Perm | None:
    return () if not perms else _chained(_then)(perms)


def _first_missing(perms: list[Perm]) -> Perm | None:
    if not perms:
        raise IndexError("list index out of range")
    return _chained(_then)(perms)


# --- right answers ------------------------------------------------------------------------------


def _by_labels(perms: list[Perm]) -> Perm | None:
    """Sizes that name the axes, carried through np.transpose."""
    _refuse(perms)
    if not perms:
        return None
    labelled = np.zeros(tuple(range(1, len(perms[0]) + 1)))
    for p in perms:
        labelled = np.transpose(labelled, p)
    found = tuple(size - 1 for size in labelled.shape)
    return None if found == tuple(range(len(found))) else found


def _by_matrices(perms: list[Perm]) -> Perm | None:
    _refuse(perms)
    if not perms:
        return None
    product = np.eye(len(perms[0]), dtype=int)
    for p in perms:
        product = np.eye(len(p), dtype=int)[list(p)] @ product
    found = tuple(int(i) for i in product.argmax(axis=1))
    return None if found == tuple(range(len(found))) else found


def _recursive(perms: list[Perm]) -> Perm | None:
    _refuse(perms)
    if not perms:
        return None
    *rest, last = perms
    before = _recursive(rest) or tuple(range(len(last)))
    found = tuple(before[a] for a in last)
    return None if all(i == a for i, a in enumerate(found)) else found


def _draw(rng: np.random.Generator) -> Case:
    rank = int(rng.choice([2, 3, 4, 5], p=[0.1, 0.4, 0.4, 0.1]))
    perms = [tuple(int(a) for a in rng.permutation(rank)) for _ in range(int(rng.integers(1, 5)))]
    if rng.random() < 0.25:
        perms.append(_inverse(_identity_returned(perms)))
    return Case(perms)


compose_transposes = Exercise(
    id="35.compose_transposes", points=2, difficulty=2, minutes=8, idea="permutations compose, and order matters",
    reference=simplify.compose_transposes,
    cases=[Case([(1, 2, 0), (1, 2, 0)]), Case([(0, 2, 3, 1), (0, 3, 1, 2)]), Case([(0, 2, 1), (1, 2, 0)])],
    hidden=[Case([]), Case([(0, 1, 2)]), Case([(1, 0)]), Case([(0, 2, 3, 1), (0, 2, 3, 1)]), Case([(0,)]),
            Case([(2, 0, 1), (2, 0, 1), (2, 0, 1)]), Case([(0, 3, 1, 2), (0, 2, 3, 1), (0, 1, 3, 2)])],
    draw=_draw, pure=True,
    raises=[Case([(0, 0)]), Case([(1, 2)]), Case([(0, 1), (0, 1, 2)]), Case([(0, 1, 2), (0, -2, -1)]), Case([(0, 1), (1, 1)]),
            Case([(1, 0), (0, 2)])],
    misconceptions=[
        Misconception(
            "other_order", _chained(lambda p, q: tuple(q[a] for a in p)),
            "You look up in the wrong order. Axis i of the last result is axis q[i] of the result before it. And where does "
            "that axis come from? For permutations that are their own inverse both orders agree, so try (1, 2, 0).",
            "Order matters.", also=[*_both(lambda p, q: tuple(q[a] for a in p)),
                                    lambda perms: _chained(_then)(perms[::-1])]),
        Misconception(
            "equal_ones_cancel", _equal_pairs_vanish,
            "A permutation twice is not always nothing: NHWC is (0, 2, 3, 1), and the way back is (0, 3, 1, 2). Only swaps "
            "are their own inverse.",
            "Twice the same need not cancel."),
        Misconception(
            "any_two_cancel", _pairs_vanish,
            "You drop two Transposes in a row without looking at what they do. Compose them first; only if the result is "
            "the identity may they go.",
            "Not every pair cancels."),
        Misconception(
            "inverse", _chained(_then, finish=_inverse),
            "You return the permutation that leads back. Check with an array: `x.transpose(result)` must be what the chain "
            "gives.",
            "That is the way back.", also=_both(_then, finish=_inverse)),
        Misconception(
            "identity_as_tuple", _identity_returned,
            "When the Transposes undo each other you return (0, 1, 2, …). Asked is None, which says that the node can go.",
            "The identity is None."),
        Misconception(
            "empty_list", _first_missing,
            "No Transposes at all change nothing. That is None, as for the identity.",
            "An empty list is allowed.", also=(_empty_tuple,)),
        Misconception(
            "anything_goes", _chained(_then, check=False),
            "You compose what is no permutation. Each tuple must hold 0, 1, …, rank − 1 once each, and all must have the "
            "same rank.",
            "Bad input gets through."),
    ],
    alternatives=[_by_labels, _by_matrices, _recursive],
    hints=(
        "Two Transposes p, then q. Axis i of the result is axis q[i] of the middle, and that one is axis p[q[i]] of the input.",
        "Start with (0, 1, 2, …) and take in one permutation after the other.",
        "A tuple is a permutation if `sorted(p) == list(range(len(p)))`.",
    ),
    worth_knowing="Exporters put such pairs around every layer when one framework keeps NHWC and the other NCHW.",
)
