"""EXPECT: 0. A process that stops itself is ended when its time is up."""

KIND = "cell"
CAUSE = r"still running|stopped|PermissionError"
CELL = r"""
import os, signal, time

def ANSWER(*args, **kwargs):
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.raise_signal(signal.SIGSTOP)
    time.sleep(30)
    raise RuntimeError("stopped for a while")
"""
