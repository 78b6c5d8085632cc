"""EXPECT: 0. The whole address space holds no canary, no reference and no message of the course.

What the sandbox copied from its fork server is searched byte by byte. The patterns don't match themselves."""

KIND = "cell"
CAUSE = r"searched [1-9]\d* MB, found nothing"
CELL = r"""
import re

pattern = re.compile(rb"CANAR[Y]-[0-9a-f]{16}|You count input position[s]|One mean over all column[s]|softmax_that_overflow[s]"
                     rb"|_conv_by_position[s]|def seed_o[f]|BEGIN SOLUTIO[N]|standardize_over_al[l]")
found, searched = set(), 0
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb") as memory:
    for line in maps:
        place, rights, offset, device, inode, *name = line.split()
        if "r" not in rights or "w" not in rights or name[:1] in (["[vvar]"], ["[vsyscall]"]):
            continue
        start, end = (int(n, 16) for n in place.split("-"))
        try:
            memory.seek(start)
            data = memory.read(min(end - start, 256 << 20))
        except (OSError, ValueError, OverflowError, MemoryError):
            continue
        searched += len(data)
        found |= set(pattern.findall(data))

def ANSWER(*args, **kwargs):
    raise RuntimeError(f"LEAK {found}" if found else f"searched {searched >> 20} MB, found nothing")
"""
