"""EXPECT: 0. A tracer sees the probe's frames, and in them no expected value."""

KIND = "cell"
CAUSE = r"traced and found nothing"
CELL = r"""
import sys

seen = []

def look(frame, event, argument):
    for name, value in frame.f_locals.items():
        if name in ("expected", "oracle", "reference", "misconception", "secret", "seed_of"):
            seen.append(name)
    return look

sys.settrace(look)
sys.setprofile(look)

def ANSWER(*args, **kwargs):
    raise RuntimeError(f"LEAK {seen}" if seen else "traced and found nothing")
"""
