"""One word as a row of bits, drawn as SVG in the theme's colours."""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import dataclass

from utils.numerics.formats import FORMATS, FloatFormat, fields
from utils.numerics.words import bit_painter_state, hidden_bit

# Okabe and Ito's vermillion, blue and bluish green, darkened until small text on white is readable (4.5 : 1), and
# lightened for dark themes. The letters say the same without colour. Cells take the page's background.
LIGHT = {"s": "#c14f00", "e": "#0072b2", "m": "#00785a"}
DARK = {"s": "#ff9a4d", "e": "#6cc3f5", "m": "#35c7a0"}
MARK = "#e69f00"

CELL, BOX, GAP, GROUP_GAP, MARGIN = 24, 28, 2, 6, 6  # pixels
TOP = 16  # of the boxes; letters above, bit numbers below


def _variables(colors: dict[str, str]) -> str:
    return ";".join(f"--bits-{part}:{color}" for part, color in colors.items())


_STYLE = (
    f".bits-svg{{{_variables(LIGHT)};--bits-bg:var(--jp-layout-color1,#fff);"
    "--bits-soft:var(--jp-ui-font-color2,#57606a);max-width:100%;height:auto}"
    f'[data-jp-theme-light="false"] .bits-svg{{{_variables(DARK)}}}'
    + "".join(f".bits-svg .b{part}{{--bits-c:var(--bits-{part})}}" for part in "sem")
    + ".bits-svg text{text-anchor:middle;font-family:var(--jp-code-font-family,ui-monospace,monospace)}"
    ".bits-svg .page{fill:var(--bits-bg)}"
    ".bits-svg .box{fill:var(--bits-bg);stroke:var(--bits-c);stroke-width:1.5}"
    ".bits-svg .on .box{fill:var(--bits-c)}"
    ".bits-svg .hidden .box{stroke-dasharray:3 2}"
    ".bits-svg .bit{fill:var(--bits-c);font-size:14px;font-weight:600}"
    ".bits-svg .on .bit{fill:var(--bits-bg)}"
    ".bits-svg .letter{fill:var(--bits-c);font-size:10px;font-weight:600}"
    ".bits-svg .index{fill:var(--bits-soft);font-size:9px}"
    ".bits-svg .hatch{stroke:var(--bits-c);stroke-width:1.5;fill:none}"
    ".bits-svg .on .hatch{stroke:var(--bits-bg)}"
    f".bits-svg .mark{{fill:none;stroke:{MARK};stroke-width:3}}"
)


@dataclass(frozen=True)
class _Cell:
    """One drawn cell: where, what is written in, above and below it."""

    x: int
    part: str
    bit: str
    letter: str
    index: int | None  # None: the hidden bit

    def svg(self, marked: bool, hatched: bool) -> str:
        state = "hidden" if self.index is None else "on" if self.bit == "1" else "off"
        middle = self.x + CELL // 2
        below = "hid" if self.index is None else f"{self.index}"
        left, right, bottom = self.x + 1, self.x + CELL - 1, TOP + BOX - 1  # strokes in two corners, clear of the digit
        lines = "".join(f"M{left} {TOP + 1 + d}l{d} {-d}M{right} {bottom - d}l{-d} {d}" for d in (5, 9))
        return "".join((
            f'<g class="b{self.part} {state}">',
            f'<text class="letter" x="{middle}" y="{TOP - 5}">{self.letter}</text>' if self.letter else "",
            f'<rect class="box" x="{self.x}" y="{TOP}" width="{CELL}" height="{BOX}" rx="4"/>',
            f'<path class="hatch" d="{lines}"/>' if hatched else "",
            f'<text class="bit" x="{middle}" y="{TOP + 19}">{self.bit}</text>',
            f'<text class="index" x="{middle}" y="{TOP + BOX + 12}">{below}</text>',
            f'<rect class="mark" x="{self.x - 2}" y="{TOP - 2}" width="{CELL + 4}" height="{BOX + 4}" rx="6"/>'
            if marked else "",
            "</g>",
        ))


def _cells(groups: list[tuple[str, str, str]], hidden: str | None, exponent_cells: int) -> tuple[list[_Cell], int]:
    """The cells of (part, letter, bits) groups, most significant first, and the width that they take."""
    cells, x = [], MARGIN
    index = sum(len(bits) for _, _, bits in groups)
    for part, letter, bits in groups:
        if part == "e":
            x += (CELL + GAP) * max(0, exponent_cells - len(bits))
        if part == "m" and hidden is not None:
            cells.append(_Cell(x, part, hidden or "–", "", None))
            x += CELL + GAP
        for bit in bits:
            index -= 1
            cells.append(_Cell(x, part, bit, letter, index))
            x += CELL + GAP
        x += GROUP_GAP
    return cells, x - GAP - GROUP_GAP + MARGIN


def render_bits_svg(word: int, fmt: FloatFormat | str, highlight: int | None = None, *,
                    hatched: Collection[int] = (), exponent_cells: int = 0) -> str:
    """A word's bits as an SVG string: one cell a bit, set bits filled, the letter above and the bit number below.

    `fmt` is a FloatFormat, a key of FORMATS or "int8". Letters and colours tell sign (S), exponent (E) and mantissa
    (M; V for the value bits of an integer). The hidden bit stands dashed in front of the mantissa, 1 or 0 ("–" for
    infinities and NaN). `highlight` outlines one bit, `hatched` strikes bits out, both by bit number (0 is the
    last). `exponent_cells` reserves that many cells for the exponent, so that rows of several formats align by
    meaning. The text alternative holds the fields and the value.
    Raises KeyError for an unknown format, ValueError for a word or a bit number beyond it.
    """
    if fmt == "int8":
        state = bit_painter_state(word, "int8")
        name, bits, hidden = "INT8", 8, None
        groups = [("s", "S", state["sign"]), ("m", "V", state["mantissa"])]
        said = f"sign {state['sign']}, value bits {state['mantissa']}, integer {state['value']:g}"
    else:
        layout = FORMATS[fmt] if isinstance(fmt, str) else fmt
        f = fields(word, layout)
        name, bits, hidden = layout.name, layout.bits, hidden_bit(f)
        groups = [("s", "S", f.sign), ("e", "E", f.exponent), ("m", "M", f.mantissa)]
        said = f"sign {f.sign}, exponent {f.exponent}, mantissa {f.mantissa}, value {f.value:.9g}"
    for index in (*hatched, *([] if highlight is None else [highlight])):
        if not 0 <= index < bits:
            raise ValueError(f"highlight and hatched must be bit numbers in [0, {bits}) of {name}, got {index}")
    cells, width = _cells(groups, hidden, exponent_cells)
    height = TOP + BOX + 18
    text = html.escape(f"{name} word 0x{word:0{-(-bits // 4)}X}: {said}", quote=True)
    body = "".join(c.svg(c.index is not None and c.index == highlight, c.index in hatched) for c in cells)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="bits-svg" role="img" aria-label="{text}" '
            f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"><style>{_STYLE}</style>'
            f'<rect class="page" width="{width}" height="{height}" rx="4"/>{body}</svg>')
