"""A course under attack: attack files, students, canaries, and what is left after a run of the grader.

An attack file has `KIND` "cell" (`CELL` is the attacked exercise's cell) or "submit" (`submit(nb, folder)` changes the
notebook or its folder; it returns the bytes of the notebook, False where it has written it itself, or None). `CAUSE`
is what the result has to say (a regular expression; None where nothing has to be said), `REFUSED` that no notebook can be
read. In a cell these words are replaced: ANSWER (the exercise's name), CHAPTER, COURSE, REPOSITORY, HOMEFOLDER
(folders), PORT (of a listener on loopback), CANARY (a word that belongs to this run). An attack that finds what it
must not find raises an error that begins with LEAK.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import secrets
import shutil
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import submissions as making

from autograder.chapters import CHAPTERS, ROOT, Chapter
from autograder.exercises import chapter_exercises
from autograder.grading.course import open_course
from autograder.grading.results import Result
from autograder.grading.run import Summary, grade_course, hidden_folders
from autograder.grading.sandbox import Limits
from autograder.grading.workers import Settings
from autograder.notebooks.master import read_master

HERE = Path(__file__).parent
SETS = ("corpus", "own")
ATTACKED = {"90": "standardize", "12": "conv_macs"}  # with numpy and torch; light
HONEST = ("anna", "mona", "zoe")  # graded before, between and after the attacks
LIMITS = Limits(memory_mb=400, cpu_s=40, wall_s=25, file_mb=16, scratch_mb=24)
SECRET = "CANARY-" + secrets.token_hex(8)


def graded_cells(nb: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells of a notebook that earn points."""
    return [cell for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("grade")]


# --- attacks ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """One attack file. name: "corpus-kill_parent"; it is also the student's name."""

    name: str
    module: ModuleType = field(repr=False)

    @property
    def kind(self) -> str:
        return self.module.KIND

    @property
    def cause(self) -> str | None:
        return self.module.CAUSE

    @property
    def refused(self) -> bool:
        return getattr(self.module, "REFUSED", False)

    @property
    def runs_here(self) -> bool:
        return getattr(self.module, "MACHINE", platform.machine()) == platform.machine()


def load_attacks() -> dict[str, Attack]:
    """Every attack file by its name."""
    found = {}
    for kind in SETS:
        for path in sorted((HERE / kind).glob("*.py")):
            name = f"{kind}-{path.stem}"
            spec = importlib.util.spec_from_file_location(f"attack_{kind}_{path.stem}", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found[name] = Attack(name, module)
    return found


ATTACKS = load_attacks()


# --- the course ---------------------------------------------------------------------------------


@dataclass
class Town:
    """A course with everything that an attack might want beside it. home: the grader's home folder; port: of a
    listener on loopback; heard: what came in there; word: the word by which an attack marks what it writes."""

    course: Path
    home: Path
    port: int
    word: str
    heard: list[bytes] = field(default_factory=list)

    def filled(self, source: str, chapter: Chapter) -> str:
        """A cell with this course's names in it."""
        words = {"ANSWER": ATTACKED[chapter.number], "CHAPTER": chapter.stem, "COURSE": str(self.course),
                 "REPOSITORY": str(ROOT), "HOMEFOLDER": str(self.home), "PORT": str(self.port), "CANARY_": self.word + "_"}
        for word, value in words.items():
            source = source.replace(word, value)
        return source.replace("LEAK", 'LE" f"AK')  # messages show the learner's own line: it must not hold the word

    def write(self, attack: Attack, chapter: Chapter, student: str, base: nbformat.NotebookNode) -> None:
        """Hand in an attack."""
        folder = self.course / "submitted" / student / chapter.stem
        nb = nbformat.from_dict(base)
        if attack.kind == "cell":
            nb = making.answered(nb, {ATTACKED[chapter.number]: self.filled(attack.module.CELL, chapter)})
        making.write_submission(self.course, chapter, student, nb)
        if attack.kind == "submit":
            content = attack.module.submit(nb, folder)
            path = folder / f"{chapter.stem}.ipynb"
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content is None:
                path.write_text(json.dumps(nb))


def make_course(folder: Path) -> Path:
    """The course of the chapters 90 and 12 with the honest students' submissions, and canaries in what nobody may
    see: the secret, the source notebooks, the gradebook, the other submissions."""
    chapters = making.known(ATTACKED)
    course = making.write_course(folder, chapters)
    (course / ".course_seed").write_text(SECRET + "\n")
    for chapter in chapters:
        path = course / "build" / "source" / chapter.stem / f"{chapter.stem}.ipynb"
        source = nbformat.read(path, 4)
        source.cells.append(nbformat.v4.new_markdown_cell(SECRET))
        path.write_text(nbformat.writes(source))
        for student in HONEST:
            making.write_submission(course, chapter, student, solved(course, chapter, f"\n# {SECRET}"))
    with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as book:
        book.execute("insert into student (id, first_name, lms_user_id) values ('nora', ?, ?)", (SECRET, SECRET))
        book.commit()
    return course


def solved(course: Path, chapter: Chapter, more: str = "") -> nbformat.NotebookNode:
    """The released notebook with the solution of every exercise."""
    solutions = read_master(chapter.master).solutions
    answers = {e.name: solutions[e.name].solution + more for e in chapter_exercises(chapter.number)}
    return making.answered(making.released(course, chapter), answers)


@contextlib.contextmanager
def town_of(course: Path, home: Path) -> Iterator[Town]:
    """The course within its surroundings; the environment holds canaries while it lasts."""
    home.mkdir(exist_ok=True)
    (home / ".netrc").write_text(SECRET)
    own_tmp = Path(tempfile.mkdtemp(prefix="attacked-"))  # its name tells this run's processes from another's
    own_tmp.chmod(0o755)
    secret_files = [Path(folder) / f"secret-{secrets.token_hex(4)}.txt" for folder in (tempfile.gettempdir(), own_tmp)]
    for path in secret_files:
        path.write_text(SECRET)
    before, before_tmp = dict(os.environ), tempfile.tempdir
    tempfile.tempdir = str(own_tmp)
    os.environ.update(HOME=str(home), SECRET_TOKEN=SECRET, AWS_SECRET_ACCESS_KEY=SECRET)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_listen, args=(listener, heard), daemon=True).start()
        try:
            yield Town(course, home, listener.getsockname()[1], "canary" + secrets.token_hex(4), heard)
        finally:
            os.environ.clear()
            os.environ.update(before)
            tempfile.tempdir = before_tmp
            secret_files[0].unlink()
            shutil.rmtree(own_tmp)


