"""Chapter 04's figures: their sentences say what is drawn, and the numbers are counted anew."""

import re

import pytest

from utils.hardware.gpu_monitor import ProcessSample, parse_nvidia_smi_table, sample_text
from utils.hardware.gpu_monitor.four_loops import GpuLoopRow, LoopRow
from utils.optional import EngineUnavailable
from utils.widgets import ch04_gpu_memory_vs_utilization as ch

MIB = 2**20


def labelled(figure):
    return all(ax.get_xlabel() or ax.get_ylabel() or ax.get_title(loc="left") for ax in figure.axes) and any(
        ax.get_xlabel() for ax in figure.axes)


def test_presence():
    figure, told = ch.draw_presence()
    assert "in 70 % of the window of 1000 ms" in told and labelled(figure)
    assert f"{100 * (400 * 1 + 300 * 2 + 100 * 108) / (108 * 1000):.2f} %" == "10.93 %" and "10.93 % are at work" in told
    figure, told = ch.draw_presence([(0, 10, 8), (5, 20, 8)], 0, 40, 8)  # more SMs than there are
    assert "in 50 %" in told and "50.00 %" in told
    assert ch.presence()._repr_html_().startswith("<img")


def test_memory_map():
    ops = [("malloc", name, 8 * MIB) for name in "abcd"] + [("free", "a"), ("free", "c")]
    figure, told = ch.draw_memory_map(ops)
    assert told == "2 segments, 40 MiB reserved, 16 MiB allocated. The largest free block has 8 MiB."
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert sorted(texts) == ["b", "d", "free", "free", "free", "free"] and labelled(figure)
    told = ch.draw_memory_map([*ops, ("malloc", "e", 20 * MIB)])[1]
    assert told.startswith("3 segments, 60 MiB reserved, 36 MiB allocated")
    assert ch.draw_memory_map([])[1].startswith("0 segments, 0 MiB")
    small = ch.draw_memory_map([("malloc", "x", MIB)])[0].axes[0].get_yticklabels()
    assert [t.get_text() for t in small] == ["segment 1: 2 MiB, small"]
    assert "20 MiB reserved" in ch.memory_map([("malloc", "x", 5 * MIB)]).text


@pytest.mark.parametrize(("at_s", "step", "smi", "reading"), [
    (0.2, "start Python", 0, "No window is full yet"), (1.5, "first CUDA call", 450, "reads 0 %"), (7.4, "larger batch", 1930, "reads 90 %"),
    (8.4, "del outputs", 1930, "reads 0 %"), (9.4, "empty_cache()", 1410, "reads 0 %"), (14, "tiny requests", 1412, "reads 100 %")])
def test_staircase(at_s, step, smi, reading):
    figure, told = ch.draw_staircase(at_s, "1/2 s", True, True)
    assert f"({step}) nvidia-smi shows {smi:,} MiB" in told and reading in told and labelled(figure)
    parts = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) of (?:tensors|cache|context)", told)]
    assert sum(parts) == smi


def test_staircase_with_other_rules():
    assert "shows 2,150 MiB" in ch.draw_staircase(8.4, "1 s", False, True)[1]
    assert "shows 2,110 MiB" in ch.draw_staircase(8.4, "1/6 s", True, False)[1]


def test_shell_and_static_picture():
    question, row, told, view = ch.staircase().children
    assert "Guess first" in question.value and view.layout.display == "none"
    row.children[1].click()
    assert "✓" in told.value and "1,930 MiB" in told.value and view.layout.display == ""
    knobs = {k.description: k for k in view.children[1].children}
    knobs["split blocks"].value = False
    assert "empty_cache" in view.children[3].value
    knobs["time (s)"].value = 8.4
    assert "2,150 MiB" in view.children[3].value
    assert len(ch.static_picture().axes) == 2


def test_the_guess_is_true():
    before, after = (ch.draw_staircase(t, "1/2 s", True, True)[1] for t in (7.45, 8.45))
    assert "shows 1,930 MiB" in before and "shows 1,930 MiB" in after and "553 of cache" in after


def test_gpu_table():
    lines = repr(ch.gpu_table(parse_nvidia_smi_table(sample_text("570")))).splitlines()
    assert lines[1].split()[:3] == ["0", "NVIDIA", "A10G"] and "20824" in lines[1] and "0 %" in lines[1]
    assert "100 %" in lines[2] and lines[2].rstrip().endswith("–")
    assert "CUDA context" in repr(ch.gpu_table(parse_nvidia_smi_table(sample_text("470_gtx1080"))))
    assert repr(ch.gpu_table(parse_nvidia_smi_table(sample_text("580_gb10")))).count("unknown") == 2


ROWS = [LoopRow("loop", ProcessSample(98.0, 200 * MIB, 10.0), 0.02), LoopRow("product", ProcessSample(101.0, 210 * MIB, 10.0), 80.0),
        LoopRow("addition", ProcessSample(95.0, 290 * MIB, 10.0), 2.0), LoopRow("sleep", ProcessSample(0.4, 201 * MIB, 10.0), 0.0)]


def test_loops():
    lines = repr(ch.loop_table(ROWS)).splitlines()
    assert lines[2].split() == ["product", "101", "%", "210", "80"] and lines[4].split() == ["sleep", "0", "%", "201", "0"]
    figure, told = ch.draw_loops(ROWS)
    assert told == ("The loops that work differ by 6 points of utilisation. The product does 4,000 times the work of the loop. "
                    "The most resident memory: addition.")
    (ax,) = figure.axes
    assert "Gop/s" in ax.get_xlabel() and "%" in ax.get_ylabel()
    assert ch.loop_chart(ROWS)._repr_html_().startswith("<img")


def test_gpu_part(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "nothing was measured" in repr(ch.gpu_loops_measured())
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("utils.hardware.gpu_monitor.four_loops.run_gpu_loops",
                        lambda seconds: [GpuLoopRow("tiny", 99.0, 612.0, 2.0, 0.5, 0.01), GpuLoopRow("nap", None, None, 2.0, 0.0, 0.0)])
    lines = repr(ch.gpu_loops_measured()).splitlines()
    assert lines[1].split()[:3] == ["tiny", "99", "612"] and lines[2].count("unknown") == 2

    def unreadable(seconds):
        raise EngineUnavailable("NVML is not available: no driver")

    monkeypatch.setattr("utils.hardware.gpu_monitor.four_loops.run_gpu_loops", unreadable)
    assert "can't be read: NVML is not available" in repr(ch.gpu_loops_measured())
