"""EXPECT: refused. A notebook that is a link is not followed."""

KIND = "submit"
REFUSED = True
CAUSE = r"is a link"


def submit(nb, folder):
    path = folder / f"{folder.name}.ipynb"
    path.unlink()
    path.symlink_to(folder.parents[2] / "build" / "source" / folder.name / f"{folder.name}.ipynb")
    return False
