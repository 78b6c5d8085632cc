"""EXPECT: the honest score. A notebook without its test cells is tested all the same, and the note says so."""

from attack_tools import graded_cells

KIND = "submit"
CAUSE = r"test cell check-\w+ is missing"


def submit(nb, folder):
    nb.cells = [cell for cell in nb.cells if cell not in graded_cells(nb)]
