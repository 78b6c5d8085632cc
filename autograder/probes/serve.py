"""A process that holds one answer and replies to questions with plain data.

Messages are those of `plain.pack`, each behind 4 bytes of length; each is replied to with one:
`{"run": source, "number": n}` runs a cell and gives `{"error": … or None}`;
`{"names": [name, …], "ask": question}` puts a question to what the cells bound to these names and gives its
outcome. A message's "id", which nobody can guess, comes back with its reply. The answer's own output goes to a
sink: descriptors 1 and 2 are pointed away before its cells run.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable
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


class Cells:
    """The cells of a submission in one fresh namespace.

    `transform` turns a cell's text into Python first, where it may hold IPython's magics.
    """

    def __init__(self, names: dict[str, Any] | None = None, transform: Callable[[str], str] | None = None) -> None:
        self.namespace: dict[str, Any] = {"__name__": "__main__", **(names or {})}
        self.transform = transform or (lambda source: source)

    def run(self, source: str, number: int) -> dict | None:
        """Run one cell; the error it ended in, or None. What it prints is dropped."""
        try:
            code = self.transform(source)
            exec(compile(code, answer_file(number, code), "exec"), self.namespace)
        except BaseException as error:
            return describe_error(error)
        return None

    def ask(self, names: list[str], question: dict) -> dict:
        """Put a question to what the names are bound to; one that is missing is an error outcome."""
        for name in names:
            if name not in self.namespace:
                told = describe_error(NameError(f"the name {name!r} is not defined"))
                return {"error": told, "printed": "", "seconds": 0.0, "missing": name}
        bound = [self.namespace[name] for name in names]
        return _packable(ask(bound[0] if len(bound) == 1 else tuple(bound), question))


def serve(questions: BinaryIO, replies: BinaryIO, cells: Cells | None = None) -> None:
    """Reply to messages until the stream ends."""
    cells = cells or Cells()
    while True:
        try:
            message = read_message(questions)
        except EOFError:
            return
        if "run" in message:
            reply = {"error": cells.run(message["run"], message["number"])}
        else:
            reply = cells.ask(message["names"], message["ask"])
        write_message(replies, {**reply, "id": message.get("id")})


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
    with contextlib.suppress(BrokenPipeError):
        serve(questions, replies)
