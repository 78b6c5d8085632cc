"""EXPECT: 0. What started the process can't be signalled."""

KIND = "cell"
CAUSE = r"still here|PermissionError|ProcessLookupError|ended its own process"
CELL = r"""
import os, signal

def ANSWER(*args, **kwargs):
    for pid in (os.getppid(), 1):
        if pid:
            os.kill(pid, signal.SIGKILL)
    raise RuntimeError("still here")
"""
