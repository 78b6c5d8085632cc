"""Footprint, loading and the page cache, with real modules and real files."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from utils.optional import EngineUnavailable
from utils.serving.model_cache import (
    LoadTiming,
    PinnedMaster,
    cached_share,
    cuda_copy_rates,
    drop_from_page_cache,
    load_bench,
    load_model,
    module_bytes,
    module_device,
    module_footprint,
    read_into_page_cache,
    save_weights,
    time_load,
)


class Tied(nn.Module):
    """An embedding whose weight is the output layer's too."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 8), nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return self.head(self.norm(self.embed(x)))


def test_footprints_by_hand():
    assert module_footprint(nn.Linear(1024, 1024)) == (4_198_400, "cpu")
    assert module_footprint(nn.Linear(16, 8, dtype=torch.bfloat16)) == ((16 * 8 + 8) * 2, "cpu")
    assert module_footprint(nn.BatchNorm2d(6)) == (6 * 4 * 4 + 8, "cpu")  # weight, bias, mean, variance, int64 counter
    assert module_bytes(Tied()) == 11 * 8 * 4 + 8 * 4 * 4 + 8
    with torch.device("meta"):
        assert module_footprint(Tied()) == (11 * 8 * 4 + 8 * 4 * 4 + 8, "meta")


def test_a_view_keeps_its_storage():
    m = nn.Module()
    m.register_buffer("tail", torch.zeros(100)[90:], persistent=False)
    m.register_buffer("head", m.tail.new_empty(0))
    assert module_bytes(m) == 400
    (m.tail + 0).sum()
    linear = nn.Linear(4, 4)
    linear(torch.ones(1, 4)).sum().backward()
    assert module_bytes(linear) == 80  # gradients are not counted


def test_devices():
    assert module_device(nn.Linear(2, 2)) == torch.device("cpu")
    with pytest.raises(ValueError, match="no parameters or buffers"):
        module_device(nn.ReLU())
    mixed = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, device="meta"))
    for m in (mixed, nn.BatchNorm1d(2)):
        if m is not mixed:
            m.running_mean = m.running_mean.to("meta")
        with pytest.raises(ValueError, match="spread over several devices"):
            module_footprint(m)


@pytest.mark.parametrize("mode", ["plain", "mmap", "meta"])
def test_loading_gives_the_same_bits(tmp_path, mode):
    torch.manual_seed(0)
    m = Tied().train()
    m(torch.arange(11))  # moves the running statistics
    save_weights(m, tmp_path / "w.pt")
    back, x = load_model(Tied, tmp_path / "w.pt", mode), torch.arange(11)
    assert not back.training and torch.equal(back(x), m.eval()(x))
    assert all(torch.equal(a, b) for a, b in zip(m.state_dict().values(), back.state_dict().values()))
    assert module_footprint(back) == module_footprint(m), "tied weights are tied again, and no tensor counts twice"


def test_a_mapped_module_keeps_its_weights_when_the_file_is_replaced(tmp_path):
    m = nn.Linear(2048, 64)
    save_weights(m, tmp_path / "w.pt")
    mapped = load_model(lambda: nn.Linear(2048, 64), tmp_path / "w.pt", "meta")
    save_weights(nn.Linear(2048, 64), tmp_path / "w.pt")
    assert torch.equal(mapped.weight, m.weight)
    assert [p.name for p in tmp_path.iterdir()] == ["w.pt"]


def test_only_tensors_are_unpickled(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(Exception, match="weights_only") as caught:
        load_model(lambda: nn.Linear(2, 2), tmp_path / "whole.pt", "plain")
    assert type(caught.value).__name__ == "UnpicklingError"


def test_refusals(tmp_path):
    class Scratch(nn.Linear):
        def __init__(self):
            super().__init__(2, 2)
            self.register_buffer("scratch", torch.zeros(3), persistent=False)

    save_weights(Scratch(), tmp_path / "w.pt")
    assert load_model(Scratch, tmp_path / "w.pt", "mmap").scratch.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="scratch"):
        load_model(Scratch, tmp_path / "w.pt", "meta")
    with pytest.raises(ValueError, match="mode"):
        load_model(Scratch, tmp_path / "w.pt", "fast")
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_model(lambda: nn.Linear(3, 2), tmp_path / "w.pt", "plain")


def test_a_failed_save_leaves_nothing_behind(tmp_path, monkeypatch):
    save_weights(nn.Linear(2, 2), tmp_path / "w.pt")
    before = (tmp_path / "w.pt").read_bytes()

    def fails(state, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="disk full"):
        save_weights(nn.Linear(2, 2), tmp_path / "w.pt")
    assert [p.name for p in tmp_path.iterdir()] == ["w.pt"] and (tmp_path / "w.pt").read_bytes() == before


