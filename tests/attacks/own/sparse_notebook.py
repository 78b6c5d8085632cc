"""EXPECT: refused. A file of 64 GB that takes no space is not read to its end."""

import os

KIND = "submit"
REFUSED = True
CAUSE = r"larger than 20 MB"


def submit(nb, folder):
    path = folder / f"{folder.name}.ipynb"
    path.unlink()
    with path.open("wb") as file:
        os.truncate(file.fileno(), 64 << 30)
    return False
