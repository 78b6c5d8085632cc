"""EXPECT: 0. Nobody else's files can be changed."""

KIND = "cell"
CAUSE = r"wrote nothing"
CELL = r"""
import glob, os

def ANSWER(*args, **kwargs):
    written = []
    for place in ["../" * n for n in range(1, 9)] + ["COURSE/"]:
        for path in glob.glob(place + "submitted/zoe/*/*.ipynb") + [place + "submitted/zoe/CHAPTER/CHAPTER.ipynb"]:
            try:
                os.chmod(path, 0o644)
                open(path, "r+").write("{}")
                written.append(path)
            except OSError:
                pass
    raise RuntimeError(f"LEAK {written}" if written else "wrote nothing")
"""
