"""Run a command and account for the CPU time of its whole process tree.

Two counters are read. `wait4` adds up a process and the descendants that were waited for; it misses a
child that its parent left behind or ignored, and whatever a pid namespace kills when it ends. A
control group of our own counts everything that ran in it, and is used where one can be made (version 1
`cpuacct`, or version 2). The larger of the two is taken, and `counted_by` says which.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CGROUP, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
GRACE_S = 15.0
GROUP, RUSAGE = "control group", "wait4"
ATTACH = 'echo $$ > "$0" && exec "$@"'


@dataclass(frozen=True)
class Run:
    """What a command took: CPU seconds of its tree, wall seconds, which counter, its output."""

    cpu_s: float
    wall_s: float
    counted_by: str
    stdout: str
    waited_cpu_s: float
    returncode: int = 0


class RunError(RuntimeError):
    """A measured command failed or ran past its time (`late`); the message has its last lines."""

    def __init__(self, message: str, late: bool = False) -> None:
        super().__init__(message)
        self.late = late


def run_tree(command: Sequence[str], *, cwd: Path, env: dict[str, str], cores: set[int] | None = None,
             limit_s: float = 1800.0, watch: Callable[[int], None] | None = None, fails: bool = False) -> Run:
    """Run a command on these cores (default: all that this process may use) and account for it.

    watch: called about five times a second with the process's id. fails: a failure is the caller's business.
    Raises RunError when the command fails or takes longer than `limit_s`, after its tree is ended.
    """
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(control_group())
        out, err = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2))
        words = list(command) if group is None else ["/bin/sh", "-c", ATTACH, str(group / "cgroup.procs"), *command]
        before, started = (cpu_of(group) if group else 0.0), time.perf_counter()
        child = subprocess.Popen(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                 start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, cores or
                                                                                                os.sched_getaffinity(0)))
        status, used = _waited(child, group, limit_s, watch)
        wall = time.perf_counter() - started
        waited = used.ru_utime + used.ru_stime
        grouped = cpu_of(group) - before if group else 0.0
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    if status is None or (status and not fails):
        why = f"took longer than {limit_s:g} s" if status is None else f"ended with status {status}"
        raise RunError(f"{' '.join(map(str, command[:6]))} {why}:\n{texts[0][-1500:]}{texts[1][-1500:]}",
                       late=status is None)
    counter = GROUP if group and grouped > 0.98 * waited else RUSAGE  # the kernel's two clocks differ by a tick
    return Run(max(waited, grouped), wall, counter, texts[0], waited, status)


def _waited(child: subprocess.Popen, group: Path | None, limit_s: float,
            watch: Callable[[int], None] | None) -> tuple[int | None, Any]:
    """(exit status or None if it was killed for its time, resource usage) of a child."""
    ending, late, next_look = time.monotonic() + limit_s, False, 0.0
    while True:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            _end(child, group)
            return (None if late else child.returncode), used
        now = time.monotonic()
        if now > ending:
            # The first time it is asked to stop, so that it can clean up; the second time it is ended.
            child.send_signal(signal.SIGINT) if not late else _end(child, group)
            late, ending = True, now + GRACE_S
        if watch is not None and now >= next_look:
            next_look = now + 0.2
            watch(child.pid)
        time.sleep(0.01)


def _end(child: subprocess.Popen, group: Path | None) -> None:
    """Kill what is left of a child's process group, and of its control group where it has one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    if group is not None:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


@contextlib.contextmanager
def control_group() -> Iterator[Path | None]:
    """A new control group that counts CPU time; None where none can be made."""
    group = _new_group()
    try:
        yield group
    finally:
        if group is not None:
            _removed(group)


def _new_group() -> Path | None:
    for parent in _parents():
        group = parent / f"grade-bench-{os.getpid()}-{time.monotonic_ns()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            cpu_of(group)
            (group / "cgroup.procs").write_text("")  # refused with EACCES where we may not, with EINVAL where we may
        except PermissionError:
            _removed(group)
            continue
        except OSError:
            pass
        return group
    return None


def _parents() -> list[Path]:
    """Where a group of ours may be made: version 1's cpuacct, or our own group of version 2."""
    own = {}
    with contextlib.suppress(OSError):
        own = {line.split(":")[1]: line.split(":", 2)[2] for line in OWN.read_text().split("\n") if line.count(":") > 1}
    found = [CGROUP / name / path.strip("/") for controllers, path in own.items()
             for name in ("cpuacct", "cpu,cpuacct") if "cpuacct" in controllers.split(",")]
    return [*found, *(root / own.get("", "/").strip("/") for root in (CGROUP, CGROUP / "unified"))]


def cpu_of(group: Path) -> float:
    """CPU seconds that ran in a control group. OSError if it does not count them."""
    usage = group / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    words = (group / "cpu.stat").read_text().split()
    if "usage_usec" not in words:
        raise OSError(f"{group} does not count CPU time")
    return int(words[words.index("usage_usec") + 1]) / 1e6


def _removed(group: Path) -> None:
    for _ in range(50):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.02)
