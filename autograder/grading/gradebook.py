"""Results into nbgrader's own gradebook, one transaction a submission, exactly once.

nbgrader's tables are read and written as they stand in the database (SQLAlchemy reflects them), so SQLite and
PostgreSQL behave the same and nothing of nbgrader has to be imported. Beside them lies one table of ours,
`autograder_result`: a row for every result that was recorded, found again by its key.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from .assignment import GRADER_VERSION, Assignment
from .course import Course, CourseError
from .results import FAILED, Result

# nbgrader's schema as of 0.9: the newest revision of its migrations.
KNOWN_REVISION = "e43177bfe90b"
NBGRADER_TABLES = ("assignment", "notebook", "base_cell", "grade_cells", "solution_cells", "task_cells", "student",
                   "submitted_assignment", "submitted_notebook", "grade", "comment")

Penalty = Callable[[str, float, float], float | None]  # student, score, seconds late -> points off
EPOCH = datetime.datetime(1970, 1, 1)

_own = sa.MetaData()
_CREATING = 0x617574  # a number of our own for the server's advisory locks
RESULTS = sa.Table(
    "autograder_result", _own,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.String(64), nullable=False, unique=True),
    sa.Column("assignment", sa.String(128), nullable=False, index=True),
    sa.Column("student", sa.String(128), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("exercises_digest", sa.String(64), nullable=False),
    sa.Column("grader_version", sa.String(32), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("finished", sa.DateTime, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
)


class GradebookError(CourseError):
    """The gradebook can't be used: one sentence that says what to do."""


@dataclass(frozen=True)
class Recorded:
    """What recording did. fresh: the result was new; conflict: another result stands under the same key."""

    fresh: bool
    conflict: str = ""


