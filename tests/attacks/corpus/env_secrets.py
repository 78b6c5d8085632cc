"""EXPECT: 0. The environment holds nothing of the grader's."""

KIND = "cell"
CAUSE = r"found 0"
CELL = r"""
import os

def ANSWER(*args, **kwargs):
    words = ("SECRET", "TOKEN", "KEY", "PASS", "AUTOGRADER", "PYTEST")
    found = {name: value for name, value in os.environ.items() if any(word in name.upper() for word in words)}
    raise RuntimeError(f"LEAK {found}" if found else "found 0")
"""
