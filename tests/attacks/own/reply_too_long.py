"""EXPECT: 0. A reply that announces more than the bound is not waited for."""

KIND = "cell"
CAUSE = r"a reply of 16,777,217 bytes"
CELL = r"""
import os, stat, struct

def ANSWER(*args, **kwargs):
    channels = [n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}") and stat.S_ISSOCK(os.fstat(n).st_mode)]
    os.write(channels[-1], struct.pack("<I", 2**24 + 1) + bytes(10_000))
"""
