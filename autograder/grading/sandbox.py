"""The outside end of the sandbox: start a fork server behind the walls that this machine allows, and open a
sandbox for one submission at a time.

    with ForkServer(preload=["numpy", "torch"]) as server:
        with server.open(seed=7) as box:
            box.run("def f(x): return 2 * x")
            box.ask(["f"], question)
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..probes.plain import PlainError, pack, unpack
from ..remote import Gone, Remote, answered, copy_probes, plain_environment, site_folders
from .inside import LANDLOCK, LIMITS, SCRATCH, SECCOMP, SPACES, folders
from .syscalls import compile_filter

BUBBLEWRAP = "bubblewrap"
PREFIX = "grading-"
MAX_REPLY = 16 * 2**20
# Bytes of all replies of one sandbox together. Text becomes up to 30 times as large when it is read.
MAX_TEXT, MAX_RAW = 24 * 2**20, 256 * 2**20
F_SETOWN_EX, FIOSETOWN, SIOCSPGRP = 15, 0x8901, 0x8902  # asm-generic/fcntl.h and sockios.h
START_LIMIT_S = 120.0
_LAUNCH = ("import sys; sys.path[:0] = [{folder!r}]; sys.path += sys.argv[3:]; "
           "from inside.forkserver import main; main()")


class SandboxLost(RuntimeError):
    """The sandbox ended for a reason that is not the submission's: the submission can be graded again."""


class NoSandbox(RuntimeError):
    """This machine allows no sandbox that holds; the sentence says what is missing."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one sandbox. memory_mb: beyond what the warm process holds. cpu_s, wall_s: of the whole
    submission. file_mb, scratch_mb: one file, all files. tasks: threads."""

    memory_mb: int = 2048
    cpu_s: int = 120
    wall_s: int = 180
    file_mb: int = 32
    scratch_mb: int = 64
    tasks: int = 64


@dataclass(frozen=True)
class Report:
    """How a sandbox ended. why: "ended", "let go", "time" or "disk"; status: exit status, or minus a signal."""

    why: str = "let go"
    status: int = 0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    wall_s: float = 0.0


