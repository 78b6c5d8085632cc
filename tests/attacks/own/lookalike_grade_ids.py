"""EXPECT: the honest score. Grade ids that only look like the course's are none of the course's."""

import copy

import nbformat

KIND = "submit"
CAUSE = r"not run"


def submit(nb, folder):
    for cell in list(nb.cells):
        told = cell.metadata.get("nbgrader", {})
        if told.get("solution") and cell.cell_type == "code":
            twin = copy.deepcopy(nbformat.v4.new_code_cell("import os; os._exit(1)", metadata=dict(cell.metadata)))
            twin.metadata["nbgrader"] = {**told, "grade_id": told["grade_id"].replace("o", "\u043e").replace("a", "\u0430").replace("e", "\u0435")}
            nb.cells.append(twin)
