"""Chapter 28's probes: the array that an answer sees, and what is made of a body that is none."""

import json

import numpy as np
import pytest

from autograder.probes.ch28_triton_containers import encoded, refused


@pytest.mark.parametrize("layout", ["plain", "transposed", "every second", "reversed"])
@pytest.mark.parametrize("big", [False, True])
def test_the_values_are_the_same_in_every_layout(layout, big):
    seen = []

    def answer(name, x, output):
        seen.append(x)
        return b"{}", 2

    told = encoded(answer, [0, 1, 2, 3, 4, 5], [2, 3], "int64", layout, big, "x", "p")
    np.testing.assert_array_equal(seen[0], np.arange(6).reshape(2, 3))
    assert seen[0].dtype.str == (">i8" if big else "<i8") and seen[0].flags.c_contiguous == (layout == "plain")
    assert told == {"data": b"", "header": [], "compact": True, "length": 2}


@pytest.mark.parametrize("got", [None, b"", (b"{}",), ("{}", 2), (b"{}", 2.0), (b"{}", True), (bytearray(b"{}"), 2), [1, 2]])
def test_what_is_no_pair_of_bytes_and_int_comes_back_as_it_is(got):
    assert encoded(lambda *a: got, [1], [1], "uint8", "plain", False, "x", "p") is got


@pytest.mark.parametrize("body, length, header, compact", [
    (b'{"a": 1}', 8, [["a", 1]], False), (b'{"a":1}', 7, [["a", 1]], True), (b'{"a":1}', 3, None, False), (b'{"a":1}', -1, None, False), (b'{"a":1}', 99, [["a", 1]], True),
    ('{"é":1}'.encode(), 8, [["é", 1]], True), (b'{"\\u00e9":1}', 12, [["é", 1]], True), (b"\xff", 1, None, False), (b"[" * 9000, 9000, None, False),
])
def test_headers(body, length, header, compact):
    told = encoded(lambda *a: (body, length), [1], [1], "uint8", "plain", False, "x", "p")
    assert told["header"] == header and told["compact"] is compact and told["length"] == length and json.dumps(header)


def test_the_length_is_not_told_where_names_have_two_spellings():
    assert "length" not in encoded(lambda *a: (b"{}", 2), [1], [1], "uint8", "plain", False, "x", "é")


def test_refusals():
    def parser(text):
        if text:
            raise ValueError(text)
        return {}

    assert refused(parser, "Line 12: x") == {"refused": True, "line": 12} and refused(parser, "no number") == {"refused": True, "line": None}
    assert refused(parser, "") == {"refused": False, "line": None}
    with pytest.raises(KeyError):
        refused(lambda text: {}[text], "x")
