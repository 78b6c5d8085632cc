"""The progress file as JSON: exported whole, imported by adding the rows that are not there yet."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from ..progress import VERSION, ProgressError, open_progress

FORMAT = "model-deployment-course progress"
COLUMNS = {
    "attempts": {"exercise": str, "at": str, "outcome": str, "points": float, "max_points": float,
                 "misconception": (str, type(None)), "digest": str},
    "reviews": {"uid": str, "question": str, "at": str, "rating": int, "share": float, "seconds": float, "seed": int,
                "typed": str, "mode": str},
    "mocks": {"uid": str, "started": str, "ended": (str, type(None)), "interview": str},
}
ALIKE = {"attempts": ("exercise", "at", "outcome", "digest"), "reviews": ("uid",), "mocks": ("uid",)}


def export_progress(path: Path) -> dict[str, int]:
    """Write every row to `path`; {table: rows}. Raises ProgressError."""
    with open_progress() as db:
        db.row_factory = sqlite3.Row
        tables = {table: [dict(row) for row in db.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id")]
                  for table, columns in COLUMNS.items()}
    from ..notebooks.build import write_text  # here: it brings nbformat in

    text = json.dumps({"format": FORMAT, "version": VERSION, **tables}, indent=1, ensure_ascii=False)
    try:
        write_text(path, text + "\n")
    except OSError as error:
        raise ProgressError(f"{path} cannot be written ({error.strerror}): give another file") from error
    return {table: len(rows) for table, rows in tables.items()}


def import_progress(path: Path) -> dict[str, int]:
    """Add the rows of an export that are not there yet; {table: rows added}. All of them or none.

    Raises ProgressError for a file that is no export of this course, or of a newer version.
    """
    told = _checked(path)
    added = {}
    with open_progress() as db:
        for table, columns in COLUMNS.items():
            names, marks = ", ".join(columns), ", ".join(f":{c}" for c in columns)
            same = " AND ".join(f"{c} IS :{c}" for c in ALIKE[table])
            before = db.total_changes
            db.executemany(f"INSERT INTO {table} ({names}) SELECT {marks} WHERE NOT EXISTS "
                           f"(SELECT 1 FROM {table} WHERE {same})", told[table])
            added[table] = db.total_changes - before
    return added


def _checked(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProgressError(f"{path} cannot be read ({error.strerror}): give a file that --export wrote") from error
    except ValueError as error:
        raise ProgressError(f"{path} is not JSON ({error}): give a file that --export wrote") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ProgressError(f"{path} holds no progress of this course: give a file that --export wrote")
    if not isinstance(told.get("version"), int) or told["version"] > VERSION:
        raise ProgressError(f"{path} was written by a newer version of the course: update this one")
    return {table: [_row(path, table, number, row) for number, row in enumerate(told.get(table, []))]
            for table in COLUMNS}


def _row(path: Path, table: str, number: int, row: Any) -> dict[str, Any]:
    columns = COLUMNS[table]
    if not isinstance(row, dict) or set(row) != set(columns):
        raise ProgressError(f"{path}: row {number + 1} of {table} has other columns than {', '.join(columns)}")
    for name, kind in columns.items():
        value = float(row[name]) if kind is float and type(row[name]) is int else row[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ProgressError(f"{path}: row {number + 1} of {table} has {row[name]!r} as {name}")
    for name in {"at", "started", "ended"} & set(columns):
        if row[name] is not None:
            _time(path, table, number, row[name])
    if table == "reviews" and not (1 <= row["rating"] <= 4 and 0 <= row["share"] <= 1):
        raise ProgressError(f"{path}: row {number + 1} of reviews has a rating outside 1 to 4, or a share above 1 or "
                            "below 0")
    return row


def _time(path: Path, table: str, number: int, text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ProgressError(f"{path}: row {number + 1} of {table} has {text!r} as a time") from error
