"""EXPECT: 0. No other process's environment, command line, memory or descriptors can be read."""

KIND = "cell"
CAUSE = r"found nothing"
CELL = r"""
import os

def ANSWER(*args, **kwargs):
    found = []
    for pid in list(range(1, 400)) + ["self/task/../../1", "thread-self/../../../1"]:
        if str(pid) == os.readlink("/proc/self"):
            continue
        for name in ("environ", "cmdline", "maps", "mem", "fd", "root", "cwd"):
            try:
                path = f"/proc/{pid}/{name}"
                found.append((path, os.listdir(path) if name in ("fd", "root", "cwd") else open(path, "rb").read(100)))
            except OSError:
                pass
    found = [f for f in found if f[1]]
    raise RuntimeError(f"LEAK {found[:3]}" if found else "found nothing")
"""
