"""EXPECT: refused. A notebook that is also a file of the course under another name is not the student's own."""

import os

KIND = "submit"
REFUSED = True
CAUSE = r"also lies under another name"


def submit(nb, folder):
    path = folder / f"{folder.name}.ipynb"
    path.unlink()
    os.link(folder.parents[2] / "build" / "source" / folder.name / path.name, path)
    return False
