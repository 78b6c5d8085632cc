"""The load generator with real threads; what is asserted are orders and counts, never speed."""

import threading
import time

import numpy as np
import pytest

from utils.serving.load import LoadGenerator, LoadResult, closed_loop, open_loop


def test_open_loop_keeps_its_schedule_while_the_server_stalls():
    calls = []

    def fn():
        calls.append(None)
        time.sleep(0.15 if len(calls) == 1 else 0.001)

    schedule = np.arange(10) * 0.01
    result = LoadGenerator(fn).open_loop(schedule)
    assert result.arrivals_s.tolist() == schedule.tolist() and result.dropped == 0
    assert (result.starts_s >= schedule).all() and (result.ends_s >= result.starts_s).all()
    assert (result.starts_s[1:] >= result.ends_s[:-1]).all()  # one worker: one at a time, in order
    # every request was due during the stall and waited for its end: at least 150 ms minus its own time
    assert (result.latency_ms >= 150 - schedule * 1e3).all()
    assert (result.latency_ms >= result.service_ms).all()


def test_closed_loop_sends_after_the_answer():
    result = closed_loop(lambda: time.sleep(0.002), 1, 12)
    assert len(result.ends_s) == 12 and (result.starts_s[1:] >= result.ends_s[:-1]).all()
    assert result.latency_ms.tolist() == result.service_ms.tolist()


def test_clients_work_at_the_same_time():
    both = threading.Barrier(3, timeout=20)  # only three calls at once get past it
    result = closed_loop(both.wait, 3, 6)
    assert len(result.ends_s) == 6


def test_poisson_schedule_comes_from_the_generator():
    first = open_loop(lambda: None, 2000, 40, rng=np.random.default_rng(3))
    again = open_loop(lambda: None, 2000, 40, workers=2, rng=np.random.default_rng(3))
    assert first.arrivals_s.tolist() == again.arrivals_s.tolist()
    assert (np.diff(first.arrivals_s) > 0).all()


def test_requests_that_waited_for_too_long_are_dropped():
    calls = []

    def fn():
        calls.append(None)
        time.sleep(0.1)

    result = LoadGenerator(fn, give_up_s=0.03).open_loop(np.zeros(5))
    assert len(calls) == len(result.ends_s) == 1 and result.dropped == 4
    assert result.summary().n == 1


def test_answers_stay_with_their_requests():
    numbers, lock = iter(range(100)), threading.Lock()

    def fn():
        with lock:
            return next(numbers)

    result = LoadGenerator(fn, 3).open_loop(np.arange(12) * 1e-3)
    assert sorted(result.answers) == list(range(12)) and len(result.answers) == len(result.ends_s)
    odd = result.only(lambda n: n % 2 == 1)
    where = [i for i, n in enumerate(result.answers) if n % 2]
    assert odd.ends_s.tolist() == result.ends_s[where].tolist() and sorted(odd.answers) == [1, 3, 5, 7, 9, 11]


def test_an_error_of_the_function_is_raised():
    def fn():
        raise KeyError("broken model")

    with pytest.raises(KeyError, match="broken model"):
        closed_loop(fn, 2, 5)


def test_result_by_hand():
    result = LoadResult(np.array([0.0, 1.0]), np.array([0.0, 2.0]), np.array([2.0, 3.0]))
    assert result.latency_ms.tolist() == [2000, 2000] and result.service_ms.tolist() == [2000, 1000]
    assert result.wall_s == 3 and result.in_flight([0.5, 1.5, 2.5, 3.5]).tolist() == [1, 2, 1, 0]
    assert result.summary().throughput_per_s == pytest.approx(2 / 3)


@pytest.mark.parametrize("bad", [[], [1.0, 0.5], [[1.0]]])
def test_schedule_errors(bad):
    with pytest.raises(ValueError, match="schedule_s"):
        LoadGenerator(lambda: None).open_loop(bad)


def test_other_errors():
    with pytest.raises(ValueError, match="workers"):
        LoadGenerator(lambda: None, 0)
    with pytest.raises(ValueError, match="requests"):
        closed_loop(lambda: None, 1, 0)
    with pytest.raises(ValueError, match="rate_per_s"):
        open_loop(lambda: None, 0, 1, rng=np.random.default_rng(0))
