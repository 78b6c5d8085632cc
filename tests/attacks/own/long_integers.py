"""EXPECT: refused. A number of a million digits is no part of a notebook."""

KIND = "submit"
REFUSED = True
CAUSE = r"is not a notebook"


def submit(nb, folder):
    return b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": ' + b"9" * 1_000_000 + b"}"
