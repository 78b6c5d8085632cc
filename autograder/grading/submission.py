"""What came back: a submitted folder, read as the work of someone who may mean harm.

Files are opened without following links, notebooks are parsed strictly, and of a notebook only the sources of the
learner's own cells are taken. Everything else that was changed has no effect and becomes a note.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .assignment import Released, grade_id, text_of

MAX_NOTEBOOK = 20 * 2**20
MAX_SOURCE = 400_000
MAX_CELLS = 5_000
TIMESTAMP = "timestamp.txt"
NOTES = (TIMESTAMP, "submission_secret.txt")  # `nbgrader release_feedback` wants them beside each page


class Refused(ValueError):
    """A submitted file can't be read; the sentence is for its author."""


@dataclass(frozen=True)
class Submission:
    """The bytes of what a student handed in. notebooks: content by name, or the reason why it can't be read.
    digest: SHA-256 over all of it. timestamp: the text of timestamp.txt, "" without one."""

    assignment: str
    student: str
    notebooks: dict[str, bytes | str] = field(repr=False)
    digest: str
    timestamp: str = ""


@dataclass
class Answers:
    """The learner's cells of one notebook. code: by grade id, in the order in which they stand (a cell that is there
    twice has two); text: the written answers; notes: what was changed and has no effect."""

    code: dict[str, list[str]] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_submission(folder: Path, assignment: str, student: str, names: list[str]) -> Submission:
    """Read the notebooks called `names` from a submitted folder. Never raises for what the folder holds."""
    notebooks: dict[str, bytes | str] = {}
    digest = hashlib.sha256(os.fsencode(f"{assignment}\0{student}"))
    linked = folder.is_symlink() or folder.parent.is_symlink()
    for name in names:
        try:
            if linked:
                raise Refused("What was handed in is a link to another folder: hand in the notebook itself.")
            notebooks[name] = read_file(folder / f"{name}.ipynb", MAX_NOTEBOOK)
        except Refused as error:
            notebooks[name] = str(error)
        content = notebooks[name]
        digest.update(name.encode() + b"\0" + (content if isinstance(content, bytes) else content.encode()))
    return Submission(assignment, student, notebooks, digest.hexdigest(), read_note(folder, TIMESTAMP).strip())


def read_note(folder: Path, name: str) -> str:
    """A line that nbgrader's exchange left in a submitted folder, "" where there is none that can be read."""
    if folder.is_symlink() or folder.parent.is_symlink():
        return ""
    try:
        return read_file(folder / name, 200).decode(errors="replace")
    except Refused:
        return ""


