"""EXPECT: 0. An answer that ignores signals is ended from outside."""

KIND = "cell"
CAUSE = r"still running"
CELL = r"""
import signal, time

def ANSWER(*args, **kwargs):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
"""
