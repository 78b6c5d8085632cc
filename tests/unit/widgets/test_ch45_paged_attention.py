"""Chapter 45's figures: their sentences say what is drawn, and what is drawn is counted anew."""

import re
from math import ceil

import numpy as np
import pytest
import torch

from utils.attention.paging_sim import lognormal_lengths
from utils.networks.tiny_gpt import TinyGPT
from utils.networks.tiny_serving import chat_requests, compare_caches
from utils.widgets import ch45_paged_attention as figures
from utils.widgets import shell


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def test_theatre_tells_the_pool():
    figure, told = figures.draw_pool(figures.SCRIPT, 6, 10, 4)
    assert told.startswith("6 of 10 blocks are free. a: 7 tokens in blocks 0, 1. b: 7 tokens in blocks 0, 2.")
    assert "1 of the 4 held blocks is shared, and 3 of 16 held slots are empty (19%)" in told
    assert told.endswith("Copied so far: 2 blocks (1 to 2, 1 to 3).")
    (ax,) = figure.axes
    assert ax.get_xlabel() and ax.get_title(loc="left")
    texts = [t.get_text() for t in ax.texts]
    assert texts.count("free") == 6 and texts.count("×3") == 1 and "a b c" in texts


def test_freeing_the_parent_frees_only_its_own_block():
    before, after = (figures.draw_pool(figures.SCRIPT, step, 10, 4)[1] for step in (6, 7))
    assert (numbers(before)[0], numbers(after)[0]) == (6, 7)


def test_larger_blocks_waste_more_in_the_theatre():
    script = "add a 6; add b 3; add c 17"
    for size in (1, 4, 16, 64):
        held = sum(ceil(n / size) for n in (6, 3, 17)) * size
        told = figures.draw_pool(script, 3, 26, size)[1] if size == 1 else figures.draw_pool(script, 3, 20, size)[1]
        assert f"{held - 26} of {held} held slots are empty" in told


def test_theatre_at_the_edges():
    assert figures.draw_pool("", 0, 10, 4)[1] == "10 of 10 blocks are free. Copied so far: 0 blocks."
    assert "1 operation found no free block and was skipped" in figures.draw_pool("add a 4; add b 5", 2, 2, 4)[1]
    assert "4 owners" in [t.get_text() for t in figures.draw_pool("add a 4; fork a b; fork a c; fork b d", 4, 4, 4)[0].axes[0].texts]
    assert "“shrink a” is none of" in figures.draw_pool("shrink a", 1, 4, 4)[1]
    assert "“add a x” needs a whole number" in figures.draw_pool("add a x", 1, 4, 4)[1]
    assert "no sequence 'b'" in figures.draw_pool("add a 3; free b", 2, 4, 4)[1]
    assert "in use" in figures.draw_pool("add a 3; add a 3", 2, 4, 4)[1]


def test_static_picture_is_what_the_text_beside_it_says():
    assert len(figures.static_picture().axes) == 1
    assert "6 of 10" in figures.draw_pool(figures.SCRIPT, 6, 10, 4)[1]


@pytest.mark.parametrize("make", [figures.block_theatre, figures.policies_figure])
def test_each_figure_asks_before_it_shows(make):
    question, row, told, picture = make().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[0].click()
    assert told.value and picture.layout.display == ""


def test_buttons_write_the_script(monkeypatch):
    monkeypatch.setattr(shell, "rendered", lambda picture, sentence: ("", sentence))  # drawing is tested above
    view = figures.block_theatre().children[-1]
    _, knobs, buttons, _, sentence = view.children
    script, step = knobs.children[:2]
    chosen, append, fork, free, new, undo, over = buttons.children
    assert chosen.options == ("b", "c")
    chosen.value = "c"
    append.click()
    assert script.value.endswith("free a; append c") and step.value == step.max == 8
    fork.click()
    assert script.value.endswith("append c; fork c d") and chosen.value == "c"
    new.click()
    free.click()
    assert script.value.endswith("add e 6; free c") and chosen.options == ("b", "d", "e")
    assert "e: 6 tokens" in sentence.value
    undo.click()
    over.click()
    assert script.value == figures.SCRIPT and step.value == 7
    script.value = "nonsense"
    assert "is none of" in sentence.value
    script.value = ""
    assert chosen.options == () and step.value == 0
    append.click()
    assert script.value == ""


