"""The gradebook in a real PostgreSQL: nbgrader's commands and ours read and write it as they do SQLite."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from class_tools import TRIVIAL, environment, grade, grade_words, graded, hand_in, known, nbgrader, solutions

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")]

NAME, NOBODY = "12_flops", 65534


def binaries():
    """The folder of PostgreSQL's programs, the newest one; None without any."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name.split(".")[0]))
    found = shutil.which("initdb")
    folders = [f for f in folders if (f / "initdb").is_file()] or ([Path(found).parent] if found else [])
    return folders[-1] if folders else None


@pytest.fixture(scope="module")
def server():
    """A server of our own on a socket in a private folder, without TCP: its folder. It refuses to be root's."""
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here (no initdb in /usr/lib/postgresql/*/bin or on PATH)")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path may have 107 bytes
    as_user = []
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        as_user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]

    def pg(program, *words):
        done = subprocess.run([*as_user, programs / program, *words], cwd=folder, timeout=120, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"})
        assert done.returncode == 0, f"{program} {words}: {done.stdout}"

    options = f"-c listen_addresses='' -c unix_socket_directories={shlex.quote(str(folder))} -c fsync=off"
    data = folder / "data"
    try:
        pg("initdb", "-D", data, "-U", "grader", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        with (folder / "out").open("w"):
            pg("pg_ctl", "-D", data, "-w", "-l", data / "log", "-o", options, "start")
        yield folder
    finally:
        if (data / "postmaster.pid").exists():
            pg("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def on_postgres(server, course_of):
    """Makes a course whose gradebook is a fresh database of the server."""

    def make(name):
        import sqlalchemy as sa

        engine = sa.create_engine(address(server, "postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as db:
            db.execute(sa.text(f"create database {name}"))
        engine.dispose()
        root = course_of("12", name=name)
        (root / "gradebook.db").unlink()
        configure(root, f"c.CourseDirectory.db_url = {address(server, name)!r}")
        nbgrader(root, "generate_assignment", NAME, "--force")
        assert not (root / "gradebook.db").exists()
        return root

    return make


def address(server, name):
    return f"postgresql+psycopg://grader:secretword@/{name}?host={server}"


def configure(root, *lines):
    with (root / "nbgrader_config.py").open("a") as file:
        file.write("\n".join(lines) + "\n")


def write_class(root):
    """All right, one right, blank, not a notebook; two of them late, one with an extension."""
    chapter = known(["12"])[0]
    right = solutions(chapter)
    one = next(iter(right))
    late = "2026-01-06 09:00:00 UTC"
    for student, sources, moment in (("all", right, None), ("one", {one: right[one]}, late), ("blank", {}, None),
                                     ("extended", {one: right[one]}, late), ("broken", TRIVIAL, None)):
        hand_in(root, chapter, student, sources, moment)
    (root / "submitted" / "broken" / NAME / f"{NAME}.ipynb").write_text("this is no notebook")
    configure(root, "c.LateSubmissionPlugin.penalty_method = 'zero'")
    with opened(root) as book:
        book.update_or_create_assignment(NAME, duedate="2026-01-05 12:00:00 UTC")
        book.update_or_create_student("extended")
        book.add_submission(NAME, "extended")
        book.grant_extension(NAME, "extended", days=1)


def opened(root):
    from nbgrader.api import Gradebook

    from autograder.grading.course import open_course

    course = open_course(root)
    return Gradebook(course.db_url, course.course_id)


def told(root):
    """What nbgrader's own library says of every submission."""
    with opened(root) as book:
        return {s.student.id: (s.timestamp, s.total_seconds_late, s.score, s.max_score, s.late_submission_penalty,
                               s.needs_manual_grade, sorted((g.cell.name, g.auto_score, g.needs_manual_grade)
                                                            for n in s.notebooks for g in n.grades),
                               sorted((c.cell.name, c.auto_comment or "") for n in s.notebooks for c in n.comments))
                for s in book.assignment_submissions(NAME)}


def test_postgres_and_sqlite_hold_the_same(on_postgres, course_of):
    lite, heavy = course_of("12"), on_postgres("grades")
    for root in (lite, heavy):
        write_class(root)
    reports = [graded(root, "12") for root in (lite, heavy)]
    assert [(r["graded"], r["refused"], r["failed"]) for r in reports] == [(4, 1, 0)] * 2
    mine = told(heavy)
    assert mine == told(lite)
    assert mine["all"][2] > 0 and mine["one"][4] == mine["one"][2] > 0 and not mine["extended"][4]
    again = graded(heavy, "12")
    assert (again["graded"], again["skipped"]) == (0, 5)
    nbgrader(heavy, "export")
    assert ",all," in (heavy / "grades.csv").read_text()
    nbgrader(heavy, "generate_feedback", NAME, "--force")
    assert told(heavy) == mine and not list(heavy.glob("*.bak"))


def test_two_runs_at_a_time_on_a_server(on_postgres):
    root = on_postgres("pair")
    for index in range(6):
        hand_in(root, known(["12"])[0], f"s{index}", TRIVIAL)
    runs = [subprocess.Popen(grade_words(root, "12", "--jobs", "1"), cwd=root, env=environment(),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    done = [(process.communicate(timeout=400)[0], process.returncode) for process in runs]
    assert [status for _, status in done] == [0, 0], done
    assert len(told(root)) == 6


def test_first_runs_at_the_same_moment_make_one_table(on_postgres):
    """The race of the test above, without the long way there: everybody looks before anybody has made the table."""
    from autograder.grading.course import open_course
    from autograder.grading.gradebook import Gradebook

    course = open_course(on_postgres("first"))
    together = threading.Barrier(6)

    class Late(Gradebook):
        @contextlib.contextmanager
        def _transaction(self):
            together.wait(60)
            with super()._transaction() as db:
                yield db

    with ThreadPoolExecutor(6) as pool:
        books = list(pool.map(lambda _: Late(course), range(6)))
    assert [book.keys(NAME) for book in books] == [set()] * 6
    for book in books:
        book.close()


def test_a_server_that_does_not_answer_is_one_sentence_without_its_password(course_of, tmp_path):
    root = course_of("12")
    configure(root, f"c.CourseDirectory.db_url = {address(tmp_path / 'nothing', 'grades')!r}")
    hand_in(root, known(["12"])[0], "ann", TRIVIAL)
    done = grade(root, "12", check=False)
    assert done.returncode == 2 and done.stderr.startswith("✗ the gradebook ") and done.stderr.count("\n") == 1
    assert "secretword" not in done.stderr + done.stdout
