"""Helper processes that never outlive the process that started them."""

from __future__ import annotations

import os
import threading


def end_with_parent() -> None:
    """End this process (exit status 3) at once when its standard input closes: the parent closed it, or died.

    Whoever starts it gives it a pipe as standard input and writes nothing there.
    """

    def watch() -> None:
        os.read(0, 1)  # not sys.stdin: its lock, held by a thread, aborts the interpreter at its end
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()
