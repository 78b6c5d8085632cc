"""Chapter 26 as a learner meets it: run, look, try, be told, get it right, validate, see the progress."""

import re

import pytest

from autograder import progress
from autograder.judging import Judgement

pytestmark = pytest.mark.browser
CHAPTER = "26_bf16_vs_fp16/26_bf16_vs_fp16.ipynb"
TRUNCATES = '''def bf16_round(u32: np.ndarray) -> np.ndarray:
    """FP32 words (uint32, any shape) to BF16 words (uint16, same shape), nearest even."""
    return (u32 >> 16).astype(np.uint16)
'''
RIGHT = '''def bf16_round(u32: np.ndarray) -> np.ndarray:
    """FP32 words (uint32, any shape) to BF16 words (uint16, same shape), nearest even."""
    u = u32.astype(np.uint64)
    rounded = (u + 0x7FFF + ((u >> 16) & 1)) >> 16
    return np.where((u & 0x7FFFFFFF) > 0x7F800000, (u >> 16) | 0x40, rounded).astype(np.uint16)
'''


def validated(book):
    """The dialog of nbgrader's Validate button. Its server has been seen to hang once; then the page is opened anew."""
    from playwright.sync_api import TimeoutError as Late

    page = book.page
    for last in (False, True):
        page.get_by_role("button", name=re.compile("Validate")).first.click()
        try:
            page.wait_for_function(
                "() => /failed|passed|Success/i.test(document.querySelector('.jp-Dialog')?.innerText || '')", timeout=120_000)
            return page.locator(".jp-Dialog")
        except Late:
            if last:
                raise
            book.open(page.url)


def test_a_learner_works_through_an_exercise(notebook):
    book = notebook(CHAPTER)
    book.shot("1-opened")
    book.run_all()
    page = book.page

    checked = book.cell('check("26.bf16_round"').locator(".jp-OutputArea")
    assert "not written yet" in checked.inner_text()
    book.shot("2-not-written")

    book.write("def bf16_round", TRUNCATES)
    book.run("def bf16_round")
    for _ in range(3):
        card = book.run('check("26.bf16_round"')
        assert "You are truncating." in card.inner_text() and "✗ differs" in card.inner_text()
    card.locator("summary", has_text="Hint 1 of 3").click()
    assert "lost half" in card.inner_text()
    assert "Show a solution" not in card.inner_text(), "the same miss three times is one miss"
    book.cell('check("26.bf16_round"').scroll_into_view_if_needed()
    book.shot("3-misconception")

    for miss in range(2):
        book.write("def bf16_round", TRUNCATES.replace("return", f"x = {miss}\n    return"))
        book.run("def bf16_round")
        card = book.run('check("26.bf16_round"')
    card.locator("summary", has_text="Show a solution").click()
    assert "kept_last" in card.inner_text()
    book.shot("4-solution")

    book.write("def bf16_round", RIGHT)
    book.run("def bf16_round")
    card = book.run('check("26.bf16_round"')
    assert "✓ right" in card.inner_text() and "4 of 4 points" in card.inner_text()
    book.shot("5-right")

    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    dialog = validated(book)
    told = dialog.inner_text()
    assert "fp16_widen" in told and 'check("26.bf16_round"' not in told
    book.shot("6-validated")
    assert not book.errors

    start = notebook("00_start_here.ipynb")
    tile = start.run("chapter_map()").locator("a.agm-tile", has_text="bfloat16")
    assert "1/5" in tile.inner_text()


