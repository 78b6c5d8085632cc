"""A function or class of the course as the text of a cell that needs nothing but the set-up cells."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import symtable
import sys
import textwrap
from collections.abc import Iterable
from types import FunctionType
from typing import Any

OURS = ("autograder.exercises.", "utils.", "reference_assignment.")


class _NotAlone(Exception):
    """The source leans on something that a learner's notebook does not have."""


def standalone(answer: Any, names: tuple[str, ...], namespace: dict[str, Any],
               taken: Iterable[str] = ()) -> str | None:
    """The source of a cell that defines `names` as `answer` does, or None where there is no such text.

    answer: a function or a class, or a tuple of them when there are several names.
    namespace: what the set-up cells bind. taken: names that the cell must not bind, those of the other exercises.
    Functions of the course that the answer calls come along; annotations and the course's imports don't.
    """
    parts = answer if isinstance(answer, tuple) else (answer,)
    if len(parts) != len(names):
        return None
    collected = _Collected(namespace)
    try:
        for part, name in zip(parts, names, strict=True):
            collected.add(part, name)
    except (_NotAlone, OSError, TypeError, SyntaxError):
        return None
    if set(collected.sources) & (set(taken) - set(names)):
        return None
    return "\n\n\n".join(collected.sources.values())


class _Collected:
    """Sources by the name that they bind, what is called before its callers."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.sources: dict[str, str] = {}
        self.things: dict[str, Any] = {}

    def add(self, thing: Any, name: str) -> None:
        if name in self.things:
            if self.things[name] is not thing:
                raise _NotAlone(name)
            return
        if name in self.namespace:
            raise _NotAlone(name)
        self.things[name] = thing
        tree, own = _definition(thing)
        _Renamed(own, name).visit(tree)
        source = ast.unparse(ast.fix_missing_locations(tree))
        scope = thing.__globals__ if isinstance(thing, FunctionType) else vars(sys.modules[thing.__module__])
        for free in sorted(free_names(source) - {name}):
            self.need(free, scope, thing.__module__)
        self.sources[name] = source

    def need(self, name: str, scope: dict[str, Any], module: str) -> None:
        """Make `name`, used in `module`, available: bound already, a builtin, a plain constant, or a function that
        comes along."""
        if name not in scope:
            if not hasattr(builtins, name):
                raise _NotAlone(name)
            return
        value = scope[name]
        if name in self.namespace:
            if self.namespace[name] is not value:
                raise _NotAlone(name)
        elif isinstance(value, (FunctionType, type)) and value.__module__.startswith((module, *OURS)):
            self.add(value, name)
        elif _is_constant(value):
            self.things[name], self.sources[name] = value, f"{name} = {value!r}"
        else:
            raise _NotAlone(name)


def _definition(thing: Any) -> tuple[ast.Module, str]:
    """The syntax tree of a `def` or `class`, without annotations, and the name in it."""
    if not isinstance(thing, (FunctionType, type)) or getattr(thing, "__closure__", None):
        raise _NotAlone(repr(thing))
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    first = tree.body[0]
    if len(tree.body) != 1 or not isinstance(first, (ast.FunctionDef, ast.ClassDef)) or first.decorator_list:
        raise _NotAlone(repr(thing))
    return _Bare().visit(tree), first.name


class _Bare(ast.NodeTransformer):
    """Takes annotations out: their names are the course's, and a cell has no `from __future__` line."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], self.visit(node.value)), node)


class _Renamed(ast.NodeTransformer):
    """Gives a definition the name that the learner writes."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.new if node.id == self.old else node.id
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        node.body[0].name = self.new
        self.generic_visit(node)
        return node


def free_names(source: str) -> set[str]:
    """The names that a source takes from outside itself."""
    found: set[str] = set()
    tables = [symtable.symtable(source, "<cell>", "exec")]
    bound = {s.get_name() for s in tables[0].get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {s.get_name() for s in table.get_symbols()
                  if s.is_referenced() and (s.is_global() or table.get_type() == "module")}
    return found - bound


def _is_constant(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_constant, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or type(value) in (bool, int, str, bytes)
