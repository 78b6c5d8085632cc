"""An nbgrader course folder: where its directories are, its database, its secret."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONFIG = "nbgrader_config.py"


class CourseError(ValueError):
    """A course folder can't be used: one sentence that says what to do."""


@dataclass(frozen=True)
class Course:
    """The folders (absolute) of an nbgrader course, as its configuration names them.

    structure: nbgrader's directory structure, "{nbgrader_step}/{student_id}/{assignment_id}" unless configured.
    seed: the course's secret, None without a `.course_seed`.
    """

    root: Path
    course_id: str
    source: Path
    release: Path
    submitted: Path
    autograded: Path
    feedback: Path
    structure: str
    db_url: str
    seed: str | None
    config: Any = field(repr=False, compare=False)

    def folder(self, step: Path, student: str, assignment: str) -> Path:
        """The folder of a student's assignment in a step (`self.submitted`, …)."""
        path = self.structure.format(nbgrader_step=str(step), student_id=student, assignment_id=assignment)
        return self.root / path

    def assignments(self) -> list[str]:
        """Assignments that were released: folders of the release directory that hold a notebook."""
        return sorted(p.name for p in self.folder(self.release, ".", ".").glob("[!.]*")
                      if p.is_dir() and any(p.glob("*.ipynb")))

    def submissions(self, assignment: str) -> dict[str, Path]:
        """Folder by student of what was handed in for an assignment. A name that is not UTF-8 is told in escapes."""
        pattern = self.folder(self.submitted, "*", assignment)
        found = {}
        match = re.compile(re.escape(str(self.folder(self.submitted, "\0", assignment))).replace("\0", "([^/]+)"))
        for path in sorted(self.root.glob(str(pattern.relative_to(self.root)))):
            student = match.fullmatch(str(path))
            if student and (path.is_dir() or path.is_symlink()) and not student[1].startswith("."):
                found[os.fsencode(student[1]).decode("utf-8", "backslashreplace")] = path
        return found


def find_course(start: Path | str = ".") -> Path:
    """The nearest folder at or above `start` that holds nbgrader_config.py. CourseError if none does."""
    start = Path(start).resolve()
    if not start.exists():
        raise CourseError(f"{start} is not there: give the folder of a course")
    for folder in (start, *start.parents):
        if (folder / CONFIG).is_file():
            return folder
    raise CourseError(f"{start} is not in a course: no {CONFIG} here or above; `autograder classroom create DIR` makes "
                      "one")


def open_course(start: Path | str = ".") -> Course:
    """Read the configuration of the course at or above `start`, the files that nbgrader reads, in its order."""
    root = find_course(start)
    config = _configuration(root)
    given = config.CourseDirectory
    root = (root / (given.get("root") or ".")).resolve()
    source, release, submitted, autograded, feedback = (
        root / given.get(f"{step}_directory", step)
        for step in ("source", "release", "submitted", "autograded", "feedback"))
    seed = root / ".course_seed"
    return Course(
        root, str(given.get("course_id", "") or ""), source, release, submitted, autograded, feedback,
        given.get("directory_structure", "{nbgrader_step}/{student_id}/{assignment_id}"),
        _address(given.get("db_url") or "sqlite:///gradebook.db", root),
        seed.read_text(encoding="utf-8").strip() or None if seed.is_file() else None, config)


def _address(db_url: str, root: Path) -> str:
    """The gradebook's address; a file's relative path starts in the course's folder, where nbgrader works."""
    match = re.fullmatch(r"(sqlite(?:\+\w+)?:///)([^/:].*)", db_url)
    return f"{match[1]}{root / match[2]}" if match else db_url


def _configuration(root: Path) -> Any:
    from jupyter_core.paths import jupyter_config_path
    from traitlets.config import Config, PyFileConfigLoader

    config = Config()
    for folder in [*reversed(jupyter_config_path()), str(root)]:
        path = Path(folder) / CONFIG
        if not path.is_file():
            continue
        try:
            config.merge(PyFileConfigLoader(CONFIG, path=str(path.parent)).load_config())
        except Exception as error:
            raise CourseError(f"{path} can't be read: {type(error).__name__}: {error}") from error
    return config
