"""EXPECT: 0. An answer that cancels its own clock is ended by another one."""

KIND = "cell"
CAUSE = r"still running"
CELL = r"""
import signal

def ANSWER(*args, **kwargs):
    while True:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
"""
