"""The rules of a fair race, each with an engine that would break it."""

import numpy as np
import pytest

from utils.engines.frameworks import Engine, benchmark, benchmark_all, race, race_cnn, warm_up
from utils.engines.frameworks.registry import make_engine
from utils.optional import EngineUnavailable


class Spy(Engine):
    """Notes what is called, in which order, and answers 0."""

    name, distribution, module = "spy", "numpy", "numpy"

    def __init__(self, log, label="spy", lazy=False):
        super().__init__()
        self.log, self.label, self.lazy = log, label, lazy

    def load(self, model, threads):
        self.log.append((self.label, "load"))
        self.threads, self.model_bytes = threads, 7

    def prepare(self, feeds):
        self.log.append((self.label, "prepare"))
        return feeds

    def infer(self, prepared):
        self.log.append((self.label, "infer"))
        return {"y": Lazy(self.log, self.label) if self.lazy else np.zeros((1, 10), np.float32)}


class Lazy:
    """An output that computes when somebody looks at it."""

    def __init__(self, log, label):
        self.log, self.label = log, label

    def __array__(self, dtype=None, copy=None):
        self.log.append((self.label, "materialise"))
        return np.zeros((1, 10), np.float32)


def loaded(*args, threads=1, **kwargs):
    engine = Spy(*args, **kwargs)
    engine.load(None, threads)
    return engine


def test_engines_need_the_same_threads():
    log = []
    with pytest.raises(ValueError, match="same number of threads"):
        benchmark(loaded(log, threads=1), {}, interleave_with=[loaded(log, threads=2)])


def test_inputs_are_prepared_once_and_before():
    log = []
    benchmark(loaded(log), {}, warmup=3, repeats=5)
    steps = [step for _, step in log if step != "load"]
    assert steps[0] == "prepare" and steps.count("prepare") == 1 and set(steps[1:]) == {"infer"}


def test_lazy_outputs_are_materialised_within_each_run():
    log = []
    benchmark(loaded(log, lazy=True), {}, warmup=3, repeats=5)
    steps = [step for _, step in log if step in ("infer", "materialise")]
    assert steps[::2] == ["infer"] * (len(steps) // 2) and steps[1::2] == ["materialise"] * (len(steps) // 2)


def test_engines_take_turns():
    log = []
    engines = [loaded(log, label) for label in "abc"]
    found = benchmark_all(engines, {}, warmup=1, repeats=6)
    assert [len(times) for times in found] == [6, 6, 6] and all((times > 0).all() for times in found)
    rounds = [label for label, step in log if step == "infer"][-18:]
    assert all(sorted(rounds[k:k + 3]) == ["a", "b", "c"] for k in range(0, 18, 3))
    assert {rounds[k] for k in range(0, 18, 3)} == {"a", "b", "c"}  # none is always first


def test_warm_up_waits_until_the_medians_agree():
    now, calls = [0], [0]

    def call():
        calls[0] += 1
        now[0] += 1000 if calls[0] <= 25 else 100  # the first 25 calls take ten times as long

    made = warm_up(call, at_least=5, at_most=500, clock=lambda: now[0])
    # both windows of ten are slow after 20 calls: they agree, and that is what a program can know
    assert made == 20
    slope = iter([int(1e9 * 0.9**k) for k in range(40)] + [15_000_000] * 40)  # each call takes 10 % less, then no longer

    def falling():
        now[0] += next(slope)

    # call 41 is the first at the end of the slope; the last window holds it alone after 50, both windows after 60.
    # From 53 on more than half of the earlier window is within 10 % of the end
    assert 50 <= warm_up(falling, at_least=5, at_most=80, clock=lambda: now[0]) <= 60
    endless = iter(int(1e9 * 0.9**k) for k in range(99))
    assert warm_up(lambda: now.__setitem__(0, now[0] + next(endless)), at_least=5, at_most=45, clock=lambda: now[0]) == 45
    assert warm_up(lambda: None, at_least=30, at_most=10) >= 30
    with pytest.raises(ValueError, match="at_least"):
        warm_up(lambda: None, at_least=0)


def test_race_compares_with_the_first_that_runs():
    log = []

    class Absent(Spy):
        def load(self, model, threads):
            raise EngineUnavailable("x is not available: `pip install x`")

    class Refuses(Spy):
        def load(self, model, threads):
            raise ValueError("model must be smaller\nand so on")

    class Other(Spy):
        def infer(self, prepared):
            return {"y": np.full((1, 10), 0.25, np.float32)}

    kinds = {"absent": Absent, "one": Spy, "refuses": Refuses, "other": Other}
    (result,) = race({"toy": race_cnn()}, list(kinds), repeats=8, threads=3, warmup=2, make=lambda name: kinds[name](log, name))
    rows = {row.engine: row for row in result.rows}
    assert list(rows) == list(kinds) and (result.model, result.threads, result.batch) == ("toy", 3, 1)
    assert rows["absent"].reason == "x is not available: `pip install x`" and rows["refuses"].reason == "model must be smaller"
    assert [row.engine for row in result.ran] == ["one", "other"] and rows["other"].max_abs == 0.25 and rows["other"].cosine == 0.0
    assert len(rows["one"].samples_ms) == 8 and rows["one"].model_bytes == 7 and rows["one"].load_ms > 0 < rows["one"].first_ms
    assert result.ratios()["one"].winner == "tie" and np.isnan(rows["absent"].median_ms)
    assert result.versus("one", "other").ratio == pytest.approx(rows["one"].median_ms / rows["other"].median_ms)
    assert result.spread >= 1
    with pytest.raises(KeyError):
        result.versus("one", "absent")


def test_installed_bytes_count_each_file_once(tmp_path, monkeypatch):
    info, folder = tmp_path / "toy_engine-1.0.dist-info", tmp_path / "toy_engine"
    info.mkdir(), folder.mkdir()
    (folder / "lib.so").write_bytes(b"x" * 1000)
    (folder / "lib.so.1").symlink_to("lib.so")
    (folder / "main.pyc").write_bytes(b"x" * 70)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-engine\nVersion: 1.0\n")
    names = ["toy_engine/lib.so", "toy_engine/lib.so.1", "toy_engine/main.pyc", "toy_engine/removed.py"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert type("Toy", (Spy,), {"distribution": "toy-engine"}).installed_bytes() == 1000


def test_only_known_engines():
    with pytest.raises(KeyError, match="ONNX Runtime"):
        make_engine("Caffe")
    for bad in ({"width": 0}, {"batch": 0}):
        with pytest.raises(ValueError, match="width and batch"):
            race_cnn(**bad)
