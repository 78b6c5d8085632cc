"""Asking an answer: whatever it does comes back as an outcome."""

import os
import time

import numpy as np
import pytest

from autograder.probes.ask import answer_file, ask, find_probe, time_limit
from autograder.probes.plain import Opaque


def question(*args, limit=2.0, probe="common.call", **params):
    return {"probe": probe, "params": params or {"args": list(args)}, "time_limit_s": limit}


def test_value_and_printed():
    def f(x):
        print("hello")
        return x + 1

    outcome = ask(f, question(1))
    assert outcome["value"] == 2 and outcome["printed"] == "hello\n"


@pytest.mark.parametrize("answer, kind", [
    (lambda x: 1 / 0, "ZeroDivisionError"), (lambda x: exit(3), "SystemExit"), (None, "ProbeError"),
    (lambda x: (_ for _ in ()).throw(KeyboardInterrupt), "KeyboardInterrupt"), (lambda: 1, "TypeError"),
    (lambda x: [].pop(), "IndexError"),
])
def test_errors_are_outcomes(answer, kind):
    assert kind in ask(answer, question(1))["error"]["types"]


def test_an_error_that_cannot_be_printed():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    def f(x):
        raise Odd

    assert ask(f, question(1))["error"]["types"][0] == "Odd"


def test_the_learners_own_line_is_told():
    source = "def f(x):\n    y = 1\n    return y / x\n"
    space = {}
    exec(compile(source, answer_file(7, source), "exec"), space)
    error = ask(space["f"], question(0))["error"]
    assert (error["line"], error["text"], error["where"]) == (3, "return y / x", "f")


def swallow(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
        if time.monotonic() > swallow.end:
            return 1


def forever(x):
    while True:
        pass


def test_an_endless_loop_is_stopped():
    started = time.monotonic()
    assert ask(forever, question(1, limit=0.3))["error"]["types"] == ["TimeLimit"]
    assert time.monotonic() - started < 5


def test_output_without_end_is_bounded():
    def f(x):
        for _ in range(20_000):
            print("spam " * 100)
        return 1

    outcome = ask(f, question(1))
    assert outcome["value"] == 1 and len(outcome["printed"]) < 2_200 and "more characters" in outcome["printed"]


def test_time_limit_outside_the_main_thread():
    import threading

    seen = []

    def work():
        seen.append(ask(forever, question(1, limit=0.3)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert seen and seen[0]["error"]["types"] == ["TimeLimit"]


def test_a_quick_block_is_not_stopped_later():
    with time_limit(0.05):
        pass
    time.sleep(0.1)


def test_arguments_are_the_answers_own():
    data = np.arange(4)

    def f(x):
        x[:] = 0
        return x

    q = question(data)
    ask(f, q)
    assert data.tolist() == [0, 1, 2, 3]
    assert ask(f, {**q, "params": {"args": [data], "watch": True}})["value"]["changed"] == [0]


def test_methods_run_a_script():
    class Counter:
        def __init__(self, start):
            self.n = start

        def add(self, by):
            if by < 0:
                raise ValueError("negative")
            self.n += by
            return self.n

    steps = ask(Counter, question(probe="common.methods", init=[5], script=[["add", 2], ["add", -1], [".n"]]))["value"]
    assert steps[0] == {"value": 7} and steps[1]["error"][0] == "ValueError" and steps[2] == {"value": 7}
    assert "error" in ask(Counter, question(probe="common.methods", init=[5], script=[["missing"]]))


def test_peak_memory_sees_numpy_and_torch():
    torch = pytest.importorskip("torch")

    def big(n):
        return float(np.ones((n, n)).sum())

    def big_torch(n):
        return float(torch.ones(n, n).sum())

    told = ask(big, question(probe="common.peak_memory", args=[500]))["value"]
    assert told["value"] == 250_000 and 1.9e6 < told["peak_bytes"] < 3e6
    assert ask(big_torch, question(probe="common.peak_memory", args=[500]))["value"]["largest_tensor_bytes"] == 1_000_000


def test_unknown_probes_are_refused():
    for name in ("os.system", "common._own", "common.np", "ch99_nothing.x", "common.call.x", "../common.call", "common.Any"):
        with pytest.raises((KeyError, ModuleNotFoundError)):
            find_probe(name)


def test_a_generator_is_opaque():
    assert isinstance(ask(lambda x: (i for i in range(3)), question(1))["value"], Opaque)


def test_nothing_of_the_process_changes():
    before = (os.getcwd(), dict(os.environ))
    ask(lambda x: x, question(1))
    assert (os.getcwd(), dict(os.environ)) == before
