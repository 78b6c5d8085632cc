"""The environment of the real server: made beside its place and tried out first, and one sentence for what goes wrong.

pip and the server are stood in for here, except in the last test, which looks at a real environment where there is one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from autograder import cli, setup_triton
from autograder.doctor import examine
from autograder.setup_triton import SetupError, triton_folder
from utils.serving.triton import environment

run = CliRunner().invoke
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bundled server exists for Linux")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for the environment, on a machine that can have it."""
    monkeypatch.setenv("AUTOGRADER_TRITON", str(tmp_path / "data" / "triton"))
    monkeypatch.setattr(environment, "platform_reason", lambda: "")
    monkeypatch.setattr(setup_triton, "_interpreter", lambda: sys.executable)
    return tmp_path / "data" / "triton"


def fill(draft, numpy="1.26.4"):
    """What pip would have left."""
    bundle = draft / "site" / "pytriton" / "tritonserver"
    for path in (draft / "bin" / "python", bundle / "bin" / "tritonserver", bundle / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    told = {"version": "3.11", "site_packages": "site", "libpython": "", "packages": {"nvidia-pytriton": "0.7.0", "numpy": numpy}}
    (draft / environment.READY).write_text(json.dumps(told))


@pytest.fixture
def steps(monkeypatch):
    """All steps replaced; what they were asked to do."""
    done = []
    monkeypatch.setattr(setup_triton, "_run", lambda command, sentence: done.append("venv"))
    monkeypatch.setattr(setup_triton, "_install", lambda draft, pip: (done.append("install"), fill(draft)))
    monkeypatch.setattr(setup_triton, "_describe", lambda draft: done.append("describe"))
    monkeypatch.setattr(setup_triton, "_try_out", lambda draft: done.append("try"))
    return done


def left(place):
    return sorted(p.name for p in place.parent.iterdir() if "lock" not in p.name) if place.parent.exists() else []


def test_it_is_made_once_and_again_on_demand(place, steps):
    assert setup_triton.setup_triton() == place and steps == ["venv", "install", "describe", "try"] and environment.available(place)[0]
    setup_triton.setup_triton()
    assert len(steps) == 4
    (place / "mark").write_text("")
    setup_triton.setup_triton(again=True)
    assert len(steps) == 8 and not (place / "mark").exists() and left(place) == ["triton"]


@pytest.mark.parametrize("step", ["_run", "_install", "_describe", "_try_out"])
@pytest.mark.parametrize("error", [SetupError("no"), KeyboardInterrupt()])
def test_a_step_that_fails_leaves_what_was_there(place, steps, monkeypatch, step, error):
    def fails(*_):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(setup_triton, step, fails)
        with pytest.raises(type(error)):
            setup_triton.setup_triton()
    assert left(place) == [] and not environment.available(place)[0]
    setup_triton.setup_triton()
    (place / "mark").write_text("")
    with monkeypatch.context() as patched:
        patched.setattr(setup_triton, step, fails)
        with pytest.raises(type(error)):
            setup_triton.setup_triton(again=True)
    assert left(place) == ["triton"] and (place / "mark").exists() and environment.available(place)[0]


def test_a_killed_setup_is_no_environment_and_is_cleared_away(place, steps):
    """SIGKILL while pip runs: the next set-up removes the half-made folder and makes a new one."""
    code = ("import os, signal\nfrom autograder import setup_triton as s\nfrom utils.serving.triton import environment\nenvironment.platform_reason = lambda: ''\n"
            "s._interpreter = lambda: 'python'\ns._run = lambda *a: None\n"
            "s._install = lambda draft, pip: ((draft / 'half').write_text('x'), os.kill(os.getpid(), signal.SIGKILL))\ns.setup_triton()\n")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "AUTOGRADER_TRITON": str(place)}, timeout=60)
    assert done.returncode == -9 and not place.exists() and len(left(place)) == 1
    assert not environment.available(place)[0]
    setup_triton.setup_triton()
    assert left(place) == ["triton"] and environment.available(place)[0]


def test_two_at_a_time_are_refused(place, steps, monkeypatch):
    def second(*_):
        with pytest.raises(SetupError, match="another set-up"):
            setup_triton.setup_triton()

    monkeypatch.setattr(setup_triton, "_describe", second)
    setup_triton.setup_triton()
    assert left(place) == ["triton"]


