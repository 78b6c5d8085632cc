"""EXPECT: the honest score. Points come from the gradebook, whatever the notebook says."""

from attack_tools import graded_cells

KIND = "submit"
CAUSE = r"points of check-\w+ were changed"


def submit(nb, folder):
    for cell in graded_cells(nb):
        cell.metadata.nbgrader["points"] = 1000
        cell.metadata.nbgrader["locked"] = False
