"""The graded notebook and the feedback page: right sums, everything of the learner's harmless, nothing lost."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.grading import pages

ESSAY = "# Mine\n\n<script>alert(1)</script> and [a link](javascript:alert(2)), <img src=x onerror=alert(3)>\n\n& **bold**."
HOSTILE = "'</code></pre><script>alert(4)</script><img src=x onerror=alert(5)>'"


@pytest.fixture(scope="module")
def graded(grade_here, solutions):
    """One right answer, one that returns and prints HTML, the others blank, an essay that would like to act."""
    first, second = list(solutions)[:2]
    bad = f"def {second}(*args, **kwargs):\n    print({HOSTILE})\n    return {HOSTILE}  # <b>not bold</b>\n"
    return grade_here({first: solutions[first], second: bad}, ESSAY, student="<i>ann</i>")


@pytest.fixture(scope="module")
def parts(graded):
    made, released = graded
    return pages.content_of(made, released), made.result.notebooks[0], released


class Seen(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text, self.styles = [], [], [], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def harmless_page(page):
    """No script, nothing that loads or acts, by Python's own parser."""
    seen = Seen(page)
    assert not set(seen.tags) & {"script", "img", "iframe", "object", "embed", "svg", "form", "link", "base", "math"}
    for tag, name, value in seen.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "srcdoc", "formaction", "action", "background"), (tag, name)
        if name == "href":
            assert re.match(r"https?:|mailto:|#|/", value), value
    return seen


def test_the_page_is_harmless_and_says_what_the_check_said(parts):
    content, told, released = parts
    page = pages.feedback_page(content, told, released, "<i>ann</i>")
    seen = harmless_page(page)
    assert [v for t, n, v in seen.attributes if t == "meta" and "default-src 'none'" in v], "a policy against scripts"
    assert "<i>ann</i>" in seen.words and "<b>not bold</b>" in seen.words, "shown as text"
    assert html.escape(HOSTILE.strip("'"), quote=False)[:40] in page
    assert "bold" in seen.words and "strong" in seen.tags
    first, second = told.exercises[:2]
    assert f"{first.points:g} of {first.max_points:g}" in seen.words and "✓ right" in seen.words
    assert second.outcome == "wrong" and second.title in seen.words and "✗ not right yet" in seen.words
    assert seen.words.count("○ not attempted") == sum(e.outcome == "not attempted" for e in told.exercises)
    assert "1 written answer waits for a person" in seen.words


def test_totals_with_what_a_person_gave(parts):
    content, told, released = parts
    earned = sum(e.points for e in told.exercises)
    most = sum(a.points for a in released.asked) + sum(w.points for w in released.written)
    assert 0 < earned < most
    essay, check = released.written[0].cell, told.exercises[1].cell

    def total(scores):
        return re.search(r'<p class="sum">[^·]*· <b>([^<]*)</b>([^<]*)', pages.feedback_page(
            content, told, released, "ann", scores)).groups()

    assert total(None) == (f"{earned:g} of {most:g} points; 1 written answer waits for a person", "")
    by_hand = {essay: {"manual_score": 2.5, "comment": "Good <script>x</script> *point*."}, check: {"manual_score": 1.0}}
    rest = earned - told.exercises[1].points
    assert total(by_hand)[0] == f"{rest + 3.5:g} of {most:g} points"
    assert total({**by_hand, "penalty": 1.25})[1] == " · 1.25 points off for lateness"
    by_hand[essay]["extra_credit"] = 0.5
    assert total(by_hand)[0] == f"{rest + 4:g} of {most:g} points with 0.5 of extra credit"
    page = pages.feedback_page(content, told, released, "ann", by_hand)
    assert "<em>point</em>" in page and "Good" in harmless_page(page).words
    zero = {essay: {"manual_score": 0.0}}
    assert total(zero)[0] == f"{earned:g} of {most:g} points", "a person's 0 is a score"


def test_the_graded_notebook_is_one_and_holds_what_was_handed_in(parts, graded):
    content, told, released = parts
    text = pages.graded_notebook(content, told, released)
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    cells = {c.metadata.nbgrader.grade_id: c for c in book.cells if "nbgrader" in c.metadata}
    for asked in released.asked:
        assert cells[asked.answer].source == content.code.get(asked.answer, asked.stub)
        (output,) = cells[asked.check].outputs
        earned = next(e.points for e in told.exercises if e.cell == asked.check)
        assert float(output["data"]["text/plain"]) == earned, "nbgrader reads the score from here"
    from nbgrader.utils import determine_grade

    for exercise in told.exercises:
        assert determine_grade(cells[exercise.cell]) == (exercise.points, exercise.max_points)
    essay = cells[released.written[0].cell].source
    assert essay.replace("\u200b", "") == ESSAY and "<script" not in essay and "javascript:" not in essay
    given = [c.source for c in nbformat.from_dict(released.notebook).cells if not c.metadata.get("nbgrader")]
    assert given == [c.source for c in book.cells if not c.metadata.get("nbgrader")]


