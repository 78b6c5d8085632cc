"""EXPECT: the honest score. Test cells that are there twice have no effect, and the note counts them."""

import copy

from attack_tools import graded_cells

KIND = "submit"
CAUSE = r"is there 3 times"


def submit(nb, folder):
    for cell in graded_cells(nb):
        for place in (0, len(nb.cells)):
            twin = copy.deepcopy(cell)
            twin.source = "pass"
            twin.pop("id", None)
            nb.cells.insert(place, twin)
