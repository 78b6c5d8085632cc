"""Practice as a candidate meets it in JupyterLab: the mock interview to its report, and the quiz of a chapter."""

import json
import re

import pytest

from autograder.drill.labels import say

MOCK = "99_mock_interview.ipynb"


def answer(cell, language):
    """Answer the question on screen, whatever its kind; the kind.

    The widgets of the question before go a moment after the new title has come: what was found too early is looked
    for again.
    """
    from playwright.sync_api import TimeoutError as TooLate

    for last in (False, False, False, True):
        try:
            return answer_once(cell, language)
        except TooLate:
            if last:
                raise


def answer_once(cell, language):
    told = {word: say(language, word) for word in ("Check", "Show the rubric", "Done")}
    check = cell.get_by_role("button", name=told["Check"], exact=True)
    rubric, options = cell.get_by_role("button", name=told["Show the rubric"]), cell.locator(".agq-option:enabled")
    check.or_(rubric).or_(options).first.wait_for()
    if check.count():
        box = cell.locator("input[type=text]").last
        box.fill("nonsense", timeout=5_000)
        box.press("Enter", timeout=5_000)
        cell.get_by_text(say(language, "Not taken as an answer.")).wait_for(timeout=5_000)
        box.fill("1", timeout=5_000)
        box.press("Enter", timeout=5_000)
        kind = "numeric"
    elif rubric.count():
        rubric.click(timeout=5_000)
        cell.get_by_role("checkbox").first.check(timeout=5_000)
        cell.get_by_role("button", name=told["Done"]).click(timeout=5_000)
        kind = "open"
    else:
        options.first.focus(timeout=5_000)
        options.first.press("Enter", timeout=5_000)
        kind = "choice"
    cell.locator(".agq-reply b", has_text=re.compile("[✓✗]")).first.wait_for(timeout=10_000)
    return kind


@pytest.mark.parametrize("language, dark", [("en", False), ("zh", True)])
def test_a_mock_interview_from_start_to_report(notebook, lab, language, dark):
    book = notebook(MOCK, width=1000)
    if dark:
        book.page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
        book.page.wait_for_selector("body[data-jp-theme-light='false']", state="attached")
    book.run("mock_interview(")
    cell = book.cell("mock_interview(")
    book.shot(f"mock-settings-{language}")
    cell.get_by_role("combobox").first.select_option(label={"en": "English", "zh": "中文"}[language])
    cell.get_by_role("button", name="Start", exact=True).click()
    kinds = set()
    for number in range(1, 8):
        cell.get_by_text(say(language, "Question {number}", number=number), exact=True).wait_for()
        kinds.add(answer(cell, language))
        book.shot(f"mock-{language}-{number}")
        cell.get_by_role("button", name=say(language, "Next question")).click()
    cell.get_by_role("button", name=say(language, "End the interview")).click()
    cell.get_by_role("heading", name=say(language, "Questions and model answers")).wait_for()
    book.page.wait_for_timeout(500)
    book.shot(f"mock-report-{language}")
    wide = cell.evaluate("e => e.scrollWidth - e.clientWidth")
    assert wide <= 1, f"{wide} pixels are cut off"
    assert len(kinds) > 1
    saved = list((lab[1].parent / "data" / "mocks").glob("*.json"))
    told = [json.loads(path.read_text()) for path in saved]
    mine = next(report for report in told if report["language"] == language)
    assert [bool(a["typed"]) for a in mine["answered"]] == [True] * 7 and mine["ended"]
    assert not book.errors