def test_what_the_notebook_keeps_makes_the_same_page(parts):
    content, told, released = parts
    stored = pages.content_from(json.loads(pages.graded_notebook(content, told, released)), released)
    asked = {a.answer: a.stub for a in released.asked}
    assert stored.code == {**asked, **content.code} and stored.text == content.text and stored.cards == content.cards
    assert pages.feedback_page(stored, told, released, "ann") == pages.feedback_page(content, told, released, "ann")


def test_a_card_that_stock_nbgrader_put_there_does_not_act(parts):
    """After a switch to stock nbgrader the stored output is whatever the learner's own code showed."""
    content, told, released = parts
    check = released.asked[0].check
    card = '<div onclick="x()" style="position:fixed" class="ag"><script>x()</script><img src=//evil><a href="//e">b</a></div>'
    page = pages.feedback_page(pages.Content(content.code, content.text, {check: card}), told, released, "ann")
    seen = harmless_page(page)
    assert "position:fixed" not in page.split("</head>")[1] and "a" not in seen.tags


def test_a_card_of_ours_looks_as_in_the_lab(parts):
    content, told, released = parts
    page = pages.feedback_page(content, told, released, "ann")
    for card in content.cards.values():
        mine = Seen(card.removeprefix(pages.STYLE))
        assert mine.words in Seen(page).words
        for attribute in mine.attributes:
            assert attribute in Seen(page).attributes, attribute


def test_a_problem_and_the_notes_stand_on_the_page(parts):
    content, told, released = parts
    import copy

    told = copy.deepcopy(told)
    told.problem, told.notes = "It is <b>no</b> notebook.", ["The points & tests were changed."]
    seen = Seen(pages.feedback_page(content, told, released, "ann"))
    assert "It is <b>no</b> notebook." in seen.words and "The points & tests were changed." in seen.words


NASTY = st.lists(st.one_of(
    st.text(max_size=8),
    st.sampled_from(["<script>", "</script>", "<img src=x onerror=a>", "<", "<!--", "-->", "javascript:", "JaVaScRiPt :",
                     "[x](", ")", "data:text/html,", "`", "```\n", "\n\n", "<svg/onload=a>", "<a href='", "'>", "&lt;",
                     "\0", "\u200b", "![i](", "<style>", "<?x", "vbscript:", "<iframe srcdoc=", "&#106;avascript:"]),
), max_size=12).map("".join)


@settings(deadline=None, max_examples=300)
@given(NASTY)
def test_a_harmless_text_reads_as_before_and_holds_no_tag(text):
    found = pages.harmless(text)
    assert not re.search(r"<[A-Za-z/!?]|&[#A-Za-z]", found)
    assert found.replace("\u200b", "") == text.replace("\u200b", "").replace("\0", "")
    assert pages.harmless(found) == found


LINKS = ("javascript:x", "&#106;avascript:x", "javascript&colon;x", "JAVASCRIPT\\:x", "java&#9;script:x", "data:text/html,x",
         "&#x6A;avascript&#58;x", "vbscript\\:x", "<javascript:x>", " javascript:x", "data&colon;x")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(NASTY, st.sampled_from([f"[a]({x})" for x in LINKS] + [f"![a]({x})" for x in LINKS]
                                                 + [f"[a]: {x}\n\n[a]" for x in LINKS])), max_size=4).map("".join))
def test_what_nbgraders_pages_make_of_a_harmless_text_does_not_act(text):
    """Formgrader renders the graded notebook's Markdown with nbconvert, which keeps HTML and any link."""
    from nbconvert.filters.markdown import markdown2html

    seen = Seen(markdown2html(pages.harmless(text)))
    assert not set(seen.tags) & {"script", "iframe", "object", "embed", "svg", "form", "style", "base"}
    for tag, name, value in seen.attributes:
        assert not name.startswith("on"), (tag, name)
        scheme = re.sub(r"[\s\0-\x20]", "", value).lower()
        assert not scheme.startswith(("javascript:", "vbscript:", "data:")), (tag, name, value)


@settings(deadline=None, max_examples=300)
@given(NASTY)
def test_a_rendered_answer_holds_nothing_that_acts(text):
    harmless_page(pages.rendered(text))


def test_a_very_long_answer_is_cut():
    assert len(pages.harmless("x" * 10**6)) == pages.MAX_TEXT
