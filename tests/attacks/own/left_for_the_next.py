"""EXPECT: 0. What a submission leaves behind, the next one does not find. (All students run this one.)"""

KIND = "cell"
CAUSE = r"first here"
CELL = r"""
import os

paths = [os.path.join(folder, "CANARY_left") for folder in (
    ".", "..", "/tmp", "/dev/shm", "/var/tmp", "/dev", "/", "/run", "/etc", os.path.expanduser("~"))]
found = [path for path in paths if os.path.exists(path)]
for path in paths:
    try:
        open(path, "w").write("x")
    except OSError:
        pass

def ANSWER(*args, **kwargs):
    raise RuntimeError(f"LEAK {found}" if found else "first here")
"""