class ForkServer:
    """A warm process behind walls. Not for use by several threads; several processes may share one.

    It starts at once and warms up while the caller does other things; `wait` waits for it.
    preload: modules to import once. hidden: folders that no submission may see, also where they lie within a
    folder of Python's own. without: walls to leave out (for tests; and for machines that lack them).
    Raises NoSandbox when the walls that are left would not hold.
    """

    def __init__(self, preload: Sequence[str] = (), *, hidden: Sequence[Path] = (),
                 without: Sequence[str] = ()) -> None:
        if not sys.platform.startswith("linux"):
            raise NoSandbox("the sandbox needs Linux: grade in WSL2 or in a Linux container")
        _sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.lock = _held(self.folder)
        self.control: socket.socket | None = None
        self.process: subprocess.Popen | None = None
        try:
            self.layers = self._start(list(preload), list(hidden), without)
            self.warm_s: float | None = None
        except BaseException:
            self.close()
            raise

    # --- starting -------------------------------------------------------------------------------

    def _start(self, preload: list[str], hidden: list[Path], without: Sequence[str]) -> list[str]:
        self.folder.chmod(0o755)
        copy_probes(self.folder)
        shutil.copytree(Path(__file__).parent / "inside", self.folder / "inside",
                        ignore=shutil.ignore_patterns("__pycache__"))
        found, missing = possible_walls(without)
        if missing:
            raise NoSandbox(f"this machine lacks {' and '.join(missing)}: install bubblewrap and libseccomp2, or grade "
                            "on a machine whose kernel is 5.13 or newer")
        wanted = [wall for wall in found if wall != BUBBLEWRAP]
        scratch = self.folder / "scratch"
        scratch.mkdir()
        scratch.chmod(0o777)
        site = visible_site()
        if BUBBLEWRAP not in found and os.getuid() == 0:
            _check_readable([*site, sysconfig.get_paths()["stdlib"], str(self.folder)])
        setup = {"preload": preload, "walls": wanted, "scratch": str(scratch), "filters": [],
                 "read": [*system_paths(), *site, str(self.folder / "probes"), str(self.folder / "inside")]}
        if SECCOMP in wanted:
            # The main filter forbids loading another: it comes last.
            setup["filters"] = [*([] if SPACES in wanted else [alone_filter().hex()]), compile_filter().hex()]
        path = self.folder / "setup.json"
        path.write_text(json.dumps(setup))
        self.control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inner:
            launch = _LAUNCH.format(folder=str(self.folder))
            words = [_python(), "-I", "-S", "-c", launch, str(inner.fileno()), str(path), *site]
            if BUBBLEWRAP in found:
                words = [*bubblewrap_words("bwrap", self.folder, scratch, hidden), *words]
            environment = plain_environment(str(scratch)) | {"MALLOC_ARENA_MAX": "2", "PATH": "/usr/bin:/bin"}
            with (self.folder / "log.txt").open("wb") as log:
                self.process = subprocess.Popen(words, pass_fds=[inner.fileno()], env=environment, cwd="/",
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return found

    def wait(self) -> None:
        """Wait until the packages are imported. Raises SandboxLost when that fails."""
        if self.warm_s is not None:
            return
        assert self.control is not None and self.process is not None
        self.control.settimeout(START_LIMIT_S)
        try:
            told = json.loads(self.control.recv(65536) or b"null")
        except (TimeoutError, ValueError):
            told = None
        self.control.settimeout(None)
        if told is None:
            log = (self.folder / "log.txt").read_text(errors="replace").strip()
            raise SandboxLost(f"the fork server did not start: {log[-800:] or 'it said nothing'}")
        self.warm_s = told["warm_s"]

    # --- using ----------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def open(self, seed: int = 0, limits: Limits = Limits()) -> Sandbox:
        """A fresh sandbox. Raises SandboxLost when the fork server is gone."""
        self.wait()
        channel, inner_channel = socket.socketpair()
        leash, inner_leash = socket.socketpair()
        request = json.dumps({"seed": seed, **asdict(limits)}).encode()
        try:
            socket.send_fds(self.control, [request], [inner_channel.fileno(), inner_leash.fileno()])
        except OSError as error:
            channel.close()
            leash.close()
            raise SandboxLost(f"the fork server is gone: {error}") from error
        finally:
            inner_channel.close()
            inner_leash.close()
        return Sandbox(channel, leash, limits)

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the fork server and every sandbox of it; remove its folder."""
        if self.control is not None:
            self.control.close()
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)
            self.process.kill()
            self.process.wait()
        folders.remove(str(self.folder))
        os.close(self.lock)


def _held(folder: Path) -> int:
    """A lock on a fork server's folder: the kernel lets go of it when the last process that knows it ends."""
    import fcntl

    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _sweep() -> None:
    """Remove folders of fork servers whose driver was killed: of this user, and held by nobody."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and (folder / "lock").is_file():
                lock = _held(folder)
                folders.remove(str(folder))
                os.close(lock)


class Sandbox(Remote):
    """One submission's process behind the walls; use as a context manager."""

    grace_s = 1.5

    def __init__(self, channel: socket.socket, leash: socket.socket, limits: Limits) -> None:
        self.channel, self.leash, self.limits = channel, leash, limits
        self.report: Report | None = None
        self.text = self.raw = 0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def exchange(self, message: Any, limit_s: float) -> Any:
        end = time.monotonic() + limit_s
        data = pack(message)
        try:
            self.channel.settimeout(limit_s)
            self.channel.sendall(struct.pack("<I", len(data)) + data)
            (length,) = struct.unpack("<I", self._receive(4, end))
            if length > MAX_REPLY:
                raise PlainError(f"a reply of {length:,} bytes")
            reply = self._receive(length, end)
            self._count(reply)
            return answered(message, unpack(reply))
        except TimeoutError as error:
            self._end()
            raise Gone(f"still running after {limit_s - self.grace_s:g} s") from error
        except PlainError as error:
            self._end()
            raise Gone(f"it sent something unreadable: {error}") from error
        except (OSError, EOFError) as error:
            raise Gone(self._why(self._end())) from error

    def _count(self, reply: bytes) -> None:
        """Bound what all replies hold together: the judge keeps those of an exercise until its verdict."""
        text = int.from_bytes(reply[:4], "little")
        self.text, self.raw = self.text + text, self.raw + max(0, len(reply) - text)
        if self.text > MAX_TEXT or self.raw > MAX_RAW:
            raise PlainError("its answers are too large, all together")

    def _receive(self, count: int, end: float) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.channel.settimeout(left)
            part = self.channel.recv(min(count - len(parts), 1 << 20))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def close(self) -> Report:
        """End the sandbox; how it went."""
        with contextlib.suppress(SandboxLost):
            self._end()
        self.channel.close()
        self.leash.close()
        return self.report or Report()

    def _end(self) -> Report:
        """Let go of the leash and read the keeper's report. Raises SandboxLost when there is none."""
        if self.report is not None:
            return self.report
        told = b""
        try:
            if self.gone is None and not select.select([self.leash], [], [], 0.5 if self._closed() else 0.0)[0]:
                self.leash.shutdown(socket.SHUT_WR)
            self.leash.settimeout(10.0)
            while part := self.leash.recv(65536):
                told += part
            data = json.loads(told)
        except (OSError, ValueError) as error:
            raise SandboxLost("the keeper of a sandbox ended without a report") from error
        if data.get("failed"):
            raise SandboxLost(data["failed"])
        self.report = Report(data["why"], data["status"], data["cpu_s"], data["peak_mb"], data["wall_s"])
        return self.report

    def _closed(self) -> bool:
        """Whether the submission's end of the channel is closed: its keeper is about to report."""
        try:
            self.channel.settimeout(0.0)
            return self.channel.recv(1, socket.MSG_PEEK) == b""
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def _why(self, report: Report) -> str:
        status = report.status
        if report.why == "time":
            return f"the submission was still running after its {self.limits.wall_s} s"
        if report.why == "disk":
            return f"it filled its folder of {self.limits.scratch_mb} MB"
        if report.why == "let go":
            return "it closed its connection to the grader"
        if status == -24:
            return f"it used more than {self.limits.cpu_s} s of processor time"
        if status == -9:
            return "it was killed, by its own code or by the system for its memory"
        if status < 0:
            return f"it crashed ({_signal_name(-status)})"
        return f"it left Python with exit status {status}"


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# --- what may be seen ---------------------------------------------------------------------------


def _python() -> str:
    """The interpreter itself, not a virtual environment's link: its start needs no file of the course."""
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


def system_paths() -> list[str]:
    """What Python and its packages read of the system: libraries, certificates' and fonts' places, processor data."""
    paths = sysconfig.get_paths()
    found = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/share/fonts",
             "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts",
             "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom",
             "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu", "/sys/devices/system/node",
             paths["stdlib"], paths["platstdlib"], sysconfig.get_config_var("LIBDIR") or "", _python()]
    return [p for p in dict.fromkeys(found) if p and os.path.exists(p)]


