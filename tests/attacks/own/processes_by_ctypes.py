"""EXPECT: 0. No way of starting a process works: fork, vfork, clone, clone3, posix_spawn, execve."""

KIND = "cell"
MACHINE = "x86_64"  # whose numbers of system calls these are
CAUSE = r"started nothing"
CELL = r"""
import ctypes, os, subprocess

libc = ctypes.CDLL(None, use_errno=True)

def ANSWER(*args, **kwargs):
    started = []
    ways = [("fork", lambda: libc.fork()), ("syscall fork", lambda: libc.syscall(57)),
            ("clone", lambda: libc.syscall(56, 17, 0, 0, 0, 0)), ("vfork", lambda: libc.syscall(58)),
            ("clone parent", lambda: libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0)),
            ("clone3", lambda: libc.syscall(435, ctypes.create_string_buffer(bytes(32) + b"\x11" + bytes(55)), 88)),
            ("posix_spawn", lambda: os.posix_spawn("/bin/true", ["true"], {})),
            ("subprocess", lambda: subprocess.Popen(["/bin/true"]).pid), ("system", lambda: 1 if libc.system(b"true") == 0 else -1)]
    for name, way in ways:
        try:
            pid = way()
        except OSError:
            continue
        if pid == 0:
            os._exit(0)
        if pid > 0:
            started.append(name)
    raise RuntimeError(f"LEAK {started}" if started else "started nothing")
"""
