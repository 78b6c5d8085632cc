"""EXPECT: refused. A folder that is called like the notebook is none."""

KIND = "submit"
REFUSED = True
CAUSE = r"not a regular file|can't be opened"


def submit(nb, folder):
    path = folder / f"{folder.name}.ipynb"
    path.unlink()
    path.mkdir()
    (path / "inner.ipynb").write_text("{}")
    return False
