"""EXPECT: 0. Nobody else's submission can be read."""

KIND = "cell"
CAUSE = r"found nothing"
CELL = r"""
import glob

def ANSWER(*args, **kwargs):
    found = []
    for place in ["../" * n for n in range(1, 9)] + ["COURSE/"]:
        for step in ("submitted", "autograded", "feedback"):
            for path in glob.glob(place + step + "/*/*/*"):
                found.append((path, open(path, errors="replace").read(80)))
    raise RuntimeError(f"LEAK {found[:3]}" if found else "found nothing")
"""
