"""EXPECT: 0. Finalizers and exit functions run inside, or never."""

KIND = "cell"
CAUSE = r"expected|differ|Kept"
CELL = r"""
import atexit, os, weakref

class Kept:
    def __del__(self):
        open("CANARY_del", "w").write("x")

atexit.register(lambda: open("/tmp/CANARY_exit", "w").write("x"))
kept = Kept()
weakref.finalize(kept, os._exit, 0)

def ANSWER(*args, **kwargs):
    return Kept()
"""
