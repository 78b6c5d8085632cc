"""The row of bits: what is drawn, what is said, and whether it can be read on light and dark pages."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.numerics.formats import BF16, FORMATS, FP16, FP32, FloatFormat, encode
from utils.widgets.bits import DARK, LIGHT, MARK, render_bits_svg

SVG = "{http://www.w3.org/2000/svg}"


def cells(svg: str) -> list[dict]:
    """The drawn cells from left to right: classes, bit, letter, number below, x, marked, hatched."""
    found = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        part, state = group.get("class").split()
        texts = {t.get("class"): t.text for t in group.iter(f"{SVG}text")}
        shapes = [s.get("class") for s in group]
        box = next(r for r in group.iter(f"{SVG}rect") if r.get("class") == "box")
        found.append({"part": part, "state": state, "bit": texts["bit"], "letter": texts.get("letter"), "index": texts["index"],
                      "x": int(box.get("x")), "marked": "mark" in shapes, "hatched": "hatch" in shapes})
    return found


def stored(svg: str) -> list[dict]:
    return [c for c in cells(svg) if c["state"] != "hidden"]


@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_the_cells_are_the_word(name, data):
    fmt = FORMATS[name]
    word = data.draw(st.integers(0, 2**fmt.bits - 1))
    svg = render_bits_svg(word, fmt)
    assert svg == render_bits_svg(word, name)
    drawn = stored(svg)
    assert int("".join(c["bit"] for c in drawn), 2) == word
    assert "".join(c["letter"] for c in drawn) == "S" + "E" * fmt.exp_bits + "M" * fmt.man_bits
    assert [int(c["index"]) for c in drawn] == list(range(fmt.bits))[::-1]
    assert [c["state"] == "on" for c in drawn] == [c["bit"] == "1" for c in drawn]
    assert not any(c["marked"] or c["hatched"] for c in drawn)


@pytest.mark.parametrize("word, hidden", [(0x3C00, "1"), (0x0400, "1"), (0x03FF, "0"), (0x8000, "0"), (0x7C00, "–"), (0x7E00, "–")])
def test_the_hidden_bit_stands_in_front_of_the_mantissa(word, hidden):
    drawn = cells(render_bits_svg(word, FP16))
    place = next(i for i, c in enumerate(drawn) if c["state"] == "hidden")
    assert drawn[place]["bit"] == hidden and drawn[place]["letter"] is None
    assert drawn[place - 1]["letter"] == "E" and drawn[place + 1]["letter"] == "M"
    assert "stroke-dasharray" in render_bits_svg(word, FP16)


@given(st.integers(0, 15))
def test_highlight_marks_one_bit(index):
    marked = [c for c in stored(render_bits_svg(0x4049, "bf16", index)) if c["marked"]]
    assert [c["index"] for c in marked] == [str(index)]


def test_hatched_bits_are_those_that_fall_off():
    drawn = stored(render_bits_svg(0x40490FDB, FP32, hatched=range(16)))
    assert [c["hatched"] for c in drawn] == [False] * 16 + [True] * 16


def test_bf16_stands_under_the_upper_half_of_fp32_and_fp16_under_its_exponent_and_mantissa():
    fp32, bf16 = cells(render_bits_svg(0x40490FDB, FP32)), cells(render_bits_svg(0x4049, BF16))
    assert [c["x"] for c in bf16] == [c["x"] for c in fp32][: len(bf16)]
    fp16 = cells(render_bits_svg(0x4248, FP16, exponent_cells=8))

    def places(row: list[dict], letter: str) -> list[int]:
        return [c["x"] for c in row if c["letter"] == letter]

    assert places(fp16, "M") == places(fp32, "M")[:10]
    assert places(fp16, "E") == places(fp32, "E")[3:]


def test_int8_has_no_exponent_and_no_hidden_bit():
    svg = render_bits_svg(0x80, "int8", 7)
    drawn = cells(svg)
    assert "".join(c["letter"] for c in drawn) == "SVVVVVVV"
    assert [c["bit"] for c in drawn] == list("10000000") and drawn[0]["marked"]
    assert "integer -128" in svg


def test_nothing_overlaps_and_all_fits():
    for fmt in FORMATS.values():
        svg = ET.fromstring(render_bits_svg(int(encode(1.0, fmt)), fmt, highlight=0))
        width, height = int(svg.get("width")), int(svg.get("height"))
        assert svg.get("viewBox") == f"0 0 {width} {height}"
        lefts = [int(r.get("x")) for r in svg.iter(f"{SVG}rect") if r.get("class") == "box"]
        assert all(b - a >= 24 for a, b in pairwise(lefts))
        for rect in svg.iter(f"{SVG}rect"):
            x, y = int(rect.get("x", 0)), int(rect.get("y", 0))
            assert x >= 0 and y >= 0 and x + int(rect.get("width")) <= width and y + int(rect.get("height")) <= height


def test_it_can_be_heard():
    svg = ET.fromstring(render_bits_svg(0x3C00, FP16))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "FP16 word 0x3C00: sign 0, exponent 01111, mantissa 0000000000, value 1"
    assert "value nan" in render_bits_svg(0x7E00, FP16) and "value -inf" in render_bits_svg(0xFC00, FP16)


def test_names_are_escaped():
    svg = render_bits_svg(0, FloatFormat('<b> & "x"', 4, 3))
    assert ET.fromstring(svg).get("aria-label").startswith('<b> & "x" word 0x00')


def luminance(color: str) -> float:
    """WCAG 2.2, relative luminance of an sRGB colour."""
    parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


# JupyterLab 4: --jp-layout-color1 is white in the light theme and #212121 in the dark one, --jp-layout-color0 #111111.
@pytest.mark.parametrize("colors, pages", [(LIGHT, ["#ffffff"]), (DARK, ["#212121", "#111111"])], ids=["light", "dark"])
def test_text_and_filled_cells_have_the_contrast_of_wcag_aa(colors, pages):
    for color in colors.values():
        assert all(contrast(color, page) >= 4.5 for page in pages)  # small text; filled cells swap the two
    assert MARK in render_bits_svg(0, FP16, 0)


def test_colours_follow_the_theme_with_fallbacks():
    style = ET.fromstring(render_bits_svg(0, FP16)).find(f"{SVG}style").text
    for variable, fallback in (("--jp-layout-color1", "#fff"), ("--jp-ui-font-color2", "#57606a")):
        assert f"var({variable},{fallback})" in style
    assert '[data-jp-theme-light="false"] .bits-svg{' in style
    outside = re.sub(r"<style>.*?</style>", "", render_bits_svg(0, FP16))
    assert "#" not in outside  # no fixed colour on any shape


def test_refuses():
    with pytest.raises(KeyError):
        render_bits_svg(0, "fp12")
    for word, fmt in ((2**16, FP16), (256, "int8"), (-1, BF16)):
        with pytest.raises(ValueError, match="out of range"):
            render_bits_svg(word, fmt)
    for index in (-1, 16):
        with pytest.raises(ValueError, match="highlight"):
            render_bits_svg(0, FP16, index)
        with pytest.raises(ValueError, match="hatched"):
            render_bits_svg(0, FP16, hatched=[index])
