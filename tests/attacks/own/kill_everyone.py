"""EXPECT: 0. Signals to everyone, to the group and to the parent reach nobody else."""

KIND = "cell"
CAUSE = r"still here|ended its own process|PermissionError|ProcessLookupError"
CELL = r"""
import os, signal

def ANSWER(*args, **kwargs):
    for pid in (-1, 0, os.getppid(), -os.getpgid(0), 2, 3):
        for number in (signal.SIGSTOP, signal.SIGKILL):
            try:
                os.kill(pid, number)
            except OSError:
                pass
    raise RuntimeError("still here")
"""
