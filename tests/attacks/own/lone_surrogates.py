"""EXPECT: 0. Text that is no Unicode reaches the gradebook and the pages without harm."""

KIND = "cell"
CAUSE = r"torn"
CELL = r"""
def ANSWER(*args, **kwargs):
    print("printed \ud800 text")
    raise RuntimeError("torn \udfff message \ud83d")
"""
