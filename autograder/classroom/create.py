"""A course for a class: configuration, secret, source notebooks, and what nbgrader releases of them.

Running it again adds chapters. What is there is never written over: not a source notebook that the
instructor changed, not a release that students already have, not the secret.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from ..chapters import Chapter
from ..grading.course import CONFIG, Course, open_course
from ..notebooks.build import PICTURES, build_chapter, write_text
from . import ClassroomError
from .book import database, own_tools_on_path

SEED = ".course_seed"
CONFIG_TEXT = '''"""{course_id}: an nbgrader course, made by `autograder classroom create`."""

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "{course_id}"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback"]
c.ClearSolutions.code_stub = {{"python": "# YOUR CODE HERE\\nraise NotImplementedError()"}}
c.ExecutePreprocessor.timeout = 120
c.AssignLatePenalties.plugin_class = "nbgrader.plugins.latesubmission.LateSubmissionPlugin"
c.LateSubmissionPlugin.penalty_method = "none"
'''
IGNORED = """# The secret of the hidden tests, and what belongs to students.
.course_seed
/submitted/
/autograded/
/feedback/
/gradebook.db*
/*.csv
/*.zip
.nbgrader.log
.ipynb_checkpoints/
__pycache__/
"""


@dataclass
class Created:
    """What a run made: new files and chapters, what was there before, and what the instructor should know."""

    root: Path
    course_id: str
    made: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def create_course(root: Path, chapters: list[Chapter], course_id: str = "") -> Created:
    """Make a course in `root`, or add chapters to the course that is there. ClassroomError with a sentence."""
    root = root.resolve()
    wanted = _course_id(course_id or re.sub(r"[^A-Za-z0-9_.-]+", "_", root.name).strip("._-")[:64] or "course")
    _check_folder(root)
    created = Created(root, wanted)
    _write_once(root / CONFIG, CONFIG_TEXT.format(course_id=wanted), created)
    course = open_course(root)
    created.course_id = course.course_id
    if course_id and course.course_id != course_id:
        raise ClassroomError(f"{root} is the course {course.course_id!r}: leave --course-id out, or choose another "
                             "folder")
    _write_once(root / SEED, secrets.token_hex(16) + "\n", created, mode=0o600)
    _write_once(root / ".gitignore", IGNORED, created)
    if SEED not in (root / ".gitignore").read_text(encoding="utf-8", errors="replace").split():
        created.notes.append(f"{root / '.gitignore'} doesn't keep {SEED} out of the repository: add it there")
    for chapter in chapters:
        _add_chapter(course, chapter, created)
    return created


def _course_id(name: str) -> str:
    """The id as nbgrader uses it: a folder name of the exchange."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name):
        raise ClassroomError(f"{name!r} can't be a course id: use letters, digits, _, - and . (--course-id NAME)")
    return name


def _check_folder(root: Path) -> None:
    """An empty folder, one that isn't there yet, or a course."""
    if root.exists() and not root.is_dir():
        raise ClassroomError(f"{root} is a file: name a folder for the course")
    if (root / CONFIG).is_file():
        return
    if root.is_dir() and (others := sorted(p.name for p in root.iterdir() if p.name != ".git")):
        raise ClassroomError(f"{root} holds {others[0]!r} and is no course: name an empty folder, or one with {CONFIG}")
    for folder in root.parents:
        if (folder / CONFIG).is_file():
            raise ClassroomError(f"{root} lies inside the course {folder}: name a folder outside of it")
    root.mkdir(parents=True, exist_ok=True)


def _write_once(path: Path, text: str, created: Created, mode: int = 0o644) -> None:
    """Make a file that isn't there yet; never change one that is."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    created.made.append(path.name)


def _add_chapter(course: Course, chapter: Chapter, created: Created) -> None:
    source = course.folder(course.source, ".", chapter.stem)
    release = course.folder(course.release, ".", chapter.stem)
    new = not any(source.glob("*.ipynb"))
    if new:
        _write_source(source, chapter)
    if any(release.glob("*.ipynb")):
        (created.added if new else created.kept).append(chapter.stem)
        return
    release_assignment(course, chapter.stem)
    created.added.append(chapter.stem)


def _write_source(source: Path, chapter: Chapter) -> None:
    """The source folder as a whole: a run that was cut off leaves none."""
    source.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{source.name}.draft-", dir=source.parent))
    try:
        draft.chmod(0o755)
        write_text(draft / f"{chapter.stem}.ipynb", build_chapter(chapter).source)
        picture = PICTURES / f"{chapter.stem}.svg"
        if picture.exists():
            shutil.copyfile(picture, draft / "figure.svg")
        if source.is_dir() and not any(source.iterdir()):
            source.rmdir()
        draft.rename(source)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def release_assignment(course: Course, assignment: str) -> None:
    """nbgrader's own `generate_assignment`, in this process: release/ and the gradebook know it afterwards."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.utils import capture_log
    from traitlets.config import Config

    config = Config(course.config)
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.db_url = database(course)
    config.CourseDirectory.assignment_id = assignment
    folders = CourseDirectory(config=config)
    step = GenerateAssignment(coursedir=folders, config=config)
    step.log.setLevel("INFO")
    here = Path.cwd()
    try:
        with own_tools_on_path():
            outcome = capture_log(step)
    finally:
        os.chdir(here)
    if not outcome["success"]:
        lines = [line for line in (outcome.get("error") or outcome.get("log") or "").splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else "no reason given"
        raise ClassroomError(f"nbgrader could not release {assignment} ({reason}): "
                             f"run `nbgrader generate_assignment {assignment}` in {course.root} to see more")


def next_steps(created: Created) -> list[str]:
    """What an instructor does next, as commands."""
    first = (created.added or created.kept or ["12_flops"])[0]
    return [
        f"cd {created.root}",
        f"hand out release/{first} (through your LMS, or `nbgrader release_assignment {first}`)",
        f"autograder classroom import-zip DOWNLOAD.zip --chapter {first[:2]}",
        f"autograder grade {first[:2]}",
        "autograder classroom status",
        "autograder classroom export --format canvas --to grades.csv",
    ]
