"""EXPECT: refused with a reason that names the encoding."""

KIND = "submit"
REFUSED = True
CAUSE = r"not UTF-8"


def submit(nb, folder):
    return b"\xff\xfe{\x00\"\x00c\x00"