@pytest.mark.parametrize("block_size", [1, 16])
def test_policies_sentence(block_size):
    figure, told = figures.draw_policies(block_size, 2048, 0)
    rng = np.random.default_rng(0)
    prompts, outputs = (lognormal_lengths(mean, 160, 192, rng) for mean in (24, 34))
    found = numbers(told)
    steps, batches = found[0:9:3], found[1:9:3]
    preemptions = found[9]
    # a request takes a step for its prompt and one for each token; a preempted one repeats its prompt's step
    for s, b, again in zip(steps, batches, (0, 0, preemptions)):
        assert s * b == pytest.approx(160 + outputs.sum() + again, rel=0.5 * 0.1 / b + 1e-9)
    assert batches[0] <= 5 and prompts.max() + outputs.max() <= 384
    assert steps == sorted(steps, reverse=True)
    top, bottom = figure.axes
    assert top.get_ylabel() and bottom.get_ylabel() and "token" in bottom.get_xlabel()
    assert len(top.get_legend().get_texts()) == 3
    if block_size == 1:
        assert "100% of the held slots" in told


def test_the_guess_about_policies_is_right_for_the_default():
    assert 18 < figures.simulated(16, 2048, 0)["paged"].mean_batch < 23


def test_pictures_of_the_explanation():
    told = figures.waste_chart().text
    empty = {b: sum(-n % b for n in range(19, 78)) for b in (16, 128)}
    for b, e in empty.items():
        assert f"{100 * e / (e + sum(range(19, 78))):.1f} % at {b}" in told.split("Alpaca")[1]
    assert "326 empty ones (85%)" in figures.slab_picture().text
    assert "blocks of 16 have 6 of 64" in repr(figures.slab_picture())


@pytest.fixture(scope="module")
def runs():
    return compare_caches(chat_requests(12), 1024, model=TinyGPT(85, d_model=16, n_heads=2, n_kv_heads=2, n_layers=1))


def test_serving_table_and_chart(runs):
    lines = repr(figures.serving_table(runs)).splitlines()
    assert len(lines) == 6 and lines[1].startswith("slabs of 384") and lines[3].startswith("blocks of 16 ")
    for line, run in zip(lines[1:], runs.values()):
        assert line.split()[-5:] == [str(run.steps), f"{run.mean_batch:.1f}", f"{run.waste:.1%}", str(run.preemptions),
                                     str(run.recomputed_tokens)]
    assert figures.same_texts(runs)
    assert not figures.same_texts({"a": runs["contiguous"], "b": compare_caches(chat_requests(2))["contiguous"]})
    told = figures.wall_chart(runs)
    assert told.text.count(" s") >= 5 and "noisy" not in told.html and "measured once" in told.text


def test_run_serving_leaves_the_threads_alone():
    threads = torch.get_num_threads()
    found = figures.run_serving(requests=4)
    assert torch.get_num_threads() == threads and len(found) == 5


def test_gpu_cell():
    if not torch.cuda.is_available():
        assert "No CUDA device" in repr(figures.gpu_serving())
    told = repr(figures.gpu_serving(scale=0.25, device="cpu")).splitlines()
    assert told[0] == "float16, 16 requests, 512 slots"
    assert [line.split()[0] for line in told[2:]] == ["slabs", "blocks", "blocks"]


def test_then_and_now_is_dated_and_names_its_pages():
    lines = repr(figures.then_and_now()).splitlines()
    assert "2026" in lines[0] and "append-only" in "".join(lines)
    assert all("vllm" in line or "design/" in line or "configuration/" in line for line in lines[2:])
