"""Answers as they are typed: read, converted, judged; a mistake that a number betrays is named."""

from __future__ import annotations

import contextlib
import math
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.drill.answers import LONGEST, Unreadable, factor_told, judge_number, read_number, tolerance_told
from autograder.drill.labels import ZH
from autograder.drill.question import Drawn, told_number


def drawn(answer, unit="", rtol=0.0, atol=0.0, traps=(), **more):
    return Drawn("How many?", float(answer), unit, "So many.", rtol, atol, traps, **more)


# --- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, unit, number", [
    ("63.5", "", 63.5), ("63.5 GB/s", "GB/s", 63.5), ("63.5 GB/s", "B/s", 63.5e9), ("6.35e10 B/s", "GB/s", 63.5),
    ("2^16", "", 65536), ("2**16", "", 65536), ("1/8", "", 0.125), ("-3", "", -3), ("−3", "", -3), ("1,024", "", 1024),
    ("0x3F80", "", 0x3F80), ("1 KiB", "B", 1024), (" 5 ", "ms", 5), ("5 s", "ms", 5000), ("12 %", "%", 12),
])
def test_numbers_as_people_type_them(text, unit, number):
    assert read_number(text, unit) == pytest.approx(number)


@pytest.mark.parametrize("text, unit, number", [
    ("12 %", "", 0.12), ("7.5 M", "", 7.5e6), ("3 k", "", 3000), ("2 Ki", "", 2048), ("2.5 x", "", 2.5), ("2.5×", "", 2.5),
    ("3 times", "", 3), ("4 billion", "", 4e9), ("1.2 MB", "B", 1.2e6), ("1.2 MiB", "B", 1.2 * 2**20),
    ("0.5", "%", 0.5), ("0.5 percent", "%", 0.5), ("8 Gbit/s", "GB/s", 1.0), ("1.5 h", "min", 90), ("90 min", "hours", 1.5),
    ("500 thousand", "million", 0.5), ("3 * 2^4", "", 48), ("2 × 3.5 / 7", "", 1), ("6·10^9", "", 6e9),
    ("63.5×10^9 B/s", "GB/s", 63.5), ("1/2/4", "", 0.125), ("-2^2", "", -4), ("2^-3", "", 0.125), ("-1/8", "", -0.125),
    ("5e3 tok/s", "tokens/s", 5000), ("5 TFLOPS", "FLOP", 5e12), ("5 TFLOPS", "TFLOP/s", 5), ("1_000", "", 1000),
    (".5", "", 0.5), ("5.", "", 5), ("+4", "", 4), ("1E3", "", 1000), ("= 5", "", 5), ("≈5 ms", "ms", 5), ("~ 5", "", 5),
    ("1,024.5 MB", "MB", 1024.5), ("12,345,678", "", 12345678), ("–7", "", -7), ("5GB", "GB", 5), ("72 h", "days", 3),
    ("\t5\n ms ", "ms", 5), ("0x10 B", "B", 16), ("0X1f", "", 31), ("5 step", "steps", 5), ("5", "Erlang", 5),
    ("40 bits", "bytes", 5), ("15.5 µs", "us", 15.5), ("15.5 us", "µs", 15.5), ("250 mJ", "J", 0.25), ("250 mj", "mJ", 250),
    ("16 gib", "GiB", 16), ("2 ghz", "Hz", 2e9), ("0.3 kWh", "J", 1.08e6), ("120 frames/min", "fps", 2),
])
def test_more_numbers_as_people_type_them(text, unit, number):
    assert read_number(text, unit) == pytest.approx(number, rel=1e-12)


def test_a_percentage_of_a_plain_number_is_a_hundredth_now_and_of_per_cent_itself():
    assert read_number("12 %") == pytest.approx(0.12) and read_number("12 %", "%") == 12.0


def test_a_prefix_of_bytes_is_counted_now_where_bytes_are_asked_and_refused_where_a_plain_number_is():
    assert read_number("1.2 MB", "B") == 1.2e6
    with pytest.raises(Unreadable, match="another unit"):
        read_number("1.2 MB")


