"""EXPECT: refused with a reason; the others are graded."""

KIND = "submit"
REFUSED = True
CAUSE = r"nested too deep"


def submit(nb, folder):
    return b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b', "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
