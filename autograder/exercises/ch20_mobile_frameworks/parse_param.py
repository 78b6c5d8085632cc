"""Exercise 20.parse_param: reading ncnn's graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines import mobile_formats

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

Row = tuple[str, str, list, list, dict]


def _typed(expected: Any, got: Any, case: Any = None) -> str | None:
    """Equal, and whole numbers told from floats: `exact` alone takes 3 for 3.0."""
    return _EQUAL(expected, got, case) or _types(expected, got)


def _types(expected: Any, got: Any) -> str | None:
    if isinstance(expected, (list, tuple)):
        return next((found for e, g in zip(expected, got) if (found := _types(e, g))), None)
    if isinstance(expected, dict):
        return next((found for k, e in expected.items() if (found := _types(e, got[k]))), None)
    if type(expected) in (int, float) and type(expected) is not type(got):
        return f"{brief(got)} is {_article(got)}, expected {_article(expected)}"
    return None


def _article(value: Any) -> str:
    return "an int" if type(value) is int else f"a {type(value).__name__}"


_EQUAL = exact()


# --- one parser with rules ------------------------------------------------------------------------


def _number(text: str) -> int | float:
    return float(text) if "." in text or "e" in text else int(text)


def _pair(word: str, number: Callable[[str], Any] = _number) -> tuple[int, Any]:
    key, _, value = word.partition("=")
    if int(key) > -23300:
        return int(key), number(value)
    count, *items = value.split(",")
    if int(count) != len(items):
        raise ValueError("an array has another length than it says")
    return -23300 - int(key), [number(item) for item in items]


def _line(words: list[str], pair: Callable = _pair) -> Row:
    n_in, n_out = int(words[2]), int(words[3])
    first, last = 4 + n_in, 4 + n_in + n_out
    return words[0], words[1], words[4:first], words[first:last], dict(pair(word) for word in words[last:])


def _parse(*, line: Callable[[list[str]], Row] = _line, filled: Callable[[str], bool] = lambda text: bool(text.strip()),
           magic: bool = True, count: bool = True) -> Callable[[str], list[Row]]:
    def answer(text: str) -> list[Row]:
        lines = [entry for entry in text.splitlines() if filled(entry)]
        if magic and (not lines or lines[0].strip() != "7767517"):
            raise ValueError("wrong magic number")
        rows = [line(entry.split()) for entry in lines[2:]]
        if count and int(lines[1].split()[0]) != len(rows):
            raise ValueError("wrong layer count")
        return rows

    return answer


def _with_pair(pair: Callable) -> Callable:
    return _parse(line=lambda words: _line(words, pair))


def _fixed_columns(words: list[str]) -> Row:
    return words[0], words[1], [words[4]], [words[5]], dict(_pair(word) for word in words[6:])


def _fixed_columns_filtered(words: list[str]) -> Row:
    return words[0], words[1], [words[4]], [words[5]], dict(_pair(word) for word in words[6:] if "=" in word)


def _by_equals_sign(words: list[str]) -> Row:
    names = [word for word in words[4:] if "=" not in word]
    n_in = int(words[2])
    return words[0], words[1], names[:n_in], names[n_in:], dict(_pair(word) for word in words[4:] if "=" in word)


def _by_equals_sign_counted(words: list[str]) -> Row:
    kind, name, inputs, outputs, params = _by_equals_sign(words)
    return kind, name, inputs, outputs[:int(words[3])], params


def _swapped(words: list[str]) -> Row:
    n_in, n_out = int(words[2]), int(words[3])
    last = 4 + n_in + n_out
    return words[0], words[1], words[4 + n_out:last], words[4:4 + n_out], dict(_pair(word) for word in words[last:])


def _key_kept(word: str) -> tuple[int, Any]:
    key = int(word.split("=")[0])
    return (key if key <= -23300 else _pair(word)[0]), _pair(word)[1]


def _key_negative(word: str) -> tuple[int, Any]:
    key = int(word.split("=")[0])
    return (key + 23300 if key <= -23300 else _pair(word)[0]), _pair(word)[1]


def _count_kept(word: str) -> tuple[int, Any]:
    key, value = _pair(word)
    return key, [len(value), *value] if isinstance(value, list) else value


def _no_length_check(word: str) -> tuple[int, Any]:
    key, _, value = word.partition("=")
    if int(key) > -23300:
        return _pair(word)
    return -23300 - int(key), [_number(item) for item in value.split(",")[1:]]


def _dot_only(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _try_int(text: str) -> int | float:
    """float() accepts "1e-3", then everything that is whole becomes an int again."""
    value = float(text)
    return int(value) if value == int(value) else value


# --- other right ways -----------------------------------------------------------------------------


def _tokens(text: str) -> list[Row]:
    """Takes words from an iterator, line by line."""
    lines = iter([line for line in text.split("\n") if line.split()])
    if next(lines, "").split() != ["7767517"]:
        raise ValueError("no ncnn file")
    expected = int(next(lines).split()[0])
    rows = []
    for line in lines:
        words = iter(line.split())
        kind, name, n_in, n_out = next(words), next(words), int(next(words)), int(next(words))
        inputs, outputs = [next(words) for _ in range(n_in)], [next(words) for _ in range(n_out)]
        params: dict[int, Any] = {}
        for word in words:
            key, value = word.split("=")
            values = [float(v) if set(v) & {".", "e"} else int(v) for v in value.split(",")]
            if int(key) <= -23300:
                if values[0] != len(values) - 1:
                    raise ValueError("array length")
                params[abs(int(key)) - 23300] = values[1:]
            else:
                params[int(key)] = values[0]
        rows.append((kind, name, inputs, outputs, params))
    if len(rows) != expected:
        raise ValueError("layer count")
    return rows


def _regex(text: str) -> list[Row]:
    lines = re.findall(r"^.*\S.*$", text, re.M)
    if not lines or re.fullmatch(r"\s*7767517\s*", lines[0]) is None:
        raise ValueError("no magic")
    rows = []
    for line in lines[2:]:
        kind, name, n_in, n_out, rest = re.fullmatch(r"\s*(\S+)\s+(\S+)\s+(\d+)\s+(\d+)\s*(.*)", line).groups()
        words = re.findall(r"\S+", rest)
        split, end = int(n_in), int(n_in) + int(n_out)
        params: dict[int, Any] = {}
        for word in words[end:]:
            key, values = re.fullmatch(r"(-?\d+)=(.*)", word).groups()
            numbers = [float(v) if re.search(r"[.e]", v) else int(v) for v in values.split(",")]
            if int(key) <= -23300 and numbers[0] + 1 != len(numbers):
                raise ValueError("array length")
            params[int(key) if int(key) > -23300 else -int(key) - 23300] = numbers[0] if int(key) > -23300 else numbers[1:]
        rows.append((kind, name, words[:split], words[split:end], params))
    if int(lines[1].split()[0]) != len(rows):
        raise ValueError("count")
    return rows


# --- cases ----------------------------------------------------------------------------------------

HEAD = "7767517\n"
EXAMPLE = HEAD + """3 3
Input x 0 1 x 0=28 1=28 2=1
Convolution c1 1 1 x c1 0=8 1=3 3=1 4=1 5=1 6=72
BinaryOp add 2 1 c1 x y 0=0 2=1e-3 -23303=2,2.0,3.0
"""
_TYPES = ("Convolution", "ReLU", "Concat", "Split", "Eltwise", "Crop", "Permute")


def _text(*lines: str, count: int | None = None, blobs: int = 9) -> str:
    return HEAD + f"{len(lines) if count is None else count} {blobs}\n" + "".join(f"{line}\n" for line in lines)


def _told(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return f"text with {len(lines)} lines: …{lines[-1][-60:] if lines else ''}"


def _case(text: str, label: str = "") -> Case:
    return Case(text, label=label or _told(text))


def _drawn_number(rng: np.random.Generator) -> str:
    return str(rng.choice([str(int(rng.integers(-50, 2000))), f"{rng.normal():.3f}", f"{int(rng.integers(1, 9))}e-{int(rng.integers(1, 6))}",
                           f"{rng.normal():.2e}".replace("e+", "e"), f"{int(rng.integers(1, 9))}.0"]))


def _draw(rng: np.random.Generator) -> Case:
    lines = ["Input in 0 1 in 0=28"]
    for i in range(int(rng.integers(1, 6))):
        n_in, n_out = int(rng.integers(0, 4)), int(rng.integers(1, 4))
        names = [f"b{int(rng.integers(100))}" + ("=1" if rng.random() < 0.1 else "") for _ in range(n_in + n_out)]
        words = [str(rng.choice(_TYPES)), f"layer{i}", str(n_in), str(n_out), *names]
        for key in rng.permutation(20)[:int(rng.integers(0, 5))].tolist():
            if rng.random() < 0.35:
                items = [_drawn_number(rng) for _ in range(int(rng.integers(1, 4)))]
                words.append(f"{-23300 - key}={len(items)},{','.join(items)}")
            else:
                words.append(f"{key}={_drawn_number(rng)}")
        lines.append((" " * int(rng.integers(1, 4))).join(words))
        if rng.random() < 0.25:
            lines.append("")
    return _case(_text(*lines, count=sum(bool(line) for line in lines)))


def _bad(text: str, what: str) -> Case:
    return Case(text, label=what)


parse_param = Exercise(
    id="20.parse_param", points=4, difficulty=2, minutes=14, idea="a text format is read by its counts, not by its looks",
    reference=mobile_formats.parse_param, compare=_typed, time_limit_s=3,
    cases=[_case(EXAMPLE, "the three layers of the example"), _case(_text("Split s 1 3 a a0 a1 a2"), "one Split with three outputs")],
    hidden=[
        _case(_text("Input x 0 1 x")), _case(_text("Concat c 3 1 a b d y 0=0")), _case("\n" + HEAD + "\n1 1\n\nReLU r 1 1 x y 0=0.1\n\n", "blank lines everywhere"),
        _case(_text("Thing t 1 1 x y 3=-1 4=1e-3 5=2.0 6=5e3")), _case(_text("Thing t 1 1 x y -23303=2,2.0,3.0")), _case(_text("Thing t 1 1 x y -23300=3,7,-8,9")),
        _case(_text("Thing t 1 2 a=1 b c=0 0=2")), _case(_text("Thing t 2 1 0=1 1=2 2=3 4=5")), _case(_text("Noop n 0 0")),
        _case(_text("Thing t 1 1 x y 0=1 -23301=1,0.5 2=3 -23319=2,1e-5,4")), _case(_text("Convolution   c1    1   1  x   c1   0=8"), "several spaces in a row"),
        _case(_text("Input x 0 1 x", blobs=77), "another blob count"), _case(HEAD + "0 0\n", "no layers"), _case(_text("Thing t 1 1 x y -23304=0"), "an empty array"),
        _case(_text("Thing t 1 1 x y 0=-23303")), _case(_text("Thing t 1 1 x y -23299=4")),
    ],
    draw=_draw, draws=30,
    raises=[
        _bad("", "an empty text"), _bad("7767518\n1 1\nInput x 0 1 x\n", "another magic number"), _bad("1 1\nInput x 0 1 x\n", "no magic number"),
        _bad(_text("Input x 0 1 x", count=2), "2 layers announced, 1 there"), _bad(_text("Input x 0 1 x", "ReLU r 1 1 x y", count=1), "1 layer announced, 2 there"),
        _bad(_text("T t 0 1 x -23303=3,1,2"), "an array of 2 that says 3"), _bad(_text("T t 0 1 x -23303=1,1,2"), "an array of 2 that says 1"),
        _bad(_text("T t 0 1 x -23303=0,1"), "an array of 1 that says 0"), _bad(_text("Input x 0 1 x", count=0), "0 layers announced, 1 there"),
    ],
    misconceptions=[
        Misconception(
            "fixed_columns", _parse(line=_fixed_columns),
            "You look for the names at fixed places. A layer with no or with two inputs shifts everything behind it. The third and fourth word "
            "say how many names follow.",
            "The columns are not fixed.", also=(_parse(line=_fixed_columns_filtered),)),
        Misconception(
            "names_by_equals_sign", _parse(line=_by_equals_sign_counted),
            "You take every word with `=` for a parameter. A blob may be called `a=1`; ncnn finds the names by their number.",
            "A name may hold an equals sign.", also=(_parse(line=_by_equals_sign),)),
        Misconception(
            "array_key_kept", _with_pair(_key_kept),
            "-23303 is not the key. It says: an array follows, and it belongs under key 3. How do you get from -23303 to 3?",
            "An array key is not decoded."),
        Misconception(
            "array_key_negative", _with_pair(_key_negative),
            "-23303 is -23300 - 3, so the key is 3. You added 23300 and got -3.",
            "The sign of an array key is lost."),
        Misconception(
            "array_count_kept", _with_pair(_count_kept),
            "The first number behind an array's `=` is its length, not an element.",
            "The length is among the elements."),
        Misconception(
            "dot_only", _with_pair(lambda word: _pair(word, _dot_only)),
            "`1e-3` has no point and is a float all the same; `int(\"1e-3\")` fails. Look for an `e` too.",
            "A float without a point."),
        Misconception(
            "all_floats", _with_pair(lambda word: _pair(word, float)),
            "You make floats of all values. A kernel size of 3.0 cannot be used as a size: whole numbers have to stay ints.",
            "Whole numbers became floats."),
        Misconception(
            "whole_floats_became_ints", _with_pair(lambda word: _pair(word, _try_int)),
            "You decide by the value, so `2.0` became an int. The file decides by how the number is written: with `.` or `e` it is a float.",
            "2.0 is a float."),
        Misconception(
            "outputs_first", _parse(line=_swapped),
            "The names of the inputs come first, then those of the outputs, as the two counts do.",
            "Inputs and outputs changed places."),
        Misconception(
            "blank_lines", _parse(filled=lambda text: True),
            "A blank line is no layer: skip it, also before the magic number and at the end.",
            "Blank lines are in the way.", also=(_parse(filled=lambda text: True, count=False),)),
        Misconception(
            "magic_unchecked", _parse(magic=False),
            "The first line has to be 7767517. Without that check, any text file is read as a network until it fails somewhere.",
            "The magic number is not checked."),
        Misconception(
            "layer_count_unchecked", _parse(count=False),
            "The second line says how many layers follow. A file that was cut off shows there, if you compare.",
            "The layer count is not checked."),
        Misconception(
            "array_length_unchecked", _with_pair(_no_length_check),
            "An array says its length first. Compare it with what is there.",
            "The length of an array is not checked."),
    ],
    alternatives=[_parse(), _tokens, _regex],
    hints=(
        "Take the lines that are not blank: the first is the magic number, the second holds the counts, the others are layers.",
        "`line.split()` gives words. With `n_in` and `n_out` from words 3 and 4, the inputs are `words[4:4 + n_in]`.",
        "`word.partition(\"=\")` splits a parameter. A key of -23300 or below means an array under `-23300 - key`; drop its first value after comparing it.",
    ),
    worth_knowing="Newer ncnn files may also write an array as `3=2.0,3.0`, without its length.",
)
