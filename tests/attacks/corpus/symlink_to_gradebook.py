"""EXPECT: the honest score. Links beside the notebook are copied nowhere."""

KIND = "submit"
CAUSE = None


def submit(nb, folder):
    (folder / "data.bin").symlink_to(folder.parents[2] / "gradebook.db")
    (folder / "sources").symlink_to(folder.parents[2] / "build" / "source")
    (folder / "seed.txt").symlink_to(folder.parents[2] / ".course_seed")
