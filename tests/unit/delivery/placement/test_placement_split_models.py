"""Real halves of a real model, the emulated link on a clock of its own, and the split service over HTTP."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from onnx import helper

from utils.delivery.placement.halves import (
    cut_points,
    dequantize_activation,
    digits_onnx,
    quantize_activation,
    split_onnx,
    time_onnx_prefixes,
)
from utils.delivery.placement.link import EmulatedLink, TokenBucket
from utils.delivery.placement.remote import SplitService, pack, sweep_cuts, unpack
from utils.graphs.onnx_tools import make_model, make_session
from utils.networks.digits import load_digits_split


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds >= 0
        self.now += seconds


@pytest.fixture(scope="module")
def model():
    return digits_onnx(batch=2)


@pytest.fixture(scope="module")
def images():
    return load_digits_split()[1][:2].reshape(2, 1, 8, 8)


@pytest.fixture(scope="module")
def whole(model, images):
    return make_session(model).run(None, {"input": images})[0]


# --- halves ---------------------------------------------------------------------------------------


def test_halves_compute_the_same_at_each_cut(model, images, whole):
    points = cut_points(model)
    assert [p.after for p in points] == ["input", "Conv", "Relu", "Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Relu", "Gemm"]
    for point in points[1:-1]:
        head, tail = split_onnx(model, point.tensor)
        assert len(head.graph.node) == point.nodes and len(head.graph.node) + len(tail.graph.node) == len(model.graph.node)
        activation = make_session(head).run(None, {"input": images})[0]
        assert np.array_equal(make_session(tail).run(None, {point.tensor: activation})[0], whole)
        again = make_session(tail).run(None, {point.tensor: dequantize_activation(*quantize_activation(activation))})[0]
        assert np.array_equal(again.argmax(1), whole.argmax(1)) and np.abs(again - whole).max() < 0.2


def test_a_skip_connection_is_no_cut():
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Exp", ["a"], ["b"]), helper.make_node("Add", ["a", "b"], ["c"]),
             helper.make_node("Neg", ["c"], ["y"])]
    points = cut_points(make_model(nodes, {"x": (2,)}, {"y": (2,)}))
    assert [(p.tensor, p.nodes) for p in points] == [("x", 0), ("a", 1), ("c", 3), ("y", 4)]


def test_a_constant_is_no_cut():
    nodes = [helper.make_node("Neg", ["w"], ["v"]), helper.make_node("Add", ["x", "v"], ["a"]), helper.make_node("Mul", ["a", "v"], ["y"])]
    model = make_model(nodes, {"x": (2,)}, {"y": (2,)}, {"w": np.ones(2, np.float32)})
    assert [p.tensor for p in cut_points(model)] == ["x", "a", "y"]


def test_what_can_not_be_cut_is_refused(model):
    two = make_model([helper.make_node("Add", ["x", "z"], ["y"])], {"x": (2,), "z": (2,)}, {"y": (2,)})
    with pytest.raises(ValueError, match="one input and one output, got 2 and 1"):
        cut_points(two)
    for name in ("input", "output", "nowhere"):
        with pytest.raises(ValueError, match="tensor must be one of"):
            split_onnx(model, name)


def test_prefix_times_have_the_sizes_of_the_activations(model, images):
    rows = time_onnx_prefixes(model, images, repeats=3)
    assert [r.out_bytes for r in rows] == [4 * 2 * n for n in (64, 512, 512, 1024, 1024, 256, 256, 32, 32, 10)]
    assert all(r.ms >= 0 for r in rows) and rows[0].as_dict()["shape"] == (2, 1, 8, 8)
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        time_onnx_prefixes(model, images, repeats=0)


def test_quantised_activations():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 3, (4, 5)).astype(np.float32)
    q, scale, low = quantize_activation(x)
    assert q.dtype == np.uint8 and q.min() == 0 and q.max() == 255
    # half a step, and the rounding of float32 on numbers of this size
    assert np.abs(dequantize_activation(q, scale, low) - x).max() <= scale / 2 + 1e-5
    flat = quantize_activation(np.full(3, 7, np.float32))
    assert np.array_equal(dequantize_activation(*flat), np.full(3, 7, np.float32))
    for bad in (np.zeros(0, np.float32), np.array([np.nan], np.float32), np.array([np.inf], np.float32)):
        with pytest.raises(ValueError, match="finite"):
            quantize_activation(bad)
    for quantize, size in ((False, 80), (True, 28)):
        payload = pack(x, quantize)
        assert len(payload) == size
        assert np.abs(unpack(payload, (4, 5), quantize) - x).max() <= (scale / 2 + 1e-5 if quantize else 0)


# --- the link -------------------------------------------------------------------------------------


def test_the_bucket_keeps_its_rate():
    clock = Clock()
    bucket = TokenBucket(1000, clock=clock, sleep=clock.sleep)
    for n in (100, 0, 900, 2500):
        bucket.take(n)
    assert clock.now == pytest.approx(3.5)
    clock.now += 60
    assert bucket.take(500) == pytest.approx(0.5)  # without a burst a pause saves nothing


def test_a_burst_passes_after_a_pause():
    clock = Clock()
    bucket = TokenBucket(1000, burst_bytes=300, clock=clock, sleep=clock.sleep)
    assert bucket.take(300) == 0 and bucket.take(100) == pytest.approx(0.1)
    clock.now += 60
    assert bucket.take(400) == pytest.approx(0.1)


@pytest.mark.parametrize("rate, rtt, expected_s", [(1, 0, 0.008), (8, 10, 0.011), (100, 2, 0.00208)])
def test_the_link_takes_transfer_and_round_trip(rate, rtt, expected_s):
    clock = Clock()
    link = EmulatedLink(rate, rtt, clock=clock, sleep=clock.sleep)
    assert link.send(b"x" * 1000) == b"x" * 1000
    assert clock.now == pytest.approx(expected_s) and (link.sent_bytes, link.sends) == (1000, 1)


def test_two_threads_share_the_rate():
    """Tokens are booked before the wait: the waits of two takers add up, whoever comes first."""
    waits, lock = [], threading.Lock()

    def note(seconds):
        with lock:
            waits.append(seconds)

    bucket = TokenBucket(1000, clock=lambda: 0.0, sleep=note)
    threads = [threading.Thread(target=bucket.take, args=(100,)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(waits) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_nonsense_is_refused():
    for make in (lambda: TokenBucket(0), lambda: EmulatedLink(0), lambda: EmulatedLink(1, -1), lambda: TokenBucket(1, -1)):
        with pytest.raises(ValueError, match="must"):
            make()


# --- the service ----------------------------------------------------------------------------------


@pytest.mark.parametrize("quantize", [False, True])
def test_every_cut_over_http(model, images, whole, quantize):
    clock = Clock()
    link = EmulatedLink(1, 2, clock=clock, sleep=clock.sleep)
    with SplitService(model, link, quantize=quantize) as service:
        host, port = urlsplit(service.url).hostname, urlsplit(service.url).port
        assert host == "127.0.0.1"
        runs = sweep_cuts(service, images, whole, rounds=1)
        elements = [128, 1024, 1024, 2048, 2048, 512, 512, 64, 64]
        assert [r.payload_bytes for r in runs] == [*(n + 8 if quantize else 4 * n for n in elements), 0]
        assert all(r.same_labels for r in runs) and runs[-1].max_abs == 0
        assert quantize or all(r.max_abs == 0 for r in runs)
        assert link.sends == 9  # all on the device sends nothing
        assert clock.now == pytest.approx(sum(r.payload_bytes for r in runs) * 8e-6 + 9 * 0.002)
        for k in (-1, 10):
            with pytest.raises(ValueError, match="from 0 to 9"):
                service.run(images, k)
        with pytest.raises(ValueError, match="at least 1"):
            sweep_cuts(service, images, whole, rounds=0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), timeout=5)


def test_the_slow_device_waits_for_its_pieces(model, images):
    waits = []
    device_ms = [1000.0 * (i + 1) for i in range(9)]
    with SplitService(model, EmulatedLink(1000), device_ms=device_ms, sleep=waits.append) as service:
        for k in (0, 3, 9):
            service.run(images, k)
    # the real work is done within the emulated time, so that the wait is a little shorter
    assert waits[0] == 0 and 5 < waits[1] <= 6 and 44 < waits[2] <= 45
    with pytest.raises(ValueError, match="device_ms must have 9 values"):
        SplitService(model, EmulatedLink(1), device_ms=[1.0])


def test_no_thread_stays(model, images):
    before = set(threading.enumerate())
    with SplitService(model, EmulatedLink(1000)) as service:
        service.run(images, 4)
    until = time.monotonic() + 20
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.02)
    assert not set(threading.enumerate()) - before


CHILD = """
import signal, sys, time
from utils.delivery.placement.halves import digits_onnx
from utils.delivery.placement.link import EmulatedLink
from utils.delivery.placement.remote import SplitService
try:
    with SplitService(digits_onnx(), EmulatedLink(1)) as service:
        print(service.url, flush=True)
        end = time.monotonic() + 120
        while time.monotonic() < end:  # short sleeps: some kernels hand the signal to a thread that can't wake the main one
            time.sleep(0.05)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_of_an_interrupted_or_killed_process(sign):
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
    try:
        url = child.stdout.readline().strip()
        address = (urlsplit(url).hostname, urlsplit(url).port)
        socket.create_connection(address, timeout=20).close()
        child.send_signal(sign)
        rest = child.communicate(timeout=20)[0]
    finally:
        child.kill()
        child.wait()
    assert ("interrupted" in rest) == (sign == signal.SIGINT)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
