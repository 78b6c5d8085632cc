"""EXPECT: the honest score. Cells that are no cells are left out."""

import json

import nbformat

KIND = "submit"
CAUSE = None
ODD = [None, 1, "cell", [], {}, {"cell_type": "code"}, {"cell_type": 3, "source": []}, {"cell_type": "code", "source": 7, "metadata": 1},
       {"cell_type": "code", "source": [["nested"]], "metadata": {"nbgrader": []}},
       {"cell_type": "code", "source": "", "metadata": {"nbgrader": {"grade_id": ["a"]}, "tags": {"a": 1}}, "id": 5},
       {"cell_type": "markdown", "source": {"a": 1}, "metadata": {"tags": [[[{}]]]}}]


def submit(nb, folder):
    data = json.loads(nbformat.writes(nb))
    data["cells"] = [*ODD, *data["cells"], *ODD]
    data["metadata"] = [1, 2]
    data["nbformat_minor"] = {"a": "b"}
    return json.dumps(data).encode()
