"""EXPECT: 0. NumPy's comparisons inside are not those that judge."""

KIND = "cell"
CAUSE = r"Anything|expected"
CELL = r"""
import numpy as np

for name in dir(np.testing):
    if name.startswith("assert"):
        setattr(np.testing, name, lambda *args, **kwargs: None)
np.allclose = np.array_equal = np.isclose = lambda *args, **kwargs: True

class Anything:
    def __getattr__(self, name):
        return lambda *args, **kwargs: 0

def ANSWER(*args, **kwargs):
    return Anything()
"""
