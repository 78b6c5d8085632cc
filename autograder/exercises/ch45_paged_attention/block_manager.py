"""Exercise 45.BlockManager: reference counts and copy-on-write."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, count
from math import ceil
from typing import Any

import numpy as np

from utils.attention import block_manager

from ...compare import brief, exact, prop
from ...exercise import Case, Exercise, Misconception
from .blocks import Blocks


class _CopiesOnFork(Blocks):
    """A child gets copies of all blocks."""

    def fork(self, parent: str, child: str) -> None:
        length = self.lengths[parent]
        self.new(child)
        self.add(child, length)


class _CopiesTailOnFork(Blocks):
    """Full blocks are shared, the partly filled one is copied at once."""

    def fork(self, parent: str, child: str) -> None:
        super().fork(parent, child)
        if self.must_copy(child):
            tail = self.tables[child][-1]
            try:
                self.tables[child][-1] = self.take()
            except MemoryError:
                self.free(child)
                raise
            self.drop(tail)


class _EveryoneCopies(Blocks):
    """Whoever took part in a fork copies at the next write, the last owner too."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        super().__init__(num_blocks, block_size)
        self.forked: set[str] = set()

    def fork(self, parent: str, child: str) -> None:
        super().fork(parent, child)
        self.forked |= {parent, child}

    def must_copy(self, seq: str) -> bool:
        return seq in self.forked and self.lengths[seq] % self.size > 0

    def append(self, seq: str) -> tuple[int, int] | None:
        event = super().append(seq)
        self.forked.discard(seq)
        return event

    def free(self, seq: str) -> None:
        super().free(seq)
        self.forked.discard(seq)


class _KeepsTheOldReference(Blocks):
    """A copy takes a new block but does not give up the old one, so the last owner still finds it shared."""

    def append(self, seq: str) -> tuple[int, int] | None:
        copies = self.tables[seq] and self.must_copy(seq)
        event = super().append(seq)
        if copies and event:
            self.refs[event[0]] += 1
        return event


class _FreesShared(Blocks):
    """free() returns all blocks of the sequence, whoever else reads them."""

    def free(self, seq: str) -> None:
        self.pool += self.tables.pop(seq)
        del self.lengths[seq]


class _FreesSharedOnce(Blocks):
    """The same with a pool that holds no block twice."""

    def free(self, seq: str) -> None:
        self.pool += [block for block in self.tables.pop(seq) if block not in self.pool]
        del self.lengths[seq]


class _CopiesFullTails(Blocks):
    """A shared tail is copied even when it is full."""

    def append(self, seq: str) -> tuple[int, int] | None:
        table, event = self.tables[seq], None
        full = self.lengths[seq] % self.size == 0
        shared = bool(table) and self.refs[table[-1]] > 1
        self.room(full + shared)
        if shared:
            event = (table[-1], self.take())
            self.drop(table[-1])
            table[-1] = event[1]
        if full:
            table.append(self.take())
        self.lengths[seq] += 1
        return event


class _CopiesFullTailsAtOnce(Blocks):
    """The same, but the copy is taken for the new block as well (nothing is appended)."""

    def append(self, seq: str) -> tuple[int, int] | None:
        table = self.tables[seq]
        if table and self.refs[table[-1]] > 1:
            event = (table[-1], self.take())
            self.drop(table[-1])
            table[-1] = event[1]
            self.lengths[seq] += 1
            return event
        return super().append(seq)


class _LeavesHalf(Blocks):
    """add() takes blocks one by one and finds out too late."""

    def add(self, seq: str, n_tokens: int) -> None:
        self.new(seq)
        self.tables[seq], self.lengths[seq] = [], n_tokens
        for _ in range(ceil(n_tokens / self.size)):
            self.tables[seq].append(self.take())


class _LosesBlocks(Blocks):
    """add() takes blocks one by one, and those taken before the error are lost."""

    def add(self, seq: str, n_tokens: int) -> None:
        self.new(seq)
        self.tables[seq] = [self.take() for _ in range(ceil(n_tokens / self.size))]
        self.lengths[seq] = n_tokens


class _DropsBeforeItTakes(Blocks):
    """append() gives up the shared tail and then finds no block for the copy."""

    def append(self, seq: str) -> tuple[int, int] | None:
        if self.tables[seq] and self.must_copy(seq) and not self.pool:
            self.drop(self.tables[seq].pop())
            raise MemoryError("no free block")
        return super().append(seq)


