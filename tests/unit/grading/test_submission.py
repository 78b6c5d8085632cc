"""Strict reading of what was handed in, and which cells are taken from it."""

from __future__ import annotations

import copy
import json
import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.grading.assignment import Asked, Released, Written
from autograder.grading.submission import (
    MAX_CELLS,
    MAX_SOURCE,
    Refused,
    parse_notebook,
    read_file,
    read_submission,
    take_answers,
)


def cell(source, grade_id="", kind="code", cell_id="", **told):
    metadata = {"nbgrader": {"grade_id": grade_id, **told}} if grade_id else {}
    return {"cell_type": kind, "source": source, "id": cell_id, "metadata": metadata}


STUB, TEST = "def f(x):\n    raise NotImplementedError()", 'check("12.f", f)'
CELLS = [cell("# A title", kind="markdown"), cell("import math", cell_id="setup"),
         cell(STUB, "f", cell_id="cell-f", solution=True), cell(TEST, "check-f", cell_id="cell-check", grade=True, points=3, solution=False),
         cell("Explain.", "why", "markdown", "cell-why", grade=True, points=5, solution=True)]
RELEASED = Released("12_flops", {"cells": CELLS}, ("import math",), (Asked("12.f", "f", "check-f", 3.0, STUB),),
                    (Written("why", 5.0, "Explain."),))
ANSWER = "def f(x):\n    return 2 * x"


def notebook(cells, **more):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}).encode()


def taken(cells):
    return take_answers(parse_notebook(notebook(cells), "12_flops"), RELEASED)


@pytest.fixture
def cells():
    """The notebook with an answer in it."""
    made = copy.deepcopy(CELLS)
    made[2]["source"], made[4]["source"] = ANSWER, "Because."
    return made


# --- files --------------------------------------------------------------------------------------


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "x.ipynb").write_bytes(b"abc")
    assert read_file(tmp_path / "x.ipynb", 3) == b"abc"
    with pytest.raises(Refused, match="larger than"):
        read_file(tmp_path / "x.ipynb", 2)


def link(path):
    path.symlink_to("/etc/hostname")


def bind(path):
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path.name)
    finally:
        os.chdir(here)


def hard_link(path):
    (path.parent / "other").write_text("{}")
    os.link(path.parent / "other", path)


@pytest.mark.parametrize("make,sentence", [
    (lambda path: None, "was not handed in"), (link, "is a link"), (os.mkfifo, "not a regular file"), (bind, "can't be opened|regular"),
    (lambda path: path.mkdir(), "not a regular file"), (hard_link, "another name"),
], ids=["missing", "link", "pipe", "socket", "folder", "hard link"])
def test_what_is_no_file_of_its_own_is_refused(tmp_path, make, sentence):
    make(tmp_path / "x.ipynb")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Refused, match=sentence) as told:
        read_file(tmp_path / "x.ipynb", 1000)
    assert "x.ipynb" in str(told.value) and len(os.listdir("/proc/self/fd")) == before


def test_a_submission_has_a_digest_of_all_that_counts(tmp_path):
    (tmp_path / "a.ipynb").write_bytes(b"1")

    def digest(**change):
        return read_submission(**{"folder": tmp_path, "assignment": "x", "student": "s", "names": ["a", "b"], **change}).digest

    first = digest()
    assert first == digest() and len({first, digest(student="t"), digest(assignment="y"), digest(names=["a"])}) == 4
    (tmp_path / "timestamp.txt").write_text("2026-01-05 10:00:00 UTC\n")
    assert digest() == first  # when it was handed in changes no answer
    found = read_submission(tmp_path, "x", "s", ["a", "b"])
    assert found.notebooks == {"a": b"1", "b": "b.ipynb was not handed in."} and found.timestamp == "2026-01-05 10:00:00 UTC"


def test_a_name_that_is_no_unicode_has_a_digest(tmp_path):
    assert read_submission(tmp_path, "x", os.fsdecode(b"\xff\xfe"), []).digest


# --- notebooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content,sentence", [
    (b"\xff\xfe{", "not UTF-8"), (b"{", "not a notebook"), (b"[1, 2]", "format 4"), (b"{}", "format 4"),
    (notebook([], nbformat=3), "format 4"), (b'{"nbformat": 4, "cells": {}}', "format 4"),
    (b'{"nbformat": 4, "cells": [], "cells": []}', "the key 'cells' twice"), (b"[" * 100_000, "nested too deep"),
    (b'{"nbformat": 4, "cells": [' + b"9" * 5000 + b"]}", "not a notebook"),
    (notebook([{}] * (MAX_CELLS + 1)), "more than 5,000 cells"), (b"", "not a notebook"), (b"\0", "not a notebook"),
])
def test_what_is_no_notebook_is_refused_in_one_sentence(content, sentence):
    with pytest.raises(Refused, match=sentence) as told:
        parse_notebook(content, "12_flops")
    assert str(told.value).startswith("12_flops.ipynb ") and len(str(told.value)) < 300


