"""EXPECT: 0. A cell with thousands of brackets is told as an error of its own."""

KIND = "cell"
CAUSE = r"raised"
CELL = "x = " + "(" * 3000 + ")" * 3000 + "\ny = " + "-" * 50_000 + "1\ndef ANSWER(*args, **kwargs):\n    return args[0]\n"
