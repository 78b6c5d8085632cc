"""EXPECT: 0. Shell commands, cell magics and programs from memory are refused."""

KIND = "cell"
CAUSE = r"ran nothing"
CELL = r"""
import ctypes, os

def ANSWER(*args, **kwargs):
    ran = []
    for line in ("echo hello", "id"):
        try:
            ran += get_ipython().getoutput(line)
        except BaseException:
            pass
    try:
        get_ipython().run_cell_magic("bash", "", "echo x > /tmp/CANARY_bash")
        ran.append("bash")
    except BaseException:
        pass
    try:
        program = os.memfd_create("program")
        os.write(program, b"#!/bin/sh\necho x > /tmp/CANARY_memfd\n")
        ctypes.CDLL(None).execveat(program, b"", None, None, 0x1000)
        ran.append("memfd")
    except OSError:
        pass
    raise RuntimeError(f"LEAK {ran}" if ran else "ran nothing")
"""
