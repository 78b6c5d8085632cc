"""EXPECT: 0. Replies that are sent before their questions answer none of them."""

KIND = "cell"
CAUSE = r"not asked"
CELL = r"""
import os, stat, struct
from probes.plain import pack

channels = [n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}") and stat.S_ISSOCK(os.fstat(n).st_mode)]
for value in (118013952, 231211008, 451584, 3240):
    data = pack({"value": value, "printed": "", "seconds": 0.0})
    os.write(channels[-1], struct.pack("<I", len(data)) + data)

def ANSWER(*args, **kwargs):
    return args[0]
"""
