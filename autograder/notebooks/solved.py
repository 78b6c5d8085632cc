"""Executed solution notebooks and pages, for instructors: build/solved/."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat

from ..chapters import ROOT, Chapter
from .build import PICTURES, write_text
from .run import run_chapter

FOLDER = ROOT / "build" / "solved"


def write_solved(chapter: Chapter) -> Path:
    """Run the solved notebook and write it with its outputs, as notebook and as HTML page."""
    from nbconvert import HTMLExporter

    run = run_chapter(chapter)
    path = FOLDER / f"{chapter.stem}.ipynb"
    write_text(path, nbformat.writes(run.notebook) + "\n")
    picture = PICTURES / f"{chapter.stem}.svg"
    if picture.exists():  # in the page itself: all chapters share this folder
        for cell in run.notebook.cells:
            cell.source = cell.source.replace("](figure.svg)", f"](data:image/svg+xml;base64,{_base64(picture)})")
    page, _ = HTMLExporter().from_notebook_node(run.notebook)
    write_text(path.with_suffix(".html"), page)
    return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
