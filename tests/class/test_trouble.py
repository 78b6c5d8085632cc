"""A full disk, a folder that can't be written, an old or damaged gradebook, a busy one: one sentence, status 2, nothing
half written; and the next run ends what was begun."""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest
from class_tools import (
    TRIVIAL,
    drafts,
    environment,
    grade,
    grade_words,
    graded,
    hand_in,
    intact,
    known,
    nbgrader,
    query,
    scores,
    tables,
)

from autograder.grading.course import open_course
from autograder.grading.gradebook import Gradebook

pytestmark = pytest.mark.slow

STUDENTS = 6


def small_class(root, number="12", sources=TRIVIAL):
    chapter = known([number])[0]
    for index in range(STUDENTS):
        hand_in(root, chapter, f"s{index}", sources)
    return chapter.stem


def one_sentence(done, *words):
    """Status 2 and one line on standard error that says these words; no traceback."""
    told = done.stderr.strip()
    assert done.returncode == 2, (done.returncode, done.stdout, told)
    assert told.startswith("✗ ") and "\n" not in told and "Traceback" not in told, told
    assert all(word in told for word in words), told


def whole(root):
    """Nothing is half written, and of each recorded result the files are there."""
    assert intact(root / "gradebook.db") and not drafts(root)
    with contextlib.suppress(sqlite3.OperationalError):
        for student, name in query(root / "gradebook.db", "select student, assignment from autograder_result"):
            assert (root / "autograded" / student / name / f"{name}.ipynb").stat().st_size > 1000
            assert (root / "feedback" / student / name / f"{name}.html").read_text().rstrip().endswith("</html>")


# --- no room --------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ["nothing", "no page", "no copy", "no table", "no result"])
def test_a_limit_on_the_size_of_files_is_told_and_a_later_run_goes_on(course_of, room):
    root = course_of("12")
    name = small_class(root)
    book = (root / "gradebook.db").stat().st_size
    limit = {"nothing": 4096, "no page": 70_000, "no copy": book - 4096, "no table": book + 4096,
             "no result": book + 40_000}[room]
    limit_files = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    done = subprocess.run(grade_words(root, "12"), cwd=root, capture_output=True, text=True, timeout=300,
                          env=environment(), preexec_fn=limit_files)
    one_sentence(done, "")
    whole(root)
    nbgrader(root, "db", "assignment", "list")
    grade(root, "12")
    whole(root)
    assert len(scores(root / "gradebook.db", name)) == STUDENTS


# `unshare` gives the test file systems of its own; where it may not, these are skipped.
UNSHARE = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-rm"]


def unshared(script, cwd, **more):
    """A shell script in mount namespace of its own."""
    words = [*UNSHARE, "sh", "-e", "-c", script]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300, env=environment(), **more)


@pytest.fixture(scope="module")
def mounts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mounts")
    if shutil.which("unshare") is None or unshared(f"mount -t tmpfs none {folder}", folder).returncode:
        pytest.skip("this machine allows no mount namespace")


