"""EXPECT: the honest score. A cell whose text is no Unicode is written to the pages all the same."""

import json

KIND = "submit"
CAUSE = None


def submit(nb, folder):
    for cell in nb.cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source += "\n# SURROGATE"
    return json.dumps(nb).replace("SURROGATE", "\\ud800 \\udfff").encode()
