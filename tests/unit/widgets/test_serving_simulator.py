"""The serving simulator's figure: its numbers against the simulation, its questions against runs, its shell."""

import re

import numpy as np
import pytest

from utils.serving.llm_simulator import DECODE, PREFILL, make_requests, simulate_llm_serving
from utils.widgets import serving_simulator as door
from utils.widgets.serving_simulator import DEFAULTS, PRESETS, serving_picture, serving_simulator, serving_table
from utils.widgets.serving_simulator.picture import rate, steps
from utils.widgets.serving_simulator.settings import complete, make_knobs, run, workload_and_server
from utils.widgets.serving_simulator.shell import LAST, NOTHING, START, Comparison

SMALL = {"requests": 20, "output_mean": 40, "max_new": 256}


def totals(chapter, **change):
    return run({**PRESETS[chapter].values, **change}).totals


# --- what the questions claim ---------------------------------------------------------------------


def test_04_memory_stays_and_gpu_util_rises():
    assert [round(totals("04", rate_per_s=r).gpu_util, 2) for r in (0.1, 0.8)] == [0.11, 0.58]
    values = PRESETS["04"].values
    for rate_per_s in (0.1, 0.8):
        assert "73.7 GB" in serving_table({**values, "rate_per_s": rate_per_s})
    # 16.06 GB of weights, 1 GB of activations, nine tenths of the rest in whole blocks of 2 MiB
    pool = int(0.9 * (80e9 - 16_060_522_496 - 1e9) // 2**21) * 2**21
    assert round((16_060_522_496 + 1e9 + pool) / 1e9, 1) == 73.7


def test_21_a_request_waits_for_the_batch_before_its_own():
    dynamic = totals("21")
    assert 7 < dynamic.ttft_p50_s < 8 and round(totals("21", max_delay_s=0.0).ttft_p50_s, 1) == 7.5
    assert round(1e3 * totals("21", batching="continuous").ttft_p50_s) == 74
    result = run(PRESETS["21"].values)
    batches = np.unique(np.round([r.arrival_s + r.latency_s for r in result.requests], 6))  # ends
    full = np.diff(batches)[-4:]
    assert (round(full.min()), round(full.max())) == (12, 28)
    prompts = [b - a for r in result.requests for phase, a, b in r.segments if phase == PREFILL]
    assert np.median(prompts) < 1.5  # sixteen prompts together; one alone takes a tenth of it
    alone = totals("21", batching="continuous", rate_per_s=0.02)
    assert alone.ttft_p50_s < 0.1


def test_30_the_spread_is_the_whole_gain():
    ends = {(b, s): round(totals("30", batching=b, output_spread=s).makespan_s, 1)
            for b in ("static", "continuous") for s in (0.0, 0.8)}
    assert ends == {("static", 0.0): 7.0, ("continuous", 0.0): 7.0, ("static", 0.8): 17.6, ("continuous", 0.8): 8.6}


def test_32_the_pool_counts_as_full_at_a_quarter():
    result = run(PRESETS["32"].values)
    assert round(result.totals.peak_blocks / result.pool_blocks, 2) == 0.27
    assert (result.series.waiting > 0).mean() > 0.9  # the queue is (nearly) never empty
    filled = totals("32", capacity="MAX_UTILIZATION")
    assert filled.peak_blocks > 2.5 * result.totals.peak_blocks and filled.preemptions == 0
    assert totals("32", capacity="MAX_UTILIZATION", rate_per_s=6.0).preemptions > 0


def test_42_more_requests_read_more_experts():
    alone, many = totals("42"), totals("42", rate_per_s=16.0)
    assert (round(1e3 * alone.tpot_p50_s, 1), round(1e3 * many.tpot_p50_s), round(many.mean_batch)) == (4.8, 15, 13)
    dense = [totals("42", model="Llama-2-13B", rate_per_s=r) for r in (0.2, 16.0)]
    assert [round(1e3 * t.tpot_p50_s, 1) for t in dense] == [4.9, 5.3] and round(dense[1].mean_batch) == 8


def test_45_sharing_finds_a_bit_more_than_half():
    shared, without = totals("45", prefix_caching=True), totals("45")
    assert round(shared.cache_hit_share, 2) == 0.57 and without.cache_hit_share == 0
    assert (f"{1e3 * shared.ttft_p50_s:.0f}", f"{without.ttft_p50_s:.1f}") == ("93", "3.9")
    # from the token ids alone: 32 full blocks of common instructions, except for who meets a text first
    workload, _ = workload_and_server(PRESETS["45"].values)
    heads = [r.prompt[:512] for r in make_requests(workload)]
    found = 512 * sum(head in heads[:i] for i, head in enumerate(heads))
    assert sum(heads.count(head) > 1 for head in heads) == 72
    share = found / sum(len(r.prompt) for r in make_requests(workload))
    # less where two come before the first is computed, more where a preempted prompt finds itself again: not counted
    assert shared.cache_hit_share <= share < 0.67 and share - shared.cache_hit_share < 0.03


def test_46_scores_matter_for_long_prompts_only():
    seconds = {(a, n): totals("46", attention=a, prompt_mean=n).ttft_p50_s
               for a in ("flash", "standard") for n in (500, 16_000)}
    assert [round(seconds[a, 16_000], 1) for a in ("flash", "standard")] == [0.9, 1.7]
    assert [f"{1e3 * seconds[a, 500]:.0f}" for a in ("flash", "standard")] == ["23", "24"]
    slow, fast = totals("46", attention="standard"), totals("46")
    assert slow.tpot_p50_s < 1.15 * fast.tpot_p50_s


def test_47_how_long_weights_must_stay():
    assert [totals("47", keep_alive_s=k).loads for k in (10, 30)] == [18, 7]
    assert totals("47", keep_alive_s=12).loads >= 8 > totals("47", keep_alive_s=30).loads and totals("47", keep_alive_s=120).loads < 7
    assert round(workload_and_server(PRESETS["47"].values)[1].load_s) == 8
    assert [round(float(np.exp(-t / 20)), 2) for t in (12, 30)] == [0.55, 0.22]


def test_49_gpu_util_hides_what_is_left():
    one, eight = totals("49"), totals("49", rate_per_s=8.0)
    assert f"{one.gpu_util:.0%}" == f"{eight.gpu_util:.0%}" == "98%"
    assert round(eight.tokens_per_s / one.tokens_per_s, 1) == 3.4
    assert [round(1e3 * t.tpot_p50_s) for t in (one, eight)] == [52, 60]
    assert [f"{t.mfu:.0%}" for t in (one, eight)] == ["4%", "14%"]


# --- presets and knobs ----------------------------------------------------------------------------


def test_nine_chapters_each_with_a_question_and_a_few_knobs():
    assert list(PRESETS) == ["04", "21", "30", "32", "42", "45", "46", "47", "49"]
    for preset in PRESETS.values():
        assert 5 <= len(preset.knobs) <= 7 and set(preset.knobs) <= set(DEFAULTS)
        assert set(preset.change) <= set(preset.knobs)  # the answer can be tried with what is in view
        assert set(preset.values) <= set(DEFAULTS)
        assert 0 <= preset.predict.right < len(preset.predict.options) == len(set(preset.predict.options))
        assert preset.predict.why.endswith(".") and preset.predict.question.endswith("?")


@pytest.mark.parametrize("chapter", PRESETS)
def test_each_knob_can_go_to_both_ends(chapter):
    """A run, or the reason why there is none."""
    knobs = make_knobs({**PRESETS[chapter].values, **SMALL})
    served = 0
    for name, knob in knobs.items():
        ends = [o[1] if isinstance(o, tuple) else o for o in knob.options] if hasattr(knob, "options") else \
            [knob.min, knob.max] if hasattr(knob, "min") else [False, True]
        for end in (ends[0], ends[-1]):
            values = {**PRESETS[chapter].values, **SMALL, name: end}
            try:
                assert run(values).totals.tokens_per_s > 0
                served += 1
            except ValueError as error:
                assert re.search("fit|tp must", str(error))
    assert served > 40


def test_the_defaults_are_the_knobs():
    knobs = make_knobs({})
    assert list(knobs) == list(DEFAULTS) and {n: k.value for n, k in knobs.items()} == DEFAULTS
    assert make_knobs({"output_mean": 77})["output_mean"].value == 77  # also a value that is no step of its slider
    with pytest.raises(KeyError):
        complete({"temperature": 1})


def test_settings_reach_the_simulation():
    values = {**SMALL, "rate_per_s": 3.0, "gpu": "A100 80GB", "overhead_ms": 2.0, "batching": "dynamic", "seed": 5,
              "max_delay_s": 0.5, "kv_bits": 8}
    workload, server = workload_and_server(values)
    assert run(values).totals == simulate_llm_serving(workload, server, 5).totals
    assert (server.overhead_s, server.policy.batching, server.kv_bits, workload.rate_per_s) == (0.002, "dynamic", 8, 3.0)


# --- the picture ----------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", ["04", "21", "45"])
def test_the_sentence_and_the_axes(chapter):
    preset = PRESETS[chapter]
    told = serving_picture({**preset.values, **preset.change}, preset.values, gpu=preset.gpu)[1]
    figure = door.static_picture(chapter)
    t = totals(chapter, **preset.change)
    assert told.startswith("Simulated; step times are roofline bounds, real servers are slower.")
    assert f"{t.tokens_per_s:,.0f} tokens/s" in told and f"{t.preemptions} preemption" in told
    assert f"At most {t.peak_blocks:,} of" in told and f"GPU-Util {100 * t.gpu_util:.0f} %" in told
    assert len(figure.axes) == (5 if preset.gpu else 4)
    assert all(ax.get_ylabel() for ax in figure.axes)
    assert "(s)" in figure.axes[-1].get_xlabel() and "simulated" in figure.axes[-1].get_xlabel()


def test_lines_are_those_of_the_series():
    result = run({**SMALL, "rate_per_s": 0.4})
    series = result.series
    t, y = steps(result, series.running)
    assert (np.diff(t) >= 0).all() and y[0] == 0 == y[-1]
    area = np.sum((y[1:] + y[:-1]) / 2 * np.diff(t))  # all jumps are upright
    assert area == pytest.approx(np.sum(series.running * (series.end_s - series.start_s)))
    t, per_s = rate(result, series.tokens)
    assert np.sum(per_s) * (t[1] - t[0]) == pytest.approx(series.tokens.sum())


def test_lanes_show_each_request_s_life():
    values = {**SMALL, "rate_per_s": 2.0}
    figure, _ = serving_picture(values)
    result = run(values)
    begin = result.requests[0].arrival_s
    boxes = [p.vertices for c in figure.axes[0].collections for p in c.get_paths()]
    assert len(boxes) == sum(len(r.segments) for r in result.requests)
    decoded = sum(b - a for r in result.requests for phase, a, b in r.segments if phase == DECODE)
    blue = next(c for c in figure.axes[0].collections if tuple(np.round(c.get_facecolor()[0][:3], 2)) == (0, 0.45, 0.7))
    assert sum(np.ptp(p.vertices[:, 0]) for p in blue.get_paths()) == pytest.approx(decoded)
    last = max(box[:, 0].max() for box in boxes)
    assert last == pytest.approx(result.totals.makespan_s) and min(box[:, 0].min() for box in boxes) == 0
    assert begin > 0


def test_a_server_that_cannot_serve_says_why():
    picture, told = serving_picture({"model": "Llama-3-70B"})
    assert "can't serve" in picture and "eights do not fit" in told and serving_table({"model": "Llama-3-70B"}) == ""
    picture, told = serving_picture({"pool_blocks": 20})
    assert "can never fit" in told and isinstance(picture, str)
    figure, _ = serving_picture(SMALL, {"model": "Llama-3-70B"})  # a comparison with nothing is none
    assert not isinstance(figure, str)


def cells(table):
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return {row[0]: row[1:] for row in (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", r) for r in rows)}


def test_the_table_tells_the_change():
    before, now = {**SMALL, "rate_per_s": 0.4}, {**SMALL, "rate_per_s": 12.0, "keep_alive_s": 60}
    table = cells(serving_table(now, before))
    old, new = run(before).totals, run(now).totals
    assert table["simulated"] == ["now", "before", "change"]
    assert table["tokens per s"][:2] == [f"{new.tokens_per_s:,.0f}", f"{old.tokens_per_s:,.0f}"]
    ratio = new.tokens_per_s / old.tokens_per_s
    assert ratio > 2 and table["tokens per s"][2] == f"× {ratio:.3g}"
    points = 100 * (new.gpu_util - old.gpu_util)
    assert table["GPU-Util"][2] == f"{points:+.1f} points" and table["preemptions"][2] == "="
    assert table["loads of the weights"] == ["0", "–", "–"]
    back = cells(serving_table(before, now))
    assert back["tokens per s"][2] == f"÷ {ratio:.3g}" and back["GPU-Util"][2] == f"−{points:.1f} points"
    alone = cells(serving_table(now))
    assert alone["simulated"] == ["now"] and len(alone) == len(table)


# --- the shell ------------------------------------------------------------------------------------


def test_what_it_is_compared_with():
    start, one, two = complete({}), complete({"seed": 1}), complete({"seed": 2})
    memory = Comparison({})
    assert memory.before(start, LAST) is None and memory.before(start, START) is None
    assert memory.before(one, LAST) == start and memory.before(two, LAST) == one
    assert memory.before(two, START) == start and memory.before(two, LAST) == one  # looking changes nothing
    assert memory.before(two, NOTHING) is None and memory.before(start, LAST) == two
    assert memory.before(start, START) is None


def test_the_shell_asks_shows_and_compares(monkeypatch):
    from utils.widgets.serving_simulator import presets

    small = presets.Preset("small", SMALL, PRESETS["45"].knobs, PRESETS["45"].predict)
    monkeypatch.setitem(PRESETS, "45", small)
    shell = serving_simulator("45")
    question, buttons, told, view = shell.children
    assert "Guess first" in question.value and view.layout.display == "none"
    buttons.children[small.predict.right].click()
    assert view.layout.display == "" and "As you guessed" in told.value
    title, row, others, picture, sentence = view.children
    assert title.value == "<b>small</b>" and len(row.children) == len(small.knobs) + 1
    assert others.selected_index is None and len(others.children[0].children) == len(DEFAULTS) - len(small.knobs)
    assert "data:image/png" in picture.value and ">before<" not in picture.value and "Simulated" in sentence.value
    rate_knob = row.children[small.knobs.index("rate_per_s")]
    assert rate_knob.description == "requests per s" and not rate_knob.continuous_update
    rate_knob.value = 8.0
    assert ">before<" in picture.value and "8 per second" in sentence.value
    row.children[-1].value = NOTHING
    assert ">before<" not in picture.value
    model = next(k for k in others.children[0].children if k.description == "model")
    model.value = "Llama-3-70B"
    assert "can't serve" in picture.value and "eights do not fit" in sentence.value


def test_another_question_and_unknown_chapters():
    from utils.widgets.shell import Prediction

    shell = serving_simulator("47", predict=Prediction("Why?", ("a", "b"), 0, "Because."))
    assert "Why?" in shell.children[0].value
    with pytest.raises(KeyError):
        serving_simulator("99")
    assert set(door.__all__) >= {"serving_picture", "serving_simulator", "PRESETS"}