@pytest.mark.parametrize("text, unit, says", [
    ("", "", "Nothing was typed"), ("abc", "", "is not a number"), ("1/0", "", "divides by zero"),
    ("5 apples", "ms", "is another unit"), ("5 GB", "GB/s", "is another unit"), ("9" * 200, "", "200 characters long"),
    ("10^400", "", "cannot be computed"), ("1.2.3", "", "is not a number"), ("--4", "", "is not a number"),
    ("inf", "", "is not a number"), ("nan", "", "is not a number"),
])
def test_what_is_no_number_is_a_sentence_of_its_own(text, unit, says):
    with pytest.raises(ValueError, match=says) as caught:
        read_number(text, unit)
    assert isinstance(caught.value, Unreadable)


@pytest.mark.parametrize("text, unit, says", [
    ("   ", "ms", "Nothing was typed"), ("1e400", "", "too large"), ("1e200*1e200", "", "too large"), ("0^-1", "", "cannot be computed"),
    ("2^1.2.3", "", "is not a number|cannot be computed"), ("63,5", "", "decimals with a point"), ("1.024,5", "", "decimals with a point"),
    ("1,0245", "", "is not a number"), ("2^3^2", "", "is not a number"), ("5 + 3", "", "is not a number"),
    ("5 M", "B", "prefix without a unit"), ("5 k", "tokens/s", "prefix without a unit"), ("5 GMAC", "FLOP", "A MAC is a multiply and an add"),
    ("5 GFLOP", "GMAC", "A MAC is a multiply and an add"), ("5 W!", "W", "is no unit"), ("5 m^2", "m", "is no unit"),
    ("5 ms", "", "a plain number"), ("5 %", "points", "is another unit"), ("5 %", "dB", "is another unit"), ("0xg", "", "another unit"),
    ("½", "", "is not a number"), ("²", "", "is not a number"), ("(5)", "", "is not a number"), ("5 FLOP", "FLOP/s", "is another unit"),
    ("1e308 GB", "B", "too large"), ("5 " + "*".join(["Ti"] * 28), "", "too large"), ("\x00", "", "is not a number"), ("{0}", "", "is not a number"),
    ("5 {x}", "ms", "is no unit"), ("5 {x}", "", "is no unit"),
])
def test_more_that_is_no_number_is_a_sentence(text, unit, says):
    with pytest.raises(Unreadable, match=says):
        read_number(text, unit)


def test_a_hundred_characters_are_read_and_no_more_are_quoted_than_forty():
    assert read_number("0" * (LONGEST - 1) + "5") == 5.0 and LONGEST == 100
    with pytest.raises(Unreadable, match="101 characters"):
        read_number("0" * LONGEST + "5")
    for text, quoted in (("5 + " + "x" * 90, 40), ("x" * 90, 40), ("5 " + "x" * 29 + "y!", 20)):
        with pytest.raises(Unreadable) as caught:
            read_number(text, "ms")
        assert len(caught.value.values.get("typed", caught.value.values.get("given"))) == quoted


def test_words_in_hexadecimal():
    assert read_number("3F80", hexadecimal=True) == read_number("0x3f80", hexadecimal=True) == 0x3F80
    with pytest.raises(ValueError, match="hexadecimal"):
        read_number("xyz", hexadecimal=True)


def test_words_in_hexadecimal_with_gaps_and_without_digits():
    assert read_number("0x3F_80", hexadecimal=True) == read_number("3F 80", hexadecimal=True) == 0x3F80
    for text in ("0x", "-1", "3F80h", "1.5", "f" * 17):
        with pytest.raises(Unreadable, match="hexadecimal"):
            read_number(text, hexadecimal=True)


def test_the_unit_may_be_named_in_the_candidates_language():
    assert read_number("5 步", "steps", shown_unit="步") == 5.0
    with pytest.raises(Unreadable, match="asked in 步"):
        read_number("5 ms", "steps", shown_unit="步")


