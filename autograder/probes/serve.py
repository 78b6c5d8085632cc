"""A process that holds one answer and replies to questions with plain data.

Run as a script from a folder that holds this package alone (see `autograder.remote`). Over its
standard input come messages of `plain.pack`, each behind 4 bytes of length: first
`{"cells": [source, …], "names": [name, …]}`, then questions; each is replied to with one message.
The answer's own output goes to a sink: descriptors 1 and 2 are pointed away before its cells run.
"""

from __future__ import annotations

import os
import struct
from typing import Any, BinaryIO

from .ask import answer_file, ask, describe_error
from .plain import MAX_BYTES, PlainError, pack, unpack


def read_message(stream: BinaryIO) -> Any:
    """The next message of a stream; EOFError at its end, PlainError if it is malformed."""
    head = _read_exactly(stream, 4)
    (length,) = struct.unpack("<I", head)
    if length > MAX_BYTES:
        raise PlainError(f"a message of {length:,} bytes is too large")
    return unpack(_read_exactly(stream, length))


def write_message(stream: BinaryIO, value: Any) -> None:
    """Write one message and flush."""
    message = pack(value)
    stream.write(struct.pack("<I", len(message)) + message)
    stream.flush()


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def run_cells(cells: list[str]) -> tuple[dict, dict | None]:
    """Run the cells in one fresh namespace; (namespace, the error of the first that failed or None)."""
    namespace: dict = {"__name__": "__main__"}
    for number, source in enumerate(cells):
        try:
            exec(compile(source, answer_file(number, source), "exec"), namespace)
        except BaseException as error:
            return namespace, describe_error(error)
    return namespace, None


def serve(questions: BinaryIO, replies: BinaryIO) -> None:
    """Take the cells, then reply to questions until the stream ends."""
    start = read_message(questions)
    namespace, error = run_cells(start["cells"])
    names = start["names"]
    missing = [name for name in names if name not in namespace]
    write_message(replies, {"error": error, "missing": missing})
    answer = None if missing else namespace[names[0]] if len(names) == 1 else tuple(namespace[n] for n in names)
    while True:
        try:
            question = read_message(questions)
        except EOFError:
            return
        write_message(replies, _packable(ask(answer, question)))


def _packable(outcome: dict) -> dict:
    try:
        pack(outcome)
    except PlainError as error:
        told = {"types": ["PlainError"], "message": str(error), "line": None, "where": "", "text": ""}
        return {"error": told, "printed": "", "seconds": outcome["seconds"]}
    return outcome


def main() -> None:
    """Serve on the original standard streams; whatever else writes to them goes to the null device."""
    questions, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    serve(questions, replies)
