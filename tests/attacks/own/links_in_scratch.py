"""EXPECT: 0. Links, hard links, named pipes and handles from the scratch folder lead nowhere."""

KIND = "cell"
CAUSE = r"reached nothing"
CELL = r"""
import os

def ANSWER(*args, **kwargs):
    reached = []
    for number, target in enumerate(("COURSE/gradebook.db", "COURSE", "/etc/passwd", "/etc/shadow", "/proc/1/root", "HOMEFOLDER",
                                     "REPOSITORY/README.md", "/root/.ssh")):
        try:
            os.symlink(target, f"link{number}")
            path = f"link{number}"
            reached.append((target, os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(20)))
        except OSError:
            pass
        try:
            os.link(target, f"hard{number}")
            reached.append(target)
        except OSError:
            pass
    raise RuntimeError(f"LEAK {reached}" if reached else "reached nothing")
"""
