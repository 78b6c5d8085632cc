"""EXPECT: 0. Not one process can be started; without the filter of system calls a bounded number."""

KIND = "cell"
CAUSE = r"started 0 "
CELL = r"""
import os, time

def ANSWER(*args, **kwargs):
    started = 0
    for _ in range(100):
        try:
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
            started += 1
        except OSError:
            break
    raise RuntimeError(f"LEAK {started} processes" if started > 64 else f"started {started} processes")
"""
