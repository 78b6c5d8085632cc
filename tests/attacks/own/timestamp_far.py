"""EXPECT: the honest score. A time stamp at the end of all time ends nothing."""

KIND = "submit"
CAUSE = None


def submit(nb, folder):
    (folder / "timestamp.txt").write_text("9999-12-31 23:59:59.999999 -2300")