def test_told_numbers():
    assert told_number(16777216.0) == "16777216" and told_number(0.1234567) == "0.123457"


UNITS = ("", "B/s", "GB/s", "%", "tokens/s", "ms", "steps", "FLOP/B", "million", "TFLOP/s", "FLOP")


@settings(deadline=None)
@given(st.text(max_size=150))
def test_reading_never_crashes(text):
    with contextlib.suppress(ValueError):
        assert isinstance(read_number(text, "B/s"), float)


@settings(deadline=None)
@given(st.text(alphabet="0123456789.,eE+-*/^xX_%kMGTiBbs ×·−=µ", max_size=LONGEST + 5), st.sampled_from(UNITS), st.booleans())
def test_whatever_is_typed_is_a_finite_number_or_a_sentence(text, unit, hexadecimal):
    try:
        number = read_number(text, unit, hexadecimal)
    except Unreadable as error:
        assert str(error).strip() and error.template in ZH
    else:
        assert isinstance(number, float) and math.isfinite(number)


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(UNITS), st.sampled_from(("en", "zh")))
def test_judging_never_crashes(text, unit, language):
    verdict = judge_number(drawn(5, unit, rtol=0.01), text, language)
    assert verdict.text and verdict.right in (True, False, None) and verdict.share == float(verdict.right is True)


FINITE = st.floats(min_value=-1e15, max_value=1e15, allow_nan=False)


@settings(deadline=None)
@given(FINITE)
def test_what_python_prints_is_read_back(number):
    assert read_number(repr(number)) == number
    assert read_number(f"{number:.6e}") == float(f"{number:.6e}")


@settings(deadline=None)
@given(FINITE)
def test_what_is_told_is_read_back(number):
    assert read_number(told_number(number)) == float(told_number(number))


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15))
def test_thousands_are_read_back(number):
    assert read_number(f"{number:,}") == read_number(f"{number:_}") == number


@settings(deadline=None)
@given(st.integers(0, 2**48 - 1))
def test_words_are_read_back(word):
    for text in (f"0x{word:04X}", f"{word:x}", f" {word:#x} "):
        assert read_number(text, hexadecimal=True) == word
    assert read_number(f"{word:#x}") == word


@settings(deadline=None)
@given(st.integers(-999, 999), st.integers(1, 999))
def test_fractions_are_read_back(over, under):
    assert read_number(f"{over}/{under}") == over / under


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(-20, 20))
def test_powers_are_read_back(base, power):
    assert read_number(f"{base}^{power}") == read_number(f"{base}**{power}") == pytest.approx(float(Fraction(base) ** power))


SCALES = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@settings(deadline=None)
@given(st.floats(0.001, 1000), st.sampled_from(sorted(SCALES)), st.sampled_from(["", *sorted(SCALES)]), st.sampled_from(["B", "B/s"]))
def test_the_same_in_another_prefix_is_equal(number, typed, asked, base):
    size = number * SCALES[typed] / SCALES.get(asked, 1)
    assert read_number(f"{number!r} {typed}{base}", asked + base) == pytest.approx(size)
    assert read_number(f"{number!r}{typed}{base}", asked + base) == read_number(f"{number!r}  {typed}{base}", asked + base)
    bits = base.replace("B", "bit")
    assert read_number(f"{8 * number!r} {typed}{bits}", asked + base) == pytest.approx(size)


@settings(deadline=None)
@given(st.floats(0.01, 1000), st.sampled_from([("s", 1), ("ms", 1e-3), ("us", 1e-6), ("min", 60), ("h", 3600), ("days", 86400)]),
       st.sampled_from([("s", 1), ("ms", 1e-3), ("µs", 1e-6), ("min", 60), ("h", 3600), ("days", 86400)]))
def test_the_same_time_in_another_unit_is_equal(number, typed, asked):
    assert read_number(f"{number!r} {typed[0]}", asked[0]) == pytest.approx(number * typed[1] / asked[1])


