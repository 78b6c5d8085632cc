"""EXPECT: the honest score. Tags of the notebook skip nothing."""

from attack_tools import graded_cells

KIND = "submit"
CAUSE = r"tagged to be skipped"


def submit(nb, folder):
    for cell in graded_cells(nb):
        cell.metadata["tags"] = ["skip-execution", "raises-exception"]
