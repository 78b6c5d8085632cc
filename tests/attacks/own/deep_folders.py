"""EXPECT: 0. Folders nested deeper than a path can name are removed with the rest."""

KIND = "cell"
CAUSE = r"nested|filled"
CELL = r"""
import os

def ANSWER(*args, **kwargs):
    here, depth = os.getcwd(), 0
    try:
        for depth in range(5000):
            os.mkdir("d")
            os.chdir("d")
    except OSError:
        pass
    os.chmod(here, 0)
    raise RuntimeError(f"nested {depth}")
"""
