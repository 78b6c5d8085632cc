"""The progress file as JSON: what is exported is imported, once; a bad file changes nothing."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from autograder import cli, progress
from autograder.drill.memory import Review, load_memory, remember
from autograder.drill.mock import Interview, store
from autograder.drill.transfer import export_progress, import_progress
from autograder.judging import Judgement

NOW = datetime.now(UTC)


def some_progress():
    progress.record(Judgement("26.bf16_round", "right", 4, 4), "a")
    progress.record(Judgement("26.fp16_widen", "wrong", 1, 4, "shift_16"), "b")
    for days, rating in ((9, 3), (5, 1), (1, 3)):
        remember(Review("26.integers", NOW - timedelta(days=days), rating, rating / 3, 7.5, 12, "2^11 “x”", "drill"))
    store(Interview("u1", NOW.isoformat(), 45, "zh", 3, 1))


def rows():
    with sqlite3.connect(progress.data_file()) as db:
        return {t: db.execute(f"SELECT * FROM {t}").fetchall() for t in ("attempts", "reviews", "mocks")}


def test_an_export_is_imported_on_another_machine_once(tmp_path, monkeypatch):
    some_progress()
    here, known = rows(), load_memory(NOW).known
    file = tmp_path / "out" / "mine.json"
    assert export_progress(file) == {"attempts": 2, "reviews": 3, "mocks": 1}
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "other"))
    assert import_progress(file) == {"attempts": 2, "reviews": 3, "mocks": 1}
    assert rows() == here and load_memory(NOW).known == known
    assert import_progress(file) == {"attempts": 0, "reviews": 0, "mocks": 0} and rows() == here


def test_two_machines_merge(tmp_path, monkeypatch):
    some_progress()
    export_progress(tmp_path / "a.json")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "other"))
    remember(Review("12.flops", NOW, 3, 1.0, 2.0, 1, "8", "notebook"))
    assert import_progress(tmp_path / "a.json")["reviews"] == 3
    assert set(load_memory(NOW).known) == {"12.flops", "26.integers", "26.bf16_round", "26.fp16_widen"}


@pytest.mark.parametrize("change, part", [
    (lambda d: "[", "is not JSON"), (lambda d: "[]", "holds no progress"), (lambda d: json.dumps({"format": "x"}), "holds no progress"),
    (lambda d: json.dumps({**d, "version": 99}), "newer version"),
    (lambda d: json.dumps({**d, "reviews": [{"uid": "1"}]}), "row 1 of reviews has other columns"),
    (lambda d: json.dumps({**d, "reviews": d["reviews"] + [{**d["reviews"][0], "uid": "n", "rating": 9}]}), "row 4 of reviews"),
    (lambda d: json.dumps({**d, "reviews": [{**d["reviews"][0], "uid": "n", "share": "much"}]}), "'much' as share"),
    (lambda d: json.dumps({**d, "reviews": [{**d["reviews"][0], "uid": "n", "rating": True}]}), "True as rating"),
    (lambda d: json.dumps({**d, "attempts": [{**d["attempts"][0], "digest": "n", "at": "noon"}]}), "'noon' as a time"),
])
def test_a_bad_file_is_a_sentence_and_changes_nothing(tmp_path, change, part):
    some_progress()
    file = tmp_path / "mine.json"
    export_progress(file)
    file.write_text(change(json.loads(file.read_text())))
    before = rows()
    with pytest.raises(progress.ProgressError, match=part):
        import_progress(file)
    assert rows() == before


def test_the_commands(tmp_path):
    run = CliRunner().invoke
    some_progress()
    file = tmp_path / "mine.json"
    assert "3 reviews" in run(cli.app, ["progress", "--export", str(file)]).output
    assert "0 reviews" in run(cli.app, ["progress", "--import", str(file)]).output
    assert run(cli.app, ["progress", "--import", str(tmp_path / "none.json")]).exit_code == 2
    remember(Review("26.update", datetime.now(UTC) - timedelta(hours=1), 1, 0.0, 2.0, 1, "8", "notebook"))
    told = json.loads(run(cli.app, ["progress", "--json"]).output)["26"]
    assert 0 < told["mastery"] < 1 and told["due"] == 1
    text = run(cli.app, ["progress"]).output
    assert "1 card is due" in text and "Mastery" in text and "came back" in text


@pytest.mark.parametrize("words, part", [
    (["--part", "Z"], "no part 'Z'"), (["--chapter", "77"], "no chapter '77'"), (["--lang", "fr"], "no language 'fr'"),
    (["--part", "A", "--chapter", "10"], "no question fits"), ([], "needs a terminal"),
])
def test_drill_refuses_in_one_sentence(words, part):
    done = CliRunner().invoke(cli.app, ["drill", *words])
    assert done.exit_code == 2 and part in done.output and "Traceback" not in done.output


def test_a_file_damaged_in_its_middle_is_kept_aside():
    for n in range(300):
        remember(Review(f"26.q{n}", NOW, 3, 1.0, 1.0, 1, "x" * 200, "drill"))
    path = progress.data_file()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(progress.ProgressError, match="is kept as"):
        load_memory()
    aside = [p for p in path.parent.iterdir() if "corrupt" in p.name and p.suffix == path.suffix]
    assert len(aside) == 1 and aside[0].read_bytes() == bytes(data)
    assert load_memory().known == {}
