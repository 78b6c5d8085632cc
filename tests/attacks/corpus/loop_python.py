"""EXPECT: 0. An endless loop is stopped, and told as one."""

KIND = "cell"
CAUSE = r"does not come to an end"
CELL = r"""
def ANSWER(*args, **kwargs):
    while True:
        pass
"""
