"""Peak resident memory of a piece of work, measured in a process of its own (Linux)."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.optional import EngineUnavailable

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PATIENCE_S = 120
CHILD = "from utils.compression.resident import _measure; _measure()"


def peak_rss_delta(prepare: Callable[..., Callable[[], object]], *args: Any) -> int:
    """Bytes by which a fresh process's resident memory peaks above its level before the work.

    `prepare(*args)`, a function of a module, runs in the new process and returns the work; what it loads and holds
    is below the level. Only touched pages are resident. Raises EngineUnavailable where the kernel does not tell, and
    RuntimeError when the work fails.
    """
    if not resident_is_known():
        raise EngineUnavailable("peak resident memory is not available: it needs Linux's /proc/self/clear_refs")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", CHILD], input=pickle.dumps((prepare, args)), env=environment,
                          capture_output=True, timeout=PATIENCE_S)
    told = done.stdout.decode().split("\n")[-1]
    if done.returncode or not told.isdigit():
        reason = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise RuntimeError(f"the work must finish in its own process, got {reason or done.returncode}")
    return int(told)


def resident_is_known() -> bool:
    """Whether this kernel tells a process's peak and lets it be reset."""
    return RESET.exists() and STATUS.exists() and "VmHWM" in STATUS.read_text()


def _measure() -> None:
    """The child's part: the work comes through the standard input, the bytes go to the standard output."""
    prepare, args = pickle.loads(sys.stdin.buffer.read())
    work = prepare(*args)
    RESET.write_text("5")  # the peak so far is forgotten, see proc(5)
    before = _status_bytes("VmRSS")
    work()
    peak = _status_bytes("VmHWM")
    sys.stdout.write(f"\n{max(0, peak - before)}")


def _status_bytes(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])
