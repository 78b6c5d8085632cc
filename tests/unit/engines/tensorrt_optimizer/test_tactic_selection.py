"""The tactics compute the same convolution; selection obeys limit, times and cache."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.flops import winograd_f2x2_3x3
from utils.engines.tensorrt_optimizer import TacticPicker, TacticTimer, TimingCache, plan_memory, select_tactic
from utils.engines.tensorrt_optimizer.tactics import TACTICS, ConvShape


def naive_same(x, w):
    """Stride 1, same padding, in float64, straight from the definition."""
    pad_h, pad_w = w.shape[2] // 2, w.shape[3] // 2
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad_h, pad_h), (pad_w, pad_w)))
    out = np.zeros((x.shape[0], w.shape[0], *x.shape[2:]))
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            window = padded[:, :, i : i + x.shape[2], j : j + x.shape[3]]
            out += np.einsum("nchw,oc->nohw", window, w[:, :, i, j].astype(np.float64))
    return out


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.sampled_from([1, 3, 5, 7]))
def test_all_tactics_agree_with_the_definition(n, c, h, w, o, k):
    rng = np.random.default_rng(0)
    x, weight = rng.uniform(-1, 1, (n, c, h, w)).astype(np.float32), rng.uniform(-1, 1, (o, c, k, k)).astype(np.float32)
    shape, right = ConvShape.same(n, c, h, w, o, k), naive_same(x, weight)
    for tactic in TACTICS.values():
        if tactic.supports(shape):
            got = tactic(torch.from_numpy(x), torch.from_numpy(weight)).numpy()
            # up to 147 products below 1, eps 6e-8; the transforms add a small constant factor
            np.testing.assert_allclose(got, right, rtol=0, atol=1e-5 * max(1, c * k * k / 30), err_msg=tactic.name)


def test_winograd_is_the_tile_of_the_operation_counts():
    rng = np.random.default_rng(1)
    d, g = rng.standard_normal((4, 4)).astype(np.float32), rng.standard_normal((3, 3)).astype(np.float32)
    got = TACTICS["winograd_2x2_3x3"](torch.from_numpy(d)[None, None], torch.from_numpy(g)[None, None]).numpy()[0, 0]
    np.testing.assert_allclose(got[1:3, 1:3], winograd_f2x2_3x3(d, g), atol=1e-5)


@pytest.mark.parametrize("shape", [
    ConvShape(1, 4, 9, 8, 6, 3, 3, stride=(2, 1), pad=(1, 0)), ConvShape(2, 4, 9, 8, 6, 3, 2, dilation=(2, 1), pad=(2, 1))])
def test_strides_and_dilation(shape):
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.standard_normal((shape.n, shape.c, shape.h, shape.w), np.float32))
    w = torch.from_numpy(rng.standard_normal((shape.o, shape.c, shape.kh, shape.kw), np.float32))
    direct, columns = (TACTICS[name](x, w, shape) for name in ("direct", "im2col_gemm"))
    assert tuple(direct.shape[2:]) == shape.out_hw
    torch.testing.assert_close(direct, columns, rtol=1e-4, atol=1e-5)
    for name in ("fft", "winograd_2x2_3x3"):
        assert not TACTICS[name].supports(shape)
        with pytest.raises(ValueError, match=name):
            TACTICS[name](x, w, shape)


def test_workspace_counts_the_arrays_that_are_made():
    shape = ConvShape.same(2, 3, 8, 8, 5, 3)
    assert TACTICS["direct"].workspace_bytes(shape) == 0
    assert TACTICS["im2col_gemm"].workspace_bytes(shape) == 4 * torch.nn.functional.unfold(torch.zeros(2, 3, 8, 8), 3, padding=1).numel()
    spectrum = torch.fft.rfft2(torch.zeros(10, 10)).numel()
    assert TACTICS["fft"].workspace_bytes(shape) == 8 * spectrum * (2 * 3 + 5 * 3 + 2 * 5) + 4 * 2 * 5 * 100
    assert TACTICS["winograd_2x2_3x3"].workspace_bytes(shape) == 4 * 16 * (2 * 16 * (3 + 5) + 15)


# -- selection ------------------------------------------------------------------------------------


class Clock:
    """Nanoseconds that move by what the timed function says."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now

    def job(self, ms):
        def run():
            self.now += int(ms * 1e6)
        return run


def test_timer_takes_the_median_after_the_warm_up():
    clock, durations = Clock(), iter([50, 50, 1, 9, 2, 8, 3])
    timer = TacticTimer(repeats=5, warmup=2, clock=clock)
    assert timer.time(lambda: clock.job(next(durations))()) == pytest.approx(3)


def test_selection_with_limit_cache_and_ties(tmp_path):
    clock = Clock()
    timer, cache = TacticTimer(3, 1, clock), TimingCache()
    tactics = {"b": (clock.job(2), 10), "a": (clock.job(2), 10), "big": (clock.job(1), 100)}
    choice = select_tactic("k", tactics, 50, timer, cache)
    assert (choice.name, choice.workspace_bytes, dict(choice.skipped)) == ("a", 10, {"big": 100})
    assert not choice.from_cache and choice.ms == pytest.approx(2)
    wider = select_tactic("k", tactics, 100, timer, cache)
    assert (wider.name, wider.timed) == ("big", ("big",))  # only what was not known
    cache.save(tmp_path / "cache.json")
    before = clock.now
    again = select_tactic("k", tactics, 100, timer, TimingCache.load(tmp_path / "cache.json"))
    assert again.from_cache and again.name == "big" and clock.now == before
    with pytest.raises(ValueError, match="at least 10"):
        select_tactic("k", tactics, 9, timer, cache)
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(ValueError, match="timing cache"):
        TimingCache.load(tmp_path / "bad.json")


def test_picker_of_the_worked_example():
    ms = {"direct": 3.0, "fft": 1.0, "im2col": 2.0}
    tactics = {name: (lambda n=name: ms[n], size) for name, size in (("direct", 0), ("fft", 500), ("im2col", 100))}
    picker = TacticPicker(lambda fn: fn())
    assert [picker.choose("conv", tactics, limit) for limit in (1000, 1000, 200)] == ["fft", "fft", "im2col"]
    assert picker.timings_made == 5
    with pytest.raises(ValueError, match="workspace_limit"):
        picker.choose("conv", tactics, -1)


# -- memory ---------------------------------------------------------------------------------------

USES = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 8), st.integers(0, 4)), max_size=8)


@given(USES, st.sampled_from([1, 16, 64]))
def test_plans_are_valid_aligned_and_above_the_bound(uses, alignment):
    tensors = {f"t{i}": (size, first, first + length) for i, (size, first, length) in enumerate(uses)}
    plan = plan_memory(tensors, alignment)
    taken = {}
    for name, (size, first, last) in tensors.items():
        assert plan.offsets[name] % alignment == 0
        for step in range(first, last + 1):
            for byte in range(plan.offsets[name], plan.offsets[name] + size):
                assert taken.setdefault((step, byte), name) == name
    assert plan.peak_bytes >= plan.lower_bound_bytes
    assert plan.peak_bytes == max((plan.offsets[n] + t[0] for n, t in tensors.items()), default=0)


def test_chains_reach_the_bound():
    for skip in (False, True):
        tensors = {f"t{i}": (640, i, i + 1) for i in range(9)} | ({"skip": (640, 0, 9)} if skip else {})
        plan = plan_memory(tensors)
        assert plan.peak_bytes == plan.lower_bound_bytes == (3 if skip else 2) * 640
