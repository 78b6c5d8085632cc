"""Every attack, in a light notebook and in one with torch, among honest students, in one run of the grader."""

from __future__ import annotations

import re
from functools import cache

import attack_tools as tools
import pytest
from attack_tools import ATTACKED, ATTACKS, HONEST

from autograder.chapters import CHAPTERS
from autograder.exercises import chapter_exercises
from autograder.grading.course import open_course
from autograder.grading.gradebook import current_results

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def before(town):
    """The honest students alone."""
    return tools.attacked(town, list(HONEST))


@pytest.fixture(scope="module")
def after(town, before):
    """The honest students among all attackers. "+" stands for an attack that was carried out on a solved notebook."""
    for number in ATTACKED:
        chapter = CHAPTERS[number]
        blank, full = tools.making.released(town.course, chapter), tools.solved(town.course, chapter)
        for attack in ATTACKS.values():
            town.write(attack, chapter, attack.name, blank)
            if attack.kind == "submit":
                town.write(attack, chapter, f"{attack.name}+", full)
    return tools.attacked(town, again=True)


@cache
def best(number):
    return sum(e.points for e in chapter_exercises(number))


@pytest.fixture(params=ATTACKED)
def number(request):
    return request.param


@pytest.fixture(params=ATTACKS.values(), ids=ATTACKS)
def attack(request):
    if not request.param.runs_here:
        pytest.skip(f"its system calls are those of {request.param.module.MACHINE}")
    return request.param


def test_an_attack_ends_with_a_graded_zero_and_its_cause(after, attack, number):
    result = after.results[attack.name, number]
    text = tools.told(result, f"{number}.{ATTACKED[number]}")
    assert result.status == ("refused" if attack.refused else "graded"), result.reason
    assert result.points == 0
    assert attack.cause is None or re.search(attack.cause, text), text
    assert "LEAK" not in result.to_json()
    row = next(e for n in result.notebooks for e in n.exercises if e.exercise == f"{number}.{ATTACKED[number]}")
    assert row.points == 0 and row.message, row
    assert row.outcome == ("wrong" if attack.kind == "cell" else "not attempted") or attack.cause, row
    assert result.layers == after.summary.layers


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if a.kind == "submit"])
def test_no_attack_earns_more_than_the_honest_score(after, name, number):
    """On a solved notebook: all of its points where it was read, none where it was refused."""
    result, attack = after.results[f"{name}+", number], ATTACKS[name]
    assert result.points <= best(number)
    spoiled = name == "own-same_cell_a_thousand_times"
    assert attack.refused or spoiled or result.points == best(number), tools.told(result, "")
    assert attack.cause is None or spoiled or re.search(attack.cause, tools.told(result, "")), tools.told(result, "")


def test_the_other_students_are_not_affected(before, after, number):
    for student in HONEST:
        alone, among = (run.results[student, number] for run in (before, after))
        assert alone.points == among.points == best(number)
        assert alone.scores() == among.scores() and alone.seed == among.seed and not among.reason
    assert not after.summary.conflicts


def test_every_submission_has_one_row_with_a_reason(town, after, number):
    handed_in = {p.parent.name for p in (town.course / "submitted").glob(f"*/{CHAPTERS[number].stem}")}
    rows = current_results(open_course(town.course).db_url, CHAPTERS[number].stem)
    assert {r.student for r in rows} == handed_in and len(rows) == len(handed_in)
    assert all(r.status == "graded" or r.reason for r in rows)
    assert not [r.reason for r in rows if r.status == "failed"]


def test_nothing_was_written_but_results(after):
    assert after.changed == [] and after.written == []


def test_no_process_is_left(after):
    assert after.left == []


def test_nobody_called_home(town, after):
    assert town.heard == []


def test_no_secret_reached_a_page_or_a_row(town, after):
    """Not in results, not in pages and graded notebooks of the attackers; the honest students' own hold theirs."""
    for result in after.summary.results:
        assert "CANARY-" not in result.to_json(), result.student
    for step in ("autograded", "feedback"):
        for path in (town.course / step).rglob("*"):
            if path.is_file() and path.parts[len(town.course.parts) + 1] not in HONEST:
                assert "CANARY-" not in path.read_text(errors="replace").replace("CANARY-[0-9a-f]", ""), path


def test_links_are_not_copied(town, after):
    for step in ("autograded", "feedback"):
        found = [p for p in (town.course / step).rglob("*") if p.is_symlink() or p.name in ("data.bin", "seed.txt", "sources")]
        assert not found
