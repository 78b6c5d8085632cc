"""Run a chapter's source notebook from top to bottom in a real kernel."""

from __future__ import annotations

import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from ..chapters import Chapter
from .build import build_chapter

# What differs between two runs for reasons that are no numbers: addresses, widget ids, times.
_VOLATILE = re.compile(r"0x[0-9a-f]{8,}|IPY_MODEL_\w+|[0-9a-f]{32}|\d+(\.\d+)?\s*(ms|µs|us|s|ns)\b|image/png")


@dataclass(frozen=True)
class Run:
    """A notebook that was run, how long it took, and each cell that failed as (index, error)."""

    notebook: NotebookNode
    seconds: float
    failures: tuple[tuple[int, str], ...]


def run_chapter(chapter: Chapter, *, solved: bool = True, timeout_s: int = 300) -> Run:
    """Run the solved notebook (or, with `solved=False`, the learner's) without network or progress file."""
    built = build_chapter(chapter)
    return run_notebook(built.source if solved else built.release, chapter.notebook.parent, timeout_s)


def run_notebook(text: str, folder: Path | None = None, timeout_s: int = 300) -> Run:
    """Run a notebook's text; errors in cells are collected, not raised."""
    from nbclient import NotebookClient

    notebook = nbformat.reads(text, as_version=4)
    with tempfile.TemporaryDirectory() as scratch:
        where = str(folder) if folder and folder.exists() else scratch
        kept = dict(os.environ)
        os.environ.update({"AUTOGRADER_NO_PROGRESS": "1", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "2",
                           "IPYTHONDIR": scratch})
        try:
            client = NotebookClient(notebook, timeout=timeout_s, allow_errors=True, kernel_name="python3",
                                    extra_arguments=["--log-level=ERROR"],
                                    resources={"metadata": {"path": where}})
            started = time.perf_counter()
            client.execute()
            seconds = time.perf_counter() - started
        finally:
            os.environ.clear()
            os.environ.update(kept)
    failures = tuple(
        (i, f"{o.ename}: {o.evalue}") for i, cell in enumerate(notebook.cells)
        for o in cell.get("outputs", []) if o.output_type == "error")
    return Run(notebook, seconds, failures)


def comparable_outputs(notebook: NotebookNode) -> list[list[str]]:
    """Each code cell's text outputs with what may differ between two runs blanked.

    Cells tagged "experiment" measure time, so only their number of outputs is kept.
    """
    told = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        outputs = cell.get("outputs", [])
        if "experiment" in cell.metadata.get("tags", []):
            told.append([f"{len(outputs)} outputs"])
            continue
        # A stream may arrive in one piece or in several: only its whole text counts.
        streams = "".join(o.text for o in outputs if o.output_type == "stream")
        shown = [o.get("data", {}).get("text/plain", "") for o in outputs if o.output_type != "stream"]
        told.append([_VOLATILE.sub("·", t) for t in (streams, *shown)])
    return told
