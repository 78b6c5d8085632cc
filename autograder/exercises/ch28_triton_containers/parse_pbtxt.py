"""Exercise 28.parse_pbtxt: protobuf's text format as nested dicts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.serving.triton import pbtxt

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

_WORDS = re.compile(r"""\s+|\#[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\w+|[:{}\[\],]""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def _decoded(word: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), word[1:-1])


def _numeric(word: str) -> int | float:
    return int(word) if re.fullmatch(r"[-+]?\d+", word) else float(word)


def _bare(word: str) -> Any:
    return {"true": True, "false": False}.get(word, word)


def _words(text: str, first_line: int = 1) -> list[tuple[str, int]]:
    found, at, line = [], 0, first_line
    while at < len(text):
        match = _WORDS.match(text, at)
        if not match:
            raise ValueError(f"line {line}: what is {text[at]!r}?")
        word = match[0]
        if not word.isspace() and not word.startswith("#"):
            found.append((word, line))
        line += word.count("\n")
        at = match.end()
    return [*found, ("", line)]


def _answer(*, string: Callable[[str], Any] = _decoded, number: Callable[[str], Any] = _numeric, bare: Callable[[str], Any] = _bare,
            add: Callable[[list, list], list] = lambda old, new: old + new, colon_before_brace: bool = False, colon_free: bool = False, first_line: int = 1,
            as_list: Callable[[list], list] = lambda values: values, may_end: bool = False, final: Callable[[Any], Any] = lambda fields: fields, told: str = "line {}: {!r}",
            scalar_lists: bool = False, clean: Callable[[str], str] = lambda text: text) -> Callable:
    """An answer from its rules; with its defaults it is right."""

    def answer(text: str) -> Any:
        words = _words(clean(text), first_line)[::-1]

        def wrong() -> None:
            raise ValueError(told.format(words[-1][1], words[-1][0]))

        def value(colon: bool) -> Any:
            word = words[-1][0]
            if word == "{":
                if colon_before_brace and not colon:
                    wrong()
                words.pop()
                return message("}")
            if not (word[:1].isalnum() or word[:1] in set("_\"'-+.")) or not word:
                wrong()
            if not colon and not colon_free:
                wrong()
            words.pop()
            if word[0] in "\"'":
                return string(word)
            return bare(word) if re.match(r"[A-Za-z_]", word) else number(word)

        def listed(colon: bool) -> list:
            values: list = []
            while words[-1][0] != "]":
                if not words[-1][0] and may_end:
                    return as_list(values)
                values.append(value(colon or scalar_lists))
                if words[-1][0] == ",":
                    words.pop()
            words.pop()
            return as_list(values)

        def message(closing: str) -> Any:
            fields: dict[str, list] = {}
            while words[-1][0] != closing:
                name = words[-1][0]
                if not name and may_end:
                    return final(fields)
                if not re.fullmatch(r"[A-Za-z_]\w*", name):
                    wrong()
                words.pop()
                colon = words[-1][0] == ":"
                if colon:
                    words.pop()
                if words[-1][0] == "[":
                    words.pop()
                    new = listed(colon)
                else:
                    new = [value(colon)]
                fields[name] = add(fields.get(name, []), new)
            if closing:
                words.pop()
            return final(fields)

        return message("")

    return answer


def _replaced(*pairs: tuple[str, str]) -> Callable[[str], str]:
    """Decodes by one `replace` after another."""

    def string(word: str) -> str:
        text = word[1:-1]
        for old, new in pairs:
            text = text.replace(old, new)
        return text

    return string


def _decoded_by(table: Callable[[re.Match], str]) -> Callable[[str], str]:
    return lambda word: re.sub(r"\\(.)", table, word[1:-1])


