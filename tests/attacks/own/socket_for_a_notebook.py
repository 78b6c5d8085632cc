"""EXPECT: refused. A socket is no notebook."""

import os
import socket

KIND = "submit"
REFUSED = True
CAUSE = r"not a regular file|can't be opened"


def submit(nb, folder):
    (folder / f"{folder.name}.ipynb").unlink()
    here = os.getcwd()
    os.chdir(folder)  # the address of a socket is at most 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(f"{folder.name}.ipynb")
    finally:
        os.chdir(here)
    return False
