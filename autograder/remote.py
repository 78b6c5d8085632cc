"""An answer in a process of its own, which can import neither `utils` nor the exercises.

The process gets a folder with a copy of the probes as its only course code, Python's isolated mode,
and the third-party packages without their `.pth` files (an editable install of the course would come
in through one). It keeps accidents and cheap tricks away from the judge; the walls of a sandbox are
built around it when a class is graded.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .exercise import Exercise
from .judging import Judgement, judge_answer
from .probes.plain import PlainError
from .probes.serve import read_message, write_message

_LAUNCH = (
    "import sys; sys.path[:0] = [{folder!r}]; sys.path += sys.argv[1:]; "
    "from probes.serve import main; main()"
)
START_LIMIT_S = 60.0


class RemoteAnswer:
    """Holds a submission's cells in another process; use as a context manager.

    `ask(question)` returns an outcome, also when the process dies or hangs: it is then
    `{"error": …}` for this and every later question.
    """

    def __init__(self, cells: list[str], names: tuple[str, ...] | list[str]) -> None:
        self.cells, self.names = list(cells), list(names)
        self.gone: str | None = None

    def __enter__(self) -> RemoteAnswer:
        self.folder = tempfile.TemporaryDirectory(prefix="answer-")
        source = Path(__file__).parent / "probes"
        shutil.copytree(source, Path(self.folder.name) / "probes", ignore=shutil.ignore_patterns("__pycache__"))
        site = {sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]}
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCH.format(folder=self.folder.name), *sorted(site)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            cwd=self.folder.name, env=_environment(self.folder.name),
        )
        self.started = self._exchange({"cells": self.cells, "names": self.names}, START_LIMIT_S)
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self.folder.cleanup()

    @property
    def start_error(self) -> dict | None:
        """The error of the cell that failed, if one did, or of a name that is missing."""
        if self.gone:
            return _gone(self.gone)
        if self.started.get("error"):
            return self.started["error"]
        if self.started.get("missing"):
            return _gone(f"the name {self.started['missing'][0]!r} is not defined", "NameError")
        return None

    def ask(self, question: dict) -> dict:
        """Ask over the pipe; the reply is checked to have an outcome's form."""
        if self.start_error is not None:
            return {"error": self.start_error, "printed": "", "seconds": 0.0}
        reply = self._exchange(question, question["time_limit_s"] + 10.0)
        return _checked(reply) if self.gone is None else {"error": _gone(self.gone), "printed": "", "seconds": 0.0}

    def _exchange(self, message: Any, limit_s: float) -> Any:
        try:
            with _deadline(self.process, limit_s) as late:
                write_message(self.process.stdin, message)
                return read_message(self.process.stdout)
        except (OSError, EOFError, PlainError, ValueError) as error:
            self.gone = "it ran past its time" if late.is_set() else (
                f"it sent something unreadable: {error}" if isinstance(error, PlainError) else "its process ended")
            return {}


@contextlib.contextmanager
def _deadline(process: subprocess.Popen, seconds: float) -> Iterator[Any]:
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


def _environment(folder: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "OPENBLAS_CORETYPE")}
    return {**kept, "HOME": folder, "TMPDIR": folder, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg",
            "PYTHONHASHSEED": "0"}


def _gone(message: str, kind: str = "AnswerGone") -> dict:
    return {"types": [kind], "message": message, "line": None, "where": "", "text": ""}


def _checked(reply: Any) -> dict:
    """The reply if it has an outcome's form, else an error outcome: the process is not to be trusted."""
    try:
        printed, seconds = str(reply.get("printed", ""))[:4000], float(reply.get("seconds", 0.0))
        if "value" in reply:
            return {"value": reply["value"], "printed": printed, "seconds": seconds}
        error = reply["error"]
        told = {"types": [str(t)[:100] for t in error["types"]][:20] or ["Error"],
                "message": str(error["message"])[:500], "where": str(error["where"])[:100],
                "text": str(error["text"])[:300], "line": error["line"] if type(error["line"]) is int else None}
        return {"error": told, "printed": printed, "seconds": seconds}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {"error": _gone("it sent a malformed reply"), "printed": "", "seconds": 0.0}


def judge_source(exercise: Exercise, cells: list[str], seed: int) -> Judgement:
    """Judge the answer that `cells` define (set-up cells first, the answer's cell last)."""
    with RemoteAnswer(cells, exercise.names) as answer:
        return judge_answer(exercise, answer.ask, seed, cells[-1])
