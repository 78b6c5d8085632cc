"""The probe of chapter 02: a product with its calls counted, and what it refuses."""

import numpy as np
import pytest

from autograder.probes.ch02_x86_vs_arm import u8s8

A, B = np.int8([[-3, 5]]), np.int8([[7], [-2]])


def test_it_multiplies_and_counts():
    def twice(a, b, product):
        product(np.uint8([[255, 255]]), np.int8([[-128], [-128]]))
        return product(np.uint8([[125, 133]]), b)

    got = u8s8(twice, A, B)
    assert got["calls"] == 2 and got["value"].tolist() == [[609]] and got["value"].dtype == np.int32
    assert u8s8(lambda a, b, product: None, A, B) == {"value": None, "calls": 0}


def test_it_refuses_other_types_and_shapes():
    for left in (A, A.astype(np.int16)):
        with pytest.raises(TypeError, match="uint8 by int8"):
            u8s8(lambda a, b, product, left=left: product(left, b), A, B)
    with pytest.raises(ValueError, match="multiplies"):
        u8s8(lambda a, b, product: product(np.uint8([[1, 2, 3]]), b), A, B)


def test_the_question_stays_as_it_was():
    def spoil(a, b, product):
        a[:] = 0
        b[:] = 0

    u8s8(spoil, A, B)
    assert A.tolist() == [[-3, 5]] and B.tolist() == [[7], [-2]]
