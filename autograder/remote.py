"""An answer in a process of its own, which can import neither `utils` nor the exercises.

`Remote` is what the judge sees of such a process: run a cell, ask a question, nothing else. `OwnProcess` gives
it a folder with a copy of the probes as its only course code, Python's isolated mode, and the third-party
packages without their `.pth` files (an editable install of the course would come in through one). That keeps
accidents and cheap tricks away from the judge; `grading.sandbox` builds walls around it when a class is graded.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .exercise import Exercise
from .judging import WRONG, Judgement, judge_answer
from .probes.plain import PlainError
from .probes.serve import read_message, write_message

_LAUNCH = (
    "import sys; sys.path[:0] = [{folder!r}]; sys.path += sys.argv[1:]; "
    "import importlib; [importlib.import_module(m) for m in {preload!r}]; "
    "from probes.serve import main; main()"
)
CELL_LIMIT_S = 60.0
UNCOMPARABLE = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)


class Gone(Exception):
    """The process that held the answer has ended; the sentence says why."""


class Remote:
    """A process that holds a submission's cells. Nothing that it does raises here: once it is gone, `gone` says
    why and every further outcome is that error."""

    gone: str | None = None
    grace_s = 10.0  # beyond a question's own limit, which the asked process keeps itself

    def exchange(self, message: Any, limit_s: float) -> Any:
        """Send a message, wait for the reply to it. Raises Gone when none comes within `limit_s`."""
        raise NotImplementedError

    def run(self, source: str, number: int = 0, limit_s: float = CELL_LIMIT_S) -> dict | None:
        """Run a cell; the error it ended in, or None."""
        reply = self._reply({"run": source, "number": number}, limit_s + self.grace_s)
        told = checked(reply) if isinstance(reply, dict) and reply.get("error") is not None else {}
        return told.get("error")

    def ask(self, names: Sequence[str], question: dict) -> dict:
        """Ask over the pipe; the outcome is checked to have an outcome's form."""
        reply = self._reply({"names": list(names), "ask": question}, question["time_limit_s"] + self.grace_s)
        outcome = checked(reply)
        if isinstance(reply, dict) and isinstance(reply.get("missing"), str):
            outcome["missing"] = reply["missing"][:100]
        return outcome

    def _reply(self, message: Any, limit_s: float) -> Any:
        if self.gone is None:
            try:
                return self.exchange({**message, "id": secrets.token_hex(8)}, limit_s)
            except Gone as error:
                self.gone = str(error)
        return {"error": error_told(self.gone), "printed": "", "seconds": 0.0}


def answered(message: dict, reply: Any) -> dict:
    """The reply, if it is one to this message: what was sent before the message was known is none. Else PlainError."""
    told = reply.pop("id", None) if isinstance(reply, dict) else None
    if not isinstance(told, str) or told != message["id"]:
        raise PlainError("it answered what it was not asked")
    return reply


def error_told(message: str, kind: str = "AnswerGone") -> dict:
    """An error as `probes.ask.describe_error` tells one."""
    return {"types": [kind], "message": message, "line": None, "where": "", "text": ""}


def checked(reply: Any) -> dict:
    """The reply if it has an outcome's form, else an error outcome: the process is not to be trusted."""
    try:
        printed, seconds = str(reply.get("printed", ""))[:4000], float(reply.get("seconds", 0.0))
        seconds = seconds if 0.0 <= seconds < 1e6 else 0.0
        if "value" in reply:
            return {"value": reply["value"], "printed": printed, "seconds": seconds}
        error = reply["error"]
        told = {"types": [str(t)[:100] for t in error["types"]][:20] or ["Error"],
                "message": str(error["message"])[:500], "where": str(error["where"])[:100],
                "text": str(error["text"])[:300], "line": _line(error["line"])}
        return {"error": told, "printed": printed, "seconds": seconds}
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return {"error": error_told("it sent a malformed reply"), "printed": "", "seconds": 0.0}


def _line(number: Any) -> int | None:
    return number if type(number) is int and 0 < number < 10**9 else None


class OwnProcess(Remote):
    """A fresh Python process; use as a context manager. `preload`: modules to import before the first cell."""

    def __init__(self, preload: Sequence[str] = ()) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="answer-")
        copy_probes(Path(self.folder.name))
        launch = _LAUNCH.format(folder=self.folder.name, preload=list(preload))
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", launch, *site_folders()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            cwd=self.folder.name, env=plain_environment(self.folder.name),
        )

    def __enter__(self) -> OwnProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its folder."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self.folder.cleanup()

    def exchange(self, message: Any, limit_s: float) -> Any:
        try:
            with _deadline(self.process, limit_s) as late:
                write_message(self.process.stdin, message)
                return answered(message, read_message(self.process.stdout))
        except PlainError as error:
            raise Gone(f"it sent something unreadable: {error}") from error
        except (OSError, EOFError, ValueError) as error:
            raise Gone("it ran past its time" if late.is_set() else "its process ended") from error


@contextlib.contextmanager
def _deadline(process: subprocess.Popen, seconds: float) -> Iterator[threading.Event]:
    """Kill `process` when the block is not done after `seconds`."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def copy_probes(folder: Path) -> None:
    """Put the probes into `folder` as the package `probes`."""
    shutil.copytree(Path(__file__).parent / "probes", folder / "probes", ignore=shutil.ignore_patterns("__pycache__"))


def site_folders() -> list[str]:
    """Where the third-party packages lie."""
    paths = sysconfig.get_paths()
    return sorted({paths["purelib"], paths["platlib"]})


def plain_environment(home: str) -> dict[str, str]:
    """The environment of a process that runs learners' code: nothing of the caller's but the locale."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "OPENBLAS_CORETYPE")}
    return {**kept, "HOME": home, "TMPDIR": home, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            "MPLBACKEND": "agg", "PYTHONHASHSEED": "0"}


def judge_cells(remote: Remote, exercise: Exercise, cell_error: dict | None, source: str, seed: int) -> Judgement:
    """Judge what `remote` holds as the answer to an exercise. `cell_error`: how the answer's cell ended; it is
    told where a name is missing because of it."""

    def ask(question: dict) -> dict:
        outcome = remote.ask(exercise.names, question)
        if "missing" in outcome and cell_error is not None:
            outcome["error"] = cell_error
        return outcome

    try:
        return judge_answer(exercise, ask, seed, source)
    except UNCOMPARABLE as error:
        # What came is plain, but not of the form that this exercise's comparators and formats take for granted.
        told = f"Its values can't be compared with what was expected ({type(error).__name__})."
        return Judgement(exercise.id, WRONG, 0.0, exercise.points, title="This cannot be compared.", message=told)


def judge_source(exercise: Exercise, cells: list[str], seed: int) -> Judgement:
    """Judge the answer that `cells` define (set-up cells first, the answer's cell last)."""
    with OwnProcess() as process:
        errors = [process.run(source, number) for number, source in enumerate(cells)]
        error = next((e for e in errors if e is not None), None)
        return judge_cells(process, exercise, error, cells[-1], seed)
