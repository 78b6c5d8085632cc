"""The operating system's page cache: is a file in it, and how to get it out.

A file that was read once stays in memory as long as there is room, so a second "load from disk" reads no disk.
`posix_fadvise(POSIX_FADV_DONTNEED)` asks Linux to drop a file's clean pages that nobody has mapped; `mincore` says
which pages are there. Both are advice and observation of this kernel only: a virtual machine's host or the disk's own
memory may still hold the bytes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

CHUNK_BYTES = 1 << 20


def drop_from_page_cache(path: str | Path) -> bool:
    """Ask the kernel to forget a file's pages; whether none of them is left in the page cache.

    Written pages are flushed first, since only clean ones are dropped. Pages that some process has mapped stay.
    False where the system has no `posix_fadvise` or does not say what became of it.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError:  # some file systems refuse either
        return False
    finally:
        os.close(descriptor)
    return cached_share(path) == 0.0


def read_into_page_cache(path: str | Path) -> None:
    """Read a file from end to end and throw the bytes away."""
    with open(path, "rb", buffering=0) as file:
        while file.read(CHUNK_BYTES):
            pass


def cached_share(path: str | Path) -> float | None:
    """The share of a file's pages that are in the page cache, 0 to 1; None where the system does not tell.

    An empty file has no pages: 0.
    """
    size = os.path.getsize(path)
    if not size:
        return 0.0
    mincore = _mincore()
    if mincore is None:
        return None
    pages = -(-size // mmap.PAGESIZE)
    found = (ctypes.c_ubyte * pages)()
    with open(path, "rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
        start = ctypes.c_char.from_buffer(mapped)  # mapping does not read: no page is touched here
        try:
            failed = mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), found)
        finally:
            del start  # a mapping that is still referred to can't be closed
    return None if failed else sum(page & 1 for page in found) / pages


def _mincore():
    """The C library's `mincore`, or None where there is none."""
    try:
        return ctypes.CDLL(None, use_errno=True).mincore
    except (AttributeError, OSError, TypeError):
        return None
