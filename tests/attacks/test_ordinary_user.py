"""The whole suite once more as an ordinary user, where it was started by root.

In a mount namespace of its own, so nothing changes on the machine: folders that are closed to others on the way to the
interpreter, to the packages or to the project are replaced by empty ones that hold just these.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from autograder.chapters import ROOT

pytestmark = pytest.mark.slow

USER = 12345
AGAIN = "AUTOGRADER_ATTACKS_AGAIN"  # set in the inner run, which must not start another
INSIDE = """
set -e
for place in $CLOSED; do mkdir -p "$KEPT/$place"; mount --rbind "$place" "$KEPT/$place"; done
for top in $TOPS; do mount -t tmpfs -o mode=755,size=1m none "$top"; done
for place in $CLOSED; do mkdir -p "$place"; mount --rbind "$KEPT/$place" "$place"; umount -l "$KEPT/$place"; done
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --inh-caps=-all --bounding-set=-all -- "$@"
"""


def closed_tops(paths):
    """The outermost folders on the way to each path that others can't enter."""
    found = {}
    for path in paths:
        for parent in reversed([path, *path.parents]):
            if not parent.stat().st_mode & 0o001:
                found[path] = parent
                break
    return found


def words_for(*command):
    """The command line and the environment that run a command as the ordinary user."""
    paths = {Path(sys.base_prefix).resolve(), Path(sys.prefix), ROOT, Path(sysconfig.get_paths()["purelib"])}
    closed = {path: top for path, top in closed_tops(paths).items() if path != top}
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", INSIDE, "sh", *command]
    more = {"CLOSED": " ".join(map(str, closed)), "TOPS": " ".join(sorted({str(top) for top in closed.values()})), "USER_ID": str(USER)}
    return words, more


def reason_to_skip():
    if os.environ.get(AGAIN):
        return "this is the inner run"
    if os.getuid() != 0:
        return "the whole suite runs as an ordinary user already"
    missing = [program for program in ("unshare", "setpriv", "mount") if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} (util-linux) is missing"
    try:
        tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no mount namespace can be made: {error}"
    return "" if tried.returncode == 0 else "no mount namespace can be made here"


@pytest.fixture
def place():
    """A folder of the ordinary user's own, outside of pytest's, which is closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="ordinary-", dir="/tmp"))
    folder.chmod(0o755)
    for name in ("kept", "home"):
        (folder / name).mkdir()
    os.chown(folder / "home", USER, USER)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip() or "none")
@pytest.mark.parametrize("files", [
    ["tests/attacks/test_corpus.py"],
    ["tests/attacks/test_attack_layers.py", "tests/unit/grading/test_sandbox.py"],
], ids=["corpus", "layers"])
def test_the_suite_passes_as_an_ordinary_user(place, files):
    words, more = words_for(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "--tb=short",
                            "--basetemp", str(place / "home" / "base"), *files)
    environment = {**os.environ, **more, AGAIN: "1", "KEPT": str(place / "kept"), "HOME": str(place / "home"),
                   "TMPDIR": str(place / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_CURRENT_TEST", None)
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "passed" in done.stdout or "[100%]" in done.stdout
