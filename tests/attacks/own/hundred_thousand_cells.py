"""EXPECT: refused. There is a bound on cells."""

import json

KIND = "submit"
REFUSED = True
CAUSE = r"more than 5,000 cells"


def submit(nb, folder):
    cell = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": None}
    return json.dumps({"cells": [cell] * 100_000, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
