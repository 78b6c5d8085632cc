"""Read and check a master: a Jupytext py:percent file whose cells carry roles.

Roles stand in the cell's marker line:
    # %% setup                      third-party imports that answers may use (runs in grading)
    # %% exercise="name"            a cell with ### BEGIN SOLUTION … ### END SOLUTION
    # %% check="name"               the locked test cell of the exercise
    # %% figure                     shows an interactive figure (not run in grading)
    # %% experiment                 measures something (not run in grading)
    # %% practise                   the drill widget
    # %%                            explanation that runs
    # %% [markdown] about="name"    the task text of an exercise; the build puts the box on top
    # %% [markdown] task="name" points=4    a written answer, graded by a person
    # %% [markdown] lang="zh"       the Chinese twin of the prose cell above it
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

SECTIONS = ("The short answer", "How it works", "See it", "Exercises", "Measure it",
            "What the source says", "Explain it", "Practise", "Glossary", "Sources")
FLAGS = ("setup", "figure", "experiment", "practise")
NAMED = ("exercise", "check", "about", "task", "lang", "points")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


class MasterError(ValueError):
    """A mistake in a master: one sentence with file and line."""


@dataclass
class Cell:
    """One cell: its kind ("code" or "markdown"), role, name, source, and the line where it starts."""

    kind: str
    role: str
    name: str
    source: str
    line: int
    points: float = 0.0
    lang: str = "en"

    @property
    def solution(self) -> str:
        """The source without the solution markers."""
        return "\n".join(s for s in self.source.split("\n") if s.strip() not in (BEGIN, END))


@dataclass
class Master:
    """A master file as a list of cells."""

    path: Path
    cells: list[Cell] = field(default_factory=list)

    @property
    def solutions(self) -> dict[str, Cell]:
        return {c.name: c for c in self.cells if c.role == "exercise"}

    def cells_for(self, name: str, source: str | None = None) -> list[str]:
        """What runs before the check of an exercise: set-up, the solutions of earlier exercises, and its own
        solution (or `source` in its place)."""
        cells = [*self.setup]
        for cell in self.cells:
            if cell.role == "exercise":
                cells.append(cell.solution if cell.name != name or source is None else source)
                if cell.name == name:
                    break
        return cells

    @property
    def checks(self) -> list[str]:
        return [c.name for c in self.cells if c.role == "check"]

    @property
    def setup(self) -> list[str]:
        return [c.source for c in self.cells if c.role == "setup"]

    def count(self, role: str) -> int:
        return sum(c.role == role for c in self.cells)


def read_master(path: Path) -> Master:
    """Parse a master and check its form. Raises MasterError, or OSError when it can't be read."""
    import jupytext

    text = path.read_text(encoding="utf-8")
    lines = [i for i, line in enumerate(text.split("\n"), 1) if re.match(r"# %%(\s|$)", line)]
    try:
        notebook = jupytext.reads(text, fmt="py:percent")
    except Exception as error:
        raise MasterError(f"{path}:1: this is not a py:percent file: {error}") from error
    cells = [c for c in notebook.cells if c.source.strip() or c.metadata]
    if len(cells) != len(lines):
        raise MasterError(f"{path}:1: {len(cells)} cells but {len(lines)} marker lines: "
                          "is there text before the first # %%, or an empty cell?")
    master = Master(path)
    for line, raw in zip(lines, cells):
        master.cells.append(_cell(path, line, raw))
    _check_solutions(master)
    _check_pairs(master)
    _check_sections(master)
    return master


def _cell(path: Path, line: int, raw) -> Cell:
    where = f"{path}:{line}"
    kind = "markdown" if raw.cell_type == "markdown" else "code"
    meta = {k: v for k, v in raw.metadata.items() if k not in ("lines_to_next_cell", "cell_marker")}
    title = str(meta.pop("title", "")).strip()
    for word in list(meta):
        if meta[word] in (None, True, "") and word in FLAGS:
            title = word
            meta.pop(word)
    if title and (title not in FLAGS or kind == "markdown"):
        raise MasterError(f"{where}: {title!r} is not a role: use one of {', '.join(FLAGS)} or name=\"…\"")
    unknown = [k for k in meta if k not in NAMED]
    if unknown:
        raise MasterError(f"{where}: {unknown[0]!r} is not known here: use one of {', '.join(NAMED)}")
    named = [k for k in ("exercise", "check", "about", "task") if k in meta]
    if len(named) + bool(title) > 1:
        raise MasterError(f"{where}: a cell has one role, this one has {', '.join([*named, title]).strip(', ')}")
    role = named[0] if named else title
    if role in (("exercise", "check") if kind == "markdown" else ("about", "task")):
        raise MasterError(f"{where}: a {kind} cell can't have the role {role!r}")
    cell = Cell(kind, role, str(meta.get(role, "")), raw.source, line,
                float(meta.get("points", 0)), str(meta.get("lang", "en")))
    if role == "task" and cell.points <= 0:
        raise MasterError(f"{where}: a written answer needs points: [markdown] task={cell.name!r} points=4")
    if kind == "code":
        _check_python(where, cell)
    return cell


