"""EXPECT: 0. What stands beside the exercises' own cells is not run, and the note says so."""

import nbformat

KIND = "submit"
CAUSE = r"code cell.* not run"


def submit(nb, folder):
    source = "def conv_macs(*a, **k): return 1\nopen('CANARY_extra', 'w').write('x')\nimport os; os._exit(0)"
    for place in (0, len(nb.cells) // 2, len(nb.cells)):
        nb.cells.insert(place, nbformat.v4.new_code_cell(source))
