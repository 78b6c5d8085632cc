"""Chapter 05's figures: their sentences say what was traced, and what was traced adds up."""

import itertools
import re

import pytest
import torch

from utils.widgets import ch05_training_memory as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def test_timeline_tells_the_parts_of_its_peak():
    t = figures.memory_timeline("MLP, 32 × 1,024", 128, 32, 1)
    params, unit = 32 * 1024 * 1025, 4 * 128 * 1024
    assert t["states"] == 16 * params and t["data"] == unit
    assert t["kept"] == 32 * unit  # each layer keeps its ReLU's output
    assert t["peak"] == t["states"] + t["data"] + t["kept"] + t["temporaries"] == t["live"].max()
    assert t["inference_peak"] == 4 * params + 3 * unit == t["inference"].max()  # the batch and two neighbours
    figure, sentence = figures.timeline("MLP, 32 × 1,024", 128, 32, 1)
    told = numbers(sentence.split("bits: ")[1])
    gb = [t["peak"], t["states"], t["kept"] + t["data"], t["temporaries"], t["inference_peak"]]
    assert told == pytest.approx([*(g / 1e9 for g in gb), 8], abs=0.005)
    curve, bars = figure.axes
    assert curve.get_xlabel() and "GB" in curve.get_ylabel() and "GB" in bars.get_xlabel()
    assert max(curve.get_lines()[0].get_ydata()) == pytest.approx(t["peak"] / 1e9)


def test_sixteen_bits_halve_the_activations_and_not_the_states():
    full, half = (figures.memory_timeline("MLP, 32 × 1,024", 128, bits, 1) for bits in (32, 16))
    assert half["states"] == full["states"] and 2 * half["kept"] == full["kept"]
    assert figures.timeline("MLP, 32 × 1,024", 128, 16, 4)[1].startswith("MLP, 32 × 1,024, batch 128, 16 bits, checkpointed in 4")


def test_no_card_is_large_enough():
    assert "fits none of the cards" in figures.timeline("GPT, 12 layers", 256, 32, 1)[1]


def test_static_picture_is_what_the_text_beside_it_says():
    sentence = figures.timeline()[1]
    assert numbers(sentence)[:4] == [18, 64, 32, 1.62] and "0.19 GB are model states, 1.42 GB" in sentence
    assert len(figures.static_picture().axes) == 2


def test_it_asks_before_it_shows():
    question, row, told, picture = figures.timeline_explorer().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[0].click()
    assert "✗" in told.value and picture.layout.display == ""


def test_batch_peaks_are_two_lines():
    rows = figures.batch_peaks((16, 32, 48))
    assert all(r["tracked"] == r["profiled"] for r in rows)
    assert [b["tracked"] - a["tracked"] for a, b in itertools.pairwise(rows)] == [16 * 33 * 4 * figures.WIDTH] * 2
    shown = figures.batch_chart(rows)
    assert "16,896 bytes in training and 1,024 in inference, 16.5 times less" in repr(shown) and "at most 0 bytes" in shown.html


def test_checkpoint_rows_count_what_runs_again():
    threads, ticks = torch.get_num_threads(), itertools.count(step=1_000_000)
    rows = figures.checkpoint_rows(batch=8, rounds=2, clock=lambda: next(ticks))
    assert torch.get_num_threads() == threads
    for r in rows:
        again = 32 - 32 // r["segments"]  # every layer but the last segment's runs its product twice
        assert r["products"] == 32 + 2 * 32 - 1 + again
        assert r["forward"] == r["predicted"] and r["time"] == 1
    told = repr(figures.checkpoint_table(rows)).split("\n")
    assert len(told) == 7 and told[3].split() == ["4", "11", "11.00", f"{rows[2]['peak']:.2f}", "119", "1.00"]


def test_the_gpu_part_says_when_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "No CUDA device" in repr(figures.gpu_numbers())
