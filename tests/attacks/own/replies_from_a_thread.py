"""EXPECT: 0. A thread that goes on writing to the channel spoils its own submission only."""

KIND = "cell"
CAUSE = r"unreadable|not asked|large|still running|closed|ended"
CELL = r"""
import os, stat, threading, time

channels = [n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}") and stat.S_ISSOCK(os.fstat(n).st_mode)]

def write():
    while True:
        os.write(channels[-1], b"\xff\xff\x00\x00" + bytes(100))

threading.Thread(target=write, daemon=True).start()

def ANSWER(*args, **kwargs):
    time.sleep(0.1)
    return args[0]
"""