def visible_site() -> list[str]:
    """Folders on the sandbox's import path: the third-party packages. Raises NoSandbox where the course itself lies
    among them, in sight of every submission."""
    for site in site_folders():
        if not {"autograder", "utils"} & set(os.listdir(site)):
            continue
        raise NoSandbox(f"the course is installed into {site}, beside the packages that submissions may import: "
                        "install it with `pip install -e` from a folder of its own")
    return site_folders()


def bubblewrap_words(program: str, folder: Path, scratch: Path, hidden: Sequence[Path]) -> list[str]:
    """The command line of bubblewrap around the fork server: a file system of its own with system libraries,
    Python and its packages, read only; no network; no process of the machine in sight."""
    words = [program, "--die-with-parent", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-pid",
             "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    shown = [p for p in [*system_paths(), *site_folders(), str(folder)] if not p.startswith(("/dev/", "/proc/"))]
    for parent in sorted({str(parent) for path in shown for parent in Path(path).parents} - {"/", "/tmp"}):
        words += ["--perms", "0755", "--dir", parent]  # bubblewrap's own are for their owner alone
    for path in shown:
        words += ["--ro-bind", path, path]
    for path in hidden:
        if any(Path(p) in path.resolve().parents for p in shown):
            words += ["--tmpfs", str(path.resolve())]
    words += ["--bind", str(scratch), str(scratch), "--chdir", "/"]
    # What one submission leaves in a folder in memory the next one would find.
    return [*words, "--remount-ro", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/", "--"]


def possible_walls(without: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """(the walls that this machine allows, what is missing for a sandbox that holds); each wall is tried in a
    child first. `without`: walls to leave out."""
    from .inside import walls

    found = []
    if BUBBLEWRAP not in without and shutil.which("bwrap") and _bubblewrap_runs():
        found.append(BUBBLEWRAP)
    if SPACES not in without and _works(walls.new_namespaces):
        found.append(SPACES)
        if SCRATCH not in without and _works(_mounts):
            found.append(SCRATCH)
    if LANDLOCK not in without and walls.landlock_version() >= 1:
        found.append(LANDLOCK)
    if SECCOMP not in without and _compiles():
        found.append(SECCOMP)
    if LIMITS not in without:
        found.append(LIMITS)
    # Within bubblewrap alone all submissions would be one user in one folder.
    needed = (
        ("Landlock, or bubblewrap and user namespaces, to keep files apart", ({LANDLOCK}, {BUBBLEWRAP, SCRATCH})),
        ("user namespaces or seccomp to keep the network and processes apart", ({SPACES}, {SECCOMP})),
        ("resource limits", ({LIMITS},)))
    return found, [what for what, any_of in needed if not any(each <= set(found) for each in any_of)]


def _check_readable(paths: Sequence[str]) -> None:
    """Raises NoSandbox where a path is root's alone: submissions run as nobody."""
    for path in paths:
        closed = next((p for p in (Path(path), *Path(path).parents) if not p.stat().st_mode & 0o001), None)
        if closed is not None:
            raise NoSandbox(f"{closed} is closed to others, and Python needs {path} in it to run submissions as "
                            "nobody: install bubblewrap, or run the grader as an ordinary user")


def _bubblewrap_runs() -> bool:
    words = ["bwrap", "--unshare-net", "--unshare-pid", "--ro-bind", "/", "/", "true"]
    try:
        return subprocess.run(words, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _works(wall: Any) -> bool:
    """Whether a wall can be put up, tried in a child that ends at once."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            from .inside import walls

            walls.become_nobody()
            wall()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def _mounts() -> None:
    from .inside import walls

    walls.new_namespaces()
    walls.private_scratch("/tmp", 1)


def alone_filter() -> bytes:
    """A seccomp program for where no pid namespace hides the other processes of the same user: none of them can be
    signalled, nor its limits be lowered."""
    import fcntl

    import pyseccomp

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refused = pyseccomp.ERRNO(errno.EPERM)
    for name in ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"):
        rules.add_rule(refused, name)
    rules.add_rule(refused, "prlimit64", pyseccomp.Arg(0, pyseccomp.GT, 0))
    # A descriptor can tell another process of its input, by any signal.
    for command in (fcntl.F_SETOWN, fcntl.F_SETSIG, F_SETOWN_EX):
        rules.add_rule(refused, "fcntl", pyseccomp.Arg(1, pyseccomp.EQ, command))
    for command in (FIOSETOWN, SIOCSPGRP):
        rules.add_rule(refused, "ioctl", pyseccomp.Arg(1, pyseccomp.EQ, command))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _compiles() -> bool:
    try:
        return bool(compile_filter())
    except OSError:
        return False


