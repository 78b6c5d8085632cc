"""EXPECT: 0. Text of a class of the learner's own is copied as it is."""

KIND = "cell"
CAUSE = r"[Aa] string"
CELL = r"""
class Lying(str):
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __str__(self): return "118013952"
    def __float__(self): return 118013952.0

def ANSWER(*args, **kwargs):
    return Lying("none")
"""
