"""The live batcher: threads are held by events and barriers; what is asserted are orders and counts."""

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest

from utils.serving.batching import LiveBatcher
from utils.serving.load import LoadGenerator

PATIENCE_S = 20


class Held:
    """A model that adds 1 and waits at a gate; `entered` counts the batches that came in."""

    def __init__(self):
        self.gate, self.entered, self.sizes = threading.Event(), threading.Semaphore(0), []

    def __call__(self, rows):
        self.sizes.append(len(rows))
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        return rows + 1


def test_who_comes_while_the_server_is_busy_goes_together():
    model = Held()
    with LiveBatcher(model, 4) as batcher:
        first = batcher.submit(np.array([0.0]))
        assert model.entered.acquire(timeout=PATIENCE_S)  # without a delay it has started alone
        rest = [batcher.submit(np.array([float(k)])) for k in range(1, 7)]
        model.gate.set()
        assert [f.result(PATIENCE_S).tolist() for f in (first, *rest)] == [[k + 1.0] for k in range(7)]
    assert model.sizes == [1, 4, 2] == [b.size for b in batcher.batches]
    assert all(later.start_ms >= earlier.finish_ms >= earlier.start_ms for earlier, later in zip(batcher.batches, batcher.batches[1:]))


def test_a_full_batch_does_not_wait_for_the_delay():
    with LiveBatcher(lambda rows: rows, 3, max_delay_ms=1e6) as batcher:
        waiting = [batcher.submit(np.array([k])) for k in range(3)]
        assert [f.result(PATIENCE_S)[0] for f in waiting] == [0, 1, 2]
    assert [b.size for b in batcher.batches] == [3]


def test_after_the_delay_it_starts_though_not_full():
    with LiveBatcher(lambda rows: rows, 8, max_delay_ms=20) as batcher:
        waiting = [batcher.submit(np.array([k])) for k in range(2)]
        assert [f.result(PATIENCE_S)[0] for f in waiting] == [0, 1]
        assert batcher.batches[0].start_ms >= 20  # it was made before the first request came


def test_each_caller_gets_the_answer_to_its_own_row():
    count, seen, lock = iter(range(200)), [], threading.Lock()
    with LiveBatcher(lambda rows: rows * 3, 8, max_delay_ms=1) as batcher:

        def ask():
            with lock:
                k = next(count)
            seen.append(batcher(np.array([k, -k])).tolist() == [3 * k, -3 * k])

        result = LoadGenerator(ask, 16).open_loop(np.arange(200) * 2e-4)
    assert len(result.ends_s) == 200 and all(seen)
    assert sum(b.size for b in batcher.batches) == 200 and max(b.size for b in batcher.batches) <= 8


def test_an_error_goes_to_those_who_asked_and_the_next_batch_is_served():
    model = Held()
    model.gate.set()

    def run(rows):
        if (rows < 0).any():
            raise ArithmeticError("a bad row")
        return model(rows)

    with LiveBatcher(run, 2, max_delay_ms=1e6) as batcher:
        bad = [batcher.submit(np.array([-1.0])), batcher.submit(np.array([1.0]))]
        for f in bad:
            with pytest.raises(ArithmeticError, match="a bad row"):
                f.result(PATIENCE_S)
        good = [batcher.submit(np.array([1.0])), batcher.submit(np.array([2.0]))]
        assert [f.result(PATIENCE_S)[0] for f in good] == [2, 3]
    with LiveBatcher(lambda rows: rows[:1], 2, max_delay_ms=1e6) as batcher:
        short = [batcher.submit(np.zeros(1)), batcher.submit(np.zeros(1))]
        with pytest.raises(ValueError, match="a row for each request"):
            short[1].result(PATIENCE_S)


def test_cancelled_requests_are_left_out():
    model = Held()
    with LiveBatcher(model, 4) as batcher:
        first = batcher.submit(np.zeros(1))
        assert model.entered.acquire(timeout=PATIENCE_S)
        kept, dropped = batcher.submit(np.zeros(1)), batcher.submit(np.zeros(1))
        assert dropped.cancel()
        model.gate.set()
        assert first.result(PATIENCE_S) == kept.result(PATIENCE_S) == 1
    assert model.sizes == [1, 1]


def test_the_end_of_the_block_serves_who_waits():
    with LiveBatcher(lambda rows: rows, 8, max_delay_ms=1e6) as batcher:
        waiting = batcher.submit(np.array([7]))
    assert waiting.result(0)[0] == 7
    assert not batcher._worker.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(np.array([7]))


def test_an_interrupt_cancels_who_waits_and_ends_the_thread():
    with pytest.raises(KeyboardInterrupt), LiveBatcher(lambda rows: rows, 8, max_delay_ms=1e6) as batcher:
        waiting = batcher.submit(np.array([7]))
        raise KeyboardInterrupt
    assert not batcher._worker.is_alive()
    with pytest.raises(CancelledError):
        waiting.result(0)


@pytest.mark.parametrize(("max_batch", "delay"), [(0, 0), (1, -1)])
def test_bad_settings(max_batch, delay):
    with pytest.raises(ValueError, match="max_"):
        LiveBatcher(lambda rows: rows, max_batch, delay)
