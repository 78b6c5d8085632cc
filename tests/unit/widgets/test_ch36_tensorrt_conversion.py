"""Figures of chapter 36: their sentences against numbers computed another way, their axes, and what the text says."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from autograder.chapters import CHAPTERS
from autograder.notebooks.master import read_master
from utils.engines.tensorrt_build import BuildSpec, TensorRange, recording_tensorrt
from utils.engines.trtexec import parse_command
from utils.widgets import ch36_tensorrt_conversion as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", text)]


def draw(**changed):
    return figures.draw_profiles(**(figures.START | changed))


def by_hand(range_0, opt_0, range_1, opt_1, requests):
    """Which profile serves each batch, by ratios; memory at 40 MiB a sample."""
    served = []
    for n in requests:
        far = {i: max(opt / n, n / opt) for i, ((lo, hi), opt) in enumerate(((range_0, opt_0), (range_1, opt_1))) if lo <= n <= hi}
        served.append(min(far, key=far.get) if far else -1)
    return served


@pytest.mark.parametrize("changed", [{}, {"opt_1": 6}, {"range_1": (1, 8), "opt_1": 8}, {"burstiness": 1.5}, {"mean_batch": 30}])
def test_the_sentence_counts_what_hand_counts(changed):
    knobs = figures.START | changed
    state = figures.profile_state(**knobs)
    served = by_hand(knobs["range_0"], knobs["opt_0"], knobs["range_1"], knobs["opt_1"], state["requests"])
    assert state["served"] == served
    told = numbers(draw(**changed)[1])
    assert told[:6] == [60, 0, served.count(0), 1, served.count(1), served.count(-1)]
    assert f"reserve {40 * (knobs['range_0'][1] + knobs['range_1'][1]):,} MiB" in draw(**changed)[1]


def test_an_opt_outside_moves_to_the_nearer_end():
    assert figures.profile_state(**(figures.START | {"opt_0": 60}))["profiles"][0] == (1, 4, 4)


def test_nothing_served_is_told():
    text = draw(range_0=(60, 64), opt_0=60, range_1=(61, 64), opt_1=64, burstiness=0)[1]
    assert "60 are rejected; none of them served" in text


def test_both_pictures_have_labelled_axes():
    for figure in (draw()[0], figures.draw_range(0)[0], figures.static_picture()):
        for ax in figure.axes:
            assert ax.get_ylabel() and (ax.get_xlabel() or len(ax.get_xticklabels()))


def test_what_the_text_says_of_the_picture():
    text = CHAPTERS["36"].master.read_text(encoding="utf-8")
    state = figures.profile_state(**figures.START)
    assert (min(state["requests"]), max(state["requests"])) == (1, 21)
    for number in ("serves 28 of them", "serves 32", "reserve 1,440 MiB", "Reserved are 1,490 MiB, used are at most 1,050 MiB"):
        assert number in text
    assert [b / 2**20 for b in state["used_bytes"]] == [40 * 4, 40 * 21] and "50 + 40 · 4 + 40 · 21 = 1,050 MiB" in text
    assert "28" in draw()[1] and "1,440" in draw()[1] and "1,000" in draw()[1]
    assert "12 are rejected" in draw(range_1=(1, 8))[1] and "480 MiB" in draw(range_1=(1, 8))[1]
    other = draw(opt_1=6)[1]
    assert "profile 1 serves 48" in other and "factor of 1.7" in other and "factor of 2.5" in draw()[1]
    assert "1 are rejected" in draw(burstiness=1.5)[1]


@pytest.mark.parametrize("k", [-24, -10, 0, 6, 7, 20])
def test_the_range_sentence_against_numpys_cast(k):
    x = (figures.sample_tensor() * 2.0**k).astype(np.float64)
    with np.errstate(over="ignore"):
        half = x.astype(np.float32).astype(np.float16)
    told = numbers(figures.draw_range(k)[1].split(":")[1])
    assert told[0] == pytest.approx(100 * np.isinf(half).mean(), abs=0.006)
    assert told[1] == pytest.approx(100 * ((half == 0) & (x != 0)).mean(), abs=0.006)
    assert sum(told) == pytest.approx(100, abs=0.03)
    assert (told[0] > 0) == (k >= 7)  # the answer to the figure's question


def test_the_script_stops_at_three_lines():
    text = figures.script_table().text.splitlines()
    stops = [[i for i, line in enumerate(text) if line.split("✗")[0].count("✓") + line.split("✗")[0].count("·") == column and "✗" in line]
             for column in range(3)]
    assert [len(s) for s in stops] == [1, 1, 1] and stops[0] > stops[1] > stops[2]
    assert figures.script_table(keep_going=True).text.count("✗") == 2 + 3 + 5


def test_the_experiment_tells_the_story_of_the_text():
    found = figures.fp16_experiment()
    errors = list(found["errors"].values())
    assert errors[0] < 2e-3 and errors[1] < 2e-3 and errors[2] < 0.05 and np.isinf(errors[3]) and errors[4] < 2e-3
    assert found["keep"] == ["c1", "r1", "c2"]
    assert 0.5 < found["bytes"][1] / found["bytes"][0] < 0.52
    assert "not finite" in figures.fp16_table(found).text and figures.scan_table(found["scan"]).text.count("\n") == 11


def test_memory_is_a_line_and_a_parabola():
    curves = figures.memory_curves(batches=(1, 8), sizes=(224, 640))
    assert curves["by_batch"][1] == 8 * curves["by_batch"][0]
    assert curves["by_size"][1] / curves["by_size"][0] == pytest.approx((640 / 224) ** 2) == pytest.approx(8.2, abs=0.05)
    assert "MiB at batch 8" in figures.memory_picture(curves).text


def test_commands_are_told_or_refused():
    spec = BuildSpec("m.onnx", ((TensorRange("x", (1,), (2,), (4,)),),), precision="fp16")
    rows = figures.commands_table(spec).text.splitlines()[1:]
    assert parse_command(rows[0].split(None, 2)[2], "8.6").ok and parse_command(rows[1].split(None, 2)[2], "10.16").ok
    assert "no command" in rows[2]


def test_without_tensorrt_the_cell_says_what_it_would_do(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert "is not available" in figures.real_builds() and "at batch 32" in figures.real_builds()


class Plan:
    """An engine whose output is the mean of its input, read and written through raw memory."""

    num_io_tensors, shape = 2, None

    def get_tensor_name(self, i):
        return "xy"[i]

    def get_tensor_mode(self, name):
        return {"x": "in", "y": "out"}[name]

    def get_tensor_dtype(self, name):
        return "FLOAT"

    def create_execution_context(self):
        return self

    def set_input_shape(self, name, shape):
        self.shape = shape
        return shape[0] <= 32

    def get_tensor_shape(self, name):
        return (self.shape[0], 10)

    def set_tensor_address(self, name, address):
        assert address

    def execute_async_v3(self, stream):
        return True


def test_the_gpu_path_builds_and_times_with_a_library_of_our_own():
    trt = recording_tensorrt("11.1")
    trt.Runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: Plan())
    trt.nptype, trt.TensorIOMode = lambda dtype: np.float32, SimpleNamespace(INPUT="in", OUTPUT="out")
    lines = figures._time_builds(trt, device="cpu", rounds=2).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "opt at batch 1", "opt at batch 32", "opt at batch 32", "batch 1", "batch 32"]
    assert all(re.search(r"opt 1 [\d.]+ ms, opt 32 [\d.]+ ms", line) for line in lines[3:])
    assert [call[1] for call in trt.calls if call[0] == "create_timing_cache"] == [0, 5, 5]  # cold, then warm


def test_the_widgets_can_be_made():
    for made in (figures.profile_explorer(), figures.range_explorer()):
        assert made.children


def test_the_master_is_the_one_of_this_chapter():
    assert read_master(CHAPTERS["36"].master).solutions.keys() == {
        "check_profile", "choose_profile", "fp16_risk", "build_plan", "spec_to_trtexec"}