# --- judging ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed, right", [
    ("5", True), ("5 GB", True), ("5000 MB", True), ("5e9 B", True), ("40 Gbit", True), ("5.04", True), ("4.96", True),
    ("5.06", False), ("4.94", False), ("-5", False), ("0", False), ("5 s", None), ("", None), ("five", None), ("1e999", None),
])
def test_a_number_is_judged_in_the_unit_that_is_asked(typed, right):
    verdict = judge_number(drawn(5, "GB", rtol=0.01), typed)
    assert verdict.right is right and verdict.share == float(right is True)
    assert (verdict.text == "So many.") is (right is True) or right is False


def test_tolerances_add_up():
    both = drawn(100, "ms", rtol=0.01, atol=2)
    assert both.accepts(103) and both.accepts(97) and not both.accepts(103.001) and not both.accepts(math.nan)
    assert not both.accepts(math.inf)


def test_exact_means_exact_for_whole_numbers_and_up_to_rounding_for_others():
    assert drawn(2**52).accepts(2**52) and not drawn(2**52).accepts(2**52 + 1)
    assert drawn(0.1 + 0.2).accepts(0.3) and not drawn(0.3).accepts(0.300001)
    assert drawn(0).accepts(0) and not drawn(0).accepts(1e-12)


def test_a_known_mistake_is_named_before_the_explanation():
    asked = drawn(16, traps=((64.0, "That is the square."), (math.pi, "That is π.")))
    assert judge_number(asked, "64").text == "That is the square. So many."
    assert judge_number(asked, repr(math.pi)).text == "That is π. So many."
    assert judge_number(asked, "3.14").text == "So many."
    assert judge_number(drawn(16, rtol=0.01, traps=((64.0, "That is the square."),)), "64.5").text.startswith("That is the square.")


@pytest.mark.parametrize("answer, unit, typed, says", [
    (5, "GB", "40", "off by 8"), (5, "GB", "0.625", "off by 8"), (5, "GB/s", "40 GB/s", "off by 8"),
    (1024, "MiB", "1048.576", "1000 against 1024"), (5, "GB", "5 GiB", "1000 against 1024"), (5, "GiB", "5 GB", "1000 against 1024"),
    (5, "GFLOP", "10", "two operations"), (5, "GMAC", "2.5", "two operations"), (5, "TOPS", "10", "two operations"),
    (5, "s", "300", "off by 60"), (2, "h", "7200", "off by 3600"), (5, "W", "10", "factor 2"), (5, "", "2.5", "factor 2"),
    (5, "", "5000", r"10\^3"), (5, "tokens/s", "5e6", r"10\^6"), (5, "", "5e-9", r"10\^9"), (5, "W", "5e12", r"10\^12"),
    (7, "", "7168", "off by 1024"), (0.5, "", "50", "per cent"), (40, "%", "0.4", "per cent"), (5, "", "50", "count the zeros"),
    (5, "", "-5", "sign is the other"), (-5, "dB", "5", "sign is the other"),
])
def test_a_factor_that_betrays_a_mistake_is_named(answer, unit, typed, says):
    verdict = judge_number(drawn(answer, unit), typed)
    assert verdict.right is False and re.search(says, verdict.text), verdict.text
    assert verdict.text.endswith("So many.")


@pytest.mark.parametrize("answer, number", [(5, 5), (5, 7), (0, 3), (5, 0), (5, math.inf), (5, math.nan), (5, 5.0000001)])
def test_other_numbers_betray_nothing(answer, number):
    assert factor_told(drawn(answer, "GB"), number) == ""


def test_a_word_betrays_no_factor():
    assert factor_told(drawn(0x4000, hexadecimal=True), 0x8000) == ""


def test_a_wide_tolerance_hides_small_factors():
    """1.024 lies within three times 1 %: it could be rounding."""
    assert factor_told(drawn(5, "GB", rtol=0.01), 5 * 1.024) == ""
    assert "1000 against 1024" in factor_told(drawn(5, "GB", rtol=0.01), 5 * 1.024**3)


