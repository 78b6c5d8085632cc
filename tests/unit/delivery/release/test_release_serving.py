"""The whole chain on the real network, and the serving process: no torch in it, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from utils.delivery.release import Registry, parity
from utils.delivery.release.digits_release import (
    FAULTS,
    RAW,
    VIEW_HOPS,
    accuracy_of,
    bundle_files,
    digits_chain,
    exported_digits,
    faulty_chain,
    rounded_weights,
    run_onnx,
    skew_accuracies,
    tensorrt_parity,
    trained_digits,
)
from utils.delivery.release.folding import fold_into_first_conv, prepend_preprocess
from utils.delivery.release.serve import BundleServer
from utils.optional import EngineUnavailable

ROOT = Path(__file__).resolve().parents[4]
PATIENCE_S = 20


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def waits_until(condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    digits = trained_digits()
    registry = Registry(tmp_path_factory.mktemp("registry"))
    model = prepend_preprocess(exported_digits(), [digits.mean], [digits.std])
    return registry.folder(registry.add(bundle_files(model), RAW, {}))


def test_the_whole_chain_passes_and_promotes(tmp_path):
    registry = Registry(tmp_path)
    chain = digits_chain(registry)
    reports = {r.hop: r for r in chain.run()}
    assert chain.ok, chain.to_table()
    assert ", ".join(reports) == "train, export, optimise, quantise, preprocess, bundle, serve, canary"  # the text's eight
    assert set(VIEW_HOPS) < set(reports)
    assert reports["serve"].figures["torch imported"] is False
    assert reports["serve"].figures["ready"] == "ready"
    assert reports["canary"].figures["state"] == "released"
    assert registry.current("digits").startswith(reports["bundle"].figures["release"])
    assert [kind for kind, _ in registry.history("digits")] == ["promote"]


def test_the_server_answers_raw_pixels_as_torch_does_without_torch(bundle):
    digits = trained_digits()
    with BundleServer(bundle) as server, server.client() as client:
        assert server.url.startswith("http://127.0.0.1:")
        answer = client.predict("model", digits.raw)
        assert answer.ok and parity(digits.logits, answer.output).max_abs < 1e-3  # logits of about 10 in float32
        assert client.predict("model", digits.x).status in (400, 500)  # float pixels break the contract
        modules = server.modules()
        assert "onnxruntime" in modules and "torch" not in modules
        pid = server.pid
        assert client.get("/readyz")[0] == 200
    assert waits_until(lambda: not alive(pid)) and server.stop() == 0


def test_an_altered_bundle_is_not_served(bundle, tmp_path):
    for path in bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "labels.txt").write_bytes(b"9\n")
    with pytest.raises(RuntimeError, match=r"labels\.txt was altered"):
        BundleServer(tmp_path).start()
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(RuntimeError, match=r"manifest\.json"):
        BundleServer(tmp_path).start()


CHILD = """
import sys, time
from utils.delivery.release.serve import BundleServer
from utils.optional import EngineUnavailable
server = BundleServer(sys.argv[1]).start()
print(server.pid, flush=True)
try:
    time.sleep(600)
finally:
    server.stop()
