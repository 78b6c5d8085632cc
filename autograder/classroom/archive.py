"""Reads a zip that somebody else made. Nothing is ever extracted by the name that the zip gives.

Names are only looked at; bytes come out one entry at a time, with a limit that the zip can't talk its
way around: what is counted is what was really unpacked.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from . import ClassroomError

MAX_ENTRIES = 20_000
MAX_ENTRY_BYTES = 50 * 2**20
MAX_TOTAL_BYTES = 4 * 2**30
# Deflate reaches about 1000 at best; a notebook full of outputs stays below 100.
MAX_RATIO = 300
RATIO_FROM_BYTES = 2**20
# Made by file managers and by Jupyter, never handed in by anybody.
JUNK = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints"}
UNIX = 3
EXTENDED_TIME = 0x5455


class EntryError(ValueError):
    """One file of a zip can't be taken; the message says why."""


@dataclass(frozen=True)
class Entry:
    """A file in a zip: its path as parts, and when it was written (None when the zip doesn't say).

    refused: why it is never read ("" if it may be).
    """

    parts: tuple[str, ...]
    written: datetime | None
    info: zipfile.ZipInfo
    refused: str = ""

    @property
    def name(self) -> str:
        return "/".join(self.parts)

    @property
    def is_notebook(self) -> bool:
        return self.parts[-1].lower().endswith(".ipynb")


class Archive:
    """The files of an open zip. `read` raises EntryError for one that can't be taken."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._zip = file
        self._taken = 0
        self.entries = [e for e in map(_entry, file.infolist()) if e is not None]

    def read(self, entry: Entry) -> bytes:
        """The content of an entry, at most MAX_ENTRY_BYTES."""
        if entry.refused:
            raise EntryError(entry.refused)
        try:
            with self._zip.open(entry.info) as stream:
                data = self._limited(stream, entry)
        except (EntryError, ClassroomError):
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error) as error:
            raise EntryError(f"is damaged in the zip ({error})") from error
        except (NotImplementedError, RuntimeError) as error:
            raise EntryError(f"can't be unpacked ({error})") from error
        return data

    def _limited(self, stream, entry: Entry) -> bytes:
        chunks, size = [], 0
        while chunk := stream.read(2**16):
            size += len(chunk)
            self._taken += len(chunk)
            if size > MAX_ENTRY_BYTES:
                raise EntryError(f"is larger than {MAX_ENTRY_BYTES // 2**20} MB")
            if size > RATIO_FROM_BYTES and size > MAX_RATIO * max(entry.info.compress_size, 1):
                raise EntryError(f"unpacks to more than {MAX_RATIO} times its size, like a zip bomb")
            if self._taken > MAX_TOTAL_BYTES:
                raise ClassroomError(f"the zip unpacks to more than {MAX_TOTAL_BYTES // 2**30} GB: import it in parts")
            chunks.append(chunk)
        return b"".join(chunks)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The zip at `path`, checked as a whole. ClassroomError with a sentence if it can't be used."""
    if not path.is_file():
        raise ClassroomError(f"{path} is not a file: give the zip that the LMS let you download")
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ClassroomError(f"{path} is not a whole zip file ({error}): download it again") from error
    with file:
        _check(path, file)
        yield Archive(file)


def _check(path: Path, file: zipfile.ZipFile) -> None:
    infos = file.infolist()
    if len(infos) > MAX_ENTRIES:
        raise ClassroomError(f"{path} holds {len(infos):,} files, more than {MAX_ENTRIES:,}: import it in parts")
    if any(i.flag_bits & 1 for i in infos):
        raise ClassroomError(f"{path} is encrypted: unpack it with its password and zip the folder without one")


def _entry(info: zipfile.ZipInfo) -> Entry | None:
    """What is known of an entry before it is read; None for folders and for what machines leave behind."""
    name = _decoded(info)
    parts = tuple(p for p in name.replace("\\", "/").split("/") if p not in ("", "."))
    if info.is_dir() or name.endswith(("/", "\\")) or not parts or JUNK & {*parts} or parts[-1].startswith("._"):
        return None
    return Entry(parts, _written(info), info, _refusal(name, parts, info))


def _refusal(name: str, parts: tuple[str, ...], info: zipfile.ZipInfo) -> str:
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in parts:
        return "has a path that leads out of its folder"
    if re.search(r"[\x00-\x1f\x7f]", name) or "\0" in info.orig_filename:
        return "has control characters in its name"
    mode = info.external_attr >> 16
    if info.create_system == UNIX and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a device, not a file"
    return ""


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name. Many tools write UTF-8 without saying so, and Python then reads code page 437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _written(info: zipfile.ZipInfo) -> datetime | None:
    """When the entry was written, UTC: from the extra field where there is one, else the zip's local time."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == EXTENDED_TIME and len(body) >= 5 and body[0] & 1:
            return datetime.fromtimestamp(struct.unpack_from("<i", body, 1)[0], UTC)
    try:
        local = datetime(*info.date_time)
        # 1980 is the zero of the format: the program that made the zip knew no time.
        return None if local.year <= 1980 else local.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
