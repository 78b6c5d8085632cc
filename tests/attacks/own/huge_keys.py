"""EXPECT: 0. A dict whose keys are huge integers breaks no message."""

KIND = "cell"
CAUSE = r"dict"
CELL = r"""
def ANSWER(*args, **kwargs):
    return {10**5000: 1, -(10**6000): 2, (10**7000, 1): 3}
"""
