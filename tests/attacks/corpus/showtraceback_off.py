"""EXPECT: 0. An error counts also where nothing shows it."""

KIND = "cell"
CAUSE = r"unseen"
CELL = r"""
import IPython.core.interactiveshell as interactive

interactive.InteractiveShell.showtraceback = lambda *args, **kwargs: None

def ANSWER(*args, **kwargs):
    raise KeyError("unseen")
"""
