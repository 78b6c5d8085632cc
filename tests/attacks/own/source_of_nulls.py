"""EXPECT: 0. A cell with null characters is no Python, and said to be none."""

KIND = "cell"
CAUSE = r"null|raised"
CELL = "def ANSWER(*args, **kwargs):\n    return args[0]\n\0\n"
