"""EXPECT: the honest score. Outputs that come with the notebook don't count."""

from attack_tools import graded_cells
from nbformat.v4 import new_output

KIND = "submit"
CAUSE = None


def submit(nb, folder):
    for cell in graded_cells(nb):
        if cell.cell_type == "code":
            score = str(float(cell.metadata.nbgrader["points"]))
            cell.outputs = [new_output("execute_result", {"text/plain": score}, execution_count=1)]
            cell.execution_count = 1
