"""EXPECT: 0. An object that says it equals everything has no plain form."""

KIND = "cell"
CAUSE = r"Liar"
CELL = r"""
class Liar:
    shape, dtype, ndim = (2, 2), "float64", 2
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __bool__(self): return True
    def __hash__(self): return 0
    def __getattr__(self, name): return Liar()
    def __call__(self, *args, **kwargs): return Liar()
    def __getitem__(self, index): return Liar()
    def __float__(self): return 0.0
    def __index__(self): return 1
    def __array__(self, *args, **kwargs):
        import numpy as np
        return np.zeros((2, 2))
    def __array_function__(self, *args): return True
    def __array_ufunc__(self, *args, **kwargs): return True

def ANSWER(*args, **kwargs):
    return Liar()
"""
