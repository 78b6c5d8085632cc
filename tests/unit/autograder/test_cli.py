"""The commands: what they print, their exit status, and one sentence where something is wrong."""

import json
import subprocess
import sys

import nbformat
import pytest
from typer.testing import CliRunner

from autograder import cli, lab, progress, reset
from autograder.chapters import CHAPTERS, find_chapters
from autograder.doctor import examine
from autograder.judging import Judgement
from autograder.notebooks.build import build_chapter
from autograder.start_page import Shown, chapter_map, hits_html, search

run = CliRunner().invoke
UNWRITTEN = [number for number, chapter in CHAPTERS.items() if chapter not in find_chapters()][:1]


def test_help_names_every_command():
    told = run(cli.app, ["--help"]).output
    for word in ("build", "audit", "lab", "progress", "doctor", "reset"):
        assert word in told


@pytest.mark.parametrize("words, part", [
    (["audit", "99"], "there is no chapter '99'"), (["audit", "x"], "there is no chapter"), *((["audit", number], "not written yet") for number in UNWRITTEN),
    (["reset", "26.nothing"], "there is no exercise"), (["reset", "99.x"], "no exercises yet"),
    (["reset", "26.bf16_round", "--notebook", "/nowhere/x.ipynb"], "is not there"), (["lab", "--port", "70000"], "not a port"),
])
def test_bad_arguments_are_one_sentence_and_status_2(words, part):
    done = subprocess.run([sys.executable, "-m", "autograder", *words], capture_output=True, text=True)
    assert done.returncode == 2, done
    assert part in done.stderr and "Traceback" not in done.stderr and done.stderr.count("✗") == 1


def test_progress_as_table_and_json():
    progress.record(Judgement("26.bf16_round", "right", 4, 4), "a")
    progress.record(Judgement("26.fp16_widen", "wrong", 1, 4, "shift_16"), "b")
    told = json.loads(run(cli.app, ["progress", "--json"]).output)["26"]
    assert told["solved"] == 1 and told["attempts"] == 2 and told["points"] == 5 and told["exercises"] == 5
    assert "1 of" in run(cli.app, ["progress"]).output


def test_a_damaged_progress_file_is_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "f").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "f"))
    done = run(cli.app, ["progress"])
    assert done.exit_code == 2


def test_doctor_examines_everything_and_has_no_unmet_need():
    findings = examine()
    assert len(findings) > 12 and all(f.ok for f in findings if f.needed)
    assert all(f.advice or f.ok for f in findings)
    json.loads(run(cli.app, ["doctor", "--json"]).output)


def test_reset_puts_the_stub_back_and_keeps_the_answer(tmp_path):
    path = tmp_path / "mine.ipynb"
    notebook = nbformat.reads(build_chapter(CHAPTERS["26"]).release, as_version=4)
    cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "bf16_round")
    stub, cell.source = cell.source, "def bf16_round(u32):\n    return 'mine'"
    nbformat.write(notebook, path)
    kept = reset.reset_exercise("26.bf16_round", path)
    assert "return 'mine'" in kept.read_text()
    again = nbformat.read(path, as_version=4)
    assert next(c for c in again.cells if c.id == cell.id).source == stub
    assert [c.source for c in again.cells if c.id != cell.id] == [c.source for c in notebook.cells if c.id != cell.id]


@pytest.mark.parametrize("text", ["", "{", '{"cells": 3}', "[]", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'])
def test_reset_leaves_a_damaged_notebook_as_it_is(tmp_path, text):
    path = tmp_path / "broken.ipynb"
    path.write_text(text)
    with pytest.raises(reset.ResetError, match="broken"):
        reset.reset_exercise("26.bf16_round", path)
    assert path.read_text() == text


def test_chapters_are_found_by_number_and_name():
    assert [c.number for c in find_chapters(["26", "26_bf16_vs_fp16"])] == ["26", "26"]
    assert find_chapters(["3"], written=False)[0].number == "03"
    assert len(CHAPTERS) == 54 and len({c.slug for c in CHAPTERS.values()}) == 54


def test_the_map_shows_progress_and_escapes():
    progress.record(Judgement("26.bf16_round", "right", 4, 4), "a")
    page = chapter_map()
    assert isinstance(page, Shown) and "26_bf16_vs_fp16.ipynb" in page.page and "1/5" in page.page
    assert page.page.count("agm-tile") > 54 and "exercises solved" in page.text


def test_the_map_is_shown_without_a_progress_file(monkeypatch, tmp_path):
    (tmp_path / "f").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "f"))
    assert "cannot be read" in chapter_map().page and "26_bf16_vs_fp16" in chapter_map().page


def test_search_in_both_languages():
    assert search("subnormal")[0].chapter.number in ("26", "03")
    assert any(h.chapter.number == "26" for h in search("随机舍入"))
    assert any(h.chapter.number == "16" for h in search("剪枝"))
    assert search("") == [] and search("qqqqzzz") == []
    assert "Nothing found" in hits_html("qqqqzzz") and hits_html(" ") == ""
    assert "<script" not in hits_html("<script>")


def test_a_taken_port_is_a_sentence():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(lab.LabError, match="is taken"):
            lab.choose_port(port)
    assert lab.choose_port(None) >= lab.FIRST_PORT


def test_the_token_is_not_on_the_command_line():
    assert not any("token" in word.lower() for word in lab.command(8888))
    assert "--ServerApp.ip=127.0.0.1" in lab.command(8888)
