"""EXPECT: 0. No system call opens a way out: ptrace, unshare, mount, chroot, io_uring, keys, bpf, other processes' memory."""

KIND = "cell"
MACHINE = "x86_64"  # whose numbers of system calls these are
CAUSE = r"gained nothing"
CELL = r"""
import ctypes, os

libc = ctypes.CDLL(None, use_errno=True)
CALLS = {"ptrace traceme": (101, 0, 0, 0, 0), "ptrace attach": (101, 16, 1, 0, 0), "unshare user": (272, 0x10000000),
         "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "chroot": (161, b"."), "pivot_root": (155, b".", b"."),
         "io_uring_setup": (425, 8, ctypes.create_string_buffer(120)), "add_key": (248, b"user", b"k", b"v", 1, -3),
         "bpf": (321, 0, ctypes.create_string_buffer(72), 72), "setns": (308, 0, 0), "userfaultfd": (323, 0),
         "perf_event_open": (298, ctypes.create_string_buffer(112), 0, -1, -1, 0), "memfd_create": (319, b"x", 0),
         "setuid": (105, 0), "personality": (135, 0x0040000), "open_by_handle_at": (304, -1, 0, 0),
         "pidfd_getfd": (438, 0, 0, 0), "process_vm_readv": (310, 1, 0, 0, 0, 0, 0), "kcmp": (312, 1, 1, 0, 0, 0),
         "sched_setaffinity": (203, 0, 128, ctypes.create_string_buffer(b"\x01" * 128)), "shmget": (29, 0, 4096, 0o1600),
         "mq_open": (240, b"queue", 0o100, 0o600, 0), "seccomp": (317, 0, 0, 0)}

def ANSWER(*args, **kwargs):
    gained = [name for name, (number, *rest) in CALLS.items() if libc.syscall(number, *rest) >= 0]
    raise RuntimeError(f"LEAK {gained}" if gained else "gained nothing")
"""
