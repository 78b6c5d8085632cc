"""Nothing of a submission acts in a browser: the feedback page, the graded notebook, and nbgrader's page of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import attack_tools as tools
import nbformat
import pytest
from attack_tools import ATTACKS

from autograder.chapters import CHAPTERS

pytestmark = pytest.mark.slow

NAMES = ["own-scripts_in_answers", "own-scripts_in_values", "corpus-html_script_in_markdown", "corpus-html_script_in_output",
         "own-lone_surrogates", "own-source_of_surrogates"]
MAY_NOT_BE = {"script", "iframe", "object", "embed", "base", "form", "input", "svg", "math", "frame", "link", "noscript", "applet"}


class Page(HTMLParser):
    """What a browser would take as elements and attributes, the head's own style and policy left out."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    handle_startendtag = handle_starttag

    def acting(self):
        for tag, attributes in self.found:
            if tag in MAY_NOT_BE:
                yield tag, attributes
            for name, value in attributes.items():
                compact = re.sub(r"[\s\0-\x1f]", "", value or "").lower()  # as a browser reads an address
                if name.startswith("on") or compact.startswith(("javascript:", "vbscript:", "data:text")) or "evil.example" in compact:
                    yield tag, attributes


@pytest.fixture(scope="module")
def graded(town):
    chapter = CHAPTERS["12"]
    for name in NAMES:  # a run wants a submission of every student to both chapters
        for each in (chapter, CHAPTERS["90"]):
            town.write(ATTACKS[name], each, f"page-{name}", tools.solved(town.course, each))
    return tools.attacked(town, [f"page-{name}" for name in NAMES], again=True)


def path_of(town, step, name, suffix):
    return town.course / step / f"page-{name}" / "12_flops" / f"12_flops.{suffix}"


@pytest.mark.parametrize("name", NAMES)
def test_the_feedback_page_holds_text_and_nothing_that_acts(town, graded, name):
    text = path_of(town, "feedback", name, "html").read_text(encoding="utf-8")
    page = Page(text)
    assert not list(page.acting())
    assert len(page.found) > 30 and page.found[0][0] == "html"
    policies = [a.get("content", "") for tag, a in page.found if tag == "meta" and a.get("http-equiv")]
    assert policies and policies[0].startswith("default-src 'none'") and len(policies) == 1
    if name == "own-scripts_in_values":
        assert "&lt;script&gt;EVIL" in text  # shown as what it is


@pytest.mark.parametrize("name", NAMES)
def test_the_graded_notebook_holds_no_markup_of_the_learners(town, graded, name):
    nb = nbformat.read(path_of(town, "autograded", name, "ipynb"), 4)
    released = {c.source for c in tools.making.released(town.course, CHAPTERS["12"]).cells}
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.source not in released:
            assert not list(Page(cell.source).acting()), cell.source
            assert not re.search(r"(?i)(javascript|vbscript|data)\s*:", cell.source)
        for output in cell.get("outputs", []):
            assert not list(Page("".join(output.data.get("text/html", ""))).acting())
            assert set(output.data) <= {"text/plain", "text/html"}


def test_the_page_of_nbgraders_own_feedback_holds_none_either(town, graded):
    name = "own-scripts_in_answers"
    ours = path_of(town, "feedback", name, "html").read_text(encoding="utf-8")
    tools.making.nbgrader(town.course, "generate_feedback", "12_flops", "--student", f"page-{name}", "--force")
    theirs = path_of(town, "feedback", name, "html").read_text(encoding="utf-8")
    assert theirs != ours
    # Its own scripts stay; of the learner's there is no element, no handler and no address that runs.
    assert not [(tag, a) for tag, a in Page(theirs).acting() if tag not in MAY_NOT_BE or "EVIL" in str(a) or "evil" in str(a)]
    assert not re.search(r"<script[^>]*>\s*EVIL|<style>\*|<iframe|<form|<base|<object|<embed", theirs, re.I)