def test_a_tolerance_as_large_as_the_answer_betrays_no_factor():
    """0.05 for 0.0009 ± 0.001 is neither 100 nor 1000 times as much."""
    assert factor_told(drawn(0.0009, atol=0.001), 0.05) == ""
    assert factor_told(drawn(1, atol=1), 3) == ""


def test_an_absolute_tolerance_counts_against_the_answer():
    assert "factor 2" in factor_told(drawn(100, "W", atol=1), 200.9) and factor_told(drawn(100, "W", atol=1), 203) == ""


@settings(deadline=None)
@given(FINITE, st.sampled_from(UNITS), st.floats(0, 0.1), st.floats(0, 1))
def test_the_right_answer_is_right_and_blamed_for_nothing(answer, unit, rtol, atol):
    asked = drawn(answer, unit, rtol=rtol, atol=atol)
    assert asked.accepts(answer) and factor_told(asked, answer) == ""
    verdict = judge_number(asked, f"{answer!r} {unit}")
    assert verdict.right is True and verdict.text == "So many."


@settings(deadline=None)
@given(FINITE, FINITE)
def test_naming_never_crashes_and_speaks_both_languages(answer, number):
    asked = drawn(answer, "GB/s", rtol=0.001)
    assert bool(factor_told(asked, number)) is bool(factor_told(asked, number, "zh"))


@settings(deadline=None)
@given(st.floats(0.5, 100), st.floats(1e-4, 0.05), st.floats(1.5, 3))
def test_what_lies_beyond_the_tolerance_is_wrong(answer, rtol, times):
    asked = drawn(answer, "ms", rtol=rtol)
    for number in (answer * (1 + times * rtol), answer * (1 - times * rtol)):
        assert judge_number(asked, repr(number)).right is False
    for number in (answer * (1 + rtol / times), answer * (1 - rtol / times)):
        assert judge_number(asked, repr(number)).right is True


# --- what is told ----------------------------------------------------------------------------------


@pytest.mark.parametrize("asked, told", [
    (drawn(5), "exact"), (drawn(5, hexadecimal=True), "exact"), (drawn(5, rtol=0.01), "within 1 %"),
    (drawn(5, "ms", atol=0.5), "within 0.5 ms"), (drawn(5, "ms", rtol=0.005, atol=2), "within 0.5 % plus 2 ms"),
    (drawn(5, atol=1e-4), "within 0.0001"), (drawn(5, "steps", atol=1, shown_unit="步"), "within 1 步"),
])
def test_the_tolerance_is_stated(asked, told):
    assert tolerance_told(asked) == told


def test_points_of_a_percentage_are_told_from_a_share_of_it():
    """38 % ± 0.1 points is not 38 % ± 0.1 % of 38 %."""
    for language in ("en", "zh"):
        assert tolerance_told(drawn(38, "%", atol=0.1), language) != tolerance_told(drawn(38, "%", rtol=0.001), language)


def test_the_tolerance_in_chinese():
    assert tolerance_told(drawn(5), "zh") == "须完全相等"
    assert tolerance_told(drawn(5, "ms", rtol=0.01, atol=2), "zh") == "误差不超过 1 % 加 2 ms"


def test_sentences_in_chinese():
    assert judge_number(drawn(5, "GB"), "40", "zh").text == "差了 8 倍：比特和字节弄混了。 So many."
    assert judge_number(drawn(5), "5 ms", "zh").text == "'ms' 是另一种单位：答案是纯数。"
    assert judge_number(drawn(5, "GB"), "5 ms", "zh").text == "'ms' 是另一种单位：答案的单位是 GB。"
    assert judge_number(drawn(5), "", "zh").text == "还没有输入：请给出一个数。"


def test_an_unreadable_answer_carries_its_template():
    with pytest.raises(Unreadable) as caught:
        read_number("5 GB", "ms")
    assert caught.value.told("en") == str(caught.value) == "'GB' is another unit: the answer is asked in ms."
    assert issubclass(Unreadable, ValueError)