def test_the_start_page_shows_the_progress(notebook, lab, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_DATA", str(lab[1].parent / "data"))
    progress.record(Judgement("26.bf16_round", "right", 4.0, 4.0), "a")
    book = notebook("00_start_here.ipynb")
    output = book.run("chapter_map()")
    assert "1/5" in output.inner_text() and "of 54 chapters ready" in output.inner_text()
    output.evaluate("e => e.closest('.jp-Cell').scrollIntoView({block: 'start'})")
    book.page.wait_for_timeout(300)
    book.shot("map")
    book.run("search_box()")
    box = book.cell("search_box()")
    field = box.locator("input")
    field.click()
    field.press_sequentially("随机舍入", delay=30)
    box.locator("li").first.wait_for(timeout=20_000)
    assert "26 bfloat16 and float16" in box.inner_text()
    book.shot("search")
    book.cell("chapter_map()").locator("a.agm-tile", has_text="26").first.click()
    book.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell", timeout=60_000)
    book.page.wait_for_function("() => /26_bf16_vs_fp16/.test(window.jupyterapp.shell.currentWidget?.context?.path || '')",
                                timeout=30_000)


def test_the_bit_painter_answers_mouse_and_keyboard(notebook):
    book = notebook(CHAPTER)
    book.run("import numpy as np")
    painter = book.run("bit_painter(").locator(".bp")
    painter.wait_for(timeout=60_000)
    equation = painter.locator(".bp-eq")
    assert "3.140625" in equation.inner_text()
    book.shot("1-pi")
    painter.locator("[data-bit='0']").click()
    painter.get_by_text("-3.140625").first.wait_for()
    assert "-3.140625" in equation.inner_text()
    book.page.keyboard.press("ArrowDown")
    painter.get_by_text("-3.15625").first.wait_for()
    book.page.keyboard.press("ArrowUp")
    painter.get_by_text("-3.140625").first.wait_for()
    book.page.keyboard.press("ArrowRight")
    book.page.keyboard.press("Space")
    painter.page.wait_for_function("() => document.querySelector('.bp-eq').innerText.includes('e-39')")
    painter.get_by_role("button", name="FP16", exact=True).click()
    painter.get_by_label("bits of FP16").wait_for()
    value = painter.get_by_label("the value as a decimal number")
    value.fill("70000")
    value.press("Enter")
    painter.get_by_text("infinity").wait_for()
    book.shot("2-overflow")
    word = painter.get_by_label("the word in hexadecimal")
    word.fill("nonsense")
    word.press("Enter")
    painter.locator("input.bp-bad").wait_for()
    assert "infinity" in equation.inner_text()


def test_a_slider_moves_the_figure(notebook):
    book = notebook(CHAPTER)
    book.run("import numpy as np")
    book.run("two_rulers()")
    cell = book.cell("two_rulers()")
    assert not cell.locator("img").first.is_visible(), "the figure comes after the guess"
    cell.get_by_role("button", name="below 2^-17").click()
    cell.locator("img").first.wait_for(state="visible")
    before, told = cell.locator("img").first.get_attribute("src"), cell.locator("p[role=status]").last.inner_text()
    cell.get_by_role("slider").first.focus()
    for _ in range(5):
        book.page.keyboard.press("PageDown")
    book.page.wait_for_function("([old]) => [...document.querySelectorAll('.jp-OutputArea img')].every(i => i.src !== old)",
                                arg=[before])
    book.wait_idle()
    assert cell.locator("p[role=status]").last.inner_text() != told
    book.shot("moved")


def test_the_drill_answers_the_keyboard(notebook):
    book = notebook(CHAPTER)
    book.run("import numpy as np")
    book.run('practise("26")')
    cell = book.cell('practise("26")')
    answer = cell.get_by_placeholder("a number")
    answer.click()
    answer.fill("twelve")
    answer.press("Enter")
    cell.get_by_text("is not a number").wait_for()
    answer.fill("3")
    answer.press("Enter")
    cell.get_by_text("Not right.").wait_for()
    book.shot("numeric")
    cell.get_by_role("button", name="Next question").click()
    for _ in range(4):  # three questions later the first one comes back with other numbers
        cell.get_by_role("button", name="Next question").click()
    cell.get_by_role("button", name="FP16 to FP32").click()
    cell.get_by_text("Every FP16 number, subnormals included").wait_for()
    book.shot("choice")


@pytest.mark.parametrize("width, dark", [(1280, False), (800, False), (1280, True)])
def test_pages_look_good_at_both_widths_and_in_the_dark(notebook, width, dark):
    """Nothing is wider than its cell; the pictures are for a person to look at."""
    book = notebook(CHAPTER, width=width)
    if dark:
        book.page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
        book.page.wait_for_selector("body[data-jp-theme-light='false']", state="attached")
    book.run_all()
    for name, text, kind in (("title", "# 26", "markdown"), ("answer", "## The short answer", "markdown"),
                             ("painter", "bit_painter(", "code"), ("about", "Exercise 1", "markdown"),
                             ("claims", "## What the source says", "markdown"), ("practise", 'practise("26")', "code"),
                             ("glossary", "## Glossary", "markdown")):
        cell = book.cell(text, kind)
        book.page.wait_for_timeout(400)
        book.shot(name)
        wide = cell.evaluate("e => e.scrollWidth - e.clientWidth")
        assert wide <= 2, f"{name} is {wide} px too wide"
