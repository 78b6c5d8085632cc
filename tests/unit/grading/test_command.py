"""`autograder grade`: exit statuses, sentences, JSON, and what stands on which stream."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from autograder import cli
from autograder.grading import sandbox
from autograder.grading.command import assignments_of
from autograder.grading.course import CourseError

NAME = "12_flops"


def grade(root, *words):
    return CliRunner().invoke(cli.app, ["grade", "--course", str(root), *words])


def test_grading_with_the_sandbox_from_the_command_line(root, hand_in, solutions):
    """The real command, once: a table with its reasons, JSON, and a second run that has nothing to do."""
    first = next(iter(solutions))
    hand_in("ann", {first: solutions[first]})
    hand_in("bob", "this is no notebook")
    words = [sys.executable, "-m", "autograder", "grade", "12", "--course", str(root)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "✓ 1 graded, 1 refused, 0 failed, 0 had a result" in done.stdout and "walls: " in done.stdout
    assert "bob" in done.stdout and "is not a notebook" in " ".join(done.stdout.replace("│", " ").split())
    assert done.stderr.strip() == f"{NAME}: 2 of 2", "plain lines where no terminal is"
    again = subprocess.run([*words, "--json"], capture_output=True, text=True, timeout=300)
    told = json.loads(again.stdout)
    assert again.returncode == 0 and not again.stderr
    assert (told["graded"], told["skipped"], told["results"]) == (0, 2, [])


def test_a_dry_run(root, hand_in):
    hand_in("[b]ann")
    (root / ".course_seed").unlink()
    done = grade(root, "--dry-run")
    assert done.exit_code == 0 and f"· {NAME}  [b]ann" in done.output
    assert "1 to grade, 0 graded before. Nothing was done." in done.output
    assert not (root / ".course_seed").exists() and not (root / "autograded").exists()
    assert json.loads(grade(root, "--dry-run", "--json").stdout)["planned"] == [[NAME, "[b]ann"]]


def test_a_new_secret_is_told_once(root, hand_in):
    hand_in("ann")
    (root / ".course_seed").unlink()
    done = grade(root, "12", "--trust-all-submissions", "--no-progress")
    assert done.exit_code == 0 and "keep it secret" in done.stderr and str(root / ".course_seed") in done.stderr
    assert "none: all submissions are trusted" in done.stdout
    assert "secret" not in grade(root, "12", "--trust-all-submissions").output


@pytest.mark.parametrize("words, part", [
    (["99"], "99 was not released"), (["13_other"], "there are 12_flops"), (["--student", "eve"], "eve handed in nothing"),
    (["--scheduler", "nonsense"], "no Dask worker answers at nonsense"),
])
def test_what_is_not_there_is_one_sentence_and_status_2(root, hand_in, words, part):
    hand_in("ann")
    done = grade(root, *words)
    assert done.exit_code == 2 and part in done.stderr and done.stderr.count("✗") == 1
    assert done.stderr.strip().count("\n") == 0 and not done.stdout


@pytest.mark.parametrize("words", [["--jobs", "0"], ["--memory", "1"], ["--time-limit", "0"], ["--nonsense"]])
def test_bad_options_are_status_2(root, words):
    assert grade(root, *words).exit_code == 2


def test_no_course_and_nothing_released(tmp_path, root):
    assert grade(tmp_path / "nowhere").exit_code == 2
    done = grade("/")
    assert done.exit_code == 2 and "autograder classroom create DIR" in done.stderr
    (root / "release" / NAME / f"{NAME}.ipynb").unlink()
    done = grade(root)
    assert done.exit_code == 2 and "nothing was released" in done.stderr


def test_without_a_sandbox_it_refuses_and_says_what_that_means(root, hand_in, monkeypatch):
    hand_in("ann")

    def none(*args, **kwargs):
        raise sandbox.NoSandbox("this machine lacks walls")

    monkeypatch.setattr("autograder.grading.workers.ForkServer", none)
    done = grade(root, "12")
    assert done.exit_code == 2 and "this machine lacks walls. `--trust-all-submissions`" in done.stderr
    assert not list((root / "autograded").rglob("*.ipynb"))


def test_a_failure_or_a_conflict_is_status_1(root, hand_in, monkeypatch):
    hand_in("ann")

    def lost(*args, **kwargs):
        raise sandbox.SandboxLost("the machine is out of memory")

    monkeypatch.setattr("autograder.grading.workers.grade_submission", lost)
    done = grade(root, "12", "--trust-all-submissions", "--no-progress")
    assert done.exit_code == 1 and "0 graded, 0 refused, 1 failed" in done.stdout
    told = " ".join(done.stdout.replace("│", " ").split())
    assert "failed on this submission, 3 times: the machine is out of memory" in told.replace(" ", " ")
    monkeypatch.undo()
    assert grade(root, "12", "--trust-all-submissions", "--no-progress").exit_code == 0, "the next run grades it again"
    import sqlite3

    with sqlite3.connect(root / "gradebook.db") as db:
        db.execute("update autograder_result set result = replace(result, '\"points\":0.0', '\"points\":1.0')")
    done = grade(root, "12", "--trust-all-submissions", "--no-progress", "--again")
    assert done.exit_code == 1 and "✗ another result than before, the first one stands: 12_flops, ann" in done.stdout


def test_names_of_assignments(course, root):
    for name in ("03_fp32", "03_other", "homework"):
        (root / "release" / name).mkdir()
        (root / "release" / name / "a.ipynb").write_text("{}")
    assert assignments_of(course, []) == ["03_fp32", "03_other", NAME, "homework"]
    assert assignments_of(course, ["12", NAME, "12"]) == [NAME]
    assert assignments_of(course, ["3", "homework"]) == ["03_fp32", "03_other", "homework"]
    with pytest.raises(CourseError, match="1 was not released"):
        assignments_of(course, ["1"])
