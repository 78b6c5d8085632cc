"""A class for the benchmarks and the tests: a course folder and varied submissions to it.

    python benchmarks/submissions.py DIR [--chapters 90,26] [--submissions 30] [--seed 1]

DIR becomes an nbgrader course with its assignments released and `submitted/` filled. The same seed
gives the same files. Without DIR nothing is written; the kinds of submissions are told.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import nbformat
from measuring.answers import KINDS, chapter_answers

from autograder.chapters import CHAPTERS, ROOT, Chapter
from autograder.exercises import chapter_exercises
from autograder.notebooks.build import build_chapter, write_text
from autograder.notebooks.master import read_master

HERE = Path(__file__).resolve().parent
PLUGIN, SEED = "reference_assignment", "a secret of the benchmark"
TIMESTAMP = "2026-01-05 10:00:00.000000 UTC\n"
# How many of 100 mixed answers are of each kind. Few are slow: a sleep costs wall time and no CPU time.
SHARES = {"right": 58, "wrong": 20, "raising": 7, "blank": 9, "slow": 1, "printing": 5}
Plan = dict[str, dict[str, str]]  # student -> exercise -> kind of answer


def environment(**more: str) -> dict[str, str]:
    """The environment in which a process grades a course of ours: the measured assignments are known,
    one thread, nothing is kept of the attempts."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
            "AUTOGRADER_PLUGINS": PLUGIN, "AUTOGRADER_NO_PROGRESS": "1", "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0", **more}


def known(numbers: Iterable[str]) -> list[Chapter]:
    """The chapters with these numbers ("90", "3"), the measured assignments included. KeyError with a sentence."""
    from reference_assignment import register

    register()
    found = []
    for number in numbers:
        chapter = CHAPTERS.get(number.strip().zfill(2))
        if chapter is None or not chapter.master.exists():
            raise KeyError(f"chapter {number!r} is not written: give two digits, or 90 for the reference assignment")
        found.append(chapter)
    return found


def write_course(folder: Path, chapters: Iterable[Chapter]) -> Path:
    """An nbgrader course in `folder` (new or empty): configuration, secret, sources, releases, gradebook.

    The releases are made by `nbgrader generate_assignment`. RuntimeError if it fails.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name a new folder")
    shutil.copyfile(ROOT / "nbgrader_config.py", folder / "nbgrader_config.py")
    write_text(folder / ".course_seed", SEED + "\n")
    for chapter in chapters:
        write_text(folder / "build" / "source" / chapter.stem / f"{chapter.stem}.ipynb", build_chapter(chapter).source)
        nbgrader(folder, "generate_assignment", chapter.stem)
    return folder


def nbgrader(course: Path, *words: str) -> None:
    """Run one of nbgrader's commands in a course. RuntimeError with its last lines if it fails."""
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=course, capture_output=True, text=True,
                          timeout=1800, env=environment(IPYTHONDIR=str(course / ".ipython")))
    if done.returncode:
        raise RuntimeError(f"nbgrader {' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def released(course: Path, chapter: Chapter) -> nbformat.NotebookNode:
    """The learner's notebook of a course that `write_course` made."""
    return nbformat.read(course / "course" / chapter.stem / f"{chapter.stem}.ipynb", as_version=4)


def write_submissions(course: Path, chapter: Chapter, count: int, seed: int = 1) -> Plan:
    """Write `count` submissions of students s000, s001, …; what kind each answer is of.

    Of any 20 in a row one is all blank, one has an answer of each kind in turn, and of the others a third is all
    right and the rest is drawn by SHARES. So a few submissions are like many. A student's submission depends on
    the seed and her number, not on `count`. A "right" answer is right by itself; where it calls the answer to an
    earlier exercise, it shares that one's fate.
    """
    answers = chapter_answers(chapter_exercises(chapter.number), read_master(chapter.master))
    release, plan = released(course, chapter), {}
    for index in range(count):
        student, rng = f"s{index:03d}", random.Random(f"{seed}/{chapter.stem}/{index}")
        plan[student] = planned(index, list(answers), rng)
        sources = {name: answers[name].source(kind, rng) for name, kind in plan[student].items()}
        write_submission(course, chapter, student, answered(release, sources))
    return plan


def planned(index: int, names: list[str], rng: random.Random) -> dict[str, str]:
    """The kind of each answer of the submission number `index`."""
    if index % 20 == 1:
        return dict.fromkeys(names, "blank")
    if index % 20 == 2:
        turn = rng.randrange(len(KINDS))
        return {name: KINDS[(turn + i) % len(KINDS)] for i, name in enumerate(names)}
    if index % 3 == 0:
        return dict.fromkeys(names, "right")
    return dict(zip(names, rng.choices(list(SHARES), list(SHARES.values()), k=len(names)), strict=True))


def answered(release: nbformat.NotebookNode, sources: dict[str, str | None]) -> nbformat.NotebookNode:
    """A copy of the released notebook with these answers in it; None leaves a cell as it was handed out.
    Written answers get a sentence if any exercise was answered."""
    notebook = copy.deepcopy(release)
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader", {})
        if not meta.get("solution"):
            continue
        if cell.cell_type == "markdown":
            cell.source = "An answer in words." if any(sources.values()) else cell.source
        elif sources.get(meta["grade_id"]) is not None:
            cell.source = sources[meta["grade_id"]]
    return notebook


def write_submission(course: Path, chapter: Chapter, student: str, notebook: nbformat.NotebookNode) -> None:
    """Put a notebook and its time stamp where nbgrader collects them."""
    folder = course / "submitted" / student / chapter.stem
    write_text(folder / f"{chapter.stem}.ipynb", nbformat.writes(notebook, version=4) + "\n")
    write_text(folder / "timestamp.txt", TIMESTAMP)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--chapters", default="90", help="numbers with commas between them (default: 90)")
    parser.add_argument("--submissions", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.folder is None:
        print(f"kinds of answers: {', '.join(KINDS)}; whole notebooks are all right, all blank or mixed")
        return 0
    try:
        chapters = known(given.chapters.split(","))
        course = write_course(given.folder, chapters)
    except (KeyError, OSError) as error:
        print(f"✗ {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return 2
    for chapter in chapters:
        plan = write_submissions(course, chapter, given.submissions, given.seed)
        kinds = Counter(kind for answers in plan.values() for kind in answers.values())
        print(f"{chapter.stem}: {len(plan)} submissions; {json.dumps(kinds)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
