"""The real Triton server, where its environment is installed: HTTP, gRPC, batches, verdicts, and a clean end."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from autograder.setup_triton import triton_folder
from utils.graphs.onnx_tools import make_session
from utils.optional import EngineUnavailable
from utils.serving.triton import TritonProcess, V2Error, available, write_python_model
from utils.serving.triton.experiment import compare_batching, digits_model, digits_rows, model_name, serve_digits
from utils.serving.triton.verdicts import CLAIMS, echo_config, real_verdicts, told_verdict

FOLDER = triton_folder()  # before the tests have a data folder of their own
OK, REASON = available(FOLDER)
WAIT_S = 30.0
real = pytest.mark.skipif(not OK, reason=REASON)


@pytest.mark.skipif(not os.environ.get("AUTOGRADER_TRITON"), reason="AUTOGRADER_TRITON names no environment that must work")
def test_an_environment_that_is_named_works():
    assert OK, REASON


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid):
    """All processes below one, by /proc."""
    below = [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    return below + [c for b in below for c in children(b)]


def until(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {WAIT_S:g} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def served():
    digits = digits_model()
    with serve_digits(FOLDER, digits) as server:
        names = server.names
        rows = digits_rows(5)
        yield server, rows, make_session(digits, optimize=True).run(None, {names[0]: rows})[0]


@real
def test_http_and_grpc_give_onnx_runtimes_answer(served):
    server, rows, direct = served
    assert server.real and server.name.startswith("Triton Inference Server 2.")
    for got in (server.infer(model_name(0), rows), server.infer(model_name(0), rows, binary=False), server.infer_grpc(model_name(0), rows)):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, direct, rtol=1e-5, atol=1e-5)  # two builds of ONNX Runtime may differ in the last bits


@real
def test_the_metrics_show_dynamic_batching(served):
    server, _, _ = served
    runs = compare_batching(server)
    for run in runs:
        assert run.inferences == sum(n * k for n, k in run.sizes.items()) and run.executions == sum(run.sizes.values())
        assert max(run.sizes) <= 8
    alone = [r for r in runs if r.clients == 1]
    assert all(r.executions == r.inferences for r in alone)
    delayed = next(r for r in runs if r.clients == 8 and r.delay_us)
    assert delayed.executions < delayed.inferences  # it waits for 5 ms, and eight clients ask at the same time


@real
def test_simultaneous_requests_become_one_batch(tmp_path):
    """Eight rows that meet within a delay of ten seconds: the batch is full, so nobody waits for the delay."""
    digits = digits_model()
    with serve_digits(FOLDER, digits, delays_us=(10_000_000,)) as server:
        name, rows, answers = model_name(10_000_000), digits_rows(8), {}
        threads = [threading.Thread(target=lambda i=i: answers.__setitem__(i, server.infer(name, rows[i : i + 1]))) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(WAIT_S)
        assert server.metric("nv_inference_count", name) == 8 and server.metric("nv_inference_exec_count", name) == 1
        direct = make_session(digits, optimize=True).run(None, {server.names[0]: rows})[0]
        np.testing.assert_allclose(np.concatenate([answers[i] for i in range(8)]), direct, rtol=1e-5, atol=1e-5)


@real
def test_its_verdicts_are_ours():
    assert real_verdicts(FOLDER) == {claim.name: told_verdict(claim) for claim in CLAIMS}


@real
def test_errors_are_the_servers_own(served):
    server, rows, _ = served
    with pytest.raises(V2Error, match="batch-size must be <= 8") as told:
        server.infer(model_name(0), digits_rows(9))
    assert told.value.status == 400
    with pytest.raises(RuntimeError, match="gRPC"):
        server.infer_grpc("no_such_model", rows)


def echo_repository(folder, more="instance_group { kind: KIND_CPU }"):
    folder.mkdir()
    write_python_model(folder, "echo", None, echo_config("[ -1 ]", more=more))
    return folder


@real
def test_one_server_process_and_a_stub_for_each_instance(tmp_path):
    with TritonProcess(echo_repository(tmp_path / "repo", "instance_group { count: 3 kind: KIND_CPU }"), FOLDER) as server:
        below = children(server.pid)
        programs = [Path(f"/proc/{pid}/exe").resolve().name for pid in below]
    assert programs.count("tritonserver") == 1 and programs.count("triton_python_backend_stub") == 3
    until(lambda: not any(map(alive, below)), "the end of all processes")
    assert (tmp_path / "repo").exists()  # it was not ours to remove


@real
def test_it_listens_on_loopback_only_and_stops_by_itself(tmp_path):
    server = TritonProcess(echo_repository(tmp_path / "repo"), FOLDER, temporary=True).start()
    listening = {line.split()[1] for path in ("tcp", "tcp6") for line in Path(f"/proc/net/{path}").read_text().splitlines()[1:] if line.split()[3] == "0A"}
    ours = {f":{port:04X}" for port in server.ports}
    found = [address for address in listening if address[-5:] in ours]
    assert len(found) >= 3 and all(address.split(":")[0].endswith("0100007F") for address in found)  # also IPv4 within IPv6
    assert server.stop() == 0 and server.stop() == 0
    assert not (tmp_path / "repo").exists()


@real
def test_a_model_that_cannot_load_is_told_with_the_servers_words(tmp_path):
    repo = echo_repository(tmp_path / "repo", "instance_group { kind: KIND_GPU gpus: [ 7 ] }")
    with pytest.raises(RuntimeError, match=r"gpu id 7|no GPUs"):
        TritonProcess(repo, FOLDER, environment={**os.environ, "CUDA_VISIBLE_DEVICES": ""}).start()


PARENT = """
import sys, time
from pathlib import Path
from utils.serving.triton.server_process import TritonProcess
server = TritonProcess(sys.argv[1], sys.argv[2], temporary=True).start()
print(server.pid, flush=True)
time.sleep(300)
"""


@real
@pytest.mark.parametrize("group", [False, True])
def test_a_killed_kernel_leaves_no_process_and_no_file(tmp_path, group):
    """SIGKILL to the process that started the server, alone or with its group, as Jupyter kills a kernel."""
    repo = echo_repository(tmp_path / "repo")
    (tmp_path / "tmp").mkdir()
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(repo), str(FOLDER)], stdout=subprocess.PIPE, start_new_session=True, env=env) as parent:
        watcher = int(parent.stdout.readline())
        pids = [watcher, *children(watcher)]
        regions = list(Path("/dev/shm").glob(f"course_triton_{parent.pid}_*"))
        assert len(pids) >= 3 and all(map(alive, pids)) and regions
        (os.killpg if group else os.kill)(parent.pid, signal.SIGKILL)
        until(lambda: not any(map(alive, pids)), f"the end of {pids}")
    until(lambda: not any(p.exists() for p in (*regions, repo, *(tmp_path / "tmp").iterdir())), "the removal of all files")


@real
def test_a_killed_watcher_takes_everything_along(tmp_path):
    server = TritonProcess(echo_repository(tmp_path / "repo"), FOLDER, temporary=True).start()
    pids, prefix = children(server.pid), f"course_triton_{os.getpid()}_*"
    before = set(Path("/dev/shm").glob(prefix))
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not any(map(alive, pids)), f"the end of {pids}")
    server.stop()  # tidies up in its place
    assert before and len(set(Path("/dev/shm").glob(prefix))) < len(before) and not (tmp_path / "repo").exists()


def test_without_an_environment_the_sentence_says_what_to_do(tmp_path):
    with pytest.raises(EngineUnavailable, match=r"is not available: run `autograder doctor --setup triton`|needs"):
        TritonProcess(tmp_path, tmp_path)
    assert real_verdicts(tmp_path) == {}
