"""EXPECT: the honest score. A time stamp that is a link is as good as none, and what it leads to is not copied."""

KIND = "submit"
CAUSE = None


def submit(nb, folder):
    path = folder / "timestamp.txt"
    path.unlink()
    path.symlink_to(folder.parents[2] / ".course_seed")
