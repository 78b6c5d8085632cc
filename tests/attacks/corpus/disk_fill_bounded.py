"""EXPECT: 0. Writing stops at the bound of a file and of the folder, with an error that the answer sees."""

KIND = "cell"
CAUSE = r"wrote only|filled"
CELL = r"""
def ANSWER(*args, **kwargs):
    written = 0
    try:
        for number in range(40):
            with open(f"fill{number}.bin", "wb") as file:
                for _ in range(8):
                    written += file.write(bytes(1 << 20))
    except OSError:
        pass
    if written > 200 << 20:
        raise RuntimeError(f"LEAK wrote {written >> 20} MB")
    raise RuntimeError(f"wrote only {written >> 20} MB")
"""
