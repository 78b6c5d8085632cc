"""EXPECT: 0. What an answer returns is never unpickled."""

KIND = "cell"
CAUSE = r"Reduced"
CELL = r"""
class Reduced:
    shape = (2, 2)
    def __reduce__(self):
        return (exec, ("open('CANARY_pickle', 'w').write('x')",))
    __reduce_ex__ = lambda self, protocol: self.__reduce__()

def ANSWER(*args, **kwargs):
    return Reduced()
"""
