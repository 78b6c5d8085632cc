"""EXPECT: 0. Open files and files on disk are bounded."""

KIND = "cell"
CAUSE = r"opened \d\d?\d? files|filled"
CELL = r"""
def ANSWER(*args, **kwargs):
    held = []
    try:
        for number in range(10_000):
            held.append(open(f"file{number}", "w"))
    except OSError:
        pass
    raise RuntimeError(f"LEAK {len(held)} files" if len(held) > 200 else f"opened {len(held)} files")
"""
