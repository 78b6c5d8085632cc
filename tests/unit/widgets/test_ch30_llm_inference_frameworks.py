"""Chapter 30's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import re

import numpy as np
import pytest

from utils.engines.llm_serving import FRAMEWORKS, EngineTimes, simulate_serving
from utils.widgets import ch30_llm_inference_frameworks as ch


def list_scheduling(lengths, slots):
    """Steps when each request goes to the slot that is free first."""
    free = [0] * slots
    for n in lengths:
        free[free.index(min(free))] += n
    return max(free)


def lengths_of(seed, sigma):
    raw = np.random.default_rng(seed).lognormal(np.log(12) - sigma**2 / 2, sigma, 24)
    return np.clip(np.rint(raw), 1, 80).astype(int).tolist()


@pytest.mark.parametrize("seed, batch, sigma", [(0, 4, 0.9), (3, 8, 1.5), (7, 1, 0.4)])
def test_timeline_tells_its_steps(seed, batch, sigma):
    figure, told = ch.draw_gantt(seed, batch, sigma, ch.AT_ONCE)
    lengths = lengths_of(seed, sigma)
    static = sum(max(lengths[i:i + batch]) for i in range(0, 24, batch))
    assert f"Static batching needs {static} steps" in told
    assert f"drawn with mean 12 and σ = {sigma:g} (these average {sum(lengths) / 24:.1f} tokens)" in told
    assert f"continuous {list_scheduling(lengths, batch)} and" in told
    # a static batch is full until its end: 20 ms + 1 ms a slot in every step (24 is a multiple of the slots)
    assert f"{static * (0.020 + 0.001 * batch):.2f} s, continuous" in told
    idle = round(100 * (1 - sum(lengths) / (static * batch)))
    assert f"in {idle} % of the slots' steps" in figure.axes[0].get_title(loc="left")
    assert all(ax.get_ylabel() == "slot" for ax in figure.axes) and "(s)" in figure.axes[1].get_xlabel()


def test_equal_lengths_gain_nothing():
    told = ch.draw_gantt(0, 4, 0, ch.AT_ONCE)[1]
    seconds = re.findall(r"steps and ([\d.]+) s, continuous \d+ and ([\d.]+) s", told)
    assert seconds == [(f"{72 * 0.024:.2f}",) * 2]  # 24 · 12 / 4 = 72 steps of 24 ms


def test_arrivals_are_spread_out():
    told = ch.draw_gantt(3, 8, 0.6, 10)[1]
    assert "10 a second on average" in told
    assert ch.gantt_runs(3, 8, 0.6, 2)["continuous"].makespan_s > 5  # 24 requests at 2 a second


def test_fit_map_tells_the_largest_model():
    figure, told = ch.draw_fit("1 × RTX 4090 24 GB, 64 GB RAM", 4, 10)
    # usable 21.6 GB less 4 GB: 17.6 GB are 8.8 B parameters at 16 bits, 17.6 at 8, 35.2 at 4, 70.4 at 2
    assert "21.6 GB" in told and "8 B at 16 bits, 14 B at 8 bits, 32 B at 4 bits, 70 B at 2 bits" in told
    (ax,) = figure.axes
    cells = [t.get_text() for t in ax.texts]
    assert len(cells) == 40 and "140 GB\ndisk" in cells and "70 GB\noffload" in cells and "12 TB\ndisk" in cells
    assert ax.get_xlabel() == "parameters" and ax.get_ylabel() == "bits a weight"


def test_fit_map_edges():
    assert "nothing runs" in ch.draw_fit("1 × T4 16 GB, 64 GB RAM", 64, 0)[1]
    told = ch.draw_fit("1 × T4 16 GB, 64 GB RAM", 16, 0)[1]
    assert "none at 16 bits" in told and "none at 2 bits" in told


def test_measured_engines():
    rows = [EngineTimes(1, 10.0, 40.0), EngineTimes(64, 20.0, 50.0)]
    assert repr(ch.engine_table(rows)).splitlines()[2].split() == ["64", "20.0", "50.0", "3,200", "1,280", "2.5"]
    figure, told = ch.draw_engines(rows)
    assert "batch 1 streaming makes a step 4.0 times as long" in told and "from 25 to 1,280 tokens/s" in told
    assert figure.axes[0].get_xlabel() and figure.axes[0].get_ylabel()
    assert ch.engine_picture(rows)._repr_html_().startswith("<img")


def test_batching_picture():
    runs = {p: simulate_serving([(0, 1), (0, 5), (0, 2), (0, 2)], 2, 1, 0, p) for p in ("static", "continuous")}
    figure, told = ch.draw_batching(runs)
    assert "static batching needs 7 steps, continuous 5, a factor of 1.4" in told
    assert figure.axes[0].get_xlabel() == "step"
    assert ch.batching_picture(runs).text == told


def test_framework_tables_print_their_dates():
    for shown in (ch.framework_table(), ch.source_list()):
        assert all(f.as_of.isoformat() in repr(shown).replace("\u2011", "-") and f.name in shown._repr_html_() for f in FRAMEWORKS)
    lines = repr(ch.mechanism_table()).splitlines()
    assert len(lines) == len(ch.MECHANISMS) + 2
    assert {m for f in FRAMEWORKS for m in f.mechanisms} == set(ch.MECHANISMS)  # none is left out of the table
    offload = next(line for line in lines if line.startswith("weight offload"))
    assert offload.count("yes") == sum("weight offload" in f.mechanisms for f in FRAMEWORKS)


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "No GPU here" in repr(ch.gpu_link())
    monkeypatch.setattr("utils.engines.llm_serving.cuda_link_gb_s", lambda: 24.63)
    assert "24.6 GB/s measured here" in repr(ch.gpu_link())


def test_shells_and_static_picture():
    *_, view = ch.serving_timeline().children
    knobs = {k.description: k for k in view.children[1].children}
    knobs["slots"].value = 6
    assert "6 slots" in view.children[3].value
    *_, view = ch.fit_map().children
    knobs = {k.description: k for k in view.children[1].children}
    knobs["server"].value = "1 × H100 80 GB, 256 GB RAM"
    assert "72 GB of GPU memory are usable" in view.children[3].value
    assert len(ch.static_picture().axes) == 2