_BACKSLASH, _QUOTES, _LETTERS = ("\\\\", "\\"), (('\\"', '"'), ("\\'", "'")), (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"))
_ONE_AFTER_ANOTHER = (
    (*_LETTERS, *_QUOTES, _BACKSLASH), (_BACKSLASH, *_LETTERS, *_QUOTES), (*_QUOTES, _BACKSLASH, *_LETTERS), (*_QUOTES, *_LETTERS, _BACKSLASH), (_BACKSLASH, *_QUOTES, *_LETTERS),
    (*_LETTERS, _BACKSLASH, *_QUOTES),
)


def _line_by_line(text: str) -> dict[str, list]:
    """One field a line, by a regular expression."""
    fields: dict[str, list] = {}
    for line in text.splitlines() or [text]:
        match = re.match(r"\s*(\w+)\s*:\s*(.+?)\s*$", line)
        if match:
            word = match[2]
            fields.setdefault(match[1], []).append(int(word) if re.fullmatch(r"-?\d+", word) else word.strip("\"'"))
    return fields


def _fields_anywhere(text: str) -> dict[str, list]:
    """All `name: word` of the text, whatever message they are in."""
    fields: dict[str, list] = {}
    for name, word in re.findall(r"(\w+)\s*:\s*(\"[^\"]*\"|-?\w+)", text):
        fields.setdefault(name, []).append(int(word) if re.fullmatch(r"-?\d+", word) else word.strip('"'))
    return fields


def _by_json(text: str) -> Any:
    """Rewrites the text as JSON."""
    rewritten = re.sub(r"#[^\n]*", "", text)
    rewritten = re.sub(r"(\w+)\s*:?\s*(?=[\[{])", r'"\1": ', rewritten)
    rewritten = re.sub(r"(\w+)\s*:\s*(?=[^\s\[{\"])", r'"\1": ', rewritten)
    return {name: value if isinstance(value, list) else [value] for name, value in json.loads("{" + rewritten + "}").items()}


def _without_comments(text: str) -> str:
    """Cuts every line at its first #."""
    return "\n".join(line.split("#", 1)[0] for line in text.split("\n"))


def _single(fields: dict[str, list]) -> dict:
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _with_stack(text: str) -> dict[str, list]:
    """No recursion: a stack of open messages and lists."""
    top: dict[str, list] = {}
    stack: list[tuple[str, Any, bool]] = [("", top, True)]  # closing word, where values go, whether a colon came
    state, name, colon, line = "name", "", False, 0
    for word, line in _words(text):
        closing, inside, listed_colon = stack[-1]
        if isinstance(inside, list):
            if word == "]":
                stack.pop()
                state = "name"
            elif word == ",":
                continue
            elif word == "{":
                inside.append({})
                stack.append(("}", inside[-1], False))
                state = "name"
            elif not listed_colon or word in ("", "}", ":", "["):
                raise ValueError(f"line {line}: {word}")
            else:
                inside.append(_scalar(word))
        elif state == "name":
            if word == closing:
                if word:
                    stack.pop()
                continue
            if not re.fullmatch(r"[A-Za-z_]\w*", word):
                raise ValueError(f"line {line}: {word}")
            name, colon, state = word, False, "value"
        elif word == ":" and not colon:
            colon = True
        elif word == "[":
            stack.append(("]", inside.setdefault(name, []), colon))
            state = "name"
        elif word == "{":
            inside.setdefault(name, []).append({})
            stack.append(("}", inside[name][-1], False))
            state = "name"
        elif not colon or word in ("", "}", "]", ",", ":"):
            raise ValueError(f"line {line}: {word}")
        else:
            inside.setdefault(name, []).append(_scalar(word))
            state = "name"
    if len(stack) > 1 or state == "value":
        raise ValueError(f"line {line}: the end comes too early")
    return top


def _scalar(word: str) -> Any:
    if word[0] in "\"'":
        return _decoded(word)
    return _bare(word) if re.match(r"[A-Za-z_]", word) else _numeric(word)


# --- judging --------------------------------------------------------------------------------------


def _typed(expected: Any, got: Any, case: Any = None) -> str | None:
    """Equal, and whole numbers are int where they should be: 8.0 is not 8 here."""
    found = exact()(expected, got, case) or _other_type(expected, got)
    return f"{_show(got)}, expected {_show(expected)}" if found and _is_refusal(expected) and _is_refusal(got) else found


def _is_refusal(value: Any) -> bool:
    """Whether this is what the probe `refused` tells; a parsed text has lists in their places."""
    return isinstance(value, dict) and set(value) == {"refused", "line"} and isinstance(value["refused"], bool)


def _show(value: Any) -> str:
    """A text whole, so that a learner can paste it; a refusal in words."""
    if isinstance(value, str):
        return repr(value[:1000])
    if not _is_refusal(value):
        return brief(value, 300)
    if not value["refused"]:
        return "no ValueError"
    return "a ValueError without a line" if value["line"] is None else f"a ValueError that names line {value['line']}"


def _other_type(expected: Any, got: Any) -> str | None:
    if isinstance(expected, dict):
        pairs = [(expected[name], got[name]) for name in expected]
    elif isinstance(expected, list):
        pairs = list(zip(expected, got))
    else:
        return None if type(expected) is type(got) else f"{got!r} is {type(got).__name__}, expected {type(expected).__name__}"
    if type(expected) is not type(got):
        return f"a {type(got).__name__}, expected a {type(expected).__name__}"
    return next(filter(None, (_other_type(e, g) for e, g in pairs)), None)


_typed.same = _typed


# --- cases ----------------------------------------------------------------------------------------

_SOURCE = """name: "sam_embedding_onnx"
platform: "onnxruntime_onnx"
max_batch_size : 0
input [
  {
    name: "images"
    data_type: TYPE_FP32
    dims: [ 1, 3, 1024, 1024 ]
  }
]
output [
  {
    name: "image_embeddings"
    data_type: TYPE_FP32
    dims: [ 1, 256, 64, 64 ]
  },
  {
    name: "interm_embeddings"
    data_type: TYPE_FP32
    dims: [ 1, 32, 256, 256 ]
  }
]
instance_group [
    {
      count: 1
      kind: KIND_GPU
      gpus: [1]
    }
  ]
"""
_NAMES = ["name", "dims", "input", "output", "kind", "count", "key", "value", "instance_group", "_x", "a1"]
_TEXTS = ["x", "", "a # b", "{", "}", "it's", 'say "hi"', "two\nlines", "tab\there", "back\\slash", "TYPE_FP32", "[1, 2]", "a: b", "true", "7", "图像", "\r"]


def _tree(rng: np.random.Generator, depth: int) -> dict[str, list]:
    names = rng.permutation(_NAMES)[: int(rng.integers(0 if depth < 2 else 1, 4))].tolist()
    return {name: _values(rng, depth) for name in names}


def _values(rng: np.random.Generator, depth: int) -> list:
    kind = rng.choice(["int", "word", "text", "float", "bool", "message"], p=[0.22, 0.14, 0.18, 0.1, 0.08, 0.28])
    count = int(rng.choice([1, 1, 1, 2, 3]))
    if kind == "message" and depth:
        return [_tree(rng, depth - 1) for _ in range(count)]
    make = {"int": lambda: int(rng.integers(-3, 2000)), "word": lambda: str(rng.choice(["TYPE_FP32", "KIND_CPU", "x_1", "FORMAT_NCHW"])),
            "text": lambda: str(rng.choice(_TEXTS)), "float": lambda: float(rng.integers(-40, 40)) / 8 + 0.0, "bool": lambda: bool(rng.random() < 0.5)}
    return [make.get(str(kind), make["int"])() for _ in range(count)]


def _written(rng: np.random.Generator, fields: dict[str, list]) -> str:
    parts = []
    for name, values in fields.items():
        messages = isinstance(values[0], dict)
        if rng.random() < 0.5:
            colon = rng.choice(["", ": ", " : "]) if messages else rng.choice([": ", ":", " : "])
            parts.append(f"{name}{colon}[{_space(rng)}{', '.join(_one(rng, v) for v in values)}{_space(rng)}]")
        else:
            for value in values:
                colon = rng.choice(["", " ", ": "]) if messages else rng.choice([": ", ":", " :"])
                parts.append(f"{name}{colon}{_one(rng, value)} ")
        parts[-1] += str(rng.choice([" ", "\n", "\n\n", " # a comment { \" \n", "\n# [ another\n"]))
    return _space(rng) + "".join(parts)


def _one(rng: np.random.Generator, value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{_space(rng)}{_written(rng, value)}{_space(rng)}}}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not (value in ("TYPE_FP32", "KIND_CPU", "x_1", "FORMAT_NCHW") and rng.random() < 0.8):
        return _quoted(rng, value)
    return str(value)


