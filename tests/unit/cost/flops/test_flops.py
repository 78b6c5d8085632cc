"""The two gathering modules: complete, and light to import."""

import subprocess
import sys

import pytest

import utils.cost.bandwidth
import utils.cost.flops
import utils.cost.params


@pytest.mark.parametrize("module", [utils.cost.flops, utils.cost.bandwidth, utils.cost.params])
def test_every_listed_name_exists_and_is_documented(module):
    for name in module.__all__:
        value = getattr(module, name)
        assert not callable(value) or value.__doc__, name


def test_counting_imports_no_heavy_library():
    code = ("import sys, utils.cost.flops, utils.cost.bandwidth, utils.cost.flops.figures, utils.cost.roofline\n"
            "print([m for m in ('torch', 'onnx', 'onnxruntime', 'scipy', 'matplotlib', 'sklearn') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
