"""EXPECT: the honest score. A test cell that was rewritten is not the one that counts."""

from attack_tools import graded_cells

KIND = "submit"
CAUSE = r"test cell check-\w+ was changed"


def submit(nb, folder):
    for cell in graded_cells(nb):
        cell.source = "3.0"
