"""The progress file: kept, counted, and never a reason for a check to fail."""

import os
import sqlite3

import pytest

from autograder import progress
from autograder.judging import NOT_ATTEMPTED, RIGHT, WRONG, Judgement


def attempt(outcome=WRONG, exercise="26.bf16_round", points=0.0, digest="a"):
    return progress.record(Judgement(exercise, outcome, points, 4.0), digest)


def test_attempts_and_misses_are_counted():
    assert attempt(digest="a") == (1, 1)
    assert attempt(digest="a") == (2, 1)
    assert attempt(digest="b") == (3, 2)
    assert attempt(RIGHT, points=4.0, digest="c") == (4, 2)
    assert attempt(exercise="12.other") == (1, 1)
    assert attempt(NOT_ATTEMPTED, digest="d") == (4, 2)
    standing = progress.standings()["26.bf16_round"]
    assert standing.solved and standing.points == 4.0 and standing.attempts == 4


def test_wal_and_schema():
    attempt()
    with sqlite3.connect(progress.data_file()) as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA user_version").fetchone()[0] == progress.VERSION


def test_a_corrupt_file_is_kept_aside():
    attempt()
    path = progress.data_file()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"this is no database" * 100)
    assert attempt() == (1, 1)
    aside = [p for p in path.parent.iterdir() if "corrupt" in p.name]
    assert len(aside) == 1 and aside[0].read_bytes().startswith(b"this is no database")


def test_a_locked_file_is_a_sentence():
    attempt()
    holder = sqlite3.connect(progress.data_file())
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(progress.ProgressError, match="close it"):
            attempt()
    finally:
        holder.rollback()
        holder.close()
    assert attempt(digest="z")[0] == 2


def test_a_newer_file_is_left_alone():
    attempt()
    with sqlite3.connect(progress.data_file()) as db:
        db.execute(f"PRAGMA user_version={progress.VERSION + 1}")
    with pytest.raises(progress.ProgressError, match="newer version"):
        attempt()
    with sqlite3.connect(progress.data_file()) as db:
        assert db.execute("SELECT COUNT(*) FROM attempts").fetchone()[0] == 1


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file" / "inside"))
    with pytest.raises(progress.ProgressError, match="AUTOGRADER_DATA"):
        attempt()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_a_sentence(tmp_path, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    monkeypatch.setenv("AUTOGRADER_DATA", str(folder))
    with pytest.raises(progress.ProgressError):
        attempt()


def test_two_processes_at_once_lose_nothing(tmp_path):
    import subprocess
    import sys

    code = ("from autograder import progress as p; from autograder.judging import Judgement as J\n"
            "for i in range(20): p.record(J('1.x','wrong',0,1), str(i))")
    running = [subprocess.Popen([sys.executable, "-c", code], env={**os.environ}) for _ in range(3)]
    assert [r.wait() for r in running] == [0, 0, 0]
    assert progress.standings()["1.x"].attempts == 60


def test_forget():
    attempt()
    assert progress.forget("26.bf16_round") == 1 and progress.standings() == {}
