"""EXPECT: 0. What is written into the home folder is gone with the sandbox: no later shell reads it."""

KIND = "cell"
CAUSE = r"expected|It returns|Look at"
CELL = r"""
import os

for home in (os.path.expanduser("~"), "HOMEFOLDER"):
    try:
        folder = os.path.join(home, ".ipython/profile_default/startup")
        os.makedirs(folder, exist_ok=True)
        open(folder + "/00-CANARY.py", "w").write("EVIL = 1\n")
        open(os.path.join(home, "CANARY_home"), "w").write("x")
    except OSError:
        pass

def ANSWER(*args, **kwargs):
    if "EVIL" in get_ipython().user_ns:
        raise RuntimeError("LEAK startup file of another submission")
    return args[0]
"""
