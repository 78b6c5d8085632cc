"""The examples in the docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import utils.numerics

MODULES = [m.name for m in pkgutil.iter_modules(utils.numerics.__path__, "utils.numerics.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) > 30
