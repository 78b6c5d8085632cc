"""Sizes of tensors and modules; the closed forms through their facade."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from utils.cost.memory import human_bytes, module_storage_bytes, tensor_bytes, transformer_activation_bytes


@given(st.lists(st.integers(0, 9), max_size=4), st.sampled_from([("uint8", 8), ("float16", 16), ("float64", 64)]))
def test_tensor_bytes_are_numpys(shape, kind):
    assert tensor_bytes(shape, kind[1]) == np.empty(shape, kind[0]).nbytes


def test_four_bit_tensors_are_rounded_up():
    assert [tensor_bytes((n,), 4) for n in (0, 1, 2, 3)] == [0, 1, 1, 2]
    with pytest.raises(ValueError, match="shape"):
        tensor_bytes((2, -1), 8)
    with pytest.raises(ValueError, match="bits"):
        tensor_bytes((2,), 0)


def test_the_sources_tensor_in_both_units():
    # The source says 6.3 M for 32 x 3 x 128 x 128 floats: powers of ten. Tools print powers of two.
    n = tensor_bytes((32, 3, 128, 128), 32)
    assert (human_bytes(n), human_bytes(n, binary=False)) == ("6.00 MiB", "6.29 MB")
    assert (human_bytes(1023), human_bytes(1024), human_bytes(2**40)) == ("1023 B", "1.00 KiB", "1.00 TiB")
    with pytest.raises(ValueError, match="negative"):
        human_bytes(-1)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_shared_storages_count_once(device):
    m = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10), nn.BatchNorm1d(10)).to(device)
    # two matrices, two biases, gamma, beta, mean, var (float32) and the counter (int64)
    assert module_storage_bytes(m) == 4 * (200 + 20 + 40) + 8
    m[1].weight = m[0].weight
    assert module_storage_bytes(m) == 4 * (100 + 20 + 40) + 8


def test_transformer_formula_of_the_paper():
    s, b, h, a = 2048, 1, 4096, 32
    sbh = s * b * h
    assert transformer_activation_bytes(s, b, h, a, 3) == 3 * sbh * (34 + 5 * a * s // h)
    assert transformer_activation_bytes(s, b, h, a, 3, flash=True) == 3 * 34 * sbh
    assert transformer_activation_bytes(s, b, h, a, 3, recompute="selective") == 3 * 34 * sbh
    assert transformer_activation_bytes(s, b, h, a, 3, recompute="full", flash=True) == 3 * 2 * sbh
    with pytest.raises(ValueError, match="recompute"):
        transformer_activation_bytes(s, b, h, a, 3, recompute="some")


def test_the_closed_forms_need_no_torch():
    code = "import sys, utils.cost.memory; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


