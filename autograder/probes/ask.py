"""Put one question to an answer: find the probe, bound time and output, turn what happens into data.

A question is `{"probe": "common.call", "params": {...}, "time_limit_s": 2.0}`; what comes back is an
outcome: `{"value": plain}` or `{"error": {"types": [...], "message": str, "line": int | None,
"text": str, "where": str}}`, with `"printed"` and `"seconds"` beside it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import linecache
import re
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .plain import to_plain

MAX_PRINTED = 2_000
_PROBE = re.compile(r"(common|ch\d\d_[a-z0-9_]+)\.([a-z][a-z0-9_]*)")


class TimeLimit(BaseException):
    """Raised inside an answer that has run for too long; not an Exception, so `except Exception` misses it."""


class ProbeError(Exception):
    """A probe could not ask: the answer lacks what the probe needs (a method, a signature)."""


def find_probe(name: str) -> Callable[..., Any]:
    """The probe called `name` ("common.call", "ch16_pruning.finetune"). KeyError if there is none."""
    match = _PROBE.fullmatch(name)
    if match is None:
        raise KeyError(f"{name!r} is not the name of a probe")
    module = importlib.import_module(f".{match[1]}", __package__)
    probe = getattr(module, match[2], None)
    if probe is None or getattr(probe, "__module__", "") != module.__name__:
        raise KeyError(f"there is no probe {name!r}")
    return probe


def ask(answer: Any, question: dict) -> dict:
    """Run one probe on `answer`; never raises for what the answer does."""
    probe = find_probe(question["probe"])
    sink = BoundedText(MAX_PRINTED)
    started = time.perf_counter()
    try:
        with _captured(sink), time_limit(question.get("time_limit_s", 5.0)):
            outcome = {"value": to_plain(probe(answer, **question["params"]))}
    except TimeLimit:
        outcome = {"error": _error("TimeLimit", f"still running after {question['time_limit_s']:g} s")}
    except BaseException as error:
        outcome = {"error": describe_error(error)}
    outcome["printed"] = sink.text()
    outcome["seconds"] = time.perf_counter() - started
    return outcome


# --- errors, told with the learner's own line -------------------------------------------------


def describe_error(error: BaseException) -> dict:
    """Type names (most specific first), message, and the innermost line that is the learner's."""
    types = [t.__name__ for t in type(error).__mro__ if t not in (object, BaseException)]
    try:
        message = str(error)[:500]
    except Exception:
        message = "(an error whose message cannot be printed)"
    told = _error(*types, message=message)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_learners(frame.filename):
            told["line"], told["where"] = frame.lineno, frame.name
            told["text"] = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
            break
    return told


def _error(*types: str, message: str | None = None) -> dict:
    if message is None:
        *types, message = types
    return {"types": list(types), "message": message, "line": None, "where": "", "text": ""}


def is_learners(filename: str) -> bool:
    """Whether a code object's file name is that of a notebook cell or of a submission's cell."""
    return filename.startswith(("<answer", "<ipython-input")) or "ipykernel_" in filename


# --- output -----------------------------------------------------------------------------------


class BoundedText(io.TextIOBase):
    """A text stream that keeps the first `limit` characters and counts the rest."""

    def __init__(self, limit: int) -> None:
        self.limit, self.kept, self.dropped = limit, [], 0
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = self.limit - self.size
        if room > 0:
            self.kept.append(str(text)[:room])
            self.size += len(self.kept[-1])
        self.dropped += max(0, len(text) - max(room, 0))
        return len(text)

    def text(self) -> str:
        return "".join(self.kept) + (f"\n… and {self.dropped:,} more characters" if self.dropped else "")


@contextlib.contextmanager
def _captured(sink: BoundedText) -> Iterator[None]:
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --- time -------------------------------------------------------------------------------------


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimit in the running code after `seconds`.

    In the main thread of a POSIX process an interval timer does it; it fires again every 0.2 s, so
    that code which swallows the first one is stopped too. Elsewhere a watcher thread raises it.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        yield from _by_timer(seconds)
    else:
        yield from _by_thread(seconds)


def _by_timer(seconds: float) -> Iterator[None]:
    def stop(signum: int, frame: Any) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _by_thread(seconds: float) -> Iterator[None]:
    target, done = threading.get_ident(), threading.Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(target), ctypes.py_object(TimeLimit))
            wait = 0.2

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def answer_file(number: int, source: str) -> str:
    """Register `source` as a cell that tracebacks and `inspect.getsource` can read; its file name."""
    name = f"<answer {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return name


