"""EXPECT: the honest score. The set-up cells that run are those that were handed out."""

KIND = "submit"
CAUSE = r"not run"


def submit(nb, folder):
    for cell in nb.cells:
        if "setup" in cell.metadata.get("tags", ()):
            cell.source = "import os\nos._exit(0)"
