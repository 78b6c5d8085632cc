"""Schedules: kept by laws on random graphs, never better than the optimum, and the optimum against plain enumeration."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.hardware.heterogeneous import (
    SCHEDULERS,
    Schedule,
    Task,
    TaskGraph,
    brute_force_schedule,
    chain_optimum,
    copies,
    earliest_slot,
    fastest_device,
    gantt_rows,
    graph_from_lists,
    heft,
    heft_makespan,
    heft_ranks,
    optimal,
    place_in_order,
    single_device,
    upward_rank,
    validate_schedule,
)
from utils.hardware.heterogeneous.examples import (
    ACCELERATOR,
    GRAPHS,
    camera_graph,
    gap_graph,
    mobilenet_chain,
    published_graph,
    scaled,
)


@st.composite
def graphs(draw, most_tasks=9, most_devices=3):
    n, d = draw(st.integers(1, most_tasks)), draw(st.integers(1, most_devices))
    ids = draw(st.permutations(range(n)))
    costs = {t: [draw(st.integers(1, 20)) for _ in range(d)] for t in ids}
    pairs = [(ids[i], ids[j]) for i in range(n) for j in range(i + 1, n)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return graph_from_lists(costs, {edge: draw(st.integers(0, 25)) for edge in chosen})


@settings(deadline=None)
@given(graphs(), st.booleans())
def test_heft_keeps_the_laws(graph, insertion):
    schedule = heft(graph, insertion=insertion)
    validate_schedule(graph, schedule)
    ranks = upward_rank(graph)
    order = [p.task for p in schedule.placements]
    assert all(ranks[a] > ranks[b] - 1e-9 for a, b in itertools.pairwise(order))
    assert schedule.makespan_ms <= sum(max(t.costs.values()) for t in graph.tasks.values()) + sum(graph.edges.values())


@settings(deadline=None)
@given(graphs())
def test_each_decision_ends_as_early_as_it_can(graph):
    """Tried again by brute force: at every ms of every device, in the order of the decisions."""
    schedule = heft(graph)
    placed = {}
    for p in schedule.placements:
        best = min((_first_free(graph, placed, p.task, d), i) for i, d in enumerate(graph.devices))
        assert (p.end_ms, graph.devices.index(p.device)) == best
        placed[p.task] = p


def _first_free(graph, placed, task, device):
    """The first whole ms from which the task can run there (all numbers of these graphs are whole), plus its cost."""
    cost = graph.tasks[task].costs[device]
    for start in range(100_000):
        arrived = all(q.end_ms + (0 if q.device == device else graph.edges[q.task, task]) <= start
                      for q in placed.values() if (q.task, task) in graph.edges)
        clear = all(q.end_ms <= start or start + cost <= q.start_ms for q in placed.values() if q.device == device)
        if arrived and clear:
            return start + cost
    raise AssertionError("no slot")


@settings(max_examples=40, deadline=None)
@given(graphs(most_tasks=5))
def test_brute_force_is_the_optimum_and_heft_is_not_below(graph):
    best = brute_force_schedule(graph)
    validate_schedule(graph, best)
    assert best.makespan_ms == _plain_optimum(graph) <= heft(graph).makespan_ms
    for other in (fastest_device(graph), single_device(graph)):
        validate_schedule(graph, other)
        assert best.makespan_ms <= other.makespan_ms


def _plain_optimum(graph):
    ids = list(graph.tasks)
    orders = [o for o in itertools.permutations(ids) if all(o.index(u) < o.index(v) for u, v in graph.edges)]
    return min(place_in_order(graph, list(zip(o, devices))).makespan_ms
               for o in orders for devices in itertools.product(graph.devices, repeat=len(ids)))


def test_gaps_are_used():
    graph = gap_graph()
    assert heft(graph).makespan_ms == 59 and heft(graph, insertion=False).makespan_ms == 63
    assert earliest_slot([(0, 3), (10, 12)], 2, 7) == 3 and earliest_slot([(0, 3), (10, 12)], 11, 1) == 12
    assert earliest_slot([], 4, 1) == 4 and earliest_slot([(5, 6)], 0, 5) == 0


def test_heft_can_lose_against_one_device():
    slow = scaled(published_graph(), link=0.25)
    assert heft(slow).makespan_ms == 153 > single_device(slow).makespan_ms == 127
    assert brute_force_schedule(slow).makespan_ms == 121


def test_heft_is_blind_on_a_chain_with_slow_links():
    slow = scaled(mobilenet_chain(), link=0.1)
    cpu = single_device(slow).makespan_ms
    assert heft(slow).makespan_ms == pytest.approx(cpu)
    assert chain_optimum(slow).makespan_ms < 0.6 * cpu


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_the_chain_optimum_is_the_brute_force_optimum(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    costs = {i: rng.integers(1, 20, 2).tolist() for i in range(n)}
    graph = graph_from_lists(costs, {(i, i + 1): int(rng.integers(0, 15)) for i in range(n - 1)})
    assert chain_optimum(graph).makespan_ms == brute_force_schedule(graph).makespan_ms


@pytest.mark.parametrize("name", list(GRAPHS))
@pytest.mark.parametrize("link, speed", [(0.1, 1), (1, 1), (16, 10)])
def test_all_schedulers_give_valid_schedules(name, link, speed):
    graph = scaled(GRAPHS[name](), link=link, device=ACCELERATOR[name], speed=speed)
    ends = {}
    for scheduler, make in SCHEDULERS.items():
        schedule = make(graph)
        validate_schedule(graph, schedule)
        ends[scheduler] = schedule.makespan_ms
    assert ends["optimal"] <= min(ends.values()) + 1e-9


def test_the_camera_graph_by_hand():
    # resize, objects and lanes: HEFT gives the lanes to the GPU while the NPU looks for objects
    schedule = heft(camera_graph())
    assert schedule.by_task["objects"].device == "NPU" and schedule.by_task["lanes"].device == "GPU"
    assert fastest_device(camera_graph()).by_task["lanes"].device == "NPU"
    # decode 12, resize 3, objects 60, lanes 48, track 3, draw 2.5, encode 18
    assert single_device(camera_graph()).makespan_ms == 146.5


def test_mobilenet_counts_the_published_operations():
    # 569 million mult-adds in the paper (Howard et al., 2017, Table 4), classifier included; the CPU does 25 a ms
    chain = mobilenet_chain()
    total = sum(chain.tasks[name].costs["CPU"] for name in chain.tasks if name not in ("image", "top-5"))
    assert total * 25 == pytest.approx(569, abs=0.5)


def test_rows_and_copies_of_a_chart():
    graph = camera_graph()
    schedule = heft(graph)
    rows = gantt_rows(schedule)
    assert len(rows) == len(graph.tasks) and max(r.end_ms for r in rows) == schedule.makespan_ms
    assert [r.device for r in rows] == sorted(r.device for r in rows)
    for copy in copies(graph, schedule):
        u, v = copy.tasks
        assert copy.source == schedule.by_task[u].device != schedule.by_task[v].device == copy.target
        assert copy.end_ms - copy.start_ms == pytest.approx(graph.edges[u, v])
        assert copy.end_ms <= schedule.by_task[v].start_ms + 1e-9
    assert sum(schedule.busy_ms(d) for d in graph.devices) == pytest.approx(sum(r.end_ms - r.start_ms for r in rows))
    assert schedule.as_dict()["track"]["device"] == "CPU"


def test_a_task_stays_where_it_can_run():
    graph = TaskGraph({"a": Task({"CPU": 1.0, "NPU": 9.0}), "b": Task({"NPU": 1.0})}, {("a", "b"): 2})
    assert heft(graph).by_task["b"].device == "NPU" and graph.devices == ("CPU", "NPU")
    assert upward_rank(graph) == {"a": 5 + 2 + 1, "b": 1}
    with pytest.raises(ValueError, match="device"):
        heft(graph, ["CPU"])
    with pytest.raises(ValueError, match="device"):
        single_device(graph, "CPU")
    with pytest.raises(ValueError, match="device"):
        Task({})


def test_broken_schedules_are_named():
    graph = gap_graph()
    good = heft(graph)
    first = good.placements[0]
    rest = good.placements[1:]
    later = next(p for p in rest if p.device == first.device)
    for wrong, word in (
        (rest, "once"), ((*good.placements, first), "once"), ((replace(first, end_ms=first.end_ms + 1), *rest), "ms"),
        ((replace(first, device="P9"), *rest), "device"),
        ((*(p for p in good.placements if p is not later), replace(later, start_ms=first.start_ms, end_ms=first.start_ms
          + later.end_ms - later.start_ms)), "edge|overlap"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=word):
            validate_schedule(graph, Schedule(tuple(wrong)))
    two = graph_from_lists({0: [5], 1: [5]}, {})
    clash = Schedule(tuple(replace(p, start_ms=0.0, end_ms=5.0) for p in heft(two).placements))
    with pytest.raises(ValueError, match="overlap"):
        validate_schedule(two, clash)


def test_refusals():
    with pytest.raises(ValueError, match="cycle"):
        graph_from_lists({0: [1], 1: [1]}, {(0, 1): 1, (1, 0): 1})
    with pytest.raises(ValueError, match="edge"):
        graph_from_lists({0: [1]}, {(0, 1): 1})
    with pytest.raises(ValueError, match="negative"):
        graph_from_lists({0: [1], 1: [1]}, {(0, 1): -1})
    with pytest.raises(ValueError, match="length"):
        graph_from_lists({0: [1], 1: [1, 2]}, {})
    with pytest.raises(ValueError, match="positive"):
        graph_from_lists({0: [0]}, {})
    with pytest.raises(ValueError, match="chain"):
        chain_optimum(gap_graph())
    with pytest.raises(ValueError, match="10 tasks"):
        optimal(graph_from_lists({i: [1] for i in range(11)}, {}))
    with pytest.raises(ValueError, match="positive"):
        scaled(gap_graph(), link=0)
    with pytest.raises(ValueError, match="device"):
        scaled(gap_graph(), device="NPU")


def test_ids_in_any_order_and_ties():
    assert heft_ranks({7: [4, 2], 3: [6, 6]}, {(7, 3): 1}) == {3: 6, 7: 10}
    # two equal tasks, two equal devices: the lower id first, on the lower device
    schedule = heft(graph_from_lists({2: [3, 3], 1: [3, 3]}, {}))
    assert [(p.task, p.device) for p in schedule.placements] == [(1, "0"), (2, "1")]
    assert heft_makespan({1: [4, 2], 2: [6, 7]}, {(1, 2): 3}, 2) == 9
