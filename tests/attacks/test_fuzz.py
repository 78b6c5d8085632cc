"""Mutated notebooks and mutated replies: no crash, no hang, no point above the honest score, a row with a reason.

The examples are the same on every run; AUTOGRADER_FUZZ=5000 tries that many others.
"""

from __future__ import annotations

import copy
import json
import os
import socket
import struct
import threading
import time
from typing import Any

import attack_tools as tools
import numpy as np
import pytest
from attack_tools import ATTACKED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.chapters import CHAPTERS
from autograder.exercises import find_exercise
from autograder.grading import pages
from autograder.grading.assignment import load_assignment
from autograder.grading.course import open_course
from autograder.grading.grade import grade_submission
from autograder.grading.results import Result
from autograder.grading.sandbox import MAX_REPLY, Limits, Sandbox
from autograder.grading.submission import Refused, Submission, parse_notebook, take_answers
from autograder.judging import RIGHT, oracle_for
from autograder.probes.plain import PlainError, pack, unpack
from autograder.remote import Remote, judge_cells

pytestmark = pytest.mark.slow

TRIED = int(os.environ.get("AUTOGRADER_FUZZ", "0"))
MANY = settings(max_examples=TRIED or 150, deadline=None, database=None, derandomize=not TRIED,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture])


# --- notebooks ----------------------------------------------------------------------------------


class NoBox(Remote):
    """A sandbox whose answers are never there: cells run, names are missing."""

    def exchange(self, message: Any, limit_s: float) -> Any:
        return {"error": None} if "run" in message else {
            "error": {"types": ["NameError"], "message": "not there", "line": None, "where": "", "text": ""}, "missing": "x"}

    def close(self) -> None:
        pass


class HandedOut(str):
    """The JSON of a notebook, shown by its length."""

    def __repr__(self):
        return f"HandedOut of {len(self):,} characters"


@pytest.fixture(scope="module")
def assignment(town):
    return load_assignment(open_course(town.course), CHAPTERS["12"].stem)


@pytest.fixture(scope="module")
def handed_out(town):
    return HandedOut(json.dumps(tools.solved(town.course, CHAPTERS["12"])))


def graded(assignment, content):
    """A notebook through everything but the sandbox: reading, judging, row, both pages."""
    name = assignment.notebooks[0].name
    submission = Submission(assignment.name, "fuzz", {name: content}, "ab" * 32)
    whole = grade_submission(assignment, submission, lambda seed: NoBox(), secret="s", wall_s=30, layers=[])
    row = Result.from_json(whole.result.to_json())
    row.to_json().encode()
    made = pages.content_of(whole, assignment.notebooks[0])
    told = whole.result.notebooks[0]
    pages.graded_notebook(made, told, assignment.notebooks[0]).encode()
    pages.feedback_page(made, told, assignment.notebooks[0], "fuzz").encode()
    return row


odd_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([
        "\ud800", "\0", "check-conv_macs", "conv_macs", "code", "markdown", 10**400, -0.0, "</script>", "skip-execution"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["cells", "metadata", "nbgrader", "grade_id", "points", "source", "tags", "cell_type", "id", "x\ud800"]), inner, max_size=4),
    max_leaves=12)


@st.composite
def changes(draw):
    """Where in a notebook's JSON to put what: fractions that choose a way down, and the new value."""
    way = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=7))
    return way, draw(st.sampled_from(["replace", "delete", "twice", "move"])), draw(odd_json)


def change(data, way, kind, value):
    parent, key, here = None, None, data
    for fraction in way:
        keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        if not keys:
            break
        parent, key = here, keys[int(fraction * len(keys))]
        here = parent[key]
    if kind == "replace":
        parent[key] = value
    elif kind == "delete":
        del parent[key]
    elif isinstance(parent, list):
        parent.insert(0 if kind == "move" else key, copy.deepcopy(here))
    else:
        parent["x" + str(key)] = copy.deepcopy(here)


@MANY
@given(made=st.lists(changes(), min_size=1, max_size=4))
def test_a_notebook_of_changed_structure_gives_a_row(assignment, handed_out, made):
    data = json.loads(handed_out)
    for way, kind, value in made:
        change(data, way, kind, value)
    row = graded(assignment, json.dumps(data).encode())
    assert row.points == 0 and row.status in ("graded", "refused")
    assert row.status == "graded" or row.reason
    assert len(row.notebooks[0].exercises) == len(assignment.notebooks[0].asked)


