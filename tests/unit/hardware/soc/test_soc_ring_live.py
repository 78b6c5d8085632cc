"""The pool of frames under threads, and the real line of threads."""

import threading

import numpy as np
import pytest

from utils.hardware.soc import RingBuffer, live


def test_loans_are_views_and_are_counted():
    ring = RingBuffer(2, (3, 4))
    assert len(ring) == 2 and ring.nbytes == 24 and ring.lent == 0
    a, b = ring.borrow(), ring.borrow()
    ring.view(a)[:] = 7
    assert a != b and (ring.view(a) == 7).all() and (ring.view(b) == 0).all() and ring.view(a).base is not None
    with pytest.raises(TimeoutError, match="all 2 are lent"):
        ring.borrow(timeout_s=0.01)
    ring.give_back(a)
    with pytest.raises(ValueError, match="twice"):
        ring.give_back(a)
    with pytest.raises(ValueError, match="lent"):
        ring.view(a)
    assert ring.borrow() == a and (ring.view(a) == 7).all() and ring.most_lent == 2
    with pytest.raises(ValueError, match="count must be positive"):
        RingBuffer(0, (1,))


def test_a_waiting_borrower_gets_the_frame_that_comes_back():
    ring, got = RingBuffer(1, (1,)), []
    frame = ring.borrow()
    thread = threading.Thread(target=lambda: got.append(ring.borrow(5)))
    thread.start()
    ring.give_back(frame)
    thread.join(5)
    assert got == [frame]


def test_many_threads_never_share_a_frame():
    ring, clashes = RingBuffer(3, (1,), "int64"), []

    def work(me):
        for _ in range(200):
            frame = ring.borrow(5)
            ring.view(frame)[0] = me
            if ring.view(frame)[0] != me:
                clashes.append(me)
            ring.give_back(frame)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    assert not clashes and ring.lent == 0 and ring.most_lent <= 3


@pytest.mark.parametrize("buffers", [1, 3])
def test_the_real_line(buffers):
    run = live.run_live(12, buffers)
    assert run.frames == tuple(range(12)) and len(run.classes) == 12 and [len(t) for t in run.stage_ms] == [12] * 4
    assert run.most_lent <= buffers + 2  # one being filled, `buffers` waiting, one being read
    assert run.wall_ms >= max(sum(t) for t in run.stage_ms) and run.model.finish[-1] <= sum(map(sum, run.stage_ms)) + 1e-6
    assert run.fps > 0 and run.model_fps >= run.one_by_one_fps


def test_a_small_pool_is_enough_and_a_failing_stage_ends_the_run(monkeypatch):
    assert live.run_live(6, 2, pool=1).most_lent == 1
    monkeypatch.setattr(live, "PATIENCE_S", 0.2)
    monkeypatch.setattr(live, "_to_rgb", lambda *a: 1 / 0)
    with pytest.raises(RuntimeError, match="division by zero"):
        live.run_live(6)
    with pytest.raises(ValueError, match="at least 1"):
        live.run_live(0)


def test_conversion_of_known_colours():
    # BT.601: black, white and red in studio range (16 to 235)
    for (y, u, v), rgb in (((16, 128, 128), (0, 0, 0)), ((235, 128, 128), (1, 1, 1)), ((81, 90, 240), (1, 0, 0))):
        plane, uv = np.full((2, 2), y, np.uint8), np.array([[[u, v]]], np.uint8)
        assert live._to_rgb(plane, uv, np.arange(2), np.arange(2))[0, :, 1, 1] == pytest.approx(rgb, abs=0.01)
