"""Units as they are typed: against the definitions of the SI and of IEC 80000-13, and laws that hold for all of them."""

from __future__ import annotations

import math
import string
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.drill.units import Unit, parse_unit

# What one of it is, by definition: SI prefixes (SI brochure, table 7), binary prefixes (IEC 80000-13, table), the
# byte of eight bits, minute, hour and day (SI brochure, table 8), per cent. Written out, not computed.
DEFINED = [
    ("B", 1, "B", ""), ("byte", 1, "B", ""), ("bytes", 1, "B", ""), ("bit", Fraction(1, 8), "B", ""),
    ("bits", Fraction(1, 8), "B", ""), ("b", Fraction(1, 8), "B", ""),
    ("kB", 1000, "B", ""), ("KB", 1000, "B", ""), ("MB", 1_000_000, "B", ""), ("GB", 1_000_000_000, "B", ""),
    ("TB", 1_000_000_000_000, "B", ""), ("PB", 1_000_000_000_000_000, "B", ""),
    ("EB", 1_000_000_000_000_000_000, "B", ""),
    ("KiB", 1024, "B", ""), ("kiB", 1024, "B", ""), ("MiB", 1_048_576, "B", ""), ("GiB", 1_073_741_824, "B", ""),
    ("TiB", 1_099_511_627_776, "B", ""), ("PiB", 1_125_899_906_842_624, "B", ""),
    ("EiB", 1_152_921_504_606_846_976, "B", ""),
    ("kbit", 125, "B", ""), ("Mbit", 125_000, "B", ""), ("Gbit", 125_000_000, "B", ""), ("Mb", 125_000, "B", ""),
    ("Gb", 125_000_000, "B", ""), ("Kibit", 128, "B", ""), ("Mibit", 131_072, "B", ""), ("Gib", 134_217_728, "B", ""),
    ("GB/s", 1_000_000_000, "B", "s"), ("MiB/s", 1_048_576, "B", "s"), ("TB/s", 1_000_000_000_000, "B", "s"),
    ("Gbit/s", 125_000_000, "B", "s"), ("Mb/s", 125_000, "B", "s"), ("Gbps", 125_000_000, "B", "s"),
    ("kbps", 125, "B", "s"), ("bps", Fraction(1, 8), "B", "s"), ("MBps", 1_000_000, "B", "s"),
    ("GBps", 1_000_000_000, "B", "s"), ("B/ms", 1000, "B", "s"), ("MB/ms", 1_000_000_000, "B", "s"),
    ("GB/h", Fraction(10**9, 3600), "B", "s"), ("kB/min", Fraction(1000, 60), "B", "s"),
    ("s", 1, "s", ""), ("sec", 1, "s", ""), ("seconds", 1, "s", ""), ("ms", Fraction(1, 1000), "s", ""),
    ("us", Fraction(1, 10**6), "s", ""), ("µs", Fraction(1, 10**6), "s", ""), ("μs", Fraction(1, 10**6), "s", ""),
    ("ns", Fraction(1, 10**9), "s", ""), ("ps", Fraction(1, 10**12), "s", ""), ("min", 60, "s", ""),
    ("minutes", 60, "s", ""), ("h", 3600, "s", ""), ("hour", 3600, "s", ""), ("hours", 3600, "s", ""), ("minute", 60, "s", ""), ("day", 86_400, "s", ""), ("d", 86_400, "s", ""),
    ("days", 86_400, "s", ""),
    ("Hz", 1, "Hz", ""), ("kHz", 1000, "Hz", ""), ("MHz", 1_000_000, "Hz", ""), ("GHz", 1_000_000_000, "Hz", ""),
    ("W", 1, "W", ""), ("mW", Fraction(1, 1000), "W", ""), ("kW", 1000, "W", ""), ("MW", 1_000_000, "W", ""),
    ("J", 1, "J", ""), ("mJ", Fraction(1, 1000), "J", ""), ("µJ", Fraction(1, 10**6), "J", ""),
    ("nJ", Fraction(1, 10**9), "J", ""), ("pJ", Fraction(1, 10**12), "J", ""), ("MJ", 1_000_000, "J", ""),
    ("Wh", 3600, "J", ""), ("kWh", 3_600_000, "J", ""), ("pJ/bit", Fraction(8, 10**12), "J", "B"),
    ("m", 1, "m", ""), ("mm", Fraction(1, 1000), "m", ""), ("km", 1000, "m", ""), ("nm", Fraction(1, 10**9), "m", ""),
    ("km/h", Fraction(1000, 3600), "m", "s"),
    ("FLOP", 1, "FLOP", ""), ("GFLOP", 10**9, "FLOP", ""), ("TFLOPs", 10**12, "FLOP", ""),
    ("FLOP/s", 1, "FLOP", "s"), ("TFLOP/s", 10**12, "FLOP", "s"), ("TFLOPS", 10**12, "FLOP", "s"),
    ("GFLOPS", 10**9, "FLOP", "s"), ("PFLOPS", 10**15, "FLOP", "s"), ("MAC", 1, "MAC", ""), ("GMACs", 10**9, "MAC", ""),
    ("GMAC/s", 10**9, "MAC", "s"), ("TOPS", 10**12, "OP", "s"), ("TOP/s", 10**12, "OP", "s"), ("GOPs", 10**9, "OP", ""),
    ("FLOP/B", 1, "FLOP", "B"), ("FLOP/byte", 1, "FLOP", "B"), ("FLOPs/bit", 8, "FLOP", "B"),
    ("%", Fraction(1, 100), "", ""), ("percent", Fraction(1, 100), "", ""), ("x", 1, "", ""), ("×", 1, "", ""),
    ("times", 1, "", ""), ("million", 10**6, "", ""), ("billion", 10**9, "", ""), ("bn", 10**9, "", ""),
    ("thousand", 1000, "", ""), ("k", 1000, "", ""), ("K", 1000, "", ""), ("M", 10**6, "", ""), ("G", 10**9, "", ""), ("T", 10**12, "", ""), ("Ki", 1024, "", ""), ("Mi", 1_048_576, "", ""),
    ("tokens/s", 1, "token", "s"), ("token/s", 1, "token", "s"), ("tok/s", 1, "token", "s"),
    ("ktokens/s", 1000, "token", "s"), ("tokens/ms", 1000, "token", "s"), ("tokens per second", 1, "token", "s"),
    ("Mparams", 10**6, "parameter", ""), ("million parameters", 10**6, "parameter", ""),
    ("fps", 1, "frame", "s"), ("frames/s", 1, "frame", "s"), ("frames per second", 1, "frame", "s"),
    ("qps", 1, "query", "s"), ("queries/s", 1, "query", "s"), ("query/s", 1, "query", "s"),
    ("requests/min", Fraction(1, 60), "request", "s"), ("rps", 1, "request", "s"),
    ("USD", 1, "USD", ""), ("$", 1, "USD", ""), ("USD/h", Fraction(1, 3600), "USD", "s"), ("dB", 1, "dB", ""),
    ("steps", 1, "step", ""), ("step", 1, "step", ""), ("Erlang", 1, "erlang", ""), ("images", 1, "image", ""),
    ("W·h", 3600, "W s", ""), ("W*s", 1, "W s", ""), ("B/token/s", 1, "B", "s token"), ("", 1, "", ""),
]


