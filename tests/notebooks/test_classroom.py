"""A class from beginning to end with nbgrader's real commands: create, import, autograde, status, export, statistics."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import nbformat
import pytest

from autograder.chapters import CHAPTERS, ROOT
from autograder.exercises import chapter_exercises
from autograder.notebooks.master import read_master

pytestmark = pytest.mark.slow
CHAPTER = CHAPTERS["12"]
STEM = CHAPTER.stem
WORTH = {e.name: e.points for e in chapter_exercises("12")}


def command(*words, cwd, status=0):
    """A command of ours without the environment on PATH, as someone runs it who did not activate it."""
    program = "from autograder.classroom.commands import classroom_app; classroom_app()"
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], cwd=cwd, capture_output=True, timeout=300,
                          env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "200", "HOME": str(cwd)})
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, f"{words}\n{out}{err}"
    return out


def nbgrader(course, *words):
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=course, capture_output=True, text=True, timeout=600,
                          env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                               "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(course / ".ipython")})
    assert done.returncode == 0, f"nbgrader {' '.join(words)}\n{done.stdout[-3000:]}{done.stderr[-5000:]}"


def handed_in(release, solved, essay=""):
    solutions = read_master(CHAPTER.master).solutions
    notebook = nbformat.read(release, 4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in solved:
            cell.source = solutions[name].solution
        elif cell.cell_type == "markdown" and name and essay:
            cell.source = essay
    return nbformat.writes(notebook)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Created, two submissions imported from a Canvas download, and graded by stock nbgrader."""
    root = tmp_path_factory.mktemp("class") / "course"
    told = command("create", root, "--chapters", "12", cwd=root.parent)
    assert "autograder grade 12" in told
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text().replace('penalty_method = "none"', 'penalty_method = "zero"'))
    with sqlite3.connect(root / "gradebook.db") as book:
        book.execute("UPDATE assignment SET duedate = ?", (datetime(2026, 11, 20, 12).isoformat(" "),))
    release = root / "release" / STEM / f"{STEM}.ipynb"
    names = list(WORTH)
    with zipfile.ZipFile(root.parent / "canvas.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"leeann_11_500_{STEM}.ipynb", handed_in(release, []))
        file.writestr(f"leeann_11_501_{STEM}-1.ipynb", handed_in(release, names, "In words."))
        file.writestr(f"roebob_LATE_12_502_{STEM}.ipynb", handed_in(release, names[:2]))
    (root.parent / "roster.csv").write_text("Student,ID,SIS User ID,SIS Login ID,Section\n"
                                            '"Lee, Ann",11,S1,ann,Lab\n"Roe, Bob",12,S2,bob,Lab\n"Poe, Cy",13,S3,cy,Lab\n')
    command("import-zip", "../canvas.zip", "--chapter", "12", "--roster", "../roster.csv", cwd=root)
    nbgrader(root, "autograde", STEM)
    return root


def test_the_release_is_the_courses_own_and_nothing_secret_is_in_it(course):
    release = course / "release" / STEM
    assert json.loads((release / f"{STEM}.ipynb").read_text()) == json.loads(CHAPTER.notebook.read_text())
    assert (release / "figure.svg").read_bytes() == CHAPTER.notebook.with_name("figure.svg").read_bytes()
    text = (release / f"{STEM}.ipynb").read_text()
    assert "HIDDEN TESTS" not in text and "BEGIN SOLUTION" not in text
    assert "BEGIN SOLUTION" in (course / "source" / STEM / f"{STEM}.ipynb").read_text()
    assert (course / ".course_seed").stat().st_mode & 0o777 == 0o600


def test_git_keeps_secrets_and_students_out(course, tmp_path):
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    copy = shutil.copytree(course, tmp_path / "copy", ignore=shutil.ignore_patterns(".ipython"))
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    told = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=copy, check=True, capture_output=True, text=True).stdout
    kept = {line[3:] for line in told.splitlines()}
    assert kept == {".gitignore", "nbgrader_config.py", *(f"{step}/{STEM}/{name}" for step in ("source", "release")
                                                          for name in (f"{STEM}.ipynb", "figure.svg"))}