def result_key(assignment: str, student: str, digest: str, exercises_digest: str) -> str:
    """The key under which a result is recorded once."""
    parts = (assignment, student, digest, exercises_digest, GRADER_VERSION)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Gradebook:
    """The gradebook of a course, for one writer; use as a context manager. Raises GradebookError.

    read_only: change nothing in it, also where our table is missing.
    """

    def __init__(self, course: Course, penalty: Penalty | None = None, *, read_only: bool = False) -> None:
        self.course, self.penalty = course, penalty
        self.engine = open_engine(course.db_url, ahead=not read_only)
        try:
            with self._told():
                self._prepare(read_only)
        except BaseException:
            self.engine.dispose()
            raise
        self.ids: dict[str, _Ids] = {}

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.engine.dispose()

    def _prepare(self, read_only: bool) -> None:
        tables = set(sa.inspect(self.engine).get_table_names())
        if "assignment" not in tables:
            raise GradebookError(f"{shown(self.course.db_url)} holds no gradebook of nbgrader yet: "
                                 "run `nbgrader generate_assignment NAME`")
        revision = self._revision() if "alembic_version" in tables else ""
        if revision != KNOWN_REVISION:
            if read_only:
                raise GradebookError(f"{shown(self.course.db_url)} was made by another nbgrader: grade without "
                                     "--dry-run, or run `nbgrader db upgrade`, to bring it up to date")
            self._upgrade(revision)
        self.has_results = RESULTS.name in tables
        if not self.has_results and not read_only:
            back_up(self.course.db_url)
            with self._transaction() as db:
                if db.dialect.name == "postgresql":  # two first runs at a time: the second waits, then finds the table
                    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATING)))
                _own.create_all(db)
            self.has_results = True
        self.tables = sa.MetaData()
        self.tables.reflect(self.engine, only=NBGRADER_TABLES)

    def _revision(self) -> str:
        with self.engine.connect() as db:
            return str(db.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")

    def _upgrade(self, revision: str) -> None:
        """An older nbgrader's gradebook: back it up, then nbgrader's own migration."""
        copy = back_up(self.course.db_url)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # it calls alembic
        done = subprocess.run([sys.executable, "-m", "nbgrader", "db", "upgrade"], cwd=self.course.root,
                              capture_output=True, text=True, timeout=600, env={**os.environ, "PATH": path})
        if done.returncode or self._revision() != KNOWN_REVISION:
            told = (done.stderr or done.stdout).strip().split("\n")[-1][-300:]
            raise GradebookError(
                f"the gradebook has the schema {revision or 'of an unknown version'}, and `nbgrader db upgrade` did "
                f"not bring it to {KNOWN_REVISION} ({told}): use the nbgrader 0.9 that the course is installed with"
                + (f"; as it was before it lies in {copy}" if copy else ""))

    # --- reading --------------------------------------------------------------------------------

    def points(self, assignment: str) -> dict[str, dict[str, float]]:
        """Points by notebook and grade id. GradebookError when the assignment is not in the gradebook."""
        with self._told(), self.engine.connect() as db:
            ids = _Ids(db, self.tables, assignment)
        return {name: {cell: points for cell, (_, points) in cells.items()} for name, cells in ids.grades.items()}

    def keys(self, assignment: str) -> set[str]:
        """The keys that are recorded for an assignment."""
        if not self.has_results:
            return set()
        with self._told(), self.engine.connect() as db:
            return set(db.execute(sa.select(RESULTS.c.key).where(RESULTS.c.assignment == assignment)).scalars())

    def given(self, assignment: str, student: str) -> dict[str, dict[str, Any]]:
        """By notebook and grade id what a person gave: "manual_score", "extra_credit" and "comment"; "penalty" by
        notebook."""
        t = self.tables.tables
        scores = sa.select(t["notebook"].c.name, t["base_cell"].c.name, t["grade"].c.manual_score,
                           t["grade"].c.extra_credit).select_from(
            _submitted(t).join(t["grade"], t["grade"].c.notebook_id == t["submitted_notebook"].c.id)
            .join(t["base_cell"], t["base_cell"].c.id == t["grade"].c.cell_id))
        comments = sa.select(t["notebook"].c.name, t["base_cell"].c.name, t["comment"].c.manual_comment).select_from(
            _submitted(t).join(t["comment"], t["comment"].c.notebook_id == t["submitted_notebook"].c.id)
            .join(t["base_cell"], t["base_cell"].c.id == t["comment"].c.cell_id))
        penalties = sa.select(t["notebook"].c.name, t["submitted_notebook"].c.late_submission_penalty).select_from(
            _submitted(t))
        which = (t["assignment"].c.name == assignment) & (t["submitted_assignment"].c.student_id == student)
        found: dict[str, dict[str, Any]] = {}
        with self._told(), self.engine.connect() as db:
            for name, cell, score, extra in db.execute(scores.where(which)):
                found.setdefault(name, {})[cell] = {"manual_score": score, "extra_credit": extra}
            for name, cell, comment in db.execute(comments.where(which)):
                found.setdefault(name, {}).setdefault(cell, {})["comment"] = comment
            for name, penalty in db.execute(penalties.where(which)):
                found.setdefault(name, {})["penalty"] = penalty
        return found

    def foreseen(self, result: Result, timestamp: datetime.datetime | None) -> dict[str, dict[str, Any]]:
        """What `given` will say once a result is recorded: with the penalty for lateness that comes with it."""
        t, found = self.tables.tables, self.given(result.assignment, result.student)
        with self._told(), self.engine.connect() as db:
            ids = self._ids(db, result.assignment)
            extension = db.execute(sa.select(t["submitted_assignment"].c.extension).where(
                t["submitted_assignment"].c.assignment_id == ids.assignment,
                t["submitted_assignment"].c.student_id == result.student)).scalar()
        late = seconds_late(timestamp, ids.due, extension)
        for name, cells in ids.grades.items():
            mine, score = found.setdefault(name, {}), 0.0
            for cell in cells:
                by_hand = mine.get(cell, {})
                auto = result.scores().get(name, {}).get(cell) or 0.0
                score += auto if by_hand.get("manual_score") is None else by_hand["manual_score"]
                score += by_hand.get("extra_credit") or 0.0
            mine["penalty"] = self._points_off(result.student, score, late)
        return found

    def recorded(self, assignment: Assignment, result: Result) -> Result | None:
        """The result that stands under the key of another one, if any."""
        with self._told(), self.engine.connect() as db:
            key = result_key(result.assignment, result.student, result.digest, assignment.exercises_digest)
            kept = db.execute(sa.select(RESULTS.c.result).where(RESULTS.c.key == key)).scalar()
        return None if kept is None else Result.from_json(kept)

    # --- writing --------------------------------------------------------------------------------

    def record(self, assignment: Assignment, result: Result, timestamp: datetime.datetime | None) -> Recorded:
        """Write a result: grades, comments and its own row, all or nothing.

        Recording an existing key again changes nothing; where its scores differ, the conflict is told. Scores
        that a person gave are never changed. A failed result leaves a row that waits for a person, and is
        graded again by the next run.
        """
        key = result_key(result.assignment, result.student, result.digest, assignment.exercises_digest)
        if result.status == FAILED:
            key = hashlib.sha256(f"{key}/failed".encode()).hexdigest()
        try:
            return self._record(key, assignment, result, timestamp)
        except sa.exc.IntegrityError:  # another run wrote the same rows at the same moment: now they are there
            with self._told():
                return self._record(key, assignment, result, timestamp)

    def _record(self, key: str, assignment: Assignment, result: Result,
                timestamp: datetime.datetime | None) -> Recorded:
        with self._transaction() as db:
            ids = self._ids(db, result.assignment)
            kept = db.execute(sa.select(RESULTS.c.result).where(RESULTS.c.key == key)).scalar()
            if kept is not None:
                before = Result.from_json(kept)
                # As they were: another program may have changed them.
                self._write_grades(db, ids, before, timestamp, again=True)
                differs = before.scores() != result.scores()
                return Recorded(False, _difference(before.scores(), result.scores()) if differs else "")
            self._write_grades(db, ids, result, timestamp)
            db.execute(RESULTS.insert().values(
                key=key, assignment=result.assignment, student=result.student, digest=result.digest,
                exercises_digest=assignment.exercises_digest, grader_version=GRADER_VERSION, status=result.status,
                finished=datetime.datetime.now(datetime.UTC).replace(tzinfo=None), result=result.to_json()))
        return Recorded(True)

    def _ids(self, db: Connection, assignment: str) -> _Ids:
        if assignment not in self.ids:
            self.ids[assignment] = _Ids(db, self.tables, assignment)
        return self.ids[assignment]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with (self._told(sa.exc.IntegrityError), self.engine.connect() as db,
              db.execution_options(writes=True).begin()):
            yield db

    @contextlib.contextmanager
    def _told(self, *apart: type[Exception]) -> Iterator[None]:
        """Errors of the database as one sentence, those of the types `apart` as they are."""
        try:
            yield
        except apart:
            raise
        except sa.exc.DBAPIError as error:
            raise GradebookError(_sentence(self.course.db_url, error)) from error

    def _write_grades(self, db: Connection, ids: _Ids, result: Result, timestamp: datetime.datetime | None,
                      again: bool = False) -> None:
        t = self.tables.tables
        _ensure(db, t["student"], {"id": result.student}, {"lms_user_id": None})
        submission = _ensure(db, t["submitted_assignment"],
                             {"assignment_id": ids.assignment, "student_id": result.student}, {"timestamp": timestamp})
        db.execute(t["submitted_assignment"].update().where(t["submitted_assignment"].c.id == submission)
                   .values(timestamp=timestamp))
        told = {n.name: n for n in result.notebooks}
        for name, notebook in ids.notebooks.items():
            row = _ensure(db, t["submitted_notebook"], {"assignment_id": submission, "notebook_id": notebook},
                          {"flagged": False})
            self._write_scores(db, ids.grades[name], row, result, name, again)
            self._write_comments(db, ids, name, row, told.get(name), result)
            self._write_penalty(db, ids, submission, row, result.student)

    def _write_scores(self, db: Connection, cells: dict[str, tuple[str, float]], row: str, result: Result, name: str,
                      again: bool) -> None:
        """The automatic scores of a notebook. As nbgrader does it, a cell that a person had scored waits for her
        again after a new result; not where the same result is only written `again`."""
        table, scores = self.tables.tables["grade"], result.scores().get(name, {})
        grades = {g.cell_id: g for g in db.execute(sa.select(table).where(table.c.notebook_id == row))}
        new = []
        for cell, (cell_id, _) in cells.items():
            old = grades.get(cell_id)
            score = None if result.status == FAILED else scores.get(cell, 0.0)
            if old is not None and old.auto_score is not None and result.status == FAILED:
                continue
            if old is not None and old.manual_score is not None and old.auto_score == score and again:
                continue
            manual = score is None or (old is not None and old.manual_score is not None)
            values = {"auto_score": score, "needs_manual_grade": manual}
            if old is None:
                new.append({"id": _new_id(), "notebook_id": row, "cell_id": cell_id, **values})
            else:
                db.execute(table.update().where(table.c.id == old.id).values(**values))
        if new:
            db.execute(table.insert(), new)

    def _write_comments(self, db: Connection, ids: _Ids, name: str, row: str, told: Any,
                        result: Result) -> None:
        table = self.tables.tables["comment"]
        rows = db.execute(sa.select(table.c.id, table.c.cell_id).where(table.c.notebook_id == row))
        old = {c.cell_id: c.id for c in rows}
        new = []
        for cell, cell_id in ids.solutions[name].items():
            text = None
            if told is not None and told.problem:
                text = told.problem
            elif result.status == FAILED:
                text = result.reason
            elif told is None or cell in told.blank:
                text = "No response."
            if cell_id in old:
                db.execute(table.update().where(table.c.id == old[cell_id]).values(auto_comment=text))
            else:
                new.append({"id": _new_id(), "notebook_id": row, "cell_id": cell_id, "auto_comment": text})
        if new:
            db.execute(table.insert(), new)

    def _write_penalty(self, db: Connection, ids: _Ids, submission: str, row: str, student: str) -> None:
        """What nbgrader's AssignLatePenalties does, for one notebook."""
        t = self.tables.tables
        handed_in = db.execute(sa.select(t["submitted_assignment"].c.timestamp, t["submitted_assignment"].c.extension)
                               .where(t["submitted_assignment"].c.id == submission)).one()
        late = seconds_late(handed_in.timestamp, ids.due, handed_in.extension)
        penalty = None
        if late > 0:
            grades = db.execute(sa.select(t["grade"]).where(t["grade"].c.notebook_id == row))
            score = sum((g.auto_score or 0.0 if g.manual_score is None else g.manual_score)
                        + (g.extra_credit or 0.0) for g in grades)
            penalty = self._points_off(student, score, late)
        db.execute(t["submitted_notebook"].update().where(t["submitted_notebook"].c.id == row)
                   .values(late_submission_penalty=penalty))

    def _points_off(self, student: str, score: float, late: float) -> float | None:
        """The plugin's penalty, between 0 and the score."""
        try:
            penalty = self.penalty(student, score, late) if late > 0 and self.penalty is not None else None
        except Exception as error:
            raise GradebookError(f"the late penalty plugin failed on {student} ({type(error).__name__}: {error}): mend "
                                 "it, or take it out of nbgrader_config.py") from error
        return None if penalty is None else min(max(penalty, 0.0), score)


def seconds_late(handed_in: datetime.datetime | None, due: datetime.datetime | None, extension: Any) -> float:
    """Seconds after the due date; 0 where there is none. SQLite keeps an extension as a date after 1970."""
    if handed_in is None or due is None:
        return 0.0
    if isinstance(extension, datetime.datetime):
        extension -= EPOCH
    return max(0.0, (handed_in - due - (extension or datetime.timedelta())).total_seconds())


class _Ids:
    """The ids of an assignment's rows: notebooks by name, graded and solution cells by notebook and grade id."""

    def __init__(self, db: Connection, tables: sa.MetaData, assignment: str) -> None:
        t = tables.tables
        row = db.execute(sa.select(t["assignment"]).where(t["assignment"].c.name == assignment)).one_or_none()
        if row is None:
            raise GradebookError(f"{assignment} is not in the gradebook: "
                                 f"run `nbgrader generate_assignment {assignment}`")
        self.assignment, self.due = row.id, row.duedate
        rows = db.execute(sa.select(t["notebook"].c.name, t["notebook"].c.id)
                          .where(t["notebook"].c.assignment_id == self.assignment))
        self.notebooks: dict[str, str] = dict(rows.tuples().all())
        self.grades: dict[str, dict[str, tuple[str, float]]] = {}
        self.solutions: dict[str, dict[str, str]] = {}
        for name, notebook in self.notebooks.items():
            base = t["base_cell"].c.notebook_id == notebook
            cells: dict[str, tuple[str, float]] = {}
            for kind in ("grade_cells", "task_cells"):
                found = db.execute(sa.select(t["base_cell"].c.name, t["base_cell"].c.id, t[kind].c.max_score).join(
                    t[kind], t[kind].c.id == t["base_cell"].c.id).where(base))
                cells |= {cell: (cell_id, points) for cell, cell_id, points in found}
            self.grades[name] = cells
            self.solutions[name] = dict(db.execute(sa.select(t["base_cell"].c.name, t["base_cell"].c.id).join(
                t["solution_cells"], t["solution_cells"].c.id == t["base_cell"].c.id).where(base)).tuples().all())


def _submitted(t: Any) -> Any:
    """submitted_notebook with the names of its notebook and assignment, and its student."""
    return (t["submitted_notebook"]
            .join(t["notebook"], t["notebook"].c.id == t["submitted_notebook"].c.notebook_id)
            .join(t["submitted_assignment"], t["submitted_assignment"].c.id == t["submitted_notebook"].c.assignment_id)
            .join(t["assignment"], t["assignment"].c.id == t["submitted_assignment"].c.assignment_id))


def _ensure(db: Connection, table: sa.Table, which: dict[str, Any], more: dict[str, Any]) -> str:
    """The id of the row that `which` names; made if it is not there."""
    condition = sa.and_(*(table.c[name] == value for name, value in which.items()))
    found = db.execute(sa.select(table.c.id).where(condition)).scalar()
    if found is None:
        found = which.get("id") or _new_id()
        db.execute(table.insert().values(**{"id": found, **which, **more}))
    return found


def _new_id() -> str:
    return uuid.uuid4().hex


def _difference(before: dict, now: dict) -> str:
    cells = [f"{cell}: {before.get(n, {}).get(cell)} before, {score} now" for n, scores in now.items()
             for cell, score in scores.items() if before.get(n, {}).get(cell) != score]
    return "; ".join(cells) or "other cells"


# --- engines ------------------------------------------------------------------------------------


def open_engine(db_url: str, *, ahead: bool = False) -> Engine:
    """An engine on a gradebook. SQLite waits for other writers; with `ahead` it is made to keep a write-ahead log, so
    that readers are never in the way.

    Raises GradebookError when there is no gradebook or its driver is missing.
    """
    try:
        url = sa.make_url(db_url)
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise GradebookError(f"the gradebook that `CourseDirectory.db_url` names can't be opened ({error}): "
                             "mend the address in nbgrader_config.py or install its driver") from error
    if url.get_backend_name() != "sqlite":
        return engine
    if not url.database or not Path(url.database).exists():
        raise GradebookError(f"there is no gradebook {url.database}: run `nbgrader generate_assignment NAME` in the "
                             "course first")

    @sa.event.listens_for(engine, "connect")
    def tuned(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin, below, is the only one
        connection.execute("PRAGMA busy_timeout = 60000")
        if ahead:
            with contextlib.suppress(sqlite3.OperationalError):  # a folder that can't be written: reading works
                connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once, without waiting, when another program has
        # written in between: one that will write takes its turn at its beginning.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

    return engine


def back_up(db_url: str) -> Path | None:
    """A copy of a SQLite gradebook beside it, made while others may write; None for a server's database.

    Raises GradebookError when it can't be written.
    """
    url = sa.make_url(db_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    path = Path(url.database)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    copy = path.with_name(f"{path.name}.{stamp}.bak")
    draft = copy.with_suffix(".draft")
    try:
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(draft)) as target:
            source.backup(target)
        os.replace(draft, copy)
    except (sqlite3.Error, OSError) as error:
        for left in (draft, Path(f"{draft}-journal")):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
        raise GradebookError(f"the gradebook could not be backed up to {copy} ({error}): free some space or make the "
                             "folder writable; nothing was changed") from error
    return copy


def shown(db_url: str) -> str:
    """The address of a gradebook without its password."""
    return sa.make_url(db_url).render_as_string(hide_password=True)


def _sentence(db_url: str, error: Exception) -> str:
    cause = str(getattr(error, "orig", error)).strip().split("\n")[0]
    if "readonly" in cause or "unable to open" in cause:
        advice = "make the gradebook and its folder writable"
    elif "disk" in cause or "full" in cause or "space" in cause:
        advice = "free some space on its disk"
    elif "locked" in cause:
        advice = "another program is writing to it: wait until it is done and run this again"
    elif "not a database" in cause or "malformed" in cause:
        advice = "the file is damaged: put a backup (gradebook.db.*.bak) in its place"
    else:
        advice = "check the database and `CourseDirectory.db_url`"
    return f"the gradebook {shown(db_url)} can't be used ({cause}): {advice}; what was recorded before is safe"


def current_results(where: Engine | str, assignment: str) -> list[Result]:
    """The newest result of every student for an assignment, by student; none where nothing was graded by us."""
    engine = where if isinstance(where, Engine) else open_engine(where)
    if RESULTS.name not in sa.inspect(engine).get_table_names():
        return []
    newest = sa.select(sa.func.max(RESULTS.c.id)).where(RESULTS.c.assignment == assignment).group_by(RESULTS.c.student)
    rows = sa.select(RESULTS.c.result).where(RESULTS.c.id.in_(newest)).order_by(RESULTS.c.student)
    with engine.connect() as db:
        return [Result.from_json(text) for text in db.execute(rows).scalars()]
