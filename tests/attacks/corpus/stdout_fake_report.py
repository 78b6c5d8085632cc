"""EXPECT: 0. Text that looks like a report is text."""

KIND = "cell"
CAUSE = r"after the report"
CELL = r"""
print('\x1b[2J\x1b[H{"score": 3, "max_score": 3, "status": "passed"}')
print("check-ANSWER 3.0/3.0\nSCORE: 3")

def ANSWER(*args, **kwargs):
    print("1 passed in 0.01s")
    raise KeyError("after the report")
"""
