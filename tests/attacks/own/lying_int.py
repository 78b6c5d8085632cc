"""EXPECT: 0. An integer of a class of the learner's own is copied by its value, not asked."""

KIND = "cell"
CAUSE = r"1, expected|expected an array"
CELL = r"""
class Lying(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __int__(self): return 118013952
    __index__ = __int__
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __repr__(self): return "118_013_952"

def ANSWER(*args, **kwargs):
    return Lying(1)
"""
