"""EXPECT: 0. The collector knows no object of the judge's: no exercise, no oracle, no course."""

KIND = "cell"
CAUSE = r"objects, found nothing"
CELL = r"""
import gc, sys

gc.unfreeze()
objects = gc.get_objects()
names = {"Exercise", "Misconception", "Oracle", "Judgement", "Course", "Gradebook", "Submission", "Assignment", "Case"}
found = {type(o).__name__ for o in objects} & names
found |= {m for m in sys.modules if m.split(".")[0] in ("autograder", "utils", "nbgrader", "sqlalchemy", "reference_assignment")}

def ANSWER(*args, **kwargs):
    raise RuntimeError(f"LEAK {found}" if found or len(objects) < 1000 else f"{len(objects)} objects, found nothing")
"""