def _listen(listener: socket.socket, heard: list[bytes]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(1)
            with contextlib.suppress(OSError):
                heard.append(connection.recv(1000))


# --- a run --------------------------------------------------------------------------------------


@dataclass
class Aftermath:
    """What a run left. results: by student and chapter; changed: files that differ from before, but for results."""

    summary: Summary
    results: dict[tuple[str, str], Result]
    changed: list[str]
    written: list[str]
    left: list[str]


def attacked(town: Town, students: list[str] | None = None, *, without: tuple[str, ...] = (), again: bool = False,
             limits: Limits = LIMITS) -> Aftermath:
    """Grade what was handed in, and look around."""
    warm_references()
    course = open_course(town.course)
    settings = Settings(SECRET, limits, hidden_folders(course), without)
    names = [CHAPTERS[number].stem for number in ATTACKED]
    before, processes = fingerprints(town.course, town.home), grading_processes()
    summary = grade_course(course, names, settings, jobs=2, students=students, again=again)
    after = fingerprints(town.course, town.home)
    changed = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    changed = [p for p in changed if not re.match(r"(autograded|feedback)(/|$)|gradebook\.db", p)]
    results = {(r.student, r.assignment[:2]): r for r in summary.results}
    return Aftermath(summary, results, changed, marked_files(town.word), sorted(grading_processes() - processes))


def warm_references() -> None:
    """Import what torch imports with its first optimizer: in a worker, on a busy machine, that alone can take longer
    than the limit of the reference that needs it."""
    import torch

    torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)


def fingerprints(*folders: Path) -> dict[str, str]:
    """Kind, mode and content of everything in some folders."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            entry = path.lstat()
            content = ""
            if path.is_symlink():
                content = os.readlink(path)
            elif path.is_file() and entry.st_size < 1 << 24:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(folder))] = f"{entry.st_mode} {entry.st_size if path.is_file() else ''} {content}"
    return found


def marked_files(word: str) -> list[str]:
    """Files whose name holds the word of this run, wherever an attack may have put one."""
    places = {"/tmp", "/var/tmp", "/dev/shm", "/dev", "/", "/etc", "/run", tempfile.gettempdir(), str(Path.home()), os.getcwd(), str(ROOT)}
    return [os.path.join(place, name) for place in sorted(places) for name in _names(place) if word in name]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def grading_processes() -> set[str]:
    """Processes of the fork servers of this run: pid, parent and the end of the command line."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "inside.forkserver" in line and tempfile.gettempdir() in line:
                parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
                found.add(f"{pid} of {parent}: {line[-120:]}")
    return found


def copy_course(course: Path, target: Path) -> Path:
    """A course of its own for tests that hand in other things."""
    return Path(shutil.copytree(course, target, symlinks=True, ignore=shutil.ignore_patterns(
        "submitted", "autograded", "feedback", ".ipython")))


def told(result: Result, exercise: str) -> str:
    """All that a result says to a person about an exercise."""
    parts: list[Any] = [result.reason]
    for notebook in result.notebooks:
        parts += [notebook.problem, *notebook.notes]
        for row in notebook.exercises:
            if row.exercise == exercise:
                parts += [row.title, row.message, *row.wrong, row.misconception]
    return "\n".join(parts)
