"""EXPECT: 0. Built-in functions of the judge are not the learner's."""

KIND = "cell"
CAUSE = r"expected|It returns|Look at|raised|ended its own process"
CELL = r"""
import builtins

builtins.abs = builtins.round = lambda *args: 0
builtins.all = builtins.any = lambda *args: True
builtins.AssertionError = type("Quiet", (BaseException,), {})

def ANSWER(*args, **kwargs):
    return args[0]
"""