@pytest.mark.parametrize("text, factor, top, below", DEFINED, ids=[d[0] or "nothing" for d in DEFINED])
def test_a_unit_is_what_its_definition_says(text, factor, top, below):
    unit = parse_unit(text)
    assert (unit.top, unit.below) == (tuple(top.split()), tuple(below.split()))
    assert unit.factor == pytest.approx(float(factor), rel=1e-14)


def test_the_table_is_long_enough():
    assert len(DEFINED) >= 60 and len({d[0] for d in DEFINED}) == len(DEFINED)


@pytest.mark.parametrize("typed, meant", [
    ("gb", "GB"), ("gb/s", "GB/s"), ("mb", "MB"), ("kb", "kB"), ("tb", "TB"), ("Gb/S", "Gb/s"), ("MS", "ms"),
    ("Ms", "ms"), ("US", "us"), ("Min", "min"), ("H", "h"), ("FPS", "fps"), ("Fps", "fps"), ("QPS", "qps"),
    ("tflops", "TFLOPS"), ("gflops", "GFLOPS"), ("tops", "TOPS"), ("gmac", "GMAC"), ("Tokens/s", "tokens/s"),
    ("kw", "kW"), ("mhz", "MHz"), ("ghz", "GHz"), ("GHZ", "GHz"), ("khz", "kHz"), ("kib", "KiB"), ("KIB", "KiB"), ("mib", "MiB"),
    ("gib", "GiB"), ("GIB", "GiB"), ("MIB", "MiB"), ("tib", "TiB"), ("gib/s", "GiB/s"), ("mw", "mW"), ("mj", "mJ"),
    ("kwh", "kWh"), ("gmacs", "GMACs"), ("GMACS", "GMACs"), ("db", "dB"), ("DB", "dB"),
])
def test_case_is_forgiven_where_one_reading_makes_sense(typed, meant):
    """Small letters mean bytes, never bits; and a prefix that is right as typed is taken as typed (mj: millijoules)."""
    assert parse_unit(typed) == parse_unit(meant)