@MANY
@given(cut=st.integers(0, 40_000), drop=st.integers(0, 50), insert=st.binary(max_size=12), flips=st.lists(
    st.tuples(st.integers(0, 100_000), st.integers(0, 255)), max_size=5))
def test_a_notebook_of_changed_bytes_gives_a_row(assignment, handed_out, cut, drop, insert, flips):
    content = bytearray(handed_out.encode())
    content[cut : cut + drop] = insert
    for place, byte in flips:
        content[place % len(content)] = byte
    row = graded(assignment, bytes(content))
    assert row.points == 0 and (row.status == "graded" or row.reason)


@MANY
@given(depth=st.integers(1, 1200), kind=st.sampled_from(['[', '{"a":']), key=st.sampled_from(["tags", "points", "source", "id"]))
def test_nesting_of_any_depth_ends_in_cells_or_a_reason(assignment, depth, kind, key):
    deep = kind * depth + "1" + {"[": "]", '{"a":': "}"}[kind] * depth
    place = {"tags": f'"metadata": {{"tags": [{deep}], "nbgrader": {{"grade_id": "check-conv_macs"}}}}',
             "points": f'"metadata": {{"nbgrader": {{"grade_id": "check-conv_macs", "points": {deep}}}}}',
             "source": f'"source": {deep}', "id": f'"id": {deep}'}[key]
    content = f'{{"cells": [{{"cell_type": "code", {place}}}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}'
    try:
        take_answers(parse_notebook(content.encode(), "x"), assignment.notebooks[0])
    except Refused as error:
        assert "nested too deep" in str(error)


# --- replies ------------------------------------------------------------------------------------


class Keeper:
    """The inner ends of a sandbox's two sockets in the hands of a test: replies with what it is told to, and reports
    as the keeper does once the leash is let go."""

    def __init__(self, reply):
        self.reply = reply
        outer, self.channel = socket.socketpair()
        leash, self.leash = socket.socketpair()
        self.box = Sandbox(outer, leash, Limits())
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self.serve, self.watch)]
        for thread in self.threads:
            thread.start()

    def serve(self):
        try:
            while head := self.channel.recv(4, socket.MSG_WAITALL):
                message = unpack(self.channel.recv(struct.unpack("<I", head)[0], socket.MSG_WAITALL))
                self.channel.sendall(self.reply(message))
        except (OSError, struct.error):
            pass

    def watch(self):
        with self.leash:
            self.leash.recv(1)
            self.leash.sendall(json.dumps({"why": "let go", "status": 0, "cpu_s": 0, "peak_mb": 0, "wall_s": 0}).encode())

    def __enter__(self):
        return self.box

    def __exit__(self, *exc):
        self.box.close()
        for thread in self.threads:
            thread.join(5)
        self.channel.close()


def framed(data):
    return struct.pack("<I", len(data)) + data


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**13_000), 2**13_000) | st.floats() | st.text(max_size=10) | st.binary(max_size=10)
    | st.complex_numbers() | st.sampled_from([np.float64(1), np.zeros(0), np.zeros((2, 0, 3)), np.array(7), np.array([np.nan]), "\ud800",
                                              np.zeros(3, np.float16), np.zeros(2, np.complex64), np.zeros(1, np.longdouble), np.ones((1,) * 30)]),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(
        st.sampled_from(["value", "error", "types", "message", "where", "text", "line", "printed", "seconds", "missing", "changed", "id"])
        | st.integers() | st.floats() | st.text(max_size=3), inner, max_size=5),
    max_leaves=15)


@st.composite
def outcomes(draw):
    """Replies as a hostile process forms them: of an outcome's form more often than not."""
    kind = draw(st.sampled_from(["value", "error", "any"]))
    if kind == "any":
        return draw(plain_values)
    reply = {"printed": draw(plain_values), "seconds": draw(plain_values)}
    if kind == "value":
        return {**reply, "value": draw(plain_values)}
    error = {name: draw(plain_values) for name in ("message", "where", "text", "line")}
    return {**reply, "error": {**error, "types": draw(st.lists(st.sampled_from(
        ["ValueError", "NotRun", "AnswerGone", "TimeLimit", "NotImplementedError", "ProbeError", ""]) | plain_values, max_size=3))}}


