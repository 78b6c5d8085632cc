"""What lies in a saved model: a .pt of torch.jit.save and a .pt2 of torch.export.save are zip archives."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path


def archive_listing(path: str | Path) -> list[tuple[str, int]]:
    """(name, bytes) of each member, without the folder that all of them share. Raises ValueError for another file."""
    return [(_short(info.filename), info.file_size) for info in _open(path).infolist()]


def archive_text(path: str | Path, ending: str) -> str:
    """The text of the first member whose name ends with `ending`. Raises KeyError if there is none."""
    with _open(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(ending):
                return archive.read(info).decode("utf-8")
    raise KeyError(f"no member of {Path(path).name} ends with {ending!r}")


def pickle_imports(path: str | Path) -> list[str]:
    """The names that the archive's pickles would import, sorted; read without loading anything."""
    found: set[str] = set()
    with _open(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".pkl"):
                found |= {str(argument).replace(" ", ".") for op, argument, _ in pickletools.genops(archive.read(info))
                          if op.name == "GLOBAL"}
    return sorted(found)


def _open(path: str | Path) -> zipfile.ZipFile:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"path must be a zip archive (.pt or .pt2), got {Path(path).name}")
    return zipfile.ZipFile(path)


def _short(name: str) -> str:
    return name.split("/", 1)[-1]