def test_timing_reads_the_clock_around_each_part(tmp_path):
    save_weights(nn.Linear(2, 2), tmp_path / "w.pt")
    ticks = iter([0, 1, 3, 6, 100, 102, 106, 112, 200, 209, 209, 210])  # ms of three loads: 1 2 3, 2 4 6, 9 0 1
    prepared = []
    timing = time_load(lambda: nn.Linear(2, 2), tmp_path / "w.pt", "plain", 3, infer=lambda m: m(torch.ones(1, 2)),
                       before=lambda: prepared.append(1), clock=lambda: next(ticks) * 10**6)
    assert timing == LoadTiming(2, 2, 3) and timing.total_ms == 7 and len(prepared) == 3
    assert timing.as_dict() == {"read_ms": 2, "build_ms": 2, "first_infer_ms": 3}
    with pytest.raises(ValueError, match="repeats"):
        time_load(nn.Identity, tmp_path / "w.pt", "plain", 0, infer=lambda m: None)


# --- page cache -------------------------------------------------------------------------------------


@pytest.fixture
def droppable(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 << 20))
    if not drop_from_page_cache(path):
        pytest.skip("this file system does not let a file be dropped from the page cache")
    return path


def test_dropped_and_read_again(droppable):
    assert cached_share(droppable) == 0
    read_into_page_cache(droppable)
    assert cached_share(droppable) == 1
    droppable.write_bytes(droppable.read_bytes())  # dirty pages: they have to be written before they can go
    assert drop_from_page_cache(droppable) and cached_share(droppable) == 0


def test_a_mapped_load_reads_at_the_first_inference(droppable):
    m = nn.Sequential(*[nn.Linear(512, 512) for _ in range(4)])
    save_weights(m, droppable)

    def load(mode):
        assert drop_from_page_cache(droppable)
        return load_model(lambda: copy.deepcopy(m) if mode != "meta" else nn.Sequential(*[nn.Linear(512, 512) for _ in range(4)]),
                          droppable, mode)

    plain = load("plain")
    assert cached_share(droppable) == 1  # all of it was read to load it
    del plain
    mapped = load("meta")
    before = cached_share(droppable)
    mapped(torch.ones(1, 512))
    # Each of the four layers is 1 MiB, and the kernel reads ahead of what is asked: but not a whole file of four.
    assert before < 0.5 and cached_share(droppable) > 0.95


def test_where_the_system_does_not_tell(droppable, monkeypatch):
    monkeypatch.setattr("utils.serving.model_cache.page_cache._mincore", lambda: None)
    assert cached_share(droppable) is None and not drop_from_page_cache(droppable)
    monkeypatch.delattr(os, "posix_fadvise")
    assert not drop_from_page_cache(droppable)


def test_an_empty_file_has_no_pages(tmp_path):
    (tmp_path / "empty").touch()
    assert cached_share(tmp_path / "empty") == 0


def test_load_bench_has_a_row_for_each_state(tmp_path, monkeypatch):
    bench = load_bench(tmp_path, 1, lambda: nn.Linear(256, 256), lambda m: m(torch.ones(1, 256)))
    for row in bench.rows:
        if row.before is not None:
            assert row.before == (0 if row.cold else 1) and row.after_infer >= row.after_load
    assert {r.name for r in bench.rows} >= {"plain, warm", "mmap, warm", "meta, warm"} and bench.infer_ms > 0
    assert bench.row("meta", False).timing.total_ms > 0
    monkeypatch.setattr("utils.serving.model_cache.experiment.drop_from_page_cache", lambda path: False)
    without = load_bench(tmp_path, 1, lambda: nn.Linear(64, 64), lambda m: m(torch.ones(1, 64)))
    assert not without.can_drop and len(without.rows) == 3
    with pytest.raises(KeyError):
        without.row("meta", True)


# --- master copies ----------------------------------------------------------------------------------


def test_the_master_stays_and_copies_go(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    torch.manual_seed(0)
    m = Tied().eval()
    m.norm.weight.requires_grad_(False)
    master, x = PinnedMaster(m), torch.arange(11)
    out, copied = m(x), master.to_device("cpu")
    assert torch.equal(copied(x), out) and module_bytes(copied) == module_bytes(m) and not master.pinned
    assert copied.head.weight is copied.embed.weight and copied.embed.weight is not m.embed.weight
    assert copied.embed.weight.requires_grad and not copied.norm.weight.requires_grad
    with torch.no_grad():
        copied.embed.weight.zero_()
    assert torch.equal(m(x), out), "the copy has memory of its own"
    assert module_device(master.to_device("meta")) == torch.device("meta") and torch.equal(m(x), out)
    with pytest.raises(ValueError, match="CPU"):
        PinnedMaster(nn.Linear(2, 2, device="meta"))


def test_without_a_gpu_the_copy_rates_say_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineUnavailable, match="is not available"):
        cuda_copy_rates()


def test_the_door_is_light():
    code = "import sys, utils.serving.model_cache\nprint([m for m in ('torch', 'onnx', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
