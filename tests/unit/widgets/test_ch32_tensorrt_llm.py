"""Chapter 32's figures: their sentences say what is drawn, and the numbers are computed anew."""

import re

import numpy as np
import pytest

from utils.engines.tensorrt_llm import ranks
from utils.optional import EngineUnavailable
from utils.widgets import ch32_tensorrt_llm as figures

DEFAULT = ("Llama-3-70B", 80, 4, "BF16", 0.9, 512, 2048, "MAX_UTILIZATION")


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def test_sizer_tells_its_memory():
    figure, told = figures.draw_deployment(*DEFAULT)
    weights = 2 * 70_553_706_496 / 4  # published total, two bytes each, a quarter
    free = 80e9 - weights - 4e9
    tokens = int(0.9 * free / (81_920 * 32)) * 32
    assert f"{weights / 1e9:.1f} GB of weights" in told and f"{tokens:,} tokens" in told
    blocks = tokens // 32
    assert f"{blocks // 20:,} requests of 632 tokens" in told and f"or {blocks // 80:,} if each reserves 2,560" in told
    assert f"KV pool of {tokens * 81_920 / 1e9:.1f} GB" in told
    memory, tokens_ax, schedule = figure.axes
    assert all(ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left") for ax in figure.axes)
    bars = [p.get_height() for p in tokens_ax.patches]
    assert bars[2] == pytest.approx(tokens / 1e3) and bars[0] == 0
    assert {t.get_text() for t in memory.get_legend().get_texts()} == {"weights", "activations (assumed)", "KV pool", "left free"}
    assert len(schedule.lines) == 3 and "does not fit" in [t.get_text() for t in memory.texts]


def test_sizer_tells_its_schedule():
    told = figures.draw_deployment(*DEFAULT)[1]
    steps, most, pauses, again, other = numbers(told.split("under MAX_UTILIZATION:")[1])
    swapped = figures.draw_deployment(*DEFAULT[:-1], "GUARANTEED_NO_EVICT")[1]
    theirs = numbers(swapped.split("under GUARANTEED_NO_EVICT:")[1])
    assert (steps, other) == (theirs[4], theirs[0]) and steps < other
    assert theirs[2:4] == [0, 0] and pauses > 0 and again >= pauses and most > theirs[1]


def test_the_guess_is_right():
    told = [figures.draw_deployment("Llama-3-70B", 80, tp, "BF16", 0.9, 512, 2048, "GUARANTEED_NO_EVICT")[1] for tp in (4, 8, 16)]
    tokens = [float(re.search(r"holds ([\d,]+) tokens", t)[1].replace(",", "")) for t in told]
    assert tokens[0] == pytest.approx(447e3, rel=0.01) and tokens[1] == pytest.approx(1.3e6, rel=0.02)
    assert tokens[2] / tokens[1] == pytest.approx(1.15, abs=0.005)
    assert "36.7 GB" in told[0] and "52.5 GB" in told[1]


@pytest.mark.parametrize("model", figures.MODELS)
@pytest.mark.parametrize("tp", [1, 16])
def test_all_corners_can_be_drawn(model, tp):
    for fraction, prompt, limit in ((0.3, 4096, 8192), (1.0, 128, 512)):
        _, told = figures.draw_deployment(model, 80, tp, "FP8", fraction, prompt, limit, "GUARANTEED_NO_EVICT")
        assert told.startswith(f"{model} in BF16 on {tp} × 80 GB")


def test_what_does_not_fit_is_said():
    assert "do not fit" in figures.draw_deployment("Llama-3-70B", 80, 1, *DEFAULT[3:])[1]
    _, told = figures.draw_deployment("Llama-3-70B", 80, 2, "BF16", 0.3, 4096, 8192, "MAX_UTILIZATION")
    assert told.endswith("nothing was replayed.")


def test_the_figure_asks_before_it_shows():
    question, row, told, picture = figures.sizer().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[2].click()
    assert "As you guessed" in told.value and picture.layout.display == ""


def test_static_picture_is_what_the_text_beside_it_says():
    assert len(figures.static_picture().axes) == 3
    told = figures.draw_deployment(*DEFAULT)[1]
    assert "447,392 tokens in blocks of 32: 699 requests of 632 tokens (prompt 512, answer 120), or 174" in told
    assert "552 steps" in told and "10 pauses" in told and "1,284 steps" in told


def test_pictures_of_the_explanation():
    assert "one all-reduce" in figures.shard_picture().text
    told = figures.gantt().text
    assert "GUARANTEED_NO_EVICT: 20 steps, at most 2 at once, 0 pauses" in told
    assert "MAX_UTILIZATION: 12 steps, at most 5 at once, 1 pause" in told
    told = figures.speculation_chart().text
    best = max(range(11), key=lambda g: sum(0.8**i for i in range(g + 1)) / (0.05 * g + 1))
    assert f"draft cost 0.05, α = 0.8: best with {best} drafts" in told


def test_sweep():
    runs = figures.sweep_limits(seed=0)
    guaranteed = [run.steps for run in runs["GUARANTEED_NO_EVICT"].values()]
    assert guaranteed == sorted(guaranteed) and guaranteed[-1] == 10_861
    assert {run.steps for run in runs["MAX_UTILIZATION"].values()} == {590}
    assert "10,861 at 4096" in figures.sweep_chart(runs).text
    table = figures.sweep_table(runs).text.splitlines()
    assert len(table) == 2 + 10 and all(len(numbers(line)) >= 4 for line in table[2:])


def test_ranks_or_the_reason(monkeypatch):
    result = ranks.RanksResult(2, 1e-6, 6_300_000, 131_072, 8.0, 3.0, 1.0)
    seen = []
    monkeypatch.setattr("utils.engines.tensorrt_llm.run_ranks", lambda *a, **k: seen.append(a) or result)
    told = figures.two_ranks().text
    assert "25%" in told and "6.3 MB" in told and "131 kB" in told
    x, gate, up, down = seen[0]
    assert x.shape == (64, 512) and gate.shape == up.shape == (512, 2048) and down.shape == (2048, 512)
    assert all(a.dtype == np.float32 for a in seen[0])

    def refuse(*_, **__):
        raise EngineUnavailable("a second process is not available: none left")

    monkeypatch.setattr("utils.engines.tensorrt_llm.run_ranks", refuse)
    assert figures.two_ranks().text == "Not measured: a second process is not available: none left."


def test_the_library_or_the_reason(monkeypatch):
    assert figures.real_library().text.startswith("Not run: ")
    told = figures.real_library("/nowhere").text
    assert "is not available" in told or "version" in told
    monkeypatch.setattr("utils.engines.tensorrt_llm.run_trtllm_smoke", lambda folder: {"version": "1.2", "text": folder})
    assert "1.2" in figures.real_library("/model").text
