"""What all figures share."""

from html.parser import HTMLParser

from matplotlib.figure import Figure

from utils.widgets.style import shown_figure


def test_a_figure_tells_the_same_to_eyes_ears_and_a_terminal():
    told = 'a < b & "c" > d'
    seen = {"data": ""}

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.setdefault(tag, dict(attrs))

        def handle_data(self, data):
            seen["data"] += data

    shown = shown_figure(Figure(), told, 320)
    Reader().feed(shown.html)
    assert seen["img"]["alt"] == seen["data"] == repr(shown) == told
    assert set(seen) == {"data", "img", "p"} and "width:320px" in seen["img"]["style"]
