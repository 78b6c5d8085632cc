"""Shape specifications and profiles: NVIDIA's tolerant reading and the strict one."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.trtexec.shapes import (
    complete_profile,
    fill_profile,
    leading_float,
    leading_int,
    parse_shape_spec,
    shape_spec,
    split_argument,
    split_name,
)

names = st.text("abc/._:0", min_size=1, max_size=6)
shapes = st.lists(st.integers(1, 4096), max_size=5).map(tuple)


def written(spec, quote=""):
    dims = {name: "x".join(map(str, shape)) or "scalar" for name, shape in spec.items()}
    return ",".join(f"{quote}{name}{quote}:{d}" for name, d in dims.items())


@settings(deadline=None)
@given(st.dictionaries(names, shapes, min_size=1, max_size=4), st.sampled_from(["", "'"]))
def test_both_readers_invert_the_writer(spec, quote):
    assert shape_spec(written(spec, quote)) == spec
    assert parse_shape_spec(written(spec, quote)) == spec


@pytest.mark.parametrize("read", [shape_spec, parse_shape_spec])
def test_agreed_cases(read):
    assert read("images:0:1x3x224x224,mask:scalar") == {"images:0": (1, 3, 224, 224), "mask": ()}
    assert read("x:1,x:2") == {"x": (2,)}


@pytest.mark.parametrize(
    "text",
    ["", "x", "x:", ":1x3", "x:1X3", "x:1x", "x:0x3", "x:-1x3", "x:1.5", "x:1,", ",x:1", "x:a", "'':1", "x:1x3 "],
)
def test_strict_reader_refuses(text):
    with pytest.raises(ValueError):
        shape_spec(text)


def test_tolerant_reader_does_what_cs_stoi_does():
    assert parse_shape_spec("") == {}
    assert parse_shape_spec("x:1X3") == {"x": (1,)}
    assert parse_shape_spec("x:-1x 3y") == {"x": (-1, 3)}
    assert parse_shape_spec("x:") == {"x": ()}
    assert parse_shape_spec("1x3") == {"1x3": (1, 3)}  # no colon: the item is name and value
    assert parse_shape_spec("'a:b':1x3") == {"a:b": (1, 3)}


@pytest.mark.parametrize(
    ("text", "release", "word"),
    [
        ("x:a", "11.1", "no digits"),
        ("x:1x", "11.1", "no digits"),
        ("x:scalar", "8.6", "no digits"),
        ("x:99999999999", "11.1", "32-bit"),
        ("'x:1", "11.1", "quotes"),
        ("x:'1'", "11.1", "quotes"),
        ("x:1,,y:2", "11.1", "empty"),
        ("x:1", "12", "release"),
    ],
)
def test_tolerant_reader_errors(text, release, word):
    with pytest.raises(ValueError, match=word):
        parse_shape_spec(text, release)


def test_pieces():
    assert split_argument("--a=b=c") == ("--a", "b=c")
    assert split_argument("--a") == ("--a", "")
    assert split_argument("--a=") == ("--a", "")
    assert split_name("C:\\in:x") == ("C:\\in", "x")
    assert leading_int(" +12abc") == 12
    assert leading_float("1.5e2x") == 150
    with pytest.raises(ValueError, match="no digits"):
        leading_float("x1")


# The broadcast rules of processShapes in sampleOptions.cpp (v8.6.1, v10.16 and v11.1 alike), written out:
# flags present -> which flag min, opt and max are taken from
SOURCES = {
    ("min",): ("min", "min", "min"),
    ("opt",): ("opt", "opt", "opt"),
    ("max",): ("max", "max", "max"),
    ("min", "opt"): ("min", "opt", "opt"),
    ("min", "max"): ("min", "max", "max"),
    ("opt", "max"): ("opt", "opt", "max"),
    ("min", "opt", "max"): ("min", "opt", "max"),
}


@pytest.mark.parametrize("present", SOURCES)
def test_missing_flags_are_copied(present):
    value = {"min": (1, 3), "opt": (4, 3), "max": (8, 3)}
    given_flags = [{"x": value[flag]} if flag in present else None for flag in value]
    want = {"x": tuple(value[source] for source in SOURCES[present])}
    assert fill_profile(*given_flags) == complete_profile(*given_flags) == want


ordered = st.lists(st.tuples(*[st.integers(1, 9)] * 3).map(sorted), max_size=4)
tensors = st.dictionaries(names, ordered.map(lambda dims: tuple(zip(*dims)) or ((), (), ())), max_size=3)


@settings(deadline=None)
@given(tensors, st.lists(st.booleans(), min_size=3, max_size=3))
def test_filled_profiles_are_ordered_and_keep_what_was_given(profile, present):
    flags = [{name: shapes[i] for name, shapes in profile.items()} if present[i] else None for i in range(3)]
    got = fill_profile(*flags)
    assert set(got) == (set(profile) if any(present) else set())
    for name, (low, best, high) in got.items():
        assert all(a <= b <= c for a, b, c in zip(low, best, high))
        for i, shape in enumerate((low, best, high)):
            assert not present[i] or shape == flags[i][name]


def test_nothing_given():
    assert fill_profile(None, None, None) == complete_profile(None, None, None) == {}
    assert fill_profile({}, None, None) == {}


@pytest.mark.parametrize(
    ("lo", "opt", "hi"),
    [
        ({"x": (8,)}, {"x": (4,)}, {"x": (2,)}),
        ({"x": (1, 9)}, None, {"x": (2, 3)}),  # (1, 9) <= (2, 3) for Python's tuples
        ({"x": (1,)}, None, {"x": (1, 3)}),
        ({"x": (1,)}, {"y": (1,)}, None),
        ({"x": (1,), "y": (1,)}, None, {"y": (1,)}),
    ],
)
def test_what_the_builder_refuses(lo, opt, hi):
    with pytest.raises(ValueError, match=r"'[xy]'"):
        fill_profile(lo, opt, hi)


def test_trtexec_itself_checks_nothing():
    assert complete_profile({"x": (8,)}, {"x": (4,)}, {"x": (2,)}) == {"x": ((8,), (4,), (2,))}
    assert complete_profile({"x": (8,)}, None, {"y": (2,)}) == {"x": ((8,), (), ()), "y": ((), (2,), (2,))}


def test_all_patterns_were_listed():
    flags = ("min", "opt", "max")
    patterns = [c for n in range(1, 4) for c in itertools.combinations(flags, n)]
    assert set(patterns) == set(SOURCES)
