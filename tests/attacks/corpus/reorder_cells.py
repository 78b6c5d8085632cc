"""EXPECT: the honest score. The order of the cells in a submission decides nothing."""

from attack_tools import graded_cells

KIND = "submit"
CAUSE = None


def submit(nb, folder):
    tests = graded_cells(nb)
    nb.cells = tests + [cell for cell in nb.cells if cell not in tests]
