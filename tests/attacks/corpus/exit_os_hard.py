"""EXPECT: 0. A process that ends itself ends its own exercise alone."""

KIND = "cell"
CAUSE = r"ended its own process[\s\S]*exit status 0"
CELL = r"""
def ANSWER(*args, **kwargs):
    import os
    os._exit(0)
"""