def _quoted(rng: np.random.Generator, value: str) -> str:
    mark = '"' if rng.random() < 0.6 else "'"
    text = value.replace("\\", "\\\\").replace(mark, "\\" + mark)
    return mark + text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + mark


def _space(rng: np.random.Generator) -> str:
    return str(rng.choice(["", " ", "\n", "\n  "]))


def _refused(text: str) -> Case:
    """A text that is an error, with the line that its message names."""
    return Case(text=text, probe="ch28_triton_containers.refused", label=f"the line in the error for {text!r}")


def _draw(rng: np.random.Generator) -> Case:
    return Case(_written(rng, _tree(rng, 2)))


parse_pbtxt = Exercise(
    id="28.parse_pbtxt", points=5, difficulty=3, minutes=30, idea="cut into words first; fields accumulate; every field is a list",
    reference=pbtxt.parse_pbtxt,
    cases=[Case('max_batch_size: 8 input [ { name: "x" dims: [ -1, 3 ] } ] # c'), Case("input { name: 'x' } input { name: 'y' }"), Case("input [ { name: 'x' }, { name: 'y' } ]")],
    hidden=[
        Case(_SOURCE, label="the source's own config.pbtxt"), Case(""), Case("# nothing\n"), Case('name: "a # b" kind: KIND_CPU'), Case('name: "{" value: "}"'), Case("input { } input: { }"),
        Case("dims: 1 dims: [ 2, 3 ] dims: -4"), Case("dims: [ ]"), Case("dims [ ]"), Case("input [ ]"), Case('name: "图像\\t\\"1\\""'), Case("a: 0.5 b: -2.5 c: 1e3 d: .25 e: 3."), Case("a: true b: false c: True"),
        Case(r'''name: "say \"hi\"" key: 'it\'s' value: "a\nb\tc\\d\r"'''), Case("a{b{c{d:1}}}"), Case("a:1 b:2\nc\n:\n3"),
        Case("name: 'TYPE_FP32' data_type: TYPE_FP32"), Case("version_policy: { specific { versions: [1, 2] } }"), Case("parameters { key: 'a' value: { string_value: 'b' } } parameters { key: 'c' value { string_value: 'd' } }"),
        Case("input: [ { name: 'x' } ]"), Case("dynamic_batching { }\nmax_batch_size: 4"), Case("x_1: 7 _y: -0"),
        Case(r'name: "C:\\new\\table" key: "\\\\" value: "\\\"n"'),
        *(_refused(text) for text in (
            "name: 'x'\n\ndims: @", "input {", "dims: [ 1, 2", "a: 1\nname 'x'", "a: 1\n\n\ndims [ 1, 2 ]", "a: 1 }", "a: 1\nb: 2\n]", "a {\n  b: 1 ]\n}", "count 3", "a: 1\nb: \"open",
            "# one\n# two\n$", "name: 'two\\nlines'\nkind KIND_CPU", "input [ { name: 'x' }", "a: 1\nb { c: 2 }\nd }", "\n\nname: \"a\nb\"", "a: [ 1,\n 2, ? ]")),
    ],
    draw=_draw, draws=60, compare=_typed, show=_show,
    raises=[Case("dims: @"), Case("input {"), Case("dims: [ 1, 2"), Case("name 'x'"), Case("a: 1 }")],
    misconceptions=[
        Misconception(
            "line_by_line", _line_by_line,
            "You read line by line. In this format line breaks mean nothing: fields may share a line, and a message may span several. Cut the text into words first.",
            "Lines have no meaning.", also=(_fields_anywhere,)),
        Misconception(
            "overwrites", _answer(add=lambda old, new: new),
            "A field that comes again replaces what was there. Repeated fields accumulate: two `input { … }` are a list of two.",
            "Repeated fields accumulate.", also=(_answer(add=lambda old, new: old or new),)),
        Misconception(
            "comments_first", _answer(clean=_without_comments),
            "You remove comments before you look for strings. A # inside quotes is text.",
            "A # in quotes is text."),
        Misconception(
            "needs_quotes", _answer(bare=lambda word: json.loads(word)),
            "Words such as TYPE_FP32 are the names of enum values and stand without quotes. JSON, or Python's eval, can't read them.",
            "Enum names have no quotes.", also=(_by_json,)),
        Misconception(
            "scalars_alone", _answer(final=_single),
            "A field with one value is a bare value in your result. Here every field is a list, so that callers need no special case.",
            "Every field is a list."),
        Misconception(
            "list_in_list", _answer(as_list=lambda values: [values]),
            "A list in brackets becomes one value, so there is a list in a list. `dims: [ 1, 2 ]` means the same as `dims: 1 dims: 2`.",
            "Brackets hold several values."),
        Misconception(
            "numbers_stay_text", _answer(number=lambda word: word),
            "Your numbers are still text. `8` is the integer 8, and `0.5` a float.",
            "Numbers are numbers."),
        Misconception(
            "all_floats", _answer(number=float),
            "All your numbers are floats. `8` is a whole number, an `int`; only a point or an exponent makes a float.",
            "Whole numbers are int."),
        Misconception(
            "no_fractions", _answer(number=lambda word: int(float(word))),
            "You cut the fraction off your numbers. A number with a point or an exponent is a float.",
            "Floats keep their fraction."),
        Misconception(
            "true_is_a_word", _answer(bare=lambda word: word),
            "`true` and `false` are booleans, and you return the words.",
            "true is a boolean.", also=(_answer(bare=lambda word: {"true": True, "false": False}.get(word.lower(), word)),)),
        Misconception(
            "raw_escapes", _answer(string=lambda word: word[1:-1]),
            "Your strings still hold their backslashes. `\\n` in quotes is a line break, `\\\"` a quotation mark.",
            "Escapes are not decoded."),
        Misconception(
            "escapes_one_after_another", _answer(string=_replaced(*_ONE_AFTER_ANOTHER[0])),
            "You decode the escapes with one `replace` after another. Then a character that belongs to one escape is taken for the beginning of the next: `\\\\n` is a backslash and an n, "
            "not a line break. Go through the string once, from left to right.",
            "Two backslashes and an n.", also=[_answer(string=_replaced(*pairs)) for pairs in _ONE_AFTER_ANOTHER[1:]]),
        Misconception(
            "unicode_escape", _answer(string=lambda word: word[1:-1].encode().decode("unicode_escape")),
            "You decode with `unicode_escape`. It takes every byte for a character, so letters beyond ASCII come out as something else. Only the escapes of the text have to be replaced.",
            "Other letters are spoilt."),
        Misconception(
            "backslash_dropped", _answer(string=_decoded_by(lambda m: m[1])),
            "You drop the backslash and keep what follows. That is right before a quotation mark or a backslash, but an n, t or r behind it means a line break, a tab, a carriage return.",
            "An n is no line break.", also=(_answer(string=_decoded_by(lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]))), _answer(string=_decoded_by(lambda m: {"n": "\n"}.get(m[1], m[1]))))),
        Misconception(
            "only_letters", _answer(string=_decoded_by(lambda m: _ESCAPES.get(m[1], m[0]))),
            "You decode n, t and r behind a backslash and leave the other escapes. A backslash before a backslash or a quotation mark goes away as well.",
            "Quotation marks keep their backslash.", also=(_answer(string=_replaced(*_LETTERS)), _answer(string=_decoded_by(lambda m: {**_ESCAPES, "\\": "\\"}.get(m[1], m[0]))))),
        Misconception(
            "keeps_quotes", _answer(string=lambda word: word),
            "The quotation marks are still part of your strings.",
            "Quotes are not text."),
        Misconception(
            "colon_before_brace", _answer(colon_before_brace=True),
            "You insist on a colon before `{`. It is optional there; only plain values need one.",
            "The colon is optional before a brace."),
        Misconception(
            "colon_never_needed", _answer(colon_free=True),
            "You accept plain values without a colon, as in `name \"x\"`. That is an error, with its line.",
            "Plain values need a colon.", also=(_answer(scalar_lists=True),)),
        Misconception(
            "end_closes_all", _answer(may_end=True),
            "You accept a text that ends inside a message or a list. What was opened has to be closed.",
            "Something is left open."),
        Misconception(
            "lines_from_zero", _answer(first_line=0),
            "You count lines from 0. The first line is line 1.",
            "Lines count from 1."),
        Misconception(
            "no_line", _answer(told="cannot read {1!r}"),
            "Your error doesn't say where. Its message has to contain `line N`.",
            "The error names no line.", also=(_answer(told="{0}: {1!r}"),)),
    ],
    alternatives=[_with_stack, _answer()],
    hints=(
        "Two steps: cut the text into words (names, numbers, strings, marks) and keep each one's line; then read the words.",
        "One regular expression with alternatives can match space, comments, strings, numbers, names and marks. Strings have to come before comments can be seen.",
        "A message is: until the closing brace, a name, perhaps a colon, then a list, a message or a plain value. A message in it is the same function again.",
    ),
    worth_knowing="Protobuf has more: `<` … `>` for braces, hexadecimal numbers, strings that follow each other. The parser in `utils.serving.triton.pbtxt` knows them.",
)