def _check_python(where: str, cell: Cell) -> None:
    try:
        tree = ast.parse(cell.source)
    except SyntaxError as error:
        raise MasterError(f"{where}: line {error.lineno} of this cell is not Python: {error.msg}") from error
    if cell.role not in ("setup", "exercise"):
        return
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        for name in names:
            if name.split(".")[0] in ("utils", "autograder"):
                raise MasterError(f"{where}: a {cell.role} cell may not import {name}: it runs in the sandbox, "
                                  "where only third-party packages are")


def _check_solutions(master: Master) -> None:
    for cell in master.cells:
        where, depth, seen = f"{master.path}:{cell.line}", 0, 0
        for line in cell.source.split("\n"):
            if "BEGIN SOLUTION" in line:
                depth, seen = depth + 1, seen + 1
            elif "END SOLUTION" in line:
                depth -= 1
            if depth not in (0, 1):
                raise MasterError(f"{where}: {BEGIN} and {END} must come in turn")
        if depth:
            raise MasterError(f"{where}: {BEGIN} is left open: add {END}")
        if cell.role in ("exercise", "task") and not seen:
            raise MasterError(f"{where}: {cell.role} {cell.name!r} has no {BEGIN} … {END}")
        if seen and cell.role not in ("exercise", "task"):
            raise MasterError(f"{where}: a solution stands in a cell that is neither exercise nor task")


def _check_pairs(master: Master) -> None:
    seen: dict[tuple[str, str], int] = {}
    for cell in master.cells:
        if cell.role in ("exercise", "check", "about", "task"):
            if not re.fullmatch(r"[A-Za-z_]\w*", cell.name):
                raise MasterError(f"{master.path}:{cell.line}: {cell.name!r} is not a name")
            if (cell.role, cell.name) in seen:
                raise MasterError(f"{master.path}:{cell.line}: {cell.role} {cell.name!r} is there twice, "
                                  f"first in line {seen[cell.role, cell.name]}")
            if cell.role == "check" and ("exercise", cell.name) not in seen:
                raise MasterError(f"{master.path}:{cell.line}: check {cell.name!r} has no exercise before it")
            seen[cell.role, cell.name] = cell.line
    for (role, name), line in seen.items():
        if role == "exercise":
            for other in ("check", "about"):
                if (other, name) not in seen:
                    raise MasterError(f"{master.path}:{line}: exercise {name!r} has no cell {other}=\"{name}\"")


def check_names(master: Master, names: set[str]) -> None:
    """No cell but the exercise's own may bind the name that the learner writes: a check would judge the
    course's function, or a later cell would use the learner's."""
    for cell in master.cells:
        if cell.kind != "code" or cell.role in ("exercise", "check"):
            continue
        for node in ast.walk(ast.parse(cell.source)):
            bound = [a.asname or a.name for a in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else (
                [node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else [])
            for name in names.intersection(bound):
                raise MasterError(f"{master.path}:{cell.line}: this cell binds {name!r}, which the learner writes: "
                                  f"import it as our_{name}")


def _check_sections(master: Master) -> None:
    number = master.path.name[:2]
    headings = [(m[1].strip(), c.line) for c in master.cells if c.kind == "markdown" and c.lang == "en"
                for m in re.finditer(r"^## +(.+)$", c.source, re.M)]
    first = master.cells[0] if master.cells else None
    if first is None or first.kind != "markdown" or not first.source.startswith(f"# {number}"):
        raise MasterError(f"{master.path}:1: the first cell must be a title that begins with '# {number}'")
    found = [h for h, _ in headings]
    at = 0
    for section in SECTIONS:
        if section not in found:
            raise MasterError(f"{master.path}:1: the section '## {section}' is missing")
        if found.index(section) < at:
            line = dict(headings)[section]
            raise MasterError(f"{master.path}:{line}: '## {section}' is out of order: {' · '.join(SECTIONS)}")
        at = found.index(section)
