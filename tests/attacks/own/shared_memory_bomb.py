"""EXPECT: 0. Shared mappings count like other memory."""

KIND = "cell"
CAUSE = r"held [0-9]00 MB|ended its own process|MemoryError"
CELL = r"""
import mmap

def ANSWER(*args, **kwargs):
    held = []
    try:
        for _ in range(30):
            held.append(mmap.mmap(-1, 100 << 20, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
    except (OSError, MemoryError):
        pass
    if len(held) > 20:
        raise RuntimeError(f"LEAK {len(held) * 100} MB")
    raise RuntimeError(f"held {len(held) * 100} MB")
"""
