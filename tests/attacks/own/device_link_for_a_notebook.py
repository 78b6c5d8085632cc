"""EXPECT: refused. An endless device behind a link is not read."""

KIND = "submit"
REFUSED = True
CAUSE = r"is a link"


def submit(nb, folder):
    path = folder / f"{folder.name}.ipynb"
    path.unlink()
    path.symlink_to("/dev/zero")
    return False
