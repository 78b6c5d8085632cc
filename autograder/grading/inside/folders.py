"""Folders in which a learner's code has written: how much they hold, and removing them whatever they hold.

Directories may be locked, or nested deeper than a path can name: nothing here recurses or raises for that.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os

ENTRY_BYTES = 4096  # what an entry costs at least, so that empty files fill a folder too
MAX_LEVELS = 40


def size_of(folder: str, enough: float = math.inf) -> float:
    """Bytes on disk below a folder; infinite where it is nested deeper than MAX_LEVELS. Counting stops at `enough`."""
    total, waiting = 0, [(folder, 0)]
    while waiting and total <= enough:
        place, level = waiting.pop()
        if level > MAX_LEVELS:
            return math.inf
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                total += ENTRY_BYTES
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, level + 1))
    return total


def remove(folder: str) -> None:
    """Remove a folder that nobody writes to any more. What can't be removed stays."""
    fresh = (f".removed-{number}" for number in itertools.count())
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
    while True:
        nested = False
        for name in _names(folder):
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isdir(path):
                with contextlib.suppress(OSError):
                    os.unlink(path)
                continue
            nested |= _flatten(path, folder, fresh)
        if not nested:
            break
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _flatten(path: str, folder: str, fresh: itertools.count) -> bool:
    """Empty and remove a directory; the directories in it move up into `folder`. Whether one did."""
    moved = False
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
    for name in _names(path):
        inner = os.path.join(path, name)
        with contextlib.suppress(OSError):
            if os.path.islink(inner) or not os.path.isdir(inner):
                os.unlink(inner)
            else:
                os.chmod(inner, 0o700)  # moving a directory writes its ".."
                os.rename(inner, os.path.join(folder, next(fresh)))
                moved = True
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return moved


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