def read_file(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes, without following a link. Raises Refused."""
    try:
        # Without O_NONBLOCK the opening of a named pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Refused(f"{path.name} was not handed in.") from None
    except OSError as error:
        if path.is_symlink():
            raise Refused(f"{path.name} is a link, not a file: hand in the notebook itself.") from error
        raise Refused(f"{path.name} can't be opened: {error.strerror}.") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{path.name} is not a regular file: hand in the notebook itself.")
        if found.st_nlink > 1:  # of the course's own source notebook, it may be
            raise Refused(f"{path.name} also lies under another name (a hard link): hand in a copy of its own.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise Refused(f"{path.name} can't be read: {error.strerror}.") from error
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise Refused(f"{path.name} is larger than {limit // 2**20} MB: clear its outputs and hand it in again.")
    return content


def parse_notebook(content: bytes, name: str) -> list[dict[str, Any]]:
    """The cells of a notebook, each with "cell_type", "source", "metadata" and "id" of the right types.

    Raises Refused with a sentence for its author.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{name}.ipynb is not UTF-8 text (byte {error.start}): save it again in JupyterLab.") from error
    try:
        data = json.loads(text, object_pairs_hook=_once, parse_constant=lambda word: None)
    except RecursionError as error:
        raise Refused(f"{name}.ipynb is nested too deep to be a notebook: save it again in JupyterLab.") from error
    except _Twice as error:
        raise Refused(f"{name}.ipynb has the key {error.args[0]!r} twice in one place: save it again in "
                      "JupyterLab.") from error
    except ValueError as error:
        raise Refused(f"{name}.ipynb is not a notebook: {error}. Save it again in JupyterLab.") from error
    if not isinstance(data, dict) or data.get("nbformat") != 4 or not isinstance(data.get("cells"), list):
        raise Refused(f"{name}.ipynb is not a notebook of format 4: open it in JupyterLab and save it again.")
    if len(data["cells"]) > MAX_CELLS:
        raise Refused(f"{name}.ipynb has more than {MAX_CELLS:,} cells: start again from the notebook that was "
                      "handed out.")
    return [cell for cell in map(_cell, data["cells"]) if cell is not None]


class _Twice(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _Twice(next(k for k, _ in pairs if k in seen or seen.add(k))[:80])
    return found


def _cell(raw: Any) -> dict[str, Any] | None:
    """What is of use of one cell; None for what is no cell."""
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = raw.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = text_of(source)
    if not isinstance(source, str):
        return None
    metadata = raw.get("metadata")
    told = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    kept = {}
    if isinstance(told, dict) and isinstance(told.get("grade_id"), str):
        kept = {"grade_id": told["grade_id"], "points": told.get("points"), "grade": told.get("grade") is True}
    if not source.isascii():
        source = source.encode("utf-8", "replace").decode()  # no file takes a lone surrogate
    cell_id = raw.get("id")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return {"cell_type": raw["cell_type"], "source": source[: MAX_SOURCE + 1],
            "id": cell_id if isinstance(cell_id, str) else "",
            "metadata": {"nbgrader": kept} if kept else {}, "tags": tags if isinstance(tags, list) else []}


def take_answers(cells: list[dict[str, Any]], released: Released) -> Answers:
    """The learner's cells, found by grade id, or by cell id where a tool has dropped the metadata."""
    found = Answers()
    wanted = {asked.answer: "code" for asked in released.asked} | {w.cell: "text" for w in released.written}
    locked = {grade_id(c): c for c in released.cells if grade_id(c) and grade_id(c) not in wanted}
    by_cell_id = {c.get("id", ""): grade_id(c) for c in released.cells if grade_id(c) in wanted}
    given = [(grade_id(c) if grade_id(c) in wanted or grade_id(c) in locked else "", c) for c in cells]
    present = {name for name, _ in given}
    for place, (name, cell) in enumerate(given):
        if not name and by_cell_id.get(cell["id"]) and by_cell_id[cell["id"]] not in present:
            name = by_cell_id[cell["id"]]
            given[place] = (name, cell)
            found.notes.append(f"The cell of {name} had lost its metadata; it was found by its id.")
        if name in wanted:
            _take(found, name, wanted[name], cell)
    _note_changes(found, given, locked, released)
    for name, kind in wanted.items():
        if name not in (found.code if kind == "code" else found.text):
            found.notes.append(f"The cell of {name} is missing: it counts as not attempted.")
    found.notes = list(dict.fromkeys(found.notes))
    return found


def _take(found: Answers, name: str, kind: str, cell: dict[str, Any]) -> None:
    source = cell["source"]
    if len(source) > MAX_SOURCE:
        found.notes.append(f"The cell of {name} has more than {MAX_SOURCE:,} characters: it counts as not attempted.")
        return
    if kind == "text":
        if name in found.text and found.text[name] != source:
            found.notes.append(f"The written answer {name} is there twice: the last one counts.")
        found.text[name] = source
        return
    if cell["cell_type"] != "code":
        found.notes.append(f"The cell of {name} is not a code cell any more: it was read as code.")
    if name in found.code:
        found.notes.append(f"The cell of {name} is there more than once: all were run, in their order.")
    found.code.setdefault(name, []).append(source)


def _note_changes(found: Answers, given: list[tuple[str, dict]], locked: dict[str, dict], released: Released) -> None:
    seen = {}
    for name, cell in given:
        if name in locked:
            seen[name] = seen.get(name, 0) + 1
            asked = locked[name]
            if cell["source"] != asked["source"]:
                found.notes.append(f"The test cell {name} was changed: the one that was handed out was used.")
            points = cell["metadata"].get("nbgrader", {}).get("points")
            if points != asked["metadata"]["nbgrader"].get("points"):
                found.notes.append(f"The points of {name} were changed in the notebook: that has no effect.")
            if set(map(str, cell["tags"])) & {"skip-execution", "raises-exception"}:
                found.notes.append(f"The test cell {name} was tagged to be skipped: that has no effect.")
    for name in locked:
        if seen.get(name, 0) == 0 and locked[name]["metadata"]["nbgrader"].get("grade"):
            found.notes.append(f"The test cell {name} is missing: the one that was handed out was used.")
        elif seen.get(name, 0) > 1:
            found.notes.append(f"The test cell {name} is there {seen[name]} times: that has no effect.")
    handed_out = {c["source"].strip() for c in released.cells}
    extra = sum(1 for name, c in given if not name and c["cell_type"] == "code" and c["source"].strip()
                and c["source"].strip() not in handed_out)
    if extra:
        found.notes.append(f"{extra} code cell{'s' if extra > 1 else ''} beside the exercises' own "
                           f"{'were' if extra > 1 else 'was'} not run: what an answer needs stands in its own cell.")
