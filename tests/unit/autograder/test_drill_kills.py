"""kill -9 while somebody practises: at most the answer in hand is lost, and what is there can be read."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from autograder import progress
from autograder.drill import mock, reports
from autograder.drill.memory import load_memory

ROUND = """
from autograder.drill.deck import chapter_items
from autograder.drill.round import Round
items = [i for i in chapter_items("26") if i.kind == "choice"]
asking = Round(items, 1)
for n in range(10**6):
    if asking.current is None:
        asking = Round(items, n)
    asking.submit(asking.current.choose(0), "x")
    print(n, flush=True)
    asking.next()
"""

MOCK = """
from autograder.drill.deck import find_items
from autograder.drill.mock import Mock
items = find_items(kinds=("choice",))
asking = Mock(60, items, 1)
for n in range(10**6):
    asking.submit(asking.current.choose(0), "x")
    print(n, flush=True)
    if asking.next() is None:
        break
"""


def killed(code, seed):
    """Answers that the process had told of when it was killed, at a moment of its own each time."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})
    told = [process.stdout.readline()]
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 25)):
        told.append(process.stdout.readline())
    time.sleep(rng.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    return sum(line.endswith("\n") for line in told)


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_round_loses_the_question_in_hand_at_most(seed):
    told = killed(ROUND, seed)
    with sqlite3.connect(progress.data_file()) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        kept = db.execute("SELECT COUNT(*) FROM reviews").fetchone()[0]
    assert told > 0 and kept in (told, told + 1)
    assert len(load_memory().answered) == kept


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_interview_is_found_and_gets_its_report(seed):
    told = killed(MOCK, seed)
    (interview,) = mock.cut_off()
    assert told > 0 and len(interview.answered) in (told, told + 1)
    assert len(load_memory().answered) in (told, told + 1)
    markdown, data = reports.finish(interview)
    assert mock.cut_off() == [] and json.loads(data.read_text())["ended"]
    assert markdown.read_text().count("\n### ") == len(interview.answered)
