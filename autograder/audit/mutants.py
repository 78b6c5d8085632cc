"""Mutants: small changes of a solution's syntax tree, which the checks have to notice."""

from __future__ import annotations

import ast
import copy
import multiprocessing as mp
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..exercise import Exercise
from ..judging import judge_answer, oracle_for, seed_for
from ..notebooks.master import Master
from ..probes.ask import answer_file, ask

MOST_PER_EXERCISE = 60
EQUIVALENCE_DRAWS = 1_000
EQUIVALENCE_LIMIT_S = 30.0
SILENCE_LIMIT_S = 90.0
_SWAPS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Div,), ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,), ast.MatMult: (ast.Mult,),
    ast.Lt: (ast.LtE,), ast.LtE: (ast.Lt,), ast.Gt: (ast.GtE,), ast.GtE: (ast.Gt,), ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,), ast.And: (ast.Or,), ast.Or: (ast.And,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}


@dataclass(frozen=True)
class Mutant:
    """One changed solution: where, what was there, what is there now, and the whole source."""

    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.before}  →  {self.after}"


@dataclass(frozen=True)
class Fate:
    """What became of a mutant: "killed", "equivalent" (same on all draws) or "escaped"."""

    mutant: Mutant
    fate: str
    draws: int = 0


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a solution cell, at most MOST_PER_EXERCISE (a seeded sample of them)."""
    tree = ast.parse(source)
    found, seen = [], {ast.unparse(tree)}
    for path, changed in _changes(tree):
        mutated = copy.deepcopy(tree)
        before = _replace(mutated, path, changed)
        text = ast.unparse(ast.fix_missing_locations(mutated))
        if text not in seen:
            seen.add(text)
            found.append(Mutant(getattr(before, "lineno", 0), ast.unparse(before)[:80],
                                ast.unparse(ast.fix_missing_locations(changed))[:80], text))
    if len(found) > MOST_PER_EXERCISE:
        found = sorted(random.Random(0).sample(found, MOST_PER_EXERCISE), key=lambda m: m.line)
    return found


def _changes(tree: ast.AST) -> Iterator[tuple[list, ast.AST]]:
    """(path to a node, its replacement) for every small change."""
    for path, node in _walk(tree, []):
        yield from ((path, new) for new in _variants(node))


def _walk(node: ast.AST, path: list) -> Iterator[tuple[list, ast.AST]]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if not isinstance(child, ast.AST) or _is_text(child) or isinstance(child, (ast.Import, ast.ImportFrom)):
                continue
            step = [*path, (name, index if isinstance(value, list) else None)]
            if isinstance(child, ast.Raise):
                continue
            yield step, child
            yield from _walk(child, step)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        for swapped in _SWAPS.get(type(node.op), ()):
            yield _with(node, op=swapped())
        yield copy.deepcopy(node.left)
        yield copy.deepcopy(node.right)
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for swapped in _SWAPS.get(type(op), ()):
                yield _with(node, ops=[*node.ops[:i], swapped(), *node.ops[i + 1 :]])
    elif isinstance(node, ast.BoolOp):
        yield _with(node, op=_SWAPS[type(node.op)][0]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.Invert)):
        yield copy.deepcopy(node.operand)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
        if node.value:
            yield ast.Constant(node.value - 1)
    elif isinstance(node, (ast.AugAssign, ast.If)) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield ast.Pass()


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    changed = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _replace(tree: ast.AST, path: list, new: ast.AST) -> ast.AST:
    parent: Any = tree
    for name, index in path[:-1]:
        parent = getattr(parent, name) if index is None else getattr(parent, name)[index]
    name, index = path[-1]
    if index is None:
        old = getattr(parent, name)
        setattr(parent, name, new)
    else:
        old = getattr(parent, name)[index]
        getattr(parent, name)[index] = new
    return old


# --- running them -------------------------------------------------------------------------------


def fates(exercise: Exercise, master: Master) -> list[Fate]:
    """Judge every mutant of an exercise's solution.

    They run in a forked child, which is replaced when one of them kills it or keeps it silent.
    """
    mutants = mutants_of(master.solutions[exercise.name].solution)
    results: list[Fate] = []
    while len(results) < len(mutants):
        rest = mutants[len(results):]
        reader, writer = mp.Pipe(duplex=False)
        child = mp.get_context("fork").Process(target=_judge_all, args=(exercise, master, rest, writer), daemon=True)
        child.start()
        writer.close()
        try:
            for mutant in rest:
                if not reader.poll(SILENCE_LIMIT_S):
                    raise EOFError
                results.append(Fate(mutant, *reader.recv()))
        except EOFError:
            results.append(Fate(mutants[len(results)], "killed"))
        finally:
            child.kill()
            child.join()
    return results


def _judge_all(exercise: Exercise, master: Master, mutants: list[Mutant], writer: Any) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (24 * 2**30, 24 * 2**30))
    quick = _quick(exercise)
    for mutant in mutants:
        writer.send(_fate(quick, master, mutant))


def _quick(exercise: Exercise) -> Exercise:
    """The exercise without misconceptions: only the verdict matters here."""
    from dataclasses import replace

    return replace(exercise, misconceptions=(), time_limit_s=min(exercise.time_limit_s, 5.0))


def _fate(exercise: Exercise, master: Master, mutant: Mutant) -> tuple[str, int]:
    answer = answer_from(master.cells_for(exercise.name, mutant.source), exercise.names)
    if answer is None:
        return "killed", 0
    judgement = judge_answer(exercise, lambda q: ask(answer, q), seed_for(exercise.id, "mutants"), mutant.source)
    if not judgement.passed:
        return "killed", 0
    return _equivalence(exercise, answer)


def answer_from(cells: list[str], names: tuple[str, ...]) -> Any:
    """The answer that cells define, or None if they fail."""
    namespace: dict = {"__name__": "__main__"}
    try:
        for number, source in enumerate(cells):
            exec(compile(source, answer_file(number, source), "exec"), namespace)
        return namespace[names[0]] if len(names) == 1 else tuple(namespace[n] for n in names)
    except Exception:
        return None


def _equivalence(exercise: Exercise, answer: Any) -> tuple[str, int]:
    """Compare a survivor with the reference on up to EQUIVALENCE_DRAWS fresh draws."""
    from dataclasses import replace

    if exercise.draw is None:
        return "escaped", 0
    seed, started = seed_for(exercise.id, "equivalence"), time.monotonic()
    many = replace(exercise, draws=EQUIVALENCE_DRAWS, hidden=(), limits=())
    oracle = oracle_for(many, seed)
    asked = 0
    for i, (group, _) in enumerate(oracle.cases):
        if group != "random":
            continue
        if oracle.differs(i, ask(answer, oracle.questions[i])) is not None:
            return "escaped", asked
        asked += 1
        if time.monotonic() - started > EQUIVALENCE_LIMIT_S:
            break
    return "equivalent", asked