def test_status_of_a_class_that_nbgrader_graded(course):
    [one] = json.loads(command("status", "--json", cwd=course))["assignments"]
    each = {h["student"]: h for h in one["each"]}
    full = sum(WORTH.values())
    assert {k: one[k] for k in ("students", "handed_in", "late", "graded", "changed", "manual")} == {
        "students": 3, "handed_in": 2, "late": 1, "graded": 2, "changed": 0, "manual": 1}
    assert each["ann"]["score"] == full and each["ann"]["name"] == "Lee, Ann" and not each["cy"]["handed_in"]
    assert each["bob"]["score"] == 0 and each["bob"]["penalty"] == sum(list(WORTH.values())[:2]), "late, and late is zero here"


def test_canvas_gets_the_final_grades_and_hears_of_the_others(course):
    rows = list(csv.reader(io.StringIO(command("export", "--format", "canvas", "--roster", "../roster.csv", cwd=course))))
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", STEM]
    assert rows[2:] == [["Roe, Bob", "12", "S2", "bob", "Lab", "0"]], "Ann's written answer waits for a person"
    rows = list(csv.reader(io.StringIO(command("export", "--format", "canvas", "--provisional", cwd=course))))
    assert rows[2:] == [["Lee, Ann", "11", "", "ann", "", f"{sum(WORTH.values()):g}"], ["Roe, Bob", "12", "", "bob", "", "0"]]


def test_the_csv_says_what_nbgraders_own_says(course, tmp_path):
    nbgrader(course, "export", "--to", str(tmp_path / "theirs.csv"))
    with open(tmp_path / "theirs.csv", newline="") as file:
        theirs = {r["student_id"]: r for r in csv.DictReader(file)}
    ours = {r["student_id"]: r for r in csv.DictReader(io.StringIO(command("export", cwd=course)))}
    assert ours.keys() == theirs.keys()
    for student, row in ours.items():
        for mine, yours in (("points", "raw_score"), ("late_penalty", "late_submission_penalty"), ("score", "score"),
                            ("max_score", "max_score")):
            assert float(row[mine] or 0) == float(theirs[student][yours]), (student, mine)


def test_statistics_know_which_exercises_were_right(course):
    [one] = json.loads(command("statistics", "--json", cwd=course))["assignments"]
    assert {e["exercise"]: (e["right"], e["wrong"]) for e in one["exercises"]} == {
        name: ((2, 0) if k < 2 else (1, 1)) for k, name in enumerate(WORTH)}


def test_similar_reads_what_was_imported(course):
    [one] = json.loads(command("similar", "--json", cwd=course, status=1))["assignments"]
    assert one["compared"] == 2 and one["pairs"][0]["students"] == ["ann", "bob"]
    assert {e["exercise"] for e in one["pairs"][0]["exercises"]} == set(list(WORTH)[:2]), "only what both wrote themselves"


def test_a_second_import_replaces_and_nbgrader_grades_it_again(course, tmp_path):
    copy = shutil.copytree(course, tmp_path / "copy", ignore=shutil.ignore_patterns(".ipython"))
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as file:
        file.writestr(f"bob/{STEM}.ipynb", handed_in(copy / "release" / STEM / f"{STEM}.ipynb", list(WORTH)))
    assert "kept" in command("import-zip", "../new.zip", "-c", "12", "--time", "2026-11-30", cwd=copy)
    command("import-zip", "../new.zip", "-c", "12", "--time", "2126-11-30", "--force", cwd=copy)
    assert json.loads(command("status", "--json", "-s", "bob", cwd=copy))["assignments"][0]["changed"] == 1
    nbgrader(copy, "autograde", STEM)
    [bob] = json.loads(command("status", "--json", "-s", "bob", cwd=copy))["assignments"][0]["each"]
    assert not bob["changed"] and bob["penalty"] == sum(WORTH.values()) and sorted(p.name for p in (copy / "autograded").iterdir()) == [
        "ann", "bob"], "what is kept beside is no student"


def test_more_chapters_for_a_course_in_use(course, tmp_path):
    copy = shutil.copytree(course, tmp_path / "copy", ignore=shutil.ignore_patterns(".ipython"))
    before = {p: p.read_bytes() for p in copy.rglob("*") if p.is_file() and p.name != "gradebook.db"}
    told = command("create", copy, "--chapters", "12,26", cwd=tmp_path)
    assert "· 12_flops is there already" in told and "✓ 26_bf16_vs_fp16" in told
    assert all(p.read_bytes() == text for p, text in before.items())
    with sqlite3.connect(copy / "gradebook.db") as book:
        assert [n for n, in book.execute("SELECT name FROM assignment ORDER BY name")] == [STEM, "26_bf16_vs_fp16"]
        assert book.execute("SELECT COUNT(*) FROM submitted_assignment").fetchone() == (2,)
