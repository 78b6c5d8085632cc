"""What Canvas, Moodle and plain folders call the files of a submission.

Canvas (`lib/content_zipper.rb` of canvas-lms): `sortablename[_LATE]_USER_FILE_original`, the name in lower
case without blanks and commas; FILE is the number of the uploaded file and grows with every upload.
Anonymous marking: `[LATE_]anon_CODE_FILE_original`. Canvas puts `-1`, `-2` behind the name of a file
that was handed in again.
Moodle (`mod/assign/classes/downloader.php`): folders `Full Name_NUMBER_assignsubmission_file[_]/original`, or,
when folders are switched off, `Full Name_NUMBER_assignsubmission_file_original`. NUMBER is the participant
number *of this assignment*: another assignment has another one.
Folder: `STUDENT/x.ipynb`, also inside one more folder, also nbgrader's `STUDENT/12_flops/12_flops.ipynb`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from . import ClassroomError
from .archive import Entry


class Format(StrEnum):
    auto = "auto"
    canvas = "canvas"
    moodle = "moodle"
    folder = "folder"


@dataclass(frozen=True)
class Upload:
    """A notebook in a zip and what its name says.

    who: the name or folder as the zip has it. number: the LMS's number, "" if it has none.
    original: the file's name on the student's machine. order: which upload is the newer one.
    late: whether the LMS marked it, None where it doesn't tell.
    """

    entry: Entry
    who: str
    number: str
    original: str
    order: int = 0
    late: bool | None = None


CANVAS = re.compile(r"(?P<who>.+?)(?:_(?P<late>LATE))?_(?P<number>\d+)_(?P<file>\d+)_(?P<original>.+)")
CANVAS_ANONYMOUS = re.compile(r"(?:(?P<late>LATE)_)?anon_(?P<number>[0-9A-Za-z]+)_(?P<file>\d+)_(?P<original>.+)")
MOODLE_FOLDER = re.compile(r"(?P<who>.+?)(?:_(?P<number>\d+))?_assignsubmission_file_?")
MOODLE_FILE = re.compile(r"(?P<who>.+?)(?:_(?P<number>\d+))?_assignsubmission_file_(?P<original>.+)")


def find_format(entries: list[Entry]) -> Format:
    """How the notebooks of a zip are named. ClassroomError if that can't be told."""
    notebooks = [e for e in entries if e.is_notebook]
    if not notebooks:
        raise ClassroomError("there is no notebook in this zip: give the download of an assignment with .ipynb files")
    for kind, parse in ((Format.moodle, _moodle), (Format.canvas, _canvas)):
        if 2 * sum(parse(e) is not None for e in notebooks) > len(notebooks):
            return kind
    if all(len(e.parts) > 1 for e in notebooks):
        return Format.folder
    raise ClassroomError(f"whose file is {notebooks[0].name!r}? It is named as neither Canvas nor Moodle do: put each "
                         "student's notebook into a folder named after the student and zip the folders")


def uploads(entries: list[Entry], kind: Format) -> tuple[list[Upload], list[Entry]]:
    """The notebooks whose names were understood, and those whose weren't."""
    notebooks = [e for e in entries if e.is_notebook]
    if kind == Format.folder:
        return _folders(notebooks)
    parse = _canvas if kind == Format.canvas else _moodle
    found = [(e, parse(e)) for e in notebooks]
    return [u for _, u in found if u], [e for e, u in found if not u]


def resubmission(original: str, assignment: str) -> int | None:
    """0 for `12_flops.ipynb`, n for `12_flops-n.ipynb` and the like, None for another name."""
    stem = original.rsplit(".", 1)[0]
    again = r"(?:[-_](\d{1,4})|\s*\((\d{1,4})\)|-Copy(\d{1,4}))?"
    match = re.fullmatch(re.escape(assignment) + again, stem, re.IGNORECASE)
    return int(match[1] or match[2] or match[3] or 0) if match else None


def _canvas(entry: Entry) -> Upload | None:
    name = entry.parts[-1]
    match = CANVAS_ANONYMOUS.fullmatch(name) or CANVAS.fullmatch(name)
    if not match:
        return None
    who = match.groupdict().get("who") or f"anon_{match['number']}"
    return Upload(entry, who, match["number"], match["original"], int(match["file"]), match["late"] is not None)


def _moodle(entry: Entry) -> Upload | None:
    for part in entry.parts[:-1]:
        if match := MOODLE_FOLDER.fullmatch(part):
            return Upload(entry, match["who"], match["number"] or "", entry.parts[-1])
    match = MOODLE_FILE.fullmatch(entry.parts[-1])
    return Upload(entry, match["who"], match["number"] or "", match["original"]) if match else None


def _folders(notebooks: list[Entry]) -> tuple[list[Upload], list[Entry]]:
    """The student is the first folder below those that all notebooks have in common."""
    above = {e.name + str(i): _above(e) for i, e in enumerate(notebooks)}
    folders = list(above.values())
    while folders and all(len(f) > 1 for f in folders) and len({f[0] for f in folders}) == 1:
        folders = [f[1:] for f in folders]
    found = [(e, f) for e, f in zip(notebooks, folders)]
    return [Upload(e, f[0], "", e.parts[-1]) for e, f in found if f], [e for e, f in found if not f]


def _above(entry: Entry) -> tuple[str, ...]:
    """The folders above a notebook, without one that is named like it (nbgrader's folder of the assignment)."""
    folders, stem = entry.parts[:-1], entry.parts[-1].rsplit(".", 1)[0]
    return folders[:-1] if len(folders) > 1 and resubmission(stem + ".ipynb", folders[-1]) is not None else folders
