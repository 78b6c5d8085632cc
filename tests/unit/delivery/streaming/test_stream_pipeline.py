"""The pipeline with threads: conservation, what is dropped, interruption, failing threads. No assertion on time."""

import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from utils.delivery import streaming as ds
from utils.delivery.streaming import live

SIZE = (96, 96)


@pytest.fixture(scope="module")
def clips():
    return [ds.render_clip(10, 60, SIZE, seed, "mjpeg") for seed in range(3)]


@pytest.fixture
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) - before == set()


def nothing(frames):
    return [[] for _ in frames]


@pytest.mark.usefixtures("no_thread_is_left")
@pytest.mark.parametrize("size", [1, 3, 5])
def test_every_frame_arrives(clips, size):
    seen = []
    report = ds.StreamPipeline(clips, lambda frames: seen.append(len(frames)) or nothing(frames), batch_size=size, timeout_ms=40,
                               leaky="no", phases_ms=[0, 2, 4]).run()
    assert (report.frames, report.done, report.dropped) == (30, 30, 0)
    assert sum(report.batch_sizes) == 30 and max(report.batch_sizes) <= size and tuple(seen) == report.batch_sizes
    assert report.inferences == len(seen) and report.breakdown()["drop_rate"] == 0
    assert np.bincount(report.sources).tolist() == [10, 10, 10] and report.fps > 0 and 1 <= report.mean_fill <= size
    ways = np.stack([report.stamps[stage] for stage in ds.STAGES])
    assert np.all(np.diff(ways, axis=0) >= 0) and report.p_ms(50) <= report.p_ms(95) and len(report.latency_ms) == 30


@pytest.mark.usefixtures("no_thread_is_left")
@pytest.mark.parametrize("leaky", ["upstream", "downstream"])
def test_a_stuck_model_makes_the_queues_leak(clips, leaky):
    """The model waits until all frames have been captured: what the queues can't hold is dropped."""
    gate = threading.Event()
    pipeline = ds.StreamPipeline(clips, lambda frames: gate.wait(20) and nothing(frames), batch_size=3, timeout_ms=1000, queue_size=2, leaky=leaky)
    opener = threading.Thread(target=lambda: (wait_until(lambda: not pipeline.inbox.open), gate.set()))
    opener.start()
    report = pipeline.run()
    opener.join()
    # at most 2 wait in each of 3 queues, and 3 batches of at most 3 have left them
    assert report.frames == 30 and report.done + report.dropped == 30 and report.done <= 6 + 9
    last = [np.flatnonzero((report.sources == s) & ~np.isnan(report.stamps["out"]))[-1] for s in range(3)]
    newest = [np.flatnonzero(report.sources == s)[-1] for s in range(3)]
    assert (last == newest) == (leaky == "downstream")  # the freshest frames survive downstream


def wait_until(condition, limit_s=20.0):
    done = threading.Event()
    for _ in range(int(limit_s / 0.005)):
        if condition():
            return
        done.wait(0.005)
    raise AssertionError("waited in vain")


def test_skipped_batches_are_filled_by_the_tracker(clips):
    report = ds.StreamPipeline(clips[:1], ds.digit_detector(SIZE), batch_size=1, timeout_ms=40, leaky="no", interval=2).run()
    assert report.inferences == 4 and len(report.batch_sizes) == 10  # batches 0, 3, 6 and 9
    assert [m.detected for m in report.metadata] == [i % 3 == 0 for i in range(10)] and {m.track for m in report.metadata} == {0}
    assert [m.frame for m in report.metadata] == list(range(10))


@pytest.mark.usefixtures("no_thread_is_left")
def test_a_model_that_fails_ends_the_run(clips):
    def fails(frames):
        raise ZeroDivisionError("the model broke")

    with pytest.raises(ZeroDivisionError, match="the model broke"):
        ds.StreamPipeline(clips, fails, batch_size=1, timeout_ms=1).run()


@pytest.mark.usefixtures("no_thread_is_left")
def test_a_decoder_that_fails_ends_the_run(clips, monkeypatch):
    monkeypatch.setattr(live, "decode", lambda clip: iter(()))  # the first frame never comes
    with pytest.raises(StopIteration):
        ds.StreamPipeline(clips, nothing, batch_size=1, timeout_ms=1).run()


@pytest.mark.usefixtures("no_thread_is_left")
def test_the_stop_button(clips, monkeypatch):
    """KeyboardInterrupt while the main thread waits: every thread ends, also one that waits for a full hand-over."""
    begun = threading.Event()
    pipeline = ds.StreamPipeline(clips, lambda frames: begun.set() or nothing(frames), batch_size=1, timeout_ms=1, slow_ms=(60_000, 0))

    def interrupted():
        assert begun.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline._ended, "acquire", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run()


PLAYS = """
import sys, threading
from utils.delivery.streaming import StreamPipeline, render_clip
clip = render_clip(5, 30, (96, 96), 0, "mjpeg")
def detect(frames):
    print("begun", flush=True)
    return [[] for _ in frames]
try:
    StreamPipeline([clip], detect, batch_size=1, timeout_ms=1, slow_ms=(600_000, 0)).run()
except KeyboardInterrupt:
    print("threads left:", threading.active_count(), flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_real_signal(how):
    """The stop button and a killed kernel: the process ends, and after the stop button no thread is left in it."""
    with subprocess.Popen([sys.executable, "-c", PLAYS], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            process.send_signal(how)
            told, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert told == ("threads left: 1\n" if how == signal.SIGINT else "")
    assert process.returncode == (0 if how == signal.SIGINT else -signal.SIGKILL)


def test_the_timeout_lets_a_slow_camera_be(clips):
    """12 frames would make 6 full batches of 2; camera 1 pauses, so the timeout pushes camera 0's frames alone."""
    slow = ds.render_clip(2, 2, SIZE, 9, "mjpeg")  # frames at 0 and 500 ms
    report = ds.StreamPipeline([clips[0], slow], nothing, batch_size=2, timeout_ms=5, leaky="no").run()
    assert report.done == 12 and 1 in report.batch_sizes


def test_only_once_and_bad_arguments(clips):
    pipeline = ds.StreamPipeline(clips[:1], nothing, batch_size=1, timeout_ms=1)
    pipeline.run()
    with pytest.raises(RuntimeError, match="once"):
        pipeline.run()
    for bad in ({"batch_size": 0}, {"queue_size": 0}, {"leaky": "maybe"}, {"interval": -1}, {"timeout_ms": -1}, {"slow_ms": (-1, 0)},
                {"phases_ms": [0]}, {"phases_ms": [0, 0, -1]}):
        with pytest.raises(ValueError, match="must"):
            ds.StreamPipeline(clips, nothing, **{"batch_size": 1, "timeout_ms": 1, **bad})
    with pytest.raises(ValueError, match="must"):
        ds.StreamPipeline([], nothing, batch_size=1, timeout_ms=1)
