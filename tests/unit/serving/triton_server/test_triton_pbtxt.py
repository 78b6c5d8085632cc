"""The text format: documented examples, round trips of random trees, and errors with their lines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.serving.triton import format_pbtxt, parse_pbtxt

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
SCALARS = st.one_of(st.integers(-(10**12), 10**12), st.booleans(), st.sampled_from(["TYPE_FP32", "KIND_CPU", "A1_B"]),
                    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t\r"), max_size=12),
                    st.floats(allow_nan=False, allow_infinity=False))
TREES = st.recursive(st.dictionaries(NAMES, st.lists(SCALARS, min_size=1, max_size=3), max_size=3),
                     lambda inner: st.dictionaries(NAMES, st.one_of(st.lists(SCALARS, min_size=1, max_size=3), st.lists(inner, min_size=1, max_size=2)), max_size=3), max_leaves=12)


@given(TREES)
@settings(max_examples=150, deadline=None)
def test_a_written_tree_is_read_back(tree):
    assert parse_pbtxt(format_pbtxt(tree)) == tree


def test_both_list_styles_are_one():
    lists = "input [ { name: 'x' dims: [1, -2] }, { name: 'y' } ]"
    single = "input { name: 'x' dims: 1 dims: -2 } input: { name: \"y\" }"
    angle = "input < name: 'x' dims: 1; dims: -2, > input: < name: 'y' >"
    assert parse_pbtxt(lists) == parse_pbtxt(single) == parse_pbtxt(angle) == {"input": [{"name": ["x"], "dims": [1, -2]}, {"name": ["y"]}]}


def test_scalars_have_their_types():
    got = parse_pbtxt("a: 8 b: -1 c: 0x1F d: 017 e: 1.5 f: 2e3 g: 3f h: true i: TYPE_FP32 j: 'a' \"b\"  # one string")
    assert got == {"a": [8], "b": [-1], "c": [31], "d": [15], "e": [1.5], "f": [2000.0], "g": [3.0], "h": [True], "i": ["TYPE_FP32"], "j": ["ab"]}
    assert [type(v[0]) for v in got.values()] == [int, int, int, int, float, float, float, bool, str, str]


def test_strings_may_hold_anything():
    assert parse_pbtxt(r'''a: "# { [ \" \\ \n" b: 'it\'s' ''') == {"a": ['# { [ " \\ \n'], "b": ["it's"]}


@pytest.mark.parametrize("text, line", [
    ("a: 1\n@", 2), ("input {", 1), ("a: 1\ninput {\n b: 2\n", 2), ("dims: [ 1,\n 2", 1), ("\nname 'x'", 2), ("dims [ 1 ]", 1), ("a: 1 }", 1), ("a { b: 1 ]\n}", 1),
    ("a: [ 1 2 ]", 1), ("a: 'open\n'", 1), ("a:", 1), ("\n\n1: 2", 3), ("a: '\\q'", 1), ("a: [ { b: 1 }", 1), ("a: [ 1, [ 2 ] ]", 1), ("a: : 1", 1),
])
def test_errors_name_their_line(text, line):
    with pytest.raises(ValueError, match=rf"line {line}\b"):
        parse_pbtxt(text)
