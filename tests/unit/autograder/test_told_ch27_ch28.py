"""What the cards of chapters 27 and 28 say of some wrong answers: whole inputs, and words in place of a probe's data."""

import heapq
import math

import pytest

from autograder.check import judge
from utils.serving import queueing
from utils.serving.triton import docker_lint, instances, pbtxt


def _notes(judgement):
    return " ".join(row.note for row in judgement.rows)


def test_a_heap_that_is_taken_from_with_pop_0_is_named():
    def fifo_waits(arrivals, services, servers):
        queueing.fifo_waits(arrivals, services, servers)  # for its refusals
        free, waits = [0] * servers, []
        for arrival, service in zip(arrivals, services):
            start = max(arrival, free.pop(0))
            heapq.heappush(free, start + service)
            waits.append(start - arrival)
        return waits

    told = judge("27.fifo_waits", fifo_waits)
    assert told.misconception == "front_is_not_smallest" and not told.groups["visible"]


def test_a_formula_that_overflows_is_not_right():
    def min_replicas(rate, service_ms, slo_ms, quantile):
        if m_too_small(rate, service_ms, slo_ms, quantile):
            raise ValueError("unreachable")
        a, m, c = rate * service_ms / 1000, slo_ms / service_ms, int(rate * service_ms / 1000) + 1
        while True:
            d = c - 1 - a
            late = m if d == 0 else (1 - math.exp(-m * d)) / d
            if math.exp(-m) * (1 + queueing.erlang_c(c, a) * late) <= 1 - quantile:
                return c
            c += 1

    def m_too_small(rate, service_ms, slo_ms, quantile):
        bad = min(rate, service_ms, slo_ms) <= 0 or not 0 < quantile < 1
        return bad or math.exp(-slo_ms / service_ms) >= 1 - quantile

    assert judge("27.min_replicas", min_replicas).misconception == "overflows"


def test_the_place_in_two_lists_is_told_in_words():
    def corrected_latency(period, services):
        first, second = queueing.corrected_latency(period, services)
        return first, [*second[:2], *(0 for _ in second[2:])]

    assert "second list, request 2: 0, expected 26" in _notes(judge("27.corrected_latency", corrected_latency))


def test_lines_of_errors_are_told_in_words():
    def parse_pbtxt(text):
        try:
            return pbtxt.parse_pbtxt(text)
        except ValueError:
            raise ValueError("no") from None

    notes = _notes(judge("28.parse_pbtxt", parse_pbtxt))
    assert "a ValueError without a line, expected a ValueError that names line 3" in notes and "refused" not in notes


@pytest.mark.parametrize("decode, tag", [
    (lambda s: s.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r").replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\"), "escapes_one_after_another"),
    (lambda s: s.encode().decode("unicode_escape"), "unicode_escape"),
])
def test_wrong_escapes_have_a_diagnosis_of_their_own(decode, tag, monkeypatch):
    found = judge("28.parse_pbtxt", pbtxt.parse_pbtxt)
    assert found.passed  # and the expected values are kept before the parser is changed
    monkeypatch.setattr(pbtxt, "_unquoted", lambda token: decode(token.text[1:-1]))
    assert judge("28.parse_pbtxt", pbtxt.parse_pbtxt).misconception == tag


def test_a_count_that_cuts_the_gpus_is_a_count_in_all():
    def plan_instances(groups, visible_gpus, backend):
        found = []
        for group in groups or [{}]:
            placed = instances.plan_instances([group], visible_gpus, backend)
            listed = (group.get("gpus") or list(range(visible_gpus)))[: group.get("count", 1)]
            found += [("gpu", gpu) for gpu in listed] if placed[0][0] == "gpu" else placed
        return sorted(found)

    assert judge("28.plan_instances", plan_instances).misconception == "count_is_total"


def test_a_command_is_shown_whole():
    def lint_docker_run(command):
        return [c for c in docker_lint.lint_docker_run(command) if c != "floating-tag"]

    row = next(row for row in judge("28.lint_docker_run", lint_docker_run).rows if not row.ok)
    assert "…" not in row.input and "tritonserver --model-repository=/models" in row.input
