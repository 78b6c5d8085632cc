"""Protobuf's text format, in which Triton's config.pbtxt is written: text to nested dicts and back.

Format: protobuf.dev, "Text Format Language Specification". Every field becomes a list, because the text alone does
not say which fields may repeat.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n\f\v]+ | \#[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
  | (?P<number>[-+]?(?:0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?)(?![\w.]))
  | (?P<word>-?[A-Za-z_]\w*)
  | (?P<mark>[:{}<>\[\],;])
""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CLOSING = {"{": "}", "<": ">"}


@dataclass(frozen=True)
class Token:
    """One word of the text: its kind ("string", "number", "word", "mark", or "end"), its text and its line."""

    kind: str
    text: str
    line: int


def parse_pbtxt(text: str) -> dict[str, list]:
    """The fields of a message in text format: {name: [value, …]} with nested messages as dicts.

    Numbers become int or float, `true` and `false` bool, other bare words (TYPE_FP32) and strings str.
    Raises ValueError "line N: …", lines counted from 1.

    >>> parse_pbtxt('max_batch_size: 8 input [ { name: "x" dims: [ -1, 3 ] } ]')
    {'max_batch_size': [8], 'input': [{'name': ['x'], 'dims': [-1, 3]}]}
    """
    return _Parser(tokens(text)).message("")


def tokens(text: str) -> list[Token]:
    """The tokens of a text, without spaces and comments, ended by one of kind "end"."""
    found, at, line = [], 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"line {line}: the character {text[at]!r} does not belong here")
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match[0], line))
        line += match[0].count("\n")
        at = match.end()
    return [*found, Token("end", "", line)]


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.at = found, 0

    def peek(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def message(self, closing: str, opened: int = 1) -> dict[str, list]:
        """Fields up to `closing`, which is taken; up to the end of the text for ""."""
        fields: dict[str, list] = {}
        while True:
            token = self.take()
            if token.text == closing and token.kind in ("mark", "end"):
                return fields
            if token.kind == "end":
                raise ValueError(f"line {opened}: what is opened here is never closed")
            if token.kind != "word" or token.text.startswith("-"):
                raise ValueError(f"line {token.line}: expected the name of a field, got {token.text!r}")
            fields.setdefault(token.text, []).extend(self.values(token))
            if self.peek().text in (",", ";"):
                self.take()

    def values(self, name: Token) -> list:
        """What stands after a name: one value, or a list of them."""
        colon = self.peek().text == ":" and self.take().kind == "mark"
        token = self.peek()
        if token.text == "[":
            return self.listed(self.take(), colon, name)
        return [self.value(colon, name)]

    def listed(self, opened: Token, colon: bool, name: Token) -> list:
        found = []
        while self.peek().text != "]":
            if found and self.take().text != ",":
                wrong = self.tokens[self.at - 1]
                line = opened.line if wrong.kind == "end" else wrong.line
                raise ValueError(f"line {line}: expected ',' or ']' in the list, got {wrong.text or 'the end'!r}")
            if self.peek().kind == "end":
                raise ValueError(f"line {opened.line}: the list is never closed")
            found.append(self.value(colon, name))
        self.take()
        return found

    def value(self, colon: bool, name: Token) -> Any:
        token = self.take()
        if token.text in _CLOSING and token.kind == "mark":
            return self.message(_CLOSING[token.text], token.line)
        if token.kind in ("mark", "end"):
            raise ValueError(f"line {token.line}: expected a value of {name.text!r}, got {token.text or 'the end'!r}")
        if not colon:
            raise ValueError(f"line {token.line}: {name.text!r} must be followed by ':' before {token.text!r}")
        if token.kind == "string":
            parts = [token]
            while self.peek().kind == "string":
                parts.append(self.take())
            return "".join(_unquoted(part) for part in parts)
        return (
            _number(token.text)
            if token.kind == "number"
            else {"true": True, "false": False}.get(token.text, token.text)
        )


def _unquoted(token: Token) -> str:
    def escaped(match: re.Match) -> str:
        if match[1] not in _ESCAPES:
            raise ValueError(f"line {token.line}: the escape \\{match[1]} is not known")
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", escaped, token.text[1:-1])


def _number(text: str) -> int | float:
    if re.fullmatch(r"[-+]?0[xX][0-9a-fA-F]+", text):
        return int(text, 16)
    if re.fullmatch(r"[-+]?0[0-7]+", text):
        return int(text, 8)  # as in C
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    return float(text.rstrip("fF"))


def format_pbtxt(fields: dict[str, list], indent: str = "") -> str:
    """The text of a message, a field a line; `parse_pbtxt` gives it back.

    A str that looks like an enum's name (capitals, digits, underscores) is written bare, every other one quoted.
    """
    lines = []
    for name, values in fields.items():
        for value in values:
            if isinstance(value, dict):
                lines += [f"{indent}{name} {{", format_pbtxt(value, indent + "  "), f"{indent}}}"]
            else:
                lines.append(f"{indent}{name}: {_written(value)}")
    return "\n".join(filter(None, lines))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + quoted.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'
    return str(value)
