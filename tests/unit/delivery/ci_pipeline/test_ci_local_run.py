"""The local runner: real processes, their results, failFast, time limits, retries, reports, and none left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from xml.etree import ElementTree

import pytest

from utils.delivery.ci_pipeline import GatePolicy, run_local_pipeline, run_tree
from utils.delivery.ci_pipeline.model_stages import model_spec

STAGES = """
    import os, sys, time
    from pathlib import Path
    from utils.delivery.ci_pipeline.stage_worker import StageFailed

    def note(folder):
        (folder / f"pid-{os.getpid()}").touch()

    def good(folder, **told):
        note(folder)
        return told

    def bad(folder):
        raise StageFailed("no", {"p": 0.5})

    def wrong(folder):
        raise KeyError("missing")

    def gone(folder):
        os._exit(7)

    def forever(folder):
        note(folder)
        (folder / "waiting").touch()
        while True:
            time.sleep(0.05)

    def bad_when_waiting(folder):
        limit = time.monotonic() + 20
        while not (folder / "waiting").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        raise StageFailed("after the sibling has begun")

    def flaky(folder):
        note(folder)
        if len(list(folder.glob("pid-*"))) < 3:
            raise StageFailed("flake")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "ci_test_stages.py").write_text(textwrap.dedent(STAGES))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def leaf(name, function, **more):
    return {"name": name, "call": f"ci_test_stages:{function}", **more}


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not os.path.exists(f"/proc/{pid}/stat") or open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"


def all_gone(folder, limit_s=20):
    """No process that left its number in the folder is running any more."""
    end = time.monotonic() + limit_s
    pids = [int(p.name[4:]) for p in folder.glob("pid-*")]
    assert pids
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(alive(pid) for pid in pids)


def test_statuses_are_those_of_the_simulation(folder):
    spec = {"name": "all", "stages": [
        leaf("a", "good", args={"unstable": "slow"}), leaf("off", "bad", when=False),
        {"name": "both", "parallel": [leaf("x", "good", args={"n": 3}), leaf("y", "bad"), leaf("w", "wrong")]},
        {"name": "later", "stages": [leaf("z", "good")]}]}
    log = run_local_pipeline(spec, folder, previous="SUCCESS")
    results = {"a": "UNSTABLE", "y": "FAILURE", "w": "FAILURE"}

    def simulated(stage):
        kind = next((k for k in ("stages", "parallel") if k in stage), None)
        if kind:
            return stage | {kind: [simulated(s) for s in stage[kind]]}
        return {"name": stage["name"], "minutes": 1, "result": results.get(stage["name"], "SUCCESS"),
                "when": stage.get("when", True)}

    assert log.statuses() == {name: status for name, (status, _, _) in run_tree(simulated(spec)).items()}
    assert log.stages["x"].told == {"n": 3} and log.stages["y"].told == {"p": 0.5} and log.stages["y"].reason == "no"
    assert log.stages["w"].reason.startswith("KeyError") and "Traceback" in (folder / "logs/w.1.txt").read_text()
    assert log.result == "FAILURE" and log.post == ("always", "changed", "regression", "unsuccessful", "failure", "cleanup")


def test_fail_fast_ends_a_running_sibling(folder):
    spec = {"name": "all", "stages": [
        {"name": "both", "failFast": True, "parallel": [
            {"name": "long", "stages": [leaf("wait", "forever"), leaf("after", "good")]}, leaf("bad", "bad_when_waiting")]},
        leaf("deploy", "good")]}
    log = run_local_pipeline(spec, folder)
    assert log.statuses() == {"all": "FAILURE", "both": "FAILURE", "long": "ABORTED", "wait": "ABORTED",
                              "after": "NOT_BUILT", "bad": "FAILURE", "deploy": "NOT_BUILT"}
    assert log.stages["wait"].reason == "a sibling failed" and all_gone(folder)


def test_time_limits_retries_and_lost_processes(folder):
    log = run_local_pipeline(leaf("late", "forever", timeout_s=1.0), folder)
    assert log.result == "FAILURE" and "longer than 1 s" in log.stages["late"].reason and all_gone(folder)
    for path in folder.glob("pid-*"):
        path.unlink()
    log = run_local_pipeline(leaf("flaky", "flaky", retries=3), folder)
    assert log.result == "SUCCESS" and log.stages["flaky"].attempts == 3
    assert run_local_pipeline(leaf("gone", "gone"), folder).stages["gone"].reason.endswith("status 7")
    with pytest.raises(ValueError, match="executors"):
        run_local_pipeline(leaf("x", "good"), folder, executors=0)


def test_reports_are_junit_xml(folder):
    run_local_pipeline({"name": "all", "parallel": [leaf("ok", "good"), leaf("not ok", "bad")]}, folder, executors=1)
    suites = {p.stem: ElementTree.parse(p).getroot() for p in (folder / "reports").glob("*.xml")}
    assert {name: suite.get("failures") for name, suite in suites.items()} == {"ok": "0", "not-ok": "1"}
    assert suites["not-ok"].find("testcase/failure").get("message") == "no"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_runner_is_interrupted_or_killed(folder, sign):
    script = ("from utils.delivery.ci_pipeline import run_local_pipeline\n"
              "run_local_pipeline({'name': 'x', 'parallel': [{'name': 'w', 'call': 'ci_test_stages:forever'}]}, '.')")
    runner = subprocess.Popen([sys.executable, "-c", script], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while not (folder / "waiting").exists() and time.monotonic() < end:
            time.sleep(0.02)
        runner.send_signal(sign)
        runner.wait(20)
    finally:
        if runner.poll() is None:
            runner.kill()
    assert all_gone(folder)


def test_the_gate_blocks_a_real_bad_model(tmp_path):
    """Train, export, compress, gate: two bits fail on accuracy although the shapes are right; four bits do not."""
    pytest.importorskip("torch")
    spec = model_spec(GatePolicy(max_latency_ratio=100.0).as_dict(), rounds=5,
                      candidates=(("int8", 8), ("4bit", 4), ("2bit", 2)))
    log = run_local_pipeline(spec, tmp_path)
    statuses = log.statuses()
    assert statuses["train"] == statuses["shapes 2bit"] == "SUCCESS"
    assert statuses["gate 2bit"] == "FAILURE" and log.stages["gate 2bit"].told["reasons"] == ["accuracy"]
    assert "accuracy" not in log.stages["gate 4bit"].told.get("reasons", [])
    assert log.stages["gate int8"].told["size_ratio"] < 0.5 and log.result == "FAILURE"
    assert (tmp_path / "2bit.provenance.json").exists()
