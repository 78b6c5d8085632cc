"""EXPECT: 0. The gradebook can't be reached from where an answer runs."""

KIND = "cell"
CAUSE = r"found nothing"
CELL = r"""
import glob, os, sqlite3

def ANSWER(*args, **kwargs):
    found = []
    for place in ["../" * n for n in range(1, 9)] + ["COURSE/", "REPOSITORY/"]:
        for path in glob.glob(place + "gradebook.db") + glob.glob(place + "*/gradebook.db"):
            found.append(path)
            found += sqlite3.connect(path).execute("select source from source_cell").fetchall()[:1]
    raise RuntimeError(f"LEAK {found}" if found or os.path.exists("COURSE") else "found nothing")
"""
