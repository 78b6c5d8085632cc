"""`autograder lab`: JupyterLab on the start notebook, bound to this machine, with a token."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

from .chapters import ROOT

FIRST_PORT, START_LIMIT_S = 8888, 90.0
SETTINGS = Path(__file__).with_name("lab_settings")  # no news pop-up, no instructor's side panel


class LabError(Exception):
    """JupyterLab can't be started; the message says why and what to do."""


def run_lab(port: int | None = None, browser: bool = True) -> int:
    """Start JupyterLab, print its address once it answers, wait for its end; its exit status."""
    port, token = choose_port(port), secrets.token_hex(24)
    address = f"http://127.0.0.1:{port}/lab/tree/00_start_here.ipynb?token={token}"
    process = subprocess.Popen(command(port), cwd=ROOT / "course", env={**os.environ, "JUPYTER_TOKEN": token})
    try:
        _wait(process, port, token)
        print(f"\nJupyterLab is ready: {address}\nStop it with Ctrl+C.\n", flush=True)
        if browser and not os.environ.get("SSH_CONNECTION"):
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(address)
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(process)


def command(port: int) -> list[str]:
    """The server's command line. The token comes from the environment: command lines are public."""
    flags = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--no-browser",
             f"--ServerApp.root_dir={ROOT / 'course'}", "--ServerApp.log_level=WARN",
             f"--LabApp.app_settings_dir={SETTINGS}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--allow-root")
    return [sys.executable, "-m", "jupyterlab", *flags]


def choose_port(wanted: int | None) -> int:
    """The wanted port, or the first free one from FIRST_PORT on. LabError if the wanted one is taken."""
    if wanted is not None:
        if not 1 <= wanted <= 65535:
            raise LabError(f"{wanted} is not a port: choose one from 1024 to 65535")
        if not _free(wanted):
            raise LabError(f"port {wanted} is taken: choose another, for example make lab PORT={wanted + 1}")
        return wanted
    for port in range(FIRST_PORT, FIRST_PORT + 50):
        if _free(port):
            return port
    raise LabError(f"the ports {FIRST_PORT} to {FIRST_PORT + 49} are all taken: choose one with make lab PORT=9999")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait(process: subprocess.Popen, port: int, token: str) -> None:
    url, deadline = f"http://127.0.0.1:{port}/api/status?token={token}", time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LabError("JupyterLab did not start: run `.venv/bin/jupyter lab course` to see why")
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.2)
    raise LabError(f"JupyterLab did not answer within {START_LIMIT_S:.0f} s on port {port}")


def _stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