@pytest.mark.parametrize("one, other, ratio", [
    ("Gb", "GB", 1 / 8), ("Mb/s", "MB/s", 1 / 8), ("mW", "MW", 1e-9), ("mJ", "MJ", 1e-9), ("MB", "MiB", 1e6 / 2**20),
])
def test_case_is_told_apart_where_it_matters(one, other, ratio):
    assert parse_unit(one).measure == parse_unit(other).measure
    assert parse_unit(one).factor / parse_unit(other).factor == pytest.approx(ratio)


@pytest.mark.parametrize("one, other", [
    ("FLOP", "MAC"), ("FLOP", "FLOP/s"), ("FLOPS", "FLOPs"), ("B", "B/s"), ("s", "m"), ("W", "J"), ("tokens/s", "tokens"),
    ("OP", "FLOP"), ("m", "M"), ("steps", "runs"), ("%", "dB"), ("Hz", "fps"),
])
def test_what_is_measured_is_told_apart(one, other):
    assert parse_unit(one).measure != parse_unit(other).measure


@pytest.mark.parametrize("text", [
    "GB/", "GB//s", "1/s", "5", "m^2", "GB/s^2", "!", "GB!", "a1", "---", "B*", "(GB)", "GB; s", "é" * 31, "x" * 31, "_",
    "{0}", "%%",
])
def test_what_is_no_unit_is_a_sentence(text):
    with pytest.raises(ValueError, match="is no unit"):
        parse_unit(text)


def test_a_word_may_be_thirty_letters_long():
    assert parse_unit("x" * 30).top == ("x" * 30,) and parse_unit("multiply-adds").top == ("multiply-add",)


def test_a_refusal_quotes_a_little_only():
    with pytest.raises(ValueError) as caught:
        parse_unit("!" * 10_000)
    assert len(str(caught.value)) < 100


@settings(deadline=None)
@given(st.text(max_size=120))
def test_reading_never_crashes(text):
    try:
        unit = parse_unit(text)
    except ValueError as error:
        assert str(error).strip()
    else:
        assert isinstance(unit, Unit) and unit.factor >= 0 and not math.isnan(unit.factor)


@settings(deadline=None)
@given(st.text(alphabet=string.ascii_letters + "%/·* µ$×", max_size=40))
def test_reading_what_looks_like_a_unit_never_crashes(text):
    try:
        unit = parse_unit(text)
    except ValueError:
        return
    assert unit.factor >= 0 and not set(unit.top) & set(unit.below)  # what cancels is gone


NAMES = st.sampled_from(sorted({d[0] for d in DEFINED if d[0] and not set(d[0]) & set("/·* ")}))


@settings(deadline=None)
@given(NAMES, NAMES)
def test_a_stroke_divides(one, other):
    a, b, whole = parse_unit(one), parse_unit(other), parse_unit(f"{one}/{other}")
    assert whole.factor == pytest.approx(a.factor / b.factor)
    assert whole == parse_unit(f"{one} per {other}") == parse_unit(f" {one} / {other} ")
    for name in {*a.top, *a.below, *b.top, *b.below}:  # the powers of each measure add up
        power = a.top.count(name) + b.below.count(name) - a.below.count(name) - b.top.count(name)
        assert whole.top.count(name) - whole.below.count(name) == power


@settings(deadline=None)
@given(NAMES, NAMES)
def test_a_product_does_not_care_for_the_order(one, other):
    there, back = parse_unit(f"{one}·{other}"), parse_unit(f"{other}*{one}")
    assert there.measure == back.measure and there.factor == pytest.approx(back.factor)
    assert there.factor == pytest.approx(parse_unit(one).factor * parse_unit(other).factor)


@settings(deadline=None)
@given(NAMES)
def test_a_unit_over_itself_is_a_plain_number(name):
    unit = parse_unit(f"{name}/{name}")
    assert unit.measure == ((), ()) and unit.factor == pytest.approx(1.0)


@settings(deadline=None)
@given(st.text(alphabet=string.ascii_lowercase, min_size=5, max_size=12))
def test_a_word_for_what_is_counted_is_the_same_in_plural(word):
    one = parse_unit(word)
    if one.measure == ((word,), ()) and not word.endswith("s") and parse_unit(word + "s").factor == 1.0:
        assert parse_unit(word + "s") == one
