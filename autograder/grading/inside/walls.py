"""The walls around one submission, each put up by the forked child itself (Linux).

Every function raises OSError when its wall can't be put up, and never leaves one half up unnoticed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from collections.abc import Iterable

libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
SECCOMP_MODE_FILTER = 2
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 16384, 1 << 18
# Landlock's three system calls have one number on every architecture (linux/landlock.h).
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_RULE_PATH_BENEATH = 1
FS_EXECUTE, FS_WRITE_FILE, FS_READ_FILE, FS_READ_DIR, FS_TRUNCATE, FS_IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_CAPABILITY_VERSION_3 = 0x20080522


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def die_with_parent() -> None:
    """SIGKILL this process when the one that forked it ends."""
    _checked(libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0), "PR_SET_PDEATHSIG")


def no_new_privileges() -> None:
    """No program that is started gains rights from its file (setuid, capabilities)."""
    _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")


def become_nobody(uid: int = 65534) -> None:
    """Give up root for good; nothing to do for an ordinary user."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # A change of user makes /proc/self root's; a user namespace's maps are written there.
        _checked(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "PR_SET_DUMPABLE")
    no_new_privileges()


def new_namespaces() -> None:
    """User, pid, network, mount, ipc and host-name namespaces; the next child is process 1 of the pid namespace."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS
    _checked(libc.unshare(flags), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def private_scratch(folder: str, megabytes: int) -> None:
    """An empty file system in memory over `folder`, seen by this mount namespace alone."""
    _checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    options = f"size={megabytes}m,nr_inodes=1024,mode=700"
    _checked(libc.mount(b"tmpfs", folder.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options.encode()), "tmpfs")


def no_capabilities() -> None:
    """Drop every capability, also those that a new user namespace gave."""
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # the first number that this kernel does not know
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _checked(libc.capset(header, struct.pack("6I", *[0] * 6)), "capset")


def limits(*, memory_mb: int, cpu_s: int, file_mb: int, tasks: int) -> None:
    """Resource limits. Memory is counted as address space above what the warm process has already."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open("/proc/self/statm") as file:
        present = int(file.read().split()[0]) * page
    for name, value in (
        ("AS", present + memory_mb * 2**20), ("CPU", cpu_s), ("FSIZE", file_mb * 2**20), ("NPROC", tasks),
        ("NOFILE", 128), ("CORE", 0), ("MEMLOCK", 0), ("MSGQUEUE", 0),
    ):
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def landlock_version() -> int:
    """The kernel's Landlock version, 0 without Landlock."""
    return max(0, libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def landlock(read: Iterable[str], write: Iterable[str]) -> None:
    """Only `read` can be read and executed, only `write` written; no TCP; no signals or abstract sockets outside."""
    version = landlock_version()
    if version < 1:
        raise OSError(38, "this kernel has no Landlock")
    rights = (1 << 13) - 1 | (version >= 2) << 13 | (version >= 3) << 14 | (version >= 5) << 15
    network, scope = 3 if version >= 4 else 0, 3 if version >= 6 else 0
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = struct.pack("QQQ", rights, network, scope)
    fd = _checked(libc.syscall(LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(size), ctypes.c_uint32(0)), "Landlock")
    for path in read:
        _landlock_rule(fd, path, (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR) & rights, rights)
    for path in write:
        _landlock_rule(fd, path, rights & ~FS_EXECUTE, rights)
    _checked(libc.syscall(LANDLOCK_RESTRICT_SELF, fd, ctypes.c_uint32(0)), "Landlock")
    os.close(fd)


def _landlock_rule(fd: int, path: str, allowed: int, rights: int) -> None:
    try:
        at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            allowed &= (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV) & rights
        rule = struct.pack("=Qi", allowed, at)
        _checked(libc.syscall(LANDLOCK_ADD_RULE, fd, LANDLOCK_RULE_PATH_BENEATH, rule, ctypes.c_uint32(0)), path)
    finally:
        os.close(at)


class Filter:
    """A compiled seccomp program (`grading.syscalls` makes it); loading it is one system call."""

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    def __init__(self, program: bytes) -> None:
        self.code = ctypes.create_string_buffer(program, len(program))
        self.program = self._Program(len(program) // 8, ctypes.cast(self.code, ctypes.c_void_p))

    def load(self) -> None:
        pointer = ctypes.byref(self.program)
        _checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer, 0, 0), "seccomp")
