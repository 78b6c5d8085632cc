"""`autograder doctor --setup triton`: the virtual environment that holds the real Triton server.

It lies in the course's data folder, or in the folder that AUTOGRADER_TRITON names. It is made beside its place, tried
out (the server is started and asked one question), and only then moved there: a half-made one is never taken for
finished, and whoever stops the command finds what was there before.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import progress

PACKAGES = ("nvidia-pytriton==0.7.0", "numpy<2", "tritonclient[http,grpc]", "onnxruntime")
TOLD = ("nvidia-pytriton", "numpy", "tritonclient", "onnxruntime")  # whose versions are kept
PYTHONS = ((3, 11), (3, 12), (3, 10))  # the server's Python stubs and NumPy below 2 both exist for these
NEEDED_BYTES = 1_500 * 10**6
PIP_S = 1_800


class SetupError(Exception):
    """The environment could not be made; the message says why and what to do."""


def triton_folder() -> Path:
    """Where the environment is, or would be."""
    if os.environ.get("AUTOGRADER_TRITON"):
        return Path(os.environ["AUTOGRADER_TRITON"]).expanduser()
    return progress.data_folder() / "triton"


def setup_triton(
    tell: Callable[[str], None] = lambda line: None, *, pip: Sequence[str] = (), again: bool = False
) -> Path:
    """Make the environment, or leave a usable one as it is; its folder. `tell` hears of each step.

    pip: further arguments of `pip install`. again: make it anew. Raises SetupError with one sentence.
    """
    from utils.serving.triton.environment import available, platform_reason

    folder = triton_folder()
    reason = platform_reason()
    if reason:
        raise SetupError(f"{reason}. Chapter 28 runs all the same: a server of its own stands in")
    if available(folder)[0] and not again:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder), _draft(folder) as draft:
            _make(draft, tell, pip)
            _put(draft, folder)
    except OSError as error:
        raise SetupError(f"{folder} cannot be made ({error}): set AUTOGRADER_TRITON to a folder of yours") from error
    return folder


# --- steps --------------------------------------------------------------------------------------


def _make(draft: Path, tell: Callable[[str], None], pip: Sequence[str]) -> None:
    free = shutil.disk_usage(draft.parent).free
    if free < NEEDED_BYTES:
        raise SetupError(
            f"{draft.parent} has {free / 1e9:.1f} GB left and 1.5 GB are needed: make room, or set "
            "AUTOGRADER_TRITON to another folder"
        )
    python = _interpreter()
    tell(f"making a virtual environment with {python}")
    _run(
        [python, "-m", "venv", str(draft)],
        "cannot make a virtual environment: on Debian or Ubuntu install python3-venv",
    )
    tell(f"installing {', '.join(PACKAGES)} (about 450 MB)")
    _install(draft, pip)
    _describe(draft)
    tell("starting the server once, to see that it answers")
    _try_out(draft)


def _interpreter() -> str:
    """A Python that both NumPy below 2 and the server's stubs exist for."""
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            return found
    raise SetupError(
        "the server's packages need Python 3.10, 3.11 or 3.12 and none is on the PATH: install one of them"
    )


def _install(draft: Path, pip: Sequence[str]) -> None:
    command = [
        str(draft / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        *pip,
        *PACKAGES,
    ]
    told = _output(command, PIP_S)
    if told is None:
        return
    lowered = told.lower()
    if any(word in lowered for word in ("connection", "resolve", "network", "timed out", "proxy", "retries")):
        raise SetupError("the packages could not be fetched: check the network and run the same command again")
    if "no matching distribution" in lowered or "could not find a version" in lowered:
        line = next(
            line for line in told.splitlines() if "find a version" in line.lower() or "matching" in line.lower()
        )
        raise SetupError(f"a package was not found ({line.strip()}): check the network and pip's index")
    raise SetupError(f"pip failed: {_last_line(told)}")


def _describe(draft: Path) -> None:
    """Write READY: where things are in the environment, and which versions it holds."""
    from utils.serving.triton.environment import READY

    code = (
        "import importlib.metadata as m, json, sys, sysconfig; print(json.dumps(["
        "'%d.%d' % sys.version_info[:2], sysconfig.get_path('purelib'), sysconfig.get_config_var('LIBDIR') or '', "
        f"{{p: m.version(p) for p in {TOLD!r}}}]))"
    )
    done = subprocess.run([draft / "bin" / "python", "-I", "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"the new environment does not work: {_last_line(done.stderr)}")
    version, packages_folder, libraries, versions = json.loads(done.stdout)
    told = {
        "version": version,
        "site_packages": str(Path(packages_folder).relative_to(draft)),
        "libpython": libraries,
        "packages": versions,
    }
    text = draft / f"{READY}.draft"
    text.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    text.replace(draft / READY)


def _try_out(draft: Path) -> None:
    """Start the server with a model that returns its input, and ask it once."""
    import numpy as np

    from utils.optional import EngineUnavailable
    from utils.serving.triton.repository import write_python_model
    from utils.serving.triton.server_process import TritonProcess

    config = (
        'backend: "python"\nmax_batch_size: 0\ninput [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]\n'
        'output [ { name: "y" data_type: TYPE_FP32 dims: [ -1 ] } ]\ninstance_group [ { kind: KIND_CPU } ]\n'
    )
    x = np.arange(3, dtype=np.float32)
    repository = Path(tempfile.mkdtemp(prefix="triton-models-"))
    try:
        write_python_model(repository, "echo", None, config)
        with TritonProcess(repository, draft, temporary=True) as server:
            y = server.client().infer("echo", {"x": x}, ["y"])["y"]
    except (EngineUnavailable, RuntimeError, OSError) as error:
        hint = ": install the package libpython3 of your system" if "libpython" in str(error) else ""
        raise SetupError(f"the server does not run here ({error}){hint}") from error
    finally:
        shutil.rmtree(repository, ignore_errors=True)
    if not np.array_equal(x, y):
        raise SetupError("the server runs and answers wrongly: run `autograder doctor --setup triton` again")


# --- files --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One set-up at a time for a folder. The lock goes with the process, however that ends."""
    import fcntl

    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SetupError("another set-up of the Triton environment is running: wait for its end") from error
        yield


@contextlib.contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A folder beside the final one, which is gone at the end; what killed set-ups left is removed first."""
    for old in folder.parent.glob(f"{folder.name}.draft-*"):
        shutil.rmtree(old, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.draft-", dir=folder.parent))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put(draft: Path, folder: Path) -> None:
    """Move the finished environment to its place; what was there goes."""
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f"{folder.name}.draft-", dir=folder.parent))
        folder.replace(old / "old")
        draft.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        draft.replace(folder)


# --- commands -----------------------------------------------------------------------------------


def _run(command: Sequence[str], sentence: str) -> None:
    told = _output(command, 300)
    if told is not None:
        raise SetupError(f"{command[0]} {sentence} ({_last_line(told)})")


def _output(command: Sequence[str], limit_s: float) -> str | None:
    """None when a command ends well, otherwise what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"timed out after {limit_s:g} s"
    return None if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"status {done.returncode}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
