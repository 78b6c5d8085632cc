"""Runs a server for another process and outlives it by a moment: a script of its own, standard library alone.

The process that asks for a server starts this script with a pipe as its standard input. When the pipe closes, because
that process closed it or was killed by whatever signal, the server is told to end, its whole process group is killed,
and the files that it would leave behind are removed. If this script is killed itself, the kernel kills the server.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
LOOK_S = 0.2  # how often the two processes are looked at
TAIL_CHARS = 40_000  # of the log, told at the end; a pipe takes 64 KiB without a reader


def main(order: dict) -> int:
    """Run `order` and return the server's exit status (of a signal: 128 and its number).

    order: "command" (list), "env" (dict), "parent" (process id), "log" (file), "grace_s", "remove" (paths) and
    "shm_prefix" (of files in /dev/shm, or "").
    """
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)  # children of a dead server become ours, so they can be waited for
    asked_to_end = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.append(True))
    server = None
    try:
        with open(order["log"], "ab") as log:
            server = subprocess.Popen(
                order["command"],
                env=order["env"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            )
        while server.poll() is None and not asked_to_end and _wanted(order["parent"]):
            pass
        _end(server, order["grace_s"])
        _tell(order["log"])
    finally:
        if server is not None:
            _kill_group(server.pid)
        remove_traces(order["remove"], order["shm_prefix"])
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _wanted(parent: int) -> bool:
    """Wait for a moment; False once the process that asked for the server is gone or has closed the pipe."""
    readable, _, _ = select.select([0], [], [], LOOK_S)
    if readable and not os.read(0, 1):
        return False
    return os.getppid() == parent


def _end(server: subprocess.Popen, grace_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        server.terminate()
    try:
        server.wait(grace_s)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _kill_group(group: int) -> None:
    """Kill what is left of the server's process group, and wait for all of it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    until = time.monotonic() + 5
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)


def _tell(log: str) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.write(Path(log).read_text(encoding="ascii", errors="backslashreplace")[-TAIL_CHARS:])
        sys.stdout.flush()


def remove_traces(paths: list[str], shm_prefix: str) -> None:
    """Delete folders, and the files in /dev/shm that begin with a prefix ("": none)."""
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
    if shm_prefix:
        for path in Path("/dev/shm").glob(f"{shm_prefix}*"):
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
