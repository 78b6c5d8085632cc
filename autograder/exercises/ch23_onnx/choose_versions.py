"""Exercise 23.choose_versions: the opset and the IR version to export with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.graphs import versions

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

TABLE = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
OPS = {"Conv": 11, "Gelu": 20}
# No name is part of another one, so that a message names one of them only.
NAMES = ["Attention", "Conv", "Gelu", "LayerNormalization", "Relu", "Softmax", "TopK", "Where"]
Ops = dict[str, int]
Table = dict[int, int]


def _within(max_opset: int, max_ir: int, table: Table) -> list[int]:
    return sorted(o for o, ir in table.items() if o <= max_opset and ir <= max_ir)


def _answer(pick: Callable[[Ops, int, int, Table], int | None], first: Callable[[list[str], Ops], str] = lambda young, ops: min(young),
            check: bool = True, young_from: int = 1, result: Callable[[int, Table], tuple] = lambda o, table: (o, table[o])) -> Callable:
    """An answer with a rule for the opset, one for the operator that is named, and one for what is returned."""

    def answer(ops: Ops, max_opset: int, max_ir: int, ir_for_opset: Table) -> tuple:
        opset = pick(ops, max_opset, max_ir, ir_for_opset)
        if opset is None:
            raise ValueError("nothing within the limits")
        young = [op for op in ops if ops[op] >= opset + young_from]
        if check and young:
            raise ValueError(first(young, ops))
        return result(opset, ir_for_opset)

    return answer


def _highest(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    return max(_within(max_opset, max_ir, table), default=None)


def _lowest_sufficient(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    """The lowest that holds all operators; the highest where none does, so that the refusal follows."""
    fits = _within(max_opset, max_ir, table)
    enough = [o for o in fits if o >= max(ops.values(), default=0)]
    return enough[0] if enough else fits[-1] if fits else None


def _lowest(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    return min(_within(max_opset, max_ir, table), default=None)


def _without_ir(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    return max((o for o in table if o <= max_opset), default=None)


def _refuses_by_ir(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    """Takes the highest opset and refuses if its IR is too new, instead of looking lower."""
    opset = _without_ir(ops, max_opset, max_ir, table)
    return opset if opset is not None and table[opset] <= max_ir else None


def _without_opset(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    return max((o for o, ir in table.items() if ir <= max_ir), default=None)


def _newest_operator(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    """The opset of the newest operator, whatever the limits."""
    return min((o for o in table if o >= max(ops.values(), default=0)), default=None)


def _exactly_the_newest(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    newest = max(ops.values(), default=0)
    return newest if newest in table else None


def _confused(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    return max((o for o in table if o <= min(max_opset, max_ir)), default=None)


def _limit_itself(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    """Takes max_opset although the table may not have it."""
    return max_opset


def _exclusive(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    return max((o for o, ir in table.items() if o < max_opset and ir < max_ir), default=None)


def _first_of_the_ir(ops: Ops, max_opset: int, max_ir: int, table: Table) -> int | None:
    """The newest IR, and the oldest opset that has it."""
    fits = _within(max_opset, max_ir, table)
    return min((o for o in fits if table[o] == table[fits[-1]]), default=None) if fits else None


def _ir_or_limit(opset: int, table: Table) -> tuple:
    return opset, table.get(opset, max(table.values(), default=0))


# --- right answers ------------------------------------------------------------------------------


def _walk_down(ops: Ops, max_opset: int, max_ir: int, ir_for_opset: Table) -> tuple[int, int]:
    for opset in range(max_opset, 0, -1):
        if ir_for_opset.get(opset, max_ir + 1) <= max_ir:
            for op, since in sorted(ops.items()):
                if since > opset:
                    raise ValueError(f"{op} needs opset {since}; {opset} is the highest possible")
            return opset, ir_for_opset[opset]
    raise ValueError("no opset of the table lies within the limits")


def _sorted_pairs(ops: Ops, max_opset: int, max_ir: int, ir_for_opset: Table) -> tuple[int, int]:
    pairs = [(o, ir) for o, ir in sorted(ir_for_opset.items()) if o <= max_opset and ir <= max_ir]
    if len(pairs) == 0:
        raise ValueError("limits too low")
    best = pairs.pop()
    late = sorted(filter(lambda op: ops[op] > best[0], ops))
    if late:
        raise ValueError(", ".join(late))
    return best


def _with_numpy(ops: Ops, max_opset: int, max_ir: int, ir_for_opset: Table) -> list[int]:
    table = np.array(sorted(ir_for_opset.items()), int).reshape(-1, 2)
    table = table[(table <= [max_opset, max_ir]).all(axis=1)]
    if not table.size:
        raise ValueError("none")
    opset, ir = table[-1].tolist()
    for op in sorted(ops):
        if opset < ops[op]:
            raise ValueError(op)
    return [opset, ir]


# --- inputs -------------------------------------------------------------------------------------


def _table(rng: np.random.Generator) -> Table:
    """A table with gaps, in no order; IR versions never fall."""
    opsets = sorted(int(o) for o in rng.choice(np.arange(7, 29), int(rng.integers(1, 9)), replace=False))
    ir, table = int(rng.integers(3, 6)), {}
    for opset in opsets:
        ir += int(rng.integers(0, 3))
        table[opset] = ir
    return {o: table[o] for o in rng.permutation(opsets).tolist()}


def _draw(rng: np.random.Generator) -> Case:
    """Limits that leave an opset, and operators that fit it."""
    table = _table(rng)
    best = int(rng.choice(list(table)))
    max_opset = best + int(rng.integers(0, 4))
    max_ir = table[best] + int(rng.integers(0, 3))
    opset = max(_within(max_opset, max_ir, table))
    names = [str(n) for n in rng.permutation(NAMES)[: int(rng.integers(0, 5))]]
    return Case({name: int(rng.integers(1, opset + 1)) for name in names}, max_opset, max_ir, table)


choose_versions = Exercise(
    id="23.choose_versions", points=3, difficulty=2, minutes=5, idea="two limits at once, and the operators as a floor",
    reference=versions.choose_versions,
    cases=[Case(OPS, 20, 9, TABLE), Case(OPS, 19, 9, TABLE, error="ValueError", word="Gelu")],
    hidden=[Case(OPS, 28, 9, TABLE), Case(OPS, 20, 14, TABLE), Case(OPS, 28, 14, TABLE), Case({}, 18, 8, TABLE), Case({}, 17, 14, TABLE),
            Case({"Conv": 11}, 21, 8, TABLE), Case({"Conv": 11}, 26, 13, {12: 7, 28: 14, 20: 9}), Case({"Gelu": 20}, 20, 9, {20: 9}),
            Case({"Conv": 11}, 19, 10, {21: 10, 15: 8, 13: 7})],
    draw=_draw, draws=40, compare=exact(), pure=True,
    raises=[Case({}, 16, 14, TABLE), Case({}, 28, 7, TABLE), Case(OPS, 28, 14, {}),
            Case({"Where": 19, "Gelu": 20, "Attention": 18, "Relu": 14}, 17, 8, TABLE, word="Attention"),
            Case({"Where": 21, "TopK": 20}, 28, 9, TABLE, word="Where"), Case({"TopK": 24, "Softmax": 22}, 21, 10, TABLE, word="Softmax")],
    misconceptions=[
        Misconception(
            "lowest_sufficient", _answer(_lowest_sufficient),
            "You take the lowest opset that is enough for all operators. It would run as well. Asked is the highest within the limits: newer definitions need "
            "fewer workarounds, and exporters are tested with them.",
            "The lowest also runs.", also=(_answer(_lowest),)),
        Misconception(
            "ir_ignored", _answer(_without_ir),
            "You look at the opset's limit alone. The file is refused for its IR version before any operator is looked at: an opset whose IR is too new "
            "does not count.",
            "The IR version is a limit too."),
        Misconception(
            "gives_up_at_ir", _answer(_refuses_by_ir),
            "The IR version of the highest opset is too new, and you give up. An older opset of the table may fit both limits.",
            "Look further down."),
        Misconception(
            "opset_ignored", _answer(_without_opset),
            "You look at the IR version's limit alone. Several opsets share one IR version, and the runtime may know only some of them.",
            "The opset is a limit too."),
        Misconception(
            "newest_operator", _answer(_newest_operator),
            "You take the highest opset that an operator needs, whatever the runtime can load. The operators are a floor; the limits of the runtime are "
            "the ceiling.",
            "The operators are only the floor.", also=(_answer(_exactly_the_newest),)),
        Misconception(
            "opset_is_ir", _answer(_confused),
            "You hold the IR limit against the opset. They are two counters: opset 20 came with IR version 9. The table translates.",
            "Opset and IR are two numbers."),
        Misconception(
            "not_in_table", _answer(_limit_itself, result=_ir_or_limit),
            "You take `max_opset` itself. Only opsets of the table count, and their IR has to fit.",
            "Only what the table has.", also=(_answer(_limit_itself),)),
        Misconception(
            "limits_exclusive", _answer(_exclusive),
            "An opset or IR version at its limit is left out. The limits are the highest that the runtime loads: they are allowed.",
            "The limit is allowed."),
        Misconception(
            "oldest_of_the_ir", _answer(_first_of_the_ir),
            "Of the opsets that share the newest IR version you take the oldest. Asked is the highest opset.",
            "Several opsets share an IR."),
        Misconception(
            "swapped", _answer(_highest, result=lambda o, table: (table[o], o)),
            "You return (IR, opset). Asked is (opset, IR).",
            "The wrong way round."),
        Misconception(
            "operators_unchecked", _answer(_highest, check=False),
            "You do not look at the operators. One that needs a higher opset can't be written in this one.",
            "Operators set a floor."),
        Misconception(
            "same_age_refused", _answer(_highest, young_from=0),
            "You refuse an operator that needs exactly this opset. It has it: only a greater number is too much.",
            "The same opset is enough.", also=(_answer(lambda ops, mo, mi, t: max((o for o in _within(mo, mi, t) if o > max(ops.values(), default=0)), default=None)),)),
        Misconception(
            "another_operator_named", _answer(_highest, first=lambda young, ops: young[0]),
            "You name another operator than asked. Of those that do not fit it is the first in the alphabet, so that the message does not depend on the "
            "order of a dict.",
            "Which operator is named?", also=(_answer(_highest, first=lambda young, ops: max(young, key=ops.get)),
                                              _answer(_highest, first=lambda young, ops: min(ops)))),
    ],
    alternatives=[_answer(_highest), _walk_down, _sorted_pairs, _with_numpy],
    hints=(
        "Which opsets of the table lie within *both* limits? Look at the pairs `ir_for_opset.items()`.",
        "No pair left: ValueError. Otherwise the largest opset is the answer, if no operator needs more.",
        "Go through `sorted(ops)` and raise for the first with `ops[op] > opset`.",
    ),
    worth_knowing="The runtime's limits need not be looked up: one-node models of rising versions find them in a tenth of a second.",
)
