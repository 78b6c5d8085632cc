"""Figures of chapter 35: numbers of their sentences against the models themselves, axes, and what the knobs do."""

import itertools
import re

import pytest
from onnx import helper

from utils.graphs.onnx_tools import make_model
from utils.graphs.simplify import PASSES, LevelTime, graph_frames, messy_cnn, simplify
from utils.widgets import ch35_onnxsim as figures

ON = {name: name != "dynamic_reshape" for name in figures.KNOBS}


def shrinking(step=99, batch="1", **changed):
    return figures.draw_shrinking(step, batch, **(ON | changed))


def number(pattern, text):
    return int(re.search(pattern, text)[1].replace(",", ""))


@pytest.mark.parametrize("batch, changed, left", [
    ("1", {}, 7), ("N", {}, 11), ("N", {"dynamic_reshape": True}, 7), ("1", {"fold": False}, 14), ("1", {"dead": False}, 10),
    ("1", {"conv_bn": False}, 9), ("1", {"noops": False}, 13), ("1", {"transposes": False}, 9)])  # fmt: skip
def test_the_last_frame_is_what_simplify_gives(batch, changed, left):
    chosen = [PASSES[name] for name, on in (ON | changed).items() if on]
    report = simplify(messy_cnn(batch="N" if batch == "N" else 1), chosen)
    sentence = shrinking(batch=batch, **changed)[1]
    assert number(r"25 nodes become (\d+)", sentence) == report.nodes_after == left
    assert number(r"([\d,]+)\.$", sentence) == report.bytes_after
    assert "No pass finds anything more" in sentence


def test_the_answer_to_the_guess():
    # the figure asks how many nodes stay without folding; its third option is right
    assert number(r"25 nodes become (\d+)", shrinking(fold=False)[1]) == 14


def test_no_pass_at_all_is_one_frame():
    figure, sentence = figures.draw_shrinking(5, "1", **dict.fromkeys(figures.KNOBS, False))
    assert "Step 1 of 1: 25 nodes" in sentence and len(figure.axes) == 3


def test_first_step_names_what_goes():
    sentence = shrinking(1)[1]
    assert "takes out 5 (Identity, Dropout, Cast, Mul, Identity) and changes 1" in sentence
    assert "Step 1 of 7: 25 nodes, 7,930 bytes" in sentence and messy_cnn().ByteSize() == 7930


def test_frames_follow_the_graph():
    frames = graph_frames(messy_cnn())
    for before, after in itertools.pairwise(frames):
        assert before.n_nodes - before.count("goes") == after.n_nodes
        left = {n.name for n in before.nodes if n.state != "goes"}
        assert {n.name for n in after.nodes} == left
    places = [{n.name: (n.column, n.lane) for n in frame.nodes} for frame in frames]
    assert all(place.items() <= places[0].items() for place in places)  # nobody moves
    assert len(set(places[0].values())) == 25
    columns = {n.name: n.column for n in frames[0].nodes}
    assert all(columns[a] < columns[b] for a, b in frames[0].edges)
    assert frames[-1].next_pass == "" and frames[-1].count("goes") == 0
    assert [n.op for n in frames[2].nodes if n.state == "changes"] == ["Conv", "Conv"]


def test_frames_of_a_graph_without_anything_to_do():
    model = make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1,)}, {"y": (1,)})
    (frame,) = graph_frames(model)
    assert (frame.n_nodes, frame.size_bytes, frame.edges) == (1, model.ByteSize(), ())


def test_the_figure_is_labelled():
    graph, size, nodes = sorted(shrinking(3)[0].axes, key=lambda ax: ax.get_ylabel())
    assert "the next pass takes it out" in graph.get_title(loc="left")
    assert (size.get_ylabel(), nodes.get_ylabel()) == ("bytes of the model", "nodes")
    assert nodes.get_xlabel() == size.get_xlabel() == "step"
    drawn = [text.get_text() for text in graph.texts]
    assert sum("Batch" in text and "✗" in text for text in drawn) == 2


def test_sizes_are_told_as_they_are():
    rows = figures.size_rows()
    figure, sentence = figures.draw_sizes(rows)
    assert "2 nodes become 1, 183 bytes become 4,194,421" in sentence
    assert 4 * 1024 * 1024 < rows[1][2] < 4 * 1024 * 1024 + 300  # the folded tensor, and little else
    assert figure.axes[0].get_xlabel() == "bytes of the model (log scale)"


def test_times_are_paired_by_level():
    rows = [LevelTime(level, model, create, run, nodes) for level, a, b in (
        ("ORT_DISABLE_ALL", (3.0, 40, 25), (1.0, 20, 7)), ("ORT_ENABLE_ALL", (4.0, 30, 8), (2.0, 24, 7)))
        for model, (create, run, nodes) in (("25 nodes", a), ("7 nodes", b))]  # fmt: skip
    figure, sentence = figures.draw_levels(rows)
    assert "ORT_DISABLE_ALL: a run takes 40 → 20 µs, creating the session 3.00 → 1.00 ms" in sentence
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["off", "all"]
    text = figures.level_table(rows).text
    assert "25 / 7" in text and "3.0×" in text and "1.25×" in text
    assert all(ax.get_ylabel() for ax in figure.axes)


def test_static_picture_and_notes():
    assert len(figures.static_picture().axes) == 3
    assert "trtexec --onnx=messy.onnx" in figures.tensorrt_note().text
    assert figures.size_picture(figures.size_rows()).html.startswith("<img")


def test_the_widget_opens_after_a_guess():
    view = figures.watch_it_shrink()
    question, row, _, explorer = view.children
    assert "Guess first" in question.value and explorer.layout.display == "none"
    row.children[2].click()
    assert explorer.layout.display == "" and "✓" in view.children[2].value
