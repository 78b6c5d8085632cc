"""The keeper of one sandbox: makes its namespaces, starts its process, holds the clock, ends all of it.

    fork server ── keeper ── runner (process 1 of its own pid namespace: the submission's cells)

The keeper never runs a learner's code. Whatever ends it ends the runner, and with the runner everything in its
pid namespace.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from probes import serve as serving

from . import LANDLOCK, LIMITS, SCRATCH, SECCOMP, SPACES, folders, walls

TICK_S = 0.2


@dataclass(frozen=True)
class House:
    """What all sandboxes of a fork server share. read: paths that may be read; scratch: the folder in which a
    submission may write; walls: those of `inside` that every child has to put up."""

    read: list[str]
    scratch: str
    filters: tuple[walls.Filter, ...]
    walls: tuple[str, ...]
    shell: Any


def keep(house: House, request: dict[str, Any], channel: int, leash: int) -> int:
    """Run one sandbox to its end and report on the leash. The exit status of the keeper's process.

    request: "seed", and the bounds "memory_mb", "cpu_s", "wall_s", "file_mb", "scratch_mb", "tasks".
    """
    walls.die_with_parent()
    os.setsid()
    _close_others(channel, leash)
    scratch = house.scratch if SCRATCH in house.walls else tempfile.mkdtemp(dir=house.scratch)
    report: dict[str, Any] = {}
    try:
        if SPACES in house.walls:
            walls.new_namespaces()
        started = time.monotonic()
        ready, said = os.pipe()
        runner = os.fork()
        if runner == 0:
            os.close(leash)
            os.close(ready)
            _run(house, request, channel, said, scratch)
        os.close(channel)
        os.close(said)
        report = _watch(runner, ready, leash, request, scratch if SCRATCH not in house.walls else "")
        report["wall_s"] = time.monotonic() - started
    except OSError as error:
        report = {"failed": str(error)}
    finally:
        if SCRATCH not in house.walls:
            folders.remove(scratch)
    with contextlib.suppress(OSError):
        os.write(leash, json.dumps(report).encode())
    return 0


def _close_others(*kept: int) -> None:
    low = 3
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, 1 << 16)


def _watch(runner: int, ready: int, leash: int, request: dict[str, Any], scratch: str) -> dict[str, Any]:
    """Wait until the runner ends, the leash is let go, time is up or the scratch folder is too full."""
    end = time.monotonic() + request["wall_s"]
    ended, why = os.pidfd_open(runner), "ended"
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(leash, select.POLLIN | select.POLLHUP)
    while True:
        left = end - time.monotonic()
        events = dict(poll.poll(max(0.0, min(left, TICK_S if scratch else left)) * 1000))
        if ended in events:
            break
        if leash in events:
            why = "let go"
        elif left <= 0:
            why = "time"
        elif scratch and _full(scratch, request["scratch_mb"] * 2**20):
            why = "disk"
        else:
            continue
        signal.pidfd_send_signal(ended, signal.SIGKILL)
        break
    _, status, usage = os.wait4(runner, 0)
    failed = os.read(ready, 4096).decode(errors="replace")
    return {
        "why": why, "failed": failed,
        "status": os.waitstatus_to_exitcode(status),
        "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024,
    }


def _full(folder: str, most: int) -> bool:
    return folders.size_of(folder, most) > most


def _run(house: House, request: dict[str, Any], channel: int, said: int, scratch: str) -> None:
    """The runner: put up the walls, then nothing but the submission. Never returns."""
    try:
        walls.die_with_parent()
        os.setsid()  # kill(0, …) reaches a process group, beyond a pid namespace too: the keeper's is another one
        _put_up(house, request, scratch)
        questions, replies = os.fdopen(os.dup(channel), "rb"), os.fdopen(channel, "wb")
    except BaseException as error:
        os.write(said, f"a wall of the sandbox could not be put up: {error}"[:4000].encode())
        os._exit(70)
    os.close(said)
    try:
        from .forkserver import cells_of, reseed

        reseed(request["seed"])
        serving.serve(questions, replies, cells_of(house.shell))
    finally:
        os._exit(0)


def _put_up(house: House, request: dict[str, Any], scratch: str) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    if SCRATCH in house.walls:
        walls.private_scratch(scratch, request["scratch_mb"])
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    tempfile.tempdir = None
    if SPACES in house.walls:
        walls.no_capabilities()
    walls.no_new_privileges()
    if LIMITS in house.walls:
        walls.limits(memory_mb=request["memory_mb"], cpu_s=request["cpu_s"], file_mb=request["file_mb"],
                     tasks=request["tasks"])
    if LANDLOCK in house.walls:
        walls.landlock([*house.read, "/proc/self"], [scratch, "/dev/null"])
    if SECCOMP in house.walls:
        for each in house.filters:
            each.load()
