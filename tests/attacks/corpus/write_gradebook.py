"""EXPECT: 0. The gradebook can't be written."""

KIND = "cell"
CAUSE = r"wrote nothing"
CELL = r"""
import glob, sqlite3

def ANSWER(*args, **kwargs):
    written = []
    for path in [p for n in range(1, 9) for p in glob.glob("../" * n + "gradebook.db")] + ["COURSE/gradebook.db"]:
        try:
            book = sqlite3.connect(path, timeout=0.2)
            book.execute("update grade set manual_score = 99, auto_score = 99")
            book.commit()
            written.append(path)
        except sqlite3.Error:
            pass
    raise RuntimeError(f"LEAK {written}" if written else "wrote nothing")
"""
