"""EXPECT: 0. A forged outcome is judged like any other: what is not known can't be forged."""

KIND = "cell"
CAUSE = r"expected|differ"
CELL = r"""
from probes import serve

asked = [0]
def forged(self, names, question):
    asked[0] += 1
    value = {1: 118013952, 2: 231211008, 3: 451584, 4: 3240}.get(asked[0], 0)
    return {"value": {"value": value, "changed": []} if question["params"].get("watch") else value,
            "printed": "all right", "seconds": 0.0, "points": 3, "outcome": "right", "passed": True}
serve.Cells.ask = forged

def ANSWER(*args, **kwargs):
    return args[0]
"""
