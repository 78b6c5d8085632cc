"""EXPECT: 0. A reply that trickles in byte by byte runs out of time."""

KIND = "cell"
CAUSE = r"still running"
CELL = r"""
import os, signal, stat, struct, time

def ANSWER(*args, **kwargs):
    signal.setitimer(signal.ITIMER_REAL, 0)
    channels = [n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}") and stat.S_ISSOCK(os.fstat(n).st_mode)]
    os.write(channels[-1], struct.pack("<I", 10_000))
    for _ in range(10_000):
        os.write(channels[-1], b"x")
        time.sleep(0.05)
"""
