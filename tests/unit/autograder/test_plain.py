"""Plain data: nothing but plain values comes out, whatever goes in, and the pipe keeps every bit."""

import contextlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.probes.common import same_bits
from autograder.probes.plain import MAX_DEPTH, Opaque, PlainError, pack, to_plain, unpack

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
arrays = hnp.arrays(
    hnp.boolean_dtypes() | hnp.integer_dtypes(endianness="<") | hnp.floating_dtypes(endianness="<"),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
plain = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4), max_leaves=12)


@given(plain)
@settings(max_examples=300, deadline=None)
def test_the_pipe_keeps_every_bit(value):
    assert same_bits(unpack(pack(value)), value)


@given(plain)
@settings(max_examples=150, deadline=None)
def test_copying_plain_data_changes_nothing(value):
    assert same_bits(to_plain(value), value)


@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_random_bytes_never_crash_the_reader(noise):
    with contextlib.suppress(PlainError):
        unpack(noise)


@given(plain, st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_message_is_read_as_plain_data_or_refused(value, data):
    message = bytearray(pack(value))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(PlainError):
        pack(unpack(bytes(message)))


@pytest.mark.parametrize("tree", [
    {"o": 1}, {"a": ["O", [1]]}, {"a": ["<f8", [2**40]]}, {"a": ["<f8", [-1]]}, {"a": ["<f8"]}, {"t": 3}, {"b": -1},
    {"i": "x"}, {"f": "y"}, {"x": 1}, {"d": [[1]]}, {"d": [[[], 1]]}, {"c": ["1"]}, {"i": "1", "f": "2"}, {"a": ["<V8", [1]]},
])
def test_malformed_tags_are_refused(tree):
    text = json.dumps(tree).encode()
    with pytest.raises(PlainError):
        unpack(struct.pack("<I", len(text)) + text)


def test_deep_nesting_is_refused_on_both_sides():
    deep = []
    for _ in range(200):
        deep = [deep]
    copied = to_plain(deep)
    for _ in range(MAX_DEPTH + 1):
        copied = copied[0]
    assert isinstance(copied, Opaque)
    text = b"[" * 5000 + b"]" * 5000
    with pytest.raises(PlainError):
        unpack(struct.pack("<I", len(text)) + text)


class LyingList(list):
    def __iter__(self):
        return iter([42])

    def __len__(self):
        return 1

    def __eq__(self, other):
        return True


class LyingFloat(float):
    def __float__(self):
        return 1.0

    def __eq__(self, other):
        return True


class LyingArray(np.ndarray):
    def __array_ufunc__(self, *args, **kwargs):
        return True

    def tolist(self):
        return [1]

    def copy(self, *args, **kwargs):
        return np.zeros(3)


class LyingStr(str):
    def __str__(self):
        return "right"

    def __eq__(self, other):
        return True


def test_subclasses_are_copied_by_their_base_and_cannot_lie():
    assert to_plain(LyingList([1, 2, 3])) == [1, 2, 3]
    assert to_plain(LyingFloat(2.5)) == 2.5 and type(to_plain(LyingFloat(2.5))) is float
    copied = to_plain(np.arange(3.0).view(LyingArray))
    assert type(copied) is np.ndarray and copied.tolist() == [0, 1, 2]
    assert to_plain(LyingStr("wrong")) == "wrong" and type(to_plain(LyingStr("wrong"))) is str


def test_what_has_no_plain_form_is_opaque():
    for value in ((i for i in range(3)), object(), len, {1, 2}, np.array([object()], dtype=object)):
        copied = to_plain(value)
        assert isinstance(copied, Opaque) or isinstance(copied[0], Opaque)


def test_a_list_with_too_many_items_is_opaque_and_quick():
    assert isinstance(to_plain([0] * 3_000_000), Opaque)


def test_torch_tensors_become_arrays():
    torch = pytest.importorskip("torch")
    assert to_plain(torch.arange(3)).tolist() == [0, 1, 2]
    assert to_plain(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    assert to_plain(torch.ones(2, requires_grad=True)).tolist() == [1, 1]
