"""EXPECT: 0. A process that detaches itself twice is refused, and nothing of the submission lives on."""

KIND = "cell"
CAUSE = r"PermissionError|not permitted"
CELL = r"""
import os, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(30)
    os._exit(0)
"""
