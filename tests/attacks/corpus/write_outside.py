"""EXPECT: 0. Only the scratch folder can be written."""

KIND = "cell"
CAUSE = r"wrote nothing"
CELL = r"""
import os

def ANSWER(*args, **kwargs):
    written = []
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "/dev", "/", "/etc", "/run", "HOMEFOLDER", "COURSE", "..", "../..", "../../.."):
        try:
            open(os.path.join(folder, "CANARY_outside"), "w").write("x")
            written.append(folder)
        except OSError:
            pass
    raise RuntimeError(f"LEAK {written}" if written else "wrote nothing")
"""
