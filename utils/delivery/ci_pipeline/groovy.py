"""Tokens and brace blocks of the part of Groovy in which declarative Jenkinsfiles are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

TokenKind = Literal["word", "string", "number", "punct", "newline"]

_TOKEN = re.compile(r"""
    (?P<newline>\n)
  | (?P<blank>[ \t\r\f]+)
  | (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<string>'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
  | (?P<word>[A-Za-z_$][\w$]*)
  | (?P<number>\d[\w.]*)
  | (?P<punct>.)
""", re.VERBOSE | re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class Token:
    """A token: its kind, its text (a string's value, without quotes and escapes), its line, its place in the source."""

    kind: TokenKind
    text: str
    line: int
    start: int
    end: int

    def is_punct(self, char: str) -> bool:
        """Whether this is the punctuation `char` (and not a string that holds it)."""
        return self.kind == "punct" and self.text == char


@dataclass(frozen=True)
class Statement:
    """A statement: the tokens of its head, and the statements in the braces after it (None without braces).

    `start` and `end` are where the text inside the braces begins and ends in the source.
    """

    head: tuple[Token, ...]
    body: tuple[Statement, ...] | None = None
    start: int = 0
    end: int = 0

    @property
    def name(self) -> str:
        """The first word, or "" where the statement begins otherwise."""
        return self.head[0].text if self.head and self.head[0].kind == "word" else ""

    @property
    def line(self) -> int:
        """Line of the first token, counted from 1."""
        return self.head[0].line if self.head else 0

    def strings(self) -> list[str]:
        """The values of the string literals in the head."""
        return [t.text for t in self.head if t.kind == "string"]


def tokenize(src: str) -> list[Token]:
    """The tokens of a Jenkinsfile; comments are gone, newlines are tokens, since they end statements.

    Strings are '...', "...", three of either, with backslash escapes; `${...}` stays text. Groovy's slashy strings are
    outside this subset. Raises ValueError "line N" for a string or a comment that is not closed.

    >>> [t.text for t in tokenize("echo 'a } b' // stage('ghost')")]
    ['echo', 'a } b']
    """
    tokens, line = [], 1
    for match in _TOKEN.finditer(src):
        kind, text = match.lastgroup, match.group()
        if kind == "punct" and text in "'\"":
            raise ValueError(f"source must close its strings, got an open one in line {line}")
        if kind == "punct" and src.startswith("/*", match.start()):
            raise ValueError(f"source must close its comments, got an open one in line {line}")
        if kind not in ("blank", "comment"):
            tokens.append(Token(kind, _value(text) if kind == "string" else text, line, match.start(), match.end()))
        line += text.count("\n")
    return tokens


def _value(literal: str) -> str:
    quotes = 3 if len(literal) >= 6 and literal[:3] in ("'''", '"""') else 1
    return _ESCAPE.sub(lambda m: _CONTROL.get(m[1], m[1]), literal[quotes:-quotes])


def statements(src: str) -> tuple[Statement, ...]:
    """The statements of a source with the blocks inside them.

    A statement ends at the end of its line (but not after a comma), at a semicolon, or with its block; inside
    parentheses none of them ends it. A block may open on a later line than its name, or than the `)` before it.
    Raises ValueError "line N" for braces that don't match, and as `tokenize` does.

    >>> [(s.name, s.body is not None) for s in statements("agent none\\nstages\\n\\n{ }")]
    [('agent', False), ('stages', True)]
    """
    tokens = tokenize(src)
    return tuple(_statements(tokens, 0, len(tokens), _partners(tokens)))


def _partners(tokens: Sequence[Token]) -> dict[int, int]:
    """Position of the closing brace of each opening one."""
    stack: list[int] = []
    partners = {}
    for i, token in enumerate(tokens):
        if token.is_punct("{"):
            stack.append(i)
        elif token.is_punct("}"):
            if not stack:
                raise ValueError(f"braces must match, got a '}}' too many in line {token.line}")
            partners[stack.pop()] = i
    if stack:
        raise ValueError(f"braces must match, got a '{{' that is never closed in line {tokens[stack[-1]].line}")
    return partners


def _statements(tokens: Sequence[Token], low: int, high: int, partners: dict[int, int]) -> Iterator[Statement]:
    head: list[Token] = []
    depth, i = 0, low
    while i < high:
        token = tokens[i]
        if token.is_punct("{"):
            close = partners[i]
            if depth == 0:
                body = tuple(_statements(tokens, i + 1, close, partners))
                yield Statement(tuple(head), body, token.end, tokens[close].start)
                head = []
            i = close + 1  # a block inside parentheses is an argument: a closure, no block of ours
            continue
        if token.kind == "newline" or token.is_punct(";"):
            continued = token.kind == "newline" and head and (head[-1].is_punct(",") or _block_follows(tokens, i, head))
            if depth == 0 and head and not continued:
                yield Statement(tuple(head))
                head = []
        else:
            depth += token.kind == "punct" and token.text in "(["
            depth -= token.kind == "punct" and token.text in ")]"
            head.append(token)
        i += 1
    if head:
        yield Statement(tuple(head))


def _block_follows(tokens: Sequence[Token], at: int, head: Sequence[Token]) -> bool:
    """Whether the block of `head` opens on a later line: Groovy allows it after a name or a call, not `agent any`."""
    if not (head[-1].is_punct(")") or (len(head) == 1 and head[0].kind == "word")):
        return False
    while at < len(tokens) and tokens[at].kind == "newline":
        at += 1
    return at < len(tokens) and tokens[at].is_punct("{")