def test_cells_come_out_in_one_form():
    given = [cell(["a\n", "b"]), {"cell_type": "code"}, {"cell_type": "raw", "source": "r", "metadata": None}, None, 7, {"cell_type": "html"},
             {"cell_type": "code", "source": [1]}, cell("x\ud800")]
    found = parse_notebook(notebook(given), "x")
    assert [c["source"] for c in found] == ["a\nb", "", "r", "x?"]
    assert all(set(c) == {"cell_type", "source", "id", "metadata", "tags"} for c in found)


def test_a_byte_order_mark_and_not_a_number_do_no_harm():
    assert parse_notebook(b"\xef\xbb\xbf" + notebook([cell("x")]), "x")[0]["source"] == "x"
    assert parse_notebook(notebook([cell("x", "check-f", points=float("nan"))]), "x")[0]["metadata"]["nbgrader"]["points"] is None


# --- answers ------------------------------------------------------------------------------------


def test_an_untouched_form_has_no_notes(cells):
    found = taken(cells)
    assert found.code == {"f": [ANSWER]} and found.text == {"why": "Because."} and found.notes == []


def test_a_split_cell_runs_in_its_order(cells):
    cells.insert(2, cell("y = 1", "f"))
    cells.append(cell("z = 1", "f"))
    found = taken(cells)
    assert found.code == {"f": ["y = 1", ANSWER, "z = 1"]}
    assert found.notes == ["The cell of f is there more than once: all were run, in their order."]


def test_a_cell_without_metadata_is_found_by_its_id(cells):
    cells[2]["metadata"] = {}
    cells[4]["metadata"] = {}
    found = taken(cells)
    assert found.code == {"f": [ANSWER]} and found.text == {"why": "Because."}
    assert found.notes == [f"The cell of {name} had lost its metadata; it was found by its id." for name in ("f", "why")]


def test_an_id_counts_only_where_no_cell_has_the_grade_id(cells):
    cells.insert(0, cell("import os; os._exit(0)", cell_id="cell-f"))
    found = taken(cells)
    assert found.code == {"f": [ANSWER]}
    assert found.notes == ["1 code cell beside the exercises' own was not run: what an answer needs stands in its own cell."]


def test_a_missing_cell_counts_as_not_attempted(cells):
    found = taken([c for c in cells if c["id"] not in ("cell-f", "cell-why")])
    assert found.code == {} and found.text == {}
    assert found.notes == [f"The cell of {name} is missing: it counts as not attempted." for name in ("f", "why")]


def test_a_cell_of_another_kind_is_read_as_code(cells):
    cells[2]["cell_type"] = "markdown"
    found = taken(cells)
    assert found.code == {"f": [ANSWER]} and "not a code cell any more" in found.notes[0]


def test_the_last_written_answer_counts(cells):
    cells.append(cell("Or so.", "why", "markdown"))
    found = taken(cells)
    assert found.text == {"why": "Or so."} and found.notes == ["The written answer why is there twice: the last one counts."]


def test_a_cell_too_long_is_left_out(cells):
    cells[2]["source"] = "#" * (MAX_SOURCE + 1)
    found = taken(cells)
    assert "f" not in found.code and "more than 400,000 characters" in found.notes[0]


@pytest.mark.parametrize("change,note", [
    (lambda c: c.update(source="pass"), "The test cell check-f was changed: the one that was handed out was used."),
    (lambda c: c["metadata"]["nbgrader"].update(points=99), "The points of check-f were changed in the notebook: that has no effect."),
    (lambda c: c["metadata"].update(tags=["skip-execution"]), "The test cell check-f was tagged to be skipped: that has no effect."),
])
def test_a_change_of_a_test_cell_is_noted(cells, change, note):
    change(cells[3])
    found = taken(cells)
    assert found.notes == [note] and found.code == {"f": [ANSWER]}


def test_test_cells_that_are_missing_or_doubled_are_noted(cells):
    assert taken(cells[:3] + cells[4:]).notes == ["The test cell check-f is missing: the one that was handed out was used."]
    assert taken([*cells, *[cells[3]] * 40]).notes == ["The test cell check-f is there 41 times: that has no effect."]


def test_a_note_is_told_once(cells):
    twin = copy.deepcopy(cells[3])
    twin["source"] = "pass"
    found = taken([*cells, *[twin] * 300, *[copy.deepcopy(cells[2])] * 300])
    assert len(found.notes) == len(set(found.notes)) == 3


@settings(max_examples=100, deadline=None, database=None)
@given(order=st.permutations(range(len(CELLS))))
def test_the_order_of_cells_changes_nothing(order):
    made = copy.deepcopy(CELLS)
    made[2]["source"] = ANSWER
    found = taken([made[i] for i in order])
    assert found.code == {"f": [ANSWER]} and found.notes == []
