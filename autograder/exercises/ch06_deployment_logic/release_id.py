"""Exercise 06.release_id: a name that is computed from the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from utils.delivery import release

from ...exercise import Case, Exercise, Misconception


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _line(name: str, content: bytes) -> bytes:
    return f"{name}\0{_sha(content)}\n".encode()


def _id(*, names: Callable[[dict], Iterable[str]] = sorted, line: Callable[[str, bytes], bytes] = _line,
        finish: Callable[[bytes], Any] = _sha, check: str = "both") -> Callable:
    """An answer from its parts; with the defaults it is right."""

    def answer(files: dict[str, bytes]) -> Any:
        if check in ("both", "empty") and not files:
            raise ValueError("no files")
        if check in ("both", "names") and any("\0" in n or "\n" in n for n in files):
            raise ValueError("a name")
        return finish(b"".join(line(name, files[name]) for name in names(files)))

    return answer


def _both(**parts: Callable) -> dict:
    """`answer` and `also` of a misconception: with and without the refusals."""
    return {"answer": _id(**parts), "also": (_id(**parts, check="none"),)}


def _of_repr(files: dict[str, bytes]) -> str:
    return _sha(str(files).encode())


def _python_hash(files: dict[str, bytes]) -> str:
    return f"{hash(frozenset(files.items())) & (2**64 - 1):x}"


def _python_hash_of_tuple(files: dict[str, bytes]) -> str:
    return str(hash(tuple(sorted(files.items()))))


# --- right answers --------------------------------------------------------------------------------


def _incremental(files: dict[str, bytes]) -> str:
    if len(files) == 0:
        raise ValueError("a release needs files")
    state = hashlib.sha256()
    for name, content in sorted(files.items()):
        if {"\0", "\n"} & set(name):
            raise ValueError(name)
        for part in (name.encode("utf-8"), b"\x00", hashlib.sha256(content).hexdigest().encode("ascii"), b"\n"):
            state.update(part)
    return state.hexdigest()


def _joined(files: dict[str, bytes]) -> str:
    names = list(files)
    names.sort()
    if not names or any(c in "".join(names) for c in "\n\0"):
        raise ValueError("files")
    text = "".join(n + chr(0) + hashlib.new("sha256", files[n]).hexdigest() + chr(10) for n in names)
    return hashlib.sha256(bytes(text, "utf8")).digest().hex()


# --- cases ----------------------------------------------------------------------------------------

NAMES = ("model.onnx", "labels.txt", "Contract.json", "env.lock", "pre.json", "model.bin", "a", "a.b", "Über.txt", "标签.txt", "Z")


def _draw(rng: np.random.Generator) -> tuple:
    """Names in any order; sometimes equal contents, sometimes empty ones."""
    names = [str(n) for n in rng.permutation(NAMES)[: int(rng.integers(1, 6))]]
    files = {name: rng.bytes(int(rng.choice([0, 1, 5, 40]))) for name in names}
    if len(names) > 1 and rng.random() < 0.3:
        files[names[0]] = files[names[1]]
    return (files,)


def _show(value: Any) -> str:
    return f"{value[:16]}…" if isinstance(value, str) and len(value) == 64 else repr(value)[:90]


release_id = Exercise(
    id="06.release_id", points=2, difficulty=1, minutes=8, idea="a release is named by what it holds",
    reference=release.release_id,
    cases=[Case({"model.onnx": b"abc", "labels.txt": b"0\n1\n"}), Case({"labels.txt": b"0\n1\n", "model.onnx": b"abc"})],
    hidden=[Case({"model2.onnx": b"abc", "labels.txt": b"0\n1\n"}), Case({"model.onnx": b"abc0\n", "labels.txt": b"1\n"}),
            Case({"a": b"bc", "d": b""}), Case({"ab": b"c", "d": b""}), Case({"a": b""}), Case({"b": b"1", "B": b"2", "a": b"3", "A": b"4"}),
            Case({"a": b"2", "b": b"1"}), Case({"a": b"1", "b": b"2"}), Case({"a": b"1\nb\x002", "c": b""}), Case({"标": b"x", "é": b"y", "z": b"w"}),
            Case({"a b": b"\xff\x00", "a": b"\n"})],
    raises=[Case({}, label="release_id({})"), Case({"a\0b": b"1"}, label="a name with a zero byte"),
            Case({"a\nb": b"1"}, label="a name with a newline"), Case({"ok": b"", "b\n": b"1"}, label="a name that ends in a newline"),
            Case({"ok": b"", "\0": b"1"}, label="a name that is a zero byte")],
    draw=_draw, draws=25, show=_show, pure=True,
    misconceptions=[
        Misconception(
            "contents_only", _id(line=lambda name, content: content), also=(_id(line=lambda name, content: content, check="none"),
                                                                            _id(line=lambda name, content: content, names=list, check="none")),
            message="You hash the contents one after another. Names and boundaries vanish: a renamed file, or a byte that moves to the "
                    "next file, leaves the id as it was.",
            title="Names and boundaries vanish."),
        Misconception(
            "insertion_order", **_both(names=list),
            message="The id depends on the order in which the files were put in. One bundle then has several ids: fix an order of the names.",
            title="One bundle, two ids."),
        Misconception(
            "repr", _of_repr, also=(lambda files: _sha(repr(sorted(files.items())).encode()), lambda files: _sha(str(list(files.items())).encode())),
            message="You hash Python's printed form of the dict or of its items. That is no file format: build exactly the bytes of the text.",
            title="A printed form."),
        Misconception(
            "python_hash", _python_hash, also=(_python_hash_of_tuple,),
            message="Python's own hash() gives other numbers in each process, and 64 bits only. An id has to be the same on every machine, and "
                    "nobody may find a second bundle with it: SHA-256.",
            title="hash() differs from process to process."),
        Misconception(
            "content_not_hashed", **_both(line=lambda name, content: name.encode() + b"\0" + content + b"\n"),
            message="You put the content itself between the zero byte and the newline. A content may hold both, so that two bundles can look "
                    "alike. Its SHA-256 in hex can't.",
            title="The content may hold the separators."),
        Misconception(
            "no_separators", **_both(line=lambda name, content: name.encode() + _sha(content).encode()),
            message="The separators are missing. The text asks for a zero byte behind each name and a newline behind each hash.",
            title="Separators missing."),
        Misconception(
            "hashes_only", **_both(line=lambda name, content: _sha(content).encode() + b"\n"),
            message="The names are not in your bytes, so model.onnx and labels.txt may be exchanged without a trace.",
            title="The names are not in it."),
        Misconception(
            "raw_digest", **_both(line=lambda name, content: name.encode() + b"\0" + hashlib.sha256(content).digest() + b"\n"),
            message="The inner hash is in raw bytes. The text asks for its 64 hex digits: `hexdigest()`.",
            title="Raw bytes instead of hex digits."),
        Misconception(
            "bytes_returned", **_both(finish=lambda data: hashlib.sha256(data).digest()),
            message="You return the raw 32 bytes. An id is a string of 64 hex digits.",
            title="Bytes instead of a string."),
        Misconception(
            "caseless_order", **_both(names=lambda files: sorted(files, key=str.lower)),
            message="You sort as a telephone book does. The text asks for Python's order of strings, where capitals come first.",
            title="Sorted without regard to capitals."),
        Misconception(
            "empty_accepted", _id(check="names"),
            "A release without files gets an id. It is a mistake of the caller: raise ValueError.", "Nothing is no release."),
        Misconception(
            "names_unchecked", _id(check="empty"), also=(_id(check="none"),),
            message="A name with a zero byte or a newline is accepted. These two bytes are your separators: with them in a name, two bundles "
                    "can give the same bytes.",
            title="A separator inside a name."),
    ],
    alternatives=[_incremental, _joined],
    hints=(
        "`hashlib.sha256(data).hexdigest()` gives the 64 digits of some bytes, `name.encode()` the UTF-8 of a name.",
        "Build the bytes of one file first: name, b\"\\0\", the hex digits of the content as bytes, b\"\\n\".",
        "Join these lines over `sorted(files)`, and hash the whole.",
    ),
    worth_knowing="git, container images and ONNX model stores name things in this way: the same bytes have the same name everywhere.",
)
