"""EXPECT: refused. A JSON object that says a thing twice says nothing."""

import nbformat

KIND = "submit"
REFUSED = True
CAUSE = r"the key 'cells' twice"


def submit(nb, folder):
    return nbformat.writes(nb).rstrip().rstrip("}").encode() + b', "cells": []}'
