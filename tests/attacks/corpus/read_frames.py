"""EXPECT: 0. No frame above an answer is the judge's or shows an expected value."""

KIND = "cell"
CAUSE = r"found nothing"
CELL = r"""
import linecache, sys

def ANSWER(*args, **kwargs):
    frame, found = sys._getframe(), []
    while frame is not None:
        name = frame.f_code.co_filename
        text = "".join(linecache.getlines(name))
        if any(word in name for word in ("judging", "exercises", "grading/grade")) or "Misconcep" "tion(" in text:
            found.append(name)
        found += [f"{name}:{k}" for k in frame.f_locals if k in ("expected", "oracle", "reference", "exercise", "secret")]
        frame = frame.f_back
    raise RuntimeError(f"LEAK {found}" if found else "found nothing")
"""
