"""Probes of chapter 28: arrays of another byte order or layout, and what a body holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def encoded(
    answer: Callable,
    numbers: Sequence,
    shape: Sequence[int],
    dtype: str,
    layout: str,
    big: bool,
    name: str,
    output: str,
) -> Any:
    """Hand an array to `answer` and take its (body, length) apart: the header as nested pairs, and what follows it.

    layout: "plain", "transposed" (the axes in reverse order in memory), "every second" (a view with gaps) or
    "reversed" (a view that runs backwards). The array's values and shape are the same in all of them.
    The length itself is told only where names are ASCII, since others have two spellings in JSON.
    """
    x = _laid_out(np.array(numbers, np.dtype(dtype).newbyteorder(">" if big else "<")).reshape(shape), layout)
    got = answer(name, x, output)
    if not (
        isinstance(got, (tuple, list))
        and len(got) == 2
        and isinstance(got[0], bytes)
        and isinstance(got[1], (int, np.integer))
    ) or isinstance(got[1], bool):
        return got
    body, length = bytes(got[0]), int(got[1])
    told = {"data": body[max(length, 0) :], "header": None, "compact": False}
    try:
        text = body[:length].decode()
        told["header"] = json.loads(text, object_pairs_hook=lambda pairs: [list(pair) for pair in pairs])
        plain = json.loads(text)
        told["compact"] = text in (
            json.dumps(plain, separators=(",", ":")),
            json.dumps(plain, separators=(",", ":"), ensure_ascii=False),
        )
    except (ValueError, RecursionError):
        told["header"] = None
    if name.isascii() and output.isascii():
        told["length"] = length
    return told


def _laid_out(x: np.ndarray, layout: str) -> np.ndarray:
    if layout == "transposed":
        return x.transpose().copy().transpose()
    if layout == "every second":
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    if layout == "reversed":
        return x[::-1].copy()[::-1]
    return x


def refused(answer: Callable, text: str) -> dict:
    """Whether a parser refuses a text with ValueError, and the first line number that its message names."""
    try:
        answer(text)
    except ValueError as error:
        line = re.search(r"line (\d{1,6})", str(error), re.IGNORECASE)
        return {"refused": True, "line": int(line[1]) if line else None}
    return {"refused": False, "line": None}
