"""The pace of a pipeline, the threads that really make one, and the three stages of the experiment."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.heterogeneous import RealPipeline, busy_ms, pipeline, threads_frames_per_s
from utils.hardware.heterogeneous import camera_stages as camera


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from("ABC")), min_size=1, max_size=6))
def test_the_busiest_device_sets_the_pace(stages):
    ms, devices = [s[0] for s in stages], [s[1] for s in stages]
    report = pipeline(ms, devices)
    assert report.latency_ms == sum(ms)
    work = {d: sum(t for t, e in stages if e == d) for d in devices}
    assert report.frames_per_s == pytest.approx(1000 / max(work.values()))
    assert work[report.bottleneck] == max(work.values()) and busy_ms(ms, devices) == work


def test_own_devices_come_to_the_slowest_stage():
    # 5, 8 and 3 ms on three engines: after n frames 8 n ms and what fills and drains
    ends = [0.0] * 3
    for _ in range(100):
        at = 0.0
        for i, ms in enumerate((5, 8, 3)):
            ends[i] = at = max(at, ends[i]) + ms
    assert ends[-1] == 5 + 100 * 8 + 3
    report = pipeline([5, 8, 3], ["video", "NPU", "CPU"])
    assert report.frames_per_s == 125 and report.bottleneck == "NPU" and report.as_dict()["latency_ms"] == 16


def test_pace_refusals():
    for stages, devices in (([], []), ([1], ["a", "b"])):
        with pytest.raises(ValueError, match="length"):
            pipeline(stages, devices)
    with pytest.raises(ValueError, match="positive"):
        pipeline([0], ["a"])
    with pytest.raises(ValueError, match="cores"):
        threads_frames_per_s([1], 0)


def test_threads_cannot_beat_the_cores():
    assert threads_frames_per_s([5, 5, 5], 8) == 200 and threads_frames_per_s([5, 5, 5], 1) == pytest.approx(1000 / 15)
    assert threads_frames_per_s([10, 1, 1], 2) == 100


def test_frames_come_out_in_order_and_as_before():
    stages = [lambda x: x + 1, lambda x: x * 2, lambda x: x - 3]
    frames = [np.arange(4) + i for i in range(30)]
    chain = RealPipeline(stages, depth=1)
    expected = [(f + 1) * 2 - 3 for f in frames]
    for run in (chain.run_sequential(frames), chain.run(frames)):
        assert all(np.array_equal(a, b) for a, b in zip(run.outputs, expected, strict=True))
        assert len(run.busy_s) == 3 and run.wall_s > 0 and run.frames_per_s == 30 / run.wall_s
    assert chain.run([]).outputs == () and chain.run([]).stage_ms == (0, 0, 0)


def test_stages_work_at_the_same_time():
    """Frame 1 can leave the first stage only while frame 0 is in the second: sequentially this would wait for ever."""
    second_has_begun, first_has_come_back = threading.Event(), threading.Event()

    def first(i):
        if i == 1:
            first_has_come_back.set()
            assert second_has_begun.wait(5)
        return i

    def second(i):
        second_has_begun.set()
        assert i != 0 or first_has_come_back.wait(5)
        return i

    assert RealPipeline([first, second]).run([0, 1, 2]).outputs == (0, 1, 2)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_ends_the_run_and_comes_out(failing):
    def fails(x):
        if x == 3:
            raise ZeroDivisionError("frame 3")
        return x

    stages = [lambda x: x] * 3
    stages[failing] = fails
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match="frame 3"):
        RealPipeline(stages, depth=1).run(range(200))
    assert threading.active_count() == before  # nobody still waits


def test_pipeline_refusals():
    with pytest.raises(ValueError, match="stages"):
        RealPipeline([])
    with pytest.raises(ValueError, match="depth"):
        RealPipeline([abs], depth=0)


# --- the stages of the experiment -----------------------------------------------------------------


def test_shrink_is_the_mean_of_blocks():
    (frame,) = camera.make_frames(1, seed=3, shape=(16, 24, 3))
    small = camera.shrink(frame)
    assert small.shape == (1, 3, 4, 6) and small.dtype == np.float32 and small.flags.c_contiguous
    slow = np.array([[[frame[4 * i : 4 * i + 4, 4 * j : 4 * j + 4, c].mean() / 255 for j in range(6)] for i in range(4)]
                     for c in range(3)])
    np.testing.assert_allclose(small[0], slow, rtol=3e-7)  # 16 whole numbers add up exactly; two roundings of float32


def test_the_network_is_what_torch_computes():
    import torch
    from onnx import numpy_helper

    model = camera.detector(seed=1, channels=4)
    weights = [torch.from_numpy(numpy_helper.to_array(w).copy()) for w in model.graph.initializer]
    x = np.random.default_rng(0).random((1, 3, 8, 10), dtype=np.float32)
    y = torch.from_numpy(x)
    for i, w in enumerate(weights):
        y = torch.nn.functional.conv2d(y, w, padding=1)
        y = y if i == 2 else y.relu()
    got = camera.network_stage(model)(x)
    np.testing.assert_allclose(got, y[0, 0].numpy(), rtol=1e-4, atol=1e-5)


def test_picked_boxes_are_the_best_and_apart():
    scores = np.random.default_rng(0).normal(size=(60, 80)).astype(np.float32)
    cells = camera.pick_boxes(scores, candidates=60)
    values = [scores[tuple(c)] for c in cells]
    assert values[0] == scores.max() and values == sorted(values, reverse=True)
    assert all(_overlap(a, b) < 0.5 for a, b in itertools.combinations(cells, 2))
    rest = [c for c in np.argwhere(scores >= np.sort(scores, axis=None)[-60]) if not (cells == c).all(1).any()]
    for c in rest:  # who was left out overlaps someone better
        assert any(_overlap(c, k) >= 0.5 and scores[tuple(k)] > scores[tuple(c)] for k in cells)


def _overlap(a, b, half=12):
    """IoU by counting unit squares."""
    grid = np.zeros((2, 200, 200), bool)
    for layer, (y, x) in zip(grid, (a, b)):
        layer[y + 50 - half : y + 50 + half, x + 50 - half : x + 50 + half] = True
    return (grid[0] & grid[1]).sum() / (grid[0] | grid[1]).sum()


def test_the_three_stages_give_the_same_in_threads():
    frames = camera.make_frames(4, shape=(64, 64, 3))
    chain = RealPipeline(camera.stages())
    one, other = chain.run_sequential(frames), chain.run(frames)
    assert len(one.outputs) == 4
    assert all(np.array_equal(a, b) for a, b in zip(one.outputs, other.outputs, strict=True))


class FakeCuda:
    """Just enough of torch to see the order of the calls; each copy takes 2 ms, a pinned one 1."""

    def __init__(self):
        self.clock, self.calls, self.cuda = 0.0, [], self

    def from_numpy(self, x):
        return FakeTensor(self, False)

    def Event(self, enable_timing):
        assert enable_timing
        return FakeEvent(self)

    def synchronize(self):
        self.calls.append("synchronize")


class FakeTensor:
    def __init__(self, torch, pinned):
        self.torch, self.pinned = torch, pinned

    def pin_memory(self):
        return FakeTensor(self.torch, True)

    def to(self, device, non_blocking):
        assert device == "cuda" and non_blocking == self.pinned  # only a pinned copy can be asynchronous
        self.torch.clock += 1.0 if self.pinned else 2.0
        self.torch.calls.append("copy")


class FakeEvent:
    def __init__(self, torch):
        self.torch = torch

    def record(self):
        self.at = self.torch.clock

    def elapsed_time(self, other):
        assert self.torch.calls[-1] == "synchronize"  # events may be read only after the GPU has caught up
        return other.at - self.at


def test_copies_to_a_gpu_are_timed_by_events():
    torch = FakeCuda()
    times = camera.copy_times(torch, np.zeros(3, np.float32), repeats=4)
    assert (times.pageable_ms, times.pinned_ms) == (2.0, 1.0) and torch.calls.count("copy") == 10
    assert camera.cuda_session() is None or "CUDAExecutionProvider" in camera.cuda_session().get_providers()
