"""The commands: what they print, their exit status, one sentence where something is wrong."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from autograder.chapters import CHAPTERS, find_chapters
from autograder.classroom.commands import classroom_app

TASK = "12_flops"
UNWRITTEN = [number for number, chapter in CHAPTERS.items() if chapter not in find_chapters()][:1]
FULL = {"macs": 3.0, "table": 4.0}
LONG = "def table(a):\n" + "".join(f"    a = [len(a) {op} a[{i}], sorted(a)]\n" for i, op in enumerate("+-*/%&|^")) + "    return a\n"


def run(*words):
    return CliRunner().invoke(classroom_app, [str(w) for w in words])


@pytest.mark.parametrize("words, told", [
    (["status", "{tmp}"], "not in a course"), (["create", "{tmp}/x", "--chapters", ","], "no chapter is named"),
    (["create", "{tmp}/x", "--chapters", "99"], "there is no chapter '99'"), *((["create", "{tmp}/x", "--chapters", number], "not written yet") for number in UNWRITTEN),
    (["status", "{course}", "-a", "99"], "no assignment '99'"), (["status", "{course}", "-s", "zed"], "no student 'zed'"),
    (["import-zip", "{tmp}/no.zip", "{course}", "-c", "12"], "not a file"), (["import-zip", "{tmp}/no.zip", "{course}", "-c", "13"], "no assignment"),
    (["import-zip", "{tmp}/no.zip", "{course}", "-c", "12", "--time", "soon"], "is no time"),
    (["import-zip", "{zip}", "{course}", "-c", "12", "--roster", "{tmp}/no.csv"], "can't be read"),
    (["export", "{course}"], "has no assignment yet"), (["statistics", "{course}", "--plot", "{tmp}/x.gif"], ".svg or .png"),
    (["statistics", "{course}", "--plot", "{tmp}/x.svg"], "nothing to draw"), (["similar", "{course}", "-c", "3"], "no assignment"),
])
def test_mistakes_are_one_sentence_and_status_2(course, tmp_path, make_zip, text, words, told):
    path = make_zip({"ann/x.ipynb": text()})
    (tmp_path / "elsewhere").mkdir()
    places = {"tmp": tmp_path / "elsewhere", "course": course.root, "zip": path}
    done = run(*(w.format(**places) for w in words))
    assert done.exit_code == 2 and told in " ".join(done.stderr.split()) and done.stderr.count("✗") == 1, done.output


def test_import_prints_and_exits_by_what_it_found(course, make_zip, text):
    good = make_zip({"doejane_1_5_12_flops.ipynb": text()}, "good.zip")
    dry = run("import-zip", good, course.root, "-c", 12, "--dry-run")
    assert dry.exit_code == 0 and "nothing was written" in dry.stdout and not course.submitted.exists()
    done = run("import-zip", good, course.root, "--chapter", TASK)
    assert done.exit_code == 0 and "doejane_1" in done.stdout and "1 imported" in done.stdout
    bad = make_zip({"doejane_1_5_12_flops.ipynb": text(), "[red]_1_2/../x.ipynb": "x"}, "bad.zip")
    done = run("import-zip", bad, course.root, "-c", "12", "--json", "--format", "canvas")
    told = json.loads(done.stdout)
    assert done.exit_code == 1 and told["students"][0]["action"] == "unchanged" and told["strays"] == [
        {"file": "[red]_1_2/../x.ipynb", "reason": "has a path that leads out of its folder"}]
    assert "[red]_1_2/../x.ipynb" in run("import-zip", bad, course.root, "-c", "12").stdout


def test_status_from_inside_the_course(course, gradebook, hand_in, monkeypatch):
    gradebook("ann", FULL, essay=1.0, first_name="Ann", last_name="[b]Lee")
    hand_in("ann")
    monkeypatch.chdir(course.submitted / "ann")
    monkeypatch.setenv("COLUMNS", "200")
    assert TASK in run("status").stdout
    told = json.loads(run("status", "--json", "-a", "12").stdout)
    assert told["course"] == "demo" and told["assignments"][0]["mean"] == 8.0
    assert run("status", "-s", "ann").exit_code == 0


def test_export_to_stdout_is_a_clean_file(course, gradebook, tmp_path):
    gradebook("ann", FULL, essay=1.0)
    gradebook("bob", FULL)
    done = run("export", course.root)
    assert done.stdout_bytes.count(b"\r\n") == 3 and len(list(csv.DictReader(io.StringIO(done.stdout)))) == 2
    assert "1 grade with parts that wait for a person" in done.stderr and "bob (12_flops)" in done.stderr
    done = run("export", course.root, "--format", "canvas", "--to", tmp_path / "x.csv", "--excel", "-c", 12)
    assert done.exit_code == 0 and done.stdout == "" and "1 grade of 1 student" in done.stderr
    assert (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbfStudent,ID,")
    assert (tmp_path / "x.csv").read_text("utf-8-sig").splitlines()[-1].endswith(",8")


def test_statistics_as_table_json_and_picture(course, gradebook, tmp_path):
    assert "Nothing is graded yet" in run("statistics", course.root).stdout
    gradebook("ann", FULL, essay=1.0)
    gradebook("bob", {"macs": 1.0, "table": 0.0})
    told = json.loads(run("statistics", course.root, "--json").stdout)["assignments"][0]
    assert told["source"] == "gradebook" and told["exercises"][0]["partly"] == 1 and told["exercises"][1]["wrong"] == 1
    done = run("statistics", course.root, "-c", 12, "--plot", tmp_path / "x.svg")
    assert done.exit_code == 0 and "macs" in done.stdout and (tmp_path / "x.svg").exists()


def test_similar_exits_1_for_a_finding(course, hand_in, text, tmp_path):
    hand_in("ann", text({"table": LONG}))
    hand_in("bad", "{")
    quiet = run("similar", course.root)
    assert quiet.exit_code == 0 and "no two of 1" in quiet.stdout and "bad was not compared" in quiet.stdout
    hand_in("bob", text({"table": LONG.replace("a", "a")}))
    found = run("similar", course.root, "--html", tmp_path / "x.html")
    assert found.exit_code == 1 and "100%" in found.stdout and "Alike is not copied" in found.stdout
    assert "ann and bob" in (tmp_path / "x.html").read_text()
    assert json.loads(run("similar", course.root, "--json").stdout)["assignments"][0]["pairs"][0]["students"] == ["ann", "bob"]


def test_create_says_what_comes_next(tmp_path, monkeypatch):
    from autograder.classroom import create

    monkeypatch.setattr(create, "release_assignment", lambda course, name: None)
    done = run("create", tmp_path / "new", "--chapters", "12, 26", "--course-id", "dl")
    told = " ".join(done.stdout.split())
    assert done.exit_code == 0 and "✓ 26_bf16_vs_fp16" in told and "'dl'" in told
    for step in ("import-zip", "autograder grade 12", "classroom status", "export --format canvas"):
        assert step in told
    assert "release" not in run("create", tmp_path / "new", "--chapters", "12").stderr
