"""Fingerprints of a program: what stays the same when names, numbers, comments and layout are changed.

Winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003): the source becomes tokens, every run of K tokens a hash,
and of each WINDOW neighbouring hashes the smallest is kept. A common run of K + WINDOW - 1 tokens is found for
certain; one of fewer than K tokens never is.

A name that its author chose becomes "n". Keywords, builtins and what stands behind a dot can't be renamed, so
they stay: `np.sum` and `np.prod` are two things. copydetect, which does the same on characters, was tried first: it
hashes with Python's salted `hash`, so that two runs differ, knows no rarity, and reads files only.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import keyword
import re
import tokenize
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

K = 10
WINDOW = 4
# Odd, so that multiplying modulo 2^64 loses nothing.
POWERS = np.array([pow(0x9E3779B97F4A7C15, i, 2**64) for i in range(K)], np.uint64)
KEPT_NAMES = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins))
SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
           tokenize.ENDMARKER}
WORD = re.compile(r"[^\W\d]\w*|\d[\w.]*|\"[^\"\n]*\"?|'[^'\n]*'?|\S")


@dataclass(frozen=True)
class Token:
    """One token as it is compared, and the line (from 1) on which it stands."""

    text: str
    line: int


def tokens_of(source: str) -> list[Token]:
    """The tokens of Python source. What Python can't tokenise is cut up by words; never raises."""
    source = re.sub(r"(?m)^[ \t]*[%!].*$", "", source)
    found: list[tuple[int, str, int]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.ERRORTOKEN and not token.string.strip():
                continue
            found.append((token.type, token.string, token.start[0]))
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        found = [(tokenize.OP, m[0], source.count("\n", 0, m.start()) + 1)
                 for m in WORD.finditer(re.sub(r"#.*", "", source))]
    kept, before = [], ""
    for kind, text, line in found:
        if kind not in SKIPPED:
            kept.append(Token(_compared(text, before), line))
            before = text
    return _without_docstrings(kept)


def _compared(text: str, before: str) -> str:
    if not text or text.isspace():
        return text
    if text.isidentifier():
        return text if text in KEPT_NAMES or before == "." else "n"
    if text[0].isdigit() or (text[0] == "." and len(text) > 1 and text[1].isdigit()):
        return "0"
    if text[-1] in "\"'" or re.match(r"[A-Za-z]{0,3}[\"']", text):
        return "s"
    return text


def _without_docstrings(tokens: list[Token]) -> list[Token]:
    """A text right behind a colon or at the start of a line of its own says nothing about the program."""
    return [t for i, t in enumerate(tokens)
            if not (t.text == "s" and (i == 0 or tokens[i - 1].text == ":") and
                    (i + 1 == len(tokens) or tokens[i + 1].line > t.line))]


def fingerprints(source: str) -> dict[int, set[int]]:
    """Fingerprint to the lines that it covers. A program of fewer than K tokens has none."""
    tokens = tokens_of(source)
    hashes = _hashes(tokens)
    found: dict[int, set[int]] = {}
    for i in _winnowed(hashes):
        found.setdefault(int(hashes[i]), set()).update(t.line for t in tokens[i : i + K])
    return found


def all_hashes(source: str) -> set[int]:
    """The hashes of every run of K tokens: what is taken out as handed out has to be complete."""
    return set(_hashes(tokens_of(source)).tolist())


def _hashes(tokens: list[Token]) -> np.ndarray:
    """A hash of each run of K tokens: a polynomial of theirs, modulo 2^64."""
    if len(tokens) < K:
        return np.empty(0, np.uint64)
    each = np.array([_hash(t.text) for t in tokens], np.uint64)
    return (sliding_window_view(each, K) * POWERS).sum(axis=1, dtype=np.uint64)


def _winnowed(hashes: np.ndarray) -> list[int]:
    """Positions of the smallest hash of each window, the rightmost of equal ones."""
    width = min(WINDOW, len(hashes))
    if not width:
        return []
    backwards = sliding_window_view(hashes, width)[:, ::-1]
    return np.unique(np.arange(len(backwards)) + width - 1 - backwards.argmin(axis=1)).tolist()


@lru_cache(maxsize=100_000)
def _hash(text: str) -> int:
    """The same in every run, unlike Python's own hash of a text."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
