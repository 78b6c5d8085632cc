"""EXPECT: refused. A named pipe is not opened for reading until someone writes."""

import os

KIND = "submit"
REFUSED = True
CAUSE = r"not a regular file|can't be opened"


def submit(nb, folder):
    path = folder / f"{folder.name}.ipynb"
    path.unlink()
    os.mkfifo(path)
    return False
