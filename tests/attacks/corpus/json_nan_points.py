"""EXPECT: the honest score. NaN and Infinity as points are worth nothing."""

from attack_tools import graded_cells

KIND = "submit"
CAUSE = r"points of check-\w+ were changed"


def submit(nb, folder):
    for number, cell in enumerate(graded_cells(nb)):
        cell.metadata.nbgrader["points"] = float("nan") if number % 2 else float("inf")