"""


def starter(bundle, code=CHILD):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", code, str(bundle)], stdout=subprocess.PIPE, text=True, env=env)
    return child, int(child.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_server_ends_with_a_killed_or_interrupted_kernel(bundle, number):
    child, pid = starter(bundle)
    assert alive(pid)
    child.send_signal(number)
    child.wait(PATIENCE_S)
    child.stdout.close()
    assert waits_until(lambda: not alive(pid))


def test_it_ends_with_its_parent_even_if_somebody_else_holds_its_input(bundle, tmp_path):
    """A forked child of the kernel inherits the pipe, so its end alone would not be noticed."""
    code = CHILD.replace("try:", "import os\nif os.fork() == 0:\n    open(sys.argv[2], 'w').write(str(os.getpid()))\n"
                                 "    time.sleep(60)\n    os._exit(0)\ntry:")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    note = tmp_path / "forked"
    child = subprocess.Popen([sys.executable, "-c", code, str(bundle), str(note)], stdout=subprocess.PIPE, text=True, env=env)
    pid = int(child.stdout.readline())
    assert waits_until(lambda: note.exists() and note.read_text())
    forked = int(note.read_text())
    try:
        child.kill()
        child.wait(PATIENCE_S)
        assert alive(forked) and waits_until(lambda: not alive(pid))
    finally:
        os.kill(forked, signal.SIGKILL)
        child.stdout.close()


# --- the network's graph ---------------------------------------------------------------------------


def test_preprocessing_in_the_graph_gives_what_torch_gives():
    digits, model = trained_digits(), exported_digits()
    nhwc = run_onnx(prepend_preprocess(model, [digits.mean], [digits.std]), digits.raw)
    assert parity(digits.logits, nhwc).max_abs < 1e-3
    raw = np.moveaxis(digits.raw, -1, 1).astype(np.float32)
    folded = fold_into_first_conv(model, [digits.mean], [digits.std])
    assert folded.graph.node[0].op_type == "Sub" and parity(digits.logits, run_onnx(folded, raw)).max_abs < 1e-3
    naive = fold_into_first_conv(model, [digits.mean], [digits.std], ignore_border=True)
    assert naive.graph.node[0].op_type == "Conv" and parity(digits.logits, run_onnx(naive, raw)).max_abs > 0.5


def test_folding_without_padding_adds_no_node_and_is_exact():
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "b": rng.normal(size=4).astype(np.float32)}
    model = make_model([helper.make_node("Conv", ["x", "w", "b"], ["y"])], {"x": ("N", 3, 6, 6)}, {"y": ("N", 4, 4, 4)}, weights)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    raw = rng.integers(0, 256, (2, 6, 6, 3)).astype(np.uint8)
    nchw = np.moveaxis(raw, -1, 1).astype(np.float32)
    folded, prepended = fold_into_first_conv(model, mean, std), prepend_preprocess(model, mean, std)
    assert [n.op_type for n in folded.graph.node] == ["Conv"]
    a, b = run_onnx(folded, nchw), run_onnx(prepended, raw)
    assert np.abs(a - b).max() < 1e-4  # 27 products of size 10 in float32
    with pytest.raises(ValueError, match="3 entries"):
        prepend_preprocess(model, (0.5,), std)
    with pytest.raises(ValueError, match="one Conv"):
        fold_into_first_conv(make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1, 3, 2, 2)}, {"y": (1, 3, 2, 2)}), mean, std)
    with pytest.raises(ValueError, match="one float32 input"):
        prepend_preprocess(make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1, 3)}, {"y": (1, 3)}), mean, std)


def test_skew_raises_nothing_and_costs_accuracy():
    table = skew_accuracies()
    right = table.pop("as trained")
    assert right >= 0.95 and all(share < right for share in table.values())
    assert right - table["rows and columns swapped"] >= 0.4


def test_rounded_weights_have_few_levels():
    from onnx import numpy_helper

    model = exported_digits()
    for tensor in rounded_weights(model, 3).graph.initializer:
        if len(tensor.dims) > 1:
            assert len(np.unique(numpy_helper.to_array(tensor))) <= 7
    digits = trained_digits()
    agreement = [parity(digits.logits, run_onnx(rounded_weights(model, b), digits.x)).top1_agreement for b in (8, 2)]
    assert agreement[0] > 0.99 > 0.9 > agreement[1]
    with pytest.raises(ValueError, match="bits"):
        rounded_weights(model, 1)


def test_each_fault_stops_the_chain_at_its_hop():
    reports, distances = faulty_chain((), 8, 0.98)
    assert [r.ok for r in reports] == [True] * 4 and set(distances) == set(VIEW_HOPS[:3])
    for fault, hop in FAULTS.items():
        reports, _ = faulty_chain({fault}, 8, 0.98)
        assert next(r.hop for r in reports if not r.ok) == hop and [r.ran for r in reports].count(True) == VIEW_HOPS.index(hop) + 1
    reports, _ = faulty_chain((), 2, 0.98)
    assert next(r.hop for r in reports if not r.ok) == "quantise"
    with pytest.raises(KeyError, match="no fault"):
        faulty_chain({"gremlins"}, 8, 0.98)


def test_the_door_is_light():
    code = ("import sys, json, utils.delivery.release, utils.delivery.release.serve; "
            "print(json.dumps([m for m in ('torch', 'onnx', 'onnxruntime', 'matplotlib') if m in sys.modules]))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    assert json.loads(done.stdout) == []


def test_accuracy_of():
    assert accuracy_of(np.eye(4), np.array([0, 1, 2, 0])) == 0.75


def test_without_tensorrt_its_hop_says_so():
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        with pytest.raises(EngineUnavailable, match="is not available"):
            tensorrt_parity()


def test_the_tensorrt_hop_against_a_stand_in(monkeypatch):
    """What it asks of TensorRT; the numbers are torch's own, since there is no engine here."""
    asked = {}

    class Runner:
        def __init__(self, trt):
            asked["trt"] = trt

        def load(self, path):
            asked["plan"] = Path(path).read_bytes()
            return self

        def infer(self, feeds):
            asked["shape"] = feeds["input"].shape
            return {"output": trained_digits().logits}

    def build(trt, data, profile, workspace, fp16):
        asked.update(profile=profile, fp16=fp16)
        return b"plan"

    monkeypatch.setattr("utils.delivery.release.digits_release.require", lambda name, hint: name)
    monkeypatch.setattr("utils.engines.tensorrt_build.plan_runtime.PlanRunner", Runner)
    monkeypatch.setattr("utils.engines.tensorrt_build.builder.build_plan", build)
    assert tensorrt_parity().max_abs == 0
    assert asked["plan"] == b"plan" and asked["shape"] == (597, 1, 8, 8) and not asked["fp16"]
    assert asked["profile"] == {"input": ((1, 1, 8, 8), (597, 1, 8, 8), (597, 1, 8, 8))}