def packed(value):
    try:
        return pack(value)
    except PlainError:
        return pack({"value": None})


@pytest.mark.parametrize("exercise_id", ["12.conv_macs", "12.network_table", "90.standardize", "90.quantize_int8", "26.bf16_round"])
@MANY
@given(replies=st.lists(outcomes(), min_size=1, max_size=3))
def test_forged_outcomes_are_judged(town, exercise_id, replies):
    exercise = find_exercise(exercise_id)
    asked = [0]

    def reply(message):
        asked[0] += 1
        told = copy.deepcopy(replies[asked[0] % len(replies)])
        return framed(packed({**told, "id": message["id"]} if isinstance(told, dict) else told))

    with Keeper(reply) as box:
        judgement = judge_cells(box, exercise, None, "", 1)
    assert judgement.points == 0 and judgement.outcome != RIGHT
    assert judgement.message or judgement.title
    (judgement.title + judgement.message + judgement.printed + str(judgement.rows)).encode()


@st.composite
def spoiled_frames(draw):
    """A well-formed reply with wrong bytes, a wrong length, or a wrong tree of tags in it."""
    tree = draw(st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list("ifcbtdoa") + ["x"]), inner, max_size=2)
        | st.builds(lambda kind, shape: {"a": [kind, shape]}, st.sampled_from(["<f8", "(,)f4", "O", "f4,,", "|b1", "<M8[s]", "<U4", "f99", "(" * 99]),
                    st.lists(st.integers(-1, 2**70), max_size=4)),
        max_leaves=8))
    text = json.dumps(tree).encode()
    body = draw(st.binary(max_size=40))
    length = draw(st.sampled_from([len(text), 0, len(text) + 1, 2**31, 2**32 - 1]))
    data = bytearray(struct.pack("<I", length) + text + body)
    for place, byte in draw(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3)):
        data[place % len(data)] = byte
    return bytes(data)


@MANY
@given(frame=spoiled_frames(), head=st.sampled_from([None, None, None, 0, 3, MAX_REPLY + 1, 2**32 - 1]))
def test_a_spoiled_reply_ends_the_sandbox_and_no_more(frame, head):
    data = framed(frame) if head is None else struct.pack("<I", head) + frame
    started = time.monotonic()
    with Keeper(lambda message: data) as box:
        box.grace_s = 0.2
        outcome = box.ask(["f"], {"probe": "common.call", "params": {"args": [1]}, "time_limit_s": 0.1})
    assert outcome["error"]["types"] == ["AnswerGone"] and outcome["error"]["message"] == box.gone
    assert time.monotonic() - started < 30


@MANY
@given(frame=spoiled_frames())
def test_reading_a_message_raises_nothing_but_its_own_error(frame):
    try:
        value = unpack(frame)
    except PlainError:
        return
    pack(value)


@MANY
@given(value=plain_values)
def test_what_can_be_packed_comes_back(value):
    """Up to lone surrogates, which no text outside may hold."""
    try:
        data = pack(value)
    except PlainError:
        return
    again = pack(unpack(data))
    assert pack(unpack(again)) == again


def test_a_right_answer_over_the_same_channel_is_right(town):
    """The fuzzer's own channel can be passed: its zeros above are not zeros of the channel."""
    exercise = find_exercise("12.conv_macs")
    oracle = oracle_for(exercise, 1)
    at = iter(range(len(oracle.cases)))

    def reply(message):
        return framed(pack({**oracle.expected(next(at)), "id": message["id"]}))

    with Keeper(reply) as box:
        assert judge_cells(box, exercise, None, "", 1).points == exercise.points


def test_a_reply_without_the_questions_own_number_is_none(town):
    """The right values, sent for other questions: the first is refused, and all that follow."""
    exercise = find_exercise("12.conv_macs")
    oracle = oracle_for(exercise, 1)
    at, last = iter(range(len(oracle.cases))), ["0" * 16]

    def reply(message):
        number, last[0] = last[0], message["id"]
        return framed(pack({**oracle.expected(next(at)), "id": number}))

    with Keeper(reply) as box:
        judgement = judge_cells(box, exercise, None, "", 1)
        assert judgement.points == 0 and "not asked" in box.gone


def test_attacked_exercises_are_those_of_the_course():
    assert {f"{number}.{name}" for number, name in ATTACKED.items()} == {"90.standardize", "12.conv_macs"}
