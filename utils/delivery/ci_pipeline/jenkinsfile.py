"""A declarative Jenkinsfile as a tree of stages."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from .groovy import Statement, statements

StageKind = Literal["leaf", "stages", "parallel", "matrix"]
GROUPS = ("parallel", "matrix", "stages")


@dataclass(frozen=True)
class Exclusion:
    """One `exclude` of a matrix: the cells whose every named axis has one of these values (or none of them)."""

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    not_values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def covers(self, cell: dict[str, str]) -> bool:
        """Whether this cell is left out."""
        return (all(cell.get(axis) in values for axis, values in self.values.items())
                and all(cell.get(axis) not in values for axis, values in self.not_values.items()))


@dataclass(frozen=True)
class Stage:
    """One stage. `children` are the stages inside it; texts of Groovy code stay as they are written.

    `agent` and `when` are None where the directive is absent, `post` maps conditions to their steps (None: no `post`
    at all). `axes` and `excludes` belong to a matrix. `found` lists the directives in the order written.
    """

    name: str
    kind: StageKind
    children: tuple[Stage, ...] = ()
    fail_fast: bool = False
    when: str | None = None
    post: dict[str, str] | None = None
    agent: str | None = None
    options: tuple[str, ...] = ()
    steps: str | None = None
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    excludes: tuple[Exclusion, ...] = ()
    found: tuple[str, ...] = ()
    line: int = 0

    def cells(self) -> list[dict[str, str]]:
        """The cells of a matrix: every combination of its axes that no `exclude` covers, the last axis fastest."""
        every = (dict(zip(self.axes, values)) for values in itertools.product(*self.axes.values()))
        return [cell for cell in every if not any(e.covers(cell) for e in self.excludes)]

    def as_tuple(self) -> tuple:
        """(name, kind, [children]) as plain data."""
        return self.name, self.kind, [child.as_tuple() for child in self.children]

    def walk(self) -> Iterator[Stage]:
        """This stage and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Pipeline:
    """A declarative pipeline: its stages, and what stands beside them."""

    stages: tuple[Stage, ...]
    agent: str | None = None
    options: tuple[str, ...] = ()
    post: dict[str, str] | None = None
    found: tuple[str, ...] = ()

    def walk(self) -> Iterator[Stage]:
        """Every stage, parents first."""
        for stage in self.stages:
            yield from stage.walk()


def parse_jenkinsfile(src: str) -> Pipeline:
    """Parse a declarative Jenkinsfile.

    Raises ValueError "declarative" if there is no `pipeline { ... }` (a scripted file), "line" for braces that don't
    match or an open string.

    >>> parse_jenkinsfile("pipeline { agent any; stages { stage('A') { steps { echo 'x' } } } }").stages[0].name
    'A'
    """
    blocks = [s for s in statements(src) if s.name == "pipeline" and len(s.head) == 1 and s.body is not None]
    if not blocks:
        raise ValueError("source must be a declarative pipeline, got no pipeline { ... } block")
    parts = blocks[0].body
    options = _lines(src, _block(parts, "options"))
    always = any(option.startswith("parallelsAlwaysFailFast") for option in options)
    return Pipeline(_stages(src, _block(parts, "stages"), always), _value(src, parts, "agent"), options,
                    _post(src, parts), tuple(s.name for s in parts))


def stage_tree(jenkinsfile: str) -> list:
    """The stages of a declarative Jenkinsfile as nested (name, kind, children); raises as `parse_jenkinsfile` does."""
    return [stage.as_tuple() for stage in parse_jenkinsfile(jenkinsfile).stages]


def _stages(src: str, block: Statement | None, always_fail_fast: bool) -> tuple[Stage, ...]:
    inside = block.body if block is not None and block.body is not None else ()
    return tuple(_stage(src, s, always_fail_fast) for s in inside if s.name == "stage" and s.body is not None)


def _stage(src: str, statement: Statement, always: bool) -> Stage:
    parts = statement.body
    kind = next((k for k in GROUPS if _block(parts, k) is not None), "leaf")
    group = _block(parts, kind)
    axes, excludes = {}, ()
    if kind == "matrix":
        axes = _axes(_block(group.body, "axes"))
        excludes = _excludes(_block(group.body, "excludes"))
        group = _block(group.body, "stages")
    asked = any(s.name == "failFast" and s.head[-1].text == "true" for s in parts)
    return Stage(
        next(iter(statement.strings()), ""), kind, _stages(src, group, always),
        kind in ("parallel", "matrix") and (asked or always), _value(src, parts, "when"), _post(src, parts),
        _value(src, parts, "agent"), _lines(src, _block(parts, "options")), _value(src, parts, "steps"), axes,
        excludes, tuple(s.name for s in parts), statement.line)


def _block(parts: tuple[Statement, ...], name: str) -> Statement | None:
    return next((s for s in parts if s.name == name and len(s.head) == 1 and s.body is not None), None)


def _text(src: str, statement: Statement) -> str:
    """What the statement says after its first word: the text of its block, or the rest of its line."""
    if statement.body is not None:
        return textwrap.dedent(src[statement.start:statement.end].strip("\n")).strip()
    return src[statement.head[0].end:statement.head[-1].end].strip()


def _value(src: str, parts: tuple[Statement, ...], name: str) -> str | None:
    return next((_text(src, s) for s in parts if s.name == name), None)


def _lines(src: str, block: Statement | None) -> tuple[str, ...]:
    return tuple(src[s.head[0].start:s.head[-1].end] for s in block.body if s.head) if block is not None else ()


def _post(src: str, parts: tuple[Statement, ...]) -> dict[str, str] | None:
    block = _block(parts, "post")
    return None if block is None else {s.name: _text(src, s) for s in block.body}


def _axes(block: Statement | None) -> dict[str, tuple[str, ...]]:
    return {} if block is None else dict(_axis(a, "values") for a in block.body if a.name == "axis")


def _axis(axis: Statement, key: str) -> tuple[str, tuple[str, ...]]:
    said = {s.name: tuple(s.strings()) for s in axis.body or ()}
    return next(iter(said.get("name", ("",)))), said.get(key, ())


def _excludes(block: Statement | None) -> tuple[Exclusion, ...]:
    found = []
    for exclude in (s for s in (block.body if block is not None else ()) if s.name == "exclude"):
        axes = [a for a in exclude.body or () if a.name == "axis"]
        plain = dict(_axis(a, "values") for a in axes if _says(a, "values"))
        found.append(Exclusion(plain, dict(_axis(a, "notValues") for a in axes if _says(a, "notValues"))))
    return tuple(found)


def _says(axis: Statement, key: str) -> bool:
    return any(s.name == key for s in axis.body or ())