@pytest.mark.parametrize("spare_kb", [0, 150, 500])
def test_a_full_file_system_is_told(mounts, course_of, tmp_path, spare_kb):
    root = course_of("12")
    small_class(root)
    small, kept = tmp_path / "small", tmp_path / "kept"
    small.mkdir()
    used = sum(-(-p.stat().st_size // 4096) * 4 for p in root.rglob("*") if p.is_file())
    words = shlex.join(grade_words(small / "course", "12"))
    script = (f"mount -t tmpfs -o size={used + 64 + spare_kb}k none {small}; cp -r {root} {small}/course; "
              f"set +e; {words}; status=$?; cp -r {small}/course {kept}; exit $status")
    done = unshared(script, tmp_path)
    one_sentence(done, "")
    assert "space" in done.stderr or "full" in done.stderr or "disk" in done.stderr, done.stderr
    whole(kept)
    before = len(scores(kept / "gradebook.db", "12_flops"))
    assert before < STUDENTS
    report = graded(kept, "12")
    assert report["graded"] == STUDENTS - before and report["skipped"] == before
    whole(kept)


@pytest.mark.parametrize("what", [".", "gradebook.db", "autograded", "feedback"])
def test_what_cant_be_written_is_told(mounts, course_of, what):
    root = course_of("12")
    small_class(root)
    for step in ("autograded", "feedback"):
        (root / step).mkdir()
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    script = (f"mount --bind {root / what} {root / what}; mount -o remount,ro,bind {root / what}; cd /; "
              f"exec {shlex.join(grade_words(root, '12'))}")
    done = unshared(script, root)
    one_sentence(done, "writ")
    whole(root)
    after = {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and not p.name.endswith(".bak")
             and "gradebook.db" not in p.name}
    assert after == {p: text for p, text in before.items() if p.name != "gradebook.db"}
    assert tables(root / "gradebook.db")["submitted_assignment"] == []


# --- the gradebook itself -------------------------------------------------------------------------


def of_an_older_nbgrader(database):
    """Take a gradebook back to the schema of nbgrader 0.5 (revision 167914646830), which knew no courses."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.executescript("""
            pragma foreign_keys = off;
            begin;
            create table older (id varchar(32) not null, name varchar(128) not null, duedate datetime,
                                primary key (id), unique (name));
            insert into older select id, name, duedate from assignment;
            drop table assignment;
            alter table older rename to assignment;
            drop table course;
            alter table student drop column lms_user_id;
            update alembic_version set version_num = '167914646830';
            commit;
        """)


def test_an_older_gradebook_is_backed_up_and_migrated(course_of, tmp_path):
    root = course_of("12")
    name = small_class(root)
    of_an_older_nbgrader(root / "gradebook.db")
    shutil.copyfile(root / "gradebook.db", tmp_path / "older.db")
    done = grade(root, "12", "--dry-run", check=False)
    one_sentence(done, "nbgrader db upgrade")
    assert (root / "gradebook.db").read_bytes() == (tmp_path / "older.db").read_bytes()
    grade(root, "12")
    assert query(root / "gradebook.db", "select version_num from alembic_version") == [("e43177bfe90b",)]
    first = min(root.glob("gradebook.db.*.bak"))
    assert query(first, "select version_num from alembic_version") == [("167914646830",)]
    for table in ("assignment", "notebook", "base_cell", "student"):
        asked = f"select * from {table} order by id"
        assert query(first, asked) == query(tmp_path / "older.db", asked), table
    assert len(scores(root / "gradebook.db", name)) == STUDENTS and intact(first)
    nbgrader(root, "db", "student", "list")


def test_a_schema_from_the_future_is_told_and_left(course_of):
    root = course_of("12")
    small_class(root)
    with contextlib.closing(sqlite3.connect(root / "gradebook.db")) as db, db:
        db.execute("update alembic_version set version_num = 'fedcba987654'")
    one_sentence(grade(root, "12", check=False), "fedcba987654", "nbgrader 0.9", ".bak")
    assert "autograder_result" not in {r[0] for r in query(root / "gradebook.db", "select name from sqlite_master")}


@pytest.mark.parametrize("content, word", [(b"this is no database" * 500, "not a database"), (b"", "no gradebook"),
                                           (None, "generate_assignment")])
def test_a_damaged_or_missing_gradebook_is_told(course_of, content, word):
    root = course_of("12")
    small_class(root)
    (root / "gradebook.db").unlink()
    if content is not None:
        (root / "gradebook.db").write_bytes(content)
    one_sentence(grade(root, "12", check=False), word)
    assert not (root / "autograded").exists()


def test_a_gradebook_that_another_program_holds_is_waited_for(course_of):
    root = course_of("12")
    name = small_class(root)
    with contextlib.closing(sqlite3.connect(root / "gradebook.db", isolation_level=None, timeout=60)) as db:
        process = subprocess.Popen(grade_words(root, "12"), cwd=root, env=environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        has_table = "select 1 from sqlite_master where name = 'autograder_result'"
        while not db.execute(has_table).fetchall() and process.poll() is None:
            time.sleep(0.01)
        db.execute("begin immediate")
        held = time.monotonic()
        while not list(root.glob("autograded/*/*/*.ipynb")) and process.poll() is None and time.monotonic() < held + 60:
            time.sleep(0.05)
        time.sleep(2)
        assert process.poll() is None, process.stdout.read()
        recorded = db.execute("select count(*) from submitted_assignment").fetchone()
        db.execute("rollback")
        out, _ = process.communicate(timeout=200)
    assert process.returncode == 0, out
    assert recorded == (0,), "it was held while the first result was there"
    assert len(scores(root / "gradebook.db", name)) == STUDENTS


def test_the_first_run_waits_for_a_gradebook_that_is_held(course_of):
    root = course_of("12")
    with contextlib.closing(sqlite3.connect(root / "gradebook.db", isolation_level=None, check_same_thread=False)) as db:
        db.execute("begin immediate")
        timer = threading.Timer(1.5, db.execute, ["rollback"])
        timer.start()
        with Gradebook(open_course(root)):
            timer.join()
    assert query(root / "gradebook.db", "select count(*) from autograder_result") == [(0,)]


def test_two_runs_at_a_time_record_each_submission_once(course_of):
    root = course_of("12")
    name = small_class(root)
    runs = [subprocess.Popen(grade_words(root, "12", "--jobs", "1"), cwd=root, env=environment(),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    told = [(process.communicate(timeout=400)[0], process.returncode) for process in runs]
    assert [status for _, status in told] == [0, 0], told
    assert query(root / "gradebook.db", "select count(*), count(distinct student) from autograder_result") == [
        (STUDENTS, STUDENTS)]
    assert len(scores(root / "gradebook.db", name)) == STUDENTS
    whole(root)


def test_an_interrupted_run_leaves_nothing_behind_and_goes_on(course_of):
    """Ctrl-C reaches the whole process group."""
    root = course_of("12")
    small_class(root)
    process = subprocess.Popen(grade_words(root, "12", "--jobs", "1"), cwd=root, env=environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    while not list(root.glob("autograded/*/*/*.ipynb")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "Traceback" not in out, out
    end = time.monotonic() + 3
    while members(process.pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not members(process.pid)
    whole(root)
    report = graded(root, "12")
    assert report["graded"] + report["skipped"] == STUDENTS


def members(group):
    """The processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[2]) == group and fields[0] not in "ZX":
                found.append(stat.parent.name)
    return found
