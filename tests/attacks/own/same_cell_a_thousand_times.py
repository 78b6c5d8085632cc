"""EXPECT: 0. An exercise's cell that is there a thousand times costs no more than the submission's own time."""

import copy

KIND = "submit"
CAUSE = r"more than once"


def submit(nb, folder):
    for cell in list(nb.cells):
        if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code":
            cell.source = "while True: pass"
            nb.cells += [copy.deepcopy(cell) for _ in range(1000)]
            return
