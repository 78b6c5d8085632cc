"""EXPECT: 0. A descriptor that announces input by SIGKILL kills nobody else, and nobody's limits can be lowered."""

KIND = "cell"
CAUSE = r"still here|ended its own process"
CELL = r"""
import fcntl, os, resource, signal

def ANSWER(*args, **kwargs):
    for pid in (os.getppid(), 1, 2, 3):
        try:
            reading, writing = os.pipe()
            fcntl.fcntl(reading, 10, signal.SIGKILL)
            fcntl.fcntl(reading, fcntl.F_SETOWN, pid)
            fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            os.write(writing, b"x")
        except OSError:
            pass
        if pid and pid != os.getpid():
            try:
                resource.prlimit(pid, resource.RLIMIT_CPU, (0, 0))
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0))
            except OSError:
                pass
    raise RuntimeError("still here")
"""
