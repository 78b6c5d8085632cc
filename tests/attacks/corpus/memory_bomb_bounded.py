"""EXPECT: 0. Memory beyond the bound is refused to this submission."""

KIND = "cell"
CAUSE = r"MemoryError|ended its own process"
CELL = r"""
held = []

def ANSWER(*args, **kwargs):
    for _ in range(30):
        held.append(bytes(100 << 20))
    raise RuntimeError(f"LEAK held {len(held) * 100} MB")
"""