class _CountsBeforeItTakes(Blocks):
    """append() counts the token and then finds no block for it."""

    def append(self, seq: str) -> tuple[int, int] | None:
        try:
            return super().append(seq)
        except MemoryError:
            self.lengths[seq] += 1
            raise


class _NeverCopies(Blocks):
    """A shared tail is written in place."""

    def must_copy(self, seq: str) -> bool:
        return False


class _OneList(Blocks):
    """Parent and child have the same list object as their table."""

    def fork(self, parent: str, child: str) -> None:
        super().fork(parent, child)
        self.tables[child] = self.tables[parent]


class _OwnerSets:
    """For every block the set of its owners; no counts."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.size, self.owners = block_size, {100 + 7 * i: set() for i in range(num_blocks)}
        self.seqs: dict[str, tuple[tuple[int, ...], int]] = {}

    def _free_blocks(self, needed: int) -> tuple[int, ...]:
        found = tuple(block for block, owners in self.owners.items() if not owners)
        if len(found) < needed:
            raise MemoryError("the pool is exhausted")
        return found[:needed]

    def _store(self, seq: str, table: tuple[int, ...], length: int) -> None:
        for block, owners in self.owners.items():
            owners.discard(seq)
            if block in table:
                owners.add(seq)
        self.seqs[seq] = table, length

    def add(self, seq: str, n_tokens: int) -> None:
        if seq in self.seqs:
            raise ValueError(f"{seq} is there already")
        self._store(seq, self._free_blocks(-(-n_tokens // self.size)), n_tokens)

    def append(self, seq: str) -> list[int] | None:
        table, length = self.seqs[seq]
        if length == self.size * len(table):
            self._store(seq, table + self._free_blocks(1), length + 1)
            return None
        if self.owners[table[-1]] == {seq}:
            self.seqs[seq] = table, length + 1
            return None
        (new,) = self._free_blocks(1)
        self._store(seq, (*table[:-1], new), length + 1)
        return [table[-1], new]

    def fork(self, parent: str, child: str) -> None:
        table, length = self.seqs[parent]
        if child in self.seqs:
            raise ValueError(f"{child} is there already")
        self._store(child, table, length)

    def free(self, seq: str) -> None:
        self._store(seq, (), self.seqs[seq][1])
        del self.seqs[seq]

    def num_free(self) -> int:
        return sum(not owners for owners in self.owners.values())

    def table(self, seq: str) -> tuple[int, ...]:
        return self.seqs[seq][0]


class _FreshIds:
    """Block ids are never used twice; what is free is only a number."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.limit, self.size, self.ids, self.tables, self.lengths = num_blocks, block_size, count(1), {}, {}

    def num_free(self) -> int:
        return self.limit - len(set(chain.from_iterable(self.tables.values())))

    def _fresh(self, n: int) -> list[int]:
        if n > self.num_free():
            raise MemoryError
        return [next(self.ids) for _ in range(n)]

    def _unused(self, seq: str) -> None:
        if seq in self.tables:
            raise ValueError(seq)

    def add(self, seq: str, n_tokens: int) -> None:
        self._unused(seq)
        self.tables[seq], self.lengths[seq] = self._fresh((n_tokens + self.size - 1) // self.size), n_tokens

    def append(self, seq: str) -> tuple[int, int] | None:
        table, place = self.tables[seq], self.lengths[seq] % self.size
        event = None
        if place == 0:
            table += self._fresh(1)
        elif sum(table[-1] in other for other in self.tables.values()) > 1:
            event = (table[-1], *self._fresh(1))
            table[-1] = event[1]
        self.lengths[seq] += 1
        return event

    def fork(self, parent: str, child: str) -> None:
        table = self.tables[parent].copy()
        self._unused(child)
        self.tables[child], self.lengths[child] = table, self.lengths[parent]

    def free(self, seq: str) -> None:
        del self.tables[seq], self.lengths[seq]

    def table(self, seq: str) -> list[int]:
        return self.tables[seq]


def _step_text(step: Sequence) -> str:
    name, *args = step
    return f"{name}({', '.join(map(repr, args))})"


def _same_story(case: Case, expected: list[dict], got: list[dict]) -> str | None:
    """The first step after which two traces differ, in words."""
    if len(got) != len(expected):
        return f"the trace has {len(got)} steps, expected {len(expected)}"
    for i, (step, e, g) in enumerate(zip(case.kwargs["script"], expected, got), 1):
        where = f"step {i}, {_step_text(step)}: "
        if exact()(e["did"], g["did"]):
            return where + _did_differs(step[0], e["did"], g["did"])
        if exact()(e["free"], g["free"]):
            told = f"num_free() raised {g['free']}" if isinstance(g["free"], str) else f"{brief(g['free'])} free blocks"
            return where + f"{told}, expected {e['free']}"
        for seq, blocks in e["tables"].items():
            if exact()(blocks, g["tables"].get(seq)):
                return where + _table_differs(seq, blocks, g["tables"].get(seq))
    return None


def _did_differs(name: str, e: Any, g: Any) -> str:
    errors = ("KeyError", "ValueError", "MemoryError")
    if isinstance(g, str) and g != "ok":
        return f"raised {g}" + (f", expected {e}" if e in errors else "")
    if e in errors:
        return f"no {e}"
    if isinstance(e, list) and isinstance(g, list):
        return "the pair is (new, old), expected (old, new)" if g == e[::-1] else "copied, but between other blocks than expected"
    told = {True: "a copy (old, new)", False: "no copy (None)"}
    return f"{told[isinstance(g, list)] if g is None or isinstance(g, list) else brief(g)}, expected {told[isinstance(e, list)]}"


def _table_differs(seq: str, e: Any, g: Any) -> str:
    if isinstance(e, str):
        return f"{seq!r} is unknown now, so table({seq!r}) must raise {e}"
    if isinstance(g, str):
        return f"table({seq!r}) raised {g}"
    if len(e) != len(g):
        return f"the table of {seq!r} has {len(g)} blocks, expected {len(e)}"
    return f"the table of {seq!r} does not hold the blocks it should: some are shared, or changed, that should not be"


def _show_story(told: Any) -> str:
    free = [str(step["free"]) for step in told]
    return "free: " + " ".join(free[:16]) + (" …" if len(free) > 16 else "")


def _draw_trace(rng: np.random.Generator, steps: int = 300) -> Case:
    """A random script without a wrong id; some pools are so small that they run out of blocks."""
    blocks, size = int(rng.integers(4, 25)), int(rng.integers(1, 6))
    manager, script, names = block_manager.BlockManager(blocks, size), [], "abcdefgh"
    while len(script) < steps:
        live = manager.sequences()
        idle = [name for name in names if name not in live]
        kind = rng.choice(["add", "append", "fork", "free"], p=[0.1, 0.62, 0.15, 0.13])
        if (kind != "add" and not live) or (kind in ("add", "fork") and not idle):
            continue
        seq, other = str(rng.choice(live or [""])), str(rng.choice(idle or [""]))
        step = {"add": ["add", other, int(rng.integers(0, 3 * size + 1))], "append": ["append", seq],
                "fork": ["fork", seq, other], "free": ["free", seq]}[kind]
        script.append(step)
        with suppress(MemoryError):
            getattr(manager, step[0])(*step[1:])
    return Case(init=[blocks, size], script=script, label=f"{steps} random steps on {blocks} blocks of {size}")


def _script(text: str) -> list[list]:
    """"add a 6; fork a b" as steps."""
    return [[int(word) if word.isdigit() else word for word in step.split()] for step in text.split(";")]


def _trace_case(blocks: int, size: int, text: str, label: str = "") -> Case:
    return Case(init=[blocks, size], script=_script(text), label=label and f"{label}: BlockManager({blocks}, {size}), {text}")


def _refusal(error: str, text: str) -> Case:
    return Case(init=[6, 4], script=_script(text), error=error, probe="ch45_paged_attention.last",
                label=f"BlockManager(6, 4), {text}", compare=exact())


block_manager_exercise = Exercise(
    id="45.BlockManager", points=6, difficulty=3, minutes=40, idea="reference counts and copy-on-write",
    reference=block_manager.BlockManager, probe="ch45_paged_attention.trace",
    cases=[
        _trace_case(6, 4, "add a 6; fork a b; append a; append b; free a; free b", "the example"),
        _trace_case(6, 4, "add a 8; fork a b; append a; append b; free a; append b", "a fork at a block boundary"),
        _trace_case(3, 2, "add a 3; fork a b; append a; append a; append b; append b; add c 3; free a; append b; add c 3",
                    "a pool that runs out"),
    ],
    hidden=[
        _trace_case(8, 4, "add a 6; fork a b; fork a c; append b; append c; append a; append a; append a; free b; free c; free a",
                    "three owners"),
        _trace_case(4, 4, "add a 6; fork a b; free a; append b; append b; append b; free b; add a 16", "the parent leaves first"),
        _trace_case(3, 4, "add a 0; table a; fork a b; append a; append b; free a; free b", "no tokens at first"),
        _trace_case(4, 1, "add a 2; fork a b; append a; append b; append a; free a; append b; append b", "blocks of one slot"),
        _trace_case(5, 4, "add a 8; add b 17; append a; add b 12; append a; free b; append a; free a; add b 17", "a block too few"),
        _trace_case(2, 4, "add a 6; fork a b; append a; append b; free b; append a; append a; append a", "no block for a copy"),
        _trace_case(6, 4, "add a 6; add a 2; fork a a; append x; fork x b; free x; table x; append a; free a; free a; add a 3",
                    "wrong ids change nothing"),
        _trace_case(4, 2, "add a 3; fork a b; fork b c; append c; append c; free b; append a; free c; append a; free a", "a fork of a fork"),
    ],
    draw=_draw_trace, draws=10,
    raises=[_refusal("ValueError", "add a 6; add a 2"), _refusal("ValueError", "add a 6; add b 2; fork a b"),
            _refusal("KeyError", "append a"), _refusal("KeyError", "fork a b"), _refusal("KeyError", "free a"),
            _refusal("KeyError", "table a"), _refusal("KeyError", "add a 6; free a; append a"),
            _refusal("MemoryError", "add a 25"), _refusal("MemoryError", "add a 24; append a")],
    compare=prop(_same_story, same=exact()), show=_show_story,
    misconceptions=[
        Misconception(
            "copies_on_fork", _CopiesOnFork,
            "Your fork takes new blocks. A fork moves no keys and values: the child's table names the parent's blocks, and every one of them has "
            "one owner more. When does the first copy become necessary?",
            "Your fork copies.", also=(_CopiesTailOnFork,)),
        Misconception(
            "everyone_copies", _EveryoneCopies,
            "Both owners of a shared tail copy it. When the first has moved to its copy, the other is the only one left: it writes in place. n "
            "owners make n − 1 copies. Which number tells you that a block has one owner?",
            "The last owner copies too.", also=(_KeepsTheOldReference,)),
        Misconception(
            "frees_shared", _FreesShared,
            "free returns blocks to the pool that a sibling still reads. The next sequence would get them and overwrite them. A block is free "
            "when its last owner has left.",
            "Shared blocks are freed.", also=(_FreesSharedOnce,)),
        Misconception(
            "copies_full_tail", _CopiesFullTails,
            "A shared tail is copied although it is full. The next token goes into a new block, and nobody writes to a full block again: it can "
            "stay shared for good.",
            "Full blocks are copied.", also=(_CopiesFullTailsAtOnce,)),
        Misconception(
            "not_atomic", _LosesBlocks,
            "A call that raises MemoryError has changed something: blocks are gone, a table is half built, or a length has grown. Find out how many blocks the "
            "whole call needs, and compare with what is free, before you change anything.",
            "A failed call leaves traces.", also=(_LeavesHalf, _DropsBeforeItTakes, _CountsBeforeItTakes)),
        Misconception(
            "never_copies", _NeverCopies,
            "Two sequences write to the same partly filled block, so each overwrites the other's newest token. Before you write, ask how many "
            "sequences read this block.",
            "A shared block is written."),
        Misconception(
            "one_list", _OneList,
            "Parent and child have one list object as their table, so what one appends the other gets too. They share blocks, not the list that names "
            "them.",
            "Two sequences share one table."),
    ],
    alternatives=[Blocks, _OwnerSets, _FreshIds],
    hints=(
        "Keep three things: the free blocks, how many tables name each block, and for each sequence its table and its length.",
        "append has three cases: the tail is full (or there is none) → a new block; the tail is partly filled and shared → a copy; else only "
        "the length grows.",
        "For a copy: take the new block first (it may raise), then lower the old block's count, then replace the last entry of the table.",
    ),
    worth_knowing="The paper builds parallel sampling, beam search and prefix sharing from the same three: fork, append and free.",
)
