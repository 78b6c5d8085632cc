"""What the tests of a whole class share: courses on disk, the real commands, gradebooks read with plain SQL."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from autograder.chapters import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from submissions import answered, environment, known, released, write_course, write_submission

__all__ = ["answered", "environment", "known", "released", "write_course", "write_submission"]

LIMIT_S = 1500
# Of chapter 12: an answer to one exercise that is wrong and quick, so that a sandbox is opened and little is run.
TRIVIAL = {"conv_macs": "def conv_macs(*args, **kwargs):\n    return 0\n"}


def run(words, cwd, *, check=True, limit_s=LIMIT_S, **env):
    """A finished command; with `check` its exit status must be 0."""
    done = subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True, timeout=limit_s,
                          env=environment(IPYTHONDIR=str(Path(cwd) / ".ipython"), **env))
    assert not check or done.returncode == 0, f"{words}\n{done.stdout[-3000:]}{done.stderr[-4000:]}"
    return done


def nbgrader(course, *words, **options):
    return run([sys.executable, "-m", "nbgrader", *words], course, **options)


def grade_words(course, *words):
    return [sys.executable, "-m", "autograder", "grade", "--course", str(course), "--no-progress", *map(str, words)]


def grade(course, *words, **options):
    """`autograder grade` on a course."""
    return run(grade_words(course, *words), course, **options)


def graded(course, *words, **options):
    """The report of `autograder grade --json`."""
    return json.loads(grade(course, "--json", *words, **options).stdout)


def hand_in(course, chapter, student, sources, timestamp=None, essay=None):
    """Put a student's answers where nbgrader collects them: source by exercise, the others left as handed out.
    essay: the written answer; a sentence, or as handed out where nothing was answered, if it is not given."""
    notebook = answered(released(course, chapter), sources)
    if essay is not None:
        for cell in notebook.cells:
            if cell.cell_type == "markdown" and cell.metadata.get("nbgrader", {}).get("solution"):
                cell.source = essay
    write_submission(course, chapter, student, notebook)
    if timestamp is not None:
        (course / "submitted" / student / chapter.stem / "timestamp.txt").write_text(timestamp)


def solutions(chapter):
    """The master's own answers by exercise."""
    from autograder.notebooks.master import read_master

    return {name: cell.solution for name, cell in read_master(chapter.master).solutions.items()}


# --- a gradebook, read without the grader's code --------------------------------------------------

_NAMES = """ from submitted_assignment s join assignment a on a.id = s.assignment_id
join submitted_notebook n on n.assignment_id = s.id join notebook b on b.id = n.notebook_id """
QUERIES = {
    "grade": "select s.student_id, a.name, b.name, c.name, g.auto_score, g.manual_score, g.extra_credit, "
             "g.needs_manual_grade" + _NAMES + "join grade g on g.notebook_id = n.id "
             "join base_cell c on c.id = g.cell_id",
    "comment": "select s.student_id, a.name, b.name, c.name, g.auto_comment, g.manual_comment" + _NAMES
               + "join comment g on g.notebook_id = n.id join base_cell c on c.id = g.cell_id",
    "submitted_notebook": "select s.student_id, a.name, b.name, n.flagged, n.late_submission_penalty" + _NAMES,
    "submitted_assignment": "select s.student_id, a.name, s.timestamp, s.extension from submitted_assignment s "
                            "join assignment a on a.id = s.assignment_id",
    "student": "select id, first_name, last_name, email, lms_user_id from student",
}
COUNTED = ("grade", "comment", "submitted_notebook", "submitted_assignment", "student")


def query(database, sql, *values):
    """The rows of a query on a SQLite file."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as db:
        return db.execute(sql, values).fetchall()


def tables(database):
    """nbgrader's tables with names in place of ids, sorted. No row may lack its parents."""
    found = {name: sorted(query(database, sql), key=repr) for name, sql in QUERIES.items()}
    for name in COUNTED:
        assert query(database, f"select count(*) from {name}") == [(len(found[name]),)], f"orphans in {name}"
    return found


def own_results(database):
    """Our own table: what a result says, without what a clock measured."""
    rows = query(database, "select key, assignment, student, digest, exercises_digest, status, result "
                           "from autograder_result order by student, assignment, key")
    return [(*row[:-1], timeless(json.loads(row[-1]))) for row in rows]


def timeless(value):
    """JSON without seconds and memory."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in ("seconds", "cpu_seconds", "peak_mb")}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def scores(database, assignment):
    """The automatic score of each cell by student."""
    found = {}
    for student, name, _, cell, score, *_ in query(database, QUERIES["grade"]):
        if name == assignment:
            found.setdefault(student, {})[cell] = score
    return found


def intact(database):
    return query(database, "pragma integrity_check") == [("ok",)]


def drafts(folder):
    """What was begun and not ended."""
    return [str(p) for p in Path(folder).rglob("*.draft")]


# --- processes ------------------------------------------------------------------------------------


def children(pid):
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(p) for p in (task / "children").read_text().split()]
    return found


def descendants(pid):
    return [d for child in children(pid) for d in (child, *descendants(child))]


def command_of(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def running(pid):
    """Whether a process is there and is no zombie."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


def identity(pid):
    """A process and when it began, since numbers are used again; None once it is gone."""
    with contextlib.suppress(OSError, IndexError):
        return pid, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return None