@pytest.mark.parametrize("told, part", [
    ("ERROR: NewConnectionError: Failed to establish a new connection", "check the network"), ("Could not resolve host", "check the network"), ("timed out after 1800 s", "check the network"),
    ("ERROR: Could not find a version that satisfies the requirement x", "find a version"), ("ERROR: something else\nlast words", "last words"),
])
def test_pips_failures_are_one_sentence(place, monkeypatch, told, part):
    monkeypatch.setattr(setup_triton, "_run", lambda *a: None)
    monkeypatch.setattr(setup_triton, "_output", lambda command, limit: told)
    result = run(cli.app, ["doctor", "--setup", "triton"])
    assert result.exit_code == 2 and left(place) == []
    with pytest.raises(SetupError) as error:
        setup_triton.setup_triton()
    assert part in str(error.value) and "\n" not in str(error.value)


def test_without_a_network_pip_itself_is_understood(place):
    """A real venv and a real pip, whose index nobody answers."""
    with pytest.raises(SetupError, match="check the network"):
        setup_triton.setup_triton(pip=["--index-url", "http://127.0.0.1:9/simple", "--retries", "0", "--timeout", "2", "--no-cache-dir"])
    assert left(place) == []


@pytest.mark.parametrize("system, machine, libc, part", [
    ("darwin", "arm64", ("", ""), "Linux on x86-64"), ("linux", "aarch64", ("glibc", "2.36"), "Linux on x86-64"), ("linux", "x86_64", ("glibc", "2.31"), "glibc 2.35"),
    ("linux", "x86_64", ("", ""), "glibc 2.35"), ("win32", "AMD64", ("", ""), "Linux on x86-64"),
])
def test_other_platforms_are_told_so(monkeypatch, tmp_path, system, machine, libc, part):
    monkeypatch.setenv("AUTOGRADER_TRITON", str(tmp_path / "triton"))
    with monkeypatch.context() as patched:
        patched.setattr(environment.sys, "platform", system)
        patched.setattr(environment.platform, "machine", lambda: machine)
        patched.setattr(environment.platform, "libc_ver", lambda: libc)
        with pytest.raises(SetupError, match=part) as told:
            setup_triton.setup_triton()
        assert "stands in" in str(told.value)
        assert part in environment.available(tmp_path)[1]


def test_a_full_disk_and_a_folder_that_cannot_be_written(place, monkeypatch):
    monkeypatch.setattr(setup_triton.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**8))
    with pytest.raises(SetupError, match="make room"):
        setup_triton.setup_triton()
    (place.parent / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_TRITON", str(place.parent / "file" / "triton"))
    with pytest.raises(SetupError, match="AUTOGRADER_TRITON"):
        setup_triton.setup_triton()


@pytest.mark.parametrize("damage", ["numpy", "json", "server", "stub", "empty"])
def test_a_damaged_environment_is_not_taken(place, monkeypatch, damage):
    place.mkdir(parents=True)
    fill(place, "2.1.0" if damage == "numpy" else "1.26.4")
    if damage in ("json", "empty"):
        (place / environment.READY).write_text("{" if damage == "json" else "{}")
    if damage in ("server", "stub"):
        next(place.rglob("tritonserver*" if damage == "server" else "*_stub")).rename(place / "elsewhere")
    ok, told = environment.available(place)
    assert not ok and "doctor --setup triton" in told and "\n" not in told


def test_the_command_and_doctors_line(place, steps):
    other = run(cli.app, ["doctor", "--setup", "tensorrt"])
    assert other.exit_code == 2
    line = next(f for f in examine() if f.name == "Triton server")
    assert not line.ok and not line.needed and "doctor --setup triton" in line.advice
    result = run(cli.app, ["doctor", "--setup", "triton"])
    assert result.exit_code == 0 and "ready in" in result.output and "installing" in result.output
    line = next(f for f in examine() if f.name == "Triton server")
    assert line.ok and "0.7.0" in line.found and str(place) in line.enables


def test_the_folder_is_the_data_folder_unless_it_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("AUTOGRADER_TRITON", raising=False)
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path))
    assert triton_folder() == tmp_path / "triton"
    monkeypatch.setenv("AUTOGRADER_TRITON", "~/t")
    assert triton_folder() == Path.home() / "t"


REAL = triton_folder()


@pytest.mark.skipif(not environment.available(REAL)[0], reason=environment.available(REAL)[1])
def test_a_real_environment_has_numpy_below_two_and_answers():
    found = environment.TritonEnvironment.at(REAL)
    told = subprocess.run([found.python, "-I", "-c", "import numpy, tritonclient.grpc, tritonclient.http, onnxruntime; print(numpy.__version__)"],
                          capture_output=True, text=True, check=True, timeout=120).stdout
    assert told.strip() == found.packages["numpy"] and int(told.split(".")[0]) < 2
    setup_triton._try_out(REAL)
