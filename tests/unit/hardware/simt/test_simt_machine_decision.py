"""The machine against each lane by itself, its count against the divergence rule, and decisions against tables."""

import numpy as np
import pytest

from utils.hardware.simt import (
    SimtMachine,
    decide,
    divergence_cycles,
    go_no_go,
    lane_timeline,
    predicate,
    simt_run,
    warp_issue_cycles,
)


def random_program(rng, depth=0):
    program = []
    for _ in range(int(rng.integers(0, 4))):
        kind = rng.random()
        if kind < 0.6 or depth > 2:
            program.append((str(rng.choice(["mul", "add"])), float(rng.integers(-2, 3))))
        else:
            program += [("if_gt", float(rng.integers(-3, 4))), *random_program(rng, depth + 1)]
            if rng.random() < 0.7:
                program += [("else",), *random_program(rng, depth + 1)]
            program.append(("endif",))
    return program


def one_lane(program, value):
    """(result, places of the arithmetic that this lane runs): a program counter that jumps, no masks."""
    ran, at = [], 0

    def skip(at, stop):
        depth = 0
        while True:
            at += 1
            op = program[at][0]
            if depth == 0 and op in stop:
                return at
            depth += {"if_gt": 1, "endif": -1}.get(op, 0)

    while at < len(program):
        op, *args = program[at]
        if op in ("mul", "add"):
            value = value * args[0] if op == "mul" else value + args[0]
            ran.append(at)
        elif op == "if_gt" and not value > args[0]:
            at = skip(at, ("else", "endif"))
        elif op == "else":
            at = skip(at, ("endif",))
        at += 1
    return value, ran


def test_against_every_lane_by_itself():
    rng = np.random.default_rng(0)
    for _ in range(300):
        program, x = random_program(rng), rng.integers(-5, 6, int(rng.integers(1, 9))).astype(float)
        values, issues = simt_run(program, x)
        alone = [one_lane(program, v) for v in x]
        assert values.tolist() == [v for v, _ in alone]
        assert issues == len(set().union(*(ran for _, ran in alone)))  # an instruction is issued once, for whoever runs it


def test_masks_and_untouched_input():
    x = np.array([1.0, 5.0])
    machine = SimtMachine(x)
    assert machine.run([("if_gt", 3), ("mul", 2), ("else",), ("add", 10), ("endif",)]).tolist() == [11, 10]
    assert [(i.at, i.op, i.mask) for i in machine.issues] == [(1, "mul", (False, True)), (3, "add", (True, False))]
    assert x.tolist() == [1, 5] and simt_run([], np.array([])) [1] == 0


@pytest.mark.parametrize("program", [[("if_gt", 0)], [("else",)], [("endif",)], [("if_gt", 0), ("else",), ("else",), ("endif",)], [("if_gt", 0), ("endif",), ("endif",)]])
def test_unbalanced(program):
    with pytest.raises(ValueError, match="unbalanced"):
        simt_run(program, np.ones(2))


def test_unknown_operation():
    with pytest.raises(ValueError, match="'div' at 0"):
        simt_run([("div", 2)], np.ones(2))


def test_divergence_is_what_the_machine_counts():
    rng = np.random.default_rng(1)
    for _ in range(100):
        pred = rng.random(int(rng.integers(0, 100))) < rng.random()
        a, b, warp = int(rng.integers(0, 5)), int(rng.integers(0, 5)), int(rng.choice([4, 8, 32]))
        program = [("if_gt", 0.5), *[("mul", 1.0)] * a, ("else",), *[("add", 0.0)] * b, ("endif",)]
        counted = sum(simt_run(program, pred[i : i + warp].astype(float))[1] for i in range(0, len(pred), warp))
        assert divergence_cycles(pred, a, b, warp) == counted == warp_issue_cycles(pred, a, b, warp)[0]
        grid = lane_timeline(pred, a, b, warp)
        assert ((grid == 1).sum(), (grid == 2).sum()) == (a * pred.sum(), b * (~pred).sum())
        if counted:
            assert warp_issue_cycles(pred, a, b, warp)[1] == pytest.approx((grid > 0).sum() / (counted * warp))


def test_examples_and_patterns():
    index = np.arange(64)
    assert [divergence_cycles(p, 10, 6) for p in (index % 2 == 0, index < 32, index < 40)] == [32, 16, 26]
    assert divergence_cycles(np.zeros(0, bool), 10, 6) == 0 and warp_issue_cycles([], 1, 1) == (0, 1.0)
    for pattern in ("alternating", "blocked", "random"):
        for share in (0, 0.25, 0.5, 1):
            assert predicate(pattern, share).sum() == 128 * share
    assert predicate("alternating", 0.5).tolist() == [False, True] * 64
    with pytest.raises(ValueError, match="share"):
        predicate("blocked", 1.5)


def test_decisions():
    req = {"p99_ms": 30, "watts": 10, "op_coverage": 1.0}
    assert decide(req, {"p99_ms": 28, "watts": 10, "op_coverage": 0.97}) == (False, ["op_coverage"])
    assert decide(req, {"p99_ms": 30, "watts": 10, "op_coverage": 1.0, "fan": 3}) == (True, [])
    assert decide(req, {"p99_ms": float("nan"), "watts": None}) == (False, ["op_coverage", "p99_ms", "watts"])
    assert decide({}, {}) == (True, [])
    told = go_no_go({"watts": 10, "thermal_margin_c": 5, "memory_mb": 1}, {"watts": 10.5, "thermal_margin_c": 4})
    assert told.reasons == ("memory_mb: not measured", "thermal_margin_c: 4, at least 5 °C", "watts: 10.5, at most 10 W")
    with pytest.raises(KeyError, match="price"):
        go_no_go({"price": 1}, {})
